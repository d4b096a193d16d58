#!/usr/bin/env python3
"""slim --trace and run --trace: what a command meets when it runs is known, written down and read again; and
what a trace cannot say is an error or a notice."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import fixtures
import harness
import imagetree
import schema

APPLETS = "sh cat ls sleep true env readlink".split()
# By their paths: busybox's shell has these commands in itself.
COMMAND = "/bin/cat /srv/model && cd weights && /srv/start"
MET = ({"bin/busybox", "bin/sh", "bin/cat", "bin/env", "srv/model", "srv/current", "srv/weights/v2", "srv/start",
        "srv/config"}, {"srv", "srv/weights", "srv/marker"})


# Opens /srv/config by the calls of i386; status 9 when it is not there.
THIRTY_TWO_BITS = """
.globl _start
_start: movl $5, %eax; movl $name, %ebx; xorl %ecx, %ecx; int $0x80
        testl %eax, %eax; js missing
        movl $1, %eax; xorl %ebx, %ebx; int $0x80
missing: movl $1, %eax; movl $9, %ebx; int $0x80
.data
name: .asciz "/srv/config"
"""


def image_layer():
    """Busybox with names that lead to it, and files to be met or not."""
    layer = fixtures.Layer().folder("bin").disk_file("bin/busybox", fixtures.BUSYBOX)
    for name in APPLETS:
        layer.symlink(f"bin/{name}", "busybox")
    layer.folder("srv").folder("srv/weights")
    layer.file("srv/weights/v2", "weights\n").symlink("srv/model", "current").symlink("srv/current", "weights/v2")
    layer.file("srv/start", "#!/bin/env sh\n[ -e /srv/marker ] && read line < ../config\n", mode=0o755)
    layer.file("srv/marker", "").file("srv/config", "x\n")
    layer.folder("opt").file("opt/unused", "never\n")
    return layer


def read_trace(path):
    """{"used": {...}, "looked": {...}} of a written trace."""
    with open(path, encoding="utf-8") as lines:
        text = lines.read()
    used, _, looked = text.partition("# asked about only:\n")
    return tuple({line[1:] for line in part.splitlines() if line.startswith("/")} for part in (used, looked))


class Trace(harness.Case):
    def setUp(self):
        super().setUp()
        self.input = self.path("app.tar")
        real = fixtures.config_for

        def config_for(layers, instructions, words):
            config = real(layers, instructions, words)
            config["config"]["WorkingDir"] = "/srv"
            return config
        fixtures.config_for = config_for
        try:
            fixtures.docker_archive(self.input, [image_layer().done()], ["COPY"], command=("/bin/sh",))
        finally:
            fixtures.config_for = real

    def slim(self, *options, **more):
        return self.flense("slim", self.input, "--gpu", "sm_90", *options, **more)

    def aggressive(self, *options, **more):
        return self.slim("--level", "aggressive", "--closure", *options, **more)


class InTheSandbox(Trace):
    def setUp(self):
        if subprocess.run(["bwrap", "--ro-bind", "/", "/", "true"], check=False).returncode != 0:
            self.skipTest("bubblewrap cannot start here")
        super().setUp()

    def test_what_a_command_meets(self):
        plan = self.aggressive("--dry-run", "--json", "--trace", COMMAND, "--save-trace", self.path("trace")).json
        self.assertEqual(schema.complaints(plan, "flense/plan/v1"), [])
        used, looked = read_trace(self.path("trace"))
        self.assertEqual((used, looked), MET)
        self.assertEqual(plan["traces"], [{"command": COMMAND, "used": len(used), "looked_at": len(looked)}])
        self.assertFalse([notice for notice in plan["notices"] if "gap" in notice])

    def test_the_output_says_what_was_traced(self):
        out = self.path("out")
        report = self.aggressive("-o", f"oci:{out}", "--json", "--trace", COMMAND, "--trace", "true", "--verify", COMMAND)
        self.assertIn("verified: ", report.err)
        self.assertEqual(schema.complaints(report.json, "flense/slim/v1"), [])
        counts = [trace["used"] + trace["looked_at"] for trace in report.json["traces"]]
        self.assertEqual(len(counts), 2)
        image = imagetree.read_image(out)
        kept = set(imagetree.merged(image.layers))
        # What only the run shows stays, and nothing but that.
        self.assertLessEqual(MET[0], kept)
        self.assertNotIn("opt/unused", kept)
        labels = image.labels
        self.assertEqual(labels["dev.flense.traced"], f"{COMMAND} ({counts[0]} paths); true ({counts[1]} paths)")
        with open(out + ".provenance.json", encoding="utf-8") as text:
            record = json.load(text)
        self.assertEqual(schema.complaints(record, "flense/provenance/v1"), [])
        self.assertEqual(record["plan"]["traces"], report.json["traces"])

    def test_text_names_command_and_counts(self):
        told = self.aggressive("--dry-run", "--trace", COMMAND).out
        self.assertIn(f"traced: {len(MET[0])} paths used by '{COMMAND}', {len(MET[1])} more asked about\n", told)

    def test_a_file_of_another_machine(self):
        with open(self.path("gpu.trace"), "w", encoding="utf-8") as trace:
            trace.write("# by hand\n/srv/config\nsrv/model\n/usr/lib/libcuda.so.1\n")
        plan = self.aggressive("--dry-run", "--json", "--trace-file", self.path("gpu.trace")).json
        self.assertEqual(schema.complaints(plan, "flense/plan/v1"), [])
        self.assertEqual(plan["traces"], [{"file": self.path("gpu.trace"), "paths": 2}])
        self.assertIn(f"1 of the 3 paths in {self.path('gpu.trace')} are not in the image", plan["notices"])

    def test_what_fails_in_the_original_proves_nothing(self):
        result = self.aggressive("-o", f"oci:{self.path('out')}", "--trace", "echo told >&2; exit 3", expect=1)
        self.assertIn("proves nothing, in the original it ends with 3", result.err)
        self.assertIn("told", result.err)
        self.assertFalse(os.path.exists(self.path("out")))

    def test_interrupted_it_leaves_nothing(self):
        scratch = self.path("scratch")
        os.mkdir(scratch)
        word = f"97{os.getpid()}"
        process = subprocess.Popen(
            [harness.BINARY, "slim", self.input, "--gpu", "sm_90", "--level", "aggressive", "--closure", "--dry-run", "--tmpdir", scratch,
             "--trace", f"sleep {word} & sleep {word}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=harness.surroundings())
        self.addCleanup(process.kill)

        def sleepers():
            return subprocess.run(["pgrep", "-f", f"^sleep {word}"], check=False, stdout=subprocess.PIPE).stdout.split()
        deadline = time.monotonic() + 60
        while len(sleepers()) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(len(sleepers()), 2)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, -signal.SIGINT)
        self.assertEqual(sleepers(), [])
        self.assertEqual(os.listdir(scratch), [])

    def test_killed_it_leaves_no_process(self):
        word = f"98{os.getpid()}"
        process = subprocess.Popen(
            [harness.BINARY, "slim", self.input, "--gpu", "sm_90", "--level", "aggressive", "--closure", "--dry-run", "--tmpdir", self.work,
             "--trace", f"sleep {word}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=harness.surroundings())

        def sleepers():
            return subprocess.run(["pgrep", "-f", f"^sleep {word}"], check=False, stdout=subprocess.PIPE).stdout.split()
        deadline = time.monotonic() + 60
        while not sleepers() and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertTrue(sleepers())
        process.kill()
        process.communicate(timeout=60)
        deadline = time.monotonic() + 30
        while sleepers() and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(sleepers(), [])


class InAContainer(Trace):
    def setUp(self):
        if not shutil.which("crun"):
            self.skipTest("crun is not installed")
        if subprocess.run(["unshare", "-Urm", "true"], check=False, stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("this kernel makes no user namespaces")
        super().setUp()
        self.runtime = self.path("runtime")
        os.mkdir(self.runtime, 0o700)

    def run_traced(self, *words, expect=0):
        return self.flense("run", "--isolate", "--no-preflight", "--trace", self.path("trace"), *words, expect=expect,
                           env={"XDG_RUNTIME_DIR": self.runtime})

    def test_run_writes_what_slim_reads(self):
        result = self.run_traced(self.input, "sh", "-c", COMMAND)
        self.assertEqual(result.out, "weights\n")
        used, looked = read_trace(self.path("trace"))
        # Bubblewrap tells the shell its working directory, and the shell asks whether it is the one.
        self.assertEqual((used, looked | {"srv"}), MET)
        plan = self.aggressive("--dry-run", "--json", "--trace-file", self.path("trace")).json
        self.assertEqual(plan["traces"], [{"file": self.path("trace"), "paths": len(used) + len(looked)}])

    def test_the_status_is_the_commands(self):
        self.run_traced(self.input, "sh", "-c", "cat /srv/config; exit 7", expect=7)
        with open(self.path("trace"), encoding="utf-8") as text:
            self.assertIn("(ended with 7)", text.readline())
        self.assertIn("srv/config", read_trace(self.path("trace"))[0])

    def test_mounts_are_not_the_images(self):
        os.mkdir(self.path("data"))
        with open(self.path("data/config"), "w", encoding="utf-8") as data:
            data.write("mounted\n")
        result = self.run_traced("-v", f"{self.path('data')}:/srv", self.input, "cat", "/srv/config")
        self.assertEqual(result.out, "mounted\n")
        self.assertEqual(read_trace(self.path("trace")), ({"bin/busybox", "bin/cat"}, set()))

    def test_pretences_and_traces_together(self):
        self.run_traced("--fake-root", self.input, "cat", "/srv/config")
        self.assertIn("srv/config", read_trace(self.path("trace"))[0])

    def test_programs_of_another_architecture_run_on_and_are_named(self):
        source = self.path("old.s")
        with open(source, "w", encoding="utf-8") as text:
            text.write(THIRTY_TWO_BITS)
        for command in (["as", "--32", "-o", source + ".o", source], ["ld", "-m", "elf_i386", "-o", self.path("old"), source + ".o"]):
            self.run_tool(*command)
        try:
            if subprocess.run([self.path("old")], check=False).returncode != 9:
                self.skipTest("no 32-bit programs here")
        except OSError:
            self.skipTest("no 32-bit programs here")
        image = self.path("old.tar")
        layer = image_layer().disk_file("srv/old", self.path("old"))
        fixtures.docker_archive(image, [layer.done()], ["COPY"], command=("/srv/old",))
        result = self.run_traced(image)
        self.assertIn("notice: the trace has a gap: a program of another architecture", result.err)

    def test_no_bundle_is_traced(self):
        self.run_traced("--bundle", self.path("bundle"), self.input, expect=125)


class AsAnOrdinaryUser(Trace):
    """The same without privileges: tracing is of processes that one has started oneself."""
    USER = 65123  # nobody's

    def test_without_root(self):
        if os.geteuid() != 0:
            self.skipTest("the other tests are this one")
        become = ["setpriv", f"--reuid={self.USER}", f"--regid={self.USER}", "--clear-groups", "--no-new-privs"]
        os.chmod(self.work, 0o777)
        shutil.copy(harness.BINARY, self.path("flense"))
        sandbox = [*become, "bwrap", "--unshare-user", "--ro-bind", "/", "/", "true"]
        if subprocess.run(sandbox, check=False, stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("bubblewrap needs root here")
        self.run_tool(*become, self.path("flense"), "slim", self.input, "--gpu", "sm_90", "--level", "aggressive", "--closure", "--dry-run",
                      "--tmpdir", self.work, "--trace", COMMAND, "--save-trace", self.path("trace"),
                      env={**harness.surroundings(), "XDG_CACHE_HOME": self.path("cache")})
        self.assertEqual(read_trace(self.path("trace")), MET)


class Sufficient(harness.Case):
    """A root that holds what was traced and nothing else does the same: real Python, as this machine has it."""
    PROGRAM = ("import concurrent.futures, decimal, email.mime.text, encodings.idna, hashlib, json, sqlite3, subprocess, zlib;"
               "db = sqlite3.connect(':memory:');"
               "inner = subprocess.run(['/bin/sh', '-c', 'cat /etc/settings'], capture_output=True, check=True).stdout.decode();"
               "pool = concurrent.futures.ThreadPoolExecutor(4);"
               "numbers = list(pool.map(decimal.Decimal, range(4)));"
               "pool.shutdown();"
               "print(json.dumps([inner, str(sum(numbers)), 'ü.de'.encode('idna').decode(), zlib.crc32(b'x'),"
               " db.execute('select 6*7').fetchone(), hashlib.sha256(b'y').hexdigest(),"
               " email.mime.text.MIMEText('z').as_string()]))")

    def setUp(self):
        super().setUp()
        if not shutil.which("crun") or not os.path.exists("/usr/bin/python3"):
            self.skipTest("crun or the system's Python is missing")
        if subprocess.run(["unshare", "-Urm", "true"], check=False, stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("this kernel makes no user namespaces")
        os.mkdir(self.path("runtime"), 0o700)

    def python_root(self, root):
        library = self.run_tool("/usr/bin/python3", "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))").strip()
        shutil.copytree(library, root + library, symlinks=True,
                        ignore=shutil.ignore_patterns("test", "tests", "idlelib", "ensurepip", "config-*", "dist-packages"))
        programs = [os.path.realpath(path) for path in ("/usr/bin/python3", "/bin/sh", "/bin/cat")]
        modules = [os.path.join(library, "lib-dynload", name) for name in os.listdir(os.path.join(library, "lib-dynload"))]
        needed = set()
        for path in programs + [module for module in modules if module.endswith(".so")]:
            needed.update(word for word in self.run_tool("ldd", path).split() if word.startswith("/"))
        # What the C library may open by itself, when a thread is made to end.
        needed.update(os.path.join(os.path.dirname(path), "libgcc_s.so.1") for path in list(needed) if "/libc.so" in path)
        for path in [*programs, *needed]:
            os.makedirs(os.path.dirname(root + path), exist_ok=True)
            shutil.copy2(path, root + path)
        for name, path in zip(("/usr/bin/python3", "/bin/sh", "/bin/cat"), programs):
            if not os.path.lexists(root + name):
                os.makedirs(os.path.dirname(root + name), exist_ok=True)
                os.symlink(path, root + name)
        for folder in ("proc", "dev", "tmp", "etc"):
            os.makedirs(os.path.join(root, folder), exist_ok=True)
        with open(os.path.join(root, "etc/settings"), "w", encoding="utf-8") as settings:
            settings.write("as they are\n")

    def only(self, root, paths, out):
        for path in sorted(paths):
            source, target = os.path.join(root, path), os.path.join(out, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if os.path.islink(source):
                os.symlink(os.readlink(source), target)
            elif os.path.isdir(source):
                os.makedirs(target, exist_ok=True)
            else:
                shutil.copy2(source, target)
        for folder in ("proc", "dev", "tmp"):
            os.makedirs(os.path.join(out, folder), exist_ok=True)

    def run_in(self, root, *options):
        return self.flense("run", "--isolate", "--no-preflight", *options, root, "/usr/bin/python3", "-c", self.PROGRAM,
                           env={"XDG_RUNTIME_DIR": self.path("runtime")}).out

    def test_what_was_traced_is_enough(self):
        whole, part = self.path("whole"), self.path("part")
        self.python_root(whole)
        told = self.run_in(whole, "--trace", self.path("trace"))
        self.assertIn("as they are", told)
        used, looked = read_trace(self.path("trace"))
        self.only(whole, used | looked, part)
        count = [sum(len(files) for _, _, files in os.walk(root)) for root in (whole, part)]
        self.assertLess(count[1], count[0] / 2)
        self.assertEqual(self.run_in(part), told)


class Usage(Trace):
    def test_where_a_trace_means_nothing(self):
        self.slim("--dry-run", "--trace", "true", expect=2)
        # Without the closure nothing would heed what the run met.
        self.assertIn("--closure", self.slim("--level", "aggressive", "--dry-run", "--trace", "true", expect=2).err)
        self.slim("--dry-run", "--trace-file", "/dev/null", expect=2)
        self.aggressive("--dry-run", "--save-trace", self.path("t"), expect=2)
        self.aggressive("--dry-run", "--trace-decides", expect=2)
        self.flense("slim", "/bin/true", "--gpu", "sm_90", "--level", "aggressive", "--closure", "-o", self.path("o"), "--trace", "true",
                    expect=2)

    def test_without_bubblewrap(self):
        os.mkdir(self.path("bin"))
        result = self.aggressive("--dry-run", "--trace", "true", expect=4, env={"PATH": self.path("bin")})
        self.assertIn("--trace needs bubblewrap", result.err)
        self.assertIn("hint: install the package bubblewrap", result.err)

    def test_a_bad_trace_file(self):
        with open(self.path("bad"), "w", encoding="utf-8") as bad:
            bad.write("/fine\n/../../etc/shadow\n")
        result = self.aggressive("--dry-run", "--trace-file", self.path("bad"), expect=3)
        self.assertIn("line 2", result.err)
        self.aggressive("--dry-run", "--trace-file", self.path("missing"), expect=3)


if __name__ == "__main__":
    if not fixtures.BUSYBOX:
        sys.exit(harness.SKIPPED)
    harness.main()
