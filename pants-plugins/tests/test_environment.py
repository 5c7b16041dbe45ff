from __future__ import annotations

from pants.engine.process import InteractiveProcess
from pants.util.frozendict import FrozenDict

from docker_mirror import environment


def test_values_are_not_shown() -> None:
    env = environment.redacted({"REGISTRY_PASSWORD": "hunter2"})
    assert env["REGISTRY_PASSWORD"] == "hunter2"
    for shown in (repr(env), str(env), repr(FrozenDict(env)), repr(InteractiveProcess(["x"], env=env))):
        assert "REGISTRY_PASSWORD" in shown
        assert "hunter2" not in shown


def test_the_second_list_has_the_last_word() -> None:
    assert environment.variable_names(["A=1", "B", "C=1"], ["A=2", "C"]) == ("A=2", "B", "C")
