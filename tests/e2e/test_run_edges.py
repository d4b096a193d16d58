#!/usr/bin/env python3
"""flense run where something is missing or in the way: exit statuses, bundles of images that lack places, groups with
--sub-ids, files of variables."""

import json
import os
import subprocess

import containers
import fixtures
import harness
import test_run
import test_sub_ids

LONG = "/" + "long" * 40


class Statuses(containers.Case):
    """126: it is there, and cannot be executed; 127: it is not there; 125: nothing could be started."""

    def program(self, loader):
        path = self.path("program")
        subprocess.run(["gcc", "-x", "c", "-", "-o", path, f"-Wl,--dynamic-linker={loader}"],
                       input=b"int main(void) { return 5; }\n", check=True)
        return path

    def scripts(self):
        out = test_run.busybox_layer().disk_file("bin/loaderless", self.program("/nope"))
        for name, text in (("nope", "#!/nope\n"), ("blank", "#! /nope -x\n"), ("nested", "#!/bin/nope\n"), ("empty", ""),
                           ("relative", "#!nope\n"), ("folder", "#!/etc\n"), ("text", "echo hi\n"),
                           ("fine", "#!/bin/sh\necho fine\n"), ("fine-nested", "#!/bin/fine\n"),
                           ("lost", "#!/etc/passwd/sh\n")):
            out.file(f"bin/{name}", text, 0o755)
        out.symlink("bin/loop", "pool").symlink("bin/pool", "loop").symlink("bin/dangling", "/nowhere")
        out.symlink("bin/to-folder", "/etc").file("bin/unreadable", "#!/bin/sh\necho fine\n", 0o111)
        for number in range(5):
            out.file(f"bin/deep{number}", f"#!/bin/deep{number + 1}\n", 0o755)
        return self.archive(out.file("bin/deep5", "#!/bin/sh\n", 0o755), "scripts.tar")

    def test_commands(self):
        image = self.scripts()
        for name, status, said in (
                ("nope", 126, "its interpreter /nope"), ("blank", 126, "its interpreter /nope"),
                ("nested", 126, "its interpreter /bin/nope"), ("loaderless", 126, "its loader /nope"),
                ("relative", 126, ""), ("empty", 126, ""), ("folder", 126, "its interpreter /etc"),
                ("lost", 126, "its interpreter /etc/passwd/sh"), ("text", 126, "it is not a program"),
                ("loop", 126, "too many links"), ("to-folder", 126, "it is a directory"), ("deep0", 126, "interpreters"),
                ("dangling", 127, "no command 'dangling'"), ("none", 127, "no command 'none'"),
                ("/bin/none", 127, "no command '/bin/none'"), ("/etc/passwd/x", 127, "no command '/etc/passwd/x'"),
                ("", 127, "no command ''"), ("/", 126, "it is a directory"), (LONG * 40, 127, "no command"),
                ("fine", 0, ""), ("fine-nested", 0, ""), ("unreadable", 0, "")):
            result = self.run_image(image, name, expect=None)
            with self.subTest(command=name[:60]):
                self.assertEqual(result.status, status, result.err)
                self.assertIn(said, result.err)
                self.assertEqual(result.err.startswith("error: "), status != 0, result.err)
                self.assertEqual(result.out, "fine\n" if name in ("fine", "fine-nested", "unreadable") else "")

    def test_commands_of_exec(self):
        image = self.scripts()
        process = self.start("run", "--name", "job", image, "sh", "-c", "echo up; exec sleep 60")
        self.addCleanup(self.end, process)
        self.assertEqual(process.stdout.readline(), b"up\n")
        for name, status in (("nope", 126), ("loaderless", 126), ("loop", 126), ("/etc", 126), ("relative", 126), ("empty", 126),
                             ("dangling", 127), ("none", 127), ("fine", 0)):
            with self.subTest(command=name):
                self.assertEqual(self.done(self.start("exec", "job", name), None).status, status)
        for place in ("/missing", "/etc/plain", "/bin/loop", "/proc/self", "relative"):
            with self.subTest(place=place):
                self.assertIn(place, self.done(self.start("exec", "-w", place, "job", "true"), 125).err)

    def test_search_goes_on(self):
        """As execvp: what cannot be executed is passed by, and told only where nothing else is found."""
        layer = test_run.busybox_layer().folder("a").file("a/both", "no mode\n").file("a/only", "no mode\n")
        layer.folder("b").file("b/both", "#!/bin/sh\necho from b\n", 0o755)
        image = self.archive(layer, "path.tar", Env=["PATH=/none:/etc/passwd:/a:relative::/b:/bin"])
        self.assertEqual(self.run_image(image, "both").out, "from b\n")
        self.run_image(image, "only", expect=126)

    def test_working_directories(self):
        layer = test_run.busybox_layer().symlink("bin/loop", "loop").folder("srv").symlink("srv/in", "../etc")
        image = self.archive(layer, "dirs.tar")
        for place, said in (("/missing", "is not in the image"), ("/etc/plain", "is not a directory"),
                            ("/etc/plain/x", "is not in the image"), ("/etc/passwd", "is not a directory"),
                            ("/bin/loop", "is a loop of links"), (LONG * 40, "is not in the image")):
            for options in ([], ["--writable"], ["--isolate"], ["--fake-root"]):
                with self.subTest(place=place[:40], options=options):
                    err = self.run_image(*options, "-w", place, image, "pwd", expect=125).err
                    self.assertIn(f"the working directory {place} {said}", err)
        self.assertIn("no absolute path", self.run_image("-w", "etc", image, "pwd", expect=125).err)
        for place, seen in (("/srv/in", "/etc"), ("/srv/in/..", "/"), ("//srv/./in//", "/etc"), ("/../..", "/"),
                            ("/tmp/", "/tmp")):
            self.assertEqual(self.run_image("-w", place, image, "pwd").out, seen + "\n")

    def test_closed_working_directory(self):
        """A root directory as somebody has left it."""
        root = self.path("rootdir")
        os.mkdir(root)
        subprocess.run(["tar", "-C", root, "-xf", "-"], input=test_run.busybox_layer().folder("closed").done(), check=True)
        for folder, _, names in os.walk(root):
            for path in [folder, *(os.path.join(folder, name) for name in names)]:
                os.chown(path, self.caller(), self.caller(), follow_symlinks=False)
        os.chmod(os.path.join(root, "closed"), 0)
        if self.uid is None:
            return  # nothing is closed to root
        self.assertIn("cannot be entered", self.run_image("-w", "/closed", root, "pwd", expect=125).err)
        self.assertIn("cannot be entered", self.run_image("-w", "/closed/deep", root, "pwd", expect=125).err)
        self.assertIn("permission denied", self.run_image(root, "/closed/x", expect=126).err)
        # With uid 0 in the container it is not closed.
        self.assertEqual(self.run_image("--fake-root", "-w", "/closed", root, "pwd").out, "/closed\n")

    def test_mounts(self):
        file, folder = f"{self.home}/file", f"{self.home}/folder"
        os.mkdir(folder)
        for path in (file, f"{folder}/f"):
            with open(path, "w", encoding="utf-8") as out:
                out.write("content\n")
        layer = test_run.busybox_layer().symlink("loop", "loop").symlink("dangling", "/nowhere").symlink("kernel", "/proc/sys")
        image = self.archive(layer.symlink("tofile", "etc/plain").folder("srv").symlink("tofolder", "srv"), "mounts.tar")
        for options in ([], ["--writable"], ["--isolate"]):
            for source, target, said in (
                    (file, "/etc", "has a directory there"), (folder, "/etc/plain", "has a file there"),
                    (folder, "/tofile", "has a file there"), (file, "/tofolder", "has a directory there"),
                    (folder, "/etc/plain/x", "file"), (file, "/etc/plain/x/y", "file"), (file, "/bin/busybox/x", "file"),
                    (f"{folder}/none", "/x", "does not exist"), (file, "/kernel/vm/drop_caches", "/proc/sys"),
                    (file, "/kernel", "/proc/sys"), (file, "/proc/sys/vm/drop_caches", "/proc/sys"),
                    (folder, "/loop", "loop of links"), (file, "/loop/x", "loop of links")):
                for option in (["-v", f"{source}:{target}"], ["--mount", f"type=bind,src={source},dst={target},ro"]):
                    with self.subTest(options=options, option=option):
                        result = self.run_image(*options, *option, image, "true", expect=None)
                        self.assertEqual(result.status, 125, result.err)
                        self.assertIn("error: ", result.err)
                        self.assertIn(said, result.err)
            # What looks like those and is none of them.
            for source, target, path in ((file, "/etc/plain", "/etc/plain"), (file, "/tofile", "/etc/plain"),
                                         (folder, "/tofolder", "/srv/f"), (file, "/dangling", "/dangling"),
                                         (file, "/new/deep", "/new/deep")):
                with self.subTest(options=options, source=source, target=target):
                    result = self.run_image(*options, "-v", f"{source}:{target}", image, "cat", path, expect=None)
                    self.assertEqual((result.status, result.out), (0, "content\n"), result.err)


