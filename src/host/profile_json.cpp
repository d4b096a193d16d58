#include "host/profile_json.h"

#include "base/version.h"
#include "host/profile_fields.h"
#include "text/fields.h"

namespace flense::host {

// A fact has a form of its own; found by the field walker through its namespace.
template <class T>
bool applies(const Fact<T>& fact) {
  return fact.value.has_value() || !fact.evidence.empty();
}

template <class T>
text::Json field_json(const Fact<T>& fact) {
  text::Json out = text::Json::object();
  if (fact.value) {
    out.set("value", text::fields_to_json(*fact.value));
    out.set("evidence", fact.evidence);
  } else {
    out.set("unknown", fact.evidence);
  }
  return out;
}

template <class T>
void read_field(text::FieldReader& reader, const text::Json& json, const std::string& place,
                Fact<T>& out) {
  if (!json.is_object()) return reader.complain(place, "an object with value or unknown");
  const char* words = "unknown";
  if (const text::Json* value = json.find("value")) {
    T held{};
    reader.read(*value, place + ".value", held);
    out.value = std::move(held);
    words = "evidence";
  }
  if (const text::Json* text = json.find(words))
    reader.read(*text, place + "." + words, out.evidence);
}

text::Json to_json(const Profile& profile) {
  text::Json out = text::Json::object();
  out.set("schema", kHostSchema);
  out.set("flense", kVersion);
  const text::Json fields = text::fields_to_json(profile);
  for (const auto& [name, value] : fields.members()) out.set(name, value);
  return out;
}

Result<Profile> from_json(const text::Json& json, std::string_view what) {
  if (json["schema"].text() != kHostSchema)
    return bad_input("{} is no host profile: its schema is '{}', not {}", what,
                     json["schema"].text().substr(0, 60), kHostSchema);
  Profile out;
  text::FieldReader reader(what);
  reader.read(json, "$", out);
  if (!reader.complaint().empty()) return bad_input("{}", reader.complaint());
  return out;
}

}  // namespace flense::host
