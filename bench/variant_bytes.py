#!/usr/bin/env python3
"""What one tag for four kinds of GPUs costs in a registry, and what a node pulls: an index of variants beside four slim images
and beside the fat one, for two releases of an application that differ in their last layer.

    bench/variant_bytes.py [--gpus LIST] [--level LEVEL] [-o FOLDER] [NAME...]

Images come from scripts/make-image.py; each gets a layer of 2 MB for the application, another one for the next release. Bytes
are those of compressed blobs, each digest once, as registries store and nodes pull them. FOLDER receives results.json and
table.md; sizes repeat exactly."""

import argparse
import gzip
import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
CACHE = os.environ.get("FLENSE_CACHE") or os.path.expanduser("~/.cache/flense")
FLENSE = os.environ.get("FLENSE_BINARY") or os.path.join(TOP, "build/release/flense")


class Layout:
    """An OCI layout, read by names of images."""

    def __init__(self, path):
        self.path = path

    def document(self, digest):
        with open(self.blob(digest), encoding="utf-8") as text:
            return json.load(text)

    def blob(self, digest):
        return os.path.join(self.path, "blobs", *digest.split(":"))

    def index(self):
        with open(os.path.join(self.path, "index.json"), encoding="utf-8") as text:
            return json.load(text)

    def blobs(self, entry):
        """Digests and sizes of all that hangs on it, itself included."""
        out = {entry["digest"]: entry["size"]}
        document = self.document(entry["digest"])
        for part in [*document.get("layers", []), *([document["config"]] if "config" in document else [])]:
            out[part["digest"]] = part["size"]
        for inner in document.get("manifests", []):
            out |= self.blobs(inner)
        return out

    def images(self):
        """By tag."""
        name = "org.opencontainers.image.ref.name"
        return {entry["annotations"][name]: self.blobs(entry) for entry in self.index()["manifests"]
                if name in entry.get("annotations", {})}

    def put(self, data):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        with open(self.blob(digest), "wb") as out:
            out.write(data)
        return {"digest": digest, "size": len(data)}


def app_layer(release):
    """2 MB that do not compress, always the same."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as out:
        member = tarfile.TarInfo("srv/app.bin")
        data = random.Random(release).randbytes(2_000_000)
        member.size = len(data)
        out.addfile(member, io.BytesIO(data))
    return tar.getvalue()


def released(base, release, folder):
    """The image of `base` with the application's layer on top, as another layout that shares its blobs."""
    shutil.copytree(base, folder, copy_function=os.link)
    layout = Layout(folder)
    entry = layout.index()["manifests"][0]
    manifest = layout.document(entry["digest"])
    config = layout.document(manifest["config"]["digest"])
    tar = app_layer(release)
    layer = layout.put(gzip.compress(tar, mtime=0))
    config["rootfs"]["diff_ids"].append("sha256:" + hashlib.sha256(tar).hexdigest())
    if "history" in config:
        config["history"].append({"created_by": "COPY app.bin /srv/"})
    manifest["layers"].append({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **layer})
    manifest["config"] |= layout.put(json.dumps(config).encode())
    entry |= layout.put(json.dumps(manifest).encode())
    entry["annotations"] = {"org.opencontainers.image.ref.name": "1"}
    os.remove(os.path.join(folder, "index.json"))
    with open(os.path.join(folder, "index.json"), "w", encoding="utf-8") as out:
        json.dump({"schemaVersion": 2, "manifests": [entry]}, out)


def flense(*words):
    subprocess.run([FLENSE, "slim", *words, "--provenance", "none", "-q"], check=True, stdout=subprocess.DEVNULL)


def union(images):
    """The blobs in any of them, by digest."""
    out = {}
    for image in images.values():
        out |= image
    return out


def total(blobs):
    return sum(blobs.values())


def news(before, after):
    return sum(size for digest, size in after.items() if digest not in before)


