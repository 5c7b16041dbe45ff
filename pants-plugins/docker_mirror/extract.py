"""`pants extract`: lists made of what charts and manifests ask for, and the check that they still are.

What a list comes from is any target with manifests: files, generated ones too (`shell_command`, `adhoc_tool`), and
with the backend `docker_mirror.helm` charts and deployments.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from difflib import unified_diff

from pants.core.target_types import FileSourceField
from pants.engine.addresses import Address
from pants.engine.console import Console
from pants.engine.environment import EnvironmentName
from pants.engine.fs import CreateDigest, Digest, DigestContents, FileContent, MergeDigests, PathGlobs, Workspace
from pants.engine.goal import Goal, GoalSubsystem
from pants.engine.process import FallibleProcessResult, Process
from pants.engine.rules import collect_rules, goal_rule, rule
from pants.engine.target import (
    FieldSet,
    MultipleSourcesField,
    NoApplicableTargetsBehavior,
    SourcesField,
    Target,
    TargetRootsToFieldSets,
    TargetRootsToFieldSetsRequest,
    Targets,
)
from pants.engine.unions import UnionRule, union
from pants.util.logging import LogLevel

from docker_mirror.errors import EXIT_BAD_INPUT
from docker_mirror.generated_files import GeneratedFiles, GeneratedFilesRequest, files_of
from docker_mirror.helper import HELPER_EXE, MirrorHelper
from docker_mirror.pants_compat import (
    concurrently,
    create_digest,
    digest_contents,
    execute_process,
    field_sets_for_target_roots,
    merge_digests,
    path_globs_to_digest,
    resolve_address_inputs,
    rule_call,
)
from docker_mirror.plan import located
from docker_mirror.target_types import (
    DockerMirrorExtractArgsField,
    DockerMirrorExtractFromField,
    DockerMirrorSpecSourceField,
)


class RenderedManifestsField(MultipleSourcesField):
    """What a code generator can make of a target's sources to have images extracted; no target has this field."""

    alias = "_rendered_manifests"


@union(in_scope_types=[EnvironmentName])
@dataclass(frozen=True)
class ExtractFieldSet(FieldSet):
    """What the `extract` goal works on. Pants finds field sets for target roots only through a union."""


@dataclass(frozen=True)
class ExtractImageListFieldSet(ExtractFieldSet):
    required_fields = (DockerMirrorSpecSourceField, DockerMirrorExtractFromField)

    source: DockerMirrorSpecSourceField
    extract_from: DockerMirrorExtractFromField
    extract_args: DockerMirrorExtractArgsField

    @classmethod
    def opt_out(cls, tgt: Target) -> bool:
        return not tgt[DockerMirrorExtractFromField].value


class ExtractGoalSubsystem(GoalSubsystem):
    name = "extract"
    help = "Extract the lists of targets with `extract_from` from their charts and manifests."


class Extract(Goal):
    subsystem_cls = ExtractGoalSubsystem
    # The lists are written here, and what they come from must not depend on where.
    environment_behavior = Goal.EnvironmentBehavior.LOCAL_ONLY


@dataclass(frozen=True)
class ExtractRequest:
    fields: ExtractImageListFieldSet


@dataclass(frozen=True)
class Extracted:
    """A list as it should be and as it is or, where there is an error, what is wrong with its manifests."""

    address: Address
    path: str
    wanted: bytes = b""
    found: bytes = b""
    error: str = ""

    @property
    def is_stale(self) -> bool:
        return not self.error and self.wanted != self.found

    @property
    def diff(self) -> str:
        lines = unified_diff(
            self.found.decode(errors="replace").splitlines(),
            self.wanted.decode(errors="replace").splitlines(),
            f"{self.path} (as it is)",
            f"{self.path} (as its manifests ask for)",
            lineterm="",
        )
        return "\n".join(lines)


def no_manifests(address: Address, source: Address) -> str:
    return (
        f"{address}: {source} in the `{DockerMirrorExtractFromField.alias}` field has no files. It can name files, "
        "targets that generate files, and, with the backend `docker_mirror.helm`, `helm_chart` and `helm_deployment`."
    )


