#!/usr/bin/env python3
"""slim --pyc compile: the compiled files are those that the image's Python would write and takes for its own, in a
layer that is the same every time; what answers nonsense or cannot run ends it with nothing written."""

import io
import json
import marshal
import os
import py_compile
import struct
import subprocess
import sys
import tarfile

import fixtures
import harness
import imagetree
import rootfs
import schema
from machine_root import Root, SITE, tar_of

MODULES = {
    "acme/__init__.py": "from . import tables\n",
    "acme/tables.py": "NAMES = {'a', 'b', None, 1.5}\ndef find(x):\n    return x in {'one', 'two', None, ...}\n",
    "acme/old.py": "print 'no Python 3'\n",
    "acme/fresh.py": "FRESH = 1\n",
    "acme/stale.py": "STALE = 1\n",
    "acme/hashed.py": "HASHED = 1\n",
}
CODE = "import acme.tables, acme.fresh, acme.stale, acme.hashed, json, argparse; print(acme.tables.find('one'))"


def cache_of(source):
    return os.path.join(os.path.dirname(source), "__pycache__",
                        os.path.basename(source)[:-3] + f".{sys.implementation.cache_tag}.pyc")


def members(layer):
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        return {member.name.removeprefix("./").rstrip("/"): member for member in tar}


def contents(layer):
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}


