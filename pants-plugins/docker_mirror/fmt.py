"""`pants fmt` for image lists in text; others are left to formatters of JSON, TOML and YAML."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pants.core.goals.fmt import FmtResult, FmtTargetsRequest
from pants.core.util_rules.partitions import PartitionerType, Partitions
from pants.engine.fs import PathGlobs, Paths
from pants.engine.process import FallibleProcessResult, Process
from pants.engine.rules import collect_rules, rule
from pants.engine.target import FieldSet, Target
from pants.util.logging import LogLevel
from pants.util.strutil import pluralize

from docker_mirror.helper import HELPER_EXE, LintersHelper, LintersHelperRequest, MirrorHelper, linters_helper
from docker_mirror.pants_compat import execute_process, path_globs_to_paths
from docker_mirror.subsystem import DockerMirrorFmt
from docker_mirror.target_types import DockerMirrorSkipFmtField, DockerMirrorSpecSourceField

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FmtImageListFieldSet(FieldSet):
    required_fields = (DockerMirrorSpecSourceField,)

    source: DockerMirrorSpecSourceField

    @classmethod
    def opt_out(cls, tgt: Target) -> bool:
        return bool(tgt.get(DockerMirrorSkipFmtField).value) or not (
            tgt[DockerMirrorSpecSourceField].value or ""
        ).endswith(".txt")


class FmtImageListsRequest(FmtTargetsRequest):
    field_set_type = FmtImageListFieldSet
    tool_subsystem = DockerMirrorFmt  # type: ignore[assignment,unused-ignore]
    partitioner_type = PartitionerType.CUSTOM


@rule
async def partition_image_lists(
    request: FmtImageListsRequest.PartitionRequest[FmtImageListFieldSet], subsystem: DockerMirrorFmt
) -> Partitions[str, Any]:
    if subsystem.skip or not request.field_sets:
        return Partitions()
    helper: LintersHelper = await linters_helper(LintersHelperRequest())
    if not helper.found:
        return Partitions()
    # Pants' own code takes it for a fault of its own where the files that it finds are others than these.
    wanted = {os.path.normpath(field_set.source.file_path) for field_set in request.field_sets}
    found: Paths = await path_globs_to_paths(PathGlobs(sorted(wanted)))
    missing = sorted(wanted - set(found.files))
    if missing:
        logger.warning(f"Not formatted, as Pants sees no such file: {', '.join(missing)}")
    there = sorted(wanted & set(found.files))
    return Partitions.single_partition(there) if there else Partitions()


@rule(desc="Format image lists", level=LogLevel.DEBUG)
async def fmt_image_lists(request: FmtImageListsRequest.Batch, helper: MirrorHelper) -> FmtResult:
    # Fallible, so that a list with an error is left alone and the others are not.
    result: FallibleProcessResult = await execute_process(
        Process(
            (HELPER_EXE, "fmt", *request.files),
            input_digest=request.snapshot.digest,
            output_files=request.files,
            immutable_input_digests=helper.immutable_input_digests,
            description=f"Format {pluralize(len(request.files), 'image list')}",
            level=LogLevel.DEBUG,
        )
    )
    if result.exit_code != 0:
        logger.warning(f"Left as they are:\n{result.stderr.decode()}")
    return await FmtResult.create(request, result)


def rules() -> Iterable[object]:
    return (*collect_rules(), *FmtImageListsRequest.rules())
