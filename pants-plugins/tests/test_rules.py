"""The rules in an engine, with the real helper."""

from __future__ import annotations

import hashlib
import json
import re
import stat
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from pants.core import register as core
from pants.core.goals.fmt import Fmt
from pants.core.goals.lint import Lint, LintResult
from pants.core.goals.package import BuiltPackage
from pants.core.goals.publish import PublishPackages, PublishProcesses
from pants.core.goals.tailor import TailorGoal
from pants.engine.addresses import Address
from pants.engine.fs import Digest, DigestContents
from pants.engine.goal import Goal
from pants.engine.internals.parametrize import Parametrize
from pants.testutil.rule_runner import GoalRuleResult, QueryRule, RuleRunner

from docker_mirror import register, version
from docker_mirror.helper import HELPER_NAME, MirrorHelper
from docker_mirror.lint import LintImageListFieldSet, LintImageListsRequest
from docker_mirror.mirror import Mirror, batch_json
from docker_mirror.package import PackageImageListFieldSet
from docker_mirror.publish import PublishImageListFieldSet, PublishImageListRequest

REGISTRIES = {
    "prod": {"address": "prod.example", "default": True, "repository": "m/{target_repository}"},
    "test": {"address": "test.example:5000", "extra_image_tags": ["latest"]},
    "off": {"address": "off.example", "skip_push": True},
}


class Runner:
    """A RuleRunner with this backend, set up by options."""

    def __init__(self, *options: str, env: dict[str, str] | None = None) -> None:
        self.rules = RuleRunner(
            rules=[
                *core.rules(),  # type: ignore[no-untyped-call]
                *register.rules(),
                QueryRule(DigestContents, [Digest]),
                QueryRule(LintResult, [LintImageListsRequest.Batch]),
                QueryRule(MirrorHelper, []),
                QueryRule(BuiltPackage, [PackageImageListFieldSet]),
                QueryRule(PublishProcesses, [PublishImageListRequest]),
            ],
            target_types=register.target_types(),
            objects={"parametrize": Parametrize},
            preserve_tmpdirs=False,
        )
        self.options = options
        self.env = env or {}
        self.set_options()

    def set_options(self, *more: str) -> None:
        self.rules.set_options([*self.options, *more], env=self.env, env_inherit={"PATH", "HOME"})

    def plan(self, directory: str, name: str, file: str | None = None) -> list[dict[str, Any]]:
        """Packages a target; the plan's entries."""
        return self.plan_of(self.package_fields(directory, name, file))

    def plan_of(self, fields: PackageImageListFieldSet) -> list[dict[str, Any]]:
        package = self.rules.request(BuiltPackage, [fields])
        (content,) = self.rules.request(DigestContents, [package.digest])
        assert [artifact.relpath for artifact in package.artifacts] == [content.path]
        entries: list[dict[str, Any]] = json.loads(content.content)
        return entries

    def package_fields(
        self, directory: str, name: str, file: str | None = None, **parameters: str
    ) -> PackageImageListFieldSet:
        address = Address(directory, target_name=name, relative_file_path=file, parameters=parameters)
        return PackageImageListFieldSet.create(self.rules.get_target(address))

    def package(self, directory: str, name: str, file: str | None = None, **parameters: str) -> BuiltPackage:
        return self.rules.request(BuiltPackage, [self.package_fields(directory, name, file, **parameters)])

    def publish(self, directory: str, name: str, file: str | None = None) -> PublishPackages:
        target = self.rules.get_target(Address(directory, target_name=name, relative_file_path=file))
        request = PublishImageListRequest(
            PublishImageListFieldSet.create(target), (self.package(directory, name, file),)
        )
        (packages,) = self.rules.request(PublishProcesses, [request])
        return packages

    def mirror(self, *args: str) -> GoalRuleResult:
        return self.goal(Mirror, *args)

    def goal(self, goal: type[Goal], *args: str) -> GoalRuleResult:
        return self.rules.run_goal_rule(
            goal, global_args=self.options, args=args, env=self.env, env_inherit={"PATH", "HOME"}
        )

    def lint(self, *addresses: Address) -> LintResult:
        fields = tuple(LintImageListFieldSet.create(self.rules.get_target(address)) for address in addresses)
        return self.rules.request(LintResult, [LintImageListsRequest.Batch("", fields, None)])

    def read(self, path: str) -> str:
        return Path(self.rules.build_root, path).read_text()


def helper_options(helper: Path, tmp_path: Path) -> Sequence[str]:
    return (
        f"--docker-mirror-helper={helper}",
        f"--docker-registries={REGISTRIES}",
        f"--named-caches-dir={tmp_path / 'named_caches'}",
    )


@pytest.fixture
def options(helper: Path, tmp_path: Path) -> Sequence[str]:
    return helper_options(helper, tmp_path)


@pytest.fixture
def runner(options: Sequence[str]) -> Runner:
    return Runner(*options)


