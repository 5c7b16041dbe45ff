"""`pants mirror`: all selected image lists in one run of the engine."""

from __future__ import annotations

import json
import os
from abc import ABCMeta
from collections.abc import Iterable
from dataclasses import dataclass

from pants.backend.docker.subsystems.docker_options import DockerOptions
from pants.base.build_root import BuildRoot
from pants.engine.console import Console
from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.environment import ChosenLocalEnvironmentName, EnvironmentName
from pants.engine.fs import CreateDigest, Digest, FileContent
from pants.engine.goal import Goal, GoalSubsystem
from pants.engine.process import InteractiveProcess, InteractiveProcessResult
from pants.engine.rules import collect_rules, goal_rule, rule
from pants.engine.target import (
    FieldSet,
    NoApplicableTargetsBehavior,
    TargetRootsToFieldSets,
    TargetRootsToFieldSetsRequest,
)
from pants.engine.unions import UnionRule, union
from pants.option.option_types import ArgsListOption, BoolOption, StrListOption, StrOption
from pants.util.strutil import softwrap

from docker_mirror import environment, settings
from docker_mirror.errors import EXIT_BAD_INPUT
from docker_mirror.field_sets import ImageListFieldSet
from docker_mirror.helper import HELPER_EXE
from docker_mirror.image_list import lock_path
from docker_mirror.pants_compat import (
    create_digest,
    environment_vars_subset,
    field_sets_for_target_roots,
    rule_call,
    run_interactive,
)
from docker_mirror.plan import Plan, all_errors, plan_path
from docker_mirror.planning import Plans, PlansRequest, plain, plans_for
from docker_mirror.registries import MirrorRegistries
from docker_mirror.skipped import is_verbose, told_together
from docker_mirror.subsystem import DockerMirrorSubsystem, helper_flags
from docker_mirror.target_types import DockerMirrorSpecSourceField
from docker_mirror.verifier import JudgingHelper, JudgingHelperRequest, judging_helper

_BATCH_FILE = "batch.json"


@union(in_scope_types=[EnvironmentName])
@dataclass(frozen=True)
class MirrorFieldSet(FieldSet, metaclass=ABCMeta):
    """What the `mirror` goal works on. Pants finds field sets for target roots only through a union."""


@dataclass(frozen=True)
class MirrorImageListFieldSet(MirrorFieldSet, ImageListFieldSet):
    required_fields = ImageListFieldSet.required_fields


class MirrorGoalSubsystem(GoalSubsystem):
    name = "mirror"
    help = "Mirror container images between registries."

    dry_run = BoolOption(default=False, help="Show what would be copied, and write nothing.")
    verify = BoolOption(
        default=False,
        help=softwrap(
            """
            Compare the destinations and everything below them with their sources, and fail if they differ. Nothing is
            written, unless you add `--mirror-force`.
            """
        ),
    )
    force = BoolOption(
        default=False,
        help="Also look at what destinations have below the right digest, and send again what is missing or has "
        "another size (with `-- --verify=deep`: or other content).",
    )
    only = StrListOption(
        help="Mirror only the images with these `AS` names, or these images, in any spelling.",
    )
    label = StrListOption(
        help=softwrap(
            """
            Mirror only images with one of these labels: the `tags` of their target or of `overrides`, or the `labels`
            of image sets.
            """
        ),
    )
    output = StrOption(
        default=None,
        help="Write a JSON report of the run, with the targets' addresses, to this file, relative to the build root.",
    )
    output_html = StrOption(
        default=None,
        help="Write a page that shows what is mirrored where to this file, relative to the build root.",
    )
    args = ArgsListOption(
        example="--progress=plain",
        tool_name="`docker-mirror`",
        passthrough=True,
    )


class Mirror(Goal):
    subsystem_cls = MirrorGoalSubsystem
    # The process needs the user's credentials and network.
    environment_behavior = Goal.EnvironmentBehavior.LOCAL_ONLY


def batch_json(fields: Iterable[ImageListFieldSet], report: str) -> bytes:
    """The file that `docker-mirror mirror --batch` reads, with what no report may take the place of."""
    root = BuildRoot().path
    plans = [
        {
            "target": field_set.address.spec,
            "path": plan_path(field_set.address),
            "list": os.path.join(root, field_set.source.file_path)
            if isinstance(field_set.source, DockerMirrorSpecSourceField)
            else "",
            "lock": os.path.join(root, lock_path(field_set)),
        }
        for field_set in fields
    ]
    return json.dumps({"report": report, "plans": plans}, indent=2).encode()


def report_path(goal_output: str | None, report: str | None) -> str:
    """Absolute, since the process runs in a sandbox; empty for none."""
    path = goal_output or report
    return os.path.join(BuildRoot().path, path) if path else ""


