"""What the security tests share: a host with something to lose, the modes of `flense run`, and hostile images started
in each of them.

A test names the modes that claim to hold (`@in_modes`), runs in all of them as root and as an ordinary user, proves
that its attack was made (the probe's own words, or flense's refusal), and then that the host is as it was."""

import contextlib
import functools
import os
import shlex
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))

# pylint: disable=wrong-import-position
import containers  # noqa: E402
import fixtures  # noqa: E402
import harness  # noqa: E402
import test_run  # noqa: E402
import test_sub_ids  # noqa: E402

USER = test_run.USER
SECRET = "the host's own"
# Each is a column of docs/security.md. What makes a boundary stronger is added to the option, never to a test.
MODES = {"default": [], "no-home": ["--no-home"], "isolate": ["--isolate"], "sub-ids": ["--sub-ids"],
         "isolate no-home": ["--isolate", "--no-home"]}
# Modes that differ in how the root or the user is made, for what must hold whatever was asked for.
MORE_MODES = {**MODES, "fake-root": ["--fake-root"], "writable": ["--writable"], "other id": ["-u", "7:7"],
              "no network": ["--network", "none"], "own memory": ["--shm-size", "1m"],
              "sub-ids isolate": ["--sub-ids", "--isolate"], "sub-ids app": ["--sub-ids", "-u", "app"],
              "isolate writable": ["--isolate", "--writable"], "isolate network": ["--isolate", "--network", "host"],
              "tracing": ["--cap-add", "SYS_PTRACE"], "own processes": ["--pid", "private"],
              "first process": ["--isolate", "--init"], "contained": ["--contain"],
              "die with parent": ["--die-with-parent"], "userns auto": ["--userns", "auto"],
              "userns auto isolate": ["--userns", "auto", "--isolate"]}


def in_modes(*names, more=False):
    """The test takes the options of a mode, and runs once for each of these (default: all)."""
    known = MORE_MODES if more else MODES

    def around(test):
        @functools.wraps(test)
        def in_each(self):
            ran = 0
            for name in names or known:
                if "sub-ids" in name and not self.has_sub_ids() or "userns" in name and self.caller() != 0:
                    continue
                with self.subTest(mode=name, caller=self.caller()):
                    test(self, known[name])
                ran += 1
            self.assertGreater(ran, 0)
        return in_each
    return around


def probe():
    return containers.compiled(os.path.join(HERE, "probe.c"))


def layer():
    """A small system with the probe in it."""
    return test_run.busybox_layer().disk_file("bin/probe", probe())


