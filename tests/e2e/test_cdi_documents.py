#!/usr/bin/env python3
"""CDI specifications as documents, and engines' configuration: written by flense, taken by Podman and runc."""

import contextlib
import json
import os
import shutil
import stat
import subprocess
import tomllib
import unittest

import hosts
from engines import Podman
from harness import BINARY, TOP, Case, digest_tree, main
from schema import cdi_specification, complaints

BUSYBOX = shutil.which("busybox") or "/bin/busybox"
DAEMON = '{ "features": {"containerd-snapshotter":true},\n  "mtu": 9000 }\n'
CONTAINERD = """# Managed by hand; größer wird es nicht.
version = 2

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    # the mirror
    sandbox_image = "mirror/pause:3.9"   # pinned
    [plugins."io.containerd.grpc.v1.cri".containerd]
      default_runtime_name = 'runc'
"""


def specification(library):
    """Two devices with a node each, and a file for both."""
    def device(name, node):
        return {"name": name, "containerEdits": {"deviceNodes": [{"path": f"/dev/fake{name}", "hostPath": node}],
                                                 "env": [f"DEVICE_{name}=yes"]}}
    return {"cdiVersion": "0.5.0", "kind": "flense.test/gpu",
            "devices": [device("0", "/dev/null"), device("1", "/dev/zero")],
            "containerEdits": {"env": ["FROM_CDI=yes"], "mounts": [
                {"hostPath": library, "containerPath": "/usr/lib/libfake.so.1", "options": ["ro", "nosuid", "nodev", "rbind"]}]}}


class CdiCase(Case):
    def write(self, name, text):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as out:
            out.write(text if isinstance(text, str) else json.dumps(text))
        return path

    def read(self, name):
        with open(self.path(name)) as text:
            return text.read()

    def spec_file(self, name="spec/test.json"):
        return self.write(name, specification(self.write("libfake.so", "fake library\n")))

    def root_fs(self, name="rootfs"):
        for folder in ("proc", "sys", "dev", "etc", "tmp", "run", "usr/lib", "bin"):
            os.makedirs(self.path(os.path.join(name, folder)))
        shutil.copy(BUSYBOX, self.path(f"{name}/bin/busybox"))
        return self.path(name)


def may_mount():
    done = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return done.returncode == 0


