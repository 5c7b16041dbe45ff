"""`parametrize` and `__defaults__` for every field of every target type, up to the plans."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pants.core import register as core
from pants.core.target_types import FileTarget
from pants.engine.addresses import Address
from pants.engine.internals.parametrize import Parametrize
from pants.engine.target import Dependencies, DescriptionField, Target, TargetGenerator
from pants.testutil.rule_runner import QueryRule, RuleRunner
from pants.version import PANTS_SEMVER

from docker_mirror import register, settings
from docker_mirror.extract import ExtractImageListFieldSet
from docker_mirror.field_sets import ImageListFieldSet
from docker_mirror.fmt import FmtImageListFieldSet
from docker_mirror.image_list import lock_path
from docker_mirror.lint import LintImageListFieldSet
from docker_mirror.lock import LockInputs, LockInputsRequest, batch_json
from docker_mirror.neighbours import ListsIn, ListsInRequest
from docker_mirror.package import PackageImageListFieldSet, output_path
from docker_mirror.pins import pinned_files
from docker_mirror.plan import Plan
from docker_mirror.planning import Plans, PlansRequest
from docker_mirror.registries import MirrorRegistries
from docker_mirror.target_types import DockerMirrorImagesTarget

FILES = {"a.txt": "a.example/app:1 AS app\n", "b.txt": "b.example/app:1\n", "empty.txt": "", "BUILD": ""}
WITH_FILES = "file(name='a', source='a.txt')\nfile(name='b', source='b.txt')\nfile(name='empty', source='empty.txt')\n"
DIGEST = "sha256:" + 64 * "a"

LISTS = {
    "docker_mirror_images": {"sources": "['a.txt']"},
    "docker_mirror_image_list": {"source": "'a.txt'"},
    "docker_mirror_generated_list": {"list_from": "[':a']"},
    "docker_mirror_inline_image": {"image": "'a.example/app:1'"},
    "docker_mirror_image": {"image": "'a.example/app:1'"},
}
"""What a target of each type needs."""

EMPTY = {"sources": "['empty.txt']", "source": "'empty.txt'", "list_from": "[':empty']"}


class Runner:
    def __init__(self, helper: Path) -> None:
        self.rules = RuleRunner(
            rules=[
                *core.rules(),  # type: ignore[no-untyped-call]
                *register.rules(),
                QueryRule(ListsIn, [ListsInRequest]),
                QueryRule(LockInputs, [LockInputsRequest]),
                QueryRule(MirrorRegistries, []),
                QueryRule(Plans, [PlansRequest]),
            ],
            target_types=[*register.target_types(), FileTarget],
            objects={"parametrize": Parametrize},
            preserve_tmpdirs=False,
        )
        registries = {"prod": {"address": "prod.example", "default": True}, "test": {"address": "test.example"}}
        self.rules.set_options(
            [f"--docker-mirror-helper={helper}", f"--docker-registries={registries}"], env_inherit={"PATH", "HOME"}
        )

    def made(self, *directories: str) -> Iterator[Made]:
        """All targets with lists of these directories, with their plans."""
        found = self.rules.request(ListsIn, [ListsInRequest(directories)])
        fields = (*found.lists, *found.generated)
        plans = self.rules.request(Plans, [PlansRequest(fields)])
        return (
            Made(self, self.rules.get_target(of_list.address), of_list, plan)
            for of_list, plan in zip(fields, plans.plans)
        )


@pytest.fixture(scope="module")
def runner(helper: Path) -> Runner:
    """One for all tests, which each have a directory of their own: it takes longer than they do."""
    return Runner(helper)


@dataclass(frozen=True)
class Made:
    runner: Runner
    target: Target
    fields: ImageListFieldSet
    plan: Plan

    def copies(self, key: str) -> list[Any]:
        assert not self.plan.errors, self.plan.errors
        return [copy.get(key) for copy in self.plan._entries]

    def beside_build(self, path: str) -> str:
        return os.path.relpath(path, self.target.address.spec_path)

    @property
    def skipped(self) -> str:
        configured = self.runner.rules.request(MirrorRegistries, []).value
        return settings.skip_reason(self.fields, configured, skip_all=False)

    @property
    def extracted(self) -> ExtractImageListFieldSet:
        return ExtractImageListFieldSet.create(self.target)


@dataclass(frozen=True)
class Case:
    """Two values of a field, and what comes of each."""

    one: str
    two: str
    see: Callable[[Made], Any]
    seen: tuple[Any, Any]
    beside: str = ""


CASES = {
    "registries": Case(
        "['r.example']",
        "['@test', 'r.example']",
        lambda made: made.plan.registries,
        (("r.example",), ("test.example", "r.example")),
    ),
    "repository": Case(
        "'one/{name}'",
        "'two/{name}'",
        lambda made: made.copies("dst"),
        (["prod.example/one/app:1"], ["prod.example/two/app:1"]),
    ),
    "image_tags": Case(
        "['x']",
        "['y', 'z']",
        lambda made: made.copies("dst"),
        (["prod.example/app:x"], ["prod.example/app:y", "prod.example/app:z"]),
    ),
    "platforms": Case(
        "['linux/amd64']",
        "['linux/arm64']",
        lambda made: made.copies("transform"),
        ([{"limitPlatforms": ["linux/amd64"]}], [{"limitPlatforms": ["linux/arm64"]}]),
    ),
    "index": Case(
        "'sparse'",
        "'rewritten'",
        lambda made: made.copies("transform")[0].get("index"),
        ("sparse", None),
        "platforms=['linux/amd64']",
    ),
    "referrers": Case("'none'", "'require'", lambda made: made.copies("referrers"), (["none"], ["require"])),
    "locked": Case(
        "'require'", "'off'", lambda made: ["has no lock" in error for error in made.plan.errors], ([True], [])
    ),
    "lock": Case(
        "'one.lock'",
        "'two.lock'",
        lambda made: made.beside_build(lock_path(made.fields)),
        ("one.lock", "two.lock"),
    ),
    "pins": Case(
        "['Dockerfile']",
        "['x/Dockerfile', 'y.yaml']",
        lambda made: [made.beside_build(path) for path in pinned_files(made.fields)],
        (["Dockerfile"], ["x/Dockerfile", "y.yaml"]),
    ),
    "overrides": Case(
        "{'app': {'tags': ['x']}}",
        "{('app', 'a.example/app'): {'repository': 'r', 'platforms': ['linux/amd64']}}",
        lambda made: (made.copies("labels"), made.copies("dst")),
        (([["x"]], ["prod.example/app:1"]), ([None], ["prod.example/r:1"])),
    ),
    "extract_from": Case("[':a']", "[':b']", lambda made: made.extracted.extract_from.value, ((":a",), (":b",))),
    "extract_args": Case(
        "['--deep']",
        "[]",
        lambda made: made.extracted.extract_args.value,
        (("--deep",), ()),
        "extract_from=[':a']",
    ),
    "allow_empty": Case(
        "True", "False", lambda made: ["lists no images" in error for error in made.plan.errors], ([], [True])
    ),
    "skip_push": Case("True", "False", lambda made: made.skipped, ("(by the `skip_push` field)", "")),
    "skip_publish": Case("True", "False", lambda made: made.skipped, ("(by the `skip_publish` field)", "")),
    "skip_docker_mirror_lint": Case(
        "True", "False", lambda made: LintImageListFieldSet.is_applicable(made.target), (False, True)
    ),
    "skip_docker_mirror_fmt": Case(
        "True", "False", lambda made: FmtImageListFieldSet.is_applicable(made.target), (False, True)
    ),
    "output_path": Case(
        "'{parameters}.json'",
        "'two/{target_name}.json'",
        lambda made: output_path(PackageImageListFieldSet.create(made.target)),
        ("output_path=one.json", "two/x.json"),
    ),
    "tags": Case("['x']", "['y']", lambda made: made.copies("labels"), ([["x"]], [["y"]])),
    "description": Case("'x'", "'y'", lambda made: made.target[DescriptionField].value, ("x", "y")),
    "dependencies": Case("[':a']", "[':b']", lambda made: made.target[Dependencies].value, ((":a",), (":b",))),
    "source": Case("'a.txt'", "'b.txt'", lambda made: made.copies("src"), (["a.example/app:1"], ["b.example/app:1"])),
    "list_from": Case("[':a']", "[':b']", lambda made: made.copies("src"), (["a.example/app:1"], ["b.example/app:1"])),
    "image": Case(
        "'a.example/app:1'",
        "'b.example/app:1'",
        lambda made: made.copies("src"),
        (["a.example/app:1"], ["b.example/app:1"]),
    ),
    "source_tags": Case(
        "['1']",
        "['2', '3']",
        lambda made: made.copies("src"),
        (["a.example/app:1"], ["a.example/app:2", "a.example/app:3"]),
        "image='a.example/app'",
    ),
    "variants": Case(
        f"{{'x': '{DIGEST}'}}",
        f"{{'y': '{DIGEST}'}}",
        lambda made: made.copies("dst"),
        (["prod.example/app:x"], ["prod.example/app:y"]),
        "image='a.example/app'",
    ),
    "select": Case(
        "{'semver': '^1', 'exclude': ['*-rc*']}",
        "{'latest': 2}",
        lambda made: made.copies("select"),
        ([{"semver": ["^1"], "exclude": ["*-rc*"]}], [{"latest": 2}]),
        "image='a.example/app'",
    ),
}


def aliases(target_type: type[Target]) -> list[str]:
    """The fields that can be parametrized: all, but of a generator those that it has itself, too."""
    fields = target_type.moved_fields if issubclass(target_type, TargetGenerator) else target_type.core_fields
    return sorted(field.alias for field in fields)


def declared(target_type: str, alias: str, case: Case, in_defaults: bool) -> str:
    needed = {name: EMPTY[name] if alias == "allow_empty" else value for name, value in LISTS[target_type].items()}
    beside = dict([case.beside.split("=", 1)]) if case.beside else {}
    fields = {**needed, **beside}
    fields.pop(alias, None)
    choice = f"{alias}=parametrize(one={case.one}, two={case.two})"
    plain = "".join(f", {name}={value}" for name, value in fields.items())
    if in_defaults:
        return f"__defaults__({{{target_type}: dict({choice})}})\n{target_type}(name='x'{plain})\n{WITH_FILES}"
    return f"{target_type}(name='x'{plain}, {choice})\n{WITH_FILES}"


@pytest.mark.parametrize("in_defaults", [False, True], ids=["in the target", "in __defaults__"])
@pytest.mark.parametrize("target_type", register.target_types(), ids=lambda target_type: target_type.alias)
def test_every_field(runner: Runner, target_type: type[Target], in_defaults: bool) -> None:
    names = aliases(target_type)
    directories = {alias: f"{target_type.alias}{'_by_default' if in_defaults else ''}/{alias}" for alias in names}
    for alias in names:
        build = declared(target_type.alias, alias, CASES[alias], in_defaults)
        files = {**FILES, "BUILD": build}
        runner.rules.write_files({f"{directories[alias]}/{name}": content for name, content in files.items()})
    made = {one.target.address: one for one in runner.made(*directories.values())}
    assert len(made) == 2 * len(names)
    seen, wanted = {}, {}
    for alias in names:
        case = CASES[alias]
        for choice, want in zip(("one", "two"), case.seen):
            file = (
                ("empty.txt" if alias == "allow_empty" else "a.txt")
                if target_type is DockerMirrorImagesTarget
                else None
            )
            address = Address(directories[alias], target_name="x", parameters={alias: choice}, relative_file_path=file)
            seen[address.spec], wanted[address.spec] = case.see(made[address]), want
    assert seen == wanted


DEFAULTS = """\
__defaults__(
    {
        docker_mirror_images: dict(image_tags=parametrize(one=["one"], two=["two"]), tags=["lists"]),
        (docker_mirror_inline_image, docker_mirror_image_list): dict(platforms=["linux/amd64"]),
    },
    all=dict(tags=["all"], repository="all/{name}", overrides={"app": {"platforms": ["linux/arm64"]}}),
)
"""


def test_defaults_of_a_parent_directory(runner: Runner) -> None:
    """Those of a type go before those of all, a target's own before both; a field that a type hasn't is left out."""
    runner.rules.write_files(
        {
            "defaults/BUILD": DEFAULTS,
            "defaults/lists/BUILD": "docker_mirror_images(name='x', repository='own')",
            "defaults/lists/images.txt": FILES["a.txt"],
            "defaults/image/BUILD": "docker_mirror_inline_image(name='x', image='a.example/app:1')\n"
            "docker_mirror_inline_image(\n"
            "    name='y', image='a.example/app:1', platforms=[], tags=parametrize(t=['own'], u=['u'])\n"
            ")",
            "defaults/more/BUILD": "__defaults__({docker_mirror_image_list: dict(tags=['more'])}, extend=True)\n"
            "docker_mirror_image_list(name='x', source='a.txt')",
            "defaults/more/a.txt": FILES["a.txt"],
        }
    )
    made = {one.target.address.spec: one for one in runner.made("defaults/lists", "defaults/image", "defaults/more")}
    seen = {
        address: [(c["dst"], c.get("labels"), c.get("transform", {}).get("limitPlatforms")) for c in one.plan._entries]
        for address, one in made.items()
    }
    both = ["linux/amd64", "linux/arm64"]
    # From 2.21 on, those of what a generator makes count for it, too.
    of_lists = both if PANTS_SEMVER.release >= (2, 21) else ["linux/arm64"]
    assert seen == {
        "defaults/lists/images.txt:x@image_tags=one": [("prod.example/own:one", ["lists"], of_lists)],
        "defaults/lists/images.txt:x@image_tags=two": [("prod.example/own:two", ["lists"], of_lists)],
        "defaults/image:x": [("prod.example/all/app:1", ["all"], ["linux/amd64"])],
        "defaults/image:y@tags=t": [("prod.example/all/app:1", ["own"], None)],
        "defaults/image:y@tags=u": [("prod.example/all/app:1", ["u"], None)],
        "defaults/more:x": [("prod.example/all/app:1", ["more"], both)],
    }


@pytest.mark.parametrize(
    ("build", "error"),
    [
        pytest.param(
            "__defaults__({(docker_mirror_images, docker_mirror_inline_image): dict(overrides={})})",
            r"Unrecognized field `overrides` for target docker_mirror_inline_image\. Valid fields are: ",
            id="a default that a type hasn't",
        ),
        pytest.param(
            "__defaults__({docker_mirror_images: dict(overrides={'app': {'tag': 'x'}})})",
            r"Unknown field 'tag' for the key 'app' in the `overrides` field in target d#__defaults__\. An image can "
            "override: `image_tags`, ",
            id="an unknown field in overrides, by default",
        ),
        pytest.param(
            "docker_mirror_images(name='x', overrides=parametrize(one={'app': {'tag': 'x'}}, two={}))",
            r"Unknown field 'tag' for the key 'app' in the `overrides` field in target d/images\.txt:x@overrides=one\.",
            id="an unknown field in overrides, for a choice",
        ),
        pytest.param(
            "docker_mirror_images(name='x', overrides={'app': {'platforms': parametrize(a=['linux/amd64'])}})",
            r"overrides\['app'\]\['platforms'\] in target d/images\.txt:x is a `parametrize`, which .*: write "
            r"`overrides=parametrize\(",
            id="a choice of a field within overrides",
        ),
        pytest.param(
            "docker_mirror_images(name='x', overrides={('a', 'b'): parametrize(a={}, b={})})",
            r"overrides\['a'\] in target d/images\.txt:x is a `parametrize`, which .*: write `overrides=parametrize\(",
            id="a choice within overrides",
        ),
        pytest.param(
            "docker_mirror_inline_image(name='x', image='app', select={'latest': parametrize(a=1, b=2)})",
            r"select\['latest'\] in target d:x is a `parametrize`, which .*: write `select=parametrize\(",
            id="a choice within a tag policy",
        ),
        pytest.param(
            "docker_mirror_image_list(name='x', source='images.txt', registries=parametrize(one='a.example', two=[]))",
            r"The 'registries' field in target d:x@registries=one must be .*, but was `'a\.example'`",
            id="a wrong type",
        ),
        pytest.param(
            "docker_mirror_image_list(name='x', source='images.txt', index=parametrize('sparse', 'rewriten'))",
            r"Values for the 'index' field in target d:x@index=rewriten must be one of \['rewritten', 'sparse'\]",
            id="a wrong choice",
        ),
        pytest.param(
            "docker_mirror_images(name='x', tags=parametrize(one=['a'], two=['b']))",
            r"Only fields which will be moved .* generator d:x .* cannot parametrize the 'tags' field",
            id="a generator's own field",
        ),
        pytest.param(
            "docker_mirror_image_list(name='x', source='images.txt', registries=parametrize(['a.example']))",
            # The engine of newer versions is first to refuse it.
            r"Failed to parametrize `d:x`:\n(.|\n)*`parametrize\(short_memorable_name=\['a\.example'\]\)`|"
            r"In d/BUILD:1: (.|\n)*unhashable type: 'list'",
            id="a list without a name",
        ),
    ],
)
def test_mistakes_name_the_target(runner: Runner, build: str, error: str) -> None:
    runner.rules.write_files({"d/BUILD": build, "d/images.txt": FILES["a.txt"]})
    with pytest.raises(Exception, match=error):
        list(runner.made("d"))


def test_keys_of_overrides_that_match_nothing_for_a_choice(runner: Runner) -> None:
    runner.rules.write_files(
        {
            "keys/BUILD": "docker_mirror_images("
            "name='x', overrides=parametrize(file={'images.txt': {}}, other={'b': {}}))",
            "keys/images.txt": FILES["a.txt"],
        }
    )
    errors = {made.target.address.spec: made.plan.errors for made in runner.made("keys")}
    for choice, key in {"file": "images.txt", "other": "b"}.items():
        (error,) = errors[f"keys/images.txt:x@overrides={choice}"]
        assert error.startswith(f"keys:x@overrides={choice}: no image matches '{key}' in the `overrides` field. ")
        assert ("write a `docker_mirror_image_list` for it" in error) == (choice == "file")


def test_one_lock_for_all_that_differ_in_where_the_same_images_go(runner: Runner) -> None:
    runner.rules.write_files(
        {
            "locks/BUILD": """\
