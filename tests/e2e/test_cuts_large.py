#!/usr/bin/env python3
"""Real images: what inspect announces is what slim plans, at every level. Needs the images of scripts/make-image.py
(built here when missing) and some 40 GB of disk."""

import os
import subprocess
import sys

import harness
import test_cuts


class Large(test_cuts.Comparison):
    def image(self, name):
        subprocess.run([sys.executable, os.path.join(harness.TOP, "scripts/make-image.py"), name], check=True,
                       stdout=subprocess.DEVNULL)
        return os.path.join(harness.CACHE, "images", name + ".tar")

    def check(self, name, gpus):
        archive = self.image(name)
        for gpu in gpus:
            for level in test_cuts.LEVELS:
                with self.subTest(gpu=gpu, level=level):
                    announced, _ = self.compare(archive, gpu, level)
                    self.assertIn("device-code", announced)

    def test_the_demo_image(self):
        self.check("small", ["sm_90", "sm_80,sm_120"])

    def test_pytorch(self):
        self.check("fat", ["sm_90"])

    def test_rocm(self):
        self.check("rocm", ["gfx942", "gfx1100"])


if __name__ == "__main__":
    harness.main()
