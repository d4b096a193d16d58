"""Machines made of files: what the kernel and the distributions of real GPU hosts show in /proc,
/sys, /dev and /etc, written down by hand. No vendor bytes; libraries are ELF headers, device nodes
are the stand-ins of src/host/tree.h. All but "mismatch" and "no_gpu" are in good health."""

import json
import os
import struct

NVRM = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  {}  Thu Oct 19 18:56:32 UTC 2023\n"
NVRM_OPEN = ("NVRM version: NVIDIA UNIX Open Kernel Module for {}  {}  Release Build  (dvs-builder@U16)  "
             "Tue Mar  5 22:15:33 UTC 2024\n")
FLAGS = {
    1: "fpu cx8 cmov mmx fxsr sse sse2 syscall nx lm",
    2: "pni ssse3 cx16 sse4_1 sse4_2 popcnt lahf_lm",
    3: "fma movbe avx f16c abm bmi1 avx2 bmi2",
    4: "avx512f avx512dq avx512cd avx512bw avx512vl",
}
LIB = "usr/lib/x86_64-linux-gnu"
MACHINES = {"x86_64": (62, 0x0303), "aarch64": (183, 0x0a03)}  # e_machine, flags in ld.so.cache
USER, VIDEO, RENDER = 1000, 44, 109
# Programs that Debian and Ubuntu have on every machine.
PROGRAMS = ("apt-get", "systemctl", "modprobe", "usermod", "ldconfig", "dmesg", "update-initramfs")
MAJORS = {"nvidia": 195, "drm": 226, "kfd": 236, "nvidia-caps": 508, "nvidia-uvm": 511}


def elf_header(arch):
    """The first 64 bytes of a shared library."""
    return b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack("<HH", 3, MACHINES[arch][0]).ljust(48, b"\0")


def loader_cache(paths, arch):
    """What ldconfig writes for these libraries."""
    flags, table, strings = MACHINES[arch][1], 48 + 24 * len(paths), b""
    entries = b""
    for path in paths:
        name = os.path.basename(path).encode() + b"\0"
        entries += struct.pack("<IIIIQ", flags, table + len(strings), table + len(strings) + len(name), 0, 0)
        strings += name + path.encode() + b"\0"
    return b"glibc-ld.so.cache1.1" + struct.pack("<IIB3x16x", len(paths), len(strings), 2) + entries + strings


