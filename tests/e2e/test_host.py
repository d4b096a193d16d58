#!/usr/bin/env python3
"""flense host on machines made of files (hosts.py): every fact of every machine."""

import json
import os
import shlex

import fixtures
import harness
import hosts
import schema
import test_run

SYSTEM = {"kernel": "5.15.0-105-generic", "architecture": "x86_64", "distribution": "Ubuntu 22.04.4 LTS",
          "distribution_id": "ubuntu", "distribution_version": "22.04", "libc": "glibc", "libc_version": "2.35",
          "cpu_model": "Example CPU", "cpu_level": "x86-64-v4", "cpus": 4, "memory_bytes": 65536000 << 10,
          "wsl2": False, "jetson": None, "board": None, "in_container": False}
ISOLATION = {"cgroups": "v2", "user_namespaces": True, "overlay": True, "fuse": True}
LIB = "/usr/lib/x86_64-linux-gnu"


def driver(version, cuda, kind="proprietary", **more):
    return {"module_version": version, "module_kind": kind, "library_version": version,
            "library_path": f"{LIB}/libcuda.so.{version}", "driver_root": "/", "agree": True, "cuda": cuda,
            "installed": True, "persistenced": False, "toolkit_version": None,
            "toolkit": "toolkit_version" in more, "module": True, "library": True, "node_access": "0666 root:root", **more}


NO_DRIVER = {**dict.fromkeys(driver("", "")), "installed": False, "persistenced": False, "toolkit": False, "library": False}
NO_AMD = {"driver_version": None, "rocm_version": None, "module": None, "kfd": False}
AMDGPU = {**NO_AMD, "module": True, "kfd": True}


def nvidia(minor, address, name, device, arch, memory=None, **more):
    return {"vendor": "nvidia", "name": name, "uuid": f"GPU-{minor:08x}-1111-2222-3333-444444444444",
            "pci_address": address, "pci_id": f"10de:{device}", "kernel_driver": "nvidia", "architecture": arch,
            "memory_bytes": memory, "minor": minor, "numa_node": 0, "link_speed": "16.0 GT/s", "link_speed_max": "16.0 GT/s",
            "link_width": 16, "link_width_max": 16, "mig": None, "mig_instances": 0, **more}


def amd(address, name, device, arch, memory, uuid, minor, **more):
    return {"vendor": "amd", "name": name, "uuid": uuid, "pci_address": address, "pci_id": f"1002:{device}",
            "kernel_driver": "amdgpu", "architecture": arch, "memory_bytes": memory, "minor": minor, "numa_node": 0,
            "link_speed": "16.0 GT/s", "link_speed_max": "16.0 GT/s", "link_width": 16, "link_width_max": 16,
            "partition": None, "partitions": 1, **more}


H100 = {"memory": 80 << 30, "link_speed": "32.0 GT/s", "link_speed_max": "32.0 GT/s"}
MI300 = {"link_speed": "32.0 GT/s", "link_speed_max": "32.0 GT/s", "partition": "SPX"}
ENGINE = {"cdi": False, "nvidia_runtime": False}

