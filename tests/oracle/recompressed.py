#!/usr/bin/env python3
"""Real libraries whose kept device code `flense slim --recompress-code` compresses anew, against the
same libraries slimmed without it.

  recompressed.py [--only WORD] [--mode size|balance] [--json FILE] [--markdown FILE]

Per library: cuobjdump must extract the same cubins and PTX from both (sha256 in the order of its
list), the entries' headers may differ in how the payload is stored alone, every entry that changed
must have become a smaller zstd frame which `zstd` unpacks to the stated size, the wrappers must reach
regions with the same entries, and the result must load and answer in a process of its own like the
original. A damaged frame must be seen.

Caches and exit status as of libraries.py. The libraries are of CUDA 11 and 12, whose code is raw or
LZ4, and of CUDA 13, whose code is zstd already.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time

import cuobjdump_check
import libraries
import library_tools

RAW, LZ4, ZSTD = 0, 0x2000, 0x8000

# Smaller than the sets of libraries.py, of the same pins.
libraries.SETS["math-cu12"] = [pin for pin in libraries.SETS["cu12"] if re.match(
    r"nvidia-(cublas|cuda-runtime|curand|cusolver|cusparse|nccl|nvjitlink)-cu12", pin)]
libraries.SETS["math-cu13"] = [pin for pin in libraries.SETS["cu13"] if re.match(
    r"nvidia-(cublas|cuda-runtime)=", pin)]

# (publisher, CUDA major, set, library, further sets that it needs)
LIBRARIES = [
    ("NVIDIA", 12, "math-cu12", "libcublas.so.12", []),
    ("NVIDIA", 12, "math-cu12", "libcurand.so.10", []),
    ("NVIDIA", 12, "math-cu12", "libcusolver.so.11", []),
    ("NVIDIA", 12, "math-cu12", "libcusparse.so.12", []),
    ("NVIDIA", 12, "math-cu12", "libnccl.so.2", []),
    ("NVIDIA", 13, "math-cu13", "libcublas.so.13", []),
    ("bitsandbytes", 12, "bitsandbytes", "libbitsandbytes_cuda128.so", ["math-cu12"]),
    ("CTranslate2", 12, "ctranslate2", "libctranslate2-a7a60d30.so.4.8.5", ["math-cu12"]),
    ("CuPy", 12, "cupy-cu12", "cub.cpython-311-x86_64-linux-gnu.so", ["math-cu12"]),
    ("faiss", 12, "faiss", "libfaiss-6b43fd57.so", ["math-cu12"]),
    ("onnxruntime", 12, "onnxruntime", "libonnxruntime_providers_cuda.so", ["math-cu12"]),
    ("PyTorch", 12, "torchvision", "_C.so", ["math-cu12"]),
]


class Failed(Exception):
    pass


def form_of(library, entry):
    return struct.unpack_from("<Q", library.data, entry.position + 40)[0] & (LZ4 | ZSTD)


def header_without_form(library, entry):
    """The entry's header with payload size, compressed size, form and unpacked size as zero."""
    header = bytearray(library.data[entry.position:entry.position + entry.header])
    flags, = struct.unpack_from("<Q", header, 40)
    struct.pack_into("<QI", header, 8, 0, 0)
    struct.pack_into("<Q", header, 40, flags & ~(LZ4 | ZSTD))
    struct.pack_into("<Q", header, 56, 0)
    return bytes(header)


def unpacks(library, entry):
    """Whether `zstd` makes what the header states of the entry's frame."""
    packed, = struct.unpack_from("<I", library.data, entry.position + 16)
    size, = struct.unpack_from("<Q", library.data, entry.position + 56)
    start = entry.position + entry.header
    frame, padding = library.data[start:start + packed], library.data[start + packed:start + entry.payload]
    if not 0 <= len(padding) < 8 or padding.strip(b"\0"):
        raise Failed(f"padding of the entry at {entry.position:#x}")
    done = subprocess.run(["zstd", "-qdc"], input=frame, capture_output=True, check=False)
    return done.returncode == 0 and len(done.stdout) == size


def compare_entries(plain, packed):
    """Counts of entries that changed, by the form that they had."""
    changed = {RAW: 0, LZ4: 0, ZSTD: 0}
    regions = [region for region in plain.regions if region.entries]
    others = [region for region in packed.regions if region.entries]
    if len(regions) != len(others) or len(plain.wrappers) != len(packed.wrappers):
        raise Failed(f"{len(regions)} regions became {len(others)}")
    for (_version, before), (_version_after, after) in zip(plain.wrappers, packed.wrappers):
        one, other = plain.by_address.get(before), packed.by_address.get(after)
        if (one is None) != (other is None):
            raise Failed(f"the wrapper of {before:#x} lost its region")
    to_unpack = []
    for region, other in zip(regions, others):
        if len(region.entries) != len(other.entries):
            raise Failed(f"the region at {region.address:#x} lost entries")
        for old, new in zip(region.entries, other.entries):
            if header_without_form(plain, old) != header_without_form(packed, new):
                raise Failed(f"the header of the entry at {new.position:#x}")
            if plain.stored(old) == packed.stored(new):
                continue
            if form_of(packed, new) != ZSTD or new.size >= old.size:
                raise Failed(f"the entry at {new.position:#x} did not become a smaller zstd frame")
            changed[form_of(plain, old)] += 1
            to_unpack.append(new)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for entry, fine in zip(to_unpack, pool.map(lambda one: unpacks(packed, one), to_unpack)):
            if not fine:
                raise Failed(f"zstd does not unpack the entry at {entry.position:#x}")
    return changed, to_unpack


