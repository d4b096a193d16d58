#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/format/sarif.h"
#include "report/hosts/names.h"
#include "report/testing_schema.h"
#include "report/verdicts/json.h"
#include "report/verdicts/text.h"

namespace flense::report {
namespace {

using compat::Check;
using compat::HostVerdict;
using compat::Verdict;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

Check check(std::string id, Verdict verdict, std::string message) {
  return {std::move(id),
          verdict,
          std::move(message),
          {{"host", "driver 550 in /proc"}},
          verdict == Verdict::kOk ? "" : "install a newer driver",
          "cuda_driver, 2026-11",
          true};
}

HostVerdict host(std::string name, std::vector<Check> checks) {
  HostVerdict out{std::move(name), "docker", "docker is installed", compat::worst(checks),
                  std::move(checks)};
  return out;
}

HostVerdict good(std::string name) {
  return host(std::move(name),
              {check("driver-cuda", Verdict::kOk, "driver 550.54.15 runs CUDA 12.4 natively"),
               check("libc", Verdict::kOk, "glibc 2.35 has what the driver's libraries ask for"),
               check("device-code", Verdict::kOk, "every library has code for 9.0")});
}

HostVerdict bad(std::string name) {
  return host(std::move(name),
              {check("driver-cuda", Verdict::kFail, "CUDA 12.4 needs driver 525.60.13"),
               check("device-code", Verdict::kOk, "every library has code for 9.0")});
}

TEST(HostNames, FoldsNumbersAsSlurmDoes) {
  EXPECT_EQ(folded_names({"a"}), "a");
  EXPECT_EQ(folded_names({"n001", "n002", "n003", "n010"}), "n[001-003,010]");
  EXPECT_EQ(folded_names({"n9", "n10", "n11"}), "n[9-11]");
  EXPECT_EQ(folded_names({"n099", "n100"}), "n[099,100]");
  EXPECT_EQ(folded_names({"n09", "n9"}), "n[9,09]");
  EXPECT_EQ(folded_names({"g1.site.org", "g2.site.org", "g1.other.org"}),
            "g[1,2].site.org, g1.other.org");
  EXPECT_EQ(folded_names({"ip-10-0-5-7.ec2.internal", "ip-10-0-5-8.ec2.internal"}),
            "ip-10-0-5-[7,8].ec2.internal");
  EXPECT_EQ(folded_names({"gpu", "gpu1", "gpu2", "gpu"}), "gpu, gpu[1,2]");
  EXPECT_EQ(folded_names({"n99999999999999999999"}), "n99999999999999999999");
  EXPECT_EQ(folded_names({"a", "b", "c", "d1", "d2"}, 2), "a, b and 3 more");
  EXPECT_EQ(folded_names({""}), "(no name)");
}

TEST(VerdictText, OneOkHostSaysWhyInOneLine) {
  const std::vector<HostVerdict> hosts = {good("gpu-7")};
  EXPECT_EQ(verdict_text("image.tar", hosts, {}),
            "image.tar on gpu-7 by docker: ok\n"
            "  driver 550.54.15 runs CUDA 12.4 natively; every library has code for 9.0\n");
  const std::string all = verdict_text("image.tar", hosts, {{}, true});
  EXPECT_THAT(all, HasSubstr("ok  libc: glibc 2.35"));
  EXPECT_THAT(all, HasSubstr("host: driver 550 in /proc"));
  EXPECT_THAT(all, HasSubstr("source: cuda_driver, 2026-11"));
}

TEST(VerdictText, OnlyWhatMattersOfAHostThatFails) {
  const std::vector<HostVerdict> hosts = {bad("this")};
  EXPECT_EQ(verdict_text("image.tar", hosts, {}),
            "image.tar on this machine by docker: fail\n"
            "  fail  driver-cuda: CUDA 12.4 needs driver 525.60.13\n"
            "    fix: install a newer driver\n");
}

TEST(VerdictText, UnknownsThatDecideNothingShareALine) {
  HostVerdict one = bad("n");
  one.launcher_reason = "--launcher";
  for (const char* id : {"platform", "cpu-level"}) {
    Check open = one.checks[0];
    open.id = id;
    open.verdict = Verdict::kUnknown;
    open.decisive = false;
    one.checks.push_back(open);
  }
  const std::vector<HostVerdict> hosts = {one};
  EXPECT_EQ(verdict_text("i", hosts, {}),
            "i on n by docker: fail\n"
            "  fail  driver-cuda: CUDA 12.4 needs driver 525.60.13\n"
            "    fix: install a newer driver\n"
            "  warn  platform, cpu-level: unknown, not decisive (--all tells what is missing)\n");
  const std::string all = verdict_text("i", hosts, {{}, true});
  EXPECT_THAT(all, HasSubstr("by docker (--launcher): fail"));
  EXPECT_THAT(all, HasSubstr("  unknown  cpu-level: "));
}

TEST(VerdictText, EqualHostsAreOneGroupWorstFirst) {
  std::vector<HostVerdict> hosts;
  for (int i = 1; i <= 412; ++i) hosts.push_back(good(fmt::format("a100-{:03}", i)));
  for (int i = 1; i <= 64; ++i) hosts.push_back(bad(fmt::format("h100-{:03}", i)));
  hosts[3].checks[0].message = "driver 570.26 runs CUDA 12.4 natively";
  const std::string text = verdict_text("i", hosts, {});
  EXPECT_EQ(text,
            "i on 476 hosts: 64 fail, 412 ok\n"
            "\nh100-[001-064] (64 hosts) by docker: fail\n"
            "  fail  driver-cuda: CUDA 12.4 needs driver 525.60.13\n"
            "    fix: install a newer driver\n"
            "\na100-[001-412] (412 hosts) by docker: ok\n"
            "  411: driver 550.54.15 runs CUDA 12.4 natively; every library has code for 9.0\n"
            "  1: driver 570.26 runs CUDA 12.4 natively; every library has code for 9.0\n");
}

TEST(VerdictText, OtherLaunchersAndMessagesAreOtherGroups) {
  std::vector<HostVerdict> hosts = {bad("n1"), bad("n2"), bad("n3"), bad("n4")};
  hosts[1].launcher = "podman";
  hosts[2].checks[0].message = "another";
  EXPECT_THAT(verdict_text("i", hosts, {}), HasSubstr("n[1,4] (2 hosts)"));
}

TEST(VerdictText, NothingIsNoPass) {
  EXPECT_THAT(verdict_text("i", {}, {}), HasSubstr("no host"));
  const std::vector<HostVerdict> empty = {host("n", {})};
  EXPECT_THAT(verdict_text("i", empty, {}), HasSubstr("unknown\n  nothing could be checked"));
}

TEST(VerdictText, HostileNamesAreHarmless) {
  std::vector<HostVerdict> hosts = {bad("n\x1b[2J\n1"), bad("n\x1b[2J\n2"), good("")};
  hosts[0].checks[0].message = hosts[1].checks[0].message = "a\x1b]0;x\x07 | <b> [x](y)\nz";
  for (const bool all : {false, true})
    EXPECT_THAT(verdict_text("t\x1b", hosts, {{}, all}), Not(HasSubstr("\x1b")));
  const std::string markdown = verdict_markdown("t|\n", hosts);
  EXPECT_THAT(markdown, Not(HasSubstr("\x1b")));
  EXPECT_THAT(markdown, HasSubstr("\\| \\<b\\> \\[x\\](y)\\\\x0az"));
}

TEST(VerdictMarkdown, OneRowForEachGroupAndCheck) {
  const std::vector<HostVerdict> hosts = {good("n1"), bad("n2"), good("n3")};
  EXPECT_EQ(verdict_markdown("i", hosts),
            "### i: 1 fail, 2 ok\n\n"
            "| Hosts | Launcher | Verdict | Check | What | Fix |\n|---|---|---|---|---|---|\n"
            "| n2 | docker | fail | driver-cuda | CUDA 12.4 needs driver 525.60.13 | install a "
            "newer driver |\n"
            "| n\\[1,3\\] (2 hosts) | docker | ok |  | driver 550.54.15 runs CUDA 12.4 natively; "
            "every library has code for 9.0 |  |\n");
}

TEST(VerdictJson, ConformsToItsSchema) {
  const std::string path = std::string(FLENSE_SOURCE_DIR) + "/docs/schemas/verdict-v1.json";
  const auto schema = text::parse_json(testing::read_whole(path), path);
  ASSERT_TRUE(schema) << render(schema.error());
  testing::SchemaChecker checker(*schema);
  const std::vector<HostVerdict> hosts = {good("n1"), bad("n2"), host("n3", {})};
  const text::Json json = verdict_json("image.tar", hosts);
  EXPECT_THAT(checker.check(json), IsEmpty());
  EXPECT_EQ(json["verdict"].text(), "fail");
  EXPECT_EQ(json["hosts"].items()[2]["verdict"].text(), "unknown");
  EXPECT_EQ(verdict_json("i", {})["verdict"].text(), "unknown");
}

TEST(Sarif, FindingsReferToTheirRules) {
  std::vector<HostVerdict> hosts = {good("n1"), bad("n2"), bad("n3")};
  hosts[2].checks[0].verdict = Verdict::kUnknown;
  hosts[2].verdict = Verdict::kUnknown;
  const std::vector<SarifRule> rules = {{"other", "never found", ""}};
  const text::Json log = sarif_log(verdict_findings("docker://org/image:1.0", hosts), rules);
  EXPECT_EQ(log["version"].text(), "2.1.0");
  const text::Json& run = log["runs"].items()[0];
  ASSERT_EQ(run["results"].items().size(), 2u);
  const text::Json& first = run["results"].items()[0];
  EXPECT_EQ(first["level"].text(), "error");
  EXPECT_THAT(std::string(first["message"]["text"].text()), HasSubstr("n2: CUDA 12.4 needs"));
  const auto& listed = run["tool"]["driver"]["rules"].items();
  ASSERT_EQ(listed.size(), 2u);
  EXPECT_EQ(listed[first["ruleIndex"].unsigned_or(9)]["id"], first["ruleId"]);
  const text::Json& second = run["results"].items()[1];
  EXPECT_EQ(second["level"].text(), "warning");
  EXPECT_EQ(second["properties"]["verdict"].text(), "unknown");
  EXPECT_NE(first["partialFingerprints"], second["partialFingerprints"]);
  EXPECT_TRUE(sarif_log({})["runs"].items()[0]["results"].is_array());
}

TEST(Sarif, PlacesAreUris) {
  EXPECT_EQ(uri_of("docker://org/image:1.0"), "docker://org/image:1.0");
  EXPECT_EQ(uri_of("pytorch:2.4"), "pytorch%3A2.4");
  EXPECT_EQ(uri_of("a b/c#d?e%\n"), "a%20b/c%23d%3Fe%25%0A");
  SarifFinding finding;
  finding.rule = "r";
  finding.artifact = "Dockerfile";
  finding.line = 3;
  const std::vector<SarifFinding> findings = {finding};
  const text::Json log = sarif_log(findings);
  const text::Json& place = log["runs"].items()[0]["results"].items()[0]["locations"].items()[0];
  EXPECT_EQ(place["physicalLocation"]["region"]["startLine"].unsigned_or(0), 3u);
}

}  // namespace
}  // namespace flense::report