@rule(desc="Extract images of manifests", level=LogLevel.DEBUG)
async def extract_images(request: ExtractRequest, helper: MirrorHelper) -> Extracted:
    fields = request.fields
    # A list that isn't there yet is to be written.
    current: Digest = await path_globs_to_digest(PathGlobs([fields.source.file_path]))
    found: DigestContents = await digest_contents(current)
    path = found[0].path if found else os.path.normpath(fields.source.file_path)
    fields.source.validate_resolved_files([path])  # Its ending.
    targets: Targets = await resolve_address_inputs(fields.extract_from.to_unparsed_address_inputs())
    manifests: tuple[GeneratedFiles, ...] = await concurrently(
        files_of(GeneratedFilesRequest(target.get(SourcesField), (FileSourceField, RenderedManifestsField)))
        for target in targets
    )
    errors = [generated.error for generated in manifests if generated.error]
    if errors:
        return Extracted(fields.address, path, error=located(fields.address, "\n".join(errors)))
    for target, generated in zip(targets, manifests):
        if not generated.names:
            return Extracted(fields.address, path, error=no_manifests(fields.address, target.address))
    digest: Digest = await merge_digests(MergeDigests([generated.digest for generated in manifests]))
    files = sorted({name for generated in manifests for name in generated.names})
    result: FallibleProcessResult = await execute_process(
        Process(
            (HELPER_EXE, "extract", *fields.extract_args.value, *files),
            input_digest=digest,
            immutable_input_digests=helper.immutable_input_digests,
            description=f"Extract the images of {fields.address}",
            level=LogLevel.DEBUG,
        )
    )
    if result.exit_code != 0:
        return Extracted(fields.address, path, error=f"{fields.address}: {result.stderr.decode().strip()}")
    return Extracted(fields.address, path, result.stdout, found[0].content if found else b"")


extracted = rule_call(extract_images, ExtractRequest, Extracted)


def two_of_one_path(lists: Iterable[Extracted]) -> list[str]:
    """Errors for lists that two targets own and want to be different, or of one declaration."""
    by_path: dict[str, Extracted] = {}
    errors = []
    for images in lists:
        other = by_path.setdefault(images.path, images)
        if other.wanted != images.wanted:
            errors.append(f"{other.address} and {images.address} want different images in {images.path}.")
    return errors


def what_was_done(paths: Iterable[str], written: Container[str]) -> Iterator[str]:
    """A line for each list that was written, and one for all others."""
    paths = tuple(dict.fromkeys(paths))
    yield from (f"{path} written." for path in paths if path in written)
    unchanged = [path for path in paths if path not in written]
    if len(unchanged) > 1:
        yield f"{len(unchanged)} lists unchanged."
    elif unchanged:
        yield f"{unchanged[0]} unchanged."


@goal_rule
async def extract(console: Console, workspace: Workspace) -> Extract:
    roots: TargetRootsToFieldSets[ExtractFieldSet] = await field_sets_for_target_roots(
        TargetRootsToFieldSetsRequest(
            ExtractFieldSet,
            goal_description="the `extract` goal",
            no_applicable_targets_behavior=NoApplicableTargetsBehavior.ignore,
        )
    )
    if not roots.field_sets:
        console.print_stderr("No image list with `extract_from` is selected, so nothing was extracted.")
    requests = [
        ExtractRequest(fields)
        for fields in sorted(roots.field_sets, key=lambda fs: fs.address)
        if isinstance(fields, ExtractImageListFieldSet)
    ]
    lists: tuple[Extracted, ...] = await concurrently(extracted(request) for request in requests)
    errors = [images.error for images in lists if images.error] + two_of_one_path(lists)
    for error in errors:
        console.print_stderr(f"{console.sigil_failed()} {error}")
    if errors:
        console.print_stderr("No list was written.")
        return Extract(exit_code=EXIT_BAD_INPUT)
    stale = {images.path: images for images in lists if images.is_stale}
    digest: Digest = await create_digest(
        CreateDigest([FileContent(path, images.wanted) for path, images in stale.items()])
    )
    workspace.write_digest(digest)
    for line in what_was_done([images.path for images in lists], stale):
        console.print_stderr(f"{console.sigil_succeeded()} {line}")
    return Extract(exit_code=0)


def rules() -> Iterable[object]:
    return (*collect_rules(), UnionRule(ExtractFieldSet, ExtractImageListFieldSet))
