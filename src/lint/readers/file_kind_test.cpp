#include <gtest/gtest.h>

#include "lint/readers/readers.h"

namespace flense::lint {
namespace {

struct Case {
  std::string path, text;
  FileKind kind;
};

TEST(FileKind, ByName) {
  const std::vector<Case> cases = {
      {"Dockerfile", "", FileKind::kDockerfile},
      {"a/b/Dockerfile.gpu", "", FileKind::kDockerfile},
      {"serve.Dockerfile", "", FileKind::kDockerfile},
      {"serve.dockerfile", "", FileKind::kDockerfile},
      {"Dockerfile-rocm", "", FileKind::kDockerfile},
      {"Containerfile", "", FileKind::kDockerfile},
      {"Dockerfile.dockerignore", "", FileKind::kDockerignore},
      {"Dockerfile.md", "", FileKind::kUnknown},
      {"Dockerfile.m4", "", FileKind::kUnknown},
      {"docs/dockerfile-stages.png", "", FileKind::kUnknown},
      {"Dockerfile.x86_64.orig", "", FileKind::kUnknown},
      {"docker/Dockerfile.rocm.patch", "", FileKind::kUnknown},
      {"docker/Dockerfile.rocm.patch.encrypted", "", FileKind::kUnknown},
      {".dockerignore", "", FileKind::kDockerignore},
      {"compose.yaml", "", FileKind::kCompose},
      {"compose.gpu.yml", "", FileKind::kCompose},
      {"docker-compose.override.yml", "", FileKind::kCompose},
      {"environment.yml", "dependencies:\n", FileKind::kCondaEnvironment},
      {"environment-gpu.yaml", "dependencies: [a\n", FileKind::kCondaEnvironment},
      {"environments.yaml", "dev: !Ref x\n", FileKind::kUnknown},
      {"requirements.txt", "", FileKind::kRequirements},
      {"requirements-dev.txt", "", FileKind::kRequirements},
      {"requirements/gpu.txt", "", FileKind::kRequirements},
      {"notes.txt", "", FileKind::kUnknown},
      {"pyproject.toml", "", FileKind::kPyproject},
      {"uv.lock", "", FileKind::kUvLock},
      {"image.def", "Bootstrap: docker\nFrom: a\n", FileKind::kApptainer},
      {"Apptainerfile.rocm", "# an image\n\nbootstrap : docker\nFrom: a\n", FileKind::kApptainer},
      {"singularity_and_docker.txt", "Bootstrap is the first key\n", FileKind::kUnknown},
      {"library.def", "LIBRARY x\nEXPORTS\n", FileKind::kUnknown},
      {"docker-bake.hcl", "", FileKind::kBakeHcl},
      {"docker-bake.override.hcl", "", FileKind::kBakeHcl},
      {"docker-bake.json", "", FileKind::kBakeJson},
      {"vllm.container", "[Unit]\n[Container]\n", FileKind::kQuadlet},
      {"vllm.pod", "[Pod]\n", FileKind::kQuadlet},
      {"manual.pod", "=head1 NAME\n", FileKind::kUnknown},
      {"vllm.kube", "[Kube]\n", FileKind::kQuadlet},
      {"vllm.service", "[Service]\n", FileKind::kSystemd},
      {"http.service", "<!DOCTYPE service-group SYSTEM \"x\">\n", FileKind::kUnknown},
      {"singularity.config", "singularity.enabled = true\n", FileKind::kUnknown},
      {"train.sh", "", FileKind::kShell},
      {"train.sbatch", "", FileKind::kShell},
      {"train.slurm", "", FileKind::kShell},
      {"Makefile", "", FileKind::kMakefile},
      {"docker/GNUmakefile", "", FileKind::kMakefile},
      {"makefile", "", FileKind::kMakefile},
      {"build.mk", "", FileKind::kMakefile},
      {"Makefile.am", "", FileKind::kUnknown},
      {".env", "", FileKind::kVariables},
      {"docker/.env.gpu", "", FileKind::kVariables},
      {"models.env", "", FileKind::kVariables},
      {".env.example", "", FileKind::kUnknown},
      {"template.env", "", FileKind::kUnknown},
      {".envrc", "", FileKind::kUnknown},
      {"docker/pip.conf", "", FileKind::kPip},
      {"main.cpp", "", FileKind::kUnknown},
      {"train.pbs", "#!/bin/bash\n#PBS -l ngpus=1\n", FileKind::kShell},
      {"train.lsf", "#BSUB -gpu num=1\npython t.py\n", FileKind::kShell},
      {"train.sub", "#!/usr/bin/env bash\n", FileKind::kShell},
      {"config.sub", "#!/bin/sh\n", FileKind::kUnknown},
      {"htcondor.sub", "executable = t.sh\nqueue\n", FileKind::kUnknown},
      {"film.sub", "{1}{25}Hello\n", FileKind::kUnknown},
      {"DockerfileCuda.jax", "# c\nFROM a\n", FileKind::kDockerfile},
      {"dockerfiles.list", "a\nb\n", FileKind::kUnknown},
  };
  for (const Case& one : cases) EXPECT_EQ(kind_of(one.path, one.text), one.kind) << one.path;
}

TEST(FileKind, ByContent) {
  const std::vector<Case> cases = {
      {"deploy.yaml", "# c\napiVersion: v1\nkind: Pod\n", FileKind::kKubernetes},
      {"mark.yaml",
       "\xEF\xBB\xBF"
       "apiVersion: v1\nkind: Pod\n",
       FileKind::kKubernetes},
      {"-", "kind: List\napiVersion: v1\nitems: []\n", FileKind::kKubernetes},
      {"-", "{\n \"apiVersion\": \"v1\",\n \"kind\": \"List\"}", FileKind::kKubernetes},
      {"pod.json", "{\"kind\":\"Pod\",\"apiVersion\":\"v1\"}", FileKind::kKubernetes},
      {"package.json", "{\"name\": \"x\"}", FileKind::kUnknown},
      {"stack.yml", "services:\n  web:\n    image: x\n", FileKind::kCompose},
      {".gitlab-ci.yml", "services:\n  - docker:dind\nimage: x\n", FileKind::kWorkflow},
      {".github/workflows/test.yml", "on: push\n", FileKind::kWorkflow},
      {"workflow.yml", "on: push\njobs:\n  a:\n    services:\n      db:\n        image: x\n",
       FileKind::kUnknown},
      {"env.yaml", "name: a\nchannels: [x]\ndependencies:\n- python\n",
       FileKind::kCondaEnvironment},
      {"Chart.yaml", "apiVersion: v2\nname: x\ndependencies:\n  - name: y\n", FileKind::kUnknown},
      {"start", "#!/bin/bash\ndocker run x\n", FileKind::kShell},
      {"start", "#!/usr/bin/env -S bash -e\n", FileKind::kShell},
      {"start", "#!/usr/bin/env python3\n", FileKind::kUnknown},
      {"-", "# syntax=docker/dockerfile:1\nFROM x\n", FileKind::kDockerfile},
      {"-", "", FileKind::kUnknown},
      {"templates/deploy.yaml", "{{- if .Values.on }}\napiVersion: apps/v1\nkind: Deployment\n",
       FileKind::kKubernetes},
  };
  for (const Case& one : cases)
    EXPECT_EQ(kind_of(one.path, one.text), one.kind) << one.path << '\n' << one.text;
}

TEST(FileKind, EveryKindHasAName) {
  for (int kind = 0; kind <= static_cast<int>(FileKind::kUnknown); ++kind)
    EXPECT_NE(to_string(static_cast<FileKind>(kind)), "");
}

}  // namespace
}  // namespace flense::lint
