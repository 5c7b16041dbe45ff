"""Runs a tool and measures its process tree."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Usage:
    """What a run took. Memory is 0 where the system has no /proc."""

    seconds: float
    cpu_seconds: float
    exit_code: int
    peak_rss: int
    """Bytes, over all processes of the tool at once."""
    timed_out: bool
    killed: bool
    """By `kill_when`."""


class _MemorySampler(threading.Thread):
    """Watches how much memory a process and all below it have resident."""

    INTERVAL_SECONDS = 0.02

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._end = threading.Event()
        self.peak = 0

    def _tree(self) -> set[int]:
        found: set[int] = set()
        todo = [self._pid]
        while todo:
            pid = todo.pop()
            found.add(pid)
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    todo += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
            except OSError:
                pass  # gone
        return found

    def _sample(self) -> None:
        total = 0
        for pid in self._tree():
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue
            values = dict(line.split(":", 1) for line in status.splitlines() if line.startswith(("VmRSS", "VmHWM")))
            if "VmRSS" in values:
                total += int(values["VmRSS"].split()[0]) * 1024
                # A process's own peak counts even where it fell between two samples.
                self.peak = max(self.peak, int(values["VmHWM"].split()[0]) * 1024)
        self.peak = max(self.peak, total)

    def run(self) -> None:
        while not self._end.wait(self.INTERVAL_SECONDS):
            self._sample()

    def stop(self) -> None:
        self._end.set()
        self.join()


def run(
    command: str,
    work: Path,
    path: str,
    timeout: float,
    output: str,
    kill_when: Callable[[], bool] | None = None,
) -> Usage:
    """Runs a command by bash in `work`, with no configuration of the user's, its output in a file there.

    SIGKILL goes to all its processes after `timeout` seconds, or as soon as `kill_when` says so.
    """
    (work / "config.json").write_text("{}")
    environment = {
        **os.environ,
        "HOME": str(work),
        "XDG_CACHE_HOME": str(work / "cache"),
        "XDG_CONFIG_HOME": str(work / "config"),
        "DOCKER_CONFIG": str(work),
        "REGISTRY_AUTH_FILE": str(work / "config.json"),
        "TMPDIR": str(work),
        "PATH": path,
    }
    with (work / output).open("w") as out:
        began = time.monotonic()
        process = subprocess.Popen(
            ["bash", "-c", command],
            env=environment,
            cwd=work,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    sampler = _MemorySampler(process.pid)
    sampler.start()
    timed_out = killed = False
    try:
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if not timed_out and time.monotonic() - began > timeout:
                timed_out = True
                os.killpg(process.pid, signal.SIGKILL)
            elif kill_when and not killed and kill_when():
                killed = True
                os.killpg(process.pid, signal.SIGKILL)
            time.sleep(0.01)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        sampler.stop()
        # What is left of its group, after a kill or when we are interrupted.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return Usage(
        seconds=round(seconds, 3),
        cpu_seconds=round(usage.ru_utime + usage.ru_stime, 2),
        exit_code=process.returncode,
        peak_rss=sampler.peak,
        timed_out=timed_out,
        killed=killed,
    )
