"""Registries on loopback, each a process of its own."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType

REPOSITORY_ROOT = Path(__file__).parents[2]

_MANIFEST_TYPES = ", ".join(
    [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ]
)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Registry:
    """A registry's process; its data is in a directory."""

    host: str

    def __init__(self, helper: Path, directory: Path) -> None:
        self.helper = helper
        self.directory = directory
        directory.mkdir(parents=True)
        self.log = directory / "log"

    def command(self) -> list[str]:
        raise NotImplementedError

    def wait_until_ready(self) -> None:
        """Returns as soon as the registry answers, and sets `host`."""
        raise NotImplementedError

    def __enter__(self):  # type: ignore[no-untyped-def]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        try:
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)

    def poll(self, ready) -> None:  # type: ignore[no-untyped-def]
        deadline = time.monotonic() + 30
        while not ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{self.command()} doesn't come up:\n{self.log.read_text()}")
            time.sleep(0.05)

    def seed(self) -> None:
        subprocess.run([str(self.helper), "seed", self.host], check=True, capture_output=True)

    def request(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        request = urllib.request.Request(
            f"http://{self.host}{path}", method=method, headers=headers or {"Accept": _MANIFEST_TYPES}, data=body
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, dict(response.headers.items()), response.read()
        except urllib.error.HTTPError as e:
            return e.code, dict(e.headers.items()), e.read()

    def push_image(self, reference: str, *layers: bytes) -> str:
        """Pushes an OCI image with these layers to `repository:tag`; returns the manifest's digest."""
        repository, tag = reference.rsplit(":", 1)
        config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}})
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": self._push_blob(repository, config.encode(), "application/vnd.oci.image.config.v1+json"),
            "layers": [
                self._push_blob(repository, layer, "application/vnd.oci.image.layer.v1.tar") for layer in layers
            ],
        }
        body = json.dumps(manifest).encode()
        headers = {"Content-Type": str(manifest["mediaType"])}
        status, _, answer = self.request("PUT", f"/v2/{repository}/manifests/{tag}", headers, body)
        assert status == 201, answer
        return _digest(body)

    def _push_blob(self, repository: str, content: bytes, media_type: str) -> dict[str, object]:
        status, headers, answer = self.request("POST", f"/v2/{repository}/blobs/uploads/")
        assert status == 202, answer
        location = urllib.parse.urlsplit(headers["Location"])
        query = f"{location.query}&digest={_digest(content)}".lstrip("&")
        octets = {"Content-Type": "application/octet-stream"}
        status, _, answer = self.request("PUT", f"{location.path}?{query}", octets, content)
        assert status == 201, answer
        return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}

    def digest(self, reference: str) -> str | None:
        """Of `repository:tag`; None where there is none."""
        repository, tag = reference.rsplit(":", 1)
        status, headers, _ = self.request("HEAD", f"/v2/{repository}/manifests/{tag}")
        assert status in (200, 404), status
        return headers["Docker-Content-Digest"] if status == 200 else None

    def tags(self, repository: str) -> list[str]:
        status, _, body = self.request("GET", f"/v2/{repository}/tags/list")
        return sorted(json.loads(body)["tags"] or []) if status == 200 else []


class DevRegistry(Registry):
    """The one that the helper serves."""

    def command(self) -> list[str]:
        ready = str(self.directory / "ready")
        return [str(self.helper), "serve", "--address", "127.0.0.1:0", "--ready-file", ready]

    def wait_until_ready(self) -> None:
        ready = self.directory / "ready"
        self.poll(lambda: ready.exists() and ready.read_text().strip())
        self.host = ready.read_text().strip().removeprefix("http://")


class DistributionRegistry(Registry):
    """https://github.com/distribution/distribution, as tools/go.mod pins it."""

    def command(self) -> list[str]:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.host = f"127.0.0.1:{port}"
        configuration = self.directory / "config.yml"
        configuration.write_text(
            json.dumps(
                {
                    "version": 0.1,
                    "log": {"level": "info"},
                    "storage": {"filesystem": {"rootdirectory": str(self.directory / "data")}},
                    "http": {"addr": self.host},
                }
            )
        )
        return [distribution_executable(), "serve", str(configuration)]

    def wait_until_ready(self) -> None:
        def answers() -> bool:
            try:
                return self.request("GET", "/v2/")[0] == 200
            except OSError:
                return False

        self.poll(answers)


def distribution_executable() -> str:
    """`registry` on PATH, where scripts/test puts it, else what the Go command builds and caches of it."""
    on_path = shutil.which("registry")
    if on_path:
        return on_path
    return subprocess.run(
        ["go", "-C", str(REPOSITORY_ROOT / "tools"), "tool", "-n", "registry"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
