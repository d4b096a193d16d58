#!/usr/bin/env python3
"""Where a command runs and how much it may take: --bind-numa, on fixture machines whose NUMA nodes are
processors of this one; --memory and --cpus, where control groups of version 2 can be delegated."""

import json
import os
import subprocess
import time

import harness
import hosts
import test_run


class Place(harness.Case):
    """As an ordinary user where the tests are root."""
    uid = test_run.USER if os.geteuid() == 0 else None
    archive, environment, words = test_run.Run.archive, test_run.Run.environment, test_run.Run.words
    start, done, run_image = test_run.Run.start, test_run.Run.done, test_run.Run.run_image
    caller, end, setUp = test_run.Run.caller, staticmethod(test_run.Run.end), test_run.Run.setUp

    def machine(self, *cpus, numa=(0, 1)):
        """Two GPUs, and for each NUMA node its processors."""
        root = self.path("host")
        host = hosts.Host(root)
        host.base()
        host.nvidia_driver("550.54.15")
        host.node("null", 1, 3)
        for minor, node in enumerate(numa):
            host.nvidia_gpu(f"0000:{0x17 + minor:02x}:00.0", minor, "NVIDIA H100 80GB HBM3", "2330", numa=node)
        for node, text in enumerate(cpus):
            host.file(f"sys/devices/system/node/node{node}/cpulist", text + "\n")
        return root

    def place(self, gpus, *options, script="grep Cpus_allowed_list /proc/self/status", taskset=None, **more):
        words = self.words("run", "--root", self.path("host"), "--device", "test.org/gpu=0", "--cdi-spec-dir",
                           self.cdi(gpus), "--no-preflight", *options, self.image, "sh", "-c", script)
        if taskset:
            words = ["taskset", "-c", taskset, *words]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment(),
                                   cwd=self.home)
        return self.done(process, **more)

    def cdi(self, gpus):
        """A specification whose device is these GPUs; what stands for their nodes is /dev/null."""
        folder = self.path("cdi")
        os.makedirs(folder, exist_ok=True)
        nodes = [{"path": f"/dev/nvidia{gpu}", "hostPath": "/dev/null"} for gpu in gpus]
        with open(folder + "/test.json", "w", encoding="utf-8") as out:
            json.dump({"cdiVersion": "0.5.0", "kind": "test.org/gpu",
                       "devices": [{"name": "0", "containerEdits": {"deviceNodes": nodes}}]}, out)
        return folder

    def test_beside(self):
        all_cpus = sorted(os.sched_getaffinity(0))
        if len(all_cpus) < 2:
            self.skipTest("needs two processors")
        first, second = str(all_cpus[0]), str(all_cpus[1])
        self.machine(first, second)
        everywhere = self.place([0]).out.split()[-1]
        self.assertEqual(len(everywhere.replace("-", ",").split(",")), 2)
        for gpu, cpu in ((0, first), (1, second)):
            done = self.place([gpu], "--bind-numa", "--explain")
            self.assertEqual(done.out.split()[-1], cpu)
            self.assertIn(f"0000:{0x17 + gpu:02x}:00.0 at node {gpu}: processors {cpu}", done.err)
        self.assertEqual(self.place([0, 1], "--bind-numa").out.split()[-1], everywhere)
        # Status and environment are the command's, whose own program does not see how it was started.
        done = self.place([1], "--bind-numa", "-e", "A=1", script="echo $0 $A $#; exit 7", expect=7)
        self.assertEqual(done.out, "sh 1 0\n")
        # Of a batch system's processors only those near.
        self.assertIn(f"is ours; ours are {second}", self.place([0], "--bind-numa", taskset=second).err)

    def test_memory_first_there(self):
        self.machine("0-1", "0-1", numa=(0, 0))
        maps = self.place([0], "--bind-numa", script="cat /proc/self/numa_maps || echo none").out
        if "none" in maps.split("\n")[0] or not os.path.exists("/proc/self/numa_maps"):
            self.skipTest("this kernel shows no policies")
        self.assertRegex(maps, r"prefer( \(many\))?:0 ")
        self.assertNotIn("prefer", self.place([0], script="cat /proc/self/numa_maps").out)

    def test_unknown_is_told(self):
        self.machine("0", "1", numa=(-1, 0))
        done = self.place([0], "--bind-numa")
        self.assertIn("notice: --bind-numa binds nothing: the NUMA node of 0000:17:00.0 is unknown", done.err)
        self.assertEqual(done.out, self.place([0]).out)
        self.assertIn("no device is a GPU with a known location", self.place([5], "--bind-numa").err)
        err = self.run_image("--bind-numa", self.image, "true", expect=125).err
        self.assertIn("--bind-numa binds to GPUs, and none was asked for", err)

    def test_who_joins_is_beside_too(self):
        cpu = str(max(os.sched_getaffinity(0)))
        self.machine(cpu)
        process = self.start("run", "--name", "near", "--root", self.path("host"), "--device", "test.org/gpu=0",
                             "--cdi-spec-dir", self.cdi([0]), "--no-preflight", "--bind-numa", self.image, "sh", "-c",
                             "echo up; trap 'exit 5' TERM; while :; do sleep 0.05; done")
        self.addCleanup(self.end, process)
        self.assertEqual(process.stdout.readline(), b"up\n")
        out = self.done(self.start("exec", "near", "grep", "Cpus_allowed_list", "/proc/self/status")).out
        self.assertEqual(out.split()[-1], cpu)
        self.done(self.start("exec", "near", "nosuch"), 127)
        self.assertEqual(self.done(self.start("exec", "near", "sh", "-c", "echo $0 $#; exit 3"), 3).out, "sh 0\n")
        process.terminate()
        self.done(process, 5)

    def test_in_a_bundle(self):
        cpu = str(max(os.sched_getaffinity(0)))
        self.machine(cpu)
        bundle = os.path.join(self.home, "bundle")
        line = self.run_image("--bundle", bundle, "--root", self.path("host"), "--device", "test.org/gpu=0",
                              "--cdi-spec-dir", self.cdi([0]), "--no-preflight", "--bind-numa", self.image, "grep",
                              "Cpus_allowed_list", "/proc/self/status").out
        user = [] if self.uid is None else ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups"]
        done = subprocess.run([*user, "sh", "-c", line], stdout=subprocess.PIPE, env=self.environment(), check=True,
                              cwd=self.home)
        self.assertEqual(done.stdout.split()[-1].decode(), cpu)

    # Limits.

    def delegated(self, *controllers):
        """A control group that the caller may divide."""
        top = "/sys/fs/cgroup"
        if os.geteuid() != 0 or not os.path.exists(f"{top}/cgroup.controllers"):
            self.skipTest("needs root and control groups of version 2")
        group = f"{top}/flense-e2e-{os.getpid()}"
        try:
            with open(f"{top}/cgroup.subtree_control", "w", encoding="utf-8") as out:
                out.write(" ".join(f"+{one}" for one in controllers))
            os.mkdir(group)
        except OSError as error:
            self.skipTest(f"{controllers} cannot be delegated: {error}")
        self.addCleanup(lambda: [os.rmdir(path) for path in (f"{group}/flense.launch", group) if os.path.isdir(path)])
        for name in ("", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
            os.chown(os.path.join(group, name), self.caller(), self.caller())
        return group

    @staticmethod
    def processes(group):
        with open(f"{group}/cgroup.procs", encoding="utf-8") as data:
            return data.read().split()

    def in_group(self, group, *arguments):
        words = ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "-", *self.words(*arguments)]
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment(),
                                cwd=self.home)

    def test_limits_in_a_delegated_group(self):
        group = self.delegated("memory", "cpu")
        other = subprocess.Popen(["sh", "-c", f"echo $$ > {group}/cgroup.procs && exec sleep 60"])
        try:
            while not self.processes(group):
                time.sleep(0.01)
            err = self.done(self.in_group(group, "run", "--memory", "64m", self.image, "true"), 125).err
            self.assertIn("other processes run in", err)
        finally:
            other.kill()
            other.wait()
        script = ('g=/sys/fs/cgroup$(grep -o "/.*" /proc/self/cgroup); cat $g/memory.max $g/cpu.max; '
                  "dd if=/dev/zero of=/dev/null bs=200M count=1; echo dd $?")
        out = self.done(self.in_group(group + "/flense.launch", "run", "--memory", "64m", "--cpus", "0.5", self.image,
                                      "sh", "-c", script)).out
        self.assertEqual(out.splitlines(), ["67108864", "50000 100000", "dd 137"])

    def test_number_of_processes_in_a_delegated_group(self):
        group = self.delegated("pids")
        script = ('cat /sys/fs/cgroup$(grep -o "/.*" /proc/self/cgroup)/pids.max; '
                  "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 2 & done; wait; echo all of them")
        # The first start divides the group: from then on the caller's processes are in the leaf.
        for place, limit, all_start in ((group, "8", False), (f"{group}/flense.launch", "30", True)):
            process = self.in_group(place, "run", "--pids-limit", limit, self.image, "sh", "-c", script)
            out, err = (text.decode() for text in process.communicate(timeout=60))
            self.assertEqual(out.splitlines(), [limit, "all of them"] if all_start else [limit], err)
            self.assertEqual("can't fork" in err, not all_start, err)


if __name__ == "__main__":
    harness.main()
