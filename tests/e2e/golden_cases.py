"""Cases of test_golden.py: commands over images and files. A case is a list of lines: words behind `flense`, with variables
before and `< FILE` behind them, or what test_golden.Bench does itself (copy, write, tree, image, cat, cd, remove)."""

import json
import os
import zlib

import golden_files
import harness

LEVELS = ("safe", "standard", "aggressive")
GPUS = ("h100", "sm_86", "12.0", "a100,l4", "mi300x", "gfx90a,gfx11xx", "h100,gfx942")


def rows(table, *keys):
    with open(os.path.join(harness.TOP, "data", table), encoding="utf-8") as text:
        document = json.load(text)
    for key in keys:
        document = document[key]
    return document["rows"] if isinstance(document, dict) else document


def inspect():
    out = {}
    for name in ("app.tar", "rocm.tar", "conda.tar", "layout", "venv", "rocmroot", "libfake.so.1", "libplain.so.1", "small.tar"):
        word = name.partition(".")[0]
        out[word] = [f"inspect in/{name}", f"inspect in/{name} --gpu h100,mi300x", f"inspect in/{name} --all -v", f"inspect in/{name} -q",
                     ("" if word in ("app", "conda", "libfake") else "sum ") + f"inspect in/{name} --json --gpu h100,mi300x"]
    out["levels"] = ["inspect in/app.tar --gpu sm_86", *(f"inspect in/app.tar --gpu sm_86 --level {level}" for level in LEVELS),
                     "inspect in/app.tar --gpu 8.6 --keep-ptx", "inspect in/app.tar --gpu gfx942 --drop-vendor"]
    out["options"] = ["inspect in/app.tar --no-verify -q", "inspect docker-archive:in/small.tar", "inspect in/small.tar --tmpdir in",
                      "inspect oci:in/layout -q", "inspect in/layout --platform linux/arm64", "inspect in/layout --platform linux/s390x",
                      "inspect - < in/small.tar", "inspect - --json < in/small.tar"]
    out["budgets"] = ["inspect in/small.tar -q --max-size 10GiB --max-unpacked 1MB --max-layer 700k --max-waste 100KiB",
                      "inspect in/app.tar -q --max-size 1KiB --max-unpacked 1k --max-layer 1k --max-waste 1k",
                      "inspect in/small.tar --json --max-size 1KiB --budget lambda --budget github --budget sagemaker",
                      "inspect in/small.tar --budget lambda"]
    out["html"] = ["inspect in/app.tar --gpu h100 --html app.html", "tree app.html", "sum inspect in/rocmroot --html - --gpu gfx942 -q",
                   "inspect in/small.tar --html small.html --json", "tree small.html"]
    out["settings"] = ["write .flense.toml '[inspect]\\nmax-size = \"1KiB\"\\n'", "inspect in/small.tar", "inspect in/small.tar --no-config",
                       "write other.toml '[inspect]\\ngpu = \"h100\"\\nlevel = \"wild\"\\n'", "inspect in/small.tar --config other.toml",
                       "write other.toml '[inspect]\\nnosuch = 1\\n'", "inspect in/small.tar --config other.toml"]
    out["squashfs"] = ["slim in/rocm.tar --gpu mi300x -o squashfs:a.sqsh -q", "inspect a.sqsh -q", "slim in/small.tar --gpu h100 -o squashfs:b.sqsh",
                       "inspect b.sqsh", "tree b.sqsh"]
    return out


