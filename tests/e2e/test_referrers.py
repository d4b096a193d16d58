#!/usr/bin/env python3
"""What hangs on slim images in a registry: found by the digest of the image, through the registry's own list or the tag that
stands in for it (distribution-spec 1.1)."""

import hashlib
import json
import shutil
import subprocess
import unittest

import fixtures
import fleets
import harness
import registries
import test_batch

NODES = "application/vnd.nfd.image-compatibility.v1alpha1"
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

    def test_the_fleet_does_not_take_the_lists_for_images(self):
        self.there.push(f"docker-archive:{self.path('app.tar')}", "up:1")
        self.flense("slim", f"docker://{self.there.address}/up:1", "--variants", "h100", "-t", f"docker://{self.there.address}/app:1",
                    env=self.env)
        self.assertEqual(self.states(f"docker://{self.there.address}/app", expect=0), [("app:1-sm_90", "fresh")])


if __name__ == "__main__":
    harness.main()
