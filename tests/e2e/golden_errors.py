"""Cases of test_golden.py for help, wrong command lines and inputs that cannot be read."""

COMMANDS = ("inspect", "slim", "verify", "diff", "fleet", "check", "host", "doctor", "explain", "lint", "init", "run", "exec", "shell", "bench", "cdi", "mirror", "cache", "data", "completion", "help")
ACTIONS = {"mirror": ("install", "uninstall"), "cdi": ("generate", "list", "validate", "diff", "apply", "install", "uninstall"), "cache": ("ls", "prune", "verify"), "fleet": ("status", "prune"), "data": ("status", "export", "validate"), "bench": ("io",)}
# A command line that is fine, to which something wrong is added.
FINE = {"inspect": "in/libplain.so.1", "slim": "in/libplain.so.1 --gpu h100 --dry-run", "diff": "in/libplain.so.1 in/libplain.so.1", "verify": "in/libplain.so.1 --against in/libplain.so.1 --gpu h100",
        "check": "in/libplain.so.1 --host h100@550.54.15",
        "host": "--host h100@550.54.15", "doctor": "--root in/hosts/no_gpu", "explain": "804", "lint": "in/slurm.txt", "init": "--list", "run": "in/none.tar",
        "exec": "nosuch sh", "shell": "nosuch", "bench": "io in/none.tar", "cdi": "list --spec-dir in/cdi", "mirror": "install --engine podman --registry reg.example --gpu h100 --dry-run --root in/hosts/no_gpu", "cache": "ls", "fleet": "status docker://127.0.0.1:9/app", "data": "status", "completion": "bash", "help": "inspect"}
# Options of checked values, or of files; each is given none, an empty one and a wrong one.
VALUES = {
    "inspect": "--html --gpu --level --max-size --max-unpacked --max-layer --max-waste --budget --platform --tmpdir --config",
    "diff": "--format --fail-on --host --data --platform --tmpdir --root --proc --sys --dev --config",
    "slim": "--gpu --output --to --level --plan --prove --keep --recompress-code --pyc --also --verify --trace --trace-file --save-trace --compression --compression-level "
            "--keep-base --split --html --provenance --platform --tmpdir --proc --config",
    "verify": "--against --gpu --level --record --proof --data --platform --tmpdir --config",
    "check": "--host --launcher --format --emit --allow-unknown --allow-unsupported --data --platform --tmpdir --root --proc --sys --dev --config",
    "host": "--host --root --proc --sys --dev", "doctor": "--message --log --env --root --proc --sys --dev", "explain": "--data",
    "lint": "--host --format --fail-on --ignore --only --severity --data --config",
    "init": "--host --gpu --driver --output --data --root", "exec": "--env --workdir", "shell": "--env --workdir", "bench": "--dir --size --platform --tmpdir",
    "run": "--volume --bind --mount --env --env-file --workdir --user --entrypoint --name --shm-size --memory --cpus --overlay --network --userns --security-opt "
           "--gpus --device --cdi-spec-dir --bundle --trace --root --platform --tmpdir",
    "cdi": "--output --format --spec-dir --mode --capabilities --with --driver-root --dev-root --library-search-path --vendor --class --library-dir --hook-path "
           "--root --device --engine --spec --config", "mirror": "--engine --registry --gpu --upstream --data --root --proc --sys --dev", "cache": "--kind --max-size --older-than", "fleet": "--from", "data": "--data"}
