"""The helper with what verifies signatures beside it, for goals that judge images by a policy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pants.engine.fs import Digest, MergeDigests, PathGlobs
from pants.engine.process import FallibleProcessResult, Process
from pants.engine.rules import collect_rules, rule
from pants.util.logging import LogLevel

from docker_mirror.errors import HelperError
from docker_mirror.helper import HELPER_EXE, AvailableHelper, MirrorHelper
from docker_mirror.helper_build import VERIFIER, BuiltHelper, BuiltHelperRequest, built_helper
from docker_mirror.helper_download import DownloadedHelper, DownloadedHelperRequest, downloaded_helper
from docker_mirror.helper_prebuilt import PrebuiltHelper, PrebuiltHelperRequest, prebuilt_helper
from docker_mirror.helper_process import VERIFIER_NAME
from docker_mirror.pants_compat import execute_process, merge_digests, path_globs_to_digest, rule_call
from docker_mirror.policy import in_the_repository
from docker_mirror.subsystem import DockerMirrorSubsystem


@dataclass(frozen=True)
class DemandsRequest:
    policy: str


@dataclass(frozen=True)
class Demands:
    signatures: bool


@rule
async def policy_demands(request: DemandsRequest, helper: MirrorHelper) -> Demands:
    if not in_the_repository([request.policy]):
        return Demands(signatures=True)  # Nobody can look into it from a sandbox.
    policy: Digest = await path_globs_to_digest(PathGlobs([request.policy]))
    said: FallibleProcessResult = await execute_process(
        Process(
            (HELPER_EXE, "policy", "demands", f"--policy={request.policy}"),
            input_digest=policy,
            immutable_input_digests=helper.immutable_input_digests,
            description=f"Find out whether {request.policy} wants signatures",
            level=LogLevel.DEBUG,
        )
    )
    # What is wrong with the policy, the goal's own process says.
    return Demands(VERIFIER_NAME in said.stdout.decode().split())


policy_demands_of = rule_call(policy_demands, DemandsRequest, Demands)


@dataclass(frozen=True)
class JudgingHelperRequest:
    pass


@dataclass(frozen=True)
class JudgingHelper(AvailableHelper):
    """For what judges images. Where no signature is wanted it is the helper alone: the other is a large build."""


@rule
async def find_judging_helper(
    request: JudgingHelperRequest, helper: MirrorHelper, subsystem: DockerMirrorSubsystem
) -> JudgingHelper:
    if not subsystem.policy:
        return JudgingHelper(helper.digest)
    demands: Demands = await policy_demands_of(DemandsRequest(subsystem.policy))
    if not demands.signatures:
        return JudgingHelper(helper.digest)
    if subsystem.verifier:
        prebuilt: PrebuiltHelper = await prebuilt_helper(
            PrebuiltHelperRequest(subsystem.verifier, None, "verifier", VERIFIER_NAME)
        )
        verifier = prebuilt.digest
    elif not subsystem.build:
        # With `[docker-mirror].helper`, nothing is downloaded.
        if not subsystem.helper:
            downloaded: DownloadedHelper = await downloaded_helper(DownloadedHelperRequest())
            if downloaded.has_verifier:
                return JudgingHelper(helper.digest)
        raise HelperError(
            f"{subsystem.policy} wants signatures, and `[docker-mirror].build` is false, but nothing has what verifies "
            f"them: neither an archive at `[docker-mirror].url_template` with `{VERIFIER_NAME}` in it, nor "
            "`[docker-mirror].verifier`."
        )
    else:
        built: BuiltHelper = await built_helper(BuiltHelperRequest(VERIFIER))
        if built.missing:
            raise HelperError(
                f"{subsystem.policy} wants signatures, and what verifies them can't be built: {built.missing}\n"
                "`[docker-mirror].verifier` can name a `docker-mirror-verify` that is built already."
            )
        verifier = built.digest
    digest: Digest = await merge_digests(MergeDigests((helper.digest, verifier)))
    return JudgingHelper(digest)


judging_helper = rule_call(find_judging_helper, JudgingHelperRequest, JudgingHelper)


def rules() -> Iterable[object]:
    return collect_rules()
