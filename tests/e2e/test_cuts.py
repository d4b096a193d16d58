#!/usr/bin/env python3
"""What inspect announces is what slim plans: the same rows, files and bytes, of every pass."""

import os
import re

import fixtures
import harness
import test_models

LEVELS = ("safe", "standard", "aggressive")
SITE = "usr/lib/python3/dist-packages"
CUDA = "usr/local/cuda-12.8"
HUB = "root/.cache/huggingface/hub/models--a--b"
# A file for each category that a path alone tells.
BY_PATH = {
    "apt-lists": "var/lib/apt/lists/index", "package-caches": "var/cache/apt/pkgcache.bin",
    "pip-cache": "root/.cache/pip/http/a", "conda-pkgs": "opt/conda/pkgs/x/lib/a", "node-cache": "root/.npm/_cacache/a",
    "install-logs": "var/log/dpkg.log", "logs": "var/log/app.log", "temporary": "tmp/left", "installers": "opt/one.deb",
    "wheels": "wheels/one-1.0-py3-none-any.whl", "left-archives": "opt/source.tar.gz", "git": "srv/app/.git/HEAD",
    "cuda-static-libs": f"{CUDA}/lib64/libcublas_static.a", "static-libs": "usr/lib/libz.a",
    "cuda-headers": f"{CUDA}/include/cuda.h", "headers": "usr/include/stdio.h", "cuda-tools": f"{CUDA}/bin/nvcc",
    "profilers": "opt/nvidia/nsight-compute/ncu", "samples": f"{CUDA}/samples/a.cu",
    "stubs": f"{CUDA}/lib64/stubs/libcuda.so", "build-files": "usr/lib/pkgconfig/z.pc",
    "compilers": "usr/lib/gcc/x/12/cc1", "nvrtc-alternative": f"{SITE}/nvidia/cuda_nvrtc/lib/libnvrtc.alt.so.12",
    "documentation": "usr/share/doc/z/guide", "locales": "usr/share/locale/de/LC_MESSAGES/z.mo",
    "debug-files": "usr/lib/debug/a.debug", "pycache": f"{SITE}/m/__pycache__/m.pyc", "type-stubs": f"{SITE}/m/m.pyi",
    "python-tests": f"{SITE}/m/tests/t.py", "jit-caches": "root/.nv/ComputeCache/a",
    "driver-libs": "usr/lib/x86_64-linux-gnu/libcuda.so.550.54", "communication": "usr/lib/libnccl.so.2",
    "processor-variants": "opt/lib/libmkl_avx512.so.2", "data-sets": "srv/a.parquet", "secrets": "root/.netrc",
    "hub-leftovers": f"{HUB}/blobs/e.incomplete",
}
# Each asks for an option of its own that inspect does not have.
BY_OPTION = {"recompressed-code", "unreachable"}


def documented():
    """{id: level} of every pass that there is."""
    with open(os.path.join(harness.TOP, "docs/passes.md"), encoding="utf-8") as text:
        return dict(re.findall(r"^\| `([a-z-]+)` \| `?([a-z-]+)", text.read(), re.M))


def rows(items):
    return {one["id"]: (one["files"], one["bytes"], one["reason"]) for one in items}


class Comparison(harness.Case):
    def compare(self, image, gpu, level):
        """Both as {id: (files, bytes, text)}; what inspect holds back beside it."""
        cuts = self.flense("inspect", image, "--gpu", gpu, "--level", level, "--json").json["cuts"]
        plan = self.flense("slim", image, "--gpu", gpu, "--level", level, "--dry-run", "--json").json
        announced = rows(one for one in cuts if not one["held_back"])
        self.assertEqual(announced, rows(plan["passes"]), (gpu, level))
        # Its rows say what its edits give.
        self.assertEqual(sum(one[1] for one in announced.values()), plan["bytes"])
        return announced, [one for one in cuts if one["held_back"]]


