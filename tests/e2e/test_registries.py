#!/usr/bin/env python3
"""What registries answer, or do not answer, is said in one sentence with a next step."""

import base64
import fcntl
import json
import os
import pty
import socket
import struct
import subprocess
import termios
import time

import engines
import fixtures
import harness

# The password is "secret".
HTPASSWD = "user:$2b$05$iWenTgPE60UzC4XWPR.KP.ZLZ2cDbnXRMDZIBCeFfOkZ7UbelBPA."


class Registries(harness.Case):
    def setUp(self):
        super().setUp()
        # Nobody's own logins.
        self.env = {"REGISTRY_AUTH_FILE": self.path("none.json")}

    def registry(self, htpasswd=None):
        registry = engines.Registry(self.path("registry"), htpasswd)
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
