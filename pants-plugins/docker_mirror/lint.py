"""`pants lint` for image lists: what can be found offline, of all selected targets in one run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pants.core.goals.lint import LintResult, LintTargetsRequest
from pants.core.util_rules.partitions import PartitionerType, Partitions
from pants.engine.fs import CreateDigest, Digest, FileContent, MergeDigests
from pants.engine.process import FallibleProcessResult, Process
from pants.engine.rules import collect_rules, rule
from pants.engine.target import Target
from pants.util.logging import LogLevel
from pants.util.strutil import pluralize

from docker_mirror.extract import Extracted, ExtractImageListFieldSet, ExtractRequest, extracted
from docker_mirror.field_sets import ImageListFieldSet
from docker_mirror.helper import HELPER_EXE, LintersHelper, LintersHelperRequest, MirrorHelper, linters_helper
from docker_mirror.image_list import ImageList, ImageLists, ImageListsRequest, image_lists_of
from docker_mirror.pants_compat import (
    concurrently,
    create_digest,
    execute_process,
    merge_digests,
)
from docker_mirror.pins import PinCheck, PinCheckRequest, check_pins, pinned_files
from docker_mirror.plan import all_errors, plan_path
from docker_mirror.planning import Plans, PlansRequest, plain, plans_for
from docker_mirror.policy import Judged, JudgedRequest, judged_by
from docker_mirror.subsystem import DockerMirrorLint, LintLevel
from docker_mirror.target_types import (
    DockerMirrorExtractArgsField,
    DockerMirrorExtractFromField,
    DockerMirrorSkipLintField,
    DockerMirrorSpecSourceField,
)


@dataclass(frozen=True)
class LintImageListFieldSet(ImageListFieldSet):
    required_fields = ImageListFieldSet.required_fields

    extract_from: DockerMirrorExtractFromField
    extract_args: DockerMirrorExtractArgsField

    @classmethod
    def opt_out(cls, tgt: Target) -> bool:
        return bool(tgt.get(DockerMirrorSkipLintField).value)


class LintImageListsRequest(LintTargetsRequest):
    field_set_type = LintImageListFieldSet
    tool_subsystem = DockerMirrorLint  # type: ignore[assignment,unused-ignore]
    partitioner_type = PartitionerType.CUSTOM


@rule
async def partition_image_lists(
    request: LintImageListsRequest.PartitionRequest[LintImageListFieldSet], subsystem: DockerMirrorLint
) -> Partitions[LintImageListFieldSet, Any]:
    if subsystem.skip or not request.field_sets:
        return Partitions()
    helper: LintersHelper = await linters_helper(LintersHelperRequest())
    if not helper.found:
        return Partitions()
    return Partitions.single_partition(request.field_sets)


def lint_argv(levels: Mapping[str, LintLevel], lists: Iterable[ImageList], judged: Judged) -> tuple[str, ...]:
    rules = (f"--rule={rule}={level.value}" for rule, level in levels.items())
    locks = (flag for images in lists for flag in images.lock_flags)
    return (HELPER_EXE, "lint", *rules, *judged.flags, *locks, *sorted({images.path for images in lists}))


@rule(desc="Lint image lists", level=LogLevel.DEBUG)
async def lint_image_lists(
    request: LintImageListsRequest.Batch[LintImageListFieldSet, Any], subsystem: DockerMirrorLint, helper: MirrorHelper
) -> LintResult:
    wanted = tuple(plain(fields) for fields in request.elements)
    lists: ImageLists = await image_lists_of(ImageListsRequest(wanted))
    there = [images for images in lists.lists if not images.error]  # of the others the plans tell
    judged: Judged = await judged_by(JudgedRequest(subsystem.trust_expired != LintLevel.OFF))
    digest: Digest = await merge_digests(MergeDigests((judged.digest, lists.digest)))
    findings: FallibleProcessResult = await execute_process(
        Process(
            lint_argv(subsystem.rule_levels, there, judged),
            input_digest=digest,
            immutable_input_digests=helper.immutable_input_digests,
            description=f"Lint {pluralize(len(wanted), 'image list')}",
            level=LogLevel.DEBUG,
        )
    )
    planned: Plans = await plans_for(PlansRequest(wanted))
    plans = planned.plans
    errors = "\n".join((*filter(None, [judged.error]), *all_errors(plans)))
    exit_code = 1 if errors else findings.exit_code
    if not errors and exit_code not in (0, 1):
        errors = findings.stderr.decode()  # of the policy, of which the plans know nothing
    if not errors:
        # Each plan is right by itself; the rules on sets hold for all of them together, too.
        contents = [FileContent(plan_path(plan.address), plan.content) for plan in plans]
        plans_digest: Digest = await create_digest(CreateDigest(contents))
        together: FallibleProcessResult = await execute_process(
            Process(
                (HELPER_EXE, "plan", "--allow-empty", *(content.path for content in contents)),
                input_digest=plans_digest,
                immutable_input_digests=helper.immutable_input_digests,
                description=f"Check {pluralize(len(contents), 'plan')} together",
                level=LogLevel.DEBUG,
            )
        )
        if together.exit_code != 0:
            errors = together.stderr.decode()
            exit_code = 1
    pinned = [fields for fields in request.elements if fields.pins.value] if subsystem.pins != LintLevel.OFF else []
    told = findings.stdout.decode()
    found = [told, *(f"{origin}\n" for origin in dict.fromkeys(images.origin(told) for images in there) if origin)]
    if not errors and pinned:
        pin_requests = [
            PinCheckRequest(fields.address, pinned_files(fields), planned.by_address[fields.address].content)
            for fields in pinned
        ]
        checks: tuple[PinCheck, ...] = await concurrently(check_pins(request) for request in pin_requests)
        found += [check.findings for check in checks]
        errors = "".join(check.errors for check in checks)
        if subsystem.pins == LintLevel.ERROR or errors:
            exit_code = max(exit_code, *(1 if check.differs else 0 for check in checks))
    lists_of_manifests: tuple[Extracted, ...] = await concurrently(
        extracted(
            ExtractRequest(
                ExtractImageListFieldSet(fields.address, fields.source, fields.extract_from, fields.extract_args)
            )
        )
        for fields in request.elements
        if fields.extract_from.value and isinstance(fields.source, DockerMirrorSpecSourceField)
    )
    for images in lists_of_manifests:
        if images.error or images.is_stale:
            exit_code = 1
            stale = f"{images.path} is stale: `pants extract {images.address}` writes it.\n{images.diff}"
            errors = "\n".join(filter(None, (errors, images.error or stale)))
    # What the lint couldn't read, the plans say with their targets.
    return LintResult(
        exit_code=exit_code,
        stdout="".join(found),
        stderr=errors,
        linter_name=request.tool_name,
    )


def rules() -> Iterable[object]:
    return (*collect_rules(), *LintImageListsRequest.rules())
