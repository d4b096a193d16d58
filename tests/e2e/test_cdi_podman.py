#!/usr/bin/env python3
"""Specifications of flense in a real engine: Podman starts containers that see the nodes of their own
device and no other, and in which programs load the driver. Needs root, for device nodes and for a
directory that Podman reads."""

import os
import platform
import shutil
import stat
import subprocess
import unittest

import engines
import harness
import hosts

VERSION = "550.54.15"
ARCH = platform.machine()
LIB = f"usr/lib/{ARCH}-linux-gnu"
SPECS = "/var/run/cdi"
LOADER = {"x86_64": "/lib64/ld-linux-x86-64.so.2", "aarch64": "/lib/ld-linux-aarch64.so.1"}.get(ARCH, "")

# Prints the devices that NVIDIA's or AMD's drivers may have made, and loads libraries.
PROBE = r"""
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static const char* mode(const struct stat* status) {
  static char text[64];
  if (!getenv("MODES")) return "";
  snprintf(text, sizeof text, " %04o %u %u", status->st_mode & 07777, status->st_uid, status->st_gid);
  return text;
}

static void walk(const char* folder) {
  struct dirent** names;
  int count = scandir(folder, &names, 0, alphasort);
  for (int i = 0; i < count; ++i) {
    char path[512];
    struct stat status;
    if (names[i]->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
    if (lstat(path, &status) != 0) continue;
    if (S_ISDIR(status.st_mode) && (strstr(path, "nvidia") || strstr(path, "/dri"))) walk(path);
    if (S_ISCHR(status.st_mode) && (strstr(path, "nvidia") || strstr(path, "/dri") || strstr(path, "kfd")))
      printf("%s %u:%u%s\n", path, major(status.st_rdev), minor(status.st_rdev), mode(&status));
  }
}

int main(int count, char** names) {
  walk("/dev");
  for (int i = 1; i < count; ++i) {
    void* library = dlopen(names[i], RTLD_NOW);
    int (*answer)(void) = library ? (int (*)(void))dlsym(library, "answer") : 0;
    printf("%s %d\n", names[i], answer ? answer() : -1);
    if (!library) printf("%s\n", dlerror());
  }
  return 0;
}
"""
# A library that needs the libc, as the driver's do.
LIBRARY = r"""
#include <stdio.h>
int answer(void) { char text[16]; return snprintf(text, sizeof text, "%d", NUMBER) == 2 ? NUMBER : 0; }
"""


def compile_c(path, text, *options):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    subprocess.run(["gcc", "-x", "c", "-", "-o", path, *options], input=text.encode(), check=True)


def may_make_nodes(folder):
    try:
        os.mknod(os.path.join(folder, "probe"), stat.S_IFCHR | 0o666, os.makedev(195, 0))
        return True
    except OSError:
        return False


