#!/usr/bin/env python3
"""verify: what slim writes passes, and every fault planted in it is found where it is."""

import copy
import hashlib
import io
import json
import os
import struct
import subprocess
import tarfile

import fixtures
import harness
import imagetree
import schema

SITE = "usr/lib/python3/dist-packages"
LIBRARY = f"{SITE}/fake/libfake.so.1"
RECORD = f"{SITE}/fake-1.0.dist-info/RECORD"


def members(layer):
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        return [[info, tar.extractfile(info).read() if info.isreg() else None] for info in tar.getmembers()]


def packed(items):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in items:
            info = copy.copy(info)
            if data is not None:
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data) if data is not None else None)
    return out.getvalue()


class Image:
    """A slim image taken apart, to plant a fault in it."""

    def __init__(self, path):
        read = imagetree.read_image(path, "docker")
        self.layers = [members(layer) for layer in read.layers]
        self.config = copy.deepcopy(read.config)

    def find(self, path):
        for layer in self.layers:
            for item in layer:
                if item[0].name.removeprefix("./") == path:
                    return layer, item
        raise KeyError(path)

    def write(self, path):
        layers = [packed(layer) for layer in self.layers]
        self.config["rootfs"]["diff_ids"] = ["sha256:" + hashlib.sha256(one).hexdigest() for one in layers]
        config = json.dumps(self.config).encode()
        name = hashlib.sha256(config).hexdigest() + ".json"
        names = [f"{number}/layer.tar" for number in range(len(layers))]
        manifest = json.dumps([{"Config": name, "RepoTags": ["test/app:1"], "Layers": names}]).encode()
        with tarfile.open(path, "w") as tar:
            for member, data in [*zip(names, layers), (name, config), ("manifest.json", manifest)]:
                info = tarfile.TarInfo(member)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


def section(data, name):
    """(offset, size, address) of a section of an ELF file."""
    offset, = struct.unpack_from("<Q", data, 40)
    size, count, names = struct.unpack_from("<HHH", data, 58)
    rows = [struct.unpack_from("<IIQQQQ", data, offset + i * size) for i in range(count)]
    strings = rows[names][4]
    for row in rows:
        start = strings + row[0]
        if data[start:data.index(b"\0", start)].decode() == name:
            return row[4], row[5], row[3]
    raise KeyError(name)


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def regions(data):
    """Offsets of the regions of .nv_fatbin, with the offsets and sizes of their entries."""
    at, size, _ = section(data, ".nv_fatbin")
    end, out = at + size, []
    while at + 16 <= end and struct.unpack_from("<I", data, at)[0] == 0xBA55ED50:
        body, = struct.unpack_from("<Q", data, at + 8)
        entries, here = [], at + 16
        while here < at + 16 + body:
            header, = struct.unpack_from("<I", data, here + 4)
            payload, = struct.unpack_from("<Q", data, here + 8)
            entries.append((here, header + payload))
            here += header + payload
        out.append((at, entries))
        at = (at + 16 + body + 7) // 8 * 8
    return out


