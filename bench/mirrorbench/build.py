"""Builds what the benchmark runs: our helper, its own programs, distribution's registry, and the peers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from mirrorbench.layout import BENCH, Layout

CHECKOUT = BENCH.parent


class BuildError(Exception):
    """A program that the benchmark can't do without could not be built."""


@dataclass(frozen=True)
class Peer:
    """A program of others, as its authors released it."""

    name: str
    package: str
    version: str
    needed: bool = False


REGISTRY = Peer("registry", "github.com/distribution/distribution/v3/cmd/registry", "v3.1.2", needed=True)
PEERS = (
    REGISTRY,
    Peer("crane", "github.com/google/go-containerregistry/cmd/crane", "v0.22.1"),
    Peer("regsync", "github.com/regclient/regclient/cmd/regsync", "v0.11.7"),
    Peer("oras", "oras.land/oras/cmd/oras", "v1.3.0"),
)


def _go(arguments: list[str], cwd: Path, **environment: str) -> str | None:
    """Runs go; returns what it said where it failed."""
    done = subprocess.run(
        ["go", *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return None if done.returncode == 0 else done.stdout.strip()


def build_own(layout: Layout) -> None:
    """Builds the helper and the benchmark's programs from this checkout, every time."""
    layout.programs.mkdir(parents=True, exist_ok=True)
    out = f"{layout.programs}{os.sep}"
    # The flags of the tests and of scripts/quickstart, so that packages are compiled once for all of them.
    build = ["build", "-trimpath", "-buildvcs=false", "-o"]
    for what, arguments, cwd in (
        ("docker-mirror", [*build, f"{out}docker-mirror", "./go-helper"], CHECKOUT),
        ("the benchmark's programs", [*build, out, "./..."], BENCH),
    ):
        said = _go(arguments, cwd)
        if said is not None:
            raise BuildError(f"could not build {what}:\n{said}")


def build_peers(layout: Layout, wanted: set[str], adopt: bool = False) -> None:
    """Builds the peers among `wanted` that aren't there yet. One that doesn't build is left out, with a word.

    With `adopt`, one that is on PATH in whatever release is taken as it is.
    """
    for peer in PEERS:
        if peer.name not in wanted and not peer.needed:
            continue
        found = shutil.which(peer.name) if adopt else None
        if found:
            link = layout.programs / peer.name
            link.unlink(missing_ok=True)
            link.symlink_to(found)
            continue
        stamp = layout.programs / f".{peer.name}-{peer.version}"
        if stamp.exists() and (layout.programs / peer.name).exists():
            continue
        print(f"Building {peer.package}@{peer.version} ...", file=sys.stderr, flush=True)
        said = _go(
            ["install", f"{peer.package}@{peer.version}"], layout.root, GOBIN=str(layout.programs), CGO_ENABLED="0"
        )
        if said is None:
            stamp.touch()
        elif peer.needed:
            raise BuildError(f"could not build {peer.name} {peer.version}:\n{said}")
        else:
            print(f"{peer.name} {peer.version} does not build here:\n{said}", file=sys.stderr, flush=True)


def versions(names: set[str]) -> str:
    """The releases of the peers among `names`, and of the registry."""
    found = [f"{peer.name} {peer.version}" for peer in PEERS if peer.name in names or peer is REGISTRY]
    if "skopeo sync" in names and shutil.which("skopeo"):
        said = subprocess.run(["skopeo", "--version"], capture_output=True, text=True, check=True).stdout
        found.append(f"skopeo {said.split()[-1]}")
    return ", ".join(found)


def find_program(layout: Layout, name: str) -> Path | None:
    """A built program, or one on PATH."""
    built = layout.programs / name
    if built.exists():
        return built
    found = shutil.which(name)
    return Path(found) if found else None
