#!/usr/bin/env python3
"""The host's driver libraries in containers: found by the real loader of the image, whatever the image
is like, or refused with the reason. Libraries and programs are gcc's, containers crun's."""

import json
import os
import shutil

import fixtures
import harness
import test_run

LIB = "usr/lib/x86_64-linux-gnu"
LOADER = "/lib64/ld-linux-x86-64.so.2"
LIBC = "/lib/x86_64-linux-gnu/libc.so.6"
VERSION = "550.54.15"
# pthread_create is of GLIBC_2.34 since it is a part of libc.so.6.
LIBRARY = """#include <pthread.h>
static void* nothing(void* p) { return p; }
int who(void) { pthread_t t; return pthread_create(&t, 0, nothing, 0) || pthread_join(t, 0) ? -1 : %d; }
"""
PROGRAM = """#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
int main(int count, char** words) {
  for (int i = 1; i < count; ++i) {
    void* library = dlopen(words[i], RTLD_NOW);
    if (!library) { puts(dlerror()); return 1; }
    struct link_map* map = 0;
    dlinfo(library, RTLD_DI_LINKMAP, &map);
    int (*who)(void) = (int (*)(void))dlsym(library, "who");
    printf("%s %d\\n", map->l_name, who ? who() : -1);
  }
  return 0;
}
"""


