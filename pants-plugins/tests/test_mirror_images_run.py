"""`pants mirror-images` in the real Pants: what is wrong with lists, and their images as JSON, without any request."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest
from pants_project import PantsProject, lasting_lines

pytestmark = pytest.mark.integration


@pytest.fixture
def nobody() -> Iterator[socket.socket]:
    """What listens as a registry would, and accepts no connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def test_mistakes_of_all_lists_then_images(project: PantsProject, nobody: socket.socket) -> None:
    port = nobody.getsockname()[1]
    source, host = f"localhost:{port}", f"127.0.0.1:{port}"
    project.replace("pants.toml", '["docker_mirror"]', '["docker_mirror", "pants.backend.shell"]')
    project.use_registry(host)
    project.write(
        {
            "good/BUILD": "docker_mirror_images(image_tags=['{tag}', 'stable'])",
            "good/images.txt": f"{source}/app:1 AS app\n",
            "bad/BUILD": "docker_mirror_images()\n"
            "docker_mirror_generated_list(name='generated', list_from=[':fails'])\n"
            "shell_command(name='fails', command='echo > list.txt; echo why >&2; exit 3', output_files=['list.txt'])\n",
            "bad/images.txt": f"{source}/right:1\n{source}/WRONG:1\n",
        }
    )
    bad = project.run("mirror-images", "::").failed(2)
    assert bad.stdout == ""
    lines = lasting_lines(bad.stderr)
    assert lines[:3] == [
        "✕ bad:generated:",
        "  bad:fails fails to generate its files: "
        "Process 'the `shell_command` at `bad:fails`' failed with exit code 3.",
        "  why",
    ]
    assert lines[3].startswith('✕ bad/images.txt: bad/images.txt:2: image reference "')
    assert lines[4:] == ["No image is shown."]

    # What is right isn't sent beside what isn't.
    unpublished = project.run("publish", "good:", "bad:generated").failed(1)
    assert "PlanError: bad:generated:\n  bad:fails fails to generate its files: " in unpublished.stderr
    assert unpublished.stderr.count("\n  why\n") == 1

    good = project.run("mirror-images", "--format=json", "good:").succeeded()
    assert json.loads(good.stdout) == [
        {
            "target": "good/images.txt",
            "images": [
                {"source": f"{source}/app:1", "destination": f"{host}/app:{tag}", "origin": "good/images.txt:1"}
                for tag in ("1", "stable")
            ],
        }
    ]
    with pytest.raises(BlockingIOError):
        nobody.accept()
