#!/usr/bin/env python3
"""Writes the Compose files and Kubernetes manifests of tests/lint/launch/: every feature that the
readers know alone and in combinations, and broken ones. What the validators say about them is checked by
tests/e2e/test_lint_launch_large.py; the files are read in the unit tests.

  launch_corpus.py [DIRECTORY]"""

import itertools
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent

# Lines of one service, without indentation.
SERVICE = {
    "image-digest": "image: docker.io/library/debian:12@sha256:" + "a" * 64,
    "build-short": "build: .",
    "build-long": """build:
  context: ./app
  dockerfile: Dockerfile.gpu
  target: runtime
  args:
    CUDA: "12.8"
  cache_from: [type=gha]
  tags: [team/app:1]
  platforms: [linux/amd64]""",
    "build-inline": """build:
  context: .
  dockerfile_inline: |
    FROM debian:12
    RUN true""",
    "command-text": "command: python train.py --data-dir /data --out \"/out dir\"",
    "command-list": "command: [python, -m, http.server, \"8000\"]",
    "command-block": """command: >-
  vllm serve /models/a
  --tensor-parallel-size 2
entrypoint: []""",
    "environment-map": """environment:
  HF_HOME: /cache
  DEBUG: "true"
  EMPTY:
  NUMBER: 3""",
    "environment-list": """environment:
  - HF_HOME=/cache
  - TOKEN
env_file: .env""",
    "env-file-long": """env_file:
  - path: ./default.env
    required: true
  - path: ./override.env
    required: false""",
    "interpolation": """environment:
  A: ${A:-default}
  B: "${B:?must be set}"
  C: $$literal""",
    "volumes-short": """volumes:
  - ./data:/data:ro
  - cache:/cache
  - /anonymous
  - ~/models:/models:ro,z""",
    "volumes-long": """volumes:
  - type: bind
    source: ./data
    target: /data
    read_only: true
    bind: {create_host_path: true}
  - type: volume
    source: cache
    target: /cache
    volume: {nocopy: true}
  - type: tmpfs
    target: /scratch
    tmpfs: {size: 64m}""",
    "tmpfs-text": "tmpfs: /run:size=64m",
    "tmpfs-list": "tmpfs: [/run, /tmp]",
    "devices": """devices:
  - /dev/kfd:/dev/kfd
  - /dev/dri
group_add: [video, "109"]
security_opt: [seccomp=unconfined]""",
    "devices-cdi": "devices: [nvidia.com/gpu=all]",
    "gpus-all": "gpus: all",
    "gpus-list": """gpus:
  - driver: nvidia
    count: 2
    options: {virtualization: "false"}""",
    "gpus-ids": """gpus:
  - driver: nvidia
    device_ids: ["0", "GPU-8a56a4bc"]""",
    "deploy-count": """deploy:
  resources:
    limits: {cpus: "8", memory: 64G}
    reservations:
      devices:
        - driver: nvidia
          count: all
          capabilities: [gpu]""",
    "deploy-ids": """deploy:
  replicas: 2
  resources:
    reservations:
      memory: 8G
      devices:
        - capabilities: [gpu, utility]
          driver: nvidia
          device_ids: ["0", "1"]""",
    "runtime": """runtime: nvidia
environment: [NVIDIA_VISIBLE_DEVICES=0]""",
    "memory": """shm_size: 8gb
mem_limit: 32g
memswap_limit: 32g
ulimits:
  memlock: -1
  stack: 67108864
  nofile: {soft: 65536, hard: 65536}""",
    "ipc": "ipc: host",
    "privileged": "privileged: false\ncap_add: [SYS_PTRACE]\nread_only: true",
    "healthcheck": """healthcheck:
  test: [CMD, curl, -f, http://localhost:8000/health]
  interval: 30s
  start_period: 10m
  retries: 3""",
    "profiles": "profiles: [train, gpu]",
    "depends": """depends_on:
  db:
    condition: service_started
    restart: true""",
    "ports": """ports:
  - "8000:8000"
  - target: 9000
    published: "9000"
    protocol: tcp
expose: ["7000"]""",
    "networks": """networks:
  back:
    aliases: [model]
  front:""",
    "labels": "labels: {com.example.a: b}\nannotations: [a=b]",
    "configs": """configs:
  - source: app
    target: /etc/app.yaml
secrets: [hf]""",
    "develop": """develop:
  watch:
    - action: sync
      path: ./src
      target: /app""",
    "user": "user: \"1000:1000\"\nworking_dir: /app\ninit: true\nstop_grace_period: 2m",
    "extension": "x-note: {kept: [a, b]}",
    "platform": "platform: linux/arm64\npull_policy: missing\nrestart: unless-stopped",
    "logging": "logging:\n  driver: json-file\n  options: {max-size: 10m}",
}
COMPOSE_TAIL = """volumes:
  cache:
networks:
  back:
  front: {internal: true}
configs:
  app: {file: ./app.yaml}
secrets:
  hf: {environment: HF_TOKEN}
"""
# Whole files.
COMPOSE_FILES = {
    "anchors": """name: project
x-gpu: &gpu
  deploy:
    resources:
      reservations:
        devices: [{driver: nvidia, count: 1, capabilities: [gpu]}]
x-env: &env
  HF_HOME: /cache
services:
  a:
    <<: *gpu
    image: a:1
    environment:
      <<: *env
      MORE: "1"
  b:
    <<: [*gpu]
    image: b:1
    environment: *env
""",
    "include": "include:\n  - ./base.yaml\n  - path: [a.yaml, b.yaml]\n    env_file: .env\nservices:\n  a: {image: 'a:1'}\n",
    "extends": "services:\n  a:\n    extends: {file: base.yaml, service: a}\n    gpus: all\n",
    "version": "version: \"3.8\"\nservices:\n  a:\n    image: a:1\n",
    "comments": "# first\nservices: # second\n  # third\n  a:\n    image: 'a:1' # fourth\n\n\n    gpus: all\n# last\n",
    "json": '{"services": {"a": {"image": "a:1", "gpus": "all", "command": ["x", "--y"]}}}\n',
    "unicode": "services:\n  a:\n    image: a:1\n    labels: {beschreibung: \"größe – ünïcode\"}\n    gpus: all\n",
    "nfs": """services:
  a:
    image: a:1
    volumes: [data:/data:ro]
volumes:
  data:
    driver: local
    driver_opts: {type: nfs, o: "addr=10.0.0.1,ro", device: ":/export"}
""",
}
# Refused by their form.
COMPOSE_BROKEN = {
    "indentation": "services:\n  a:\n    image: a:1\n   gpus: all\n",
    "tab": "services:\n\ta:\n\t\timage: a:1\n",
    "duplicate": "services:\n  a: {image: 'a:1'}\n  a: {image: 'a:2'}\n",
    "list": "services:\n  - a\n",
    "text": "services:\n  a: image\n",
    "volumes-text": "services:\n  a:\n    image: a:1\n    volumes: ./a:/b\n",
    "environment-text": "services:\n  a:\n    image: a:1\n    environment: A=b\n",
    "devices-map": "services:\n  a:\n    image: a:1\n    deploy: {resources: {reservations: {devices: {count: 1}}}}\n",
    "image-list": "services:\n  a:\n    image: [a]\n",
    "unclosed": "services:\n  a: {image: 'a:1'\n",
    "quote": "services:\n  a:\n    image: \"a:1\n",
    "anchor": "services:\n  a: *nowhere\n",
    "build-list": "services:\n  a:\n    build: [.]\n",
    "command-map": "services:\n  a:\n    image: a:1\n    command: {a: b}\n",
}

