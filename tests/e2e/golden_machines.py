"""Cases of test_golden.py over machines made of files: host, doctor, cdi, and containers that are made and never started."""

import json

import elf_writer
import hosts
import test_cdi_documents as documents
import test_doctor

# What PATH leads to, and nothing else.
PROGRAMS = {f"{place}crun": f"#!/bin/sh\necho 'crun version {version}'\n" for place, version in (("", "1.14.4"), ("tried/", "1.28.0"), ("old/", "1.6.1"))}
NVIDIA = ("h100", "a100_mig", "rtx4090", "laptop", "wsl2", "jetson", "operator")


# What another user is told or gets is another thing, or who can become that user.
AS_ROOT = ("run/", "user/", "slim/directory", "slim/outputs")


def host():
    out = {}
    for name in hosts.ALL:
        root = f"host --root in/hosts/{name}"
        out[name] = [root, ("" if name in ("h100", "mi300x") else "sum ") + f"{root} --json", f"{root} -v", f"{root} --labels", f"{root} --build-args"]
    out["parts"] = ["host --root in/hosts/h100 --proc in/hosts/rtx4090/proc --sys in/hosts/laptop/sys --dev in/hosts/no_gpu/dev",
                    "host --root in/hosts --json"]
    out["words"] = [f"host --host {words}" for words in (
        "h100@550.54.15", "a100,l4@535.104.05", "mi300x@6.10.5", "aws:p5.48xlarge@550.54.15", "gcp:a3-highgpu-8g", "azure:Standard_ND96isr_H100_v5",
        "lambda:gpu_8x_h100_sxm5", "sm_90", "jetsonorin", "in/nodes.json", "in/slurm.txt")]
    out["words-json"] = [f"host --host {words} --json" for words in ("h100@550.54.15", "in/slurm.txt")]
    out["compare"] = ["host --root in/hosts/h100 --json > h100.json", "host --host h100.json", "host --compare h100.json l4@550.54.15 aws:p5.48xlarge@550.54.15", "host --compare in/nodes.json h100@550.54.15 --json",
                      "host --compare h100.json h100.json", "host --root in/hosts/mi300x this h100@580.65.06", "host in/nodes.json --labels"]
    return out


def doctor():
    out = {}
    for name in hosts.ALL:
        out[name] = [f"doctor --root in/hosts/{name}", ("" if name == "h100" else "sum ") + f"doctor --root in/hosts/{name} --json", *([f"doctor --root in/hosts/{name} -v"] if name in ("h100", "mi300x") else [])]
    for number, (name, (machine, _, variables, _, _)) in enumerate(test_doctor.BROKEN.items()):
        words = "".join(f" --env {one}" for one in variables)
        out[machine] += [f"# {name}", f"copy in/hosts/{machine} m{number}", f"break {number} m{number}", f"doctor --root m{number}{words}"]
    out["messages"] = [f"doctor --message {json.dumps(text)}" for text in (
        "torch.cuda.is_available() returned False", "Failed to initialize NVML: Driver/library version mismatch", "CUDA error 804", "all is well",
        "no kernel image is available for execution on the device", "HSA_STATUS_ERROR_OUT_OF_RESOURCES")]
    out["log"] = ["write log 'epoch 1\\nRuntimeError: CUDA error: no kernel image is available for execution on the device\\nNCCL WARN\\n'",
                  "doctor --log log", "doctor --log - < log", "doctor --log log --json", "doctor --log in/slurm.txt"]
    return out


