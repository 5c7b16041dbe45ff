"""Images that Dockerfiles take from a mirror, and that no list brings there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from pants.backend.docker.target_types import DockerImageTarget
from pants.backend.docker.util_rules import dockerfile
from pants.core import register as core
from pants.core.goals.lint import Lint, LintResult
from pants.core.util_rules.partitions import Partitions
from pants.engine.addresses import Address
from pants.testutil.rule_runner import GoalRuleResult, QueryRule, RuleRunner
from pants_project import PantsProject

from docker_mirror import register
from docker_mirror.froms import LintDockerfileFieldSet, LintDockerfilesRequest

REGISTRIES = {"m": {"address": "m.example", "default": True, "repository": "x/{target_repository}"}}


class Runner:
    def __init__(self, *options: str) -> None:
        self.rules = RuleRunner(
            rules=[
                *core.rules(),  # type: ignore[no-untyped-call]
                *register.rules(),
                *dockerfile.rules(),  # type: ignore[no-untyped-call]
                QueryRule(LintResult, [LintDockerfilesRequest.Batch]),
                QueryRule(Partitions, [LintDockerfilesRequest.PartitionRequest]),
            ],
            target_types=[*register.target_types(), DockerImageTarget],
            preserve_tmpdirs=False,
        )
        self.options = (f"--docker-registries={REGISTRIES}", *options)
        self.rules.write_files(
            {
                "3rdparty/BUILD": "docker_mirror_images(name='images')",
                "3rdparty/images.txt": "nginx:1.26\nnginx:1.27\n",
                "app/BUILD": "docker_image(name='app')",
            }
        )

    def goal(self) -> GoalRuleResult:
        return self.rules.run_goal_rule(Lint, global_args=self.options, args=["::"], env_inherit={"PATH", "HOME"})

    def lint(self, *options: str, names: Sequence[str] = ("app",)) -> LintResult:
        """What is found, as the goal only logs it."""
        self.rules.set_options([*self.options, *options], env_inherit={"PATH", "HOME"})
        targets = (self.rules.get_target(Address("app", target_name=name)) for name in names)
        fields = tuple(LintDockerfileFieldSet.create(target) for target in targets)
        return self.rules.request(LintResult, [LintDockerfilesRequest.Batch("", fields, None)])


@pytest.fixture
def options(helper: Path) -> Sequence[str]:
    return (f"--docker-mirror-helper={helper}", "--docker-mirror-lint-unmirrored-from=error")


@pytest.fixture
def runner(options: Sequence[str]) -> Runner:
    return Runner(*options)


MISSING = (
    "error: no list mirrors m.example/x/nginx:1.28: name m.example/x/nginx:1.27, which "
    "3rdparty/images.txt:images mirrors (3rdparty/images.txt:2), or add the tag to that list [unmirrored-from]\n"
)


def test_a_tag_that_no_list_mirrors(runner: Runner) -> None:
    runner.rules.write_files(
        {"app/Dockerfile": "FROM m.example/x/nginx:1.27 AS a\nFROM a\nFROM m.example/x/nginx:1.28\n"}
    )
    result = runner.lint()
    assert (result.exit_code, result.stderr) == (1, "")
    assert f"app/Dockerfile:3: {MISSING}" in result.stdout
    assert result.stdout.count("[unmirrored-from]") == 1

    runner.options = (*runner.options[:-1], "--docker-mirror-lint-unmirrored-from=warn")
    result = runner.lint()
    assert result.exit_code == 0
    assert "app/Dockerfile:3: warn: no list mirrors m.example/x/nginx:1.28: " in result.stdout

    runner.rules.write_files({"3rdparty/images.txt": "nginx:1.26\nnginx:1.27\nnginx:1.28\n"})
    assert runner.lint().stdout == ""


def test_off_by_default(helper: Path) -> None:
    def partitions(*options: str) -> int:
        runner = Runner(f"--docker-mirror-helper={helper}", *options)
        runner.rules.write_files({"app/Dockerfile": "FROM m.example/x/nginx:1.28\n"})
        runner.rules.set_options(runner.options, env_inherit={"PATH", "HOME"})
        fields = LintDockerfileFieldSet.create(runner.rules.get_target(Address("app", target_name="app")))
        return len(runner.rules.request(Partitions, [LintDockerfilesRequest.PartitionRequest((fields,))]))

    assert partitions() == 0
    assert partitions("--docker-mirror-lint-unmirrored-from=warn") == 1


def test_a_repository_that_no_list_mirrors_to(runner: Runner) -> None:
    runner.rules.write_files({"app/Dockerfile": "FROM m.example/x/redis:7\nFROM m.example/own/base:1\nFROM redis:7\n"})
    assert runner.lint().exit_code == 0
    result = runner.lint("--docker-mirror-lint-mirrors=m.example/x")
    assert result.exit_code == 1
    assert "app/Dockerfile:1: error: no list mirrors to m.example/x/redis, from where " in result.stdout
    assert result.stdout.count("[unmirrored-from]") == 1
    result = runner.lint("--docker-mirror-lint-mirrors=mirror")
    assert result.exit_code == 2
    assert '"mirror" is no registry, and no path in one: want registry.example' in result.stderr


def test_instructions_and_build_args(runner: Runner) -> None:
    names = ("inline", "given", "environment")
    runner.rules.write_files(
        {
            "app/BUILD": """
