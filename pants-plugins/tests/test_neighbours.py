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


def test_one_output_path_in_two_directories(runner: Runner) -> None:
    build = "docker_mirror_image_list(source='x.txt', output_path='plan.json')"
    runner.rules.write_files({f"3rdparty/{name}/BUILD": build for name in "ab"})
    runner.rules.write_files({f"3rdparty/{name}/x.txt": "a.example/x:1\n" for name in "ab"})
    with pytest.raises(Exception, match=r"plans of 3rdparty/a:a, 3rdparty/b:b the same path, plan\.json"):
        runner.package("3rdparty/b", "b")


LIST = "docker_mirror_image_list(source='x.txt', output_path='{}')"


def write_lists(runner: Runner, **output_paths: str) -> None:
    """By directories, with dots for slashes."""
    for directory, output_path in output_paths.items():
        path = directory.replace("_", "/")
        runner.rules.write_files({f"{path}/BUILD": LIST.format(output_path), f"{path}/x.txt": "a.example/x:1\n"})


def test_one_output_path_in_directories_far_apart(runner: Runner) -> None:
    write_lists(runner, a_b_c="plan.json", d="./plan.json", e="{target_name}.json", f="other.json")
    told = r"plans of a/b/c:c, d:d the same path, plan\.json\. Placeholders tell targets apart: `{full_directory}`"
    for directory, name in (("a/b/c", "c"), ("d", "d")):
        with pytest.raises(Exception, match=told):
            runner.package(directory, name)
    for directory in "ef":
        assert runner.plan(directory, directory)
    # The set is all that matters, and each is looked at anew after an edit.
    write_lists(runner, d="{full_directory}/plan.json")
    runner.set_options()
    assert runner.plan("a/b/c", "c")


def test_a_generated_list_with_the_output_path_of_another(runner: Runner) -> None:
    generated = "docker_mirror_generated_list(name='g', list_from=[':a'], output_path='p')"
    runner.rules.write_files({"a/BUILD": LIST.format("p") + "\n" + generated, "a/x.txt": "a.example/x:1\n"})
    with pytest.raises(Exception, match=r"plans of a:a, a:g the same path, p\."):
        runner.package("a", "a")


def test_output_paths_beside_a_build_file_with_a_mistake(runner: Runner) -> None:
    write_lists(runner, a="plan.json", b="{full_directory}.json", c_d="plan.json")
    runner.rules.write_files({"bad/BUILD": "docker_mirror_image_list("})
    assert runner.plan("a", "a")
    assert runner.plan("b", "b")
