#!/usr/bin/env python3
"""flense doctor on the machines of hosts.py: no finding on those in good health, and the first broken
step of each that one change broke."""

import os
import re
import shutil
import subprocess
import threading

import harness
import hosts
import schema

SICK = {"mismatch": "driver-match", "no_gpu": "gpu-present"}
HEALTHY = sorted(set(hosts.ALL) - set(SICK))
UVM = hosts.MAJORS["nvidia-uvm"]


def replace(host, path, text=""):
    remove(host, path)
    host.file(path, text)


def remove(host, *paths):
    for path in paths:
        whole = os.path.join(host.root, path)
        if os.path.isdir(whole) and not os.path.islink(whole):
            shutil.rmtree(whole)
        else:
            os.unlink(whole)


def renode(host, name, *numbers, **more):
    remove(host, f"dev/{name}")
    host.node(name, *numbers, **more)


def without_module(host, *files):
    """The driver's user half alone; `files` are there instead of the module."""
    remove(host, "proc/driver", "sys/module/nvidia", "sys/module/nvidia_uvm",
           *(f"dev/{name}" for name in os.listdir(os.path.join(host.root, "dev")) if name.startswith("nvidia")))
    host.file("usr/lib/modules/5.15.0-105-generic/modules.dep", "kernel/drivers/net/e1000.ko:\n")
    for path in files:
        host.file(path)


DKMS = ("usr/bin/dkms", "usr/src/nvidia-535.129.03/dkms.conf")


def torch(host, version, cuda, hip="None"):
    host.file("opt/venv/bin/python3")
    host.file("opt/venv/lib/python3.12/site-packages/pip/__init__.py")
    host.file("opt/venv/lib/python3.12/site-packages/torch/version.py",
              f"__version__ = '{version}'\ncuda: Optional[str] = {cuda}\nhip: Optional[str] = {hip}\n")


VENV = "PATH=/opt/venv/bin:/usr/bin"
CPU, CUDA = ("2.9.0+cpu", "None"), ("2.9.0+cu130", "'13.0'")

