#!/usr/bin/env python3
"""How slim packs: split layers give the tree of the whole one in every engine, levels are heeded, results repeat."""

import io
import json
import os
import shutil
import tarfile

import engines
import fixtures
import harness
import imagetree

SIZE = 1 << 20


def heavy_layer():
    """4 MB with all that splitting must keep: hard links, folder modes and owners, whiteouts, links, xattrs."""
    layer = fixtures.Layer()
    layer.folder("srv", 0o711, uid=7, gid=8, mtime=1_500_000_000)
    for name in ("one", "two", "three"):
        layer.folder(f"srv/{name}", 0o2750, uid=70, gid=80, mtime=1_400_000_000)
        for part in range(4):
            layer.file(f"srv/{name}/{part}", fixtures.noise(part + len(name), 300_000), 0o640, uid=70,
                       xattrs={"user.note": f"{name}{part}".encode()})
    layer.symlink("srv/link", "one/0")
    layer.hardlink("srv/three/again", "srv/one/0")
    layer.folder("srv/empty", 0o1777)
    layer.folder("opt/opaque", 0o700)
    layer.file("opt/opaque/new", "new")
    layer.opaque("opt/opaque")
    layer.whiteout("usr/share/doc/demo/changelog.gz")
    return layer.done()


class Packing(harness.Case):
    def setUp(self):
        super().setUp()
        layers, _ = fixtures.sample_layers(self.work)
        self.input = self.path("input.tar")
        fixtures.docker_archive(self.input, [*layers, heavy_layer()], [f"RUN step {i}" for i in range(len(layers) + 1)])

    def slim(self, name, *options, form="oci", **more):
        self.flense("slim", self.input, "--gpu", "sm_90", "-o", f"{form}:{self.path(name)}", *options, **more)
        return self.path(name)

    def tree(self, path, form="oci"):
        return imagetree.merged(imagetree.read_image(path, form).layers)

    def test_split_layers_give_the_same_tree(self):
        whole = self.slim("whole")
        for form, reader in (("oci", "oci"), ("oci-archive", "oci"), ("docker-archive", "docker")):
            split = self.slim("split-" + form, "--split", "1MiB", form=form)
            image = imagetree.read_image(split, reader)
            self.assertEqual(imagetree.difference(self.tree(whole), imagetree.merged(image.layers)), ([], [], []))
            self.assertGreater(len(image.layers), 7)
            for layer in image.layers:
                with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
                    members = tar.getmembers()
                # No part is far larger than asked for, and links find their content in it.
                files = [one.size for one in members if one.isreg()]
                self.assertTrue(sum(files) <= SIZE or len(files) == 1, files)
                names = {one.name for one in members}
                for one in members:
                    if one.islnk():
                        self.assertIn(one.linkname, names)
            history = [one for one in image.config["history"] if not one.get("empty_layer")]
            self.assertEqual(len(history), len(image.layers))
            self.assertIn("part 2 of ", json.dumps(history))

    def test_untouched_small_layers_keep_their_digest(self):
        whole, split = (imagetree.read_image(self.slim(name, *options), "oci")
                        for name, options in (("whole", ()), ("split", ("--split", "2MiB"))))
        small = [diff_id for diff_id, layer in zip(whole.diff_ids, whole.layers) if len(layer) <= 2 << 20]
        self.assertTrue(small)
        self.assertEqual([one for one in small if one not in split.diff_ids], [])

    def test_split_is_deterministic(self):
        options = ("--split", "1MiB", "--compression", "zstd:5")
        first, second = self.slim("first", *options), self.slim("second", *options)
        self.assertEqual(harness.digest_tree(first), harness.digest_tree(second))

    def test_squashed_and_split(self):
        split = self.slim("split", "--squash", "--split", "1MiB")
        squashed = self.slim("squashed", "--squash")
        self.assertEqual(imagetree.difference(self.tree(squashed), self.tree(split)), ([], [], []))
        self.assertGreater(len(imagetree.read_image(split).layers), 4)

    def test_engines_take_split_layers(self):
        split = self.slim("split", "--split", "1MiB", "--compression", "gzip:1")
        whole = self.slim("whole")
        roots = [engines.umoci_unpack(path, self.path("bundle-" + str(i))) for i, path in enumerate((whole, split))]
        # Folders that a layer adds to without naming them get the time of unpacking.
        states = []
        for root in roots:
            state = {}
            for folder, folders, files in os.walk(root):
                for name in folders + files:
                    path = os.path.join(folder, name)
                    status = os.lstat(path)
                    state[os.path.relpath(path, root)] = (
                        status.st_mode, status.st_size if name in files else 0, status.st_uid, status.st_gid,
                        int(status.st_mtime) if name in files or "/srv" in path else None,
                        os.readlink(path) if os.path.islink(path) else harness.file_digest(path)
                        if os.path.isfile(path) else None)
            states.append(state)
        self.assertEqual(sorted(set(states[0].items()) ^ set(states[1].items())), [])
        one, again = (os.lstat(os.path.join(roots[1], name)) for name in ("srv/one/0", "srv/three/again"))
        self.assertEqual(one.st_ino, again.st_ino)
        if shutil.which("podman"):
            archive = self.slim("split.tar", "--split", "1MiB", form="docker-archive")
            plain = self.slim("plain.tar", form="docker-archive")
            podman = engines.Podman(self.path("podman"), "vfs")
            probe = ["/bin/sh", "-c", "cd /srv && ls -lnR . && find . -type f | sort | while read f; do sha256sum $f; done"]
            said = [podman.run(podman.load(path), probe) for path in (plain, archive)]
            self.assertEqual(said[0], said[1])
            self.assertIn("drwxr-s---", said[1])

    def test_levels(self):
        sizes = {}
        for word in ("zstd:1", "zstd:19", "gzip:1", "gzip:9", "none", "zstd"):
            path = self.slim("out-" + word.replace(":", "-"), "--compression", word)
            sizes[word] = sum(os.path.getsize(os.path.join(path, "blobs/sha256", one))
                              for one in os.listdir(os.path.join(path, "blobs/sha256")))
        self.assertLess(sizes["zstd:19"], sizes["zstd:1"])
        self.assertLess(sizes["gzip:9"], sizes["gzip:1"])
        self.assertLess(sizes["gzip:1"], sizes["none"])
        old = self.slim("old", "--compression", "zstd", "--compression-level", "19")
        self.assertEqual(harness.digest_tree(old), harness.digest_tree(self.path("out-zstd-19")))

    def test_wrong_words(self):
        for options in (("--compression", "zstd:0"), ("--compression", "zstd:20"), ("--compression", "gzip:10"),
                        ("--compression", "none:1"), ("--compression", "lz4"), ("--compression", "zstd:"),
                        ("--compression", "zstd:3", "--compression-level", "3"), ("--split", "12"),
                        ("--split", "many")):
            self.slim("never", *options, expect=2)
            self.assertFalse(os.path.exists(self.path("never")))
        self.flense("slim", self.input, "--gpu", "sm_90", "-o", "dir:" + self.path("never"), "--split", "1MiB", expect=2)

    def test_engines_take_no_more_than_127_layers(self):
        layer = fixtures.Layer()
        for i in range(128):
            layer.file(f"data/{i}", bytes(1_000_000))
        fixtures.docker_archive(self.input, [layer.done()], ["RUN"])
        result = self.flense("slim", self.input, "--gpu", "sm_90", "-o", "oci:" + self.path("never"), "--split", "1MiB",
                             expect=2)
        self.assertIn("at most 127", result.err)
        self.assertFalse(os.path.exists(self.path("never")))

    def test_what_cannot_be_split_stays_whole(self):
        layer = fixtures.Layer()
        layer.file("data/a", fixtures.noise(1, 900_000)).file("data/b", fixtures.noise(2, 900_000))
        layer.file("data/a", fixtures.noise(3, 10))
        fixtures.docker_archive(self.input, [layer.done()], ["RUN"])
        result = self.flense("slim", self.input, "--gpu", "sm_90", "--no-modify-vendor", "--level", "safe", "-o",
                             "oci:" + self.path("out"), "--split", "1MiB", "--keep", "**")
        self.assertIn("was not split: it holds data/a twice", result.out)
        self.assertEqual(len(imagetree.read_image(self.path("out")).layers), 1)


if __name__ == "__main__":
    harness.main()
