"""That rule bodies use only what all supported versions of Pants have, under the same name."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pants.option.option_types import collect_options_info
from pants.option.subsystem import Subsystem

PACKAGE = Path(__file__).parents[1] / "docker_mirror"

# Looked up in the sources of 2.17.1, 2.27.1, 2.31.0, 2.32.1, 2.33.0 and 2.34.0.dev3, as has to be whatever is added.
# What one of them has elsewhere, or what belongs to one rule API only, is imported in pants_compat alone.
PANTS_API = {
    "pants.backend.docker.registries": ["ALL_DEFAULT_REGISTRIES", "DockerRegistries", "DockerRegistryOptions"],
    "pants.backend.docker.subsystems.docker_options": ["DockerOptions"],
    "pants.backend.docker.target_types": [
        "DockerImageBuildArgsField",
        "DockerImageInstructionsField",
        "DockerImageSourceField",
        "DockerImageTarget",
    ],
    "pants.backend.helm.target_types": [
        "HelmChartMetaSourceField",
        "HelmDeploymentFieldSet",
        "HelmDeploymentSourcesField",
    ],
    "pants.backend.helm.util_rules.chart": ["HelmChart", "HelmChartRequest"],
    "pants.backend.helm.util_rules.renderer": ["HelmDeploymentCmd", "HelmDeploymentRequest", "RenderedHelmFiles"],
    "pants.backend.helm.util_rules.tool": ["HelmProcess"],
    "pants.base.build_root": ["BuildRoot"],
    "pants.base.glob_match_error_behavior": ["GlobMatchErrorBehavior"],
    "pants.base.specs": ["DirGlobSpec", "RawSpecs", "RecursiveGlobSpec"],
    "pants.core.goals.fmt": ["FmtResult", "FmtTargetsRequest"],
    "pants.core.goals.lint": ["LintResult", "LintTargetsRequest"],
    "pants.core.goals.package": ["BuiltPackage", "BuiltPackageArtifact", "PackageFieldSet"],
    "pants.core.goals.publish": [
        "PublishFieldSet",
        "PublishOutputData",
        "PublishPackages",
        "PublishProcesses",
        "PublishRequest",
    ],
    "pants.core.goals.tailor": ["AllOwnedSources", "PutativeTarget", "PutativeTargets", "PutativeTargetsRequest"],
    "pants.core.target_types": ["FileSourceField"],
    "pants.core.util_rules.external_tool": [
        "DownloadedExternalTool",
        "ExternalToolRequest",
        "TemplatedExternalTool",
        "UnknownVersion",
    ],
    "pants.core.util_rules.partitions": ["PartitionerType", "Partitions"],
    "pants.core.util_rules.system_binaries": ["BinaryPathRequest", "BinaryPathTest", "BinaryPaths"],
    "pants.engine.addresses": ["Address"],
    "pants.engine.console": ["Console"],
    "pants.engine.env_vars": ["EnvironmentVars", "EnvironmentVarsRequest"],
    "pants.engine.environment": ["ChosenLocalEnvironmentName", "EnvironmentName"],
    "pants.engine.fs": [
        "AddPrefix",
        "CreateDigest",
        "Digest",
        "DigestContents",
        "DigestEntries",
        "EMPTY_DIGEST",
        "FileContent",
        "FileEntry",
        "MergeDigests",
        "PathGlobs",
        "Paths",
        "Snapshot",
        "Workspace",
    ],
    "pants.engine.goal": ["Goal", "GoalSubsystem"],
    "pants.engine.internals.session": ["RunId"],
    "pants.engine.platform": ["Platform"],
    "pants.engine.process": [
        "FallibleProcessResult",
        "InteractiveProcess",
        "InteractiveProcessResult",
        "Process",
        "ProcessExecutionFailure",
        "ProcessResult",
    ],
    "pants.engine.rules": ["collect_rules", "goal_rule", "rule"],
    "pants.engine.target": [
        "AllUnexpandedTargets",
        "BoolField",
        "COMMON_TARGET_FIELDS",
        "Dependencies",
        "DictStringToStringField",
        "Field",
        "FieldSet",
        "GenerateSourcesRequest",
        "GeneratedSources",
        "HydrateSourcesRequest",
        "HydratedSources",
        "InvalidFieldException",
        "InvalidFieldTypeException",
        "InvalidTargetException",
        "MultipleSourcesField",
        "NoApplicableTargetsBehavior",
        "OptionalSingleSourceField",
        "SingleSourceField",
        "SourcesField",
        "SpecialCasedDependencies",
        "StringField",
        "StringSequenceField",
        "Tags",
        "Target",
        "TargetFilesGenerator",
        "TargetRootsToFieldSets",
        "TargetRootsToFieldSetsRequest",
        "Targets",
        "WrappedTarget",
        "WrappedTargetRequest",
    ],
    "pants.engine.unions": ["UnionRule", "union"],
    "pants.option.global_options": ["GlobalOptions"],
    "pants.option.option_types": [
        "ArgsListOption",
        "BoolOption",
        "EnumOption",
        "FileOption",
        "IntOption",
        "ShellStrListOption",
        "SkipOption",
        "StrListOption",
        "StrOption",
    ],
    "pants.option.subsystem": ["Subsystem"],
    "pants.source.filespec": ["Filespec", "FilespecMatcher"],
    "pants.util.frozendict": ["FrozenDict"],
    "pants.util.logging": ["LogLevel"],
    "pants.util.memo": ["memoized_property"],
    "pants.util.strutil": ["pluralize", "softwrap"],
}

ONE_API_ONLY = {"Effect", "Get", "MultiGet", "concurrently", "implicitly", "rule_helper"}
"""What only some of the versions have in `pants.engine.rules` or elsewhere."""


def modules() -> list[Path]:
    return [file for file in sorted(PACKAGE.rglob("*.py")) if "pants_compat" not in file.parts]


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)


def imported(file: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "pants":
            for alias in node.names:
                yield node.module, alias.name
        if isinstance(node, ast.Import):
            for alias in node.names:
                assert alias.name.split(".")[0] != "pants", f"{file}: import names, so that they can be looked up"


@pytest.mark.parametrize("file", modules(), ids=lambda file: file.name)
def test_imports_are_in_the_table(file: Path) -> None:
    unknown = [f"{module}.{name}" for module, name in imported(file) if name not in PANTS_API.get(module, ())]
    assert not unknown


def test_the_table_has_no_more_than_is_imported() -> None:
    used = {entry for file in modules() for entry in imported(file)}
    assert {(module, name) for module, names in PANTS_API.items() for name in names} == used


@pytest.mark.parametrize("module", PANTS_API)
def test_the_pants_that_runs_this_has_them(module: str) -> None:
    missing = [name for name in PANTS_API[module] if not hasattr(importlib.import_module(module), name)]
    assert not missing


@pytest.mark.parametrize("file", modules(), ids=lambda file: file.name)
def test_no_rule_api_outside_of_pants_compat(file: Path) -> None:
    from_compat = {"concurrently"}
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("docker_mirror.pants_compat"):
            assert not ONE_API_ONLY & {alias.name for alias in node.names}
        if isinstance(node, ast.Name):
            assert node.id not in ONE_API_ONLY - from_compat, f"{file}:{node.lineno}"


# What options can be registered with on 2.31 and later.
REGISTRATION = {
    "advanced",
    "choices",
    "default",
    "default_help_repr",
    "environment_aware",
    "fromfile",
    "help",
    "member_type",
    "metavar",
    "passthrough",
    "removal_hint",
    "removal_version",
    "type",
}


def test_options_are_registered_as_all_versions_take_them() -> None:
    subsystems: set[type] = {
        value
        for file in modules()
        for value in vars(importlib.import_module(module_name(file))).values()
        if isinstance(value, type) and issubclass(value, Subsystem) and value.__module__.startswith("docker_mirror.")
    }
    of_environments: set[type] = {getattr(subsystem, "EnvironmentAware") for subsystem in subsystems}  # noqa: B009
    options = [info for subsystem in (*subsystems, *of_environments) for info in collect_options_info(subsystem)]
    assert len(options) > 20
    # Newer ones have other names for it, and refuse the rest themselves.
    registered = [getattr(info, "flag_options", None) or getattr(info, "kwargs", {}) for info in options]
    unknown = [kwargs for kwargs in registered if set(kwargs) - REGISTRATION]
    assert not unknown
