"""What it does to a `docker_image` that it depends on a list of images.

The test shows, too, why no such dependency is inferred from a `FROM` of a mirrored image: the plan would become part of
the image's build context, and every edit of the list would move `{pants.hash}`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from pants.backend.docker.subsystems import dockerfile_parser
from pants.backend.docker.subsystems.dockerfile_parser import DockerfileInfo, DockerfileInfoRequest
from pants.backend.docker.target_types import DockerImageTarget
from pants.backend.docker.util_rules import (
    dependencies,
    docker_build_args,
    docker_build_context,
    docker_build_env,
    dockerfile,
)
from pants.backend.docker.util_rules.docker_build_context import DockerBuildContext, DockerBuildContextRequest
from pants.core import register as core
from pants.core.target_types import GenericTarget
from pants.engine.addresses import Address
from pants.engine.fs import EMPTY_DIGEST, Snapshot
from pants.engine.rules import collect_rules, rule
from pants.engine.target import Dependencies, DependenciesRequest, Targets
from pants.testutil.rule_runner import QueryRule, RuleRunner

from docker_mirror import register
from docker_mirror.pants_compat import CALL_BY_NAME


@rule
async def parse_nothing(request: DockerfileInfoRequest) -> DockerfileInfo:
    """Stands in for the parser of older versions of Pants, a Python tool that has to be fetched."""
    return DockerfileInfo(request.address, digest=EMPTY_DIGEST, source="app/Dockerfile")


def parser_rules() -> Iterable[object]:
    if CALL_BY_NAME:
        yield from dockerfile_parser.rules()  # type: ignore[no-untyped-call]
    else:
        yield from collect_rules({"parse_nothing": parse_nothing})


@pytest.fixture
def runner(helper: Path) -> RuleRunner:
    runner = RuleRunner(
        rules=[
            *core.rules(),  # type: ignore[no-untyped-call]
            *register.rules(),
            *parser_rules(),
            *dependencies.rules(),  # type: ignore[no-untyped-call]
            *docker_build_args.rules(),  # type: ignore[no-untyped-call]
            *docker_build_context.rules(),  # type: ignore[no-untyped-call]
            *docker_build_env.rules(),  # type: ignore[no-untyped-call]
            *dockerfile.rules(),  # type: ignore[no-untyped-call]
            QueryRule(DockerBuildContext, [DockerBuildContextRequest]),
            QueryRule(Targets, [DependenciesRequest]),
        ],
        target_types=[*register.target_types(), DockerImageTarget, GenericTarget],
        preserve_tmpdirs=False,
    )
    runner.set_options(
        [f"--docker-mirror-helper={helper}", "--docker-registries={'m': {'address': 'm.example', 'default': True}}"],
        env_inherit={"PATH", "HOME"},
    )
    runner.write_files(
        {
            "3rdparty/BUILD": "docker_mirror_images(name='images')",
            "3rdparty/images.txt": "quay.io/team/base:1\n",
            "app/BUILD": """
docker_image(name="inferred")
docker_image(name="explicit", dependencies=["3rdparty:images"])
docker_image(name="apart", dependencies=[":base", "!!3rdparty:images"])
target(name="base", dependencies=["3rdparty:images"])
""",
            "app/Dockerfile": "FROM m.example/team/base:1\n",
        }
    )
    return runner


def context(runner: RuleRunner, name: str) -> tuple[tuple[str, ...], str]:
    """The plans in a `docker_image`'s build context, and `{pants.hash}`."""
    address = Address("app", target_name=name)
    context = runner.request(DockerBuildContext, [DockerBuildContextRequest(address)])
    files = runner.request(Snapshot, [context.digest]).files
    pants = context.interpolation_context["pants"]
    assert not isinstance(pants, str)
    return tuple(file for file in files if file.endswith(".plan.json")), str(pants["hash"])


def dependency_specs(runner: RuleRunner, name: str) -> set[str]:
    target = runner.get_target(Address("app", target_name=name))
    return {t.address.spec for t in runner.request(Targets, [DependenciesRequest(target[Dependencies])])}


def test_a_dependency_puts_the_plan_into_the_build_context(runner: RuleRunner) -> None:
    names = ("inferred", "explicit", "apart")
    before = {name: context(runner, name) for name in names}
    runner.write_files({"3rdparty/images.txt": "quay.io/team/base:2\n"})
    after = {name: context(runner, name) for name in names}

    assert dependency_specs(runner, "inferred") == set()
    assert dependency_specs(runner, "explicit") == {"3rdparty/images.txt:images"}
    assert dependency_specs(runner, "apart") == {"app:base"}
    assert before["explicit"][0] == ("3rdparty/images.txt.images.plan.json",)
    assert before["explicit"][1] != after["explicit"][1]
    for name in ("inferred", "apart"):
        assert before[name][0] == ()
        assert before[name] == after[name]
