"""The goals on a small repository: the real Pants, the real helper, real registries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pants_project import Pants, PantsProject, lasting_lines
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

    (peeked,) = json.loads(lists.run("peek", "3rdparty/team/apps.txt").succeeded().stdout)
    assert peeked["target_type"] == "docker_mirror_image_list"
    assert peeked["overrides"] == {"app": {"image_tags": ["stable"], "repository": "apps/{name}"}}

    packaged = lists.run("package", "::").succeeded()
    assert f"1 copy to {destination.host}" in packaged.stderr
    plan = json.loads((lists.directory / "dist/3rdparty.team/apps.txt.plan.json").read_text())
    assert [(copy["src"], copy["dst"], copy["origin"]) for copy in plan] == [
        (f"{source.host}/team/app:1", f"{destination.host}/apps/app:{tag}", "3rdparty/team/apps.txt:1")
        for tag in ("1", "stable")
    ]
    assert destination.digest("apps/app:stable") is None

    mirrored = lists.run("mirror", "--dry-run", "::").succeeded()
    assert destination.digest("apps/app:stable") is None

    one = lists.run("mirror", "--only=app", "::").succeeded()
    assert "✓ 3rdparty/team/apps.txt: 2 copied" in one.stdout
    assert destination.digest("team/tool:2") is None

    mirrored = lists.run("mirror", "--output=out/report.json", "--output-html=out/pages/report.html", "::").succeeded()
    check_all_mirrored(source, destination)
    assert "3rdparty/team/tools.txt" in (lists.directory / "out/pages/report.html").read_text()
    assert "✓ 3rdparty/base:os: 1 copied" in mirrored.stdout
    assert "✓ 3rdparty/team/apps.txt: 2 unchanged" in mirrored.stdout
    assert "✓ 3rdparty/team/tools.txt: 1 copied" in mirrored.stdout
    report = json.loads((lists.directory / "out/report.json").read_text())
    assert {target["address"] for target in report["targets"]} == {
        "3rdparty/base:os",
        "3rdparty/team/apps.txt",
        "3rdparty/team/tools.txt",
    }

    output = tmp_path / "publish.json"
    published = lists.run("publish", f"--output={output}", "::").succeeded()
    assert f"✓ 3 image lists (unchanged) published to {destination.host}." in published.stderr
    data = {entry["target"]: entry for entry in json.loads(output.read_text())}
    assert data["3rdparty/team/apps.txt"]["destinations"] == [
        f"{destination.host}/apps/app:1",
        f"{destination.host}/apps/app:stable",
    ]
    assert len({entry["report"] for entry in data.values()}) == 1
    assert json.loads(Path(data["3rdparty/base:os"]["report"]).read_text())["command"]


def test_quickstart(quickstart: PantsProject, source: DevRegistry, dev_destination: DevRegistry) -> None:
    source.seed()
    for path in ("3rdparty/apps/backend.txt", "3rdparty/apps/frontend.txt", "3rdparty/charts/images.txt"):
        quickstart.replace(path, "127.0.0.1:5000", source.host)
    quickstart.replace("pants.toml", "127.0.0.1:5001", dev_destination.host)
    quickstart.commit()

    first = quickstart.run("publish", "::").succeeded()
    for line in (
        "3rdparty/apps/backend.txt: 3 copied",
        "3rdparty/apps/frontend.txt: 1 copied",
        "3rdparty/charts:charts: 2 copied",
    ):
        assert f"✓ {line}" in first.stdout
    for reference, mirrored in {
        "web:1.0": "apps/web:1.0",
        "api:2.3": "apps/api:2.3",
        "worker:2.3": "apps/worker:stable",
        "charts/hello:0.1.0": "charts/hello:0.1.0",
        "tools:5.1": "tools:5.1",
    }.items():
        assert source.digest(reference) == dev_destination.digest(mirrored) is not None

    again = quickstart.run("mirror", "::").succeeded()
    assert "copied" not in again.stdout

    quickstart.replace("3rdparty/apps/frontend.txt", "web:1.0", "web:1.0\n" + source.host + "/api:latest")
    changed = quickstart.run("--changed-since=HEAD", "list").succeeded()
    assert changed.stdout.split() == ["3rdparty/apps/frontend.txt"]
    delta = quickstart.run("--changed-since=HEAD", "mirror").succeeded()
    assert delta.stdout.count("✓") == 1
    assert source.digest("api:latest") == dev_destination.digest("apps/api:latest") is not None


@pytest.fixture
def fifty(project: PantsProject, source: DevRegistry, dev_destination: DevRegistry) -> PantsProject:
    """Fifty lists of one image each; all images have a layer in common."""
    for i in range(50):
        source.push_image(f"app{i}:1", b"common", f"layer {i}".encode())
    project.write({"3rdparty/BUILD": "docker_mirror_images(sources=['*.txt'])"})
    project.write({f"3rdparty/app{i}.txt": f"{source.host}/app{i}:1\n" for i in range(50)})
    project.use_registry(dev_destination.host)
    project.commit()
    return project


def test_the_engine_runs_once_for_fifty_lists(
    fifty: PantsProject, dev_destination: DevRegistry, tmp_path: Path
) -> None:
    output = tmp_path / "publish.json"
    published = fifty.run("publish", f"--output={output}", "::").succeeded()
    for i in range(50):
        assert f"✓ 3rdparty/app{i}.txt: 1 copied" in published.stdout
        assert f"✓ 3rdparty/app{i}.txt published to {dev_destination.host}." in published.stderr
        assert dev_destination.digest(f"app{i}:1")
    # One report, one run: it has the copies of all targets. Each process would else have written its own.
    (report_file,) = {entry["report"] for entry in json.loads(output.read_text())}
    report = json.loads(Path(report_file).read_text())
    assert len(report["targets"]) == len(report["copies"]) == 50
    # Only one run over all of them uploads the common layer and the equal config once, and mounts them from there.
    assert report["registries"][dev_destination.host]["requests"]["upload PUT"] == 50 + 2

    again = fifty.run("publish", "::").succeeded()
    assert again.stdout == ""
    lines = lasting_lines(again.stderr)
    assert lines[0].startswith("50 unchanged in ")
    assert lines[1:] == ["", f"✓ 50 image lists (unchanged) published to {dev_destination.host}."]

    mirrored = fifty.run("mirror", "--output=report.json", "::").succeeded()
    assert mirrored.stdout == "✓ 50 image lists: 50 unchanged\n"
    assert len(json.loads((fifty.directory / "report.json").read_text())["targets"]) == 50


@pytest.mark.parametrize("destination", [DevRegistry], indirect=True)
def test_a_failed_target_fails_alone(lists: PantsProject, source: DevRegistry, destination: Registry) -> None:
    lists.write({"3rdparty/team/tools.txt": f"{source.host}/team/tool:missing\n"})

    published = lists.run("publish", "::").failed(1)
    assert f"✓ 3rdparty/team/apps.txt published to {destination.host}." in published.stderr
    assert f"✓ 3rdparty/base:os published to {destination.host}." in published.stderr
    assert f"✕ 3rdparty/team/tools.txt failed for {destination.host}." in published.stderr
    assert source.digest("team/app:1") == destination.digest("apps/app:stable") is not None

    mirrored = lists.run("mirror", "::").failed(1)
    told = mirrored.stdout.splitlines()
    assert [line.partition(": ")[0] for line in told] == ["✓ 2 image lists", "✗ 3rdparty/team/tools.txt"]
    assert "3rdparty/team/tools.txt:1" in mirrored.stdout + mirrored.stderr

    lists.write({"3rdparty/base/os.txt": "two words here\n", "3rdparty/team/tools.txt": "Bad\n"})
    bad = lists.run("mirror", "::").failed(2)
    assert "3rdparty/base/os.txt:1: " in bad.stderr
    assert "3rdparty/team/tools.txt:1: " in bad.stderr


def test_five_hundred_lists_are_planned_in_one_process(project: PantsProject) -> None:
    # A store of its own: others have the same lists.
    project.env["PANTS_LOCAL_STORE_DIR"] = str(project.directory / ".pants.d" / "store")
    together = "docker_mirror_images(sources=['*.txt'], repository='{directory}/{name}', overrides={'app7': {}})"
    project.write({"3rdparty/BUILD": together})
    project.write({f"3rdparty/app{i}.txt": f"a.example/app{i}:1 AS app{i}\n" for i in range(450)})
    project.write({f"3rdparty/chart{i}/BUILD": "docker_mirror_images()" for i in range(450)})
    project.write({f"3rdparty/chart{i}/images.txt": f"a.example/chart{i}:1\n" for i in range(50)})
    project.use_registry("registry.example")
    project.write({"other/BUILD": "docker_mirror_inline_image(image='a.example/x:1')"})
    project.run("package", "other::").succeeded()  # Asks the helper for its version, too.
    assert project.processes_run("package", "3rdparty::") == 1
    assert len(list((project.directory / "dist").rglob("*.plan.json"))) == 501
    assert project.processes_run("package", "::") == 0
    for edited in ("3rdparty/app7.txt", "3rdparty/chart7/images.txt"):
        project.replace(edited, ":1", ":2")
        assert project.processes_run("package", "::") == 1
    assert project.processes_run("package", "3rdparty/chart7::") == 0


def test_publish_skips(project: PantsProject, pants: Pants) -> None:
    project.write(
        {
            "BUILD": """
docker_mirror_inline_image(name="field", image="a.example/x:1", skip_push=True)
docker_mirror_inline_image(name="registry", image="a.example/x:1", registries=["@off"])
"""
        }
    )
    project.use_registry("registry.example")
    toml = project.directory / "pants.toml"
    toml.write_text(toml.read_text() + '\n[docker.registries.off]\naddress = "off.example"\nskip_push = true\n')
    if pants.release >= (2, 32):
        # It asks before it packages, so that nothing is planned and no helper is needed.
        project.env["PANTS_DOCKER_MIRROR_HELPER"] = "/nonexistent"
    output = project.directory / "publish.json"
    run = project.run("publish", f"--output={output}", "::").succeeded()
    assert "//:field skipped (by the `skip_push` field)." in run.stderr
    assert "//:registry skipped (by `skip_push` on @off)." in run.stderr
    assert [entry["published"] for entry in json.loads(output.read_text())] == [False, False]
