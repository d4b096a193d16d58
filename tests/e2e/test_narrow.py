#!/usr/bin/env python3
"""What people see: a terminal of 60 columns, what a command says where nothing can be done, and what shells complete."""

import os
import re
import shutil
import subprocess

import fixtures
import harness


class Narrow(harness.Case):
    def setUp(self):
        super().setUp()
        self.app, _ = fixtures.sample_archive(self.work)

    def terminal(self, *arguments, columns=60):
        env = {**harness.surroundings(), "XDG_CACHE_HOME": self.path("cache"), "NO_COLOR": "1", "TERM": "xterm"}
        _, out = harness.on_terminal([harness.BINARY, *arguments], columns, stdin=subprocess.DEVNULL, env=env, cwd=self.work)
        return out.decode().replace("\r\n", "\n")

    def test_no_word_is_cut(self):
        wide = re.compile(r"\r[^\n]*\x1b\[K")
        for words in (["inspect", "--gpu", "h100", "--all"], ["slim", "--gpu", "h100", "--dry-run", "--level", "aggressive"],
                      ["check", "--host", "h100@470.82.01", "--all"], ["check", "--requirements", "--all"]):
            with self.subTest(words):
                out = wide.sub("", self.terminal(words[0], "app.tar", *words[1:]))
                plain = self.flense(words[0], self.app, *words[1:], expect=None).out
                self.assertGreater(max(map(len, plain.splitlines())), 60, "nothing would have to be broken")
                long = [line for line in out.splitlines() if len(line) > 60]
                self.assertEqual(long, [])
                # Every word stands in the wide output too; of paths and instructions something may go, and is marked.
                known = set(plain.replace("docker-archive:" + self.app, "docker-archive:app.tar").split())
                cut = [word for word in out.split() if word not in known and "…" not in word
                       and not word.isdigit() and not word.startswith(("ARCHITECTURE", "KIND", "ENTRIES", "BYTES", "cubin", "ptx", "compute"))]
                self.assertEqual(cut, [])
        out = self.terminal("slim", "app.tar", "--gpu", "h100", "--dry-run")
        self.assertNotIn("…", out)
        self.assertIn("    overwritten or deleted by later layers (looks beyond one\n    layer)\n", out)
        self.assertIn("WOULD GIVE", out)
        self.assertIn("vendor libraries would be changed", out)

    def test_without_a_command_the_commands_are_shown(self):
        done = self.flense(expect=2)
        self.assertEqual(done.err, self.flense("help").out)

    def test_a_missing_file_has_one_status_and_a_next_step(self):
        none, app = self.path("appp.tar"), self.app
        for words in (["inspect", none], ["slim", none, "--gpu", "h100", "-o", "x"], ["check", none, "--host", "h100@550.54.15"],
                      ["check", app, "--host", none + ".json"], ["verify", none, "--against", app], ["verify", app, "--proof", none],
                      ["diff", none, app], ["diff", app, none], ["lint", none], ["doctor", "--log", none],
                      ["host", "--compare", none, "this"], ["cdi", "validate", none], ["cdi", "apply", "--device", "a/b=0", none],
                      ["data", "validate", none], ["bench", "io", none], ["inspect", app, "--config", none],
                      ["slim", app, "--gpu", "h100", "-o", "x", "--closure", "--level", "aggressive", "--trace-file", none]):
            with self.subTest(words):
                done = self.flense(*words, expect=3)
                self.assertIn(": no such file or directory\n", done.err)
                self.assertRegex(done.err, f"hint: (did you mean {re.escape(self.app)}\\?|ls {re.escape(self.work)} shows)")
        self.assertIn("there is no directory " + self.path("none"), self.flense("inspect", self.path("none/app.tar"), expect=3).err)
        self.assertIn("looked for in " + self.work, self.flense("inspect", "none.sif", expect=3, cwd=self.work).err)

    def test_what_cannot_be_read_or_written_ends_with_a_next_step(self):
        os.mkdir(self.path("empty"))
        self.assertRegex(self.flense("inspect", self.path("empty"), expect=3).err, "is an empty directory\nhint: ")
        with open(self.app, "rb") as whole, open(self.path("cut.tar"), "wb") as cut:
            cut.write(whole.read(300_000))
        self.assertRegex(self.flense("inspect", self.path("cut.tar"), expect=3).err,
                         "but the archive ends after [0-9]+, at offset 0x493e0\nhint: it was cut off")
        done = self.flense("slim", self.app, "--gpu", "h100", "-o", self.path("none/x.tar"), expect=4)
        self.assertIn("hint: mkdir -p " + self.path("none"), done.err)
        if os.geteuid() != 0:
            self.skipTest("another user's file needs root")
        os.chmod(self.work, 0o755)
        os.mkdir(self.path("closed"), 0o700)
        os.makedirs(self.path("cache"), exist_ok=True)
        os.chmod(self.path("cache"), 0o777)
        # Another user may not reach the folder that it was built in.
        program = shutil.copy(harness.BINARY, self.path("flense"))
        for words in (["inspect", self.path("closed/app.tar")], ["inspect", self.path("closed")], ["lint", self.path("closed")],
                      ["slim", self.app, "--gpu", "h100", "-o", self.path("closed/x.tar")],
                      ["check", self.app, "--host", self.path("closed/nodes.json")]):
            with self.subTest(words):
                done = self.flense(*words, expect=4, user=65534, group=65534, extra_groups=[], executable=program)
                self.assertIn(f"hint: {self.path('closed')} belongs to root and has mode 0700: ", done.err)

    def test_shells_complete_gpus_and_what_explain_knows(self):
        for shell in ("bash", "zsh", "fish"):
            script = self.flense("completion", shell).out
            for word in ("rtx4090", "h100", "mi300x"):
                self.assertRegex(script, rf"--gpu.*\b{word}\b|-l gpu\b.*\b{word}\b")
            for word in ("driver-cuda", "cuda-tag-missing"):
                self.assertRegex(script, rf"\b{word}\b")
        script = ("source <(\"$0\" completion bash); COMP_WORDS=(flense $1); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _flense; "
                  "echo \"${COMPREPLY[@]}\"")
        for line, wanted in (("slim x.tar --gpu rtx409", "rtx4090"), ("explain driver-mism", "driver-mismatch")):
            out = self.run_tool("bash", "-c", script, harness.BINARY, line)
            self.assertEqual(out.strip(), wanted)


if __name__ == "__main__":
    harness.main()
