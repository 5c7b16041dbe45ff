"""The helper's settings of one target, with the values of its build args."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pants.backend.docker.subsystems.docker_options import DockerOptions
from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.rules import collect_rules, rule

from docker_mirror import build_args, settings
from docker_mirror.errors import DockerMirrorError
from docker_mirror.field_sets import ImageListFieldSet
from docker_mirror.pants_compat import environment_vars_subset, rule_call
from docker_mirror.registries import MirrorRegistries
from docker_mirror.subsystem import DockerMirrorSubsystem


@dataclass(frozen=True)
class TargetSettingsRequest:
    fields: ImageListFieldSet


@dataclass(frozen=True)
class TargetSettings:
    json: bytes
    lock: str
    """What becomes of the list's lock: see `[docker-mirror].lock`."""
    error: str = ""
    """What is wrong with the target's fields; there are no settings then."""


@rule
async def target_settings(
    request: TargetSettingsRequest,
    docker: DockerOptions,
    configured: MirrorRegistries,
    subsystem: DockerMirrorSubsystem,
) -> TargetSettings:
    fields = request.fields
    registries = configured.value
    lock = fields.locked.choice(subsystem.lock)
    try:
        entries = build_args.requested(
            named=build_args.names_in(settings.templates(fields, settings.all_registries(fields, registries))),
            allowed=subsystem.build_args_allowed,
            configured=docker.build_args,
        )
        values: EnvironmentVars = await environment_vars_subset(EnvironmentVarsRequest(entries))
        build_args.refuse_unset(entries, values)
        return TargetSettings(settings.settings_json(fields, registries, values), lock)
    except DockerMirrorError as e:
        return TargetSettings(b"", lock, str(e))


settings_for = rule_call(target_settings, TargetSettingsRequest, TargetSettings)


def rules() -> Iterable[object]:
    return collect_rules()
