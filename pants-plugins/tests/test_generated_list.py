"""Lists that other targets generate."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pants.core.goals.package import Package
from pants.engine.addresses import Address
from pants.engine.internals.scheduler import ExecutionError
from shell_runner import ShellRunner

from docker_mirror.errors import EXIT_BAD_INPUT
from docker_mirror.image_list import ImageList
from docker_mirror.lock import Lock
from docker_mirror.mirror import Mirror
from docker_mirror.mirror_images import MirrorImages

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
    assert found.stdout == (
        "c/images.txt:2: error: a.example/app:2 is listed twice, first at c/images.txt:1 [duplicate]\n"
        "c/images.txt is what c:render generates.\n"
    )

    runner.rules.write_files({"c/template": "a.example/app:TAG\na.example/$:2\n"})
    broken = runner.lint(*addresses("images"))
    assert broken.exit_code == 1
    assert re.fullmatch(
        r"c:images:\n  c/images\.txt:2: .*\n  c/images\.txt is what c:render generates\.", broken.stderr
    )


def test_where_a_generated_list_comes_from_is_told_of_its_own_mistakes_alone() -> None:
    generated = ImageList("images.txt", "images.image.lock", generator="//:render")
    assert generated.origin("  images.txt:2: no") == "images.txt is what //:render generates."
    assert generated.origin("c/images.txt:2: no") == generated.origin("no images.txt") == ""
    assert ImageList("images.txt", "images.txt.lock").origin("images.txt:2: no") == ""


def test_mistakes_in_what_a_command_makes_or_fails_to_make(runner: ShellRunner) -> None:
    command = """docker_mirror_generated_list(name="{0}", list_from=[":make-{0}"])
shell_command(name="make-{0}", command="{1}", output_files=["{0}.toml"], tools=["sleep"], timeout={2})
"""
    cases = {
        "nothing": ("echo why >&2", 100),
        "other": ("echo > others.toml", 100),
        "empty": ("echo > empty.toml", 100),
        "unknown": ("echo 'tgas = 1' > unknown.toml", 100),
        "slow": ("echo begun >&2; sleep 1000", 1),
    }
    build = "".join(command.format(name, *case) for name, case in cases.items())
    runner.rules.write_files({"c/BUILD": build})
    result = runner.goal(Mirror, "::")
    assert (result.exit_code, result.stdout) == (EXIT_BAD_INPUT, "")
    told = dict(error.split(":", 2)[1:] for error in result.stderr.split("✕ ")[1:])
    assert told.keys() == cases.keys()
    for name in ("nothing", "other"):
        assert told[name].startswith(f" the `list_from` field names c:make-{name}, which has no file: it must generate")
        assert (
            told[name]
            .splitlines()[0]
            .endswith(
                f". Its command ended without an error, and wrote none of its outputs ({name}.toml): with "
                "`log_output=True` Pants shows what it said"
            )
        )
    for name, mistake in {
        "empty": "c/empty.toml: lists no images; ",
        "unknown": 'c/unknown.toml:1: unknown key "tgas"',
    }.items():
        assert told[name].startswith(f"\n  {mistake}")
        assert f"\n  c/{name}.toml is what c:make-{name} generates.\n" in told[name]
    failed = (
        "  c:make-slow fails to generate its files: Process 'the `shell_command` at `c:make-slow`' failed with exit"
    )
    begun, exceeded = told["slow"].splitlines()[2:4]
    assert told["slow"].splitlines()[1].startswith(failed)
    assert begun == "  begun"
    assert exceeded.startswith("  Exceeded timeout of ")


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


BROKEN = """\
docker_mirror_image_list(name="right", source="right.txt")
docker_mirror_image_list(name="wrong", source="wrong.txt")
docker_mirror_generated_list(name="from-failing", list_from=[":failing"])
docker_mirror_generated_list(name="from-needy", list_from=[":needy", ":quiet"])
shell_command(
    name="failing",
    command="cat numbers >&2; cp OUTSIDE failing.txt || exit 3",
    tools=["cat", "cp"],
    execution_dependencies=[":numbers"],
    output_files=["failing.txt"],
)
shell_command(
    name="needy",
    command="touch needy.txt",
    tools=["touch"],
    execution_dependencies=[":failing"],
    output_files=["needy.txt"],
)
shell_command(name="quiet", command="echo to standard output; exit 4", output_files=["quiet.txt"])
file(name="numbers", source="numbers")
"""


def test_a_command_that_fails_is_its_lists_mistake_and_told_with_the_others(
    runner: ShellRunner, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    runner.rules.write_files(
        {
            "c/BUILD": BROKEN.replace("OUTSIDE", str(outside)),
            "c/right.txt": "a.example/app:1\n",
            "c/wrong.txt": "a.example/$:1\n",
            "c/numbers": "".join(f"line {i}\n" for i in range(20)),
        }
    )
    failed = "Process 'the `shell_command` at `c:failing`' failed with exit code 3."
    result = runner.goal(Mirror, "::")
    assert (result.exit_code, result.stdout) == (EXIT_BAD_INPUT, "")
    told = result.stderr.split("✕ ")[1:]
    assert [error.splitlines()[0] for error in told[:2]] == ["c:from-failing:", "c:from-needy:"]
    assert told[0].splitlines()[1:3] == [f"  c:failing fails to generate its files: {failed}", "  line 11"]
    # Of what it wrote the end is told.
    assert told[0].splitlines()[-1].endswith("No such file or directory")
    assert len(told[0].splitlines()) == 12
    # The command may be one that another needs, and all that fail are told.
    assert f"  c:needy fails to generate its files: {failed}\n  line 11\n" in told[1]
    assert told[1].endswith(
        "  c:quiet fails to generate its files: Process 'the `shell_command` at `c:quiet`' failed with exit code 4.\n"
        "  to standard output\n"
    )
    assert told[2].startswith("c:wrong: c/wrong.txt:1: ")
    assert told[2].endswith("\nNothing was mirrored.\n")
    assert len(told) == 3

    found = runner.lint(*addresses("right", "wrong", "from-failing"))
    assert found.exit_code == 1
    assert failed in found.stderr
    assert "c:wrong: c/wrong.txt:1: " in found.stderr
    locked = runner.goal(Lock, "c:from-failing", "c:from-needy")
    assert locked.exit_code == EXIT_BAD_INPUT
    assert locked.stderr.count(failed) == 2
    # As in a plan's errors.
    assert locked.stderr.split("✕ ")[1] == told[0]
    with pytest.raises(ExecutionError, match="Process 'the `shell_command` at `c:failing`' failed"):
        runner.goal(Package, "c:from-failing")

    # Nothing of the failure is memoized: the command depends on what no engine can see, and runs in each run.
    outside.write_text("a.example/app:2\n")
    shown = runner.goal(MirrorImages, "c:from-failing", "c:right")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert "c:from-failing\n  a.example/app:2 -> m.example/app:2\n" in shown.stdout