class Host:
    """A root directory with /proc, /sys and /dev in it."""

    def __init__(self, root):
        self.root = root

    def file(self, path, text=""):
        whole = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        with open(whole, "wb") as out:
            out.write(text if isinstance(text, bytes) else text.encode())

    def node(self, name, major, minor, mode=0o666, gid=0):
        self.file(f"dev/{name}", f"c {major} {minor} {mode:04o} 0 {gid}")

    def libraries(self, folder, names, version, arch="x86_64"):
        """Files named by version, the links that programs ask for, and the loader's cache."""
        for name in names:
            self.file(f"{folder}/{name}.{version}", elf_header(arch))
            self.link(f"{folder}/{name}.1", f"{name}.{version}")

    def cache(self, *paths, arch="x86_64"):
        self.file("etc/ld.so.cache", loader_cache(paths, arch))

    def link(self, path, target):
        whole = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        os.symlink(target, whole)

    def base(self, kernel="5.15.0-105-generic", distribution=("ubuntu", "22.04", "Ubuntu 22.04.4 LTS"), level=4, cpus=4,
             glibc="2.35", arch="x86_64"):
        self.file("proc/sys/kernel/osrelease", kernel + "\n")
        self.file("proc/sys/kernel/arch", arch + "\n")
        flags = " ".join(FLAGS[n] for n in range(1, level + 1))
        if arch == "x86_64":
            self.file("proc/cpuinfo", "".join(
                f"processor\t: {n}\nvendor_id\t: GenuineIntel\nmodel name\t: Example CPU\nflags\t\t: {flags}\n\n"
                for n in range(cpus)))
        else:
            self.file("proc/cpuinfo", "".join(
                f"processor\t: {n}\nFeatures\t: fp asimd evtstrm aes\nCPU implementer\t: 0x41\n\n" for n in range(cpus)))
        self.file("proc/meminfo", "MemTotal:       65536000 kB\nMemFree:         1000 kB\n")
        self.file("proc/filesystems", "nodev\tsysfs\nnodev\tproc\n\text4\nnodev\toverlay\n\tfuseblk\nnodev\tfuse\n")
        self.file("proc/sys/user/max_user_namespaces", "256000\n")
        self.file("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n")
        self.file("dev/fuse")
        self.file("proc/self/status", f"Name:\tpython3\nUid:\t{USER}\t{USER}\t{USER}\t{USER}\n"
                                      f"Gid:\t{USER}\t{USER}\t{USER}\t{USER}\nGroups:\t{VIDEO} {RENDER} {USER} \n")
        self.file("proc/self/limits", "Max locked memory         unlimited            unlimited            bytes     \n")
        self.file("proc/devices", "Character devices:\n  1 mem\n" +
                  "".join(f"{major} {name}\n" for name, major in MAJORS.items()) + "\nBlock devices:\n  8 sd\n")
        self.file("proc/1/comm", "systemd\n")
        self.file("etc/group", f"root:x:0:\nvideo:x:{VIDEO}:\nrender:x:{RENDER}:\n")
        os.makedirs(os.path.join(self.root, "sys/bus/pci/devices"), exist_ok=True)
        ident, version, pretty = distribution
        self.file("usr/lib/os-release", f'PRETTY_NAME="{pretty}"\nID={ident}\nVERSION_ID="{version}"\n')
        self.link("etc/os-release", "../usr/lib/os-release")
        libdir = f"usr/lib/{arch}-linux-gnu"
        self.link("lib", "usr/lib")
        for program in PROGRAMS:
            self.file(f"usr/bin/{program}")
        self.file(f"{libdir}/libc.so.6", f"\x7fELF…GNU C Library (Example) stable release version {glibc}.\n")

    def pci(self, address, vendor, device, kind, driver="", numa=0, speed=("16.0", "16.0"), width=(16, 16), port=16):
        """A function as sysfs shows it: a directory below its port's under devices/, a link under bus/pci."""
        top = "devices/pci0000:00/0000:00:01.0"
        self.file(f"sys/{top}/max_link_width", f"{port}\n")
        folder = f"sys/{top}/{address}"
        self.file(f"{folder}/config", bytes.fromhex(vendor)[::-1] + bytes.fromhex(device)[::-1])
        self.file(f"{folder}/vendor", f"0x{vendor}\n")
        self.file(f"{folder}/device", f"0x{device}\n")
        self.file(f"{folder}/class", f"0x{kind}\n")
        self.file(f"{folder}/numa_node", f"{numa}\n")
        self.file(f"{folder}/current_link_speed", f"{speed[0]} GT/s PCIe\n")
        self.file(f"{folder}/max_link_speed", f"{speed[1]} GT/s PCIe\n")
        self.file(f"{folder}/current_link_width", f"{width[0]}\n")
        self.file(f"{folder}/max_link_width", f"{width[1]}\n")
        if driver:
            self.file(f"sys/bus/pci/drivers/{driver}/bind")
            self.link(f"{folder}/driver", f"../../../../bus/pci/drivers/{driver}")
        self.link(f"sys/bus/pci/devices/{address}", f"../../../{top}/{address}")
        return folder

    def nvidia_driver(self, module, library=None, opened=False, root="", libdir=LIB, arch="x86_64", cached=True):
        text = NVRM_OPEN.format(arch, module) if opened else NVRM.format(module)
        self.file("proc/driver/nvidia/version", text + "GCC version:  gcc version 12.2.0\n")
        self.file("sys/module/nvidia/version", module + "\n")
        self.file("sys/module/nvidia_uvm/refcnt", "1\n")
        self.node("nvidiactl", MAJORS["nvidia"], 255)
        self.node("nvidia-uvm", MAJORS["nvidia-uvm"], 0)
        self.node("nvidia-uvm-tools", MAJORS["nvidia-uvm"], 1)
        names = ("libcuda.so", "libnvidia-ml.so", "libnvidia-ptxjitcompiler.so")
        self.libraries(os.path.join(root, libdir), names, library or module, arch)
        if cached:
            self.cache(*(f"/{libdir}/{name}.1" for name in names), arch=arch)

    def nvidia_gpu(self, address, minor, model, device, gi=(), kind="030200", uuid=None, **pci):
        self.pci(address, "10de", device, kind, "nvidia", **pci)
        uuid = uuid or f"GPU-{minor:08x}-1111-2222-3333-444444444444"
        self.file(f"proc/driver/nvidia/gpus/{address}/information",
                  f"Model: \t\t {model}\nIRQ:   \t\t 115\nGPU UUID: \t {uuid}\nVideo BIOS: \t 96.00.74.00.01\n"
                  f"Bus Type: \t PCIe\nDMA Size: \t 52 bits\nDMA Mask: \t 0xfffffffffffff\nBus Location: \t {address}\n"
                  f"Device Minor: \t {minor}\nGPU Firmware: \t 535.129.03\nGPU Excluded:\t No\n")
        self.node(f"nvidia{minor}", MAJORS["nvidia"], minor)
        for number in gi:
            folder = f"proc/driver/nvidia/capabilities/gpu{minor}/mig/gi{number}"
            # As mig-minors counts: 135 capabilities a GPU, nine an instance.
            for place, cap in ((folder, 3 + 135 * minor + 9 * number), (f"{folder}/ci0", 4 + 135 * minor + 9 * number)):
                self.file(f"{place}/access", f"DeviceFileMinor: {cap}\nDeviceFileMode: 292\nDeviceFileModify: 1\n")
                self.node(f"nvidia-caps/nvidia-cap{cap}", MAJORS["nvidia-caps"], cap, 0o444)

    def amd_gpu(self, address, device, nodes, name, vram, kind="120000", partition=None, **pci):
        """nodes: (number, gfx_target_version, unique_id, render minor, bytes) for each KFD node of the card."""
        folder = self.pci(address, "1002", device, kind, "amdgpu", **pci)
        self.file(f"{folder}/product_name", name + "\n")
        self.file(f"{folder}/mem_info_vram_total", f"{vram}\n")
        if partition:
            self.file(f"{folder}/current_compute_partition", partition + "\n")
        bus = int(address[5:7], 16) << 8 | int(address[8:10], 16) << 3 | int(address[11:], 16)
        for place, (number, gfx, unique, render, memory) in enumerate(nodes):
            # The kernel makes a platform device of each further partition.
            self.drm(folder if place == 0 else f"sys/devices/platform/amdgpu_xcp_{place - 1}", number, render)
            self.kfd_node(number, f"simd_count 304\ngfx_target_version {gfx}\nvendor_id 4098\nlocation_id {bus}\n"
                                  f"domain {int(address[:4], 16)}\ndrm_render_minor {render}\nunique_id {unique}\n", memory)

    def drm(self, device, card, render):
        """The display and render node of a device below sys/."""
        for name, minor, gid in ((f"card{card}", card, VIDEO), (f"renderD{render}", render, RENDER)):
            self.file(f"{device}/drm/{name}/dev", f"{MAJORS['drm']}:{minor}\n")
            self.node(f"dri/{name}", MAJORS["drm"], minor, 0o660, gid)

    def kfd_node(self, number, properties, memory=0):
        folder = f"sys/class/kfd/kfd/topology/nodes/{number}"
        self.file(f"{folder}/properties", properties)
        self.file(f"{folder}/mem_banks/0/properties", f"heap_type {1 if memory else 0}\nsize_in_bytes {memory or 1 << 36}\n")

    def amd_driver(self, version=None):
        self.node("kfd", MAJORS["kfd"], 0, 0o660, RENDER)
        self.file("sys/module/amdgpu/refcnt", "1\n")
        if version:
            self.file("sys/module/amdgpu/version", version + "\n")
        self.kfd_node(0, "cpu_cores_count 96\nsimd_count 0\ngfx_target_version 0\nlocation_id 0\n")

    def numa(self, *rows):
        for number, row in enumerate(rows):
            self.file(f"sys/devices/system/node/node{number}/distance", row + "\n")

    def infiniband(self, name, address, layer="InfiniBand", rate="400 Gb/sec (4X NDR)", numa=0):
        self.pci(address, "15b3", "1021", "020700", "mlx5_core", numa=numa, speed=("32.0", "32.0"))
        folder = f"sys/class/infiniband/{name}"
        self.link(f"{folder}/device", f"../../../devices/pci0000:00/0000:00:01.0/{address}")
        self.node("infiniband/uverbs0", 231, 192)
        self.file("sys/module/nvidia_peermem/refcnt", "0\n")
        self.file(f"{folder}/fw_ver", "28.39.1002\n")
        self.file(f"{folder}/ports/1/link_layer", layer + "\n")
        self.file(f"{folder}/ports/1/state", "4: ACTIVE\n")
        self.file(f"{folder}/ports/1/rate", rate + "\n")

    def packages(self, *pairs):
        self.file("var/lib/dpkg/status", "\n".join(
            f"Package: {name}\nStatus: install ok installed\nVersion: {version}\n" for name, version in pairs))

    def cdi(self, path, version, minors, libdir=LIB):
        """As nvidia-ctk cdi generate writes it."""
        nodes = "".join(f"  - containerEdits:\n      deviceNodes:\n        - path: /dev/nvidia{n}\n    name: \"{n}\"\n" for n in minors)
        self.file(path, f"---\ncdiVersion: 0.5.0\ncontainerEdits:\n  deviceNodes:\n    - path: /dev/nvidiactl\n"
                        f"    - path: /dev/nvidia-uvm\n  mounts:\n    - containerPath: /{libdir}/libcuda.so.{version}\n"
                        f"      hostPath: /{libdir}/libcuda.so.{version}\n      options: [ro, nosuid, nodev]\n"
                        f"devices:\n{nodes}kind: nvidia.com/gpu\n")


