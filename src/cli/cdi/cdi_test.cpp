// The actions of flense cdi share one list of options: one name has to mean the same in all of
// them.
#include "cli/cdi/cdi.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "cli/shared/command.h"

namespace flense::cli {
namespace {

using ::testing::HasSubstr;

struct Outcome {
  int status = 0;
  std::string out, err;
};

Outcome call(const std::vector<std::string>& args) {
  StringSink out, err;
  Io io{Screen(out), Screen(err), 0, {}};
  const int status = std::get<int>(run(args, io));
  return {status, out.take(), err.take()};
}

TEST(CdiActions, AgreeOnTheirOptions) {
  std::map<std::string, Option, std::less<>> known;
  for (const Command* action : cdi_actions())
    for (const Option& option : action->call().options.all) {
      const auto [at, first] = known.emplace(option.name, option);
      EXPECT_EQ(at->second.short_name, option.short_name) << action->name << option.name;
      EXPECT_EQ(at->second.value, option.value) << action->name << option.name;
      EXPECT_EQ(at->second.repeatable, option.repeatable) << action->name << option.name;
      EXPECT_EQ(at->second.choices.data(), option.choices.data()) << action->name << option.name;
    }
}

TEST(CdiActions, EachIsInTheHelpWithAnExample) {
  const std::string help = call({"help", "cdi"}).out;
  for (const Command* action : cdi_actions()) {
    EXPECT_THAT(help, HasSubstr(fmt::format("\n  {} ", action->name)));
    EXPECT_THAT(help, HasSubstr(fmt::format("\n  flense cdi {}", action->name)));
    EXPECT_THAT(help, HasSubstr(action->help));
    EXPECT_THAT(call({"completion", "bash"}).out, HasSubstr(action->name));
  }
}

TEST(CdiActions, OthersOptionsAreRefused) {
  const Outcome outcome = call({"cdi", "list", "--rootless"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("--rootless belongs to cdi apply"));
  EXPECT_EQ(call({"cdi"}).status, 2);
  EXPECT_EQ(call({"cdi", "list", "x"}).status, 2);
  EXPECT_EQ(call({"cdi", "apply"}).status, 2);
  EXPECT_THAT(call({"cdi", "instal"}).err, HasSubstr("did you mean flense cdi install?"));
}

}  // namespace
}  // namespace flense::cli
