#!/usr/bin/env python3
"""The recipes of examples/batch on a real Slurm, and those of examples/kubernetes as a cluster would
run them."""

import json
import os
import subprocess

import engines
import fixtures
import harness
import hosts
import slurm

# Debian's, which sees Debian's python3-yaml whatever interpreter runs this file.
READ_YAML = ["/usr/bin/python3", "-c", "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(sys.stdin))))"]
RECIPES = os.path.join(harness.TOP, "examples/batch")


class SlurmRecipes(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if os.geteuid() != 0:
            raise harness.unittest.SkipTest("slurmd is started as root")
        if slurm.missing():
            raise harness.unittest.SkipTest(f"not installed: {' '.join(slurm.missing())}")
        cls.folder = harness.tempfile.mkdtemp(prefix="flense-batch-")
        cls.addClassCleanup(harness.shutil.rmtree, cls.folder, ignore_errors=True)
        os.chmod(cls.folder, 0o755)
        cls.image, _ = fixtures.sample_archive(cls.folder)
        # Served by code of the image, and one whose driver is too old for it.
        hosts.make("h100", f"{cls.folder}/h100")
        # The recipes call flense by its name.
        os.makedirs(f"{cls.folder}/bin")
        os.symlink(harness.BINARY, f"{cls.folder}/bin/flense")
        cls.write_prolog()
        os.makedirs(f"{cls.folder}/slurm")
        cls.slurm = slurm.Slurm(f"{cls.folder}/slurm", prolog=f"{cls.folder}/prolog",
                                environment={"PATH": f"{cls.folder}/bin:{os.environ['PATH']}:/usr/sbin:/sbin"})
        cls.addClassCleanup(cls.slurm.stop)

    @classmethod
    def write_prolog(cls, *options):
        """The recipe as written, with this flense, and `options` added to its own."""
        with open(f"{RECIPES}/prolog-check.sh") as recipe:
            text = recipe.read()
        for line, replacement in (("\nflense=flense ", f"\nflense={cls.folder}/bin/flense "),
                                  ("\noptions=(--host this)", f"\noptions=(--host this {' '.join(options)})")):
            assert text.count(line) == 1, line
            text = text.replace(line, replacement)
        with open(f"{cls.folder}/prolog.new", "w") as prolog:
            prolog.write(text)
        os.chmod(f"{cls.folder}/prolog.new", 0o755)
        os.rename(f"{cls.folder}/prolog.new", f"{cls.folder}/prolog")

    def images(self, *targets):
        with open(self.path("images.txt"), "w") as out:
            out.write("".join(f"{target}\n" for target in targets))
        return self.path("images.txt")

    def submit(self, recipe, *options, **variables):
        exported = ",".join(["ALL"] + [f"{name}={value}" for name, value in variables.items()])
        job = self.slurm.submit(*options, f"--export={exported}", "-o", self.path("job-%A-%a.log"),
                                os.path.join(RECIPES, recipe), cwd=self.work)
        return self.slurm.tasks(job)

    def logs(self):
        text = ""
        for name in sorted(os.listdir(self.work)):
            if name.endswith(".log"):
                with open(self.path(name)) as log:
                    text += f"--- {name}\n{log.read()}\n"
        return text

    def test_an_array_slims_many_images(self):
        second = self.path("second.tar")
        harness.shutil.copy(self.image, second)
        images = self.images(f"docker-archive:{self.image}", second, self.path("absent.tar"))
        tasks = self.submit("slim-array.sbatch", "--array=1-3", IMAGES=images, GPU="sm_90", OUT=self.path("slim"))
        states = sorted((task["ArrayTaskId"], task["JobState"]) for task in tasks)
        self.assertEqual(states, [("1", "COMPLETED"), ("2", "COMPLETED"), ("3", "FAILED")], self.logs())
        results = sorted(name for name in os.listdir(self.path("slim")) if name.endswith(".oci.tar"))
        self.assertEqual(len(results), 2, results)
        for name in results:
            self.run_tool("skopeo", "inspect", f"oci-archive:{self.path('slim')}/{name}")
        before = {name: os.stat(f"{self.path('slim')}/{name}").st_mtime_ns for name in results}
        again = self.submit("slim-array.sbatch", "--array=1-2", IMAGES=images, GPU="sm_90", OUT=self.path("slim"))
        self.assertEqual({task["JobState"] for task in again}, {"COMPLETED"}, self.logs())
        self.assertEqual(before, {name: os.stat(f"{self.path('slim')}/{name}").st_mtime_ns for name in results})

    def test_an_array_checks_many_images_on_the_node(self):
        images = self.images(self.image, self.path("absent.tar"))
        tasks = self.submit("check-array.sbatch", "--array=1-2", IMAGES=images, OUT=self.path("verdicts"),
                            FLENSE_CHECK_OPTIONS=f"--root {self.folder}/h100")
        codes = {task["ArrayTaskId"]: task["ExitCode"] for task in tasks}
        self.assertEqual(codes, {"1": "1:0", "2": "3:0"}, self.logs())
        with open(f"{self.path('verdicts')}/1.json") as text:
            verdict = json.load(text)
        self.assertEqual(verdict["schema"], "flense/verdict/v1")
        self.assertEqual({check["id"] for check in verdict["hosts"][0]["checks"] if check["verdict"] == "fail"},
                         {"driver-cuda"})

    def job(self, *options):
        """State and comment of a job that leaves a mark when it runs."""
        mark = self.path("ran")
        job = self.slurm.submit(*options, "-o", self.path("job.log"), f"--wrap=touch {mark}", cwd=self.work)
        task = self.slurm.tasks(job)[0]
        return task["JobState"], self.slurm.output("scontrol", "-o", "show", "job", job), os.path.exists(mark)

    def test_an_array_fails_on_a_node_without_a_gpu(self):
        images = self.images(self.image)
        hosts.make("no_gpu", self.path("bare"))
        for options in ([], [f"--root {self.path('bare')}"]):
            if not options and os.path.exists("/proc/driver/nvidia"):
                continue
            with self.subTest(options=options):
                task, = self.submit("check-array.sbatch", "--array=1-1", IMAGES=images, OUT=self.path("verdicts"),
                                    FLENSE_CHECK_OPTIONS=" ".join(options))
                self.assertEqual(task["ExitCode"], "1:0", self.logs())

    def test_the_prolog_stops_a_job_on_a_node_without_a_gpu(self):
        if os.path.exists("/proc/driver/nvidia"):
            self.skipTest("this machine has a GPU")
        self.write_prolog()
        state, record, ran = self.job(f"--comment=image={self.image}")
        self.assertEqual((state, ran), ("CANCELLED", False), record + self.slurm.logs())
        self.assertIn("the host has no GPU", record)

    def test_the_prolog_stops_a_job_whose_image_cannot_run_there(self):
        self.write_prolog("--root", f"{self.folder}/h100")
        state, record, ran = self.job(f"--comment=image={self.image}")
        self.assertEqual((state, ran), ("CANCELLED", False), record + self.slurm.logs())
        self.assertIn("cannot run on", record)
        self.assertIn("driver-cuda", record)

    def test_the_prolog_lets_other_jobs_pass(self):
        self.write_prolog("--root", f"{self.folder}/h100")
        for options in ([], ["--comment=image=/absent.tar"], ["--comment=not about images"]):
            with self.subTest(options=options):
                state, record, ran = self.job(*options)
                self.assertEqual((state, ran), ("COMPLETED", True), record + self.slurm.logs())
                os.unlink(self.path("ran"))
        self.assertIn("idle", self.slurm.output("sinfo", "-h", "-o", "%t"))


class KubernetesRecipes(harness.Case):
    """The command of each manifest, in the environment that the manifest gives it."""

    def setUp(self):
        super().setUp()
        self.registry = engines.Registry(self.path("registry"))
        self.addCleanup(self.registry.stop)
        image, _ = fixtures.sample_archive(self.work)
        self.registry.push(f"docker-archive:{image}", "team/app:1")
        os.makedirs(self.path("bin"))
        os.symlink(harness.BINARY, self.path("bin/flense"))
        for name in ("etc", "scratch"):
            os.makedirs(self.path(name))
        with open(self.path("etc/images.txt"), "w") as out:
            out.write(f"{self.registry.address}/team/app:1\n{self.registry.address}/team/absent:1\n")

    def pod(self, name, index, nodes=None):
        with open(os.path.join(harness.TOP, "examples/kubernetes", name)) as text:
            job, = json.loads(subprocess.run(READ_YAML, stdin=text, check=True, stdout=subprocess.PIPE).stdout)
        container, = job["spec"]["template"]["spec"]["containers"]
        env = {variable["name"]: variable["value"] for variable in container["env"]}
        # What the volumes hold, where it lies here; the registry of the test knows no passwords, and nobody need make
        # a secret for it.
        secret, = (volume["secret"] for volume in job["spec"]["template"]["spec"]["volumes"] if "secret" in volume)
        self.assertTrue(secret.get("optional"))
        env.update(REGISTRY_AUTH_FILE=self.path("etc/absent.json"), IMAGES=self.path("etc/images.txt"), SCRATCH=self.path("scratch"),
                   XDG_CACHE_HOME=self.path("scratch/cache"), JOB_COMPLETION_INDEX=str(index),
                   PATH=f"{self.path('bin')}:{os.environ['PATH']}", HOME=self.path("scratch"))
        if nodes:
            self.assertIn("NODES", env)
            env["NODES"] = nodes
        return harness.Result(subprocess.run(container["command"] + container["args"], env=env, check=False,
                                             stdout=subprocess.PIPE, stderr=subprocess.PIPE))

    def test_a_pod_slims_its_image_and_pushes_it(self):
        done = self.pod("slim-job.yaml", 0)
        self.assertEqual(done.status, 0, done.err)
        self.run_tool("skopeo", "inspect", "--tls-verify=false", f"docker://{self.registry.address}/team/app:1-sm_90")
        self.assertEqual(self.pod("slim-job.yaml", 1).status, 4)
        beyond = self.pod("slim-job.yaml", 2)
        self.assertEqual(beyond.status, 2)
        self.assertIn("no line 3", beyond.err)

    def test_there_is_a_pod_for_each_line(self):
        fake = self.path("bin/kubectl")
        with open(fake, "w") as out:
            out.write(f"#!/bin/sh\ncat > {self.path('applied.yaml')}\n")
        os.chmod(fake, 0o755)
        for name in ("slim-job.yaml", "check-job.yaml"):
            with open(os.path.join(harness.TOP, "examples/kubernetes", name)) as text:
                recipe, = (line for line in text if "kubectl apply" in line)
            harness.shutil.copy(os.path.join(harness.TOP, "examples/kubernetes", name), self.path("etc"))
            subprocess.run(["bash", "-euo", "pipefail", "-c", recipe.lstrip("# ")], check=True, cwd=self.path("etc"),
                           env={**os.environ, "PATH": f"{self.path('bin')}:{os.environ['PATH']}"})
            with open(self.path("applied.yaml")) as text:
                job, = json.loads(subprocess.run(READ_YAML, stdin=text, check=True, stdout=subprocess.PIPE).stdout)
            self.assertEqual(job["spec"]["completions"], 2)

    def test_a_pod_checks_its_image_against_the_nodes(self):
        nodes = [{"metadata": {"name": name, "labels": {
            "nvidia.com/gpu.present": "true", "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
            "nvidia.com/cuda.driver.major": major, "nvidia.com/cuda.driver.minor": minor,
            "nvidia.com/cuda.driver.rev": rev, "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux"}}}
            for name, major, minor, rev in (("new", "580", "65", "06"), ("old", "535", "129", "03"))]
        for node in nodes:
            node["status"] = {"capacity": {"cpu": "96", "nvidia.com/gpu": "8"}}
        control = {"metadata": {"name": "control-plane", "labels": {"node-role.kubernetes.io/control-plane": ""}},
                   "status": {"capacity": {"cpu": "4"}}}
        with open(os.path.join(harness.TOP, "examples/kubernetes/check-job.yaml")) as text:
            recipe, = (line for line in text if "kubectl get nodes" in line)
        fake = self.path("bin/kubectl")
        with open(fake, "w") as out:
            out.write(f"#!/bin/sh\ncat {self.path('all.json')}\n")
        os.chmod(fake, 0o755)
        for chosen, status in (([control] + nodes[:1], 0), ([control] + nodes, 1)):
            path = self.path("nodes.json")
            with open(self.path("all.json"), "w") as out:
                json.dump({"apiVersion": "v1", "kind": "NodeList", "items": chosen}, out)
            subprocess.run(["bash", "-euo", "pipefail", "-c", recipe.lstrip("# ")], check=True, cwd=self.work,
                           env={**os.environ, "PATH": f"{self.path('bin')}:{os.environ['PATH']}"})
            done = self.pod("check-job.yaml", 0, nodes=path)
            self.assertEqual(done.status, status, done.out + done.err)
        self.assertIn("driver-cuda", done.out)


if __name__ == "__main__":
    harness.unittest.main()
