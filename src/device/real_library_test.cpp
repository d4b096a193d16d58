// Prunes libraries named by the environment and checks each result against its plan. As much a tool
// for developers and for the benchmark as a test:
//   FLENSE_PRUNE_FILES  paths, separated by colons
//   FLENSE_PRUNE_GPU    architectures, separated by commas (default sm_90)
//   FLENSE_PRUNE_LEVEL  safe, standard (default) or aggressive
//   FLENSE_PRUNE_OUT    directory for the pruned files (default: they are only checked)
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "base/file.h"
#include "device/prune.h"
#include "support/prune_check.h"

namespace flense::device {
namespace {

std::string environment(const char* name, const char* fallback) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : fallback;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);)
    if (!part.empty()) parts.push_back(part);
  return parts;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void prune_one(const std::string& path, const PruneOptions& options, const std::string& out_dir) {
  auto mapped = MappedFile::open(path);
  ASSERT_TRUE(mapped) << mapped.error().message;
  auto file = elf::File::parse(mapped->bytes(), path);
  ASSERT_TRUE(file) << file.error().message;
  const auto start = std::chrono::steady_clock::now();
  auto code = find_device_code(*file);
  ASSERT_TRUE(code) << code.error().message;
  const double scan_seconds = seconds_since(start);
  const auto planning = std::chrono::steady_clock::now();
  auto plan = plan_prune(*file, *code, options);
  ASSERT_TRUE(plan) << plan.error().message;
  const double plan_seconds = seconds_since(planning);

  std::string line = fmt::format("{} before={}", std::filesystem::path(path).filename().string(),
                                 mapped->bytes().size());
  StringSink output;
  if (plan->left_alone.empty() && !plan->edit.sections.empty()) {
    auto result = elf::apply(*file, plan->edit, output);
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(output.text().size(), result->output_size);
    line += fmt::format(" after={} loads={}", result->output_size, result->load_segments);
    auto after = elf::File::parse(as_bytes(output.text()), path + " (pruned)");
    ASSERT_TRUE(after) << after.error().message;
    testing::expect_pruned_as_planned(*file, *code, *plan, *after);
    if (!out_dir.empty()) {
      auto to = AtomicFile::create(std::filesystem::path(out_dir) /
                                   std::filesystem::path(path).filename());
      ASSERT_TRUE(to) << to.error().message;
      ASSERT_TRUE(write_fully(to->fd(), as_bytes(output.text()), path));
      ASSERT_TRUE(to->commit());
    }
  } else {
    line += fmt::format(" after={} ({})", mapped->bytes().size(),
                        plan->left_alone.empty() ? "nothing to drop" : plan->left_alone);
  }
  for (const auto& [reason, bytes] : plan->bytes)
    line += fmt::format(" [{}]={}", to_string(reason), bytes);
  for (const auto& [rule, bytes] : bolder_gains(*code, *plan, options))
    line += fmt::format(" +[{}]={}", rule, bytes);
  fmt::print("{} scan={:.3f}s plan={:.3f}s\n", line, scan_seconds, plan_seconds);
}

TEST(RealLibraries, PruneAsPlanned) {
  const std::string files = environment("FLENSE_PRUNE_FILES", "");
  if (files.empty()) GTEST_SKIP() << "FLENSE_PRUNE_FILES names no libraries";
  PruneOptions options;
  auto targets = make_targets(split(environment("FLENSE_PRUNE_GPU", "sm_90"), ','));
  ASSERT_TRUE(targets) << targets.error().message;
  options.targets = *targets;
  const std::string level = environment("FLENSE_PRUNE_LEVEL", "standard");
  options.level = level == "safe"         ? Level::kSafe
                  : level == "aggressive" ? Level::kAggressive
                                          : Level::kStandard;
  for (const std::string& path : split(files, ':'))
    prune_one(path, options, environment("FLENSE_PRUNE_OUT", ""));
}

}  // namespace
}  // namespace flense::device
