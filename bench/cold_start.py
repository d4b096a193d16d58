#!/usr/bin/env python3
"""Cold start: from an empty store to the first answer over HTTP, the original image against slim ones. A registry
(Debian's docker-registry) listens on a loopback of its own that is throttled with tc; podman pulls, unpacks and runs.

    bench/cold_start.py [--gpu GPU] [--rate 1gbit] [--runs N] [small|fat]

Needs root. Prints one row per image: bytes pulled, seconds of pull (download and unpack), seconds to the first answer,
and the ratio to the original. Rows alternate; medians."""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(TOP, "tests/e2e"))
import engines  # noqa: E402

CACHE = os.environ.get("FLENSE_CACHE") or os.path.expanduser("~/.cache/flense")
FLENSE = os.environ.get("FLENSE_BINARY") or os.path.join(TOP, "build/release/flense")
REGISTRY = "127.0.0.1:5000"
SERVE = """
import http.server, subprocess, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        done = subprocess.run([sys.executable, "/opt/search.py", "query", "/opt/index.faiss"], stdout=subprocess.PIPE)
        self.send_response(200 if done.returncode == 0 else 500)
        self.end_headers()
        self.wfile.write(done.stdout)
http.server.HTTPServer(("127.0.0.1", 8000), Answer).serve_forever()
"""
# name: (command instead of the image's own, URL)
IMAGES = {
    "small": (["python3", "-c", SERVE], "http://127.0.0.1:8000/"),
    "fat": ([], "http://127.0.0.1:8000/health"),
}
VARIANTS = {
    "slim": [],
    "slim, zstd": ["--compression", "zstd:3"],
    "slim, zstd, split": ["--compression", "zstd:3", "--split", "256MiB"],
    "aggressive, zstd, split": ["--level", "aggressive", "--compression", "zstd:3", "--split", "256MiB"],
}


def run(*command):
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: status {done.returncode}\n{done.stdout.decode('utf-8', 'replace')[-3000:]}")
    return done.stdout.decode()


def start_registry(work):
    config = os.path.join(work, "registry.yml")
    with open(config, "w", encoding="utf-8") as out:
        json.dump({"version": "0.1", "storage": {"filesystem": {"rootdirectory": os.path.join(work, "registry")}},
                   "http": {"addr": REGISTRY}, "log": {"level": "error"}}, out)
    process = subprocess.Popen(["docker-registry", "serve", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(100):
        try:
            urllib.request.urlopen(f"http://{REGISTRY}/v2/", timeout=5).close()
            return process
        except OSError:
            time.sleep(0.1)
    sys.exit("the registry does not start")


def publish(name, archive, gpu, work):
    """Pushes the original and its slim forms; {row: (reference, bytes of its layers)}."""
    out = {}
    for number, (row, options) in enumerate([("original", None), *VARIANTS.items()]):
        reference = f"{REGISTRY}/{name}:{number}"
        if options is None:
            run("skopeo", "copy", "--quiet", "--dest-tls-verify=false", f"docker-archive:{archive}", f"docker://{reference}")
        else:
            layout = os.path.join(work, "layout")
            run(FLENSE, "slim", archive, "--gpu", gpu, *options, "-o", f"oci:{layout}")
            run("skopeo", "copy", "--quiet", "--dest-tls-verify=false", f"oci:{layout}", f"docker://{reference}")
            shutil.rmtree(layout)
            os.unlink(layout + ".provenance.json")
        manifest = json.loads(run("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{reference}"))
        out[row] = (reference, sum(layer["size"] for layer in manifest["layers"]), len(manifest["layers"]))
        print(f"published {row}: {out[row][1] / 1e6:.1f} MB in {out[row][2]} layers", file=sys.stderr, flush=True)
    return out


def cold(podman, reference, command, url):
    """Seconds of the pull and until the first answer, from an empty store."""
    subprocess.run([*podman.base, "rmi", "--all", "--force"], check=False, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    subprocess.run(["sync"], check=True)
    started = time.monotonic()
    run(*podman.base, "pull", "--quiet", "--tls-verify=false", reference)
    pulled = time.monotonic()
    container = run(*podman.base, "run", "-d", "--network", "host", "--ulimit", "nofile=1024:1024", "--ulimit",
                    "nproc=4096:4096", reference, *command).split()[-1]
    try:
        while True:
            try:
                with urllib.request.urlopen(url, timeout=60) as answer:
                    answer.read()
                break
            except OSError:
                if time.monotonic() - pulled > 300:
                    sys.exit("no answer: " + run(*podman.base, "logs", container)[-2000:])
                time.sleep(0.02)
        return pulled - started, time.monotonic() - started
    finally:
        run(*podman.base, "rm", "-f", "-t", "0", container)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", nargs="?", choices=IMAGES, default="small")
    parser.add_argument("--gpu", default="h100")
    parser.add_argument("--rate", default="1gbit")
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    if "FLENSE_COLD_START" not in os.environ:
        # A network of its own: its loopback is what is throttled.
        os.environ["FLENSE_COLD_START"] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
    run(sys.executable, os.path.join(TOP, "scripts/make-image.py"), args.image)
    run("ip", "link", "set", "lo", "up")
    command, url = IMAGES[args.image]
    with tempfile.TemporaryDirectory(prefix="cold-", dir=CACHE) as work:
        registry = start_registry(work)
        try:
            rows = publish(args.image, os.path.join(CACHE, "images", args.image + ".tar"), args.gpu, work)
            run("tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", args.rate, "burst", "1mbit", "latency", "50ms")
            podman = engines.Podman(os.path.join(work, "store"), "overlay")
            seconds = {row: [] for row in rows}
            for _ in range(args.runs):
                for row, (reference, _, _) in rows.items():
                    seconds[row].append(cold(podman, reference, command, url))
        finally:
            registry.terminate()
            registry.wait()
    print(f"{args.image}, {args.rate}, medians of {args.runs}")
    first = statistics.median(total for _, total in seconds["original"])
    for row, (_, size, layers) in rows.items():
        pull = statistics.median(one for one, _ in seconds[row])
        total = statistics.median(one for _, one in seconds[row])
        print(f"{row:26} {size / 1e6:9.1f} MB in {layers:2} layers   pull {pull:6.2f} s   first answer {total:6.2f} s"
              f"   x {total / first:.2f}")


if __name__ == "__main__":
    main()
