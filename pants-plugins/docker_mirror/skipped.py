"""How goals tell of lists that they skip: those of one reason in one line, as there can be hundreds."""

from __future__ import annotations

from collections.abc import Collection, Sequence

_MOST = 3


def told_together(addresses: Sequence[str]) -> str:
    """`7 image lists (a:a, b:b, c:c and 4 more)`, or the address of the only one."""
    if len(addresses) == 1:
        return addresses[0]
    more = f" and {len(addresses) - _MOST} more" if len(addresses) > _MOST else ""
    return f"{len(addresses)} image lists ({', '.join(addresses[:_MOST])}{more})"


def is_verbose(args: Collection[str]) -> bool:
    """Whether each list is to be told by itself, as the helper with these arguments does."""
    return "--verbose" in args or "-v" in args
