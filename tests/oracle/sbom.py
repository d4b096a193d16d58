#!/usr/bin/env python3
"""Reissued SBOMs judged by others: spdx-tools and cyclonedx-python-lib, from PyPI, find no fault in the result that they
did not find in the original; and by a second reading of what goes, written here.

  sbom.py --program build/…/sbom_reissue [FILE…]      default: the documents in sbom/

Each document is reissued with nothing gone, with a third of the paths that it names gone and a third changed, and with
all gone. Exit status 0 fine, 1 a difference, 77 no PyPI."""

import argparse
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import tools  # noqa: E402

PACKAGES = ("spdx-tools==0.8.5", "cyclonedx-python-lib[json-validation]==11.12.0")
REFERENCES = {"ref", "dependsOn", "provides", "assemblies", "subjects", "dependencies", "vulnerabilities"}

# Runs in the environment that has the validators: faults of each document, one list a line.
VALIDATE = r'''
import json, logging, sys
logging.disable(logging.CRITICAL)
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.common.spdx_licensing import spdx_licensing
from spdx_tools.spdx.parser.error import SPDXParsingError
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
for path in sys.argv[1:]:
    with open(path) as text:
        document = json.load(text)
    document = document.get("predicate", document)
    if "spdxVersion" in document:
        try:
            parsed = JsonLikeDictParser().parse(document)
            faults = [message.validation_message for message in validate_full_spdx_document(parsed)]
        except SPDXParsingError as error:
            faults = error.get_messages()
    else:
        version = SchemaVersion["V" + document["specVersion"].replace(".", "_")]
        error = JsonStrictValidator(version).validate_str(json.dumps(document))
        faults = [] if error is None else [str(error.data.message)]
    print(json.dumps(faults), flush=True)
'''


def absolute(name):
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return None if not parts or ".." in parts else "/" + "/".join(parts)


def components(node):
    for one in node.get("components", []):
        yield one
        yield from components(one)


def places(document):
    """[(identifier, is a file, its places, what it holds)] as the document names them."""
    if "spdxVersion" in document:
        files = {one["SPDXID"]: absolute(one["fileName"]) for one in document.get("files", [])}
        found = {one["SPDXID"]: [] for one in document.get("packages", [])}
        holds = {name: [] for name in found}
        for one in document.get("packages", []):
            source = re.match(r"acquired package info from [^:]*: (.*)|package found in: (.*)",
                              one.get("sourceInfo", ""), re.S)
            if source:
                found[one["SPDXID"]] += source[1].split(", ") if source[1] else [source[2] or ""]
            for name in one.get("hasFiles", []):
                found[one["SPDXID"]].append(files.get(name, ""))
        for one in document.get("relationships", []):
            a, b = one["spdxElementId"], one["relatedSpdxElement"]
            if one["relationshipType"] == "CONTAINED_BY":
                a, b = b, a
            elif one["relationshipType"] != "CONTAINS" and not one.get("comment", "").startswith("evident-by"):
                continue
            if a in found and b in files:
                found[a].append(files[b])
            elif a in holds and b in found and one["relationshipType"] != "OTHER":
                holds[a].append(b)
        return [(name, True, [path], []) for name, path in files.items()] + [
            (name, False, [absolute(path) for path in paths if path], holds[name]) for name, paths in found.items()]
    out = []
    for one in components(document):
        paths = [entry["value"] for entry in one.get("properties", []) if "value" in entry and re.fullmatch(
            r"syft:location:\d+:path|aquasecurity:trivy:FilePath", entry["name"])]
        paths += [entry["location"].partition("#")[0] for entry in one.get("evidence", {}).get("occurrences", [])
                  if entry["location"].startswith("/")]
        if one["type"] == "file" and "/" in one["name"]:
            paths.append(one["name"])
        out.append((one.get("bom-ref"), one["type"] == "file", [absolute(path) for path in paths],
                    [inner.get("bom-ref") for inner in components(one)]))
    return out


def described(document):
    names = set(document.get("documentDescribes", []))
    for one in document.get("relationships", []):
        if one["relationshipType"] == "DESCRIBES":
            names.add(one["relatedSpdxElement"])
        elif one["relationshipType"] == "DESCRIBED_BY":
            names.add(one["spdxElementId"])
    return names


def expected_to_go(document, gone):
    listed = places(document)
    keep = described(document)
    goes = {name for name, is_file, paths, _ in listed
            if paths and all(path in gone for path in paths) and (is_file or name not in keep)}
    while True:
        stay = {name for name, is_file, _, holds in listed
                if name in goes and not is_file and any(one not in goes for one in holds)}
        if not stay:
            return goes
        goes -= stay


def identifiers(document):
    if "spdxVersion" in document:
        return [one["SPDXID"] for key in ("packages", "files", "snippets") for one in document.get(key, [])]
    return [one.get("bom-ref") for one in components(document)]


