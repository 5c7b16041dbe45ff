"""Tests of `./pants`, `scripts/find-python` and `scripts/venv`."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
NO_PYTHON = {"PATH": "/usr/bin:/bin", "PYENV_ROOT": "/nonexistent", "HOME": "/nonexistent"}


def run(
    *command: str | Path, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
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


def test_says_how_to_get_a_python(tmp_path: Path) -> None:
    environment = {**NO_PYTHON, "PANTS_LAUNCHER": "no", "XDG_CACHE_HOME": str(tmp_path)}
    # No such version can be found anywhere, and by the launcher none of its own on a PATH without any.
    found = run(CHECKOUT / "scripts/find-python", "3.99", environment=environment)
    assert (found.returncode, found.stdout) == (1, "")
    for advice in ("uv python install 3.99", "pyenv install 3.99", "brew install", "apt-get install"):
        assert advice in found.stderr


def test_two_at_once_and_one_interrupted(tmp_path: Path) -> None:
    """Two runs that need the same environment both get one that is complete; nothing half-made is used."""
    scripts = tmp_path / "checkout/scripts"
    shutil.copytree(CHECKOUT / "scripts", scripts)
    requirements = tmp_path / "checkout/requirements"
    requirements.mkdir()
    (requirements / "none-3.9.txt").touch()
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
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
    done = run(scripts / "venv", "six", "3.9", environment={"XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert not list((tmp_path / "cache/docker-mirror/venvs").iterdir())
