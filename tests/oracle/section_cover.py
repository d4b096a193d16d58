"""Every byte of a device-code section of a pruned library is accounted for.

A byte belongs to a region, is zero padding that the next region's alignment asks for, is zero room
before something that stays in its place, or belongs to an opaque resource: bytes of unknown format
that must stand where they stood, unchanged, with the same pointers to them.
"""

import bisect
import struct

SECTIONS = (".nv_fatbin", "__nv_relfatbin", ".cask_resource")
RELATIVE = {62: 8, 183: 1027}  # R_X86_64_RELATIVE, R_AARCH64_RELATIVE
MOST_ALIGNMENT = 64


def pointers(library):
    """[(target, place)] of all relative relocations, sorted."""
    found = []
    for _name, kind, flags, _address, offset, size in library.sections:
        if kind != 4 or not flags & 2:
            continue
        for where, info, addend in struct.iter_unpack(
                "<QQQ", memoryview(library.data)[offset:offset + size // 24 * 24]):
            if info & 0xFFFFFFFF == RELATIVE.get(library.machine):
                found.append((addend, where))
    return sorted(found)


def places_pointing_at(sorted_pointers, begin, end):
    first = bisect.bisect_left(sorted_pointers, (begin, 0))
    last = bisect.bisect_left(sorted_pointers, (end, 0))
    return [place for _target, place in sorted_pointers[first:last]]


def sections_of(library):
    for name, kind, _flags, address, offset, size in library.sections:
        if name in SECTIONS and kind == 1 and size:
            yield name, address, offset, size


def read_at(library, address, size):
    """Bytes of a device-code section by address; None where no such section has them all."""
    for _name, begin, offset, length in sections_of(library):
        if begin <= address and address + size <= begin + length:
            return library.data[offset + address - begin:offset + address - begin + size]
    return None


def gaps_of(library, begin, offset, size):
    """(address, bytes, next region or None) of what lies between the regions of a section."""
    at = begin
    inside = [r for r in library.regions if begin <= r.address < begin + size]
    for region in sorted(inside, key=lambda r: r.address) + [None]:
        upto = begin + size if region is None else region.address
        if upto > at:
            yield at, library.data[offset + at - begin:offset + upto - begin], region
        if region is not None:
            at = region.address + region.end - region.position


def alignment(address):
    return min(MOST_ALIGNMENT, address & -address)


def cover(original, pruned, old_place):
    """Raises ValueError where a byte of `pruned` is not accounted for. `old_place` tells the
    address that a region of `pruned` had in `original`. Returns what was found."""
    before, after = pointers(original), pointers(pruned)
    found = {"padding": 0, "room": 0, "largest_padding": 0, "opaque": []}
    for name, begin, offset, size in sections_of(pruned):
        for address, content, region in gaps_of(pruned, begin, offset, size):
            same = read_at(original, address, len(content)) == content
            core = content.strip(b"\0")
            if core:
                start = address + len(content) - len(content.lstrip(b"\0"))
                if read_at(original, start, len(core)) != core:
                    raise ValueError(f"{len(core)} bytes at {start:#x} of {name} are no region and "
                                     "were not there before")
                old = places_pointing_at(before, start, start + len(core))
                new = places_pointing_at(after, start, start + len(core))
                if old != new:
                    raise ValueError(f"the pointers to {start:#x} of {name} changed")
                found["opaque"].append({"section": name, "address": start, "size": len(core),
                                        "pointers": new})
                tail = address + len(content) - (start + len(core))
            else:
                tail = len(content)
            if tail == 0:
                continue
            if region is not None and tail < alignment(old_place(region)):
                found["padding"] += tail
                found["largest_padding"] = max(found["largest_padding"], tail)
            elif same or (region is not None and old_place(region) == region.address):
                found["room"] += tail
            else:
                raise ValueError(f"{tail} zero bytes at the end of the gap at {address:#x} of "
                                 f"{name} serve no alignment")
    return found
