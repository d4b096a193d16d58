"""regions.py ORIGINAL SLIM [SECONDS]: loads every fat-binary region of every library of both trees
with the driver. A region of the slim library must load where its original does, and fail alike where
that fails. With SECONDS those that are drawn in that time, in a fixed order that no library leads.

Regions are paired by the wrappers that point at them, in order: slimming moves regions but never
drops a registered one."""

import array
import collections
import functools
import math
import mmap
import multiprocessing
import os
import random
import struct
import sys
import time

from driver import Driver

REGION, WRAPPER = 0xBA55ED50, 0x466243B1
# What one process loads at a time. A context takes some 500 MB of the GPU's memory.
AT_A_TIME, PROCESSES = 16, 8


class Library:
    """The few parts of an ELF file that lead from wrappers to regions."""

    def __init__(self, path):
        with open(path, "rb") as source:
            self.data = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ)
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
        found = self.section(b".nvFatBinSegment")
        if dynamic and found:
            self._relocations(*dynamic, found[0], found[0] + found[2])
        self.regions = list(self._regions(*found)) if found else []

    def offset_of(self, address):
        for start, offset, size in self.loads:
            if start <= address < start + size:
                return offset + address - start
        return None

    def _relocations(self, offset, size, begin, end):
        tags = dict(struct.unpack_from("<qQ", self.data, offset + at) for at in range(0, size - 15, 16))
        if 7 in tags and 8 in tags:  # DT_RELA, DT_RELASZ
            start = self.offset_of(tags[7])
            rows = memoryview(self.data)[start:start + tags[8] // 24 * 24]
            for place, info, addend in struct.iter_unpack("<QQq", rows):
                # R_X86_64_RELATIVE, R_AARCH64_RELATIVE
                if begin <= place < end and info & 0xFFFFFFFF in (8, 1027):
                    self.relative[place] = addend

    def section(self, wanted):
        shoff, = struct.unpack_from("<Q", self.data, 40)
        shentsize, shnum, shstrndx = struct.unpack_from("<HHH", self.data, 58)
        headers = [struct.unpack_from("<IIQQQQIIQQ", self.data, shoff + n * shentsize) for n in range(shnum)]
        for header in headers:
            at = headers[shstrndx][4] + header[0]
            if self.data[at:self.data.find(b"\0", at)] == wanted:
                return header[3], header[4], header[5]
        return None

    def _regions(self, address, offset, size):
        """(offset, size) of each registered region, in the order of the wrappers."""
        for at in range(0, size - 23, 24):
            magic, _, data, _ = struct.unpack_from("<IIQQ", self.data, offset + at)
            if magic != WRAPPER:
                continue
            place = self.offset_of(self.relative.get(address + at + 8, data))
            if place is None or struct.unpack_from("<I", self.data, place)[0] != REGION:
                yield 0, 0
                continue
            length, = struct.unpack_from("<Q", self.data, place + 8)
            yield place, 16 + length

    def region(self, number):
        offset, size = self.regions[number]
        return self.data[offset:offset + size]


open_library = functools.lru_cache(maxsize=None)(Library)


@functools.lru_cache(maxsize=1)
def open_driver():
    driver = Driver()
    driver.make_current()
    return driver


def begin(places, counter):
    """In each process: where it says what it is loading, for when that does not end. One that takes the place of
    another that died takes one of theirs."""
    global doing
    with counter.get_lock():
        at = counter.value * 3 % len(places)
        counter.value += 1
    doing = memoryview(places.get_obj()).cast("B").cast("q")[at:at + 3]


def load(task):
    """(name, seconds, [(number, status of the original, status of what became of it)]) for the regions that hold
    something."""
    index, original, slim, name, numbers = task
    old, new = (open_library(os.path.join(tree, name)) for tree in (original, slim))
    driver, started, result = open_driver(), time.monotonic(), []

    def status(number, side, region):
        doing[:] = array.array("q", [index, number, side])
        try:
            return driver.load_fat_binary(region)
        finally:
            doing[2] = 0
    for number in numbers:
        first, second = old.region(number), new.region(number)
        if first or second:
            before = status(number, 1, first)
            result.append((number, before, status(number, 2, second) if first != second else before))
    return name, time.monotonic() - started, result


def libraries(tree):
    for folder, _, files in os.walk(tree, followlinks=True):
        for name in sorted(files):
            path = os.path.join(folder, name)
            if ".so" in name and not os.path.islink(path):
                with open(path, "rb") as source:
                    if source.read(5) == b"\x7fELF\x02":
                        yield os.path.relpath(path, tree)


def main(original, slim, limit="inf"):
    tasks, differences, wanted = [], 0, 0
    for name in libraries(slim):
        old, new = (open_library(os.path.join(tree, name)).regions for tree in (original, slim))
        if len(old) != len(new):
            print(f"{name}: {len(old)} wrappers became {len(new)}")
            differences += 1
        elif old:
            print(f"{name}: {len(new)} regions, {sum(size for _, size in old)} -> {sum(size for _, size in new)} bytes")
            wanted += len(old)
            tasks += [(len(tasks) + at // AT_A_TIME, original, slim, name, range(at, min(at + AT_A_TIME, len(old))))
                      for at in range(0, len(old), AT_A_TIME)]
    names = [name for _, _, _, name, _ in tasks]
    random.Random(len(tasks)).shuffle(tasks)
    statuses, seconds, started = collections.Counter(), collections.Counter(), time.monotonic()
    # A process that has a context of the driver must not be forked.
    context, processes = multiprocessing.get_context("spawn"), min(PROCESSES, os.cpu_count())
    places = context.Array("q", 3 * processes)
    with context.Pool(processes, begin, (places, context.Value("i", 0))) as pool:
        results = pool.imap_unordered(load, tasks)
        for _ in tasks:
            left = float(limit) - (time.monotonic() - started)
            try:
                name, spent, loaded = results.next(timeout=None if left == math.inf else max(left, 0))
            except multiprocessing.TimeoutError:
                for index, number, side in zip(*[iter(places)] * 3):
                    if side:
                        print(f"{names[index]}: region {number} of the {'original' if side == 1 else 'slim one'} has not ended")
                break
            seconds[name] += spent
            for number, before, after in loaded:
                statuses[before] += 1
                if before != after:
                    differences += 1
                    print(f"{name}: region {number}: {before} before, {after} after")
    print(", ".join(f"{os.path.basename(name)} {spent:.1f} s" for name, spent in seconds.most_common()))
    print(f"{statuses.total()} of {wanted} regions in {time.monotonic() - started:.0f} s, as they were: "
          f"{dict(statuses)}; {differences} differences", flush=True)
    return 1 if differences or not statuses["CUDA_SUCCESS"] else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
