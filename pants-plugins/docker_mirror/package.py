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
from pants.engine.target import AllUnexpandedTargets
from pants.engine.unions import UnionRule
from pants.util.frozendict import FrozenDict
from pants.util.logging import LogLevel

from docker_mirror.errors import DockerMirrorError
from docker_mirror.field_sets import ImageListFieldSet
from docker_mirror.neighbours import ListsIn, ListsInRequest, lists_in
from docker_mirror.pants_compat import create_digest, rule_call
from docker_mirror.plan import Plan, PlanError
from docker_mirror.planning import PlanRequest, plan_for
from docker_mirror.target_types import DockerMirrorOutputPathField, DockerMirrorSpecSourceField

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


def is_of_one_directory(template: str) -> bool:
    """Whether no target in another directory can have the same path by this template."""
    return "{full_directory}" in template or "{address}" in template


@dataclass(frozen=True)
class OutputPathsRequest:
    directories: tuple[str, ...]


@dataclass(frozen=True)
class OutputPaths:
    """Which targets' plans are written where, as far as targets say it themselves: else the address makes the path."""

    addresses: FrozenDict[str, tuple[Address, ...]]


@rule
async def find_output_paths(request: OutputPathsRequest) -> OutputPaths:
    found: ListsIn = await lists_in(ListsInRequest(request.directories))
    return OutputPaths(output_paths((*found.lists, *found.generated)))


output_paths_in = rule_call(find_output_paths, OutputPathsRequest, OutputPaths)


@dataclass(frozen=True)
class DirectoriesRequest:
    """The directories of all targets that say themselves where their plans are written."""


@dataclass(frozen=True)
class Directories:
    paths: tuple[str, ...]


@rule
async def find_directories(_: DirectoriesRequest, everything: AllUnexpandedTargets) -> Directories:
    # This reads all BUILD files, and no source of a target: most of a repository has nothing to do with it.
    field = DockerMirrorOutputPathField
    own = {t.address.spec_path for t in everything if t.has_field(field) and t[field].value != field.default}
    return Directories(tuple(sorted(own)))


directories_of = rule_call(find_directories, DirectoriesRequest, Directories)


def output_paths(lists: Iterable[ImageListFieldSet]) -> FrozenDict[str, tuple[Address, ...]]:
    result: dict[str, tuple[Address, ...]] = {}
    for fields in lists:
        if fields.output_path.value != fields.output_path.default:
            try:
                path = output_path(fields)
            except OutputPathError:
                continue  # That target's own.
            result[path] = (*result.get(path, ()), fields.address)
    return FrozenDict(result)


def shared_output_path(path: str, addresses: Iterable[Address]) -> str:
    """That all these targets' plans would be written to one path."""
    return (
        f"The `output_path` field gives the plans of {', '.join(address.spec for address in addresses)} the same path, "
        f"{path}, so that one `package` can't write them. Placeholders tell targets apart: `{{full_directory}}`, "
        "`{target_name}`, `{spec_file}` and, of `parametrize`, `{parameters}`."
    )


@dataclass(frozen=True)
class SharedOutputPathRequest:
    """To tell of the targets of one path.

    That is no mistake of one that is packaged alone, and `publish` writes no plan below the dist directory. `package`
    of two ends with Pants' own error, which tells of the path and of the plans' first bytes alone.
    """

    path: str
    directories: tuple[str, ...]


@dataclass(frozen=True)
class SharedOutputPath:
    addresses: tuple[Address, ...]


@rule
async def tell_of_shared_output_path(request: SharedOutputPathRequest, run_id: RunId) -> SharedOutputPath:
    # With a RunId, so that it is told once by each run, under pantsd, too. Pants also asks what an earlier run asked,
    # to find out whether its result still holds: so what is told is looked up now.
    paths: OutputPaths = await output_paths_in(OutputPathsRequest(request.directories))
    shared = paths.addresses.get(request.path, ())
    if len(shared) > 1:
        logger.warning(shared_output_path(request.path, shared))
    return SharedOutputPath(shared)


told_of_shared_output_path = rule_call(tell_of_shared_output_path, SharedOutputPathRequest, SharedOutputPath)


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
    if field_set.output_path.value != field_set.output_path.default:
        directories: tuple[str, ...] = (field_set.address.spec_path,)
        if not is_of_one_directory(field_set.output_path.value):
            try:
                everywhere: Directories = await directories_of(DirectoriesRequest())
                directories = everywhere.paths
            except Exception:
                # What is wrong with another BUILD file is none of this list's, and told where that is asked for.
                logger.debug("No look for other targets' output_path", exc_info=True)
        paths: OutputPaths = await output_paths_in(OutputPathsRequest(directories))
        if len(paths.addresses.get(path, ())) > 1:
            _: SharedOutputPath = await told_of_shared_output_path(SharedOutputPathRequest(path, directories))
    plan: Plan = await plan_for(PlanRequest(field_set))
    if plan.errors:
        raise PlanError("\n".join(plan.errors))
    digest: Digest = await create_digest(CreateDigest([FileContent(path, plan.content)]))
    artifact = PlanArtifact(path, extra_log_lines=(f"  {plan.summary}",), content=plan.content)
    return BuiltPackage(digest, (artifact,))


def rules() -> Iterable[object]:
    return (*collect_rules(), UnionRule(PackageFieldSet, PackageImageListFieldSet))
