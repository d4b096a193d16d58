// The command line in-process: what main() would do, with strings for streams.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/version.h"
#include "cli/shared/command.h"
#include "cli/shared/suggest.h"
#include "image/layers/testing_image.h"

namespace flense::cli {
namespace {

struct Outcome {
  int status = 0;
  std::string out, err;
};

struct Terminal {
  bool out = false;
  unsigned columns = 100;
};

Outcome call(const std::vector<std::string>& args,
             std::map<std::string, std::string, std::less<>> environment = {},
             Terminal terminal = {}) {
  StringSink out, err;
  Io io{Screen(out, terminal.out), Screen(err), terminal.columns,
        [&](std::string_view name) -> std::optional<std::string> {
          const auto at = environment.find(name);
          if (at == environment.end()) return std::nullopt;
          return at->second;
        }};
  const int status = std::get<int>(run(args, io));
  return {status, out.take(), err.take()};
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// A one-layer docker-archive of known content.
class CliTest : public ::testing::Test {
 protected:
  CliTest() {
    using namespace image::fixture;
    Tar tar;
    tar.file("etc/os-release", "ID=debian\nPRETTY_NAME=\"Debian 12\"\n");
    tar.file("var/lib/apt/lists/x", std::string(4000, 'x'));
    write_file(archive_path(),
               tar_of(docker_files({{tar.bytes(), Compression::kNone, "RUN x"}}, "app:1")));
  }
  std::string archive_path() const { return (dir_ / "app.tar").string(); }
  image::fixture::TempDir dir_;
};

TEST_F(CliTest, HelpAndVersion) {
  EXPECT_EQ(call({"--version"}).out, fmt::format("flense {}\n", kVersion));
  const Outcome overview = call({"help"});
  EXPECT_EQ(overview.status, 0);
  EXPECT_EQ(call({"--help"}).out, overview.out);
  EXPECT_EQ(call({"-h"}).out, overview.out);
  for (const Command* command : commands()) {
    EXPECT_TRUE(has(overview.out, command->name)) << command->name;
    const Outcome help = call({"help", std::string(command->name)});
    EXPECT_EQ(help.status, 0);
    EXPECT_EQ(call({std::string(command->name), "--help"}).out, help.out);
    for (const Option& option : all_options(*command))
      EXPECT_TRUE(has(help.out, option.name)) << option.name;
  }
}

TEST_F(CliTest, EveryCommandIsComplete) {
  for (const Command* command : commands()) {
    EXPECT_FALSE(command->group.empty()) << command->name;
    EXPECT_FALSE(command->summary.empty()) << command->name;
    EXPECT_FALSE(command->summary.ends_with('.')) << command->name;
    EXPECT_FALSE(command->help.empty()) << command->name;
    EXPECT_TRUE(command->call != nullptr) << command->name;
    EXPECT_EQ(command->positionals.empty(), command->max_positionals == 0) << command->name;
    for (const Option& option : all_options(*command)) {
      EXPECT_TRUE(option.name.starts_with("--")) << option.name;
      EXPECT_FALSE(option.help.empty()) << option.name;
      EXPECT_FALSE(option.help.ends_with('.')) << option.name;
    }
  }
}

TEST_F(CliTest, WithoutACommandTheyAreShown) {
  const Outcome outcome = call({});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_TRUE(has(outcome.err, "Usage: flense COMMAND")) << outcome.err;
}

TEST_F(CliTest, WrongUsageIsStatusTwoWithAHint) {
  const struct {
    std::vector<std::string> args;
    const char* says;
  } kCases[] = {
      {{"inspct", "x"}, "did you mean flense inspect?"},
      {{"frobnicate"}, "flense help lists the commands"},
      {{"--vesion"}, "unknown option '--vesion'"},
      {{"help", "inspet"}, "did you mean flense help inspect?"},
      {{"inspect"}, "inspect needs TARGET"},
      {{"inspect", "a", "b"}, "no use for 'b'"},
      {{"inspect", "--jsn", "x"}, "did you mean --json?"},
      {{"inspect", "--jsn=1", "x"}, "unknown option '--jsn'"},
      {{"inspect", "--max", "x"}, "did you mean --max-"},
      {{"inspect", "x", "--gpu"}, "--gpu"},
      {{"inspect", "x", "--gpu", ""}, "--gpu"},
      {{"inspect", "x", "--gpu", "h100,"}, "an empty word stands for a GPU in 'h100,'"},
      {{"inspect", "x", "--gpu", "h1000"}, "h100"},
      {{"inspect", "x", "--level", "brutal"}, "safe, standard, aggressive"},
      {{"inspect", "x", "--level", "standrd"}, "did you mean standard?"},
      {{"inspect", "x", "--max-size", "many"}, "'many' is not a size"},
      {{"inspect", "docker-achive:app.tar"}, "did you mean docker-archive:app.tar?"},
      {{"completion", "tcsh"}, "bash, zsh and fish"},
      {{"explain", "driver-cude"}, "did you mean driver-cuda"},
      {{"explain", "zzzzzzzzzzzz"}, "flense explain lists the checks"},
      {{"cache", "clear"}, "ls, prune or verify"},
      {{"cache", "ls", "--all"}, "--all belongs to cache prune"},
  };
  for (const auto& one : kCases) {
    const Outcome outcome = call(one.args);
    EXPECT_EQ(outcome.status, 2) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_TRUE(outcome.err.starts_with("error: ")) << outcome.err;
    EXPECT_TRUE(has(outcome.err, one.says)) << outcome.err << " lacks " << one.says;
  }
}

TEST_F(CliTest, InspectPrintsTextAndJson) {
  const Outcome text = call({"inspect", archive_path()});
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_EQ(text.err, "");
  EXPECT_TRUE(has(text.out, "Debian 12")) << text.out;
  EXPECT_TRUE(has(text.out, "apt-lists")) << text.out;
  const Outcome json = call({"inspect", "--json", archive_path()});
  const auto parsed = text::parse_json(json.out, "output");
  ASSERT_TRUE(parsed) << json.out;
  EXPECT_EQ((*parsed)["schema"].text(), "flense/inventory/v1");
  EXPECT_EQ((*parsed)["tags"].items()[0].text(), "app:1");
  // Options after the target, and "--" before it, mean the same.
  EXPECT_EQ(call({"inspect", archive_path(), "--json"}).out, json.out);
  EXPECT_EQ(call({"inspect", "--json", "--", archive_path()}).out, json.out);
}

TEST_F(CliTest, CachedInspectSaysTheSameAndThatItIsCached) {
  const std::map<std::string, std::string, std::less<>> environment = {
      {"FLENSE_CACHE", (dir_ / "cache").string()}};
  const std::vector<std::string> ask = {"inspect", "--json", "--no-verify", archive_path()};
  // Kept are only layers that were verified; --no-verify then takes what the digests name.
  const auto json = [&](const std::vector<std::string>& args) {
    const Outcome outcome = call(args, environment);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return *text::parse_json(outcome.out, "output");
  };
  const text::Json read = json({"inspect", "--json", archive_path()});
  EXPECT_EQ(read["reading"], *text::parse_json(R"({"cached_layers":0,"verified":true})", ""));
  text::Json cached = json(ask);
  EXPECT_EQ(cached["reading"]["cached_layers"].unsigned_or(0), 1U);
  EXPECT_FALSE(cached["reading"]["verified"].bool_or(true));
  EXPECT_EQ(cached["layers"], read["layers"]);
  EXPECT_EQ(cached["largest_files"], read["largest_files"]);
  EXPECT_TRUE(has(call({"inspect", "--no-verify", archive_path()}, environment).out,
                  "1 of 1 layers from the cache"));
  std::vector<std::string> anew = ask;
  anew.emplace_back("--no-cache");
  EXPECT_EQ(json(anew)["reading"]["cached_layers"].unsigned_or(9), 0U);
  // Without a place there is no cache, and only -v talks about it.
  const Outcome nowhere = call({"inspect", archive_path()});
  EXPECT_EQ(nowhere.err, "");
  EXPECT_EQ(call({"cache", "ls"}).status, 4);
}

TEST_F(CliTest, CacheListsPrunesAndVerifies) {
  const std::map<std::string, std::string, std::less<>> environment = {
      {"FLENSE_CACHE", (dir_ / "cache").string()}};
  EXPECT_EQ(call({"inspect", archive_path()}, environment).status, 0);
  const Outcome list = call({"cache", "ls"}, environment);
  EXPECT_EQ(list.status, 0) << list.err;
  EXPECT_TRUE(has(list.out, "LAST USE")) << list.out;
  EXPECT_TRUE(has(list.out, archive_path())) << list.out;
  const Outcome sound = call({"cache", "verify"}, environment);
  EXPECT_EQ(sound.status, 0);
  EXPECT_TRUE(has(sound.out, " 0 damaged")) << sound.out;
  for (const auto& item : std::filesystem::directory_iterator(dir_ / "cache/inventories"))
    image::fixture::write_file(item.path(), "noise");
  EXPECT_EQ(call({"cache", "verify"}, environment).status, 1);
  EXPECT_EQ(call({"cache", "prune", "--older-than", "1w"}, environment).status, 0);
  EXPECT_TRUE(has(call({"cache", "prune", "--all"}, environment).out, "removed "));
  EXPECT_TRUE(has(call({"cache", "ls"}, environment).out, ": 0 inventories"));
}

TEST_F(CliTest, BudgetsSetTheStatus) {
  EXPECT_EQ(call({"inspect", archive_path(), "--max-size", "1GiB"}).status, 0);
  const Outcome over = call({"inspect", archive_path(), "--max-size=1kB", "--max-waste", "0"});
  EXPECT_EQ(over.status, 1);
  EXPECT_TRUE(has(over.out, "budget-size")) << over.out;
  EXPECT_FALSE(has(over.out, "budget-waste")) << over.out;
  EXPECT_EQ(call({"inspect", archive_path(), "--max-layer", "10", "--json"}).status, 1);
}

TEST_F(CliTest, BadInputIsStatusThree) {
  const Outcome missing = call({"inspect", (dir_ / "absent.tar").string()});
  EXPECT_GE(missing.status, 3) << missing.err;
  EXPECT_LE(missing.status, 4) << missing.err;
  image::fixture::write_file(dir_ / "noise", "this is no image");
  const Outcome noise = call({"inspect", (dir_ / "noise").string()});
  EXPECT_EQ(noise.status, 3) << noise.err;
  EXPECT_TRUE(noise.err.starts_with("error: "));
}

TEST_F(CliTest, ColoursOnlyOnTerminals) {
  const auto coloured = [&](std::map<std::string, std::string, std::less<>> environment,
                            bool terminal, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"inspect", archive_path()});
    return has(call(more, std::move(environment), {terminal, 100}).out, "\x1b[");
  };
  EXPECT_FALSE(coloured({}, false));
  EXPECT_TRUE(coloured({}, true));
  EXPECT_FALSE(coloured({{"NO_COLOR", "1"}}, true));
  EXPECT_TRUE(coloured({{"NO_COLOR", ""}}, true));
  EXPECT_FALSE(coloured({{"TERM", "dumb"}}, true));
  EXPECT_FALSE(coloured({}, true, {"--no-color"}));
}

TEST_F(CliTest, CompletionsNameEveryCommandAndOption) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const Outcome script = call({"completion", shell});
    EXPECT_EQ(script.status, 0);
    for (const Command* command : commands()) {
      EXPECT_TRUE(has(script.out, command->name)) << shell;
      for (const Option& option : all_options(*command))
        EXPECT_TRUE(has(script.out, option.name.substr(2))) << shell << " " << option.name;
    }
  }
}

