"""Synthetic wheels, written by Python's zipfile, and a reader that holds a wheel against the specification."""

import base64
import csv
import hashlib
import io
import os
import zipfile

import fixtures

TIME = (2026, 5, 17, 12, 30, 10)


def record_hash(data):
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def write(path, files, methods=None, record=True):
    """files: [(name, data, mode)]. RECORD is added unless it is among them."""
    info = next(name.split("/")[0] for name, *_ in files if name.split("/")[0].endswith(".dist-info"))
    rows = [f'"{name}",{record_hash(data)},{len(data)}' if "," in name else f"{name},{record_hash(data)},{len(data)}"
            for name, data, _ in files
            if not name.endswith("/") and not name.endswith(("RECORD.jws", "RECORD.p7s"))]
    files = list(files)
    if record and not any(name == f"{info}/RECORD" for name, *_ in files):
        files.append((f"{info}/RECORD", ("\n".join([*rows, f"{info}/RECORD,,"]) + "\n").encode(), 0o664))
    with zipfile.ZipFile(path, "w") as archive:
        for name, data, mode in files:
            member = zipfile.ZipInfo(name, TIME)
            member.external_attr = (0o40000 if name.endswith("/") else 0o100000) + mode << 16
            member.compress_type = (methods or {}).get(name, zipfile.ZIP_DEFLATED)
            archive.writestr(member, data)
    return path


def metadata(name, version):
    return (f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\nRequires-Python: >=3.9,<4\n\nAbout.\n").encode()


WHEEL = b"Wheel-Version: 1.0\nGenerator: test 1.0\nRoot-Is-Purelib: false\nTag: py3-none-any\n"


def gpu_wheel(folder, name="fake_gpu", version="1.5+cu13", build="", extra=(), library_archs=None, wheel=WHEEL):
    """With a library that holds device code, headers, an entry point and a data directory."""
    library = os.path.join(folder, "libfakegpu.so.1")
    fixtures.cuda_library(library, name=name, archs=library_archs)
    with open(library, "rb") as source:
        data = source.read()
    os.remove(library)
    info = f"{name}-{version}.dist-info"
    init = (b"import ctypes, os\n"
            b"_library = ctypes.CDLL(os.path.join(os.path.dirname(__file__), 'lib', 'libfakegpu.so.1'))\n"
            b"def answer():\n    return [_library.host_answer(i) for i in range(9)] + [_library.fatbin_count()]\n"
            b"def main():\n    print(answer())\n")
    files = [(f"{name}/", b"", 0o755), (f"{name}/__init__.py", init, 0o644), (f"{name}/lib/libfakegpu.so.1", data, 0o755),
             (f"{name}/include/fake.h", b"int host_answer(int);\n" * 40, 0o644),
             (f"{name}/copy.bin", fixtures.noise("same", 300_000), 0o644),
             (f"{name}/equal.bin", fixtures.noise("same", 300_000), 0o644),
             (f"{name}/na\u00efve, or.txt", "\u00fc\n".encode(), 0o600),
             (f"{name}-{version}.data/scripts/fake-script", b"#!python\nimport %s\nprint(%s.answer())\n" % (
                 name.encode(), name.encode()), 0o755),
             *extra,
             (f"{info}/METADATA", metadata(name, version), 0o644), (f"{info}/WHEEL", wheel, 0o644),
             (f"{info}/entry_points.txt", f"[console_scripts]\nfake-main = {name}:main\n".encode(), 0o644)]
    stem = f"{name}-{version}-{build}-py3-none-any.whl" if build else f"{name}-{version}-py3-none-any.whl"
    return write(os.path.join(folder, stem), files, {f"{name}/copy.bin": zipfile.ZIP_STORED})


def plain_wheel(folder, name="plain", version="2.0"):
    info = f"{name}-{version}.dist-info"
    return write(os.path.join(folder, f"{name}-{version}-py3-none-any.whl"), [
        (f"{name}/__init__.py", b"answer = 42\n", 0o644), (f"{info}/METADATA", metadata(name, version), 0o644),
        (f"{info}/WHEEL", WHEEL, 0o644)])


def read(path):
    """{name: bytes}, with the checks that an installer makes: checksums, RECORD complete and true, build tag."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        files = {one.filename: archive.read(one) for one in archive.infolist() if not one.is_dir()}
        assert len(files) == sum(not one.is_dir() for one in archive.infolist()), "a name stands twice"
    record_name, = (name for name in files if name.endswith(".dist-info/RECORD") and name.count("/") == 1)
    listed = {}
    for name, digest, size in csv.reader(io.StringIO(files[record_name].decode())):
        assert name not in listed, name
        listed[name] = (digest, size)
    assert listed.pop(record_name) == ("", "")
    assert listed == {name: (record_hash(data), str(len(data))) for name, data in files.items()
                      if name != record_name and not name.endswith(("RECORD.jws", "RECORD.p7s"))}
    parts = os.path.basename(path).removesuffix(".whl").split("-")
    builds = [line[7:] for line in files[record_name.replace("RECORD", "WHEEL")].decode().splitlines()
              if line.startswith("Build: ")]
    assert builds == (parts[2:3] if len(parts) == 6 else []), (builds, parts)
    return files


def layout(path):
    """What a zip says beside the contents, in its order."""
    with zipfile.ZipFile(path) as archive:
        return [(one.filename, one.date_time, one.external_attr, one.compress_type, one.create_system)
                for one in archive.infolist()]
