"""`pants publish` of many targets, and of several Pants runs at once: one engine run each, every target's own end."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pants_project import PantsProject, Run
from registries import DevRegistry
from slow_proxy import slow_proxy

from docker_mirror import spool

pytestmark = pytest.mark.integration


def is_missing(i: int) -> bool:
    """Whether the image of the i-th of two hundred lists isn't at the source."""
    return i % 20 == 7


@pytest.fixture
def two_hundred(project: PantsProject, source: DevRegistry, dev_destination: DevRegistry) -> PantsProject:
    """Two hundred lists of one image each, always the same one, or one that doesn't exist."""
    source.push_image("app:1", b"layer")
    project.write({"BUILD": "docker_mirror_images(name='lists', sources=['*.txt'], repository='{name}')"})
    tags = ["missing" if is_missing(i) else "1" for i in range(200)]
    project.write({f"{i}.txt": f"{source.host}/app:{tag} AS app{i}\n" for i, tag in enumerate(tags)})
    project.use_registry(dev_destination.host)
    return project


def test_two_hundred_targets_are_one_engine_run(
    two_hundred: PantsProject, source: DevRegistry, dev_destination: DevRegistry, tmp_path: Path
) -> None:
    before = set(two_hundred.batches())
    output = tmp_path / "publish.json"
    run = two_hundred.run("publish", f"--output={output}", "::").failed(1)

    entries = {entry["target"]: entry for entry in json.loads(output.read_text())}
    assert len(entries) == 200
    for i in range(200):
        address = f"//{i}.txt:lists"
        ok = not is_missing(i)
        assert (entries[address]["exit_code"], entries[address]["published"]) == (0 if ok else 1, ok)
        line = f"✓ {address} published to" if ok else f"✕ {address} failed for"
        assert f"{line} {dev_destination.host}." in run.stderr
        # The helper's own line, and the reason where there is one, come from the target's own process.
        assert run.stdout.count(f"{'✓' if ok else '✗'} {address}: {'1 copied' if ok else '1 failed'}") == 1
        assert (f"{i}.txt:1" in run.stderr) is not ok
        assert (dev_destination.digest(f"app{i}:1") == source.digest("app:1")) is ok

    (batch,) = set(two_hundred.batches()) - before
    assert {entry["report"] for entry in entries.values()} == {str(batch / "report.json")}
    report = json.loads((batch / "report.json").read_text())
    assert {target["address"]: target["exit_code"] for target in report["targets"]} == {
        address: entry["exit_code"] for address, entry in entries.items()
    }
    # A report counts the requests of one run of the engine: that one wrote all tags, and uploaded the blobs once.
    requests = report["registries"][dev_destination.host]["requests"]
    assert requests["manifest PUT"] == sum(not is_missing(i) for i in range(200))
    assert requests["upload PUT"] == 2


NAMES = ("a", "b", "c")


@dataclass(frozen=True)
class SlowProject:
    project: PantsProject
    at_full_speed: threading.Event
    transfers: list[str]
    """One for each blob that a run has begun to copy."""


@pytest.fixture
def slow(project: PantsProject, source: DevRegistry, dev_destination: DevRegistry) -> Iterator[SlowProject]:
    """Three lists whose images take minutes, or as long as they need once the event is set."""
    for i, name in enumerate(NAMES):
        source.push_image(f"{name}:1", bytes([i]) * 15_000_000)
    at_full_speed, transfers = threading.Event(), list[str]()
    with slow_proxy(source.host, bytes_per_second=100_000, until=at_full_speed, begun=transfers) as proxy:
        project.write({"BUILD": "docker_mirror_images(name='lists', sources=['*.txt'])"})
        project.write({f"{name}.txt": f"{proxy}/{name}:1\n" for name in NAMES})
        project.use_registry(dev_destination.host)
        yield SlowProject(project, at_full_speed, transfers)


def end(process: subprocess.Popen[str]) -> Run:
    stdout, stderr = process.communicate(timeout=300)
    return Run(process.returncode, stdout, stderr)


@pytest.mark.parametrize("pantsd", [False, True], ids=["without pantsd", "with pantsd"])
def test_runs_at_once_keep_their_batches_apart(
    slow: SlowProject, source: DevRegistry, dev_destination: DevRegistry, tmp_path: Path, pantsd: bool
) -> None:
    project = slow.project
    project.env.update({"PANTS_PANTSD": str(pantsd).lower(), "PANTS_CONCURRENT": "true"})
    # A spool of this test's own, which no other run sweeps.
    project.env["PANTS_NAMED_CACHES_DIR"] = str(tmp_path / "named_caches")
    directory = spool.spool_directory(tmp_path / "named_caches")
    old, recent = spool.new_batch(directory), spool.new_batch(directory)
    for batch in (old, recent):
        spool.announce(batch, b"{}")
    now = time.time()
    os.utime(old, (now - spool.MAXIMUM_AGE - 60, now - spool.MAXIMUM_AGE - 60))
    os.utime(recent, (now - spool.MAXIMUM_AGE + 3600, now - spool.MAXIMUM_AGE + 3600))

    outputs = [tmp_path / "one.json", tmp_path / "two.json"]
    runs = [project.start("publish", f"--output={output}", "::") for output in outputs]
    runs.append(project.start("mirror", "--output=mirror.json", "::"))
    deadline = time.monotonic() + 240
    # Each copies each of the images. One that came later would find what another has copied.
    while len(slow.transfers) < len(runs) * len(NAMES):
        over = time.monotonic() > deadline or any(run.poll() is not None for run in runs)
        if over:
            slow.at_full_speed.set()
        assert not over, "\n".join(str(end(run)) for run in runs)
        time.sleep(0.1)
    slow.at_full_speed.set()
    for ended in [end(run) for run in runs]:
        ended.succeeded()
        assert [ended.stdout.count(f"✓ //{name}.txt:lists: ") for name in NAMES] == [1, 1, 1]
    for name in NAMES:
        assert dev_destination.digest(f"{name}:1") == source.digest(f"{name}:1")

    def addresses(report: Path) -> list[str]:
        return sorted(target["address"] for target in json.loads(report.read_text())["targets"])

    # Each published from a batch of its own, and all of it. The old batch was swept, and no other.
    reports = [Path(entry["report"]) for output in outputs for entry in json.loads(output.read_text())]
    batches = {report.parent for report in reports}
    assert len(batches) == 2
    assert set(directory.iterdir()) == {recent, *batches}
    for report in (*reports, project.directory / "mirror.json"):
        assert addresses(report) == [f"//{name}.txt:lists" for name in NAMES]
    for batch in batches:
        for kind in ("plans", "results"):
            assert len(list((batch / kind).iterdir())) == len(NAMES)
