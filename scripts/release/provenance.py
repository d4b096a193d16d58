#!/usr/bin/env python3
"""How a release was built: an in-toto statement (v1) with SLSA's provenance (v1) for the files of a directory.

  provenance.py DIST SBOM[,SBOM] COMMAND… > FILE     SBOM names what was linked, COMMAND is what wrote DIST

The commit is HEAD's of this repository. On GitHub the builder is the workflow, elsewhere the script alone: such a
statement is worth what its signature is.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

import debian

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOLS = ("aarch64-linux-gnu-as", "aarch64-linux-gnu-g++", "aarch64-linux-gnu-ld", "as", "cmake", "esbuild", "g++", "ld", "make",
         "nasm", "ninja", "qemu-aarch64-static")


def git(*arguments):
    return subprocess.run(["git", "-C", TOP, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          check=False).stdout.strip()


def file_digest(path):
    with open(path, "rb") as data:
        return {"sha256": hashlib.file_digest(data, "sha256").hexdigest()}


def tools():
    """Source packages of the tools; one of no package is named by its own bytes."""
    paths = {"python3": sys.executable, **{name: path for name in TOOLS if (path := shutil.which(name))}}
    owned = debian.owners(paths.values())
    out = [{"uri": purl} for purl in sorted({source.purl for _, source in owned.values()})]
    return out + [{"name": name, "digest": file_digest(path)} for name, path in paths.items() if path not in owned]


def linked(sboms):
    out = {}
    for sbom in sboms.split(","):
        with open(sbom) as text:
            packages = json.load(text)["packages"]
        out.update({one["referenceLocator"]: True for package in packages for one in package.get("externalRefs", [])})
    return [{"uri": uri} for uri in out]


def statement(dist, sbom, command):
    env = os.environ
    if "GITHUB_WORKFLOW_REF" in env:
        server = env["GITHUB_SERVER_URL"]
        repository = f"{server}/{env['GITHUB_REPOSITORY']}"
        builder = f"{server}/{env['GITHUB_WORKFLOW_REF']}"
        run = {"metadata": {"invocationId": f"{repository}/actions/runs/{env['GITHUB_RUN_ID']}"}}
    else:
        repository, builder, run = git("remote", "get-url", "origin"), "urn:flense:scripts/release.sh", {}
    # The addresses of clones also come as user@host:path, and with passwords.
    repository = re.sub(r"^[^/:]+@([^/:]+):", r"https://\1/", repository)
    repository = re.sub(r"//[^/@]*@", "//", repository)
    uri = f"git+{repository}" if "://" in repository else "urn:flense:source"
    source = {"uri": uri, "digest": {"gitCommit": git("rev-parse", "HEAD")}}
    materials = {json.dumps(one): one for one in [source, *linked(sbom), *tools()]}
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": file_digest(os.path.join(dist, name))} for name in sorted(os.listdir(dist))
                    if name != "SHA256SUMS"],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:flense:scripts/release.sh:v1",
                "externalParameters": {"source": source, "command": command},
                "resolvedDependencies": list(materials.values()),
            },
            "runDetails": {"builder": {"id": builder}, **run},
        },
    }


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    json.dump(statement(sys.argv[1], sys.argv[2], sys.argv[3:]), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
