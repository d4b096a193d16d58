#!/usr/bin/env python3
"""Judges `flense verify` and its rules by NVIDIA's cuobjdump, on real libraries.

  verify.py [DIRECTORY…]      default: the wheels in $FLENSE_CACHE/wheels/small, unpacked

Each library with device code is slimmed for each GPU and level. cuobjdump's list of the original says, by the binary
compatibility that NVIDIA documents, how many cubins each GPU could load; below aggressive the list of the result must
hold exactly as many. flense verify must agree, and must refuse the result for a GPU that cuobjdump says lost one.
Exit status 0 fine, 1 a difference, 77 no cuobjdump or nothing to look at.
"""

import collections
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import cuobjdump_check

TOP = pathlib.Path(__file__).resolve().parents[2]
FLENSE = os.environ.get("FLENSE_BINARY") or TOP / "build/release/flense"
CACHE = pathlib.Path(os.environ.get("FLENSE_CACHE") or pathlib.Path.home() / ".cache/flense")
GPUS = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")


def cubins(cuobjdump, library):
    """How many cubins of each architecture cuobjdump lists: {"sm_90a": 3}."""
    done = subprocess.run([cuobjdump, "--list-elf", library], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, check=False)
    names = [line.split(":", 1)[1].strip() for line in done.stdout.splitlines() if line.startswith("ELF file")]
    return collections.Counter(next(part for part in name.split(".") if part.startswith("sm_")) for name in names)


def loads(arch, gpu):
    """CUDA C++ Programming Guide: the same major, a minor up to the GPU's; `a` its own, `f` as plain here."""
    number, target = int(arch[3:].rstrip("af")), int(gpu[3:])
    return number == target if arch.endswith("a") else number // 10 == target // 10 and number <= target


def served(counts, gpu):
    return {arch: number for arch, number in counts.items() if loads(arch, gpu)}


def status(*arguments):
    return subprocess.run([FLENSE, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)


def check(cuobjdump, library, work):
    before = cubins(cuobjdump, library)
    for gpu in GPUS:
        for level in ("safe", "standard", "aggressive"):
            out = pathlib.Path(work) / "slim.so"
            out.unlink(missing_ok=True)
            if status("slim", library, "--gpu", gpu, "--level", level, "-o", out).returncode != 0:
                yield f"{gpu} {level}: slim failed"
                continue
            after = cubins(cuobjdump, out)
            if level != "aggressive" and served(after, gpu) != served(before, gpu):
                yield f"{gpu} {level}: cuobjdump lists {served(after, gpu)}, {served(before, gpu)} before"
            for other in GPUS:
                lost = served(after, other) != served(before, other)
                answer = status("verify", out, "--against", library, "--gpu", other, "--level", level)
                # At aggressive a lower minor may be lost; what is left of PTX is no matter of cubins.
                if answer.returncode not in (0, 1) or (lost and level != "aggressive") and answer.returncode != 1:
                    yield f"{gpu} {level} for {other}: status {answer.returncode}, cuobjdump lost={lost}\n{answer.stdout}"
                if other == gpu and answer.returncode != 0:
                    yield f"{gpu} {level}: not proved\n{answer.stdout}"


def libraries(folders, work):
    if not folders:
        for wheel in sorted((CACHE / "wheels/small").glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(pathlib.Path(work) / wheel.name)
        folders = [work]
    for folder in folders:
        for path in sorted(pathlib.Path(folder).rglob("*")):
            if path.is_file() and not path.is_symlink() and ".so" in path.name:
                with open(path, "rb") as data:
                    if data.read(4) == b"\x7fELF" and b".nv_fatbin" in data.read():
                        yield path


def main():
    try:
        cuobjdump = cuobjdump_check.find_cuobjdump(None)
    except SystemExit:
        return 77
    wrong = seen = 0
    with tempfile.TemporaryDirectory() as work:
        for library in libraries(sys.argv[1:], work):
            seen += 1
            problems = list(check(cuobjdump, library, work))
            wrong += len(problems)
            print(f"{library.name}: {'fine' if not problems else ''}", *problems, sep="\n  " if problems else "", flush=True)
    print(f"{seen} libraries, {wrong} problems")
    return 77 if seen == 0 else 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
