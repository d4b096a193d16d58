#!/usr/bin/env python3
"""flense data, and files of tables over the built-in ones: where they are found, what wins, what is refused."""

import json
import os
import sys

import fixtures
import harness
import schema


def toolkits(*rows, **more):
    return {**more, "toolkits": {"rows": [{"cuda": cuda, "update": 0, "driver": driver} for cuda, driver in rows]}}


def branches(*rows, **more):
    return {**more, "branches": {"rows": [{"branch": branch, "cuda_native": cuda, "type": "NFB"} for branch, cuda in rows]}}


class Tables(harness.Case):
    def place(self, name, **tables):
        os.makedirs(self.path(name), exist_ok=True)
        for table, content in tables.items():
            with open(self.path(f"{name}/{table}.json"), "w") as out:
                json.dump(content, out)
        return self.path(name)

    def status(self, *options, **env):
        document = self.flense("data", "status", "--json", *options, env=env).json
        self.assertEqual(schema.complaints(document, "flense/data/v1"), [])
        return document, {table["name"]: table for table in document["tables"]}

    def test_the_built_in_tables_alone(self):
        document, tables = self.status()
        self.assertEqual([place["named_by"] for place in document["places"]], [None, None])
        self.assertEqual([place["directory"] for place in document["places"]], ["/etc/flense/data", "/usr/share/flense/data"])
        self.assertGreater(tables["gpu_arch"]["rows"], 250)
        self.assertNotIn("lint_base", tables)
        text = self.flense("data", "status").out
        self.assertRegex(text, rf"cuda_driver +{tables['cuda_driver']['rows']} +2026-11 ")

    def test_the_option_comes_before_the_variable(self):
        above = self.place("above", cuda_driver=branches((777, "14.7")))
        below = self.place("below", cuda_driver=branches((777, "14.1"), (778, "14.8")))
        document, tables = self.status("--data", above, FLENSE_DATA=below)
        self.assertEqual([place["named_by"] for place in document["places"]], ["--data", "$FLENSE_DATA", None, None])
        self.assertEqual([(os.path.dirname(file["path"]), file["rows"], file["replacing"]) for file in tables["cuda_driver"]["files"]],
                         [(below, 2, 0), (above, 1, 1)])
        plain = self.flense("host", "--host", "h100@550.54.15").out

        def told(driver, *options, **env):
            return self.flense("host", "--host", f"h100@{driver}.1.1", *options, env=env).out

        self.assertIn("14.7", told(777, "--data", above, FLENSE_DATA=below))
        self.assertIn("14.8", told(778, "--data", above, FLENSE_DATA=below))
        self.assertIn("14.1", told(777, FLENSE_DATA=below))
        self.assertIn("14.1", told(777, "--data", below, FLENSE_DATA=above))
        self.assertEqual(self.flense("host", "--host", "h100@550.54.15", "--data", above).out, plain)

    def test_every_command_with_tables_sees_them(self):
        """By what it says of a file that is refused: each command refuses it, by option and by variable."""
        bad = self.place("bad", gpu_arch={"products": {"rows": [{"name": "z900", "display": "Z900", "vendor": "nvidia",
                                                                  "architecture": "99.9"}]}})
        image, _ = fixtures.sample_archive(self.work)
        with open(self.path("Dockerfile"), "w") as out:
            out.write("FROM debian:12\n")
        for words in (["check", image, "--host", "h100@550.54.15"], ["diff", image, image, "--host", "h100@550.54.15"],
                      ["host", "--host", "h100@550.54.15"], ["doctor"], ["lint", self.path("Dockerfile")],
                      ["init", "jax", "--host", "h100@580.95.05", "--dry-run"], ["inspect", image, "--gpu", "h100"],
                      ["slim", image, "--gpu", "h100", "--dry-run"], ["data", "status"]):
            for options, env in ((["--data", bad], {}), ([], {"FLENSE_DATA": bad})):
                refused = self.flense(*words, *options, env=env, expect=3)
                self.assertIn("gpu_arch.json, products, row 1 names the architecture '99.9'", refused.err, words)
        told = self.place("told", errors_statuses={"cuda": {"rows": [{"id": "cuda-804", "code": "804", "cause": "x"}]}})
        for words in (["explain", "804"], ["doctor", "--message", "CUDA error 804"]):
            refused = self.flense(*words, "--data", told, expect=3)
            self.assertIn("errors_statuses.json, cuda, row 1", refused.err, words)

    def test_a_gpu_of_tomorrow(self):
        tables = self.place("tables", gpu_arch={
            "architectures": {"rows": [{"architecture": "14.0", "vendor": "nvidia"}]},
            "products": {"rows": [{"name": "z900", "display": "Z900", "vendor": "nvidia", "architecture": "14.0"}]}})
        image, _ = fixtures.sample_archive(self.work)
        self.flense("slim", image, "--gpu", "z900", "--dry-run", expect=2)
        plan = self.flense("slim", image, "--gpu", "z900", "--dry-run", "--json", "--data", tables).json
        self.assertEqual(plan["targets"]["cuda"], ["sm_140"])
        self.flense("inspect", image, "--gpu", "z900", env={"FLENSE_DATA": tables})

    def test_a_row_older_than_the_built_in_one(self):
        old = self.place("old", cuda_driver=toolkits(("12.4", "1.2.3"), ("14.7", "777.1"), date="2024-05"))
        told = self.flense("host", "--host", "h100@550.54.15", "--data", old)
        self.assertEqual(told.err, f"notice: {old}/cuda_driver.json, toolkits, row 1 is of 2024-05 and stands for a built-in one "
                                   "of 2026-11\n")
        self.assertEqual(self.flense("host", "--host", "h100@550.54.15", "--data", old, "-q").err, "")
        file, = self.status("--data", old)[1]["cuda_driver"]["files"]
        self.assertEqual([(one["section"], one["row"]) for one in file["older"]], [("toolkits", 1)])

    def test_export_is_taken_back_unchanged(self):
        out = self.path("out")
        self.flense("data", "export", out)
        names = sorted(name for name in os.listdir(os.path.join(harness.TOP, "data"))
                       if name.endswith(".json") and not name.startswith("lint_"))
        self.assertEqual(sorted(os.listdir(out)), names)
        for name in names:
            self.assertEqual(harness.file_digest(os.path.join(out, name)),
                             harness.file_digest(os.path.join(harness.TOP, "data", name)))
        plain, own = self.status()[1], self.status("--data", out)[1]
        for name, table in own.items():
            self.assertEqual(table["rows"], plain[name]["rows"])
            self.assertEqual([(file["rows"], file["replacing"], file["older"]) for file in table["files"]],
                             [(table["rows"], table["rows"], [])])
        self.flense("data", "validate", out)
        with open(os.path.join(out, "rocm.json"), "w") as mine:
            mine.write("{}")
        refused = self.flense("data", "export", out, expect=4)
        self.assertIn("rocm.json", refused.err)
        with open(os.path.join(out, "rocm.json")) as mine:
            self.assertEqual(mine.read(), "{}")
        self.flense("data", "export", out, "--force")
        self.assertEqual(harness.file_digest(os.path.join(out, "rocm.json")),
                         harness.file_digest(os.path.join(harness.TOP, "data/rocm.json")))

    def test_validate_names_file_and_row(self):
        folder = self.place("mine", glibc={"kernels": {"rows": [{"glibc": "2.99"}]}}, cuda_driver=toolkits(("14.7", "1.1")),
                            nonsense={})
        report = self.flense("data", "validate", folder, expect=1).out.splitlines()
        self.assertEqual(report[0], f"{folder}/cuda_driver.json: 1 rows, 0 of them instead of one below")
        self.assertEqual(report[1], f"refused: {folder}/glibc.json, kernels, row 1 has no 'kernel', which every row of kernels has")
        self.assertEqual(report[2], f"refused: {folder}/nonsense.json is no table of flense")
        document = self.flense("data", "validate", folder, "--json", expect=1).json
        self.assertEqual(schema.complaints(document, "flense/data/v1"), [])
        self.assertEqual([file["problem"] is None for file in document["files"]], [True, False, False])
        self.flense("data", "validate", os.path.join(folder, "cuda_driver.json"))

    def test_hostile_files(self):
        folder = self.place("mine")
        os.mkfifo(os.path.join(folder, "rocm.json"))
        self.assertIn("is not a regular file", self.flense("data", "status", "--data", folder, expect=3, timeout=20).err)
        os.remove(os.path.join(folder, "rocm.json"))
        with open(os.path.join(folder, "rocm.json"), "w") as out:
            out.write('{"drivers": ' + "[" * 100000)
        self.assertIn("rocm.json", self.flense("data", "status", "--data", folder, expect=3).err)
        with open(os.path.join(folder, "rocm.json"), "w") as out:
            out.truncate(1 << 34)
        self.assertIn("rocm.json", self.flense("data", "status", "--data", folder, expect=3, timeout=20).err)
        self.assertIn("cannot list", self.flense("data", "status", env={"FLENSE_DATA": self.path("none")}, expect=3).err)


if __name__ == "__main__":
    sys.exit(harness.main())