docker_mirror_inline_image(
    name="x",
    image=parametrize(one="a.example/app:1", two="b.example/app:1"),
    repository=parametrize(old="old", new="new"),
)
docker_mirror_inline_image(name="named", image=parametrize("a", "b"), lock="named.lock")
docker_mirror_generated_list(name="y", list_from=parametrize(a=[":a"], b=[":b"]), platforms=parametrize(p=[], q=[]))
file(name="a", source="a.txt")
file(name="b", source="b.txt")
""",
            "locks/a.txt": FILES["a.txt"],
            "locks/b.txt": FILES["b.txt"],
        }
    )
    fields = tuple(sorted((made.fields for made in runner.made("locks")), key=lambda fields: fields.address))
    inputs = runner.rules.request(LockInputs, [LockInputsRequest(fields, verifies=False)])
    batch = json.loads(batch_json(fields, [], inputs, "/root"))
    lists: dict[str, set[str]] = {}
    for entry in batch["lists"]:
        lists.setdefault(entry["lock_name"], set()).add(entry["list"])
    assert {lock: sorted(of_lock) for lock, of_lock in lists.items()} == {
        "locks/x@image=one.image.lock": ["__docker_mirror_images/locks.x@@image=one,repository=new.toml"],
        "locks/x@image=two.image.lock": ["__docker_mirror_images/locks.x@@image=two,repository=new.toml"],
        # Whoever names a lock says so of all choices, and the helper refuses it.
        "locks/named.lock": [
            "__docker_mirror_images/locks.named@@image=a.toml",
            "__docker_mirror_images/locks.named@@image=b.toml",
        ],
        "locks/y@list_from=a.image.lock": ["locks/a.txt"],
        "locks/y@list_from=b.image.lock": ["locks/b.txt"],
    }
    (one, two) = (entry["settings"] for entry in batch["lists"] if entry["lock_name"] == "locks/x@image=one.image.lock")
    assert (one["repository"], two["repository"]) == ("new", "old")
