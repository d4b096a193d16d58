"""bolder.py TREE GPU MODE: takes away, in every library below TREE, device code that a GPU of compute capability GPU
("sm_90") cannot run and that `flense slim` keeps, so that it can be tried what the libraries make of it.

  payload   cubins that no wrapper registers: their bytes become zero, their headers stay
  stub      regions that no wrapper registers and that hold such cubins alone say that they are empty
  empty     registered regions that hold nothing for this GPU say that they are empty

What is gone is zero; sizes of files, offsets and all other bytes stay. The tree must be a copy. Prints what was
overwritten: docs/device-code-rules.md, "Regions that keep everything"."""

import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "oracle"))
from cuobjdump_check import Difference, Library, loadable  # noqa: E402

MODES = ("payload", "stub", "empty")


def foreign(region, gpu):
    return [entry for entry in region.entries if entry.kind == "cubin" and not loadable(entry, gpu)]


def emptied(file, region):
    """Behind the header's magic and version comes its size."""
    file.seek(region.position + 8)
    file.write(bytes(region.end - region.position - 8))
    return region.end - region.position - 16


def overwrite(path, gpu, mode):
    """(entries, bytes) that became zero."""
    try:
        library = Library(path)
    except (Difference, struct.error, ValueError, IndexError):
        return 0, 0
    registered = {address for _version, address in library.wrappers}
    linked = {address for version, address in library.wrappers if version == 2}
    entries = count = 0
    with open(path, "r+b") as file:
        for region in library.regions:
            # Relocatable code is reached by wrappers of its linked image.
            if region.section == "__nv_relfatbin" or region.address in linked:
                continue
            others = foreign(region, gpu)
            if not others or (region.address in registered) != (mode == "empty"):
                continue
            if mode == "payload":
                for entry in others:
                    file.seek(entry.position + entry.header)
                    file.write(bytes(entry.payload))
                    count += entry.payload
            elif len(others) == len(region.entries):
                count += emptied(file, region)
            else:
                continue
            entries += len(others)
    return entries, count


def main():
    if len(sys.argv) != 4 or sys.argv[3] not in MODES:
        sys.exit(__doc__)
    tree, gpu, mode = sys.argv[1], int(sys.argv[2].removeprefix("sm_")), sys.argv[3]
    total = 0
    for folder, _, names in os.walk(tree):
        for name in names:
            path = os.path.join(folder, name)
            if ".so" not in name or os.path.islink(path):
                continue
            entries, count = overwrite(path, gpu, mode)
            if entries:
                print(f"{name}: {entries} cubins, {count / 1e6:.1f} MB")
            total += count
    print(f"{mode}: {total / 1e6:.1f} MB overwritten")


if __name__ == "__main__":
    main()
