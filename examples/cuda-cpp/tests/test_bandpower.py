#!/usr/bin/env python3
"""bandpower PROGRAM on the processor against a computation of our own, what it refuses, and what it says without a GPU."""

import array
import cmath
import math
import os
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.path.abspath(sys.argv.pop(1))
FRAME, HOP, BANDS = 512, 256, 24
BINS = FRAME // 2 + 1
NO_DRIVER = not os.path.exists("/proc/driver/nvidia")


def bands_of(frame):
    """By recursion, unlike the program."""
    def fft(values):
        if len(values) == 1:
            return values
        even, odd = fft(values[::2]), fft(values[1::2])
        turned = [cmath.exp(-2j * math.pi * k / len(values)) * value for k, value in enumerate(odd)]
        return [a + b for a, b in zip(even, turned)] + [a - b for a, b in zip(even, turned)]

    power = [abs(value) ** 2 for value in fft([
        value * math.sin(math.pi * i / FRAME) ** 2 for i, value in enumerate(frame)])[:BINS]]
    width = (BINS - 1) / (BANDS + 1)
    return [sum(max(0, 1 - abs(k / width - band - 1)) * power[k] for k in range(BINS)) for band in range(BANDS)]


class Bandpower(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def run_it(self, *words, expect=0):
        done = subprocess.run([PROGRAM, *words], check=False, capture_output=True, text=True)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done.stdout if expect == 0 else done.stderr

    def signal(self, samples, of=lambda i: math.sin(0.1 * i) + 0.5 * math.cos(0.7 * i)):
        values = array.array("f", map(of, range(samples)))
        with open(self.path("signal"), "wb") as out:
            values.tofile(out)
        return self.path("signal"), values

    def bands(self, path, *words):
        self.run_it(*words, "-o", self.path("out"), path)
        out = array.array("f")
        with open(self.path("out"), "rb") as data:
            out.frombytes(data.read())
        return [out[at:at + BANDS] for at in range(0, len(out), BANDS)]

    def compare(self, *words):
        path, values = self.signal(FRAME + 3 * HOP + 100)
        rows = self.bands(path, *words)
        self.assertEqual(len(rows), 4)
        for number, row in enumerate(rows):
            wanted = bands_of(values[number * HOP:number * HOP + FRAME])
            for got, value in zip(row, wanted):
                self.assertAlmostEqual(got, value, delta=1e-4 * max(wanted))

    def test_cpu(self):
        self.compare("--cpu")

    @unittest.skipIf(NO_DRIVER, "no GPU here")
    def test_gpu(self):
        self.compare()

    def test_a_tone_is_in_its_band(self):
        centre = 10 * (BINS - 1) / (BANDS + 1)
        path, _ = self.signal(FRAME, lambda i: math.sin(2 * math.pi * centre * i / FRAME))
        row, = self.bands(path, "--cpu")
        self.assertEqual(max(range(BANDS), key=lambda band: row[band]), 9)

    def test_the_same_digests_again(self):
        path, _ = self.signal(4 * FRAME)
        first = self.run_it("--cpu", path)
        self.assertRegex(first, r"\Adevice CPU\nframes 7\npower  [0-9a-f]{16}\nbands  [0-9a-f]{16}\n\Z")
        self.assertEqual(self.run_it("--cpu", path), first)

    @unittest.skipUnless(NO_DRIVER, "a driver is here")
    def test_without_a_gpu(self):
        path, _ = self.signal(FRAME)
        self.assertRegex(self.run_it(path, expect=4), r"^bandpower: no GPU can be used here: .+; --cpu does without\n$")

    def test_versions(self):
        self.assertRegex(self.run_it("--version"), r"^CUDA 13\d+, cuBLAS 13\.\d+\.\d+, cuFFT 12\d+\n$")

    def test_wrong_usage(self):
        self.assertIn("SIGNAL is missing", self.run_it(expect=2))
        self.assertIn("'--gpu' is not understood", self.run_it("--gpu", expect=2))
        self.assertIn("'-o' is not understood", self.run_it("-o", expect=2))
        self.assertIn("'b' is not understood", self.run_it("a", "b", expect=2))
        self.assertIn("Usage:", self.run_it("--help"))

    def test_bad_input(self):
        self.assertIn("cannot be read", self.run_it("--cpu", self.path("none"), expect=3))
        short, _ = self.signal(FRAME - 1)
        self.assertIn(f"{4 * (FRAME - 1)} bytes", self.run_it("--cpu", short, expect=3))
        with open(short, "ab") as out:
            out.write(b"12345")
        self.assertIn("floats or more", self.run_it("--cpu", short, expect=3))
        path, _ = self.signal(FRAME)
        self.assertIn("cannot be written", self.run_it("--cpu", "-o", self.path("no/folder"), path, expect=1))


if __name__ == "__main__":
    unittest.main()
