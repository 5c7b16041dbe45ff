"""The spool: where one engine run learns what the other processes of a `pants publish` have to do.

Core asks for the publish processes of all targets, then runs them one after another. Each is given its own target's
plan as an input, and that is what it carries out. For one engine run over all of them, the first process must know of
the others' plans before these start, and Pants has no place for that: so they are announced in a folder of the run,
each under its digest. A process takes on what is announced for others only where it is certain, and reports the result
of its own plan alone: an announcement can make it faster but not wrong. See go-helper/internal/run/spool.go.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
import uuid
from pathlib import Path

from docker_mirror.errors import DockerMirrorError

MAXIMUM_AGE = 2 * 24 * 60 * 60.0
"""Seconds after which a batch is swept; no run takes that long."""

REPORT_FILE = "report.json"


class SpoolError(DockerMirrorError):
    """The spool can't be written to."""


def spool_directory(named_caches_directory: Path) -> Path:
    return named_caches_directory / "docker_mirror" / "spool"


def new_batch(spool: Path) -> Path:
    """The folder of a run, which comes into being with what is put there."""
    return spool / f"{time.strftime('%Y%m%dT%H%M%S')}-{uuid.uuid4().hex}"


def sweep(spool: Path, now: float) -> None:
    """Deletes old batches. Another run may be doing the same, and nothing depends on it."""
    try:
        batches = list(os.scandir(spool))
    except OSError:
        return
    for batch in batches:
        try:
            age = now - batch.stat(follow_symlinks=False).st_mtime
        except OSError:
            continue
        if age > MAXIMUM_AGE:
            shutil.rmtree(batch.path, ignore_errors=True)


def plan_announcement(target: str, plan: bytes) -> bytes:
    """
    :param plan: plan.json of the target.
    """
    return json.dumps({"target": target, "plan": json.loads(plan)}).encode()


def skip_announcement(target: str, reason: str) -> bytes:
    return json.dumps({"target": target, "skip": reason}).encode()


def skipped(batch: Path) -> dict[str, list[str]]:
    """The targets that are announced as skipped, by the reason.

    Those of which something else is announced, too, are left out: nobody knows which of it is true.
    """
    announced: dict[str, list[str]] = {}
    for file in (batch / "plans").glob("*.json"):
        announcement = json.loads(file.read_text())
        announced.setdefault(announcement["target"], []).append(announcement.get("skip", ""))
    result: dict[str, list[str]] = {}
    for target, reasons in sorted(announced.items()):
        if len(reasons) == 1 and reasons[0]:
            result.setdefault(reasons[0], []).append(target)
    return result


def plan_id(announcement: bytes) -> str:
    """What the batch's files about this announcement are called."""
    return hashlib.sha256(announcement).hexdigest()


def result_file(batch: Path, plan_id: str) -> Path:
    """How the plan's copies ended, once they have."""
    return batch / "results" / f"{plan_id}.json"


def name_file(batch: Path, plan_id: str) -> Path:
    """What the target is called, where it is told together with others."""
    return batch / "names" / plan_id


def announce(batch: Path, announcement: bytes) -> None:
    """Adds it under its digest, by rename, so that whoever reads the folder sees whole files only.

    Only the user can read the folder: plans may name internal hosts.

    :raises SpoolError: if that can't be written.
    """
    directory = batch / "plans"
    try:
        batch.mkdir(parents=True, mode=0o700, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=directory, prefix=".", suffix=".tmp", delete=False) as f:
            f.write(announcement)
        os.replace(f.name, directory / f"{plan_id(announcement)}.json")
    except OSError as e:
        raise SpoolError(
            f"`publish` can't write its plans to {batch.parent}: {e.strerror}. That folder is below "
            "`[GLOBAL].named_caches_dir`. Nothing was published."
        ) from e
