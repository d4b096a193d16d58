#!/usr/bin/env python3
"""Real packages that compile at run time, each with a program whose answer is the same in the slim tree: NVRTC builds of
cumm and DeepGEMM's headers as far as they go without a GPU, zig as a C compiler, Cling's dictionaries.

Needs 4 GB of disk, and the wheels from PyPI."""

import os
import shutil
import subprocess
import sys

import harness

# NVRTC as ctypes: prints the size and digest of the PTX that a source becomes with the headers below the tree.
NVRTC = """
import ctypes, glob, hashlib, os, sys
site, first, source = sys.argv[1:4]
lib = ctypes.CDLL(glob.glob(site + "/nvidia/cuda_nvrtc/lib/libnvrtc.so.*")[0])
program, size = ctypes.c_void_p(), ctypes.c_size_t()
include = [first] + sorted(glob.glob(site + "/nvidia/*/include"))
options = [b"--std=c++17", b"-arch=sm_90a", b"-default-device", b"-D__CUDACC_RTC__"] + [b"-I" + os.fsencode(d) for d in include]
assert lib.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"k.cu", 0, None, None) == 0
status = lib.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
if status != 0:
    lib.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    lib.nvrtcGetProgramLog(program, log)
    sys.exit(log.value.decode()[:3000].replace(site, ""))
lib.nvrtcGetPTXSize(program, ctypes.byref(size))
ptx = ctypes.create_string_buffer(size.value)
lib.nvrtcGetPTX(program, ptx)
print(size.value, hashlib.sha256(ptx.raw).hexdigest())
"""
CUMM = """
import glob, hashlib, os, sys
import cumm
from cumm import tensorview as tv
home = os.path.dirname(cumm.__file__)
include = [home + "/include"] + sorted(glob.glob(os.path.dirname(home) + "/nvidia/*/include"))
source = "#include <tensorview/core/array.h>\\n" \\
         "extern \\"C\\" __global__ void k(tv::array<float, 4>* p) { p[threadIdx.x] = p[threadIdx.x] * 2.0f; }\\n"
ptx = tv.NVRTCProgram(source, {}, ["--std=c++14", "-arch=sm_80"] + ["-I" + d for d in include], "k.cu", []).ptx()
print(len(ptx), hashlib.sha256(ptx.encode()).hexdigest())
"""
CUDA = ("nvidia-cuda-nvrtc-cu12==12.9.86", "nvidia-cuda-runtime-cu12==12.9.79", "nvidia-cuda-cccl-cu12==12.9.27")


class JitLarge(harness.Case):
    def install(self, *packages):
        """A tree in which pip has installed them, and the directory of its packages."""
        site = f"usr/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
        cache = os.path.join(harness.CACHE, "wheels/jit")
        self.run_tool(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "-d", cache,
                      *packages)
        self.run_tool(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile",
                      "--find-links", cache, "--target", self.path("tree/" + site), *packages)
        return self.path("tree"), site

    def assert_same(self, packages, reason, program):
        """`program` gets the directory of packages of a tree and gives its answer."""
        tree, site = self.install(*packages)
        before = program(os.path.join(tree, site))
        report = self.flense("slim", tree, "--gpu", "h100", "--level", "standard", "-o", "dir:" + self.path("slim"), "--json",
                             timeout=3000).json
        shutil.rmtree(tree)
        # The same place: what compilers print names it.
        os.rename(self.path("slim"), tree)
        self.assertEqual(program(os.path.join(tree, site)), before)
        self.assertTrue(any(reason in text for text in report["notices"]), report["notices"])
        print(packages[0], "before and after:", before.strip()[-300:], report["notices"])

    def python(self, site, *arguments):
        return self.run_tool(sys.executable, *arguments, env={**os.environ, "PYTHONPATH": site,
                                                              "PYTHONDONTWRITEBYTECODE": "1"})

    def test_cumm_and_spconv(self):
        self.assert_same(("cumm-cu120==0.4.11", "spconv-cu120==2.3.6", "pccm==0.4.16", "ccimport==0.4.4", "numpy", "lark",
                          "portalocker", "fire", "termcolor", "ninja", "requests", "urllib3", "idna", "certifi",
                          "charset-normalizer", "pybind11", "nvidia-cuda-cccl-cu12==12.4.127.post1",
                          "nvidia-cuda-runtime-cu12==12.4.127"),
                         "cumm/core_cc", lambda site: self.python(site, "-c", CUMM).splitlines()[-1])

    def test_deep_gemm(self):
        # As its runtime puts them together; the kernels are templates, of which this names one.
        source = "#include <deep_gemm/common/utils.cuh>\n#include <cutlass/numeric_types.h>\n#include <cute/tensor.hpp>\n" \
                 "extern \"C\" __global__ void k(int* p) { *p = deep_gemm::ceil_div(*p, 3); }\n"
        self.assert_same(("sgl-kernel==0.3.21", *CUDA), "deep_gemm_cpp.abi3.so compiles with NVRTC",
                         lambda site: self.python(site, "-c", NVRTC, site, site + "/deep_gemm/include", source))

    def test_ziglang(self):
        hello, program = self.path("hello.c"), self.path("hello")
        with open(hello, "w", encoding="utf-8") as out:
            out.write("#include <stdio.h>\nint main(void) { puts(\"hello from zig\"); return 0; }\n")

        def build(site):
            # Linked by GCC: zig would first build a C library of its own, for minutes.
            self.run_tool(sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-musl", "-c", hello, "-o",
                          program + ".o", env={**os.environ, "PYTHONPATH": site, "ZIG_LOCAL_CACHE_DIR": self.path("zig"),
                                               "ZIG_GLOBAL_CACHE_DIR": self.path("zig")})
            shutil.rmtree(self.path("zig"))
            self.run_tool("gcc", "-no-pie", program + ".o", "-o", program)
            return self.run_tool(program)

        self.assert_same(("ziglang==0.17.1",), "ziglang/zig holds a C compiler", build)

    def test_cling(self):
        with open(self.path("point.h"), "w", encoding="utf-8") as out:
            out.write("#pragma once\n#include <string>\nstruct Point { double x, y; std::string name; };\n")
        with open(self.path("LinkDef.h"), "w", encoding="utf-8") as out:
            out.write("#ifdef __CLING__\n#pragma link C++ class Point+;\n#endif\n")

        def dictionary(site):
            home = os.path.join(site, "cppyy_backend")
            done = subprocess.run([os.path.join(home, "bin/rootcling"), "-f", "dictionary.cxx", "point.h", "LinkDef.h"],
                                  cwd=self.work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True,
                                  env={**os.environ, "ROOTSYS": home, "LD_LIBRARY_PATH": home + "/lib"})
            self.assertEqual(done.returncode, 0, done.stdout[-3000:])
            with open(self.path("dictionary.cxx"), encoding="utf-8") as text:
                return str([line for line in text if "Point" in line][:5])

        self.assert_same(("cppyy-cling==6.32.8",), "libCling.so holds a C compiler", dictionary)


if __name__ == "__main__":
    harness.main()
