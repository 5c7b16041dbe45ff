"""Puts the Go sources of the helper into the package as `_go`.

They lie beside this directory in a checkout, and in it in a source distribution. Both archives are the same bytes for
the same sources and SOURCE_DATE_EPOCH (https://reproducible-builds.org/docs/source-date-epoch/).
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import tarfile
import time
from pathlib import Path
from typing import IO, cast

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = Path(__file__).resolve().parent
GO_SOURCES = HERE / "_go" if (HERE / "_go").is_dir() else HERE.parent


def version() -> str:
    """The helper's, which is written down in one place only."""
    source = (GO_SOURCES / "go-helper" / "internal" / "cli" / "version.go").read_text()
    match = re.search(r'^const version = "(.+)"$', source, re.MULTILINE)
    if match is None:
        raise RuntimeError("version.go has no version")
    return match.group(1)


def no_tests(directory: str, names: list[str]) -> set[str]:
    return {name for name in names if name.endswith("_test.go") or name == "testdata" or name.startswith((".", "_"))}


def copy_go_sources(target: Path) -> None:
    shutil.copytree(GO_SOURCES / "go-helper", target / "go-helper", ignore=no_tests)
    for name in ("go.mod", "go.sum", "LICENSE"):
        shutil.copy(GO_SOURCES / name, target / name)


class BuildWithGoSources(build_py):
    def run(self) -> None:
        # What an earlier build left would go into the wheel, too.
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        copy_go_sources(Path(self.build_lib, "docker_mirror", "_go"))


class SourcesWithGoSources(sdist):
    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        copy_go_sources(Path(base_dir, "_go"))

    def make_archive(  # type: ignore[override]  # the format is ours
        self, base_name: str, format: str, root_dir: str | None = None, base_dir: str | None = None, **_: object
    ) -> str:
        """A tar.gz whatever the format, without what depends on who makes it and when."""
        changed = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))

        def anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mtime = changed
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            return member

        archive = f"{base_name}.tar.gz"
        root = Path(root_dir or ".")
        with open(archive, "wb") as file, gzip.GzipFile("", "wb", 9, file, changed) as zipped:
            stream = cast("IO[bytes]", zipped)
            with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
                for path in sorted((root / str(base_dir)).rglob("*")):
                    tar.add(path, str(path.relative_to(root)), recursive=False, filter=anonymous)
        return archive


setup(version=version(), cmdclass={"build_py": BuildWithGoSources, "sdist": SourcesWithGoSources})
