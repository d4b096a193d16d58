// JSON values (RFC 8259) behind one adapter. Parsing rejects duplicate keys and more than 200
// levels; objects keep their order. Integers from -2^63 to 2^64-1 are exact, others are doubles.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace flense::text {

class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;

  Json() = default;
  Json(std::nullptr_t) {}
  Json(bool value);
  Json(int value);
  Json(unsigned value);
  Json(std::int64_t value);
  /// Kept signed if it fits, so that equal numbers compare equal however they were created.
  Json(std::uint64_t value);
  Json(double value);
  Json(const char* value);
  Json(std::string_view value);
  Json(std::string value);
  Json(Array value);
  Json(Object value);
  // Out of line: otherwise the variant's visitors are instantiated in every file that holds a
  // value.
  Json(const Json&);
  Json(Json&&) noexcept;
  Json& operator=(const Json&);
  Json& operator=(Json&&) noexcept;
  ~Json();

  static Json array() { return Json(Array{}); }
  static Json object() { return Json(Object{}); }

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }
  bool is_number() const;
  bool is_bool() const { return std::holds_alternative<bool>(value_); }

  // Lenient accessors: the fallback if the type is another.
  std::string_view text(std::string_view fallback = {}) const;
  std::uint64_t unsigned_or(std::uint64_t fallback) const;
  std::int64_t integer_or(std::int64_t fallback) const;
  double number_or(double fallback) const;
  bool bool_or(bool fallback) const;
  const Array& items() const;     ///< empty when not an array
  const Object& members() const;  ///< empty when not an object

  /// Member by key; a shared null when absent or not an object.
  const Json& operator[](std::string_view key) const;
  const Json* find(std::string_view key) const;

  // Builders.
  Json& set(std::string key, Json value);  ///< replaces or appends; makes *this an object
  Json& push(Json value);                  ///< makes *this an array
  Json* find_mutable(std::string_view key);
  Array* items_mutable();     ///< nullptr when not an array
  Object* members_mutable();  ///< nullptr when not an object
  void erase(std::string_view key);

  bool operator==(const Json&) const;

 private:
  friend struct JsonWriter;
  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, Array,
               Object>
      value_;
};

/// `what` names the document in errors, which carry line and column.
Result<Json> parse_json(std::string_view text, std::string_view what);
/// indent < 0: compact. Invalid UTF-8 in strings is replaced by U+FFFD; a number that JSON cannot
/// say (infinity, NaN) is null. Members come in their stored order.
std::string dump_json(const Json& value, int indent = -1);

}  // namespace flense::text
