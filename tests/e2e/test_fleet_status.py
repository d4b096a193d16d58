#!/usr/bin/env python3
"""flense fleet status: images for some GPUs in real registries, against what their origins are now; what is asked, and how."""

import base64
import glob
import json
import os
import shutil
import signal
import socket
import time
import unittest

import engines
import fixtures
import fleets
import harness
import registries
import test_registries
import test_sandbox


@unittest.skipIf(shutil.which("docker-registry") is None, "docker-registry is not installed")
class Status(fleets.Fleet):
    def test_what_slim_has_written(self):
        registry = self.registry(delete=True)
        archive, _ = fixtures.sample_archive(self.work)
        registry.push(f"docker-archive:{archive}", "up/app:1")
        upstream, tag = (f"docker://{registry.address}/{name}:1" for name in ("up/app", "app"))
        self.assertEqual(self.states(tag, expect=1), [("app:1", "missing")])
        self.flense("slim", upstream, "--variants", "h100,a100", "-t", tag, env=self.env)
        told = self.status(tag)
        self.assertEqual([one["reference"] for one in told["images"]],
                         [f"{registry.address}/app:1-{gpu}" for gpu in ("sm_90", "sm_80")])
        for one, gpu in zip(told["images"], ("sm_90", "sm_80")):
            self.assertEqual((one["state"], one["listed_in"], one["targets"], one["reason"]), ("fresh", "1", [gpu], ""))
            self.assertEqual(one["origin"], f"{registry.address}/up/app:1")
            self.assertEqual(one["made_from"], one["origin_now"])
            original, own = (sum(layer["size"] for layer in json.loads(registries.get(registry.address, path)[2])["layers"])
                             for path in ("up/app/manifests/1", f"app/manifests/{one['digest']}"))
            self.assertEqual(one["saved_bytes"], original - own)
        self.assertEqual(told["saved_bytes"], sum(one["saved_bytes"] for one in told["images"]))
        self.assertEqual(told["counts"], {"fresh": 2, "stale": 0, "missing": 0, "origin_gone": 0, "unknown": 0})
        # Of a mirror that holds one of them alone, its manifest says the same.
        mirrored = f"{registry.address}/sm_90/docker.io/library/app:1"
        self.run_tool("skopeo", "--insecure-policy", "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false",
                      f"{tag}-sm_90", f"docker://{mirrored}")
        one, = self.status(mirrored)["images"]
        self.assertEqual((one["reference"], one["state"], one["listed_in"], one["targets"]), (mirrored, "fresh", "", ["sm_90"]))
        # The original moves.
        layer = fixtures.Layer().file("etc/new", "new").done()
        fixtures.docker_archive(self.path("new.tar"), [layer], ["RUN new"])
        registry.push(f"docker-archive:{self.path('new.tar')}", "up/app:1")
        for words in ((tag,), (mirrored,)):
            images = self.status(*words, expect=1)["images"]
            self.assertEqual({one["state"] for one in images}, {"stale"})
        self.assertIn(f"{registry.address}/up/app:1 is sha256:", self.fleet("status", tag, expect=1).out)
        # What is mirrored goes, and with it the repository has nothing of that name.
        self.fleet("prune", mirrored, "--stale", "--yes")
        self.assertIsNone(registries.missing_from(registry.address, "sm_90/docker.io/library/app", "1"))
        before = json.loads(registries.get(registry.address, "app/manifests/1")[2])["manifests"]
        self.fleet("prune", tag, "--stale", "--yes")
        self.assertEqual(json.loads(registries.get(registry.address, "app/manifests/1")[2])["manifests"], before[:1])
        self.assertEqual(registries.missing_from(registry.address, "app", "1"), [])
        for gpu in ("sm_90", "sm_80"):
            self.assertIsNone(registries.missing_from(registry.address, "app", f"1-{gpu}"))

    def test_every_state(self):
        registry = self.registry()
        for number in range(1, 8):
            self.plant(registry, number)
        store, address = registry.store, registry.address
        store.put("up/app", "2", fleets.manifest(5))
        self.drop_tag(registry, "up/app", "3")
        self.drop_tag(registry, "app", "4-sm_80")
        store.put("app", "5-sm_90", fleets.manifest(5))
        self.drop_tag(registry, "app", "6")  # its images stand alone now
        store.put("app", "plain", fleets.manifest(6))
        self.drop_tag(registry, "app", "7-sm_90")
        store.put("up/app", "7", fleets.manifest(7))
        wanted = [("1-sm_90", "fresh"), ("1-sm_80", "fresh"), ("2-sm_90", "stale"), ("2-sm_80", "stale"),
                  ("3-sm_90", "origin_gone"), ("3-sm_80", "origin_gone"), ("4-sm_90", "fresh"), ("4-sm_80", "missing"),
                  ("5-sm_90", "missing"), ("5-sm_80", "fresh"), ("6-sm_90", "fresh"), ("6-sm_80", "fresh"),
                  ("7-sm_90", "stale"), ("7-sm_80", "stale")]
        self.assertEqual(sorted(self.states(f"docker://{address}/app", expect=1)),
                         sorted((f"app:{tag}", state) for tag, state in wanted))
        told = {one["reference"]: one["reason"] for one in self.status(f"docker://{address}/app", expect=1)["images"]}
        self.assertEqual(told[f"{address}/app:4-sm_80"], "there is no tag 4-sm_80")
        self.assertEqual(told[f"{address}/app:5-sm_90"], "the tag 5-sm_90 shows another image")
        self.assertEqual(told[f"{address}/app:3-sm_90"], f"{address}/up/app:3 is no more")
        for name, reason in (("app:plain", "it has no images for some GPUs"), ("app:none", "there is no such tag"),
                             ("nothing:1", "there is no such tag"), ("up/app", "no tag has images for some GPUs")):
            one, = self.status(f"docker://{address}/{name}", expect=1)["images"]
            self.assertEqual((one["state"], one["reason"]), ("missing", reason))
        self.assertEqual(self.states(f"docker://{address}/none", expect=5), [("none", "unknown")])
        # From a file, with words beside it; each once.
        with open(self.path("list"), "w") as out:
            out.write(f"# ours\n\ndocker://{address}/app:1  # the first\n  {address}/app:4\ndocker://{address}/app:1\n")
        self.assertEqual(len(self.states("--from", self.path("list"), f"docker://{address}/app:1", expect=1)), 4)
        text = self.fleet("status", "--from", self.path("list"), expect=1).out
        self.assertIn("3 fresh, 1 missing; 4 kB saved\n", text.replace("4.00 kB", "4 kB").replace("4.0 kB", "4 kB"))

    def test_an_original_that_its_result_replaced(self):
        registry = self.registry()
        archive, _ = fixtures.sample_archive(self.work)
        registry.push(f"docker-archive:{archive}", "app:1")
        tag = f"docker://{registry.address}/app:1"
        self.flense("slim", tag, "--variants", "h100", "-t", tag, env=self.env)
        self.assertEqual(self.states(tag, expect=0), [("app:1-sm_90", "fresh")])
        # Its original comes back over it; then another one.
        registry.push(f"docker-archive:{archive}", "app:1")
        for moved, state in ((False, "missing"), (True, "stale")):
            if moved:
                registry.store.put("app", "1", fleets.manifest(5))
            self.assertEqual(self.states(f"docker://{registry.address}/app", expect=1), [("app:1-sm_90", state)])

    def test_an_image_that_does_not_say_where_it_came_from(self):
        registry = self.registry()
        gone = {name: value for name, value in fleets.made_for("sm_90", "x/y:1", fleets.ORIGINAL).items() if "reference" not in name}
        registry.store.put("app", "1-sm_90", fleets.manifest(5, **gone))
        one, = self.status(f"docker://{registry.address}/app:1-sm_90", expect=5)["images"]
        self.assertEqual(one["reason"], "it does not say which tag it was made from")

    def test_logins(self):
        registry = self.registry()
        self.plant(registry)
        # With tokens, at a registry that takes "user", and whose images come from another one.
        way = self.way(registry, login="user:secret")
        name = f"docker://{way.address}/app:1"
        for password, status, state in ((None, 5, "unknown"), ("wrong", 5, "unknown"), ("secret", 0, "fresh")):
            if password:
                self.login(way.address, password)
            images = self.status(name, expect=status)["images"]
            self.assertEqual({one["state"] for one in images}, {state})
            if status:
                self.assertIn("asks for a login, or does not take the one it got", images[0]["reason"])
        asked = [(path, headers.get("Authorization", "")) for _, path, headers in way.seen]
        tokens = [path for path, login in asked if path.startswith("/token") and login.endswith(
            base64.b64encode(b"user:secret").decode())]
        self.assertEqual(tokens, ["/token?service=way%2C%20%22x%22&scope=repository:app:pull"])
        # The password goes to where tokens come from, and nowhere else.
        self.assertEqual({path.split("?")[0] for path, login in asked if login.startswith("Basic")}, {"/token"})
        self.assertLessEqual({login[:8] for path, login in asked if path.startswith("/v2/app/")}, {"Bearer t", ""})

    def test_logins_that_a_program_keeps(self):
        registry = self.registry()
        self.plant(registry)
        way = self.way(registry, login="user:secret")
        programs, asked = self.path("programs"), self.path("asked")
        os.mkdir(programs)
        answers = {"right": 'echo \'{"ServerURL": "x", "Username": "user", "Secret": "secret"}\'', "wrong": 'echo "{"',
                   "none": "echo credentials not found in native keychain; exit 1", "slow": "exec sleep 60",
                   "token": 'echo \'{"Username": "<token>", "Secret": "secret"}\'', "long": "exec yes"}
        for name, answer in answers.items():
            with open(f"{programs}/docker-credential-{name}", "w") as out:
                out.write(f'#!/bin/sh\necho "{name} $1 $(cat)" >>{asked}\n{answer}\n')
            os.chmod(out.name, 0o755)
        # One that does not even read what it is asked.
        with open(f"{programs}/docker-credential-deaf", "w") as out:
            out.write("#!/bin/sh\nexec 0<&-\n" + answers["right"] + "\n")
        os.chmod(out.name, 0o755)
        # Two that do not end: one has closed its output, the other leaves somebody behind who holds it.
        for name, rest in (("closed", "exec 1>&-; exec sleep 60"), ("left", "sleep 60 &")):
            with open(f"{programs}/docker-credential-{name}", "w") as out:
                out.write(f"#!/bin/sh\n{answers['right']}\n{rest}\n")
            os.chmod(out.name, 0o755)
        auth = base64.b64encode(b"user:secret").decode()
        for names, state in (({"credHelpers": {way.address: "right"}, "credsStore": "wrong"}, "fresh"), ({"credsStore": "right"}, "fresh"),
                             ({"credHelpers": {"elsewhere": "right"}}, "unknown"), ({"credHelpers": {way.address: "none"}}, "unknown"),
                             ({"credHelpers": {way.address: "none"}, "auths": {way.address: {"auth": auth}}}, "fresh"),
                             ({"credsStore": "token"}, "unknown"), ({"credsStore": "wrong"}, "unknown"), ({"credsStore": "long"}, "unknown"),
                             ({"credsStore": "deaf"}, "fresh"), ({"credsStore": "closed"}, "fresh"), ({"credsStore": "left"}, "fresh"), ({"credsStore": "slow"}, "unknown"), ({"credsStore": "not-there"}, "unknown"), ({"credsStore": "../right"}, "unknown")):
            open(asked, "w").close()
            with open(self.env["REGISTRY_AUTH_FILE"], "w") as out:
                json.dump(names, out)
            images = self.status(f"docker://{way.address}/app:1", expect=0 if state == "fresh" else 5,
                                 PATH=f"{programs}:{os.environ['PATH']}", FLENSE_REGISTRY_TIMEOUT="3")["images"]
            self.assertEqual({one["state"] for one in images}, {state}, names)
            with open(asked) as lines:
                seen = lines.read().splitlines()
            self.assertLessEqual(len(seen), 1)
            self.assertTrue(all(line.endswith(f" get {way.address}") for line in seen), seen)

    def test_tokens_that_nobody_gives(self):
        registry = self.registry()
        challenge = (401, [("WWW-Authenticate", 'Bearer realm="http://127.0.0.1:9/token",service="x"')], b"{}")
        way = self.way(registry, fault=lambda *_: challenge)
        one, = self.status(f"docker://{way.address}/app:1", expect=5)["images"]
        self.assertEqual(one["reason"], f"{way.address} sends us for a token to where none is had: nothing listens at 127.0.0.1:9")

    def test_passwords_without_tokens(self):
        registry = self.registry(htpasswd=test_registries.HTPASSWD)
        self.plant(registry)
        name = f"docker://{registry.address}/app:1"
        self.assertEqual({state for _, state in self.states(name, expect=5)}, {"unknown"})
        self.login(registry.address, "secret")
        self.assertEqual({state for _, state in self.states(name, expect=0)}, {"fresh"})

    def test_tls_without_trust_is_unknown(self):
        registry = self.registry(tls=True)
        self.plant(registry)
        name = f"docker://{registry.address}/app:1"
        told = self.status(name, expect=5)["images"][0]
        self.assertEqual(told["reason"], f"the certificate of {registry.address} is not trusted here")
        self.states(name, expect=0, SSL_CERT_FILE=self.path("registry/certificate.pem"))

    def test_faults(self):
        """Each at one tag of the origin: it alone is unknown."""
        registry = self.registry()
        for fault, state, reason in (("late", "fresh", ""), ("half", "unknown", "broke off its answer"),
                                     ("digest", "unknown", "another manifest than it says|sends no manifest"), (401, "unknown", "asks for a login"),
                                     (429, "unknown", "takes no more requests for now"), (500, "unknown", "status 500"),
                                     ("hole", "unknown", "did not answer in time")):
            # Of the origin no digest is told by a head, so that its body counts.
            def act(method, path, fault=fault):
                return (405 if method == "HEAD" and fault in ("half", "digest") else fault) if path.endswith("/manifests/1") else None
            way = self.way(registry, fault=act)
            self.plant(registry, 1, origin_at=way.address, repository="app")
            self.plant(registry, 2, repository="app")
            start = time.monotonic()
            images = self.status(f"docker://{registry.address}/app:1", f"docker://{registry.address}/app:2",
                                 expect=5 if reason else 0, FLENSE_REGISTRY_TIMEOUT="1")["images"]
            self.assertLess(time.monotonic() - start, 10)
            with self.subTest(fault=fault):
                self.assertEqual([one["state"] for one in images], [state] * 2 + ["fresh"] * 2)
                self.assertRegex(images[0]["reason"], reason or "^$")

    def test_a_registry_that_never_answers_is_asked_once(self):
        registry = self.registry()
        for number in range(1, 9):
            self.plant(registry, number)
        way = self.way(registry, fault=lambda *_: "hole")
        start = time.monotonic()
        names = [f"docker://{way.address}/app:{number}" for number in range(1, 9)]
        images = self.status(*names, f"docker://{registry.address}/app:1", expect=5, FLENSE_REGISTRY_TIMEOUT="1")["images"]
        self.assertLess(time.monotonic() - start, 8)
        self.assertEqual([one["state"] for one in images], ["unknown"] * 8 + ["fresh"] * 2)
        self.assertLessEqual(len(way.seen), 2)
        # Nor one that is not there, or refuses.
        images = self.status("docker://127.0.0.1:9/app:1", "docker://no-such-host.invalid/app:1", expect=5)["images"]
        self.assertEqual(images[0]["reason"], "nothing listens at 127.0.0.1:9")
        self.assertIn("no-such-host.invalid", images[1]["reason"])

    def test_who_takes_no_more_is_asked_no_more(self):
        registry = self.registry()
        way = self.way(registry, fault=lambda method, path: 429 if "manifests" in path else None)
        with open(self.path("list"), "w") as out:
            out.writelines(f"docker://{way.address}/app:{number}\n" for number in range(500))
        images = self.status("--from", self.path("list"), expect=5)["images"]
        self.assertEqual({one["reason"] for one in images}, {f"{way.address} takes no more requests for now"})
        # What was said before the first answer was read.
        self.assertLess(len(way.seen), 250)

    def test_four_at_a_time(self):
        registry = self.registry()
        for number in range(40):
            self.plant(registry, number)
        way = self.way(registry, fault=lambda *_: time.sleep(0.01))
        with open(self.path("list"), "w") as out:
            out.writelines(f"docker://{way.address}/app:{number}\n" for number in range(40))
        self.status("--from", self.path("list"))
        self.assertEqual(way.most, 4)

    def test_a_thousand_references(self):
        registry = self.registry()
        for number in range(500):
            self.plant(registry, number)
        self.flense("fleet", "status", f"docker://{registry.address}/app:0", env=self.env)
        with open(self.path("list"), "w") as out:
            out.writelines(f"docker://{registry.address}/app:{number}\n" for number in range(500))
        start = time.monotonic()
        told = self.status("--from", self.path("list"))
        took = time.monotonic() - start
        self.assertEqual(told["counts"]["fresh"], 1000)
        self.assertEqual(told["saved_bytes"], 1_000_000)
        print(f"1,000 images of 500 tags: {took:.2f} s", flush=True)
        # The goal is 5 s; a machine that does other things beside takes longer.
        self.assertLess(took, 15)

    def test_all_pages_of_a_list_are_read(self):
        registry = self.registry()
        plain = registry.store.put("app", "plain", fleets.manifest(1))
        for number in range(1050):
            registry.store.tag("app", f"plain-{number}", plain)
        self.plant(registry, 7, gpus=("sm_90",))
        self.assertEqual(self.states(f"docker://{registry.address}/app", expect=0), [("app:7-sm_90", "fresh")])

    def test_wrong_requests(self):
        for words, hint in ((("status",), "no image is named"), (("status", "docker://X/"), "is no image of a registry"),
                            (("status", "oci:out"), "is no image of a registry"),
                            (("status", f"docker://r.example/app@{fleets.ORIGINAL}"), "names a digest"),
                            (("status", "--yes", "docker://r.example/app"), "--yes belongs to fleet prune"),
                            (("clean",), "fleet has no action 'clean'")):
            self.assertIn(hint, self.flense("fleet", *words, expect=2).err)
        self.flense("fleet", "status", "--from", self.path("none"), expect=3)
        err = self.flense("fleet", "status", "docker://127.0.0.1:9/app:1", expect=4, env={"PATH": "/nonexistent"}).err
        self.assertIn("curl is not installed", err)
        self.assertIn("hint: install curl", err)


