#!/usr/bin/env python3
"""The Kubernetes manifests of the examples against the schemas of the API, by kubernetes-validate of
PyPI, which is fetched into the cache."""

import glob
import os
import subprocess

import harness
import tools

# The first one with backoffLimitPerIndex by default, and a newer one.
VERSIONS = ("1.29.0", "1.34.0")


class Manifests(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.program = os.path.join(tools.environment("venv-kubernetes", "kubernetes-validate"), "bin/kubernetes-validate")

    def status(self, manifest, version):
        return subprocess.run([self.program, "--strict", "-k", version, manifest], check=False, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode

    def test_all_are_valid(self):
        manifests = glob.glob(os.path.join(harness.TOP, "examples/kubernetes/*.yaml"))
        self.assertGreaterEqual(len(manifests), 2)
        for manifest in manifests:
            for version in VERSIONS:
                with self.subTest(manifest=manifest, version=version):
                    self.assertEqual(self.status(manifest, version), 0)

    def test_a_wrong_one_is_noticed(self):
        with open(os.path.join(harness.TOP, "examples/kubernetes/slim-job.yaml")) as text:
            wrong = text.read().replace("completionMode:", "completionModus:")
        with open(self.path("wrong.yaml"), "w") as out:
            out.write(wrong)
        self.assertNotEqual(self.status(self.path("wrong.yaml"), VERSIONS[0]), 0)


if __name__ == "__main__":
    harness.unittest.main()
