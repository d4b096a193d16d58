#include "needs/json.h"

#include <concepts>
#include <type_traits>

#include "needs/fields.h"

namespace flense::needs {

namespace {

/// Images hold thousands of packages and libraries.
constexpr std::size_t kMaxItems = 200'000;

template <class T>
struct Inner {};
template <class T>
struct Inner<std::vector<T>> {
  using Type = T;
};
template <class T>
struct Inner<std::optional<T>> {
  using Type = T;
};

template <class T>
void add_signature(std::string& out) {
  if constexpr (requires { typename Inner<T>::Type; }) {
    out += '[';
    add_signature<typename Inner<T>::Type>(out);
    out += ']';
  } else if constexpr (std::same_as<T, std::string>) {
    out += 's';
  } else if constexpr (std::same_as<T, bool>) {
    out += 'b';
  } else if constexpr (std::same_as<T, std::uint64_t>) {
    out += 'u';
  } else if constexpr (std::same_as<T, std::map<std::string, std::string>>) {
    out += 'm';
  } else {
    out += '{';
    const T value{};
    each_field(value, [&](const char* name, const auto& member) {
      out += fmt::format("{}:", name);
      add_signature<std::remove_cvref_t<decltype(member)>>(out);
    });
    out += '}';
  }
}

}  // namespace

text::Json needs_to_json(const Needs& needs) {
  return text::fields_to_json(needs);
}

const std::string& needs_signature() {
  static const std::string kSignature = [] {
    std::string out;
    add_signature<Needs>(out);
    return out;
  }();
  return kSignature;
}

Result<Needs> needs_from_json(const text::Json& json, std::string_view what) {
  Needs out;
  text::FieldReader reader(what, kMaxItems);
  reader.read(json, "$", out);
  if (!reader.complaint().empty()) return bad_input("{}", reader.complaint());
  return out;
}

}  // namespace flense::needs
