"""`pants tailor` for spec files: one `docker_mirror_images` a directory."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from pants.core.goals.tailor import AllOwnedSources, PutativeTarget, PutativeTargets, PutativeTargetsRequest
from pants.engine.fs import Paths
from pants.engine.rules import collect_rules, rule
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel

from docker_mirror.pants_compat import path_globs_to_paths
from docker_mirror.subsystem import DockerMirrorSubsystem
from docker_mirror.target_types import DockerMirrorImagesTarget, DockerMirrorSpecSourcesField


@dataclass(frozen=True)
class PutativeImageListsRequest(PutativeTargetsRequest):
    pass


@rule(desc="Determine candidate image lists to mirror", level=LogLevel.DEBUG)
async def find_putative_targets(
    request: PutativeImageListsRequest, owned: AllOwnedSources, subsystem: DockerMirrorSubsystem
) -> PutativeTargets:
    if not subsystem.tailor:
        return PutativeTargets()
    found: Paths = await path_globs_to_paths(request.path_globs(*subsystem.tailor_globs))
    by_directory: dict[str, list[str]] = defaultdict(list)
    for path in sorted(set(found.files) - set(owned)):
        directory, name = os.path.split(path)
        by_directory[directory].append(name)
    return PutativeTargets(
        PutativeTarget.for_target_type(
            DockerMirrorImagesTarget,
            path=directory,
            name=None,
            triggering_sources=names,
            kwargs={} if set(names) <= set(DockerMirrorSpecSourcesField.default) else {"sources": tuple(names)},
        )
        for directory, names in by_directory.items()
    )


def rules() -> Iterable[object]:
    return (*collect_rules(), UnionRule(PutativeTargetsRequest, PutativeImageListsRequest))
