"""Pants 2.32 and later ask before they package a target whether publishing it would be skipped.

Earlier ones don't know these types and never ask; the stand-ins let the rule that answers be written once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pants.core.goals import publish
from pants.core.goals.package import PackageFieldSet
from pants.engine.unions import UnionRule

ASKS_TO_SKIP: bool = hasattr(publish, "CheckSkipRequest")
"""Whether this Pants asks."""

if TYPE_CHECKING or not ASKS_TO_SKIP:

    @dataclass(frozen=True)
    class CheckSkipRequest:
        package_fs: PackageFieldSet
        publish_fs: publish.PublishFieldSet[Any]

    @dataclass(frozen=True)
    class CheckSkipResult:
        reason: str = ""

        @classmethod
        def skip(cls, *, names: Iterable[str], description: str, data: Mapping[str, Any]) -> CheckSkipResult:
            return cls(description)

        @classmethod
        def no_skip(cls) -> CheckSkipResult:
            return cls()

else:
    CheckSkipRequest = publish.CheckSkipRequest
    CheckSkipResult = publish.CheckSkipResult


def check_skip_union_rules(request_type: type[CheckSkipRequest]) -> tuple[UnionRule, ...]:
    """Registers a subclass of `CheckSkipRequest` where this Pants knows of it."""
    return (UnionRule(CheckSkipRequest, request_type),) if ASKS_TO_SKIP else ()
