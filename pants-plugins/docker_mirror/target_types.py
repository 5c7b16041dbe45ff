"""The targets `docker_mirror_images`, `docker_mirror_image_list` and `docker_mirror_inline_image`, and their fields."""

# `pants help` evaluates the annotations of `compute_value`, on Python 3.9.
# ruff: noqa: UP006, UP007, UP035, UP045

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar, Dict, Optional, Tuple, Union

from pants.backend.docker.registries import ALL_DEFAULT_REGISTRIES
from pants.engine.addresses import Address
from pants.engine.target import (
    COMMON_TARGET_FIELDS,
    BoolField,
    Dependencies,
    DictStringToStringField,
    Field,
    InvalidFieldException,
    InvalidFieldTypeException,
    InvalidTargetException,
    MultipleSourcesField,
    SingleSourceField,
    SpecialCasedDependencies,
    StringField,
    StringSequenceField,
    Tags,
    Target,
    TargetFilesGenerator,
)
from pants.source.filespec import FilespecMatcher
from pants.util.frozendict import FrozenDict
from pants.util.memo import memoized_property
from pants.util.strutil import softwrap

from docker_mirror.lock_fields import (
    DockerMirrorInlineLockField,
    DockerMirrorLockedField,
    DockerMirrorPinsField,
    FileOfTheRepositoryField,
    with_locks,
)

logger = logging.getLogger(__name__)

OLD_NAMES_END = "0.3.0"
"""The version of docker-mirror that no longer knows what is deprecated."""

SPEC_FILE_EXTENSIONS = (".txt", ".json", ".toml", ".yaml", ".yml")
"""The endings by which the helper picks the format of a spec file."""


def declaration(address: Address) -> Address:
    """Of a target generator, with its choice of parameters, or of a target without one.

    `maybe_convert_to_target_generator` would lose the parameters.
    """
    return Address(address.spec_path, target_name=address.target_name, parameters=address.parameters)


@lru_cache(maxsize=None)  # noqa: UP033  # Pants 2.17 runs on Python 3.7, too
def warn_of_old_name(what: str, new: str, where: str) -> None:
    """Once, however many targets are made of one declaration."""
    logger.warning(f"{where}: {what} is now called `{new}`. docker-mirror {OLD_NAMES_END} won't know the old name.")


def refuse_choice(value: Any, where: str, alias: str, address: Address) -> None:
    """Pants expands a `parametrize` only where it is all of a field, and hands on any other.

    :raises InvalidFieldException: if the value is one.
    """
    if type(value).__name__ == "Parametrize":  # Pants' own, which plugins are given no name for.
        raise InvalidFieldException(
            f"{where} in target {address} is a `parametrize`, which has to be all of a field: write "
            f"`{alias}=parametrize(NAME={{...}}, OTHER={{...}})`, with all that the field has in each."
        )


_PLACEHOLDERS = softwrap(
    """
    `{name}` (the image's `AS` name, else the last component of its repository), `{repository}` (the source's
    repository, without `library/` for Docker Hub's official images), `{source_registry}`, `{full_directory}` (of this
    target), `{directory}` and `{parent_directory}` (its last and last but one components), `{target_name}`, `{tag}`,
    `{digest}`, and `{build_args.NAME}` with a value from `[docker].build_args`
    """
)


class DockerMirrorTagsField(Tags):
    help = softwrap(
        """
        Arbitrary strings to describe a target; `--tag` selects targets by them. They are also labels of the target's
        copies: plans and reports show them, and `--mirror-label` selects copies by them.
        """
    )


class DockerMirrorDependenciesField(Dependencies):
    pass


class DockerMirrorSourceField(Field):
    """What names the images: a spec file, or an image in the BUILD file. No target has this field itself."""


class DockerMirrorSpecSourceField(FileOfTheRepositoryField, SingleSourceField, DockerMirrorSourceField):
    expected_file_extensions = SPEC_FILE_EXTENSIONS
    uses_source_roots = False
    help = softwrap(
        """
        The list of images to mirror. Its ending says what it is: `.txt` has one image per line, as after `FROM` in a
        Dockerfile; `.json` has copy specs with `src` and `dst`; `.toml` has image sets; `.yaml` is replicant's
        configuration.
        """
    )

    @memoized_property
    def filespec_matcher(self) -> FilespecMatcher:
        return with_locks(self.filespec)