def diff():
    both = "diff in/app.tar in/next.tar"
    out = {"text": [both, f"{both} --all", f"{both} -q", "diff in/app.tar in/app.tar"], "json": f"{both} --json --all",
           "markdown": f"{both} --format markdown", "no-content": f"{both} --no-content --json",
           "host": [f"{both} --host a100@550.54.15 --host h100@580.65.06", f"{both} --root in/hosts/h100 --host this --json"],
           "gates": [f"{both} -q --fail-on {gate}" for gate in (
               "size", "size:+5%,unpacked:+200MB", "driver-floor", "arch", "glibc,cpu,platform", "packages", "any", "files,configuration",
               "future-gpus,cold-start", "ptx-driver,driver-native", "runtimes")] +
           [f"{both} --json --fail-on arch,size:+1k,host --host h100@550.54.15"],
           "forms": ["diff in/rocm.tar in/layout", "diff in/venv in/rocmroot", "diff in/libfake.so.1 in/libplain.so.1 --json"],
           "saved": ["diff a.json b.json", "diff in/app.tar b.json --fail-on files", "diff a.json a.json --fail-on packages,size --json"],
           "slim": ["slim in/app.tar --gpu h100 -o slim.tar -q", "diff in/app.tar slim.tar", "sum diff in/app.tar slim.tar --json"]}
    out["saved"] = ["inspect in/app.tar --json > a.json", "inspect in/next.tar --json > b.json", *out["saved"]]
    return out


def slim_plans():
    app = "slim in/app.tar --gpu h100 --dry-run"
    out = {"levels-app": [f"{app} --level {level}" for level in LEVELS], "levels-rocm": [f"slim in/rocm.tar --gpu gfx942 --dry-run --level {level}" for level in LEVELS]}
    out["levels-app-json"] = [f"{app} --level {level} --json" for level in LEVELS]
    out["gpus-app"] = [f"slim in/app.tar --gpu {words} --dry-run" for words in GPUS]
    out["gpus-rocm"] = [f"slim in/rocm.tar --gpu {words} --dry-run" for words in GPUS] + ["slim in/rocm.tar --gpu mi300x --dry-run --json"]
    out["gpu-host"] = [f"slim in/small.tar --gpu host --proc in/hosts/{name}/proc --dry-run" for name in ("h100", "mi300x", "no_gpu")]
    out["conda"] = ["slim in/conda.tar --gpu sm_90 --dry-run", "slim in/conda.tar --gpu sm_90 --dry-run --json"]
    out["venv"] = ["slim in/venv --gpu h100 --dry-run", "slim in/venv --gpu h100 --dry-run --level aggressive --json"]
    out["files"] = [f"slim in/{name} --gpu l4 --dry-run" for name in ("libfake.so.1", "libplain.so.1", "small.tar")]
    out["options"] = [app] + [f"{app} {more}" for more in (
        "--keep **/libtorch* --keep srv/**", "--keep-ptx", "--drop-vendor", "--no-modify-vendor", "--pyc drop", "--pyc keep --level aggressive",
        "--recompress-code size", "--squash", "--split 256KiB", "--compression estargz", "--keep-base docker-archive:in/next.tar", "-v", "-q")]
    out["closure"] = [f"{app} --level aggressive {more}" for more in (
        "--closure", "--closure --also /usr/bin/sh", "--closure --trace-file in/keep.trace", "--trace-file in/keep.trace --trace-decides", "--closure --minimal")] + [f"sum {app} --level aggressive --closure --json"]
    out["saved"] = [f"{app} -q --plan plan.json", "tree plan.json", f"{app} --html plan.html", "tree plan.html"]
    return {f"plan-{name}": steps for name, steps in out.items()}


