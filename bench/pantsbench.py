"""What the Pants goals cost where nothing is to copy: `bench/pants --help`.

Repositories and registries are those of the integration tests.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pants_project import Pants, PantsProject
from registries import REPOSITORY_ROOT, DevRegistry

MOST_PER_TARGET = 0.035
"""Seconds that a target may add to `publish` over `mirror`."""

MOST_OVER_LIST = 1.0
"""Seconds that `package` of a warm repository with one edited list may take longer than `list`."""


def row(what: str, figures: Iterable[str], at_most: str = "") -> str:
    """Of a Markdown table; the figures are those without and with pantsd."""
    return f"| {' | '.join((what, *figures, at_most))} |"


@dataclass(frozen=True)
class Bench:
    pants: Pants
    helper: Path
    directory: Path
    repeat: int

    @contextmanager
    def project(self, name: str, pantsd: bool):  # type: ignore[no-untyped-def]
        env = {"PANTS_DOCKER_MIRROR_HELPER": str(self.helper), "PANTS_PANTSD": str(pantsd).lower()}
        project = PantsProject(self.pants, self.directory / f"{name}-{'pantsd' if pantsd else 'alone'}", env)
        project.init()
        try:
            yield project
        finally:
            project.stop_pantsd()


def seconds(project: PantsProject, *args: str) -> float:
    start = time.monotonic()
    project.run(*args).succeeded()
    return time.monotonic() - start


def edit_list(project: PantsProject, name: str) -> None:
    """To what no cache has seen."""
    project.write({name: f"a.example/edited:{time.time_ns()}\n"})


def medians(
    project: PantsProject, repeat: int, commands: Sequence[Sequence[str]], edit: str | None = None
) -> list[float]:
    """Of each command, run in turn so that what else the machine does falls on all of them.

    :param edit: a list that is another before each run.
    """
    times: list[list[float]] = [[] for _ in commands]
    for _ in range(repeat):
        for command, taken in zip(commands, times):
            if edit:
                edit_list(project, edit)
            taken.append(seconds(project, *command))
    return [statistics.median(taken) for taken in times]


def publish_and_mirror(bench: Bench, targets: int, source: DevRegistry, destination: DevRegistry) -> Iterable[str]:
    """`publish` and `mirror` of what is all there already."""
    mirror: dict[bool, float] = {}
    publish: dict[bool, float] = {}
    for pantsd in (False, True):
        with bench.project("publish", pantsd) as project:
            project.write({"BUILD": "docker_mirror_images(name='lists', sources=['*.txt'])"})
            project.write({f"app{i}.txt": f"{source.host}/app{i}:1\n" for i in range(targets)})
            project.use_registry(destination.host)
            project.run("mirror", "::").succeeded()
            project.run("publish", "::").succeeded()
            mirror[pantsd], publish[pantsd] = medians(project, bench.repeat, [("mirror", "::"), ("publish", "::")])
    yield row(f"`mirror` of {targets} targets, nothing to copy", (f"{mirror[p]:.2f} s" for p in (False, True)))
    yield row("`publish` of them", (f"{publish[p]:.2f} s" for p in (False, True)))
    shares = (f"{(publish[p] - mirror[p]) / targets * 1000:.0f} ms" for p in (False, True))
    yield row("the difference, a target", shares, f"{MOST_PER_TARGET * 1000:.0f} ms")


def list_and_package(bench: Bench, lists: int) -> Iterable[str]:
    """`list` and `package` after one list of many was edited."""
    listed: dict[bool, float] = {}
    packaged: dict[bool, float] = {}
    processes: dict[bool, int] = {}
    for pantsd in (False, True):
        with bench.project("package", pantsd) as project:
            project.write({"BUILD": "docker_mirror_images(name='lists', sources=['*.txt'])"})
            project.write({f"app{i}.txt": f"a.example/app{i}:1\n" for i in range(lists)})
            project.use_registry("registry.example")
            project.run("package", "::").succeeded()
            commands = [("list", "::"), ("package", "::")]
            listed[pantsd], packaged[pantsd] = medians(project, bench.repeat, commands, edit="app0.txt")
            edit_list(project, "app0.txt")
            processes[pantsd] = project.processes_run("package", "::")
            again = project.processes_run("package", "::")
            assert again == 0, f"{again} processes ran for an unchanged repository"
    yield row(f"`list` of {lists} targets, one edited", (f"{listed[p]:.2f} s" for p in (False, True)))
    yield row("`package` of them", (f"{packaged[p]:.2f} s" for p in (False, True)))
    yield row("the difference", (f"{packaged[p] - listed[p]:.2f} s" for p in (False, True)), f"{MOST_OVER_LIST:.2f} s")
    yield row("processes that `package` ran", (str(processes[p]) for p in (False, True)), "1")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="bench/pants",
        description="Measures what the Pants goals cost where nothing is to copy.",
        epilog="PANTS_UNDER_TEST names another `pants` than that of requirements/dev-3.9.txt.",
    )
    parser.add_argument("--repeat", type=int, default=5, metavar="N", help="runs of each, for the median (default: 5)")
    parser.add_argument("--targets", type=int, default=50, metavar="N", help="that `publish` has (default: 50)")
    parser.add_argument("--lists", type=int, default=500, metavar="N", help="that `package` has (default: 500)")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="pantsbench-") as temporary:
        directory = Path(temporary)
        helper = directory / "docker-mirror"
        # As the backend builds it.
        subprocess.run(
            ["go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", str(helper), "./go-helper"],
            cwd=REPOSITORY_ROOT,
            env={**os.environ, "CGO_ENABLED": "0"},
            check=True,
        )
        executable = os.environ.get("PANTS_UNDER_TEST") or str(Path(sys.executable).parent / "pants")
        pants = Pants.probe(executable, directory, REPOSITORY_ROOT / "pants-plugins")
        bench = Bench(pants, helper, directory, arguments.repeat)
        registries = [DevRegistry(helper, directory / name) for name in ("source", "destination")]
        with registries[0] as source, registries[1] as destination:
            for i in range(arguments.targets):
                source.push_image(f"app{i}:1", b"common", f"layer {i}".encode())
            rows = [
                *publish_and_mirror(bench, arguments.targets, source, destination),
                *list_and_package(bench, arguments.lists),
            ]
    print(f"\nPants {pants.version}, medians of {arguments.repeat} runs, {os.cpu_count()} cores\n")
    print("| | without pantsd | with pantsd | at most |\n|---|--:|--:|--:|")
    print("\n".join(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