@unittest.skipUnless(os.geteuid() == 0, "device nodes and /var/run/cdi need root")
@unittest.skipUnless(shutil.which("podman") and shutil.which("gcc") and LOADER, "needs podman and gcc")
class InPodman(harness.Case):
    def setUp(self):
        super().setUp()
        if not may_make_nodes(self.work):
            self.skipTest("this sandbox allows no device nodes")
        self.top = self.path("m")
        self.host = hosts.Host(self.top)
        self.vendor = f"test-{os.getpid()}.flense.dev"
        self.spec = os.path.join(SPECS, f"{self.vendor}.json")
        # Cleanups run backwards: the file goes before the directory.
        if not os.path.isdir(SPECS):
            self.addCleanup(lambda: os.path.isdir(SPECS) and not os.listdir(SPECS) and os.rmdir(SPECS))
        self.addCleanup(lambda: os.path.exists(self.spec) and os.unlink(self.spec))
        self.podman = engines.Podman(self.path("p"), "vfs")

    def real_node(self, name, major, minor, mode=0o666, owner=(0, 0)):
        path = os.path.join(self.top, "nodes/dev", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.mknod(path, stat.S_IFCHR, os.makedev(major, minor))
        os.chmod(path, mode)
        os.chown(path, *owner)

    def driver(self):
        for name, soname, number in (("libcuda", "libcuda.so.1", 42), ("libnvidia-ml", "libnvidia-ml.so.1", 17),
                                     ("libnvidia-ptxjitcompiler", "libnvidia-ptxjitcompiler.so.1", 18)):
            compile_c(os.path.join(self.top, f"driver/{LIB}/{name}.so.{VERSION}"), LIBRARY, "-shared", "-fPIC",
                      f"-DNUMBER={number}", f"-Wl,-soname,{soname}")
        self.host.file("proc/driver/nvidia/version", hosts.NVRM.format(VERSION))
        for name, minor in (("nvidiactl", 255), ("nvidia-modeset", 254)):
            self.real_node(name, 195, minor)
        for name, minor in (("nvidia-uvm", 0), ("nvidia-uvm-tools", 1)):
            self.real_node(name, 511, minor)

    def gpu(self, minor, address, caps=()):
        self.host.nvidia_gpu(address, minor, "NVIDIA A100-SXM4-40GB", "20b0", gi=range(1, 1 + len(caps)))
        self.real_node(f"nvidia{minor}", 195, minor)
        for number, cap in enumerate(caps, 1):
            for place, value in ((f"gi{number}", cap), (f"gi{number}/ci0", cap + 1)):
                self.host.file(f"proc/driver/nvidia/capabilities/gpu{minor}/mig/{place}/access", f"DeviceFileMinor: {value}\n")
                self.real_node(f"nvidia-caps/nvidia-cap{value}", 508, value)

    def generate(self, *options):
        self.flense("cdi", "generate", "--proc", f"{self.top}/proc", "--sys", f"{self.top}/sys", "--driver-root",
                    f"{self.top}/driver", "--dev-root", f"{self.top}/nodes", "--vendor", self.vendor, "-o", self.spec, *options)

    def root(self, kind):
        """debian: merged /usr and a shell. distroless: the loader, the libc and nothing else."""
        root = self.path(kind)
        folder = os.path.join(root, LIB if kind == "debian" else f"lib/{ARCH}-linux-gnu")
        os.makedirs(folder)
        for name in ("dev", "proc", "sys", "tmp", "etc", "run"):
            os.makedirs(os.path.join(root, name))
        if kind == "debian":
            os.makedirs(os.path.join(root, "usr/lib64"))
            os.makedirs(os.path.join(root, "usr/bin"))
            for name in ("lib", "lib64", "bin"):
                os.symlink(f"usr/{name}", os.path.join(root, name))
            shutil.copy("/bin/sh", os.path.join(root, "usr/bin/sh"))
        for library in ("libc.so.6",):
            shutil.copy(f"/lib/{ARCH}-linux-gnu/{library}", os.path.join(folder, library))
        loader = os.path.join(root, LOADER.lstrip("/"))
        os.makedirs(os.path.dirname(loader), exist_ok=True)
        shutil.copy(LOADER, loader)
        compile_c(os.path.join(root, "probe"), PROBE)
        return root

    def probe(self, root, device, *libraries, options=()):
        done = subprocess.run([*self.podman.base, "run", "--rm", "--network", "none", "--ulimit", "nofile=1024:1024",
                               "--ulimit", "nproc=4096:4096", "--device", f"{self.vendor}/gpu={device}", *options,
                               "--rootfs", root, "/probe", *libraries], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            self.fail(f"podman: status {done.returncode}: {done.stderr.decode()[-2000:]}")
        return done.stdout.decode().splitlines()

    CONTROL = ["/dev/nvidia-uvm 511:0", "/dev/nvidia-uvm-tools 511:1", "/dev/nvidiactl 195:255"]

    def test_own_nodes_and_no_other(self):
        self.driver()
        self.gpu(0, "0000:17:00.0")
        self.gpu(1, "0000:27:00.0", caps=(30, 48))
        self.gpu(2, "0000:37:00.0")
        self.generate()
        root = self.root("distroless")
        first, cut, third = "/dev/nvidia0 195:0", "/dev/nvidia1 195:1", "/dev/nvidia2 195:2"
        caps = [f"/dev/nvidia-caps/nvidia-cap{n} 508:{n}" for n in (30, 31, 48, 49)]
        for device, nodes in {"0": [first], "2": [third], "GPU-00000002-1111-2222-3333-444444444444": [third],
                              "0000:17:00.0": [first], "1:0": [cut, *caps[:2]], "1:1": [cut, *caps[2:]],
                              "all": [first, cut, third, *caps]}.items():
            with self.subTest(device):
                self.assertEqual(sorted(self.probe(root, device)), sorted(self.CONTROL + nodes))

    def test_modes_of_the_host(self):
        """Root's Podman makes nodes, and those without a mode are open to everybody."""
        self.driver()
        self.gpu(0, "0000:17:00.0", caps=(30,))
        self.real_node("nvidia-caps/nvidia-cap1", 508, 1, 0o400)
        self.host.drm("sys/bus/pci/devices/0000:17:00.0", 0, 128)
        self.real_node("dri/card0", 226, 0, 0o660, (0, 44))
        self.real_node("dri/renderD128", 226, 128, 0o660, (0, 109))
        os.chmod(os.path.join(self.top, "nodes/dev/nvidia-uvm"), 0o640)
        os.chown(os.path.join(self.top, "nodes/dev/nvidia-uvm"), 1000, 27)
        root = self.root("distroless")
        for options, expected in ((("--mode", "management"), {
                "/dev/nvidia-caps/nvidia-cap1": "0400 0 0", "/dev/nvidia-caps/nvidia-cap30": "0666 0 0",
                "/dev/nvidia0": "0666 0 0", "/dev/nvidia-uvm": "0640 1000 27"}), (("--capabilities", "graphics"), {
                    "/dev/dri/card0": "0660 0 44", "/dev/dri/renderD128": "0660 0 109",
                    "/dev/dri/by-path/pci-0000:17:00.0-render": "0660 0 109"})):
            if "graphics" in options:
                shutil.rmtree(os.path.join(self.top, "proc/driver/nvidia/capabilities"))
            with self.subTest(options):
                self.generate(*options)
                for user in ((), ("--user", "1000:1000")):
                    lines = self.probe(root, "all", options=("-e", "MODES=1", *user))
                    found = {line.split()[0]: line.split(None, 2)[2] for line in lines}
                    self.assertEqual({name: found.get(name) for name in expected}, expected)

    def test_the_driver_loads(self):
        self.driver()
        self.gpu(0, "0000:17:00.0")
        self.generate()
        names = ("libcuda.so.1", f"libcuda.so.{VERSION}", "libcuda.so", "libnvidia-ml.so.1", "libnvidia-ptxjitcompiler.so.1")
        expected = ["libcuda.so.1 42", f"libcuda.so.{VERSION} 42", "libcuda.so 42", "libnvidia-ml.so.1 17",
                    "libnvidia-ptxjitcompiler.so.1 18"]
        for kind, options in (("debian", ()), ("distroless", ()), ("debian", ("--read-only",))):
            with self.subTest(kind, options=options):
                root = self.path(kind) if os.path.isdir(self.path(kind)) else self.root(kind)
                self.assertEqual(self.probe(root, "0", *names, options=options)[4:], expected)
        # Without the device there is no driver: what loads above is what the specification brings.
        plain = self.root("distroless-2")
        done = subprocess.run([*self.podman.base, "run", "--rm", "--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit",
                               "nproc=4096:4096", "--rootfs", plain, "/probe", "libcuda.so.1"], stdout=subprocess.PIPE, check=True)
        self.assertIn("libcuda.so.1 -1", done.stdout.decode())

    def test_another_library_directory(self):
        self.driver()
        self.gpu(0, "0000:17:00.0")
        self.generate("--library-dir", "/opt/nvidia/lib", "--capabilities", "compute")
        root = self.root("distroless")
        self.assertEqual(self.probe(root, "0", "libcuda.so.1", options=("-e", "LD_LIBRARY_PATH=/opt/nvidia/lib"))[4:],
                         ["libcuda.so.1 42"])

    def test_amd(self):
        self.host.file("sys/module/amdgpu/refcnt", "1\n")
        os.makedirs(os.path.join(self.top, "proc"))
        self.host.kfd_node(0, "cpu_cores_count 96\ngfx_target_version 0\n")
        for number, address in enumerate(("0000:05:00.0", "0000:15:00.0")):
            self.host.amd_gpu(address, "74a1", [(1 + number, 90402, 0x100 + number, 128 + number, 1 << 37)], "MI300X", 1 << 37)
            self.real_node(f"dri/card{1 + number}", 226, 1 + number)
            self.real_node(f"dri/renderD{128 + number}", 226, 128 + number)
        self.real_node("kfd", 236, 0)
        self.flense("cdi", "generate", "--mode", "amd", "--proc", f"{self.top}/proc", "--sys", f"{self.top}/sys", "--dev-root",
                    f"{self.top}/nodes", "--vendor", self.vendor, "-o", self.spec)
        root = self.root("distroless")
        for device in ("1", "GPU-0000000000000101", "0000:15:00.0"):
            with self.subTest(device):
                self.assertEqual(sorted(self.probe(root, device)), [
                    "/dev/dri/by-path/pci-0000:15:00.0-card 226:2", "/dev/dri/by-path/pci-0000:15:00.0-render 226:129",
                    "/dev/dri/card2 226:2", "/dev/dri/renderD129 226:129", "/dev/kfd 236:0"])


if __name__ == "__main__":
    harness.main()
