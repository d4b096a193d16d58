#!/usr/bin/env python3
"""Real content: a wheel that GNU strip breaks, and an image with two CUDA installations.

Needs the small image of scripts/make-image.py (built here when missing) and some 6 GB of disk."""

import glob
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
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
        data = layer.done()
        out = self.path("two.tar")
        with tarfile.open(archive) as old, tarfile.open(out, "w") as new:
            manifest, = json.load(old.extractfile("manifest.json"))
            config = json.load(old.extractfile(manifest["Config"]))
            for name in manifest["Layers"]:
                member = old.getmember(name)
                new.addfile(member, old.extractfile(member))
            name = "second-cuda.tar"
            manifest["Layers"].append(name)
            config["rootfs"]["diff_ids"].append("sha256:" + hashlib.sha256(data).hexdigest())
            config.setdefault("history", []).append({"created_by": "ADD a second CUDA"})
            content = json.dumps(config).encode()
            manifest["Config"] = hashlib.sha256(content).hexdigest() + ".json"
            for path, content in ((name, data), (manifest["Config"], content),
                                  ("manifest.json", json.dumps([manifest]).encode())):
                info = tarfile.TarInfo(path)
                info.size = len(content)
                new.addfile(info, io.BytesIO(content))
        return out

    def run_workload(self, root):
        self.run_tool("chroot", root, "/sbin/ldconfig")
        return rootfs.run(root, ["/usr/bin/python3", "-c", WORKLOAD])

    def test_two_cuda_installations(self):
        if os.geteuid() != 0:
            self.skipTest("unpacking owners needs root")
        source = self.with_a_second_cuda()
        rootfs.unpack(source, self.path("original"))
        before = self.run_workload(self.path("original"))
        size = int(self.run_tool("du", "-sb", self.path("original")).split()[0])
        shutil.rmtree(self.path("original"))
        slim = self.path("slim")
        report = self.flense("slim", source, "--gpu", "h100", "--level", "aggressive", "-o", f"dir:{slim}", "--json",
                             timeout=3000).json
        passes = {p["id"]: p["bytes"] for p in report["passes"]}
        print(before)
        print(f"{size} -> {int(self.run_tool('du', '-sb', slim).split()[0])} bytes; {json.dumps(passes)}")
        self.assertEqual(self.run_workload(slim), before)
        self.assertIn("/nvidia/cublas/lib/libcublas.so.12", before)
        self.assertNotIn(SYSTEM, before)
        # libcudart, libcublas, libcublasLt, libnvblas
        links = [name for name in os.listdir(os.path.join(slim, SYSTEM)) if name.count(".") > 3]
        self.assertTrue(links)
        for name in links:
            self.assertTrue(os.path.islink(os.path.join(slim, SYSTEM, name)), (name, report["left_alone"]))
        self.assertGreater(passes["cuda-copies"], 800_000_000)


if __name__ == "__main__":
    harness.main()
