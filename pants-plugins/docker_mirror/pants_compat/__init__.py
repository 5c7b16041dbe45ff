"""The only place that knows which Pants rule API it runs on.

Up to 2.31 rules await `Get`s; from 2.27 they may, and from 2.32 they must, call other rules by name. Every engine call
that the backend makes has one name here, so that a call site reads the same under both:
`await create_digest(CreateDigest(...))`, `await concurrently(f(x) for x in xs)`.

`rule_call` gives such a name to a rule of the backend's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pants.version import PANTS_SEMVER

from docker_mirror.pants_compat._check_skip import CheckSkipRequest, CheckSkipResult, check_skip_union_rules
from docker_mirror.pants_compat._filespec import excluded_globs

CALL_BY_NAME: bool = PANTS_SEMVER.release >= (2, 27)
"""Whether this Pants can call rules by name. 2.27 is the first where everything we call can be."""

if TYPE_CHECKING or not CALL_BY_NAME:
    from docker_mirror.pants_compat._gets import (
        EnvironmentTarget,
        concurrently,
        create_digest,
        digest_contents,
        digest_entries,
        download_external_tool,
        environment_vars_subset,
        execute_process,
        execute_process_or_raise,
        field_sets_for_target_roots,
        find_binary,
        hydrate_sources,
        merge_digests,
        path_globs_to_digest,
        path_globs_to_paths,
        resolve_address_inputs,
        resolve_raw_specs,
        resolve_target,
        rule_call,
        run_interactive,
    )
else:
    from docker_mirror.pants_compat._by_name import (
        EnvironmentTarget,
        concurrently,
        create_digest,
        digest_contents,
        digest_entries,
        download_external_tool,
        environment_vars_subset,
        execute_process,
        execute_process_or_raise,
        field_sets_for_target_roots,
        find_binary,
        hydrate_sources,
        merge_digests,
        path_globs_to_digest,
        path_globs_to_paths,
        resolve_address_inputs,
        resolve_raw_specs,
        resolve_target,
        rule_call,
        run_interactive,
    )

__all__ = [
    "CALL_BY_NAME",
    "CheckSkipRequest",
    "CheckSkipResult",
    "EnvironmentTarget",
    "check_skip_union_rules",
    "concurrently",
    "create_digest",
    "digest_contents",
    "digest_entries",
    "download_external_tool",
    "environment_vars_subset",
    "excluded_globs",
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
