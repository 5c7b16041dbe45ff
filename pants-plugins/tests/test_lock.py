"""Locks with the real Pants and the real helper: the goal, what selects a list, and what asks nobody."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import REPOSITORY_ROOT
from counted_proxy import counted_proxy
from pants_project import Pants, PantsProject
from registries import DevRegistry

pytestmark = pytest.mark.integration


@pytest.fixture
def locks(pants: Pants, helper: Path, tmp_path: Path) -> Iterator[PantsProject]:
    """A copy of testprojects/locks."""
    shutil.copytree(REPOSITORY_ROOT / "testprojects" / "locks", tmp_path / "locks")
    project = PantsProject(pants, tmp_path / "locks", {"PANTS_DOCKER_MIRROR_HELPER": str(helper)})
    project.init()
    yield project
    project.stop_pantsd()


def use_registries(locks: PantsProject, source: str, destination: str) -> None:
    """Has the project's lists name these, without locks."""
    for path in (
        "services/api/base.txt",
        "deploy/web/images.txt",
        "3rdparty/tools/images.toml",
        "3rdparty/tools/BUILD",
    ):
        locks.replace(path, "127.0.0.1:5000", source)
    for path in ("pants.toml", "services/api/Dockerfile", "deploy/web/values.yaml"):
        locks.replace(path, "127.0.0.1:5001", destination)
    for lock in locks.directory.glob("*/*/*.lock"):
        lock.unlink()


def test_locked_lists_are_checked_without_a_network(locks: PantsProject) -> None:
    """The registries that the lists name are not there: who asks them fails."""
    locks.run("lock", "--check", "::").succeeded()
    locks.run("lint", "::").succeeded()
    locks.run("package", "::").succeeded()
    plan = json.loads((locks.directory / "dist/deploy.web/images.plan.json").read_text())
    (web,) = plan
    lock = (locks.directory / "deploy/web/images.txt.lock").read_text()
    assert web["src"].partition("@")[2] in lock
    values = (locks.directory / "deploy/web/values.yaml").read_text()
    assert web["locked"]["expect"] in values
    assert web["locked"]["expect"] in lock
    (tools,) = json.loads((locks.directory / "dist/3rdparty.tools/images.toml.plan.json").read_text())
    assert tools["src"].startswith("127.0.0.1:5000/tools:5.1@sha256:")
    assert "select" not in tools
    (chart,) = json.loads((locks.directory / "dist/3rdparty.tools/hello-chart.plan.json").read_text())
    assert chart["locked"]["file"] == "3rdparty/tools/hello-chart.image.lock:4"


def test_goals_on_locked_lists_connect_to_no_registry(
    locks: PantsProject, source: DevRegistry, dev_destination: DevRegistry
) -> None:
    source.seed()
    with counted_proxy(source.host) as lists, counted_proxy(dev_destination.host) as mirror:
        use_registries(locks, lists.host, mirror.host)
        locks.run("lock", "::").succeeded()
        assert lists.connections > 0  # What asks the lists' registry is counted.
        locks.commit()
        lists.refuses = mirror.refuses = True
        lists.connections = mirror.connections = 0
        locks.run("lock", "--check", "::").succeeded()
        locks.run("lint", "::").succeeded()
        locks.run("package", "::").succeeded()
        assert (lists.connections, mirror.connections) == (0, 0)
        locks.run("mirror", "::").failed()
        assert mirror.connections > 0


def test_a_lock_selects_its_list(locks: PantsProject) -> None:
    def changed() -> list[str]:
        return locks.run("--changed-since=HEAD", "list").succeeded().stdout.split()

    locks.replace("services/api/base.txt.lock", "seen = 20", "seen = 19")
    locks.replace("3rdparty/tools/hello-chart.image.lock", "seen = 20", "seen = 19")
    assert changed() == ["3rdparty/tools:hello-chart", "services/api:base"]
    lint = locks.run("lint", "services/api:base").failed()
    assert "services/api/base.txt.lock:4: error: the entry of 127.0.0.1:5000/api:2.3 was edited" in lint.stderr
    assert "[lock-edited]" in lint.stderr
    package = locks.run("package", "services/api:base").failed()
    assert "services/api/base.txt.lock doesn't fit this list" in package.stderr

    locks.git("checkout", "-q", ".")
    (locks.directory / "3rdparty/tools/images.toml.lock").unlink()
    assert "3rdparty/tools/images.toml" in changed()
    required = locks.run("lint", "--docker-mirror-lock=require", "3rdparty/tools/images.toml").failed()
    assert "3rdparty/tools/images.toml: has no lock" in required.stderr


def test_lock_upgrade_and_pin(locks: PantsProject, source: DevRegistry, dev_destination: DevRegistry) -> None:
    source.seed()
    use_registries(locks, source.host, dev_destination.host)

    locked = locks.run("lock", "::").succeeded()
    assert f"services/api/base.txt.lock: added {source.host}/api:2.3 sha256:" in locked.stdout
    # The images are the same bytes everywhere, so what was pinned is right.
    assert "Dockerfile" not in locked.stdout
    locks.commit()
    assert locks.run("mirror", "::").succeeded().stdout.count("✓") == 4

    moved = source.push_image("api:2.3", b"another")
    source.push_image("worker:2.3", b"another")
    assert locks.run("mirror", "::").succeeded().stdout == "✓ 4 image lists: 5 unchanged\n"

    upgraded = locks.run("lock", "--upgrade-image=runtime", "services/api:base").succeeded()
    assert f"moved {source.host}/api:2.3 sha256:" in upgraded.stdout
    assert "worker" not in upgraded.stdout
    assert f"services/api/Dockerfile:4: {dev_destination.host}/api:2.3@sha256:" in upgraded.stdout
    dockerfile = (locks.directory / "services/api/Dockerfile").read_text()
    assert f"FROM {dev_destination.host}/api:2.3@{moved}\n" in dockerfile
    locks.run("--changed-since=HEAD", "mirror").succeeded()
    assert dev_destination.digest("api:2.3") == moved

    locks.replace("services/api/Dockerfile", moved, "sha256:" + "0" * 64)
    lint = locks.run("lint", "services/api:base").failed()
    assert "services/api/Dockerfile:4: error: says " in lint.stderr
    locks.run("lock", "--check", "services/api:base").failed()
