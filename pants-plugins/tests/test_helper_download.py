"""The helper of a release: `[docker-mirror].build = false`."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pants.core.util_rules.external_tool import UnknownVersion
from pants.engine.fs import FileDigest, FileEntry
from pants.engine.platform import Platform
from pants_project import PANTS_TOML, Pants, PantsProject

from docker_mirror.errors import HelperError
from docker_mirror.helper_download import download_request, executables_in
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


def test_the_executables_are_found_in_an_archive_or_alone() -> None:
    def entry(path: str) -> FileEntry:
        return FileEntry(path, FileDigest(hashlib.sha256(path.encode()).hexdigest(), 1))

    def found(paths: list[str], exe: str) -> list[tuple[str, FileDigest, bool]]:
        entries = executables_in(map(entry, paths), exe, "file:/x.zip")
        return [(entry.path, entry.file_digest, entry.is_executable) for entry in entries]

    alone = "docker-mirror-1-linux-amd64"
    assert found([alone], alone) == [("docker-mirror", entry(alone).file_digest, True)]
    assert found(["README", "docker-mirror", "docker-mirror-verify"], "x.tar.gz") == [
        (name, entry(name).file_digest, True) for name in ("docker-mirror", "docker-mirror-verify")
    ]
    with pytest.raises(HelperError, match=r"file:/x\.zip is an archive without `docker-mirror` .*: it has a, b/c\."):
        found(["b/c", "a"], "x.zip")


def publish(folder: Path, programs: Mapping[str, bytes]) -> None:
    """A folder as `scripts/release` makes one, with this machine's executables under each platform's name."""
    folder.mkdir(exist_ok=True)
    lines = []
    for pants_name, name in DockerMirrorSubsystem.default_url_platform_mapping.items():
        archive = folder / f"docker-mirror-{VERSION}-{name}.tar.gz"
        with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
            for program, content in programs.items():
                member = tarfile.TarInfo(program)
                member.size, member.mode = len(content), 0o755
                tar.addfile(member, io.BytesIO(content))
        content = archive.read_bytes()
        lines.append(f"{VERSION}|{pants_name}|{hashlib.sha256(content).hexdigest()}|{len(content)}\n")
    (folder / "known_versions.txt").write_text("".join(lines))


@pytest.fixture
def release(helper: Path, tmp_path: Path) -> Path:
    publish(tmp_path / "release", {"docker-mirror": helper.read_bytes()})
    return tmp_path / "release"


def known_versions(release: Path) -> str:
    return str((release / "known_versions.txt").read_text().splitlines())


@pytest.fixture
def without_go(pants: Pants, release: Path, tmp_path: Path) -> Iterator[PantsProject]:
    project = PantsProject(pants, tmp_path / "project", {})
    project.directory.mkdir()
    project.write(
        {
            "pants.toml": PANTS_TOML + "\n[docker-mirror]\nbuild = false\ngo_search_paths = []\n"
            f'url_template = "file:{release}/docker-mirror-{{version}}-{{platform}}.tar.gz"\n'
            f"known_versions = {known_versions(release)}\n",
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
def test_a_policy_of_signatures_needs_the_verifier_of_the_release(
    without_go: PantsProject, release: Path, helper: Path
) -> None:
    policy = 'version = 1\n[trust.acme]\nkeys = ["none.pub"]\nlog = "none"\n[[rule]]\nimages = ["**"]\n'
    without_go.write({"mirror-policy.toml": policy + 'signed_by = [{ trust = "acme" }]\n'})
    without_go.env["PANTS_DOCKER_MIRROR_POLICY"] = "mirror-policy.toml"
    without = without_go.run("mirror", "--dry-run", "::").failed().stderr
    assert "nothing has what verifies them: neither an archive at `[docker-mirror].url_template`" in without

    publish(release, {"docker-mirror": helper.read_bytes(), "docker-mirror-verify": b"#!/bin/sh\nexit 1\n"})
    without_go.env["PANTS_DOCKER_MIRROR_KNOWN_VERSIONS"] = known_versions(release)
    # The helper is run, and reads the policy's files.
    assert "[trust.acme] keys: " in without_go.run("mirror", "--dry-run", "::").failed(2).stderr


@pytest.mark.integration
def test_a_release_that_is_not_what_its_digest_says_never_runs(without_go: PantsProject, release: Path) -> None:
    ran = release / "ran"
    publish(release, {"docker-mirror": f"#!/bin/sh\ntouch {ran}\n".encode()})
    stderr = without_go.run("package", "::").failed().stderr
    assert "Wrong digest for downloaded file" in stderr
    assert not ran.exists()


@pytest.mark.integration
def test_a_release_of_another_version_is_refused(without_go: PantsProject, release: Path) -> None:
    older = b'#!/bin/sh\necho \'{"name": "docker-mirror", "version": "0.0.1", "protocol": 0}\'\n'
    publish(release, {"docker-mirror": older})
    without_go.env["PANTS_DOCKER_MIRROR_KNOWN_VERSIONS"] = known_versions(release)
    stderr = without_go.run("package", "::").failed().stderr
    assert f"file:{release}/docker-mirror-{VERSION}-" in stderr
    assert f"is docker-mirror 0.0.1 (protocol 0), and this backend needs docker-mirror {VERSION}" in stderr
