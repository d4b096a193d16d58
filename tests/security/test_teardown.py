#!/usr/bin/env python3
"""BuildKit's three of January 2024, where flense has a counterpart: a directory swapped for a link between check and use
(CVE-2024-23651), what was made to mount on removed again from the host (CVE-2024-23652), privileges that an image gives
itself (CVE-2024-23653)."""

import os
import shutil
import subprocess

import attack
from attack import in_modes

UP = "../" * 24
# Places that `slim` empties, and what it takes from there.
WASTE = {"var/lib/apt/lists": "packages", "root/.cache/pip": "http", "usr/share/doc/demo": "changelog.gz",
         "var/cache/apt/archives": "one.deb"}


class Teardown(attack.Attack):
    @in_modes()
    def test_cve_2024_23652_mount_points_are_not_removed(self, mode):
        """What is missing to mount on is made and unmade; a link leads that to empty files and directories of the host."""
        data = f"{self.home}/data"
        os.makedirs(data, exist_ok=True)
        os.chmod(data, 0o777)
        os.chmod(self.home, 0o755)
        self.text(f"{data}/one", "one")
        root, started = self.path("rootdir"), 0
        for number, (path, target) in enumerate((("in", self.canary), ("in", f"{UP}{self.canary}"), ("in", f"/proc/1/root{self.canary}"))):
            layer = attack.layer().symlink(path, target)
            image = self.archive(layer, f"stub{number}.tar")
            shutil.rmtree(root, ignore_errors=True)
            os.mkdir(root)
            subprocess.run(["tar", "-C", root, "-xf", image, "--wildcards", "*/layer.tar", "--to-command", f"tar -C {root} -xf -"],
                           check=True)
            before = attack.harness.digest_tree(root)
            for target_root in (image, root):
                for source, name in ((f"{data}/one", "stub"), (data, "empty"), (f"{data}/one", "new/deep/file")):
                    result = self.attack(*mode, "-v", f"{source}:/in/{name}", target_root, "sh", "-c", "echo started", cwd="/")
                    started += "started" in result.out
                    self.assertEqual(attack.harness.digest_tree(root), before)
        # Without a link the same is mounted.
        self.assertEqual(self.attack(*mode, "-v", f"{data}/one:/in/new/deep/file", self.image, "cat", "/in/new/deep/file").out, "one")

    @in_modes()
    def test_cve_2024_23653_privileges_of_an_image(self, mode):
        """Whatever an image's configuration says of privileges, devices or namespaces, it gets none of it."""
        asks = {"Privileged": True, "CapAdd": ["ALL"], "CapEff": ["CAP_SYS_ADMIN"], "SecurityOpt": ["seccomp=unconfined"],
                "NetworkMode": "host", "PidMode": "host", "UsernsMode": "host", "ReadonlyRootfs": False, "User": "0:0",
                "Devices": [{"PathOnHost": "/dev/kmsg", "PathInContainer": "/dev/kmsg"}], "Binds": [f"{self.canary}:/in"],
                "Volumes": {"/in": {}, f"{self.canary}:/in": {}}, "OnBuild": [f"RUN touch {self.canary}/made"],
                "Labels": {"run.oci.keep_original_groups": "1", "run.oci.mount_context_type": "context",
                           "run.oci.seccomp_fail_unknown_syscall": "0", "run.oci.hooks.stderr": f"{self.canary}/made",
                           "run.oci.seccomp_bpf_file": f"{self.canary}/secret", "run.oci.systemd.subgroup": "x",
                           "io.podman.annotations.privileged": "TRUE", "security.insecure": "true"}}
        image = self.archive(attack.layer(), "asks.tar", HostConfig=asks, **asks)
        script = ("echo started; grep -E 'Cap(Inh|Prm|Eff|Amb)|NoNewPrivs' /proc/self/status; ls -A /in; "
                  "mount -t tmpfs none /mnt && echo mounted; probe open r /dev/kmsg /dev/mem; hostname owned && echo renamed; true")
        result = self.attack(*mode, image, "sh", "-c", script)
        self.assertTrue(result.out.startswith("started\n"), result.out + result.err)
        status = dict(line.split(":\t") for line in result.out.splitlines() if ":\t" in line)
        self.assertEqual(status.pop("NoNewPrivs"), "1")
        # With ids of the range uid 0 may change owners, of its own ids.
        allowed = 0x800000FB if "--sub-ids" in mode else 0
        for name, value in status.items():
            self.assertEqual(int(value, 16) & ~allowed, 0, f"{name} {value}")
        for word in ("mounted", "renamed"):
            self.assertNotIn(word, result.out.split())
        self.assertEqual([words for words in self.facts(result.out, "open") if words[2] == "opened"], [])


