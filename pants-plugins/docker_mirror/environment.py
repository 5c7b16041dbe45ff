"""The environment of the process that mirrors."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping


class Redacted(str):
    """A value of the environment: `repr`, and so Pants' debug log of the process, doesn't show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<redacted>"


def redacted(env: Mapping[str, str]) -> dict[str, str]:
    return {name: Redacted(value) for name, value in env.items()}


def of_one_run(env: Mapping[str, str]) -> dict[str, str]:
    """The environment, redacted, of a process that a goal runs itself.

    Core marks the process that a goal made. A second run in one pantsd would get the equal one of the first instead,
    without the mark, and core would warn of it. So there are no equal ones.
    """
    return {**redacted(env), "DOCKER_MIRROR_RUN": uuid.uuid4().hex}


def variable_names(entries: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
    """Both lists of `NAME` or `NAME=value`, the second having the last word on a name."""
    by_name = {entry.split("=", 1)[0]: entry for entry in (*entries, *more)}
    return tuple(by_name.values())
