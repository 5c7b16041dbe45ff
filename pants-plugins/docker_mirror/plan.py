"""From a spec file and its target's fields to a validated plan: what `package` writes and the other goals carry out."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from textwrap import indent
from typing import Any

from pants.core.goals.package import BuiltPackage, BuiltPackageArtifact, PackageFieldSet
from pants.engine.addresses import Address
from pants.engine.fs import CreateDigest, Digest, FileContent, MergeDigests
from pants.engine.process import FallibleProcessResult, Process
from pants.engine.rules import collect_rules, rule
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel

from docker_mirror import settings
from docker_mirror.errors import DockerMirrorError
from docker_mirror.field_sets import ImageListFieldSet
from docker_mirror.helper import HELPER_EXE, MirrorHelper
from docker_mirror.image_list import ImageList, ImageListRequest, image_list_of
from docker_mirror.overrides import OverrideKeys, OverrideKeysRequest, override_keys
from docker_mirror.pants_compat import (
    create_digest,
    execute_process,
    merge_digests,
    rule_call,
)
from docker_mirror.registries import MirrorRegistries, shared_tags_hint
from docker_mirror.siblings import Siblings, SiblingsRequest, siblings_in
from docker_mirror.target_settings import TargetSettings, TargetSettingsRequest, settings_for
from docker_mirror.target_types import DockerMirrorSpecSourceField, declaration

logger = logging.getLogger(__name__)

_SETTINGS_FILE = "__docker_mirror_settings.json"


class PlanError(DockerMirrorError):
    """What is wrong with a target's spec file or fields, with all places."""


class OutputPathError(DockerMirrorError):
    """An `output_path` with an unknown placeholder, or one that isn't below the dist directory."""


@dataclass(frozen=True)
class PlanRequest:
    fields: ImageListFieldSet


