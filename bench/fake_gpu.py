"""A machine with one GPU, made of files: the kernel's, device nodes, and a driver of as many libraries as a real one
has, each an ELF file of gcc's that needs the C library. For measuring; nothing of it is a vendor's."""

import os
import stat
import subprocess

import hosts

VERSION = "550.54.15"
LIB = "usr/lib/x86_64-linux-gnu"
# By SONAME, what the driver of that version brings for compute and utility.
LIBRARIES = ("libcuda.so.1", "libcudadebugger.so.1", "libnvidia-ml.so.1", "libnvidia-cfg.so.1", "libnvidia-gpucomp.so",
             "libnvidia-nvvm.so.4", "libnvidia-opencl.so.1", "libnvidia-ptxjitcompiler.so.1", "libnvidia-allocator.so.1",
             "libnvidia-pkcs11.so", "libnvidia-pkcs11-openssl3.so")
# Of the other capabilities: there, and not asked for.
OTHERS = ("libnvcuvid.so.1", "libnvidia-encode.so.1", "libnvidia-opticalflow.so.1", "libnvidia-ngx.so.1",
          "libnvidia-fbc.so.1", "libnvidia-glcore.so", "libnvidia-eglcore.so", "libnvidia-glsi.so", "libnvidia-glvkspirv.so",
          "libnvidia-rtcore.so", "libnvidia-tls.so", "libnvoptix.so.1", "libEGL_nvidia.so.0", "libGLX_nvidia.so.0",
          "libGLESv1_CM_nvidia.so.1", "libGLESv2_nvidia.so.2")
PROGRAMS = ("nvidia-smi", "nvidia-debugdump", "nvidia-cuda-mps-control", "nvidia-cuda-mps-server", "nvidia-persistenced")
NODES = {"nvidiactl": (195, 255), "nvidia0": (195, 0), "nvidia-uvm": (511, 0), "nvidia-uvm-tools": (511, 1),
         "nvidia-modeset": (195, 254)}
SOURCE = "#include <stdio.h>\nint answer(void) { char t[16]; return snprintf(t, sizeof t, \"%d\", 42); }\n"


def make(top, driver=None, nodes=None):
    """Below `top`; the driver's root and the one with its /dev elsewhere where that is said. Needs root for the
    device nodes: OSError where none can be made."""
    driver, nodes = driver or os.path.join(top, "driver"), nodes or os.path.join(top, "nodes")
    host = hosts.Host(top)
    host.base()
    host.file("proc/driver/nvidia/version", hosts.NVRM.format(VERSION))
    host.file("sys/module/nvidia/version", VERSION + "\n")
    host.nvidia_gpu("0000:17:00.0", 0, "NVIDIA H100 80GB HBM3", "2330")
    os.makedirs(os.path.join(nodes, "dev"), exist_ok=True)
    for name, (major, minor) in NODES.items():
        path = os.path.join(nodes, "dev", name)
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(major, minor))
        os.chmod(path, 0o666)
    folder = os.path.join(driver, LIB)
    os.makedirs(folder)
    for soname in LIBRARIES + OTHERS:
        name = soname[:soname.index(".so")]
        own = soname if not soname.endswith(".so") else f"{soname}.{VERSION}"
        path = os.path.join(folder, f"{name}.so.{VERSION}")
        subprocess.run(["gcc", "-x", "c", "-", "-O1", "-shared", "-fPIC", "-o", path, f"-Wl,-soname,{own}"],
                       input=SOURCE.encode(), check=True)
        if own != os.path.basename(path):
            os.symlink(os.path.basename(path), os.path.join(folder, own))
    hosts.Host(driver).file(f"lib/firmware/nvidia/{VERSION}/gsp_ga10x.bin", b"firmware")
    for program in PROGRAMS:
        hosts.Host(driver).file(f"usr/bin/{program}", "#!/bin/sh\n")
        os.chmod(os.path.join(driver, "usr/bin", program), 0o755)
