#!/usr/bin/env python3
"""--html: one file with every byte of the image in it, names that stay text, and a page that works in a
browser without a network, by pointer and by keyboard."""

import collections
import json
import os
import re
import stat
import struct
import subprocess
import unittest

import browser
import fixtures
import harness

KINDS = {"image": "i", "layer": "l", "directory": "d", "file": "f", "code": "c", "part": "p", "group": "g", "archive": "a"}


class Report:
    """What stands in the data of a page."""

    def __init__(self, page):
        self.page = page
        self.data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])
        tree = self.data["tree"]
        self.parents = [i - distance for i, distance in enumerate(tree["parents"])]
        self.nodes = list(zip(tree["names"], tree["kinds"], tree["bytes"], tree["reasons"]))

    def by_reason(self):
        out = collections.Counter()
        for _, _, size, reason in self.nodes:
            if size > 0:
                out[self.data["reasons"][reason]["verdict"], self.data["reasons"][reason]["id"]] += size
        return out

    def path(self, node):
        names = []
        while node != 0:
            if self.nodes[node][1] in "dfc":
                names.append(self.nodes[node][0])
            node = self.parents[node]
        return "/".join(reversed(names))


class Structure(harness.Case):
    def setUp(self):
        super().setUp()
        self.input, _ = fixtures.sample_archive(self.work)

    def report(self, *arguments):
        self.flense(*arguments, "--html", self.path("r.html"))
        with open(self.path("r.html"), encoding="utf-8") as page:
            return Report(page.read())

    def test_inspect_accounts_for_every_byte_and_every_cut(self):
        report = self.report("inspect", self.input, "--gpu", "sm_90")
        inventory = self.flense("inspect", self.input, "--gpu", "sm_90", "--json").json
        sums = report.by_reason()
        self.assertEqual(sum(sums.values()), inventory["unpacked_bytes"])
        cuts = collections.Counter()
        for cut in inventory["cuts"]:
            cuts["held" if cut["held_back"] else "goes", cut["id"]] += cut["bytes"]
        self.assertEqual({key: size for key, size in sums.items() if key[0] == "goes"},
                         {key: size for key, size in cuts.items() if key[0] == "goes"})
        codes = {name for name, kind, _, _ in report.nodes if kind == KINDS["code"]}
        self.assertEqual(codes, {"sm_70", "sm_80", "sm_86", "sm_90", "sm_90a", "sm_100", "ptx_90"})
        library = [i for i, node in enumerate(report.nodes) if node[0] == "libfake.so.1"]
        self.assertEqual(len(library), 1)
        fates = {node[0]: report.data["reasons"][node[3]]["verdict"]
                 for i, node in enumerate(report.nodes) if report.parents[i] == library[0] and node[1] == "c"}
        self.assertEqual({name for name, fate in fates.items() if fate == "stays"}, {"sm_90", "sm_90a"})
        paths = {report.path(i) for i in range(len(report.nodes))}
        self.assertIn("var/lib/apt/lists/packages", paths)
        self.assertEqual([layer["instruction"] for layer in report.data["layers"]],
                         [layer["instruction"] for layer in inventory["layers"]])

    def test_slim_tells_what_was_written(self):
        plan = self.report("slim", self.input, "--gpu", "sm_90", "--dry-run")
        planned = self.flense("slim", self.input, "--gpu", "sm_90", "--dry-run", "--json").json
        gone = sum(size for (verdict, _), size in plan.by_reason().items() if verdict == "goes")
        self.assertEqual(plan.data["did"], "plan")
        self.assertEqual(gone, planned["bytes"])
        done = self.report("slim", self.input, "--gpu", "sm_90", "-o", f"oci:{self.path('out')}", "--json")
        self.assertEqual(done.data["did"], "slim")
        self.assertEqual(sum(done.by_reason().values()), sum(plan.by_reason().values()))
        after = sum(layer["unpacked_after"] for layer in done.data["layers"])
        stays = sum(size for (verdict, _), size in done.by_reason().items() if verdict != "goes")
        # To the byte but for the marker that each edited layer gets.
        self.assertLess(abs(after - stays), 3 * 4096)
        self.assertTrue(done.data["output_digest"].startswith("sha256:"))

    def test_where_it_goes(self):
        page = self.flense("inspect", self.input, "--html", "-").out
        self.assertTrue(page.startswith("<!doctype html>"))
        self.assertTrue(page.endswith("</html>\n"))
        self.flense("inspect", self.input, "--html", "-", "--json", expect=2)
        refused = self.flense("inspect", self.input, "--html", self.path("no/such/folder.html"), expect=4)
        self.assertIn(f"--html: there is no directory {self.path('no/such')}", refused.err)
        both = self.flense("inspect", self.input, "--html", self.path("r.html"), "--json")
        self.assertIn("layers", both.json)
        again = self.flense("inspect", self.input, "--no-cache", "--html", "-").out
        self.assertEqual(page, again, "the same image gives the same page")

    def test_reports_spare_what_is_read_and_what_cannot_be_replaced(self):
        linked = self.path("linked.tar")
        os.symlink(self.input, linked)
        with open(self.input, "rb") as image:
            before = image.read()
        for words in (("inspect", linked, "--html", self.input), ("inspect", self.input, "--html", linked),
                      ("diff", self.input, self.input, "--html", self.input),
                      ("slim", self.input, "--gpu", "h100", "--dry-run", "--plan", self.input),
                      ("slim", self.input, "--gpu", "h100", "-o", f"oci:{self.path('out')}", "--provenance", self.input)):
            self.assertIn("is the image that is read", self.flense(*words, expect=2).err)
        with open(self.input, "rb") as image:
            self.assertEqual(before, image.read())
        self.flense("inspect", self.input, "--html", "/dev/null")
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/null").st_mode))

    def test_an_image_from_a_pipe(self):
        whole = self.flense("inspect", self.input, "--json").json
        done = subprocess.run(["bash", "-c", '"$0" inspect --json <(cat "$1")', harness.BINARY, self.input],
                              capture_output=True, check=True)
        self.assertEqual([layer["diff_id"] for layer in json.loads(done.stdout)["layers"]],
                         [layer["diff_id"] for layer in whole["layers"]])

    def test_thousands_of_kernel_files(self):
        """Files of device code beyond a thousand are one row, and nothing of them is lost from the sums."""
        layer = fixtures.Layer()
        for number in range(1100):
            arch = (80, 90)[number % 2]
            head = struct.pack("<9B7xHHI24xIHHHHHH", *b"\x7fELF\x02\x01\x01\x41\x08", 2, 190, 1, 0x06000002 | arch << 8, 64, 0, 0, 0, 0, 0)
            layer.file(f"opt/kernels/kernel_{number}.cubin", head + fixtures.noise(number, 200 + 8 * number))
        fixtures.docker_archive(self.path("many.tar"), [layer.done()], ["COPY . /"])
        matrix = self.report("inspect", self.path("many.tar"), "--gpu", "sm_90").data["matrix"]
        *named, rest = matrix["files"]
        self.assertEqual((matrix["count"], len(named), rest["more"]), (1100, 1000, 100))
        self.assertLess(rest["device"] / rest["more"], min(file["device"] for file in named))
        told = self.flense("inspect", self.path("many.tar"), "--json").json["device_code"]
        self.assertEqual(sum(file["device"] for file in matrix["files"]), told["device_bytes"])
        self.assertEqual({matrix["columns"][column]: entries for column, _, _, entries in rest["cells"]}, {"sm_80": 50, "sm_90": 50})

    def test_directories_have_no_layers(self):
        os.makedirs(self.path("tree/usr/share/doc/x"))
        with open(self.path("tree/usr/share/doc/x/README"), "w") as out:
            out.write("x" * 5000)
        report = self.report("inspect", self.path("tree"))
        self.assertNotIn(KINDS["layer"], report.data["tree"]["kinds"])
        self.assertIn("usr/share/doc/x/README", {report.path(i) for i in range(len(report.nodes))})


