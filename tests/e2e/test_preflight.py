#!/usr/bin/env python3
"""flense run before it starts: an image that will not run here is refused with the finding, warnings are
said, and where the command writes is looked at. Machines are files."""

import os
import shutil

import harness
import hosts
import test_run


class Preflight(harness.Case):
    uid = None
    archive, environment, words = test_run.Run.archive, test_run.Run.environment, test_run.Run.words
    start, done, run_image = test_run.Run.start, test_run.Run.done, test_run.Run.run_image

    def setUp(self):
        super().setUp()
        reason = test_run.why_not()
        if reason:
            self.skipTest(reason)
        self.binary = self.path("flense")
        shutil.copy(harness.BINARY, self.binary)
        self.home, self.runtime = self.path("home"), self.path("runtime")
        os.mkdir(self.home)
        os.mkdir(self.runtime, 0o700)

    def machine(self, driver):
        tree = hosts.Host(self.path("machine-" + driver))
        tree.base()
        tree.nvidia_driver(driver)
        tree.nvidia_gpu("0000:17:00.0", 0, "NVIDIA H100 80GB HBM3", "2330")
        return tree.root

    def cuda13(self):
        return self.archive(test_run.busybox_layer(), Env=["PATH=/bin", "CUDA_VERSION=13.0.0"])

    def test_a_driver_that_is_too_old(self):
        image, machine = self.cuda13(), self.machine("550.54.15")
        words = ("--root", machine, "--gpus", "all", image, "echo", "here")
        for _ in range(2):
            refused = self.run_image(*words, expect=125)
            self.assertIn("error: the image will not run here: ", refused.err)
            self.assertIn("(driver-cuda)", refused.err)
            self.assertIn("--no-preflight", refused.err)
            self.assertEqual(refused.out, "")
        # The kept verdict is of this driver: with a newer one the question is asked anew.
        newer = self.run_image("--root", self.machine("580.95.05"), "--gpus", "all", image, "echo", "here", expect=None)
        self.assertNotIn("driver-cuda", newer.err)
        skipped = self.run_image("--no-preflight", *words, expect=None)
        self.assertNotIn("driver-cuda", skipped.err)
        # Who asks for no GPU needs none of it.
        self.assertEqual(self.run_image("--root", machine, image, "echo", "here").out, "here\n")

    def test_where_the_command_writes(self):
        image = self.archive(test_run.busybox_layer(), Env=["PATH=/bin", "HF_HOME=/opt/hf"])
        done = self.run_image(image, "echo", "--output", "/results/run1")
        self.assertIn("warning: --output names /results/run1 in the image, which is read-only: "
                      "-v $PWD/run1:/results/run1", done.err)
        self.assertIn("HF_HOME names /opt/hf", done.err)
        self.assertEqual(self.run_image("-q", image, "echo", "--output", "/results/run1").err, "")
        os.mkdir(os.path.join(self.home, "out"))
        done = self.run_image("-v", f"{self.home}/out:/results", "-e", "HF_HOME=/tmp/hf", image, "echo", "--output",
                              "/results/run1")
        self.assertNotIn("warning", done.err)


if __name__ == "__main__":
    harness.main()
