"""Repositories that the real Pants runs on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PANTS_TOML = """\
[GLOBAL]
backend_packages = ["docker_mirror"]

[anonymous-telemetry]
enabled = false
"""


@dataclass(frozen=True)
class Pants:
    """An executable, which Pants it runs, and where that keeps its caches."""

    executable: str
    version: str
    caches: Path
    plugins: Path

    @classmethod
    def probe(cls, executable: str, directory: Path, plugins: Path) -> Pants:
        """Asks for the version in an empty repository: another's pants.toml would pin one."""
        repository = directory / "empty"
        repository.mkdir()
        (repository / "pants.toml").touch()
        answer = subprocess.run(
            [executable, "--no-pantsd", "--version"], cwd=repository, capture_output=True, text=True, check=True
        )
        return cls(executable, answer.stdout.split()[-1], directory / "caches", plugins)

    @property
    def named_caches(self) -> Path:
        return self.caches / "named_caches"

    @property
    def release(self) -> tuple[int, int]:
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)

    def environment(self) -> dict[str, str]:
        return {
            # The launcher takes the version from here rather than from pants.toml, and so does Pants' own check.
            "PANTS_VERSION": self.version,
            "PANTS_PYTHONPATH": json.dumps([str(self.plugins)]),
            "PANTS_LOCAL_STORE_DIR": str(self.caches / "lmdb_store"),
            "PANTS_NAMED_CACHES_DIR": str(self.named_caches),
            "PANTS_PANTSD": "false",
            "PANTS_DYNAMIC_UI": "false",
            "PANTS_COLORS": "false",
            "NO_SCIE_WARNING": "1",
        }


def share_go_caches(named_caches: Path) -> None:
    """Has the helper that Pants builds be compiled in the Go command's own caches: the same is compiled there, too.

    Neither changes what is built: Go finds what it has compiled by all that went into it.
    """
    named_caches.mkdir(parents=True)
    for name, variable in (("docker_mirror_go_build", "GOCACHE"), ("docker_mirror_go_modules", "GOMODCACHE")):
        told = subprocess.run(["go", "env", variable], capture_output=True, text=True, check=True)
        folder = Path(told.stdout.strip())
        folder.mkdir(parents=True, exist_ok=True)
        (named_caches / name).symlink_to(folder)


# What Pants logs, its "Long running tasks", and the progress of the helper: a busy machine has more of it.
_PASSING = re.compile(r"^(\d\d:\d\d:\d\d\.\d+ \[|  \d+\.\d+s\t|\d+/\d+ images? · |\S+: .*, try \d+ of \d+; )")


def lasting_lines(output: str) -> list[str]:
    """Without those that depend on how long things take."""
    return [line for line in output.splitlines() if not _PASSING.match(line)]


@dataclass(frozen=True)
class Run:
    """How a run of Pants ended."""

    exit_code: int
    stdout: str
    stderr: str

    def succeeded(self) -> Run:
        assert self.exit_code == 0, self
        return self

    def failed(self, exit_code: int = 1) -> Run:
        assert self.exit_code == exit_code, self
        return self

    def __str__(self) -> str:
        return f"exit code {self.exit_code}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"


class PantsProject:
    """A repository in a directory, and the environment that Pants runs in there."""

    def __init__(self, pants: Pants, directory: Path, env: Mapping[str, str]) -> None:
        self.pants = pants
        self.directory = directory
        self.env = {**os.environ, **pants.environment(), **env}

    def init(self) -> None:
        """Makes it a git repository with what is in the directory, and a pants.toml where there is none."""
        self.directory.mkdir(exist_ok=True)
        if not (self.directory / "pants.toml").exists():
            self.write({"pants.toml": PANTS_TOML})
        self.write({".gitignore": "/dist/\n.pants.d\n.pids\n.pants.workdir.file_lock*\n"})
        self.git("init", "-q", "-b", "main")
        self.commit()

    def write(self, files: Mapping[str, str]) -> None:
        for path, content in files.items():
            file = self.directory / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)

    def replace(self, path: str, old: str, new: str) -> None:
        content = (self.directory / path).read_text()
        assert old in content, f"{path} has no {old!r}"
        self.write({path: content.replace(old, new)})

    def use_registry(self, address: str, alias: str = "mirror") -> None:
        """Adds a default registry to pants.toml."""
        entry = f"\n[docker.registries.{alias}]\naddress = {json.dumps(address)}\ndefault = true\n"
        toml = self.directory / "pants.toml"
        toml.write_text(toml.read_text() + entry)

    def git(self, *args: str) -> None:
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *identity, *args], cwd=self.directory, check=True, capture_output=True)

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "test")

    def run(self, *args: str, env: Mapping[str, str] | None = None, timeout: float = 600) -> Run:
        result = subprocess.run(
            [self.pants.executable, *args],
            cwd=self.directory,
            env={**self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return Run(result.returncode, result.stdout, result.stderr)

    def start(self, *args: str) -> subprocess.Popen[str]:
        """A run that the caller ends."""
        return subprocess.Popen(
            [self.pants.executable, *args],
            cwd=self.directory,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def processes_run(self, *args: str) -> int:
        """How many processes a run needs that no cache has, interactive ones apart: the engine counts them."""
        log = self.run("--stats-log", *args).succeeded().stderr
        (count,) = re.findall(r"^ *local_execution_requests: (\d+)$", log, re.MULTILINE)
        return int(count)

    def batches(self) -> list[Path]:
        """The publish batches of this session, oldest first."""
        spool = self.pants.named_caches / "docker_mirror" / "spool"
        return sorted(spool.iterdir(), key=lambda batch: batch.stat().st_mtime) if spool.exists() else []

    def stop_pantsd(self) -> None:
        """Ends this repository's pantsd, whose process id Pants keeps in a folder that has moved since 2.17."""
        pid_files = [*self.directory.glob(".pids/*/pantsd/pid"), *self.directory.glob(".pants.d/pids/*/pantsd/pid")]
        for pid_file in pid_files:
            try:
                pid = int(pid_file.read_text())
                os.kill(pid, signal.SIGTERM)
                for _ in range(100):
                    os.kill(pid, 0)
                    time.sleep(0.1)
                os.kill(pid, signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError, ValueError):
                continue
