#include "knowledge/table_check.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <vector>

#include "base/ascii.h"
#include "base/format.h"
#include "knowledge/table_rows.h"

namespace flense::knowledge {

namespace {

using text::Json;

/// What any row may hold beside its facts.
constexpr std::array<std::string_view, 4> kAboutRows = {"source", "confidence", "date", "note"};
constexpr std::array<std::string_view, 3> kConfidence = {"high", "medium", "low"};

bool is_about_row(std::string_view name) {
  return std::ranges::find(kAboutRows, name) != kAboutRows.end();
}

std::string kind_of(const Json& value) {
  if (value.is_string()) return "text";
  if (value.is_bool()) return "true or false";
  if (value.is_number())
    return value == Json(value.unsigned_or(0)) ? "a whole number" : "a negative or broken number";
  if (value.is_object()) return "an object";
  if (!value.is_array()) return "null";
  std::set<std::string> kinds;
  for (const Json& item : value.items()) kinds.insert(kind_of(item));
  return kinds.empty() || kinds == std::set<std::string>{"text"}
             ? "a list of texts"
             : fmt::format("a list of {}", fmt::join(kinds, " and "));
}

/// "2026-11" or "2026-11-23".
bool is_date(std::string_view date) {
  constexpr std::string_view kForm = "0000-00-00";
  return (date.size() == 7 || date.size() == kForm.size()) &&
         std::ranges::equal(date, kForm.substr(0, date.size()), [](char c, char form) {
           return form == '0' ? c >= '0' && c <= '9' : c == form;
         });
}

struct Member {
  std::set<std::string> kinds;
  std::size_t rows = 0;  ///< so many of the section's have it
};

/// What the rows of a built-in section hold.
struct Shape {
  explicit Shape(const Json& section) {
    for (const Json& row : section["rows"].items()) {
      ++rows;
      for (const auto& [name, value] : row.members()) {
        members[name].kinds.insert(kind_of(value));
        ++members[name].rows;
      }
    }
    for (const Json& name : section["key"].items())
      members.try_emplace(std::string(name.text()), Member{{"text"}, 0});
  }
  std::map<std::string, Member> members;
  std::size_t rows = 0;
};

class TableCheck {
 public:
  TableCheck(std::string_view path, std::string_view section) : path_(path), section_(section) {}

  Result<void> rows(const Json& built_in, const Json& own) {
    const Shape shape(built_in);
    std::map<std::string, std::size_t> seen;
    number_ = 0;
    for (const Json& row : own.items()) {
      ++number_;
      if (!row.is_object()) return wrong("is {}, expected an object", kind_of(row));
      TRY_DO(members(shape, row));
      const auto [at, fresh] = seen.emplace(row_key(built_in, row), number_);
      if (!fresh)
        return wrong("has the same {} as row {}", fmt::join(texts_at(built_in, "key"), ", "),
                     at->second);
    }
    return {};
  }

  /// Rows that name architectures, of which `known` are.
  Result<void> architectures(const Json& own, const std::set<std::string>& known) {
    number_ = 0;
    for (const Json& row : own.items()) {
      ++number_;
      std::vector<std::string> named = texts_at(row, "architectures");
      if (const Json* one = row.find("architecture")) named.emplace_back(one->text());
      for (const std::string& architecture : named)
        if (!known.contains(architecture))
          return wrong("names the architecture '{}', expected one that a row of architectures has",
                       architecture);
    }
    return {};
  }

  /// Rows that make architectures known.
  Result<void> made_architectures(const Json& own) {
    number_ = 0;
    for (const Json& row : own.items()) {
      ++number_;
      const std::string name = text_at(row, "architecture"), vendor = text_at(row, "vendor");
      const std::size_t dot = name.find('.');
      const bool cuda = vendor == "nvidia" && dot != std::string::npos && dot + 2 == name.size() &&
                        all_digits(name.substr(0, dot)) && all_digits(name.substr(dot + 1));
      const bool amd = vendor == "amd" && name.starts_with("gfx") && name.size() > 3 &&
                       name.find_first_not_of("0123456789abcdef", 3) == std::string::npos;
      if (!cuda && !amd)
        return wrong(
            "makes '{}' of the vendor '{}' an architecture, expected one like 9.0 of "
            "nvidia or gfx942 of amd",
            name, vendor);
    }
    return {};
  }

