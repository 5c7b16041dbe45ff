"""How processes have the helper: as an immutable input, which is linked into their sandboxes, not copied."""

from __future__ import annotations

from collections.abc import Mapping

from pants.engine.fs import Digest

HELPER_NAME = "docker-mirror"

VERIFIER_NAME = "docker-mirror-verify"
"""The program that verifies signatures, which the helper finds beside itself."""

HELPER_DIRECTORY = "__docker_mirror"

HELPER_EXE = f"{HELPER_DIRECTORY}/{HELPER_NAME}"


def helper_inputs(helper: Digest) -> Mapping[str, Digest]:
    """
    :param helper: has the executable at its root.
    """
    return {HELPER_DIRECTORY: helper}
