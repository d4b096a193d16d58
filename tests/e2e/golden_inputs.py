"""What the golden cases read: images, trees, machines and files, of which each byte is made here and by fixtures.py and
hosts.py, so that nothing depends on a compiler, a compressor or the machine."""

import base64
import hashlib
import json
import os
import shutil
import struct
import tarfile
import zlib

import elf_writer
import fixtures
import golden_files
import golden_machines
import harness
import hosts
import test_slim_rocm as rocm
from fixtures import CUBIN, PTX, noise

SITE = "usr/lib/python3/dist-packages"
CUDA = "usr/local/cuda-12.4"
GLIBC = [("libc.so.6", "GLIBC_2.34"), ("libc.so.6", "GLIBC_2.2.5"), ("libstdc++.so.6", "GLIBCXX_3.4.30")]
INSTRUCTIONS = ["ADD rootfs / # base", "RUN /bin/sh -c apt-get install -y cuda-libraries-12-4", "RUN /bin/sh -c pip install torch",
                "COPY app /srv", "RUN /bin/sh -c rm -r /opt/deleted && chmod 755 /opt/model"]


def zstd_frame(content):
    """A frame of blocks that are stored as they are, or as one repeated byte."""
    out = struct.pack("<IBI", 0xFD2FB528, 0xa0, len(content))
    blocks = [content[at:at + 100_000] for at in range(0, len(content), 100_000)] or [b""]
    for number, block in enumerate(blocks):
        last = number == len(blocks) - 1
        same = len(set(block)) == 1
        out += struct.pack("<I", len(block) << 3 | same << 1 | last)[:3] + (block[:1] if same else block)
    return out


def gzip_file(content):
    """Stored, so that it is the same with any zlib."""
    packed = zlib.compressobj(0, zlib.DEFLATED, -15)
    body = packed.compress(content) + packed.flush()
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + body + struct.pack("<II", zlib.crc32(content), len(content) & 0xffffffff)


def packed_entry(arch, content, suffix=""):
    """A cubin as nvcc --compress-mode stores it: one frame of Zstandard."""
    frame = zstd_frame(content)
    made = bytearray(fixtures.entry(CUBIN, arch, frame, suffix))
    flags, = struct.unpack_from("<Q", made, 40)
    struct.pack_into("<I", made, 16, len(frame))
    struct.pack_into("<Q", made, 40, flags | 0x8000)
    struct.pack_into("<Q", made, 56, len(content))
    return bytes(made)