class DockerMirrorSpecSourcesField(MultipleSourcesField):
    default = ("images.txt", "images.json", "images.toml")
    expected_file_extensions = SPEC_FILE_EXTENSIONS
    uses_source_roots = False
    help = softwrap(
        """
        The lists. Each becomes a `docker_mirror_image_list`, so that `--changed-since` selects only the lists that were
        edited.

        A file's ending says what it is: `.txt` has one image per line, as after `FROM` in a Dockerfile; `.json` has
        copy specs with `src` and `dst`; `.toml` has image sets; `.yaml` is replicant's configuration.
        """
    )

    @memoized_property
    def filespec_matcher(self) -> FilespecMatcher:
        return with_locks(self.filespec)


class DockerMirrorListFromField(SpecialCasedDependencies, DockerMirrorSourceField):
    alias = "list_from"
    required = True
    help = softwrap(
        """
        The target that generates the list: a `shell_command`, an `adhoc_tool`, or whatever else generates files. It
        generates one list, whose ending says what it is, as for `docker_mirror_images`.
        """
    )


class DockerMirrorImageField(StringField, DockerMirrorSourceField):
    alias = "image"
    required = True
    value: str
    help = softwrap(
        """
        The image to mirror, as for `docker pull`: `quay.io/cilium/cilium:v1.16.1`, with or without a digest. Beside
        `source_tags`, `variants` or `select`, name the repository alone, without a tag or digest.
        """
    )


class DockerMirrorSourceTagsField(StringSequenceField):
    alias = "source_tags"
    help = softwrap(
        """
        Tags of the repository in `image` to mirror: `v1.16.1`, or `v1.16.1@sha256:...` for exactly that digest. See
        `image_tags` for tags at the destination.
        """
    )


class DockerMirrorVariantsField(DictStringToStringField):
    alias = "variants"
    help = softwrap(
        """
        Digests of the repository in `image` to mirror, each with the tag that it gets at the destination:

            variants={"1.21-alpine": "sha256:2c54...", "1.21": "0b37..."}
        """
    )


class DockerMirrorSelectField(Field):
    alias = "select"
    value: Optional[FrozenDict[str, Union[str, bool, int, Tuple[str, ...]]]]
    default: ClassVar[None] = None
    help = softwrap(
        """
        A tag policy: which tags of the repository in `image` to mirror. They are listed when `mirror` or `publish`
        runs, and must meet all conditions:

            select={"semver": "^1.15", "exclude": ["*-rc*"], "latest": 3}

        The keys are those of `[image.select]` in image sets: `semver`, `include`, `exclude`, `latest`, `order`,
        `compatibility`, `pinned_major`, `mode`, `replace_tag`, `allow_empty`.
        """
    )

    @classmethod
    def compute_value(
        cls, raw_value: Optional[Dict[str, Any]], address: Address
    ) -> Optional[FrozenDict[str, Union[str, bool, int, Tuple[str, ...]]]]:
        """Only shapes are checked here; the helper knows the keys.

        :raises InvalidFieldTypeException: on a value of the wrong shape.
        """
        policy = super().compute_value(raw_value, address)
        if policy is None:
            return None
        if not isinstance(policy, Mapping):
            raise cls._wrong_type(address, raw_value)
        result: dict[str, Union[str, bool, int, Tuple[str, ...]]] = {}
        for key, value in policy.items():
            refuse_choice(value, f"{cls.alias}[{key!r}]", cls.alias, address)
            is_list = isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value)
            if not isinstance(key, str) or not (is_list or isinstance(value, (str, bool, int))):
                raise cls._wrong_type(address, raw_value)
            result[key] = tuple(value) if is_list else value
        return FrozenDict(result)

    @classmethod
    def _wrong_type(cls, address: Address, raw_value: Any) -> InvalidFieldTypeException:
        return InvalidFieldTypeException(
            address,
            cls.alias,
            raw_value,
            expected_type="a dictionary from strings to strings, lists of strings, whole numbers or booleans",
        )


class DockerMirrorRegistriesField(StringSequenceField):
    alias = "registries"
    default = (ALL_DEFAULT_REGISTRIES,)
    value: Tuple[str, ...]
    help = softwrap(
        f"""
        Where to mirror to: addresses (`registry.example.com:5000`), or `@alias` for an entry of `[docker].registries`,
        whose `repository`, `extra_image_tags` and `skip_push` then apply. `{ALL_DEFAULT_REGISTRIES}` are those of
        `[docker].registries` that are a `default`; if there are none, that is an error. Docker Hub is never implied.
        """
    )


