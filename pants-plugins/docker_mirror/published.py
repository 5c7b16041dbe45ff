"""What the processes of a `pants publish` have done, for Pants to say when they have ended.

Core takes the names and the data of what it publishes before it runs the processes, and knows nothing of them
afterwards but their exit codes. But it looks at the names only then, to say what became of each, and at the data only
when it writes `--output`. So both are read from the batch at that time: there, a target is called what its process
says, and its copies are those that were made. Whoever looks earlier finds the target's address, and no copies.
"""

# The bases of classes are evaluated, on Python 3.7, too.
# ruff: noqa: UP006, UP035

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Dict, Sequence, Tuple

from docker_mirror import spool

_PUBLISHED = ("copied", "unchanged")


class PublishedNames(Tuple[str, ...]):
    """The target's address or, where it is told in one line with others that have not changed, what stands for them.

    Only one of these has a name. Pants writes a line for each.
    """

    file: Path

    def __new__(cls, address: str, batch: Path, plan_id: str) -> PublishedNames:
        names = super().__new__(cls, (address,))
        names.file = spool.name_file(batch, plan_id)
        return names

    def __iter__(self) -> Iterator[str]:
        try:
            name = self.file.read_text()
        except FileNotFoundError:
            return super().__iter__()
        return iter((name,) if name else ())


class PublishedCopies(Sequence[Dict[str, str]]):
    """A target's copies, with the digests that the destinations have. Pants' JSON takes any sequence."""

    def __init__(self, batch: Path, plan_id: str) -> None:
        self._file = spool.result_file(batch, plan_id)

    @property
    def _copies(self) -> list[dict[str, str]]:
        try:
            copies: list[dict[str, Any]] = json.loads(self._file.read_text())["copies"]
        except FileNotFoundError:
            return []
        return [
            {
                "source": copy["source"],
                "destination": copy["destination"],
                "status": copy["status"],
                **({"digest": copy["digest"]} if copy["status"] in _PUBLISHED and copy.get("digest") else {}),
            }
            for copy in copies
        ]

    def __getitem__(self, index: Any) -> Any:
        return self._copies[index]

    def __len__(self) -> int:
        return len(self._copies)

    def __iter__(self) -> Iterator[dict[str, str]]:
        return iter(self._copies)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublishedCopies) and self._file == other._file

    def __hash__(self) -> int:
        return hash(self._file)
