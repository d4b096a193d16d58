#!/usr/bin/env python3
"""The cache of inventories: the same answer without reading, never an old answer for new bytes, whole
or absent whatever happens, and `flense cache` tells and clears it."""

import json
import os
import random
import signal
import subprocess
import time

import fixtures
import harness
import schema

SETTLE = 2.2  # seconds that a file rests before its times say whether it has changed


class Cache(harness.Case):
    def setUp(self):
        super().setUp()
        self.input, _ = fixtures.sample_archive(self.work)
        self.place = self.path("cache/flense/inventories")

    def inspect(self, *options, **more):
        return self.flense("inspect", self.input, "--json", *options, **more).json

    def entries(self):
        return sorted(os.listdir(self.place)) if os.path.isdir(self.place) else []

    def unmarked(self, report):
        return {key: value for key, value in report.items() if key != "reading"}

    def cache(self, *arguments, **more):
        document = self.flense("cache", *arguments, "--json", **more).json
        self.assertEqual(schema.complaints(document, "flense/cache/v1"), [])
        return document

    def test_the_same_answer_without_reading(self):
        time.sleep(SETTLE)
        for options in ([], ["--gpu", "sm_90"], ["--gpu", "sm_80", "--level", "safe", "--keep-ptx"]):
            first = self.inspect(*options)
            second = self.inspect(*options)
            self.assertEqual(first["reading"], {"cached_layers": 0, "verified": True})
            self.assertEqual(second["reading"]["cached_layers"], len(first["layers"]))
            self.assertTrue(second["reading"]["verified"])
            self.assertRegex(second["reading"]["since"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
            self.assertEqual(self.unmarked(first), self.unmarked(second))
            self.assertEqual(schema.complaints(second, "flense/inventory/v1"), [])
            read = self.inspect(*options, "--no-cache")
            self.assertEqual(read, first)
        text = self.flense("inspect", self.input).out
        self.assertIn("from the cache", text)
        self.assertNotIn("from the cache", self.flense("inspect", self.input, "--no-cache").out)

    def test_a_changed_archive_is_read(self):
        time.sleep(SETTLE)
        first = self.inspect()
        state = os.stat(self.input)
        with open(self.input, "r+b") as data:
            content = data.read()
            at = content.index(b"PRETTY_NAME") if b"PRETTY_NAME" in content else content.index(b"\x7fELF") + 64
            data.seek(at)
            data.write(bytes([content[at] ^ 1]))
        os.utime(self.input, ns=(state.st_atime_ns, state.st_mtime_ns))
        result = self.flense("inspect", self.input, expect=3)
        self.assertIn("digest", result.err)
        # Without verification the question is about what the digests name; that is said.
        by_digest = self.inspect("--no-verify")
        self.assertFalse(by_digest["reading"]["verified"])
        self.assertEqual(by_digest["reading"]["cached_layers"], len(first["layers"]))
        self.assertTrue([n for n in by_digest["notices"] if "not verified" in n])

    def test_what_was_not_verified_is_not_kept(self):
        time.sleep(SETTLE)
        self.inspect("--no-verify")
        self.assertEqual(self.entries(), [])
        self.inspect("--no-cache")
        self.assertEqual(self.entries(), [])

    def test_slim_does_not_ask_the_cache(self):
        time.sleep(SETTLE)
        self.inspect("--gpu", "sm_90")
        before = self.entries()
        with open(self.input, "r+b") as data:
            data.seek(len(data.read()) // 2)
            data.write(b"damaged")
        self.flense("slim", self.input, "--gpu", "sm_90", "-o", "oci:" + self.path("out"), expect=3)
        self.assertEqual(self.entries(), before)

    def test_places(self):
        elsewhere = self.path("elsewhere")
        self.inspect(env={"FLENSE_CACHE": elsewhere})
        self.assertTrue(os.listdir(elsewhere + "/inventories"))
        job = self.path("job")
        os.mkdir(job)
        self.inspect(env={"SLURM_TMPDIR": job})
        self.assertTrue(os.listdir(job + "/flense/inventories"))
        self.assertEqual(self.entries(), [])
        state = os.stat(elsewhere + "/inventories")
        self.assertEqual(state.st_mode & 0o777, 0o700)
        for name in os.listdir(elsewhere + "/inventories"):
            self.assertEqual(os.stat(f"{elsewhere}/inventories/{name}").st_mode & 0o777, 0o600)

    def test_places_that_cannot_be_used_cost_nothing(self):
        report = self.inspect("--no-cache")
        with open(self.path("file"), "w"):
            pass
        os.mkdir(self.path("open"))
        os.mkdir(self.path("open/inventories"))
        os.chmod(self.path("open/inventories"), 0o777)
        for place in (self.path("file"), self.path("file") + "/below", self.path("open"), "/proc/nothing"):
            for _ in range(2):
                self.assertEqual(self.inspect(env={"FLENSE_CACHE": place}), report)
            told = self.flense("inspect", self.input, "-v", env={"FLENSE_CACHE": place})
            self.assertIn("notice: no cache there", told.err)
            self.assertEqual(self.flense("inspect", self.input, env={"FLENSE_CACHE": place}).err, "")
            self.flense("cache", "ls", env={"FLENSE_CACHE": place}, expect=4)
        self.assertEqual(os.listdir(self.path("open/inventories")), [])
        # Nothing fits: nothing is kept, nothing fails.
        self.assertEqual(self.inspect(env={"FLENSE_CACHE_MAX": "0"}), report)
        self.assertEqual(self.entries(), [])
        self.flense("inspect", self.input, env={"FLENSE_CACHE_MAX": "much"}, expect=2)

    def archive_of(self, name, members):
        layer = fixtures.Layer()
        for path, content in members:
            layer.file(path, content)
        fixtures.docker_archive(self.path(name), [layer.done()], ["RUN " + name])
        return self.path(name)

    def test_limit(self):
        small = {"FLENSE_CACHE_MAX": "16KiB"}
        kept = set()
        for number in range(8):
            archive = self.archive_of(f"{number}.tar", [(f"opt/{number}", b"x")])
            self.flense("inspect", archive, env=small)
            listed = self.cache("ls", env=small)
            self.assertEqual(listed["max_bytes"], 16384)
            self.assertLessEqual(sum((e["bytes"] + 4095) // 4096 * 4096 for e in listed["entries"]), 16384)
            kept |= {e["name"] for e in listed["entries"]}
        self.assertTrue(self.entries())
        self.assertGreater(len(kept), len(self.entries()))

    def test_damage(self):
        time.sleep(SETTLE)
        first = self.inspect()
        draw = random.Random(20260101)
        for name in self.entries():
            path = os.path.join(self.place, name)
            with open(path, "rb") as data:
                content = bytearray(data.read())
            how = draw.randrange(3)
            if how == 0:
                content = content[:draw.randrange(len(content))]
            elif how == 1:
                content[draw.randrange(len(content))] ^= 0x55
            else:
                content = bytearray(draw.randbytes(500))
            with open(path, "wb") as data:
                data.write(content)
        damaged = self.cache("verify", expect=1)
        self.assertEqual(sorted(damaged["damaged"]), self.entries())
        self.assertEqual(self.unmarked(self.inspect()), self.unmarked(first))
        again = self.inspect()
        self.assertEqual(again["reading"]["cached_layers"], len(first["layers"]))
        self.assertEqual(self.cache("verify")["damaged"], [])

    def test_ls_prune_verify(self):
        empty = self.cache("ls")
        self.assertEqual((empty["entries"], empty["bytes"]), ([], 0))
        time.sleep(SETTLE)
        report = self.inspect()
        listed = self.cache("ls")
        self.assertEqual(listed["directory"], self.place)
        self.assertEqual(listed["bytes"], sum(os.path.getsize(os.path.join(self.place, n)) for n in self.entries()))
        layers = [e for e in listed["entries"] if e["kind"] == "layer"]
        self.assertEqual({e["what"].split(" of ")[0] for e in layers}, {l["diff_id"] for l in report["layers"]})
        self.assertTrue(all(self.input in e["what"] for e in listed["entries"]))
        text = self.flense("cache", "ls").out
        self.assertIn("LAST USE", text)
        self.assertIn(report["layers"][0]["diff_id"], text)
        self.assertEqual(self.cache("verify")["checked"], len(listed["entries"]))

        self.assertEqual(self.cache("prune", "--older-than", "1h")["removed"], 0)
        old = os.path.join(self.place, layers[0]["name"] + ".layer")
        os.utime(old, (time.time() - 40 * 86400,) * 2)
        self.assertEqual(self.cache("prune", "--older-than", "30d")["removed"], 1)
        self.assertFalse(os.path.exists(old))
        self.cache("prune", "--max-size", "8KiB")
        self.assertLessEqual(len(self.entries()), 2)
        gone = self.cache("prune", "--all")
        self.assertEqual(gone["bytes"], 0)
        self.assertEqual(self.entries(), [])
        self.assertEqual(self.cache("prune")["removed"], 0)
        for wrong in (["drop"], ["ls", "--all"], ["verify", "--max-size", "1"], ["prune", "--older-than", "1"],
                      ["prune", "--older-than", "x d"], ["prune", "--max-size", "much"], []):
            self.flense("cache", *wrong, expect=2)

    def test_kill(self):
        """Whenever a run is killed, what it leaves is whole entries or nothing that counts."""
        time.sleep(SETTLE)
        first = self.unmarked(self.inspect())
        started = time.monotonic()
        self.inspect("--no-cache")
        seconds = time.monotonic() - started
        draw = random.Random(20260102)
        interrupted = 0
        for _ in range(int(os.environ.get("FLENSE_KILLS", "20"))):
            self.flense("cache", "prune", "--all")
            process = subprocess.Popen([harness.BINARY, "inspect", self.input],
                                       env={**harness.surroundings(), "XDG_CACHE_HOME": self.path("cache")},
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(draw.uniform(0, seconds * 1.1))
            process.send_signal(signal.SIGKILL)
            interrupted += process.wait() == -signal.SIGKILL
            self.assertEqual(self.cache("verify")["damaged"], [])
            self.assertEqual(self.unmarked(self.inspect()), first)
        self.assertGreater(interrupted, 3)

    def test_a_dying_writer_leaves_no_entry(self):
        """Killed by its file-size limit in the middle of writing an entry."""
        time.sleep(SETTLE)
        wide = self.archive_of("wide.tar", [(f"opt/{fixtures.noise(i, 20).hex()}", b"") for i in range(2000)])
        done = subprocess.run(["sh", "-c", f"ulimit -f 2; exec {harness.BINARY} inspect {wide}"], check=False,
                              env={**harness.surroundings(), "XDG_CACHE_HOME": self.path("cache")}, stdout=subprocess.PIPE)
        self.assertEqual(done.returncode, -signal.SIGXFSZ)
        left, = self.entries()
        self.assertTrue(left.startswith(".new-"))
        self.assertEqual(self.cache("ls")["entries"], [])
        # What it left is cleared away once no writer can still be at it.
        old = time.time() - 7200
        os.utime(os.path.join(self.place, left), (old, old))
        self.flense("inspect", wide)
        self.assertNotIn(left, self.entries())
        self.assertEqual(self.cache("verify")["damaged"], [])

    def test_eight_at_once(self):
        time.sleep(SETTLE)
        expected = self.unmarked(self.inspect("--no-cache"))
        for limit in ("1GiB", "20KiB"):
            self.flense("cache", "prune", "--all")
            env = {**harness.surroundings(), "XDG_CACHE_HOME": self.path("cache"), "FLENSE_CACHE_MAX": limit}
            for _ in range(2):
                running = [subprocess.Popen([harness.BINARY, "inspect", self.input, "--json"], env=env,
                                            stdout=subprocess.PIPE) for _ in range(8)]
                for process in running:
                    out, _ = process.communicate(timeout=600)
                    self.assertEqual(process.returncode, 0)
                    self.assertEqual(self.unmarked(json.loads(out)), expected)
            self.assertEqual(self.cache("verify")["damaged"], [])
            self.assertEqual([n for n in self.entries() if n.startswith(".new")], [])


if __name__ == "__main__":
    harness.main()
