"""What loaders and binary tools make of a library: loading it in a process of its own, the bytes
that a loader would map, complaints of readers. Linux, Python standard library only.
"""

import hashlib
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

# By library: a function that answers without a GPU, called after loading.
VERSION_CALLS = {"libcublas": "cublasGetProperty", "libcublasLt": "cublasLtGetVersion",
                 "libcusparse": "cusparseGetProperty", "libcusparseLt": "cusparseLtGetProperty",
                 "libcurand": "curandGetVersion", "libcufft": "cufftGetVersion",
                 "libcusolver": "cusolverGetProperty", "libnccl": "ncclGetVersion"}
LOAD = """
import ctypes, os, sys
library = ctypes.CDLL(sys.argv[1], mode=os.RTLD_LAZY)
name, value = sys.argv[2], ctypes.c_int(-1)
if not name:
    print("loaded")
elif name == "cublasLtGetVersion":
    print(name, library.cublasLtGetVersion())
elif name.endswith("Property"):
    print(name, getattr(library, name)(0, ctypes.byref(value)), value.value)
else:
    print(name, getattr(library, name)(ctypes.byref(value)), value.value)
sys.stdout.flush()
os._exit(0)
"""
# The same for 64-bit ARM, under QEMU.
LOAD_ARM64 = r"""
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int count, char** words) {
  const char* name = words[2];
  int value = -1, status = -1;
  void* library = dlopen(words[1], RTLD_LAZY);
  void* call = library && *name ? dlsym(library, name) : NULL;
  if (!library || (*name && !call)) return fprintf(stderr, "%s\n", dlerror()), 1;
  if (!*name) return puts("loaded"), fflush(stdout), _exit(0), 0;
  if (strcmp(name, "cublasLtGetVersion") == 0) {
    printf("%s %zu\n", name, ((size_t (*)(void))call)());
  } else {
    status = strstr(name, "Property") ? ((int (*)(int, int*))call)(0, &value) : ((int (*)(int*))call)(&value);
    printf("%s %d %d\n", name, status, value);
  }
  fflush(stdout);
  _exit(0);
}
"""
ARM64, ARM64_SYSTEM, QEMU = "aarch64-linux-gnu-", "/usr/aarch64-linux-gnu", "qemu-aarch64-static"
# onnxruntime's provider runs code of its host when it is loaded: the host has to load it, which it
# does from its own folder when it is asked for the provider (entries 3, 10 and 2 of its table of
# functions: CreateEnv, CreateSessionOptions, GetErrorMessage).
BY_ONNXRUNTIME = """
import ctypes, glob, os, sys
folder = os.path.dirname(sys.argv[1])
word, place = ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)
host = ctypes.CDLL(glob.glob(folder + "/libonnxruntime.so.*")[0])
host.OrtGetApiBase.restype = word
base = ctypes.cast(host.OrtGetApiBase(), place)
api = ctypes.cast(ctypes.CFUNCTYPE(word, ctypes.c_uint32)(base[0])(17), place)
env, options = word(), word()
ctypes.CFUNCTYPE(word, ctypes.c_int, ctypes.c_char_p, place)(api[3])(3, b"t", ctypes.byref(env))
ctypes.CFUNCTYPE(word, place)(api[10])(ctypes.byref(options))
append = host.OrtSessionOptionsAppendExecutionProvider_CUDA
append.restype, append.argtypes = word, [word, ctypes.c_int]
status = append(options, 0)
if status:
    sys.exit(ctypes.CFUNCTYPE(ctypes.c_char_p, word)(api[2])(status).decode())
if os.path.realpath(sys.argv[1]) not in open("/proc/self/maps").read():
    sys.exit("not mapped")
print("loaded by onnxruntime")
sys.stdout.flush()
os._exit(0)
"""
# Library: how to load it, what has to lie beside it.
HOSTED = {"libonnxruntime_providers_cuda.so": (
    BY_ONNXRUNTIME, ("libonnxruntime.so.*", "libonnxruntime_providers_shared.so"))}


def is_for_arm64(path):
    with open(path, "rb") as handle:
        return handle.read(20)[18:] == b"\xb7\0"


def can_load_arm64():
    """What scripts/setup.sh arm64 brings."""
    return shutil.which(QEMU) and shutil.which(ARM64 + "gcc")


