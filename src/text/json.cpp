#include "text/json.h"

#include <algorithm>

namespace flense::text {

namespace {

template <class T>
const T* as(const auto& value) {
  return std::get_if<T>(&value);
}

}  // namespace

Json::Json(bool value) : value_(value) {}
Json::Json(int value) : value_(std::int64_t{value}) {}
Json::Json(unsigned value) : value_(std::int64_t{value}) {}
Json::Json(std::int64_t value) : value_(value) {}
Json::Json(std::uint64_t value) {
  if (value <= static_cast<std::uint64_t>(INT64_MAX))
    value_ = static_cast<std::int64_t>(value);
  else
    value_ = value;
}
Json::Json(double value) : value_(value) {}
Json::Json(const char* value) : value_(std::string(value)) {}
Json::Json(std::string_view value) : value_(std::string(value)) {}
Json::Json(std::string value) : value_(std::move(value)) {}
Json::Json(Array value) : value_(std::move(value)) {}
Json::Json(Object value) : value_(std::move(value)) {}
Json::Json(const Json&) = default;
Json::Json(Json&&) noexcept = default;
Json& Json::operator=(const Json&) = default;
Json& Json::operator=(Json&&) noexcept = default;
Json::~Json() = default;
bool Json::operator==(const Json&) const = default;

bool Json::is_number() const {
  return std::holds_alternative<std::int64_t>(value_) ||
         std::holds_alternative<std::uint64_t>(value_) || std::holds_alternative<double>(value_);
}

std::string_view Json::text(std::string_view fallback) const {
  const auto* value = as<std::string>(value_);
  return value == nullptr ? fallback : std::string_view(*value);
}

std::uint64_t Json::unsigned_or(std::uint64_t fallback) const {
  if (const auto* value = as<std::int64_t>(value_))
    return *value < 0 ? fallback : static_cast<std::uint64_t>(*value);
  const auto* value = as<std::uint64_t>(value_);
  return value == nullptr ? fallback : *value;
}

std::int64_t Json::integer_or(std::int64_t fallback) const {
  const auto* value = as<std::int64_t>(value_);
  return value == nullptr ? fallback : *value;
}

double Json::number_or(double fallback) const {
  if (const auto* value = as<double>(value_)) return *value;
  if (const auto* value = as<std::int64_t>(value_)) return static_cast<double>(*value);
  if (const auto* value = as<std::uint64_t>(value_)) return static_cast<double>(*value);
  return fallback;
}

bool Json::bool_or(bool fallback) const {
  const auto* value = as<bool>(value_);
  return value == nullptr ? fallback : *value;
}

const Json::Array& Json::items() const {
  static const Array kEmpty;
  const auto* value = as<Array>(value_);
  return value == nullptr ? kEmpty : *value;
}

const Json::Object& Json::members() const {
  static const Object kEmpty;
  const auto* value = as<Object>(value_);
  return value == nullptr ? kEmpty : *value;
}

const Json& Json::operator[](std::string_view key) const {
  static const Json kNull;
  const Json* found = find(key);
  return found == nullptr ? kNull : *found;
}

const Json* Json::find(std::string_view key) const {
  const Object& object = members();
  const auto at = std::ranges::find(object, key, &std::pair<std::string, Json>::first);
  return at == object.end() ? nullptr : &at->second;
}

Json* Json::find_mutable(std::string_view key) {
  auto* object = std::get_if<Object>(&value_);
  if (object == nullptr) return nullptr;
  const auto at = std::ranges::find(*object, key, &std::pair<std::string, Json>::first);
  return at == object->end() ? nullptr : &at->second;
}

Json::Array* Json::items_mutable() {
  return std::get_if<Array>(&value_);
}

Json::Object* Json::members_mutable() {
  return std::get_if<Object>(&value_);
}

Json& Json::set(std::string key, Json value) {
  if (!is_object()) value_ = Object{};
  if (Json* found = find_mutable(key)) {
    *found = std::move(value);
  } else {
    std::get<Object>(value_).emplace_back(std::move(key), std::move(value));
  }
  return *this;
}

Json& Json::push(Json value) {
  if (!is_array()) value_ = Array{};
  std::get<Array>(value_).push_back(std::move(value));
  return *this;
}

void Json::erase(std::string_view key) {
  if (auto* object = std::get_if<Object>(&value_))
    std::erase_if(*object, [&](const auto& member) { return member.first == key; });
}

}  // namespace flense::text
