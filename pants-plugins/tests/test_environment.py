from __future__ import annotations

import re
from pathlib import Path

from pants.engine.process import InteractiveProcess
from pants.util.frozendict import FrozenDict

from docker_mirror import environment
from docker_mirror.env_vars import DEFAULT_ENV_VARS

AUTH_SOURCES = Path(__file__).parents[2] / "go-helper" / "internal" / "auth"


def test_values_are_not_shown() -> None:
    env = environment.redacted({"REGISTRY_PASSWORD": "hunter2"})
    assert env["REGISTRY_PASSWORD"] == "hunter2"
    for shown in (repr(env), str(env), repr(FrozenDict(env)), repr(InteractiveProcess(["x"], env=env))):
        assert "REGISTRY_PASSWORD" in shown
        assert "hunter2" not in shown


def test_no_two_runs_of_a_goal_have_equal_processes() -> None:
    """Newer versions of Pants warn of the second one under pantsd."""
    first, second = (InteractiveProcess(["x"], env=environment.of_one_run({"PASSWORD": "hunter2"})) for _ in range(2))
    assert first != second
    assert "hunter2" not in repr(first)


def test_the_second_list_has_the_last_word() -> None:
    assert environment.variable_names(["A=1", "B", "C=1"], ["A=2", "C"]) == ("A=2", "B", "C")


def test_what_the_helper_looks_for_credentials_in_reaches_it() -> None:
    sources = [file.read_text() for file in AUTH_SOURCES.rglob("*.go") if not file.name.endswith("_test.go")]
    read = {name for source in sources for name in re.findall(r'(?:[gG]etenv|LookupEnv)\("(\w+)"\)', source)}
    named = {name for source in sources for name in re.findall(r'"((?:AWS|AZURE|GOOGLE|GITHUB)_[A-Z_]+)"', source)}
    assert {"DOCKER_AUTH_CONFIG", "GITHUB_TOKEN", "AZURE_SP_ID"} <= read | named
    assert (read | named) - set(DEFAULT_ENV_VARS) == set()