def test_plan_of_a_list(runner: Runner) -> None:
    runner.rules.write_files(
        {
            "3rdparty/BUILD": """docker_mirror_image_list(
                name="images",
                source="images.txt",
                registries=["@prod", "@test"],
                repository="{directory}/{name}",
                platforms=["linux/amd64"],
            )""",
            "3rdparty/images.txt": "# Base images\nquay.io/team/app:1.0\nbusybox:1.36 AS shell\n",
        }
    )
    got = [(c["src"], c["dst"], c["transform"], c["origin"]) for c in runner.plan("3rdparty", "images")]
    limit = {"limitPlatforms": ["linux/amd64"]}
    assert got == [
        ("quay.io/team/app:1.0", "prod.example/m/3rdparty/app:1.0", limit, "3rdparty/images.txt:2"),
        ("quay.io/team/app:1.0", "test.example:5000/3rdparty/app:1.0", limit, "3rdparty/images.txt:2"),
        ("quay.io/team/app:1.0", "test.example:5000/3rdparty/app:latest", limit, "3rdparty/images.txt:2"),
        ("docker.io/library/busybox:1.36", "prod.example/m/3rdparty/shell:1.36", limit, "3rdparty/images.txt:3"),
        ("docker.io/library/busybox:1.36", "test.example:5000/3rdparty/shell:1.36", limit, "3rdparty/images.txt:3"),
        ("docker.io/library/busybox:1.36", "test.example:5000/3rdparty/shell:latest", limit, "3rdparty/images.txt:3"),
    ]


def test_a_label_with_another_end_of_line(runner: Runner) -> None:
    """What the helper says of each list is told from that of the next."""
    runner.rules.write_files(
        {
            "BUILD": r"docker_mirror_images(name='lists', sources=['*.txt'], tags=['next\u0085line', 'line\u2028'])",
            "a.txt": "a.example/x:1\n",
            "b.txt": "a.example/y:1\n",
        }
    )
    ((x,), (y,)) = (runner.plan("", "lists", file) for file in ("a.txt", "b.txt"))
    assert (x["src"], y["src"]) == ("a.example/x:1", "a.example/y:1")
    assert x["labels"] == ["next\u0085line", "line\u2028"]


@pytest.mark.parametrize(
    ("fields", "images", "error"),
    [
        pytest.param(
            "registries=[]",
            "a.example/x:1\n",
            r"images\.txt:1: .*no destination registry.*@off, @prod, @test",
            id="no registry, with the aliases that there are",
        ),
        pytest.param(
            "",
            "a.example/x:1\nA.example/Bad:1\na.example/x:1 AZ y\n",
            r"//:images:(.|\n)*images\.txt:2: (.|\n)*images\.txt:3: ",
            id="all errors of a list",
        ),
        pytest.param(
            "registries=['@nowhere']",
            "a.example/x:1\nnot an image\n",
            r"//:images:\n  \S* has no @nowhere(.|\n)*  images\.txt:2: ",
            id="errors of the fields and of the list together",
        ),
    ],
)
def test_errors_of_a_plan(runner: Runner, fields: str, images: str, error: str) -> None:
    runner.rules.write_files(
        {
            "BUILD": f"docker_mirror_image_list(name='images', source='images.txt', {fields})",
            "images.txt": images,
        }
    )
    with pytest.raises(Exception, match=error):
        runner.package("", "images")


def test_an_error_in_a_field_names_no_file_of_ours(runner: Runner) -> None:
    runner.rules.write_files(
        {"BUILD": "docker_mirror_inline_image(name='x', image='a.example/x:1', image_tags=['', '1'])"}
    )
    result = runner.mirror("::")
    assert result.exit_code == 2
    assert result.stderr.splitlines() == ['✕ //:x: an entry of "image_tags" is empty', "Nothing was mirrored."]


GENERATOR = {
    "3rdparty/BUILD": """docker_mirror_images(
        name="images",
        sources=["*.txt"],
        referrers="none",
        overrides={
            "app": {"platforms": ["linux/amd64"], "index": "sparse", "referrers": "all", "tags": ["net"]},
            "a.example/tool": {"image_tags": ["stable"]},
        },
    )""",
    "3rdparty/apps.txt": "a.example/x:1 AS app\n",
    "3rdparty/tools.txt": "a.example/tool:1\n",
}


PARAMETRIZED = {
    "BUILD": """\
docker_mirror_images(
    name="lists",
    sources=["*.txt"],
    platforms=parametrize(amd64=["linux/amd64"], arm64=["linux/arm64"]),
    registries=["@test"],
    overrides={"app": {"image_tags": ["stable"]}},
    output_path="{parameters}/{spec_file}.json",
)
docker_mirror_image_list(
    name="list",
    source=parametrize("a.txt", "b.txt"),
    overrides=parametrize(a={"app": {"repository": "first"}}, b={"b.example/x": {"repository": "second"}}),
)
docker_mirror_inline_image(name="image", image=parametrize(one="a.example/one:1", two="a.example/two:1"))
""",
    "a.txt": "a.example/x:1 AS app\n",
    "b.txt": "b.example/x:1\n",
}


def test_parametrize_with_overrides(runner: Runner) -> None:
    runner.rules.write_files(PARAMETRIZED)

    def packaged(name: str, file: str | None = None, **parameters: str) -> tuple[str, list[str]]:
        package = runner.package("", name, file, **parameters)
        (content,) = runner.rules.request(DigestContents, [package.digest])
        return content.path, [entry["dst"] for entry in json.loads(content.content)]

    # The key matches in one of the two files, for each choice of the platforms.
    for platform in ("amd64", "arm64"):
        assert packaged("lists", "b.txt", platforms=platform) == (
            f"platforms={platform}/b.txt.json",
            ["test.example:5000/x:1", "test.example:5000/x:latest"],
        )
        _, destinations = packaged("lists", "a.txt", platforms=platform)
        assert "test.example:5000/x:stable" in destinations
    assert packaged("list", source="a.txt", overrides="a")[1] == ["prod.example/m/first:1"]
    assert packaged("list", source="b.txt", overrides="b")[1] == ["prod.example/m/second:1"]
    # A key must match in the files of its own choice.
    with pytest.raises(Exception, match=r"no image matches 'app' in the `overrides` field.*Looked in: b\.txt\."):
        packaged("list", source="b.txt", overrides="a")
    assert packaged("image", image="two")[1] == ["prod.example/m/two:1"]


