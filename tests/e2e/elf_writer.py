"""Shared libraries and programs written section by section, so that their bytes depend on no compiler: what GNU ld lays
out of a small library with device code, relocations, symbols of two kinds and debug sections."""

import hashlib
import struct

PAGE = 0x1000
PROGBITS, SYMTAB, STRTAB, RELA, HASH, DYNAMIC, NOTE, DYNSYM = 1, 2, 3, 4, 5, 6, 7, 11
VERDEF, VERNEED, VERSYM = 0x6ffffffd, 0x6ffffffe, 0x6fffffff
WRITE, ALLOC, EXEC, STRINGS = 1, 2, 4, 0x30


class Strings:
    def __init__(self):
        self.data, self.places = b"\0", {}

    def add(self, text):
        if text not in self.places:
            self.places[text] = len(self.data)
            self.data += text.encode() + b"\0"
        return self.places[text]


def sysv(name):
    """The hash of symbol and version names."""
    value = 0
    for letter in name.encode():
        value = (value << 4) + letter
        value = (value ^ (value & 0xf0000000) >> 24) & 0x0fffffff
    return value


class Section:
    def __init__(self, name, kind, flags, data, align=8, link="", info=0, entry=0):
        self.name, self.kind, self.flags, self.data, self.align = name, kind, flags, data, align
        self.link, self.info, self.entry, self.address, self.offset = link, info, entry, 0, 0


def wrappers(magic, count):
    """As nvcc and hipcc write them; the pointer of each is a relocation's business."""
    return struct.pack("<IIQQ", magic, 1, 0, 0) * count


