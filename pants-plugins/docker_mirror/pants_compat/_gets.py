"""Engine calls as `Get`s, for Pants 2.17 to 2.26.

Each is a plain function annotated with a bare `Get`: the visitor that finds out what a rule depends on follows such a
call, but collects nothing from `-> Get[X]`, whose annotation is no type at run time.
"""

# A bare `Get` is needed, see above.
# mypy: disable-error-code="type-arg"

from __future__ import annotations

from typing import Any, Callable

from pants.base.specs import RawSpecs
from pants.core.util_rules.environments import EnvironmentTarget
from pants.core.util_rules.external_tool import DownloadedExternalTool, ExternalToolRequest
from pants.core.util_rules.system_binaries import BinaryPathRequest, BinaryPaths
from pants.engine.addresses import UnparsedAddressInputs
from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.environment import EnvironmentName
from pants.engine.fs import CreateDigest, Digest, DigestContents, DigestEntries, MergeDigests, PathGlobs, Paths
from pants.engine.internals.selectors import Effect, Get
from pants.engine.internals.selectors import MultiGet as concurrently
from pants.engine.process import (
    FallibleProcessResult,
    InteractiveProcess,
    InteractiveProcessResult,
    Process,
    ProcessResult,
)
from pants.engine.target import (
    HydratedSources,
    HydrateSourcesRequest,
    TargetRootsToFieldSets,
    TargetRootsToFieldSetsRequest,
    Targets,
    WrappedTarget,
    WrappedTargetRequest,
)

__all__ = [
    "EnvironmentTarget",
    "concurrently",
    "create_digest",
    "digest_contents",
    "digest_entries",
    "download_external_tool",
    "environment_vars_subset",
    "execute_process",
    "execute_process_or_raise",
    "field_sets_for_target_roots",
    "find_binary",
    "hydrate_sources",
    "merge_digests",
    "path_globs_to_digest",
    "path_globs_to_paths",
    "resolve_address_inputs",
    "resolve_raw_specs",
    "resolve_target",
    "rule_call",
    "run_interactive",
]


def create_digest(request: CreateDigest) -> Get:
    return Get(Digest, CreateDigest, request)


def digest_contents(digest: Digest) -> Get:
    return Get(DigestContents, Digest, digest)


def digest_entries(digest: Digest) -> Get:
    return Get(DigestEntries, Digest, digest)


def download_external_tool(request: ExternalToolRequest) -> Get:
    return Get(DownloadedExternalTool, ExternalToolRequest, request)


def merge_digests(request: MergeDigests) -> Get:
    return Get(Digest, MergeDigests, request)


def execute_process(process: Process) -> Get:
    return Get(FallibleProcessResult, Process, process)


def execute_process_or_raise(process: Process) -> Get:
    return Get(ProcessResult, Process, process)


def environment_vars_subset(request: EnvironmentVarsRequest) -> Get:
    return Get(EnvironmentVars, EnvironmentVarsRequest, request)


def field_sets_for_target_roots(request: TargetRootsToFieldSetsRequest) -> Get:
    return Get(TargetRootsToFieldSets, TargetRootsToFieldSetsRequest, request)


def find_binary(request: BinaryPathRequest) -> Get:
    return Get(BinaryPaths, BinaryPathRequest, request)


def hydrate_sources(request: HydrateSourcesRequest) -> Get:
    return Get(HydratedSources, HydrateSourcesRequest, request)


def path_globs_to_digest(globs: PathGlobs) -> Get:
    return Get(Digest, PathGlobs, globs)


def path_globs_to_paths(globs: PathGlobs) -> Get:
    return Get(Paths, PathGlobs, globs)


def resolve_address_inputs(inputs: UnparsedAddressInputs) -> Get:
    return Get(Targets, UnparsedAddressInputs, inputs)


def resolve_raw_specs(specs: RawSpecs) -> Get:
    return Get(Targets, RawSpecs, specs)


def resolve_target(request: WrappedTargetRequest) -> Get:
    return Get(WrappedTarget, WrappedTargetRequest, request)


def run_interactive(process: InteractiveProcess, environment: EnvironmentName) -> Effect:
    return Effect(InteractiveProcessResult, {process: InteractiveProcess, environment: EnvironmentName})


def rule_call(rule: Callable[..., Any], request_type: type, result_type: type) -> Callable[[Any], Any]:
    """A function that asks the engine for `rule`'s memoized answer to a request.

    The visitor reads the inner function's source and finds the two types among its closure's variables.
    """

    def call(request: Any) -> Get:
        return Get(result_type, request_type, request)

    return call
