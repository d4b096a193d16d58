#!/usr/bin/env python3
"""Plants faults in slim images, one at a time, and asks `flense verify` to find each.

  verify_faults.py [--kind WORD]… [--seed N] [--times N] [--list]

Written from docs/commands/verify.md and the formats, not from src/verify. Each kind of fault is planted several times, at
places that the seed chooses; lists of files that record digests follow, so that no fault is found by them alone. Found
means: exit status 1, and a difference that names the path. Exit status 0 all found, 1 some not.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
import elf_faults  # noqa: E402
import fixtures  # noqa: E402
import golden_inputs  # noqa: E402
import harness  # noqa: E402
from planted_image import Image, members_of, packed, plain  # noqa: E402

KINDS = list(elf_faults.KINDS)  # (name, times, forms, plant); plant(image, chance) returns the path that a difference has to name
BOTH = ("layers", "squashed")


def kind(name, times=4, forms=("layers",)):
    def add(plant):
        KINDS.append((name, times, forms, plant))
        return plant
    return add


# --- members --------------------------------------------------------------------------------------------------------


def path_of(item):
    return plain(item[0].name)


def lone_file(image, chance, least=1):
    """(layer, item) of a file that no other name and no later layer has to do with, no list and none of flense's."""
    names = collections.Counter(path_of(item) for _, item in image.members())
    linked = {plain(info.linkname) for _, (info, _) in image.members() if info.islnk()}
    return chance.choice([(layer, item) for layer, item in image.members(lambda info, data: info.isreg())
                          if names[path_of(item)] == 1 and path_of(item) not in linked and len(item[1]) >= least
                          and not path_of(item).endswith(("/RECORD", ".md5sums", "x-1.0-0.json", "db/installed", "slim.json"))
                          and item[1][:4] != b"\x7fELF"])


@kind("bit of a file", 8, BOTH)
def _(image, chance):
    layer, item = lone_file(image, chance)
    at = chance.randrange(len(item[1]))
    image.put(layer, item, item[1][:at] + bytes([item[1][at] ^ 1 << chance.randrange(8)]) + item[1][at + 1:])
    return path_of(item)


@kind("file longer or shorter", 4, BOTH)
def _(image, chance):
    layer, item = lone_file(image, chance, 2)
    image.put(layer, item, item[1] + b"\n" if chance.random() < .5 else item[1][:-1])
    return path_of(item)


@kind("contents of two files exchanged", 4, BOTH)
def _(image, chance):
    one, other = lone_file(image, chance), lone_file(image, chance)
    while one[1][1] == other[1][1]:
        other = lone_file(image, chance)
    a, b = one[1][1], other[1][1]
    image.put(*one, b)
    image.put(*other, a)
    return path_of(one[1])


@kind("file gone without a reason", 6, BOTH)
def _(image, chance):
    path = path_of(lone_file(image, chance)[1])
    image.gone(path)
    return path


@kind("directory gone", 4)
def _(image, chance):
    names = {path_of(item) for _, item in image.members()}
    layer, item = chance.choice(image.members(lambda info, data: info.isdir() and not any(
        name.startswith(plain(info.name) + "/") for name in names)) or image.members(lambda info, data: info.isdir()))
    layer.remove(item)
    return path_of(item)


@kind("something new", 8, BOTH)
def _(image, chance):
    info = tarfile.TarInfo(chance.choice(("etc", "usr/bin", "opt", "srv/app")) + f"/new{chance.randrange(1000)}")
    info.type = chance.choice((tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE))
    info.linkname = "target" if info.issym() else ""
    chance.choice(image.layers).append([info, b"x" if info.isreg() else None])
    return info.name


@kind("file that went is back", 4)
def _(image, chance):
    rows = [(number, one["path"]) for number, layer in enumerate(image.record["plan"]["layers"])
            for one in layer["edits"] if one["action"] == "drop"]
    number, path = chance.choice(rows)
    info = tarfile.TarInfo(path)
    image.layers[number].append([info, b"not what it was"])
    return path


@kind("another name", 4, BOTH)
def _(image, chance):
    _, item = lone_file(image, chance)
    path = path_of(item)
    item[0].name = item[0].name[:-1] + ("x" if not path.endswith("x") else "y")
    return path


@kind("another type", 4, BOTH)
def _(image, chance):
    _, item = lone_file(image, chance)
    item[0].type, item[1] = chance.choice((tarfile.FIFOTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE)), None
    item[0].linkname = "/etc/passwd" if item[0].issym() else ""
    return path_of(item)


@kind("mode", 8, BOTH)
def _(image, chance):
    _, item = chance.choice(image.members(lambda info, data: info.isreg() or info.isdir()))
    item[0].mode ^= 1 << chance.randrange(12)
    return path_of(item)


