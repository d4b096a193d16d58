#!/usr/bin/env python3
"""scripts/refresh-tables.py against an index on this machine: what it proposes, what it leaves, and that flense takes it."""

import functools
import http.server
import io
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile

import fixtures
import harness

SCRIPT = os.path.join(harness.TOP, "scripts/refresh-tables.py")
JSON_TYPE = "application/vnd.pypi.simple.v1+json"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Pages lie in the tree as `index.json` or `index.html`; like http.server, it knows no ranges."""

    def send_head(self):
        page = self.translate_path(self.path) + "/index.json"
        if not os.path.exists(page):
            return super().send_head()
        with open(page, "rb") as source:
            data = source.read()
        self.send_response(200)
        self.send_header("Content-Type", JSON_TYPE)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        return io.BytesIO(data)

    def log_message(self, *_):
        pass


def wheel(name, version, tags="cp312-cp312-manylinux_2_28_x86_64"):
    return f"{name.replace('-', '_')}-{version}-{tags}.whl"


class Refresh(harness.Case):
    def setUp(self):
        super().setUp()
        self.tree = self.path("index")
        os.mkdir(self.tree)
        handler = functools.partial(Handler, directory=self.tree)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}/simple"
        self.data = self.path("data")
        self.flense("data", "export", self.data)

    def project(self, name, files, as_html=False):
        """`files`: name of the file -> requirements of its METADATA beside it, or None; more may follow as members of the page."""
        folder = os.path.join(self.tree, "simple", name)
        os.makedirs(folder, exist_ok=True)
        entries = []
        for file, requirements, *more in files:
            announced = requirements is not None
            if announced:
                with open(os.path.join(folder, file + ".metadata"), "w") as out:
                    out.write(self.metadata(name, requirements))
            entries.append({"filename": file, "url": file, "core-metadata": announced, "yanked": False, **(more[0] if more else {})})
        if as_html:
            with open(os.path.join(folder, "index.html"), "w") as out:
                for entry in entries:
                    flags = (' data-core-metadata="true"' if entry["core-metadata"] else "") + (' data-yanked=""' if entry["yanked"] else "")
                    out.write(f'<a href="{entry["url"]}#sha256=0"{flags}>{entry["filename"]}</a>\n')
        else:
            with open(os.path.join(folder, "index.json"), "w") as out:
                json.dump({"files": entries}, out)
        return folder

    @staticmethod
    def metadata(name, requirements):
        return f"Metadata-Version: 2.4\nName: {name}\n" + "".join(f"Requires-Dist: {one}\n" for one in requirements) + "\nText.\n"

    def refresh(self, *arguments, expect=0):
        done = subprocess.run([sys.executable, SCRIPT, "--index", self.url, "--data", self.data, "--date", "2027-03-04",
                               "--flense", harness.BINARY, *arguments], stdout=subprocess.PIPE, check=False, timeout=120)
        self.assertEqual(done.returncode, expect, done.stdout)
        return json.loads(done.stdout)

    def section(self, table, name):
        with open(os.path.join(self.data, f"{table}.json")) as source:
            return json.load(source)[name]["rows"]

    def torch(self, version="9.7.1", cuda="13.2.2", **more):
        return self.project("torch", [
            (wheel("torch", version), [f'cuda-toolkit[cublas,cudart]=={cuda}; platform_system == "Linux"',
                                       'nvidia-cudnn-cu13==10.1.0.5; platform_system == "Linux"', "filelock"],
             {"requires-python": ">=3.12"}),
            (wheel("torch", "9.9.0rc1"), []), (wheel("torch", "9.8.0"), [], {"yanked": "broken"}), (wheel("torch", "2.14.1"), [])], **more)

    def test_a_new_torch(self):
        for as_html in (False, True):
            with self.subTest(as_html):
                shutil.rmtree(self.tree)
                self.torch(as_html=as_html)
                told = self.refresh("torch")
                self.assertEqual(told["seen"], {"torch": "9.7.1"})
                found = {(one["table"], one["section"]): one["row"] for one in told["proposed"]}
                about = {"source": "package index: METADATA of torch 9.7.1", "date": "2027-03-04"}
                self.assertEqual(found["framework_builds", "pypi"], {"from": "9.7", "to": "9.7", "variant": "cu132", **about,
                                                                       **({} if as_html else {"python": "3.12"})})
                self.assertEqual(found["framework_builds", "cudnn"], {"package": "torch", "from": "9.7", "to": "9.7", "major": 10, **about})
                self.assertEqual(found["releases", "torch"]["variants"], ["cu132"])
                self.assertEqual((len(found), told["disagrees"], told["failed"]), (3, [], {}))

    def test_what_is_written_is_taken_and_proposed_once(self):
        self.torch()
        before = self.section("framework_builds", "cudnn")
        self.refresh("torch")
        self.assertEqual(self.section("framework_builds", "cudnn"), before)
        written = self.refresh("torch", "--write")["proposed"]
        self.assertEqual(self.section("framework_builds", "cudnn")[1:], before)
        self.flense("data", "validate", self.data)
        self.assertEqual((len(written), self.refresh("torch", "--write")["proposed"]), (3, []))
        made = self.path("made")
        self.flense("init", "pytorch-inference", "--host", "h100@595.71.05", "--data", self.data, "-o", made)
        with open(os.path.join(made, "Dockerfile")) as file:
            self.assertIn("TORCH_VERSION=9.7.1", file.read())

    def test_its_own_rows_follow_the_index_and_those_of_documents_stay(self):
        self.torch()
        self.refresh("torch", "--write")
        self.torch(cuda="13.4.1")
        told = self.refresh("torch", "--write")
        changed, = [one for one in told["proposed"] if one["section"] == "pypi"]
        self.assertEqual((changed["row"]["variant"], changed["instead_of"]["variant"]), ("cu134", "cu132"))
        self.assertEqual([row["variant"] for row in self.section("framework_builds", "pypi") if row["from"] == "9.7"], ["cu134"])
        # A document's row for the very release: 2.14 on PyPI is cu130 by a release announcement, from 2.11 on.
        self.project("torch", [(wheel("torch", "2.11.0"), ['cuda-toolkit==12.9.1; platform_system == "Linux"'])])
        before = self.section("framework_builds", "pypi")
        told = self.refresh("torch", "--write")
        self.assertEqual([(one["section"], one["row"]["variant"], one["found"]["variant"]) for one in told["disagrees"]
                          if one["section"] == "pypi"], [("pypi", "cu130", "cu129")])
        self.assertEqual(self.section("framework_builds", "pypi"), before)

    def test_jax_keeps_the_toolkit_that_is_new_enough(self):
        self.project("jax", [(wheel("jax", "9.1.0", "py3-none-any"), [])])
        for major, floor in (("12", "12.1.105"), ("13", "13.4.48")):
            self.project(f"jax-cuda{major}-plugin", [(wheel(f"jax-cuda{major}-plugin", "9.1.0"), [
                f'nvidia-cuda-runtime{"-cu12" if major == "12" else ""}>={floor}; sys_platform == "linux" and extra == "with-cuda"',
                f'nvidia-cudnn-cu{major}<10.0,>=9.12; sys_platform == "linux" and extra == "with-cuda"'])])
        told = self.refresh("jax")
        self.assertEqual([(one["row"]["variant"], one["row"]["cuda"]) for one in told["proposed"]], [("cuda12", "12.9.1")])

    def test_the_wheel_itself_where_nothing_lies_beside_it(self):
        folder = self.project("onnxruntime-gpu", [(wheel("onnxruntime-gpu", "9.3.0"), None)])
        _, library = fixtures.sample_archive(self.work)
        with zipfile.ZipFile(os.path.join(folder, wheel("onnxruntime-gpu", "9.3.0")), "w") as out:
            out.writestr("onnxruntime_gpu-9.3.0.dist-info/METADATA", self.metadata("onnxruntime-gpu", [
                'nvidia-cuda-runtime~=14.0; extra == "cuda"', 'nvidia-cudnn-cu14~=10.0; extra == "cudnn"', 'nvidia-cuda-runtime~=1.0; sys_platform == "win32"']))
            out.write(library, "../../onnxruntime/libprovider.so")
        found = {one["section"]: one["row"] for one in self.refresh("onnxruntime-gpu", "--architectures", "--write")["proposed"]}
        self.assertEqual((found["cuda"]["cuda"], found["cudnn"]["major"]), ("14", 10))
        told = self.flense("inspect", library, "--json").json["device_code"]["files"][0]["entries"]
        self.assertEqual(set(found["builds"]["cubin"]), {re.sub(r"sm_(\d+)(\d)", r"\1.\2", one["arch"]) for one in told if one["kind"] == "cubin"})
        self.assertTrue(found["builds"]["cubin"])
        self.flense("data", "validate", self.data)
        told = self.refresh("onnxruntime-gpu", "--architectures", "--max-wheel", "100", expect=1)
        self.assertIn("larger than --max-wheel", told["failed"]["onnxruntime-gpu"])

    def test_an_index_that_fails_writes_nothing(self):
        self.torch()
        before = harness.digest_tree(self.data)
        told = self.refresh("torch", "tensorflow", "--write", expect=1)
        self.assertIn("404", told["failed"]["tensorflow"])
        self.assertEqual(harness.digest_tree(self.data), before)


if __name__ == "__main__":
    sys.exit(harness.main())
