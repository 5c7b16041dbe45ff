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
from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.internals.session import RunId
from pants.engine.process import InteractiveProcess
from pants.engine.rules import collect_rules, rule
from pants.option.global_options import GlobalOptions
from pants.util.logging import LogLevel

from docker_mirror import environment, settings, spool
from docker_mirror.field_sets import ImageListFieldSet
from docker_mirror.helper import HELPER_EXE, MirrorHelper
from docker_mirror.pants_compat import (
    CheckSkipRequest,
    CheckSkipResult,
    check_skip_union_rules,
    environment_vars_subset,
)
from docker_mirror.plan import PackageImageListFieldSet, Plan, PlanArtifact
from docker_mirror.subsystem import DockerMirrorSubsystem, helper_flags


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
    request: CheckSkipImageListRequest, subsystem: DockerMirrorSubsystem, docker: DockerOptions
) -> CheckSkipResult:
    fields = request.publish_fs
    assert isinstance(fields, PublishImageListFieldSet)
    reason = settings.skip_reason(fields, docker.registries(), subsystem.skip)
    if not reason:
        return CheckSkipResult.no_skip()
    return CheckSkipResult.skip(names=[fields.address.spec], description=reason, data=fields.get_output_data())


@dataclass(frozen=True)
class PublishBatch:
    directory: str
    """Absolute: the processes run in sandboxes, and what they leave there must outlive these."""


@rule
async def publish_batch(run_id: RunId, global_options: GlobalOptions) -> PublishBatch:
    # Once a run: a RunId is new with each, so that the rules below, which write into the batch, run again under pantsd,
    # too. It is unique within one scheduler only, hence the batch has a name of its own.
    directory = spool.spool_directory(Path(global_options.named_caches_dir))
    spool.sweep(directory, time.time())
    return PublishBatch(str(spool.new_batch(directory)))


def publish_argv(batch: PublishBatch, identifier: str, subsystem: DockerMirrorSubsystem) -> tuple[str, ...]:
    return (
        HELPER_EXE,
        "publish",
        f"--spool={batch.directory}",
        f"--id={identifier}",
        *helper_flags(subsystem),
    )


@rule(desc="Publish mirrored images", level=LogLevel.DEBUG)
async def publish_image_list(
    request: PublishImageListRequest,
    helper: MirrorHelper,
    batch: PublishBatch,
    subsystem: DockerMirrorSubsystem,
    env_aware: DockerMirrorSubsystem.EnvironmentAware,
    docker: DockerOptions,
    docker_env_aware: DockerOptions.EnvironmentAware,
) -> PublishProcesses:
    fields = request.field_set
    target = fields.address.spec
    reason = settings.skip_reason(fields, docker.registries(), subsystem.skip)
    if reason:
        return PublishProcesses([PublishPackages(names=(target,), description=reason)])

    contents = [a.content for package in request.packages for a in package.artifacts if isinstance(a, PlanArtifact)]
    plan = Plan(fields.address, contents[0])
    if not plan.destinations:
        return PublishProcesses([PublishPackages(names=(target,), description=f"({plan.skip_reason})")])
    identifier = spool.write_plan(Path(batch.directory), target, plan.content)
    env: EnvironmentVars = await environment_vars_subset(
        EnvironmentVarsRequest(environment.variable_names(docker_env_aware.env_vars, env_aware.env_vars))
    )
    process = InteractiveProcess(
        publish_argv(batch, identifier, subsystem),
        env=environment.redacted(env),
        immutable_input_digests=helper.immutable_input_digests,
    )
    return PublishProcesses(
        [
            PublishPackages(
                names=(target,),
                process=process,
                description=", ".join(plan.registries),
                data=PublishOutputData(
                    {
                        "registries": plan.registries,
                        "destinations": plan.destinations,
                        "report": str(Path(batch.directory, spool.REPORT_FILE)),
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