def h100(host):
    host.base()
    host.nvidia_driver("535.129.03")
    host.numa("10 21", "21 10")
    host.nvidia_gpu("0000:17:00.0", 0, "NVIDIA H100 80GB HBM3", "2330", speed=("32.0", "32.0"))
    host.nvidia_gpu("0000:c1:00.0", 1, "NVIDIA H100 80GB HBM3", "2330", numa=1, speed=("2.5", "32.0"))
    host.infiniband("mlx5_0", "0000:18:00.0")
    host.packages(("docker-ce", "5:27.3.1-1~ubuntu.22.04~jammy"), ("containerd.io", "1.7.22-1"),
                  ("nvidia-container-toolkit-base", "1.17.9-1"))
    for program in ("dockerd", "containerd", "nvidia-ctk", "nvidia-container-runtime", "nvidia-container-runtime-hook"):
        host.file(f"usr/bin/{program}")
    host.file("etc/docker/daemon.json", '{"runtimes": {"nvidia": {"path": "nvidia-container-runtime"}}}')
    host.cdi("var/run/cdi/nvidia.yaml", "535.129.03", (0, 1))
    host.file("run/nvidia-persistenced/socket")


def a100_mig(host):
    host.base(level=3)
    host.nvidia_driver("550.54.15", opened=True)
    for minor in range(8):
        # The first two are cut into instances.
        host.nvidia_gpu(f"0000:{0x07 + 8 * minor:02x}:00.0", minor, "NVIDIA A100-SXM4-40GB", "20b0",
                        gi=(3, 4, 5) if minor == 0 else (1,) if minor == 1 else ())
    for number in range(6):
        host.pci(f"0000:{0xc0 + number:02x}:00.0", "10de", "1af1", "068000", "nvidia-nvswitch")
    host.packages(("nvidia-fabricmanager-550", "550.54.15-1"))
    host.file("usr/bin/nv-fabricmanager")
    host.file("proc/1812/comm", "nv-fabricmanage\n")


