"""Lists of charts, which Pants' own Helm renders: `extract` writes them, `lint` says where they are stale."""

from __future__ import annotations

from pathlib import Path

import pytest
from helm_tool import helm_settings
from pants_project import PantsProject

pytestmark = pytest.mark.integration

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      containers:
        - name: app
          image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
"""

CHART = {
    "chart/BUILD": "helm_chart()\ndocker_mirror_images(name='images', extract_from=[':chart'])\n",
    "chart/Chart.yaml": "apiVersion: v2\nname: app\nversion: 0.1.0\n",
    "chart/images.txt": "# Written by `pants extract`.\n",
    "chart/templates/deployment.yaml": DEPLOYMENT,
    "chart/values.yaml": 'image: {repository: quay.io/team/app, tag: "1.0"}\n',
}


@pytest.fixture
def charts(project: PantsProject, tmp_path: Path) -> PantsProject:
    toml = (project.directory / "pants.toml").read_text()
    backends = '["docker_mirror", "docker_mirror.helm", "pants.backend.experimental.helm"]'
    project.write({**CHART, "pants.toml": toml.replace('["docker_mirror"]', backends) + helm_settings(tmp_path)})
    project.use_registry("registry.example")
    return project


def test_the_list_of_a_chart_follows_the_chart(charts: PantsProject) -> None:
    charts.run("extract", "chart:images").succeeded()
    assert (charts.directory / "chart/images.txt").read_text() == "# Deployment app\nquay.io/team/app:1.0\n"

    # The chart is upgraded.
    charts.replace("chart/values.yaml", '"1.0"', '"1.1"')
    stale = charts.run("lint", "--only=docker-mirror-lint", "chart:images").failed(1)
    assert "chart/images.txt is stale: `pants extract chart/images.txt:images` writes it." in stale.stderr
    assert "-quay.io/team/app:1.0\n+quay.io/team/app:1.1" in stale.stderr
    charts.run("extract", "::").succeeded()
    assert (charts.directory / "chart/images.txt").read_text() == "# Deployment app\nquay.io/team/app:1.1\n"
    charts.run("lint", "--only=docker-mirror-lint", "chart:images").succeeded()
