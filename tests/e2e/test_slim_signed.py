#!/usr/bin/env python3
"""Files whose content something vouches for stay, and every report says so: IMA and EVM, fs-verity, hashed stores."""

import array
import fcntl
import json
import os
import shutil
import struct
import subprocess

import fixtures
import harness
import imagetree

GPU = ["--gpu", "sm_90"]
STORE = "nix/store/0123456789abcdfghijklmnpqrsvwxyz-torch-2.9"
FS_IOC_ENABLE_VERITY = 0x40806685


class Signed(harness.Case):
    def setUp(self):
        super().setUp()
        self.library = self.path("libfake.so")
        fixtures.cuda_library(self.library, regions=2, payload=4000)

    def image(self, paths):
        """A docker archive; paths: path -> attributes."""
        layer, made = fixtures.Layer(), set()
        for path, attributes in paths.items():
            parts = path.split("/")[:-1]
            for depth in range(len(parts)):
                folder = "/".join(parts[:depth + 1])
                if folder not in made:
                    layer.folder(folder)
                    made.add(folder)
            layer.disk_file(path, self.library, xattrs=attributes)
        out = self.path("signed.tar")
        fixtures.docker_archive(out, [layer.done()], ["RUN something"])
        return out

    def digests(self, name):
        return {path: entry.get("sha256") for path, entry in imagetree.merged(imagetree.read_image(name).layers).items()}

    def told(self, target, path, word, *options):
        """Every report names the file and why it stays."""
        plan = self.flense("slim", target, *GPU, "--dry-run", "--json", *options).json
        why, = [one["why"] for one in plan["left_alone"] if one["path"] == path]
        self.assertIn(word, why)
        self.assertIn("--rewrite-signed", why)
        for more in ([], ["--html", self.path("page.html")]):
            text = self.flense("slim", target, *GPU, "--dry-run", "-v", *more, *options).out
            self.assertIn(word, text)
        with open(self.path("page.html"), encoding="utf-8") as page:
            self.assertIn(why, page.read())

    def test_attributes_in_layers(self):
        paths = {"opt/a/libima.so": {"security.ima": b"\x03\x02value"}, "opt/b/libevm.so": {"security.evm": b"\x02value"},
                 "opt/c/libplain.so": {"user.note": b"x"}}
        archive = self.image(paths)
        before = self.digests(archive)
        self.told(archive, "opt/a/libima.so", "security.ima")
        self.told(archive, "opt/b/libevm.so", "security.evm")
        report = self.flense("slim", archive, *GPU, "-o", f"oci:{self.path('out')}", "--json").json
        self.assertEqual(sorted(one["path"] for one in report["left_alone"]), ["opt/a/libima.so", "opt/b/libevm.so"])
        after = self.digests(self.path("out"))
        self.assertEqual({path: before[path] == after[path] for path in paths},
                         {"opt/a/libima.so": True, "opt/b/libevm.so": True, "opt/c/libplain.so": False})
        done = self.flense("slim", archive, *GPU, "-o", f"oci:{self.path('all')}", "--rewrite-signed")
        self.assertIn("security.ima no longer holds", done.out)
        after = self.digests(self.path("all"))
        self.assertFalse(any(before[path] == after[path] for path in paths))
        with open(self.path("all.provenance.json"), encoding="utf-8") as text:
            self.assertIs(json.load(text)["options"]["rewrite_signed"], True)

    def test_stores_in_layers(self):
        path = f"{STORE}/lib/libfake.so"
        archive = self.image({path: {}, "opt/libfake.so": {}})
        self.told(archive, path, "/nix/store")
        self.flense("slim", archive, *GPU, "-o", f"oci:{self.path('out')}")
        before, after = self.digests(archive), self.digests(self.path("out"))
        self.assertEqual(before[path], after[path])
        self.assertNotEqual(before["opt/libfake.so"], after["opt/libfake.so"])
        self.flense("slim", archive, *GPU, "-o", f"oci:{self.path('all')}", "--rewrite-signed")
        self.assertNotEqual(before[path], self.digests(self.path("all"))[path])

    def test_attributes_of_a_directory(self):
        root = self.path("root")
        os.makedirs(f"{root}/lib")
        file = f"{root}/lib/libfake.so"
        shutil.copy(self.library, file)
        try:
            os.setxattr(file, "security.ima", b"\x03\x02value")
        except OSError:
            self.skipTest("only root sets security.ima, where the file system has it")
        before = harness.file_digest(file)
        self.told(root, "lib/libfake.so", "security.ima", "--in-place")
        self.flense("slim", root, *GPU, "--in-place")
        self.assertEqual(harness.file_digest(file), before)
        done = self.flense("slim", root, *GPU, "--in-place", "--rewrite-signed")
        self.assertIn("security.ima no longer holds", done.out)
        self.assertNotEqual(harness.file_digest(file), before)
        self.assertNotIn("security.ima", os.listxattr(file))

    def test_a_store_in_place(self):
        root = self.path("root")
        os.makedirs(f"{root}/{STORE}/lib")
        file = f"{root}/{STORE}/lib/libfake.so"
        shutil.copy(self.library, file)
        before = harness.file_digest(file)
        # By the root of a machine, and by the store's own path.
        for target in (root, f"{root}/{STORE}"):
            self.flense("slim", target, *GPU, "--in-place")
            self.assertEqual(harness.file_digest(file), before)
        self.flense("slim", root, *GPU, "--in-place", "--rewrite-signed")
        self.assertNotEqual(harness.file_digest(file), before)

    def test_fs_verity(self):
        if os.geteuid() != 0 or not shutil.which("mkfs.ext4"):
            self.skipTest("a file system of its own needs root and mkfs.ext4")
        disk, mount = self.path("disk"), self.path("mount")
        os.mkdir(mount)
        with open(disk, "wb") as out:
            out.truncate(32 << 20)
        self.run_tool("mkfs.ext4", "-q", "-O", "verity", "-b", "4096", disk)
        if subprocess.run(["mount", "-o", "loop", disk, mount], check=False, stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("no loop device here")
        self.addCleanup(subprocess.run, ["umount", mount], check=False)
        os.makedirs(f"{mount}/root/lib")
        file = f"{mount}/root/lib/libfake.so"
        shutil.copy(self.library, file)
        handle = os.open(file, os.O_RDONLY)
        try:
            # struct fsverity_enable_arg: version 1, SHA-256, blocks of 4096 bytes.
            fcntl.ioctl(handle, FS_IOC_ENABLE_VERITY, array.array("B", struct.pack("<IIII", 1, 1, 4096, 0) + bytes(112)))
        except OSError:
            self.skipTest("this kernel has no fs-verity")
        finally:
            os.close(handle)
        before = harness.file_digest(file)
        self.told(f"{mount}/root", "lib/libfake.so", "fs-verity", "--in-place")
        self.flense("slim", f"{mount}/root", *GPU, "--in-place")
        self.assertEqual(harness.file_digest(file), before)
        self.flense("slim", f"{mount}/root", *GPU, "--in-place", "--rewrite-signed")
        self.assertNotEqual(harness.file_digest(file), before)


if __name__ == "__main__":
    harness.main()
