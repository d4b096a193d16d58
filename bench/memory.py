"""Runs a command in a memory cgroup of its own (v1 or v2) with a limit, and samples what cannot be
given back under pressure: anonymous and shared memory."""

import os
import subprocess
import time

V1 = "/sys/fs/cgroup/memory"
V2 = "/sys/fs/cgroup"


def hierarchy():
    """(parent folder, limit file, names in memory.stat) or None."""
    if os.path.exists(f"{V1}/memory.limit_in_bytes"):
        return V1, "memory.limit_in_bytes", ("total_rss", "total_shmem", "rss", "shmem")
    for parent in (V2, "/sys/fs/cgroup/unified"):
        control = f"{parent}/cgroup.subtree_control"
        if os.path.exists(control):
            try:
                if "memory" not in open(control).read():
                    with open(control, "w") as out:
                        out.write("+memory")
                return parent, "memory.max", ("anon", "shmem")
            except OSError:
                continue
    return None


def used(group, names):
    stat = {}
    with open(f"{group}/memory.stat") as source:
        for line in source:
            key, value = line.split()[:2]
            stat[key] = int(value)
    # v1's shmem is counted apart from rss, v2's apart from anon.
    return stat.get(names[0], 0) + stat.get(names[1], 0)


def run_limited(command, limit, env):
    """{status, seconds, peak_bytes, limit_bytes}, or {skipped} where cgroups cannot be made."""
    found = hierarchy()
    if found is None:
        return {"skipped": "no memory cgroup can be made here"}
    parent, limit_file, names = found
    group = f"{parent}/flense-bench-{os.getpid()}"
    try:
        os.mkdir(group)
        with open(f"{group}/{limit_file}", "w") as out:
            out.write(str(limit))
    except OSError as error:
        return {"skipped": f"no memory cgroup can be made here ({error})"}

    def enter():
        with open(f"{group}/cgroup.procs", "w") as out:
            out.write("0")
    peak, samples, started = 0, 0, time.monotonic()
    process = subprocess.Popen(command, env=env, preexec_fn=enter, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        peak = max(peak, used(group, names))
        samples += 1
        time.sleep(0.005)
    seconds = time.monotonic() - started
    os.rmdir(group)
    return {"status": process.returncode, "seconds": round(seconds, 2), "peak_bytes": peak, "samples": samples,
            "limit_bytes": limit}
