"""`pants publish` under pantsd after edits: what is published is what is there now, of each target and of no other."""

from __future__ import annotations

import json
import os
import random
from dataclasses import dataclass
from pathlib import Path

import pytest
from pants_project import PantsProject
from registries import DevRegistry

pytestmark = pytest.mark.integration

ROUNDS = int(os.environ.get("PUBLISH_ROUNDS", "2"))
"""Thirty by hand: each costs seconds. With a memoized rule that wrote old plans, the first one failed."""

NAMES = tuple("abcde")


@dataclass
class ImageListState:
    """What a list and its target say in a round."""

    tag: str = ""
    """Of the list's image; empty where it lists none."""
    repository: str = "{name}"
    skipped: bool = False

    def copies(self, name: str, source: str, destination: str) -> set[tuple[str, str]]:
        if not self.tag or self.skipped:
            return set()
        return {(f"{source}/{name}:{self.tag}", f"{destination}/{self.repository.format(name=name)}:{self.tag}")}


def edit(state: ImageListState, round_: int, dice: random.Random) -> None:
    kind = dice.choices(("content", "emptied", "field", "skipped", "nothing"), (5, 1, 2, 1, 1))[0]
    state.skipped = kind == "skipped"
    if kind in ("content", "emptied"):
        state.tag = "" if kind == "emptied" else str(round_)
    elif kind == "field":
        state.repository = f"r{round_}/{{name}}"


def test_edits_before_publish(
    project: PantsProject, source: DevRegistry, dev_destination: DevRegistry, tmp_path: Path
) -> None:
    project.env["PANTS_PANTSD"] = "true"
    project.use_registry(dev_destination.host)
    for name in NAMES:
        for round_ in range(ROUNDS + 1):
            source.push_image(f"{name}:{round_}", name.encode())
    dice = random.Random(1)
    states = {name: ImageListState(tag="0") for name in NAMES}
    for round_ in range(ROUNDS + 1):
        if round_:
            for state in states.values():
                edit(state, round_, dice)
        for name, state in states.items():
            project.write(
                {
                    f"{name}/BUILD": (
                        f"docker_mirror_image_list(source='x.txt', allow_empty=True, repository='{state.repository}', "
                        f"skip_push={state.skipped})\n"
                    ),
                    f"{name}/x.txt": f"{source.host}/{name}:{state.tag}\n" if state.tag else "",
                }
            )
        if round_ % 2:
            project.run("package", "::").succeeded()
        output = tmp_path / "publish.json"
        run = project.run("publish", f"--output={output}", "::").succeeded()
        entries = {entry["target"]: entry for entry in json.loads(output.read_text())}
        assert set(entries) == {f"{name}:{name}" for name in NAMES}, run
        reports = {entry["report"] for entry in entries.values() if "report" in entry}
        copies: dict[str, set[tuple[str, str]]] = {}
        for report in map(Path, reports):
            for copy in json.loads(report.read_text())["copies"]:
                copies.setdefault(copy["target"], set()).add((copy["source"], copy["destination"]))
        for name, state in states.items():
            expected = state.copies(name, source.host, dev_destination.host)
            address = f"{name}:{name}"
            assert copies.get(address, set()) == expected, f"round {round_}, {address}, {state}\n{run}"
            assert entries[address]["published"] is bool(expected)
            for _, destination in expected:
                assert dev_destination.digest(destination.split("/", 1)[1]) is not None
