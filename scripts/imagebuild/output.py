"""Writes the built layers: a docker-archive with plain layers, an OCI layout with compressed ones."""

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from concurrent.futures import ThreadPoolExecutor


class HashingSink:
    def __init__(self, out):
        self.out, self.hash, self.size = out, hashlib.sha256(), 0

    def write(self, data):
        self.hash.update(data)
        self.size += len(data)
        return self.out.write(data)


class DockerArchive:
    """Layers are written in place as they are made; their names and sizes, known only afterwards,
    are patched into the headers that precede them."""

    def __init__(self, path, epoch):
        self.path, self.epoch, self.layers = path, epoch, []
        self.file = open(path, "wb+")

    def _header(self, name, size):
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = size, self.epoch, 0o644
        header = info.tobuf(format=tarfile.GNU_FORMAT)
        assert len(header) == tarfile.BLOCKSIZE
        return header

    def _pad(self, size):
        self.file.write(b"\0" * (-size % tarfile.BLOCKSIZE))

    def add_layer(self, produce):
        """`produce(sink)` writes the tar stream. Returns the diff id."""
        start = self.file.tell()
        self.file.write(b"\0" * tarfile.BLOCKSIZE)
        sink = HashingSink(self.file)
        produce(sink)
        self._pad(sink.size)
        end = self.file.tell()
        digest = sink.hash.hexdigest()
        self.file.seek(start)
        self.file.write(self._header(f"{digest}/layer.tar", sink.size))
        self.file.seek(end)
        self.layers.append((digest, start + tarfile.BLOCKSIZE, sink.size))
        return digest

    def add_blob(self, name, data):
        self.file.write(self._header(name, len(data)))
        self.file.write(data)
        self._pad(len(data))

    def finish(self, config, tag):
        data = json.dumps(config, sort_keys=True).encode()
        name = hashlib.sha256(data).hexdigest() + ".json"
        self.add_blob(name, data)
        manifest = [{"Config": name, "RepoTags": [tag],
                     "Layers": [f"{digest}/layer.tar" for digest, _, _ in self.layers]}]
        self.add_blob("manifest.json", json.dumps(manifest).encode())
        self.file.write(b"\0" * (2 * tarfile.BLOCKSIZE))
        self.file.close()


class OciLayout:
    """Layers are compressed as they are made, so that no plain copy of them takes room."""

    def __init__(self, path, command, suffix):
        self.path, self.command, self.suffix, self.layers = path, command, suffix, []
        shutil.rmtree(path, ignore_errors=True)
        self.blobs = os.path.join(path, "blobs", "sha256")
        os.makedirs(self.blobs)

    def add_layer(self, produce):
        """`produce(sink)` writes the tar stream. Returns the diff id."""
        temporary = os.path.join(self.blobs, "layer")
        with open(temporary, "wb") as out:
            process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=out)
            sink = HashingSink(process.stdin)
            produce(sink)
            process.stdin.close()
            if process.wait() != 0:
                raise OSError(f"{self.command[0]} failed for {temporary}")
        digest = file_digest(temporary)
        self.layers.append((digest, os.path.getsize(temporary), sink.size))
        os.rename(temporary, os.path.join(self.blobs, digest))
        return sink.hash.hexdigest()

    def finish(self, config, tag):
        write_index(self.path, config, tag, [
            {"mediaType": f"application/vnd.oci.image.layer.v1.tar+{self.suffix}", "digest": f"sha256:{digest}",
             "size": packed} for digest, packed, _ in self.layers])


def file_digest(path):
    digest = hashlib.sha256()
    with open(path, "rb") as data:
        while block := data.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def gzip_range(source, offset, size, target):
    """Compresses one range of `source`; returns (digest, compressed size)."""
    with open(target, "wb") as out, open(source, "rb") as data:
        data.seek(offset)
        process = subprocess.Popen(["gzip", "-6", "-n"], stdin=subprocess.PIPE, stdout=out)
        left = size
        while left:
            block = data.read(min(left, 1 << 20))
            process.stdin.write(block)
            left -= len(block)
        process.stdin.close()
        if process.wait() != 0:
            raise OSError(f"gzip failed for {target}")
    return file_digest(target), os.path.getsize(target)


def write_oci_layout(archive, config, tag, directory):
    """The same image as an OCI layout with gzip layers."""
    shutil.rmtree(directory, ignore_errors=True)
    blobs = os.path.join(directory, "blobs", "sha256")
    os.makedirs(blobs)

    def compress(job):
        number, (_, offset, size) = job
        temporary = os.path.join(blobs, f"layer{number}")
        digest, packed = gzip_range(archive.path, offset, size, temporary)
        os.rename(temporary, os.path.join(blobs, digest))
        return {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                "digest": f"sha256:{digest}", "size": packed}

    with ThreadPoolExecutor(max_workers=2) as pool:
        layers = list(pool.map(compress, enumerate(archive.layers)))

    write_index(directory, config, tag, layers)


def write_index(directory, config, tag, layers):
    """What an OCI layout says of its one image."""
    blobs = os.path.join(directory, "blobs", "sha256")

    def blob(value):
        data = json.dumps(value, sort_keys=True).encode()
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(blobs, digest), "wb") as out:
            out.write(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **blob(config)},
                "layers": layers}
    entry = {"mediaType": manifest["mediaType"], **blob(manifest),
             "annotations": {"org.opencontainers.image.ref.name": tag.rpartition(":")[2]},
             "platform": {"architecture": config["architecture"], "os": "linux"}}
    with open(os.path.join(directory, "index.json"), "w") as out:
        json.dump({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
                   "manifests": [entry]}, out)
    with open(os.path.join(directory, "oci-layout"), "w") as out:
        out.write('{"imageLayoutVersion": "1.0.0"}')
