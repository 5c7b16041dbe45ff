"""Where the benchmark keeps its files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
"""The folder `bench` of the checkout."""


@dataclass(frozen=True)
class Layout:
    """The benchmark's folders; `BENCH_ROOT` moves them all."""

    root: Path

    @classmethod
    def from_environment(cls) -> Layout:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cls(Path(os.environ.get("BENCH_ROOT") or cache / "docker-mirror" / "bench"))

    @property
    def programs(self) -> Path:
        """Built programs."""
        return self.root / "bin"

    @property
    def sets(self) -> Path:
        """Image sets: descriptions, seeded source registries, and destinations that are complete."""
        return self.root / "sets"

    @property
    def work(self) -> Path:
        """One folder a run: the lists a tool was given, and what it printed."""
        return self.root / "work"

    @property
    def destinations(self) -> Path:
        """Destination registries of the smaller sets: in memory where that can be, so that no disk is measured."""
        memory = Path("/dev/shm")
        return memory / f"docker-mirror-bench-{os.getpid()}" if memory.is_dir() else self.root / "destinations"
