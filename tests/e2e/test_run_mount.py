#!/usr/bin/env python3
"""run --mount-image: the kernel mounts a squashfs or SIF where it lies. Needs root and loop devices."""

import os
import struct
import subprocess

import fixtures
import harness


def sif(squashfs):
    """Header, one descriptor (of the primary partition, for amd64), the squashfs at 4 KiB."""
    begin = 4096
    out = bytearray(begin)
    out[0:31] = b"#!/usr/bin/env run-singularity\n"
    out[32:41], out[42:44], out[45:47] = b"SIF_MAGIC", b"01", b"02"
    struct.pack_into("<QQQ", out, 88, 1, 128, 585)
    struct.pack_into("<iB", out, 128, 0x4004, 1)
    struct.pack_into("<QQ", out, 128 + 17, begin, len(squashfs))
    struct.pack_into("<ii", out, 128 + 201, 1, 2)
    out[128 + 209:128 + 211] = b"02"
    return bytes(out) + squashfs


def why_not():
    if os.geteuid() != 0:
        return "needs root"
    with open("/proc/filesystems", encoding="ascii") as known:
        if "squashfs" not in known.read().split():
            return "this kernel knows no squashfs"
    if subprocess.run(["losetup", "-f"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode != 0:
        return "no loop device is to be had"
    return None


class Mounted(harness.Case):
    def setUp(self):
        super().setUp()
        reason = why_not()
        if reason:
            self.skipTest(reason)
        root = self.path("root")
        for folder in ("bin", "etc", "data", "proc", "dev", "sys", "tmp"):
            os.makedirs(f"{root}/{folder}")
        self.run_tool("cp", fixtures.BUSYBOX, root + "/bin/busybox")
        for name in ("sh", "cat", "touch"):
            os.symlink("busybox", f"{root}/bin/{name}")
        with open(root + "/data/secret", "w", encoding="ascii") as out:
            out.write("read\n")
        os.chmod(root + "/data/secret", 0o600)
        os.mknod(root + "/data/null", 0o666 | 0o020000, os.makedev(1, 3))
        self.squashfs = self.path("app.sqsh")
        self.run_tool("mksquashfs", root, self.squashfs, "-quiet", "-no-progress", "-all-root")
        self.cache = self.path("cache")
        self.environment = {**harness.surroundings(), "FLENSE_CACHE": self.cache, "HOME": self.path("home")}
        os.makedirs(self.path("home"))

    def mounted(self, image, script, *options, expect=0):
        return self.flense("run", "--mount-image", *options, image, "sh", "-c", script, expect=expect, env=self.environment)

    def loops(self):
        return subprocess.run(["losetup", "-a"], stdout=subprocess.PIPE, check=True, text=True).stdout.count(self.path(""))

    def test_a_squashfs_and_a_sif(self):
        image = self.path("app.sif")
        with open(self.squashfs, "rb") as source, open(image, "wb") as out:
            out.write(sif(source.read()))
        for name in (self.squashfs, image):
            done = self.mounted(name, "cat /data/secret", "--explain")
            self.assertEqual(done.out, "read\n")
            self.assertIn("mounted by the kernel, nothing is unpacked", done.err)
        self.assertFalse(os.path.exists(self.cache + "/roots") and os.listdir(self.cache + "/roots"))
        self.assertEqual(self.loops(), 0)

    def test_it_is_read_only_and_its_devices_are_none(self):
        self.mounted(self.squashfs, "touch /data/new", expect=1)
        self.mounted(self.squashfs, "cat /data/null", expect=1)
        done = self.mounted(self.squashfs, "touch /data/new && echo more >>/data/secret && cat /data/secret", "--writable")
        self.assertEqual(done.out, "read\nmore\n")
        self.assertEqual(self.mounted(self.squashfs, "cat /data/secret").out, "read\n")

    def test_a_mount_where_the_image_has_nothing(self):
        with open(self.path("home") + "/x", "w", encoding="ascii") as out:
            out.write("bound\n")
        done = self.mounted(self.squashfs, "cat /not/there/x /data/secret", "-v", self.path("home") + ":/not/there:ro")
        self.assertEqual(done.out, "bound\nread\n")

    def test_what_it_does_not_do(self):
        self.assertIn("is neither squashfs", self.mounted(self.path("root"), "true", expect=125).err)
        self.assertIn("do not go together", self.mounted(self.squashfs, "true", "--bundle", self.path("b"), expect=125).err)
        with open(self.squashfs, "rb") as source:
            whole = source.read()
        with open(self.path("cut.sqsh"), "wb") as out:
            out.write(whole[:5000])
        self.assertIn("truncated", self.mounted(self.path("cut.sqsh"), "true", expect=125).err)
        # The superblock holds, the tables behind it are noise: the kernel's word is passed on, on one line.
        inodes = struct.unpack_from("<Q", whole, 64)[0]
        with open(self.path("bad.sqsh"), "wb") as out:
            out.write(whole[:inodes + 2] + bytes(len(whole) - inodes - 2))
        told = self.mounted(self.path("bad.sqsh"), "true", "--no-preflight", expect=125).err.splitlines()
        self.assertRegex(told[0], r"^error: the kernel does not mount this squashfs \(.*\): ")
        self.assertEqual(self.loops(), 0)

    def test_an_ordinary_user_is_told(self):
        folder = self.path("")
        os.chmod(folder, 0o755)
        done = subprocess.run(["setpriv", "--reuid", "65123", "--regid", "65123", "--clear-groups", harness.BINARY, "run",
                               "--mount-image", self.squashfs, "true"], env={**self.environment, "FLENSE_CACHE": "/nowhere"},
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, text=True)
        self.assertEqual(done.returncode, 125)
        self.assertIn("loop", done.stderr)
        self.assertIn("hint: without --mount-image", done.stderr)


if __name__ == "__main__":
    harness.main()