def test_each_file_takes_the_overrides_that_match_in_it(runner: Runner) -> None:
    runner.rules.write_files(GENERATOR)
    (app,) = runner.plan("3rdparty", "images", "apps.txt")
    assert app["transform"] == {"limitPlatforms": ["linux/amd64"], "index": "sparse"}
    assert (app["referrers"], app["labels"]) == ("all", ["net"])
    tools = runner.plan("3rdparty", "images", "tools.txt")
    assert [tool["dst"] for tool in tools] == ["prod.example/m/tool:1", "prod.example/m/tool:stable"]
    assert "transform" not in tools[0]
    assert tools[0]["referrers"] == "none"


def test_a_key_that_matches_in_no_file_is_an_error(runner: Runner) -> None:
    runner.rules.write_files({**GENERATOR, "3rdparty/tools.txt": "a.example/tools:1\n"})
    for file in ("apps.txt", "tools.txt"):
        with pytest.raises(
            Exception, match=r"3rdparty:images: no image matches 'a\.example/tool' in .*apps\.txt, 3rdparty/tools\.txt"
        ):
            runner.package("3rdparty", "images", file)


def test_build_args_reach_a_plan_only_where_they_are_named(options: Sequence[str]) -> None:
    configured = json.dumps(["TEAM=net", "FROM_ENVIRONMENT", "SECRET=hunter2"])
    runner = Runner(*options, f"--docker-build-args={configured}", env={"FROM_ENVIRONMENT": "e"})
    runner.rules.write_files(
        {
            "BUILD": """
docker_mirror_image_list(
    name="named", source="images.txt", repository="{build_args.TEAM}/{build_args.FROM_ENVIRONMENT}/{name}"
)
docker_mirror_image_list(name="unknown", source="images.txt", repository="{build_args.OTHER}/{name}")
""",
            "images.txt": "a.example/x:1\n",
        }
    )
    (entry,) = runner.plan("", "named")
    assert entry["dst"] == "prod.example/m/net/e/x:1"
    with pytest.raises(Exception, match=r"`\{build_args\.OTHER\}`: not in `\[docker\]\.build_args`"):
        runner.package("", "unknown")


DIGEST = "sha256:" + 64 * "a"
IMAGES = {
    "3rdparty/BUILD": f"""
docker_mirror_inline_image(
    name="pause", image="registry.k8s.io/pause:3.9", image_tags=["{{tag}}", "stable"], tags=["base"]
)
docker_mirror_inline_image(
    name="golang",
    image="golang",
    variants={{"1.21-alpine": "{DIGEST}", "1.21": "{DIGEST[7:]}"}},
    repository="mirror/{{name}}",
    registries=["@test"],
    platforms=["linux/amd64"],
    referrers="none",
)
docker_mirror_inline_image(
    name="cilium",
    image="quay.io/cilium/cilium",
    source_tags=["v1.16.1", "latest@{DIGEST}"],
    select={{"semver": "^1.15", "latest": 3}},
)
"""
}


def test_images_in_a_build_file(runner: Runner) -> None:
    runner.rules.write_files(IMAGES)
    pause = runner.plan("3rdparty", "pause")
    assert pause == [
        {
            "src": "registry.k8s.io/pause:3.9",
            "dst": f"prod.example/m/pause:{tag}",
            "origin": "3rdparty:pause",
            "labels": ["base"],
        }
        for tag in ("3.9", "stable")
    ]
    golang = runner.plan("3rdparty", "golang")
    source, repository = f"docker.io/library/golang@{DIGEST}", "test.example:5000/mirror/golang"
    assert {(c["src"], c["dst"]) for c in golang} == {
        (source, f"{repository}:{tag}") for tag in ("1.21-alpine", "1.21", "latest")
    }
    assert {c["referrers"] for c in golang} == {"none"}
    assert golang[0]["transform"] == {"limitPlatforms": ["linux/amd64"]}
    assert [(c["src"], c["dst"], "select" in c) for c in runner.plan("3rdparty", "cilium")] == [
        ("quay.io/cilium/cilium:v1.16.1", "prod.example/m/cilium/cilium:v1.16.1", False),
        (f"quay.io/cilium/cilium:latest@{DIGEST}", "prod.example/m/cilium/cilium:latest", False),
        ("quay.io/cilium/cilium:{tag}", "prod.example/m/cilium/cilium:{tag}", True),
    ]


def test_errors_of_an_image_name_its_target_once(runner: Runner) -> None:
    runner.rules.write_files(
        {
            "3rdparty/BUILD": """
docker_mirror_inline_image(name="source", image="Nginx")
docker_mirror_inline_image(name="destination", image="nginx", repository="Bad/{nmae}")
docker_mirror_inline_image(name="policy", image="nginx", select={"semvr": "^1"})
docker_mirror_inline_image(name="variants", image="nginx", variants={"1": "2", "-": "3"})
docker_mirror_inline_image(name="one", image="a.example/x:1")
docker_mirror_inline_image(name="other", image="b.example/x:1")
"""
        }
    )
    result = runner.mirror("3rdparty:source", "3rdparty:destination", "3rdparty:policy", "3rdparty:variants")
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert any(line.startswith('✕ 3rdparty:source: image reference "Nginx" does not match') for line in lines)
    assert any(line.startswith("✕ 3rdparty:destination: repository: unknown placeholder {nmae}") for line in lines)
    assert '✕ 3rdparty:policy: unknown key "semvr" in "select": did you mean "semver"?' in lines
    position = lines.index("✕ 3rdparty:variants:")
    assert {line.split(":")[0] for line in lines[position + 1 : position + 3]} == {'  variant "1"', '  "variants"'}
    # Each is right by itself; together they are not, and both places are named.
    together = runner.lint(Address("3rdparty", target_name="one"), Address("3rdparty", target_name="other"))
    assert together.exit_code == 1
    assert "3rdparty:one" in together.stderr
    assert "3rdparty:other" in together.stderr


