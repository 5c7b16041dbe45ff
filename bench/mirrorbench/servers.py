"""Registries and counting proxies, each a process on a free loopback port."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

from mirrorbench.build import find_program
from mirrorbench.layout import Layout

START_SECONDS = 20.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        body: bytes = answer.read()
        return body


class Server:
    """A process that serves HTTP on `address`."""

    def __init__(self, command: list[str], address: str, ready: str, log: Path, environment: dict[str, str]) -> None:
        self.address = address
        with log.open("w") as out:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdout=subprocess.DEVNULL,
                stderr=out,
                start_new_session=True,
            )
        try:
            self._wait(ready, log)
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def _wait(self, path: str, log: Path) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            try:
                _get(self.url + path)
                return
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f"{self._process.args!r} does not answer: {log.read_text().strip()}")

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


class Registry(Server):
    """distribution's registry on `root`."""

    def __init__(self, layout: Layout, root: Path, readonly: bool = False) -> None:
        root.mkdir(parents=True, exist_ok=True)
        address = f"127.0.0.1:{free_port()}"
        config = root.with_suffix(".json")
        config.write_text(  # JSON is YAML
            json.dumps(
                {
                    "version": "0.1",
                    "log": {"level": "error", "accesslog": {"disabled": True}},
                    "storage": {
                        "filesystem": {"rootdirectory": str(root), "maxthreads": 200},
                        "delete": {"enabled": True},
                        "maintenance": {"uploadpurging": {"enabled": False}, "readonly": {"enabled": readonly}},
                    },
                    "http": {"addr": address, "relativeurls": True, "secret": "bench"},
                }
            )
        )
        super().__init__(
            [str(layout.programs / "registry"), "serve", str(config)],
            address,
            "/v2/",
            root.with_suffix(".log"),
            {"OTEL_TRACES_EXPORTER": "none", "OTEL_SDK_DISABLED": "true"},
        )


class SerialRegistry(Server):
    """crane's registry in memory: blobs are common to all repositories, and while one is sent no other is taken."""

    def __init__(self, layout: Layout, work: Path) -> None:
        address = f"127.0.0.1:{free_port()}"
        program = find_program(layout, "crane")
        if program is None:
            raise RuntimeError("a destination of this case is crane's registry, and there is no crane")
        super().__init__(
            [str(program), "registry", "serve", "--address", address],
            address,
            "/v2/",
            work / "serial-registry.log",
            {},
        )


class Proxy(Server):
    """A counting proxy before a registry."""

    def __init__(self, layout: Layout, upstream: Server, flags: tuple[str, ...], work: Path, name: str) -> None:
        address = f"127.0.0.1:{free_port()}"
        super().__init__(
            [str(layout.programs / "countproxy"), "-listen", address, "-upstream", upstream.url, *flags],
            address,
            "/__stats",
            work / f"{name}.log",
            {},
        )

    def stats(self) -> dict[str, Any]:
        """What it has counted: see `Snapshot` in countproxy/counters.go."""
        stats: dict[str, Any] = json.loads(_get(self.url + "/__stats"))
        return stats

    def reset(self) -> None:
        _get(self.url + "/__reset")


class Servers:
    """Servers that are stopped together."""

    def __init__(self) -> None:
        self._servers: list[Server] = []

    def __enter__(self) -> Servers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._servers:
            self._servers.pop().stop()

    def registry(self, layout: Layout, root: Path, readonly: bool = False) -> Registry:
        server = Registry(layout, root, readonly)
        self._servers.append(server)
        return server

    def serial_registry(self, layout: Layout, work: Path) -> SerialRegistry:
        server = SerialRegistry(layout, work)
        self._servers.append(server)
        return server

    def proxy(self, layout: Layout, upstream: Server, flags: tuple[str, ...], work: Path, name: str) -> Proxy:
        server = Proxy(layout, upstream, flags, work, name)
        self._servers.append(server)
        return server
