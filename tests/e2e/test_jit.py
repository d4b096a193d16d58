#!/usr/bin/env python3
"""Headers that an image compiles by itself stay, and those that only builds read go. What compiles is told by what the
files hold: each case is a package that no list knows by its name."""

import os
import subprocess

import harness

SITE = "opt/venv/lib/python3.11/site-packages"
FRONT_END = 'const char* complaint(void) { return "expected \\"FILENAME\\" or <FILENAME>"; }\n'
CALLS_NVRTC = "int nvrtcCompileProgram(void*, int, void*);\nint build(void) { return nvrtcCompileProgram(0, 0, 0); }\n"
OPENS_NVRTC = """#include <dlfcn.h>
void* build(const char* library) { return dlsym(dlopen(library, RTLD_NOW), "nvrtcCompileProgram"); }
"""
DEFINES_NVRTC = "int nvrtcCompileProgram(void* p, int n, void* o) { return p == o ? n : 0; }\n"
STARTS_GCC = """import subprocess
def build(source):
    subprocess.check_call(["gcc", "-shared", "-fPIC", "-o", "module.so", source])
"""


class Jit(harness.Case):
    def root(self, name, package, files):
        """An image with the package and its header, and another package with one that nobody compiles."""
        root = self.path(name)
        self.packages = (package, "otherwise")
        for one in self.packages:
            self.write(root, f"{SITE}/{one}/__init__.py", "")
            self.write(root, f"{SITE}/{one}/include/{one}/core.h", "#pragma once\n" * 100)
            self.write(root, f"{SITE}/{one}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {one}\nVersion: 1.0\n")
        for path, what in files.items():
            if isinstance(what, tuple):
                self.cc(root, path, *what)
            else:
                self.write(root, path, what)
        return root

    def write(self, root, path, text):
        path = os.path.join(root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)

    def cc(self, root, path, source, *options):
        self.write(root, path, source)
        path = os.path.join(root, path)
        os.rename(path, path + ".c")
        subprocess.run(["gcc", "-O1", "-o", path, path + ".c", *options], check=True)
        os.unlink(path + ".c")

    def slim(self, root):
        """The report, and whether the package's header stayed."""
        out = root + "-slim"
        report = self.flense("slim", root, "--gpu", "h100", "--level", "standard", "-o", f"dir:{out}", "--json").json
        package = self.packages[0]
        return report, os.path.exists(os.path.join(out, f"{SITE}/{package}/include/{package}/core.h"))

    def assert_stays(self, package, files, reason):
        report, stayed = self.slim(self.root(package, package, files))
        self.assertTrue(stayed, report["notices"])
        self.assertTrue(any("build files stay" in text and f"{reason} (2.6 kB)" in text for text in report["notices"]),
                        report["notices"])

    def assert_goes(self, package, files):
        report, stayed = self.slim(self.root(package, package, files))
        self.assertFalse(stayed, report["notices"])
        self.assertNotIn("build files stay", str(report["notices"]))

    def test_an_extension_that_imports_nvrtc(self):
        """As cumm and sgl-kernel's deep_gemm do, without nvcc."""
        for package, module in (("cumm", "core_cc.cpython-311-x86_64-linux-gnu.so"),
                                ("deep_gemm", "deep_gemm_cpp.abi3.so")):
            with self.subTest(package):
                self.assert_stays(package, {f"{SITE}/{package}/{module}": (CALLS_NVRTC, "-shared", "-fPIC")},
                                  f"{package}/{module} compiles with NVRTC")

    def test_an_extension_that_opens_nvrtc_by_name(self):
        self.assert_stays("opener", {f"{SITE}/opener/_jit.so": (OPENS_NVRTC, "-shared", "-fPIC", "-ldl")},
                          "_jit.so compiles with NVRTC")

    def test_a_module_that_calls_nvrtc(self):
        self.assert_stays("caller", {f"{SITE}/caller/jit.py": "def build(nvrtc, p):\n    nvrtc.nvrtcCompileProgram(p, 0, [])\n"},
                          "caller/jit.py compiles with NVRTC")

    def test_a_compiler_of_any_name(self):
        """As ziglang's zig."""
        self.assert_stays("ziglang", {f"{SITE}/ziglang/zig": (FRONT_END + "int main(void) { return *complaint(); }\n",)},
                          "ziglang/zig holds a C compiler")

    def test_a_library_with_a_compiler(self):
        """As cppyy's libCling.so."""
        self.assert_stays("cppyy_backend", {f"{SITE}/cppyy_backend/lib/libCling.so": (FRONT_END, "-shared", "-fPIC")},
                          "libCling.so holds a C compiler")

    def test_a_module_that_starts_a_compiler(self):
        module = {f"{SITE}/starter/jit.py": STARTS_GCC}
        self.assert_stays("starter", {**module, "usr/bin/gcc": "compiler"}, "starter/jit.py may start usr/bin/gcc")
        # A compiler of another name is as good.
        other = {"opt/cc/bin/mycc": (FRONT_END + "int main(void) { return *complaint(); }\n",)}
        self.assert_stays("starter2", {f"{SITE}/starter2/jit.py": STARTS_GCC, **other}, "may start opt/cc/bin/mycc")
        # One that is not there is not waited for.
        self.assert_goes("starter3", {f"{SITE}/starter3/jit.py": STARTS_GCC})

    def test_what_compiles_nothing_keeps_nothing(self):
        for package, files in {
                "plain": {},
                # A compiler that nobody starts; the compiler proper, as cpp alone brings it.
                "left": {"usr/bin/gcc": "compiler",
                         "usr/lib/gcc/x86_64-linux-gnu/12/cc1": (FRONT_END + "int main(void) { return *complaint(); }\n",)},
                # NVRTC itself, PyTorch's jiterator and cuDNN hand it sources that include nothing.
                "torch": {f"{SITE}/torch/lib/libcaffe2_nvrtc.so": (CALLS_NVRTC, "-shared", "-fPIC"),
                          f"{SITE}/nvidia/cudnn/lib/libcudnn_engines_runtime_compiled.so.9": (CALLS_NVRTC, "-shared", "-fPIC"),
                          f"{SITE}/copy.libs/libnvrtc-d7c32a86.so.12.0.140": (DEFINES_NVRTC, "-shared", "-fPIC")},
                # It parses for tools.
                "parses": {f"{SITE}/clang/native/libclang.so": (FRONT_END, "-shared", "-fPIC", "-Wl,-soname,libclang.so")},
                # What builds packages, and the tests and set-up scripts of others.
                "builds": {"usr/bin/gcc": "compiler", f"{SITE}/setuptools/command/build_ext.py": STARTS_GCC,
                           f"{SITE}/builds/tests/test_jit.py": STARTS_GCC, f"{SITE}/builds/setup.py": STARTS_GCC,
                           "usr/lib/python3.11/distutils/unixccompiler.py": STARTS_GCC},
        }.items():
            with self.subTest(package):
                self.assert_goes(package, files)


if __name__ == "__main__":
    harness.main()
