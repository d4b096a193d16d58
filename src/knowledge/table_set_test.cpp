#include "knowledge/table_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <fstream>

#include "knowledge/drivers.h"
#include "knowledge/tables.h"
#include "support/temp_dir.h"

namespace flense::knowledge {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

void write(const std::filesystem::path& path, std::string_view text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

OwnTables one(std::string_view name, std::string text) {
  return {{{std::string(name), fmt::format("/own/{}.json", name), std::move(text)}}};
}

TableSet laid(const OwnTables& own) {
  auto out = TableSet::load(own);
  EXPECT_TRUE(out.has_value()) << (out ? "" : out.error().message);
  return out ? *std::move(out) : TableSet();
}

std::string refusal(std::string_view name, std::string text) {
  const auto out = TableSet::load(one(name, std::move(text)));
  return out ? "taken" : out.error().message;
}

std::string toolkits(std::string_view rows) {
  return fmt::format(R"({{"toolkits": {{"rows": [{}]}}}})", rows);
}

TEST(TableSet, ARowReplacesTheOneOfItsKeyAndComesFirst) {
  const TableSet plain = laid({});
  const TableSet own = laid(one("cuda_driver", R"({"date": "2027-01", "toolkits": {"rows": [
      {"cuda": "12.4", "update": 0, "driver": "551.1"},
      {"cuda": "14.7", "update": 0, "driver": "777.1"}]}})"));
  const auto& before = plain.table("cuda_driver")["toolkits"]["rows"].items();
  const auto& after = own.table("cuda_driver")["toolkits"]["rows"].items();
  ASSERT_EQ(after.size(), before.size() + 1);
  EXPECT_EQ(after[0]["driver"].text(), "551.1");
  EXPECT_EQ(after[2], before[0]);
  const Drivers drivers = Drivers::read(own);
  EXPECT_EQ(drivers.floor_for_cuda("12.4"), "551.1");
  EXPECT_EQ(drivers.floor_for_cuda("12.4.1"), "550.54.15") << "the other rows of 12.4 stay";
  EXPECT_EQ(drivers.floor_for_cuda("14.7"), "777.1");
  EXPECT_EQ(own.table("cuda_driver")["branches"], plain.table("cuda_driver")["branches"]);
  EXPECT_EQ(own.laid().at(0).rows, 2u);
  EXPECT_EQ(own.laid().at(0).replacing, 1u);
}

TEST(TableSet, ARowIsNamedByItsOwnFileAndDate) {
  const TableSet own = laid(one("cuda_driver", R"({"date": "2027-01", "toolkits": {
      "confidence": "low", "source": "a colleague", "rows": [
      {"cuda": "14.7", "update": 0, "driver": "777.1"},
      {"cuda": "14.8", "update": 0, "driver": "778.1", "date": "2027-02", "confidence": "high"}]}})"));
  const Drivers drivers = Drivers::read(own);
  EXPECT_EQ(drivers.toolkit("14.7")->source,
            "cuda_driver.json, toolkits, CUDA 14.7 update 0 (2027-01, /own/cuda_driver.json, "
            "confidence low)");
  EXPECT_EQ(drivers.toolkit("14.8")->source,
            "cuda_driver.json, toolkits, CUDA 14.8 update 0 (2027-02, /own/cuda_driver.json)");
  EXPECT_EQ(drivers.toolkit("13.0")->source, Drivers::read(laid({})).toolkit("13.0")->source);
  EXPECT_EQ(own.state("cuda_driver"), "2026-11 and /own/cuda_driver.json");
}

