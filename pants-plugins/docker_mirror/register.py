"""The backend's entry point: `backend_packages = ["docker_mirror"]`."""

from __future__ import annotations

from collections.abc import Iterable

from pants.engine.target import Target

from docker_mirror import go_toolchain, helper, mirror, overrides, plan, publish
from docker_mirror.target_types import DockerMirrorImageListTarget, DockerMirrorImagesTarget


def target_types() -> Iterable[type[Target]]:
    return (DockerMirrorImageListTarget, DockerMirrorImagesTarget)


def rules() -> Iterable[object]:
    return (
        *go_toolchain.rules(),
        *helper.rules(),
        *mirror.rules(),
        *overrides.rules(),
        *plan.rules(),
        *publish.rules(),
    )
