#!/usr/bin/env python3
"""`flense lint --fix` never changes what a build does: each tree is copied and mended, and BuildKit's front end says
what the Dockerfiles build before and after. What may differ is the table of docs/commands/lint.md, rule by rule.

  fixes.py --judge JUDGE TREE...

JUDGE is the program that buildkit_judge/ builds to (go build). For each tree: a second --fix changes nothing, and the
patch of --diff gives the same files. Copies are links: $TMPDIR is on the file system of the trees. FLENSE_BINARY names
the flense to test (default build/release/flense). Exit status: 0 nothing else differs, 1 something does."""

import argparse
import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
FLENSE = os.environ.get("FLENSE_BINARY", str(TOP / "build/release/flense"))
PHASES = ("panic", "parse", "instructions", "convert", "ok")
ARCHITECTURES = re.compile(r"\b((?:TORCH_CUDA_ARCH_LIST|CUDAARCHS|CMAKE_CUDA_ARCHITECTURES)=)([^\"']*)")
REQUIREMENT = re.compile(r"[\"']?([A-Za-z0-9][\w.-]*(?:\[[\w,. -]*\])?[<>=!~][\w.*,<>=!~+-]+)[\"']?")
CACHE_MOUNT = 3  # pb.MountType


def without_caches(operation):
    """A cache mount is added, or its directory or owner changes."""
    mounts = operation.get("Op", {}).get("exec", {}).get("mounts")
    if mounts:
        operation["Op"]["exec"]["mounts"] = [mount for mount in mounts if mount.get("mountType") != CACHE_MOUNT]


def in_strings(value, change):
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [in_strings(one, change) for one in value]
    return {name: in_strings(one, change) for name, one in value.items()} if isinstance(value, dict) else value


def same_architectures(text):
    return ARCHITECTURES.sub(lambda found: found[1] + " ".join(re.split(r"[\s;,]+", found[2].strip())), text)


def same(pattern, by=""):
    return lambda text: re.sub(pattern, by, text)


# docs/commands/lint.md, "What --fix may change".
STRINGS = {
    "torch-arch-list": same_architectures,
    "cuda-architectures": same_architectures,
    "requirement-invalid": same(r"(?<=[\w\]])=+(?=\d)", "=="),
    "specifier-redirected": lambda text: REQUIREMENT.sub(r"\1", text),
    "cache-mount-unused": same(r"\s*(?:--no-cache-dir|--no-cache|PIP_NO_CACHE_DIR=\S+|UV_NO_CACHE=\S+)(?=[\s\"]|$)"),
    "conda-not-cleaned": same(r"\s*&&\s*(?:\S*/)?(?:conda|mamba|micromamba) clean -\w+"),
}
CACHES = {"package-cache-in-layer", "cache-mount-target"}


def allowed(builds, rules):
    """What a build is, without what these rules may change."""
    out = []
    for text in builds:
        operation = json.loads(text)
        if rules & CACHES:
            without_caches(operation)
        for rule in rules & STRINGS.keys():
            operation = in_strings(operation, STRINGS[rule])
        out.append(json.dumps(operation, sort_keys=True))
    return out


def files(tree):
    """Of those that may be read by lint."""
    return {path.relative_to(tree): path.read_bytes() for path in sorted(tree.rglob("*"))
            if path.is_file() and not path.is_symlink() and path.stat().st_size <= 4 << 20}


def lint(tree, *options):
    done = subprocess.run([FLENSE, "lint", *options, "."], cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{tree}: flense lint {options} ended with {done.returncode}: {done.stderr.decode()}")
    return done.stdout.decode(errors="surrogateescape")


def mended(tree, scratch):
    """(findings by file, files before, files after, what is wrong)."""
    before, wrong = files(tree), []
    copy, patched = scratch / "fixed", scratch / "patched"
    for target in (copy, patched):
        # Whoever writes through a link changes the original, which is compared at the end.
        shutil.copytree(tree, target, symlinks=True, copy_function=os.link)
    rules = collections.defaultdict(set)
    for finding in json.loads(lint(copy, "--json"))["findings"]:
        rules[pathlib.Path(finding["path"])].add(finding["rule"])
    patch = lint(patched, "--diff")
    lint(copy, "--fix")
    after = files(copy)
    lint(copy, "--fix")
    if files(copy) != after:
        wrong.append("a second --fix changes something")
    if patch:
        subprocess.run(["patch", "-p0", "--binary", "--quiet"], cwd=patched, check=True,
                       input=patch.encode(errors="surrogateescape"))
    if files(patched) != after:
        wrong.append("--diff gives other files than --fix")
    if files(tree) != before:
        wrong.append("a link of the original was written through")
    return rules, before, after, wrong


def is_dockerfile(text):
    return re.search(r"(?im)^\s*FROM\s+\S", text) is not None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judge", required=True)
    parser.add_argument("trees", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    pairs, bad, counts = [], 0, collections.Counter()
    for tree in options.trees:
        with tempfile.TemporaryDirectory(prefix="flense-fixes-") as scratch:
            rules, before, after, wrong = mended(tree, pathlib.Path(scratch))
        counts["trees"] += 1
        counts["files"] += len(before)
        for text in wrong:
            bad += 1
            print(f"BAD {tree}: {text}")
        for path in before:
            if before[path] != after.get(path):
                counts["changed"] += 1
                texts = [side[path].decode(errors="replace") for side in (before, after)]
                if is_dockerfile(texts[0]):
                    pairs.append((tree / path, rules[path], *texts))
    done = subprocess.run([options.judge], input=json.dumps([text for pair in pairs for text in pair[2:]]),
                          stdout=subprocess.PIPE, check=True, text=True)
    verdicts = json.loads(done.stdout)
    for number, (path, rules, _, _) in enumerate(pairs):
        old, new = verdicts[2 * number:2 * number + 2]
        counts["Dockerfiles changed"] += 1
        counts[f"BuildKit before: {old['phase']}"] += 1
        for rule in rules & (STRINGS.keys() | CACHES):
            counts[rule] += 1
        if PHASES.index(new["phase"]) < PHASES.index(old["phase"]):
            bad += 1
            print(f"BAD {path}: BuildKit now says {new['error']}")
        elif old["phase"] == "ok":
            one, two = (allowed(side["builds"], rules) for side in (old, new))
            if one != two:
                bad += 1
                numbers = f"{len(one)} operations", f"{len(two)} operations"
                first = next((pair for pair in zip(one, two) if pair[0] != pair[1]), numbers)
                print(f"BAD {path} ({', '.join(sorted(rules))}):\n  before {first[0]}\n  after  {first[1]}")
    print(", ".join(f"{name} {count}" for name, count in counts.items()), f"; {bad} differ")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
