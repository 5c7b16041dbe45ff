"""The policy that locks are judged by, for processes that run in a sandbox and whose results Pants keeps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone

from pants.engine.fs import EMPTY_DIGEST, Digest, PathGlobs
from pants.engine.internals.session import RunId
from pants.engine.rules import collect_rules, rule

from docker_mirror.pants_compat import path_globs_to_digest, rule_call
from docker_mirror.subsystem import DockerMirrorSubsystem


@dataclass(frozen=True)
class JudgedRequest:
    pass


@dataclass(frozen=True)
class Judged:
    """How a sandboxed process is told by what it judges locks."""

    digest: Digest = EMPTY_DIGEST
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class HourRequest:
    pass


@dataclass(frozen=True)
class Hour:
    """The hour that has begun. A process that is told it may be remembered for so long."""

    text: str


@rule
async def current_hour(_: HourRequest, run_id: RunId) -> Hour:
    # A RunId is new with each run, so that pantsd doesn't take the hour of an earlier one.
    now = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0)
    return Hour(now.strftime("%Y-%m-%dT%H:%M:%SZ"))


current_hour_of = rule_call(current_hour, HourRequest, Hour)


@rule
async def judged(_: JudgedRequest, subsystem: DockerMirrorSubsystem) -> Judged:
    if not subsystem.policy:
        return Judged()
    # Pants has found out that the option's file is there.
    digest: Digest = await path_globs_to_digest(PathGlobs([subsystem.policy]))
    hour: Hour = await current_hour_of(HourRequest())
    return Judged(digest, (f"--policy={subsystem.policy}", f"--at={hour.text}"))


judged_by = rule_call(judged, JudgedRequest, Judged)


def rules() -> Iterable[object]:
    return collect_rules()
