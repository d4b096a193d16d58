#!/usr/bin/env python3
"""Builds the project's real test images without a container engine.

    make-image.py NAME [--oci] [--force]

  clean  Debian, python3 and the dependency closure of PyTorch's CUDA build, nothing else
  fat    examples/pytorch-inference with the mistakes that people make
  small  a smaller CUDA image (CTranslate2, faiss, cuBLAS) for `make demo`
  cuda-cpp, cuda-cpp-one-stage
         examples/cuda-cpp by its Dockerfile, and by the one that beginners write
  models small models in eight formats and the frameworks that load them

  giant, giant-rocm
         more than 25 GB for CUDA and more than 20 GB for ROCm, as OCI layouts only: wheels, tree and layers
         are never on the disk all at once
  and those of bench/real_images.py: conda, devel, jax, onnx, rocm, tensorflow, torch12,
  torch24, trt, vllm

Needs root (owners, chroot); starts itself again through sudo otherwise. The images go to
$FLENSE_CACHE/images/NAME.tar (docker-archive, plain layers) and, with --oci, NAME.oci (OCI layout,
gzip layers), the wheels to $FLENSE_CACHE/wheels. FLENSE_CACHE defaults to ~/.cache/flense.
"""

import argparse
import contextlib
import email.utils
import fcntl
import glob
import json
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
sys.path.insert(0, HERE)
from imagebuild import builder, conda, dockerfile, index, jar, output, sandbox  # noqa: E402

# name: (build context, folder of wheels[, its Dockerfile])
IMAGES = {
    "cuda-cpp": ("examples/cuda-cpp", "cuda-cpp"),
    "cuda-cpp-one-stage": ("examples/cuda-cpp", "cuda-cpp", "Dockerfile.one-stage"),
    "clean": ("tests/images/clean", "torch"),
    "fat": ("examples/pytorch-inference", "torch"),
    "small": ("tests/images/small", "small"),
    "giant": ("tests/images/giant", "giant"),
    "giant-rocm": ("tests/images/giant-rocm", "giant-rocm"),
    **{name: (f"tests/images/{name}", name)
       for name in ("conda", "devel", "jax", "models", "onnx", "rocm", "tensorflow", "torch12", "torch24", "trt",
                    "vllm")},
}
# What compresses the layers of an image that is built as an OCI layout only, and the suffix of their media type.
PACKED = {"giant": (["zstd", "-q", "-1", "-T2"], "zstd"), "giant-rocm": (["zstd", "-q", "-1", "-T2"], "zstd")}
# What Debian 12's glibc 2.36 runs: pip takes such tags by name, not "this one and older".
PLATFORMS = [f"manylinux_2_{minor}" for minor in range(36, 4, -1)] + ["manylinux2014", "manylinux2010", "manylinux1"]


def wheel_present(folder, name, version):
    pattern = re.sub(r"[-_.]+", "_", name)
    return any(re.sub(r"[-_.]+", "_", os.path.basename(p)).lower().startswith(
        f"{pattern}_{re.sub(r'[-_.]+', '_', version)}_".lower()) for p in glob.glob(folder + "/*.whl"))


def fetch_wheels(requirements, folder):
    """Downloads what the pinned file names for the images' Python (3.11), whatever this machine's is."""
    os.makedirs(folder, exist_ok=True)
    with open(requirements, encoding="utf-8") as source:
        pins = re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", source.read(), re.M)
    missing = [name for name, version in pins if not wheel_present(folder, name, version)]
    if not missing:
        return
    builder.say(f"downloading {len(missing)} wheels to {folder}")
    arch = os.uname().machine
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
               "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311", "--abi", "abi3",
               "--abi", "none", "-d", folder, "-r", requirements]
    for name in PLATFORMS:
        command += ["--platform", f"{name}_{arch}"]
    subprocess.run(command, check=True)


