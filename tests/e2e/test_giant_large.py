#!/usr/bin/env python3
"""Images of more than 25 GB for CUDA and of more than 20 GB for ROCm go through every command: what their size must not
change. Prints the rows of docs/measured-images.md.

Needs root, a memory cgroup, and some 40 GB of disk for the first, 30 GB for the second (built here when missing)."""

import json
import os
import shutil
import subprocess
import sys

import harness

sys.path.insert(0, os.path.join(harness.TOP, "bench"))
import memory  # noqa: E402

# Anonymous and shared memory, what cannot be given back under pressure.
MEMORY = 512 << 20
PAGE = 4 << 20


class Giant(harness.Case):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0 or memory.hierarchy() is None:
            self.skipTest("the build and the memory cgroup need root")

    def image(self, name, needed):
        path = os.path.join(harness.CACHE, "images", name + ".oci")
        os.makedirs(harness.CACHE, exist_ok=True)
        free = shutil.disk_usage(harness.CACHE).free
        if not os.path.exists(path) and free < needed:
            self.skipTest(f"the build needs {needed / 1e9:.0f} GB of disk, and {free / 1e9:.1f} GB are free")
        subprocess.run([sys.executable, os.path.join(harness.TOP, "scripts/make-image.py"), name], check=True,
                       stdout=subprocess.DEVNULL)
        return path

    def measured(self, name, *words, expect=(0,)):
        """What flense prints as JSON; its memory is within the bound."""
        record = self.path("record.json")
        env = {**harness.surroundings(), "XDG_CACHE_HOME": self.path("cache"), "NO_COLOR": "1", "TMPDIR": self.work}
        done = memory.run_limited(["sh", "-c", f'exec "$@" >{record}', "sh", harness.BINARY, *words, "--json"], 2 << 30, env)
        self.assertIn(done.get("status"), expect, (words, done))
        print(f"{name} {words[0]}: {done['seconds']} s, {done['peak_bytes'] / 1e6:.0f} MB")
        self.assertLessEqual(done["peak_bytes"], MEMORY, words)
        with open(record, encoding="utf-8") as source:
            return json.load(source)

    def check(self, name, least, needed, gpu, host):
        source = "oci:" + self.image(name, needed)
        slim, again = (f"oci:{self.path(one)}" for one in ("slim", "again"))

        seen = self.measured(name, "inspect", source, "--gpu", gpu, "--html", self.path("inspect.html"))
        self.assertGreater(seen["unpacked_bytes"], least)

        made = self.measured(name, "slim", source, "--gpu", gpu, "-o", slim, "--compression", "zstd:3",
                             "--html", self.path("slim.html"))
        self.assertEqual(made["unpacked_bytes_before"], seen["unpacked_bytes"])
        self.assertEqual({one["id"] for one in made["passes"]},
                         {one["id"] for one in seen["cuts"] if not one["held_back"]})
        self.assertLess(made["unpacked_bytes_after"], 0.75 * made["unpacked_bytes_before"])
        for left in made["left_alone"]:
            self.assertTrue(left["why"], left)

        changed = self.measured(name, "diff", source, slim, "--html", self.path("diff.html"), expect=(0, 1))
        self.assertFalse(changed["same"])
        proved = self.measured(name, "verify", slim, "--against", source)
        self.assertEqual((proved["result"], proved["difference_count"], proved["unknown_count"]), ("equal", 0, 0))
        for page in ("inspect", "slim", "diff"):
            self.assertLess(os.path.getsize(self.path(page + ".html")), PAGE, page)

        judged = self.measured(name, "check", source, "--host", host, expect=(0, 1, 5))
        slimmed = self.measured(name, "check", slim, "--host", host, expect=(0, 1, 5))
        self.assertEqual(judged["verdict"], slimmed["verdict"])

        second = self.measured(name, "slim", slim, "--gpu", gpu, "-o", again, "--compression", "zstd:3")
        self.assertEqual(second["passes"], [])
        self.assertEqual(second["output_digest"], made["output_digest"])
        print(f"{name}: {made['unpacked_bytes_before']} -> {made['unpacked_bytes_after']} bytes; " + ", ".join(
            f"{one['id']} {one['bytes'] / 1e6:.0f}" for one in sorted(made["passes"], key=lambda one: -one["bytes"])))

    def test_cuda(self):
        self.check("giant", 25e9, 40e9, "h100", "h100@580.65.06")

    def test_rocm(self):
        self.check("giant-rocm", 20e9, 30e9, "mi250x", "mi250x@6.16.13")


if __name__ == "__main__":
    harness.main()
