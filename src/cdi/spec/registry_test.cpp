#include "cdi/spec/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "cdi/spec/testing_spec.h"

namespace flense::cdi {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CdiRegistry : public ::testing::Test {
 protected:
  CdiRegistry() { std::filesystem::remove_all(dir_); }
  ~CdiRegistry() override { std::filesystem::remove_all(dir_); }

  void write(const std::string& path, const Spec& spec) const {
    ASSERT_TRUE(write_spec(spec, dir_ / path, Format::kJson));
  }
  void write_text(const std::string& path, std::string_view text) const {
    std::filesystem::create_directories((dir_ / path).parent_path());
    std::ofstream(dir_ / path) << text;
  }
  Registry read() const { return read_registry({dir_ / "etc", dir_ / "run", dir_ / "absent"}); }

  std::filesystem::path dir_ = std::filesystem::path(::testing::TempDir()) /
                               (std::string("flense-registry-") +
                                ::testing::UnitTest::GetInstance()->current_test_info()->name());
};

Spec spec_with(const std::string& env, const std::vector<std::string>& devices) {
  Spec spec;
  spec.kind = "vendor.com/gpu";
  for (const std::string& name : devices) {
    spec.devices.push_back({name, {}, {}});
    spec.devices.back().edits.env = {fmt::format("{}={}", name, env)};
  }
  spec.edits.env = {"FILE=" + env};
  return spec;
}

TEST_F(CdiRegistry, TheLaterDirectoryWins) {
  write("etc/a.json", spec_with("etc", {"one", "two"}));
  write("run/a.json", spec_with("run", {"one"}));
  const Registry registry = read();
  EXPECT_THAT(registry.problems, IsEmpty());
  EXPECT_THAT(registry.devices(), ElementsAre("vendor.com/gpu=one", "vendor.com/gpu=two"));
  const auto edits = registry.resolve({"vendor.com/gpu=one"});
  ASSERT_TRUE(edits);
  EXPECT_THAT(edits->env, ElementsAre("FILE=run", "one=run"));
}

TEST_F(CdiRegistry, EditsOfAFileComeOnceAndFirst) {
  write("etc/a.json", spec_with("a", {"one", "two"}));
  Spec other = spec_with("b", {"x"});
  other.kind = "vendor.com/net";
  write("etc/b.json", other);
  const auto edits = read().resolve(
      {"vendor.com/gpu=two", "vendor.com/net=x", "vendor.com/gpu=one", "vendor.com/gpu=two"});
  ASSERT_TRUE(edits);
  EXPECT_THAT(edits->env, ElementsAre("FILE=a", "two=a", "FILE=b", "x=b", "one=a"));
}

TEST_F(CdiRegistry, TwoFilesOfOneDirectoryLoseTheDevice) {
  write("etc/a.json", spec_with("a", {"one", "two"}));
  write("etc/b.json", spec_with("b", {"one"}));
  const Registry registry = read();
  EXPECT_THAT(registry.devices(), ElementsAre("vendor.com/gpu=two"));
  ASSERT_EQ(registry.problems.size(), 2U);
  EXPECT_EQ(registry.problems[0].path, dir_ / "etc/a.json");
  EXPECT_EQ(registry.problems[1].path, dir_ / "etc/b.json");
  const auto edits = registry.resolve({"vendor.com/gpu=one"});
  ASSERT_FALSE(edits);
  EXPECT_THAT(render(edits.error()), HasSubstr("b.json as well"));
  // A directory above decides it.
  write("run/c.json", spec_with("c", {"one"}));
  const auto above = read().resolve({"vendor.com/gpu=one"});
  ASSERT_TRUE(above);
  EXPECT_THAT(above->env, ElementsAre("FILE=c", "one=c"));
}

TEST_F(CdiRegistry, OtherFilesArePassedOver) {
  write("etc/a.json", spec_with("a", {"one"}));
  write_text("etc/b.yml", "not read");
  write_text("etc/deeper/c.json", "not read");
  write_text("etc/d.json", "{");
  write_text("etc/e.yaml", "kind: x\n");
  std::filesystem::create_directories(dir_ / "etc/f.json");
  const Registry registry = read();
  EXPECT_THAT(registry.devices(), ElementsAre("vendor.com/gpu=one"));
  ASSERT_EQ(registry.problems.size(), 3U);
  EXPECT_THAT(registry.problems[0].message, HasSubstr("not valid JSON"));
  EXPECT_THAT(registry.problems[1].message, HasSubstr("cdiVersion"));
  EXPECT_THAT(registry.problems[2].message, HasSubstr("not a regular file"));
}

TEST_F(CdiRegistry, AnUnknownNameIsToldTheNearest) {
  write("etc/a.json", spec_with("a", {"one"}));
  const Registry registry = read();
  const auto slip = registry.resolve({"vendor.com/gpu=onne"});
  ASSERT_FALSE(slip);
  EXPECT_EQ(slip.error().code, Code::kEnvironment);
  EXPECT_EQ(slip.error().hint, "did you mean vendor.com/gpu=one?");
  EXPECT_EQ(registry.resolve({"gpu0"}).error().code, Code::kUsage);
  EXPECT_FALSE(registry.resolve({"vendor.com/gpu=one", "vendor.com/gpu=9999999"}));
}

TEST_F(CdiRegistry, AnUnresolvedNameSaysWhatWasLookedAt) {
  write("etc/a.json", spec_with("a", {"one"}));
  write_text("run/broken.json", "{");
  const auto none = read().resolve({"foo.com/gpu=1"});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Code::kEnvironment);
  EXPECT_THAT(none.error().message,
              AllOf(HasSubstr("there is no CDI device foo.com/gpu=1 in "),
                    HasSubstr((dir_ / "etc").string() + " (a.json), "),
                    HasSubstr((dir_ / "run").string() + " (no specification), "),
                    HasSubstr((dir_ / "absent").string() + " (missing); passed over: "),
                    HasSubstr((dir_ / "run/broken.json").string() + " (")));
  for (int i = 0; i < 20; ++i) {
    Spec spec = spec_with("x", {"one"});
    spec.kind = fmt::format("v{}.com/gpu", i);
    write(fmt::format("etc/b{}.json", i), spec);
  }
  EXPECT_THAT(read().looked_at(), HasSubstr(" and 13 more)"));
  // Who could have created it depends on the vendor.
  const Registry empty = read_registry({dir_ / "absent"});
  EXPECT_THAT(empty.resolve({"foo.com/gpu=1"}).error().hint, HasSubstr("vendor's own tool"));
  EXPECT_THAT(empty.resolve({"nvidia.com/gpu=1"}).error().hint, HasSubstr("cdi generate"));
}

