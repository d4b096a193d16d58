#!/usr/bin/env python3
"""The GPU proof's own proof: against a stand-in driver that loads a region only if it holds code
for sm_90, regions.py accepts a library pruned for sm_90 and reports one pruned for sm_80."""

import json
import os
import subprocess
import sys

import fixtures
import harness

GPU = os.path.join(harness.TOP, "tests/gpu")
DRIVER = r"""
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int cuInit(unsigned f) { return 0; }
int cuDeviceGetCount(int *n) { *n = 1; return 0; }
int cuDeviceGet(int *d, int i) { *d = 0; return 0; }
int cuDeviceGetAttribute(int *v, int a, int d) { *v = a == 75 ? 9 : 0; return 0; }
int cuDevicePrimaryCtxRetain(void **c, int d) { *c = 0; return 0; }
int cuCtxSetCurrent(void *c) { return 0; }
int cuModuleUnload(void *m) { return 0; }
int cuGetErrorName(int s, const char **t) { *t = s ? "CUDA_ERROR_NO_BINARY_FOR_GPU" : "CUDA_SUCCESS"; return 0; }
int cuModuleLoadFatBinary(void **m, const unsigned char *p) {
  uint64_t size, payload; uint32_t magic, header, arch;
  if (getenv("DRIVER_HANGS")) pause();
  memcpy(&magic, p, 4); memcpy(&size, p + 8, 8);
  if (magic != 0xBA55ED50) return 200;
  for (const unsigned char *e = p + 16; e < p + 16 + size; e += header + payload) {
    memcpy(&header, e + 4, 4); memcpy(&payload, e + 8, 8); memcpy(&arch, e + 28, 4);
    if (arch == 90) return 0;
  }
  return 209;
}
"""


