#!/usr/bin/env python3
"""verify believes no record: a reason that does not fit the file, and what layers, documents and tables say of an
image beside its files."""

import gzip
import hashlib
import io
import json
import os
import shutil
import struct
import tarfile
import unittest

import fixtures
import harness
from test_verify import LIBRARY, RECORD, SITE, Image, section

MARKER = "usr/share/flense/slim.json"


def names(path):
    """Names of the members of each layer, by position."""
    with tarfile.open(path) as archive:
        manifest, = json.load(archive.extractfile("manifest.json"))
        layers = [archive.extractfile(name).read() for name in manifest["Layers"]]
    return [[info.name.removeprefix("./") for info in tarfile.open(fileobj=io.BytesIO(layer))] for layer in layers]


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Layout:
    """An OCI layout whose documents are written anew, digests and all."""

    def __init__(self, folder):
        self.folder = folder
        with open(folder + "/index.json") as text:
            self.index = json.load(text)
        self.manifest = json.loads(self.blob(self.index["manifests"][0]["digest"]))
        self.config = json.loads(self.blob(self.manifest["config"]["digest"]))

    def blob(self, name):
        with open(f"{self.folder}/blobs/sha256/{name[7:]}", "rb") as data:
            return data.read()

    def put(self, data):
        with open(f"{self.folder}/blobs/sha256/{digest(data)[7:]}", "wb") as out:
            out.write(data)
        return {"digest": digest(data), "size": len(data)}

    def write(self):
        self.manifest["config"].update(self.put(json.dumps(self.config).encode()))
        self.index["manifests"][0].update(self.put(json.dumps(self.manifest).encode()))
        with open(self.folder + "/index.json", "w") as out:
            json.dump(self.index, out)


