"""The list that the helper reads for a target: its spec file, or an image set made of an image in a BUILD file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pants.engine.fs import CreateDigest, Digest, FileContent, MergeDigests, PathGlobs
from pants.engine.rules import collect_rules, rule
from pants.engine.target import HydratedSources, HydrateSourcesRequest

from docker_mirror.field_sets import ImageListFieldSet
from docker_mirror.lock_fields import LOCK_SUFFIX
from docker_mirror.pants_compat import create_digest, hydrate_sources, merge_digests, path_globs_to_digest, rule_call
from docker_mirror.target_types import DockerMirrorSpecSourceField


@dataclass(frozen=True)
class ImageListRequest:
    fields: ImageListFieldSet


@dataclass(frozen=True)
class ImageList:
    path: str
    """In the digest; unique among all targets' lists, but for those that share a spec file."""
    digest: Digest
    """Of the list and, where there is one, of its lock."""
    lock: str
    """Where its lock is, or would be, from the build root."""

    @property
    def lock_flags(self) -> tuple[str, ...]:
        """For the helper, which looks for a lock beside its list."""
        return () if self.lock == self.path + LOCK_SUFFIX else (f"--lock-of={self.path}={self.lock}",)


def toml_value(value: Any) -> str:
    """https://toml.io/en/v1.0.0, on one line: strings, booleans, integers, and lists and dictionaries of them."""
    if isinstance(value, str):
        # JSON's strings are TOML's, but for what is beyond ASCII: TOML takes it as it is, and has no surrogates.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{toml_value(key)} = {toml_value(v)}" for key, v in value.items()) + "}"
    return "[" + ", ".join(toml_value(v) for v in value) + "]"


def image_set(fields: ImageListFieldSet) -> bytes:
    """An image set of one table, in TOML, whose errors name the target.

    Where it goes is said by the target's settings, as for every list.
    """
    table = {
        "source": fields.source.value,
        "tags": fields.source_tags.value,
        "variants": fields.variants.value,
        "select": fields.select.value,
    }
    lines = [f"origin = {toml_value(fields.address.spec)}", "", "[[image]]"]
    lines += [f"{key} = {toml_value(value)}" for key, value in table.items() if value is not None]
    return "\n".join((*lines, "")).encode()


@rule
async def image_list(request: ImageListRequest) -> ImageList:
    fields = request.fields
    if isinstance(fields.source, DockerMirrorSpecSourceField):
        sources: HydratedSources = await hydrate_sources(HydrateSourcesRequest(fields.source))
        (path,) = sources.snapshot.files
        digest: Digest = sources.snapshot.digest
        lock = path + LOCK_SUFFIX
    else:
        path = f"__docker_mirror_images/{fields.address.path_safe_spec}.toml"
        digest = await create_digest(CreateDigest([FileContent(path, image_set(fields))]))
        lock = fields.lock.lock_path
    # Nothing, where there is no such file.
    lock_digest: Digest = await path_globs_to_digest(PathGlobs([lock]))
    both: Digest = await merge_digests(MergeDigests((digest, lock_digest)))
    return ImageList(path, both, lock)


image_list_of = rule_call(image_list, ImageListRequest, ImageList)


def rules() -> Iterable[object]:
    return collect_rules()
