#!/usr/bin/env python3
"""Prunes real libraries of NVIDIA, PyTorch and others, CUDA 11 to 13, and checks each result.

  libraries.py [--only WORD] [--json FILE] [--markdown FILE]

Per library: `flense slim FILE --gpu …`; the rule and every extracted cubin and PTX
(cuobjdump_check.py prune); the matrix of `flense inspect` against cuobjdump, before and after;
loading in a process of its own, also after eu-strip, llvm-strip and patchelf; GNU strip, whose
result is told and not judged; readelf, objdump and gdb, which may complain of nothing that they do
not complain of in the original. Libraries for 64-bit ARM are loaded by their own loader under QEMU.

The wheels (11 GB) go to $FLENSE_CACHE/wheels, the libraries (18 GB) to $FLENSE_CACHE/libs; scratch
space of 5 GB in $TMPDIR or the cache. FLENSE_BINARY defaults to build/release/flense. Exit status 0
fine, 1 a check failed, 77 cuobjdump cannot be had.
"""

import argparse
import glob
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zipfile

import cuobjdump_check
import library_tools
import section_cover

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
CACHE = pathlib.Path(os.environ.get("FLENSE_CACHE", pathlib.Path.home() / ".cache/flense"))
FLENSE = pathlib.Path(os.environ.get("FLENSE_BINARY", TOP / "build/release/flense"))

# Folder of libraries: wheels whose libraries lie in it side by side, as a loader finds them. Wheels are for x86-64
# unless they say otherwise.
SETS = {
    "cu11": ["nvidia-cublas-cu11==11.11.3.6", "nvidia-cuda-runtime-cu11==11.8.89",
             "nvidia-cusparse-cu11==11.7.5.86", "nvidia-curand-cu11==10.3.0.86",
             "nvidia-cufft-cu11==10.9.0.58", "nvidia-cusolver-cu11==11.4.1.48",
             "nvidia-nccl-cu11==2.21.5"],
    "torch-cu11": ["torch==2.0.1", "nvidia-cudnn-cu11==8.5.0.96",
                   "nvidia-cuda-cupti-cu11==11.7.101", "nvidia-nvtx-cu11==11.7.91"],
    "cu12": ["nvidia-cublas-cu12==12.8.4.1", "nvidia-cuda-cupti-cu12==12.8.90",
             "nvidia-cuda-nvrtc-cu12==12.8.93", "nvidia-cuda-runtime-cu12==12.8.90",
             "nvidia-cudnn-cu12==9.10.2.21", "nvidia-cufft-cu12==11.3.3.83",
             "nvidia-cufile-cu12==1.13.1.3", "nvidia-curand-cu12==10.3.9.90",
             "nvidia-cusolver-cu12==11.7.3.90", "nvidia-cusparse-cu12==12.5.8.93",
             "nvidia-cusparselt-cu12==0.7.1", "nvidia-nccl-cu12==2.27.5",
             "nvidia-nvjitlink-cu12==12.8.93", "nvidia-nvshmem-cu12==3.4.5",
             "nvidia-nvtx-cu12==12.8.90", "torch==2.10.0"],
    "cu13": ["nvidia-cublas==13.4.1.3", "nvidia-cuda-cupti==13.2.86",
             "nvidia-cuda-nvrtc==13.2.86", "nvidia-cuda-runtime==13.2.86",
             "nvidia-cudnn-cu13==9.26.0.51", "nvidia-cufft==12.2.0.57",
             "nvidia-cufile==1.17.1.22", "nvidia-curand==10.4.3.29",
             "nvidia-cusolver==12.2.0.11", "nvidia-cusparse==12.7.10.12",
             "nvidia-cusparselt-cu13==0.8.1", "nvidia-nccl-cu13==2.30.7",
             "nvidia-nvjitlink==13.5.37", "nvidia-nvshmem-cu13==3.7.2",
             "nvidia-nvtx==13.2.86", "torch==2.15.0"],
    "bitsandbytes": ["bitsandbytes==0.50.2"],
    "ctranslate2": ["ctranslate2==4.8.5"],
    "cupy-cu11": ["cupy-cuda11x==13.6.0"],
    "cupy-cu12": ["cupy-cuda12x==14.2.0"],
    "cupy-cu13": ["cupy-cuda13x==14.2.0"],
    "faiss": ["faiss-gpu-cu12==1.14.1.post1"],
    "onnxruntime": ["onnxruntime-gpu==1.23.2"],
    # Device code in a writable segment, behind .bss.
    "rapids": ["libcudf-cu12==26.10.2", "libcuvs-cu12==26.10.0", "libcuml-cu12==26.10.0",
               "libraft-cu12==26.10.0", "libnvforest-cu12==26.10.0", "libkvikio-cu12==26.10.0",
               "librmm-cu12==26.10.0", "rapids-logger==0.3.0", "nvidia-libnvcomp-cu12==5.3.0.16",
               "nvidia-nvjitlink-cu12==12.9.86", "nvidia-cuda-nvrtc-cu12==12.9.86"],
    "torchvision": ["torchvision==0.25.0"],
    "arm64-cu12": ["nvidia-cublas-cu12==12.8.4.1@aarch64", "nvidia-cuda-runtime-cu12==12.8.90@aarch64",
                   "nvidia-curand-cu12==10.3.9.90@aarch64", "nvidia-cusparselt-cu12==0.7.1@aarch64",
                   "nvidia-nccl-cu12==2.27.5@aarch64"],
    "arm64-bitsandbytes": ["bitsandbytes==0.50.2@aarch64"],
    "arm64-cupy": ["cupy-cuda12x==14.2.0@aarch64"],
    "arm64-raft": ["libraft-cu12==26.10.0@aarch64"],
    "arm64-torch": ["torch==2.15.0@aarch64"],
}

