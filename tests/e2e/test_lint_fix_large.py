#!/usr/bin/env python3
"""What `flense lint --fix` leaves of examples/mistakes still builds with BuildKit, launches and deploys: its commands are
those of the original, in the same order, with what the fixes add. The base image is a stand-in whose programs write
down how they were called, so that no registry and no driver package is needed."""

import json
import os
import re
import shutil
import subprocess
import sys

import engines
import harness
import tools

EXAMPLE = os.path.join(harness.TOP, "examples/mistakes")
BASE = "nvidia/cuda:12.1.1-cudnn8-devel-ubuntu18.04"
PROGRAMS = ("usr/bin/apt-get", "usr/bin/wget", "usr/bin/bash", "opt/conda/bin/conda", "usr/bin/pip", "usr/bin/git",
            "usr/bin/huggingface-cli", "usr/bin/chown", "usr/bin/python", "usr/bin/curl")
RECORDER = """#!/bin/sh
echo "${0##*/} $*" >> /calls
if [ "${0##*/} $1" = "git clone" ]; then /bin/busybox mkdir -p vllm; fi
"""
# Options that fixes add to commands, and the command that one adds.
ADDED_WORDS = {"--no-install-recommends"}
ADDED_CALLS = {"conda clean -ay"}
ASK_COMPOSE = """
import sys, yaml, compose_spec
compose_spec.ComposeSpecification.model_validate(yaml.safe_load(open(sys.argv[1])))
"""


class Fixed(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if os.geteuid() != 0 or not os.path.exists("/usr/bin/docker"):
            raise harness.unittest.SkipTest("dockerd is tested as root")

    def setUp(self):
        super().setUp()
        self.before, self.after = self.path("before"), self.path("after")
        for folder in (self.before, self.after):
            shutil.copytree(EXAMPLE, folder)
        self.flense("lint", "--fix=unsafe", "--pedantic", self.after, expect=1)

    def base(self):
        root = self.path("root")
        os.makedirs(os.path.join(root, "bin"))
        # The shell of busybox would take its own wget before the one on PATH.
        libraries = re.findall(r"(/\S+)", self.run_tool("ldd", "/bin/dash"))
        for path in ["/bin/busybox", "/bin/dash", *libraries]:
            os.makedirs(root + os.path.dirname(path), exist_ok=True)
            shutil.copy(path, root + path)
        os.symlink("busybox", os.path.join(root, "bin/rm"))
        os.symlink("dash", os.path.join(root, "bin/sh"))
        for program in PROGRAMS:
            path = os.path.join(root, program)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as out:
                out.write(RECORDER)
            os.chmod(path, 0o755)
        self.run_tool("tar", "-cf", self.path("root.tar"), "-C", root, ".")
        return self.path("root.tar")

    def built(self, docker, folder):
        """The calls that the build made."""
        os.makedirs(os.path.join(folder, "lib"))
        with open(os.path.join(folder, "lib/libcuda.so.1"), "wb") as out:
            out.write(b"a driver library")
        ident = self.path("image.id")
        done = subprocess.run([*docker.base, "build", "--network", "none", "--progress", "plain", "--iidfile", ident, folder],
                              check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={**os.environ, "DOCKER_BUILDKIT": "1"}, timeout=900)
        self.assertEqual(done.returncode, 0, done.stdout.decode("utf-8", "replace")[-3000:])
        with open(ident) as source:
            image = source.read().strip()
        name = self.run_tool(*docker.base, "create", image).strip()
        self.run_tool(*docker.base, "cp", f"{name}:/calls", self.path("calls"))
        with open(self.path("calls")) as calls:
            lines = calls.read().splitlines()
        os.remove(self.path("calls"))
        return lines, json.loads(self.run_tool(*docker.base, "inspect", image))[0]["Config"]

    def test_it_still_builds_and_does_the_same(self):
        docker = engines.Dockerd(self.path("docker"))
        if docker.why:
            self.skipTest("dockerd does not start here: " + docker.why)
        self.addCleanup(docker.stop)
        self.run_tool(*docker.base, "import", "--change", "ENV PATH=/opt/conda/bin:/usr/bin:/bin", self.base(), BASE)
        before, config_before = self.built(docker, self.before)
        after, config_after = self.built(docker, self.after)
        self.assertGreaterEqual(len(before), 12)
        self.assertNotEqual(before, after)
        same = [" ".join(word for word in call.split() if word not in ADDED_WORDS) for call in after
                if call not in ADDED_CALLS]
        self.assertEqual(same, before)
        self.assertEqual(config_after["Cmd"], config_before["Cmd"])
        self.assertGreater(config_after["Healthcheck"]["StartPeriod"], config_before["Healthcheck"].get("StartPeriod", 0))
        self.assertNotIn("stubs", " ".join(config_after["Env"]))

    def test_the_launch_files_are_valid(self):
        compose = tools.environment("venv-compose", "compose-spec==0.2.1", "pyyaml")
        kubernetes = tools.environment("venv-kubernetes", "kubernetes-validate")
        # The original lacks a field that Compose requires, which is one of its mistakes.
        ask = [f"{compose}/bin/python", "-c", ASK_COMPOSE]
        self.assertNotEqual(subprocess.run([*ask, os.path.join(self.before, "compose.yaml")], check=False,
                                           stderr=subprocess.DEVNULL).returncode, 0)
        self.run_tool(*ask, os.path.join(self.after, "compose.yaml"))
        self.run_tool(f"{kubernetes}/bin/kubernetes-validate", "-k", "1.34.0",
                      os.path.join(self.after, "k8s/deployment.yaml"))
        self.run_tool("bash", "-n", os.path.join(self.after, "train.sbatch"))


if __name__ == "__main__":
    if shutil.which("busybox", path="/bin") is None:
        print("busybox is missing", file=sys.stderr)
        sys.exit(77)
    harness.main()
