#include <gtest/gtest.h>

#include "inventory/compare/budget.h"
#include "report/format/findings.h"
#include "report/format/table.h"
#include "report/images/device_matrix.h"
#include "report/images/inventory_json.h"
#include "report/images/inventory_text.h"
#include "report/testing_schema.h"
#include "slim/apply/testing_image.h"

namespace flense::report {
namespace {

using inventory::Inventory;

/// One of everything, so that no member of the schema goes unseen.
Inventory full_inventory() {
  Inventory out;
  out.target = "docker-archive:app.tar";
  out.form = "docker-archive";
  out.platform = "linux/amd64";
  out.tags = {"app:1"};
  out.size_bytes = 2'000'000'000;
  out.unpacked_bytes = 5'000'000'000;
  out.waste_bytes = 1'000'000;
  out.files = 1234;
  inventory::LayerFacts layer;
  layer.digest = "sha256:a";
  layer.compression = "gzip";
  layer.size_bytes = 2'000'000'000;
  layer.unpacked_bytes = 5'000'000'000;
  layer.instruction = "RUN pip install torch";
  out.layers = {layer, layer};
  const inventory::ArchCount sm80{"nvidia", "cubin", "sm_80", 3, 1'500'000, {}, 0};
  const inventory::ArchCount sm90{"nvidia", "cubin", "sm_90a", 2, 12'000'000, {}, 0};
  const inventory::ArchCount ptx{"nvidia", "ptx", "compute_90", 1, 4'000, {}, 0};
  inventory::PruneSummary prune;
  prune.output_size = 9;
  prune.bytes = {{device::Reason::kServesTarget, 5}, {device::Reason::kDropPtx, 7}};
  out.device_code.files = {{"usr/lib/libone.so", 0, 90'000'000, 14'000'000, 4, {sm80, sm90}, prune},
                           {"usr/lib/libtwo.so", 1, 1'000'000, 5'000, 1, {ptx}, {}}};
  out.device_code.totals = {sm80, sm90, ptx};
  out.device_code.device_bytes = 14'005'000;
  out.runtimes = {{"CUDA runtime", "12.4.127", "usr/lib/libcudart.so.12.4.127"}};
  out.packages = {{{"pip", "torch", "2.4.0"}, "torch.dist-info/METADATA"}};
  out.largest_files = {{"usr/lib/libone.so", 90'000'000, 0}};
  out.largest_directories = {{"usr/lib", 91'000'000, 0}};
  out.wasted_files = {{"opt/old", 1'000'000, 0, 1, true}, {"opt/o", 1, 0, 1, false}};
  out.base_flavour = {
      inventory::Flavour::kRuntime,
      {{inventory::Flavour::kRuntime, "libcublas.so.12", "usr/bin/app", "DT_NEEDED"}}};
  out.notices = {"something to know"};
  return out;
}

/// The same as `flense inspect` has it.
struct Full {
  Inventory inventory = full_inventory();
  slim::Plan plan = [] {
    slim::Plan out;
    out.targets.cuda = {{90, device::CudaArch::Variant::kPlain}};
    out.targets.amd = {"gfx942"};
    out.layers.resize(1);
    out.layers[0].edits[0] = {.action = slim::Action::kRewrite,
                              .pass = slim::kDeviceCode,
                              .path = "usr/lib/libone.so",
                              .bytes_before = 2'000'000,
                              .bytes_after = 500'000,
                              .shares = {.code = 1'500'000}};
    out.passes = {{slim::kDeviceCode, 1, 1'500'000, false}};
    out.held_back = {{"usr/include/a.h", 70, "triton compiles", slim::testing::pass_of("headers")}};
    return out;
  }();
  std::vector<inventory::BudgetResult> budgets =
      inventory::check_budgets(inventory, {{1'000'000}, {9'000'000'000}, {}, {}});
  Inspection inspection{inventory, plan, budgets};
};

TEST(InventoryJson, ConformsToItsSchema) {
  const std::string path = std::string(FLENSE_SOURCE_DIR) + "/docs/schemas/inventory-v1.json";
  const auto schema = text::parse_json(testing::read_whole(path), path);
  ASSERT_TRUE(schema) << render(schema.error());
  testing::SchemaChecker checker(*schema);
  EXPECT_EQ(checker.check(inventory_json(Full().inspection)), std::vector<std::string>{});
  EXPECT_EQ(checker.check(inventory_json(Inspection{{}, {}, {}})), std::vector<std::string>{});
  // The checker itself: a wrong type, a missing and an unknown member are seen.
  text::Json broken = inventory_json(Full().inspection);
  broken.set("size_bytes", "large").set("surprise", 1);
  broken.erase("layers");
  EXPECT_EQ(checker.check(broken).size(), 4U);
}

TEST(InventoryJson, SurvivesReparsing) {
  const text::Json json = inventory_json(Full().inspection);
  const auto again = text::parse_json(text::dump_json(json, 2), "test");
  ASSERT_TRUE(again);
  EXPECT_EQ((*again)["device_code"]["totals"].items().size(), 3U);
  EXPECT_EQ((*again)["unpacked_bytes"].unsigned_or(0), 5'000'000'000U);
  EXPECT_EQ((*again)["budgets"].items()[0]["finding"]["rule"].text(), "budget-size");
}

TEST(InventoryText, ShowsEverySection) {
  const std::string text = inventory_text(Full().inspection, {});
  for (const char* word : {"docker-archive:app.tar",
                           "2.0 GB packed, 5.0 GB unpacked, 1.0 MB wasted",
                           "LAYERS",
                           "RUN pip install torch",
                           "DEVICE CODE",
                           "sm_80",
                           "sm_90a",
                           "ptx_90",
                           "usr/lib/libone.so",
                           "RUNTIMES",
                           "12.4.127",
                           "PACKAGES",
                           "1 pip",
                           "LARGEST FILES",
                           "LARGEST DIRECTORIES",
                           "WASTED FILES",
                           "SMALLEST CUDA BASE IMAGE",
                           "runtime suffices",
                           "COULD BE CUT",
                           "1.5 MB at level standard for sm_90",
                           "kept: triton compiles",
                           "BUDGETS",
                           "budget-size",
                           "NOTICES",
                           "something to know"})
    EXPECT_NE(text.find(word), std::string::npos) << word << "\n" << text;
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(InventoryText, QuietKeepsTheEssential) {
  InventoryTextOptions options;
  options.quiet = true;
  const std::string text = inventory_text(Full().inspection, options);
  EXPECT_EQ(text.find("LAYERS"), std::string::npos);
  EXPECT_NE(text.find("budget-size"), std::string::npos);
}

TEST(InventoryText, LinesFitTheTerminal) {
  for (const unsigned columns : {60U, 80U, 120U}) {
    InventoryTextOptions options;
    options.style.columns = columns;
    options.style.mark.clear();
    Full full;
    Inventory& inventory = full.inventory;
    inventory.layers[0].instruction = std::string(500, 'i');
    inventory.largest_files[0].path = "usr/" + std::string(300, 'p') + "/end.so";
    full.budgets.clear();
    inventory.base_flavour = {};
    inventory.device_code.files[0].path = "usr/" + std::string(300, 'p') + "/end.so";
    const std::string text = inventory_text(full.inspection, options);
    std::size_t begin = 0;
    while (begin < text.size()) {
      const std::size_t end = text.find('\n', begin);
      const std::string line = text.substr(begin, end - begin);
      if (!line.starts_with("docker-archive:") && line.starts_with("  ")) {
        EXPECT_LE(display_width(line), columns) << line;
      }
      begin = end + 1;
    }
    EXPECT_NE(text.find("end.so"), std::string::npos);  // the end of a path distinguishes it
  }
}

TEST(InventoryText, HostileNamesAreHarmless) {
  Full full;
  Inventory& inventory = full.inventory;
  inventory.largest_files[0].path = "a\x1b[31mred\nnext";
  inventory.target = "t\x1b]0;x";
  inventory.notices = {"n\x1b[2J"};
  EXPECT_EQ(inventory_text(full.inspection, {}).find('\x1b'), std::string::npos);
}

TEST(DeviceMatrix, ColumnsOrList) {
  const Inventory inventory = full_inventory();
  Style wide, narrow;
  narrow.columns = 50;
  const std::string matrix = device_matrix(inventory.device_code, 1, wide);
  EXPECT_NE(matrix.find("2 files"), std::string::npos);
  EXPECT_EQ(matrix.find("libtwo"), std::string::npos);
  const std::string list = device_matrix(inventory.device_code, 0, narrow);
  EXPECT_NE(list.find("sm_80 sm_90a"), std::string::npos) << list;
  EXPECT_NE(list.find("libtwo"), std::string::npos);
}

TEST(Table, AlignsAndTrims) {
  Table table(
      {{"N", Align::kRight, Column::Flex::kNone}, {"NAME", Align::kLeft, Column::Flex::kEnd}});
  table.add({"1", "a"});
  table.add({"200", "ünïcödé"});
  EXPECT_EQ(table.text({}), "    N  NAME\n    1  a\n  200  ünïcödé\n");
  Style style;
  style.columns = 12;
  EXPECT_EQ(table.text(style), "    N  NAME\n    1  a\n  200  ünïcödé\n");
  Table narrow({{"NAME", Align::kLeft, Column::Flex::kPath}});
  narrow.add({"abcdefghijklmnopqrstuvwxyz"});
  style.columns = 16;
  EXPECT_EQ(narrow.text(style), "  NAME\n  abcdefghi…wxyz\n");
}

TEST(Table, ReasonsAreToldInFull) {
  Table table({{"SIZE", Align::kRight, Column::Flex::kNone},
               {"FILE", Align::kLeft, Column::Flex::kPath},
               {"WHY", Align::kLeft, Column::Flex::kWrap}});
  table.add({"1", "usr/lib/x.so", "nobody knows what the bytes behind the last entry are"});
  Style style;
  style.columns = 60;
  EXPECT_EQ(table.text(style),
            "  SIZE  FILE          WHY\n"
            "     1  usr/lib/x.so  nobody knows what the bytes behind the\n"
            "                      last entry are\n");
  style.columns = 40;
  EXPECT_EQ(table.text(style),
            "  SIZE  FILE\n"
            "     1  usr/lib/x.so\n"
            "    nobody knows what the bytes behind\n"
            "    the last entry are\n");
}

TEST(Style, PaintsWhereThereIsAMark) {
  Style colour;
  colour.mark = "\x1b[";
  EXPECT_EQ(colour.paint(Ink::kRed, "x"), "\x1b[31mx\x1b[0m");
  EXPECT_EQ(Style{}.paint(Ink::kRed, "x"), "x");
}

}  // namespace
}  // namespace flense::report
