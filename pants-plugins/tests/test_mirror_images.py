"""`pants mirror-images`: what lists bring where, told by the plans alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_rules import Runner, helper_options

from docker_mirror.mirror_images import MirrorImages


@pytest.fixture
def runner(helper: Path, tmp_path: Path) -> Runner:
    # No registry of these exists: whoever asked one would fail.
    runner = Runner(*helper_options(helper, tmp_path))
    runner.rules.write_files(
        {
            "b/BUILD": """\
docker_mirror_image_list(name="two", source="two.txt", registries=["@test", "@off"])
docker_mirror_image_list(name="empty", source="empty.txt", allow_empty=True)
docker_mirror_image_list(name="skipped", source="two.txt", skip_push=True)
""",
            "b/two.txt": "quay.io/team/tool:2\n# last, although it sorts first\na.example/app:1\n",
            "b/empty.txt": "",
            "a/BUILD": "docker_mirror_inline_image(name='one', image='a.example/one:1', registries=['m.example'])",
            "c/BUILD": "docker_mirror_image_list(name='tags', source='tags.images.toml', registries=['m.example'])",
            "c/tags.images.toml": "[[image]]\nsource = 'a.example/tags'\nselect = { latest = 2 }\n",
        }
    )
    return runner


def test_text_in_the_order_of_targets_and_lists(runner: Runner) -> None:
    result = runner.goal(MirrorImages, "c:", "b:", "a:")
    assert result.exit_code == 0
    assert (
        result.stdout
        == """\
a:one
  a.example/one:1 -> m.example/one:1
b:empty
  (it lists no image)
b:two
  quay.io/team/tool:2 -> test.example:5000/team/tool:2
  quay.io/team/tool:2 -> test.example:5000/team/tool:latest
  quay.io/team/tool:2 -> off.example/team/tool:2 (skipped: skip_push is set for registry @off)
  a.example/app:1 -> test.example:5000/app:1
  a.example/app:1 -> test.example:5000/app:latest
  a.example/app:1 -> off.example/app:1 (skipped: skip_push is set for registry @off)
c:tags
  a.example/tags:{tag} -> m.example/tags:{tag}
"""
    )
    assert "b:skipped skipped (by the `skip_push` field)." in result.stderr


def test_json(runner: Runner) -> None:
    result = runner.goal(MirrorImages, "--mirror-images-format=json", "b:two", "b:empty", "b:skipped")
    assert result.exit_code == 0
    empty, two = json.loads(result.stdout)
    assert empty == {"target": "b:empty", "images": []}
    assert two["target"] == "b:two"
    assert len(two["images"]) == 6
    assert two["images"][3] == {
        "source": "a.example/app:1",
        "destination": "test.example:5000/app:1",
        "origin": "b/two.txt:3",
    }
    assert two["images"][5] == {
        "source": "a.example/app:1",
        "destination": "off.example/app:1",
        "origin": "b/two.txt:3",
        "skip": "skip_push is set for registry @off",
    }


def test_the_errors_of_all_lists_and_no_image(runner: Runner) -> None:
    runner.rules.write_files(
        {
            "d/BUILD": """\
docker_mirror_image_list(name="reference", source="reference.txt")
docker_mirror_image_list(name="none", source="none.txt")
""",
            "d/reference.txt": "a.example/app:1\na.example/UPPER:1\n",
            "d/none.txt": "",
        }
    )
    result = runner.goal(MirrorImages, "a:", "d:")
    assert (result.exit_code, result.stdout) == (2, "")
    for error in (
        "d:none: d/none.txt: lists no images",
        "d:reference: d/reference.txt:2: ",
        "No image is shown.",
    ):
        assert error in result.stderr


def test_the_helper_is_not_asked_for_skipped_lists_alone(runner: Runner) -> None:
    others = [option for option in runner.options if not option.startswith("--docker-mirror-helper=")]
    runner.options = (*others, "--docker-mirror-helper=/nowhere/docker-mirror")
    runner.rules.write_files({"c/BUILD": "docker_mirror_images(skip_push=True)", "c/images.txt": "a.example/x:1\n"})
    result = runner.goal(MirrorImages, "b:skipped", "c:")
    assert (result.exit_code, result.stdout) == (0, "")
    # Each by its name.
    assert result.stderr.splitlines() == [
        "- b:skipped skipped (by the `skip_push` field).",
        "- c/images.txt skipped (by the `skip_push` field).",
    ]


def test_nothing_selected_is_an_empty_array(runner: Runner) -> None:
    runner.rules.write_files({"e/BUILD": ""})
    result = runner.goal(MirrorImages, "--mirror-images-format=json", "e:")
    assert (result.exit_code, json.loads(result.stdout)) == (0, [])
