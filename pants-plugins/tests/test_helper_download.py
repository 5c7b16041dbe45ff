"""The helper of a release: `[docker-mirror].build = false`."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pants.core.util_rules.external_tool import UnknownVersion
from pants.engine.fs import FileDigest, FileEntry
from pants.engine.platform import Platform
from pants_project import PANTS_TOML, Pants, PantsProject

from docker_mirror.errors import HelperError
from docker_mirror.helper_download import download_request, executable_in
from docker_mirror.subsystem import DockerMirrorSubsystem
from docker_mirror.version import VERSION


def options(url_template: str, problem: Exception | None = None) -> DockerMirrorSubsystem:
    def get_request(platform: Platform) -> Any:
        if problem is not None:
            raise problem
        return platform

    return cast(
        DockerMirrorSubsystem,
        SimpleNamespace(url_template=url_template, version="1.2.3", get_request=get_request),
    )


def test_what_is_missing_is_named() -> None:
    with pytest.raises(HelperError, match=r"nothing says where .* `\[docker-mirror\]\.url_template` .*\.helper"):
        download_request(options(""), Platform.linux_x86_64)
    with pytest.raises(HelperError, match=r"no digest of docker-mirror 1\.2\.3 for macos_arm64.*known_versions\.txt"):
        download_request(options("file:/x", UnknownVersion()), Platform.macos_arm64)
    with pytest.raises(HelperError, match=r'"file:/\{os\}", whose placeholders.*\'os\'.*`\{version\}` and'):
        download_request(options("file:/{os}", KeyError("os")), Platform.linux_x86_64)


def test_the_executable_is_found_under_its_name_or_in_an_archive() -> None:
    def entry(path: str) -> FileEntry:
        return FileEntry(path, FileDigest("0" * 64, 1))

    assert executable_in([entry("docker-mirror-1-linux-amd64")], "docker-mirror-1-linux-amd64", "").path.endswith("64")
    assert executable_in([entry("README"), entry("docker-mirror")], "x.tar.gz", "").path == "docker-mirror"
    with pytest.raises(HelperError, match=r"file:/x\.zip is an archive without `docker-mirror` .*: it has a, b/c\."):
        executable_in([entry("b/c"), entry("a")], "x.zip", "file:/x.zip")


@pytest.fixture
def release(helper: Path, tmp_path: Path) -> Path:
    """A folder as `scripts/release` makes one, with the executable of this machine under each platform's name."""
    folder = tmp_path / "release"
    folder.mkdir()
    content = helper.read_bytes()
    lines = []
    for pants_name, name in DockerMirrorSubsystem.default_url_platform_mapping.items():
        shutil.copyfile(helper, folder / f"docker-mirror-{VERSION}-{name}")  # Not executable, as if it came by HTTP.
        lines.append(f"{VERSION}|{pants_name}|{hashlib.sha256(content).hexdigest()}|{len(content)}\n")
    (folder / "known_versions.txt").write_text("".join(lines))
    return folder


@pytest.fixture
def without_go(pants: Pants, release: Path, tmp_path: Path) -> Iterator[PantsProject]:
    known = (release / "known_versions.txt").read_text().splitlines()
    project = PantsProject(pants, tmp_path / "project", {})
    project.directory.mkdir()
    project.write(
        {
            "pants.toml": PANTS_TOML + "\n[docker-mirror]\nbuild = false\ngo_search_paths = []\n"
            f'url_template = "file:{release}/docker-mirror-{{version}}-{{platform}}"\nknown_versions = {known}\n',
            "BUILD": "docker_mirror_image_list(name='x', source='x.txt', registries=['registry.example'])",
            "x.txt": "a.example/x:1\n",
        }
    )
    project.init()
    yield project
    project.stop_pantsd()


@pytest.mark.integration
def test_a_release_needs_no_go(without_go: PantsProject, release: Path) -> None:
    packaged = without_go.run("package", "::").succeeded()
    assert "1 copy to registry.example" in packaged.stderr
    assert "Build docker-mirror's helper" not in packaged.stderr

    without_go.replace("pants.toml", "build = false", "")
    built = without_go.run("package", "::").failed()
    assert "found no `go`" in built.stderr  # So it was not another Go that made the first run succeed.
    assert "with `build = false` a release's is downloaded" in built.stderr


@pytest.mark.integration
def test_a_release_that_is_not_what_its_digest_says_never_runs(without_go: PantsProject, release: Path) -> None:
    ran = release / "ran"
    for executable in release.glob("docker-mirror-*"):
        executable.write_text(f"#!/bin/sh\ntouch {ran}\n")
    stderr = without_go.run("package", "::").failed().stderr
    assert "Wrong digest for downloaded file" in stderr
    assert not ran.exists()


@pytest.mark.integration
def test_a_release_of_another_version_is_refused(without_go: PantsProject, release: Path) -> None:
    older = '#!/bin/sh\necho \'{"name": "docker-mirror", "version": "0.0.1", "protocol": 0}\'\n'
    for executable in release.glob("docker-mirror-*"):
        executable.write_text(older)
    digest = hashlib.sha256(older.encode()).hexdigest()
    known = [f"{VERSION}|{platform.value}|{digest}|{len(older)}" for platform in Platform]
    without_go.env["PANTS_DOCKER_MIRROR_KNOWN_VERSIONS"] = str(known)
    stderr = without_go.run("package", "::").failed().stderr
    assert f"file:{release}/docker-mirror-{VERSION}-" in stderr
    assert f"is docker-mirror 0.0.1 (protocol 0), and this backend needs docker-mirror {VERSION}" in stderr