class DockerMirrorRepositoryField(StringField):
    alias = "repository"
    default = "{repository}"
    value: str
    help = softwrap(
        f"""
        The repository at the destination, without the registry: by default `quay.io/cilium/cilium` is mirrored to
        `cilium/cilium`. It may contain placeholders: {_PLACEHOLDERS}.
        """
    )


class DockerMirrorImageTagsField(StringSequenceField):
    alias = "image_tags"
    default = ()
    value: Tuple[str, ...]
    help = softwrap(
        """
        The tags at the destination. By default the source's tag or, for an image that has only a digest, the digest's
        hexadecimal part. You can use the placeholders of `repository`.
        """
    )


class DockerMirrorPlatformsField(StringSequenceField):
    alias = "platforms"
    default = ()
    value: Tuple[str, ...]
    help = softwrap(
        """
        Mirror only these platforms (`linux/amd64`, `linux/arm64/v8`) of multi-platform images; `index` says what the
        destination then gets. By default everything is mirrored, byte for byte.
        """
    )


class DockerMirrorIndexField(StringField):
    alias = "index"
    valid_choices = ("rewritten", "sparse")
    default = "rewritten"
    value: str
    help = softwrap(
        """
        What the destination gets for an index (the manifest of a multi-platform image) if only some `platforms` are
        mirrored: `rewritten`, an index of those platforms, whose digest differs from the source's; or `sparse`, the
        source's index with its digest, although its other platforms can't be pulled. Many registries refuse a sparse
        index.
        """
    )


class DockerMirrorReferrersField(StringField):
    alias = "referrers"
    valid_choices = ("auto", "none", "signatures", "all", "require")
    default = "auto"
    value: str
    help = softwrap(
        """
        Which attachments to copy with an image: `none`, `signatures` (those of cosign and notation), or `all` that
        refers to it, such as attestations and SBOMs. If an attachment can't be copied, that is reported, and the image
        is copied without it; with `require`, the image fails. `auto` is `all`, but `none` for copy specs in JSON.
        """
    )


class DockerMirrorOverridesField(Field):
    """Not Pants' `OverridesField`, whose keys are files of the generator."""

    alias = "overrides"
    value: FrozenDict[str, FrozenDict[str, Union[str, Tuple[str, ...]]]]
    default: ClassVar[FrozenDict[str, Any]] = FrozenDict()
    string_fields: ClassVar[Tuple[str, ...]] = ("index", "referrers", "repository")
    list_fields: ClassVar[Tuple[str, ...]] = ("image_tags", "platforms", "registries", "tags")
    help = softwrap(
        """
        Other values for single images, keyed by an image's `AS` name or by the image itself:

            overrides={
                "cilium": {"image_tags": ["1.16"], "platforms": ["linux/amd64"]},
                ("quay.io/cilium/operator", "hubble"): {"repository": "infra/{name}"},
            }

        `repository`, `index` and `referrers` replace this target's; the lists `image_tags`, `platforms`, `registries`
        and `tags` (labels, for `--mirror-label`) extend it. A key that matches no image in any of a generator's lists
        is an error.
        """
    )

    @classmethod
    def compute_value(
        cls, raw_value: Optional[Dict[Union[str, Tuple[str, ...]], Dict[str, Any]]], address: Address
    ) -> FrozenDict[str, FrozenDict[str, Union[str, Tuple[str, ...]]]]:
        """Validate and flatten: a key that is a tuple stands for each of its strings.

        :raises InvalidFieldException: on a value of the wrong shape, an unknown field, a key that is given twice.
        """
        overrides = super().compute_value(raw_value, address)
        if not isinstance(overrides, Mapping):
            raise cls._wrong_type(address, raw_value)
        result: dict[str, FrozenDict[str, Union[str, Tuple[str, ...]]]] = {}
        for key, fields in overrides.items():
            keys = (key,) if isinstance(key, str) else key
            if not isinstance(keys, (tuple, list)) or not keys or not all(isinstance(k, str) and k for k in keys):
                raise cls._wrong_type(address, raw_value)
            refuse_choice(fields, f"{cls.alias}[{keys[0]!r}]", cls.alias, address)
            if not isinstance(fields, Mapping):
                raise cls._wrong_type(address, raw_value)
            values = FrozenDict({name: cls._validated(address, keys[0], name, fields[name]) for name in fields})
            for k in keys:
                if k in result:
                    raise InvalidFieldException(
                        f"The key {k!r} is given twice in the `{cls.alias}` field in target {address}."
                    )
                result[k] = values
        return FrozenDict(result)

    @classmethod
    def _validated(cls, address: Address, key: str, name: Any, value: Any) -> Union[str, Tuple[str, ...]]:
        where = f"{cls.alias}[{key!r}][{name!r}]"
        refuse_choice(value, where, cls.alias, address)
        if name in cls.string_fields:
            if not isinstance(value, str):
                raise InvalidFieldTypeException(address, where, value, expected_type="a string")
            return value
        if name in cls.list_fields:
            # A string would otherwise be taken for the list of its characters.
            if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) for v in value):
                raise InvalidFieldTypeException(address, where, value, expected_type="a list of strings")
            return tuple(value)
        known = ", ".join(f"`{field}`" for field in sorted((*cls.string_fields, *cls.list_fields)))
        raise InvalidFieldException(
            f"Unknown field {name!r} for the key {key!r} in the `{cls.alias}` field in target {address}. "
            f"An image can override: {known}."
        )

    @classmethod
    def _wrong_type(cls, address: Address, raw_value: Any) -> InvalidFieldTypeException:
        return InvalidFieldTypeException(
            address,
            cls.alias,
            raw_value,
            expected_type="a dictionary from an image or `AS` name (or a tuple of them) to a dictionary of fields",
        )


