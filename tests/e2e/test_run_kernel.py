#!/usr/bin/env python3
"""What of the kernel a container gets: descriptors and the kernel's files in the modes that change how it is started (a
process beside it, a terminal, a trace, a place on the processors), and the filter of system calls in all of them."""

import json
import os
import shutil
import subprocess

import containers
import harness
import test_run
import test_run_place
import test_sub_ids
from containers import Terminal

# What the filter answers: by name of run_probe.c. All others come to what they come to without it.
REFUSED = {name: "EPERM" for name in (
    "bpf", "perf_event_open", "userfaultfd", "open_by_handle_at", "init_module", "kexec_load", "acct", "chroot", "quotactl",
    "swapon", "settimeofday", "sethostname", "vmsplice", "kcmp", "migrate_pages", "nested-name", "setns", "bpf-32", "bpf-x32")}
REFUSED |= {"socket-audit": "EINVAL", "personality": "ENOSYS", "io_uring_setup": "ENOSYS"}
# As programs for GPUs, MPI, debuggers and sandboxes need them.
NEEDED = ("set_mempolicy", "get_mempolicy", "mbind", "move_pages", "ptrace", "process_vm", "unshare-user", "unshare-mounts",
          "socket-route", "socket-udp", "personality-read")
UNKNOWN = ("unknown", "unknown-large", "unknown-32")


class Modes(containers.Case):
    """Ways to start a container that have a path of their own in flense."""

    def setUp(self):
        super().setUp()
        self.run_image(self.image, "true")

    def modes(self):
        """name -> (options, what is put in front of flense)."""
        folder = self.path("cdi")
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/test.json", "w", encoding="utf-8") as out:
            json.dump({"cdiVersion": "0.5.0", "kind": "test.org/gpu", "devices": [{"name": "0", "containerEdits": {
                "deviceNodes": [{"path": "/dev/nvidia0", "hostPath": "/dev/null"}]}}]}, out)
        kept = os.path.join(self.home, "kept")
        os.makedirs(kept, exist_ok=True)
        os.chown(kept, self.caller(), self.caller())
        cpu = str(min(os.sched_getaffinity(0)))
        test_run_place.Place.machine(self, cpu)
        gpu = ["--root", self.path("host"), "--cdi-spec-dir", folder, "--device", "test.org/gpu=0", "--no-preflight"]
        roots = {"userns auto": ["--userns", "auto"]} if self.caller() == 0 else {}
        return {**roots, "die-with-parent": ["--die-with-parent"], "die-with-parent, isolate": ["--die-with-parent", "--isolate"],
                "place": [*gpu, "--bind-numa"], "trace": ["--trace", os.path.join(self.home, "trace")],
                "overlay": ["--overlay", kept], "no filter": ["--security-opt", "seccomp=unconfined"],
                "all": [*gpu, "--bind-numa", "--die-with-parent", "--isolate", "--fake-root", "--writable", "-v",
                        f"{kept}:/new/place"]}

    def on_terminal(self, *arguments):
        """What it says there; the image has been unpacked."""
        terminal = Terminal(self, self.words(*arguments))
        self.assertEqual(terminal.status(), 0, terminal.text)
        return containers.shown(terminal.text)


