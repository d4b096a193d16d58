// flense data: the tables that verdicts lean on, where their rows are from, and files over them.
#include <algorithm>
#include <array>
#include <cerrno>

#include "base/clock.h"
#include "base/file.h"
#include "base/printable.h"
#include "base/version.h"
#include "cli/shared/command.h"
#include "cli/shared/common.h"
#include "knowledge/tables.h"
#include "report/format/table.h"
#include "scaffold/write.h"

namespace flense::cli {

namespace {

using text::Json;

constexpr std::string_view kDataHelp =
    R"(Facts that no image tells (which driver runs which CUDA, what GPUs are called, what the builds of
frameworks hold) come from tables inside the program. Files NAME.json in these directories lie over
them, row by row; what comes first wins:
  --data DIR, $FLENSE_DATA, /etc/flense/data, /usr/share/flense/data
A row of a file replaces the row below that has the same key, and comes before all others.

ACTION is one of
  status              lists the tables: rows, date, and which files lie over them
  export DIR          writes the built-in tables there, to be edited
  validate FILE|DIR…  checks files as loading them would, and says file and row

Exit status: 0 fine, 1 a file is refused (validate), 2 wrong usage, 3 bad input, 4 environment.

Examples:
  flense data status
  flense data export tables
  flense data validate tables
  flense check app.tar --host h100@550.54.15 --data tables)";

constexpr std::array<std::string_view, 3> kDataActions = {"status", "export", "validate"};

struct DataRequest : TableRequest {
  bool json = false, force = false;
};

void declare(Options& options, DataRequest& request) {
  options.flag("--json", "status, validate: print JSON (schema flense/data/v1)", request.json);
  options.flag("--force", "export: replace files that are there", request.force);
  add_data(options, request);
}

Json data_document(std::string_view action) {
  return Json::object()
      .set("schema", "flense/data/v1")
      .set("flense", kVersion)
      .set("action", action);
}

Result<void> print_data(Io& io, const Json& json) {
  return write_text(io, text::dump_json(json, 2) + "\n");
}

std::uint64_t rows_of(const Json& table) {
  std::uint64_t out = 0;
  for (const auto& [name, section] : table.members()) out += section["rows"].items().size();
  return out;
}

Json or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

Json laid_json(const knowledge::LaidTable& laid) {
  Json older = Json::array();
  for (const knowledge::LaidTable::Older& one : laid.older)
    older.push(Json::object()
                   .set("section", one.section)
                   .set("row", std::uint64_t{one.row})
                   .set("date", one.date)
                   .set("built_in", one.built_in));
  return Json::object()
      .set("path", laid.path.string())
      .set("table", laid.table)
      .set("date", or_null(laid.date))
      .set("rows", std::uint64_t{laid.rows})
      .set("replacing", std::uint64_t{laid.replacing})
      .set("older", std::move(older));
}

/// "3 rows, 1 instead of one below".
std::string row_counts(const knowledge::LaidTable& laid) {
  return fmt::format("{} rows, {} of them instead of one below", laid.rows, laid.replacing);
}

