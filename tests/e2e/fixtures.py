"""Small generated inputs: CUDA libraries, trees, layered images. All deterministic.

The CUDA library is real ELF made by the system's compiler around synthetic fat-binary regions, with
the wrappers that nvcc writes, so that the loader's own path (wrapper, region, entry) can be walked
in the loaded library.
"""

import ctypes
import hashlib
import io
import json
import os
import struct
import subprocess
import tarfile

EPOCH = 1_700_000_000
PTX, CUBIN = 1, 2
ARCH_SPECIFIC = 0x100000
REGION = struct.pack("<IHH", 0xBA55ED50, 1, 16)


def noise(seed, size):
    """Bytes that do not compress, the same for the same seed."""
    return hashlib.shake_256(str(seed).encode()).digest(size)


def entry(kind, arch, payload, suffix=""):
    flags = 0x11 | (ARCH_SPECIFIC if suffix == "a" else 0)
    payload += b"\0" * (-len(payload) % 8)
    version = (9, 0) if kind == PTX else (7, 1)
    header = struct.pack("<HHIQIIHHIIIQQQ", kind, 0x0101, 64, len(payload), 0, 0, version[1], version[0],
                         arch, 0, 0, flags, 0, 0)
    assert len(header) == 64
    return header + payload


def region(entries):
    body = b"".join(entries)
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(body)) + body


def cubin_payload(seed, size, repeats=1):
    # e_machine 190 in an otherwise opaque ELF header, as cubins have.
    head = b"\x7fELF\x02\x01\x01" + b"\0" * 9 + struct.pack("<HHI", 2, 190, 1)
    return head + (noise(seed, (size - len(head)) // repeats + 1) * repeats)[:size - len(head)]


DEFAULT_ARCHS = [(CUBIN, 70, ""), (CUBIN, 80, ""), (CUBIN, 86, ""), (CUBIN, 90, ""), (CUBIN, 90, "a"),
                 (CUBIN, 100, ""), (PTX, 90, "")]


# How RAPIDS links its libraries: device code behind .bss, in a segment that is writable.
BEHIND_BSS = """SECTIONS { .nvFatBinSegment : { *(.nvFatBinSegment) } __nv_relfatbin : { *(__nv_relfatbin) }
.nv_fatbin : { *(.nv_fatbin) } } INSERT AFTER .bss;
"""


def cuda_library(path, regions=6, archs=None, payload=40_000, name="fake", repeats=1, loose=False, script=""):
    """A shared library with `regions` registered regions; each holds one entry per item of archs. The code repeats
    itself so many times: a compressor makes it smaller by that. `loose`: the same regions again, where no wrapper
    registers them. `script`: of the linker."""
    archs = archs or DEFAULT_ARCHS
    work = path + ".build"
    os.makedirs(work, exist_ok=True)
    assembly = [".section .nv_fatbin,\"a\",@progbits", ".balign 8"]
    for number in range(regions):
        blob = region([entry(kind, arch, cubin_payload(f"{name}{number}{arch}{suffix}", payload, repeats)
                             if kind == CUBIN else b".version 9.0\n.target sm_%d\n" % arch
                             + noise(f"{name}{number}ptx", payload).hex().encode()[:payload], suffix)
                       for kind, arch, suffix in archs])
        with open(f"{work}/r{number}.bin", "wb") as out:
            out.write(blob)
        assembly += [".balign 8", f".Lregion{number}: .incbin \"{work}/r{number}.bin\""]
    assembly += [".section .nvFatBinSegment,\"aw\",@progbits", ".balign 8",
                 ".globl fatbin_wrappers", ".protected fatbin_wrappers", "fatbin_wrappers:"]
    for number in range(regions):
        assembly += [".long 0x466243b1, 1", f".quad .Lregion{number}", ".quad 0"]
    if loose:
        assembly += [".section .cask_resource,\"a\",@progbits", ".balign 64"]
        assembly += [f".incbin \"{work}/r{number}.bin\"" for number in range(regions)]
    assembly += [".section .note.GNU-stack,\"\",@progbits"]
    with open(f"{work}/code.s", "w") as out:
        out.write("\n".join(assembly) + "\n")
    with open(f"{work}/host.c", "w") as out:
        out.write(f"int fatbin_count(void) {{ return {regions}; }}\n"
                  "static int table[3] = {3, 5, 7};\nint *pointers[3] = {table, table + 1, table + 2};\n"
                  "int host_answer(int i) { return *pointers[i % 3] * 6; }\n")
    with open(f"{work}/sections.ld", "w") as out:
        out.write(script)
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-g", f"-ffile-prefix-map={work}=.", "-o", path,
                    f"{work}/host.c", f"{work}/code.s", "-Wl,-soname," + os.path.basename(path),
                    "-Wl,--build-id=sha1", *([f"-Wl,-T,{work}/sections.ld"] if script else [])], check=True)
    subprocess.run(["rm", "-r", work], check=True)