def test_lint_and_publish_of_images(runner: Runner) -> None:
    runner.rules.write_files({"BUILD": "docker_mirror_inline_image(name='x', image='a.example/x')", **IMAGES})
    result = runner.lint(Address("", target_name="x"), Address("3rdparty", target_name="pause"))
    assert result.exit_code == 0
    assert result.stdout.startswith("//:x: warn: a.example/x has no tag, which means latest")
    packages = runner.publish("3rdparty", "pause")
    assert packages.names == ("3rdparty:pause",)
    assert packages.data["destinations"] == ("prod.example/m/pause:3.9", "prod.example/m/pause:stable")


def test_mirror_reports_all_bad_plans_and_sends_nothing(runner: Runner) -> None:
    runner.rules.write_files(
        {
            **GENERATOR,
            "3rdparty/tools.txt": "a.example/tools:1\n",
            "a/BUILD": "docker_mirror_image_list(name='a', source='a.txt', registries=['@nowhere'])",
            "a/a.txt": "a.example/x:1\n",
            "b/BUILD": "docker_mirror_image_list(name='b', source='b.txt')",
            "b/b.txt": "a.example/x:1\nnot an image\n",
        }
    )
    result = runner.mirror("::")
    assert result.exit_code == 2
    assert "✕ a:a: `[docker].registries` has no @nowhere. It has @off, @prod, @test." in result.stderr
    assert "✕ b:b: b/b.txt:2: " in result.stderr
    assert result.stderr.count("no image matches 'a.example/tool'") == 1
    assert "Nothing was mirrored." in result.stderr


def test_a_report_that_cannot_be_written_is_bad_input(runner: Runner) -> None:
    runner.rules.write_files({"BUILD": "docker_mirror_inline_image(name='x', image='a.example/x:1')"})
    result = runner.mirror("--mirror-output=BUILD/report.json", "::")
    assert result.exit_code == 2
    assert "/BUILD/report.json can't be written: File exists.\nNothing was mirrored." in result.stderr


def test_the_helper_is_told_over_what_no_report_may_be_written(runner: Runner) -> None:
    runner.rules.write_files(
        {
            "a/BUILD": "docker_mirror_image_list(name='list', source='images.txt')\n"
            "docker_mirror_inline_image(name='inline', image='a.example/y:1')",
            "a/images.txt": "a.example/x:1\n",
        }
    )
    batch = json.loads(batch_json([runner.package_fields("a", name) for name in ("list", "inline")], ""))
    root = runner.rules.build_root
    assert [(plan["list"], plan["lock"]) for plan in batch["plans"]] == [
        (f"{root}/a/images.txt", f"{root}/a/images.txt.lock"),
        ("", f"{root}/a/inline.image.lock"),
    ]


def test_mirror_needs_no_helper_where_all_is_skipped() -> None:
    runner = Runner("--docker-mirror-helper=/nonexistent", f"--docker-registries={REGISTRIES}")
    runner.rules.write_files(
        {
            "BUILD": """
docker_mirror_image_list(name="field", source="images.txt", skip_push=True)
docker_mirror_image_list(name="registry", source="images.txt", registries=["@off"])
""",
            "images.txt": "a.example/x:1\n",
        }
    )
    result = runner.mirror("::")
    assert result.exit_code == 0
    assert "//:field skipped (by the `skip_push` field)." in result.stderr
    assert "//:registry skipped (by `skip_push` on @off)." in result.stderr


def test_mirror_tells_of_what_is_skipped_for_one_reason_in_one_line() -> None:
    runner = Runner("--docker-mirror-helper=/nonexistent", f"--docker-registries={REGISTRIES}")
    runner.rules.write_files(
        {
            "BUILD": "docker_mirror_images(name='x', sources=['*.txt'], skip_push=True)\n"
            "docker_mirror_images(name='off', sources=['off/*'], registries=['@off'])\n",
            **{f"{name}.txt": "a.example/x:1\n" for name in "abcde"},
            **{f"off/{name}.txt": "a.example/x:1\n" for name in "ab"},
        }
    )
    lines = runner.mirror("::").stderr.splitlines()
    assert lines == [
        "- 5 image lists (//a.txt:x, //b.txt:x, //c.txt:x and 2 more) skipped (by the `skip_push` field).",
        "- 2 image lists (//off/a.txt:../off, //off/b.txt:../off) skipped (by `skip_push` on @off).",
    ]
    for verbose in ("--verbose", "-v"):
        lines = runner.mirror("::", "--", verbose).stderr.splitlines()
        assert len(lines) == 7
        assert "- //d.txt:x skipped (by the `skip_push` field)." in lines


