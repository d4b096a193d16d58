#!/usr/bin/env python3
"""The Kubernetes manifests of the examples, and the claim on devices that check writes, against the schemas of the API by
kubernetes-validate; the claim's expression by cel-python on devices as NVIDIA's driver publishes them. Both are PyPI's,
fetched into the cache."""

import glob
import json
import os
import subprocess

import fixtures
import harness
import tools

# The first one with backoffLimitPerIndex by default, and a newer one.
VERSIONS = ("1.29.0", "1.34.0")
# Evaluates a CEL expression for each device of a list; semver() and its methods as the API server has them.
CEL = """
import json, sys
import celpy
from celpy import celtypes
class Version(celtypes.StringType):
    def numbers(self):
        return [int(one) for one in self.split(".")]
def compare(one, other):
    one, other = one.numbers(), other.numbers()
    return celtypes.IntType((one > other) - (one < other))
functions = {"semver": Version, "compareTo": compare, "major": lambda one: celtypes.IntType(one.numbers()[0]),
             "minor": lambda one: celtypes.IntType(one.numbers()[1])}
asked = json.load(sys.stdin)
environment = celpy.Environment()
program = environment.program(environment.compile(asked["expression"]), functions=functions)
answers = []
for one in asked["devices"]:
    attributes = {celtypes.StringType(name): (Version(value["version"]) if "version" in value else celtypes.StringType(
        value["string"])) for name, value in one.items()}
    device = celtypes.MapType({celtypes.StringType("attributes"): celtypes.MapType({
        celtypes.StringType("gpu.nvidia.com"): celtypes.MapType(attributes)})})
    answers.append(bool(program.evaluate({"device": device})))
print(json.dumps(answers))
"""


def published(product, architecture, capability, driver):
    """The attributes of a GPU in a resource slice."""
    return {"type": {"string": "gpu"}, "productName": {"string": product}, "architecture": {"string": architecture},
            "cudaComputeCapability": {"version": capability}, "driverVersion": {"version": driver}}


# Whether a GPU is one for an image of CUDA 13.0 with machine code from Volta to Blackwell and PTX of the newest.
DEVICES = [
    (published("Tesla V100-SXM2-32GB", "Volta", "7.0.0", "580.65.6"), True),
    (published("Tesla T4", "Turing", "7.5.0", "580.95.5"), True),
    (published("NVIDIA H100 80GB HBM3", "Hopper", "9.0.0", "580.65.6"), True),
    (published("NVIDIA H100 80GB HBM3", "Hopper", "9.0.0", "580.65.5"), False),
    (published("NVIDIA H100 80GB HBM3", "Hopper", "9.0.0", "575.57.8"), False),
    (published("Tesla P100-PCIE-16GB", "Pascal", "6.0.0", "580.65.6"), False),
    (published("NVIDIA B200", "Blackwell", "10.0.0", "580.105.8"), True),
    (published("a GPU to come", "to come", "14.0.0", "700.1.0"), True),
]


class Manifests(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.program = os.path.join(tools.environment("venv-kubernetes", "kubernetes-validate"), "bin/kubernetes-validate")

    def status(self, manifest, version):
        return subprocess.run([self.program, "--strict", "-k", version, manifest], check=False, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode

    def test_all_are_valid(self):
        manifests = [path for folder in ("kubernetes", "fleet")
                     for path in glob.glob(os.path.join(harness.TOP, "examples", folder, "*.yaml"))]
        self.assertGreaterEqual(len(manifests), 3)
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

    def test_a_claim_on_devices(self):
        image, _ = fixtures.sample_archive(self.work)
        claim = self.path("claim.yaml")
        with open(claim, "w") as out:
            out.write(self.flense("check", image, "--emit", "device-claim").out)
        self.assertEqual(self.status(claim, "1.34.0"), 0)
        with open(claim) as text:
            wrong = text.read().replace("exactly:", "exact:")
        with open(self.path("wrong.yaml"), "w") as out:
            out.write(wrong)
        self.assertNotEqual(self.status(self.path("wrong.yaml"), "1.34.0"), 0)
        with open(claim) as text:
            document = json.loads(self.run_tool("python3", "-c", "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))",
                                                stdin=text))
        request, = document["spec"]["spec"]["devices"]["requests"]
        selector, = request["exactly"]["selectors"]
        python = os.path.join(tools.environment("venv-cel", "cel-python==0.3.0"), "bin/python")
        answers = subprocess.run([python, "-c", CEL], check=True, stdout=subprocess.PIPE, text=True, input=json.dumps(
            {"expression": selector["cel"]["expression"], "devices": [one for one, _ in DEVICES]})).stdout
        self.assertEqual(json.loads(answers), [fits for _, fits in DEVICES])


if __name__ == "__main__":
    harness.unittest.main()
