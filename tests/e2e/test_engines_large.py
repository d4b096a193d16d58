#!/usr/bin/env python3
"""The slim PyTorch images in the real engines: skopeo copies them, umoci unpacks them, podman and
dockerd load them, and in each the computations give what they give in the original.

FLENSE_IMAGES names the images (default "clean fat"). Needs root and some 25 GB of disk."""

import json
import os
import subprocess
import sys

import engines
import harness
import rootfs

HERE = os.path.dirname(os.path.abspath(__file__))
IMAGES = os.environ.get("FLENSE_IMAGES", "clean fat").split()
PYTHON = {"clean": "/usr/bin/python3", "fat": "/opt/venv/bin/python"}
SCRIPTS = {"clean": ["workload.py"], "fat": ["workload.py", "workload_http.py"]}
PATH = "/opt/venv/bin:/usr/local/bin:/usr/bin:/bin"


class LargeEngines(harness.Case):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("the engines are tested as root")

    def remove(self, *paths):
        subprocess.run(["rm", "-rf", *paths], check=True)

    def in_root(self, root, name):
        return {script: json.loads(rootfs.run(root, [PYTHON[name], "/tmp/workload.py"],
                                              [(os.path.join(HERE, script), "/tmp/workload.py")], env={"PATH": PATH}))
                for script in SCRIPTS[name]}

    def in_engine(self, engine, image, name):
        return {script: json.loads(engine.run(
            image, [PYTHON[name], "/tmp/workload.py"],
            ["-v", f"{os.path.join(HERE, script)}:/tmp/workload.py:ro", "-e", "HOME=/tmp", "-e", f"PATH={PATH}",
             "--entrypoint", ""])) for script in SCRIPTS[name]}

    def slim(self, archive, form, compression, name):
        out = self.path(name)
        self.flense("slim", archive, "--gpu", "sm_90", "-o", f"{form}:{out}", "--compression", compression, timeout=3000)
        return out

    def check(self, name):
        subprocess.run([sys.executable, os.path.join(harness.TOP, "scripts/make-image.py"), name], check=True,
                       stdout=subprocess.DEVNULL)
        archive = os.path.join(harness.CACHE, "images", name + ".tar")
        original = self.path("original")
        rootfs.unpack(archive, original)
        expected = self.in_root(original, name)
        self.remove(original)

        layout = self.slim(archive, "oci", "zstd", "zstd.oci")
        copy = self.path("copy.oci")
        self.run_tool("skopeo", "--insecure-policy", "copy", f"oci:{layout}", f"oci:{copy}:x", timeout=3000)
        self.remove(layout, copy)
        print(f"{name}: skopeo copies the zstd layout")

        layout = self.slim(archive, "oci", "gzip", "gzip.oci")
        root = engines.umoci_unpack(layout, self.path("bundle"))
        self.assertEqual(self.in_root(root, name), expected)
        self.remove(layout, self.path("bundle"))
        print(f"{name}: umoci unpacks the gzip layout, equal results")

        packed = self.slim(archive, "oci-archive", "zstd", "image.tar")
        podman = engines.Podman(self.path("podman"), "overlay")
        image = podman.load(packed)
        self.assertEqual(self.in_engine(podman, image, name), expected)
        self.run_tool(*podman.base, "rmi", "-f", image)
        self.remove(packed)
        print(f"{name}: podman runs the zstd OCI archive, equal results")

        packed = self.slim(archive, "docker-archive", "none", "image.tar")
        docker = engines.Dockerd(self.path("docker"))
        self.addCleanup(docker.stop)
        if docker.why:
            self.skipTest("dockerd does not start here: " + docker.why)
        image = docker.load(packed)
        self.assertEqual(self.in_engine(docker, image, name), expected)
        self.remove(packed)
        print(f"{name}: dockerd runs the docker-archive, equal results")

    def test_images(self):
        for name in IMAGES:
            with self.subTest(name):
                self.check(name)


if __name__ == "__main__":
    harness.main()