# name: (machine, what is changed, variables, first broken step, whether nvidia-smi works all the same)
BROKEN = {
    "PyTorch for CPUs": ("h100", lambda h: torch(h, *CPU), (VENV,), "torch-build", True),
    "PyTorch newer than the driver": ("h100", lambda h: torch(h, *CUDA), (VENV,), "torch-driver", True),
    "no uvm node": ("h100", lambda h: remove(h, "dev/nvidia-uvm"), (), "nvidia-uvm", True),
    "hidden": ("h100", None, ("CUDA_VISIBLE_DEVICES=",), "cuda-visible-devices", True),
    "hidden by Slurm": ("a100_mig", None, ("SLURM_JOB_ID=1", "CUDA_VISIBLE_DEVICES=NoDevFiles"), "cuda-visible-devices", True),
    "uvm of an earlier boot": ("h100", lambda h: renode(h, "nvidia-uvm", UVM - 1, 0), (), "node-numbers", True),
    "no control node": ("h100", lambda h: remove(h, "dev/nvidiactl"), (), "nvidia-nodes", False),
    "source that was never built": ("h100", lambda h: without_module(h, *DKMS), (), "module-built", False),
    "no driver": ("h100", without_module, (), "module-built", False),
    "a card that the driver's branch has dropped": ("h100", lambda h: h.pci(
        "0000:85:00.0", "10de", "102d", "030200"), (), "module-branch", False),
    "nodes of the group root": ("h100", lambda h: renode(h, "nvidia1", 195, 1, mode=0o660), (), "node-access", False),
    "nodes of a group": ("h100", lambda h: (renode(h, "nvidia1", 195, 1, mode=0o660, gid=33), replace(
        h, "etc/group", "root:x:0:\ngpu:x:33:\n")), (), "node-access", False),
    "no control node, and the helper": ("h100", lambda h: (remove(h, "dev/nvidiactl"), h.file(
        "usr/bin/nvidia-modprobe")), (), "nvidia-nodes", False),
    "nodes of another group": ("h100", lambda h: renode(h, "nvidia1", 195, 1, mode=0o660, gid=33), (), "node-access", False),
    "an older specification": ("h100", lambda h: h.cdi(
        "var/run/cdi/nvidia.yaml", "535.104.05", (0, 1)), (), "cdi-spec", False),
    "a runtime that is gone": ("h100", lambda h: remove(h, "usr/bin/nvidia-container-runtime"), (), "engine-docker", False),
    "MIG without nodes": ("a100_mig", lambda h: remove(h, "dev/nvidia-caps"), (), "mig", True),
    "MIG without compute instance": ("a100_mig", lambda h: remove(
        h, "proc/driver/nvidia/capabilities/gpu1/mig/gi1/ci0"), (), "mig", True),
    "no Fabric Manager": ("a100_mig", lambda h: remove(h, "proc/1812"), (), "fabric-manager", False),
    "a stub in the path": ("rtx4090", lambda h: (h.file("usr/local/cuda/lib64/stubs/libcuda.so.1", hosts.elf_header("x86_64"))),
                           ("LD_LIBRARY_PATH=/usr/local/cuda/lib64/stubs",), "library-usable", True),
    "forward compatibility on GeForce": ("rtx4090", lambda h: h.libraries(
        "usr/local/cuda-13.0/compat", ("libcuda.so",), "580.65.06"),
        ("LD_LIBRARY_PATH=/usr/local/cuda-13.0/compat",), "compat-library", True),
    "no specification for Podman": ("rtx4090", lambda h: remove(h, "etc/cdi/nvidia.yaml"), (), "engine-podman", False),
    "no toolkit": ("rtx4090", lambda h: remove(h, "etc/cdi", "usr/bin/nvidia-ctk"), (), "toolkit", False),
    "a broken link of Debian's alternatives": ("laptop", lambda h: remove(
        h, "usr/lib/x86_64-linux-gnu/nvidia/current/libcuda.so.535.183.01"), (), "driver-library", True),
    "given to a virtual machine": ("laptop", lambda h: (
        h.file("sys/bus/pci/drivers/vfio-pci/bind"), remove(h, "sys/bus/pci/devices/0000:01:00.0/driver"),
        h.link("sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0/driver", "../../../../bus/pci/drivers/vfio-pci")),
        (), "gpu-free", False),
    "a GPU that the module left": ("operator", lambda h: remove(h, "proc/driver/nvidia/gpus/0000:17:00.0"), (),
                                   "module-gpus", False),
    "a GPU without power": ("operator", lambda h: replace(
        h, "sys/devices/pci0000:00/0000:00:01.0/0000:17:00.0/config", b"\xff" * 64), (), "gpu-bus", False),
    "no /dev/kfd": ("mi300x", lambda h: remove(h, "dev/kfd"), (), "amd-nodes", False),
    "AMD nodes of the group root": ("mi300x", lambda h: renode(h, "kfd", 236, 0, mode=0o660), (), "amd-access", False),
    "not in the group render": ("mi300x", lambda h: replace(
        h, "proc/self/status", "Uid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nGroups:\t1000\n"), (),
        "amd-access", False),
    "PyTorch for CUDA on AMD": ("mi300x", lambda h: torch(h, *CUDA), (VENV,), "torch-build", False),
    "hidden by ROCR": ("mi250x", None, ("ROCR_VISIBLE_DEVICES=2",), "rocm-visible-devices", False),
    "a target of another generation": ("mi250x", None, ("HSA_OVERRIDE_GFX_VERSION=11.0.0",), "hsa-override", False),
    "amdgpu not loaded": ("mixed", lambda h: remove(h, "sys/module/amdgpu"), (), "amdgpu-loaded", False),
    "nouveau beside an AMD card": ("mixed", lambda h: (
        h.file("sys/bus/pci/drivers/nouveau/bind"), remove(h, "sys/bus/pci/devices/0000:81:00.0/driver"),
        h.link("sys/devices/pci0000:00/0000:00:01.0/0000:81:00.0/driver", "../../../../bus/pci/drivers/nouveau")),
        (), "module-conflict", False),
    "a Linux driver in WSL2": ("wsl2", lambda h: (h.libraries(hosts.LIB, ("libcuda.so",), "550.54.15"), remove(
        h, "etc/ld.so.cache"), h.cache(f"/{hosts.LIB}/libcuda.so.1")), (), "wsl-driver", False),
    "WSL2 without its device": ("wsl2", lambda h: remove(h, "dev/dxg"), (), "gpu-present", False),
    "Jetson without memory node": ("jetson", lambda h: remove(h, "dev/nvmap"), (), "tegra-nodes", False),
    "Jetson, not in the group video": ("jetson", lambda h: renode(h, "nvhost-gpu", 501, 0, mode=0o660, gid=45), (),
                                       "tegra-nodes", False),
    "upgraded under its module": ("mismatch", None, (), "driver-match", False),
}


