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
        before = self.shown(registry, "1")
        told = self.prune(f"docker://{registry.address}/app:1", "--yes", expect=1)
        self.assertEqual({one["stays_because"] for one in told["images"]},
                         {f"{registry.address} is not set up to delete anything"})
        # And is asked so before an index is written: the next time finds the same.
        self.assertEqual((told["indexes"], self.shown(registry, "1")), ([], before))
        self.prune(f"docker://{registry.address}/app:1", "--yes", expect=1)

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

    def test_what_an_origin_hides_is_not_gone(self):
        """Nor is what another server answers in its place."""
        registry = self.registry(delete=True)
        unknown, denied = ({"errors": [{"code": code} for code in codes]} for codes in (["NAME_UNKNOWN"], ["DENIED", "MANIFEST_UNKNOWN"]))
        pages = [(200, "text/html", b"<html>maintenance</html>"), (200, "application/json", b'{"errors":[{"code":"TOOMANYREQUESTS"}]}'),
                 (200, fleets.MANIFEST, b"{}"), (404, "application/json", json.dumps(unknown).encode()),
                 (404, "application/json", json.dumps(denied).encode())]
        for login in (None, "user:secret"):
            for status, kind, body in pages:
                answer = (status, [("Content-Type", kind)], body)
                way = self.way(registry, login=login, fault=lambda _, path, answer=answer: answer if "/up/" in path else None)
                self.login(way.address, "secret")
                self.plant(registry, 1, origin_at=way.address)
                # Who has a login is told what is there.
                gone = login and b"NAME_UNKNOWN" in body
                told = self.prune(f"docker://{registry.address}/app:1", "--stale", expect=0 if gone else 5)
                self.assertEqual({one["state"] for one in told["images"]}, {"origin_gone"} if gone else set(), answer)

    def test_all_pages_are_read_or_nothing_goes(self):
        registry = self.registry(delete=True)
        self.plant(registry, 1, gpus=("sm_90",))
        registry.store.put("up/app", "1", fleets.manifest(5))
        registry.store.put("app", "prod", json.loads(self.shown(registry, "1-sm_90")[0]))
        more, pages = "/v2/app/tags/list?last=x&n=3", []
        for link, understood in ((f'<{more}>;rel=next', True), (f'<{more}>; REL="Next"', True), ("<?last=x&n=3>; rel=next", True),
                                 (f'</v2/x>; rel="prev", <{more}>; rel="next"', True), (f'{more}; rel="next"', False),
                                 (f'<{more.replace("app", "internal/app")}>; rel="next"', False),
                                 ('</v2/app/tags/list?n=1000>; rel="next"', False)):
            def page(_, path, link=link):
                if "/tags/list" not in path:
                    return None
                pages.append(path)
                tags, headers = (["prod"], []) if "last=" in path else (["1", "1-sm_90"], [("Link", link)])
                return 200, headers, json.dumps({"name": "app", "tags": tags}).encode()
            way = self.way(registry, fault=page)
            told = self.prune(f"docker://{way.address}/app:1", "--stale", "--yes", expect=1)
            one, = told["images"]
            self.assertRegex(one["stays_because"], "the tag prod shows it, too" if understood else "more tags than it shows|back to itself", link)
            self.assertIn(("app:1-sm_90", "stale"), self.states(f"docker://{way.address}/app", expect=1))
        self.assertLess(len(pages), 100)
        # A list of ever new tags ends.
        def endless(_, path):
            number = int(path.rsplit("=", 1)[1]) if "last=" in path else 0
            return (200, [("Link", f"<?last={number + 1}>; rel=next")], json.dumps({"tags": [f"t{number}"]}).encode()) \
                if "/tags/list" in path else None
        way = self.way(registry, fault=endless)
        told = self.status(f"docker://{way.address}/app", expect=1)["images"]
        self.assertIn("or 1000 pages of them", told[0]["reason"])

    def test_a_tag_that_somebody_gave_stays_until_it_is_named(self):
        registry = self.registry(delete=True)
        self.plant(registry, 1, gpus=("sm_90",))
        registry.store.put("up/app", "1", fleets.manifest(5))
        registry.store.put("app", "prod", json.loads(self.shown(registry, "1-sm_90")[0]))
        told = self.prune(f"docker://{registry.address}/app", "--stale", "--yes", expect=1)
        self.assertEqual({one["reference"].split(":")[-1]: one["stays_because"] for one in told["images"]},
                         {"1-sm_90": "the tag prod shows it, too", "prod": "slim gives no tag prod: name it to have it removed"})
        self.assertEqual(registries.get(registry.address, "app/manifests/prod")[0], 200)
        self.prune(f"docker://{registry.address}/app", f"docker://{registry.address}/app:prod", "--stale", "--yes")
        self.assertEqual(registries.get(registry.address, "app/manifests/prod")[0], 404)

    def test_an_index_in_an_index_keeps_what_it_lists(self):
        registry = self.registry(delete=True)
        self.plant(registry, 1, gpus=("sm_90",))
        registry.store.put("up/app", "1", fleets.manifest(5))
        inner = registry.store.put("app", None, json.loads(self.shown(registry, "1")[0]))
        registry.store.put("app", "all", {"schemaVersion": 2, "mediaType": fleets.INDEX, "manifests": [
            {"mediaType": fleets.INDEX, "digest": inner, "size": 1}]})
        told = self.prune(f"docker://{registry.address}/app:1", "--stale", "--yes", expect=1)
        self.assertEqual([one["stays_because"] for one in told["images"]], ["an index in the index all lists it, too"])
        self.assertEqual(registries.get(registry.address, f"app/manifests/{told['images'][0]['digest']}")[0], 200)

    def test_images_that_the_index_does_not_list_any_more(self):
        """Of a GPU that was taken out of the list; also where the tag alone is named."""
        registry = self.registry(delete=True)
        self.plant(registry, 1)
        index = json.loads(self.shown(registry, "1")[0])
        index["manifests"].pop()
        registry.store.put("app", "1", index)
        for name in ("app", "app:1"):
            self.assertEqual(self.states(f"docker://{registry.address}/{name}", expect=1), [("app:1-sm_90", "fresh"), ("app:1-sm_80", "missing")])
            self.assertEqual(self.prune(f"docker://{registry.address}/{name}")["images"], [])
            self.assertEqual(len(self.prune(f"docker://{registry.address}/{name}", "--stale")["images"]), 1)
        # A push that is under way lists it before it is taken away.
        asked = []

        def push(method, path):
            if path == "/v2/app/manifests/1" and method == "GET":
                asked.append(path)
                if len(asked) == 3:
                    self.plant(registry, 1)
        way = self.way(registry, fault=push)
        told = self.prune(f"docker://{way.address}/app:1", "--stale", "--yes", expect=1)
        self.assertEqual([one["stays_because"] for one in told["images"]], ["the index 1 lists it now"])
        registry.store.put("app", "1", index)
        self.prune(f"docker://{registry.address}/app:1", "--stale", "--yes")
        self.assertEqual([registries.get(registry.address, f"app/manifests/{tag}")[0] for tag in ("1-sm_90", "1-sm_80")], [200, 404])
        # Where the index lists none for a GPU a first push may be under way.
        self.plant(registry, 2)
        registry.store.put("app", "2", fleets.manifest(1002))
        self.assertEqual(self.prune(f"docker://{registry.address}/app:2", "--stale")["images"], [])


if __name__ == "__main__":
    harness.main()
