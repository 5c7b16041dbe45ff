"""What must hold while a pantsd keeps memoized rules: sources outside the build root are seen, side effects happen."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import REPOSITORY_ROOT
from pants_project import Pants, PantsProject, lasting_lines
from registries import DevRegistry

pytestmark = pytest.mark.integration


@pytest.fixture
def with_checkout(pants: Pants, tmp_path: Path) -> Iterator[PantsProject]:
    """A repository that takes the backend from a copy of this checkout and builds the helper from there."""
    checkout = tmp_path / "checkout"
    for directory in ("go-helper", "pants-plugins/docker_mirror"):
        shutil.copytree(REPOSITORY_ROOT / directory, checkout / directory, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("go.mod", "go.sum"):
        shutil.copy(REPOSITORY_ROOT / file, checkout / file)
    project = PantsProject(
        pants,
        tmp_path / "project",
        {
            "PANTS_PANTSD": "true",
            "PANTS_PYTHONPATH": json.dumps([str(checkout / "pants-plugins")]),
        },
    )
    project.init()
    yield project
    project.stop_pantsd()


def test_an_edit_of_the_helper_is_seen(with_checkout: PantsProject, tmp_path: Path) -> None:
    project = with_checkout
    project.write({"BUILD": "docker_mirror_image_list(name='x', source='x.txt')", "x.txt": "a.example/x:1\n"})
    project.use_registry("127.0.0.1:5001")

    first = project.run("package", "::", timeout=1200).succeeded()
    assert "Completed: Build docker-mirror's helper" in first.stderr
    # A second run needs no process at all, neither to build the helper nor to plan.
    assert project.processes_run("package", "::") == 0
    # Without pantsd, Pants looks for Go again.
    alone = project.run("--no-pantsd", "-ldebug", "package", "::").succeeded()
    assert re.findall(r'spawned local process .*argv: \[.*"(build|plan)"', alone.stderr) == []
    assert re.findall(r'spawned local process .*argv: \[".*/go", "(version)"\]', alone.stderr) != []

    main = tmp_path / "checkout" / "go-helper" / "main.go"
    main.write_text(
        main.read_text() + '\nfunc init() {\n\tos.Stderr.WriteString("the edited helper\\n")\n\tos.Exit(2)\n}\n'
    )
    edited = project.run("package", "::", timeout=1200).failed(1)
    assert "the edited helper" in edited.stderr


def test_each_publish_is_a_batch(project: PantsProject, source: DevRegistry, dev_destination: DevRegistry) -> None:
    project.env["PANTS_PANTSD"] = "true"
    source.push_image("app:1", b"layer")
    project.write({"BUILD": "docker_mirror_image_list(name='x', source='x.txt')", "x.txt": f"{source.host}/app:1\n"})
    project.use_registry(dev_destination.host)
    before = set(project.batches())
    assert "✓ //:x: 1 copied" in project.run("publish", "::").succeeded().stdout
    assert "✓ //:x: 1 unchanged" in project.run("publish", "::").succeeded().stdout
    made = set(project.batches()) - before
    assert len(made) == 2
    for batch in made:
        assert len(list((batch / "plans").iterdir())) == 1
        assert len(list((batch / "results").iterdir())) == 1


def test_each_publish_tells_of_what_it_skips(project: PantsProject) -> None:
    project.env["PANTS_PANTSD"] = "true"
    project.write({"BUILD": "docker_mirror_images(name='x', sources=['*.txt'], allow_empty=True)"})
    project.use_registry("127.0.0.1:1")

    def said(*names: str) -> list[str]:
        project.write({f"{name}.txt": "" for name in names})
        return lasting_lines(project.run("publish", "::").succeeded().stderr)

    assert said("a") == ["", "- //a.txt:x skipped (it lists no image)."]
    assert said("b", "c") == ["", "- 3 image lists (//a.txt:x, //b.txt:x, //c.txt:x) skipped (it lists no image)."]
    (project.directory / "a.txt").unlink()
    assert said() == ["", "- 2 image lists (//b.txt:x, //c.txt:x) skipped (it lists no image)."]


def test_the_same_goal_twice_warns_of_nothing(
    project: PantsProject, source: DevRegistry, dev_destination: DevRegistry
) -> None:
    project.env["PANTS_PANTSD"] = "true"
    source.push_image("app:1", b"layer")
    project.write({"BUILD": "docker_mirror_image_list(name='x', source='x.txt')", "x.txt": f"{source.host}/app:1\n"})
    project.use_registry(dev_destination.host)
    for _ in range(3):
        assert "[WARN]" not in project.run("mirror", "::").succeeded().stderr
    for _ in range(2):
        assert "[WARN]" not in project.run("lock", "::").succeeded().stderr
