#!/usr/bin/env python3
"""The subset of the Dockerfile language by which scripts/make-image.py builds the examples, and the examples' pins."""

import glob
import os
import re
import shutil
import subprocess
import sys

import harness

sys.path.insert(0, os.path.join(harness.TOP, "scripts"))
from imagebuild import builder, dockerfile, output  # noqa: E402

CUDA_CPP = os.path.join(harness.TOP, "examples/cuda-cpp")


def read(*names):
    with open(os.path.join(harness.TOP, *names), encoding="utf-8") as text:
        return text.read()


class Stages(harness.Case):
    def stage(self, name, text, earlier, archive=None):
        """A stage after its FROM, in a root that is already there."""
        os.makedirs(self.path(name), exist_ok=True)
        made = builder.Builder(self.work, self.path("cache"), self.path(name), {}, [], earlier, archive)
        for instruction in dockerfile.parse("FROM debian:bookworm-slim\n" + text)[1:]:
            getattr(made, "do_" + instruction.name.lower())(instruction)
        return made

    def test_names(self):
        found = dockerfile.stages("FROM a AS one\nRUN x\nFROM one as two\nFROM b\nCOPY --from=two /x /y\n")
        self.assertEqual([(stage.name, stage.base, len(stage.instructions)) for stage in found],
                         [("one", "a", 2), ("two", "one", 1), ("2", "b", 2)])
        self.assertEqual(found[2].instructions[1].flags, {"from": "two"})
        for text in ("FROM --platform=linux/amd64 a\n", "FROM a AS\n", "ARG X=1\nFROM a\n", "FROM a\nRUN --mount=type=cache x\n"):
            with self.assertRaises(dockerfile.DockerfileError):
                dockerfile.stages(text)

    def test_copy_from_a_stage(self):
        first = self.stage("first", "", {})
        os.makedirs(self.path("first/opt/lib"))
        with open(self.path("first/opt/lib/liba.so.1"), "w") as out:
            out.write("library")
        os.chmod(self.path("first/opt/lib/liba.so.1"), 0o751)
        os.symlink("liba.so.1", self.path("first/opt/lib/liba.so"))
        self.stage("last", "COPY --from=first /opt/lib /usr/lib\nCOPY --from=first /opt/lib /usr/lib/\nCOPY --from=first /opt/lib/liba.so.1 /bin/program\n",
                   {"first": first})
        self.assertEqual(os.readlink(self.path("last/usr/lib/liba.so")), "liba.so.1")
        for copy in ("last/usr/lib/liba.so.1", "last/bin/program"):
            self.assertEqual(os.stat(self.path(copy)).st_mode & 0o777, 0o751)
        with self.assertRaises(dockerfile.DockerfileError):
            self.stage("wrong", "COPY --from=second /opt /opt\n", {"first": first})

    def test_arguments_are_not_in_the_image(self):
        made = self.stage("root", "ARG PLACE=/srv/x\nENV HOME_OF=$PLACE\n", {})
        self.assertEqual((made.args, made.env["HOME_OF"]), ({"PLACE": "/srv/x"}, "/srv/x"))
        self.assertNotIn("PLACE", made.env)


class Spent(harness.Case):
    def test_a_layer_has_what_the_root_has_not_any_more(self):
        """The files of a layer below /opt lose their bytes afterwards, and are neither changed nor gone for the next layer."""
        for name, content in (("first", os.urandom(1 << 20)), ("second", b"2"), ("third", b"3")):
            with open(self.path(name), "wb") as out:
                out.write(content)
        os.makedirs(self.path("root"))
        for kind, command in (("gzip", ["gzip", "-1", "-n"]), ("zstd", ["zstd", "-q", "-1"])):
            with self.subTest(kind=kind):
                archive = output.OciLayout(self.path(kind), command, kind)
                made = builder.Builder(self.work, self.path("cache"), self.path("root"), {}, [], {}, archive)
                for text in ("COPY first /opt/first", "COPY second /srv/second", "COPY third /opt/third"):
                    instruction, = dockerfile.parse("FROM debian:bookworm-slim\n" + text)[1:]
                    made.do_copy(instruction)
                    made.spend()
                archive.finish({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {
                    "type": "layers", "diff_ids": [f"sha256:{one}" for one in made.diff_ids]}}, "flense-test/spent:latest")
                spent = os.stat(self.path("root/opt/first"))
                self.assertEqual((spent.st_size, spent.st_blocks), (1 << 20, 0))
                self.flense("slim", f"oci:{self.path(kind)}", "--gpu", "h100", "-o", f"dir:{self.path(kind + '.dir')}")
                for name, place in (("first", "opt"), ("second", "srv"), ("third", "opt")):
                    self.assertEqual(harness.file_digest(self.path(f"{kind}.dir/{place}/{name}")), harness.file_digest(self.path(name)))
                report = self.flense("inspect", f"oci:{self.path(kind)}", "--json").json
                self.assertEqual([one["files"] for one in report["layers"]], [1, 1, 1])
                shutil.rmtree(self.path("root"))
                os.makedirs(self.path("root"))


class Examples(harness.Case):
    def test_every_dockerfile_is_within_the_subset(self):
        for path in glob.glob(os.path.join(CUDA_CPP, "Dockerfile*")) + [os.path.join(
                harness.TOP, "examples/pytorch-inference/Dockerfile")]:
            self.assertIn(dockerfile.stages(read(path))[-1].base, builder.BASES, path)

    def test_cuda_cpp_pins_one_release(self):
        """Both Dockerfiles install the same versions: the whole toolkit's list has those of the two short ones."""
        pins = {name: dict(re.findall(r"^(\S+)==(\S+ \\\n +--hash=sha256:[0-9a-f]{64})$", read(CUDA_CPP, name), re.M))
                for name in ("requirements.txt", "requirements-build.txt", "requirements-toolkit.txt")}
        run, build, toolkit = pins.values()
        self.assertEqual((len(run), len(build), run.keys() & build.keys()), (4, 4, set()))
        self.assertEqual({**toolkit, **run, **build}, toolkit)
        for name in pins:
            self.assertEqual(len(re.findall(r"^[^#\s]", read(CUDA_CPP, name), re.M)), len(pins[name]), name)
        for name, lists in (("Dockerfile", set(pins) - {"requirements-toolkit.txt"}),
                            ("Dockerfile.one-stage", {"requirements-toolkit.txt"})):
            self.assertEqual(set(re.findall(r"-r /src/(\S+)", read(CUDA_CPP, name))), lists)

    def test_cuda_cpp_compiles_the_same_architectures_everywhere(self):
        makefile = re.search(r"^CUDA_ARCHITECTURES \?= (.+)$", read(CUDA_CPP, "Makefile"), re.M)[1]
        self.assertEqual(re.search(r'^ARG CUDA_ARCHITECTURES="(.+)"$', read(CUDA_CPP, "Dockerfile"), re.M)[1], makefile)

    def test_build_scripts_name_images_that_are_known(self):
        known = subprocess.run([sys.executable, os.path.join(harness.TOP, "scripts/make-image.py"), "--help"], check=True,
                               stdout=subprocess.PIPE, text=True).stdout
        for image in ("cuda-cpp", "cuda-cpp-one-stage", "fat", "giant", "giant-rocm"):
            self.assertRegex(known, rf"[{{,]{image}[,}}]")


if __name__ == "__main__":
    harness.main()