def dangling(document):
    """References to nothing."""
    if "spdxVersion" in document:
        known = {*identifiers(document), document["SPDXID"], "NONE", "NOASSERTION"}
        known |= {one["externalDocumentId"] for one in document.get("externalDocumentRefs", [])}
        names = [one[key] for one in document.get("relationships", [])
                 for key in ("spdxElementId", "relatedSpdxElement")]
        names += document.get("documentDescribes", [])
        names += [name for one in document.get("packages", []) for name in one.get("hasFiles", [])]
        names += [one["snippetFromFile"] for one in document.get("snippets", [])]
        return {name for name in names if name not in known and name.partition(":")[0] not in known}
    known, names = set(), []

    def walk(node, key=None):
        if isinstance(node, dict):
            known.add(node.get("bom-ref"))
            for name, value in node.items():
                walk(value, name)
        elif isinstance(node, list):
            for value in node:
                walk(value, key)
        elif isinstance(node, str) and key in REFERENCES:
            names.append(node)

    walk(document)
    return {name for name in names if name not in known}


def document_of(path):
    with open(path, encoding="utf-8") as text:
        document = json.load(text)
    return document.get("predicate", document)


def third(path):
    return hashlib.sha256(path.encode()).digest()[0] % 3


class Judge:
    def __init__(self, program, python, work):
        self.program, self.python, self.work = program, python, work
        self.wrong = []

    def reissued(self, source, gone, changed, name):
        lists = []
        for kind, paths in (("gone", gone), ("changed", changed)):
            lists.append(os.path.join(self.work, kind + ".txt"))
            with open(lists[-1], "w", encoding="utf-8") as out:
                out.writelines(path + "\n" for path in sorted(paths))
        out = os.path.join(self.work, name)
        done = subprocess.run([self.program, source, *lists, out], check=True, stdout=subprocess.PIPE, text=True)
        return out, [int(word) for word in done.stdout.splitlines()[0].split()]

    def faults(self, *paths):
        done = subprocess.run([self.python, "-c", VALIDATE, *paths], check=True, stdout=subprocess.PIPE, text=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def expect(self, holds, source, what):
        if not holds:
            self.wrong.append(f"{source}: {what}")
            print("WRONG", self.wrong[-1])

    def look(self, source):
        before = document_of(source)
        named = {path for _, _, paths, _ in places(before) for path in paths if path}
        cases = {"same": (set(), set()),
                 "thirds": ({path for path in named if third(path) == 0}, {path for path in named if third(path) == 1}),
                 "gone": (named, set())}
        results, figures = {}, {}
        for case, (gone, changed) in cases.items():
            results[case], figures[case] = self.reissued(source, gone, changed, case)
            after = document_of(results[case])
            goes = expected_to_go(before, gone)
            # Snippets of changed files go, too.
            left = [name for name in identifiers(before) if name not in goes]
            self.expect(identifiers(after) == left or "snippets" in before, source,
                        f"{case}: other elements than expected are left")
            self.expect(dangling(after) <= dangling(before), source, f"{case}: dangling {sorted(dangling(after))[:3]}")
            again, _ = self.reissued(results[case], set(), set(), "again")
            self.expect(identifiers(document_of(again)) == identifiers(after), source,
                        f"{case}: lost by a second reissue")
        first = pathlib.Path(results["thirds"]).read_bytes()
        self.reissued(source, *cases["thirds"], "thirds")
        self.expect(first == pathlib.Path(results["thirds"]).read_bytes(), source, "another result the second time")
        lists = self.faults(source, *results.values())
        kinds = [{re.sub(r"SPDXRef-\S+|[0-9a-f]{16,}|found .*|\[.*", "…", fault, flags=re.S) for fault in faults}
                 for faults in lists]
        for case, kind in zip(cases, kinds[1:]):
            self.expect(kind <= kinds[0], source, f"{case}: new faults {sorted(kind - kinds[0])[:3]}")
        print(f"{os.path.basename(source)}: faults {' -> '.join(str(len(one)) for one in lists)}; packages "
              f"{figures['same'][0]} -> {figures['thirds'][1]} -> {figures['gone'][1]}; files gone "
              f"{figures['thirds'][2]}, {figures['gone'][2]}, changed {figures['thirds'][3]}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    try:
        python = os.path.join(tools.environment("venv-sbom", *PACKAGES), "bin/python")
    except subprocess.CalledProcessError:
        print("no PyPI")
        return 77
    with tempfile.TemporaryDirectory() as work:
        judge = Judge(options.program, python, work)
        for source in options.files or sorted(str(path) for path in (HERE / "sbom").glob("*.json")):
            judge.look(source)
    return 1 if judge.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
