"""Renders `helm_chart` and `helm_deployment` with Pants' own Helm, as code generators of manifests."""

from __future__ import annotations

from collections.abc import Iterable

from pants.backend.helm.target_types import HelmChartMetaSourceField, HelmDeploymentFieldSet, HelmDeploymentSourcesField
from pants.backend.helm.util_rules.chart import HelmChart, HelmChartRequest
from pants.backend.helm.util_rules.renderer import HelmDeploymentCmd, HelmDeploymentRequest, RenderedHelmFiles
from pants.backend.helm.util_rules.tool import HelmProcess
from pants.engine.addresses import Address
from pants.engine.fs import AddPrefix, Snapshot
from pants.engine.process import ProcessResult
from pants.engine.rules import collect_rules, rule
from pants.engine.target import GeneratedSources, GenerateSourcesRequest
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel

from docker_mirror.extract import RenderedManifestsField
from docker_mirror.pants_compat.helm import find_chart, prefixed_snapshot, render_deployment, run_helm

_OUTPUT = "rendered"


class RenderDeploymentRequest(GenerateSourcesRequest):
    input = HelmDeploymentSourcesField
    output = RenderedManifestsField
    exportable = False


class RenderChartRequest(GenerateSourcesRequest):
    input = HelmChartMetaSourceField
    output = RenderedManifestsField
    exportable = False


def prefix(address: Address) -> str:
    """Two charts have files of one name."""
    return f"__manifests/{address.path_safe_spec}"


@rule(desc="Render a Helm deployment for its images", level=LogLevel.DEBUG)
async def manifests_of_deployment(request: RenderDeploymentRequest) -> GeneratedSources:
    target = request.protocol_target
    rendered: RenderedHelmFiles = await render_deployment(
        HelmDeploymentRequest(
            HelmDeploymentFieldSet.create(target),
            cmd=HelmDeploymentCmd.RENDER,
            description=f"Render {target.address}",
        )
    )
    snapshot: Snapshot = await prefixed_snapshot(AddPrefix(rendered.snapshot.digest, prefix(target.address)))
    return GeneratedSources(snapshot)


@rule(desc="Render a Helm chart for its images", level=LogLevel.DEBUG)
async def manifests_of_chart(request: RenderChartRequest) -> GeneratedSources:
    target = request.protocol_target
    chart: HelmChart = await find_chart(HelmChartRequest.from_target(target))
    result: ProcessResult = await run_helm(
        HelmProcess(
            ["template", "release", chart.name, "--include-crds", "--output-dir", _OUTPUT],
            extra_immutable_input_digests=chart.immutable_input_digests,
            output_directories=[_OUTPUT],
            description=f"Render {target.address} with its default values",
            level=LogLevel.DEBUG,
        )
    )
    snapshot: Snapshot = await prefixed_snapshot(AddPrefix(result.output_digest, prefix(target.address)))
    return GeneratedSources(snapshot)


def rules() -> Iterable[object]:
    return (
        *collect_rules(),
        UnionRule(GenerateSourcesRequest, RenderChartRequest),
        UnionRule(GenerateSourcesRequest, RenderDeploymentRequest),
    )
