"""What tests of running containers share: one in which run_probe.c is, processes as /proc shows them, a terminal."""

import atexit
import functools
import os
import pty
import re
import select
import shutil
import subprocess
import tempfile
import time

import harness
import test_run

HERE = os.path.dirname(os.path.abspath(__file__))


@functools.cache
def compiled(source):
    """The program; its folder goes with the process."""
    folder = tempfile.mkdtemp(prefix="flense-probe-")
    atexit.register(shutil.rmtree, folder)
    os.chmod(folder, 0o755)
    path = os.path.join(folder, "probe")
    subprocess.run(["gcc", "-O1", "-static", "-o", path, source], check=True)
    return path


def probe():
    return compiled(os.path.join(HERE, "run_probe.c"))


def layer():
    """A small system with the probe in it."""
    return test_run.busybox_layer().disk_file("bin/probe", probe())


class Case(harness.Case):
    """As test_run.Run, without its tests."""
    uid = None
    archive, environment, words = test_run.Run.archive, test_run.Run.environment, test_run.Run.words
    start, done, run_image = test_run.Run.start, test_run.Run.done, test_run.Run.run_image
    caller, end = test_run.Run.caller, staticmethod(test_run.Run.end)

    def setUp(self):
        test_run.Run.setUp(self)
        self.image = self.archive(layer())

    def await_true(self, what, condition, seconds=10):
        """A machine that does much else is given its time; what fails takes all of it."""
        end = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.005)

    def left_in_runtime(self):
        """Names of what is noted as running."""
        place = os.path.join(self.runtime, "flense/crun")
        return os.listdir(place) if os.path.isdir(place) else []


# Processes

def stat_fields(pid):
    """From the state on; empty when there is none, and for one that only waits to be asked for its status."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as text:
            fields = text.read().rsplit(")", 1)[1].split()
    except OSError:
        return []
    return [] if fields[0] == "Z" else fields


def state_of(pid):
    return (stat_fields(pid) or ["gone"])[0]


def arguments_of(pid):
    """Never empty."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as text:
            return text.read().decode("utf-8", "replace").split("\0")
    except OSError:
        return [""]


def processes(*words):
    """Of which each of the words is an argument, whatever namespace they are in."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in pids if set(words) <= set(arguments_of(pid)) and stat_fields(pid)]


def below(pid):
    """Its children, and theirs."""
    out = []
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as text:
            for child in text.read().split():
                out += [int(child), *below(child)]
    except OSError:
        pass
    return out


def shown(output):
    """What a container wrote to its terminal. What crun has not copied when a command ends it prints as messages of its
    own, red, with the time before it (flush_fd_to_err in crun's container.c): one short command of 50."""
    text = output.decode("utf-8", "replace").replace("\r", "")
    return re.sub(r"\x1b\[1;3[13]m(?:[-0-9T:.]+Z: )?(.*?)\x1b\[0m\n", r"\1", text, flags=re.DOTALL)


class Terminal:
    """A process that leads a session on a terminal, and what is typed and read there."""

    def __init__(self, case, words, **env):
        self.case, self.text = case, b""
        self.pid, self.leader = pty.fork()
        if self.pid == 0:
            os.chdir(case.home)
            os.execvpe(words[0], words, {**case.environment(), "TERM": "dumb", **env})
        case.addCleanup(self.close)

    def type(self, text):
        os.write(self.leader, text.encode())

    def read(self, seconds):
        if select.select([self.leader], [], [], seconds)[0]:
            try:
                self.text += os.read(self.leader, 4096)
            except OSError:
                time.sleep(0.01)  # the other end is closed

    def await_text(self, text, seconds=10):
        """Reads until it is there; what stood before and itself are taken away and returned."""
        end = time.monotonic() + seconds
        while text.encode() not in self.text:
            self.case.assertLess(time.monotonic(), end, f"no {text!r} in {self.text!r}")
            self.read(0.05)
        at = self.text.index(text.encode()) + len(text.encode())
        taken, self.text = self.text[:at], self.text[at:]
        return taken.decode("utf-8", "replace")

    def hang_up(self):
        if self.leader >= 0:
            os.close(self.leader)
        self.leader = -1

    def status(self, seconds=10):
        """As a shell has it, once it has ended."""
        end = time.monotonic() + seconds
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            self.case.assertLess(time.monotonic(), end, f"{self.text!r}: still runs")
            if self.leader >= 0:
                self.read(0.02)
            else:
                time.sleep(0.01)

    def close(self):
        for pid in [*below(self.pid), self.pid] if self.pid else []:
            try:
                os.kill(pid, 9)
            except OSError:
                pass
        if self.pid:
            os.waitpid(self.pid, 0)
        self.hang_up()
