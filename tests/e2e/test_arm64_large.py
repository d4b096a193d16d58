#!/usr/bin/env python3
"""The program for 64-bit ARM, cross built and run under QEMU's user mode: what every command prints and writes for the inputs
of test_golden.py is byte for byte what it is on x86-64, but for what names the machine or needs its kernel; and the
artefacts of a release with both programs.

Needs scripts/setup.sh arm64; builds build/release-arm64."""

import glob
import io
import os
import re
import shutil
import subprocess
import tarfile

import harness
import imagetree
import test_dist
import test_golden

PRESET, UNITS = "release-arm64", "dev-arm64"
QEMU = shutil.which("qemu-aarch64-static")
# Cases that say something else here, with the reason.
OTHER = {
    **dict.fromkeys(("inspect/layout", "inspect/options", "diff/forms", "slim/layout", "check/requirements", "run/bundles",
                     "run/errors", "run/injection", "run/preflight", "user/bundles", "user/preflight", "usage/together",
                     "damaged/digest-tar", "damaged/escape-tar"), "takes what is for the machine, and refuses what is not"),
    **dict.fromkeys(("slim/outputs", "slim/in-place", "slim/in-place-rocm", "slim/directory", "user/slim"),
                    "QEMU 7.2 has no openat2"),
    "cdi/install-refresh": "writes the path of the program",
}
# Unit tests that need what QEMU 7.2's user mode has not, or that are for another machine.
NOT_UNITS = {
    **dict.fromkeys(("Tracing.*", "TraceInRoot.*"), "ptrace"),
    **dict.fromkeys(("InRoot.*", "Merge.AgreesWithExtraction", "Oracle.UmociUnpacksTheSameTree", "Writer.DirectoryToImageAndBack",
                     "DirectoryOutput.LayersAreApplied", "Extraction.*", "ChangedTrees.*", "InPlace.*", "Container.*", "Injection.*",
                     "RealLoader.*", "RootPrograms.*", "RootStoreTest.*"), "openat2"),
    "Tree.AnOlderKernel": "a filter of system calls, which takes openat2 away",
    "Process.CapturesBothStreamsAndStatus": "posix_spawn, which tells of a program that is not there",
    "OnceAlone.AThreadThatEndsSoonIsWaitedFor": "a process without threads of QEMU's own",
    "OpenOci.SeveralImagesNeedAName": "takes the image for x86-64 that it has",
}