class StatusesAsUser(Statuses):
    uid = test_run.USER


class Bundles(containers.Case):
    """The printed command, under sh, says and returns what `flense run` does."""
    SCRIPT = "id -u; pwd; env | grep -v '^SHLVL='; cat /new/deep/f; ls -a / /new; wc -c < /etc/hosts; ls .; echo err >&2; exit 6"

    def same(self, image, *options, cwd=None, bundle="bundle"):
        place = os.path.join(self.home, bundle)
        command = [image, "sh", "-c", self.SCRIPT]
        line = self.run_image(*options, "--bundle", place, *command, cwd=cwd or self.home).out
        done = subprocess.run([*self.words()[:-1], "sh", "-c", line], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=self.environment(), check=False, cwd="/", timeout=60)
        run = self.run_image(*options, *command, cwd=cwd or self.home, expect=6)
        self.assertEqual((done.stdout.decode(), done.returncode), (run.out, 6), f"{line}\n{done.stderr.decode()}")
        self.assertEqual(done.stderr.decode(), run.err)
        with open(os.path.join(place, "README"), encoding="utf-8") as text:
            self.assertIn(line.strip(), text.read())
        return run.out

    def bare(self, name="root dir"):
        """A root directory without a single place to mount on."""
        root = self.path(name)
        os.mkdir(root)
        layer = fixtures.Layer().folder("bin").disk_file("bin/busybox", fixtures.BUSYBOX)
        for applet in test_run.APPLETS:
            layer.symlink(f"bin/{applet}", "busybox")
        subprocess.run(["tar", "-C", root, "-xf", "-"], input=layer.done(), check=True)
        return root

    def data(self, name="data"):
        place = os.path.join(self.home, name)
        os.makedirs(place)
        with open(os.path.join(place, "f"), "w", encoding="utf-8") as out:
            out.write("content\n")
        return place

    def test_the_callers_directory(self):
        """It is not in the image, and neither is what -v names."""
        place = self.path("working directory")
        os.mkdir(place)
        with open(os.path.join(place, "mine"), "w", encoding="utf-8") as out:
            out.write("x")
        out = self.same(self.image, "-v", f"{self.data()}:/new/deep", cwd=place)
        self.assertIn(f"\n{place}\n", out)
        self.assertIn("\ncontent\n", out)
        self.assertIn("\nmine\n", out)

    def test_a_bare_root_directory(self):
        root = self.bare()
        before = harness.digest_tree(root)
        data = self.data()
        quoted = ["--shm-size", "1m", "-e", "A=it's \"quoted\" $HOME"]
        for number, options in enumerate(([], ["--no-home"], ["--isolate"], ["--fake-root"], ["-u", "7:7"],
                                          ["--network", "none", "-w", "/new"], quoted)):
            with self.subTest(options=options):
                out = self.same(root, *options, "-v", f"{data}:/new/deep", bundle=f"bundle{number}")
                self.assertIn("content\n", out)
        self.assertEqual(harness.digest_tree(root), before)

    def test_blanks_and_quotes(self):
        root = self.bare("it's a \"root\" $dir")
        out = self.same(root, "-v", f"{self.data('data set')}:/new/deep", bundle="a 'bundle' \"of\" $mine; true")
        self.assertIn("content\n", out)

    def test_names_that_no_overlay_takes(self):
        root = self.bare("ro,ot")
        err = self.run_image("--bundle", f"{self.home}/bundle", root, "true", expect=125).err
        self.assertIn("cannot be a layer of an overlay", err)
        self.assertFalse(os.path.exists(f"{self.home}/bundle"))

    def test_a_root_with_mounts_below(self):
        err = self.run_image("-v", f"{self.data()}:/flense-new/deep", "/", "true", expect=125).err
        self.assertIn("file systems are mounted below /: run it without them", err)

    def test_a_device(self):
        folder = self.path("cdi")
        os.mkdir(folder)
        with open(f"{folder}/test.json", "w", encoding="utf-8") as out:
            json.dump({"cdiVersion": "0.5.0", "kind": "test.org/gpu", "devices": [{"name": "0", "containerEdits": {
                "env": ["FROM_CDI=1"], "deviceNodes": [{"path": "/dev/full"}],
                "mounts": [{"hostPath": self.data(), "containerPath": "/new/deep", "options": ["ro", "bind"]}]}}]}, out)
        out = self.same(self.image, "--cdi-spec-dir", folder, "--device", "test.org/gpu=0")
        self.assertIn("FROM_CDI=1\n", out)
        self.assertIn("content\n", out)