def slim():
    out = slim_plans()
    out["levels"] = [step for level in LEVELS for step in (
        f"slim in/app.tar --gpu h100 --level {level} -o oci:{level} --compression none", f"image {level} members", f"cat {level}.provenance.json")]
    out["json"] = ["slim in/app.tar --gpu h100,a100 -o oci:out --json", "image out"]
    out["rocm"] = ["slim in/rocm.tar --gpu mi300x -o oci:out --compression none", "image out members", "cat out.provenance.json"]
    out["conda"] = ["slim in/conda.tar --gpu sm_90 -o oci:out --compression none", "image out members"]
    out["layout"] = ["slim in/layout --gpu h100 -o oci:out", "tree out", "slim in/layout --gpu h100 -o docker-archive:out.tar --compression none", "image out.tar"]
    out["outputs"] = [step for number, form in enumerate((
        "docker-archive:{}", "{}.tar", "oci-archive:{}", "sif:{}", "squashfs:{}", "{}", "oci:{} --html {}.html", "dir:{}")) for step in (
            f"slim in/small.tar --gpu h100 -o {form.replace('{}', f'o{number}')}", f"tree o{number}")] + ["remove in", "tree ."]
    out["compressions"] = [step for number, kind in enumerate(("none", "gzip", "gzip:9", "zstd", "zstd:3", "estargz", "zstd --compression-level 19")) for step in (
        f"slim in/app.tar --gpu h100 -o oci:o{number} --compression {kind} -q", f"tree o{number}")]
    options = ("", "--squash", "--split 128KiB", "--recompress-code balance", "--level aggressive --closure", "--pyc drop", "--no-modify-vendor", "--keep usr/share/**",
               "-t test/slim:2", "--keep-ptx", "--keep-base docker-archive:in/next.tar")
    out["options"] = [step for number, more in enumerate(options) for step in (
        f"slim in/app.tar --gpu h100 -o oci:o{number} --compression none {more}", f"image o{number} members")]
    out["lazy"] = ["slim in/app.tar --gpu h100 -o oci:out --compression estargz --trace-file in/keep.trace", "tree out"]
    out["record"] = ["slim in/small.tar --gpu h100 -o oci:out --provenance none", "slim in/small.tar --gpu h100 -o oci:out2 --provenance p.json",
                     "remove in", "tree ."]
    out["several"] = ["slim in/app.tar in/next.tar in/small.tar --gpu h100 -o out", "tree out",
                      "sum slim in/app.tar in/next.tar --gpu h100 -o docker-archive:two --json", "tree two"]
    out["in-place"] = ["copy in/venv venv", "slim venv --gpu h100 --in-place", "tree venv", "slim venv --gpu h100 --in-place",
                       "copy in/venv again", "slim again --gpu l4 --in-place --level aggressive", "tree again"]
    out["in-place-rocm"] = ["copy in/rocmroot r", "slim r --gpu gfx942 --in-place", "tree r"]
    out["single-file"] = ["copy in/libfake.so.1 f.so", "slim f.so --gpu h100 --in-place", "tree f.so", "slim in/libfake.so.1 --gpu sm_86 -o g.so --json",
                          "tree g.so", "slim in/libfake.so.1 --gpu sm_120 --keep-ptx -o h.so", "tree h.so", "inspect h.so"]
    out["directory"] = ["slim in/venv --gpu h100 -o dir:out", "tree out", "slim in/rocmroot --gpu gfx942 -o out2 --level safe", "tree out2"]
    out["twice"] = ["slim in/app.tar --gpu h100 -o oci:one -q", "slim oci:one --gpu h100 -o oci:two", "slim oci:one --gpu l4 -o oci:three",
                    "inspect oci:one -q", "check oci:one --host a100@580.65.06"]
    out["stdin"] = ["slim - --gpu h100 -o oci:out < in/small.tar", "tree out"]
    return out


