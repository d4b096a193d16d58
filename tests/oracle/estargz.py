#!/usr/bin/env python3
"""Layers of `flense slim --compression estargz` against the reference implementation, containerd's Go package.

  estargz.py [--image ARCHIVE]… [--level N] [--trace-file FILE] [--judge PROGRAM] [--gpu GPU] [OPTION of slim…]

estargz_judge/ (built here with `go`, unless --judge names it) opens every layer with the package, verifies the table
of contents by the annotation's digest and every chunk of every file by the table, compares all contents with the tar,
and the table with the one that the package's own writer makes of the same tar. Beside it stands the size of the same
layers as ordinary gzip, and what the reference needs at its gzip level N (default: ours).

Without --image: a generated image of odd members, once more with some of them first, and `small` of
scripts/make-image.py where it is. Exit status 77 without go or its module.
"""

import argparse
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BINARY = os.environ.get("FLENSE_BINARY") or os.path.join(TOP, "build/release/flense")
CACHE = os.environ.get("FLENSE_CACHE") or os.path.expanduser("~/.cache/flense")
CHUNK = 4 << 20


def odd_layer():
    """Every kind of member, sizes around a chunk, long names, extended attributes, owners' names."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        def add(name, kind=tarfile.REGTYPE, data=b"", **more):
            info = tarfile.TarInfo(name)
            info.type, info.size, info.mode, info.mtime = kind, len(data), 0o640, 1_600_000_000
            for key, value in more.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(data))
        add("./", tarfile.DIRTYPE, mode=0o755)
        add("./dev", tarfile.DIRTYPE, mode=0o1777, uname="root", gname="root")
        add("./dev/null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666)
        add("./dev/sda", tarfile.BLKTYPE, devmajor=8, devminor=1, uname="root", gname="disk", gid=6)
        add("./dev/pipe", tarfile.FIFOTYPE)
        for number, size in enumerate((0, 1, 511, 512, 513, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 12_345)):
            add(f"./data/{size}", data=hashlib.shake_256(b"%d" % size).digest(size // 3) * 3 + bytes(size % 3),
                uid=number, gid=2 ** 31 + number, uname=f"user{number}", gname="group",
                pax_headers={"SCHILY.xattr.user.note": f"é{number}", "SCHILY.xattr.security.capability": "\x01\x02"})
        add("./data/" + "long/" * 60 + "name", data=b"long")
        add("./data/" + "ü" * 120, data=b"wide", mode=0o4755)
        add("./data/after 1970", data=b"x", mtime=1_234_567_890.987)
        add("./data/epoch", data=b"x", mtime=0)
        add("./data/before", data=b"x", mtime=-86_400.5)
        add("./data/quote\"back\\slash\ttab<&>", data=b"x")
        add("./data/link", tarfile.SYMTYPE, linkname="far/" * 50)
        add("./data/hard", tarfile.LNKTYPE, linkname=f"./data/{CHUNK}")
        add("./data/harder", tarfile.LNKTYPE, linkname="./data/hard")
        add("./gone/.wh.file")
        add("./gone/.wh..wh..opq")
    return buffer.getvalue()


def odd_image(path):
    layer = odd_layer()
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {
        "type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}}).encode()
    manifest = json.dumps([{"Config": "config.json", "RepoTags": ["odd:1"], "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(path, "w") as tar:
        for name, data in (("layer.tar", layer), ("config.json", config), ("manifest.json", manifest)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def build_judge(work):
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if not go:
        return None
    source = os.path.join(work, "estargz_judge")
    shutil.copytree(os.path.join(HERE, "estargz_judge"), source)
    done = subprocess.run([go, "build", "-o", os.path.join(work, "judge"), "."], cwd=source, check=False,
                          stderr=subprocess.PIPE)
    if done.returncode != 0:
        print(done.stderr.decode(), file=sys.stderr)
        return None
    return os.path.join(work, "judge")


def slim(image, output, gpu, options):
    subprocess.run([BINARY, "slim", image, "--gpu", gpu, "-o", "oci:" + output, "--provenance", "none", "--json",
                    *options], check=True, stdout=subprocess.DEVNULL)


def layers_of(layout):
    def read(digest):
        with open(os.path.join(layout, "blobs/sha256", digest.removeprefix("sha256:"))) as text:
            return json.load(text)
    with open(os.path.join(layout, "index.json")) as text:
        return read(json.load(text)["manifests"][0]["digest"])["layers"]


def judge_image(judge, image, trace, work, arguments, rest):
    lazy, plain = os.path.join(work, "lazy"), os.path.join(work, "plain")
    level = f":{arguments.level}"
    first = ["--trace-file", trace] if trace else []
    slim(image, lazy, arguments.gpu, ["--compression", "estargz" + level, *first, *rest])
    slim(image, plain, arguments.gpu, ["--compression", "gzip" + level, *rest])
    said = subprocess.run([judge, lazy, str(arguments.level)], check=False, stdout=subprocess.PIPE,
                          env={**os.environ, "TMPDIR": work})
    rows = [json.loads(line) for line in said.stdout.decode().splitlines()]
    expected = [one for one in layers_of(lazy) if "annotations" in one]
    fine = said.returncode == 0 and len(rows) == len(expected) > 0
    print(f"{image}: {len(rows)} of {len(layers_of(lazy))} layers, {'fine' if fine else 'WRONG'}")
    for row, ordinary in zip(rows, layers_of(plain)):
        print(f"  {row['digest'][7:19]} {row['entries']} entries, {row['files']} files, {row['chunks']} chunks, "
              f"{row['bytes']} bytes; stored {row['size']}, gzip {ordinary['size']} "
              f"({100 * row['size'] / ordinary['size'] - 100:+.1f} %), the reference {row['reference_size']}, "
              f"prefetch {row['prefetch_bytes']}")
    for folder in (lazy, plain):
        shutil.rmtree(folder)
    return fine


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", action="append", default=[])
    parser.add_argument("--level", type=int, default=6)
    parser.add_argument("--gpu", default="h100")
    parser.add_argument("--judge")
    parser.add_argument("--trace-file")
    arguments, rest = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="flense-estargz-", dir=os.environ.get("FLENSE_TEST_DIR")) as work:
        judge = arguments.judge or build_judge(work)
        if not judge:
            print("skipped: the reference implementation cannot be built here")
            return 77
        images = [(image, arguments.trace_file) for image in arguments.image]
        if not images:
            odd, trace = os.path.join(work, "odd.tar"), os.path.join(work, "odd.trace")
            odd_image(odd)
            with open(trace, "w", encoding="utf-8") as text:
                text.write(f"/data/harder\n/data/{3 * CHUNK + 12_345}\n/data/link\n/data/0\n")
            images = [(odd, None), (odd, trace)]
            small = os.path.join(CACHE, "images/small.tar")
            if os.path.exists(small):
                images.append((small, arguments.trace_file))
        results = [judge_image(judge, image, trace, work, arguments, rest) for image, trace in images]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
