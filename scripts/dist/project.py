"""What all artefacts share: the version, the time that their files carry, and a file of an artefact as a value."""

import os
import pathlib
import re
import struct
import subprocess
import sys
from typing import NamedTuple

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
MAINTAINER = "The flense maintainers <maintainers@flense.invalid>"


class File(NamedTuple):
    path: str
    data: bytes
    mode: int = 0o644


class Program(NamedTuple):
    """The program and what it tells of itself."""

    binary: bytes
    summary: str
    pages: dict  # man pages by the name of their file
    completions: dict  # scripts by the name of their shell


def read(name):
    return (TOP / name).read_bytes()


def version():
    return re.search(r"^project\(flense VERSION (\S+)", read("CMakeLists.txt").decode(), re.M)[1]


def epoch():
    """Seconds: SOURCE_DATE_EPOCH, else the time of HEAD's commit."""
    return int(os.environ.get("SOURCE_DATE_EPOCH")
               or subprocess.check_output(["git", "-C", TOP, "log", "-1", "--format=%ct"]))


def said_by(binary, *arguments):
    return subprocess.check_output([binary, *arguments], text=True, env={"PATH": os.environ["PATH"], "NO_COLOR": "1"})


def load_binary(path):
    """The program's bytes; an error where the names of the artefacts would promise what it does not hold."""
    data = pathlib.Path(path).read_bytes()
    if data[:6] != b"\x7fELF\2\1" or struct.unpack_from("<H", data, 18)[0] != 62:
        sys.exit(f"{path} is no program for x86-64")
    at, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    if 3 in (struct.unpack_from("<I", data, at + number * size)[0] for number in range(count)):
        sys.exit(f"{path} asks for a loader: only the static program of `make release` runs on every distribution")
    if said_by(path, "--version") != f"flense {version()}\n":
        sys.exit(f"{path} is not version {version()} of CMakeLists.txt: run `make release`")
    return data
