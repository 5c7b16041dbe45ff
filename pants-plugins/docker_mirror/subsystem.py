"""The options of `[docker-mirror]`, `[docker-mirror-lint]` and `[docker-mirror-fmt]`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from enum import Enum

from pants.base.build_root import BuildRoot
from pants.core.util_rules.external_tool import TemplatedExternalTool
from pants.engine.platform import Platform
from pants.option.option_types import (
    ArgsListOption,
    BoolOption,
    EnumOption,
    FileOption,
    IntOption,
    ShellStrListOption,
    SkipOption,
    StrListOption,
    StrOption,
)
from pants.option.subsystem import Subsystem
from pants.util.strutil import softwrap

from docker_mirror.env_vars import DEFAULT_ENV_VARS, DEFAULT_GO_ENV_VARS
from docker_mirror.lock_fields import LockChoice
from docker_mirror.version import VERSION


class RegistryTemplates(Enum):
    """Which of a registry's own templates count for lists."""

    KNOWN = "known"
    ALL = "all"
    NONE = "none"


class DockerMirrorSubsystem(TemplatedExternalTool):
    options_scope = "docker-mirror"
    name = "docker-mirror"
    help = "Mirrors sets of container images between registries."

    # Where a release is published is for those to say who publish it; its known_versions.txt has the digests.
    default_version = VERSION
    default_known_versions: list[str] = []  # noqa: RUF012  # as the base class has it
    default_url_template = ""
    default_url_platform_mapping = {  # noqa: RUF012
        Platform.linux_arm64.value: "linux-arm64",
        Platform.linux_x86_64.value: "linux-amd64",
        Platform.macos_arm64.value: "darwin-arm64",
        Platform.macos_x86_64.value: "darwin-amd64",
    }

    skip = SkipOption("mirror", "publish")
    args = ArgsListOption(example="--verbose --progress=plain")
    concurrency = IntOption(
        default=10,
        help="How many blobs are in transfer at once, over all targets.",
    )
    report = StrOption(
        default=None,
        help=softwrap(
            """
            Write a JSON report of each `mirror` run to this file, relative to the build root: what was copied,
            mounted, unchanged and failed, and why. `--mirror-output` overrides it. A `publish` run's report is in the
            run's spool; `--publish-output` gives its path for each target.
            """
        ),
    )
    config = FileOption(
        default=None,
        help=softwrap(
            """
            A TOML file with TLS, proxy and limit settings of registries, relative to the build root; see `--config` of
            `docker-mirror copy`.
            """
        ),
    )
    _policy = FileOption(
        default=None,
        help=softwrap(
            """
            A `mirror-policy.toml` that says what may be locked and mirrored, relative to the build root; see `--policy`
            of `docker-mirror lock`. If it wants signatures, `docker-mirror-verify` is built, too, which verifies them.
            """
        ),
    )
    verifier = StrOption(
        default=None,
        help=softwrap(
            """
            A `docker-mirror-verify` executable of the backend's version, absolute or relative to the build root. Where
            the `policy` wants signatures, it verifies them; without this, one is built from the Go sources that come
            with this backend.
            """
        ),
        advanced=True,
    )
    # No FileOption, which must exist for every goal, whether it needs the helper or not.
    lock = EnumOption(
        default=LockChoice.USE,
        help=softwrap(
            """
            What to do with the locks beside lists, which the `lock` goal writes: `use` those that exist, `require` one
            beside each list, or `off`. A target's `locked` field overrides this, so you can lock lists one by one.
            """
        ),
    )
    build = BoolOption(
        default=True,
        help=softwrap(
            """
            If true, build the helper from the Go sources that come with this backend. If false, download it like other
            tools: set `url_template` to where it is published, and `known_versions` to the lines of the release's
            `known_versions.txt`.
            """
        ),
        advanced=True,
    )
    helper = StrOption(
        default=None,
        help=softwrap(
            """
            A `docker-mirror` executable of the backend's version, absolute or relative to the build root. It is used
            whatever `build` says.
            """
        ),
        advanced=True,
    )
    helper_sha256 = StrOption(
        default=None,
        help="The SHA-256 digest, in hexadecimal, that the executable named by `helper` must have.",
        advanced=True,
    )
    registry_templates = EnumOption(
        default=RegistryTemplates.KNOWN,
        help=softwrap(
            """
            Whether the `repository` and `extra_image_tags` of `[docker.registries]` count for lists, too: `known`
            (those whose placeholders lists have; `{default_repository}`, `{pants.hash}` and `{tags.NAME}` aren't among
            them), `all` (others are errors), or `none`. A registry's `mirror_repository`, an extra key for lists alone,
            always counts, and goes before its `repository`.
            """
        ),
    )
    build_args_allowed = StrListOption(
        default=[],
        help=softwrap(
            """
            Names of `[docker].build_args` that lists may use as `{build_args.NAME}`. You don't need to repeat those
            that a target's own fields use. No others become part of a plan or of its cache key.
            """
        ),
        advanced=True,
    )

    tailor = BoolOption(
        default=True,
        help="If true, the `tailor` goal adds `docker_mirror_images` targets for lists without one.",
        advanced=True,
    )
    tailor_globs = StrListOption(
        default=["images.txt", "images.json", "images.toml", "*.images.txt", "*.images.json", "*.images.toml"],
        help="Which files the `tailor` goal takes for lists.",
        advanced=True,
    )

    @property
    def policy(self) -> str | None:
        """From the build root, where it is in there (`%(buildroot)s/mirror-policy.toml` is): sandboxes have it so."""
        if not self._policy:
            return None
        path = os.path.relpath(os.path.join(BuildRoot().path, self._policy), BuildRoot().path)
        return os.path.abspath(os.path.join(BuildRoot().path, path)) if path.startswith("../") else path

    class EnvironmentAware(Subsystem.EnvironmentAware):
        env_vars_used_by_options = ("PATH",)

        _go_search_paths = StrListOption(
            default=["<PATH>", "/usr/local/go/bin"],
            help=softwrap(
                """
                Directories in which to look for Go. `<PATH>` stands for those in the environment variable PATH. The
                first `go` that is new enough builds the helper.
                """
            ),
        )
        env_vars = ShellStrListOption(
            default=list(DEFAULT_ENV_VARS),
            help=softwrap(
                """
                Environment variables for the process that mirrors: `NAME` to copy the value from Pants's own
                environment, or `NAME=value`. The process sees only these and `[docker].env_vars`; include what your
                credentials need.
                """
            ),
            advanced=True,
        )
        go_env_vars = ShellStrListOption(
            default=list(DEFAULT_GO_ENV_VARS),
            help=softwrap(
                """
                Environment variables for `go build`: `NAME` to copy the value from Pants's own environment, or
                `NAME=value`. They become part of the build's cache key, so a URL with a user name or password is
                refused: put credentials into a netrc file.
                """
            ),
            advanced=True,
        )

        @property
        def go_search_paths(self) -> tuple[str, ...]:
            def expanded() -> Iterator[str]:
                for entry in self._go_search_paths:
                    if entry == "<PATH>":
                        yield from self._options_env.get("PATH", "").split(os.pathsep)
                    else:
                        yield entry

            return tuple(dict.fromkeys(path for path in expanded() if path))


