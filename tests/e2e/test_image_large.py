#!/usr/bin/env python3
"""The image of a release in a dockerd of its own: run as a program, and used by the Dockerfile of examples/in-a-build. The
base image is Debian with Python under the name that the file asks for, its packages are wheels of ours.

Needs root, dockerd and skopeo."""

import json
import os
import shutil
import subprocess
import sys

import engines
import fixtures
import harness
import test_dist
import test_init_large
import wheels

EXAMPLE = os.path.join(harness.TOP, "examples/in-a-build")
BASE = "python:3.12.12-slim-bookworm"


class Image(harness.Case):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0 or not os.path.exists("/usr/bin/docker") or not shutil.which("skopeo"):
            raise harness.unittest.SkipTest("dockerd is tested as root, with skopeo")
        cls.folder = harness.tempfile.mkdtemp(prefix="flense-image-", dir=os.environ.get("FLENSE_TEST_DIR"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        done = test_dist.make(os.path.join(cls.folder, "dist"), "image")
        if done.returncode != 0:
            raise RuntimeError(done.stderr.decode())
        archive, = (os.path.join(cls.folder, "dist", name) for name in os.listdir(os.path.join(cls.folder, "dist"))
                    if name.endswith("-oci.tar"))
        cls.docker = engines.Dockerd(os.path.join(cls.folder, "docker"))
        if cls.docker.why:
            raise harness.unittest.SkipTest("dockerd does not start here: " + cls.docker.why)
        cls.addClassCleanup(cls.docker.stop)
        # Docker 20.10 loads no OCI archive.
        engines.output(["skopeo", "copy", "--override-arch", "amd64", f"oci-archive:{archive}",
                        f"docker-archive:{cls.folder}/flense.tar:flense:latest"])
        cls.docker.load(f"{cls.folder}/flense.tar")

    def test_it_is_a_program(self):
        self.assertIn("inspect", self.docker.run("flense", []))
        archive, _ = fixtures.sample_archive(self.work)
        with open(archive, "rb") as source:
            done = subprocess.run([*self.docker.base, "run", "--rm", "-i", "--network", "none", "flense", "inspect", "-", "--json"],
                                  stdin=source, stdout=subprocess.PIPE, check=True)
        told, here = json.loads(done.stdout), self.flense("inspect", archive, "--json").json
        self.assertEqual((told["digest"], told["files"], told["device_code"]), (here["digest"], here["files"], here["device_code"]))
        self.docker.run("flense", ["slim", "app.tar", "--gpu", "h100", "-o", "oci-archive:slim.tar"], ["-v", f"{self.work}:/work"])
        self.assertTrue(os.path.exists(self.path("slim.tar")))

    def test_the_example(self):
        project = self.path("project")
        shutil.copytree(EXAMPLE, project)
        with open(os.path.join(project, "requirements.txt"), "w", encoding="utf-8") as out:
            out.write("fake-gpu==1.5\n")
        os.makedirs(self.path("wheels"))
        original = wheels.gpu_wheel(self.path("wheels"), version="1.5")
        server = test_init_large.Wheels([self.path("wheels")])
        self.addCleanup(server.shutdown)
        extra = self.path("extra")
        for folder in ("usr/local/bin", "etc"):
            os.makedirs(os.path.join(extra, folder))
        os.symlink("/usr/bin/python3", os.path.join(extra, "usr/local/bin/python"))
        with open(os.path.join(extra, "etc/pip.conf"), "w", encoding="utf-8") as out:
            out.write(f"[global]\nno-index = true\nfind-links = {server.address}\ntrusted-host = 127.0.0.1\n")
        shutil.copy(test_init_large.debian("python3,python3-venv,ca-certificates"), self.path("python.tar"))
        self.run_tool("tar", "-rf", self.path("python.tar"), "-C", extra, "./usr/local/bin/python", "./etc/pip.conf")
        self.run_tool(*self.docker.base, "import", "--change", "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                      self.path("python.tar"), BASE)
        self.run_tool(*self.docker.base, "build", "--network", "host", "-t", "app", project,
                      env={**os.environ, "DOCKER_BUILDKIT": "1"}, timeout=600)
        self.assertEqual(self.docker.run("app", ["-c", "import fake_gpu; print(fake_gpu.answer())"]),
                         "[" + ", ".join(map(str, self.answers(original))) + "]\n")
        self.assertRegex(self.docker.run("app", ["/usr/local/bin/flense", "--version"], ["--entrypoint", ""]), r"\Aflense [0-9.]+\n\Z")
        size = int(self.docker.run("app", ["-c", "import fake_gpu, os; print(os.path.getsize(fake_gpu.__path__[0] + '/lib/libfakegpu.so.1'))"]))
        self.assertLess(size, len(wheels.read(original)["fake_gpu/lib/libfakegpu.so.1"]))

    def answers(self, wheel):
        """What the wheel answers as it was."""
        self.run_tool(sys.executable, "-m", "zipfile", "-e", wheel, self.path("original"))
        return json.loads(self.run_tool(sys.executable, "-c", "import fake_gpu; print(fake_gpu.answer())",
                                        env={**os.environ, "PYTHONPATH": self.path("original")}))


if __name__ == "__main__":
    harness.main()
