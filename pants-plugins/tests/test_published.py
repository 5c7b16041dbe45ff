"""What Pants is told of a publish once its processes have ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pants.core.goals.publish import PublishOutputData, PublishPackages, _PublishJsonEncoder
from pants.engine.addresses import Address

from docker_mirror.published import PublishedCopies, PublishedNames


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
