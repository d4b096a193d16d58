#!/usr/bin/env python3
"""Prunes the ROCm code of real wheels and checks each result without flense's own readers.

  rocm.py [--only WORD] [--json FILE] [--markdown FILE]

Per library and target: `flense slim FILE --gpu …`; then, wrapper by wrapper, the bundle before and
after (unpacked by zstd, listed by clang-offload-bundler, targets from e_flags by llvm-readelf):
what is kept is exactly the code for the targets and for generic processors that stand for them, or
the smallest entry where there is none, and each code object has the bytes it had; the header of a
compressed bundle is true, hash included; `readelf -aW` complains of nothing new; the matrix of
`flense inspect` is the bundler's; and the library is loaded with stand-ins for the ROCm libraries,
whose __hipRegisterFatBinary says which bundles the library hands it. Nothing of this runs on an AMD
GPU.

The wheels (0.4 GB) go to $FLENSE_CACHE/wheels; scratch space of 3 GB in $TMPDIR. FLENSE_BINARY
defaults to build/release/flense. Exit status 0 fine, 1 a check failed, 77 a tool is missing.
"""

import argparse
import hashlib
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
import zipfile

import amd_check
import cuobjdump_check
import libraries

SETS = {
    "cupy-rocm7": ["cupy-rocm-7-0==14.2.0"],
    "jax-rocm6": ["jax-rocm60-plugin==0.5.0", "jax-rocm60-pjrt==0.5.0"],
    "jax-rocm7": ["jax-rocm7-plugin==0.10.2", "jax-rocm7-pjrt==0.10.2"],
    "bitsandbytes": ["bitsandbytes==0.50.2"],
}
TARGETS = ("gfx942", "gfx90a", "gfx90a,gfx942")
GENERIC = {"gfx9-4-generic": ("gfx940", "gfx941", "gfx942", "gfx950"),
           "gfx9-generic": ("gfx900", "gfx902", "gfx904", "gfx906", "gfx909", "gfx90c")}


class Failed(Exception):
    """A library is not what it should be."""


