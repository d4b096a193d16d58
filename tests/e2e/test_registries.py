#!/usr/bin/env python3
"""What registries answer, or do not answer, is said in one sentence with a next step."""

import base64
import json
import os
import socket
import subprocess
import threading
import time

import engines
import fixtures
import harness

# The password is "secret".
HTPASSWD = "user:$2b$05$iWenTgPE60UzC4XWPR.KP.ZLZ2cDbnXRMDZIBCeFfOkZ7UbelBPA."


class SlowWay:
    """A port of this machine that hands on to `address`, at most `rate` bytes a second each way."""

    def __init__(self, address, rate):
        self.target, self.rate = tuple(address.split(":")), rate
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                here, _ = self.listener.accept()
            except OSError:
                return
            there = socket.create_connection(self.target)
            threading.Thread(target=self.serve, args=(here, there), daemon=True).start()

    def serve(self, here, there):
        with here, there:
            back = threading.Thread(target=self.hand_on, args=(there, here), daemon=True)
            back.start()
            self.hand_on(here, there)
            back.join()

    def hand_on(self, a, b):
        try:
            while data := a.recv(16384):
                b.sendall(data)
                time.sleep(len(data) / self.rate)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class Registries(harness.Case):
    def setUp(self):
        super().setUp()
        # Nobody's own logins.
        self.env = {"REGISTRY_AUTH_FILE": self.path("none.json")}

    def registry(self, htpasswd=None, tls=False):
        registry = engines.Registry(self.path("registry"), htpasswd, tls)
        self.addCleanup(registry.stop)
        return registry

    def login(self, registry, password):
        with open(self.env["REGISTRY_AUTH_FILE"], "w") as out:
            json.dump({"auths": {registry.address: {
                "auth": base64.b64encode(f"user:{password}".encode()).decode()}}}, out)

    def says(self, *arguments, **more):
        done = self.flense(*arguments, expect=4, env={**self.env, **more})
        self.assertNotIn("skopeo:", done.err)
        self.assertEqual(done.out, "")
        return done.err

    def pushed(self, registry, name="app:1"):
        archive, _ = fixtures.sample_archive(self.work)
        registry.push(f"docker-archive:{archive}", name)
        return archive

    def test_what_is_not_there(self):
        registry = self.registry()
        self.pushed(registry)
        err = self.says("inspect", f"docker://{registry.address}/app:2")
        self.assertIn(f"error: {registry.address} has no image {registry.address}/app:2\n", err)
        self.assertIn(f'"skopeo list-tags docker://{registry.address}/app"', err)
        err = self.says("inspect", f"docker://{registry.address}/nothing/here:1")
        self.assertIn(f"{registry.address}/nothing/here", err)
        self.assertIn("hint: look at the name", err)
        self.assertIn("error: nothing listens at 127.0.0.1:9 (connection refused)\nhint: ",
                      self.says("inspect", "docker://127.0.0.1:9/app:1"))
        self.assertRegex(self.says("inspect", "docker://no-such-host.invalid/app:1"), "(no host|DNS).*invalid")

    def test_a_tag_and_a_digest_together(self):
        registry = self.registry()
        self.pushed(registry)
        digest = json.loads(self.run_tool("skopeo", "inspect", "--tls-verify=false",
                                          f"docker://{registry.address}/app:1"))["Digest"]
        name = f"docker://{registry.address}/app:1@{digest}"
        told = self.flense("inspect", name, "--json", env=self.env).json
        self.assertEqual(told["target"], name)

    def test_what_was_just_pulled_is_read_once(self):
        registry = self.registry()
        self.pushed(registry)
        first, second = (self.flense("inspect", f"docker://{registry.address}/app:1", "--json", env=self.env).json for _ in range(2))
        self.assertEqual([one["reading"]["cached_layers"] for one in (first, second)], [0, len(first["layers"])])
        self.assertEqual({**second, "reading": None}, {**first, "reading": None})

    def test_the_configuration_alone_is_asked_for_once(self):
        registry = self.registry()
        self.pushed(registry)
        with open(self.path("registry/log")) as log:
            log.seek(0, os.SEEK_END)
            self.flense("check", "--config-only", f"docker://{registry.address}/app:1", "--requirements", env=self.env)
            asked = [line.split('"')[1].split()[1] for line in log if '"GET /v2/app/' in line]
        self.assertEqual([path.split("/")[3] for path in asked], ["manifests", "blobs"], asked)

    def test_logins(self):
        registry = self.registry(HTPASSWD)
        name = f"docker://{registry.address}/app:1"
        self.assertIn(f'hint: "skopeo login {registry.address}"', self.says("inspect", name))
        self.login(registry, "wrong")
        self.assertIn(f'hint: "skopeo login {registry.address}"', self.says("inspect", name))
        # A push is refused before anything of the image is read: this one could not be.
        archive, _ = fixtures.sample_archive(self.work)
        with open(archive, "r+b") as file:
            file.truncate(os.path.getsize(archive) - 60_000)
        err = self.says("slim", archive, "--gpu", "sm_90", "-t", name)
        self.assertIn(f"asking {name} whether it takes a push", err)
        self.assertIn("skopeo login", err)
        os.unlink(archive)
        archive, _ = fixtures.sample_archive(self.work)
        self.login(registry, "secret")
        self.flense("slim", archive, "--gpu", "sm_90", "-t", name, env=self.env)
        self.flense("inspect", name, env=self.env)

    def test_asking_before_a_push_writes_nothing(self):
        registry = self.registry()
        self.flense("slim", "/nonexistent.tar", "--gpu", "sm_90", "-t", f"docker://{registry.address}/app:1",
                    expect=3, env=self.env)
        self.assertEqual(sum(len(files) for _, _, files in os.walk(self.path("registry/data"))), 0)

    def on_terminal(self, *arguments):
        """What flense draws on a terminal of 200 columns."""
        env = {**harness.surroundings(), **self.env, "XDG_CACHE_HOME": self.path("cache"), "TERM": "xterm"}
        status, drawn = harness.on_terminal([harness.BINARY, *arguments], 200, stdout=subprocess.DEVNULL, env=env)
        self.assertEqual(status, 0, drawn[-2000:])
        return drawn.decode()

    def test_pulls_and_pushes_show_how_far_they_are(self):
        registry = self.registry()
        layer = fixtures.Layer()
        layer.file("opt/noise", fixtures.noise(7, 12_000_000))
        archive = self.path("noise.tar")
        fixtures.docker_archive(archive, [layer.done()], ["COPY noise"])
        slow = SlowWay(registry.address, 2_000_000)
        self.addCleanup(slow.listener.close)
        moving = r"  +\d+ %  \d[\d.]* [kM]B of 12\.0 MB  \d[\d.]* [kM]B/s  0:0\d left"
        name = f"docker://{slow.address}/app:1"
        self.assertRegex(self.on_terminal("slim", archive, "--gpu", "sm_90", "-t", name),
                         f"pushing to {name}{moving}")
        self.assertRegex(self.on_terminal("inspect", name), f"pulling {slow.address}/app:1{moving}")

    def test_the_certificate_of_this_machine_counts_as_any(self):
        registry = self.registry(tls=True)
        archive = self.pushed(registry)
        name = f"docker://{registry.address}/app:1"
        hint = f"hint: put the certificate of your authority at /etc/containers/certs.d/{registry.address}/ca.crt"
        self.assertIn(hint, self.says("inspect", name))
        self.assertIn(hint, self.says("slim", archive, "--gpu", "sm_90", "-t", name))
        trusted = {**self.env, "SSL_CERT_FILE": self.path("registry/certificate.pem")}
        self.flense("inspect", name, env=trusted)
        self.flense("slim", archive, "--gpu", "sm_90", "-t", name, env=trusted)

    def test_another_platform_is_told_of_the_image_that_was_asked_for(self):
        registry = self.registry()
        self.pushed(registry)
        name = f"docker://{registry.address}/app:1"
        err = self.flense("inspect", name, "--platform", "linux/arm64", expect=3, env=self.env).err
        self.assertIn(f"error: {name} has no image for linux/arm64; it has linux/amd64\n", err)

    def test_a_registry_that_never_answers(self):
        with socket.socket() as hole:
            hole.bind(("127.0.0.1", 0))
            hole.listen(8)
            name = f"docker://127.0.0.1:{hole.getsockname()[1]}/app:1"
            start = time.monotonic()
            err = self.says("inspect", name, FLENSE_REGISTRY_TIMEOUT="1")
            self.assertLess(time.monotonic() - start, 20)
            self.assertIn("did not answer for 1 s\nhint: ", err)
            self.assertIn("FLENSE_REGISTRY_TIMEOUT", err)
        self.flense("inspect", name, expect=2, env={**self.env, "FLENSE_REGISTRY_TIMEOUT": "soon"})


if __name__ == "__main__":
    harness.main()
