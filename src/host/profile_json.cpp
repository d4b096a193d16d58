#include "host/profile_json.h"

#include "base/format.h"
#include "base/version.h"
#include "host/profile_fields.h"

namespace flense::host {

namespace {

using text::Json;

constexpr std::size_t kMaxItems = 4096;

// Writing.

Json json_of(const std::string& value) {
  return value;
}
Json json_of(std::uint64_t value) {
  return value;
}
Json json_of(bool value) {
  return value;
}

template <class S>
Json json_of(const S& fields);

template <class T>
Json json_of(const std::vector<T>& items) {
  Json out = Json::array();
  for (const T& item : items) out.push(json_of(item));
  return out;
}

template <class T>
Json json_of(const Fact<T>& fact) {
  Json out = Json::object();
  if (fact.value) {
    out.set("value", json_of(*fact.value));
    out.set("evidence", fact.evidence);
  } else {
    out.set("unknown", fact.evidence);
  }
  return out;
}

template <class T>
bool applies(const T& /*member*/) {
  return true;
}
template <class T>
bool applies(const Fact<T>& fact) {
  return fact.value.has_value() || !fact.evidence.empty();
}

template <class S>
Json json_of(const S& fields) {
  Json out = Json::object();
  each_field(fields, [&](const char* name, const auto& member) {
    if (applies(member)) out.set(name, json_of(member));
  });
  return out;
}

// Reading.

class Reader {
 public:
  explicit Reader(std::string_view what) : what_(what) {}

  void read(const Json& json, const std::string& place, std::string& out) {
    if (json.is_string())
      out = json.text();
    else
      complain(place, "a text");
  }
  void read(const Json& json, const std::string& place, std::uint64_t& out) {
    // A negative number, a fraction and a number beyond 2^64 differ from what they are read as.
    out = json.unsigned_or(0);
    if (!json.is_number() || json != Json(out)) complain(place, "a whole number");
  }
  void read(const Json& json, const std::string& place, bool& out) {
    out = json.bool_or(false);
    if (!json.is_bool()) complain(place, "true or false");
  }
  template <class T>
  void read(const Json& json, const std::string& place, std::vector<T>& out) {
    if (!json.is_array() || json.items().size() > kMaxItems)
      return complain(place, fmt::format("a list of at most {} items", kMaxItems));
    for (const Json& item : json.items()) {
      T value{};
      read(item, fmt::format("{}[{}]", place, out.size()), value);
      out.push_back(std::move(value));
    }
  }
  template <class T>
  void read(const Json& json, const std::string& place, Fact<T>& out) {
    if (!json.is_object()) return complain(place, "an object with value or unknown");
    if (const Json* value = json.find("value")) {
      T held{};
      read(*value, place + ".value", held);
      out.value = std::move(held);
      optional_text(json, place, "evidence", out.evidence);
    } else {
      optional_text(json, place, "unknown", out.evidence);
    }
  }
  template <class S>
  void read(const Json& json, const std::string& place, S& out) {
    if (!json.is_object()) return complain(place, "an object");
    each_field(out, [&](const char* name, auto& member) {
      if (const Json* value = json.find(name)) read(*value, place + "." + name, member);
    });
  }

  const std::string& complaint() const { return complaint_; }

 private:
  void optional_text(const Json& json, const std::string& place, const char* name,
                     std::string& out) {
    if (const Json* value = json.find(name)) read(*value, place + "." + name, out);
  }
  /// The first one only.
  void complain(const std::string& place, const std::string& wanted) {
    if (complaint_.empty()) complaint_ = fmt::format("{}: {} is not {}", what_, place, wanted);
  }

  std::string_view what_;
  std::string complaint_;
};

}  // namespace

Json to_json(const Profile& profile) {
  Json out = Json::object();
  out.set("schema", kHostSchema);
  out.set("flense", kVersion);
  const Json fields = json_of(profile);
  for (const auto& [name, value] : fields.members()) out.set(name, value);
  return out;
}

Result<Profile> from_json(const Json& json, std::string_view what) {
  if (json["schema"].text() != kHostSchema)
    return bad_input("{} is no host profile: its schema is '{}', not {}", what,
                     json["schema"].text().substr(0, 60), kHostSchema);
  Profile out;
  Reader reader(what);
  reader.read(json, "$", out);
  if (!reader.complaint().empty()) return bad_input("{}", reader.complaint());
  return out;
}

}  // namespace flense::host
