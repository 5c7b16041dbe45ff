"""The check that every key of `overrides` matches an image in at least one spec file of its target generator.

A generated target carries its generator's overrides whole, and its plan takes the matches of its own file. So only over
all sibling files together can a key be called a mistake.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pants.engine.addresses import Address

from docker_mirror.field_sets import ImageListFieldSet
from docker_mirror.target_types import DockerMirrorOverridesField, DockerMirrorSpecSourceField, declaration


@dataclass(frozen=True)
class ReadList:
    """What the helper found in one list."""

    fields: ImageListFieldSet
    names: tuple[str, ...]
    """What a key can match: `AS` names and images."""
    unread: bool
    """Names are missing, as the list has errors, which its plan reports."""


def unmatched_keys(lists: Iterable[ReadList]) -> Mapping[Address, str]:
    """Names the keys that match nowhere, for each declaration that has some."""
    by_declaration: dict[Address, list[ReadList]] = {}
    for read in lists:
        if read.fields.overrides.value and isinstance(read.fields.source, DockerMirrorSpecSourceField):
            by_declaration.setdefault(declaration(read.fields.address), []).append(read)
    result = {}
    for address, siblings in by_declaration.items():
        names = {name for read in siblings for name in read.names}
        unmatched = [key for key in siblings[0].fields.overrides.value if key not in names]
        if unmatched:
            result[address] = unmatched_message(
                address,
                unmatched,
                [_file(read) for read in siblings],
                [f"{_file(read)} can't be read" for read in siblings if read.unread],
            )
    return result


def _file(read: ReadList) -> str:
    assert isinstance(read.fields.source, DockerMirrorSpecSourceField)
    return read.fields.source.file_path


def unmatched_message(address: Address, unmatched: Iterable[str], files: Iterable[str], unread: Iterable[str]) -> str:
    unmatched, files = list(unmatched), list(files)
    keys = ", ".join(repr(key) for key in unmatched)
    message = (
        f"{address}: no image matches {keys} in the `{DockerMirrorOverridesField.alias}` field. A key is an image's "
        f"`AS` name or an image as a spec file has it. Looked in: {', '.join(files)}."
    )
    named = [
        key
        for key in unmatched
        if any(key in (file, os.path.relpath(file, address.spec_path or ".")) for file in files)
    ]
    if named:
        message += (
            f" {', '.join(named)}: a spec file is no key here, other than in Pants' own `overrides`. To give one file "
            "other fields, leave it out of `sources` and write a `docker_mirror_image_list` for it."
        )
    # Where a file can't be read it may have the match.
    return " ".join((message, *(f"({error}.)" for error in unread)))
