#!/usr/bin/env python3
"""CDI specifications that somebody else wrote, or that are not what they seem to be: whose device a name
is, what a path may say, and who may have written a file. Containers are crun's, as root and as a user."""

import json
import os
import stat

import harness
import hosts
import test_run


class Untrusted(harness.Case):
    """As the tests themselves; UntrustedAsUser repeats everything as an ordinary user."""
    uid = None
    archive, environment, words = test_run.Run.archive, test_run.Run.environment, test_run.Run.words
    start, done, run_image = test_run.Run.start, test_run.Run.done, test_run.Run.run_image

    def setUp(self):
        test_run.Run.setUp(self)
        self.specs = self.path("cdi")
        os.mkdir(self.specs)

    def specification(self, edits, kind="test.org/gpu", name="test.json"):
        path = os.path.join(self.specs, name)
        with open(path, "w") as out:
            json.dump({"cdiVersion": "0.5.0", "kind": kind, "devices": [{"name": "0", "containerEdits": edits}]}, out)
        return path

    def ask(self, *command, device="test.org/gpu=0", **more):
        return self.run_image("--cdi-spec-dir", self.specs, "--device", device, self.image, *command, **more)

    def test_another_vendors_device(self):
        self.specification({"env": ["A=1"]})
        with open(os.path.join(self.specs, "broken.json"), "w") as out:
            out.write("{")
        done = self.ask("true", device="foo.com/gpu=1", expect=125)
        self.assertIn(f"there is no CDI device foo.com/gpu=1 in {self.specs} (test.json); passed over: "
                      f"{self.specs}/broken.json (", done.err)
        self.assertIn("the vendor's own tool", self.run_image("--cdi-spec-dir", self.path("none"), "--device", "foo.com/gpu=1",
                                                              self.image, "true", expect=125).err)

    def test_a_stale_specification_is_not_replaced_by_nvidias(self):
        path = self.specification({"deviceNodes": [{"path": "/dev/dri/renderD250"}]}, kind="intel.com/gpu")
        done = self.run_image("--root", self.machine(), "--cdi-spec-dir", self.specs, "--device", "intel.com/gpu=0",
                              self.image, "true", expect=125)
        self.assertIn(f"the CDI specification does not fit this machine: {path}: /dev/dri/renderD250 is not there", done.err)

    def file(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w") as out:
            out.write(text)

    HOSTILE = {
        "a node over /etc/passwd": ({"deviceNodes": [{"path": "/dev/../../etc/passwd", "hostPath": "/dev/null"}]}, "path-leaves"),
        "a node elsewhere": ({"deviceNodes": [{"path": "/etc/plain", "hostPath": "/dev/null"}]}, "path-leaves"),
        "a file as a node": ({"deviceNodes": [{"path": "/dev/x", "hostPath": "/dev/../etc/passwd"}]}, "path-leaves"),
        "a mount with ..": ({"mounts": [{"hostPath": "/etc", "containerPath": "/tmp/../etc", "options": ["rbind"]}]}, "path-leaves"),
        "a mount over /proc": ({"mounts": [{"hostPath": "/proc", "containerPath": "/proc"}]}, "mount-unsafe"),
        "a relative mount": ({"mounts": [{"hostPath": "/etc", "containerPath": "tmp"}]}, "path-relative"),
        "a hook with ..": ({"hooks": [{"hookName": "prestart", "path": "/bin/../bin/false"}]}, "path-leaves"),
        "an escape in a name": ({"deviceNodes": [{"path": "/dev/x", "hostPath": "/dev/nu\u001b[2Jll"}]}, "control-character"),
    }

    def test_hostile_paths_are_refused(self):
        for name, (edits, rule) in self.HOSTILE.items():
            with self.subTest(name):
                path = self.specification(edits)
                done = self.ask("cat", "/etc/plain", expect=125)
                self.assertIn(path, done.err)
                self.assertIn("not a harmless CDI specification", done.err)
                result = self.flense("cdi", "validate", "--json", path, expect=1).json
                self.assertEqual({finding["rule"] for finding in result["files"][0]["findings"]}, {rule})
                self.file("config.json", "{}")
                self.flense("cdi", "apply", "--spec-dir", self.specs, "--device", "test.org/gpu=0", "--rootless",
                            self.path("config.json"), expect=4)

    def test_a_link_of_dev_is_no_way_out(self):
        self.file("host/dev/real/node", "c 1 3 0666 0 0")
        os.symlink("../../etc/passwd", self.path("host/dev/out"))
        os.symlink("real/node", self.path("host/dev/in"))
        self.file("config.json", "{}")
        def apply(name, **more):
            self.specification({"deviceNodes": [{"path": f"/dev/{name}"}]})
            return self.flense("cdi", "apply", "--spec-dir", self.specs, "--dev", self.path("host/dev"), "--device",
                               "test.org/gpu=0", "--rootless", self.path("config.json"), **more)
        self.assertIn("/dev/out is a link that leads to nothing in /dev", apply("out", expect=4).err)
        self.assertEqual([mount["source"] for mount in json.loads(apply("in").out)["mounts"]], ["/dev/real/node"])

    def test_only_root_and_the_caller_write_specifications(self):
        me = os.geteuid() if self.uid is None else self.uid
        path = self.specification({"env": ["FROM_CDI=yes"]})
        def answer(**more):
            return self.ask("sh", "-c", "echo $FROM_CDI", **more)
        for owner in {0, me} if os.geteuid() == 0 else {me}:
            os.chown(path, owner, -1)
            os.chown(self.specs, owner, -1)
            self.assertEqual(answer().out, "yes\n")
        for place, mode in ((path, 0o664), (path, 0o646), (self.specs, 0o775), (self.specs, 0o1777)):
            with self.subTest(place=place, mode=oct(mode)):
                before = stat.S_IMODE(os.stat(place).st_mode)
                os.chmod(place, mode)
                self.assertIn(f"{place} (has mode {mode:04o}: others may write it)", answer(expect=125).err)
                os.chmod(place, before)
        if os.geteuid() == 0:
            for place in (path, self.specs):
                os.chown(place, 65124, -1)
                self.assertIn(f"{place} (belongs to user 65124", answer(expect=125).err)
                os.chown(place, me, -1)
        # What others could put there is not followed either: the link's target counts.
        os.rename(path, self.path("elsewhere.json"))
        os.chmod(self.path("elsewhere.json"), 0o666)
        os.symlink(self.path("elsewhere.json"), path)
        self.assertIn("has mode 0666", answer(expect=125).err)

    def test_validate_tells_who_may_write(self):
        path = self.specification({"env": ["A=1"]})
        self.assertIn("1 files, 0 errors", self.flense("cdi", "validate", "--spec-dir", self.specs).out)
        os.chmod(path, 0o666)
        os.chmod(self.specs, 0o777)
        result = self.flense("cdi", "validate", "--spec-dir", self.specs, "--json", expect=1).json
        self.assertEqual([finding["rule"] for file in result["files"] for finding in file["findings"]],
                         ["directory-untrusted", "document-untrusted"])
        self.assertIn("others may write it", self.flense("cdi", "list", "--spec-dir", self.specs).out)

    def test_what_generate_makes_is_trusted_whatever_the_umask(self):
        self.run_tool("sh", "-c", 'umask 0 && exec "$@"', "sh", harness.BINARY, "cdi", "generate", "--root",
                      self.machine(), "-o", self.path("made/cdi/x.json"))
        result = self.flense("cdi", "validate", "--spec-dir", self.path("made/cdi"), "--root", self.machine(), "--json").json
        self.assertEqual(result["errors"], 0)

    def machine(self):
        if not os.path.exists(self.path("h100")):
            hosts.make("h100", self.path("h100"))
        return self.path("h100")

    def test_hooks_do_not_see_the_images_environment(self):
        ran, hook = self.path("runtime/ran"), self.path("hook")
        with open(hook, "w") as out:
            out.write(f"#!/bin/sh\nenv > {ran}\n")
        os.chmod(hook, 0o755)
        image = self.archive(test_run.busybox_layer(), "e.tar", Env=["LD_PRELOAD=/proc/self/cwd/evil.so", "PATH=/image"])
        for name in ("createRuntime", "createContainer", "prestart", "poststart"):
            with self.subTest(name):
                self.specification({"hooks": [{"hookName": name, "path": hook, "args": ["hook"]}]})
                self.run_image("--cdi-spec-dir", self.specs, "--device", "test.org/gpu=0", image, "/bin/true")
                with open(ran) as text:
                    environment = text.read()
                os.unlink(ran)
                self.assertIn("PATH=", environment)
                self.assertNotIn("LD_PRELOAD", environment)
                self.assertNotIn("/image", environment)

    def test_node_option(self):
        for name in ("/etc/passwd", "/dev/../etc/passwd"):
            done = self.run_image("--device", name, self.image, "true", expect=125)
            self.assertIn("names no node below /dev", done.err)


class UntrustedAsUser(Untrusted):
    uid = test_run.USER


if __name__ == "__main__":
    harness.main()
