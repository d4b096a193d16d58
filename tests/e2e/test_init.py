#!/usr/bin/env python3
"""flense init: every template for several hosts is whole, its files are what their formats ask, and check accepts
what was chosen; nothing is ever half written."""

import json
import os
import re
import subprocess
import sys
import tarfile

import harness
import schema

import yaml

NVIDIA = ["h100@550.54.15", "a100@525.60.13", "rtx4090@580.95.05", "l4", "b200@580.95.05"]
AMD = ["mi300x@6.10.5", "mi250x@6.12.12", "mi355x@6.16.13"]
EVERYWHERE = ["Dockerfile", ".dockerignore", "compose.yaml", "docker-bake.hcl", "kubernetes.yaml", "README.md",
              ".devcontainer/devcontainer.json", ".github/workflows/image.yml"]


def tree(folder):
    out = {}
    for root, _, files in os.walk(folder):
        for name in files:
            path = os.path.join(root, name)
            with open(path, encoding="utf-8") as source:
                out[os.path.relpath(path, folder)] = source.read()
    return out


class Init(harness.Case):
    def templates(self):
        listed = self.flense("init", "--list", "--json").json
        self.assertEqual(schema.complaints(listed, "flense/init/v1"), [])
        return listed["templates"]

    def made(self, template, *options):
        out = self.path(f"{template}-{len(os.listdir(self.work))}")
        self.flense("init", template, "-o", out, *options)
        return out

    def test_the_list(self):
        names = [row["name"] for row in self.templates()]
        self.assertEqual(names, ["pytorch-inference", "pytorch-training", "cuda-cpp", "jax", "rocm-pytorch", "conda",
                                 "distroless-cuda", "apptainer"])
        text = self.flense("init", "--list").out
        for name in names:
            self.assertIn(name, text)

    def test_every_template_for_every_host(self):
        projects = 0
        for row in self.templates():
            for host in AMD if row["vendor"] == "amd" else NVIDIA:
                with self.subTest(template=row["name"], host=host):
                    files = tree(self.made(row["name"], "--host", host))
                    self.assertEqual(len(files), row["files"])
                    for name in EVERYWHERE:
                        self.assertIn(name, files)
                    self.readable(files)
                    self.coherent(files)
                    projects += 1
        print(f"{projects} projects are readable and coherent")

    def readable(self, files):
        for name, text in files.items():
            self.assertNotIn("@@", text, name)
            if name.endswith(".py"):
                compile(text, name, "exec")
            elif name.endswith((".yaml", ".yml")):
                self.assertTrue(list(yaml.safe_load_all(text)), name)
            elif name.endswith(".json"):
                json.loads(text)
            elif name.endswith(".sbatch"):
                subprocess.run(["bash", "-n"], input=text.encode(), check=True)
            elif name.endswith(".hcl"):
                for pair in ("{}", "[]", "()"):
                    self.assertEqual(text.count(pair[0]), text.count(pair[1]), name)

    def coherent(self, files):
        """What the files say of each other."""
        dockerfile = files["Dockerfile"]
        stages = {name.lower() for name in re.findall(r"^FROM \S+ AS (\S+)", dockerfile, re.M)}
        self.assertIn(json.loads(files[".devcontainer/devcontainer.json"])["build"]["target"], stages)
        for target in re.findall(r'^\s+target\s+= "(\S+)"', files["docker-bake.hcl"], re.M):
            self.assertIn(target, stages)
        for source in re.findall(r"^COPY --link (?!--from)(\S+) ", dockerfile, re.M):
            self.assertTrue(any(name == source or name.startswith(source + "/") for name in files), source)
        for argument in re.findall(r'"([A-Z_]+)" = ', files["docker-bake.hcl"]):
            self.assertIn(f"ARG {argument}", dockerfile)
        self.assertRegex(dockerfile.rsplit("\nFROM ", 1)[1], r"\nUSER 10001:10001\n")
        # The workflow names targets of the bake file.
        bake = re.findall(r'^        name   = "(\S+)"', files["docker-bake.hcl"], re.M)
        workflow = yaml.safe_load(files[".github/workflows/image.yml"])
        include = workflow["jobs"]["image"]["strategy"]["matrix"]["include"]
        self.assertEqual([row["name"] for row in include], bake)
        for claim in re.findall(r"claimName: (\S+)", files["kubernetes.yaml"]):
            self.assertIn(f"name: {claim}", files["kubernetes.yaml"])
        resource = "amd.com/gpu" if "/dev/kfd" in files["compose.yaml"] else "nvidia.com/gpu"
        self.assertEqual(files["kubernetes.yaml"].count(f"{resource}: 1"), 2)

    def test_the_choices_as_json(self):
        document = self.flense("init", "pytorch-inference", "--host", "h100@550.54.15", "--host", "l4", "--dry-run",
                               "--json", "-o", self.path("none")).json
        self.assertEqual(schema.complaints(document, "flense/init/v1"), [])
        self.assertFalse(document["written"])
        self.assertFalse(os.path.exists(self.path("none")))
        self.assertEqual(document["build"]["cuda"], "12.6")
        self.assertEqual([host["driver_assumed"] for host in document["hosts"]], [False, True])
        self.assertTrue(all(row["why"] for row in document["rejected"]))
        document = self.flense("init", "cuda-cpp", "--gpu", "h100", "--driver", "580.95.05", "--json",
                               "-o", self.path("written")).json
        self.assertEqual(schema.complaints(document, "flense/init/v1"), [])
        self.assertTrue(document["written"])
        for file in document["files"]:
            self.assertEqual(os.path.getsize(os.path.join(self.path("written"), file["path"])), file["bytes"])

    def test_the_same_twice(self):
        first = self.made("jax", "--host", "h100@580.95.05")
        second = self.made("jax", "--gpu", "h100", "--driver", "580.95.05")
        self.assertEqual(tree(first), tree(second))

    def test_nothing_is_replaced_unasked(self):
        out = self.made("cuda-cpp", "--host", "l4@550.54.15")
        before = harness.digest_tree(out)
        refused = self.flense("init", "jax", "--host", "h100@580.95.05", "-o", out, expect=4)
        self.assertIn("Dockerfile", refused.err)
        self.assertIn("--force", refused.err)
        self.assertEqual(harness.digest_tree(out), before)
        with open(os.path.join(out, "mine.txt"), "w") as mine:
            mine.write("mine")
        self.flense("init", "jax", "--host", "h100@580.95.05", "-o", out, "--force")
        files = tree(out)
        self.assertIn("jax", files["Dockerfile"])
        self.assertEqual(files["mine.txt"], "mine")
        self.assertEqual([name for name in files if ".flense-" in name], [])

    def test_one_file_in_the_way_stops_all(self):
        out = self.path("project")
        os.makedirs(os.path.join(out, "tests"))
        with open(os.path.join(out, "tests", "test_app.py"), "w") as mine:
            mine.write("mine")
        refused = self.flense("init", "pytorch-inference", "--host", "l4", "-o", out, expect=4)
        self.assertIn("tests/test_app.py", refused.err)
        self.assertEqual(list(tree(out)), ["tests/test_app.py"])
        dry = self.flense("init", "pytorch-inference", "--host", "l4", "-o", out, "--dry-run")
        self.assertIn("tests/test_app.py", dry.err)
        self.assertEqual(list(tree(out)), ["tests/test_app.py"])

    def install_flense(self, sha256):
        """Runs the step of a workflow that does it, as a runner would; returns what ended, and what is added to PATH."""
        os.makedirs(self.path("tables"), exist_ok=True)
        with open(self.path("tables/releases.json"), "w") as out:
            json.dump({"flense": {"downloads": "file://" + self.work, "rows": [{"version": "9.8.7", "sha256": sha256}]}}, out)
        project = self.made("jax", "--host", "l4", "--data", self.path("tables"))
        steps = yaml.safe_load(tree(project)[".github/workflows/image.yml"])["jobs"]["image"]["steps"]
        run, = [step["run"] for step in steps if step.get("name") == "Install flense 9.8.7"]
        with open(self.path("PATH"), "w+") as added:
            done = subprocess.run(["bash", "-e", "-c", run], check=False, text=True, stdout=subprocess.PIPE, timeout=50,
                                  env={**os.environ, "RUNNER_TEMP": project, "GITHUB_PATH": added.name})
            return done, added.read().strip()

    def test_the_workflow_runs_only_what_it_verified(self):
        os.mkdir(self.path("v9.8.7"))
        archive = self.path("v9.8.7/flense-9.8.7-linux-x86_64.tar.gz")
        with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
            tar.add(harness.BINARY, "flense-9.8.7-linux-x86_64/bin/flense")
        done, added = self.install_flense(harness.file_digest(archive))
        self.assertEqual(done.returncode, 0)
        self.assertEqual(harness.file_digest(added + "/flense"), harness.file_digest(harness.BINARY))
        done, added = self.install_flense("0" * 64)
        self.assertIn("FAILED", done.stdout)
        self.assertEqual((done.returncode, added), (1, ""))

    def test_what_cannot_be_written(self):
        out = self.path("project")
        os.makedirs(os.path.join(out, "Dockerfile"))
        self.flense("init", "jax", "--host", "h100@580.95.05", "-o", out, "--force", expect=4)
        self.assertEqual(tree(out), {})
        with open(self.path("file"), "w"):
            pass
        self.flense("init", "jax", "--host", "h100@580.95.05", "-o", self.path("file/below"), expect=4)

    def test_what_does_not_fit_is_told(self):
        for words, part in ((["jax", "--host", "a100@470.82.01"], "too old"),
                            (["pytorch-inference", "--host", "mi300x@6.10.5"], "rocm-pytorch"),
                            (["rocm-pytorch", "--host", "h100@550.54.15"], "pytorch-inference"),
                            (["pytorch-inference", "--host", "jetsonnano"], "L4T"),
                            (["pytorch-inferense", "--host", "l4"], "pytorch-inference"),
                            (["jax", "--driver", "550.54.15"], "--gpu"),
                            (["jax", "--gpu", "h100", "--host", "l4"], "exclude"),
                            (["jax", "--gpu", "h101"], "h10"),
                            ([], "--list")):
            refused = self.flense("init", *words, "-o", self.path("none"), expect=2)
            self.assertIn(part, refused.err)
            self.assertFalse(os.path.exists(self.path("none")))

    def test_hosts_of_a_cluster(self):
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n; reboot", "labels": {
            "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu.count": "8",
            "nvidia.com/cuda.driver.major": "550", "nvidia.com/cuda.driver.minor": "54",
            "nvidia.com/cuda.driver.rev": "15"}}, "status": {"capacity": {"nvidia.com/gpu": "8"}}}
        nodes = self.path("nodes.json")
        with open(nodes, "w") as out:
            json.dump({"apiVersion": "v1", "kind": "List", "items": [node, node]}, out)
        project = self.made("pytorch-training", "--host", nodes)
        for name, text in tree(project).items():
            self.assertNotIn("reboot", text, name)
        self.assertIn("h100@550.54.15", tree(project)["README.md"])

    def test_lint_has_nothing_to_say(self):
        if "lint" not in re.findall(r"^  (\S+)", self.flense("help").out, re.M):
            self.skipTest("this build has no lint command")
        for row in self.templates():
            for host in AMD if row["vendor"] == "amd" else NVIDIA:
                with self.subTest(template=row["name"], host=host):
                    out = self.made(row["name"], "--host", host)
                    report = self.flense("lint", out, "--host", host, "--format", "json", expect=None)
                    self.assertEqual(report.status, 0, report.out + report.err)
                    self.assertEqual(report.json.get("findings"), [])


if __name__ == "__main__":
    sys.exit(harness.main())
