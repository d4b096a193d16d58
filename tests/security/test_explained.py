#!/usr/bin/env python3
"""What is in a container, by a probe in it, against what `run --explain` says and what the bundle's configuration says:
descriptors, environment and mounts, for every option combination. Nothing is there that is not told."""

import json
import os
import subprocess

import attack
from attack import in_modes

# What crun makes by itself: in /dev, over masked paths, and the root.
ENGINES = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/console"}
OWN = {"/", "/dev", "/run"}  # never the host's: what is mounted below them is mounted for the container


def unescaped(text):
    return text.encode().decode("unicode_escape")


class Explained(attack.Attack):
    SCRIPT = "probe fds; env | sed 's/^/env /'; sed 's/^/mount /' /proc/self/mountinfo"

    def seen(self, out):
        """(descriptors, names of variables, {mount point: file system}) that the probe found."""
        mounts = {}
        for line in out.splitlines():
            if line.startswith("mount "):
                words = line.split()
                mounts[unescaped(words[5])] = words[words.index("-") + 1]
        names = {line[4:].split("=")[0] for line in out.splitlines() if line.startswith("env ")}
        return {words[0] for words in self.facts(out, "fd")}, names - {"PWD", "SHLVL", "OLDPWD", "_"}, mounts

    @staticmethod
    def told(err):
        """The same by what --explain said: lines `descriptors: 0, 1, 2`, `environment: NAME, …`, `mount: TARGET …`."""
        lists = {"descriptors": set(), "environment": set(), "mount": set()}
        for line in err.splitlines():
            word, _, rest = line.partition(": ")
            if word in lists:
                lists[word] |= {rest.split()[0]} if word == "mount" else {one.strip() for one in rest.split(",")}
        return lists

    @staticmethod
    def unexpected(mounts, destinations):
        """Mounts that are neither told, nor below a recursive bind of the host's, nor the engine's."""
        return {place for place in mounts if place != "/" and place not in ENGINES and place not in destinations
                and not any(place.startswith(one + "/") for one in destinations - OWN)}

    def extra(self):
        data = os.path.join(self.home, "data")
        os.makedirs(data, exist_ok=True)
        self.text(self.path("cdi/test.json"), json.dumps({"cdiVersion": "0.5.0", "kind": "test.org/gpu", "devices": [
            {"name": "0", "containerEdits": {"env": ["FROM_CDI=1"], "mounts": [
                {"hostPath": self.path("passwd"), "containerPath": "/etc/from-host", "options": ["ro", "bind"]}]}}]}))
        gpu = ["--cdi-spec-dir", self.path("cdi"), "--device", "test.org/gpu=0"]
        return [[], gpu, ["-v", f"{data}:/new/place", "-e", "GIVEN=1"], ["--mount", "type=tmpfs,dst=/etc/memory"]]

    @in_modes(more=True)
    def test_what_explain_tells_is_all_there_is(self, mode):
        for options in self.extra():
            result = self.attack(*mode, *options, "--explain", self.image, "sh", "-c", self.SCRIPT, stdin=subprocess.DEVNULL,
                                 expect=0)
            descriptors, names, mounts = self.seen(result.out)
            told = self.told(result.err)
            self.assertEqual(told["descriptors"], descriptors)
            self.assertEqual(told["environment"] - {"PWD"}, names)
            self.assertEqual(self.unexpected(mounts, told["mount"]), set())
            self.assertLessEqual({place for place in told["mount"] if place != "/"}, set(mounts))

    @in_modes("default", "no-home", "isolate", "isolate no-home", "fake-root", "other id", "no network", "own memory",
              "isolate network", more=True)
    def test_what_the_bundle_says_is_all_there_is(self, mode):
        """The same by the configuration that the engine gets: no mount and no variable that is not in it."""
        image = self.archive(attack.layer().folder("mnt"), "mnt.tar")
        for number, options in enumerate([[], ["-v", f"{self.home}:/mnt/data"], ["-e", "GIVEN=1"]]):
            bundle = f"{self.home}/{mode}{number}".replace("[", "").replace("]", "").replace("'", "").replace(", ", "")
            line = self.attack(*mode, *options, "--bundle", bundle, image, "sh", "-c", self.SCRIPT, expect=0).out
            self.assertIn("run -b", line)
            with open(f"{bundle}/config.json", encoding="utf-8") as text:
                config = json.load(text)
            result = self.attack(*mode, *options, image, "sh", "-c", self.SCRIPT, stdin=subprocess.DEVNULL, expect=0)
            descriptors, names, mounts = self.seen(result.out)
            self.assertEqual(descriptors, {"0", "1", "2"})
            self.assertEqual({item.split("=")[0] for item in config["process"]["env"]} - {"PWD"}, names - {"container"})
            places = {mount["destination"] for mount in config["mounts"]} | set(config["linux"].get("maskedPaths", []))
            self.assertEqual(self.unexpected(mounts, places | set(config["linux"].get("readonlyPaths", []))), set())

    @in_modes("isolate no-home")
    def test_no_mount_of_the_host_in_isolation(self, mode):
        """Each mount is the kernel's or of memory, but the root and the generated accounts."""
        result = self.attack(*mode, self.image, "sh", "-c", self.SCRIPT, stdin=subprocess.DEVNULL, expect=0)
        _, _, mounts = self.seen(result.out)
        kernels = {"proc", "sysfs", "tmpfs", "devpts", "mqueue", "devtmpfs", "cgroup2"}
        self.assertLessEqual({place for place, kind in mounts.items() if kind not in kernels}, {"/", "/etc/passwd", "/etc/group"})


class ExplainedAsUser(Explained):
    uid = attack.USER


if __name__ == "__main__":
    attack.main()