def record(out, archive):
    """Writes and prints the digests by which results name this input."""
    text = ""
    if os.path.isfile(archive.path):
        text = f"sha256 {output.file_digest(archive.path)}\nsize {os.path.getsize(archive.path)}\n"
    text += "".join(f"layer sha256:{d} {size}\n" for d, _, size in archive.layers)
    with open(out + ".digests", "w", encoding="utf-8") as target:
        target.write(text)
    print(text, end="")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", choices=IMAGES)
    parser.add_argument("--oci", action="store_true", help="also write an OCI layout with gzip layers")
    parser.add_argument("--force", action="store_true", help="build again although the image exists")
    args = parser.parse_args()
    cache = os.path.abspath(os.environ.get("FLENSE_CACHE") or os.path.expanduser("~/.cache/flense"))
    if os.geteuid() != 0:
        os.execvp("sudo", ["sudo", f"FLENSE_CACHE={cache}", sys.executable, *sys.argv])
    context, wheels, file = (*IMAGES[args.image], "Dockerfile")[:3]
    context, wheels = os.path.join(TOP, context), os.path.join(cache, "wheels", wheels)
    out = os.path.join(cache, "images", args.image)

    packed = PACKED.get(args.image)
    result = out + (".oci" if packed else ".tar")

    def present():
        return not args.force and os.path.exists(result) and (not args.oci or os.path.exists(out + ".oci"))

    if not present():
        os.makedirs(cache, exist_ok=True)
        # One build at a time: the package index listens on a fixed port. Held until the process ends.
        lock = open(os.path.join(cache, "make-image.lock"), "w")  # noqa: SIM115
        fcntl.flock(lock, fcntl.LOCK_EX)
    if present():
        builder.say(f"{result} exists")
        return 0
    started = time.monotonic()
    os.makedirs(wheels, exist_ok=True)
    around_run = None
    if packed:
        @contextlib.contextmanager
        def around_run(text):
            """The wheels of a step are there while it runs."""
            names = re.findall(r"requirements[\w-]*\.txt", text)
            for name in names:
                fetch_wheels(os.path.join(context, name), wheels)
            yield
            for name in os.listdir(wheels) if names else []:
                os.unlink(os.path.join(wheels, name))
    else:
        for requirements in sorted(glob.glob(os.path.join(context, "requirements*.txt"))):
            fetch_wheels(requirements, wheels)
    fetch_wheels(os.path.join(TOP, "tests/images/pip.txt"), os.path.join(cache, "wheels", "pip"))
    server, url = index.serve([wheels], email.utils.formatdate(builder.EPOCH, usegmt=True))
    pip = glob.glob(os.path.join(cache, "wheels", "pip", "pip-*.whl"))[0]
    step_env = {
        "PIP_INDEX_URL": url, "PIP_TRUSTED_HOST": "127.0.0.1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore",
        "PIP_PROGRESS_BAR": "off", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8",
        # Byte code checked by source hash, not by a time stamp that the archive clamps.
        "SOURCE_DATE_EPOCH": str(builder.EPOCH), "PYTHONHASHSEED": "0",
        "PIP": "python3 /run/pip.whl/pip",
    }
    binds = [(pip, "/run/pip.whl")]
    if packed:
        binds, step_env = [*binds, (wheels, "/run/wheels")], {**step_env, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/run/wheels"}
    try:
        if os.path.exists(os.path.join(context, "packages.json")):
            builder.say("building the conda channel")
            more, env = conda.prepare(context, wheels, os.path.join(cache, "conda"), builder.EPOCH)
            binds, step_env = binds + more, {**step_env, **env}
        if os.path.exists(os.path.join(context, "jar.json")):
            with open(os.path.join(context, "jar.json"), encoding="utf-8") as source:
                spec = json.load(source)
            folder = os.path.join(cache, "jars", args.image)
            builder.say(f"taking libraries out of {spec['url']}")
            jar.libraries(spec, os.path.join(cache, "jars"), folder)
            binds = [*binds, (folder, "/run/libraries")]
        archive = builder.build_image(context, file, cache, out, f"flense-test/{args.image}:latest", step_env, binds, args.oci,
                                      packed, around_run)
    except (dockerfile.DockerfileError, sandbox.StepFailed, subprocess.CalledProcessError) as error:
        print(f"make-image: {error}", file=sys.stderr)
        return 1
    finally:
        server.shutdown()
        server.server_close()
    record(out, archive)
    if "SUDO_UID" in os.environ:
        subprocess.run(["chown", "-R", f"{os.environ['SUDO_UID']}:{os.environ['SUDO_GID']}", cache], check=True)
    builder.say(f"{result} in {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
