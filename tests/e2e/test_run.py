#!/usr/bin/env python3
"""flense run, exec and shell: what a container gets, what it cannot do, and that an image is unpacked
once whatever happens. Containers are started by the real crun, as root and as an ordinary user."""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time

import fixtures
import harness

USER = 65123  # nobody's
APPLETS = ("sh ls cat id true false env sleep mount pwd touch mkdir kill rm echo readlink stat chown chmod wc head tty "
           "test dd grep hostname ln nc tr").split()


# Its status has a bit for each call that failed: as 64, 32 bits and x32.
CALLS = r"""
static char made[] = "/tmp";
static long call32(long n, long a, long b, long c) {
  long r;
  __asm__ volatile("int $0x80" : "=a"(r) : "a"(n), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
  return r;
}
static long call64(long n, long a, long b, long c) {
  long r;
  __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "memory", "rcx", "r11");
  return r;
}
void _start(void) {
  long failed = 0;
  failed |= (call64(92, (long)made, 33, 44) != 0) << 0;
  failed |= (call32(212, (long)made, 33, 44) != 0) << 1;
  failed |= (call32(182, (long)made, 33, 44) != 0) << 2;
  failed |= (call32(213, 33, 0, 0) != 0) << 3;
  failed |= (call64(0x40000000 | 92, (long)made, 33, 44) != 0) << 4;
  call64(231, failed, 0, 0);
}
"""


def busybox_layer():
    layer = fixtures.Layer().folder("bin").disk_file("bin/busybox", fixtures.BUSYBOX)
    for name in APPLETS:
        layer.symlink(f"bin/{name}", "busybox")
    layer.folder("etc").file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\napp:x:33:44::/srv:/bin/sh\n")
    layer.file("etc/plain", "no program\n")
    return layer.file("etc/group", "root:x:0:\nweb:x:44:\n")


def why_not():
    if not shutil.which("crun"):
        return "crun is not installed"
    if subprocess.run(["unshare", "-Urm", "true"], check=False, stderr=subprocess.DEVNULL).returncode != 0:
        return "this kernel makes no user namespaces"
    return None


