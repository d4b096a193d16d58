#!/usr/bin/env python3
"""What archives do to those who unpack them: names with `..` and absolute ones, members written through links, hard links
to files of the host, whiteouts through links, directories that are links. Every way in which flense unpacks: `run`, as
the caller, and `slim --verify`, as root with the image's owners."""

import io
import json
import os
import shutil
import stat
import subprocess
import tarfile

import attack
from attack import in_modes

UP = "../" * 24
REG, DIR, SYM, LNK, FIFO, CHR = (tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE,
                                 tarfile.CHRTYPE)


class Unpacking(attack.Attack):
    def hostile(self):
        """Names and the members of a layer each; (path, type, link or content)."""
        at = self.canary
        rel = UP + at.lstrip("/")
        for name, path in (("dots", f"{UP}{at}"), ("absolute", at), ("dots inside", f"etc/../../../..{at}"), ("dotted", f"./../..{at}"),
                           ("double slash", f"/{at}"), ("dots behind", f"bin/{UP}{at}")):
            yield name, [(f"{path}/secret", REG, "overwritten")]
            yield name + ", new", [(f"{path}/made", REG, "made"), (f"{path}/folder", DIR, ""), (f"{path}/pipe", FIFO, "")]
            yield name + ", whiteout", [(f"{path}/.wh.secret", REG, ""), (f"{path}/.wh.stub", REG, "")]
            yield name + ", opaque", [(f"{path}/.wh..wh..opq", REG, "")]
            yield name + ", mode", [(path, DIR, "", 0o700), (f"{path}/stub", DIR, "")]
        for name, target in (("absolute link", at), ("relative link", rel), ("link through /proc", f"/proc/1/root{at}"),
                             ("link through itself", f"self/../{rel}")):
            yield name, [("evil", SYM, target), ("evil/secret", REG, "overwritten"), ("evil/made", REG, "made"),
                         ("evil/deep/made", REG, "made"), ("evil/stub", SYM, "x"), ("evil/empty", REG, "was a directory")]
            yield name + " to a file", [("evil", SYM, f"{target}/secret"), ("evil", REG, "overwritten")]
            yield name + ", then a directory", [("evil", SYM, target), ("evil", DIR, "", 0o700), ("evil/secret", REG, "x")]
            yield name + ", hard link through it", [("evil", SYM, target), ("mine", LNK, "evil/secret"), ("mine", REG, "overwritten")]
            yield name + ", hard link to it", [("evil", SYM, f"{target}/secret"), ("mine", LNK, "evil"), ("mine", REG, "overwritten")]
            yield name + ", whiteouts", [("evil", SYM, target), ("evil/.wh.secret", REG, ""), ("evil/.wh.stub", REG, ""),
                                         ("evil/.wh.empty", REG, ""), ("evil/.wh..wh..opq", REG, "")]
            yield name + ", chain", [("a", SYM, "b"), ("b", SYM, "c"), ("c", SYM, target), ("a/secret", REG, "overwritten"),
                                     ("a/made", DIR, "")]
            yield name + ", replaced", [("evil/below", REG, "x"), ("evil/below", SYM, target), ("evil/below/secret", REG, "overwritten")]
        for name, target in (("hard link", f"{at}/secret"), ("hard link with dots", f"{rel}/secret"),
                             ("hard link through /proc", f"/proc/self/root{at}/secret")):
            yield name, [("mine", LNK, target), ("mine", REG, "overwritten")]
            yield name + ", append", [("mine", LNK, target, 0o600)]
        yield "whiteout of ..", [("etc/.wh...", REG, ""), (".wh..", REG, ""), ("etc/.wh.", REG, "")]
        yield "device", [("node", CHR, ""), ("node/x", REG, "x")]
        for place in ("proc", "dev", "run", "sys", "tmp", "var", "home", "root", "opt", "usr", "usr/lib64", "etc/ld.so.cache"):
            if "/" in place:
                yield f"{place} -> /", [("usr", DIR, ""), (place, SYM, "/"), (f"{place}{at}/secret", REG, "overwritten"),
                                        (f"{place}/made{os.path.basename(at)}", REG, "x")]
            yield f"{place} as a link", [(place, SYM, at), (f"{place}/secret", REG, "overwritten"), (f"{place}/made", REG, "x"),
                                         (f"{place}/.wh.stub", REG, "")]
            yield f"{place} as a relative link", [(place, SYM, rel), (f"{place}/empty/made", REG, "x")]

    def layer_of(self, members):
        """A bare layer: the library that writes it does nothing to names."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for path, kind, what, *mode in members:
                info = tarfile.TarInfo("x")
                info.name, info.type, info.mode = path, kind, mode[0] if mode else 0o666
                data = what.encode() if kind == REG else b""
                info.size = len(data)
                info.linkname = what if kind in (SYM, LNK) else ""
                info.devmajor, info.devminor = 1, 3
                tar.addfile(info, io.BytesIO(data))
        return buffer.getvalue()

    def images(self):
        for number, (name, members) in enumerate(self.hostile()):
            path = self.path(f"tar{number}.tar")
            if not os.path.exists(path):
                # In a layer of its own, and in the one that has the programs.
                base = attack.layer().done()
                attack.fixtures.docker_archive(path, [base, self.layer_of(members), self.layer_of(members[-1:])],
                                               ["COPY"] * 3, command=["/bin/sh"])
                os.chmod(path, 0o644)
            yield name, path

    @in_modes("default", "sub-ids")
    def test_tar_traversal_run(self, mode):
        refused = ran = 0
        for name, image in self.images():
            result = self.attack(*mode, "--no-preflight", image, "sh", "-c",
                                 f"echo started; cat /mine /evil /evil/secret {self.canary}/secret /etc/ld.so.cache/secret")
            ran += result.out.startswith("started\n")
            refused += result.status == 125 and result.out == ""
            self.assertTrue(result.out.startswith("started\n") or result.status == 125, f"{name}: {result.err}")
        self.assertGreater(ran, 20)  # most members are harmless inside of a root
        self.assertGreater(refused, 5)

    def test_tar_traversal_slim_as_root(self):
        """slim --verify unpacks with the image's owners and devices."""
        if not shutil.which("bwrap"):
            self.skipTest("bubblewrap is not installed")
        ran = 0
        for name, image in self.images():
            out = self.path("slim")
            shutil.rmtree(out, ignore_errors=True)
            done = self.flense("slim", image, "--gpu", "sm_90", "-o", f"oci:{out}", "--verify",
                               f"echo started; cat {self.canary}/secret", expect=None)
            self.check_host(done)
            self.assertIn(done.status, (0, 1, 2, 3, 4), f"{name}: {done.err}")
            ran += "started" in done.out + done.err or done.status in (0, 1)
        self.assertGreater(ran, 20)

    def test_readers_unpack_nothing(self):
        """inspect and check read such images, or say what is wrong with them."""
        for name, image in self.images():
            for command in (["inspect", image], ["check", image, "--gpu", "sm_90"], ["diff", image, self.image]):
                result = self.flense(*command, expect=None)
                self.check_host(result)
                self.assertIn(result.status, (0, 1, 2, 3, 4), f"{name}: {command} {result.err}")

    @in_modes()
    def test_members_of_the_archive_itself(self, mode):
        """manifest.json and layouts name files of their own, never the host's."""
        stolen = attack.layer().file("stolen", attack.SECRET + " layer").done()
        with open(f"{self.canary}/layer.tar", "wb") as out:
            out.write(stolen)
        with open(f"{self.canary}/config.json", "w", encoding="utf-8") as out:
            json.dump(attack.fixtures.config_for([stolen], ["COPY"], ["/bin/cat", "/stolen"]), out)
        self.before = attack.harness.digest_tree(self.canary)
        rel = UP + self.canary.lstrip("/")
        for number, (config, layer) in enumerate(((f"{self.canary}/config.json", f"{self.canary}/layer.tar"),
                                                  (f"{rel}/config.json", f"{rel}/layer.tar"), ("c", "l"))):
            path = self.path(f"members{number}.tar")
            with tarfile.open(path, "w") as tar:
                for name, target in (("c", f"{self.canary}/config.json"), ("l", f"{rel}/layer.tar")):
                    info = tarfile.TarInfo(name)
                    info.type, info.linkname = SYM, target
                    tar.addfile(info)
                text = json.dumps([{"Config": config, "RepoTags": ["a:1"], "Layers": [layer]}]).encode()
                info = tarfile.TarInfo("manifest.json")
                info.size = len(text)
                tar.addfile(info, io.BytesIO(text))
            os.chmod(path, 0o644)
            self.refused(self.attack(*mode, path, "cat", "/stolen"))

    @in_modes()
    def test_places_of_the_system_as_links(self, mode):
        """/proc, /dev, /run and others lead elsewhere: inside of the root it works or is refused, outside never."""
        started = 0
        for place in ("proc", "dev", "run", "sys", "tmp", "var", "etc", "usr/lib64"):
            for target in (self.canary, UP + self.canary.lstrip("/"), "/", "loop"):
                layer = attack.fixtures.Layer().folder("bin").disk_file("bin/probe", attack.probe())
                layer.disk_file("bin/busybox", attack.fixtures.BUSYBOX)
                for name in ("sh", "cat", "ls", "touch", "rm", "echo", "find"):
                    layer.symlink(f"bin/{name}", "busybox")
                if "/" in place:
                    layer.folder("usr")
                layer.symlink(place, f"/{place}" if target == "loop" else target)
                image = self.archive(layer, "links.tar", command=("/bin/sh",))
                result = self.attack(*mode, image, "/bin/sh", "-c", self.steal(), cwd="/")
                started += result.out.startswith("started\n")
                if not result.out:
                    self.assertIn(result.status, (125, 126, 127), f"{place} -> {target}: {result.err}")
        self.assertGreater(started, 8)

    @in_modes()
    def test_what_is_unpacked_is_the_callers(self, mode):
        """No set-uid bit, no device, no capability, and nobody else may write it."""
        layer = attack.layer().disk_file("bin/suid", attack.fixtures.BUSYBOX, mode=0o6777, uid=0)
        layer.file("open", "x", 0o666).folder("wide", 0o777)
        layer.file("capable", "x", 0o755, xattrs={"security.capability": bytes.fromhex("0100000200040000000000000000000000000000")})
        for name, kind in (("node", CHR), ("disk", tarfile.BLKTYPE)):
            info = layer._info(name, kind, 0o666)
            info.devmajor, info.devminor = 1, 1
            layer.tar.addfile(info)
        self.attack(*mode, self.archive(layer, "bits.tar"), "true", expect=0)
        cache = os.path.join(self.home, "cache/flense")
        seen = 0
        for folder, _, names in os.walk(cache):
            for name in names:
                state = os.lstat(os.path.join(folder, name))
                seen += name in ("suid", "open", "capable")
                self.assertFalse(state.st_mode & (stat.S_ISUID | stat.S_ISGID), name)
                self.assertIn(stat.S_IFMT(state.st_mode), (stat.S_IFREG, stat.S_IFLNK), name)
                self.assertEqual(state.st_uid, self.caller(), name)
                if not stat.S_ISLNK(state.st_mode):
                    self.assertNotIn("security.capability", os.listxattr(os.path.join(folder, name)))
        self.assertEqual(seen, 3)
        # Others are kept out by the directory above.
        other = subprocess.run(["setpriv", "--reuid=65125", "--regid=65125", "--clear-groups", "find", cache, "-name", "suid"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        self.assertEqual(other.stdout, b"")


class UnpackingAsUser(Unpacking):
    uid = attack.USER

    def test_readers_unpack_nothing(self):
        """As root alone: no mode, and no other rights."""

    def test_tar_traversal_slim_as_root(self):
        """As root alone."""


if __name__ == "__main__":
    attack.main()
