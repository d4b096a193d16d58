"""Files that golden cases of lint read: one of each kind with what goes wrong in such, and the first bad example of each rule."""

import os

import harness

RULES = os.path.join(harness.TOP, "tests/lint/rules")
KINDS = {
    "Dockerfile": """# syntax=docker/dockerfile:1
FROM nvidia/cuda AS build
ARG HF_TOKEN=abc
ENV NVIDIA_VISIBLE_DEVICES=all TORCH_CUDA_ARCH_LIST="6.0 9.0"
RUN apt-get update && apt-get install -y cuda-toolkit-12-4 nvidia-driver-550
RUN pip install torch==2.4.0 --extra-index-url https://download.pytorch.org/whl/cu118
RUN uv pip install --system flash-attn
RUN git clone https://github.com/example/repo
RUN curl -fsSL https://example.com/install.sh | sh
FROM nvidia/cuda:12.8.1-devel-ubuntu24.04
COPY --from=build /opt/venv /opt/venv
RUN rm -rf /opt/venv/cache && nvidia-smi
ENV LD_LIBRARY_PATH=/usr/local/cuda/lib64/stubs
""",
    ".dockerignore": "data\n",
    "compose.yaml": """services:
  train:
    build: .
    runtime: nvidia
    environment: [NVIDIA_VISIBLE_DEVICES=all]
    command: torchrun --nproc-per-node 4 train.py
  serve:
    image: vllm/vllm-openai:latest
    privileged: true
    deploy: {resources: {reservations: {devices: [{driver: nvidia, count: 1}]}}}
    volumes: ["./models:/models"]
""",
    "docker-bake.hcl": 'target "app" {\n  dockerfile = "Dockerfile"\n  args = { CUDA = "11.0" }\n  platforms = ["linux/amd64", "linux/arm64"]\n}\n',
    "requirements.txt": "torch==2.4.0+cu118\nnvidia-cudnn-cu12==9.1.0.70\ntensorflow\nonnxruntime\nonnxruntime-gpu==1.19\n",
    "pyproject.toml": '[project]\nname = "app"\nversion = "1"\ndependencies = ["torch", "triton==2.0", "jax[cuda12]"]\n',
    "environment.yml": "channels: [conda-forge]\ndependencies:\n  - pytorch=2.4\n  - cudatoolkit=11.8\n  - pip:\n      - torch==2.4.0\n",
    "pod.yaml": """apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  hostIPC: true
  containers:
    - name: a
      image: a:latest
      env: [{name: NVIDIA_VISIBLE_DEVICES, value: all}]
      resources: {requests: {nvidia.com/gpu: 1}, limits: {amd.com/gpu: 1}}
""",
    "app.def": "Bootstrap: docker\nFrom: nvidia/cuda:11.0-base\n%post\n  pip install torch\n%environment\n  export CUDA_VISIBLE_DEVICES=0\n",
    "app.container": "[Container]\nImage=app:1\nPodmanArgs=--gpus all\nPrivileged=true\n",
    "app.service": "[Service]\nExecStart=/usr/bin/docker run --runtime=nvidia -e NVIDIA_VISIBLE_DEVICES=all app:1\n",
    "run.sh": "#!/bin/sh\ndocker run --gpus '\"device=0,1\"' --rm app:1 torchrun train.py\npodman run --device /dev/nvidia0 app:1\n",
    "job.sbatch": "#!/bin/bash\n#SBATCH --gpus=4\nsrun --container-image=app:1 python train.py\napptainer exec app.sif python train.py\n"}


def first_bad(path):
    """The files of a rule's first bad example; those that have nothing but a size are left out."""
    files, name, taking = {}, "", False
    with open(path, encoding="utf-8") as text:
        for line in text:
            if line.startswith("== "):
                if files:
                    break
                taking = line.startswith("== bad")
            elif taking and line.startswith("-- "):
                name = line.split()[1] if len(line.split()) == 2 else ""
            elif taking and line.startswith(("!! ", "=> ")):
                name = ""
            elif taking and name:
                files[name] = files.get(name, "") + line
    return files


def inputs(place, write):
    for name, text in KINDS.items():
        write(f"{place}/kinds/{name}", text)
    for rule in sorted(os.listdir(RULES)):
        for name, text in first_bad(os.path.join(RULES, rule)).items():
            write(f"{place}/rules/{rule.removesuffix('.txt')}/{name}", text)
