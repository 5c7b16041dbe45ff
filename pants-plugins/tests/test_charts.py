"""Lists that were extracted from real charts, planned by the real Pants."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pants_project import Pants, PantsProject

pytestmark = pytest.mark.integration

CHARTS = Path(__file__).parents[2] / "testprojects" / "charts"


@pytest.fixture
def charts(pants: Pants, helper: Path, tmp_path: Path) -> Iterator[PantsProject]:
    """A copy of testprojects/charts."""
    shutil.copytree(CHARTS, tmp_path / "charts")
    project = PantsProject(pants, tmp_path / "charts", {"PANTS_DOCKER_MIRROR_HELPER": str(helper)})
    project.init()
    yield project
    project.stop_pantsd()


def test_every_image_of_the_charts_is_planned(charts: PantsProject) -> None:
    lists = {path.relative_to(charts.directory): path.read_text() for path in charts.directory.rglob("images.txt")}
    assert len(lists) == 12

    charts.run("package", "::").succeeded()
    copies: dict[str, dict[str, Any]] = {}
    plans = list((charts.directory / "dist").rglob("*.json"))
    assert len(plans) == len(lists)
    for plan in plans:
        for copy in json.loads(plan.read_text()):
            copies[copy["origin"]] = copy

    wanted = {
        f"{path}:{number}": line
        for path, content in lists.items()
        for number, line in enumerate(content.splitlines(), 1)
        if line and not line.startswith("#")
    }
    assert copies.keys() == wanted.keys()
    for origin, line in wanted.items():
        image = line if ":" in line.rsplit("/", 1)[-1] else f"{line}:latest"
        assert copies[origin]["src"] in (image, f"docker.io/{image}", f"docker.io/library/{image}")
    by_source = {copy["src"]: copy for copy in copies.values()}

    # Each goes where the registry that it comes from has its place, with the tag that its chart knows it by.
    mirror = "registry.example.com/mirror"
    assert by_source["docker.io/library/busybox:1.35"]["dst"] == f"{mirror}/docker.io/busybox:1.35"
    [ui] = (copy for source, copy in by_source.items() if source.startswith("quay.io/cilium/hubble-ui:v0.13.1@sha256:"))
    assert ui["dst"] == f"{mirror}/quay.io/cilium/hubble-ui:v0.13.1"
    assert ui["transform"] == {"limitPlatforms": ["linux/amd64", "linux/arm64"]}
    assert by_source["quay.io/jetstack/cert-manager-acmesolver:v1.21.2"]["labels"] == ["runtime"]
    assert not any("labels" in copy for source, copy in by_source.items() if "acmesolver" not in source)
