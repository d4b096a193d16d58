"""Faults in ELF files and device code, for verify_faults.py."""

import contextlib
import struct

from planted_image import Elf, plain

KINDS = []  # as in verify_faults.py


def elf_kind(name, times=4, having="", every=False):
    """plant(elf, chance) changes elf.data of an edited library that has such a section, or of any ELF file."""
    def add(plant):
        def whole(image, chance):
            paths = image.edited() if not every else sorted(
                plain(info.name) for _, (info, data) in image.members(lambda _, data: data and b"\x7fELF\2\1" == data[:6])
                if "libbroken" not in info.name)
            chance.shuffle(paths)
            for path in paths:
                layer, item = image.find(path)
                elf = Elf(item[1])
                if having and having not in elf.sections:
                    continue
                with contextlib.suppress(IndexError):  # nothing of this kind in the library: the next one
                    plant(elf, chance)
                    assert bytes(elf.data) != item[1]
                    image.put(layer, item, bytes(elf.data))
                    return path
            raise LookupError(f"no library for '{name}'")
        KINDS.append((name, times, ("layers",), whole))
        return plant
    return add


def bits_of(section, times=4):
    @elf_kind(f"bit of {section}", times, section)
    def _(elf, chance):
        at, size, _ = elf.place(section)
        elf.flip(at + chance.randrange(size), chance.randrange(8))


for one in (".text", ".rodata", ".data", ".dynstr", ".hash", ".dynamic", ".note.gnu.build-id", ".gnu.version",
            ".gnu.version_r", ".cask_resource"):
    bits_of(one)
for one in (".nv_fatbin", ".hip_fatbin"):
    bits_of(one, 10)


@elf_kind("hash of a packed bundle", 4, ".hip_fatbin")
def _(elf, chance):
    start, size, _ = elf.place(".hip_fatbin")
    # Clang's documentation, "Offload Bundler", compressed bundles of version 2: 16 bytes, then the hash.
    packed = [at for at in range(start, start + size) if elf.data[at:at + 6] == b"CCOB\2\0"]
    elf.flip(packed[0] + 16 + chance.randrange(8), chance.randrange(8))


@elf_kind("bit of any loaded byte", 12, every=True)
def _(elf, chance):
    at = chance.choice(elf.loads())
    offset, _, _, size = struct.unpack_from("<QQQQ", elf.data, at + 8)
    headers = 64 + 56 * len(elf.segments)  # faults of their own, below
    start = max(offset, headers)
    where = start + chance.randrange(offset + size - start)
    wrappers = [elf.place(name) for name in (".nvFatBinSegment", ".hipFatBinSegment") if name in elf.sections]
    if any(at <= where < at + size for at, size, _ in wrappers):  # the loader writes their pointers
        where = elf.place(".text")[0]
    elf.flip(where, chance.randrange(8))


