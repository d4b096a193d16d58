"""Second opinion on AMD device code: LLVM's clang-offload-bundler and llvm-readelf, and the wrappers
by which the HIP runtime finds a bundle.

Every wrapper of `.hipFatBinSegment` points at an offload bundle. The bundler lists its
entries; each code object states its target in e_flags, which must be that of the entry. Compressed bundles ("CCOB") are unpacked by zstd first, as LLVM 19 does not know version 3.
Linux, Python standard library only; shares no code with flense.
"""

import collections
import functools
import pathlib
import re
import shutil
import struct
import subprocess
import tempfile

import cuobjdump_check

WRAPPER_MAGIC = 0x48495046  # "FPIH"
PLAIN, COMPRESSED = b"__CLANG_OFFLOAD_BUNDLE__", b"CCOB"
# By version: the header's layout after magic, version and method; which field is the whole size.
HEADERS = {2: struct.Struct("<IIQ"), 3: struct.Struct("<QQQ")}
ZSTD = 1


class Disagreement(Exception):
    """A file contradicts itself, or a tool cannot read it."""


@functools.cache
def tool(name):
    """Newest version first: "llvm-readelf-19", "llvm-readelf"."""
    for version in [f"-{number}" for number in range(25, 16, -1)] + [""]:
        found = shutil.which(name + version)
        if found:
            return found
    return None


def missing_tools():
    names = ("clang-offload-bundler", "llvm-readelf", "zstd")
    return [name for name in names if not (tool(name) or shutil.which(name))]


def run(*command, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, check=False, **more)
    if done.returncode != 0:
        raise Disagreement(f"{command[0]}: {done.stderr.decode(errors='replace').strip()[-300:]}")
    return done.stdout


def canonical(target):
    """"gfx90a:xnack-:sramecc+" -> "gfx90a:sramecc+:xnack-"."""
    processor, *features = target.split(":")
    return ":".join([processor, *sorted(features)])


def entries_of(data, at):
    """[(id, offset of its content, size)] of a plain bundle."""
    count, = struct.unpack_from("<Q", data, at + len(PLAIN))
    place, out = at + len(PLAIN) + 8, []
    for _ in range(count):
        offset, size, length = struct.unpack_from("<QQQ", data, place)
        out.append((data[place + 24:place + 24 + length].decode(), at + offset, size))
        place += 24 + length
    return out


def unpacked(data, at):
    """The plain bundle that begins at `at`, without what follows it."""
    if data[at:at + len(PLAIN)] == PLAIN:
        return data[at:max(offset + size for _name, offset, size in entries_of(data, at))]
    if data[at:at + 4] != COMPRESSED:
        raise Disagreement(f"a wrapper points at {data[at:at + 8]!r}, offset {at:#x}")
    version, method = struct.unpack_from("<HH", data, at + 4)
    if version not in HEADERS or method != ZSTD:
        raise Disagreement(f"compressed bundle of version {version}, method {method}")
    layout = HEADERS[version]
    total, size, _hash = layout.unpack_from(data, at + 8)
    out = run("zstd", "-d", "-q", "-c", input=data[at + 8 + layout.size:at + total])
    if len(out) != size:
        raise Disagreement(f"the bundle at {at:#x} unpacks to {len(out)} bytes, states {size}")
    return out


def stated_targets(contents, scratch):
    """What code objects say of themselves in e_flags, in their order; None where this LLVM does not
    know the processor."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        names = [f"{folder}/{index}" for index in range(len(contents))]
        for name, content in zip(names, contents):
            pathlib.Path(name).write_bytes(content)
        text = run(tool("llvm-readelf"), "-h", *names).decode(errors="replace")
    out = []
    for header in text.split("ELF Header:")[1:]:
        if "EM_AMDGPU" not in header:
            raise Disagreement("an entry for AMD holds no code object of AMD")
        words = re.search(r"Flags: +0x[0-9A-F]+(.*)", header)[1].strip(", ").split(", ")
        # "xnack" alone: runs with either setting, which target ids leave out.
        settings = [word for word in words[1:] if word[-1] in "+-"]
        out.append(canonical(":".join([words[0], *settings])) if words[0].startswith("gfx")
                   else None)
    return out


def targets_of_bundle(content, scratch):
    """[(target, whether the code object states it itself)] of a plain bundle."""
    with tempfile.NamedTemporaryFile(dir=scratch) as file:
        file.write(content)
        file.flush()
        listed = run(tool("clang-offload-bundler"), "--list", "--type=o",
                     f"--input={file.name}").decode().split()
    entries = entries_of(content, 0)
    if sorted(listed) != sorted(name for name, _offset, _size in entries):
        raise Disagreement(f"the bundler lists {listed}, read here {entries}")
    entries = [entry for entry in entries if not entry[0].startswith("host")]
    stated = stated_targets([content[at:at + size] for _name, at, size in entries], scratch)
    out = []
    for (name, _offset, _size), own in zip(entries, stated, strict=True):
        target = canonical(re.sub(r"^\w+-amdgcn-amd-amdhsa-[^-]*-", "", name))
        if own and own != target:
            raise Disagreement(f"entry {name} holds code for {own}")
        out.append((target, bool(own)))
    return out


def bundles(library):
    """File offsets of the bundles that wrappers point at, each once."""
    segments = {section[0]: section for section in library.sections}
    if ".hipFatBinSegment" not in segments:
        return []
    _name, _kind, _flags, address, offset, size = segments[".hipFatBinSegment"]
    pointers = library._pointers(address, address + size)  # pylint: disable=protected-access
    out = []
    for at in range(0, size - 23, 24):
        magic, _version, word = struct.unpack_from("<IIQ", library.data, offset + at)
        if magic != WRAPPER_MAGIC:
            raise Disagreement(f"wrapper {at // 24} has the magic {magic:#x}")
        place = pointers.get(address + at + 8, word)
        for _name, _kind, _flags, begin, file_offset, length in library.sections:
            if begin and begin <= place < begin + length:
                out.append(place - begin + file_offset)
                break
        else:
            raise Disagreement(f"wrapper {at // 24} points outside of all sections: {place:#x}")
    return sorted(set(out))


def code_objects(path, scratch):
    """(targets with their counts, bundles, code objects that state their target themselves)."""
    library = cuobjdump_check.Library(path)
    counts, found, own = collections.Counter(), bundles(library), 0
    for at in found:
        for target, stated in targets_of_bundle(unpacked(library.data, at), scratch):
            counts[target] += 1
            own += stated
    return counts, len(found), own