@dataclass(frozen=True)
class Plan:
    """The plan of one image list or, where there is an error, what is wrong with it."""

    address: Address
    content: bytes
    """plan.json: an array of copies."""
    errors: tuple[str, ...] = ()

    @property
    def _entries(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = json.loads(self.content)
        return entries

    @property
    def destinations(self) -> tuple[str, ...]:
        """Where images go; the tag is a template where a tag policy selects what is copied."""
        return tuple(entry["dst"] for entry in self._entries if "skip" not in entry)

    @property
    def registries(self) -> tuple[str, ...]:
        """Those of the destinations, each once, in the plan's order."""
        return tuple(dict.fromkeys(destination.split("/", 1)[0] for destination in self.destinations))

    @property
    def skip_reason(self) -> str:
        """Why there is no destination."""
        reasons = dict.fromkeys(entry["skip"]["reason"] for entry in self._entries if "skip" in entry)
        return ", ".join(reasons) or "it lists no image"

    @property
    def summary(self) -> str:
        """`3 copies to registry.example`"""
        if not self.destinations:
            return f"nothing to copy: {self.skip_reason}"
        noun = "copy" if len(self.destinations) == 1 else "copies"
        return f"{len(self.destinations)} {noun} to {', '.join(self.registries)}"


def refuse_shared_output_path(fields: ImageListFieldSet, lists: Iterable[ImageListFieldSet]) -> None:
    """
    :param lists: of the target's directory.
    :raises OutputPathError: naming all targets whose plan would be written to the path of this one's.
    """
    if not fields.output_path.value:
        return  # The address makes the path.
    path = output_path(fields)
    shared = [other.address.spec for other in lists if other.output_path.value and output_path(other) == path]
    if len(shared) > 1:
        raise OutputPathError(
            f"The `{fields.output_path.alias}` field gives the plans of {', '.join(shared)} the same path, {path}. "
            "Placeholders tell targets apart: `{target_name}`, `{spec_file}` and, of `parametrize`, `{parameters}`."
        )


def plan_path(address: Address) -> str:
    """Where processes over several targets have a target's plan; unlike the artifact's path no two can share it."""
    return f"plans/{address.path_safe_spec}/plan.json"


def all_errors(plans: Iterable[Plan]) -> Iterator[str]:
    """Each once: what is wrong with a generator's `overrides` is found for all that it generates."""
    yield from dict.fromkeys(error for plan in plans for error in plan.errors)


def output_path(fields: ImageListFieldSet) -> str:
    """Where `package` puts the plan, below the dist directory.

    :raises OutputPathError: on an unknown placeholder, or a path that isn't below it.
    """
    template = fields.output_path.value
    if not template:
        # As Pants has it for other artifacts, `path.to.directory/name`.
        directory = fields.address.spec_path.replace(os.sep, ".")
        # Empty for a target that has its directory's name.
        name = fields.address.path_safe_spec[len(directory) :].lstrip(".") or fields.address.target_name
        return os.path.join(directory, f"{name}.plan.json")
    # As in Pants' own templates and in those of `repository`.
    parents = ["", "", *fields.address.spec_path.split(os.sep)]
    values = {
        "directory": parents[-1],
        "parent_directory": parents[-2],
        "full_directory": fields.address.spec_path,
        "target_name": fields.address.target_name,
        # As in the address; a value can be a path.
        "parameters": ",".join(f"{key}={value}" for key, value in fields.address.parameters.items()).replace("/", "."),
    }
    if isinstance(fields.source, DockerMirrorSpecSourceField):
        values["spec_file"] = fields.source.value
    try:
        path = template.format(**values)
    except (KeyError, IndexError, ValueError, AttributeError) as e:
        known = ", ".join(f"`{{{name}}}`" for name in values)
        raise OutputPathError(
            f"The `{fields.output_path.alias}` field in target {fields.address} is {template!r}; it can have the "
            f"placeholders {known}."
        ) from e
    # The directory of a target in the root is empty.
    path = os.path.normpath(path.lstrip("/") if template.startswith("{") else path)
    # The engine doesn't take such a path for a mistake of the user's, but panics.
    if os.path.isabs(path) or path.split("/")[0] in ("", ".", ".."):
        raise OutputPathError(
            f"The `{fields.output_path.alias}` field in target {fields.address} is {template!r}, which is {path!r}; it "
            "must be a file below the dist directory."
        )
    return path


# What stands before an error in the settings, which are no file of the user's, and after one that the helper takes for
# a mistake in its command line.
_SETTINGS_PLACE = re.compile(rf"^(docker-mirror: )?{re.escape(_SETTINGS_FILE)}:\d+: ")
_USAGE = re.compile(r"^Run 'docker-mirror .* for usage\.$")


def located(address: Address, errors: str) -> str:
    """The target before the one line, or above the several lines, of what is wrong with it."""
    prefix = f"{address.spec}: "
    errors = "\n".join(
        line[len(prefix) :] if line.startswith(prefix) else _SETTINGS_PLACE.sub("", line)
        for line in errors.splitlines()
        if not _USAGE.match(line)
    )
    return f"{address}:\n{indent(errors, '  ')}" if "\n" in errors else f"{address}: {errors}"


@rule(desc="Plan a mirror", level=LogLevel.DEBUG)
async def plan_image_list(
    request: PlanRequest,
    helper: MirrorHelper,
    configured: MirrorRegistries,
) -> Plan:
    fields = request.fields
    of_target: TargetSettings = await settings_for(TargetSettingsRequest(fields))
    wrong_fields = of_target.error
    images: ImageList = await image_list_of(ImageListRequest(fields))
    settings_digest: Digest = await create_digest(CreateDigest([FileContent(_SETTINGS_FILE, of_target.json)]))
    input_digest: Digest = await merge_digests(MergeDigests((images.digest, settings_digest)))
    # Without settings there is no plan, but what is wrong with the list itself can be said all the same.
    plan_command = ("plan", "--settings", _SETTINGS_FILE, f"--lock={of_target.lock}", *images.lock_flags)
    command = ("names",) if wrong_fields else plan_command
    result: FallibleProcessResult = await execute_process(
        Process(
            (HELPER_EXE, *command, images.path),
            input_digest=input_digest,
            immutable_input_digests=helper.immutable_input_digests,
            description=f"Plan the mirror of {fields.address}",
            level=LogLevel.DEBUG,
        )
    )
    keys: OverrideKeys = await override_keys(
        OverrideKeysRequest(declaration(fields.address), keys=tuple(fields.overrides.value or ()))
    )
    stderr = result.stderr.decode().strip()
    problems = [wrong_fields] if wrong_fields else []
    if result.exit_code != 0:
        problems.append(stderr or f"the plan failed with exit code {result.exit_code}")
        if not wrong_fields:
            problems += filter(None, [shared_tags_hint(stderr, settings.all_registries(fields, configured.value))])
    elif stderr:
        logger.warning(f"{fields.address}: {stderr}")
    errors = [located(fields.address, "\n".join(problems))] if problems else []
    if keys.error:
        errors.append(keys.error)
    return Plan(fields.address, b"" if errors else result.stdout, tuple(errors))


plan_for = rule_call(plan_image_list, PlanRequest, Plan)


@dataclass(frozen=True)
class PackageImageListFieldSet(PackageFieldSet, ImageListFieldSet):
    """What `package` works on."""

    required_fields = ImageListFieldSet.required_fields


@dataclass(frozen=True)
class PlanArtifact(BuiltPackageArtifact):
    """The plan, so that `publish` need not read it back."""

    content: bytes = b"[]"


@rule(desc="Package a mirror's plan", level=LogLevel.DEBUG)
async def package_plan(field_set: PackageImageListFieldSet) -> BuiltPackage:
    path = output_path(field_set)
    siblings: Siblings = await siblings_in(SiblingsRequest(field_set.address.spec_path))
    refuse_shared_output_path(field_set, siblings.lists)
    plan: Plan = await plan_for(PlanRequest(field_set))
    if plan.errors:
        raise PlanError("\n".join(plan.errors))
    digest: Digest = await create_digest(CreateDigest([FileContent(path, plan.content)]))
    artifact = PlanArtifact(path, extra_log_lines=(f"  {plan.summary}",), content=plan.content)
    return BuiltPackage(digest, (artifact,))


def rules() -> Iterable[object]:
    return (*collect_rules(), UnionRule(PackageFieldSet, PackageImageListFieldSet))
