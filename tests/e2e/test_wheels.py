#!/usr/bin/env python3
"""slim on Python wheels: installable as the originals were, told apart from them, and never a byte outside."""

import json
import os
import re
import shutil
import struct
import subprocess
import sys
import zipfile

import fixtures
import harness
import schema
import wheels

LIBRARY = "fake_gpu/lib/libfakegpu.so.1"
SLIM_NAME = "fake_gpu-1.5+cu13-1sm90-py3-none-any.whl"


def sha256(path):
    return harness.file_digest(path)


class Wheels(harness.Case):
    def setUp(self):
        super().setUp()
        os.mkdir(self.path("in"))
        self.wheel = wheels.gpu_wheel(self.path("in"))

    def slim(self, *targets, out="out", gpu="sm_90", options=(), expect=0):
        return self.flense("slim", *(targets or [self.wheel]), "--gpu", gpu, "-o", self.path(out), *options,
                           expect=expect)

    def refused(self, says, *targets, status=3, options=()):
        result = self.slim(*targets, options=options, expect=status)
        self.assertRegex(result.err, says)
        self.assertNotIn("out", " ".join(os.listdir(self.work)))
        return result

    def test_device_code_goes_and_the_records_are_true(self):
        plain = wheels.plain_wheel(self.path("in"))
        document = self.slim(self.wheel, plain, options=["--json"]).json
        self.assertEqual(schema.complaints(document, "flense/slim-wheels/v1"), [])
        for one in document["wheels"]:
            self.assertEqual(schema.complaints(one, "flense/slim/v1"), [])
        out = os.path.join(self.path("out"), SLIM_NAME)
        self.assertEqual(document["wheels"][0]["output"], out)
        self.assertEqual(document["wheels"][0]["output_digest"], "sha256:" + sha256(out))
        self.assertTrue(document["wheels"][0]["vendor_objects_changed"])
        before, after = wheels.read(self.wheel), wheels.read(out)
        gone = {name for name in before if name not in after}
        self.assertEqual(gone, {"fake_gpu/include/fake.h"})
        changed = {name for name in after if after[name] != before[name]}
        info = "fake_gpu-1.5+cu13.dist-info/"
        self.assertEqual(changed, {LIBRARY, info + "WHEEL", info + "RECORD"})
        kept = [(kind, arch) for kind, arch, *_ in fixtures.stored_entries(after[LIBRARY])]
        self.assertEqual(kept, [(fixtures.CUBIN, 90)] * 12)
        # Order, times, modes and methods are the original's; so is the zip data of what stays.
        self.assertEqual(wheels.layout(out), [row for row in wheels.layout(self.wheel) if row[0] not in gone])
        # What nothing is cut from keeps its name and its bytes.
        self.assertEqual(sha256(os.path.join(self.path("out"), os.path.basename(plain))), sha256(plain))
        sizes = document["after"]["stored_bytes"]
        self.assertEqual(sizes, sum(os.path.getsize(os.path.join(self.path("out"), os.path.basename(one["output"])))
                                    for one in document["wheels"]))
        with open(out + ".provenance.json") as text:
            record = json.load(text)
        self.assertEqual(schema.complaints(record, "flense/provenance/v1"), [])
        self.assertEqual(record["output_digest"], "sha256:" + sha256(out))

    def test_verify_proves_them(self):
        self.slim()
        slim = self.path("out/" + SLIM_NAME)
        self.flense("verify", slim, "--against", self.wheel, "--gpu", "sm_90")
        # The build tag is the only thing in WHEEL that may differ.
        os.mkdir(self.path("bad"))
        other = self.path("bad/" + SLIM_NAME)
        with zipfile.ZipFile(slim) as good, zipfile.ZipFile(other, "w") as bad:
            for item in good.infolist():
                data = good.read(item)
                tags = item.filename.endswith("/WHEEL")
                bad.writestr(item, data.replace(b"py3-none-any", b"py2-none-any") if tags else data)
        shutil.copy(slim + ".provenance.json", other + ".provenance.json")
        result = self.flense("verify", other, "--against", self.wheel, "--gpu", "sm_90", expect=1)
        self.assertIn("WHEEL", result.out)

    def test_a_package_within_the_package(self):
        inner = "fake_gpu/_vendor/in-1.dist-info/"
        rows = b"in/__init__.py,,\nin/include/in.h,,\n"
        wheel = wheels.gpu_wheel(self.path("in"), extra=[
            ("fake_gpu/_vendor/in/__init__.py", b"", 0o644), ("fake_gpu/_vendor/in/include/in.h", b"int i;\n" * 9, 0o644),
            (inner + "RECORD", rows, 0o644), (inner + "WHEEL", wheels.WHEEL, 0o644)])
        self.slim(wheel)
        slim = self.path("out/" + SLIM_NAME)
        after = wheels.read(slim)
        self.assertEqual(after[inner + "RECORD"], b"in/__init__.py,,\n")
        self.assertEqual(after[inner + "WHEEL"], wheels.WHEEL)
        self.flense("verify", slim, "--against", wheel, "--gpu", "sm_90")
        # A list within that names what is gone.
        os.mkdir(self.path("bad"))
        other = self.path("bad/" + SLIM_NAME)
        with zipfile.ZipFile(slim) as good, zipfile.ZipFile(other, "w") as bad:
            for item in good.infolist():
                bad.writestr(item, rows if item.filename == inner + "RECORD" else good.read(item))
        shutil.copy(slim + ".provenance.json", other + ".provenance.json")
        result = self.flense("verify", other, "--against", wheel, "--gpu", "sm_90", expect=1)
        self.assertIn(inner + "RECORD: list of files", result.out)

    def test_the_same_bytes_each_time_and_with_one_processor(self):
        self.slim(out="first")
        self.slim(out="second")
        one = subprocess.run(["taskset", "-c", "0", harness.BINARY, "slim", self.wheel, "--gpu", "sm_90", "-o",
                              self.path("third")], check=False, capture_output=True)
        self.assertEqual(one.returncode, 0, one.stderr)
        digests = {sha256(os.path.join(self.path(name), SLIM_NAME)) for name in ("first", "second", "third")}
        self.assertEqual(len(digests), 1)

    def test_build_tags(self):
        tagged = wheels.gpu_wheel(self.path("in"), build="7b", wheel=wheels.WHEEL + b"Build: 7b\n")
        for wheel, gpu, options, tag in (
                (self.wheel, "sm_80,sm_90", (), "1sm80_sm90"), (tagged, "sm_90", (), "7b_sm90"),
                (self.wheel, "sm_90", ("--level", "safe"), "1sm90_safe"),
                (self.wheel, "sm_90,gfx942", (), "1gfx942_sm90")):
            shutil.rmtree(self.path("out"), ignore_errors=True)
            self.slim(wheel, gpu=gpu, options=options)
            name = f"fake_gpu-1.5+cu13-{tag}-py3-none-any.whl"
            self.assertIn(name, os.listdir(self.path("out")))
            wheels.read(os.path.join(self.path("out"), name))

    def test_signatures_of_the_record_are_dropped(self):
        info = "fake_gpu-1.5+cu13.dist-info/"
        signed = wheels.gpu_wheel(self.path("in"), extra=[(info + "RECORD.jws", b"{}", 0o644)])
        result = self.slim(signed)
        self.assertIn("RECORD.jws signs what is no longer so and was dropped", result.out)
        self.assertNotIn(info + "RECORD.jws", wheels.read(os.path.join(self.path("out"), SLIM_NAME)))

    def install(self, installer, where, *arguments):
        if installer == "uv":
            self.run_tool("uv", "venv", "-q", "--python", sys.executable, where)
            self.run_tool("uv", "pip", "install", "-q", "--no-cache", "--python", where + "/bin/python", *arguments)
            self.run_tool("uv", "pip", "check", "-q", "--python", where + "/bin/python")
        else:
            self.run_tool(sys.executable, "-m", "venv", where)
            self.run_tool(where + "/bin/pip", "install", "-q", "--no-cache-dir", "--disable-pip-version-check", *arguments)
            self.run_tool(where + "/bin/pip", "check")
        answers = [self.run_tool(where + "/bin/" + program) for program in ("fake-main", "fake-script")]
        self.assertEqual(answers[0], answers[1])
        with open(next(os.path.join(root, "WHEEL") for root, _, names in os.walk(where) if "WHEEL" in names
                       and "fake_gpu" in root)) as text:
            return answers[0], text.read()

    def test_installers_take_them_from_the_index_and_with_hashes(self):
        plain = wheels.plain_wheel(self.path("in"))
        self.slim(self.wheel, plain, options=["--index"])
        index = "file://" + self.path("out") + "/simple"
        installers = ["pip", *(["uv"] if shutil.which("uv") else [])]
        for installer in installers:
            original, _ = self.install(installer, self.path(installer + "-original"), self.wheel)
            for name, arguments in (
                    ("index", ["--index-url", index, "fake-gpu", "plain"]),
                    ("links", ["--no-index", "--find-links", self.path("out"), "fake-gpu==1.5+cu13"]),
                    ("hashes", ["--index-url", index, "--require-hashes", "-r", self.path("out/requirements.txt")])):
                with self.subTest(installer=installer, way=name):
                    answer, wheel = self.install(installer, self.path(f"{installer}-{name}"), *arguments)
                    self.assertEqual(answer, original)
                    self.assertIn("Build: 1sm90\n", wheel)
        # The page's fragment is what protects a download: another wheel under the name is refused.
        os.remove(os.path.join(self.path("out"), SLIM_NAME))
        shutil.copy(self.wheel, os.path.join(self.path("out"), SLIM_NAME))
        broken = subprocess.run([self.path("pip-index/bin/pip"), "install", "--no-cache-dir", "--force-reinstall",
                                 "--index-url", index, "fake-gpu"], check=False, capture_output=True)
        self.assertNotEqual(broken.returncode, 0)
        with open(self.path("out/simple/fake-gpu/index.html")) as text:
            page = text.read()
        self.assertIn('href="../../fake_gpu-1.5%2Bcu13-1sm90-py3-none-any.whl#sha256=', page)
        self.assertIn('data-requires-python="&#62;&#61;3.9&#44;&#60;4"', page)

    def test_requirements_follow(self):
        was = sha256(self.wheel)
        other = "0" * 64
        listing = (f"# made by a tool\n--index-url https://example.org/simple\n"
                   f"fake_GPU[all]==1.5+cu13 ; python_version >= '3.9' \\\n"
                   f"    --hash=sha256:{other} \\\n    --hash=sha256:{was}  # via app\n"
                   f"elsewhere==3.0 \\\n    --hash=sha256:{other}\n    # via app\nfake-gpu==9.9\n")
        with open(self.path("lock.txt"), "w") as out:
            out.write(listing)
        self.slim(options=["--requirements", self.path("lock.txt")])
        now = sha256(os.path.join(self.path("out"), SLIM_NAME))
        with open(self.path("out/requirements.txt")) as text:
            self.assertEqual(text.read(), listing.replace(
                f"    --hash=sha256:{other} \\\n    --hash=sha256:{was}  # via app", f"    --hash=sha256:{now}", 1))
        shutil.rmtree(self.path("out"))
        with open(self.path("lock.txt"), "w") as out:
            out.write(f"fake-gpu==1.5+cu13 --hash=sha256:{other}\n")
        self.refused("line 1: fake-gpu==1.5.cu13 has other digests", options=["--requirements", self.path("lock.txt")])

    def test_what_wheels_are_not(self):
        for options, says in ((["--squash"], "--squash is not for wheels"), (["--verify", "x"], "--verify is not"),
                              (["--level", "aggressive", "--closure"], "--closure is not")):
            self.refused(says, status=2, options=options)
        self.refused("in/none.tar is none", self.wheel, self.path("in/none.tar"), status=2)
        os.mkdir(self.path("again"))
        shutil.copy(self.wheel, self.path("again"))
        self.refused("two wheels are called", self.wheel, self.path("again/" + os.path.basename(self.wheel)), status=2)
        self.flense("slim", self.path("in"), "--gpu", "sm_90", "-o", self.path("out"), "--index", expect=2)
        os.mkdir(self.path("there"))
        self.assertIn("already exists", self.slim(out="there", expect=4).err)

    def test_a_dry_run_writes_nothing_and_inspect_reads_wheels(self):
        result = self.flense("slim", self.wheel, "--gpu", "sm_90", "--dry-run")
        self.assertIn("device-code", result.out)
        self.assertEqual([name for name in os.listdir(self.work) if name != "cache"], ["in"])
        plan = self.flense("slim", self.wheel, "--gpu", "sm_90", "--dry-run", "--json").json
        self.assertEqual(schema.complaints(plan, "flense/plan/v1"), [])
        self.assertIn("site-packages/" + LIBRARY, json.dumps(plan))
        seen = self.flense("inspect", self.wheel, "--json").json
        self.assertEqual(schema.complaints(seen, "flense/inventory/v1"), [])
        self.assertIn("sm_70", json.dumps(seen["device_code"]))

    def hostile(self, name, change):
        """A wheel after `change` of its bytes, with every place of `name` given."""
        with open(self.wheel, "rb") as source:
            data = bytearray(source.read())
        places = [match.start() for match in re.finditer(re.escape(name.encode()), bytes(data))]
        change(data, places)
        path = self.path("in/hostile-1.0-py3-none-any.whl")
        with open(path, "wb") as out:
            out.write(data)
        return path

    def test_hostile_archives(self):
        def renamed(to):
            def change(data, places):
                for place in places[:1] + places[-1:]:
                    data[place:place + len(to)] = to
            return change

        header = "fake_gpu/include/fake.h"
        for to, says in ((b"../../../../../../etc/x", "leads outside"), (b"/ake_gpu/include/fake.h", "leads outside"),
                         (b"fake_gpu\\include\\fake.h", "leads outside"), (b"fake_gpu/__init__.py/f.h", "below a file"),
                         (b"fake_gpu/include/fake.\0", "leads outside")):
            with self.subTest(to=to):
                self.assertLessEqual(len(to), len(header) + 1)
                self.refused(says, self.hostile(header, renamed(to[:len(header)])))
        twice = self.path("in/twice-1.0-py3-none-any.whl")
        shutil.copy(self.wheel, twice)
        with zipfile.ZipFile(twice, "a") as archive:
            import warnings
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                archive.writestr("fake_gpu/__init__.py", b"raise SystemExit\n")
        self.refused("two members are named fake_gpu/__init__.py", twice)

        def bomb(data, places):
            # The directory's entry of the library claims a terabyte's worth of the most that 32 bits say.
            struct.pack_into("<I", data, places[-1] - 46 + 24, 0xfffffff0)
        self.refused("cannot have 4294967280 bytes", self.hostile(header, bomb))

        def overlap(data, places):
            # All of the directory that follows is the same; the header is that of another member.
            struct.pack_into("<I", data, places[-1] - 46 + 42, 0)
        self.refused("differ", self.hostile(header, overlap))
        damaged = self.hostile(LIBRARY, lambda data, places: data.__setitem__(
            slice(places[0] + 5000, places[0] + 5200), b"\xaa" * 200))
        self.refused("corrupt|not of the size|not of the checksum|gzip stream", damaged)
        with open(self.wheel, "rb") as source:
            whole = source.read()
        for cut in (100, len(whole) // 2, len(whole) - 1):
            with open(self.path("in/cut-1.0-py3-none-any.whl"), "wb") as out:
                out.write(whole[:cut])
            self.refused("no zip archive", self.path("in/cut-1.0-py3-none-any.whl"))
        no_wheel = self.path("in/none-1.0-py3-none-any.whl")
        with zipfile.ZipFile(no_wheel, "w") as archive:
            archive.writestr("x", b"y")
        self.refused("is no wheel", no_wheel)
        shutil.copy(self.wheel, self.path("in/short.whl"))
        self.refused("is no name of a wheel", self.path("in/short.whl"))

    def test_members_with_their_sizes_behind_them_and_wide_ones(self):
        class Pipe:
            def __init__(self, path):
                self.file = open(path, "wb")

            def write(self, data):
                return self.file.write(data)

            def flush(self):
                self.file.flush()

        path = self.path("in/fake_gpu-1.5+cu13-0-py3-none-any.whl")
        pipe = Pipe(path)
        with zipfile.ZipFile(self.wheel) as old, zipfile.ZipFile(pipe, "w") as new:
            for one in old.infolist():
                member = zipfile.ZipInfo(one.filename, one.date_time)
                member.external_attr, member.compress_type = one.external_attr, one.compress_type
                data = old.read(one)
                if one.filename.endswith("/WHEEL"):
                    data += b"Build: 0\n"
                with new.open(member, "w", force_zip64="equal" in one.filename) as to:
                    to.write(data)
        pipe.file.close()
        self.slim(path)
        out = self.path("out/fake_gpu-1.5+cu13-0_sm90-py3-none-any.whl")
        with zipfile.ZipFile(out) as archive:
            self.assertIsNone(archive.testzip())
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(out) as new:
            for name in ("fake_gpu/equal.bin", "fake_gpu/__init__.py"):
                self.assertEqual(old.read(name), new.read(name))


if __name__ == "__main__":
    harness.main()