def code(name, archs, size=6000):
    """A region: an entry for each of "80", "90a", "ptx90", "z86" (compressed)."""
    entries = []
    for word in archs.split():
        kind = word.rstrip("0123456789a")
        arch, suffix = int(word.removeprefix(kind).rstrip("a")), "a" if word.endswith("a") else ""
        seed = f"{name}{word}"
        if kind == "ptx":
            text = f".version 8.4\n.target sm_{arch}\n".encode() + noise(seed, size // 2).hex().encode()
            entries.append(fixtures.entry(PTX, arch, text))
        elif kind == "z":
            entries.append(packed_entry(arch, fixtures.cubin_payload(seed, size // 2) + b"\0" * size))
        else:
            entries.append(fixtures.entry(CUBIN, arch, fixtures.cubin_payload(seed, size), suffix))
    return fixtures.region(entries)


def compressed_bundle(plain):
    """Version 2 with zlib, which only stores: as clang-offload-bundler -compress writes it."""
    body = zlib.compress(plain, 0)
    digest = hashlib.md5(plain, usedforsecurity=False).digest()[:8]
    return b"CCOB" + struct.pack("<HHII", 2, 0, 24 + len(body), len(plain)) + digest + body


class Tree:
    """Files of a layer, with the folders that lead to them."""

    def __init__(self):
        self.layer, self.seen, self.files = fixtures.Layer(), set(), {}

    def parents(self, path):
        folder = os.path.dirname(path)
        if folder and folder not in self.seen:
            self.parents(folder)
            self.seen.add(folder)
            self.layer.folder(folder)

    def add(self, path, data, mode=0o644, **more):
        data = data.encode() if isinstance(data, str) else data
        self.parents(path)
        self.files[path] = data
        self.layer.file(path, data, mode, **more)
        return self

    def link(self, path, target):
        self.parents(path)
        self.layer.symlink(path, target)
        return self

    def elf(self, path, *words, **more):
        return self.add(path, elf_writer.library(os.path.basename(path), *words, **more), 0o755)

    def wheel(self, name, version, files=(), metadata="", tag="cp311-cp311-linux_x86_64"):
        """Its METADATA, WHEEL and RECORD over files that are there already."""
        info = f"{SITE}/{name}-{version}.dist-info"
        self.add(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n{metadata}")
        self.add(f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: false\nTag: {tag}\n")
        rows = ""
        for path in sorted(path for path in self.files if path.startswith(tuple(f"{SITE}/{file}" for file in [*files, name]))):
            digest = base64.urlsafe_b64encode(hashlib.sha256(self.files[path]).digest()).rstrip(b"=").decode()
            rows += f"{path.removeprefix(SITE + '/')},sha256={digest},{len(self.files[path])}\n"
        return self.add(f"{info}/RECORD", rows + f"{name}-{version}.dist-info/RECORD,,\n")

    def done(self):
        return self.layer.done()


WASTE = """var/lib/apt/lists/deb.debian.org_main var/cache/apt/pkgcache.bin var/lib/dpkg/status-old root/.cache/pip/http/a
root/.cache/uv/b opt/conda/pkgs/zlib.conda root/.npm/_cacache/c var/log/apt/history.log tmp/left var/log/app.log
usr/src/cuda_12.4_linux.run opt/torch-2.4.whl root/data.tar.gz srv/.git/objects/pack CUDA/lib64/libcublas_static.a
usr/lib/x86_64-linux-gnu/libm.a CUDA/include/cuda_fp16.h usr/include/stdio.h CUDA/bin/nvcc opt/nvidia/nsight-compute/ncu
CUDA/samples/one.cu CUDA/lib64/stubs/libcuda.so usr/share/doc/bash/README usr/share/man/man1/ls.1.gz
usr/share/locale/de/LC_MESSAGES/x.mo usr/lib/cmake/Find.cmake usr/lib/debug/a.debug root/.triton/cache/abc/kernel.cubin
root/.nv/ComputeCache/0/index SITE/torch/__pycache__/a.cpython-311.pyc SITE/torch/a.pyi SITE/torch/tests/test_a.py
usr/lib/gcc/x86_64-linux-gnu/12/cc1 usr/lib/x86_64-linux-gnu/libnccl.so.2 usr/lib/x86_64-linux-gnu/libmkl_avx2.so.2
srv/data/train.parquet root/.netrc root/.cache/huggingface/token""".replace("CUDA", CUDA).replace("SITE", SITE).split()
DPKG = [("libc6", "2.36-9+deb12u8", ["usr/lib/x86_64-linux-gnu/libc.so.6", "usr/lib/x86_64-linux-gnu/libm.a"]),
        ("bash", "5.2.15-2", ["usr/bin/sh", "usr/share/doc/bash/README", "usr/share/doc/bash/copyright"]),
        ("cuda-cudart-12-4", "12.4.127-1", [f"{CUDA}/lib64/libcudart.so.12.4.127"])]


def base_layer():
    tree = Tree()
    tree.add("etc/os-release", 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')
    tree.add("etc/passwd", "root:x:0:0:root:/root:/bin/sh\napp:x:33:44::/srv:/bin/sh\n")
    tree.add("etc/group", "root:x:0:\nweb:x:44:\n")
    tree.add("usr/bin/sh", elf_writer.static_program(), 0o755).link("bin", "usr/bin").link("lib", "usr/lib").link("lib64", "usr/lib64")
    tree.elf("usr/lib64/ld-linux-x86-64.so.2")
    tree.elf("usr/lib/x86_64-linux-gnu/libc.so.6", debug=9000, comment="GNU C Library (Debian GLIBC 2.36-9+deb12u8) stable "
             "release version 2.36.\n", exports=("printf", "puts"), defines=["GLIBC_2.2.5", "GLIBC_2.34", "GLIBC_2.36"])
    tree.elf("usr/lib/x86_64-linux-gnu/libstdc++.so.6", ["libc.so.6"], GLIBC[:1], defines=["GLIBCXX_3.4.30"], imports=["printf"], debug=4000)
    tree.elf("usr/bin/python3.11", ["libc.so.6"], GLIBC[:2], imports=["printf"], interpreter="/lib64/ld-linux-x86-64.so.2")
    tree.link("usr/bin/python3", "python3.11").add("usr/share/doc/bash/copyright", "a licence that stays\n")
    for path in WASTE:
        if "cuda" not in path and SITE not in path:
            tree.add(path, noise(path, 3000 + 100 * len(path)))
    status = ""
    for name, version, files in DPKG:
        status += f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n" \
                  f"Description: {name} of tests\n\n"
        listed = [path for path in files if path in tree.files]
        tree.add(f"var/lib/dpkg/info/{name}.list", "".join(f"/{path}\n" for path in files))
        tree.add(f"var/lib/dpkg/info/{name}.md5sums", "".join(
            f"{hashlib.md5(tree.files[path], usedforsecurity=False).hexdigest()}  {path}\n" for path in listed))
    tree.add("var/lib/dpkg/status", status)
    tree.add("opt/deleted/one", noise("one", 20_000)).add("opt/replaced", noise("below", 30_000))
    tree.add("opt/model", noise("model", 40_000)).add("opt/opaque/old", noise("old", 20_000))
    return tree.done()


def cuda_layer():
    tree = Tree()
    for path in WASTE:
        if "cuda" in path:
            tree.add(path, noise(path, 3000 + 100 * len(path)))
    lib = f"{CUDA}/lib64"
    tree.elf(f"{lib}/libcudart.so.12.4.127", ["libc.so.6"], GLIBC[:1], exports=("cudaMalloc",), imports=["printf"])
    tree.link(f"{lib}/libcudart.so.12", "libcudart.so.12.4.127").link("usr/local/cuda", "cuda-12.4")
    tree.add(f"{lib}/libcublas.so.12.4.5.8", elf_writer.library(
        "libcublas.so.12", ["libc.so.6"], GLIBC[:1], [code("blas1", "50 70 80 86 90 90a ptx90"), code("blas2", "80 90"),
                                                      code("blas3", "60 z75 z80")], loose=[code("loose", "80 90")],
        exports=("cublasCreate_v2",), debug=6000), 0o755)
    tree.link(f"{lib}/libcublas.so.12", "libcublas.so.12.4.5.8")
    tree.add(f"{CUDA}/version.json", json.dumps({"cuda": {"name": "CUDA SDK", "version": "12.4.1"}}))
    tree.add("etc/ld.so.conf.d/cuda.conf", "/usr/local/cuda-12.4/lib64\n")
    tree.elf("usr/lib/x86_64-linux-gnu/libcudnn.so.9", ["libc.so.6"], GLIBC[:1], [code("cudnn", "70 80 90 ptx70")])
    tree.elf("usr/lib/x86_64-linux-gnu/libcuda.so.550.54.15")
    tree.add("usr/lib/x86_64-linux-gnu/libbroken.so", b"\x7fELF\x02\x01\x01" + noise("broken", 3000))
    return tree.done()


def python_layer():
    tree, hub = Tree(), "root/.cache/huggingface/hub/models--acme--tiny"
    cuda = ["libc.so.6", "libcudart.so.12", "libcublas.so.12", "libc10.so", "libabsent.so.3"]
    for path in WASTE:
        if SITE in path:
            tree.add(path, noise(path, 3000 + 100 * len(path)))
    tree.add(f"{SITE}/torch/version.py", "__version__ = '2.4.0+cu124'\ncuda: Optional[str] = '12.4'\nhip: Optional[str] = None\n")
    tree.add(f"{SITE}/torch/__init__.py", "import torch.version\n").add(f"{SITE}/torch/include/ATen/ATen.h", noise("aten", 4000))
    tree.elf(f"{SITE}/torch/lib/libc10.so", ["libc.so.6"], GLIBC[:1], imports=["printf"], debug=3000)
    tree.elf(f"{SITE}/torch/lib/libtorch_cuda.so", cuda, GLIBC, [code(f"torch{n}", "50 60 70 75 80 86 90 90a ptx90", 9000)
                                                                 for n in range(3)], imports=["cublasCreate_v2"],
             runpath="$ORIGIN:$ORIGIN/../../nvidia/cublas/lib", debug=20_000)
    tree.wheel("torch", "2.4.0+cu124", metadata="Requires-Dist: nvidia-cublas-cu12 (==12.4.5.8)\nRequires-Dist: numpy\n")
    tree.add(f"{SITE}/nvidia/cublas/lib/libcublas.so.12", elf_writer.library(
        "libcublas.so.12", ["libc.so.6"], GLIBC[:1], [code("blas1", "50 70 80 86 90 90a ptx90")], exports=("cublasCreate_v2",)), 0o755)
    tree.add(f"{SITE}/nvidia/cublas/include/cublas.h", noise("cublas", 3000))
    tree.wheel("nvidia_cublas_cu12", "12.4.5.8", ["nvidia/cublas"], tag="py3-none-manylinux2014_x86_64")
    tree.elf(f"{SITE}/numpy/core/_multiarray.cpython-311-x86_64-linux-gnu.so", ["libc.so.6"], GLIBC[:2], imports=["printf"], debug=2000)
    tree.add(f"{SITE}/numpy/__init__.py", "").wheel("numpy", "1.26.4")
    tree.elf(f"{SITE}/numba_like/jit.so", ["libc.so.6"], regions=[code("ptxonly", "ptx80")])
    same = noise("same content", 60_000)
    tree.add(f"{SITE}/acme/one.so", same).add(f"{SITE}/acme/two.so", same).add("opt/third", same)
    blob = hashlib.sha256(same).hexdigest()
    tree.add(f"{hub}/blobs/{blob}", same).add(f"{hub}/snapshots/main/model.bin", same).add(f"{hub}/refs/main", "main")
    return tree.done()


def application_layer():
    header = json.dumps({"w": {"dtype": "F32", "shape": [50, 100], "data_offsets": [0, 20_000]}}).encode()
    tree = Tree()
    tree.add("srv/app/main.py", "#!/usr/bin/python3\nimport torch\nprint(torch.cuda.is_available())\n", 0o755)
    tree.add("srv/model/model.safetensors", struct.pack("<Q", len(header)) + header + noise("weights", 20_000))
    tree.add("srv/model/pytorch_model.bin", b"\x80\x04\x95" + noise("pickle", 30_000))
    tree.add("opt/capable", noise("capable", 9000), 0o755,
             xattrs={"security.capability": bytes.fromhex("0100000200040000000000000000000000000000")})
    tree.add("opt/ünïcödé\x1b[31m", "unicode", 0o4750, uid=33, gid=33).add("opt/first-name", noise("linked", 8000))
    tree.layer.hardlink("opt/second-name", "opt/first-name")
    return tree.done()


def late_layer():
    layer = fixtures.Layer().folder("opt").file("opt/replaced", noise("above", 10_000)).whiteout("opt/deleted")
    layer.file("opt/model", noise("model", 40_000), 0o755)
    return layer.folder("opt/opaque").opaque("opt/opaque").file("opt/opaque/new", "new").done()


CONTAINER = {
    "Entrypoint": ["python3", "/srv/app/main.py"], "Cmd": ["--port", "8000"], "WorkingDir": "/srv", "User": "app",
    "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=compute,utility",
            "NVIDIA_REQUIRE_CUDA=cuda>=12.4 brand=tesla,driver>=470,driver<471", "CUDA_VERSION=12.4.1",
            "LD_LIBRARY_PATH=/usr/local/cuda/lib64"],
    "Labels": {"maintainer": "tests"}, "Healthcheck": {"Test": ["CMD", "python3", "-c", "pass"]}, "ExposedPorts": {"8000/tcp": {}}}


def rocm_layers():
    tree = Tree()
    for name in rocm.FOR_GFX942 + rocm.FOR_OTHERS + rocm.SHARED:
        tree.add(name, b"content of " + name.encode() * 20)
    tree.elf(rocm.LIBRARY, ["libc.so.6", "libamdhip64.so.6"], GLIBC[:1], bundles=[rocm.bundle()], imports=["printf"])
    tree.elf("opt/app/libpacked.so", ["libamdhip64.so.6"], bundles=[compressed_bundle(rocm.bundle())])
    tree.elf("opt/rocm-6.4.0/lib/libamdhip64.so.6", ["libc.so.6"], GLIBC[:1], debug=3000)
    tree.add("opt/rocm-6.4.0/.info/version", "6.4.0-47\n").add("opt/app/run.sh", "#!/bin/sh\nexec /opt/app/serve\n", 0o755)
    return [base_layer(), tree.done()]


def conda_layers():
    tree = Tree()
    library = elf_writer.library("libx.so", ["libc.so.6"], GLIBC[:1], [code("conda", "80 90 ptx90")], debug=5000)
    digest = hashlib.sha256(library).hexdigest()
    tree.add("opt/conda/lib/libx.so", library, 0o755).add("opt/conda/include/x.h", noise("x.h", 2000))
    tree.add("opt/conda/conda-meta/x-1.0-0.json", json.dumps({
        "name": "x", "version": "1.0", "build": "0", "channel": "conda-forge", "files": ["include/x.h", "lib/libx.so"],
        "paths_data": {"paths": [{"_path": "lib/libx.so", "sha256": digest, "sha256_in_prefix": digest, "size_in_bytes": len(library)},
                                 {"_path": "include/x.h", "sha256": hashlib.sha256(noise("x.h", 2000)).hexdigest()}]}}))
    sha1 = base64.b64encode(hashlib.sha1(library, usedforsecurity=False).digest()).decode()
    tree.add("usr/lib/libx.so", library, 0o755).add("usr/share/doc/x/README", noise("readme", 1000))
    tree.add("lib/apk/db/installed", f"P:x\nV:1.0-r0\nA:x86_64\nF:usr/lib\nR:libx.so\na:0:0:755\nZ:Q1{sha1}\nF:usr/share/doc/x\n"
             "R:README\nZ:Q1AAAA=\n\n")
    tree.add("etc/os-release", 'ID=alpine\nVERSION_ID=3.20.1\nPRETTY_NAME="Alpine Linux v3.20"\n')
    return [tree.done()]


def small_layer():
    """What is enough for a container that is never started."""
    tree = Tree()
    tree.add("etc/passwd", "root:x:0:0:root:/root:/bin/sh\napp:x:33:44::/srv:/bin/sh\n").add("etc/group", "root:x:0:\nweb:x:44:\n")
    tree.add("bin/sh", elf_writer.static_program(), 0o755).add("bin/serve", "#!/bin/sh\n", 0o755).add("srv/file", "x")
    for folder in ("proc", "sys", "dev", "tmp", "home", "root", "run", "usr", "usr/lib"):
        tree.parents(folder + "/x")
    return tree.done()


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as out:
        out.write(data if isinstance(data, bytes) else data.encode())


def layout(folder, layers, container):
    """An OCI layout with a layer of each compression, an image for another platform and an attestation."""
    def blob(data, **more):
        digest = hashlib.sha256(data).hexdigest()
        write(f"{folder}/blobs/sha256/{digest}", data)
        return {"digest": f"sha256:{digest}", "size": len(data), **more}

    def image(architecture, layers):
        config = {**fixtures.config_for(layers, INSTRUCTIONS[:len(layers)], []), "config": container, "architecture": architecture}
        kind, packers = "application/vnd.oci.image.layer.v1.tar", [("+gzip", gzip_file), ("+zstd", zstd_frame), ("", bytes)]
        rows = [blob(pack(layer), mediaType=kind + suffix) for layer, (suffix, pack) in zip(layers, packers * 3)]
        return blob(json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                                "config": blob(json.dumps(config).encode(), mediaType="application/vnd.oci.image.config.v1+json"),
                                "layers": rows}).encode(), mediaType="application/vnd.oci.image.manifest.v1+json",
                    platform={"architecture": architecture, "os": "linux"})

    first = image("amd64", layers)
    statement = blob(json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                                 "config": blob(b"{}", mediaType="application/vnd.oci.image.config.v1+json"),
                                 "layers": [blob(b'{"_type":"x"}', mediaType="application/vnd.in-toto+json")]}).encode(),
                     mediaType="application/vnd.oci.image.manifest.v1+json", platform={"architecture": "unknown", "os": "unknown"},
                     annotations={"vnd.docker.reference.digest": first["digest"], "vnd.docker.reference.type": "attestation-manifest"})
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
             "manifests": [first, image("arm64", layers[:1]), statement]}
    write(f"{folder}/index.json", json.dumps(index))
    write(f"{folder}/oci-layout", '{"imageLayoutVersion": "1.0.0"}')


def unpacked(layer, folder, below):
    """The files of a layer below a path, as a directory."""
    import io
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        for member in tar.getmembers():
            if member.isreg() and member.name.startswith(below):
                path = os.path.join(folder, os.path.relpath(member.name, below))
                write(path, tar.extractfile(member).read())
                os.chmod(path, member.mode & 0o755)


SLURM = """NodeName=gpu001 Arch=x86_64 CoresPerSocket=32
   AvailableFeatures=h100,ib ActiveFeatures=h100,ib
   Gres=gpu:h100:8(S:0-1),shard:16
   OS=Linux 5.15.0-91-generic #101-Ubuntu SMP Tue Nov 14 13:30:08 UTC 2023
   RealMemory=2063000 AllocMem=0

NodeName=gpu002 Arch=x86_64
   Gres=gpu:8 ActiveFeatures=mi300x
NodeName=cpu1 Gres=(null) OS=Linux 5.14.0-1.el9.x86_64
NodeName=mig1 Gres=gpu:a100_3g.20gb:14
"""


def damaged(place):
    """Inputs that cannot be read."""
    with open(f"{place}/app.tar", "rb") as source:
        whole = source.read()
    write(f"{place}/bad/cut.tar", whole[:len(whole) // 3])
    write(f"{place}/bad/garbage.tar", noise("garbage", 5000))
    write(f"{place}/bad/empty.tar", b"")
    write(f"{place}/bad/text", "nothing that is known\n")
    write(f"{place}/bad/cut.so", elf_writer.library("libcut.so", regions=[code("cut", "80 90")])[:9000])
    layer = small_layer()
    fixtures.docker_archive(f"{place}/bad/digest.tar", [layer], ["ADD"])
    with open(f"{place}/bad/digest.tar", "rb") as source:
        data = source.read()
    write(f"{place}/bad/digest.tar", data.replace(b"app:x:33:44", b"app:x:33:45"))
    evil = fixtures.Layer().file("../escape", "x").done()
    fixtures.docker_archive(f"{place}/bad/escape.tar", [evil], ["ADD"])
    shutil.copytree(f"{place}/layout", f"{place}/bad/layout")
    for name in os.listdir(f"{place}/bad/layout/blobs/sha256")[:]:
        os.truncate(f"{place}/bad/layout/blobs/sha256/{name}", 10)
    for name, text in (("list.json", "[1, 2"), ("schema.json", '{"schema": "flense/slim/v1"}'), ("bomb.json", "[" * 5000)):
        write(f"{place}/bad/{name}", text)


def build(place):
    """Everything, below place."""
    app = [base_layer(), cuda_layer(), python_layer(), application_layer(), late_layer()]
    os.makedirs(place)
    fixtures.docker_archive(f"{place}/app.tar", app, INSTRUCTIONS, tag="test/app:1", container=CONTAINER)
    changed = {**CONTAINER, "Env": CONTAINER["Env"][:-1] + ["NEW=1"], "User": "root"}
    other = Tree().add("srv/app/main.py", "import os\n").add("srv/new", noise("new", 30_000))
    other.elf("srv/libnew.so", ["libc.so.6"], [("libc.so.6", "GLIBC_2.38")], [code("new", "100 ptx100")], imports=["printf"])
    fixtures.docker_archive(f"{place}/next.tar", [*app[:3], other.done()], [*INSTRUCTIONS[:3], "COPY next"], container=changed)
    fixtures.docker_archive(f"{place}/rocm.tar", rocm_layers(), INSTRUCTIONS[:2], command=["/opt/app/run.sh"], tag="test/rocm:1")
    fixtures.docker_archive(f"{place}/conda.tar", conda_layers(), ["ADD conda"], tag="test/conda:1")
    fixtures.docker_archive(f"{place}/small.tar", [small_layer()], ["ADD small"], command=["/bin/serve", "--all"])
    layout(f"{place}/layout", [*app[:1], *rocm_layers()[1:], app[3]], CONTAINER)
    unpacked(app[2], f"{place}/venv/lib/python3.11/site-packages", SITE)
    write(f"{place}/venv/pyvenv.cfg", "home = /usr/bin\nversion = 3.11.2\n")
    unpacked(rocm_layers()[1], f"{place}/rocmroot", "opt/")
    write(f"{place}/libfake.so.1", elf_writer.library("libfake.so.1", ["libc.so.6"], GLIBC[:1], [
        code(f"fake{n}", "70 80 86 90 90a 100 ptx90") for n in range(3)], debug=8000, exports=("answer", "other")))
    write(f"{place}/libplain.so.1", elf_writer.library("libplain.so.1", ["libc.so.6"], GLIBC[:1]))
    for name in hosts.ALL:
        hosts.make(name, f"{place}/hosts/{name}")
    hosts.kubernetes_nodes(f"{place}/nodes.json", 6, lambda n: ("580", "65", "06") if n % 3 else ("550", "54", "15"))
    write(f"{place}/slurm.txt", SLURM)
    write(f"{place}/keep.trace", "/srv/app/main.py\n/usr/bin/python3\n")
    shutil.copytree(os.path.join(harness.TOP, "examples/mistakes"), f"{place}/mistakes")
    damaged(place)
    golden_files.inputs(place, write)
    golden_machines.inputs(place, write)
    for folder, folders, files in os.walk(place):
        for name in folders + files:
            os.utime(os.path.join(folder, name), (fixtures.EPOCH, fixtures.EPOCH), follow_symlinks=False)