std::string age_of(const std::string& date) {
  const unsigned months =
      knowledge::months_between(date, utc_time(wall_clock() / 1'000'000'000).substr(0, 7));
  return date.empty() ? "" : months == 0 ? "new" : fmt::format("{} months", months);
}

Result<int> show_status(const DataRequest& request, Io& io) {
  TRY(const knowledge::Knowledge known, tables_of(request, io));
  const knowledge::TableSet& tables = known.tables;
  const auto places = knowledge::table_places(request.data, io.variable("FLENSE_DATA"));
  const auto found = [](const knowledge::TablePlace& place) {
    std::error_code ignored;
    return std::filesystem::is_directory(place.directory, ignored);
  };
  if (request.json) {
    Json out = data_document("status"), looked = Json::array(), list = Json::array();
    for (const knowledge::TablePlace& place : places)
      looked.push(Json::object()
                      .set("directory", place.directory.string())
                      .set("named_by", or_null(place.named_by))
                      .set("found", found(place)));
    for (const std::string_view name : knowledge::table_names()) {
      Json files = Json::array();
      for (const knowledge::LaidTable& laid : tables.laid())
        if (laid.table == name) files.push(laid_json(laid));
      list.push(Json::object()
                    .set("name", name)
                    .set("date", tables.table(name)["date"])
                    .set("rows", rows_of(tables.table(name)))
                    .set("files", std::move(files)));
    }
    out.set("places", std::move(looked)).set("tables", std::move(list));
    TRY_DO(print_data(io, out));
    return 0;
  }
  report::Table table({{"TABLE", report::Align::kLeft, report::Column::Flex::kNone},
                       {"ROWS", report::Align::kRight, report::Column::Flex::kNone},
                       {"DATE", report::Align::kLeft, report::Column::Flex::kNone},
                       {"AGE", report::Align::kRight, report::Column::Flex::kNone},
                       {"FROM", report::Align::kLeft, report::Column::Flex::kWrap}});
  for (const std::string_view name : knowledge::table_names()) {
    const std::string date(tables.table(name)["date"].text());
    table.add({std::string(name), fmt::format("{}", rows_of(tables.table(name))), date,
               age_of(date), "built in"});
    for (const knowledge::LaidTable& laid : tables.laid())
      if (laid.table == name)
        table.add({"", fmt::format("{}", laid.rows), laid.date, age_of(laid.date),
                   fmt::format("{}: {}", laid.path.string(), row_counts(laid))});
  }
  std::string out;
  for (const knowledge::TablePlace& place : places)
    out += fmt::format("{}{}\n", printable(place.directory.string()),
                       found(place) ? "" : ": not there");
  TRY_DO(write_report(io, out + "\n" + table.text(output_style(request, io))));
  return 0;
}

Result<int> export_tables(const DataRequest& request, Io& io) {
  if (request.words.size() != 2)
    return fail(Code::kUsage, "data export needs one DIR").hint("flense data export DIR");
  std::vector<scaffold::ProjectFile> files;
  for (const std::string_view name : knowledge::table_names())
    files.push_back({fmt::format("{}.json", name), std::string(knowledge::embedded_table(name))});
  const auto there = scaffold::files_in_the_way(files, request.words.back());
  if (!there.empty() && !request.force)
    return fail(Code::kEnvironment, "there already: {}", fmt::join(there, ", "))
        .hint("--force replaces them; nothing was written");
  TRY_DO(scaffold::write_project(files, request.words.back(), true));
  TRY_DO(write_text(
      io, fmt::format("wrote {} tables in {}\n", files.size(), printable(request.words.back()))));
  return 0;
}

/// The file over the built-in table alone.
Result<knowledge::LaidTable> laid_of(const std::filesystem::path& path) {
  TRY(knowledge::OwnTable file, knowledge::read_own_table(path));
  const std::string name = file.name;
  const std::array<std::string_view, 1> names = {name};
  TRY(const knowledge::TableSet tables, knowledge::TableSet::load({{std::move(file)}}, names));
  return tables.laid().front();
}

Result<int> validate_tables(const DataRequest& request, Io& io) {
  if (request.words.size() < 2)
    return fail(Code::kUsage, "data validate needs a FILE or DIR")
        .hint("flense data validate FILE");
  std::vector<std::filesystem::path> paths;
  for (std::size_t i = 1; i < request.words.size(); ++i) {
    const std::filesystem::path word = request.words[i];
    // Opening a named pipe would wait for its writer.
    if (!file_identity(word)) return unreachable(errno, word);
    std::error_code ignored;
    if (!std::filesystem::is_directory(word, ignored)) {
      paths.push_back(word);
      continue;
    }
    TRY(const auto inside, knowledge::list_tables({word, "validate"}));
    paths.insert(paths.end(), inside.begin(), inside.end());
  }
  Json files = Json::array();
  std::string out;
  bool refused = false;
  for (const std::filesystem::path& path : paths) {
    const Result<knowledge::LaidTable> laid = laid_of(path);
    refused |= !laid;
    if (!request.json)
      out += (laid ? fmt::format("{}: {}", printable(path.string()), row_counts(*laid))
                   : "refused: " + printable(laid.error().message)) +
             "\n";
    else if (laid)
      files.push(laid_json(*laid).set("problem", Json()));
    else
      files.push(Json::object().set("path", path.string()).set("problem", laid.error().message));
  }
  TRY_DO(request.json ? print_data(io, data_document("validate").set("files", std::move(files)))
                      : write_report(io, out));
  return refused ? 1 : 0;
}

Result<int> run_data(const DataRequest& request, Io& io) {
  const std::string& action = request.words.front();
  if (std::ranges::find(kDataActions, action) == kDataActions.end())
    return fail(Code::kUsage, "data has no action '{}'", action).hint("status, export or validate");
  if (request.force && action != "export")
    return fail(Code::kUsage, "--force belongs to data export");
  if (request.data && action != "status")
    return fail(Code::kUsage, "--data belongs to data status");
  if (request.json && action == "export")
    return fail(Code::kUsage, "--json belongs to data status and data validate");
  if (action == "export") return export_tables(request, io);
  if (action == "validate") return validate_tables(request, io);
  if (request.words.size() > 1)
    return fail(Code::kUsage, "data status has no use for '{}'", request.words[1]);
  return show_status(request, io);
}

}  // namespace

const Command& data_command() {
  static const Command kCommand{
      .name = "data",
      .group = "Other",
      .summary = "show, export or validate the tables that verdicts lean on",
      .positionals = "ACTION [FILE|DIR]…",
      .min_positionals = 1,
      .max_positionals = 64,
      .help = kDataHelp,
      .words = kDataActions,
      .call = [] { return call_of(run_data); }};
  return kCommand;
}

}  // namespace flense::cli
