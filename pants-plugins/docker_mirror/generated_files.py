"""The files of targets that may generate them, where a command that fails is a mistake of what asked for the files.

In Pants' own rules such a failure is an exception, which ends the run and all that was asked for beside it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from pants.engine.fs import EMPTY_DIGEST, Digest
from pants.engine.process import ProcessExecutionFailure
from pants.engine.rules import collect_rules, rule
from pants.engine.target import HydratedSources, HydrateSourcesRequest, SourcesField

from docker_mirror.pants_compat import hydrate_sources, rule_call

logger = logging.getLogger(__name__)

_LAST_LINES = 10
"""How much of what a command wrote is told."""


@dataclass(frozen=True)
class GeneratedFilesRequest:
    sources: SourcesField
    types: tuple[type[SourcesField], ...]
    """What to generate."""


@dataclass(frozen=True)
class GeneratedFiles:
    names: tuple[str, ...] = ()
    digest: Digest = EMPTY_DIGEST
    error: str = ""
    """Why they can't be generated, where they can't."""


@rule
async def generate_files(request: GeneratedFilesRequest) -> GeneratedFiles:
    # Asked for alone: of what is asked for concurrently, the first failure would hide the others.
    try:
        hydrated: HydratedSources = await hydrate_sources(
            HydrateSourcesRequest(request.sources, for_sources_types=request.types, enable_codegen=True)
        )
    except Exception as e:
        # The engine memoizes no failure, and takes what was made of one as good for this run alone. So the command runs
        # again in the next one, under pantsd, too.
        logger.debug("No files of %s", request.sources.address, exc_info=True)
        return GeneratedFiles(error=f"{request.sources.address} fails to generate its files: {failure(e)}")
    return GeneratedFiles(hydrated.snapshot.files, hydrated.snapshot.digest)


files_of = rule_call(generate_files, GeneratedFilesRequest, GeneratedFiles)


def failure(error: Exception) -> str:
    """Of a process its name, its exit code and the end of what it wrote.

    The process may be of another target: of one that the generator itself needs files of.
    """
    if not isinstance(error, ProcessExecutionFailure):
        return str(error) or type(error).__name__
    # The description is known to the message alone.
    process = str(error).partition("\n")[0]
    written = (error.stderr.strip() or error.stdout.strip()).decode(errors="replace").splitlines()
    # Before what it says of a timeout Pants leaves lines empty.
    lines = [line for line in written if line.strip()]
    return "\n".join((process, *lines[-_LAST_LINES:]))


def rules() -> Iterable[object]:
    return collect_rules()