TEST(TableSet, PlacesInTheirOrder) {
  const testing::TempDir directory;
  const auto driver = [](std::string_view cuda, std::string_view number) {
    return toolkits(fmt::format(R"({{"cuda": "{}", "update": 0, "driver": "{}"}})", cuda, number));
  };
  write(directory / "above/cuda_driver.json", driver("14.7", "777.1"));
  write(directory / "below/cuda_driver.json",
        toolkits(R"({"cuda": "14.7", "update": 0, "driver": "1.1"},
                    {"cuda": "14.8", "update": 0, "driver": "778.1"})"));
  const std::vector<TablePlace> places = {{directory / "above", "--data"},
                                          {directory / "below", "$FLENSE_DATA"},
                                          {directory / "of-the-system", {}}};
  const auto own = read_own_tables(places);
  ASSERT_TRUE(own.has_value()) << own.error().message;
  const Drivers drivers = Drivers::read(laid(*own));
  EXPECT_EQ(drivers.floor_for_cuda("14.7"), "777.1");
  EXPECT_EQ(drivers.floor_for_cuda("14.8"), "778.1");
  EXPECT_EQ(drivers.floor_for_cuda("12.4"), "550.54.14");
  const auto swapped = read_own_tables(std::array{places[1], places[0]});
  EXPECT_EQ(Drivers::read(laid(*swapped)).floor_for_cuda("14.7"), "1.1");
  EXPECT_NE(own->digest(), swapped->digest());
  EXPECT_EQ(OwnTables().digest(), "");
  EXPECT_FALSE(read_own_tables(std::array{TablePlace{directory / "nowhere", "--data"}}));
}

TEST(TableSet, WhereTablesAreLookedFor) {
  std::vector<std::string> found;
  for (const TablePlace& place : table_places("mine", "/site"))
    found.push_back(place.named_by + " " + place.directory.string());
  EXPECT_THAT(found, ElementsAre("--data mine", "$FLENSE_DATA /site", " /etc/flense/data",
                                 " /usr/share/flense/data"));
  EXPECT_EQ(table_places({}, "").size(), 2u);
}

TEST(TableSet, ARowOlderThanTheBuiltInOneIsTold) {
  const auto older = [](std::string_view date) {
    return age_notices(laid(one("cuda_driver", fmt::format(R"({{{}"toolkits": {{"rows": [
            {{"cuda": "14.7", "update": 0, "driver": "777.1"}},
            {{"cuda": "12.4", "update": 0, "driver": "551.1"}}]}}}})",
                                                           date))));
  };
  EXPECT_THAT(older(R"("date": "2026-05", )"),
              ElementsAre("/own/cuda_driver.json, toolkits, row 2 is of 2026-05 and stands for a "
                          "built-in one of 2026-11"));
  EXPECT_THAT(older(R"("date": "2026-11-02", )"), IsEmpty());
  EXPECT_THAT(older(""), IsEmpty());
  OwnTables two = one("cuda_driver", R"({"date": "2027-01", "toolkits": {"rows": [
      {"cuda": "12.4", "update": 0, "driver": "552.1"}]}})");
  two.files.push_back({"cuda_driver", "/top/cuda_driver.json", R"({"date": "2026-10", "toolkits": {
      "rows": [{"cuda": "12.4", "update": 0, "driver": "551.1"}]}})"});
  EXPECT_THAT(age_notices(laid(two)),
              ElementsAre(HasSubstr("/top/cuda_driver.json, toolkits, row 1")))
      << "over a newer file too, the built-in row counts";
}

TEST(TableSet, WhatIsExportedChangesNothing) {
  const TableSet plain = laid({});
  for (const std::string_view name : table_names()) {
    const TableSet own = laid(one(name, std::string(embedded_table(name))));
    EXPECT_THAT(age_notices(own), IsEmpty());
    ASSERT_EQ(own.laid().size(), 1u);
    EXPECT_EQ(own.laid()[0].rows, own.laid()[0].replacing) << name;
    for (const auto& [section, value] : plain.table(name).members())
      EXPECT_EQ(own.table(name)[section]["rows"].items().size(), value["rows"].items().size())
          << name << " " << section;
  }
}

TEST(TableSet, RefusesByFileAndRow) {
  EXPECT_THAT(refusal("cuda_driver", "[1]"), HasSubstr("/own/cuda_driver.json is a list"));
  EXPECT_THAT(refusal("cuda_driver", "{"), HasSubstr("/own/cuda_driver.json"));
  EXPECT_THAT(refusal("cuda_driver", R"({"tolkits": {}})"),
              HasSubstr("has a section 'tolkits', expected one of toolkits, minor_version"));
  EXPECT_THAT(refusal("cuda_driver", R"({"toolkits": []})"), HasSubstr("expected an object"));
  EXPECT_THAT(refusal("cuda_driver", R"({"toolkits": {"rows": {}}})"),
              HasSubstr("expected a list"));
  EXPECT_THAT(refusal("cuda_driver", R"({"toolkits": {"lines": []}})"), HasSubstr("'lines'"));
  EXPECT_THAT(refusal("cuda_driver", R"({"toolkits": {"key": ["cuda"]}})"),
              HasSubstr("the key of its rows is cuda, update"));
  EXPECT_THAT(refusal("cuda_driver", R"({"date": "soon"})"), HasSubstr("'soon', expected"));
  const std::string good = R"({"cuda": "14.7", "update": 0, "driver": "1.1"})";
  const std::string row = "/own/cuda_driver.json, toolkits, row 2 ";
  EXPECT_EQ(refusal("cuda_driver", toolkits(good)), "taken");
  for (const auto& [bad, why] : std::initializer_list<std::pair<const char*, const char*>>{
           {"7", "is a whole number, expected an object"},
           {R"({"cuda": "1", "update": 0})", "has no 'driver', which every row of toolkits has"},
           {R"({"cuda": "1", "update": "0", "driver": "1"})",
            "has text as 'update', expected a whole number"},
           {R"({"cuda": "1", "update": -1, "driver": "1"})",
            "has a negative or broken number as 'update', expected a whole number"},
           {R"({"cuda": null, "update": 1, "driver": "1"})", "has null as 'cuda', expected text"},
           {R"({"cuda": "1", "update": 1, "driver": "1", "drvier": "2"})",
            "has a member 'drvier', expected one of confidence, cuda, date, driver"},
           {R"({"cuda": "1", "update": 1, "driver": "1", "@from": "nowhere"})", "'@from'"},
           {R"({"cuda": "1", "update": 1, "driver": "1", "date": "2026"})", "has the date '2026'"},
           {R"({"cuda": "1", "update": 1, "driver": "1", "confidence": "sure"})",
            "has the confidence 'sure', expected high, medium or low"},
           {R"({"cuda": "14.7", "update": 0, "driver": "2.2"})",
            "has the same cuda, update as row 1"}}) {
    const std::string message = refusal("cuda_driver", toolkits(good + ", " + bad));
    EXPECT_TRUE(message.starts_with(row)) << message;
    EXPECT_THAT(message, HasSubstr(why));
  }
}

