"""unregistered.py TREE GPU MODE: overwrites, in every library below TREE, device code that no wrapper registers and
that a GPU of compute capability GPU ("sm_90") cannot run, so that it can be tried what the libraries make of it.

  payload   the bytes of such cubins become zero, their headers stay
  stub      a region of which all cubins are such says that it is empty, and is zero behind its header

Sizes, offsets and all other bytes stay; the tree must be a copy. Prints what was overwritten. This is an experiment
of what `flense slim` does not do, because nobody has seen it work: docs/device-code-rules.md, "Regions that keep
everything"."""

import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "oracle"))
from cuobjdump_check import Difference, Library, loadable  # noqa: E402


def foreign(region, gpu):
    return [entry for entry in region.entries if entry.kind == "cubin" and not loadable(entry, gpu)]


def overwrite(path, gpu, mode):
    """(entries, bytes) that became zero."""
    try:
        library = Library(path)
    except (Difference, struct.error, ValueError, IndexError):
        return 0, 0
    registered = {address for _version, address in library.wrappers}
    entries = count = 0
    with open(path, "r+b") as file:
        for region in library.regions:
            # Relocatable code is reached by wrappers of its linked image.
            if region.address in registered or region.section == "__nv_relfatbin":
                continue
            others = foreign(region, gpu)
            if not others or (mode == "stub" and len(others) < len(region.entries)):
                continue
            if mode == "stub":
                file.seek(region.position + 8)
                file.write(bytes(region.end - region.position - 8))
                count += region.end - region.position - 16
            else:
                for entry in others:
                    file.seek(entry.position + entry.header)
                    file.write(bytes(entry.payload))
                    count += entry.payload
            entries += len(others)
    return entries, count


def main():
    if len(sys.argv) != 4 or sys.argv[3] not in ("payload", "stub"):
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
