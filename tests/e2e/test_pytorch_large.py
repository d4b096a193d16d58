#!/usr/bin/env python3
"""The real PyTorch images, original and slim: the same digests of the same computations.

Needs some 20 GB of disk and the images of scripts/make-image.py (built here when missing)."""

import glob
import json
import os
import subprocess
import sys
import zipfile

import fixtures
import harness
import rootfs

HERE = os.path.dirname(os.path.abspath(__file__))
LEVELS = os.environ.get("FLENSE_LEVELS", "standard").split(",")
GPUS = os.environ.get("FLENSE_GPUS", "sm_90").split(" ")

# Which CUDA libraries torch maps when it is imported.
MAPS = """
import torch
with open("/proc/self/maps") as maps:
    paths = {line.split()[-1] for line in maps if "/libcu" in line or "/libnv" in line}
print("\\n".join(sorted(path for path in paths if path.startswith("/"))))
"""


class PyTorch(harness.Case):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("unpacking owners needs root")

    def image(self, name):
        subprocess.run([sys.executable, os.path.join(harness.TOP, "scripts/make-image.py"), name], check=True,
                       stdout=subprocess.DEVNULL)
        return os.path.join(harness.CACHE, "images", name + ".tar")

    def compare(self, name, script, python, **more):
        archive = self.image(name)
        bind = [(os.path.join(HERE, script), "/tmp/workload.py")]
        original = self.path("original")
        rootfs.unpack(archive, original)
        expected = rootfs.run(original, [python, "/tmp/workload.py"], bind, **more)
        before = int(self.run_tool("du", "-sb", original).split()[0])
        subprocess.run(["rm", "-rf", original], check=True)
        for level in LEVELS:
            for gpu in GPUS:
                with self.subTest(level=level, gpu=gpu):
                    slim = self.path("slim")
                    report = self.flense("slim", archive, "--gpu", gpu, "--level", level, "-o", f"dir:{slim}", "--json",
                                         timeout=3000).json
                    after = int(self.run_tool("du", "-sb", slim).split()[0])
                    print(f"{name} {gpu} {level}: merged root {before} -> {after} bytes ({after / before:.1%}); "
                          f"{json.dumps(report.get('totals', {}))[:300]}")
                    answer = rootfs.run(slim, [python, "/tmp/workload.py"], bind, **more)
                    self.assertEqual(json.loads(answer), json.loads(expected))
                    subprocess.run(["rm", "-rf", slim], check=True)

    def test_clean(self):
        self.compare("clean", "workload.py", "/usr/bin/python3")

    def test_a_second_cuda(self):
        """The system's CUDA beside the wheels': torch maps the same paths before and after the system's became links."""
        system = "usr/local/cuda-13.2/targets/x86_64-linux/lib"
        self.image("clean")
        layer = fixtures.Layer()
        for depth in range(3, len(system.split("/")) + 1):
            layer.folder("/".join(system.split("/")[:depth]))
        layer.file("etc/ld.so.conf.d/000_cuda.conf", f"/{system}\n")
        for pattern in ("nvidia_cusparse-*", "nvidia_nvjitlink-*", "nvidia_cusolver-*", "nvidia_cublas-*"):
            path = sorted(glob.glob(os.path.join(harness.CACHE, "wheels/torch", pattern)))[-1]
            minor = os.path.basename(path).split("-")[1].partition(".")[2]
            with zipfile.ZipFile(path) as wheel:
                for name in wheel.namelist():
                    base = os.path.basename(name)
                    if ".so." in base:
                        # Not the very same bytes, as another build is not.
                        layer.file(f"{system}/{base}.{minor}", wheel.read(name) + b"\0" * 8, 0o755)
                        layer.symlink(f"{system}/{base}", f"{base}.{minor}")
        source = self.path("two.tar")
        fixtures.with_layer(self.image("clean"), layer.done(), source, "ADD a second CUDA")
        del layer

        def maps(root):
            self.run_tool("chroot", root, "/sbin/ldconfig")
            self.assertIn(system, self.run_tool("chroot", root, "/sbin/ldconfig", "-p"))
            return rootfs.run(root, ["/usr/bin/python3", "-c", MAPS])

        rootfs.unpack(source, self.path("original"))
        before = maps(self.path("original"))
        subprocess.run(["rm", "-rf", self.path("original")], check=True)
        slim = self.path("slim")
        report = self.flense("slim", source, "--gpu", "h100", "--level", "aggressive", "-o", f"dir:{slim}", "--json",
                             timeout=3000).json
        self.assertEqual(maps(slim), before)
        self.assertIn("/nvidia/cu13/lib/libcusparse.so.12", before)
        self.assertNotIn(system, before)
        copies = [one["bytes"] for one in report["passes"] if one["id"] == "cuda-copies"]
        print(f"{before}\ncuda-copies: {copies}; left alone: {[x for x in report['left_alone'] if system in x['path']]}")
        self.assertEqual(len(copies), 1, report["left_alone"])

    def test_fat(self):
        self.compare("fat", "workload.py", "/opt/venv/bin/python")

    def test_fat_service(self):
        self.compare("fat", "workload_http.py", "/opt/venv/bin/python", env={"PATH": "/opt/venv/bin:/usr/bin:/bin"})


if __name__ == "__main__":
    harness.main()