class Engines(CdiCase):
    SCRIPT = ("env; cat /usr/lib/libfake.so.1; for n in /dev/fake*; do "
              "[ -c $n ] && stat -c '%n %t:%T' $n; done")

    def check_container(self, text):
        self.assertIn("FROM_CDI=yes", text)
        self.assertIn("DEVICE_0=yes", text)
        self.assertIn("fake library", text)
        self.assertIn("/dev/fake0 1:3", text)
        self.assertNotIn("DEVICE_1", text)
        self.assertNotIn("/dev/fake1", text)

    def in_podman(self, specs, device, script):
        """What a script in a container says that got the device of a specification in this directory."""
        # Podman 4 reads /etc/cdi and /var/run/cdi only: ours lies over the latter, for this one process.
        there = os.path.isdir("/var/run/cdi")
        os.makedirs("/var/run/cdi", exist_ok=True)
        try:
            podman = Podman(self.path("storage"), "vfs")
            return self.run_tool(
                "unshare", "-m", "sh", "-c", 'mount --bind "$0" /var/run/cdi && exec "$@"', specs, *podman.base, "run",
                "--rm", "--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096", "--device",
                device, "--rootfs", self.root_fs(), "/bin/busybox", "sh", "-c", script)
        finally:
            if not there:
                with contextlib.suppress(OSError):
                    os.rmdir("/var/run/cdi")

    @unittest.skipUnless(shutil.which("podman"), "needs podman")
    @unittest.skipUnless(os.geteuid() == 0 and may_mount(), "needs a mount namespace")
    def test_podman_reads_the_yaml_form(self):
        os.makedirs(self.path("nodes/dev"))
        os.mknod(self.path("nodes/dev/gdrdrv"), stat.S_IFCHR | 0o666, os.makedev(1, 3))
        spec = self.path("spec/gdr.yaml")
        self.flense("cdi", "generate", "--mode", "gdrcopy", "--dev-root", self.path("nodes"), "--vendor", "flense.test",
                    "-o", spec)
        text = self.in_podman(os.path.dirname(spec), "flense.test/gdrcopy=all", "stat -c '%n %t:%T' /dev/gdrdrv")
        self.assertIn("/dev/gdrdrv 1:3", text)

    @unittest.skipUnless(shutil.which("podman"), "needs podman")
    @unittest.skipUnless(os.geteuid() == 0 and may_mount(), "needs a mount namespace")
    def test_podman_takes_what_install_writes(self):
        spec, root = self.spec_file(), self.path("host")
        os.makedirs(root)
        self.flense("cdi", "install", "--engine", "podman", "--spec", spec, "--root", root)
        installed = os.path.join(root, "etc/cdi/flense-flense.test-gpu.json")
        with open(installed) as text:
            self.assertEqual(complaints(json.load(text), cdi_specification()), [])
        self.assertEqual(stat.S_IMODE(os.stat(installed).st_mode), 0o644)

        text = self.in_podman(os.path.dirname(installed), "flense.test/gpu=0", self.SCRIPT)
        self.check_container(text)
        self.flense("cdi", "uninstall", "--engine", "podman", "--root", root)
        self.assertFalse(os.path.exists(installed))

    @unittest.skipUnless(shutil.which("runc"), "needs runc")
    @unittest.skipUnless(os.geteuid() == 0 and may_mount(), "needs a mount namespace")
    def test_runc_runs_what_apply_writes(self):
        self.spec_file()
        self.root_fs("bundle/rootfs")
        for number, options in enumerate(([], ["--rootless"])):
            self.run_tool("runc", "spec", cwd=self.path("bundle"))
            with open(self.path("bundle/config.json")) as text:
                config = json.load(text)
            config["process"].update(terminal=False, args=["/bin/busybox", "sh", "-c", self.SCRIPT])
            config["process"].pop("rlimits", None)
            config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != "cgroup"]
            self.write("bundle/config.json", config)
            self.flense("cdi", "apply", "--spec-dir", self.path("spec"), "--device", "flense.test/gpu=0", *options,
                        self.path("bundle/config.json"), "-o", self.path("bundle/config.json"))
            self.check_container(self.run_tool("runc", "--root", self.path("state"), "run", "-b", self.path("bundle"),
                                               f"flense-cdi-{os.getpid()}-{number}"))
            os.unlink(self.path("bundle/config.json"))


