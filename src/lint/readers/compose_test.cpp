#include <gtest/gtest.h>

#include "lint/readers/testing_launch.h"

namespace flense::lint {
namespace {

std::unique_ptr<ProjectFile> compose(std::string text) {
  return read_launch(read_compose, "compose.yaml", std::move(text));
}

TEST(ReadCompose, AServiceInFull) {
  const auto file = compose(R"(
x-common: &common
  restart: unless-stopped
  group_add: [video, "109"]
services:
  train:
    <<: *common
    image: ${REGISTRY:-ghcr.io}/team/trainer:${TAG:-1.4}
    build:
      context: ./train
      dockerfile: Dockerfile.gpu
    entrypoint: ["python", "-u"]
    command: train.py --data-dir "/data set" --out=/out
    environment:
      HF_HOME: /cache
      TOKEN:
      N: 3
    volumes:
      - /srv/data:/data set:ro
      - type: volume
        source: out
        target: /out
      - type: tmpfs
        target: /scratch
        tmpfs: {size: 64m}
      - ./src:/app
      - ${CACHE:-./cache}:/cache:rw,z
    tmpfs:
      - /run:size=16m,mode=700
    devices:
      - "/dev/kfd:/dev/kfd"
      - nvidia.com/gpu=0
    shm_size: 8gb
    ipc: host
    privileged: true
    read_only: true
    mem_limit: 1.5g
    gpus: all
)");
  ASSERT_TRUE(file->problems.empty()) << file->problems[0].message;
  ASSERT_EQ(file->workloads.size(), 1u);
  const Workload& one = file->workloads[0];
  EXPECT_EQ(one.kind, WorkloadKind::kCompose);
  EXPECT_EQ(one.name, "train");
  EXPECT_EQ(file->source.slice(one.span), "train");
  EXPECT_EQ(one.image.text, "ghcr.io/team/trainer:1.4");
  ASSERT_TRUE(one.image_name);
  EXPECT_EQ(one.image_name->tag, "1.4");
  EXPECT_EQ(one.build_context->text, "./train");
  EXPECT_EQ(one.dockerfile->text, "Dockerfile.gpu");
  ASSERT_EQ(one.command.size(), 2u);
  ASSERT_EQ(one.arguments.size(), 4u);
  EXPECT_EQ(one.arguments[2].text, "/data set");
  EXPECT_EQ(file->source.slice(one.arguments[2].span), "\"/data set\"");
  ASSERT_EQ(one.variables.size(), 3u);
  EXPECT_EQ(one.variables[0].value, "/cache");
  EXPECT_EQ(one.variables[1].value, std::nullopt);
  EXPECT_EQ(one.variables[2].value, "3");
  ASSERT_EQ(one.mounts.size(), 6u);
  EXPECT_EQ(one.mounts[0].kind, MountKind::kBind);
  EXPECT_TRUE(one.mounts[0].read_only);
  EXPECT_EQ(one.mounts[0].target, "/data set");
  EXPECT_EQ(one.mounts[1].kind, MountKind::kVolume);
  EXPECT_EQ(one.mounts[2].kind, MountKind::kTmpfs);
  EXPECT_EQ(one.mounts[2].bytes, 64u << 20);
  EXPECT_EQ(one.mounts[4].source, "./cache");
  EXPECT_FALSE(one.mounts[4].read_only);
  EXPECT_EQ(one.mounts[5].bytes, 16u << 20);
  ASSERT_EQ(one.devices.size(), 1u);
  EXPECT_EQ(one.devices[0].text, "/dev/kfd");
  ASSERT_EQ(one.gpus.size(), 3u);
  EXPECT_EQ(one.gpus[0].vendor, "amd");
  EXPECT_EQ(one.gpus[1].devices, std::vector<std::string>{"nvidia.com/gpu=0"});
  EXPECT_TRUE(one.gpus[2].all);
  EXPECT_EQ(one.groups.size(), 2u);
  EXPECT_EQ(one.shm_bytes, std::uint64_t{8} << 30);
  EXPECT_TRUE(one.host_ipc);
  EXPECT_TRUE(one.privileged);
  EXPECT_FALSE(one.writable_root);
  EXPECT_EQ(one.memory_limit, std::uint64_t{3} << 29);
}

TEST(ReadCompose, DeviceReservations) {
  const auto file = compose(R"(
services:
  a:
    deploy:
      resources:
        limits: {memory: 32G}
        reservations:
          devices:
            - driver: nvidia
              device_ids: ["0", "3"]
              capabilities: [gpu, utility]
            - capabilities: [tpu]
  b:
    runtime: nvidia
    environment: ["NVIDIA_VISIBLE_DEVICES=0,1"]
  c:
    gpus:
      - driver: cdi
        device_ids: [amd.com/gpu=all]
)");
  ASSERT_EQ(file->workloads.size(), 3u);
  ASSERT_EQ(file->workloads[0].gpus.size(), 1u);
  EXPECT_EQ(file->workloads[0].gpus[0].count, 2u);
  EXPECT_EQ(file->workloads[0].memory_limit, std::uint64_t{32} << 30);
  ASSERT_EQ(file->workloads[1].gpus.size(), 1u);
  EXPECT_EQ(file->workloads[1].gpus[0].count, 2u);
  ASSERT_EQ(file->workloads[2].gpus.size(), 1u);
  EXPECT_EQ(file->workloads[2].gpus[0].vendor, "amd");
  EXPECT_TRUE(file->workloads[2].gpus[0].all);
}

TEST(ReadCompose, UnknownVariablesStayUnknown) {
  const auto file = compose(
      "services:\n  a:\n    image: ${IMAGE}\n    environment: {A: $B, C: $$D, E: '${F:?none}'}\n"
      "    volumes: ['${DATA}:/data', 'C:\\x:/y:ro', 'cache']\n    shm_size: ${SHM}\n");
  ASSERT_EQ(file->workloads.size(), 1u);
  const Workload& one = file->workloads[0];
  EXPECT_FALSE(one.image_name);
  EXPECT_EQ(one.variables[0].value, std::nullopt);
  EXPECT_EQ(one.variables[1].value, "$D");
  EXPECT_EQ(one.variables[2].value, std::nullopt);
  EXPECT_EQ(one.mounts[0].kind, MountKind::kOther);
  EXPECT_EQ(one.mounts[0].target, "/data");
  EXPECT_EQ(one.mounts[1].source, "C:\\x");
  EXPECT_EQ(one.mounts[1].target, "/y");
  EXPECT_TRUE(one.mounts[1].read_only);
  EXPECT_EQ(one.mounts[2].kind, MountKind::kVolume);
  EXPECT_EQ(one.mounts[2].target, "cache");
  EXPECT_EQ(one.shm_bytes, std::nullopt);
}

TEST(ReadCompose, WordsOfABlockHaveTheirPlaces) {
  const auto file = compose(
      "services:\n  a:\n    command: |\n      run --out /o\n      --more\n    image: \"q\\\"x\"\n");
  const Workload& one = file->workloads.at(0);
  ASSERT_EQ(one.arguments.size(), 4u);
  for (const Word& word : one.arguments) EXPECT_EQ(file->source.slice(word.span), word.text);
}

TEST(ReadCompose, WhatComposeRefusesIsAProblem) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"- a\n", "a Compose file is a mapping with services"},
      {"services: [a]\n", "services is a mapping"},
      {"services:\n  a: text\n", "the service a is a mapping"},
      {"services:\n  a:\n", "the service a is a mapping"},
      {"services:\n  a: {volumes: x}\n", "volumes is a list"},
      {"services:\n  a: {environment: x}\n", "environment is a mapping or a list"},
      {"services:\n  a: {image: [x]}\n", "image is a text"},
      {"services:\n  a: {command: {x: y}}\n", "command is a text or a list"},
      {"services:\n  a: {volumes: [[x]]}\n", "a volume is a text or a mapping"},
      {"services:\n  a: {deploy: {resources: {reservations: {devices: {count: 1}}}}}\n",
       "deploy.resources.reservations.devices is a list"},
      {"services:\n  a: {image: x\n", "this is not valid YAML"},
      {"services:\n  a: {image: x}\n  a: {image: y}\n", "occurs twice"},
  };
  for (const auto& [text, message] : cases) {
    const auto file = compose(text);
    ASSERT_EQ(file->problems.size(), 1u) << text;
    EXPECT_NE(file->problems[0].message.find(message), std::string::npos)
        << file->problems[0].message;
    EXPECT_LE(file->problems[0].span.end, text.size());
  }
}

TEST(ReadCompose, FragmentsAndEmptyFilesAreFine) {
  for (const std::string text :
       {"", "x-a: 1\n", "services:\n", "include: [a.yaml]\n", "services:\n  x-a: 1\n",
        "services:\n  a: {extends: {file: b.yaml, service: c}, profiles: [x], env_file: .env}\n",
        "services:\n  a:\n    volumes: !reset\n    environment: !reset null\n    command: !reset\n "
        "   "
        "build: !reset\n    deploy: {resources: {reservations: {devices: !reset }}}\n"}) {
    EXPECT_TRUE(compose(text)->problems.empty()) << text;
  }
}

}  // namespace
}  // namespace flense::lint
