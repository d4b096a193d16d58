#!/usr/bin/env python3
"""What flense tells of real wheels, against cuobjdump, LLVM, readelf and the wheels themselves.

  wheels.py [--only WORD] [--json FILE] [--markdown FILE]

Each set of wheels is installed into a root directory that has this machine's C library beside it,
and judged by `flense inspect --json` and `flense check --requirements --json`:
  device code    files, architectures, counts and bytes (cuobjdump_check.py inspect), the newest PTX
                 version of each architecture in what cuobjdump extracts, AMD targets (amd_check.py)
  runtimes       names and versions, packages, the CUDA that PyTorch was built for, and who needs
                 which CUDA library (wheel_facts.py)
  requirements   CUDA, ROCm, the GPUs served and how, the newest PTX, the C library

Shares the wheels of libraries.py (3 GB more in $FLENSE_CACHE/wheels); scratch space of 6 GB in
$TMPDIR or the cache. FLENSE_BINARY defaults to build/release/flense. Exit status 0 all agree, 1 a
difference, 77 a tool cannot be had.
"""

import argparse
import collections
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
import cuobjdump_check
import libraries
import wheel_facts

SETS = {
    "torch-cu11": ["torch==2.0.1"],
    "torch-cu12": ["torch==2.10.0", "triton==3.6.0", "nvidia-cuda-runtime-cu12==12.8.90",
                   "nvidia-cudnn-cu12==9.10.2.21", "nvidia-nccl-cu12==2.27.5"],
    "torch-cu13": ["torch==2.15.0"],
    "torchvision": ["torchvision==0.25.0"],
    "tensorflow": ["tensorflow==2.21.0"],
    "jax-cu12": ["jax==0.10.2", "jax-cuda12-plugin==0.10.2", "jax-cuda12-pjrt==0.10.2"],
    "onnxruntime": ["onnxruntime-gpu==1.23.2"],
    "bitsandbytes": ["bitsandbytes==0.50.2"],
    "ctranslate2": ["ctranslate2==4.8.5"],
    "faiss": ["faiss-gpu-cu12==1.14.1.post1"],
    "cupy-cu11": ["cupy-cuda11x==13.6.0"],
    "cupy-cu12": ["cupy-cuda12x==14.2.0"],
    "cupy-cu13": ["cupy-cuda13x==14.2.0"],
    "cupy-rocm7": ["cupy-rocm-7-0==14.2.0"],
    "jax-rocm6": ["jax==0.5.0", "jax-rocm60-plugin==0.5.0", "jax-rocm60-pjrt==0.5.0"],
    "jax-rocm7": ["jax==0.10.2", "jax-rocm7-plugin==0.10.2", "jax-rocm7-pjrt==0.10.2"],
}
SITE = "usr/local/lib/python3.11/site-packages"
# Compute capabilities of products without an integrated processor.
GPUS = (50, 52, 60, 61, 70, 75, 80, 86, 89, 90, 100, 103, 120, 121)
COLUMNS = ("device code", "runtimes", "CUDA", "ROCm", "GPUs", "C library")


# --- the root directory -------------------------------------------------------------------------

def system_libc():
    """This process's C library and loader; nothing where it is another than glibc."""
    mapped = set(re.findall(r"(/\S*/(?:libc\.so\.6|ld-linux\S*))$",
                            pathlib.Path("/proc/self/maps").read_text(), re.M))
    return sorted(mapped) if any(path.endswith("/libc.so.6") for path in mapped) else []


def install(name, root):
    for pin in SETS[name]:
        with zipfile.ZipFile(libraries.wheel(pin)) as archive:
            archive.extractall(root / SITE)
    for path in system_libc():
        place = root / ("lib64" if "/ld-linux" in path else "lib/x86_64-linux-gnu")
        place.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(os.path.realpath(path), place / pathlib.Path(path).name)