def library(soname="", needed=(), versions=(), regions=(), loose=(), bundles=(), imports=(), exports=("answer",), debug=0,
            runpath="", interpreter="", comment="", note=True, defines=()):
    """The bytes. `versions`: (library, version) that its imports ask for; `defines`: those that it has itself. `regions` are registered fat binaries of CUDA,
    `loose` such that no wrapper names, `bundles` registered ones of AMD; `debug`: so many bytes of debug sections."""
    names, symbols = Strings(), [b"\0" * 24]
    for name in imports:
        symbols.append(struct.pack("<IBBHQQ", names.add(name), 0x12, 0, 0, 0, 0))
    sections = []

    def add(*words, **more):
        sections.append(Section(*words, **more))
        return sections[-1]

    if interpreter:
        add(".interp", PROGBITS, ALLOC, interpreter.encode() + b"\0", 1)
    if note:
        seed = hashlib.sha1(repr((soname, needed, exports)).encode()).digest()
        add(".note.gnu.build-id", NOTE, ALLOC, struct.pack("<III", 4, 20, 3) + b"GNU\0" + seed, 4)
    symbol_at = len(symbols)
    symbols += [None] * len(exports)
    for name in exports:
        names.add(name)
    for name in [*needed, *defines, soname, runpath, *(word for pair in versions for word in pair)]:
        names.add(name)
    count = len(symbols)
    add(".hash", HASH, ALLOC, struct.pack(f"<III{count}I", 1, count, 1 if count > 1 else 0,
                                          *(n + 1 if 0 < n < count - 1 else 0 for n in range(count))), link=".dynsym", entry=4)
    dynsym = add(".dynsym", DYNSYM, ALLOC, b"\0" * 24 * count, link=".dynstr", info=1, entry=24)
    add(".dynstr", STRTAB, ALLOC, names.data, 1)
    if versions or defines:
        # 1 is the file's own, then what it defines, then what it asks for; each import has the first of those.
        add(".gnu.version", VERSYM, ALLOC, struct.pack(f"<{count}H", 0, *(len(defines) + 2 for _ in imports), *(1 for _ in exports)), 2,
            link=".dynsym", entry=2)
    if defines:
        table = b""
        for number, name in enumerate([soname, *defines]):
            table += struct.pack("<HHHHIIIII", 1, number == 0, number + 1, 1, sysv(name), 20, 28 if number < len(defines) else 0,
                                 names.places[name], 0)
        add(".gnu.version_d", VERDEF, ALLOC, table, link=".dynstr", info=len(defines) + 1)
    if versions:
        per_file = {}
        for file, version in versions:
            per_file.setdefault(file, []).append(version)
        table, index = b"", len(defines) + 2
        for number, (file, items) in enumerate(per_file.items()):
            size = 16 + 16 * len(items)
            table += struct.pack("<HHIII", 1, len(items), names.places[file], 16, 0 if number == len(per_file) - 1 else size)
            for place, version in enumerate(items):
                table += struct.pack("<IHHII", sysv(version), 0, index, names.places[version],
                                     0 if place == len(items) - 1 else 16)
                index += 1
        add(".gnu.version_r", VERNEED, ALLOC, table, link=".dynstr", info=len(per_file))
    pointers = len(regions) + len(bundles)
    rela = add(".rela.dyn", RELA, ALLOC, b"\0" * 24 * (pointers + 3), link=".dynsym", entry=24)
    text = add(".text", PROGBITS, ALLOC | EXEC, b"\xb8\x2a\0\0\0\xc3\x90\x90" * 4 * max(1, len(exports)), 16)
    add(".rodata", PROGBITS, ALLOC, (comment or "a library of tests").encode() + b"\0", 16)
    fat = add(".nv_fatbin", PROGBITS, ALLOC, b"".join(regions), 8) if regions else None
    if loose:
        add(".cask_resource", PROGBITS, ALLOC, b"".join(loose), 64)
    hip = add(".hip_fatbin", PROGBITS, ALLOC, b"".join(item + b"\0" * (-len(item) % PAGE) for item in bundles), PAGE) \
        if bundles else None
    dynamic = add(".dynamic", DYNAMIC, ALLOC | WRITE, b"", link=".dynstr", entry=16)
    data = add(".data", PROGBITS, ALLOC | WRITE, b"\0" * 64)
    segment = add(".nvFatBinSegment", PROGBITS, ALLOC | WRITE, wrappers(0x466243b1, len(regions))) if regions else None
    hip_segment = add(".hipFatBinSegment", PROGBITS, ALLOC | WRITE, wrappers(0x48495046, len(bundles))) if bundles else None
    kinds = [1] * len(needed) + [4, 5, 6, 10, 11, 7, 8, 9] + [14] * bool(soname) + [29] * bool(runpath) + \
        [0x6ffffff0] * bool(versions or defines) + [0x6ffffffc, 0x6ffffffd] * bool(defines) + [0x6ffffffe, 0x6fffffff] * bool(versions) + [0]
    dynamic.data = b"\0" * 16 * len(kinds)

    # Where everything lies: a segment for each kind of access, on pages of its own.
    def access(section):
        return section.flags & (WRITE | EXEC)

    groups = []
    for section in sections:
        if not groups or access(groups[-1][0]) != access(section):
            groups.append([])
        groups[-1].append(section)
    headers = len(groups) + 2 + bool(interpreter)
    at = 64 + 56 * headers
    for number, group in enumerate(groups):
        if number:
            at += -at % PAGE
        for section in group:
            at += -at % section.align
            section.address = section.offset = at
            at += len(section.data)
    place = {section.name: section for section in sections}
    for number, name in enumerate(exports):
        symbols[symbol_at + number] = struct.pack("<IBBHQQ", names.places[name], 0x12, 0, sections.index(text) + 1,
                                                  text.address + 32 * number, 6)
    dynsym.data = b"".join(symbols)
    moved = []
    for section, code, items in ((segment, fat, regions), (hip_segment, hip, bundles)):
        offset = 0
        for number, item in enumerate(items):
            moved.append((section.address + 24 * number + 8, code.address + offset))
            offset += len(item) + (-len(item) % PAGE if code is hip else 0)
    moved += [(data.address + 8 * number, text.address + 8 * number) for number in range(3)]
    rela.data = b"".join(struct.pack("<QQq", where, 8, target) for where, target in moved)
    values = {4: place[".hash"].address, 5: place[".dynstr"].address, 6: dynsym.address, 10: len(names.data), 11: 24,
              7: rela.address, 8: len(rela.data), 9: 24, 14: names.places.get(soname, 0), 29: names.places.get(runpath, 0), 0: 0}
    if versions or defines:
        values[0x6ffffff0] = place[".gnu.version"].address
    if defines:
        values |= {0x6ffffffc: place[".gnu.version_d"].address, 0x6ffffffd: place[".gnu.version_d"].info}
    if versions:
        values |= {0x6ffffffe: place[".gnu.version_r"].address, 0x6fffffff: place[".gnu.version_r"].info}
    wanted = [names.places[name] for name in needed]
    dynamic.data = b"".join(struct.pack("<QQ", kind, wanted.pop(0) if kind == 1 else values[kind]) for kind in kinds)

    programs = []
    if interpreter:
        programs.append((3, 4, place[".interp"].offset, len(place[".interp"].data), 1))
    for number, group in enumerate(groups):
        start = 0 if number == 0 else group[0].offset
        flags = 4 | (2 if access(group[0]) & WRITE else 0) | (1 if access(group[0]) & EXEC else 0)
        programs.append((1, flags, start, group[-1].offset + len(group[-1].data) - start, PAGE))
    programs += [(2, 6, dynamic.offset, len(dynamic.data), 8), (0x6474e551, 6, 0, 0, 16)]

    statics = Strings()
    table = [b"\0" * 24, struct.pack("<IBBHQQ", statics.add("local_helper"), 0x02, 0, sections.index(text) + 1, text.address, 6)]
    table += [struct.pack("<IBBHQQ", statics.add(name), 0x12, 0, sections.index(text) + 1, text.address + 32 * number, 6)
              for number, name in enumerate(exports)]
    if debug:
        words = "".join(f"variable_{number} " for number in range(debug // 24 + 1)).replace(" ", "\0").encode()
        add(".debug_info", PROGBITS, 0, hashlib.shake_256(soname.encode()).digest(debug // 2), 1)
        add(".debug_str", PROGBITS, STRINGS, words[:debug // 2], 1, entry=1)
        add(".comment", PROGBITS, STRINGS, b"GCC: (Debian 12.2.0-14) 12.2.0\0", 1, entry=1)
    add(".symtab", SYMTAB, 0, b"".join(table), link=".strtab", info=2, entry=24)
    add(".strtab", STRTAB, 0, statics.data, 1)
    section_names = Strings()
    for section in sections:
        section_names.add(section.name)
    section_names.add(".shstrtab")
    add(".shstrtab", STRTAB, 0, section_names.data, 1)
    for section in sections:
        if not section.flags & ALLOC:
            at += -at % section.align
            section.offset = at
            at += len(section.data)
    at += -at % 8
    order = {section.name: number + 1 for number, section in enumerate(sections)}

    out = bytearray(at)
    out[:64] = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH", 3, 62, 1, text.address if interpreter else 0, 64, at, 0, 64, 56, len(programs), 64,
        len(sections) + 1, len(sections))
    for number, (kind, flags, offset, size, align) in enumerate(programs):
        struct.pack_into("<IIQQQQQQ", out, 64 + 56 * number, kind, flags, offset, offset, offset, size, size, align)
    for section in sections:
        out[section.offset:section.offset + len(section.data)] = section.data
    rows = bytes(64)
    for section in sections:
        rows += struct.pack("<IIQQQQIIQQ", section_names.places[section.name], section.kind, section.flags, section.address,
                            section.offset, len(section.data), order.get(section.link, 0), section.info, section.align,
                            section.entry)
    return bytes(out) + rows


def static_program(size=4000, seed="program"):
    """An executable that needs nothing, with the symbols of no debugger."""
    body = hashlib.shake_256(seed.encode()).digest(size)
    head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0x400078, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    return head + struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, 120 + size, 120 + size, PAGE) + body