def extracted(path, scratch):
    """sha256 and kind of everything that cuobjdump extracts, in the order of its list."""
    library = cuobjdump_check.Library(path)
    tool, numbers, _unknown = cuobjdump_check.ways_to_read(cuobjdump_check.find_cuobjdump(None), (library,))
    hashes = cuobjdump_check.hash_entries(tool, library, numbers, str(scratch))
    return [(entry.kind, entry.arch, hashes[entry]) for region in library.regions
            for entry in region.entries if entry in hashes]


def slim(source, target, gpu, *more):
    begin = time.monotonic()
    report = json.loads(libraries.checked(
        [libraries.FLENSE, "slim", source, "--gpu", gpu, "-o", target, "--json", "--provenance", "none",
         *more], "slim"))
    return time.monotonic() - begin, {one["id"]: one["bytes"] for one in report["passes"]}


def packed_size(path):
    """As a layer compressed with zstd's default level would hold it."""
    done = subprocess.run(["zstd", "-3", "-qc", str(path)], capture_output=True, check=True)
    return len(done.stdout)


def check_that_damage_is_seen(packed, entry, scratch):
    copy = scratch / "damaged"
    shutil.copyfile(packed.path, copy)
    with copy.open("r+b") as handle:
        handle.seek(entry.position + entry.header + 4)
        handle.write(b"\xff\xff\xff\xff")
    if unpacks(cuobjdump_check.Library(copy), entry):
        raise Failed("a damaged frame was not seen")
    copy.unlink()


def check_library(entry, mode, scratch):
    publisher, major, group, name, others = entry
    row = {"library": name, "publisher": publisher, "cuda": major}
    folders = [libraries.unpacked(group), *map(libraries.unpacked, others)]
    source = folders[0] / name
    for place in ("in", "plain", "packed"):
        (scratch / place).mkdir()
    original, plain, packed = (scratch / place / name for place in ("in", "plain", "packed"))
    os.symlink(source, original)
    row["seconds_plain"], _passes = slim(source, plain, "sm_90")
    row["seconds"], passes = slim(source, packed, "sm_90", "--recompress-code", mode)
    row.update(before=source.stat().st_size, plain=plain.stat().st_size, after=packed.stat().st_size,
               plain_layer=packed_size(plain), after_layer=packed_size(packed),
               told=passes.get("recompressed-code", 0))
    one, other = cuobjdump_check.Library(plain), cuobjdump_check.Library(packed)
    changed, new = compare_entries(one, other)
    row["changed"] = {"raw": changed[RAW], "lz4": changed[LZ4], "zstd": changed[ZSTD]}
    if new:
        check_that_damage_is_seen(other, new[0], scratch)
    if bool(new) != (row["told"] > 0):
        raise Failed(f"{len(new)} entries changed, and the report tells {row['told']} bytes")
    before, after = extracted(plain, scratch), extracted(packed, scratch)
    if before != after or not before:
        raise Failed(f"cuobjdump extracts {len(after)} entries, {len(before)} before, or others")
    row["extracted"] = len(after)
    loader = library_tools.Loader(folders, scratch)
    loads, answer = loader.original(source)
    loaded, now = loader.once(packed)
    if (loads, answer) != (loaded, now):
        raise Failed(f"loading: before '{answer}', after '{now}'")
    row["loads"] = "yes" if loads else "original neither"
    return row


def markdown(rows):
    lines = ["| library | publisher | CUDA | slim MB | compressed anew MB | in a zstd layer MB | entries: raw, LZ4, zstd | extracted, equal | loads | seconds |",
             "|---|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        if "failed" in row:
            lines.append(f"| {row['library']} | {row['publisher']} | {row['cuda']} | FAILED: {row['failed']} |")
            continue
        counts = ", ".join(str(row["changed"][form]) for form in ("raw", "lz4", "zstd"))
        lines.append(f"| {row['library']} | {row['publisher']} | {row['cuda']} | {row['plain'] / 1e6:.1f} | "
                     f"{row['after'] / 1e6:.1f} | {row['plain_layer'] / 1e6:.1f} → {row['after_layer'] / 1e6:.1f} | "
                     f"{counts} | {row['extracted']} | {row['loads']} | {row['seconds']:.0f} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", default="", help="regular expression for set/library")
    parser.add_argument("--mode", choices=("size", "balance"), default="size")
    parser.add_argument("--json")
    parser.add_argument("--markdown")
    arguments = parser.parse_args()
    if shutil.which("zstd") is None:
        print("no zstd on PATH")
        sys.exit(77)
    try:
        subprocess.run([str(libraries.TOP / "scripts/fetch-cuda-tools.sh")], check=True, stdout=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        print("cuobjdump cannot be had")
        sys.exit(77)
    libraries.older_cuobjdump()
    rows = []
    for entry in LIBRARIES:
        if not re.search(arguments.only, f"{entry[2]}/{entry[3]}"):
            continue
        with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", libraries.CACHE)) as scratch:
            try:
                row = check_library(entry, arguments.mode, pathlib.Path(scratch))
                print(f"ok {entry[2]}/{entry[3]}: {row['plain'] / 1e6:.1f} -> {row['after'] / 1e6:.1f} MB, "
                      f"{row['changed']}, {row['extracted']} extracted and equal, loads: {row['loads']}, "
                      f"{row['seconds']:.0f} s", flush=True)
            except (Failed, libraries.Failed, cuobjdump_check.Difference) as failure:
                row = {"library": entry[3], "publisher": entry[0], "cuda": entry[1], "failed": str(failure)}
                print(f"FAILED {entry[2]}/{entry[3]}: {failure}", flush=True)
        rows.append(row)
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(rows, indent=1))
    if arguments.markdown:
        pathlib.Path(arguments.markdown).write_text(markdown(rows))
    sys.exit(1 if any("failed" in row for row in rows) or not rows else 0)


if __name__ == "__main__":
    main()
