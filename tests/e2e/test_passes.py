#!/usr/bin/env python3
"""The passes that put links where copies were, and files that careless tools break."""

import hashlib
import json
import os
import struct
import subprocess

import engines
import fixtures
import harness
import imagetree
import schema

LEVELS = ("safe", "standard", "aggressive")
CAPABLE = {"security.capability": bytes.fromhex("0100000200040000000000000000000000000000")}


def parents(layer, path, seen):
    folder = os.path.dirname(path)
    if folder and folder not in seen:
        parents(layer, folder, seen)
        seen.add(folder)
        layer.folder(folder)


def layer_of(files):
    """One layer of {path: content, (content, mode) or ("link", target)}."""
    layer, seen = fixtures.Layer(), set()
    for path, what in files.items():
        parents(layer, path, seen)
        if isinstance(what, tuple) and what[0] == "link":
            layer.symlink(path, what[1])
        elif isinstance(what, tuple):
            layer.file(path, what[0], what[1])
        else:
            layer.file(path, what)
    return layer


def cc(output, source, *options):
    code = output + ".c"
    with open(code, "w", encoding="utf-8") as out:
        out.write(source)
    subprocess.run(["gcc", "-O1", "-g", "-o", output, code, *options], check=True)
    os.unlink(code)


def data(path):
    with open(path, "rb") as source:
        return source.read()