TEST_F(CliTest, ExplainsChecksAndErrors) {
  const Outcome all = call({"explain"});
  EXPECT_EQ(all.status, 0) << all.err;
  EXPECT_TRUE(has(all.out, "vendor-mismatch")) << all.out;
  const Outcome error = call({"explain", "no", "kernel", "image"});
  EXPECT_EQ(error.status, 0) << error.err;
  EXPECT_TRUE(has(error.out, "CUDA 209")) << error.out;
  EXPECT_TRUE(has(error.out, "device-code")) << error.out;
  for (std::string_view rest = error.out; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    EXPECT_LE(line.size(), 140U) << line;  // a title may be longer than the paragraphs
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
  }
  const auto json = text::parse_json(call({"explain", "804", "--json"}).out, "output");
  ASSERT_TRUE(json);
  EXPECT_EQ((*json)["schema"].text(), "flense/explain/v1");
  ASSERT_EQ((*json)["explanations"].items().size(), 1U);
  EXPECT_EQ((*json)["explanations"].items()[0]["checks"].items()[0].text(), "forward-compat");
}

TEST_F(CliTest, ExplainsByTheUsersOwnRows) {
  image::fixture::write_file(
      dir_ / "errors.json",
      R"({"errors": {"rows": [{"id": "site-quota", "api": "site", "messages": ["gpu quota gone"],
                                 "cause": "the project's share is used up", "fix": "ask"}]}})");
  const std::string data = (dir_ / "errors.json").parent_path().string();
  EXPECT_EQ(call({"explain", "gpu quota gone"}).status, 2);
  const Outcome own = call({"explain", "--data", data, "gpu quota gone"});
  EXPECT_EQ(own.status, 0) << own.err;
  EXPECT_TRUE(has(own.out, "share is used up")) << own.out;
  EXPECT_TRUE(has(own.out, data)) << "the source names the file";
  image::fixture::write_file(dir_ / "errors.json", "{");
  EXPECT_EQ(call({"explain", "--data", data, "804"}).status, 3);
}

