#!/usr/bin/env python3
"""The Compose files and Kubernetes manifests of tests/lint/launch against other people's validators: the
models of the Compose Specification's schema (compose-spec of PyPI) and the schemas of the Kubernetes API
(kubernetes-validate of PyPI), which are fetched into the cache. The unit tests read the same files: what
is accepted here has no problem there, and what is refused has one."""

import glob
import json
import os
import subprocess
import sys

import harness
import tools

sys.path.insert(0, os.path.join(harness.TOP, "tests/lint"))
import launch_corpus  # noqa: E402

CORPUS = os.path.join(harness.TOP, "tests/lint/launch")
# PyYAML keeps the last of two equal keys; Go's yaml.v3, which both engines use, refuses them.
PYYAML_IS_LENIENT = {"duplicate.compose.yaml", "duplicate.kubernetes.yaml"}

ASK_COMPOSE = """
import sys, json, yaml, compose_spec
out = {}
for path in sys.argv[1:]:
    try:
        compose_spec.ComposeSpecification.model_validate(yaml.safe_load(open(path)))
        out[path] = ""
    except Exception as problem:
        out[path] = str(problem) or "refused"
print(json.dumps(out))
"""


class LaunchFiles(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.compose = tools.environment("venv-compose", "compose-spec==0.2.1", "pyyaml")
        cls.kubernetes = tools.environment("venv-kubernetes", "kubernetes-validate")

    def paths(self, pattern):
        return sorted(glob.glob(os.path.join(CORPUS, pattern)))

    def compose_says(self, paths):
        done = subprocess.run([f"{self.compose}/bin/python", "-c", ASK_COMPOSE, *paths], check=True, stdout=subprocess.PIPE)
        return json.loads(done.stdout)

    def kubernetes_says(self, path):
        done = subprocess.run([f"{self.kubernetes}/bin/kubernetes-validate", "--strict", "-k", "1.34.0", path], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return "" if done.returncode == 0 else done.stdout.decode(errors="replace") or "refused"

    def test_the_corpus_is_what_its_script_writes(self):
        for path, text in launch_corpus.files():
            with open(os.path.join(CORPUS, path)) as stored:
                self.assertEqual(stored.read(), text, path)

    def test_compose_accepts_the_good_ones(self):
        paths = self.paths("compose/*")
        self.assertGreaterEqual(len(paths), 60)
        for path, problem in self.compose_says(paths).items():
            self.assertEqual(problem, "", path)

    def test_kubernetes_accepts_the_good_ones(self):
        paths = self.paths("kubernetes/*")
        self.assertGreaterEqual(len(paths), 35)
        for path in paths:
            self.assertEqual(self.kubernetes_says(path), "", path)

    def test_both_refuse_the_broken_ones(self):
        for path, problem in self.compose_says(self.paths("broken/*.compose.yaml")).items():
            self.assertEqual(problem == "", os.path.basename(path) in PYYAML_IS_LENIENT, path)
        for path in self.paths("broken/*.kubernetes.yaml"):
            lenient = os.path.basename(path) in PYYAML_IS_LENIENT
            self.assertEqual(self.kubernetes_says(path) == "", lenient, path)


if __name__ == "__main__":
    harness.unittest.main()
