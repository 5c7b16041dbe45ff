from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import pytest
from pants.engine.fs import EMPTY_DIGEST
from pants.engine.platform import Platform

from docker_mirror import go_toolchain, helper_build, helper_prebuilt, version
from docker_mirror.errors import HelperError
from docker_mirror.helper import refuse_stranger


def checkout(directory: Path) -> Path:
    for path, content in {
        "go.mod": "module x\n\ngo 1.25.0\n\nrequire (\n)\n",
        "go.sum": "",
        "go-helper/main.go": "package main",
        "go-helper/main_test.go": "package main",
        "go-helper/.main.go.swp": "",
        "go-helper/internal/spec/text.go": "package spec",
        "go-helper/internal/spec/testdata/bad.txt": "",
        "go-helper/internal/extract/kinds.json": "{}",
        "go-helper/verifier/go.mod": "module x/go-helper/verifier",
        "go-helper/verifier/main.go": "package main",
        "go-helper/verifier/go.sum": "",
        "tools/go.mod": "module tools",
    }.items():
        file = directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return directory


def test_sources_are_what_go_build_needs(tmp_path: Path) -> None:
    assert [file.path for file in helper_build.read_sources(checkout(tmp_path))] == [
        "src/go-helper/internal/extract/kinds.json",
        "src/go-helper/internal/spec/text.go",
        "src/go-helper/main.go",
        "src/go.mod",
        "src/go.sum",
    ]


def test_sources_of_the_verifier_are_a_module_of_their_own(tmp_path: Path) -> None:
    assert [file.path for file in helper_build.read_sources(checkout(tmp_path), helper_build.VERIFIER)] == [
        "src/go.mod",
        "src/go.sum",
        "src/main.go",
    ]
    paths = {file.path for file in helper_build.read_sources(helper_build.source_root(), helper_build.VERIFIER)}
    assert {"src/go.mod", "src/go.sum", "src/main.go", "src/protocol.go"} <= paths
    assert not any(path.endswith("_test.go") for path in paths)


def test_the_verifier_is_built_as_the_helper_is() -> None:
    go = go_toolchain.GoToolchain("/go", "go1.26.0", "/goroot")
    process = helper_build.build_process(go, EMPTY_DIGEST, {}, Platform.linux_x86_64, helper_build.VERIFIER)
    assert process.argv[-3:] == ("-o", "{chroot}/docker-mirror-verify", ".")
    assert process.output_files == ("docker-mirror-verify",)
    helper = helper_build.build_process(go, EMPTY_DIGEST, {}, Platform.linux_x86_64)
    assert process.env == helper.env


def test_source_root_of_a_checkout_and_of_a_wheel(tmp_path: Path) -> None:
    root = checkout(tmp_path / "checkout")
    package = root / "pants-plugins" / "docker_mirror"
    package.mkdir(parents=True)
    assert helper_build.source_root(package) == root
    installed = checkout(package / "_go")
    assert helper_build.source_root(package) == installed
    with pytest.raises(HelperError, match=r"_go.*nor in.*\[docker-mirror\]\.helper"):
        helper_build.source_root(tmp_path / "site-packages" / "docker_mirror")


def test_source_root_of_this_checkout() -> None:
    paths = {file.path for file in helper_build.read_sources(helper_build.source_root())}
    assert {"src/go.mod", "src/go.sum", "src/go-helper/main.go"} <= paths
    assert not any(path.endswith("_test.go") or "/testdata/" in path for path in paths)


def test_minimum_go_version() -> None:
    assert helper_build.minimum_go_version("module x\n\ngo 1.25.0\n\ntoolchain go1.26.1\n") == "1.25.0"
    with pytest.raises(HelperError, match="no `go` line"):
        helper_build.minimum_go_version("module x\n")


@pytest.mark.parametrize(
    ("version", "minimum", "expected"),
    [
        ("go1.26.8", "1.25.0", True),
        ("go1.25.0", "1.25.0", True),
        ("go1.25", "1.25.0", True),
        ("go1.24.9", "1.25.0", False),
        ("go1.9", "1.25.0", False),
        ("go1.26rc1", "1.25.0", True),
        ("devel go1.27-abcdef", "1.25.0", True),
        ("devel +abcdef", "1.25.0", True),
    ],
)
def test_is_new_enough(version: str, minimum: str, expected: bool) -> None:
    assert go_toolchain.is_new_enough(version, minimum) is expected


def test_no_go_message() -> None:
    message = go_toolchain.no_go_message("1.25.0", [], ["/a", "/b"])
    assert "needs Go 1.25.0 or newer" in message
    assert "found no `go`" in message
    assert "/a:/b" in message
    assert "/a/go: go1.20" in go_toolchain.no_go_message("1.25.0", ["/a/go: go1.20"], ["/a"])


