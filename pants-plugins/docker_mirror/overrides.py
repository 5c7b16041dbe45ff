"""The check that every key of `overrides` matches an image in at least one spec file of its target generator.

A generated target carries its generator's overrides whole, and its plan takes the matches of its own file. So only over
all sibling files together can a key be called a mistake.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass

from pants.engine.addresses import Address
from pants.engine.process import FallibleProcessResult, Process
from pants.engine.rules import collect_rules, rule
from pants.engine.target import HydratedSources, HydrateSourcesRequest
from pants.util.logging import LogLevel

from docker_mirror.helper import HELPER_EXE, MirrorHelper
from docker_mirror.pants_compat import concurrently, execute_process, hydrate_sources, rule_call
from docker_mirror.siblings import Siblings, SiblingsRequest, siblings_in
from docker_mirror.target_types import DockerMirrorOverridesField, DockerMirrorSpecSourceField


@dataclass(frozen=True)
class ImageNamesRequest:
    source: DockerMirrorSpecSourceField


@dataclass(frozen=True)
class ImageNames:
    """What a key can match in one spec file: `AS` names and images."""

    names: frozenset[str]
    error: str = ""
    """Why the file can't be read; its own plan reports it, too."""


@dataclass(frozen=True)
class OverrideKeysRequest:
    address: Address
    """Of a declaration: see `target_types.declaration`."""
    keys: tuple[str, ...]


@dataclass(frozen=True)
class OverrideKeys:
    error: str = ""
    """Names the keys that match nowhere; empty where each matches somewhere."""


@rule
async def image_names(request: ImageNamesRequest, helper: MirrorHelper) -> ImageNames:
    sources: HydratedSources = await hydrate_sources(HydrateSourcesRequest(request.source))
    (file,) = sources.snapshot.files
    result: FallibleProcessResult = await execute_process(
        Process(
            (HELPER_EXE, "names", file),
            input_digest=sources.snapshot.digest,
            immutable_input_digests=helper.immutable_input_digests,
            description=f"List the image names of {file}",
            level=LogLevel.DEBUG,
        )
    )
    if result.exit_code != 0:
        return ImageNames(frozenset(), error=f"{file} can't be read")
    return ImageNames(frozenset(json.loads(result.stdout)["names"]))


names_of = rule_call(image_names, ImageNamesRequest, ImageNames)


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


@rule(desc="Check overrides", level=LogLevel.DEBUG)
async def check_override_keys(request: OverrideKeysRequest) -> OverrideKeys:
    if not request.keys:
        return OverrideKeys()
    siblings: Siblings = await siblings_in(SiblingsRequest(request.address.spec_path))
    sources = [
        fields.source
        for fields in siblings.of_one_declaration(request.address)
        if isinstance(fields.source, DockerMirrorSpecSourceField)
    ]
    names = await concurrently(names_of(ImageNamesRequest(source)) for source in sources)
    files = [source.file_path for source in sources]
    unmatched = [key for key in request.keys if not any(key in of_file.names for of_file in names)]
    if not unmatched:
        return OverrideKeys()
    unread = [of_file.error for of_file in names if of_file.error]
    return OverrideKeys(unmatched_message(request.address, unmatched, files, unread))


override_keys = rule_call(check_override_keys, OverrideKeysRequest, OverrideKeys)


def rules() -> Iterable[object]:
    return collect_rules()