def helper_flags(subsystem: DockerMirrorSubsystem) -> tuple[str, ...]:
    """The flags that all runs of the engine have in common, before those that are more special."""
    return (f"--concurrency={subsystem.concurrency}", *config_flags(subsystem), *subsystem.args)


def config_flags(subsystem: DockerMirrorSubsystem) -> tuple[str, ...]:
    """How the helper is told how to speak to registries, and what it may take from them."""
    files = {"--config": subsystem.config, "--policy": subsystem.policy}
    return tuple(f"{flag}={os.path.join(BuildRoot().path, path)}" for flag, path in files.items() if path)


class LintLevel(Enum):
    """How serious a finding of the helper's `lint` is."""

    OFF = "off"
    WARN = "warn"
    ERROR = "error"


class DockerMirrorLint(Subsystem):
    options_scope = "docker-mirror-lint"
    name = "docker-mirror-lint"
    help = softwrap(
        """
        Finds likely mistakes in lists of images, and everything for which `mirror` and `publish` would refuse them:
        `docker-mirror lint` and `docker-mirror plan`. Conflicts between lists, such as two that write the same tag, are
        found among `[lint].batch_size` lists at a time; `mirror` checks all.
        """
    )

    skip = SkipOption("lint")
    duplicate = EnumOption(
        default=LintLevel.ERROR, help="An image that is listed twice in a file, however it is spelled."
    )
    spelling = EnumOption(default=LintLevel.WARN, help="A repository that is spelled in two ways in a file.")
    latest = EnumOption(default=LintLevel.WARN, help="The tag `latest`, or no tag, without a digest.")
    unpinned = EnumOption(default=LintLevel.OFF, help="Any tag without a digest.")
    unsorted = EnumOption(default=LintLevel.OFF, help="An image that is out of alphabetical order.")

    unlocked = EnumOption(default=LintLevel.OFF, help="A list without a lock.")
    lock_stale = EnumOption(default=LintLevel.ERROR, help="A lock that doesn't fit its list.")
    lock_edited = EnumOption(default=LintLevel.ERROR, help="A lock entry that was changed by hand.")
    lock_waiting = EnumOption(default=LintLevel.OFF, help="A lock entry of which nothing is mirrored yet.")
    lock_disagreement = EnumOption(default=LintLevel.WARN, help="An image that two lists lock to two digests.")
    lock_immature = EnumOption(
        default=LintLevel.ERROR,
        help="A locked digest that is younger than the cooldown of its rule in `[docker-mirror].policy`.",
    )
    because = EnumOption(
        default=LintLevel.ERROR, help="A reason in a lock, where the rule of the policy allows no exceptions."
    )
    lock_unsigned = EnumOption(
        default=LintLevel.ERROR,
        help="A locked digest without a signer, where its rule of the policy refuses what isn't signed.",
    )
    no_rule = EnumOption(default=LintLevel.ERROR, help="A locked image that no rule of the policy matches.")
    trust_expired = EnumOption(
        default=LintLevel.WARN, help="A trusted root of the policy of which nothing is valid today."
    )
    pins = EnumOption(default=LintLevel.ERROR, help="A file of the `pins` field that differs from the lock.")
    unmirrored_from = EnumOption(
        default=LintLevel.OFF,
        help=softwrap(
            """
            An image that the Dockerfile of a `docker_image` takes from a mirror, and that no list of the repository
            brings there: a tag of a repository of which lists mirror other tags, or anything at an address of
            `mirrors`. Looks at `FROM`, `COPY --from` and `RUN --mount=from`.
            """
        ),
    )
    mirrors = StrListOption(
        default=[],
        help=softwrap(
            """
            Registries, and paths in them (`registry.example/mirror`), that hold nothing but what lists mirror there.
            For `unmirrored_from`.
            """
        ),
    )

    @property
    def rule_levels(self) -> dict[str, LintLevel]:
        """By the helper's names of the rules."""
        return {
            "duplicate": self.duplicate,
            "spelling": self.spelling,
            "latest": self.latest,
            "unpinned": self.unpinned,
            "unsorted": self.unsorted,
            "unlocked": self.unlocked,
            "lock-stale": self.lock_stale,
            "lock-edited": self.lock_edited,
            "lock-waiting": self.lock_waiting,
            "lock-disagreement": self.lock_disagreement,
            "lock-immature": self.lock_immature,
            "because": self.because,
            "lock-unsigned": self.lock_unsigned,
            "no-rule": self.no_rule,
            "trust-expired": self.trust_expired,
        }


class DockerMirrorFmt(Subsystem):
    options_scope = "docker-mirror-fmt"
    name = "docker-mirror-fmt"
    help = "Formats text lists of images, and keeps comments and order: `docker-mirror fmt`."

    skip = SkipOption("fmt", "lint")