class BundlesAsUser(Bundles):
    uid = test_run.USER


class Words(containers.Case):
    def test_env_files_that_shells_read(self):
        file = self.path("variables")
        with open(file, "w", encoding="utf-8") as out:
            out.write("export A=1\nexport WANTED\nexported=2\nexport=3\nB=export C=4\r\n# export D=5\nexport ABSENT\n")
        os.chmod(file, 0o644)
        out = self.run_image("--env-file", file, self.image, "env", env={"WANTED": "yes"}).out.splitlines()
        for line in ("A=1", "WANTED=yes", "exported=2", "export=3", "B=export C=4"):
            self.assertIn(line, out)
        self.assertEqual([line for line in out if line.startswith(("export ", "D=", "ABSENT", "C="))], [])


class Groups(test_sub_ids.SubIds):
    """--sub-ids: the groups that the image's accounts give to its user."""
    # Of the class above only what it starts with.
    test_the_images_user = test_root_of_the_range = test_joined_and_named = test_what_is_missing = None

    def setUp(self):
        super().setUp()
        layer = test_run.busybox_layer()
        layer.file("etc/group", "root:x:0:\nweb:x:44:app\nvideo:x:55:other,app\nrender:x:66:app\nelse:x:77:apple,nap\n")
        self.image = self.archive(layer, "groups.tar", User="app")

    def words(self, *arguments):
        user = ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", f"--groups={self.uid},4321"]
        return [*user, self.binary, *arguments]

    def groups(self, *options):
        """Without those that this namespace has no numbers for."""
        out = self.sh("id -G; grep ^Groups: /proc/self/status", *options, image=self.image).out.splitlines()
        return set(out[0].split()), out[1].split()[1:]

    def test_the_images_groups(self):
        self.assertEqual(self.groups()[0], {"44", "55", "66"})
        self.assertEqual(self.groups("-u", "app")[0], {"44", "55", "66"})
        self.assertEqual(self.groups("-u", "33")[0], {"44", "55", "66"})
        # A group that is named stands alone, as with docker.
        self.assertNotIn("55", self.groups("-u", "app:web")[0])

    def test_directories_of_other_ids(self):
        """What is closed to the caller is not to the user of the container, who made it."""
        data = os.path.join(self.home, "data")
        os.mkdir(data)
        os.chmod(data, 0o777)
        os.chmod(self.home, 0o755)
        mount = ["-v", f"{data}:/data"]
        self.sh("mkdir -m 700 /data/mine; cat /bin/busybox > /data/mine/pwd; chmod 700 /data/mine/pwd", *mount, image=self.image)
        for words in (["-w", "/data/mine", self.image, "pwd"], ["-w", "/", self.image, "/data/mine/pwd"],
                      ["-w", "/data/mine", self.image, "./pwd"]):
            result = self.done(self.start("run", "--sub-ids", *mount, *words), None)
            self.assertEqual((result.status, result.out), (0, "/data/mine\n" if words[1] != "/" else "/\n"), result.err)
        process = self.start("run", "--sub-ids", "--name", "job", self.image, "sh", "-c",
                             "mkdir -m 700 /tmp/mine; echo up; exec sleep 60")
        self.assertEqual(process.stdout.readline(), b"up\n")
        result = self.done(self.start("exec", "-w", "/tmp/mine", "job", "pwd"), None)
        self.done(self.start("exec", "job", "sh", "-c", "kill -9 -1"), None)
        process.communicate()
        self.assertEqual((result.status, result.out), (0, "/tmp/mine\n"), result.err)

    def test_devices_need_the_callers(self):
        folder = self.path("cdi")
        os.mkdir(folder)
        with open(f"{folder}/test.json", "w", encoding="utf-8") as out:
            json.dump({"cdiVersion": "0.5.0", "kind": "test.org/gpu",
                       "devices": [{"name": "0", "containerEdits": {"deviceNodes": [{"path": "/dev/full"}]}}]}, out)
        os.chmod(folder, 0o755)
        names, numbers = self.groups("--cdi-spec-dir", folder, "--device", "test.org/gpu=0")
        self.assertTrue({"55", "66"}.isdisjoint(names), names)
        self.assertIn("65534", numbers)  # a group of the caller's, which this namespace has no number for


if __name__ == "__main__":
    harness.main()
