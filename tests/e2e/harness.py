"""What all end-to-end tests share: the binary, a scratch folder, running commands."""

import fcntl
import json
import os
import pty
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("FLENSE_BINARY") or os.path.join(TOP, "build/release/flense")
CACHE = os.environ.get("FLENSE_CACHE") or os.path.expanduser("~/.cache/flense")
SKIPPED = 77  # what ctest reads as "skipped"


class Result:
    def __init__(self, done):
        self.status = done.returncode
        self.out = done.stdout.decode("utf-8", "replace")
        self.err = done.stderr.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.out)


def surroundings():
    """The environment without what would let a test meet the caches of its user."""
    return {name: value for name, value in os.environ.items()
            if name not in ("FLENSE_CACHE", "FLENSE_CACHE_MAX", "FLENSE_DATA", "FLENSE_MAX_UNPACKED",
                            "FLENSE_REGISTRY_TIMEOUT", "SLURM_TMPDIR")}


class Case(unittest.TestCase):
    """Every test method gets an empty self.work."""

    def setUp(self):
        self.work = tempfile.mkdtemp(prefix="flense-e2e-", dir=os.environ.get("FLENSE_TEST_DIR"))
        self.addCleanup(shutil.rmtree, self.work, ignore_errors=True)
        self.addCleanup(lambda: subprocess.run(["chmod", "-R", "u+rwX", self.work], check=False,
                                               stderr=subprocess.DEVNULL))

    def path(self, name):
        return os.path.join(self.work, name)

    def flense(self, *arguments, expect=0, **more):
        env = {**surroundings(), "XDG_CACHE_HOME": self.path("cache"), "NO_COLOR": "1", **more.pop("env", {})}
        done = subprocess.run([BINARY, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                              env=env, timeout=more.pop("timeout", 600), **more)
        result = Result(done)
        if expect is not None and result.status != expect:
            self.fail(f"flense {' '.join(arguments)}: status {result.status}, expected {expect}\n"
                      f"stdout: {result.out[-3000:]}\nstderr: {result.err[-3000:]}")
        return result

    def run_tool(self, *command, **more):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **more)
        if done.returncode != 0:
            self.fail(f"{' '.join(command)}: status {done.returncode}\n{done.stdout.decode('utf-8', 'replace')[-3000:]}")
        return done.stdout.decode("utf-8", "replace")


def on_terminal(words, columns=100, rows=40, **options):
    """(status, bytes drawn) of a program whose streams are a terminal, but for those that the options name."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    child = subprocess.Popen(words, **{"stdin": follower, "stdout": follower, "stderr": follower, **options})
    os.close(follower)
    out = b""
    try:
        while block := os.read(leader, 1 << 16):
            out += block
    except OSError:
        pass  # the other end is closed
    os.close(leader)
    return child.wait(timeout=300), out


def digest_tree(folder):
    """One string for names, types, modes and contents below a folder."""
    import hashlib
    total = hashlib.sha256()
    for root, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files) + folders:
            path = os.path.join(root, name)
            state = os.lstat(path)
            total.update(f"{os.path.relpath(path, folder)} {state.st_mode} {state.st_size}\n".encode())
            if os.path.islink(path):
                total.update(os.readlink(path).encode())
            elif os.path.isfile(path):
                with open(path, "rb") as data:
                    while block := data.read(1 << 20):
                        total.update(block)
    return total.hexdigest()


def file_digest(path):
    import hashlib
    with open(path, "rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def main():
    """Like unittest.main, but a file of which every test was skipped ends with SKIPPED."""
    if not os.access(BINARY, os.X_OK):
        sys.exit(f"{BINARY} is missing: run `make`, or set FLENSE_BINARY")
    program = unittest.main(module="__main__", exit=False)
    result = program.result
    if not result.wasSuccessful():
        sys.exit(1)
    if result.testsRun == len(result.skipped):
        for _, reason in result.skipped:
            print("skipped:", reason)
        sys.exit(SKIPPED)
