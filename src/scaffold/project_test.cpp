#include "scaffold/project.h"

#include <set>

#include "scaffold/project_json.h"
#include "scaffold/testing_hosts.h"
#include "text/json.h"
#include "text/yaml.h"

namespace flense::scaffold {
namespace {

using testing::hosts;
using testing::named;
using testing::tables;

std::vector<std::vector<std::string>> hosts_for(const Template& one) {
  if (one.vendor == "amd")
    return {{"mi300x@6.10.5"}, {"mi250x@6.12.12"}, {"mi300x"}, {"mi300x@6.16.13", "mi210@6.16.13"}};
  return {{"h100@550.54.15"},    {"a100@525.60.13"},
          {"rtx4090@580.95.05"}, {"l4"},
          {"b200@580.95.05"},    {"h100@580.95.05", "l4@550.54.15", "a100@535.104.05"}};
}

Project made(const Template& one, const std::vector<std::string>& words,
             const knowledge::Knowledge& from = tables()) {
  Result<Project> out = make_project(one, hosts(words), from);
  EXPECT_TRUE(out) << one.name << ": " << (out ? "" : out.error().message);
  return out ? std::move(*out) : Project();
}

const ProjectFile* find(const Project& project, std::string_view path) {
  for (const ProjectFile& file : project.files)
    if (file.path == path) return &file;
  return nullptr;
}

std::string text_of(const Project& project, std::string_view path) {
  const ProjectFile* file = find(project, path);
  EXPECT_NE(file, nullptr) << path;
  return file == nullptr ? std::string() : file->text;
}

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

TEST(ProjectTest, EveryFileIsWholeAndReadable) {
  const Result<std::vector<Template>> all = templates();
  ASSERT_TRUE(all);
  for (const Template& one : *all)
    for (const auto& words : hosts_for(one)) {
      const Project project = made(one, words);
      EXPECT_EQ(project.files.size(), one.files.size());
      for (const ProjectFile& file : project.files) {
        const std::string what = one.name + " " + file.path;
        EXPECT_FALSE(has(file.text, "@@")) << what;
        EXPECT_TRUE(file.text.ends_with("\n")) << what;
        EXPECT_FALSE(has(file.text, " \n")) << what << ": blanks at the end of a line";
        if (file.path.ends_with(".json")) {
          EXPECT_TRUE(text::parse_json(file.text, what)) << what;
        }
        if (file.path.ends_with(".yaml") || file.path.ends_with(".yml")) {
          const auto documents = text::parse_yaml_documents(file.text, what);
          EXPECT_TRUE(documents) << what << ": " << (documents ? "" : documents.error().message);
        }
      }
    }
}

TEST(ProjectTest, EachTemplateHasWhatEveryProjectNeeds) {
  const Result<std::vector<Template>> all = templates();
  ASSERT_TRUE(all);
  for (const Template& one : *all) {
    std::set<std::string> paths;
    bool test = false;
    for (const TemplateFile& file : one.files) {
      EXPECT_TRUE(paths.insert(file.path).second) << one.name << " " << file.path;
      test = test || file.path.starts_with("tests/");
    }
    EXPECT_TRUE(test) << one.name;
    for (const char* path :
         {"Dockerfile", ".dockerignore", "compose.yaml", "docker-bake.hcl", "kubernetes.yaml",
          ".devcontainer/devcontainer.json", ".github/workflows/image.yml", "README.md"})
      EXPECT_TRUE(paths.contains(path)) << one.name << " " << path;
  }
}

TEST(ProjectTest, EveryTextIsUsedAndEveryUseHasATrueText) {
  const Result<std::vector<Template>> all = templates();
  ASSERT_TRUE(all);
  std::set<std::string, std::less<>> used = {"templates.json", "common/why.md"};
  for (const Template& one : *all)
    for (const TemplateFile& file : one.files) {
      used.insert(file.source);
      std::istringstream lines{std::string(embedded_text(file.source))};
      for (std::string line; std::getline(lines, line);)
        if (line.starts_with("@@include ")) used.insert(line.substr(10, line.size() - 12));
    }
  for (const std::string_view path : embedded_paths()) {
    EXPECT_TRUE(used.contains(path)) << path << " is in no template";
    used.erase(std::string(path));
  }
  for (const std::string& path : used) ADD_FAILURE() << path << " does not exist";
}

TEST(ProjectTest, ChosenVersionsReachTheFiles) {
  const Project project = made(named("pytorch-inference"), {"h100@550.54.15"});
  const std::string dockerfile = text_of(project, "Dockerfile");
  EXPECT_TRUE(has(dockerfile, "ARG TORCH_VERSION=2.14.1+cu126\n"));
  EXPECT_TRUE(has(dockerfile, "ARG TORCH_INDEX=https://download.pytorch.org/whl/cu126\n"));
  EXPECT_TRUE(has(dockerfile, "dev.flense.requires.driver-minor=\"525.60.13\""));
  EXPECT_TRUE(has(dockerfile, "dev.flense.requires.gpus=\"sm_90\""));
  EXPECT_TRUE(has(text_of(project, "README.md"), "releases.json, torch, 2.14.1"));
  EXPECT_TRUE(has(text_of(project, "README.md"), "was rejected for h100@550.54.15"));
  EXPECT_TRUE(has(text_of(project, ".github/workflows/image.yml"), "host: h100@550.54.15"));
  EXPECT_TRUE(has(text_of(project, "docker-bake.hcl"), "name   = \"h100-550-54-15\""));
}

TEST(ProjectTest, ProgramsAreCompiledForTheHostsAlone) {
  const Project project =
      made(named("cuda-cpp"), {"l4@550.54.15", "a100@550.54.15", "h100@550.54.15"});
  EXPECT_TRUE(has(text_of(project, "Dockerfile"), "ARG CUDA_ARCHITECTURES=80-real;89-real;90\n"));
  EXPECT_TRUE(has(text_of(project, "Dockerfile"),
                  "ARG BUILD_IMAGE=nvidia/cuda:12.9.1-devel-ubuntu24.04\n"));
  EXPECT_TRUE(has(text_of(project, "Dockerfile"), "ARG RUN_IMAGE=ubuntu:24.04\n"));
  const Project distroless = made(named("distroless-cuda"), {"l4@550.54.15"});
  EXPECT_TRUE(has(text_of(distroless, "Dockerfile"), "12.9.1-devel-ubuntu22.04"));
  EXPECT_TRUE(
      has(text_of(distroless, "Dockerfile"), "FROM gcr.io/distroless/cc-debian12:nonroot\n"));
}

TEST(ProjectTest, ProgramsAreCompiledForTheWeakestProcessor) {
  std::vector<host::Profile> two = hosts({"h100@550.54.15", "h100@550.54.15"});
  two[0].system.cpu_level = host::Text::known("x86-64-v4", "x");
  two[1].system.cpu_level = host::Text::known("x86-64-v3", "x");
  const Result<Project> project = make_project(named("cuda-cpp"), two, tables());
  ASSERT_TRUE(project);
  ASSERT_EQ(project->each.size(), 1u) << "the GPUs are the same";
  EXPECT_TRUE(has(text_of(*project, "Dockerfile"), "ARG CPU_MARCH=x86-64-v3\n"));
  EXPECT_TRUE(has(text_of(*project, "Dockerfile"), "dev.flense.requires.cpu=\"x86-64-v3\""));
  EXPECT_TRUE(has(text_of(*project, "docker-bake.hcl"), "\"CPU_MARCH\" = \"x86-64-v3\""));
  EXPECT_TRUE(has(text_of(*project, "README.md"), "| processor | `x86-64-v3` |"));

  two[1].system.cpu_level = {};
  const Result<Project> unknown = make_project(named("cuda-cpp"), two, tables());
  ASSERT_TRUE(unknown);
  EXPECT_TRUE(has(text_of(*unknown, "Dockerfile"), "ARG CPU_MARCH=\n"));
  EXPECT_FALSE(has(text_of(*unknown, "Dockerfile"), "requires.cpu"));
}

TEST(ProjectTest, EachHostHasItsOwnBestBuildInTheMatrix) {
  const Project project = made(named("pytorch-inference"), {"h100@550.54.15", "rtx4090@580.95.05"});
  EXPECT_EQ(project.choice.candidate.variant, "cu126");
  const std::string bake = text_of(project, "docker-bake.hcl");
  EXPECT_TRUE(has(bake, "name   = \"rtx4090-580-95-05\""));
  EXPECT_TRUE(has(bake, "\"TORCH_VERSION\" = \"2.15.0+cu130\""));
  EXPECT_TRUE(has(bake, "\"TORCH_VERSION\" = \"2.14.1+cu126\""));
}

TEST(ProjectTest, VendorsDoNotMix) {
  const Project amd = made(named("rocm-pytorch"), {"mi300x@6.10.5"});
  for (const ProjectFile& file : amd.files) {
    EXPECT_FALSE(has(file.text, "NVIDIA_")) << file.path;
    EXPECT_FALSE(has(file.text, "nvidia.com/gpu")) << file.path;
    EXPECT_FALSE(has(file.text, "HSA_OVERRIDE")) << file.path;
  }
  EXPECT_TRUE(has(text_of(amd, "kubernetes.yaml"), "amd.com/gpu: 1"));
  EXPECT_TRUE(has(text_of(amd, "compose.yaml"), "/dev/kfd"));
}

TEST(ProjectTest, TheWorkflowTakesTheNewestReleaseOrSaysThatNoneIsThere) {
  knowledge::Knowledge with = tables();
  with.releases.flense = {{"9.8.7", "aaaa", "https://x.example/9.8.7.tar.gz", "row of 9.8.7"},
                          {"9.8.6", "bbbb", "https://x.example/9.8.6.tar.gz", "row of 9.8.6"}};
  const Project project = made(named("jax"), {"l4@580.95.05"}, with);
  const std::string workflow = text_of(project, ".github/workflows/image.yml");
  EXPECT_TRUE(has(workflow, "\"https://x.example/9.8.7.tar.gz\""));
  EXPECT_TRUE(has(workflow, "\"aaaa  flense.tar.gz\" | sha256sum --check"));
  EXPECT_FALSE(has(workflow, "no release"));
  EXPECT_TRUE(has(text_of(project, "README.md"), "| flense | `9.8.7` |"));
  EXPECT_FALSE(has(text_of(project, "README.md"), "no release"));
  EXPECT_EQ(project.reasons.back().source, "row of 9.8.7");

  with.releases.flense.clear();
  const Project none = made(named("jax"), {"l4@580.95.05"}, with);
  EXPECT_TRUE(
      has(text_of(none, ".github/workflows/image.yml"), "# TO DO: no release was published"));
  EXPECT_FALSE(has(text_of(none, ".github/workflows/image.yml"), "curl"));
  EXPECT_TRUE(has(text_of(none, "README.md"), "| flense | `none` | no release was published"));
}

TEST(ProjectTest, TheSameHostCountsOnce) {
  const Project project =
      made(named("cuda-cpp"), {"h100@550.54.15", "h100@550.54.15", "H100@550.54.15"});
  EXPECT_EQ(project.choice.hosts.size(), 1u);
  std::vector<std::string> many;
  for (int i = 0; i < 33; ++i) many.push_back(fmt::format("h100@580.{}.05", 95 + i));
  const Result<Project> refused = make_project(named("cuda-cpp"), hosts(many), tables());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUsage);
}

TEST(ProjectTest, UnknownTemplates) {
  const Result<Template> near = find_template("pytorch-inferense");
  ASSERT_FALSE(near);
  EXPECT_TRUE(has(near.error().hint, "pytorch-inference"));
  const Result<Template> far = find_template("zzz");
  ASSERT_FALSE(far);
  EXPECT_TRUE(has(far.error().hint, "--list"));
}

}  // namespace
}  // namespace flense::scaffold