class Run(harness.Case):
    uid = None  # of the caller; None: as the tests themselves

    def setUp(self):
        harness.Case.setUp(self)
        reason = why_not()
        if reason:
            self.skipTest(reason)
        if self.uid is not None and os.geteuid() != 0:
            self.skipTest("needs root to become another user")
        os.chmod(self.work, 0o755)
        self.binary = self.path("flense")
        shutil.copy(harness.BINARY, self.binary)
        self.home = self.path("home")
        os.mkdir(self.home)
        self.runtime = self.path("runtime")
        os.mkdir(self.runtime, 0o700)
        if self.uid is not None:
            os.chown(self.home, self.uid, self.uid)
            os.chown(self.runtime, self.uid, self.uid)
        self.image = self.archive(busybox_layer())

    def archive(self, layer, name="app.tar", command=("/bin/sh", "-c", "echo default"), **settings):
        path = self.path(name)
        real = fixtures.config_for

        def config_for(layers, instructions, words):
            config = real(layers, instructions, words)
            config["config"].update(settings)
            return config
        fixtures.config_for = config_for
        try:
            fixtures.docker_archive(path, [layer.done()], ["COPY"], command=command)
        finally:
            fixtures.config_for = real
        os.chmod(path, 0o644)
        return path

    def environment(self):
        return {"PATH": os.environ["PATH"], "HOME": self.home, "XDG_CACHE_HOME": os.path.join(self.home, "cache"),
                "XDG_RUNTIME_DIR": self.runtime, "NO_COLOR": "1"}

    def words(self, *arguments):
        user = [] if self.uid is None else ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups"]
        return [*user, self.binary, *arguments]

    def start(self, *arguments, env=None, **more):
        return subprocess.Popen(self.words(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env={**self.environment(), **(env or {})}, cwd=more.pop("cwd", self.home), **more)

    def done(self, process, expect=0):
        out, err = process.communicate(timeout=120)
        result = harness.Result(subprocess.CompletedProcess([], process.returncode, out, err))
        if expect is not None and result.status != expect:
            self.fail(f"{process.args}: status {result.status}, expected {expect}\n{result.out}\n{result.err}")
        return result

    def run_image(self, *arguments, expect=0, **more):
        return self.done(self.start("run", *arguments, **more), expect)

    def sh(self, script, *options, image=None, **more):
        return self.run_image(*options, image or self.image, "sh", "-c", script, **more)

    def roots(self):
        place = os.path.join(self.home, "cache/flense/roots")
        return [os.path.join(place, name) for name in os.listdir(place) if not name.startswith(".")]

    def caller(self):
        return os.geteuid() if self.uid is None else self.uid

    # What is started.

    def test_the_images_word(self):
        self.assertEqual(self.run_image(self.image).out, "default\n")
        image = self.archive(busybox_layer(), "b.tar", command=("two",), Entrypoint=["/bin/echo", "one"],
                             WorkingDir="/etc", Env=["PATH=/bin", "GREETING=hello there"], User="app")
        self.assertEqual(self.run_image(image).out, "one two\n")
        self.assertEqual(self.run_image(image, "three", "", "-v").out, "one three  -v\n")
        self.assertEqual(self.sh("", "--entrypoint", "/bin/pwd", image=image, expect=1).status, 1)
        self.assertEqual(self.run_image("--entrypoint", "pwd", image).out, "/etc\n")
        self.assertEqual(self.run_image("--entrypoint", "sh", image, "-c", "echo $GREETING").out, "hello there\n")

    def test_status_and_signals(self):
        self.sh("exit 7", expect=7)
        self.sh("kill -9 $$", expect=137)
        self.assertIn("no command 'nosuch'", self.run_image(self.image, "nosuch", expect=127).err)
        self.run_image(self.image, "/etc/plain", expect=126)
        self.run_image(self.image, "/etc", expect=126)
        self.assertIn("did you mean", self.run_image("--volum", "x", self.image, expect=125).err)
        self.run_image(self.path("missing.tar"), "true", expect=125)
        for signal_number, status in ((signal.SIGTERM, 5), (signal.SIGINT, 6), (signal.SIGUSR1, 7)):
            process = self.start("run", self.image, "sh", "-c",
                                 "trap 'exit 5' TERM; trap 'exit 6' INT; trap 'exit 7' USR1; echo up; "
                                 "while :; do sleep 0.05; done")
            self.assertEqual(process.stdout.readline(), b"up\n")
            process.send_signal(signal_number)
            self.done(process, status)

    def test_environment(self):
        hostile = {"SECRET": "host", "LD_PRELOAD": "/nowhere.so", "SLURM_PROCID": "3", "WANTED": "yes"}
        file = self.path("variables")
        with open(file, "w", encoding="utf-8") as out:
            out.write("# comment\nFROM_FILE=f g\nWANTED\n")
        os.chmod(file, 0o644)
        out = self.run_image("-e", "A=1", "-eB=x y", "--env", "C", "--env-file", file, self.image, "env", env=hostile).out
        lines = set(out.splitlines())
        self.assertLessEqual({"A=1", "B=x y", "FROM_FILE=f g", "WANTED=yes", "SLURM_PROCID=3", f"HOME={self.home}",
                              "PATH=/bin:/usr/bin"}, lines)
        self.assertFalse([line for line in lines if line.startswith(("SECRET", "LD_PRELOAD", "C="))], lines)
        isolated = self.run_image("--isolate", self.image, "env", env=hostile).out
        self.assertNotIn("SLURM", isolated)
        self.assertNotIn(self.home, isolated)

    def test_the_engines_environment(self):
        folder = self.path("engine")
        os.mkdir(folder)
        with open(os.path.join(folder, "crun"), "w", encoding="utf-8") as out:
            out.write(f"#!/bin/sh\n/usr/bin/env | /usr/bin/sed 's/^/crun has /' >&2\nexec {shutil.which('crun')} \"$@\"\n")
        os.chmod(os.path.join(folder, "crun"), 0o755)
        hostile = {"SECRET": "host", "LD_LIBRARY_PATH": "/evil", "PATH": f"{folder}:{os.environ['PATH']}"}
        result = self.run_image("-e", "LD_AUDIT=/evil.so", self.image, "true", env=hostile)
        # What the shell of this script adds by itself stays out of account.
        names = {line.split("=")[0] for line in result.err.splitlines() if line.startswith("crun has ")}
        self.assertLessEqual({"crun has PATH"}, names)
        self.assertLessEqual(names, {"crun has PATH", "crun has PWD", "crun has _", "crun has SHLVL", "crun has OLDPWD"})

    def test_an_engine_that_does_not_start(self):
        folder = self.path("engine")
        os.mkdir(folder)
        with open(os.path.join(folder, "crun"), "w", encoding="utf-8") as out:
            out.write("#!/bin/sh\necho 'crun: libyajl.so.2: cannot open shared object file' >&2\nexit 127\n")
        os.chmod(os.path.join(folder, "crun"), 0o755)
        result = self.run_image(self.image, "true", expect=125,
                                env={"PATH": f"{folder}:{os.environ['PATH']}"})
        self.assertIn(f"{folder}/crun --version ended with status 127: crun: libyajl.so.2: cannot open", result.err)

    def test_the_caller(self):
        uid = self.caller()
        self.assertIn(f"uid={uid}", self.run_image(self.image, "id").out)
        inside = self.sh(f"grep -c ':{uid}:' /etc/passwd; grep -c NoNewPrivs.*1 /proc/self/status; "
                         "grep CapEff /proc/self/status | tr -d '0\\t'").out
        self.assertEqual(inside.split(), ["1", "1", "CapEff:"])
        self.assertEqual(self.sh("echo mine > made && stat -c %u made").out.strip(), str(uid))
        self.assertEqual(os.stat(os.path.join(self.home, "made")).st_uid, uid)
        self.assertIn("uid=33(app) gid=44(web)", self.run_image("-u", "app", self.image, "id").out)
        self.assertIn("no user 'nobody'", self.run_image("--user", "nobody", self.image, "id", expect=125).err)
        self.assertEqual(self.sh("id -u; chown 33:44 made; echo $?", "--fake-root").out.split(), ["0", "0"])

    def test_the_pretence_of_other_architectures(self):
        """A program may call the kernel as one of 32 bits, or of x32: neither is killed, and neither changes a thing."""
        if os.uname().machine != "x86_64" or not shutil.which("gcc"):
            self.skipTest("needs gcc for x86_64")
        program = self.path("calls")
        subprocess.run(["gcc", "-x", "c", "-", "-O1", "-static", "-nostdlib", "-fno-stack-protector", "-no-pie", "-o",
                        program], input=CALLS.encode(), check=True)
        layer = busybox_layer().disk_file("bin/calls", program)
        image = self.archive(layer, "calls.tar")
        # Without the pretence each of them is refused; what the kernel lacks it refuses as well.
        self.assertNotEqual(self.run_image(image, "calls", expect=None).status, 0)
        self.assertEqual(self.run_image("--fake-root", image, "calls").status, 0)

    # What is mounted.

    def test_mounts(self):
        data = os.path.join(self.home, "data")
        os.makedirs(data)
        with open(os.path.join(data, "f"), "w", encoding="utf-8") as out:
            out.write("content")
        os.chmod(data, 0o777)
        out = self.sh("cat /in/f /new/deep/place/f; touch /in/g && echo wrote; touch /new/deep/place/h; "
                      "cat /etc/added; cat /bin/busybox | wc -c",
                      "-v", f"{data}:/in", "--mount", f"type=bind,src={data},dst=/new/deep/place,ro",
                      "--bind", f"{data}/f:/etc/added").out
        self.assertTrue(out.startswith("contentcontentwrote\ncontent"), out)
        self.assertEqual(sorted(os.listdir(data)), ["f", "g"])
        self.assertEqual(self.sh("dd if=/dev/zero of=/m/x bs=1k count=100 2>/dev/null; stat -c %s /m/x",
                                 "--mount", "type=tmpfs,dst=/m,size=16KiB").out, "16384\n")
        for bad in (["-v", "name:/x"], ["-v", f"{data}:/etc/passwd"], ["-v", f"{data}/none:/x"]):
            self.run_image(*bad, self.image, "true", expect=125)

    def test_what_is_writable(self):
        script = ("for d in / /etc /bin /opt /var /sys; do touch $d/x 2>/dev/null && echo wrote $d; done; "
                  f"for d in /tmp /var/tmp /run /dev/shm {self.home}; do touch $d/flense-x-$$ || echo no $d; "
                  "rm $d/flense-x-$$; done; dd if=/dev/zero of=/dev/null count=1 2>/dev/null && echo null")
        self.assertEqual(self.sh(script).out, "null\n")
        self.assertEqual(self.sh("touch /x /etc/y && rm /etc/plain && ls /", "--writable").out.count("x\n"), 1)
        self.sh("test ! -e /x && test -e /etc/plain")
        self.assertIn("copies all of it", self.sh("true", "--writable").err)
        kept = os.path.join(self.home, "kept")
        os.mkdir(kept)
        os.chmod(kept, 0o777)
        self.sh("echo 1 > /kept", "--overlay", kept)
        self.assertEqual(self.sh("cat /kept", "--overlay", kept).out, "1\n")
        self.verify()

    def test_working_directory(self):
        self.assertEqual(self.run_image(self.image, "pwd").out.strip(), self.home)
        self.assertEqual(self.run_image("-w", "/etc", self.image, "pwd").out, "/etc\n")
        self.assertIn("not in the image", self.run_image("-w", "/nowhere", self.image, "pwd", expect=125).err)
        self.assertEqual(self.run_image(self.image, "pwd", cwd="/etc").out, "/\n")

    def test_isolated(self):
        out = self.sh(f"echo $$; ls -A /tmp | wc -l; test -e {self.home} || echo no home; "
                      "ls /sys/class/net; hostname", "--isolate").out.split("\n")
        self.assertEqual(out[:4], ["1", "0", "no home", "lo"])
        self.assertTrue(out[4].startswith("flense-"))
        with socket.create_server(("127.0.0.1", 0)) as server:
            script = f"nc -w 5 127.0.0.1 {server.getsockname()[1]} < /dev/null"
            process = self.start("run", self.image, "sh", "-c", script)
            server.settimeout(60)
            server.accept()[0].close()
            self.done(process)
            self.sh(script, "--isolate", expect=1)

    def test_a_terminal(self):
        status, out = harness.on_terminal(self.words("run", "-it", self.image, "sh", "-c", "tty; exit 4"),
                                          env=self.environment(), cwd=self.home)
        self.assertEqual(status, 4)
        self.assertIn(b"/dev/pts/0", out)

    def test_directories_and_layouts(self):
        place = self.path("rootdir")
        os.mkdir(place)
        subprocess.run(["tar", "-C", place, "-xf", "-"], input=busybox_layer().done(), check=True)
        before = harness.digest_tree(place)  # without a single place to mount on
        self.assertIn(f"uid={self.caller()}", self.run_image(place, "id").out)
        self.assertEqual(harness.digest_tree(place), before)
        self.assertFalse(os.path.exists(os.path.join(self.home, "cache/flense/roots")))

    def test_limits_are_never_ignored(self):
        if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
            self.skipTest("control groups may be delegated here")
        for option in (["--memory", "1g"], ["--cpus", "1.5"], ["--pids-limit", "9"]):
            self.assertIn("delegated", self.run_image(*option, self.image, "true", expect=125).err)

    def test_explained(self):
        err = self.run_image("--explain", self.image, "true").err
        for word in ("read-only, no overlay", "engine: ", "user: the caller", "network: the host's", "home: "):
            self.assertIn(word, err)
        self.assertEqual(self.run_image(self.image, "true").err, "")

    def test_bundle(self):
        bundle = os.path.join(self.home, "bundle")
        line = self.run_image("--bundle", bundle, self.image, "sh", "-c", "id -u; pwd; exit 6").out
        with open(os.path.join(bundle, "config.json"), encoding="utf-8") as data:
            config = json.load(data)
        self.assertTrue(config["root"]["readonly"])
        self.assertFalse(config["process"]["terminal"])
        other = os.path.join(self.home, "other")
        beside = self.run_image("-t", "--bundle", other, self.image, "true").out
        with open(os.path.join(other, "config.json"), encoding="utf-8") as data:
            self.assertTrue(json.load(data)["process"]["terminal"], "who starts it has the terminal")
        self.assertNotEqual(beside.split()[-1], line.split()[-1], "they run beside each other")
        user = [] if self.uid is None else ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups"]
        done = subprocess.run([*user, "sh", "-c", line], stdout=subprocess.PIPE, env=self.environment(), check=False,
                              cwd=self.home)
        self.assertEqual((done.returncode, done.stdout.decode()), (6, f"{self.caller()}\n{self.home}\n"))
        self.verify()
        self.run_image("--bundle", bundle, self.image, "true", expect=125)
        for option in (["--memory", "1g"], ["--cpus", "1"], ["--pids-limit", "9"]):
            self.assertIn("together", self.run_image("--bundle", bundle + "2", *option, self.image, "true", expect=125).err)

    # Into a running one.

    def test_exec_and_shell(self):
        data = os.path.join(self.home, "data")
        os.mkdir(data)
        process = self.start("run", "--name", "job", "-e", "X=1", "-v", f"{data}:/in", self.image, "sh", "-c",
                             "echo up; trap 'exit 5' TERM; while :; do sleep 0.05; done")
        self.addCleanup(self.end, process)
        self.assertEqual(process.stdout.readline(), b"up\n")
        out = self.done(self.start("exec", "job", "sh", "-c", "id -u; echo $X; ls -d /in; exit 3"), 3).out
        self.assertEqual(out.split(), [str(self.caller()), "1", "/in"])
        self.assertEqual(self.done(self.start("exec", "-e", "X=2", "-w", "/etc", "job", "sh", "-c", "echo $X; pwd")).out,
                         "2\n/etc\n")
        self.done(self.start("exec", "job", "nosuch"), 127)
        self.assertIn("running: job", self.done(self.start("exec", "other", "true"), 125).err)
        self.assertIn("is already running", self.run_image("--name", "job", self.image, "true", expect=125).err)
        shell = self.start("shell", "job", stdin=subprocess.PIPE)
        shell.stdin.write(b"echo $X; exit 9\n")
        self.assertEqual(self.done(shell, 9).out, "1\n")
        same = [self.done(self.start("exec", "job", "readlink", f"/proc/self/ns/{kind}")).out for kind in ("user", "mnt")]
        again = [self.done(self.start("exec", "job", "readlink", f"/proc/self/ns/{kind}")).out for kind in ("user", "mnt")]
        self.assertEqual(again, same)  # ranks of a node can look into each other
        process.send_signal(signal.SIGTERM)
        self.done(process, 5)
        self.done(self.start("exec", "job", "true"), 125)

    @staticmethod
    def end(process):
        """What lives on and holds its output keeps no test."""
        if process.poll() is None:
            process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=20)

    # The store.

    def verify(self):
        document = self.done(self.start("cache", "verify", "--json")).json
        self.assertEqual(document["damaged_roots"], [])
        return document

    def test_listed_verified_pruned(self):
        self.run_image(self.image)
        entries = self.done(self.start("cache", "ls", "--json")).json["entries"]
        self.assertEqual([e["kind"] for e in entries if e["kind"] == "root"], ["root"])
        self.verify()
        root, = self.roots()
        with open(os.path.join(root, "root/etc/passwd"), "a", encoding="utf-8") as out:
            out.write("x")
        damaged = self.done(self.start("cache", "verify", "--json"), 1).json["damaged_roots"]
        self.assertEqual(len(damaged), 1)
        self.assertIn("etc/passwd", damaged[0])
        process = self.start("run", self.image, "sh", "-c", "echo up; sleep 2; cat /etc/group")
        self.assertEqual(process.stdout.readline(), b"up\n")
        self.done(self.start("cache", "prune", "--all"))
        self.assertEqual(len(self.roots()), 1)  # in use
        self.done(process)
        self.done(self.start("cache", "prune", "--all"))
        self.assertEqual(self.roots(), [])

    def test_many_first_runs_in_two_pid_namespaces(self):
        count = 200
        script = "for i in $(seq {}); do \"$@\" || echo failed & done; wait"
        halves = []
        for _ in range(2):
            apart = [] if os.geteuid() != 0 else ["unshare", "-p", "-f", "--mount-proc"]
            halves.append(subprocess.Popen([*apart, "bash", "-c", script.format(count // 2), "-",
                                            *self.words("run", self.image, "echo", "ran")], env=self.environment(),
                                           cwd=self.home, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        outs = [half.communicate(timeout=1200) for half in halves]
        self.assertEqual(sum(out.decode().count("ran\n") for out, _ in outs), count,
                         [err.decode()[-2000:] for _, err in outs])
        self.assertEqual(len(self.roots()), 1)
        names = os.listdir(os.path.dirname(self.roots()[0]))
        self.assertEqual(len(names), 2, names)  # the root and its lock
        self.verify()

    def test_killed_at_random_points(self):
        rng = random.Random(7)
        layer = busybox_layer().folder("many")
        for number in range(400):
            layer.file(f"many/{number}", fixtures.noise(number, 5000))
        image = self.archive(layer, "many.tar")
        for _ in range(2):  # the first is the slower one
            started = time.monotonic()
            self.run_image(image, "true")
            took = time.monotonic() - started
            shutil.rmtree(os.path.join(self.home, "cache"))
        whole = broken = 0
        for _ in range(int(os.environ.get("FLENSE_KILLS", "20"))):
            process = self.start("run", image, "true", start_new_session=True)
            time.sleep(rng.random() * 1.5 * took)
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            document = self.done(self.start("cache", "verify", "--json")).json
            self.assertEqual(document["damaged_roots"], [])
            if self.roots():
                # Unpacked before it died; the next one shall have to unpack again.
                whole += 1
                shutil.rmtree(os.path.join(self.home, "cache"))
            else:
                broken += 1
        print(f"{broken} kills before the root was whole, {whole} after")
        self.assertGreater(broken, 0)
        self.run_image(image, "true")
        first = self.listing()
        self.verify()
        shutil.rmtree(os.path.join(self.home, "cache"))
        self.run_image(image, "true")
        self.assertEqual(self.listing(), first)
        self.assertEqual([n for n in os.listdir(os.path.dirname(self.roots()[0])) if ".flense-" in n], [])

    def listing(self):
        root, = self.roots()
        with open(os.path.join(root, "listing"), "rb") as data:
            return data.read()

    def test_no_place_to_unpack(self):
        blocked = self.path("blocked")
        with open(blocked, "w", encoding="utf-8"):
            pass
        err = self.run_image(self.image, expect=125, env={"FLENSE_CACHE": blocked}).err
        self.assertIn("there is no place for unpacked images", err)

    def test_another_platform(self):
        foreign = self.archive(busybox_layer(), "arm.tar")
        real = fixtures.config_for
        fixtures.config_for = lambda *a: {**real(*a), "architecture": "arm64"}
        try:
            fixtures.docker_archive(foreign, [busybox_layer().done()], ["COPY"])
        finally:
            fixtures.config_for = real
        self.assertIn("this machine is", self.run_image(foreign, "true", expect=125).err)

    # A hostile image.

    def test_nothing_outside_the_root(self):
        if not os.access("/opt", os.W_OK):
            self.skipTest("needs a place that no container gets by default")
        canary = tempfile.mkdtemp(dir="/opt", prefix="flense-e2e-")
        self.addCleanup(shutil.rmtree, canary)
        os.chmod(canary, 0o777)
        with open(os.path.join(canary, "secret"), "w", encoding="utf-8") as out:
            out.write("the host's")
        os.chmod(os.path.join(canary, "secret"), 0o666)
        before = harness.digest_tree(canary)
        up = "../" * 20
        for number, twist in enumerate((
                lambda l: l.symlink("dev", canary),
                lambda l: l.symlink("proc", canary),
                lambda l: l.symlink("sys", up + canary.lstrip("/")),
                lambda l: l.symlink("run", canary),
                lambda l: l.symlink("tmp", canary),
                lambda l: l.symlink("home", canary),
                lambda l: l.symlink("var", canary),
                lambda l: l.symlink("usr", canary),
                lambda l: l.symlink("etc/resolv.conf", f"{canary}/made"),
                lambda l: l.symlink("etc/hosts", up + canary.lstrip("/") + "/secret"),
                lambda l: l.symlink("etc/ld.so.cache", f"{canary}/secret").symlink("etc/ld.so.conf.d", canary),
                lambda l: l.symlink("in", canary),
                lambda l: l.symlink("in", "/proc/1/root" + canary),
                lambda l: l.symlink("etc/x", canary).symlink("etc/x/y", canary),
                lambda l: l.folder("in").symlink("in/deep", f"{canary}/new"))):
            layer = twist(fixtures.Layer().folder("bin").disk_file("bin/busybox", fixtures.BUSYBOX)
                          .symlink("bin/sh", "busybox").symlink("bin/cat", "busybox").folder("etc"))
            image = self.archive(layer, f"hostile{number}.tar", Env=["PATH=/bin", "LD_PRELOAD=/evil.so",
                                                                     "LD_LIBRARY_PATH=/evil", "HOME=/evil"])
            for options in (["--isolate"], ["--no-home", "-v", f"{self.home}:/in"], ["-v", f"{self.home}:/in/deep/er"]):
                result = self.run_image(*options, image, "sh", "-c", f"cat {canary}/secret; true", expect=None,
                                        cwd="/")
                self.assertNotIn("the host's", result.out, (number, options))
                self.assertEqual(harness.digest_tree(canary), before, (number, options, result.err))

    def test_privileges_stay_behind(self):
        layer = busybox_layer().disk_file("bin/suid", fixtures.BUSYBOX, mode=0o6755, uid=0)
        device = layer._info("dev0", fixtures.tarfile.CHRTYPE, 0o666)
        device.devmajor, device.devminor = 1, 3
        layer.tar.addfile(device)
        layer.fifo = layer._info("pipe", fixtures.tarfile.FIFOTYPE, 0o600)
        layer.tar.addfile(layer.fifo)
        image = self.archive(layer, "privileged.tar")
        self.sh("test ! -e /dev0 && test -p /pipe && test -x /bin/suid && test ! -u /bin/suid", image=image)
        root, = self.roots()
        for folder, _, files in os.walk(root):
            for name in files:
                state = os.lstat(os.path.join(folder, name))
                self.assertFalse(state.st_mode & (stat.S_ISUID | stat.S_ISGID), name)
                self.assertEqual(state.st_uid, self.caller(), name)

    def test_directories_that_are_called_as_generated_files(self):
        for name in ("passwd", "group"):
            folder = os.path.join(self.home, name)
            os.mkdir(folder, 0o755)
            result = self.sh("ls -d /new/*/", "-v", f"{folder}:/new/{name}")
            self.assertEqual(result.out, f"/new/{name}/\n")

    def test_sockets_and_pipes_in_the_place_of_mounts(self):
        layer = busybox_layer()
        layer.tar.addfile(layer._info("in", fixtures.tarfile.FIFOTYPE, 0o600))
        image = self.archive(layer, "pipe.tar")
        result = self.run_image("-v", f"{self.home}:/in", image, "true", expect=125)
        self.assertIn("the image has a file there", result.err)


class RunAsUser(Run):
    """The same for a user without any privilege."""
    uid = USER


if __name__ == "__main__":
    harness.main()
