#!/usr/bin/env python3
"""slim for AMD targets on a tree with the file names of ROCm's libraries and one linked library with
offload bundles, which clang-offload-bundler reads before and after where it is there."""

import hashlib
import os
import pathlib
import shutil
import struct
import subprocess

import fixtures
import harness

ROCBLAS = "opt/rocm-6.4.0/lib/rocblas/library/"
HIPBLASLT = "opt/rocm-6.4.0/lib/hipblaslt/library/"
MIOPEN = "opt/rocm-6.4.0/share/miopen/db/"
TORCH = "opt/venv/lib/python3.12/site-packages/torch/lib/"
FOR_GFX942 = [
    ROCBLAS + "Kernels.so-000-gfx942.hsaco", ROCBLAS + "TensileLibrary_gfx942.co",
    ROCBLAS + "TensileLibrary_lazy_gfx942.dat", HIPBLASLT + "extop_gfx942.co",
    HIPBLASLT + "TensileLibrary_HH_SH_A_Bias_HS_HA_Type_HH_HPA_Contraction_l_Ailk_Bjlk_Cijk_Dijk_gfx942.dat",
    MIOPEN + "gfx942130.HIP.fdb.txt", MIOPEN + "gfx942.tn.model",
    TORCH + "aotriton.images/amd-gfx942/flash/attn_fwd/FONLY__^bf16@16.aks2",
    "usr/lib/.kpack/blas_lib_gfx942.kpack", "opt/rocm-6.4.0/lib/libMIOpenCKGroupedConv_gfx942.so",
]
FOR_OTHERS = [
    ROCBLAS + "Kernels.so-000-gfx90a-xnack+.hsaco", ROCBLAS + "Kernels.so-000-gfx1030.hsaco",
    ROCBLAS + "TensileLibrary_Type_ZZ_Contraction_l_AlikC_BjlkC_Cijk_Dijk_fallback_gfx906.hsaco",
    ROCBLAS + "TensileLibrary_gfx1100.co", ROCBLAS + "TensileLibrary_lazy_gfx1201.dat",
    HIPBLASLT + "extop_gfx90a.co", HIPBLASLT + "gfx950/TensileLibrary_HH.co",
    MIOPEN + "gfx1030_36.kdb", MIOPEN + "gfx90a6e.HIP.fdb.txt", MIOPEN + "gfx90878.db.txt",
    TORCH + "aotriton.images/amd-gfx11xx/flash/attn_fwd/FONLY__^bf16@16.aks2",
    "usr/lib/.kpack/blas_lib_gfx1151.kpack", "opt/rocm-6.4.0/lib/libMIOpenCKGroupedConv_gfx90a.so",
]
SHARED = [
    ROCBLAS + "TensileLibrary.dat", ROCBLAS + "TensileManifest.txt",
    ROCBLAS + "TensileLibrary_Type_ZZ_Contraction_l_AlikC_BjlkC_Cijk_Dijk_fallback.dat",
    HIPBLASLT + "hipblasltExtOpLibrary.dat", HIPBLASLT + "hipblasltTransform.hsaco",
    MIOPEN + "miopen.db", "opt/rocm-6.4.0/lib/rocfft/rocfft_kernel_cache.db", "usr/lib/.kpack/blas_lib.kpm",
    "usr/lib/.kpack/blas_lib_gfx9-4-generic.kpack", "home/user/results_gfx906.co",
]
LIBRARY = "opt/app/libkernels.so"
IDS = ["host-x86_64-unknown-linux-gnu-"] + [f"hipv4-amdgcn-amd-amdhsa--{target}" for target in
                                            ("gfx906", "gfx90a:xnack+", "gfx942", "gfx9-4-generic")]


def bundle(ids=IDS):
    begin, rows, body = 4096, b"", b""
    for index, name in enumerate(ids):
        size = 9000 + 100 * index if index else 0
        rows += struct.pack("<QQQ", begin + len(body), size, len(name)) + name.encode()
        body += hashlib.shake_256(name.encode()).digest(size)
        if index + 1 < len(ids):
            body += bytes(-len(body) % 4096)
    return (b"__CLANG_OFFLOAD_BUNDLE__" + struct.pack("<Q", len(ids)) + rows).ljust(begin, b"\0") + body


class Bundles(harness.Case):
    def test_one_of_other_gpus_alone_goes_and_verify_knows_it(self):
        path = HIPBLASLT + "hipblasltTransform.hsaco"
        layer = fixtures.Layer().file(path, bundle([IDS[0], "hipv4-amdgcn-amd-amdhsa--gfx908"]))
        fixtures.docker_archive(self.path("app.tar"), [layer.done()], ["COPY rocm /opt"])
        slim = f"oci:{self.path('slim')}"
        self.flense("slim", self.path("app.tar"), "--gpu", "gfx90a", "-o", slim)
        self.assertEqual(self.flense("inspect", slim, "--json").json["device_code"]["files"], [])
        self.flense("verify", slim, "--against", self.path("app.tar"))
        told = self.flense("verify", slim, "--against", self.path("app.tar"), "--gpu", "gfx908", "--json", expect=1).json
        self.assertIn((path, "there: gfx908 can load it"), [(one["path"], one["expected"]) for one in told["differences"]])


