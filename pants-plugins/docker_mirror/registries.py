"""Destination registries: what the `registries` field says, looked up in `[docker].registries`."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pants.backend.docker.registries import DockerRegistries, DockerRegistryOptions
from pants.backend.docker.subsystems.docker_options import DockerOptions
from pants.engine.rules import collect_rules, rule
from pants.util.frozendict import FrozenDict

from docker_mirror.errors import DockerMirrorError
from docker_mirror.subsystem import DockerMirrorSubsystem, RegistryTemplates

logger = logging.getLogger(__name__)

_MIRROR_REPOSITORY = "mirror_repository"
"""A key of ours in a table of `[docker.registries]`, which Pants passes over."""

PLACEHOLDERS = frozenset(
    (
        "name",
        "repository",
        "source_registry",
        "directory",
        "full_directory",
        "parent_directory",
        "target_name",
        "target_repository",
        "tag",
        "digest",
    )
)
"""What the helper knows, beside `{build_args.NAME}`. `[docker.registries]` can have others, of `docker_image` alone."""


class UnknownRegistryError(DockerMirrorError):
    """An `@alias` that `[docker].registries` doesn't have."""


@dataclass(frozen=True)
class Registry:
    """A destination registry, as the helper's settings want it."""

    address: str
    alias: str = ""
    """With its `@`; empty for a bare address."""
    repository: str = ""
    """A template that stands in for the target's own, `{target_repository}` being that; empty for none."""
    extra_image_tags: tuple[str, ...] = ()
    skip_push: bool = False

    @classmethod
    def from_options(cls, options: DockerRegistryOptions) -> Registry:
        return cls(
            address=options.address,
            alias=f"@{options.alias}" if options.alias else "",
            repository=options.repository or "",
            extra_image_tags=tuple(options.extra_image_tags),
            skip_push=options.skip_push,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "address": self.address,
            "alias": self.alias,
            "repository": self.repository,
            "extra_image_tags": list(self.extra_image_tags),
            "skip_push": self.skip_push,
        }

    @property
    def label(self) -> str:
        return self.alias or self.address


@dataclass(frozen=True)
class MirrorRegistries:
    """`[docker.registries]`, as far as it holds for lists."""

    value: DockerRegistries


def means_something(template: str) -> bool:
    """Whether all placeholders are ones that lists have, too. What is no template at all is the helper's to refuse."""
    placeholders = re.findall(r"\{([^{}]*)\}", template)
    return all(name in PLACEHOLDERS or name.startswith("build_args.") for name in placeholders)


def for_lists(
    configured: DockerRegistries, templates: RegistryTemplates, repositories: Mapping[str, str]
) -> tuple[DockerRegistries, tuple[str, ...]]:
    """
    :param repositories: those for lists alone, by alias; they take the place of the registries' own.
    :return: the registries without the templates that don't count, and what is left out although it might be wanted.
    """
    left_out: list[str] = []

    def cut(options: DockerRegistryOptions) -> DockerRegistryOptions:
        if options.alias in repositories:
            options = replace(options, repository=repositories[options.alias])
        if templates is RegistryTemplates.ALL:
            return options
        if templates is RegistryTemplates.NONE:
            return replace(options, repository=repositories.get(options.alias), extra_image_tags=())
        repository = options.repository if means_something(options.repository or "") else None
        tags = tuple(tag for tag in options.extra_image_tags if means_something(tag))
        name = options.alias or options.address
        if repository != options.repository:
            left_out.append(f"`repository` of {name} ({options.repository})")
        if tags != options.extra_image_tags:
            rest = ", ".join(tag for tag in options.extra_image_tags if tag not in tags)
            left_out.append(f"`extra_image_tags` of {name} ({rest})")
        return replace(options, repository=repository, extra_image_tags=tags)

    by_key: Mapping[str, DockerRegistryOptions] = {key: cut(options) for key, options in configured.registries.items()}
    default = tuple(by_key[options.address] for options in configured.default)
    return DockerRegistries(default, FrozenDict(by_key)), tuple(dict.fromkeys(left_out))


class RegistryTableError(DockerMirrorError):
    """An entry of `[docker].registries` without an address."""


def refuse_without_address(tables: Mapping[str, Any]) -> None:
    """
    :param tables: `[docker.registries]`, of which Pants itself looks at no type.
    :raises RegistryTableError: naming all entries that say no address.
    """
    bad = [
        f"`{alias}` is {dict(table) if isinstance(table, Mapping) else table!r}"
        for alias, table in tables.items()
        if not isinstance(table, Mapping) or not isinstance(table.get("address"), str)
    ]
    if bad:
        raise RegistryTableError(
            f"In `[docker.registries]`, {'; '.join(bad)}; each entry must be a table with an `address`, as in "
            '`[docker.registries.mirror]` with `address = "registry.example.com"`.'
        )


@rule
async def mirror_registries(docker: DockerOptions, subsystem: DockerMirrorSubsystem) -> MirrorRegistries:
    refuse_without_address(docker.options.registries)
    repositories = {
        alias: str(table[_MIRROR_REPOSITORY])
        for alias, table in docker.options.registries.items()
        if table.get(_MIRROR_REPOSITORY)
    }
    registries, left_out = for_lists(docker.registries(), subsystem.registry_templates, repositories)
    if left_out:
        logger.info(
            f"Not used for image lists, as they have placeholders of `docker_image` alone: {'; '.join(left_out)}. "
            "`[docker-mirror].registry_templates` decides."
        )
    return MirrorRegistries(registries)


def shared_tags_hint(errors: str, registries: Iterable[Registry]) -> str:
    """What to do where all images of a repository are given one tag; empty where that isn't what is wrong."""
    for registry in registries:
        for tag in registry.extra_image_tags:
            if re.search(
                rf"destination {re.escape(registry.address)}/\S*:{re.escape(tag)} requests inconsistent", errors
            ):
                return (
                    f"Every image gets the tag {tag}, as it is one of the `extra_image_tags` of {registry.label} in "
                    "`[docker.registries]`. For several tags of one repository use a registry without that, give it a "
                    f"placeholder (`{tag}-{{tag}}`), or set `[docker-mirror].registry_templates` to `none`."
                )
    return ""


def known_aliases(configured: DockerRegistries) -> tuple[str, ...]:
    """Every alias of `[docker].registries`, with its `@`."""
    return tuple(sorted(key for key in configured.registries if key.startswith("@")))


def known_registries(configured: DockerRegistries) -> tuple[Registry, ...]:
    """What an alias that a spec file itself names is looked up in."""
    return tuple(Registry.from_options(configured.registries[alias]) for alias in known_aliases(configured))


def destination_registries(wanted: Iterable[str], configured: DockerRegistries) -> tuple[Registry, ...]:
    """
    :param wanted: addresses, `@alias`es, and what stands for the default registries of `[docker].registries`.
    :return: in the given order, each once; empty where there is no default. A list may still name registries itself, so
        that only the helper can tell whether an image has no destination.
    :raises UnknownRegistryError: naming all unknown aliases and listing the known ones.
    """
    wanted = tuple(dict.fromkeys(wanted))
    unknown = [entry for entry in wanted if entry.startswith("@") and entry not in configured.registries]
    if unknown:
        aliases = known_aliases(configured)
        raise UnknownRegistryError(
            f"`[docker].registries` has no {', '.join(unknown)}. "
            + (f"It has {', '.join(aliases)}." if aliases else "It is empty.")
        )
    return tuple(dict.fromkeys(Registry.from_options(options) for options in configured.get(*wanted)))


def rules() -> Iterable[object]:
    return collect_rules()
