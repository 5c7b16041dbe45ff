"""Plots as SVG, readable on a light and on a dark page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape

from mirrorbench.measure import Measurement, complete, images_text
from mirrorbench.report import Grouped, bytes_down, destination_sum, median, source_requests
from mirrorbench.tools import OURS

WIDTH = 720
_LABELS = 120  # left of the bars
_VALUES = 150  # right of them
_BAR = 18
_GAP = 8

# Mid-tones, which stand out from a white page and from a black one: a picture doesn't know its page's theme
# (prefers-color-scheme is the system's, and a site may have another).
_STYLE = """
text { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #6e7781 }
.title { font-size: 15px; font-weight: 600 }
.note { font-size: 12px }
.axis { stroke: #8c959f; stroke-width: 1 }
.least { stroke: #cf6a18; stroke-width: 2; stroke-dasharray: 3 3 }
.ours { fill: #0d8bb8 } .ours2 { fill: #63bdd8 } .peer { fill: #848d97 } .peer2 { fill: #b6bec7 }
.line { fill: none; stroke-width: 2 } .line.ours { stroke: #0d8bb8; fill: none; stroke-width: 3 }
.c0 { stroke: #b7791f } .c1 { stroke: #8b6fd1 } .c2 { stroke: #2f9e6a } .c3 { stroke: #d1495b }
"""


@dataclass(frozen=True)
class Bar:
    label: str
    parts: tuple[float, ...]
    """One value, or the two that are stacked."""
    value: str
    ours: bool = False


@dataclass(frozen=True)
class Group:
    title: str
    bars: tuple[Bar, ...]
    least: float | None = None


@dataclass
class _Canvas:
    """SVG elements, from the top down."""

    parts: list[str] = field(default_factory=list)
    y: float = 0

    def text(self, x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> None:
        self.parts.append(f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>')

    def rect(self, x: float, y: float, width: float, height: float, kind: str) -> None:
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:g}" width="{width:.1f}" height="{height:g}" rx="2" class="{kind}"/>'
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>')

    def svg(self, description: str) -> str:
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.y:g}" width="{WIDTH}" '
            f'height="{self.y:g}" role="img"><title>{escape(description)}</title><style>{_STYLE}</style>\n'
            + "\n".join(self.parts)
            + "\n</svg>\n"
        )


def bars(title: str, note: str, groups: Sequence[Group]) -> str:
    """Horizontal bars, each group on a scale of its own; a dashed line stands at the least that is possible."""
    canvas = _Canvas()
    canvas.text(0, 18, title, "title")
    canvas.text(0, 37, note, "note")
    canvas.y = 50
    room = WIDTH - _LABELS - _VALUES
    for group in groups:
        top = max([sum(bar.parts) for bar in group.bars] + [group.least or 0, 1e-9])
        canvas.text(0, canvas.y + 16, group.title)
        canvas.y += 26
        began = canvas.y
        for bar in group.bars:
            canvas.text(_LABELS - 8, canvas.y + 13, bar.label, anchor="end")
            x = float(_LABELS)
            for number, part in enumerate(bar.parts):
                width = room * part / top
                canvas.rect(
                    x, canvas.y, max(width, 1), _BAR, ("ours" if bar.ours else "peer") + ("2" if number else "")
                )
                x += width
            canvas.text(x + 8, canvas.y + 13, bar.value)
            canvas.y += _BAR + _GAP
        if group.least:
            x = _LABELS + room * group.least / top
            canvas.line(x, began - 4, x, canvas.y - 4, "least")
        canvas.y += 8
    return canvas.svg(title)


def curves(title: str, note: str, x_title: str, y_title: str, lines: dict[str, list[tuple[float, float]]]) -> str:
    """Step curves, one a tool, from zero."""
    canvas = _Canvas()
    canvas.text(0, 18, title, "title")
    canvas.text(0, 37, note, "note")
    left, top, right, bottom = 40.0, 75.0, WIDTH - 150.0, 335.0
    x_most = max(x for points in lines.values() for x, _ in points)
    y_most = max(y for points in lines.values() for _, y in points)

    def at(x: float, y: float) -> tuple[float, float]:
        return left + (right - left) * x / x_most, bottom - (bottom - top) * y / y_most

    canvas.line(left, bottom, right, bottom, "axis")
    canvas.line(left, top, left, bottom, "axis")
    canvas.text(right, bottom + 34, x_title, "note", "end")
    canvas.text(left, top - 8, y_title, "note")
    for part in range(5):
        x, _ = at(x_most * part / 4, 0)
        canvas.text(x, bottom + 17, f"{x_most * part / 4:.0f}", "note", "middle")
        _, y = at(0, y_most * part / 4)
        canvas.text(left - 6, y + 4, f"{y_most * part / 4:.0f}", "note", "end")
    # Lines may end at the same place: their labels stand in a column, in the order in which they are drawn.
    peers = 0
    for number, (tool, points) in enumerate(lines.items()):
        kind = "ours" if tool == OURS else f"c{peers % 4}"
        peers += tool != OURS
        previous = 0.0
        path = ["M{:.1f} {:.1f}".format(*at(0, 0))]
        for x, y in points:
            path += ["L{:.1f} {:.1f}".format(*at(x, previous)), "L{:.1f} {:.1f}".format(*at(x, y))]
            previous = y
        canvas.parts.append(f'<path d="{" ".join(path)}" class="line {kind}"/>')
        label = top + 10 + 22 * number
        canvas.parts.append(f'<path d="M{right + 8:g} {label - 4:g} h16" class="line {kind}"/>')
        canvas.text(right + 30, label, tool)
    canvas.y = bottom + 45
    return canvas.svg(title)


def _group(
    results: Grouped,
    case: str,
    title: str,
    parts: Callable[[list[Measurement]], tuple[float, ...]],
    text: Callable[[list[Measurement]], str],
    least: Callable[[Measurement], float] | None = None,
) -> Group | None:
    tools = results.get(case)
    if not tools:
        return None
    made = []
    for tool, runs in tools.items():
        value = text(runs)
        if not all(complete(run) for run in runs):
            value += f", {min(images_text(run) for run in runs)} images"
        made.append(Bar(tool, parts(runs), value, tool == OURS))
    first = next(iter(tools.values()))[0]
    return Group(title, tuple(made), least(first) if least else None)


def _wall(runs: list[Measurement]) -> float:
    return median(runs, lambda r: float(r["seconds"]))


def plots(results: Grouped) -> dict[str, str]:
    """The plots for which there are results, by file name."""

    def present(*groups: Group | None) -> list[Group]:
        return [group for group in groups if group]

    def wall(case: str, title: str) -> Group | None:
        return _group(results, case, title, lambda runs: (_wall(runs),), lambda runs: f"{_wall(runs):.2f} s")

    def moved(case: str, title: str) -> Group | None:
        return _group(
            results,
            case,
            title,
            lambda runs: (median(runs, bytes_down) / 1e6,),
            lambda runs: f"{median(runs, bytes_down) / 1e6:.0f} MB",
            lambda run: float(run["least"]["down"]) / 1e6,
        )

    def requests(case: str, title: str) -> Group | None:
        def sides(runs: list[Measurement]) -> tuple[float, ...]:
            return median(runs, source_requests), median(runs, lambda r: destination_sum(r, "requests"))

        return _group(
            results,
            case,
            title,
            sides,
            lambda runs: "{:.0f} + {:.0f}".format(*sides(runs)),
            lambda run: float(run["least"]["source_requests"] + run["least"]["destination_requests"]),
        )

    made = {}
    candidates = {
        "wall.svg": (
            "Wall time",
            "40 images, 390 MB, median; shorter is better",
            present(
                wall("cold", "Everything, loopback"),
                wall("cold-rtt", "Everything, 30 ms a round trip"),
                wall("cold-bandwidth", "Everything, 50 MB/s"),
                wall("noop-rtt", "Nothing to do, 30 ms a round trip"),
            ),
        ),
        "bytes.svg": (
            "Bytes downloaded",
            "Dashed: each blob once",
            present(
                moved("cold", "One destination"),
                moved("fanout", "Two destinations"),
                moved("killed", "Killed half-way and run again"),
                moved("grown", "Three new repositories on known bases"),
            ),
        ),
        "requests.svg": (
            "Requests",
            "At the source (dark) and at the destination (light); dashed: the least possible",
            present(
                requests("cold", "Everything"),
                requests("noop", "Nothing to do"),
                requests("delta", "Three of 40 tags changed"),
            ),
        ),
    }
    for name, (title, note, groups) in candidates.items():
        if groups:
            made[name] = bars(title, note, groups)
    lines = {
        tool: [(moment["body_up"] / 1e6, float(moment["tags"])) for moment in runs[0]["destinations"][0]["timeline"]]
        for tool, runs in results.get("cold-bandwidth", {}).items()
        if complete(runs[0]) and runs[0]["destinations"][0]["timeline"]
    }
    if lines:
        made["finished.svg"] = curves(
            "Images finished over bytes uploaded",
            "What is complete if the run is stopped there; further up and left is better",
            "MB uploaded",
            "images finished",
            lines,
        )
    return made
