#!/usr/bin/env python3
"""Writes what a release consists of, and SHA256SUMS of it: the same bytes for the same program, sources and packages
of the build, whoever runs it and when.

  make_dist.py BINARY OUT [KIND…]    BINARY of `make release`, OUT a directory; KIND tarball, wheel, deb (all)
"""

import hashlib
import pathlib
import sys

import deb
import man_pages
import project
import tarball
import wheel

KINDS = {"tarball": tarball, "wheel": wheel, "deb": deb}


def main():
    arguments, kinds = sys.argv[1:3], sys.argv[3:] or list(KINDS)
    if len(arguments) != 2 or set(kinds) - set(KINDS):
        sys.exit(__doc__)
    path, out = pathlib.Path(arguments[0]).resolve(), pathlib.Path(arguments[1])
    program = project.Program(
        binary=project.load_binary(path),
        summary=project.said_by(path, "help").split("\n")[0].removeprefix("flense: "),
        pages=man_pages.of(path),
        completions={shell: project.said_by(path, "completion", shell).encode() for shell in ("bash", "zsh", "fish")})
    out.mkdir(parents=True, exist_ok=True)
    written = sorted(KINDS[kind].write(out, program) for kind in kinds)
    sums = "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in written)
    (out / "SHA256SUMS").write_text(sums)
    print(sums, end="")


if __name__ == "__main__":
    main()
