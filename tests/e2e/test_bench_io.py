#!/usr/bin/env python3
"""flense bench io: figures for three places, and nothing left behind."""

import os
import random

import harness
import schema


class BenchIo(harness.Case):
    def setUp(self):
        super().setUp()
        self.root, self.own = self.path("root"), self.path("own")
        os.makedirs(self.root + "/usr/lib")
        os.mkdir(self.own)
        with open(self.root + "/usr/lib/large", "wb") as out:
            out.write(random.Random(1).randbytes(8 << 20))

    def bench(self, *options, **more):
        return self.flense("bench", "io", self.root, "--dir", self.own, *options, **more)

    def test_figures(self):
        report = self.bench("--json").json
        self.assertEqual(schema.complaints(report, "flense/bench-io/v1"), [])
        self.assertEqual((report["file"], report["bytes"], report["entries"]), ("/usr/lib/large", 8 << 20, 3))
        for place in ("mount", "image"):
            self.assertGreater(report[place]["sequential_bytes_per_second"], 0)
            self.assertGreater(report[place]["random_microseconds"], 0)
        self.assertNotIn("first_write_milliseconds", report["image"])
        ratio = report["image"]["time_against_mount"]["random_microseconds"]
        self.assertAlmostEqual(ratio, report["image"]["random_microseconds"] / report["mount"]["random_microseconds"])
        overlay = report["overlay"]
        self.assertTrue("problem" in overlay or overlay["first_write_milliseconds"] > 0, overlay)
        self.assertEqual(os.listdir(self.own), [])
        self.assertEqual(sorted(os.listdir(self.root + "/usr/lib")), ["large"])

    def test_text(self):
        text = self.bench("--size", "1MiB").out
        for word in ("/usr/lib/large", "read in order", "first write to a large file", "posix_fadvise"):
            self.assertIn(word, text)
        self.assertEqual(os.listdir(self.own), [])

    def test_what_cannot_be_measured(self):
        self.flense("bench", "io", self.root, "--dir", self.path("nowhere"), expect=4)
        self.flense("bench", "cpu", self.root, expect=2)
        self.flense("bench", "io", expect=2)
        self.bench("--size", "3", expect=2)
        os.unlink(self.root + "/usr/lib/large")
        self.assertIn("no file of 1 MiB", self.bench(expect=3).err)


if __name__ == "__main__":
    harness.main()