# Programs that fixes call, and what brings those that may be missing.
BRINGS = {"apt": "", "apt-get": "", "dkms": "dkms", "dmesg": "", "dnf": "", "dracut": "", "journalctl": "", "ldconfig": "libc-bin",
          "lspci": "", "modinfo": "", "modprobe": "kmod", "mokutil": "mokutil", "nvidia-container-cli": "libnvidia-container-tools",
          "nvidia-ctk": "nvidia-container-toolkit", "nvidia-cuda-mps-control": "nvidia-compute-utils-535",
          "nvidia-modprobe": "nvidia-modprobe", "nvidia-smi": "nvidia-utils-", "pip": "", "rmmod": "kmod", "rocminfo": "",
          "setsebool": "policycoreutils", "systemctl": "", "ubuntu-drivers": "ubuntu-drivers-common", "update-initramfs": "",
          "usermod": "passwd", "yum": "", "zypper": ""}


def not_there(fix, root):
    """The commands of a fix that neither the machine has nor a package named before brings."""
    words = [word.strip(",;:.()'") for word in fix.split()]
    out = []
    for place, word in enumerate(words):
        before = words[place - 1] if place else ""
        if word not in BRINGS or before in ("install", "restart", "has"):
            continue
        module = before == "-m" and os.path.exists(os.path.join(root, words[place - 2].lstrip("/")))
        there = any(os.path.exists(os.path.join(root, folder, word)) for folder in ("usr/bin", "usr/sbin", "usr/lib/wsl/lib"))
        brought = re.search(f"install ({BRINGS[word] or '-'}|the package that has {word}( |$))", " ".join(words[:place]))
        if not (module or there or brought):
            out.append(word)
    return out


