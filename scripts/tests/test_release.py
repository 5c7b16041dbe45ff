"""`scripts/release`, for this machine's platform alone: that is a quarter of what it builds."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
import quick_pants
from pants_project import share_go_caches

CHECKOUT = Path(__file__).resolve().parents[2]


def go(*arguments: str) -> str:
    return subprocess.run(["go", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout


def committed_below(folder: str) -> list[str]:
    listing = ["git", "ls-tree", "-r", "--name-only", "HEAD:" + folder]
    return subprocess.run(listing, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.splitlines()


def written_version() -> str:
    source = (CHECKOUT / "go-helper/internal/cli/version.go").read_text()
    (version,) = re.findall(r'^const version = "(.*)"$', source, re.MULTILINE)
    return str(version)


VERSION = written_version()
GOOS, GOARCH = go("env", "GOHOSTOS", "GOHOSTARCH").split()
PROGRAMS = ("docker-mirror", "docker-mirror-verify")
ARCHIVE = f"docker-mirror-{VERSION}-{GOOS}-{GOARCH}.tar.gz"


def release(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(CHECKOUT / "scripts/release"), "--platform", f"{GOOS}/{GOARCH}", *arguments]
    environ = {**os.environ, **environment}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=3600)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    output, launcher, named_caches = folder / "dist", folder / "bin/pants", folder / "named_caches"
    for module in (".", "go-helper/verifier", "tools/image"):
        go("-C", module, "mod", "download")
    # Its quickstart, with the wheel, finds this Pants as one finds an installed launcher. That of the checkout, in
    # test_quickstart.py, installs Pants itself.
    launcher.parent.mkdir()
    quick_pants.write_executable(launcher)
    share_go_caches(named_caches)
    environment = {"PATH": f"{launcher.parent}:{os.environ['PATH']}", "PANTS_LAUNCHER": ""}
    done = release("--output", str(output), VERSION, PANTS_NAMED_CACHES_DIR=str(named_caches), **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    # What it says it has checked: a second build with an empty cache, and the wheel alone.
    assert "\nThe same bytes.\n" in done.stdout
    assert f"\ndocker-mirror {VERSION} " in done.stdout
    assert "\nThe quickstart passes with the wheel alone.\n" in done.stdout
    return output


def test_has_what_it_says_it_has(built: Path) -> None:
    named = {path.name for path in built.iterdir()}
    shells = {f"docker-mirror-{VERSION}.{shell}" for shell in ("bash", "zsh", "fish")}
    python = {f"docker_mirror-{VERSION}-py3-none-any.whl", f"docker_mirror-{VERSION}.tar.gz"}
    programs = {f"{program}-{VERSION}-{GOOS}-{GOARCH}" for program in PROGRAMS}
    bills = {f"{program}.cdx.json" for program in programs}
    image = {f"docker-mirror-{VERSION}-image.tar"} if GOOS == "linux" else set()
    chart = f"docker-mirror-{VERSION}.tgz"
    assert named == {*programs, *bills, ARCHIVE, *image, chart, *shells, *python, "SHA256SUMS", "known_versions.txt"}
    beginnings = {"bash": "# bash completion", "zsh": "#compdef docker-mirror", "fish": "# fish completion"}
    for shell, begins in beginnings.items():
        assert (built / f"docker-mirror-{VERSION}.{shell}").read_text().startswith(begins)


def test_sums_are_those_of_the_files(built: Path) -> None:
    sums = dict(line.split()[::-1] for line in (built / "SHA256SUMS").read_text().splitlines())
    files = {path.name for path in built.iterdir()} - {"SHA256SUMS", "known_versions.txt"}
    assert sums == {name: hashlib.sha256((built / name).read_bytes()).hexdigest() for name in files}

    platform = {"linux": "linux", "darwin": "macos"}[GOOS] + "_" + {"amd64": "x86_64", "arm64": "arm64"}[GOARCH]
    size = (built / ARCHIVE).stat().st_size
    assert (built / "known_versions.txt").read_text() == f"{VERSION}|{platform}|{sums[ARCHIVE]}|{size}\n"


def test_the_archive_has_both_programs_and_nothing_of_who_made_it(built: Path) -> None:
    with tarfile.open(built / ARCHIVE) as archive:
        members = archive.getmembers()
    assert [(member.name, oct(member.mode)) for member in members] == [
        *((program, "0o755") for program in PROGRAMS),
        ("LICENSE", "0o644"),
    ]
    assert {(member.uid, member.gid, member.uname, member.gname) for member in members} == {(0, 0, "", "")}


def test_the_chart_is_that_of_the_release(built: Path) -> None:
    with tarfile.open(built / f"docker-mirror-{VERSION}.tgz") as archive:
        members = archive.getmembers()
        chart = archive.extractfile("docker-mirror/Chart.yaml")
        assert chart is not None
        written = chart.read().decode()
    assert {f"version: {VERSION}", f"appVersion: {VERSION}"} <= set(written.splitlines())
    names = {member.name.partition("/")[2] for member in members}
    # What helm's own rules leave out, such as the values for its lint, is in no package.
    assert names == {name for name in committed_below("charts/docker-mirror") if not name.startswith("ci/")}
    assert {(member.uid, member.gid, member.mtime) for member in members} == {(0, 0, members[0].mtime)}


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_bill_of_materials_has_each_module_of_the_program(built: Path, program: str, tmp_path: Path) -> None:
    bill = json.loads((built / f"{program}-{VERSION}-{GOOS}-{GOARCH}.cdx.json").read_text())
    with tarfile.open(built / ARCHIVE) as archive:
        archive.extract(program, tmp_path)
    assert (bill["bomFormat"], bill["metadata"]["component"]["version"]) == ("CycloneDX", f"v{VERSION}")
    listed = {(component["name"], component["version"]) for component in bill["components"]}
    linked = [
        line.split()[1:3] for line in go("version", "-m", str(tmp_path / program)).splitlines() if "\tdep\t" in line
    ]
    assert len(linked) > 10
    assert {(name, version) for name, version in linked} <= listed


def test_the_source_distribution_has_all_that_the_wheel_has(built: Path) -> None:
    wheel = zipfile.ZipFile(built / f"docker_mirror-{VERSION}-py3-none-any.whl")
    in_wheel = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert {"docker_mirror/register.py", "docker_mirror/_go/go.mod", "docker_mirror/_go/LICENSE"} <= in_wheel
    assert not [name for name in in_wheel if name.endswith("_test.go") or "/testdata/" in name]
    with tarfile.open(built / f"docker_mirror-{VERSION}.tar.gz") as sdist:
        members = sdist.getmembers()
    assert {(member.uid, member.uname) for member in members} == {(0, "")}
    names = {member.name.partition("/")[2] for member in members}
    in_sdist = {f"docker_mirror/{name}" if name.startswith("_go/") else name for name in names}
    assert in_wheel <= in_sdist


def test_refuses_what_it_would_do_wrong(tmp_path: Path) -> None:
    other = release("99.0.0")
    assert (other.returncode, other.stdout) == (1, "")
    assert f"version.go says {VERSION}, not 99.0.0: change and commit it first" in other.stderr

    there = release("--output", str(tmp_path), VERSION)
    assert (there.returncode, there.stdout) == (1, "")
    assert f"{tmp_path} is there already: remove it, or name another --output" in there.stderr
    assert not os.listdir(tmp_path)

    assert release("--all", VERSION).returncode == 2


def test_says_which_modules_to_download(tmp_path: Path) -> None:
    (tmp_path / "modules").mkdir()
    without = release("--output", str(tmp_path / "dist"), VERSION, GOMODCACHE=str(tmp_path / "modules"))
    assert without.returncode == 1
    assert without.stderr.endswith("the module cache lacks modules: run 'go -C . mod download' first\n")
    assert "=== " not in without.stdout
    assert not (tmp_path / "dist").exists()
