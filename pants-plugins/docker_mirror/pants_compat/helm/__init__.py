"""Calls of the rules of Pants' Helm backend; apart, as they can be imported only where that is on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_mirror.pants_compat import CALL_BY_NAME

if TYPE_CHECKING or not CALL_BY_NAME:
    from docker_mirror.pants_compat.helm._gets import find_chart, prefixed_snapshot, render_deployment, run_helm
else:
    from docker_mirror.pants_compat.helm._by_name import find_chart, prefixed_snapshot, render_deployment, run_helm

__all__ = ["find_chart", "prefixed_snapshot", "render_deployment", "run_helm"]
