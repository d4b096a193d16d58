#!/usr/bin/env python3
"""Whatever stands in an image, a file or an argument, no command prints what a terminal obeys or what hides
text. The commands, their actions, options and forms are asked of the program (its completion script)."""

import http.server
import json
import os
import re
import shutil
import subprocess
import threading
import unicodedata

import fixtures
import harness
import hosts
from registries import INDEX, MANIFEST

# "q…PWN" says whether a colour of the text's own came through. No file name can hold more than this and "/".
WORD = "q\x1b[31mPWN\x1b]0;t\x07\r\x08\x7f\x9b2J\x85\u202e\u2066\u200f\u061c\u2028\ufeff\U000e0041"
RAW = WORD.encode() + b"\x9b1m\x85\xff"  # where text need not be UTF-8
FORGED = b"q\x1b[31mPWN"
OWN = re.compile(rb"\x1b\[(?:[012]|3[1236])m|\r\x1b\[K")  # colours, and the line of progress


def breaks(text):
    """The bytes that a terminal obeys or a reader does not see, by Python's tables."""
    if FORGED in text:
        return "a colour of the input's own"
    try:
        text = text.decode()
    except UnicodeDecodeError as error:
        return str(error)
    bad = {c for c in text if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")}
    return f"{sorted(map(ascii, bad))}" if bad else ""


def interface():
    """Of each command: its options, the first words that it takes, its forms of output."""
    script = subprocess.run([harness.BINARY, "completion", "bash"], stdout=subprocess.PIPE, check=True).stdout.decode()
    names = re.search(r"compgen -W '([^']*)' -- ", script)[1].split()
    out = {}
    for name in (one for one in names if not one.startswith("-")):
        part = re.search(rf"^    {name}\)\n(.*?)options='([^']*)'; words='([^']*)'", script, re.M | re.S)
        forms = re.search(r"--format\) COMPREPLY=\(\$\(compgen -W '([^']*)'", part[1])
        out[name] = (part[2].split(), part[3].split(), forms[1].split() if forms else [])
    return out


def json_of(word):
    """JSON of it with the raw characters, where JSON allows them."""
    return json.dumps(word, ensure_ascii=False).replace("\x7f", "\\u007f")


class HostileLayer(fixtures.Layer):
    def file(self, path, data, *more, **named):
        return super().file(path, os.fsencode(data) if isinstance(data, str) else data, *more, **named)


class Terminal(harness.Case):
    def setUp(self):
        super().setUp()
        self.env = {**harness.surroundings(), "HOME": self.work, "XDG_CACHE_HOME": self.path("cache"), "TERM": "xterm",
                    "LD_LIBRARY_PATH": WORD, "CUDA_VISIBLE_DEVICES": WORD, "NVIDIA_VISIBLE_DEVICES": WORD}
        self.env.pop("NO_COLOR", None)

    # Running

    def words(self, arguments):
        return [harness.BINARY.encode(), *(os.fsencode(one) if isinstance(one, str) else one for one in arguments)]

    def pipe(self, *arguments, given=b"", env=None):
        return subprocess.run(self.words(arguments), input=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              check=False, env={**self.env, **(env or {})}, cwd=self.work, timeout=300)

    def terminal(self, *arguments, given=b""):
        """What both streams show on one; without the program's own colours."""
        with open(self.path(".given"), "wb+") as source:
            source.write(given)
            source.seek(0)
            return harness.on_terminal(self.words(arguments), stdin=source, env=self.env, cwd=self.work)[1]

    def holds(self, arguments, given=b"", exact=False):
        """All that it prints; with `exact` its standard output is for a program where it is a pipe."""
        what = " ".join(map(ascii, arguments))
        done = self.pipe(*arguments, given=given)
        self.assertNotIn(done.returncode, (70, -6, -11), (what, done.stderr[-2000:]))
        self.assertEqual(breaks((b"" if exact else done.stdout) + done.stderr), "", (what, done.stdout + done.stderr))
        shown = self.terminal(*arguments, given=given).replace(b"\r\n", b"\n")
        self.assertEqual(breaks(shown) if FORGED in shown else breaks(OWN.sub(b"", shown)), "", (what, shown))
        if "--json" in arguments and "--emit" not in arguments and done.returncode in (0, 1, 5) and done.stdout:
            json.loads(done.stdout)
        return done.stdout + done.stderr

    # What commands are fed

    def config(self, word=WORD):
        return {"Cmd": [word, word], "Entrypoint": ["/bin/" + word], "User": word, "WorkingDir": "/" + word,
                "Env": ["PATH=/bin", f"{word}={word}", "NVIDIA_REQUIRE_CUDA=cuda>=" + word,
                        "NVIDIA_VISIBLE_DEVICES=" + word, "NVIDIA_DRIVER_CAPABILITIES=" + word, "LD_LIBRARY_PATH=/" + word],
                "Labels": {word: word, "org.opencontainers.image.base.name": word, "dev.flense.targets": word},
                "ExposedPorts": {word: {}}, "Volumes": {"/" + word: {}}, "StopSignal": word, "Shell": [word],
                "Healthcheck": {"Test": ["CMD-SHELL", word]}, "OnBuild": [word]}

    def image(self, name="app.tar", container=None, extra=""):
        """Hostile in the names and contents of its members, its tag, its history and its configuration."""
        if os.path.exists(self.path(name)):
            return self.path(name)
        library, text = self.path("lib.so"), os.fsdecode(RAW)
        fixtures.cuda_library(library)
        site = f"usr/lib/python3/dist-packages/{text}"
        low, top = HostileLayer(), HostileLayer()
        low.folder("bin").disk_file("bin/busybox", fixtures.BUSYBOX)
        low.symlink("bin/sh", "busybox").symlink("bin/true", "busybox").file("etc/passwd", f"{text}:x:1:1:{text}:/:/bin/sh\n")
        low.file("etc/os-release", f'ID={text}\nVERSION_ID="{text}"\nPRETTY_NAME="{text}"\n')
        low.file(f"opt/{text}", fixtures.noise("low", 60_000)).file(f"opt/{text}-2", fixtures.noise("low", 60_000))
        low.hardlink(f"opt/hard{text}", f"opt/{text}").symlink(f"opt/soft{text}", text).folder(f"srv/{text}")
        low.file("var/lib/dpkg/status", f"Package: {text}\nStatus: install ok installed\nVersion: {text}\n"
                                        f"Architecture: {text}\nDepends: {text}\n\n")
        low.file(f"var/lib/dpkg/info/{text}.list", f"/opt/{text}\n").file(f"root/.cache/pip/{text}", b"x" * 5000)
        top.whiteout(f"opt/{text}-2").disk_file(f"{site}/lib{text}.so", library)
        top.disk_file(f"usr/lib/libcudart.so.12.{text}", library).file(f"models/{text}.safetensors", b"\xff" * 9000)
        top.file(f"{site}-1.0.dist-info/METADATA",
                 f"Metadata-Version: 2.1\nName: {text}\nVersion: {text}\nRequires-Dist: {text}\n")
        top.file(f"{site}-1.0.dist-info/RECORD", f"{text}/lib{text}.so,,\n").file(f"{site}/x.pyc", b"\0" * 99)
        top.file(f"root/.ssh/{text}.pem", "-----BEGIN RSA PRIVATE KEY-----\n" + text).file("etc/extra", extra)
        fixtures.docker_archive(self.path(name), [low.done(), top.done()], [f"RUN /bin/sh -c {WORD}", WORD], tag=WORD,
                                container=container or self.config())
        return self.path(name)

    def folder(self):
        os.makedirs(os.path.join(os.fsencode(self.path("tree")), RAW, b"usr/lib"), exist_ok=True)
        shutil.copy(self.image(), os.path.join(os.fsencode(self.path("tree")), RAW, RAW))
        return os.path.join(os.fsencode(self.path("tree")), RAW)

    def write(self, name, text):
        path = os.path.join(os.fsencode(self.work), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(text.encode() if isinstance(text, str) else text)
        return path

    def machine(self):
        if not os.path.exists(self.path("host")):
            os.mkdir(self.path("host"))
            host = hosts.Host(self.path("host"))
            hosts.h100(host)
            for path in ("proc/driver/nvidia/gpus/0000:17:00.0/information", "usr/lib/os-release", "proc/sys/kernel/osrelease",
                         "etc/docker/daemon.json", "var/lib/dpkg/status", "proc/cpuinfo"):
                with open(self.path("host/" + path), "rb") as old:
                    text = old.read()
                host.file(path, text.replace(b"NVIDIA H100", b"NVIDIA " + RAW).replace(b"Ubuntu", RAW)
                          .replace(b"Example", RAW).replace(b"generic", RAW).replace(b"runtimes", WORD.encode()))
            host.file("var/run/cdi/" + os.fsdecode(RAW) + ".yaml", b"cdiVersion: " + RAW)
        return ["--root", self.path("host"), *(one for kind in ("proc", "sys", "dev")
                                               for one in ("--" + kind, self.path("host/" + kind)))]

    def profile(self):
        text = self.pipe("host", "--host", "h100@550.54.15", "--json").stdout.decode()
        text = re.sub(r'"(source|evidence)": "[^"]*"', lambda m: f'"{m[1]}": {json_of(WORD)}', text)
        text = text.replace('"H100"', json_of(WORD)).replace('"notices": []', f'"notices": [{json_of(WORD)}]')
        return self.write("profile.json", text)

    def nodes(self):
        path = hosts.kubernetes_nodes(self.path("nodes.json"), 3, lambda n: ("550", "54", str(n)))
        with open(path, encoding="utf-8") as old:
            text = old.read()
        text = re.sub(r'"gpu-0+(\d)"', lambda m: json_of(m[1] + WORD), text)
        text = text.replace('"Ubuntu 22.04.4 LTS"', json_of(WORD)).replace('"NVIDIA-H100-80GB-HBM3"', json_of("H100" + WORD))
        return self.write("nodes.json", text)

    def spec(self, name="cdi/spec.json"):
        edits = {"env": [f"{WORD}={WORD}"], "deviceNodes": [{"path": "/dev/" + WORD, "hostPath": "/dev/null" + WORD}],
                 "mounts": [{"hostPath": "/" + WORD, "containerPath": "/" + WORD, "options": [WORD]}],
                 "hooks": [{"hookName": WORD, "path": "/" + WORD, "args": [WORD]}], WORD: WORD}
        return self.write(name, json.dumps({"cdiVersion": "0.5.0", "kind": f"{WORD}.com/{WORD}", "containerEdits": edits,
                                            "devices": [{"name": WORD, "containerEdits": edits}]}, ensure_ascii=False))

    def fine_spec(self, name="fine/spec.json"):
        """Of which all rules hold, so that it is used: only values of variables may hold anything."""
        edits = {"env": ["A=" + WORD], "mounts": [{"hostPath": "/etc/hostname", "containerPath": "/etc/of-host"}],
                 "deviceNodes": [{"path": "/dev/fine", "hostPath": "/dev/null"}]}
        return self.write(name, json.dumps({"cdiVersion": "0.5.0", "kind": "flense.test/gpu",
                                            "devices": [{"name": "0", "containerEdits": edits}]}))

    def sources(self):
        """What lint reads, each below a hostile name too."""
        text, word = os.fsdecode(RAW).replace("\r", ""), json_of(WORD)
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": WORD}, "spec": {
            "nodeSelector": {WORD: WORD},
            "containers": [{"name": WORD, "image": WORD, "env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": WORD}],
                            "command": [WORD], "resources": {"limits": {"nvidia.com/gpu": WORD}}}]}}
        files = {
            "Dockerfile": f"FROM nvidia/cuda:12.4.1-devel-ubuntu22.04 AS {text}\nFROM {text}\nARG {text}\n"
                          f"ENV A={text} CUDA_VISIBLE_DEVICES={text}\n"
                          f"RUN apt-get update && apt-get install -y cuda{text} # {text}\n"
                          f"RUN pip install torch=={text} --index-url https://{text}\nCOPY {text} /\nBOGUS {text}\nUSER {text}\n"
                          f"# flense: ignore={text}\n",
            "compose.yaml": f"services:\n  app: {{image: {word}, runtime: {word}, shm_size: {word}, "
                            f"environment: {{{word}: {word}}}, deploy: {{resources: "
                            f"{{reservations: {{devices: [{{driver: {word}, count: {word}, capabilities: [gpu]}}]}}}}}}}}\n"
                            f"  {word}: {{image: cuda}}\n",
            "pod.json": json.dumps(pod, ensure_ascii=False),
            "job.sbatch": f"#!/bin/bash\n#SBATCH --gres=gpu:{text}\n#SBATCH --{text}\nsrun docker run --gpus {text} {text}\n",
            "requirements.txt": f"torch=={text}\n{text}\n",
            "environment.yml": f"name: {word}\ndependencies: [{word}, pytorch]\n",
            "app.def": f"Bootstrap: {text}\nFrom: {text}\n%post\n pip install {text}\n",
            "docker-bake.hcl": f'target "{text}" {{ tags = ["{text}"] }}\n',
            "app.container": f"[Container]\nImage={text}\nPodmanArgs=--gpus {text}\n"}
        for name, data in files.items():
            self.write(f"src/{name}", os.fsencode(data))
            self.write(b"src/" + RAW + b"/" + name.encode(), os.fsencode(data))
        self.write("mend/Dockerfile", os.fsencode(f"FROM debian:12\nRUN pip install numpy>=1.0 # {text}\n"
                                                  f"RUN apt-get install -y {text}\n"))
        return self.path("src")

    # The commands: lists of arguments; a last item of bytes in a tuple is standard input. "exact" is for programs.

    def of_inspect(self):
        app = self.image()
        broken = self.path("broken.tar")
        fixtures.docker_archive(broken, [fixtures.Layer().done()], [WORD], tag=WORD)
        with open(broken, "rb") as old:
            data = old.read()
        self.write("broken.tar", data.replace(b"layer.tar", b"\x1b[1mq.tar"))
        tree = self.folder()
        return [[app], ["--all", "-v", app], ["--gpu", "h100", "--level", "aggressive", app], [self.path("broken.tar")],
                [tree], [os.path.join(tree, RAW)], ["--max-size", "1kB", "--max-waste", "1", "--budget", "lambda", app]], \
               [["--html", "-", app]]

    def of_slim(self):
        app, other = self.image(), self.image("other.tar", extra="x")
        start = self.image("start.tar", {"Cmd": ["/bin/" + WORD], "Env": ["PATH=/bin"]})
        gpu = ["--gpu", "h100"]
        return [[app, *gpu, "--dry-run", "-v"], [app, *gpu, "-o", "slim.tar", "--plan", "plan.json", "-v"],
                [app, *gpu, "--keep", WORD, "-o", os.fsencode(self.path("out")) + RAW], [app, *gpu, "-o", RAW + b"/x.tar"],
                [app, *gpu, "-t", WORD, "-o", "t.tar"], [app, other, *gpu, "-o", "fleet"],
                [start, *gpu, "--level", "aggressive", "--closure", "-o", "c.tar"],
                [start, *gpu, "--level", "aggressive", "--closure", "--minimal", "-o", "m.tar"],
                [app, *gpu, "-o", "v.tar", "--verify", "/bin/sh -c 'echo \"" + WORD.replace("\r", "") + "\" >&2; exit 3'"],
                [app, *gpu, "-o", "w.tar", "--trace", "/bin/sh -c 'echo \"" + WORD.replace("\r", "") + "\" >&2; exit 3'",
                 "--closure", "--level", "aggressive"],
                [app, *gpu, "--trace-file", self.write("trace", RAW), "-o", "f.tar", "--closure", "--level", "aggressive"]], []

    def of_verify(self):
        app, other = self.image(), self.image("other.tar", {**self.config("r" + WORD), "User": "x"}, extra="x")
        record = self.write("record.json", json.dumps({"schema": WORD, WORD: WORD}))
        return [[app, "--against", other], [app, "--against", other, "--all", "--gpu", "h100"], [WORD, "--against", app],
                [app, "--against", other, "--record", record], [app, "--proof", record]], []

    def of_diff(self):
        other = self.image("other.tar", {**self.config("r" + WORD), "User": "x"}, extra="x")
        listed = self.write("listed.json", self.pipe("inspect", "--json", self.image()).stdout)
        return [[self.image(), other], [self.image(), other, "--all", "--host", self.profile()],
                [listed, other, "--fail-on", "any"], [listed, listed]], []

    def of_check(self):
        app = self.image()
        return [[app, "--host", "h100@550.54.15"], [app, "--all", "--host", self.profile(), "--host", self.nodes()],
                [app, "--requirements"], *([app, "--emit", form] for form in ("node-affinity", "device-claim", "nfd", "labels")),
                [app, *self.machine()], [self.folder(), "--host", "h100@550.54.15", "--redistribution"]], []

    def of_host(self):
        return [self.machine(), ["-v", *self.machine()], ["--labels", *self.machine()], ["--build-args", *self.machine()],
                ["--host", self.profile()], ["--host", self.nodes()], ["--compare", self.nodes(), self.profile()],
                ["--host", self.write("bad.json", '{"q\u202ePWN": 1, "q\x1b[31mPWN": 2}')],
                ["--root", self.folder()]], []

    def of_doctor(self):
        log = b"\n".join([b"RuntimeError: CUDA error: no kernel image is available " + RAW,
                          RAW + b" libcuda.so.1: cannot open " + RAW, b"unresolvable CDI devices " + RAW])
        return [self.machine(), ["-v", *self.machine()], ["--env", "LD_LIBRARY_PATH=/" + WORD, *self.machine()],
                ["--log", "-", log], ["--log", self.write(b"log/" + RAW, log)],
                ["--message", "CUDA driver version is insufficient " + WORD]], []

    def of_explain(self):
        self.write("data/errors.json", f'{{"rows": [{{{json_of(WORD)}: 1}}]}}')
        return [[WORD], ["no kernel image", WORD], ["--data", self.path("data"), "804"]], []

    def of_lint(self):
        source, mend = self.sources(), self.path("mend")
        self.write("set/.flense.toml", b'[lint]\n"' + "q\u202ePWN".encode() + b'" = true\n')
        return [[source], ["--fail-on", "never", "--host", self.profile(), source], ["-", RAW], ["-q", source],
                ["--config", self.path("set/.flense.toml"), source], [os.path.join(os.fsencode(source), RAW, b"Dockerfile")]], \
               [["--diff", mend]]

    def of_init(self):
        return [["pytorch-inference", "--host", "h100@550.54.15", "-o", RAW], ["cuda-cpp", "--host", self.profile(), "--dry-run"],
                ["cuda-cpp", "--host", "h100@550.54.15", "-o", RAW, "--dry-run"],
                ["cuda-cpp", "--host", self.nodes(), "--dry-run"]], []

    def of_run(self):
        app, fine = self.image(), self.image("fine.tar", {"Env": ["PATH=/bin", "NVIDIA_REQUIRE_CUDA=cuda>=" + WORD]})
        self.fine_spec()
        fine_cdi = ["--cdi-spec-dir", self.path("fine")]
        return [["--explain", app], ["--explain", fine, WORD], ["--explain", "-v", fine, "true"], ["-v", WORD, fine, "true"],
                ["-v", f"/{WORD}:/x", fine, "true"], ["-w", "/" + WORD, fine, WORD], ["-u", WORD, fine, "true"],
                ["--name", WORD, fine, "true"],
                ["--gpus", WORD, fine, "true"], ["--device", WORD, fine, "true"],
                ["--env-file", self.write("env", RAW + b"=x\n"), fine, "true"],
                [*fine_cdi, "--device", "flense.test/gpu=0", "--explain", fine, WORD],
                [*fine_cdi, "--device", "flense.test/gpu=" + WORD, fine, "true"],
                ["--gpus", "all", "--explain", *self.machine(), fine, WORD], ["--trace", "t", fine, WORD],
                [self.folder(), "true"]], \
               [["--bundle", os.fsencode(self.path("b")) + WORD.encode(), fine, "true"]]

    def of_exec(self):
        return [[WORD, "true"], ["-e", WORD, WORD, WORD]], []

    def of_shell(self):
        return [[WORD], [self.path(WORD)]], []

    def of_bench(self):
        return [["io", self.folder(), "--size", "1MiB"], ["io", self.folder(), "--size", "1MiB", "--dir", self.folder()]], []

    def of_cdi_generate(self):
        machine = [*self.machine(), "--spec-dir", self.path("none")]
        return [[*machine, "--library-dir", "/" + WORD, "-o", os.fsencode(self.path("made")) + RAW + b".json", "--allow-missing"],
                [*machine, "--with", "rdma,gds"], [*self.machine()]], \
               [[*machine, "--library-dir", "/" + WORD, "--allow-missing", "--annotate"]]

    def of_cdi_list(self):
        self.spec(), self.fine_spec("cdi/fine.json"), self.write(b"cdi/" + RAW + b".json", RAW)
        return [["--spec-dir", self.path("cdi")]], []

    def of_cdi_validate(self):
        bad = self.write(b"cdi/" + RAW + b".json", RAW)
        return [[self.spec()], [self.fine_spec()], [bad], [self.spec(b"cdi/" + RAW + b"2.json")], self.machine()], []

    def of_cdi_diff(self):
        return [[self.fine_spec(), *self.machine()], [self.spec(), *self.machine()],
                ["nvidia.com/gpu", "--spec-dir", self.path("host/var/run/cdi"), *self.machine()]], []

    def of_cdi_apply(self):
        config = self.write("config.json", json.dumps({"process": {"args": [WORD]}, "linux": {}}, ensure_ascii=False))
        self.fine_spec(), self.spec()
        return [["--device", WORD, config], ["--device", f"{WORD}.com/{WORD}={WORD}", "--spec-dir", self.path("cdi"), config],
                ["--device", "flense.test/gpu=0", self.write("bad.json", RAW), "--spec-dir", self.path("fine")]], \
               [["--device", "flense.test/gpu=0", "--rootless", "--spec-dir", self.path("fine"), config]]

    def of_cdi_install(self):
        machine = self.machine()
        settings = self.write("host/daemon.json", '{"features": "' + "\u202ePWN" + '"}')
        return [["--engine", "docker", "--spec", self.spec(b"cdi/" + RAW + b"2.json"), "--config", "/none.json", *machine],
                ["--engine", "podman", "--spec", self.fine_spec(), *machine],
                ["--engine", "docker", *machine],
                ["--engine", "docker", "--config", "/daemon.json", "--spec", self.fine_spec(), *machine]], []

    def references(self):
        """Of a registry that says nothing else; what is no header is left out there."""
        digest, header = "sha256:" + "0" * 64, "".join(c for c in WORD if c.isprintable())
        entry = {"mediaType": MANIFEST, "digest": digest, "size": 1,
                 "platform": {"os": WORD, "architecture": WORD, "os.features": ["dev.flense.gpu." + WORD]},
                 "annotations": {"dev.flense.targets": WORD, "dev.flense.input-digest": WORD, "dev.flense.saved-bytes": WORD,
                                 "dev.flense.input-reference": f"{WORD}/a:1@{digest}"}}

        class Hostile(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                shown = {"tags/list": {"name": WORD, "tags": [WORD, "1", "2"]}, "manifests/1": {"mediaType": INDEX, "manifests": [entry]}}
                path = "/".join(self.path.split("?")[0].split("/")[-2:])
                body = json.dumps(shown.get(path, {"errors": [{"code": WORD, "message": WORD}]})).encode()
                self.send_response(200 if path in shown or path == "v2/" else 404)
                for name in ("Content-Type", "Docker-Content-Digest", "WWW-Authenticate", "Link"):
                    if path not in shown or name != "Docker-Content-Digest":
                        self.send_header(name, header)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def send_error(self, *_):
                self.wfile.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

            def log_message(self, *_):
                pass
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        name = f"127.0.0.1:{server.server_port}/app"
        return [[f"docker://{name}"], [f"{name}:1", f"{name}:2"], [WORD], ["--from", self.write("list", RAW)],
                ["--from", self.path(WORD)]], []

    def of_fleet_status(self):
        return self.references()

    def of_fleet_prune(self):
        return self.references()

    def of_cdi_uninstall(self):
        root = ["--engine", "podman", "--root", self.folder()]
        self.pipe("cdi", "install", *root, "--spec", self.fine_spec())
        return [root, root, ["--engine", WORD], ["--engine", "docker", "--root", os.path.join(self.folder(), b"none")]], []

    def mirror_of(self, *more, engine="podman"):
        return ["--engine", engine, "--registry", "r.example", "--gpu", "h100", "--root", self.folder(), *more]

    def of_mirror_install(self):
        broken = self.path("mirror")
        self.write("mirror/etc/containers/registries.conf", RAW)
        self.write("mirror/etc/containerd/config.toml", 'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "/'
                   + "\u202ePWN" + '"\n')
        return [self.mirror_of(), self.mirror_of("--upstream", WORD), self.mirror_of("--upstream", "docker.io", "--dry-run"),
                ["--engine", "podman", "--registry", WORD], ["--engine", WORD],
                [*self.mirror_of()[:-1], broken], [*self.mirror_of(engine="containerd")[:-1], broken],
                [*self.mirror_of("--dry-run", engine="buildkit")]], []

    def of_mirror_uninstall(self):
        self.pipe("mirror", "install", *self.mirror_of())
        root = ["--engine", "podman", "--root", self.folder()]
        return [root, root, ["--engine", WORD]], []

    def of_cache_ls(self):
        self.pipe("inspect", self.image())
        self.pipe("inspect", os.path.join(self.folder(), RAW))
        self.pipe("run", self.image("fine.tar", {"Env": ["PATH=/bin"]}), "true")
        self.write(b"cache/flense/roots/" + RAW + b"/x", b"")
        self.write(b"cache/flense/inventories/" + RAW, b"")
        return [[], ["-v"]], []

    def of_cache_verify(self):
        self.of_cache_ls()
        return [[]], []

    def of_cache_prune(self):
        self.of_cache_ls()
        return [["--older-than", WORD], ["--kind", WORD], ["--all", "-v"]], []

    def of_data_status(self):
        self.write("data/cuda_driver.json", json.dumps({"toolkits": {"rows": [{"cuda": WORD, "update": 0, "driver": "1"}]}}))
        return [["--data", self.path("data")], ["--data", WORD], ["--data", os.path.join(self.path("data"), "cuda_driver.json" + WORD)]], []

    def of_data_export(self):
        return [[self.path("out/" + WORD)]], []

    def of_data_validate(self):
        return [[self.write("data/errors.json", f'{{"rows": [{{{json_of(WORD)}: 1}}]}}'), self.path("data"), WORD],
                [self.write("hostile/glibc.json", json.dumps({"kernels": {"rows": [{WORD: 1}]}}))]], []

    def of_completion(self):
        return [[WORD], ["bash"], ["zsh"], ["fish"]], []

    def of_help(self):
        return [[WORD], []], []

    # Which print nothing of what they read.
    SILENT = ("cache prune", "cache verify")

    def commands(self):
        """Every command of the program with each of its actions, and how it is called."""
        out = {}
        for name, (options, words, forms) in interface().items():
            actions = words if name in ("cdi", "cache", "data", "fleet", "mirror") else [""]
            for action in actions:
                out[f"{name} {action}".strip()] = ([name, action] if action else [name], options, forms)
        return out

    def test_every_command_is_fed(self):
        fed = {name.removeprefix("of_").replace("_", " ") for name in dir(self) if name.startswith("of_")}
        self.assertEqual(fed, set(self.commands()))

    def test_what_commands_read(self):
        for name, (words, options, forms) in self.commands().items():
            with self.subTest(name):
                for tidy in ("cache", "out", "host"):
                    shutil.rmtree(self.path(tidy), ignore_errors=True)
                cases, exact = getattr(self, "of_" + name.replace(" ", "_"))()
                said = b""
                for case in cases:
                    given = case[-1] if case[-2:-1] in (["-"],) and isinstance(case[-1], bytes) else b""
                    case = case[:-1] if given else case
                    ways = [[]] + ([["--json"]] if "--json" in options else []) + [["--format", form] for form in forms]
                    for way in ways:
                        said += self.holds([*words, *way, *case], given)
                for case in exact:
                    said += self.holds([*words, *case], exact=True)
                if name not in self.SILENT:
                    self.assertIn(b"PWN", said, "nothing hostile was printed, so nothing was tested")

    def test_every_option_and_argument(self):
        for name, (words, options, _) in self.commands().items():
            with self.subTest(name):
                for case in ([RAW], [RAW, RAW, RAW], [b"--" + RAW], [b"-" + RAW], [b"--json=" + RAW],
                             *([option, RAW] for option in options), *([option, RAW, RAW] for option in options),
                             *([option.encode() + b"=" + RAW, RAW] for option in options)):
                    done = self.pipe(*words, *case)
                    self.assertEqual(breaks(done.stdout + done.stderr), "", (words, case, done.stdout + done.stderr))
        for case in ([RAW], [b"--" + RAW], [b"help", RAW]):
            self.assertIn(b"PWN", self.holds(case))

    def test_the_environment(self):
        app = self.image()
        for name in ("XDG_CACHE_HOME", "FLENSE_CACHE", "FLENSE_CACHE_MAX", "TMPDIR", "SLURM_TMPDIR", "XDG_RUNTIME_DIR",
                     "XDG_CONFIG_HOME", "HOME", "PATH", "SLURM_JOB_ID", "DOCKER_HOST"):
            for command in (["inspect", "-v", app], ["cache", "ls"], ["run", "--explain", app], ["cdi", "list"], ["doctor"],
                            ["inspect", "docker://registry.invalid/x"], ["shell", "x"]):
                done = self.pipe(*command, env={name: self.path(WORD) if name != "FLENSE_CACHE_MAX" else WORD})
                self.assertEqual(breaks(done.stdout + done.stderr), "", (name, command, done.stdout + done.stderr))

    def test_no_name_makes_a_line_of_its_own(self):
        done = self.pipe("inspect", "x\nhint: run this\nerror: that")
        self.assertIn(b"\n    hint: run this\n    error: that", done.stderr)
        profile = json.loads(self.pipe("host", "--host", "h100@550.54.15", "--json").stdout)
        profile["gpus"] = [{"vendor": "nvidia", "name": {"value": "x\nhint: run this", "evidence": "y"}}]
        done = self.pipe("host", "--build-args", "--host", self.write("lines.json", json.dumps(profile)))
        self.assertRegex(done.stderr, rb"warning: .*x\\x0ahint: run this")

    def test_programs_get_every_byte(self):
        self.sources()
        diff = self.pipe("lint", "--diff=unsafe", self.path("mend")).stdout
        self.assertIn(RAW.replace(b"\r", b""), diff)
        self.of_cdi_apply()
        config = json.loads(self.pipe("cdi", "apply", "--device", "flense.test/gpu=0", "--rootless", "--spec-dir",
                                      self.path("fine"), self.path("config.json")).stdout)
        self.assertIn("A=" + WORD, config["process"]["env"])
        report = json.loads(self.pipe("inspect", "--json", self.image()).stdout)
        self.assertIn(WORD, report["tags"])


if __name__ == "__main__":
    harness.main()