class Pyc(harness.Case):
    def setUp(self):
        super().setUp()
        self.input = self.path("app.tar")

    def python_root(self):
        root = Root(self.path("root"))
        root.python()
        root.wheel("acme", MODULES)
        root.text("srv/program.py", "import acme\n")
        for name in ("dev", "proc"):
            os.makedirs(root.at(name))
        # Times are the layer's, and 0.
        for folder, _, names in os.walk(root.at(SITE)):
            for name in names:
                os.utime(os.path.join(folder, name), (0, 0))
        compiled = root.at(f"{SITE}/acme")
        py_compile.compile(f"{compiled}/fresh.py", cfile=cache_of(f"{compiled}/fresh.py"))
        py_compile.compile(f"{compiled}/hashed.py", cfile=cache_of(f"{compiled}/hashed.py"),
                           invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        py_compile.compile(f"{compiled}/stale.py", cfile=cache_of(f"{compiled}/stale.py"))
        root.text(f"{SITE}/acme/stale.py", "STALE = 1  # another size\n")
        return root

    def write_image(self, root, **environment):
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", ""), **environment}
        container = {"Cmd": ["python3", "/srv/program.py"], "Env": [f"{name}={value}" for name, value in env.items() if value]}
        fixtures.docker_archive(self.input, [tar_of(root.path)], ["COPY"], container=container)

    def compile(self, *options, **more):
        return self.flense("slim", self.input, "--gpu", "sm_90", "--level", "safe", "--pyc", "compile", *options, **more)

    def test_what_is_added_is_what_imports_would_write(self):
        root = self.python_root()
        self.write_image(root)
        report = self.compile("--json", "-o", "docker-archive:" + self.path("out.tar"))
        self.assertEqual(schema.complaints(report.json, "flense/slim/v1"), [])
        with open(self.path("out.tar.provenance.json"), encoding="utf-8") as source:
            record = json.load(source)
        self.assertEqual(schema.complaints(record, "flense/provenance/v1"), [])
        self.assertEqual(schema.complaints(record["plan"], "flense/plan/v1"), [])
        counts = report.json["compiled_python"]
        before, after = imagetree.read_image(self.input), imagetree.read_image(self.path("out.tar"))
        self.assertEqual(after.layers[:-1], before.layers)
        self.assertEqual(after.config["history"][-1]["created_by"], "flense slim --pyc compile")
        self.assertEqual(len(after.config["history"]), 2)
        self.assertEqual(report.json["unpacked_bytes_before"], len(before.layers[0]))
        self.assertEqual(report.json["unpacked_bytes_after"], len(before.layers[0]) + len(after.layers[-1]))
        layer = report.json["layers"][-1]
        self.assertEqual((layer["size_bytes_before"], layer["unpacked_bytes_before"], layer["digest_before"]), (0, 0, ""))

        old, new = members(before.layers[0]), members(after.layers[-1])
        # A link is imported by its own name; Debian has one that leads out of the library.
        sources = [path for path in old if path.endswith(".py") and not path.startswith("srv/")
                   and (not old[path].issym() or self.target(path, old) in old)]
        files = {path: member for path, member in new.items() if not member.isdir()}
        self.assertEqual(counts["files"] + counts["current"] + counts["failed"], len(sources))
        self.assertEqual((counts["current"], counts["failed"]), (2, 1))
        self.assertEqual(counts["files"], len(files))
        kept = {f"{SITE}/acme/{name}.py" for name in ("fresh", "hashed", "old")}
        self.assertEqual(set(files), {cache_of(path) for path in sources if path not in kept})
        self.assertEqual(counts["bytes"], sum(member.size for member in files.values()))
        for path, member in new.items():
            if member.isdir():
                above = old.get(path) or old[os.path.dirname(path)]
                self.assertEqual((member.mode, member.mtime), (above.mode, above.mtime), path)
            else:
                self.assertEqual((member.mode, member.mtime, member.uid), (0o644, 0, 0), path)
        # What this Python writes for the same source.
        data = contents(after.layers[-1])
        for module in ("acme/tables.py", "acme/stale.py"):
            path = f"{SITE}/{module}"
            with open(root.at(path), "rb") as source:
                text = source.read()
            header, code = data[cache_of(path)][:16], data[cache_of(path)][16:]
            self.assertEqual(struct.unpack("<III", header[4:]), (0, 0, len(text)))
            self.assertEqual(marshal.loads(code), compile(text, "/" + path, "exec"))

        # The slim image imports without compiling; the original compiles.
        rootfs.unpack(self.path("out.tar"), self.path("slim"))
        rootfs.unpack(self.input, self.path("original"))
        self.assertRegex(self.imports("original"), r"(?m)code object from \S*/argparse\.py'?$")
        told = self.imports("slim")
        self.assertNotRegex(told, r"(?m)code object from \S*\.py'?$")
        self.assertIn(f"code object from '/{cache_of(f'{SITE}/acme/stale.py')}'", told.replace('"', "'"))

    @staticmethod
    def target(path, members):
        link = members[path].linkname
        return os.path.normpath(os.path.join(os.path.dirname(path), link)).lstrip("/")

    def imports(self, name):
        """What python -v says of where code comes from."""
        command = ["bwrap", "--ro-bind", self.path(name), "/", "--dev", "/dev", "--proc", "/proc", "--unshare-all",
                   "--setenv", "LD_LIBRARY_PATH", os.environ.get("LD_LIBRARY_PATH", ""), "/usr/bin/python3", "-v", "-c", CODE]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        told = done.stderr.decode()
        self.assertEqual((done.returncode, done.stdout), (0, b"True\n"), told[-2000:])
        return told

    def test_the_same_each_time_and_on_any_number_of_processors(self):
        self.write_image(self.python_root())
        self.compile("-o", "oci:" + self.path("one"))
        cpu = min(os.sched_getaffinity(0))
        done = subprocess.run(["taskset", "-c", str(cpu), harness.BINARY, "slim", self.input, "--gpu", "sm_90", "--level", "safe",
                               "--pyc", "compile", "-o", "oci:" + self.path("two")], stdout=subprocess.DEVNULL,
                              env=harness.surroundings(), check=False)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(imagetree.read_image(self.path("one")).manifest_digest, imagetree.read_image(self.path("two")).manifest_digest)
        # A second run finds all of them.
        again = self.flense("slim", "oci:" + self.path("one"), "--gpu", "sm_90", "--level", "safe", "--pyc", "compile",
                            "--dry-run", "--json").json["compiled_python"]
        self.assertEqual(again["files"], 0)

    def test_other_levels_squash_and_the_plan(self):
        self.write_image(self.python_root(), PYTHONOPTIMIZE="2")
        planned = self.compile("--dry-run", "--json").json
        self.assertEqual(schema.complaints(planned, "flense/plan/v1"), [])
        # None of the three is for this optimisation.
        self.assertEqual(planned["compiled_python"]["current"], 0)
        text = self.flense("slim", self.input, "--gpu", "sm_90", "--level", "aggressive", "--pyc", "compile", "--squash",
                           "-o", "oci:" + self.path("out")).out
        self.assertIn("compiled Python files", text)
        image = imagetree.read_image(self.path("out"))
        self.assertEqual(len(image.layers), 1)
        names = set(members(image.layers[0]))
        self.assertIn(cache_of(f"{SITE}/acme/tables.py").replace(".pyc", ".opt-2.pyc"), names)
        self.assertIn(cache_of(f"{SITE}/acme/fresh.py"), names)

    def test_what_a_traced_run_imports_comes_first_in_a_lazy_layer(self):
        self.write_image(self.python_root())
        self.compile("--compression", "estargz", "--trace", "python3 /srv/program.py", "-o", "oci:" + self.path("out"))
        layer = list(contents(imagetree.read_image(self.path("out")).layers[-1]))
        first = layer[:layer.index(".prefetch.landmark")]
        self.assertIn(cache_of(f"{SITE}/acme/tables.py"), first)
        self.assertNotIn(cache_of(f"{SITE}/acme/stale.py"), first)
        self.assertIn(cache_of(f"{SITE}/acme/stale.py"), layer)

    def test_only_images_have_layers(self):
        root = self.python_root()
        for arguments in (["--in-place"], ["-o", "dir:" + self.path("out")]):
            refused = self.flense("slim", root.path, "--gpu", "sm_90", "--pyc", "compile", *arguments, expect=2)
            self.assertIn("only images have layers", refused.err)
            self.assertIn("compileall", refused.err)

    def fails(self, script, expect, *words):
        root = Root(self.path("root"))
        root.program("/bin/busybox", "/usr/bin/busybox")
        os.symlink("busybox", root.at("usr/bin/sh"))
        root.text("usr/lib/python3.99/one.py", "1\n")
        if script is not None:
            root.text("usr/bin/python3.99", "#!/bin/sh\n" + script, mode=0o755)
        self.write_image(root)
        done = self.compile("-o", "oci:" + self.path("out"), expect=expect)
        for word in words:
            self.assertIn(word, done.err + done.out)
        self.assertEqual(os.path.exists(self.path("out")), expect == 0)

    def test_an_interpreter_that_fails(self):
        self.fails("echo 'no such thing' >&2; exit 3\n", 4, "python3.99 does not run here: no such thing", "hint:")

    def test_an_interpreter_that_says_nothing_of_itself(self):
        self.fails("echo nonsense\n", 3, "does not say which compiled files it reads")

    def test_an_interpreter_that_answers_nonsense(self):
        self.fails("[ $# -gt 5 ] && { cat >/dev/null; printf 'x%.0s' 1 2 3 4 5 6 7 8 9; exit 0; }\necho 1 tag\n", 3,
                   "usr/lib/python3.99/one.py")

    def test_an_interpreter_that_answers_for_another_source(self):
        header = "\\1\\0\\0\\0" + "\\0" * 8 + "\\7\\0\\0\\0code"
        self.fails(f"[ $# -gt 5 ] && {{ cat >/dev/null; printf '\\0\\0\\0\\0\\24\\0\\0\\0{header}'; exit 0; }}\necho 1 tag\n", 3,
                   "compiled from another source")

    def test_an_interpreter_that_dies(self):
        self.fails("[ $# -gt 5 ] && kill -9 $$\necho 1 tag\n", 4, "while it compiled")

    def test_no_interpreter(self):
        self.fails(None, 0, "1 sources of python3.99 are not compiled: the image has no python3.99")


if __name__ == "__main__":
    harness.main()