HOSTILE = ["<img src=x onerror=document.title='owned'>", "-->&amp;</title>", "\u202egnp.exe", "a\x1b[31mb", "\udcff\udcfe",
           "'\"`${alert(1)}`", "{{data}}"]


class InBrowser(harness.Case):
    """One browser for all, since starting it takes longest."""

    @classmethod
    def setUpClass(cls):
        cls.browser = browser.Browser()

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()

    def open(self, *arguments, width=1280, height=800, scheme="light"):
        self.flense(*arguments, "--html", self.path("r.html"))
        self.browser.look(width, height, scheme)
        self.browser.open(self.path("r.html"))
        self.assertEqual(self.browser.messages, [])

    def text(self, selector):
        return self.browser.run(f"document.querySelector({json.dumps(selector)})?.textContent ?? null")

    def focused(self):
        return self.browser.run("document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent")

    def cell(self, name):
        return f'.cell[aria-label^="{name},"]'

    def sample(self):
        path, _ = fixtures.sample_archive(self.work)
        self.open("inspect", path, "--gpu", "sm_90")

    def test_first_screen(self):
        self.sample()
        facts = self.browser.run("[...document.querySelectorAll('.fact')].map(one => one.textContent)")
        self.assertEqual(len(facts), 3)
        self.assertIn("sm_90 can never load", facts[1])
        below = self.browser.run("document.querySelector('.map').getBoundingClientRect().top")
        self.assertLess(below, 600, "the map begins on the first screen")
        self.assertTrue(self.browser.run("document.querySelectorAll('.cell').length > 10"))
        self.assertGreater(self.browser.run("document.querySelectorAll('.matrix td.heat').length"), 7)
        # Nothing is asked of anybody: the page itself is the one request.
        self.assertEqual(len(self.browser.requests), 1)

    def test_the_matrix_sums_what_the_files_hold(self):
        """Device code also has headers and padding, which belong to no architecture."""
        self.sample()
        with open(self.path("r.html"), encoding="utf-8") as report:
            page = report.read()
        with open(self.path("r.html"), "w", encoding="utf-8") as report:
            report.write(re.sub(r'"device":(\d+)', lambda found: f'"device":{2 * int(found[1])}', page))
        self.browser.open(self.path("r.html"))
        said, summed = (float(re.match(r"[\d.]+", self.text(one))[0]) for one in ("#device-code p", ".matrix .sum td"))
        self.assertAlmostEqual(said, summed, delta=0.06)

    def test_names_are_whole_or_long_enough_to_tell(self):
        self.sample()
        for width in range(400, 1300, 60):
            self.browser.look(width, 800)
            self.browser.open(self.path("r.html"))
            cut = self.browser.run("[...document.querySelectorAll('.cell .name')].filter(one => one.scrollWidth > one.clientWidth)"
                                   ".map(one => [one.clientWidth, one.textContent])")
            self.assertEqual([one for one in cut if one[0] < 40], [], width)

    def test_click_hover_and_breadcrumbs(self):
        self.sample()
        self.browser.click(self.cell("libfake.so.1"))
        self.assertEqual(self.text(".crumbs [aria-current]"), "libfake.so.1")
        self.browser.point(self.cell("sm_80"))
        self.assertEqual(self.text(".panel .name"), "sm_80")
        self.assertIn("device code for other GPUs", self.text(".panel"))
        self.browser.click(".crumbs button")
        self.assertEqual(self.browser.run("document.querySelectorAll('.crumbs button').length"), 1)

    def test_keyboard(self):
        self.sample()
        self.browser.run("document.querySelector('.cell[tabindex=\"0\"]').focus()")
        self.browser.press("ArrowRight")
        first = self.focused()
        self.assertIn("layer", first)
        self.browser.press("ArrowDown")
        self.assertNotEqual(self.focused(), first)
        self.browser.press("Home")
        self.browser.press("ArrowRight")
        before = self.text(".crumbs [aria-current]")
        self.browser.press("Enter")
        self.assertNotEqual(self.text(".crumbs [aria-current]"), before)
        self.browser.press("Escape")
        self.assertEqual(self.text(".crumbs [aria-current]"), before)
        ring = self.browser.run("getComputedStyle(document.activeElement).outlineStyle")
        self.assertNotEqual(ring, "none", "the focus is seen")

    def test_search(self):
        self.sample()
        self.browser.press("/", "/")
        self.browser.type("libfake")
        self.browser.until("document.querySelectorAll('.found li').length === 1", "the match")
        self.browser.press("Enter")
        self.assertEqual(self.text(".panel .name"), "libfake.so.1")
        self.browser.run("document.querySelector('.search input').select()")
        self.browser.press("/", "/")
        self.browser.run("document.querySelector('.search input').value = 'no such file'; "
                         "document.querySelector('.search input').dispatchEvent(new Event('input'))")
        self.browser.until("document.querySelector('.told').textContent === 'nothing found'", "the answer")

    def test_before_and_after(self):
        self.sample()
        wide = "document.querySelector('.cell').getBoundingClientRect().width"
        before = self.browser.run(wide)
        self.browser.click('[aria-label="Before or after the cut"] button:last-child')
        self.assertLess(self.browser.run(wide), before)
        self.assertIn("would go", self.text(".gone"))
        self.assertIsNone(self.text(self.cell("sm_80")))
        self.browser.click('[aria-label="Shape of the map"] button:last-child')
        self.assertLess(self.browser.run("document.querySelector('.cell').getBoundingClientRect().height"),
                        self.browser.run("document.querySelector('.map').getBoundingClientRect().height"))

    def test_colours_follow_the_system_and_the_switch(self):
        path, _ = fixtures.sample_archive(self.work)
        page = "getComputedStyle(document.body).backgroundColor"
        self.open("inspect", path, scheme="dark")
        dark = self.browser.run(page)
        self.browser.click(".theme")
        self.assertNotEqual(self.browser.run(page), dark)
        self.browser.click(".theme")
        self.assertEqual(self.browser.run(page), dark)

    def test_narrow(self):
        path, _ = fixtures.sample_archive(self.work)
        self.open("inspect", path, "--gpu", "sm_90", width=360, height=740)
        self.assertEqual(self.browser.run("document.documentElement.scrollWidth"), 360, "nothing scrolls sideways")

    def test_what_stays_by_caution_is_told_apart(self):
        fixtures.cuda_library(self.path("libold.so"), archs=[(fixtures.CUBIN, 70, "")])
        layer = fixtures.Layer().disk_file("libold.so", self.path("libold.so"))
        fixtures.docker_archive(self.path("app.tar"), [layer.done()], ["COPY"])
        self.open("inspect", self.path("app.tar"), "--gpu", "sm_90")
        self.assertIn("of it by caution", self.text(".fact:last-child"))
        self.assertEqual(self.browser.run("document.querySelectorAll('.composition .is-caution').length"), 1)
        self.assertEqual(self.browser.run("document.querySelectorAll('.cell.is-caution').length"), 1)
        self.sample()
        self.assertNotIn("caution", self.text("main"))

    def test_it_stands_still_but_for_the_reader(self):
        self.sample()
        moves = "document.querySelector('.map').classList.contains('moves')"
        self.assertFalse(self.browser.run(moves))
        self.browser.run("[...document.querySelectorAll('.choice button')].find(one => one.textContent === 'Columns').click()")
        self.assertTrue(self.browser.run(moves))
        self.browser.look(900, 800, "light")
        self.browser.until(f"!{moves}", "drawing at another size")

    def test_print_keeps_colours_and_stays_within_the_page(self):
        self.sample()
        self.browser.look(700, 1000, "light")
        self.browser.call("Emulation.setEmulatedMedia", media="print")
        self.addCleanup(self.browser.call, "Emulation.setEmulatedMedia", media="")
        self.assertEqual(self.browser.run("getComputedStyle(document.querySelector('.cell')).printColorAdjust"), "exact")
        self.assertLessEqual(self.browser.run("document.documentElement.scrollWidth"), 700)
        self.assertEqual(self.browser.run(
            "[...document.querySelectorAll('.cell')].filter(one => one.getBoundingClientRect().right > 701).length"), 0)

    def test_a_phone_sees_the_named_gpu_first(self):
        path, _ = fixtures.sample_archive(self.work)
        first = "document.querySelectorAll('.matrix thead th')[2].textContent"
        self.open("inspect", path, "--gpu", "sm_90", width=420, height=800)
        self.assertEqual(self.browser.run(first), "sm_90")
        self.assertTrue(self.browser.run("document.querySelector('.cue').getBoundingClientRect().height > 0"))
        self.open("inspect", path, "--gpu", "sm_90")
        self.assertNotEqual(self.browser.run(first), "sm_90")

    def test_a_comparison(self):
        before, _ = fixtures.sample_archive(self.work)
        self.flense("slim", before, "--gpu", "sm_90", "-o", "oci:" + self.path("slim"))
        background = "getComputedStyle(document.body).backgroundColor"
        width = "document.documentElement.scrollWidth"
        self.open("diff", before, "oci:" + self.path("slim"), width=420, height=800)
        self.assertEqual(self.browser.messages, [])
        self.assertEqual(self.browser.run(width), 420, "nothing scrolls sideways")
        self.assertIn("as stored", self.text(".facts"))
        light = self.browser.run(background)
        self.browser.look(1200, 800, "dark")
        self.assertNotEqual(self.browser.run(background), light)
        self.assertNotEqual(light, "rgba(0, 0, 0, 0)", "the page has its style")
        self.browser.look(700, 1000, "light")
        self.browser.call("Emulation.setEmulatedMedia", media="print")
        self.addCleanup(self.browser.call, "Emulation.setEmulatedMedia", media="")
        self.assertLessEqual(self.browser.run(width), 700)
        self.assertEqual(self.browser.run(
            "[...document.querySelectorAll('td')].filter(one => one.getBoundingClientRect().right > 701).length"), 0)

    def test_the_skip_link_leads_to_the_map(self):
        self.sample()
        self.browser.run("document.querySelector('.skip').click()")
        self.assertTrue(self.browser.run("document.activeElement.classList.contains('cell')"))

    def test_every_role_is_named(self):
        self.sample()
        unnamed = self.browser.run(
            "[...document.querySelectorAll('button, input, [role=tree], [role=treeitem], [role=region], [role=group], nav')]"
            ".filter(one => !(one.getAttribute('aria-label') || one.textContent).trim()).map(one => one.outerHTML)")
        self.assertEqual(unnamed, [])
        self.assertEqual(self.browser.run("document.querySelectorAll('.cell[tabindex=\"0\"]').length"), 1)

    def test_names_stay_text(self):
        layer = fixtures.Layer().folder("opt")
        for number, name in enumerate(HOSTILE):
            layer.file(f"opt/{number}{name.replace('/', '')}", fixtures.noise(number, 9_000 + number))
        fixtures.docker_archive(self.path("app.tar"), [layer.done()], ["RUN echo '</script><img src=x onerror=1>'"])
        self.open("inspect", self.path("app.tar"))
        self.assertNotEqual(self.browser.run("document.title"), "owned")
        self.assertEqual(self.browser.run("document.querySelectorAll('img, iframe, object').length"), 0)
        shown = self.browser.run("[...document.querySelectorAll('.cell')].map(one => one.getAttribute('aria-label')).join('\\n')")
        for words in ("<img src=x onerror=document.title=", "\\u202egnp.exe", "\\x1b[31mb", "\\xff\\xfe", "{{data}}"):
            self.assertIn(words, shown)
        # The policy holds: a script that comes later does not run, and nothing is fetched.
        self.browser.run("(() => { const s = document.createElement('script'); s.textContent = 'document.title = \"owned\"'; "
                         "document.body.append(s); const i = new Image(); i.src = 'https://example.invalid/x'; })()")
        self.assertNotEqual(self.browser.run("document.title"), "owned")
        self.browser.until("true", "the message")
        self.assertTrue(any("Content Security Policy" in message for message in self.browser.messages))


if __name__ == "__main__":
    unittest.util._MAX_LENGTH = 2000
    harness.main()
