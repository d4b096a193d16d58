#!/usr/bin/env python3
"""The release binary is one static file: it starts in a root directory that holds nothing else."""

import os
import shutil
import subprocess

import fixtures
import harness


class EmptyRoot(harness.Case):
    def test_static(self):
        headers = self.run_tool("readelf", "-lW", harness.BINARY)
        self.assertFalse("INTERP" in headers, "the binary asks for a dynamic loader")
        self.assertFalse("NEEDED" in self.run_tool("readelf", "-dW", harness.BINARY))

    def test_starts_and_works_in_an_empty_root(self):
        if os.geteuid() != 0:
            self.skipTest("chroot needs root")
        root = self.path("root")
        os.mkdir(root)
        shutil.copy(harness.BINARY, f"{root}/flense")
        source = self.path("libfake.so")
        fixtures.cuda_library(source)
        shutil.copy(source, f"{root}/lib.so")

        def inside(*arguments):
            done = subprocess.run([shutil.which("chroot") or "/usr/sbin/chroot", root, "/flense", *arguments], env={}, check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout.decode()

        self.assertIn("flense", inside("--version"))
        self.assertIn("sm_90", inside("inspect", "/lib.so"))
        inside("slim", "/lib.so", "--gpu", "sm_90", "--in-place")
        entries = fixtures.loaded_entries(f"{root}/lib.so")
        self.assertEqual({arch for region in entries for _, arch, _, _ in region}, {90})
        self.assertEqual(sorted(n for n in os.listdir(root) if n not in ("flense", "lib.so")), [])


if __name__ == "__main__":
    harness.main()
