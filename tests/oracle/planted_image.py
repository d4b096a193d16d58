"""A slim image taken apart, so that one fault can be planted in it: written from the formats alone. What lists files by
digest follows a planted content, so that the content itself has to be seen."""

import base64
import copy
import hashlib
import io
import json
import re
import struct
import tarfile

PT_LOAD = 1
RELATIVE = 8  # R_X86_64_RELATIVE


def plain(name):
    return name.removeprefix("./").rstrip("/")


class Elf:
    """The headers of a 64-bit little-endian ELF file, by offset in `data`."""

    def __init__(self, data):
        self.data = bytearray(data)
        at, = struct.unpack_from("<Q", data, 32)
        self.segments = [at + 56 * i for i in range(struct.unpack_from("<H", data, 56)[0])]
        at, = struct.unpack_from("<Q", data, 40)
        count, strings = struct.unpack_from("<HH", data, 60)
        self.sections = {}
        names, = struct.unpack_from("<Q", data, at + 64 * strings + 24)
        for row in (at + 64 * i for i in range(count)):
            start = names + struct.unpack_from("<I", data, row)[0]
            self.sections.setdefault(data[start:data.index(b"\0", start)].decode(), row)

    def place(self, name):
        """(offset, size, address) of a section."""
        row = self.sections[name]
        address, offset, size = struct.unpack_from("<QQQ", self.data, row + 16)
        return offset, size, address

    def loads(self):
        return [at for at in self.segments if struct.unpack_from("<I", self.data, at)[0] == PT_LOAD]

    def flip(self, at, bit):
        self.data[at] ^= 1 << bit

    def regions(self):
        """[(offset, [(offset, size) of each entry])] of .nv_fatbin."""
        at, size, _ = self.place(".nv_fatbin")
        end, out = at + size, []
        while at + 16 <= end and struct.unpack_from("<I", self.data, at)[0] == 0xBA55ED50:
            body, = struct.unpack_from("<Q", self.data, at + 8)
            entries, here = [], at + 16
            while here < at + 16 + body:
                header, payload = struct.unpack_from("<IQ", self.data, here + 4)
                entries.append((here, header + payload))
                here += header + payload
            out.append((at, entries))
            at = (at + 16 + body + 7) // 8 * 8
        return out

    def relocations(self):
        at, size, _ = self.place(".rela.dyn")
        return list(range(at, at + size, 24))


class Image:
    """Of a docker archive and its record. `layers` holds [[member, content], …] for each layer."""

    def __init__(self, path):
        with open(path + ".provenance.json", encoding="utf-8") as text:
            self.record = json.load(text)
        with tarfile.open(path) as archive:
            self.manifest, = json.load(archive.extractfile("manifest.json"))
            self.config = json.load(archive.extractfile(self.manifest["Config"]))
            blobs = [archive.extractfile(name).read() for name in self.manifest["Layers"]]
        self.layers = [members_of(blob) for blob in blobs]

    def copy(self):
        other = copy.copy(self)
        other.record, other.config = copy.deepcopy(self.record), copy.deepcopy(self.config)
        other.layers = [[[copy.copy(info), data] for info, data in layer] for layer in self.layers]
        return other

    def members(self, wanted=lambda info, data: True):
        """(layer, item) of members, whiteouts left out."""
        return [(layer, item) for layer in self.layers for item in layer
                if not plain(item[0].name).rpartition("/")[2].startswith(".wh.") and wanted(*item)]

    def find(self, path):
        return next((layer, item) for layer in reversed(self.layers) for item in layer if plain(item[0].name) == path)

    def edited(self):
        """Paths of ELF files whose code was cut."""
        rows = [one["path"] for layer in self.record["plan"]["layers"] for one in layer["edits"]
                if one["action"] == "rewrite"]
        return sorted({path for path in rows if self.find(path)[1][1][:4] == b"\x7fELF"})

    def put(self, layer, item, content):
        """A new content, and what lists it."""
        path, old = plain(item[0].name), item[1]
        item[1] = content
        for _, listing in self.members(lambda info, data: data is not None and b"\x7fELF" != data[:4]):
            name = plain(listing[0].name)
            if name.endswith(".dist-info/RECORD"):
                site = name.rpartition("/")[0].rpartition("/")[0]
                if path.startswith(site + "/"):
                    listing[1] = listing[1].replace(row(path[len(site) + 1:], old), row(path[len(site) + 1:], content))
            elif name.endswith((".md5sums", "conda-meta/x-1.0-0.json", "apk/db/installed")) and old:
                for kind in ("md5", "sha1", "sha256"):
                    before, after = hashlib.new(kind, old), hashlib.new(kind, content)
                    listing[1] = listing[1].replace(before.hexdigest().encode(), after.hexdigest().encode()).replace(
                        base64.b64encode(before.digest()), base64.b64encode(after.digest()))
                listing[1] = re.sub(rb'("size_in_bytes": ?)%d\b' % len(old), rb"\g<1>%d" % len(content), listing[1])

    def gone(self, path):
        """Takes a file out of its layer and of the lists of wheels."""
        layer, item = self.find(path)
        layer.remove(item)
        for _, listing in self.members(lambda info, data: plain(info.name).endswith(".dist-info/RECORD")):
            site = plain(listing[0].name).rpartition("/")[0].rpartition("/")[0]
            listing[1] = b"".join(line for line in listing[1].splitlines(keepends=True)
                                  if not line.startswith(path.removeprefix(site + "/").encode() + b","))

    def write(self, path):
        layers = [packed(layer) for layer in self.layers]
        self.config["rootfs"]["diff_ids"] = ["sha256:" + hashlib.sha256(one).hexdigest() for one in layers]
        config = json.dumps(self.config).encode()
        name = hashlib.sha256(config).hexdigest() + ".json"
        names = [f"{number}/layer.tar" for number in range(len(layers))]
        manifest = json.dumps([{"Config": name, "RepoTags": self.manifest["RepoTags"], "Layers": names}]).encode()
        with tarfile.open(path, "w") as tar:
            for member, data in [*zip(names, layers), (name, config), ("manifest.json", manifest)]:
                info = tarfile.TarInfo(member)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        with open(path + ".json", "w", encoding="utf-8") as out:
            json.dump(self.record, out)


def row(path, content):
    """A row of RECORD."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(content)}\n".encode()


def members_of(layer):
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        return [[one, tar.extractfile(one).read() if one.isreg() else None] for one in tar.getmembers()]


def packed(layer):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in layer:
            info.size = len(data) if data is not None else 0
            # Python takes these before the member's own fields.
            info.pax_headers = {key: value for key, value in info.pax_headers.items() if key.startswith("SCHILY.xattr.")}
            tar.addfile(info, io.BytesIO(data) if data is not None else None)
    return out.getvalue()
