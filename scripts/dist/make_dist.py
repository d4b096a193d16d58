#!/usr/bin/env python3
"""Writes what a release consists of, and SHA256SUMS of it: the same bytes for the same program, sources and packages
of the build, whoever runs it and when.

  make_dist.py BINARY[,BINARY] OUT [KIND…]    BINARY of `make release`, for each machine one; OUT a directory;
                                              KIND tarball, wheel, deb, image (all)
"""

import hashlib
import pathlib
import sys

import deb
import image
import man_pages
import project
import tarball
import wheel

KINDS = {"tarball": tarball, "wheel": wheel, "deb": deb}


def load(path):
    return project.Program(
        machine=project.machine_of(path),
        binary=project.load_binary(path),
        summary=project.said_by(path, "help").split("\n")[0].removeprefix("flense: "),
        pages=man_pages.of(path),
        completions={shell: project.said_by(path, "completion", shell).encode() for shell in ("bash", "zsh", "fish")})


def main():
    arguments, kinds = sys.argv[1:3], sys.argv[3:] or [*KINDS, "image"]
    if len(arguments) != 2 or set(kinds) - {*KINDS, "image"}:
        sys.exit(__doc__)
    programs = [load(pathlib.Path(path).resolve()) for path in arguments[0].split(",")]
    out = pathlib.Path(arguments[1])
    out.mkdir(parents=True, exist_ok=True)
    written = [KINDS[kind].write(out, program) for kind in kinds if kind in KINDS for program in programs]
    if "image" in kinds:
        written.append(image.write(out, programs))
    written.sort()
    sums = "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in written)
    (out / "SHA256SUMS").write_text(sums)
    print(sums, end="")


if __name__ == "__main__":
    main()
