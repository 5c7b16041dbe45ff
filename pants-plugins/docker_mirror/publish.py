"""`pants publish` for image lists: one engine run for all that one Pants run publishes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pants.backend.docker.subsystems.docker_options import DockerOptions
from pants.core.goals.package import PackageFieldSet
from pants.core.goals.publish import (
    PublishFieldSet,
    PublishOutputData,
    PublishPackages,
    PublishProcesses,
    PublishRequest,
)
from pants.engine.addresses import Address
from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.fs import CreateDigest, Digest, FileContent
from pants.engine.internals.session import RunId
from pants.engine.process import InteractiveProcess
from pants.engine.rules import collect_rules, rule
from pants.engine.target import WrappedTarget, WrappedTargetRequest
from pants.option.global_options import GlobalOptions
from pants.util.logging import LogLevel

from docker_mirror import environment, settings, spool
from docker_mirror.field_sets import ImageListFieldSet
from docker_mirror.helper import HELPER_EXE
from docker_mirror.package import PackageImageListFieldSet, PlanArtifact
from docker_mirror.pants_compat import (
    CheckSkipRequest,
    CheckSkipResult,
    check_skip_union_rules,
    create_digest,
    environment_vars_subset,
    resolve_target,
    rule_call,
)
from docker_mirror.plan import Plan
from docker_mirror.planning import PlanRequest, plan_for
from docker_mirror.published import PublishBatch, PublishedCopies, PublishedNames, SkippedNames
from docker_mirror.registries import MirrorRegistries
from docker_mirror.skipped import is_verbose
from docker_mirror.subsystem import DockerMirrorSubsystem, helper_flags
from docker_mirror.verifier import JudgingHelper, JudgingHelperRequest, judging_helper

_PLAN_FILE = "plan.json"


class PublishImageListRequest(PublishRequest["PublishImageListFieldSet"]):
    pass


@dataclass(frozen=True)
class PublishImageListFieldSet(PublishFieldSet[PublishImageListRequest], ImageListFieldSet):
    """What `publish` works on."""

    publish_request_type = PublishImageListRequest
    required_fields = ImageListFieldSet.required_fields

    def get_output_data(self) -> PublishOutputData:
        return PublishOutputData({"publisher": "docker_mirror", **super().get_output_data()})

    def check_skip_request(self, package_fs: PackageFieldSet) -> CheckSkipImageListRequest | None:
        """Called by Pants 2.32 and later, before anything is built."""
        if not isinstance(package_fs, PackageImageListFieldSet):
            return None
        return CheckSkipImageListRequest(package_fs=package_fs, publish_fs=self)


class CheckSkipImageListRequest(CheckSkipRequest):
    pass


@rule(level=LogLevel.DEBUG)
async def check_skip_image_list(
    request: CheckSkipImageListRequest, subsystem: DockerMirrorSubsystem, registries: MirrorRegistries
) -> CheckSkipResult:
    fields = request.publish_fs
    assert isinstance(fields, PublishImageListFieldSet)
    reason = settings.skip_reason(fields, registries.value, subsystem.skip)
    if not reason:
        return CheckSkipResult.no_skip()
    return CheckSkipResult.skip(names=[fields.address.spec], description=reason, data=fields.get_output_data())


@rule
async def publish_batch(run_id: RunId, global_options: GlobalOptions) -> PublishBatch:
    # Once a run: a RunId is new with each, so that everything is announced again under pantsd, too. It is unique within
    # one scheduler only, hence the batch has a name of its own.
    directory = spool.spool_directory(Path(global_options.named_caches_dir))
    spool.sweep(directory, time.time())
    return PublishBatch(str(spool.new_batch(directory)))


@dataclass(frozen=True)
class CurrentAnnouncementRequest:
    address: Address


@dataclass(frozen=True)
class CurrentAnnouncement:
    content: bytes
    """Empty where there is nothing to announce."""


@rule
async def current_announcement(
    request: CurrentAnnouncementRequest, subsystem: DockerMirrorSubsystem, registries: MirrorRegistries
) -> CurrentAnnouncement:
    wrapped: WrappedTarget = await resolve_target(
        WrappedTargetRequest(request.address, description_of_origin="the `publish` goal")
    )
    if not PublishImageListFieldSet.is_applicable(wrapped.target):
        return CurrentAnnouncement(b"")
    fields = PackageImageListFieldSet.create(wrapped.target)
    reason = settings.skip_reason(fields, registries.value, subsystem.skip)
    plan: Plan = await plan_for(PlanRequest(fields))
    return CurrentAnnouncement(announcement(fields.address, reason, plan))


announcement_now = rule_call(current_announcement, CurrentAnnouncementRequest, CurrentAnnouncement)


def announcement(address: Address, skip_reason: str, plan: Plan) -> bytes:
    if skip_reason:
        return spool.skip_announcement(address.spec, skip_reason)
    if plan.errors:
        return b""
    if not plan.destinations:
        return spool.skip_announcement(address.spec, f"({plan.skip_reason})")
    return spool.plan_announcement(address.spec, plan.content)


def publish_argv(batch: PublishBatch, subsystem: DockerMirrorSubsystem) -> tuple[str, ...]:
    return (
        HELPER_EXE,
        "publish",
        f"--spool={batch.directory}",
        f"--plan={_PLAN_FILE}",
        *helper_flags(subsystem),
    )


@rule(desc="Publish mirrored images", level=LogLevel.DEBUG)
async def publish_image_list(
    request: PublishImageListRequest,
    batch: PublishBatch,
    subsystem: DockerMirrorSubsystem,
    env_aware: DockerMirrorSubsystem.EnvironmentAware,
    registries: MirrorRegistries,
    docker_env_aware: DockerOptions.EnvironmentAware,
) -> PublishProcesses:
    fields = request.field_set
    contents = [a.content for package in request.packages for a in package.artifacts if isinstance(a, PlanArtifact)]
    plan = Plan(fields.address, contents[0])
    reason = settings.skip_reason(fields, registries.value, subsystem.skip)
    own = announcement(fields.address, reason, plan)
    # To find out whether an earlier run's result still holds, Pants asks for all that that run asked for: this request
    # may be of old packages or old fields, and its result never used. Such a plan is not announced.
    now: CurrentAnnouncement = await announcement_now(CurrentAnnouncementRequest(fields.address))
    if own == now.content:
        spool.announce(Path(batch.directory), own)

    if reason or not plan.destinations:
        reason = reason or f"({plan.skip_reason})"
        address = fields.address.spec
        names = (address,) if is_verbose(subsystem.args) else SkippedNames(address, batch, reason)
        data = PublishOutputData({"names": (address,)})
        return PublishProcesses([PublishPackages(names=names, description=reason, data=data)])
    helper: JudgingHelper = await judging_helper(JudgingHelperRequest())
    input_digest: Digest = await create_digest(CreateDigest([FileContent(_PLAN_FILE, own)]))
    env: EnvironmentVars = await environment_vars_subset(
        EnvironmentVarsRequest(environment.variable_names(docker_env_aware.env_vars, env_aware.env_vars))
    )
    process = InteractiveProcess(
        publish_argv(batch, subsystem),
        env=environment.redacted(env),
        input_digest=input_digest,
        immutable_input_digests=helper.immutable_input_digests,
    )
    directory, plan_id = Path(batch.directory), spool.plan_id(own)
    return PublishProcesses(
        [
            PublishPackages(
                names=PublishedNames(fields.address.spec, directory, plan_id),
                process=process,
                description=", ".join(plan.registries),
                data=PublishOutputData(
                    {
                        "names": (fields.address.spec,),
                        "registries": plan.registries,
                        "destinations": plan.destinations,
                        "copies": PublishedCopies(directory, plan_id),
                        "report": str(directory / spool.REPORT_FILE),
                    }
                ),
            )
        ]
    )


def rules() -> Iterable[object]:
    return (
        *collect_rules(),
        *PublishImageListFieldSet.rules(),
        *check_skip_union_rules(CheckSkipImageListRequest),
    )
