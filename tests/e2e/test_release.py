#!/usr/bin/env python3
"""scripts/release.sh on a small repository whose `make dist` is a line: what it refuses, what it compares, signs and
tags. The bill of materials is a stand-in: the real one needs a build."""

import hashlib
import json
import os
import shutil
import subprocess

import harness

NAME = "flense-1.2.3-linux-x86_64.tar.gz"
SBOM = '#!/usr/bin/env python3\nprint(\'{"packages": [{"externalRefs": [{"referenceLocator": "pkg:deb/debian/zlib@1"}]}]}\')\n'


class Release(harness.Case):
    def setUp(self):
        super().setUp()
        os.chmod(self.work, 0o755)
        os.mkdir(self.path("tmp"))
        self.repository = self.path("repository")
        self.env = {**os.environ, "HOME": self.work, "TMPDIR": self.path("tmp"), "GNUPGHOME": self.path("keys")}
        for name in ("FLENSE_SIGNING_KEY", "GITHUB_WORKFLOW_REF"):
            self.env.pop(name, None)
        for name in ("scripts/release.sh", "scripts/release/provenance.py", "scripts/release/debian.py", "pyproject.toml"):
            os.makedirs(os.path.dirname(self.inside(name)), exist_ok=True)
            shutil.copy(os.path.join(harness.TOP, name), self.inside(name))
        self.write("scripts/release/sbom.py", SBOM)
        os.chmod(self.inside("scripts/release/sbom.py"), 0o755)
        self.write("CMakeLists.txt", "project(flense VERSION 0.0.0 LANGUAGES C)\n")
        self.write("CHANGELOG.md", "# Changes\n\n## 1.2.3, 2026-12-01\n\n- All.\n\n## 1.2.2, unreleased\n")
        self.write(".gitignore", "/dist/\n__pycache__/\n")
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "Test")
        self.git("config", "user.email", "test@localhost")
        self.make_dist("grep -o 'VERSION [0-9.]*' CMakeLists.txt")

    def inside(self, name):
        return os.path.join(self.repository, name)

    def write(self, name, text):
        with open(self.inside(name), "w") as out:
            out.write(text)

    def git(self, *arguments):
        return self.run_tool("git", *arguments, cwd=self.repository, env=self.env).strip()

    def make_dist(self, command):
        """Commits a Makefile whose artefact is what the command prints."""
        self.write("Makefile", f"dist:\n\tmkdir dist\n\t{command} >dist/{NAME}\n")
        self.git("add", ".")
        self.git("commit", "-qm", "one")
        self.before = self.git("rev-parse", "HEAD")

    def release(self, *arguments, expect=0, **env):
        done = subprocess.run([self.inside("scripts/release.sh"), *arguments], env={**self.env, **env}, check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        self.assertEqual(done.returncode, expect, done.stdout)
        return done.stdout

    def nothing_happened(self):
        self.assertEqual((self.git("rev-parse", "HEAD"), self.git("tag"), self.git("status", "--porcelain")), (self.before, "", ""))

    def read(self, name):
        with open(self.inside("dist/" + name)) as source:
            return source.read()

    def test_dry_run(self):
        said = self.release("--dry-run", "1.2.3")
        self.nothing_happened()
        self.assertEqual(os.listdir(self.path("tmp")), [])
        self.assertEqual(self.read(NAME), "VERSION 1.2.3\n")
        names = ["flense-1.2.3-arm64.spdx.json", NAME, "flense-1.2.3.provenance.json", "flense-1.2.3.spdx.json"]
        self.assertEqual(sorted(os.listdir(self.inside("dist"))), ["SHA256SUMS", *names])
        digests = {name: harness.file_digest(self.inside("dist/" + name)) for name in names}
        self.assertEqual(self.read("SHA256SUMS"), "".join(f"{digests[name]}  {name}\n" for name in names))
        self.assertIn(json.dumps({"version": "1.2.3", "sha256": digests[NAME]}), said)

    def test_release(self):
        self.git("remote", "add", "origin", "git@example.com:me/flense.git")
        self.release("1.2.3")
        commit = self.git("rev-parse", "v1.2.3^{commit}")
        self.assertEqual(self.git("rev-parse", "main", "HEAD~1"), f"{commit}\n{self.before}")
        self.assertEqual(self.git("status", "--porcelain"), "")
        self.assertEqual(self.git("show", "HEAD:CMakeLists.txt"), "project(flense VERSION 1.2.3 LANGUAGES C)")
        self.assertIn('"flense==1.2.3"', self.git("show", "HEAD:pyproject.toml"))
        statement = json.loads(self.read("flense-1.2.3.provenance.json"))
        self.assertIn({"name": NAME, "digest": {"sha256": hashlib.sha256(b"VERSION 1.2.3\n").hexdigest()}}, statement["subject"])
        materials = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
        self.assertEqual(materials[:2], [{"uri": "git+https://example.com/me/flense.git", "digest": {"gitCommit": commit}},
                                         {"uri": "pkg:deb/debian/zlib@1"}])
        # Once only; but whoever has the tag builds it again, detached too.
        self.assertIn("v1.2.3 exists", self.release("1.2.3", expect=2))
        sums = self.read("SHA256SUMS")
        self.git("checkout", "-q", "v1.2.3")
        self.release("--dry-run", "1.2.3")
        self.assertEqual(self.read("SHA256SUMS"), sums)

    def test_builds_that_differ(self):
        for command in ("pwd", "date +%Z", "umask", "echo $$LC_ALL") + (("id -u",) if os.getuid() == 0 else ()):
            with self.subTest(command=command):
                self.make_dist(command)
                said = self.release("1.2.3", expect=1)
                self.assertRegex(said, f"one/flense/dist/{NAME} .* differ")
                self.nothing_happened()
                self.assertFalse(os.path.exists(self.inside("dist")))

    def test_a_build_that_fails(self):
        self.make_dist("echo it broke >&2; false")
        self.assertIn("it broke", self.release("1.2.3", expect=4))
        self.nothing_happened()

    def test_refused(self):
        self.assertIn("usage", self.release("1.2", expect=2))
        self.assertIn("no section", self.release("1.2.2", expect=2))
        self.assertIn("no section", self.release("1.2.4", expect=2))
        self.write("stray", "")
        self.assertIn("not clean", self.release("--dry-run", "1.2.3", expect=2))
        os.remove(self.inside("stray"))
        self.git("checkout", "-qb", "other")
        self.assertIn("made on main", self.release("--dry-run", "1.2.3", expect=2))
        self.nothing_happened()

    def test_signed(self):
        os.mkdir(self.path("keys"), 0o700)
        self.run_tool("gpg", "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", "test@localhost", "ed25519", env=self.env)
        self.addCleanup(subprocess.run, ["gpgconf", "--kill", "all"], env=self.env, check=False)
        self.release("1.2.3", FLENSE_SIGNING_KEY="test@localhost")
        self.run_tool("gpg", "--verify", self.inside("dist/SHA256SUMS.asc"), self.inside("dist/SHA256SUMS"), env=self.env)
        self.git("verify-tag", "v1.2.3")
        with open(self.inside("dist/SHA256SUMS"), "a") as out:
            out.write("0\n")
        done = subprocess.run(["gpg", "--verify", self.inside("dist/SHA256SUMS.asc"), self.inside("dist/SHA256SUMS")],
                              env=self.env, check=False, stderr=subprocess.DEVNULL)
        self.assertNotEqual(done.returncode, 0)


if __name__ == "__main__":
    harness.main()