CONTRADICTIONS = (
    "inspect in/app.tar --html - --json", "inspect in/app.tar in/next.tar", "diff in/app.tar", "diff in/app.tar in/next.tar in/rocm.tar", "diff in/app.tar in/next.tar --json --format markdown",
    "slim in/app.tar --proc in/hosts/no_gpu/proc", "slim in/app.tar --gpu h100", "slim in/app.tar --proc in/hosts/no_gpu/proc -o oci:x", "slim in/app.tar --gpu h100 -o oci:x --in-place", "slim in/app.tar --gpu h100 --in-place",
    "slim in/venv --gpu h100 --squash --in-place", "slim in/app.tar --gpu h100 -o docker-archive:x --compression zstd", "slim in/app.tar --gpu h100 --dry-run --in-place",
    "slim in/app.tar --gpu h100 -o oci:x --squash --split 1MiB", "slim in/app.tar --gpu h100 -o oci:x --minimal", "slim in/app.tar --gpu h100 -o oci:x --closure",
    "slim in/app.tar --gpu h100 -o oci:x --trace-decides", "slim in/app.tar --gpu h100 -o oci:x --with-tzdata", "slim in/app.tar --gpu h100 -o oci:x --compression zstd --compression-level 99",
    "slim in/app.tar --gpu h100 -o sif:x --compression gzip", "slim in/app.tar in/next.tar --gpu h100 -o x -t name:1", "slim in/app.tar in/app.tar --gpu h100 -o x",
    "slim in/app.tar --gpu h100 -t nosuch://x", "slim in/app.tar --gpu h100 -o in/small.tar", "slim in/app.tar --gpu h100 -o oci:in/layout", "slim in/app.tar --gpu h100 -o nosuch/deep/x.tar",
    "slim in/libplain.so.1 --gpu h100 -o oci:x", "slim in/venv --gpu h100 -o oci:x", "slim in/venv --gpu h100 -o squashfs:x", "slim in/app.tar --gpu h100,mi300x,nosuch -o oci:x",
    "check in/app.tar --json --format sarif --host l4", "check in/app.tar --requirements --host l4", "check in/app.tar --requirements --format sarif", "check in/app.tar --emit nfd --host l4",
    "check in/app.tar --host h1000@550.54.15", "check in/app.tar --host h100@latest", "check in/app.tar --config-only --requirements",
    "host --json --labels", "host --build-args --labels", "host --compare h100", "doctor --message x --log -", "doctor --message x --root /", "lint --fix --diff in/mistakes", "lint in/slurm.txt",
    "lint in/none.yaml", "lint in/hosts/no_gpu/dev", "init jax --gpu h100 --host l4", "init jax --driver 550.54.15", "init nosuch", "init --list jax", "run", "run --isolate", "run --gpus all --nv in/small.tar",
    "run --writable --overlay o in/small.tar", "run --trace t --bundle b in/small.tar", "run --fake-root --sub-ids in/small.tar", "cdi", "cdi aply", "cdi generate --format yaml -o x.json",
    "cdi generate --ask-driver --root in/hosts/h100", "cdi apply", "cdi apply --engine docker x", "cdi install", "cdi install --engine nosuch", "cdi install --engine podman --spec a --refresh",
    "fleet", "fleet status", "fleet clean", "fleet status --yes docker://127.0.0.1:9/app", "fleet status --stale docker://127.0.0.1:9/app",
    "fleet prune docker://A", "fleet prune docker://a@sha256:0000000000000000000000000000000000000000000000000000000000000000", "cdi uninstall", "mirror", "mirror enable", "mirror install --engine podman", "mirror uninstall", "mirror uninstall --engine podman --gpu h100", "slim in/app.tar --variants h100 --mirror docker://reg.example/{gpu}", "slim docker://up.example/app:1@sha256:0000000000000000000000000000000000000000000000000000000000000000 --variants h100 --mirror docker://reg.example/{gpu}", "cdi diff", "cdi list extra", "cache", "cache nosuch", "cache ls --all", "cache verify --max-size 1G", "completion", "completion tcsh", "help nosuch", "explain 804 --json --data in/nowhere",
    "data", "data nosuch", "data status extra", "data status --force", "data export", "data export x y", "data export x --json", "data validate", "data validate --data x y")


def help_texts():
    out = {"main": ["", "--help", "-h", "help", "--version", "version"]}
    for command in COMMANDS:
        out[command] = [f"{command} --help", f"help {command}", f"{command} -h -q"]
        out[command] += [f"{command} {action} --help" for action in ACTIONS.get(command, ())]
    return out


def usage():
    out = {"main": ["nosuch", "inspec", "--nosuch", "-x", "--version extra", "-q"]}
    for command in COMMANDS:
        lines = [command] * (command not in ("lint", "host", "doctor", "init", "help")) + [f"{command} --nosuch", f"{command} --hlep", f"{command} -Z", f"{FINE[command] and command} {FINE[command]} --nosuch=1"]
        for option in VALUES.get(command, "").split():
            lines += [f"{command} {FINE[command]} {option}", f"{command} {option}= {FINE[command]}", f"{command} {option}=~wrong~ {FINE[command]}"]
        out[command] = lines
    out["together"] = list(CONTRADICTIONS)
    return out


def damaged():
    names = ("cut.tar", "garbage.tar", "empty.tar", "text", "cut.so", "digest.tar", "escape.tar", "layout", "list.json", "schema.json", "bomb.json")
    out = {}
    for name in (*names, "none.tar"):
        path = f"in/bad/{name}"
        out[name.replace(".", "-")] = [f"inspect {path}", f"slim {path} --gpu h100 -o oci:x", f"check {path} --host l4@550.54.15", f"diff {path} in/small.tar", f"diff in/small.tar {path}",
            f"host --host {path}", f"lint {path}", f"cdi validate {path}", f"doctor --log {path}", f"run --bundle b {path}", f"slim in/small.tar --gpu l4 --dry-run --trace-file {path}"]
    out["transports"] = [f"inspect {word}" for word in (
        "oci:in/none", "oci:in/venv", "docker-archive:in/venv", "oci-archive:in/app.tar", "docker-archive:in/layout", "nosuch:in/app.tar", "in/hosts/h100/dev/fuse", "oci:in/layout:nosuch", "''", "-")]
    return out


def cases():
    return {f"{name}/{case}": steps for name, part in (("help", help_texts), ("usage", usage), ("damaged", damaged)) for case, steps in part().items()}