class Passes(harness.Case):
    def archive(self, name, *layers):
        path = self.path(name)
        fixtures.docker_archive(path, [layer.done() for layer in layers], ["ADD"] * len(layers))
        return path

    def test_few_equal_files_come_with_other_cuts_only(self):
        """A layer is not written anew for them; where it is, a second run finds none that the first one left."""
        content = fixtures.noise("equal", 70_000)
        for lists, passes in ((0, []), (60_000_000, ["apt-lists", "equal-files"])):
            with self.subTest(lists=lists):
                layer = fixtures.Layer().file("opt/model.bin", b"x" * 80_000_000).file("opt/one.so", content).file("opt/two.so", content)
                if lists:
                    layer.file("var/lib/apt/lists/index", b"x" * lists)
                source = self.archive("few.tar", layer)
                first = self.flense("slim", source, "--gpu", "h100", "-o", f"oci:{self.path(f'first{lists}')}", "--json").json
                self.assertEqual(sorted(one["id"] for one in first["passes"]), passes)
                second = self.flense("slim", f"oci:{self.path(f'first{lists}')}", "--gpu", "h100", "-o",
                                     f"oci:{self.path(f'second{lists}')}", "--json").json
                self.assertEqual(second["passes"], [])

    def test_equal_files_survive_every_unpacker(self):
        if os.geteuid() != 0:
            self.skipTest("the unpackers are tested as root")
        content = fixtures.noise("equal", 300_000)
        files = {"usr/lib/libone.so": content, "opt/app/libone.so.1": content, "etc/copy": content,
                 "usr/lib/other": fixtures.noise("other", 300_000)}
        layer = layer_of({"bin/busybox": (data(fixtures.BUSYBOX), 0o755), "bin/sh": ("link", "busybox"), **files})
        source = self.archive("equal.tar", layer)
        slim = self.path("slim.tar")
        report = self.flense("slim", source, "--gpu", "h100", "-o", f"docker-archive:{slim}", "--json").json
        self.assertEqual({p["id"]: p["bytes"] for p in report["passes"]}.get("equal-files"), len(content))
        self.flense("slim", source, "--gpu", "h100", "-o", f"oci:{self.path('layout')}", "--compression", "gzip")
        self.flense("verify", slim, "--against", source)

        def check(root):
            for path, expected in files.items():
                self.assertEqual(data(os.path.join(root, path)), expected, path)
            first, second = (os.stat(os.path.join(root, p)) for p in ("usr/lib/libone.so", "opt/app/libone.so.1"))
            self.assertEqual(first.st_ino, second.st_ino)
            self.assertNotEqual(first.st_ino, os.stat(os.path.join(root, "etc/copy")).st_ino)

        check(engines.umoci_unpack(self.path("layout"), self.path("bundle")))
        tar = self.path("tar")
        os.mkdir(tar)
        layer_file = self.path("layer.tar")
        with open(layer_file, "wb") as out:
            out.write(imagetree.read_image(slim).layers[0])
        self.run_tool("tar", "-xf", layer_file, "-C", tar)
        check(tar)
        self.run_tool("skopeo", "--insecure-policy", "copy", f"docker-archive:{slim}", f"oci:{self.path('copied')}:x")
        check(engines.umoci_unpack(self.path("copied"), self.path("bundle2")))
        self.flense("slim", source, "--gpu", "h100", "-o", f"dir:{self.path('dir')}")
        check(self.path("dir"))
        podman = engines.Podman(self.path("p"), "vfs")
        names = ["usr/lib/libone.so", "opt/app/libone.so.1", "etc/copy"]
        seen = podman.run(podman.load(slim), ["/bin/busybox", "stat", "-c", "%i", *("/" + n for n in names)]).split()
        self.assertEqual(seen[0], seen[1])
        self.assertNotEqual(seen[0], seen[2])
        squashed = self.path("squashed")
        self.flense("slim", source, "--gpu", "h100", "--squash", "-o", f"dir:{squashed}")
        check(squashed)

    def test_links_in_place(self):
        root, content = self.path("root"), fixtures.noise("equal", 200_000)
        site, hub = "lib/python3.11/site-packages", "cache/models--a--b"
        digest = hashlib.sha256(content).hexdigest()
        files = {f"{site}/p/one.so": content, f"{site}/p/two.so": content, f"{hub}/blobs/{digest}": content,
                 f"{hub}/snapshots/r/sub/model.bin": content, "data/one": content}
        for path, what in files.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "wb") as out:
                out.write(what)
        before = {path: os.stat(os.path.join(root, path)).st_mode for path in files}
        self.flense("slim", root, "--gpu", "h100", "--in-place")
        for path, what in files.items():
            self.assertEqual(data(os.path.join(root, path)), what)
            self.assertEqual(os.stat(os.path.join(root, path)).st_mode, before[path])
        self.assertEqual(os.readlink(os.path.join(root, f"{hub}/snapshots/r/sub/model.bin")), f"../../../blobs/{digest}")
        self.assertTrue(os.path.samefile(os.path.join(root, f"{site}/p/one.so"), os.path.join(root, f"{site}/p/two.so")))
        self.assertEqual(os.stat(os.path.join(root, "data/one")).st_nlink, 1)
        self.assertEqual([n for _, _, names in os.walk(root) for n in names if "flense" in n], [])

    def test_a_second_cuda_that_nothing_loads(self):
        """The loader itself says which libraries a program gets, before and after."""
        root = self.path("root")
        system = "usr/local/cuda-12.8/targets/x86_64-linux/lib"
        site = "usr/lib/python3/dist-packages"
        package = f"{site}/nvidia/cublas/lib"
        for folder in (system, package, f"{site}/torch/lib", f"{site}/nvidia_cublas_cu12-12.8.4.1.dist-info",
                       "etc/ld.so.conf.d", "usr/local/bin"):
            os.makedirs(os.path.join(root, folder))

        def at(*parts):
            return os.path.join(root, *parts)

        for folder, version, suffix in ((system, "system", ".8.3.14"), (package, "package", "")):
            for name, needs in (("cublasLt", []), ("cublas", ["cublasLt"])):
                soname = f"lib{name}.so.12"
                file = at(folder, soname + suffix)
                cc(file, f'const char *{name}_origin(void) {{ return "{version}"; }}\n', "-shared", "-fPIC",
                   f"-Wl,-soname,{soname}", "-Wl,-rpath,$ORIGIN", "-Wl,--no-as-needed", f"-L{at(folder)}",
                   *(f"-l:lib{n}.so.12" for n in needs))
                if suffix:
                    os.symlink(os.path.basename(file), at(folder, soname))
        with open(at(site, "nvidia_cublas_cu12-12.8.4.1.dist-info/METADATA"), "w", encoding="utf-8") as out:
            out.write("Metadata-Version: 2.1\nName: nvidia-cublas-cu12\nVersion: 12.8.4.1\n")
        with open(at("etc/ld.so.conf.d/cuda.conf"), "w", encoding="utf-8") as out:
            out.write("/usr/local/cuda-12.8/targets/x86_64-linux/lib\n")
        program = r"""#include <stdio.h>
#include <string.h>
const char *cublas_origin(void); const char *cublasLt_origin(void);
int main(void) {
  char line[4096]; FILE *maps = fopen("/proc/self/maps", "r");
  printf("%s %s\n", cublas_origin(), cublasLt_origin());
  while (fgets(line, sizeof line, maps)) { char *p = strstr(line, "/lib/libcublas"); if (p && strstr(line, "r-xp")) fputs(strchr(line, '/'), stdout); }
  return 0;
}
"""
        framework = at(site, "torch/lib/framework")
        # Old-style RPATH, as PyTorch's wheels have: it comes before LD_LIBRARY_PATH.
        cc(framework, program, "-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN/../../nvidia/cublas/lib",
           f"-L{at(package)}", "-l:libcublas.so.12", "-l:libcublasLt.so.12")

        def loaded(binary, tree, **env):
            path = os.path.join(tree, os.path.relpath(binary, root))
            answer = subprocess.run([path], check=True, stdout=subprocess.PIPE, env=env).stdout.decode()
            return answer.replace(tree, "")

        before = loaded(framework, root)
        self.assertIn("package package", before)
        out = self.path("out")
        report = self.flense("slim", root, "--gpu", "h100", "--level", "aggressive", "-o", f"dir:{out}", "--json").json
        self.assertIn("cuda-copies", [p["id"] for p in report["passes"]], report["left_alone"])
        self.assertEqual(loaded(framework, out), before)
        for name in ("cublas", "cublasLt"):
            link = os.path.join(out, system, f"lib{name}.so.12.8.3.14")
            self.assertTrue(os.path.islink(link))
            self.assertTrue(os.path.samefile(link, os.path.join(out, package, f"lib{name}.so.12")))
        # Whoever is led to the system's directory all the same gets the package's library.
        led = loaded(framework, out, LD_PRELOAD=os.path.join(out, system, "libcublas.so.12"))
        self.assertIn("package package", led)
        inspected = self.flense("inspect", out, "--gpu", "h100", "--level", "aggressive", "--json").json
        self.assertNotIn("cuda-copies", [c["id"] for c in inspected["cuts"]])
        kept = self.path("kept")
        self.flense("slim", root, "--gpu", "h100", "--level", "standard", "-o", f"dir:{kept}")
        self.assertFalse(os.path.islink(os.path.join(kept, system, "libcublas.so.12.8.3.14")))

        # A program that the loader gives the system's library: that and what it needs stay.
        cc(at("usr/local/bin/server"), program, "-Wl,--disable-new-dtags", f"-Wl,-rpath,$ORIGIN/../cuda-12.8/targets/x86_64-linux/lib",
           f"-L{at(system)}", "-l:libcublas.so.12", "-l:libcublasLt.so.12")
        self.assertIn("system system", loaded(at("usr/local/bin/server"), root))
        again = self.path("again")
        report = self.flense("slim", root, "--gpu", "h100", "--level", "aggressive", "-o", f"dir:{again}", "--json").json
        self.assertNotIn("cuda-copies", [p["id"] for p in report["passes"]])
        self.assertIn("system system", loaded(at("usr/local/bin/server"), again))
        self.assertTrue(any("server" in item["why"] for item in report["left_alone"]), report["left_alone"])

    def test_patchelfed_libraries_and_capabilities_survive_every_level(self):
        library = self.path("libpatched-1a2b3c4d.so.1.0.0")
        cc(library, "#include <math.h>\nint table[64] = {1, 2, 3};\nint answer(double x) { return (int)cbrt(x) * table[1]; }\n",
           "-shared", "-fPIC", "-Wl,-soname,libpatched.so.1", "-lm")
        # What auditwheel does: another SONAME and RPATH than there is room for.
        subprocess.run(["patchelf", "--set-soname", os.path.basename(library), library], check=True)
        subprocess.run(["patchelf", "--force-rpath", "--set-rpath", "$ORIGIN/" + "x" * 2000, library], check=True)
        tool = self.path("tool")
        cc(tool, "#include <stdio.h>\nint main(void) { puts(\"capable\"); return 0; }\n", "-static")
        layer = fixtures.Layer()
        for folder in ("usr", "usr/bin", "usr/lib", "v", "v/site-packages", "v/site-packages/p.libs"):
            layer.folder(folder)
        layer.disk_file("v/site-packages/p.libs/" + os.path.basename(library), library)
        layer.file("usr/bin/tool", data(tool), 0o755, xattrs=CAPABLE)
        layer.file("usr/lib/tool", data(tool), 0o755)
        source = self.archive("app.tar", layer)
        for level in LEVELS:
            with self.subTest(level):
                out = self.path(level)
                self.flense("slim", source, "--gpu", "h100", "--level", level, "-o", f"oci:{out}")
                self.flense("verify", f"oci:{out}", "--against", source)
                tree = imagetree.merged(imagetree.read_image(out).layers)
                entry = tree["usr/bin/tool"]
                self.assertIn("SCHILY.xattr.security.capability", entry["xattrs"])
                self.assertEqual(entry["type"], "0", "a file with capabilities is nobody's twin")
                slim = self.path(f"{level}.so")
                with open(slim, "wb") as target:
                    target.write(tree["v/site-packages/p.libs/" + os.path.basename(library)]["data"])
                answer = self.run_tool("python3", "-c", "import ctypes, sys\nlib = ctypes.CDLL(sys.argv[1])\n"
                                       "lib.answer.argtypes = [ctypes.c_double]\nprint(lib.answer(27.0))", slim)
                self.assertEqual(answer.strip(), "6")
                if level != "safe":
                    self.assertLess(os.path.getsize(slim), os.path.getsize(library))
                program = self.path(f"{level}.bin")
                with open(program, "wb") as target:
                    target.write(entry["data"])
                os.chmod(program, 0o755)
                self.assertEqual(self.run_tool(program).strip(), "capable")

    def test_models_are_read(self):
        header = json.dumps({"w": {"dtype": "F32", "shape": [250, 100], "data_offsets": [0, 100_000]}}).encode()
        weights = struct.pack("<Q", len(header)) + header + fixtures.noise("weights", 100_000)
        pickle = b"\x80\x04\x95" + fixtures.noise("pickle", 2 << 20)
        layer = layer_of({"srv/m/model.safetensors": weights, "srv/m/pytorch_model.bin": pickle,
                          "srv/m/broken.safetensors": struct.pack("<Q", 1 << 40) + b"{" + bytes(64),
                          "srv/alone/pytorch_model.bin": pickle[:-1] + b"x"})
        source = self.archive("models.tar", layer)
        document = self.flense("inspect", source, "--json").json
        self.assertEqual(schema.complaints(document, "flense/inventory/v1"), [])
        models = {m["path"]: m for m in document["models"]}
        self.assertEqual(set(models), {"srv/m/model.safetensors", "srv/m/pytorch_model.bin", "srv/m/broken.safetensors",
                                       "srv/alone/pytorch_model.bin"})
        self.assertEqual(models["srv/m/model.safetensors"]["types"],
                         [{"type": "F32", "tensors": 1, "parameters": 25_000, "bytes": 100_000}])
        self.assertEqual(models["srv/m/model.safetensors"]["half_precision_saves"], 50_000)
        self.assertIn("longer than the file", models["srv/m/broken.safetensors"]["unreadable"])
        self.assertIn("model.safetensors is there", models["srv/m/pytorch_model.bin"]["instead"])
        self.assertNotIn("instead", models["srv/alone/pytorch_model.bin"])
        text = self.flense("inspect", source).out
        self.assertIn("MODELS", text)
        self.assertIn("16-bit floats would save", text)
        plan = self.flense("slim", source, "--gpu", "h100", "--level", "aggressive", "--dry-run", "--json").json
        self.assertEqual(plan["passes"], [], "no model is cut")

    def test_copies_for_a_mode_are_told(self):
        content = fixtures.noise("big", 300_000)
        below = layer_of({"opt/app/model": content, "opt/app/other": fixtures.noise("b", 100_000)})
        above = layer_of({"opt/app/model": (content, 0o755), "opt/app/other": fixtures.noise("c", 100_000)})
        source = self.archive("mode.tar", below, above)
        document = self.flense("inspect", source, "--json").json
        self.assertEqual(schema.complaints(document, "flense/inventory/v1"), [])
        copied = {f["path"]: f.get("looks_equal", False) for f in document["wasted_files"]}
        self.assertEqual(copied, {"opt/app/model": True, "opt/app/other": False})
        self.assertTrue(any("to change mode" in notice for notice in document["notices"]))
        out = self.path("out")
        self.flense("slim", source, "--gpu", "h100", "-o", f"oci:{out}")
        image = imagetree.read_image(out)
        self.assertLess(len(image.layers[0]), 50_000, "the copy below goes")
        self.assertEqual(imagetree.merged(image.layers)["opt/app/model"]["mode"], 0o755)

    def test_plan_of_links_fits_its_schema(self):
        content = fixtures.noise("equal", 100_000)
        source = self.archive("plan.tar", layer_of({"usr/lib/a": content, "usr/lib/b": content}))
        plan = self.flense("slim", source, "--gpu", "h100", "--dry-run", "--json", "--pyc", "drop").json
        self.assertEqual(schema.complaints(plan, "flense/plan/v1"), [])
        edit, = plan["layers"][0]["edits"]
        self.assertEqual((edit["action"], edit["path"], edit["new_path"]), ("link", "usr/lib/b", "usr/lib/a"))
        self.flense("slim", source, "--gpu", "h100", "-o", f"oci:{self.path('o')}")
        with open(self.path("o.provenance.json"), encoding="utf-8") as record:
            self.assertEqual(schema.complaints(json.load(record), "flense/provenance/v1"), [])


if __name__ == "__main__":
    harness.main()
