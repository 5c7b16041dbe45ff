"""Image sets as `seedset` describes them, and the least that copying them can cost."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Image:
    repository: str
    tag: str
    digest: str


@dataclass(frozen=True)
class Manifest:
    size: int
    children: tuple[str, ...]
    blobs: tuple[str, ...]


@dataclass(frozen=True)
class ImageSet:
    """A set: its tags, and every manifest and blob by digest."""

    images: tuple[Image, ...]
    manifests: dict[str, Manifest]
    blobs: dict[str, int]

    @classmethod
    def read(cls, path: Path) -> ImageSet:
        data = json.loads(path.read_text())
        return cls(
            tuple(Image(**image) for image in data["images"]),
            {
                digest: Manifest(m["size"], tuple(m.get("children", ())), tuple(m.get("blobs", ())))
                for digest, m in data["manifests"].items()
            },
            data["blobs"],
        )

    def below(self, digest: str) -> set[str]:
        """The manifest itself and all that it refers to."""
        found: set[str] = set()
        todo = [digest]
        while todo:
            current = todo.pop()
            if current not in found:
                found.add(current)
                todo += self.manifests[current].children
        return found


@dataclass(frozen=True)
class Minimum:
    """What a tool needs that knows the whole set beforehand and uses the distribution API alone.

    Pings and tokens are not counted. Bytes are those of blobs and manifests.
    """

    source_requests: int
    destination_requests: int
    down: int
    up: int
    blob_bytes: int
    mounts: int


def minimum(wanted: ImageSet, present: ImageSet | None) -> Minimum:
    """The least for bringing a destination that holds `present`, or nothing, to `wanted`."""
    present_digests: dict[tuple[str, str], str] = {}
    present_blobs: set[str] = set()
    present_in: set[tuple[str, str]] = set()
    for image in present.images if present else ():
        present_digests[image.repository, image.tag] = image.digest
        for manifest in present.below(image.digest) if present else ():
            for blob in present.manifests[manifest].blobs if present else ():
                present_blobs.add(blob)
                present_in.add((image.repository, blob))

    changed = [i for i in wanted.images if present_digests.get((i.repository, i.tag)) != i.digest]
    manifests: set[str] = set()
    manifests_in: set[tuple[str, str]] = set()
    blobs: set[str] = set()
    blobs_in: set[tuple[str, str]] = set()
    for image in changed:
        for manifest in wanted.below(image.digest):
            manifests.add(manifest)
            manifests_in.add((image.repository, manifest))
            for blob in wanted.manifests[manifest].blobs:
                if (image.repository, blob) not in present_in:
                    blobs_in.add((image.repository, blob))
                    if blob not in present_blobs:
                        blobs.add(blob)

    # Each tag costs one request on either side: at the source a HEAD, or the GET where it has to be read
    # anyway; at the destination a HEAD. Each blob costs a GET; then a POST and a PUT, or one POST that mounts.
    mounts = len(blobs_in) - len(blobs)
    blob_bytes = sum(wanted.blobs[b] for b in blobs)
    return Minimum(
        source_requests=len(wanted.images) - len(changed) + len(manifests) + len(blobs),
        destination_requests=len(wanted.images) + 2 * len(blobs) + mounts + len(manifests_in),
        down=blob_bytes + sum(wanted.manifests[m].size for m in manifests),
        up=blob_bytes + sum(wanted.manifests[m].size for _, m in manifests_in),
        blob_bytes=blob_bytes,
        mounts=mounts,
    )