class Descriptors(Modes):
    """tests/security has those of the usual modes."""
    ONLY = "fd 0\nfd 1\nfd 2\n"

    def test_modes(self):
        held = [os.open(path, os.O_RDONLY) for path in ("/", self.home, "/etc/passwd", "/dev/null")]
        for fd in held:
            self.addCleanup(os.close, fd)
        for name, options in self.modes().items():
            with self.subTest(mode=name):
                process = self.start("run", *options, self.image, "probe", "fds", pass_fds=held, stdin=subprocess.DEVNULL)
                self.assertEqual(self.done(process).out, self.ONLY)

    def test_closed_standard_streams(self):
        """As a daemon starts programs: none of our own files gets into their place, here or in the container."""
        log = os.path.join(self.home, "log")
        for options in ([], ["--die-with-parent"]):
            for closed in ("<&-", "2>&-", ">&-", "<&- >&- 2>&-"):
                script = f"probe fds > {log}; readlink /proc/self/fd/0 /proc/self/fd/2 >> {log}; exit 7"
                words = ["sh", "-c", f'exec "$@" {closed}', "-", *self.words("run", *options, self.image, "sh", "-c", script)]
                done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      env=self.environment(), cwd=self.home, check=False, timeout=60)
                with self.subTest(options=options, closed=closed):
                    self.assertEqual(done.returncode, 7, done.stderr)
                    with open(log, encoding="utf-8") as text:
                        seen = text.read()
                    self.assertTrue(seen.startswith(self.ONLY), seen)
                    self.assertNotIn("/home/", seen)
                    os.unlink(log)

    def test_terminal(self):
        for options in ([], ["--die-with-parent"], ["--isolate"], ["--fake-root"]):
            self.assertEqual(self.on_terminal("run", "-t", *options, self.image, "probe", "fds"), self.ONLY)
        process = self.start("run", "--name", "job", self.image, "probe", "told")
        self.addCleanup(self.end, process)
        self.assertEqual(process.stdout.readline(), b"up\n")
        self.assertEqual(self.on_terminal("exec", "-t", "job", "probe", "fds"), self.ONLY)
        self.assertEqual(self.done(self.start("exec", "job", "probe", "fds", stdin=subprocess.DEVNULL)).out, self.ONLY)

    def test_of_the_engine(self):
        """crun stands in the working directory with what it has open."""
        folder, log = self.path("engine"), self.path("engine/log")
        os.mkdir(folder)
        with open(os.path.join(folder, "crun"), "w", encoding="utf-8") as out:
            out.write(f"#!/bin/sh\n{containers.probe()} fds >> {log}\nexec {shutil.which('crun')} \"$@\"\n")
        os.chmod(os.path.join(folder, "crun"), 0o755)
        with open(log, "w", encoding="utf-8"):
            os.chmod(log, 0o666)
        path = f"{folder}:{os.environ['PATH']}"
        starts = 0
        for options in self.modes().values():
            self.run_image(*options, self.image, "true", env={"PATH": path}, stdin=subprocess.DEVNULL)
            starts += 1
        with open(log, encoding="utf-8") as text:
            found = text.read()
        self.assertEqual(set(found.splitlines()), set(self.ONLY.splitlines()))
        self.assertGreaterEqual(found.count("fd 2"), starts)


class DescriptorsAsUser(Descriptors):
    uid = test_run.USER