def test_company_shaped_registries(options: Sequence[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    registries = {
        "company": {
            "address": "prod.example",
            "default": True,
            "repository": "{default_repository}",
            "extra_image_tags": ["{pants.hash}", "newest"],
        }
    }
    runner = Runner(*(o for o in options if "registries" not in o), f"--docker-registries={registries}")
    runner.rules.write_files(
        {
            "BUILD": "docker_mirror_inline_image(name='x', image='a.example/x:1')\n"
            "docker_mirror_inline_image(name='y', image='a.example/y', source_tags=['1', '2'])"
        }
    )
    assert [entry["dst"] for entry in runner.plan("", "x")] == ["prod.example/x:1", "prod.example/x:newest"]
    (note,) = (record.message for record in caplog.records if "registry_templates" in record.message)
    assert "`repository` of company ({default_repository}); `extra_image_tags` of company ({pants.hash})" in note
    with pytest.raises(Exception, match=r"newest requests inconsistent copies.*\n.*`extra_image_tags` of @company"):
        runner.plan("", "y")
    runner.set_options("--docker-mirror-registry-templates=all")
    with pytest.raises(Exception, match=r"unknown placeholder \{default_repository\}"):
        runner.plan("", "x")
    registries["company"]["mirror_repository"] = "mirror/{repository}"
    runner.set_options("--docker-mirror-registry-templates=none", f"--docker-registries={registries}")
    assert [entry["dst"] for entry in runner.plan("", "y")] == ["prod.example/mirror/y:1", "prod.example/mirror/y:2"]


def announced(packages: PublishPackages) -> list[dict[str, Any]]:
    """What is in the batch that the process is told of."""
    assert packages.process is not None
    (batch,) = (arg.split("=", 1)[1] for arg in packages.process.process.argv if arg.startswith("--spool="))
    return [json.loads(file.read_bytes()) for file in Path(batch, "plans").iterdir()]


def test_publish_hands_the_plan_to_its_process_and_announces_it(options: Sequence[str], tmp_path: Path) -> None:
    runner = Runner(*options, env={"REGISTRY_AUTH_FILE": "/run/secret-place"})
    runner.rules.write_files(GENERATOR)
    packages = runner.publish("3rdparty", "images", "tools.txt")
    assert packages.names == ("3rdparty/tools.txt:images",)
    assert packages.description == "prod.example"
    assert packages.data["destinations"] == ("prod.example/m/tool:1", "prod.example/m/tool:stable")
    assert packages.get_output_data(published=True)["names"] == ("3rdparty/tools.txt:images",)
    assert packages.process is not None
    process = packages.process.process
    assert process.env["REGISTRY_AUTH_FILE"] == "/run/secret-place"
    assert "secret-place" not in repr(packages)

    (plan_file,) = runner.rules.request(DigestContents, [process.input_digest])
    assert f"--plan={plan_file.path}" in process.argv
    planned = json.loads(plan_file.content)
    assert planned["target"] == "3rdparty/tools.txt:images"
    assert [copy["dst"] for copy in planned["plan"]] == ["prod.example/m/tool:1", "prod.example/m/tool:stable"]
    arguments = dict(argument[2:].split("=", 1) for argument in process.argv[2:])
    batch = Path(arguments["spool"])
    assert batch.parent == tmp_path / "named_caches" / "docker_mirror" / "spool"
    (file,) = (batch / "plans").iterdir()
    assert (file.stem, file.read_bytes()) == (hashlib.sha256(plan_file.content).hexdigest(), plan_file.content)

    # A new run is a new batch, in which it is announced again.
    runner.set_options()
    again = runner.publish("3rdparty", "images", "tools.txt")
    assert again.process.process.argv != process.argv  # type: ignore[union-attr]
    assert announced(again) == [planned]


@pytest.mark.parametrize(
    "edited",
    [
        {"x.txt": "a.example/x:2\n"},
        {"x.txt": ""},
        {"BUILD": "docker_mirror_image_list(name='x', source='x.txt', repository='other')"},
        {"BUILD": "docker_mirror_image_list(name='x', source='x.txt', skip_push=True)"},
        {"BUILD": "docker_mirror_images(name='x', sources=['x.txt'])"},
    ],
    ids=["list", "emptied", "field", "skipped", "another kind of target"],
)
def test_outdated_requests_announce_nothing(runner: Runner, edited: dict[str, str]) -> None:
    build = "docker_mirror_image_list(name='x', source='x.txt', allow_empty=True)"
    runner.rules.write_files({"BUILD": build, "x.txt": "a.example/x:1\n"})
    # The request of an earlier run, which Pants makes again before it knows what has changed.
    fields = PublishImageListFieldSet.create(runner.rules.get_target(Address("", target_name="x")))
    package = PackageImageListFieldSet.create(runner.rules.get_target(Address("", target_name="x")))
    request = PublishImageListRequest(fields, (runner.rules.request(BuiltPackage, [package]),))
    (before,) = runner.rules.request(PublishProcesses, [request])
    assert [entry["plan"][0]["src"] for entry in announced(before)] == ["a.example/x:1"]
    runner.rules.write_files(
        {"BUILD": "docker_mirror_image_list(name='x', source='x.txt', allow_empty=True)", **edited}
    )
    runner.set_options()
    (after,) = runner.rules.request(PublishProcesses, [request])
    assert after.process is not None
    (batch,) = (arg.split("=", 1)[1] for arg in after.process.process.argv if arg.startswith("--spool="))
    assert not Path(batch).exists()


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("skip_push=True", "(by the `skip_push` field)"),
        ("registries=['@off']", "(by `skip_push` on @off)"),
        ("allow_empty=True", "(it lists no image)"),
    ],
)
def test_publish_skips(runner: Runner, field: str, reason: str) -> None:
    images = "" if "allow_empty" in field else "a.example/x:1\n"
    runner.rules.write_files({"BUILD": f"docker_mirror_image_list(name='x', source='x.txt', {field})", "x.txt": images})
    packages = runner.publish("", "x")
    assert (packages.process, packages.description) == (None, reason)