class Documents(CdiCase):
    def test_list(self):
        self.spec_file()
        self.write("spec/broken.yaml", "kind: [\n")
        result = self.flense("cdi", "list", "--spec-dir", self.path("spec"), "--json").json
        self.assertEqual(complaints(result, "flense/cdi-list/v1"), [])
        self.assertEqual([device["name"] for device in result["devices"]], ["flense.test/gpu=0", "flense.test/gpu=1"])
        self.assertEqual([problem["file"] for problem in result["problems"]], [self.path("spec/broken.yaml")])
        text = self.flense("cdi", "list", "--spec-dir", self.path("spec")).out
        self.assertIn("flense.test/gpu=1", text)
        self.assertIn("broken.yaml", text)
        self.write("spec/twin.json", specification("/dev/null"))
        result = self.flense("cdi", "list", "--spec-dir", self.path("spec"), "--json").json
        self.assertEqual(complaints(result, "flense/cdi-list/v1"), [])
        self.assertEqual(result["devices"], [])

    def test_list_of_a_mounted_root(self):
        self.write("host/run/cdi/a.json", specification("/x"))
        os.makedirs(self.path("host/var"))
        os.symlink("/run", self.path("host/var/run"))
        result = self.flense("cdi", "list", "--root", self.path("host"), "--json").json
        self.assertEqual({device["file"] for device in result["devices"]}, {self.path("host/run/cdi/a.json")})

    def test_validate_tells_by_its_status(self):
        spec = self.spec_file()
        self.assertIn("0 errors", self.flense("cdi", "validate", spec).out)
        document = specification("/nonexistent/libcuda.so.1")
        document["cdiVersion"] = "0.3.0"
        wrong = self.write("wrong.json", document)
        result = self.flense("cdi", "validate", wrong, spec, "--json", expect=1).json
        self.assertEqual(complaints(result, "flense/cdi-validate/v1"), [])
        self.assertEqual([finding["rule"] for finding in result["files"][0]["findings"]], ["version-too-low"])
        self.assertEqual(result["files"][1]["findings"], [])
        document["cdiVersion"] = "0.5.0"
        self.write("wrong.json", document)
        result = self.flense("cdi", "validate", wrong, "--json", expect=1).json
        self.assertEqual([finding["rule"] for finding in result["files"][0]["findings"]], ["path-missing"])
        none = self.write("none.json", "{")
        result = self.flense("cdi", "validate", none, "--json", expect=3).json
        self.assertEqual(complaints(result, "flense/cdi-validate/v1"), [])
        self.assertEqual(result["files"][0]["findings"][0]["rule"], "document-unreadable")

    def test_validate_knows_the_machine(self):
        self.write("host/proc/devices", "Character devices:\n195 nvidia\n509 nvidia-uvm\n")
        self.write("host/proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.133.20  Sun\n")
        self.write("host/dev/nvidia-uvm", "c 509 0 666 0 0\n")
        for version in ("570.133.20", "550.54.15"):
            self.write(f"host/usr/lib/libcuda.so.{version}", "x")
        def document(major, version):
            return {"cdiVersion": "0.3.0", "kind": "nvidia.com/gpu", "devices": [{"name": "all", "containerEdits": {
                "deviceNodes": [{"path": "/dev/nvidia-uvm", "type": "c", "major": major}],
                "mounts": [{"hostPath": f"/usr/lib/libcuda.so.{version}", "containerPath": "/usr/lib/libcuda.so.1"}]}}]}
        for major, version, status, rules in ((510, "570.133.20", 1, ["node-major-differs"]),
                                              (509, "570.133.20", 0, ["node-major-persisted"]),
                                              (0, "570.133.20", 0, []),
                                              (0, "550.54.15", 1, ["driver-version-differs"])):
            self.write("host/etc/cdi/nvidia.json", document(major, version))
            result = self.flense("cdi", "validate", "--root", self.path("host"), "--json", expect=status).json
            self.assertEqual([finding["rule"] for finding in result["files"][0]["findings"]], rules, (major, version))

    def test_hostile_documents(self):
        bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
            f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10))
        for name, text in (("bomb.yaml", bomb), ("deep.json", "[" * 100000), ("deep.yaml", "[" * 100000),
                           ("twice.yaml", "kind: a\nkind: b\n"), ("binary.json", "\0\1\2"),
                           ("wide.yaml", "- a\n" * 2000000)):
            self.flense("cdi", "validate", self.write(name, text), expect=3, timeout=60)
        os.mkfifo(self.path("pipe.json"))
        self.flense("cdi", "validate", self.path("pipe.json"), expect=3, timeout=20)

    def test_apply_refuses_as_a_whole(self):
        self.spec_file()
        config = self.write("config.json", '{"process": {"env": ["A=1"]}}')
        before = self.read("config.json")
        def apply(*options, **more):
            return self.flense("cdi", "apply", "--spec-dir", self.path("spec"), *options, config, "-o", config, **more)
        self.assertIn("did you mean flense.test/gpu=0?", apply("--device", "flense.test/gpu=00", expect=4).err)
        apply("--device", "flense.test/gpu=0", "--device", "other.vendor/net=eth", expect=4)
        apply("--device", "gpu0", expect=2)
        apply(expect=2)
        self.assertEqual(self.read("config.json"), before)
        self.flense("cdi", "apply", "--engine", "docker", config, expect=2)
        self.flense("cdi", "aply", expect=2)


