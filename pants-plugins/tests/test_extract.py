"""`pants extract`, and the lint of stale lists, for what Pants itself makes manifests of."""

from __future__ import annotations

from pathlib import Path

import pytest
from pants.core.goals.lint import Lint
from pants.engine.addresses import Address
from pants.engine.internals.scheduler import ExecutionError
from shell_runner import ShellRunner

from docker_mirror.extract import Extract, what_was_done

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: {name}
spec:
  containers:
    - name: {name}
      image: a.example/{name}:{tag}
"""


@pytest.fixture
def runner(helper: Path) -> ShellRunner:
    return ShellRunner(helper)


def test_a_list_of_files_and_of_what_a_command_prints(runner: ShellRunner) -> None:
    runner.rules.write_files(
        {
            "c/BUILD": """\
docker_mirror_images(extract_from=[":pod", ":rendered"])
file(name="pod", source="pod.yaml")
shell_command(
    name="rendered",
    command="sed s/TAG/2/ template.yaml > rendered.yaml",
    tools=["sed"],
    execution_dependencies=[":template"],
    output_files=["rendered.yaml"],
)
file(name="template", source="template.yaml")
""",
            "c/pod.yaml": POD.format(name="app", tag=1),
            "c/template.yaml": POD.format(name="tool", tag="TAG"),
            "c/images.txt": "a.example/app:0\n",
        }
    )
    stale = runner.lint(Address("c", relative_file_path="images.txt"))
    assert stale.exit_code == 1
    for line in ("c/images.txt is stale: `pants extract c/images.txt`", "-a.example/app:0", "+a.example/tool:2"):
        assert line in stale.stderr
    result = runner.goal(Extract, "::")
    assert (result.exit_code, result.stderr.count("✓ c/images.txt written.")) == (0, 1)
    images = [line.split()[0] for line in runner.read("c/images.txt").splitlines() if line and not line.startswith("#")]
    assert images == ["a.example/app:1", "a.example/tool:2"]
    assert runner.goal(Lint, "::").exit_code == 0
    assert "c/images.txt unchanged" in runner.goal(Extract, "::").stderr


def test_a_list_that_is_not_there_yet_is_written(runner: ShellRunner) -> None:
    runner.rules.write_files(
        {
            "c/BUILD": "docker_mirror_image_list(name='list', source='images.txt', extract_from=[':pod'])\n"
            "file(name='pod', source='pod.yaml')\n",
            "c/pod.yaml": POD.format(name="app", tag=1),
        }
    )
    result = runner.goal(Extract, "c:list")
    assert result.exit_code == 0, result.stderr
    assert "a.example/app:1" in runner.read("c/images.txt")
    runner.rules.write_files({"c/BUILD": runner.read("c/BUILD").replace("images.txt", "images.csv")})
    with pytest.raises(ExecutionError, match=r"'source' field in target c:list can only contain files that end in"):
        runner.goal(Extract, "c:list")


def test_unchanged_lists_share_a_line() -> None:
    assert list(what_was_done(["a", "b", "c"], {"b"})) == ["b written.", "2 lists unchanged."]
    assert list(what_was_done(["a", "b"], {"b"})) == ["b written.", "a unchanged."]
    assert list(what_was_done(["a", "a"], {"a"})) == ["a written."], "two targets may own a list"
    assert list(what_was_done([], {})) == []


def test_all_errors_and_nothing_written(runner: ShellRunner) -> None:
    runner.rules.write_files(
        {
            "BUILD": """\
docker_mirror_image_list(name="none", source="none.txt", extract_from=[":nothing"])
docker_mirror_image_list(name="broken", source="broken.txt", extract_from=[":bad"])
docker_mirror_image_list(name="failing", source="failing.txt", extract_from=[":fails"])
docker_mirror_image_list(name="one", source="shared.txt", extract_from=[":pod"])
docker_mirror_image_list(name="other", source="shared.txt", extract_from=[":pod", ":pod2"])
docker_mirror_inline_image(name="nothing", image="a.example/x:1")
file(name="pod", source="pod.yaml")
file(name="pod2", source="pod2.yaml")
file(name="bad", source="bad.yaml")
shell_command(name="fails", command="echo why >&2; exit 3", output_files=["rendered.yaml"])
""",
            "pod.yaml": POD.format(name="app", tag=1),
            "pod2.yaml": POD.format(name="app2", tag=1),
            "bad.yaml": "a: [\n",
            **{f"{name}.txt": "" for name in ("none", "broken", "failing", "shared")},
        }
    )
    result = runner.goal(Extract, "::")
    assert result.exit_code == 2
    for error in (
        "//:none: //:nothing in the `extract_from` field has no files.",
        "//:broken: bad.yaml:",
        "✕ //:failing:\n  //:fails fails to generate its files: Process 'the `shell_command` at `//:fails`' failed "
        "with exit code 3.\n  why\n",
        "//:one and //:other want different images in shared.txt.",
        "No list was written.",
    ):
        assert error in result.stderr
    assert runner.read("shared.txt") == ""
