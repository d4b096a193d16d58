#!/usr/bin/env python3
"""How containers end, stop and go on with what started them: --die-with-parent, a terminal that hangs up, Ctrl-C and
Ctrl-Z under a shell."""

import os
import shlex
import shutil
import signal
import subprocess
import time

import containers
import harness
import test_run
from containers import Terminal, below, processes, state_of

OPTION = "--die-with-parent"


class DieWithParent(containers.Case):
    MODES = ([], ["--isolate"], ["--isolate", "--no-home"], ["--fake-root"], ["--writable"], ["--network", "none"])

    def mark(self):
        """An argument that nothing else has; what has it does not outlive the test."""
        mark = f"mark-{os.path.basename(self.work)}-{time.monotonic_ns()}"
        self.addCleanup(lambda: [os.kill(pid, signal.SIGKILL) for pid in processes(mark)])
        return mark

    def test_kill_9_ends_all(self):
        """Also who has left the session and has another parent."""
        for mode in (*self.MODES, *([["--userns", "auto"]] if self.caller() == 0 else [])):
            mark = self.mark()
            process = self.start("run", OPTION, *mode, self.image, "probe", "orphan", mark)
            self.addCleanup(self.end, process)
            self.assertEqual(process.stdout.readline(), b"up\n")
            self.assertGreaterEqual(len(processes("orphan", mark)), 3)
            process.kill()
            self.await_true(f"{mode}: it lives", lambda: not processes("orphan", mark), 5)
            process.communicate()
            self.assertEqual(self.left_in_runtime(), [], mode)
        self.assertEqual(os.listdir(os.path.join(self.runtime, "flense/stage")), [])

    def test_the_parents_end_ends_all(self):
        for mode in ([], ["--isolate"]):
            mark = self.mark()
            line = shlex.join(self.words("run", OPTION, *mode, self.image, "probe", "orphan", mark))
            parent = subprocess.Popen(["sh", "-c", f"{line} & wait"], stdout=subprocess.PIPE, env=self.environment(),
                                      cwd=self.home)
            self.assertEqual(parent.stdout.readline(), b"up\n")
            parent.kill()
            self.await_true(f"{mode}: it lives", lambda: not processes(mark), 5)
            parent.communicate()
            self.assertEqual(self.left_in_runtime(), [])

    def test_without_it_they_stay(self):
        """What the tests above look for can be seen."""
        mark = self.mark()
        process = self.start("run", self.image, "probe", "orphan", mark)
        self.assertEqual(process.stdout.readline(), b"up\n")
        process.kill()
        process.wait()
        left = processes("orphan", mark)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        process.communicate()
        self.assertGreaterEqual(len(left), 3)

    def killed_in_the_middle(self, delayed, *options):
        """Of a start in which the first of these calls takes its time, once a second process of flense's own is there."""
        if not shutil.which("strace"):
            self.skipTest("strace is not installed")
        self.run_image(self.image, "true")
        mark = self.mark()
        slow = ["strace", "-D", "-f", "-o", self.path("log"), "-e", f"trace={delayed}", "-e",
                f"inject={delayed}:delay_enter=300000:when=1"]
        process = subprocess.Popen([*slow, *self.words("run", *options, self.image, "probe", "orphan", mark)],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment(), cwd=self.home)

        def started():
            return [pid for pid in processes(self.binary, "run", mark) if containers.arguments_of(pid)[0] == self.binary]
        self.await_true("no second process", lambda: len(started()) == 2)
        process.kill()
        try:
            process.communicate(timeout=5)  # until nothing holds its output
        except subprocess.TimeoutExpired:
            left = {*started(), *processes("orphan", mark)}
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            process.communicate()
            self.fail(f"{len(left)} processes were left")

    def test_killed_while_it_starts(self):
        """The engine is begun by a process that is to end with flense, and may find it gone already."""
        self.killed_in_the_middle("prctl", OPTION)

    def test_killed_while_it_maps_ids(self):
        """A user namespace for mapped mounts is made by a process that does nothing else."""
        if self.caller() != 0:
            self.skipTest("--userns auto is for root")
        self.killed_in_the_middle("unshare", "--userns", "auto", OPTION)

    def test_status_and_signals(self):
        for script, status in (("exit 7", 7), ("true", 0), ("kill -9 $$", 137), ("kill -TERM $$", 143)):
            self.assertEqual(self.run_image(OPTION, self.image, "sh", "-c", script, expect=None).status, status, script)
        self.run_image(OPTION, self.image, "nosuch", expect=127)
        self.run_image(OPTION, self.image, "/etc/plain", expect=126)
        for mode in ([], ["--isolate"]):
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
                process = self.start("run", OPTION, *mode, self.image, "probe", "told")
                self.addCleanup(self.end, process)
                self.assertEqual(process.stdout.readline(), b"up\n")
                process.send_signal(number)
                word = {1: b"hup\n", 2: b"int\n", 10: b"usr1\n", 15: b"term\n"}[number]
                self.assertEqual(process.stdout.readline(), word)
                process.terminate()
                self.done(process, 5)
        self.assertEqual(self.left_in_runtime(), [])

    def test_signals_that_the_command_does_not_handle(self):
        """They end it, as without the option: it is not the first process of its namespace."""
        for mode in ([], [OPTION]):
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
                mark = f"1000{time.monotonic_ns()}"
                process = self.start("run", *mode, self.image, "sleep", mark)
                self.addCleanup(self.end, process)
                self.addCleanup(process.kill)
                self.await_true("it does not start", lambda: any(
                    containers.arguments_of(pid)[0] == "sleep" for pid in processes("sleep", mark)))
                process.send_signal(number)
                self.await_true(f"{mode}: {number.name} did not end it", lambda: process.poll() is not None, 3)
                self.done(process, 128 + number)

    def test_what_it_cannot_go_with(self):
        for options, word in ((["--name", "job"], "--name"), (["--bundle", f"{self.home}/bundle"], "--bundle")):
            err = self.run_image(OPTION, *options, self.image, "true", expect=125).err
            self.assertIn(f"{word}", err)
            self.assertIn("do not go together", err)

    def test_standard_streams(self):
        process = self.start("run", OPTION, self.image, "cat", stdin=subprocess.PIPE)
        out, _ = process.communicate(b"through\n", timeout=30)
        self.assertEqual((out, process.returncode), (b"through\n", 0))


