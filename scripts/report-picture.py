#!/usr/bin/env python3
"""Draws docs/report-light.png and docs/report-dark.png: the HTML report of the demo's image, as a browser shows it.

    scripts/report-picture.py [TARGET [GPU]]

Without TARGET it is the image of `make demo`. It needs chromium and pngquant:
apt-get install chromium pngquant."""

import os
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(TOP, "tests/e2e"))

import browser  # noqa: E402

WIDTH, HEIGHT = 1280, 872


def main():
    cache = os.environ.get("FLENSE_CACHE", os.path.expanduser("~/.cache/flense"))
    target = sys.argv[1] if len(sys.argv) > 1 else f"{cache}/images/small.tar"
    gpu = sys.argv[2] if len(sys.argv) > 2 else "h100"
    missing = [name for name in ("chromium", "pngquant") if shutil.which(name) is None]
    if missing:
        sys.exit(f"report-picture: apt-get install {' '.join(missing)}")
    if not os.path.exists(target):
        sys.exit(f"report-picture: {target} is not there; make demo builds it")
    flense = os.environ.get("FLENSE_BINARY", os.path.join(TOP, "build/release/flense"))
    with tempfile.TemporaryDirectory() as work, browser.Browser() as page:
        report, shot = os.path.join(work, "report.html"), os.path.join(work, "shot.png")
        subprocess.run([flense, "inspect", "--quiet", "--gpu", gpu, "--html", report, target], check=True,
                       stdout=subprocess.DEVNULL)
        for scheme in ("light", "dark"):
            page.look(WIDTH, HEIGHT, scheme)
            page.open(report)
            page.screenshot(shot)
            out = os.path.normpath(os.path.join(TOP, f"docs/report-{scheme}.png"))
            subprocess.run(["pngquant", "--force", "--strip", "--speed", "1", "--output", out, shot], check=True)
            print(out, os.path.getsize(out))


if __name__ == "__main__":
    main()