# (publisher, CUDA major, set, library, further sets that it needs[, target])
LIBRARIES = [
    *[("NVIDIA", 11, "cu11", name, []) for name in (
        "libcublas.so.11", "libcublasLt.so.11", "libcufft.so.10", "libcurand.so.10",
        "libcusolver.so.11", "libcusparse.so.11", "libnccl.so.2")],
    # Built for sm_37 to sm_86: the target of the others would leave nothing that runs.
    ("PyTorch", 11, "torch-cu11", "libtorch_cuda.so", ["cu11"], "sm_80"),
    ("PyTorch", 11, "torch-cu11", "libtorch_cuda_linalg.so", ["cu11"], "sm_80"),
    *[("NVIDIA", 12, "cu12", name, []) for name in (
        "libcublas.so.12", "libcublasLt.so.12", "libcudnn_adv.so.9",
        "libcudnn_engines_precompiled.so.9", "libcudnn_ops.so.9", "libcufft.so.11",
        "libcurand.so.10", "libcusolver.so.11", "libcusparse.so.12", "libcusparseLt.so.0",
        "libnccl.so.2", "libnvshmem_host.so.3")],
    ("PyTorch", 12, "cu12", "libtorch_cuda.so", []),
    ("PyTorch", 12, "cu12", "libtorch_cuda_linalg.so", []),
    ("PyTorch", 12, "torchvision", "_C.so", ["cu12"]),
    *[("NVIDIA", 13, "cu13", name, []) for name in (
        "libcublas.so.13", "libcublasLt.so.13", "libcudnn_adv.so.9",
        "libcudnn_engines_precompiled.so.9", "libcudnn_ops.so.9", "libcufft.so.12",
        "libcurand.so.10", "libcusolver.so.12", "libcusparse.so.12", "libcusparseLt.so.0",
        "libnccl.so.2", "libnvshmem_host.so.3")],
    ("PyTorch", 13, "cu13", "libtorch_cuda.so", []),
    ("PyTorch", 13, "cu13", "libtorch_cuda_linalg.so", []),
    ("bitsandbytes", 11, "bitsandbytes", "libbitsandbytes_cuda118.so", ["cu11"]),
    ("bitsandbytes", 12, "bitsandbytes", "libbitsandbytes_cuda128.so", ["cu12"]),
    ("bitsandbytes", 13, "bitsandbytes", "libbitsandbytes_cuda130.so", ["cu13"]),
    ("CTranslate2", 12, "ctranslate2", "libctranslate2-a7a60d30.so.4.8.5", ["cu12"]),
    *[("CuPy", major, f"cupy-cu{major}", f"{name}.cpython-311-x86_64-linux-gnu.so",
       [f"cu{major}"]) for major in (11, 12, 13) for name in ("cub", "thrust")],
    ("faiss", 12, "faiss", "libfaiss-6b43fd57.so", ["cu12"]),
    *[("RAPIDS", 12, "rapids", name, ["cu12"]) for name in (
        "libcudf.so", "libcuvs.so", "libcuml.so", "libraft.so")],
    ("onnxruntime", 12, "onnxruntime", "libonnxruntime_providers_cuda.so", ["cu12"]),
    *[("NVIDIA", 12, "arm64-cu12", name, []) for name in (
        "libcublas.so.12", "libcublasLt.so.12", "libcurand.so.10", "libcusparseLt.so.0",
        "libnccl.so.2")],
    ("bitsandbytes", 12, "arm64-bitsandbytes", "libbitsandbytes_cuda128.so", ["arm64-cu12"]),
    ("CuPy", 12, "arm64-cupy", "cub.cpython-311-aarch64-linux-gnu.so", ["arm64-cu12"]),
    ("RAPIDS", 12, "arm64-raft", "libraft.so", ["arm64-cu12"]),
    ("PyTorch", 13, "arm64-torch", "libtorch_cuda.so", []),
]


