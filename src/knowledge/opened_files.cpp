#include "knowledge/opened_files.h"

#include <algorithm>

#include "knowledge/table_rows.h"

namespace flense::knowledge {

using text::Json;

namespace {

constexpr std::string_view kOpenedTable = "dlopen";

std::string named_row(const TableRows& rows, const Json& row, const std::string& name) {
  const std::string from = text_at(row, "from");
  return from.empty() ? rows.source(row, name) : rows.source(row, name) + ": " + from;
}

std::vector<KeptFilesRow> kept_files(const TableSet& tables, std::string_view section) {
  std::vector<KeptFilesRow> out;
  TableRows(tables, kOpenedTable, section).each([&](const Json& row) {
    out.push_back({texts_at(row, "files"), text_at(row, "why")});
  });
  return out;
}

}  // namespace

OpenedFiles OpenedFiles::read(const TableSet& tables) {
  OpenedFiles out;
  const TableRows libraries(tables, kOpenedTable, "libraries");
  libraries.each([&](const Json& row) {
    const std::string opener = text_at(row, "opener");
    out.libraries.push_back(
        {opener, {}, texts_at(row, "opens"), named_row(libraries, row, opener)});
  });
  const TableRows calls(tables, kOpenedTable, "calls");
  calls.each([&](const Json& row) {
    const std::vector<std::string> names = texts_at(row, "calls");
    const std::string name = names.empty() ? std::string() : names.front();
    out.calls.push_back({{}, names, texts_at(row, "opens"), named_row(calls, row, name)});
  });
  TableRows(tables, kOpenedTable, "shell").each([&](const Json& row) {
    std::ranges::move(texts_at(row, "calls"), std::back_inserter(out.shell_calls));
    std::ranges::move(texts_at(row, "tools"), std::back_inserter(out.shell_tools));
    std::ranges::move(texts_at(row, "words"), std::back_inserter(out.shell_words));
  });
  const TableRows languages(tables, kOpenedTable, "languages");
  languages.each([&](const Json& row) {
    const std::vector<std::string> programs = texts_at(row, "programs");
    const std::string name = programs.empty() ? std::string() : programs.front();
    out.languages.push_back({programs, texts_at(row, "keeps"), named_row(languages, row, name)});
  });
  const TableRows path_files(tables, kOpenedTable, "path_files");
  path_files.each([&](const Json& row) {
    const std::string file = text_at(row, "file");
    out.path_files.push_back({file, texts_at(row, "keeps"), named_row(path_files, row, file)});
  });
  out.always = kept_files(tables, "always");
  out.minimal = kept_files(tables, "minimal");
  out.time_zones = kept_files(tables, "time_zones");
  return out;
}

const LanguageRow* OpenedFiles::language(std::string_view program) const {
  const auto found = std::ranges::find_if(languages, [&](const LanguageRow& row) {
    return std::ranges::any_of(row.programs, [&](const std::string& pattern) {
      return matches_pattern(pattern, program);
    });
  });
  return found == languages.end() ? nullptr : &*found;
}

}  // namespace flense::knowledge
