"""Finds a Go toolchain that is new enough."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

from pants.core.util_rules.system_binaries import BinaryPathRequest, BinaryPaths, BinaryPathTest
from pants.engine.process import Process
from pants.engine.rules import collect_rules, rule
from pants.util.logging import LogLevel

from docker_mirror.pants_compat import EnvironmentTarget, concurrently, execute_process, find_binary, rule_call
from docker_mirror.subsystem import DockerMirrorSubsystem

GO_ENV = {
    # No version but the installed one, no settings but ours: https://go.dev/doc/toolchain, `go help environment`.
    "GOTOOLCHAIN": "local",
    "GOENV": "off",
    "GOWORK": "off",
    "GOPATH": "/nonexistent",
    "GOCACHE": "/nonexistent",
}


@dataclass(frozen=True)
class GoToolchainRequest:
    minimum_version: str


@dataclass(frozen=True)
class GoToolchain:
    path: str
    version: str
    goroot: str
    missing: str = ""
    """Why there is none; names those that are too old."""


def parse_go_version(version: str) -> tuple[int, int, int] | None:
    """`go1.26.8`, `1.25` or `go1.26rc1` as numbers; None for a development version without one."""
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    return (int(match.group(1)), int(match.group(2)), int(match.group(3) or 0)) if match else None


def is_new_enough(version: str, minimum: str) -> bool:
    """Whether a toolchain can build a module whose go.mod says `go minimum`. A development version passes."""
    parsed, wanted = parse_go_version(version), parse_go_version(minimum)
    return parsed is None or wanted is None or parsed >= wanted


@rule(desc="Find a Go toolchain", level=LogLevel.DEBUG)
async def find_go(
    request: GoToolchainRequest,
    env_aware: DockerMirrorSubsystem.EnvironmentAware,
    env_target: EnvironmentTarget,
) -> GoToolchain:
    found: BinaryPaths = await find_binary(
        BinaryPathRequest(
            binary_name="go",
            search_path=env_aware.go_search_paths,
            test=BinaryPathTest(["version"]),
        )
    )
    results = await concurrently(
        execute_process(
            Process(
                (binary.path, "env", "GOVERSION", "GOROOT"),
                env=GO_ENV,
                description=f"Ask {binary.path} for its version",
                level=LogLevel.DEBUG,
                cache_scope=env_target.executable_search_path_cache_scope(),
            )
        )
        for binary in found.paths
    )
    too_old = []
    for binary, result in zip(found.paths, results):
        lines = result.stdout.decode().splitlines()
        if result.exit_code != 0 or len(lines) != 2:
            too_old.append(f"{binary.path}: {result.stderr.decode().strip() or 'says no version'}")
            continue
        version, goroot = lines
        if is_new_enough(version, request.minimum_version):
            return GoToolchain(binary.path, version, goroot)
        too_old.append(f"{binary.path}: {version}")
    return GoToolchain("", "", "", no_go_message(request.minimum_version, too_old, env_aware.go_search_paths))


go_toolchain = rule_call(find_go, GoToolchainRequest, GoToolchain)


def no_go_message(minimum_version: str, unfit: Iterable[str], search_paths: Iterable[str]) -> str:
    unfit = list(unfit)
    searched = os.pathsep.join(search_paths) or "an empty search path"
    reason = (
        f"docker-mirror's helper needs Go {minimum_version} or newer to be built, and found only:\n"
        + "".join(f"  {line}\n" for line in unfit)
        if unfit
        else f"docker-mirror's helper needs Go {minimum_version} or newer to be built, and found no `go`.\n"
    )
    return (
        f"{reason}Searched: {searched}\n"
        "Install Go (https://go.dev/dl/), set `[docker-mirror].go_search_paths`, or take an executable that is built "
        "already: `[docker-mirror].helper` names one, and with `build = false` a release's is downloaded."
    )


def rules() -> Iterable[object]:
    return collect_rules()
