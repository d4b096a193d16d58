#!/usr/bin/env python3
"""--html at size: the full PyTorch image and an image of 100,000 files, opened in a browser in under two seconds."""

import os
import subprocess
import sys

import browser
import fixtures
import harness

SECONDS = float(os.environ.get("FLENSE_HTML_SECONDS", "2"))


class Large(harness.Case):
    def check_opening(self, what, page):
        """The page in under two seconds: of the clock where the machine has nothing else to do, and of the
        processor anywhere."""
        with browser.Browser() as shown:
            shown.look(1360, 860)
            shown.open(page)  # The first page of a browser gets a new process.
            clock, processor = [], []
            for _ in range(5):
                before = shown.processor_time()
                clock.append(shown.open(page))
                processor.append(shown.processor_time() - before)
                self.assertEqual(shown.messages, [])
        # What else the machine does makes a page slower, never faster.
        print(f"{what}: {os.path.getsize(page)} bytes, open in {min(clock):.2f} s, {min(processor):.2f} s of a processor")
        self.assertGreater(min(processor), 0)
        self.assertLess(min(processor), SECONDS)
        if os.getloadavg()[0] <= (os.cpu_count() or 1):
            self.assertLess(min(clock), SECONDS)

    def test_pytorch(self):
        subprocess.run([sys.executable, os.path.join(harness.TOP, "scripts/make-image.py"), "clean"], check=True,
                       stdout=subprocess.DEVNULL)
        self.flense("inspect", os.path.join(harness.CACHE, "images/clean.tar"), "--gpu", "sm_90", "--html", self.path("r.html"))
        self.check_opening("PyTorch", self.path("r.html"))

    def test_hundred_thousand_files(self):
        layer = fixtures.Layer()
        for number in range(100_000):
            layer.file(f"opt/site-packages/package_{number // 400}/part_{number // 40 % 10}/module_{number}.py",
                       b"x" * (100 + number * 7919 % 9000))
        fixtures.docker_archive(self.path("app.tar"), [layer.done()], ["COPY . /"])
        self.flense("inspect", self.path("app.tar"), "--html", self.path("r.html"))
        self.assertLess(os.path.getsize(self.path("r.html")), 4_000_000)
        self.check_opening("100,000 files", self.path("r.html"))


if __name__ == "__main__":
    harness.main()
