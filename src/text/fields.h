// Plain structures as JSON and back, through one list of their members: a structure S has, in its
// own namespace, each_field(S& or const S&, see), which calls see("name", member) for each member.
// Lists, maps of texts, optionals and structures nest. A type with its own JSON form provides
// field_json(const T&) and read_field(FieldReader&, json, place, T&) instead, and applies(const T&)
// if it may be absent.
#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/format.h"
#include "text/json.h"

namespace flense::text {

/// T is S, const or not: for the one each_field that reads and writes.
template <class T, class S>
concept FieldsOf = std::same_as<std::remove_const_t<T>, S>;

class FieldReader;

namespace fields_detail {

template <class T>
concept OwnForm = requires(const T& value) { field_json(value); };

template <class T>
struct IsList : std::false_type {};
template <class T>
struct IsList<std::vector<T>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

}  // namespace fields_detail

template <class T>
bool field_applies(const T& member) {
  if constexpr (fields_detail::IsOptional<T>::value)
    return member.has_value();
  else if constexpr (fields_detail::OwnForm<T>)
    return applies(member);
  else
    return true;
}

template <class T>
Json fields_to_json(const T& value) {
  if constexpr (fields_detail::OwnForm<T>) {
    return field_json(value);
  } else if constexpr (std::same_as<T, std::string> || std::same_as<T, std::uint64_t> ||
                       std::same_as<T, bool>) {
    return Json(value);
  } else if constexpr (fields_detail::IsList<T>::value) {
    Json out = Json::array();
    for (const auto& item : value) out.push(fields_to_json(item));
    return out;
  } else if constexpr (fields_detail::IsOptional<T>::value) {
    return value ? fields_to_json(*value) : Json();
  } else if constexpr (std::same_as<T, std::map<std::string, std::string>>) {
    Json out = Json::object();
    for (const auto& [name, text] : value) out.set(name, text);
    return out;
  } else {
    Json out = Json::object();
    each_field(value, [&](const char* name, const auto& member) {
      if (field_applies(member)) out.set(name, fields_to_json(member));
    });
    return out;
  }
}

/// Members that are missing keep their value, those of another type are complained about, those
/// that are not listed are passed over.
class FieldReader {
 public:
  static constexpr std::size_t kMaxItems = 4096;

  /// `what` names the document in the complaint; at most `max_items` in a list.
  explicit FieldReader(std::string_view what, std::size_t max_items = kMaxItems)
      : what_(what), max_items_(max_items) {}

  template <class T>
  void read(const Json& json, const std::string& place, T& out) {
    if constexpr (fields_detail::OwnForm<T>) {
      read_field(*this, json, place, out);
    } else if constexpr (std::same_as<T, std::string>) {
      if (!json.is_string()) return complain(place, "a text");
      out = json.text();
    } else if constexpr (std::same_as<T, std::uint64_t>) {
      // A negative number, a fraction or a number beyond 2^64 differs from what it is read as.
      out = json.unsigned_or(0);
      if (!json.is_number() || json != Json(out)) complain(place, "a whole number");
    } else if constexpr (std::same_as<T, bool>) {
      if (!json.is_bool()) return complain(place, "true or false");
      out = json.bool_or(false);
    } else if constexpr (fields_detail::IsList<T>::value) {
      if (!json.is_array() || json.items().size() > max_items_)
        return complain(place, fmt::format("a list of at most {} items", max_items_));
      for (const Json& item : json.items()) {
        typename T::value_type value{};
        read(item, fmt::format("{}[{}]", place, out.size()), value);
        out.push_back(std::move(value));
      }
    } else if constexpr (fields_detail::IsOptional<T>::value) {
      typename T::value_type value{};
      read(json, place, value);
      out = std::move(value);
    } else if constexpr (std::same_as<T, std::map<std::string, std::string>>) {
      if (!json.is_object() || json.members().size() > max_items_)
        return complain(place, fmt::format("an object of at most {} texts", max_items_));
      for (const auto& [name, text] : json.members())
        read(text, fmt::format("{}.{}", place, name), out[name]);
    } else {
      if (!json.is_object()) return complain(place, "an object");
      each_field(out, [&](const char* name, auto& member) {
        if (const Json* value = json.find(name)) read(*value, place + "." + name, member);
      });
    }
  }

  /// The first one only: "FILE: $.gpus[0].name is not a text".
  void complain(const std::string& place, const std::string& wanted) {
    if (complaint_.empty()) complaint_ = fmt::format("{}: {} is not {}", what_, place, wanted);
  }
  const std::string& complaint() const { return complaint_; }

 private:
  std::string_view what_;
  std::size_t max_items_;
  std::string complaint_;
};

}  // namespace flense::text
