#!/usr/bin/env python3
"""Several images in one run, a base that stays, and file systems instead of images."""

import json
import os
import shutil
import subprocess
import time
import unittest

import fixtures
import harness
import imagetree
import schema


def own_layer(name):
    layer = fixtures.Layer()
    layer.folder("app")
    layer.file("app/" + name, fixtures.noise(len(name), 50_000))
    layer.file("root/.cache/pip/" + name, fixtures.noise(3, 40_000))
    return layer.done()


class Fleet(harness.Case):
    def setUp(self):
        super().setUp()
        self.shared, _ = fixtures.sample_layers(self.work)
        self.images = [self.image(name) for name in ("first", "second", "third-one")]

    def image(self, name, layers=None):
        path = self.path(name + ".tar")
        layers = layers or [*self.shared, own_layer(name)]
        fixtures.docker_archive(path, layers, [f"RUN step {i}" for i in range(len(layers))], tag=f"test/{name}:1")
        return path

    def slim(self, *options, expect=0):
        return self.flense("slim", *options, "--gpu", "sm_90", expect=expect)

    def test_each_image_is_what_it_is_alone(self):
        for form, reader, suffix in (("oci", "oci", ""), ("docker-archive", "docker", ".tar")):
            out = self.path("out-" + form)
            document = self.slim(*self.images, "-o", f"{form}:{out}", "--json", "--compression", "gzip").json
            self.assertEqual(schema.complaints(document, "flense/slim-fleet/v1"), [])
            for path, report in zip(self.images, document["images"], strict=True):
                self.assertEqual(schema.complaints(report, "flense/slim/v1"), [])
                name = os.path.basename(path).removesuffix(".tar")
                alone = self.path(f"alone-{form}-{name}{suffix}")
                single = self.slim(path, "-o", f"{form}:{alone}", "--json", "--compression", "gzip").json
                self.assertEqual(single["output_digest"], report["output_digest"])
                self.assertEqual((single["passes"], single["layers"]), (report["passes"], report["layers"]))
                together = os.path.join(out, name + suffix)
                self.assertEqual(imagetree.read_image(together, reader).diff_ids,
                                 imagetree.read_image(alone, reader).diff_ids)
            # Three shared layers, in two further images.
            self.assertEqual(document["layers_taken_over"], 6)
            self.assertEqual(document["before"]["distinct_layers"], 6)
            self.assertEqual(document["after"]["distinct_layers"], 6)
            stored = {one["digest_after"]: one["size_bytes_after"] for report in document["images"]
                      for one in report["layers"]}
            self.assertEqual(document["after"]["stored_bytes"], sum(stored.values()))
            self.assertEqual(document["after"]["unpacked_bytes"],
                             sum(report["unpacked_bytes_after"] for report in document["images"]))

    def test_shared_blobs_are_one_file(self):
        out = self.path("out")
        self.slim(*self.images, "-o", out)
        layers = json.loads(self.run_tool("skopeo", "inspect", f"oci:{out}/first"))["Layers"]
        inodes = [{os.stat(os.path.join(out, name, "blobs/sha256", one.removeprefix("sha256:"))).st_ino
                   for name in ("first", "second", "third-one")} for one in layers[:3]]
        self.assertEqual([len(one) for one in inodes], [1, 1, 1])
        self.assertTrue(os.path.exists(os.path.join(out, "second.provenance.json")))

    def test_what_one_image_hides_stays_in_the_others(self):
        # The upper layer overwrites the library of a shared one: there, and only there, it is shadowed.
        upper = fixtures.Layer()
        upper.file("opt/first-name", "shorter")
        upper.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\napp:x:1:1::/:/bin/sh\n")
        other = self.image("other", [*self.shared, upper.done()])
        out = self.path("out")
        self.slim(self.images[0], other, "-o", out)
        for name, path in (("first", self.images[0]), ("other", other)):
            before = imagetree.merged(imagetree.read_image(path, "docker").layers)
            after = imagetree.merged(imagetree.read_image(os.path.join(out, name)).layers)
            for kept in ("etc/passwd", "bin/busybox", "etc/os-release"):
                self.assertEqual(before[kept], after[kept])
            self.assertNotIn("root/.cache/pip/http", after)

    def test_split_and_shared(self):
        self.slim(*self.images, "-o", self.path("out"), "--split", "1MiB")
        for path in self.images:
            name = os.path.basename(path).removesuffix(".tar")
            self.slim(path, "-o", self.path("alone-" + name), "--split", "1MiB")
            self.assertEqual(imagetree.read_image(os.path.join(self.path("out"), name)).diff_ids,
                             imagetree.read_image(self.path("alone-" + name)).diff_ids)

    def test_wrong_requests(self):
        for options in (("-t", "docker-daemon:x:1"), ("--in-place",), ("-o", "dir:x"), ("-o", "squashfs:x"),
                        ("-o", "x", "--squash"), ("-o", "x", "--plan", "p.json"), ()):
            self.slim(*self.images, *options, expect=2)
        same = self.path("again")
        os.mkdir(same)
        shutil.copy(self.images[0], same)
        self.assertIn("two images would be written as 'first'",
                      self.slim(self.images[0], os.path.join(same, "first.tar"), "-o", self.path("x"), expect=2).err)
        self.assertIn("Totals", self.slim(*self.images, "--dry-run").out)

    def test_a_base_stays_as_it_is(self):
        base = self.image("base", self.shared)
        before = imagetree.read_image(self.images[0], "docker")
        self.slim(self.images[0], "-o", self.path("out"), "--keep-base", base, "--compression", "zstd")
        after = imagetree.read_image(self.path("out"))
        count = len(self.shared)
        self.assertEqual(after.diff_ids[:count], before.diff_ids[:count])
        self.assertEqual(after.layers[:count], before.layers[:count])
        self.assertNotEqual(after.diff_ids[count:], before.diff_ids[count:])
        tree = imagetree.merged(after.layers)
        self.assertIn("root/.cache/pip/http", tree)
        self.assertNotIn("root/.cache/pip/first", tree)
        manifest = json.loads(self.run_tool("skopeo", "inspect", "--raw", "oci:" + self.path("out")))
        self.assertEqual([one["digest"] for one in manifest["layers"][:count]], before.diff_ids[:count])
        # With the same base kept, both can be slimmed together.
        self.slim(*self.images[:2], "-o", self.path("both"), "--keep-base", base)
        self.assertIn("is not built on", self.slim(self.images[0], "-o", self.path("x"), "--keep-base", self.images[1],
                                                   expect=2).err)

    @unittest.skipUnless(shutil.which("tar2sqfs"), "tar2sqfs is not installed")
    def test_squashfs(self):
        image = self.image("odd", [*self.shared, own_layer("odd"), fixtures.Layer().folder(
            "srv", 0o2750, uid=7, gid=9).file("srv/x", "x", 0o4711, uid=5, gid=6,
                                              xattrs={"user.note": b"n"}).hardlink("srv/y", "srv/x").done()])
        for options in ((), ("--compression", "gzip:9"), ("--compression", "zstd:19")):
            self.slim(image, "-o", "squashfs:" + self.path("one.sqsh"), *options)
            time.sleep(1.1)  # so that a time of the run would show
            self.flense("slim", image, "--gpu", "sm_90", "-o", "squashfs:" + self.path("two.sqsh"), *options,
                        env={"SOURCE_DATE_EPOCH": "1"})
            self.assertEqual(harness.file_digest(self.path("one.sqsh")), harness.file_digest(self.path("two.sqsh")))
            self.slim(image, "-o", self.path("image"), "--squash")
            # unsquashfs and flense's own reader see the tree of the squashed image.
            self.run_tool("unsquashfs", "-d", self.path("root"), "-n", self.path("one.sqsh"))
            tree = imagetree.merged(imagetree.read_image(self.path("image")).layers)
            for path, state in tree.items():
                real = os.path.join(self.path("root"), path)
                status = os.lstat(real)
                if state["type"] != "2":
                    self.assertEqual((status.st_mode & 0o7777, status.st_uid, status.st_gid),
                                     (state["mode"], state["uid"], state["gid"]), path)
                if state["type"] == "0":
                    self.assertEqual(harness.file_digest(real), state["sha256"], path)
                    self.assertEqual(int(status.st_mtime), state["mtime"], path)
            found = {os.path.relpath(os.path.join(folder, name), self.path("root"))
                     for folder, folders, files in os.walk(self.path("root")) for name in files}
            self.assertEqual(found, {path for path, state in tree.items() if state["type"] != "5"})
            self.assertEqual(os.lstat(self.path("root")).st_mode & 0o7777, 0o755)
            self.assertEqual(os.lstat(self.path("root/srv/x")).st_ino, os.lstat(self.path("root/srv/y")).st_ino)
            difference = self.flense("diff", "oci:" + self.path("image"), self.path("one.sqsh"), "--json").json
            self.assertEqual([one for one in difference["files"]["largest"] if one["how"] != "added"], [])
            for name in ("one.sqsh", "two.sqsh"):
                os.remove(self.path(name))
            for name in ("image", "root"):
                shutil.rmtree(self.path(name))
            for name in ("one.sqsh", "two.sqsh", "image"):
                os.remove(self.path(name + ".provenance.json"))
        self.slim(image, "-o", "squashfs:" + self.path("no"), "--compression", "none", expect=2)
        self.assertEqual([name for name in os.listdir(self.work) if "stage" in name], [])

    def test_squashfs_without_the_tool(self):
        tools = self.path("bin")
        os.mkdir(tools)
        done = subprocess.run([harness.BINARY, "slim", self.images[0], "--gpu", "sm_90", "-o",
                               "squashfs:" + self.path("x.sqsh")], env={**harness.surroundings(), "PATH": tools},
                              check=False, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 4)
        self.assertIn(b"squashfs-tools-ng", done.stderr)
        self.assertFalse(os.path.exists(self.path("x.sqsh")))

    def test_sif_is_built_from_an_oci_archive(self):
        tools = self.path("bin")
        os.mkdir(tools)
        path = f"{tools}:{os.environ['PATH']}"
        # What the builder is handed must be an image that others read; its own work is not ours to test.
        with open(os.path.join(tools, "apptainer"), "w") as script:
            script.write("#!/bin/sh\n[ $# = 3 ] && [ $1 = build ] || exit 9\nskopeo inspect \"$3\" > \"$2\"\n")
        os.chmod(os.path.join(tools, "apptainer"), 0o755)
        self.flense("slim", self.images[0], "--gpu", "sm_90", "-o", "sif:" + self.path("x.sif"), env={"PATH": path})
        with open(self.path("x.sif")) as told:
            self.assertEqual(len(json.load(told)["Layers"]), len(self.shared) + 1)
        with open(os.path.join(tools, "apptainer"), "w") as script:
            script.write("#!/bin/sh\necho half > \"$2\"; echo broken >&2; exit 3\n")
        failed = self.flense("slim", self.images[0], "--gpu", "sm_90", "-o", "sif:" + self.path("y.sif"),
                             env={"PATH": path}, expect=4)
        self.assertIn("broken", failed.err)
        self.assertFalse(os.path.exists(self.path("y.sif")))
        if not shutil.which("apptainer") and not shutil.which("singularity"):
            missing = self.flense("slim", self.images[0], "--gpu", "sm_90", "-o", "sif:" + self.path("z.sif"), expect=4)
            self.assertIn("squashfs:FILE", missing.err)


if __name__ == "__main__":
    harness.main()
