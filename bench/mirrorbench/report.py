"""Tables of the results, in Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from typing import Any

from mirrorbench.cases import CASES, Case
from mirrorbench.imageset import Minimum
from mirrorbench.measure import Measurement, complete, images_text

Grouped = dict[str, dict[str, list[Measurement]]]
"""Results by case, then by tool."""


def grouped(results: Iterable[Measurement]) -> Grouped:
    found: Grouped = {}
    for result in results:
        found.setdefault(result["case"], {}).setdefault(result["tool"], []).append(result)
    return found


def median(runs: list[Measurement], value: Callable[[Measurement], float]) -> float:
    return statistics.median(value(run) for run in runs)


def source_requests(run: Measurement) -> float:
    return float(run["source"]["requests"])


def destination_sum(run: Measurement, key: str) -> float:
    return float(sum(d[key] for d in run["destinations"]))


def mounts(run: Measurement) -> float:
    return float(sum(d["kinds"].get("mount ok", 0) for d in run["destinations"]))


def bytes_down(run: Measurement) -> float:
    """From the source, both runs of a killed one."""
    first = run["first"]["source"]["body_down"] if run["first"] else 0
    return float(run["source"]["body_down"] + first)


def wrote_to_source(run: Measurement) -> int:
    kinds: dict[str, int] = run["source"]["kinds"]
    return sum(n for kind, n in kinds.items() if kind.startswith(("upload ", "manifest PUT")))


def megabytes(count: float) -> str:
    return f"{count / 1e6:.1f}"


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def _ending(runs: list[Measurement]) -> str:
    """Exit codes and images of all runs."""
    codes = ", ".join(str(code) for code in sorted({run["exit_code"] for run in runs}))
    if any(run["timed_out"] for run in runs):
        codes += " (timeout)"
    images = ", ".join(sorted({images_text(run) for run in runs}))
    if any(wrote_to_source(run) for run in runs):
        images += ", **wrote to the source**"
    return f"{codes} | {images}"


COLUMNS = (
    "tool", "runs", "wall s", "CPU s", "source requests", "destination requests", "MB down", "MB up",
    "mounts", "connections", "peak RSS MiB", "exit", "images right",
)  # fmt: skip


def case_table(case: Case, tools: dict[str, list[Measurement]]) -> str:
    """Medians of a case, below the least that it can cost."""
    bound = Minimum(**next(iter(tools.values()))[0]["least"])
    n = case.destinations
    columns = [*COLUMNS, "bytes ÷ least"] if case.kill_at else [*COLUMNS]
    lines = [
        f"### {case.name}: {case.title}",
        "",
        _row(columns),
        "|---|" + "--:|" * (len(columns) - 1),
    ]
    row: list[Any] = [
        "*the least*", "", "", "", bound.source_requests, bound.destination_requests * n, megabytes(bound.down),
        megabytes(bound.up * n), bound.mounts * n, "", "", "", "",
    ]  # fmt: skip
    lines.append(_row(row + ([""] if case.kill_at else [])))
    for tool, runs in tools.items():
        row = [
            tool,
            len(runs),
            f"{median(runs, lambda r: r['seconds']):.2f}",
            f"{median(runs, lambda r: r['cpu_seconds']):.2f}",
            f"{median(runs, source_requests):.0f}",
            f"{median(runs, lambda r: destination_sum(r, 'requests')):.0f}",
            megabytes(median(runs, bytes_down)),
            megabytes(median(runs, lambda r: destination_sum(r, "body_up"))),
            f"{median(runs, mounts):.0f}",
            f"{median(runs, lambda r: r['source']['connections']):.0f}"
            f" + {median(runs, lambda r: destination_sum(r, 'connections')):.0f}",
            f"{median(runs, lambda r: r['peak_rss']) / 2**20:.0f}",
            _ending(runs),
        ]
        if case.kill_at:
            row.append(f"{median(runs, bytes_down) / bound.down:.2f}")
        lines.append(_row(row))
    return "\n".join(lines)


def summary_table(results: Grouped, tools: list[str]) -> str:
    """One row a case, one column a tool: wall seconds, requests, megabytes down; or how many images arrived."""
    lines = [
        _row(["case", *tools]),
        "|---|" + "---|" * len(tools),
    ]
    for case in CASES:
        if case.name not in results:
            continue
        cells = []
        for tool in tools:
            runs = results[case.name].get(tool)
            if not runs:
                cells.append("")
                continue
            seconds = median(runs, lambda r: float(r["seconds"]))
            requests = median(runs, source_requests), median(runs, lambda r: destination_sum(r, "requests"))
            cell = f"{seconds:.2f} s · {requests[0]:.0f} + {requests[1]:.0f} · {megabytes(median(runs, bytes_down))} MB"
            if not all(complete(run) for run in runs):
                cell += " · **" + ", ".join(sorted({images_text(run) for run in runs})) + "**"
            cells.append(cell)
        lines.append(_row([case.title, *cells]))
    return "\n".join(lines)


def tables(results: Grouped, about: str = "") -> str:
    """All tables, with what stands in their cells; `about` tells of machine and versions."""
    names = list(dict.fromkeys(tool for tools in results.values() for tool in tools))
    parts = [
        "# Results",
        f"{about}Medians. MB are 10⁶ bytes of bodies; *the least* is for a tool that knows the set beforehand.",
        "Wall seconds · requests at source + destination · MB down; in bold, how many images arrived if not all:",
        summary_table(results, names),
        *(case_table(case, results[case.name]) for case in CASES if case.name in results),
    ]
    return "\n\n".join(parts) + "\n"


def line(run: Measurement) -> str:
    """A run in one line, for whoever watches."""
    return (
        f"{run['case']:15} {run['tool']:14} {run['seconds']:7.2f} s  CPU {run['cpu_seconds']:6.2f} s"
        f"  exit {run['exit_code']}"
        f"  requests {source_requests(run):.0f} + {destination_sum(run, 'requests'):.0f}"
        f"  MB {megabytes(run['source']['body_down'])} down {megabytes(destination_sum(run, 'body_up'))} up"
        f"  {run['peak_rss'] >> 20} MiB  images {images_text(run)}"
        + ("" if complete(run) else f"  ({run['verified'][0]['first']})")
    )