def measure(name, gpus, options, work):
    subprocess.run([sys.executable, os.path.join(TOP, "scripts/make-image.py"), name, "--oci"], check=True, stdout=sys.stderr)
    fat, slim, index = [], [], []
    for release in (1, 2):
        source = os.path.join(work, f"release-{release}")
        released(os.path.join(CACHE, "images", name + ".oci"), release, source)
        fat.append(Layout(source).images()["1"])
        out = os.path.join(work, f"variants-{release}")
        flense(f"oci:{source}:1", "--variants", ",".join(gpus), "-o", f"oci:{out}:1", *options)
        index.append(Layout(out).images())
        shutil.rmtree(out)
        alone = {}
        for gpu in gpus:
            out = os.path.join(work, f"alone-{release}-{gpu}")
            flense(f"oci:{source}:1", "--gpu", gpu, "-o", f"oci:{out}", "-t", "1", *options)
            alone[gpu] = Layout(out).images()["1"]
            shutil.rmtree(out)
        slim.append(alone)
        shutil.rmtree(source)
    tags = [tag for tag in index[0] if tag != "1"]
    return {
        "image": name, "gpus": gpus, "options": options,
        "registry": {"fat": total(fat[0]), "index": total(union(index[0])), "index_adds": news(fat[0], union(index[0])),
                     "four_slim": total(union(slim[0])), "four_fat": len(gpus) * total(fat[0])},
        "next_release_registry": {"fat": news(fat[0], fat[1]), "index": news(union(index[0]), union(index[1])),
                                  "four_slim": news(union(slim[0]), union(slim[1]))},
        "node": {"fat": total(fat[0]), "variant": {tag: total(index[0][tag]) for tag in tags},
                 "slim": {gpu: total(slim[0][gpu]) for gpu in gpus}},
        "next_release_node": {"fat": news(fat[0], fat[1]), "variant": {tag: news(index[0][tag], index[1][tag]) for tag in tags},
                              "slim": {gpu: news(slim[0][gpu], slim[1][gpu]) for gpu in gpus}},
    }


def table(results):
    def mb(value):
        return f"{value / 1e6:,.1f}"

    def span(values):
        low, high = min(values.values()), max(values.values())
        return mb(low) if low == high else f"{mb(low)}–{mb(high)}"
    rows = ["| image | | fat | fat, four apart | four slim images | original and variants in one index |", "|---|---|---:|---:|---:|---:|"]
    for one in results:
        registry, later = one["registry"], one["next_release_registry"]
        node, node_later = one["node"], one["next_release_node"]
        rows += [f"| {one['image']} | registry, MB | {mb(registry['fat'])} | {mb(registry['four_fat'])} | {mb(registry['four_slim'])} | "
                 f"{mb(registry['index'])} ({mb(registry['index_adds'])} added) |",
                 f"| | … next release adds | {mb(later['fat'])} | {mb(len(one['gpus']) * later['fat'])} | {mb(later['four_slim'])} | {mb(later['index'])} |",
                 f"| | a node pulls | {mb(node['fat'])} | {mb(node['fat'])} | {span(node['slim'])} | {span(node['variant'])} |",
                 f"| | … for the next release | {mb(node_later['fat'])} | {mb(node_later['fat'])} | {span(node_later['slim'])} | {span(node_later['variant'])} |"]
    return "\n".join(rows) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpus", default="h100,a100,l40s,t4")
    parser.add_argument("--level", default="standard")
    parser.add_argument("-o", "--output", default=os.path.join(TOP, "build/variant-bytes"))
    parser.add_argument("names", nargs="*", metavar="NAME", default=["clean", "jax", "onnx"])
    arguments = parser.parse_args()
    os.makedirs(arguments.output, exist_ok=True)
    results = []
    for name in arguments.names or ["clean", "jax", "onnx"]:
        with tempfile.TemporaryDirectory(prefix="flense-variants-", dir=os.path.join(CACHE, "images")) as work:
            results.append(measure(name, arguments.gpus.split(","), ["--level", arguments.level], work))
        with open(os.path.join(arguments.output, "results.json"), "w", encoding="utf-8") as out:
            json.dump(results, out, indent=1)
        with open(os.path.join(arguments.output, "table.md"), "w", encoding="utf-8") as out:
            out.write(table(results))
    print(table(results), end="")


if __name__ == "__main__":
    main()
