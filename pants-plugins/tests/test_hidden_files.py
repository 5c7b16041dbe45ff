"""Lists, locks and pinned files that are there, but that Pants ignores: here in folders with a dot, as by default."""

from __future__ import annotations

from pathlib import Path

import pytest
from pants.engine.addresses import Address
from pants.engine.internals.scheduler import ExecutionError
from test_rules import Runner, helper_options

from docker_mirror.lock import Lock

LOCKED = "image='a.example/x:1', lock='.locks/x.lock'"


@pytest.fixture
def runner(helper: Path, tmp_path: Path) -> Runner:
    return Runner(*helper_options(helper, tmp_path))


@pytest.mark.parametrize("option", ["use", "require"])
def test_a_lock_that_pants_ignores_is_not_passed_over(runner: Runner, option: str) -> None:
    runner.rules.write_files({"BUILD": f"docker_mirror_inline_image(name='x', {LOCKED})"})
    if option == "use":
        assert len(runner.plan("", "x")) == 1
    lock = Path(runner.rules.build_root, ".locks", "x.lock")
    lock.parent.mkdir()
    lock.write_text("version = 1\n")
    # Pants notices nothing of it, so that what it has memoized would be as good as before.
    runner.set_options(f"--docker-mirror-lock={option}")
    with pytest.raises(ExecutionError, match=r"//:x:\s+\.locks/x\.lock is there, but Pants sees no such file: "):
        runner.plan("", "x")
    locking = runner.goal(Lock, "::")
    assert locking.exit_code == 2
    assert "✕ //:x: .locks/x.lock is there, but Pants sees no such file: " in locking.stderr
    runner.set_options("--docker-mirror-lock=off")
    assert len(runner.plan("", "x")) == 1
    lock.unlink()
    runner.set_options()
    assert len(runner.plan("", "x")) == 1


def test_a_list_that_pants_ignores_is_told(runner: Runner) -> None:
    runner.rules.write_files(
        {
            "a/BUILD": "docker_mirror_image_list(name='x', source='.lists/x.txt')",
            "a/.lists/x.txt": "a.example/x:1\n",
        }
    )
    with pytest.raises(ExecutionError, match=r"a:x: a/\.lists/x\.txt is there, but Pants sees no such file: `\.gitig"):
        runner.plan("a", "x")


def test_a_pinned_file_that_pants_ignores_is_told(runner: Runner) -> None:
    runner.rules.write_files(
        {
            "BUILD": "docker_mirror_image_list(name='x', source='x.txt', pins=['.ci/workflow.yaml', 'missing'])",
            "x.txt": "a.example/x:1\n",
            ".ci/workflow.yaml": "image: x  # docker-mirror: x\n",
        }
    )
    result = runner.lint(Address("", target_name="x"))
    assert result.exit_code == 1
    assert result.stderr.startswith("//:x: .ci/workflow.yaml is there, but Pants sees no such file: ")
    assert "missing" not in result.stderr