class Specification(CdiCase):
    """What flense writes, by the specification's own text and not by our reader."""

    def test_golden_files_conform(self):
        folder = os.path.join(TOP, "tests/cdi/golden")
        names = [name for name in sorted(os.listdir(folder)) if name.endswith(".json")]
        self.assertGreater(len(names), 10)
        for name in names:
            with open(os.path.join(folder, name)) as text:
                self.assertEqual(complaints(json.load(text), cdi_specification()), [], name)

    def test_the_schema_can_fail(self):
        good = specification("/x")
        self.assertEqual(complaints(good, cdi_specification()), [])
        def broken(change):
            document = json.loads(json.dumps(good))
            change(document)
            return complaints(document, cdi_specification())
        edits = lambda document: document["devices"][0]["containerEdits"]
        for change in (lambda d: d.pop("kind"), lambda d: d.update(kind="gpu"), lambda d: d.update(cdiVersion="0.9.0"),
                       lambda d: d.update(more=1), lambda d: d["devices"][0].update(name="-"),
                       lambda d: edits(d)["deviceNodes"][0].update(major="195"),
                       lambda d: edits(d)["deviceNodes"][0].update(type="x"), lambda d: edits(d).update(env=["=1"])):
            self.assertNotEqual(broken(change), [])


class Install(CdiCase):
    def setUp(self):
        super().setUp()
        self.spec = self.spec_file()
        os.makedirs(self.path("host"))

    def install(self, engine, *options, **more):
        return self.flense("cdi", "install", "--engine", engine, "--root", self.path("host"),
                           *([] if "--refresh" in options else ["--spec", self.spec]), *options, **more)

    def uninstall(self, engine, **more):
        return self.flense("cdi", "uninstall", "--engine", engine, "--root", self.path("host"), **more)

    def installed_package(self, package, program, version):
        self.write(f"host/usr/bin/{program}", "")
        self.write("host/var/lib/dpkg/status",
                   f"Package: {package}\nStatus: install ok installed\nVersion: 5:{version}-1~debian.12\n\n")

    def test_docker(self):
        self.write("host/etc/docker/daemon.json", DAEMON)
        before = digest_tree(self.path("host/etc"))
        result = self.install("docker")
        self.assertIn("systemctl restart docker", result.out)
        self.assertEqual(json.loads(self.read("host/etc/docker/daemon.json")),
                         {"features": {"containerd-snapshotter": True, "cdi": True}, "mtu": 9000})
        self.assertIn("nothing had to be changed", self.install("docker").out)
        self.uninstall("docker")
        self.assertEqual(self.read("host/etc/docker/daemon.json"), DAEMON)
        self.assertEqual(digest_tree(self.path("host/etc")), before)
        self.uninstall("docker", expect=4)

    def test_docker_by_version(self):
        self.installed_package("docker-ce", "dockerd", "20.10.24")
        self.assertIn("25.0 is the first", self.install("docker", expect=4).err)
        self.assertFalse(os.path.exists(self.path("host/etc/cdi")))
        self.installed_package("docker-ce", "dockerd", "28.2.1")
        self.install("docker")
        self.assertFalse(os.path.exists(self.path("host/etc/docker")))
        self.assertTrue(os.path.exists(self.path("host/etc/cdi/flense-flense.test-gpu.json")))

    def test_containerd_keeps_comments(self):
        self.write("host/etc/containerd/config.toml", CONTAINERD)
        self.install("containerd")
        text = self.read("host/etc/containerd/config.toml")
        # A second reader, and nothing but one line more.
        cri = tomllib.loads(text)["plugins"]["io.containerd.grpc.v1.cri"]
        self.assertIs(cri.pop("enable_cdi"), True)
        self.assertEqual(cri, tomllib.loads(CONTAINERD)["plugins"]["io.containerd.grpc.v1.cri"])
        self.assertEqual([line for line in text.splitlines() if "enable_cdi" not in line], CONTAINERD.splitlines())
        if shutil.which("containerd"):
            dump = self.run_tool("containerd", "--config", self.path("host/etc/containerd/config.toml"), "config", "dump")
            self.assertIn("mirror/pause:3.9", dump)
        # Somebody else changes something: that stays.
        self.write("host/etc/containerd/config.toml", text + '      snapshotter = "native" # new\n')
        self.uninstall("containerd")
        self.assertEqual(self.read("host/etc/containerd/config.toml"),
                         CONTAINERD + '      snapshotter = "native" # new\n')

    def test_crio_and_podman_need_nothing(self):
        for engine in ("crio", "podman"):
            self.install(engine)
            self.assertEqual(os.listdir(self.path("host/etc")), ["cdi"])
        self.assertIn("another engine uses it", self.uninstall("crio").err)
        self.uninstall("podman")
        self.assertFalse(os.path.exists(self.path("host/etc")))

    def test_a_user_of_podman(self):
        home = {"HOME": self.path("home"), "XDG_CONFIG_HOME": "", "XDG_STATE_HOME": ""}
        os.makedirs(self.path("home"))
        self.flense("cdi", "install", "--engine", "podman", "--user", "--spec", self.spec, env=home)
        drop_in = tomllib.loads(self.read("home/.config/containers/containers.conf.d/99-flense-cdi.conf"))
        self.assertEqual(drop_in["engine"]["cdi_spec_dirs"],
                         ["/etc/cdi", "/var/run/cdi", self.path("home/.config/cdi")])
        self.assertTrue(os.path.exists(self.path("home/.config/cdi/flense-flense.test-gpu.json")))
        self.flense("cdi", "uninstall", "--engine", "podman", "--user", env=home)
        self.assertFalse(os.path.exists(self.path("home/.config")))

    def test_a_device_of_another_file_is_not_taken_away(self):
        self.write("host/etc/cdi/vendor.json", specification("/dev/null"))
        result = self.install("podman", expect=4)
        self.assertIn("vendor.json has the device flense.test/gpu=0 already", result.err)
        self.assertEqual(os.listdir(self.path("host/etc/cdi")), ["vendor.json"])

    def test_nothing_changes_when_the_configuration_cannot_be_read(self):
        self.write("host/etc/docker/daemon.json", '{"features": ')
        before = digest_tree(self.path("host"))
        self.install("docker", expect=3)
        self.assertEqual(digest_tree(self.path("host")), before)

    def test_refresh_units(self):
        root = hosts.make("h100", self.path("gpu"))
        self.flense("cdi", "install", "--engine", "podman", "--root", root, "--spec", self.spec, "--refresh", expect=2)
        before = digest_tree(root)
        result = self.flense("cdi", "install", "--engine", "podman", "--root", root, "--refresh")
        self.assertIn("systemctl daemon-reload", result.out)
        with open(os.path.join(root, "etc/cdi/flense-nvidia.com-gpu.json")) as text:
            self.assertEqual(complaints(json.load(text), cdi_specification()), [])
        units = os.path.join(root, "etc/systemd/system")
        with open(os.path.join(units, "flense-cdi-refresh.service")) as text:
            self.assertIn(f'ExecStart="{os.path.realpath(BINARY)}" cdi generate --mode nvidia --output '
                          '"/etc/cdi/flense-nvidia.com-gpu.json"', text.read())
        for link in ("multi-user.target.wants/flense-cdi-refresh.path", "timers.target.wants/flense-cdi-refresh.timer"):
            self.assertTrue(os.path.exists(os.path.join(units, link)), link)
        if shutil.which("systemd-analyze"):
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", *(
                os.path.join(units, f"flense-cdi-refresh.{kind}") for kind in ("service", "path", "timer"))],
                check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            about_ours = [line for line in done.stdout.decode().splitlines() if "flense" in line]
            self.assertEqual(about_ours, [])
        self.flense("cdi", "uninstall", "--engine", "podman", "--root", root)
        shutil.rmtree(os.path.join(root, "var/lib/flense"), ignore_errors=True)
        self.assertEqual(digest_tree(root), before)


if __name__ == "__main__":
    main()