class Attack(harness.Case):
    uid = None  # of the caller; None: as the tests themselves
    archive, environment, words = test_run.Run.archive, test_run.Run.environment, test_run.Run.words
    done, caller = test_run.Run.done, test_run.Run.caller

    def setUp(self):
        if not shutil.which("gcc"):
            self.skipTest("gcc is not installed")
        if os.geteuid() != 0:
            self.skipTest("needs root: for another user's eyes, and for a place that no container gets")
        test_run.Run.setUp(self)
        self.image = self.archive(layer())
        start, count = test_sub_ids.START, test_sub_ids.COUNT
        accounts = [("root", 0), ("flensetest", USER)]
        self.etc = {"passwd": "".join(f"{name}:x:{uid}:{uid}::{self.home}:/bin/sh\n" for name, uid in accounts),
                    "subuid": "".join(f"{name}:{start}:{count}\n" for name, _ in accounts),
                    "subgid": "".join(f"{name}:{start + 5000}:{count}\n" for name, _ in accounts)}
        for name, text in self.etc.items():
            self.text(self.path(name), text)
        # Nothing binds /opt, in no mode.
        self.canary = tempfile.mkdtemp(dir="/opt", prefix="flense-canary-")
        self.addCleanup(shutil.rmtree, self.canary)
        os.chmod(self.canary, 0o777)
        self.text(f"{self.canary}/secret", SECRET, 0o666)
        self.text(f"{self.canary}/stub", "", 0o666)
        os.mkdir(f"{self.canary}/empty")
        os.chmod(f"{self.canary}/empty", 0o777)
        shutil.copy(probe(), f"{self.canary}/program")
        self.before = harness.digest_tree(self.canary)

    @staticmethod
    def text(path, text, mode=0o644):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        os.chmod(path, mode)

    def has_sub_ids(self):
        return test_sub_ids.why_not() is None

    def start(self, *arguments, env=None, under=(), **more):
        """In a mount namespace with our own accounts, so that every caller has a home and a range of ids; what is left
        running after a minute is ended."""
        mounts = [f"mount --bind {self.path(name)} /etc/{name}" for name in self.etc]
        words = shlex.join(["timeout", "-k", "5", "60", *under, *self.words(*arguments)])
        return subprocess.Popen(["unshare", "-m", "sh", "-c", " && ".join([*mounts, f"exec {words}"])],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env={**self.environment(), **(env or {})}, cwd=more.pop("cwd", self.home), **more)

    def attack(self, *arguments, expect=None, **more):
        """`flense run`; its result, and the host is as it was."""
        result = self.done(self.start("run", *arguments, **more), expect)
        self.check_host(result)
        return result

    def check_host(self, result=None):
        said = (result.out + result.err) if result else ""
        self.assertNotIn(SECRET, said, "a file of the host was read")
        self.assertEqual(harness.digest_tree(self.canary), self.before, f"files of the host changed\n{said}")

    def refused(self, result, *words):
        """By flense itself, before anything was started."""
        self.assertEqual(result.status, 125, result.out + result.err)
        self.assertEqual(result.out, "")
        self.assertTrue(result.err.startswith("error: "), result.err)
        for word in words:
            self.assertIn(word, result.err)

    def steal(self):
        """A shell's way to the canary from wherever it stands, upwards through `..` included."""
        up = "../" * 24
        return (f"echo started; for top in / {up} /proc/self/cwd/{up} /proc/1/root/ /proc/$PPID/root/ /proc/$PPID/cwd/{up}; do "
                f"cat $top{self.canary}/secret; echo overwritten > $top{self.canary}/secret; "
                f"touch $top{self.canary}/made; rm -f $top{self.canary}/stub; done 2>/dev/null; true")

    def engine(self, version=None):
        """A folder with a crun of the caller's own, that notes how it is called and what it inherits; and the note."""
        folder = tempfile.mkdtemp(dir=self.work)
        log = os.path.join(folder, "log")
        shutil.copy(shutil.which("crun"), os.path.join(folder, "real"))
        says = f'[ "$1" != --version ] || {{ echo "crun version {version}"; exit; }}\n' if version else ""
        self.text(os.path.join(folder, "crun"),
                  f'#!/bin/sh\n{says}echo "$@" >> {log}\n{probe()} fds >> {log}\nexec {folder}/real "$@"\n', 0o755)
        self.text(log, "", 0o666)
        for path in (folder, os.path.join(folder, "real")):
            os.chown(path, self.caller(), self.caller())
        os.chmod(folder, 0o755)
        return folder, log

    @contextlib.contextmanager
    def engine_stays_out(self):
        """Whoever is started in here gets no container: crun is asked for its version at most."""
        folder, log = self.engine()
        yield {"PATH": f"{folder}:{os.environ['PATH']}"}
        with open(log, encoding="utf-8") as text:
            self.assertNotIn(" run ", text.read(), "crun was called")

    @contextlib.contextmanager
    def running(self, *arguments, **more):
        """A container named job, for as long as this lasts."""
        process = self.start("run", "--name", "job", *arguments, "sh", "-c",
                             "echo up; trap 'exit 0' TERM; while :; do sleep 0.05; done", **more)
        try:
            self.assertEqual(process.stdout.readline(), b"up\n")
            yield process
        finally:
            test_run.Run.end(process)

    @contextlib.contextmanager
    def exchanging(self, one, other):
        """As long as this lasts, two names take turns."""
        process = subprocess.Popen([probe(), "exchange", one, other], stdout=subprocess.PIPE)
        try:
            self.assertEqual(process.stdout.readline(), b"exchanging\n")
            yield
            self.assertIsNone(process.poll(), "the exchange came to an end")
        finally:
            process.kill()
            process.communicate()

    def facts(self, text, kind):
        """The probe's lines of one kind, in words."""
        return [line.split()[1:] for line in text.splitlines() if line.split()[:1] == [kind]]


def main():
    harness.main()
