from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from docker_mirror import spool


def test_a_batch_has_the_plans_of_all_targets(tmp_path: Path) -> None:
    batch = spool.new_batch(tmp_path / "spool")
    first = spool.write_plan(batch, "a:images", b'[{"src": "x"}]')
    second = spool.write_plan(batch, "b:images", b"[]")
    assert first != second
    assert {file.name for file in (batch / "plans").iterdir()} == {f"{first}.json", f"{second}.json"}
    assert json.loads((batch / "plans" / f"{first}.json").read_text()) == {"target": "a:images", "plan": [{"src": "x"}]}


def test_a_plan_written_twice_is_there_once(tmp_path: Path) -> None:
    batch = spool.new_batch(tmp_path)
    assert spool.write_plan(batch, "a:images", b"[1]") == spool.write_plan(batch, "a:images", b"[2]")
    (file,) = (batch / "plans").iterdir()
    assert json.loads(file.read_text())["plan"] == [2]


def test_batches_are_apart_and_private(tmp_path: Path) -> None:
    one, two = spool.new_batch(tmp_path), spool.new_batch(tmp_path)
    assert one != two
    assert stat.S_IMODE(one.stat().st_mode) == 0o700


def test_long_addresses_have_short_ids() -> None:
    assert len(spool.plan_id("3rdparty/" + "x" * 1000)) == 32


def test_sweep_deletes_old_batches_only(tmp_path: Path) -> None:
    old, new = spool.new_batch(tmp_path), spool.new_batch(tmp_path)
    spool.write_plan(old, "a:images", b"[]")
    now = new.stat().st_mtime
    os.utime(old, (now - spool.MAXIMUM_AGE - 1, now - spool.MAXIMUM_AGE - 1))
    spool.sweep(tmp_path, now)
    assert list(tmp_path.iterdir()) == [new]
    spool.sweep(tmp_path / "missing", now)
