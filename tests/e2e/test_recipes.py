#!/usr/bin/env python3
"""Every command of the documents that ends in a verdict, as the documents have it, on clusters that people showed in
public (tests/clusters) and on machines made of files. A recipe without a case here fails, and a case without a recipe."""

import glob
import json
import os
import re
import subprocess

import engines
import fixtures
import harness
import hosts

CLUSTERS = os.path.join(harness.TOP, "tests/clusters")
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "docs/**/*.md", "examples/**/*")
VERDICT = re.compile(r'flense"? (check|doctor)\b')
# Debian's, which sees Debian's python3-yaml whatever interpreter runs this file.
READ_YAML = ["/usr/bin/python3", "-c", "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))"]
CASES = {}


def case(document, command):
    def keep(method):
        CASES[document, command] = method
        return method
    return keep


def recipes():
    """(document, command) of each recipe: lines of code blocks and scripts, and inline code that names its target."""
    found = []
    for path in sorted({path for pattern in DOCUMENTS
                        for path in glob.glob(os.path.join(harness.TOP, pattern), recursive=True) if os.path.isfile(path)}):
        name = os.path.relpath(path, harness.TOP)
        with open(path, encoding="utf-8") as text:
            lines = text.read().splitlines()
        block = False
        for line in lines:
            if not name.endswith(".md"):
                if VERDICT.search(line) and not line.lstrip().startswith("#"):
                    found.append((name, VERDICT.search(line).group().replace('"', "")))
            elif line.startswith("```"):
                block = not block
            elif block and VERDICT.search(line):
                found.append((name, re.sub(r"\s+# .*", "", line.removeprefix("$ ")).strip()))
            elif not block:
                found += [(name, span.replace("\\|", "|")) for span in re.findall(r"`([^`]+)`", line)
                          if re.search(r"flense check [^-]|flense doctor( -|$)", span)]
    return found


def promised(document, command):
    """What the document shows below a command."""
    with open(os.path.join(harness.TOP, document), encoding="utf-8") as text:
        below = text.read().split(f"$ {command}\n", 1)[1]
    return below.split("```", 1)[0].splitlines()