def test_old_names(runner: Runner, caplog: pytest.LogCaptureFixture) -> None:
    build = (
        "docker_mirror_images(name='lists', sources=['*.txt'], skip_publish={})\n"
        "docker_mirror_image(name='i', image='a:1')"
    )
    runner.rules.write_files({"BUILD": build.format(True), "a.txt": "a.example/a:1\n", "b.txt": "a.example/b:1\n"})
    assert runner.publish("", "lists", "a.txt").description == "(by the `skip_publish` field)"
    assert runner.publish("", "lists", "b.txt").process is None
    assert [entry["src"] for entry in runner.plan("", "i")] == ["docker.io/library/a:1"]
    assert sorted(record.message for record in caplog.records if "old name" in record.message) == [
        "//:i: the target type `docker_mirror_image` is now called `docker_mirror_inline_image`. docker-mirror 0.3.0 "
        "won't know the old name.",
        "//:lists: the field `skip_publish` is now called `skip_push`. docker-mirror 0.3.0 won't know the old name.",
    ]
    runner.rules.write_files({"BUILD": build.format(False)})
    assert runner.publish("", "lists", "a.txt").process is not None


def test_lint_and_fmt_leave_alone_what_says_so(runner: Runner) -> None:
    skips = "skip_docker_mirror_lint=True, skip_docker_mirror_fmt=True"
    runner.rules.write_files(
        {"BUILD": f"docker_mirror_images(name='x', sources=['*.txt'], {skips})", "a.txt": "  a:1\na:1\n"}
    )
    assert runner.goal(Lint, "::").exit_code == 0
    assert runner.goal(Fmt, "::").exit_code == 0
    assert runner.read("a.txt") == "  a:1\na:1\n"
    runner.rules.write_files({"BUILD": "docker_mirror_images(name='x', sources=['*.txt'])"})
    assert runner.goal(Lint, "::").exit_code == 1


def test_overrides_keyed_by_a_file_get_a_hint(runner: Runner) -> None:
    overrides = "{'a.txt': {'platforms': ['linux/amd64']}}"
    runner.rules.write_files(
        {"d/BUILD": f"docker_mirror_images(name='x', sources=['*.txt'], overrides={overrides})", "d/a.txt": "a:1\n"}
    )
    with pytest.raises(
        Exception, match=r"no image matches 'a\.txt' .* a\.txt: a spec file is no key here.*image_list` for it"
    ):
        runner.plan("d", "x", "a.txt")


def test_lint_reports_every_bad_target(runner: Runner) -> None:
    runner.rules.write_files(
        {
            **GENERATOR,
            "3rdparty/tools.txt": "a.example/tools:1\na.example/tools:1\na.example/tools:latest\n",
            "b/BUILD": "docker_mirror_image_list(name='b', source='b.txt', registries=['@nowhere'])",
            "b/b.txt": "a.example/x:1\n",
        }
    )
    runner.set_options("--docker-mirror-lint-unpinned=warn")
    apps, tools = Address("3rdparty", target_name="images", relative_file_path="apps.txt"), "tools.txt"
    result = runner.lint(apps, Address("3rdparty", target_name="images", relative_file_path=tools), Address("b"))
    assert result.exit_code == 1
    assert "3rdparty/tools.txt:2: error: a.example/tools:1 is listed twice" in result.stdout
    assert "3rdparty/tools.txt:3: warn: a.example/tools:latest changes from day to day" in result.stdout
    assert "3rdparty/apps.txt:1: warn: a.example/x:1 is not pinned" in result.stdout
    assert result.stderr.count("no image matches 'a.example/tool'") == 1
    assert "b:b: `[docker].registries` has no @nowhere" in result.stderr
    assert runner.goal(Lint, "::").exit_code == 1


def test_lint_checks_the_targets_together(runner: Runner) -> None:
    runner.rules.write_files(
        {
            "BUILD": "docker_mirror_images(name='images', sources=['*.txt'])",
            "a.txt": "a.example/x:1\n",
            "b.txt": "b.example/x:1\n",
        }
    )
    a, b = (Address("", target_name="images", relative_file_path=file) for file in ("a.txt", "b.txt"))
    assert runner.lint(a).exit_code == runner.lint(b).exit_code == 0
    result = runner.lint(a, b)
    assert result.exit_code == 1
    for part in ("prod.example/m/x:1", "a.txt:1", "b.txt:1"):
        assert part in result.stderr


def test_lint_judges_locks_by_the_policy(runner: Runner) -> None:
    seen = datetime.now(timezone.utc) - timedelta(days=3)
    entry = (
        'source = "a.example/x:1"\n'
        f'digest = "sha256:{"a" * 64}"\n'
        'media_type = "application/vnd.oci.image.manifest.v1+json"\n'
        f"seen = {seen:%Y-%m-%dT%H:%M:%SZ}\n"
    )
    entry += f'sum = "{hashlib.sha256(entry.encode()).hexdigest()[:16]}"\n'
    policy = 'version = 1\n[[rule]]\nimages = ["**"]\ncooldown = "{}"\n'
    runner.rules.write_files(
        {
            "BUILD": "docker_mirror_images(name='images', sources=['a.txt'])",
            "a.txt": "a.example/x:1\n",
            "a.txt.lock": f"version = 1\n\n[[image]]\n{entry}",
            "security/mirror-policy.toml": policy.format("4d"),
        }
    )
    images = Address("", target_name="images", relative_file_path="a.txt")
    assert runner.lint(images).exit_code == 0
    runner.set_options("--docker-mirror-policy=security/mirror-policy.toml")
    result = runner.lint(images)
    assert result.exit_code == 1
    assert "a.txt.lock:3: error: a.example/x:1 was first seen at" in result.stdout
    assert '(cooldown = "4d", security/mirror-policy.toml:2) [lock-immature]' in result.stdout
    # As `%(buildroot)s/security/mirror-policy.toml` is.
    runner.set_options(f"--docker-mirror-policy={runner.rules.build_root}/security/mirror-policy.toml")
    assert runner.lint(images) == result
    runner.rules.write_files({"security/mirror-policy.toml": policy.format("2d")})  # part of what a result is kept by
    assert runner.lint(images).exit_code == 0
    runner.rules.write_files({"security/mirror-policy.toml": policy.format("4d")})
    runner.set_options("--docker-mirror-policy=security/mirror-policy.toml", "--docker-mirror-lint-lock-immature=warn")
    assert runner.lint(images).exit_code == 0


