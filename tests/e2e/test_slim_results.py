#!/usr/bin/env python3
"""What slim says of its result: sizes by one measure, names that stay, records that hold only what is known."""

import json
import os
import shutil
import subprocess
import time

import fixtures
import harness

GPU = ["--gpu", "sm_90"]


class Results(harness.Case):
    def setUp(self):
        super().setUp()
        os.mkdir(self.path("in"))
        self.archive, self.library = fixtures.sample_archive(self.path("in"))

    def oci(self, name, *more):
        out = self.path(name)
        self.flense("slim", self.archive, *GPU, "-o", f"oci:{out}", *more)
        return out

    def index(self, layout):
        with open(f"{layout}/index.json", encoding="utf-8") as text:
            return json.load(text)

    def test_the_record_lies_beside_a_directory_that_is_named_with_a_slash(self):
        os.mkdir(self.path("tree"))
        shutil.copy(self.library, self.path("tree"))
        self.flense("slim", self.path("tree"), *GPU, "-o", self.path("out/"))
        self.assertNotIn(".provenance.json", os.listdir(self.path("out")))
        self.assertTrue(os.path.exists(self.path("out.provenance.json")))
        self.flense("verify", self.path("out/"), "--against", self.path("tree"), *GPU)

    def test_an_archive_at_rest_that_is_damaged(self):
        """Its digests are compared while the result is written: nothing is told of it, nothing stays."""
        with open(self.archive, "r+b") as archive, open(self.library, "rb") as library:
            data, content = archive.read(), library.read()
            at = data.index(content) + len(content) - 1
            archive.seek(at)
            archive.write(bytes([data[at] ^ 1]))
        time.sleep(2.2)  # else every reading would hash it by itself
        out, plan = self.path("out"), self.path("plan.json")
        for options in (["-o", f"oci:{out}"], ["-o", f"oci:{out}", "--squash"], ["-o", f"dir:{out}"], ["--dry-run"],
                        ["-o", f"oci:{out}", "--plan", plan], ["--variants", "h100,t4", "-o", f"oci:{out}:t"]):
            with self.subTest(options=options):
                gpu = [] if "--variants" in options else GPU
                run = self.flense("slim", self.archive, *gpu, *options, expect=3)
                self.assertIn("has digest sha256:", run.err)
                self.assertEqual(run.out, "")
                self.assertFalse(os.path.exists(plan))
                self.assertEqual([name for name in os.listdir(self.path(".")) if name.startswith((".", "out"))], [])

    def test_a_layout_at_rest_whose_layers_are_linked(self):
        """A link changes a file's times: the digests of late layers are settled before."""
        first = self.path("first")
        self.flense("slim", self.archive, "--gpu", "h100,a100", "--compression", "none", "-o", f"oci:{first}")
        time.sleep(2.2)
        self.flense("slim", f"oci:{first}", *GPU, "-o", f"oci:{self.path('second')}")
        blobs = [set(os.listdir(f"{self.path(name)}/blobs/sha256")) for name in ("first", "second")]
        self.assertTrue(blobs[0] & blobs[1], "no layer was taken over")
        self.assertTrue(blobs[1] - blobs[0], "no layer was edited")
        time.sleep(2.2)
        self.flense("slim", f"oci:{first}", "--variants", "h100", "-o", f"oci:{self.path('third')}:t")
        time.sleep(2.2)
        self.flense("slim", f"oci:{first}", *GPU, "--split", "1MiB", "-o", f"oci:{self.path('fourth')}")

    def test_a_tag_stays_and_again_changes_nothing(self):
        for tag in ("t", "app:1", "registry.example/team/app:2", "latest"):
            first = self.oci("first-" + tag.replace("/", "-").replace(":", "-"), "-t", tag)
            # As other tools name an image of a layout: by its tag alone.
            plain = self.index(first)
            plain["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "t"}
            for number, document in enumerate([self.index(first), plain]):
                with open(f"{first}/index.json", "w", encoding="utf-8") as out:
                    json.dump(document, out)
                second = self.path(f"second-{number}-" + os.path.basename(first))
                self.flense("slim", f"oci:{first}", *GPU, "-o", f"oci:{second}")
                third = self.path("third-" + os.path.basename(second))
                self.flense("slim", f"oci:{second}", *GPU, "-o", f"oci:{third}")
                names = [self.index(one)["manifests"][0]["annotations"] for one in (first, second, third)]
                key = "org.opencontainers.image.ref.name"
                self.assertEqual(names[0][key], names[1][key], tag)
                self.assertEqual(names[1], names[2], tag)
                self.assertEqual(harness.digest_tree(second), harness.digest_tree(third), tag)

    def test_every_form_again_changes_nothing(self):
        for form in ("oci-archive", "docker-archive", "dir"):
            first, second = self.path(form + "1"), self.path(form + "2")
            self.flense("slim", self.archive, *GPU, "-o", f"{form}:{first}")
            self.flense("slim", f"{form}:{first}", *GPU, "-o", f"{form}:{second}")
            if form == "dir":
                self.assertEqual(harness.digest_tree(first), harness.digest_tree(second))
            else:
                self.assertEqual(harness.file_digest(first), harness.file_digest(second))

    def test_what_an_earlier_run_cut_does_not_come_back(self):
        """Labels would promise code that is not there."""
        both, tree = self.path("both"), self.path("tree")
        self.flense("slim", self.archive, "--gpu", "sm_90,sm_80", "-o", f"oci:{both}")
        self.flense("slim", f"oci:{both}", "--gpu", "sm_80", "-o", f"oci:{self.path('one')}")
        self.flense("slim", self.archive, "--gpu", "sm_80", "-o", f"dir:{tree}")
        for target in (f"oci:{self.path('one')}", tree):
            for how in (["--gpu", "sm_90"], ["--gpu", "sm_90,sm_80"], ["--gpu", "gfx942"]):
                told = self.flense("slim", target, *how, "-o", f"oci:{self.path('other')}", expect=2).err
                self.assertIn("was slimmed for sm_80 before, and may lack code for", told)
            self.assertFalse(os.path.exists(self.path("other")))
        told = self.flense("slim", f"oci:{self.path('one')}", "--variants", "sm_80,sm_90", "-o", f"oci:{self.path('other')}", expect=2)
        self.assertIn("hint: slim the original: sha256:", told.err)

    def test_records_hold_only_what_is_known(self):
        root = self.path("root")
        os.makedirs(f"{root}/lib")
        shutil.copy(self.library, f"{root}/lib/libfake.so")
        self.flense("slim", root, *GPU, "-o", f"dir:{self.path('out')}")
        with open(self.path("out.provenance.json"), encoding="utf-8") as text:
            record = json.load(text)
        for name in ("digest", "output_digest", "driver_floor"):
            self.assertNotIn(name, record)
        self.assertNotIn("digest", record["plan"])
        again = self.oci("again")
        with open(again + ".provenance.json", encoding="utf-8") as text:
            self.assertTrue(json.load(text)["output_digest"].startswith("sha256:"))

    def test_a_directory_has_one_measure(self):
        root = self.path("root")
        os.makedirs(f"{root}/lib")
        shutil.copy(self.library, f"{root}/lib/libfake.so")
        for number in range(3000):
            with open(f"{root}/lib/{number}", "w", encoding="utf-8") as out:
                out.write("x")
        held = sum(entry.stat().st_size for entry in os.scandir(f"{root}/lib"))
        planned = self.flense("slim", root, *GPU, "--dry-run").out.splitlines()[1]
        for form in ("dir", "oci", "docker-archive"):
            report = self.flense("slim", root, *GPU, "-o", f"{form}:{self.path(form)}", "--json").json
            self.assertEqual(report["unpacked_bytes_before"], held, form)
            given = sum(one["bytes"] for one in report["passes"])
            # What is added is the small file that says what was done.
            added = report["unpacked_bytes_after"] - (held - given)
            self.assertTrue(0 <= added < 2000, f"{form}: {added}")
            self.assertEqual(sum(one["unpacked_bytes_after"] for one in report["layers"]), report["unpacked_bytes_after"])
        text = self.flense("slim", root, *GPU, "-o", f"dir:{self.path('text')}").out.splitlines()[1]
        self.assertEqual(text.split(" -> ")[0], planned.split(" -> ")[0])
        self.assertEqual(text.split(" kB ")[0][:-3], planned.split(" kB ")[0][:-3])

    def test_what_is_read_and_what_is_written_is_not_replaced(self):
        layers, _ = fixtures.sample_layers(self.work)
        fixtures.docker_archive(self.path("in.sm_90.tar"), layers, fixtures.INSTRUCTIONS)
        with open(self.path("in.sm_90.tar"), "rb") as image:
            before = image.read()
        archive, layout = self.path("in.sm_90.tar"), self.path("layout")
        self.flense("slim", archive, "--gpu", "h100", "-o", f"oci:{layout}:1", "--provenance", "none")
        os.mkdir(self.path("tree"))
        shutil.copy(archive, self.path("tree/file"))
        out = ("-o", self.path("out.tar"))
        one = ("slim", archive, "--gpu", "h100", *out)
        for words in ((("slim", archive, "--variants", "h100", "-o", f"oci:{self.path('v')}:1", "--prove", self.path("in.tar"))),
                      (*one, "--plan", archive), (*one, "--closure", "--level", "aggressive", "--trace", "true", "--save-trace", archive),
                      (*one, "--prove", self.path("out.tar")), (*one, "--prove", self.path("out.tar.provenance.json")),
                      (*one, "--prove", self.path("r"), "--plan", self.path("./r")), (*one, "--keep-base", archive, "--html", archive),
                      ("slim", f"oci:{layout}:1", "--gpu", "h100", *out, "--plan", f"{layout}/index.json"),
                      ("slim", f"oci:{layout}:1", "--gpu", "h100", *out, "--plan", f"{layout}/new.json"),
                      ("slim", self.path("tree"), "--gpu", "h100", "-o", f"dir:{self.path('t')}", "--plan", self.path("tree/file"))):
            self.flense(*words, expect=2)
        with open(archive, "rb") as image:
            self.assertEqual(image.read(), before)
        self.assertEqual([name for name in ("v", "out.tar", "t", "r") if os.path.exists(self.path(name))], [])
        # What harms nobody goes on: names of images beside, a new file in a directory, several to nowhere.
        self.flense(*one, "--provenance", "none", "--plan", "/dev/null", "--prove", "/dev/null")
        self.flense("slim", self.path("tree"), "--gpu", "h100", "--dry-run", "--plan", self.path("tree/plan.json"))

    def test_a_report_on_an_open_file_is_written_where_that_stands(self):
        layers, _ = fixtures.sample_layers(self.work)
        fixtures.docker_archive(self.path("in.tar"), layers, fixtures.INSTRUCTIONS)
        with open(self.path("log"), "w") as log:
            log.write("first\n" * 300)
            log.flush()
            subprocess.run([harness.BINARY, "slim", self.path("in.tar"), "--gpu", "h100", "--dry-run", "--plan", "/dev/stdout"], stdout=log,
                           env={**harness.surroundings(), "XDG_CACHE_HOME": self.path("cache")}, check=True)
        with open(self.path("log")) as log:
            text = log.read()
        self.assertEqual(text.count("first\n"), 300)
        self.assertIn("flense/plan/v1", text)

    def test_an_original_that_can_be_read_once_is_proved(self):
        layers, _ = fixtures.sample_layers(self.work)
        fixtures.docker_archive(self.path("in.tar"), layers, fixtures.INSTRUCTIONS)
        with open(self.path("in.tar"), "rb") as stream:
            subprocess.run([harness.BINARY, "slim", "-", "--gpu", "h100", "-o", "oci:" + self.path("out"), "--prove", self.path("proof")],
                           stdin=stream, stdout=subprocess.DEVNULL, env={**harness.surroundings(), "XDG_CACHE_HOME": self.path("cache")}, check=True)
        self.flense("verify", "oci:" + self.path("out"), "--proof", self.path("proof"), "--against", self.path("in.tar"))
        # A proof speaks of one level.
        self.flense("verify", "oci:" + self.path("out"), "--proof", self.path("proof"), "--level", "safe", expect=1)
        with open(self.path("proof")) as text:
            proof = json.load(text)
        for edit in ({"result": "unknown"}, {"rules": proof["predicate"]["rules"] | {"gpus": []}}):
            with open(self.path("edited"), "w") as text:
                json.dump(proof | {"predicate": proof["predicate"] | edit}, text)
            self.flense("verify", "oci:" + self.path("out"), "--proof", self.path("edited"), expect=3)

    def test_quiet_prints_no_tables(self):
        for options in (["-o", f"oci:{self.path('q')}"], ["--dry-run"]):
            out = self.flense("slim", self.archive, *GPU, "-q", *options).out
            self.assertNotIn("REASON", out)
            self.assertNotIn("LAYER", out)
            self.assertNotIn("Left unchanged", out)
            self.assertIn(" unpacked (", out)
        self.assertIn("written: oci:", self.flense("slim", self.archive, *GPU, "-q", "-o", f"oci:{self.path('q2')}").out)
        several = self.flense("slim", self.archive, f"oci:{self.path('q')}", *GPU, "-q", "-o", self.path("many")).out
        self.assertNotIn("IMAGES", several)

    def test_an_architecture_that_no_table_names(self):
        done = self.flense("slim", self.archive, "--gpu", "sm_108", "-o", f"oci:{self.path('new')}")
        self.assertIn("sm_108 is in no table", done.out)
        kinds = self.flense("inspect", f"oci:{self.path('new')}", "--json").json["device_code"]["totals"]
        # Code for 10.0 runs on every later minor; the architecture-specific code of 9.0 on nothing else.
        self.assertIn("sm_100", [one["arch"] for one in kinds])
        self.assertNotIn("sm_90a", [one["arch"] for one in kinds])
        for known in ("sm_107", "sm_88", "sm_121f"):
            self.assertNotIn("in no table", self.flense("slim", self.archive, "--gpu", known, "--dry-run").out)
        self.flense("slim", self.archive, "--gpu", "sm_36", "--dry-run", expect=2)

    def test_what_fails_in_the_original_ends_the_run_before_the_image_is_read(self):
        if subprocess.run(["bwrap", "--ro-bind", "/", "/", "true"], check=False).returncode != 0:
            self.skipTest("bubblewrap cannot start here")
        plan = self.path("plan.json")
        done = self.flense("slim", self.archive, *GPU, "-o", f"oci:{self.path('x')}", "--plan", plan, "--verify",
                           "/bin/no-such-command", expect=1)
        self.assertIn("proves nothing, in the original it ends with", done.err)
        self.assertNotIn("the slim image", done.err)
        # The plan is saved as soon as there is one: there was none.
        self.assertFalse(os.path.exists(plan))
        self.assertFalse(os.path.exists(self.path("x")))

    def test_what_cannot_fit_is_refused_before_the_work(self):
        if os.geteuid() != 0:
            self.skipTest("a small file system of its own needs root")
        small = self.path("small")
        os.mkdir(small)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", small], check=False).returncode != 0:
            self.skipTest("the kernel forbids mounting a tmpfs")
        self.addCleanup(subprocess.run, ["umount", small], check=False)
        root = self.path("root")
        self.flense("slim", self.archive, *GPU, "-o", f"dir:{root}")
        done = self.flense("slim", root, *GPU, "-o", f"dir:{small}/out", expect=4)
        self.assertIn("not enough space:", done.err)
        self.assertIn("hint:", done.err)
        self.assertEqual(os.listdir(small), [])


if __name__ == "__main__":
    harness.main()
