#!/usr/bin/env python3
"""One index with an image for each of several GPUs behind the original: what is in it, what engines take of it, and which
image flense itself takes on a machine."""

import hashlib
import json
import os
import shutil
import unittest

import engines
import fixtures
import harness
import hosts
import imagetree
import schema

MARKER = "usr/share/flense/slim.json"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def blob(layout, data, kind, **more):
    """Puts it into a layout; returns its descriptor."""
    digest = hashlib.sha256(data).hexdigest()
    os.makedirs(os.path.join(layout, "blobs/sha256"), exist_ok=True)
    with open(os.path.join(layout, "blobs/sha256", digest), "wb") as out:
        out.write(data)
    return {"mediaType": kind, "digest": "sha256:" + digest, "size": len(data), **more}


def put_image(layout, layers, architecture="amd64", **more):
    config = {**fixtures.config_for(layers, [f"RUN step {i}" for i in range(len(layers))], ["/bin/sh"]),
              "architecture": architecture}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST,
                "config": blob(layout, json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
                "layers": [blob(layout, layer, "application/vnd.oci.image.layer.v1.tar") for layer in layers]}
    return blob(layout, json.dumps(manifest).encode(), MANIFEST,
                platform={"architecture": architecture, "os": "linux"}, **more)


def multi_platform(layout, layers):
    """arm64, amd64 and the latter's attestation, in an index with an annotation, named "1". Returns its descriptor."""
    arm = fixtures.Layer().folder("etc").file("etc/arm", "arm").done()
    images = [put_image(layout, [arm], "arm64"), put_image(layout, layers)]
    statement = blob(layout, b'{"_type": "https://in-toto.io/Statement/v0.1"}', "application/vnd.in-toto+json")
    attestation = {"schemaVersion": 2, "mediaType": MANIFEST, "layers": [statement],
                   "config": blob(layout, b"{}", "application/vnd.oci.image.config.v1+json")}
    images.append(blob(layout, json.dumps(attestation).encode(), MANIFEST,
                       platform={"architecture": "unknown", "os": "unknown"},
                       annotations={"vnd.docker.reference.type": "attestation-manifest",
                                    "vnd.docker.reference.digest": images[1]["digest"]}))
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": images, "annotations": {"who": "upstream"}}
    top = blob(layout, json.dumps(index).encode(), INDEX, annotations={"org.opencontainers.image.ref.name": "1"})
    with open(os.path.join(layout, "index.json"), "w") as out:
        json.dump({"schemaVersion": 2, "manifests": [top]}, out)
    with open(os.path.join(layout, "oci-layout"), "w") as out:
        out.write('{"imageLayoutVersion": "1.0.0"}')
    return top


