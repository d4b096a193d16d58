#include <gtest/gtest.h>

#include "lint/readers/testing_launch.h"

namespace flense::lint {
namespace {

std::unique_ptr<ProjectFile> manifest(std::string text) {
  return read_launch(read_kubernetes, "m.yaml", std::move(text));
}

TEST(ReadKubernetes, APodInFull) {
  const auto file = manifest(R"(
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  runtimeClassName: nvidia
  hostIPC: true
  securityContext: {supplementalGroups: [44, 109]}
  initContainers:
    - {name: fetch, image: fetch:1}
    - {name: proxy, image: proxy:1, restartPolicy: Always}
  containers:
    - name: main
      image: nvcr.io/nvidia/pytorch:25.03-py3
      command: [sh, -c]
      args: ["python train.py"]
      env:
        - {name: HF_HOME, value: /cache}
        - name: TOKEN
          valueFrom: {secretKeyRef: {name: t, key: k}}
        - {name: D, value: "$(HF_HOME)/d"}
      securityContext: {privileged: true, readOnlyRootFilesystem: true}
      resources:
        limits: {nvidia.com/gpu: "2", memory: 64Gi, nvidia.com/gpumem: 3000}
        requests: {nvidia.com/gpu: 2, amd.com/gpu: 0}
      volumeMounts:
        - {name: shm, mountPath: /dev/shm}
        - {name: data, mountPath: /data, readOnly: true}
        - {name: claim, mountPath: /out}
        - {name: host, mountPath: /dev/kfd}
        - {name: conf, mountPath: /etc/x}
        - {name: none, mountPath: /y}
  volumes:
    - {name: shm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}
    - {name: data, nfs: {server: s, path: /e}}
    - {name: claim, persistentVolumeClaim: {claimName: c}}
    - {name: host, hostPath: {path: /dev/kfd}}
    - {name: conf, configMap: {name: x}}
)");
  ASSERT_TRUE(file->problems.empty()) << file->problems[0].message;
  ASSERT_EQ(file->workloads.size(), 3u);
  EXPECT_TRUE(file->workloads[0].init_container);
  EXPECT_FALSE(file->workloads[1].init_container) << "a sidecar";
  const Workload& one = file->workloads[2];
  EXPECT_EQ(one.name, "main");
  EXPECT_EQ(file->source.slice(one.span), "main");
  EXPECT_EQ(one.image_name->tag, "25.03-py3");
  EXPECT_EQ(one.runtime->text, "nvidia");
  EXPECT_TRUE(one.host_ipc);
  EXPECT_TRUE(one.privileged);
  EXPECT_FALSE(one.writable_root);
  EXPECT_EQ(one.groups.size(), 2u);
  EXPECT_EQ(one.variables[1].value, std::nullopt);
  EXPECT_EQ(one.variables[2].value, std::nullopt);
  ASSERT_EQ(one.gpus.size(), 1u);
  EXPECT_EQ(one.gpus[0].count, 2u);
  EXPECT_EQ(one.gpus[0].resource, "nvidia.com/gpu");
  EXPECT_EQ(one.memory_limit, std::uint64_t{64} << 30);
  EXPECT_EQ(one.shm_bytes, std::uint64_t{8} << 30);
  ASSERT_EQ(one.mounts.size(), 6u);
  EXPECT_EQ(one.mounts[0].kind, MountKind::kMemory);
  EXPECT_EQ(one.mounts[1].source, "s:/e");
  EXPECT_EQ(one.mounts[2].kind, MountKind::kClaim);
  EXPECT_EQ(one.mounts[3].kind, MountKind::kBind);
  EXPECT_EQ(one.mounts[4].kind, MountKind::kConfig);
  EXPECT_EQ(one.mounts[5].kind, MountKind::kOther);
  ASSERT_EQ(one.devices.size(), 1u);
  EXPECT_EQ(one.devices[0].text, "/dev/kfd");
}

TEST(ReadKubernetes, WhereverAPodTemplateStands) {
  const std::string pod = "{containers: [{name: main, image: 'a:1'}]}";
  const std::vector<std::string> objects = {
      "kind: Pod\nspec: " + pod,
      "kind: Deployment\nspec: {template: {spec: " + pod + "}}",
      "kind: StatefulSet\nspec: {template: {spec: " + pod + "}}",
      "kind: DaemonSet\nspec: {template: {spec: " + pod + "}}",
      "kind: ReplicaSet\nspec: {template: {spec: " + pod + "}}",
      "kind: Job\nspec: {template: {spec: " + pod + "}}",
      "kind: CronJob\nspec: {jobTemplate: {spec: {template: {spec: " + pod + "}}}}",
      "kind: PodTemplate\nspec: {template: {spec: " + pod + "}}",
      "kind: PyTorchJob\nspec: {pytorchReplicaSpecs: {Master: {template: {spec: " + pod + "}}}}",
      "kind: MPIJob\nspec: {mpiReplicaSpecs: {Worker: {template: {spec: " + pod + "}}}}",
      "kind: LeaderWorkerSet\nspec: {leaderWorkerTemplate: {workerTemplate: {spec: " + pod + "}}}",
      "kind: RayCluster\nspec: {headGroupSpec: {template: {spec: " + pod + "}}}",
      "kind: RayService\nspec: {rayClusterConfig: {workerGroupSpecs: [{template: {spec: " + pod +
          "}}]}}",
      "kind: InferenceService\nspec: {predictor: " + pod + "}",
      "kind: InferenceService\nspec: {predictor: {model: {image: 'a:1', name: main}}}",
      "kind: Job\nspec: {tasks: [{replicas: 1, template: {spec: " + pod + "}}]}",
      "kind: Workflow\nspec: {templates: [{name: t, container: {image: 'a:1', name: main}}]}",
      "kind: Rollout\nspec: {template: {spec: " + pod + "}}",
      "kind: List\nitems: [{apiVersion: v1, kind: Pod, spec: " + pod + "}]",
      "kind: PodList\nitems: [{spec: " + pod + "}]",
  };
  for (const std::string& object : objects) {
    const auto file = manifest("apiVersion: x/v1\n" + object + "\n");
    EXPECT_TRUE(file->problems.empty()) << object;
    ASSERT_EQ(file->workloads.size(), 1u) << object;
    EXPECT_EQ(file->workloads[0].name, "main") << object;
    EXPECT_EQ(file->workloads[0].image.text, "a:1") << object;
  }
}

TEST(ReadKubernetes, DocumentsOfAStream) {
  const auto file = manifest(
      "apiVersion: v1\nkind: Service\nspec: {ports: []}\n---\n# nothing\n---\napiVersion: v1\n"
      "kind: Pod\nspec: {containers: [{name: a}]}\n---\napiVersion: v1\nkind: ConfigMap\n"
      "data: {x: 'containers: []'}\n");
  EXPECT_TRUE(file->problems.empty());
  EXPECT_EQ(file->workloads.size(), 1u);
}

TEST(ReadKubernetes, StatusAndSchemasHoldNoWorkloads) {
  const auto file = manifest(
      "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: a}]}\nstatus: {containers: [{name: "
      "b}]}\n---\napiVersion: a/v1\nkind: CustomResourceDefinition\nspec: {containers: [{name: "
      "c}]}\n");
  EXPECT_EQ(file->workloads.size(), 1u);
}

TEST(ReadKubernetes, WhatKubernetesRefusesIsAProblem) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"kind: Pod\n", "the object has no apiVersion"},
      {"apiVersion: v1\n", "the object has no kind"},
      {"- a\n", "a Kubernetes object is a mapping"},
      {"apiVersion: v1\nkind: [a]\n", "kind is a text"},
      {"apiVersion: v1\nkind: Pod\nspec: x\n", "spec is a mapping"},
      {"apiVersion: v1\nkind: Pod\nspec: {containers: {a: b}}\n", "containers is a list"},
      {"apiVersion: v1\nkind: Pod\nspec: {containers: [a]}\n", "a container is a mapping"},
  };
  for (const auto& [text, message] : cases) {
    const auto file = manifest(text);
    ASSERT_EQ(file->problems.size(), 1u) << text;
    EXPECT_NE(file->problems[0].message.find(message), std::string::npos)
        << file->problems[0].message;
  }
}

TEST(ReadKubernetes, TemplatesAreReadWithoutTheirValues) {
  const auto file = read_launch(read_kubernetes, "templates/d.yaml", R"({{- if .Values.on }}
apiVersion: v1
kind: Pod
spec:
  containers:
    - name: {{ .Chart.Name }}
      image: "{{ .Values.image }}:1"
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      env:
        - {name: A, value: b}
{{- end }}
)");
  EXPECT_EQ(file->template_language, "Helm");
  EXPECT_TRUE(file->problems.empty());
  ASSERT_EQ(file->workloads.size(), 1u);
  EXPECT_EQ(file->workloads[0].image.text, "");
  EXPECT_FALSE(file->workloads[0].image_name);
  ASSERT_EQ(file->workloads[0].variables.size(), 1u);
  EXPECT_EQ(file->source.slice(file->workloads[0].variables[0].span), "A");
}

}  // namespace
}  // namespace flense::lint