class Recipes(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = harness.tempfile.mkdtemp(prefix="flense-recipes-")
        cls.addClassCleanup(harness.shutil.rmtree, cls.folder, ignore_errors=True)
        layers, _ = fixtures.sample_layers(cls.folder)
        cls.image = f"{cls.folder}/app.tar"
        # PTX of CUDA 13, and a configuration as NVIDIA's images have it.
        fixtures.docker_archive(cls.image, layers, fixtures.INSTRUCTIONS, container={
            "Cmd": ["/bin/sh"], "Env": ["PATH=/bin:/usr/bin", "CUDA_VERSION=13.0.1", "NVIDIA_VISIBLE_DEVICES=all",
                                        "NVIDIA_DRIVER_CAPABILITIES=compute,utility", "NVIDIA_REQUIRE_CUDA=cuda>=13.0"]})
        cls.registry = engines.Registry(f"{cls.folder}/registry")
        cls.addClassCleanup(cls.registry.stop)
        for name in ("vllm/vllm-openai:latest", "library/app:1", "app:1"):
            cls.registry.push(f"docker-archive:{cls.image}", name)
        os.makedirs(f"{cls.folder}/home/.config/containers")
        with open(f"{cls.folder}/home/.config/containers/registries.conf", "w") as out:
            for name in ("docker.io", "registry.example"):
                out.write(f'[[registry]]\nprefix = "{name}"\nlocation = "{cls.registry.address}"\ninsecure = true\n')
        os.makedirs(f"{cls.folder}/bin")
        os.symlink(harness.BINARY, f"{cls.folder}/bin/flense")

    def setUp(self):
        super().setUp()
        os.makedirs(self.path("bin"))
        self.env = {**harness.surroundings(), "PATH": f"{self.path('bin')}:{self.folder}/bin:{os.environ['PATH']}",
                    "XDG_CACHE_HOME": self.path("cache"), "NO_COLOR": "1", "HOME": f"{self.folder}/home"}
        self.env.pop("XDG_CONFIG_HOME", None)

    def program(self, name, body):
        with open(self.path(f"bin/{name}"), "w") as out:
            out.write(f"#!/bin/bash\n{body}\n")
        os.chmod(self.path(f"bin/{name}"), 0o755)

    def shell(self, command, status, **more):
        env = {**self.env, **more}
        done = harness.Result(subprocess.run(["bash", "-uo", "pipefail", "-c", command], cwd=self.work, env=env,
                                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False))
        self.assertEqual(done.status, status, f"{command}\n{done.out}\n{done.err}")
        return done.out

    def cluster(self, name, program=None):
        """The list as nodes.json or nodes.txt, and `program` (kubectl, scontrol) prints it."""
        target = self.path("nodes" + os.path.splitext(name)[1])
        harness.shutil.copy(os.path.join(CLUSTERS, name), target)
        if program:
            self.program(program, f"cat {CLUSTERS}/{name}")

    def verdicts(self, out, **expected):
        """`expected`: words that the part about each node holds, the verdict first; underscores stand for dashes."""
        for node, (verdict, *words) in expected.items():
            head = re.compile(rf"^[^\n]*{node.replace('_', '-')}[^\n]* by \S+: {verdict}\n")
            part = next(filter(head.search, out.split("\n\n")), None)
            self.assertIsNotNone(part, f"{node}\n{out}")
            for word in words:
                self.assertRegex(part, word, f"{node}\n{out}")

    # What a node list of each kind promises of an image of CUDA 13: the facts that the labels tell decide, and what
    # they do not tell is unknown, with what would settle it.
    NODE_LISTS = {
        "gke.json": (1, {"gke_n1_standard_2_1": ("fail", "fail +device-code: .*3.7"),
                         "gke_a2_ultragpu_1": ("unknown", "unknown +driver-cuda", "fix: name the driver"),
                         "gke_n1_standard_4_1": ("unknown", "unknown +driver-cuda")}),
        "eks.json": (1, {"eks_p3_2xlarge_1": ("fail", "fail +arch-dropped: .*Volta"),
                         "eks_g5_2xlarge_1": ("unknown", "unknown +driver-cuda")}),
        "aks.json": (1, {"aks_mi300x_1": ("fail", "fail +vendor-mismatch"),
                         "aks_nc4as_t4_1": ("unknown", "unknown +driver-cuda"),
                         "aks_nc6_1": ("unknown", "unknown +driver-missing")}),
        "openshift.json": (1, {"ocp_t4_shared_1": ("fail", "fail +driver-cuda: .*510.73.08 supports CUDA 11.6"),
                               "ocp_a100_mig_1": ("unknown", "unknown +driver-missing")}),
        "operator.json": (1, {"dgx_a100_1": ("fail", "fail +driver-cuda: .*450.80.02 supports CUDA 11.0"),
                              "h100_1": ("unknown", "unknown +driver-cuda"),
                              "a100_mixed_mig_1": ("unknown", "unknown +driver-cuda")}),
        "vgpu.json": (0, {}),
    }

    def test_every_recipe_has_a_case(self):
        found = recipes()
        self.assertGreater(len(found), 15)
        self.assertEqual([recipe for recipe in found if recipe not in CASES], [])
        self.assertEqual([known for known in CASES if known not in found], [])

    def test_recipes(self):
        for (document, command), method in CASES.items():
            with self.subTest(document=document, command=command):
                self.doCleanups()
                self.setUp()
                method(self, command)

    # README.md, docs

    @case("README.md", "flense check small.tar --host a100@470.82.01; echo $?")
    def a_driver_that_is_too_old(self, command):
        harness.shutil.copy(self.image, self.path("small.tar"))
        out = self.shell(command, 0).splitlines()
        shown = promised("README.md", command)
        self.assertEqual((out[0], out[-1]), (shown[0], shown[-1]))
        check = re.match(r" +fail +\S+: the driver is too old for CUDA ", shown[1]).group()
        self.assertTrue(any(line.startswith(check) for line in out), out)

    @case("README.md", "flense check docker://app:1 --config-only --host nodes.json")
    def a_cluster_before_the_pull(self, command):
        # The configuration tells the CUDA: nothing is known of device code, and AMD's nodes are of no use.
        for name, status, word in (("openshift.json", 1, "510.73.08 supports CUDA 11.6"), ("eks.json", 1, "arch-dropped"),
                                   ("aks.json", 1, "vendor-mismatch"), ("vgpu.json", 5, "device-code")):
            self.cluster(name)
            self.assertIn(word, self.shell(command, status))

    @case("README.md", "flense doctor")
    @case("docs/commands/doctor.md", "flense doctor")
    def this_machine(self, command):
        bare = not any(map(os.path.exists, ("/proc/driver/nvidia", "/dev/kfd", "/dev/dxg", "/etc/nv_tegra_release")))
        if bare:
            self.assertIn("there is no NVIDIA or AMD GPU", self.shell(command, 4))
        # The same command on machines that are made of files.
        for name, status, word in (("mismatch", 1, "driver-match"), ("no_gpu", 4, "gpu-present")):
            root = hosts.make(name, self.path(name))
            self.assertIn(word, self.shell(f"{command} --root {root}", status))

    # Messages of public threads, and the cause that flense names for them.
    LOGS = (
        # NVIDIA/nvidia-docker#1699
        ("nvidia-container-cli: mount error: file creation failed: /var/lib/docker/overlay2/0/merged/usr/lib/"
         "x86_64-linux-gnu/libnvidia-ml.so.1: file exists: unknown.", "mostly the image holds one already"),
        # NVIDIA/nvidia-docker#1637
        ('docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]].',
         "nvidia-container-toolkit is not installed"),
        # microsoft/onnxruntime#21769
        ("Failed to create CUDAExecutionProvider. Require cuDNN 9.* and CUDA 12.*, and the latest MSVC runtime.",
         "CUDA provider does not load"),
    )

    @case("README.md", "docker run … 2>&1 | flense doctor --log -")
    @case("docs/commands/doctor.md", "docker run --gpus all app:1 2>&1 | flense doctor --log -")
    def what_an_engine_says(self, command):
        for message, cause in self.LOGS:
            with open(self.path("log"), "w") as out:
                out.write(message + "\n")
            self.program("docker", f"cat {self.path('log')} >&2")
            self.assertIn(cause, self.shell(command, 1))
        self.program("docker", "echo ready")
        self.shell(command, 5)

    @case("docs/commands/doctor.md", "flense doctor --message 'Failed to initialize NVML: Driver/library version mismatch'")
    def one_message(self, command):
        self.assertIn("upgraded (maybe by itself) while its module stayed loaded", self.shell(command, 1))

    @case("docs/commands/doctor.md",
          "docker run --rm --gpus all -v /usr/local/bin/flense:/flense:ro app:1 /flense doctor")
    def in_a_container(self, command):
        root = hosts.make("mismatch", self.path("mismatch"))
        self.program("docker", f'[ "${{*: -2}}" = "/flense doctor" ] && exec flense "${{@: -1}}" --root {root}')
        self.assertIn("driver-match", self.shell(command, 1))

    @case("docs/build.md", "flense check oci-archive:slim.tar --host h100@550.54.15")
    def the_file_that_is_pushed(self, command):
        self.shell(f"flense slim {self.image} --gpu h100 -o oci-archive:slim.tar", 0)
        self.assertRegex(self.shell(command, 1), "fail +driver-cuda")

    @case("docs/commands/check.md", "flense check app.tar --host h100@550.54.15")
    def a_machine_in_words(self, command):
        harness.shutil.copy(self.image, self.path("app.tar"))
        self.verdicts(self.shell(command, 1), h100=("fail", "fail +driver-cuda"))

    @case("docs/commands/check.md", "flense check docker://vllm/vllm-openai:latest --config-only")
    def before_any_layer_is_pulled(self, command):
        # Without a GPU nobody is judged: the requirements are shown.
        out = self.shell(f"{command} --root {hosts.make('no_gpu', self.path('no_gpu'))}", 5)
        self.assertIn("580.65.06", out)
        self.assertIn("fail", self.shell(f"{command} --root {hosts.make('h100', self.path('h100'))}", 1))

    @case("docs/commands/check.md", "flense check app.tar --requirements")
    def what_it_asks_of_any_machine(self, command):
        harness.shutil.copy(self.image, self.path("app.tar"))
        self.assertIn("580.65.06", self.shell(command, 0))

    @case("docs/commands/check.md", "kubectl get nodes -o json > nodes.json && flense check app.tar --host nodes.json")
    def a_cluster(self, command):
        harness.shutil.copy(self.image, self.path("app.tar"))
        for name, (status, nodes) in self.NODE_LISTS.items():
            self.cluster(name, "kubectl")
            self.verdicts(self.shell(command, status), **nodes)

    @case("docs/commands/data.md", "flense check app.tar --host h100@550.54.15 --data tables")
    def by_tables_of_ones_own(self, command):
        harness.shutil.copy(self.image, self.path("app.tar"))
        self.shell("flense data export tables", 0)
        self.assertEqual(self.shell(command, 1), self.shell(command.replace(" --data tables", ""), 1))

    # examples

    @case("examples/batch/README.md", "flense check app.sif --host nodes.txt")
    def nodes_of_slurm(self, command):
        self.shell(f"flense slim {self.image} --gpu sm_80,sm_86,sm_90,sm_120 -o squashfs:app.sif", 0)
        self.cluster("scontrol.txt", "scontrol")
        # Slurm tells GPUs and no driver; a node whose GRES is (null) has no GPU.
        out = self.shell(f"scontrol show node > nodes.txt\n{command}", 5)
        self.verdicts(out, slinky_1=("unknown", "unknown +driver-cuda"), dev_1=("unknown", "unknown +driver-cuda"))
        for name, status, nodes in (("sinfo.txt", 1, {"cpu": ("fail", "fail +driver-missing"), "gpu004": ("unknown",)}),
                                    ("sinfo-features.txt", 5, {"gpu003": ("unknown", "unknown +driver-cuda")})):
            self.cluster(name)
            self.verdicts(self.shell(command, status), **nodes)

    @case("examples/kubernetes/README.md", "flense check docker://registry.example/app:1 --host nodes.json")
    def nodes_from_elsewhere(self, command):
        for name, (status, nodes) in self.NODE_LISTS.items():
            self.cluster(name, "kubectl")
            self.verdicts(self.shell(f"kubectl get nodes -o json > nodes.json\n{command}", status), **nodes)

    @case("examples/kubernetes/README.md", "flense check docker://registry.example/app:1 --emit device-claim")
    def a_claim_on_devices(self, command):
        claim = self.shell(command, 0)
        # test_manifests_large.py evaluates the expression.
        self.assertIn("kind: ResourceClaimTemplate\n", claim)
        self.assertIn('driverVersion.compareTo(semver("580.65.6")) >= 0', claim)
        self.assertIn("cudaComputeCapability.major() == 9 ", claim)

    @case("examples/kubernetes/README.md", "flense check docker://registry.example/app:1 --emit node-affinity")
    def an_affinity_for_the_manifest(self, command):
        manifest = self.path("affinity.yaml")
        with open(manifest, "w") as out:
            out.write(self.shell(command, 0))
        with open(manifest) as text:
            document = json.loads(subprocess.run(READ_YAML, stdin=text, check=True, stdout=subprocess.PIPE).stdout)
        terms = document["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]

        def met(labels, rule):
            value = labels.get(rule["key"])
            return {"In": lambda: value in rule["values"], "NotIn": lambda: value not in rule["values"],
                    "Exists": lambda: value is not None,
                    "Gt": lambda: value is not None and int(value) > int(rule["values"][0])}[rule["operator"]]()

        # The scheduler would take the nodes with a driver of CUDA 13, and none of the older ones.
        chosen = set()
        kubelet = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}  # on every node, seldom posted
        for path in glob.glob(f"{CLUSTERS}/*.json"):
            with open(path) as text:
                chosen |= {node["metadata"]["name"] for node in json.load(text)["items"] if any(
                    all(met({**kubelet, **node["metadata"]["labels"]}, rule) for rule in term["matchExpressions"])
                    for term in terms)}
        self.assertEqual(chosen, {"vks-40c-1", "vks-4c-1"}, document)

    @case("examples/kubernetes/check-job.yaml", "flense check")
    def a_pod_for_each_image(self, _):
        with open(os.path.join(harness.TOP, "examples/kubernetes/check-job.yaml")) as text:
            lines = text.read()
        job = json.loads(subprocess.run(READ_YAML, input=lines.encode(), check=True, stdout=subprocess.PIPE).stdout)
        container, = job["spec"]["template"]["spec"]["containers"]
        env = {variable["name"]: variable["value"] for variable in container["env"]}
        env.update(IMAGES=self.path("images.txt"), NODES=self.path("nodes.json"), SCRATCH=self.work,
                   XDG_CACHE_HOME=self.path("cache"), JOB_COMPLETION_INDEX="0",
                   REGISTRY_AUTH_FILE=self.path("no-pull-secret.json"))
        with open(self.path("images.txt"), "w") as out:
            out.write("registry.example/app:1\n")
        selection, = (line.lstrip("# ") for line in lines.splitlines() if "kubectl get nodes" in line)
        # Nodes whose capacity was shown: of those, the recipe leaves the ones whose device plugin offers GPUs.
        for name, status, kept in (("openshift.json", 1, ["ocp-t4-shared-1"]), ("operator.json", 1, ["dgx-a100-1"]),
                                   ("eks.json", 5, ["eks-g5-2xlarge-1"]), ("aks.json", 3, [])):
            with open(f"{CLUSTERS}/{name}") as text:
                shown = json.load(text)
            shown["items"] = [node for node in shown["items"] if "capacity" in node["status"]]
            with open(self.path("shown.json"), "w") as out:
                json.dump(shown, out)
            self.program("kubectl", f"cat {self.path('shown.json')}")
            self.shell(selection, 0)
            with open(self.path("nodes.json")) as text:
                self.assertEqual([node["metadata"]["name"] for node in json.load(text)["items"]], kept)
            done = harness.Result(subprocess.run(container["command"] + container["args"], env={**self.env, **env},
                                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False))
            self.assertEqual(done.status, status, done.out + done.err)
            for node in kept:
                self.assertIn(f"{node} by kubernetes: ", done.out.replace("docker://registry.example/app:1 on ", ""))

    def script(self, name, status, **env):
        path = os.path.join(harness.TOP, "examples/batch", name)
        return self.shell(path if os.access(path, os.X_OK) else f"bash {path}", status, **env)

    @case("examples/batch/check-array.sbatch", "flense check")
    def an_array_task(self, _):
        with open(self.path("images.txt"), "w") as out:
            out.write(f"{self.image}\n")
        machines = (("h100", 1, "fail"), ("no_gpu", 1, "fail"), ("jetson", 1, "fail"))
        for number, (name, status, verdict) in enumerate(machines):
            root = hosts.make(name, self.path(name))
            self.script("check-array.sbatch", status, IMAGES=self.path("images.txt"), OUT=self.path(f"out{number}"),
                        SLURM_ARRAY_TASK_ID="1", SLURMD_NODENAME=name, FLENSE_CHECK_OPTIONS=f"--root {root}")
            with open(f"{self.path(f'out{number}')}/1.json") as text:
                self.assertEqual(json.load(text)["hosts"][0]["verdict"], verdict)

    @case("examples/batch/prolog-check.sh", "flense check")
    def a_prolog(self, _):
        path = self.path("prolog.sh")
        with open(os.path.join(harness.TOP, "examples/batch/prolog-check.sh")) as recipe:
            text = recipe.read()
        root = hosts.make("h100", self.path("h100"))
        for line, replacement in (("\nflense=flense ", f"\nflense={self.folder}/bin/flense "),
                                  ("\noptions=(--host this)", f"\noptions=(--host this --root {root})"),
                                  ("\nexport PATH=", f"\nexport PATH={self.path('bin')}:")):
            self.assertEqual(text.count(line), 1, line)
            text = text.replace(line, replacement)
        with open(path, "w") as out:
            out.write(text)
        # What Slurm would do is written down.
        for name in ("scontrol", "scancel", "logger"):
            self.program(name, f'echo {name} "$@" >> {self.path("calls")}')
        # Only root may take the job's user.
        self.program("setpriv", 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"')
        job = {"SLURM_JOB_ID": "7", "SLURM_JOB_UID": str(os.getuid()), "SLURM_JOB_GID": str(os.getgid()),
               "SLURMD_NODENAME": "gpu-7"}
        self.shell(f"bash {path}", 0, **job, SLURM_JOB_COMMENT="no word of an image")
        self.assertFalse(os.path.exists(self.path("calls")))
        self.shell(f"bash {path}", 0, **job, SLURM_JOB_COMMENT=f"image={self.image}")
        with open(self.path("calls")) as text:
            calls = text.read()
        self.assertRegex(calls, "cannot run on gpu-7: +fail driver-cuda")
        self.assertIn("scancel 7", calls)


if __name__ == "__main__":
    harness.main()
