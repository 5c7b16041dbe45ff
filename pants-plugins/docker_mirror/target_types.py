"""The targets `docker_mirror_images` and `docker_mirror_image_list`, and their fields."""

# `pants help` evaluates the annotations of `compute_value`, on Python 3.9.
# ruff: noqa: UP006, UP007, UP035, UP045

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Dict, Optional, Tuple, Union

from pants.engine.addresses import Address
from pants.engine.target import (
    COMMON_TARGET_FIELDS,
    BoolField,
    Dependencies,
    Field,
    InvalidFieldException,
    InvalidFieldTypeException,
    MultipleSourcesField,
    SingleSourceField,
    StringField,
    StringSequenceField,
    Target,
    TargetFilesGenerator,
)
from pants.util.frozendict import FrozenDict
from pants.util.strutil import softwrap

SPEC_FILE_EXTENSIONS = (".txt", ".json", ".toml", ".yaml", ".yml")
"""The endings by which the helper picks the format of a spec file."""

_PLACEHOLDERS = softwrap(
    """
    `{name}` (the image's `AS` name, else the last component of its repository), `{repository}` (the source's
    repository, without `library/` for Docker Hub's official images), `{source_registry}`, `{directory}`,
    `{parent_directory}` and `{target_name}` (of this target), `{tag}`, `{digest}`, and `{build_args.NAME}` with a
    value from `[docker].build_args`
    """
)


class DockerMirrorDependenciesField(Dependencies):
    pass


class DockerMirrorSpecSourceField(SingleSourceField):
    expected_file_extensions = SPEC_FILE_EXTENSIONS
    uses_source_roots = False
    help = softwrap(
        """
        The spec file: a list of the images to mirror. Its ending says what it is: `.txt` one image a line, as in a
        Dockerfile's `FROM`; `.json` copy specs with `src` and `dst`; `.toml` image sets; `.yaml` replicant's
        configuration.
        """
    )


class DockerMirrorSpecSourcesField(MultipleSourcesField):
    default = ("images.txt", "images.json", "images.toml")
    expected_file_extensions = SPEC_FILE_EXTENSIONS
    uses_source_roots = False
    help = softwrap(
        """
        The spec files. Each becomes one `docker_mirror_image_list`, so that `--changed-since` selects the lists that
        were edited and no others.

        A file's ending says what it is: `.txt` one image a line, as in a Dockerfile's `FROM`; `.json` copy specs with
        `src` and `dst`; `.toml` image sets; `.yaml` replicant's configuration.
        """
    )


class DockerMirrorRegistriesField(StringSequenceField):
    alias = "registries"
    help = softwrap(
        """
        Where to mirror to: addresses (`registry.example.com:5000`), or `@alias` for an entry of `[docker].registries`,
        whose `repository`, `extra_image_tags` and `skip_push` then apply. Without this field the default registries of
        `[docker].registries` are taken; where there is none, that is an error. Nothing is ever mirrored to Docker Hub
        because a registry was left out.
        """
    )


class DockerMirrorRepositoryField(StringField):
    alias = "repository"
    help = softwrap(
        f"""
        The repository at the destination, without the registry; `{{repository}}` by default, so that
        `quay.io/cilium/cilium` is mirrored to `cilium/cilium`. It may contain placeholders: {_PLACEHOLDERS}.
        """
    )


class DockerMirrorImageTagsField(StringSequenceField):
    alias = "image_tags"
    help = softwrap(
        """
        The tags at the destination. By default the source's tag or, for an image that has only a digest, the digest's
        hexadecimal part. The placeholders of `repository` can be used.
        """
    )


class DockerMirrorPlatformsField(StringSequenceField):
    alias = "platforms"
    help = softwrap(
        """
        Mirror only these platforms (`linux/amd64`, `linux/arm64/v8`) of multi-platform images. The index is then
        rewritten, and its digest differs from the source's. By default everything is mirrored, byte for byte.
        """
    )


class DockerMirrorReferrersField(StringField):
    alias = "referrers"
    valid_choices = ("none", "signatures", "all")
    help = softwrap(
        """
        Which attachments come along with an image: `none`, `signatures` (those of cosign and notation), or `all` that
        refers to it, such as attestations and SBOMs. By default `all`, but `none` for copy specs in JSON.
        """
    )


