#!/usr/bin/env python3
"""What flense prints and leaves behind as JSON conforms to docs/schemas, and its figures add up; and the pages of the manual
agree with the program and with each other."""

import fnmatch
import glob
import json
import os
import re

import fixtures
import harness
import imagetree
import pages
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

    def test_version(self):
        told = self.flense("--version", "--json").json
        self.conforms(told, "flense/version/v1")
        self.assertEqual(f"flense {told['version']}\n", self.flense("--version").out)
        self.assertEqual(len(told["build_id"]), 40)
        tables = {os.path.splitext(os.path.basename(path))[0] for path in glob.glob(os.path.join(harness.TOP, "data/*.json"))}
        self.assertEqual(set(told["tables"]), tables)
        # The static program holds the library that reads its layers.
        self.assertRegex(told["packages"]["libzstd-dev"], r"^1\.")

    def test_inventory(self):
        for target in (self.input, self.library):
            for options in ([], ["--gpu", "sm_90,gfx942", "--max-size", "1k", "--all"]):
                report = self.flense("inspect", target, "--json", *options, expect=None).json
                self.conforms(report, "flense/inventory/v1")

    def test_budgets_are_the_rows_of_the_table(self):
        rows = self.load(os.path.join(harness.TOP, "data/budgets.json"))["platforms"]["rows"]
        refused = self.flense("inspect", "--budget", "none", self.input, expect=2)
        self.assertIn(f"--budget takes {', '.join(row['name'] for row in rows)}, not 'none'", refused.err)
        for row in rows:
            budgets = self.flense("inspect", "--budget", row["name"], self.input, "--json").json["budgets"]
            self.assertEqual([one["limit_bytes"] for one in budgets], [row["unpacked_bytes"]])

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
        for path in glob.glob(os.path.join(harness.TOP, "src/**/*_test.cpp"), recursive=True):
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


# Options of other programs that pages name.
FOREIGN = {
    "docs/build.md": {"--always-copy", "--cache-to", "--no-cache-dir"},
    "docs/commands/cdi-generate.md": {"--config-search-path", "--device-id", "--device-name-strategy", "--no-all-device"},
    "docs/commands/cdi.md": {"--remove"},
    "docs/commands/fleet.md": {"--delete-untagged"},
    "docs/commands/run.md": {"--cpu-bind"},
    "docs/commands/slim.md": {"--compress-mode"},
    "docs/elf-editing.md": {"--set-rpath", "--strip-all"},
    "docs/formats/cuda-fatbin.md": {"--compress-mode"},
    "docs/install.md": {"--no-install-recommends"},
    "docs/security.md": {"--unshare-all"},
    "docs/wheels.md": {"--find-links", "--require-hashes"},
    "examples/cuda-cpp/README.md": {"--cpu"},
}


