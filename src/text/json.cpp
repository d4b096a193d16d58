#include "text/json.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

namespace flense::text {

namespace {

constexpr std::size_t kMaxDepth = 200;

std::pair<std::size_t, std::size_t> line_and_column(std::string_view text, std::size_t offset) {
  offset = std::min(offset, text.size());
  const std::string_view before = text.substr(0, offset);
  const auto lines = static_cast<std::size_t>(std::ranges::count(before, '\n'));
  const std::size_t newline = before.rfind('\n');
  return {lines + 1, newline == std::string_view::npos ? offset + 1 : offset - newline};
}

/// Builds our values from the parser's events, so that duplicate keys and depth are seen.
class Builder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Builder(std::string_view text, std::string_view what) : text_(text), what_(what) {}

  bool null() override { return put(Json()); }
  bool boolean(bool value) override { return put(Json(value)); }
  bool number_integer(number_integer_t value) override { return put(Json(std::int64_t{value})); }
  bool number_unsigned(number_unsigned_t value) override { return put(Json(std::uint64_t{value})); }
  bool number_float(number_float_t value, const string_t&) override { return put(Json(value)); }
  bool string(string_t& value) override { return put(Json(std::move(value))); }
  bool binary(binary_t&) override { return refuse("binary data is not JSON"); }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_array() override { return close(); }
  bool key(string_t& value) override {
    Level& level = levels_.back();
    if (!level.seen.insert(value).second)
      return refuse(fmt::format("the key \"{}\" appears twice in one object", value));
    level.key = std::move(value);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& exception) override {
    const auto [line, column] = line_and_column(text_, position == 0 ? 0 : position - 1);
    std::string_view why = exception.what();
    // The library's own position and prefix would say it twice.
    if (const std::size_t cut = why.find(": "); cut != std::string_view::npos)
      why.remove_prefix(cut + 2);
    error_ = Error{
        Code::kBadInput, fmt::format("{}:{}:{}: not JSON: {}", what_, line, column, why), {}, {}};
    return false;
  }

  Result<Json> take() {
    if (error_) return std::unexpected(std::move(*error_));
    return std::move(root_);
  }

 private:
  struct Level {
    Json value;
    std::string key;
    std::set<std::string> seen;
  };

  bool refuse(const std::string& why) {
    error_ = Error{Code::kBadInput, fmt::format("{}: {}", what_, why), {}, {}};
    return false;
  }
  bool open(Json value) {
    if (levels_.size() >= kMaxDepth)
      return refuse(fmt::format("nested deeper than {} levels", kMaxDepth));
    levels_.push_back({std::move(value), {}, {}});
    return true;
  }
  bool close() {
    Json value = std::move(levels_.back().value);
    levels_.pop_back();
    return put(std::move(value));
  }
  bool put(Json value) {
    if (levels_.empty()) {
      root_ = std::move(value);
    } else if (levels_.back().value.is_array()) {
      levels_.back().value.push(std::move(value));
    } else {
      levels_.back().value.append_unchecked(std::move(levels_.back().key), std::move(value));
    }
    return true;
  }

