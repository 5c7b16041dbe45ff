"""The backend `docker_mirror.helm`: charts and deployments as what image lists come from.

It needs Pants' own Helm backend.
"""

from __future__ import annotations

from collections.abc import Iterable

from docker_mirror.helm import render


def rules() -> Iterable[object]:
    return render.rules()
