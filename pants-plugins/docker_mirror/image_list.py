"""The lists that the helper reads for targets: spec files, or image sets made of images in BUILD files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pants.engine.fs import CreateDigest, Digest, FileContent, MergeDigests, PathGlobs
from pants.engine.rules import collect_rules, rule

from docker_mirror.field_sets import ImageListFieldSet
from docker_mirror.lock_fields import LOCK_SUFFIX
from docker_mirror.pants_compat import create_digest, merge_digests, path_globs_to_digest, rule_call
from docker_mirror.target_types import DockerMirrorSpecSourceField


@dataclass(frozen=True)
class ImageListsRequest:
    fields: tuple[ImageListFieldSet, ...]


@dataclass(frozen=True)
class ImageList:
    path: str
    """In the digest; unique among all targets' lists, but for those that share a spec file."""
    lock: str
    """Where its lock is, or would be, from the build root."""

    @property
    def lock_flags(self) -> tuple[str, ...]:
        """For the helper, which looks for a lock beside its list."""
        return () if self.lock == self.path + LOCK_SUFFIX else (f"--lock-of={self.path}={self.lock}",)


@dataclass(frozen=True)
class ImageLists:
    lists: tuple[ImageList, ...]
    """In the request's order."""
    digest: Digest
    """Of the lists and, where there are some, of their locks."""


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


def image_list(fields: ImageListFieldSet) -> ImageList:
    if isinstance(fields.source, DockerMirrorSpecSourceField):
        path = fields.source.file_path
        return ImageList(path, path + LOCK_SUFFIX)
    return ImageList(f"__docker_mirror_images/{fields.address.path_safe_spec}.toml", fields.lock.lock_path)


@rule
async def image_lists(request: ImageListsRequest) -> ImageLists:
    lists = tuple(image_list(fields) for fields in request.fields)
    made = [
        FileContent(images.path, image_set(fields))
        for fields, images in zip(request.fields, lists)
        if not isinstance(fields.source, DockerMirrorSpecSourceField)
    ]
    own = {content.path for content in made}
    files = [images.path for images in lists if images.path not in own]
    # All at once, as there may be hundreds. A list that isn't there is the helper's to tell; a lock needn't be.
    found: Digest = await path_globs_to_digest(PathGlobs([*files, *(images.lock for images in lists)]))
    made_digest: Digest = await create_digest(CreateDigest(made))
    both: Digest = await merge_digests(MergeDigests((found, made_digest)))
    return ImageLists(lists, both)


image_lists_of = rule_call(image_lists, ImageListsRequest, ImageLists)


def rules() -> Iterable[object]:
    return collect_rules()
