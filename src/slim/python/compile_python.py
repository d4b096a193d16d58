# Run by the Python of an image, in a sandbox: compiles the sources that standard input names, one a
# line, as an import would (importlib, PEP 552: with the time of the source), and writes for each, in
# that order, a state, a length and so many bytes (slim/python/compiled_python.h).
import sys

if sys.path and not sys.path[0]:
    del sys.path[0]
import gc
import importlib.util
import marshal
import os
import struct
import warnings

COMPILED, CURRENT, FAILED = range(3)

optimise = int(sys.argv[1])
warnings.simplefilter("ignore")
gc.disable()
# What anything prints is no part of the answer.
out = os.dup(1)
os.dup2(2, 1)


def write(state, data=b""):
    rest = struct.pack("<II", state, len(data)) + data
    while rest:
        rest = rest[os.write(out, rest):]


def is_current(path, header, source):
    cached = importlib.util.cache_from_source(path, optimization=optimise or "")
    try:
        with open(cached, "rb") as file:
            found = file.read(16)
    except OSError:
        return False
    if len(found) < 16 or found[:4] != header[:4]:
        return False
    flags = struct.unpack("<I", found[4:8])[0]
    if flags == 3:
        return found[8:] == importlib.util.source_hash(source)
    return flags == 1 or found == header


def compile_source(path):
    stat = os.stat(path)
    low = 0xFFFFFFFF
    header = importlib.util.MAGIC_NUMBER + struct.pack("<III", 0, int(stat.st_mtime) & low, stat.st_size & low)
    with open(path, "rb") as file:
        source = file.read()
    if is_current(path, header, source):
        return write(CURRENT)
    code = compile(source, path, "exec", dont_inherit=True, optimize=optimise)
    write(COMPILED, header + marshal.dumps(code))


for name in sys.stdin.buffer.read().split(b"\n"):
    if not name:
        continue
    # A process for each: what one leaves in memory cannot show in how another is written.
    child = os.fork()
    if child == 0:
        try:
            compile_source(os.fsdecode(name))
            os._exit(0)
        except BaseException:
            os._exit(1)
    if os.waitpid(child, 0)[1] != 0:
        write(FAILED)