for one in ("uid", "gid"):
    @kind(f"owner ({one})", 4, BOTH)
    def _(image, chance, one=one):
        _, item = chance.choice(image.members(lambda info, data: info.isreg() or info.isdir()))
        setattr(item[0], one, getattr(item[0], one) + chance.randrange(1, 100_000))
        return path_of(item)


@kind("time", 4, BOTH)
def _(image, chance):
    _, item = lone_file(image, chance)
    item[0].mtime += chance.choice((-1, 1, 3600))
    return path_of(item)


@kind("extended attribute", 6, BOTH)
def _(image, chance):
    _, item = image.find("opt/capable") if chance.random() < .6 else lone_file(image, chance)
    headers = dict(item[0].pax_headers)
    if "SCHILY.xattr.security.capability" in headers and chance.random() < .6:
        del headers["SCHILY.xattr.security.capability"]
    else:
        headers[f"SCHILY.xattr.{chance.choice(('user.new', 'security.capability'))}"] = "\x01\0\0\x02" + "\0" * 16
    item[0].pax_headers = headers
    return path_of(item)


@kind("text of a symbolic link", 6, BOTH)
def _(image, chance):
    _, item = chance.choice(image.members(lambda info, data: info.issym()))
    item[0].linkname = chance.choice((item[0].linkname + "x", "/etc/passwd", "../" + item[0].linkname))
    return path_of(item)


@kind("hard link to another file", 3)
def _(image, chance):
    layer, item = chance.choice(image.members(lambda info, data: info.islnk()))
    item[0].linkname = chance.choice([one[0].name for one in layer if one[0].isreg() and one[1] and
                                      plain(one[0].name) != plain(item[0].linkname) and layer.index(one) < layer.index(item)])
    return path_of(item)


@kind("hard link before its target", 2)
def _(image, chance):
    layer, item = chance.choice(image.members(lambda info, data: info.islnk()))
    layer.remove(item)
    layer.insert(0, item)
    return path_of(item)


def whiteouts(image):
    return [(layer, item) for layer in image.layers for item in layer if "/.wh." in item[0].name]


@kind("whiteout gone", 3)
def _(image, chance):
    layer, item = chance.choice(whiteouts(image))
    layer.remove(item)
    return path_of(item)


@kind("whiteout new", 4, BOTH)
def _(image, chance):
    folder, _, name = path_of(lone_file(image, chance)[1]).rpartition("/")
    info = tarfile.TarInfo(f"{folder}/.wh.{name}" if chance.random() < .7 else f"{folder}/.wh..wh..opq")
    image.layers[-1].append([info, b""])
    return info.name


@kind("whiteout behind what it hides", 2)
def _(image, chance):
    layer, item = next(one for one in whiteouts(image) if one[1][0].name.endswith(".opq"))
    layer.remove(item)
    layer.append(item)
    return path_of(item)


@kind("member in another layer", 3)
def _(image, chance):
    layer, item = lone_file(image, chance)
    layer.remove(item)
    chance.choice([one for one in image.layers if one is not layer]).append(item)
    return path_of(item)


# --- lists of packages ----------------------------------------------------------------------------------------------


def list_kind(name, ending, times=4):
    """plant(lines, chance) changes the lines of such a list."""
    def add(plant):
        @kind(name, times)
        def _(image, chance):
            _, item = chance.choice(image.members(lambda info, data: data and plain(info.name).endswith(ending)))
            lines = item[1].decode().splitlines(keepends=True)
            plant(lines, chance)
            item[1] = "".join(lines).encode()
            return path_of(item)
        return plant
    return add


def digit(line, chance, at):
    """Another letter where one of the digest is."""
    return line[:at] + chance.choice("0123456789abcdef".replace(line[at].lower(), "")) + line[at + 1:]


def row_gone(lines, chance):
    del lines[chance.randrange(len(lines))]


def digest_wrong(lines, chance):
    number = chance.choice([i for i, line in enumerate(lines) if "sha256=" in line])
    lines[number] = digit(lines[number], chance, lines[number].index("sha256=") + 7 + chance.randrange(42))


def size_wrong(lines, chance):
    number = chance.choice([i for i, line in enumerate(lines) if "sha256=" in line])
    lines[number] = lines[number].rstrip("\n") + "0\n"


def row_new(lines, chance):
    lines.insert(chance.randrange(len(lines)), "acme/new.py,,\n")


def md5_wrong(lines, chance):
    number = chance.randrange(len(lines))
    lines[number] = digit(lines[number], chance, chance.randrange(32))