class Arm64(harness.Case):
    @classmethod
    def setUpClass(cls):
        if not QEMU or not shutil.which("aarch64-linux-gnu-g++"):
            raise harness.unittest.SkipTest("needs scripts/setup.sh arm64")
        for command in (["cmake", "--preset", PRESET], ["cmake", "--build", f"build/{PRESET}", "--target", "flense"]):
            done = subprocess.run(command, cwd=harness.TOP, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode != 0:
                raise RuntimeError(done.stdout.decode()[-6000:])
        cls.program = os.path.join(harness.TOP, "build", PRESET, "flense")

    def test_the_same_outputs(self):
        started = self.path("flense")
        with open(started, "w", encoding="utf-8") as out:
            out.write(f'#!/bin/sh\nexec {QEMU} {self.program} "$@"\n')
        os.chmod(started, 0o755)
        os.chmod(self.work, 0o755)
        here, harness.BINARY = harness.BINARY, started
        self.addCleanup(setattr, harness, "BINARY", here)
        os.mkdir(self.path("golden"))
        bench, differing, same = test_golden.Bench(self.path("golden")), {}, 0
        for name, steps in test_golden.cases().items():
            if os.geteuid() != 0 and name.startswith(test_golden.golden_machines.AS_ROOT):
                continue
            got = bench.run(name, steps)
            with open(test_golden.expected_file(name), encoding="utf-8", newline="") as text:
                expected = text.read()
            if got == expected:
                same += 1
            else:
                differing[name] = test_golden.difference(name, expected, got)
        print(f"{same} cases give the same on both machines, {len(differing)} do not: {', '.join(differing)}")
        self.assertEqual(sorted(set(differing) - set(OTHER)), [], "".join(
            text for name, text in differing.items() if name not in OTHER))
        self.assertEqual(sorted(set(OTHER) - set(differing)), [], "are the same now")

    def test_it_is_hardened(self):
        shown = self.run_tool("readelf", "-hldW", self.program)
        self.assertRegex(shown, r"Machine:\s+AArch64")
        self.assertRegex(shown, r"\(FLAGS_1\)\s+Flags: NOW PIE\n")
        self.assertNotIn("TEXTREL", shown)
        self.assertNotIn("INTERP", shown)
        compiled = re.findall(r"\]  (GNU C.*)", self.run_tool("readelf", "-p", ".GCC.command.line", self.program))
        self.assertEqual({line.split()[1] for line in compiled}, {"C++23", "C17"})
        for line in compiled:
            self.assertLessEqual({"-O2", "-fPIE", "-fstack-protector-strong", "-fstack-clash-protection",
                                  "-mbranch-protection=standard", "-ftrivial-auto-var-init=zero"}, set(line.split()))

    def test_units(self):
        for command in (["cmake", "--preset", UNITS], ["cmake", "--build", f"build/{UNITS}", "-j", str(os.cpu_count())]):
            self.run_tool(*command, cwd=harness.TOP)
        said = self.run_tool("ctest", "--preset", UNITS, "-L", "unit", "-j", str(os.cpu_count()), cwd=harness.TOP,
                             env={**os.environ, "GTEST_FILTER": "-" + ":".join(NOT_UNITS)})
        passed, skipped = (sum(map(int, re.findall(rf"\[  {word} \] (\d+) tests?", said))) for word in (" PASSED ", "SKIPPED"))
        print(f"unit tests: {passed} passed, {skipped} skipped, not tried: {', '.join(NOT_UNITS)}")
        self.assertGreater(passed, 1500)

    def test_artefacts_of_both(self):
        programs = f"{os.path.abspath(harness.BINARY)},{self.program}"
        for out in ("one", "two"):
            done = test_dist.make(self.path(out), program=programs)
            self.assertEqual(done.returncode, 0, done.stderr)
        names = sorted(os.listdir(self.path("one")))
        self.assertEqual([re.sub(r"(?<=flense.)[0-9.]+(?=[-_])", "V", name) for name in names], [
            "SHA256SUMS", "flense-V-linux-aarch64.tar.gz", "flense-V-linux-x86_64.tar.gz", "flense-V-oci.tar",
            "flense-V-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl",
            "flense-V-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64.whl",
            "flense_V_amd64.deb", "flense_V_arm64.deb"])
        for name in names:
            self.assertEqual(harness.file_digest(self.path("one/" + name)), harness.file_digest(self.path("two/" + name)), name)
        deb, = glob.glob(self.path("one/*_arm64.deb"))
        self.assertEqual(self.run_tool("dpkg-deb", "-f", deb, "Architecture"), "arm64\n")
        self.assertIn("cross-toolchain-base", self.run_tool("dpkg-deb", "-f", deb, "Static-Built-Using"))
        image, = glob.glob(self.path("one/*-oci.tar"))
        for architecture, program in (("amd64", harness.BINARY), ("arm64", self.program)):
            with self.subTest(architecture):
                got = imagetree.read_image(image, architecture=architecture)
                self.assertEqual(got.config["architecture"], architecture)
                with tarfile.open(fileobj=io.BytesIO(*got.layers)) as layer:
                    self.assertTrue(layer.extractfile("flense").read() == test_dist.read(program))
                told = self.flense("inspect", image, "--platform", f"linux/{architecture}", "--json").json
                self.assertEqual((told["platform"], told["digest"]), (f"linux/{architecture}", got.manifest_digest))
                self.assertEqual(self.run_tool("skopeo", "inspect", "--override-arch", architecture, "--format",
                                               "{{.Architecture}} {{.Digest}}", f"oci-archive:{image}").split()[0], architecture)


if __name__ == "__main__":
    harness.main()
