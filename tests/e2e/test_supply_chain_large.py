#!/usr/bin/env python3
"""What hangs on slim images, read by oras, cosign and skopeo. The first two are built from Go's module proxy into
$FLENSE_CACHE/go, once."""

import json
import os
import shutil
import subprocess
import unittest

import harness
import test_referrers

CACHE = os.environ.get("FLENSE_CACHE") or os.path.expanduser("~/.cache/flense")
PROGRAMS = {"oras": "oras.land/oras/cmd/oras@v1.3.6", "cosign": "github.com/sigstore/cosign/v2/cmd/cosign@v2.6.5"}


def program(name):
    """Its path; None where it cannot be built."""
    path = os.path.join(CACHE, "go/bin", name)
    if not os.path.exists(path):
        if shutil.which("go") is None:
            return None
        env = {**os.environ, "GOBIN": os.path.dirname(path), "GOFLAGS": "-mod=mod -p=1"}
        built = subprocess.run(["go", "install", PROGRAMS[name]], env=env, check=False)
        if built.returncode != 0:
            return None
    return path


class SupplyChain(test_referrers.Referrers):
    def setUp(self):
        super().setUp()
        self.programs = {name: program(name) for name in PROGRAMS}
        missing = [name for name, path in self.programs.items() if path is None]
        if missing:
            self.skipTest(f"{', '.join(missing)} cannot be built here")
        self.flense("slim", self.original_with_sbom(), "--variants", "h100,a100", "--prove", self.path("proof.json"), "-t",
                    f"docker://{self.there.address}/app:1", env=self.env)
        self.name = f"{self.there.address}/app:1-sm_90"

    def run_program(self, name, *words):
        done = subprocess.run([self.programs.get(name, name), *words], check=False, capture_output=True, text=True, cwd=self.work)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout + done.stderr

    def test_others_find_and_read_it(self):
        found = json.loads(self.run_program("oras", "discover", "--plain-http", "--format", "json", self.name))
        entries = found.get("referrers") or found["manifests"]
        types = {one["artifactType"]: one["digest"] for one in entries}
        self.assertEqual(set(types), {test_referrers.NODES, "application/spdx+json", test_referrers.PROOF})
        for kind, title in ((test_referrers.NODES, "compatibility.yaml"), ("application/spdx+json", "sbom.spdx.json"),
                            (test_referrers.PROOF, "proof.intoto.json")):
            self.run_program("oras", "pull", "--plain-http", "-o", self.path("pulled"), f"{self.there.address}/app@{types[kind]}")
            self.assertTrue(os.path.getsize(f"{self.path('pulled')}/{title}"))
        with open(f"{self.path('pulled')}/sbom.spdx.json") as text:
            self.assertEqual([package["name"] for package in json.load(text)["packages"]], ["odd"])
        self.flense("verify", "docker://" + self.name, "--proof", f"{self.path('pulled')}/proof.intoto.json", env=self.env)
        told = self.run_program("cosign", "tree", "--allow-insecure-registry", "--allow-http-registry", "--experimental-oci11", self.name)
        for digest in types.values():
            self.assertIn(digest, told)
        for digest in types.values():
            raw = self.run_program("skopeo", "inspect", "--tls-verify=false", "--raw", f"docker://{self.there.address}/app@{digest}")
            self.assertEqual(json.loads(raw)["subject"]["mediaType"], "application/vnd.oci.image.manifest.v1+json")

    def test_oras_takes_a_layout_with_all_that_hangs_on_it(self):
        out = self.path("out")
        self.flense("slim", self.path("app.tar"), "--variants", "h100", "-o", f"oci:{out}:1")
        self.run_program("oras", "cp", "-r", "--from-oci-layout", "--to-plain-http", f"{out}:1-sm_90", f"{self.there.address}/copy:1")
        found = json.loads(self.run_program("oras", "discover", "--plain-http", "--format", "json", f"{self.there.address}/copy:1"))
        self.assertEqual([one["artifactType"] for one in found.get("referrers") or found["manifests"]], [test_referrers.NODES])


def load_tests(loader, *_):
    """Not those of the class that this one extends."""
    return unittest.TestSuite(SupplyChain(name) for name in loader.getTestCaseNames(SupplyChain) if name in SupplyChain.__dict__)


if __name__ == "__main__":
    harness.main()
