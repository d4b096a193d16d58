#!/usr/bin/env python3
"""Commands that read what strangers made are confined while they do, and their helpers are not."""

import os
import shutil
import subprocess
import time
import unittest

import fixtures
import harness
import test_check


def state(pid):
    """What the kernel says of a process: (no new privileges, filter mode, filters)."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        found = dict(line.split(":\t", 1) for line in status if ":\t" in line)
    return tuple(int(found[name]) for name in ("NoNewPrivs", "Seccomp", "Seccomp_filters"))


OURS = state("self")
CONFINED = (1, 2, OURS[2] + 1)

# Tells how it was started, and works once it is let go.
STUB = """#!/bin/sh
grep -E '^(NoNewPrivs|Seccomp|Seccomp_filters):' /proc/self/status > "$STUB.state"
echo "$0 $*" > "$STUB.started"
while ! [ -e "$STUB.go" ]; do sleep 0.02; done
echo 'stub: told nothing' >&2
exit 1
"""


def support():
    done = subprocess.run([harness.BINARY, "--version", "--json"], stdout=subprocess.PIPE, check=True)
    return harness.json.loads(done.stdout)["sandbox"]


class Sandbox(harness.Case):
    def setUp(self):
        super().setUp()
        self.archive, _ = fixtures.sample_archive(self.work)

    def start(self, *arguments, env=None, cwd=None):
        process = subprocess.Popen([harness.BINARY, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, cwd=cwd,
                                   env={**harness.surroundings(), "XDG_CACHE_HOME": self.path("cache"), "NO_COLOR": "1",
                                        **(env or {})})
        self.addCleanup(process.kill)
        return process

    def reaches(self, process, wanted):
        """All threads of the process come to be so."""
        seen, end = None, time.time() + 8
        while time.time() < end:
            try:
                seen = {state(thread) for thread in os.listdir(f"/proc/{process.pid}/task")}
            except (FileNotFoundError, ProcessLookupError):  # a thread that has just ended
                continue
            if seen == {wanted}:
                return
            time.sleep(0.02)
        self.fail(f"{seen} and not {wanted}")

    def finish(self, process, data=b""):
        out, err = process.communicate(data, timeout=20)
        return process.returncode, out.decode(), err.decode()

    def waits_for(self, name):
        end = time.time() + 8
        while not os.path.exists(name):
            self.assertLess(time.time(), end, f"{name} does not come")
            time.sleep(0.02)


@unittest.skipUnless(support()["landlock"] and support()["seccomp"], "this kernel has no sandbox")
class Confined(Sandbox):
    def read_archive(self):
        with open(self.archive, "rb") as data:
            return data.read()

    def test_who_reads_an_image_is_confined(self):
        for words, status in ((["inspect"], 0), (["check", "--requirements"], 0), (["diff", self.archive], 0),
                              (["verify", "--gpu", "sm_90", "--against", self.archive], 0)):
            with self.subTest(words=words):
                process = self.start(*words, "-")
                self.reaches(process, CONFINED)
                done = self.finish(process, self.read_archive())
                self.assertEqual(done[0], status, done)

    def test_who_reads_files_is_confined(self):
        process = self.start("lint", "-")
        self.reaches(process, CONFINED)
        self.assertEqual(self.finish(process, b"FROM scratch\n")[0], 0)

    def test_who_reads_specifications_is_confined(self):
        """Nothing waits there: strace sees it."""
        if shutil.which("strace") is None:
            self.skipTest("needs strace")
        with open(self.path("spec.json"), "w", encoding="utf-8") as spec:
            spec.write("{}")
        log = self.path("log")
        self.run_tool("sh", "-c", 'strace -f -o "$0" -e trace=openat,seccomp "$1" cdi validate "$2" || true', log, harness.BINARY,
                      self.path("spec.json"))
        with open(log, encoding="utf-8") as lines:
            seen = [line for line in lines if "SECCOMP_SET_MODE_FILTER" in line or ("spec.json" in line and "O_PATH" not in line)]
        self.assertIn("SECCOMP_SET_MODE_FILTER", seen[0])
        self.assertGreater(len(seen), 1)

    def test_no_sandbox_is_none(self):
        process = self.start("inspect", "--no-sandbox", "-")
        time.sleep(0.3)
        self.reaches(process, OURS)
        self.assertEqual(self.finish(process, self.read_archive())[0], 0)

    def test_others_are_not_confined(self):
        process = self.start("slim", "-", "--gpu", "h100", "--dry-run")
        time.sleep(0.3)
        self.reaches(process, OURS)
        self.finish(process, self.read_archive())

    def test_a_file_that_was_not_named_is_refused(self):
        """A name that leads elsewhere once reading has begun."""
        os.mkdir(self.path("elsewhere"))
        foreign = shutil.copy(self.archive, self.path("elsewhere"))
        os.symlink(self.archive, self.path("link.tar"))
        for more, status in ([], 4), (["--no-sandbox"], 0):
            process = self.start("check", "--requirements", *more, "-", self.path("link.tar"))
            if more:
                time.sleep(0.3)
            else:
                self.reaches(process, CONFINED)
            os.remove(self.path("link.tar"))
            os.symlink(foreign, self.path("link.tar"))
            code, _, err = self.finish(process, self.read_archive())
            self.assertEqual(code, status, err)
            if not more:
                self.assertIn("link.tar: Permission denied", err)
                self.assertIn("--no-sandbox", err)
            os.remove(self.path("link.tar"))
            os.symlink(self.archive, self.path("link.tar"))

    def test_layouts_of_links_are_read(self):
        """As build systems lay them out."""
        self.run_tool("skopeo", "copy", "--quiet", f"docker-archive:{self.archive}", f"oci:{self.path('store')}:x")
        for root, _, files in os.walk(self.path("store")):
            there = os.path.normpath(os.path.join(self.path("layout"), os.path.relpath(root, self.path("store"))))
            os.mkdir(there)
            for name in files:
                os.symlink(os.path.join(root, name), os.path.join(there, name))
        self.flense("inspect", f"oci:{self.path('layout')}")

    def stub(self, *names):
        os.mkdir(self.path("bin"))
        for name in names:
            with open(self.path(f"bin/{name}"), "w", encoding="utf-8") as script:
                script.write(STUB)
            os.chmod(self.path(f"bin/{name}"), 0o755)
        return {"PATH": f"{self.path('bin')}:{os.environ['PATH']}", "STUB": self.path("stub"),
                "DOCKER_HOST": f"unix://{self.path('no.sock')}"}

    def helped(self, program, *words, cwd=None):
        """The command is confined while its helper runs, which is not; what it then says."""
        env = self.stub(program)
        process = self.start(*words, env=env, cwd=cwd)
        self.waits_for(self.path("stub.started"))
        self.reaches(process, CONFINED)
        with open(self.path("stub.state"), encoding="utf-8") as told:
            self.assertEqual(tuple(int(line.split()[1]) for line in told), OURS)
        with open(self.path("stub.go"), "w", encoding="utf-8"):
            pass
        done = self.finish(process)
        with open(self.path("stub.started"), encoding="utf-8") as told:
            return done, told.read()

    def test_a_registry(self):
        (code, _, err), _ = self.helped("skopeo", "check", "--requirements", "docker://localhost:1/app:1")
        self.assertEqual(code, 4, err)
        self.assertIn("told nothing", err)

    def test_podmans_storage(self):
        (code, _, err), said = self.helped("skopeo", "inspect", "containers-storage:app:1")
        self.assertEqual(code, 4, err)
        self.assertIn("inspect --raw containers-storage:app:1", said)

    def test_a_bare_name(self):
        (code, _, err), said = self.helped("podman", "inspect", "localhost:1/app:1")
        self.assertNotEqual(code, 0)
        self.assertIn("Podman does not have it", err)
        self.assertIn("image exists localhost:1/app:1", said)

    def test_dockers_engine(self):
        engine = test_check.FakeDocker(self.path("docker.sock"), self.archive, slow=True)
        self.addCleanup(engine.stop)
        process = self.start("inspect", "docker-daemon:app:1", env={"DOCKER_HOST": f"unix://{self.path('docker.sock')}"})
        self.assertTrue(engine.begun.wait(30))
        self.reaches(process, CONFINED)
        # The connection is not in its hands: a pipe is.
        links = [os.readlink(f"/proc/{process.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{process.pid}/fd")]
        self.assertEqual(sum(link.startswith("socket:") for link in links), 1, links)
        engine.go.set()
        code, out, err = self.finish(process)
        self.assertEqual(code, 0, err)
        self.assertIn("docker-daemon:app:1", out)

    def dockerfile(self):
        os.mkdir(self.path("project"))
        with open(self.path("project/Dockerfile"), "w", encoding="utf-8") as file:
            file.write("FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04\nRUN pip install torch\n")

    def test_hadolint(self):
        self.dockerfile()
        _, said = self.helped("hadolint", "lint", "--with", "hadolint", ".", cwd=self.path("project"))
        self.assertTrue(said.strip().endswith("-- Dockerfile"), said)

    def test_git(self):
        self.dockerfile()
        (code, _, err), _ = self.helped("git", "lint", "--since", "HEAD", ".", cwd=self.path("project"))
        self.assertEqual(code, 3)
        self.assertIn("git knows no revision 'HEAD'", err)

    def test_files_that_are_asked_for_are_written(self):
        self.dockerfile()
        os.chmod(self.path("project/Dockerfile"), 0o640)
        before = os.stat(self.path("project/Dockerfile"))
        self.flense("lint", "--fix=unsafe", self.path("project"), expect=None)
        after = os.stat(self.path("project/Dockerfile"))
        self.assertNotEqual(before.st_ino, after.st_ino)
        self.assertEqual(after.st_mode & 0o777, 0o640)
        self.flense("inspect", "--html", self.path("report.html"), self.archive)
        with open(self.path("report.html"), encoding="utf-8") as page:
            self.assertIn("</html>", page.read())
        self.assertIn("Permission denied" if os.geteuid() else "No such", self.flense(
            "inspect", "--html", "/proc/1/report.html", self.archive, expect=4).err)

    def test_an_interrupt_ends_helper_and_all(self):
        env = self.stub("skopeo")
        process = self.start("inspect", "docker://localhost:1/app:1", env=env)
        self.waits_for(self.path("stub.started"))
        children = subprocess.run(["pgrep", "-P", str(process.pid)], stdout=subprocess.PIPE, check=True, text=True).stdout.split()
        process.terminate()
        self.assertEqual(process.wait(30), -15)
        for child in children:
            self.assertFalse(os.path.exists(f"/proc/{child}"))


class Anywhere(Sandbox):
    def test_the_version_tells(self):
        told = support()
        self.assertEqual(set(told), {"landlock", "seccomp"})
        self.assertIn(type(told["landlock"]), (int, type(None)))


if __name__ == "__main__":
    harness.unittest.main()