def mirror_argv(goal: MirrorGoalSubsystem, subsystem: DockerMirrorSubsystem, page: str) -> tuple[str, ...]:
    flags = {"--dry-run": goal.dry_run, "--verify": goal.verify, "--force": goal.force}
    return (
        HELPER_EXE,
        "mirror",
        f"--batch={_BATCH_FILE}",
        *helper_flags(subsystem),
        *(flag for flag, wanted in flags.items() if wanted),
        *(f"--only={name}" for name in goal.only),
        *(f"--label={label}" for label in goal.label),
        *((f"--report-html={page}",) if page else ()),
        *goal.args,
    )


@dataclass(frozen=True)
class BatchRequest:
    fields: tuple[ImageListFieldSet, ...]


@dataclass(frozen=True)
class Batch:
    helper: JudgingHelper
    plans: tuple[Plan, ...]


@rule
async def plan_batch(request: BatchRequest) -> Batch:
    # A rule of its own, so that the helper is built only where there is something to mirror.
    helper: JudgingHelper = await judging_helper(JudgingHelperRequest())
    planned: Plans = await plans_for(PlansRequest(request.fields))
    return Batch(helper, planned.plans)


batch_for = rule_call(plan_batch, BatchRequest, Batch)


def not_skipped(
    field_sets: Iterable[MirrorFieldSet],
    registries: MirrorRegistries,
    subsystem: DockerMirrorSubsystem,
    console: Console,
    *,
    each: bool,
) -> tuple[ImageListFieldSet, ...]:
    """What is left of the selected lists, by address. The console is told of the others, in a line each or a reason."""
    fields = []
    skipped: dict[str, list[str]] = {}
    for field_set in sorted(field_sets, key=lambda fs: fs.address):
        assert isinstance(field_set, ImageListFieldSet)
        reason = settings.skip_reason(field_set, registries.value, subsystem.skip)
        if reason:
            skipped.setdefault(reason, []).append(field_set.address.spec)
        else:
            fields.append(plain(field_set))
    for reason, addresses in skipped.items():
        for told in addresses if each else (told_together(addresses),):
            console.print_stderr(f"{console.sigil_skipped()} {told} skipped {reason}.")
    return tuple(fields)


@goal_rule
async def mirror(
    console: Console,
    goal: MirrorGoalSubsystem,
    subsystem: DockerMirrorSubsystem,
    env_aware: DockerMirrorSubsystem.EnvironmentAware,
    registries: MirrorRegistries,
    docker_env_aware: DockerOptions.EnvironmentAware,
    local_environment: ChosenLocalEnvironmentName,
) -> Mirror:
    roots: TargetRootsToFieldSets[MirrorFieldSet] = await field_sets_for_target_roots(
        TargetRootsToFieldSetsRequest(
            MirrorFieldSet,
            goal_description="the `mirror` goal",
            no_applicable_targets_behavior=NoApplicableTargetsBehavior.ignore,
        )
    )
    if not roots.field_sets:
        # Pants says nothing of an empty `--changed-since`.
        console.print_stderr("No image list is selected, so nothing was mirrored.")
    verbose = is_verbose((*subsystem.args, *goal.args))
    fields = not_skipped(roots.field_sets, registries, subsystem, console, each=verbose)
    if not fields:
        return Mirror(exit_code=0)

    batch: Batch = await batch_for(BatchRequest(fields))
    errors = list(all_errors(batch.plans))
    if errors:
        for error in errors:
            console.print_stderr(f"{console.sigil_failed()} {error}")
        console.print_stderr("Nothing was mirrored.")
        return Mirror(exit_code=EXIT_BAD_INPUT)

    report, page = report_path(goal.output, subsystem.report), report_path(goal.output_html, None)
    for path in filter(None, (report, page)):
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        except OSError as e:
            console.print_stderr(f"{console.sigil_failed()} The report {path} can't be written: {e.strerror}.")
            console.print_stderr("Nothing was mirrored.")
            return Mirror(exit_code=EXIT_BAD_INPUT)
    input_digest: Digest = await create_digest(
        CreateDigest(
            [
                FileContent(_BATCH_FILE, batch_json(fields, report)),
                *(
                    FileContent(plan_path(field_set.address), plan.content)
                    for field_set, plan in zip(fields, batch.plans)
                ),
            ]
        )
    )
    env: EnvironmentVars = await environment_vars_subset(
        EnvironmentVarsRequest(environment.variable_names(docker_env_aware.env_vars, env_aware.env_vars))
    )
    result: InteractiveProcessResult = await run_interactive(
        InteractiveProcess(
            mirror_argv(goal, subsystem, page),
            env=environment.of_one_run(env),
            input_digest=input_digest,
            immutable_input_digests=batch.helper.immutable_input_digests,
        ),
        local_environment.val,
    )
    return Mirror(exit_code=result.exit_code)


def rules() -> Iterable[object]:
    return (*collect_rules(), UnionRule(MirrorFieldSet, MirrorImageListFieldSet))
