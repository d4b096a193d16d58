#!/usr/bin/env python3
"""action.yml on a simulated runner: what it downloads is verified before it runs, each command reports and fails as
flense does, and what is in the way is an error with its next step."""

import hashlib
import http.server
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import threading

import yaml

import fixtures
import harness

# All that the action may want of a runner, and no flense.
TOOLS = ("bash", "curl", "cut", "dirname", "find", "gzip", "mkdir", "mktemp", "mv", "rm", "sha256sum", "tar", "tee", "uname")


def tarball(program):
    """As a release is packed: below one folder, beside what is no program."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as tar:
        for name, mode, data in (("share/completions/flense", 0o644, b"no program\n"), ("bin/flense", 0o755, program)):
            info = tarfile.TarInfo("flense-9.8.7/" + name)
            info.mode, info.size = mode, len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def serve(files):
    """Files by path; of a file in a tuple only half arrives."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            data = files.get(self.path)
            if data is None:
                self.send_error(404)
                return
            cut = isinstance(data, tuple)
            body = data[0] if cut else data
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:len(body) // 2] if cut else body)

        def log_message(self, *_):
            pass

    asked = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, asked


class Action(harness.Case):
    @classmethod
    def setUpClass(cls):
        with open(harness.BINARY, "rb") as program:
            cls.real = tarball(program.read())

    def setUp(self):
        super().setUp()
        self.ran = self.path("ran")
        # A flense that leaves a trace, for what must not run.
        self.marking = tarball(b"#!/usr/bin/env bash\necho flense 9.8.7\n>>" + self.ran.encode() + b"\n")
        self.files = {}
        self.server, self.asked = serve(self.files)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        for folder in ("action/scripts", "action/data", "workspace", "temp", "tools"):
            os.makedirs(self.path(folder))
        for name in ("action.yml", "scripts/action.sh", "data/releases.json"):
            shutil.copy(os.path.join(harness.TOP, name), self.path("action/" + name))
        for tool in TOOLS + ("env",):
            os.symlink(shutil.which(tool), self.path("tools/" + tool))
        with open(self.path("workspace/Dockerfile"), "w") as out:
            out.write("FROM nvidia/cuda:latest\nCOPY . /app\n")
        for name, size in (("a.tar", 20_000), ("b.tar", 90_000)):
            layer = io.BytesIO()
            with tarfile.open(fileobj=layer, mode="w") as tar:
                info = tarfile.TarInfo("opt/data")
                info.mode = 0o755
                info.size = size
                tar.addfile(info, io.BytesIO(fixtures.noise(name, size)))
            fixtures.docker_archive(self.path("workspace/" + name), [layer.getvalue()], ["ADD data"], ["/opt/data"])

    def publish(self, *releases):
        """Rows of the table, newest first and among those of others, and the files on the releases page."""
        rows = []
        for version, data in releases:
            rows.append({"version": version, "sha256": hashlib.sha256(data).hexdigest()})
            self.files[f"/me/flense/releases/download/v{version}/flense-{version}-linux-x86_64.tar.gz"] = data
        others = {"rows": [{"version": "2.14.1", "sha256": "0" * 64}]}
        with open(self.path("action/data/releases.json"), "w") as out:
            json.dump({"about": "", "torch": others, "flense": {"source": "", "rows": rows}, "jax": others}, out)

    def act(self, expect=0, **inputs):
        """Runs the steps of action.yml as a runner does; returns its log."""
        with open(self.path("action/action.yml")) as source:
            action = yaml.safe_load(source)
        inputs = {name.replace("_", "-"): value for name, value in inputs.items()}
        self.assertLessEqual(set(inputs), set(action["inputs"]))
        context = {"inputs." + name: inputs.get(name, field.get("default", "")) for name, field in action["inputs"].items()}
        context["github.server_url"] = f"http://127.0.0.1:{self.server.server_address[1]}"
        context["github.action_repository || github.repository"] = "me/flense"
        runner = {"PATH": self.path("tools"), "HOME": self.work, "NO_COLOR": "1", "RUNNER_TEMP": self.path("temp"),
                  "GITHUB_WORKSPACE": self.path("workspace"), "GITHUB_ACTION_PATH": self.path("action")}
        for name in ("PATH", "STEP_SUMMARY", "OUTPUT"):
            runner["GITHUB_" + name] = self.path(name)
            with open(runner["GITHUB_" + name], "w"):
                pass
        log = ""
        for step in action["runs"]["steps"]:
            self.assertEqual(step["shell"], "bash")
            env = {name: re.sub(r"\$\{\{ (.*?) \}\}", lambda match: context[match[1]], value)
                   for name, value in step.get("env", {}).items()}
            done = subprocess.run([shutil.which("bash"), "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
                                  env={**runner, **env}, cwd=runner["GITHUB_WORKSPACE"], check=False, timeout=50,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            log += done.stdout.decode()
            self.assertEqual(done.returncode, expect, log)
        return log

    def text(self, name):
        with open(self.path(name)) as source:
            return source.read()

    def refused(self, message, expect=4, **inputs):
        log = self.act(expect=expect, **inputs)
        error, = [line for line in log.splitlines() if line.startswith("::error ")]
        self.assertRegex(error, message)
        self.assertRegex(error, "%0ANext: ")
        self.assertFalse(os.path.exists(self.ran), "what was not verified has run")
        self.assertEqual((self.text("PATH"), self.text("STEP_SUMMARY"), self.text("OUTPUT")), ("", "", ""))

    def test_lint(self):
        self.publish(("9.8.7", self.real), ("9.8.6", self.marking))
        log = self.act(expect=1)
        self.assertIn("::error file=Dockerfile,line=1", log)
        self.assertIn("flense lint ended with status 1: it found something", log)
        self.assertIn("cuda-tag-missing", self.text("STEP_SUMMARY"))
        self.assertRegex(self.text("OUTPUT"), r"\Aversion=[0-9.]+\nstatus=1\n\Z")
        # Later steps find the program on their PATH.
        added, = self.text("PATH").splitlines()
        self.assertEqual(harness.file_digest(added + "/flense"), harness.file_digest(harness.BINARY))
        self.assertEqual(self.asked, ["/me/flense/releases/download/v9.8.7/flense-9.8.7-linux-x86_64.tar.gz"])

    def test_lint_with_inputs(self):
        self.publish(("9.8.7", self.real))
        self.act(fail_on="never", paths="Docker* ", sarif="lint.sarif")
        self.assertEqual(json.loads(self.text("workspace/lint.sarif"))["version"], "2.1.0")
        log = self.act(arguments="--ignore cuda-tag-missing --only cuda-tag-missing")
        self.assertNotIn("::error", log)

    def test_inspect(self):
        self.publish(("9.8.7", self.real))
        self.act(command="inspect", paths="a.tar", arguments="--max-size 1MB")
        self.assertIn("opt/data", self.text("STEP_SUMMARY"))
        log = self.act(expect=1, command="inspect", paths="a.tar", arguments="--max-size 10k")
        self.assertIn("flense inspect ended with status 1", log)
        self.assertIn("max-size", self.text("STEP_SUMMARY"))
        self.act(command="inspect", paths="a.tar", arguments="--max-size 10k", fail_on="never")
        self.assertIn("status=1", self.text("OUTPUT"))
        self.act(expect=3, command="inspect", paths="Dockerfile", fail_on="never")

    def test_check_diff_slim(self):
        self.publish(("9.8.7", self.real))
        self.act(command="check", paths="a.tar", arguments="--host h100@550.54.15", sarif="check.sarif")
        self.assertEqual(json.loads(self.text("workspace/check.sarif"))["version"], "2.1.0")
        self.assertIn("h100@550.54.15", self.text("STEP_SUMMARY"))
        self.act(command="diff", paths="a.tar b.tar")
        self.assertIn("opt/data", self.text("STEP_SUMMARY"))
        self.act(expect=1, command="diff", paths="a.tar b.tar", fail_on="size:+5%")
        self.act(command="diff", paths="a.tar b.tar", fail_on="never")
        self.act(command="slim", paths="a.tar", arguments="--gpu h100 -o oci:slim")
        self.assertTrue(os.path.exists(self.path("workspace/slim/index.json")))

    def test_what_is_on_path_comes_first(self):
        self.publish(("9.8.7", self.marking))
        os.symlink(harness.BINARY, self.path("tools/flense"))
        self.act(command="diff", paths="a.tar a.tar")
        self.assertEqual(self.asked, [])

    def test_an_older_release_and_an_address(self):
        self.publish(("9.8.7", self.real), ("9.8.6", self.marking))
        self.act(version="v9.8.6", command="lint")
        self.assertTrue(os.path.exists(self.ran))
        os.remove(self.ran)
        self.files["/mine.tgz"] = self.marking
        url = f"http://127.0.0.1:{self.server.server_address[1]}/mine.tgz"
        self.refused("has the SHA-256 .* was expected; it was not run", url=url)
        self.act(url=url, sha256=hashlib.sha256(self.marking).hexdigest())
        self.assertTrue(os.path.exists(self.ran))

    def test_nothing_unverified_runs(self):
        self.publish(("9.8.7", self.marking))
        self.refused("was expected; it was not run", sha256="0" * 64)
        name, = self.files
        self.files[name] = (self.marking,)
        self.refused("was cut off", expect=4)
        self.files[name] = self.marking[:-1]
        self.refused("was expected; it was not run")
        del self.files[name]
        self.refused("There is no release at http://")
        self.refused("is not known, and nothing runs unverified", version="9.8.5")
        self.server.shutdown()
        self.server.server_close()
        self.refused("could not be downloaded")

    def test_no_release_is_published(self):
        self.publish()
        self.refused("no release of it is published")

    def test_rows_of_others_are_none_of_flense(self):
        self.publish(("9.8.7", self.marking))
        self.refused("is not known, and nothing runs unverified", version="2.14.1")

    def test_wrong_inputs(self):
        self.publish(("9.8.7", self.marking))
        self.refused("The command is 'push'", expect=2, command="push")
        self.refused("check needs an image", expect=2, command="check")
        self.refused("inspect knows only never", expect=2, command="inspect", paths="a.tar", fail_on="error")
        self.refused("diff writes no SARIF", expect=2, command="diff", paths="a.tar b.tar", sarif="x")
        self.assertEqual(self.asked, [])

    def test_the_table_is_read_as_it_is_written(self):
        with open(os.path.join(harness.TOP, "data/releases.json")) as source:
            rows = json.load(source)["flense"]["rows"]
        for row in rows:
            self.assertEqual(list(row), ["version", "sha256"])
            self.files[f"/me/flense/releases/download/v{row['version']}/flense-{row['version']}-linux-x86_64.tar.gz"] = b"?"
            self.refused(f"and {row['sha256']} was expected", version=row["version"])
        if rows:
            self.refused(f"and {rows[0]['sha256']} was expected")


if __name__ == "__main__":
    harness.main()
