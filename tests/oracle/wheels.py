#!/usr/bin/env python3
"""What flense tells of real wheels, against cuobjdump, LLVM, readelf and the wheels themselves.

  wheels.py [--only WORD] [--json FILE] [--markdown FILE]

Each set of wheels is installed into a root directory that has this machine's C library beside it
(those for 64-bit ARM: that of Debian's cross compiler),
and judged by `flense inspect --json` and `flense check --requirements --json`:
  device code    files, architectures, counts and bytes (cuobjdump_check.py inspect), the newest PTX
                 version of each architecture in what cuobjdump extracts, AMD targets (amd_check.py)
  runtimes       names and versions, packages, the CUDA that PyTorch was built for, and who needs
                 which CUDA library (wheel_facts.py)
  requirements   CUDA, ROCm, the GPUs served and how, the newest PTX, the C library

Shares the wheels of libraries.py (1.5 GB more in $FLENSE_CACHE/wheels); scratch space of 6 GB in
$TMPDIR or the cache. FLENSE_BINARY defaults to build/release/flense. Exit status 0 all agree, 1 a
difference, 77 a tool cannot be had.
"""

import argparse
import copy
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile

import amd_check
import libraries
import wheel_checks
import wheel_facts
from wheel_checks import CHECKS, DIFFERENCES

SETS = {
    # The smallest with code of both vendors comes first: check_that_it_can_fail repeats checks.
    "bitsandbytes": ["bitsandbytes==0.50.2"],
    "torch-cu11": ["torch==2.0.1"],
    "torch-cu12": ["torch==2.10.0", "triton==3.6.0", "nvidia-cuda-runtime-cu12==12.8.90",
                   "nvidia-cudnn-cu12==9.10.2.21", "nvidia-nccl-cu12==2.27.5"],
    "torch-cu13": ["torch==2.15.0"],
    "nvidia-cu13": ["nvidia-cuda-runtime==13.2.86", "nvidia-cufft==12.2.0.57",
                    "nvidia-cusparse==12.7.10.12"],
    "torchvision": ["torchvision==0.25.0"],
    "tensorflow": ["tensorflow==2.21.0"],
    "jax-cu12": ["jax==0.10.2", "jax-cuda12-plugin==0.10.2", "jax-cuda12-pjrt==0.10.2"],
    "onnxruntime": ["onnxruntime-gpu==1.23.2"],
    "ctranslate2": ["ctranslate2==4.8.5"],
    "faiss": ["faiss-gpu-cu12==1.14.1.post1"],
    "cupy-cu11": ["cupy-cuda11x==13.6.0"],
    "cupy-cu12": ["cupy-cuda12x==14.2.0"],
    "cupy-cu13": ["cupy-cuda13x==14.2.0"],
    "cupy-rocm7": ["cupy-rocm-7-0==14.2.0"],
    "jax-rocm6": ["jax==0.5.0", "jax-rocm60-plugin==0.5.0", "jax-rocm60-pjrt==0.5.0"],
    "jax-rocm7": ["jax==0.10.2", "jax-rocm7-plugin==0.10.2", "jax-rocm7-pjrt==0.10.2"],
    # For 64-bit ARM.
    "arm64-bitsandbytes": ["bitsandbytes==0.50.2@aarch64"],
    "arm64-nvidia-cu12": ["nvidia-cuda-runtime-cu12==12.8.90@aarch64", "nvidia-curand-cu12==10.3.9.90@aarch64",
                          "nvidia-nccl-cu12==2.27.5@aarch64"],
    "arm64-torch-cu13": ["torch==2.15.0@aarch64"],
    "arm64-jax-cu12": ["jax==0.10.2", "jax-cuda12-plugin==0.10.2@aarch64", "jax-cuda12-pjrt==0.10.2@aarch64"],
    "arm64-cupy-cu12": ["cupy-cuda12x==14.2.0@aarch64"],
}
SITE = "usr/local/lib/python3.11/site-packages"


# --- the root directory -------------------------------------------------------------------------

