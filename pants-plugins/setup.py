"""Puts the Go sources of the helper, which lie beside this directory, into the package as `_go`."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

CHECKOUT = Path(__file__).resolve().parent.parent


def version() -> str:
    """The helper's, which is written down in one place only."""
    source = (CHECKOUT / "go-helper" / "internal" / "cli" / "version.go").read_text()
    match = re.search(r'^const version = "(.+)"$', source, re.MULTILINE)
    if match is None:
        raise RuntimeError("version.go has no version")
    return match.group(1)


def no_tests(directory: str, names: list[str]) -> set[str]:
    return {name for name in names if name.endswith("_test.go") or name == "testdata" or name.startswith((".", "_"))}


class BuildWithGoSources(build_py):
    def run(self) -> None:
        # What an earlier build left would go into the wheel, too.
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        target = Path(self.build_lib, "docker_mirror", "_go")
        shutil.copytree(CHECKOUT / "go-helper", target / "go-helper", ignore=no_tests)
        for name in ("go.mod", "go.sum", "LICENSE"):
            shutil.copy(CHECKOUT / name, target / name)


setup(version=version(), cmdclass={"build_py": BuildWithGoSources})