def rtx4090(host):
    host.base(kernel="6.8.0-45-generic", distribution=("ubuntu", "24.04", "Ubuntu 24.04.1 LTS"), level=3, glibc="2.39")
    host.file("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n")
    host.nvidia_driver("560.35.03", opened=True)
    host.nvidia_gpu("0000:01:00.0", 0, "NVIDIA GeForce RTX 4090", "2684", kind="030000", numa=-1, speed=("2.5", "16.0"))
    host.file("usr/bin/podman")
    host.file("usr/bin/nvidia-ctk")
    host.packages(("podman", "4.9.3+ds1-1ubuntu0.2"), ("nvidia-container-toolkit-base", "1.17.8-1"))
    host.cdi("etc/cdi/nvidia.yaml", "560.35.03", (0,))


def laptop(host):
    host.base(kernel="6.1.0-25-amd64", distribution=("debian", "12", "Debian GNU/Linux 12 (bookworm)"), level=3, glibc="2.36")
    # Debian's alternatives: the loader's directory holds links only.
    host.nvidia_driver("535.183.01", libdir=LIB + "/nvidia/current", cached=False)
    names = ("libcuda.so.1", "libnvidia-ml.so.1", "libnvidia-ptxjitcompiler.so.1")
    for name in names:
        host.link(f"etc/alternatives/glx--{name}-x86_64-linux-gnu", f"/{LIB}/nvidia/current/{name}")
        host.link(f"{LIB}/{name}", f"/etc/alternatives/glx--{name}-x86_64-linux-gnu")
    host.cache(*(f"/{LIB}/{name}" for name in names))
    host.pci("0000:00:02.0", "8086", "46a6", "030000", "i915")
    host.nvidia_gpu("0000:01:00.0", 0, "NVIDIA GeForce RTX 4060 Laptop GPU", "28e0", kind="030200", numa=-1,
                    width=(8, 16), speed=("2.5", "16.0"), port=8, uuid="GPU-????????-????-????-????-????????????")