class Cuts(Comparison):
    def image(self, held=False):
        library = self.path("libfake.so.1")
        fixtures.cuda_library(library)
        copy = fixtures.noise("copy", 100_000)
        low = fixtures.Layer()
        for name, path in BY_PATH.items():
            low.file(path, fixtures.noise(name, 3000))
        low.file("usr/share/doc/z/empty", b"").symlink("usr/share/doc/z/link", "guide")
        low.hardlink("opt/conda/lib/a", BY_PATH["conda-pkgs"])
        low.file("opt/conda/pkgs/x/lib/b", fixtures.noise("b", 2000))
        low.disk_file("usr/lib/libfake.so.1", library)
        low.file(f"{SITE}/triton/backends/nvidia/lib/cupti/a.so", b"cupti")
        low.file(f"{SITE}/triton/backends/amd/lib/a.bc", fixtures.noise("amd", 4000))
        low.file(f"{SITE}/flashinfer_cubin/cubins/a.cubin", fixtures.noise("cubin", 4000))
        low.file("usr/lib/libnvinfer_builder_resource_sm80.so.10", fixtures.noise("resource", 4000))
        low.file("usr/lib/equal-one", copy).file("opt/equal-two", copy)
        low.file(f"{HUB}/blobs/d", fixtures.noise("hub", 90_000))
        low.file(f"{HUB}/snapshots/r/model.bin", fixtures.noise("hub", 90_000))
        weights = test_models.model("kept")
        low.file("srv/m/config.json", test_models.SETTINGS).file("srv/m/model.safetensors", test_models.safetensors(weights))
        low.file("srv/m/pytorch_model.bin", test_models.torch_save(weights))
        low.file("opt/gone", fixtures.noise("gone", 5000))
        system = f"{CUDA}/targets/x86_64-linux/lib"
        for folder, suffix in ((system, ".8.3.14"), (f"{SITE}/nvidia/cublas/lib", "")):
            file = self.path("libcublas" + suffix)
            self.run_tool("gcc", "-shared", "-fPIC", "-Wl,-soname,libcublas.so.12", "-o", file, "-x", "c", "/dev/null")
            low.disk_file(f"{folder}/libcublas.so.12{suffix}", file)
        low.symlink(f"{system}/libcublas.so.12", "libcublas.so.12.8.3.14")
        low.file(f"{SITE}/nvidia_cublas_cu12-12.8.4.1.dist-info/METADATA",
                 "Metadata-Version: 2.1\nName: nvidia-cublas-cu12\nVersion: 12.8.4.1\n")
        if held:
            low.file("usr/bin/gcc", b"\x7fELF", 0o755)
            low.file(f"{SITE}/triton-3.0.dist-info/METADATA", "Name: triton\nVersion: 3.0\n")
        path = self.path("held.tar" if held else "image.tar")
        fixtures.docker_archive(path, [low.done(), fixtures.Layer().whiteout("opt/gone").done()], ["ADD", "RUN rm"])
        return path

    def test_every_pass_at_every_level(self):
        image, passes = self.image(), documented()
        for place, level in enumerate(LEVELS):
            with self.subTest(level=level):
                announced, held = self.compare(image, "sm_90", level)
                at = {one for one, least in passes.items() if least in LEVELS[:place + 1]} - BY_OPTION
                self.assertEqual(set(announced), at)
                self.assertLessEqual({one["id"] for one in held}, {one for one, least in passes.items() if least == "report"})
        self.assertEqual(set(BY_PATH) - set(passes), set())

    def test_other_targets_and_what_is_held_back(self):
        image = self.image(held=True)
        for gpu in ("gfx942", "sm_80,gfx1100"):
            _, held = self.compare(image, gpu, "aggressive")
            reasons = {one["id"]: one["held_back"] for one in held}
            self.assertIn("triton", reasons["headers"])
            self.assertNotIn("triton", reasons["secrets"])

    def test_without_targets_nothing_is_said_of_device_code(self):
        cuts = self.flense("inspect", self.image(), "--level", "aggressive", "--json").json["cuts"]
        ids = {one["id"] for one in cuts}
        self.assertFalse({"device-code", "device-ptx", "gpu-files"} & ids)
        self.assertLessEqual({"debug-sections", "equal-files", "shadowed-files", "headers"}, ids)


if __name__ == "__main__":
    harness.main()
