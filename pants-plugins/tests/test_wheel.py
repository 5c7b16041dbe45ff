"""The wheel: what is in it, and a repository that names it in `[GLOBAL].plugins`."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import REPOSITORY_ROOT
from pants_project import PANTS_TOML, Pants, PantsProject

from docker_mirror.helper_build import read_sources, source_root

pytestmark = pytest.mark.integration


PLUGINS = REPOSITORY_ROOT / "pants-plugins"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the checkout, since setuptools leaves things beside its sources."""
    directory = tmp_path_factory.mktemp("wheel")
    for name in ("go-helper", "pants-plugins"):
        ignored = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
        shutil.copytree(REPOSITORY_ROOT / name, directory / "checkout" / name, ignore=ignored)
    for name in ("go.mod", "go.sum", "LICENSE"):
        shutil.copy(REPOSITORY_ROOT / name, directory / "checkout" / name)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", f"--wheel-dir={directory / 'dist'}"]
    subprocess.run([*command, str(directory / "checkout" / "pants-plugins")], check=True)
    (wheel,) = (directory / "dist").iterdir()
    return wheel


def test_the_wheel_has_the_sources_that_a_checkout_builds(wheel: Path, tmp_path: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path)
    installed = source_root(tmp_path / "docker_mirror")
    assert installed == tmp_path / "docker_mirror" / "_go"
    assert read_sources(installed) == read_sources(REPOSITORY_ROOT)
    # All subpackages, docker_mirror.helm too.
    modules = [file.relative_to(PLUGINS) for file in sorted((PLUGINS / "docker_mirror").rglob("*.py"))]
    assert Path("docker_mirror/helm/register.py") in modules
    assert [module for module in modules if not (tmp_path / module).exists()] == []


@dataclass(frozen=True)
class Pex:
    version: str
    file: Path


@pytest.fixture
def pex(pants: Pants, tmp_path: Path) -> Pex:
    """That of the Pants under test, which would fetch it from a site that is no package index; PyPI has the same."""
    empty = PantsProject(pants, tmp_path / "empty", {"PANTS_BACKEND_PACKAGES": '["pants.backend.python"]'})
    empty.directory.mkdir()
    empty.write({"pants.toml": ""})
    scopes = json.loads(empty.run("help-all").succeeded().stdout)["scope_to_help_info"]
    (version,) = (option["default"] for option in scopes["pex-cli"]["advanced"] if option["config_key"] == "version")
    file = tmp_path / "pex"
    # It makes itself: the pex of this environment would put its own start into it, which newer Pythons can't run.
    itself = (f"pex=={version.lstrip('v')}", "-c", "pex")
    subprocess.run([sys.executable, "-m", "pex", *itself, "--", *itself, "-o", str(file)], check=True)
    return Pex(version, file)


@pytest.fixture
def with_plugin(pants: Pants, helper: Path, wheel: Path, pex: Pex, tmp_path: Path) -> Iterator[PantsProject]:
    content = pex.file.read_bytes()
    system = "macos" if sys.platform == "darwin" else "linux"
    machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    known = f"{pex.version}|{system}_{machine}|{hashlib.sha256(content).hexdigest()}|{len(content)}"
    project = PantsProject(pants, tmp_path / "project", {"PANTS_DOCKER_MIRROR_HELPER": str(helper)})
    project.env["PANTS_PYTHONPATH"] = "[]"
    project.directory.mkdir()
    project.write(
        {
            "pants.toml": PANTS_TOML.replace("[GLOBAL]", '[GLOBAL]\nplugins = ["docker-mirror"]')
            + f'\n[python-repos]\nfind_links = ["file://{wheel.parent}"]\n'
            + f'\n[pex-cli]\nurl_template = "file://{pex.file}"\nknown_versions = ["{known}"]\n',
            "BUILD": "docker_mirror_image_list(name='x', source='x.txt', registries=['registry.example'])",
            "x.txt": "a.example/x:1\n",
        }
    )
    project.init()
    yield project
    project.stop_pantsd()


def test_a_repository_that_names_the_wheel(with_plugin: PantsProject) -> None:
    packaged = with_plugin.run("package", "::").succeeded()
    assert "1 copy to registry.example" in packaged.stderr
