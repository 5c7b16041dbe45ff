"""Pants 2.33 and later keep a field's globs in an object, and earlier ones in a dictionary."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def excluded_globs(spec: Any) -> Iterable[str]:
    """What a field's globs, a Filespec, leave out: those after a `!`."""
    excluded: Iterable[str] = spec.get("excludes", ()) if isinstance(spec, dict) else spec.excludes
    return excluded
