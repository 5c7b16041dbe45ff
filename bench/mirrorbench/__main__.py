"""The command line: `bench/run --help`."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import signal
import sys
import unittest
from pathlib import Path

from mirrorbench import selfcheck
from mirrorbench.build import BuildError, build_own, build_peers, find_program, versions
from mirrorbench.cases import CASES, DEFAULT_CASES, Case
from mirrorbench.layout import Layout
from mirrorbench.measure import Measurement, measure, seed
from mirrorbench.plot import plots
from mirrorbench.report import grouped, line, tables
from mirrorbench.tools import TOOLS, Tool


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench/run",
        description="Mirrors sets of images with docker-mirror and its peers, side by side, between registries on "
        "loopback, and prints what each took.",
        epilog="cases: " + "; ".join(f"{case.name}: {case.title}" for case in CASES),
    )
    parser.add_argument(
        "--cases", default=",".join(DEFAULT_CASES), help="comma-separated (default: all but large), or 'all'"
    )
    parser.add_argument("--tools", default=",".join(tool.name for tool in TOOLS), help="comma-separated")
    parser.add_argument(
        "--tool",
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="one more tool, run by bash; {specs} is a JSON array of {src, dst}, {pairs} lines of 'src dst', "
        "{concurrency} 10, {source} and {destination} the registries, {work} a scratch folder and HOME",
    )
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="runs of each (default: 3)")
    parser.add_argument("--timeout", type=float, default=240, metavar="SECONDS", help="for a run (default: 240)")
    parser.add_argument("--deep", action="store_true", help="hash every blob that arrived, too")
    parser.add_argument(
        "--results", type=Path, metavar="FOLDER", help="where tables and plots go (default: under the cache)"
    )
    parser.add_argument("--append", action="store_true", help="keep the results that are there")
    parser.add_argument("--report-only", action="store_true", help="tables and plots of the results that are there")
    parser.add_argument("--self-check", action="store_true", help="check the benchmark itself on a small set")
    return parser.parse_args(arguments)


def _choose(names: str, extra: list[str]) -> list[Tool]:
    known = {tool.name: tool for tool in TOOLS}
    chosen = []
    for name in filter(None, names.split(",")):
        if name not in known:
            raise SystemExit(f"bench/run: no tool '{name}'; there are: {', '.join(known)}")
        chosen.append(known[name])
    for definition in extra:
        name, separator, command = definition.partition("=")
        if not separator:
            raise SystemExit(f"bench/run: --tool {definition!r}: want NAME=COMMAND")
        chosen.append(Tool(name, command))
    return chosen


def _choose_cases(names: str) -> list[Case]:
    known = {case.name: case for case in CASES}
    if names == "all":
        return list(CASES)
    unknown = [name for name in names.split(",") if name not in known]
    if unknown:
        raise SystemExit(f"bench/run: no case '{unknown[0]}'; there are: {', '.join(known)}")
    return [known[name] for name in names.split(",")]


def _run(layout: Layout, options: argparse.Namespace, results: Path) -> None:
    tools, cases = _choose(options.tools, options.tool), _choose_cases(options.cases)
    build_own(layout)
    wanted = {tool.program for tool in tools if tool.program}
    if any(case.serial for case in cases):
        wanted.add("crane")
    build_peers(layout, wanted)
    for tool in list(tools):
        if tool.program and not find_program(layout, tool.program):
            print(
                f"{tool.name} is left out: there is no {tool.program} (install it and run this again)", file=sys.stderr
            )
            tools.remove(tool)
    seed(layout, cases)
    # In turn, so that what else the machine does in the meantime falls on all.
    with results.open("a" if options.append else "w") as out:
        for repetition in range(options.repeat):
            for case in cases:
                for tool in tools:
                    result = measure(layout, tool, case, options.timeout, options.deep)
                    out.write(json.dumps({"repetition": repetition, **result}) + "\n")
                    out.flush()
                    print(line(result), file=sys.stderr, flush=True)


def _report(results: Path) -> None:
    found: list[Measurement] = [json.loads(text) for text in results.read_text().splitlines()]
    by_case = grouped(found)
    tools = versions({run["tool"] for run in found})
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    about = f"{machine}, {tools}, {datetime.date.today():%Y-%m}. "
    text = tables(by_case, about)
    (results.parent / "README.md").write_text(text)
    for name, svg in plots(by_case).items():
        (results.parent / name).write_text(svg)
    print(text)
    print(f"Tables and plots: {results.parent}", file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    options = _arguments(arguments)
    layout = Layout.from_environment()
    layout.root.mkdir(parents=True, exist_ok=True)
    # Servers are stopped on the way out, so SIGTERM has to be a way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if options.self_check:
            suite = unittest.defaultTestLoader.loadTestsFromModule(selfcheck)
            return 0 if unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful() else 1
        folder = options.results or layout.root / "results"
        folder.mkdir(parents=True, exist_ok=True)
        if not options.report_only:
            _run(layout, options, folder / "results.jsonl")
        _report(folder / "results.jsonl")
    except BuildError as error:
        print(f"bench/run: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