TEST_F(CliTest, TheUsersOwnRowsAreSeenByEachCommandWithData) {
  const auto table = [&](const char* name, const std::string& text) {
    image::fixture::write_file(dir_ / "tables" / name, text);
  };
  std::filesystem::create_directories(dir_ / "tables");
  table("gpu_arch.json", R"({"products": {"rows": [{"name": "z900", "display": "Z900",
      "architecture": "9.0", "vendor": "nvidia", "aliases": []}]}})");
  table("instances.json", R"({"types": {"rows": [{"provider": "aws", "type": "z9.large",
      "gpu": "z900", "count": 2, "memory_gib": 96, "cpu": "x86_64"}]}})");
  table("cuda_driver.json",
        R"({"branches": {"rows": [{"branch": 777, "cuda_native": "14.7", "type": "NFB"}]}})");
  table("errors.json",
        R"({"errors": {"rows": [{"id": "site-quota", "api": "site", "messages": ["gpu quota gone"],
      "cause": "the project's share is used up", "fix": "ask"}]}})");
  image::fixture::write_file(dir_ / "Dockerfile", "FROM debian:12\n");
  const std::string data = (dir_ / "tables").string(), file = (dir_ / "Dockerfile").string(),
                    made = (dir_ / "made").string();
  const std::string described = "z900@777.10.01", instance = "aws:z9.large@777.10.01";
  const std::vector<std::vector<std::string>> commands = {
      {"host", "--host", described},
      {"host", "--host", instance},
      {"check", "--host", described, archive_path()},
      {"diff", "--host", described, archive_path(), archive_path()},
      {"lint", "--host", described, file},
      {"init", "--host", instance, "-o", made, "--dry-run", "cuda-cpp"},
      {"init", "--gpu", "z900", "--driver", "777.10.01", "-o", made, "--dry-run", "cuda-cpp"},
      {"doctor", "--message", "gpu quota gone"}};
  for (std::vector<std::string> args : commands) {
    const std::string words = fmt::format("{}", fmt::join(args, " "));
    const Outcome without = call(args);
    EXPECT_TRUE(without.status == 2 || without.status == 5) << words << without.err;
    args.insert(args.begin() + 1, {"--data", data});
    const Outcome with = call(args);
    EXPECT_TRUE(with.status != 2 && with.err.empty()) << words << "\n" << with.err;
    if (args.front() == "doctor") EXPECT_TRUE(has(with.out, "share is used up")) << with.out;
    if (args.front() == "host") EXPECT_TRUE(has(with.out, "14.7")) << with.out;
  }
}

