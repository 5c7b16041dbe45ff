"""Downloads the helper of a release, as Pants downloads other tools."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pants.core.util_rules.external_tool import DownloadedExternalTool, ExternalToolRequest, UnknownVersion
from pants.engine.fs import CreateDigest, Digest, DigestEntries, FileEntry
from pants.engine.platform import Platform
from pants.engine.rules import collect_rules, rule

from docker_mirror.errors import HelperError
from docker_mirror.helper_process import HELPER_NAME, VERIFIER_NAME
from docker_mirror.pants_compat import create_digest, digest_entries, download_external_tool, rule_call
from docker_mirror.subsystem import DockerMirrorSubsystem


@dataclass(frozen=True)
class DownloadedHelperRequest:
    pass


@dataclass(frozen=True)
class DownloadedHelper:
    digest: Digest
    """The executable is at its root and named `HELPER_NAME`, and `VERIFIER_NAME` beside it if the archive has that."""
    url: str
    has_verifier: bool


def download_request(subsystem: DockerMirrorSubsystem, platform: Platform) -> ExternalToolRequest:
    """
    :raises HelperError: if the options don't say from where, or what the file's digest is.
    """
    if not subsystem.url_template:
        raise HelperError(
            "`[docker-mirror].build` is false, and nothing says where the helper is instead. Set "
            "`[docker-mirror].url_template` to where the release is published, such as "
            '"https://example.com/docker-mirror/{version}/docker-mirror-{version}-{platform}.tar.gz", or '
            "`[docker-mirror].helper` to an executable."
        )
    try:
        return subsystem.get_request(platform)
    except UnknownVersion as e:
        raise HelperError(
            f"`[docker-mirror].known_versions` has no digest of docker-mirror {subsystem.version} for "
            f"{platform.value}. Copy the lines of the release's known_versions.txt there."
        ) from e
    except (IndexError, KeyError, ValueError) as e:
        raise HelperError(
            f'`[docker-mirror].url_template` is "{subsystem.url_template}", whose placeholders aren\'t understood '
            f"({e}). It may have `{{version}}` and `{{platform}}`."
        ) from e


def executables_in(entries: Iterable[object], exe: str, url: str) -> tuple[FileEntry, ...]:
    """
    :param entries: the downloaded file, or what is in it if it is an archive.
    :param exe: what the file is called if it is no archive.
    :return: the helper and, where it is there, the verifier of signatures; under their names.
    :raises HelperError: if none can be the helper.
    """
    files = {entry.path: entry for entry in entries if isinstance(entry, FileEntry)}
    found = {HELPER_NAME: files.get(exe) or files.get(HELPER_NAME), VERIFIER_NAME: files.get(VERIFIER_NAME)}
    if found[HELPER_NAME] is None:
        raise HelperError(
            f"{url} is an archive without `{HELPER_NAME}` at its root: it has {', '.join(sorted(files)) or 'no file'}."
        )
    return tuple(FileEntry(name, file.file_digest, is_executable=True) for name, file in found.items() if file)


@rule
async def download_helper(
    request: DownloadedHelperRequest, subsystem: DockerMirrorSubsystem, platform: Platform
) -> DownloadedHelper:
    tool_request = download_request(subsystem, platform)
    url = tool_request.download_file_request.url
    tool: DownloadedExternalTool = await download_external_tool(tool_request)
    entries: DigestEntries = await digest_entries(tool.digest)
    executables = executables_in(entries, tool_request.exe[len("./") :], url)
    digest: Digest = await create_digest(CreateDigest(executables))
    return DownloadedHelper(digest, url, has_verifier=len(executables) > 1)


downloaded_helper = rule_call(download_helper, DownloadedHelperRequest, DownloadedHelper)


def rules() -> Iterable[object]:
    return collect_rules()