class KernelFiles(Modes):
    """tests/security has those of the usual modes."""
    # Opened for appending, nothing is written.
    SETTINGS = ("/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger", "/proc/sys/kernel/hostname",
                "/proc/sys/fs/binfmt_misc/register", "/proc/sys/kernel/modprobe", "/proc/irq/default_smp_affinity",
                "/sys/fs/cgroup/memory/release_agent", "/sys/fs/cgroup/systemd/release_agent", "/sys/kernel/uevent_helper",
                "/sys/kernel/mm/transparent_hugepage/enabled")
    LOOK = (f"for f in {' '.join(SETTINGS)}; do true 2>/dev/null >> $f && echo opened $f; done 2>/dev/null; "
            "for f in /proc/kcore /proc/keys /proc/timer_list; do echo $(head -c 1 $f 2>/dev/null | wc -c) $f; done; "
            "for d in /proc/acpi /proc/scsi /sys/firmware; do ls -A $d 2>/dev/null; done; "
            "grep -E ' /(sys|proc)[ /]' /proc/self/mountinfo; echo over")

    def judge(self, out):
        self.assertTrue(out.endswith("over\n"), out)
        lines = out.splitlines()[:-1]
        sizes = [line for line in lines if line[:7] in ("0 /proc", "1 /proc")]
        mounts = [line.split() for line in lines if " - " in line]
        self.assertEqual([line for line in sizes if not line.startswith("0 ")], [])
        self.assertEqual(len(sizes), 3)
        self.assertEqual(len(lines), len(sizes) + len(mounts), lines)
        open_to_all = [mount[4] for mount in mounts if "ro" not in mount[5].split(",") and mount[4].startswith("/sys")]
        self.assertEqual(open_to_all, [], "writable below /sys")
        self.assertIn("/sys", [mount[4] for mount in mounts])
        # The place and what the kernel hides there.
        read_only = {mount[4] for mount in mounts if "ro" in mount[5].split(",")}
        self.assertLessEqual({place for place in ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/fs")
                              if os.path.exists(place)}, read_only)

    def test_modes(self):
        for name, options in {**self.modes(), "default": [], "no network": ["--network", "none"]}.items():
            with self.subTest(mode=name):
                self.judge(self.run_image(*options, self.image, "sh", "-c", self.LOOK).out)

    def test_terminal_and_exec(self):
        self.judge(self.on_terminal("run", "-t", self.image, "sh", "-c", self.LOOK))
        process = self.start("run", "--name", "job", self.image, "probe", "told")
        self.addCleanup(self.end, process)
        self.assertEqual(process.stdout.readline(), b"up\n")
        self.judge(self.done(self.start("exec", "job", "sh", "-c", self.LOOK)).out)


class KernelFilesAsUser(KernelFiles):
    uid = test_run.USER


