#!/usr/bin/env python3
"""Start latency of /bin/true from an OCI layout that is unpacked already: flense run against crun on flense's own
bundle and against podman run, interleaved in one go, as medians and ratios; and what a GPU adds, which is made of
files (fake_gpu.py): once with a CDI specification, as engines have it, and once with what flense finds.

launch.py [--runs N] [--json] [--against BINARY]     needs root, crun and podman; runs flense and crun as a user

--against measures another build of flense beside this one.

Where control groups are hybrid, everything is measured in a mount namespace that shows crun a plain version 1 view,
since crun refuses the other one. podman runs as root, which is the faster way for it."""

import argparse
import hashlib
import json
import os
import platform
import resource  # noqa: F401  os.wait4() wants it, and the user may not reach it
import shlex
import shutil
import stat
import statistics
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests/e2e"))
import fake_gpu  # noqa: E402
import fixtures  # noqa: E402

BINARY = os.environ.get("FLENSE_BINARY") or os.path.join(TOP, "build/release/flense")
USER = 65124
INSIDE = "FLENSE_BENCH_INSIDE"
UNIFIED = "/sys/fs/cgroup/unified"


def make_layout(work):
    """A small image as an OCI layout, through skopeo; with its docker-archive for podman."""
    layer = fixtures.Layer().folder("bin").disk_file("bin/busybox", fixtures.BUSYBOX)
    layer.symlink("bin/true", "busybox").symlink("bin/sh", "busybox").folder("etc")
    layer.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n").file("etc/group", "root:x:0:\n")
    # The driver's libraries need a C library.
    for folder in ("lib64", "lib", "lib/x86_64-linux-gnu", "usr", "usr/lib", "usr/lib/x86_64-linux-gnu"):
        layer.folder(folder)
    layer.disk_file("lib64/ld-linux-x86-64.so.2", "/lib64/ld-linux-x86-64.so.2")
    layer.disk_file("lib/x86_64-linux-gnu/libc.so.6", "/lib/x86_64-linux-gnu/libc.so.6")
    archive = os.path.join(work, "image.tar")
    fixtures.docker_archive(archive, [layer.done()], ["COPY"], tag="localhost/launch:1")
    layout = os.path.join(work, "layout")
    subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", f"docker-archive:{archive}", f"oci:{layout}:1"],
                   check=True)
    return archive, layout


def add_to_dev(folder):
    """A /dev with what is in the folder besides, in this mount namespace alone."""
    new = os.path.join(os.path.dirname(folder), "new-dev")
    os.mkdir(new)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", new], check=True)
    for source in ("/dev", folder):
        for name in os.listdir(source):
            old, path = os.path.join(source, name), os.path.join(new, name)
            status = os.lstat(old)
            if stat.S_ISLNK(status.st_mode):
                os.symlink(os.readlink(old), path)
            elif stat.S_ISDIR(status.st_mode):
                os.mkdir(path)
                subprocess.run(["mount", "--rbind", old, path], check=True)
            else:
                os.mknod(path, status.st_mode, status.st_rdev)
                os.chmod(path, status.st_mode & 0o7777)
    subprocess.run(["mount", "--move", new, "/dev"], check=True)


def make_gpu(work, binary):
    """Options of flense run for a GPU, by case; none where no device node can be made. What flense finds by itself lies
    where the GPU operator has it, in this mount namespace alone."""
    top = os.path.join(work, "machine")
    os.mkdir(top)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    driver = "/run/nvidia/driver"
    try:
        fake_gpu.make(top, driver, driver)
        add_to_dev(os.path.join(driver, "dev"))
    except PermissionError as problem:
        print(f"no GPU is measured, since none can be made of files here: {problem}", file=sys.stderr)
        return {}
    spec = os.path.join(top, "cdi/flense.json")
    kernel = ["--proc", f"{top}/proc", "--sys", f"{top}/sys"]
    subprocess.run([binary, "cdi", "generate", "-q", *kernel, "--driver-root", driver, "-o", spec],
                   check=True)
    os.mkdir(os.path.join(top, "empty"))
    subprocess.run(["chmod", "-R", "a+rX", top], check=True)
    machine = [*kernel, "--gpus", "all", "--cdi-spec-dir"]
    return {"gpu": [*machine, os.path.dirname(spec)], "gpu-found": [*machine, f"{top}/empty"]}