class Failed(Exception):
    """A check found a difference."""


# --- wheels -------------------------------------------------------------------------------------

def wheel(pin):
    """The file of "name==version", or for another processor of "name==version@aarch64"."""
    pin, _at, machine = pin.partition("@")
    name, version = pin.split("==")
    pattern = f"{re.sub(r'[-_.]+', '_', name)}-{version}-*.whl"
    folder = CACHE / "wheels" / "libraries"

    def found():
        return [path for path in sorted(glob.glob(str(CACHE / "wheels" / "*" / pattern)))
                if path.endswith((f"_{machine or 'x86_64'}.whl", "-any.whl"))]

    if not found():
        folder.mkdir(parents=True, exist_ok=True)
        kinds = ("manylinux2014", *(f"manylinux_2_{minor}" for minor in range(17, 36)))
        platforms = [f"--platform={kind}_{machine}" for kind in kinds if machine]
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                        "--disable-pip-version-check", "--only-binary", ":all:",
                        "--python-version", "3.11", *platforms, "-d", str(folder), pin],
                       check=True)
    return found()[0]


def unpacked(name):
    """The folder of a set, with the libraries of all its wheels."""
    folder, seen = CACHE / "libs" / name, set()
    for pin in SETS[name]:
        with zipfile.ZipFile(wheel(pin)) as archive:
            for member in archive.infolist():
                base = os.path.basename(member.filename)
                if not re.search(r"\.so(\.[\w.]+)?$", base) or base in seen:
                    continue
                seen.add(base)
                target = folder / base
                if not (target.exists() and target.stat().st_size == member.file_size):
                    folder.mkdir(parents=True, exist_ok=True)
                    partial = folder / (base + ".partial")
                    with archive.open(member) as source, partial.open("wb") as to:
                        shutil.copyfileobj(source, to, 1 << 20)
                    partial.rename(target)
    return folder


def older_cuobjdump():
    """The cuobjdump of CUDA 12 that Triton ships: that of CUDA 13 refuses libraries with code for
    sm_35 or sm_37, and LZ4 compression as onnxruntime has it ("Invalid ELF")."""
    target = CACHE / "cuda-tools-12" / "cuobjdump"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(wheel("triton==3.6.0")) as archive:
            target.write_bytes(archive.read("triton/backends/nvidia/bin/cuobjdump"))
        target.chmod(0o755)


# --- checks -------------------------------------------------------------------------------------

def checked(command, what):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise Failed(f"{what}: {(done.stdout + done.stderr).strip()[-600:]}")
    return done.stdout


def check_matrix(path, scratch):
    report = scratch / "inspect.json"
    told = json.loads(checked([FLENSE, "inspect", path, "--json"], "inspect"))
    for file in told["device_code"]["files"]:
        file["path"] = path.name
    report.write_text(json.dumps(told))
    checked([sys.executable, HERE / "cuobjdump_check.py", "inspect", report, "--root",
             path.parent], f"matrix of {path.name}")
    return sum(row["count"] for file in told["device_code"]["files"] for row in file["entries"])


def why_unchanged(path, gpu):
    """flense's reasons for keeping the device code of a file as it is."""
    told = json.loads(checked([FLENSE, "inspect", path, "--gpu", gpu, "--json"], "inspect"))
    for file in told["device_code"]["files"]:
        prune = file["prune"]
        return prune["left_alone"] or ", ".join(prune["entry_bytes_by_reason"])
    return "no device code"


