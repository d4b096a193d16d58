// The full cross product of the tables, checked against an oracle that reads the JSON rows itself
// and shares no code with the rules.
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <sstream>

#include "base/format.h"
#include "compat/facts/image_facts.h"
#include "compat/rules/rules.h"
#include "compat/testing_scenarios.h"
#include "host/host_argument.h"
#include "knowledge/testing_tables.h"

namespace flense::compat::testing {
namespace {

using text::Json;
using Numbers = std::array<long, 3>;

Numbers numbers(std::string_view text) {
  Numbers out{};
  std::istringstream stream{std::string(text)};
  std::string part;
  for (long& one : out)
    if (std::getline(stream, part, '.')) one = std::stol(part);
  return out;
}

std::string text_of(const Json& json) {
  return std::string(json.text());
}

class Tables : public ::testing::Test {
 protected:
  void SetUp() override {
    auto loaded = knowledge::Knowledge::load();
    ASSERT_TRUE(loaded.has_value());
    tables = *std::move(loaded);
    const Json& drivers = tables.tables.table("cuda_driver");
    for (const Json& row : drivers["branches"]["rows"].items())
      branches[static_cast<long>(row["branch"].unsigned_or(0))] =
          numbers(text_of(row["cuda_native"]));
    for (const Json& row : drivers["minor_version"]["rows"].items())
      floors[static_cast<long>(row["cuda_major"].unsigned_or(0))] = numbers(text_of(row["driver"]));
    for (const Json& row : drivers["toolkits"]["rows"].items())
      toolkits.push_back(
          {text_of(row["cuda"]), row["update"].unsigned_or(0), text_of(row["driver"])});
    ASSERT_GE(branches.size(), 30u);
    ASSERT_EQ(floors.size(), 3u);
    ASSERT_GE(toolkits.size(), 60u);
  }

  /// Drivers at both ends of a branch, so that floors within it count.
  static std::array<std::string, 2> drivers_of(long branch) {
    return {fmt::format("{}.10.01", branch), fmt::format("{}.250.01", branch)};
  }

  /// The table's words: native where the branch has this CUDA, else the floor of its major.
  bool suffices(const std::string& driver, const std::string& cuda) const {
    const Numbers wanted = numbers(cuda);
    const Numbers native = branches.at(numbers(driver)[0]);
    if (native >= Numbers{wanted[0], wanted[1], 0}) return true;
    const auto floor = floors.find(wanted[0]);
    return native[0] == wanted[0] && floor != floors.end() && numbers(driver) >= floor->second;
  }

  std::map<std::string, std::string> verdicts(const needs::Needs& image, const std::string& host) {
    auto at = profiles.find(host);
    if (at == profiles.end()) {
      const auto profile = host::described_profile(host, knowledge::test_tables());
      EXPECT_TRUE(profile.has_value()) << host;
      at = profiles.emplace(host, *profile).first;
    }
    // The two rules that use these tables: the product has tens of thousands of cells.
    const ImageFacts facts(image, tables);
    HostVerdict verdict;
    for (const Rule rule : {rule_driver_cuda, rule_forward_compat})
      rule({.image = image, .host = at->second, .tables = tables, .facts = &facts}, verdict.checks);
    return verdicts_by_id(verdict);
  }

