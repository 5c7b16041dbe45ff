from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path

import pytest

from docker_mirror import spool


def test_a_batch_has_all_that_was_announced(tmp_path: Path) -> None:
    batch = spool.new_batch(tmp_path / "spool")
    announcements = [
        spool.plan_announcement("a:images", b'[{"src": "x"}]\n'),
        spool.plan_announcement("a:images", b"[]"),
        spool.skip_announcement("b:images", "(it lists no image)"),
    ]
    for announcement in (*announcements, announcements[0]):
        spool.announce(batch, announcement)
    files = {file.stem: file.read_bytes() for file in (batch / "plans").iterdir()}
    assert sorted(files.values()) == sorted(announcements)
    assert all(hashlib.sha256(content).hexdigest() == stem for stem, content in files.items())
    assert [json.loads(announcement) for announcement in announcements] == [
        {"target": "a:images", "plan": [{"src": "x"}]},
        {"target": "a:images", "plan": []},
        {"target": "b:images", "skip": "(it lists no image)"},
    ]


def test_what_is_skipped_by_reason(tmp_path: Path) -> None:
    assert spool.skipped(tmp_path / "nothing is announced") == {}
    for announcement in (
        spool.plan_announcement("a:published", b"[]"),
        spool.skip_announcement("a:edited", "(off)"),
        spool.plan_announcement("a:edited", b"[]"),
        spool.skip_announcement("a:two", "(off)"),
        spool.skip_announcement("a:one", "(off)"),
        spool.skip_announcement("a:empty", "(it lists no image)"),
    ):
        spool.announce(tmp_path, announcement)
    assert spool.skipped(tmp_path) == {"(off)": ["a:one", "a:two"], "(it lists no image)": ["a:empty"]}


def test_batches_are_apart_and_private(tmp_path: Path) -> None:
    one, two = spool.new_batch(tmp_path), spool.new_batch(tmp_path)
    assert one != two
    spool.announce(one, b"{}")
    assert [stat.S_IMODE(directory.stat().st_mode) for directory in (one, one / "plans")] == [0o700, 0o700]


def test_sweep_deletes_old_batches_only(tmp_path: Path) -> None:
    old, new = spool.new_batch(tmp_path), spool.new_batch(tmp_path)
    for batch in (old, new):
        spool.announce(batch, b"{}")
    now = new.stat().st_mtime
    os.utime(old, (now - spool.MAXIMUM_AGE - 1, now - spool.MAXIMUM_AGE - 1))
    spool.sweep(tmp_path, now)
    assert list(tmp_path.iterdir()) == [new]
    spool.sweep(tmp_path / "missing", now)


def test_a_spool_that_is_no_folder_is_named(tmp_path: Path) -> None:
    """Whatever is wrong with a disk: full, read-only, another user's."""
    (tmp_path / "spool").write_text("")
    spool.sweep(tmp_path / "spool", 0.0)
    with pytest.raises(spool.SpoolError, match=rf"{tmp_path / 'spool'}: Not a directory.*named_caches_dir"):
        spool.announce(spool.new_batch(tmp_path / "spool"), b"{}")
