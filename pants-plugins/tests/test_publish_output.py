"""What a reader sees of `pants publish` and `pants mirror` in CI, where both streams go into one."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from conftest import REPOSITORY_ROOT
from pants_project import PantsProject, lasting_lines
from registries import DevRegistry

pytestmark = pytest.mark.integration

NAMES = tuple(f"app{i}" for i in range(6))


def one_stream(project: PantsProject, *args: str) -> tuple[int, list[str]]:
    """The exit code and the lines."""
    result = subprocess.run(
        [project.pants.executable, *args],
        cwd=project.directory,
        env=project.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    return result.returncode, lasting_lines(result.stdout)


def test_output_in_one_stream(
    project: PantsProject, source: DevRegistry, dev_destination: DevRegistry, tmp_path: Path
) -> None:
    host = dev_destination.host
    for name in NAMES:
        source.push_image(f"{name}:1", name.encode())
    project.write(
        {
            "BUILD": "docker_mirror_images(name='lists', sources=['*.txt'])\n"
            "docker_mirror_inline_image(name='skipped', image='a.example/x:1', skip_push=True)\n",
            **{f"{name}.txt": f"{source.host}/{name}:1\n" for name in NAMES},
        }
    )
    project.use_registry(host)
    skipped = "- //:skipped skipped (by the `skip_push` field)."
    output = tmp_path / "publish.json"

    code, lines = one_stream(project, "publish", f"--output={output}", "::")
    assert code == 0, lines
    # What the processes say, then what Pants says of each target; from 2.32 on, sorted.
    between = lines.index("")
    assert sorted(line for line in lines[:between] if line[0] == "✓") == [
        f"✓ //{name}.txt:lists: 1 copied" for name in NAMES
    ]
    published = [f"✓ //{name}.txt:lists published to {host}." for name in NAMES]
    assert sorted(lines[between + 1 :]) == sorted([skipped, *published])

    for name in NAMES[:4]:
        project.write({f"{name}.txt": f"# edited\n{source.host}/{name}:1\n"})
    source.push_image("app4:2", b"new")
    project.write({"app4.txt": f"{source.host}/app4:2\n", "app5.txt": f"{source.host}/app5:missing\n"})
    code, lines = one_stream(project, "publish", f"--output={output}", "::")
    assert code == 1, lines
    between = lines.index("")
    assert sorted(line for line in lines[:between] if line[0] in "✓✗") == [
        "✓ //app4.txt:lists: 1 copied",
        "✗ //app5.txt:lists: 1 failed",
    ]
    # The reason stands where the failure is told.
    failed = lines.index("✗ //app5.txt:lists: 1 failed")
    assert lines[failed + 1].startswith(f"app5.txt:1: {source.host}/app5:missing -> {host}/app5:missing: ")
    assert sorted(lines[between + 1 :]) == sorted(
        [
            skipped,
            f"✓ 4 image lists (unchanged) published to {host}.",
            f"✓ //app4.txt:lists published to {host}.",
            f"✕ //app5.txt:lists failed for {host}.",
        ]
    )

    # Whatever Pants prints, its JSON has every target, and what was published of it.
    entries = {entry["target"]: entry for entry in json.loads(output.read_text())}
    assert set(entries) == {"//:skipped", *(f"//{name}.txt:lists" for name in NAMES)}
    assert all(entry["names"] == [address] for address, entry in entries.items())
    for name, tag, status in (("app0", "1", "unchanged"), ("app4", "2", "copied")):
        (copy,) = entries[f"//{name}.txt:lists"]["copies"]
        assert copy == {
            "source": f"{source.host}/{name}:{tag}",
            "destination": f"{host}/{name}:{tag}",
            "status": status,
            "digest": dev_destination.digest(f"{name}:{tag}"),
        }
    assert [copy["status"] for copy in entries["//app5.txt:lists"]["copies"]] == ["failed"]

    code, lines = one_stream(project, "mirror", "::")
    assert code == 1, lines
    assert lines[0] == skipped
    assert lines[1:3] == ["✓ 5 image lists: 5 unchanged", "✗ //app5.txt:lists: 1 failed"]
    assert lines[3].startswith(f"app5.txt:1: {source.host}/app5:missing -> ")
    assert lines[-1].startswith("5 unchanged, 1 failed")


def test_what_the_documentation_silences(
    project: PantsProject, source: DevRegistry, dev_destination: DevRegistry
) -> None:
    for name in NAMES:
        source.push_image(f"{name}:1", name.encode())
    project.write({"BUILD": "docker_mirror_images(name='lists', sources=['*.txt'])\n"})
    project.write({f"{name}.txt": f"{source.host}/{name}:1\n" for name in NAMES})
    project.use_registry(dev_destination.host)
    assert "[INFO] Packaged " in project.run("publish", "::").succeeded().stderr

    documentation = (REPOSITORY_ROOT / "docs" / "reference.md").read_text()
    (quiet,) = re.findall(
        r"^```toml\n(\[GLOBAL\.log_levels_by_target\]\n.*?)^```$", documentation, re.MULTILINE | re.DOTALL
    )
    toml = project.directory / "pants.toml"
    toml.write_text(f"{toml.read_text()}\n{quiet}")
    run = project.run("publish", "::").succeeded()
    assert run.stdout == ""
    assert "[INFO]" not in run.stderr
    # The process that copied says so of the run, and Pants of the lists.
    said, *pants = lasting_lines(run.stderr)
    assert re.fullmatch(r"6 unchanged in [\d.]+m?s", said)
    assert pants == ["", f"✓ 6 image lists (unchanged) published to {dev_destination.host}."]
    assert "[INFO]" not in project.run("package", "::").succeeded().stderr
