#!/usr/bin/env python3
"""flense check: verdicts of one machine and of many, the requirements sheet, every output form, and
what a wrong command line is told."""

import contextlib
import hashlib
import http.server
import json
import os
import socketserver
import subprocess
import tarfile
import threading
import time

import engines
import fixtures
import golden_inputs
import harness
import hosts
import imagetree
import schema

NEW_DRIVER = "h100@580.65.06"


class FakeDocker:
    """An engine that has one image, app:1, and keeps what it was asked for. A slow one stops in the middle of the image
    until it is let go."""

    def __init__(self, path, archive, slow=False):
        config = imagetree.read_image(archive).config
        layers = config["rootfs"]["diff_ids"]
        with tarfile.open(archive) as members:
            name = json.load(members.extractfile("manifest.json"))[0]["Config"]
            digest = hashlib.sha256(members.extractfile(name).read()).hexdigest()
        with open(archive, "rb") as file:
            answers = {"/images/app:1/get": file.read()}
        answers["/images/app:1/json"] = json.dumps({"Id": "sha256:" + digest, "Architecture": config["architecture"], "Os": config["os"], "Config": config["config"],
                           "RootFS": {"Type": "layers", "Layers": layers}}).encode()
        asked = self.asked = []
        begun, go = self.begun, self.go = threading.Event(), threading.Event()
        if not slow:
            go.set()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                body = answers.get(self.path, b'{"message": "no such image"}')
                self.send_response(200 if self.path in answers else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(BrokenPipeError):
                    if self.path.endswith("/get"):
                        self.wfile.write(body[:100])
                        begun.set()
                        go.wait(60)
                        body = body[100:]
                    self.wfile.write(body)

            def address_string(self):
                return "engine"

            def log_message(self, *_):
                pass

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        self.server = Server(path, Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.go.set()
        self.server.shutdown()
        self.server.server_close()


class Check(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = harness.tempfile.mkdtemp(prefix="flense-check-")
        cls.image, cls.library = fixtures.sample_archive(cls.folder)
        cls.addClassCleanup(harness.shutil.rmtree, cls.folder)

    def verdict(self, *arguments, expect=0):
        document = self.flense("check", self.image, "--json", *arguments, expect=expect).json
        self.assertEqual(schema.complaints(document, "flense/verdict/v1"), [])
        return document

    def checks(self, host):
        return {check["id"]: check["verdict"] for check in host["checks"]}

    def machine(self, name):
        root = self.path(name)
        hosts.make(name, root)
        return root

    def test_every_check_has_evidence_and_every_problem_a_fix(self):
        for words, expect in ((NEW_DRIVER, 0), ("h100@550.54.15", 1), ("mi300x", 1), ("b200@580.65.06", 0)):
            for check in self.verdict("--host", words, expect=expect)["hosts"][0]["checks"]:
                self.assertTrue(check["evidence"], check)
                self.assertTrue(check["source"], check)
                self.assertTrue(check["verdict"] == "ok" or check["fix"], check)

    def test_words_that_name_machines(self):
        one = self.verdict("--host", "h100@550.54.15", expect=1)["hosts"][0]
        self.assertEqual(self.checks(one)["driver-cuda"], "fail")
        self.assertEqual(one["name"], "h100@550.54.15")
        self.assertEqual(self.checks(self.verdict("--host", "mi300x", expect=1)["hosts"][0])["vendor-mismatch"], "fail")
        new = self.checks(self.verdict("--host", NEW_DRIVER)["hosts"][0])
        # No library of the image tells its CUDA, only PTX that needs 13.0 at least.
        self.assertEqual((new["driver-cuda"], new["device-code"]), ("unknown", "ok"))
        instance = self.verdict("--host", "aws:p5.48xlarge@580.65.06")["hosts"][0]
        self.assertEqual(self.checks(instance)["device-code"], "ok")

    def test_machines_made_of_files(self):
        old = self.verdict("--root", self.machine("h100"), expect=1)["hosts"][0]
        self.assertEqual(old["name"], "this")
        self.assertEqual(self.checks(old)["driver-cuda"], "fail")
        self.assertEqual(self.checks(old)["platform"], "ok")
        broken = self.verdict("--root", self.machine("mismatch"), expect=1)["hosts"][0]
        self.assertEqual(self.checks(broken)["driver-mismatch"], "fail")

    def test_a_profile_says_the_same_as_its_machine(self):
        root = self.machine("rtx4090")
        with open(self.path("profile.json"), "w") as out:
            out.write(self.flense("host", "--root", root, "--json").out)
        there = self.verdict("--root", root, expect=None)["hosts"][0]
        here = self.verdict("--host", self.path("profile.json"), expect=None)["hosts"][0]
        self.assertEqual(there["checks"], here["checks"])

    def nodes(self, count, driver):
        return hosts.kubernetes_nodes(self.path("nodes.json"), count, driver)

    def test_a_cluster_is_one_answer_by_groups(self):
        path = self.nodes(40, lambda n: ("580", "65", "06") if n % 4 else ("550", "54", "15"))
        text = self.flense("check", self.image, "--host", path, expect=1).out
        self.assertIn("on 40 hosts: 10 fail", text)
        self.assertLess(len(text.splitlines()), 30, text)
        document = self.verdict("--host", path, expect=1)
        self.assertEqual(len(document["hosts"]), 40)
        self.assertEqual(document["verdict"], "fail")
        self.assertEqual([host["name"] for host in document["hosts"]][:2], ["gpu-0000", "gpu-0001"])
        self.assertEqual({host["launcher"] for host in document["hosts"]}, {"kubernetes"})

    def test_a_node_without_labels_is_unknown_and_never_ok(self):
        path = self.path("bare.json")
        with open(path, "w") as out:
            json.dump({"apiVersion": "v1", "kind": "List", "items": [
                {"kind": "Node", "metadata": {"name": "n1", "labels": {}}, "status": {"capacity": {"nvidia.com/gpu": "1"}}}]}, out)
        host = self.verdict("--host", path, expect=5)["hosts"][0]
        self.assertEqual(host["verdict"], "unknown")
        open_checks = [check for check in host["checks"] if check["verdict"] == "unknown" and check["decisive"]]
        self.assertTrue(open_checks)
        self.assertTrue(all(check["fix"] for check in open_checks))
        allowed = [word for check in open_checks for word in ("--allow-unknown", check["id"])]
        self.verdict("--host", path, *allowed)

    def sharing(self, *options):
        found = [one for one in self.verdict(*options, expect=None)["hosts"][0]["checks"] if one["id"] == "gpu-sharing"]
        return found[0] if found else None

    def test_an_mps_daemon_is_seen_while_it_runs(self):
        root = self.machine("h100")
        self.assertIsNone(self.sharing("--root", root))
        machine = hosts.Host(root)
        machine.file("tmp/nvidia-mps/control")
        machine.file("proc/1/comm", "systemd\n")
        self.assertIsNone(self.sharing("--root", root), "a daemon left its pipes behind")
        machine.file("proc/77/comm", "nvidia-cuda-mps\n")
        for launcher, words in (("docker", "--ipc=host -v /tmp/nvidia-mps:/tmp/nvidia-mps"), ("kubernetes", "hostIPC: true")):
            check = self.sharing("--root", root, "--launcher", launcher)
            self.assertEqual(check["verdict"], "warn")
            self.assertIn("at most 48 CUDA contexts", check["message"])
            self.assertIn(words, check["fix"])
            self.assertIn({"side": "host", "text": "/tmp/nvidia-mps (/tmp/nvidia-mps/control)"}, check["evidence"])
        self.assertIn("MPS daemon", self.flense("host", "--root", root).out)

    def test_shares_of_a_cluster(self):
        path = self.nodes(1, lambda n: ("580", "65", "06"))
        with open(path) as text:
            document = json.load(text)
        labels = document["items"][0]["metadata"]["labels"]
        self.assertIsNone(self.sharing("--host", path))
        for strategy, words in (("mps", "each may allocate 21.4 GB and use 25% of its processors"),
                                ("time-slicing", "nothing divides its memory of 85.5 GB")):
            labels.update({"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3-SHARED", "nvidia.com/gpu.replicas": "4",
                           "nvidia.com/gpu.sharing-strategy": strategy})
            with open(path, "w") as out:
                json.dump(document, out)
            self.assertIn(words, self.sharing("--host", path)["message"])
            self.assertIn(f"4 by {strategy}", self.flense("host", "--host", path).out)

    def test_the_launcher_matters_and_is_named(self):
        default = self.verdict("--host", NEW_DRIVER)["hosts"][0]
        self.assertTrue(default["launcher_reason"])
        named = self.verdict("--host", NEW_DRIVER, "--launcher", "podman")["hosts"][0]
        self.assertEqual((named["launcher"], named["launcher_reason"]), ("podman", "--launcher"))

    def test_sarif_and_markdown(self):
        log = self.flense("check", self.image, "--host", "h100@550.54.15", "--format", "sarif", expect=1).json
        self.assertEqual(log["version"], "2.1.0")
        run = log["runs"][0]
        rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
        self.assertIn("driver-cuda", [result["ruleId"] for result in run["results"]])
        for result in run["results"]:
            self.assertEqual(rules[result["ruleIndex"]], result["ruleId"])
        text = self.flense("check", self.image, "--host", "h100@550.54.15", "--format", "markdown", expect=1).out
        self.assertRegex(text, r"(?m)^\| h100@550\.54\.15 \| docker \| fail \| driver-cuda \|")

    def test_several_images(self):
        result = self.flense("check", self.image, self.library, "--host", "h100@550.54.15", expect=1)
        self.assertIn("app.tar on h100@550.54.15", result.out)
        self.assertIn("libfake.so.1 on h100@550.54.15", result.out)

    def test_the_platform_that_the_hosts_would_take(self):
        """GH200 is beside an arm64 processor alone."""
        # Without programs, which would be of one processor in both images.
        golden_inputs.layout(self.path("several"), [golden_inputs.Tree().add("etc/app", "x").done()], {})
        several = "oci:" + self.path("several")

        def platform(target, *options):
            document = self.flense("check", target, "--json", *options, expect=None).json
            return self.checks(document["hosts"][0])["platform"]
        arm = ["--host", "gh200@550.54.15"]
        self.assertEqual(platform(several, *arm), "ok")
        self.assertEqual(platform(several, *arm, "--platform", "linux/amd64"), "fail")
        self.assertEqual(platform(self.image, *arm), "fail")
        # Hosts of both kinds: each is told about the one that this machine would take.
        self.assertEqual(platform(several, *arm, "--host", "h100@550.54.15"), "fail")

    def test_a_directory_has_no_platform_of_its_own(self):
        folder = self.path("venv/lib")
        os.makedirs(folder)
        harness.shutil.copy(self.library, folder)
        document = self.flense("check", self.path("venv"), "--json", "--root", self.machine("h100"), expect=None).json
        host = document["hosts"][0]
        self.assertEqual(host["launcher"], "none")
        self.assertNotEqual(self.checks(host).get("platform"), "fail")
        self.assertEqual(self.checks(host)["device-code"], "ok")
        sheet = self.flense("check", self.path("venv"), "--requirements", "--json").json
        self.assertNotIn("value", sheet["platform"])

    def test_the_processor_of_a_directory_is_that_of_its_files(self):
        """ELF: e_machine. The host of the fixture is an x86-64."""
        with open(self.library, "rb") as library:
            data = bytearray(library.read())
        for machine, verdict in ((62, "ok"), (183, "fail")):
            with self.subTest(machine=machine):
                folder = self.path(f"wheels{machine}")
                os.mkdir(folder)
                data[18:20] = machine.to_bytes(2, "little")
                with open(f"{folder}/libfake.so.1", "wb") as out:
                    out.write(data)
                root = self.path(f"h100-{machine}")
                hosts.make("h100", root)
                done = self.flense("check", folder, "--root", root, "--json", expect=None)
                self.assertEqual(self.checks(done.json["hosts"][0])["platform"], verdict)

    def test_without_a_host_and_a_gpu_nothing_was_judged(self):
        bare = self.machine("no_gpu")
        nowhere = self.flense("check", self.image, "--root", bare, expect=5)
        self.assertIn("no host was judged", nowhere.err)
        asked = self.flense("check", self.image, "--root", bare, "--requirements")
        self.assertEqual((nowhere.out, asked.err), (asked.out, ""))
        self.flense("check", self.image, "--root", bare, "--emit", "labels")
        here = self.verdict("--root", bare, "--host", "this", expect=1)["hosts"][0]
        self.assertEqual(self.checks(here)["driver-missing"], "fail")

    def test_requirements_sheet(self):
        root = self.machine("no_gpu")
        text = self.flense("check", self.image, "--root", root, expect=5).out
        self.assertIn(" needs\n", text)
        self.assertRegex(text, r"GPUs, native +7\.0 7\.5 8\.0 8\.6 8\.9 9\.0 10\.0")
        sheet = self.flense("check", self.image, "--requirements", "--json").json
        self.assertEqual(schema.complaints(sheet, "flense/requirements/v1"), [])
        self.assertEqual(sheet["cuda"]["value"], "13.0")
        self.assertEqual(sheet["driver_native"]["value"], "580.65.06")
        native = {gpu["architecture"] for gpu in sheet["gpus"] if gpu["service"] == "native"}
        self.assertLessEqual({"7.0", "8.0", "8.6", "9.0", "10.0"}, native)

    def test_requirements_for_clusters_and_as_labels(self):
        affinity = self.flense("check", self.image, "--emit", "node-affinity").out
        self.assertIn("nodeSelectorTerms:", affinity)
        self.assertIn("nvidia.com/cuda.driver.major", affinity)
        nfd = self.flense("check", self.image, "--emit", "nfd").out
        self.assertIn("compatibilities:", nfd)
        labels = dict(line.split("=", 1) for line in self.flense("check", self.image, "--emit", "labels").out.splitlines())
        self.assertEqual(labels["dev.flense.requires.cuda"], "13.0")
        self.assertNotRegex("".join(labels.values()), r"\s")

    def test_configuration_alone(self):
        host = self.verdict("--config-only", "--host", NEW_DRIVER, expect=5)["hosts"][0]
        self.assertNotEqual(self.checks(host).get("device-code"), "ok")
        self.assertTrue(any(check["verdict"] == "unknown" for check in host["checks"]))

    def test_what_was_read_before_counts_for_the_configuration(self):
        """By whatever command; no layer is read for it now."""
        time.sleep(2.2)  # younger files are not cached
        words = ("check", self.image, "--json", "--host", NEW_DRIVER)
        alone = self.flense(*words, "--config-only", expect=5).out
        self.flense("inspect", self.image)
        known = self.flense(*words, "--config-only").out
        self.assertEqual(self.flense(*words, "--config-only", "--no-cache", expect=5).out, alone)
        self.assertEqual(known, self.flense(*words).out)

    def test_a_pulled_image_is_known_to_the_configuration(self):
        """Its layers lie in the cache, in another form than the registry's."""
        registry = engines.Registry(self.path("registry"))
        self.addCleanup(registry.stop)
        registry.push(f"docker-archive:{self.image}", "app:1")
        words = ("check", f"docker://{registry.address}/app:1", "--json", "--host", NEW_DRIVER)
        self.flense(*words, "--config-only", expect=5)
        full = self.flense(*words).out
        self.assertEqual(self.flense(*words, "--config-only").out, full)

    def test_docker_tells_the_configuration_and_saves_no_image(self):
        engine = FakeDocker(self.path("docker.sock"), self.image)
        self.addCleanup(engine.stop)
        words = ("check", "docker-daemon:app:1", "--config-only", "--json", "--host", NEW_DRIVER)
        more = {"env": {"DOCKER_HOST": f"unix://{self.path('docker.sock')}"}}
        from_file = self.verdict("--config-only", "--host", NEW_DRIVER, expect=5)
        told = self.flense(*words, **more, expect=5).json
        self.assertEqual(engine.asked, ["/images/app:1/json"])
        self.assertEqual(told["hosts"], from_file["hosts"])
        self.flense(*words[:1], "app:1", *words[2:], **more, expect=5)
        self.assertEqual({path.rsplit("/", 1)[1] for path in engine.asked}, {"json"})
        # Another platform of the image is for the engine to find.
        self.flense(*words, "--platform", "linux/s390x", **more, expect=None)
        self.assertIn("/get", engine.asked[-1])
        self.assertIn("Docker has no image app:2", self.flense("check", "docker-daemon:app:2", "--config-only", **more, expect=3).err)

    def test_docker_saves_an_image_once(self):
        """Its id and layers, which the engine tells, name what was read before."""
        engine = FakeDocker(self.path("docker.sock"), self.image)
        self.addCleanup(engine.stop)
        more = {"env": {"DOCKER_HOST": f"unix://{self.path('docker.sock')}"}}

        def saved():
            return engine.asked.count("/images/app:1/get")

        first = self.flense("inspect", "docker-daemon:app:1", "--json", **more).json
        self.assertEqual((saved(), first["reading"]["cached_layers"]), (1, 0))
        second = self.flense("inspect", "docker-daemon:app:1", "--json", **more).json
        self.assertEqual((saved(), second["reading"]["cached_layers"]), (1, len(first["layers"])))
        self.assertEqual({**second, "reading": None}, {**first, "reading": None})
        words = ("check", "docker-daemon:app:1", "--json", "--host", NEW_DRIVER)
        self.assertEqual(self.flense(*words, **more).json["hosts"], self.verdict("--host", NEW_DRIVER)["hosts"])
        self.assertEqual(saved(), 1)
        # What reads the layers themselves has them saved, and finds the same.
        self.assertEqual(self.flense("inspect", "docker-daemon:app:1", "--json", "--no-cache", **more).json, first)
        self.flense("slim", "docker-daemon:app:1", "--gpu", "sm_90", "-o", "oci:" + self.path("slim"), **more)
        self.assertEqual(saved(), 3)
        # Another gpu asks for what was not read yet.
        self.flense("inspect", "app:1", "--gpu", "sm_90", **more)
        self.flense("inspect", "docker-daemon:app:1", "--gpu", "sm_90", **more)
        self.assertEqual(saved(), 4)

    def test_docker_saves_no_image_whose_layers_were_read_elsewhere(self):
        engine = FakeDocker(self.path("docker.sock"), self.image)
        self.addCleanup(engine.stop)
        registry = engines.Registry(self.path("registry"))
        self.addCleanup(registry.stop)
        registry.push(f"docker-archive:{self.image}", "app:1")
        self.flense("inspect", f"docker://{registry.address}/app:1")
        told = self.flense("check", "docker-daemon:app:1", "--json", "--host", NEW_DRIVER,
                           env={"DOCKER_HOST": f"unix://{self.path('docker.sock')}"}).json
        self.assertEqual(told["hosts"], self.verdict("--host", NEW_DRIVER)["hosts"])
        self.assertEqual(engine.asked, ["/images/app:1/json"])

    def test_what_slim_leaves_is_refused_elsewhere(self):
        slim = self.path("slim.tar")
        self.flense("slim", self.image, "--gpu", "sm_90", "-o", f"docker-archive:{slim}")
        document = self.flense("check", slim, "--json", "--host", "a100@580.65.06", expect=1).json
        self.assertEqual(self.checks(document["hosts"][0])["slim-target"], "fail")
        self.assertIn("made from sha256:", json.dumps(document["hosts"][0]["checks"]))
        document = self.flense("check", slim, "--json", "--host", NEW_DRIVER).json
        self.assertEqual(self.checks(document["hosts"][0])["slim-target"], "ok")
        early = self.flense("check", slim, "--config-only", "--json", "--host", "a100@580.65.06", expect=1).json
        self.assertEqual(self.checks(early["hosts"][0])["slim-target"], "fail")

    def test_the_second_time_nothing_is_read(self):
        time.sleep(2.2)
        first = self.flense("check", self.image, "--json", "--host", NEW_DRIVER).out
        strace = harness.shutil.which("strace")
        if strace is None:
            self.skipTest("needs strace")
        log = self.path("strace")
        env = {**harness.surroundings(), "XDG_CACHE_HOME": self.path("cache"), "NO_COLOR": "1"}
        done = subprocess.run([strace, "-f", "-e", "trace=read,pread64,openat", "-o", log, harness.BINARY, "check", self.image,
                               "--json", "--host", NEW_DRIVER], stdout=subprocess.PIPE, check=True, env=env)
        self.assertEqual(done.stdout.decode(), first)
        with open(log) as lines:
            read = sum(int(line.rsplit("= ", 1)[1].split()[0]) for line in lines
                       if "read" in line and line.rstrip()[-1].isdigit() and "= -" not in line)
        self.assertLess(read, os.path.getsize(self.image) // 10)

    def test_own_tables(self):
        folder = self.path("data")
        os.mkdir(folder)
        with open(os.path.join(folder, "cuda_driver.json"), "w") as out:
            out.write("{ broken")
        result = self.flense("check", self.image, "--host", NEW_DRIVER, "--data", folder, expect=3)
        self.assertIn("cuda_driver.json", result.err)

    def test_wrong_command_lines_name_the_way_out(self):
        for arguments, status, words in (
                (["--host", "h1000@550.54.15"], 2, "h100"),
                (["--host", "h100@latest"], 2, "latest"),
                (["--host", NEW_DRIVER, "--launcher", "dokcer"], 2, "docker"),
                (["--host", NEW_DRIVER, "--allow-unknown", "driver-cude"], 2, "driver-cuda"),
                (["--host", NEW_DRIVER, "--json", "--format", "sarif"], 2, "exclude"),
                (["--host", NEW_DRIVER, "--requirements"], 2, "--requirements"),
                (["--requirements", "--format", "sarif"], 2, "--host"),
                (["--host", self.path("nothing.json")], None, "nothing.json")):
            result = self.flense("check", self.image, *arguments, expect=status)
            self.assertIn("error: ", result.err)
            self.assertIn(words, result.err, arguments)
            self.assertEqual(result.out, "")
        self.assertIn("error: ", self.flense("check", self.path("missing.tar"), "--host", NEW_DRIVER, expect=None).err)


if __name__ == "__main__":
    harness.main()
