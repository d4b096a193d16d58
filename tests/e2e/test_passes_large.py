#!/usr/bin/env python3
"""Real content: a wheel that GNU strip breaks, and an image with two CUDA installations.

Needs the small image of scripts/make-image.py (built here when missing) and some 6 GB of disk."""

import glob
import json
import os
import shutil
import subprocess
import sys
import zipfile

import fixtures
import harness
import rootfs

SYSTEM = "usr/local/cuda-12.8/targets/x86_64-linux/lib"
# Which libraries an import maps, and one result that a wrong library would change.
WORKLOAD = """
import re
import ctranslate2, faiss, numpy
index = faiss.IndexFlatL2(8)
index.add(numpy.arange(64, dtype="float32").reshape(8, 8))
print(index.search(numpy.ones((1, 8), "float32"), 3)[1].tolist(), ctranslate2.__version__)
with open("/proc/self/maps") as maps:
    paths = sorted({line.split()[-1] for line in maps if "libcu" in line})
print("\\n".join(path for path in paths if path.startswith("/")))
"""


class Large(harness.Case):
    def wheel(self, pattern):
        subprocess.run([sys.executable, os.path.join(harness.TOP, "scripts/make-image.py"), "small"], check=True,
                       stdout=subprocess.DEVNULL)
        return sorted(glob.glob(os.path.join(harness.CACHE, "wheels/small", pattern)))[-1]

    def test_a_wheel_that_strip_breaks(self):
        tree = self.path("tree/lib/python3.11/site-packages")
        with zipfile.ZipFile(self.wheel("numpy-*.whl")) as wheel:
            wheel.extractall(tree, [n for n in wheel.namelist() if n.startswith("numpy.libs/")])
        names = sorted(os.listdir(os.path.join(tree, "numpy.libs")))
        self.assertEqual(len(names), 3)
        load = "import ctypes, os, sys\nctypes.CDLL(sys.argv[1], os.RTLD_NOW)\n"

        def loads(path):
            # As numpy's modules have it loaded: the wheel's other libraries are in reach.
            return subprocess.run([sys.executable, "-c", load, path], check=False, stderr=subprocess.DEVNULL,
                                  env={**os.environ, "LD_LIBRARY_PATH": os.path.dirname(path)}).returncode == 0

        broken = []
        for name in names:
            whole = os.path.join(tree, "numpy.libs", name)
            self.assertTrue(loads(whole), name)
            shutil.copytree(os.path.join(tree, "numpy.libs"), self.path("stripped"))
            subprocess.run(["strip", os.path.join(self.path("stripped"), name)], check=False, stderr=subprocess.DEVNULL)
            if not loads(os.path.join(self.path("stripped"), name)):
                broken.append(name)
            shutil.rmtree(self.path("stripped"))
        self.assertTrue(any(name.startswith("libscipy_openblas") for name in broken), broken)
        for level in ("safe", "standard", "aggressive"):
            out = self.path(level)
            self.flense("slim", self.path("tree"), "--gpu", "h100", "--level", level, "-o", f"dir:{out}")
            for name in names:
                slim = os.path.join(out, "lib/python3.11/site-packages/numpy.libs", name)
                self.assertTrue(loads(slim), f"{level}: {name}")
                print(f"{level}: {name}: {os.path.getsize(os.path.join(tree, 'numpy.libs', name))} -> {os.path.getsize(slim)}"
                      f"{', strip breaks it' if name in broken else ''}")

    def cuda_wheel(self, name, version):
        stem = f"{name.replace('-', '_')}-{version}-*.whl"
        found = glob.glob(os.path.join(harness.CACHE, "wheels/*", stem))
        if not found:
            folder = os.path.join(harness.CACHE, "wheels/passes")
            self.run_tool(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
                          "--platform", "manylinux2014_x86_64", "--platform", "manylinux_2_17_x86_64",
                          "--platform", "manylinux2010_x86_64", "-d", folder, f"{name}=={version}")
            found = glob.glob(os.path.join(folder, stem))
        return found[0]

    def test_a_second_cuda_that_nothing_loads(self):
        """NVIDIA's own libraries: cuSPARSE finds nvJitLink by its RUNPATH, so that nothing asks for the system's."""
        root, site = self.path("root"), "usr/lib/python3/dist-packages"
        os.makedirs(os.path.join(root, SYSTEM))
        os.makedirs(os.path.join(root, "etc/ld.so.conf.d"))
        with open(os.path.join(root, "etc/ld.so.conf.d/cuda.conf"), "w", encoding="utf-8") as out:
            out.write(f"/{SYSTEM}\n")
        for name, version in (("nvidia-nvjitlink-cu12", "12.8.93"), ("nvidia-cusparse-cu12", "12.5.8.93")):
            with zipfile.ZipFile(self.cuda_wheel(name, version)) as wheel:
                wheel.extractall(os.path.join(root, site))
                for member in wheel.namelist():
                    base = os.path.basename(member)
                    if not base.endswith(".so.12"):
                        continue
                    # Not the very same bytes, as another build is not.
                    with open(os.path.join(root, SYSTEM, base + version[2:]), "wb") as out:
                        out.write(wheel.read(member) + b"\0" * 8)
                    os.symlink(base + version[2:], os.path.join(root, SYSTEM, base))
        load = ("import ctypes, sys\nctypes.CDLL(sys.argv[1])\n"
                "for line in sorted({l.split()[-1] for l in open('/proc/self/maps') if '/lib/libcu' in l or '/lib/libnv' in l}):\n"
                "    print(line)\n")

        def maps(tree, library):
            return self.run_tool(sys.executable, "-c", load, os.path.join(tree, library)).replace(tree, "").split()

        library = f"{site}/nvidia/cusparse/lib/libcusparse.so.12"
        before = maps(root, library)
        self.assertEqual(before, [f"/{library}", f"/{site}/nvidia/nvjitlink/lib/libnvJitLink.so.12"])
        slim = self.path("slim")
        report = self.flense("slim", root, "--gpu", "h100", "--level", "aggressive", "-o", f"dir:{slim}", "--json",
                             timeout=3000).json
        passes = {p["id"]: p["bytes"] for p in report["passes"]}
        self.assertEqual(maps(slim, library), before)
        names = [name for name in os.listdir(os.path.join(slim, SYSTEM)) if name.count(".") > 3]
        self.assertEqual(len(names), 2)
        for name in names:
            self.assertTrue(os.path.islink(os.path.join(slim, SYSTEM, name)), report["left_alone"])
        # Who names the system's directory all the same gets the packages' libraries.
        led = self.run_tool(sys.executable, "-c", load, os.path.join(slim, SYSTEM, "libcusparse.so.12"))
        self.assertEqual({os.path.realpath(path) for path in led.split()},
                         {os.path.realpath(slim + path) for path in before})
        print(f"before and after: {before}; {json.dumps(passes)}")

    def with_a_second_cuda(self):
        """The small image with the system's CUDA of the same version below ld.so.conf, as a base image brings it."""
        archive = os.path.join(harness.CACHE, "images/small.tar")
        layer = fixtures.Layer()
        for path in ("usr/local/cuda-12.8", "usr/local/cuda-12.8/targets", "usr/local/cuda-12.8/targets/x86_64-linux", SYSTEM):
            layer.folder(path)
        layer.file("etc/ld.so.conf.d/000_cuda.conf", f"/{SYSTEM}\n")
        for pattern, version in (("nvidia_cublas_cu12-*.whl", ".8.4.1"), ("nvidia_cuda_runtime_cu12-*.whl", ".8.90")):
            with zipfile.ZipFile(self.wheel(pattern)) as wheel:
                for name in wheel.namelist():
                    base = os.path.basename(name)
                    if not base.endswith(".so.12"):
                        continue
                    # Not the very same bytes, as another build is not.
                    layer.file(f"{SYSTEM}/{base}{version}", wheel.read(name) + b"\0" * 8, 0o755)
                    layer.symlink(f"{SYSTEM}/{base}", base + version)
        out = self.path("two.tar")
        fixtures.with_layer(archive, layer.done(), out, "ADD a second CUDA")
        return out

    def run_workload(self, root):
        self.run_tool("chroot", root, "/sbin/ldconfig")
        return rootfs.run(root, ["/usr/bin/python3", "-c", WORKLOAD])

    def test_a_second_cuda_that_may_be_loaded_stays(self):
        if os.geteuid() != 0:
            self.skipTest("unpacking owners needs root")
        source = self.with_a_second_cuda()
        rootfs.unpack(source, self.path("original"))
        before = self.run_workload(self.path("original"))
        shutil.rmtree(self.path("original"))
        slim = self.path("slim")
        report = self.flense("slim", source, "--gpu", "h100", "--level", "aggressive", "-o", f"dir:{slim}", "--json",
                             timeout=3000).json
        print(before)
        self.assertEqual(self.run_workload(slim), before)
        self.assertIn("/nvidia/cublas/lib/libcublas.so.12", before)
        self.assertNotIn(SYSTEM, before)
        # In this process faiss has loaded the packages' libraries before. CTranslate2 alone opens libcublas.so.12 by
        # name, without a path to the packages, and would get the system's: so the system's must stay.
        why = {os.path.basename(item["path"]): item["why"] for item in report["left_alone"] if SYSTEM in item["path"]}
        self.assertIn("libctranslate2", why["libcublas.so.12.8.4.1"])
        self.assertEqual(set(why), {name for name in os.listdir(os.path.join(slim, SYSTEM)) if name.count(".") > 3})
        self.assertNotIn("cuda-copies", [p["id"] for p in report["passes"]])


if __name__ == "__main__":
    harness.main()
