"""Policies with the real Pants: what verifies signatures is built where there is one, and judges what is mirrored."""

from __future__ import annotations

from pathlib import Path

import pytest
from pants_project import PantsProject
from registries import DevRegistry

pytestmark = pytest.mark.integration

POLICY = """\
version = 1
[trust.acme]
keys = ["acme.pub"]
log = "none"
[[rule]]
images = ["**"]
signed_by = [{ trust = "acme" }]
unsigned = "UNSIGNED"
"""

# Of a key that nobody has any longer.
KEY = """\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEGJiTaJwkX//wQcG79YYI7u5+FfaN
+6kyjwbpItFTYnrsgsUkRtBeHn72TJpxPeS4Zv8Rdm0mWjm0csZZA6Q8Hg==
-----END PUBLIC KEY-----
"""


def test_what_verifies_signatures_is_built_with_a_policy(
    project: PantsProject, source: DevRegistry, dev_destination: DevRegistry
) -> None:
    source.seed()
    project.use_registry(dev_destination.host)
    project.write(
        {
            "3rdparty/images.txt": f"{source.host}/single:1.0\n",
            "3rdparty/BUILD": "docker_mirror_images()\n",
            "policy/acme.pub": KEY,
            "policy/mirror-policy.toml": POLICY.replace("UNSIGNED", "refuse"),
        }
    )
    policy = "--docker-mirror-policy=policy/mirror-policy.toml"
    for goal in ("mirror", "lock"):
        refused = project.run(policy, goal, "::").failed()
        assert "it is not signed, and" in refused.stderr, refused
        assert "policy/mirror-policy.toml:5 wants it to be" in refused.stderr, refused
    project.write({"policy/mirror-policy.toml": POLICY.replace("UNSIGNED", "warn")})
    for goal in ("mirror", "lock", "publish"):
        project.run(policy, goal, "::").succeeded()
    # One that is built already: this one is none.
    Path(project.directory, "other").write_text("#!/bin/sh\necho other\n")
    Path(project.directory, "other").chmod(0o755)
    strange = project.run(policy, "--docker-mirror-verifier=other", "lock", "--upgrade", "::").failed(2)
    assert "is not docker-mirror-verify" in strange.stderr, strange