class GpuTools(harness.Case):
    def setUp(self):
        super().setUp()
        for folder in ("driver", "original", "sm_90", "sm_80"):
            os.mkdir(self.path(folder))
        with open(self.path("driver/cuda.c"), "w") as out:
            out.write(DRIVER)
        self.run_tool("gcc", "-shared", "-fPIC", "-o", self.path("driver/libcuda.so.1"), self.path("driver/cuda.c"))
        fixtures.cuda_library(self.path("original/libfake.so"))
        for gpu in ("sm_90", "sm_80"):
            self.run_tool("cp", self.path("original/libfake.so"), self.path(gpu))
            self.flense("slim", self.path(f"{gpu}/libfake.so"), "--gpu", gpu, "--in-place")

    def regions(self, slim, *seconds, **env):
        return subprocess.run([sys.executable, os.path.join(GPU, "regions.py"), self.path("original"), self.path(slim), *seconds],
                              env={**os.environ, "LD_LIBRARY_PATH": self.path("driver"), **env}, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)

    def test_accepts_a_right_prune(self):
        done = self.regions("sm_90")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn(b"6 of 6 regions", done.stdout)
        self.assertIn(b"{'CUDA_SUCCESS': 6}; 0 differences", done.stdout)

    def test_a_region_that_never_ends_is_given_up_and_proves_nothing(self):
        done = self.regions("sm_90", "1", DRIVER_HANGS="yes")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(b"0 of 6 regions", done.stdout)
        self.assertRegex(done.stdout, rb"libfake.so: region 0 of the original has not ended")

    def test_reports_a_wrong_prune(self):
        done = self.regions("sm_80")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(b"{'CUDA_SUCCESS': 6}; 6 differences", done.stdout)

    def test_the_experiment_changes_what_it_says(self):
        """bolder.py: nothing that a wrapper registers or the GPU runs, and of the rest no header (`payload`)."""
        archs = [(fixtures.CUBIN, 90, "a"), (fixtures.CUBIN, 80, ""), (fixtures.PTX, 90, "")]
        for mode in ("payload", "stub"):
            os.mkdir(self.path(mode))
            library = self.path(f"{mode}/libloose.so")
            fixtures.cuda_library(library, regions=3, archs=archs if mode == "payload" else archs[1:2], loose=True)
            registered = fixtures.loaded_entries(library)
            with open(library, "rb") as data:
                before = data.read()
            told = self.run_tool(sys.executable, os.path.join(GPU, "bolder.py"), self.path(mode), "sm_90", mode)
            self.assertIn("libloose.so: 3 cubins, 0.1 MB", told)
            self.assertEqual(fixtures.loaded_entries(library), registered)
            with open(library, "rb") as data:
                after = data.read()
            self.assertEqual(len(after), len(before))
            if mode == "payload":
                pairs = list(zip(fixtures.stored_entries(before), fixtures.stored_entries(after), strict=True))
                changed = [new for old, new in pairs if old != new]
                self.assertEqual([(kind, arch, set(content)) for kind, arch, _, content in changed],
                                 [(fixtures.CUBIN, 80, {0})] * 3)
            else:
                self.assertEqual(len(fixtures.stored_entries(after)), 3)

    def test_the_experiment_that_empties_registered_regions(self):
        """Those that hold nothing for the GPU, and no other."""
        os.mkdir(self.path("empty"))
        library = self.path("empty/libforeign.so")
        fixtures.cuda_library(library, regions=3, archs=[(fixtures.CUBIN, 80, "")])
        self.run_tool("cp", self.path("original/libfake.so"), self.path("empty"))
        told = self.run_tool(sys.executable, os.path.join(GPU, "bolder.py"), self.path("empty"), "sm_90", "empty")
        self.assertIn("libforeign.so: 3 cubins", told)
        self.assertNotIn("libfake.so", told)
        with open(library, "rb") as data:
            self.assertEqual(fixtures.stored_entries(data.read()), [])

    def compare(self, slim, expect, original=(["a", "b"], {"a": ["1", "1"], "b": ["X: y", "X: y"]}, True)):
        """Each run is two processes in a folder; the second does always what it should."""
        for where, (work, done, ended) in (("before", original), ("after", slim)):
            os.makedirs(self.path(where), exist_ok=True)
            for number, (names, answers) in enumerate(((work, done), (["c"], {"c": ["2", "2"]}))):
                lines = [{"work": names, "location": where, "loading": "LAZY", "torch": "t", "gpu": "g"},
                         *({name: pair} for name, pair in answers.items()), *([{}] if ended or number else [])]
                with open(os.path.join(self.path(where), str(number)), "w", encoding="utf-8") as out:
                    out.write("".join(json.dumps(line) + "\n" for line in lines))
        done = subprocess.run([sys.executable, os.path.join(GPU, "compare.py"), self.path("before"), self.path("after")],
                              stdout=subprocess.PIPE, encoding="utf-8", check=False)
        self.assertEqual(done.returncode, expect, done.stdout)
        return done.stdout

    def test_answers_are_compared(self):
        work, same = ["a", "b"], {"a": ["1", "1"], "b": ["X: z", "X: z"]}
        self.assertIn("3 of 3 agree (2 bit-equal, 1 fails alike), LAZY", self.compare((work, same, True), 0))
        for pair in (["1", "2"], ["3", "3"], ["X: y", "X: y"]):
            self.assertIn("BAD a: original", self.compare((work, {**same, "a": pair}, True), 1))
        for pair in (["1", "1"], ["Y: y", "Y: y"]):
            self.assertIn("BAD b: original", self.compare((work, {**same, "b": pair}, True), 1))
        self.assertIn("2 of 2 agree", self.compare((work, {"a": ["1", "1"]}, True), 0))
        self.assertIn("BAD b: no answer", self.compare((work, {"a": ["1", "1"]}, False), 1))
        varies = (["a"], {"a": ["1", "2"]}, True)
        self.assertIn("not deterministic", self.compare((["a"], {"a": ["3", "4"]}, True), 0, varies))
        self.assertIn("BAD a", self.compare((["a"], {"a": ["3", "X: y"]}, True), 1, varies))


if __name__ == "__main__":
    harness.main()
