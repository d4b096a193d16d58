#!/usr/bin/env python3
"""One tag, pulled by nodes with different GPUs through the mirror of each: who gets what, also when a part of it is gone."""

import base64
import hashlib
import http.server
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import threading
import unittest

import engines
import fixtures
import harness
import test_registries
import test_variants

CERTS = "etc/containerd/certs.d"
DROP_IN = "etc/containers/registries.conf.d/99-flense-mirror.conf"
CONFIG_PATH = 'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "/etc/containerd/certs.d"\n'
WHOSE = ["sh", "-c", "cat /usr/share/flense/slim.json || echo original"]
TOOLS = ("docker-registry", "containerd", "ctr", "podman", "runc")
why_not = "" if os.geteuid() == 0 else "containerd needs root"
for tool in TOOLS:
    if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
        why_not = why_not or f"{tool} is not installed"


class Asking:
    """A registry that has nothing and wants a login for that: keeps what it is told."""

    def __init__(self):
        told = self.told = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                told.append((self.path, self.headers.get("Authorization")))
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="mirror"')
                self.send_header("Content-Length", "0")
                self.end_headers()
            do_HEAD = do_GET

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@unittest.skipIf(why_not, why_not)
class Nodes(harness.Case):
    """Two registries with TLS: upstream with an image for all GPUs, and the mirror that slim has filled."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = harness.tempfile.mkdtemp(prefix="flense-mirror-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.upstream, cls.mirror = (cls.registry(name) for name in ("upstream", "mirror"))
        cls.locked = cls.registry("locked", htpasswd=test_registries.HTPASSWD)
        cls.trust = f"{cls.folder}/trusted.pem"
        with open(cls.trust, "w") as out:
            for name in ("upstream", "mirror", "locked"):
                with open(f"{cls.folder}/{name}/certificate.pem") as one:
                    out.write(one.read())
        cls.env = {**harness.surroundings(), "SSL_CERT_FILE": cls.trust, "REGISTRY_AUTH_FILE": f"{cls.folder}/auth.json"}
        with open(f"{cls.folder}/auth.json", "w") as out:
            login = base64.b64encode(b"user:secret").decode()
            json.dump({"auths": {cls.locked.address: {"auth": login}}}, out)
        layers, _ = fixtures.sample_layers(cls.folder)
        test_variants.multi_platform(f"{cls.folder}/in", layers)
        case = cls()
        case.work = cls.folder
        for name in ("app:1", "plain:1"):
            cls.push(cls.upstream, name)
        cls.name = f"{cls.upstream.address}/app:1"
        cls.told = case.flense("slim", f"docker://{cls.name}", "--variants", "h100,a100", "--mirror",
                               f"docker://{cls.mirror.address}/{{gpu}}", "--json", env=cls.env).json
        cls.digests = {one["targets"]["cuda"][0]: one["digest"] for one in cls.told["variants"]}
        index = cls.raw(cls.name)
        cls.original = "sha256:" + hashlib.sha256(index).hexdigest()
        cls.amd64 = json.loads(index)["manifests"][1]["digest"]
        cls.configs = {gpu: json.loads(cls.raw(cls.mirrored(gpu)))["config"]["digest"] for gpu in cls.digests}
        cls.configs[None] = json.loads(cls.raw(f"{cls.upstream.address}/app@{cls.amd64}"))["config"]["digest"]

    def runTest(self):
        pass

    @classmethod
    def registry(cls, name, htpasswd=None):
        registry = engines.Registry(f"{cls.folder}/{name}", htpasswd, tls=True)
        cls.addClassCleanup(registry.stop)
        return registry

    @classmethod
    def push(cls, registry, name):
        engines.output(["skopeo", "--insecure-policy", "copy", "--all", f"oci:{cls.folder}/in:1", f"docker://{registry.address}/{name}"], cls.env)

    @classmethod
    def raw(cls, name):
        return engines.output(["skopeo", "inspect", "--raw", f"docker://{name}"], cls.env).encode()

    @classmethod
    def mirrored(cls, gpu, registry=None):
        host = cls.upstream.address.replace(":", "_")
        return f"{(registry or cls.mirror).address}/{gpu}/{host}/app:1"

    # Nodes

    def containerd(self, gpu=None, registry=None, upstream=None):
        """Its own hosts.toml says how upstream is spoken to: localhost is plain HTTP to this engine."""
        upstream = upstream or self.upstream
        root = self.path(f"node-{len(os.listdir(self.work))}")
        os.makedirs(f"{root}/{CERTS}/{upstream.address}")
        with open(f"{root}/{CERTS}/{upstream.address}/hosts.toml", "w") as out:
            out.write(f'server = "https://{upstream.address}"\n\n[host."https://{upstream.address}"]\n  capabilities = ["pull", "resolve"]\n')
        with open(f"{root}/etc/containerd/config.toml", "w") as out:
            out.write(CONFIG_PATH)
        if gpu:
            self.flense("mirror", "install", "--engine", "containerd", "--root", root, "--gpu", gpu,
                        "--registry", registry or self.mirror.address, "--upstream", upstream.address)
        engine = engines.Containerd(f"{root}/daemon", f"{root}/{CERTS}", self.env)
        self.addCleanup(engine.stop)
        return engine

    def podman(self, gpu=None, registry=None, upstream=None):
        """What a node has in /etc/containers lies in the user's directory of it here."""
        root = self.path(f"node-{len(os.listdir(self.work))}")
        os.makedirs(f"{root}/etc/containers")
        os.makedirs(f"{root}/home/.config")
        os.symlink(f"{root}/etc/containers", f"{root}/home/.config/containers")
        if gpu:
            self.flense("mirror", "install", "--engine", "podman", "--root", root, "--gpu", gpu,
                        "--registry", registry or self.mirror.address, "--upstream", (upstream or self.upstream).address)
        engine = engines.Podman(f"{root}/storage", "vfs")
        engine.env = {**self.env, "HOME": f"{root}/home"}
        self.addCleanup(engines.output, [*engine.base, "rmi", "-af"], engine.env)
        return engine

    def asked(self, registry, since=0):
        """Manifests that somebody asked the registry for."""
        with open(registry.log, errors="replace") as log:
            log.seek(since)
            return [line.split('"')[1].split()[1] for line in log if '"GET /v2/' in line and "/manifests/" in line]

    # Tests

    def test_slim_writes_each_variant_to_its_mirror(self):
        self.assertEqual(set(self.digests), {"sm_90", "sm_80"})
        for one in self.told["variants"]:
            gpu = one["targets"]["cuda"][0]
            self.assertEqual(one["mirrored"], self.mirrored(gpu))
            text = self.raw(one["mirrored"])
            self.assertEqual("sha256:" + hashlib.sha256(text).hexdigest(), one["digest"])
        # What both have was uploaded once.
        with open(self.mirror.log, errors="replace") as log:
            mounted = [line for line in log if '"POST /v2/sm_80/' in line and "mount=sha256" in line and '" 201 ' in line]
        self.assertEqual(len(mounted), 3)
        # Upstream is untouched, and the mirror has nothing else.
        self.assertEqual(hashlib.sha256(self.raw(self.name)).hexdigest(), self.original[7:])
        repositories = os.listdir(f"{self.folder}/mirror/data/docker/registry/v2/repositories")
        self.assertEqual(sorted(repositories), ["sm_80", "sm_90"])

    def test_with_other_outputs_beside_it(self):
        """The same images, whether an index is written or not."""
        mirror = ["--variants", "h100,a100", "--mirror", f"docker://{self.mirror.address}/team/{{gpu}}/x", "--json"]
        for output in (["-o", f"oci:{self.path('out')}:2"], ["-t", f"docker://{self.mirror.address}/fleet:2"]):
            told = self.flense("slim", f"docker://{self.name}", *mirror, *output, env=self.env).json
            self.assertEqual({one["targets"]["cuda"][0]: one["digest"] for one in told["variants"]}, self.digests)
            for one in told["variants"]:
                gpu = one["targets"]["cuda"][0]
                self.assertEqual(one["mirrored"], self.mirrored(f"team/{gpu}/x"))
                self.assertEqual("sha256:" + hashlib.sha256(self.raw(one["mirrored"])).hexdigest(), one["digest"])
            self.assertEqual(told["original"]["entries"], 3)
        self.assertEqual(len(json.loads(self.raw(f"{self.mirror.address}/fleet:2"))["manifests"]), 5)

    def test_nodes_with_containerd(self):
        nodes = {"sm_90": self.containerd("h100"), "sm_80": self.containerd("a100"), None: self.containerd()}
        for gpu, node in nodes.items():
            self.assertEqual(node.pull(self.name), self.digests.get(gpu, self.original))
            self.assertIn(gpu or "original", node.run(self.name, WHOSE))
        node = nodes["sm_90"]
        # What was never slimmed, and digests: the original's, whoever is asked for it.
        plain = f"{self.upstream.address}/plain:1"
        self.assertEqual(node.pull(plain), self.original)
        by_digest = f"{self.upstream.address}/app@{self.original}"
        self.assertEqual(node.pull(by_digest), self.original)
        self.assertIn("original", node.run(by_digest, WHOSE))

    def test_nodes_with_podman(self):
        nodes = {"sm_90": self.podman("h100"), "sm_80": self.podman("a100"), None: self.podman()}
        for gpu, node in nodes.items():
            self.assertEqual(node.pull(self.name), self.configs[gpu])
            self.assertIn(gpu or "original", node.run(self.name, WHOSE))
        node = nodes["sm_90"]
        self.assertEqual(node.pull(f"{self.upstream.address}/plain:1"), self.configs[None])
        since = os.path.getsize(self.mirror.log)
        self.assertEqual(node.pull(f"{self.upstream.address}/app@{self.original}"), self.configs[None])
        self.assertEqual(self.asked(self.mirror, since), [])

    def test_what_flense_reads_where_tags_go_to_a_mirror(self):
        """What skopeo gets for the tag is the mirror's; also where that lies in the cache."""
        node = self.podman("h100")
        env = {**node.env, "FLENSE_CACHE": self.path("cache"), "XDG_CONFIG_HOME": f"{node.env['HOME']}/.config"}
        self.flense("inspect", f"docker://{self.mirrored('sm_90')}", env=env)
        since = os.path.getsize(self.mirror.log)
        done = self.flense("inspect", f"docker://{self.name}", "--json", env=env)
        self.assertTrue(self.asked(self.mirror, since))
        self.assertEqual(done.json["digest"], self.amd64)
        self.assertIn("a mirror of this machine", done.out)
        done = self.flense("check", f"docker://{self.name}", "--config-only", "--host", "a100@570.86.15", expect=None, env=env)
        self.assertNotIn("slim-target", done.out)
        told = self.flense("slim", f"docker://{self.name}", "--variants", "h100,a100", "--mirror",
                           f"docker://{self.mirror.address}/again/{{gpu}}", "--json", env=env).json
        self.assertEqual({one["targets"]["cuda"][0]: one["digest"] for one in told["variants"]}, self.digests)

    def test_with_upstream_gone(self):
        containerd, podman = self.containerd("h100"), self.podman("h100")
        self.upstream.stop()
        try:
            self.assertEqual(containerd.pull(self.name), self.digests["sm_90"])
            self.assertEqual(podman.pull(self.name), self.configs["sm_90"])
        finally:
            self.upstream.start()

    def test_with_the_mirror_gone(self):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            gone = f"127.0.0.1:{closed.getsockname()[1]}"
        self.assertEqual(self.containerd("h100", gone).pull(self.name), self.original)
        self.assertEqual(self.podman("h100", gone).pull(self.name), self.configs[None])

    def test_with_a_black_hole_for_a_mirror(self):
        """It takes connections and never answers: ten seconds each until engines give TLS up."""
        with socket.create_server(("127.0.0.1", 0), backlog=128) as hole:
            address = f"127.0.0.1:{hole.getsockname()[1]}"
            pulls = [(self.containerd("h100", address), self.original), (self.podman("h100", address), self.configs[None])]
            found = {}

            def pull(engine):
                found[engine] = engine.pull(self.name)
            threads = [threading.Thread(target=pull, args=(engine,)) for engine, _ in pulls]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for engine, digest in pulls:
                self.assertEqual(found[engine], digest)

    def test_what_a_mirror_that_asks_for_a_login_is_sent(self):
        """containerd: the login of the pull, whose server it cannot tell; Podman: what it has for the mirror's host."""
        self.push(self.locked, "app:1")
        name, login = f"{self.locked.address}/app:1", "Basic " + base64.b64encode(b"user:secret").decode()
        for engine, options, sent in ((self.containerd, ["--user", "user:secret"], True), (self.podman, ["--creds", "user:secret"], False),
                                      (self.podman, [], False)):
            asking = Asking()
            self.addCleanup(asking.stop)
            node = engine("h100", f"http://{asking.address}", self.locked)
            self.assertIn(node.pull(name, options), (self.original, self.configs[None]))
            self.assertTrue(asking.told)
            self.assertEqual(login in [told for _, told in asking.told], sent, asking.told)

    def test_why_a_policy_that_demands_signatures_leaves_no_mirror(self):
        """Podman refuses what the mirror has, and does not ask upstream."""
        gpg = {**self.env, "GNUPGHOME": self.path("gpg")}
        os.mkdir(self.path("gpg"), 0o700)
        engines.output(["gpg", "--batch", "--passphrase", "", "--quick-generate-key", "a@example", "ed25519", "sign", "never"], gpg)
        engines.output(["gpg", "--batch", "-o", self.path("key"), "--export", "a@example"], gpg)
        self.addCleanup(engines.output, ["gpgconf", "--kill", "gpg-agent"], gpg)
        node = self.podman("h100")
        with open(f"{node.env['HOME']}/.config/containers/policy.json", "w") as out:
            signed = [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": self.path("key")}]
            json.dump({"default": [{"type": "insecureAcceptAnything"}], "transports": {"docker": {self.upstream.address: signed}}}, out)
        since = os.path.getsize(self.upstream.log)
        with self.assertRaisesRegex(OSError, "signature was required"):
            node.pull(self.name)
        self.assertEqual(self.asked(self.upstream, since), [])
        root = os.path.dirname(node.env["HOME"])
        done = self.flense("mirror", "install", "--engine", "podman", "--root", root, "--gpu", "h100", "--registry", self.mirror.address,
                           "--upstream", self.upstream.address)
        self.assertIn("demands signatures", done.err)
        self.assertFalse(os.path.exists(f"{root}/{DROP_IN}"))

    def test_a_mirror_with_a_password(self):
        """Who has its login pulls from it, who has not from upstream."""
        self.flense("slim", f"docker://{self.name}", "--variants", "h100", "--mirror", f"docker://{self.locked.address}/{{gpu}}", env=self.env)
        self.assertEqual(self.podman("h100", self.locked.address).pull(self.name), self.configs["sm_90"])
        stranger = self.podman("h100", self.locked.address)
        stranger.env["REGISTRY_AUTH_FILE"] = self.path("none.json")
        with open(self.path("none.json"), "w") as out:
            out.write("{}")
        self.assertEqual(stranger.pull(self.name), self.configs[None])
        self.assertEqual(self.containerd("h100", self.locked.address).pull(self.name), self.original)

    def test_ten_commands_from_nothing_to_a_mixed_cluster(self):
        with open(os.path.join(harness.TOP, "docs/fleet.md")) as text:
            section = text.read().split("## From nothing to a mixed cluster")[1].split("```")[1]
        lines = re.findall(r"^(\w*)\$ (.*)$", section.replace("\\\n", ""), re.M)
        self.assertEqual(len(lines), 10)
        self.push(self.upstream, "mixed:1")
        original, index = f"{self.upstream.address}/mixed:1", f"{self.mirror.address}/pytorch:1"
        nodes = {gpu: self.podman() for gpu in ("h100", "a100")}
        bin_folder = self.path("bin")
        os.mkdir(bin_folder)
        os.symlink(harness.BINARY, f"{bin_folder}/flense")
        with open(self.path("fleet.txt"), "w") as out:
            out.write(f"docker://{original} docker://{index} h100,a100 docker://{self.mirror.address}/{{gpu}}\n")
        os.symlink(f"{harness.TOP}/examples", self.path("examples"))
        said = []
        for node, command in lines:
            command = command.removeprefix("sudo ").replace("nvcr.io/nvidia/pytorch:25.01-py3", original).replace("reg.example", self.mirror.address)
            environment = {**self.env, "PATH": f"{bin_folder}:{os.environ['PATH']}", "SCRATCH": self.work}
            if node:
                root = os.path.dirname(nodes[node].env["HOME"])
                environment.update(nodes[node].env, PATH=environment["PATH"])
                if command.startswith("flense mirror"):
                    command += f" --root {root} --gpu {node} --upstream {self.upstream.address}"
                command = command.replace("podman run", "podman run --network none --ulimit nofile=1024:1024 --ulimit nproc=4096:4096")
                command = re.sub(r"^podman", shlex.join(nodes[node].base), command)
            done = subprocess.run(["bash", "-c", command], cwd=self.work, env=environment, check=False, capture_output=True, text=True, timeout=300)
            self.assertEqual(done.returncode, 0, (command, done.stdout, done.stderr))
            said.append(done.stdout)
        digests = [nodes[node].pull(original) for node in ("h100", "a100")]
        self.assertEqual(digests, [self.configs["sm_90"], self.configs["sm_80"]])
        self.assertEqual([out.split()[-1] for out in said[5:7]], [digest.removeprefix("sha256:") for digest in digests])
        self.assertIn("sm_80", said[7])
        self.assertEqual(said[8].count("fresh"), 3, said[8])  # of two images, and of both together
        self.assertIn("equal", said[2])


if __name__ == "__main__":
    harness.main()
