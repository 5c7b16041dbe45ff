"""`pants lint` for Dockerfiles: images that they take from a mirror, and that no list brings there."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pants.backend.docker.subsystems.docker_options import DockerOptions
from pants.backend.docker.target_types import (
    DockerImageBuildArgsField,
    DockerImageInstructionsField,
    DockerImageSourceField,
    DockerImageTarget,
)
from pants.base.specs import RawSpecs, RecursiveGlobSpec
from pants.core.goals.lint import LintResult, LintTargetsRequest
from pants.core.util_rules.partitions import PartitionerType, Partitions
from pants.engine.fs import CreateDigest, Digest, FileContent, MergeDigests
from pants.engine.process import FallibleProcessResult, Process
from pants.engine.rules import collect_rules, rule
from pants.engine.target import FieldSet, HydratedSources, HydrateSourcesRequest, Target, Targets
from pants.util.logging import LogLevel
from pants.util.strutil import pluralize

from docker_mirror.field_sets import ImageListFieldSet
from docker_mirror.helper import HELPER_EXE, LintersHelper, LintersHelperRequest, MirrorHelper, linters_helper
from docker_mirror.pants_compat import (
    concurrently,
    create_digest,
    execute_process,
    hydrate_sources,
    merge_digests,
    resolve_raw_specs,
    rule_call,
)
from docker_mirror.plan import Plan, all_errors, plan_path
from docker_mirror.planning import Plans, PlansRequest, plans_for
from docker_mirror.subsystem import DockerMirrorLint, LintLevel
from docker_mirror.target_types import DockerMirrorSkipLintField

_BATCH_FILE = "__docker_mirror_froms.json"


class SkipDockerfileLintField(DockerMirrorSkipLintField):
    help = "If true, `lint` doesn't compare the images that the Dockerfile names with what lists mirror."


@dataclass(frozen=True)
class LintDockerfileFieldSet(FieldSet):
    required_fields = (DockerImageSourceField,)

    source: DockerImageSourceField
    instructions: DockerImageInstructionsField
    build_args: DockerImageBuildArgsField

    @classmethod
    def opt_out(cls, tgt: Target) -> bool:
        return bool(tgt.get(SkipDockerfileLintField).value)


class LintDockerfilesRequest(LintTargetsRequest):
    field_set_type = LintDockerfileFieldSet
    tool_subsystem = DockerMirrorLint  # type: ignore[assignment,unused-ignore]
    partitioner_type = PartitionerType.CUSTOM


@rule
async def partition_dockerfiles(
    request: LintDockerfilesRequest.PartitionRequest[LintDockerfileFieldSet], subsystem: DockerMirrorLint
) -> Partitions[LintDockerfileFieldSet, Any]:
    if subsystem.skip or subsystem.unmirrored_from == LintLevel.OFF or not request.field_sets:
        return Partitions()
    helper: LintersHelper = await linters_helper(LintersHelperRequest())
    if not helper.found:
        return Partitions()
    return Partitions.single_partition(request.field_sets)


@dataclass(frozen=True)
class AllPlansRequest:
    pass


@rule
async def plan_all_lists(request: AllPlansRequest) -> Plans:
    targets: Targets = await resolve_raw_specs(
        RawSpecs(recursive_globs=(RecursiveGlobSpec(""),), description_of_origin="the search for all image lists")
    )
    fields = (ImageListFieldSet.create(target) for target in targets if ImageListFieldSet.is_applicable(target))
    lists = tuple(sorted(fields, key=lambda fs: fs.address))
    if not lists:
        return Plans(())
    plans: Plans = await plans_for(PlansRequest(lists))
    return plans


all_plans = rule_call(plan_all_lists, AllPlansRequest, Plans)


def given_args(*entries: Iterable[str]) -> dict[str, str | None]:
    """By name. None where the value is the environment's, which may be another where the image is built."""
    args: dict[str, str | None] = {}
    for entry in (entry for several in entries for entry in several):
        name, has_value, value = entry.partition("=")
        args[name] = value if has_value else None
    return args


def batch_json(subsystem: DockerMirrorLint, dockerfiles: Iterable[dict[str, Any]], plans: Iterable[Plan]) -> bytes:
    """The file that `docker-mirror froms --batch` reads."""
    return json.dumps(
        {
            "level": subsystem.unmirrored_from.value,
            "mirrors": list(subsystem.mirrors),
            "dockerfiles": list(dockerfiles),
            "plans": [{"target": plan.address.spec, "path": plan_path(plan.address)} for plan in plans],
        },
        indent=2,
    ).encode()


@rule(desc="Compare Dockerfiles with image lists", level=LogLevel.DEBUG)
async def lint_dockerfiles(
    request: LintDockerfilesRequest.Batch[LintDockerfileFieldSet, Any],
    subsystem: DockerMirrorLint,
    docker: DockerOptions,
    helper: MirrorHelper,
) -> LintResult:
    planned: Plans = await all_plans(AllPlansRequest())
    errors = "\n".join(all_errors(planned.plans))
    if errors:
        # What such a list would mirror isn't known, so nothing can be said to be missing.
        return LintResult(1, "", errors, linter_name=request.tool_name)
    hydrated: tuple[HydratedSources, ...] = await concurrently(
        hydrate_sources(
            # `instructions` become a file by code generation.
            HydrateSourcesRequest(fields.source, for_sources_types=(DockerImageSourceField,), enable_codegen=True)
        )
        for fields in request.elements
    )
    dockerfiles = [
        {
            "path": path,
            "place": f"{fields.address}, instructions" if fields.instructions.value else path,
            "args": given_args(docker.build_args, fields.build_args.value or ()),
        }
        for fields, sources in zip(request.elements, hydrated)
        for path in sources.snapshot.files
    ]
    contents = [FileContent(plan_path(plan.address), plan.content) for plan in planned.plans]
    batch = FileContent(_BATCH_FILE, batch_json(subsystem, dockerfiles, planned.plans))
    plans_digest: Digest = await create_digest(CreateDigest([batch, *contents]))
    digest: Digest = await merge_digests(
        MergeDigests((plans_digest, *(sources.snapshot.digest for sources in hydrated)))
    )
    result: FallibleProcessResult = await execute_process(
        Process(
            (HELPER_EXE, "froms", f"--batch={_BATCH_FILE}"),
            input_digest=digest,
            immutable_input_digests=helper.immutable_input_digests,
            description=f"Compare {pluralize(len(dockerfiles), 'Dockerfile')} with image lists",
            level=LogLevel.DEBUG,
        )
    )
    return LintResult(
        exit_code=result.exit_code,
        stdout=result.stdout.decode(),
        stderr=result.stderr.decode(),
        linter_name=request.tool_name,
    )


def rules() -> Iterable[object]:
    return (
        *collect_rules(),
        *LintDockerfilesRequest.rules(),
        DockerImageTarget.register_plugin_field(SkipDockerfileLintField),
    )
