#!/usr/bin/env python3
"""Hostile and broken inputs: a clear error and status 3, or a file left as it is with its reason;
never a partial output, never a crash, never a write outside the output."""

import collections
import gzip
import hashlib
import io
import json
import os
import random
import shutil
import struct
import subprocess
import tarfile
import time

import fixtures
import harness
import imagetree


class BadInput(harness.Case):
    def setUp(self):
        super().setUp()
        os.mkdir(self.path("in"))
        self.archive, self.library = fixtures.sample_archive(self.path("in"))

    def refused(self, target, says=".", status=3):
        for command in (["inspect", target], ["slim", target, "--gpu", "sm_90", "-o", f"oci:{self.path('out')}"]):
            result = self.flense(*command, expect=status)
            self.assertRegex(result.err, says)
            self.assertLess(len(result.err), 4000)
        self.assertFalse(os.path.exists(self.path("out")))
        leftovers = [n for n in os.listdir(self.work) if n not in ("in", "cache", os.path.basename(target))]
        self.assertEqual(leftovers, [])

    def archive_of(self, *layers, name="bad.tar"):
        path = self.path(name)
        fixtures.docker_archive(path, layers, ["layer"] * len(layers))
        return path

    def test_truncated_archive(self):
        with open(self.archive, "rb") as source:
            data = source.read()
        for share in (0.01, 0.3, 0.9):
            path = self.path("cut.tar")
            with open(path, "wb") as out:
                out.write(data[:int(len(data) * share)])
            with self.subTest(share):
                self.refused(path)

    def test_a_file_that_is_cut_short_while_it_is_read(self):
        layer = fixtures.Layer()
        layer.file("data", fixtures.noise("cut", 1 << 20) * 120)
        archive = self.archive_of(layer.done(), name="whole.tar")
        draw, ends = random.Random(5), collections.Counter()
        for _ in range(12):
            path = self.path("victim.tar")
            shutil.copy(archive, path)
            process = subprocess.Popen([harness.BINARY, "inspect", "--no-cache", path], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE)
            time.sleep(draw.uniform(0.005, 0.08))
            os.truncate(path, 70_000)
            message = process.communicate(timeout=60)[1].decode()
            ends[process.returncode] += 1
            self.assertIn(process.returncode, (0, 3, 4), message)
            if process.returncode != 0:
                self.assertTrue(message.startswith("error: "), message)
        print(f"ends: {dict(ends)}")
        self.assertTrue(ends[3] + ends[4] > 0)

    def test_flipped_layer_byte_is_a_digest_mismatch(self):
        with open(self.archive, "rb") as source:
            data = bytearray(source.read())
        place = data.index(fixtures.noise("pip", 90_000)[1000:1064])
        data[place] ^= 1
        path = self.path("flipped.tar")
        with open(path, "wb") as out:
            out.write(data)
        self.refused(path, "(?i)digest|sha256")
        # Who does not want to wait for the digests is told what that means.
        told = self.flense("inspect", path, "--no-verify", "--json").json
        self.assertTrue([n for n in told["notices"] if "not verified" in n])
        self.assertFalse([n for n in self.flense("inspect", self.archive, "--json").json["notices"] if "not verified" in n])

    def test_oci_digest_and_size_mismatch(self):
        layout = self.path("in/layout")
        self.run_tool("skopeo", "--insecure-policy", "copy", f"docker-archive:{self.archive}", f"oci:{layout}:1")
        with open(f"{layout}/index.json") as source:
            digest = json.load(source)["manifests"][0]["digest"].partition(":")[2]
        with open(f"{layout}/blobs/sha256/{digest}", "ab") as out:
            out.write(b" ")
        self.refused(layout, "(?i)digest|size|descriptor")

    def test_path_traversal(self):
        outside = self.path("escaped")
        for name, layer in {
                "dots": fixtures.Layer().file("../escaped", "x"),
                "deep dots": fixtures.Layer().folder("a").file("a/../../escaped", "x"),
                "absolute": fixtures.Layer().file(outside, "x"),
                "through a link": fixtures.Layer().symlink("out", self.work).file("out/escaped", "x"),
                "hard link": fixtures.Layer().hardlink("inside", "../../../../etc/passwd")}.items():
            with self.subTest(name):
                path = self.archive_of(layer.done(), name=f"in/{name.replace(' ', '-')}.tar")
                for form in ("oci", "dir"):
                    out = self.path(f"out-{form}-{name.replace(' ', '-')}")
                    result = self.flense("slim", path, "--gpu", "sm_90", "-o", f"{form}:{out}", expect=None)
                    self.assertIn(result.status, (0, 3), result.err)
                self.assertFalse(os.path.lexists(outside), name)

    def test_zip_bomb_is_bounded(self):
        """One gzip layer that claims to be small and unpacks to 40 GiB of zeros."""
        bomb = self.path("in/bomb")
        os.makedirs(f"{bomb}/blobs/sha256")
        tar = io.BytesIO()
        info = tarfile.TarInfo("zeros")
        info.size = 40 << 30
        tar.write(info.tobuf(format=tarfile.GNU_FORMAT))
        block = gzip.compress(b"\0" * (64 << 20), 1)
        # Members follow each other in one gzip file; 1 GiB is enough to see the bound.
        packed = gzip.compress(tar.getvalue()) + block * 16

        def blob(data):
            digest = hashlib.sha256(data).hexdigest()
            with open(f"{bomb}/blobs/sha256/{digest}", "wb") as out:
                out.write(data)
            return {"digest": f"sha256:{digest}", "size": len(data)}
        config = blob(json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {
            "type": "layers", "diff_ids": ["sha256:" + "0" * 64]}}).encode())
        layer = blob(packed)
        manifest = blob(json.dumps({
            "schemaVersion": 2, "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **layer}]}).encode())
        with open(f"{bomb}/index.json", "w") as out:
            json.dump({"schemaVersion": 2, "manifests": [
                {"mediaType": "application/vnd.oci.image.manifest.v1+json", **manifest}]}, out)
        with open(f"{bomb}/oci-layout", "w") as out:
            out.write('{"imageLayoutVersion":"1.0.0"}')
        self.refused(bomb)

    def test_unknown_things(self):
        for name, data in {"noise": fixtures.noise(1, 5000), "empty": b"", "text": b"hello\n" * 100,
                           "zeros": b"\0" * 10240}.items():
            path = self.path(name)
            with open(path, "wb") as out:
                out.write(data)
            with self.subTest(name):
                self.refused(path)
            os.unlink(path)
        self.assertIn(self.flense("inspect", self.path("absent"), expect=None).status, (2, 3, 4))

    def test_unknown_layer_media_type(self):
        layout = self.path("in/encrypted")
        self.run_tool("skopeo", "--insecure-policy", "copy", f"docker-archive:{self.archive}", f"oci:{layout}:1")
        with open(f"{layout}/index.json") as source:
            index = json.load(source)
        old = index["manifests"][0]["digest"].partition(":")[2]
        with open(f"{layout}/blobs/sha256/{old}") as source:
            manifest = json.load(source)
        manifest["layers"][0]["mediaType"] += "+encrypted"
        data = json.dumps(manifest).encode()
        digest = hashlib.sha256(data).hexdigest()
        with open(f"{layout}/blobs/sha256/{digest}", "wb") as out:
            out.write(data)
        index["manifests"][0].update(digest=f"sha256:{digest}", size=len(data))
        with open(f"{layout}/index.json", "w") as out:
            json.dump(index, out)
        self.refused(layout, "encrypted")

    def test_broken_elf_files_stay_as_they_are(self):
        with open(self.library, "rb") as source:
            good = source.read()
        broken = {"cut": good[:len(good) // 2], "header": good[:64]}
        wrapped = bytearray(good)
        struct.pack_into("<Q", wrapped, 32, 2**64 - 8)  # e_phoff
        broken["phoff"] = bytes(wrapped)
        sections = bytearray(good)
        struct.pack_into("<H", sections, 60, 0xFFFE)  # e_shnum
        broken["shnum"] = bytes(sections)
        size = bytearray(good)
        place = size.index(struct.pack("<IHH", 0xBA55ED50, 1, 16))
        struct.pack_into("<Q", size, place + 8, 1 << 62)
        broken["region size"] = bytes(size)
        entry = bytearray(good)
        struct.pack_into("<Q", entry, place + 16 + 8, 1 << 61)
        broken["entry size"] = bytes(entry)
        layer = fixtures.Layer()
        for name, data in broken.items():
            layer.file(f"lib/{name}.so", data)
        path = self.archive_of(layer.done())
        out = self.path("out")
        self.flense("inspect", path)
        self.flense("slim", path, "--gpu", "sm_90", "-o", f"oci:{out}")
        tree = imagetree.merged(imagetree.read_image(out).layers)
        for name, data in broken.items():
            after = tree[f"lib/{name}.so"]["data"]
            # Where the damage is confined to one region the others may be pruned; nothing is lost.
            if len(after) == len(data):
                self.assertEqual(after, data, name)
        for name in ("cut", "header", "phoff", "shnum"):
            self.assertEqual(tree[f"lib/{name}.so"]["data"], broken[name], name)

    def test_usage_errors(self):
        for arguments in (["slim"], ["inspect", self.archive, "--nonsense"], ["frobnicate"],
                          ["slim", self.archive, "--gpu", "sm_90"],
                          ["slim", self.archive, "--gpu", "sm_90", "-o", "oci:x", "--level", "wild"]):
            with self.subTest(arguments):
                self.assertTrue(self.flense(*arguments, expect=2).err)


if __name__ == "__main__":
    harness.main()
