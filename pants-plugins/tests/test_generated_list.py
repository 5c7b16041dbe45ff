"""Lists that other targets generate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pants.core.goals.package import Package
from pants.engine.addresses import Address
from shell_runner import ShellRunner

GENERATED = """\
docker_mirror_generated_list(name="images", list_from=[":render"], repository="third/{repository}")
shell_command(
    name="render",
    command="sed s/TAG/2/ template > images.txt",
    tools=["sed"],
    execution_dependencies=[":template"],
    output_files=["images.txt"],
)
file(name="template", source="template")
"""


def destinations(runner: ShellRunner, plan: str) -> list[str]:
    return [entry["dst"] for entry in json.loads(runner.read(f"dist/{plan}"))]


def addresses(*names: str) -> tuple[Address, ...]:
    return tuple(Address("c", target_name=name) for name in names)


@pytest.fixture
def runner(helper: Path) -> ShellRunner:
    return ShellRunner(helper)


def test_a_generated_list_is_planned_and_linted(runner: ShellRunner) -> None:
    runner.rules.write_files({"c/BUILD": GENERATED, "c/template": "a.example/app:TAG\n"})
    assert runner.goal(Package, "::").exit_code == 0
    assert destinations(runner, "c/images.plan.json") == ["m.example/third/app:2"]
    assert runner.lint(*addresses("images")).exit_code == 0

    runner.rules.write_files({"c/template": "a.example/app:TAG\na.example/other:1\n"})
    assert runner.goal(Package, "::").exit_code == 0
    assert destinations(runner, "c/images.plan.json") == ["m.example/third/app:2", "m.example/third/other:1"]

    runner.rules.write_files({"c/template": "a.example/app:TAG\na.example/app:2\n"})
    found = runner.lint(*addresses("images"))
    assert found.exit_code == 1
    assert "c/images.txt:2: error: a.example/app:2 is listed twice, first at c/images.txt:1 [duplicate]" in found.stdout

    runner.rules.write_files({"c/template": "a.example/app:TAG\na.example/$:2\n"})
    broken = runner.lint(*addresses("images"))
    assert broken.exit_code == 1
    assert "c:images: c/images.txt:2: " in broken.stderr


def test_what_is_not_one_list_fails_its_target_alone(runner: ShellRunner) -> None:
    command = 'shell_command(name="{0}", command="touch {1}", tools=["touch"], output_files=[{2}])\n'
    runner.rules.write_files(
        {
            "c/BUILD": """\
docker_mirror_image_list(name="right", source="right.txt")
docker_mirror_generated_list(name="from-two", list_from=[":two"])
docker_mirror_generated_list(name="from-other", list_from=[":other"])
docker_mirror_generated_list(name="from-same", list_from=[":same"])
docker_mirror_generated_list(name="from-nothing", list_from=[":right"])
"""
            + command.format("two", "a.txt b.txt", '"a.txt", "b.txt"')
            + command.format("other", "images.lst", '"images.lst"')
            + command.format("same", "right.txt", '"right.txt"'),
            "c/right.txt": "a.example/app:1\n",
        }
    )
    result = runner.lint(*addresses("right", "from-two", "from-other", "from-same", "from-nothing"))
    assert result.exit_code == 1
    must = "it must generate one list, whose name ends in .txt, .json, .toml, .yaml, .yml"
    for error in (
        f"c:from-two: the `list_from` field names c:two, which has c/a.txt, c/b.txt: {must}",
        f"c:from-other: the `list_from` field names c:other, which has c/images.lst: {must}",
        f"c:from-nothing: the `list_from` field names c:right, which has no file: {must}",
        "c:from-same: c/right.txt is generated, and is another list, too: generate one with another name",
    ):
        assert error in result.stderr
    assert runner.goal(Package, "c:right").exit_code == 0
    assert destinations(runner, "c/right.plan.json") == ["m.example/app:1"]
