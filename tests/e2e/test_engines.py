#!/usr/bin/env python3
"""Slim images load into the real engines and run there."""

import json
import os
import re

import engines
import fixtures
import harness
import imagetree

PROBE = "sha256sum /opt/second-name /opt/replaced && cat /etc/os-release"


class Engines(harness.Case):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("the engines are tested as root")
        self.input, _ = fixtures.sample_archive(self.work)
        before = imagetree.merged(imagetree.read_image(self.input).layers)
        self.expected = (f"{before['opt/second-name']['sha256']}  /opt/second-name\n"
                         f"{before['opt/replaced']['sha256']}  /opt/replaced\n"
                         + before["etc/os-release"]["data"].decode())

    def slim(self, form, compression, name):
        out = self.path(name)
        self.flense("slim", self.input, "--gpu", "sm_90", "-o", f"{form}:{out}", "--compression", compression)
        return out

    def test_skopeo(self):
        for form, compression in [("oci", "zstd"), ("oci", "gzip"), ("oci-archive", "zstd"),
                                  ("docker-archive", "none"), ("docker-archive", "gzip")]:
            with self.subTest(form=form, compression=compression):
                out = self.slim(form, compression, f"{form}-{compression}")
                self.run_tool("skopeo", "--insecure-policy", "copy", f"{form}:{out}", f"dir:{out}.copy")

    def test_umoci(self):
        out = self.slim("oci", "gzip", "layout")
        root = engines.umoci_unpack(out, self.path("bundle"))
        done = self.run_tool("chroot", root, "/bin/sh", "-c", PROBE)
        self.assertEqual(done, self.expected)
        for gone in ("opt/deleted", "opt/first-name", "opt/opaque/old"):
            self.assertFalse(os.path.lexists(os.path.join(root, gone)))

    def test_squashed(self):
        out = self.path("layout")
        self.flense("slim", self.input, "--gpu", "sm_90", "-o", f"oci:{out}", "--squash", "--compression", "gzip")
        root = engines.umoci_unpack(out, self.path("bundle"))
        tag = self.run_tool("umoci", "list", "--layout", out).split()[0]
        self.assertEqual(self.run_tool("chroot", root, "/bin/sh", "-c", PROBE), self.expected)
        for gone in ("opt/deleted", "opt/first-name", "opt/opaque/old"):
            self.assertFalse(os.path.lexists(os.path.join(root, gone)))
        told = json.loads(self.run_tool("skopeo", "inspect", f"oci:{out}:{tag}"))
        self.assertEqual(len(told["Layers"]), 1)
        history = json.loads(self.run_tool("skopeo", "inspect", "--config", f"oci:{out}:{tag}"))["history"]
        self.assertEqual(len(history), 1)
        # The copy verifies digests and diff_ids.
        self.run_tool("skopeo", "--insecure-policy", "copy", f"oci:{out}:{tag}",
                      f"docker-archive:{self.path('copy.tar')}:x/y:1")

    def test_podman(self):
        podman = engines.Podman(self.path("p"), "vfs")
        for form, compression in [("docker-archive", "none"), ("docker-archive", "gzip"), ("oci-archive", "gzip"),
                                  ("oci-archive", "zstd")]:
            with self.subTest(form=form, compression=compression):
                out = self.slim(form, compression, f"{form}-{compression}.tar")
                self.assertEqual(podman.run(podman.load(out), ["/bin/sh", "-c", PROBE]), self.expected)

    def test_dockerd(self):
        docker = engines.Dockerd(self.path("d"))
        self.addCleanup(docker.stop)
        if docker.why:
            self.skipTest("dockerd does not start here: " + docker.why)
        for compression in ("none", "gzip"):
            with self.subTest(compression):
                out = self.slim("docker-archive", compression, f"{compression}.tar")
                image = docker.load(out)
                self.assertEqual(docker.run(image, ["/bin/sh", "-c", PROBE]), self.expected)
        # And the way in: what the engine saves is read again.
        saved = self.path("saved.tar")
        self.run_tool(*docker.base, "save", "-o", saved, image)
        self.assertEqual(len(self.flense("inspect", saved, "--json").json["layers"]), 3)
        self.from_the_engine(docker, image)

    def from_the_engine(self, docker, image):
        """The engine is asked for the bytes the first time alone."""
        def inspect(*options):
            done = self.flense("inspect", "docker-daemon:" + image, "--json", *options, env={"DOCKER_HOST": docker.base[2]}).json
            with open(docker.log) as log:
                return done, len(re.findall(r"Calling GET (?:/v[\d.]+)?/images/[^ ]+/get", log.read()))
        (first, once), (second, still) = inspect(), inspect()
        self.assertEqual(second["reading"]["cached_layers"], 3)
        self.assertEqual({**second, "reading": None}, {**first, "reading": None})
        (read, twice) = inspect("--no-cache")
        self.assertEqual({**read, "reading": None}, {**first, "reading": None})
        self.assertEqual((still - once, twice - once), (0, 1))


if __name__ == "__main__":
    harness.main()
