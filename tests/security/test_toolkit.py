#!/usr/bin/env python3
"""What made NVIDIA's container toolkit a way out, against flense's injection: links of the image under the driver's
mounts (CVE-2024-0132, CVE-2025-23359), links made outside of the root (CVE-2024-0134), the image's own programs run
beside the container, with the host's devices and network (CVE-2024-0136, CVE-2024-0137), hooks that start with the
image's environment (CVE-2025-23266), and a loader's cache written through a link (CVE-2025-23267)."""

import json
import os
import re
import shutil
import subprocess

import attack
import test_injection
from attack import in_modes

LIB = test_injection.LIB
# Says so in the container; anywhere else it also leaves a mark on the host.
PRELOADED = """#include <fcntl.h>
#include <unistd.h>
__attribute__((constructor)) static void loaded(void) {
  write(2, "preloaded\\n", 10);
  close(open("%s/made", O_CREAT | O_WRONLY, 0666));
}
"""


class Toolkit(attack.Attack):
    gcc, library = test_injection.Injection.gcc, test_injection.Injection.library
    specification = test_injection.Injection.specification

    def setUp(self):
        super().setUp()
        if not (os.path.exists(test_injection.LOADER) and os.path.exists(test_injection.LIBC)):
            self.skipTest("needs glibc of x86_64 in Debian's directories")
        self.program = self.gcc("load", test_injection.PROGRAM)
        self.driver = self.library("libcuda.so.1", f"libcuda.so.{test_injection.VERSION}", 42)
        self.specification(self.driver)

    def base(self, *without):
        """busybox, the probe, and a C library with a program that loads what it is told to."""
        out = attack.layer()
        for folder in ("lib64", "lib", "lib/x86_64-linux-gnu", "usr", "usr/lib", LIB):
            if folder not in without:
                out.folder(folder)
        return (out.disk_file("bin/load", self.program).disk_file("lib64/ld-linux-x86-64.so.2", test_injection.LOADER)
                .disk_file("lib/x86_64-linux-gnu/libc.so.6", test_injection.LIBC))

    def load(self, mode, image, *command, **more):
        return self.attack(*mode, "--cdi-spec-dir", self.path("cdi"), "--device", "test.org/gpu=0", image, *command, **more)

    def toolkit_hook(self, *words):
        """One of the vendor's hooks, with a program that is there and does nothing."""
        path = self.path("host/usr/bin/nvidia-cdi-hook")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copy("/bin/true", path)
        return {"hookName": "createContainer", "path": path, "args": ["nvidia-cdi-hook", *words]}

    def look(self, *places):
        return ("echo started; cat /proc/self/mountinfo; " +
                "".join(f"cat {place} {place}/secret; echo overwritten > {place}/secret; echo overwritten > {place}; "
                        f"touch {place}/made; " for place in places) + "load libcuda.so.1; true")

    def linked(self, mode, layer, name, *places):
        """Started with the driver although the image has such links, and what came in was the driver alone."""
        result = self.load(mode, self.archive(layer, name), "sh", "-c", self.look(*places))
        self.assertNotIn(self.canary, "".join(line for line in result.out.splitlines() if " - " in line))
        if result.status != 125:
            self.assertTrue(result.out.startswith("started\n"), result.out + result.err)
        return result

    @in_modes()
    def test_cve_2024_0132_links_under_mounts(self, mode):
        up = "../" * 24
        compat = "usr/local/cuda/compat"
        started = 0
        for number, (path, target) in enumerate((
                (compat, self.canary),
                (compat, f"{up}{self.canary}"),
                (f"{compat}/libcuda.so.{test_injection.VERSION}", "/"),
                (f"{compat}/libcuda.so.999.0", self.canary),
                (f"{compat}/libcuda.so.1", f"/proc/1/root{self.canary}/secret"),
                (f"{LIB}/libcuda.so.1", f"{self.canary}/secret"),
                (f"{LIB}/libcuda.so.{test_injection.VERSION}", f"/proc/self/root{self.canary}/secret"),
                ("run", self.canary), ("run/flense", self.canary), ("run/flense/lib", f"{up}{self.canary}"),
                ("etc/ld.so.conf.d", self.canary), ("usr/lib64", "/"))):
            layer = self.base().folder("usr/local").folder("usr/local/cuda").symlink(path, target)
            result = self.linked(mode, layer, f"compat{number}.tar", "/" + path, f"/{compat}/libcuda.so.1")
            started += "libcuda.so.1 42" in result.out
        self.assertGreater(started, 6)  # most of these still have their GPU

    @in_modes()
    def test_cve_2025_23359_links_that_change(self, mode):
        """The image's directory belongs to somebody who swaps a directory for a link between check and mount."""
        root, data = self.path("rootdir"), f"{self.home}/data"
        if not os.path.exists(root):
            os.mkdir(root)
            subprocess.run(["tar", "-C", root, "-xf", "-"], input=self.base().folder("in").symlink(
                "swap", self.canary).folder("opt").folder("opt/in").symlink("opt/swap", self.canary).done(), check=True)
            os.makedirs(data)
            os.chmod(data, 0o777)
            self.text(f"{self.home}/one", "one")
        os.chmod(self.home, 0o755)
        started = 0
        with self.exchanging(f"{root}/in", f"{root}/swap"), self.exchanging(f"{root}/opt/in", f"{root}/opt/swap"):
            for _ in range(12):
                result = self.attack(*mode, "-v", f"{data}:/in", "-v", f"{self.home}/one:/opt/in/made/one", root, "sh", "-c",
                                     "echo started; cat /in/secret /in/../in/secret; echo x > /in/mine; rm /in/mine", cwd="/")
                started += "started" in result.out
                self.load(mode, root, "sh", "-c", "cat /in/secret /opt/in/secret; load libcuda.so.1", cwd="/")
        self.assertGreater(started, 0)

    @in_modes()
    def test_cve_2024_0134_links_outside(self, mode):
        """The specification asks for links, and the image leads their places out of its root."""
        up = "../" * 24
        links = [f"libcuda.so.1::/evil/made{n}" for n in range(2)] + [
            "libcuda.so.1::/deep/er/made2", f"libcuda.so.1::{up}{self.canary}/made3", f"{self.canary}/secret::/usr/lib/stolen",
            f"{up}{self.canary}/secret::/usr/lib/stolen2", "libcuda.so.1::/usr/lib/libother.so.9"]
        words = [word for link in links for word in ("--link", link)]
        self.specification(self.driver, hooks=[self.toolkit_hook("create-symlinks", *words)])
        layer = self.base().symlink("evil", self.canary).folder("deep").symlink("deep/er", f"{up}{self.canary}/empty")
        result = self.load(mode, self.archive(layer, "links.tar"), "sh", "-c",
                           "echo started; load libother.so.9; cat /usr/lib/stolen /usr/lib/stolen2")
        # Either the link that is fine was made, or the whole was refused.
        self.assertTrue("libother.so.9 42" in result.out or result.status == 125, result.out + result.err)

    def programs_run(self, mode, image, *command):
        """All that was executed for a start, by strace; and the result."""
        if not shutil.which("strace"):
            self.skipTest("strace is not installed")
        log = self.path("executed")
        result = self.load(mode, image, *command, under=["strace", "-f", "-qq", "-s", "300", "-e", "trace=execve,execveat",
                                                         "-e", "status=successful", "-o", log])
        with open(log, encoding="utf-8") as text:
            return result, re.findall(r'execve(?:at)?\((?:[^"\n]*, )?"([^"]*)"', text.read())

    @in_modes()
    def test_cve_2024_0136_programs_of_the_image(self, mode):
        """No program of the image runs but the command: neither its ldconfig nor what has the name of a hook."""
        layer = self.base().folder("sbin").folder("usr/bin").folder("usr/sbin")
        own = ("sbin/ldconfig", "usr/sbin/ldconfig", "usr/bin/nvidia-cdi-hook", "usr/bin/nvidia-ctk", "usr/bin/nvidia-smi",
               "bin/crun", "bin/newuidmap", "bin/nvidia-modprobe")
        for name in own:
            layer.file(name, f"#!/bin/sh\necho ran > {self.canary}/made; echo ran {name}\n", 0o755)
        self.specification(self.driver, hooks=[
            self.toolkit_hook("update-ldcache", "--ldconfig-path", "/sbin/ldconfig", "--folder", f"/{LIB}")])
        image = self.archive(layer, "own.tar", Env=["PATH=/bin:/sbin:/usr/bin", "NVIDIA_VISIBLE_DEVICES=all",
                                                    "NVIDIA_DRIVER_CAPABILITIES=all", "NVIDIA_MIG_CONFIG_DEVICES=all"])
        result, executed = self.programs_run(mode, image, "load", "libcuda.so.1")
        self.assertIn("libcuda.so.1 42", result.out, result.err)
        self.assertNotIn("ran", result.out.split())
        self.assertIn("/bin/load", executed)
        known = {"setpriv", "env", "flense", "crun", "newuidmap", "newgidmap", "load", "exe", "3", "4", "5", "6", "7", "8", ""}
        self.assertEqual({path for path in executed if os.path.basename(path) not in known}, set())
        self.assertFalse([path for path in executed if path.lstrip("/") in own and "newuidmap" not in path], executed)

    @in_modes()
    def test_cve_2024_0136_devices(self, mode):
        """Devices are what was asked for: not what the image's environment asks, nor nodes that it brings."""
        root = self.path("rootdir")
        if not os.path.exists(root):
            os.mkdir(root)
            # With all that is mounted on: then it is bound as it is, and no overlay keeps its devices out.
            layer = self.base().file("etc/hosts", "").file("etc/resolv.conf", "")
            for name in ("proc", "sys", "dev", "dev/pts", "dev/shm", "dev/mqueue", "run", "tmp", "var", "var/tmp"):
                layer.folder(name)
            subprocess.run(["tar", "-C", root, "-xf", "-"], input=layer.done(), check=True)
            for name, kind, major, minor in (("kmsg", 0o020666, 1, 11), ("mem", 0o020666, 1, 1), ("disk", 0o060666, 254, 0),
                                             ("null", 0o020666, 1, 3)):
                os.mknod(f"{root}/opt-{name}", kind, os.makedev(major, minor))
                os.chmod(f"{root}/opt-{name}", 0o666)
        script = ("echo started; find /dev -type c -o -type b; "
                  "probe open r /opt-kmsg /opt-mem /opt-disk /opt-null; probe open w /opt-kmsg /opt-null; "
                  "mknod /tmp/flense-node c 1 3; probe open r /tmp/flense-node; rm -f /tmp/flense-node")
        image = self.archive(self.base(), "asks.tar", Env=["PATH=/bin", "NVIDIA_VISIBLE_DEVICES=all",
                                                           "NVIDIA_DRIVER_CAPABILITIES=all", "AMD_VISIBLE_DEVICES=all"])
        for target in (image, root):
            result = self.attack(*mode, target, "sh", "-c", script)
            self.assertIn("started\n", result.out)
            found = {line for line in result.out.splitlines() if line.startswith("/dev/")}
            self.assertLessEqual(found - {"/dev/console", "/dev/pts/ptmx"},
                                 {f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty")})
            self.assertIn("/dev/null", found)
            self.assertEqual([words for words in self.facts(result.out, "open") if words[2] == "opened"], [])

    @in_modes()
    def test_cve_2024_0137_network_namespace(self, mode):
        """With an empty network nothing of the image's sees the host's, whoever starts it."""
        self.specification(self.driver, hooks=[self.toolkit_hook("update-ldcache", "--folder", f"/{LIB}")])
        image = self.archive(self.base(), "net.tar")
        host = os.readlink("/proc/self/ns/net")
        result = self.load([*mode, "--network", "none"], image, "sh", "-c", "echo started; readlink /proc/self/ns/net; ls /sys/class/net; "
                           "load libcuda.so.1; cat /proc/net/dev")
        lines = result.out.splitlines()
        self.assertEqual(lines[0], "started", result.err)
        self.assertTrue(lines[1].startswith("net:"))
        self.assertNotEqual(lines[1], host)
        self.assertEqual(lines[2], "lo")
        self.assertIn("libcuda.so.1 42", lines[3])
        self.assertEqual([line.split(":")[0].strip() for line in lines[4:] if ":" in line], ["lo"])

    @in_modes()
    def test_cve_2025_23266_hooks_with_the_images_environment(self, mode):
        """LD_PRELOAD of the image names a library beside the working directory of whoever starts its hooks."""
        evil = self.gcc("evil.so", PRELOADED % self.canary, "-shared", "-fPIC")
        marks = f"{self.home}/marks"
        self.text(marks, "", 0o666)
        os.chmod(self.home, 0o755)
        other = self.gcc("host/usr/bin/other-hook", "#include <stdio.h>\nint main(int n, char** words) { while (getchar() >= 0) ; FILE* f = fopen("
                         f"\"{marks}\", \"a\"); return !(f && fprintf(f, \"%s %s\\n\", words[0], words[1]) > 0); }}\n")
        vendors = self.toolkit_hook("enable-cuda-compat", "--host-driver-version=999.0")
        shutil.copy(other, vendors["path"])
        # crun looks for what createContainer and startContainer name in the container: programs of the image's.
        hooks = [vendors] + [{"hookName": name, "path": other, "args": ["other-hook", name]}
                             for name in ("createRuntime", "poststart", "poststop")]
        for variable in ("LD_PRELOAD=/proc/self/cwd/evil.so", "LD_PRELOAD=./evil.so", "LD_AUDIT=/proc/self/cwd/evil.so",
                         "LD_PRELOAD=/evil.so"):
            image = self.archive(self.base().disk_file("evil.so", evil), "preload.tar", Env=["PATH=/bin", variable])
            for hook in hooks:
                self.text(marks, "", 0o666)
                self.specification(self.driver, hooks=[hook])
                result = self.load([*mode, "-w", "/"], image, "load", "libcuda.so.1")
                with open(marks, encoding="utf-8") as text:
                    ran = text.read()
                self.assertIn("libcuda.so.1 42", result.out, result.err)
                # The library is one: in the container it is loaded.
                if "LD_PRELOAD" in variable:
                    self.assertEqual(result.err.count("preloaded"), 1, result.err)
                self.assertEqual(ran, "" if hook is vendors else f"other-hook {hook['hookName']}\n")

    @in_modes()
    def test_cve_2025_23267_loader_cache_through_links(self, mode):
        up = "../" * 24
        started = 0
        for number, (path, target) in enumerate((
                ("etc/ld.so.cache", f"{self.canary}/secret"), ("etc/ld.so.cache", f"{up}{self.canary}/secret"),
                ("etc/ld.so.cache", f"/proc/self/root{self.canary}/stub"), ("etc/ld.so.cache~", f"{self.canary}/secret"),
                ("etc/ld.so.cache", f"{self.canary}/new"), ("etc/ld.so.conf", f"{self.canary}/secret"),
                ("etc/ld.so.conf.d", self.canary), ("etc/ld.so.conf.d", f"{self.canary}/empty"))):
            result = self.linked(mode, self.base().symlink(path, target), f"cache{number}.tar", "/" + path)
            started += "libcuda.so.1 42" in result.out
        self.assertGreater(started, 4)
        for target in (self.canary, f"{up}{self.canary}/empty"):
            layer = attack.fixtures.Layer().folder("bin").disk_file("bin/probe", attack.probe()).symlink("etc", target)
            self.load(mode, self.archive(layer, "etc.tar"), "/bin/probe", "fds")


class ToolkitAsUser(Toolkit):
    uid = attack.USER


if __name__ == "__main__":
    attack.main()
