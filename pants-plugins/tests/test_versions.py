"""That the README's table of versions is true of the Pants that runs this, of the pinned one and of go.mod."""

from __future__ import annotations

import re
from pathlib import Path

from pants.version import VERSION

from docker_mirror.helper_build import minimum_go_version

ROOT = Path(__file__).parents[2]


def table() -> dict[str, str]:
    """What the README says of each `Pants X` and `Go X`."""
    text = (ROOT / "README.md").read_text()
    section = text[text.index("\n### Versions\n") :].split("\n### ")[1]
    rows = re.findall(r"^\| (Pants|Go) ([\w., ]+) \| (.*) \|$", section, re.MULTILINE)
    return {f"{what} {version}": said for what, versions, said in rows for version in versions.split(", ")}


def test_the_pants_that_runs_this_was_tested() -> None:
    known = table()
    said = known.get(f"Pants {VERSION}")
    assert said is not None, (
        f"Pants {VERSION} runs this, and the README's table of versions has {', '.join(known)}: add a row that says "
        "what was tried on it."
    )
    assert "test" in said


def test_ci_runs_the_pinned_pants() -> None:
    (pinned,) = re.findall(
        r"^pantsbuild\.pants==(\S+)$", (ROOT / "requirements" / "pants.in").read_text(), re.MULTILINE
    )
    assert [version for version, said in table().items() if "in CI" in said] == [f"Pants {pinned}"]
    assert f'pants_version = "{pinned}"' in (ROOT / "pants.toml").read_text()


def test_the_oldest_go_is_that_of_the_module() -> None:
    (oldest,) = (version for version in table() if version.startswith("Go "))
    assert f"{oldest[3:]}.0" == minimum_go_version((ROOT / "go.mod").read_text())


def test_the_looked_up_versions_are_those_of_the_table_of_imports() -> None:
    comment = (ROOT / "pants-plugins" / "tests" / "test_pants_api.py").read_text()
    (looked_up,) = re.findall(r"^# Looked up in the sources of (.*), as has to be", comment, re.MULTILINE)
    assert {f"Pants {version}" for version in re.split(", | and ", looked_up)} == {
        version for version in table() if version.startswith("Pants ")
    }