class Doctor(harness.Case):
    def diagnose(self, root, *variables, **more):
        options = [word for one in variables for word in ("--env", one)]
        done = self.flense("doctor", "--root", root, "--json", *options, **more).json
        self.assertEqual(schema.complaints(done, "flense/doctor/v1"), [])
        return done

    def test_machines_in_good_health_have_no_finding(self):
        self.assertEqual(len(HEALTHY), 10)
        for name in HEALTHY:
            with self.subTest(name):
                done = self.diagnose(hosts.make(name, self.path(name)))
                self.assertEqual([step for step in done["steps"] if step["verdict"] not in ("ok", "skipped")], [])
                self.assertEqual(done["verdict"], "ok")
                self.assertNotIn("first_broken", done)

    def test_each_change_has_its_first_broken_step(self):
        self.assertGreaterEqual(len(BROKEN), 25)
        for number, (name, (machine, change, variables, first, works)) in enumerate(BROKEN.items()):
            with self.subTest(name):
                root = hosts.make(machine, self.path(f"{number}"))
                if change:
                    change(hosts.Host(root))
                done = self.diagnose(root, *variables, expect=1)
                self.assertEqual(done.get("first_broken"), first)
                step = next(one for one in done["steps"] if one["id"] == first)
                self.assertTrue(step["fix"] and step["looked_at"])
                self.assertEqual(step["nvidia_smi_unaffected"], works)
                self.assertNotIn(self.work, str(done))

    def test_each_fix_can_be_done_where_it_is_printed(self):
        fixes = 0
        cases = {name: (name, None, ()) for name in hosts.ALL} | {name: row[:3] for name, row in BROKEN.items()}
        for number, (name, (machine, change, variables)) in enumerate(cases.items()):
            for tools in (hosts.PROGRAMS, ()):
                with self.subTest(name, tools=len(tools)):
                    root = hosts.make(machine, self.path(f"{number}-{len(tools)}"))
                    if change:
                        change(hosts.Host(root))
                    if not tools:
                        remove(hosts.Host(root), *(f"usr/bin/{program}" for program in hosts.PROGRAMS))
                    for step in self.diagnose(root, *variables, expect=None)["steps"]:
                        fixes += "fix" in step
                        self.assertEqual(not_there(step.get("fix", ""), root), [], step)
                        self.assertNotIn("-aG root", step.get("fix", ""))
        self.assertGreater(fixes, 80)
        # A fix that asks for what is not there is seen.
        self.assertEqual(not_there("as root: modprobe nvidia, then systemctl restart docker", self.path("0-0")), ["modprobe", "systemctl"])

    def fix_of(self, name):
        machine, change, variables, first, _ = BROKEN[name]
        root = hosts.make(machine, self.path(name))
        change(hosts.Host(root))
        done = self.diagnose(root, *variables, expect=1)
        return next(one["fix"] for one in done["steps"] if one["id"] == first)

    def test_fixes_of_an_expert(self):
        self.assertEqual(self.fix_of("source that was never built"), "apt-get install linux-headers-5.15.0-105-generic, then dkms "
                         "autoinstall -k 5.15.0-105-generic")
        self.assertEqual(self.fix_of("no driver"), "apt-get install ubuntu-drivers-common, then ubuntu-drivers install")
        self.assertIn("a driver of branch 470 ", self.fix_of("a card that the driver's branch has dropped"))
        self.assertIn("NVreg_DeviceFileMode=0666", self.fix_of("nodes of the group root"))
        self.assertEqual(self.fix_of("nodes of a group"), "usermod -aG gpu USER, and log in again")
        self.assertEqual(self.fix_of("no control node"), "as root: apt-get install nvidia-modprobe, then nvidia-modprobe -c 255 -c 0 -c 1")
        self.assertEqual(self.fix_of("no control node, and the helper"), "as root: nvidia-modprobe -c 255 -c 0 -c 1")
        self.assertIn("flense cdi install --engine podman, which needs no toolkit", self.fix_of("no toolkit"))

    def test_no_gpu(self):
        done = self.diagnose(hosts.make("no_gpu", self.path("none")), expect=4)
        self.assertEqual((done["verdict"], done["first_broken"]), ("no-gpu", "gpu-present"))

    def test_an_empty_root_is_unknown(self):
        os.mkdir(self.path("empty"))
        done = self.diagnose(self.path("empty"), expect=5)
        self.assertEqual(done["verdict"], "unknown")

    def test_the_classic_case_in_words(self):
        root = hosts.make("h100", self.path("classic"))
        torch(hosts.Host(root), *CPU)
        text = self.flense("doctor", "--root", root, "--env", VENV, expect=1).out
        for part in ("FIRST BROKEN STEP: torch-build", "PyTorch 2.9.0+cpu is built for CPUs only", "pip uninstall torch",
                     "nvidia-smi works while torch.cuda.is_available() is False",
                     "/opt/venv/lib/python3.12/site-packages/torch/version.py"):
            self.assertIn(part, text)
        self.assertIn("torch-build", self.flense("doctor", "--message", "torch.cuda.is_available() returned False", expect=1).out)

    def test_pipes_sockets_and_loops_do_not_block(self):
        """Wherever a machine has a file, a hostile tree has something else."""
        root = hosts.make("h100", self.path("hostile"))
        makers = (lambda path: os.mkfifo(path), lambda path: os.symlink(os.path.basename(path), path),
                  lambda path: os.symlink("/proc/self/mem", path), lambda path: os.mkdir(path))
        count = 0
        for folder, _, names in os.walk(root):
            for name in names:
                path = os.path.join(folder, name)
                os.unlink(path)
                makers[count % len(makers)](path)
                count += 1
        self.assertGreater(count, 60)
        self.flense("doctor", "--root", root, expect=None, timeout=30)
        self.flense("host", "--root", root, expect=None, timeout=30)

    def test_no_device_is_opened(self):
        strace = shutil.which("strace")
        if not strace or subprocess.run([strace, "-o", "/dev/null", "true"], check=False, stderr=subprocess.DEVNULL).returncode:
            self.skipTest("strace does not run here")
        log = self.path("log")
        for command in ("doctor", "host"):
            subprocess.run([strace, "-f", "-e", "trace=open,openat", "-o", log, harness.BINARY, command], check=False,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
            with open(log, encoding="utf-8", errors="replace") as calls:
                opened = [line for line in calls if "open" in line]
            self.assertGreater(len(opened), 10)
            self.assertEqual([line for line in opened if re.search(r'"/dev/[^"]', line) and "O_DIRECTORY" not in line], [])

    def test_this_machine(self):
        done = self.flense("doctor", "--json", expect=None)
        self.assertIn(done.status, (0, 1, 4, 5))
        self.assertEqual(schema.complaints(done.json, "flense/doctor/v1"), [])

    def test_explain_reads_standard_input(self):
        log = "starting\nRuntimeError: No CUDA GPUs are available\nbash: nvidia-smi: command not found\n"
        told = self.flense("explain", "-", input=log.encode())
        self.assertIn("torch-no-gpus-visible", told.out)
        self.assertIn("nvidia-smi-missing", told.out)
        self.assertEqual(self.flense("explain", "--json", "-", input=log.encode()).json,
                         self.flense("explain", "--json", log).json)
        for word in ("804", "DL3042", "exit 5", "driver-cuda"):
            self.assertEqual(self.flense("explain", "-", input=f"{word}\n".encode()).out, self.flense("explain", word).out)
        refused = self.flense("explain", "-", input=b"all is well here\n", expect=2)
        self.assertIn("nothing is known about standard input", refused.err)
        self.assertNotIn("did you mean", refused.err)
        self.flense("explain", "-", input=b"", expect=2)

    def test_explain_reads_a_file(self):
        def file(name, text):
            with open(self.path(name), "w", encoding="utf-8") as out:
                out.write(text)
            return self.path(name)

        failed = "starting\nRuntimeError: No CUDA GPUs are available\n"
        self.assertEqual(self.flense("explain", file("job.log", failed)).out, self.flense("explain", failed).out)
        quiet = file("quiet.log", "all is well here\n")
        self.assertIn(f"nothing is known about '{quiet}'", self.flense("explain", quiet, expect=2).err)
        # A word stays a word where a file has its name.
        file("804", failed)
        self.assertEqual(self.flense("explain", "804", cwd=self.work).out, self.flense("explain", "804").out)
        for no_file in (self.work, self.path("none.log"), "/dev/zero"):
            self.assertIn(f"nothing is known about '{no_file}'", self.flense("explain", no_file, expect=2).err)
        os.mkfifo(self.path("piped.log"))
        writer = threading.Thread(target=file, args=("piped.log", failed))
        writer.start()
        self.assertEqual(self.flense("explain", self.path("piped.log")).out, self.flense("explain", failed).out)
        writer.join()

    def test_wrong_usage(self):
        self.flense("doctor", "--env", "CUDA_VISIBLE_DEVICES", expect=2)
        self.flense("doctor", "--message", "x", "--log", "-", expect=2)
        self.flense("doctor", "--message", "x", "--root", "/", expect=2)
        self.flense("doctor", "--root", self.path("nowhere"), expect=3)
        self.flense("doctor", "--log", self.path("nowhere"), expect=3)
        self.flense("doctor", "--message", "all is well", expect=5)
        note = self.flense("doctor", "--message", "INFO: Could not find any nv files on this host!", expect=5)
        self.assertIn("no failure by itself", note.out)


if __name__ == "__main__":
    harness.main()