def damages(pruned):
    """(what, offset, bytes) of changes to a pruned library, each of which the check must see."""
    library = cuobjdump_check.Library(pruned)
    region = next(r for r in library.regions if r.section == ".nv_fatbin" and r.entries)
    entry = region.entries[-1]
    middle = entry.position + entry.header + entry.payload // 2
    yield "a byte of an entry", middle, bytes([library.data[middle] ^ 1])
    name, begin, offset, size = next(section_cover.sections_of(library))
    for address, content, _region in section_cover.gaps_of(library, begin, offset, size):
        yield f"padding of {name}", offset + address - begin + len(content) - 1, b"x"
        break
    for _name, kind, flags, _address, offset, size in library.sections:
        if kind == 4 and flags & 2:
            for at in range(offset, offset + size - 23, 24):
                if struct.unpack_from("<Q", library.data, at + 16)[0] == region.address:
                    yield "the pointer to a region", at + 16, struct.pack("<Q", region.address + 8)


def check_that_it_can_fail(original, pruned, gpu, scratch):
    command = [sys.executable, HERE / "cuobjdump_check.py", "prune", original]
    other = "75" if gpu != "75" else "80"
    wrong = [("another target", [*command, pruned, "--gpu", other, "--no-extract"])]
    for what, offset, content in damages(pruned):
        copy = scratch / f"damaged{len(wrong)}"
        shutil.copyfile(pruned, copy)
        with copy.open("r+b") as handle:
            handle.seek(offset)
            handle.write(content)
        wrong.append((what, [*command, copy, "--gpu", gpu, "--scratch", scratch]))
    for what, words in wrong:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode != 1 or "DIFFERENT" not in done.stdout:
            raise Failed(f"the check does not see {what}: {done.stdout}{done.stderr}")
    return [what for what, _words in wrong]


def check_readers(original, pruned, row):
    for name, command in library_tools.READERS.items():
        before = library_tools.complaints(command, original)
        if before is None:
            row[name] = "not installed"
            continue
        new = library_tools.complaints(command, pruned) - before
        if new:
            raise Failed(f"{name} complains: {sorted(new)[:4]}")
        row[name] = "clean"


def check_loading(original, pruned, directories, scratch, row):
    loader = library_tools.Loader(directories, scratch)
    row["original_loads"], before = loader.original(original)
    row["stubs"], row["answer"] = loader.stubs, before
    loaded, after = loader.once(pruned)
    if (loaded, after) != (row["original_loads"], before):
        raise Failed(f"loading: before '{before}', after '{after}'")
    if not loaded:
        row["loads"] = before
        return
    row["loads"] = "yes"
    for name, command in library_tools.REWRITERS.items():
        fine, what = library_tools.after_tool(command, pruned, loader, scratch)
        if fine is False or (fine and what != before):
            base = library_tools.after_tool(command, original, loader, scratch)
            if base[0]:
                raise Failed(f"after {name}: {what}")
            row[name] = f"the original neither: {base[1]}"
        else:
            row[name] = "loads" if fine else what
    for name, command in library_tools.GNU_STRIP.items():
        fine, what = library_tools.after_tool(command, pruned, loader, scratch)
        row[name] = "loads" if fine else what
        if fine is False and "strip, original" not in row:
            base, _what = library_tools.after_tool(command, original, loader, scratch)
            row["strip, original"] = "loads" if base else "breaks"


def check_library(entry, scratch, first):
    publisher, major, group, name, others, *target = entry
    gpu = target[0] if target else "sm_90"
    row = {"library": name, "set": group, "publisher": publisher, "cuda": major, "gpu": gpu}
    folders = [unpacked(group), *map(unpacked, others)]
    source = folders[0] / name
    (scratch / "in").mkdir()
    (scratch / "out").mkdir()
    original, pruned = scratch / "in" / name, scratch / "out" / name
    try:
        os.link(source, original)
    except OSError:
        shutil.copyfile(source, original)
    report = json.loads(checked([FLENSE, "slim", original, "--gpu", gpu, "-o", pruned, "--json",
                                 "--provenance", "none"], "slim"))
    row["before"], row["after"] = source.stat().st_size, pruned.stat().st_size
    with pruned.open("rb") as handle:
        handle.seek(32)
        row["headers_moved"] = struct.unpack("<Q", handle.read(8))[0] != 64
    row["left_alone"] = "; ".join(file["why"] for file in report["left_alone"])
    if row["after"] == row["before"]:
        row["left_alone"] = row["left_alone"] or why_unchanged(original, gpu)
    verdict = scratch / "verdict.json"
    text = checked([sys.executable, HERE / "cuobjdump_check.py", "prune", original, pruned, "--gpu",
                    gpu.removeprefix("sm_"), "--scratch", scratch, "--json", verdict], "prune")
    row["prune"], row["verdict"] = text.strip(), json.loads(verdict.read_text())
    if first:
        damaged = check_that_it_can_fail(original, pruned, gpu.removeprefix("sm_"), scratch)
        print(f"the check sees: {', '.join(damaged)}")
    row["entries"] = [check_matrix(original, scratch), check_matrix(pruned, scratch)]
    check_readers(original, pruned, row)
    check_loading(original, pruned, folders, scratch, row)
    return row


