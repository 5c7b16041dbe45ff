"""Builds the helper, and what verifies signatures, from the Go sources that come with the backend."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.fs import EMPTY_DIGEST, CreateDigest, Digest, FileContent
from pants.engine.internals.session import RunId
from pants.engine.platform import Platform
from pants.engine.process import Process, ProcessResult
from pants.engine.rules import collect_rules, rule
from pants.util.logging import LogLevel

from docker_mirror.errors import HelperError
from docker_mirror.go_toolchain import GO_ENV, GoToolchain, GoToolchainRequest, go_toolchain
from docker_mirror.helper_process import HELPER_NAME, VERIFIER_NAME
from docker_mirror.pants_compat import (
    create_digest,
    environment_vars_subset,
    execute_process_or_raise,
    rule_call,
)
from docker_mirror.subsystem import DockerMirrorSubsystem

_PACKAGE_DIRECTORY = Path(__file__).parent


@dataclass(frozen=True)
class GoProgram:
    name: str
    module: str
    """The directory of its go.mod, relative to that of the helper's."""
    package: str
    """The directory of what `go build` makes it of, with all below, relative to `module`."""


HELPER = GoProgram(HELPER_NAME, ".", "./go-helper")

VERIFIER = GoProgram(VERIFIER_NAME, "go-helper/verifier", ".")
"""A module of its own: most users have no need of it, nor of what it is made of."""


@dataclass(frozen=True)
class HelperSourcesRequest:
    program: GoProgram = HELPER


@dataclass(frozen=True)
class HelperSources:
    """The Go module of a program, under `src`."""

    digest: Digest
    minimum_go_version: str
    """The `go` line of go.mod: no older toolchain builds the helper."""


@dataclass(frozen=True)
class BuiltHelperRequest:
    program: GoProgram = HELPER


@dataclass(frozen=True)
class BuiltHelper:
    digest: Digest
    """The program is at its root, under its name."""
    missing: str = ""
    """Why nothing was built: there is no Go for it."""


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


def read_sources(root: Path, program: GoProgram = HELPER) -> tuple[FileContent, ...]:
    """go.mod, go.sum and all files of the package but tests, their data and modules of their own, sorted by path."""
    module = root / program.module
    files = {module / "go.mod", module / "go.sum"}
    for directory, subdirectories, names in os.walk(module / program.package):
        subdirectories[:] = sorted(
            d
            for d in subdirectories
            if d != "testdata" and not d.startswith((".", "_")) and not Path(directory, d, "go.mod").exists()
        )
        files |= {
            Path(directory, name)
            for name in names
            if not name.endswith("_test.go") and not name.startswith((".", "_")) and not name.endswith("~")
        }
    return tuple(FileContent(f"src/{file.relative_to(module).as_posix()}", file.read_bytes()) for file in sorted(files))


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
    files = read_sources(source_root(), request.program)
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


_GO_PLATFORMS = {
    Platform.linux_arm64: ("linux", "arm64"),
    Platform.linux_x86_64: ("linux", "amd64"),
    Platform.macos_arm64: ("darwin", "arm64"),
    Platform.macos_x86_64: ("darwin", "amd64"),
}


def build_process(
    go: GoToolchain, sources: Digest, env: Mapping[str, str], platform: Platform, program: GoProgram = HELPER
) -> Process:
    """One hermetic `go build`; its output is the same bytes in every sandbox.

    :param platform: where the helper runs. With `[GLOBAL].remote_execution` that is this machine, since `mirror` and
        `publish` run here, and the toolchain may be another's.
    """
    goos, goarch = _GO_PLATFORMS[platform]
    return Process(
        argv=(go.path, "build", "-C", "src", "-ldflags=-s -w", "-o", f"{{chroot}}/{program.name}", program.package),
        input_digest=sources,
        env={
            **env,
            **GO_ENV,
            "GOROOT": go.goroot,
            "GOOS": goos,
            "GOARCH": goarch,
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
        output_files=(program.name,),
        description="Build docker-mirror's helper" if program == HELPER else f"Build {program.name}",
        level=LogLevel.INFO,
    )


@rule
async def build_helper(
    request: BuiltHelperRequest, platform: Platform, env_aware: DockerMirrorSubsystem.EnvironmentAware
) -> BuiltHelper:
    env: EnvironmentVars = await environment_vars_subset(EnvironmentVarsRequest(env_aware.go_env_vars))
    refuse_userinfo(env)
    sources: HelperSources = await helper_sources(HelperSourcesRequest(request.program))
    go: GoToolchain = await go_toolchain(GoToolchainRequest(sources.minimum_go_version))
    if go.missing:
        return BuiltHelper(EMPTY_DIGEST, go.missing)
    result: ProcessResult = await execute_process_or_raise(
        build_process(go, sources.digest, env, platform, request.program)
    )
    if result.output_digest == EMPTY_DIGEST:  # A missing output file is no error to the engine.
        raise HelperError(f"`go build` made no executable.\n{result.stderr.decode()}")
    return BuiltHelper(result.output_digest)


built_helper = rule_call(build_helper, BuiltHelperRequest, BuiltHelper)


def rules() -> Iterable[object]:
    return collect_rules()
