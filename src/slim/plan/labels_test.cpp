#include "slim/plan/labels.h"

#include <gtest/gtest.h>

#include <map>

#include "knowledge/testing_tables.h"

namespace flense::slim {
namespace {

SlimOptions options() {
  SlimOptions out;
  out.cuts.targets.cuda = {{90, device::CudaArch::Variant::kPlain}};
  return out;
}

TEST(SlimConfig, KeepsEverythingElse) {
  const auto before = text::parse_json(
      R"({"architecture":"amd64","config":{"Env":["A=b"],"Labels":{"x":"y"}},
          "rootfs":{"type":"layers","diff_ids":["sha256:old"]},"history":[{"created_by":"RUN"}]})",
      "config");
  ASSERT_TRUE(before);
  const text::Json after =
      slim_config(*before, {"sha256:new"}, options(), {"525.60.13", ""}, "sha256:in");
  EXPECT_EQ(after["architecture"].text(), "amd64");
  EXPECT_EQ(after["config"]["Env"], (*before)["config"]["Env"]);
  EXPECT_EQ(after["config"]["Labels"]["x"].text(), "y");
  EXPECT_EQ(after["config"]["Labels"][kLabelTargets].text(), "sm_90");
  EXPECT_EQ(after["config"]["Labels"][kLabelDriverFloor].text(), "525.60.13");
  EXPECT_EQ(after["rootfs"]["diff_ids"].items().at(0).text(), "sha256:new");
  EXPECT_EQ(after["history"], (*before)["history"]);
  EXPECT_FALSE(already_labelled(*before, options()));
  EXPECT_TRUE(already_labelled(after, options()));
  SlimOptions other = options();
  other.cuts.level = device::Level::kSafe;
  EXPECT_FALSE(already_labelled(after, other));
}

TEST(SlimConfig, SaysByWhatItWasMadeAndIsReadBack) {
  Plan first;
  first.passes = {{kDeviceCode, 3, 9000, false}, {kGpuFiles, 1, 10, false}};
  const DriverFloor floor{"550.54.15", "", "cuda_driver 2026-11, gpu_arch 2026-11"};
  const text::Json once =
      slim_config(text::Json::object(), {}, options(), floor, "sha256:in", first);
  const auto read = [](const text::Json& config) {
    std::map<std::string, std::string> labels;
    for (const auto& [name, value] : config["config"]["Labels"].members())
      labels.emplace(name, value.text());
    return inventory::mark_of_labels(labels).value_or(inventory::SlimMark());
  };
  const inventory::SlimMark mark = read(once);
  EXPECT_EQ(mark.rules, (std::vector<std::string>{"device-code", "gpu-files"}));
  EXPECT_EQ(mark.input_digest, "sha256:in");
  EXPECT_EQ(mark.driver_floor, "550.54.15");
  EXPECT_TRUE(inventory::origin_of(mark).starts_with("sha256:in, at standard, by flense "));
  EXPECT_TRUE(inventory::origin_of(mark).ends_with("tables cuda_driver 2026-11, gpu_arch 2026-11"));
  Plan second;
  second.passes = {{kEqualFiles, 2, 20, false}};
  EXPECT_EQ(read(slim_config(once, {}, options(), floor, "sha256:once", second)).rules,
            (std::vector<std::string>{"device-code", "equal-files", "gpu-files"}))
      << "what the first run took is still missing";
  EXPECT_EQ(inventory::origin_of({}), "an image that it does not name");
}

TEST(SlimConfig, NamesTheTracesAndKeepsTheirWord) {
  SlimOptions traced = options();
  traced.traced.sources = {{"python3 app.py", "", 1200, 34}, {"", "gpu.trace", 56, 0}};
  const text::Json after = slim_config(text::Json::object(), {}, traced, {}, "sha256:in");
  EXPECT_EQ(after["config"]["Labels"][kLabelTraced].text(),
            "python3 app.py (1234 paths); gpu.trace (56 paths)");
  EXPECT_TRUE(already_labelled(after, traced));
  traced.traced.decide = true;
  EXPECT_FALSE(already_labelled(after, traced)) << "fewer packages would stay";
  EXPECT_TRUE(already_labelled(after, options()));
  traced.traced.sources.pop_back();
  EXPECT_FALSE(already_labelled(after, traced));
  const text::Json again = slim_config(after, {}, options(), {}, "sha256:in");
  EXPECT_EQ(again["config"]["Labels"][kLabelTraced], after["config"]["Labels"][kLabelTraced]);
}

TEST(DriverFloor, NewestRuntimeRules) {
  EXPECT_EQ(driver_floor(knowledge::test_tables().drivers, {}, false).driver, "");
  const std::string twelve = driver_floor(knowledge::test_tables().drivers, {"12.4"}, false).driver;
  EXPECT_FALSE(twelve.empty());
  EXPECT_EQ(driver_floor(knowledge::test_tables().drivers, {"12.4", "11.8"}, false).driver, twelve);
  EXPECT_EQ(driver_floor(knowledge::test_tables().drivers, {"12.4"}, false).code, "");
}

TEST(DriverFloor, CodeCompressedAnewHasAFloorOfItsOwn) {
  const std::string twelve = driver_floor(knowledge::test_tables().drivers, {"12.4"}, false).driver;
  EXPECT_EQ(driver_floor(knowledge::test_tables().drivers, {"11.8"}, true).driver, twelve);
  EXPECT_EQ(driver_floor(knowledge::test_tables().drivers, {"11.8"}, true).code, twelve);
  const DriverFloor thirteen = driver_floor(knowledge::test_tables().drivers, {"13.0"}, true);
  EXPECT_NE(thirteen.driver, twelve) << "the runtime's is newer";
  EXPECT_EQ(thirteen.code, twelve);
}

TEST(SlimConfig, SaysWhatWasCompressedAnew) {
  const auto before =
      text::parse_json(R"({"config":{"Labels":{"dev.flense.code-driver-floor":"1"}}})", "config");
  ASSERT_TRUE(before);
  EXPECT_EQ(slim_config(*before, {}, options(), {}, "")["config"]["Labels"].find(kLabelCodeFloor),
            nullptr);
  SlimOptions packed = options();
  packed.cuts.recompress = device::CodeCompression::kSize;
  const text::Json after = slim_config(*before, {}, packed, {"580.65.06", "550.54.14"}, "");
  EXPECT_EQ(after["config"]["Labels"][kLabelCodeFloor].text(), "550.54.14");
  EXPECT_EQ(after["config"]["Labels"][kLabelRecompressed].text(), "size");
  EXPECT_TRUE(already_labelled(after, packed));
  EXPECT_FALSE(already_labelled(after, options()));
  EXPECT_NE(marker_file(packed).text, marker_file(options()).text);
}

TEST(Marker, DependsOnOptionsAlone) {
  EXPECT_EQ(marker_file(options()).text, marker_file(options()).text);
  SlimOptions other = options();
  other.cuts.keep_ptx = true;
  EXPECT_NE(marker_file(options()).text, marker_file(other).text);
}

}  // namespace
}  // namespace flense::slim
