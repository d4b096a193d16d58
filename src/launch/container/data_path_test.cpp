#include "launch/container/data_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flense::launch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

bool nothing(const std::string&) {
  return false;
}

std::vector<std::string> warnings(DataPathQuestion question) {
  return data_path_warnings(question, nothing);
}
std::vector<std::string> paths(const std::vector<std::string>& command) {
  std::vector<std::string> out;
  DataPathQuestion question;
  question.command = command;
  question.workdir = "/work";
  for (const DataPath& one : data_paths(question)) out.push_back(one.path);
  return out;
}

TEST(DataPaths, OptionsInEveryForm) {
  EXPECT_THAT(paths({"train", "--output", "/out/a"}), ElementsAre("/out/a"));
  EXPECT_THAT(paths({"train", "--output=/out/a"}), ElementsAre("/out/a"));
  EXPECT_THAT(paths({"train", "--output_dir", "runs/1"}), ElementsAre("/work/runs/1"));
  EXPECT_THAT(paths({"train", "-o", "../x.bin"}), ElementsAre("/x.bin"));
  EXPECT_THAT(paths({"train", "-output", "out"}), ElementsAre("/work/out"));
  EXPECT_THAT(paths({"train", "--data", "/data/c4", "--checkpoint=./ck"}),
              ElementsAre("/data/c4", "/work/ck"));
}

TEST(DataPaths, WhatIsNoPath) {
  EXPECT_THAT(paths({"train", "--data", "imagenet"}), IsEmpty()) << "the name of a data set";
  EXPECT_THAT(paths({"train", "--dataset=org/name"}), IsEmpty());
  EXPECT_THAT(paths({"train", "--output", "s3://bucket/x"}), IsEmpty());
  EXPECT_THAT(paths({"train", "--output", "-"}), IsEmpty());
  EXPECT_THAT(paths({"train", "--save", "--fast"}), IsEmpty());
  EXPECT_THAT(paths({"train", "--save", "100"}), IsEmpty()) << "every so many steps";
  EXPECT_THAT(paths({"train", "--checkpoint=True"}), IsEmpty());
  EXPECT_THAT(paths({"train", "--o", "/x"}), IsEmpty());
  EXPECT_THAT(paths({"--output", "/the/program"}), IsEmpty());
  EXPECT_THAT(paths({"train", "--output"}), IsEmpty());
  EXPECT_THAT(paths({}), IsEmpty());
}

TEST(DataPaths, VariablesOfTheEnvironment) {
  DataPathQuestion question;
  question.environment = {"HF_HOME=/root/hf", "PATH=/bin", "TRITON_CACHE_DIR=", "ODD",
                          "TORCH_HOME=/t"};
  const auto found = data_paths(question);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0], (DataPath{DataPath::Use::kCache, "HF_HOME", "/root/hf"}));
}

TEST(DataPathWarnings, NameTheMountToAdd) {
  DataPathQuestion question;
  question.command = {"train", "--output", "/results/run1/model.safetensors"};
  EXPECT_THAT(warnings(question),
              ElementsAre("--output names /results/run1/model.safetensors in the image, which is "
                          "read-only: -v $PWD/run1:/results/run1"));
  question.writable_root = true;
  EXPECT_THAT(warnings(question), ElementsAre(HasSubstr("lost at the end")));
}

TEST(DataPathWarnings, TheInnermostMountDecides) {
  DataPathQuestion question;
  question.command = {"train", "--output", "/data/out"};
  question.writable = {"/data"};
  EXPECT_THAT(warnings(question), IsEmpty());
  question.read_only = {"/data/out/"};
  EXPECT_THAT(warnings(question), ElementsAre(HasSubstr("is on a read-only mount")));
  question.read_only = {"/data"};
  question.writable = {"/data/out"};
  EXPECT_THAT(warnings(question), IsEmpty());
  question.writable = {"/data/o"};
  EXPECT_THAT(warnings(question), ElementsAre(HasSubstr("read-only")))
      << "a beginning is no folder";
}

TEST(DataPathWarnings, InputsThatAreNowhere) {
  DataPathQuestion question;
  question.command = {"train", "--data", "/data/c4"};
  EXPECT_THAT(warnings(question),
              ElementsAre("--data names /data/c4, which neither the image nor a mount has: "
                          "-v $PWD/c4:/data/c4"));
  EXPECT_THAT(
      data_path_warnings(question, [](const std::string& path) { return path == "/data/c4"; }),
      IsEmpty());
  question.read_only = {"/data"};
  EXPECT_THAT(warnings(question), IsEmpty());
}

TEST(DataPathWarnings, OncePerFolder) {
  DataPathQuestion question;
  question.command = {"train", "--output", "/o/a.pt", "--save=/o/b.pt", "--log-dir", "/o"};
  EXPECT_EQ(warnings(question).size(), 1U);
}

TEST(PlaceWarnings, OnlyForPlacesOnANetwork) {
  const auto lustre = [](const std::string& path) { return path.starts_with("/lustre"); };
  EXPECT_THAT(place_warnings({"/local", "", "/home/u", {}}, lustre), IsEmpty());
  EXPECT_THAT(place_warnings({"/lustre/cache", "", "", {}}, lustre),
              ElementsAre(HasSubstr("FLENSE_CACHE=DIR")));
  EXPECT_THAT(place_warnings({"", "/lustre/sandbox", "/lustre/u", {}}, lustre),
              ElementsAre(HasSubstr("/lustre/sandbox"), HasSubstr("working directory /lustre/u")));
  EXPECT_THAT(place_warnings(
                  {"", "", "", {{DataPath::Use::kCache, "TRITON_CACHE_DIR", "/lustre/t"}}}, lustre),
              ElementsAre(HasSubstr("-e TRITON_CACHE_DIR=/tmp/cache")));
}

}  // namespace
}  // namespace flense::launch
