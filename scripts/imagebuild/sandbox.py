"""Runs a build step inside a root directory through bubblewrap."""

import os
import subprocess


class StepFailed(Exception):
    """A RUN instruction ended with a status other than 0."""


def run(root, argv, env, workdir="/", user="", binds=()):
    """The step sees the host's network and resolver, its own /dev, /proc and an empty /run."""
    command = ["bwrap", "--die-with-parent", "--bind", root, "/", "--dev", "/dev", "--proc", "/proc",
               "--tmpfs", "/run", "--cap-add", "ALL", "--unshare-pid", "--unshare-ipc", "--unshare-uts",
               "--hostname", "build", "--ro-bind", os.path.realpath("/etc/resolv.conf"),
               "/etc/resolv.conf", "--clearenv", "--chdir", workdir]
    for source, target in binds:
        command += ["--ro-bind", source, target]
    for key, value in env.items():
        command += ["--setenv", key, value]
    if user and user != "root":
        argv = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *argv]
    status = subprocess.run(command + argv, check=False, stdin=subprocess.DEVNULL).returncode
    if status != 0:
        raise StepFailed(f"status {status}: {' '.join(argv)}")
