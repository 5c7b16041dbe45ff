"""The backend's entry point: `backend_packages = ["docker_mirror"]`."""

from __future__ import annotations

from collections.abc import Iterable

from pants.engine.target import Target

from docker_mirror import (
    extract,
    fmt,
    froms,
    generated_files,
    go_toolchain,
    helper,
    helper_build,
    helper_download,
    helper_prebuilt,
    hidden_files,
    image_list,
    lint,
    lock,
    mirror,
    mirror_images,
    neighbours,
    package,
    pins,
    planning,
    policy,
    publish,
    registries,
    tailor,
    target_settings,
    verifier,
)
from docker_mirror.target_types import (
    DeprecatedDockerMirrorImageTarget,
    DockerMirrorGeneratedListTarget,
    DockerMirrorImageListTarget,
    DockerMirrorImagesTarget,
    DockerMirrorInlineImageTarget,
)


def target_types() -> Iterable[type[Target]]:
    return (
        DeprecatedDockerMirrorImageTarget,
        DockerMirrorGeneratedListTarget,
        DockerMirrorImageListTarget,
        DockerMirrorImagesTarget,
        DockerMirrorInlineImageTarget,
    )


def rules() -> Iterable[object]:
    return (
        *extract.rules(),
        *fmt.rules(),
        *froms.rules(),
        *generated_files.rules(),
        *go_toolchain.rules(),
        *helper.rules(),
        *helper_build.rules(),
        *helper_download.rules(),
        *helper_prebuilt.rules(),
        *hidden_files.rules(),
        *image_list.rules(),
        *lint.rules(),
        *lock.rules(),
        *mirror.rules(),
        *mirror_images.rules(),
        *neighbours.rules(),
        *package.rules(),
        *pins.rules(),
        *planning.rules(),
        *policy.rules(),
        *publish.rules(),
        *registries.rules(),
        *tailor.rules(),
        *target_settings.rules(),
        *verifier.rules(),
    )