@pytest.mark.parametrize(("place", "why"), [("outside", "outside of the repository"), ("ignored", "Pants ignores")])
def test_lint_tells_of_a_policy_that_it_cannot_see(runner: Runner, tmp_path: Path, place: str, why: str) -> None:
    # Pants ignores folders with a dot, unless it is told otherwise.
    policy = Path(tmp_path if place == "outside" else runner.rules.build_root, ".ci", "policy.toml")
    policy.parent.mkdir()
    policy.write_text('version = 1\n[[rule]]\nimages = ["**"]\n')
    runner.rules.write_files(
        {"BUILD": "docker_mirror_image_list(name='a', source='a.txt')", "a.txt": "a.example/x:1\n"}
    )
    runner.set_options(f"--docker-mirror-policy={policy}")
    result = runner.lint(Address("", target_name="a"))
    assert result.exit_code == 1
    assert why in result.stderr
    assert "policy.toml" in result.stderr


def test_lint_finds_trusted_roots_that_have_run_out(runner: Runner) -> None:
    def root(last_year: int) -> str:
        period = {"start": "2021-03-07T00:00:00Z", "end": f"{last_year}-12-31T23:59:59Z"}
        return json.dumps({"certificateAuthorities": [{"validFor": period}]})

    runner.rules.write_files(
        {
            "BUILD": "docker_mirror_images(name='images', sources=['a.txt'])",
            "a.txt": "a.example/x:1\n",
            "security/mirror-policy.toml": 'version = 1\n[trust.sigstore]\ntrusted_root = "trust/sigstore.json"\n'
            '[[rule]]\nimages = ["**"]\n'
            'signed_by = [{ trust = "sigstore", issuer = "https://a.example", subject = "a@b.example" }]\n',
        }
    )
    images = Address("", target_name="images", relative_file_path="a.txt")
    runner.set_options("--docker-mirror-policy=security/mirror-policy.toml")
    missing = runner.lint(images)
    assert missing.exit_code == 2
    assert "security/mirror-policy.toml:2: [trust.sigstore] trusted_root: " in missing.stdout + missing.stderr
    runner.rules.write_files({"security/trust/sigstore.json": root(2022)})
    expired = runner.lint(images)
    assert expired.exit_code == 0
    assert "security/mirror-policy.toml:2: warn: no certificate authority of trust/sigstore.json is" in expired.stdout
    assert "[trust-expired]" in expired.stdout
    runner.rules.write_files({"security/trust/sigstore.json": root(9999)})
    assert "[trust-expired]" not in runner.lint(images).stdout


def test_fmt(runner: Runner, caplog: pytest.LogCaptureFixture) -> None:
    runner.rules.write_files(
        {
            "BUILD": "docker_mirror_images(name='images', sources=['*.txt', '*.json'])",
            "a.txt": "a.example/x:1   as x #why\n\n\n",
            "b.txt": "  # bad\nnot an image\n",
            "c.json": '[ {"src":"a.example/x:1","dst":"b.example/x:1"}]',
        }
    )
    assert runner.goal(Fmt, "::").exit_code == 0
    assert runner.read("a.txt") == "a.example/x:1 AS x  #why\n"
    assert runner.read("b.txt") == "  # bad\nnot an image\n"
    assert runner.read("c.json") == '[ {"src":"a.example/x:1","dst":"b.example/x:1"}]'
    assert "b.txt:2: " in "\n".join(record.message for record in caplog.records)
    # In check mode, a list that is not in style is a lint.
    runner.rules.write_files({"a.txt": "a.example/x:1   AS x\n", "b.txt": "b.example/b:1\n"})
    result = runner.goal(Lint, "a.txt")
    assert result.exit_code == 1
    assert "docker-mirror-fmt failed." in result.stderr
    assert runner.goal(Lint, "--docker-mirror-fmt-skip", "a.txt").exit_code == 0


def test_fmt_goes_on_without_a_list_that_is_missing(runner: Runner, caplog: pytest.LogCaptureFixture) -> None:
    runner.rules.write_files(
        {
            "a/BUILD": "docker_mirror_image_list(name='gone', source='gone.txt')\n"
            "docker_mirror_image_list(name='a', source='./a.txt')\ndocker_mirror_image_list(name='b', source='a.txt')",
            "a/a.txt": "a.example/x:1   as x\n",
        }
    )
    assert runner.goal(Fmt, "::").exit_code == 0
    assert runner.read("a/a.txt") == "a.example/x:1 AS x\n"
    assert "Not formatted, as Pants sees no such file: a/gone.txt" in [record.message for record in caplog.records]
    assert runner.goal(Fmt, "a:gone").exit_code == 0