class Loader:
    """Loads libraries with the given directories on the search path. What they need and nobody
    has (the driver, mostly) is replaced by an empty library: binding is lazy."""

    def __init__(self, directories, scratch):
        self.directories = directories
        self.stub_directory = pathlib.Path(tempfile.mkdtemp(dir=scratch, prefix="stubs"))
        self.stubs = []

    def once(self, path):
        call = VERSION_CALLS.get(path.name.partition(".")[0], "")
        script, beside = HOSTED.get(path.name, (LOAD, ()))
        for pattern in beside:
            for other in self.directories[0].glob(pattern):
                # No link: it would look beside the file that a link means.
                if not (path.parent / other.name).exists():
                    shutil.copyfile(other, path.parent / other.name)
        # The search path comes before the host's own folder: the original must not be on it.
        search = [*self.directories[1 if beside else 0:], self.stub_directory]
        command = [sys.executable, "-c", script]
        if is_for_arm64(path):
            program = self.stub_directory / "load"
            if not program.exists():
                subprocess.run([ARM64 + "gcc", "-x", "c", "-", "-o", str(program)], input=LOAD_ARM64, text=True,
                               check=True)
            command = [QEMU, "-L", ARM64_SYSTEM, str(program)]
        done = subprocess.run([*command, str(path), call],
                              env=dict(os.environ, LD_LIBRARY_PATH=":".join(map(str, search))),
                              capture_output=True, text=True, errors="replace", check=False)
        if done.returncode == 0:
            return True, done.stdout.strip()
        if done.returncode < 0:
            return False, f"signal {-done.returncode}"
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return False, re.sub(r"^OSError: ", "", reason).replace(str(path.parent) + "/", "")

    def original(self, path):
        """(loaded, answer or reason); learns which empty libraries the file needs."""
        while True:
            loaded, answer = self.once(path)
            missing = re.match(r"(\S+): cannot open shared object file", answer)
            if loaded or not missing or missing[1] in self.stubs:
                return loaded, answer
            self.stubs.append(missing[1])
            compiler = ARM64 + "gcc" if is_for_arm64(path) else "cc"
            subprocess.run([compiler, "-shared", "-x", "c", "/dev/null", f"-Wl,-soname,{missing[1]}",
                            "-o", str(self.stub_directory / missing[1])], check=True)


# Sections that no tool has a reason to touch; tables of the linker may move and change.
COMPARED = (".nv_fatbin", "__nv_relfatbin", ".cask_resource", ".nvFatBinSegment", ".text",
            ".rodata", ".eh_frame", ".data", ".ldata", ".data.rel.ro", ".init_array")


def mapped_image(path, ranges=None):
    """(sha256, [(address, size)]) of code and data as a loader maps them: by program headers, at
    the addresses `ranges` (default: of this file's sections)."""
    with open(path, "rb") as handle:
        header = handle.read(64)
        programs, sections = struct.unpack_from("<QQ", header, 32)
        program_count, = struct.unpack_from("<H", header, 56)
        section_count, names = struct.unpack_from("<HH", header, 60)

        def table(at, size, count):
            handle.seek(at)
            block = handle.read(size * count)
            return [block[i * size:(i + 1) * size] for i in range(count)]

        if ranges is None:
            rows = [struct.unpack("<IIQQQQ", row[:40])
                    for row in table(sections, 64, section_count)]
            handle.seek(rows[names][4])
            text = handle.read(rows[names][5])
            ranges = []
            for name, kind, _flags, address, _offset, size in rows:
                word = text[name:text.index(b"\0", name)].decode()
                if kind == 1 and word in COMPARED:
                    ranges.append((address, size))
        digest = hashlib.sha256()
        loads = [struct.unpack("<IIQQQQ", row[:40])
                 for row in table(programs, 56, program_count)]
        for address, size in ranges:
            at, end = address, address + size
            while at < end:
                load = next((row for row in loads
                             if row[0] == 1 and row[3] <= at < row[3] + row[5]), None)
                if load is None:
                    return "not mapped", ranges
                handle.seek(load[2] + at - load[3])
                part = handle.read(min(end, load[3] + load[5]) - at)
                if not part:
                    return "cut short", ranges
                digest.update(part)
                at += len(part)
    return digest.hexdigest(), ranges


REWRITERS = {
    "eu-strip": ["eu-strip"],
    "llvm-strip": ["llvm-strip-19"],
    "patchelf": ["patchelf", "--set-rpath", "$ORIGIN/../a/path/that/moves/the/string/table/lib"],
}
GNU_STRIP = {"strip -g": ["strip", "-g"], "strip -s": ["strip", "--strip-all"]}
READERS = {
    "readelf": ["readelf", "-aW"],
    "objdump": ["objdump", "-p", "-h"],
    "gdb": ["gdb", "-batch", "-nx", "-ex", "info files"],
}


def after_tool(command, library, loader, scratch):
    """(fine, what happened) of a copy of `library` that the tool has rewritten: it loads, answers
    as before, and maps the same code and data."""
    if command[0] == "strip" and is_for_arm64(library):
        command = [ARM64 + "strip", *command[1:]]
    if not shutil.which(command[0]):
        return None, f"{command[0]} is not installed"
    with tempfile.TemporaryDirectory(dir=scratch) as directory:
        copy = pathlib.Path(directory) / library.name
        shutil.copyfile(library, copy)
        copy.chmod(0o755)
        done = subprocess.run([*command, str(copy)], capture_output=True, text=True, check=False)
        warnings = len(done.stderr.splitlines())
        if done.returncode != 0:
            return False, f"exit status {done.returncode}: {done.stderr.strip()[:200]}"
        loaded, answer = loader.once(copy)
        digest, ranges = mapped_image(library)
        if not loaded:
            return False, f"exit status 0, {warnings} warnings; does not load: {answer}"
        if mapped_image(copy, ranges)[0] != digest:
            return False, f"exit status 0, {warnings} warnings; loads with other content"
        return True, answer


def complaints(command, library):
    """Warnings of a reader, numbers left out; None when it is not installed."""
    if not shutil.which(command[0]):
        return None
    done = subprocess.run([*command, str(library)], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, errors="replace", check=False,
                          env=dict(os.environ, DEBUGINFOD_URLS="", LC_ALL="C"))
    found = {re.sub(r"0x[0-9a-f]+|\d+", "N", line.replace(str(library.parent), ""))
             for line in done.stderr.splitlines() if line.strip()}
    if done.returncode:
        found.add(f"exit status {done.returncode}")
    return found