class DockerMirrorExtractFromField(SpecialCasedDependencies):
    alias = "extract_from"
    default = ()
    value: Tuple[str, ...]
    help = softwrap(
        """
        The targets whose manifests the list is extracted from: `pants extract` writes the list, and `pants lint`
        reports a stale one. Name files, targets that generate files (`shell_command`, `adhoc_tool`) and, with the
        backend `docker_mirror.helm`, `helm_chart` and `helm_deployment`.
        """
    )


class DockerMirrorExtractArgsField(StringSequenceField):
    alias = "extract_args"
    default = ()
    value: Tuple[str, ...]
    help = "Flags that `pants extract` gives to `docker-mirror extract`, such as `--deep`."


class DockerMirrorAllowEmptyField(BoolField):
    alias = "allow_empty"
    default = False
    help = "If true, accept a list without images."


class DockerMirrorSkipPushField(BoolField):
    alias = "skip_push"
    default = False
    help = "If true, `publish` and `mirror` report this target as skipped."


class DockerMirrorSkipPublishField(BoolField):
    """Pants' own aliases end with a version of Pants and, on 2.17, don't work for fields that generators move."""

    alias = "skip_publish"
    default = False
    help = f"The old name of `skip_push`. docker-mirror {OLD_NAMES_END} won't know it."

    @classmethod
    def compute_value(cls, raw_value: Any, address: Address) -> bool:
        value = super().compute_value(raw_value, address)
        if raw_value is not None:
            warn_of_old_name(f"the field `{cls.alias}`", DockerMirrorSkipPushField.alias, str(declaration(address)))
        return bool(value)


class DockerMirrorSkipLintField(BoolField):
    alias = "skip_docker_mirror_lint"
    default = False
    help = "If true, `lint` skips this target's list."


class DockerMirrorSkipFmtField(BoolField):
    alias = "skip_docker_mirror_fmt"
    default = False
    help = "If true, `fmt` skips this target's list, and so does `lint` when it runs formatters."


class DockerMirrorOutputPathField(StringField):
    """Not Pants' `OutputPathField`, which gives all targets of one generator the same path."""

    alias = "output_path"
    default = "{address}.plan.json"
    value: str
    help = softwrap(
        """
        Where `package` puts the plan, relative to the dist directory: a template with `{address}` (as a path:
        `path.to.directory/images.txt`), `{full_directory}`, `{directory}` and `{parent_directory}` (its last and last
        but one components), `{target_name}`, `{parameters}` (those of `parametrize`, as in the address:
        `platforms=amd64`) and, where there is one, `{spec_file}` (the spec file's path from the target's directory).
        """
    )


