"""The test projects that show what lists can say: the real Pants on copies of them, with real registries."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pants_project import PantsProject
from registries import DevRegistry

pytestmark = pytest.mark.integration


def plan(project: PantsProject, path: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((project.directory / "dist" / path).read_text())
    return entries


def test_overrides(copy_of: Callable[[str], PantsProject], source: DevRegistry, dev_destination: DevRegistry) -> None:
    project = copy_of("overrides")
    host = dev_destination.host
    listed = project.run("list", "::").succeeded()
    assert listed.stdout.split() == [
        "3rdparty/apps:api",
        "3rdparty/apps:lists",
        "3rdparty/apps:tools",
        "3rdparty/apps:web",
        "3rdparty/apps/charts.txt:lists",
        "3rdparty/apps/jobs.txt:lists",
        "3rdparty/platform:platform",
        "3rdparty/platform/services.txt",
        "3rdparty/platform/tools.txt",
    ]
    (peeked,) = json.loads(project.run("peek", "3rdparty/apps:web").succeeded().stdout)
    assert peeked["target_type"] == "docker_mirror_inline_image"
    assert peeked["image"] == f"{source.host}/web:1.0"

    without = project.run("package", "3rdparty/apps:web").failed()
    assert "3rdparty/apps:web: BUILD_NUMBER of `[docker].build_args` must be set in the environment" in without.stderr

    project.env["BUILD_NUMBER"] = "42"
    project.run("package", "::").succeeded()
    assert [(c["dst"], c["labels"]) for c in plan(project, "3rdparty.apps/web.plan.json")] == [
        (f"{host}/apps/web:1.0-42", ["publish"]),
        (f"{host}/apps/web:latest", ["publish"]),
    ]
    assert [(c["dst"], c.get("labels")) for c in plan(project, "3rdparty.platform/services.txt.plan.json")] == [
        (f"{host}/platform/api:2.3", ["platform", "publish"]),
        (f"{host}/platform/api:stable", ["platform", "publish"]),
        (f"{host}/worker:2.3", ["platform"]),
        (f"{host}/edge/worker:2.3", ["platform"]),
    ]

    published = project.run("mirror", "--label=publish", "--output=report.json", "::").succeeded()
    copies = json.loads((project.directory / "report.json").read_text())["copies"]
    assert {copy["destination"]: copy["labels"] for copy in copies} == {
        f"{host}/apps/web:1.0-42": ["publish"],
        f"{host}/apps/web:latest": ["publish"],
        f"{host}/apps/charts/hello:0.1.0": ["publish"],
        f"{host}/apps/charts/hello:stable": ["publish"],
        f"{host}/platform/api:2.3": ["platform", "publish"],
        f"{host}/platform/api:stable": ["platform", "publish"],
    }
    assert "✓ 3rdparty/apps:web: 2 copied" in published.stdout
    assert dev_destination.tags("worker") == []

    project.run("mirror", "::").succeeded()
    for image, mirrored in {
        "web:1.0": ("apps/web:1.0-42", "apps/web:latest"),
        "tools:5.1": ("apps/tools:5.1_42",),
        "api:2.3": ("apps/api:2.3", "platform/api:2.3", "platform/api:stable"),
        "charts/hello:0.1.0": ("apps/charts/hello:0.1.0", "apps/charts/hello:stable"),
        "worker:2.3": ("apps/worker:2.3", "worker:2.3", "edge/worker:2.3"),
    }.items():
        for reference in mirrored:
            assert source.digest(image) == dev_destination.digest(reference) is not None, reference
    # Limited to a platform, it can't have its source's digest.
    assert source.digest("tools:5.1") != dev_destination.digest("tools:5.1") is not None
    assert dev_destination.digest("edge/tools:5.1") == dev_destination.digest("tools:5.1")

    # An image in a BUILD file is selected as any target is, and published by Pants' own goal.
    project.replace("3rdparty/apps/BUILD", 'version="1.0"', 'version="1.1"')
    source.push_image("web:1.1", b"web")
    changed = project.run("--changed-since=HEAD", "list").succeeded()
    assert "3rdparty/apps:web" in changed.stdout.split()
    assert "3rdparty/platform/tools.txt" not in changed.stdout.split()
    again = project.run("--changed-since=HEAD", "publish").succeeded()
    assert f"✓ 3rdparty/apps:web published to {host}." in again.stderr
    assert source.digest("web:1.1") == dev_destination.digest("apps/web:latest")
    assert dev_destination.tags("apps/web") == ["1.0-42", "1.1-42", "latest"]

    project.replace("3rdparty/apps/BUILD", "/web", "/Web")
    bad = project.run("lint", "3rdparty/apps:web").failed()
    assert '3rdparty/apps:web: image reference "' in bad.stderr

    project.write({"3rdparty/apps/BUILD": "mirror_external('a:1', images_file='charts.txt')"})
    assert "mirror_external: an image, or `images_file` or" in project.run("list", "3rdparty/apps:").failed().stderr


def test_replicant_and_variants(
    copy_of: Callable[[str], PantsProject], source: DevRegistry, dev_destination: DevRegistry
) -> None:
    project = copy_of("replicant")
    for tag in ("2.4", "1.9", "2.4-alpine", "2.5-alpine"):
        for repository in ("api", "worker"):
            source.push_image(f"{repository}:{tag}", f"{repository} {tag}".encode())
    for tag in ("5.0", "5.2"):
        source.push_image(f"tools:{tag}", tag.encode())
    dev_destination.push_image("replicant/worker:2.3", b"moved since")
    dev_destination.push_image("replicant/tools:5.1", b"ours")
    ours = dev_destination.digest("replicant/tools:5.1")

    project.run("package", "::").succeeded()
    entries = plan(project, "replicant/replicant.plan.json")
    assert [entry["select"]["mode"] for entry in entries] == ["highest", "all", "semver", "highest", "higher"]
    in_toml = plan(project, "variants/images.toml.plan.json")
    in_build = [*plan(project, "variants/web.plan.json"), *plan(project, "variants/api.plan.json")]

    def copies(entries: list[dict[str, Any]], prefix: str) -> set[tuple[str, str]]:
        return {(entry["src"], entry["dst"].replace(f"/{prefix}/", "/")) for entry in entries}

    assert copies(in_toml, "toml") == copies(in_build, "build")

    project.run("mirror", "::").succeeded()
    for repository, tags in {
        "replicant/api": ["2.4"],
        "replicant/api-all": source.tags("api"),
        "replicant/worker": ["2.3", "2.4"],
        "replicant/worker-alpine": ["2.5-alpine"],
        "replicant/tools": ["5.1", "5.2"],
        "toml/web": ["1.0", "stable"],
        "build/web": ["1.0", "stable"],
        "toml/api": ["2.3"],
        "build/api": ["2.3"],
    }.items():
        assert dev_destination.tags(repository) == tags, repository
    assert source.digest("worker:2.3") == dev_destination.digest("replicant/worker:2.3")
    assert dev_destination.digest("replicant/tools:5.1") == ours
    for kind in ("toml", "build"):
        assert source.digest("web:1.0") == dev_destination.digest(f"{kind}/web:stable")
        assert source.digest("api:2.3") == dev_destination.digest(f"{kind}/api:2.3")
