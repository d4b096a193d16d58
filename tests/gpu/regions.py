"""regions.py ORIGINAL SLIM: loads every fat-binary region of every library of both trees with the
driver. A region of the slim library must load where its original does, and fail alike where that
fails.

Regions are paired by the wrappers that point at them, in order: slimming moves regions but never
drops a registered one."""

import os
import struct
import sys

from driver import Driver

REGION, WRAPPER = 0xBA55ED50, 0x466243B1


class Library:
    """The few parts of an ELF file that lead from wrappers to regions."""

    def __init__(self, path):
        with open(path, "rb") as source:
            self.data = source.read()
        data = self.data
        phoff, = struct.unpack_from("<Q", data, 32)
        phentsize, phnum = struct.unpack_from("<HH", data, 54)
        self.loads, dynamic = [], None
        for number in range(phnum):
            kind, _, offset, address, _, file_size, _, _ = struct.unpack_from("<IIQQQQQQ", data, phoff + number * phentsize)
            if kind == 1:
                self.loads.append((address, offset, file_size))
            elif kind == 2:
                dynamic = (offset, file_size)
        self.relative = {}
        if dynamic:
            self._relocations(*dynamic)

    def offset_of(self, address):
        for start, offset, size in self.loads:
            if start <= address < start + size:
                return offset + address - start
        return None

    def _relocations(self, offset, size):
        tags = dict(struct.unpack_from("<qQ", self.data, offset + at) for at in range(0, size - 15, 16))
        if 7 in tags and 8 in tags:  # DT_RELA, DT_RELASZ
            start = self.offset_of(tags[7])
            for at in range(start, start + tags[8], 24):
                place, info, addend = struct.unpack_from("<QQq", self.data, at)
                if info & 0xFFFFFFFF in (8, 1027):  # R_X86_64_RELATIVE, R_AARCH64_RELATIVE
                    self.relative[place] = addend

    def section(self, wanted):
        shoff, = struct.unpack_from("<Q", self.data, 40)
        shentsize, shnum, shstrndx = struct.unpack_from("<HHH", self.data, 58)
        headers = [struct.unpack_from("<IIQQQQIIQQ", self.data, shoff + n * shentsize) for n in range(shnum)]
        names = headers[shstrndx]
        for header in headers:
            at = names[4] + header[0]
            if self.data[at:self.data.index(b"\0", at)] == wanted:
                return header[3], header[4], header[5]
        return None

    def regions(self):
        """The bytes of each registered region, in the order of the wrappers."""
        found = self.section(b".nvFatBinSegment")
        if not found:
            return []
        address, offset, size = found
        result = []
        for at in range(0, size - 23, 24):
            magic, _, data, _ = struct.unpack_from("<IIQQ", self.data, offset + at)
            if magic != WRAPPER:
                continue
            place = self.offset_of(self.relative.get(address + at + 8, data))
            if place is None or struct.unpack_from("<I", self.data, place)[0] != REGION:
                result.append(b"")
                continue
            length, = struct.unpack_from("<Q", self.data, place + 8)
            result.append(self.data[place:place + 16 + length])
        return result


def libraries(tree):
    for folder, _, files in os.walk(tree, followlinks=True):
        for name in sorted(files):
            path = os.path.join(folder, name)
            if ".so" in name and not os.path.islink(path):
                with open(path, "rb") as source:
                    if source.read(5) == b"\x7fELF\x02":
                        yield os.path.relpath(path, tree)


def main(original, slim):
    driver = Driver()
    driver.make_current()
    total = loaded = differences = 0
    for name in libraries(slim):
        old, new = Library(os.path.join(original, name)).regions(), Library(os.path.join(slim, name)).regions()
        if not old:
            continue
        if len(old) != len(new):
            print(f"{name}: {len(old)} wrappers became {len(new)}")
            differences += 1
            continue
        alike = 0
        for number, (first, second) in enumerate(zip(old, new)):
            if not first and not second:
                continue
            total += 1
            before = driver.load_fat_binary(first)
            after = driver.load_fat_binary(second) if first != second else before
            loaded += after == "CUDA_SUCCESS"
            alike += before == after
            if before != after:
                differences += 1
                print(f"{name}: region {number}: {before} before, {after} after")
        print(f"{name}: {len(new)} regions, {alike} alike, {sum(map(len, old))} -> {sum(map(len, new))} bytes")
    print(f"{total} regions, {loaded} load, {differences} differences")
    return 1 if differences or total == 0 else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