def flense(*arguments):
    done = subprocess.run([str(libraries.FLENSE), *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"flense {' '.join(map(str, arguments))}: {done.stderr.strip()[-500:]}")
    return done.stdout


# --- what a library holds -----------------------------------------------------------------------

def wrapped_bundles(path):
    """File offsets of the bundles, one for each wrapper, in the order of the wrappers."""
    library = cuobjdump_check.Library(path)
    found = []
    segments = {section[0]: section for section in library.sections}
    if ".hipFatBinSegment" not in segments:
        return library, found
    _name, _kind, _flags, address, offset, size = segments[".hipFatBinSegment"]
    pointers = library._pointers(address, address + size)  # pylint: disable=protected-access
    for at in range(0, size - 23, 24):
        word, = struct.unpack_from("<Q", library.data, offset + at + 8)
        place = pointers.get(address + at + 8, word)
        for _name, _kind, _flags, begin, file_offset, length in library.sections:
            if begin and begin <= place < begin + length:
                found.append(place - begin + file_offset)
                break
        else:
            raise Failed(f"{path}: a wrapper points at {place:#x}, outside of all sections")
    return library, found


def contents(plain):
    """[(id, digest of the content)] of a plain bundle."""
    out, end = [], 0
    for name, at, size in amd_check.entries_of(plain, 0):
        if size and at < end:
            raise Failed(f"contents overlap at {name}")
        end = at + size if size else end
        if at % 4096:
            raise Failed(f"{name} does not begin on a page")
        out.append((name, size, hashlib.sha256(plain[at:at + size]).hexdigest()))
    return out


def check_header(data, at, plain):
    """Of a compressed bundle: version, total size and hash; 0 for a plain one."""
    if data[at:at + 4] != amd_check.COMPRESSED:
        return 0
    version, _method = struct.unpack_from("<HH", data, at + 4)
    total, size, stated = amd_check.HEADERS[version].unpack_from(data, at + 8)
    own, = struct.unpack_from("<Q", hashlib.md5(plain).digest())
    if (size, stated) != (len(plain), own):
        raise Failed(f"header at {at:#x} states {size} bytes and {stated:#x}, not {len(plain)} and {own:#x}")
    if at + total > len(data):
        raise Failed(f"bundle at {at:#x} leaves the file")
    return version


def serves(target, gpus):
    processor = target.split(":")[0]
    return any(gpu == processor or gpu in GENERIC.get(processor, ()) for gpu in gpus)


def expected(before, gpus):
    """What stays of a bundle, by the rule."""
    def target(name):
        return re.sub(r"^\w+-amdgcn-amd-amdhsa-[^-]*-", "", name)
    code = [row for row in before if not row[0].startswith("host")]
    kept = [row for row in code if serves(target(row[0]), gpus)]
    if not kept and code:
        kept = [min(code, key=lambda row: row[1])]
    return [row for row in before if row[0].startswith("host") or row in kept]


def compare(before_path, after_path, gpus, scratch):
    """(bundles, entries before, entries after, versions) when all is as it should be."""
    before, places = wrapped_bundles(before_path)
    after, new_places = wrapped_bundles(after_path)
    if len(places) != len(new_places):
        raise Failed(f"{len(places)} wrappers became {len(new_places)}")
    had = has = 0
    versions = set()
    for old, new in zip(places, new_places):
        old_plain, new_plain = amd_check.unpacked(before.data, old), amd_check.unpacked(after.data, new)
        versions.add(check_header(after.data, new, new_plain))
        if check_header(before.data, old, old_plain) not in versions:
            raise Failed(f"the bundle at {old:#x} changed its form")
        old_rows, new_rows = contents(old_plain), contents(new_plain)
        if expected(old_rows, gpus) != new_rows:
            raise Failed(f"the bundle at {old:#x} keeps {[row[0] for row in new_rows]}")
        amd_check.targets_of_bundle(new_plain, scratch)
        had, has = had + len(old_rows), has + len(new_rows)
    return len(places), had, has, sorted(versions)


# --- other readers and the loader ---------------------------------------------------------------

def readelf_complaints(path):
    done = subprocess.run(["readelf", "-aW", str(path)], capture_output=True, text=True, check=False, errors="replace")
    return set(re.findall(r"(?:Warning|Error): [^\n]*", done.stderr.replace("readelf: ", "")))


STAND_IN = r"""
#include <stdint.h>
#include <stdio.h>
#include <string.h>
struct wrapper { uint32_t magic, version; const unsigned char *binary; const void *unused; };
void **__hipRegisterFatBinary(const struct wrapper *w) {
  static void *handle[1];
  unsigned long long entries = 0;
  if (memcmp(w->binary, "__CLANG_OFFLOAD_BUNDLE__", 24) == 0) memcpy(&entries, w->binary + 24, 8);
  fprintf(stderr, "bundle %08x %.4s %llu\n", w->magic, (const char *)w->binary, entries);
  fflush(stderr);
  return handle;
}
"""


def undefined(path):
    text = subprocess.run(["nm", "-D", "--undefined-only", str(path)], capture_output=True, text=True, check=True).stdout
    return {line.split()[-1].split("@")[0] for line in text.splitlines()
            if " U " in line and re.search(r"(?i) (_*hip|roc|miopen|nccl|hsa|amd_comgr|rsmi|amdsmi)", line)}


def needed(path):
    text = subprocess.run(["readelf", "-dW", str(path)], capture_output=True, text=True, check=True).stdout
    return re.findall(r"NEEDED\).*\[(.*)\]", text)


def load(path, scratch):
    """What the library hands to HIP when it is loaded; None, and why, where it cannot be loaded here."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=scratch))
    source = folder / "stand_in.c"
    source.write_text(STAND_IN + "".join(f"void *{name}() {{ return 0; }}\n"
                                         for name in sorted(undefined(path) - {"__hipRegisterFatBinary"})))
    names = [name for name in needed(path) if re.match(r"lib(hip|roc|MIOpen|rccl|amd|hsa)", name)]
    for name in names or ["libamdhip64.so"]:
        subprocess.run(["cc", "-shared", "-fPIC", "-w", "-o", folder / name, source, f"-Wl,-soname,{name}"], check=True)
    program = ("import ctypes, os, sys\n"
               "ctypes.CDLL(sys.argv[1], os.RTLD_GLOBAL | os.RTLD_LAZY)\n"
               "ctypes.CDLL(sys.argv[2], os.RTLD_LAZY)\n"
               "sys.stderr.write('loaded\\n'); sys.stderr.flush(); os._exit(0)\n")
    first = folder / (names or ["libamdhip64.so"])[0]
    done = subprocess.run([sys.executable, "-c", program, str(first), str(path)], capture_output=True, text=True,
                          check=False, env=dict(os.environ, LD_LIBRARY_PATH=str(folder)), timeout=120)
    shutil.rmtree(folder)
    lines = done.stderr.strip().splitlines() or ["no output"]
    if "loaded" not in lines:
        return None, lines[-1][-160:]
    return [line for line in lines if line.startswith("bundle ")], ""


# --- one library --------------------------------------------------------------------------------

def check_matrix(path, scratch):
    counts, _found, _own = amd_check.code_objects(path, scratch)
    report = json.loads(flense("inspect", path, "--json", "--no-cache"))
    rows = {row["arch"]: row["count"] for file in report["device_code"]["files"] for row in file["entries"]
            if row["vendor"] == "amd"}
    if rows != dict(counts):
        raise Failed(f"flense inspect says {rows}, the bundler {dict(counts)}")


def check_library(path, scratch):
    rows = []
    original = readelf_complaints(path)
    loads, why = load(path, scratch)
    for gpus in TARGETS:
        output = scratch / "pruned.so"
        output.unlink(missing_ok=True)
        began = time.monotonic()
        flense("slim", path, "--gpu", gpus, "-o", output, "--provenance", "none")
        seconds = time.monotonic() - began
        bundles, had, has, versions = compare(path, output, gpus.split(","), scratch)
        check_matrix(output, scratch)
        if new := readelf_complaints(output) - original:
            raise Failed(f"readelf complains: {sorted(new)[:3]}")
        loaded = "not here: " + why
        if loads is not None:
            after, failed = load(output, scratch)
            if after is None or [line.split()[:3] for line in after] != [line.split()[:3] for line in loads]:
                raise Failed(f"loaded, it hands over {after}, the original {loads} ({failed})")
            loaded = f"{len(after)} bundles registered"
        rows.append({"library": path.name, "gpus": gpus, "before": path.stat().st_size,
                     "after": output.stat().st_size, "bundles": bundles, "forms": versions,
                     "entries_before": had, "entries_after": has, "seconds": round(seconds, 2), "loaded": loaded})
    return rows


def markdown(rows):
    lines = ["| library | targets | before MB | after MB | saved | bundles | entries | form |", "|---|---|---|---|---|---|---|---|"]
    for row in rows:
        form = "/".join(f"CCOB {version}" if version else "plain" for version in row["forms"])
        lines.append(f"| {row['library']} | {row['gpus']} | {row['before'] / 1e6:.1f} | {row['after'] / 1e6:.1f} | "
                     f"{100 - 100 * row['after'] / row['before']:.0f} % | {row['bundles']} | "
                     f"{row['entries_before']} → {row['entries_after']} | {form} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--json")
    parser.add_argument("--markdown")
    args = parser.parse_args()
    missing = amd_check.missing_tools() + [name for name in ("cc", "nm", "readelf") if not shutil.which(name)]
    if missing:
        print(f"skipped: {', '.join(missing)} not found")
        return 77
    rows, failures = [], 0
    for name, pins in SETS.items():
        with tempfile.TemporaryDirectory(prefix="flense-rocm-") as folder:
            root = pathlib.Path(folder)
            for pin in pins:
                with zipfile.ZipFile(libraries.wheel(pin)) as archive:
                    archive.extractall(root / "site")
            for path in sorted((root / "site").rglob("*.so*")):
                if args.only not in f"{name}/{path.name}" or b".hipFatBinSegment" not in path.read_bytes():
                    continue
                try:
                    found = check_library(path, root)
                    rows += found
                    for row in found:
                        print(f"ok   {name}/{row['library']} {row['gpus']}: {row['before']} -> {row['after']}, "
                              f"{row['entries_before']} -> {row['entries_after']} entries, {row['seconds']} s, "
                              f"{row['loaded']}", flush=True)
                except (Failed, amd_check.Disagreement) as error:
                    failures += 1
                    print(f"FAIL {name}/{path.name}: {error}", flush=True)
    if not rows and not failures:
        print("no library was checked")
        return 1
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(rows, indent=2) + "\n")
    if args.markdown:
        pathlib.Path(args.markdown).write_text(markdown(rows))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
