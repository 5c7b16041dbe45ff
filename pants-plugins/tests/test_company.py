"""The test project with what a company's repository has: macros, defaults, parameters, generated lists and charts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from helm_tool import helm_settings
from pants_project import PantsProject
from registries import DevRegistry

pytestmark = pytest.mark.integration


@pytest.fixture
def company(copy_of: Callable[[str], PantsProject], tmp_path: Path) -> PantsProject:
    project = copy_of("company")
    toml = project.directory / "pants.toml"
    toml.write_text(toml.read_text() + helm_settings(tmp_path))
    if project.pants.release >= (2, 18):  # Its Helm backend has a field for what 2.17 looks for among the dependencies.
        project.replace("3rdparty/app/BUILD", 'dependencies=["3rdparty/app/chart"]', 'chart="3rdparty/app/chart"')
    project.commit()
    return project


def test_a_repository_with_everything(company: PantsProject, source: DevRegistry, dev_destination: DevRegistry) -> None:
    # The chart's deployment says another version than its list.
    company.replace("3rdparty/app/production.yaml", "2.3", "1.0")
    source.push_image("worker:1.0", b"older")
    stale = company.run("lint", "--only=docker-mirror-lint", "3rdparty::").failed()
    assert "3rdparty/app/images.txt is stale: `pants extract 3rdparty/app/images.txt:images` writes it." in stale.stderr
    assert "-" + source.host + "/worker:2.3\n+" + source.host + "/worker:1.0" in stale.stderr
    assert stale.stderr.count("is stale") == 1
    company.run("extract", "3rdparty::").succeeded()
    company.run("lint", "--only=docker-mirror-lint", "3rdparty::").succeeded()

    # What is generated is reviewed by its lock.
    company.run("lock", "3rdparty/release::").succeeded()
    lock = (company.directory / "3rdparty/release/images.image.lock").read_text()
    assert f'source = "{source.host}/worker:2.3"\ndigest = "{source.digest("worker:2.3")}"' in lock
    company.commit()

    company.run("publish", "3rdparty/web::", "3rdparty/base::", "3rdparty/release::", "3rdparty/app:images").succeeded()
    for image, mirrored in {
        "api:2.3": ("mirror/api:2.3", "mirror/api:approved-by-web"),  # the macro, and the defaults
        "web:1.0": ("mirror/web:1.0",),
        "worker:2.3": ("mirror/worker:2.3",),  # the generated list
        "worker:1.0": ("mirror/worker:1.0",),  # the chart
    }.items():
        for reference in mirrored:
            assert source.digest(image) == dev_destination.digest(reference) is not None, reference
    for place in ("base", "mirror/base"):  # the parameters
        assert sorted(dev_destination.tags(f"{place}/tools")) == ["5.1", "current"]

    # The list depends on what it is generated from, and what its lock hasn't is refused.
    needs = company.run("dependencies", "--transitive", "3rdparty/release:images").succeeded()
    assert needs.stdout.split() == ["3rdparty/release:list", "3rdparty/release:template"]
    company.replace("3rdparty/release/images.template", "worker", "web")
    refused = company.run("package", "3rdparty/release:images").failed()
    assert "3rdparty/release:images:\n" in refused.stderr, refused
    assert f"{source.host}/web:2.3" in refused.stderr
    assert "3rdparty/release/images.image.lock" in refused.stderr
    company.run("package", "3rdparty/web::").succeeded()
    (peeked,) = json.loads(company.run("peek", "3rdparty/release:images").succeeded().stdout)
    assert peeked["list_from"] == [":list"]
