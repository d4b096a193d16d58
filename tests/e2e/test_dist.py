#!/usr/bin/env python3
"""What `make dist` writes: the same bytes again, installable by pip, readable by dpkg-deb and groff, with every licence."""

import base64
import csv
import email
import functools
import glob
import hashlib
import http.server
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import tomllib
import unittest
import zipfile

import yaml

import harness
import hosts
import imagetree
from harness import file_digest

EPOCH = 1760000000
SCRIPT = os.path.join(harness.TOP, "scripts/dist/make_dist.py")
UNITS = "etc/systemd/system"
DOCKERFILE = "FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04\nRUN apt-get update && apt-get install -y libcuda1\n"


def make(out, *kinds, program=None, **more):
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH), **more.pop("env", {})}
    return subprocess.run([sys.executable, SCRIPT, program or os.path.abspath(harness.BINARY), out, *kinds], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, **more)


def read(path):
    with open(path, "rb") as data:
        return data.read()


class Dist(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.out = tempfile.mkdtemp(prefix="flense-dist-", dir=os.environ.get("FLENSE_TEST_DIR"))
        cls.addClassCleanup(shutil.rmtree, cls.out, ignore_errors=True)
        done = make(cls.out)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.decode())
        cls.tarball, = glob.glob(f"{cls.out}/*.tar.gz")
        cls.wheel, = glob.glob(f"{cls.out}/*.whl")
        cls.deb, = glob.glob(f"{cls.out}/*.deb")
        cls.image, = glob.glob(f"{cls.out}/*-oci.tar")
        cls.version = re.fullmatch(r"flense-(.*)-linux-x86_64\.tar\.gz", os.path.basename(cls.tarball))[1]

    def unpacked(self):
        with tarfile.open(self.tarball) as archive:
            archive.extractall(self.work)
        return self.path(f"flense-{self.version}-linux-x86_64")

    def test_the_same_bytes_again(self):
        os.makedirs(self.path("elsewhere"))
        done = make(self.path("again"), "tarball", "wheel", "image", cwd=self.path("elsewhere"), umask=0o077,
                    env={"TZ": "Pacific/Auckland", "LC_ALL": "C", "HOME": self.work, "PYTHONHASHSEED": "7"})
        self.assertEqual(done.returncode, 0, done.stderr)
        for first in (self.tarball, self.wheel, self.image):
            self.assertEqual(file_digest(first), file_digest(self.path("again/" + os.path.basename(first))), first)
        self.run_tool("sha256sum", "--strict", "-c", "SHA256SUMS", cwd=self.out)
        self.assertEqual(len(read(f"{self.out}/SHA256SUMS").splitlines()), 4)

    def test_other_programs_are_refused(self):
        for program, text in ((shutil.which("true"), "asks for a loader"), (SCRIPT, "no program for x86-64")):
            done = make(self.path("out"), "wheel", program=program)
            self.assertEqual((done.returncode, os.path.exists(self.path("out"))), (1, False))
            self.assertIn(text, done.stderr.decode())

    @unittest.skipUnless(shutil.which("readelf"), "needs readelf")
    def test_the_program_is_hardened(self):
        shown = self.run_tool("readelf", "-hldSW", harness.BINARY)
        segments = re.findall(r"^  (LOAD|GNU_STACK|GNU_RELRO|INTERP) .* ([R ][W ][E ]) 0x[0-9a-f]+$", shown, re.M)
        self.assertEqual({flags for _, flags in segments if "W" in flags}, {"RW "})
        self.assertEqual(sorted({kind for kind, _ in segments}), ["GNU_RELRO", "GNU_STACK", "LOAD"])
        self.assertRegex(shown, r"Type:\s+DYN \(Position-Independent Executable file\)")
        self.assertRegex(shown, r"\(FLAGS\)\s+BIND_NOW\n")
        self.assertRegex(shown, r"\(FLAGS_1\)\s+Flags: NOW PIE\n")
        self.assertNotIn("TEXTREL", shown)
        self.assertIn(" .note.gnu.build-id ", shown)
        # One entry for every different set of options, of our objects and of ISA-L's.
        compiled = re.findall(r"\]  (GNU C.*)", self.run_tool("readelf", "-p", ".GCC.command.line", harness.BINARY))
        self.assertEqual({line.split()[1] for line in compiled}, {"C++23", "C17"})
        for line in compiled:
            self.assertLessEqual({"-O2", "-fPIE", "-fstack-protector-strong", "-fstack-clash-protection",
                                  "-fcf-protection=full", "-ftrivial-auto-var-init=zero"}, set(line.split()))
        program = read(harness.BINARY)
        # What _FORTIFY_SOURCE and _GLIBCXX_ASSERTIONS bring, which are no options of the compiler proper.
        for text in (b"buffer overflow detected", b"__n < this->size()"):
            self.assertIn(text, program)
        self.assertNotIn(harness.TOP.encode() + b"/", program)

    def test_tarball(self):
        with tarfile.open(self.tarball) as archive:
            members = archive.getmembers()
        names = [member.name.removeprefix(f"flense-{self.version}-linux-x86_64/") for member in members]
        self.assertEqual(names, sorted(names))
        self.assertEqual({(member.uid, member.gid, member.mtime, member.isfile()) for member in members}, {(0, 0, EPOCH, True)})
        self.assertEqual([(name, member.mode) for name, member in zip(names, members) if member.mode != 0o644],
                         [("bin/flense", 0o755)])
        self.assertLessEqual({
            "share/bash-completion/completions/flense", "share/zsh/site-functions/_flense",
            "share/fish/vendor_completions.d/flense.fish", "share/doc/flense/CHANGELOG.md",
            "share/doc/flense/licences/LICENSE", "share/man/man1/flense.1"}, set(names))
        self.assertEqual(file_digest(os.path.join(self.unpacked(), "bin/flense")), file_digest(harness.BINARY))

    def test_every_linked_library_comes_with_its_licence(self):
        folder = os.path.join(self.unpacked(), "share/doc/flense/licences")
        there = set(os.listdir(os.path.join(folder, "libraries")))
        named = re.findall(r"^\s*find_library\(FLENSE_\w+ (\w+)", read(f"{harness.TOP}/cmake/dependencies.cmake").decode(), re.M)
        linked = set()
        for name in set(named) - {"rapidcheck", "libisal"} | {"z", "crypto", "c", "stdc++"}:
            path, = glob.glob(f"/usr/lib/x86_64-linux-gnu/lib{name}.a") or glob.glob(f"/usr/lib/gcc/x86_64-linux-gnu/*/lib{name}.a")
            linked.add(self.run_tool("dpkg-query", "-S", path).split(":")[0])
        self.assertLessEqual({"libzstd-dev", "libyaml-dev", "libssl-dev", "libc6-dev"}, linked)
        self.assertEqual(linked - there, set())
        self.assertLessEqual({"libisal2", "libfmt-dev", "nlohmann-json3-dev", "libcli11-dev", "libtomlplusplus-dev",
                              "node-d3-hierarchy", "node-d3-selection"}, there)
        self.assertIn(b"GNU LESSER GENERAL PUBLIC LICENSE", read(os.path.join(folder, "common/LGPL-3")))
        for name in there:
            self.assertGreater(len(read(os.path.join(folder, "libraries", name))), 500, name)

    def test_wheel_is_what_its_records_say(self):
        with zipfile.ZipFile(self.wheel) as archive:
            files = {member.filename: archive.read(member) for member in archive.infolist()}
            modes = {member.filename: member.external_attr >> 16 for member in archive.infolist()}
        info = f"flense-{self.version}.dist-info"
        rows = list(csv.reader(io.StringIO(files[f"{info}/RECORD"].decode())))
        self.assertEqual(sorted(row[0] for row in rows), sorted(files))
        for name, digest, size in rows:
            if name == f"{info}/RECORD":
                self.assertEqual((digest, size), ("", ""))
                continue
            own = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest()).rstrip(b"=").decode()
            self.assertEqual((digest, int(size)), (f"sha256={own}", len(files[name])), name)
        program = f"flense-{self.version}.data/scripts/flense"
        self.assertTrue(files[program] == read(harness.BINARY))
        self.assertEqual({name for name, mode in modes.items() if mode & 0o111}, {program})
        self.assertEqual([name for name in files if name.endswith(".py")], [])
        tags = email.message_from_bytes(files[f"{info}/WHEEL"]).get_all("Tag")
        platforms = os.path.basename(self.wheel).removesuffix(".whl").split("-")[-1]
        self.assertEqual([f"py3-none-{platform}" for platform in platforms.split(".")], tags)
        metadata = email.message_from_bytes(files[f"{info}/METADATA"])
        self.assertEqual((metadata["Metadata-Version"], metadata["Name"], metadata["Version"]), ("2.1", "flense", self.version))
        self.assertTrue(metadata.get_payload().startswith("# flense\n"))

    def test_image(self):
        """An index with one image for each machine, and in it the program, a place for what is large, and licences."""
        image = imagetree.read_image(self.image)
        self.assertEqual((image.config["architecture"], image.config["created"]), ("amd64", "2025-10-09T08:53:20Z"))
        self.assertEqual((image.config["config"]["Entrypoint"], image.config["config"]["Cmd"]), (["/flense"], ["help"]))
        self.assertEqual(image.config["config"]["Labels"]["org.opencontainers.image.version"], self.version)
        with tarfile.open(fileobj=io.BytesIO(*image.layers)) as layer:
            members = {member.name: member for member in layer.getmembers()}
            self.assertTrue(layer.extractfile("flense").read() == read(harness.BINARY))
        self.assertEqual({(member.uid, member.gid, member.mtime) for member in members.values()}, {(0, 0, EPOCH)})
        self.assertEqual({name for name, member in members.items() if member.isreg() and member.mode != 0o644}, {"flense"})
        self.assertEqual((members["flense"].mode, members["tmp"].mode), (0o755, 0o1777))
        self.assertIn("usr/share/doc/flense/licences/libraries/libyaml-dev", members)
        told = self.flense("inspect", self.image, "--platform", "linux/amd64", "--json").json
        files = [member for member in members.values() if member.isreg()]
        self.assertEqual((told["platform"], told["files"], told["file_bytes"]),
                         ("linux/amd64", len(files), sum(member.size for member in files)))
        if shutil.which("skopeo"):
            self.run_tool("skopeo", "copy", "--all", f"oci-archive:{self.image}", f"oci:{self.path('copy')}:all")
            self.assertEqual(imagetree.read_image(self.path("copy")).manifest_digest, image.manifest_digest)

    def index(self):
        """Address of a package index of one project (PEP 503)."""
        folder = self.path("index/simple/flense")
        os.makedirs(folder)
        shutil.copy(self.wheel, folder)
        name = os.path.basename(self.wheel)
        with open(os.path.join(folder, "index.html"), "w", encoding="utf-8") as page:
            page.write(f'<!DOCTYPE html><a href="{name}#sha256={file_digest(self.wheel)}">{name}</a>\n')

        class Quiet(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=self.path("index")))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"http://127.0.0.1:{server.server_port}/simple/"

    def pip(self):
        """pip of a new environment in venv/, which knows no index but those it is given; beside it a project/."""
        self.run_tool(sys.executable, "-m", "venv", self.path("venv"))
        environment = {name: value for name, value in os.environ.items()
                       if not name.upper().startswith("PIP_") and not name.lower().endswith("_proxy")}
        environment.update(PIP_CONFIG_FILE=os.devnull, PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_CACHE_DIR="1")
        os.makedirs(self.path("project"))
        with open(self.path("project/Dockerfile"), "w", encoding="utf-8") as text:
            text.write(DOCKERFILE)
        return functools.partial(self.run_tool, self.path("venv/bin/python"), "-m", "pip", env=environment)

    def test_the_hook_comes_with_the_wheel(self):
        """pre-commit installs the repository of a hook of `language: python` with pip; to build that takes setuptools
        of an index, what it depends on does not."""
        with open(os.path.join(harness.TOP, ".pre-commit-hooks.yaml"), encoding="utf-8") as text:
            hook = next(hook for hook in yaml.safe_load(text) if hook["id"] == "flense-lint")
        self.assertEqual(hook["language"], "python")
        self.assertRegex("service/Dockerfile", hook["files"])
        with open(os.path.join(harness.TOP, "pyproject.toml"), "rb") as text:
            wanted = tomllib.load(text)["project"]["dependencies"]
        self.pip()("install", "--index-url", self.index(), *wanted)
        program, *words = hook["entry"].split()
        done = subprocess.run([self.path("venv/bin/" + program), *words, "--no-config", self.path("project/Dockerfile")],
                              check=False, stdout=subprocess.PIPE, env=harness.surroundings())
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"driver-package-installed", done.stdout)

    def test_pip_installs_it(self):
        pip, program = self.pip(), self.path("venv/bin/flense")
        for source in (("--no-index", self.wheel), ("--index-url", self.index(), f"flense=={self.version}")):
            with self.subTest(source[0]):
                pip("install", *source)
                self.assertEqual(file_digest(program), file_digest(harness.BINARY))
                done = subprocess.run([program, "lint", "--no-config", self.path("project")], check=False,
                                      stdout=subprocess.PIPE, env=harness.surroundings())
                self.assertEqual(done.returncode, 1)
                self.assertIn(b"driver-package-installed", done.stdout)
                pip("uninstall", "--yes", "flense")
                self.assertFalse(os.path.exists(program))

    @unittest.skipUnless(shutil.which("dpkg-deb"), "needs dpkg-deb")
    def test_debian_package(self):
        fields = email.message_from_string(self.run_tool("dpkg-deb", "-f", self.deb))
        self.assertEqual((fields["Package"], fields["Version"], fields["Architecture"], fields["Section"]),
                         ("flense", self.version, "amd64", "utils"))
        self.assertEqual((fields["Depends"], fields["Recommends"]), (None, "bubblewrap, crun (>= 1.8), curl, skopeo"))
        listed = [line.split(None, 5) for line in self.run_tool("dpkg-deb", "-c", self.deb, env={**os.environ, "TZ": "UTC"}).splitlines()]
        self.assertEqual({line[1] for line in listed}, {"root/root"})
        self.assertEqual({(line[3], line[4]) for line in listed}, {("2025-10-09", "08:53")})
        self.assertEqual({line[0] for line in listed}, {"drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x"})
        self.assertEqual([line[5] for line in listed if line[0] == "-rwxr-xr-x"], ["./usr/bin/flense"])
        self.run_tool("dpkg-deb", "-R", self.deb, self.path("package"))
        self.run_tool("md5sum", "--strict", "-c", "DEBIAN/md5sums", cwd=self.path("package"))
        for path in ("bash-completion/completions/flense", "zsh/vendor-completions/_flense",
                     "fish/vendor_completions.d/flense.fish", "doc/flense/changelog.gz", "man/man1/flense-cdi.1.gz"):
            self.assertTrue(os.path.exists(self.path("package/usr/share/" + path)), path)
        copyright_text = read(self.path("package/usr/share/doc/flense/copyright"))
        for name in (b"libzstd-dev", b"libsquashfs-dev", b"node-d3-selection"):
            self.assertIn(name + b"\n====", copyright_text)
        self.run_tool("dpkg-parsechangelog", "-l", self.path("package/usr/share/doc/flense/changelog.gz"))

    def maintainer_script(self, name, action, root):
        self.run_tool("dpkg-deb", "-e", self.deb, self.path("control"))
        return self.run_tool(self.path("control/" + name), action, env={**os.environ, "DPKG_ROOT": root})

    @unittest.skipUnless(shutil.which("dpkg-deb"), "needs dpkg-deb")
    def test_removal_takes_the_units_along(self):
        root = hosts.make("h100", self.path("gpu"))
        before = self.files_of(root)
        self.flense("cdi", "install", "--engine", "podman", "--root", root, "--refresh", "--vendor", "flense.dev")
        installed = self.files_of(root)
        # The units of another program are not the package's.
        self.maintainer_script("prerm", "remove", root)
        self.assertEqual(self.files_of(root), installed)
        service = os.path.join(root, UNITS, "flense-cdi-refresh.service")
        text = read(service).decode().replace(os.path.realpath(harness.BINARY), "/usr/bin/flense")
        with open(service, "w", encoding="utf-8") as out:
            out.write(text)
        self.maintainer_script("prerm", "upgrade", root)
        self.assertEqual(self.files_of(root), installed)
        self.maintainer_script("prerm", "remove", root)
        kept = {"etc/cdi/flense-flense.dev-gpu.json", "var/lib/flense/cdi-install.json"}
        self.assertEqual(self.files_of(root) - before, kept)
        # Installed again, it takes back the rest.
        self.flense("cdi", "uninstall", "--engine", "podman", "--root", root)
        self.assertEqual(self.files_of(root), before)

    @unittest.skipUnless(shutil.which("dpkg-deb"), "needs dpkg-deb")
    def test_purge_takes_the_caches_along(self):
        for path in ("root/.cache/flense/inventories/a", "root/.cache/pip/b", "var/lib/flense/cdi-install.json"):
            os.makedirs(os.path.dirname(self.path("machine/" + path)))
            with open(self.path("machine/" + path), "w", encoding="utf-8"):
                pass
        self.assertEqual(self.maintainer_script("postrm", "remove", self.path("machine")), "")
        self.assertTrue(os.path.exists(self.path("machine/root/.cache/flense")))
        self.assertIn("/var/lib/flense stays", self.maintainer_script("postrm", "purge", self.path("machine")))
        self.assertEqual(self.files_of(self.path("machine")), {"root/.cache/pip/b", "var/lib/flense/cdi-install.json"})

    @staticmethod
    def files_of(root):
        return {os.path.relpath(os.path.join(folder, name), root)
                for folder, folders, names in os.walk(root) for name in (*names, *folders)
                if os.path.islink(os.path.join(folder, name)) or name in names}

    @unittest.skipUnless(shutil.which("groff"), "needs groff")
    def test_man_pages(self):
        pages = glob.glob(os.path.join(self.unpacked(), "share/man/man1/*.1"))
        commands = re.findall(r"^  ([a-z]+) +\S", self.flense("help").out, re.M)
        self.assertEqual(sorted(map(os.path.basename, pages)),
                         sorted(["flense.1", *(f"flense-{command}.1" for command in commands)]))
        for page in pages:
            done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-P-c", page], check=False, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
            self.assertEqual((done.returncode, done.stderr), (0, b""), page)
            shown = re.sub(r".\x08", "", done.stdout.decode())
            words = os.path.basename(page).removesuffix(".1").split("-")[1:]
            text = self.flense("help", *words).out
            for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)):
                self.assertRegex(shown, rf"(?<![\w-]){option}(?![\w-])", page)
            # Nothing is lost on the way: word for word, in another order and another filling.
            words_of = functools.partial(re.findall, r"[a-z]{3,}")
            self.assertEqual(set(words_of(text.lower())) - set(words_of(shown.lower())) - {"usage", "example"}, set(), page)


if __name__ == "__main__":
    harness.main()