def flense(*arguments):
    # FLENSE_CACHE is where flense itself keeps inventories, too.
    environment = {name: value for name, value in os.environ.items() if name != "FLENSE_CACHE"}
    done = subprocess.run([str(libraries.FLENSE), *map(str, arguments), "--json", "--no-cache"],
                          capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        raise libraries.Failed(f"flense {arguments[0]}: {done.stderr.strip()[-600:]}")
    return json.loads(done.stdout)


# --- device code --------------------------------------------------------------------------------

def ptx_versions(cuobjdump, path, scratch):
    """{"sm_80": "8.7"}: the newest ISA version of each architecture, in what cuobjdump extracts;
    and the architectures that no cuobjdump at hand can extract."""
    tool, numbers, unknown = cuobjdump_check.ways_to_read(cuobjdump,
                                                          (cuobjdump_check.Library(path),))
    out = {}
    for number in numbers:
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            cuobjdump_check.run([tool, "-all", *cuobjdump_check.only(number), "-xptx", "all",
                                 str(path)], folder)
            for file in pathlib.Path(folder).iterdir():
                arch = re.search(r"\.\d+\.(sm_\d+[af]?)\.ptx$", file.name)[1]
                with file.open(errors="replace") as text:
                    version = re.search(r"^\s*\.version\s+(\d+\.\d+)", text.read(4096), re.M)[1]
                arch = cuobjdump_check.without_family(arch)
                out[arch] = max(out.get(arch, "0.0"), version, key=wheel_facts.minor)
    return out, {f"sm_{number}" for number in unknown}


def check_ptx_versions(file, path, cuobjdump, scratch):
    told = {cuobjdump_check.without_family(re.sub("^compute_", "sm_", row["arch"])):
            row.get("version", "") for row in file["entries"] if row["kind"] == "ptx"}
    if not told:
        return {}
    seen, unknown = ptx_versions(cuobjdump, path, scratch)
    told = {arch: version for arch, version in told.items() if arch not in unknown}
    if told != seen:
        raise libraries.Failed(f"{file['path']}: PTX versions told {told}, extracted {seen}")
    return seen


def check_amd(report, root, scratch):
    """Both ways, as every ELF file with wrappers of HIP is asked for."""
    told = {}
    for file in report["device_code"]["files"]:
        counts = {row["arch"]: row["count"] for row in file["entries"] if row["vendor"] == "amd"}
        if counts:
            told[file["path"].lstrip("/")] = (counts, file["regions"])
    seen, stated = {}, 0
    for folder, _folders, names in os.walk(root):
        for name in names:
            path = pathlib.Path(folder) / name
            if wheel_facts.is_elf(path):
                counts, bundles, own = amd_check.code_objects(path, scratch)
                stated += own
                if counts:
                    seen[str(path.relative_to(root))] = (dict(counts), bundles)
    if told != seen:
        wrong = [path for path in {*told, *seen} if told.get(path) != seen.get(path)]
        raise libraries.Failed("; ".join(f"{path}: told {told.get(path)}, seen {seen.get(path)}"
                                         for path in sorted(wrong)))
    return sum(sum(counts.values()) for counts, _bundles in seen.values()), stated


def check_device_code(target):
    report, root, scratch = target.report, target.root, target.scratch
    told = scratch / "inspect.json"
    told.write_text(json.dumps(report))
    text = libraries.checked([sys.executable, libraries.HERE / "cuobjdump_check.py", "inspect", told,
                              "--root", root], "architectures")
    entries = int(re.search(r": (\d+) entries", text)[1])
    cuobjdump = cuobjdump_check.find_cuobjdump(None)
    versions = set()
    for file in report["device_code"]["files"]:
        path = root / file["path"].lstrip("/")
        versions |= set(check_ptx_versions(file, path, cuobjdump, scratch).values())
    target.newest_ptx = max(versions, key=wheel_facts.minor, default=None)
    objects, stated = check_amd(report, root, scratch)
    archs = {row["arch"] for row in report["device_code"]["totals"]}
    missing = target.facts.architectures_built() - archs
    if missing:
        raise libraries.Failed(f"the build names {sorted(missing)}, the report does not")
    words = [f"{len(report['device_code']['files'])} files"]
    if entries:
        words.append(f"{entries} NVIDIA entries")
    if objects:
        words.append(f"{objects} AMD code objects ({stated} state their target)")
    return ", ".join(words)


# --- runtimes -----------------------------------------------------------------------------------

def check_runtimes(target):
    report, facts = target.report, target.facts
    told = {(row["name"], row["version"]) for row in report["runtimes"]
            if row["name"] not in ("glibc", "Python")}
    seen = facts.runtimes()
    if told != seen:
        raise libraries.Failed(f"runtimes told only: {sorted(told - seen)}, only in the wheels: "
                               f"{sorted(seen - told)}")
    packages = {(wheel_facts.normalised(row["name"]), row["version"])
                for row in report["packages"] if row["type"] == "pip"}
    own = {(name, facts.version(name)) for name in facts.packages}
    if packages != own:
        raise libraries.Failed(f"packages told {packages ^ own} otherwise")
    cuda = facts.cuda_built().get("torch/version.py")
    for row in report["runtimes"]:
        found = re.search(r"built for (\S+ [\d.]+)", row["evidence"])
        if row["name"] == "PyTorch" and (found[1] if found else None) != f"CUDA {cuda}":
            raise libraries.Failed(f"PyTorch by {row['evidence']}, torch/version.py says {cuda}")
    needed = {str(library.path.relative_to(target.root)): library.needed
              for library in facts.libraries}
    reasons = [row for row in report["base_flavour"]["reasons"] if row["how"] == "DT_NEEDED"]
    for row in reasons:
        if row["library"] not in needed.get(row["user"].lstrip("/"), ()):
            raise libraries.Failed(f"{row['user']} does not need {row['library']}")
    toolkit = {name for names in needed.values() for name in names
               if re.match(wheel_facts.CUDA_LIBRARIES, name)}
    inside = {library.path.name for library in facts.libraries}
    if toolkit - inside != {row["library"] for row in reasons
                            if re.match(wheel_facts.CUDA_LIBRARIES, row["library"])}:
        raise libraries.Failed(f"readelf sees {sorted(toolkit - inside)} needed, told {reasons}")
    return ", ".join(f"{name} {version}" for name, version in sorted(told)) or "none"


# --- requirements -------------------------------------------------------------------------------

def one_major(sources, what):
    majors = {max(numbers) for numbers in sources.values()}
    if len(majors) > 1:
        raise libraries.Failed(f"the wheels contradict each other about {what}: {sources}")
    return majors.pop() if majors else None


def check_cuda(target):
    fact, facts = target.sheet.get("cuda") or {}, target.facts
    major, built = one_major(facts.cuda_majors(), "CUDA"), facts.cuda_built()
    value = fact.get("value")
    has_code = any(row["vendor"] == "nvidia" for row in target.report["device_code"]["totals"])
    if major is None and not has_code:
        if fact:
            raise libraries.Failed(f"told {fact}, and nothing in the wheels is for CUDA")
        return "none"
    if not value or wheel_facts.minor(value)[0] != major:
        raise libraries.Failed(f"told {fact}, the wheels say {major}: {facts.cuda_majors()}")
    at_least = fact["evidence"].startswith("at least")
    for source, version in built.items():
        order = (wheel_facts.minor(value) > wheel_facts.minor(version)) - (
            wheel_facts.minor(value) < wheel_facts.minor(version))
        if order > 0 or (order < 0 and not at_least):
            raise libraries.Failed(f"told {value} ({fact['evidence']}), {source} says {version}")
    newest = target.newest_ptx
    ptx = target.sheet.get("driver_ptx") or {}
    isa = re.match(r"PTX ISA (\d+\.\d+) of ", ptx.get("evidence", ptx.get("unknown", "")))
    if (isa[1] if isa else None) != newest:
        raise libraries.Failed(f"driver for PTX {ptx}, the newest extracted is {newest}")
    return ("≥ " if at_least else "") + value


def check_rocm(target):
    fact, sources = target.sheet.get("rocm") or {}, target.facts.rocm_majors()
    major = one_major(sources, "ROCm")
    has_code = any(row["vendor"] == "amd" for row in target.report["device_code"]["totals"])
    if major is None and not has_code:
        if fact:
            raise libraries.Failed(f"told {fact}, and nothing in the wheels is for ROCm")
        return "none"
    if not fact:
        raise libraries.Failed(f"nothing is told, not even unknown; the wheels say {sources}")
    if "value" in fact and wheel_facts.minor(fact["value"])[0] != major:
        raise libraries.Failed(f"told {fact}, the wheels say {sources}")
    return fact.get("value", "unknown")


def served(library, gpu):
    """How one file serves a GPU: native; PTX and the stored bytes of it; not at all. None for files
    without anything that could be loaded."""
    entries = [entry for region in library.regions for entry in region.entries]
    if all(entry.kind == "ltoir" for entry in entries):
        return None
    if any(entry.kind == "cubin" and cuobjdump_check.certain(entry, gpu) for entry in entries):
        return "native", 0
    sizes = collections.Counter()
    for entry in entries:
        if entry.kind == "ptx":
            fits = (entry.number == gpu if entry.variant == "a" else
                    gpu in cuobjdump_check.FAMILIES.get(entry.number, ()) if entry.variant == "f"
                    else entry.number <= gpu)
            if fits:
                sizes[entry.number, entry.variant] += entry.size
    return ("ptx", sizes[max(sizes)]) if sizes else ("none", 0)


def check_nvidia_gpus(target, told):
    files = {}
    for file in target.report["device_code"]["files"]:
        if any(row["vendor"] == "nvidia" for row in file["entries"]):
            files[file["path"]] = cuobjdump_check.Library(target.root / file["path"].lstrip("/"))
    by_gpu = {int(row["architecture"].replace(".", "")): row for row in told}
    native = 0
    for gpu in sorted({*GPUS, *by_gpu}):
        how = {path: one for path, library in files.items() if (one := served(library, gpu))}
        without = {path for path, one in how.items() if one[0] == "none"}
        ptx = {path: one[1] for path, one in how.items() if one[0] == "ptx"}
        expected = "partly" if without else "ptx" if ptx else "native"
        row = by_gpu.get(gpu)
        if row is None:
            if how and not without:
                raise libraries.Failed(f"sm_{gpu} is served ({expected}) and not told")
            continue
        if (row["service"], set(row["from_ptx"]), set(row["without"]), row["ptx_bytes"]) != (
                expected, set(ptx), without, sum(ptx.values())) or not how:
            raise libraries.Failed(f"sm_{gpu}: told {row}, seen {expected}, PTX of {ptx}, without "
                                   f"{sorted(without)}")
        native += expected == "native"
    return len(by_gpu), native


def check_gpus(target):
    rows = collections.defaultdict(list)
    for row in target.sheet["gpus"]:
        rows[row["vendor"]].append(row)
    nvidia, native = check_nvidia_gpus(target, rows["nvidia"])
    files = {file["path"]: {row["arch"].partition(":")[0] for row in file["entries"]
                            if row["vendor"] == "amd"}
             for file in target.report["device_code"]["files"]}
    files = {path: processors for path, processors in files.items() if processors}
    expected = {processor: {path for path in files if processor not in files[path]}
                for processor in set().union(*files.values())}
    told = {row["architecture"]: set(row["without"]) for row in rows["amd"]}
    services = {row["architecture"]: row["service"] for row in rows["amd"]}
    if told != expected or services != {
            name: "partly" if without else "native" for name, without in expected.items()}:
        raise libraries.Failed(f"AMD: told {told}, seen {expected}")
    words = []
    if nvidia:
        words.append(f"{nvidia} of NVIDIA, {native} native")
    if told:
        words.append(f"{len(told)} of AMD, {sum(not without for without in told.values())} native")
    return "; ".join(words) or "none"


def check_libc(target):
    """The C library of the root directory; what the wheels ask of it is told beside it."""
    fact = target.sheet.get("libc") or {}
    expected = os.confstr("CS_GNU_LIBC_VERSION") if system_libc() else None
    if fact.get("value") != expected:
        raise libraries.Failed(f"told {fact}, the C library is {expected}")
    needed, who = target.facts.glibc()
    if needed is None:
        return "no need"
    return f"{needed[0]}.{needed[1]} for {who}"


# --- all of it ----------------------------------------------------------------------------------

class Target:
    def __init__(self, name, scratch):
        self.scratch, self.root = scratch, scratch / "root"
        install(name, self.root)
        self.report = flense("inspect", self.root)
        self.sheet = flense("check", self.root, "--requirements")
        self.facts = wheel_facts.Installed(self.root / SITE)
        self.newest_ptx = None


CHECKS = dict(zip(COLUMNS, (check_device_code, check_runtimes, check_cuda, check_rocm, check_gpus,
                            check_libc)))


def check_set(name, scratch):
    target = Target(name, scratch)
    row = {"set": name, "wheels": SETS[name], "failed": []}
    pins = target.facts.pins_not_met()
    if pins:
        raise libraries.Failed(f"no set that pip would install: {pins}")
    for column, check in CHECKS.items():
        try:
            row[column] = check(target)
        except (libraries.Failed, cuobjdump_check.Difference, amd_check.Disagreement) as problem:
            row[column] = "DIFFERENT"
            row["failed"].append(f"{column}: {problem}")
    return row


def markdown(rows):
    lines = [f"| wheels | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    for row in rows:
        words = [", ".join(row["wheels"]).replace("==", " "),
                 *(row.get(column, "-") for column in COLUMNS)]
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
    rows = []
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
                row = check_set(name, pathlib.Path(scratch))
            except (libraries.Failed, subprocess.CalledProcessError) as problem:
                row = {"set": name, "wheels": SETS[name], "failed": [str(problem)]}
        row["seconds"] = round(time.monotonic() - start, 1)
        rows.append(row)
        print(f"{name} ({row['seconds']} s): "
              + "; ".join(f"{column} {row[column]}" for column in COLUMNS if column in row))
        for problem in row["failed"]:
            print(f"   DIFFERENT {problem}")
        sys.stdout.flush()
        if arguments.json:
            arguments.json.write_text(json.dumps(rows, indent=1) + "\n")
    rows.sort(key=lambda row: list(SETS).index(row["set"]))
    if arguments.markdown:
        arguments.markdown.write_text(markdown(rows))
    failed = [row for row in rows if row["failed"]]
    print(f"{len(rows)} sets of wheels, {len(failed)} different")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