class Filter(Modes):
    def calls(self, out):
        """name -> what came of it."""
        found = dict(line.split()[1:3] for line in out.splitlines() if line.startswith("call "))
        self.assertGreater(len(found), 40, out)
        return found

    def in_image(self, *options, **more):
        return self.calls(self.run_image(*options, self.image, "probe", "calls", **more).out)

    def test_on_in_every_mode(self):
        status = ["sh", "-c", "grep -E '^(Seccomp|NoNewPrivs):' /proc/self/status"]
        modes = {**self.modes(), "default": [], "isolate": ["--isolate"], "no-home": ["--no-home"], "fake-root": ["--fake-root"],
                 "writable": ["--writable"], "other id": ["-u", "7:7"], "no network": ["--network", "none"], "terminal": ["-t"]}
        for name, options in modes.items():
            if name == "no filter":
                continue
            with self.subTest(mode=name):
                self.assertEqual(self.run_image(*options, self.image, *status).out.split(), ["NoNewPrivs:", "1", "Seccomp:", "2"])
        for off in ("seccomp=unconfined", "seccomp:unconfined"):
            self.assertEqual(self.run_image("--security-opt", off, self.image, *status).out.split(),
                             ["NoNewPrivs:", "1", "Seccomp:", "0"])
        self.assertIn("/x.json: no such file or directory", self.run_image("--security-opt", "seccomp=/x.json", self.image, "true", expect=125).err)

    def test_calls(self):
        free = self.in_image("--security-opt", "seccomp=unconfined")
        for name in NEEDED:
            self.assertEqual(free[name], "done", f"{name}: nothing can be said of it here")
        for options in ([], ["--isolate"], ["--fake-root"], ["--die-with-parent"]):
            with self.subTest(options=options):
                seen = self.in_image(*options)
                self.assertEqual({name: seen[name] for name in REFUSED if name in seen},
                                 {name: said for name, said in REFUSED.items() if name in seen})
                self.assertEqual({seen[name] for name in UNKNOWN if name in seen}, {"ENOSYS"})
                self.assertEqual({name: seen[name] for name in NEEDED}, dict.fromkeys(NEEDED, "done"))
                if options == ["--isolate"]:  # keys are found by number, whatever the namespace
                    self.assertEqual(seen.pop("keyctl"), "ENOSYS")
                rest = set(seen) - set(REFUSED) - {"seccomp-strict"}
                self.assertEqual({name: seen[name] for name in rest}, {name: free[name] for name in rest})

    def test_of_exec(self):
        process = self.start("run", "--name", "job", self.image, "probe", "told")
        self.addCleanup(self.end, process)
        self.assertEqual(process.stdout.readline(), b"up\n")
        seen = self.calls(self.done(self.start("exec", "job", "probe", "calls")).out)
        self.assertEqual(seen, self.in_image())

    def test_compiled_as_the_engine_would(self):
        """The filter comes with flense as a program; what crun makes of the rules in the same bundle is the same."""
        for number, options in enumerate(([], ["--fake-root"])):
            bundle = os.path.join(self.home, f"bundle{number}")
            line = self.run_image("--bundle", bundle, *options, self.image, "probe", "calls").out
            seen = []
            for compiled in (True, False):
                with open(f"{bundle}/config.json", encoding="utf-8") as text:
                    config = json.load(text)
                self.assertIn("run.oci.seccomp_bpf_data", config["annotations"])
                if not compiled:
                    del config["annotations"]["run.oci.seccomp_bpf_data"]
                    with open(f"{bundle}/config.json", "w", encoding="utf-8") as text:
                        json.dump(config, text)
                done = subprocess.run([*self.words()[:-1], "sh", "-c", line], stdout=subprocess.PIPE, env=self.environment(),
                                      check=True, cwd=self.home, timeout=60)
                seen.append(self.calls(done.stdout.decode()))
            self.assertEqual(seen[0], seen[1])
            self.assertEqual(seen[0]["bpf"], "EPERM")

    def test_traced_and_pretended(self):
        """--trace and --fake-root need a filter of their own, whatever is said of the other."""
        trace = os.path.join(self.home, "trace")
        for options in ([], ["--security-opt", "seccomp=unconfined"]):
            with self.subTest(options=options):
                self.run_image(*options, "--trace", trace, self.image, "cat", "/etc/plain")
                with open(trace, encoding="utf-8") as text:
                    self.assertIn("etc/plain", text.read())
                os.unlink(trace)
                script = "chown 33:44 /tmp/made-$$ 2>/dev/null; touch made; chown 33:44 made; echo $?"
                self.assertEqual(self.run_image(*options, "--fake-root", self.image, "sh", "-c", script).out, "0\n")

    def test_sandboxes_in_a_container(self):
        """Of bubblewrap, which is the host's here with its libraries."""
        bwrap = shutil.which("bwrap")
        if not bwrap:
            self.skipTest("bubblewrap is not installed")
        if self.uid is None:
            self.skipTest("root without capabilities makes no namespaces of several ids")
        libraries = [option for path in ("/usr", "/lib", "/lib64") if os.path.isdir(path)
                     for option in ("-v", f"{path}:{path}:ro")]
        sandbox = [bwrap, "--ro-bind", "/", "/", "--dev", "/dev", "--tmpfs", "/tmp", "--die-with-parent"]
        # There are no further control group namespaces with --isolate.
        for options, spaces in (([], ["all"]), (["--isolate"], ["user", "ipc", "pid", "net", "uts"])):
            script = "id -u; echo x > /tmp/y && cat /tmp/y"
            out = self.run_image(*options, *libraries, self.image, *sandbox, *[f"--unshare-{space}" for space in spaces], "/bin/sh", "-c", script).out
            self.assertEqual(out, f"{self.uid}\nx\n")


class FilterAsUser(Filter):
    uid = test_run.USER


class FilterWithSubIds(test_sub_ids.SubIds):
    test_the_images_user = test_root_of_the_range = test_joined_and_named = test_what_is_missing = None

    def test_on(self):
        for options in ([], ["--isolate"], ["-u", "app"], ["--die-with-parent"]):
            self.assertEqual(self.sh("grep ^Seccomp: /proc/self/status", *options).out.split(), ["Seccomp:", "2"])


if __name__ == "__main__":
    harness.main()
