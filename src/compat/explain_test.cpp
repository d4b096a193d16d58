#include "compat/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <regex>
#include <set>

#include "base/file.h"
#include "compat/testing_scenarios.h"

namespace flense::compat {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;

class Explain : public ::testing::Test {
 protected:
  void SetUp() override {
    auto loaded = knowledge::Knowledge::load();
    ASSERT_TRUE(loaded.has_value()) << render(loaded.error());
    tables = *std::move(loaded);
    for (const std::string& id : explained_checks(tables)) known.insert(id);
  }
  std::vector<std::string> titles(std::string_view words) const {
    std::vector<std::string> out;
    for (const Explanation& one : explain(words, tables).found) out.push_back(one.title);
    return out;
  }
  knowledge::Knowledge tables;
  std::set<std::string> known;
};

TEST_F(Explain, IdsOfChecks) {
  EXPECT_THAT(titles("driver-cuda"), ElementsAre("driver-cuda"));
  EXPECT_THAT(titles(" Driver_CUDA "), ElementsAre("driver-cuda"));
  const Explanation one = explain("gfx-code", tables).found.at(0);
  EXPECT_EQ(one.kind, "check");
  EXPECT_THAT(one.source, HasSubstr("checks.json, checks, gfx-code (2026-11)"));
}

TEST_F(Explain, NumbersAndNamesOfErrors) {
  EXPECT_THAT(titles("804"), ElementsAre(HasSubstr("CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE")));
  EXPECT_THAT(titles("cudaErrorNoKernelImageForDevice"), ElementsAre(HasSubstr("CUDA 209")));
  EXPECT_THAT(titles("CUDAERRORNOKERNELIMAGEFORDEVICE"), ElementsAre(HasSubstr("CUDA 209")));
  EXPECT_THAT(titles("CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"), ElementsAre(HasSubstr("CUDA 803")));
  // The same number in several interfaces, and as an exit status.
  EXPECT_THAT(titles("101"),
              ElementsAre(HasSubstr("CUDA 101"), HasSubstr("Xid"), HasSubstr("HIP 101")));
  EXPECT_THAT(titles("3"), ElementsAre(HasSubstr("CUDA 3"), HasSubstr("HIP 3"), HasSubstr("NVML 3"),
                                       HasSubstr("Xid"), "exit status 3"));
  EXPECT_THAT(titles("99999999999999999999999"), IsEmpty());
}

TEST_F(Explain, WhatWorkingProgramsSayToo) {
  const auto said = [&](std::string_view words) { return explain(words, tables).found.at(0); };
  EXPECT_TRUE(said("ggml_vulkan: No devices found.").advice);
  EXPECT_TRUE(said("triton-missing").advice);
  EXPECT_FALSE(said("804").advice);
  const std::string json = text::dump_json(to_json({said("804"), said("triton-missing")}), 2);
  EXPECT_THAT(json, HasSubstr("\"advice\": true"));
  EXPECT_EQ(json.find("advice"), json.rfind("advice"));
}

TEST_F(Explain, ExitStatuses) {
  for (const char* words : {"exit 5", "exit-status 5", "exit code 5", "EXIT 5", "status 5"})
    EXPECT_THAT(titles(words), ElementsAre("exit status 5")) << words;
  EXPECT_THAT(titles("exit 6"), IsEmpty());
}

TEST_F(Explain, PartsOfMessagesAndWholeLines) {
  EXPECT_THAT(titles("no kernel image"), Contains(HasSubstr("CUDA 209")));
  // What anyone may say: those who do.
  EXPECT_THAT(titles("operation not permitted"), Contains(HasSubstr("CUDA 800")));
  EXPECT_THAT(titles("chown: /data: operation not permitted"), IsEmpty());
  EXPECT_THAT(titles("forward compatibility was attempted on non supported HW"),
              ElementsAre(HasSubstr("CUDA 804")));
  EXPECT_THAT(titles("docker: Error response from daemon: could not select device driver \"\" with "
                     "capabilities: [[gpu]]."),
              ElementsAre("container engine"));
  const auto lookup = explain(
      "RuntimeError: CUDA error: no kernel image is available for execution on the device\n"
      "CUDA kernel errors might be asynchronously reported",
      tables);
  ASSERT_FALSE(lookup.found.empty());
  EXPECT_THAT(lookup.found[0].title, HasSubstr("CUDA 209"));
  EXPECT_THAT(lookup.found[0].checks, IsSupersetOf({"device-code", "slim-target"}));
  // The longest known part comes first.
  EXPECT_THAT(
      titles("nvidia-container-cli: initialization error: nvml error: driver not loaded")[0],
      HasSubstr("NVML 9"));
  EXPECT_THAT(titles("nvidia-container-cli: initialization error: load library failed: "
                     "libnvidia-ml.so.1: cannot open shared object file")[0],
              HasSubstr("NVIDIA container toolkit"));
  EXPECT_THAT(titles("error"), IsEmpty());
}

TEST_F(Explain, NearMissesAreSuggested) {
  EXPECT_THAT(explain("driver-cude", tables).near, Contains("driver-cuda"));
  EXPECT_THAT(explain("cudaErrorNoDevic", tables).near, Contains("cudaErrorNoDevice"));
  EXPECT_THAT(explain("zzzzzzzzzzz", tables).near, IsEmpty());
  for (const std::string& words :
       {std::string(), std::string(" \t"), std::string("-- !"), std::string(100'000, 'x')})
    EXPECT_THAT(explain(words, tables).found, IsEmpty());
}

TEST_F(Explain, EveryCheckOfTheScenariosIsExplained) {
  const auto scenarios =
      testing::read_scenarios(std::string(FLENSE_SOURCE_DIR) + "/tests/scenarios");
  ASSERT_TRUE(scenarios.has_value()) << render(scenarios.error());
  for (const testing::Scenario& one : *scenarios) {
    const HostVerdict verdict = judge({.image = one.image,
                                       .host = one.host,
                                       .tables = tables,
                                       .launcher = one.launcher,
                                       .redistribution = true});
    for (const Check& check : verdict.checks)
      EXPECT_TRUE(known.contains(check.id)) << check.id << " in " << one.file << ": " << one.name;
  }
}

/// Also those that no scenario brings about: ids as the rules' sources write them.
TEST_F(Explain, EveryIdInTheRulesIsExplained) {
  const std::regex ids(
      R"re((?:\bid = |unknown\(|check_of\()"([a-z0-9-]+)"|"([a-z0-9-]+)",\s*Verdict::)re");
  std::string all;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(FLENSE_SOURCE_DIR) + "/src/compat/rules")) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with(".cpp")) continue;
    const auto text = read_file(entry.path(), 1u << 20);
    ASSERT_TRUE(text.has_value()) << name;
    for (std::sregex_iterator at(text->begin(), text->end(), ids), end; at != end; ++at) {
      const std::string id = (*at)[1].matched ? (*at)[1].str() : (*at)[2].str();
      EXPECT_TRUE(known.contains(id)) << id << " in " << name;
    }
    all += *text;
  }
  for (const std::string& id : known)
    EXPECT_NE(all.find('"' + id + '"'), std::string::npos) << id << " has no rule";
}

