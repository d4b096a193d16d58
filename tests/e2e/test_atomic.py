#!/usr/bin/env python3
"""The output is whole or absent: after kill -9 at random moments, and on a full disk.

FLENSE_KILLS and FLENSE_DISKS set the numbers of tries (default 20 and 6; 200 and 20 for a release)."""

import os
import random
import re
import signal
import stat
import subprocess
import time

import fixtures
import harness
import imagetree

KILLS = int(os.environ.get("FLENSE_KILLS", "20"))
DISKS = int(os.environ.get("FLENSE_DISKS", "6"))
FORMS = ["oci", "oci-archive", "docker-archive", "dir"]


class Atomic(harness.Case):
    def setUp(self):
        super().setUp()
        os.mkdir(self.path("in"))
        self.input, _ = fixtures.sample_archive(self.path("in"))
        self.digest = harness.file_digest(self.input)
        self.env = {**os.environ, "XDG_CACHE_HOME": self.path("cache")}

    def command(self, form, out):
        return [harness.BINARY, "slim", self.input, "--gpu", "sm_90", "-o", f"{form}:{out}"]

    def accept(self, form, out):
        """Whatever stands at the output's name must be complete."""
        if not os.path.lexists(out):
            return False
        if form == "dir":
            self.assertTrue(os.path.exists(os.path.join(out, "usr/share/flense/slim.json")))
            self.assertEqual(harness.digest_tree(out), self.whole_dir)
        else:
            image = imagetree.read_image(out, "docker" if form == "docker-archive" else "oci")
            self.assertEqual(image.diff_ids, self.whole_ids)
        return True

    def reference(self):
        seconds = {}
        for form in FORMS:
            out = self.path(f"whole-{form}")
            started = time.monotonic()
            subprocess.run(self.command(form, out), check=True, env=self.env, stdout=subprocess.DEVNULL)
            seconds[form] = time.monotonic() - started
        self.whole_ids = imagetree.read_image(self.path("whole-oci")).diff_ids
        self.whole_dir = harness.digest_tree(self.path("whole-dir"))
        return seconds

    def test_room_is_told(self):
        units = {"B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "KiB": 1 << 10, "MiB": 1 << 20}
        for form in FORMS:
            for packed in ([], ["--compression", "gzip"]) if form != "dir" else ([],):
                out = self.path(f"room-{form}{len(packed)}")
                command = [*self.command(form, out), *packed]
                plan = subprocess.run([*command, "--dry-run"], check=True, env=self.env, capture_output=True, text=True)
                said = re.search(r"the result needs (up to )?([\d.]+) (\w+) free on the disk", plan.stdout + plan.stderr)
                self.assertTrue(said, plan.stdout)
                told = float(said[2]) * units[said[3]]
                subprocess.run(command, check=True, env=self.env, stdout=subprocess.DEVNULL)
                files = [os.path.join(at, name) for at, _, names in os.walk(out) for name in names] if os.path.isdir(out) else [out]
                # Names of one file count once, holes not at all.
                size = sum({one.st_ino: min(one.st_size, one.st_blocks * 512) for one in map(os.lstat, files) if stat.S_ISREG(one.st_mode)}.values())
                copies = 2 if form.endswith("archive") else 1
                with self.subTest(form=form, packed=packed, told=told, size=size):
                    # Rounding, tar headers, and the documents of the image.
                    self.assertGreaterEqual(told * 1.01 + 65536, size)
                    self.assertEqual(bool(said[1]), bool(packed))
                    if not packed:
                        self.assertLessEqual(told, copies * size * 1.05)

    def test_kill(self):
        seconds = self.reference()
        draw = random.Random(20260101)
        complete = interrupted = 0
        for number in range(KILLS):
            form = FORMS[number % len(FORMS)]
            os.mkdir(self.path("try"))
            out = self.path("try/out")
            process = subprocess.Popen(self.command(form, out), env=self.env, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            time.sleep(draw.uniform(0, seconds[form] * 1.1))
            process.send_signal(signal.SIGKILL)
            status = process.wait()
            whole = self.accept(form, out)
            self.assertTrue(whole or status != 0)
            complete += whole
            interrupted += status == -signal.SIGKILL
            # The same command works afterwards, whatever the killed one left beside it.
            if not whole:
                subprocess.run(self.command(form, out), check=True, env=self.env, stdout=subprocess.DEVNULL)
                self.assertTrue(self.accept(form, out))
            subprocess.run(["rm", "-rf", self.path("try")], check=True)
        self.assertEqual(harness.file_digest(self.input), self.digest)
        print(f"{KILLS} kills: {interrupted} interrupted a run, {complete} outputs were complete, none was partial")
        self.assertGreater(interrupted, KILLS // 4)

    def test_interrupt(self):
        """Ctrl-C and a batch system's SIGTERM leave nothing beside the output, and end as signals do."""
        seconds = self.reference()
        draw = random.Random(3)
        interrupted = number = 0
        # Some runs end before the signal; enough must not.
        while interrupted < 6 and number < 120:
            number += 1
            form = FORMS[number % len(FORMS)]
            sent = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP][number % 3]
            os.mkdir(self.path("try"))
            out = self.path("try/out")
            process = subprocess.Popen(self.command(form, out), env=self.env, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE)
            time.sleep(seconds[form] * draw.uniform(0.1, 0.9))
            process.send_signal(sent)
            message = process.communicate(timeout=60)[1].decode()
            whole = self.accept(form, out)
            left = [name for name in os.listdir(self.path("try")) if name.startswith(".")]
            self.assertEqual(left, [], form)
            if process.returncode == 0:
                self.assertTrue(whole)
            else:
                self.assertEqual(process.returncode, -sent, message)
                # A signal that comes when all is written ends the program without a word.
                self.assertFalse(whole and message)
                interrupted += message.startswith("error: interrupted")
            subprocess.run(["rm", "-rf", self.path("try")], check=True)
        print(f"{interrupted} of {number} runs were interrupted, none left anything behind")
        self.assertEqual(interrupted, 6)

    def test_one_signal_ends_a_wait_for_input(self):
        """From a pipe whose writer is slow, and from a named one that nobody opens."""
        os.mkfifo(self.path("pipe"))
        waits = [(["-"], command) for command in (["inspect"], ["check", "--host", "h100"], ["explain"], ["doctor", "--log"])]
        waits += [([self.path("pipe")], command) for command in (["inspect"], ["lint"], ["doctor", "--log"])]
        for number, (source, command) in enumerate(waits):
            with self.subTest(command=command, source=source):
                sent = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP][number % 3]
                process = subprocess.Popen([harness.BINARY, *command, *source], env=self.env, stdin=subprocess.PIPE,
                                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                with process.stdin, process.stderr:
                    time.sleep(0.3)
                    self.assertIsNone(process.poll())
                    process.send_signal(sent)
                    try:
                        self.assertEqual(process.wait(30), -sent)
                    finally:
                        process.kill()
                    self.assertTrue(process.stderr.read().startswith(b"error: interrupted\n"))

    def test_one_signal_ends_lint(self):
        """Lint reads little and thinks long; with --fix the files stay as they were."""
        text = "FROM nvidia/cuda\n" + "".join(f"RUN pip install torch=={at}.0\n" for at in range(100))
        for number in range(200):
            os.makedirs(self.path(f"many/{number}"))
            with open(self.path(f"many/{number}/Dockerfile"), "w", encoding="utf-8") as out:
                out.write(text)
        for number, words in enumerate(([], ["--fix=unsafe"])):
            with self.subTest(words=words):
                sent = [signal.SIGINT, signal.SIGTERM][number]
                process = subprocess.Popen([harness.BINARY, "lint", *words, self.path("many")], env=self.env,
                                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                time.sleep(0.3)
                process.send_signal(sent)
                out, err = process.communicate(timeout=60)
                self.assertEqual((process.returncode, out), (-sent, b""))
                self.assertTrue(err.startswith(b"error: interrupted\n"), err)
        for number in range(200):
            with open(self.path(f"many/{number}/Dockerfile"), encoding="utf-8") as read:
                self.assertEqual(read.read(), text)

    def test_kill_in_place(self):
        """In-place slimming is atomic per file: each file is the old or the new one."""
        import shutil
        source = self.path("in/libfake.so.1")
        old = harness.file_digest(source)
        done = self.path("done.so")
        shutil.copy(source, done)
        started = time.monotonic()
        subprocess.run([harness.BINARY, "slim", done, "--gpu", "sm_90", "--in-place"], check=True, env=self.env,
                       stdout=subprocess.DEVNULL)
        seconds = time.monotonic() - started
        new = harness.file_digest(done)
        self.assertNotEqual(old, new)
        draw = random.Random(7)
        for _ in range(KILLS):
            target = self.path("victim.so")
            shutil.copy(source, target)
            process = subprocess.Popen([harness.BINARY, "slim", target, "--gpu", "sm_90", "--in-place"], env=self.env,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(draw.uniform(0, seconds * 1.2))
            process.kill()
            process.wait()
            self.assertIn(harness.file_digest(target), (old, new))

    def test_full_disk(self):
        if os.geteuid() != 0:
            self.skipTest("a small file system of its own needs root")
        self.reference()
        sizes = {form: subprocess.run(["du", "-sk", self.path(f"whole-{form}")], check=True,
                                      stdout=subprocess.PIPE).stdout.split()[0] for form in FORMS}
        mount = self.path("small")
        os.mkdir(mount)
        failures = 0
        for number in range(DISKS):
            form = FORMS[number % len(FORMS)]
            # From nearly nothing to nearly enough.
            kilobytes = max(64, int(int(sizes[form]) * (number + 1) / (DISKS + 1)))
            mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", mount], check=False)
            if mounted.returncode != 0:
                self.skipTest("the kernel forbids mounting a tmpfs")
            try:
                out = os.path.join(mount, "out")
                done = subprocess.run(self.command(form, out), env={**self.env, "TMPDIR": mount},
                                      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
                if done.returncode == 0:
                    self.assertTrue(self.accept(form, out))
                else:
                    failures += 1
                    self.assertEqual(done.returncode, 4, done.stderr)
                    self.assertFalse(os.path.lexists(out))
                    self.assertIn(b"space", done.stderr.lower())
                    # Nothing is left behind to fill the disk for good.
                    self.assertEqual(os.listdir(mount), [])
            finally:
                subprocess.run(["umount", mount], check=True)
        self.assertEqual(harness.file_digest(self.input), self.digest)
        print(f"{DISKS} small disks: {failures} ended with status 4 and no output")
        self.assertGreater(failures, 0)


if __name__ == "__main__":
    harness.main()
