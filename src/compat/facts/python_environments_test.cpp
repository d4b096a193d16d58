#include "compat/facts/python_environments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/format.h"

namespace flense::compat {
namespace {

using ::testing::ElementsAre;

void add(needs::Needs& image, const char* type, const std::string& name, const std::string& place) {
  image.packages.push_back({{.type = type, .name = name, .version = "1.0"}, place});
}

std::vector<std::string> names_from(const needs::Needs& image, const std::string& prefix) {
  std::vector<std::string> out;
  for (const auto& one : PythonEnvironments(image).seen_from(prefix).packages)
    out.push_back(one.package.name);
  return out;
}

needs::Needs image_of_three() {
  needs::Needs image;
  add(image, "deb", "libc6", "var/lib/dpkg/status");
  add(image, "pip", "numpy", "usr/lib/python3/dist-packages/numpy-1.0.dist-info/METADATA");
  add(image, "conda", "mkl", "opt/conda/conda-meta/mkl-1.0-0.json");
  add(image, "pip", "torch",
      "opt/conda/envs/a/lib/python3.11/site-packages/torch-1.0.dist-info/METADATA");
  return image;
}

TEST(PythonEnvironments, EachSeesItsOwnPackagesAndTheSystems) {
  const needs::Needs image = image_of_three();
  EXPECT_THAT(PythonEnvironments(image).prefixes(),
              ElementsAre("", "opt/conda", "opt/conda/envs/a"));
  EXPECT_THAT(names_from(image, ""), ElementsAre("libc6", "numpy"));
  EXPECT_THAT(names_from(image, "opt/conda"), ElementsAre("libc6", "mkl"));
  EXPECT_THAT(names_from(image, "opt/conda/envs/a"), ElementsAre("libc6", "torch"));
}

TEST(PythonEnvironments, RuntimesBelongToWhatTheirEvidenceNames) {
  needs::Needs image = image_of_three();
  image.runtimes = {{.name = "PyTorch", .version = "1.0", .evidence = "Python package torch 1.0"},
                    {.name = "CUDA runtime",
                     .version = "12.4",
                     .evidence = "opt/conda/lib/libcudart.so.12; no more"},
                    {.name = "CUDA runtime", .version = "12.6", .evidence = "usr/local/cuda/x"}};
  const PythonEnvironments all(image);
  EXPECT_EQ(all.seen_from("").runtimes.size(), 1U);
  EXPECT_EQ(all.seen_from("opt/conda").runtimes.size(), 2U);
  EXPECT_EQ(all.seen_from("opt/conda/envs/a").runtimes.front().name, "PyTorch");
}

TEST(PythonEnvironments, TheOneThatStarts) {
  needs::Needs image = image_of_three();
  const auto started = [&] { return PythonEnvironments(image).started(); };
  EXPECT_EQ(started(), "");
  image.environment["CONDA_PREFIX"] = "/opt/conda";
  EXPECT_EQ(started(), "opt/conda");
  image.environment["PATH"] = "/usr/bin:/opt/conda/envs/a/bin:/opt/conda/bin";
  EXPECT_EQ(started(), "opt/conda/envs/a");
  image.start.program = "opt/conda/bin/python3";
  EXPECT_EQ(started(), "opt/conda");
}

}  // namespace
}  // namespace flense::compat