docker_image(name="inline", source=None, instructions=["ARG TAG=1.27", "FROM m.example/x/nginx:$TAG"])
docker_image(
    name="given",
    source=None,
    instructions=["ARG TAG=1.27", "FROM m.example/x/nginx:$TAG"],
    extra_build_args=["TAG=1.28"],
)
docker_image(
    name="environment",
    source=None,
    instructions=["ARG TAG=1.28", "FROM m.example/x/nginx:$TAG"],
    extra_build_args=["TAG"],
)
""",
        }
    )
    result = runner.lint(names=names)
    assert result.exit_code == 1
    assert f"app:given, instructions:2: {MISSING}" in result.stdout
    assert result.stdout.count("[unmirrored-from]") == 1
    result = runner.lint("--docker-build-args=['TAG=1.28']", names=names)
    assert f"app:inline, instructions:2: {MISSING}" in result.stdout
    assert result.stdout.count("[unmirrored-from]") == 2


def test_one_file_of_two_targets_and_one_that_is_left_out(runner: Runner) -> None:
    runner.rules.write_files(
        {
            "app/BUILD": """
docker_image(name="a")
docker_image(name="b")
docker_image(name="c", source="Dockerfile.c", skip_docker_mirror_lint=True)
""",
            "app/Dockerfile": "FROM m.example/x/nginx:1.28\n",
            "app/Dockerfile.c": "FROM m.example/x/nginx:1.29\n",
        }
    )
    result = runner.lint(names=("a", "b"))
    assert result.stdout.count("[unmirrored-from]") == 1
    target = runner.rules.get_target(Address("app", target_name="a"))
    left_out = runner.rules.get_target(Address("app", target_name="c"))
    assert [LintDockerfileFieldSet.opt_out(left_out), LintDockerfileFieldSet.opt_out(target)] == [True, False]


def test_a_list_with_an_error_is_named(runner: Runner) -> None:
    runner.rules.write_files({"app/Dockerfile": "FROM m.example/x/nginx:1.28\n", "3rdparty/images.txt": "no image\n"})
    result = runner.lint()
    assert result.exit_code == 1
    assert "3rdparty/images.txt:1" in result.stderr
    assert "[unmirrored-from]" not in result.stdout


def test_without_go(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    runner = Runner(f"--docker-mirror-go-search-paths=['{tmp_path}']", "--docker-mirror-lint-unmirrored-from=error")
    runner.rules.write_files({"app/Dockerfile": "FROM m.example/x/nginx:1.28\n"})
    result = runner.goal()
    assert result.exit_code == 0
    assert [record.message for record in caplog.records if "Image lists are left out" in record.message][1:] == []
    assert "needs Go" in caplog.text


@pytest.mark.integration
def test_in_a_real_run(project: PantsProject) -> None:
    project.write(
        {
            "3rdparty/BUILD": "docker_mirror_images(name='images', registries=['m.example'])",
            "3rdparty/images.txt": "quay.io/team/base:1\n",
            "app/BUILD": "docker_image(name='app')",
            "app/Dockerfile": "FROM m.example/team/base:1\nFROM m.example/team/base:2\n",
        }
    )
    backends = "--backend-packages=+['pants.backend.docker']"
    project.run(backends, "lint", "::").succeeded()
    run = project.run(backends, "--docker-mirror-lint-unmirrored-from=error", "lint", "app::").failed()
    assert "app/Dockerfile:2: error: no list mirrors m.example/team/base:2: name m.example/team/base:1" in str(run)
    assert str(run).count("[unmirrored-from]") == 1
    run = project.run(backends, "--docker-mirror-lint-unmirrored-from=error", "lint", "::").failed()
    assert str(run).count("[unmirrored-from]") == 1
