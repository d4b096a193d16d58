// Test helper: validates a document against the subset of JSON Schema draft-07 that our schemas
// use. An unknown keyword is an error, so that a schema cannot promise what is not checked.
#pragma once

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/format.h"
#include "text/json.h"

namespace flense::report::testing {

class SchemaChecker {
 public:
  explicit SchemaChecker(const text::Json& schema) : root_(schema) {}

  /// Complaints, empty when the document conforms. Members that the schema does not name are
  /// complaints too: the schema documents everything that is printed.
  std::vector<std::string> check(const text::Json& document) {
    complaints_.clear();
    value(root_, document, "$");
    return complaints_;
  }

 private:
  void complain(const std::string& place, const std::string& what) {
    complaints_.push_back(place + ": " + what);
  }

  static bool has_type(const text::Json& value, std::string_view type) {
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_bool();
    if (type == "integer") return value.is_number();
    return false;
  }

  void value(const text::Json& schema, const text::Json& document, const std::string& place) {
    for (const auto& [key, rule] : schema.members()) {
      if (key == "$ref") {
        constexpr std::string_view kPrefix = "#/definitions/";
        value(root_["definitions"][rule.text().substr(kPrefix.size())], document, place);
      } else if (key == "type") {
        if (!has_type(document, rule.text())) complain(place, fmt::format("no {}", rule.text()));
      } else if (key == "const") {
        if (!(rule == document)) complain(place, "another constant");
      } else if (key == "enum") {
        const auto& items = rule.items();
        if (std::find(items.begin(), items.end(), document) == items.end())
          complain(place, fmt::format("'{}' is no choice", document.text()));
      } else if (key == "required") {
        for (const text::Json& name : rule.items())
          if (document.find(name.text()) == nullptr)
            complain(place, fmt::format("{} is missing", name.text()));
      } else if (key == "properties") {
        members(rule, document, place);
      } else if (key == "additionalProperties") {
        for (const auto& [name, member] : document.members())
          value(rule, member, place + "." + name);
      } else if (key == "items") {
        for (std::size_t i = 0; i < document.items().size(); ++i)
          value(rule, document.items()[i], fmt::format("{}[{}]", place, i));
      } else if (key == "minimum") {
        if (document.integer_or(-1) < rule.integer_or(0)) complain(place, "too small");
      } else if (key == "maxItems") {
        if (document.items().size() > rule.unsigned_or(0)) complain(place, "too many items");
      } else if (key == "minLength") {
        if (document.text().size() < rule.unsigned_or(0)) complain(place, "too short");
      } else if (key == "pattern") {
        // Our patterns are anchored prefixes: "^sm_[0-9]+$", "^gfx".
        const std::string_view literal = rule.text().substr(1, rule.text().find('[') - 1);
        if (!document.text().starts_with(literal)) complain(place, "does not match");
      } else if (std::find(kSilent.begin(), kSilent.end(), key) == kSilent.end()) {
        complain(place, fmt::format("keyword {} is not checked", key));
      }
    }
  }

  void members(const text::Json& properties, const text::Json& document, const std::string& place) {
    for (const auto& [name, member] : document.members()) {
      const text::Json* rule = properties.find(name);
      if (rule == nullptr)
        complain(place, fmt::format("{} is not in the schema", name));
      else
        value(*rule, member, place + "." + name);
    }
  }

  static constexpr std::array<std::string_view, 5> kSilent = {"$schema", "$id", "title",
                                                              "description", "definitions"};
  const text::Json& root_;
  std::vector<std::string> complaints_;
};

inline std::string read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

}  // namespace flense::report::testing
