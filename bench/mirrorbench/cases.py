"""The cases: from what, over which line, with which faults a set is mirrored."""

from __future__ import annotations

from dataclasses import dataclass

CONCURRENCY = 10
"""What every tool is told to do at once; each has its own idea of what that means."""


@dataclass(frozen=True)
class Case:
    name: str
    title: str
    """What happens in it, for a heading."""
    set: str = "S1"
    revision: int = 0
    """The source's."""
    present: int | None = None
    """The revision that the destination holds already."""
    destinations: int = 1
    serial: bool = False
    """The destination is `crane registry serve`: it takes one upload at a time, and mounts nothing."""
    rtt_ms: int = 0
    bandwidth: int = 0
    """Bytes a second, in each direction, on either side."""
    faults: tuple[str, ...] = ()
    """countproxy's flags on both sides."""
    source_faults: tuple[str, ...] = ()
    kill_at: float = 0
    """SIGKILL when this part of the least bytes has come down; then the tool runs again."""

    def source_flags(self) -> tuple[str, ...]:
        return (*self.destination_flags(), *self.source_faults)

    def destination_flags(self) -> tuple[str, ...]:
        flags = list(self.faults)
        if self.rtt_ms:
            flags += ["-rtt", f"{self.rtt_ms}ms"]
        if self.bandwidth:
            flags += ["-bandwidth", str(self.bandwidth)]
        return tuple(flags)


_MB = 1_000_000

CASES = (
    Case("cold", "empty destination"),
    Case("noop", "destination complete", present=0),
    Case("delta", "3 of 40 tags have new content on known bases", revision=1, present=0),
    Case("grown", "3 new repositories on bases that other repositories have", revision=2, present=0),
    Case("cold-rtt", "empty destination, 30 ms a round trip", rtt_ms=30),
    Case("noop-rtt", "destination complete, 30 ms a round trip", present=0, rtt_ms=30),
    Case("cold-bandwidth", "empty destination, 50 MB/s", bandwidth=50 * _MB),
    Case("cold-both", "empty destination, 50 MB/s, 30 ms a round trip", bandwidth=50 * _MB, rtt_ms=30),
    Case("fanout", "two empty destinations at once", destinations=2),
    Case("throttled", "429 with Retry-After: 1 beyond 30 requests a second", faults=("-rate", "30")),
    Case(
        "flaky",
        "every 15th request is answered 503, every 10th download is cut half-way",
        faults=("-503-every", "15"),
        source_faults=("-cut-every", "10"),
    ),
    Case("killed", "killed when half has come down (40 MB/s), then run again", bandwidth=40 * _MB, kill_at=0.5),
    Case("serial", "empty destination that takes one upload at a time and mounts nothing", serial=True),
    Case("many", "300 small tags in 20 repositories, empty destination", set="S2"),
    Case("bases", "1,000 images in 250 repositories on 40 bases, 12 MB/s", set="S4", bandwidth=12 * _MB),
    Case("large", "one layer of 1.5 GB, twenty of 100 MB", set="S3"),
)

DEFAULT_CASES = tuple(case.name for case in CASES if case.name not in ("large", "bases"))
"""All but the one that needs 7 GB of disk, and the one that is for shards."""