 private:
  Result<void> members(const Shape& shape, const Json& row) const {
    for (const auto& [name, value] : row.members()) {
      const std::string kind = kind_of(value);
      const auto known = shape.members.find(name);
      if (is_about_row(name)) {
        if (!value.is_string()) return wrong("has {} as '{}', expected text", kind, name);
        continue;
      }
      if (known == shape.members.end()) {
        if (shape.rows == 0) continue;
        return wrong("has a member '{}', expected one of {}", name, names(shape));
      }
      if (!known->second.kinds.contains(kind))
        return wrong("has {} as '{}', expected {}", kind, name,
                     fmt::join(known->second.kinds, " or "));
    }
    for (const auto& [name, member] : shape.members)
      if (member.rows == shape.rows && !is_about_row(name) && row.find(name) == nullptr)
        return wrong("has no '{}', which every row of {} has", name, section_);
    if (const Json* date = row.find("date"); date != nullptr && !is_date(date->text()))
      return wrong("has the date '{}', expected one like 2026-11 or 2026-11-23", date->text());
    if (const Json* word = row.find("confidence");
        word != nullptr && std::ranges::find(kConfidence, word->text()) == kConfidence.end())
      return wrong("has the confidence '{}', expected high, medium or low", word->text());
    return {};
  }

  static std::string names(const Shape& shape) {
    std::set<std::string_view> out(kAboutRows.begin(), kAboutRows.end());
    for (const auto& [name, member] : shape.members) out.insert(name);
    return fmt::format("{}", fmt::join(out, ", "));
  }

  template <class... Args>
  Failure wrong(fmt::format_string<Args...> format, Args&&... args) const {
    return bad_input("{}, {}, row {} {}", path_, section_, number_,
                     fmt::format(format, std::forward<Args>(args)...));
  }

  std::string_view path_, section_;
  std::size_t number_ = 0;
};

Result<void> check_section(std::string_view name, const Json& built_in, const Json& own,
                           std::string_view path) {
  if (!own.is_object())
    return bad_input("{}, {} is {}, expected an object", path, name, kind_of(own));
  for (const auto& [member, value] : own.members()) {
    if (member == "rows") {
      if (!value.is_array())
        return bad_input("{}, {}, rows is {}, expected a list", path, name, kind_of(value));
      TRY_DO(TableCheck(path, name).rows(built_in, value));
      continue;
    }
    const Json* known = built_in.find(member);
    const std::string expected = known != nullptr       ? kind_of(*known)
                                 : is_about_row(member) ? "text"
                                                        : "no such member";
    if (kind_of(value) != expected)
      return bad_input("{}, {}: '{}' is {}, expected {}", path, name, member, kind_of(value),
                       expected);
    if (member == "key" && value != *known)
      return bad_input("{}, {}: the key of its rows is {}", path, name,
                       fmt::join(texts_at(built_in, "key"), ", "));
  }
  return {};
}

Result<void> check_architectures(const Json& below, const Json& own, std::string_view path) {
  constexpr std::string_view kSection = "architectures";
  std::set<std::string> known;
  for (const Json* table : {&below, &own})
    for (const Json& row : (*table)[kSection]["rows"].items())
      known.insert(text_at(row, "architecture"));
  for (const auto& [section, value] : own.members()) {
    TableCheck check(path, section);
    TRY_DO(section == kSection ? check.made_architectures(value["rows"])
                               : check.architectures(value["rows"], known));
  }
  return {};
}

}  // namespace

std::string row_key(const Json& section, const Json& row) {
  Json out = Json::array();
  for (const Json& name : section["key"].items()) out.push(row[name.text()]);
  return text::dump_json(out);
}

Result<void> check_table(std::string_view name, const Json& built_in, const Json& below,
                         const Json& own, std::string_view path) {
  if (!own.is_object()) return bad_input("{} is {}, expected an object", path, kind_of(own));
  std::vector<std::string_view> sections;
  for (const auto& [member, value] : built_in.members())
    if (value.is_object()) sections.push_back(member);
  for (const auto& [member, value] : own.members()) {
    const Json* known = built_in.find(member);
    if (known == nullptr)
      return bad_input("{} has a section '{}', expected one of {}", path, member,
                       fmt::join(sections, ", "));
    if (known->is_object()) {
      TRY_DO(check_section(member, *known, value, path));
    } else if (kind_of(value) != kind_of(*known)) {
      return bad_input("{}: '{}' is {}, expected {}", path, member, kind_of(value),
                       kind_of(*known));
    }
  }
  if (const Json* date = own.find("date"); date != nullptr && !is_date(date->text()))
    return bad_input("{}: the date is '{}', expected one like 2026-11 or 2026-11-23", path,
                     date->text());
  return name == "gpu_arch" ? check_architectures(below, own, path) : Result<void>();
}

}  // namespace flense::knowledge