@elf_kind("magic or version of a wrapper", 4, ".nvFatBinSegment")
def _(elf, chance):
    at, size, _ = elf.place(".nvFatBinSegment")
    elf.flip(at + 24 * chance.randrange(size // 24) + chance.randrange(8), chance.randrange(8))


@elf_kind("entry dropped", 6, ".nv_fatbin")
def _(elf, chance):
    start, entries = chance.choice([one for one in elf.regions() if one[1]])
    at, size = chance.choice(entries)
    end = entries[-1][0] + entries[-1][1]
    elf.data[at:end] = elf.data[at + size:end] + bytes(size)
    struct.pack_into("<Q", elf.data, start + 8, end - start - 16 - size)


@elf_kind("entries in another order", 6, ".nv_fatbin")
def _(elf, chance):
    _, entries = chance.choice([one for one in elf.regions() if len(one[1]) > 1])
    here = chance.randrange(len(entries) - 1)
    (a, size_a), (b, size_b) = entries[here:here + 2]
    elf.data[a:b + size_b] = elf.data[b:b + size_b] + elf.data[a:a + size_a]


@elf_kind("field of an entry's header", 8, ".nv_fatbin")
def _(elf, chance):
    at, _ = chance.choice([entry for _, entries in elf.regions() for entry in entries])
    elf.flip(at + chance.choice((0, 2, 16, 20, 24, 26, 28, 40, 41, 42, 48, 56)), chance.randrange(4))


@elf_kind("entry of another region", 4, ".nv_fatbin")
def _(elf, chance):
    entries = [entry for _, entries in elf.regions() for entry in entries]
    pairs = [(a, b) for a in entries for b in entries if a[0] != b[0] and a[1] == b[1]
             and elf.data[a[0]:a[0] + a[1]] != elf.data[b[0]:b[0] + b[1]]]
    (a, size), (b, _) = chance.choice(pairs)
    elf.data[a:a + size] = elf.data[b:b + size]


@elf_kind("region emptied", 4, ".nv_fatbin")
def _(elf, chance):
    start, entries = chance.choice([one for one in elf.regions() if one[1]])
    struct.pack_into("<Q", elf.data, start + 8, 0)
    elf.data[start + 16:entries[-1][0] + entries[-1][1]] = bytes(sum(size for _, size in entries))


@elf_kind("region longer than its entries", 3, ".nv_fatbin")
def _(elf, chance):
    start, _ = chance.choice(elf.regions())
    struct.pack_into("<Q", elf.data, start + 8, struct.unpack_from("<Q", elf.data, start + 8)[0] + 8)


@elf_kind("wrappers exchanged", 4, ".nvFatBinSegment")
def _(elf, chance):
    _, _, first = elf.place(".nvFatBinSegment")
    size = elf.place(".nvFatBinSegment")[1]
    rows = [at for at in elf.relocations() if first <= struct.unpack_from("<Q", elf.data, at)[0] < first + size]
    if len(rows) < 2:  # one wrapper: it leads behind its region's header
        elf.data[rows[0] + 16] += 16
        return
    a, b = chance.sample(rows, 2)
    elf.data[a + 16:a + 24], elf.data[b + 16:b + 24] = elf.data[b + 16:b + 24], elf.data[a + 16:a + 24]


for number, one in enumerate(("place", "kind", "addend")):
    @elf_kind(f"{one} of a relocation", 4, ".rela.dyn")
    def _(elf, chance, number=number):
        elf.flip(chance.choice(elf.relocations()) + 8 * number, chance.randrange(3, 8))

for one, offset, bits in (("name", 0, 4), ("type", 4, 4), ("visibility", 5, 2), ("value", 8, 8), ("size", 16, 8)):
    @elf_kind(f"{one} of a symbol", 3, ".dynsym")
    def _(elf, chance, offset=offset, bits=bits):
        at, size, _ = elf.place(".dynsym")
        elf.flip(at + 24 * chance.randrange(1, size // 24) + offset, chance.randrange(bits))


@elf_kind("symbol no longer defined", 3, ".dynsym")
def _(elf, chance):
    at, size, _ = elf.place(".dynsym")
    struct.pack_into("<H", elf.data, at + 24 * chance.choice(
        [i for i in range(size // 24) if elf.data[at + 24 * i + 6]]) + 6, 0)


for one, offset, size in (("class", 4, 1), ("byte order", 5, 1), ("system", 7, 1), ("type", 16, 1), ("machine", 18, 1),
                          ("entry point", 24, 4), ("flags", 48, 4), ("header size", 52, 1)):
    @elf_kind(f"ELF header: {one}", 2)
    def _(elf, chance, offset=offset, size=size):
        elf.flip(offset + chance.randrange(size), chance.randrange(3))

for one, offset, bits in (("flags", 4, range(3)), ("offset", 8, range(16)), ("address", 16, range(16)),
                          ("file size", 32, range(16)), ("memory size", 40, range(40)), ("alignment", 48, (0, 1, 13, 40))):
    @elf_kind(f"load segment: {one}", 4)
    def _(elf, chance, offset=offset, bits=bits):
        bit = chance.choice(list(bits))
        elf.flip(chance.choice(elf.loads()) + offset + bit // 8, bit % 8)


@elf_kind("program header of no kind", 6, every=True)
def _(elf, chance):
    struct.pack_into("<I", elf.data, chance.choice(elf.segments), 0)


@elf_kind("stack that is executable", 2)
def _(elf, chance):
    at = next(at for at in elf.segments if struct.unpack_from("<I", elf.data, at)[0] == 0x6474e551)
    elf.flip(at + 4, 0)


for one, offset in (("type", 4), ("flags", 8), ("address", 17), ("offset", 25), ("size", 33)):
    @elf_kind(f"section header: {one}", 4)
    def _(elf, chance, offset=offset):
        # A section of device code may be smaller: its bits have faults of their own.
        names = [name for name in elf.sections if name and "shstrtab" not in name and "phdrs" not in name
                 and "freed" not in name and (offset != 33 or not name.endswith("_fatbin"))]
        elf.flip(elf.sections[chance.choice(sorted(names))] + offset, chance.randrange(3))


@elf_kind("section of device code without size", 2, ".nv_fatbin")
def _(elf, chance):
    struct.pack_into("<Q", elf.data, elf.sections[".nv_fatbin"] + 32, 0)


@elf_kind("file cut short", 3)
def _(elf, chance):
    del elf.data[chance.randrange(64, len(elf.data) - 8):]


@elf_kind("bytes behind the file's end", 3)
def _(elf, chance):
    elf.data += chance.randbytes(chance.randrange(1, 300))