def odd_layers(work):
    """Device code and what is cut for all GPUs side by side, in ways that make parts of a layer hard to tell apart."""
    library = f"{work}/libodd.so"
    fixtures.cuda_library(library, regions=3, name="odd")
    base = fixtures.Layer()
    for folder in ("opt", "opt/lib", "opt/old", "var", "var/lib", "var/lib/dpkg", "var/lib/dpkg/info", "usr"):
        base.folder(folder)
    # The first marker makes the directory usr/share/flense, and a later layer gives usr/share its time again.
    base.folder("usr/share").file("root/.cache/pip/first", fixtures.noise("first", 40_000))
    base.file("opt/lib/gone", "below").file("opt/old/file", "below").file("opt/place", "a file")
    # A layer with device code, hard links to it and to what has none, whiteouts, lists, caches, attributes.
    middle = fixtures.Layer()
    middle.folder("usr").folder("usr/share", mtime=fixtures.EPOCH + 3)
    middle.folder("opt", 0o711, uid=7, mtime=fixtures.EPOCH + 9).folder("opt/lib", 0o750, gid=8).folder("opt/old").opaque("opt/old")
    middle.disk_file("opt/lib/libodd.so", library, xattrs={"user.note": b"kept"})
    middle.hardlink("opt/lib/libodd.so.1", "opt/lib/libodd.so").symlink("opt/lib/libodd.so.2", "libodd.so.1")
    middle.whiteout("opt/lib/gone").file("opt/old/new", "new").folder("opt/place").file("opt/place/inside", "x")
    middle.file("opt/plain", fixtures.noise("plain", 70_000)).hardlink("opt/plain-too", "opt/plain")
    middle.folder("root").folder("root/.cache").folder("root/.cache/pip").file("root/.cache/pip/http", fixtures.noise("pip", 50_000))
    with open(library, "rb") as data:
        digest = hashlib.md5(data.read()).hexdigest()
    middle.file("var/lib/dpkg/info/odd.md5sums", f"{digest}  opt/lib/libodd.so\n")
    middle.file("var/lib/dpkg/info/plain.md5sums", "d41d8cd98f00b204e9800998ecf8427e  opt/empty\n").file("opt/empty", "")
    # Cuts that no GPU decides.
    upper = fixtures.Layer()
    upper.folder("root/.cache/pip").file("root/.cache/pip/more", fixtures.noise("more", 40_000)).file("srv/data", "data")
    # Its order matters: a path stands twice.
    twice = fixtures.Layer()
    twice.file("opt/twice/libodd.so", "first").disk_file("opt/twice/libodd.so", library).file("root/.cache/pip/last", "x" * 5000)
    # An upper layer that writes a library again: the lower one's is gone for all.
    again = fixtures.Layer()
    again.disk_file("opt/lib/libodd.so", library, 0o700)
    return [base.done(), middle.done(), upper.done(), twice.done(), again.done()]


