#!/usr/bin/env python3
"""What flense mirror writes into the configuration of engines, and takes back, as trees of files; test_mirror.py has engines that
read it."""

import json
import os

import harness
import hosts
import schema
from test_mirror import CERTS, CONFIG_PATH, DROP_IN


class Install(harness.Case):
    """The configuration of engines, as trees of files."""

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(f"node/{name}")), exist_ok=True)
        with open(self.path(f"node/{name}"), "w") as out:
            out.write(text)

    def read(self, name):
        with open(self.path(f"node/{name}")) as text:
            return text.read()

    def tree(self):
        """Without the directory that a record lies in."""
        out = {}
        for folder, folders, files in os.walk(self.path("node")):
            for name in files:
                with open(os.path.join(folder, name)) as text:
                    out[os.path.relpath(os.path.join(folder, name), self.path("node"))] = text.read()
            for name in folders:
                out[os.path.relpath(os.path.join(folder, name), self.path("node"))] = None
        return {name: text for name, text in out.items() if name not in ("var", "var/lib")}

    def setUp(self):
        super().setUp()
        self.write("etc/containerd/config.toml", CONFIG_PATH)

    def mirror(self, action, engine, *options, expect=0):
        return self.flense("mirror", action, "--engine", engine, "--root", self.path("node"), *options, expect=expect)

    def install(self, engine, *options, gpu="h100", registry="reg.example", expect=0):
        return self.mirror("install", engine, "--registry", registry, "--gpu", gpu, *options, expect=expect)

    def refused(self, engine, *words, options=()):
        """Nothing is changed."""
        before = self.tree()
        done = self.install(engine, *options, expect=4)
        for word in words:
            self.assertIn(word, done.err)
        self.assertEqual(self.tree(), before)

    def test_round_trips(self):
        self.write("etc/containers/registries.conf", 'unqualified-search-registries = ["docker.io"]\n')
        self.write("etc/buildkit/buildkitd.toml", '# ours\n[registry."docker.io"]\n  mirrors = ["cache.example"] # near\n')
        self.write(f"{CERTS}/nvcr.io/hosts.toml", 'server = "https://nvcr.io"\n\n# near\n[host."https://cache.example"]\n  capabilities = ["pull"]\n')
        before = self.tree()
        for engine in ("containerd", "podman", "cri-o", "buildkit"):
            dry = self.install(engine, "--dry-run")
            self.assertEqual(self.tree(), before)
            self.assertIn("would change", dry.out)
            self.install(engine)
            changed = self.tree()
            self.assertNotEqual(changed, before)
            self.assertIn("nothing has to be changed", self.install(engine).out)
            self.assertEqual(self.tree(), changed)
            self.mirror("uninstall", engine, "--dry-run")
            self.assertEqual(self.tree(), changed)
            self.mirror("uninstall", engine)
            self.assertEqual(self.tree(), before, engine)
            self.assertIn("nothing is recorded", self.mirror("uninstall", engine, expect=4).err)

    def test_the_documents(self):
        for action in ("install", "uninstall"):
            options = ["--registry", "reg.example", "--gpu", "h100"] if action == "install" else []
            for dry in (["--dry-run"], []):
                told = self.mirror(action, "containerd", *options, *dry, "--json").json
                self.assertEqual(schema.complaints(told, "flense/mirror/v1"), [])
                self.assertEqual(len(told["changes"]), 4)
        # Another's lines, which may hold a password, are no part of it.
        self.write(f"{CERTS}/nvcr.io/hosts.toml", '[host."https://a".header]\n  Authorization = "Basic x"\n')
        self.assertNotIn("Basic", self.install("containerd", "--dry-run", "--json").out)

    def test_other_gpus_replace_what_is_there(self):
        self.install("containerd", "--upstream", "nvcr.io", "--upstream", "docker.io")
        self.install("containerd", "--upstream", "nvcr.io", gpu="a100")
        self.assertIn('"https://reg.example/v2/sm_80/nvcr.io"', self.read(f"{CERTS}/nvcr.io/hosts.toml"))
        self.assertNotIn("sm_90", self.read(f"{CERTS}/nvcr.io/hosts.toml"))
        self.assertFalse(os.path.exists(self.path(f"node/{CERTS}/docker.io")))
        self.mirror("uninstall", "containerd")
        self.assertEqual(set(self.tree()), {"etc", "etc/containerd", "etc/containerd/config.toml"})

    def test_ours_comes_first_and_theirs_stays(self):
        theirs = f'server = "https://nvcr.io"\n\n# near\n[host."https://cache.example"]\n  capabilities = ["pull"]\n'
        self.write(f"{CERTS}/nvcr.io/hosts.toml", theirs)
        self.install("containerd", "--upstream", "nvcr.io")
        text = self.read(f"{CERTS}/nvcr.io/hosts.toml")
        self.assertTrue(text.startswith('server = "https://nvcr.io"\n\n# Written by flense mirror install'), text)
        self.assertLess(text.index("reg.example"), text.index("# near"))
        # What they write later stays; what they write into ours, too.
        self.write(f"{CERTS}/nvcr.io/hosts.toml", text + "  skip_verify = false\n")
        self.mirror("uninstall", "containerd")
        self.assertEqual(self.read(f"{CERTS}/nvcr.io/hosts.toml"), theirs + "  skip_verify = false\n")
        self.install("containerd", "--upstream", "nvcr.io")
        changed = self.read(f"{CERTS}/nvcr.io/hosts.toml").replace('"2s"', '"9s"')
        self.write(f"{CERTS}/nvcr.io/hosts.toml", changed)
        self.assertIn("somebody else has changed", self.mirror("uninstall", "containerd").err)
        self.assertEqual(self.read(f"{CERTS}/nvcr.io/hosts.toml"), changed)

    def test_ports_and_several_directories(self):
        self.write("etc/containerd/config.toml", CONFIG_PATH.replace("certs.d", "certs.d:/etc/docker/certs.d"))
        self.write("etc/docker/certs.d/a.example_5000_/hosts.toml", "")
        self.write("etc/docker/certs.d/nvcr.io/hosts.toml", "")
        self.install("containerd", "--upstream", "a.example:5000", "--upstream", "nvcr.io", "--upstream", "b.example:5000")
        self.assertIn("/v2/sm_90/a.example_5000", self.read("etc/docker/certs.d/a.example_5000_/hosts.toml"))
        self.assertIn("/v2/sm_90/nvcr.io", self.read("etc/docker/certs.d/nvcr.io/hosts.toml"))
        self.assertIn("/v2/sm_90/b.example_5000", self.read(f"{CERTS}/b.example:5000/hosts.toml"))

    def test_containerd_refuses(self):
        upstream = ("--upstream", "nvcr.io")
        for version, plugin in ((1, "cri"), (2, '"io.containerd.grpc.v1.cri"'), (3, '"io.containerd.cri.v1.images"')):
            table = f"version = {version}\n[plugins.{plugin}.registry]\n"
            self.write("etc/containerd/config.toml", f'{table}[plugins.{plugin}.registry.mirrors."nvcr.io"]\n  endpoint = ["https://x"]\n')
            self.refused("containerd", "either these or hosts.toml", "instead of mirrors", options=upstream)
            self.write("etc/containerd/config.toml", table + '  config_path = ""\n')
            self.refused("containerd", "no config_path", "certs.d", options=upstream)
            self.write("etc/containerd/config.toml", table + f'  config_path = "/etc/containerd/certs.d"\n[plugins.{plugin}.registry.mirrors]\n')
            self.install("containerd", "--dry-run")
        # An imported file counts.
        self.write("etc/containerd/config.toml", f'imports = ["conf.d/*.toml"]\n{CONFIG_PATH}')
        self.write("etc/containerd/conf.d/x.toml", 'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry.mirrors."docker.io"]\n')
        self.refused("containerd", "conf.d/x.toml has mirrors")
        os.remove(self.path("node/etc/containerd/config.toml"))
        self.refused("containerd", "no config_path")
        self.write("etc/containerd/config.toml", "[plugins\n")
        self.assertIn("not valid TOML", self.install("containerd", expect=3).err)
        self.write("etc/containerd/config.toml", CONFIG_PATH)
        self.write(f"{CERTS}/_default/hosts.toml", 'server = "https://cache.example"\n')
        self.refused("containerd", "_default is for nvcr.io too", options=upstream)
        self.write(f"{CERTS}/nvcr.io/ca.crt", "")
        self.refused("containerd", "certificates", options=upstream)
        self.write(f"{CERTS}/nvcr.io/hosts.toml", "")
        self.refused("containerd", "certificates", options=upstream)
        self.write("opt/containerd/image-verifier/bin/verify", "")
        self.refused("containerd", "signatures", options=upstream)

    def test_podman_and_crio_refuse(self):
        for engine in ("podman", "cri-o"):
            for name in ("registries.conf", "registries.conf.d/00-site.conf"):
                for text in ('[[registry]]\nprefix = "nvcr.io"\nlocation = "cache.example"\n', '[[registry]]\nlocation = "nvcr.io"\nblocked = true\n',
                             '[[registry]]\nprefix = "*.io"\nlocation = "cache.example"\n'):
                    self.write(f"etc/containers/{name}", text)
                    self.refused(engine, f"{name} configures")
                os.remove(self.path(f"node/etc/containers/{name}"))
            self.write("etc/containers/registries.conf", "[registries.search]\nregistries = []\n")
            self.refused(engine, "of the first form")
            self.write("etc/containers/registries.conf", '[[registry]]\nprefix = "nvcr.io/team"\nlocation = "x.example"\n')
            self.assertIn("images below it take no mirror", self.install(engine, "--dry-run").err)
            os.remove(self.path("node/etc/containers/registries.conf"))

    def test_who_demands_signatures_takes_what_upstream_has(self):
        anything, signed = [{"type": "insecureAcceptAnything"}], [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k"}]
        hosts_named = ("docker.io", "ghcr.io", "nvcr.io", "quay.io")
        for docker, default, without in (({"nvcr.io": signed}, anything, ("nvcr.io",)), ({"nvcr.io/nvidia": signed}, anything, ("nvcr.io",)),
                                         ({"nvcr.io": anything}, [{"type": "reject"}], ("docker.io", "ghcr.io", "quay.io")),
                                         ({"": signed, "quay.io": anything}, anything, ("docker.io", "ghcr.io", "nvcr.io")),
                                         ({"*.io": signed}, anything, hosts_named), ({}, [], hosts_named), ({}, anything, ())):
            self.write("etc/containers/policy.json", json.dumps({"default": default, "transports": {"docker": docker}}))
            done = self.install("podman", "--dry-run")
            for host in hosts_named:
                self.assertEqual(f"demands signatures of {host}" in done.err, host in without, (host, docker))
                self.assertEqual(f'prefix = "{host}"' in done.out, host not in without, (host, docker))

    def test_engines_that_share_a_file(self):
        self.install("podman")
        self.install("cri-o")
        self.assertIn("another engine uses it", self.mirror("uninstall", "podman").err)
        self.assertIn("tag-only", self.read(DROP_IN))
        self.mirror("uninstall", "cri-o")
        self.assertFalse(os.path.exists(self.path("node/etc/containers")))

    def test_a_drop_in_of_that_name_that_is_not_ours(self):
        self.write(DROP_IN, "# mine\n")
        self.refused("podman", "flense did not write it")

    def test_buildkit(self):
        before = '[worker.oci]\n  enabled = true\n[registry."nvcr.io"]\n  mirrors = ["cache.example/nvcr.io"]\n'
        self.write("etc/buildkit/buildkitd.toml", before)
        done = self.install("buildkit", "--upstream", "nvcr.io", registry="http://127.0.0.1:5000")
        self.assertIn('mirrors = ["127.0.0.1:5000/sm_90/nvcr.io", "cache.example/nvcr.io"]', self.read("etc/buildkit/buildkitd.toml"))
        self.assertIn("http = true", self.read("etc/buildkit/buildkitd.toml"))
        self.assertIn("serves sm_90 alone", done.err)
        self.assertIn("by digest, too", done.err)
        self.write("etc/buildkit/buildkitd.toml", self.read("etc/buildkit/buildkitd.toml") + "# more\n")
        self.mirror("uninstall", "buildkit")
        text = self.read("etc/buildkit/buildkitd.toml")
        self.assertIn('mirrors = ["cache.example/nvcr.io"]', text)
        self.assertNotIn("sm_90", text)
        self.assertTrue(text.endswith("# more\n"))

    def test_an_earlier_mirror_is_told_where_none_is_possible_any_more(self):
        self.install("podman")
        done = self.flense("mirror", "install", "--engine", "podman", "--registry", "reg.example", "--root", self.path("node"), expect=4)
        self.assertIn("no GPU is seen here", done.err)
        self.assertIn("stays until flense mirror uninstall --engine podman", done.err)
        self.write("etc/containers/registries.conf", '[[registry]]\nlocation = "nvcr.io"\n')
        self.refused("podman", "configures nvcr.io", "stays until")

    def test_docker(self):
        self.refused("docker", "not possible", "takes no path", "docker.io alone")

    def test_gpus(self):
        for name in ("h100", "mixed", "no_gpu"):
            hosts.make(name, self.path(name))
        for name, gpu, words in (("h100", [], "sm_90/nvcr.io"), ("mixed", [], "GPUs of several kinds"), ("no_gpu", [], "no GPU is seen"),
                                 ("h100", ["--gpu", "a100,h100"], "sm_80-sm_90/nvcr.io"), ("mixed", ["--gpu", "l4"], "sm_89/nvcr.io")):
            done = self.flense("mirror", "install", "--engine", "podman", "--registry", "reg.example", "--root", self.path(name), *gpu,
                               "--dry-run", expect=None)
            self.assertIn(words, done.out + done.err)
            self.assertEqual(done.status, 0 if "nvcr.io" in words else 4)

    def test_wrong_requests(self):
        for words, said in ((["install", "--engine", "podman"], "needs --registry"), (["install", "--registry", "reg.example"], "needs --engine"),
                            (["enable", "--engine", "podman"], "no action"), (["uninstall", "--engine", "podman", "--gpu", "h100"], "takes back"),
                            (["install", "--engine", "podman", "--registry", "http://reg.example"], "without TLS"),
                            (["install", "--engine", "podman", "--registry", "http://127.0.0.1.example"], "without TLS"),
                            (["install", "--engine", "podman", "--registry", 'reg.example/"\n[x]'], "no place in a registry"),
                            (["install", "--engine", "podman", "--registry", "reg.example", "--upstream", "_default"], "no host of a registry"),
                            (["install", "--engine", "podman", "--registry", "reg.example", "--upstream", "../x"], "no host of a registry")):
            self.assertIn(said, self.flense("mirror", *words, "--root", self.path("node"), expect=2).err)
        for words, said in ((["app.tar", "--variants", "h100"], "name under which nodes pull"), (["docker://nvcr.io/a:1", "--gpu", "h100"], "--variants"),
                            ([f"docker://nvcr.io/a@sha256:{'0' * 64}", "--variants", "h100"], "is named by its digest")):
            self.assertIn(said, self.flense("slim", *words, "--mirror", "docker://reg.example/{gpu}", expect=2).err)
        self.assertIn("without TLS", self.flense("slim", "docker://nvcr.io/a:1", "--variants", "h100", "--mirror", "http://reg.example", expect=2).err)


if __name__ == "__main__":
    harness.main()
