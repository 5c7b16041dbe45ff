"""`pants mirror-images`: what `mirror` would bring where, from the plans alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from enum import Enum

from pants.engine.console import Console
from pants.engine.goal import Goal, GoalSubsystem
from pants.engine.rules import collect_rules, goal_rule
from pants.engine.target import (
    NoApplicableTargetsBehavior,
    TargetRootsToFieldSets,
    TargetRootsToFieldSetsRequest,
)
from pants.option.option_types import EnumOption

from docker_mirror.errors import EXIT_BAD_INPUT
from docker_mirror.mirror import MirrorFieldSet, not_skipped
from docker_mirror.pants_compat import field_sets_for_target_roots
from docker_mirror.plan import Plan, all_errors
from docker_mirror.planning import Plans, PlansRequest, plans_for
from docker_mirror.registries import MirrorRegistries
from docker_mirror.subsystem import DockerMirrorSubsystem


class ImagesFormat(Enum):
    TEXT = "text"
    JSON = "json"


class MirrorImagesGoalSubsystem(GoalSubsystem):
    name = "mirror-images"
    help = "Show the images of lists and where they go, without asking any registry."

    format = EnumOption(
        default=ImagesFormat.TEXT,
        help="How the images are shown: as `text`, or as `json` with the line that asks for each.",
    )


class MirrorImages(Goal):
    subsystem_cls = MirrorImagesGoalSubsystem
    environment_behavior = Goal.EnvironmentBehavior.LOCAL_ONLY


def as_text(plans: Iterable[Plan]) -> Iterator[str]:
    for plan in plans:
        yield plan.address.spec
        if not plan.images:
            yield f"  ({plan.skip_reason})"
        for image in plan.images:
            skipped = f" (skipped: {image['skip']})" if "skip" in image else ""
            yield f"  {image['source']} -> {image['destination']}{skipped}"


def as_json(plans: Iterable[Plan]) -> str:
    return json.dumps([{"target": plan.address.spec, "images": plan.images} for plan in plans], indent=2)


@goal_rule
async def mirror_images(
    console: Console,
    goal: MirrorImagesGoalSubsystem,
    subsystem: DockerMirrorSubsystem,
    registries: MirrorRegistries,
) -> MirrorImages:
    roots: TargetRootsToFieldSets[MirrorFieldSet] = await field_sets_for_target_roots(
        TargetRootsToFieldSetsRequest(
            MirrorFieldSet,
            goal_description="the `mirror-images` goal",
            no_applicable_targets_behavior=NoApplicableTargetsBehavior.ignore,
        )
    )
    if not roots.field_sets:
        console.print_stderr("No image list is selected, so no image is shown.")
    fields = not_skipped(roots.field_sets, registries, subsystem, console, each=True)
    # Without a list no plan is asked for, as that would build the helper.
    planned: Plans = await plans_for(PlansRequest(fields)) if fields else Plans(())
    errors = list(all_errors(planned.plans))
    if errors:
        for error in errors:
            console.print_stderr(f"{console.sigil_failed()} {error}")
        console.print_stderr("No image is shown.")
        return MirrorImages(exit_code=EXIT_BAD_INPUT)
    if goal.format == ImagesFormat.JSON:
        console.print_stdout(as_json(planned.plans))
    else:
        for line in as_text(planned.plans):
            console.print_stdout(line)
    return MirrorImages(exit_code=0)


def rules() -> Iterable[object]:
    return collect_rules()