class Manual(harness.Case):
    maxDiff = None

    def setUp(self):
        super().setUp()
        self.commands = re.findall(r"^  ([a-z]+) ", self.flense("help").out, re.M)
        self.helps = {command: self.flense("help", command).out for command in self.commands}
        self.options = {command: pages.options_of_help(text) for command, text in self.helps.items()}
        tables = re.split(r"^flense (\w+):$", self.flense("help", "flags").out, flags=re.M)[1:]
        self.foreign = {command: set(re.findall(r"(?<=[`, ])--?[\w-]+(?=[`, ])", table))
                        for command, table in zip(tables[::2], tables[1::2])}
        self.assertGreater(len(self.commands), 15)
        self.assertTrue(self.options["run"]["--volume"] and not self.options["run"]["--nv"])

    def test_every_command_has_a_page(self):
        wanted = [(f"docs/commands/{command}.md", f"# flense {command}") for command in self.commands]
        for command, text in self.helps.items():
            actions = re.findall(r"^  (\w+) .*", text.split("ACTION is one of\n")[1].split("\n\n")[0], re.M) \
                if "ACTION is one of" in text else ["io"] if command == "bench" else []
            wanted += [(f"docs/commands/{command}*.md", f"# flense {command} {action}") for action in actions]
        self.assertGreater(len(wanted), len(self.commands) + 10)
        for pattern, heading in wanted:
            found = "\n".join(pages.read(page) for page in fnmatch.filter(pages.pages(), pattern))
            self.assertTrue(re.search(f"(?m)^#*{heading}$", found), f"{pattern}: {heading}")

    def test_every_option_stands_on_the_page_of_its_command(self):
        common = pages.read("docs/common.md")
        for command, text in self.helps.items():
            own = pages.options_of_help(text.split("\nCommon options:")[0]) if "\nOptions:" in text else {}
            page = "".join(pages.read(page) for page in fnmatch.filter(pages.pages(), f"docs/commands/{command}*.md"))
            for where, wanted in ((page, own), (common, set(self.options[command]) - set(own))):
                named = {word.split("=")[0] for span in pages.spans(where) for word in span.split()}
                self.assertEqual(sorted(set(wanted) - named), [], command)

    def test_no_page_names_an_option_that_is_not_there(self):
        known = {option for options in self.options.values() for option in options} | {"--version"} | set().union(*self.foreign.values())
        wrong, foreign, calls = [], {}, 0
        for page in pages.pages():
            text = pages.read(page)
            for call in pages.calls(text):
                if call[0] in self.commands:
                    calls += 1
                    own = self.options[call[0]]
                    strange = set(pages.options_of_call(call, own)) - set(own) - self.foreign.get(call[0], set())
                    wrong += [f"{page}: flense {call[0]} {option}" for option in sorted(strange)]
            if page.startswith("docs/rules/"):  # about docker, pip and apt
                continue
            if others := {option for option in pages.options_in(text) if option.startswith("--")} - known:
                foreign[page] = others
            if command := re.match(r"docs/commands/([a-z]+)", page):
                rows = "\n".join(re.findall(r"^\| (`-.*?) \|", text, re.M))
                strange = pages.options_in(rows) - set(self.options[command[1]]) - FOREIGN.get(page, set())
                wrong += [f"{page}: {option} in a table" for option in sorted(strange)]
        self.assertGreater(calls, 100)
        self.assertEqual((wrong, foreign), ([], FOREIGN))

    def test_links_lead_somewhere(self):
        broken, seen = [], 0
        for page in pages.pages():
            for link in pages.links(pages.read(page)):
                seen += 1
                path, _, anchor = link.partition("#")
                target = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
                if not os.path.exists(os.path.join(harness.TOP, target)):
                    broken.append(f"{page}: {link}")
                elif anchor and anchor not in pages.anchors(pages.read(target)):
                    broken.append(f"{page}: {link}")
        self.assertGreater(seen, 100)
        self.assertEqual(broken, [])

    def test_pages_that_sources_name_are_there(self):
        named = {}
        for folder in ("src", "data", "scripts", "tests", "fuzz", "bench", "docs", "examples"):
            for path in glob.glob(os.path.join(harness.TOP, folder, "**/*.*"), recursive=True):
                if path.endswith((".h", ".cpp", ".py", ".sh", ".json", ".md")):
                    with open(path, encoding="utf-8", errors="replace") as text:
                        for name in re.findall(r"(?<![\w/.-])docs/[\w/-]+\.md", text.read()):
                            named.setdefault(name, os.path.relpath(path, harness.TOP))
        self.assertGreater(len(named), 10)
        there = set(pages.pages()) | {"docs/gguf.md"}  # ggml's
        self.assertEqual({name: path for name, path in named.items() if name not in there}, {})

    def test_the_index_lists_every_page_once(self):
        links = pages.links(pages.read("docs/README.md"))
        listed = [os.path.normpath(os.path.join("docs", link)) for link in links if link.endswith(".md")]
        there = [page for page in pages.pages() if page.startswith("docs/") and page != "docs/README.md"
                 and (not page.startswith("docs/rules/") or page == "docs/rules/README.md")]
        self.assertEqual(sorted(listed), sorted([*there, "CONTRIBUTING.md"]))


if __name__ == "__main__":
    harness.main()
