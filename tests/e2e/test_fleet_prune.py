#!/usr/bin/env python3
"""flense fleet prune: what goes from a registry, and what stays because something else names it."""

import json
import shutil
import unittest

import fleets
import harness
import registries
import schema


@unittest.skipIf(shutil.which("docker-registry") is None, "docker-registry is not installed")
class Prune(fleets.Fleet):
    def shown(self, registry, *tags):
        return [registries.get(registry.address, f"app/manifests/{tag}")[2] for tag in tags]

    def prune(self, *words, expect=0):
        told = self.fleet("prune", *words, "--json", expect=expect).json
        self.assertEqual(schema.complaints(told, "flense/fleet-prune/v1"), [])
        return told

    def test_a_dry_run_changes_nothing(self):
        registry = self.registry(delete=True)
        self.plant(registry, 1)
        self.plant(registry, 2)
        self.drop_tag(registry, "up/app", "1")
        registry.store.put("up/app", "2", fleets.manifest(5))
        way = self.way(registry)
        told = self.prune(f"docker://{way.address}/app", "--stale")
        self.assertEqual((told["done"], sorted(told["indexes"])), (False, [f"{way.address}/app:1", f"{way.address}/app:2"]))
        self.assertEqual({method for method, _, _ in way.seen}, {"GET", "HEAD"})
        self.assertIn("nothing was changed; --yes does it", self.fleet("prune", f"docker://{way.address}/app").out)
        self.assertEqual(len(self.prune(f"docker://{way.address}/app")["images"]), 2)

    def test_what_goes_and_what_stays(self):
        registry = self.registry(delete=True)
        planted = {number: self.plant(registry, number) for number in range(1, 6)}
        for number in (1, 3, 4):
            self.drop_tag(registry, "up/app", str(number))
        registry.store.put("up/app", "2", fleets.manifest(5))
        # Another tag shows an image of 3, and another index lists one of 4.
        for tag, origin in (("3-sm_90", "prod"), ("4", "latest")):
            registry.store.put("app", origin, json.loads(self.shown(registry, tag)[0]))
        untouched = self.shown(registry, "2", "5", "prod", "latest", "4")
        names = [f"docker://{registry.address}/app:{number}" for number in range(1, 6)]
        told = self.prune(*names, "--yes", expect=1)
        self.assertEqual({one["reference"].split(":")[-1]: one["stays_because"] for one in told["images"]},
                         {"1-sm_90": "", "1-sm_80": "", "3-sm_90": "the tag prod shows it, too", "3-sm_80": "",
                          "4-sm_90": "the index latest lists it, too", "4-sm_80": "the index latest lists it, too"})
        self.assertEqual(self.shown(registry, "2", "5", "prod", "latest", "4"), untouched)
        for tag, there in (("1", True), ("1-sm_90", False), ("1-sm_80", False), ("3", True), ("3-sm_90", True), ("3-sm_80", False)):
            self.assertEqual(registries.get(registry.address, f"app/manifests/{tag}")[0], 200 if there else 404, tag)
        listed = {tag: [one["digest"] for one in json.loads(text)["manifests"]][1:]
                  for tag, text in zip(("1", "3"), self.shown(registry, "1", "3"))}
        self.assertEqual(listed, {"1": [], "3": planted[3][:1]})
        # Both tags that list them named: they go from both.
        told = self.prune(f"docker://{registry.address}/app:4", f"docker://{registry.address}/app:latest", "--yes")
        self.assertEqual(sorted(told["indexes"]), [f"{registry.address}/app:4", f"{registry.address}/app:latest"])
        self.assertEqual(registries.get(registry.address, f"app/manifests/{planted[4][0]}")[0], 404)

    def test_who_does_not_delete(self):
        registry = self.registry()
        self.plant(registry, 1)
        self.drop_tag(registry, "up/app", "1")
        told = self.prune(f"docker://{registry.address}/app:1", "--yes", expect=1)
        self.assertEqual({one["stays_because"] for one in told["images"]},
                         {f"{registry.address} is not set up to delete anything"})

    def test_an_index_that_moves_meanwhile_stays(self):
        registry = self.registry(delete=True)
        self.plant(registry, 1)
        self.drop_tag(registry, "up/app", "1")
        reads = []

        def fault(method, path):
            """Somebody pushes behind the last reading."""
            if path == "/v2/app/manifests/1":
                reads.append(method)
                if method == "HEAD":
                    registry.store.put("app", "1", fleets.manifest(77))
        way = self.way(registry, fault=fault)
        told = self.prune(f"docker://{way.address}/app:1", "--yes", expect=1)
        self.assertEqual({one["stays_because"] for one in told["images"]}, {"the index 1 moved meanwhile"})
        self.assertEqual(json.loads(self.shown(registry, "1")[0])["layers"][0]["size"], 77)

    def test_what_could_not_be_asked_stays(self):
        """Neither an error nor a page of a proxy says that an origin is gone."""
        registry = self.registry(delete=True)
        for status in (404, 500):
            way = self.way(registry, fault=lambda _, path, status=status: status if "/up/" in path else None)
            self.plant(registry, 1, origin_at=way.address)
            told = self.fleet("prune", f"docker://{registry.address}/app:1", "--stale", "--yes", "--json", expect=5)
            self.assertEqual(told.json["images"], [])
            self.assertRegex(told.err, r"note: \S+/app:1-sm_\d+ stays: \S")


if __name__ == "__main__":
    harness.main()
