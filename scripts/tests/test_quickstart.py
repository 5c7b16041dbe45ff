"""`scripts/quickstart` shows what it says it shows, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

from pants_project import share_go_caches

CHECKOUT = Path(__file__).resolve().parents[2]


def quickstart(temporary: Path) -> subprocess.Popen[str]:
    temporary.mkdir()
    named_caches = temporary.with_name("named_caches")
    share_go_caches(named_caches)
    return subprocess.Popen(
        [CHECKOUT / "scripts/quickstart"],
        env={**os.environ, "TMPDIR": str(temporary), "PANTS_NAMED_CACHES_DIR": str(named_caches)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def processes_of(session: int) -> list[str]:
    """The command lines of what still runs in a session."""
    listed = subprocess.run(["ps", "-e", "-o", "sess=,args="], capture_output=True, text=True, check=True).stdout
    # A process that has ended stays listed until whoever inherited it takes note.
    return [line for line in listed.splitlines() if line.split(None, 1)[0] == str(session) and "<defunct>" not in line]


def test_quickstart(tmp_path: Path) -> None:
    process = quickstart(tmp_path / "temporary")
    output, _ = process.communicate(timeout=1200)
    assert process.returncode == 0, output
    first, again, edited = re.split(r"^[56]\. (?:Again|Edit one list).*$", output, flags=re.MULTILINE)
    assert re.search(r"^6 copied; .* mounted", first, re.MULTILINE), output
    assert re.search(r"^6 unchanged", again, re.MULTILINE), output
    assert " copied" not in again, output
    selected = edited.partition("--changed-since=HEAD list")[2].partition("$ pants")[0].split()
    assert selected == ["3rdparty/apps/backend.txt"], output
    assert "✓ 3rdparty/apps/backend.txt: 1 copied, 3 unchanged" in edited, output
    assert not processes_of(process.pid)
    assert not list((tmp_path / "temporary").iterdir())


def test_interrupted_quickstart_cleans_up(tmp_path: Path) -> None:
    process = quickstart(tmp_path / "temporary")
    assert process.stdout
    for line in process.stdout:
        # Not before a program has begun: one that is only being loaded ends with a code of its own.
        if "# OCI index" in line:
            break
    assert any("serve" in command for command in processes_of(process.pid))
    os.killpg(process.pid, signal.SIGINT)  # as a terminal's Ctrl-C
    process.communicate(timeout=60)
    # 130, or the code of the program that was running: set -e may see that one end before the trap is run.
    assert process.returncode != 0
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and (processes_of(process.pid) or any((tmp_path / "temporary").iterdir())):
        time.sleep(0.1)
    assert not processes_of(process.pid)
    assert not list((tmp_path / "temporary").iterdir())
