#!/usr/bin/env python3
"""flense lint: files and directories, every output form, comments and settings, --fix and --diff, bad input."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import xml.etree.ElementTree

import harness
import schema

sys.path.insert(0, os.path.join(harness.TOP, "scripts"))
import rule_docs

BAD = "FROM nvidia/cuda\nRUN pip install torch\n"


def tree(folder):
    out = {}
    for top, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(top, name), encoding="utf-8") as text:
                out[os.path.relpath(os.path.join(top, name), folder)] = text.read()
    return out


class Lint(harness.Case):
    def setUp(self):
        super().setUp()
        self.folder = self.path("project")
        os.makedirs(self.folder)

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        os.chmod(path, mode)
        return path

    def lint(self, *arguments, expect=0, stdin=None):
        done = subprocess.run([harness.BINARY, "lint", *arguments], cwd=self.folder, input=stdin, text=True,
                              capture_output=True, timeout=120)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done

    def findings(self, *arguments, expect=0, stdin=None):
        document = json.loads(self.lint("--json", *arguments, expect=expect, stdin=stdin).stdout)
        self.assertEqual(schema.complaints(document, "flense/lint/v1"), [])
        return document["findings"]

    def rules(self, *arguments, expect=0, stdin=None):
        return sorted({finding["rule"] for finding in self.findings(*arguments, expect=expect, stdin=stdin)})

    def test_a_directory_whose_readme_says_that_nobody_uses_it(self):
        self.write("old-stack/Dockerfile", "FROM pytorch/pytorch\n")
        self.write("stack/Dockerfile", "FROM pytorch/pytorch\n")
        self.write("stack/README.md", "This directory holds what runs; the deprecated flags are gone.\n")
        self.write("old-stack/README.md", "# Old\n\nThis `old-stack/` directory is kept only for historical context.\n")
        self.assertEqual({one["path"] for one in self.findings("--fail-on", "never")}, {"stack/Dockerfile"})
        self.assertIn("old-stack/Dockerfile",
                      {one["path"] for one in self.findings("--fail-on", "never", "--pedantic")})

    def test_links_that_lead_out_are_not_followed(self):
        outside = os.path.join(self.work, "outside")
        os.mkdir(outside)
        for name in ("Dockerfile", "LICENSE"):
            with open(os.path.join(outside, name), "w", encoding="utf-8") as out:
                out.write("FROM pytorch/pytorch\n# of somebody else\n")
        self.write("common/Dockerfile", "FROM pytorch/pytorch\n")
        for name in ("Dockerfile", "LICENSE"):
            os.symlink(os.path.join(outside, name), os.path.join(self.folder, name))
        self.assertEqual({one["path"] for one in self.findings("--fail-on", "never")}, {"common/Dockerfile"})
        # Out of what is named and within its repository.
        os.makedirs(os.path.join(self.folder, ".git"))
        os.mkdir(os.path.join(self.folder, "service"))
        os.symlink("../common/Dockerfile", os.path.join(self.folder, "service/Dockerfile"))
        self.assertEqual({one["path"] for one in self.findings("--fail-on", "never", "service")}, {"service/Dockerfile"})
        self.lint("--fix", "--fail-on", "never", ".")
        with open(os.path.join(outside, "Dockerfile"), encoding="utf-8") as text:
            self.assertIn("of somebody else", text.read())

    def test_pipes_are_not_waited_for(self):
        self.write("stack/Dockerfile", "FROM pytorch/pytorch\n")
        for folder in (self.folder, os.path.join(self.folder, "stack")):
            for name in ("README.md", "LICENSE", ".gitmodules", ".gitignore", ".dockerignore", "requirements.txt"):
                os.mkfifo(os.path.join(folder, name))
        self.assertEqual({one["path"] for one in self.findings("--fail-on", "never")}, {"stack/Dockerfile"})

    def said(self, rule, **files):
        """Message and fix of the one finding of a rule in these files."""
        for name in os.listdir(self.folder):
            os.remove(os.path.join(self.folder, name))
        for name, text in files.items():
            self.write(name.replace("_txt", ".txt"), text)
        found = self.findings("--fail-on", "never", "--only", rule)
        self.assertEqual(len(found), 1, found)
        return found[0]["message"], found[0]["fix"]

    def test_fixes_hold_in_their_place(self):
        # torch 2.15 needs Python 3.11, and Ubuntu 22.04 has 3.10.
        torch = "RUN pip install --no-cache-dir torch\n"
        message, _ = self.said("gpu-wheel-unpinned", Dockerfile="FROM nvidia/cuda:12.6.3-base-ubuntu22.04\n" + torch)
        self.assertIn("for CUDA 13.0,", message)
        message, _ = self.said("gpu-wheel-unpinned", Dockerfile="FROM nvidia/cuda:12.6.3-base-ubuntu24.04\n" + torch)
        self.assertIn("for CUDA 13.2,", message)
        message, _ = self.said("gpu-wheel-unpinned", Dockerfile="FROM nvidia/cuda:11.8.0-base-ubuntu22.04\n"
                               "RUN apt-get update && apt-get install -y --no-install-recommends python3.11\n" + torch)
        self.assertIn("for CUDA 12 or newer,", message)
        _, fix = self.said("base-cuda-unused", Dockerfile="FROM nvidia/cuda:12.8.0-runtime-ubuntu24.04\n"
                           "RUN pip install --no-cache-dir torch==2.8.0\nCMD [\"python3\", \"a.py\"]\n")
        self.assertIn("nvidia/cuda:12.8.2-base-ubuntu24.04", fix)
        message, _ = self.said("syntax", requirements_txt="numpy\ntorch --index-url https://download.pytorch.org/whl/cpu\n")
        self.assertTrue(message.endswith(": move the requirement to a file of its own"), message)
        message, _ = self.said("syntax", requirements_txt="numpy\ntorch==2.5.1 --index-url https://download.pytorch.org/whl/cu124\n")
        self.assertIn("write --extra-index-url there", message)
        message, fix = self.said("torch-arch-list", Dockerfile="FROM pytorch/pytorch:2.5.1-cuda12.4-cudnn9-devel\n"
                                 "RUN pip install git+https://github.com/facebookresearch/pytorch3d.git\n")
        self.assertIn("FORCE_CUDA is not set", message)
        self.assertIn("FORCE_CUDA=1 TORCH_CUDA_ARCH_LIST=", fix)
        message, _ = self.said("secret-in-build-variable", Dockerfile="FROM python:3.12-slim AS models\nARG HF_TOKEN\n"
                               "RUN get $HF_TOKEN\nFROM python:3.12-slim\nCOPY --from=models /m /m\n")
        self.assertIn("in the records of its build", message)

    def test_text_names_place_evidence_and_fix(self):
        self.write("Dockerfile", BAD)
        text = self.lint(expect=1).stdout
        self.assertIn("Dockerfile:1:6: error: ", text)
        self.assertIn("  1 | FROM nvidia/cuda\n    |      ^~~~~~~~~~~\n", text)
        self.assertIn("[cuda-tag-missing]", text)
        self.assertIn("  fix: ", text)
        self.assertRegex(text, r"\d+ errors?, \d+ warnings?, \d+ hints? in 1 file")
        self.assertNotIn("\x1b", text)

    def test_directories_and_standard_input(self):
        self.write("docker/Dockerfile", BAD)
        self.write(".venv/lib/Dockerfile", BAD)
        self.write("notes.txt", "nothing\n")
        self.assertEqual({finding["path"] for finding in self.findings(expect=1)}, {"docker/Dockerfile"})
        self.assertIn("cuda-tag-missing", self.rules("-", stdin=BAD, expect=1))
        pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: a\n      image: a:1\n" \
              "      resources: {requests: {nvidia.com/gpu: 1}}\n"
        self.assertTrue(self.findings("-", stdin=pod, expect=1))

    def test_where_a_project_lies_says_nothing(self):
        self.write("tests/old/app/Dockerfile", "FROM nvidia/cuda:12.4.1-base-ubuntu22.04\nRUN pip install torch\n")
        self.write("tests/old/app/examples/Dockerfile", BAD)
        app, one = os.path.join(self.folder, "tests/old/app"), "tests/old/app/Dockerfile"
        whole = [finding["rule"] for finding in self.findings(app + "/", expect=1) if finding["path"].endswith("app/Dockerfile")]
        self.assertIn("package-cache-in-layer", whole)
        self.assertIn("package-cache-in-layer", self.rules(one))
        self.assertNotIn("package-cache-in-layer", self.rules("."))
        example = "tests/old/app/examples"
        self.assertEqual(self.rules(example, expect=1), self.rules(example + "/Dockerfile", expect=1))
        os.mkdir(os.path.join(self.folder, "tests/old/.git"))
        self.assertIn("package-cache-in-layer", self.rules(one))
        os.rename(os.path.join(self.folder, "tests/old/.git"), os.path.join(self.folder, ".git"))
        self.assertNotIn("package-cache-in-layer", self.rules(one))

    def test_every_form(self):
        self.write("Dockerfile", BAD)
        self.write("compose.yaml", "services:\n  a: {image: a:1}\n")
        count = len(self.findings(expect=1))
        self.assertGreater(count, 1)
        form = lambda name: self.lint("--format", name, expect=1).stdout
        sarif = json.loads(form("sarif"))["runs"][0]
        self.assertEqual(len(sarif["results"]), count)
        named = {rule["id"] for rule in sarif["tool"]["driver"]["rules"]}
        self.assertTrue({result["ruleId"] for result in sarif["results"]} <= named)
        region = sarif["results"][0]["locations"][0]["physicalLocation"]["region"]
        self.assertTrue({"startLine", "startColumn", "endLine", "endColumn"} <= region.keys())
        github = form("github").splitlines()
        self.assertEqual(len(github), count)
        self.assertTrue(all(line.startswith("::") and "file=" in line and "title=flense" in line for line in github))
        gitlab = json.loads(form("gitlab"))
        self.assertEqual(len(gitlab), count)
        self.assertEqual({"type", "categories", "description", "check_name", "fingerprint", "severity", "location"},
                         set(gitlab[0]))
        self.assertEqual(json.loads(form("codeclimate")), gitlab)
        sonar = json.loads(form("sonarqube"))
        self.assertEqual(len(sonar["issues"]), count)
        self.assertEqual({one["ruleId"] for one in sonar["issues"]}, {rule["id"] for rule in sonar["rules"]})
        gnu = form("gnu").splitlines()
        self.assertEqual(len(gnu), count)
        self.assertTrue(all(re.match(r"[^:]+:\d+:\d+: (error|warning|info): .* \[[a-z-]+\]$", line) for line in gnu), gnu)
        self.assertEqual(len({one["fingerprint"] for one in gitlab}), count)
        checkstyle = xml.etree.ElementTree.fromstring(form("checkstyle"))
        self.assertEqual(len(checkstyle.findall("./file/error")), count)
        self.assertEqual(len(checkstyle.findall("./file")), 2)
        junit = xml.etree.ElementTree.fromstring(form("junit"))
        self.assertEqual((len(junit.findall(".//failure")), junit.get("failures")), (count, str(count)))
        self.assertEqual(form("markdown").count("\n| "), count + 1)

    def test_groups(self):
        self.write("Dockerfile", "FROM nvidia/cuda:12.8.1-runtime-ubuntu24.04\nCMD [\"app\"]\n")
        usual, all_of_them = self.rules(), self.rules("--pedantic")
        self.assertNotIn("gpu-base-digest", usual)
        self.assertIn("gpu-base-digest", all_of_them)
        self.assertIn("gpu-base-digest", self.rules("--only", "gpu-base-digest"))
        self.assertIn("gpu-base-digest", self.rules("--severity", "gpu-base-digest=warning"))
        self.assertIn(f"--pedantic shows {len(all_of_them) - len(usual)} more\n", self.lint().stdout)
        self.write(".flense.toml", "[lint]\npedantic = true\n")
        self.assertIn("gpu-base-digest", self.rules())

    def test_copies_of_other_projects(self):
        for path in ("Dockerfile", "engine/Dockerfile", "engine/docker/Dockerfile", "vendor/tool/Dockerfile",
                     "vendor/Dockerfile", "sub/module/Dockerfile", "package/Dockerfile", "tool-main/Dockerfile",
                     "library/Dockerfile", "skeleton/Dockerfile", "part/Dockerfile"):
            self.write(path, BAD)
        for path in ("library/.github/workflows/a.yml", "library/CONTRIBUTING.md", ".github/workflows/a.yml",
                     "skeleton/.github/workflows/a.yml", "part/.github/CODEOWNERS", "part/CONTRIBUTING.md"):
            self.write(path, "")
        for path in ("engine/LICENSE", "engine/CONTRIBUTING.md", "package/LICENSE", "package/.gitignore", "LICENSE"):
            self.write(path, "")
        self.write("copied/Dockerfile", BAD)
        self.write("copied/LICENSE", "of another")
        self.write("copied/.gitignore", "")
        self.write(".gitmodules", '[submodule "m"]\n\tpath = sub/module\n')
        paths = lambda *words: sorted({one["path"] for one in self.findings(*words, expect=1)})
        own = ["Dockerfile", "package/Dockerfile", "part/Dockerfile", "skeleton/Dockerfile", "vendor/Dockerfile"]
        foreign = ["copied/Dockerfile", "engine/Dockerfile", "engine/docker/Dockerfile", "library/Dockerfile", "sub/module/Dockerfile", "tool-main/Dockerfile",
                   "vendor/tool/Dockerfile"]
        self.assertEqual(paths(), own)
        self.assertEqual(paths("--pedantic"), sorted(own + foreign))
        self.assertIn("8 files of other projects judged with --pedantic only, or when named: copied, engine, library and 3 more\n",
                      self.lint(expect=1).stdout)
        self.assertEqual(paths("engine"), foreign[1:3])
        self.assertEqual(paths("sub/module/Dockerfile"), foreign[4:5])

    def test_a_link_is_the_file_that_it_leads_to(self):
        self.write("Dockerfile.gpu", BAD)
        os.symlink("Dockerfile.gpu", os.path.join(self.folder, "Dockerfile"))
        self.assertEqual({one["path"] for one in self.findings(expect=1)}, {"Dockerfile.gpu"})
        self.assertEqual({one["path"] for one in self.findings("Dockerfile", expect=1)}, {"Dockerfile"})

    def test_the_same_words_are_one_finding(self):
        self.write("Dockerfile", "FROM nvidia/cuda:12.8.1-base-ubuntu24.04\nRUN pip install torch==2.6.0\nRUN pip install xformers==0.0.29.post3\n")
        found = [one for one in self.findings() if one["rule"] == "package-cache-in-layer"]
        self.assertEqual(len(found), 1)
        self.assertIn("also in line 3", found[0]["evidence"])
        self.lint("--fix", "--only", "package-cache-in-layer")
        with open(os.path.join(self.folder, "Dockerfile"), encoding="utf-8") as fixed:
            self.assertEqual(fixed.read().count("--mount=type=cache,target=/root/.cache/pip"), 2)

    def test_fixes_that_change_what_is_built_are_asked_for(self):
        text = "FROM nvidia/cuda:12.8.1-devel-ubuntu24.04\nRUN git clone https://github.com/pytorch/pytorch.git\n"
        path = self.write("Dockerfile", text)
        rule = ("--only", "git-clone-full")
        self.assertEqual(self.lint("--diff", *rule).stdout, "")
        self.lint("--fix", *rule)
        with open(path, encoding="utf-8") as unchanged:
            self.assertEqual(unchanged.read(), text)
        self.assertIn("+RUN git clone --depth 1", self.lint("--diff=unsafe", *rule).stdout)
        self.lint("--fix=unsafe", *rule)
        with open(path, encoding="utf-8") as changed:
            self.assertIn("--depth 1", changed.read())

    def test_what_was_known_before(self):
        run = lambda *words: subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *words],
                                            cwd=self.folder, check=True, capture_output=True)
        self.write("Dockerfile", BAD)
        run("init", "-q")
        run("add", ".")
        run("commit", "-qm", "first")
        before = self.write("../before.json", self.lint("--json", expect=1).stdout)
        again = BAD.replace("RUN", "# moved\n\nRUN")
        self.write("Dockerfile", again)
        for known in (("--baseline", before), ("--since", "HEAD")):
            self.assertEqual(self.findings(*known), [])
            self.assertIn(" known before\n", self.lint(*known).stdout)
        self.write("Dockerfile", again + "ENV HF_TOKEN=hf_0123456789abcdefghij\n")
        for known in (("--baseline", before), ("--since", "HEAD")):
            self.assertEqual(self.rules(*known, expect=1), ["secret-in-build-variable"])
        self.assertIn("no revision 'nothing'", self.lint("--since", "nothing", expect=3).stderr)
        self.assertIn("no report of lint", self.lint("--baseline", self.write("../a.json", "{}"), expect=3).stderr)

    def test_a_partial_clone_fetches_nothing(self):
        """What the repository's own settings name as its remote would be started for a missing object."""
        marker = self.write("../marker", "")
        os.unlink(marker)
        run = lambda *words: subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *words],
                                            cwd=self.folder, check=True, capture_output=True, text=True).stdout
        self.write("Dockerfile", BAD)
        run("init", "-q")
        run("add", ".")
        run("commit", "-qm", "first")
        blob = run("rev-parse", "HEAD:Dockerfile").strip()
        os.unlink(os.path.join(self.folder, ".git/objects", blob[:2], blob[2:]))
        for name, value in (("core.repositoryFormatVersion", "1"), ("extensions.partialClone", "origin"),
                            ("remote.origin.url", f"ext::touch {marker}"), ("remote.origin.promisor", "true"),
                            ("protocol.ext.allow", "always")):
            run("config", name, value)
        subprocess.run(["git", "cat-file", "-p", blob], cwd=self.folder, capture_output=True, check=False)
        self.assertTrue(os.path.exists(marker), "git itself starts it")
        os.unlink(marker)
        self.lint("--since", "HEAD", expect=1)
        self.assertFalse(os.path.exists(marker))

    def test_hadolint_beside(self):
        report = [{"file": "Dockerfile", "line": 2, "column": 1, "level": "info", "code": "DL3013", "message": "pin"},
                  {"file": "Dockerfile", "line": 2, "column": 1, "level": "warning", "code": "DL3042", "message": "ours"},
                  {"file": "Dockerfile", "line": 4, "column": 1, "level": "error", "code": "DL3020", "message": "no"}]
        self.write("bin/hadolint", f"#!/bin/sh\necho '{json.dumps(report)}'\n", mode=0o755)
        self.write("Dockerfile", BAD + "# flense ignore=DL3020\nADD a /a\n")
        environment = dict(os.environ, PATH=os.path.join(self.folder, "bin") + ":" + os.environ["PATH"])
        done = subprocess.run([harness.BINARY, "lint", "--json", "--with", "hadolint", "Dockerfile"], cwd=self.folder,
                              env=environment, text=True, capture_output=True, check=False)
        found = {one["rule"]: one for one in json.loads(done.stdout)["findings"]}
        self.assertEqual((found["DL3013"]["severity"], found["DL3013"]["begin"]["line"]), ("info", 2))
        self.assertFalse({"DL3042", "DL3020", "unknown-rule"} & found.keys())
        self.assertIn("package-cache-in-layer", found)

    def test_a_fix_takes_no_change_back_that_was_made_meanwhile(self):
        path = self.write("Dockerfile", BAD)
        self.write("bin/hadolint", f"#!/bin/sh\necho '# of another' >> {path}\necho '[]'\n", mode=0o755)
        environment = dict(os.environ, PATH=os.path.join(self.folder, "bin") + ":" + os.environ["PATH"])
        done = subprocess.run([harness.BINARY, "lint", "--no-sandbox", "--fix", "--with", "hadolint", "Dockerfile"],
                              cwd=self.folder, env=environment, text=True, capture_output=True, check=False)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("the file was changed meanwhile", done.stderr)
        with open(path, encoding="utf-8") as kept:
            self.assertTrue(kept.read().startswith(BAD + "# of another\n"))

    def test_files_of_any_bytes(self):
        text = "FROM ubuntu:24.04\nRUN pip install torch==2.6.0\n"
        for name, raw in (("utf16", text.encode("utf-16")), ("zero", b"FROM \0\n"), ("bom", b"\xef\xbb\xbf" + text.encode()),
                          ("crlf", text.replace("\n", "\r\n").encode()), ("latin", text.encode() + b"LABEL a=caf\xe9\n")):
            path = self.write(f"{name}/Dockerfile", "")
            with open(path, "wb") as out:
                out.write(raw)
            os.chmod(path, 0o444)
        for name, target in (("loop", "loop"), ("a.Dockerfile", "b.Dockerfile"), ("b.Dockerfile", "a.Dockerfile"), ("up", "..")):
            os.symlink(target, os.path.join(self.folder, name))
        self.lint("--fix", "--only", "package-cache-in-layer", "--only", "syntax", expect=1)
        for name in ("bom", "crlf", "latin"):
            with open(os.path.join(self.folder, name, "Dockerfile"), "rb") as fixed:
                raw = fixed.read()
            self.assertIn(b"--mount=type=cache,target=/root/.cache/pip pip", raw)
            self.assertEqual(raw.count(b"\r\n"), 2 if name == "crlf" else 0)
            self.assertEqual(stat.S_IMODE(os.stat(os.path.join(self.folder, name, "Dockerfile")).st_mode), 0o444)

    def test_the_pattern_of_the_hook_is_what_lint_reads(self):
        with open(os.path.join(harness.TOP, ".pre-commit-hooks.yaml"), encoding="utf-8") as text:
            pattern = re.search(r"files: &files '(.*)'", text.read())[1]
        pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"
        for name, text in (("Dockerfile", BAD), ("gpu.Dockerfile", BAD), ("dockerfile.cpu", BAD), ("Containerfile", BAD),
                           (".dockerignore", "a\n"), (".containerignore", "a\n"), ("manifests/pod.yaml", pod),
                           ("list.json", '{"apiVersion": "v1", "kind": "List", "items": []}'), ("docker-bake.hcl", ""),
                           ("requirements/gpu.txt", "a\n"), ("requirements.in", "a\n"), ("pyproject.toml", ""),
                           ("uv.lock", ""), ("app.def", "Bootstrap: docker\nFrom: a\n"), ("Singularity", "Bootstrap: docker\n"),
                           ("Singularity.gpu", "Bootstrap: docker\n"), ("job.sbatch", ""), ("job.slurm", ""), ("run.sh", ""),
                           ("train.pbs", "#!/bin/sh\n"), ("train.lsf", "#!/bin/sh\n"), ("train.job", "#!/bin/sh\n"),
                           ("Apptainer", "Bootstrap: docker\nFrom: a\n"), ("pod.yaml.j2", pod), ("pip.conf", "[global]\n"),
                           (".env", "A=b\n"), ("api/.env.local", "A=b\n"), ("gpu.env", "A=b\n"),
                           ("run.bash", ""), ("Makefile", ""), ("a/makefile", ""), ("b/GNUmakefile", ""), ("build.mk", ""), ("Makefile.am", ""), (".devcontainer/devcontainer.json", "{}"), ("a.container", ""), ("a.pod", ""), ("a.kube", ""), ("a.service", ""),
                           ("main.py", ""), ("README.md", ""), ("Dockerfile.md", ""), ("compose.yaml", "services: {}\n")):
            self.write(name, text)
        read = lambda *names: {one["path"] for one in json.loads(self.lint("--json", "--fail-on", "never", *names).stdout)["files"]
                               if one["kind"] != "unknown"}
        every = [os.path.relpath(os.path.join(top, name), self.folder) for top, _, names in os.walk(self.folder) for name in names]
        self.assertEqual(read("."), read(*(name for name in every if re.search(pattern, name))))

    def test_threshold_and_severity(self):
        self.write("Dockerfile", BAD)
        self.lint("--fail-on", "never")
        only = ("--only", "cuda-tag-missing")
        self.lint(*only, expect=1)
        self.lint(*only, "--severity", "cuda-tag-missing=info")
        self.lint(*only, "--severity", "1=warning", "--fail-on", "warning", expect=1)
        self.assertIn("did you mean cuda-tag-missing?", self.lint("--ignore", "cuda-tag-mising", expect=2).stderr)

    def test_what_a_build_leaves_behind_is_a_warning(self):
        self.write(".github/workflows/image.yml", "on: push\njobs:\n  image:\n    steps:\n"
                   "      - uses: docker/build-push-action@v6\n        with:\n          context: .\n"
                   "          build-args: |\n            MAPS_API_KEY=${{ secrets.MAPS_API_KEY }}\n")
        self.write("Dockerfile", "FROM node:22 AS a\nARG MAPS_API_KEY\nRUN npm ci\nFROM node:22\nCOPY --from=a /a /a\n")
        only = ("--only", "secret-in-build-variable", "--fail-on", "never", ".github/workflows/image.yml", "Dockerfile")
        found = [one for one in self.findings(*only) if one["path"].endswith("image.yml")]
        self.assertEqual([(one["severity"], "records of the build" in one["message"]) for one in found], [("warning", True)])
        self.write("Dockerfile", "FROM node:22\nARG MAPS_API_KEY\nRUN npm ci\n")
        found = [one for one in self.findings(*only) if one["path"].endswith("image.yml")]
        self.assertEqual([(one["severity"], "history" in one["message"]) for one in found], [("error", True)])

    def test_an_index_beside_pypi_ends_no_build(self):
        only = ("--only", "wheel-cuda-mismatch", "--fail-on", "never")
        for option, severity in (("--extra-index-url", "warning"), ("--index-url", "error")):
            self.write("requirements.txt", f"{option} https://download.pytorch.org/whl/cu121\ntorch==2.6.0\n")
            self.assertEqual([one["severity"] for one in self.findings(*only)], [severity])

    def test_comments(self):
        self.write("Dockerfile", "# flense ignore=cuda-tag-missing  it is our own mirror's\n" + BAD)
        self.assertNotIn("cuda-tag-missing", self.rules(expect=0))
        self.write("Dockerfile", BAD.replace("RUN", "# flense ignore=cuda-tag-missing\nRUN"))
        self.assertIn("cuda-tag-missing", self.rules(expect=1))
        self.write("Dockerfile", BAD + "# flense global ignore=1\n")
        self.assertNotIn("cuda-tag-missing", self.rules(expect=0))

    def test_settings(self):
        self.write("sub/Dockerfile", BAD)
        self.write(".flense.toml", '[lint]\nignore = ["cuda-tag-missing"]\nfail-on = "never"\n')
        self.assertNotIn("cuda-tag-missing", self.rules())
        self.assertIn("cuda-tag-missing", self.rules("--no-config", expect=1))
        self.write(".flense.toml", '[lint.severity]\ncuda-tag-missing = "info"\n')
        found = [one for one in self.findings() if one["rule"] == "cuda-tag-missing"]
        self.assertEqual(found[0]["severity"], "info")
        self.write(".flense.toml", '[lint]\nformat = "markdown"\n')
        self.assertTrue(self.lint(expect=1).stdout.startswith("#"))
        self.assertIn("cuda-tag-missing", self.rules(expect=1))
        self.write(".flense.toml", '[[waivers]]\nrule = "cuda-tag-missing"\npath = "sub/*"\nuntil = "2999-12-31"\n')
        self.assertNotIn("cuda-tag-missing", self.rules())
        self.write(".flense.toml", '[[waivers]]\nrule = "cuda-tag-missing"\nuntil = "2020-01-01"\nreason = "old"\n')
        self.assertIn("cuda-tag-missing", self.rules(expect=1))
        for text, status, said in (('[lint]\nfix = true\n', 2, "no such setting"), ('[lnt]\n', 2, "did you mean [lint]?"),
                                   ('[lint]\nfail-on = "often"\n', 2, "error, warning"), ('[lint\n', 3, ".flense.toml"),
                                   ('[[waivers]]\nrule = "nobody"\n', 2, "no rule"),
                                   ('[[waivers]]\nrule = "syntax"\nuntil = "soon"\n', 3, "2026-12-31")):
            self.write(".flense.toml", text)
            self.assertIn(said, self.lint(expect=status).stderr)

    def test_the_settings_and_comments_of_the_manual_are_accepted(self):
        with open(os.path.join(harness.TOP, "docs/commands/lint.md"), encoding="utf-8") as text:
            manual = text.read()
        settings = re.search(r"```toml\n(.*?)```", manual, re.DOTALL)[1]
        self.write(".flense.toml", settings)
        self.write("Dockerfile", BAD)
        self.findings(expect=1)
        named = re.findall(r"flense (?:global )?ignore=([a-z][a-z-]+)|flense explain ([a-z][a-z-]+)", manual)
        self.assertGreaterEqual(len(named), 2)
        for ignored, explained in named:
            self.flense("explain", ignored or explained)

    def test_mending(self):
        text = "FROM nvidia/cuda:12.9.1-devel-ubuntu24.04\nRUN pip install torch\nENV NVIDIA_VISIBLE_DEVICES=all\n"
        path = self.write("Dockerfile", text, mode=0o640)
        before = self.findings(expect=self.status_of("Dockerfile"))
        mendable = [one for one in before if one.get("edits")]
        self.assertTrue(mendable)
        diff = self.lint("--diff", expect=self.status_of("Dockerfile")).stdout
        with open(path, encoding="utf-8") as unchanged:
            self.assertEqual(unchanged.read(), text)
        subprocess.run(["patch", "-p0", "--quiet"], cwd=self.folder, input=diff, text=True, check=True)
        with open(path, encoding="utf-8") as patched:
            by_patch = patched.read()
        self.write("Dockerfile", text, mode=0o640)
        left = json.loads(subprocess.run([harness.BINARY, "lint", "--fix", "--json"], cwd=self.folder, text=True,
                                         capture_output=True, check=False).stdout)["findings"]
        with open(path, encoding="utf-8") as fixed:
            self.assertEqual(fixed.read(), by_patch)
        self.assertFalse([one for one in left if one.get("edits")])
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o640)
        self.assertEqual(sorted(os.listdir(self.folder)), ["Dockerfile"])

    def test_every_fix_holds_and_is_what_the_patch_says(self):
        count = 0
        for page in sorted(os.listdir(os.path.join(harness.TOP, "tests/lint/rules"))):
            for example in rule_docs.examples(page[:-4]):
                count += 1
                for name, lines in example["files"]:
                    self.write(f"{count}/{name}", "\n".join(lines) + "\n")
        original = self.path("original")
        shutil.copytree(self.folder, original)
        for mode in ("", "=unsafe"):
            texts = []
            for way in ("patch", "fix"):
                shutil.rmtree(self.folder)
                shutil.copytree(original, self.folder)
                if way == "patch":
                    subprocess.run(["patch", "-p0", "--quiet"], cwd=self.folder, text=True, check=True,
                                   input=self.lint("--diff" + mode, "--pedantic", expect=1).stdout)
                else:
                    self.lint("--fix" + mode, "--pedantic", expect=1)
                texts.append(tree(self.folder))
            self.assertEqual(texts[0], texts[1])
            self.assertGreater(sum(texts[0][name] != text for name, text in tree(original).items()), 20)
            self.assertEqual(self.lint("--diff" + mode, "--pedantic", expect=1).stdout, "")

    def test_an_example_that_is_clean(self):
        shutil.copytree(os.path.join(harness.TOP, "examples/cuda-cpp"), self.folder, dirs_exist_ok=True)
        self.assertEqual({(one["path"], one["rule"]) for one in self.findings()},
                         {("Dockerfile.one-stage", "package-cache-in-layer")})

    def status_of(self, name):
        done = subprocess.run([harness.BINARY, "lint", name], cwd=self.folder, capture_output=True, check=False)
        self.assertIn(done.returncode, (0, 1))
        return done.returncode

    def test_bad_input(self):
        self.assertIn("no file that lint knows", self.lint(expect=0).stderr)
        self.assertIn("while reading nothing.yaml", self.lint("nothing.yaml", expect=3).stderr)
        self.write("Dockerfile", "FROM debian:12\0\n")
        self.write("bomb.yaml", "services:\n" + "  a0: &a0 [x, x]\n"
                   + "".join(f"  a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30)))
        self.write("compose.yaml", "services: [unfinished\n")
        self.write("ok/Dockerfile", BAD)
        rules = self.findings(expect=1)
        self.assertEqual({one["path"] for one in rules if one["rule"] == "syntax"} - {"bomb.yaml"}, {"Dockerfile", "compose.yaml"})
        self.assertIn("ok/Dockerfile", {one["path"] for one in rules})
        with open(os.path.join(self.folder, "huge.yaml"), "w", encoding="utf-8") as huge:
            huge.truncate(100 << 20)
        self.assertIn("huge.yaml", self.lint("huge.yaml", expect=3).stderr)

    def test_pages_of_the_rules_are_up_to_date(self):
        subprocess.run([sys.executable, os.path.join(harness.TOP, "scripts", "rule_docs.py"), "--check"], check=True)


if __name__ == "__main__":
    harness.main()