TEST(TableSet, RefusesArchitecturesThatNoRowMakesKnown) {
  const auto product = [](std::string_view architecture, std::string_view more) {
    return fmt::format(R"({{"products": {{"rows": [{{"name": "z900", "display": "Z900",
        "vendor": "nvidia", "architecture": "{}"}}]}}{}}})",
                       architecture, more);
  };
  EXPECT_EQ(refusal("gpu_arch", product("9.0", "")), "taken");
  EXPECT_THAT(refusal("gpu_arch", product("14.0", "")),
              HasSubstr("/own/gpu_arch.json, products, row 1 names the architecture '14.0'"));
  const auto made = [](std::string_view name, std::string_view vendor) {
    return fmt::format(
        R"(, "architectures": {{"rows": [{{"architecture": "{}", "vendor": "{}"}}]}})", name,
        vendor);
  };
  EXPECT_EQ(refusal("gpu_arch", product("14.0", made("14.0", "nvidia"))), "taken");
  EXPECT_EQ(refusal("gpu_arch", product("gfx1300", made("gfx1300", "amd"))), "taken");
  for (const char* name : {"sm_140", "14", "14.0a", "gfx1300", ""})
    EXPECT_THAT(refusal("gpu_arch", product(name, made(name, "nvidia"))),
                HasSubstr("architectures, row 1 makes"))
        << name;
  EXPECT_THAT(refusal("gpu_arch",
                      R"({"presets": {"rows": [{"name": "p", "architectures": ["9.0", "9.7"]}]}})"),
              HasSubstr("presets, row 1 names the architecture '9.7'"));
}

TEST(TableSet, OnlyTheTablesNamedAreReadAndOwnFilesOfOthersPass) {
  const testing::TempDir directory;
  write(directory / "gpu_arch.json",
        R"({"presets": {"rows": [{"name": "z", "architectures": []}]}})");
  write(directory / "rocm.json", "no JSON");
  constexpr auto kNames = std::to_array<std::string_view>({"gpu_arch"});
  const std::array places = {TablePlace{directory / ".", "--data"}};
  const auto own = read_own_tables(places, kNames);
  ASSERT_TRUE(own.has_value()) << own.error().message;
  const auto set = TableSet::load(*own, kNames);
  ASSERT_TRUE(set.has_value()) << set.error().message;
  EXPECT_EQ(set->table("gpu_arch")["presets"]["rows"].items()[0]["name"].text(), "z");
  EXPECT_TRUE(set->table("rocm").is_null());
  write(directory / "gpus.json", "{}");
  const auto unknown = read_own_tables(places, kNames);
  ASSERT_FALSE(unknown.has_value());
  EXPECT_THAT(unknown.error().hint, HasSubstr("cuda_driver"));
}

TEST(TableSet, RefusesFilesThatAreNoneOrTooLarge) {
  const testing::TempDir directory;
  std::filesystem::create_directory(directory / "rocm.json");
  EXPECT_THAT(read_own_table(directory / "rocm.json").error().message,
              HasSubstr("is not a regular file"));
  EXPECT_FALSE(read_own_table(directory / "glibc.json").has_value());
  EXPECT_THAT(read_own_table(directory / "lint_base.json").error().message,
              HasSubstr("is no table of flense"));
  write(directory / "budgets.json", "");
  std::filesystem::resize_file(directory / "budgets.json", 17u << 20);
  EXPECT_FALSE(read_own_table(directory / "budgets.json").has_value());
}

}  // namespace
}  // namespace flense::knowledge
