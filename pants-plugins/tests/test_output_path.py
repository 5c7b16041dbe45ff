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
    "so that one `package` can't write them. Placeholders tell targets apart: `{full_directory}`, `{target_name}`, "
    "`{spec_file}` and, of `parametrize`, `{parameters}`."
)


@pytest.fixture
def runner(helper: Path, tmp_path: Path) -> Runner:
    return Runner(*helper_options(helper, tmp_path))


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if "output_path" in record.message]


def write_lists(runner: Runner, **output_paths: str) -> None:
    """By directories, with `__` for slashes."""
    for directory, output_path in output_paths.items():
        path = directory.replace("__", "/")
        runner.rules.write_files({f"{path}/BUILD": LIST.format(output_path), f"{path}/x.txt": "a.example/x:1\n"})


def test_targets_of_directories_far_apart(runner: Runner, caplog: pytest.LogCaptureFixture) -> None:
    write_lists(runner, a__b__c="plan.json", d="./plan.json", e="{target_name}.json", f="{full_directory}.json")
    for directory in "ef":
        assert runner.plan(directory, directory)
    assert warnings(caplog) == []

    told = f"The `output_path` field gives the plans of a/b/c:c, d:d the same path, plan.json, {CURE}"
    assert runner.plan("a/b/c", "c"), "the other isn't packaged"
    assert warnings(caplog) == [told]
    # Once a run.
    assert runner.plan("d", "d")
    assert warnings(caplog) == [told]
    runner.set_options()
    assert runner.plan("d", "d")
    assert warnings(caplog) == [told, told]

    # Each is looked at anew after an edit.
    write_lists(runner, d="{full_directory}/plan.json")
    runner.set_options()
    assert runner.plan("a/b/c", "c")
    assert warnings(caplog) == [told, told]


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (
            "docker_mirror_images(name='x', sources=['*.txt'], output_path='{target_name}')",
            "//a.txt:x, //b.txt:x the same path, x,",
        ),
        (
            "docker_mirror_images(name='x', sources=['a.txt'], referrers=parametrize('all', 'none'), output_path='p')",
            "//a.txt:x@referrers=all, //a.txt:x@referrers=none the same path, p,",
        ),
        (
            "docker_mirror_images(name='x', sources=['a.txt'], output_path='p')\n"
            "docker_mirror_inline_image(name='y', image='a.example/y:1', output_path='./p')",
            "//:y, //a.txt:x the same path, p,",
        ),
        (
            "docker_mirror_images(name='x', sources=['a.txt'], output_path='p')\n"
            "docker_mirror_generated_list(name='g', list_from=[':x'], output_path='p')",
            "//a.txt:x, //:g the same path, p,",
        ),
    ],
    ids=["files of a generator", "choices", "targets", "a generated list"],
)
def test_targets_of_one_build_file(runner: Runner, caplog: pytest.LogCaptureFixture, build: str, told: str) -> None:
    runner.rules.write_files({"BUILD": build, "a.txt": "a.example/x:1\n", "b.txt": "b.example/x:1\n"})
    runner.package("", "x", "a.txt", **({"referrers": "all"} if "referrers" in build else {}))
    (message,) = warnings(caplog)
    assert told in message


def test_beside_a_build_file_with_a_mistake(runner: Runner, caplog: pytest.LogCaptureFixture) -> None:
    write_lists(runner, a="plan.json", b="{full_directory}.json", c__d="plan.json")
    runner.rules.write_files({"bad/BUILD": "docker_mirror_image_list("})
    assert runner.plan("a", "a")
    assert runner.plan("b", "b")
    assert warnings(caplog) == []


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

    told = f"[WARN] The `output_path` field gives the plans of far/a/a:a, far/b/b:b the same path, plan.json, {CURE}"
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
        assert alone.stderr.count(told) == 1
        assert f"/{name}:1" in (project.directory / "dist" / "plan.json").read_text()
