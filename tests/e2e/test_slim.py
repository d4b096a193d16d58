#!/usr/bin/env python3
"""slim on a layered image: what goes is what the rules name, what stays is byte for byte the same."""

import hashlib
import json
import os
import subprocess
import tarfile

import fixtures
import harness
import imagetree

LIBRARY = "usr/lib/python3/dist-packages/fake/libfake.so.1"
RECORD = "usr/lib/python3/dist-packages/fake-1.0.dist-info/RECORD"
MARKER = "usr/share/flense/slim.json"
CUBIN, PTX = fixtures.CUBIN, fixtures.PTX


def kinds(entries):
    """[(kind, arch, specific)] of one region, sorted."""
    return sorted((kind, arch, bool(flags & fixtures.ARCH_SPECIFIC)) for kind, arch, flags, _ in entries)


class Slim(harness.Case):
    def setUp(self):
        super().setUp()
        self.input, self.library = fixtures.sample_archive(self.work)
        self.original = imagetree.read_image(self.input)

    def slim(self, *options, name="out", form="oci", gpu="sm_90"):
        out = self.path(name)
        self.flense("slim", self.input, "--gpu", gpu, "-o", f"{form}:{out}", *options)
        self.flense("verify", f"{form}:{out}", "--against", self.input)
        return imagetree.read_image(out, "docker" if form == "docker-archive" else "oci")

    def library_of(self, image, name="libfake.so.1"):
        tree = imagetree.merged(image.layers)
        folder = self.path("lib-" + str(len(os.listdir(self.work))))
        os.mkdir(folder)
        path = os.path.join(folder, name)
        with open(path, "wb") as out:
            out.write(tree[LIBRARY]["data"])
        return path

    def kept(self, *options, gpu):
        image = self.slim(*options, gpu=gpu, name=f"kept-{gpu}-{len(options)}")
        after = fixtures.loaded_entries(self.library_of(image))
        before = fixtures.loaded_entries(self.library)
        self.assertEqual(len(before), len(after))
        for old, new in zip(before, after):
            self.assertTrue(new, "a registered region must not become empty")
            for item in new:
                self.assertIn(item, old, "a kept entry must be byte-identical")
        self.assertEqual(len({tuple(kinds(r)) for r in after}), 1)
        return kinds(after[0])

    def test_keeps_what_the_target_can_load(self):
        both = [(CUBIN, 90, False), (CUBIN, 90, True)]
        self.assertEqual(self.kept(gpu="sm_90"), sorted(both))
        self.assertEqual(self.kept(gpu="h100"), sorted(both))
        self.assertEqual(self.kept(gpu="sm_86"), [(CUBIN, 80, False), (CUBIN, 86, False)])
        self.assertEqual(self.kept(gpu="sm_80,sm_86"), [(CUBIN, 80, False), (CUBIN, 86, False)])
        self.assertEqual(self.kept(gpu="sm_80"), [(CUBIN, 80, False)])
        # Nothing but the PTX serves a later major.
        self.assertEqual(self.kept(gpu="sm_120"), [(PTX, 90, False)])

    def test_ptx_stays_when_asked(self):
        everything_for_90 = sorted([(CUBIN, 90, False), (CUBIN, 90, True), (PTX, 90, False)])
        self.assertEqual(self.kept("--keep-ptx", gpu="sm_90"), everything_for_90)
        self.assertEqual(self.kept("--level", "safe", gpu="sm_90"), everything_for_90)

    def test_ptx_stays_where_the_image_has_it_compiled(self):
        layers, _ = fixtures.sample_layers(self.work)
        for number, (setting, stays) in enumerate((("CUDA_FORCE_PTX_JIT=1", True), ("CUDA_FORCE_JIT=1", True), ("CUDA_FORCE_JIT=0", False))):
            with self.subTest(setting):
                fixtures.docker_archive(self.input, layers, fixtures.INSTRUCTIONS, container={"Env": ["PATH=/bin", setting]})
                # verify, which reads the variable by itself, agrees.
                after = fixtures.loaded_entries(self.library_of(self.slim(name=f"forced-{number}")))
                self.assertEqual((PTX, 90, False) in kinds(after[0]), stays)

    def test_tree_differs_only_where_the_rules_say(self):
        after = imagetree.merged(self.slim().layers)
        before = imagetree.merged(self.original.layers)
        gone, new, changed = imagetree.difference(before, after)
        self.assertIn("var/lib/apt/lists/packages", gone)
        self.assertIn("root/.cache/pip/http", gone)
        for path in gone:
            self.assertTrue(path.startswith(("var/lib/apt/lists/", "root/.cache", "usr/share/doc/demo/changelog")), path)
        self.assertEqual([p for p in new if not MARKER.startswith(p)], [])
        # Folders may take the time of the edit; files may not change at all.
        files = [p for p in changed if before[p]["type"] != "5"]
        self.assertEqual(sorted(files), sorted([LIBRARY, RECORD]))
        for path in files:
            self.assertEqual({k: before[path][k] for k in ("mode", "uid", "gid", "mtime", "xattrs")},
                             {k: after[path][k] for k in ("mode", "uid", "gid", "mtime", "xattrs")})
        self.assertIn("SCHILY.xattr.security.capability", after["opt/capable"]["xattrs"])
        self.assertEqual(after["opt/second-name"]["sha256"], before["opt/second-name"]["sha256"])

    def test_shadowed_bytes_leave_the_lower_layers(self):
        image = self.slim()
        lower = set(imagetree.merged(image.layers[:1]))
        self.assertEqual(lower & {"opt/deleted", "opt/replaced", "opt/opaque/old"}, set())
        self.assertLess(len(image.layers[0]), len(self.original.layers[0]) - 180_000)

    def test_wheel_record_is_true(self):
        import base64
        import hashlib
        tree = imagetree.merged(self.slim().layers)
        line, = [l for l in tree[RECORD]["data"].decode().splitlines() if l.startswith("fake/libfake")]
        data = tree[LIBRARY]["data"]
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        self.assertEqual(line, f"fake/libfake.so.1,sha256={digest},{len(data)}")

    def test_layers_stay(self):
        image = self.slim()
        self.assertEqual(len(image.layers), len(self.original.layers))
        self.assertEqual([h["created_by"] for h in image.config["history"]][:3],
                         [h["created_by"] for h in self.original.config["history"]])
        self.assertEqual(image.config["config"]["Cmd"], self.original.config["config"]["Cmd"])
        self.assertEqual(image.labels["maintainer"], "tests")
        # Nothing in the top layer is touched.
        self.assertEqual(image.diff_ids[2], self.original.diff_ids[2])
        self.assertNotEqual(image.diff_ids[1], self.original.diff_ids[1])

    def test_squash(self):
        many, one = self.slim(name="many"), self.slim("--squash", name="one")
        self.assertEqual(len(one.layers), 1)
        entry, = one.config["history"]
        self.assertEqual(entry["created"], self.original.config["created"])
        self.assertIn("--squash", entry["created_by"])
        self.assertEqual(one.config["config"]["Cmd"], self.original.config["config"]["Cmd"])
        names = fixtures.member_names(one.layers[0])
        self.assertEqual(len(names), len(set(names)), "every path stands once")
        self.assertFalse([n for n in names if "/.wh." in n])
        # A container sees the same, but for the time of the marker.
        before, after = imagetree.merged(many.layers), imagetree.merged(one.layers)
        before.pop(MARKER), after.pop(MARKER)
        self.assertEqual(imagetree.difference(before, after), ([], [], []))
        self.assertEqual(self.slim("--squash", name="again").manifest_digest, one.manifest_digest)
        self.assertLess(len(one.layers[0]), sum(map(len, many.layers)))

    def test_squash_report_and_repetition(self):
        out = self.path("one")
        report = self.flense("slim", self.input, "--gpu", "sm_90", "--squash", "-o", f"oci:{out}", "--json").json
        layer, = report["layers"]
        image = imagetree.read_image(out)
        self.assertEqual(layer["unpacked_bytes_after"], len(image.layers[0]))
        self.assertEqual(layer["unpacked_bytes_before"], sum(map(len, self.original.layers)))
        self.flense("slim", f"oci:{out}", "--gpu", "sm_90", "--squash", "-o", f"oci:{self.path('twice')}")
        self.assertEqual(imagetree.read_image(self.path("twice")).config, image.config)
        self.flense("slim", self.work, "--gpu", "sm_90", "--squash", "--in-place", expect=2)

    def test_a_script_keeps_its_interpreter(self):
        """Interpreters in a place that a rule takes: the plan is refused, with the script's name."""
        layer = fixtures.Layer()
        for folder in ("usr", "usr/share", "usr/share/doc", "opt", "bin"):
            layer.folder(folder)
        layer.disk_file("bin/busybox", fixtures.BUSYBOX).symlink("bin/sh", "busybox")
        layer.disk_file("usr/share/doc/shell", fixtures.BUSYBOX)
        layer.file("opt/tool", "#!/usr/share/doc/shell\n", 0o755)
        layer.file("opt/other", "#!/usr/bin/env doc-shell\n", 0o755)
        layer.file("opt/text", "#!/usr/share/doc/shell\n", 0o644)
        path = self.path("scripts.tar")
        fixtures.docker_archive(path, [layer.done()], ["ADD"])
        result = self.flense("slim", path, "--gpu", "sm_90", "-o", f"oci:{self.path('none')}", expect=1)
        self.assertIn("the script opt/tool needs /usr/share/doc/shell", result.err)
        self.assertNotIn("opt/text", result.err)
        self.assertNotIn("opt/other", result.err)
        self.assertFalse(os.path.exists(self.path("none")))
        self.flense("slim", path, "--gpu", "sm_90", "-o", f"oci:{self.path('kept')}", "--keep", "usr/share/doc/**")

    def test_headers_stay_for_what_compiles(self):
        def image(name, package):
            layer, site = fixtures.Layer(), "usr/lib/python3/dist-packages"
            for folder in ("usr", "usr/lib", "usr/lib/python3", site, "usr/local", "usr/local/cuda-12.4",
                           "usr/local/cuda-12.4/include", "usr/local/cuda-12.4/lib64"):
                layer.folder(folder)
            layer.file("usr/local/cuda-12.4/include/cuda_fp16.h", fixtures.noise("header", 5000))
            layer.file("usr/local/cuda-12.4/lib64/libcublas_static.a", b"!<arch>\n" + fixtures.noise("archive", 5000))
            layer.file(f"{site}/{package}-1.0.dist-info/METADATA",
                       f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
            fixtures.docker_archive(self.path(name), [layer.done()], ["ADD"])
            out = self.path(name + ".out")
            result = self.flense("slim", self.path(name), "--gpu", "sm_90", "-o", f"oci:{out}")
            return set(imagetree.merged(imagetree.read_image(out).layers)), result.out
        paths, text = image("jit.tar", "numba-cuda")
        self.assertIn("usr/local/cuda-12.4/include/cuda_fp16.h", paths)
        self.assertNotIn("usr/local/cuda-12.4/lib64/libcublas_static.a", paths)
        self.assertIn("build files stay: numba-cuda 1.0 compiles CUDA C++ with NVRTC", text)
        paths, text = image("plain.tar", "jax")
        self.assertNotIn("usr/local/cuda-12.4/include/cuda_fp16.h", paths)
        self.assertNotIn("build files stay", text)

    def test_says_what_it_serves(self):
        image = self.slim()
        self.assertEqual(image.labels["dev.flense.targets"], "sm_90")
        # All that a reader asks of a slim image: from what, by which rules, by tables of which date.
        with tarfile.open(self.input) as archive:
            config = json.load(archive.extractfile("manifest.json"))[0]["Config"]
            digest = hashlib.sha256(archive.extractfile(config).read()).hexdigest()
        self.assertEqual(image.labels["dev.flense.input-digest"], "sha256:" + digest)
        self.assertIn("device-code", image.labels["dev.flense.rules"].split(","))
        self.assertRegex(image.labels["dev.flense.tables"],
                         r"^cuda_driver 20\d\d-\d\d, dlopen 20\d\d-\d\d, gpu_arch 20\d\d-\d\d$")
        marker = json.loads(imagetree.merged(image.layers)[MARKER]["data"])
        self.assertIn("sm_90", json.dumps(marker))

    def test_deterministic(self):
        first, second = self.slim(name="a"), self.slim(name="b")
        self.assertEqual(first.manifest_digest, second.manifest_digest)

    def test_idempotent(self):
        first = self.slim(name="once")
        again = self.path("twice")
        self.flense("slim", f"oci:{self.path('once')}", "--gpu", "sm_90", "-o", f"oci:{again}")
        second = imagetree.read_image(again)
        self.assertEqual(first.diff_ids, second.diff_ids)
        self.assertEqual(first.config, second.config)

    def test_equal_layers_stay_equal(self):
        """Two images on one base: the pass results of the shared layers must be the same."""
        layers, _ = fixtures.sample_layers(self.work)
        app = fixtures.Layer().folder("srv").file("srv/app", "other app").done()
        other = self.path("other.tar")
        # No late deletions here, so compare an image whose layers see no other layer.
        alone = self.path("alone.tar")
        fixtures.docker_archive(alone, layers[1:2], fixtures.INSTRUCTIONS[1:2])
        fixtures.docker_archive(other, [layers[1], app], [fixtures.INSTRUCTIONS[1], "COPY app"])
        outputs = []
        for name, path in [("x", alone), ("y", other)]:
            self.flense("slim", path, "--gpu", "sm_90", "-o", f"oci:{self.path(name)}")
            outputs.append(imagetree.read_image(self.path(name)))
        self.assertEqual(outputs[0].diff_ids[0], outputs[1].diff_ids[0])
        self.assertEqual(outputs[1].diff_ids[1], imagetree.read_image(other).diff_ids[1])

    def test_keep(self):
        image = self.slim("--keep", "**/libfake.so*", "--keep", "var/lib/apt/**")
        tree, before = imagetree.merged(image.layers), imagetree.merged(self.original.layers)
        self.assertEqual(tree[LIBRARY]["sha256"], before[LIBRARY]["sha256"])
        self.assertTrue("var/lib/apt/lists/packages" in tree)
        self.assertFalse("root/.cache/pip/http" in tree)

    def test_no_modify_vendor(self):
        tree = imagetree.merged(self.slim("--no-modify-vendor").layers)
        self.assertEqual(tree[LIBRARY]["sha256"], imagetree.merged(self.original.layers)[LIBRARY]["sha256"])
        self.assertFalse("root/.cache/pip/http" in tree)

    def test_dry_run_and_plan(self):
        before = harness.file_digest(self.input)
        plan = self.path("plan.json")
        result = self.flense("slim", self.input, "--gpu", "sm_90", "--dry-run", "--plan", plan)
        self.assertIn("device", result.out)
        with open(plan) as source:
            document = json.load(source)
        self.assertEqual(document["schema"], "flense/plan/v1")
        self.assertEqual(harness.file_digest(self.input), before)
        self.assertEqual(sorted(os.listdir(self.work)), sorted(["app.tar", "libfake.so.1", "plan.json"] +
                                                               (["cache"] if os.path.exists(self.path("cache")) else [])))

    def test_json_report_adds_up(self):
        out = self.path("out")
        report = self.flense("slim", self.input, "--gpu", "sm_90", "-o", f"oci:{out}", "--json").json
        self.assertTrue(report["schema"].startswith("flense/"))

    def test_input_untouched_and_existing_output_refused(self):
        before = harness.file_digest(self.input)
        self.slim()
        self.assertEqual(harness.file_digest(self.input), before)
        tree = harness.digest_tree(self.path("out"))
        again = self.flense("slim", self.input, "--gpu", "sm_90", "-o", f"oci:{self.path('out')}", expect=None)
        self.assertNotEqual(again.status, 0)
        self.assertEqual(harness.digest_tree(self.path("out")), tree)

    def test_needs_a_target(self):
        result = self.flense("slim", self.input, "-o", f"oci:{self.path('none')}", expect=None)
        self.assertIn(result.status, (2, 4))
        self.assertIn("--gpu", result.err)
        self.assertFalse(os.path.exists(self.path("none")))
        result = self.flense("slim", self.input, "--gpu", "h1000", "-o", f"oci:{self.path('none')}", expect=2)
        self.assertFalse(os.path.exists(self.path("none")))

    def test_targets_of_one_vendor_leave_the_code_of_the_other(self):
        def given(*more):
            plan = self.flense("slim", self.input, "--gpu", "gfx942", "--dry-run", "--json", *more).json
            return plan, sum(one["bytes"] for one in plan["passes"] if one["id"] == "device-code")

        plan, of_cuda = given()
        self.assertEqual(of_cuda, 0)
        self.assertGreater(plan["bolder_rules"]["code of another vendor"], 0)
        for more in (["--drop-vendor"], ["--level", "aggressive"]):
            self.assertGreater(given(*more)[1], 0)

    def test_verify_runs_in_both_roots(self):
        if subprocess.run(["bwrap", "--ro-bind", "/", "/", "true"], check=False).returncode != 0:
            self.skipTest("bubblewrap cannot start here")
        out = self.path("ok")
        self.flense("slim", self.input, "--gpu", "sm_90", "-o", f"oci:{out}", "--verify",
                    "sha256sum /opt/second-name")
        self.assertTrue(os.path.exists(out))
        result = self.flense("slim", self.input, "--gpu", "sm_90", "-o", f"oci:{self.path('bad')}", "--verify",
                             f"sha256sum /{LIBRARY}", expect=None)
        self.assertEqual(result.status, 1, result.err)
        self.assertFalse(os.path.exists(self.path("bad")))


class Recompressed(harness.Case):
    """--recompress-code on an image: other frames of the same code, and everybody who launches it is told."""

    def setUp(self):
        super().setUp()
        library = self.path("libpacked.so.1")
        fixtures.cuda_library(library, regions=3, name="packed", repeats=8)
        with open(library, "rb") as data:
            self.before = fixtures.stored_entries(data.read())
        layer = fixtures.Layer()
        for folder in ["usr", "usr/lib"]:
            layer.folder(folder)
        layer.disk_file("usr/lib/libpacked.so.1", library)
        self.input = self.path("in.tar")
        fixtures.docker_archive(self.input, [layer.done()], ["ADD library"])

    def slim(self, *options):
        out = self.path("out" + "".join(options))
        self.flense("slim", self.input, "--gpu", "sm_90", "-o", f"oci:{out}", *options)
        self.flense("verify", f"oci:{out}", "--against", self.input)
        image = imagetree.read_image(out, "oci")
        return image, fixtures.stored_entries(imagetree.merged(image.layers)["usr/lib/libpacked.so.1"]["data"])

    def test_the_code_stays_what_it_was(self):
        plain, raw = self.slim()
        self.assertTrue(all(form == 0 for _, _, form, _ in raw))
        self.assertNotIn("dev.flense.code-driver-floor", plain.labels)
        sizes = {None: sum(len(content) for *_, content in raw)}
        for mode in ["balance", "size"]:
            image, packed = self.slim("--recompress-code", mode)
            self.assertEqual(len(packed), 6)
            for (kind, arch, form, content), old in zip(packed, raw):
                self.assertEqual([kind, arch], old[:2])
                self.assertEqual(form, 0x8000)
                self.assertEqual(imagetree.unpacked(content), old[3])
                self.assertIn(old, self.before)
            self.assertRegex(image.labels["dev.flense.code-driver-floor"], r"^550\.54\.")
            sizes[mode] = sum(len(content) for *_, content in packed)
        self.assertLess(max(sizes["balance"], sizes["size"]) * 4, sizes[None])

    def test_it_is_done_once(self):
        out = self.path("first.tar")
        self.flense("slim", self.input, "--gpu", "sm_90", "-o", f"docker-archive:{out}", "--recompress-code", "size")
        again = self.path("again.tar")
        self.flense("slim", out, "--gpu", "sm_90", "-o", f"docker-archive:{again}", "--recompress-code", "size")
        self.assertEqual(imagetree.read_image(out, "docker").diff_ids, imagetree.read_image(again, "docker").diff_ids)


if __name__ == "__main__":
    harness.main()
