"""The fields of targets that locks are about, and which files belong to a list."""

# `pants help` evaluates the annotations of `compute_value`, on Python 3.9.
# ruff: noqa: UP006, UP035, UP045

from __future__ import annotations

import os
from enum import Enum
from typing import Iterable, Optional, Tuple

from pants.engine.addresses import Address
from pants.engine.target import InvalidFieldException, OptionalSingleSourceField, StringField, StringSequenceField
from pants.source.filespec import Filespec, FilespecMatcher
from pants.util.memo import memoized_property
from pants.util.strutil import softwrap

from docker_mirror.pants_compat import excluded_globs

LOCK_SUFFIX = ".lock"
"""What the name of a list's lock has more than the list's."""

_OF_IMAGES = ("image", "list_from", "select", "source_tags", "variants", "parametrize")
"""The fields that say which images a target without a spec file has, and what newer versions of Pants call the choice
of a group of fields, which may be such."""


def with_locks(spec: Filespec) -> FilespecMatcher:
    """Matches lists and their locks, so that a lock that was edited, added or deleted selects its list."""

    def both(globs: Iterable[str]) -> list[str]:
        return [name for glob in globs for name in (glob, glob + LOCK_SUFFIX)]

    return FilespecMatcher(both(spec["includes"]), both(excluded_globs(spec)))


class LockChoice(Enum):
    """What becomes of the locks beside lists."""

    USE = "use"
    REQUIRE = "require"
    OFF = "off"


class DockerMirrorLockedField(StringField):
    alias = "locked"
    valid_choices = ("inherit", *(choice.value for choice in LockChoice))
    default = "inherit"
    value: str
    help = softwrap(
        """
        What to do with the locks of this target's lists: `use` those that exist, `require` them, or `off`. `inherit` is
        what `[docker-mirror].lock` says. The `lock` goal writes locks.
        """
    )

    def choice(self, inherited: LockChoice) -> str:
        """
        :param inherited: the option `[docker-mirror].lock`.
        """
        return inherited.value if self.value == self.default else self.value


def refuse_outside(field: str, path: str, address: Address) -> None:
    """
    :param path: from the directory of the target.
    :raises InvalidFieldException: if it can't be that of a file of the repository, which alone Pants can look at.
    """
    from_root = os.path.normpath(os.path.join(address.spec_path, path))
    if os.path.isabs(path) or from_root.split("/")[0] == ".." or os.path.basename(path) in ("", ".", ".."):
        raise InvalidFieldException(
            f"The `{field}` field in target {address} has {path!r}; it must name files of this repository, by "
            "their paths from the BUILD file's directory."
        )


class DockerMirrorPinsField(StringSequenceField):
    alias = "pins"
    default = ()
    value: tuple[str, ...]
    help = softwrap(
        """
        Files that use the images of this target, as paths from the BUILD file's directory: Dockerfiles, whose `FROM`
        lines are pinned, and other files with marked lines:

            digest: sha256:...  # docker-mirror: cilium

        The `lock` goal writes the images' digests there; `lint` reports files that differ.
        """
    )

    @classmethod
    def compute_value(cls, raw_value: Optional[Iterable[str]], address: Address) -> Tuple[str, ...]:
        paths = super().compute_value(raw_value, address) or ()
        for path in paths:
            refuse_outside(cls.alias, path, address)
        return paths


class FileOfTheRepositoryField(OptionalSingleSourceField):
    @classmethod
    def compute_value(cls, raw_value: Optional[str], address: Address) -> Optional[str]:
        path = super().compute_value(raw_value, address)
        if path is not None:
            refuse_outside(cls.alias, path, address)
        return path


class DockerMirrorInlineLockField(FileOfTheRepositoryField):
    alias = "lock"
    uses_source_roots = False
    help = softwrap(
        """
        The file that the `lock` goal writes the lock to. By default `NAME.image.lock`, after the target's name, with
        what `parametrize` chooses of its images: `NAME@image=one.image.lock`.
        """
    )

    @property
    def lock_path(self) -> str:
        """From the build root."""
        return os.path.join(self.address.spec_path, self.value or f"{self._name}.image{LOCK_SUFFIX}")

    @property
    def _name(self) -> str:
        # Targets that differ in where the same images go have one lock, as those of a spec file do.
        chosen = [f"{alias}={choice}" for alias, choice in self.address.parameters.items() if alias in _OF_IMAGES]
        # As in the address; a choice can be a path.
        return "@".join(filter(None, (self.address.target_name, ",".join(chosen).replace("/", "."))))

    @memoized_property
    def filespec_matcher(self) -> FilespecMatcher:
        return FilespecMatcher([self.lock_path], [])