TEST_F(CliTest, AnEmptyValueIsAnUnsetVariable) {
  for (const auto& args : std::vector<std::vector<std::string>>{
           {"init", "--host=", "--list"}, {"init", "--gpu=", "--list"}, {"host", "--json="}}) {
    const Outcome empty = call(args);
    EXPECT_EQ(empty.status, 2) << args[1];
    EXPECT_TRUE(has(empty.err, args[1].substr(0, args[1].size() - 1) + " has an empty value"))
        << empty.err;
    EXPECT_TRUE(has(empty.err, "is a shell variable unset?")) << empty.err;
  }
  EXPECT_EQ(call({"doctor", "--env=A=", "--message", "x"}).status, 2) << "--message takes no --env";
  EXPECT_FALSE(has(call({"doctor", "--env=A=", "--message", "x"}).err, "empty"));
}

TEST_F(CliTest, HelpOfAnActionIsThatOfItsCommand) {
  const Outcome cdi = call({"help", "cdi"}), action = call({"help", "cdi", "generate"});
  EXPECT_EQ(action.status, 0) << action.err;
  EXPECT_EQ(action.out, cdi.out);
  EXPECT_EQ(call({"help", "cdi", "nothing"}).status, 2);
  EXPECT_EQ(call({"help", "inspect", "generate"}).status, 2);
}

TEST_F(CliTest, RepeatedOptions) {
  const Outcome json = call({"inspect", archive_path(), "--json", "--gpu", "sm_90,sm_80", "--gpu",
                             "9.0", "--level", "safe", "--level", "aggressive"});
  ASSERT_EQ(json.status, 0) << json.err;
  const auto parsed = text::parse_json(json.out, "output");
  ASSERT_TRUE(parsed);
  ASSERT_EQ((*parsed)["targets"]["cuda"].items().size(), 2U);
  EXPECT_EQ((*parsed)["targets"]["cuda"].items()[0].text(), "sm_80");
  EXPECT_EQ((*parsed)["level"].text(), "aggressive");
}

TEST(Suggest, Distances) {
  EXPECT_EQ(edit_distance("abc", "abc"), 0U);
  EXPECT_EQ(edit_distance("abc", "acb"), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  const std::string_view known[] = {"inspect", "slim", "--max-size"};
  EXPECT_EQ(nearest("slmi", known), "slim");
  EXPECT_EQ(nearest("--max", known), "--max-size");
  EXPECT_EQ(nearest("zebra", known), "");
  EXPECT_EQ(nearest("", known), "");
}

}  // namespace
}  // namespace flense::cli
