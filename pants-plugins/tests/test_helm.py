"""Lists of charts, which Pants' own Helm renders: `extract` writes them, `lint` says where they are stale."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from pants_project import PantsProject

pytestmark = pytest.mark.integration

REPOSITORY_ROOT = Path(__file__).parents[2]

PLATFORM = "linux_arm64" if platform.machine() in ("aarch64", "arm64") else "linux_x86_64"
HELM_DIRECTORY = {"linux_arm64": "linux-arm64", "linux_x86_64": "linux-amd64"}[PLATFORM]

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

# Pants' Helm backend sets up this plugin with Helm itself. Nothing here runs it.
PLUGIN = 'name: unittest\nversion: 0.0.1\nusage: none\ndescription: stands in\ncommand: "$HELM_PLUGIN_DIR/untt"\n'


def archive(file: Path, directory: Path) -> str:
    """
    :return: the settings of a tool that Pants downloads: the archive, and what it must be.
    """
    with tarfile.open(file, "w:gz") as tar:
        for member in sorted(directory.iterdir()):
            tar.add(member, member.name)
    known = f"1.0.0|{PLATFORM}|{hashlib.sha256(file.read_bytes()).hexdigest()}|{file.stat().st_size}"
    return f'url_template = "file://{file}"\nversion = "1.0.0"\nknown_versions = [{json.dumps(known)}]\n'


@pytest.fixture
def charts(project: PantsProject, tmp_path: Path) -> PantsProject:
    """With Helm from the tools of this repository, as Pants would fetch it from a site that isn't a package index."""
    helm = tmp_path / "helm" / HELM_DIRECTORY / "helm"
    helm.parent.mkdir(parents=True)
    shutil.copy(helm_executable(), helm)
    plugin = tmp_path / "plugin"
    plugin.mkdir()
    (plugin / "plugin.yaml").write_text(PLUGIN)
    (plugin / "untt").write_text("#!/bin/sh\n")
    (plugin / "untt").chmod(0o755)
    toml = (project.directory / "pants.toml").read_text()
    backends = '["docker_mirror", "docker_mirror.helm", "pants.backend.experimental.helm"]'
    project.write(
        {
            **CHART,
            "pants.toml": toml.replace('["docker_mirror"]', backends)
            + f"\n[helm]\n{archive(tmp_path / 'helm.tar.gz', tmp_path / 'helm')}"
            + f"\n[helm-unittest]\n{archive(tmp_path / 'unittest.tgz', plugin)}",
        }
    )
    project.use_registry("registry.example")
    return project


def helm_executable() -> str:
    """`helm` on PATH, where scripts/test puts it, else what the Go command builds and caches of it."""
    on_path = shutil.which("helm")
    if on_path:
        return on_path
    command = ["go", "-C", str(REPOSITORY_ROOT / "tools"), "tool", "-n", "helm"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


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