# What differs from a plain machine without GPUs.
EXPECTED = {
    "h100": {
        "nvidia": driver("535.129.03", "12.2", persistenced=True, toolkit_version="1.17.9-1"),
        "gpus": [nvidia(0, "0000:17:00.0", "NVIDIA H100 80GB HBM3", "2330", "9.0", **H100),
                 nvidia(1, "0000:c1:00.0", "NVIDIA H100 80GB HBM3", "2330", "9.0", numa_node=1,
                        **{**H100, "link_speed": "2.5 GT/s"})],
        "networks": [{"name": "mlx5_0", "pci_address": "0000:18:00.0", "link_layer": "InfiniBand", "state": "ACTIVE",
                      "rate": "400 Gb/sec (4X NDR)", "firmware": "28.39.1002", "numa_node": 0,
                      "distances": [{"gpu": "0000:17:00.0", "numa": 10}, {"gpu": "0000:c1:00.0", "numa": 21}]}],
        "engines": [{**ENGINE, "name": "docker", "path": "/usr/bin/dockerd", "version": "27.3.1-1~ubuntu.22.04~jammy",
                     "nvidia_runtime": True},
                    {**ENGINE, "name": "containerd", "path": "/usr/bin/containerd", "version": "1.7.22-1"}],
        "cdi_specs": ["/var/run/cdi/nvidia.yaml"]},
    "a100_mig": {
        "system": {**SYSTEM, "cpu_level": "x86-64-v3"}, "nvidia": driver("550.54.15", "12.4", "open"),
        "gpus": [nvidia(n, f"0000:{7 + 8 * n:02x}:00.0", "NVIDIA A100-SXM4-40GB", "20b0", "8.0", 40 << 30,
                        mig=True if n < 2 else None, mig_instances=(3, 1, 0, 0, 0, 0, 0, 0)[n]) for n in range(8)]},
    "rtx4090": {
        "system": {**SYSTEM, "kernel": "6.8.0-45-generic", "distribution": "Ubuntu 24.04.1 LTS",
                   "distribution_version": "24.04", "libc_version": "2.39", "cpu_level": "x86-64-v3"},
        "isolation": {**ISOLATION, "user_namespaces": False},
        "nvidia": driver("560.35.03", "12.6", "open", toolkit_version="1.17.8-1"), "cdi_specs": ["/etc/cdi/nvidia.yaml"],
        "gpus": [nvidia(0, "0000:01:00.0", "NVIDIA GeForce RTX 4090", "2684", "8.9", numa_node=None, link_speed="2.5 GT/s")],
        "engines": [{**ENGINE, "name": "podman", "path": "/usr/bin/podman", "version": "4.9.3+ds1-1ubuntu0.2", "cdi": True}]},
    "laptop": {
        "system": {**SYSTEM, "kernel": "6.1.0-25-amd64", "distribution": "Debian GNU/Linux 12 (bookworm)",
                   "distribution_id": "debian", "distribution_version": "12", "libc_version": "2.36",
                   "cpu_level": "x86-64-v3"},
        "nvidia": driver("535.183.01", "12.2", library_path=f"{LIB}/nvidia/current/libcuda.so.535.183.01"),
        "gpus": [nvidia(0, "0000:01:00.0", "NVIDIA GeForce RTX 4060 Laptop GPU", "28e0", "8.9", numa_node=None,
                        link_speed="2.5 GT/s", link_width=8, uuid=None)]},
    "mi300x": {
        "amd": {**AMDGPU, "driver_version": "6.10.5", "rocm_version": "6.3.1-48"},
        "gpus": [amd("0000:05:00.0", "AMD Instinct MI300X OAM", "74a1", "gfx942", 206141652992, "GPU-4acf2b7a3cf2f5d0", 128,
                     **MI300),
                 amd("0000:15:00.0", "AMD Instinct MI300X OAM", "74a1", "gfx942", 206141652992, "GPU-4acf2b7a3cf2f5d1", 136,
                     numa_node=1, **MI300)]},
    "mi250x": {
        "system": {**SYSTEM, "cpu_level": "x86-64-v3"},
        "amd": AMDGPU,
        "gpus": [amd(f"0000:{bus}:00.0", "AMD INSTINCT MI250X", "740c", "gfx90a", 68702699520,
                     f"GPU-2a8f5e3c0000000{n + 1}", 128 + n) for n, bus in enumerate(("c1", "c6"))]},
    "mixed": {
        "nvidia": driver("550.54.15", "12.4"), "amd": {**AMDGPU, "driver_version": "6.10.5", "rocm_version": None},
        "gpus": [nvidia(0, "0000:81:00.0", "NVIDIA L40S", "26b9", "8.9"),
                 amd("0000:05:00.0", "AMD Instinct MI300X OAM", "74a1", "gfx942", 206141652992, f"GPU-{77:016x}", 128,
                     partition="QPX", partitions=4)]},
    "wsl2": {
        "system": {**SYSTEM, "kernel": "5.15.167.4-microsoft-standard-WSL2", "cpu_level": "x86-64-v3", "wsl2": True},
        "nvidia": {**NO_DRIVER, "installed": True, "library": True,
                   "library_path": "/usr/lib/wsl/lib/libcuda.so.1.1", "driver_root": "/"},
        "gpu_count": None},
    "jetson": {
        "system": {**SYSTEM, "kernel": "5.15.136-tegra", "architecture": "aarch64", "cpu_model": None, "cpu_level": None,
                   "jetson": "36.3.0", "board": "NVIDIA Jetson AGX Orin Developer Kit"},
        "nvidia": {**NO_DRIVER, "installed": True, "library": True,
                   "library_path": "/usr/lib/aarch64-linux-gnu/nvidia/libcuda.so.1.1", "driver_root": "/"},
        "gpus": [{**dict.fromkeys(nvidia(0, "", "", "", "")), "vendor": "nvidia",
                  "name": "NVIDIA Jetson AGX Orin Developer Kit", "architecture": "8.7", "mig": False, "mig_instances": 0}]},
    "mismatch": {
        "nvidia": driver("535.129.03", "12.4", library_version="550.54.15", library_path=f"{LIB}/libcuda.so.550.54.15",
                         agree=False),
        "gpus": [nvidia(0, "0000:17:00.0", "NVIDIA A10", "2236", "8.6")]},
    "operator": {
        "nvidia": driver("550.54.15", "12.4", driver_root="/run/nvidia/driver",
                         library_path=f"/run/nvidia/driver{LIB}/libcuda.so.550.54.15"),
        "gpus": [nvidia(0, "0000:17:00.0", "NVIDIA H100 NVL", "2321", "9.0")]},
    "no_gpu": {"system": {**SYSTEM, "cpu_level": "x86-64-v2"}},
}


