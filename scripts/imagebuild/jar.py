"""Fetches pinned jars, and takes out of one the shared libraries that it holds."""

import hashlib
import os
import shutil
import urllib.request
import zipfile


def digest(path):
    sha256 = hashlib.sha256()
    with open(path, "rb") as source:
        while block := source.read(1 << 20):
            sha256.update(block)
    return sha256.hexdigest()


def fetch(url, sha256, folder):
    path = os.path.join(folder, url.rpartition("/")[2])
    if not os.path.exists(path):
        urllib.request.urlretrieve(url, path + ".part")
        if digest(path + ".part") != sha256:
            raise ValueError(f"{url}: not the file that was pinned")
        os.rename(path + ".part", path)
    return path


def libraries(spec, cache, folder):
    """Lays out what `spec` names as NVIDIA's packages do: a jar holds libNAME.so.10, a package libNAME.so.10.6.0 and a
    link of the first name."""
    os.makedirs(cache, exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    with zipfile.ZipFile(fetch(spec["url"], spec["sha256"], cache)) as archive:
        for one in archive.infolist():
            name = one.filename.removeprefix(spec["prefix"])
            if name == one.filename or ".so." not in name:
                continue
            stem = name.partition(".so.")[0]
            real = f"{stem}.so.{spec['version']}"
            with archive.open(one) as content, open(os.path.join(folder, real), "wb") as out:
                shutil.copyfileobj(content, out, 1 << 20)
            os.chmod(os.path.join(folder, real), 0o644)
            if name != real:
                os.symlink(real, os.path.join(folder, name))
