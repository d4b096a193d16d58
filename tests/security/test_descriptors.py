#!/usr/bin/env python3
"""CVE-2024-21626: a descriptor of the host in the container, and a working directory that leads through it. As to flense:
no descriptor but 0 to 2 in any mode, and nothing that an image or a command line names leads through /proc."""

import json
import os
import subprocess

import attack
from attack import in_modes

NUMBERS = range(3, 16)
# Where crun would stand in the host, if a descriptor of it were there.
THROUGH = ["/proc/self/fd/{}", "/proc/self/fd/{}/..", "/proc/self/fd/../fd/{}", "//proc/./self//fd/{}", "/proc/1/fd/{}",
           "/proc/thread-self/fd/{}", "/dev/fd/{}"]
PLACES = [THROUGH[0].format(number) for number in NUMBERS] + [text.format(5) for text in THROUGH[1:]] + [
    "/proc/self/cwd", "/proc/self/root", "/proc/1/root", "/proc/self/cwd/../../.."]


class Descriptors(attack.Attack):
    def gpu(self):
        """Options that inject a device by a specification of its own, whose prepared directory is held as well."""
        self.text(self.path("cdi/test.json"), json.dumps({"cdiVersion": "0.5.0", "kind": "test.org/gpu", "devices": [
            {"name": "0", "containerEdits": {"env": ["FROM_CDI=1"], "mounts": [
                {"hostPath": self.path("passwd"), "containerPath": "/etc/from-host", "options": ["ro", "bind"]}]}}]}))
        return ["--cdi-spec-dir", self.path("cdi"), "--device", "test.org/gpu=0"]

    def all_refused(self, results):
        """Judged after all were tried: what reads the host shall be told as that."""
        for result in results:
            self.refused(result)

    def standard(self, text):
        found = self.facts(text, "fd")
        self.assertEqual([words[0] for words in found], ["0", "1", "2"], found)
        for number, *place in found:
            self.assertRegex(" ".join(place), r"^(pipe:|/dev/null|/dev/pts/|/0$)", number)

    @in_modes(more=True)
    def test_cve_2024_21626_descriptors(self, mode):
        # Two starts: the first unpacks the image, the second finds it.
        for options in ([], [], self.gpu(), ["-v", f"{self.path('passwd')}:/new/place"]):
            self.standard(self.attack(*mode, *options, self.image, "probe", "fds", stdin=subprocess.DEVNULL, expect=0).out)

    @in_modes(more=True)
    def test_cve_2024_21626_descriptors_of_the_caller(self, mode):
        """What a careless caller leaves open stays out, too."""
        held = os.open(self.canary, os.O_RDONLY)
        try:
            seen = self.attack(*mode, self.image, "probe", "fds", stdin=subprocess.DEVNULL, pass_fds=[held], expect=0)
        finally:
            os.close(held)
        self.standard(seen.out)

    @in_modes(more=True)
    def test_cve_2024_21626_descriptors_of_the_engine(self, mode):
        """crun closes what it has before the command starts, but stands in the working directory first."""
        folder, log = self.engine()
        held = os.open(self.canary, os.O_RDONLY)
        try:
            for options in ([], [], self.gpu()):
                self.attack(*mode, *options, self.image, "true", stdin=subprocess.DEVNULL, pass_fds=[held],
                            env={"PATH": f"{folder}:{os.environ['PATH']}"}, expect=0)
        finally:
            os.close(held)
        with open(log, encoding="utf-8") as text:
            found = self.facts(text.read(), "fd")
        self.assertGreaterEqual(len(found), 9)
        self.assertEqual([words for words in found if words[0] not in ("0", "1", "2")], [])

    @in_modes()
    def test_cve_2024_21626_descriptors_of_exec(self, mode):
        with self.running(*mode, self.image):
            self.standard(self.done(self.start("exec", "job", "probe", "fds", stdin=subprocess.DEVNULL)).out)
            # The second half of the CVE: --cwd of exec.
            results = []
            for place in PLACES:
                results.append(self.done(self.start("exec", "-w", place, "job", "sh", "-c", self.steal()), None))
                self.check_host(results[-1])
            self.all_refused(results)

    @in_modes()
    def test_cve_2024_21626_working_directory(self, mode):
        with self.engine_stays_out() as env:
            results = []
            for place in PLACES:
                image = self.archive(attack.layer(), "w.tar", WorkingDir=place)
                results.append(self.attack(*mode, image, "sh", "-c", self.steal(), env=env))
                results.append(self.attack(*mode, "-w", place, self.image, "sh", "-c", self.steal(), env=env))
            self.all_refused(results)

    @in_modes()
    def test_cve_2024_21626_working_directory_by_a_link(self, mode):
        """The image's links do what its configuration may not."""
        with self.engine_stays_out() as env:
            results = []
            for target in ["/proc/self/fd/5", "/proc/self/cwd", "../proc/self/fd/12", "/second"]:
                layer = attack.layer().symlink("first", target).symlink("second", "/proc/self/fd/5")
                image = self.archive(layer, "link.tar", WorkingDir="/first")
                results.append(self.attack(*mode, image, "sh", "-c", self.steal(), env=env))
                results.append(self.attack(*mode, "-w", "/first/..", image, "sh", "-c", self.steal(), env=env))
            self.all_refused(results)

    @in_modes()
    def test_cve_2024_21626_command_and_entry_point(self, mode):
        up = "../" * 24
        results = []
        with self.engine_stays_out() as env:
            for number in NUMBERS:
                program = f"/proc/self/fd/{number}/{up}{self.canary}/program"
                for image, *command in (
                        (self.image, program, "fds"),
                        (self.archive(attack.layer(), "e.tar", Entrypoint=[program, "fds"]),),
                        (self.archive(attack.layer(), "c.tar", command=(program, "fds")),),
                        (self.archive(attack.layer().symlink("bin/linked", program), "l.tar"), "linked", "fds"),
                        (self.archive(attack.layer(), "p.tar", Env=[f"PATH={os.path.dirname(program)}"]), "program", "fds"),
                        (self.image, f"../proc/self/fd/{number}/{up}{self.canary}/program", "fds")):
                    results.append(self.attack(*mode, "-w", "/etc", image, *command, env=env))
                    self.assertEqual(results[-1].out, "", "a program of the host ran")
            for result in results:
                self.assertIn(result.status, (125, 126, 127), result.err)

    @in_modes()
    def test_cve_2024_21626_user(self, mode):
        """Accounts are looked up in the root alone, whatever is named and wherever the image's files lead."""
        with self.engine_stays_out() as env:
            for user in ("/proc/self/fd/5", "../../proc/self/fd/5", "0:/proc/self/fd/5", "/proc/self/cwd:0"):
                image = self.archive(attack.layer(), "u.tar", User=user)
                if "--sub-ids" in mode:
                    self.refused(self.attack(*mode, image, "sh", "-c", self.steal(), env=env))
                self.refused(self.attack(*[word for word in mode if word != "--sub-ids"], "-u", user, self.image, "id", env=env))
        self.text(f"{self.canary}/passwd", "canary:x:44:44::/:/bin/sh\n")
        self.before = attack.harness.digest_tree(self.canary)
        for target in (f"{self.canary}/passwd", f"/proc/self/root{self.canary}/passwd"):
            layer = attack.fixtures.Layer().folder("bin").disk_file("bin/probe", attack.probe()).folder("etc")
            image = self.archive(layer.symlink("etc/passwd", target), "passwd.tar", command=("/bin/probe", "fds"))
            options = [word for word in mode if word != "--sub-ids"]
            self.refused(self.attack(*options, "-u", "canary", image), "no user 'canary'")

    @in_modes()
    def test_cve_2024_21626_mount_targets(self, mode):
        source = self.path("passwd")
        layer = attack.layer().symlink("in", "/proc/self/fd").symlink("deep", "/proc/self").symlink("cwd", "/proc/self/cwd")
        image = self.archive(layer, "t.tar")
        with self.engine_stays_out() as env:
            for target in ("/proc/self/fd/5", "/proc/self/fd/5/made", "/in/5", "/deep/fd/7/x", "/cwd/x",
                           "/etc/../proc/self/fd/5", "//proc/self/attr/exec"):
                for option in (["-v", f"{source}:{target}"], ["--mount", f"type=bind,src={source},dst={target}"],
                               ["--mount", f"type=tmpfs,dst={target}"]):
                    self.refused(self.attack(*mode, *option, image, "sh", "-c", self.steal(), env=env))
                self.text(self.path("cdi/target.json"), json.dumps({
                    "cdiVersion": "0.5.0", "kind": "test.org/target", "devices": [{"name": "0", "containerEdits": {
                        "mounts": [{"hostPath": source, "containerPath": target, "options": ["ro", "bind"]}]}}]}))
                self.refused(self.attack(*mode, "--cdi-spec-dir", self.path("cdi"), "--device", "test.org/target=0", image,
                                         "sh", "-c", self.steal(), env=env))

    @in_modes()
    def test_a_plain_start_is_not_refused(self, mode):
        """So that what is refused above is refused for its reason."""
        layer = attack.layer().folder("work").symlink("linked", "work")
        image = self.archive(layer, "plain.tar", WorkingDir="/linked", User="app", Entrypoint=["/bin/sh", "-c"])
        folder, log = self.engine()
        out = self.attack(*mode, image, self.steal(), env={"PATH": f"{folder}:{os.environ['PATH']}"}, expect=0).out
        self.assertEqual(out, "started\n")
        with open(log, encoding="utf-8") as text:
            self.assertIn(" run ", text.read())


class DescriptorsAsUser(Descriptors):
    uid = attack.USER


if __name__ == "__main__":
    attack.main()