_COMMON_FIELDS = (DockerMirrorTagsField, *(field for field in COMMON_TARGET_FIELDS if field is not Tags))
_DESTINATION_FIELDS = (
    DockerMirrorDependenciesField,
    DockerMirrorRegistriesField,
    DockerMirrorRepositoryField,
    DockerMirrorImageTagsField,
    DockerMirrorPlatformsField,
    DockerMirrorIndexField,
    DockerMirrorReferrersField,
    DockerMirrorLockedField,
    DockerMirrorPinsField,
    DockerMirrorSkipPushField,
    DockerMirrorSkipPublishField,
    DockerMirrorSkipLintField,
    DockerMirrorOutputPathField,
)
_LIST_FIELDS = (
    *_DESTINATION_FIELDS,
    DockerMirrorSkipFmtField,
    DockerMirrorOverridesField,
    DockerMirrorExtractFromField,
    DockerMirrorExtractArgsField,
    DockerMirrorAllowEmptyField,
)


class DockerMirrorImageListTarget(Target):
    alias = "docker_mirror_image_list"
    core_fields = (*_COMMON_FIELDS, DockerMirrorSpecSourceField, *_LIST_FIELDS)
    help = softwrap(
        """
        A list of container images to mirror to one or more registries.

        `package` checks the list and writes its plan (offline); `mirror` and `publish` carry the plan out.
        """
    )


class DockerMirrorImagesTarget(TargetFilesGenerator):
    alias = "docker_mirror_images"
    core_fields = (*_COMMON_FIELDS, DockerMirrorSpecSourcesField)
    generated_target_cls = DockerMirrorImageListTarget
    copied_fields = _COMMON_FIELDS
    moved_fields = _LIST_FIELDS
    help = softwrap(
        """
        Generates a `docker_mirror_image_list` for each list in the `sources` field: container images to mirror to one
        or more registries.

        `package` checks each list and writes its plan (offline); `mirror` and `publish` carry the plans out.
        """
    )


class DockerMirrorGeneratedListTarget(Target):
    alias = "docker_mirror_generated_list"
    core_fields = (
        *_COMMON_FIELDS,
        DockerMirrorListFromField,
        DockerMirrorInlineLockField,
        *_DESTINATION_FIELDS,
        DockerMirrorAllowEmptyField,
    )
    help = softwrap(
        """
        A list of container images that another target generates:

            shell_command(
                name="render",
                command="./images-of-release > images.txt",
                execution_dependencies=[":images-of-release"],
                tools=["bash"],
                output_files=["images.txt"],
            )
            docker_mirror_generated_list(name="images", list_from=[":render"])

        `lock` writes its lock beside the BUILD file, so that what arrives is reviewed though the list isn't.
        """
    )


class DockerMirrorInlineImageTarget(Target):
    alias = "docker_mirror_inline_image"
    core_fields = (
        *_COMMON_FIELDS,
        DockerMirrorImageField,
        DockerMirrorSourceTagsField,
        DockerMirrorVariantsField,
        DockerMirrorSelectField,
        DockerMirrorInlineLockField,
        *_DESTINATION_FIELDS,
    )
    help = softwrap(
        """
        One container image, or several of one repository, to mirror to one or more registries, without a list file:

            docker_mirror_inline_image(name="pause", image="registry.k8s.io/pause:3.9")
            docker_mirror_inline_image(
                name="golang",
                image="golang",
                variants={"1.21-alpine": "sha256:2c54..."},
                repository="mirror/golang",
            )
        """
    )

    def validate(self) -> None:
        image = self[DockerMirrorImageField].value
        fields = (DockerMirrorSourceTagsField, DockerMirrorVariantsField, DockerMirrorSelectField)
        beside = [f"`{field.alias}`" for field in fields if self[field].value is not None]
        # A colon before the last slash belongs to a port.
        if beside and ("@" in image or ":" in image.rsplit("/", 1)[-1]):
            raise InvalidTargetException(
                f"The `{DockerMirrorImageField.alias}` field in target {self.address} has a tag or digest ({image!r}) "
                f"beside {' and '.join(beside)}, which say what of it to mirror: name the repository alone."
            )


class DeprecatedDockerMirrorImageTarget(DockerMirrorInlineImageTarget):
    """By Pants' plural rule it would be what `docker_mirror_images` generates."""

    alias = "docker_mirror_image"
    help = f"The old name of `docker_mirror_inline_image`. docker-mirror {OLD_NAMES_END} won't know it."

    def validate(self) -> None:
        new = DockerMirrorInlineImageTarget.alias
        warn_of_old_name(f"the target type `{self.alias}`", new, str(declaration(self.address)))
        super().validate()