CONTAINER = {
    "plain": "",
    "gpu": "resources:\n  limits: {nvidia.com/gpu: 1, memory: 32Gi, cpu: \"8\"}\n  requests: {cpu: \"4\", memory: 32Gi}",
    "mig": "resources:\n  limits:\n    nvidia.com/mig-1g.10gb: \"1\"",
    "amd": "resources:\n  limits: {amd.com/gpu: 8}",
    "intel": "resources:\n  limits: {gpu.intel.com/i915: 1}",
    "command": "command: [python, -u, train.py]\nargs:\n  - --data-dir=/data\n  - --epochs\n  - \"3\"",
    "script": "command: [sh, -c]\nargs:\n  - |\n    set -e\n    python train.py --out /out",
    "env": "env:\n  - {name: HF_HOME, value: /cache}\n  - name: TOKEN\n    valueFrom:\n      secretKeyRef: {name: hf, key: token}\n  - name: NODE\n    valueFrom: {fieldRef: {fieldPath: spec.nodeName}}\nenvFrom:\n  - configMapRef: {name: settings}",
    "mounts": "volumeMounts:\n  - {name: shm, mountPath: /dev/shm}\n  - {name: data, mountPath: /data, readOnly: true}\n  - {name: cache, mountPath: /cache, subPath: hub}\n  - {name: conf, mountPath: /etc/conf}\n  - {name: dev, mountPath: /dev/kfd}\n  - {name: nfs, mountPath: /nfs}\n  - {name: eph, mountPath: /eph}",
    "probes": "startupProbe:\n  httpGet: {path: /health, port: 8000}\n  periodSeconds: 10\n  failureThreshold: 60\nlivenessProbe:\n  tcpSocket: {port: 8000}\nreadinessProbe:\n  exec: {command: [cat, /ready]}\nports:\n  - {name: http, containerPort: 8000}",
    "security": "securityContext:\n  privileged: false\n  readOnlyRootFilesystem: true\n  runAsNonRoot: true\n  capabilities: {drop: [ALL], add: [IPC_LOCK]}\nimagePullPolicy: IfNotPresent",
    "claims": "resources:\n  claims: [{name: gpu}]",
}
VOLUMES = """volumes:
  - name: shm
    emptyDir: {medium: Memory, sizeLimit: 8Gi}
  - name: data
    persistentVolumeClaim: {claimName: data, readOnly: true}
  - name: cache
    emptyDir: {}
  - name: conf
    configMap: {name: conf}
  - name: dev
    hostPath: {path: /dev/kfd, type: CharDevice}
  - name: nfs
    nfs: {server: 10.0.0.1, path: /export}
  - name: eph
    ephemeral:
      volumeClaimTemplate:
        spec:
          accessModes: [ReadWriteOnce]
          resources: {requests: {storage: 1Gi}}
"""
POD_EXTRA = {
    "plain": "",
    "host": "hostIPC: true\nhostNetwork: true\ndnsPolicy: ClusterFirstWithHostNet",
    "runtime": "runtimeClassName: nvidia\nnodeSelector: {nvidia.com/gpu.product: NVIDIA-H100-80GB-HBM3}\ntolerations:\n  - {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}",
    "groups": "securityContext: {runAsUser: 1000, fsGroup: 1000, supplementalGroups: [44, 109]}",
    "affinity": "affinity:\n  nodeAffinity:\n    requiredDuringSchedulingIgnoredDuringExecution:\n      nodeSelectorTerms:\n        - matchExpressions:\n            - {key: gpu, operator: In, values: [a100]}",
    "init": "initContainers:\n  - name: fetch\n    image: fetch:1\n    restartPolicy: Always",
    "claims": "resourceClaims:\n  - name: gpu\n    resourceClaimTemplateName: one-gpu",
}
KUBERNETES_BROKEN = {
    "no-kind": "apiVersion: v1\nmetadata: {name: a}\n",
    "no-version": "kind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: a}]}\n",
    "containers-map": "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: {name: a, image: a}\n",
    "containers-text": "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: [a]\n",
    "spec-text": "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: a\n",
    "indentation": "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: a\n   image: b\n",
    "duplicate": "apiVersion: v1\nkind: Pod\nkind: Job\n",
    "tab": "apiVersion: v1\nkind: Pod\nspec:\n\tcontainers: []\n",
    "second-document": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Pod\nspec: [\n",
}


def indent(text, by):
    return "".join((" " * by + line if line.strip() else line) for line in text.splitlines(keepends=True))


def service(*features):
    lines = [] if any(name.startswith(("build", "image")) for name in features) else ["image: registry.example.com/team/app:1.4"]
    lines += [SERVICE[name] for name in features]
    body = indent("\n".join(lines) + "\n", 4)
    return "services:\n  app:\n" + body + "  db:\n    image: postgres:17\n" + COMPOSE_TAIL


def compose():
    for name in SERVICE:
        yield name, service(name)
    kinds = [("gpus-all", "deploy-count", "devices", "runtime"), ("volumes-short", "volumes-long"),
             ("command-text", "command-block"), ("memory", "ipc")]
    for number, chosen in enumerate(itertools.product(*kinds)):
        yield f"mixed-{number:02}", service(*chosen)
    yield from COMPOSE_FILES.items()


def pod_spec(features, extra="plain"):
    body = "name: main\nimage: registry.example.com/team/app:1.4\n"
    body += "".join(CONTAINER[name] + "\n" for name in features if CONTAINER[name])
    container = "- " + indent(body, 2)[2:]
    spec = (POD_EXTRA[extra] + "\n") if POD_EXTRA[extra] else ""
    spec += "containers:\n" + indent(container, 2)
    if "mounts" in features:
        spec += VOLUMES
    return spec


def workload(kind, spec):
    head = {"Pod": "v1", "Job": "batch/v1", "CronJob": "batch/v1"}.get(kind, "apps/v1")
    out = f"apiVersion: {head}\nkind: {kind}\nmetadata:\n  name: app\n  labels: {{app: app}}\nspec:\n"
    if kind == "Pod":
        return out + indent(spec, 2)
    once = "restartPolicy: Never\n" if "Job" in kind else ""
    template = "template:\n  metadata:\n    labels: {app: app}\n  spec:\n" + indent(once + spec, 4)
    if kind == "CronJob":
        return out + "  schedule: \"0 * * * *\"\n  jobTemplate:\n    spec:\n" + indent(template, 6)
    if kind == "Job":
        return out + "  backoffLimit: 2\n" + indent(template, 2)
    out += "  selector:\n    matchLabels: {app: app}\n"
    if kind == "StatefulSet":
        out += "  serviceName: app\n"
    if kind != "DaemonSet":
        out += "  replicas: 2\n"
    out += indent(template, 2)
    if kind == "StatefulSet":
        out += "  volumeClaimTemplates:\n    - metadata: {name: models}\n      spec:\n        accessModes: [ReadWriteOnce]\n        resources: {requests: {storage: 100Gi}}\n"
    return out


def kubernetes():
    for name in CONTAINER:
        yield f"pod-{name}", workload("Pod", pod_spec([name], "claims" if name == "claims" else "plain"))
    for name in POD_EXTRA:
        yield f"pod-with-{name}", workload("Pod", pod_spec(["gpu", "mounts"], name))
    for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"):
        for number, features in enumerate((["gpu", "command", "mounts"], ["amd", "script", "env"], ["mig", "probes", "security"])):
            yield f"{kind.lower()}-{number}", workload(kind, pod_spec(features, "runtime" if number else "host"))
    many = [workload("Deployment", pod_spec(["gpu"])),
            "apiVersion: v1\nkind: Service\nmetadata: {name: app}\nspec:\n  selector: {app: app}\n  ports: [{port: 80, targetPort: 8000}]\n",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf}\ndata:\n  a.yaml: |\n    containers: no\n"]
    yield "documents", "---\n".join(many)
    yield "leading-mark", "---\n" + many[0] + "...\n---\n" + many[1]


def broken():
    for name, text in COMPOSE_BROKEN.items():
        yield "compose", name, text
    for name, text in KUBERNETES_BROKEN.items():
        yield "kubernetes", name, text


def files():
    """Pairs of a relative path and a text."""
    for name, text in compose():
        yield f"compose/{name}.compose.yaml", text
    for name, text in kubernetes():
        yield f"kubernetes/{name}.yaml", text
    for kind, name, text in broken():
        yield f"broken/{name}.{kind}.yaml", text


def main():
    top = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "launch"
    for path, text in files():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
