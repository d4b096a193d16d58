#!/usr/bin/env python3
"""inspect: the figures add up, the matrix is what was built in, budgets set the exit status."""

import os

import fixtures
import harness
import imagetree


class Inspect(harness.Case):
    def setUp(self):
        super().setUp()
        self.input, self.library = fixtures.sample_archive(self.work)
        self.report = self.flense("inspect", self.input, "--json").json

    def test_layers_account_for_every_byte(self):
        image = imagetree.read_image(self.input)
        self.assertEqual([l["digest"] for l in self.report["layers"]], image.diff_ids)
        self.assertEqual([l["unpacked_bytes"] for l in self.report["layers"]], [len(l) for l in image.layers])
        self.assertEqual(self.report["unpacked_bytes"], sum(len(l) for l in image.layers))
        self.assertEqual([l["instruction"] for l in self.report["layers"]],
                         [i.replace("/bin/sh -c ", "") for i in fixtures.INSTRUCTIONS])
        # Overwritten and deleted above: deleted, replaced, opaque/old; first-name lives on as a link.
        self.assertEqual(self.report["layers"][0]["waste_bytes"], 70_000 + 60_000 + 50_000)
        self.assertEqual(self.report["layers"][2]["waste_bytes"], 0)

    def test_matrix(self):
        file, = self.report["device_code"]["files"]
        self.assertTrue(file["path"].endswith("libfake.so.1"))
        self.assertEqual(file["size_bytes"], os.path.getsize(self.library))
        self.assertEqual(file["regions"], 6)
        names = {(e["kind"], e["arch"]): e["count"] for e in file["entries"]}
        self.assertEqual(names, {**{("cubin", f"sm_{a}"): 6 for a in ("70", "80", "86", "90", "90a", "100")},
                                 ("ptx", "sm_90"): 6} if ("ptx", "sm_90") in names else
                         {**{("cubin", f"sm_{a}"): 6 for a in ("70", "80", "86", "90", "90a", "100")},
                          ("ptx", "compute_90"): 6})
        built = sum(region["bytes"] for region in file["entries"])
        self.assertLessEqual(built + 16 * file["regions"], file["device_bytes"])
        self.assertLess(file["device_bytes"] - built, 6 * (16 + 8))
        self.assertEqual(sum(t["bytes"] for t in self.report["device_code"]["totals"]), built)

    def test_packages_and_system(self):
        self.assertIn({"type": "pip", "name": "fake", "version": "1.0"},
                      [{k: p[k] for k in ("type", "name", "version")} for p in self.report["packages"]])

    def test_environments_that_say_the_same_say_it_once(self):
        layer = fixtures.Layer()
        for name in ("one", "two", "three"):
            info = f"opt/{name}/lib/python3.11/site-packages/nvidia_cuda_runtime_cu12-12.9.79.dist-info"
            layer.file(f"{info}/METADATA", b"Metadata-Version: 2.1\nName: nvidia-cuda-runtime-cu12\nVersion: 12.9.79\n")
        fixtures.docker_archive(self.path("venvs.tar"), [layer.done()], ["COPY . /"])
        told = self.flense("inspect", self.path("venvs.tar"), "--json").json
        self.assertEqual(len(told["packages"]), 3)
        self.assertEqual([(one["version"], one["evidence"]) for one in told["runtimes"] if one["name"] == "CUDA runtime"],
                         [("12.9.79", "Python package nvidia-cuda-runtime-cu12 12.9.79")])

    def test_terminal_report(self):
        text = self.flense("inspect", self.input, "--gpu", "sm_90").out
        for word in ("libfake.so.1", "sm_90", "sm_70", "pip install fake"):
            self.assertIn(word, text)

    def test_budgets(self):
        self.flense("inspect", self.input, "--max-size", "10GiB")
        result = self.flense("inspect", self.input, "--max-size", "100KiB", expect=1)
        self.assertIn("max-size", result.out + result.err)
        self.flense("inspect", self.input, "--max-waste", "10KiB", expect=1)
        self.flense("inspect", self.input, "--max-layer", "1KiB", expect=1)
        self.flense("inspect", self.input, "--max-size", "many", expect=2)
        said = self.flense("inspect", self.input, "--budget", "lambda", "--budget", "github").out
        self.assertRegex(said, r"ok.*lambda: .* of 10\.7 GB")
        self.flense("inspect", self.input, "--budget", "lamda", expect=2)


if __name__ == "__main__":
    harness.main()
