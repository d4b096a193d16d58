#!/usr/bin/env python3
"""What unpacking an image may cost, and what it leaves: members that claim more than they store, stops by signals and
kills at random moments, AUFS bookkeeping, hostile names; and that a root which is no longer what was unpacked is not
started."""

import os
import random
import shutil
import signal
import subprocess
import tarfile
import time

import fixtures
import harness
import test_run

KILLS = int(os.environ.get("FLENSE_KILLS", "20"))
MIB, GIB = 1 << 20, 1 << 30
FORMS = ("--format=gnu", "--format=pax --sparse-version=0.0", "--format=pax --sparse-version=0.1",
         "--format=pax --sparse-version=1.0")


class Unpack(harness.Case):
    """As an ordinary user where the tests are root."""
    uid = test_run.USER if os.geteuid() == 0 else None
    archive, environment, words = test_run.Run.archive, test_run.Run.environment, test_run.Run.words
    start, done, run_image = test_run.Run.start, test_run.Run.done, test_run.Run.run_image
    sh, roots, verify, setUp = test_run.Run.sh, test_run.Run.roots, test_run.Run.verify, test_run.Run.setUp

    def place(self, *names):
        return os.path.join(self.home, "cache/flense", *names)

    def left(self):
        """What lies beside the roots and their locks."""
        if not os.path.exists(self.place("roots")):
            return []
        return [n for n in os.listdir(self.place("roots")) if n.startswith(".") and not n.endswith(".lock")]

    def image_of(self, layer, name):
        path = self.path(name)
        fixtures.docker_archive(path, [layer], ["COPY"], command=("/bin/sh", "-c", "echo default"))
        os.chmod(path, 0o644)
        return path

    def sparse_image(self, size, form=FORMS[0], name="sparse.tar"):
        """An archive whose one large file is a hole but for its begin and end."""
        tree = self.path("tree")
        shutil.rmtree(tree, ignore_errors=True)
        os.makedirs(tree + "/bin")
        shutil.copy(fixtures.BUSYBOX, tree + "/bin/busybox")
        for applet in test_run.APPLETS:
            os.symlink("busybox", f"{tree}/bin/{applet}")
        with open(tree + "/hole", "wb") as out:
            out.write(b"begin")
            out.seek(size - 3)
            out.write(b"end")
        layer = subprocess.run(["tar", "-C", tree, "-S", *form.split(), "-cf", "-", "."], check=True,
                               stdout=subprocess.PIPE).stdout
        self.assertLess(len(layer), 4 * MIB)
        return self.image_of(layer, name)

    @staticmethod
    def kilobytes(folder):
        return int(subprocess.run(["du", "-sk", folder], check=True, stdout=subprocess.PIPE).stdout.split()[0])

    # Members that claim more than they store.

    def test_holes_stay_holes(self):
        for form in FORMS:
            image = self.sparse_image(300 * MIB, form)
            script = "stat -c %s /hole; head -c 5 /hole; tail -c 3 /hole; grep -c . /hole >/dev/null; echo"
            self.assertIn(f"{300 * MIB}\nbegin", self.sh(script, image=image).out, form)
            root, = self.roots()
            self.assertLess(self.kilobytes(root), 8 * 1024, form)
            self.verify()  # by a digest of all 300 MiB
            shutil.rmtree(self.place())
            out = self.path("out")
            self.flense("slim", image, "--gpu", "sm_90", "-o", f"dir:{out}")
            self.assertEqual(os.path.getsize(out + "/hole"), 300 * MIB, form)
            self.assertLess(self.kilobytes(out), 8 * 1024, form)
            with open(out + "/hole", "rb") as data:
                self.assertEqual(data.read(5), b"begin")
                data.seek(-3, os.SEEK_END)
                self.assertEqual(data.read(), b"end")
            shutil.rmtree(out)

    def test_more_than_is_stored(self):
        for form in FORMS:
            image = self.sparse_image(20 * GIB, form)
            started = time.monotonic()
            err = self.run_image(image, "true", expect=125).err
            self.assertLess(time.monotonic() - started, 5)
            self.assertRegex(err, r"error: with hole of 21\.5 GB the image unpacks to [\d.]+ GB or more and stores [\d.]+ MB; "
                                  r"at most 1\.1 GB are unpacked \(100 times as much, or 1\.1 GB\)")
            self.assertIn("while reading layer 1 (sha256:", err)
            self.assertIn("hint: where the image is to be trusted, FLENSE_MAX_UNPACKED=SIZE allows more", err)
            self.assertEqual((self.roots(), self.left()), ([], []))
            out = self.path("out")
            done = self.flense("slim", image, "--gpu", "sm_90", "-o", f"dir:{out}", expect=3)
            self.assertIn("FLENSE_MAX_UNPACKED", done.err)
            self.assertEqual([n for n in os.listdir(self.work) if "out" in n], [])

    def test_many_small_claims(self):
        """None of them is too large; and zeros that are stored count as what they take."""
        layer = test_run.busybox_layer()
        for number in range(5):
            layer.file(f"zeros{number}", bytes(30 * MIB))
        stored, packed = self.path("zeros.tar"), self.path("packed.tar")
        fixtures.docker_archive(stored, [layer.done()], ["COPY"])
        self.flense("slim", stored, "--gpu", "sm_90", "--squash", "--compression", "zstd", "-o", f"oci-archive:{packed}")
        for image in (stored, packed):
            os.chmod(image, 0o644)
        self.assertLess(os.path.getsize(packed), 2 * MIB)
        self.assertIn("with zeros3 of 31.5 MB",
                      self.run_image(packed, "true", expect=125, env={"FLENSE_MAX_UNPACKED": "125MB"}).err)
        self.run_image(stored, "true")
        root, = self.roots()
        self.assertLess(self.kilobytes(root), 8 * 1024)

    def test_as_much_as_was_asked_for(self):
        image = self.sparse_image(3 * GIB // 2)
        self.run_image(image, "true", expect=125)
        self.assertIn("at most 1.0 GB are unpacked (FLENSE_MAX_UNPACKED)",
                      self.run_image(image, "true", expect=125, env={"FLENSE_MAX_UNPACKED": "1GB"}).err)
        self.assertIn("reading FLENSE_MAX_UNPACKED",
                      self.run_image(image, "true", expect=125, env={"FLENSE_MAX_UNPACKED": "much"}).err)
        self.run_image(image, "true", env={"FLENSE_MAX_UNPACKED": "2GiB"})
        root, = self.roots()
        self.assertLess(self.kilobytes(root), 8 * 1024)
        self.run_image(image, "true")  # unpacked is unpacked

    def test_programs_that_are_mostly_holes(self):
        """Reading one of them takes scratch space for what is no hole."""
        tree = self.path("tree")
        os.makedirs(tree)
        shutil.copy(fixtures.BUSYBOX, tree + "/program")
        os.truncate(tree + "/program", 2 * GIB)
        layer = subprocess.run(["tar", "-C", tree, "-S", "-cf", "-", "."], check=True, stdout=subprocess.PIPE).stdout
        image = self.image_of(layer, "program.tar")
        small = self.path("small")
        os.mkdir(small)
        done = subprocess.run(["unshare", "-Urm", "sh", "-c", 'mount -t tmpfs -o size=64m tmpfs "$1" || exit 99; '
                               'shift; exec "$@"', "-", small, harness.BINARY, "inspect", image, "--tmpdir", small,
                               "--no-cache"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        if done.returncode == 99:
            self.skipTest("the kernel forbids mounting a tmpfs")
        self.assertEqual(done.returncode, 0, done.stderr)

    # Stops.

    def test_stopped_by_signals(self):
        rng = random.Random(11)
        layer = test_run.busybox_layer().folder("many")
        for number in range(400):
            layer.file(f"many/{number}", fixtures.noise(number, 50_000))
        image = self.archive(layer, "many.tar")
        started = time.monotonic()
        self.run_image(image, "true")
        took = time.monotonic() - started
        stopped = number = 0
        while number < max(KILLS, 12):
            shutil.rmtree(self.place(), ignore_errors=True)
            sent = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)[number % 3]
            number += 1
            process = self.start("run", image, "true")
            time.sleep(rng.random() * took)
            process.send_signal(sent)
            _, err = process.communicate(timeout=30)
            # crun may have the signal by then, and its command ends in its own way.
            if process.returncode == -sent and not self.roots():
                stopped += 1
            self.assertEqual(self.left(), [], err)
            self.verify()
        print(f"{stopped} of {number} stopped while unpacking, none left anything")
        self.assertGreater(stopped, number // 10)

    def test_stopped_in_the_middle_of_a_file(self):
        image = self.sparse_image(500 * GIB)
        for sent in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            process = self.start("run", image, "true", env={"FLENSE_MAX_UNPACKED": "1TiB"})
            time.sleep(0.7)
            process.send_signal(sent)
            _, err = process.communicate(timeout=10)
            self.assertEqual(process.returncode, -sent, err)
            self.assertEqual((self.roots(), self.left()), ([], []))

    def test_killed_while_starting(self):
        """Unpacked already: what a kill leaves of a start is gone with the next one."""
        rng = random.Random(5)
        image = self.archive(test_run.busybox_layer())
        took = []
        for _ in range(3):
            started = time.monotonic()
            self.run_image(image, "true")
            took.append(time.monotonic() - started)
        killed = 0
        for number in range(KILLS):
            process = self.start("run", "--name", f"job{number}", image, "true", start_new_session=True)
            time.sleep(rng.random() * min(took))
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            killed += process.returncode == -signal.SIGKILL
        print(f"{killed} of {KILLS} killed while starting")
        self.assertGreater(killed, KILLS // 10)
        self.run_image(image, "true")
        self.verify()
        self.assertEqual(len(self.roots()), 1)
        self.assertEqual(self.left(), [])
        # The state of the dead is counted, and goes when there is much of it; their names are free soon.
        self.assertLess(len(os.listdir(os.path.join(self.runtime, "flense/crun"))), 100)
        # The command of the last one may have a moment to live, and a start gets ten seconds to write its state.
        until = time.monotonic() + 60
        while self.run_image("--name", f"job{KILLS - 1}", image, "true", expect=None).status != 0:
            self.assertLess(time.monotonic(), until)
            time.sleep(0.05)
        self.assertEqual(os.listdir(os.path.join(self.runtime, "flense/stage")), [])
        with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
            self.assertNotIn(self.work, mounts.read())
        # No process holds the root: it can go.
        for _ in range(100):
            self.done(self.start("cache", "prune", "--all"))
            if not self.roots():
                break
            time.sleep(0.05)
        self.assertEqual(self.roots(), [])

    # AUFS.

    def test_aufs_bookkeeping(self):
        layer = test_run.busybox_layer()
        layer.folder(".wh..wh.orph", 0o700).folder(".wh..wh.plnk", 0o700).file(".wh..wh.aufs", "")
        layer.file(".wh..wh.plnk/101.64", "shared content\n", 0o640).file(".wh..wh.orph/lost", "nobody's")
        layer.folder("opt").hardlink("opt/a", ".wh..wh.plnk/101.64").hardlink("opt/b", ".wh..wh.plnk/101.64")
        layer.folder("opt/.wh..wh.plnk").file("opt/.wh..wh.plnk/x", "none")
        image = self.archive(layer)
        out = self.sh("ls -a / /opt; cat /opt/a /opt/b; stat -c %h /opt/a", image=image).out
        self.assertNotIn(".wh.", out)
        self.assertTrue(out.endswith("shared content\nshared content\n2\n"), out)
        self.verify()
        report = self.flense("inspect", image, "--json", "--no-cache").json
        self.assertNotIn("plnk", str(report.get("waste", "")))
        for name, options in (("dir:", ()), ("oci-archive:", ()), ("docker-archive:", ("--squash",))):
            slim = self.path(name.rstrip(":") + ".slim")
            self.flense("slim", image, "--gpu", "sm_90", *options, "-o", name + slim)
            if name == "dir:":
                self.assertEqual(sorted(os.listdir(slim + "/opt")), ["a", "b"])
                self.assertEqual([n for n in os.listdir(slim) if n.startswith(".wh")], [])
                continue
            os.chmod(slim, 0o644)
            self.assertEqual(self.sh("cat /opt/a /opt/b", image=slim).out, "shared content\n" * 2, name)

    # Hostile names.

    def test_names_that_lead_out(self):
        canary = os.path.join(self.home, "canary")
        os.mkdir(canary)
        with open(canary + "/secret", "w", encoding="utf-8") as out:
            out.write("the host's")
        os.chmod(canary, 0o777)
        os.chmod(canary + "/secret", 0o666)
        before = harness.digest_tree(canary)
        up = "../" * 30 + canary.lstrip("/")

        def device(layer, name, kind):
            info = layer._info(name, kind, 0o666)
            info.devmajor, info.devminor = 1, 3
            layer.tar.addfile(info)
            return layer
        twists = (
            lambda l: l.file(f"{up}/made", "x"),
            lambda l: l.folder(up),
            lambda l: l.file(f"{canary}/made", "x"),
            lambda l: l.file(f"/{canary}/secret", "x"),
            lambda l: l.hardlink("stolen", f"{up}/secret"),
            lambda l: l.hardlink("stolen", f"{canary}/secret"),
            lambda l: l.symlink("out", canary).file("out/secret", "x"),
            lambda l: l.symlink("out", up).file("out/secret", "x").folder("out/made"),
            lambda l: l.symlink("out", canary).hardlink("stolen", "out/secret"),
            lambda l: l.symlink("out", f"{canary}/secret").hardlink("again", "out").file("again", "x"),
            lambda l: l.symlink("out", f"{canary}/secret").file("out", "x"),
            lambda l: l.symlink("out", canary).file("out/.wh.secret", ""),
            lambda l: l.symlink("out", canary).file("out/.wh..wh..opq", ""),
            lambda l: l.symlink("out", up).symlink("out/deep", "/").file("out/deep/made", "x"),
            lambda l: l.symlink("usr", "/").symlink("lib64", "/").file("usr/lib64/usr/made", "x"),
            lambda l: l.file(".wh...", "").file(".wh..", "").file(".wh.", ""),
            lambda l: l.symlink(".wh..wh.plnk", canary).file(".wh..wh.plnk/secret", "x"),
            lambda l: device(device(l, "null", tarfile.CHRTYPE), "disk", tarfile.BLKTYPE),
            lambda l: l.symlink("proc", canary).symlink("dev", canary).symlink("run", canary).symlink("etc", canary),
        )
        for number, twist in enumerate(twists):
            for lower in (False, True):
                if lower:  # the twist in one layer, what it leads to in the next
                    layers = [twist(fixtures.Layer()).done(), test_run.busybox_layer().done()]
                else:
                    layers = [test_run.busybox_layer().done(), twist(fixtures.Layer()).done()]
                image = self.path(f"twist{number}{lower}.tar")
                fixtures.docker_archive(image, layers, ["COPY", "COPY"])
                os.chmod(image, 0o644)
                done = self.run_image("--isolate", image, "/bin/sh", "-c", "test ! -e /null && test ! -e /disk",
                                      expect=None)
                self.assertIn(done.status, (0, 125), (number, done.err))
                self.assertEqual(harness.digest_tree(canary), before, (number, done.err))
                self.assertEqual(self.left(), [], number)
                out = self.path("out")
                subprocess.run([harness.BINARY, "slim", image, "--gpu", "sm_90", "-o", f"dir:{out}"], check=False,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                self.assertEqual(harness.digest_tree(canary), before, number)
                shutil.rmtree(out, ignore_errors=True)

    # Roots that are not what was unpacked.

    def test_a_damaged_program_is_not_started(self):
        image = self.archive(test_run.busybox_layer())

        def grown(path):
            with open(path, "ab") as out:
                out.write(b"x")

        def replaced(path):
            os.unlink(path)
            shutil.copy(fixtures.BUSYBOX, path)
            os.chmod(path, 0o755)

        def a_directory(path):
            os.unlink(path)
            os.mkdir(path)
        changes = ((grown, "has another size"), (lambda p: os.truncate(p, 0), "has another size"),
                   (lambda p: os.utime(p), "has another time"), (lambda p: os.chmod(p, 0o644), "has another mode"),
                   (os.unlink, "is missing"), (replaced, "has another time"), (a_directory, "has another type"))
        for change, what in changes:
            # By a link, as most are found.
            name = "sh" if what != "is missing" else "busybox"
            self.run_image(image, name, "-c" if name == "sh" else "true", "true")
            root, = self.roots()
            change(root + "/root/bin/busybox")
            err = self.run_image(image, name, "-c" if name == "sh" else "true", "true", expect=125).err
            self.assertIn(f"is damaged: bin/busybox {what}", err)
            self.assertIn("hint: the next start unpacks it again", err)
            self.assertEqual(self.run_image(image, "sh", "-c", "echo whole").out, "whole\n")
            self.verify()
        root, = self.roots()
        with open(root + "/root/bin/more", "w", encoding="utf-8") as out:
            out.write("#!/bin/sh\n")
        os.chmod(root + "/root/bin/more", 0o755)
        self.assertIn("is damaged: bin/more was not unpacked", self.run_image(image, "more", expect=125).err)
        # What is mounted over is none of the root's.
        self.run_image(image, "true")
        root, = self.roots()
        grown(root + "/root/bin/busybox")
        binaries = os.path.join(self.home, "bin")
        os.mkdir(binaries)
        shutil.copy(fixtures.BUSYBOX, binaries + "/true")
        self.run_image("-v", f"{binaries}:/bin", image, "true")

    def test_a_damaged_root_in_use(self):
        image = self.archive(test_run.busybox_layer())
        process = self.start("run", image, "sh", "-c", "echo up; while [ ! -e go ]; do sleep 0.05; done; cat /etc/passwd")
        self.assertEqual(process.stdout.readline(), b"up\n")
        root, = self.roots()
        os.utime(root + "/root/bin/busybox")
        self.assertIn("is damaged", self.run_image(image, "true", expect=125).err)
        self.assertIn("a container uses", self.run_image(image, "true", expect=125).err)
        with open(os.path.join(self.home, "go"), "w", encoding="utf-8"):
            pass
        self.assertIn("root:", self.done(process).out)
        self.run_image(image, "true")
        self.verify()

    def test_a_root_that_others_can_reach(self):
        image = self.archive(test_run.busybox_layer())
        self.run_image(image, "true")
        root, = self.roots()
        os.chmod(root, 0o755)
        err = self.run_image(image, "true", expect=125).err
        self.assertIn(f"others can reach {root} and may have written there", err)
        self.assertIn(f"hint: chmod 700 {root}", err)
        os.chmod(root, 0o700)
        self.run_image(image, "true")
        os.chmod(self.place("roots"), 0o777)
        self.assertIn("others may write to", self.run_image(image, "true", expect=125).err)
        os.chmod(self.place("roots"), 0o700)
        if self.uid is None:
            return
        os.chown(root, 0, 0)
        self.assertIn("error: ", self.run_image(image, "true", expect=125).err)
        os.chown(root, self.uid, self.uid)

    def test_a_place_that_another_user_has_taken(self):
        if self.uid is None:
            self.skipTest("needs root to be another user")
        taken = f"/tmp/flense-{self.uid}"
        if os.path.lexists(taken) or os.path.exists(f"/run/user/{self.uid}"):
            self.skipTest(f"{taken} is in use")
        os.mkdir(taken, 0o755)
        self.addCleanup(lambda: os.path.islink(taken) and os.unlink(taken) or shutil.rmtree(taken, ignore_errors=True))
        for how in ("directory", "link", "file"):
            if how == "link":
                os.rmdir(taken)
                os.symlink(self.home, taken)
            if how == "file":
                os.unlink(taken)
                with open(taken, "w", encoding="utf-8"):
                    pass
                self.addCleanup(lambda: os.path.lexists(taken) and os.unlink(taken))
            away = {"XDG_RUNTIME_DIR": ""}
            process = self.start("run", "--name", "job", self.image, "sh", "-c", "echo up; sleep 30", env=away)
            self.assertEqual(process.stdout.readline(), b"up\n", how)
            self.assertEqual(self.done(self.start("exec", "job", "echo", "in", env=away)).out, "in\n")
            process.terminate()
            err = process.communicate()[1].decode()
            self.assertIn("notice: ", err)
            self.assertIn(taken, err)
            self.assertIn(self.place("runtime"), err)
            self.assertEqual(os.listdir(taken) if how == "directory" else [], [])


if __name__ == "__main__":
    harness.main()
