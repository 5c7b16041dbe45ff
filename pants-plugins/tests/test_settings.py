from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pants.backend.docker.registries import ALL_DEFAULT_REGISTRIES, DockerRegistries
from pants.engine.addresses import Address

from docker_mirror import build_args, settings
from docker_mirror.package import OutputPathError, PackageImageListFieldSet, output_path
from docker_mirror.plan import Plan
from docker_mirror.registries import (
    PLACEHOLDERS,
    Registry,
    RegistryTableError,
    UnknownRegistryError,
    destination_registries,
    for_lists,
    known_aliases,
    refuse_without_address,
    shared_tags_hint,
)
from docker_mirror.subsystem import RegistryTemplates
from docker_mirror.target_types import DockerMirrorImageListTarget, DockerMirrorInlineImageTarget

CONFIGURED = DockerRegistries.from_dict(
    {
        "prod": {"address": "prod.example", "default": True, "repository": "m/{target_repository}"},
        "test": {"address": "test.example:5000", "extra_image_tags": ["latest"]},
        "off": {"address": "off.example", "skip_push": True},
    }
)
ADDRESS = Address("3rdparty/cilium", target_name="images", relative_file_path="sub/images.txt")


def fields(**values: Any) -> PackageImageListFieldSet:
    values.setdefault("source", "sub/images.txt")
    return PackageImageListFieldSet.create(DockerMirrorImageListTarget(values, ADDRESS))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([ALL_DEFAULT_REGISTRIES], ["prod.example"]),
        ([ALL_DEFAULT_REGISTRIES, "other.example"], ["prod.example", "other.example"]),
        (["@test", "@prod", "@test"], ["test.example:5000", "prod.example"]),
        (["other.example/prefix"], ["other.example/prefix"]),
        ([], []),
    ],
)
def test_destination_registries(wanted: list[str], expected: list[str]) -> None:
    assert [r.address for r in destination_registries(wanted, CONFIGURED)] == expected


def test_an_address_finds_its_configuration() -> None:
    (registry,) = destination_registries(["test.example:5000"], CONFIGURED)
    assert registry == Registry("test.example:5000", alias="@test", extra_image_tags=("latest",))


def test_nothing_is_a_default_unless_it_is_said() -> None:
    assert (
        destination_registries([ALL_DEFAULT_REGISTRIES], DockerRegistries.from_dict({"a": {"address": "a.example"}}))
        == ()
    )
    assert (
        destination_registries(
            [ALL_DEFAULT_REGISTRIES], DockerRegistries.from_dict({"default": {"address": "a.example"}})
        )
        != ()
    )


def test_all_unknown_aliases_are_named() -> None:
    with pytest.raises(UnknownRegistryError, match=r"no @a, @b\. It has @off, @prod, @test\."):
        destination_registries(["@a", "@prod", "@b"], CONFIGURED)
    with pytest.raises(UnknownRegistryError, match="It is empty"):
        destination_registries(["@a"], DockerRegistries.from_dict({}))


def test_settings() -> None:
    field_set = fields(
        registries=["@test"],
        repository="mirror/{repository}",
        image_tags=["{tag}"],
        platforms=["linux/amd64"],
        index="sparse",
        referrers="signatures",
        tags=["team"],
        overrides={"cilium": {"registries": ["@prod"], "repository": "x", "tags": ["net"]}},
    )
    got = json.loads(settings.settings_json(field_set, CONFIGURED, {"BASE": "b"}))
    test = {
        "address": "test.example:5000",
        "alias": "@test",
        "repository": "",
        "extra_image_tags": ["latest"],
        "skip_push": False,
    }
    prod = {
        "address": "prod.example",
        "alias": "@prod",
        "repository": "m/{target_repository}",
        "extra_image_tags": [],
        "skip_push": False,
    }
    known = got.pop("known_registries")
    assert [registry["alias"] for registry in known] == list(known_aliases(CONFIGURED))
    assert got == {
        "target": "3rdparty/cilium/sub/images.txt:../images",
        "directory": "3rdparty/cilium",
        "target_name": "images",
        "registries": [test],
        "repository": "mirror/{repository}",
        "image_tags": ["{tag}"],
        "platforms": ["linux/amd64"],
        "index": "sparse",
        "referrers": "signatures",
        "tags": ["team"],
        "overrides": {"cilium": {"registries": [prod], "repository": "x", "tags": ["net"]}},
        "build_args": {"BASE": "b"},
        "allow_empty": False,
        "known_aliases": ["@off", "@prod", "@test"],
    }


