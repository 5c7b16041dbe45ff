"""The lists that the helper reads: spec files, image sets made of images in BUILD files, and generated lists."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pants.core.target_types import FileSourceField
from pants.engine.fs import EMPTY_DIGEST, CreateDigest, Digest, FileContent, MergeDigests, PathGlobs
from pants.engine.rules import collect_rules, rule
from pants.engine.target import SourcesField, Target, Targets

from docker_mirror.field_sets import ImageListFieldSet
from docker_mirror.generated_files import GeneratedFiles, GeneratedFilesRequest, files_of
from docker_mirror.hidden_files import HiddenFiles, HiddenFilesRequest, hidden_files, why_hidden
from docker_mirror.lock_fields import LOCK_SUFFIX, LockChoice
from docker_mirror.pants_compat import (
    concurrently,
    create_digest,
    merge_digests,
    path_globs_to_digest,
    resolve_address_inputs,
    rule_call,
)
from docker_mirror.subsystem import DockerMirrorSubsystem
from docker_mirror.target_types import (
    SPEC_FILE_EXTENSIONS,
    DockerMirrorListFromField,
    DockerMirrorSourceField,
    DockerMirrorSpecSourceField,
)


@dataclass(frozen=True)
class ImageListsRequest:
    fields: tuple[ImageListFieldSet, ...]


@dataclass(frozen=True)
class ImageList:
    path: str
    """In the digest; unique among all targets' lists, but for those that share a spec file."""
    lock: str
    """Where its lock is, or would be, from the build root."""
    error: str = ""
    """Why there is no such list, where there is none."""
    lock_error: str = ""
    """Why its lock, which is there, isn't in the digest."""
    generator: str = ""
    """The target that generates it, where one does."""

    def origin(self, told: str) -> str:
        """Where a generated list comes from, as the repository has no such file, if what is told names it."""
        named = self.generator and re.search(rf"(?<!\S){re.escape(self.path)}:", told)
        return f"{self.path} is what {self.generator} generates." if named else ""

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


def image_table(fields: ImageListFieldSet) -> str:
    """The image of a target in a BUILD file, as a table of an image set. It is the same wherever the image goes."""
    table = {
        "source": fields.source.value,
        "tags": fields.source_tags.value,
        "variants": fields.variants.value,
        "select": fields.select.value,
    }
    lines = [f"{key} = {toml_value(value)}" for key, value in table.items() if value is not None]
    return "\n".join(("[[image]]", *lines, ""))


def image_set(fields: ImageListFieldSet) -> bytes:
    """An image set of one table, in TOML, whose errors name the target.

    Where it goes is said by the target's settings, as for every list.
    """
    return f"origin = {toml_value(fields.address.spec)}\n\n{image_table(fields)}".encode()


@dataclass(frozen=True)
class GeneratedListRequest:
    list_from: DockerMirrorListFromField


@dataclass(frozen=True)
class GeneratedList:
    path: str = ""
    digest: Digest = EMPTY_DIGEST
    error: str = ""
    generator: str = ""


@rule
async def generate_list(request: GeneratedListRequest) -> GeneratedList:
    targets: Targets = await resolve_address_inputs(request.list_from.to_unparsed_address_inputs())
    generated: tuple[GeneratedFiles, ...] = await concurrently(
        files_of(GeneratedFilesRequest(target.get(SourcesField), (FileSourceField,))) for target in targets
    )
    errors = [files.error for files in generated if files.error]
    if errors:
        return GeneratedList(error="\n".join(errors))
    names = tuple(name for files in generated for name in files.names)
    if len(names) != 1 or not names[0].endswith(SPEC_FILE_EXTENSIONS):
        return GeneratedList(error=not_one_list(request.list_from, targets, names))
    target, files = next((target, files) for target, files in zip(targets, generated) if files.names)
    return GeneratedList(names[0], files.digest, generator=str(target.address))


def not_one_list(field: DockerMirrorListFromField, targets: Iterable[Target], files: tuple[str, ...]) -> str:
    named = ", ".join(str(target.address) for target in targets)
    error = (
        f"the `{field.alias}` field names {named or 'nothing'}, which has {', '.join(files) or 'no file'}: it must "
        f"generate one list, whose name ends in {', '.join(SPEC_FILE_EXTENSIONS)}"
    )
    unwritten = [name for target in targets for name in wanted_outputs(target)]
    if unwritten and not files:
        # What it said is known to Pants' rule alone.
        error += (
            f". Its command ended without an error, and wrote none of its outputs ({', '.join(unwritten)}): "
            "with `log_output=True` Pants shows what it said"
        )
    return error