@pytest.mark.parametrize(
    "value",
    [
        "https://user:password@proxy.example",
        "https://token@proxy.example,direct",
        "https://proxy.example|https://user:password@proxy.example",
        "user:password@proxy.example:3128",
        "sum.example https://user:password@sum.example",
    ],
)
def test_userinfo_is_refused(value: str) -> None:
    with pytest.raises(HelperError, match=r"GOPROXY.*netrc") as e:
        helper_build.refuse_userinfo({"GOPROXY": value, "NO_PROXY": "localhost"})
    assert "password" not in str(e.value)
    assert "token" not in str(e.value)


@pytest.mark.parametrize(
    "value",
    [
        "https://proxy.example,direct",
        "https://proxy.example/a@v1",
        "sum.example+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
        "/etc/certs/a@b.pem",
        "",
    ],
)
def test_other_values_are_not(value: str) -> None:
    helper_build.refuse_userinfo({"GOPROXY": value})


def test_a_new_toolchain_is_a_new_cache_key() -> None:
    old = helper_build.build_process(
        go_toolchain.GoToolchain("/go", "go1.25.0", "/goroot"), EMPTY_DIGEST, {}, Platform.linux_x86_64
    )
    new = helper_build.build_process(
        go_toolchain.GoToolchain("/go", "go1.25.1", "/goroot"), EMPTY_DIGEST, {}, Platform.linux_x86_64
    )
    assert old != new


def test_the_environment_does_not_undo_the_build_settings() -> None:
    go = go_toolchain.GoToolchain("/go", "go1.25.0", "/goroot")
    process = helper_build.build_process(
        go, EMPTY_DIGEST, {"GOTOOLCHAIN": "auto", "GOFLAGS": "-mod=mod", "GOPROXY": "x"}, Platform.macos_arm64
    )
    assert (process.env["GOOS"], process.env["GOARCH"]) == ("darwin", "arm64")
    assert process.env["GOTOOLCHAIN"] == "local"
    assert process.env["GOFLAGS"] == "-mod=readonly -trimpath -buildvcs=false -modcacherw"
    assert process.env["GOPROXY"] == "x"


def test_prebuilt(tmp_path: Path) -> None:
    executable = tmp_path / "docker-mirror"
    with pytest.raises(HelperError, match="can't be read"):
        helper_prebuilt.read_prebuilt(str(executable), None)
    executable.write_bytes(b"program")
    with pytest.raises(HelperError, match="is not executable"):
        helper_prebuilt.read_prebuilt(str(executable), None)
    os.chmod(executable, 0o755)
    digest = hashlib.sha256(b"program").hexdigest()
    assert helper_prebuilt.read_prebuilt(str(executable), None) == b"program"
    assert helper_prebuilt.read_prebuilt(str(executable), digest.upper()) == b"program"
    with pytest.raises(HelperError, match=f"{digest}.*helper_sha256"):
        helper_prebuilt.read_prebuilt(str(executable), "0" * 64)


def test_every_platform_of_pants_can_be_built_for() -> None:
    assert set(helper_build._GO_PLATFORMS) == set(Platform)


def test_the_backend_and_the_helper_of_one_checkout_go_together() -> None:
    source = (helper_build.source_root() / "go-helper/internal/cli/version.go").read_text()
    assert re.findall(r'^const version = "(.*)"$', source, re.MULTILINE) == [version.VERSION]
    assert re.findall(r"^const protocol = (.*)$", source, re.MULTILINE) == [str(version.PROTOCOL)]


@pytest.mark.parametrize(
    ("exit_code", "said", "message"),
    [
        (0, b"", r"/opt/x is no `docker-mirror` for this platform, or an older one"),  # such as /bin/true
        (2, b'{"name": "docker-mirror"}', r"is no `docker-mirror` for this platform, or an older one"),
        (0, b"true 1.2", r"is no `docker-mirror`"),
        (0, b"[]", r"is no `docker-mirror`"),
        (0, b'{"name": "other"}', r"is no `docker-mirror`"),
        (
            0,
            b'{"name": "docker-mirror", "version": "0.0.9", "protocol": 1}',
            r"is docker-mirror 0\.0\.9 \(protocol 1\), and",
        ),
        (
            0,
            json.dumps({"name": "docker-mirror", "version": version.VERSION, "protocol": 0}).encode(),
            rf"needs docker-mirror {re.escape(version.VERSION)} \(protocol {version.PROTOCOL}\)\. Use the two of one",
        ),
    ],
)
def test_strangers_are_refused(exit_code: int, said: bytes, message: str) -> None:
    with pytest.raises(HelperError, match=message):
        refuse_stranger("/opt/x", exit_code, said)


def test_a_helper_of_this_version_is_welcome() -> None:
    said = {"name": "docker-mirror", "version": version.VERSION, "protocol": version.PROTOCOL, "go": "go1.99"}
    refuse_stranger("/opt/x", 0, json.dumps(said).encode())
