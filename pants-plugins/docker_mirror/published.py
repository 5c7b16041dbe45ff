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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Sequence, Tuple

from pants.util.memo import memoized_property

from docker_mirror import spool
from docker_mirror.skipped import told_together

_PUBLISHED = ("copied", "unchanged")


@dataclass(frozen=True)
class PublishBatch:
    directory: str
    """Absolute: the processes run in sandboxes, and what they leave there must outlive these."""

    @memoized_property
    def skipped(self) -> Mapping[str, Sequence[str]]:
        """What is announced as skipped, by reason. Not to be asked for before all is announced."""
        return spool.skipped(Path(self.directory))


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


class SkippedNames(Tuple[str, ...]):
    """The target's address or, where several are skipped for one reason, the first one's stands for all of them."""

    batch: PublishBatch
    reason: str

    def __new__(cls, address: str, batch: PublishBatch, reason: str) -> SkippedNames:
        names = super().__new__(cls, (address,))
        names.batch, names.reason = batch, reason
        return names

    def __iter__(self) -> Iterator[str]:
        together = self.batch.skipped.get(self.reason, ())
        if self[0] not in together:
            return super().__iter__()
        return iter((told_together(together),) if self[0] == together[0] else ())

    # Another run's is another: Pants keeps what it made of an equal one.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, SkippedNames) and self.batch == other.batch and self[0] == other[0]

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return super().__hash__()


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
