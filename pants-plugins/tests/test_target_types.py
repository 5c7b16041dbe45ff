from __future__ import annotations

import pytest
from pants.engine.addresses import Address
from pants.engine.target import (
    Dependencies,
    Field,
    InvalidFieldException,
    InvalidTargetException,
    MultipleSourcesField,
    SourcesField,
    Tags,
    Target,
    TargetGenerator,
)
from pants.testutil.rule_runner import RuleRunner
from pants.util.frozendict import FrozenDict

from docker_mirror.lock_fields import (
    DockerMirrorInlineLockField,
    DockerMirrorLockedField,
    DockerMirrorPinsField,
    LockChoice,
)
from docker_mirror.register import target_types
from docker_mirror.target_types import (
    DockerMirrorImageListTarget,
    DockerMirrorImagesTarget,
    DockerMirrorInlineImageTarget,
    DockerMirrorOutputPathField,
    DockerMirrorOverridesField,
    DockerMirrorReferrersField,
    DockerMirrorRegistriesField,
    DockerMirrorRepositoryField,
    DockerMirrorSelectField,
    DockerMirrorSpecSourceField,
    DockerMirrorSpecSourcesField,
)

ADDRESS = Address("3rdparty", target_name="images")


def test_overrides_are_flattened() -> None:
    field = DockerMirrorOverridesField(
        {
            "cilium": {"repository": "infra/cilium", "image_tags": ["1.16", "stable"]},
            ("quay.io/cilium/operator", "hubble"): {"platforms": ["linux/amd64"]},
        },
        ADDRESS,
    )
    assert field.value == FrozenDict(
        {
            "cilium": FrozenDict({"repository": "infra/cilium", "image_tags": ("1.16", "stable")}),
            "quay.io/cilium/operator": FrozenDict({"platforms": ("linux/amd64",)}),
            "hubble": FrozenDict({"platforms": ("linux/amd64",)}),
        }
    )


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (["cilium"], "'overrides' field in target 3rdparty:images"),
        ({1: {}}, "'overrides' field in target 3rdparty:images"),
        ({(): {}}, "'overrides' field in target 3rdparty:images"),
        ({"cilium": ["1.16"]}, "'overrides' field in target 3rdparty:images"),
        ({"cilium": {"image_tags": "1.16"}}, r"overrides\['cilium'\]\['image_tags'\].* a list of strings"),
        ({"cilium": {"platforms": [1]}}, r"overrides\['cilium'\]\['platforms'\].* a list of strings"),
        ({"cilium": {"repository": ["x"]}}, r"overrides\['cilium'\]\['repository'\].* a string"),
        ({"cilium": {"registry": "x"}}, "Unknown field 'registry' for the key 'cilium'.*`registries`"),
        ({"cilium": {}, ("x", "cilium"): {}}, "'cilium' is given twice"),
    ],
)
def test_bad_overrides(raw: object, message: str) -> None:
    with pytest.raises(InvalidFieldException, match=message):
        DockerMirrorOverridesField(raw, ADDRESS)


def test_a_target_is_generated_for_each_spec_file() -> None:
    runner = RuleRunner(target_types=[DockerMirrorImagesTarget, DockerMirrorImageListTarget])
    runner.write_files(
        {
            "3rdparty/BUILD": """docker_mirror_images(
                name="images",
                sources=["*.txt"],
                repository="mirror/{name}",
                tags=["net"],
                overrides={"cilium": {"image_tags": ["1.16"]}},
            )""",
            "3rdparty/one.txt": "",
            "3rdparty/two.txt": "",
        }
    )
    for file in ("one.txt", "two.txt"):
        target = runner.get_target(Address("3rdparty", target_name="images", relative_file_path=file))
        assert isinstance(target, DockerMirrorImageListTarget)
        assert target[DockerMirrorRepositoryField].value == "mirror/{name}"
        assert target[Tags].value == ("net",)
        assert target[DockerMirrorOverridesField].value == FrozenDict({"cilium": FrozenDict({"image_tags": ("1.16",)})})


def test_a_spec_file_has_a_known_ending() -> None:
    field = DockerMirrorSpecSourceField("images.csv", ADDRESS)
    with pytest.raises(InvalidFieldException, match=r"'\.json'.*'\.txt'"):
        field.validate_resolved_files(["3rdparty/images.csv"])


@pytest.mark.parametrize(
    ("field", "path"),
    [
        pytest.param(DockerMirrorSpecSourceField, "/srv/images.txt", id="a list of the machine"),
        pytest.param(DockerMirrorInlineLockField, "/srv/x.image.lock", id="a lock of the machine"),
        pytest.param(DockerMirrorPinsField, "/srv/values.yaml", id="a file of the machine"),
        pytest.param(DockerMirrorPinsField, "../../values.yaml", id="a file beside the repository"),
        pytest.param(DockerMirrorPinsField, "", id="no name"),
        pytest.param(DockerMirrorPinsField, "chart/", id="a folder"),
    ],
)
def test_files_that_are_none_of_the_repository(field: type[Field], path: str) -> None:
    """In the middle of a goal, the engine ends it for such a path, and doesn't say whose it is."""
    value = [path] if field is DockerMirrorPinsField else path
    with pytest.raises(InvalidFieldException, match=rf"`{field.alias}` field in target 3rdparty:images has '{path}'"):
        field(value, ADDRESS)
    inside = ["../deploy/values.yaml", "chart/Dockerfile"]
    assert DockerMirrorPinsField(inside, ADDRESS).value == tuple(inside)


