"""Unpacks a docker-archive on disk with tar alone, and runs commands in the result."""

import json
import os
import shutil
import subprocess
import tarfile


def unpack(archive, root):
    """Layer by layer: whiteouts first, then GNU tar. Independent of flense; needs root."""
    os.makedirs(root)
    with tarfile.open(archive) as outer:
        manifest, = json.load(outer.extractfile("manifest.json"))
        places = {m.name: (m.offset_data, m.size) for m in outer.getmembers()}
    for name in manifest["Layers"]:
        offset, size = places[name]
        with open(archive, "rb") as source:
            source.seek(offset)
            with tarfile.open(fileobj=source, mode="r|") as layer:
                marks = [m.name for m in layer if "/.wh." in "/" + m.name]
        for mark in marks:
            folder, _, base = mark.rpartition("/")
            victims = os.listdir(os.path.join(root, folder)) if base == ".wh..wh..opq" else [base[4:]]
            for victim in victims:
                path = os.path.join(root, folder, victim)
                if os.path.isdir(path) and not os.path.islink(path):
                    shutil.rmtree(path)
                elif os.path.lexists(path):
                    os.unlink(path)
        command = ["tar", "-x", "-p", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--exclude=.wh.*", "-C", root]
        with open(archive, "rb", buffering=0) as source:
            process = subprocess.Popen(command, stdin=subprocess.PIPE)
            source.seek(offset)
            left = size
            try:
                while left:
                    block = source.read(min(left, 1 << 20))
                    process.stdin.write(block)
                    left -= len(block)
                process.stdin.close()
            except BrokenPipeError:
                pass  # tar stops at the end marker; padding may follow
            if process.wait() != 0:
                raise OSError(f"tar failed on {name}")


def outcome(root, argv, binds=(), env=None):
    """(status, standard output, standard error) of argv in the root, without network but with loopback."""
    command = ["bwrap", "--ro-bind", root, "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--tmpfs", "/run",
               "--unshare-net", "--unshare-pid", "--unshare-ipc", "--die-with-parent", "--clearenv",
               "--setenv", "HOME", "/tmp", "--setenv", "PYTHONDONTWRITEBYTECODE", "1"]
    for key, value in {"PATH": "/usr/local/bin:/usr/bin:/bin", **(env or {})}.items():
        command += ["--setenv", key, value]
    for source, target in binds:
        command += ["--ro-bind", source, target]
    done = subprocess.run(command + list(argv), stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def run(root, argv, binds=(), env=None):
    """Like outcome, of a command that has to succeed; returns standard output."""
    status, out, err = outcome(root, argv, binds, env)
    if status != 0:
        raise OSError(f"{argv}: status {status}: {err[-2000:]}")
    return out
