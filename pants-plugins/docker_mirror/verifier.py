"""The helper with what verifies signatures beside it, for goals that judge images by a policy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pants.engine.fs import Digest, MergeDigests
from pants.engine.rules import collect_rules, rule

from docker_mirror.errors import HelperError
from docker_mirror.helper import AvailableHelper, MirrorHelper
from docker_mirror.helper_build import VERIFIER, BuiltHelper, BuiltHelperRequest, built_helper
from docker_mirror.helper_download import DownloadedHelper, DownloadedHelperRequest, downloaded_helper
from docker_mirror.helper_prebuilt import PrebuiltHelper, PrebuiltHelperRequest, prebuilt_helper
from docker_mirror.helper_process import VERIFIER_NAME
from docker_mirror.pants_compat import merge_digests, rule_call
from docker_mirror.policy import PolicyAnswer, PolicyQuestion, asked_of_policy
from docker_mirror.subsystem import DockerMirrorSubsystem


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
    demands: PolicyAnswer = await asked_of_policy(
        PolicyQuestion("demands", f"Find out whether {subsystem.policy} wants signatures")
    )
    # What an unseen policy wants isn't known before it is carried out.
    if not demands.unseen and VERIFIER_NAME not in demands.lines:
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
