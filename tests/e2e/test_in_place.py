#!/usr/bin/env python3
"""slim --in-place: whenever it is killed, the next run ends where an uninterrupted one does."""

import base64
import ctypes
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess

import fixtures
import harness

KILLS = 25
WORK = ".flense-in-place"
PTRACE_TRACEME, PTRACE_KILL, PTRACE_SYSCALL = 0, 8, 24
GPU = ["--gpu", "sm_90"]


def record_row(root, name):
    with open(os.path.join(root, name), "rb") as data:
        content = data.read()
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    return f"{name},sha256={digest},{len(content)}"


def state(root):
    """Names, types, modes, owners, contents and which names share a file."""
    out, inodes = {}, {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            short, status = os.path.relpath(path, root), os.lstat(path)
            row = [oct(status.st_mode), status.st_uid, status.st_gid]
            if os.path.islink(path):
                row.append(os.readlink(path))
            elif os.path.isfile(path):
                row += [harness.file_digest(path), status.st_nlink, status.st_mtime_ns]
                inodes.setdefault(status.st_ino, []).append(short)
            out[short] = row
    return out, sorted(sorted(names) for names in inodes.values() if len(names) > 1)


class InPlace(harness.Case):
    kills = KILLS

    def setUp(self):
        super().setUp()
        self.old = self.path("old")
        site = f"{self.old}/lib/python3.11/site-packages"
        os.makedirs(f"{site}/pkg/include")
        os.makedirs(f"{site}/pkg-1.dist-info")
        os.makedirs(f"{self.old}/conda-meta")
        for number in range(4):
            fixtures.cuda_library(f"{site}/pkg/libk{number}.so", regions=2, payload=4000, name=f"k{number}")
        for name in os.listdir(f"{site}/pkg"):
            if name.endswith(".build"):
                shutil.rmtree(f"{site}/pkg/{name}")
        os.link(f"{site}/pkg/libk1.so", f"{self.old}/lib/libk1.so")
        os.symlink("libk0.so", f"{site}/pkg/libk.so")
        os.chmod(f"{site}/pkg/libk2.so", 0o751)
        for name in ("a.h", "b.h"):
            with open(f"{site}/pkg/include/{name}", "w", encoding="utf-8") as out:
                out.write("int x;\n" * 100)
        names = [f"pkg/libk{number}.so" for number in range(4)] + ["pkg/include/a.h", "pkg/include/b.h"]
        with open(f"{site}/pkg-1.dist-info/RECORD", "w", encoding="utf-8") as out:
            out.write("\n".join([record_row(site, name) for name in names] + ["pkg-1.dist-info/RECORD,,"]) + "\n")
        with open(f"{self.old}/conda-meta/pkg-1.json", "w", encoding="utf-8") as out:
            paths = [{"_path": f"lib/python3.11/site-packages/{name}", "sha256": "0", "size_in_bytes": 1} for name in names]
            json.dump({"name": "pkg", "version": "1", "build": "0", "paths_data": {"paths": paths, "paths_version": 1}}, out)
        self.env = {**harness.surroundings(), "XDG_CACHE_HOME": self.path("cache")}
        self.tree = self.path("tree")

    def renew(self):
        shutil.rmtree(self.tree, ignore_errors=True)
        subprocess.run(["cp", "-a", self.old, self.tree], check=True)

    def command(self, *options):
        return [harness.BINARY, "slim", self.tree, "--in-place", *(options or GPU)]

    def finished(self):
        """An uninterrupted run's end."""
        self.renew()
        self.flense("slim", self.tree, *GPU, "--in-place")
        return state(self.tree)

    def run_to(self, stop):
        """Runs until so many system calls of the main thread began or ended, then kills; None: to its end. How many there
        were, at which the directory of the work appeared, and at which the journal."""
        libc = ctypes.CDLL(None, use_errno=True)
        process = subprocess.Popen(self.command(), env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   preexec_fn=lambda: libc.ptrace(PTRACE_TRACEME, 0, None, None))
        seen = began = journal = 0
        while True:
            _, status = os.waitpid(process.pid, 0)
            if os.WIFEXITED(status) or os.WIFSIGNALED(status):
                process.returncode = status
                return seen, began, journal
            seen += 1
            if stop is None and not began and os.path.lexists(f"{self.tree}/{WORK}"):
                began = seen
            if stop is None and not journal and os.path.lexists(f"{self.tree}/{WORK}/journal"):
                journal = seen
            if seen == stop:
                process.send_signal(signal.SIGKILL)
                os.waitpid(process.pid, 0)
                process.returncode = -signal.SIGKILL
                return seen, began, journal
            kind = os.WSTOPSIG(status)
            libc.ptrace(PTRACE_SYSCALL, process.pid, None, ctypes.c_void_p(0 if kind == signal.SIGTRAP else kind))

    def test_killed_at_any_moment(self):
        whole = self.finished()
        self.assertNotEqual(whole, state(self.old))
        self.renew()
        total, began, journal = self.run_to(None)
        self.assertEqual(state(self.tree), whole)
        self.assertGreater(journal, began)
        draw = random.Random(20261123)
        between = finished = taken_back = 0
        for number in range(self.kills):
            self.renew()
            # As often before the work, while files wait, and from the journal to the end.
            self.run_to(draw.randint(*[(journal, total - 1), (began, journal), (1, began)][number % 3]))
            if number % 4 == 0:
                self.run_to(draw.randint(1, total))  # the run that repairs is killed, too
            now = state(self.tree)[0]
            self.assertTrue(set(whole[0]) <= set(now) or os.path.exists(f"{self.tree}/{WORK}/journal"))
            between += any(path.startswith(WORK) for path in now)
            done = self.flense("slim", self.tree, *GPU, "--in-place")
            finished += "were finished first" in done.out
            taken_back += "before it changed anything" in done.out
            self.assertEqual(state(self.tree), whole, number)
        print(f"{self.kills} kills, {between} with work left behind: {finished} finished, {taken_back} taken back")
        self.assertGreater(finished, 0)
        self.assertGreater(taken_back, 0)

    def kill_with_journal(self):
        """Between the journal and the end of the work."""
        self.renew()
        total, began, journal = self.run_to(None)
        for stop in range(journal + 1, total):
            self.renew()
            self.run_to(stop)
            if os.path.exists(f"{self.tree}/{WORK}/journal"):
                return
        self.fail("no moment with a journal was found")

    def test_the_next_run_may_ask_for_something_else(self):
        self.finished()
        self.flense("slim", self.tree, "--gpu", "sm_100", "--in-place")
        after_both = state(self.tree)
        self.kill_with_journal()
        self.flense("slim", self.tree, "--gpu", "sm_100", "--in-place")
        self.assertEqual(state(self.tree), after_both)

    def test_who_only_reads_is_told(self):
        self.kill_with_journal()
        for options in (["--dry-run"], ["--dry-run", "--in-place"], ["-o", f"dir:{self.path('out')}"]):
            done = self.flense("slim", self.tree, *GPU, *options, expect=4)
            self.assertIn("--in-place run that has not ended", done.err)
        self.assertFalse(os.path.lexists(self.path("out")))

    def test_one_run_at_a_time(self):
        self.renew()
        lock = os.open(self.tree, os.O_RDONLY)
        try:
            import fcntl
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = self.flense("slim", self.tree, *GPU, "--in-place", expect=4)
            self.assertIn("another slim --in-place", done.err)
        finally:
            os.close(lock)
        self.assertEqual(state(self.tree), state(self.old))

    def on_mount(self, options):
        if os.geteuid() != 0:
            self.skipTest("a file system of its own needs root")
        os.mkdir(self.tree)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.tree], check=False).returncode != 0:
            self.skipTest("the kernel forbids mounting a tmpfs")
        self.addCleanup(subprocess.run, ["umount", self.tree], check=False)
        subprocess.run(["cp", "-a", f"{self.old}/.", self.tree], check=True)

    def test_a_full_disk_changes_nothing(self):
        size = int(subprocess.run(["du", "-sk", self.old], check=True, stdout=subprocess.PIPE).stdout.split()[0])
        self.on_mount(f"size={size + 120}k")
        for room in (100, 60, 24, 4):
            with open(f"{self.tree}/ballast", "wb") as out:
                disk = os.statvfs(self.tree)
                out.write(b"x" * max(0, disk.f_bavail * disk.f_frsize - room * 1024))
            before = state(self.tree)
            done = self.flense("slim", self.tree, *GPU, "--in-place", expect=None)
            if done.status == 0:
                self.fail(f"{room} KiB were enough")
            self.assertEqual(done.status, 4)
            self.assertIn("space", done.err)
            self.assertEqual(state(self.tree), before)

    def test_a_tree_that_cannot_be_written_is_refused_before_it_is_read(self):
        self.on_mount("size=16m")
        subprocess.run(["mount", "-o", "remount,ro", self.tree], check=True)
        done = self.flense("slim", self.tree, *GPU, "--in-place", expect=4)
        self.assertIn("cannot change", done.err)

    def test_a_file_on_another_mount_stays(self):
        if os.geteuid() != 0:
            self.skipTest("a file system of its own needs root")
        self.renew()
        other = f"{self.tree}/lib/other"
        os.mkdir(other)
        if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", other], check=False).returncode != 0:
            self.skipTest("the kernel forbids mounting a tmpfs")
        self.addCleanup(subprocess.run, ["umount", other], check=False)
        shutil.copy(f"{self.old}/lib/python3.11/site-packages/pkg/libk0.so", other)
        before = harness.file_digest(f"{other}/libk0.so")
        report = self.flense("slim", self.tree, *GPU, "--in-place", "--json").json
        self.assertEqual(harness.file_digest(f"{other}/libk0.so"), before)
        self.assertIn("lib/other/libk0.so", [one["path"] for one in report["left_alone"] if "another mount" in one["why"]])

    def test_an_immutable_file_stays(self):
        self.renew()
        file = f"{self.tree}/lib/python3.11/site-packages/pkg/libk3.so"
        if subprocess.run(["chattr", "+i", file], check=False, stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("this file system has no immutable files, or only root makes them")
        self.addCleanup(subprocess.run, ["chattr", "-i", file], check=False)
        before = harness.file_digest(file)
        report = self.flense("slim", self.tree, *GPU, "--in-place", "--json").json
        self.assertEqual(harness.file_digest(file), before)
        self.assertIn("chattr", report["left_alone"][0]["why"])

    def test_again_changes_nothing(self):
        whole = self.finished()
        self.flense("slim", self.tree, *GPU, "--in-place")
        self.assertEqual(state(self.tree), whole)


if __name__ == "__main__":
    harness.main()
