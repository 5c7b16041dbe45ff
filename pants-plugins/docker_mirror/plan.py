"""A validated plan: what `package` writes and the other goals carry out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from textwrap import indent
from typing import Any

from pants.engine.addresses import Address

from docker_mirror.errors import DockerMirrorError

BATCH_FILE = "__docker_mirror_lists.json"
"""The lists and settings that the helper makes plans of."""


class PlanError(DockerMirrorError):
    """What is wrong with a target's spec file or fields, with all places."""


@dataclass(frozen=True)
class Plan:
    """The plan of one image list or, where there is an error, what is wrong with it."""

    address: Address
    content: bytes
    """plan.json: an array of copies."""
    errors: tuple[str, ...] = ()

    @property
    def _entries(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = json.loads(self.content)
        return entries

    @property
    def destinations(self) -> tuple[str, ...]:
        """Where images go; the tag is a template where a tag policy selects what is copied."""
        return tuple(entry["dst"] for entry in self._entries if "skip" not in entry)

    @property
    def registries(self) -> tuple[str, ...]:
        """Those of the destinations, each once, in the plan's order."""
        return tuple(dict.fromkeys(destination.split("/", 1)[0] for destination in self.destinations))

    @property
    def images(self) -> list[dict[str, str]]:
        """Each image and where it goes or, with the reason `skip`, doesn't go, in the list's order."""
        images = []
        for entry in self._entries:
            skip = entry.get("skip")
            image = {"source": entry["src"], "destination": skip["dst"] if skip else entry["dst"]}
            if "origin" in entry:
                image["origin"] = entry["origin"]
            if skip:
                image["skip"] = skip["reason"]
            images.append(image)
        return images

    @property
    def skip_reason(self) -> str:
        """Why there is no destination."""
        reasons = dict.fromkeys(entry["skip"]["reason"] for entry in self._entries if "skip" in entry)
        return ", ".join(reasons) or "it lists no image"

    @property
    def summary(self) -> str:
        """`3 copies to registry.example`"""
        if not self.destinations:
            return f"nothing to copy: {self.skip_reason}"
        noun = "copy" if len(self.destinations) == 1 else "copies"
        return f"{len(self.destinations)} {noun} to {', '.join(self.registries)}"


def plan_path(address: Address) -> str:
    """Where processes over several targets have a target's plan; unlike the artifact's path no two can share it."""
    return f"plans/{address.path_safe_spec}/plan.json"


def all_errors(plans: Iterable[Plan]) -> Iterator[str]:
    """Each once: what is wrong with a generator's `overrides` is found for all that it generates."""
    yield from dict.fromkeys(error for plan in plans for error in plan.errors)


# What stands before an error in the settings, which are no file of the user's, and after one that the helper takes for
# a mistake in its command line.
_SETTINGS_PLACE = re.compile(rf"^(docker-mirror: )?{re.escape(BATCH_FILE)}:\d+: ")
_USAGE = re.compile(r"^Run 'docker-mirror .* for usage\.$")


def located(address: Address, errors: str) -> str:
    """The target before the one line, or above the several lines, of what is wrong with it."""
    prefix = f"{address.spec}: "
    errors = "\n".join(
        line[len(prefix) :] if line.startswith(prefix) else _SETTINGS_PLACE.sub("", line)
        for line in errors.splitlines()
        if not _USAGE.match(line)
    )
    return f"{address}:\n{indent(errors, '  ')}" if "\n" in errors else f"{address}: {errors}"
