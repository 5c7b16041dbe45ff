"""Takes the executables that `[docker-mirror].helper` and `[docker-mirror].verifier` name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pants.base.build_root import BuildRoot
from pants.engine.fs import CreateDigest, Digest, FileContent
from pants.engine.internals.session import RunId
from pants.engine.rules import collect_rules, rule

from docker_mirror.errors import HelperError
from docker_mirror.helper_process import HELPER_NAME
from docker_mirror.pants_compat import create_digest, rule_call


@dataclass(frozen=True)
class PrebuiltHelperRequest:
    path: str
    sha256: str | None
    option: str = "helper"
    name: str = HELPER_NAME


@dataclass(frozen=True)
class PrebuiltHelper:
    digest: Digest


@dataclass(frozen=True)
class StoredHelperRequest:
    path: str
    sha256: str
    """Of what is there now."""
    option: str
    name: str


@dataclass(frozen=True)
class StoredHelper:
    digest: Digest


def read_prebuilt(path: str, sha256: str | None, option: str = "helper") -> bytes:
    """
    :param path: absolute, or relative to the build root.
    :raises HelperError: if it can't be read or its digest isn't the wanted one.
    """
    file = Path(BuildRoot().path, path)
    try:
        content = file.read_bytes()
    except OSError as e:
        raise HelperError(f"`[docker-mirror].{option}` is {path}, which can't be read: {e.strerror}.") from e
    if not os.access(file, os.X_OK):
        raise HelperError(f"`[docker-mirror].{option}` is {path}, which is not executable.")
    digest = hashlib.sha256(content).hexdigest()
    if sha256 is not None and digest != sha256.lower():
        raise HelperError(
            f"`[docker-mirror].{option}` is {path}, whose SHA-256 digest is {digest}, and "
            f"`[docker-mirror].helper_sha256` says {sha256}."
        )
    return content


@rule
async def store_prebuilt_helper(request: StoredHelperRequest) -> StoredHelper:
    content = read_prebuilt(request.path, request.sha256, request.option)
    digest: Digest = await create_digest(CreateDigest([FileContent(request.name, content, is_executable=True)]))
    return StoredHelper(digest)


stored_helper = rule_call(store_prebuilt_helper, StoredHelperRequest, StoredHelper)


@rule
async def load_prebuilt_helper(request: PrebuiltHelperRequest, run_id: RunId) -> PrebuiltHelper:
    # With a RunId for the same reason as `read_helper_sources`. Storing it takes half a second, so that is done for new
    # content only.
    content = read_prebuilt(request.path, request.sha256, request.option)
    sha256 = hashlib.sha256(content).hexdigest()
    stored: StoredHelper = await stored_helper(StoredHelperRequest(request.path, sha256, request.option, request.name))
    return PrebuiltHelper(stored.digest)


prebuilt_helper = rule_call(load_prebuilt_helper, PrebuiltHelperRequest, PrebuiltHelper)


def rules() -> Iterable[object]:
    return collect_rules()