def mi300x(host):
    host.base(level=4)
    host.amd_driver("6.10.5")
    for number in range(2):
        host.amd_gpu(f"0000:{0x05 + 0x10 * number:02x}:00.0", "74a1",
                     [(1 + number, 90402, 0x4acf2b7a3cf2f5d0 + number, 128 + 8 * number, 206141652992)],
                     "AMD Instinct MI300X OAM", 206141652992, partition="SPX", speed=("32.0", "32.0"), numa=number)
    host.file("opt/rocm/.info/version", "6.3.1-48\n")


def reversed_kfd(host):
    """Cards whose KFD nodes count against their PCI addresses, the middle one cut in two, and a display at the lowest address."""
    host.base(level=4)
    host.amd_driver("6.10.5")
    host.pci("0000:03:00.0", "1002", "7422", "030000", "amdgpu")
    host.drm("sys/bus/pci/devices/0000:03:00.0", 9, 150)
    for number, (address, nodes) in enumerate((("0000:05:00.0", (4,)), ("0000:15:00.0", (3, 2)), ("0000:25:00.0", (1,)))):
        host.amd_gpu(address, "74a1", [(node, 90402, 0x4acf2b7a3cf2f5d0 + number, 160 - 8 * number + part, 103070826496) for part, node in enumerate(nodes)],
                     "AMD Instinct MI300X OAM", 206141652992, partition="DPX" if len(nodes) > 1 else "SPX")


def mi250x(host):
    """Each card is two functions, each with a node of its own."""
    host.base(level=3)
    host.amd_driver()
    for number, address in enumerate(("0000:c1:00.0", "0000:c6:00.0")):
        host.amd_gpu(address, "740c", [(1 + number, 90010, 0x2a8f5e3c00000001 + number, 128 + number, 68702699520)],
                     "AMD INSTINCT MI250X", 68702699520, kind="038000")


def mixed(host):
    host.base()
    host.nvidia_driver("550.54.15")
    host.nvidia_gpu("0000:81:00.0", 0, "NVIDIA L40S", "26b9")
    host.amd_driver("6.10.5")
    # A card in four partitions: four nodes, one function.
    host.amd_gpu("0000:05:00.0", "74a1", [(1 + n, 90402, 77 + n, 128 + n, 51535413248) for n in range(4)],
                 "AMD Instinct MI300X OAM", 206141652992, partition="QPX")


def wsl2(host):
    host.base(kernel="5.15.167.4-microsoft-standard-WSL2", level=3)
    host.node("dxg", 10, 125)
    host.pci("8d2c:00:00.0", "1414", "008e", "030200", "dxgkrnl", numa=-1)
    for name in ("libcuda.so.1.1", "libdxcore.so", "libnvidia-ml.so.1", "nvidia-smi"):
        host.file(f"usr/lib/wsl/lib/{name}", elf_header("x86_64"))
    host.link("usr/lib/wsl/lib/libcuda.so.1", "libcuda.so.1.1")
    host.cache("/usr/lib/wsl/lib/libcuda.so.1")
    host.file("usr/lib/wsl/drivers/nv_dispi.inf_amd64_0afec3f2050014a0/libcuda.so.1.1", elf_header("x86_64"))


