#!/usr/bin/env python3
"""templates/flense.yml, the component for GitLab, on a simulated runner: what it downloads is verified before it runs,
lint leaves a code quality report, and a job ends as flense does."""

import hashlib
import json
import os
import re
import shutil
import subprocess

import yaml

import harness
import test_action

# What a runner's image brings, and no flense.
TOOLS = ("env", "find", "gzip", "mktemp", "sh", "sha256sum", "tar")


class Component(harness.Case):
    def setUp(self):
        super().setUp()
        self.ran = self.path("ran")
        self.marking = test_action.tarball(b"#!/bin/sh\n>>" + self.ran.encode() + b"\n")
        with open(harness.BINARY, "rb") as program:
            self.real = test_action.tarball(program.read())
        self.files = {}
        self.server, self.asked = test_action.serve(self.files)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        for folder in ("workspace", "tools"):
            os.makedirs(self.path(folder))
        for tool in (*TOOLS, "curl"):
            os.symlink(shutil.which(tool), self.path("tools/" + tool))
        with open(self.path("workspace/Dockerfile"), "w", encoding="utf-8") as out:
            out.write("FROM nvidia/cuda:latest\nCOPY . /app\n")

    def publish(self, data):
        """The inputs with which a job gets these bytes."""
        self.files["/flense.tar.gz"] = data
        return {"url": f"http://127.0.0.1:{self.server.server_address[1]}/flense.tar.gz", "sha256": hashlib.sha256(data).hexdigest()}

    def job(self, expect=0, **inputs):
        """Runs the one job of the component as a runner does; returns its log."""
        with open(os.path.join(harness.TOP, "templates/flense.yml"), encoding="utf-8") as source:
            head, body = source.read().split("\n---\n")
        known = yaml.safe_load(head)["spec"]["inputs"]
        self.assertLessEqual(set(inputs), set(known))
        values = {name: inputs.get(name, known[name].get("default")) for name in known}
        if options := known["command"].get("options"):
            self.assertIn(values["command"], options)
        (name, job), = yaml.safe_load(body).items()
        filled = lambda text: re.sub(r"\$\[\[ inputs\.(\w+) \]\]", lambda match: values[match[1]], text)
        self.assertEqual(filled(name), f"flense {values['command']}")
        self.assertNotIn("$[[", "".join(job["script"]), "inputs are data: they come as variables")
        self.report = job["artifacts"]["reports"]["codequality"]
        environment = {"PATH": self.path("tools"), "HOME": self.work, "TMPDIR": self.work, "NO_COLOR": "1",
                       **{key: filled(value) for key, value in job["variables"].items()}}
        done = subprocess.run([shutil.which("sh"), "-e", "-c", "\n".join(job["script"])], env=environment,
                              cwd=self.path("workspace"), check=False, timeout=50, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, expect, done.stdout)
        return done.stdout

    def test_lint(self):
        log = self.job(expect=1, **self.publish(self.real))
        self.assertIn("cuda-tag-missing", log)
        with open(self.path("workspace/" + self.report), encoding="utf-8") as text:
            self.assertIn("cuda-tag-missing", {issue["check_name"] for issue in json.load(text)})
        self.job(arguments="--ignore cuda-tag-missing --fail-on never", paths="Dockerfile", **self.publish(self.real))
        with open(self.path("workspace/" + self.report), encoding="utf-8") as text:
            self.assertNotIn("cuda-tag-missing", {issue["check_name"] for issue in json.load(text)})

    def test_what_is_on_path_comes_first(self):
        os.symlink(harness.BINARY, self.path("tools/flense"))
        self.assertIn("Dockerfile", self.job(expect=3, command="inspect", paths="Dockerfile", **self.publish(self.marking)))
        self.assertEqual(self.asked, [])
        self.assertFalse(os.path.exists(self.path("workspace/" + self.report)))

    def test_nothing_unverified_runs(self):
        told = self.publish(self.marking)
        self.job(**told)
        self.assertTrue(os.path.exists(self.ran))
        os.remove(self.ran)
        self.assertIn("Next: correct the input sha256", self.job(expect=4, **{**told, "sha256": "0" * 64}))
        self.assertIn("no flense on PATH", self.job(expect=4, url=told["url"]))
        self.assertIn("no flense on PATH", self.job(expect=4))
        self.files.clear()
        self.assertIn("could not be downloaded", self.job(expect=4, **told))
        self.assertFalse(os.path.exists(self.ran))


if __name__ == "__main__":
    harness.main()