def expected(name):
    plain = {"system": SYSTEM, "isolation": ISOLATION, "nvidia": NO_DRIVER, "amd": NO_AMD, "gpus": [], "networks": [],
             "engines": [], "cdi_specs": []}
    whole = {**plain, **EXPECTED[name]}
    return {"gpu_count": len(whole["gpus"]), **whole}


def values(node):
    """Facts become their values, None where unknown; evidence goes."""
    if isinstance(node, list):
        return [values(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node and node.keys() <= {"value", "evidence", "unknown"}:
        return node.get("value")
    return {key: values(item) for key, item in node.items()}


def facts(node, place="$"):
    if isinstance(node, list):
        for number, item in enumerate(node):
            yield from facts(item, f"{place}[{number}]")
    elif isinstance(node, dict):
        if node and node.keys() <= {"value", "evidence", "unknown"}:
            yield place, node
        else:
            for key, item in node.items():
                yield from facts(item, f"{place}.{key}")


class Host(harness.Case):
    def machine(self, name):
        return hosts.make(name, self.path(name))

    def profile(self, name, *more):
        return self.flense("host", "--root", self.machine(name), "--json", *more).json

    def test_one_order_of_amd_gpus(self):
        """amd-ctk's, whatever the numbers of KFD nodes: host, specification and run mean the same card by an index."""
        root = self.path("reversed")
        hosts.reversed_kfd(hosts.Host(root))
        gpus = self.flense("host", "--root", root, "--json").json["gpus"]
        self.assertEqual([(gpu["pci_address"]["value"], gpu["partitions"].get("value")) for gpu in gpus],
                         [("0000:05:00.0", 1), ("0000:15:00.0", 2), ("0000:25:00.0", 1), ("0000:03:00.0", None)])
        self.assertEqual([gpu["minor"].get("value") for gpu in gpus], [160, 152, 144, None])
        made = self.flense("cdi", "generate", "--root", root).json
        nodes = {device["name"]: [node["path"] for node in device["containerEdits"]["deviceNodes"]] for device in made["devices"]}
        wanted = {"0": 160, "1": 152, "2": 153, "3": 144, "4": 150}
        for name, render in wanted.items():
            self.assertIn(f"/dev/dri/renderD{render}", nodes[name])
            self.assertEqual(len([path for path in nodes[name] if path.startswith("/dev/dri/renderD")]), 1)
        self.assertNotIn("5", nodes)
        for address, names in {"0000:05:00.0": "0", "0000:15:00.0": "12", "0000:25:00.0": "3", "0000:03:00.0": "4"}.items():
            self.assertEqual(set(nodes[address]), {node for name in names for node in nodes[name]})
        image, _ = fixtures.sample_archive(self.work)
        for number, (asked, render) in enumerate([(f"device={name}", render) for name, render in wanted.items()] +
                                                 [("0000:05:00.0", 160), ("GPU-4acf2b7a3cf2f5d2", 144)]):
            config = self.bundle(f"bundle{number}", "--root", root, "--gpus", asked, image)
            bound = {mount["destination"] for mount in config["mounts"]}
            self.assertEqual({path for path in bound if path.startswith("/dev/dri/renderD")}, {f"/dev/dri/renderD{render}"})

    def bundle(self, name, *words):
        if why := test_run.why_not():
            self.skipTest(why)
        self.flense("run", "--bundle", self.path(name), "--isolate", "--no-preflight", "--security-opt", "seccomp=unconfined", *words, "sh")
        with open(self.path(f"{name}/config.json"), encoding="utf-8") as config:
            return json.load(config)

    def test_every_fact_of_every_machine(self):
        self.maxDiff = None
        self.assertEqual(set(EXPECTED), set(hosts.ALL))
        for name in hosts.ALL:
            with self.subTest(name):
                profile = self.profile(name)
                self.assertEqual(schema.complaints(profile, "flense/host/v1"), [])
                found = values(profile)
                self.assertEqual((found.pop("schema"), found.pop("source")), ("flense/host/v1", "this"))
                flags = found["system"].pop("cpu_flags")
                self.assertIn("asimd" if name == "jetson" else "sse2", flags)
                del found["flense"], found["notices"]
                self.assertEqual(found, expected(name))

    def test_every_fact_has_evidence_or_a_reason(self):
        for name in hosts.ALL:
            for place, fact in facts(self.profile(name)):
                with self.subTest(f"{name} {place}"):
                    text = fact["evidence"] if "value" in fact else fact["unknown"]
                    self.assertTrue(text)
                    self.assertNotIn(self.work, text)

    def test_notices(self):
        self.assertEqual([n for name in hosts.ALL if name != "mismatch" for n in self.profile(name)["notices"]], [])
        notice, = self.profile("mismatch")["notices"]
        for part in ("535.129.03", "550.54.15", "803"):
            self.assertIn(part, notice)
        root = self.machine("h100")
        os.unlink(os.path.join(root, "dev/nvidia-uvm"))
        notice, = self.flense("host", "--root", root, "--json").json["notices"]
        self.assertIn("/dev/nvidia-uvm is missing", notice)

    def test_parts_may_lie_elsewhere(self):
        root, other = self.machine("no_gpu"), self.machine("h100")
        moved = [word for part in ("proc", "sys", "dev") for word in (f"--{part}", os.path.join(other, part))]
        profile = values(self.flense("host", "--root", root, *moved, "--json").json)
        self.assertEqual(profile["gpu_count"], 2)
        self.assertEqual(profile["nvidia"]["module_version"], "535.129.03")
        self.assertIsNone(profile["nvidia"]["library_version"])

    def test_table(self):
        text = self.flense("host", "--root", self.machine("h100")).out
        for part in ("NVIDIA H100 80GB HBM3", "80 GiB", "535.129.03", "12.2", "mlx5_0", "0:10 1:21", "x86-64-v4",
                     "2.5 GT/s x16 of 32.0 GT/s x16", "docker", "/proc/driver/nvidia/version"):
            self.assertIn(part, text)
        self.assertIn("3 MIG", self.flense("host", "--root", self.machine("a100_mig")).out)
        self.assertIn("QPX, 4", self.flense("host", "--root", self.machine("mixed"), "-v").out)
        self.assertIn("note: the NVIDIA kernel module", self.flense("host", "--root", self.machine("mismatch"), "-q").out)
        self.assertIn("WSL2", self.flense("host", "--root", self.machine("wsl2")).out)
        self.assertIn("none", self.flense("host", "--root", self.machine("no_gpu")).out)

    def test_build_args(self):
        def words(name):
            out = shlex.split(self.flense("host", "--root", self.machine(name), "--build-args").out)
            self.assertEqual(set(out[::2]), {"--build-arg"})
            return dict(word.split("=", 1) for word in out[1::2])
        self.assertEqual(words("h100"), {"FLENSE_GPU": "sm_90", "CUDAARCHS": "90", "CMAKE_CUDA_ARCHITECTURES": "90",
                                         "TORCH_CUDA_ARCH_LIST": "9.0", "CUDA_VERSION": "12.2",
                                         "NVIDIA_DRIVER_VERSION": "535.129.03", "CPU_MARCH": "x86-64-v4",
                                         "CPU_AVX": "avx512", "MAX_JOBS": "4"})
        mixed = words("mixed")
        self.assertEqual(mixed["FLENSE_GPU"], "sm_89,gfx942")
        self.assertEqual((mixed["PYTORCH_ROCM_ARCH"], mixed["AMDGPU_TARGETS"]), ("gfx942", "gfx942"))
        self.assertEqual(self.flense("host", "--root", self.machine("no_gpu"), "--build-args", expect=4).out, "")
        self.assertIn("WSL2", self.flense("host", "--root", self.machine("wsl2"), "--build-args", expect=4).err)
        root = self.machine("rtx4090")
        hosts.Host(root).file("proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: NVIDIA Example 1\n")
        unknown = self.flense("host", "--root", root, "--build-args", expect=5)
        self.assertIn("NVIDIA Example 1", unknown.err)

    def test_build_args_of_a_fleet(self):
        fleet = self.path("fleet.json")
        older = self.flense("host", "--root", self.machine("rtx4090"), "--json").json
        older["system"]["cpu_level"] = {"value": "x86-64-v3", "evidence": "by hand"}
        older["system"]["cpu_flags"] = {"value": ["avx", "avx2"], "evidence": "by hand"}
        with open(fleet, "w") as out:
            json.dump([self.flense("host", "--root", self.machine("h100"), "--json").json, older], out)
        out = self.flense("host", "--host", fleet, "--build-args")
        self.assertEqual(out.err, "")
        for word in ("CUDAARCHS=89;90", "CPU_MARCH=x86-64-v3", "CPU_AVX=avx2", "CUDA_VERSION=12.2"):
            self.assertIn(f"--build-arg {word}\n", out.out)
        # What a word tells is the GPU alone: the processor is then not that of the others.
        partly = self.flense("host", "--host", fleet, "--host", "l4@550.54.15", "--build-args")
        self.assertIn("FLENSE_GPU=sm_89,sm_90", partly.out)
        self.assertNotIn("CPU_MARCH", partly.out)
        self.assertIn("left out CPU_MARCH: the processor of 'l4@550.54.15' is unknown", partly.err)
        self.assertIn("one host", self.flense("host", "--host", fleet, "--labels", expect=2).err)

    def test_labels(self):
        def labels(name):
            out = self.flense("host", "--root", self.machine(name), "--labels").out.split()
            for word in out:
                self.assertRegex(word, r"^flense\.dev/[a-z0-9._-]{1,63}=[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")
            return dict(word.removeprefix("flense.dev/").split("=") for word in out)
        self.assertEqual(labels("h100"), {
            "gpu.count": "2", "gpu.sm_90": "true", "gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.driver": "535.129.03",
            "nvidia.cuda": "12.2", "cpu": "x86-64-v4", "libc": "glibc-2.35"})
        self.assertEqual(labels("a100_mig")["gpu.mig"], "true")
        self.assertEqual(labels("mismatch")["nvidia.driver-mismatch"], "true")
        self.assertLessEqual({"gpu.sm_89", "gpu.gfx942"}, set(labels("mixed")))

    def test_hostile_machines_cost_nothing(self):
        root = self.machine("h100")
        secret = self.path("secret")
        with open(secret, "w", encoding="utf-8") as out:
            out.write("NVRM version: Kernel Module  666.66.66\n")
        version = os.path.join(root, "proc/driver/nvidia/version")
        os.unlink(version)
        os.symlink(secret, version)
        os.unlink(os.path.join(root, "sys/module/nvidia/version"))
        os.mkfifo(os.path.join(root, "sys/module/nvidia/version"))
        information = os.path.join(root, "proc/driver/nvidia/gpus/0000:17:00.0/information")
        with open(information, "w", encoding="utf-8") as out:
            out.write("Model: \x1b[2J$(reboot) `x`\n" + "x" * 100000)
        with open(os.path.join(root, "proc/cpuinfo"), "wb") as out:
            out.write(os.urandom(100000))
        done = self.flense("host", "--root", root, "--json", timeout=60)
        self.assertNotIn("666.66.66", done.out)
        self.assertNotIn("\x1b", self.flense("host", "--root", root).out)
        self.assertNotIn("$(", self.flense("host", "--root", root, "--labels").out)

    def test_a_profile_is_read_as_it_was_written(self):
        for name in hosts.ALL:
            profile = self.profile(name)
            file = self.path(f"{name}.json")
            with open(file, "w", encoding="utf-8") as out:
                json.dump(profile, out)
            again = self.flense("host", "--host", file, "--json").json
            self.assertEqual({**again, "source": "this"}, profile)
            self.assertEqual(again["source"], file)
            for form in ("--labels", "--build-args"):
                self.assertEqual(self.flense("host", "--host", file, form, expect=None).out,
                                 self.flense("host", "--root", self.machine(name), form, expect=None).out)

    def test_a_machine_in_words(self):
        profile = self.flense("host", "--host", "h100@550.54.15", "--json").json
        self.assertEqual(schema.complaints(profile, "flense/host/v1"), [])
        found = values(profile)
        self.assertEqual(found["nvidia"], {"module_version": "550.54.15", "library_version": "550.54.15", "agree": True,
                                           "cuda": "12.4"})
        self.assertEqual(found["gpus"], [{"vendor": "nvidia", "name": "H100", "architecture": "9.0"}])
        self.assertEqual(found["system"], {})
        self.assertIn("12.4", self.flense("host", "--host", "h100@550.54.15").out)
        self.assertIn("h100", self.flense("host", "--host", "h1000@550.54.15", expect=2).err)
        self.assertIn("550.54.14", self.flense("host", "--host", "h100@550", expect=2).err)
        self.assertIn("which vendor", self.flense("host", "--host", "h100,mi300x@550.54.15", expect=2).err)
        self.flense("host", "--host", "h100", "--root", "/", expect=2)
        self.flense("host", "--host", self.path("missing.json"), expect=3)
        plan = self.path("plan.json")
        with open(plan, "w", encoding="utf-8") as out:
            out.write('{"schema": "flense/plan/v1"}')
        self.assertIn("flense/plan/v1", self.flense("host", "--host", plan, expect=3).err)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as out:
            out.write(text if isinstance(text, str) else json.dumps(text))
        return self.path(name)

    def kubernetes(self, count):
        return {"kind": "List", "items": [
            {"kind": "Node", "metadata": {"name": f"gpu-{i:03}", "labels": {
                "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu.count": "8",
                "nvidia.com/gpu.compute.major": "9", "nvidia.com/gpu.compute.minor": "0",
                "nvidia.com/cuda.driver.major": "550", "nvidia.com/cuda.driver.minor": "54",
                "nvidia.com/cuda.driver.rev": "14" if i == 7 else "15"}},
             "status": {"nodeInfo": {"kernelVersion": "5.15.0"}}} for i in range(1, count + 1)]}

    def test_the_nodes_of_a_cluster(self):
        nodes = self.write("nodes.json", self.kubernetes(12))
        table = self.flense("host", "--host", nodes, expect=1).out
        self.assertIn("550.54.14", table)
        self.assertIn("gpu-[001-006,008-012]", table)
        fleet = self.flense("host", "--compare", nodes, "--json", expect=1).json
        self.assertEqual(schema.complaints(fleet, "flense/fleet/v1"), [])
        self.assertEqual((fleet["count"], fleet["architectures"]), (12, ["sm_90"]))
        self.assertEqual([row["fact"] for row in fleet["drift"]], ["NVIDIA driver", "libcuda"])
        profiles = self.flense("host", "--host", nodes, "--json").json
        self.assertEqual([p["source"] for p in profiles], [f"gpu-{i:03}" for i in range(1, 13)])
        self.assertEqual([c for p in profiles for c in schema.complaints(p, "flense/host/v1")], [])
        again = self.flense("host", "--host", self.write("again.json", profiles), "--json").json
        self.assertEqual(again, profiles)
        slurm = self.write("slurm.txt", "NODELIST GRES AVAIL_FEATURES\nn[1-3] gpu:a100:8 x\n")
        self.assertIn("3 hosts: equal", self.flense("host", "--host", slurm).out)

    def test_compare(self):
        equal = ["h100@550.54.15", "h100@550.54.15"]
        self.assertIn("2 hosts: equal", self.flense("host", "--compare", *equal).out)
        self.assertIn("2 hosts: equal", self.flense("host", *(f"--host={one}" for one in equal)).out)
        drift = self.flense("host", "--compare", "h100@550.54.15", "aws:p4d.24xlarge@535.129.03", expect=1).out
        self.assertIn("--gpu sm_80,sm_90", drift)
        self.assertIn("12.2", drift)
        # The same machine, one fact of it unknown.
        profile = self.profile("h100")
        profile["source"] = "other"
        profile["system"]["kernel"] = {"unknown": "nobody looked"}
        other = self.write("other.json", profile)
        self.assertIn("equal in what is known",
                      self.flense("host", "--root", self.machine("h100"), "--compare", "this", other, expect=5).out)
        self.flense("host", "--compare", "h100@550.54.15", expect=2)
        self.flense("host", "--compare", *equal, "--labels", expect=2)
        self.flense("host", *(f"--host={one}" for one in equal), "--labels", expect=2)
        self.assertIn("aws:p5.48xlarge", self.flense("host", "--host", "aws:p5.48xlrge", expect=2).err)

    def test_asking_the_driver(self):
        folder = self.path("bin")
        os.mkdir(folder)
        tool = os.path.join(folder, "nvidia-smi")

        def smi(script):
            with open(tool, "w") as out:
                out.write("#!/bin/sh\n" + script)
            os.chmod(tool, 0o755)
        path = {"PATH": folder + ":" + os.environ["PATH"]}
        smi('[ "$1" = topo ] && exit 1\necho "0, 00000000:FE:1F.0, GPU-1, NVIDIA H100, 9.0, 81559, Default, Enabled, Disabled, 550.54.15"\n')
        profile = self.flense("host", "--ask-driver", "--json", env=path).json
        self.assertEqual(schema.complaints(profile, "flense/host/v1"), [])
        self.assertIn("0000:fe:1f.0", "".join(profile["notices"]))
        smi("echo NVIDIA-SMI has failed\nexit 9\n")
        failed = self.flense("host", "--ask-driver", env=path, expect=4)
        self.assertIn("status 9: NVIDIA-SMI has failed", failed.err)
        self.assertEqual(failed.out, "")
        for arguments in (["--root", folder], ["--host", "h100@550.54.15"]):
            self.assertIn("another machine", self.flense("host", "--ask-driver", *arguments, expect=2).err)

    def test_wrong_usage(self):
        self.flense("host", "--json", "--labels", expect=2)
        self.flense("host", "there", expect=2)
        self.flense("host", "--root", self.path("nowhere"), expect=3)

    def test_this_machine(self):
        profile = self.flense("host", "--json").json
        self.assertEqual(schema.complaints(profile, "flense/host/v1"), [])
        self.assertEqual(profile["system"]["kernel"]["value"], os.uname().release)
        self.assertEqual(profile["system"]["architecture"]["value"], os.uname().machine)


if __name__ == "__main__":
    harness.main()