class TeardownAsUser(Teardown):
    uid = attack.USER


class Slim(attack.Attack):
    """`slim --in-place` and `--verify`: as root, in directories that others made."""

    def tree(self):
        """A root directory with what slim removes, and the same below the canary."""
        root = self.path("tree")
        for folder, name in WASTE.items():
            for top in (root, self.canary):
                self.text(f"{top}/{folder}/{name}", "waste" * 2000)
        self.text(f"{root}/etc/os-release", "ID=debian\n")
        self.text(f"{root}/bin/sh", "#!/bin/true\n", 0o755)
        self.before = attack.harness.digest_tree(self.canary)
        return root

    def slim(self, root, *options, expect=0):
        done = subprocess.run([attack.harness.BINARY, "slim", root, "--gpu", "sm_90", "--level", "aggressive", "--in-place", *options],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment(), check=False, timeout=120)
        result = attack.harness.Result(done)
        self.check_host(result)
        if expect is not None:
            self.assertEqual(result.status, expect, result.out + result.err)
        return result

    def left(self, root):
        return [folder for folder, name in WASTE.items() if os.path.exists(f"{root}/{folder}/{name}")]

    def test_cve_2024_23651_links_in_place(self):
        """By links that are there from the beginning, absolute and relative, nothing outside is removed."""
        for target in (self.canary, f"{UP}{self.canary.lstrip('/')}"):
            root = self.tree()
            for name in ("var", "root", "usr"):
                shutil.rmtree(f"{root}/{name}")
                os.symlink(f"{target}/{name}", f"{root}/{name}")
            self.slim(root)
            shutil.rmtree(root)
        root = self.tree()
        self.slim(root)
        self.assertEqual(self.left(root), [])  # what is not behind a link does go

    def test_cve_2024_23651_links_that_change_in_place(self):
        """As published: between the look at a directory and the work in it, its owner swaps it for a link."""
        for _ in range(12):
            root = self.tree()
            swapped = [(f"{root}/{name}", f"{root}/{name}.swap", f"{self.canary}/{name}") for name in ("var", "root", "usr")]
            with attack.contextlib.ExitStack() as stack:
                for name, link, target in swapped:
                    os.symlink(target, link)
                    stack.enter_context(self.exchanging(name, link))
                self.slim(root, expect=None)
            shutil.rmtree(root)

    def test_cve_2024_23652_sandbox_of_verify(self):
        """The places that --verify makes to mount on lie in the unpacked copy, wherever the image's links lead."""
        if not shutil.which("bwrap"):
            self.skipTest("bubblewrap is not installed")
        fine = self.archive(attack.layer(), "fine.tar")
        out = self.path("slim")
        self.flense("slim", fine, "--gpu", "sm_90", "-o", f"oci:{out}", "--verify", "echo started")
        for number, twist in enumerate((lambda one: one.symlink("proc", self.canary), lambda one: one.symlink("dev", self.canary),
                                        lambda one: one.symlink("tmp", f"{UP}{self.canary}"),
                                        lambda one: one.symlink("run", f"{self.canary}/empty"),
                                        lambda one: one.folder("var").symlink("var/tmp", self.canary),
                                        lambda one: one.symlink("var", self.canary))):
            image = self.archive(twist(attack.layer()), f"verify{number}.tar")
            shutil.rmtree(out, ignore_errors=True)
            result = self.flense("slim", image, "--gpu", "sm_90", "-o", f"oci:{out}", "--verify", self.steal(), expect=None)
            self.check_host(result)
            # The sandbox started, or said why it did not; it is no crash.
            self.assertIn(result.status, (0, 1, 2, 3, 4), result.err)


if __name__ == "__main__":
    attack.main()