  std::string_view text_;
  std::string_view what_;
  std::vector<Level> levels_;
  Json root_;
  std::optional<Error> error_;
};

const Json& shared_null() {
  static const Json kNull;
  return kNull;
}

void write_string(std::string_view text, std::string& out) {
  // nlohmann escapes and repairs UTF-8; only its string writer is needed.
  out += nlohmann::json(std::string(text))
             .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void write_number(double value, std::string& out) {
  out += nlohmann::json(value).dump();  // shortest form that reads back equal; NaN becomes null
}

}  // namespace

struct JsonAdapter {
  static void write(const Json& value, int indent, int level, std::string& out) {
    const auto newline = [&](int depth) {
      if (indent < 0) return;
      out += '\n';
      out.append(static_cast<std::size_t>(indent * depth), ' ');
    };
    if (const auto* flag = std::get_if<bool>(&value.value_)) {
      out += *flag ? "true" : "false";
    } else if (const auto* integer = std::get_if<std::int64_t>(&value.value_)) {
      out += std::to_string(*integer);
    } else if (const auto* natural = std::get_if<std::uint64_t>(&value.value_)) {
      out += std::to_string(*natural);
    } else if (const auto* real = std::get_if<double>(&value.value_)) {
      write_number(*real, out);
    } else if (const auto* text = std::get_if<std::string>(&value.value_)) {
      write_string(*text, out);
    } else if (const auto* array = std::get_if<Json::Array>(&value.value_)) {
      out += '[';
      for (std::size_t i = 0; i < array->size(); ++i) {
        if (i > 0) out += ',';
        newline(level + 1);
        write((*array)[i], indent, level + 1, out);
      }
      if (!array->empty()) newline(level);
      out += ']';
    } else if (const auto* object = std::get_if<Json::Object>(&value.value_)) {
      out += '{';
      for (std::size_t i = 0; i < object->size(); ++i) {
        if (i > 0) out += ',';
        newline(level + 1);
        write_string((*object)[i].first, out);
        out += indent < 0 ? ":" : ": ";
        write((*object)[i].second, indent, level + 1, out);
      }
      if (!object->empty()) newline(level);
      out += '}';
    } else {
      out += "null";
    }
  }
};

bool Json::is_number() const {
  return std::holds_alternative<std::int64_t>(value_) ||
         std::holds_alternative<std::uint64_t>(value_) || std::holds_alternative<double>(value_);
}

std::string_view Json::text(std::string_view fallback) const {
  const auto* text = std::get_if<std::string>(&value_);
  return text == nullptr ? fallback : *text;
}

std::uint64_t Json::unsigned_or(std::uint64_t fallback) const {
  if (const auto* natural = std::get_if<std::uint64_t>(&value_)) return *natural;
  if (const auto* integer = std::get_if<std::int64_t>(&value_); integer && *integer >= 0)
    return static_cast<std::uint64_t>(*integer);
  return fallback;
}

std::int64_t Json::integer_or(std::int64_t fallback) const {
  if (const auto* integer = std::get_if<std::int64_t>(&value_)) return *integer;
  if (const auto* natural = std::get_if<std::uint64_t>(&value_);
      natural && *natural <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    return static_cast<std::int64_t>(*natural);
  return fallback;
}

double Json::number_or(double fallback) const {
  if (const auto* real = std::get_if<double>(&value_)) return *real;
  if (const auto* integer = std::get_if<std::int64_t>(&value_))
    return static_cast<double>(*integer);
  if (const auto* natural = std::get_if<std::uint64_t>(&value_))
    return static_cast<double>(*natural);
  return fallback;
}

bool Json::bool_or(bool fallback) const {
  const auto* flag = std::get_if<bool>(&value_);
  return flag == nullptr ? fallback : *flag;
}

const Json::Array& Json::items() const {
  static const Array kEmpty;
  const auto* array = std::get_if<Array>(&value_);
  return array == nullptr ? kEmpty : *array;
}

const Json::Object& Json::members() const {
  static const Object kEmpty;
  const auto* object = std::get_if<Object>(&value_);
  return object == nullptr ? kEmpty : *object;
}

const Json* Json::find(std::string_view key) const {
  for (const auto& [name, value] : members())
    if (name == key) return &value;
  return nullptr;
}

const Json& Json::operator[](std::string_view key) const {
  const Json* found = find(key);
  return found == nullptr ? shared_null() : *found;
}

Json* Json::find_mutable(std::string_view key) {
  auto* object = std::get_if<Object>(&value_);
  if (object == nullptr) return nullptr;
  for (auto& [name, value] : *object)
    if (name == key) return &value;
  return nullptr;
}

Json& Json::set(std::string key, Json value) {
  if (!is_object()) value_ = Object{};
  if (Json* found = find_mutable(key)) {
    *found = std::move(value);
  } else {
    append_unchecked(std::move(key), std::move(value));
  }
  return *this;
}

void Json::append_unchecked(std::string key, Json value) {
  std::get<Object>(value_).emplace_back(std::move(key), std::move(value));
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

Result<Json> parse_json(std::string_view text, std::string_view what) {
  // Deep nesting is refused by the builder as it is met; the parser itself does not recurse.
  Builder builder(text, what);
  nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

std::string dump_json(const Json& value, int indent) {
  std::string out;
  JsonAdapter::write(value, indent, 0, out);
  return out;
}

}  // namespace flense::text
