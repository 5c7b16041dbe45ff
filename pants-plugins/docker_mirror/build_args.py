"""Build args: which of `[docker].build_args` a plan may see."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from docker_mirror.errors import DockerMirrorError

_PLACEHOLDER = re.compile(r"\{build_args\.([A-Za-z_][A-Za-z0-9_]*)\}")


class MissingBuildArgError(DockerMirrorError):
    """A placeholder names a build arg that `[docker].build_args` doesn't have."""


def names_in(templates: Iterable[str]) -> tuple[str, ...]:
    """The X of each `{build_args.X}`."""
    return tuple(sorted({name for template in templates for name in _PLACEHOLDER.findall(template)}))


def requested(named: Iterable[str], allowed: Iterable[str], configured: Iterable[str]) -> tuple[str, ...]:
    """The entries of `[docker].build_args` (`NAME=value`, or `NAME` for a variable of the environment) that are needed.

    :param named: those that the target's fields name; all of them must be configured.
    :param allowed: those that spec files may name; they need not be.
    :raises MissingBuildArgError: naming all that are not configured.
    """
    entries = {entry.split("=", 1)[0]: entry for entry in configured}
    missing = sorted(set(named) - set(entries))
    if missing:
        placeholders = ", ".join(f"`{{build_args.{name}}}`" for name in missing)
        raise MissingBuildArgError(f"{placeholders}: not in `[docker].build_args`.")
    return tuple(entries[name] for name in sorted({*named, *allowed} & set(entries)))


def refuse_unset(entries: Iterable[str], values: Mapping[str, str]) -> None:
    """
    :raises MissingBuildArgError: naming all entries that copy a variable which the environment doesn't have.
    """
    unset = [entry for entry in entries if "=" not in entry and entry not in values]
    if unset:
        raise MissingBuildArgError(
            f"{', '.join(unset)} of `[docker].build_args` must be set in the environment, or get a value there."
        )
