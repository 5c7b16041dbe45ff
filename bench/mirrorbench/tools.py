"""The tools that are compared: their command lines, and the list of copies in each one's own format."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mirrorbench.imageset import Image

SOURCE_PREFIX = "lib/"
DESTINATION_PREFIX = "mirror/"


@dataclass(frozen=True)
class Tool:
    """A tool's command, run by bash.

    Placeholders are the keys of `Lists.placeholders`, and `{concurrency}`. A tool that takes one
    destination a command has `per_destination`: it runs once for each.
    """

    name: str
    command: str
    program: str | None = None
    per_destination: bool = False

    def command_line(self, placeholders: dict[str, str], destinations: list[str]) -> str:
        if not self.per_destination:
            return self.command.format(**placeholders)
        commands = (self.command.format(**{**placeholders, "destination": d}) for d in destinations)
        return "failed=0; " + "; ".join(f"{command} || failed=1" for command in commands) + "; exit $failed"


_EACH = "xargs -P {concurrency} -n 2 "

OURS = "docker-mirror"
TOOLS = (
    Tool(
        OURS,
        "docker-mirror copy --concurrency {concurrency} --referrers none --progress none {specs}",
        "docker-mirror",
    ),
    Tool("crane", _EACH + "crane copy --insecure <{pairs}", "crane"),
    Tool("regsync", "regsync once -c {regsync} -v warn", "regsync"),
    Tool("oras", _EACH + "oras cp --no-tty --concurrency 5 --from-plain-http --to-plain-http <{pairs}", "oras"),
    Tool(
        "skopeo sync",
        "skopeo sync --all --preserve-digests --keep-going --retry-times 3 --src yaml --dest docker "
        "--dest-tls-verify=false {skopeo} {destination}/mirror",
        "skopeo",
        per_destination=True,
    ),
)

SKOPEO_CACHE = Path("/var/lib/containers/cache")
"""Where skopeo, run by root, remembers blobs between runs: emptied before each, as in a fresh CI job."""


def write_lists(
    work: Path, images: Iterable[Image], source: str, destinations: list[str], concurrency: int
) -> dict[str, str]:
    """Writes the copies in every tool's format into `work` and returns the placeholders, quoted for bash."""
    images = list(images)
    copies = [
        (f"{source}/{SOURCE_PREFIX}{i.repository}:{i.tag}", f"{d}/{DESTINATION_PREFIX}{i.repository}:{i.tag}")
        for d in destinations
        for i in images
    ]
    tags: dict[str, list[str]] = {}
    for image in images:
        tags.setdefault(f"{SOURCE_PREFIX}{image.repository}", []).append(image.tag)
    files = {
        "specs": ("specs.json", json.dumps([{"src": src, "dst": dst} for src, dst in copies], indent=1)),
        "pairs": ("pairs.txt", "".join(f"{src} {dst}\n" for src, dst in copies)),
        # JSON is YAML
        "regsync": (
            "regsync.yaml",
            json.dumps(
                {
                    "version": 1,
                    "creds": [
                        {"registry": host, "tls": "disabled", "reqConcurrent": concurrency}
                        for host in (source, *destinations)
                    ],
                    "defaults": {"parallel": concurrency, "interval": "60m"},
                    "sync": [{"source": src, "target": dst, "type": "image"} for src, dst in copies],
                }
            ),
        ),
        "skopeo": ("skopeo.yaml", json.dumps({source: {"tls-verify": False, "images": tags}})),
    }
    placeholders = {
        "concurrency": str(concurrency),
        "source": source,
        "destination": destinations[0],
        "work": shlex.quote(str(work)),
    }
    for name, (filename, text) in files.items():
        path = work / filename
        path.write_text(text)
        placeholders[name] = shlex.quote(str(path))
    return placeholders
