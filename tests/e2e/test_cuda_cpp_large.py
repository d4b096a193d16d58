#!/usr/bin/env python3
"""examples/cuda-cpp, built, slim at every level, and run: its own tests pass in every result, its digests are the same, and
so is what it says where no driver is. Prints the rows of the example's table.

Needs root and some 10 GB of disk, the one-stage image 15 GB."""

import array
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile

import harness
import rootfs

EXAMPLE = os.path.join(harness.TOP, "examples/cuda-cpp")
LEVELS = {
    "safe": ("--level", "safe"),
    "standard": (),
    "aggressive": ("--level", "aggressive"),
    "closure": ("--level", "aggressive", "--closure"),
    "minimal": ("--level", "aggressive", "--minimal"),
}
PROGRAM = "/usr/local/bin/bandpower"


class CudaCpp(harness.Case):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("unpacking owners needs root")

    def image(self, name, needed, *options):
        """The docker-archive of the example's build.sh."""
        path = os.path.join(harness.CACHE, "images", name + ".tar")
        os.makedirs(harness.CACHE, exist_ok=True)
        free = shutil.disk_usage(harness.CACHE).free
        if not os.path.exists(path) and free < needed:
            self.skipTest(f"the build needs {needed / 1e9:.0f} GB of disk, and {free / 1e9:.1f} GB are free")
        subprocess.run([os.path.join(EXAMPLE, "build.sh"), *options], check=True, stdout=subprocess.DEVNULL)
        return path

    def slim(self, archive, *options):
        """(report, bytes of the layers as pushed); the root is in `slim`."""
        for name in ("slim", "packed"):
            shutil.rmtree(self.path(name), ignore_errors=True)
        words = ("slim", archive, "--gpu", "h100", *options, "--json")
        report = self.flense(*words, "-o", f"oci:{self.path('packed')}", "--compression", "gzip", timeout=1800).json
        self.flense(*words, "-o", f"dir:{self.path('slim')}", timeout=1800)
        return report, int(self.run_tool("du", "-sb", self.path("packed")).split()[0])

    def answers(self, root):
        signal = self.path("signal")
        with open(signal, "wb") as out:
            array.array("f", [math.sin(0.01 * i * i) for i in range(8192)]).tofile(out)
        # Every symbol is looked for, not only those that a run without a GPU calls.
        env = {"LD_BIND_NOW": "1"}
        return [rootfs.outcome(root, [PROGRAM, *words], [(signal, "/tmp/signal")], env)
                for words in (["--cpu", "/tmp/signal"], ["/tmp/signal"], ["--version"], ["--help"], ["--gpu"])]

    def own_tests(self, root):
        """Those of the example, which the build ran before."""
        wrapper = self.path("bandpower")
        # Below /tmp, where bwrap can make a place for it in any root.
        with tempfile.TemporaryDirectory(dir="/tmp") as files:
            with open(wrapper, "w") as out:
                out.write(f"#!/bin/sh\nexec bwrap --ro-bind {root} / --dev /dev --proc /proc --tmpfs /tmp "
                          f'--bind {files} {files} --unshare-net {PROGRAM} "$@"\n')
            os.chmod(wrapper, 0o755)
            told = self.run_tool(sys.executable, os.path.join(EXAMPLE, "tests/test_bandpower.py"), wrapper,
                                 env={**os.environ, "TMPDIR": files})
        self.assertRegex(told, r"(?m)^OK")

    def architectures(self, root):
        """Of the program's own device code."""
        report = self.flense("inspect", root + PROGRAM, "--json").json
        return set(re.findall(r"\b(?:sm|compute)_\d+", json.dumps(report)))

    def compare(self, archive):
        root = self.path("slim")
        rootfs.unpack(archive, root)
        expected = self.answers(root)
        self.assertEqual([status for status, _, _ in expected], [0, 4, 0, 0, 2])
        self.assertIn("no GPU can be used here: ", expected[1][2])
        self.own_tests(root)
        self.assertIn("sm_120", self.architectures(root))
        for name, options in LEVELS.items():
            with self.subTest(level=name):
                report, packed = self.slim(archive, *options)
                self.assertEqual(self.answers(root), expected)
                self.own_tests(root)
                self.assertNotIn("sm_120", self.architectures(root))
                reasons = sorted(report["passes"], key=lambda one: -one["bytes"])
                print(f"{name}: unpacked {report['unpacked_bytes_before']} -> {report['unpacked_bytes_after']}, "
                      f"packed {packed}; " + ", ".join(f"{one['id']} {one['bytes'] / 1e6:.1f}" for one in reasons
                                                        if one["bytes"] >= 1e5))

    def test_two_stages(self):
        self.compare(self.image("cuda-cpp", 8e9))

    def test_one_stage(self):
        self.compare(self.image("cuda-cpp-one-stage", 13e9, "--one-stage"))


if __name__ == "__main__":
    harness.main()
