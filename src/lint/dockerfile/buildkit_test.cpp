// What BuildKit's front end says about generated Dockerfiles, recorded by
// tests/oracle/dockerfiles.py; the first word of a case names the judge.
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "lint/dockerfile/dockerfile.h"
#include "text/json.h"

namespace flense::lint {
namespace {

TEST(BuildKit, RecordedVerdicts) {
  std::ifstream file(FLENSE_SOURCE_DIR "/tests/lint/buildkit_cases.txt");
  std::string judge, verdict, text;
  std::size_t cases = 0, refused = 0;
  while (file >> judge >> verdict && std::getline(file, text)) {
    const auto read = text::parse_json(text, "case");
    ASSERT_TRUE(read) << text;
    const SourceText source("Dockerfile", std::string(read->text()));
    const Dockerfile parsed = parse_dockerfile(source);
    EXPECT_EQ(parsed.problems.empty(), verdict == "accepted")
        << judge << text << "\n"
        << (parsed.problems.empty() ? "" : parsed.problems.front().message);
    ++cases;
    refused += verdict == "refused" ? 1U : 0U;
  }
  EXPECT_GE(cases, 100U);
  EXPECT_GE(refused, 30U);
}

}  // namespace
}  // namespace flense::lint
