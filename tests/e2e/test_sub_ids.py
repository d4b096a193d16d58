#!/usr/bin/env python3
"""flense run --sub-ids: the image's user as an id of the caller's range, mapped by the real newuidmap. The
user and the ranges are of a mount namespace of the test's own."""

import os
import shutil
import shlex
import subprocess

import harness
import test_run

USER, START, COUNT = test_run.USER, 300_000, 2000


def why_not():
    if os.geteuid() != 0:
        return "needs root to give a user a range of ids"
    for program in ("newuidmap", "newgidmap"):
        path = shutil.which(program)
        if not path:
            return f"{program} is not installed (package uidmap)"
        if os.statvfs(path).f_flag & os.ST_NOSUID:
            return f"{path} lies where set-uid does nothing"
    return test_run.why_not()


class SubIds(harness.Case):
    uid = USER
    archive, environment, words = test_run.Run.archive, test_run.Run.environment, test_run.Run.words
    done = test_run.Run.done

    def setUp(self):
        reason = why_not()
        if reason:
            self.skipTest(reason)
        test_run.Run.setUp(self)
        self.etc = {"subuid": f"flensetest:{START}:{COUNT}\n", "subgid": f"flensetest:{START + 5000}:{COUNT}\n",
                    "passwd": f"root:x:0:0::/root:/bin/sh\nflensetest:x:{USER}:{USER}::{self.home}:/bin/sh\n"}

    def start(self, *arguments, path=None, **more):
        """In a mount namespace with our own /etc/passwd, /etc/subuid and /etc/subgid."""
        mounts = []
        for name, text in self.etc.items():
            with open(self.path(name), "w", encoding="utf-8") as out:
                out.write(text)
            os.chmod(self.path(name), 0o644)
            mounts.append(f"mount --bind {self.path(name)} /etc/{name}")
        assign = f"PATH={path} " if path else ""
        script = " && ".join([*mounts, f"exec env {assign}{shlex.join(self.words(*arguments))}"])
        return subprocess.Popen(["unshare", "-m", "sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env=self.environment(), cwd=self.home, **more)

    def sh(self, script, *options, image=None, expect=0, **more):
        return self.done(self.start("run", "--sub-ids", *options, image or self.image, "sh", "-c", script, **more), expect)

    def test_the_images_user(self):
        image = self.archive(test_run.busybox_layer(), "app.tar", User="app", Env=["PATH=/bin"])
        data = os.path.join(self.home, "data")
        os.mkdir(data)
        os.chmod(data, 0o777)
        os.chmod(self.home, 0o755)
        seen = self.sh("id; echo $HOME; cat /proc/self/uid_map; grep CapEff /proc/self/status; touch /data/made; "
                       "touch /bin/x || echo read-only; echo x > /tmp/mine && stat -c %u /tmp/mine /bin/sh", "-v",
                       f"{data}:/data", image=image).out
        self.assertIn("uid=33(app) gid=44(web)", seen)
        self.assertIn("/srv\n", seen)
        self.assertEqual([line.split() for line in seen.splitlines() if line.endswith(f" {COUNT}")], [["1", "1", f"{COUNT}"]])
        self.assertIn("CapEff:\t0000000000000000", seen)
        # The image is the caller's, who is root there.
        self.assertTrue(seen.endswith("read-only\n33\n0\n"), seen)
        made = os.stat(os.path.join(data, "made"))
        self.assertEqual((made.st_uid, made.st_gid), (START + 33 - 1, START + 5000 + 44 - 1))

    def test_root_of_the_range(self):
        """Package managers' chown and setuid are real, and the caller outside is who he is."""
        data = os.path.join(self.home, "data")
        os.mkdir(data)
        os.chown(data, USER, USER)
        out = self.sh("id -u; touch /data/a /data/b; chown 33:44 /data/a; stat -c %u:%g /data/a /data/b; "
                      "chown 5000 /data/b || echo outside", "-v", f"{data}:/data").out
        self.assertEqual(out, "0\n33:44\n0:0\noutside\n")
        self.assertEqual(os.stat(os.path.join(data, "a")).st_uid, START + 33 - 1)
        self.assertEqual(os.stat(os.path.join(data, "b")).st_uid, USER)
        with open(os.path.join(self.work, "secret"), "w", encoding="utf-8") as out:
            out.write("root's")
        os.chmod(os.path.join(self.work, "secret"), 0o600)
        self.sh("cat /s", "-v", f"{self.work}/secret:/s", expect=1)

    def test_joined_and_named(self):
        self.assertIn("uid=1000 gid=1000", self.sh("id", "-u", "1000:1000").out)
        process = self.start("run", "--sub-ids", "-u", "app", "--name", "job", self.image, "sh", "-c",
                             "echo up; sleep 30")
        self.assertEqual(process.stdout.readline(), b"up\n")
        self.assertIn("uid=33(app)", self.done(self.start("exec", "job", "id")).out)
        self.done(self.start("exec", "job", "sh", "-c", "kill -9 -1"))
        self.done(process, 137)

    def test_what_is_missing(self):
        for name in ("subuid", "subgid"):
            text, self.etc[name] = self.etc[name], "another:1:2\n"
            refused = self.sh("true", expect=125).err
            self.assertIn(f"a range of ids for flensetest, and /etc/{name} has none", refused)
            self.assertIn("usermod --add-subuids", refused)
            self.etc[name] = text
        few = self.path("few")
        os.mkdir(few)
        for program in ("crun", "setpriv", "env"):
            os.symlink(shutil.which(program), os.path.join(few, program))
        os.chmod(few, 0o755)
        self.assertIn("--sub-ids needs newuidmap, which is not on PATH", self.sh("true", path=few, expect=125).err)
        self.assertIn("the user 2001 is not in the container: the range of /etc/subuid has 2000",
                      self.sh("true", "-u", "2001:1", expect=125).err)
        self.sh("true", "--fake-root", expect=125)
        self.sh("true", "--bundle", self.path("home/bundle"), expect=125)


if __name__ == "__main__":
    harness.main()
