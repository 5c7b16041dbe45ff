from __future__ import annotations

from pants_project import lasting_lines

OUTPUT = """\
23:22:01.34 [INFO] Long running tasks:
  60.53s\tPlan 3 mirrors
127.0.0.1:1: connection refused, try 5 of 8; next in 1.4s; 8 images wait
0/8 images · nothing moved for 5.0s · 5.0s
1/1 image · 5.0s
✗ //x: 1 failed (127.0.0.1:1: connection refused)
x.txt:1: a.example/x:1 -> b.example/x:1: get manifest a.example/x:1: 404 Not Found

8 unchanged in 1.2s
"""


def test_lasting_lines() -> None:
    assert lasting_lines(OUTPUT) == OUTPUT.splitlines()[5:]