class Injection(harness.Case):
    """As the tests themselves; InjectionAsUser repeats everything as an ordinary user."""
    uid = None
    archive, environment, words = test_run.Run.archive, test_run.Run.environment, test_run.Run.words
    start, done, run_image = test_run.Run.start, test_run.Run.done, test_run.Run.run_image

    def setUp(self):
        harness.Case.setUp(self)
        reason = test_run.why_not()
        if reason:
            self.skipTest(reason)
        if self.uid is not None and os.geteuid() != 0:
            self.skipTest("needs root to become another user")
        os.chmod(self.work, 0o755)
        self.binary = self.path("flense")
        shutil.copy(harness.BINARY, self.binary)
        self.home, self.runtime = self.path("home"), self.path("runtime")
        for folder in (self.home, self.runtime):
            os.mkdir(folder, 0o700)
            if self.uid is not None:
                os.chown(folder, self.uid, self.uid)
        if not (os.path.exists(LOADER) and os.path.exists(LIBC)):
            self.skipTest("needs glibc of x86_64 in Debian's directories")
        self.program = self.gcc("load", PROGRAM)
        self.driver = self.library("libcuda.so.1", f"libcuda.so.{VERSION}", 42)

    def gcc(self, name, source, *options):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".c", "w") as out:
            out.write(source)
        self.run_tool("gcc", "-O1", "-o", path, path + ".c", *options)
        return path

    def library(self, soname, name, answer, folder=f"host/{LIB}"):
        return self.gcc(f"{folder}/{name}", LIBRARY % answer, "-shared", "-fPIC", f"-Wl,-soname,{soname}")

    def old_libc(self):
        """A libc.so.6 as the loader sees it, that ends at GLIBC_2.28."""
        with open(self.path("old.map"), "w") as out:
            out.write("GLIBC_2.2.5 { global: a; };\nGLIBC_2.28 { global: b; } GLIBC_2.2.5;\n")
        return self.gcc("old/libc.so.6", "int a(void) { return 1; }\nint b(void) { return 2; }\n", "-shared", "-nostdlib",
                        "-fPIC", "-Wl,-soname,libc.so.6", f"-Wl,--version-script={self.path('old.map')}")

    def layer(self):
        """What a distroless image has: a C library, a program, no shell and no loader cache."""
        layer = fixtures.Layer()
        for folder in ("bin", "lib64", "lib", "lib/x86_64-linux-gnu", "etc", "usr", "usr/lib", LIB):
            layer.folder(folder)
        return (layer.disk_file("bin/load", self.program).disk_file("lib64/ld-linux-x86-64.so.2", LOADER)
                .disk_file("lib/x86_64-linux-gnu/libc.so.6", LIBC))

    def specification(self, *libraries, hooks=(), env=()):
        """One device that brings these libraries, at the places where they lie on the host."""
        top = self.path("host")
        mounts = [{"hostPath": path, "containerPath": path.removeprefix(top),
                   "options": ["ro", "nosuid", "nodev", "rbind", "rprivate"]} for path in libraries]
        os.makedirs(self.path("cdi"), exist_ok=True)
        with open(self.path("cdi/test.json"), "w") as out:
            json.dump({"cdiVersion": "0.5.0", "kind": "test.org/gpu", "devices": [
                {"name": "0", "containerEdits": {"mounts": mounts, "hooks": list(hooks),
                                                 "env": ["FROM_CDI=1", *env]}}]}, out)

    def load(self, image, *names, options=(), **more):
        return self.run_image("--cdi-spec-dir", self.path("cdi"), "--device", "test.org/gpu=0", *options, image,
                              "/bin/load", *names, **more)

    def prepared(self):
        found = []
        for folder, _, files in os.walk(os.path.join(self.home, "cache")):
            if "decisions.json" in files:
                found.append(folder)
        return found

    def test_a_root_without_a_loader_cache(self):
        self.specification(self.driver, self.library("libnvidia-ml.so.1", f"libnvidia-ml.so.{VERSION}", 7))
        image = self.archive(self.layer(), command=("/bin/load",))
        names = ("libcuda.so.1", "libcuda.so", "libnvidia-ml.so.1")
        first = self.load(image, *names)
        self.assertEqual(first.out, "/run/flense/lib/libcuda.so.1 42\n/run/flense/lib/libcuda.so.1 42\n"
                                    "/run/flense/lib/libnvidia-ml.so.1 7\n")
        # Without the device there is none of it.
        self.assertIn("libcuda.so.1", self.run_image(image, "/bin/load", "libcuda.so.1", expect=1).out)
        # Made once, and the unpacked image is what it was.
        place, = self.prepared()
        made = os.stat(place)
        self.assertEqual(self.load(image, *names).out, first.out)
        self.assertEqual(self.prepared(), [place])
        self.assertEqual(os.stat(place).st_ino, made.st_ino)
        self.done(self.start("cache", "verify"))
        # ldconfig of another machine reads the cache that the container got.
        shown = self.run_tool("/sbin/ldconfig", "-p", "-C", os.path.join(place, "ld.so.cache"))
        self.assertIn("libcuda.so.1 (libc6,x86-64) => /run/flense/lib/libcuda.so.1", shown)

    def test_the_images_own_libraries(self):
        self.specification(self.driver, self.library("libGL.so.1", "libGL.so.1.7.0", 17),
                           self.library("libdrm.so.2", "libdrm.so.2.4.0", 24))
        own_gl = self.library("libGL.so.1", "libGL.so.1.2.0", 12, folder="own")
        own_drm = self.library("libdrm.so.2", "libdrm.so.2.123.0", 123, folder="own")
        baked = self.library("libcuda.so.1", "libcuda.so.535.1.1", 535, folder="own")
        layer = (self.layer().disk_file(f"{LIB}/libGL.so.1.2.0", own_gl).symlink(f"{LIB}/libGL.so.1", "libGL.so.1.2.0")
                 .disk_file(f"{LIB}/libdrm.so.2", own_drm).disk_file(f"{LIB}/libcuda.so.1", baked))
        image = self.archive(layer, command=("/bin/load",))
        done = self.load(image, "libGL.so.1", "libdrm.so.2", "libcuda.so.1", options=("--explain",))
        answers = [line.split()[-1] for line in done.out.splitlines()]
        self.assertEqual(answers, ["12", "123", "42"], done.out)
        self.assertIn("the image has its own libGL.so.1", done.err)
        self.assertIn("comes before the image's", done.err)

    def test_the_images_cache_is_kept(self):
        self.specification(self.driver)
        odd = self.library("libodd.so.3", "libodd.so.3", 3, folder="own")
        root = self.path("root")
        os.makedirs(root + "/opt/odd")
        os.makedirs(root + "/etc")
        shutil.copy(odd, root + "/opt/odd")
        with open(root + "/etc/ld.so.conf", "w") as out:
            out.write("/opt/odd\n")
        self.run_tool("/sbin/ldconfig", "-r", root)
        layer = (self.layer().folder("opt").folder("opt/odd").disk_file("opt/odd/libodd.so.3", odd)
                 .disk_file("etc/ld.so.cache", root + "/etc/ld.so.cache", mode=0o644))
        image = self.archive(layer, command=("/bin/load",))
        self.assertEqual(self.load(image, "libodd.so.3", "libcuda.so.1").out,
                         "/opt/odd/libodd.so.3 3\n/run/flense/lib/libcuda.so.1 42\n")

    def test_musl_is_refused(self):
        self.specification(self.driver)
        fake = self.library("libc.musl-x86_64.so.1", "ld-musl-x86_64.so.1", 1, folder="own")
        layer = (test_run.busybox_layer().folder("lib").disk_file("lib/ld-musl-x86_64.so.1", fake))
        image = self.archive(layer)
        done = self.load(image, expect=125)
        self.assertIn("its C library is musl, /lib/ld-musl-x86_64.so.1", done.err)
        self.assertIn("hint: use an image with glibc", done.err)
        self.assertEqual(self.prepared(), [])
        # Without the device it starts.
        self.assertEqual(self.run_image(image, "sh", "-c", "echo here").out, "here\n")

    def test_an_older_glibc_is_refused(self):
        self.specification(self.driver)
        layer = fixtures.Layer()
        for folder in ("bin", "lib64", "lib", "lib/x86_64-linux-gnu"):
            layer.folder(folder)
        layer.disk_file("bin/busybox", fixtures.BUSYBOX).disk_file("lib64/ld-linux-x86-64.so.2", LOADER)
        layer.disk_file("lib/x86_64-linux-gnu/libc.so.6", self.old_libc())
        image = self.archive(layer)
        done = self.load(image, expect=125)
        self.assertIn("it needs GLIBC_2.34 of libc.so.6, and the image's /lib/x86_64-linux-gnu/libc.so.6 ends at "
                      "GLIBC_2.28", done.err)

    def test_stubs_and_placeholders_do_not_win(self):
        self.specification(self.driver)
        stub = self.library("libcuda.so.1", "libcuda.so.1", -5, folder="own")
        layer = (self.layer().folder("opt").folder("opt/stubs").disk_file("opt/stubs/libcuda.so.1", stub)
                 .file(f"{LIB}/libcuda.so.1", b""))
        image = self.archive(layer, command=("/bin/load",), Env=["LD_LIBRARY_PATH=/opt/stubs"])
        done = self.load(image, "libcuda.so.1")
        self.assertEqual(done.out, "/run/flense/lib/libcuda.so.1 42\n")
        self.assertIn("LD_LIBRARY_PATH", done.err)
        image = self.archive(layer, command=("/bin/load",), Env=["LD_LIBRARY_PATH=/elsewhere"])
        done = self.load(image, "libcuda.so.1", options=("-e", "LD_LIBRARY_PATH=/opt/stubs"))
        self.assertEqual(done.out, "/run/flense/lib/libcuda.so.1 42\n", "the option's stands above the image's")

    def test_hooks_of_the_toolkit_are_not_run(self):
        ran = self.path("ran")
        hook = self.path("host/usr/bin/nvidia-cdi-hook")
        os.makedirs(os.path.dirname(hook))
        with open(hook, "w") as out:
            out.write(f"#!/bin/sh\ntouch {ran}\nexit 1\n")
        os.chmod(hook, 0o755)
        self.specification(self.driver, hooks=[
            {"hookName": "createContainer", "path": hook,
             "args": ["nvidia-cdi-hook", "create-symlinks", "--link", "libcuda.so.1::/usr/lib/libother.so.9"]},
            {"hookName": "createContainer", "path": hook, "args": ["nvidia-cdi-hook", "update-ldcache"]}])
        image = self.archive(self.layer(), command=("/bin/load",), Env=["LD_PRELOAD=/proc/self/cwd/evil.so"])
        done = self.load(image, "libother.so.9")
        self.assertTrue(done.out.endswith("42\n"), done.out)
        self.assertFalse(os.path.exists(ran))

    def test_links_of_the_image_do_not_leave_it(self):
        self.specification(self.driver)
        victim = self.path("home/victim")
        with open(victim, "w") as out:
            out.write("mine")
        os.chmod(victim, 0o666)
        image = self.archive(self.layer().symlink("etc/ld.so.cache", victim), command=("/bin/load",))
        self.load(image, "libcuda.so.1", expect=None)
        with open(victim) as source:
            self.assertEqual(source.read(), "mine")
        # A C library that only the host has is none of the image's.
        layer = fixtures.Layer().folder("bin").disk_file("bin/load", self.program)
        layer.symlink("lib", "/proc/self/root/lib").symlink("lib64", "/proc/1/root/lib64")
        image = self.archive(layer, name="links.tar", command=("/bin/load",))
        done = self.load(image, "libcuda.so.1", expect=125)
        self.assertIn("it has no dynamic loader", done.err)

    def test_a_stale_specification(self):
        self.specification(self.driver)
        os.unlink(self.driver)
        image = self.archive(self.layer(), command=("/bin/load",))
        done = self.load(image, expect=125)
        self.assertIn("the CDI specification", done.err)
        self.assertIn(self.driver, done.err)


class InjectionAsUser(Injection):
    uid = test_run.USER

if __name__ == "__main__":
    harness.main()
