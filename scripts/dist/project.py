"""What all artefacts share: the version, the time that their files carry, the machines, and a file as a value."""

import os
import pathlib
import re
import struct
import subprocess
import sys
from typing import NamedTuple

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
MAINTAINER = "The flense maintainers <maintainers@flense.invalid>"


class Machine(NamedTuple):
    kernel: str  # as uname spells it
    debian: str  # as Debian's packages and OCI's images do


MACHINES = {62: Machine("x86_64", "amd64"), 183: Machine("aarch64", "arm64")}  # by e_machine of ELF


class File(NamedTuple):
    path: str
    data: bytes
    mode: int = 0o644


class Program(NamedTuple):
    """The program and what it tells of itself."""

    machine: Machine
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


def machine_of(path):
    with open(path, "rb") as source:
        head = source.read(20).ljust(20)
    machine = MACHINES.get(struct.unpack_from("<H", head, 18)[0])
    if head[:6] != b"\x7fELF\2\1" or machine is None:
        sys.exit(f"{path} is no program for x86-64 or 64-bit ARM")
    return machine


def said_by(binary, *arguments):
    machine = machine_of(binary).kernel
    starter = [] if machine == os.uname().machine else [f"qemu-{machine}-static"]
    return subprocess.check_output([*starter, binary, *arguments], text=True,
                                   env={"PATH": os.environ["PATH"], "NO_COLOR": "1"})


def load_binary(path):
    """The program's bytes; an error where the names of the artefacts would promise what it does not hold."""
    machine_of(path)
    data = pathlib.Path(path).read_bytes()
    at, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    if 3 in (struct.unpack_from("<I", data, at + number * size)[0] for number in range(count)):
        sys.exit(f"{path} asks for a loader: only the static program of `make release` runs on every distribution")
    if said_by(path, "--version") != f"flense {version()}\n":
        sys.exit(f"{path} is not version {version()} of CMakeLists.txt: run `make release`")
    return data
