#!/usr/bin/env python3
"""The bundle of `run --bundle` before others than crun and us: the runtime specification's own schemas, as Debian packages
them, with Debian's validator; and it starts with crun and with runc. tests/oracle/oci_bundle.py has a third judge."""

import json
import os
import shutil
import subprocess

import attack

SCHEMAS = "/usr/share/gocode/src/github.com/opencontainers/runtime-spec/schema"
PYTHON = "/usr/bin/python3"  # whose packages are the distribution's

# Options, and what the command then says.
SCRIPT = "id -u; pwd; echo $GREETING; grep -c . /proc/self/mountinfo >/dev/null && echo mounted"


def combinations(case):
    data = f"{case.home}/data"
    os.makedirs(data, exist_ok=True)
    case.text(case.path("cdi/test.json"), json.dumps({"cdiVersion": "0.5.0", "kind": "test.org/gpu", "devices": [
        {"name": "0", "containerEdits": {"env": ["FROM_CDI=1"], "deviceNodes": [{"path": "/dev/full"}], "mounts": [
            {"hostPath": case.path("passwd"), "containerPath": "/mnt/from-host", "options": ["ro", "bind"]}]}}]}))
    gpu = ["--cdi-spec-dir", case.path("cdi"), "--device", "test.org/gpu=0"]
    return {"default": [], "no-home": ["--no-home"], "isolate": ["--isolate"], "no network": ["--network", "none"],
            "isolate, network": ["--isolate", "--network", "host"], "fake-root": ["--fake-root"], "other id": ["-u", "7:7"],
            "mount": ["-v", f"{data}:/mnt/data:ro", "--mount", "type=tmpfs,dst=/mnt/memory,size=1m"], "gpu": gpu,
            "gpu, isolate": [*gpu, "--isolate", "--no-home"], "words": ["-e", "GREETING=hello there", "-w", "/etc"],
            "memory": ["--shm-size", "1m"], "writable": ["--writable"], "all": [*gpu, "--isolate", "--fake-root", "-v", f"{data}:/mnt/data", "-w", "/mnt"]}


def write_bundles(case):
    """name -> (directory, the command that starts it); of an image that has all to mount on."""
    image = case.archive(attack.layer().folder("mnt"), "bundle.tar", Env=["PATH=/bin", "GREETING=from the image"])
    out = {}
    for name, options in combinations(case).items():
        place = f"{case.home}/{name.replace(', ', '-').replace(' ', '-')}"
        result = case.attack(*options, "--name", f"b{len(out)}", "--bundle", place, image, "sh", "-c", SCRIPT, expect=0)
        out[name] = place, result.out
    return out


class Bundle(attack.Attack):
    def judge(self, config):
        """What the specification's schemas say of a configuration; empty when nothing."""
        done = subprocess.run([PYTHON, "-W", "ignore", "-m", "jsonschema", "--base-uri", f"file://{SCHEMAS}/", "-i", config,
                               f"{SCHEMAS}/config-schema.json"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        self.assertEqual(done.returncode == 0, not done.stdout, done.stdout)
        return done.stdout.decode()

    def test_schemas_of_the_specification(self):
        if not os.path.isdir(SCHEMAS):
            self.skipTest("golang-github-opencontainers-specs-dev is not installed")
        for name, (place, _) in write_bundles(self).items():
            with self.subTest(bundle=name):
                self.assertEqual(self.judge(f"{place}/config.json"), "")
        # The judge is awake.
        with open(f"{place}/config.json", encoding="utf-8") as text:
            document = json.load(text)
        for key, wrong in (("cwd", 5), ("args", "sh"), ("noNewPrivileges", "yes"), ("env", [1])):
            self.text(self.path("broken.json"), json.dumps({**document, "process": {**document["process"], key: wrong}}))
            self.assertNotEqual(self.judge(self.path("broken.json")), "", key)

    def start_bundle(self, line):
        return subprocess.run([*self.words()[:-1], "sh", "-c", line], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                              env=self.environment(), cwd=self.home, timeout=60)

    def test_crun_starts_it(self):
        for name, (place, line) in write_bundles(self).items():
            with self.subTest(bundle=name):
                done = self.start_bundle(line)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.check_words(name, done.stdout.decode())

    def test_changes_of_a_writable_root(self):
        """As with `run` itself: lost in memory, kept in --overlay; and what the image lacks is made."""
        image = self.archive(attack.layer(), "writable.tar", WorkingDir="/made/for/it")
        kept = f"{self.home}/kept"
        os.mkdir(kept)
        os.chown(kept, self.caller(), self.caller())
        script = "cat /etc/new 2>/dev/null; pwd; echo changed >/etc/new && echo more >>/bin/more && echo well; ls -d /new/place"
        for name, options, second in (("memory", ["--writable"], ""), ("kept", ["--overlay", kept], "changed\n")):
            line = self.attack(*options, "--no-home", "-v", f"{self.home}:/new/place", "--bundle", f"{self.home}/of-{name}", image, "sh", "-c",
                               script, expect=0).out
            for before in ("", second):
                done = self.start_bundle(line)
                self.assertEqual((done.stderr.decode(), done.stdout.decode()), ("", f"{before}/made/for/it\nwell\n/new/place\n"), line)
        with open(f"{kept}/upper/etc/new", encoding="utf-8") as text:
            self.assertEqual(text.read(), "changed\n")
        # What a container may have put there leads nowhere.
        os.rename(f"{kept}/upper", f"{self.home}/elsewhere")
        os.symlink(f"{self.home}/elsewhere", f"{kept}/upper")
        self.assertNotEqual(self.start_bundle(line).returncode, 0)

    def check_words(self, name, out):
        uid = {"fake-root": 0, "all": 0, "other id": 7}.get(name, self.caller())
        words = out.splitlines()
        self.assertEqual(words[0], str(uid))
        self.assertEqual(words[2], "hello there" if name == "words" else "from the image")
        self.assertEqual(words[3], "mounted")

    def test_runc_starts_it(self):
        """Another engine with the same configuration, where its own demands are met."""
        runc = shutil.which("runc") or shutil.which("runc", path="/usr/sbin")
        if not runc:
            self.skipTest("runc is not installed")
        started = 0
        for name, (place, line) in write_bundles(self).items():
            with self.subTest(bundle=name):
                with open(f"{place}/config.json", encoding="utf-8") as text:
                    mappings = json.load(text)["linux"]["uidMappings"]
                # crun's own words go; what it starts stays. runc takes no namespace without an id 0.
                line = (line.replace(f"{shutil.which('crun')} ", f"{runc} ").replace("--cgroup-manager=disabled ", "--rootless true ")
                        .replace(f"--root {self.runtime}", f"--root {self.home}/state"))
                self.assertIn(f"{runc} --root {self.home}/state", line)
                if all(one["containerID"] != 0 for one in mappings):
                    continue
                done = self.start_bundle(line)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.check_words(name, done.stdout.decode())
                started += 1
        self.assertGreater(started, 1)


class BundleAsUser(Bundle):
    uid = attack.USER


if __name__ == "__main__":
    attack.main()
