#!/usr/bin/env python3
"""slim --closure: the machine's own Python, shell and libc as an image, with what must go and the traps that
must stay; the slim image still runs what the original runs."""

import json
import os
import shutil
import subprocess

import fixtures
import harness
import imagetree
import schema
from machine_root import Root, SITE, tar_of

MAIN = """import ctypes, importlib.metadata, os, pwd, socket
import acme.core
from direct import answer
plug = ctypes.CDLL("libplug.so.1")
points = importlib.metadata.entry_points(group="acme.plugins")
print(answer(), plug.plug(20), importlib.metadata.version("direct"), [p.load()() for p in points])
print(pwd.getpwuid(0).pw_name, socket.getaddrinfo("127.0.0.1", 80)[0][4], os.environ["FROM_HELPER"])
"""
ENTRY = """#!/bin/sh
set -e
here=$(dirname "$(readlink -f "$0")")
. "$here/start.d/10-env.sh"
FROM_HELPER=$(helper 3) exec "$@"
"""


def cc(output, source, *options):
    subprocess.run(["gcc", "-O1", "-x", "c", "-", "-o", output, *options], input=source.encode(), check=True)


class Closure(harness.Case):
    def python_root(self):
        root = Root(self.path("root"))
        root.python()
        root.program(os.path.realpath("/bin/sh"), "/usr/bin/dash")
        os.symlink("dash", root.at("usr/bin/sh"))
        for tool in ("dirname", "readlink", "cat", "sort"):
            root.program(os.path.realpath(f"/usr/bin/{tool}"), f"/usr/bin/{tool}")
        shutil.copy("/etc/passwd", root.at("etc/passwd"))
        root.text("etc/nsswitch.conf", "passwd: files\nhosts: files\n")
        # An init with a library of its own, a helper of the entry point, a library that is opened by name.
        cc(root.at("usr/lib/libinithelp.so.1"), "int help(void) { return 0; }", "-shared", "-fPIC",
           "-Wl,-soname,libinithelp.so.1")
        cc(root.at("usr/bin/init"), "#include <unistd.h>\nint help(void);\n"
           "int main(int c, char **v) { (void)c; return help() + execvp(v[2], v + 2); }", f"-L{root.at('usr/lib')}",
           "-l:libinithelp.so.1")
        os.rename(root.at("usr/bin/init"), root.at("usr/bin/tini"))
        cc(root.at("usr/lib/libplug.so.1"), "int plug(int x) { return x + 1; }", "-shared", "-fPIC")
        root.text("usr/local/bin/helper", "#!/bin/sh\necho \"helped $1\"\n", 0o755)
        root.text("opt/start/entry.sh", ENTRY, 0o755)
        root.text("opt/start/start.d/10-env.sh", "export FROM_ENV=1\n")
        root.text("srv/app/main.py", MAIN)
        root.wheel("direct", {"direct/__init__.py": "import json, os\nimport lazydep\ndef answer():\n"
                              "    return json.load(open(os.path.join(os.path.dirname(__file__), 'data.json')))\n",
                              "direct/data.json": "42\n"}, "Requires-Dist: acme-meta\n")
        root.wheel("lazydep", {"lazydep.py": ""})
        root.wheel("acme_meta", {"acme_meta.txt": "required by name alone\n"})
        root.wheel("acme_core", {"acme/core/__init__.py": ""})
        root.wheel("acme_other", {"acme/other/__init__.py": ""})
        root.wheel("acme_plugin", {"acme_plugin.py": "def load():\n    return 'plugged'\n"},
                   entry_points="[acme.plugins]\nx = acme_plugin:load\n")
        # What must go.
        root.wheel("unused", {"unused/__init__.py": "import direct\n", "unused/weights.bin": "x" * 100_000})
        cc(root.at("usr/lib/libunused.so.1"), "int unused(void) { return 0; }", "-shared", "-fPIC",
           "-Wl,-soname,libunused.so.1")
        cc(root.at("usr/bin/unused"), "int unused(void);\nint main(void) { return unused(); }",
           f"-L{root.at('usr/lib')}", "-l:libunused.so.1")
        root.text("usr/share/unused/table", "x" * 50_000)
        root.text("usr/share/doc/unused/copyright", "a licence\n")
        return root

    def archive(self, root, config):
        path = self.path("app.tar")
        fixtures.docker_archive(path, [tar_of(root.path)], ["ADD"], container=config)
        return path

    def slim(self, source, *arguments, **more):
        return self.flense("slim", source, "--gpu", "h100", "--level", "aggressive", *arguments, **more)

    def test_python_behind_an_entry_point(self):
        root = self.python_root()
        config = {"Entrypoint": ["tini", "--", "/opt/start/entry.sh"], "Cmd": ["python3", "/srv/app/main.py"],
                  "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], "WorkingDir": "/srv/app"}
        source = self.archive(root, config)
        out, plan = self.path("slim.tar"), self.path("plan.json")
        command = "tini -- /opt/start/entry.sh python3 /srv/app/main.py"
        report = self.slim(source, "--closure", "--pyc", "keep", "-o", f"docker-archive:{out}", "--plan", plan, "--json",
                           "--verify", command)
        self.assertIn("prints the same in both", report.err)
        self.assertEqual(schema.complaints(report.json, "flense/slim/v1"), [])
        with open(plan, encoding="utf-8") as text:
            document = json.load(text)
        self.assertEqual(schema.complaints(document, "flense/plan/v1"), [])
        image = imagetree.read_image(out)
        after = set(imagetree.merged(image.layers))
        for path in ("usr/bin/unused", "usr/lib/libunused.so.1", "usr/share/unused/table", f"{SITE}/unused/weights.bin",
                     f"{SITE}/unused-1.0.dist-info/METADATA", f"{SITE}/acme/other/__init__.py"):
            self.assertNotIn(path, after)
        for path in ("usr/lib/libinithelp.so.1", "usr/lib/libplug.so.1", "usr/local/bin/helper", "usr/bin/dirname",
                     "opt/start/start.d/10-env.sh", f"{SITE}/direct/data.json", f"{SITE}/acme_meta.txt",
                     f"{SITE}/acme_plugin.py", "usr/share/doc/unused/copyright", "etc/nsswitch.conf"):
            self.assertIn(path, after)
        kept = {one["path"]: one["why"] for one in document["closure"]["kept"]}
        dropped = {e["path"] for layer in document["layers"] for e in layer["edits"] if e["pass"] == "unreachable"}
        self.assertFalse(dropped & set(kept))
        self.assertIn("line 5", kept["usr/local/bin/helper"])
        self.assertIn("imported by /srv/app/main.py line 3", kept[f"{SITE}/direct/data.json"])
        packages = {one["name"]: one for one in report.json["closure"]["packages"]}
        self.assertTrue(packages["unused"]["whole"])
        self.assertIn("packages whole", image.labels["dev.flense.closure"])
        # A second run finds nothing more to take.
        again = self.slim(out, "--closure", "--pyc", "keep", "--dry-run", "--json").json
        self.assertNotIn("unreachable", [p["id"] for p in again["passes"]])

    def test_a_wrong_closure_is_caught_by_verify(self):
        root = self.python_root()
        source = self.archive(root, {"Cmd": ["python3", "/srv/app/main.py"], "Env": ["FROM_HELPER=1"]})
        done = self.slim(source, "--closure", "-o", f"oci:{self.path('out')}", "--verify", "unused", expect=1)
        self.assertIn("does not pass", done.err)
        self.assertFalse(os.path.exists(self.path("out")))
        self.slim(source, "--closure", "--also", "unused", "-o", f"oci:{self.path('out')}", "--verify", "unused")

    def test_starts_that_are_refused(self):
        root = self.python_root()
        root.text("eval.sh", "#!/bin/sh\neval \"$1\"\n", 0o755)
        for command, reason in ((["python3"], "what people type"), (["/eval.sh"], "line 2: eval"), ([], "no start command"),
                                (["gone"], "names no program")):
            with self.subTest(reason):
                source = self.archive(root, {"Cmd": command})
                done = self.slim(source, "--closure", "--dry-run", expect=2)
                self.assertIn(reason, done.err)
                self.assertIn("--also", done.err)
                self.slim(source, "--closure", "--dry-run", "--also", "/srv/app/main.py")
        self.assertIn("--level aggressive", self.flense("slim", source, "--gpu", "h100", "--closure", "--dry-run", expect=2).err)
        self.assertIn("--closure", self.slim(source, "--also", "x", "--dry-run", expect=2).err)

    def test_minimal_leaves_one_program(self):
        root = Root(self.path("root"))
        server = self.path("server")
        cc(server, "#include <netdb.h>\n#include <pwd.h>\n#include <stdio.h>\nint main(void) { struct addrinfo *a;\n"
           "  int r = getaddrinfo(\"127.0.0.1\", \"80\", NULL, &a); struct passwd *p = getpwuid(0);\n"
           "  FILE *f = fopen(\"/usr/share/server/banner\", \"r\"); char line[64] = \"\"; if (f) fgets(line, 64, f);\n"
           "  printf(\"%d %s %s\", r, p ? p->pw_name : \"-\", line); return r; }")
        root.program(server, "/usr/local/bin/server")
        root.program(os.path.realpath("/bin/sh"), "/usr/bin/dash")
        os.symlink("dash", root.at("usr/bin/sh"))
        root.text("usr/share/server/banner", "welcome\n")
        shutil.copy("/etc/passwd", root.at("etc/passwd"))
        root.text("etc/ssl/certs/ca-certificates.crt", "certificates\n")
        root.text("etc/init.d/thing", "#!/bin/sh\n", 0o755)
        root.text("usr/share/zoneinfo/Europe/Berlin", "TZif")
        root.text("opt/data/large", "x" * 100_000)
        os.makedirs(root.at("usr/games"))
        source = self.archive(root, {"Cmd": ["server"]})
        out = self.path("out")
        self.slim(source, "--minimal", "-o", f"docker-archive:{out}", "--verify", "/usr/local/bin/server")
        image = imagetree.read_image(out)
        after = imagetree.merged(image.layers)
        self.assertEqual(len(image.layers), 1)
        for path in ("usr/bin/dash", "etc/init.d/thing", "usr/share/zoneinfo/Europe/Berlin", "opt/data/large", "usr/games", "opt"):
            self.assertNotIn(path, after)
        for path in ("usr/local/bin/server", "usr/share/server/banner", "etc/passwd", "tmp",
                     "etc/ssl/certs/ca-certificates.crt"):
            self.assertIn(path, after)
        zones = self.path("zones")
        self.slim(source, "--minimal", "--with-tzdata", "-o", f"dir:{zones}")
        self.assertTrue(os.path.exists(os.path.join(zones, "usr/share/zoneinfo/Europe/Berlin")))
        self.assertIn("is a script", self.slim(self.script_image(root), "--minimal", "--dry-run", expect=2).err)

    def script_image(self, root):
        root.text("run.sh", "#!/bin/sh\nserver\n", 0o755)
        return self.archive(root, {"Cmd": ["/run.sh"]})


if __name__ == "__main__":
    harness.main()
