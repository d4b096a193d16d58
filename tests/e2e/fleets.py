"""Images for some GPUs in registries, as `flense slim --variants` writes them, planted without it; and calls of flense fleet."""

import base64
import json
import os
import shutil

import engines
import harness
import registries
import schema
from registries import CONFIG, INDEX, MANIFEST

ORIGINAL = "sha256:" + "0" * 64


def manifest(size, **annotations):
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:" + "1" * 64, "size": size}
    return {"schemaVersion": 2, "mediaType": MANIFEST, "config": {"mediaType": CONFIG, "digest": "sha256:" + "2" * 64, "size": 2},
            "layers": [layer], **({"annotations": annotations} if annotations else {})}


def made_for(gpu, origin, made_from, saved="1000"):
    """The annotations of an image for a GPU."""
    return {"dev.flense.targets": gpu, "dev.flense.input-digest": ORIGINAL, "dev.flense.saved-bytes": saved,
            "dev.flense.input-reference": f"{origin}@{made_from}"}


def entry(digest, gpu=None, annotations=None):
    platform = {"architecture": "amd64", "os": "linux"}
    if gpu:
        platform["os.features"] = ["dev.flense.gpu." + gpu]
    return {"mediaType": MANIFEST, "digest": digest, "size": 100, "platform": platform,
            **({"annotations": annotations} if annotations else {})}


class Fleet(harness.Case):
    def setUp(self):
        super().setUp()
        # Nobody's own logins.
        self.env = {"REGISTRY_AUTH_FILE": self.path("logins.json")}

    def registry(self, name="registry", **options):
        registry = engines.Registry(self.path(name), **options)
        self.addCleanup(registry.stop)
        registry.store = registries.Store(self.path(name))
        return registry

    def way(self, registry, **options):
        way = registries.Way(registry.address, **options)
        self.addCleanup(way.stop)
        return way

    def login(self, address, password):
        with open(self.env["REGISTRY_AUTH_FILE"], "w") as out:
            json.dump({"auths": {address: {"auth": base64.b64encode(f"user:{password}".encode()).decode()}}}, out)

    def fleet(self, action, *words, expect=0, **env):
        return self.flense("fleet", action, *words, expect=expect, env={**self.env, **env})

    def status(self, *words, expect=0, **env):
        told = self.fleet("status", *words, "--json", expect=expect, **env).json
        self.assertEqual(schema.complaints(told, "flense/fleet-status/v1"), [])
        return told

    def states(self, *words, expect, **env):
        return [(one["reference"].split("/", 1)[1], one["state"]) for one in self.status(*words, expect=expect, **env)["images"]]

    def plant(self, registry, number=1, gpus=("sm_90", "sm_80"), origin_at=None, repository="app"):
        """An original of its own at up/NAME:NUMBER, and an index over it at NAME:NUMBER. Returns the digests of its images."""
        put = registry.store.put
        original = put(f"up/{repository}", str(number), manifest(1000 + number))
        put(repository, None, manifest(1000 + number))
        origin = f"{origin_at or registry.address}/up/{repository}:{number}"
        entries, digests = [entry(original)], []
        for gpu in gpus:
            annotations = made_for(gpu, origin, original)
            digests.append(put(repository, f"{number}-{gpu}", manifest(10 + number, **annotations)))
            entries.append(entry(digests[-1], gpu, annotations))
        put(repository, str(number), {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})
        return digests

    def drop_tag(self, registry, repository, tag):
        shutil.rmtree(os.path.join(registry.store.root, f"repositories/{repository}/_manifests/tags/{tag}"))
