#!/usr/bin/env python3
"""The real PyTorch images, original and slim: the same digests of the same computations.

Needs some 20 GB of disk and the images of scripts/make-image.py (built here when missing)."""

import json
import os
import subprocess
import sys

import harness
import rootfs

HERE = os.path.dirname(os.path.abspath(__file__))
LEVELS = os.environ.get("FLENSE_LEVELS", "standard").split(",")
GPUS = os.environ.get("FLENSE_GPUS", "sm_90").split(" ")


class PyTorch(harness.Case):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("unpacking owners needs root")

    def image(self, name):
        subprocess.run([sys.executable, os.path.join(harness.TOP, "scripts/make-image.py"), name], check=True,
                       stdout=subprocess.DEVNULL)
        return os.path.join(harness.CACHE, "images", name + ".tar")

    def compare(self, name, script, python, **more):
        archive = self.image(name)
        bind = [(os.path.join(HERE, script), "/tmp/workload.py")]
        original = self.path("original")
        rootfs.unpack(archive, original)
        expected = rootfs.run(original, [python, "/tmp/workload.py"], bind, **more)
        before = int(self.run_tool("du", "-sb", original).split()[0])
        subprocess.run(["rm", "-rf", original], check=True)
        for level in LEVELS:
            for gpu in GPUS:
                with self.subTest(level=level, gpu=gpu):
                    slim = self.path("slim")
                    report = self.flense("slim", archive, "--gpu", gpu, "--level", level, "-o", f"dir:{slim}", "--json",
                                         timeout=3000).json
                    after = int(self.run_tool("du", "-sb", slim).split()[0])
                    print(f"{name} {gpu} {level}: merged root {before} -> {after} bytes ({after / before:.1%}); "
                          f"{json.dumps(report.get('totals', {}))[:300]}")
                    answer = rootfs.run(slim, [python, "/tmp/workload.py"], bind, **more)
                    self.assertEqual(json.loads(answer), json.loads(expected))
                    subprocess.run(["rm", "-rf", slim], check=True)

    def test_clean(self):
        self.compare("clean", "workload.py", "/usr/bin/python3")

    def test_fat(self):
        self.compare("fat", "workload.py", "/opt/venv/bin/python")

    def test_fat_service(self):
        self.compare("fat", "workload_http.py", "/opt/venv/bin/python", env={"PATH": "/opt/venv/bin:/usr/bin:/bin"})


if __name__ == "__main__":
    harness.main()
