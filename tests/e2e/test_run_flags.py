#!/usr/bin/env python3
"""Flags of other engines in flense run, exec and shell: what each does inside the container, what is answered, and the
manual's table of them, commands side by side, and real command lines of public projects."""

import json
import os
import re
import shlex
import subprocess
import time

import containers
import harness
import pages
import test_run

PAGE = "docs/run.md"
REPORT = """#!/bin/sh
echo "args: $0 $*"; echo "pwd: $(pwd)"; echo "stack: $(ulimit -s)"; grep -E 'CapEff|Seccomp:' /proc/self/status
cut -d' ' -f2 /proc/mounts | sed 's/^/mount: /'; env | sed 's/^/env: /'; df -k /dev/shm | tail -1
"""


def rows(text):
    """Of the tables of `flense help flags`: command, flag, value, kind, text."""
    out, command = [], ""
    for line in text.splitlines():
        if heading := re.match(r"flense (\w+):|### flense (\w+)", line):
            command = heading[1] or heading[2]
        elif line.startswith("| `"):
            names, _, kind, said = [cell.strip() for cell in line.strip("|").split(" | ", 3)]
            flag, _, value = re.findall(r"`(--[^`]+)`", names)[0].partition(" ")
            out.append((command, flag, value, kind, said.rstrip("| ")))
    return out


