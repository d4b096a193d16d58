#include "knowledge/opened_files.h"

#include <gtest/gtest.h>

#include <set>

namespace flense::knowledge {
namespace {

const OpenedFiles& opened() {
  static const OpenedFiles kOpened = OpenedFiles::read(*TableSet::load());
  return kOpened;
}

TEST(OpenedFiles, EveryRowSaysWhatAndWhy) {
  ASSERT_GT(opened().libraries.size(), 50U);
  std::set<std::string> openers;
  for (const OpenedRow& row : opened().libraries) {
    EXPECT_FALSE(row.opens.empty()) << row.opener;
    EXPECT_NE(row.source.find(": "), std::string::npos) << row.source;
    EXPECT_TRUE(openers.insert(row.opener).second) << row.opener << " stands twice";
    EXPECT_EQ(row.opener.find('/'), std::string::npos);
  }
  for (const OpenedRow& row : opened().calls) EXPECT_FALSE(row.calls.empty() || row.opens.empty());
  for (const auto* rows : {&opened().always, &opened().minimal, &opened().time_zones}) {
    EXPECT_FALSE(rows->empty());
    for (const KeptFilesRow& row : *rows) EXPECT_FALSE(row.files.empty() || row.why.empty());
  }
  EXPECT_FALSE(opened().shell_calls.empty() || opened().shell_tools.empty());
}

TEST(OpenedFiles, Languages) {
  ASSERT_NE(opened().language("perl"), nullptr);
  EXPECT_NE(opened().language("perl5.36.0"), nullptr);
  EXPECT_EQ(opened().language("perlish"), nullptr);
  EXPECT_EQ(opened().language("python3"), nullptr);
}

}  // namespace
}  // namespace flense::knowledge
