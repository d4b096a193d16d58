#!/usr/bin/env python3
"""Ways out that somebody found who looked for them: what an image's links have made in bound directories, a changed
overlay, state and roots within reach, directories as standard streams, keyrings and control groups of others."""

import os
import shutil
import subprocess

import attack
from attack import in_modes


class Found(attack.Attack):
    def bound(self):
        folder = os.path.join(self.home, "bound")
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder)
        if self.uid is not None:
            os.chown(folder, self.uid, self.uid)
        return folder

    @in_modes("default", "no-home", "isolate", "isolate no-home")
    def test_links_have_nothing_made_in_what_is_bound(self, mode):
        twists = {"data to dev": lambda one: one.symlink("data", "/dev"),
                  "tmp to dev": lambda one: one.symlink("tmp", "/dev"),
                  "tmp below data": lambda one: one.folder("data").symlink("var", "/data")}
        for name, twist in twists.items():
            for option in ([], ["--writable"]):
                folder = self.bound()
                image = self.archive(twist(attack.layer()), "links.tar")
                result = self.attack(*mode, *option, "-v", f"{folder}:/data:ro", "-w", "/", image, "true")
                self.assertEqual(result.status, 125, (name, option, result.err))
                self.assertEqual(os.listdir(folder), [], name)
        folder = self.bound()
        self.attack(*mode, "-v", f"{folder}:/data", "-w", "/data", self.image, "touch", "made", expect=0)
        self.assertEqual(os.listdir(folder), ["made"])

    @in_modes("isolate")
    def test_an_overlay_takes_no_links(self, mode):
        project = self.bound()
        overlay = os.path.join(project, "changes")
        os.mkdir(overlay)
        if self.uid is not None:
            os.chown(overlay, self.uid, self.uid)
        words = [*mode, "-v", f"{project}:/project", "--overlay", overlay, "-w", "/", self.image, "sh", "-c"]
        self.attack(*words, "echo kept > /kept", expect=0)
        self.assertEqual(self.attack(*words, "cat /kept", expect=0).out, "kept\n")
        mine = os.path.join(os.path.dirname(project), "mine")  # of the caller alone, as upper has to be
        os.mkdir(mine, 0o755)
        if self.uid is not None:
            os.chown(mine, self.uid, self.uid)
        self.addCleanup(shutil.rmtree, mine)
        self.attack(*words, f"mv /project/changes/upper /project/changes/old; ln -s {mine} /project/changes/upper", expect=0)
        result = self.attack(*words, "ls /; echo overwritten > /secret")
        self.assertEqual(os.listdir(mine), [])
        self.assertEqual(result.status, 125, result.out + result.err)

    @in_modes("no-home")
    def test_state_and_roots_are_covered(self, mode):
        """Where they lie in what is bound: without a runtime directory, and with the cache in the working directory."""
        place = self.bound()
        env = {"XDG_CACHE_HOME": f"{place}/cache", "XDG_RUNTIME_DIR": "/nowhere", "FLENSE_CACHE": f"{place}/cache"}
        self.attack(*mode, "-w", "/", self.image, "true", env=env, cwd="/", expect=0)
        script = f"ls {place}/cache/roots /tmp/flense-{self.caller()}; touch {place}/cache/roots/x && echo made"
        self.assertEqual(self.attack(*mode, "-v", "/:/all", "-w", "/", self.image, "ls", f"/all{place}/cache/roots", env=env,
                                     cwd="/", expect=0).out, "")
        out = self.attack(*mode, "-v", f"{place}/:{place}", "-w", "/", self.image, "sh", "-c", script, env=env, cwd="/")
        self.assertNotIn("made", out.out)
        self.assertEqual([line for line in out.out.splitlines() if line and not line.endswith(":")], [], out.out)

    @in_modes(more=True)
    def test_no_directory_as_standard_stream(self, mode):
        for number in (0, 1, 2):
            folder = os.open(self.canary, os.O_RDONLY | os.O_DIRECTORY)
            streams = {("stdin", "stdout", "stderr")[number]: folder}
            quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
            process = subprocess.Popen(self.words("run", *mode, self.image, "true"), cwd=self.home, env=self.environment(),
                                       **{**quiet, **streams})
            self.assertEqual(process.wait(timeout=60), 125)
            os.close(folder)

    PROBE = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
  long keys = syscall(SYS_keyctl, 0, -3, 0, 0, 0);
  printf("keys %s\n", keys < 0 && errno == ENOSYS ? "none" : "there");
  int user = unshare(CLONE_NEWUSER);
  printf("user %s\n", user == 0 ? "made" : "refused");
  printf("groups %s\n", unshare(CLONE_NEWCGROUP) == 0 ? "made" : "refused");
  return 0;
}
"""

    @in_modes("isolate", "isolate no-home", "default")
    def test_keys_and_control_groups_of_others(self, mode):
        source, program = self.path("across.c"), self.path("across")
        with open(source, "w", encoding="utf-8") as out:
            out.write(self.PROBE)
        subprocess.run(["gcc", "-static", "-o", program, source], check=True)
        image = self.archive(attack.layer().disk_file("bin/across", program), "across.tar")
        said = self.attack(*mode, image, "across", expect=0).out.splitlines()
        isolated = "--isolate" in mode
        self.assertEqual(said, ["keys none" if isolated else "keys there", "user made",
                                "groups refused" if isolated else "groups made"])


class FoundAsUser(Found):
    uid = attack.USER


if __name__ == "__main__":
    attack.main()
