"""Lists are planned together, and one's mistakes are none of the others'."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_rules import Runner, helper_options

from docker_mirror.neighbours import folder_of


@pytest.fixture
def runner(helper: Path, tmp_path: Path) -> Runner:
    return Runner(*helper_options(helper, tmp_path))


@pytest.mark.parametrize(
    ("directory", "folder"),
    [("", ""), ("3rdparty", "3rdparty"), ("3rdparty/cilium", "3rdparty"), ("src/app/images", "src/app")],
)
def test_folder(directory: str, folder: str) -> None:
    assert folder_of(directory) == folder


@pytest.mark.parametrize(
    ("build", "said"),
    [
        ("docker_mirror_image_list(", "3rdparty/bad/BUILD"),
        ("docker_mirror_image_list(source='x.txt', repositry='x')", "repositry"),
        ("docker_mirror_image_list(source='missing.txt')", "missing.txt"),
        ("docker_mirror_image_list(source='x.txt', registries=['@nowhere'])", "@nowhere"),
        ("docker_mirror_image_list(source='bad.txt')", "bad.txt:1"),
        ("docker_mirror_image_list(source='x.txt', overrides={'nothing': {}})", "nothing"),
    ],
)
def test_a_neighbour_with_a_mistake(runner: Runner, build: str, said: str) -> None:
    runner.rules.write_files(
        {
            "3rdparty/good/BUILD": "docker_mirror_images(overrides={'x': {'repository': 'y'}})",
            "3rdparty/good/images.txt": "a.example/x:1 AS x\n",
            "3rdparty/bad/BUILD": build,
            "3rdparty/bad/x.txt": "a.example/x:1\n",
            "3rdparty/bad/bad.txt": "no image\n",
        }
    )
    assert [entry["dst"] for entry in runner.plan("3rdparty/good", "good", "images.txt")] == ["prod.example/m/y:1"]
    with pytest.raises(Exception, match=said):
        runner.package("3rdparty/bad", "bad")


def test_what_a_plan_was_asked_for_with_other_fields_is_its_own(runner: Runner) -> None:
    runner.rules.write_files({"a/BUILD": "docker_mirror_image_list(source='x.txt')", "a/x.txt": "a.example/x:1\n"})
    old = runner.package_fields("a", "a")
    runner.rules.write_files({"a/BUILD": "docker_mirror_image_list(source='x.txt', repository='new')"})
    runner.set_options()
    (entry,) = runner.plan("a", "a")
    assert entry["dst"] == "prod.example/m/new:1"
    (entry,) = runner.plan_of(old)
    assert entry["dst"] == "prod.example/m/x:1"
