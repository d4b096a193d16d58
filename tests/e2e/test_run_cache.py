#!/usr/bin/env python3
"""What `flense run` keeps on a machine, unpacked roots and driver libraries fitted to them: listed,
counted, verified, pruned by age and size, never while a container uses it; and never half of it,
however small the disk is."""

import os
import shutil
import signal
import subprocess
import threading
import time

import fixtures
import harness
import schema
import test_injection
import test_run

SIZES = int(os.environ.get("FLENSE_DISKS", "8"))
HOUR = 3600


class Kept(harness.Case):
    """As an ordinary user where the tests are root."""
    uid = test_run.USER if os.geteuid() == 0 else None
    archive, environment, words = test_run.Run.archive, test_run.Run.environment, test_run.Run.words
    start, done, run_image = test_run.Run.start, test_run.Run.done, test_run.Run.run_image
    gcc, library, layer = test_injection.Injection.gcc, test_injection.Injection.library, test_injection.Injection.layer
    specification, load = test_injection.Injection.specification, test_injection.Injection.load
    setUp = test_injection.Injection.setUp

    def cache(self, *arguments, expect=0):
        document = self.done(self.start("cache", *arguments, "--json"), expect).json
        self.assertEqual(schema.complaints(document, "flense/cache/v1"), [])
        return document

    def place(self, *names):
        return os.path.join(self.home, "cache/flense", *names)

    def kinds(self):
        return sorted(e["kind"] for e in self.cache("ls")["entries"] if e["kind"] in ("root", "libraries", "unfinished"))

    def roots(self):
        return {e["what"]: e for e in self.cache("ls")["entries"] if e["kind"] == "root"}

    def with_driver(self):
        self.specification(self.driver)
        return self.archive(self.layer(), command=("/bin/load",))

    def age(self, key, seconds, folder="roots"):
        then = time.time() - seconds
        os.utime(self.place(folder, key), (then, then))

    def test_listed_counted_verified(self):
        image = self.with_driver()
        self.load(image, "libcuda.so.1")
        self.assertEqual(self.kinds(), ["libraries", "root"])
        entries = {e["kind"]: e for e in self.cache("ls")["entries"] if e["kind"] in ("root", "libraries")}
        self.assertIn("app.tar", entries["libraries"]["what"])
        self.assertGreater(entries["libraries"]["bytes"], 200)
        self.assertEqual(self.cache("ls")["kinds"]["root"], {"entries": 1, "bytes": entries["root"]["bytes"]})
        self.assertIn("1 roots", self.done(self.start("cache", "ls")).out)
        self.assertEqual(self.cache("verify")["checked_libraries"], 1)
        folder = self.place("injected", entries["libraries"]["name"])
        os.unlink(folder + "/lib/libcuda.so.1")
        damaged, = self.cache("verify", expect=1)["damaged_libraries"]
        self.assertIn("lib/libcuda.so.1", damaged)
        gone = self.cache("prune", "--kind", "libraries", "--all")
        self.assertEqual((gone["removed_libraries"], gone["removed_roots"]), (1, 0))
        self.assertEqual(self.kinds(), ["root"])
        # Made anew, and gone with the root that they are for.
        self.assertIn("42", self.load(image, "libcuda.so.1").out)
        gone = self.cache("prune", "--kind", "root", "--all")
        self.assertEqual((gone["removed_libraries"], gone["removed_roots"]), (1, 1))
        self.assertEqual(self.kinds(), [])
        for wrong in (["--kind", "other"], ["--kind"]):
            self.done(self.start("cache", "prune", *wrong), 2)
        self.done(self.start("cache", "ls", "--kind", "root"), 2)

    def test_a_freed_inode_is_another_file(self):
        """What a later layer deletes gives its inode to the mount points, which no layer has."""
        lower, upper, image = self.layer(), fixtures.Layer(), self.path("freed.tar")
        for number in range(40):
            lower.file(f"etc/{number}", b"x" * (number + 1))
            upper.whiteout(f"etc/{number}")
        fixtures.docker_archive(image, [lower.done(), upper.done()], ["COPY", "RUN"], command=("/bin/load",))
        os.chmod(image, 0o644)
        self.start("run", image).communicate()
        verified = self.cache("verify")
        self.assertEqual((verified["checked_roots"], verified["damaged_roots"]), (1, []))

    def test_in_use(self):
        self.specification(self.driver)
        layer = self.layer().disk_file("bin/busybox", fixtures.BUSYBOX).symlink("bin/sh", "busybox").symlink(
            "bin/sleep", "busybox")
        image = self.archive(layer)
        process = self.start("run", "--cdi-spec-dir", self.path("cdi"), "--device", "test.org/gpu=0", image, "sh", "-c",
                             "echo up; while [ ! -e go ]; do sleep 0.05; done; /bin/load libcuda.so.1")
        self.assertEqual(process.stdout.readline(), b"up\n")
        for key in os.listdir(self.place("injected")):
            self.age(key, 50 * HOUR, "injected")
        for how in (["--all"], ["--older-than", "1h"], ["--kind", "libraries", "--kind", "root", "--max-size", "0"]):
            document = self.cache("prune", *how)
            self.assertEqual((document["removed_roots"], document["removed_libraries"]), (0, 0), how)
        self.assertEqual(document["in_use"], 2)
        self.assertIn("2 more are in use by containers", self.done(self.start("cache", "prune", "--all")).out)
        self.assertEqual(self.kinds(), ["libraries", "root"])
        with open(os.path.join(self.home, "go"), "w", encoding="utf-8"):
            pass
        self.assertEqual(self.done(process).out, "/run/flense/lib/libcuda.so.1 42\n")
        self.cache("prune", "--all")
        self.assertEqual(self.kinds(), [])

    def prune_when_unused(self):
        for _ in range(100):
            document = self.cache("prune", "--all")
            if document["in_use"] == 0:
                return document
            time.sleep(0.05)
        return document

    def test_what_outlives_the_lock(self):
        """Where crun is killed the container goes on, and nobody holds a lock."""
        self.specification(self.driver)
        layer = self.layer().disk_file("bin/busybox", fixtures.BUSYBOX)
        for name in ("sh", "cat", "echo"):
            layer.symlink(f"bin/{name}", "busybox")
        image = self.archive(layer.file("etc/word", "still here\n"))
        device = ("--cdi-spec-dir", self.path("cdi"), "--device", "test.org/gpu=0")
        go, out = os.path.join(self.home, "go"), os.path.join(self.home, "out")
        for options in ((), ("-v", f"{self.home}:/nowhere/before"), ("--writable",), device):
            os.mkfifo(go)
            os.chmod(go, 0o666)
            process = self.start("run", *options, image, "sh", "-c", "echo up; exec </dev/null >/dev/null 2>&1; "
                                 "echo $(cat go; cat /etc/word) > part; /bin/busybox mv part out")
            self.assertEqual(process.stdout.readline(), b"up\n")
            process.send_signal(signal.SIGKILL)
            process.communicate()
            document = self.cache("prune", "--all")
            self.assertEqual((document["removed_roots"], document["in_use"]), (0, 2 if options == device else 1), options)
            with open(go, "w", encoding="utf-8") as pipe:
                pipe.write("and ")
            for _ in range(200):
                if os.path.exists(out):
                    break
                time.sleep(0.05)
            with open(out, encoding="utf-8") as text:
                self.assertEqual(text.read(), "and still here\n", options)
            os.unlink(out)
            os.unlink(go)
            self.assertEqual((self.prune_when_unused()["removed_roots"], self.kinds()), (1, []), options)

    def test_what_joined_and_stayed(self):
        image = self.archive(test_run.busybox_layer())
        first = self.start("run", "--name", "job", image, "sh", "-c", "echo up; while [ ! -e end ]; do sleep 0.05; done")
        self.assertEqual(first.stdout.readline(), b"up\n")
        second = self.start("exec", "job", "sh", "-c", "echo up; while [ ! -e stop ]; do sleep 0.05; done; cat /etc/plain",
                            stdin=subprocess.DEVNULL)
        self.assertEqual(second.stdout.readline(), b"up\n")
        for name, process, used, said in (("end", first, 1, ""), ("stop", second, 0, "no program\n")):
            with open(os.path.join(self.home, name), "w", encoding="utf-8"):
                pass
            self.assertEqual(self.done(process).out, said)
            document = self.cache("prune", "--all") if used else self.prune_when_unused()
            self.assertEqual((document["removed_roots"], document["in_use"]), (1 - used, used), name)

    def test_who_cannot_see_the_users(self):
        """A PID namespace hides the processes of another: what was started there stays."""
        self.run_image(self.archive(test_run.busybox_layer()), "true")
        prune = self.words("cache", "prune", "--all", "--json")
        at = prune.index(self.binary)
        done = subprocess.Popen([*prune[:at], "unshare", "-Urpf", "--mount-proc", *prune[at:]], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env=self.environment(), cwd=self.home)
        document = self.done(done).json
        self.assertEqual((document["removed_roots"], document["in_use"]), (0, 1))
        self.assertEqual(self.prune_when_unused()["removed_roots"], 1)

    def test_the_least_recently_used_go(self):
        for number in range(4):
            layer = test_run.busybox_layer().file(f"opt/{number}", fixtures.noise(number, 100_000))
            self.run_image(self.archive(layer, f"{number}.tar"), "true")
        roots = self.roots()
        names = sorted(roots)
        self.assertEqual(len(names), 4)
        for number, name in enumerate(names):
            self.age(roots[name]["name"], (10 - number) * HOUR)
        size = roots[names[0]]["bytes"]
        self.assertEqual(self.cache("prune", "--max-size", "0")["removed_roots"], 0)  # that is of inventories
        self.assertEqual(self.cache("prune", "--kind", "root", "--max-size", str(4 * size))["removed_roots"], 0)
        self.assertEqual(self.cache("prune", "--kind", "root", "--max-size", str(4 * size - 1))["removed_roots"], 1)
        self.assertEqual(sorted(self.roots()), names[1:])
        self.assertEqual(self.cache("prune", "--kind", "image", "--all")["removed_roots"], 0)
        # One in use stays, and the next goes in its place. Starting it has made it the youngest.
        process = self.start("run", self.path("1.tar"), "sh", "-c", "echo up; sleep 30")
        self.assertEqual(process.stdout.readline(), b"up\n")
        self.age(roots[names[1]]["name"], 9 * HOUR)
        document = self.cache("prune", "--kind", "root", "--max-size", str(2 * size))
        self.assertEqual((document["removed_roots"], document["in_use"]), (1, 1))
        self.assertEqual(sorted(self.roots()), [names[1], names[3]])
        process.send_signal(signal.SIGKILL)
        process.communicate()
        self.assertEqual(self.cache("prune", "--older-than", "8h")["removed_roots"], 1)
        self.assertEqual(sorted(self.roots()), [names[3]])
        # A run notes the use of what it starts.
        self.run_image(self.path("3.tar"), "true")
        self.assertEqual(self.cache("prune", "--older-than", "1h")["removed_roots"], 0)

    def test_runs_while_pruning(self):
        image = self.with_driver()
        stop, pruned = threading.Event(), []

        def prune():
            while not stop.is_set():
                document = self.done(self.start("cache", "prune", "--all", "--json")).json
                pruned.append((document["removed_roots"], document["removed_libraries"]))
        pruning = threading.Thread(target=prune)
        pruning.start()
        try:
            for _ in range(15):
                running = [self.start("run", "--cdi-spec-dir", self.path("cdi"), "--device", "test.org/gpu=0", image,
                                      "/bin/load", "libcuda.so.1") for _ in range(3)]
                for process in running:
                    self.assertEqual(self.done(process).out, "/run/flense/lib/libcuda.so.1 42\n")
        finally:
            stop.set()
            pruning.join()
        self.assertGreater(sum(roots for roots, _ in pruned), 2)
        self.assertGreater(sum(libraries for _, libraries in pruned), 2)
        self.cache("verify")
        self.cache("prune", "--all")
        self.assertEqual([n for n in os.listdir(self.place("roots")) if not n.endswith(".lock")], [])
        self.assertEqual(os.listdir(self.place("injected")), [])

    def test_what_a_killed_run_left(self):
        self.run_image(self.archive(test_run.busybox_layer()), "true")
        key, = [name for name in os.listdir(self.place("roots")) if not name.startswith(".")]
        left = self.place("roots", f".{key}.flense-Ab3xY9")
        subprocess.run(["cp", "-a", self.place("roots", key), left], check=True)
        self.cache("prune", "--kind", "root", "--all")
        self.assertEqual(self.kinds(), [])
        shutil.rmtree(left, ignore_errors=True)
        self.run_image(self.path("app.tar"), "true")
        subprocess.run(["cp", "-a", self.place("roots", key), left], check=True)
        self.assertEqual(self.kinds(), ["root", "unfinished"])
        unfinished, = [e for e in self.cache("ls")["entries"] if e["kind"] == "unfinished"]
        self.assertEqual(unfinished["what"], left)
        self.assertGreater(unfinished["bytes"], 100_000)
        document = self.cache("prune")
        self.assertEqual((document["removed_unfinished_bytes"], document["removed_roots"]), (unfinished["bytes"], 0))
        self.assertEqual(self.kinds(), ["root"])
        # Whoever writes one keeps it.
        os.mkdir(left)
        with open(os.path.join(left, "listing"), "w", encoding="utf-8"):
            pass
        writer = subprocess.Popen(["flock", "-s", left, "sleep", "60"])
        time.sleep(0.3)
        self.cache("prune", "--all")
        self.assertTrue(os.path.exists(left))
        writer.terminate()
        writer.wait()

    # Small disks.

    # A file takes all but $2 of the $1 kilobytes, and goes before the second try.
    SCRIPT = """
mount -t tmpfs -o size=$1k,mode=0700 tmpfs "$3" || exit 99
[ $1 = $2 ] || fallocate -l $(($1 - $2))k "$3/ballast" || exit 99
"$4" run "$5" sh -c 'echo ran' >"$6/out" 2>"$6/err"
echo $? >"$6/status"
find "$3" -mindepth 1 ! -name '*.lock' ! -name ballast >"$6/left"
"$4" cache verify --json >"$6/verify"
rm -f "$3/ballast"
"$4" run "$5" sh -c 'echo ran' >"$6/again" 2>&1
echo $? >>"$6/status"
"$4" cache verify --json >>"$6/verify"
"""

    def unpack_on(self, whole, free, image):
        """Runs the image with its cache on a tmpfs in a namespace of its own, of which so much is free; then again
        with all of it free."""
        disk, told = self.path("home/disk"), self.path("home/told")
        for folder in (disk, told):
            os.makedirs(folder, exist_ok=True)
            os.chown(folder, self.caller(), self.caller())
        user = [] if self.uid is None else ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups"]
        done = subprocess.run([*user, "unshare", "-Urm", "sh", "-c", self.SCRIPT, "-", str(whole), str(free), disk,
                               self.binary, image, told], env={**self.environment(), "FLENSE_CACHE": disk}, cwd=self.home,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode == 99:
            self.skipTest("the kernel forbids mounting a tmpfs")
        texts = {}
        for name in os.listdir(told):
            with open(os.path.join(told, name), encoding="utf-8") as data:
                texts[name] = data.read()
            os.unlink(os.path.join(told, name))
        return texts

    def caller(self):
        return os.geteuid() if self.uid is None else self.uid

    def test_full_disk(self):
        first = test_run.busybox_layer().folder("data")
        for number in range(40):
            first.file(f"data/{number}", fixtures.noise(number, 20_000))
        second = fixtures.Layer().folder("more")
        for number in range(40):
            second.file(f"more/{number}", fixtures.noise(100 + number, 20_000))
        image = self.path("two.tar")
        fixtures.docker_archive(image, [first.done(), second.done()], ["COPY", "COPY"], command=("/bin/sh",))
        os.chmod(image, 0o644)
        enough = os.path.getsize(image) // 1024 + 2000
        whole = self.unpack_on(enough, enough, image)
        self.assertEqual((whole["status"], whole["out"]), ("0\n0\n", "ran\n"), whole["err"])
        failures = successes = 0
        for number in range(SIZES):
            # From nothing but a page or two to nearly enough.
            kilobytes = max(8, enough * number // SIZES)
            told = self.unpack_on(enough, kilobytes, image)
            first_status, second_status = told["status"].split()
            # With room it works, whatever went before.
            self.assertEqual((second_status, told["again"].splitlines()[-1]), ("0", "ran"), told)
            self.assertEqual(told["verify"].count('"damaged_roots": []'), 2)
            if first_status == "0":
                successes += 1
                self.assertEqual(told["out"], "ran\n")
                continue
            failures += 1
            self.assertEqual(first_status, "125", told)
            disk = self.path("home/disk")
            self.assertRegex(told["err"], rf"error: no room for .*two\.tar in {disk}/roots: [\d.]+ \w+ or more are needed, "
                                          r"[\d.]+ \w+ of [\d.]+ \w+ were free", told)
            self.assertIn("No space left on device", told["err"])
            self.assertIn("hint: flense cache prune", told["err"])
            self.assertEqual([p for p in told["left"].splitlines()
                              if "/inventories" not in p and p != f"{disk}/roots"], [], kilobytes)
        print(f"{SIZES} small disks: {failures} without room, {successes} with")
        self.assertGreater(failures, SIZES // 2)


if __name__ == "__main__":
    harness.main()
