"""Destination registries: what the `registries` field says, looked up in `[docker].registries`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pants.backend.docker.registries import DockerRegistries, DockerRegistryOptions

from docker_mirror.errors import DockerMirrorError


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


def known_aliases(configured: DockerRegistries) -> tuple[str, ...]:
    """Every alias of `[docker].registries`, with its `@`."""
    return tuple(sorted(key for key in configured.registries if key.startswith("@")))


def known_registries(configured: DockerRegistries) -> tuple[Registry, ...]:
    """What an alias that a spec file itself names is looked up in."""
    return tuple(Registry.from_options(configured.registries[alias]) for alias in known_aliases(configured))


def destination_registries(wanted: Iterable[str] | None, configured: DockerRegistries) -> tuple[Registry, ...]:
    """
    :param wanted: addresses and `@alias`es, or None for the default registries of `[docker].registries`.
    :return: in the given order, each once; empty where there is no default. A list may still name registries itself, so
        that only the helper can tell whether an image has no destination.
    :raises UnknownRegistryError: naming all unknown aliases and listing the known ones.
    """
    if wanted is None:
        options: Iterable[DockerRegistryOptions] = configured.default
    else:
        wanted = tuple(dict.fromkeys(wanted))
        unknown = [entry for entry in wanted if entry.startswith("@") and entry not in configured.registries]
        if unknown:
            aliases = known_aliases(configured)
            raise UnknownRegistryError(
                f"`[docker].registries` has no {', '.join(unknown)}. "
                + (f"It has {', '.join(aliases)}." if aliases else "It is empty.")
            )
        options = configured.get(*wanted)
    return tuple(dict.fromkeys(Registry.from_options(o) for o in options))