class DieWithParentAsUser(DieWithParent):
    uid = test_run.USER


class HangUp(containers.Case):
    """The window is closed."""

    def ends(self, terminal, pids):
        terminal.hang_up()
        try:
            self.await_true("it lives", lambda: all(state_of(pid) == "gone" for pid in pids), 5)
        finally:
            for pid in pids:
                if state_of(pid) != "gone":
                    os.kill(pid, signal.SIGKILL)
        self.assertNotEqual(terminal.status(), 0)

    def started(self, *arguments):
        """The terminal, and the processes: flense's, crun's, the command's and what that has started."""
        terminal = Terminal(self, self.words(*arguments))
        name = "/bin/sh" if arguments[0] == "shell" else next(one for one in arguments if one in ("sh", "sleep", "probe"))
        self.await_true(f"{arguments} does not start", lambda: any(
            containers.arguments_of(pid)[0] == name for pid in below(terminal.pid)))
        if name == "probe":
            terminal.await_text("up\r\n")
        return terminal, [terminal.pid, *below(terminal.pid)]

    def test_run(self):
        for command in (["sh"], ["sleep", "60"], ["probe", "told"]):
            self.ends(*self.started("run", "-t", self.image, *command))
        self.assertEqual(self.left_in_runtime(), [])

    def test_first_process_of_a_namespace(self):
        """It gets no signal that it does not handle, but the terminal is gone for it, too."""
        for command in (["sh"], ["sleep", "60"], ["probe", "told"]):
            with self.subTest(command=command):
                self.ends(*self.started("run", "-t", "--isolate", self.image, *command))

    def test_a_command_that_does_not_care(self):
        """flense and crun end even so; the rest with them only when that was asked for."""
        for mode, stays in (([], True), (["--die-with-parent"], False)):
            mark = f"hang-up-{time.monotonic_ns()}"
            terminal, pids = self.started("run", "-t", *mode, self.image, "probe", "orphan", mark)
            try:
                self.ends(terminal, pids[:2])
                if not stays:
                    self.await_true("it lives", lambda: not processes("orphan", mark), 5)
                self.assertEqual(bool(processes("orphan", mark)), stays)
            finally:
                for pid in processes("orphan", mark):
                    os.kill(pid, signal.SIGKILL)

    def test_exec_and_shell(self):
        process = self.start("run", "--name", "job", self.image, "probe", "told")
        self.addCleanup(self.end, process)
        self.assertEqual(process.stdout.readline(), b"up\n")
        for arguments in (["exec", "-t", "job", "probe", "told"], ["exec", "-t", "job", "sleep", "60"], ["shell", "job"]):
            self.ends(*self.started(*arguments))
        self.assertIsNone(process.poll())  # the container itself has nothing to do with that terminal
        process.terminate()
        self.assertEqual(self.done(process, 5).out, "term\n")


