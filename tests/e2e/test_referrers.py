#!/usr/bin/env python3
"""What hangs on slim images in a registry: found by the digest of the image, through the registry's own list or the tag that
stands in for it (distribution-spec 1.1)."""

import hashlib
import json
import os
import shutil
import subprocess
import unittest

import fixtures
import fleets
import harness
import registries
import test_batch
import test_variants

NODES = "application/vnd.nfd.image-compatibility.v1alpha1"
PROOF = "application/vnd.in-toto+json"
EMPTY = "application/vnd.oci.empty.v1+json"


@unittest.skipIf(shutil.which("docker-registry") is None, "docker-registry is not installed")
class Referrers(fleets.Fleet):
    def setUp(self):
        super().setUp()
        self.there = self.registry(delete=True)
        layers, _ = fixtures.sample_layers(self.work)
        fixtures.docker_archive(self.path("app.tar"), layers, fixtures.INSTRUCTIONS)

    def slim(self, address=None, expect=0, **more):
        return self.flense("slim", self.path("app.tar"), "--variants", "h100,a100", "--json", "-t",
                           f"docker://{address or self.there.address}/app:1", expect=expect, env=self.env, **more)

    def manifest(self, reference):
        status, _, body = registries.get(self.there.address, f"app/manifests/{reference}")
        return json.loads(body) if status == 200 else None

    def blob(self, descriptor):
        status, _, body = registries.get(self.there.address, "app/blobs/" + descriptor["digest"])
        self.assertEqual((status, "sha256:" + hashlib.sha256(body).hexdigest(), len(body)),
                         (200, descriptor["digest"], descriptor["size"]))
        return body

    def hanging(self, digest):
        """By the tag that stands in for the registry's list."""
        return self.manifest(digest.replace(":", "-"))["manifests"]

    def signature(self, **more):
        """Of somebody else, as a list has it."""
        digest = self.there.store.put("app", None, fleets.manifest(7))
        return {"mediaType": registries.MANIFEST, "digest": digest, "size": 3, "artifactType": "a/signature", **more}

    def test_each_image_has_what_a_node_must_have(self):
        images = self.slim().json["variants"]
        for image, minor in zip(images, ("9.0", "8.0")):
            entry, = self.hanging(image["digest"])
            self.assertEqual(entry["artifactType"], NODES)
            artefact = self.manifest(entry["digest"])
            size = len(registries.get(self.there.address, "app/manifests/" + image["digest"])[2])
            self.assertEqual(artefact["subject"], {"mediaType": registries.MANIFEST, "digest": image["digest"], "size": size})
            self.assertEqual((artefact["artifactType"], artefact["config"]["mediaType"]), (NODES, EMPTY))
            self.assertEqual(self.blob(artefact["config"]), b"{}")
            layer, = artefact["layers"]
            self.assertEqual(layer["mediaType"], "application/vnd.nfd.image-compatibility.spec.v1alpha1+yaml")
            rules = json.loads(subprocess.run(test_batch.READ_YAML, input=self.blob(layer), check=True, stdout=subprocess.PIPE).stdout)[0]
            wanted = rules["compatibilities"][0]["rules"][0]["matchAny"][0]["matchFeatures"][0]["matchExpressions"]
            self.assertEqual([wanted[f"nvidia.com/gpu.compute.{part}"]["value"] for part in ("major", "minor")],
                             [[number] for number in minor.split(".")])

    def test_a_layout_has_the_same(self):
        pushed = self.slim().json["variants"]
        layout = self.path("layout")
        self.flense("slim", self.path("app.tar"), "--variants", "h100,a100", "-o", f"oci:{layout}:1")
        with open(f"{layout}/index.json") as text:
            own = [entry for entry in json.load(text)["manifests"] if entry.get("artifactType")]
        self.assertEqual(own, [self.hanging(image["digest"])[0] for image in pushed])
        for entry in own:
            self.assertEqual(harness.file_digest(f"{layout}/blobs/sha256/{entry['digest'][7:]}"), entry["digest"].removeprefix("sha256:"))
        # They are no images.
        for tag in ("1", "1-sm_90"):
            self.flense("inspect", f"oci:{layout}:{tag}")
        self.flense("inspect", f"oci:{layout}")

    def test_the_list_keeps_what_others_hang_there(self):
        image = self.slim().json["variants"][0]
        own, = self.hanging(image["digest"])
        other = self.signature(annotations={"note": "lines\nand \"quotes\" \\ stay"})
        tag = image["digest"].replace(":", "-")
        for before in ([other], [other, own], [own]):
            self.there.store.put("app", tag, {"schemaVersion": 2, "mediaType": registries.INDEX, "manifests": before,
                                              "annotations": {"who": "somebody"}})
            self.slim()
            self.assertEqual(self.hanging(image["digest"]), before if own in before else [*before, own])
            self.assertEqual(self.manifest(tag)["annotations"], {"who": "somebody"})

    def test_two_that_write_the_list_at_a_time(self):
        """Between reading and writing, somebody else writes: both are there in the end."""
        image = self.slim().json["variants"][0]
        own, = self.hanging(image["digest"])
        tag = image["digest"].replace(":", "-")
        other = self.signature()
        self.drop_tag(self.there, "app", tag)
        lost = []

        def fault(method, path):
            if method == "GET" and path.endswith(tag) and len(lost) == 1:
                # Who has read before writes over ours.
                lost.append(path)
                self.there.store.put("app", tag, {"schemaVersion": 2, "mediaType": registries.INDEX, "manifests": [other]})
            elif method == "PUT" and path.endswith(tag):
                lost.append(path)
        self.slim(self.way(self.there, fault=fault).address)
        self.assertGreater(len(lost), 2)
        self.assertEqual(self.hanging(image["digest"]), [other, own])

    def test_a_registry_that_lists_them_itself_needs_no_tag(self):
        way = self.way(self.there)
        handler = type("Lists", (registries.Handler,), {
            "do_GET": lambda self: self.answer(200, json.dumps({"schemaVersion": 2, "mediaType": registries.INDEX,
                                                                "manifests": []}).encode())
                      if "/referrers/" in self.path else registries.Handler.do_GET(self)})
        way.RequestHandlerClass = handler
        image = self.slim(way.address).json["variants"][0]
        self.assertIsNone(self.manifest(image["digest"].replace(":", "-")))
        self.assertFalse([path for method, path, _ in way.seen if method == "PUT" and "/manifests/sha256-" in path])
        written = [path for method, path, _ in way.seen if method == "PUT" and "/manifests/" in path]
        self.assertEqual(len(written[written.index("/v2/app/manifests/1") + 1:]), 2)

    def test_a_registry_that_takes_none_still_has_the_images(self):
        for status in (400, 403, 500):
            written = []

            def fault(method, path, status=status, written=written):
                """Of manifests after the index."""
                if method == "PUT" and "/manifests/" in path:
                    written.append(path)
                    return status if "/v2/app/manifests/1" in written[:-1] else None
                return None
            way = self.way(self.there, fault=fault)
            told = self.slim(way.address).json
            self.assertTrue([notice for notice in told["notices"] if "not everything hangs on the images" in notice], told["notices"])
            self.assertEqual(registries.missing_from(self.there.address, "app", "1"), [])

    def original_with_sbom(self, edit=lambda document: document, times=1, attested=lambda text: text):
        """As BuildKit writes it: an index with the image and what is attached to it."""
        layout, library = self.path("original"), self.path("libodd.so")
        shutil.rmtree(layout, ignore_errors=True)
        fixtures.cuda_library(library, regions=3, name="odd")
        files = {"lib/libodd.so": library, "opt/lib/libodd.so.1": library, "root/.cache/pip/http": fixtures.noise("pip", 50_000), "opt/plain": "plain"}
        layer = fixtures.Layer()
        for folder in ("opt", "opt/lib", "root", "root/.cache", "root/.cache/pip"):
            layer.folder(folder)
        # A name beside the file's own, and a folder beside its own: scanners list either.
        layer.symlink("lib", "opt/lib").disk_file("opt/lib/libodd.so", library).hardlink("opt/lib/libodd.so.1", "opt/lib/libodd.so").file("root/.cache/pip/http", files["root/.cache/pip/http"]).file("opt/plain", "plain")
        image = test_variants.put_image(layout, [layer.done()])
        def content(path):
            if files[path] == library:
                with open(library, "rb") as data:
                    return data.read()
            return files[path] if isinstance(files[path], bytes) else files[path].encode()
        sums = {path: hashlib.sha1(content(path)).hexdigest() for path in files}
        document = {
            "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": "app",
            "documentNamespace": "https://example.org/app", "creationInfo": {"creators": ["Tool: syft-1"], "created": "2026-11-01T00:00:00Z"},
            "packages": [{"SPDXID": f"SPDXRef-{name}", "name": name, "downloadLocation": "NOASSERTION"} for name in ("cached", "odd")],
            "files": [{"SPDXID": f"SPDXRef-File-{number}", "fileName": "/" + path, "checksums": [{"algorithm": "SHA1", "checksumValue": sums[path]}]}
                      for number, path in enumerate(files)],
            "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-odd"},
                              {"spdxElementId": "SPDXRef-odd", "relationshipType": "CONTAINS", "relatedSpdxElement": "SPDXRef-File-0"},
                              {"spdxElementId": "SPDXRef-cached", "relationshipType": "CONTAINS", "relatedSpdxElement": "SPDXRef-File-2"}]}
        statement = {"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://spdx.dev/Document",
                     "subject": [{"name": "app", "digest": {"sha256": image["digest"][7:]}}], "predicate": edit(document)}
        predicate = {"in-toto.io/predicate-type": "https://spdx.dev/Document"}
        attestation = {"schemaVersion": 2, "mediaType": registries.MANIFEST,
                       "layers": [test_variants.blob(layout, json.dumps(statement).encode(), "application/vnd.in-toto+json", annotations=predicate)] * times,
                       "config": test_variants.blob(layout, b"{}", registries.CONFIG)}
        attached = test_variants.blob(layout, attested(json.dumps(attestation).encode()), registries.MANIFEST,
                                      platform={"architecture": "unknown", "os": "unknown"},
                                      annotations={"vnd.docker.reference.type": "attestation-manifest",
                                                   "vnd.docker.reference.digest": image["digest"]})
        index = {"schemaVersion": 2, "mediaType": registries.INDEX, "manifests": [image, attached]}
        top = test_variants.blob(layout, json.dumps(index).encode(), registries.INDEX, annotations={"org.opencontainers.image.ref.name": "1"})
        for name, content in (("index.json", {"schemaVersion": 2, "manifests": [top]}), ("oci-layout", {"imageLayoutVersion": "1.0.0"})):
            with open(f"{layout}/{name}", "w") as out:
                json.dump(content, out)
        return f"oci:{layout}:1"

    def test_an_sbom_of_the_original_becomes_that_of_the_image(self):
        original = self.original_with_sbom()
        told = self.flense("slim", original, "--variants", "h100,a100", "--json", "-t", f"docker://{self.there.address}/app:1",
                           env=self.env).json
        out, original_digest = self.path("out"), told["original"]["digest"]
        self.flense("slim", original, "--variants", "h100,a100", "-o", f"oci:{out}:1")
        for image in told["variants"]:
            entry = next(one for one in self.hanging(image["digest"]) if one["artifactType"] == "application/spdx+json")
            layer, = self.manifest(entry["digest"])["layers"]
            text = self.blob(layer)
            document = json.loads(text)
            gpu = image["tag"].removeprefix("1-")
            with open(f"{out}.{gpu}.spdx.json", "rb") as beside:
                self.assertEqual(json.load(beside)["files"], document["files"])
            self.assertEqual([package["name"] for package in document["packages"]], ["odd"])
            sums = {one["fileName"]: {check["algorithm"]: check["checksumValue"] for check in one["checksums"]} for one in document["files"]}
            self.assertEqual(sorted(sums), ["/lib/libodd.so", "/opt/lib/libodd.so.1", "/opt/plain"])
            self.assertEqual(len(set(checks["SHA1"] for checks in sums.values())), 2)
            root = self.path("root-" + gpu)
            self.flense("slim", original, "--gpu", gpu, "-o", f"dir:{root}")
            for path, checks in sums.items():
                with open(os.path.join(root, path.removeprefix("/").replace("lib/", "opt/lib/", path.startswith("/lib"))), "rb") as data:
                    self.assertEqual(checks["SHA1"], hashlib.sha1(data.read()).hexdigest(), path)
            self.assertEqual(self.manifest(entry["digest"])["subject"]["digest"], image["digest"])
            self.assertIn(original_digest, text.decode())
            self.assertNotEqual(document["documentNamespace"], "https://example.org/app")
            self.assertTrue(any(f"{image['tag']}: the original's SBOM (SPDX 2.3) is made anew: 1 of 2 packages stay; files gone: 1, changed: 2" == notice
                                for notice in told["notices"]), told["notices"])

    def test_an_sbom_that_is_none_is_told(self):
        for number, edit in enumerate([lambda document: document | {"files": {}}, lambda document: {"spdxVersion": "SPDX-1.2"},
                                       lambda document: []]):
            original = self.original_with_sbom(edit)
            told = self.flense("slim", original, "--variants", "h100", "--json", "-o", f"oci:{self.path(f'out-{number}')}:1").json
            self.assertTrue([notice for notice in told["notices"] if "is not made anew: " in notice], told["notices"])
        # What is attached is taken over with the index: what is no document, or names no blob, ends the run before it writes.
        odd = [(b"[]", 0), (b'{"layers": 7}', 0), (b"{", 3), (b'{"layers": [{"annotations": 1}, null]}', 3)]
        for number, (text, status) in enumerate(odd):
            original = self.original_with_sbom(attested=lambda _, text=text: text)
            self.flense("slim", original, "--variants", "h100", "-o", f"oci:{self.path(f'odd-{number}')}:1", expect=status)
            self.assertEqual(os.path.exists(self.path(f"odd-{number}")), status == 0)

    def test_several_sboms_are_all_there(self):
        out = self.path("out")
        told = self.flense("slim", self.original_with_sbom(times=6), "--variants", "h100", "--json", "-o", f"oci:{out}:1").json
        self.assertEqual(sorted(name for name in os.listdir(self.work) if name.endswith("spdx.json")),
                         ["out.sm_90.2.spdx.json", "out.sm_90.3.spdx.json", "out.sm_90.4.spdx.json", "out.sm_90.spdx.json"])
        self.assertIn("1-sm_90: of the original's SBOMs only 4 are made anew", told["notices"])

    def test_the_proof_of_each_image_hangs_on_it(self):
        file = self.path("app.proof.json")
        told = self.flense("slim", self.path("app.tar"), "--variants", "h100,a100", "--json", "--prove", file, "-t",
                           f"docker://{self.there.address}/app:1", env=self.env).json
        self.assertFalse(os.path.exists(file))
        for image, gpu, other in zip(told["variants"], ("sm_90", "sm_80"), ("sm_80", "sm_90")):
            self.assertEqual(image["attached"], [NODES, PROOF])
            entry = next(one for one in self.hanging(image["digest"]) if one["artifactType"] == PROOF)
            layer, = self.manifest(entry["digest"])["layers"]
            with open(self.path(f"app.proof.{gpu}.json"), "rb") as beside:
                self.assertEqual(beside.read(), self.blob(layer))
            name = f"docker://{self.there.address}/app:1-{gpu}"
            with open(self.path(f"app.proof.{gpu}.json")) as beside:
                self.assertEqual([one["name"] for one in json.load(beside)["subject"]], [name])
            self.flense("verify", name, "--proof", self.path(f"app.proof.{gpu}.json"), env=self.env)
            self.flense("verify", name, "--proof", self.path(f"app.proof.{other}.json"), env=self.env, expect=1)

    def test_images_are_proved_before_anything_is_pushed(self):
        way = self.way(self.there, fault=lambda method, *_: 500 if method in ("POST", "PATCH", "PUT") else None)
        self.flense("slim", self.path("app.tar"), "--variants", "h100", "--prove", self.path("proof.json"), "-t",
                    f"docker://{way.address}/app:1", env=self.env, expect=4)
        self.assertTrue(os.path.exists(self.path("proof.sm_90.json")))
        self.assertIsNone(self.manifest("1"))
        # One that cannot be written ends it before: as nobody may write there, a directory of the name lies in the way.
        os.mkdir(self.path("other.sm_90.json"))
        self.flense("slim", self.path("app.tar"), "--variants", "h100", "--prove", self.path("other.json"), "-t",
                    f"docker://{self.there.address}/app:1", env=self.env, expect=4)
        self.assertIsNone(self.manifest("1"))

    def test_an_image_for_some_gpu_is_an_original_too(self):
        """What the first run says of itself in its manifest is not what the second has to keep. No tag is the latest."""
        first = self.path("first")
        self.flense("slim", self.path("app.tar"), "--variants", "h100,a100", "-o", f"oci:{first}:1")
        self.flense("slim", f"oci:{first}:1-sm_80", "--variants", "a100", "-t", f"docker://{self.there.address}/again",
                    "--prove", self.path("again.json"), env=self.env)
        self.flense("verify", f"docker://{self.there.address}/again:latest-sm_80", "--proof", self.path("again.sm_80.json"), env=self.env)

    def test_a_layout_has_its_proofs_beside_it(self):
        out, file = self.path("out"), self.path("proof")
        told = self.flense("slim", self.path("app.tar"), "--variants", "h100,a100", "--json", "--prove", file, "-o", f"oci:{out}:1").json
        self.assertEqual([image["attached"] for image in told["variants"]], [[], []])
        for gpu in ("sm_90", "sm_80"):
            self.flense("verify", f"oci:{out}:1-{gpu}", "--against", self.path("app.tar"), "--proof", f"{file}.{gpu}")
        self.flense("slim", self.path("app.tar"), "--variants", "h100", "--prove", file, "--dry-run", expect=2)

    def test_what_hangs_on_the_original_is_named(self):
        self.there.push(f"docker-archive:{self.path('app.tar')}", "up:1")
        words = ["slim", f"docker://{self.there.address}/up:1", "--json"]
        def named(number):
            notices = []
            for how in ("--gpu", "--variants"):
                done = self.flense(*words, how, "h100", "-o", f"oci:{self.path(f'{how}-{number}')}:1", env=self.env)
                notices.append([notice for notice in done.json["notices"] if "the original hang" in notice])
            return notices
        self.assertEqual(named(1), [[], []])
        digest = registries.get(self.there.address, "up/manifests/1")[1]["Docker-Content-Digest"]
        tag = digest.replace(":", "-")
        signature = {"mediaType": registries.MANIFEST, "digest": self.there.store.put("up", None, fleets.manifest(7)), "size": 3}
        self.there.store.put("up", tag, {"schemaVersion": 2, "mediaType": registries.INDEX, "manifests": [
            signature | {"artifactType": "application/spdx+json"}, signature | {"artifactType": "application/spdx+json"}]})
        self.there.store.put("up", tag + ".sig", fleets.manifest(8))
        line = ["on the original hang, and speak of it alone: application/spdx+json (2), cosign's signature"]
        self.assertEqual(named(2), [line, line])

    def test_the_fleet_does_not_take_the_lists_for_images(self):
        self.there.push(f"docker-archive:{self.path('app.tar')}", "up:1")
        self.flense("slim", f"docker://{self.there.address}/up:1", "--variants", "h100", "-t", f"docker://{self.there.address}/app:1",
                    env=self.env)
        self.assertEqual(self.states(f"docker://{self.there.address}/app", expect=0), [("app:1-sm_90", "fresh")])
        # Nor does it ask for them.
        way = self.way(self.there)
        self.fleet("status", f"docker://{way.address}/app")
        self.assertTrue(way.seen)
        self.assertFalse([path for _, path, _ in way.seen if "/manifests/sha256-" in path])


if __name__ == "__main__":
    harness.main()
