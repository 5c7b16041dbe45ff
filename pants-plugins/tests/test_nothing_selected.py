"""Goals say in one line that no list is selected: Pants itself is silent after `--changed-since`."""

from __future__ import annotations

from pathlib import Path

import pytest
from pants.engine.goal import Goal
from test_rules import Runner, helper_options

from docker_mirror.extract import Extract
from docker_mirror.lock import Lock
from docker_mirror.mirror import Mirror
from docker_mirror.mirror_images import MirrorImages


@pytest.mark.parametrize(
    ("goal", "said"),
    [
        (Mirror, "No image list is selected, so nothing was mirrored."),
        (MirrorImages, "No image list is selected, so no image is shown."),
        (Lock, "No image list is selected, so nothing was locked."),
        (Extract, "No image list with `extract_from` is selected, so nothing was extracted."),
    ],
)
def test_nothing_selected(helper: Path, tmp_path: Path, goal: type[Goal], said: str) -> None:
    runner = Runner(*helper_options(helper, tmp_path))
    runner.rules.write_files({"BUILD": ""})
    result = runner.goal(goal, "::")
    assert (result.exit_code, result.stderr) == (0, f"{said}\n")
