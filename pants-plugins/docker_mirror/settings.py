"""The helper's settings for one image list: what its target's fields and `[docker].registries` come to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pants.backend.docker.registries import DockerRegistries
from pants.engine.target import StringField

from docker_mirror.field_sets import ImageListFieldSet
from docker_mirror.registries import (
    Registry,
    UnknownRegistryError,
    destination_registries,
    known_aliases,
    known_registries,
)


def target_registries(fields: ImageListFieldSet, configured: DockerRegistries) -> tuple[Registry, ...]:
    """
    :raises UnknownRegistryError: if the `registries` field names an alias that is not configured.
    """
    return destination_registries(fields.registries.value, configured)


def override_registries(fields: ImageListFieldSet, configured: DockerRegistries) -> dict[str, tuple[Registry, ...]]:
    """The registries that each key of `overrides` adds.

    :raises UnknownRegistryError: if one names an alias that is not configured.
    """
    return {
        key: destination_registries(override["registries"], configured)
        for key, override in fields.overrides.value.items()
        if "registries" in override
    }


def all_registries(fields: ImageListFieldSet, configured: DockerRegistries) -> tuple[Registry, ...]:
    """The target's and those that its overrides add.

    :raises UnknownRegistryError: if one's alias is not configured.
    """
    return (
        *target_registries(fields, configured),
        *(registry for added in override_registries(fields, configured).values() for registry in added),
    )


def templates(fields: ImageListFieldSet, registries: Iterable[Registry]) -> Iterator[str]:
    """Every string in which `{build_args.X}` can stand."""
    yield fields.repository.value or ""
    yield from fields.image_tags.value
    for override in fields.overrides.value.values():
        yield str(override.get("repository", ""))
        yield from override.get("image_tags", ())
    for registry in registries:
        yield registry.repository
        yield from registry.extra_image_tags


def skip_reason(fields: ImageListFieldSet, configured: DockerRegistries, skip_all: bool) -> str:
    """Why nothing of this target is to be published, in the words that Pants uses for it; empty where it is.

    A list that names registries itself (or a `src` and a `dst`) may be published although the target's are all skipped;
    so only the target's own fields count, and a target without any registry is not skipped.

    :param skip_all: the option `[docker-mirror].skip`.
    """
    if skip_all:
        return "(by `[docker-mirror].skip`)"
    for field in (fields.skip_push, fields.skip_publish):
        if field.value:
            return f"(by the `{field.alias}` field)"
    try:
        registries = all_registries(fields, configured)
    except UnknownRegistryError:
        return ""  # The plan reports it.
    if registries and all(registry.skip_push for registry in registries):
        return f"(by `skip_push` on {', '.join(dict.fromkeys(registry.label for registry in registries))})"
    return ""


def _unless_default(field: StringField) -> str:
    return "" if field.value == field.default else field.value or ""


def settings_json(fields: ImageListFieldSet, configured: DockerRegistries, build_args: Mapping[str, str]) -> bytes:
    """
    :param build_args: only those that the plan may see.
    :return: the `--settings` file of `docker-mirror plan`, the same bytes for the same settings.
    :raises UnknownRegistryError: if a registry's alias is not configured.
    """
    address = fields.address
    added = override_registries(fields, configured)
    overrides: dict[str, dict[str, Any]] = {}
    for key, override in fields.overrides.value.items():
        overrides[key] = {name: value if isinstance(value, str) else list(value) for name, value in override.items()}
        if key in added:
            overrides[key]["registries"] = [registry.to_json() for registry in added[key]]
    settings = {
        "target": address.spec,
        "directory": address.spec_path,
        "target_name": address.target_name,
        "registries": [registry.to_json() for registry in target_registries(fields, configured)],
        # A default is none to the helper, as a registry, a list or an override may have its own.
        "repository": _unless_default(fields.repository),
        "image_tags": list(fields.image_tags.value),
        "platforms": list(fields.platforms.value),
        "index": _unless_default(fields.index),
        "referrers": _unless_default(fields.referrers),
        "tags": list(fields.tags.value or ()),
        "overrides": overrides,
        "build_args": dict(build_args),
        "allow_empty": fields.allow_empty.value,
        "known_aliases": list(known_aliases(configured)),
        "known_registries": [registry.to_json() for registry in known_registries(configured)],
    }
    return json.dumps(settings, indent=2, sort_keys=True).encode()