def install(name, root):
    for pin in SETS[name]:
        with zipfile.ZipFile(libraries.wheel(pin)) as archive:
            archive.extractall(root / SITE)
    arm64 = name.startswith("arm64")
    loaders, libraries_in = ("lib", "lib/aarch64-linux-gnu") if arm64 else ("lib64", "lib/x86_64-linux-gnu")
    libc = wheel_checks.arm64_libc() if arm64 else wheel_checks.system_libc()
    for path in libc:
        place = root / (loaders if "/ld-linux" in path else libraries_in)
        place.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(os.path.realpath(path), place / pathlib.Path(path).name)
    return libc


def flense(*arguments):
    # FLENSE_CACHE is where flense itself keeps inventories, too.
    environment = {name: value for name, value in os.environ.items() if name != "FLENSE_CACHE"}
    done = subprocess.run([str(libraries.FLENSE), *map(str, arguments), "--json", "--no-cache"],
                          capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        raise libraries.Failed(f"flense {arguments[0]}: {done.stderr.strip()[-600:]}")
    return json.loads(done.stdout)


# --- all of it ----------------------------------------------------------------------------------

class Target:
    def __init__(self, name, scratch):
        self.scratch, self.root = scratch, scratch / "root"
        self.libc = install(name, self.root)
        self.report = flense("inspect", self.root)
        self.sheet = flense("check", self.root, "--requirements")
        self.facts = wheel_facts.Installed(self.root / SITE)
        self.newest_ptx = None


# --- what a wrong report would be ---------------------------------------------------------------

def entry_of(target, vendor, kind):
    return next((row for file in target.report["device_code"]["files"] for row in file["entries"]
                 if (row["vendor"], row["kind"]) == (vendor, kind)), None)


def one_more(vendor, kind):
    def change(target):
        row = entry_of(target, vendor, kind)
        if row:
            row["count"] += 1
        return row
    return change


def one_more_hollow(target):
    row = entry_of(target, "nvidia", "cubin")
    if row:
        row["hollow"] = row.get("hollow", 0) + 1
    return row


def older_ptx(target):
    row = entry_of(target, "nvidia", "ptx")
    if row:
        row["version"] = "1.0"
    return row


def without_last(*keys):
    """One row less of a list in the inventory."""
    def change(target):
        rows = target.report
        for key in keys:
            rows = rows[key]
        return rows and rows.pop()
    return change


def without_needed(target):
    rows = target.report["base_flavour"]["reasons"]
    needed = [row for row in rows if row["how"] == "DT_NEEDED"
              and re.match(wheel_facts.CUDA_LIBRARIES, row["library"])]
    if needed:
        rows.remove(needed[0])
    return needed


def other_version(target):
    rows = [row for row in target.report["runtimes"] if row["name"] != "glibc"]
    if rows:
        rows[0]["version"] += ".1"
    return rows


def other_fact(name):
    def change(target):
        fact = target.sheet.get(name)
        if fact:
            fact["value"] = "10.0"
        return fact
    return change


def other_service(target):
    rows = [row for row in target.sheet["gpus"] if row["service"] == "native"]
    if rows:
        rows[-1]["service"] = "ptx"
    return rows


def without_native(vendor):
    def change(target):
        rows = [row for row in target.sheet["gpus"]
                if (row["vendor"], row["service"]) == (vendor, "native")]
        # The newest: of the oldest, which no driver serves any more, only flense speaks.
        if rows:
            target.sheet["gpus"].remove(rows[-1])
        return rows
    return change


# (column, what is wrong, how a report becomes so): nothing is returned where it does not apply.
WRONG = [
    ("device code", "a cubin too many", one_more("nvidia", "cubin")),
    ("device code", "a hollow cubin too many", one_more_hollow),
    ("device code", "a code object too many", one_more("amd", "code-object")),
    ("device code", "an older PTX version", older_ptx),
    ("device code", "a file left out", without_last("device_code", "files")),
    ("runtimes", "another version", other_version),
    ("runtimes", "a package left out", without_last("packages")),
    ("runtimes", "a needed library left out", without_needed),
    ("CUDA", "another CUDA", other_fact("cuda")),
    ("CUDA", "another PTX driver", lambda target: target.sheet.pop("driver_ptx", None)),
    ("ROCm", "no ROCm", lambda target: target.sheet.pop("rocm", None)),
    ("GPUs", "another service", other_service),
    ("GPUs", "a GPU of NVIDIA left out", without_native("nvidia")),
    ("GPUs", "a GPU of AMD left out", without_native("amd")),
    ("C library", "another C library", other_fact("libc")),
]


def check_that_it_can_fail(target, columns, seen):
    """Each wrong report once, on the first set that it applies to and whose column agrees."""
    for column, what, change in WRONG:
        if what in seen or column not in columns:
            continue
        wrong = copy.copy(target)
        wrong.report, wrong.sheet = copy.deepcopy(target.report), copy.deepcopy(target.sheet)
        if not change(wrong):
            continue
        try:
            CHECKS[column](wrong)
        except DIFFERENCES:
            seen.append(what)
            continue
        raise libraries.Failed(f"the check does not see {what}")


def check_set(name, scratch, seen):
    target = Target(name, scratch)
    row = {"set": name, "wheels": SETS[name], "failed": []}
    pins = target.facts.pins_not_met()
    if pins:
        raise libraries.Failed(f"no set that pip would install: {pins}")
    for column, check in CHECKS.items():
        try:
            row[column] = check(target)
        except DIFFERENCES as problem:
            row[column] = "DIFFERENT"
            row["failed"].append(f"{column}: {problem}")
    try:
        check_that_it_can_fail(target, [one for one in CHECKS if row[one] != "DIFFERENT"], seen)
    except libraries.Failed as problem:
        row["failed"].append(str(problem))
    return row


def markdown(rows):
    lines = [f"| wheels | {' | '.join(CHECKS)} |", "|---" * (len(CHECKS) + 1) + "|"]
    for row in rows:
        words = [", ".join(row["wheels"]).replace("==", " "),
                 *(row.get(column, "-") for column in CHECKS)]
        lines.append("| " + " | ".join(words) + " |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", default="", help="regular expression for the set")
    parser.add_argument("--json", type=pathlib.Path, help="file for all results")
    parser.add_argument("--markdown", type=pathlib.Path, help="file for the table")
    arguments = parser.parse_args()
    if not libraries.FLENSE.exists():
        sys.exit(f"wheels: no {libraries.FLENSE} (make release, or set FLENSE_BINARY)")
    missing = amd_check.missing_tools()
    if missing or subprocess.run([libraries.TOP / "scripts/fetch-cuda-tools.sh"], check=False,
                                 stdout=subprocess.DEVNULL).returncode:
        print(f"wheels: missing {', '.join(missing) or 'cuobjdump'}", file=sys.stderr)
        sys.exit(77)
    libraries.older_cuobjdump()
    rows, seen = [], []
    if arguments.json and arguments.json.exists():
        rows = json.loads(arguments.json.read_text())
    for name in SETS:
        if not re.search(arguments.only, name):
            continue
        rows = [row for row in rows if row["set"] != name]
        start = time.monotonic()
        with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", str(libraries.CACHE)),
                                         prefix="wheels-") as scratch:
            try:
                row = check_set(name, pathlib.Path(scratch), seen)
            except (libraries.Failed, subprocess.CalledProcessError) as problem:
                row = {"set": name, "wheels": SETS[name], "failed": [str(problem)]}
        row["seconds"] = round(time.monotonic() - start, 1)
        rows.append(row)
        print(f"{name} ({row['seconds']} s): "
              + "; ".join(f"{column} {row[column]}" for column in CHECKS if column in row))
        for problem in row["failed"]:
            print(f"   DIFFERENT {problem}")
        sys.stdout.flush()
        if arguments.json:
            arguments.json.write_text(json.dumps(rows, indent=1) + "\n")
    rows.sort(key=lambda row: list(SETS).index(row["set"]))
    if arguments.markdown:
        arguments.markdown.write_text(markdown(rows))
    failed = [row for row in rows if row["failed"]]
    print(f"the checks see: {', '.join(seen)}; not tried: "
          f"{', '.join(what for _column, what, _change in WRONG if what not in seen) or 'none'}")
    print(f"{len(rows)} sets of wheels, {len(failed)} different")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
