#!/usr/bin/env python3
"""What `flense init` writes can be installed: uv finds a set of PyPI's packages for every template and five hosts, all
of NVIDIA's beside JAX are of the CUDA that was chosen, and the tests of the project without PyTorch pass on a CPU.
PyTorch's builds for one CUDA are at an index of its own: here the release of the same number is taken from PyPI.

Needs PyPI, and a Python 3.12 for the tests of the JAX project (FLENSE_PYTHON312, else python3.12)."""

import os
import re
import shutil
import subprocess
import sys

import harness
import tools

NVIDIA = ["h100@550.54.15", "a100@535.104.05", "l4", "h100@580.65.06", "b200@610.10"]
AMD = ["mi300x@6.10.5", "mi250x@6.12.12", "mi300x@6.16.13", "mi210@6.16.13", "mi355x@6.16.13"]
# NVIDIA leaves it open within its major, and cuDNN, NCCL and NVSHMEM have releases of their own.
OTHER_RELEASES = {"nvidia-nvjitlink", "nvidia-cudnn", "nvidia-nccl", "nvidia-nvshmem"}


def read(*parts):
    with open(os.path.join(*parts), encoding="utf-8") as text:
        return text.read()


class Resolved(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.uv = os.path.join(tools.environment("venv-uv", "uv==0.13.9"), "bin/uv")

    def project(self, template, host):
        out = self.path(f"{template}-{host}")
        self.flense("init", template, "--host", host, "-o", out)
        return out

    def pins(self, project):
        return [line for name in ("requirements.txt", "requirements-dev.txt") for line in
                read(project, name).splitlines()]

    def arguments(self, project):
        return dict(re.findall(r"^ARG (\w+)=(\S+)$", read(project, "Dockerfile"), re.M))

    def resolved(self, *wanted):
        done = subprocess.run([self.uv, "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python-version",
                               "3.12", "--python-platform", "x86_64-manylinux_2_36", "-"], check=False, text=True,
                              input="\n".join(wanted) + "\n", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 0, done.stderr)
        return dict(line.split("==") for line in done.stdout.split())

    def test_pytorch(self):
        asked = {}
        for template, hosts in (("pytorch-inference", NVIDIA), ("pytorch-training", NVIDIA), ("rocm-pytorch", AMD)):
            for host in hosts:
                project = self.project(template, host)
                release = self.arguments(project)["TORCH_VERSION"].partition("+")[0]
                wanted = (f"torch=={release}", *sorted(set(self.pins(project))))
                if wanted not in asked:
                    asked[wanted] = self.resolved(*wanted)
                self.assertEqual(asked[wanted]["torch"], release, (template, host))
        print(f"{len(asked)} sets of packages with PyTorch")

    def test_jax(self):
        for host in NVIDIA:
            project = self.project("jax", host)
            command = re.search(r"pip install \"(jax\[\S+)\" \\\n +\"(cuda-toolkit\S+)\"", read(project, "Dockerfile"))
            wanted = [re.sub(r"\$\{(\w+)\}", lambda name: self.arguments(project)[name[1]], word)
                      for word in command.groups()]
            found = self.resolved(*wanted, *self.pins(project))
            pinned = self.resolved(wanted[1].replace("cuda-toolkit[", "cuda-toolkit[all,"))
            theirs = {name for name in found if name.startswith("nvidia-") and
                      re.sub(r"-cu\d+$", "", name) not in OTHER_RELEASES}
            self.assertGreater(len(theirs), 7)
            self.assertEqual({name: found[name] for name in theirs}, {name: pinned.get(name) for name in theirs}, host)

    def test_the_tests_of_jax(self):
        python = os.environ.get("FLENSE_PYTHON312") or shutil.which("python3.12")
        if not python or subprocess.run([python, "--version"], capture_output=True, check=False).returncode != 0:
            self.skipTest("no Python 3.12")
        project = self.project("jax", NVIDIA[0])
        own = self.path("venv")
        subprocess.run([python, "-m", "venv", own], check=True)
        subprocess.run([f"{own}/bin/pip", "install", "--quiet", f"jax=={self.arguments(project)['JAX_VERSION']}",
                        *self.pins(project)], check=True)
        done = subprocess.run([f"{own}/bin/python", "-m", "pytest", "-q"], cwd=project, check=False, text=True,
                              stdout=subprocess.PIPE)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn(" passed", done.stdout)


if __name__ == "__main__":
    sys.exit(harness.main())
