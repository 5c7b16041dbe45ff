"""See `pants_compat._gets`."""

# mypy: disable-error-code="type-arg"

from __future__ import annotations

from pants.backend.helm.util_rules.chart import HelmChart, HelmChartRequest
from pants.backend.helm.util_rules.renderer import HelmDeploymentRequest, RenderedHelmFiles
from pants.backend.helm.util_rules.tool import HelmProcess
from pants.engine.fs import AddPrefix, Snapshot
from pants.engine.internals.selectors import Get
from pants.engine.process import ProcessResult


def find_chart(request: HelmChartRequest) -> Get:
    return Get(HelmChart, HelmChartRequest, request)


def render_deployment(request: HelmDeploymentRequest) -> Get:
    return Get(RenderedHelmFiles, HelmDeploymentRequest, request)


def run_helm(process: HelmProcess) -> Get:
    return Get(ProcessResult, HelmProcess, process)


def prefixed_snapshot(request: AddPrefix) -> Get:
    return Get(Snapshot, AddPrefix, request)
