"""The spool: where the publish rules of one Pants run put their plans, for one engine run over all of them.

Core runs all publish rules before the first publish process. So when that one starts, every plan of the run is there;
it takes them all on, and the other processes report what it found for theirs.
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

MAXIMUM_AGE = 2 * 24 * 60 * 60.0
"""Seconds after which a batch is swept; no run takes that long."""

REPORT_FILE = "report.json"


def spool_directory(named_caches_directory: Path) -> Path:
    return named_caches_directory / "docker_mirror" / "spool"


def new_batch(spool: Path) -> Path:
    """Makes the directory of a batch, which only the user can read: plans may name internal hosts."""
    batch = spool / f"{time.strftime('%Y%m%dT%H%M%S')}-{uuid.uuid4().hex}"
    (batch / "plans").mkdir(parents=True, mode=0o700)
    os.chmod(batch, 0o700)
    return batch


def sweep(spool: Path, now: float) -> None:
    """Deletes old batches. Another run may be doing the same, and nothing depends on it."""
    try:
        batches = list(os.scandir(spool))
    except FileNotFoundError:
        return
    for batch in batches:
        try:
            age = now - batch.stat(follow_symlinks=False).st_mtime
        except FileNotFoundError:
            continue
        if age > MAXIMUM_AGE:
            shutil.rmtree(batch.path, ignore_errors=True)


def plan_id(target: str) -> str:
    """A file name for an address, whatever its length."""
    return hashlib.sha256(target.encode()).hexdigest()[:32]


def write_plan(batch: Path, target: str, plan: bytes) -> str:
    """Adds a target's plan, by rename, so that whoever reads the directory sees whole files only.

    :param plan: plan.json of the target.
    :return: the plan's id in the batch. A second plan for the target takes the first one's place.
    """
    identifier = plan_id(target)
    directory = batch / "plans"
    entry = {"target": target, "plan": json.loads(plan)}
    with tempfile.NamedTemporaryFile("w", dir=directory, prefix=".", suffix=".tmp", delete=False) as f:
        json.dump(entry, f)
    os.replace(f.name, directory / f"{identifier}.json")
    return identifier