def wanted_outputs(target: Target) -> Iterator[str]:
    """What a target says that its command writes: a `shell_command`, an `adhoc_tool`, and whatever is like them."""
    for field in target.field_values.values():
        if field.alias in ("output_files", "output_directories"):
            yield from field.value or ()


generated_list_of = rule_call(generate_list, GeneratedListRequest, GeneratedList)


def lock_path(fields: ImageListFieldSet) -> str:
    """Where a target's lock is, or would be, from the build root."""
    if isinstance(fields.source, DockerMirrorSpecSourceField):
        return fields.source.file_path + LOCK_SUFFIX
    return fields.lock.lock_path


def image_list(fields: ImageListFieldSet, generated: GeneratedList | None) -> ImageList:
    if isinstance(fields.source, DockerMirrorSpecSourceField):
        return ImageList(fields.source.file_path, lock_path(fields))
    if generated:
        return ImageList(generated.path, lock_path(fields), generated.error, generator=generated.generator)
    return ImageList(f"__docker_mirror_images/{fields.address.path_safe_spec}.toml", lock_path(fields))


def hidden_list(images: ImageList, digest: Digest, others: Mapping[str, Digest | None]) -> ImageList:
    """With an error where a list of the same path is another one.

    :param others: lists by their paths, None for those of the build root.
    """
    if images.error or others.get(images.path, digest) == digest:
        return images
    error = f"{images.path} is generated, and is another list, too: generate one with another name"
    return replace(images, error=error)


def tell_hidden(fields: ImageListFieldSet, images: ImageList, hidden: Container[str], locks: LockChoice) -> ImageList:
    """With what is wrong where the list or its lock is there, but not for Pants."""
    if images.path in hidden and isinstance(fields.source, DockerMirrorSpecSourceField):
        images = replace(images, error=why_hidden(images.path))
    if images.lock in hidden and fields.locked.choice(locks) != LockChoice.OFF.value:
        without = "The list would be mirrored as if it had no lock: delete it, or have Pants see it"
        images = replace(images, lock_error=f"{why_hidden(images.lock)}. {without}")
    return images


@rule
async def image_lists(request: ImageListsRequest, subsystem: DockerMirrorSubsystem) -> ImageLists:
    makers = {fields.source for fields in request.fields if isinstance(fields.source, DockerMirrorListFromField)}
    results: tuple[GeneratedList, ...] = await concurrently(
        generated_list_of(GeneratedListRequest(maker)) for maker in makers
    )
    generated: dict[DockerMirrorSourceField, GeneratedList] = dict(zip(makers, results))
    lists = [image_list(fields, generated.get(fields.source)) for fields in request.fields]
    made = [
        FileContent(images.path, image_set(fields))
        for fields, images in zip(request.fields, lists)
        if not isinstance(fields.source, (DockerMirrorSpecSourceField, DockerMirrorListFromField))
    ]
    files = [
        images.path
        for fields, images in zip(request.fields, lists)
        if isinstance(fields.source, DockerMirrorSpecSourceField)
    ]
    seen: dict[str, Digest | None] = dict.fromkeys(files)
    digests = []
    for i, fields in enumerate(request.fields):
        if fields.source in generated:
            digest = generated[fields.source].digest
            lists[i] = hidden_list(lists[i], digest, seen)
            if not lists[i].error:
                seen[lists[i].path] = digest
                digests.append(digest)
    # All at once, as there may be hundreds. A list that isn't there is the helper's to tell; a lock needn't be.
    files += [images.lock for images in lists]
    found: Digest = await path_globs_to_digest(PathGlobs(files))
    hidden: HiddenFiles = await hidden_files(HiddenFilesRequest(tuple(files)))
    lists = [tell_hidden(fields, images, hidden.paths, subsystem.lock) for fields, images in zip(request.fields, lists)]
    made_digest: Digest = await create_digest(CreateDigest(made))
    together: Digest = await merge_digests(MergeDigests((found, made_digest, *digests)))
    return ImageLists(tuple(lists), together)


image_lists_of = rule_call(image_lists, ImageListsRequest, ImageLists)


def rules() -> Iterable[object]:
    return collect_rules()
