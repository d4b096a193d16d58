"""What of the distribution came into the program: libraries that the linker was given, headers that the compiler read,
and the JavaScript in the HTML report. The build's own records say so: no list that somebody has to keep."""

import json
import os
import re
import subprocess
import tempfile

import debian


def cached(build, name):
    """What CMake has settled on."""
    with open(os.path.join(build, "CMakeCache.txt")) as cache:
        return re.search(rf"^{name}:\w+=(.*)$", cache.read(), re.M)[1]


class Inputs:
    """The files of a build that flense was linked from."""

    def __init__(self, build):
        self.build = build
        self.libraries, objects = set(), set()
        ahead, seen = {"flense"}, set()
        while ahead:
            found = self.inputs_of(ahead)
            seen |= ahead
            self.libraries |= {path for path in found if os.path.isabs(path) and path.endswith(".a")}
            # Sources are not followed: a program that only writes one is a tool.
            ahead = {path for path in found if not os.path.isabs(path) and path.endswith((".a", ".o", ".gch"))} - seen
            objects |= {path for path in ahead if path.endswith((".o", ".gch"))}
        read = self.ninja("deps", *sorted(objects))
        self.headers = {path for line in read if (path := line.strip()).startswith("/usr/")}
        compiler = cached(build, "CMAKE_CXX_COMPILER")
        for name in ("libc.a", "libm.a", "libstdc++.a", "libgcc.a", "libgcc_eh.a"):
            self.libraries.add(subprocess.check_output([compiler, "-print-file-name=" + name], text=True).strip())
        if len(self.libraries) < 6 or not self.headers:
            raise SystemExit(f"{build} does not tell what flense was linked from: build it with `make release`")

    def ninja(self, tool, *targets):
        return subprocess.check_output(["ninja", "-C", self.build, "-t", tool, *targets], text=True).splitlines()

    def inputs_of(self, targets):
        """Targets are printed at the margin, `  input:` and `  outputs:` below, files below those."""
        found, inside = set(), False
        for line in self.ninja("query", *sorted(targets)):
            if not line.startswith("    "):
                inside = line.startswith("  input:")
            elif inside and not line.startswith("    || "):
                found.add(line.strip().removeprefix("| "))
        return found


def isal(library):
    """Of which source package scripts/isal.sh built its library, by the note that it leaves beside it."""
    note = os.path.join(os.path.dirname(os.path.dirname(library)), "source")
    try:
        with open(note) as text:
            return "scripts/isal.sh", debian.Source(*text.read().split())
    except FileNotFoundError:
        raise SystemExit(f"{note} is missing: remove {os.path.dirname(note)} and run scripts/isal.sh") from None


def sources_of(build):
    """Source package -> (binary packages, names of the libraries that were linked)."""
    inputs = Inputs(build)
    owned = debian.owners(inputs.libraries | inputs.headers)
    out = {}
    for path in inputs.libraries | inputs.headers:
        package, source = owned[path] if path in owned else isal(path)
        packages, libraries = out.setdefault(source, (set(), set()))
        packages.add(package)
        if path in inputs.libraries:
            libraries.add(os.path.basename(path))
    return out


def scripts_of(build, web):
    """Files of the distribution that the HTML report's script is bundled from."""
    modules = cached(build, "FLENSE_NODE_MODULES")
    with tempfile.TemporaryDirectory() as work:
        subprocess.run(["esbuild", "--log-level=warning", os.path.abspath(web) + "/report.js", "--bundle", "--format=iife",
                        f"--metafile={work}/meta.json", f"--outfile={work}/out.js"], cwd="/", check=True,
                       env={**os.environ, "NODE_PATH": modules})
        with open(work + "/meta.json") as text:
            (output,) = json.load(text)["outputs"].values()
    paths = {os.path.normpath("/" + path) for path, part in output["inputs"].items() if part["bytesInOutput"]}
    return sorted(path for path in paths if path.startswith(modules + "/"))
