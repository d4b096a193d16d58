"""Debian packages by the files that they own, and the source packages behind them."""

import os
import re
import subprocess
import urllib.parse
from typing import NamedTuple


class Source(NamedTuple):
    name: str
    version: str

    @property
    def purl(self):
        with open("/etc/os-release") as release:
            codename = re.search(r"^VERSION_CODENAME=(\w+)", release.read(), re.M)[1]
        version = urllib.parse.quote(self.version, safe=":~")
        return f"pkg:deb/debian/{self.name}@{version}?arch=source&distro={codename}"


def query(*arguments):
    return subprocess.run(["dpkg-query", *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          check=False).stdout.splitlines()


def owners(paths):
    """Path -> (package, its source); a path of no package is left out."""
    real = {path: os.path.realpath(path) for path in paths}
    owner = {}
    for line in query("-S", *sorted(set(real.values()))):
        names, _, path = line.partition(": ")
        owner[path] = names.split(",")[0]
    shown = "${binary:Package}\t${Package}:${Architecture}\t${Package}\t${source:Package}\t${source:Version}\n"
    package = {}
    for line in query("-W", "-f", shown, *sorted(set(owner.values()))):
        short, full, name, source, version = line.split("\t")
        package[short] = package[full] = package[name] = (name, Source(source, version))
    return {path: package[owner[there]] for path, there in real.items() if there in owner}
