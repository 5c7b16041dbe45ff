"""Targets whose plans would be written to one path."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pants_project import PantsProject
from registries import DevRegistry
from test_rules import Runner, helper_options

LIST = "docker_mirror_image_list(source='x.txt', output_path='{}')"
CURE = (
    "so that one `package` can't write both. Placeholders tell targets apart: `{full_directory}`, `{target_name}`, "
    "`{spec_file}` and, of `parametrize`, `{parameters}`."
)


@pytest.fixture
def runner(helper: Path, tmp_path: Path) -> Runner:
    return Runner(*helper_options(helper, tmp_path))


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if "output_path" in record.message]


def write_lists(runner: Runner, **output_paths: str) -> None:
    for directory, output_path in output_paths.items():
        runner.rules.write_files(
            {f"{directory}/BUILD": LIST.format(output_path), f"{directory}/x.txt": "a.example/x:1\n"}
        )


def test_only_targets_of_one_run_are_in_each_others_way(runner: Runner, caplog: pytest.LogCaptureFixture) -> None:
    write_lists(runner, a="plan.json", b="./plan.json", c="{full_directory}/plan.json", d="plan.json", e="plan.json/x")
    for directory in "abced":
        # A run each.
        runner.set_options()
        assert runner.plan(directory, directory)
    assert warnings(caplog) == []

    runner.set_options()
    for directory in "cba":
        assert runner.plan(directory, directory)
    assert warnings(caplog) == [
        f"The `output_path` field gives the plans of a:a and b:b the same path, plan.json, {CURE}"
    ]
    # Once a path, and once a run.
    assert runner.plan("d", "d")
    assert len(warnings(caplog)) == 1
    runner.set_options()
    for directory in "db":
        assert runner.plan(directory, directory)
    assert [message.split(" the same path")[0].split("plans of ")[1] for message in warnings(caplog)] == [
        "a:a and b:b",
        "b:b and d:d",
    ]


@pytest.mark.parametrize(
    ("build", "targets", "told"),
    [
        (
            "docker_mirror_images(name='x', sources=['*.txt'], output_path='{target_name}')",
            [("x", "a.txt", {}), ("x", "b.txt", {})],
            "//a.txt:x and //b.txt:x the same path, x,",
        ),
        (
            "docker_mirror_images(name='x', sources=['a.txt'], referrers=parametrize('all', 'none'), output_path='p')",
            [("x", "a.txt", {"referrers": "none"}), ("x", "a.txt", {"referrers": "all"})],
            "//a.txt:x@referrers=all and //a.txt:x@referrers=none the same path, p,",
        ),
        (
            "docker_mirror_images(name='x', sources=['a.txt'], output_path='p')\n"
            "docker_mirror_inline_image(name='y', image='a.example/y:1', output_path='./p')",
            [("x", "a.txt", {}), ("y", None, {})],
            "//:y and //a.txt:x the same path, p,",
        ),
    ],
    ids=["files of a generator", "choices", "targets"],
)
def test_targets_of_one_build_file(
    runner: Runner,
    caplog: pytest.LogCaptureFixture,
    build: str,
    targets: list[tuple[str, str | None, dict[str, str]]],
    told: str,
) -> None:
    runner.rules.write_files({"BUILD": build, "a.txt": "a.example/x:1\n", "b.txt": "b.example/x:1\n"})
    for name, file, parameters in targets:
        assert warnings(caplog) == []
        runner.package("", name, file, **parameters)
    (message,) = warnings(caplog)
    assert told in message


@pytest.mark.integration
@pytest.mark.parametrize("pantsd", [False, True], ids=["without pantsd", "with pantsd"])
def test_a_run_with_two_targets_of_one_path(
    project: PantsProject, source: DevRegistry, dev_destination: DevRegistry, pantsd: bool
) -> None:
    project.env["PANTS_PANTSD"] = str(pantsd).lower()
    source.push_image("a:1", b"a")
    source.push_image("b:1", b"b")
    for name in "ab":
        project.write({f"far/{name}/{name}/BUILD": LIST.format("plan.json")})
        project.write({f"far/{name}/{name}/x.txt": f"{source.host}/{name}:1\n"})
    project.use_registry(dev_destination.host)

    told = f"[WARN] The `output_path` field gives the plans of far/a/a:a and far/b/b:b the same path, plan.json, {CURE}"
    for _ in range(2):
        both = project.run("package", "::").failed()
        assert both.stderr.count(told) == 1
        assert re.search(r"Can only merge Directories with no duplicates, but found 2 duplicate entries", both.stderr)
        assert not (project.directory / "dist").exists()
    published = project.run("publish", "::").succeeded()
    assert published.stderr.count(told) == 1
    for name in "ab":
        assert dev_destination.digest(f"{name}:1") == source.digest(f"{name}:1")
        alone = project.run("package", f"far/{name}/{name}").succeeded()
        assert "[WARN]" not in alone.stderr
        assert f"/{name}:1" in (project.directory / "dist" / "plan.json").read_text()