@pytest.mark.parametrize(
    ("values", "skip_all", "reason"),
    [
        ({}, False, ""),
        ({}, True, "(by `[docker-mirror].skip`)"),
        ({"skip_push": True}, False, "(by the `skip_push` field)"),
        ({"registries": ["@off"]}, False, "(by `skip_push` on @off)"),
        ({"registries": ["@off", "@prod"]}, False, ""),
        ({"registries": ["@off"], "overrides": {"x": {"registries": ["@prod"]}}}, False, ""),
        ({"registries": []}, False, ""),
    ],
)
def test_skip_reason(values: dict[str, Any], skip_all: bool, reason: str) -> None:
    assert settings.skip_reason(fields(**values), CONFIGURED, skip_all) == reason


def test_build_args_are_found_in_all_templates() -> None:
    field_set = fields(
        repository="{build_args.A}/{name}",
        image_tags=["{build_args.B}-{tag}"],
        overrides={"x": {"repository": "{build_args.C}", "image_tags": ["{build_args.D}"]}},
    )
    registry = Registry("r.example", repository="{build_args.E}", extra_image_tags=("{build_args.F}",))
    assert build_args.names_in(settings.templates(field_set, [registry])) == tuple("ABCDEF")


def test_only_named_and_allowed_build_args_are_requested() -> None:
    configured = ("A=1", "B", "SECRET=s")
    assert build_args.requested(["A"], [], configured) == ("A=1",)
    assert build_args.requested([], ["B", "C"], configured) == ("B",)
    with pytest.raises(build_args.MissingBuildArgError, match=r"`\{build_args\.X\}`, `\{build_args\.Y\}`: not in"):
        build_args.requested(["Y", "A", "X"], [], configured)
    build_args.refuse_unset(("A=1", "B"), {"A": "1", "B": ""})
    with pytest.raises(build_args.MissingBuildArgError, match=r"B of `\[docker\]\.build_args` must be set"):
        build_args.refuse_unset(("A=1", "B"), {"A": "1"})


@pytest.mark.parametrize(
    ("address", "template", "expected"),
    [
        (Address("", target_name="x"), None, "x.plan.json"),
        (Address("a", target_name="x"), None, "a/x.plan.json"),
        (Address("", target_name="x"), "{directory}/{target_name}.json", "x.json"),
        (Address("", target_name="x"), "{parent_directory}/{full_directory}/{target_name}.json", "x.json"),
        (Address("a/b"), None, "a.b/b.plan.json"),
        (Address("a/b", target_name="b", relative_file_path="x.txt"), None, "a.b/x.txt.plan.json"),
        (Address("a/b", target_name="y", relative_file_path="x.txt"), None, "a.b/x.txt.y.plan.json"),
        (
            ADDRESS,
            "plans/{full_directory}/{target_name}/{spec_file}.json",
            "plans/3rdparty/cilium/images/sub/images.txt.json",
        ),
        (
            ADDRESS,
            "{parent_directory}.{directory}/{parameters}/{spec_file}.json",
            "3rdparty.cilium/sub/images.txt.json",
        ),
    ],
)
def test_output_path(address: Address, template: str | None, expected: str) -> None:
    source = "sub/images.txt" if address == ADDRESS else "x.txt"
    target = DockerMirrorImageListTarget({"source": source, "output_path": template}, address)
    assert output_path(PackageImageListFieldSet.create(target)) == expected


def test_output_path_of_an_image() -> None:
    def of(template: str | None) -> str:
        values = {"image": "a.example/x:1", "output_path": template}
        return output_path(
            PackageImageListFieldSet.create(DockerMirrorInlineImageTarget(values, Address("a", target_name="x")))
        )

    assert of(None) == "a/x.plan.json"
    assert of("{directory}/{target_name}.json") == "a/x.json"
    assert of("./plans//{target_name}.json") == "plans/x.json"
    with pytest.raises(OutputPathError, match=r"a:x .*`\{full_directory\}`, `\{target_name\}`, `\{parameters\}`\."):
        of("{spec_file}")


def test_bad_output_path() -> None:
    with pytest.raises(OutputPathError, match=r"3rdparty/cilium/.*`\{directory\}`"):
        output_path(fields(output_path="{file}"))