class Verify(harness.Case):
    def setUp(self):
        super().setUp()
        self.input, self.library = fixtures.sample_archive(self.work)

    def slim(self, *options, gpu="sm_90", output="docker-archive:{}", name="slim"):
        out = self.path(name)
        self.flense("slim", self.input, "--gpu", gpu, "-o", output.format(out), *options)
        return output.format(out)

    def verify(self, target, *options, against=None, expect=0):
        answer = self.flense("verify", target, "--against", against or self.input, "--json", *options,
                             expect=expect).json
        self.assertEqual(schema.complaints(answer, "flense/verify/v1"), [])
        return answer

    def test_scratch_space_is_that_of_two_layers(self):
        """What changed is set aside layer by layer; where even that does not fit, it is told before the work."""
        layers = []
        for number in range(6):
            library = self.path(f"lib{number}.so")
            fixtures.cuda_library(library, payload=60_000, name=f"layer{number}", archs=[(fixtures.CUBIN, arch, "") for arch in (70, 90, 90, 90)])
            layers.append(fixtures.Layer().disk_file(f"opt/{number}/lib{number}.so", library).done())
        fixtures.docker_archive(self.input, layers, [f"COPY lib{number}.so" for number in range(6)])
        self.slim()
        kept = sum(os.path.getsize(self.path(f"lib{number}.so")) for number in range(2)) // 1024
        scratch = self.path("scratch")
        os.mkdir(scratch)
        for kilobytes, status in ((kept + 200, 0), (kept // 2, 4)):
            if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", scratch], check=False).returncode != 0:
                self.skipTest("the kernel forbids mounting a tmpfs")
            self.addCleanup(subprocess.run, ["umount", "-q", scratch], check=False)
            done = self.flense("verify", f"docker-archive:{self.path('slim')}", "--against", self.input, "--tmpdir", scratch, expect=status)
            subprocess.run(["umount", scratch], check=True)
        self.assertRegex(done.err, r"error: not enough scratch space: [0-9.]+ MB of changed files are set aside, and [0-9.]+ MB are free\n")
        self.assertIn("--tmpdir", done.err)

    def test_what_slim_writes_passes(self):
        for level in ["safe", "standard", "aggressive"]:
            for output in ["docker-archive:{}", "oci:{}", "oci-archive:{}"]:
                name = level + output.partition(":")[0]
                answer = self.verify(self.slim("--level", level, output=output, name=name))
                self.assertEqual(answer["result"], "equal")
                self.assertEqual(answer["level"], level)
                self.assertEqual(answer["gpus"], ["sm_90"])
                counts = {row["what"]: row["number"] for row in answer["proved"]}
                self.assertEqual(counts["ELF files edited and proved"], 1)
        for options in [["--squash"], ["--compression", "estargz"], ["--recompress-code", "size"],
                        ["--no-modify-vendor"], ["--keep-ptx"]]:
            self.verify(self.slim(*options, output="oci:{}", name="with" + options[0]))
        self.verify(self.slim(gpu="sm_80,sm_90", output="oci:{}", name="two"), "--gpu", "sm_80")

    def test_another_gpu_than_it_was_made_for(self):
        target = self.slim()
        answer = self.verify(target, "--gpu", "sm_80", expect=1)
        self.assertTrue(any(one["what"] == "device code" and "sm_80 can load it" in one["expected"]
                            for one in answer["differences"]), answer["differences"])

    def test_without_a_record_reasons_are_unknown(self):
        target = self.slim("--provenance", "none")
        answer = self.verify(target, expect=5)
        self.assertEqual(answer["result"], "unknown")
        self.assertIn("no record says why", answer["unknowns"][0]["why"])
        plan = self.path("plan.json")
        self.slim("--plan", plan, name="again")
        self.verify(target, "--record", plan)

    def test_single_files_and_directories(self):
        out = self.path("slim.so")
        self.flense("slim", self.library, "--gpu", "sm_90", "-o", out)
        self.verify(out, "--gpu", "sm_90", against=self.library)
        with open(out, "rb") as data:
            content = data.read()
        at, _, _ = section(content, ".text")
        with open(out, "wb") as data:
            data.write(flipped(content, at))
        answer = self.verify(out, "--gpu", "sm_90", against=self.library, expect=1)
        self.assertEqual([one["what"] for one in answer["differences"]], ["mapped byte"])

    def test_usage_and_bad_records(self):
        self.flense("verify", self.input, expect=2)
        self.flense("verify", self.input, "--against", self.input, expect=2)
        broken = self.path("broken.json")
        with open(broken, "w") as out:
            out.write('{"schema": "flense/inventory/v1"}')
        self.flense("verify", self.input, "--against", self.input, "--gpu", "sm_90", "--record", broken, expect=3)
        same = self.verify(self.input, "--gpu", "sm_90")
        self.assertEqual(same["result"], "equal")

    def test_a_proof_to_keep(self):
        proof = self.path("proof.json")
        target = self.slim("--prove", proof)
        with open(proof) as text:
            statement = json.load(text)
        self.assertEqual(schema.complaints(statement, "flense/proof/v1"), [])
        self.assertEqual(statement["predicate"]["rules"]["gpus"], ["sm_90"])
        self.flense("verify", target, "--proof", proof)
        self.flense("verify", target, "--proof", proof, "--against", self.input, "--gpu", "sm_90")
        self.flense("verify", target, "--proof", proof, "--gpu", "sm_80", expect=1)
        self.flense("verify", self.input, "--proof", proof, expect=1)
        self.flense("verify", target, "--proof", proof, "--against", target.replace("docker-archive:", ""), expect=1)
        self.flense("verify", target, "--proof", self.path("slim.provenance.json"), expect=3)
        layout = self.slim("--prove", self.path("again.json"), output="oci:{}", name="layout")
        self.flense("verify", layout, "--proof", proof)
        self.flense("slim", self.input, "--gpu", "sm_90", "--dry-run", "--prove", proof, expect=2)
        tree = self.path("tree")
        os.mkdir(tree)
        with open(self.library, "rb") as data, open(os.path.join(tree, "libfake.so.1"), "wb") as copied:
            copied.write(data.read())
        self.flense("slim", tree, "--gpu", "sm_90", "-o", f"dir:{tree}-slim", "--prove", proof)
        self.flense("verify", f"{tree}-slim", "--proof", proof)
        with open(f"{tree}-slim/more", "w") as more:
            more.write("x")
        self.flense("verify", f"{tree}-slim", "--proof", proof, expect=1)

    def test_planted_faults(self):
        slim = self.path("slim")
        self.slim()
        record = slim + ".provenance.json"

        def changed(name, plant, path, what):
            image = Image(slim)
            plant(image)
            planted = self.path("planted.tar")
            image.write(planted)
            with self.subTest(name):
                if path is None:
                    self.verify(planted, "--record", record)
                    return
                answer = self.verify(planted, "--record", record, expect=1)
                self.assertIn((path, what), {(one["path"], one["what"]) for one in answer["differences"]},
                              answer["differences"])

        def edit(path, change):
            def plant(image):
                item = image.find(path)[1]
                item[1] = change(item[1])
            return plant

        def info(path, **fields):
            def plant(image):
                for name, value in fields.items():
                    setattr(image.find(path)[1][0], name, value)
            return plant

        def gone(path):
            def plant(image):
                layer, item = image.find(path)
                layer.remove(item)
            return plant

        def added(path, layer=1, kind=tarfile.REGTYPE):
            def plant(image):
                extra = tarfile.TarInfo(path)
                extra.type, extra.mode, extra.mtime = kind, 0o644, fixtures.EPOCH
                image.layers[layer].append([extra, b"x" if kind == tarfile.REGTYPE else None])
            return plant

        def fifo(path):
            def plant(image):
                item = image.find(path)[1]
                item[0].type, item[0].size, item[1] = tarfile.FIFOTYPE, 0, None
            return plant

        def setting(change):
            return lambda image: change(image.config)

        def swap_entries(data):
            start, entries = regions(data)[0]
            (a, size_a), (b, size_b) = entries[:2]
            return data[:a] + data[b:b + size_b] + data[a:a + size_a] + data[b + size_b:]

        def drop_entry(data):
            start, entries = regions(data)[0]
            (a, size_a), rest = entries[0], entries[1:]
            end = rest[-1][0] + rest[-1][1]
            body = data[a + size_a:end]
            out = data[:a] + body + bytes(size_a) + data[end:]
            return out[:start + 8] + struct.pack("<Q", len(body)) + out[start + 16:]

        def wrapper(data):
            """The relocation of the first wrapper's pointer leads to the second region."""
            places = regions(data)
            _, _, base = section(data, ".nv_fatbin")
            first, offset = base, section(data, ".nv_fatbin")[0]
            at, size, _ = section(data, ".rela.dyn")
            for here in range(at, at + size, 24):
                if struct.unpack_from("<q", data, here + 16)[0] == first:
                    return data[:here + 16] + struct.pack("<q", base + places[1][0] - offset) + data[here + 24:]
            raise KeyError("no relocation")

        def relocation(data):
            at, size, _ = section(data, ".rela.dyn")
            return flipped(data, at + 16 + 24)

        def symbol(data):
            at, size, _ = section(data, ".dynsym")
            return flipped(data, at + size - 24 + 8)

        def entry_byte(data):
            start, entries = regions(data)[1]
            return flipped(data, entries[0][0] + entries[0][1] - 100)

        def tail(data):
            at, size, _ = section(data, ".nv_fatbin")
            return flipped(data, at + size - 1)

        def load_alignment(data):
            at = struct.unpack_from("<Q", data, 32)[0]
            while struct.unpack_from("<I", data, at)[0] != 1:
                at += 56
            out = bytearray(data)
            struct.pack_into("<Q", out, at + 48, 1)
            return bytes(out)

        def load_memory(data):
            """Some memory more behind the first load segment, which is read-only."""
            at = struct.unpack_from("<Q", data, 32)[0]
            while struct.unpack_from("<I", data, at)[0] != 1:
                at += 56
            out = bytearray(data)
            struct.pack_into("<Q", out, at + 40, struct.unpack_from("<Q", data, at + 40)[0] + 4)
            return bytes(out)

        changed("nothing", lambda image: None, None, None)
        changed("entry dropped", edit(LIBRARY, drop_entry), LIBRARY, "device code")
        changed("entries swapped", edit(LIBRARY, swap_entries), LIBRARY, "device code")
        changed("byte of an entry", edit(LIBRARY, entry_byte), LIBRARY, "device code")
        changed("byte behind the entries", edit(LIBRARY, tail), LIBRARY, "device code")
        changed("wrapper pointer", edit(LIBRARY, wrapper), LIBRARY, "device code")
        changed("byte of code", edit(LIBRARY, lambda d: flipped(d, section(d, ".text")[0])), LIBRARY, "mapped byte")
        changed("byte of data", edit(LIBRARY, lambda d: flipped(d, section(d, ".data")[0])), LIBRARY, "mapped byte")
        changed("relocation addend", edit(LIBRARY, relocation), LIBRARY, "mapped byte")
        changed("symbol", edit(LIBRARY, symbol), LIBRARY, "symbol")
        changed("ELF truncated", edit(LIBRARY, lambda d: d[:len(d) // 2]), LIBRARY, "content")
        changed("comment", edit(LIBRARY, lambda d: flipped(d, section(d, ".comment")[0])), LIBRARY, "section")
        changed("bytes behind the end", edit(LIBRARY, lambda d: d + b"x"), LIBRARY, "file")
        changed("owner's name", info("etc/passwd", uname="x"), "etc/passwd", "owner's name")
        changed("entry point", edit(LIBRARY, lambda d: flipped(d, 24)), LIBRARY, "ELF header")
        changed("alignment of a load segment", edit(LIBRARY, load_alignment), LIBRARY, "program header")
        changed("memory of a load segment", edit(LIBRARY, load_memory), LIBRARY, "mapped byte")
        changed("RECORD row gone", edit(RECORD, lambda d: d.split(b"\n", 1)[1]), RECORD, "list of files")
        changed("RECORD digest", edit(RECORD, lambda d: d.replace(b"sha256=", b"sha256=A", 1)), RECORD, "list of files")
        changed("content", edit("etc/passwd", lambda d: d + b"x"), "etc/passwd", "content")
        changed("file gone", gone("etc/passwd"), "etc/passwd", "member")
        changed("file added", added("etc/extra"), "etc/extra", "member")
        changed("directory added", added("etc/folder", kind=tarfile.DIRTYPE), "etc/folder", "member")
        changed("file back", added("var/lib/apt/lists/packages", 0), "var/lib/apt/lists/packages", "member")
        changed("link", info("bin/sh", linkname="cat"), "bin/sh", "link")
        changed("mode", info("opt/ünïcödé", mode=0o750), "opt/ünïcödé", "mode")
        changed("owner", info("opt/ünïcödé", uid=34), "opt/ünïcödé", "owner")
        changed("mtime", info("etc/passwd", mtime=fixtures.EPOCH + 1), "etc/passwd", "mtime")
        changed("xattr", info("opt/capable", pax_headers={}), "opt/capable", "extended attributes")
        changed("directory mode", info("tmp", mode=0o755), "tmp", "mode")
        changed("whiteout", gone("opt/.wh.deleted"), "opt/.wh.deleted", "member")
        changed("opaque", gone("opt/opaque/.wh..wh..opq"), "opt/opaque/.wh..wh..opq", "member")
        changed("whiteout added", added("etc/.wh.passwd", 2), "etc/.wh.passwd", "member")
        changed("type", fifo("etc/passwd"), "etc/passwd", "type")
        changed("environment", setting(lambda c: c["config"]["Env"].append("A=1")), "", "configuration")
        changed("command", setting(lambda c: c["config"].update(Cmd=["/bin/cat"])), "", "configuration")
        changed("label", setting(lambda c: c["config"]["Labels"].pop("maintainer")), "", "configuration")
        changed("targets", setting(lambda c: c["config"]["Labels"].update({"dev.flense.targets": "sm_80"})), "",
                "configuration")
        changed("history", setting(lambda c: c["history"][0].update(created_by="x")), "", "configuration")
        changed("architecture", setting(lambda c: c.update(architecture="arm64")), "", "configuration")
        changed("marker", edit("usr/share/flense/slim.json", lambda d: d.replace(b"sm_90", b"sm_80")),
                "usr/share/flense/slim.json", "targets")


if __name__ == "__main__":
    harness.main()
