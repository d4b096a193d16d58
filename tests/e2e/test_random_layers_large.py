#!/usr/bin/env python3
"""Layers at random, with links across them, whiteouts and folders in place of files: what a container sees after slim
is what it saw before, less what may go. The model of unpacking is this file's own."""

import io
import os
import random
import tarfile

import fixtures
import harness
import imagetree

SEEDS = int(os.environ.get("FLENSE_SEEDS", "600"))
PLACES = ("tmp", "usr/share/doc/p", "usr/lib", "opt/app", "usr/include", "var/cache/apt/archives", "root/.cache/pip/http")
MAY_GO = ("tmp/", "usr/share/doc/", "usr/include/", "var/cache/apt/archives/", "root/.cache/pip/")
ENDINGS = ("", ".a", ".so.1", ".h", ".deb", ".x")
MODES = (("--level", "standard"), ("--level", "aggressive"), ("--level", "standard", "--squash"),
         ("--level", "aggressive", "--squash"))


class CannotBeUnpacked(Exception):
    pass


def layer(chance, number, below):
    """(path, kind, text or target) of each member; kinds: file, folder, link, hard, whiteout."""
    own, out = {}, []
    for _ in range(chance.randint(1, 7)):
        place = chance.choice(PLACES)
        path = f"{place}/{chance.choice('abc')}{chance.choice(ENDINGS[:1 + chance.randint(0, 5)])}"
        kind = chance.choice(["file"] * 4 + ["hard"] * 4 + ["link", "whiteout", "whiteout", "opaque", "folder"])
        old = [one for one in below if one not in own]
        if kind == "opaque":
            if not any(one.startswith(place + "/") for one in own):
                out.append((f"{place}/.wh..wh..opq", "whiteout", ""))
        elif kind == "whiteout":
            if old:
                path = chance.choice(old)
                own[path] = kind
                out.append((f"{os.path.dirname(path)}/.wh.{os.path.basename(path)}", kind, ""))
        elif kind == "folder":
            if path not in own:
                own[path], own[path + "/in"] = kind, "file"
                out += [(path, kind, ""), (path + "/in", "file", f"{number} in {path}")]
        elif own.get(path) != "folder":
            targets = [one for one in [*own, *below] if one != path and own.get(one, "file") in ("file", "hard")]
            if kind == "hard" and not targets:
                continue
            own[path] = kind
            text = {"hard": lambda: chance.choice(targets), "link": lambda: "/opt/app/" + chance.choice("abcd"),
                    "file": lambda: chance.choice([f"{number} {path}", f"{path}{number}" * 300, ""])}[kind]()
            out.append((path, kind, text))
    below += [one for one, kind in own.items() if kind not in ("whiteout", "folder")]
    return out


def unpacked(layers):
    """What lies where once the layers are unpacked one after the other: path to (kind, text)."""
    tree = {}

    def remove(paths, made):
        for one in paths:
            if not (tree[one][0] == "folder" and any(new.startswith(one + "/") for new in made)):
                del tree[one]

    for members in layers:
        made = set()
        for path, kind, text in members:
            folder, name = os.path.split(path)
            if name == ".wh..wh..opq":
                remove([one for one in tree if one.startswith(folder + "/") and one not in made], made)
                continue
            if name.startswith(".wh."):
                gone = f"{folder}/{name[4:]}"
                remove([one for one in tree if (one + "/").startswith(gone + "/") and one not in made], made)
                continue
            for end in (at for at, c in enumerate(path) if c == "/"):
                if tree.get(path[:end], ("folder",))[0] == "link":
                    raise CannotBeUnpacked(f"{path} lies below a link")
                if tree.get(path[:end], ("",))[0] != "folder":
                    tree[path[:end]] = ("folder", "")
                made.add(path[:end])
            if kind == "hard":
                if tree.get(text, ("folder",))[0] == "folder":
                    raise CannotBeUnpacked(f"{path} is a link to {text}, which is not there")
                kind, text = tree[text]
            if kind != "folder" or tree.get(path, (kind,))[0] != "folder":
                for one in [one for one in tree if one.startswith(path + "/")]:
                    del tree[one]
                tree[path] = (kind, text)
            made.add(path)
    return tree


def packed(members):
    out, folders = fixtures.Layer(), set()
    for path, kind, text in members:
        for end in (at for at, c in enumerate(path) if c == "/"):
            if path[:end] not in folders:
                folders.add(path[:end])
                out.folder(path[:end])
        if kind == "folder":
            folders.add(path)
        {"folder": lambda: out.folder(path), "hard": lambda: out.hardlink(path, text), "link": lambda: out.symlink(path, text),
         "file": lambda: out.file(path, text), "whiteout": lambda: out.file(path, "")}[kind]()
    return out.done()


def kind_of(info):
    return "folder" if info.isdir() else "hard" if info.islnk() else "link" if info.issym() else "file"


class RandomLayers(harness.Case):
    def read(self, path):
        out = []
        for data in imagetree.read_image(path, "docker").layers:
            with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                out.append([(info.name.rstrip("/"), kind_of(info),
                             tar.extractfile(info).read().decode() if info.isreg() else info.linkname) for info in tar])
        return out

    def wrong(self, before, after):
        for path in sorted(before.keys() | after.keys()):
            was, now = before.get(path), after.get(path)
            if was == now or path.startswith("usr/share/flense") or path in ("usr", "usr/share"):
                continue
            goes = path.startswith(MAY_GO) or path.endswith((".a", ".deb")) or (was and was[0] in ("folder", "link"))
            if now is not None or not goes:
                return f"{path}: was {was}, is {now}"
        return None

    def test_what_containers_see(self):
        tried = 0
        for seed in range(SEEDS):
            chance, below = random.Random(seed), []
            layers = [packed(layer(chance, number, below)) for number in range(chance.choice((2, 3, 3, 4)))]
            source, out = self.path(f"{seed}.tar"), self.path(f"{seed}-slim.tar")
            fixtures.docker_archive(source, layers, ["RUN"] * len(layers))
            try:
                before = unpacked(self.read(source))
            except CannotBeUnpacked:
                continue
            for mode in MODES:
                with self.subTest(seed=seed, mode=mode):
                    self.flense("slim", source, "--gpu", "sm_90", "-q", "-o", out, *mode)
                    self.assertIsNone(self.wrong(before, unpacked(self.read(out))))
                    self.flense("verify", out, "--against", source)
                    tried += 1
                for name in (out, out + ".provenance.json"):
                    if os.path.exists(name):
                        os.remove(name)
            os.remove(source)
        self.assertGreater(tried, 2 * SEEDS)


if __name__ == "__main__":
    harness.main()
