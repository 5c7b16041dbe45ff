"""See `pants_compat._by_name`."""

from __future__ import annotations

from pants.backend.helm.util_rules.chart import HelmChart, HelmChartRequest, get_helm_chart
from pants.backend.helm.util_rules.renderer import HelmDeploymentRequest, RenderedHelmFiles, run_renderer
from pants.backend.helm.util_rules.tool import HelmProcess
from pants.engine.fs import AddPrefix, Snapshot
from pants.engine.intrinsics import add_prefix, digest_to_snapshot
from pants.engine.process import ProcessResult, fallible_to_exec_result_or_raise
from pants.engine.rules import implicitly


async def find_chart(request: HelmChartRequest) -> HelmChart:
    return await get_helm_chart(request, **implicitly())


async def render_deployment(request: HelmDeploymentRequest) -> RenderedHelmFiles:
    return await run_renderer(**implicitly({request: HelmDeploymentRequest}))


async def run_helm(process: HelmProcess) -> ProcessResult:
    return await fallible_to_exec_result_or_raise(**implicitly({process: HelmProcess}))


async def prefixed_snapshot(request: AddPrefix) -> Snapshot:
    return await digest_to_snapshot(await add_prefix(request))