# --- output -------------------------------------------------------------------------------------

def gnu_strip(row):
    words = {"loads" if row.get(name) == "loads" else "breaks"
             for name in library_tools.GNU_STRIP if name in row}
    return "/".join(sorted(words)) or "-"


def markdown(rows):
    lines = ["| library | publisher | CUDA | target | MB before → after | entries kept | "
             "extracted, equal | loads | GNU strip |", "|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        if "failed" in row:
            lines.append(f"| {row['library']} | {row['publisher']} | {row['cuda']} | | "
                         f"FAILED: {row['failed']} |")
            continue
        verdict = row["verdict"]
        after = f"{row['after'] / 1e6:.1f}"
        if row["after"] == row["before"]:
            after = f"unchanged: {row['left_alone']}"
        lines.append(
            f"| {row['library']} | {row['publisher']} | {row['cuda']} | {row['gpu']} | "
            f"{row['before'] / 1e6:.1f} → {after} | {verdict['kept']} of "
            f"{verdict['kept'] + verdict['dropped']} | {verdict['extracted']} | {row['loads']} | "
            f"{gnu_strip(row)} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", default="", help="regular expression for set/library")
    parser.add_argument("--json", type=pathlib.Path, help="file for all results")
    parser.add_argument("--markdown", type=pathlib.Path, help="file for the table")
    arguments = parser.parse_args()
    if not FLENSE.exists():
        sys.exit(f"libraries: no {FLENSE} (make release, or set FLENSE_BINARY)")
    if subprocess.run([TOP / "scripts/fetch-cuda-tools.sh"], stdout=subprocess.DEVNULL,
                      check=False).returncode:
        sys.exit(77)
    older_cuobjdump()
    rows = []
    if arguments.json and arguments.json.exists():
        rows = json.loads(arguments.json.read_text())
    root = os.environ.get("TMPDIR", str(CACHE))
    first = not rows
    for entry in LIBRARIES:
        label = f"{entry[2]}/{entry[3]}"
        if not re.search(arguments.only, label):
            continue
        if entry[2].startswith("arm64") and not library_tools.can_load_arm64():
            print(f"{label}: not tried, needs scripts/setup.sh arm64")
            continue
        rows = [row for row in rows if (row["set"], row["library"]) != (entry[2], entry[3])]
        start = time.monotonic()
        with tempfile.TemporaryDirectory(dir=root, prefix="libraries-") as scratch:
            try:
                row = check_library(entry, pathlib.Path(scratch), first)
                first = False
                word = row["prune"]
            except (Failed, subprocess.CalledProcessError) as problem:
                row = {"library": entry[3], "set": entry[2], "publisher": entry[0],
                       "cuda": entry[1], "failed": str(problem)}
                word = f"FAILED {problem}"
        row["seconds"] = round(time.monotonic() - start, 1)
        print(f"{label} ({row['seconds']} s): {word}", flush=True)
        if "failed" not in row:
            print("   " + ", ".join(f"{key} {row[key]}" for key in (
                "before", "after", "left_alone", "entries", "loads", "answer", "stubs", "eu-strip",
                "llvm-strip", "patchelf", "strip -g", "strip -s", "readelf", "objdump", "gdb")
                if row.get(key) not in (None, "", [])), flush=True)
        rows.append(row)
        if arguments.json:
            arguments.json.write_text(json.dumps(rows, indent=1) + "\n")
    order = {(entry[2], entry[3]): at for at, entry in enumerate(LIBRARIES)}
    rows.sort(key=lambda row: order.get((row["set"], row["library"]), len(order)))
    if arguments.markdown:
        arguments.markdown.write_text(markdown(rows))
    failed = [row for row in rows if "failed" in row]
    print(f"{len(rows)} libraries, {len(failed)} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
