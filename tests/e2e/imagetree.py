"""A second reader of images, written against the specifications alone: what flense writes is
compared through it, never through flense."""

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile


class Image:
    def __init__(self, config, layers, manifest_digest=None):
        self.config, self.layers, self.manifest_digest = config, layers, manifest_digest

    @property
    def diff_ids(self):
        return self.config["rootfs"]["diff_ids"]

    @property
    def labels(self):
        return self.config.get("config", {}).get("Labels") or {}


def unpacked(data):
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    if data[:4] == b"\x28\xb5\x2f\xfd":
        return subprocess.run(["zstd", "-dc"], input=data, check=True, stdout=subprocess.PIPE).stdout
    return data


def checked(read, descriptor):
    data = read("blobs/" + descriptor["digest"].replace(":", "/"))
    assert "sha256:" + hashlib.sha256(data).hexdigest() == descriptor["digest"], descriptor
    assert len(data) == descriptor["size"], descriptor
    return data


def read_oci(read, architecture):
    index = json.loads(read("index.json"))
    assert json.loads(read("oci-layout"))["imageLayoutVersion"] == "1.0.0"
    assert len(index["manifests"]) == 1, index
    chosen, = index["manifests"]
    manifest = json.loads(checked(read, chosen))
    if "manifests" in manifest:
        chosen, = (one for one in manifest["manifests"] if one["platform"]["architecture"] == architecture)
    return image_of(read, chosen)


def image_of(read, chosen):
    manifest = json.loads(checked(read, chosen))
    config = json.loads(checked(read, manifest["config"]))
    layers = []
    for descriptor, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
        data = checked(read, descriptor)
        kind = {b"\x1f\x8b": "+gzip", b"\x28\xb5": "+zstd"}.get(data[:2], "")
        assert descriptor["mediaType"] == "application/vnd.oci.image.layer.v1.tar" + kind, descriptor
        layers.append(unpacked(data))
        assert "sha256:" + hashlib.sha256(layers[-1]).hexdigest() == diff_id
    return Image(config, layers, chosen["digest"])


class Layout:
    """An OCI layout directory with an index: every image of it by its descriptor."""

    def __init__(self, path):
        self.path = path
        self.top = json.loads(self.read("index.json"))["manifests"]

    def read(self, name):
        with open(os.path.join(self.path, name), "rb") as data:
            return data.read()

    def named(self, tag):
        found, = (one for one in self.top
                  if one.get("annotations", {}).get("org.opencontainers.image.ref.name") == tag)
        return found

    def document(self, descriptor):
        return json.loads(checked(self.read, descriptor))

    def image(self, descriptor):
        return image_of(self.read, descriptor)


def read_docker(read, _):
    manifest, = json.loads(read("manifest.json"))
    config = json.loads(read(manifest["Config"]))
    layers = []
    for name, diff_id in zip(manifest["Layers"], config["rootfs"]["diff_ids"], strict=True):
        layers.append(unpacked(read(name)))
        assert "sha256:" + hashlib.sha256(layers[-1]).hexdigest() == diff_id, name
    return Image(config, layers)


def read_image(path, form=None, architecture="amd64"):
    """A layout directory or an archive; every digest and size is verified. Of several images that for `architecture`."""
    if os.path.isdir(path):
        def read(name):
            with open(os.path.join(path, name), "rb") as data:
                return data.read()
        return read_oci(read, architecture)
    with tarfile.open(path) as tar:
        members = {m.name.removeprefix("./"): m for m in tar.getmembers()}

        def read(name):
            member = members[name]
            return tar.extractfile(members[member.linkname] if member.islnk() or member.issym() else member).read()
        return (read_oci if form == "oci" or "manifest.json" not in members else read_docker)(read, architecture)


def merged(layers):
    """path -> description of what a container would see there."""
    tree = {}

    def remove(path):
        for name in [n for n in tree if n == path or n.startswith(path + "/")]:
            del tree[name]

    for layer in layers:
        with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
            members = tar.getmembers()
            for member in members:
                path = member.name.strip("/").removeprefix("./")
                folder, _, name = path.rpartition("/")
                if name == ".wh..wh..opq":
                    for inner in [n for n in tree if n.startswith(folder + "/")]:
                        del tree[inner]
                elif name.startswith(".wh."):
                    remove(f"{folder}/{name[4:]}" if folder else name[4:])
            for member in members:
                path = member.name.strip("/").removeprefix("./")
                if path.rpartition("/")[2].startswith(".wh.") or path in ("", "."):
                    continue
                state = {"type": member.type.decode(), "mode": member.mode, "uid": member.uid, "gid": member.gid,
                         "mtime": int(member.mtime),
                         "xattrs": {k: v for k, v in member.pax_headers.items() if k.startswith("SCHILY.xattr.")}}
                if member.islnk():
                    tree[path] = tree[member.linkname.strip("/").removeprefix("./")]
                    continue
                if path in tree and not (member.isdir() and tree[path]["type"] == "5"):
                    remove(path)
                if member.isreg():
                    data = tar.extractfile(member).read()
                    state.update(type="0", size=len(data), sha256=hashlib.sha256(data).hexdigest(), data=data)
                elif member.issym():
                    state["target"] = member.linkname
                tree[path] = state
    return tree


def difference(before, after):
    """(gone, new, changed) paths."""
    gone = sorted(set(before) - set(after))
    new = sorted(set(after) - set(before))
    return gone, new, sorted(p for p in set(before) & set(after) if before[p] != after[p])