def cdi():
    out = {}
    for name in NVIDIA + ("mi300x", "mi250x"):
        root = f"cdi generate --root in/hosts/{name}"
        out[f"generate-{name}"] = [f"{root} --format yaml", f"sum {root}", ("" if name == "h100" else "sum ") + f"{root} --capabilities all --format yaml",
                                   f"{root} --hooks --allow-missing -q --format yaml", f"{root} --mode management --format yaml"]
    h100 = "cdi generate --root in/hosts/h100"
    out["options"] = [f"{h100} --format yaml {more}" for more in (
        "--vendor flense.dev --class card --annotate", "--library-dir /opt/nvidia/lib/ --capabilities compute", "--with rdma --groups", "--mode rdma",
        "--hooks=compat --hook-path /opt/nvidia-cdi-hook", "--with gds,gdrcopy --allow-missing", "--mode nvswitch", "--mode amd", "--with imex:3")]
    out["missing"] = [f"cdi generate --root in/hosts/{name}" for name in ("no_gpu", "mismatch", "mixed")] + \
        ["cdi generate --root in/hosts/mismatch --allow-missing --format yaml", "cdi generate --root in/hosts/mixed --mode amd --format yaml"]
    out["files"] = ["copy in/hosts/h100 m", "cdi generate --root m -o m/etc/cdi/flense.json", "cdi generate --root m -o m/etc/cdi/flense.json --replace",
                    "tree m/etc/cdi", "tree m/var/run/cdi", "cdi generate --root in/hosts/mixed -o both/", "tree both"]
    out["list"] = ["cdi list --root in/hosts/h100", "cdi list --root in/hosts/rtx4090 --json", "cdi list --root in/hosts/no_gpu", "cdi list --spec-dir in/cdi",
                   "cdi list --spec-dir in/cdi --json", "cdi list --spec-dir in/nowhere"]
    out["validate"] = ["cdi validate --root in/hosts/h100", "cdi validate --root in/hosts/rtx4090 --json", "cdi validate in/cdi/test.json in/cdi/broken.yaml",
                       "cdi validate in/cdi/test.json in/cdi/old.json --json", "cdi validate in/cdi/none.json", "cdi validate --root in/hosts/a100_mig"]
    out["apply"] = ["cdi apply --spec-dir in/cdi --device flense.test/gpu=0 in/config.json", "cdi apply --spec-dir in/cdi --device flense.test/gpu=1 --rootless in/config.json",
                    "copy in/config.json c.json", "cdi apply --spec-dir in/cdi --device flense.test/gpu=0 --device flense.test/gpu=1 c.json -o c.json", "cat c.json",
                    "cdi apply --spec-dir in/cdi --device flense.test/gpu=00 c.json", "cdi apply --spec-dir in/cdi --device gpu0 c.json",
                    "cdi apply --spec-dir in/cdi c.json"]
    out["diff"] = ["copy in/hosts/h100 m", "cdi generate --root m -o a.json", "cdi diff a.json --root m", "cdi diff a.json --root in/hosts/rtx4090",
                   "cdi diff a.json --root in/hosts/operator --json", "cdi diff nvidia.com/gpu --root m", "cdi diff amd.com/gpu --root m", "cdi diff none.json --root m"]
    for engine in ("docker", "podman", "containerd", "crio"):
        at = f"--engine {engine} --root m"
        out[f"install-{engine}"] = ["copy in/engines m", f"cdi install {at} --spec in/cdi/test.json", "tree m contents", f"cdi install {at} --spec in/cdi/test.json",
                                    f"cdi uninstall {at}", "tree m", f"cdi uninstall {at}"]
    out["install-user"] = ["copy in/hosts/rtx4090 m", "cdi install --engine podman --user --root m --spec in/cdi/test.json", 
                           "cdi uninstall --engine podman --user --root m"]
    out["install-refresh"] = ["copy in/hosts/h100 m", "cdi install --engine docker --root m --refresh", "cdi install --engine docker --root m --refresh --vendor flense.dev",
                              "tree m/etc contents", "cdi install --engine podman --root m --vendor flense.dev --json", "cdi uninstall --engine docker --root m", "tree m/etc"]
    return out


def mirror():
    plugin = 'version = 2\\n[plugins."io.containerd.grpc.v1.cri".registry]\\n  config_path = "/etc/containerd/certs.d"\\n'
    theirs = 'server = "https://nvcr.io"\\n\\n# near\\n[host."https://cache.example"]\\n'
    start = ["copy in/engines m", f"write m/etc/containerd/config.toml '{plugin}'", f"write m/etc/containerd/certs.d/nvcr.io/hosts.toml '{theirs}'"]
    out = {}
    for engine in ("containerd", "podman", "cri-o", "buildkit"):
        install = f"mirror install --engine {engine} --root m --registry reg.example --gpu h100 --upstream nvcr.io --upstream reg.example:5000"
        undo = f"mirror uninstall --engine {engine} --root m"
        out[engine] = [*start, f"{install} --dry-run", f"{install} --json", "tree m contents", install, undo, "tree m", undo]
    on = "--registry reg.example --dry-run --root"
    out["gpus"] = [f"mirror install --engine podman {on} in/hosts/{name}" for name in ("h100", "mi300x", "mixed", "no_gpu")] + \
        [f"mirror install --engine podman {on} in/hosts/mixed --gpu h100,a100"]
    out["refused"] = [f"mirror install --engine {engine} {on} in/engines --gpu h100" for engine in ("containerd", "docker")]
    return out


