#!/usr/bin/env python3
"""Second opinion on device code: NVIDIA's cuobjdump and an own reading of the format and the rules.

  cuobjdump_check.py prune ORIGINAL PRUNED --gpu 9.0[,8.6] [--level standard] [--keep-ptx]
      Reads both libraries here, decides here which entries of each region must stay, and checks
      that PRUNED holds exactly these, each reached by the same wrapper as before, with nothing but
      padding and the opaque resources of before between them. Then lists and extracts both with
      cuobjdump: it must see the same entries in the same order, and every cubin and PTX of PRUNED
      must have the sha256 of the same entry of ORIGINAL. What this cuobjdump does not read, the one
      of CUDA 12 in the cache is tried on; without it, libraries with architectures that are no
      longer known are read one architecture at a time, the rest is compared as stored.

  cuobjdump_check.py inspect REPORT.json [--root DIR]
      Compares device_code.files[] of `flense inspect --json` with cuobjdump's list, in both
      directions; DIR is the unpacked image, and no library of it with device code may be missing in
      the report. cuobjdump reads .nv_fatbin and __nv_relfatbin only and tells no stored sizes;
      entries of other sections, and all bytes, are counted here.

Prints one line per verdict; exit status 0 fine, 1 difference, 2 wrong usage, 4 no cuobjdump.
Shares no code with flense; Python standard library only.
"""

import argparse
import collections
import hashlib
import json
import mmap
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

import section_cover

REGION_MAGIC = struct.pack("<IHH", 0xBA55ED50, 1, 16)
WRAPPER_MAGIC = 0x466243B1
KINDS = {1: "ptx", 2: "cubin", 8: "ltoir"}
# CUDA 12.9, "Family-specific targets": which GPUs each family target covers.
FAMILIES = {100: (100, 103), 101: (101,), 103: (103,), 110: (110,), 120: (120, 121), 121: (121,)}
EMBEDDED = {32, 53, 62, 72, 87, 101, 110, 111}
LISTED_SECTIONS = (".nv_fatbin", "__nv_relfatbin")


class Difference(Exception):
    """The two opinions differ."""


class ToolFailure(Difference):
    """cuobjdump cannot read a file."""


# --- reading ------------------------------------------------------------------------------------

class Entry:
    def __init__(self, data, position):
        kind, version, self.header, self.payload = struct.unpack_from("<HHIQ", data, position)
        if version != 0x0101 or self.header < 64:
            raise ValueError(f"bad entry at {position:#x}")
        self.position = position
        self.number, = struct.unpack_from("<I", data, position + 28)
        self.flags, = struct.unpack_from("<Q", data, position + 40)
        self.unpacked, = struct.unpack_from("<Q", data, position + 56)
        specific, family = bool(self.flags & 0x100000), bool(self.flags & 0x200000)
        self.variant = "a" if specific else "f" if family else ""
        self.kind = "unknown" if specific and family else KINDS.get(kind, "unknown")
        self.size = self.header + self.payload

    @property
    def arch(self):
        return f"sm_{self.number}{self.variant}"

    def extracts_to(self, size):
        """Whether a file of `size` bytes can be this entry: stored sizes are rounded up to 8, PTX
        loses the zero at its end."""
        slack = (0 if self.unpacked else 7) + (1 if self.kind == "ptx" else 0)
        return 0 <= (self.unpacked or self.payload) - size <= slack


class Region:
    def __init__(self, data, position, limit, section, address):
        size, = struct.unpack_from("<Q", data, position + 8)
        self.section, self.address, self.position = section, address, position
        self.end = position + 16 + size
        if size > limit - position - 16:
            raise ValueError(f"region at {position:#x} reaches past its section")
        self.entries = []
        at = position + 16
        while at < self.end:
            if self.end - at < 64:
                raise ValueError(f"entry at {at:#x} is cut short")
            entry = Entry(data, at)
            if entry.size > self.end - at:
                raise ValueError(f"entry at {at:#x} reaches past its region")
            self.entries.append(entry)
            at += entry.size


