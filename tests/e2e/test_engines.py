#!/usr/bin/env python3
"""Slim images load into the real engines and run there. Each engine is started on private paths and
stopped by its own process id."""

import json
import os
import shutil
import subprocess
import time

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
        tag = self.run_tool("umoci", "list", "--layout", out).split()[0]
        self.run_tool("umoci", "unpack", "--image", f"{out}:{tag}", self.path("bundle"))
        root = self.path("bundle/rootfs")
        done = self.run_tool("chroot", root, "/bin/sh", "-c", PROBE)
        self.assertEqual(done, self.expected)
        for gone in ("opt/deleted", "opt/first-name", "opt/opaque/old"):
            self.assertFalse(os.path.lexists(os.path.join(root, gone)))

    def test_squashed(self):
        out = self.path("layout")
        self.flense("slim", self.input, "--gpu", "sm_90", "-o", f"oci:{out}", "--squash", "--compression", "gzip")
        tag = self.run_tool("umoci", "list", "--layout", out).split()[0]
        self.run_tool("umoci", "unpack", "--image", f"{out}:{tag}", self.path("bundle"))
        root = self.path("bundle/rootfs")
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
        base = ["podman", "--root", self.path("p"), "--runroot", self.path("p/run"), "--storage-driver", "vfs",
                "--cgroup-manager", "cgroupfs", "--events-backend", "none"]
        # crun refuses hosts with hybrid cgroups; runc, which comes with dockerd, takes both.
        runc = shutil.which("runc") or shutil.which("runc", path="/usr/sbin:/sbin")
        if runc:
            base += ["--runtime", runc]
        for form, compression in [("docker-archive", "none"), ("docker-archive", "gzip"), ("oci-archive", "gzip"),
                                  ("oci-archive", "zstd")]:
            with self.subTest(form=form, compression=compression):
                out = self.slim(form, compression, f"{form}-{compression}.tar")
                loaded = self.run_tool(*base, "load", "-q", "-i", out)
                image = loaded.strip().split()[-1]
                done = subprocess.run([*base, "run", "--rm", "--network", "none",
                                       "--ulimit", "nofile=1024:1024",
                                       "--ulimit", "nproc=4096:4096", image, "/bin/sh", "-c", PROBE],
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(done.stdout.decode(), self.expected)

    def test_dockerd(self):
        socket, log = self.path("d.sock"), open(self.path("d.log"), "wb")
        self.addCleanup(log.close)
        process = subprocess.Popen(
            ["dockerd", "--data-root", self.path("d/data"), "--exec-root", self.path("d/exec"), "-H",
             f"unix://{socket}", "--pidfile", self.path("d.pid"), "--iptables=false", "--bridge=none"],
            stdout=log, stderr=log)

        def stop():
            process.terminate()
            process.wait(timeout=60)
        self.addCleanup(stop)
        docker = ["/usr/bin/docker", "-H", f"unix://{socket}"]
        for _ in range(120):
            if subprocess.run([*docker, "version"], check=False, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0:
                break
            if process.poll() is not None:
                with open(self.path("d.log")) as text:
                    self.skipTest("dockerd does not start here: " + text.read()[-300:])
            time.sleep(0.5)
        for compression in ("none", "gzip"):
            with self.subTest(compression):
                out = self.slim("docker-archive", compression, f"{compression}.tar")
                loaded = self.run_tool(*docker, "load", "-q", "-i", out)
                image = loaded.strip().split()[-1]
                answer = self.run_tool(*docker, "run", "--rm", "--network", "none", image, "/bin/sh", "-c", PROBE)
                self.assertEqual(answer, self.expected)
        # And the way in: what the engine saves is read again.
        image = subprocess.run([*docker, "images", "-q"], check=True, stdout=subprocess.PIPE).stdout.decode().split()[0]
        saved = self.path("saved.tar")
        self.run_tool(*docker, "save", "-o", saved, image)
        self.assertEqual(len(self.flense("inspect", saved, "--json").json["layers"]), 3)


if __name__ == "__main__":
    harness.main()