  struct Toolkit {
    std::string cuda;
    std::uint64_t update;
    std::string driver;
  };
  knowledge::Knowledge tables;
  std::map<long, Numbers> branches, floors;
  std::vector<Toolkit> toolkits;
  std::map<std::string, host::Profile> profiles;
};

needs::Needs image_of_cuda(const std::string& version) {
  needs::Needs image;
  image.runtimes.push_back({"CUDA runtime", version, "libcudart.so." + version});
  return image;
}

std::string found(const std::map<std::string, std::string>& verdicts, const std::string& id) {
  const auto at = verdicts.find(id);
  return at == verdicts.end() ? "absent" : at->second;
}

TEST_F(Tables, EveryToolkitOnEveryBranch) {
  std::size_t cells = 0, refused = 0;
  for (const Toolkit& toolkit : toolkits)
    for (const auto& [branch, cuda] : branches)
      for (const std::string& driver : drivers_of(branch)) {
        const auto image = image_of_cuda(fmt::format("{}.{}", toolkit.cuda, toolkit.update));
        const std::string expected = suffices(driver, toolkit.cuda) ? "ok" : "fail";
        EXPECT_EQ(found(verdicts(image, "t4@" + driver), "driver-cuda"), expected)
            << "CUDA " << toolkit.cuda << " on " << driver;
        ++cells;
        refused += expected == "fail" ? 1U : 0U;
      }
  EXPECT_EQ(cells, toolkits.size() * branches.size() * 2);
  EXPECT_GT(refused, cells / 4);
  EXPECT_LT(refused, cells * 3 / 4);
}

TEST_F(Tables, TheDriverOfEachToolkitRunsIt) {
  for (const Toolkit& toolkit : toolkits) {
    if (!branches.contains(numbers(toolkit.driver)[0])) continue;
    const auto image = image_of_cuda(fmt::format("{}.{}", toolkit.cuda, toolkit.update));
    EXPECT_EQ(found(verdicts(image, "t4@" + toolkit.driver), "driver-cuda"), "ok") << toolkit.cuda;
  }
}

/// One cell of the forward-compatibility table with its surroundings.
struct Cell {
  std::string cuda, package, driver, letter;  ///< letter empty: no column for the branch
  std::string gpu, gpu_class;
  std::vector<std::uint64_t> note;  ///< empty: no note
};

/// By the guide and the toolkit's rule, in the words of forward_compat.json.
std::string expected_forward(const Cell& cell, bool needed) {
  const long host = numbers(cell.driver)[0];
  const bool listed = std::find(cell.note.begin(), cell.note.end(),
                                static_cast<std::uint64_t>(host)) != cell.note.end();
  const bool majors = numbers(cell.package)[0] > host;
  const bool by_note = listed && numbers(cell.package) > numbers(cell.driver);
  // The host's toolkit is unknown, and versions before 1.20 ignore the note's list.
  const bool open = !cell.note.empty() && majors != by_note;
  const bool hook = cell.note.empty() ? majors : by_note;
  const bool runs = listed && cell.gpu_class == "data-centre" && !cell.letter.empty();
  if (!needed && open) return runs ? "absent" : "unknown";
  if (!needed && !hook) return "absent";
  if (cell.gpu_class == "geforce" || cell.gpu_class == "titan") return "fail";
  if (!hook) return "fail";
  if (cell.gpu_class == "professional" || cell.letter.empty()) return "unsupported";
  EXPECT_NE(cell.letter, "X") << "the package is newer than " << cell.driver;
  return "ok";
}

TEST_F(Tables, EveryCellOfTheForwardCompatibilityTable) {
  const std::vector<std::pair<std::string, std::string>> gpus = {{"h100", "data-centre"},
                                                                 {"t4", "data-centre"},
                                                                 {"rtx4090", "geforce"},
                                                                 {"titanrtx", "titan"},
                                                                 {"rtxa6000", "professional"}};
  const std::vector<std::vector<std::uint64_t>> notes = {{}, {535, 550, 565, 570, 575, 580, 590}};
  std::map<std::string, std::size_t> seen;
  for (const Json& row : tables.tables.table("forward_compat")["matrix"]["rows"].items()) {
    const std::string cuda = text_of(row["cuda"]);
    std::string package;
    for (const Toolkit& toolkit : toolkits)
      if (toolkit.cuda == cuda && toolkit.update == 0) package = toolkit.driver;
    ASSERT_FALSE(package.empty()) << cuda;
    for (const auto& [branch, native] : branches)
      for (const std::string& driver : drivers_of(branch))
        for (const auto& [gpu, gpu_class] : gpus) {
          const bool needed = !suffices(driver, cuda);
          const std::string where = fmt::format("CUDA {} on {}@{}", cuda, gpu, driver);
          const std::string host = gpu + "@" + driver;
          auto image = image_of_cuda(cuda);
          const auto plain = verdicts(image, host);
          EXPECT_EQ(found(plain, "driver-cuda"), needed ? "fail" : "ok") << where;
          EXPECT_EQ(found(plain, "forward-compat"), "absent") << where;
          for (const auto& note : notes) {
            const Cell cell{
                cuda, package,   driver, text_of(row["cells"][fmt::format("{}", branch)]),
                gpu,  gpu_class, note};
            image.compat = {{fmt::format("usr/local/cuda-{}/compat/libcuda.so.{}", cuda, package),
                             package, !note.empty(), note.empty() ? "" : cuda, note,
                             note.empty()
                                 ? std::vector<std::uint64_t>{}
                                 : std::vector<std::uint64_t>{1, 2, 7, 8, 9, 10, 11, 12, 13, 14}}};
            const auto with = verdicts(image, host);
            const std::string expected = expected_forward(cell, needed);
            EXPECT_EQ(found(with, "driver-cuda"), "ok") << where;
            EXPECT_EQ(found(with, "forward-compat"), expected)
                << where << (note.empty() ? " without" : " with") << " a note";
            ++seen[expected];
          }
        }
  }
  for (const char* verdict : {"ok", "unsupported", "fail", "absent"})
    EXPECT_GT(seen[verdict], 50u) << verdict;
}

}  // namespace
}  // namespace flense::compat::testing
