"""Helm as Pants downloads it, but from the tools of this repository: its own site is no package index."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import subprocess
import tarfile
from pathlib import Path

REPOSITORY_ROOT = Path(__file__).parents[2]

PLATFORM = "linux_arm64" if platform.machine() in ("aarch64", "arm64") else "linux_x86_64"
HELM_DIRECTORY = {"linux_arm64": "linux-arm64", "linux_x86_64": "linux-amd64"}[PLATFORM]

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


def helm_settings(directory: Path) -> str:
    """:return: the settings of both tools, for pants.toml."""
    helm = directory / "helm" / HELM_DIRECTORY / "helm"
    helm.parent.mkdir(parents=True)
    shutil.copy(helm_executable(), helm)
    plugin = directory / "plugin"
    plugin.mkdir()
    (plugin / "plugin.yaml").write_text(PLUGIN)
    (plugin / "untt").write_text("#!/bin/sh\n")
    (plugin / "untt").chmod(0o755)
    return (
        f"\n[helm]\n{archive(directory / 'helm.tar.gz', directory / 'helm')}"
        f"\n[helm-unittest]\n{archive(directory / 'unittest.tgz', plugin)}"
    )


def helm_executable() -> str:
    """`helm` on PATH, where scripts/test puts it, else what the Go command builds and caches of it."""
    on_path = shutil.which("helm")
    if on_path:
        return on_path
    command = ["go", "-C", str(REPOSITORY_ROOT / "tools"), "tool", "-n", "helm"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