TEST_F(CdiRegistry, WhatOthersMayWriteIsNotRead) {
  write("etc/a.json", spec_with("a", {"one"}));
  write("run/b.json", spec_with("b", {"one", "two"}));
  const auto mode = [&](const char* path, mode_t bits) {
    ASSERT_EQ(::chmod((dir_ / path).c_str(), bits), 0);
  };
  const auto engines = [&] { return read_registry({dir_ / "etc", dir_ / "run"}, Trust::kAnybody); };
  EXPECT_EQ(read().resolve({"vendor.com/gpu=one"}).value().env.front(), "FILE=b");
  mode("run/b.json", 0664);
  EXPECT_EQ(read().resolve({"vendor.com/gpu=one"}).value().env.front(), "FILE=a");
  const auto two = read().resolve({"vendor.com/gpu=two"});
  ASSERT_FALSE(two);
  EXPECT_THAT(two.error().message,
              HasSubstr((dir_ / "run/b.json").string() + " (has mode 0664: others may write it)"));
  EXPECT_EQ(engines().resolve({"vendor.com/gpu=one"}).value().env.front(), "FILE=b");
  mode("run/b.json", 0644);
  mode("run", 0777);
  EXPECT_EQ(read().resolve({"vendor.com/gpu=one"}).value().env.front(), "FILE=a");
  ASSERT_EQ(read().problems.size(), 1U);
  EXPECT_EQ(read().problems.front().path, dir_ / "run");
  EXPECT_EQ(engines().resolve({"vendor.com/gpu=one"}).value().env.front(), "FILE=b");
  mode("run", 0755);
  if (::geteuid() != 0) return;
  ASSERT_EQ(::chown((dir_ / "run/b.json").c_str(), 12345, 0), 0);
  EXPECT_THAT(read().resolve({"vendor.com/gpu=two"}).error().message,
              HasSubstr("b.json (belongs to user 12345"));
}

TEST(CdiDirectories, AreTheUsersToo) {
  using Paths = std::vector<std::filesystem::path>;
  const std::map<std::string, std::string, std::less<>> set = {{"HOME", "/home/u"},
                                                               {"XDG_RUNTIME_DIR", "/run/user/1"}};
  const auto variable = [&](std::string_view name) -> std::optional<std::string> {
    const auto at = set.find(name);
    return at == set.end() ? std::nullopt : std::optional(at->second);
  };
  EXPECT_EQ(spec_directories(false, variable), (Paths{"/etc/cdi", "/var/run/cdi"}));
  EXPECT_EQ(spec_directories(true, variable),
            (Paths{"/etc/cdi", "/var/run/cdi", "/home/u/.config/cdi", "/run/user/1/cdi"}));
  EXPECT_EQ(
      spec_directories(true, [](std::string_view) { return std::optional<std::string>("."); }),
      (Paths{"/etc/cdi", "/var/run/cdi"}));
}

}  // namespace
}  // namespace flense::cdi
