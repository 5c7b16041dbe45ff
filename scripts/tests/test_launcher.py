"""Tests of `./pants`, `scripts/find-python` and `scripts/venv`."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
# The Python that runs these tests: one that uv installed is in a cache that some tests leave aside, and not on PATH.
HERE = {"PATH": f"{sys.base_prefix}/bin:{os.environ['PATH']}"}
NO_PYTHON = {"PATH": "/usr/bin:/bin", "PYENV_ROOT": "/nonexistent", "HOME": "/nonexistent"}


def run(
    *command: str | Path, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    # Whoever has uv take its Pythons from elsewhere doesn't mean those of the tests.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("UV_PYTHON_")}
    return subprocess.run(
        command, cwd=cwd, env={**inherited, **(environment or {})}, capture_output=True, text=True, check=False
    )


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "pants.toml").touch()
    return folder


def fake_python(path: Path, version: str, works: bool = True) -> Path:
    """A Python that only says which one it is; one that doesn't work is like a pyenv shim of another version."""
    return executable(
        path,
        f"#!/bin/sh\ncase $2 in *executable*) echo {path} ;; *) echo {version} ;; esac\n"
        if works
        else "#!/bin/sh\necho 'pyenv: command not found' >&2\nexit 127\n",
    )


def test_an_installed_launcher_goes_first(tmp_path: Path) -> None:
    launcher = executable(tmp_path / "bin/pants", '#!/bin/sh\necho "launcher: $*"\n')
    environment = {"PATH": f"{CHECKOUT}:{launcher.parent}:{os.environ['PATH']}", "PANTS_LAUNCHER": ""}
    assert run(CHECKOUT / "pants", "list", "::", environment=environment).stdout == "launcher: list ::\n"


def test_a_launcher_that_hands_back_does_not_loop(tmp_path: Path, repository: Path) -> None:
    launcher = executable(tmp_path / "bin/pants", f'#!/bin/sh\nexec {CHECKOUT}/pants "$@"\n')
    environment = {"PATH": f"{launcher.parent}:{os.environ['PATH']}", "PANTS_LAUNCHER": "", "PANTS_PANTSD": "false"}
    assert run(CHECKOUT / "pants", "--version", cwd=repository, environment=environment).stdout == "2.17.1\n"


def test_runs_through_a_link_in_another_repository(tmp_path: Path, repository: Path) -> None:
    (tmp_path / "link").symlink_to(CHECKOUT / "pants")
    environment = {"PANTS_LAUNCHER": "no", "PANTS_PANTSD": "false"}
    done = run("../link", "--version", cwd=repository, environment=environment)
    assert (done.returncode, done.stdout) == (0, "2.17.1\n"), done.stderr


