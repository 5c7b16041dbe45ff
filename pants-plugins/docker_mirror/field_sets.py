"""The fields that a plan is made of."""

from __future__ import annotations

from dataclasses import dataclass

from pants.engine.target import FieldSet, Tags

from docker_mirror.lock_fields import DockerMirrorInlineLockField, DockerMirrorLockedField, DockerMirrorPinsField
from docker_mirror.target_types import (
    DockerMirrorAllowEmptyField,
    DockerMirrorImageTagsField,
    DockerMirrorIndexField,
    DockerMirrorOutputPathField,
    DockerMirrorOverridesField,
    DockerMirrorPlatformsField,
    DockerMirrorReferrersField,
    DockerMirrorRegistriesField,
    DockerMirrorRepositoryField,
    DockerMirrorSelectField,
    DockerMirrorSkipPublishField,
    DockerMirrorSkipPushField,
    DockerMirrorSourceField,
    DockerMirrorSourceTagsField,
    DockerMirrorVariantsField,
)


@dataclass(frozen=True)
class ImageListFieldSet(FieldSet):
    """A `docker_mirror_image_list` or a `docker_mirror_inline_image`, which is a list written in a BUILD file.

    What only one of the targets has, is at its default for the other. The goals' field sets add their union bases.
    """

    required_fields = (DockerMirrorSourceField,)

    source: DockerMirrorSourceField
    source_tags: DockerMirrorSourceTagsField
    variants: DockerMirrorVariantsField
    select: DockerMirrorSelectField
    lock: DockerMirrorInlineLockField
    locked: DockerMirrorLockedField
    pins: DockerMirrorPinsField
    tags: Tags
    registries: DockerMirrorRegistriesField
    repository: DockerMirrorRepositoryField
    image_tags: DockerMirrorImageTagsField
    platforms: DockerMirrorPlatformsField
    index: DockerMirrorIndexField
    referrers: DockerMirrorReferrersField
    overrides: DockerMirrorOverridesField
    allow_empty: DockerMirrorAllowEmptyField
    skip_push: DockerMirrorSkipPushField
    skip_publish: DockerMirrorSkipPublishField
    output_path: DockerMirrorOutputPathField
