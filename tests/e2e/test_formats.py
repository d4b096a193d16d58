#!/usr/bin/env python3
"""Every form that is read gives the same inventory and the same slim tree; every form that is
written is read back by our second reader and by skopeo."""

import os
import shutil
import subprocess

import fixtures
import harness
import imagetree


class Formats(harness.Case):
    def setUp(self):
        super().setUp()
        self.archive, self.library = fixtures.sample_archive(self.work)

    def skopeo(self, *arguments):
        self.run_tool("skopeo", "--insecure-policy", *arguments)

    def inputs(self):
        """name -> (TARGET, standard input)"""
        oci, packed, zstd = self.path("in-oci"), self.path("in-oci.tar"), self.path("in-zstd")
        self.skopeo("copy", f"docker-archive:{self.archive}", f"oci:{oci}:1")
        self.skopeo("copy", "--dest-compress-format", "zstd", f"docker-archive:{self.archive}", f"oci:{zstd}:1")
        self.skopeo("copy", f"docker-archive:{self.archive}", f"oci-archive:{packed}:1")
        return {"docker-archive": (self.archive, None), "docker-archive transport": (f"docker-archive:{self.archive}", None),
                "oci": (oci, None), "oci transport": (f"oci:{oci}:1", None), "oci zstd": (zstd, None),
                "oci-archive": (packed, None), "standard input": ("-", self.archive)}

    def read(self, command, target, stdin, *options, **more):
        if stdin is None:
            return self.flense(command, target, *options, **more)
        with open(stdin, "rb") as source:
            return self.flense(command, target, *options, stdin=source, **more)

    def test_every_input(self):
        trees, matrices = {}, {}
        for number, (name, (target, stdin)) in enumerate(self.inputs().items()):
            with self.subTest(name):
                report = self.read("inspect", target, stdin, "--json").json
                self.assertEqual(report["schema"], "flense/inventory/v1")
                self.assertEqual(len(report["layers"]), 3)
                matrices[name] = report["device_code"]["totals"]
                out = self.path(f"slim{number}")
                self.read("slim", target, stdin, "--gpu", "sm_90", "-o", f"oci:{out}")
                trees[name] = imagetree.merged(imagetree.read_image(out).layers)
        reference = trees["docker-archive"]
        for name in trees:
            self.assertEqual(matrices[name], matrices["docker-archive"], name)
            gone, new, changed = imagetree.difference(reference, trees[name])
            self.assertEqual((gone, new, changed), ([], [], []), name)

    def test_every_output(self):
        trees = {}
        for form, compression in [("oci", "zstd"), ("oci", "gzip"), ("oci", "none"), ("oci-archive", "zstd"),
                                  ("oci-archive", "gzip"), ("docker-archive", "none"), ("docker-archive", "gzip")]:
            with self.subTest(form=form, compression=compression):
                out = self.path(f"{form}-{compression}")
                self.flense("slim", self.archive, "--gpu", "sm_90", "-o", f"{form}:{out}", "--compression", compression)
                image = imagetree.read_image(out, "docker" if form == "docker-archive" else "oci")
                trees[form, compression] = imagetree.merged(image.layers)
                # An unpacked copy through skopeo verifies every digest once more.
                copy = self.path(f"copy-{form}-{compression}")
                self.skopeo("copy", f"{form}:{out}", f"dir:{copy}")
                if form == "docker-archive":
                    # Old engines and new ones: both indexes are in the archive.
                    names = subprocess.run(["tar", "-tf", out], check=True, stdout=subprocess.PIPE).stdout.decode()
                    self.assertIn("index.json", names.split())
        first = trees["oci", "zstd"]
        for key, tree in trees.items():
            self.assertEqual(imagetree.difference(first, tree), ([], [], []), key)

    def test_zstd_docker_archive_is_refused_with_a_hint(self):
        result = self.flense("slim", self.archive, "--gpu", "sm_90", "-o", f"docker-archive:{self.path('z.tar')}",
                             "--compression", "zstd", expect=2)
        self.assertRegex(result.err, "gzip|oci")
        self.assertFalse(os.path.exists(self.path("z.tar")))

    def test_directory_output(self):
        if os.geteuid() != 0:
            self.skipTest("owners need root")
        out = self.path("tree")
        self.flense("slim", self.archive, "--gpu", "sm_90", "-o", f"dir:{out}")
        before = imagetree.merged(imagetree.read_image(self.archive).layers)
        for path in ["opt/second-name", "opt/capable", "bin/busybox", "opt/replaced"]:
            self.assertEqual(harness.file_digest(os.path.join(out, path)), before[path]["sha256"])
        for path in ["opt/deleted", "opt/first-name", "opt/opaque/old"]:
            self.assertFalse(os.path.lexists(os.path.join(out, path)), path)
        state = os.lstat(os.path.join(out, "opt/ünïcödé"))
        self.assertEqual((state.st_mode & 0o7777, state.st_uid, int(state.st_mtime)), (0o4750, 33, fixtures.EPOCH))
        self.assertTrue(os.getxattr(os.path.join(out, "opt/capable"), "security.capability"))
        entries = fixtures.loaded_entries(os.path.join(out, "usr/lib/python3/dist-packages/fake/libfake.so.1"))
        self.assertEqual({arch for region in entries for _, arch, _, _ in region}, {90})

    def test_single_file_and_directory_in_place(self):
        copy = self.path("libfake.so")
        shutil.copy(self.library, copy)
        self.flense("slim", copy, "--gpu", "sm_90", "--in-place")
        self.assertLess(os.path.getsize(copy), os.path.getsize(self.library))
        venv = self.path("venv")
        os.makedirs(f"{venv}/lib")
        shutil.copy(self.library, f"{venv}/lib/libfake.so")
        os.chmod(f"{venv}/lib/libfake.so", 0o640)
        self.flense("slim", venv, "--gpu", "sm_90", "--in-place")
        self.assertEqual(os.stat(f"{venv}/lib/libfake.so").st_mode & 0o777, 0o640)
        self.assertEqual(fixtures.loaded_entries(f"{venv}/lib/libfake.so"), fixtures.loaded_entries(copy))
        report = self.flense("inspect", copy, "--json").json
        self.assertEqual({t["arch"] for t in report["device_code"]["totals"]}, {"sm_90", "sm_90a"})

    def test_squashfs(self):
        out = self.path("root")
        self.flense("slim", self.archive, "--gpu", "sm_90", "-o", f"dir:{out}")
        image = self.path("app.sqsh")
        self.run_tool("mksquashfs", out, image, "-quiet", "-no-progress")
        squashed = self.flense("inspect", image, "--json").json
        plain = self.flense("inspect", out, "--json").json
        self.assertEqual(squashed["device_code"]["totals"], plain["device_code"]["totals"])
        self.assertEqual(squashed["packages"], plain["packages"])

    def test_attestations_of_a_containerd_store_are_skipped(self):
        """Docker 29 saves an index whose extra manifests are for unknown/unknown."""
        import hashlib
        import json
        layout = self.path("attested")
        self.skopeo("copy", f"docker-archive:{self.archive}", f"oci:{layout}:1")

        def blob(data):
            digest = hashlib.sha256(data).hexdigest()
            with open(f"{layout}/blobs/sha256/{digest}", "wb") as out:
                out.write(data)
            return {"digest": f"sha256:{digest}", "size": len(data)}
        with open(f"{layout}/index.json") as source:
            index = json.load(source)
        image = index["manifests"][0]
        image.pop("annotations", None)
        image["platform"] = {"architecture": "amd64", "os": "linux"}
        statement = blob(b'{"_type":"https://in-toto.io/Statement/v0.1"}')
        empty = blob(b"{}")
        attestation = blob(json.dumps({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **empty},
            "layers": [{"mediaType": "application/vnd.in-toto+json", **statement}]}).encode())
        inner = blob(json.dumps({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
                image, {"mediaType": "application/vnd.oci.image.manifest.v1+json", **attestation,
                        "annotations": {"vnd.docker.reference.digest": image["digest"],
                                        "vnd.docker.reference.type": "attestation-manifest"},
                        "platform": {"architecture": "unknown", "os": "unknown"}}]}).encode())
        index["manifests"] = [{"mediaType": "application/vnd.oci.image.index.v1+json", **inner}]
        with open(f"{layout}/index.json", "w") as out:
            json.dump(index, out)
        self.assertEqual(len(self.flense("inspect", layout, "--json").json["layers"]), 3)
        done = self.flense("slim", layout, "--gpu", "sm_90", "-o", f"oci:{self.path('out')}")
        self.assertEqual(len(imagetree.read_image(self.path("out")).layers), 3)
        self.assertRegex(done.out + done.err, "(?i)attestation")


if __name__ == "__main__":
    harness.main()
