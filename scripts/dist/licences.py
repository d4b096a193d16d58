"""Licences of everything that is linked into the program, as Debian's packages state them."""

import os
import pathlib
import re
import subprocess
import sys

import project

SHARE = pathlib.Path("/usr/share")
# Packages of the build of which nothing comes into the program.
BUILD_ALONE = {"dpkg-dev", "libgmock-dev", "libgtest-dev", "librapidcheck-dev", "libseccomp-dev"}


def packages(machine):
    """Those that scripts/setup.sh installs for the build, the run-time libraries of C and C++, and ISA-L, which is
    built from the source package of libisal2."""
    build = re.search(r'^build="([^"]*)"', project.read("scripts/setup.sh").decode(), re.M)[1].split()
    named = {name for name in build if name.endswith("-dev") or name.startswith("node-")}
    compiler = subprocess.check_output(["g++", "-dumpversion"], text=True).split(".")[0].strip()
    cross = "" if machine.kernel == os.uname().machine else f"-{machine.debian}-cross"
    return sorted(named - BUILD_ALONE | {f"libc6-dev{cross}", f"libstdc++-{compiler}-dev{cross}", "libisal2"})


def stated(machine):
    """Package -> text, and the names of the common licences that the texts refer to."""
    texts, common = {}, set()
    for package in packages(machine):
        path = SHARE / "doc" / package / "copyright"
        if not path.exists():
            sys.exit(f"{path} is missing: run scripts/setup.sh build dist{' arm64' if machine.debian == 'arm64' else ''}")
        texts[package] = path.read_bytes()
        common |= {name.rstrip(".") for name in
                   re.findall(r"/usr/share/common-licenses/([\w.-]+)", texts[package].decode("utf-8", "replace"))}
    return texts, sorted(common)


def files(machine):
    """LICENSE, a text for each package, and the common licences: for systems that do not have Debian's."""
    texts, common = stated(machine)
    out = [project.File("LICENSE", project.read("LICENSE"))]
    out += [project.File(f"libraries/{package}", text) for package, text in texts.items()]
    out += [project.File(f"common/{name}", (SHARE / "common-licenses" / name).read_bytes()) for name in common]
    return out


def sources(machine):
    """Source packages with their versions, as a field of a Debian package names them."""
    said = subprocess.check_output(["dpkg-query", "-W", "-f", "${source:Package} (= ${source:Version})\n", *packages(machine)],
                                   text=True)
    return sorted(set(said.splitlines()))
