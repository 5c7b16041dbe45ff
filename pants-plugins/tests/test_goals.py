"""The goals on a small repository: the real Pants, the real helper, real registries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pants_project import PantsProject
from registries import DevRegistry, Registry

pytestmark = pytest.mark.integration


@pytest.fixture
def lists(project: PantsProject, source: DevRegistry, destination: Registry) -> PantsProject:
    """Three lists in two directories, one of them a generator whose override matches in one of its two files."""
    source.push_image("base/os:1", b"os")
    source.push_image("team/app:1", b"os", b"app")
    source.push_image("team/tool:2", b"os", b"tool")
    project.write(
        {
            "3rdparty/team/BUILD": """docker_mirror_images(
                sources=["*.txt"],
                overrides={"app": {"image_tags": ["stable"], "repository": "apps/{name}"}},
            )""",
            "3rdparty/team/apps.txt": f"{source.host}/team/app:1 AS app\n",
            "3rdparty/team/tools.txt": f"# tools\n\n{source.host}/team/tool:2\n",
            "3rdparty/base/BUILD": "docker_mirror_image_list(name='os', source='os.txt', repository='base/{name}')",
            "3rdparty/base/os.txt": f"{source.host}/base/os:1\n",
        }
    )
    project.use_registry(destination.host)
    project.commit()
    return project


def check_all_mirrored(source: Registry, destination: Registry) -> None:
    for reference, mirrored in {
        "team/app:1": "apps/app:stable",
        "team/tool:2": "team/tool:2",
        "base/os:1": "base/os:1",
    }.items():
        assert source.digest(reference) == destination.digest(mirrored) is not None


def test_list_package_mirror_publish(
    lists: PantsProject, source: DevRegistry, destination: Registry, tmp_path: Path
) -> None:
    listed = lists.run("list", "::").succeeded()
    assert {"3rdparty/base:os", "3rdparty/team/apps.txt", "3rdparty/team/tools.txt"} <= set(listed.stdout.split())

    packaged = lists.run("package", "::").succeeded()
    assert f"1 copy to {destination.host}" in packaged.stderr
    plan = json.loads((lists.directory / "dist/3rdparty.team.apps.txt.plan.json").read_text())
    assert [(copy["src"], copy["dst"], copy["origin"]) for copy in plan] == [
        (f"{source.host}/team/app:1", f"{destination.host}/apps/app:{tag}", "3rdparty/team/apps.txt:1")
        for tag in ("1", "stable")
    ]
    assert destination.digest("apps/app:stable") is None

    mirrored = lists.run("mirror", "--dry-run", "::").succeeded()
    assert destination.digest("apps/app:stable") is None

    mirrored = lists.run("mirror", "--output=out/report.json", "::").succeeded()
    check_all_mirrored(source, destination)
    assert "✓ 3rdparty/base:os: 1 copied" in mirrored.stdout
    assert "✓ 3rdparty/team/apps.txt: 2 copied" in mirrored.stdout
    assert "✓ 3rdparty/team/tools.txt: 1 copied" in mirrored.stdout
    report = json.loads((lists.directory / "out/report.json").read_text())
    assert {target["address"] for target in report["targets"]} == {
        "3rdparty/base:os",
        "3rdparty/team/apps.txt",
        "3rdparty/team/tools.txt",
    }

    output = tmp_path / "publish.json"
    published = lists.run("publish", f"--output={output}", "::").succeeded()
    assert f"✓ 3rdparty/team/apps.txt published to {destination.host}." in published.stderr
    assert "3rdparty/team/apps.txt: 2 unchanged" in published.stdout
    data = {entry["target"]: entry for entry in json.loads(output.read_text())}
    assert data["3rdparty/team/apps.txt"]["destinations"] == [
        f"{destination.host}/apps/app:1",
        f"{destination.host}/apps/app:stable",
    ]
    assert len({entry["report"] for entry in data.values()}) == 1
    assert json.loads(Path(data["3rdparty/base:os"]["report"]).read_text())["command"]
