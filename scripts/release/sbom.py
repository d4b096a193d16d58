#!/usr/bin/env python3
"""The bill of materials of a release, SPDX 2.3 as JSON: flense, the Debian sources of what is linked into it, and the
files of d3 in its HTML report. The same bytes for the same commit and packages.

  sbom.py BUILD > FILE     BUILD is build/release after `make release`, or build/release-arm64
"""

import datetime
import hashlib
import json
import os
import re
import subprocess
import sys
import uuid

import debian
import linked

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UNSTATED = {"downloadLocation": "NOASSERTION", "licenseConcluded": "NOASSERTION", "copyrightText": "NOASSERTION"}


def git(*arguments):
    return subprocess.check_output(["git", "-C", TOP, *arguments], text=True).strip()


def digest(algorithm, path):
    with open(path, "rb") as data:
        return {"algorithm": algorithm, "checksumValue": hashlib.file_digest(data, algorithm).hexdigest()}


def spdx_id(kind, name):
    return f"SPDXRef-{kind}-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)


def source_package(source, note):
    return {"SPDXID": spdx_id("source", source.name), "name": source.name, "versionInfo": source.version,
            "supplier": "Organization: Debian", "filesAnalyzed": False, "licenseDeclared": "NOASSERTION", "comment": note,
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": source.purl}],
            "primaryPackagePurpose": "SOURCE", **UNSTATED}


def document(build):
    with open(os.path.join(TOP, "CMakeLists.txt")) as text:
        version = re.search(r"^project\(flense VERSION (\S+)", text.read(), re.M)[1]
    name = f"flense-{version}" + ("-arm64" if build.endswith("-arm64") else "")
    commit = git("rev-parse", "HEAD")
    created = datetime.datetime.fromtimestamp(int(git("log", "-1", "--format=%ct")), datetime.UTC)
    flense = {"SPDXID": "SPDXRef-flense", "name": "flense", "versionInfo": version, "supplier": "NOASSERTION",
              "filesAnalyzed": False, "licenseDeclared": "Apache-2.0", "sourceInfo": f"git commit {commit}",
              "comment": "The checksum is that of the program, which is the same in every artefact.",
              "checksums": [digest("SHA256", os.path.join(build, "flense"))], "primaryPackagePurpose": "APPLICATION", **UNSTATED}
    packages, files = [flense], []
    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-flense")]

    for source, (binaries, libraries) in sorted(linked.sources_of(build).items()):
        note = f"linked: {', '.join(sorted(libraries))}" if libraries else "headers alone"
        packages.append(source_package(source, f"{note}; of {', '.join(sorted(binaries))}"))
        relations.append(("SPDXRef-flense", "STATIC_LINK" if libraries else "DEPENDS_ON", packages[-1]["SPDXID"]))

    scripts = linked.scripts_of(build, os.path.join(TOP, "web"))
    owned = debian.owners(scripts)
    for source in sorted({source for _, source in owned.values()}):
        packages.append(source_package(source, "JavaScript in the HTML report"))
        relations.append(("SPDXRef-flense", "DEPENDS_ON", packages[-1]["SPDXID"]))
    for path in scripts:
        files.append({"SPDXID": spdx_id("file", path.removeprefix("/usr/share/nodejs/")), "fileName": "." + path,
                      "checksums": [digest("SHA1", path), digest("SHA256", path)], "fileTypes": ["SOURCE"],
                      "licenseConcluded": "NOASSERTION", "licenseInfoInFiles": ["NOASSERTION"], "copyrightText": "NOASSERTION",
                      "comment": f"of {owned[path][0]}"})
        relations.append(("SPDXRef-flense", "GENERATED_FROM", files[-1]["SPDXID"]))

    return {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": name,
            "documentNamespace": f"https://spdx.org/spdxdocs/{name}-{uuid.uuid5(uuid.NAMESPACE_URL, commit)}",
            "creationInfo": {"created": created.strftime("%Y-%m-%dT%H:%M:%SZ"), "creators": ["Tool: flense-scripts-release-sbom"]},
            "packages": packages, "files": files,
            "relationships": [dict(zip(("spdxElementId", "relationshipType", "relatedSpdxElement"), one)) for one in relations]}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    json.dump(document(sys.argv[1]), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
