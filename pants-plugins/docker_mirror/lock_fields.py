"""The fields of targets that locks are about, and which files belong to a list."""

from __future__ import annotations

import os
from collections.abc import Iterable
from enum import Enum

from pants.engine.target import OptionalSingleSourceField, StringField, StringSequenceField
from pants.source.filespec import Filespec, FilespecMatcher
from pants.util.memo import memoized_property
from pants.util.strutil import softwrap

LOCK_SUFFIX = ".lock"
"""What the name of a list's lock has more than the list's."""


def with_locks(spec: Filespec) -> FilespecMatcher:
    """Matches lists and their locks, so that a lock that was edited, added or deleted selects its list."""

    def both(globs: Iterable[str]) -> list[str]:
        return [name for glob in globs for name in (glob, glob + LOCK_SUFFIX)]

    return FilespecMatcher(both(spec["includes"]), both(spec.get("excludes", [])))


class LockChoice(Enum):
    """What becomes of the locks beside lists."""

    USE = "use"
    REQUIRE = "require"
    OFF = "off"


class DockerMirrorLockedField(StringField):
    alias = "locked"
    valid_choices = LockChoice
    help = softwrap(
        """
        What becomes of the locks of this target's lists, in place of `[docker-mirror].lock`: `use` them where they are,
        `require` them, or `off`. `lock` writes them.
        """
    )


class DockerMirrorPinsField(StringSequenceField):
    alias = "pins"
    help = softwrap(
        """
        Files in which the images of this target are used, as paths from the BUILD file's directory: Dockerfiles, whose
        `FROM` lines are pinned, and others with marked lines:

            digest: sha256:...  # docker-mirror: cilium

        `lock` writes the images' places and digests there, and `lint` compares.
        """
    )


class DockerMirrorInlineLockField(OptionalSingleSourceField):
    alias = "lock"
    uses_source_roots = False
    help = softwrap(
        """
        The lock's file, which `lock` writes. By default `NAME.image.lock` for a target with that name, whether it is
        there or not.
        """
    )

    @property
    def lock_path(self) -> str:
        """From the build root."""
        return os.path.join(self.address.spec_path, self.value or f"{self.address.target_name}.image{LOCK_SUFFIX}")

    @memoized_property
    def filespec_matcher(self) -> FilespecMatcher:
        return FilespecMatcher([self.lock_path], [])
