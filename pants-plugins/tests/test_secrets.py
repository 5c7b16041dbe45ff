"""Nothing secret of the environment is in what Pants logs or stores."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from pants_project import Pants, PantsProject
from registries import DevRegistry

pytestmark = pytest.mark.integration

SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "planted-aws-secret",
    "AZURE_CLIENT_SECRET": "planted-azure-secret",
    "GITHUB_TOKEN": "planted-github-secret",
    "REGISTRY_PASSWORD": "planted-docker-env-secret",
    "UNNAMED_BUILD_ARG": "planted-build-arg",
}
CONFIG_PASSWORD = "planted-config-password"


def test_no_secret_in_logs_or_store(
    project: PantsProject, pants: Pants, source: DevRegistry, dev_destination: DevRegistry, tmp_path: Path
) -> None:
    source.push_image("app:1", b"layer")
    docker_config = tmp_path / "docker"
    docker_config.mkdir()
    auth = base64.b64encode(f"user:{CONFIG_PASSWORD}".encode()).decode()
    (docker_config / "config.json").write_text(json.dumps({"auths": {dev_destination.host: {"auth": auth}}}))
    project.env.update({**SECRETS, "DOCKER_CONFIG": str(docker_config)})
    # A store of this test's own, all of which is searched.
    store = tmp_path / "store"
    project.env["PANTS_LOCAL_STORE_DIR"] = str(store)
    project.env["PANTS_NAMED_CACHES_DIR"] = str(tmp_path / "named_caches")
    project.write(
        {
            "BUILD": "docker_mirror_image_list(name='x', source='x.txt')",
            "x.txt": f"{source.host}/app:1\n",
        }
    )
    project.use_registry(dev_destination.host)
    project.write(
        {
            "pants.toml": (project.directory / "pants.toml").read_text()
            + '\n[docker]\nenv_vars = ["REGISTRY_PASSWORD"]\nbuild_args = ["UNNAMED_BUILD_ARG"]\n'
        }
    )
    runs = [
        project.run("-ldebug", "package", "::").succeeded(),
        project.run("-ldebug", "mirror", "::", "--", "--verbose").succeeded(),
        project.run("-ldebug", f"--publish-output={tmp_path / 'publish.json'}", "publish", "::").succeeded(),
    ]
    # The debug log does show the processes, with the names of their variables.
    assert "AWS_SECRET_ACCESS_KEY" in runs[2].stderr

    planted = [*SECRETS.values(), CONFIG_PASSWORD, auth]
    for run in runs:
        for secret in planted:
            assert secret not in run.stdout
            assert secret not in run.stderr
    searched = 0
    for directory in (store, tmp_path / "named_caches", project.directory):
        for file in directory.rglob("*"):
            if file.is_file():
                searched += 1
                content = file.read_bytes()
                for secret in planted:
                    assert secret.encode() not in content, file
    assert searched > 10