def apk_wrong(lines, chance):
    number = chance.choice([i for i, line in enumerate(lines) if line.startswith("Z:Q1") and len(line) > 20])
    lines[number] = digit(lines[number], chance, 5 + chance.randrange(20))


def conda_wrong(lines, chance):
    number, at = chance.choice([(number, match.start(1)) for number, line in enumerate(lines)
                                for match in re.finditer(r'"sha256\w*": ?"([0-9a-f]{64})', line)])
    lines[number] = digit(lines[number], chance, at + chance.randrange(64))


for one, ending, plant in (
        ("row of RECORD gone", "dist-info/RECORD", row_gone), ("digest in RECORD", "dist-info/RECORD", digest_wrong),
        ("size in RECORD", "dist-info/RECORD", size_wrong), ("row of RECORD new", "dist-info/RECORD", row_new),
        ("digest of dpkg", "bash.md5sums", md5_wrong), ("row of dpkg gone", ".list", row_gone),
        ("digest of apk", "db/installed", apk_wrong), ("digest of conda", "x-1.0-0.json", conda_wrong)):
    list_kind(one, ending)(plant)


# --- configuration and record ---------------------------------------------------------------------------------------


def setting(name, change):
    @kind(f"configuration: {name}", 1, BOTH)
    def _(image, chance):
        change(image.config, chance)
        return ""


for one, change in (
        ("variable new", lambda c, r: c["config"]["Env"].append("LD_PRELOAD=/tmp/x.so")),
        ("variable gone", lambda c, r: c["config"]["Env"].pop(r.randrange(len(c["config"]["Env"])))),
        ("variable changed", lambda c, r: c["config"]["Env"].__setitem__(0, "PATH=/tmp")),
        ("variables in another order", lambda c, r: c["config"]["Env"].reverse()),
        ("entry point", lambda c, r: c["config"]["Entrypoint"].pop()),
        ("command", lambda c, r: c["config"].pop("Cmd")),
        ("user", lambda c, r: c["config"].update(User="root")),
        ("working directory", lambda c, r: c["config"].update(WorkingDir="/")),
        ("port", lambda c, r: c["config"]["ExposedPorts"].update({"22/tcp": {}})),
        ("health check", lambda c, r: c["config"].pop("Healthcheck")),
        ("stop signal", lambda c, r: c["config"].update(StopSignal="SIGKILL")),
        ("volume", lambda c, r: c["config"].update(Volumes={"/srv": {}})),
        ("label changed", lambda c, r: c["config"]["Labels"].update(maintainer="somebody")),
        ("label new", lambda c, r: c["config"]["Labels"].update(new="label")),
        ("label of targets", lambda c, r: c["config"]["Labels"].update({"dev.flense.targets": "sm_80"})),
        ("architecture", lambda c, r: c.update(architecture="arm64")),
        ("system", lambda c, r: c.update(os="windows")),
        ("variant", lambda c, r: c.update(variant="v9")),
        ("date", lambda c, r: c.update(created="2026-01-02T00:00:00Z")),
        ("layer type", lambda c, r: c["rootfs"].update(type="other"))):
    setting(one, change)


@kind("history", 4)
def _(image, chance):
    history = image.config["history"]
    row = chance.randrange(len(history))
    chance.choice((lambda: history.pop(row), lambda: history[row].update(created_by="RUN true"),
                   lambda: history[row].update(empty_layer=True), lambda: history.insert(row, {"created_by": "RUN x"})))()
    return ""


@kind("layers in another order", 2)
def _(image, chance):
    a, b = chance.sample(range(len(image.layers)), 2)
    image.layers[a], image.layers[b] = image.layers[b], image.layers[a]
    return None


@kind("layer gone", 2)
def _(image, chance):
    image.layers.pop(chance.randrange(len(image.layers)))
    return None


@kind("layer new", 2)
def _(image, chance):
    image.layers.append([[tarfile.TarInfo("etc/more"), b"x"]])
    return None


@kind("flense's file names other GPUs", 2, BOTH)
def _(image, chance):
    layer, item = chance.choice(image.members(lambda info, data: plain(info.name) == "usr/share/flense/slim.json"))
    for layer, item in image.members(lambda info, data: plain(info.name) == "usr/share/flense/slim.json"):
        item[1] = item[1].replace(b"sm_90", b"sm_80")
    return path_of(item)


# What the record says of a file that is gone, where the pass does no such thing.
NARROW = ("documentation", "locales", "apt-lists", "package-caches", "pip-cache", "conda-pkgs", "node-cache", "install-logs",
          "static-libs", "cuda-static-libs", "debug-files", "stubs", "git", "wheels", "left-archives", "pycache", "type-stubs",
          "python-tests", "jit-caches", "driver-libs", "unreachable", "shadowed-files", "compilers", "no-such-pass",
          "headers", "profilers", "temporary", "logs", "samples", "device-code", "cuda-tools", "nvrtc-alternative")


