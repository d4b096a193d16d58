#!/usr/bin/env python3
"""Slims real images at every level and writes a table: size before and after, by reason, time, memory, and whether the
image's own program still answers the same (`--verify` runs it in both roots; its output holds a digest).

    bench/real_images.py [--gpu GPU] [--keep] [-o FOLDER] [NAME...]

Images come from scripts/make-image.py (root, some 40 GB of disk for the largest; each is removed after its turn unless
--keep). FOLDER receives results.json and table.md. One run each: sizes repeat exactly, seconds are what they are."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

import memory

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
CACHE = os.environ.get("FLENSE_CACHE") or os.path.expanduser("~/.cache/flense")
FLENSE = os.environ.get("FLENSE_BINARY") or os.path.join(TOP, "build/release/flense")
LEVELS = {
    "safe": ["--level", "safe"],
    "standard": ["--level", "standard"],
    "aggressive": ["--level", "aggressive"],
    "closure": ["--level", "aggressive", "--closure"],
    "traced": ["--level", "aggressive", "--closure"],
}
SEARCH = "python3 /opt/search.py query /opt/index.faiss"
INFER = "python3 /opt/infer.py"
# name: (what it is, target, the program that has to answer the same)
IMAGES = {
    "small": ("CTranslate2, faiss, cuBLAS", "h100", SEARCH),
    "clean": ("PyTorch and its closure, nothing else", "h100", "python3 {workload}"),
    "torch12": ("PyTorch for CUDA 12 and its closure, nothing else", "h100", "python3 {workload}"),
    "torch24": ("PyTorch 2.4.0 as guides build it", "h100", "python3 {workload}"),
    "fat": ("PyTorch service with everyday mistakes", "h100", "python {workload}"),
    "tensorflow": ("TensorFlow with CUDA 12", "h100", INFER),
    "jax": ("JAX with CUDA 12", "h100", INFER),
    "onnx": ("ONNX Runtime with CUDA 12", "h100", INFER + " run /opt/model.onnx"),
    "trt": ("ONNX Runtime and TensorRT with CUDA 12", "h100", INFER + " run /opt/model.onnx"),
    "conda": ("conda environment with faiss, CTranslate2, cuBLAS", "h100", "python /opt/search.py query /opt/index.faiss"),
    "vllm": ("vLLM and its closure", "h100", INFER),
    "devel": ("Debian's CUDA 11.8 toolkit and one program", "h100", "/usr/local/bin/spectrum"),
    "rocm": ("JAX, CuPy, bitsandbytes for ROCm 7", "mi300x", INFER),
}

# An image that starts a bare interpreter does not say what it is for: the program's own run says it.
BARE = ["--also", "python3", "--trace", "{verify}"]
STARTS = {"clean": BARE, "torch12": BARE, "torch24": BARE}
# What the program's own run says of packages, in every image.
TRACED = ["--trace", "{verify}", "--trace-decides"]


def image(name):
    subprocess.run([sys.executable, os.path.join(TOP, "scripts/make-image.py"), name], check=True, stdout=sys.stderr)
    return os.path.join(CACHE, "images", name + ".tar")


def slim(archive, gpu, options, verify, work):
    """One level: {before, after, reasons, seconds, peak_bytes, verify}."""
    out, record = os.path.join(work, "slim.tar"), os.path.join(work, "report.json")
    command = [FLENSE, "slim", archive, "--gpu", gpu, *options, "-o", f"docker-archive:{out}", "--json",
               "--compression", "none"]
    env = {**os.environ, "XDG_CACHE_HOME": os.path.join(work, "cache"), "FLENSE_CACHE": os.path.join(work, "cache"),
           "NO_COLOR": "1", "TMPDIR": work}
    shutil.rmtree(env["XDG_CACHE_HOME"], ignore_errors=True)
    measured = memory.run_limited(["sh", "-c", f'exec "$@" > {record}', "sh", *command], 2 << 30, env)
    if measured.get("status", 1) != 0:
        return {"error": f"slim: {measured}"}
    with open(record, encoding="utf-8") as source:
        report = json.load(source)
    os.unlink(out)
    done = subprocess.run([*command, "--verify", verify], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          env=env)
    for leftover in (out, out + ".provenance.json"):
        if os.path.exists(leftover):
            os.unlink(leftover)
    return {"before": report["unpacked_bytes_before"], "after": report["unpacked_bytes_after"],
            "reasons": {one["id"]: one.get("bytes", 0) for one in report["passes"]},
            "seconds": measured["seconds"], "peak_bytes": measured["peak_bytes"],
            "verify": "equal" if done.returncode == 0 else f"status {done.returncode}: {done.stderr.decode()[-600:]}"}


def table(results):
    lines = ["| image | level | MB before | MB after | % | seconds | peak MB | answer | what went, MB |",
             "|---|---|---:|---:|---:|---:|---:|---|---|"]
    for name, rows in results.items():
        for level, row in rows.items():
            if "error" in row:
                lines.append(f"| {name} | {level} | | | | | | {row['error']} | |")
                continue
            reasons = sorted(row["reasons"].items(), key=lambda item: -item[1])
            went = ", ".join(f"{key} {value / 1e6:.1f}" for key, value in reasons if value >= 1e5)
            lines.append(f"| {name} | {level} | {row['before'] / 1e6:,.1f} | {row['after'] / 1e6:,.1f} | "
                         f"{100 * row['after'] / row['before']:.1f} | {row['seconds']:.1f} | "
                         f"{row['peak_bytes'] / 1e6:.0f} | {row['verify'].splitlines()[0][:80]} | {went} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="*", metavar="NAME", help=", ".join(IMAGES))
    parser.add_argument("--gpu", help="instead of each image's own target")
    parser.add_argument("--levels", default=",".join(LEVELS))
    parser.add_argument("--keep", action="store_true", help="leave the images in the cache")
    parser.add_argument("-o", "--out", default=".", help="folder of results.json and table.md")
    args = parser.parse_args()
    for name in args.images:
        if name not in IMAGES:
            parser.error(f"unknown image {name}")
    with open(os.path.join(TOP, "tests/e2e/workload.py"), encoding="utf-8") as source:
        workload = source.read()
    path = os.path.join(args.out, "results.json")
    results = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as source:
            results = json.load(source)
    for name in args.images or IMAGES:
        _, gpu, verify = IMAGES[name]
        # The command is a shell's; the program travels within it.
        verify = verify.format(workload="- <<'PROGRAM'\n" + workload + "\nPROGRAM")
        archive = image(name)
        for level in args.levels.split(","):
            with tempfile.TemporaryDirectory(prefix="real-", dir=CACHE) as work:
                options = LEVELS[level]
                more = STARTS.get(name, []) if level in ("closure", "traced") else []
                if level == "traced":
                    more = [word for word in more if word not in ("--trace", "{verify}")] + TRACED
                options = [*options, *(word.format(verify=verify) for word in more)]
                row = slim(archive, args.gpu or gpu, options, verify, work)
            results.setdefault(name, {})[level] = row
            with open(path, "w", encoding="utf-8") as out:
                json.dump(results, out, indent=1)
            with open(os.path.join(args.out, "table.md"), "w", encoding="utf-8") as out:
                out.write(table(results))
            print(name, level, json.dumps(row)[:300], file=sys.stderr, flush=True)
        if not args.keep:
            os.unlink(archive)
            shutil.rmtree(os.path.join(CACHE, "wheels", name), ignore_errors=True)
    print(table(results), end="")
    return 0 if all(row.get("verify") == "equal" for rows in results.values() for row in rows.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
