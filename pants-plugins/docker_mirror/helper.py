"""Builds the helper, `docker-mirror`, from the Go sources that come with the backend, or takes a prebuilt one."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pants.base.build_environment import get_buildroot
from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.fs import EMPTY_DIGEST, CreateDigest, Digest, FileContent
from pants.engine.internals.session import RunId
from pants.engine.process import Process, ProcessResult
from pants.engine.rules import collect_rules, rule
from pants.util.logging import LogLevel

from docker_mirror.errors import DockerMirrorError
from docker_mirror.go_toolchain import GO_ENV, GoToolchain, GoToolchainRequest, go_toolchain
from docker_mirror.pants_compat import (
    create_digest,
    environment_vars_subset,
    execute_process_or_raise,
    rule_call,
)
from docker_mirror.subsystem import DockerMirrorSubsystem

HELPER_NAME = "docker-mirror"

HELPER_DIRECTORY = "__docker_mirror"
"""Where a process has the helper, as an immutable input: it is linked there, not copied."""

HELPER_EXE = f"{HELPER_DIRECTORY}/{HELPER_NAME}"

_PACKAGE_DIRECTORY = Path(__file__).parent


class HelperError(DockerMirrorError):
    """The helper can't be had; the message says why and what to do."""


@dataclass(frozen=True)
class HelperSourcesRequest:
    pass


@dataclass(frozen=True)
class HelperSources:
    """The Go module, under `src`."""

    digest: Digest
    minimum_go_version: str
    """The `go` line of go.mod: no older toolchain builds the helper."""


@dataclass(frozen=True)
class BuiltHelperRequest:
    pass


@dataclass(frozen=True)
class BuiltHelper:
    digest: Digest


@dataclass(frozen=True)
class PrebuiltHelperRequest:
    path: str
    sha256: str | None


@dataclass(frozen=True)
class PrebuiltHelper:
    digest: Digest


@dataclass(frozen=True)
class StoredHelperRequest:
    path: str
    sha256: str
    """Of what is there now."""


@dataclass(frozen=True)
class StoredHelper:
    digest: Digest


@dataclass(frozen=True)
class MirrorHelper:
    """The helper's digest; the executable is at its root and named `HELPER_NAME`."""

    digest: Digest

    @property
    def immutable_input_digests(self) -> Mapping[str, Digest]:
        return {HELPER_DIRECTORY: self.digest}


def source_root(package_directory: Path = _PACKAGE_DIRECTORY) -> Path:
    """The directory with go.mod: `_go`, where the wheel's build put it, else two levels up in a checkout.

    :raises HelperError: if neither is there.
    """
    for candidate in (package_directory / "_go", package_directory.parent.parent):
        if (candidate / "go.mod").is_file() and (candidate / "go-helper").is_dir():
            return candidate
    raise HelperError(
        f"The Go sources of the helper are neither in {package_directory / '_go'} nor in "
        f"{package_directory.parent.parent}. Install docker-mirror again, or set `[docker-mirror].helper` to a "
        "prebuilt executable."
    )


def read_sources(root: Path) -> tuple[FileContent, ...]:
    """go.mod, go.sum and all files of go-helper but tests and their data, sorted by path."""
    files = [root / "go.mod", root / "go.sum"]
    for directory, subdirectories, names in os.walk(root / "go-helper"):
        subdirectories[:] = sorted(d for d in subdirectories if d != "testdata" and not d.startswith((".", "_")))
        files += [
            Path(directory, name)
            for name in names
            if not name.endswith("_test.go") and not name.startswith((".", "_")) and not name.endswith("~")
        ]
    return tuple(FileContent(f"src/{file.relative_to(root).as_posix()}", file.read_bytes()) for file in sorted(files))


def minimum_go_version(go_mod: str) -> str:
    """The version of the `go` directive (https://go.dev/ref/mod#go-mod-file-go)."""
    match = re.search(r"^go\s+(\S+)", go_mod, re.MULTILINE)
    if match is None:
        raise HelperError("The helper's go.mod has no `go` line.")
    return match.group(1)


@rule
async def read_helper_sources(request: HelperSourcesRequest, run_id: RunId) -> HelperSources:
    # The sources lie outside the build root, where Pants watches nothing. A new run has a new RunId and so reads them
    # again; where they are the same, nothing that depends on them runs. Without it pantsd would not see an edit.
    files = read_sources(source_root())
    go_mod = next(file for file in files if file.path == "src/go.mod")
    digest = await create_digest(CreateDigest(files))
    return HelperSources(digest, minimum_go_version(go_mod.content.decode()))


helper_sources = rule_call(read_helper_sources, HelperSourcesRequest, HelperSources)


# `user:password@host` at the beginning of a value, after a separator (GOPROXY and GOSUMDB are lists) or in a URL.
_USERINFO = re.compile(r"(?:^|[\s,|]|://)[^\s/,|@]+@")


