"""One measurement: one tool, one case, on fresh registries; afterwards what arrived is compared with the source."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mirrorbench import process
from mirrorbench.cases import CONCURRENCY, Case
from mirrorbench.imageset import ImageSet, Minimum, minimum
from mirrorbench.layout import Layout
from mirrorbench.servers import Proxy, Server, Servers
from mirrorbench.tools import DESTINATION_PREFIX, SKOPEO_CACHE, SOURCE_PREFIX, Tool, write_lists

Measurement = dict[str, Any]
"""A line of results.jsonl: tool, case, its least, usage, what the proxies counted, what verify found."""

REVISIONS = {"S0": (0, 1), "S1": (0, 1, 2), "S2": (0,), "S3": (0,), "S4": (0,)}
COMPLETE = ("S0", "S1")
"""Sets that a case wants at the destination beforehand, in revision 0."""


def description(layout: Layout, name: str, revision: int) -> Path:
    return layout.sets / f"{name}-r{revision}.description.json"


def read_set(layout: Layout, name: str, revision: int) -> ImageSet:
    return ImageSet.read(description(layout, name, revision))


def least(layout: Layout, case: Case) -> Minimum:
    """The minimum of a case for one destination."""
    present = None if case.present is None else read_set(layout, case.set, case.present)
    return minimum(read_set(layout, case.set, case.revision), present)


def seed(layout: Layout, cases: list[Case]) -> None:
    """Fills the source registries and complete destinations of these cases, where they are missing."""
    layout.sets.mkdir(parents=True, exist_ok=True)
    for name in sorted({case.set for case in cases}):
        wanted = [("source", revision, SOURCE_PREFIX) for revision in REVISIONS[name]]
        if name in COMPLETE:
            wanted.append(("complete", 0, DESTINATION_PREFIX))
        for kind, revision, prefix in wanted:
            root = layout.sets / f"{kind}-{name}-r{revision}"
            done = root / "seeded"
            if done.exists():
                continue
            shutil.rmtree(root, ignore_errors=True)
            with Servers() as servers:
                registry = servers.registry(layout, root)
                subprocess.run(
                    [
                        str(layout.programs / "seedset"),
                        *("-set", name, "-revision", str(revision), "-registry", registry.url, "-prefix", prefix),
                        *("-out", str(description(layout, name, revision))),
                    ],
                    check=True,
                )
            done.touch()


def verify(layout: Layout, case: Case, source: Server, destination: Server, prefix: str, deep: bool) -> Measurement:
    """What the program `verify` finds."""
    done = subprocess.run(
        [
            str(layout.programs / "verify"),
            *("-set", str(description(layout, case.set, case.revision))),
            *("-source", source.url, "-destination", destination.url, "-destination-prefix", prefix),
            *(["-deep"] if deep else []),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 2:
        raise RuntimeError(done.stderr.strip())
    found: Measurement = json.loads(done.stdout)
    return found


def _empty_skopeo_cache() -> None:
    for file in SKOPEO_CACHE.glob("blob-info-cache-v1.*"):
        file.unlink()


def measure(layout: Layout, tool: Tool, case: Case, timeout: float, deep: bool = False) -> Measurement:
    """Runs one tool through one case."""
    images = read_set(layout, case.set, case.revision)
    work = layout.work / f"{tool.name.replace(' ', '-')}-{case.name}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    # A set of several GB would not fit into memory.
    where = layout.root / "destinations" if case.set == "S3" else layout.destinations
    path = os.pathsep.join((str(layout.programs), os.environ["PATH"]))
    _empty_skopeo_cache()
    try:
        with Servers() as servers:
            # Read only: a tool that writes to its source must not change it for those that follow.
            source = servers.registry(layout, layout.sets / f"source-{case.set}-r{case.revision}", readonly=True)
            seeded = verify(layout, case, source, source, SOURCE_PREFIX, deep=False)
            if seeded["images_ok"] != seeded["images"]:
                raise RuntimeError(f"the seeded source is not what the set says: {seeded['first']}")
            destinations: list[Server] = []
            for number in range(case.destinations):
                if case.serial:
                    destinations.append(servers.serial_registry(layout, work))
                    continue
                root = where / f"destination{number}"
                shutil.rmtree(root, ignore_errors=True)
                if case.present is not None:
                    shutil.copytree(layout.sets / f"complete-{case.set}-r{case.present}", root)
                destinations.append(servers.registry(layout, root))
            source_proxy = servers.proxy(layout, source, case.source_flags(), work, "source-proxy")
            proxies = [
                servers.proxy(layout, registry, case.destination_flags(), work, f"destination-proxy{number}")
                for number, registry in enumerate(destinations)
            ]
            addresses = [proxy.address for proxy in proxies]
            lists = write_lists(work, images.images, source_proxy.address, addresses, CONCURRENCY)
            command = tool.command_line(lists, addresses)
            first: Measurement | None = None
            if case.kill_at:
                first = _run_killed(layout, case, command, work, path, timeout, source_proxy, proxies)
            usage = process.run(command, work, path, timeout, "output.txt")
            return {
                "tool": tool.name,
                "case": case.name,
                "least": asdict(least(layout, case)),
                **asdict(usage),
                "first": first,
                "source": source_proxy.stats(),
                "destinations": [proxy.stats() for proxy in proxies],
                "verified": [verify(layout, case, source, d, DESTINATION_PREFIX, deep) for d in destinations],
            }
    finally:
        shutil.rmtree(where, ignore_errors=True)


def _run_killed(
    layout: Layout,
    case: Case,
    command: str,
    work: Path,
    path: str,
    timeout: float,
    source: Proxy,
    destinations: list[Proxy],
) -> Measurement:
    """Runs a tool until enough has come down, kills it, and sets the counters to zero for the next run."""
    enough = int(least(layout, case).blob_bytes * case.kill_at)
    usage = process.run(
        command, work, path, timeout, "output-killed.txt", lambda: source.stats()["blob_down"] >= enough
    )
    time.sleep(0.5)  # registries notice the broken connections
    stats = source.stats()
    for proxy in (source, *destinations):
        proxy.reset()
    return {**asdict(usage), "source": stats}


def complete(result: Measurement) -> bool:
    """Every image arrived whole at every destination."""
    return all(v["images_ok"] == v["images"] for v in result["verified"])


def images_text(result: Measurement) -> str:
    """How many images arrived, such as 40/40, or 40/40 + 39/40 for two destinations."""
    return " + ".join(f"{v['images_ok']}/{v['images']}" for v in result["verified"])
