"""The fields that a plan is made of."""

from __future__ import annotations

from dataclasses import dataclass

from pants.engine.target import FieldSet

from docker_mirror.target_types import (
    DockerMirrorAllowEmptyField,
    DockerMirrorImageTagsField,
    DockerMirrorOutputPathField,
    DockerMirrorOverridesField,
    DockerMirrorPlatformsField,
    DockerMirrorReferrersField,
    DockerMirrorRegistriesField,
    DockerMirrorRepositoryField,
    DockerMirrorSkipPublishField,
    DockerMirrorSpecSourceField,
)


@dataclass(frozen=True)
class ImageListFieldSet(FieldSet):
    """A `docker_mirror_image_list`. The goals' field sets add their union bases."""

    required_fields = (DockerMirrorSpecSourceField,)

    source: DockerMirrorSpecSourceField
    registries: DockerMirrorRegistriesField
    repository: DockerMirrorRepositoryField
    image_tags: DockerMirrorImageTagsField
    platforms: DockerMirrorPlatformsField
    referrers: DockerMirrorReferrersField
    overrides: DockerMirrorOverridesField
    allow_empty: DockerMirrorAllowEmptyField
    skip_publish: DockerMirrorSkipPublishField
    output_path: DockerMirrorOutputPathField
