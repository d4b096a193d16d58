#!/usr/bin/env python3
"""Device code in writable segments leaves the file; what is left alone is told by every report, with its bytes and
its reason, and keeps its bytes."""

import json
import os
import shutil
import subprocess

from fixtures import BEHIND_BSS, CUBIN, cuda_library, loaded_entries, stored_entries
import harness

TRAILER = b"what a self-extracting program carries"


def kept(entries):
    return [entry for entry in entries if (entry[0], entry[1]) == (CUBIN, 90)]


def content(path):
    with open(path, "rb") as file:
        return file.read()


class Withheld(harness.Case):
    def test_device_code_behind_bss_leaves_the_file(self):
        before = self.path("libbehind.so")
        cuda_library(before, script=BEHIND_BSS)
        loads = subprocess.run(["readelf", "-lW", before], check=True, capture_output=True, text=True).stdout
        self.assertRegex(loads, r"(?m)^ +03 .*\.nvFatBinSegment \.nv_fatbin", "the writable segment")
        after = self.path("slim.so")
        self.flense("slim", before, "--gpu", "sm_90", "-o", after)
        self.assertLess(os.path.getsize(after), 0.35 * os.path.getsize(before))
        self.assertEqual([kept(region) for region in loaded_entries(before)], loaded_entries(after))
        again = self.path("again.so")
        self.flense("slim", after, "--gpu", "sm_90", "-o", again)
        self.assertEqual(content(after), content(again), "a second slim changes nothing")

    def reports(self, library, why):
        """The row of the file in every report; its bytes, which must be the same in all."""
        name = os.path.basename(library)
        tree = self.path("tree")
        os.makedirs(tree + "/opt/app", exist_ok=True)
        shutil.copy(library, f"{tree}/opt/app/{name}")
        page = self.path("page.html")
        number = 0

        def out():
            nonlocal number
            number += 1
            return self.path(f"out{number}")

        found = set()
        for arguments in ([library, "-o", out()], [tree, "-o", out()], [tree, "--dry-run", "--plan", out()],
                          [tree, "-o", "oci:" + out()]):
            command = ["slim", *arguments, "--gpu", "sm_90"]
            text = self.flense(*command, "-v").out
            self.assertRegex(text, rf"(?m)^ +[\d.]+ [kM]?B +\S*{name} +{why}", command)
            if "-o" in arguments:
                command[command.index(arguments[-1])] = arguments[-1].replace("out", "json-out")
                told = self.flense(*command, "--json").json
            else:
                with open(arguments[-1], encoding="utf-8") as plan:
                    told = json.load(plan)
            rows = [row for row in told["left_alone"] if row["path"].endswith(name)]
            self.assertEqual(len(rows), 1, told["left_alone"])
            self.assertRegex(rows[0]["why"], why)
            found.add(rows[0]["bytes"])
        self.flense("slim", tree, "--gpu", "sm_90", "--dry-run", "--html", page)
        with open(page, encoding="utf-8") as html:
            self.assertRegex(html.read(), rf'"left_alone":\[\["[^"]*{name}",{min(found)},"{why}')
        self.assertEqual(len(found), 1, found)
        self.assertGreater(min(found), 0)
        return min(found)

    def test_a_file_left_alone_is_in_every_report(self):
        library = self.path("libcarries.so")
        cuda_library(library)
        entries = stored_entries(content(library))
        with open(library, "ab") as file:
            file.write(TRAILER)
        told = self.reports(library, "it carries data")
        going = sum(len(data) for kind, arch, _flags, data in entries if (kind, arch) != (CUBIN, 90))
        self.assertGreater(told, going, "the entries, their headers, debug sections")

    def test_what_frees_no_page_stays_and_is_told(self):
        library = self.path("libsmall.so")
        cuda_library(library, regions=1, payload=300)
        subprocess.run(["strip", library], check=True)
        before = content(library)
        told = self.reports(library, "taking it out would free no page of the file")
        self.assertLess(told, 4096)
        for output in ("out1", "out2/opt/app/libsmall.so"):
            self.assertEqual(content(self.path(output)), before, "not a byte is touched in vain")

    def test_debug_sections_go_also_where_code_stays_in_vain(self):
        library = self.path("libdebug.so")
        cuda_library(library, regions=1, payload=300)
        before = stored_entries(content(library))
        self.reports(library, "taking it out would free no page of the file")
        after = self.path("out1")
        self.assertLess(os.path.getsize(after), os.path.getsize(library))
        self.assertEqual(stored_entries(content(after)), before)


if __name__ == "__main__":
    harness.main()