def refuse_userinfo(env: Mapping[str, str]) -> None:
    """
    :raises HelperError: naming every variable whose value holds credentials: they would be part of the build's key,
        and so of a shared cache.
    """
    with_userinfo = sorted(name for name, value in env.items() if _USERINFO.search(value))
    if with_userinfo:
        raise HelperError(
            f"Credentials in {', '.join(with_userinfo)} can't be used to build docker-mirror's helper: they would "
            "become part of the build's cache key. Put them into a netrc file that NETRC names and leave them out of "
            "the URL, or set `[docker-mirror].helper` to a prebuilt executable."
        )


def build_process(go: GoToolchain, sources: Digest, env: Mapping[str, str]) -> Process:
    """One hermetic `go build`; its output is the same bytes in every sandbox."""
    return Process(
        argv=(go.path, "build", "-C", "src", "-ldflags=-s -w", "-o", f"{{chroot}}/{HELPER_NAME}", "./go-helper"),
        input_digest=sources,
        env={
            **env,
            **GO_ENV,
            "GOROOT": go.goroot,
            "CGO_ENABLED": "0",
            "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false -modcacherw",
            "GOPATH": "{chroot}/.gopath",
            "GOMODCACHE": "{chroot}/.gomodcache",
            "GOCACHE": "{chroot}/.gocache",
            # Not read by Go: a new toolchain at the same path is a new cache key.
            "__DOCKER_MIRROR_GO_VERSION": go.version,
        },
        append_only_caches={
            "docker_mirror_go_modules": ".gomodcache",
            "docker_mirror_go_build": ".gocache",
        },
        output_files=(HELPER_NAME,),
        description="Build docker-mirror's helper",
        level=LogLevel.INFO,
    )


@rule
async def build_helper(request: BuiltHelperRequest, env_aware: DockerMirrorSubsystem.EnvironmentAware) -> BuiltHelper:
    env: EnvironmentVars = await environment_vars_subset(EnvironmentVarsRequest(env_aware.go_env_vars))
    refuse_userinfo(env)
    sources: HelperSources = await helper_sources(HelperSourcesRequest())
    go: GoToolchain = await go_toolchain(GoToolchainRequest(sources.minimum_go_version))
    result: ProcessResult = await execute_process_or_raise(build_process(go, sources.digest, env))
    if result.output_digest == EMPTY_DIGEST:  # A missing output file is no error to the engine.
        raise HelperError(f"`go build` made no executable.\n{result.stderr.decode()}")
    return BuiltHelper(result.output_digest)


built_helper = rule_call(build_helper, BuiltHelperRequest, BuiltHelper)


def read_prebuilt(path: str, sha256: str | None) -> bytes:
    """
    :param path: absolute, or relative to the build root.
    :raises HelperError: if it can't be read or its digest isn't the wanted one.
    """
    file = Path(get_buildroot(), path)
    try:
        content = file.read_bytes()
    except OSError as e:
        raise HelperError(f"`[docker-mirror].helper` is {path}, which can't be read: {e.strerror}.") from e
    if not os.access(file, os.X_OK):
        raise HelperError(f"`[docker-mirror].helper` is {path}, which is not executable.")
    digest = hashlib.sha256(content).hexdigest()
    if sha256 is not None and digest != sha256.lower():
        raise HelperError(
            f"`[docker-mirror].helper` is {path}, whose SHA-256 digest is {digest}, and "
            f"`[docker-mirror].helper_sha256` says {sha256}."
        )
    return content


@rule
async def store_prebuilt_helper(request: StoredHelperRequest) -> StoredHelper:
    content = read_prebuilt(request.path, request.sha256)
    digest: Digest = await create_digest(CreateDigest([FileContent(HELPER_NAME, content, is_executable=True)]))
    return StoredHelper(digest)


stored_helper = rule_call(store_prebuilt_helper, StoredHelperRequest, StoredHelper)


@rule
async def load_prebuilt_helper(request: PrebuiltHelperRequest, run_id: RunId) -> PrebuiltHelper:
    # With a RunId for the same reason as `read_helper_sources`. Storing it takes half a second, so that is done for new
    # content only.
    content = read_prebuilt(request.path, request.sha256)
    stored: StoredHelper = await stored_helper(StoredHelperRequest(request.path, hashlib.sha256(content).hexdigest()))
    return PrebuiltHelper(stored.digest)


prebuilt_helper = rule_call(load_prebuilt_helper, PrebuiltHelperRequest, PrebuiltHelper)


@rule
async def mirror_helper(subsystem: DockerMirrorSubsystem) -> MirrorHelper:
    if subsystem.helper:
        prebuilt: PrebuiltHelper = await prebuilt_helper(
            PrebuiltHelperRequest(subsystem.helper, subsystem.helper_sha256)
        )
        return MirrorHelper(prebuilt.digest)
    if subsystem.helper_sha256:
        raise HelperError(
            "`[docker-mirror].helper_sha256` is set without `[docker-mirror].helper`: it is the digest of a prebuilt "
            "executable, and doesn't hold for one that is built."
        )
    built: BuiltHelper = await built_helper(BuiltHelperRequest())
    return MirrorHelper(built.digest)


def rules() -> Iterable[object]:
    return collect_rules()
