"""Whether the files of the `pins` field say what their list's lock says."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from pants.engine.addresses import Address
from pants.engine.fs import CreateDigest, Digest, FileContent, MergeDigests, PathGlobs
from pants.engine.process import FallibleProcessResult, Process
from pants.engine.rules import collect_rules, rule
from pants.util.logging import LogLevel

from docker_mirror.field_sets import ImageListFieldSet
from docker_mirror.helper import HELPER_EXE, MirrorHelper
from docker_mirror.hidden_files import HiddenFiles, HiddenFilesRequest, hidden_files, why_hidden
from docker_mirror.pants_compat import (
    create_digest,
    execute_process,
    merge_digests,
    path_globs_to_digest,
    rule_call,
)
from docker_mirror.plan import plan_path


@dataclass(frozen=True)
class PinCheckRequest:
    address: Address
    files: tuple[str, ...]
    """From the build root."""
    plan: bytes


@dataclass(frozen=True)
class PinCheck:
    findings: str
    """A line each place that says something else than the lock."""
    errors: str
    differs: bool


def pinned_files(fields: ImageListFieldSet) -> tuple[str, ...]:
    """From the build root."""
    return tuple(os.path.normpath(os.path.join(fields.address.spec_path, path)) for path in fields.pins.value)


@rule
async def check_pins_of(request: PinCheckRequest, helper: MirrorHelper) -> PinCheck:
    path = plan_path(request.address)
    hidden: HiddenFiles = await hidden_files(HiddenFilesRequest(request.files))
    if hidden.paths:
        lines = (f"{request.address}: {why_hidden(pinned)}\n" for pinned in hidden.paths)
        return PinCheck("", "".join(lines), differs=True)
    # A file that isn't there is the helper's to tell.
    files_digest: Digest = await path_globs_to_digest(PathGlobs(request.files))
    plan_digest: Digest = await create_digest(CreateDigest([FileContent(path, request.plan)]))
    input_digest: Digest = await merge_digests(MergeDigests((files_digest, plan_digest)))
    result: FallibleProcessResult = await execute_process(
        Process(
            (HELPER_EXE, "pin", "--check", f"--list={path}", *request.files),
            input_digest=input_digest,
            immutable_input_digests=helper.immutable_input_digests,
            description=f"Check the pins of {request.address}",
            level=LogLevel.DEBUG,
        )
    )
    return PinCheck(result.stdout.decode(), result.stderr.decode(), result.exit_code != 0)


check_pins = rule_call(check_pins_of, PinCheckRequest, PinCheck)


def rules() -> Iterable[object]:
    return collect_rules()
