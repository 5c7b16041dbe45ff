"""`pants lock`: the locks of all selected image lists, in one run of the helper."""

from __future__ import annotations

import json
import os
from abc import ABCMeta
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pants.backend.docker.subsystems.docker_options import DockerOptions
from pants.base.build_root import BuildRoot
from pants.engine.console import Console
from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.environment import ChosenLocalEnvironmentName, EnvironmentName
from pants.engine.fs import CreateDigest, Digest, FileContent, MergeDigests
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
from pants.util.strutil import pluralize, softwrap

from docker_mirror import environment
from docker_mirror.errors import EXIT_BAD_INPUT
from docker_mirror.field_sets import ImageListFieldSet
from docker_mirror.helper import HELPER_EXE, AvailableHelper, MirrorHelper
from docker_mirror.image_list import ImageList, ImageLists, ImageListsRequest, image_lists_of, image_table, lock_path
from docker_mirror.lock_fields import DockerMirrorLockedField
from docker_mirror.pants_compat import (
    concurrently,
    create_digest,
    environment_vars_subset,
    field_sets_for_target_roots,
    merge_digests,
    rule_call,
    run_interactive,
)
from docker_mirror.pins import pinned_files
from docker_mirror.plan import located
from docker_mirror.subsystem import DockerMirrorSubsystem, config_flags
from docker_mirror.target_settings import TargetSettings, TargetSettingsRequest, settings_for
from docker_mirror.target_types import DockerMirrorImageField, DockerMirrorSpecSourceField
from docker_mirror.verifier import JudgingHelper, JudgingHelperRequest, judging_helper

_BATCH_FILE = "lists.json"

_NAMED = 10
"""How many lists that are left out are named."""


@union(in_scope_types=[EnvironmentName])
@dataclass(frozen=True)
class LockFieldSet(FieldSet, metaclass=ABCMeta):
    """What the `lock` goal works on. Pants finds field sets for target roots only through a union."""


@dataclass(frozen=True)
class LockImageListFieldSet(LockFieldSet, ImageListFieldSet):
    required_fields = ImageListFieldSet.required_fields


class LockGoalSubsystem(GoalSubsystem):
    name = "lock"
    help = softwrap(
        """
        Record the digests of the images that lists name, in locks beside the lists, so that exactly what was reviewed
        is mirrored.
        """
    )

    upgrade = BoolOption(
        default=False,
        help="Look up again what tags name and tag policies select. Without this, every digest in a lock is kept.",
    )
    upgrade_image = StrListOption(
        help="Look up this image alone again: its `AS` name, or any spelling.",
    )
    observe = BoolOption(
        default=False,
        help="Only note what tags name now, for the cooldown of `[docker-mirror].policy`. Nothing is locked.",
    )
    now = StrListOption(
        help="Lock what this image names at once, whatever the policy says of its age; with `--lock-because`.",
    )
    because = StrOption(default=None, help="Why, for the lock and who reviews it.")
    base = StrOption(
        default=None,
        help=softwrap(
            """
            With `--lock-check`: also compare with the locks and the policy at this revision of git, which judges what
            is new.
            """
        ),
    )
    allow = StrOption(
        default=None,
        help="With `--lock-base`: fail on all changes but `observations`, digests that wait.",
    )
    check = BoolOption(
        default=False,
        help="Write nothing, ask no registry, and fail if lists, locks and pinned files disagree.",
    )
    online = BoolOption(
        default=False,
        help="With `--lock-check`: also ask the sources which tags have moved and which digests are gone.",
    )
    args = ArgsListOption(example="--verbose", tool_name="`docker-mirror`", passthrough=True)


class Lock(Goal):
    subsystem_cls = LockGoalSubsystem
    # The process needs the user's credentials and network, and writes into the build root.
    environment_behavior = Goal.EnvironmentBehavior.LOCAL_ONLY


@dataclass(frozen=True)
class LockInputsRequest:
    fields: tuple[ImageListFieldSet, ...]
    verifies: bool
    """Whether signatures are looked for, if the policy wants any."""


@dataclass(frozen=True)
class LockInputs:
    helper: AvailableHelper
    lists: ImageLists
    settings: tuple[TargetSettings, ...]


@rule
async def lock_inputs(request: LockInputsRequest, alone: MirrorHelper) -> LockInputs:
    # A rule of its own, so that the helper is built only where there is something to lock.
    helper: AvailableHelper = alone
    if request.verifies:
        judging: JudgingHelper = await judging_helper(JudgingHelperRequest())
        helper = judging
    lists: ImageLists = await image_lists_of(ImageListsRequest(request.fields))
    settings: tuple[TargetSettings, ...] = await concurrently(
        settings_for(TargetSettingsRequest(f)) for f in request.fields
    )
    return LockInputs(helper, lists, tuple(settings))


lock_inputs_of = rule_call(lock_inputs, LockInputsRequest, LockInputs)


