"""What `--changed-since` selects, as the table in docs/reference.md says."""

from __future__ import annotations

import pytest
from pants_project import PantsProject
from registries import DevRegistry

pytestmark = pytest.mark.integration


@pytest.fixture
def lists(project: PantsProject) -> PantsProject:
    project.write(
        {
            "3rdparty/BUILD": "",
            "3rdparty/apps/BUILD": "docker_mirror_images(sources=['*.txt'])",
            "3rdparty/apps/a.txt": "a.example/a:1\n",
            "3rdparty/apps/b.txt": "a.example/b:1\n",
            "3rdparty/base/BUILD": "docker_mirror_image_list(name='base', source='images.txt')",
            "3rdparty/base/images.txt": "a.example/base:1\n",
            "deploy/BUILD": "target(name='deploy', dependencies=['3rdparty/apps/a.txt'])",
        }
    )
    project.use_registry("127.0.0.1:5001")
    project.commit()
    return project


def changed(project: PantsProject, *options: str) -> set[str]:
    return set(project.run("--changed-since=HEAD", *options, "list").succeeded().stdout.split())


def test_what_selects_what(lists: PantsProject) -> None:
    # One pantsd for all of it: each step is a run of its own, and the next one starts from a clean tree.
    lists.env["PANTS_PANTSD"] = "true"

    lists.write({"3rdparty/apps/a.txt": "a.example/a:2\n"})
    assert changed(lists) == {"3rdparty/apps/a.txt"}
    assert changed(lists, "--changed-dependents=transitive") == {"3rdparty/apps/a.txt", "deploy:deploy"}
    lists.commit()

    lists.write({"3rdparty/apps/new.txt": "a.example/new:1\n"})
    lists.git("add", "-A")
    assert changed(lists) == {"3rdparty/apps/new.txt"}
    lists.commit()

    # The generator of a deleted one: goals then take all that it generates.
    (lists.directory / "3rdparty/apps/new.txt").unlink()
    assert changed(lists) == {"3rdparty/apps:apps"}
    lists.commit()

    # A field in a BUILD file, an override too, selects what that directory's targets generate.
    lists.write(
        {"3rdparty/apps/BUILD": "docker_mirror_images(sources=['*.txt'], overrides={'a': {'image_tags': ['x']}})"}
    )
    assert changed(lists) == {"3rdparty/apps/a.txt", "3rdparty/apps/b.txt"}
    lists.commit()

    lists.write({"3rdparty/BUILD": "__defaults__({docker_mirror_image_list: dict(platforms=['linux/amd64'])})"})
    assert changed(lists) == set()
    assert changed(lists, "--changed-dependents=transitive") == set()
    lists.commit()

    lists.replace("pants.toml", "127.0.0.1:5001", "127.0.0.1:5002")
    assert changed(lists) == set()


def test_moves_macros_and_locks(lists: PantsProject) -> None:
    lists.env["PANTS_PANTSD"] = "true"
    lists.replace("pants.toml", "[GLOBAL]\n", "[GLOBAL]\nbuild_file_prelude_globs = ['macros.py']\n")
    macro = "def mirrored(name):\n    docker_mirror_inline_image(name=name, image=f'a.example/{name}:TAG')\n"
    lists.write(
        {
            "macros.py": macro.replace("TAG", "1"),
            "3rdparty/macro/BUILD": "mirrored('made')",
            "3rdparty/apps/b.txt.lock": "{}",
            "3rdparty/base/images.txt.lock": "{}",
        }
    )
    lists.commit()

    # The macro's target is there, and not selected.
    lists.write({"macros.py": macro.replace("TAG", "2")})
    lists.write({"3rdparty/apps/b.txt.lock": "{ }", "3rdparty/base/images.txt.lock": "{ }"})
    assert changed(lists) == {"3rdparty/apps/b.txt", "3rdparty/base:base"}
    lists.commit()

    # What a lock belonged to that isn't there any more, and the generator of that, as if the list had been deleted.
    for lock in ("3rdparty/apps/b.txt.lock", "3rdparty/base/images.txt.lock"):
        (lists.directory / lock).unlink()
    assert changed(lists) == {"3rdparty/apps/b.txt", "3rdparty/apps:apps", "3rdparty/base:base"}
    lists.commit()

    # To older versions git shows the new names alone: a target that still names the old one isn't selected.
    lists.git("mv", "3rdparty/apps/a.txt", "3rdparty/apps/moved.txt")
    lists.git("mv", "3rdparty/base/images.txt", "3rdparty/base/moved.txt")
    lists.git("rm", "-q", "deploy/BUILD")
    both_names = lists.pants.release >= (2, 32)
    old_owners = {"3rdparty/apps:apps", "3rdparty/base:base"} if both_names else set()
    assert changed(lists) == {"3rdparty/apps/moved.txt", *old_owners}
    lists.replace("3rdparty/base/BUILD", "images.txt", "moved.txt")
    assert changed(lists) == {"3rdparty/apps/moved.txt", "3rdparty/base:base", *old_owners}


def test_publish_and_mirror_take_what_changed(
    lists: PantsProject, source: DevRegistry, dev_destination: DevRegistry
) -> None:
    for name in ("a", "b", "base"):
        source.push_image(f"{name}:1", b"layer")
    lists.write(
        {
            "3rdparty/apps/a.txt": f"{source.host}/a:1\n",
            "3rdparty/apps/b.txt": f"{source.host}/b:1\n",
            "3rdparty/base/images.txt": f"{source.host}/base:1\n",
        }
    )
    lists.replace("pants.toml", "127.0.0.1:5001", dev_destination.host)
    lists.commit()
    lists.write({"3rdparty/apps/b.txt": f"# edited\n{source.host}/b:1\n"})
    published = lists.run("--changed-since=HEAD", "publish").succeeded()
    assert "✓ 3rdparty/apps/b.txt published" in published.stderr
    assert [dev_destination.digest(f"{name}:1") is not None for name in ("a", "b", "base")] == [False, True, False]

    lists.write({"3rdparty/base/images.txt": f"# edited\n{source.host}/base:1\n"})
    lists.run("--changed-since=HEAD", "mirror").succeeded()
    assert [dev_destination.digest(f"{name}:1") is not None for name in ("a", "b", "base")] == [False, True, True]
