"""The page of `docker-mirror report html`, in a browser."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devtools import Tab, chromium, open_tab

CHECKOUT = Path(__file__).resolve().parents[2]
IMAGES = 2000
FAILED = 12

pytestmark = pytest.mark.browser


def copy(number: int) -> dict[str, Any]:
    failed = number % (IMAGES // FAILED) == 7 and number < FAILED * (IMAGES // FAILED)
    return {
        "source": f"registry.example/team/app-{number}:1.{number}",
        "destination": f"mirror.example/team/app-{number}:1.{number}",
        "status": "failed" if failed else ("copied" if number % 3 else "unchanged"),
        **({"reason": "look up <script>alert(1)</script>: connection refused", "hint": "run again"} if failed else {}),
        **({"cause": "mirror.example: connection refused"} if failed else {}),
        **({} if failed else {"digest": f"sha256:{number:064x}"}),
        "bytes": {"down": number * 1000, "up": number * 1000, "mounted": 0 if number % 2 else 12345},
        "origin": f"3rdparty/team{number % 40}/images.txt:{number // 40 + 1}",
        "target": f"3rdparty/team{number % 40}/images.txt",
        "lock": {"file": f"3rdparty/team{number % 40}/images.lock:{number}", "seen": "2026-11-01T00:00:00Z"},
    }


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    report = {
        "schema_version": 1,
        "version": "0.1.0",
        "command": "mirror",
        "started": "2026-11-26T12:00:00Z",
        "finished": "2026-11-26T12:01:00Z",
        "exit_code": 1,
        "copies": [copy(number) for number in range(IMAGES)],
    }
    (folder / "report.json").write_text(json.dumps(report))
    with (folder / "mirror.html").open("wb") as file:
        command = ["go", "run", "./go-helper", "report", "html", str(folder / "report.json")]
        subprocess.run(command, cwd=CHECKOUT, check=True, stdout=file)
    return folder / "mirror.html"


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    assert chromium(), "there is no Chromium on PATH: `apt-get install chromium`, or your system's package"
    with open_tab(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


SHOWN = "[...document.querySelectorAll('#copies tbody tr')].filter((row) => !row.hidden)"


def shown(tab: Tab, column: int) -> list[str]:
    texts: list[str] = tab.evaluate(f"{SHOWN}.map((row) => row.cells[{column}].firstChild?.textContent ?? '')")
    return texts


def test_draws_without_a_request(tab: Tab, page: Path) -> None:
    tab.send("Performance.enable")
    tab.open(page)
    tab.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    metrics = {metric["name"]: metric["value"] for metric in tab.send("Performance.getMetrics")["metrics"]}
    print(f"{IMAGES} images were drawn in {metrics['TaskDuration'] * 1000:.0f} ms, on whatever else this machine does")
    # What a browser draws at once is what is in sight: it may not lay out the page again and again, row by row.
    assert 0 < metrics["LayoutCount"] < 20
    assert metrics["Nodes"] < 35 * IMAGES
    assert tab.requests() == [page.as_uri()]
    assert tab.complaints() == []
    assert tab.evaluate(f"{SHOWN}.length") == IMAGES
    assert shown(tab, 0)[: FAILED + 1] == ["failed"] * FAILED + ["copied"]
    assert tab.evaluate("document.querySelector('.errors').innerText").endswith(
        f"mirror.example: connection refused: {FAILED} images\nrun again"
    )
    assert shown(tab, 8)[-1] == "25 days"


def test_text_of_registries_is_text(tab: Tab, page: Path) -> None:
    tab.open(page)
    assert tab.evaluate("document.scripts.length") == 1
    assert "<script>alert(1)</script>" in tab.evaluate("document.querySelector('.reason').innerText")


def test_keys_filter_and_sort(tab: Tab, page: Path) -> None:
    tab.open(page)
    tab.press("/", "/")
    assert tab.evaluate("document.activeElement.id") == "filter"
    tab.write("team7/ APP-47")
    assert shown(tab, 1) == ["mirror.example/team/app-47:1.47"]
    assert tab.evaluate("document.getElementById('shown').value") == f"1 of {IMAGES}"
    tab.write(" Team7/images.LOCK:47")  # what is told on hover only, in any case
    assert shown(tab, 1) == ["mirror.example/team/app-47:1.47"]
    tab.write(" nothing")
    assert shown(tab, 1) == []
    assert tab.evaluate("!document.getElementById('none').hidden")
    tab.press("Escape")
    assert tab.evaluate(f"{SHOWN}.length") == IMAGES

    # Tab goes over the statuses to the heads of the columns: Space takes failures alone, Enter sorts.
    tab.press("Tab")
    for _ in range(2):
        tab.press("Tab")
        tab.press(" ", " ")
    assert set(shown(tab, 0)) == {"failed"}
    while tab.evaluate("document.activeElement.textContent") != "Destination":
        tab.press("Tab")
        assert tab.evaluate("document.activeElement !== document.body"), "no head of a column can be reached by Tab"
    for order, name in (("ascending", "app-7:"), ("descending", "app-1833:")):
        tab.press("Enter", "\r")
        assert tab.evaluate("document.activeElement.parentElement.getAttribute('aria-sort')") == order
        assert shown(tab, 1)[0].startswith(f"mirror.example/team/{name}")


def test_columns_of_bytes_sort_by_number(tab: Tab, page: Path) -> None:
    tab.open(page)
    tab.evaluate("[...document.querySelectorAll('th button')].find((b) => b.textContent === 'Uploaded').click()")
    uploaded = shown(tab, 6)
    assert (uploaded[0], uploaded[1], uploaded[-1]) == ("", "1.0 KB", "2.0 MB")


def test_is_whole_without_javascript(tab: Tab, page: Path) -> None:
    tab.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        tab.open(page)
        assert tab.evaluate(f"{SHOWN}.length") == IMAGES
        assert shown(tab, 0)[:FAILED] == ["failed"] * FAILED
        assert tab.evaluate("getComputedStyle(document.getElementById('controls')).display") == "none"
    finally:
        tab.send("Emulation.setScriptExecutionDisabled", value=False)
