"""A root directory with programs of this machine: its Python, its libc, its tools."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig

PYTHON = os.path.realpath(sys.executable)
SITE = sysconfig.get_path("purelib").lstrip("/")
NOT_OF_USE = shutil.ignore_patterns("__pycache__", "test", "tests", "idlelib", "site-packages", "dist-packages", "config-*",
                                    "ensurepip", "lib2to3", "*.a", "turtledemo", "pydoc_data", "distutils")


def libraries_of(path):
    done = subprocess.run(["ldd", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return re.findall(rb"(/\S+) \(0x", done.stdout)


class Root:
    """A root directory made of files of this machine and some of our own."""

    def __init__(self, path):
        self.path = path
        for folder in ("usr/bin", "usr/lib", "usr/lib64", "usr/sbin", "etc", "tmp", "srv"):
            os.makedirs(self.at(folder))
        for name in ("bin", "sbin", "lib", "lib64"):
            os.symlink("usr/" + name, self.at(name))

    def at(self, path):
        return os.path.join(self.path, path.lstrip("/"))

    def text(self, path, text, mode=0o644):
        os.makedirs(os.path.dirname(self.at(path)), exist_ok=True)
        with open(self.at(path), "w", encoding="utf-8") as out:
            out.write(text)
        os.chmod(self.at(path), mode)

    def library(self, path):
        """As the loader finds it: under its own path."""
        if os.path.exists(self.at(path)):
            return
        os.makedirs(os.path.dirname(self.at(path)), exist_ok=True)
        shutil.copy(path, self.at(path))

    def program(self, source, path):
        os.makedirs(os.path.dirname(self.at(path)), exist_ok=True)
        shutil.copy(source, self.at(path))
        for library in libraries_of(source):
            self.library(library.decode())

    def python(self):
        self.program(PYTHON, PYTHON)
        os.makedirs(self.at("usr/bin"), exist_ok=True)
        if PYTHON != "/usr/bin/python3":
            os.symlink(PYTHON, self.at("usr/bin/python3"))
        library = sysconfig.get_path("stdlib")
        shutil.copytree(library, self.at(library), ignore=NOT_OF_USE, symlinks=True)
        for folder, _, names in os.walk(self.at(library)):
            for name in names:
                if name.endswith(".so"):
                    for path in libraries_of(os.path.join(folder, name)):
                        self.library(path.decode())

    def wheel(self, name, files, metadata="", entry_points=None):
        info = f"{name}-1.0.dist-info"
        files = {**files, f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{metadata}\n"}
        if entry_points:
            files[f"{info}/entry_points.txt"] = entry_points
        for path, text in files.items():
            self.text(f"{SITE}/{path}", text)
        self.text(f"{SITE}/{info}/RECORD", "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"]))


def tar_of(root):
    return subprocess.run(["tar", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "-C", root,
                           "-cf", "-", "."], check=True, stdout=subprocess.PIPE).stdout
