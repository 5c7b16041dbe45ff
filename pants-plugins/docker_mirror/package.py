"""`pants package` for image lists: the plan, as a file."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass

from pants.core.goals.package import BuiltPackage, BuiltPackageArtifact, PackageFieldSet
from pants.engine.addresses import Address
from pants.engine.fs import CreateDigest, Digest, FileContent
from pants.engine.internals.session import RunId
from pants.engine.rules import collect_rules, rule
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel

from docker_mirror.errors import DockerMirrorError
from docker_mirror.field_sets import ImageListFieldSet
from docker_mirror.pants_compat import create_digest
from docker_mirror.plan import Plan, PlanError
from docker_mirror.planning import PlanRequest, plan_for
from docker_mirror.target_types import DockerMirrorSpecSourceField

logger = logging.getLogger(__name__)


class OutputPathError(DockerMirrorError):
    """An `output_path` with an unknown placeholder, or one that isn't below the dist directory."""


def output_path(fields: ImageListFieldSet) -> str:
    """Where `package` puts the plan, below the dist directory.

    :raises OutputPathError: on an unknown placeholder, or a path that isn't below it.
    """
    template = fields.output_path.value
    # As Pants has it for other artifacts, `path.to.directory/name`.
    dotted = fields.address.spec_path.replace(os.sep, ".")
    # Empty for a target that has its directory's name.
    name = fields.address.path_safe_spec[len(dotted) :].lstrip(".") or fields.address.target_name
    # As in Pants' own templates and in those of `repository`.
    parents = ["", "", *fields.address.spec_path.split(os.sep)]
    values = {
        "address": os.path.join(dotted, name),
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


class PackagedPaths:
    """Whose plan each path is of, of those that this run of Pants packages, to tell of two targets with one path.

    What isn't packaged in the same run is in nobody's way. `package` of both ends with Pants' own error, which tells of
    the path and of the plans' first bytes alone; `publish` writes no plan below the dist directory, and goes on.
    """

    def __init__(self) -> None:
        self._first: dict[str, Address] = {}
        self._second: dict[str, Address] = {}

    def add(self, path: str, address: Address) -> None:
        """Warns of the first two targets of a path."""
        # Many are packaged at once, and `setdefault` says the same to all of them.
        first = self._first.setdefault(path, address)
        if first != address and self._second.setdefault(path, address) == address:
            both = " and ".join(sorted((first.spec, address.spec)))
            logger.warning(
                f"The `output_path` field gives the plans of {both} the same path, {path}, so that one `package` can't "
                "write both. Placeholders tell targets apart: `{full_directory}`, `{target_name}`, `{spec_file}` and, "
                "of `parametrize`, `{parameters}`."
            )


@rule
async def packaged_paths(_: RunId) -> PackagedPaths:
    return PackagedPaths()  # Once a run: a RunId is new with each.


@dataclass(frozen=True)
class PackageImageListFieldSet(PackageFieldSet, ImageListFieldSet):
    """What `package` works on."""

    required_fields = ImageListFieldSet.required_fields


@dataclass(frozen=True)
class PlanArtifact(BuiltPackageArtifact):
    """The plan, so that `publish` need not read it back."""

    content: bytes = b"[]"


@rule(desc="Package a mirror's plan", level=LogLevel.DEBUG)
async def package_plan(field_set: PackageImageListFieldSet, packaged: PackagedPaths) -> BuiltPackage:
    path = output_path(field_set)
    plan: Plan = await plan_for(PlanRequest(field_set))
    if plan.errors:
        raise PlanError("\n".join(plan.errors))
    packaged.add(path, field_set.address)
    digest: Digest = await create_digest(CreateDigest([FileContent(path, plan.content)]))
    artifact = PlanArtifact(path, extra_log_lines=(f"  {plan.summary}",), content=plan.content)
    return BuiltPackage(digest, (artifact,))


def rules() -> Iterable[object]:
    return (*collect_rules(), UnionRule(PackageFieldSet, PackageImageListFieldSet))