class Library:
    """Sections, pointers, wrappers and regions of one ELF64 file."""

    def __init__(self, path):
        self.path = path
        with open(path, "rb") as handle:
            self.data = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        data = self.data
        if data[:6] != b"\x7fELF\x02\x01":
            raise Difference(f"{path} is no ELF64 little-endian file")
        table, = struct.unpack_from("<Q", data, 0x28)
        count, names = struct.unpack_from("<HH", data, 0x3C)
        rows = [struct.unpack_from("<IIQQQQIIQQ", data, table + 64 * i) for i in range(count)]
        text = rows[names][4]
        self.sections = []
        for row in rows:
            end = data.find(b"\0", text + row[0])
            self.sections.append((data[text + row[0]:end].decode(), *row[1:6]))
        self.machine, = struct.unpack_from("<H", data, 18)
        self.regions = self._regions()
        self.by_address = {region.address: region for region in self.regions}
        self.wrappers = self._wrappers()

    def _regions(self):
        regions = []
        for name, kind, flags, address, offset, size in self.sections:
            if kind != 1 or flags & 4 or not flags & 2:
                continue
            if name not in LISTED_SECTIONS + (".cask_resource",) and size < 4096:
                continue
            at, end = offset, offset + size
            while (at := self.data.find(REGION_MAGIC, at, end)) >= 0:
                try:
                    if (at - offset + address) % 8:
                        raise ValueError("unaligned")
                    region = Region(self.data, at, end, name, address + at - offset)
                    regions.append(region)
                    at = region.end
                except ValueError:
                    at += 1
        return regions

    def _pointers(self, begin, end):
        relative = {62: 8, 183: 1027}.get(self.machine)
        found = {}
        for _name, kind, flags, _address, offset, size in self.sections:
            if kind == 4 and flags & 2:
                view = memoryview(self.data)[offset:offset + size // 24 * 24]
                for where, info, addend in struct.iter_unpack("<QQQ", view):
                    if begin <= where < end and info & 0xFFFFFFFF == relative:
                        found[where] = addend
        return found

    def _wrappers(self):
        wrappers = []
        for name, kind, _flags, address, offset, size in self.sections:
            if name != ".nvFatBinSegment" or kind == 8:
                continue
            pointers = self._pointers(address, address + size)
            for at in range(0, size - 23, 24):
                magic, version, word = struct.unpack_from("<IIQ", self.data, offset + at)
                if magic == WRAPPER_MAGIC:
                    wrappers.append((version, pointers.get(address + at + 8, word)))
        return wrappers

    def hollow(self, entry):
        """A cubin stored plainly of which no section is loaded: its source has neither kernels nor
        device variables."""
        if entry.kind != "cubin" or entry.unpacked:
            return False
        start = entry.position + entry.header
        cubin = self.data[start:start + entry.payload]
        if cubin[:6] != b"\x7fELF\x02\x01":
            return False
        table, = struct.unpack_from("<Q", cubin, 0x28)
        count, = struct.unpack_from("<H", cubin, 0x3C)
        flags = [struct.unpack_from("<Q", cubin, table + 64 * number + 8)[0] for number in range(count)]
        return bool(flags) and not any(one & 2 for one in flags)

    def stored(self, entry):
        return self.data[entry.position:entry.position + entry.size]


# --- the rule -----------------------------------------------------------------------------------

def loadable(entry, gpu):
    if {entry.number, gpu} == {101, 110}:
        return True
    if entry.variant == "a":
        return entry.number == gpu
    if entry.variant == "f":
        return gpu in FAMILIES.get(entry.number, ())
    return entry.number // 10 == gpu // 10 and entry.number <= gpu


def certain(entry, gpu):
    if entry.number == gpu:
        return loadable(entry, gpu)
    return ((entry.number in EMBEDDED) == (gpu in EMBEDDED) and loadable(entry, gpu)
            and {entry.number, gpu} != {101, 110})


def cubins(region):
    return [entry for entry in region.entries if entry.kind == "cubin"]


def covers(region, gpus):
    return all(any(certain(entry, gpu) for entry in cubins(region)) for gpu in gpus)


def best_numbers(region, gpus):
    best = set()
    for gpu in gpus:
        sure = [entry.number for entry in cubins(region) if certain(entry, gpu)]
        best |= {max(sure)} if sure else {e.number for e in cubins(region) if loadable(e, gpu)}
    return best


def kept_entries(region, library, gpus, level, keep_ptx):
    """Indices of the entries that must stay in a registered region."""
    linked = [library.by_address[data] for version, data in library.wrappers
              if version == 2 and data in library.by_address]
    grouped = region in linked or region.section == "__nv_relfatbin"
    judges = linked if grouped else [region]
    covered = bool(judges) and all(covers(judge, gpus) for judge in judges)
    best = best_numbers(region, gpus)
    if grouped:
        shared = set().union(*(best_numbers(judge, gpus) for judge in linked))
        if any(entry.number in shared for entry in cubins(region)):
            best = shared
    kept = []
    for index, entry in enumerate(region.entries):
        if entry.kind == "cubin":
            stays = any(loadable(entry, gpu) for gpu in gpus)
            if level == "aggressive":
                stays = stays and entry.number in best
        elif entry.kind == "ptx":
            stays = not covered or level == "safe" or keep_ptx
        else:
            stays = True
        if stays:
            kept.append(index)
    if not kept and region.entries:
        sizes = [entry.size for entry in region.entries]
        kept = [sizes.index(min(sizes))]
    return kept


def match_entries(original, pruned, gpus, level, keep_ptx):
    """[(entry of pruned, entry of original)], what stays whole, what goes, what lies between;
    raises where PRUNED is not what the rule says."""
    if [version for version, _ in original.wrappers] != [version for version, _ in pruned.wrappers]:
        raise Difference("the wrappers differ in number or version")
    new_place = {}
    for (_version, before), (_version2, after) in zip(original.wrappers, pruned.wrappers):
        if new_place.setdefault(before, after) != after:
            raise Difference(f"region {before:#x} is reached at two places")
    registered = {data for _version, data in original.wrappers}
    pairs, whole, dropped = [], 0, 0
    seen = set()
    for region in original.regions:
        place = new_place.get(region.address, region.address)
        other = pruned.by_address.get(place)
        if other is None:
            raise Difference(f"region {region.address:#x} is not found at {place:#x}")
        seen.add(place)
        everything = list(range(len(region.entries)))
        expected = everything
        if region.address in registered and region.section in LISTED_SECTIONS:
            expected = kept_entries(region, original, gpus, level, keep_ptx)
        # Pinned regions neither move nor change; which are pinned is not decided here.
        if (len(expected) < len(everything) and place == region.address
                and len(other.entries) == len(everything)):
            expected = everything
            whole += 1
        if len(other.entries) != len(expected):
            raise Difference(f"region {region.address:#x} holds {len(other.entries)} entries, "
                             f"the rule keeps {len(expected)} of {len(everything)}")
        for index, entry in zip(expected, other.entries):
            if original.stored(region.entries[index]) != pruned.stored(entry):
                raise Difference(f"entry {index} of region {region.address:#x} changed")
            pairs.append((entry, region.entries[index]))
        dropped += len(everything) - len(expected)
    extra = [region for region in pruned.regions if region.address not in seen]
    if extra:
        raise Difference(f"{len(extra)} regions of the output are not in the input, first at "
                         f"{extra[0].address:#x}")
    old_place = {after: before for before, after in new_place.items()}
    try:
        between = section_cover.cover(
            original, pruned, lambda region: old_place.get(region.address, region.address))
    except ValueError as problem:
        raise Difference(str(problem)) from problem
    return pairs, whole, dropped, between


# --- cuobjdump ----------------------------------------------------------------------------------

def cuda_tools():
    return pathlib.Path(os.environ.get("FLENSE_CACHE", pathlib.Path.home() / ".cache/flense"))


def find_cuobjdump(given):
    for candidate in (given, os.environ.get("CUOBJDUMP"), shutil.which("cuobjdump"),
                      *sorted(cuda_tools().glob("cuda-tools/nvidia/*/bin/cuobjdump"))):
        if candidate and os.access(candidate, os.X_OK):
            return str(candidate)
    print("cuobjdump_check: no cuobjdump (scripts/fetch-cuda-tools.sh gets one)", file=sys.stderr)
    sys.exit(4)


def run(command, cwd=None):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0 and "does not contain device code" not in done.stderr + done.stdout:
        raise ToolFailure(f"{' '.join(command)} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def known_numbers(cuobjdump):
    """Architecture numbers that its option -arch accepts."""
    text = run([cuobjdump, "--help"]).partition("--gpu-architecture")[2].partition("--help")[0]
    return {int(number) for number in re.findall(r"'sm_(\d+)[af]?'", text)}


def only(number):
    return [] if number is None else ["-arch", f"sm_{number}"]


def listed(cuobjdump, path, number=None):
    """cuobjdump's list: {"cubin": [arch, …], "ptx": [arch, …]} in its order."""
    out = {"cubin": [], "ptx": []}
    command = [cuobjdump, "-all", *only(number), "-lelf", "-lptx", str(path)]
    for line in run(command).splitlines():
        found = re.match(r"(ELF|PTX) file +\d+: .*\.(sm_\d+[af]?)\.(?:cubin|ptx)$", line)
        if found:
            out["cubin" if found[1] == "ELF" else "ptx"].append(found[2])
    return out


def extracted(cuobjdump, path, scratch, number=None):
    """(sha256, size) of every extracted file, by kind and in the order of the list."""
    out = {}
    for kind, option in (("cubin", "-xelf"), ("ptx", "-xptx")):
        with tempfile.TemporaryDirectory(dir=scratch) as directory:
            run([cuobjdump, "-all", *only(number), option, "all",
                 str(pathlib.Path(path).resolve())], directory)
            hashes = {}
            for file in pathlib.Path(directory).iterdir():
                position = re.search(r"\.(\d+)\.sm_\d+[af]?\.(?:cubin|ptx)$", file.name)
                content = file.read_bytes()
                hashes[int(position[1])] = (hashlib.sha256(content).hexdigest(), len(content))
            out[kind] = [hashes[position] for position in sorted(hashes)]
    return out


def without_family(arch):
    """Family variants are listed as plain by some versions; others call some old cubins sm_61a."""
    return arch[:-1] if arch.endswith("f") or re.fullmatch(r"sm_[1-8]\da", arch) else arch


def in_list_order(library, names, number=None):
    """Entries that cuobjdump lists, by kind, in the order it walks the sections."""
    wanted = {"cubin": names["cubin"], "ptx": names["ptx"]}
    for order in (LISTED_SECTIONS, LISTED_SECTIONS[::-1]):
        entries = {"cubin": [], "ptx": []}
        for section in order:
            for region in library.regions:
                if region.section == section:
                    for entry in region.entries:
                        if entry.kind in entries and number in (None, entry.number):
                            entries[entry.kind].append(entry)
        if all([without_family(e.arch) for e in entries[kind]]
               == [without_family(arch) for arch in wanted[kind]] for kind in entries):
            return entries
    counts = {kind: (len(entries[kind]), len(wanted[kind])) for kind in entries}
    raise Difference(f"cuobjdump lists other entries of {library.path} than are read here: "
                     f"(here, cuobjdump) {counts}")


def numbers_of(library):
    return {entry.number for region in library.regions if region.section in LISTED_SECTIONS
            for entry in region.entries if entry.kind in ("cubin", "ptx")}


def ways_to_read(cuobjdump, libraries):
    """(the cuobjdump to use, arguments for `number` that list these libraries, numbers that it does
    not know); no arguments where none can read them."""
    failures = []
    older = sorted(cuda_tools().glob("cuda-tools-12/cuobjdump"))
    for candidate in (cuobjdump, *map(str, older)):
        try:
            for library in libraries:
                listed(candidate, library.path)
            return candidate, [None], set()
        except ToolFailure as failure:
            failures.append(str(failure))
    if "has been removed" not in failures[0]:
        return cuobjdump, [], set()
    present = set().union(*map(numbers_of, libraries))
    known = known_numbers(cuobjdump)
    return cuobjdump, sorted(present & known), present - known


def hash_entries(cuobjdump, library, numbers, scratch):
    """{entry: sha256 of what cuobjdump extracts}"""
    hashes = {}
    for number in numbers:
        entries = in_list_order(library, listed(cuobjdump, library.path, number), number)
        found = extracted(cuobjdump, library.path, scratch, number)
        for kind, list_ in entries.items():
            if len(found[kind]) != len(list_):
                raise Difference(f"cuobjdump extracts {len(found[kind])} {kind} files of "
                                 f"{library.path}, lists {len(list_)}")
            for entry, (digest, size) in zip(list_, found[kind]):
                if not entry.extracts_to(size):
                    raise Difference(f"{kind} {entry.arch} at {entry.position:#x} extracts to "
                                     f"{size} bytes")
                hashes[entry] = digest
    return hashes


# --- the two checks -----------------------------------------------------------------------------

def describe(between):
    pointers = sum(len(resource["pointers"]) for resource in between["opaque"])
    size = sum(resource["size"] for resource in between["opaque"])
    text = f"padding at most {between['largest_padding']}"
    if between["opaque"]:
        text += (f", {len(between['opaque'])} opaque resources of {size} bytes with {pointers} "
                 "pointers")
    return text


def check_prune(arguments):
    cuobjdump = find_cuobjdump(arguments.cuobjdump)
    gpus = [int(re.sub(r"\D", "", word)) for word in arguments.gpu.split(",")]
    original, pruned = Library(arguments.original), Library(arguments.pruned)
    pairs, whole, dropped, between = match_entries(original, pruned, gpus, arguments.level,
                                                   arguments.keep_ptx)
    saved = os.path.getsize(arguments.original) - os.path.getsize(arguments.pruned)
    result = {"kept": len(pairs), "dropped": dropped, "whole_regions": whole, "saved": saved,
              "extracted": 0, "unknown": {}, "between": between, "cuobjdump": "13"}
    verdict = (f"{pathlib.Path(arguments.original).name}: {len(pairs)} entries kept, {dropped} "
               f"dropped, {whole} regions left whole, {saved} bytes less, {describe(between)}")
    cuobjdump, numbers, unknown = ways_to_read(cuobjdump, (original, pruned))
    if not numbers and not unknown:
        # libcufile.so.0 is one: "Invalid ELF", as shipped.
        verdict += "; own reading only, cuobjdump cannot read the original"
        result["cuobjdump"] = "cannot read it"
    if "cuda-tools-12" in cuobjdump:
        verdict += "; cuobjdump of CUDA 12"
        result["cuobjdump"] = "12"
    for library in (original, pruned):
        for number in numbers:
            in_list_order(library, listed(cuobjdump, library.path, number), number)
    if not arguments.no_extract and numbers:
        # Of the original only what the output still has needs unpacking.
        remaining = numbers_of(pruned)
        if remaining <= known_numbers(cuobjdump) or unknown:
            numbers = sorted(remaining - unknown)
        after = hash_entries(cuobjdump, pruned, numbers, arguments.scratch)
        before = hash_entries(cuobjdump, original, numbers, arguments.scratch)
        for new, old in pairs:
            if new in after:
                if after[new] != before[old]:
                    raise Difference(f"{new.kind} {new.arch} extracts to other bytes than before")
                result["extracted"] += 1
        verdict += f"; {result['extracted']} extracted and equal"
        listable = sum(entry.number not in unknown and entry.kind in ("cubin", "ptx")
                       for region in pruned.regions if region.section in LISTED_SECTIONS
                       for entry in region.entries)
        if result["extracted"] != listable:
            raise Difference(f"only {result['extracted']} of {listable} entries extracted")
    outside = sum(len(region.entries) for region in pruned.regions
                  if region.section not in LISTED_SECTIONS)
    result["outside"] = outside
    if outside:
        verdict += f"; {outside} in sections that cuobjdump does not read, compared as stored"
    if unknown:
        left = collections.Counter(
            entry.arch for region in pruned.regions if region.section in LISTED_SECTIONS
            for entry in region.entries if entry.number in unknown)
        result.update(unknown=left, cuobjdump="by architecture")
        verdict += (f"; compared as stored, cuobjdump knows them no longer: "
                    f"{', '.join(f'{n} {arch}' for arch, n in sorted(left.items())) or 'none'}")
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(result))
    print(f"ok {verdict}")


def unreported(root, reported):
    """Libraries and executables under `root` with a section that cuobjdump reads."""
    for directory, _subdirectories, files in os.walk(root):
        for name in files:
            path = pathlib.Path(directory) / name
            inside = str(path.relative_to(root))
            if path.is_symlink() or not path.is_file() or inside in reported:
                continue
            with path.open("rb") as handle:
                magic = handle.read(20)
            if magic[:6] == b"\x7fELF\x02\x01" and magic[16] in (2, 3):
                if any(section[0] in LISTED_SECTIONS and section[5] for section in
                       Library(path).sections):
                    yield inside


def check_inspect(arguments):
    cuobjdump = find_cuobjdump(arguments.cuobjdump)
    report = json.loads(pathlib.Path(arguments.report).read_text())
    total = 0
    if arguments.root:
        reported = {file["path"].lstrip("/") for file in report["device_code"]["files"]}
        for path in unreported(pathlib.Path(arguments.root), reported):
            raise Difference(f"{path} has device code and is not in the report")
    for file in report["device_code"]["files"]:
        path = pathlib.Path(arguments.root or "/") / file["path"].lstrip("/")
        told = collections.Counter()
        told_bytes = collections.Counter()
        for row in file["entries"]:
            if row["vendor"] == "nvidia":
                arch = re.sub(r"^compute_", "sm_", row["arch"])
                told[row["kind"], without_family(arch)] += row["count"]
                told_bytes[row["kind"], arch] += row["bytes"]
        if not told:
            continue
        library = Library(path)
        seen, seen_bytes = collections.Counter(), collections.Counter()
        tool, numbers, _unknown = ways_to_read(cuobjdump, (library,))
        for number in numbers:
            for kind, archs in listed(tool, path, number).items():
                seen.update((kind, without_family(arch)) for arch in archs)
        for region in library.regions:
            for entry in region.entries:
                seen_bytes[entry.kind, entry.arch] += entry.size
                if (region.section not in LISTED_SECTIONS or entry.kind not in ("cubin", "ptx")
                        or not (numbers == [None] or entry.number in numbers)):
                    seen[entry.kind, without_family(entry.arch)] += 1
        for word, here, there in (("entries", seen, told), ("bytes", seen_bytes, told_bytes)):
            missing, extra = here - there, there - here
            if missing or extra:
                raise Difference(f"{path}: {word} missing in the report {dict(missing)}, only in "
                                 f"the report {dict(extra)}")
        total += sum(told.values())
    print(f"ok {arguments.report}: {total} entries of "
          f"{len(report['device_code']['files'])} files as cuobjdump lists them, bytes as stored")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    commands = parser.add_subparsers(required=True)
    prune = commands.add_parser("prune")
    prune.add_argument("original")
    prune.add_argument("pruned")
    prune.add_argument("--gpu", required=True)
    prune.add_argument("--level", choices=("safe", "standard", "aggressive"), default="standard")
    prune.add_argument("--keep-ptx", action="store_true")
    prune.add_argument("--no-extract", action="store_true", help="list only; no sha256")
    prune.add_argument("--scratch", help="directory for extracted files")
    prune.add_argument("--json", help="file for the same verdict as JSON")
    prune.set_defaults(check=check_prune)
    inspect = commands.add_parser("inspect")
    inspect.add_argument("report")
    inspect.add_argument("--root")
    inspect.set_defaults(check=check_inspect)
    for command in (prune, inspect):
        command.add_argument("--cuobjdump")
    arguments = parser.parse_args()
    try:
        arguments.check(arguments)
    except Difference as difference:
        print(f"DIFFERENT {difference}")
        sys.exit(1)


if __name__ == "__main__":
    main()
