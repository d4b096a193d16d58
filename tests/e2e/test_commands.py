#!/usr/bin/env python3
"""Every command of README, docs and examples is run as it stands on a small real image, or named below with the reason why
not. Those that end in a verdict are in test_recipes.py, which looks at what they say."""

import glob
import os
import re
import shutil
import subprocess

import engines
import fixtures
import harness
import hosts
import test_recipes
import wheels

# A command begins with one of these, or names flense further on.
WORD = re.compile(r"\bflense [a-z]")
# What is made of other words in each place: DIR, NAME, "…".
PLACEHOLDER = re.compile(r"…|\b(COMMAND|DIR|FILE|NAME|RULE|REF|ID|GPU|CMD|IMAGE|OWNER|A B C)\b")

NOT_RUN = (
    (r"\b(uvx|uv|pipx|pip|apt|docker buildx|sudo tar|tar -xzf)\b", "installs or builds: test_dist.py, test_action.py"),
    (r"(flense|docker) run .*--gpus|\bnvidia-smi\b|flense exec |flense shell ",
     "starts something on a GPU or in a container of another call: test_run.py, tests/gpu"),
    (r"^docker (run|build)\b|^make CUDA_HOME|\| docker build\b|^curl |^\./build\.sh|images/(fat|cuda-cpp)\.tar", "another program, or gigabytes"),
    (r"flense bench io", "test_bench_io.py; it drops the page cache"),
    (r"flense lint --with hadolint", "test_lint_fix_large.py"),
    (r"flense cdi (un)?install", "changes an engine of this machine: test_cdi_podman.py, test_cdi_generate.py"),
    (r"flense mirror (un)?install", "changes an engine of this machine: test_mirror_install.py"),
    (r"flense cdi generate .*(rdma|--mode amd|--driver-root)", "hardware of other machines: test_cdi_generate.py"),
    (r"flense cdi apply", "needs the nodes of a driver: test_cdi_generate.py"),
    (r"^skopeo copy .* docker://|(-t|--mirror) docker://", "pushes to a host of that name: test_registries.py"),
    (r"^flense (inspect|slim|verify) docker://\S*(nvcr|reg)\.|^podman |^FLEET=", "test_mirror.py runs the ten commands of docs/fleet.md"),
    (r"^flense fleet (status|prune) ", "registries of that name: test_fleet_status.py, test_fleet_prune.py"),
    (r"^skopeo copy .* docker-daemon:", "an engine: test_image_large.py"),
    (r"completion fish \|", "fish's own source: test_narrow.py"),
    (r"^flense (inspect --json|slim --gpu|data validate|run --trace)$", "names an option, not a call"),
)
# What is there where the document has its reader begin.
BEFORE = {
    "flense verify oci:app --against app.tar --gpu h100": "flense slim app.tar --gpu h100 -o oci:app",
    "flense slim *.whl --gpu h100 -o wheels --index": "rm -r wheels",
    "flense slim oci-archive:image.tar --gpu h100 -o oci-archive:slim.tar": "rm slim.tar",
    "flense diff app.tar oci:app-slim --host a100@550.54.15": "flense slim app.tar --gpu h100 -o oci:app-slim",
    "flense verify /opt/venv --against /mnt/original --gpu sm_90 --record plan.json":
        "flense slim opt/venv --gpu sm_90 --in-place --provenance plan.json",
    "flense slim app.tar --gpu h100 --level aggressive --closure --trace-file serve.trace -o oci:app-slim":
        "rm -rf app-slim; echo /usr/bin/python3 > serve.trace",
    "flense run -v /scratch/data:/data:ro oci:./app python /app/train.py":
        "mkdir scratch/data; flense slim app.tar --gpu h100 -o oci:app",
}
# Where what is promised is not success.
STATUS = {
    "flense diff docker://app:1 oci:build --fail-on driver-floor,arch,size:+5%": 1,
    "flense host --compare this gpu-7.json aws:p5.48xlarge@550.54.15": 1,
    "flense init jax --host a100@470.82.01": 2,
    "flense lint": 1,
    "flense lint --fix": 1,
    "flense lint --diff Dockerfile": 1,
    "flense lint .": 1,
}
# Places of the machine that a test may not write to.
PLACES = re.compile(r"(?<![\w./-])/(?=(opt/venv|mnt/original|etc/cdi|etc/kubernetes|var/run/cdi|scratch)\b)")


def commands():
    """[(document, [command, …])]: code blocks, whose commands see what those before left; inline code stands alone."""
    found = []
    for path in sorted({path for pattern in test_recipes.DOCUMENTS if not pattern.startswith("CONTRIBUTING")
                        for path in glob.glob(os.path.join(harness.TOP, pattern), recursive=True) if path.endswith(".md")}):
        name = os.path.relpath(path, harness.TOP)
        if name.startswith("docs/rules/") or name == "docs/run.md":  # test_lint.py; side by side: test_run_flags.py
            continue
        with open(path, encoding="utf-8") as text:
            found += commands_of(name, text.read())
    return found


