"""What Pants is told of a publish once its processes have ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pants.core.goals.publish import PublishOutputData, PublishPackages, _PublishJsonEncoder
from pants.engine.addresses import Address

from docker_mirror import spool
from docker_mirror.published import PublishBatch, PublishedCopies, PublishedNames, SkippedNames


@pytest.mark.parametrize(
    ("written", "lines"), [(None, ["//:x"]), ("", []), ("3 image lists (unchanged)", ["3 image lists (unchanged)"])]
)
def test_names_are_what_the_process_says(tmp_path: Path, written: str | None, lines: list[str]) -> None:
    names = PublishedNames("//:x", tmp_path, "id")
    assert list(names) == ["//:x"]
    if written is not None:
        (tmp_path / "names").mkdir()
        (tmp_path / "names" / "id").write_text(written)
    # As core's goal goes over them.
    assert [name for name in PublishPackages(names).names] == lines  # noqa: C416


def test_names_of_what_is_skipped(tmp_path: Path) -> None:
    for name, reason in {"b": "(off)", "a": "(off)", "c": "(empty)", "d": "(off)", "e": "(off)"}.items():
        spool.announce(tmp_path, spool.skip_announcement(f"//:{name}", reason))
    batch = PublishBatch(str(tmp_path))

    def lines(name: str, reason: str) -> list[str]:
        return [line for line in PublishPackages(SkippedNames(f"//:{name}", batch, reason)).names]  # noqa: C416

    assert lines("a", "(off)") == ["4 image lists (//:a, //:b, //:d and 1 more)"]
    assert [lines(name, "(off)") for name in "bde"] == [[], [], []]
    assert lines("c", "(empty)") == ["//:c"]
    # That request is of an earlier run, or another one's was announced.
    assert lines("a", "(empty)") == ["//:a"]
    # Pants keeps what it made of an equal one in an earlier run.
    names, other = SkippedNames("//:a", batch, "(off)"), SkippedNames("//:a", PublishBatch("another"), "(off)")
    assert names == SkippedNames("//:a", batch, "(off)")
    assert (names == other, names != other) == (False, True)


def test_copies_are_what_the_process_has_done(tmp_path: Path) -> None:
    copies = PublishedCopies(tmp_path, "id")
    packages = PublishPackages(
        PublishedNames("//:x", tmp_path, "id"), data=PublishOutputData({"names": ("//:x",), "copies": copies})
    )

    def output() -> Any:
        return json.loads(json.dumps([packages.get_output_data(target=Address(""))], cls=_PublishJsonEncoder))

    assert hash(packages) == hash(packages)
    assert output() == [{"names": ["//:x"], "copies": [], "target": "//"}]
    copied = {"source": "a.example/x:1", "destination": "b.example/x:1", "status": "copied", "digest": "sha256:1"}
    failed = {"source": "a.example/x:2", "destination": "b.example/x:2", "status": "failed"}
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "id.json").write_text(
        # A failed copy's digest is what was wanted, and not what is there.
        json.dumps({"address": "//:x", "copies": [{**copied, "bytes": {}}, {**failed, "digest": "sha256:2"}]})
    )
    assert output() == [{"names": ["//:x"], "copies": [copied, failed], "target": "//"}]
    assert (len(copies), copies[1]) == (2, failed)
