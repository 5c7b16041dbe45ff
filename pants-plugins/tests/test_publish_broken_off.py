"""`pants publish` whose engine run is broken off: what was done counts, the rest is taken over or reported."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pants_project import PantsProject
from registries import DevRegistry
from slow_proxy import slow_proxy

pytestmark = pytest.mark.integration

NAMES = ("a", "b", "c")


@pytest.fixture
def slow(project: PantsProject, source: DevRegistry, dev_destination: DevRegistry) -> Iterator[PantsProject]:
    """Three lists whose images take some seconds each."""
    for i, name in enumerate(NAMES):
        source.push_image(f"{name}:1", bytes([i]) * 6_000_000)
    with slow_proxy(source.host, bytes_per_second=1_000_000) as proxy:
        project.write({"BUILD": "docker_mirror_images(name='lists', sources=['*.txt'])"})
        project.write({f"{name}.txt": f"{proxy}/{name}:1\n" for name in NAMES})
        project.use_registry(dev_destination.host)
        yield project


def wait_for_engine(batches_before: set[Path], project: PantsProject) -> tuple[Path, int]:
    """The batch of the run and the id of the first publish process, once that is there."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        for batch in set(project.batches()) - batches_before:
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    arguments = (process / "cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                if f"--spool={batch}".encode() in arguments:
                    return batch, int(process.name)
        time.sleep(0.1)
    raise AssertionError("no publish process came up")


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks for the process in /proc")
def test_the_next_process_takes_over_from_a_killed_engine(slow: PantsProject, dev_destination: DevRegistry) -> None:
    before = set(slow.batches())
    run = slow.start("publish", "::")
    _, pid = wait_for_engine(before, slow)
    time.sleep(1)
    os.kill(pid, signal.SIGKILL)
    _, stderr = run.communicate(timeout=300)
    # The target whose process was killed has failed, whichever it was; the two others were done.
    assert run.returncode != 0
    assert stderr.count(f"published to {dev_destination.host}") == 2, stderr
    assert stderr.count(f"failed for {dev_destination.host}") == 1, stderr
    assert sum(dev_destination.digest(f"{name}:1") is not None for name in NAMES) >= 2


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks for the process in /proc")
def test_an_interrupt_leaves_a_report(slow: PantsProject) -> None:
    before = set(slow.batches())
    run = slow.start("publish", "::")
    batch, pid = wait_for_engine(before, slow)
    time.sleep(1)
    interrupted = time.monotonic()
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    assert run.returncode != 0
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < interrupted + 10
        time.sleep(0.05)
    report = json.loads((batch / "report.json").read_text())
    assert report["interrupted"] is True
    assert {target["address"] for target in report["targets"]} == {f"//{name}.txt:lists" for name in NAMES}