class Flags(containers.Case):
    def folder(self, name):
        """Of the caller's, in the home directory."""
        path = os.path.join(self.home, name)
        os.mkdir(path)
        os.chown(path, self.caller(), self.caller())
        return path

    def out(self, *words, script=None, expect=0, **more):
        command = ["sh", "-c", script] if script else []
        return self.run_image(*words, self.image, *command, expect=expect, **more).out

    # What works, by its effect inside.

    def test_memory_and_mounts(self):
        mounts = self.out("--tmpfs", "/a:size=64k,mode=700,noexec", "--tmpfs", "/b:ro", "--scratch", "/c,/d",
                          script="cat /proc/mounts; stat -c %a /a; touch /c/x /d/x && echo both")
        self.assertRegex(mounts, r"tmpfs /a tmpfs rw,nosuid,nodev,noexec,relatime,size=64k,mode=700")
        self.assertRegex(mounts, r"tmpfs /b tmpfs ro,")
        self.assertTrue(mounts.endswith("700\nboth\n"), mounts)
        self.folder("one")
        open(f"{self.home}/one/f", "w").close()
        both = self.out("-B", f"{self.home}/one:/p,{self.home}/one:/q:ro", script="ls /p /q; touch /q/x || echo closed")
        self.assertEqual(both, "/p:\nf\n\n/q:\nf\nclosed\n")
        self.assertEqual(self.out("--read-only", script="touch /x || echo closed"), "closed\n")
        self.assertEqual(self.out("-v", f"{self.home}/one:/p:z,noexec", script="grep ' /p ' /proc/mounts | grep -c noexec"), "1\n")
        refused = self.run_image("-v", "models:/m", self.image, "true", expect=125).err
        self.assertIn("named volume flense has no 'models'", refused)

    def test_mounts_that_follow_the_host(self):
        if self.caller() != 0:
            self.skipTest("needs root to mount")
        place = f"{self.home}/shared"
        os.makedirs(f"{place}/below")
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
        self.addCleanup(subprocess.run, ["umount", "-R", "-l", place], check=False)
        subprocess.run(["mount", "--make-shared", place], check=True)
        os.mkdir(f"{place}/below")
        for word, seen in (("rslave", "1"), ("rshared", "1"), ("ro", "0")):
            process = self.start("run", "-v", f"{place}:/in:{word}", self.image, "sh", "-c",
                                 "echo up; read line; grep -c ' /in/below ' /proc/mounts", stdin=subprocess.PIPE)
            self.assertEqual(process.stdout.readline(), b"up\n")
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", f"{place}/below"], check=True)
            out, _ = process.communicate(b"go\n", timeout=60)
            subprocess.run(["umount", f"{place}/below"], check=True)
            self.assertEqual(out.decode().strip(), seen, word)

    def test_names_and_network(self):
        own = self.out("--hostname", "node7", "--add-host", "db:10.1.2.3", "--add-host", "me:host-gateway",
                       script="hostname; cat /etc/hosts").splitlines()
        self.assertEqual(own[0], "node7")
        self.assertLessEqual({"10.1.2.3 db", "127.0.0.1 me", "127.0.0.1 node7"}, set(own))
        self.assertNotEqual(os.uname().nodename, "node7")
        resolver = self.out("--dns", "192.0.2.7", "--dns-search", "a.example", "--dns-option", "ndots:3", script="cat /etc/resolv.conf")
        self.assertEqual([line for line in resolver.splitlines() if not line.startswith("#")],
                         ["nameserver 192.0.2.7", "search a.example", "options ndots:3"])
        setting = "net.ipv4.ip_unprivileged_port_start"
        path = "/proc/sys/" + setting.replace(".", "/")
        self.assertEqual(self.out("--network", "none", "--sysctl", f"{setting}=7", script=f"cat {path}"), "7\n")
        for words, said in ((["--sysctl", f"{setting}=7"], "shares the host's"), (["--sysctl", "kernel.core_pattern=x"], "but one"),
                            (["--network", "bridge"], "takes host, none"), (["--uts", "host", "--hostname", "x"], "together")):
            self.assertIn(said, self.run_image(*words, self.image, "true", expect=125).err)

    def test_namespaces(self):
        links = "for n in pid ipc uts net user; do readlink /proc/self/ns/$n; done; echo $$"
        def host(name):
            return os.readlink(f"/proc/self/ns/{name}")
        for option, name in (("--pid", "pid"), ("--ipc", "ipc"), ("--uts", "uts")):
            for value in ("host", "private"):
                there = self.out(option, value, script=links).split()
                self.assertEqual(host(name) in there, value == "host", (option, value))
                kept = self.out("--isolate", option, value, script=links).split()
                self.assertEqual(host(name) in kept, value == "host", ("--isolate", option, value))
        self.assertEqual(self.out("--pid", "private", script=links).split()[-1], "1")
        self.assertIn(str(self.caller()), self.out("--userns", "keep-id", script="id -u"))
        self.assertIn("apptainer's --pid", self.run_image("--pid", "app.sif", "true", expect=125).err)

    def test_a_first_process(self):
        orphans = "(sleep 0.1 &) ; sleep 0.5; grep -c '^State:.Z' /proc/[0-9]*/status | grep -c ':1$'; echo $$"
        self.assertEqual(self.out("--pid", "private", "--init", script=orphans).split()[0], "0")
        self.assertNotEqual(self.out("--isolate", "--init", script="echo $$"), "1\n")
        self.assertEqual(self.out("--isolate", script="echo $$"), "1\n")
        self.run_image("--isolate", "--init", self.image, "sh", "-c", "exit 7", expect=7)
        self.run_image("--isolate", "--init", self.image, "sh", "-c", "kill -9 $$", expect=137)
        process = self.start("run", "--isolate", "--init", self.image, "sh", "-c", "echo up; exec sleep 60")
        self.assertEqual(process.stdout.readline(), b"up\n")
        process.terminate()  # as a first process sleep would ignore it
        self.done(process, 143)

    def test_limits(self):
        self.assertEqual(self.out("--ulimit", "nofile=100:200", script="ulimit -n; ulimit -Hn"), "100\n200\n")
        raised = self.run_image("--ulimit", "memlock=-1", self.image, "sh", "-c", "ulimit -l")
        self.assertTrue(raised.out == "unlimited\n" or "as far as it goes" in raised.err, raised.err)
        cpu = sorted(os.sched_getaffinity(0))[-1]
        self.assertEqual(self.out("--cpuset-cpus", str(cpu), script="grep Cpus_allowed_list /proc/self/status").split()[1], str(cpu))
        self.assertIn("not all of them are yours", self.run_image("--cpuset-cpus", "9999", self.image, "true", expect=125).err)
        self.out("--pids-limit", "-1", script="true")
        if not os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
            self.assertIn("delegated", self.run_image("--pids-limit", "5", self.image, "true", expect=125).err)

    def test_capabilities(self):
        def effective(*words):
            return int(self.out(*words, script="grep CapEff /proc/self/status").split()[1], 16)
        self.assertEqual(effective(), 0)
        self.assertEqual(effective("--cap-add", "SYS_PTRACE"), 1 << 19)
        self.assertEqual(effective("--cap-drop", "ALL", "--cap-add", "CAP_SYS_PTRACE"), 1 << 19)
        self.assertEqual(effective("--fake-root", "--cap-drop", "all", "--cap-add", "chown,KILL"), 1 | 1 << 5)
        self.assertEqual(effective("--fakeroot", "--drop-caps", "CAP_CHOWN") & 1, 0)
        for name in ("SYS_ADMIN", "ALL", "DAC_READ_SEARCH", "SYS_MODULE", "NET_ADMIN", "CHOWN", "NOSUCH"):
            for mode in ([], ["--isolate"], ["--fake-root"]):
                if (name, mode) != ("CHOWN", ["--fake-root"]):
                    self.run_image(*mode, "--cap-add", name, self.image, "true", expect=125)

    def test_groups(self):
        place = f"{self.home}/of-group"
        with open(place, "w", encoding="utf-8") as out:
            out.write("seen\n")
        group = 64999
        if self.caller() == 0:
            os.chown(place, 64998, group)
            os.chmod(place, 0o040)
            self.assertEqual(self.out("--cap-drop", "ALL", script=f"cat {place} 2>/dev/null || echo closed"), "closed\n")
            self.assertEqual(self.out("--group-add", str(group), script=f"cat {place}"), "seen\n")
        else:
            self.assertIn("you are not in that group", self.run_image("--group-add", str(group), self.image, "true", expect=125).err)
        self.out("--group-add", "keep-groups", script="true")
        self.assertIn("no such group", self.run_image("--group-add", "nosuch", self.image, "true", expect=125).err)

    def test_system_calls(self):
        profile = f"{self.home}/profile.json"
        with open(profile, "w", encoding="utf-8") as out:
            json.dump({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
                       "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]}, out)
        script = "mkdir /tmp/flense-$$ 2>/dev/null && rmdir /tmp/flense-$$; echo $?; grep Seccomp: /proc/self/status"
        self.assertEqual(self.out("--security-opt", f"seccomp={profile}", script=script.replace("rmdir", "true")).split()[0], "1")
        self.assertIn("Seccomp:\t0", self.out("--security-opt", "seccomp=unconfined", script=script))
        self.out("--security-opt", "no-new-privileges", script="grep -q 'NoNewPrivs.*1' /proc/self/status")
        with open(profile, "w", encoding="utf-8") as out:
            json.dump({"defaultAction": "SCMP_ACT_NOTIFY", "syscalls": []}, out)
        self.assertIn("SCMP_ACT_NOTIFY", self.run_image("--security-opt", f"seccomp={profile}", self.image, "true", expect=125).err)

    def test_entry_points_names_and_notes(self):
        image = self.archive(test_run.busybox_layer(), "entry.tar", command=("two",), Entrypoint=["/bin/echo", "one"])
        for words in (["--entrypoint", ""], ["--entrypoint="]):
            self.assertEqual(self.run_image(*words, image, "echo", "three").out, "three\n")
            self.assertIn("names no command", self.run_image(*words, image, expect=125).err)
        note = f"{self.home}/cid"
        process = self.start("run", "--cidfile", note, "--label", "owner=me", "-l", "run.oci.handler=krun", self.image, "sh", "-c", "echo up; sleep 60")
        self.addCleanup(self.end, process)
        self.assertEqual(process.stdout.readline(), b"up\n")
        with open(note, encoding="utf-8") as text:
            name = text.read()
        self.assertEqual(self.done(self.start("exec", name, "echo", "in")).out, "in\n")
        with open(f"{self.runtime}/flense/crun/{name}/config.json", encoding="utf-8") as text:
            annotations = json.load(text)["annotations"]
        self.assertEqual(annotations["flense.label.owner"], "me")
        self.assertNotIn("run.oci.handler", annotations)
        self.assertIn("is there already", self.run_image("--cidfile", note, self.image, "true", expect=125).err)
        self.assertIn("is an image", self.done(self.start("exec", image, "true"), 125).err)

    def test_devices_by_another_name(self):
        self.assertEqual(self.out("--device", "/dev/null:/dev/other:rwm", script="echo x > /dev/other; test -c /dev/other && echo there"), "there\n")
        for bad in ("/dev/null:/etc/x", "/etc/passwd:/dev/x", "/dev/null:/dev/x:r", "/dev/../etc/passwd"):
            self.run_image("--device", bad, self.image, "true", expect=125)

    def test_words_of_apptainer(self):
        self.assertEqual(self.out("--pwd", "/etc", script="pwd"), "/etc\n")
        self.assertEqual(self.out("--cwd=/etc", script="pwd"), "/etc\n")
        self.assertNotIn("SECRET", self.out("--cleanenv", script="env", env={"SECRET": "x"}))
        self.assertEqual(self.out("--contain", script=f"ls -A /tmp | wc -l; test -e {self.home} || echo no home"), "0\nno home\n")
        inside = self.out("--containall", script="echo $$; ls /sys/class/net | wc -l; hostname").split()
        self.assertEqual((inside[0], inside[2]), ("1", os.uname().nodename))
        self.assertEqual(int(inside[1]), len(os.listdir("/sys/class/net")))
        self.assertEqual(self.out("--compat", script="echo $$; touch /x && echo made"), "1\nmade\n")
        self.assertEqual(self.out("--writable-tmpfs", script="touch /x && echo made"), "made\n")
        self.folder("me")
        self.assertEqual(self.out("--home", f"{self.home}/me:/me", script="echo $HOME; touch /me/x"), "/me\n")
        self.assertTrue(os.path.exists(f"{self.home}/me/x"))
        self.assertEqual(self.out("--no-mount", "home,cwd,tmp", script=f"test -e {self.home} || echo none; ls -A /tmp | wc -l"), "none\n0\n")
        self.assertEqual(self.out("--fakeroot", script="id -u"), "0\n")

    def test_a_working_directory_that_the_image_lacks(self):
        image = self.archive(test_run.busybox_layer(), "lacks.tar", WorkingDir="/work/space")
        self.assertEqual(self.sh("pwd", image=image).out, "/work/space\n")
        self.assertEqual(self.sh("touch x && pwd", "--writable", image=image).out, "/work/space\n")
        for hostile in ("/proc/self/fd/x", "/app/../proc/x", "/etc/passwd/x"):
            image = self.archive(test_run.busybox_layer(), "hostile.tar", WorkingDir=hostile)
            self.run_image(image, "true", expect=125)
        linked = self.archive(test_run.busybox_layer().symlink("out", "/../../../tmp"), "linked.tar", WorkingDir="/out/flense-made")
        for mode in ([], ["--writable"]):
            self.run_image(*mode, linked, "true", expect=None)
            self.assertFalse(os.path.exists("/tmp/flense-made"))

    sh = test_run.Run.sh

    def test_own_defaults(self):
        self.folder("data")
        settings = f"{self.home}/.flense.toml"
        with open(settings, "w", encoding="utf-8") as out:
            out.write(f'[run]\nvolume = ["{self.home}/data:/data"]\nenv = {{ HF_HOME = "/data" }}\n')
        os.chown(settings, self.caller(), self.caller())
        self.assertEqual(self.out("-v", "/opt:/more", "-e", "A=1", script="test -d /more && cd /data && touch x && echo $HF_HOME $A"), "/data 1\n")
        told = self.done(self.start("run", "--print-defaults", "-e", "A=1")).out
        self.assertEqual(told, f"--volume={self.home}/data:/data\n--env=HF_HOME=/data\n--env=A=1\n")
        self.assertEqual(self.out("--no-config", script="echo [$HF_HOME]"), "[]\n")
        project = self.folder("project")
        with open(f"{project}/.flense.toml", "w", encoding="utf-8") as out:
            out.write('[run]\nenv = { EVIL = "1" }\n')
        self.assertEqual(self.out(script="echo [$EVIL$HF_HOME]", cwd=project), "[/data]\n")
        os.chmod(settings, 0o666)
        self.assertIn("others may write", self.run_image(self.image, "true", expect=125).err)
        os.chmod(settings, 0o644)
        with open(settings, "w", encoding="utf-8") as out:
            out.write('[run]\nsecurity-opt = "seccomp=unconfined"\n')
        self.assertIn("no such setting", self.run_image(self.image, "true", expect=125).err)

    # What is answered, accepted, guessed.

    def test_every_row_behaves_as_named(self):
        table = rows(self.flense("help", "flags").out)
        self.assertGreater(len(table), 150)
        kinds = {kind for _, _, _, kind, _ in table}
        self.assertEqual(kinds, {"works", "accepted", "answered"})
        options = {command: pages.options_of_help(self.flense("help", command).out) for command in ("run", "exec", "shell")}
        for command, flag, value, kind, said in table:
            with self.subTest(command=command, flag=flag):
                if kind == "works":
                    alias = re.match(r"as `(--[\w-]+)`", said)
                    self.assertIn(alias[1] if alias else flag, options[command])
                    continue
                words = [flag, "word"] if value else [flag]
                result = self.flense(command, *words, "/nowhere.tar", "true", expect=None)
                if kind == "answered":
                    self.assertEqual(result.err.splitlines()[0], f"error: {flag}{'=word' if value else ''} is not for flense")
                    self.assertEqual(result.err.splitlines()[1], f"hint: {said}")
                elif command == "run":
                    self.assertIn("/nowhere.tar", result.err)

    def test_values_that_the_default_has(self):
        for words in (["-p", "8000:8000"], ["-p", "0.0.0.0:80:80/tcp"], ["--restart", "no"], ["--pull=missing"], ["--privileged=false"],
                      ["--cgroupns", "host"], ["-P"], ["--init"], ["-it"]):
            self.assertEqual(self.out(*words), "default\n", words)
        for words in (["-p", "8080:80"], ["-p", "127.0.0.1:80:80"], ["--restart=always"], ["--pull", "never"], ["-dit"], ["-p", "80"]):
            self.assertIn("is not for flense", self.run_image(*words, self.image, expect=125).err)

    def test_words_that_mean_two_things(self):
        for words, said in ((["-e", "app.sif", "python"], "--cleanenv"), (["-w", "app.sif", "python"], "--writable"), (["-h"], "--help"),
                            (["-c", "app.sif", "python"], "--contain"), (["-p", "app.sif", "python"], "--pid private"),
                            (["--userns", "app.sif", "python"], "default")):
            self.assertIn(said, self.run_image(*words, expect=125).err, words)
        for command in ("exec", "shell"):
            self.assertIn("is for flense run", self.done(self.start(command, "--nv", "app.sif", "true"), 125).err)

    def test_guesses(self):
        for words, near in ((["--hom", "x"], "--home?"), (["--volum", "x"], "--volume?"), (["--container-workdir", "x"], "--workdir?"),
                            (["--silent"], "--quiet?"), (["--directory", "x"], "--workdir?"), (["--gpu", "all"], "--gpus?"),
                            (["--tmpf", "x"], "--tmpfs?")):
            self.assertIn(f"did you mean {near}", self.run_image(*words, self.image, expect=125).err)
        self.assertNotIn("did you mean", self.run_image("--frobnicate", self.image, expect=125).err)

    # The manual.

    def test_commands_of_engines_are_answered(self):
        for name, part in (("ps", "`ps` and `jobs`"), ("logs", "> FILE"), ("stop", "kill it"), ("pull", "docker://"), ("images", "flense cache ls")):
            err = self.flense(name, "x", expect=2).err
            self.assertRegex(err, f"^error: flense has no '{name}'\nhint: [^\n]*{part}")

    def test_the_manual_has_the_tables(self):
        told = re.sub(r"flense (\w+):\n", r"### flense \1\n", self.flense("help", "flags").out).strip()
        self.assertIn(told, pages.read(PAGE), "docs/run.md: replace its tables by `flense help flags`")

    def test_commands_side_by_side(self):
        self.archive(test_run.busybox_layer().folder("made-for"), "home/app.tar")
        self.folder("data")
        open(f"{self.home}/data/f", "w").close()
        with open(f"{self.home}/vars", "w", encoding="utf-8") as out:
            out.write("A=1\n")
        os.mkdir(f"{self.home}/root")
        subprocess.run(["tar", "-C", f"{self.home}/root", "-xf", "-"], input=test_run.busybox_layer().done(), check=True)
        text = pages.read(PAGE).split("## From ")[1:]
        self.assertEqual(len(text), 4)
        for section in text:
            pairs = re.findall(r"^\| `([^`]+)` \| `flense ([^`]+)` \|$", section.split("\n## ")[0], re.M)
            self.assertEqual(len(pairs), 10, section[:20])
            for theirs, ours in pairs:
                with self.subTest(theirs=theirs, ours=ours):
                    words = shlex.split(ours.replace("$PWD", self.home))
                    out = self.done(self.start(*words)).out
                    if "ls" in words:
                        self.assertEqual(out, "f\n")
                    if "env" in words and "EPOCHS" not in ours:
                        self.assertIn("A=1\n", out)
                    if words[-2:] == ["id", "-u"]:
                        self.assertEqual(out.strip(), str(0 if "root" in ours else self.caller()))
                    if "pwd" in words:
                        self.assertEqual(out, "/etc\n")


class FlagsAsUser(Flags):
    uid = test_run.USER


# Of public projects, with where they stand; IMAGE and DATA stand in for theirs, and {expect} is what the container says,
# or the error that tells what to do. On a machine without GPUs `--gpus all` is `--gpus none`.
LINES = [
    ("yandy/dockerapps vllm/run.ps1", "docker run --rm --gpus all -v $PWD/.cache/huggingface:/root/.cache/huggingface -p 8000:8000 --ipc=host IMAGE --model deepseek-ai/DeepSeek-V3 --trust-remote-code",
     ["args: /bin/serve --model deepseek-ai/DeepSeek-V3 --trust-remote-code", "mount: /root/.cache/huggingface"]),
    ("DoanNgocCuong/MiniProd_NLP2_IntentClassification… vllm.sh", "docker run --runtime nvidia --gpus all -v ~/.cache/huggingface:/root/.cache/huggingface -p 30005:8000 --ipc=host IMAGE --model Qwen/Qwen2.5-1.5B-Instruct", "--publish=30005:8000 is not for flense"),
    ("dagnaputra/nlp scripts/serve_7b_model.sh", "docker run -d --gpus all -v ~/.cache/huggingface:/root/.cache/huggingface --ipc=host IMAGE --model Qwen/Qwen2.5-7B-Instruct", "--detach is not for flense"),
    ("Mikeriess/Synth_data services/run_docker.sh", "docker run -it --gpus all --ipc=host --ulimit memlock=-1 --ulimit stack=67108864 -v $(pwd):/workspace -w /workspace IMAGE bash",
     ["args: /bin/serve bash", "pwd: /workspace", "stack: 65536"]),
    ("kerryeon/netai-cloud-desktop tests/tensorflow1.sh", "docker run --rm -it --name pytorch --gpus all --ipc host --ulimit memlock=-1 --ulimit stack=67108864 --net host IMAGE", ["stack: 65536"]),
    ("triton-inference-server/tutorials Conceptual_Guide/Part_6…/run_model_export.sh", "docker run --pull missing --gpus all -it --rm --network host --shm-size=10G --ulimit memlock=-1 --ulimit stack=67108864 -v ${PWD}:/mount IMAGE",
     ["mount: /mount", "10485760"]),
    ("jpvt/dgm-medfusion setup.sh", "docker run --gpus all --ipc=host --ulimit memlock=-1 --ulimit stack=67108864 -it -v $(pwd)/:/workspace/project --rm IMAGE", ["mount: /workspace/project"]),
    ("Modulus/ai-tools automatic1111-docker/README.md", "docker run -it --network=host --device=/dev/kfd --device=/dev/dri --group-add=video --ipc=host --cap-add=SYS_PTRACE --security-opt seccomp=unconfined -v DATA:/dockerx IMAGE",
     ["CapEff:\t0000000000080000", "Seccomp:\t0", "mount: /dev/kfd", "mount: /dockerx"]),
    ("s0897918/xcosdaem495 Scripts/run_pt_rocm55_docker.sh", "docker run --device=/dev/kfd --device=/dev/dri --group-add video --cap-add=SYS_PTRACE --security-opt seccomp=unconfined --ipc=host -it -v DATA/:/cling IMAGE", ["mount: /cling"]),
    ("Mikiish/cryptodex condaenv/dockertorch.sh", "docker run -it --cap-add=SYS_PTRACE --security-opt seccomp=unconfined --device=/dev/kfd --device=/dev/dri --group-add video --ipc=host --shm-size 8G IMAGE", ["8388608"]),
    ("bankh/GPU_Compute docker_images/container-4.3-complete-torch/launch.sh", "docker run -it --device=/dev/kfd --device=/dev/dri --security-opt seccomp=unconfined --group-add $(getent group video | cut -d: -f 3) -v DATA:/mnt/data_drive IMAGE", ["mount: /mnt/data_drive"]),
    ("EMI-Group/evox docs, installation (AMD)", "docker run -it --network=host --device=/dev/kfd --device=/dev/dri --group-add=video --ipc=host --cap-add=SYS_PTRACE --security-opt seccomp=unconfined --shm-size 8G -v DATA:/dockerx -w /dockerx IMAGE", ["pwd: /dockerx"]),
    ("pccr10001/rocm-pytorch-gfx1151 README", "docker run -it --cap-add=SYS_PTRACE --security-opt seccomp=unconfined --device=/dev/kfd --device=/dev/dri --group-add video -v `pwd`/ComfyUI:/opt/ComfyUI -p 8188:8188 --ipc=host --shm-size 8G IMAGE", ["mount: /opt/ComfyUI"]),
    ("lightly-ai/lightly docs, pretagging", "docker run --gpus all --rm -it -v DATA:/home/input_dir:ro -v DATA:/home/shared_dir -v DATA:/home/output_dir IMAGE token=MYAWESOMETOKEN pretagging=True",
     ["args: /bin/serve token=MYAWESOMETOKEN pretagging=True", "mount: /home/input_dir"]),
    ("center-for-humans-and-machines/hpc_containers nvidia_pytorch/README.md", "apptainer exec --nv IMAGE python -c 'import torch'", "--nv is for flense run, not for exec"),
    ("cnguyen10/identifiable_label_noise_mult_mixture run.sh", "apptainer exec --nv -B DATA:/sda2 --no-home IMAGE python3 main.py", "--nv is for flense run, not for exec"),
    ("cnguyen10/identifiable_label_noise_mult_mixture run.sh, as the hint says", "apptainer run --entrypoint '' --nv -B DATA:/sda2 --no-home IMAGE python3 main.py", ["args: /bin/python3 main.py", "mount: /sda2"]),
    ("c00cjz00/LLAMA-on-HPC class_20240408/20c-Hardware_Requirement.sh, as the hint says", "singularity run --entrypoint '' --nv --pwd $HOME/.local/app/python -B ./local:$HOME/.local -B ./cache:$HOME/.cache IMAGE bash -c 'python 20c-Hardware_Requirement.py'",
     ["args: /bin/python 20c-Hardware_Requirement.py", "pwd: HOME/.local/app/python"]),
    ("zhemepatis/VU-8-THESIS-CODE scripts/knn.sh", "singularity exec IMAGE python train.py", "is an image, and no container of that name runs"),
    ("eth-easl/fmengine scripts/utility/get_shell.sh", "singularity shell --nv --home DATA:/home/xiayao --env HF_HOME=/.hf_cache --bind $PWD:/workspace --pwd /workspace IMAGE", "--nv is for flense run, not for shell"),
]


class Lines(containers.Case):
    def test_real_command_lines(self):
        self.assertEqual(len(LINES), 20)
        layer = test_run.busybox_layer()
        for applet in ("sed", "cut", "df"):
            layer.symlink(f"bin/{applet}", "busybox")
        for name in ("serve", "python", "python3"):
            layer.file(f"bin/{name}", REPORT, 0o755)
        layer.file("bin/bash", '#!/bin/sh\nexec /bin/sh "$@"\n', 0o755)
        image = self.archive(layer, "home/image.tar", command=("default",), Entrypoint=["/bin/serve"])
        for folder in (".cache/huggingface", "ComfyUI", "data", "local/app/python", "cache"):
            os.makedirs(f"{self.home}/{folder}", exist_ok=True)
        for source, line, expect in LINES:
            with self.subTest(source=source):
                words = re.sub(r"^\w+", "", line).replace("IMAGE", image).replace("DATA", f"{self.home}/data")
                words = words.replace("--gpus all", "--gpus none").replace("/dev/kfd", "/dev/full:/dev/kfd").replace("/dev/dri", "/dev/zero:/dev/dri")
                process = subprocess.Popen(["bash", "-c", f"exec {self.binary} {words}"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                           env=self.environment(), cwd=self.home)
                result = self.done(process, 125 if isinstance(expect, str) else 0)
                if isinstance(expect, str):
                    self.assertIn(expect, result.err)
                    self.assertRegex(result.err, r"\Aerror: [^\n]+\nhint: [^\n]+\n\Z")
                for said in expect if isinstance(expect, list) else []:
                    self.assertIn(said.replace("HOME", self.home), result.out)


if __name__ == "__main__":
    harness.main()
