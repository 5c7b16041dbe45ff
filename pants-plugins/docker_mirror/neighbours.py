"""The image lists near one another, which are planned together.

`package` and `publish` ask for each target by itself, and Pants tells their rules nothing of the others that were
selected. So a plan is made with those of the lists nearby: in the same directory, and in those beside it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pants.base.glob_match_error_behavior import GlobMatchErrorBehavior
from pants.base.specs import DirGlobSpec, RawSpecs
from pants.engine.addresses import Address
from pants.engine.fs import PathGlobs, Paths
from pants.engine.rules import collect_rules, rule
from pants.engine.target import Targets
from pants.util.memo import memoized_property

from docker_mirror.field_sets import ImageListFieldSet
from docker_mirror.pants_compat import path_globs_to_paths, resolve_raw_specs, rule_call
from docker_mirror.target_types import DockerMirrorListFromField, declaration

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class NeighboursRequest:
    folder: str
    """See `folder_of`."""


@dataclass(frozen=True)
class Neighbours:
    lists: tuple[ImageListFieldSet, ...]
    """Of all targets in the directories' BUILD files, sorted by address."""

    @memoized_property
    def by_address(self) -> Mapping[Address, ImageListFieldSet]:
        return {fields.address: fields for fields in self.lists}

    @memoized_property
    def by_declaration(self) -> Mapping[Address, tuple[ImageListFieldSet, ...]]:
        """What one generator, with one choice of its parameters, makes; or a target alone.

        Only targets of one choice have their fields in common: each choice may have other files, and other overrides.
        """
        result: dict[Address, list[ImageListFieldSet]] = {}
        for fields in self.lists:
            result.setdefault(declaration(fields.address), []).append(fields)
        return {address: tuple(lists) for address, lists in result.items()}


def folder_of(directory: str) -> str:
    """The folder whose directories are planned together: `3rdparty` of `3rdparty/cilium`, and of itself.

    Every directory has one, and nothing below the folder's own directories is looked at, which might be much.
    """
    return os.path.dirname(directory) or directory


@dataclass(frozen=True)
class ListsInRequest:
    directories: tuple[str, ...]


@dataclass(frozen=True)
class ListsIn:
    lists: tuple[ImageListFieldSet, ...]
    generated: tuple[ImageListFieldSet, ...]
    """These are planned each by itself: a list beside one need not wait for the command that generates it."""


@rule
async def find_lists_in(request: ListsInRequest) -> ListsIn:
    targets: Targets = await resolve_raw_specs(
        RawSpecs(
            dir_globs=tuple(DirGlobSpec(directory) for directory in request.directories),
            unmatched_glob_behavior=GlobMatchErrorBehavior.ignore,
            description_of_origin="the search for image lists",
        )
    )
    fields = [ImageListFieldSet.create(target) for target in targets if ImageListFieldSet.is_applicable(target)]
    fields.sort(key=lambda fs: fs.address)
    return ListsIn(
        tuple(f for f in fields if not isinstance(f.source, DockerMirrorListFromField)),
        tuple(f for f in fields if isinstance(f.source, DockerMirrorListFromField)),
    )


lists_in = rule_call(find_lists_in, ListsInRequest, ListsIn)


@rule
async def find_neighbours(request: NeighboursRequest) -> Neighbours:
    directories: tuple[str, ...] = ()
    if request.folder:
        beside: Paths = await path_globs_to_paths(PathGlobs([f"{request.folder}/*"]))
        directories = beside.dirs
    if not os.path.dirname(request.folder):
        directories = (request.folder, *directories)  # Else it has a folder of its own.
    found: ListsIn = await lists_in(ListsInRequest(directories))
    return Neighbours(found.lists)


neighbours_in = rule_call(find_neighbours, NeighboursRequest, Neighbours)


def rules() -> Iterable[object]:
    return collect_rules()