def stored_entries(data):
    """[kind, arch, form, content] of all entries in a file's bytes; form 0x8000: a zstd frame, which is the content."""
    result, at = [], data.find(REGION)
    while at >= 0:
        size, = struct.unpack_from("<Q", data, at + 8)
        position, end = at + 16, at + 16 + size
        while position < end:
            kind, _, header, payload, packed = struct.unpack_from("<HHIQI", data, position)
            arch, = struct.unpack_from("<I", data, position + 28)
            flags, = struct.unpack_from("<Q", data, position + 40)
            start = position + header
            result.append([kind, arch, flags & 0xF000, data[start:start + (packed or payload)]])
            position = start + payload
        at = data.find(REGION, end)
    return result


def loaded_entries(path):
    """Loads the library in a process of its own and walks wrapper, region, entry in memory.

    Returns one list per wrapper of [kind, arch, flags, sha256]."""
    output = subprocess.run(["python3", __file__, "--walk", path], check=True, stdout=subprocess.PIPE).stdout
    return json.loads(output)


def walk(path):
    library = ctypes.CDLL(os.path.abspath(path))
    assert [library.host_answer(i) for i in range(3)] == [18, 30, 42]
    count = library.fatbin_count()
    base = ctypes.addressof(ctypes.c_char.in_dll(library, "fatbin_wrappers"))
    result = []
    for number in range(count):
        magic, version, data, extra = struct.unpack("<IIQQ", ctypes.string_at(base + 24 * number, 24))
        assert (magic, version, extra) == (0x466243B1, 1, 0)
        magic, one, header, size = struct.unpack("<IHHQ", ctypes.string_at(data, 16))
        assert (magic, one, header) == (0xBA55ED50, 1, 16), hex(magic)
        body, entries, offset = ctypes.string_at(data + 16, size), [], 0
        while offset < size:
            kind, _, hs, payload = struct.unpack_from("<HHIQ", body, offset)
            arch, = struct.unpack_from("<I", body, offset + 28)
            flags, = struct.unpack_from("<Q", body, offset + 40)
            entries.append([kind, arch, flags, hashlib.sha256(body[offset:offset + hs + payload]).hexdigest()])
            offset += hs + payload
        assert offset == size
        result.append(entries)
    return result


class Layer:
    """Writes one layer tar with the odd things that real ones hold."""

    def __init__(self):
        self.buffer = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.buffer, mode="w", format=tarfile.PAX_FORMAT)

    def _info(self, path, kind, mode, uid=0, gid=0, mtime=EPOCH, xattrs=None):
        info = tarfile.TarInfo(path)
        info.type, info.mode, info.uid, info.gid, info.mtime = kind, mode, uid, gid, mtime
        for key, value in (xattrs or {}).items():
            info.pax_headers[f"SCHILY.xattr.{key}"] = value.decode("utf-8", "surrogateescape")
        return info

    def folder(self, path, mode=0o755, **more):
        self.tar.addfile(self._info(path, tarfile.DIRTYPE, mode, **more))
        return self

    def file(self, path, data, mode=0o644, **more):
        data = data.encode() if isinstance(data, str) else data
        info = self._info(path, tarfile.REGTYPE, mode, **more)
        info.size = len(data)
        self.tar.addfile(info, io.BytesIO(data))
        return self

    def disk_file(self, path, source, mode=0o755, **more):
        with open(source, "rb") as data:
            return self.file(path, data.read(), mode, **more)

    def symlink(self, path, target):
        info = self._info(path, tarfile.SYMTYPE, 0o777)
        info.linkname = target
        self.tar.addfile(info)
        return self

    def hardlink(self, path, target):
        info = self._info(path, tarfile.LNKTYPE, 0o644)
        info.linkname = target
        self.tar.addfile(info)
        return self

    def whiteout(self, path):
        folder, _, name = path.rpartition("/")
        return self.file(f"{folder}/.wh.{name}", b"")

    def opaque(self, folder):
        return self.file(f"{folder}/.wh..wh..opq", b"")

    def done(self):
        self.tar.close()
        return self.buffer.getvalue()


def member_names(layer):
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        return ["/" + member.name.strip("/").removeprefix("./") for member in tar.getmembers()]