def check():
    out, image = {}, "check in/app.tar"
    machines = ("h100@580.65.06", "h100@470.82.01", "a100@535.104.05", "rtx4090@560.35.03", "b200@580.65.06", "mi300x@6.10.5", "h100",
                "aws:p5.48xlarge@580.65.06", "jetsonorin")
    out["hosts"] = [f"{image} --host {words}" for words in machines]
    out["hosts-json"] = [f"{image} --host {words} --json" for words in machines[:2]] + [f"sum {image} --host {words} --json" for words in machines[2:]]
    out["rocm"] = [f"check in/rocm.tar --host {words}" for words in machines]
    out["fleets"] = [f"{image} --host in/nodes.json", f"{image} --host in/slurm.txt", f"sum {image} --host in/slurm.txt --json"]
    out["forms"] = [f"{image} --host h100@550.54.15 --format {form}" for form in ("sarif", "markdown")]
    out["options"] = [f"{image} --host h100@550.54.15 {more}" for more in (
        "--all", "-v", "-q", "--launcher podman", "--launcher apptainer", "--launcher kubernetes", "--redistribution", "--config-only",
        "--allow-unknown driver-cuda", "--allow-unsupported device-code", "--host mi300x")]
    out["requirements"] = [f"check in/{name} --requirements{more}" for name in ("app.tar", "rocm.tar", "venv", "small.tar", "layout") for more in ("", " --json")[:2 if "." in name else 1]]
    out["emit"] = [f"check in/{name} --emit {kind}" for name, kinds in (("app.tar", ("node-affinity", "device-claim", "nfd", "labels")), ("rocm.tar", ("device-claim", "nfd", "labels"))) for kind in kinds]
    out["targets"] = ["check in/app.tar in/rocm.tar in/libfake.so.1 --host h100@550.54.15", "check in/venv --host h100@580.65.06 --json",
                      "check in/libfake.so.1 --host l4@550.54.15", "check in/layout --host mi300x@6.10.5 --platform linux/amd64",
                      "check in/small.tar --host h100@550.54.15", "check in/conda.tar --host h100@550.54.15"]
    out["settings"] = ["write .flense.toml '[check]\\nhost = [\"h100@550.54.15\"]\\n'", image, f"{image} --no-config --host l4@580.65.06 -q"]
    out["profile"] = ["host --root in/hosts/h100 --json > p.json", f"{image} --host p.json", f"sum {image} --root in/hosts/h100 --json", f"{image} --root in/hosts/no_gpu"]
    return out


def lint():
    out = {"mistakes": "lint in/mistakes", "json": "sum lint in/mistakes --json", "fix": [
        "copy in/mistakes m", "lint m --diff --pedantic", "lint m --fix --pedantic", "tree m", "lint m -q"]}
    few = "lint in/mistakes --only cuda-tag-missing --only shm-too-small --only 12"
    out["forms"] = [f"{few} --format {form}" for form in ("text", "json", "github", "gitlab", "checkstyle", "junit", "markdown")]
    out["forms"] += [f"sum lint in/mistakes --format {form}" for form in ("sarif", "github", "gitlab", "checkstyle", "junit", "markdown")]
    out["options"] = [f"lint in/mistakes {more}" for more in (
        "-q", "--fail-on never -q", "--fail-on info -q", "--ignore shm-too-small --ignore 2 -q", "--severity cuda-tag-missing=info -q",
        "--host h100@550.54.15 -q", "--host mi300x --host l4@470.82.01 -q", "-v")]
    out["kinds"] = ["lint in/kinds", "sum lint in/kinds --json", "lint in/kinds --host h100@550.54.15 -q", "lint in/kinds/Dockerfile in/kinds/compose.yaml",
                    "lint - < in/kinds/Dockerfile", "lint - < in/kinds/pod.yaml"]
    out["kinds-fix"] = ["copy in/kinds k", "cd k", "lint --diff --pedantic", "lint --fix -q --pedantic", "tree . contents"]
    out["settings"] = ["copy in/kinds k", "cd k", "write .flense.toml '[lint]\\nignore = [\"cuda-tag-missing\"]\\nfail-on = \"never\"\\n'", "lint -q",
                       "lint -q --no-config", "write .flense.toml '[[waivers]]\\nrule = \"cuda-tag-missing\"\\nuntil = \"2020-01-01\"\\n'", "lint -q",
                       "write .flense.toml '[lnt]\\n'", "lint", "write .flense.toml '[lint\\n'", "lint",
                       "write .flense.toml '[[waivers]]\\nrule = \"nobody\"\\n'", "lint"]
    out["rules"] = [f"sum lint -q --pedantic in/rules/{name.removesuffix('.txt')}" for name in sorted(os.listdir(golden_files.RULES))]
    return out