def run():
    bundle, gpus = "run --bundle", "--root in/hosts/h100 --gpus"
    options = ("", "-v WORK/in:/data:ro -B WORK/in/mistakes:/m --mount type=tmpfs,dst=/scratch,size=1m", "-e A=1 -e HOME=/x --env-file vars -w /srv",
               "--entrypoint /bin/sh", "--fake-root", "--network none --shm-size 64m", "--security-opt seccomp=unconfined", "--name job", "-u 33:44", "--no-home",
               "--explain --verbose", "--device flense.test/gpu=0 --cdi-spec-dir spec", "--device flense.test/gpu=0 --cdi-spec-dir spec --explain",
               "--device /dev/zero", "--gpus none", "--nv --root in/hosts/no_gpu", "--rocm --root in/hosts/no_gpu")
    spec = json.dumps(documents.specification("WORK/in/libplain.so.1"))
    out = {"bundles": ["write vars 'X=1\\nY=two words\\n'", f"write spec/test.json '{spec}'"] + [step for number, more in enumerate(options) for step in (
        f"{bundle} b{number} --isolate --no-preflight {more} in/small.tar", f"cat b{number}/config.json")] + ["tree b0"]}
    out["bundles"] += [f"PATH=WORK/bin/{place} {bundle} {place} --isolate in/small.tar" for place in ("tried", "old", "none")] + ["cat tried/config.json"]
    out["preflight"] = [f"{bundle} b --isolate {gpus} all in/app.tar", f"{bundle} b --isolate --root in/hosts/mi300x --gpus all in/app.tar",
                        f"{bundle} b --isolate {gpus} 1 --explain in/app.tar", f"{bundle} b --isolate --root in/hosts/no_gpu --gpus all in/small.tar",
                        f"{bundle} b --isolate --root in/hosts/mixed --nv in/small.tar", f"{bundle} b --isolate --root in/hosts/rtx4090 --device nvidia.com/gpu=7 in/small.tar"]
    driver = json.dumps(driver_specification())
    inject = "--isolate --no-preflight --security-opt seccomp=unconfined --device test.org/gpu=0 --cdi-spec-dir spec"
    out["injection"] = [f"write spec/test.json '{driver}'"] + [step for number, more in enumerate((
        f"{inject} in/app.tar", f"{inject} --explain in/app.tar", f"{inject} --explain in/small.tar", f"{inject} --explain in/conda.tar", f"{inject} in/rocm.tar /usr/bin/sh"))
        for step in (f"{bundle} b{number} {more}", f"cat b{number}/config.json")] + ["tree ../cache/injected/*"]
    out["errors"] = [f"{bundle} b{number} --isolate {more}" for number, more in enumerate((
        "in/small.tar /nowhere", "in/small.tar /etc/passwd", "-w /nowhere in/small.tar", "-v /nowhere/at/all:/x in/small.tar", "--writable in/small.tar",
        "--memory 1g in/small.tar", "--sub-ids in/small.tar", "--gpus 9 --root in/hosts/h100 in/small.tar", "-e =x in/small.tar", "in/bad/cut.tar", "in/none.tar"))]
    out["bench"] = ["bench io in/none", "bench io", "bench", "bench nosuch in/small.tar", "bench io in/small.tar --size many"]
    out["others"] = ["exec nosuch sh", "shell nosuch", "exec", "shell"]
    return out


def user():
    """The same as another user than root."""
    made = run()
    return {"bundles": [step.replace("--isolate", "--isolate --security-opt seccomp=unconfined") for step in made["bundles"][:8]], "preflight": made["preflight"], "cdi": ["cdi list --root in/hosts/h100", "cdi generate --root in/hosts/h100 -o out/x.json -q",
                                                                               "cdi install --engine docker --root in/engines --spec in/cdi/test.json"],
            "slim": ["slim in/app.tar --gpu h100 -o dir:out -q", "tree out", "slim in/app.tar --gpu h100 -o oci:o -q", "tree o", "slim in/venv --in-place --gpu h100"]}


def driver_specification():
    names = ("libcuda.so.550.54.15", "libnvidia-ml.so.550.54.15", "libGL.so.1.7.0")
    mounts = [{"hostPath": f"WORK/in/driver/{name}", "containerPath": f"/{hosts.LIB}/{name}", "options": ["ro", "nosuid", "nodev", "rbind", "rprivate"]}
              for name in names]
    return {"cdiVersion": "0.5.0", "kind": "test.org/gpu", "devices": [{"name": "0", "containerEdits": {"mounts": mounts, "env": ["FROM_CDI=1"]}}]}


def inputs(place, write):
    """What these cases read besides the machines themselves."""
    spec = documents.specification("/nonexistent/libfake.so.1")
    write(f"{place}/cdi/test.json", json.dumps(spec))
    write(f"{place}/cdi/old.json", json.dumps({**spec, "cdiVersion": "0.3.0", "kind": "old.test/gpu"}))
    write(f"{place}/cdi/broken.yaml", "kind: [\n")
    for soname, name in (("libcuda.so.1", "libcuda.so.550.54.15"), ("libnvidia-ml.so.1", "libnvidia-ml.so.550.54.15"), ("libGL.so.1", "libGL.so.1.7.0")):
        write(f"{place}/driver/{name}", elf_writer.library(soname, ["libc.so.6"], [("libc.so.6", "GLIBC_2.34")], imports=["printf"], exports=["who"]))
    write(f"{place}/config.json", json.dumps({"ociVersion": "1.0.2", "process": {"env": ["A=1"], "args": ["sh"]}, "linux": {}}, indent="\t"))
    write(f"{place}/engines/etc/docker/daemon.json", documents.DAEMON)
    write(f"{place}/engines/etc/containerd/config.toml", documents.CONTAINERD)


def cases():
    return {f"{part.__name__}/{name}": steps for part in (host, doctor, cdi, mirror, run, user) for name, steps in part().items()}
