"""Policies with the real Pants: how a digest travels in git, and what verifies signatures where a rule wants some."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from pants_project import PantsProject, Run
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

WEEK_LONG = """\
version = 1
[[rule]]
images = ["**"]
cooldown = "7d"
"""

# Of a key that nobody has any longer.
KEY = """\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEGJiTaJwkX//wQcG79YYI7u5+FfaN
+6kyjwbpItFTYnrsgsUkRtBeHn72TJpxPeS4Zv8Rdm0mWjm0csZZA6Q8Hg==
-----END PUBLIC KEY-----
"""


def test_what_verifies_signatures_is_built_where_a_policy_wants_some(
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


@pytest.fixture
def reviewed(project: PantsProject, source: DevRegistry, dev_destination: DevRegistry) -> Reviewed:
    """A repository whose policy wants digests to be a week old. Without Go, so nothing can be built."""
    source.seed()
    project.use_registry(dev_destination.host)
    project.env["PANTS_DOCKER_MIRROR_GO_SEARCH_PATHS"] = "[]"
    project.write(
        {
            "3rdparty/images.txt": f"{source.host}/single:1.0\n",
            "3rdparty/BUILD": "docker_mirror_images()\n",
            "ci/mirror-policy.toml": WEEK_LONG,
        }
    )
    return Reviewed(project)


MADE = """\
docker_mirror_images()
docker_mirror_inline_image(name="inline", image="HOST/api:2.3")
docker_mirror_generated_list(name="generated", list_from=[":render"])
shell_command(
    name="render",
    command="sed s/TAG/2.3/ template > rendered.txt",
    tools=["sed"],
    execution_dependencies=[":template"],
    output_files=["rendered.txt"],
)
file(name="template", source="template")
"""


class Reviewed:
    """A repository whose branch `main` is what has been reviewed, and a clock."""

    def __init__(self, project: PantsProject) -> None:
        self.project = project
        self.start = datetime.now(timezone.utc)

    def at(self, days: float) -> str:
        return (self.start + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def lock(self, days: float, *args: str) -> Run:
        policy = "--docker-mirror-policy=ci/mirror-policy.toml"
        return self.project.run(policy, "lock", *args, "::", "--", f"--at={self.at(days)}")

    def read(self, lock: str = "3rdparty/images.txt.lock") -> str:
        return (self.project.directory / lock).read_text()

    def merge(self) -> None:
        """What the branch has is reviewed."""
        self.project.commit()
        self.project.git("branch", "-f", "main")

    def branch(self) -> None:
        self.project.commit()
        self.project.git("checkout", "-q", "-b", "branch")


def test_a_digest_waits_is_reviewed_and_then_locked(reviewed: Reviewed, source: DevRegistry) -> None:
    first = source.digest("single:1.0")
    assert "adopted" in reviewed.lock(0).succeeded().stdout + reviewed.read()
    reviewed.branch()

    second = source.push_image("single:1.0", b"second")
    reviewed.lock(1, "--observe").succeeded()
    assert f'digest = "{first}"' in reviewed.read()
    assert f'next = [\n  "{second} {reviewed.at(1)}",\n]\n' in reviewed.read()
    reviewed.project.commit()
    reviewed.lock(1, "--check", "--base=main", "--allow=observations").succeeded()
    reviewed.merge()

    matured = reviewed.lock(8, "--upgrade").succeeded()
    assert f"3rdparty/images.txt.lock: matured {source.host}/single:1.0 " in matured.stdout, matured
    assert f'digest = "{second}"' in reviewed.read()
    assert f"seen = {reviewed.at(1)}" in reviewed.read()
    reviewed.project.commit()
    reviewed.lock(8, "--check", "--base=main").succeeded()
    early = reviewed.lock(7.9, "--check", "--base=main").failed()
    assert "was first seen at " in early.stdout, early
    assert '(cooldown = "7d", main:ci/mirror-policy.toml:2) [lock-immature]' in early.stdout, early
    reviewed.merge()

    third = source.push_image("single:1.0", b"third")
    reviewed.lock(9, f"--now={source.host}/single:1.0", "--because=CVE-2026-1").succeeded()
    assert f'digest = "{third}"' in reviewed.read()
    assert 'because = "CVE-2026-1"' in reviewed.read()
    reviewed.project.commit()
    reviewed.lock(9, "--check", "--base=main").succeeded()
    people = reviewed.lock(9, "--check", "--base=main", "--allow=observations").failed()
    assert "has changed in more than what waits: that is no observation [lock-history]" in people.stdout, people


def test_what_verifies_signatures_is_built_nowhere_else(reviewed: Reviewed) -> None:
    policy = "--docker-mirror-policy=ci/mirror-policy.toml"
    reviewed.lock(0).succeeded()
    reviewed.project.run(policy, "mirror", "--dry-run", "::").succeeded()
    reviewed.project.write({"ci/acme.pub": KEY, "ci/mirror-policy.toml": POLICY.replace("UNSIGNED", "warn")})
    wanted = reviewed.project.run(policy, "mirror", "--dry-run", "::").failed()
    assert "ci/mirror-policy.toml wants signatures, and what verifies them can't be built: " in wanted.stderr, wanted
    assert "found no `go`" in wanted.stderr, wanted
    # What compares files verifies nothing.
    reviewed.lock(0, "--check").succeeded()


def test_lists_that_targets_make_are_judged_by_their_locks(reviewed: Reviewed, source: DevRegistry) -> None:
    reviewed.project.replace("pants.toml", '["docker_mirror"]', '["docker_mirror", "pants.backend.shell"]')
    build = MADE.replace("HOST", source.host)
    reviewed.project.write({"3rdparty/BUILD": build, "3rdparty/template": f"{source.host}/worker:TAG\n"})
    reviewed.branch()
    locks = {f"3rdparty/{name}.lock" for name in ("images.txt", "inline.image", "generated.image")}

    reviewed.lock(0).succeeded()
    for lock in locks:
        assert 'because = "adopted: ' in reviewed.read(lock)
    reviewed.project.commit()
    adopted = reviewed.lock(0, "--check", "--base=main").failed()
    assert "3rdparty/images.txt.lock: warn: is the first lock of a list that main has without one" in adopted.stdout
    assert adopted.stdout.count("main can't show that it was, as a target makes the list") == 2, adopted
    reviewed.merge()

    for image in ("single:1.0", "api:2.3", "worker:2.3"):
        source.push_image(image, b"another")
    reviewed.lock(1, "--observe").succeeded()
    for lock in locks:
        assert f" {reviewed.at(1)}" in reviewed.read(lock)
    reviewed.project.commit()
    reviewed.lock(1, "--check", "--base=main", "--allow=observations").succeeded()

    off = build.replace('name="inline"', 'name="inline", locked="off"').replace("docker_mirror_images()", "")
    reviewed.project.write({"3rdparty/BUILD": off})
    reviewed.project.commit()
    out = reviewed.lock(1, "--check", "--base=main").failed()
    assert "1 list left out, as the field `locked` or `[docker-mirror].lock` is off: 3rdparty:inline." in out.stderr, (
        out
    )
    lost = "3rdparty:inline: error: is not to be locked any longer, and main has its lock: 3rdparty/inline.image.lock"
    assert f"{lost} [unlocked]" in out.stdout, out

    # Where no list is left, what the branch has changed is judged all the same.
    reviewed.project.write({"3rdparty/BUILD": ""})
    reviewed.project.commit()
    gone = reviewed.lock(1, "--check", "--base=main", "--allow=observations").failed()
    assert "No image list is selected, so nothing was checked." in gone.stderr, gone
    assert "3rdparty/BUILD: error: has changed since main: that is no observation [lock-history]" in gone.stdout, gone