class Starter:
    """Starts and times programs as `user`: a process that already is that user, so that becoming it takes no time."""

    def __init__(self, user):
        (read, self.ask), (self.answer, write) = os.pipe(), os.pipe()
        self.process = os.fork()
        if self.process:
            os.close(read)
            os.close(write)
            self.answer = os.fdopen(self.answer)
            return
        os.close(self.ask)
        if user:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
        for line in os.fdopen(read):
            argv, env = json.loads(line)
            begin = time.perf_counter()
            pid = os.posix_spawn(argv[0], argv, env, file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0), (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
            _, status, used = os.wait4(pid, 0)
            took = time.perf_counter() - begin
            os.write(write, f"{took * 1000} {(used.ru_utime + used.ru_stime) * 1000} {status}\n".encode())
        os._exit(0)

    def measure(self, argv, env):
        """Milliseconds: those that went by, and those in which a processor worked for it."""
        os.write(self.ask, (json.dumps([argv, env]) + "\n").encode())
        took, used, status = self.answer.readline().split()
        if status != "0":
            sys.exit(f"{' '.join(argv)}: status {status}")
        return float(took), float(used)

    def stop(self):
        os.close(self.ask)
        os.waitpid(self.process, 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=41)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--against", metavar="BINARY")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("needs root: it becomes an ordinary user by itself")
    if INSIDE not in os.environ:
        words = shlex.join([sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
        hybrid = os.path.exists(os.path.join(UNIFIED, "cgroup.controllers"))
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "-m", "sh", "-c", f"umount {UNIFIED} && exec {words}" if hybrid else f"exec {words}"])

    work = tempfile.mkdtemp(prefix="flb-", dir="/var/tmp")
    podman = None
    try:
        os.chmod(work, 0o755)
        home = os.path.join(work, "home")
        runtime = os.path.join(work, "run")
        for folder in (home, runtime):
            os.mkdir(folder, 0o700)
            os.chown(folder, USER, USER)
        binary = os.path.join(work, "flense")
        shutil.copy(BINARY, binary)
        archive, layout = make_layout(work)
        subprocess.run(["chmod", "-R", "a+rX", layout], check=True)
        env = {"PATH": os.environ["PATH"], "HOME": home, "XDG_RUNTIME_DIR": runtime}
        user = [shutil.which("setpriv"), f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
        os.chdir(home)
        bundle = os.path.join(home, "bundle")
        printed = subprocess.run([*user, binary, "run", "--bundle", bundle, layout, "/bin/true"], check=True, env=env,
                                 stdout=subprocess.PIPE).stdout.decode()
        cases = {
            "spawn": ["/bin/true"],
            "crun": shlex.split(printed),
            "flense": [binary, "run", layout, "/bin/true"]}
        gpu = make_gpu(work, binary)
        for name, words in gpu.items():
            cases[name] = [binary, "run", *words, layout, "/bin/true"]
        if options.against:
            other = os.path.join(work, "other")
            shutil.copy(options.against, other)
            cases.update({f"{name}/other": [other, *cases[name][1:]] for name in ["flense", *gpu]})
        if shutil.which("podman"):
            podman = [shutil.which("podman"), "--root", os.path.join(work, "p"), "--runroot", os.path.join(work, "r")]
            subprocess.run([*podman, "load", "-q", "-i", archive], check=True, stdout=subprocess.DEVNULL)
            cases["podman"] = [*podman, "run", "--rm", "--network", "none", "--ulimit", "nofile=1024:1024",
                               "--ulimit", "nproc=4096:4096", "localhost/launch:1", "/bin/true"]
        podman_env = {"PATH": os.environ["PATH"], "HOME": work}
        cases = {name: [shutil.which(argv[0]), *argv[1:]] for name, argv in cases.items()}
        load = os.getloadavg()[0]
        times, works = ({name: [] for name in cases} for _ in range(2))
        ordinary, root = Starter(USER), Starter(0)
        for number in range(options.runs + 3):
            for name, argv in cases.items():
                took, used = root.measure(argv, podman_env) if name == "podman" else ordinary.measure(argv, env)
                if number >= 3:  # the first ones warm caches
                    times[name].append(took)
                    works[name].append(used)
        # The one that was made last also holds the other's pipe.
        root.stop()
        ordinary.stop()
    finally:
        if podman:
            subprocess.run([*podman, "system", "reset", "--force"], check=False, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        shutil.rmtree(work, ignore_errors=True)

    medians = {name: statistics.median(values) for name, values in times.items()}
    with open(BINARY, "rb") as data:
        digest = hashlib.file_digest(data, "sha256").hexdigest()
    result = {"runs": options.runs, "kernel": platform.release(), "processors": os.cpu_count(), "binary": digest,
              "load": [round(load, 1), round(os.getloadavg()[0], 1)],
              "median_ms": {name: round(value, 2) for name, value in medians.items()},
              "processor_ms": {name: round(statistics.median(values), 2) for name, values in works.items()},
              "quartiles_ms": {name: [round(q, 2) for q in statistics.quantiles(values, n=4)[::2]]
                               for name, values in times.items()},
              "flense_to_crun": round(medians["flense"] / medians["crun"], 3)}
    if podman:
        result["podman_to_flense"] = round(medians["podman"] / medians["flense"], 1)
    # Of pairs that ran beside each other: what else the machine does falls on both.
    for name, values in {"gpu_adds_ms": times, "gpu_adds_processor_ms": works}.items():
        result[name] = {case: round(statistics.median(a - b for a, b in zip(values[case], values["flense"])), 2)
                        for case in gpu}
    if options.json:
        print(json.dumps(result, indent=2))
        return
    for name, value in medians.items():
        low, high = result["quartiles_ms"][name]
        print(f"{name:<16} {value:8.2f} ms   (quartiles {low:.2f} to {high:.2f}, {options.runs} runs; "
              f"{result['processor_ms'][name]:.2f} ms of a processor)")
    print(f"flense / crun of its own bundle: {result['flense_to_crun']:.3f}  (at most 1.4)")
    if podman:
        print(f"podman / flense: {result['podman_to_flense']:.1f}  (at least 15)")
    for name, value in result["gpu_adds_ms"].items():
        print(f"{name} adds {value:.2f} ms  (at most 3), {result['gpu_adds_processor_ms'][name]:.2f} ms of a processor")
    print(f"load of the machine: {result['load'][0]} before, {result['load'][1]} after")


if __name__ == "__main__":
    main()
