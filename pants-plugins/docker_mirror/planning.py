"""From spec files and their targets' fields to validated plans, in one process of the helper for many lists.

What a process came to is cached by all that it read, so that an edit of one list plans its neighbours anew: that costs
less than a process for each, whose results would last longer.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from typing import Any

from pants.engine.addresses import Address
from pants.engine.fs import CreateDigest, Digest, FileContent, MergeDigests
from pants.engine.process import Process, ProcessResult
from pants.engine.rules import collect_rules, rule
from pants.util.logging import LogLevel
from pants.util.memo import memoized_property
from pants.util.strutil import pluralize

from docker_mirror import settings
from docker_mirror.field_sets import ImageListFieldSet
from docker_mirror.helper import HELPER_EXE, MirrorHelper
from docker_mirror.image_list import ImageList, ImageLists, ImageListsRequest, image_lists_of
from docker_mirror.neighbours import (
    ListsIn,
    ListsInRequest,
    Neighbours,
    NeighboursRequest,
    folder_of,
    lists_in,
    neighbours_in,
)
from docker_mirror.overrides import ReadList, unmatched_keys
from docker_mirror.pants_compat import (
    concurrently,
    create_digest,
    execute_process_or_raise,
    merge_digests,
    rule_call,
)
from docker_mirror.plan import BATCH_FILE, Plan, located
from docker_mirror.registries import MirrorRegistries, shared_tags_hint
from docker_mirror.target_settings import TargetSettings, TargetSettingsRequest, settings_for
from docker_mirror.target_types import declaration

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PlansRequest:
    lists: tuple[ImageListFieldSet, ...]


@dataclass(frozen=True)
class Plans:
    plans: tuple[Plan, ...]
    """In the request's order."""

    @memoized_property
    def by_address(self) -> Mapping[Address, Plan]:
        return {plan.address: plan for plan in self.plans}


def batch_json(
    lists: Iterable[tuple[ImageListFieldSet, ImageList]], of_targets: Mapping[Address, TargetSettings]
) -> bytes:
    """The file that `docker-mirror plans --batch` reads.

    :param of_targets: a list without settings is only read.
    """

    def entries() -> Iterator[dict[str, Any]]:
        for fields, image_list in lists:
            of_target = of_targets.get(fields.address)
            yield {
                "target": fields.address.spec,
                "list": image_list.path,
                "lock": image_list.lock,
                "choice": of_target.lock if of_target else "off",
                "names": bool(fields.overrides.value),
                **({"settings": json.loads(of_target.json)} if of_target and not of_target.error else {}),
            }

    return json.dumps({"lists": list(entries())}, indent=2).encode()


@rule(desc="Plan mirrors", level=LogLevel.DEBUG)
async def plan_lists(request: PlansRequest, helper: MirrorHelper, configured: MirrorRegistries) -> Plans:
    wanted = request.lists
    # A key of `overrides` must match in one of the files of its generator: all of them are read for that.
    directories = sorted({fields.address.spec_path for fields in wanted if fields.overrides.value})
    near: ListsIn = await lists_in(ListsInRequest(tuple(directories)))
    known = {fields.address for fields in wanted}
    declarations = {declaration(fields.address) for fields in wanted if fields.overrides.value}
    only_read = [f for f in near.lists if declaration(f.address) in declarations and f.address not in known]
    lists = (*wanted, *only_read)

    images: ImageLists = await image_lists_of(ImageListsRequest(lists))
    there = [(fields, image_list) for fields, image_list in zip(lists, images.lists) if not image_list.error]
    missing = {fields.address: image_list.error for fields, image_list in zip(lists, images.lists) if image_list.error}
    of_targets: tuple[TargetSettings, ...] = await concurrently(
        settings_for(TargetSettingsRequest(fields)) for fields in wanted
    )
    settings_of = {fields.address: of_target for fields, of_target in zip(wanted, of_targets)}
    batch: Digest = await create_digest(CreateDigest([FileContent(BATCH_FILE, batch_json(there, settings_of))]))
    input_digest: Digest = await merge_digests(MergeDigests((images.digest, batch)))
    result: ProcessResult = await execute_process_or_raise(
        Process(
            (HELPER_EXE, "plans", f"--batch={BATCH_FILE}"),
            input_digest=input_digest,
            immutable_input_digests=helper.immutable_input_digests,
            description=f"Plan {pluralize(len(wanted), 'mirror')}"
            if len(wanted) > 1
            else f"Plan the mirror of {wanted[0].address}",
            level=LogLevel.DEBUG,
        )
    )
    # Of bytes, as a string has more ends of lines, which stand in JSON as they are.
    planned = {fields.address: json.loads(line) for (fields, _), line in zip(there, result.stdout.splitlines())}
    unmatched = unmatched_keys(
        ReadList(fields, tuple(planned[fields.address]["names"]), planned[fields.address]["unread"])
        for fields, _ in there
    )
    plans = []
    for fields, of_target, image_list in zip(wanted, of_targets, images.lists):
        entry = planned.get(fields.address) or {"errors": [missing[fields.address]]}
        problems = [*filter(None, [of_target.error, image_list.lock_error]), *entry["errors"]]
        if entry["errors"] and not of_target.error:
            everywhere = settings.all_registries(fields, configured.value)
            problems += filter(None, [shared_tags_hint("\n".join(entry["errors"]), everywhere)])
        if not image_list.error:
            problems += filter(None, [image_list.origin("\n".join(entry["errors"]))])
        errors = [located(fields.address, "\n".join(problems))] if problems else []
        errors += filter(None, [unmatched.get(declaration(fields.address))])
        plans.append(Plan(fields.address, b"" if errors else entry["plan"].encode(), tuple(errors)))
    return Plans(tuple(plans))


plans_for = rule_call(plan_lists, PlansRequest, Plans)


@dataclass(frozen=True)
class NearPlansRequest:
    """By the folder alone: the lists would have to be compared once for each of them."""

    folder: str


@rule
async def plan_neighbours(request: NearPlansRequest) -> Plans:
    neighbours: Neighbours = await neighbours_in(NeighboursRequest(request.folder))
    plans: Plans = await plans_for(PlansRequest(neighbours.lists))
    return plans


plans_near = rule_call(plan_neighbours, NearPlansRequest, Plans)


@dataclass(frozen=True)
class PlanRequest:
    fields: ImageListFieldSet


def plain(fields: ImageListFieldSet) -> ImageListFieldSet:
    """Without what a goal's own field set adds, so that it can be compared."""
    return ImageListFieldSet(**{f.name: getattr(fields, f.name) for f in dataclass_fields(ImageListFieldSet)})


@rule
async def plan_image_list(request: PlanRequest) -> Plan:
    fields = plain(request.fields)
    folder = folder_of(fields.address.spec_path)
    try:
        neighbours: Neighbours = await neighbours_in(NeighboursRequest(folder))
        # Pants may also ask about what was in a BUILD file before an edit.
        together = neighbours.by_address.get(fields.address) == fields
    except Exception:
        # What is wrong with a neighbour's BUILD file is none of this list's. Pants has told it, where it was asked for.
        together = False
    if together:
        plans: Plans = await plans_near(NearPlansRequest(folder))
    else:
        plans = await plans_for(PlansRequest((fields,)))
    return plans.by_address[fields.address]


plan_for = rule_call(plan_image_list, PlanRequest, Plan)


def rules() -> Iterable[object]:
    return collect_rules()
