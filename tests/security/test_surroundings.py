#!/usr/bin/env python3
"""What of the caller's session a container can reach, mode by mode, as docs/security.md has it: home, process table,
environment, session keyring, abstract sockets, sockets of ssh-agent and D-Bus, core dumps."""

import os
import shutil
import socket
import subprocess
import tempfile
import time

import attack
from attack import in_modes

PRIVATE = ("isolate", "isolate no-home")  # neither network, processes nor memory of the host
NO_TMP = ("isolate", "isolate no-home", "sub-ids")


class Surroundings(attack.Attack):
    def said(self, mode, *command, **more):
        result = self.attack(*mode, self.image, *command, **more)
        self.assertEqual(result.status, 0, result.err)
        return result.out

    # The home directory and the working directory.

    @in_modes("default")
    def test_home_is_the_callers(self, mode):
        """By default a hostile image may write ~/.bashrc: that is what `default` means."""
        self.said(mode, "sh", "-c", f"echo evil > {self.home}/.bashrc; echo evil > made")
        self.assertTrue(os.path.exists(f"{self.home}/.bashrc"))
        self.assertTrue(os.path.exists(f"{self.home}/made"))

    @in_modes("no-home", "isolate", "isolate no-home", "sub-ids")
    def test_home_is_out_of_reach(self, mode):
        self.home = tempfile.mkdtemp(dir="/opt", prefix="flense-home-")  # /tmp has a column of its own
        self.addCleanup(shutil.rmtree, self.home)
        os.chown(self.home, self.caller(), self.caller())
        self.text(f"{self.home}/.bashrc", "# mine\n", 0o666)
        os.makedirs(f"{self.home}/.ssh", exist_ok=True)
        self.text(f"{self.home}/.ssh/id", attack.SECRET)
        os.chmod(self.home, 0o777)
        script = (f"echo started; cat {self.home}/.ssh/id; echo evil > {self.home}/.bashrc; mkdir -p {self.home} && "
                  f"echo evil > {self.home}/.bashrc; cat /proc/*/root{self.home}/.ssh/id /proc/*/cwd/.ssh/id")
        result = self.attack(*mode, self.image, "sh", "-c", script, cwd="/")
        self.assertTrue(result.out.startswith("started\n"), result.err)
        with open(f"{self.home}/.bashrc", encoding="utf-8") as text:
            self.assertEqual(text.read(), "# mine\n")

    @in_modes("isolate", "isolate no-home", "sub-ids")
    def test_the_working_directory_is_out_of_reach(self, mode):
        place = tempfile.mkdtemp(dir="/opt", prefix="flense-work-")
        self.addCleanup(shutil.rmtree, place)
        os.chmod(place, 0o777)
        self.text(f"{place}/mine", attack.SECRET, 0o666)
        result = self.attack(*mode, self.image, "sh", "-c", f"echo started; cat mine {place}/mine; echo x > {place}/made", cwd=place)
        self.assertTrue(result.out.startswith("started\n"), result.err)
        self.assertEqual(os.listdir(place), ["mine"])

    # Processes.

    def victim(self):
        """A process of the caller's with a secret in its environment, a file open, and the host as its root."""
        words = ["setpriv", f"--reuid={self.caller()}", f"--regid={self.caller()}", "--clear-groups", "sleep", "60"]
        process = subprocess.Popen(words, env={"TOKEN": attack.SECRET, "PATH": os.environ["PATH"]}, cwd=self.canary,
                                   stdin=open(f"{self.canary}/secret", encoding="utf-8"))
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    @in_modes(more=True)
    def test_other_processes_give_nothing_away(self, mode):
        """Where they are seen at all: not what they hold, neither their memory nor their files."""
        process = self.victim()
        time.sleep(0.1)
        places = " ".join(f"/proc/{process.pid}/{name}" for name in
                          ("environ", "mem", "maps", "fd/0", f"root{self.canary}/secret", "cwd/secret", "auxv"))
        out = self.said(mode, "sh", "-c", f"echo started; probe open r {places}; probe open w /proc/{process.pid}/mem "
                        f"/proc/{process.pid}/oom_score_adj; cat /proc/*/environ | tr -d '\\0'; "
                        f"cat /proc/*/cwd/secret /proc/*/root{self.canary}/secret; true")
        opened = [words for words in self.facts(out, "open") if words[2] == "opened" and int(words[3]) > 0]
        self.assertEqual(opened, [])
        self.assertIsNone(process.poll())
        process.kill()

    @in_modes(*PRIVATE)
    def test_other_processes_are_not_there(self, mode):
        process = self.victim()
        out = self.said(mode, "sh", "-c", f"echo started; ls -d /proc/[0-9]*; kill -9 {process.pid} || echo none; "
                        f"test $(cat /proc/1/comm) = sh || echo other")
        self.assertLess(out.count("/proc/"), 4)
        self.assertIn("none", out)
        self.assertNotIn("other", out)
        self.assertIsNone(process.poll())
        process.kill()

    # The session keyring.

    def key_seen(self, mode):
        result = self.attack(*mode, self.image, "probe", "key", "flense-test", under=[
            attack.probe(), "keyed", "flense-test", "the-key"])
        found = self.facts(result.out, "key")
        self.assertEqual(len(found), 1, result.out + result.err)
        return found[0][1] == "the-key"

    @in_modes(*PRIVATE)
    def test_session_keyring_is_another(self, mode):
        self.assertFalse(self.key_seen(mode))

    @in_modes("default", "no-home", "sub-ids")
    def test_session_keyring_is_the_callers(self, mode):
        """Kerberos and AFS keep their tickets there, which jobs need; a new one for each start meets a quota."""
        self.assertTrue(self.key_seen(mode))

    # Sockets.

    def listening(self, path):
        """A server of the caller's at a path, or at an abstract name."""
        server = socket.socket(socket.AF_UNIX)
        server.bind("\0" + path[1:] if path.startswith("@") else path)
        if not path.startswith("@"):
            os.chmod(path, 0o777)
            self.addCleanup(lambda: os.path.exists(path) and os.unlink(path))
        server.listen()
        self.addCleanup(server.close)
        return path

    def reached(self, mode, path, *options):
        server = self.listening(path)
        out = self.said([*mode, *options], "probe", "connect", server)
        return self.facts(out, "connect")[0][1] == "connected"

    def name(self):
        return next(tempfile._get_candidate_names())

    @in_modes("default", "no-home", "sub-ids", "isolate network", more=True)
    def test_abstract_sockets_belong_to_the_network(self, mode):
        """With the host's network they are there (an X server, D-Bus, containerd's shims)."""
        self.assertTrue(self.reached(mode, f"@flense-{self.name()}"))

    @in_modes()
    def test_abstract_sockets_need_the_network(self, mode):
        self.assertFalse(self.reached(mode, f"@flense-{self.name()}", "--network", "none"))
        if "--isolate" in mode:
            self.assertFalse(self.reached(mode, f"@flense-{self.name()}"))

    @in_modes(more=True)
    def test_sockets_of_run_are_not_there(self, mode):
        """/run is the container's own: no D-Bus, no systemd, no docker, nothing of the caller's session."""
        folder = f"/run/flense-test-{self.name()}"
        os.mkdir(folder)
        self.addCleanup(shutil.rmtree, folder)
        os.chmod(folder, 0o777)
        self.assertFalse(self.reached(mode, f"{folder}/bus"))
        out = self.said(mode, "sh", "-c", "echo started; ls -A /run /var/run 2>/dev/null; true")
        self.assertLessEqual(set(out.split()) - {"started", "/run:", "/var/run:"}, {"flense", "lock"})

    @in_modes(*NO_TMP)
    def test_agents_in_tmp_are_not_there(self, mode):
        """ssh-agent and X servers keep their sockets in /tmp."""
        folder = tempfile.mkdtemp(prefix="ssh-")
        self.addCleanup(shutil.rmtree, folder)
        os.chmod(folder, 0o777)
        self.assertFalse(self.reached(mode, f"{folder}/agent.1"))

    @in_modes("default", "no-home")
    def test_agents_in_tmp_are_the_callers(self, mode):
        folder = tempfile.mkdtemp(prefix="ssh-")
        self.addCleanup(shutil.rmtree, folder)
        os.chmod(folder, 0o777)
        self.assertTrue(self.reached(mode, f"{folder}/agent.1"))

    @in_modes(more=True)
    def test_variables_of_the_session_stay_outside(self, mode):
        hostile = {"SSH_AUTH_SOCK": "/tmp/ssh-x/agent.1", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/user/1/bus", "DISPLAY": ":0",
                   "XAUTHORITY": "/x", "KRB5CCNAME": "KEYRING:x", "AWS_SECRET_ACCESS_KEY": "x", "GITHUB_TOKEN": "x",
                   "LD_PRELOAD": "/nowhere.so", "LD_LIBRARY_PATH": "/nowhere", "BASH_ENV": "/nowhere", "GLIBC_TUNABLES": "x=1",
                   "NOTIFY_SOCKET": "/run/systemd/notify", "LISTEN_FDS": "1", "_CONTAINERS_USERNS_CONFIGURED": "1"}
        out = self.said(mode, "env", env=hostile)
        names = {line.split("=")[0] for line in out.splitlines()}
        self.assertIn("PATH", names)
        self.assertEqual(names & set(hostile), set())
        self.assertLessEqual(names, {"PATH", "HOME", "USER", "PWD", "container", "TERM", "SHLVL", "OLDPWD", "_"})

    # Core dumps.

    def cores(self):
        with open("/proc/sys/kernel/core_pattern", encoding="ascii") as text:
            pattern = text.read().strip()
        if pattern.startswith(("|", "/")):
            self.skipTest(f"core dumps go to {pattern} here")

    @in_modes("isolate", "isolate no-home", "sub-ids")
    def test_core_dumps_stay_inside(self, mode):
        self.cores()
        os.chmod(self.home, 0o777)
        before = sorted(os.listdir(self.home))
        for options in ([], ["-w", "/tmp"], ["-w", "/"]):
            result = self.attack(*mode, *options, self.image, "probe", "crash", cwd=self.home)
            self.assertEqual((result.out, result.status), ("crashing\n", 139), result.err)
        self.assertEqual([name for name in os.listdir(self.home) if name not in before and "core" in name], [])

    @in_modes("default")
    def test_core_dumps_lie_in_the_working_directory(self, mode):
        """As without a container, and with its memory alone."""
        self.cores()
        place = tempfile.mkdtemp(dir=self.home)
        os.chmod(place, 0o777)
        result = self.attack(*mode, self.image, "probe", "crash", cwd=place)
        self.assertEqual((result.out, result.status), ("crashing\n", 139), result.err)
        left = os.listdir(place)
        self.assertEqual(len(left), 1, left)
        self.assertEqual(os.stat(os.path.join(place, left[0])).st_uid, self.caller())


class SurroundingsAsUser(Surroundings):
    uid = attack.USER


if __name__ == "__main__":
    attack.main()