def test_tailor(runner: Runner) -> None:
    runner.rules.write_files(
        {
            "images.txt": "",
            "a/images.txt": "",
            "b/images.txt": "",
            "b/other.images.json": "[]",
            "b/other.images.txt": "",
            "c/images.txt": "",
            "c/BUILD": "docker_mirror_images()",
            "d/notes.txt": "",
        }
    )
    runner.goal(TailorGoal, "::")
    assert runner.read("BUILD") == 'docker_mirror_images(\n    name="root",\n)\n'
    assert runner.read("a/BUILD") == "docker_mirror_images()\n"
    assert "images.txt" in runner.read("b/BUILD")
    assert "other.images.txt" in runner.read("b/BUILD")
    assert "other.images.json" in runner.read("b/BUILD")
    assert runner.read("c/BUILD") == "docker_mirror_images()"
    assert not Path(runner.rules.build_root, "d/BUILD").exists()
    runner.goal(TailorGoal, "--check", "::")


def fake_go(directory: Path, version: str) -> None:
    """A `go` that says it is of this version, and can do nothing else."""
    directory.mkdir()
    script = directory / "go"
    script.write_text(
        "#!/bin/sh\n"
        f"case $1 in version) echo go version {version};; env) echo {version}; echo /goroot;; *) exit 1;; esac\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)


def test_no_go_and_old_go(tmp_path: Path) -> None:
    fake_go(tmp_path / "old", "go1.19.3")
    (tmp_path / "empty").mkdir()
    runner = Runner(f"--docker-mirror-go-search-paths=['{tmp_path / 'empty'}']")
    with pytest.raises(Exception, match=r"needs Go 1\.\d+\S* or newer to be built, and found no `go`"):
        runner.rules.request(MirrorHelper, [])
    runner = Runner(f"--docker-mirror-go-search-paths=['{tmp_path / 'empty'}', '{tmp_path / 'old'}']")
    with pytest.raises(Exception, match=r"found only:\n  \S*/old/go: go1\.19\.3\n(.|\n)*go_search_paths"):
        runner.rules.request(MirrorHelper, [])


@pytest.mark.parametrize("goal", [Lint, Fmt])
def test_other_linters_go_on_without_go(tmp_path: Path, goal: type[Goal], caplog: pytest.LogCaptureFixture) -> None:
    runner = Runner(f"--docker-mirror-go-search-paths=['{tmp_path}']")
    runner.rules.write_files({"BUILD": "docker_mirror_images(name='x', sources=['*.txt'])", "a.txt": "", "b.txt": ""})
    for _ in range(2):  # Each run says so.
        caplog.clear()
        result = runner.goal(goal, "::")
        assert (result.exit_code, result.stdout) == (0, "")
        assert "docker-mirror" not in result.stderr  # Nothing has "succeeded".
        (message,) = (record.message for record in caplog.records if "docker-mirror" in record.message)
        assert re.fullmatch(r"Image lists are left out: .* needs Go .* found no `go`\. .*\.helper.*", message)


def test_a_program_that_is_no_helper_is_refused(tmp_path: Path) -> None:
    runner = Runner("--docker-mirror-helper=/bin/true")
    with pytest.raises(Exception, match=r"`\[docker-mirror\]\.helper` \(/bin/true\) is no `docker-mirror`"):
        runner.rules.request(MirrorHelper, [])
    (tmp_path / "foreign").write_bytes(b"\xcf\xfa\xed\xfe" + b"\0" * 100)  # Such as another platform's.
    (tmp_path / "foreign").chmod(0o755)
    runner = Runner(f"--docker-mirror-helper={tmp_path / 'foreign'}")
    with pytest.raises(Exception, match=r"foreign\) is no `docker-mirror` for this platform"):
        runner.rules.request(MirrorHelper, [])


def test_credentials_in_the_go_proxy_are_refused() -> None:
    runner = Runner(env={"GOPROXY": "https://user:hunter2@proxy.example"})
    with pytest.raises(Exception, match=r"Credentials in GOPROXY") as e:
        runner.rules.request(MirrorHelper, [])
    assert "hunter2" not in str(e.value)


def test_a_digest_without_a_prebuilt_helper_is_refused() -> None:
    runner = Runner("--docker-mirror-helper-sha256=0123")
    with pytest.raises(Exception, match=r"helper_sha256` is set without `\[docker-mirror\]\.helper`"):
        runner.rules.request(MirrorHelper, [])


def test_prebuilt_helper(helper: Path, runner: Runner) -> None:
    digest = runner.rules.request(MirrorHelper, []).digest
    (file,) = runner.rules.request(DigestContents, [digest])
    assert (file.path, file.content, file.is_executable) == (HELPER_NAME, helper.read_bytes(), True)


def test_a_changed_prebuilt_helper_is_seen(tmp_path: Path) -> None:
    executable = tmp_path / "docker-mirror"
    executable.touch(mode=0o755)
    runner = Runner(f"--docker-mirror-helper={executable}")
    digests = []
    said = json.dumps({"name": HELPER_NAME, "version": version.VERSION, "protocol": version.PROTOCOL})
    for comment in ("one", "one", "two"):
        content = f"#!/bin/sh\n# {comment}\necho '{said}'\n"
        executable.write_text(content)
        runner.set_options()  # A new run.
        digest = runner.rules.request(MirrorHelper, []).digest
        (file,) = runner.rules.request(DigestContents, [digest])
        assert file.content.decode() == content
        digests.append(digest)
    assert digests[0] == digests[1] != digests[2]
