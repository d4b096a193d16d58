#include "report/images/slim_report.h"

#include <gtest/gtest.h>

#include "report/testing_schema.h"
#include "slim/apply/provenance.h"
#include "slim/apply/testing_image.h"
#include "slim/plan/labels.h"

namespace flense::report {
namespace {

using slim::Action;
using slim::testing::pass_of;

/// One of everything, so that no member of the schemas goes unseen.
slim::Plan full_plan() {
  slim::Plan out;
  out.input = "docker-archive:app.tar";
  out.input_digest = "sha256:in";
  out.targets.cuda = {{90, device::CudaArch::Variant::kPlain}};
  out.targets.amd = {"gfx942"};
  out.layers.resize(2);
  out.layers[0].digest = "sha256:a";
  out.layers[0].content_bytes = 5'000;
  out.layers[0].edits = {
      {1, {Action::kDrop, pass_of("apt-lists"), "var/lib/apt/lists/x", {}, 100, 0}},
      {2, {Action::kRewrite, slim::kDeviceCode, "usr/lib/libone.so", {}, 900, 400}},
      {3, {Action::kRename, pass_of("conda-pkgs"), "opt/conda/pkgs/a", "opt/conda/lib/a", 70, 70}},
      {4, {Action::kMoved, pass_of("conda-pkgs"), "opt/conda/lib/a", {}, 0, 0}},
      {5, {Action::kRetarget, pass_of("conda-pkgs"), "opt/conda/lib/b", "opt/conda/lib/a", 0, 0}}};
  out.layers[1].digest = "sha256:b";
  out.left_alone = {{"usr/lib/libtwo.so", 30, "it has no section headers"}};
  out.passes = {{slim::kDeviceCode, 1, 500, false}, {pass_of("apt-lists"), 1, 100, true}};
  out.bolder = {{"best-fit", 12}};
  out.notices = {"build files stay"};
  return out;
}

slim::SlimOutcome full_outcome() {
  slim::SlimOutcome out;
  out.changed = true;
  out.manifest_digest = "sha256:out";
  out.layers = {{"RUN pip", "sha256:a", "sha256:c", 4'000, 3'000, 6'000, 5'400},
                {"COPY app", "sha256:b", "sha256:b", 10, 10, 20, 20}};
  out.bytes_by_pass = {{slim::kDeviceCode, 480}, {pass_of("apt-lists"), 100}};
  out.left_alone = {{"usr/lib/libthree.so", 5, "the output did not prove itself"}};
  out.notices = {"something to know"};
  return out;
}

std::vector<std::string> complaints(const text::Json& document, const std::string& name) {
  const std::string path = std::string(FLENSE_SOURCE_DIR) + "/docs/schemas/" + name + ".json";
  const auto schema = text::parse_json(testing::read_whole(path), path);
  if (!schema) return {render(schema.error())};
  return testing::SchemaChecker(*schema).check(document);
}

const std::vector<std::string> kNone;

TEST(SlimDocuments, ConformToTheirSchemas) {
  const slim::Plan plan = full_plan();
  const slim::SlimOutcome outcome = full_outcome();
  const SlimReport report{plan, &outcome, "oci:out", 6'020, 5'420, true};
  slim::SlimOptions options;
  options.cuts.targets = plan.targets;
  options.cuts.keep = {"opt/**"};
  EXPECT_EQ(complaints(slim::to_json(plan), "plan-v1"), kNone);
  EXPECT_EQ(complaints(slim_json(report, outcome), "slim-v1"), kNone);
  options.cuts.recompress = device::CodeCompression::kSize;
  const slim::DriverFloor floor{"580.65.06", "550.54.14", "cuda_driver 2026-11"};
  EXPECT_EQ(complaints(slim::provenance(plan, options, outcome, "oci:out", floor), "provenance-v1"),
            kNone);
  const auto marker = text::parse_json(slim::marker_file(options).text, "marker");
  ASSERT_TRUE(marker);
  EXPECT_EQ(complaints(*marker, "marker-v1"), kNone);
  // A member that is not in the schema is detected.
  EXPECT_EQ(complaints(slim::to_json(plan).set("surprise", 1), "plan-v1").size(), 1U);
}

TEST(SlimJson, FiguresAreThoseReached) {
  const slim::Plan plan = full_plan();
  const slim::SlimOutcome outcome = full_outcome();
  const SlimReport report{plan, &outcome, "oci:out", 6'020, 5'420, true};
  const text::Json json = slim_json(report, outcome);
  EXPECT_EQ(json["passes"].items().at(0)["bytes"].unsigned_or(0), 480U);
  EXPECT_EQ(json["left_alone"].items().size(), 2U);
  EXPECT_EQ(json["notices"].items().size(), 2U);
  EXPECT_EQ(json["output_digest"].text(), "sha256:out");
  EXPECT_EQ(slim::to_json(plan)["bytes"].unsigned_or(0), 600U);
}

TEST(SlimText, SaysWhatIsDoneAndWhatIsPlanned) {
  const slim::Plan plan = full_plan();
  const slim::SlimOutcome outcome = full_outcome();
  const std::string done = slim_text(SlimReport{plan, &outcome, "oci:out", 6'020, 5'420, true}, {});
  for (const char* word : {"sm_90", "standard", "device-code", "looks beyond one layer",
                           "same digest", "libtwo.so", "libthree.so", "best-fit",
                           "notice: something to know", "passing", "written: oci:out  sha256:out"})
    EXPECT_NE(done.find(word), std::string::npos) << word << "\n" << done;
  const std::string planned = slim_text(SlimReport{plan, nullptr, {}, 6'020, 5'420, false}, {});
  EXPECT_NE(planned.find("planned"), std::string::npos);
  EXPECT_EQ(planned.find("written"), std::string::npos);
  const std::string quiet =
      slim_text(SlimReport{plan, &outcome, "oci:out", 6'020, 5'420, true}, {.quiet = true});
  for (const char* word : {"6.0 kB -> 5.4 kB", "notice: something to know", "written: oci:out"})
    EXPECT_NE(quiet.find(word), std::string::npos) << word << "\n" << quiet;
  for (const char* word : {"REASON", "LAYER", "libtwo.so", "best-fit"})
    EXPECT_EQ(quiet.find(word), std::string::npos) << word << "\n" << quiet;
}

}  // namespace
}  // namespace flense::report
