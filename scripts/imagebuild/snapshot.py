"""Compares a root directory before and after a step and writes the difference as an OCI layer.

Deterministic: entries in path order, times clamped to the epoch given, numeric owners only.
A path whose inode change time moved belongs to the layer, as with overlayfs, where chmod or chown
copies the whole file up.
"""

import os
import stat
import tarfile

# Mount points of the sandbox, and files that a build leaves with the machine's own state.
EXCLUDED = {"dev", "proc", "sys", "run", "etc/resolv.conf"}


def state(info):
    """What identifies the state of a path."""
    return (info.st_mode, info.st_uid, info.st_gid, info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino, info.st_rdev)


def scan(root):
    """Path relative to root -> what identifies its state."""
    result = {}

    def visit(relative):
        with os.scandir(os.path.join(root, relative)) as entries:
            for entry in entries:
                path = f"{relative}/{entry.name}" if relative else entry.name
                info = entry.stat(follow_symlinks=False)
                result[path] = state(info)
                if stat.S_ISDIR(info.st_mode) and path not in EXCLUDED:
                    visit(path)

    visit("")
    return result


def parents(path):
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def changes(before, after):
    """(paths to write, paths to white out), both sorted."""
    changed = {p for p, state in after.items()
               if before.get(p) != state and not (p in EXCLUDED and p in before)}
    # A directory whose only news are its children's names is written because a child is.
    for path in [p for p in changed]:
        changed.update(parents(path))
    removed = {p for p in before if p not in after}
    top = sorted(p for p in removed if p.rpartition("/")[0] not in removed)
    for path in top:
        changed.update(parents(path))
    return sorted(changed), top


def whiteout(path):
    directory, slash, name = path.rpartition("/")
    return f"{directory}{slash}.wh.{name}"


def write_layer(root, paths, removed, epoch, out):
    """Writes the tar stream to `out` (any object with write)."""
    tar = tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT, bufsize=1 << 20)
    inodes = {}
    marks = sorted([(p, False) for p in paths] + [(whiteout(p), True) for p in removed])
    for path, is_whiteout in marks:
        if is_whiteout:
            info = tarfile.TarInfo(path)
            info.mtime = epoch
            info.mode = 0o600
            tar.addfile(info)
            continue
        full = os.path.join(root, path)
        state = os.lstat(full)
        if stat.S_ISSOCK(state.st_mode):
            continue
        info = tarfile.TarInfo(path)
        info.mode = stat.S_IMODE(state.st_mode)
        info.uid, info.gid = state.st_uid, state.st_gid
        info.mtime = min(int(state.st_mtime), epoch)
        for name in os.listxattr(full, follow_symlinks=False):
            value = os.getxattr(full, name, follow_symlinks=False)
            info.pax_headers[f"SCHILY.xattr.{name}"] = value.decode("utf-8", "surrogateescape")
        if stat.S_ISDIR(state.st_mode):
            info.type = tarfile.DIRTYPE
            tar.addfile(info)
        elif stat.S_ISLNK(state.st_mode):
            info.type = tarfile.SYMTYPE
            info.linkname = os.readlink(full)
            tar.addfile(info)
        elif stat.S_ISREG(state.st_mode):
            key = (state.st_dev, state.st_ino)
            if state.st_nlink > 1 and key in inodes:
                info.type = tarfile.LNKTYPE
                info.linkname = inodes[key]
                tar.addfile(info)
            else:
                inodes[key] = path
                info.size = state.st_size
                with open(full, "rb") as source:
                    tar.addfile(info, source)
        elif stat.S_ISCHR(state.st_mode) or stat.S_ISBLK(state.st_mode):
            info.type = tarfile.CHRTYPE if stat.S_ISCHR(state.st_mode) else tarfile.BLKTYPE
            info.devmajor, info.devminor = os.major(state.st_rdev), os.minor(state.st_rdev)
            tar.addfile(info)
        elif stat.S_ISFIFO(state.st_mode):
            info.type = tarfile.FIFOTYPE
            tar.addfile(info)
    tar.close()