@pytest.mark.parametrize("version", ["3.7", "3.8", "3.9"])
def test_backend_loads_on_each_python(version: str, tmp_path: Path) -> None:
    if run(CHECKOUT / "scripts/find-python", version).returncode != 0:
        pytest.skip(f"there is no Python {version} here")
    made = run(CHECKOUT / "scripts/venv", "pants", version)
    assert made.returncode == 0, made.stderr
    repository = tmp_path / "quickstart"
    shutil.copytree(CHECKOUT / "testprojects/quickstart", repository, ignore=shutil.ignore_patterns(".pants.d"))
    environment = {
        "PANTS_PYTHONPATH": f"['{CHECKOUT}/pants-plugins']",
        "PANTS_PANTSD": "false",
        "NO_SCIE_WARNING": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = run(f"{made.stdout.strip()}/bin/pants", "list", "::", cwd=repository, environment=environment)
    assert done.returncode == 0, done.stderr
    assert "3rdparty/apps/backend.txt" in done.stdout.splitlines()


def test_candidates_are_run_before_they_are_believed(tmp_path: Path) -> None:
    """A shim that fails and a python3 of another version stand before one that only pyenv knows of."""
    fake_python(tmp_path / "shims/python3.9", "3.9", works=False)
    fake_python(tmp_path / "shims/python3", "3.12")
    real = fake_python(tmp_path / "pyenv/versions/3.9.18/bin/python3", "3.9")
    environment = {**NO_PYTHON, "PATH": f"{tmp_path}/shims:/usr/bin:/bin", "PYENV_ROOT": f"{tmp_path}/pyenv"}
    found = run(CHECKOUT / "scripts/find-python", "3.9", "3.8", environment=environment)
    assert (found.returncode, found.stdout.strip()) == (0, str(real)), found.stderr


def test_pyenv_and_uv_are_asked(tmp_path: Path) -> None:
    in_pyenv = fake_python(tmp_path / "elsewhere/versions/3.8.18/bin/python3", "3.8")
    of_uv = fake_python(tmp_path / "uv/python", "3.9")
    executable(tmp_path / "bin/pyenv", f"#!/bin/sh\necho {tmp_path}/elsewhere\n")
    executable(tmp_path / "bin/uv", f'#!/bin/sh\ncase "$*" in *3.9) echo {of_uv} ;; *) exit 2 ;; esac\n')
    environment = {**NO_PYTHON, "PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
    for version, want in (("3.8", in_pyenv), ("3.9", of_uv)):
        found = run(CHECKOUT / "scripts/find-python", version, environment=environment)
        assert (found.returncode, found.stdout.strip()) == (0, str(want)), found.stderr


def test_the_launchers_own_python_is_taken(tmp_path: Path) -> None:
    """The launcher unpacks the Python that it runs Pants on under `nce`, by the archive's digest and name."""
    unpacked = "cpython-3.9.16+20230507-x86_64-unknown-linux-gnu-install_only.tar.gz/python/bin/python3"
    python = fake_python(tmp_path / "nce" / ("a" * 64) / unpacked, "3.9")
    environment = {**NO_PYTHON, "PATH": "/usr/bin:/bin", "XDG_CACHE_HOME": str(tmp_path)}
    found = run(CHECKOUT / "scripts/find-python", "3.9", environment=environment)
    assert (found.returncode, found.stdout.strip()) == (0, str(python)), found.stderr


def test_says_how_to_get_a_python(tmp_path: Path) -> None:
    environment = {**NO_PYTHON, "PANTS_LAUNCHER": "no", "XDG_CACHE_HOME": str(tmp_path)}
    # No such version can be found anywhere, and by the launcher none of its own on a PATH without any.
    found = run(CHECKOUT / "scripts/find-python", "3.99", environment=environment)
    assert (found.returncode, found.stdout) == (1, "")
    for advice in ("uv python install 3.99", "pyenv install 3.99", "brew install", "apt-get install"):
        assert advice in found.stderr
    assert not list(tmp_path.iterdir()), "a search without --install has downloaded something"


@pytest.fixture(scope="module")
def pinned_uv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with uv in it, as `scripts/uv` puts it there on a PATH that has none."""
    cache = tmp_path_factory.mktemp("cache")
    environment = {"PATH": f"{path_with_other_python(tmp_path_factory.mktemp('bin'))}:/usr/bin:/bin"}
    installed = run(CHECKOUT / "scripts/uv", environment={**environment, "XDG_CACHE_HOME": str(cache)})
    assert installed.returncode == 0, installed.stderr
    assert Path(installed.stdout.strip()).is_relative_to(cache)
    return cache


def path_with_other_python(folder: Path) -> Path:
    """A folder for PATH with a Python 3 that has pip and isn't 3.9."""
    found = run(CHECKOUT / "scripts/find-python", "3.13", "3.12", "3.11", "3.10", "3.14")
    if found.returncode != 0:
        pytest.skip("there is no Python here but 3.9")
    (folder / "python3").symlink_to(found.stdout.strip())
    return folder


@pytest.fixture
def fresh_machine(tmp_path: Path, pinned_uv: Path) -> dict[str, str]:
    """The environment of a machine with a Python 3, which isn't 3.9, and nothing cached but uv."""
    shutil.copytree(pinned_uv / "docker-mirror/uv", tmp_path / "cache/docker-mirror/uv")
    (tmp_path / "other").mkdir()
    return {
        **NO_PYTHON,
        "PATH": f"{path_with_other_python(tmp_path / 'other')}:/usr/bin:/bin",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "UV_NO_CONFIG": "1",
    }


def standalone_python(folder: Path) -> Path:
    """A download list for uv with one entry: this machine's Python 3.9, packed as uv expects a Python to be."""
    found = run(CHECKOUT / "scripts/find-python", "3.9")
    assert found.returncode == 0, found.stderr
    asked = "import sys, platform; print(sys.base_prefix, platform.python_version(), platform.machine(), sep='\\n')"
    prefix, version, machine = run(found.stdout.strip(), "-c", asked).stdout.split("\n")[:3]

    def needed(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        unneeded = {"__pycache__", "site-packages", "test", "idlelib", "tkinter"}
        return None if unneeded.intersection(member.name.split("/")) or member.name.endswith(".a") else member

    archive = folder / f"cpython-{version}.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for name in ("bin/python3", "bin/python3.9", "lib"):
            tar.add(Path(prefix, name), f"python/{name}", filter=needed)
    linux = sys.platform == "linux"
    os_and_libc = ("linux", "gnu") if linux else ("darwin", "none")
    family = "aarch64" if machine == "arm64" else machine
    major, minor, patch = (int(part) for part in version.split("."))
    entry = {
        "name": "cpython",
        "arch": {"family": family, "variant": None},
        "os": os_and_libc[0],
        "libc": os_and_libc[1],
        "major": major,
        "minor": minor,
        "patch": patch,
        "prerelease": "",
        "url": archive.as_uri(),
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "variant": None,
        "build": "20250101",
    }
    downloads = folder / "downloads.json"
    downloads.write_text(json.dumps({f"cpython-{version}-{os_and_libc[0]}-{family}-{os_and_libc[1]}": entry}))
    return downloads


def test_uv_installs_the_python_that_is_missing(tmp_path: Path, fresh_machine: dict[str, str]) -> None:
    without = run(CHECKOUT / "scripts/find-python", "3.9", environment=fresh_machine)
    assert without.returncode == 1, f"there is a Python 3.9 on this PATH: {without.stdout}"

    environment = {**fresh_machine, "UV_PYTHON_DOWNLOADS_JSON_URL": str(standalone_python(tmp_path))}
    installed = run(CHECKOUT / "scripts/find-python", "--install", "3.9", environment=environment)
    assert installed.returncode == 0, installed.stderr
    assert "Downloading Python 3.9" in installed.stderr
    python = Path(installed.stdout.strip())
    assert python.is_relative_to(tmp_path / "cache/docker-mirror/pythons")

    # It is found again without uv, and makes environments.
    again = run(CHECKOUT / "scripts/find-python", "3.9", environment=fresh_machine)
    assert Path(again.stdout.strip()).resolve() == python.resolve(), again.stderr
    assert run(python, "-m", "venv", tmp_path / "venv").returncode == 0
    assert run(tmp_path / "venv/bin/python", "-m", "pip", "--version").returncode == 0


def test_says_what_was_tried(tmp_path: Path, fresh_machine: dict[str, str]) -> None:
    environment = {**fresh_machine, "UV_PYTHON_INSTALL_MIRROR": (tmp_path / "nothing").as_uri()}
    failed = run(CHECKOUT / "scripts/venv", "pants", "3.9", environment=environment)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "Failed to install cpython-3.9" in failed.stderr
    tried = "Tried: PATH, pyenv, uv and what the pants launcher downloaded; a download by uv, see above."
    assert tried in failed.stderr.splitlines()
    assert "UV_PYTHON_INSTALL_MIRROR" in failed.stderr


def test_says_that_nothing_can_install_uv(tmp_path: Path) -> None:
    commands = tmp_path / "bin"
    commands.mkdir()
    for command in ("sh", "dirname", "sed", "cat"):
        program = shutil.which(command)
        assert program
        (commands / command).symlink_to(program)
    environment = {**NO_PYTHON, "PATH": str(commands), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    failed = run(CHECKOUT / "scripts/find-python", "--install", "3.9", environment=environment)
    assert failed.returncode == 1
    assert "no Python 3.8 or newer with pip was found to install uv with" in failed.stderr
    assert "; installing uv, see above.\n" in failed.stderr


def test_two_at_once_and_one_interrupted(tmp_path: Path) -> None:
    """Two runs that need the same environment both get one that is complete; nothing half-made is used."""
    scripts = tmp_path / "checkout/scripts"
    shutil.copytree(CHECKOUT / "scripts", scripts)
    requirements = tmp_path / "checkout/requirements"
    requirements.mkdir()
    (requirements / "none-3.9.txt").touch()
    environment = {**os.environ, **HERE, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environments = tmp_path / "cache/docker-mirror/venvs"
    # What a run that was killed leaves: a folder, but no link to it.
    (environments / "none-3.9-e3b0c44298fc1c14.killed/bin").mkdir(parents=True)
    both = [
        subprocess.Popen([scripts / "venv", "none", "3.9"], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = {process.communicate()[0].strip() for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert answers == {str(environments / "none-3.9-e3b0c44298fc1c14")}
    assert run(f"{answers.pop()}/bin/python", "-c", "import pip").returncode == 0


def test_a_wrong_hash_is_refused(tmp_path: Path) -> None:
    scripts = tmp_path / "checkout/scripts"
    shutil.copytree(CHECKOUT / "scripts", scripts)
    lock = tmp_path / "checkout/requirements/six-3.9.txt"
    lock.parent.mkdir()
    lock.write_text(f"six==1.17.0 --hash=sha256:{'0' * 64}\n")
    done = run(scripts / "venv", "six", "3.9", environment={**HERE, "XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert not list((tmp_path / "cache/docker-mirror/venvs").iterdir())
