// Quadlet and Bake files, and the helpers shared by the readers.
#include <gtest/gtest.h>

#include "lint/readers/reader_values.h"
#include "lint/readers/testing_launch.h"
#include "lint/readers/unit_file.h"

namespace flense::lint {
namespace {

TEST(ReaderValues, SizesAsDockerReadsThem) {
  const std::vector<std::pair<std::string, std::optional<std::uint64_t>>> cases = {
      {"64m", 64u << 20},    {"1gb", 1u << 30},       {"1GiB", 1u << 30},
      {"512", 512},          {"2 k", 2048},           {"1.5g", std::uint64_t{3} << 29},
      {"b", std::nullopt},   {"", std::nullopt},      {"1x", std::nullopt},
      {"-1m", std::nullopt}, {"1e400", std::nullopt}, {"99999999p", std::nullopt},
  };
  for (const auto& [text, bytes] : cases) EXPECT_EQ(docker_bytes(text), bytes) << text;
}

TEST(ReaderValues, QuantitiesOfKubernetes) {
  const std::vector<std::pair<std::string, std::optional<std::uint64_t>>> cases = {
      {"64Mi", 64u << 20},
      {"1G", 1000000000},
      {"1", 1},
      {"500m", 1},
      {"0.5", 1},
      {"2e3", 2000},
      {"1E", 1000000000000000000},
      {"1k", 1000},
      {"x", std::nullopt},
      {"1Xi", std::nullopt},
      {"1e", std::nullopt},
      {"1e99", std::nullopt},
      {"", std::nullopt},
  };
  for (const auto& [text, value] : cases) EXPECT_EQ(quantity(text), value) << text;
  EXPECT_EQ(human_bytes(64u << 20), "64 MiB");
  EXPECT_EQ(human_bytes(3u << 29), "1.5 GiB");
}

TEST(ReaderValues, Interpolation) {
  EXPECT_EQ(interpolate("a$$b"), "a$b");
  EXPECT_EQ(interpolate("${A:-x}${B-y}"), "xy");
  EXPECT_EQ(interpolate("${A:-${B:-z}}"), "z");
  EXPECT_EQ(interpolate("${A}"), std::nullopt);
  EXPECT_EQ(interpolate("$A"), std::nullopt);
  EXPECT_EQ(interpolate("${A:?x}"), std::nullopt);
  EXPECT_EQ(interpolate("${A"), std::nullopt);
  EXPECT_EQ(interpolate("1$"), "1$");
  std::string deep = "x";
  for (int i = 0; i < 20; ++i) deep = "${A:-" + deep + "}";
  EXPECT_EQ(interpolate(deep), std::nullopt);
}

TEST(ReaderValues, Words) {
  const std::string text = "a 'b c' \"d\\\"e\" f\\ g";
  const std::vector<Word> words = split_words(text, 10);
  ASSERT_EQ(words.size(), 4u);
  EXPECT_EQ(words[1].text, "b c");
  EXPECT_EQ(words[2].text, "d\"e");
  EXPECT_EQ(words[3].text, "f g");
  EXPECT_EQ(words[1].span.begin, 12u);
  EXPECT_EQ(words[1].span.end, 17u);
}

TEST(UnitFile, ContinuationsAndComments) {
  const SourceText source(
      "a.container",
      "# c\n[Container]\nExec=a \\\n  # skipped\n  b \\\n  c\n; d\nImage = x\nbad\n");
  const UnitFile unit = parse_unit(source);
  ASSERT_EQ(unit.entries.size(), 2u);
  const UnitEntry& exec = unit.entries[0];
  EXPECT_EQ(exec.value.text.size(), exec.value.span.end - exec.value.span.begin);
  const std::vector<Word> words = split_words(exec.value.text, exec.value.span.begin);
  ASSERT_EQ(words.size(), 3u);
  for (const Word& word : words) EXPECT_EQ(source.slice(word.span), word.text);
  EXPECT_EQ(unit.find("Container", "Image")->value.text, "x");
  ASSERT_EQ(unit.problems.size(), 1u);
  EXPECT_EQ(source.slice(unit.problems[0].span), "bad");
}

TEST(ReadQuadlet, AContainer) {
  const auto file = read_launch(read_quadlet, "llm.container", R"([Unit]
Description=llm
[Container]
Image=docker.io/vllm/vllm-openai:v0.8.5
ContainerName=llm
AddDevice=-nvidia.com/gpu=all
AddDevice=/dev/kfd
GroupAdd=keep-groups
Environment="HF_HOME=/cache dir" A=b
Volume=%h/models:/models:ro
Volume=cache.volume:/cache
Mount=type=bind,source=/a,target=/b,ro=true
Tmpfs=/tmp:size=1g
ShmSize=2g
ReadOnly=true
Exec=--model /models/x \
  --tensor-parallel-size 2
PodmanArgs=--privileged --ipc=host -v x:/y
[Install]
WantedBy=default.target
)");
  ASSERT_TRUE(file->problems.empty());
  ASSERT_EQ(file->workloads.size(), 1u);
  const Workload& one = file->workloads[0];
  EXPECT_EQ(one.name, "llm");
  EXPECT_EQ(one.image_name->familiar(), "vllm/vllm-openai");
  ASSERT_EQ(one.gpus.size(), 2u);
  EXPECT_TRUE(one.gpus[0].all);
  EXPECT_EQ(one.gpus[1].vendor, "amd");
  ASSERT_EQ(one.variables.size(), 2u);
  EXPECT_EQ(one.variables[0].value, "/cache dir");
  ASSERT_EQ(one.mounts.size(), 5u);
  EXPECT_EQ(one.mounts[0].kind, MountKind::kBind);
  EXPECT_TRUE(one.mounts[0].read_only);
  EXPECT_EQ(one.mounts[1].kind, MountKind::kVolume);
  EXPECT_TRUE(one.mounts[2].read_only);
  EXPECT_EQ(one.mounts[3].kind, MountKind::kTmpfs);
  EXPECT_EQ(one.mounts[4].target, "/y");
  EXPECT_EQ(one.shm_bytes, std::uint64_t{2} << 30);
  EXPECT_FALSE(one.writable_root);
  EXPECT_TRUE(one.privileged);
  EXPECT_TRUE(one.host_ipc);
  ASSERT_EQ(one.arguments.size(), 4u);
  EXPECT_EQ(file->source.slice(one.arguments[3].span), "2");
}

TEST(ReadQuadlet, OtherUnitsHoldNoContainer) {
  EXPECT_TRUE(read_launch(read_quadlet, "a.kube", "[Kube]\nYaml=a.yaml\n")->workloads.empty());
  EXPECT_TRUE(read_launch(read_quadlet, "a.pod", "[Pod]\nPodName=a\n")->workloads.empty());
}

TEST(ReadSystemd, ExecStartOfAnEngine) {
  const auto file = read_launch(read_systemd, "llm.service", R"([Unit]
Description=llm
[Service]
ExecStartPre=-/usr/bin/docker rm -f llm
ExecStart=-/usr/bin/docker run --rm -it --name llm --gpus '"device=0,1",capabilities=utility' \
  --shm-size=2g -v/srv/models:/models:ro -e HF_HOME=/cache --env=TOKEN --mount \
  type=bind,src=/a,dst=/b,readonly --tmpfs /scratch:size=1g --device /dev/kfd --ipc=host \
  --privileged --group-add video vllm/vllm-openai:v0.8.5 --model /models/a
ExecStart=/bin/sh -c 'exec podman run --device nvidia.com/gpu=all trainer:1 --out /o'
ExecStart=/usr/bin/dockerd
)");
  ASSERT_TRUE(file->problems.empty());
  ASSERT_EQ(file->workloads.size(), 2u);
  const Workload& one = file->workloads[0];
  EXPECT_EQ(one.kind, WorkloadKind::kSystemd);
  EXPECT_EQ(one.name, "llm");
  EXPECT_EQ(one.image.text, "vllm/vllm-openai:v0.8.5");
  EXPECT_EQ(file->source.slice(one.image.span), one.image.text);
  ASSERT_EQ(one.gpus.size(), 2u);
  EXPECT_EQ(one.gpus[0].devices, (std::vector<std::string>{"0", "1"}));
  EXPECT_EQ(one.shm_bytes, std::uint64_t{2} << 30);
  ASSERT_EQ(one.mounts.size(), 3u);
  EXPECT_EQ(one.mounts[0].target, "/models");
  EXPECT_TRUE(one.mounts[0].read_only);
  EXPECT_EQ(file->source.slice(one.mounts[0].span), "/srv/models:/models:ro");
  EXPECT_TRUE(one.mounts[1].read_only);
  EXPECT_EQ(one.mounts[2].kind, MountKind::kTmpfs);
  ASSERT_EQ(one.variables.size(), 2u);
  EXPECT_EQ(one.variables[0].value, "/cache");
  EXPECT_EQ(one.variables[1].value, std::nullopt);
  EXPECT_TRUE(one.host_ipc);
  EXPECT_TRUE(one.privileged);
  EXPECT_EQ(one.groups.size(), 1u);
  EXPECT_EQ(one.arguments.size(), 2u);
  const Workload& two = file->workloads[1];
  EXPECT_EQ(two.image.text, "trainer:1");
  EXPECT_EQ(file->source.slice(two.image.span), "trainer:1");
  EXPECT_TRUE(two.gpus.at(0).all);
}

void expect_targets(const ProjectFile& file) {
  ASSERT_TRUE(file.problems.empty()) << file.problems[0].message;
  ASSERT_EQ(file.targets.size(), 2u);
  const BuildTarget& app = file.targets[1];
  EXPECT_EQ(app.name, "app");
  EXPECT_EQ(file.source.slice(app.span), "app");
  EXPECT_EQ(app.context.text, "./app") << "inherited";
  EXPECT_EQ(app.dockerfile.text, "Dockerfile.gpu");
  EXPECT_EQ(app.stage.text, "final");
  ASSERT_EQ(app.args.size(), 2u);
  EXPECT_EQ(app.args[0].first.text, "CUDA");
  EXPECT_EQ(app.args[0].second.text, "12.8");
  EXPECT_EQ(app.args[1].second.text, "") << "unknown";
  ASSERT_EQ(app.tags.size(), 1u);
  EXPECT_EQ(app.tags[0].text, "team/app:1.4");
  ASSERT_EQ(app.cache_to.size(), 1u);
  EXPECT_EQ(app.cache_to[0].text, "type=registry,ref=r/c");
  ASSERT_EQ(app.platforms.size(), 1u);
}

TEST(ReadBake, Hcl) {
  const auto file = read_launch(read_bake_hcl, "docker-bake.hcl", R"(
variable "TAG" { default = "1.4" }
variable "CUDA" { default = "12.8" }
variable "SECRET" {}
group "default" { targets = ["app"] }
target "base" {
  context = "./app"
  dockerfile = "Dockerfile.gpu"
  platforms = ["linux/amd64"]
}
target "app" {
  inherits = ["base"]
  target = "final"
  args = {
    CUDA = CUDA
    OTHER = "${SECRET}"
  }
  tags = ["team/app:${TAG}"]
  cache-to = [{ type = "registry", ref = "r/c" }]
}
)");
  expect_targets(*file);
}

TEST(ReadBake, Json) {
  const auto file = read_launch(read_bake_json, "docker-bake.json", R"({
  "variable": {"TAG": {"default": "1.4"}},
  "target": {
    "base": {"context": "./app", "dockerfile": "Dockerfile.gpu", "platforms": ["linux/amd64"]},
    "app": {
      "inherits": ["base"], "target": "final",
      "args": {"CUDA": "12.8", "OTHER": "${SECRET}"},
      "tags": ["team/app:${TAG}"],
      "cache-to": ["type=registry,ref=r/c"]
    }
  }
})");
  expect_targets(*file);
}

TEST(ReadBake, TargetsThatInheritEachOther) {
  const auto file = read_launch(read_bake_hcl, "docker-bake.hcl",
                                "target \"a\" { inherits = [\"b\"] }\n"
                                "target \"b\" { inherits = [\"a\", \"a\", \"c\"] }\n");
  EXPECT_EQ(file->targets.size(), 2u);
}

TEST(ReadBake, AMistakeHasItsPlace) {
  const auto file = read_launch(read_bake_hcl, "docker-bake.hcl", "target \"a\" {\n  x = [\n");
  ASSERT_EQ(file->problems.size(), 1u);
  EXPECT_EQ(file->source.position(file->problems[0].span.begin).line, 2u);
}

}  // namespace
}  // namespace flense::lint