TEST_F(Explain, ChecksComeInTheOrderOfTheTable) {
  const std::vector<std::string> ids = explained_checks(tables);
  const auto scenarios =
      testing::read_scenarios(std::string(FLENSE_SOURCE_DIR) + "/tests/scenarios");
  ASSERT_TRUE(scenarios.has_value()) << render(scenarios.error());
  std::set<std::string> seen;
  for (const testing::Scenario& one : *scenarios) {
    auto from = ids.begin();
    for (const Check& check :
         judge({.image = one.image, .host = one.host, .tables = tables, .launcher = one.launcher})
             .checks) {
      const auto at = std::find(ids.begin(), ids.end(), check.id);
      EXPECT_TRUE(at != ids.end() && at >= from) << check.id << " in " << one.name;
      if (at != ids.end()) from = at;
      seen.insert(check.id);
    }
  }
  // Each is produced by some row, except for the group that exists only on request.
  for (const std::string& id : ids)
    if (!id.starts_with("redistribution-")) EXPECT_TRUE(seen.contains(id)) << id;
}

TEST_F(Explain, TheTablesAreWhole) {
  EXPECT_EQ(known.size(), tables.explained.checks.size()) << "an id twice";
  for (const knowledge::CheckRow& row : tables.explained.checks)
    for (const std::string& text : {row.asks, row.detect, row.fix, row.source})
      EXPECT_FALSE(text.empty()) << row.id;
  std::set<std::pair<std::string, std::uint64_t>> numbers;
  std::set<std::string> names;
  for (const knowledge::ErrorRow& row : tables.explained.errors) {
    const std::string& where = row.source;
    EXPECT_FALSE(row.id.empty() || row.layer.empty() || row.cause.empty() || row.fix.empty())
        << where;
    if (row.code) {
      EXPECT_TRUE(numbers.emplace(row.layer, *row.code).second) << where;
    }
    for (const std::string& name : row.names) EXPECT_TRUE(names.insert(name).second) << name;
    for (const std::string& id : row.checks) EXPECT_TRUE(known.contains(id)) << id << ": " << where;
    EXPECT_THAT(titles(row.id), ElementsAre(HasSubstr(row.layer)));
  }
}

}  // namespace
}  // namespace flense::compat