def commands_of(name, text):
    prose, found = [], []
    kind = None
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line.startswith("```"):
            kind = None if kind is not None else line[3:]
            if kind is not None:
                found.append((name, []))
        elif kind is None:
            prose.append(line)
        else:
            at = re.match(r"(?:[\w-]+)?\$ +(.*)", line)
            if at or kind in ("", "sh") and re.match(r"\s*(\./\w|[a-z-]+ .*)", line) and (kind == "sh" or WORD.search(line)):
                command = re.sub(r"\s+#\s.*", "", at[1] if at else line).strip()
                found[-1][1].append(command)
    for span in re.findall(r"`([^`]+)`", "\n".join(prose)):
        span = span.replace("\\|", "|").replace("\n", " ").removeprefix("RUN ")
        if re.match(r"(sudo )?flense [a-z]+ \S", span) and not PLACEHOLDER.search(span):
            found.append((name, [span]))
    return [(name, [one for one in block if not PLACEHOLDER.search(one)]) for name, block in found if block]


def reason_not_to_run(command):
    if test_recipes.VERDICT.search(command):
        return "test_recipes.py"
    return next((reason for pattern, reason in NOT_RUN if re.search(pattern, command)), None)


class Commands(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = harness.tempfile.mkdtemp(prefix="flense-commands-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.world, cls.bin = f"{cls.folder}/world", f"{cls.folder}/bin"
        os.makedirs(cls.world)
        os.makedirs(cls.bin)
        cls.registry = engines.Registry(f"{cls.folder}/registry")
        cls.addClassCleanup(cls.registry.stop)
        cls.env = {**harness.surroundings(), "PATH": f"{cls.bin}:{os.environ['PATH']}", "NO_COLOR": "1",
                   "HOME": f"{cls.folder}/home", "XDG_CACHE_HOME": f"{cls.folder}/cache"}
        cls.env.pop("XDG_CONFIG_HOME", None)
        cls.make_programs()
        cls.make_images()
        cls.make_files()

    @classmethod
    def make_programs(cls):
        """flense looks at a machine made of files, and the programs of clusters and engines answer from files."""
        cls.machine = hosts.make("h100", f"{cls.folder}/machine")
        shutil.rmtree(f"{cls.machine}/var/run/cdi")
        programs = {
            "flense": f"[ \"$1 $2 $3\" = 'cdi diff nvidia.com/gpu' ] && set -- \"$@\" --spec-dir etc/cdi\n"
                      f"case \"$1 $2\" in host*|'cdi generate'|'cdi validate'|'cdi diff') set -- \"$@\" --root {cls.machine};; "
                      f"esac\nexec {harness.BINARY} \"$@\"",
            "docker": '[ "$1" = save ] && cat "$WORLD/app.tar"',
            "kubectl": 'case "$*" in *pods*) cat "$WORLD/k8s/pod.yaml";; *logs*) echo "CUDA error 804: forward compatibility";; '
                       f"label*) ;; *) cat {test_recipes.CLUSTERS}/eks.json;; esac",
            "scontrol": f"cat {test_recipes.CLUSTERS}/scontrol.txt"}
        for name, body in programs.items():
            with open(f"{cls.bin}/{name}", "w") as out:
                out.write(f"#!/bin/bash\n{body}\n")
            os.chmod(f"{cls.bin}/{name}", 0o755)

    @classmethod
    def make_images(cls):
        layers, library = fixtures.sample_layers(cls.folder)
        more = fixtures.Layer().folder("opt/app").folder("opt/app/bin").folder("srv").folder("srv/app")
        more.disk_file("opt/app/bin/worker", fixtures.BUSYBOX)
        for path in ("usr/bin/python3", "usr/bin/python"):
            more.file(path, "#!/bin/sh\nread line </etc/os-release\n", 0o755)
        more.file("srv/app/serve.py", "import os\n").file("srv/app/selftest.py", "import os\n").file("app.py", "import os\n")
        layers.append(more.done())
        start = {"Cmd": ["/usr/bin/python3", "/srv/app/serve.py"], "Env": ["PATH=/usr/bin:/bin"]}
        steps = [*fixtures.INSTRUCTIONS, "COPY app"]
        for name in ("app.tar", "small.tar", "app-1.tar", "slim.tar"):
            fixtures.docker_archive(f"{cls.world}/{name}", layers, steps, container=start)
        fixtures.docker_archive(f"{cls.world}/server.tar", layers, steps, container={**start, "Cmd": ["/bin/busybox", "true"]})
        fixtures.docker_archive(f"{cls.world}/app-2.tar", layers[:3], steps[:3], container={**start, "Cmd": ["/bin/sh"]})
        for name in ("app:1", "library/app:1", "nvidia/pytorch:25.01-py3"):
            cls.registry.push(f"docker-archive:{cls.world}/app.tar", name)
        os.makedirs(f"{cls.folder}/home/.config/containers")
        os.makedirs(f"{cls.folder}/home/.zfunc")
        with open(f"{cls.folder}/home/.config/containers/registries.conf", "w") as out:
            for name in ("docker.io", "registry", "registry.example", "registry.example.com", "nvcr.io"):
                out.write(f'[[registry]]\nprefix = "{name}"\nlocation = "{cls.registry.address}"\ninsecure = true\n')
        slim = ["slim", "app.tar", "--gpu", "sm_90"]
        cls.prepare(*slim, "-o", "oci:build")
        cls.prepare(*slim, "-o", "oci-archive:image.tar")
        shutil.copy(library, f"{cls.world}/libfoo.so")
        cls.prepare("slim", "libfoo.so", "--gpu", "h100", "-o", "libfoo-slim.so")
        os.makedirs(f"{cls.world}/mnt/original")
        shutil.copy(library, f"{cls.world}/mnt/original/libfoo.so")
        shutil.copytree(f"{cls.world}/mnt/original", f"{cls.world}/opt/venv")

    @classmethod
    def make_files(cls):
        os.makedirs(f"{cls.world}/wheels")
        made = [wheels.gpu_wheel(f"{cls.world}/wheels"), wheels.plain_wheel(f"{cls.world}/wheels")]
        shutil.copy(made[0], cls.world)
        for folder in ("docker", "k8s", "etc/cdi", "var/run/cdi", "scratch", "etc/kubernetes/node-feature-discovery/features.d"):
            os.makedirs(f"{cls.world}/{folder}")
        files = {"requirements.txt": "fake_gpu==1.5+cu13\nplain==2.0\n", "config.json": '{"process": {"args": ["sh"]}, "linux": {}}',
                 "Dockerfile": "FROM nvidia/cuda\nRUN nvcc --version\n", "docker/Dockerfile": "FROM debian:12\n",
                 "build.log": "RuntimeError: No CUDA GPUs are available\n",
                 "k8s/pod.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: app:1}]}\n"}
        for name, text in files.items():
            with open(f"{cls.world}/{name}", "w") as out:
                out.write(text)
        for name, words in {"last-release.json": ["inspect", "--json", "app.tar"], "gpu-7.json": ["host", "--json"],
                            "etc/cdi/flense.json": ["cdi", "generate"], "etc/cdi/nvidia.yaml": ["cdi", "generate", "--format", "yaml",
                                                                                             "--vendor", "other.org"]}.items():
            with open(f"{cls.world}/{name}", "wb") as out:
                subprocess.run(["flense", *words], cwd=cls.world, env=cls.env, stdout=out, check=True)

    @classmethod
    def prepare(cls, *words):
        subprocess.run([f"{cls.bin}/flense", *words], cwd=cls.world, env=cls.env, check=True, stdout=subprocess.DEVNULL)

    def complaint(self, command, world):
        """Why it does not do what is promised; None: it does."""
        if command in BEFORE:
            subprocess.run(["bash", "-ec", BEFORE[command]], cwd=world, env=self.env, check=True, stdout=subprocess.DEVNULL)
        here = PLACES.sub(lambda _: world + "/", command)
        done = subprocess.run(["bash", "-uo", "pipefail", "-c", here], cwd=world, env={**self.env, "WORLD": world}, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        wanted = STATUS.get(command, 0)
        if done.returncode == wanted:
            return None
        return f"status {done.returncode}, not {wanted}: {done.stdout.decode()[-500:]}{done.stderr.decode()[-800:]}"

    def fresh(self):
        world = self.path("world")
        shutil.rmtree(world, ignore_errors=True)
        subprocess.run(["cp", "-a", self.world, world], check=True)
        return world

    def test_every_command_runs(self):
        ran = 0
        for document, block in commands():
            block = [command for command in block if reason_not_to_run(command) is None]
            world = self.fresh() if block else None
            for command in block:
                with self.subTest(document=document, command=command):
                    self.assertIsNone(self.complaint(command, world))
                    ran += 1
        self.assertGreater(ran, 60)

    def test_a_wrong_command_is_found(self):
        text = "```console\n$ flense slim app.tar --gpu h100 --level bold -o oci:x   # do it\n$ flense help slim\n```\nSo `flense cache list`.\n"
        planted = commands_of("page.md", text)
        self.assertEqual(planted, [("page.md", ["flense slim app.tar --gpu h100 --level bold -o oci:x", "flense help slim"]),
                                   ("page.md", ["flense cache list"])])
        world = self.fresh()
        told = [self.complaint(command, world) for _, block in planted for command in block]
        self.assertEqual([one is None for one in told], [False, True, False], told)

    def test_no_reason_is_idle(self):
        every = [command for _, block in commands() for command in block]
        for pattern, reason in NOT_RUN:
            self.assertTrue(any(re.search(pattern, command) for command in every), reason)
        self.assertEqual([command for command in [*STATUS, *BEFORE] if command not in every], [])


if __name__ == "__main__":
    harness.main()