class HangUpAsUser(HangUp):
    uid = test_run.USER


class Jobs(containers.Case):
    """Under an interactive shell, without -t."""

    def setUp(self):
        super().setUp()
        if not shutil.which("bash"):
            self.skipTest("bash is not installed")
        self.run_image(self.image, "true")
        words = [*self.words()[:-1], "bash", "--norc", "--noprofile", "--noediting", "-i"]
        self.shell = Terminal(self, words, PS1="ready> ")
        self.shell.await_text("ready> ")

    def type(self, *arguments):
        """A command; its process, and the first of the container's."""
        self.shell.type(shlex.join([self.binary, *arguments]) + "\n")
        self.shell.await_text("up\r\n")
        pids = below(self.shell.pid)
        return pids[0], pids[-1]

    def status(self):
        self.shell.await_text("ready> ")
        self.shell.type("echo status=$?\n")
        self.shell.await_text("echo status=$?\r\n")
        return self.shell.await_text("\r\n").strip()

    def stop_and_go_on(self, flense, command):
        self.shell.type("\x1a")
        self.shell.await_text("Stopped")
        self.await_true("the command goes on", lambda: state_of(command) == "T")
        self.assertEqual(state_of(flense), "T")
        self.shell.await_text("ready> ")
        self.shell.type("fg\n")
        self.shell.await_text("cont\r\n")
        self.await_true("it does not go on", lambda: "T" not in (state_of(command), state_of(flense)))

    def test_stopped_and_continued(self):
        for mode in ([], ["--isolate"], ["--die-with-parent"]):
            flense, command = self.type("run", *mode, self.image, "probe", "told")
            self.stop_and_go_on(flense, command)
            self.stop_and_go_on(flense, command)  # again
            self.shell.type("\x1a")
            self.shell.await_text("Stopped")
            self.shell.await_text("ready> ")
            self.shell.type("bg\n")
            self.shell.await_text("cont\r\n")
            os.kill(flense, signal.SIGTERM)
            self.shell.await_text("term\r\n")
            self.await_true("it did not end", lambda: state_of(flense) == "gone")
            self.shell.type("wait; echo over\n")
            self.shell.await_text("over\r\n")

    def test_continued_once(self):
        """One that comes later would undo the next stop."""
        for mode in ([], ["--isolate"]):
            flense, command = self.type("run", *mode, self.image, "probe", "told")
            self.stop_and_go_on(flense, command)
            for _ in range(2):  # what is on its way through the engine has come by then
                os.kill(flense, signal.SIGUSR1)
                self.assertNotIn("cont", self.shell.await_text("usr1\r\n"))
            os.kill(flense, signal.SIGTERM)
            self.assertEqual(self.status(), "status=5")

    def test_exec_is_stopped_and_continued(self):
        process = self.start("run", "--name", "job", self.image, "probe", "told")
        self.addCleanup(self.end, process)
        self.assertEqual(process.stdout.readline(), b"up\n")
        flense, command = self.type("exec", "job", "probe", "told")
        self.stop_and_go_on(flense, command)
        self.assertNotEqual(state_of(below(process.pid)[0]), "T")

    def test_interrupted_once(self):
        flense, command = self.type("run", self.image, "probe", "told")
        self.shell.type("\x03")
        self.shell.await_text("int\r\n")
        # Everything that is on its way comes before what is sent now.
        os.kill(flense, signal.SIGUSR1)
        self.assertNotIn("int", self.shell.await_text("usr1\r\n"))
        os.kill(flense, signal.SIGTERM)
        self.assertEqual(self.status(), "status=5")

    def test_interrupted_status(self):
        for mode in ([], ["--die-with-parent"]):
            self.type("run", *mode, self.image, "sh", "-c", "trap 'exit 130' INT; echo up; while :; do sleep 0.05; done")
            self.shell.type("\x03")
            self.assertEqual(self.status(), "status=130")
        self.type("run", self.image, "sh", "-c", "echo up; exec sleep 60")
        self.shell.type("\x03")
        self.assertEqual(self.status(), "status=130")

    def test_the_terminal_is_read(self):
        """The container's session is another, its input is the terminal all the same."""
        for mode in ([], ["--die-with-parent"]):
            self.type("run", *mode, self.image, "sh", "-c", "echo up; read line; echo got $line; exit 4")
            self.shell.type("a line\n")
            self.shell.await_text("got a line\r\n")
            self.assertEqual(self.status(), "status=4")


class JobsAsUser(Jobs):
    uid = test_run.USER


if __name__ == "__main__":
    harness.main()
