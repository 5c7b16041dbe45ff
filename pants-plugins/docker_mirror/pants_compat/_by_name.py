"""Engine calls by name, for Pants 2.27 and later (2.32 knows nothing else).

A rule whose explicit argument is its whole input is re-exported. One that takes more from the scope (the environment,
the specs) gets an `async` helper, which the visitor follows into and `concurrently` accepts.
"""

from __future__ import annotations

from typing import Any, Callable

from pants.base.specs import RawSpecs
from pants.core.util_rules.external_tool import download_external_tool
from pants.core.util_rules.system_binaries import BinaryPathRequest, BinaryPaths
from pants.core.util_rules.system_binaries import find_binary as _find_binary
from pants.engine.addresses import UnparsedAddressInputs
from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.environment import EnvironmentName
from pants.engine.internals.graph import hydrate_sources as _hydrate_sources
from pants.engine.internals.graph import resolve_target as _resolve_target
from pants.engine.internals.graph import resolve_targets as _resolve_targets
from pants.engine.internals.specs_rules import (
    find_valid_field_sets_for_target_roots as _find_valid_field_sets_for_target_roots,
)
from pants.engine.intrinsics import (
    create_digest,
    merge_digests,
    path_globs_to_digest,
    path_globs_to_paths,
    run_interactive_process_in_environment,
)
from pants.engine.intrinsics import execute_process as _execute_process
from pants.engine.intrinsics import get_digest_contents as digest_contents
from pants.engine.intrinsics import get_digest_entries as digest_entries
from pants.engine.process import (
    FallibleProcessResult,
    InteractiveProcess,
    InteractiveProcessResult,
    Process,
    ProcessResult,
    fallible_to_exec_result_or_raise,
)
from pants.engine.rules import concurrently, implicitly
from pants.engine.target import (
    HydratedSources,
    HydrateSourcesRequest,
    TargetRootsToFieldSets,
    TargetRootsToFieldSetsRequest,
    Targets,
    WrappedTarget,
    WrappedTargetRequest,
)

try:  # 2.29 and later
    from pants.core.util_rules.env_vars import environment_vars_subset as _environment_vars_subset
except ImportError:
    from pants.engine.internals.platform_rules import environment_vars_subset as _environment_vars_subset
try:  # 2.28 and later
    from pants.core.environments.target_types import EnvironmentTarget
except ImportError:
    from pants.core.util_rules.environments import EnvironmentTarget

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


async def execute_process(process: Process) -> FallibleProcessResult:
    return await _execute_process(process, **implicitly())


async def execute_process_or_raise(process: Process) -> ProcessResult:
    return await fallible_to_exec_result_or_raise(**implicitly({process: Process}))


async def environment_vars_subset(request: EnvironmentVarsRequest) -> EnvironmentVars:
    return await _environment_vars_subset(request, **implicitly())


async def field_sets_for_target_roots(request: TargetRootsToFieldSetsRequest) -> TargetRootsToFieldSets:
    return await _find_valid_field_sets_for_target_roots(request, **implicitly())


async def find_binary(request: BinaryPathRequest) -> BinaryPaths:
    return await _find_binary(request, **implicitly())


async def hydrate_sources(request: HydrateSourcesRequest) -> HydratedSources:
    return await _hydrate_sources(request, **implicitly())


async def resolve_address_inputs(inputs: UnparsedAddressInputs) -> Targets:
    return await _resolve_targets(**implicitly(inputs))


async def resolve_raw_specs(specs: RawSpecs) -> Targets:
    return await _resolve_targets(**implicitly(specs))


async def resolve_target(request: WrappedTargetRequest) -> WrappedTarget:
    return await _resolve_target(request, **implicitly())


async def run_interactive(process: InteractiveProcess, environment: EnvironmentName) -> InteractiveProcessResult:
    return await run_interactive_process_in_environment(process, environment)


def rule_call(rule: Callable[..., Any], request_type: type, result_type: type) -> Callable[[Any], Any]:
    """A function that asks the engine for `rule`'s memoized answer to a request.

    The visitor finds the rule among the inner function's closure's variables.
    """

    async def call(request: Any) -> Any:
        return await rule(request, **implicitly())

    return call
