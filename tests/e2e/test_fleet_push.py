#!/usr/bin/env python3
"""Pushes of an index with images for some GPUs that are killed, that a registry breaks, or that meet another one: the tag
shows the old or the new index, whole. And the workers of examples/fleet, which keep such indexes fresh.

FLENSE_KILLS=200 kills so often."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time
import unittest

import fixtures
import fleets
import harness
import registries
import slurm
import test_batch

KILLS = int(os.environ.get("FLENSE_KILLS", "24"))
EXAMPLES = os.path.join(harness.TOP, "examples/fleet")


def group_lives(group):
    try:
        os.killpg(group, 0)
        return True
    except ProcessLookupError:
        return False


def kill(victim):
    """(process, whether its group goes, too: its skopeo)."""
    process, group = victim
    try:
        if group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except ProcessLookupError:
        pass


@unittest.skipIf(shutil.which("docker-registry") is None, "docker-registry is not installed")
class Pushed(fleets.Fleet):
    def setUp(self):
        super().setUp()
        self.there = self.registry(delete=True)
        self.layers, _ = fixtures.sample_layers(self.work)

    def archive(self, number):
        """Of a release: an image with a layer of its own."""
        path = self.path(f"app-{number}.tar")
        if not os.path.exists(path):
            fixtures.docker_archive(path, [*self.layers, fixtures.Layer().file("etc/release", f"{number}").done()],
                                    [*fixtures.INSTRUCTIONS, "RUN release"])
        return path

    def words(self, number, address=None):
        return ["slim", self.archive(number), "--variants", "h100,a100", "-t", f"docker://{address or self.there.address}/app:1"]

    def shown(self, tag="1"):
        status, headers, _ = registries.get(self.there.address, f"app/manifests/{tag}")
        return headers["Docker-Content-Digest"] if status == 200 else None

    def push(self, number, **more):
        done = self.flense(*self.words(number), "--json", env=self.env, **more)
        self.assertEqual(done.json["digest"], self.shown())
        return self.shown()

    def expected(self, number):
        """The digest of the index that a push of this release brings."""
        out = f"oci:{self.path(f'out-{number}')}:1"
        return self.flense(*self.words(number)[:-2], "-o", out, "--json", "--provenance", "none").json["digest"]

    def assert_whole(self, *allowed):
        self.assertIn(self.shown(), allowed)
        for tag in ("1", "1-sm_90", "1-sm_80"):
            self.assertIn(registries.missing_from(self.there.address, "app", tag), ([], None), tag)

    def start(self, words, errors=subprocess.DEVNULL):
        """In a process group of its own, with its skopeo."""
        env = {**harness.surroundings(), "XDG_CACHE_HOME": self.path("cache"), **self.env}
        return subprocess.Popen([harness.BINARY, *words], env=env, start_new_session=True, stdout=subprocess.DEVNULL,
                                stderr=errors)

    def test_kills_leave_the_tag_whole(self):
        """At any request of a push or shortly after, by a fixed seed; flense alone, whose skopeo lives on, or both."""
        draw = random.Random(28)
        wait = {"requests": 0, "seconds": 0, "victim": None}

        def fault(*_):
            wait["requests"] -= 1
            if wait["requests"] == 0 and wait["seconds"]:
                threading.Timer(wait["seconds"], kill, [wait["victim"]]).start()
            elif wait["requests"] == 0:
                kill(wait["victim"])
        way = self.way(self.there, fault=fault)
        self.push(0)
        self.flense(*self.words(1, way.address), env=self.env)
        requests, counts = len(way.seen), {"killed": 0, "old": 0, "new": 0}
        self.assertGreater(requests, 20)
        for number in range(2, KILLS + 2):
            old, new = self.shown(), self.expected(number)
            process = self.start(self.words(number, way.address))
            wait["victim"] = (process, draw.random() < 0.5)
            wait["seconds"] = draw.choice((0, draw.random() / 20))
            # The later, the nearer to what is shown: a good part of the kills goes there.
            wait["requests"] = draw.randint(1, requests) if draw.random() < 0.6 else draw.randint(requests * 3 // 4, requests)
            process.wait(timeout=60)
            self.assert_whole(old, new)
            end = time.monotonic() + 30
            while group_lives(process.pid):  # skopeo, to its end
                self.assertLess(time.monotonic(), end)
                time.sleep(0.02)
            self.assert_whole(old, new)
            os.remove(self.archive(number))
            shutil.rmtree(self.path(f"out-{number}"))
            counts["killed"] += process.returncode == -signal.SIGKILL
            counts["old" if self.shown() == old else "new"] += 1
        print(f"{KILLS} kills in pushes of some {requests} requests: {counts}", flush=True)
        self.assertGreater(counts["killed"], KILLS * 2 // 3)
        self.assertTrue(counts["old"])
        # Nothing that was left hinders the next one.
        self.assert_whole(self.push(0))

    def test_what_a_registry_breaks(self):
        """At the blobs, at the tag of one image and at the index: the tag shows what it showed, or the new index."""
        old = self.push(0)
        places = {"blob": lambda method, path: method in ("PUT", "PATCH") and "/blobs/" in path,
                  "image": lambda method, path: method == "PUT" and path.endswith("/manifests/1-sm_90"),
                  "index": lambda method, path: method == "PUT" and path.endswith("/manifests/1")}
        way = self.way(self.there)
        for number, (place, fault) in enumerate([("blob", 401), ("image", 429), ("index", "half"), ("index", 500),
                                                 ("blob", "hole"), ("index", "hole")]):
            with self.subTest(place=place, fault=fault):
                way.fault = lambda method, path: fault if places[place](method, path) else None
                # An answer that was lost says nothing of what was done.
                lost = fault == "half"
                allowed = [old, self.expected(number + 1)] if lost else [old]
                self.flense(*self.words(number + 1, way.address), expect=None if lost else 4,
                            env={**self.env, "FLENSE_REGISTRY_TIMEOUT": "1"})
                self.assert_whole(*allowed)
                if self.shown() != old:
                    self.assertEqual(self.push(0), old)
        # What an index was refused for is said; and who says that it was stored has it.
        for answer, said in ((429, "takes no more requests for now"), ((413, [], b""), "takes nothing of that size"),
                             ((201, [], b""), "does not have it afterwards")):
            way.fault = lambda method, path: answer if places["index"](method, path) else None
            self.assertIn(said, self.flense(*self.words(8, way.address), expect=4, env=self.env).err)
            self.assert_whole(old)
        way.fault = lambda *_: "late"
        self.flense(*self.words(9, way.address), env=self.env)
        self.assert_whole(self.expected(9))

    def test_what_comes_from_upstream_is_compared_with_its_digest(self):
        registry = self.registry("up")
        registry.push(f"docker-archive:{self.archive(0)}", "app:1")
        old = self.push(0)
        for place in ("blobs", "manifests"):
            way = self.way(registry, fault=lambda _, path, place=place: "digest" if place in path else None)
            done = self.flense("slim", f"docker://{way.address}/app:1", "--variants", "h100", "-t",
                               f"docker://{self.there.address}/app:1", expect=None,
                               env={**self.env, "FLENSE_CACHE": self.path(place.replace("/", "-"))})
            self.assertEqual((done.status, any(place in path for _, path, _ in way.seen)), (4, True), done.err)
            self.assert_whole(old)

    def test_two_workers_at_a_time(self):
        old, new = self.push(0), self.expected(1)
        said = [open(self.path(f"worker-{number}"), "w+", encoding="utf-8") for number in range(2)]
        workers = [self.start(self.words(1), errors) for errors in said]
        seen = set()
        while any(worker.poll() is None for worker in workers):
            shown = self.shown()
            if shown is None:
                # docker-registry writes a tag's file in place, twice at once here: who reads in between sees none.
                time.sleep(0.3)
                shown = self.shown()
            seen.add(shown)
            self.assertEqual(registries.missing_from(self.there.address, "app", "1"), [])
            time.sleep(0.05)
        for worker, errors in zip(workers, said):
            with errors:
                errors.seek(0)
                # A blob that two upload at once the registry may not know for a moment: who is told so pushes again.
                if worker.returncode != 0:
                    self.assertIn("blob unknown to registry", errors.read())
                    self.flense(*self.words(1), env=self.env)
        self.assertLessEqual(seen, {old, new})
        self.assert_whole(new)

    def test_what_others_push_meanwhile_is_not_overwritten(self):
        """The tag was the original itself, something else, or not there at all."""
        for number, (source, before) in enumerate([("itself", True), ("archive", True), ("archive", False)]):
            for how in ("--variants", "--gpu"):
                with self.subTest(source=source, before=before, how=how):
                    name, asked = f"app{number}-{how[2:]}:1", []
                    if before:
                        self.there.push(f"docker-archive:{self.archive(0)}", name)

                    def fault(method, path, name=name, asked=asked):
                        """At its second question for the tag, which comes after the work, somebody else has pushed."""
                        if method != "GET" or not path.endswith("/manifests/1"):
                            return
                        asked.append(path)
                        if len(asked) == (3 if source == "itself" else 2):
                            self.there.push(f"docker-archive:{self.archive(1)}", name)
                    way = self.way(self.there, fault=fault)
                    original = f"docker://{way.address}/{name}" if source == "itself" else self.archive(0)
                    done = self.flense("slim", original, how, "h100", "-t", f"docker://{way.address}/{name}", expect=4, env=self.env)
                    self.assertIn("since this run began", done.err)
                    theirs = registries.get(self.there.address, name.replace(":", "/manifests/"))[2]
                    self.assertIn(hashlib.sha256(theirs).hexdigest(), done.err)

    def test_an_original_that_moves_between_reading_and_writing(self):
        registry = self.registry("up")
        registry.push(f"docker-archive:{self.archive(0)}", "app:1")

        def fault(method, path):
            """At the first byte that is written, somebody pushes upstream."""
            if method == "POST" and not moved:
                moved.append(path)
                registry.push(f"docker-archive:{self.archive(1)}", "app:1")
        moved, way = [], self.way(self.there, fault=fault)
        self.flense("slim", f"docker://{registry.address}/app:1", "--variants", "h100", "-t", f"docker://{way.address}/app:1",
                    env=self.env)
        self.assertTrue(moved)
        told, = self.status(f"docker://{self.there.address}/app:1", expect=1)["images"]
        self.assertEqual(told["state"], "stale")
        self.assertNotEqual(told["made_from"], told["origin_now"])


class Workers(fleets.Fleet):
    """What examples/fleet holds, run as it stands."""

    def setUp(self):
        super().setUp()
        if shutil.which("docker-registry") is None:
            self.skipTest("docker-registry is not installed")
        self.there = self.registry(delete=True)
        for number in (1, 2):
            self.release(number, "first")
        os.makedirs(self.path("bin"))
        # Each call is written down.
        with open(self.path("bin/flense"), "w") as out:
            out.write(f'#!/bin/sh\necho "$1 $2" >> "{self.path("calls")}"\nexec "{harness.BINARY}" "$@"\n')
        os.chmod(self.path("bin/flense"), 0o755)
        shutil.copy(f"{EXAMPLES}/refresh.sh", self.work)
        with open(self.path("fleet.txt"), "w") as out:
            out.write("# ORIGINAL TAG GPUS\n\n")
            for number in (1, 2):
                out.write(f"docker://{self.there.address}/up/app:{number}\tdocker://{self.there.address}/app:{number}  h100,a100"
                          f"{'' if number == 1 else f' docker://{self.there.address}/{{gpu}}'}\n")
        self.surroundings = {**harness.surroundings(), **self.env, "PATH": f"{self.path('bin')}:{os.environ['PATH']}",
                             "XDG_CACHE_HOME": self.path("cache"), "FLEET": self.path("fleet.txt"), "SCRATCH": self.work,
                             "RECIPES": self.work}

    def release(self, number, text):
        layers, _ = fixtures.sample_layers(self.work)
        path = self.path(f"app-{number}-{text}.tar")
        fixtures.docker_archive(path, [*layers, fixtures.Layer().file("etc/release", text).done()],
                                [*fixtures.INSTRUCTIONS, "RUN release"])
        self.there.push(f"docker-archive:{path}", f"up/app:{number}")

    def calls(self):
        with open(self.path("calls")) as text:
            out = text.read().splitlines()
        os.remove(self.path("calls"))
        return [" ".join(call.split()[:2]) if call.startswith("fleet") else call.split()[0] for call in out]

    def refresh(self, *words, expect=0, command=None):
        done = subprocess.run(command or ["bash", self.path("refresh.sh"), *words], env=self.surroundings, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        self.assertEqual(done.returncode, expect, done.stdout.decode())
        return self.calls() if os.path.exists(self.path("calls")) else []

    def test_only_what_is_old_is_made_anew(self):
        anew = ["fleet status", "slim", "fleet prune", "slim"]  # the first only looks
        self.assertEqual(self.refresh("1"), anew)
        self.assertEqual(self.refresh(), ["fleet status", *anew])
        self.assertEqual(self.refresh(), ["fleet status"] * 2)
        mirrored = f"sm_90/{self.there.address.replace(':', '_')}/up/app"
        self.assertEqual(registries.missing_from(self.there.address, mirrored, "2"), [])
        self.assertIsNone(registries.missing_from(self.there.address, mirrored, "1"))
        self.assertEqual(self.refresh("3", expect=2), [])
        self.release(2, "second")
        # The manifest of Kubernetes does the same, in the environment that it gives.
        with open(f"{EXAMPLES}/refresh-cronjob.yaml") as text:
            cron, = json.loads(subprocess.run(test_batch.READ_YAML, stdin=text, check=True, stdout=subprocess.PIPE).stdout)
        container, = cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        self.assertEqual({variable["name"] for variable in container["env"]} - set(self.surroundings), set())
        self.assertEqual(self.refresh(command=container["command"] + container["args"]), ["fleet status", *anew])
        self.assertEqual({state for _, state in self.states("--from", self.tags(), expect=0)}, {"fresh"})

    def tags(self):
        with open(self.path("tags"), "w") as out:
            out.writelines(f"docker://{self.there.address}/app:{number}\n" for number in (1, 2))
        return self.path("tags")

    def test_what_is_old_goes_before_the_new_is_made(self):
        self.refresh("1")
        self.release(1, "second")
        with open(self.path("bin/flense"), "w") as out:
            out.write(f'#!/bin/sh\ncase "$*" in *--dry-run*) ;; slim*) exit 4 ;; esac\nexec "{harness.BINARY}" "$@"\n')
        self.refresh("1", expect=4)
        for gpu in ("sm_90", "sm_80"):
            self.assertIsNone(registries.missing_from(self.there.address, "app", f"1-{gpu}"))
        index = json.loads(registries.get(self.there.address, "app/manifests/1")[2])
        self.assertEqual(len(index["manifests"]), 1)
        self.assertEqual(registries.missing_from(self.there.address, "app", "1"), [])

    def test_a_line_that_slim_does_not_take_costs_no_image(self):
        self.refresh("1")
        self.release(1, "second")
        start = f"docker://{self.there.address}/up/app:1 docker://{self.there.address}/app:1"
        for line, status in ((f"{start} h100, a100\n", 2), (f"{start} h100,a10O\n", 2), (f"{start}\n", 2), (f"{start} h100 docker://x y z\n", 2)):
            with open(self.path("fleet.txt"), "w") as out:
                out.write(line)
            self.refresh(expect=status)
            self.assertEqual(registries.missing_from(self.there.address, "app", "1-sm_90"), [], line)
        # Line ends of Windows, a comment behind, and no end of the last line.
        with open(self.path("fleet.txt"), "w") as out:
            out.write(f"\r\n# none\r\n{start} h100,a100 # both\r")
        self.refresh()
        self.assertEqual({state for _, state in self.states(f"docker://{self.there.address}/app:1", expect=0)}, {"fresh"})

    def test_one_that_was_killed_is_taken_up_again(self):
        process = subprocess.Popen(["bash", self.path("refresh.sh")], env=self.surroundings, start_new_session=True,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while registries.get(self.there.address, "app/manifests/1-sm_90")[0] != 200:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)
        kill((process, True))
        process.wait()
        self.refresh()
        self.assertEqual({state for _, state in self.states("--from", self.tags(), expect=0)}, {"fresh"})

    def test_of_what_cannot_be_asked_nothing_is_touched(self):
        self.refresh("1")
        self.there.stop()
        self.assertEqual(self.refresh("1", expect=5), ["fleet status"])

    def test_on_slurm(self):
        if os.geteuid() != 0 or slurm.missing():
            self.skipTest("needs root and Slurm")
        os.chmod(self.work, 0o755)
        os.makedirs(self.path("slurm"))
        cluster = slurm.Slurm(self.path("slurm"), environment={"PATH": f"{self.surroundings['PATH']}:/usr/sbin:/sbin"})
        self.addCleanup(cluster.stop)
        exported = ",".join(["ALL", *(f"{name}={self.surroundings[name]}" for name in (*self.env, "XDG_CACHE_HOME", "FLEET", "RECIPES"))])
        job = cluster.submit("--array=1-2", f"--export={exported}", "-o", self.path("job-%a.log"), f"{EXAMPLES}/refresh.sbatch",
                             cwd=self.work)
        self.assertEqual({task["JobState"] for task in cluster.tasks(job)}, {"COMPLETED"}, cluster.logs())
        self.assertEqual({state for _, state in self.states("--from", self.tags(), expect=0)}, {"fresh"})

    def test_the_recipes_are_clean(self):
        self.flense("lint", EXAMPLES)
        with open(f"{EXAMPLES}/refresh-cronjob.yaml") as text:
            self.assertIn("refresh.sh", text.read())


if __name__ == "__main__":
    harness.main()
