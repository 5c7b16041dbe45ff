"""The helper, `docker-mirror`: where it comes from, and whether it is one that this backend can work with."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pants.engine.fs import Digest
from pants.engine.internals.session import RunId
from pants.engine.process import FallibleProcessResult, Process
from pants.engine.rules import collect_rules, rule
from pants.util.logging import LogLevel

from docker_mirror.errors import HelperError
from docker_mirror.helper_build import BuiltHelper, BuiltHelperRequest, built_helper
from docker_mirror.helper_download import DownloadedHelper, DownloadedHelperRequest, downloaded_helper
from docker_mirror.helper_prebuilt import PrebuiltHelper, PrebuiltHelperRequest, prebuilt_helper
from docker_mirror.helper_process import HELPER_EXE, HELPER_NAME, helper_inputs
from docker_mirror.pants_compat import execute_process, rule_call
from docker_mirror.subsystem import DockerMirrorSubsystem
from docker_mirror.version import PROTOCOL, VERSION

logger = logging.getLogger(__name__)

__all__ = [
    "HELPER_EXE",
    "HELPER_NAME",
    "HelperError",
    "LintersHelper",
    "LintersHelperRequest",
    "MirrorHelper",
    "linters_helper",
]

_CANNOT_EXECUTE = 126
"""The exit code of shells for it."""

_NOT_LAUNCHED = "Error launching process"
"""What the engine says of an executable that can't be started."""


@dataclass(frozen=True)
class AvailableHelperRequest:
    pass


@dataclass(frozen=True)
class AvailableHelper:
    """For goals that go on without the helper."""

    digest: Digest
    """The executable is at its root and named `HELPER_NAME`."""
    missing: str = ""
    """Why there is none: no Go is installed that could build it. Whatever else is wrong is an error."""

    @property
    def immutable_input_digests(self) -> Mapping[str, Digest]:
        return helper_inputs(self.digest)


@dataclass(frozen=True)
class MirrorHelper(AvailableHelper):
    """For goals that can't do without."""


def refuse_stranger(origin: str, exit_code: int, stdout: bytes) -> None:
    """
    :param origin: where the executable comes from.
    :param stdout: of its `version --json`.
    :raises HelperError: unless it is docker-mirror, of this backend's version.
    """
    try:
        said = json.loads(stdout) if exit_code == 0 else {}
    except ValueError:
        said = {}
    if not isinstance(said, dict) or said.get("name") != HELPER_NAME:
        raise HelperError(
            f"{origin} is no `docker-mirror` for this platform, or an older one: it doesn't know `version --json`. "
            f"This backend needs docker-mirror {VERSION}."
        )
    if (said.get("version"), said.get("protocol")) != (VERSION, PROTOCOL):
        raise HelperError(
            f"{origin} is docker-mirror {said.get('version')} (protocol {said.get('protocol')}), and this backend "
            f"needs docker-mirror {VERSION} (protocol {PROTOCOL}). Use the two of one release."
        )


@dataclass(frozen=True)
class CheckedHelperRequest:
    digest: Digest
    origin: str


@dataclass(frozen=True)
class CheckedHelper:
    digest: Digest


@rule
async def check_helper(request: CheckedHelperRequest) -> CheckedHelper:
    # Of what was built there is no doubt; this is for executables that come from elsewhere.
    exit_code, stdout = _CANNOT_EXECUTE, b""
    try:
        result: FallibleProcessResult = await execute_process(
            Process(
                (HELPER_EXE, "version", "--json"),
                immutable_input_digests=helper_inputs(request.digest),
                description="Ask docker-mirror's helper for its version",
                level=LogLevel.DEBUG,
            )
        )
        exit_code, stdout = result.exit_code, result.stdout
    except Exception as e:
        # Of a file that the system can't run, 2.17 has a shell try what it makes of it, and 2.33 raises an error.
        if _NOT_LAUNCHED not in str(e):
            raise
    refuse_stranger(request.origin, exit_code, stdout)
    return CheckedHelper(request.digest)


checked_helper = rule_call(check_helper, CheckedHelperRequest, CheckedHelper)


@rule
async def find_helper(request: AvailableHelperRequest, subsystem: DockerMirrorSubsystem) -> AvailableHelper:
    if subsystem.helper:
        prebuilt: PrebuiltHelper = await prebuilt_helper(
            PrebuiltHelperRequest(subsystem.helper, subsystem.helper_sha256)
        )
        checked: CheckedHelper = await checked_helper(
            CheckedHelperRequest(prebuilt.digest, f"`[docker-mirror].helper` ({subsystem.helper})")
        )
        return AvailableHelper(checked.digest)
    if subsystem.helper_sha256:
        raise HelperError(
            "`[docker-mirror].helper_sha256` is set without `[docker-mirror].helper`: it is the digest of that "
            "executable, and of no other. The digest of one that is downloaded stands in "
            "`[docker-mirror].known_versions`."
        )
    if not subsystem.build:
        downloaded: DownloadedHelper = await downloaded_helper(DownloadedHelperRequest())
        checked = await checked_helper(CheckedHelperRequest(downloaded.digest, downloaded.url))
        return AvailableHelper(checked.digest)
    built: BuiltHelper = await built_helper(BuiltHelperRequest())
    return AvailableHelper(built.digest, built.missing)


available_helper = rule_call(find_helper, AvailableHelperRequest, AvailableHelper)


@dataclass(frozen=True)
class LintersHelperRequest:
    pass


@dataclass(frozen=True)
class LintersHelper:
    """For goals that others take part in, which must go on: `lint` and `fmt`."""

    found: bool


@rule
async def find_linters_helper(request: LintersHelperRequest, run_id: RunId) -> LintersHelper:
    # With a RunId, so that it is said once by each run, under pantsd, too.
    helper: AvailableHelper = await available_helper(AvailableHelperRequest())
    if helper.missing:
        reason = helper.missing.splitlines()[0].rstrip(".:")
        logger.warning(
            f"Image lists are left out: {reason}. `[docker-mirror].helper` can name an executable that is built "
            "already."
        )
    return LintersHelper(not helper.missing)


linters_helper = rule_call(find_linters_helper, LintersHelperRequest, LintersHelper)


@rule
async def mirror_helper() -> MirrorHelper:
    helper: AvailableHelper = await available_helper(AvailableHelperRequest())
    if helper.missing:
        raise HelperError(helper.missing)
    return MirrorHelper(helper.digest)


def rules() -> Iterable[object]:
    return collect_rules()