class VerifyReasons(harness.Case):
    def setUp(self):
        super().setUp()
        self.input, self.library = fixtures.sample_archive(self.work)

    def slim(self, *options, name="slim", form="docker-archive", source=None):
        out = self.path(name)
        self.flense("slim", source or self.input, "--gpu", "sm_90", "-o", f"{form}:{out}", *options)
        return out

    def told(self, target, record=None, against=None, expect=1, options=()):
        """(path, what) of each difference."""
        more = ("--record", record) if record else ()
        answer = self.flense("verify", target, "--against", against or self.input, "--json", *more, *options,
                             expect=expect).json
        return {(one["path"], one["what"]) for one in answer["differences"]}

    def planted(self, plant, path, what, base="slim", against=None):
        image = Image(self.path(base))
        with open(self.path(base) + ".provenance.json") as text:
            record = json.load(text)
        plant(image, record)
        image.write(self.path("planted.tar"))
        with open(self.path("planted.json"), "w") as out:
            json.dump(record, out)
        found = self.told(self.path("planted.tar"), self.path("planted.json"), against)
        self.assertIn((path, what), found)

    def edit(self, record, path, action, reason, new_path="", source=None):
        places = names(source or self.input)
        layer, = [i for i, one in enumerate(places) if path in one][-1:]
        edits = record["plan"]["layers"][layer]["edits"]
        place = len(places[layer]) - 1 - places[layer][::-1].index(path)
        edits[:] = sorted([one for one in edits if one["position"] != place] +
                          [{"position": place, "action": action, "pass": reason, "path": path, "new_path": new_path,
                            "bytes_before": 1, "bytes_after": 0}], key=lambda one: one["position"])

    def drop(self, path, reason):
        def plant(image, record):
            layer, item = image.find(path)
            layer.remove(item)
            self.edit(record, path, "drop", reason)
        return plant

    def test_reasons_that_do_not_fit(self):
        self.slim()
        module = f"{SITE}/fake/__init__.py"
        for path, reason in ((module, "documentation"), (module, "static-libs"), ("etc/passwd", "package-caches"),
                             (LIBRARY, "device-code"), ("bin/busybox", "unreachable"), ("bin/sh", "locales"),
                             ("usr/share/doc/demo/copyright", "documentation"), ("opt/capable", "pycache"),
                             ("opt/ünïcödé", "no-such-pass"), ("etc", "package-caches")):
            with self.subTest(path=path, reason=reason):
                self.planted(self.drop(path, reason), path, "reason")
        for path in (LIBRARY, "opt/capable"):
            self.planted(self.drop(path, "gpu-files"), path, "device code")
        # A lie about a whiteout brings back what it hid.
        self.planted(self.drop("opt/.wh.deleted", "shadowed-files"), "opt/.wh.deleted", "member")

        def consistent(image, record):
            self.drop(module, "documentation")(image, record)
            item = image.find(RECORD)[1]
            item[1] = item[1].split(b"\n", 1)[1]
        self.planted(consistent, module, "reason")

        def linked(image, record):
            image.find("opt/second-name")[1][0].linkname = "etc/passwd"
            self.edit(record, "opt/second-name", "retarget", "pip-cache", "etc/passwd")
        self.planted(linked, "opt/second-name", "content")
        record = self.path("slim.provenance.json")
        self.assertIn(("", "record"), self.told(self.path("slim"), self.changed(
            record, lambda json_: json_["plan"].update(level="safe"))))

    def changed(self, path, change):
        with open(path) as text:
            document = json.load(text)
        change(document)
        with open(self.path("changed.json"), "w") as out:
            json.dump(document, out)
        return self.path("changed.json")

    def test_what_the_closure_may_not_take(self):
        layer = fixtures.Layer()
        loader = os.path.realpath("/lib64/ld-linux-x86-64.so.2")
        for folder in ("app", "usr", "usr/bin", "usr/lib", "usr/lib64", "usr/share", "usr/share/thing", "lib64"):
            layer.folder(folder)
        layer.disk_file("usr/bin/true", os.path.realpath("/bin/true"))
        layer.disk_file("lib64/ld-linux-x86-64.so.2", loader)
        layer.disk_file("usr/lib/libc.so.6", os.path.realpath("/lib/x86_64-linux-gnu/libc.so.6"))
        layer.file("app/model.onnx", fixtures.noise("model", 5000))
        layer.file("usr/share/thing/data", fixtures.noise("data", 90_000))
        source = self.path("closed.tar")
        fixtures.docker_archive(source, [layer.done()], ["ADD"], ["/usr/bin/true"])
        self.slim("--level", "aggressive", "--closure", source=source)
        self.assertEqual(self.told(self.path("slim"), against=source, expect=0), set())

        def gone(path):
            def plant(image, record):
                layer, item = image.find(path)
                layer.remove(item)
                self.edit(record, path, "drop", "unreachable", source=source)
            return plant
        for path, where, what in (("usr/lib/libc.so.6", "usr/bin/true", "needed file"),
                                  ("lib64/ld-linux-x86-64.so.2", "lib64/ld-linux-x86-64.so.2", "reason"),
                                  ("usr/bin/true", "usr/bin/true", "needed file"),
                                  ("usr/share/thing", "usr/share/thing", "reason"),
                                  ("app/model.onnx", "app/model.onnx", "reason")):
            with self.subTest(path):
                self.planted(gone(path), where, what, against=source)
        # usr/share goes, and is there all the same: flense's file lies in it.
        out = self.slim("--level", "aggressive", "--minimal", source=source, name="minimal")
        self.assertEqual(self.told(out, against=source, expect=0), set())

    def test_order_and_layers(self):
        self.slim()

        def first(path):
            def plant(image, _record):
                layer, item = image.find(path)
                layer.remove(item)
                layer.insert(0, item)
            return plant

        def last(path):
            def plant(image, _record):
                layer, item = image.find(path)
                layer.remove(item)
                layer.append(item)
            return plant
        self.planted(first("opt/second-name"), "opt/second-name", "member order")
        self.planted(last("opt/opaque/.wh..wh..opq"), "opt/opaque/.wh..wh..opq", "member order")

        def mode(image, _record):
            image.find(MARKER)[1][0].mode = 0o4755
        self.planted(mode, MARKER, "mode")
        self.planted(lambda image, _record: image.config["rootfs"].update(type="x"), "", "configuration")
        self.slim("--squash", name="one")
        self.planted(mode, MARKER, "mode", base="one")

        def whiteout(image, _record):
            extra = tarfile.TarInfo("etc/.wh.passwd")
            image.layers[0].append([extra, b""])
        self.planted(whiteout, "etc/.wh.passwd", "member", base="one")

        def implied(image, _record):
            layer, item = image.find("tmp")
            layer.remove(item)
        self.planted(implied, "tmp", "member", base="one")
        self.planted(lambda image, _record: image.config["history"].append({"created_by": "x", "empty_layer": True}),
                     "", "configuration", base="one")

    def test_what_lay_below_stays_hidden(self):
        """A file goes from the layer that hid an older one, or a whole folder: a whiteout has to."""
        docs = "usr/share/doc/p"
        low = fixtures.Layer().symlink(docs + "/x", "/etc/passwd").symlink("srv/d/old", "x")
        middle = fixtures.Layer().file(docs + "/x", "text\n").file("srv/d", "a file\n")
        high = fixtures.Layer().file("srv/d/new", "2\n")
        source = self.path("older.tar")
        fixtures.docker_archive(source, [low.done(), middle.done(), high.done()], ["ADD", "RUN", "RUN"])
        out = self.slim(source=source)
        whiteouts = (docs + "/.wh.x", "srv/.wh.d")
        for whiteout in whiteouts:
            self.assertIn(whiteout, names(out)[1])
        self.assertEqual(self.told(out, against=source, expect=0), set())
        self.assertEqual(self.told(self.slim("--squash", source=source, name="one"), against=source, expect=0), set())

        def without(whiteout):
            def plant(image, _record):
                layer, item = image.find(whiteout)
                layer.remove(item)
            return plant
        self.planted(without(whiteouts[0]), docs + "/x", "member", against=source)
        self.planted(without(whiteouts[1]), "srv/d/old", "member", against=source)

        def another(image, _record):
            image.layers[1].append([tarfile.TarInfo("etc/.wh.passwd"), b""])
        self.planted(another, "etc/.wh.passwd", "member", against=source)

    def test_one_path_twice_in_a_layer(self):
        layer = fixtures.Layer().folder("etc").file("etc/a", "first\n").file("etc/a", "second\n")
        source = self.path("twice.tar")
        fixtures.docker_archive(source, [layer.done()], ["ADD"])
        self.slim("--provenance", "none", source=source)
        self.assertEqual(self.told(self.path("slim"), against=source, expect=0, options=("--gpu", "sm_90")), set())

    def test_headers_of_elf_files(self):
        self.slim()

        def change(fix):
            def plant(image, _record):
                item = image.find(LIBRARY)[1]
                data = bytearray(item[1])
                fix(data)
                item[1] = bytes(data)
            return plant

        def section_size(data):
            wanted = section(bytes(data), ".nv_fatbin")
            table, = struct.unpack_from("<Q", data, 40)
            for i in range(struct.unpack_from("<H", data, 60)[0]):
                if struct.unpack_from("<Q", data, table + 64 * i + 24)[0] == wanted[0]:
                    struct.pack_into("<Q", data, table + 64 * i + 32, 0)

        def segments(data):
            table, = struct.unpack_from("<Q", data, 32)
            return [table + 56 * i for i in range(struct.unpack_from("<H", data, 56)[0])]

        def memory_size(data):
            at = [one for one in segments(data) if struct.unpack_from("<I", data, one)[0] == 1][-1]
            struct.pack_into("<Q", data, at + 40, struct.unpack_from("<Q", data, at + 40)[0] + (64 << 30))
        self.planted(change(section_size), LIBRARY, "section")
        self.planted(change(memory_size), LIBRARY, "mapped byte")

    def test_a_file_that_checks_itself(self):
        layers, _library = fixtures.sample_layers(self.work)
        layers.append(fixtures.Layer().file(f"{SITE}/fake/.libfake.so.1.hmac", "x").done())
        source = self.path("checked.tar")
        fixtures.docker_archive(source, layers, [*fixtures.INSTRUCTIONS, "ADD"])
        self.slim(source=source)
        self.slim(name="edited")
        with open(self.path("slim.provenance.json")) as text:
            record = json.load(text)
        self.assertFalse([one for one in record["plan"]["layers"][1]["edits"] if one["path"] == LIBRARY])
        edited = Image(self.path("edited")).find(LIBRARY)[1][1]

        def plant(image, _record):
            image.find(LIBRARY)[1][1] = edited
        self.planted(plant, LIBRARY, "content", against=source)

    def test_documents(self):
        out = self.slim(form="oci")
        record = out + ".provenance.json"

        def layout(change, expect=1):
            shutil.rmtree(self.path("layout"), ignore_errors=True)
            shutil.copytree(out, self.path("layout"))
            one = Layout(self.path("layout"))
            change(one)
            one.write()
            return self.told("oci:" + self.path("layout"), record, expect=expect)
        self.assertIn(("", "documents"), layout(lambda one: one.index["manifests"][0].update(
            platform={"os": "linux", "architecture": "arm64"})))
        self.assertIn(("", "documents"), layout(lambda one: one.manifest["layers"][0].update(
            mediaType="application/vnd.oci.image.layer.v1.tar+zstd")))
        # skopeo writes so.
        layout(lambda one: one.manifest["layers"][0].update(
            mediaType="application/vnd.docker.image.rootfs.diff.tar.gzip"), expect=0)
        self.slim(name="hybrid")
        with tarfile.open(self.path("hybrid")) as old, tarfile.open(self.path("hybrid.tar"), "w") as new:
            self.assertIn("index.json", old.getnames())
            for member in old:
                data = old.extractfile(member).read() if member.isreg() else b""
                if member.name == "manifest.json":
                    document = json.loads(data)
                    document[0]["Layers"].reverse()
                    data = json.dumps(document).encode()
                    member.size = len(data)
                new.addfile(member, io.BytesIO(data))
        self.assertIn(("", "documents"), self.told(self.path("hybrid.tar"), self.path("hybrid.provenance.json")))

    def test_tables_for_lazy_pulls(self):
        out = self.slim("--compression", "estargz", form="oci")
        self.told("oci:" + out, expect=0)
        original = Layout(out)

        def table(change):
            shutil.rmtree(self.path("layout"), ignore_errors=True)
            shutil.copytree(out, self.path("layout"))
            one = Layout(self.path("layout"))
            blob = original.blob(one.manifest["layers"][1]["digest"])
            start = int(blob[-35:-19], 16)
            with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob[start:-51]))) as tar:
                info = tar.next()
                rows = json.loads(tar.extractfile(info).read())
            files = [row for row in rows["entries"] if row["type"] == "reg" and row.get("size")]
            change(rows["entries"], files)
            text = json.dumps(rows).encode()
            info.size, packed = len(text), io.BytesIO()
            with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
                tar.addfile(info, io.BytesIO(text))
            blob = blob[:start] + gzip.compress(packed.getvalue()) + blob[-51:]
            one.config["rootfs"]["diff_ids"][1] = digest(gzip.decompress(blob))
            one.manifest["layers"][1].update(one.put(blob))
            one.manifest["layers"][1]["annotations"]["containerd.io/snapshot/stargz/toc.digest"] = digest(text)
            one.write()
            return "oci:" + self.path("layout")

        def swapped(_rows, files):
            for key in ("offset", "digest", "chunkDigest", "size"):
                files[0][key], files[1][key] = files[1][key], files[0][key]
        record = out + ".provenance.json"
        self.told(table(lambda rows, files: None), record, expect=0)
        for name, change in (("swapped", swapped), ("mode", lambda rows, files: files[0].update(mode=0o4755)),
                             ("offset", lambda rows, files: files[0].update(offset=files[1]["offset"])),
                             ("less", lambda rows, files: rows.remove(files[0])),
                             ("more", lambda rows, files: rows.append({**files[0], "name": "etc/more"}))):
            with self.subTest(name):
                self.assertIn(("", "table of contents"), self.told(table(change), record))

    def test_top_of_a_directory(self):
        tree = self.path("tree")
        os.makedirs(tree + "/site-packages/a-1.dist-info")
        shutil.copy(self.library, tree)
        # No wheel, whose slim one would have a build tag.
        with open(tree + "/site-packages/a-1.dist-info/WHEEL", "w") as out:
            out.write("Wheel-Version: 1.0\n")
        out = self.slim(source=tree, form="dir")
        self.assertEqual(self.told(out, against=tree, expect=0), set())
        os.chmod(out, 0o700)
        self.assertIn(("", "mode"), self.told(out, against=tree))

    @unittest.skipUnless(shutil.which("tar2sqfs"), "squashfs-tools-ng is not installed")
    def test_squashfs(self):
        out = self.slim("--level", "aggressive", form="squashfs")
        self.assertEqual(self.told("squashfs:" + out, expect=0), set())
        self.flense("inspect", "sif:" + out, expect=3)
        self.flense("verify", "squashfs:" + self.input, "--against", self.input, "--gpu", "sm_90", expect=3)


if __name__ == "__main__":
    harness.main()
