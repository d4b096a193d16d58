"""The six checks of wheels.py: one report of flense, the other opinion, and what they agree on in a
few words. Each takes a target (report, sheet, facts, root, scratch) and raises one of DIFFERENCES.
"""

import collections
import json
import os
import pathlib
import re
import struct
import sys
import tempfile

import amd_check
import cuobjdump_check
import libraries
import library_tools
import wheel_facts

DIFFERENCES = (libraries.Failed, cuobjdump_check.Difference, amd_check.Disagreement)
# Compute capabilities of products without an integrated processor.
GPUS = (50, 52, 60, 61, 70, 75, 80, 86, 89, 90, 100, 103, 120, 121)


def system_libc():
    """This process's C library and loader; nothing where it is another than glibc."""
    mapped = set(re.findall(r"(/\S*/(?:libc\.so\.6|ld-linux\S*))$",
                            pathlib.Path("/proc/self/maps").read_text(), re.M))
    return sorted(mapped) if any(path.endswith("/libc.so.6") for path in mapped) else []


def arm64_libc():
    """The same for 64-bit ARM, from the cross compiler's packages."""
    folder = pathlib.Path(library_tools.ARM64_SYSTEM) / "lib"
    return [str(folder / name) for name in ("ld-linux-aarch64.so.1", "libc.so.6") if (folder / name).exists()]


# --- device code --------------------------------------------------------------------------------

def extracted_versions(tool, path, number, scratch):
    """[("sm_80", "8.7")] of the PTX that cuobjdump extracts."""
    out = []
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        cuobjdump_check.run([tool, "-all", *cuobjdump_check.only(number), "-xptx", "all",
                             str(path)], folder)
        for file in pathlib.Path(folder).iterdir():
            arch = re.search(r"\.\d+\.(sm_\d+[af]?)\.ptx$", file.name)[1]
            with file.open(errors="replace") as text:
                version = re.search(r"^\s*\.version\s+(\d+\.\d+)", text.read(4096), re.M)[1]
            out.append((cuobjdump_check.without_family(arch), version))
    return out


def ptx_versions(cuobjdump, path, scratch):
    """{"sm_80": "8.7"}: the newest ISA version of each architecture; and the architectures that no
    cuobjdump at hand can extract."""
    library = cuobjdump_check.Library(path)
    tool, numbers, unknown = cuobjdump_check.ways_to_read(cuobjdump, (library,))
    seen = [one for number in numbers for one in extracted_versions(tool, path, number, scratch)]
    # What lies in sections that cuobjdump does not read, as a fat binary of its own.
    hidden = b"".join(library.stored(entry) for region in library.regions
                      if region.section not in cuobjdump_check.LISTED_SECTIONS
                      for entry in region.entries if entry.kind == "ptx")
    if hidden:
        with tempfile.NamedTemporaryFile(dir=scratch, suffix=".fatbin") as file:
            file.write(cuobjdump_check.REGION_MAGIC + struct.pack("<Q", len(hidden)) + hidden)
            file.flush()
            for number in numbers:
                seen += extracted_versions(tool, file.name, number, scratch)
    out = {}
    for arch, version in seen:
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


def check_completeness(target):
    """No library with a region is missing in the report, in whatever section the region lies."""
    reported = {file["path"].lstrip("/") for file in target.report["device_code"]["files"]}
    for library in target.facts.libraries:
        inside = str(library.path.relative_to(target.root))
        if inside not in reported and any(
                region.entries for region in cuobjdump_check.Library(library.path).regions):
            raise libraries.Failed(f"{inside} has device code and is not in the report")


def check_hollow(file, path):
    if not any(row["vendor"] == "nvidia" for row in file["entries"]):
        return
    library = cuobjdump_check.Library(path)
    seen = collections.Counter(entry.arch for region in library.regions for entry in region.entries
                               if library.hollow(entry))
    told = {row["arch"]: row["hollow"] for row in file["entries"] if row.get("hollow")}
    if told != dict(seen):
        raise libraries.Failed(f"{file['path']}: {told} cubins are told to be hollow, {dict(seen)} are")


def check_device_code(target):
    report, root, scratch = target.report, target.root, target.scratch
    check_completeness(target)
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
        check_hollow(file, path)
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
    inside = {library.soname for library in facts.libraries}
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
    if not value or major not in (None, wheel_facts.minor(value)[0]):
        raise libraries.Failed(f"told {fact}, the wheels say {major}: {facts.cuda_majors()}")
    at_least = fact["evidence"].startswith("at least")
    # A runtime's SONAME tells the major alone.
    if not at_least and not built and value != str(major):
        raise libraries.Failed(f"told {fact}, and no wheel says exactly which CUDA")
    # A library may be built by a newer CUDA than the runtime beside it, as cuDNN is.
    floor = wheel_facts.CUDA_OF_PTX[target.newest_ptx] if target.newest_ptx else "0.0"
    if at_least and wheel_facts.minor(value) < wheel_facts.minor(floor):
        raise libraries.Failed(f"told {fact}, PTX {target.newest_ptx} is of CUDA {floor}")
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
    entries = [entry for region in library.regions for entry in region.entries
               if not library.hollow(entry)]
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


def check_narrowest(target):
    """Link-time IR is no code that a GPU could run, and of hollow cubins none is missed."""
    files = {file["path"]: {row["arch"] for row in file["entries"]
                            if row["kind"] != "ltoir" and row.get("hollow") != row["count"]}
             for file in target.report["device_code"]["files"]}
    for row in target.sheet["narrowest"]:
        if set(row["code"]) != files[row["path"]]:
            raise libraries.Failed(f"{row['path']}: narrowest tells "
                                   f"{sorted(set(row['code']) ^ files[row['path']])} otherwise")


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
    check_narrowest(target)
    words = []
    if nvidia:
        words.append(f"{nvidia} of NVIDIA, {native} native")
    if told:
        words.append(f"{len(told)} of AMD, {sum(not without for without in told.values())} native")
    return "; ".join(words) or "none"


def check_libc(target):
    """The C library of the root directory; what the wheels ask of it is told beside it."""
    fact = target.sheet.get("libc") or {}
    expected = os.confstr("CS_GNU_LIBC_VERSION") if target.libc else None
    if fact.get("value") != expected:
        raise libraries.Failed(f"told {fact}, the C library is {expected}")
    needed, who = target.facts.glibc()
    if needed is None:
        return "no need"
    return f"{needed[0]}.{needed[1]} for {who}"


CHECKS = {"device code": check_device_code, "runtimes": check_runtimes, "CUDA": check_cuda,
          "ROCm": check_rocm, "GPUs": check_gpus, "C library": check_libc}
