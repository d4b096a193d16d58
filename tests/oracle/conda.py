#!/usr/bin/env python3
"""Slims the conda image at each level and asks what conda would ask: do the records of conda-meta still tell the truth?

  conda.py [--levels safe,standard,aggressive,closure] [--image ARCHIVE]

The archives are read by Python's tarfile, layer by layer with whiteouts and hard links. For each path that a record
lists: it is there, its SHA-256 and size are the record's, and "files" names what "paths_data" names. What was wrong
before (Python compiles one module anew when it first runs) may be wrong after; nothing else may but digests of files that
a higher layer than the record's holds, which are counted apart. No link leads nowhere that led somewhere before. rattler, which installed the environment, reads every record.

The image comes from scripts/make-image.py (root). FLENSE_BINARY defaults to build/release/flense, scratch space of 3 GB
in $TMPDIR. Exit status 0 fine, 1 a check failed.
"""

import argparse
import hashlib
import json
import os
import posixpath
import subprocess
import sys
import tarfile
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHE = os.environ.get("FLENSE_CACHE") or os.path.expanduser("~/.cache/flense")
FLENSE = os.environ.get("FLENSE_BINARY") or os.path.join(TOP, "build/release/flense")
LEVELS = {"safe": ["--level", "safe"], "standard": [], "aggressive": ["--level", "aggressive"],
          "closure": ["--level", "aggressive", "--closure"]}


def read_image(path):
    """{path: ("f", sha256, size, text of a record, layer) or ("l", target)}; directories are left out."""
    tree = {}
    with tarfile.open(path) as archive:
        for number, name in enumerate(json.load(archive.extractfile("manifest.json"))[0]["Layers"]):
            layer = {}
            with tarfile.open(fileobj=archive.extractfile(name)) as members:
                for one in members:
                    place = one.name.strip("/")
                    folder, base = posixpath.split(place)
                    if base.startswith(".wh."):
                        gone = posixpath.join(folder, base[4:])
                        tree = {k: v for k, v in tree.items() if k != gone and not k.startswith(gone + "/")}
                    elif one.issym():
                        layer[place] = ("l", one.linkname)
                    elif one.islnk():
                        layer[place] = (layer.get(one.linkname) or tree[one.linkname])[:4] + (number,)
                    elif one.isfile():
                        content = members.extractfile(one).read()
                        record = posixpath.basename(folder) == "conda-meta" and base.endswith(".json")
                        layer[place] = ("f", hashlib.sha256(content).hexdigest(), len(content),
                                        content.decode() if record else "", number)
            tree.update(layer)
    return tree


def is_there(tree, path, depth=0):
    if path not in tree:
        return any(one.startswith(path + "/") for one in tree)
    if tree[path][0] == "f":
        return True
    target = posixpath.normpath(posixpath.join("/" + posixpath.dirname(path), tree[path][1])).strip("/")
    return depth < 8 and is_there(tree, target, depth + 1)


def problems(tree):
    found, above, records = set(), 0, 0
    for name, one in tree.items():
        if one[0] != "f" or not one[3]:
            continue
        records += 1
        record = json.loads(one[3])
        prefix = posixpath.dirname(posixpath.dirname(name))
        paths = {entry["_path"]: entry for entry in record["paths_data"]["paths"]}
        for path in set(paths) ^ set(record["files"]):
            found.add((name, path, "in one list only"))
        for path, entry in paths.items():
            full = posixpath.join(prefix, path)
            state = tree.get(full)
            if state is None:
                found.add((name, path, "is not there"))
            elif state[0] == "l":
                if not is_there(tree, full):
                    found.add((name, path, "leads nowhere"))
            elif state[4] > one[4] and state[1] != (entry.get("sha256_in_prefix") or entry.get("sha256")):
                above += 1
            elif state[1] != (entry.get("sha256_in_prefix") or entry.get("sha256")):
                found.add((name, path, "has another SHA-256"))
            # The size is that of the package, with the placeholder, unless somebody changed the file.
            elif state[2] != entry["size_in_bytes"] and "prefix_placeholder" not in entry:
                found.add((name, path, "has another size"))
    return found, above, records


def rattler_reads(tree, scratch):
    folder = os.path.join(scratch, "records")
    os.makedirs(folder, exist_ok=True)
    for number, (name, one) in enumerate(sorted(tree.items())):
        if one[0] == "f" and one[3]:
            with open(os.path.join(folder, f"{number}-{posixpath.basename(name)}"), "w", encoding="utf-8") as out:
                out.write(one[3])
    code = ("import os, sys\nfrom rattler import PrefixRecord\n"
            "for name in os.listdir(sys.argv[1]):\n"
            "    record = PrefixRecord.from_path(os.path.join(sys.argv[1], name))\n"
            "    assert len(record.files) == len(record.paths_data.paths), name\n"
            "os._exit(0)\n")
    subprocess.run([os.path.join(CACHE, "conda/python/bin/python3.11"), "-c", code, folder], check=True,
                   env={"PYTHONPATH": os.path.join(CACHE, "conda/tools"), "PYTHONDONTWRITEBYTECODE": "1"})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--levels", default=",".join(LEVELS))
    parser.add_argument("--image", default=os.path.join(CACHE, "images/conda.tar"))
    args = parser.parse_args()
    before_tree = read_image(args.image)
    before, above, records = problems(before_tree)
    print(f"original: {records} records, {len(before)} untrue, {above} of higher layers")
    dangling = {path for path, one in before_tree.items() if one[0] == "l" and not is_there(before_tree, path)}
    failed = False
    for level in args.levels.split(","):
        with tempfile.TemporaryDirectory(prefix="conda-") as scratch:
            out = os.path.join(scratch, "slim.tar")
            subprocess.run([FLENSE, "slim", args.image, "--gpu", "h100", *LEVELS[level], "-o", f"docker-archive:{out}",
                            "--compression", "none", "--provenance", "none"], check=True, stdout=subprocess.DEVNULL)
            tree = read_image(out)
            after, above, records = problems(tree)
            rattler_reads(tree, scratch)
        links = {path for path, one in tree.items()
                 if one[0] == "l" and path.startswith("opt/conda/") and not is_there(tree, path)} - dangling
        new = sorted(after - before) + [("", path, "leads nowhere") for path in sorted(links)]
        print(f"{level}: {records} records read by rattler, {len(after)} untrue, {len(new)} of them new, {above} of higher layers")
        for name, path, what in new[:20]:
            print(f"  {posixpath.basename(name)}: {path} {what}")
        failed = failed or bool(new)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