def jetson(host):
    host.base(kernel="5.15.136-tegra", arch="aarch64")
    host.file("etc/nv_tegra_release", "# R36 (release), REVISION: 3.0, GCID: 36923193, BOARD: generic, EABI: aarch64, "
                                      "DATE: Fri Jul 19 23:24:25 UTC 2024\n")
    host.file("proc/device-tree/model", "NVIDIA Jetson AGX Orin Developer Kit\0")
    host.file("proc/device-tree/compatible", "nvidia,p3737-0000+p3701-0000\0nvidia,p3701-0000\0nvidia,tegra234\0")
    host.file("usr/lib/aarch64-linux-gnu/nvidia/libcuda.so.1.1", elf_header("aarch64"))
    host.link("usr/lib/aarch64-linux-gnu/nvidia/libcuda.so.1", "libcuda.so.1.1")
    host.cache("/usr/lib/aarch64-linux-gnu/nvidia/libcuda.so.1", arch="aarch64")
    lists = "etc/nvidia-container-runtime/host-files-for-container.d"
    host.file(f"{lists}/devices.csv", "dev, /dev/nvmap\ndev, /dev/nvhost-*\ndev, /dev/nvgpu/igpu0/*\n")
    host.file(f"{lists}/drivers.csv", "lib, /usr/lib/aarch64-linux-gnu/nvidia/libcuda.so.1.1\n"
                                      "sym, /usr/lib/aarch64-linux-gnu/nvidia/libcuda.so.1\n")
    for name, major, minor in (("nvmap", 10, 120), ("nvhost-gpu", 501, 0), ("nvgpu/igpu0/ctrl", 505, 0)):
        host.node(name, major, minor, 0o660, VIDEO)


def mismatch(host):
    host.base()
    host.nvidia_driver("535.129.03", library="550.54.15")
    host.nvidia_gpu("0000:17:00.0", 0, "NVIDIA A10", "2236")


def operator(host):
    """The GPU operator's driver container: nothing of NVIDIA's in the host's own directories."""
    host.base()
    host.nvidia_driver("550.54.15", root="run/nvidia/driver", cached=False)
    host.cache()
    host.nvidia_gpu("0000:17:00.0", 0, "NVIDIA H100 NVL", "2321")


def no_gpu(host):
    host.base(level=2)
    host.pci("0000:00:02.0", "1234", "1111", "030000")


ALL = {maker.__name__: maker for maker in
       (h100, a100_mig, rtx4090, laptop, mi300x, mi250x, mixed, wsl2, jetson, mismatch, operator, no_gpu)}


def make(name, root):
    if not os.path.exists(root):
        ALL[name](Host(root))
    return root


def kubernetes_nodes(path, count, driver):
    """Writes what `kubectl get nodes -o json` prints of H100 nodes; driver(number) gives the three parts
    of each driver's version. No two nodes are equal."""
    items = []
    for number in range(count):
        major, minor, revision = driver(number)
        labels = {"kubernetes.io/arch": "amd64", "kubernetes.io/hostname": f"gpu-{number:04}",
                  "nvidia.com/gpu.present": "true", "nvidia.com/gpu.count": "8", "nvidia.com/gpu.memory": "81559",
                  "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu.compute.major": "9",
                  "nvidia.com/gpu.compute.minor": "0", "nvidia.com/cuda.driver.major": major,
                  "nvidia.com/cuda.driver.minor": minor, "nvidia.com/cuda.driver.rev": revision,
                  "feature.node.kubernetes.io/cpu-cpuid.AVX512F": "true"}
        items.append({"kind": "Node", "metadata": {"name": f"gpu-{number:04}", "labels": labels},
                      "status": {"nodeInfo": {"kernelVersion": f"5.15.0-{number}", "osImage": "Ubuntu 22.04.4 LTS",
                                              "architecture": "amd64", "operatingSystem": "linux",
                                              "containerRuntimeVersion": "containerd://1.7.22"},
                                 "capacity": {"nvidia.com/gpu": "8"}}})
    with open(path, "w", encoding="utf-8") as out:
        json.dump({"apiVersion": "v1", "kind": "List", "items": items}, out)
    return path