class SlimRocm(harness.Case):
    def setUp(self):
        super().setUp()
        self.root = self.path("root")
        for name in FOR_GFX942 + FOR_OTHERS + SHARED:
            path = pathlib.Path(self.root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"content of " + name.encode())
        pathlib.Path(self.root, "opt/app").mkdir(parents=True)
        pathlib.Path(self.path("bundle")).write_bytes(bundle())
        pathlib.Path(self.path("fixture.s")).write_text(
            f'.section .hip_fatbin,"a",@progbits\n.p2align 12\nb: .incbin "{self.path("bundle")}"\n'
            '.section .hipFatBinSegment,"aw",@progbits\n.balign 8\n.long 0x48495046, 1\n.quad b, 0\n'
            '.section .note.GNU-stack,"",@progbits\n')
        subprocess.run(["cc", "-shared", "-o", os.path.join(self.root, LIBRARY), self.path("fixture.s")], check=True)

    def files(self, root):
        return sorted(str(path.relative_to(root)) for path in pathlib.Path(root).rglob("*") if path.is_file())

    def slim(self, gpu, *more):
        out = self.path(f"out-{gpu}-{len(more)}")
        report = self.flense("slim", self.root, "--gpu", gpu, "-o", f"dir:{out}", "--json", *more).json
        self.flense("verify", f"dir:{out}", "--against", self.root)
        return out, report

    def targets_of(self, library):
        data = pathlib.Path(library).read_bytes()
        at = data.index(b"__CLANG_OFFLOAD_BUNDLE__")
        bundler = next((tool for tool in ("clang-offload-bundler-19", "clang-offload-bundler") if shutil.which(tool)), None)
        rows, place, end = [], at + 32, 0
        for _ in range(struct.unpack_from("<Q", data, at + 24)[0]):
            offset, size, length = struct.unpack_from("<QQQ", data, place)
            name = data[place + 24:place + 24 + length].decode()
            self.assertEqual(data[at + offset:at + offset + size],
                             hashlib.shake_256(name.encode()).digest(size), name)
            rows.append(name)
            place, end = place + 24 + length, max(end, offset + size)
        if bundler:
            alone = pathlib.Path(self.path("alone"))
            alone.write_bytes(data[at:at + end])
            listed = subprocess.run([bundler, "--list", "--type=o", f"--input={alone}"], capture_output=True, text=True,
                                    check=True).stdout.split()
            self.assertEqual(sorted(listed), sorted(rows))
        return rows

    def test_one_processor(self):
        out, report = self.slim("mi300x")
        left = [name for name in self.files(out) if name != "usr/share/flense/slim.json"]
        self.assertEqual(left, sorted(FOR_GFX942 + SHARED + [LIBRARY]))
        self.assertEqual(self.targets_of(os.path.join(out, LIBRARY)), [IDS[0], IDS[3], IDS[4]])
        self.assertTrue(any("has not run on AMD hardware" in notice for notice in report["notices"]), report["notices"])
        pruned = os.stat(os.path.join(out, LIBRARY)).st_size
        self.assertLess(pruned, os.stat(os.path.join(self.root, LIBRARY)).st_size - 16000)
        subprocess.run(["python3", "-c", "import ctypes, sys; ctypes.CDLL(sys.argv[1])", os.path.join(out, LIBRARY)],
                       check=True)

    def test_verify_sees_what_lies_between_code_objects(self):
        out, _report = self.slim("mi300x")
        library = pathlib.Path(out, LIBRARY)
        data = bytearray(library.read_bytes())
        at = data.index(b"__CLANG_OFFLOAD_BUNDLE__")
        data[at + 4095] = 1  # before the first of them
        library.write_bytes(data)
        told = self.flense("verify", f"dir:{out}", "--against", self.root, "--json", expect=1).json["differences"]
        self.assertIn((LIBRARY, "device code"), [(one["path"], one["what"]) for one in told])

    def test_settings_and_several_processors(self):
        out, _report = self.slim("gfx90a,gfx11xx")
        self.assertEqual(self.targets_of(os.path.join(out, LIBRARY)), [IDS[0], IDS[2]])
        left = self.files(out)
        for name in FOR_GFX942 + FOR_OTHERS:
            serves = any(word in name for word in ("gfx90a", "gfx1100", "gfx11xx", "gfx1151"))
            self.assertEqual(name in left, serves, name)

    def test_other_vendor_and_safe(self):
        out, report = self.slim("sm_90")
        self.assertEqual([name for name in self.files(out) if name.startswith("opt/rocm")],
                         [name for name in self.files(self.root) if name.startswith("opt/rocm")])
        self.assertEqual(len(self.targets_of(os.path.join(out, LIBRARY))), len(IDS))
        self.assertFalse(any("AMD hardware" in notice for notice in report["notices"]))
        out, _report = self.slim("sm_90", "--drop-vendor")
        self.assertEqual(self.targets_of(os.path.join(out, LIBRARY)), [IDS[0], IDS[1]])
        self.assertNotIn(FOR_GFX942[0], self.files(out))
        out, _report = self.slim("gfx942", "--level", "safe")
        self.assertIn(FOR_OTHERS[0], self.files(out))
        self.assertEqual(len(self.targets_of(os.path.join(out, LIBRARY))), 3)

    def test_inspect_says_what_slim_gives(self):
        report = self.flense("inspect", self.root, "--gpu", "gfx942", "--json", "--no-cache").json
        file = next(one for one in report["device_code"]["files"] if one["path"] == LIBRARY)
        self.assertEqual({row["arch"] for row in file["entries"]},
                         {"gfx906", "gfx90a:xnack+", "gfx942", "gfx9-4-generic"})
        out, _report = self.slim("gfx942")
        self.assertEqual(file["prune"]["output_bytes"], os.stat(os.path.join(out, LIBRARY)).st_size)
        self.assertEqual(sum(file["prune"]["entry_bytes_by_reason"].values()), sum(9000 + 100 * i for i in range(1, 5)))


if __name__ == "__main__":
    harness.main()
