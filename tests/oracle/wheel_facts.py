"""What installed wheels say of themselves: their metadata, what their build wrote into Python files,
the names of their libraries, and what readelf reads in these. Shares no code with flense; Python
standard library and readelf only.
"""

import ast
import fnmatch
import importlib.metadata
import json
import os
import pathlib
import re
import subprocess

# What flense calls a runtime (docs/schemas/inventory-v1.json) by the package that brings it.
RUNTIMES_BY_PACKAGE = {
    "torch": "PyTorch", "tensorflow": "TensorFlow", "jax": "JAX", "onnxruntime-gpu": "ONNX Runtime",
    "triton": "Triton", "cupy-cuda*": "CuPy", "cupy-rocm-*": "CuPy",
    "nvidia-cuda-runtime*": "CUDA runtime", "nvidia-cublas*": "cuBLAS", "nvidia-cudnn*": "cuDNN",
    "nvidia-nccl*": "NCCL"}
RUNTIMES_BY_LIBRARY = {
    "libcudart": "CUDA runtime", "libcublas": "cuBLAS", "libcudnn": "cuDNN", "libnccl": "NCCL",
    "libnvinfer": "TensorRT", "libamdhip64": "HIP runtime", "libonnxruntime": "ONNX Runtime"}
# SONAME: the major of the toolkit. Others have numbers of their own.
CUDA_LIBRARIES = r"lib(?:cudart|cublas|cublasLt|nvrtc)\.so\.(\d+)"
HIP_LIBRARIES = r"libamdhip64\.so\.(\d+)"
# PTX ISA, "Release Notes": the first CUDA that writes a version.
CUDA_OF_PTX = {
    "7.0": "11.0", "7.1": "11.1", "7.2": "11.2", "7.3": "11.3", "7.4": "11.4", "7.5": "11.5",
    "7.6": "11.6", "7.7": "11.7", "7.8": "11.8", "8.0": "12.0", "8.1": "12.1", "8.2": "12.2",
    "8.3": "12.3", "8.4": "12.4", "8.5": "12.5", "8.6": "12.7", "8.7": "12.8", "8.8": "12.9",
    "9.0": "13.0", "9.1": "13.1", "9.2": "13.2"}