@pytest.mark.parametrize("raw", [["^1"], {"latest": 1.5}, {"semver": ["^1", 2]}, {1: "x"}, {1: ["x"]}])
def test_bad_tag_policies(raw: object) -> None:
    with pytest.raises(InvalidFieldException, match="'select' field in target 3rdparty:images"):
        DockerMirrorSelectField(raw, ADDRESS)


def test_an_image_that_says_twice_what_to_mirror() -> None:
    for image in ("a.example:5000/x", "x", "a.example/x"):
        DockerMirrorInlineImageTarget({"image": image, "source_tags": ["1"]}, ADDRESS)
    DockerMirrorInlineImageTarget({"image": "x:1"}, ADDRESS)
    digest = "sha256:" + 64 * "0"
    for image in ("a.example:5000/x:1", "x:1", f"a.example/x@{digest}"):
        with pytest.raises(InvalidTargetException, match=r"3rdparty:images has .*beside `variants` and `select`"):
            DockerMirrorInlineImageTarget({"image": image, "variants": {"1": digest}, "select": {}}, ADDRESS)


WITHOUT_DEFAULT = {
    "source_tags": "none says something else than an empty list, which the helper refuses",
    "variants": "as `source_tags`",
    "select": "as `source_tags`: an empty policy takes all tags",
    "lock": "made from the target's name",
}
"""Fields that may have no value."""


@pytest.mark.parametrize("target_type", target_types(), ids=lambda target_type: target_type.alias)
def test_help_and_peek_show_what_every_field_is_by_default(target_type: type[Target]) -> None:
    moved = target_type.moved_fields if issubclass(target_type, TargetGenerator) else ()
    fields = [field for field in (*target_type.core_fields, *moved) if field.__module__.startswith("docker_mirror.")]
    assert len(fields) > 10
    # Pants' own have none either.
    shown = [field for field in fields if not issubclass(field, (Tags, Dependencies)) and not field.required]
    assert {field.alias for field in shown if field.default is None} <= set(WITHOUT_DEFAULT)
    for field in shown:
        if field.default is not None and not issubclass(field, MultipleSourcesField):
            assert field(None, ADDRESS).value == field.default, field.alias


@pytest.mark.parametrize(
    ("field", "default"),
    [
        (DockerMirrorRepositoryField, "{repository}"),
        (DockerMirrorReferrersField, "auto"),
        (DockerMirrorLockedField, "inherit"),
        (DockerMirrorRegistriesField, ("<all default registries>",)),
        (DockerMirrorOutputPathField, "{address}.plan.json"),
    ],
)
def test_defaults(field: type[Field], default: object) -> None:
    target = DockerMirrorImageListTarget({"source": "images.txt"}, ADDRESS)
    assert target[field].value == default


@pytest.mark.parametrize("option", LockChoice)
def test_which_locks_a_target_uses(option: LockChoice) -> None:
    assert DockerMirrorLockedField(None, ADDRESS).choice(option) == option.value
    for value in ("use", "require", "off"):
        assert DockerMirrorLockedField(value, ADDRESS).choice(option) == value


@pytest.mark.parametrize(
    ("field", "selecting"),
    [
        (DockerMirrorSpecSourceField("a.txt", ADDRESS), ["a.txt", "a.txt.lock"]),
        (DockerMirrorSpecSourcesField(["*.txt", "!b.txt"], ADDRESS), ["a.txt", "a.txt.lock"]),
        (DockerMirrorSpecSourcesField(["*.txt"], ADDRESS), ["a.txt", "a.txt.lock", "b.txt", "b.txt.lock"]),
        (DockerMirrorInlineLockField(None, ADDRESS), ["images.image.lock"]),
    ],
)
def test_files_that_select_a_target(field: SourcesField, selecting: list[str]) -> None:
    files = ("a.txt", "a.txt.lock", "b.txt", "b.txt.lock", "c.lock", "images.image.lock")
    found = field.filespec_matcher.matches([f"3rdparty/{file}" for file in files])
    assert sorted(found) == [f"3rdparty/{file}" for file in selecting]


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({}, "x"),
        ({"repository": "new", "image": "a/b"}, "x@image=a.b"),
        # `**parametrize("group", image=…)`, which 2.17 doesn't know.
        ({"parametrize": "group", "repository": "new"}, "x@parametrize=group"),
    ],
)
def test_the_default_lock_of_what_parametrize_chooses(parameters: dict[str, str], name: str) -> None:
    address = Address("3rdparty", target_name="x", parameters=parameters)
    assert DockerMirrorInlineLockField(None, address).lock_path == f"3rdparty/{name}.image.lock"