def config_for(layers, instructions, command):
    return {"architecture": "amd64", "os": "linux", "created": "2026-01-01T00:00:00Z",
            "config": {"Cmd": command, "Env": ["PATH=/bin:/usr/bin"], "Labels": {"maintainer": "tests"}},
            "rootfs": {"type": "layers",
                       "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]},
            "history": [{"created": "2026-01-01T00:00:00Z", "created_by": text} for text in instructions]}


def docker_archive(path, layers, instructions, command=("/bin/sh",), tag="test/app:1", container=None):
    """`container` replaces what the configuration says of containers."""
    document = config_for(layers, instructions, list(command))
    config = json.dumps({**document, "config": container} if container is not None else document).encode()
    name = hashlib.sha256(config).hexdigest() + ".json"
    names = [f"{hashlib.sha256(layer).hexdigest()}/layer.tar" for layer in layers]
    manifest = json.dumps([{"Config": name, "RepoTags": [tag], "Layers": names}]).encode()
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        seen = set()
        for member, data in [*zip(names, layers), (name, config), ("manifest.json", manifest)]:
            if member in seen:
                continue
            seen.add(member)
            info = tarfile.TarInfo(member)
            info.size, info.mtime, info.mode = len(data), EPOCH, 0o644
            tar.addfile(info, io.BytesIO(data))


BUSYBOX = "/bin/busybox"


def with_layer(archive, data, out, instruction):
    """A docker archive with one more layer on top."""
    with tarfile.open(archive) as old, tarfile.open(out, "w") as new:
        manifest, = json.load(old.extractfile("manifest.json"))
        config = json.load(old.extractfile(manifest["Config"]))
        for name in manifest["Layers"]:
            member = old.getmember(name)
            new.addfile(member, old.extractfile(member))
        name = "added-layer.tar"
        manifest["Layers"].append(name)
        config["rootfs"]["diff_ids"].append("sha256:" + hashlib.sha256(data).hexdigest())
        config.setdefault("history", []).append({"created_by": instruction})
        content = json.dumps(config).encode()
        manifest["Config"] = hashlib.sha256(content).hexdigest() + ".json"
        for path, text in ((name, data), (manifest["Config"], content), ("manifest.json", json.dumps([manifest]).encode())):
            info = tarfile.TarInfo(path)
            info.size = len(text)
            new.addfile(info, io.BytesIO(text))


def sample_layers(work, library_archs=None):
    """Three layers: a runnable base, a CUDA library with its packages, a layer of late changes."""
    library = f"{work}/libfake.so.1"
    cuda_library(library, archs=library_archs)
    base = Layer()
    for folder in ["bin", "etc", "usr", "usr/lib", "usr/share", "usr/share/doc", "usr/share/doc/demo", "tmp", "root",
                   "var", "var/lib", "var/lib/apt", "var/lib/apt/lists", "var/cache", "opt", "opt/opaque"]:
        base.folder(folder, 0o1777 if folder == "tmp" else 0o755)
    base.disk_file("bin/busybox", BUSYBOX)
    for name in ["sh", "cat", "ls", "sha256sum", "echo", "find"]:
        base.symlink(f"bin/{name}", "busybox")
    base.file("etc/os-release", 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Test 12"\n')
    base.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
    base.file("usr/share/doc/demo/copyright", "licence text stays\n")
    base.file("usr/share/doc/demo/changelog.gz", noise("changelog", 20_000))
    base.file("opt/opaque/old", noise("old", 50_000))
    base.file("opt/replaced", noise("replaced-below", 60_000))
    base.file("opt/deleted", noise("deleted", 70_000))
    base.file("opt/first-name", noise("linked", 30_000))
    base.hardlink("opt/second-name", "opt/first-name")
    base.file("var/lib/apt/lists/packages", noise("lists", 80_000))

    middle = Layer()
    site = "usr/lib/python3/dist-packages"
    for folder in ["usr/lib/python3", site, f"{site}/fake", f"{site}/fake-1.0.dist-info", "root/.cache", "root/.cache/pip"]:
        middle.folder(folder)
    middle.disk_file(f"{site}/fake/libfake.so.1", library)
    middle.file(f"{site}/fake/__init__.py", "answer = 42\n")
    with open(library, "rb") as data:
        content = data.read()
    import base64
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    middle.file(f"{site}/fake-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: fake\nVersion: 1.0\n")
    middle.file(f"{site}/fake-1.0.dist-info/RECORD",
                f"fake/__init__.py,,\nfake/libfake.so.1,sha256={digest},{len(content)}\n"
                "fake-1.0.dist-info/METADATA,,\nfake-1.0.dist-info/RECORD,,\n")
    middle.file("root/.cache/pip/http", noise("pip", 90_000))
    middle.file("opt/capable", noise("capable", 9_000), 0o755, xattrs={
        "security.capability": bytes.fromhex("0100000200040000000000000000000000000000")})
    middle.file("opt/" + "long-name-" * 15 + "/" + "x" * 90, "long", uid=1234, gid=4321, mtime=EPOCH + 5)
    middle.file("opt/ünïcödé", "unicode", 0o4750, uid=33, gid=33)

    top = Layer()
    top.folder("opt").file("opt/replaced", noise("replaced-above", 10_000)).whiteout("opt/deleted")
    top.folder("opt/opaque").opaque("opt/opaque").file("opt/opaque/new", "new")
    top.whiteout("opt/first-name")
    return [base.done(), middle.done(), top.done()], library


INSTRUCTIONS = ["ADD rootfs / # base", "RUN /bin/sh -c pip install fake", "RUN /bin/sh -c rm /opt/deleted"]


def sample_archive(work, library_archs=None):
    """Returns (docker-archive path, path of the library that is in it)."""
    layers, library = sample_layers(work, library_archs)
    path = f"{work}/app.tar"
    docker_archive(path, layers, INSTRUCTIONS)
    return path, library


if __name__ == "__main__":
    import sys
    if sys.argv[1] == "--walk":
        json.dump(walk(sys.argv[2]), sys.stdout)