class DockerMirrorOverridesField(Field):
    """Not Pants' `OverridesField`, whose keys are files of the generator."""

    alias = "overrides"
    value: Optional[FrozenDict[str, FrozenDict[str, Union[str, Tuple[str, ...]]]]]
    default: ClassVar[None] = None
    string_fields: ClassVar[Tuple[str, ...]] = ("referrers", "repository")
    list_fields: ClassVar[Tuple[str, ...]] = ("image_tags", "platforms", "registries", "tags")
    help = softwrap(
        """
        Other values for single images, keyed on an image's `AS` name or on the image itself:

            overrides={
                "cilium": {"image_tags": ["1.16"], "platforms": ["linux/amd64"]},
                ("quay.io/cilium/operator", "hubble"): {"repository": "infra/{name}"},
            }

        `repository` and `referrers` replace this target's; the lists `image_tags`, `platforms`, `registries` and `tags`
        (labels, for `--mirror-label`) extend it. Of a generator's spec files at least one must have an image that a key
        matches, else the key is an error.
        """
    )

    @classmethod
    def compute_value(
        cls, raw_value: Optional[Dict[Any, Any]], address: Address
    ) -> Optional[FrozenDict[str, FrozenDict[str, Union[str, Tuple[str, ...]]]]]:
        """Validate and flatten: a key that is a tuple stands for each of its strings.

        :raises InvalidFieldException: on a value of the wrong shape, an unknown field, a key that is given twice.
        """
        overrides = super().compute_value(raw_value, address)
        if overrides is None:
            return None
        if not isinstance(overrides, Mapping):
            raise cls._wrong_type(address, raw_value)
        result: dict[str, FrozenDict[str, Union[str, Tuple[str, ...]]]] = {}
        for key, fields in overrides.items():
            keys = (key,) if isinstance(key, str) else key
            if not isinstance(keys, (tuple, list)) or not keys or not all(isinstance(k, str) and k for k in keys):
                raise cls._wrong_type(address, raw_value)
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


class DockerMirrorAllowEmptyField(BoolField):
    alias = "allow_empty"
    default = False
    help = "If true, a spec file without an image is not an error."


class DockerMirrorSkipPublishField(BoolField):
    alias = "skip_publish"
    default = False
    help = "If true, `publish` and `mirror` report this target as skipped."


class DockerMirrorOutputPathField(StringField):
    """Not Pants' `OutputPathField`, which gives all targets of one generator the same path."""

    alias = "output_path"
    help = softwrap(
        """
        Where `package` puts the plan, relative to the dist directory: a template with `{directory}`, `{target_name}`
        and `{spec_file}` (the spec file's path from the target's directory). By default it is made from the target's
        address: `path.to.directory/images.txt.plan.json`.
        """
    )


_LIST_FIELDS = (
    DockerMirrorDependenciesField,
    DockerMirrorRegistriesField,
    DockerMirrorRepositoryField,
    DockerMirrorImageTagsField,
    DockerMirrorPlatformsField,
    DockerMirrorReferrersField,
    DockerMirrorOverridesField,
    DockerMirrorAllowEmptyField,
    DockerMirrorSkipPublishField,
    DockerMirrorOutputPathField,
)


class DockerMirrorImageListTarget(Target):
    alias = "docker_mirror_image_list"
    core_fields = (*COMMON_TARGET_FIELDS, DockerMirrorSpecSourceField, *_LIST_FIELDS)
    help = softwrap(
        """
        One spec file: a list of container images to mirror to one or more registries.

        `package` writes the validated plan (offline), `mirror` and `publish` carry it out.
        """
    )


class DockerMirrorImagesTarget(TargetFilesGenerator):
    alias = "docker_mirror_images"
    core_fields = (*COMMON_TARGET_FIELDS, DockerMirrorSpecSourcesField)
    generated_target_cls = DockerMirrorImageListTarget
    copied_fields = COMMON_TARGET_FIELDS
    moved_fields = _LIST_FIELDS
    help = "Generates a `docker_mirror_image_list` for each spec file in the `sources` field."
