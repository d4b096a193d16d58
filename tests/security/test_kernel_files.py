#!/usr/bin/env python3
"""Files of the kernel: masked and read-only paths, and runc's three of November 2025, which led the engine's own mounts
and writes elsewhere: /dev/null replaced under a masked path (CVE-2025-31133), /dev/console replaced under the terminal
(CVE-2025-52565), a false /proc under what the engine writes (CVE-2025-52881)."""

import os
import pty
import subprocess
import tempfile

import attack
from attack import in_modes

MASKED = ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
          "/proc/acpi", "/proc/asound", "/sys/firmware", "/sys/devices/virtual/powercap"]
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
# Of which each would be the host's, for all containers and none. Opened for writing, never written.
SETTINGS = ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/drop_caches",
            "/proc/sys/kernel/hostname", "/proc/sys/fs/binfmt_misc/register", "/proc/sys/kernel/randomize_va_space",
            "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity", "/sys/kernel/uevent_helper",
            "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/fs/cgroup/memory/release_agent",
            "/sys/fs/cgroup/cpu/release_agent", "/sys/fs/cgroup/systemd/release_agent", "/sys/power/state"]


class KernelFiles(attack.Attack):
    def masked_and_read_only(self, result):
        """By what the probe saw: nothing can be read behind a masked path, nothing be opened for writing."""
        seen = {}
        for how, path, *rest in self.facts(result.out, "open"):
            seen[how, path] = " ".join(rest[:-1]), int(rest[-1])
        self.assertEqual({path for how, path in seen if how == "r"}, set(MASKED))
        for (how, path), (said, size) in seen.items():
            if how == "r":
                self.assertLessEqual(size, 0, f"{path} {said}")  # a directory opens, and is empty
            else:
                self.assertNotEqual(said, "opened", path)

    def look(self):
        folders = " ".join(f"$(ls -A {path}/ 2>/dev/null | head -1)" for path in MASKED)
        return (f"echo started; for f in {folders}; do echo listed $f; done; "
                f"for p in {' '.join(READ_ONLY)}; do touch $p/flense-new 2>/dev/null && echo created in $p; done; "
                f"probe open r {' '.join(MASKED)}; probe open w {' '.join(SETTINGS)}; mount -o remount,rw /proc/sys; "
                f"mount -o remount,rw /sys; umount /proc/kcore /proc/sys; "
                f"probe open r {' '.join(MASKED)}; probe open w {' '.join(SETTINGS)}; true")

    @in_modes(more=True)
    def test_masked_and_read_only(self, mode):
        result = self.attack(*mode, self.image, "sh", "-c", self.look())
        self.assertTrue(result.out.startswith("started\n"), result.out + result.err)
        self.assertNotIn("listed", result.out)
        self.assertNotIn("created", result.out)
        self.masked_and_read_only(result)

    @in_modes()
    def test_masked_and_read_only_for_exec(self, mode):
        with self.running(*mode, self.image):
            self.masked_and_read_only(self.done(self.start("exec", "job", "sh", "-c", self.look())))

    @in_modes()
    def test_cve_2025_31133_null_replaced(self, mode):
        """What is mounted over a masked path is the host's own /dev/null, wherever the image's leads."""
        setting = "/proc/sys/kernel/core_pattern"
        for number, twist in enumerate((
                lambda one: one.folder("dev").symlink("dev/null", setting),
                lambda one: one.folder("dev").symlink("dev/null", f"{self.canary}/secret"),
                lambda one: one.folder("dev").file("dev/null", "the image's", 0o666),
                lambda one: one.symlink("dev", "etc").symlink("etc/null", setting),
                lambda one: one.symlink("dev", "/proc/self/cwd"),
                lambda one: one.symlink("dev", self.canary),
                lambda one: one.folder("dev").folder("dev/null"))):
            result = self.attack(*mode, self.archive(twist(attack.layer()), f"null{number}.tar"), "sh", "-c", self.look())
            if result.status == 125:
                continue
            self.assertTrue(result.out.startswith("started\n"), result.out + result.err)
            self.assertNotIn("listed", result.out)
            self.masked_and_read_only(result)

    @in_modes()
    def test_cve_2025_31133_null_replaced_meanwhile(self, mode):
        """As published: somebody with the same directories swaps it while the engine mounts."""
        root = tempfile.mkdtemp(dir=self.work)
        os.chmod(root, 0o755)
        layer = attack.layer().folder("dev").file("dev/null", "").symlink("dev/swap", "/proc/sys/kernel/core_pattern")
        layer.symlink("swap", self.canary)
        subprocess.run(["tar", "-C", root, "-xf", "-"], input=layer.done(), check=True)
        started = 0
        with self.exchanging(f"{root}/dev/null", f"{root}/dev/swap"):
            for _ in range(6):
                result = self.attack(*mode, root, "sh", "-c", self.look(), cwd="/")
                started += result.out.startswith("started\n")
                if result.out:
                    self.masked_and_read_only(result)
        with self.exchanging(f"{root}/dev", f"{root}/swap"):
            for _ in range(6):
                result = self.attack(*mode, root, "sh", "-c", self.look(), cwd="/")
                if result.out:
                    self.masked_and_read_only(result)
        self.assertGreater(started, 0)

    def on_terminal(self, *arguments):
        """With a terminal of its own; its status and what it said."""
        leader, follower = pty.openpty()
        mounts = [f"mount --bind {self.path(name)} /etc/{name}" for name in self.etc]
        words = attack.shlex.join(self.words("run", "-t", *arguments))
        process = subprocess.Popen(["unshare", "-m", "sh", "-c", " && ".join([*mounts, f"exec {words}"])], stdin=follower,
                                   stdout=follower, stderr=follower, env=self.environment(), cwd=self.home)
        os.close(follower)
        out = b""
        try:
            while block := os.read(leader, 4000):
                out += block
        except OSError:
            pass  # the other end is closed
        os.close(leader)
        return process.wait(timeout=60), attack.containers.shown(out)

    @in_modes()
    def test_cve_2025_52565_console_replaced(self, mode):
        """The terminal is mounted on the container's own /dev/console, or not at all."""
        script = f"echo started; tty; echo overwritten > /dev/console; probe open w {' '.join(SETTINGS)}; cat /dev/kmsg; true"
        started = 0
        for number, twist in enumerate((
                lambda one: one.folder("dev"),
                lambda one: one.folder("dev").symlink("dev/console", f"{self.canary}/secret"),
                lambda one: one.folder("dev").symlink("dev/console", "/proc/sys/kernel/core_pattern"),
                lambda one: one.folder("dev").symlink("dev/console", "/proc/sysrq-trigger"),
                lambda one: one.folder("dev").symlink("dev/pts", "/proc/sys/kernel"),
                lambda one: one.folder("dev").symlink("dev/ptmx", f"{self.canary}/secret"),
                lambda one: one.symlink("dev", self.canary))):
            image = self.archive(twist(attack.layer()), f"console{number}.tar")
            status, said = self.on_terminal(*mode, image, "sh", "-c", script)
            self.assertEqual(attack.harness.digest_tree(self.canary), self.before, said)
            if "started\n" in said:
                started += 1
                self.assertIn("/dev/pts/0", said)
                opened = [path for how, path, *rest in self.facts(said, "open") if rest[:1] == ["opened"]]
                self.assertEqual(opened, [])
            else:
                self.assertEqual(status, 125, said)
        self.assertGreater(started, 2)

    @in_modes()
    def test_cve_2025_52881_false_proc(self, mode):
        """What the engine writes of itself meets the kernel, never files that have those names."""
        files = ("self/attr/exec", "self/attr/current", "self/attr/apparmor/exec", "self/oom_score_adj", "self/uid_map",
                 "self/setgroups", "self/attr/keycreate", "sys/net/ipv4/ping_group_range", "1/attr/exec", "self/exe")
        for number, (place, link) in enumerate((("fake", "/fake"), ("fake", "fake"), ("proc", None), ("fake", "../fake"))):
            layer = attack.layer().folder(place)
            for folder in ("self", "self/attr", "self/attr/apparmor", "sys", "sys/net", "sys/net/ipv4", "1", "1/attr", "self/fd"):
                layer.folder(f"{place}/{folder}")
            for name in files:
                layer.file(f"{place}/{name}", "false\n", 0o666)
            if link:
                layer.symlink("proc", link)
            image = self.archive(layer, f"proc{number}.tar")
            script = f"echo started; probe magic /proc; cat /proc/self/attr/current; {self.look()}"
            result = self.attack(*mode, "--no-preflight", image, "sh", "-c", script)
            if result.status != 125:
                self.assertIn(["/proc", "9fa0"], self.facts(result.out, "magic"), result.out + result.err)
                self.assertNotIn("false", result.out)
                self.masked_and_read_only(result)
            for root in attack.test_run.Run.roots(self):
                for name in files:
                    if os.path.exists(f"{root}/root/{place}/{name}"):
                        with open(f"{root}/root/{place}/{name}", encoding="utf-8") as text:
                            self.assertEqual(text.read(), "false\n")

    @in_modes()
    def test_cve_2025_52881_mounts_on_proc(self, mode):
        """Nobody gets to lay a false one there: by option, by a link of the image, or by a specification."""
        false = self.path("false")
        os.makedirs(f"{false}/self/attr", exist_ok=True)
        image = self.archive(attack.layer().symlink("in", "/proc").symlink("kernel", "/proc/sys"), "mounts.tar")
        with self.engine_stays_out() as env:
            for target in ("/proc", "/proc/self", "/proc/self/attr", "/in", "/in/self/attr", "/kernel", "/etc/../proc", "/sys",
                           "/sys/fs/cgroup", "//proc", "/./proc/"):
                for option in (["-v", f"{false}:{target}"], ["--mount", f"type=tmpfs,dst={target}"]):
                    self.refused(self.attack(*mode, *option, image, "sh", "-c", "echo started; ls /proc", env=env))


class KernelFilesAsUser(KernelFiles):
    uid = attack.USER


if __name__ == "__main__":
    attack.main()
