"""The policy that locks are judged by, for processes that run in a sandbox and whose results Pants keeps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone

from pants.engine.fs import EMPTY_DIGEST, Digest, MergeDigests, PathGlobs
from pants.engine.internals.session import RunId
from pants.engine.process import FallibleProcessResult, Process
from pants.engine.rules import collect_rules, rule
from pants.util.logging import LogLevel

from docker_mirror.helper import HELPER_EXE, MirrorHelper
from docker_mirror.pants_compat import execute_process, merge_digests, path_globs_to_digest, rule_call
from docker_mirror.subsystem import DockerMirrorSubsystem


@dataclass(frozen=True)
class PolicyQuestion:
    """What the helper is to say of the policy: `docker-mirror policy COMMAND`."""

    command: str
    description: str


@dataclass(frozen=True)
class PolicyAnswer:
    lines: tuple[str, ...] = ()
    """None where the policy has a mistake: whoever carries it out says which."""
    unseen: str = ""
    """Why sandboxes can't have the policy, where they can't. Goals that run in the repository still read it."""


@rule
async def ask_of_policy(
    question: PolicyQuestion, subsystem: DockerMirrorSubsystem, helper: MirrorHelper
) -> PolicyAnswer:
    assert subsystem.policy
    policy: Digest = await path_globs_to_digest(PathGlobs(in_the_repository([subsystem.policy])))
    if policy == EMPTY_DIGEST:
        return PolicyAnswer(unseen=unseen_policy(subsystem.policy))
    said: FallibleProcessResult = await execute_process(
        Process(
            (HELPER_EXE, "policy", question.command, f"--policy={subsystem.policy}"),
            input_digest=policy,
            immutable_input_digests=helper.immutable_input_digests,
            description=question.description,
            level=LogLevel.DEBUG,
        )
    )
    return PolicyAnswer(tuple(line.decode() for line in said.stdout.splitlines()))


asked_of_policy = rule_call(ask_of_policy, PolicyQuestion, PolicyAnswer)


@dataclass(frozen=True)
class JudgedRequest:
    trusted_roots: bool
    """Whether the trusted roots that the policy names are wanted, too."""


@dataclass(frozen=True)
class Judged:
    """How a sandboxed process is told by what it judges locks."""

    digest: Digest = EMPTY_DIGEST
    flags: tuple[str, ...] = ()
    error: str = ""
    """Why nothing can be judged."""


def unseen_policy(policy: str) -> str:
    if in_the_repository([policy]):
        return (
            f"`[docker-mirror].policy` is {policy}, which Pants ignores: `.gitignore` or `[GLOBAL].pants_ignore` names "
            "it. Where results are kept, as those of `lint` are, it can't be judged by."
        )
    return (
        f"`[docker-mirror].policy` is {policy}, outside of the repository, where Pants sees no edit. Where results are "
        "kept, as those of `lint` are, it can't be judged by: move it into the repository."
    )


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
async def judged(request: JudgedRequest, subsystem: DockerMirrorSubsystem) -> Judged:
    if not subsystem.policy:
        return Judged()
    # Pants has found out that the option's file is there.
    digest: Digest = await path_globs_to_digest(PathGlobs(in_the_repository([subsystem.policy])))
    if digest == EMPTY_DIGEST:
        return Judged(error=unseen_policy(subsystem.policy))
    if request.trusted_roots:
        named: PolicyAnswer = await asked_of_policy(
            PolicyQuestion("files", f"Find the trusted roots of {subsystem.policy}")
        )
        # Who lints says what isn't there.
        roots: Digest = await path_globs_to_digest(PathGlobs(in_the_repository(named.lines)))
        digest = await merge_digests(MergeDigests((digest, roots)))
    hour: Hour = await current_hour_of(HourRequest())
    return Judged(digest, (f"--policy={subsystem.policy}", f"--at={hour.text}"))


def in_the_repository(paths: Iterable[str]) -> tuple[str, ...]:
    """Those that globs can name."""
    return tuple(path for path in paths if not path.startswith(("/", "../")))


judged_by = rule_call(judged, JudgedRequest, Judged)


def rules() -> Iterable[object]:
    return collect_rules()