def batch_json(
    fields: Iterable[ImageListFieldSet], unlocked: Iterable[ImageListFieldSet], inputs: LockInputs, build_root: str
) -> bytes:
    """The file that `docker-mirror lock --batch` reads. Locks, and what is pinned to them, are in the build root."""

    # Targets of one declaration that differ in where their image goes have one list to the helper: it has one lock.
    first: dict[tuple[str, str], str] = {}

    def list_path(field_set: ImageListFieldSet, images: ImageList) -> str:
        if not isinstance(field_set.source, DockerMirrorImageField):
            return images.path
        return first.setdefault((images.lock, image_table(field_set)), images.path)

    def lists() -> Iterator[dict[str, Any]]:
        for field_set, images, settings in zip(fields, inputs.lists.lists, inputs.settings):
            in_sandbox = not isinstance(field_set.source, DockerMirrorSpecSourceField)
            path = list_path(field_set, images)
            yield {
                # What is made of a BUILD file, or generated, is in the sandbox alone.
                "list": path if in_sandbox else os.path.join(build_root, path),
                "list_name": path,
                **({"target": field_set.address.spec} if in_sandbox else {}),
                "lock": os.path.join(build_root, images.lock),
                "lock_name": images.lock,
                "settings": json.loads(settings.json),
                "pins": [{"path": os.path.join(build_root, path), "name": path} for path in pinned_files(field_set)],
            }

    left_out = [
        {"target": field_set.address.spec, "lock": os.path.join(build_root, lock_path(field_set))}
        for field_set in unlocked
    ]
    return json.dumps({"lists": list(lists()), "unlocked": left_out}, indent=2).encode()


def left_out_text(unlocked: Sequence[ImageListFieldSet]) -> str:
    """What is said of lists that are not to be locked, however many there are."""
    names = [str(field_set.address) for field_set in unlocked[:_NAMED]]
    more = f" and {len(unlocked) - _NAMED} more" if len(unlocked) > _NAMED else ""
    return (
        f"{pluralize(len(unlocked), 'list')} left out, as the field `{DockerMirrorLockedField.alias}` or "
        f"`[docker-mirror].lock` is off: {', '.join(names)}{more}."
    )


def lock_argv(goal: LockGoalSubsystem, subsystem: DockerMirrorSubsystem) -> tuple[str, ...]:
    flags = {"--upgrade": goal.upgrade, "--observe": goal.observe, "--check": goal.check, "--online": goal.online}
    values = {"--because": goal.because, "--base": goal.base, "--allow": goal.allow}
    return (
        HELPER_EXE,
        "lock",
        f"--batch={_BATCH_FILE}",
        *config_flags(subsystem),
        *(flag for flag, wanted in flags.items() if wanted),
        *(f"--upgrade={image}" for image in goal.upgrade_image),
        *(f"--now={image}" for image in goal.now),
        *(f"{flag}={value}" for flag, value in values.items() if value),
        *goal.args,
    )


@goal_rule
async def lock(
    console: Console,
    goal: LockGoalSubsystem,
    subsystem: DockerMirrorSubsystem,
    env_aware: DockerMirrorSubsystem.EnvironmentAware,
    docker_env_aware: DockerOptions.EnvironmentAware,
    local_environment: ChosenLocalEnvironmentName,
) -> Lock:
    roots: TargetRootsToFieldSets[LockFieldSet] = await field_sets_for_target_roots(
        TargetRootsToFieldSetsRequest(
            LockFieldSet,
            goal_description="the `lock` goal",
            no_applicable_targets_behavior=NoApplicableTargetsBehavior.ignore,
        )
    )
    if not roots.field_sets:
        console.print_stderr(f"No image list is selected, so nothing was {'checked' if goal.check else 'locked'}.")
    fields: list[ImageListFieldSet] = []
    unlocked: list[ImageListFieldSet] = []
    for field_set in sorted(roots.field_sets, key=lambda fs: fs.address):
        assert isinstance(field_set, ImageListFieldSet)
        (unlocked if field_set.locked.choice(subsystem.lock) == "off" else fields).append(field_set)
    if unlocked:
        console.print_stderr(left_out_text(unlocked))
    # What has changed since a revision is judged even where no list is left.
    if not fields and not goal.base:
        return Lock(exit_code=0)

    inputs: LockInputs = await lock_inputs_of(LockInputsRequest(tuple(fields), verifies=goal.online or not goal.check))
    errors = [
        located(field_set.address, error)
        for field_set, images, settings in zip(fields, inputs.lists.lists, inputs.settings)
        for error in (images.error, images.lock_error, settings.error)
        if error
    ]
    if errors:
        for error in errors:
            console.print_stderr(f"{console.sigil_failed()} {error}")
        console.print_stderr("Nothing was locked.")
        return Lock(exit_code=EXIT_BAD_INPUT)

    batch: Digest = await create_digest(
        CreateDigest([FileContent(_BATCH_FILE, batch_json(fields, unlocked, inputs, BuildRoot().path))])
    )
    input_digest: Digest = await merge_digests(MergeDigests((batch, inputs.lists.digest)))
    env: EnvironmentVars = await environment_vars_subset(
        EnvironmentVarsRequest(environment.variable_names(docker_env_aware.env_vars, env_aware.env_vars))
    )
    result: InteractiveProcessResult = await run_interactive(
        InteractiveProcess(
            lock_argv(goal, subsystem),
            env=environment.of_one_run(env),
            input_digest=input_digest,
            immutable_input_digests=inputs.helper.immutable_input_digests,
        ),
        local_environment.val,
    )
    return Lock(exit_code=result.exit_code)


def rules() -> Iterable[object]:
    return (*collect_rules(), UnionRule(LockFieldSet, LockImageListFieldSet))
