"""Files that are there, and that Pants doesn't see.

What `.gitignore` or `[GLOBAL].pants_ignore` names is not there for the engine. Of a lock that would mean that its list
is mirrored as if nobody had locked it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from pants.base.build_root import BuildRoot
from pants.engine.fs import PathGlobs, Paths
from pants.engine.internals.session import RunId
from pants.engine.rules import collect_rules, rule

from docker_mirror.pants_compat import path_globs_to_paths, rule_call


@dataclass(frozen=True)
class HiddenFilesRequest:
    paths: tuple[str, ...]
    """From the build root."""


@dataclass(frozen=True)
class HiddenFiles:
    paths: tuple[str, ...]
    """Those of the request's that are there, and that Pants doesn't see."""


@rule
async def find_hidden_files(request: HiddenFilesRequest, run_id: RunId) -> HiddenFiles:
    seen: Paths = await path_globs_to_paths(PathGlobs(request.paths))
    unseen = (path for path in request.paths if os.path.normpath(path) not in seen.files)
    # With a RunId, as Pants isn't told what becomes of files that it ignores.
    return HiddenFiles(tuple(path for path in unseen if os.path.lexists(os.path.join(BuildRoot().path, path))))


hidden_files = rule_call(find_hidden_files, HiddenFilesRequest, HiddenFiles)


def why_hidden(path: str) -> str:
    return (
        f"{path} is there, but Pants sees no such file: `.gitignore` or `[GLOBAL].pants_ignore` names it or its "
        "folder, or it is no file"
    )


def rules() -> Iterable[object]:
    return collect_rules()
