"""Executes the instructions of a Dockerfile, one layer for each of the last stage that changes the root directory."""

import contextlib
import datetime
import os
import platform
import re
import shutil
import stat
import subprocess

from . import dockerfile, output, sandbox, snapshot

EPOCH = 1767225600  # 2026-01-01: the newest time that any file of an image carries
BASES = {"debian:bookworm-slim": "bookworm", "debian:bookworm": "bookworm"}
# Written by ldconfig and apt for their own speed; they hold inode times. Official base images have none.
VOLATILE = ["var/cache/ldconfig/aux-cache", "var/cache/apt/pkgcache.bin", "var/cache/apt/srcpkgcache.bin"]
LOGS = ["var/log/dpkg.log", "var/log/alternatives.log", "var/log/apt/history.log", "var/log/apt/term.log"]


def say(text):
    print(f"make-image: {text}", flush=True)


def base_tar(cache, suite):
    """A minimal Debian, made once by mmdebstrap."""
    path = os.path.join(cache, "base", f"{suite}-{platform.machine()}.tar")
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        mirror = os.environ.get("FLENSE_DEBIAN_MIRROR", "http://deb.debian.org/debian")
        say(f"bootstrapping Debian {suite}")
        subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", suite, path + ".part.tar", mirror],
                       check=True, env={**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)})
        os.rename(path + ".part.tar", path)
    return path