@unittest.skipIf(shutil.which("docker-registry") is None, "docker-registry is not installed")
@unittest.skipUnless(test_sandbox.support()["landlock"] and test_sandbox.support()["seccomp"], "this kernel has no sandbox")
class Confined(test_sandbox.Sandbox):
    def test_answers_are_read_in_the_sandbox_and_no_secret_stands_in_a_command_line(self):
        registry = engines.Registry(self.path("registry"))
        self.addCleanup(registry.stop)
        way = registries.Way(registry.address, login="user:secret",
                             fault=lambda _, path: "hole" if "manifests" in path else None)
        self.addCleanup(way.stop)
        secret = base64.b64encode(b"user:secret").decode()
        with open(self.path("logins.json"), "w") as out:
            json.dump({"auths": {way.address: {"auth": secret}}}, out)
        process = self.start("fleet", "status", f"docker://{way.address}/app:1",
                             env={"REGISTRY_AUTH_FILE": self.path("logins.json"), "FLENSE_REGISTRY_TIMEOUT": "4"})
        self.reaches(process, test_sandbox.CONFINED)
        end = time.time() + 8
        while not any("manifests" in path for _, path, _ in way.seen):
            self.assertLess(time.time(), end)
            time.sleep(0.02)
        lines = []
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                with open(path, "rb") as text:
                    lines.append(text.read().decode(errors="replace").split("\0"))
            except OSError:
                pass
        curl = [line for line in lines if line[0].endswith("/curl")]
        self.assertIn(["-q", "--fail-early", "-K", "-", ""], [line[1:] for line in curl])
        self.assertFalse([line for line in lines if secret in " ".join(line)])
        # The confined process has never read the file of logins.
        with open(f"/proc/{process.pid}/environ", "rb") as text:
            self.assertNotIn(secret.encode(), text.read())
        status, _, err = self.finish(process)
        self.assertEqual(status, 5, err)

    def test_a_signal_ends_it_and_what_it_started(self):
        with socket.create_server(("127.0.0.1", 0)) as hole:
            process = self.start("fleet", "status", f"docker://127.0.0.1:{hole.getsockname()[1]}/app:1")
            asked, _ = hole.accept()  # and nothing is answered
            self.addCleanup(asked.close)
            started = self.children(process.pid)
            self.assertEqual(len(started), 2)
            process.terminate()
            status, out, err = self.finish(process)
        self.assertEqual((status, out), (-signal.SIGTERM, ""), err)
        end = time.time() + 8
        while any(os.path.exists(f"/proc/{pid}") for pid in started):
            self.assertLess(time.time(), end, started)
            time.sleep(0.02)

    @staticmethod
    def children(pid):
        """The broker, and its curl."""
        found = {int(pid)}
        for _ in range(2):
            for path in glob.glob("/proc/[0-9]*/stat"):
                try:
                    with open(path) as text:
                        fields = text.read().rsplit(")", 1)[1].split()
                except OSError:
                    continue
                if int(fields[1]) in found:
                    found.add(int(path.split("/")[2]))
        return found - {int(pid)}


if __name__ == "__main__":
    harness.main()
