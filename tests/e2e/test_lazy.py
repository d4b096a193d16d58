#!/usr/bin/env python3
"""Layers that can be pulled lazily: to every other engine they are the gzip layers that they would have been, with a
table of contents that holds for every chunk. tests/oracle/estargz.py asks the reference implementation."""

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
import zlib

import engines
import fixtures
import harness
import imagetree

TOC_DIGEST = "containerd.io/snapshot/stargz/toc.digest"
TAR_SIZE = "io.containers.estargz.uncompressed-size"
ADDED = ["stargz.index.json", ".no.prefetch.landmark"]


def odd_layer():
    layer = fixtures.Layer()
    layer.folder("srv", 0o1770, uid=7, gid=8)
    layer.file("srv/empty", b"")
    for size in ((4 << 20) - 1, 4 << 20, (4 << 20) + 1, 9 << 20):
        layer.file(f"srv/{size}", fixtures.noise(size, 70_000) * (size // 70_000) + bytes(size % 70_000), 0o640,
                   xattrs={"user.size": str(size).encode()})
    layer.file("srv/" + "long" * 60, "long", 0o4755, uid=1_000)
    layer.symlink("srv/link", "empty")
    layer.hardlink("srv/again", f"srv/{4 << 20}")
    layer.folder("opt/opaque", 0o700)
    layer.opaque("opt/opaque")
    layer.whiteout("usr/share/doc/demo/changelog.gz")
    return layer.done()


def manifest_of(layout):
    def read(name):
        with open(os.path.join(layout, name), "rb") as data:
            return data.read()
    index = json.loads(read("index.json"))
    return json.loads(imagetree.checked(read, index["manifests"][0])), read


class Lazy(harness.Case):
    def setUp(self):
        super().setUp()
        layers, _ = fixtures.sample_layers(self.work)
        self.layers = [*layers, odd_layer()]
        self.input = self.path("input.tar")
        fixtures.docker_archive(self.input, self.layers, [f"RUN step {i}" for i in range(len(self.layers))])

    def slim(self, name, *options, source=None, **more):
        output = name if ":" in name else "oci:" + self.path(name)
        result = self.flense("slim", source or self.input, "--gpu", "sm_90", "-o", output, *options, **more)
        return result if more.get("expect") else self.path(name)

    def check_layer(self, blob, annotations, landmark=".no.prefetch.landmark"):
        """Against the specification: footer, table of contents, every chunk. The number of chunks."""
        footer = blob[-51:]
        self.assertEqual(footer[:16], bytes([31, 139, 8, 4, 0, 0, 0, 0, 0, 255, 26, 0]) + b"SG" + bytes([22, 0]))
        self.assertEqual(footer[32:], b"STARGZ" + bytes([1, 0, 0, 255, 255]) + bytes(8))
        index = tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob[int(footer[16:32], 16):-51])))
        text = index.extractfile("stargz.index.json").read()
        self.assertEqual(annotations[TOC_DIGEST], "sha256:" + hashlib.sha256(text).hexdigest())
        whole = gzip.decompress(blob)
        self.assertEqual(annotations[TAR_SIZE], str(len(whole)))
        tar = tarfile.open(fileobj=io.BytesIO(whole))
        entries = json.loads(text)["entries"]
        self.assertEqual([one["name"].rstrip("/") for one in entries if one["type"] != "chunk"],
                         tar.getnames()[:-1])
        self.assertIn(landmark, tar.getnames())
        chunks = 0
        for entry in entries:
            if entry["type"] == "reg":
                content = tar.extractfile(entry["name"]).read()
                self.assertEqual(entry["digest"], "sha256:" + hashlib.sha256(content).hexdigest())
            if "offset" not in entry:
                continue
            begin = entry.get("chunkOffset", 0)
            size = entry.get("chunkSize", len(content) - begin)
            data = zlib.decompressobj(31).decompress(blob[entry["offset"]:], size)
            self.assertEqual(data, content[begin:begin + size])
            self.assertEqual(entry["chunkDigest"], "sha256:" + hashlib.sha256(data).hexdigest())
            chunks += 1
        return chunks

    def check(self, layout, **more):
        """The number of layers that can be pulled lazily."""
        manifest, read = manifest_of(layout)
        lazy = [one for one in manifest["layers"] if "annotations" in one]
        for one in lazy:
            self.check_layer(imagetree.checked(read, one), one["annotations"], **more)
        return len(lazy)

    def assert_same_tree(self, layout, plain):
        tree, other = (imagetree.merged(imagetree.read_image(path).layers) for path in (layout, plain))
        for name in [*ADDED, ".prefetch.landmark"]:
            tree.pop(name, None)
        self.assertEqual(imagetree.difference(tree, other), ([], [], []))

    def test_every_layer_is_what_it_was_with_a_table_of_contents(self):
        lazy, plain = self.slim("lazy", "--compression", "estargz:3"), self.slim("plain", "--compression", "gzip:3")
        self.assertEqual(self.check(lazy), len(self.layers))
        self.assert_same_tree(lazy, plain)
        manifest, _ = manifest_of(lazy)
        self.assertEqual({one["mediaType"] for one in manifest["layers"]},
                         {"application/vnd.oci.image.layer.v1.tar+gzip"})
        # Layers that nothing was cut from as well, and again with the same bytes.
        self.assertEqual(harness.digest_tree(lazy), harness.digest_tree(self.slim("again", "--compression", "estargz:3")))
        with open(lazy + ".provenance.json") as text:
            self.assertEqual(json.load(text)["options"]["compression"], "estargz")

    def test_one_processor_makes_the_same_bytes(self):
        lazy = self.slim("lazy", "--compression", "estargz")
        command = ["taskset", "-c", "0", harness.BINARY, "slim", self.input, "--gpu", "sm_90", "-o",
                   "oci:" + self.path("one"), "--compression", "estargz"]
        self.run_tool(*command, env={**harness.surroundings(), "XDG_CACHE_HOME": self.path("cache")})
        self.assertEqual(harness.digest_tree(lazy), harness.digest_tree(self.path("one")))

    def test_engines_see_gzip_layers(self):
        roots = [engines.umoci_unpack(self.slim(kind, "--compression", kind), self.path("bundle-" + kind))
                 for kind in ("estargz", "gzip")]
        names = [{os.path.relpath(os.path.join(folder, name), root): os.lstat(os.path.join(folder, name)).st_mode
                  for folder, folders, files in os.walk(root) for name in folders + files} for root in roots]
        for name in ADDED:
            self.assertEqual(names[0].pop(name) & 0o777, 0o444)
        self.assertEqual(names[0], names[1])
        for name, mode in names[0].items():
            if mode & 0o170000 == 0o100000:
                self.assertEqual(*(harness.file_digest(os.path.join(root, name)) for root in roots))

    def test_a_registry_keeps_the_annotations(self):
        registry = engines.Registry(self.path("registry"))
        self.addCleanup(registry.stop)
        target = f"docker://{registry.address}/app:lazy"
        self.flense("slim", self.input, "--gpu", "sm_90", "-t", target, "--compression", "estargz")
        told = subprocess.run(["skopeo", "inspect", "--raw", "--tls-verify=false", target], check=True,
                              stdout=subprocess.PIPE)
        self.assertTrue(all(TOC_DIGEST in one["annotations"] for one in json.loads(told.stdout)["layers"]))

    def test_what_is_lazy_already_stays(self):
        lazy = self.slim("lazy", "--compression", "estargz")
        before, _ = manifest_of(lazy)
        for options in ((), ("--compression", "gzip"), ("--compression", "estargz:9")):
            again = self.slim("again" + "".join(options).replace(":", ""), *options, source="oci:" + lazy)
            self.assertEqual(manifest_of(again)[0]["layers"], before["layers"])
        self.flense("inspect", "oci:" + lazy)
        self.flense("check", "oci:" + lazy, "--gpu", "h100", "--driver", "570.1", expect=None)

    def test_an_old_table_does_not_outlive_the_layer(self):
        lazy = self.slim("lazy", "--compression", "estargz", "--level", "safe")
        plain = self.slim("plain", "--compression", "gzip", "--level", "safe")
        for kind in ("gzip", "zstd", "none", "estargz"):
            cut = self.slim("cut-" + kind, "--compression", kind, "--level", "aggressive", "--drop-vendor",
                            source="oci:" + lazy)
            manifest, _ = manifest_of(cut)
            image = imagetree.read_image(cut)
            old = imagetree.read_image(lazy)
            changed = 0
            for one, layer in zip(manifest["layers"], image.layers, strict=True):
                names = tarfile.open(fileobj=io.BytesIO(layer)).getnames()
                if layer in old.layers:
                    continue
                changed += 1
                wanted = 1 if kind == "estargz" else 0
                self.assertEqual([names.count(name) for name in ADDED], [wanted, wanted], kind)
                self.assertEqual("annotations" in one, kind == "estargz")
            self.assertGreater(changed, 0)
        self.check(self.path("cut-estargz"))
        squashed = self.slim("squashed", "--squash", source="oci:" + lazy)
        self.assertEqual(set(imagetree.merged(imagetree.read_image(squashed).layers)) & set(ADDED), set())
        self.assert_same_tree(squashed, self.slim("straight", "--squash", source="oci:" + plain))

    def test_with_split_and_squash_and_several_images(self):
        plain = self.slim("plain")
        split = self.slim("split", "--compression", "estargz:1", "--split", "2MiB")
        self.assertGreater(self.check(split), len(self.layers))
        self.assert_same_tree(split, plain)
        squashed = self.slim("squashed", "--compression", "estargz:1", "--squash")
        self.assertEqual(self.check(squashed), 1)
        self.assert_same_tree(squashed, plain)
        both = self.slim("both", "--compression", "estargz:1", "--squash", "--split", "2MiB")
        self.assertGreater(self.check(both), 4)
        self.assert_same_tree(both, plain)
        # The parts of a lazy layer are not what its table of contents says.
        parts = self.slim("parts", "--split", "2MiB", source="oci:" + self.slim("lazy", "--compression", "estargz:1"))
        for one, layer in zip(manifest_of(parts)[0]["layers"], imagetree.read_image(parts).layers, strict=True):
            names = tarfile.open(fileobj=io.BytesIO(layer)).getnames()
            self.assertEqual("annotations" in one, ADDED[0] in names)
        second = self.path("second.tar")
        fixtures.docker_archive(second, self.layers[:-1], [f"RUN step {i}" for i in range(len(self.layers) - 1)])
        self.flense("slim", self.input, second, "--gpu", "sm_90", "-o", self.path("fleet"), "--compression", "estargz:1")
        first, other = (self.path(f"fleet/{name}") for name in ("input", "second"))
        self.assertEqual(self.check(first), len(self.layers))
        self.assertEqual(manifest_of(other)[0]["layers"][:2], manifest_of(first)[0]["layers"][:2])

    def test_what_a_trace_opened_comes_first(self):
        with open(self.path("trace"), "w", encoding="utf-8") as out:
            out.write(f"/srv/{4 << 20}\n/srv/again\n/srv\n/not/there\n")
        options = ("--compression", "estargz:1", "--trace-file", self.path("trace"))
        first, plain = self.slim("first", *options), self.slim("plain")
        self.assert_same_tree(first, plain)
        image = imagetree.read_image(first)
        self.assertNotIn("dev.flense.traced", image.labels)
        landmarks = []
        for one, layer in zip(manifest_of(first)[0]["layers"], image.layers, strict=True):
            names = tarfile.open(fileobj=io.BytesIO(layer)).getnames()
            landmarks.append(".prefetch.landmark" if ".prefetch.landmark" in names else ".no.prefetch.landmark")
            with open(os.path.join(first, "blobs/sha256", one["digest"][7:]), "rb") as data:
                self.check_layer(data.read(), one["annotations"], landmarks[-1])
        self.assertEqual(landmarks, [".no.prefetch.landmark"] * (len(landmarks) - 1) + [".prefetch.landmark"])
        self.assertEqual(names[:4], ["srv", f"srv/{4 << 20}", "srv/again", ".prefetch.landmark"])
        self.assertEqual(harness.digest_tree(first), harness.digest_tree(self.slim("again", *options)))
        split = self.slim("split", *options, "--split", "5MiB")
        self.assert_same_tree(split, plain)
        squashed = self.slim("squashed", *options, "--squash")
        self.assert_same_tree(squashed, plain)
        self.assertEqual(self.check(squashed, landmark=".prefetch.landmark"), 1)
        for wrong in (("--trace", "true"), ("--compression", "gzip", "--trace-file", self.path("trace")),
                      (*options, "--trace-decides")):
            self.slim("never", *wrong, expect=2)

    def test_layers_that_have_no_table(self):
        odd = []
        twice = fixtures.Layer()
        twice.file("a", "")
        twice.file("a", "", 0o600)
        odd.append((twice.done(), "it holds a twice"))
        behind = fixtures.Layer()
        behind.folder("usr", 0o755)
        behind.symlink("lib", "usr")
        behind.file("lib/x", "x")
        odd.append((behind.done(), "lies below lib"))
        latin = fixtures.Layer()
        latin.file("caf\udce9", "x")
        odd.append((latin.done(), "no UTF-8"))
        nowhere = fixtures.Layer()
        nowhere.hardlink("b", "not/there")
        odd.append((nowhere.done(), "which is not in it"))
        fixtures.docker_archive(self.input, [one for one, _ in odd], [f"RUN step {i}" for i in range(len(odd))])
        result = self.flense("slim", self.input, "--gpu", "sm_90", "-o", "oci:" + self.path("odd"), "--compression",
                             "estargz")
        self.assertEqual(self.check(self.path("odd")), 0)
        for _, why in odd:
            self.assertIn(why, result.out)
        image = imagetree.read_image(self.path("odd"))
        self.assertEqual(image.layers, [one for one, _ in odd])

    def test_where_it_makes_no_sense(self):
        for output in ("docker-archive:" + self.path("never.tar"), self.path("never.tar"), "dir:" + self.path("never"),
                       "squashfs:" + self.path("never"), "sif:" + self.path("never")):
            result = self.slim(output if ":" in output else "docker-archive:" + output, "--compression", "estargz",
                               expect=2)
            self.assertIn("oci:DIR", result.err)
        for target in ("docker-daemon:app:1", "containers-storage:app:1"):
            result = self.flense("slim", self.input, "--gpu", "sm_90", "-t", target, "--compression", "estargz", expect=2)
            self.assertIn("registries", result.err)
        for word in ("estargz:0", "estargz:10", "estargz:"):
            self.slim("never", "--compression", word, expect=2)
        os.makedirs(self.path("tree/srv"))
        self.flense("slim", self.path("tree"), "--gpu", "sm_90", "-o", self.path("never"), "--compression", "estargz",
                    expect=2)
        self.assertFalse([name for name in os.listdir(self.work) if name.startswith("never")])


if __name__ == "__main__":
    harness.main()
