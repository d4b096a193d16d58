#include "compat/facts/require.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace flense::compat {
namespace {

Requirement answer(std::string_view expression, const RequireFacts& facts) {
  return evaluate_requirement(expression, facts).answer;
}

const RequireFacts& host() {
  static const RequireFacts kFacts = {"12.2", "535.129.03", "9.0", "Tesla"};
  return kFacts;
}

TEST(Require, ComparesAsTheCImplementationDoes) {
  const std::vector<std::pair<const char*, Requirement>> cases = {
      {"cuda>=12.2", Requirement::kMet},
      {"cuda>=12.4", Requirement::kUnmet},
      {"cuda>=12", Requirement::kMet},
      {"cuda=12.2.0", Requirement::kMet},
      {"cuda!=12.2", Requirement::kUnmet},
      {"cuda<12.2.1", Requirement::kMet},
      {"cuda<=12.2", Requirement::kMet},
      {"cuda>12.1.9", Requirement::kMet},
      {"cuda!12.4", Requirement::kMet},  // the first operator that matches
      {"CUDA>=12.3", Requirement::kUnmet},
      {"driver>=535,driver<536", Requirement::kMet},
      {"driver>=535.129.3", Requirement::kMet},  // numbers, not texts
      {"driver>=535.129.03.0", Requirement::kMet},
      {"arch>=7.5", Requirement::kMet},
      {"arch>=10.0", Requirement::kUnmet},
      {"brand=tesla", Requirement::kMet},
      {"brand!=TESLA", Requirement::kUnmet},
      {"brand<tesla", Requirement::kInvalid},
      {"", Requirement::kMet},
      {"   ", Requirement::kMet},
      {",", Requirement::kMet},
      {"cuda>=99 ,", Requirement::kUnmet},  // an alternative without terms keeps the last answer
      {", cuda>=99", Requirement::kMet},
      {",,cuda>=12.2,,", Requirement::kMet},
      {"gpu>=4", Requirement::kInvalid},
      {"cuda", Requirement::kInvalid},
      {">=12", Requirement::kInvalid},
      {"cuda>=", Requirement::kInvalid},
      {"cuda==12.2", Requirement::kInvalid},
      {"cuda=>12.2", Requirement::kInvalid},
      {"cuda>=twelve", Requirement::kInvalid},
      {"cuda>=.5", Requirement::kInvalid},
      {"cuda>=99999999999999999999999", Requirement::kInvalid},
      {"cuda>=12 gpu>=4", Requirement::kMet},  // not reached
      {"cuda>=13,gpu>=4", Requirement::kUnmet},
      {"gpu>=4 cuda>=12", Requirement::kInvalid},
      {"cuda>=12.4 brand=tesla,driver>=535,driver<536", Requirement::kMet},
      {"cuda>=12.4 brand=geforce,driver>=535,driver<536", Requirement::kUnmet},
  };
  for (const auto& [expression, expected] : cases)
    EXPECT_EQ(answer(expression, host()), expected) << "'" << expression << "'";
}

TEST(Require, NamesTheTermThatFails) {
  EXPECT_EQ(evaluate_requirement("cuda>=12.4", host()).term, "cuda >= 12.4");
  EXPECT_EQ(evaluate_requirement("cuda>=12.4 driver>=540", host()).term, "cuda >= 12.4");
}

TEST(Require, AFailedTermThatOverflowsTheBufferIsInvalid) {
  const std::string zeros(140, '0');
  EXPECT_EQ(answer("cuda>=13." + zeros, host()), Requirement::kInvalid);
  EXPECT_EQ(answer("cuda>=12." + zeros, host()), Requirement::kMet);
}

TEST(Require, AMissingFactIsUnknownUnlessAnotherTermSettles) {
  RequireFacts facts = host();
  facts.brand.reset();
  EXPECT_EQ(answer("brand=tesla", facts), Requirement::kUnknown);
  EXPECT_EQ(answer("brand=tesla cuda>=12", facts), Requirement::kMet);
  EXPECT_EQ(answer("brand=tesla cuda>=13", facts), Requirement::kUnknown);
  EXPECT_EQ(answer("brand=tesla,cuda>=13", facts), Requirement::kUnmet);
  EXPECT_EQ(answer("brand=tesla,gpu>=4", facts), Requirement::kUnknown);
}

TEST(Require, AnyTextHasAnAnswer) {
  // Texts in images are hostile: no crash, and with all facts known never "unknown".
  EXPECT_TRUE(rc::check([] {
    const auto words = *rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
        "cuda", "driver", "arch", "brand", "tesla", ">=", "<", "=", "!", ",", " ", ".", "12.2",
        "535", "0", "\0", "é", "99999999999999999999", "CUDA", "<>"));
    std::string text;
    for (const std::string& word : words) text += word;
    const RequireResult result = evaluate_requirement(text, host());
    RC_ASSERT(result.answer != Requirement::kUnknown);
    if (result.answer != Requirement::kMet) RC_ASSERT(!result.term.empty());
  }));
}

TEST(Require, TakesTheVariablesOfTheImage) {
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  needs::Needs image;
  EXPECT_EQ(requirements_of(image), Pairs{});
  image.environment = {{"CUDA_VERSION", "12.4.1"}};
  EXPECT_EQ(requirements_of(image), (Pairs{{"CUDA_VERSION", "cuda>=12.4"}}));
  image.environment["NVIDIA_REQUIRE_JETPACK"] = "csv-mounts=all";
  image.environment["NVIDIA_REQUIRE_CUDA"] = "cuda>=12.1";
  image.environment["NVIDIA_REQUIRE_MINE"] = "arch>=8.0";
  EXPECT_EQ(requirements_of(image),
            (Pairs{{"NVIDIA_REQUIRE_CUDA", "cuda>=12.1"}, {"NVIDIA_REQUIRE_MINE", "arch>=8.0"}}));
  image.environment["NVIDIA_DISABLE_REQUIRE"] = "yes";
  EXPECT_EQ(requirements_of(image).size(), 2u) << "Go's ParseBool does not know 'yes'";
  image.environment["NVIDIA_DISABLE_REQUIRE"] = "1";
  EXPECT_EQ(requirements_of(image), Pairs{});
}

}  // namespace
}  // namespace flense::compat
