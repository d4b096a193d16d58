#!/usr/bin/env python3
"""diff against a second reader: every path that differs and nothing else, and exactly the bytes that slim says it
gave back."""

import io
import json
import os
import shutil
import tarfile

import fixtures
import harness
import imagetree
import schema

MARKER = "usr/share/flense/slim.json"
RECORD = "usr/lib/python3/dist-packages/fake-1.0.dist-info/RECORD"
LIBRARY = "usr/lib/python3/dist-packages/fake/libfake.so.1"


def layer(members):
    """A tar of {path: bytes, (mode, bytes), or "-> target"}."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, value in members.items():
            info = tarfile.TarInfo(path)
            info.mode = 0o644
            data = b""
            if isinstance(value, str):
                info.type, info.linkname = tarfile.SYMTYPE, value.removeprefix("-> ")
            else:
                info.mode, data = value if isinstance(value, tuple) else (0o644, value)
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


class Diff(harness.Case):
    def diff(self, before, after, *options, expect=0):
        document = self.flense("diff", before, after, "--json", "--all", *options, expect=expect).json
        self.assertEqual(schema.complaints(document, "flense/diff/v1"), [])
        for side in ("before", "after"):
            if not document["before"]["saved"]:
                self.assertEqual(sum(one["bytes_" + side] for one in document["reasons"]),
                                 document[side]["unpacked_bytes"])
        return document

    def archive(self, name, *layers, command=("/bin/sh",)):
        path = self.path(name)
        fixtures.docker_archive(path, list(layers), [f"RUN step {i}" for i in range(len(layers))], command)
        return path

    def test_a_page(self):
        """What others wrote stays text, and every row of the tables is in it."""
        name = 'opt/<img src=x onerror=alert(1)>&"\'\u202e'
        before = self.archive("before.tar", layer({"opt/same": b"1", name: b"2" * 5000}))
        after = self.archive("after.tar", layer({"opt/same": b"1", name: b"3" * 9000, **{f"opt/new-{i}": b"4" for i in range(600)}}))
        done = self.flense("diff", before, after, "--html", self.path("page.html"), "--json")
        self.assertEqual(done.json["schema"], "flense/diff/v1")
        with open(self.path("page.html"), encoding="utf-8") as file:
            page = file.read()
        self.assertNotIn("<img", page)
        self.assertNotIn("<script", page)
        self.assertIn("&lt;img src=x onerror=alert(1)&gt;&amp;&quot;", page)
        self.assertNotIn("\u202e", page)
        self.assertRegex(page, r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='")
        self.assertEqual((page.count("opt/new-"), page.count("--all lists them")), (499, 1))
        whole = self.flense("diff", before, after, "--html", "-", "--all").out
        self.assertEqual((whole.count("opt/new-"), whole.count("--all lists them")), (600, 0))
        self.assertIn("no difference", self.flense("diff", before, before, "--html", "-").out)
        self.flense("diff", before, after, "--html", "-", "--json", expect=2)
        self.flense("diff", before, after, "--html", self.path("none/x.html"), expect=4)

    def test_what_slim_reports_is_what_differs(self):
        before, _ = fixtures.sample_archive(self.work)
        report = self.flense("slim", before, "--gpu", "sm_90", "-o", "oci:" + self.path("slim"), "--json").json
        document = self.diff(before, "oci:" + self.path("slim"))
        for side in ("before", "after"):
            self.assertEqual(document[side]["unpacked_bytes"], report["unpacked_bytes_" + side])
        # What a second reader finds to differ is what is listed.
        trees = [imagetree.merged(imagetree.read_image(path).layers) for path in (before, self.path("slim"))]
        gone, new, changed = imagetree.difference(*trees)
        listed = {how: {one["path"] for one in document["files"]["largest"] if one["how"] == how}
                  for how in ("removed", "added", "changed")}
        self.assertEqual(listed["removed"], set(gone))
        self.assertEqual({path for path in listed["added"]}, {path for path in new if path in trees[1]})
        contents = {path for path in changed if trees[0][path]["type"] != "5"}
        self.assertEqual({one["path"] for one in document["files"]["largest"] if "content" in one["what"]}, contents)
        # And by bytes: what the passes gave back is what files lost, seen or shadowed. The mark stands in each
        # layer that was edited, and shadows itself.
        edited = [one for one in document["layers"] if one["how"] == "changed"]
        mark = len(trees[1][MARKER]["data"])
        lost = sum(one["bytes_before"] - one["bytes_after"] for one in document["files"]["largest"]
                   if one["path"] not in (MARKER, RECORD))
        hidden = sum(one["bytes_before"] - one["bytes_after"] for one in document["reasons"]
                     if one["reason"] == "shadowed-files") + (len(edited) - 1) * mark
        self.assertEqual(sum(one["bytes"] for one in report["passes"]), lost + hidden)
        by_pass = {one["id"]: one["bytes"] for one in report["passes"]}
        self.assertEqual(by_pass["shadowed-files"], hidden)
        library = next(one for one in document["files"]["largest"] if one["path"] == LIBRARY)
        self.assertEqual(sum(by_pass.get(one, 0) for one in ("device-code", "device-ptx", "debug-sections")),
                         library["bytes_before"] - library["bytes_after"])
        notices = "\n".join(document["notices"])
        self.assertRegex(notices, r"after was slimmed to sm_90 from before: sha256:[0-9a-f]{64}, at standard, by flense ")
        self.assertRegex(notices, r"after was cut by .*device-code")
        # For hosts: what was cut is no longer served.
        said = [one["text"] for one in document["hosts"] if one["id"] == "arch" and one["direction"] == "narrower"]
        self.assertTrue(any("sm_80" in text and text.endswith("no longer served") for text in said), said)
        self.assertFalse(any("sm_90" in text for text in said), said)
        code = next(one for one in document["device_code"]["files"] if one["path"] == LIBRARY)
        self.assertIn("sm_80", code["lost"])
        self.assertNotIn("sm_90", code["lost"])
        self.assertEqual(code["gained"], [])

    def test_no_difference(self):
        before, _ = fixtures.sample_archive(self.work)
        again = self.path("again.tar")
        shutil.copy(before, again)
        document = self.diff(before, again, "--fail-on", "any,size,unpacked,packages,files,configuration,arch")
        self.assertTrue(document["same"])
        self.assertEqual({one["status"] for one in document["gates"]}, {"passed"})
        self.assertEqual(self.flense("diff", before, again).out.splitlines()[1:], ["no difference"])
        # The same in another packing.
        self.run_tool("skopeo", "copy", "-q", "docker-archive:" + before, "oci:" + self.path("packed"))
        self.assertIn("no difference but the packing",
                      self.flense("diff", before, "oci:" + self.path("packed")).out)

    def test_files_by_content_mode_link_and_type(self):
        base = layer({"etc/base": b"base"})
        before = self.archive("a.tar", base, layer(
            {"same": b"x" * 100, "touched": b"a" * 70, "mode": b"m", "link": "-> same", "kind": b"file",
             "gone": b"g" * 5000}))
        after = self.archive("b.tar", base, layer(
            {"same": b"x" * 100, "touched": b"b" * 70, "mode": (0o755, b"m"), "link": "-> touched", "kind": "-> same",
             "new": b"n" * 9000}))
        document = self.diff(before, after)
        self.assertEqual([(one["path"], one["how"], one["what"]) for one in document["files"]["largest"][:2]],
                         [("new", "added", []), ("gone", "removed", [])])
        self.assertEqual({one["path"]: one["what"] for one in document["files"]["largest"][2:]},
                         {"touched": ["content"], "mode": ["mode"], "link": ["link"], "kind": ["type"]})
        self.assertEqual([one["how"] for one in document["layers"]], ["shared", "changed"])
        # Unread is told, and no gate takes it for equal.
        unread = self.diff(before, after, "--no-content", "--fail-on", "files", expect=1)
        self.assertEqual(unread["files"]["unread"], 3)
        quiet = self.archive("c.tar", base, layer({"one": b"1"}))
        other = self.archive("d.tar", base, layer({"one": b"2"}))
        self.diff(quiet, other, "--no-content", "--fail-on", "files", expect=5)
        self.diff(quiet, other, "--fail-on", "files", expect=1)

    def test_gates(self):
        before, _ = fixtures.sample_archive(self.work)
        self.flense("slim", before, "--gpu", "sm_90", "-o", self.path("slim.tar"))
        slim = self.path("slim.tar")
        for gates, status in (("arch", 1), ("size", 0), ("driver-floor", 5), ("any", 1), ("glibc,cpu,platform", 0)):
            self.diff(before, slim, "--fail-on", gates, expect=status)
        self.diff(slim, before, "--fail-on", "size", expect=1)
        self.diff(slim, before, "--fail-on", "size:+100000%,unpacked:+10GB", expect=0)
        failed = self.diff(slim, before, "--fail-on", "size:+1k", "--fail-on", "arch", expect=1)
        self.assertEqual([(one["gate"], one["status"]) for one in failed["gates"]],
                         [("size:+1k", "failed"), ("arch", "passed")])
        for wrong in ("sise", "size:5%", "arch:+5%", "size:+x%", "host", ""):
            self.flense("diff", before, slim, "--fail-on", wrong, expect=2)

    def test_verdicts_of_a_host(self):
        before, _ = fixtures.sample_archive(self.work)
        self.flense("slim", before, "--gpu", "sm_90", "-o", self.path("slim.tar"))
        document = self.diff(before, self.path("slim.tar"), "--host", "a100@550.54.15", "--fail-on", "host", expect=1)
        verdict, = document["verdicts"]
        self.assertEqual(verdict["after"], "fail")
        self.assertIn("device-code", [one["id"] for one in verdict["checks"]])
        self.diff(before, self.path("slim.tar"), "--host", "h100@550.54.15", "--fail-on", "host")

    def test_saved_inventories(self):
        before, _ = fixtures.sample_archive(self.work)
        self.flense("slim", before, "--gpu", "sm_90", "-o", self.path("slim.tar"))
        saved = self.path("before.json")
        with open(saved, "w") as out:
            out.write(self.flense("inspect", "--json", before).out)
        document = self.diff(saved, self.path("slim.tar"))
        whole = self.diff(before, self.path("slim.tar"))
        self.assertTrue(document["before"]["saved"])
        self.assertEqual(document["device_code"], whole["device_code"])
        self.assertEqual(document["packages"], whole["packages"])
        self.assertEqual({key: value for key, value in document["before"].items() if key != "saved"},
                         {key: value for key, value in whole["before"].items() if key != "saved"})
        self.assertFalse(document["files"]["known"])
        # What a saved inventory cannot tell is unknown, never passed.
        self.diff(saved, saved, "--fail-on", "arch", expect=5)
        self.diff(saved, saved, "--fail-on", "files", expect=5)
        self.diff(saved, saved, "--fail-on", "packages,size", expect=0)
        for text, status in (('{"schema": "flense/slim/v1"}', 3), ('{"schema": "flense/inventory/v1", "layers": 3}', 3),
                             ("{", 3)):
            with open(self.path("bad.json"), "w") as out:
                out.write(text)
            self.flense("diff", self.path("bad.json"), before, expect=status)

    def test_markdown_keeps_hostile_names_in_their_cells(self):
        before = self.archive("a.tar", layer({"a": b""}))
        after = self.archive("b.tar", layer({"a|b<img src=x>`\n": b"x" * 10}))
        out = self.flense("diff", before, after, "--format", "markdown").out
        row = next(line for line in out.splitlines() if "img" in line)
        self.assertIn("a\\|b\\<img src=x\\>\\`\\\\x0a", row)
        self.assertEqual(row.count("|") - row.count("\\|"), 4)

    def test_directories_and_configuration(self):
        root = self.path("root")
        os.makedirs(os.path.join(root, "usr/lib"))
        with open(os.path.join(root, "usr/lib/data"), "w") as out:
            out.write("hello")
        copied = self.path("copy")
        shutil.copytree(root, copied)
        self.assertTrue(self.diff(root, copied)["same"])
        with open(os.path.join(copied, "usr/lib/data"), "w") as out:
            out.write("hallo")
        document = self.diff(root, copied)
        self.assertEqual([one["path"] for one in document["files"]["largest"]], ["usr/lib/data"])
        one = self.archive("one.tar", layer({"a": b"1"}), command=["/bin/one"])
        two = self.archive("two.tar", layer({"a": b"1"}), command=["/bin/two", "x"])
        self.assertEqual(self.diff(one, two, "--fail-on", "configuration", expect=1)["configuration"],
                         [{"name": "Cmd", "before": json.dumps(["/bin/one"], separators=(",", ":")),
                           "after": json.dumps(["/bin/two", "x"], separators=(",", ":"))}])


if __name__ == "__main__":
    harness.main()