class Builder:
    """One stage. Only the last one has an archive; `earlier` are those before it by name. `around_run` is for an image that
    is larger than the disk likes: each RUN is within it, and what the step leaves below /opt is spent once it is in a layer."""

    def __init__(self, context, cache, root, step_env, binds, earlier, archive,
                 around_run=None):
        self.context, self.cache, self.root = context, cache, root
        self.step_env, self.binds = step_env, binds
        self.earlier, self.archive, self.around_run = earlier, archive, around_run
        self.args = {}
        self.env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        self.config = {}
        self.workdir, self.user = "/", ""
        self.history, self.diff_ids = [], []
        self.before = {}
        self.created = datetime.datetime.fromtimestamp(EPOCH, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

    def build(self, stage):
        for instruction in stage.instructions:
            say(f"{instruction.name} {instruction.text[:100]}")
            if instruction.name == "FROM":
                self.start(stage.base, instruction)
            else:
                getattr(self, "do_" + instruction.name.lower())(instruction)
        return {"architecture": {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()], "os": "linux",
                "created": self.created, "config": {**self.config, "Env": [f"{k}={v}" for k, v in self.env.items()]},
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{d}" for d in self.diff_ids]},
                "history": self.history}

    def note(self, instruction, empty):
        prefix = "RUN /bin/sh -c" if instruction.name == "RUN" else instruction.name
        entry = {"created": self.created, "created_by": f"{prefix} {instruction.text}", "comment": "make-image"}
        if empty:
            entry["empty_layer"] = True
        self.history.append(entry)

    def commit(self, instruction):
        if self.archive is None:
            return
        self.normalise()
        after = snapshot.scan(self.root)
        paths, removed = snapshot.changes(self.before, after)
        self.before = after
        if not paths and not removed:
            self.note(instruction, True)
            return
        self.diff_ids.append(self.archive.add_layer(
            lambda sink: snapshot.write_layer(self.root, paths, removed, EPOCH, sink)))
        self.note(instruction, False)

    def spend(self):
        """The large files below /opt lose their bytes and keep their size: no later step reads them."""
        for path, (mode, _, _, size, *_) in self.before.items():
            full = os.path.join(self.root, path)
            if path.startswith("opt/") and stat.S_ISREG(mode) and size > 1 << 16 and os.lstat(full).st_blocks:
                os.truncate(full, 0)
                os.truncate(full, size)
        # Hard links share what changed.
        self.before = snapshot.scan(self.root)

    def normalise(self):
        """Takes out what depends on the time of day."""
        stamp = self.created[:10]
        for name in LOGS:
            path = os.path.join(self.root, name)
            if not os.path.exists(path):
                continue
            with open(path, "rb") as source:
                text = source.read()
            clean = re.sub(rb"\d{4}-\d\d-\d\d( +)\d\d:\d\d:\d\d", stamp.encode() + rb"\g<1>00:00:00", text)
            if clean != text:
                with open(path, "wb") as out:
                    out.write(clean)
        for name in VOLATILE:
            path = os.path.join(self.root, name)
            if os.path.exists(path):
                os.unlink(path)

    def inside(self, path):
        """A path of the image as a path of this machine; refuses to leave the root."""
        full = os.path.normpath(os.path.join(self.root, os.path.join(self.workdir, path).lstrip("/")))
        if full != self.root and not os.path.realpath(full).startswith(self.root):
            raise dockerfile.DockerfileError(f"{path} leaves the image")
        return full

    def start(self, base, instruction):
        if base in self.earlier:
            if self.archive:
                raise dockerfile.DockerfileError(f"FROM {base}: the last stage begins with one of {', '.join(BASES)}")
            stage = self.earlier[base]
            self.env, self.workdir, self.user = dict(stage.env), stage.workdir, stage.user
            subprocess.run(["cp", "-a", "--reflink=auto", stage.root, self.root], check=True)
            return
        if base not in BASES:
            raise dockerfile.DockerfileError(f"FROM {base}: known bases are {', '.join(BASES)}")
        tar = base_tar(self.cache, BASES[base])
        shutil.rmtree(self.root, ignore_errors=True)
        os.makedirs(self.root)
        subprocess.run(["tar", "-xpf", tar, "--numeric-owner", "--xattrs", "--xattrs-include=*", "-C", self.root],
                       check=True)
        for name in ["etc/resolv.conf", "etc/hostname"]:
            with open(os.path.join(self.root, name), "w"):
                pass
        self.before = {}
        self.commit(instruction)

    def do_run(self, instruction):
        with self.around_run(instruction.text) if self.around_run else contextlib.nullcontext():
            sandbox.run(self.root, instruction.argv(), {**self.args, **self.env, "HOME": "/root", **self.step_env},
                        self.workdir, self.user, self.binds)
        self.commit(instruction)
        if self.around_run:
            self.spend()

    def do_copy(self, instruction):
        *sources, target = [dockerfile.expand(w, {**self.args, **self.env}) for w in instruction.words()]
        if "from" in instruction.flags:
            self.copy_from_stage(instruction.flags["from"], sources, target)
            self.commit(instruction)
            return
        owner = instruction.flags.get("chown")
        destination = self.inside(target)
        into_folder = target.endswith("/") or len(sources) > 1 or os.path.isdir(destination)
        for source in sources:
            full = os.path.join(self.context, source)
            if os.path.isdir(full):
                for folder, folders, files in os.walk(full):
                    folders.sort()
                    for name in sorted(files):
                        relative = os.path.relpath(os.path.join(folder, name), full)
                        self.copy_file(os.path.join(folder, name), os.path.join(destination, relative), owner)
            else:
                place = os.path.join(destination, os.path.basename(source)) if into_folder else destination
                self.copy_file(full, place, owner)
        self.commit(instruction)

    def copy_from_stage(self, name, sources, target):
        """Modes and times stay. The copies are hard links, since a stage can hold gigabytes and nothing runs in it any more."""
        if name not in self.earlier:
            raise dockerfile.DockerfileError(f"COPY --from={name}: there is no such stage before")
        destination = self.inside(target)
        for source in sources:
            full = self.earlier[name].inside(os.path.join("/", source))
            place = destination
            if not os.path.isdir(full) and (target.endswith("/") or os.path.isdir(destination)):
                place = os.path.join(destination, os.path.basename(source))
            os.makedirs(os.path.dirname(place), exist_ok=True)
            subprocess.run(["cp", "-aT", "--link", "--force", full, place], check=True)

    def copy_file(self, source, target, owner):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(source, target)
        os.chmod(target, 0o755 if os.access(source, os.X_OK) else 0o644)
        os.utime(target, (EPOCH, EPOCH))
        if owner:
            user, _, group = owner.partition(":")
            os.chown(target, int(user), int(group or user))

    def do_arg(self, instruction):
        self.args.update(instruction.pairs())
        self.note(instruction, True)

    def do_env(self, instruction):
        for key, value in instruction.pairs().items():
            self.env[key] = dockerfile.expand(value, {**self.args, **self.env})
        self.note(instruction, True)

    def do_workdir(self, instruction):
        self.workdir = os.path.join(self.workdir, dockerfile.expand(instruction.text, self.env))
        self.config["WorkingDir"] = self.workdir
        folder = self.inside(self.workdir)
        if os.path.isdir(folder):
            self.note(instruction, True)
            return
        os.makedirs(folder)
        self.commit(instruction)

    def do_user(self, instruction):
        self.user = self.config["User"] = instruction.text
        self.note(instruction, True)

    def do_expose(self, instruction):
        self.config.setdefault("ExposedPorts", {}).update({f"{p}/tcp": {} for p in instruction.words()})
        self.note(instruction, True)

    def do_label(self, instruction):
        self.config.setdefault("Labels", {}).update(instruction.pairs())
        self.note(instruction, True)

    def do_cmd(self, instruction):
        self.config["Cmd"] = instruction.argv()
        self.note(instruction, True)

    def do_entrypoint(self, instruction):
        self.config["Entrypoint"] = instruction.argv()
        self.note(instruction, True)


def build_image(context, file, cache, out, tag, step_env, binds, with_oci, packed=None, around_run=None):
    """Builds `context`/`file` to `out`.tar and, if asked, `out`.oci, or only to the latter with layers that the command of
    `packed` compresses. Returns the archive."""
    with open(os.path.join(context, file), encoding="utf-8") as source:
        stages = dockerfile.stages(source.read())
    work = os.path.join(cache, "work", os.path.basename(out))
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    os.makedirs(os.path.dirname(out), exist_ok=True)
    target = out + (".oci" if packed else ".tar")
    archive = output.OciLayout(target + ".part", *packed) if packed else output.DockerArchive(target + ".part", EPOCH)
    built = {}
    try:
        for number, stage in enumerate(stages):
            last = number == len(stages) - 1
            built[stage.name] = Builder(context, cache, os.path.join(work, f"root{number}"), step_env, binds, built,
                                        archive if last else None, around_run)
            config = built[stage.name].build(stage)
        archive.finish(config, tag)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if os.path.isdir(target):
        shutil.rmtree(target)
    os.rename(archive.path, target)
    archive.path = target
    if with_oci and not packed:
        say("compressing the layers of the OCI layout")
        output.write_oci_layout(archive, config, tag, out + ".oci.part")
        shutil.rmtree(out + ".oci", ignore_errors=True)
        os.rename(out + ".oci.part", out + ".oci")
    return archive
