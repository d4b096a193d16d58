#!/usr/bin/env python3
"""What flense prints and leaves behind as JSON conforms to docs/schemas, and its figures add up."""

import fnmatch
import glob
import json
import os
import re

import fixtures
import harness
import imagetree
import schema

MARKER = "usr/share/flense/slim.json"


class Documents(harness.Case):
    def setUp(self):
        super().setUp()
        self.input, self.library = fixtures.sample_archive(self.work)

    def conforms(self, document, name):
        self.assertEqual(schema.complaints(document, name), [])
        self.assertEqual(document["schema"], name)

    def load(self, path):
        with open(path) as source:
            return json.load(source)

    def slim(self, *options, target=None):
        return self.flense("slim", target or self.input, "--gpu", "sm_90", *options, "--json").json

    def test_the_checker_sees_what_is_wrong(self):
        plan = self.slim("--dry-run")
        self.assertEqual(schema.complaints(plan, "flense/plan/v1"), [])
        del plan["level"]
        plan["surprise"] = 1
        plan["bytes"] = -1
        plan["passes"][0]["files"] = "many"
        self.assertEqual(len(schema.complaints(plan, "flense/plan/v1")), 4)

    def test_inventory(self):
        for target in (self.input, self.library):
            for options in ([], ["--gpu", "sm_90,gfx942", "--max-size", "1k", "--all"]):
                report = self.flense("inspect", target, "--json", *options, expect=None).json
                self.conforms(report, "flense/inventory/v1")

    def test_plan(self):
        file = self.path("plan.json")
        printed = self.slim("--dry-run", "--plan", file)
        self.conforms(printed, "flense/plan/v1")
        self.assertEqual(self.load(file), printed)
        self.assertEqual(printed["targets"], {"cuda": ["sm_90"], "amd": []})
        self.assertEqual(printed["bytes"], sum(p["bytes"] for p in printed["passes"]))
        edits = [e for layer in printed["layers"] for e in layer["edits"]]
        self.assertEqual(printed["bytes"], sum(e["bytes_before"] - e["bytes_after"] for e in edits))
        self.assertLessEqual({"drop", "rewrite"}, {e["action"] for e in edits})

    def test_report_and_record(self):
        out = self.path("out")
        report = self.slim("-o", f"oci:{out}", "--keep", "etc/**", "--compression", "gzip")
        self.conforms(report, "flense/slim/v1")
        image = imagetree.read_image(out)
        self.assertEqual(report["output"], f"oci:{out}")
        self.assertEqual(report["output_digest"], image.manifest_digest)
        self.assertEqual([l["unpacked_bytes_after"] for l in report["layers"]], [len(l) for l in image.layers])
        self.assertEqual(report["unpacked_bytes_after"], sum(len(l) for l in image.layers))
        original = imagetree.read_image(self.input)
        self.assertEqual(report["unpacked_bytes_before"], sum(len(l) for l in original.layers))

        record = self.load(out + ".provenance.json")
        self.conforms(record, "flense/provenance/v1")
        self.conforms(record["plan"], "flense/plan/v1")
        self.assertEqual(record["output_digest"], image.manifest_digest)
        self.assertEqual(record["options"], {"keep_ptx": False, "drop_vendor": False, "modify_vendor": True, "keep": ["etc/**"],
                                             "pyc": "by level", "squash": False, "compression": "gzip", "compression_level": 0})
        # Given back and planned agree, since nothing was left alone on the way.
        self.assertEqual({p["id"]: p["bytes"] for p in report["passes"]},
                         {p["id"]: p["bytes"] for p in record["plan"]["passes"]})

    def test_marker(self):
        out = self.path("out")
        self.slim("-o", f"oci:{out}", "--keep-ptx")
        edited = 0
        for layer in imagetree.read_image(out).layers:
            tree = imagetree.merged([layer])
            if MARKER in tree:
                edited += 1
                marker = json.loads(tree[MARKER]["data"])
                self.conforms(marker, "flense/marker/v1")
                self.assertEqual((marker["targets"]["cuda"], marker["ptx_kept"]), (["sm_90"], True))
        self.assertEqual(edited, 2)

    def test_explanations(self):
        for words in ([], ["804"], ["exit 5"], ["no kernel image"], ["driver-cuda"]):
            self.conforms(self.flense("explain", "--json", *words).json, "flense/explain/v1")

    def test_other_forms(self):
        elf = self.slim("-o", self.path("slim.so"), target=self.library)
        self.conforms(elf, "flense/slim/v1")
        self.assertEqual(elf["unpacked_bytes_after"], os.path.getsize(self.path("slim.so")))
        tree = self.path("tree")
        os.makedirs(tree)
        os.link(self.library, os.path.join(tree, "lib.so"))
        self.conforms(self.slim("--dry-run", target=tree), "flense/plan/v1")
        copy = self.slim("-o", f"dir:{self.path('copy')}", target=tree)
        self.conforms(copy, "flense/slim/v1")
        self.conforms(self.slim("--in-place", target=tree), "flense/slim/v1")

    def test_the_tests_that_a_table_names_exist(self):
        """Their last column holds `Suite.Name`, `Class.test_name`, `test_name`, `test_file.py`, or a pattern."""
        rows, proves = [], False
        for name in ("cdi.md", "cdi-generate.md"):
            with open(os.path.join(harness.TOP, "docs/commands", name)) as text:
                for line in text:
                    proves = line.startswith("|") and (proves or line.endswith("| test |\n"))
                    if proves and line.count("|") == 4:
                        rows.append(line.split("|")[3])
        named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
        self.assertGreater(len(named), 40)
        files = glob.glob(os.path.join(harness.TOP, "tests/e2e/test_*.py"))
        known = {os.path.basename(path) for path in files}
        for path in glob.glob(os.path.join(harness.TOP, "src/*/*_test.cpp")):
            with open(path) as text:
                known.update(f"{suite}.{name}" for suite, name in re.findall(r"^TEST(?:_F|_P)?\((\w+), (\w+)\)", text.read(), re.M))
        for path in files:
            group = ""
            with open(path) as text:
                for line in text:
                    if heading := re.match(r"class (\w+)", line):
                        group = heading[1]
                    elif test := re.match(r"    def (test_\w+)", line):
                        known.update((test[1], f"{group}.{test[1]}"))
        missing = sorted(name for name in named if not fnmatch.filter(known, name))
        self.assertEqual(missing, [])


if __name__ == "__main__":
    harness.main()
