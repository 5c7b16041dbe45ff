"""The table and the plot of `bench/share`: bytes and requests over the number of shards, with and without --share.

Wall times are left out: shards of one machine share its processors, on which bytes and requests depend little.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from mirrorbench.cases import CASES
from mirrorbench.measure import Measurement, complete
from mirrorbench.plot import Bar, Group, bars
from mirrorbench.report import Grouped, bytes_down, destination_sum, grouped, megabytes, source_requests

TIMES = "\u00d7"
TOLD = " told"
"""What follows the number of shards in the names of runs with --share."""


def _requests(run: Measurement) -> float:
    return source_requests(run) + destination_sum(run, "requests")


def _shards(runs: dict[str, list[Measurement]]) -> list[int]:
    return sorted(int(name) for name in runs if not name.endswith(TOLD))


def table(runs: dict[str, list[Measurement]]) -> str:
    """A row for each number of shards; everything as a multiple of what one process takes."""
    one = runs["1"][0]
    lines = [
        "| shards | MB down | with `--share` | requests | with `--share` |",
        "|--:|--:|--:|--:|--:|",
        f"| 1 | {megabytes(bytes_down(one))} | | {_requests(one):.0f} | |",
    ]
    for n in _shards(runs)[1:]:
        cells = [f"| {n} |"]
        for value in (bytes_down, _requests):
            for name in (str(n), f"{n}{TOLD}"):
                cells.append(f" {value(runs[name][0]) / value(one):.2f} {TIMES} |")
        lines.append("".join(cells))
    return "\n".join(lines)


def plot(results: Grouped) -> str:
    """Bars of the bytes, a group for each set; a dashed line stands at what one process takes."""
    groups = []
    for case, runs in results.items():
        one = bytes_down(runs["1"][0])
        made = []
        for n in _shards(runs)[1:]:
            for name, ours in ((str(n), False), (f"{n}{TOLD}", True)):
                value = bytes_down(runs[name][0])
                label = f"{n}, --share" if ours else f"{n} shards"
                made.append(Bar(label, (value / 1e6,), f"{value / 1e6:.0f} MB, {value / one:.2f} {TIMES}", ours))
        known = next(known for known in CASES if known.name == case)
        title = f"Set {known.set}, {runs['1'][0]['verified'][0]['images']} images"
        groups.append(Group(title, tuple(made), one / 1e6))
    return bars("Bytes downloaded by shards", "All at once; dashed: one process", groups)


def main(folder: Path) -> int:
    found: list[Measurement] = [json.loads(text) for text in (folder / "results.jsonl").read_text().splitlines()]
    wrong = [f"{run['case']}, {run['tool']}" for run in found if run["exit_code"] or not complete(run)]
    if wrong:
        print("bench/share: not all images arrived: " + "; ".join(wrong), file=sys.stderr)
        return 1
    results = grouped(found)
    for case, runs in results.items():
        print(f"{case}, {runs['1'][0]['verified'][0]['images']} images:\n\n{table(runs)}\n")
    (folder / "shards.svg").write_text(plot(results))
    print(f"Plot: {folder / 'shards.svg'}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
