#!/usr/bin/env python3
"""flense run of images whose configuration is hostile in every field: a clear error with status 125, or what is meant;
never a crash, and no question to anybody else's file."""

import json

import containers
import fixtures
import harness
import test_run

CRASHED = (70, 134, 136, 139, -6, -8, -11)
LONG = "x" * 200_000
SAYS = ("sh", "-c", "echo started; pwd")
TYPES = (5, -1, 1.5, True, {}, {"a": "b"}, [[]], [5], [None], [["sh"]], [{}])


class Config(containers.Case):
    def look(self, expect, said="", *options, command=SAYS, out=None, **settings):
        """Of an image with these in its configuration: `expect` as status; `said` in the error."""
        name = ", ".join(f"{key}={str(value)[:60]!r}" for key, value in settings.items())
        with self.subTest(settings=name):
            image = self.archive(test_run.busybox_layer().symlink("linked", "/etc").folder("a\nb"), "config.tar", **settings)
            result = self.run_image(*options, image, *command, expect=None, cwd="/")
            self.assertEqual(result.status, expect, f"{result.out[-500:]}{result.err[-500:]}")
            self.assertIn(said, result.err)
            if expect == 125:
                self.assertEqual(result.out, "")
                self.assertTrue(result.err.startswith("error: "), result.err)
                self.assertLess(len(result.err), 10_000)
            elif out is not None:
                self.assertEqual(result.out, out)

    def test_entry_point_and_command(self):
        for field in ("Entrypoint", "Cmd"):
            other = {"Cmd" if field == "Entrypoint" else "Entrypoint": []}
            for value in ("/bin/sh", "", "/bin/echo one", *TYPES[:-5], [5], [None], [["sh"]], [{}]):
                said = "" if value in ([None],) else f"the configuration's {field} is not "
                self.look(125 if value != [None] else 127, said, command=(), **{field: value, **other})
            self.look(125, "cannot be passed to a program", command=(), **{field: ["/bin/echo", "a\0b"], **other})
            self.look(125, "cannot be passed to a program", command=(), **{field: ["/bin/echo", LONG], **other})
            self.look(125, "items", command=(), **{field: ["/bin/echo"] * 5000, **other})
            for first in ("", "\n", " ", "/bin/echo\n", "nosuch", "\u202e", "\x1b[2J"):
                self.look(127, "no command", command=(), **{field: [first], **other})
            self.look(126, "directory", command=(), **{field: ["/"], **other})
            self.look(0, command=(), out="a b\x1b\n c\n", **{field: ["/bin/echo", "a b\x1b\n", "c"], **other})
        self.look(125, "names no command", command=(), Entrypoint=None, Cmd=None)
        self.look(0, command=(), out="\n" * 1, Entrypoint=["/bin/echo"], Cmd=None)

    def test_user(self):
        """Only with --sub-ids it is anybody; else a path is refused, and all others are passed by."""
        for value in ("/", "a/b", "../../etc/passwd", "0:/proc/self", "/proc/self/fd/5"):
            self.look(125, "is neither a name nor an id", User=value)
        for value in TYPES:
            self.look(125, "the configuration's User is not a text", User=value)
        self.look(125, "cannot be passed", User="a\0b")
        self.look(125, "cannot be passed", User=LONG)
        for value in ("", "-1", "4294967295", "99999999999999999999", "nosuch", ":", "::", "0:0:0", "\n", "root\n", "\u202e"):
            self.look(0, out="started\n/\n", User=value)

    def test_working_directory(self):
        for value in TYPES:
            self.look(125, "the configuration's WorkingDir is not a text", WorkingDir=value)
        self.look(125, "cannot be passed", WorkingDir="/\0")
        self.look(125, "cannot be passed", WorkingDir="/" + LONG)
        for value in ("/etc\n", "/etc\x1b[2J", "/nowhere/", "/" + "a/" * 3000, "/" + "a" * 300, "/etc/passwd/", "/linked/.../"):
            self.look(125, "the working directory", WorkingDir=value)
        for value, seen in (("/nowhere", "/nowhere"), ("/ ", "/ "), ("", "/"), ("etc", "/"), ("./etc", "/"), ("../..", "/"), ("/", "/"), ("//etc//.", "/etc"),
                            ("/../../etc", "/etc"), ("/linked", "/etc"), ("/linked/../tmp", "/tmp"),
                            ("/linked/" + "./" * 2000, "/etc"), ("/a\nb", "/a\nb"),
                            ("/etc/" + "../etc/" * 500, "/etc")):
            self.look(0, out=f"started\n{seen}\n", WorkingDir=value)

    def test_environment(self):
        for value in ("PATH=/bin", *TYPES[:-5], [5], [["A=1"]], [{}]):
            self.look(125, "the configuration's Env is not ", Env=value)
        self.look(125, "cannot be passed", Env=["A=\0"])
        self.look(125, "cannot be passed", Env=["A=" + LONG])
        self.look(125, "items", Env=[f"A{number}=1" for number in range(5000)])
        shown = ("sh", "-c", "env; echo over")
        image = self.archive(test_run.busybox_layer(), "env.tar", Env=[
            "PATH=/bin", "", "=", "=x", "NOTHING", "TWO=1\nFORGED=2", "A=1", "A=2", "EMPTY=", "EQUALS==b=c", "LD_PRELOAD=/x.so",
            "with blank=1", "PATH=/bin:/usr/bin", "\u202e=1", None, "ESC=\x1b[2J"])
        out = self.run_image(image, *shown, env={"NOTHING": "the caller's"}).out
        lines = out.splitlines()
        for line in ("A=2", "EMPTY=", "EQUALS==b=c", "TWO=1", "FORGED=2", "PATH=/bin:/usr/bin", "over"):
            self.assertIn(line, lines)
        self.assertEqual([line for line in lines if line.startswith(("=", "NOTHING", "A=1"))], [])
        # Without PATH, or with one that leads nowhere.
        self.look(0, out="started\n/\n", Env=["A=1"])
        self.look(0, out="started\n/\n", Env=["PATH"])
        for path in ("", ":", "::", "/nowhere", "\n", "relative", "/" + "x" * 5000):
            self.look(127, "no command", Env=["PATH=" + path])
        self.look(0, out="started\n/\n", Env=["PATH=:/none:" + "/none:" * 1000 + "/bin"])

    def test_what_run_does_not_read(self):
        fields = ("Volumes", "ExposedPorts", "Labels", "Healthcheck", "StopSignal", "Shell", "OnBuild", "Tty", "Hostname",
                  "ArgsEscaped", "Domainname", "Image")
        for value in ("text", 5, 1.5, [], [None], {"a": 5}, {"/x": None}, {"/etc": {"a": {}}}, {"": ""}, {"\0": "\0"}, None,
                      {"a" * 100_000: "b" * 100_000}, True):
            self.look(0, out="started\n/\n", **dict.fromkeys(fields, value))
            for words in (["inspect", "--json", self.path("config.tar")], ["check", self.path("config.tar")]):
                self.assertNotIn(self.done(self.start(*words), None).status, CRASHED, value)

    def test_documents(self):
        """The whole of it, and what stands beside "config"."""
        nested = "[" * 20_000 + "]" * 20_000
        layer = test_run.busybox_layer().done()
        for number, (text, expect) in enumerate((
                ("", 125), ("null", None), ("5", None), ("[]", None), ('"x"', None), ("{}", None), (nested, 125),
                ('{"config": 5}', None), ('{"config": [], "rootfs": 5}', None), ('{"rootfs": {"diff_ids": [5]}}', None),
                ('{"architecture": 5}', None), ('{"config": {"WorkingDir": "\\ud800"}}', None),
                ('{"history": 5, "config": null}', None),
                ('{"config": {}, "config": {"User": "/"}}', None), ("\0", 125), ('{"config": {"User": "a', 125))):
            with self.subTest(document=text[:60]):
                path = self.path(f"document{number}.tar")
                self.write_archive(path, layer, text)
                result = self.run_image(path, *SAYS, expect=None, cwd="/")
                self.assertIn(result.status, (0, 125) if expect is None else (expect,), result.err)
                if result.status == 125:
                    self.assertTrue(result.err.startswith("error: "), result.err)
                for words in (["inspect", "--json", path], ["check", path]):
                    self.assertNotIn(self.done(self.start(*words), None).status, CRASHED)

    @staticmethod
    def write_archive(path, layer, config):
        """A docker-archive with this text as its configuration."""
        out = fixtures.Layer()
        out.file("config.json", config.encode("utf-8", "surrogatepass")).file("layer.tar", layer)
        manifest = [{"Config": "config.json", "RepoTags": ["app:1"], "Layers": ["layer.tar"]}]
        out.file("manifest.json", json.dumps(manifest).encode())
        with open(path, "wb") as data:
            data.write(out.done())


class ConfigAsUser(Config):
    uid = test_run.USER


if __name__ == "__main__":
    harness.main()