def init():
    names = [row["name"] for row in rows("init/templates.json", "templates")]
    hosts = {"nvidia": "--host h100@550.54.15 --host l4@580.95.05", "amd": "--host mi300x@6.10.5"}
    out = {"list": ["init --list", "init --list --json"]}
    for name in names:
        words = hosts["amd" if "rocm" in name else "nvidia"]
        out[name] = [f"init {name} {words} -o p", "tree p", f"init {name} {words} --dry-run --json -o q", f"init {name} {words} -o p",
                     f"init {name} {words} -o p --force -q"]
    out["hosts"] = ["init jax --gpu h100 --driver 580.95.05 --dry-run -o p", "init cuda-cpp --gpu a100 --gpu l4 --driver 535.104.05 --dry-run -o p",
                    "init pytorch-inference --host a100@470.82.01 -o p", "init rocm-pytorch --host h100@550.54.15 -o p",
                    "init pytorch-training --host in/nodes.json --dry-run -o p", "init jax --root in/hosts/h100 --dry-run -o p",
                    "init jax --root in/hosts/no_gpu --dry-run -o p", "init pytorch-inference --host jetsonorin -o p",
                    "init conda --host b200 --dry-run -o p", "init conda --host b200 -o p --json", "tree p"]
    return out


def explain():
    errors = [row for name in ("", "_machine", "_containers", "_frameworks") for row in rows(f"errors{name}.json", "errors")]
    words = sorted({name for row in errors for name in row.get("names", [])}) + sorted({str(row["code"]) for row in errors if row.get("code") is not None})
    texts = sorted({text for row in errors for text in row.get("messages", [])})
    # Chosen by what they say, so that a new message moves none of the others.
    chosen = [text for text in texts if zlib.crc32(text.encode()) % 24 == 0]
    rules = sorted(row["id"] for name in os.listdir(os.path.join(harness.TOP, "data")) if name.startswith("lint_")
                   for row in rows(name, "rules"))
    return {"overview": ["explain", "sum explain --json"], "checks": [f"explain {row['id']}" for row in rows("checks.json", "checks")],
            "exit": [f"explain exit {row['status']}" for row in rows("checks.json", "exit_statuses")],
            "errors": [f"explain {word}" for word in words[::3]], "messages": [f"explain {json.dumps(text)}" for text in chosen],
            "json": [f"explain --json {word}" for word in ("804", "driver-cuda", "cuda-tag-missing", "DL3042", "'rule 12'", "'exit 5'")],
            "rules": [f"explain {row}" for row in rules[::4]],
            "nobody": ["explain nosuchword", "explain driver-cude", "explain cudaErrorNoDevise", "explain 99999", "explain ''"]}


def others():
    out = {"completion/shells": ["completion bash", "sum completion zsh", "sum completion fish"]}
    # There is no curl in the golden world.
    out["fleet/no-curl"] = ["fleet status docker://127.0.0.1:9/app:1", "fleet prune docker://127.0.0.1:9/app --stale --yes --json"]
    out["cache/empty"] = ["cache ls", "cache ls --json", "cache prune", "cache verify", "cache prune --all --json", "cache verify --json"]
    out["cache/filled"] = ["inspect in/small.tar -q", "inspect in/small.tar", "check in/small.tar --host h100@550.54.15 -q", "cache verify", "cache verify --json",
                           "cache prune --max-size 1k", "cache prune --all", "cache ls"]
    out["cache/hit"] = ["inspect in/rocm.tar -q", "inspect in/rocm.tar", "sum inspect in/rocm.tar --json", "diff in/rocm.tar in/app.tar -q", "check in/rocm.tar --host mi300x"]
    return out


def cases():
    out = others()
    for part in (inspect, diff, slim, check, lint, init, explain):
        for name, steps in part().items():
            out[f"{part.__name__}/{name}"] = steps
    return out