class Variants(harness.Case):
    def setUp(self):
        super().setUp()
        self.layers, _ = fixtures.sample_layers(self.work)

    def archive(self, layers=None):
        layers = layers or self.layers
        fixtures.docker_archive(self.path("app.tar"), layers, [f"RUN step {i}" for i in range(len(layers))])
        return self.path("app.tar")

    def slim(self, target, *options, variants="h100,a100,sm_70", expect=0):
        return self.flense("slim", target, "--variants", variants, *options, expect=expect)

    def index(self, layout, tag="1"):
        return layout.document(layout.named(tag))

    def assert_alone(self, target, layout, *options, tag="1", targets=("sm_90", "sm_80", "sm_70")):
        """Each image has the tree that slim makes for its GPU alone."""
        images = {}
        for gpu in targets:
            alone = self.path("alone-" + gpu)
            self.flense("slim", target, "--gpu", gpu, "-o", alone, *options)
            wanted = imagetree.read_image(alone)
            images[gpu] = layout.image(layout.named(f"{tag}-{gpu}"))
            before, after = imagetree.merged(wanted.layers), imagetree.merged(images[gpu].layers)
            self.assertEqual(imagetree.difference(before, after), ([], [], []), gpu)
            self.assertEqual({**images[gpu].config, "rootfs": 0, "history": 0},
                             {**wanted.config, "rootfs": 0, "history": 0})
            self.assertIn(f'"{gpu}"', after[MARKER]["data"].decode())
            if shutil.which("umoci"):
                self.assertEqual(self.directories(alone, None), self.directories(layout.path, f"{tag}-{gpu}"))
        return images

    def directories(self, layout, tag):
        """As an unpacker leaves them: what is added below a directory may change its time. The marker's own has none."""
        with harness.tempfile.TemporaryDirectory(dir=self.work) as bundle:
            if tag is None:
                self.run_tool("skopeo", "--insecure-policy", "copy", "--dest-oci-accept-uncompressed-layers",
                              f"oci:{layout}", f"oci:{bundle}/image:x")
                layout, tag = f"{bundle}/image", "x"
            mapped = [] if os.geteuid() == 0 else ["--rootless"]
            self.run_tool("umoci", "unpack", *mapped, "--image", f"{layout}:{tag}", f"{bundle}/b")
            states = {os.path.relpath(folder, f"{bundle}/b"): os.lstat(folder) for folder, _, _ in os.walk(f"{bundle}/b/rootfs")}
        return {path: (state.st_mode, state.st_uid, state.st_gid, state.st_mtime if state.st_mtime < 1.75e9 else "now")
                for path, state in states.items() if path != f"rootfs/{os.path.dirname(MARKER)}"}

    def test_every_image_is_what_it_is_alone(self):
        target = self.archive()
        report = self.slim(target, "-o", f"oci:{self.path('out')}:app:1", "--json").json
        self.assertEqual(schema.complaints(report, "flense/slim-variants/v1"), [])
        layout = imagetree.Layout(self.path("out"))
        images = self.assert_alone(target, layout)
        index = self.index(layout)
        self.assertEqual(report["digest"], layout.named("1")["digest"])
        self.assertEqual([one["mediaType"] for one in index["manifests"]], [MANIFEST] * 4)
        original, *variants = index["manifests"]
        self.assertEqual(original["platform"], {"architecture": "amd64", "os": "linux"})
        self.assertEqual(layout.image(original).diff_ids, imagetree.read_image(target, "docker").diff_ids)
        for gpu, one, told in zip(("sm_90", "sm_80", "sm_70"), variants, report["variants"], strict=True):
            self.assertEqual(one["platform"], {**original["platform"], "os.features": [f"dev.flense.gpu.{gpu}"]})
            self.assertEqual(one["annotations"]["dev.flense.targets"], gpu)
            self.assertEqual(one["annotations"]["dev.flense.input-digest"], images[gpu].labels["dev.flense.input-digest"])
            self.assertEqual((told["tag"], told["digest"]), (f"1-{gpu}", one["digest"]))
            named = layout.named(f"1-{gpu}")
            self.assertEqual(named["annotations"].pop("io.containerd.image.name"), f"docker.io/library/app:1-{gpu}")
            self.assertEqual(named["annotations"].pop("org.opencontainers.image.ref.name"), f"1-{gpu}")
            self.assertEqual(named, one)
            with open(f"{self.path('out')}.{gpu}.provenance.json") as record:
                self.assertEqual(json.load(record)["output_digest"], one["digest"])
        # The base and the shared part of the library's layer are the same blobs; the library is each one's own.
        layers = {gpu: image.diff_ids for gpu, image in images.items()}
        common = set.intersection(*map(set, layers.values()))
        self.assertEqual({len(one) for one in layers.values()}, {5})
        self.assertEqual(len(common), 3)
        for gpu, image in images.items():
            own = [layer for layer, digest in zip(image.layers, image.diff_ids) if digest not in common]
            files = {name for layer in own for name, state in imagetree.merged([layer]).items() if state["type"] != "5"}
            self.assertEqual({os.path.basename(name) for name in files}, {"libfake.so.1", "RECORD", "slim.json"})
        own_bytes = [one["own_bytes"] for one in report["variants"]]
        self.assertEqual(report["added_bytes"], report["shared_bytes"] + sum(own_bytes))

    def test_parts_that_are_hard_to_tell_apart(self):
        target = self.archive(odd_layers(self.work))
        for number, options in enumerate(([], ["--level", "aggressive"], ["--level", "safe"], ["--compression", "gzip:1"])):
            out = self.path(f"out-{number}")
            self.slim(target, "-o", f"oci:{out}:1", *options)
            images = self.assert_alone(target, imagetree.Layout(out), *options)
            for gpu in images:
                shutil.rmtree(self.path("alone-" + gpu))
                os.remove(self.path(f"alone-{gpu}.provenance.json"))

    def test_it_is_deterministic(self):
        target = self.archive(odd_layers(self.work))
        digests = {self.slim(target, "-o", f"oci:{self.path(out)}:1", "--json").json["digest"] for out in ("a", "b")}
        self.assertEqual(len(digests), 1)

    def test_one_product_more_of_the_same_architecture_is_no_variant_more(self):
        report = self.slim(self.archive(), "-o", f"oci:{self.path('out')}", "--json", variants="h100,sm_90,h200").json
        self.assertEqual([one["tag"] for one in report["variants"]], ["1-sm_90"])

    def test_one_image_for_several_architectures(self):
        report = self.slim(self.archive(), "-o", f"oci:{self.path('out')}", "--json", variants="h100,h100+a100,gfx90a:xnack+").json
        self.assertEqual([one["tag"] for one in report["variants"]], ["1-sm_90", "1-sm_80-sm_90", "1-gfx90a"])
        self.assert_alone(self.path("app.tar"), imagetree.Layout(self.path("out")), targets=("sm_90",))
        done = self.flense("check", "--host", "h100@550.54.15", "--host", "a100@550.54.15", f"oci:{self.path('out')}:1", expect=None)
        self.assertIn("the image for sm_80+sm_90 is taken", done.err)

    def test_every_entry_of_the_original_stays(self):
        top = multi_platform(self.path("in"), self.layers)
        before = imagetree.Layout(self.path("in")).document(top)
        done = self.slim("oci:" + self.path("in"), "-o", f"oci:{self.path('out')}:1")
        layout = imagetree.Layout(self.path("out"))
        after = self.index(layout)
        self.assertEqual(after["manifests"][:3], before["manifests"])
        self.assertEqual(after["annotations"], before["annotations"])
        self.assertEqual(len(after["manifests"]), 6)
        self.assertIn("1 attestation speaks of the original's entries alone, and no signature of "
                      f"{top['digest']} covers the new index", done.out)
        # Every blob is there, by another reader.
        self.run_tool("skopeo", "--insecure-policy", "copy", "--all", "--preserve-digests",
                      f"oci:{self.path('out')}:1", f"dir:{self.path('dir')}")
        self.assert_alone("oci:" + self.path("in"), layout)
        # Once more changes nothing: earlier images for some GPUs are no part of the original.
        again = self.slim(f"oci:{self.path('out')}:1", "-o", f"oci:{self.path('again')}:1", "--json").json
        self.assertEqual(again["digest"], layout.named("1")["digest"])

    def test_an_entry_that_is_not_there_is_told(self):
        top = multi_platform(self.path("in"), self.layers)
        arm = imagetree.Layout(self.path("in")).document(top)["manifests"][0]
        os.remove(os.path.join(self.path("in"), "blobs/sha256", arm["digest"].removeprefix("sha256:")))
        done = self.slim("oci:" + self.path("in"), "-o", f"oci:{self.path('out')}:1")
        self.assertIn("1 of the original's 3 entries is not in oci:", done.out)
        self.assertEqual(len(self.index(imagetree.Layout(self.path("out")))["manifests"]), 5)

    def test_wrong_requests(self):
        target = self.archive()
        for options, words in ((("-o", "x", "--gpu", "h100"), "--variants and --gpu exclude each other"),
                               (("-o", "docker-archive:x.tar"), "OCI layout or a registry"),
                               (("-t", "docker-daemon:x:1"), "OCI layout or a registry"),
                               (("-o", "x", "--squash"), "--squash"), (("-o", "x", "--split", "1MiB"), "--split"),
                               (("-o", "x", "--html", "x.html"), "--html"), ((), "where the result goes")):
            self.assertIn(words, self.slim(target, *options, expect=2).err)
        # What cannot be written is known before the work.
        for option, file, words in (("--prove", "no/proof.json", "--prove: there is no directory no"), ("--prove", ".", "is a directory"),
                                    ("--save-trace", "no/trace", "--save-trace: there is no directory no")):
            self.assertIn(words, self.slim(target, "-o", "x", option, file, expect=4).err)
        self.assertEqual(os.listdir(self.work).count("x"), 0)
        os.mkdir(self.path("tree"))
        with open(self.path("tree/file"), "w"):
            pass
        self.assertIn("no layers to share", self.slim(self.path("tree"), "-o", self.path("x"), expect=2).err)
        self.assertIn("for sm_80 at standard", self.slim(target, "--dry-run").out)


