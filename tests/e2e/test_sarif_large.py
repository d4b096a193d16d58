#!/usr/bin/env python3
"""SARIF of `flense lint` and `flense check` against the schema of SARIF 2.1.0 as Microsoft's SARIF SDK (npm) carries
it, by jsonschema (PyPI)."""

import json
import os
import shutil
import subprocess
import sys

import fixtures
import harness
import tools

VALIDATE = """
import json, sys, jsonschema
schema = json.load(open(sys.argv[1]))
checker = jsonschema.validators.validator_for(schema)(schema)
print(json.dumps([problem.message[:300] for problem in checker.iter_errors(json.load(sys.stdin))]))
"""


class Sarif(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if shutil.which("npm") is None:
            print("npm is missing", file=sys.stderr)
            sys.exit(77)
        cls.python = os.path.join(tools.environment("venv-jsonschema", "jsonschema==4.26.0"), "bin/python")
        cls.schema = os.path.join(tools.node_package("@microsoft/sarif-multitool-linux", "5.7.0"), "sarif-2.1.0.json")

    def complaints(self, document):
        done = subprocess.run([self.python, "-c", VALIDATE, self.schema], input=json.dumps(document), text=True,
                              stdout=subprocess.PIPE, check=True)
        return json.loads(done.stdout)

    def test_lint(self):
        for folder, status in (("examples/mistakes", 1), ("examples", 1), ("examples/batch", 0)):
            log = self.flense("lint", "--format", "sarif", os.path.join(harness.TOP, folder), expect=status).json
            self.assertTrue(log["runs"][0]["tool"]["driver"]["rules"])
            self.assertEqual(self.complaints(log), [], folder)
        fixes = [result for result in self.flense("lint", "--format", "sarif", os.path.join(
            harness.TOP, "examples/mistakes"), expect=1).json["runs"][0]["results"] if "fixes" in result]
        self.assertGreater(len(fixes), 5)

    def test_check(self):
        image, _ = fixtures.sample_archive(self.work)
        log = self.flense("check", image, "--host", "h100@450.80.02", "--format", "sarif", expect=None).json
        self.assertEqual(self.complaints(log), [])

    def test_a_wrong_one_is_noticed(self):
        log = self.flense("lint", "--format", "sarif", os.path.join(harness.TOP, "examples/mistakes"), expect=1).json
        log["runs"][0]["results"][0]["level"] = "terrible"
        del log["runs"][0]["tool"]
        self.assertEqual(len(self.complaints(log)), 2)


if __name__ == "__main__":
    harness.main()
