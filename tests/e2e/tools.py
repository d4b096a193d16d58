"""Other people's programs that large tests ask, fetched into the cache once."""

import os
import subprocess
import venv

import harness


def contents(path):
    try:
        with open(path) as text:
            return text.read()
    except FileNotFoundError:
        return None


def environment(name, *packages):
    """The directory of a virtual environment that has these packages of PyPI."""
    path = os.path.join(harness.CACHE, name)
    if not os.path.exists(os.path.join(path, "bin/pip")):
        venv.create(path, with_pip=True)
    marker = os.path.join(path, "complete")
    wanted = "\n".join(packages)
    if contents(marker) != wanted:
        subprocess.run([f"{path}/bin/pip", "install", "--quiet", *packages], check=True)
        with open(marker, "w") as out:
            out.write(wanted)
    return path


def node_package(package, version):
    """The directory of an npm package, without those that it depends on."""
    path = os.path.join(harness.CACHE, "npm", f"{package.replace('/', '-')}-{version}")
    if not os.path.isdir(path):
        os.makedirs(path + ".part", exist_ok=True)
        packed = subprocess.run(["npm", "pack", "--silent", f"{package}@{version}"], cwd=path + ".part", check=True,
                                stdout=subprocess.PIPE, text=True).stdout.split()[-1]
        subprocess.run(["tar", "xzf", packed], cwd=path + ".part", check=True)
        os.remove(os.path.join(path + ".part", packed))
        os.rename(path + ".part", path)
    return os.path.join(path, "package")
