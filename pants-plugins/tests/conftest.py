"""Fixtures: the helper, built once a session; registries on loopback; copies of test projects to run Pants on."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import quick_pants
from pants_project import Pants, PantsProject, share_go_caches
from registries import DevRegistry, DistributionRegistry, Registry

REPOSITORY_ROOT = Path(__file__).parents[2]

# What test projects mirror from and to.
SOURCE = "127.0.0.1:5000"
DESTINATION = "127.0.0.1:5001"


@pytest.fixture(scope="session")
def helper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `docker-mirror` executable, built as a user's Pants would build it but outside of Pants."""
    executable = tmp_path_factory.mktemp("helper") / "docker-mirror"
    subprocess.run(
        ["go", "build", "-trimpath", "-buildvcs=false", "-o", str(executable), "./go-helper"],
        cwd=REPOSITORY_ROOT,
        env={**os.environ, "CGO_ENABLED": "0"},
        check=True,
    )
    return executable


@pytest.fixture(scope="session")
def pants(tmp_path_factory: pytest.TempPathFactory) -> Pants:
    """The Pants under test, with caches of this session's own."""
    directory = tmp_path_factory.mktemp("pants")
    executable = os.environ.get("PANTS_UNDER_TEST") or str(quick_pants.write_executable(directory / "quick-pants"))
    pants = Pants.probe(executable, directory, REPOSITORY_ROOT / "pants-plugins")
    share_go_caches(pants.named_caches)
    return pants


@pytest.fixture
def project(pants: Pants, helper: Path, tmp_path: Path) -> Iterator[PantsProject]:
    """An empty repository with git and the backend, which uses the prebuilt helper and no pantsd."""
    project = PantsProject(pants, tmp_path / "project", {"PANTS_DOCKER_MIRROR_HELPER": str(helper)})
    project.init()
    yield project
    project.stop_pantsd()


@pytest.fixture
def quickstart(pants: Pants, helper: Path, tmp_path: Path) -> Iterator[PantsProject]:
    """A copy of testprojects/quickstart."""
    shutil.copytree(REPOSITORY_ROOT / "testprojects" / "quickstart", tmp_path / "quickstart")
    project = PantsProject(pants, tmp_path / "quickstart", {"PANTS_DOCKER_MIRROR_HELPER": str(helper)})
    project.init()
    yield project
    project.stop_pantsd()


@pytest.fixture
def source(helper: Path, tmp_path: Path) -> Iterator[DevRegistry]:
    """An empty registry to mirror from."""
    with DevRegistry(helper, tmp_path / "source") as registry:
        yield registry


@pytest.fixture(params=[DevRegistry, DistributionRegistry], ids=["devregistry", "distribution"])
def destination(request: Any, helper: Path, tmp_path: Path) -> Iterator[Registry]:
    """An empty registry: our own, and distribution's."""
    with request.param(helper, tmp_path / "destination") as registry:
        yield registry


@pytest.fixture
def dev_destination(helper: Path, tmp_path: Path) -> Iterator[DevRegistry]:
    """An empty registry of our own, for tests in which the kind of registry doesn't matter."""
    with DevRegistry(helper, tmp_path / "destination") as registry:
        yield registry


@pytest.fixture
def copy_of(
    pants: Pants, helper: Path, tmp_path: Path, source: DevRegistry, dev_destination: DevRegistry
) -> Iterator[Callable[[str], PantsProject]]:
    """Makes a copy of a test project that mirrors from `source`, which is seeded, to `dev_destination`."""
    source.seed()
    made: list[PantsProject] = []

    def make(name: str) -> PantsProject:
        directory = tmp_path / name
        shutil.copytree(REPOSITORY_ROOT / "testprojects" / name, directory)
        for file in directory.rglob("*"):
            if file.is_file():
                text = file.read_text().replace(SOURCE, source.host).replace(DESTINATION, dev_destination.host)
                file.write_text(text)
        project = PantsProject(pants, directory, {"PANTS_DOCKER_MIRROR_HELPER": str(helper)})
        project.init()
        # One pantsd for all runs of a test: each is much shorter then.
        project.env["PANTS_PANTSD"] = "true"
        made.append(project)
        return project

    yield make
    for project in made:
        project.stop_pantsd()