class Taken(harness.Case):
    """Who takes what of such an index."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = harness.tempfile.mkdtemp(prefix="flense-variants-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        layers, _ = fixtures.sample_layers(cls.folder)
        multi_platform(f"{cls.folder}/in", layers)
        cls.layout = f"{cls.folder}/fleet"
        case = cls()
        case.work = cls.folder
        case.flense("slim", f"oci:{cls.folder}/in", "--variants", "h100,a100",
                    "-o", f"oci:{cls.layout}:1")
        layout = imagetree.Layout(cls.layout)
        cls.entries = layout.document(layout.named("1"))["manifests"]
        cls.original, cls.h100, cls.a100 = (cls.entries[i]["digest"] for i in (1, 3, 4))
        for name in ("h100", "rtx4090", "no_gpu", "mixed"):
            hosts.make(name, f"{cls.folder}/{name}")

    def runTest(self):
        pass

    def test_skopeo_takes_the_original(self):
        for name, digest in (("1", self.original), ("1-sm_90", self.h100), ("1-sm_80", self.a100)):
            copied = self.path(name)
            self.run_tool("skopeo", "--insecure-policy", "copy", "--preserve-digests", "--dest-oci-accept-uncompressed-layers",
                          f"oci:{self.layout}:{name}", f"oci:{copied}:x")
            self.assertEqual(imagetree.Layout(copied).named("x")["digest"], digest)

    def chosen(self, *options, target=None):
        done = self.flense("check", *options, target or f"oci:{self.layout}:1", "--json", expect=None)
        return done.err, done.json

    def test_check_takes_the_one_for_all_its_hosts(self):
        for options, words in ((["--host", "h100@550.54.15"], "the image for sm_90 is taken"),
                               (["--host", "a100@550.54.15"], "the image for sm_80 is taken"),
                               (["--root", f"{self.folder}/h100"], "the image for sm_90 is taken"),
                               (["--host", "h100@550.54.15", "--host", "a100@550.54.15"], "none is for sm_80 and sm_90"),
                               (["--host", "l40s@550.54.15"], "none is for sm_89"),
                               (["--root", f"{self.folder}/mixed", "--host", "this"], "the image for all GPUs is taken")):
            err, told = self.chosen(*options)
            self.assertIn(f"variant: ", err)
            self.assertIn(words, err)
            marked = [check["id"] for check in told["hosts"][0]["checks"] if check["id"] == "slim-target"]
            self.assertEqual(bool(marked), "image for sm" in words.split(" is taken")[0], (words, marked))
        err, _ = self.chosen("--host", "h100@550.54.15", "--no-variant")
        self.assertNotIn("variant:", err)
        # By its own name a variant is what it is, and judged so.
        err, told = self.chosen("--host", "a100@550.54.15", target=f"oci:{self.layout}:1-sm_90")
        self.assertNotIn("variant:", err)
        self.assertEqual({check["id"]: check["verdict"] for check in told["hosts"][0]["checks"]}["slim-target"], "fail")

    def test_inspect_and_what_changes_images_take_the_original_without_a_gpu(self):
        if os.path.exists("/proc/driver/nvidia"):
            self.skipTest("this machine has a GPU")
        done = self.flense("inspect", f"oci:{self.layout}", "--json")
        self.assertEqual(done.json["digest"], self.original)
        self.assertIn("variant: the image for all GPUs is taken", done.err)
        self.assertEqual(self.flense("inspect", f"oci:{self.layout}:1-sm_90", "--json").json["digest"], self.h100)
        plan = self.flense("slim", f"oci:{self.layout}:1", "--gpu", "h100", "--dry-run", "--json").json
        self.assertEqual(plan["digest"], self.original)

    def test_run_takes_the_one_for_the_machine(self):
        if shutil.which("crun") is None:
            self.skipTest("crun is not installed")
        for host, label in (("h100", "sm_90"), ("rtx4090", None), ("no_gpu", None)):
            done = self.flense("run", "--root", f"{self.folder}/{host}", "--no-preflight", f"oci:{self.layout}:1",
                               "cat", "/" + MARKER, expect=None)
            self.assertEqual(done.status, 0 if label else 1, done.err)
            self.assertEqual(f'"{label}"' in done.out, label is not None)
            self.assertIn("variant: the image for " + (label or "all GPUs"), done.err)
        done = self.flense("run", "--root", f"{self.folder}/h100", "--no-preflight", "--no-variant", f"oci:{self.layout}:1",
                           "cat", "/" + MARKER, expect=None)
        self.assertNotEqual(done.status, 0)

    def test_an_index_that_says_otherwise_than_the_image_is_refused(self):
        lying = self.path("lying")
        shutil.copytree(self.layout, lying)
        layout = imagetree.Layout(lying)
        index = layout.document(layout.named("1"))
        index["manifests"][4]["digest"], index["manifests"][3]["digest"] = self.h100, self.a100
        index["manifests"][4]["size"], index["manifests"][3]["size"] = (index["manifests"][i]["size"] for i in (3, 4))
        top = blob(lying, json.dumps(index).encode(), INDEX, annotations={"org.opencontainers.image.ref.name": "1"})
        with open(os.path.join(lying, "index.json"), "w") as out:
            json.dump({"schemaVersion": 2, "manifests": [top]}, out)
        done = self.flense("check", "--host", "h100@550.54.15", f"oci:{lying}", expect=3)
        self.assertIn("is for sm_90, its configuration says sm_80", done.err)
        self.flense("check", "--host", "h100@550.54.15", f"oci:{lying}", "--no-variant", expect=None)

    @unittest.skipIf(shutil.which("docker-registry") is None, "docker-registry is not installed")
    def test_through_a_registry(self):
        registry = engines.Registry(self.path("registry"))
        self.addCleanup(registry.stop)
        upstream, fleet = (f"docker://{registry.address}/{name}:1" for name in ("upstream", "app"))
        self.run_tool("skopeo", "--insecure-policy", "copy", "--all", "--dest-tls-verify=false", f"oci:{self.folder}/in:1", upstream)
        report = self.flense("slim", upstream, "--variants", "h100,a100", "-t", fleet, "--json").json

        def raw(name):
            return json.loads(self.run_tool("skopeo", "inspect", "--raw", "--tls-verify=false",
                                            f"docker://{registry.address}/{name}"))
        self.assertEqual(raw("app:1")["manifests"][:3], raw("upstream:1")["manifests"])
        self.assertEqual([one["digest"] for one in raw("app:1")["manifests"][3:]],
                         [one["digest"] for one in report["variants"]])
        tags = json.loads(self.run_tool("skopeo", "list-tags", "--tls-verify=false", f"docker://{registry.address}/app"))["Tags"]
        # What hangs on the images has tags of its own where the registry lists no referrers.
        self.assertEqual(sorted(tag for tag in tags if not tag.startswith("sha256-")), ["1", "1-sm_80", "1-sm_90"])
        for told in report["variants"]:
            text = self.run_tool("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{registry.address}/app:{told['tag']}")
            self.assertEqual("sha256:" + hashlib.sha256(text.encode()).hexdigest(), told["digest"])
        # flense pulls the one for the host, and nothing of the others.
        err, told = self.chosen("--host", "h100@550.54.15", target=fleet)
        self.assertIn("variant: the image for sm_90 is taken", err)
        err, _ = self.chosen("--host", "l40s@550.54.15", target=fleet)
        self.assertIn("the image for all GPUs is taken", err)
        if shutil.which("podman") and os.geteuid() == 0:
            storage = ["podman", "--root", self.path("podman"), "--runroot", self.path("podman-run"), "--storage-driver", "vfs"]
            taken = self.run_tool(*storage, "pull", "-q", "--tls-verify=false", fleet).split()[-1]
            config = raw(f"app@{raw('upstream:1')['manifests'][1]['digest']}")["config"]["digest"]
            self.assertEqual(taken, config.removeprefix("sha256:"))


if __name__ == "__main__":
    harness.main()