@pytest.mark.parametrize(
    "template", ["/etc/plan.json", "../plan.json", "{directory}/../../../plan.json", ".", "/", "a/.."]
)
def test_output_path_outside_of_the_dist_directory(template: str) -> None:
    with pytest.raises(OutputPathError, match=r"3rdparty/cilium/.* must be a file below the dist directory"):
        output_path(fields(output_path=template))


def test_plan_tells_what_it_does() -> None:
    plan = Plan(
        ADDRESS,
        json.dumps(
            [
                {"src": "a.example/x:1", "dst": "b.example/x:1"},
                {"src": "a.example/x:1", "dst": "c.example:5000/x:1"},
                {"src": "a.example/x:1", "skip": {"dst": "d.example/x:1", "reason": "skip_push is set"}},
            ]
        ).encode(),
    )
    assert plan.destinations == ("b.example/x:1", "c.example:5000/x:1")
    assert plan.registries == ("b.example", "c.example:5000")
    assert plan.summary == "2 copies to b.example, c.example:5000"
    assert Plan(ADDRESS, b"[]").summary == "nothing to copy: it lists no image"


COMPANY = DockerRegistries.from_dict(
    {
        "images": {
            "address": "i.example",
            "default": True,
            "repository": "{default_repository}",
            "extra_image_tags": ["{pants.hash}", "{tags.stage0}", "{build_args.COMMIT}", "latest"],
        },
        "mirror": {"address": "m.example", "default": True, "repository": "m/{target_repository}"},
    }
)


@pytest.mark.parametrize(
    ("templates", "repositories", "tags"),
    [
        (RegistryTemplates.KNOWN, [None, "m/{target_repository}"], ("{build_args.COMMIT}", "latest")),
        (
            RegistryTemplates.ALL,
            ["{default_repository}", "m/{target_repository}"],
            ("{pants.hash}", "{tags.stage0}", "{build_args.COMMIT}", "latest"),
        ),
        (RegistryTemplates.NONE, [None, None], ()),
    ],
)
def test_templates_of_registries_for_lists(
    templates: RegistryTemplates, repositories: list[str | None], tags: tuple[str, ...]
) -> None:
    registries, left_out = for_lists(COMPANY, templates, {})
    assert [r.repository for r in registries.default] == repositories
    assert registries.registries["@images"] == registries.registries["i.example"] == registries.default[0]
    assert registries.default[0].extra_image_tags == tags
    assert left_out == (
        (
            "`repository` of images ({default_repository})",
            "`extra_image_tags` of images ({pants.hash}, {tags.stage0})",
        )
        if templates is RegistryTemplates.KNOWN
        else ()
    )


@pytest.mark.parametrize("templates", RegistryTemplates)
def test_a_repository_for_lists_alone(templates: RegistryTemplates) -> None:
    registries, left_out = for_lists(COMPANY, templates, {"images": "mirror/{repository}"})
    assert registries.default[0].repository == "mirror/{repository}"
    assert not any("`repository`" in what for what in left_out)


def test_the_placeholders_are_the_helper_s() -> None:
    template_go = (Path(__file__).parents[2] / "go-helper/internal/plan/template.go").read_text()
    (listed,) = re.findall(r"^var placeholders = \[\]string\{\n(.*?)^\}", template_go, re.MULTILINE | re.DOTALL)
    assert {*re.findall(r'"(\w+)"', listed), "target_repository"} == PLACEHOLDERS


def test_a_tag_for_all_images_of_a_repository() -> None:
    (registry,) = destination_registries(["@test"], CONFIGURED)
    conflict = "a.txt:1, a.txt:2: destination test.example:5000/x:latest requests inconsistent copies from a:1 and a:2"
    assert "one of the `extra_image_tags` of @test" in shared_tags_hint(conflict, [registry])
    assert shared_tags_hint(conflict.replace(":latest", ":1"), [registry]) == ""


def test_registries_without_an_address_are_named() -> None:
    """Pants itself ends for them with what Python says of a key or an attribute that isn't there."""
    refuse_without_address({"mirror": {"address": "a.example", "default": True}})
    tables = {"a": "a.example", "b": {"adress": "b.example"}, "c": {"address": 5000}, "d": {"address": "d.example"}}
    with pytest.raises(RegistryTableError) as e:
        refuse_without_address(tables)
    assert "`a` is 'a.example'; `b` is {'adress': 'b.example'}; `c` is {'address': 5000}; each" in str(e.value)
