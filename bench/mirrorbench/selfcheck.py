# ruff: noqa: PT009  # the standard library is all there is: no pytest
"""Checks of the benchmark itself: its programs' tests, then real runs on a small set."""

from __future__ import annotations

import os
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree
from pathlib import Path

from mirrorbench.build import build_own, build_peers
from mirrorbench.cases import Case
from mirrorbench.imageset import ImageSet, minimum
from mirrorbench.layout import BENCH, Layout
from mirrorbench.measure import complete, least, measure, read_set, seed, verify
from mirrorbench.plot import plots
from mirrorbench.report import destination_sum, grouped, source_requests, tables
from mirrorbench.servers import Servers
from mirrorbench.tools import DESTINATION_PREFIX, TOOLS

COLD = Case("cold", "small set, empty destination", set="S0")
NOOP = Case("noop", "small set, destination complete", set="S0", present=0)
DELTA = Case("delta", "small set, one tag changed", set="S0", revision=1, present=0)
KILLED = Case("killed", "small set, killed and run again", set="S0", bandwidth=400_000, kill_at=0.5)


class GoPrograms(unittest.TestCase):
    def test_go(self) -> None:
        for command in (["go", "vet", "./..."], ["go", "test", "./..."]):
            subprocess.run(command, cwd=BENCH, check=True)


class SmallRuns(unittest.TestCase):
    """docker-mirror and crane copy S0 between distribution registries."""

    layout: Layout

    @classmethod
    def setUpClass(cls) -> None:
        # Apart from real runs, since any registry and crane on PATH will do here.
        cls.layout = Layout(Layout.from_environment().root / "self-check")
        build_own(cls.layout)
        build_peers(cls.layout, {"crane"}, adopt=True)
        seed(cls.layout, [COLD])

    def test_minimum(self) -> None:
        first, second = read_set(self.layout, "S0", 0), read_set(self.layout, "S0", 1)
        cold = minimum(first, None)
        # 7 manifests, 13 blobs; 4 repositories share one blob.
        self.assertEqual((cold.source_requests, cold.destination_requests, cold.mounts), (20, 4 + 26 + 3 + 7, 3))
        noop = minimum(first, first)
        self.assertEqual((noop.source_requests, noop.destination_requests, noop.down), (4, 4, 0))
        # One index of three children, each with a layer and a config of its own.
        delta = minimum(second, first)
        self.assertEqual((delta.source_requests, delta.destination_requests, delta.mounts), (3 + 4 + 6, 4 + 12 + 4, 0))

    def test_runs(self) -> None:
        tools = [tool for tool in TOOLS if tool.name in ("docker-mirror", "crane")]
        self.assertEqual(len(tools), 2)
        results = []
        for case in (COLD, NOOP, DELTA, KILLED):
            for tool in tools:
                with self.subTest(case=case.name, tool=tool.name):
                    result = measure(self.layout, tool, case, timeout=60, deep=True)
                    results.append({"repetition": 0, **result})
                    output = (self.layout.work / f"{tool.name}-{case.name}" / "output.txt").read_text()
                    self.assertTrue(complete(result), f"{result['verified']}\n{output}")
                    self.assertEqual(result["exit_code"], 0, output)
                    if not case.kill_at:
                        bound = least(self.layout, case)
                        self.assertGreaterEqual(source_requests(result), bound.source_requests)
                        self.assertGreaterEqual(destination_sum(result, "requests"), bound.destination_requests)
                        self.assertGreaterEqual(result["source"]["body_down"], bound.down)
        by_case = grouped(results)
        self.assertIn("### cold", tables(by_case))
        drawn = plots(by_case)
        self.assertIn("requests.svg", drawn)
        for svg in drawn.values():
            xml.etree.ElementTree.fromstring(svg)

    def test_failure_is_seen(self) -> None:
        """A tool that copies nothing and exits 0 is found out."""
        with Servers() as servers, tempfile.TemporaryDirectory() as empty:
            source = servers.registry(self.layout, self.layout.sets / "source-S0-r0", readonly=True)
            nothing = servers.registry(self.layout, Path(empty) / "registry")
            found = verify(self.layout, COLD, source, nothing, DESTINATION_PREFIX, deep=False)
            self.assertEqual((found["images_ok"], found["images"]), (0, 4))

    def test_blob_gone(self) -> None:
        """A destination that lost a blob is found out."""
        with Servers() as servers, tempfile.TemporaryDirectory() as folder:
            damaged = Path(folder) / "registry"
            subprocess.run(["cp", "-R", str(self.layout.sets / "complete-S0-r0"), str(damaged)], check=True)
            images: ImageSet = read_set(self.layout, "S0", 0)
            lost = max(images.blobs, key=lambda digest: images.blobs[digest]).partition(":")[2]
            os.remove(damaged / f"docker/registry/v2/blobs/sha256/{lost[:2]}/{lost}/data")
            source = servers.registry(self.layout, self.layout.sets / "source-S0-r0", readonly=True)
            found = verify(
                self.layout, COLD, source, servers.registry(self.layout, damaged), DESTINATION_PREFIX, deep=False
            )
            self.assertLess(found["images_ok"], 4)
