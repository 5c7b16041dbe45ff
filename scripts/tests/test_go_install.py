"""`scripts/go-install`, which builds what tests and releases need on a machine that has nothing yet."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
SOURCE = "package main\n\nfunc main() {{ println({said}) }}\n"


@pytest.fixture
def module(tmp_path: Path) -> Path:
    folder = tmp_path / "module"
    (folder / "hello").mkdir(parents=True)
    (folder / "go.mod").write_text("module example.com/tools\n\ngo 1.24\n\ntool example.com/tools/hello\n")
    (folder / "hello/main.go").write_text(SOURCE.format(said='"hello"'))
    return folder


def install(module: Path, folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [str(CHECKOUT / "scripts/go-install"), str(module), str(folder), *flags]
    environment = {**os.environ, "GOPROXY": "off"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def said_by(program: Path) -> str:
    return subprocess.run([str(program)], capture_output=True, text=True, check=True).stderr


def test_builds_once(module: Path, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    first = install(module, programs)
    assert (first.returncode, first.stdout) == (0, ""), first.stderr
    assert first.stderr.startswith(f"Building the programs of {module}/go.mod into {programs} ...\n")
    assert said_by(programs / "hello") == "hello\n"

    (module / "hello/main.go").write_text(SOURCE.format(said='"another"'))
    again = install(module, programs)
    assert (again.returncode, again.stderr) == (0, "")
    assert said_by(programs / "hello") == "hello\n"


def test_what_does_not_build_is_told_and_tried_again(module: Path, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    (module / "hello/main.go").write_text(SOURCE.format(said="unknown"))
    failed = install(module, programs)
    assert failed.returncode == 1
    assert "undefined: unknown" in failed.stderr

    (module / "hello/main.go").write_text(SOURCE.format(said='"hello"'))
    assert install(module, programs).returncode == 0
    assert said_by(programs / "hello") == "hello\n"


def test_flags_go_to_the_compiler(module: Path, tmp_path: Path) -> None:
    (module / "hello/other.go").write_text("//go:build other\n\npackage main\n\nfunc init() { println(1) }\n")
    assert install(module, tmp_path / "programs", "-tags", "other").returncode == 0
    assert said_by(tmp_path / "programs/hello") == "1\nhello\n"