def normalised(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def assigned(path, name):
    """The constant that a Python file assigns to a name; a list of pairs gives a dict."""
    if not path.exists():
        return None
    for node in ast.walk(ast.parse(path.read_text())):
        targets = node.targets if isinstance(node, ast.Assign) else (
            [node.target] if isinstance(node, ast.AnnAssign) else [])
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            value = node.value
            if isinstance(value, ast.Call):
                return dict(ast.literal_eval(value.args[0]))
            return ast.literal_eval(value)
    return None


def minor(version):
    """"12.8" of "12.8.90" and "12.8"; as numbers."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


class Library:
    """One ELF file as readelf shows it."""

    def __init__(self, path):
        self.path = path
        text = readelf("-dW", path)
        self.needed = re.findall(r"\(NEEDED\).*\[(.*)\]", text)
        soname = re.search(r"\(SONAME\).*\[(.*)\]", text)
        self.soname = soname[1] if soname else path.name
        needs = readelf("-VW", path).partition("Version needs section")[2]
        versions = re.findall(r"\bName: GLIBC_(\d+)\.(\d+)", needs)
        self.glibc = max((tuple(map(int, version)) for version in versions), default=None)


def readelf(option, path):
    return subprocess.run(["readelf", option, str(path)], capture_output=True, text=True,
                          errors="replace", check=False).stdout


def is_elf(path):
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as handle:
        return handle.read(4) == b"\x7fELF"


class Installed:
    """A site-packages directory."""

    def __init__(self, site):
        self.site = pathlib.Path(site)
        self.packages = {normalised(one.metadata["Name"]): one
                         for one in importlib.metadata.distributions(path=[str(site)])}
        paths = (pathlib.Path(folder) / name for folder, _folders, names in os.walk(site)
                 for name in names)
        self.libraries = [Library(path) for path in sorted(paths) if is_elf(path)]

    def version(self, package):
        return self.packages[package].version

    # --- runtimes -------------------------------------------------------------------------------

    def runtimes(self):
        """{(name, version)}; versions that are the beginning of another are left out."""
        out = set()
        for package in self.packages:
            for pattern, name in RUNTIMES_BY_PACKAGE.items():
                if fnmatch.fnmatch(package, pattern):
                    out.add((name, self.version(package)))
        for library in self.libraries:
            # Wheels rename what they bundle and keep its SONAME.
            for name in (library.path.name, library.soname):
                found = re.fullmatch(r"(lib[a-z0-9]+)(?:-[0-9a-f]{8})?\.so\.([\d.]+)", name)
                if found and found[1] in RUNTIMES_BY_LIBRARY:
                    out.add((RUNTIMES_BY_LIBRARY[found[1]], found[2]))
        own = assigned(self.site / "torch/version.py", "__version__")
        if own:
            out.add(("PyTorch", own))
        return {(name, version) for name, version in out
                if not any(name == other and longer != version
                           and re.match(re.escape(version) + r"[.+]", longer)
                           for other, longer in out)}

    # --- CUDA -----------------------------------------------------------------------------------

    def cuda_built(self):
        """{source: "12.8"}: the CUDA that a build says it used."""
        out = {}

        def add(source, version):
            if version:
                out[source] = ".".join(map(str, minor(version)))

        add("torch/version.py", assigned(self.site / "torch/version.py", "cuda"))
        build = assigned(self.site / "tensorflow/python/platform/build_info.py", "build_info") or {}
        add("tensorflow build_info.py", build.get("cuda_version"))
        add("onnxruntime build_and_package_info.py",
            assigned(self.site / "onnxruntime/capi/build_and_package_info.py", "cuda_version"))
        for package in self.packages:
            if package.startswith("nvidia-cuda-runtime"):
                add(f"package {package}", self.version(package))
        names = [re.fullmatch(r"libbitsandbytes_cuda(\d\d)(\d)\.so", library.path.name)
                 for library in self.libraries]
        newest = max(((int(name[1]), int(name[2])) for name in names if name), default=None)
        if newest:
            add("names of libbitsandbytes_cuda*.so", f"{newest[0]}.{newest[1]}")
        return out

    def cuda_majors(self):
        """{source: majors} of CUDA, from everything that names one."""
        out = {source: {minor(version)[0]} for source, version in self.cuda_built().items()}
        needed = {int(found[1]) for library in self.libraries for name in library.needed
                  if (found := re.match(CUDA_LIBRARIES, name))}
        if needed:
            out["DT_NEEDED"] = needed
        for package, one in self.packages.items():
            found = re.search(r"-cuda?(\d\d)x?\b", package)
            if found:
                out[f"package {package}"] = {int(found[1])}
            pinned = set()
            for line in one.requires or []:
                name = re.match(r"nvidia-[\w-]+-cu(\d\d)\b", line)
                whole = re.match(r"cuda-toolkit\b.*==\s*(\d+)\.", line)
                pinned |= {int(found[1]) for found in (name, whole) if found}
            if pinned:
                out[f"requirements of {package}"] = pinned
        return out

    # --- ROCm -----------------------------------------------------------------------------------

    def rocm_majors(self):
        out = {}
        needed = {int(found[1]) for library in self.libraries for name in library.needed
                  if (found := re.match(HIP_LIBRARIES, name))}
        if needed:
            out["DT_NEEDED"] = needed
        names = {int(found[1]) for library in self.libraries
                 if (found := re.fullmatch(r"libbitsandbytes_rocm(\d)\d+\.so", library.path.name))}
        if names:
            out["names of libbitsandbytes_rocm*.so"] = names
        for package in self.packages:
            found = re.search(r"-rocm-?(\d)", package)
            if found:
                out[f"package {package}"] = {int(found[1])}
        wheel = self.site / "cupy/.data/_wheel.json"
        if wheel.exists():
            found = re.match(r"rocm-(\d+)", json.loads(wheel.read_text()).get("cuda", ""))
            if found:
                out["cupy _wheel.json"] = {int(found[1])}
        return out

    # --- the rest -------------------------------------------------------------------------------

    def pins_not_met(self):
        """Requirements with "==" that another package of the same directory does not meet: the set
        is none that pip would have installed."""
        out = []
        for package, one in self.packages.items():
            for line in one.requires or []:
                found = re.match(r"([\w.-]+?)\s*\(?==\s*([\w.]+)\)?\s*(?:;|$)", line)
                other = normalised(found[1]) if found else None
                if other in self.packages and self.version(other) != found[2]:
                    out.append(f"{package} wants {other} {found[2]}")
        return out

    def architectures_built(self):
        """What TensorFlow's build says it compiled for: {"sm_80", "compute_90"}."""
        build = assigned(self.site / "tensorflow/python/platform/build_info.py", "build_info") or {}
        return set(build.get("cuda_compute_capabilities", []))

    def glibc(self):
        """The newest GLIBC_ version that a library asks for, and which: ((2, 28), name)."""
        return max(((library.glibc, library.path.name) for library in self.libraries
                    if library.glibc), default=(None, ""))
