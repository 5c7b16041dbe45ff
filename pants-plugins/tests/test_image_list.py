"""`docker_mirror_inline_image`: the image set that its fields become, and that it is one of the lists."""

from __future__ import annotations

from typing import Any

import pytest
from pants.engine.addresses import Address

from docker_mirror.image_list import image_set, toml_value
from docker_mirror.package import PackageImageListFieldSet
from docker_mirror.target_types import DockerMirrorInlineImageTarget

ADDRESS = Address("3rdparty", target_name="images")
DIGEST = "sha256:" + 64 * "0"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("x", '"x"'),
        ('a "b"\\c\n\x00\x7fé\U0001f600', '"a \\"b\\"\\\\c\\n\\u0000\\u007fé\U0001f600"'),
        (True, "true"),
        (3, "3"),
        ((), "[]"),
        (("a", "b"), '["a", "b"]'),
        ({"1.21-alpine": "x", "b": ["y"]}, '{"1.21-alpine" = "x", "b" = ["y"]}'),
    ],
)
def test_toml(value: Any, expected: str) -> None:
    assert toml_value(value) == expected


def test_image_set() -> None:
    target = DockerMirrorInlineImageTarget(
        {
            "image": "quay.io/cilium/cilium",
            "source_tags": ["v1.15.1"],
            "variants": {"hardened": DIGEST},
            "select": {"semver": ["^1.15"], "latest": 3, "allow_empty": True},
            "image_tags": ["{tag}"],
        },
        ADDRESS,
    )
    assert image_set(PackageImageListFieldSet.create(target)).decode() == (
        """\
origin = "3rdparty:images"

[[image]]
source = "quay.io/cilium/cilium"
tags = ["v1.15.1"]
variants = {"hardened" = "DIGEST"}
select = {"semver" = ["^1.15"], "latest" = 3, "allow_empty" = true}
""".replace("DIGEST", DIGEST)
    )
    target = DockerMirrorInlineImageTarget({"image": "pause:3.9"}, ADDRESS)
    text = image_set(PackageImageListFieldSet.create(target)).decode()
    assert text == 'origin = "3rdparty:images"\n\n[[image]]\nsource = "pause:3.9"\n'