@kind("reason that does not fit", 32)
def _(image, chance):
    kept = ("etc/passwd", "usr/bin/python3.11", "srv/app/main.py", "srv/model/model.safetensors",
            f"{golden_inputs.SITE}/torch/__init__.py", f"{golden_inputs.SITE}/torch/lib/libtorch_cuda.so",
            "usr/lib/x86_64-linux-gnu/libcudnn.so.9", "opt/capable", "usr/share/doc/bash/copyright")
    path = chance.choice(kept)
    layer, _ = image.find(path)
    number = next(i for i, one in enumerate(image.layers) if one is layer)
    position = image.positions[number].index(path)
    edits = image.record["plan"]["layers"][number]["edits"]
    edits[:] = sorted([one for one in edits if one["position"] != position] + [
        {"position": position, "action": "drop", "pass": chance.choice(NARROW), "path": path, "bytes_before": 1,
         "bytes_after": 0}], key=lambda one: one["position"])
    image.gone(path)
    return path


# --- running --------------------------------------------------------------------------------------------------------


def flense(work, *arguments):
    return subprocess.run([harness.BINARY, *arguments], capture_output=True, text=True, check=False,
                          env={**harness.surroundings(), "XDG_CACHE_HOME": f"{work}/cache", "NO_COLOR": "1"})


def with_archives(layer):
    """What is called a static library begins as one, as slim's reason for taking it wants."""
    return packed([[info, b"!<arch>\n" + data if info.name.endswith(".a") else data] for info, data in members_of(layer)])


def original(work):
    layers = [golden_inputs.base_layer(), golden_inputs.cuda_layer(), golden_inputs.python_layer(),
              golden_inputs.rocm_layers()[1], *golden_inputs.conda_layers(), golden_inputs.application_layer(),
              golden_inputs.late_layer()]
    layers = [with_archives(layer) for layer in layers]
    fixtures.docker_archive(f"{work}/original.tar", layers, [f"RUN step {n}" for n in range(len(layers))],
                            container=golden_inputs.CONTAINER)
    return [[plain(name[1:]) for name in fixtures.member_names(layer)] for layer in layers]


def trial(work, image, number, plant, seed):
    """None, or what went wrong."""
    changed, place = image.copy(), f"{work}/planted-{number}.tar"
    path = plant(changed, random.Random(seed)) if plant else None
    changed.write(place)
    done = flense(work, "verify", place, "--against", f"{work}/original.tar", "--record", place + ".json", "--json", "--all")
    os.unlink(place)
    os.unlink(place + ".json")
    if done.returncode != (1 if plant else 0):
        return f"{path}: status {done.returncode} {done.stderr[:300]}{done.stdout[:0 if plant else 3000]}"
    told = {one["path"] for one in json.loads(done.stdout)["differences"]}
    return f"{path}: only told of {sorted(told)[:6]}" if path is not None and path not in told else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", action="append", default=[], help="only kinds that contain this word")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--times", type=int, default=1, help="so many times as many faults of each kind")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    kinds = [one for one in KINDS if not options.kind or any(word in one[0] for word in options.kind)]
    if options.list:
        print(*(f"{times * len(forms):3} {name}" for name, times, forms, _ in kinds), sep="\n")
        return 0
    started, work = time.monotonic(), tempfile.mkdtemp(prefix="flense-faults-", dir=os.environ.get("FLENSE_TEST_DIR"))
    try:
        positions, images = original(work), {}
        for form, more in (("layers", ()), ("squashed", ("--squash",))):
            done = flense(work, "slim", f"{work}/original.tar", "--gpu", "sm_90,gfx942", "-o",
                          f"docker-archive:{work}/{form}", *more)
            if done.returncode != 0:
                sys.exit(done.stderr)
            images[form] = Image(f"{work}/{form}")
            images[form].positions = positions
        tries = [("no fault", form, "", None) for form in images] + [
            (name, form, f"{options.seed} {name} {form} {number}", plant) for name, times, forms, plant in kinds
            for form in forms for number in range(times * options.times)]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            answers = list(pool.map(lambda one: trial(work, images[one[1][1]], one[0], one[1][3], one[1][2]),
                                    enumerate(tries)))
    finally:
        shutil.rmtree(work)
    for (name, form, seed, _), wrong in zip(tries, answers):
        if wrong:
            print(f"{name} ({form}, {seed}): {wrong}")
    missed = sum(bool(one) for one in answers)
    print(f"{len(tries) - 2} faults of {len(kinds)} kinds, {missed} not found, {time.monotonic() - started:.0f} s")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
