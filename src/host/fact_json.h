// A fact in JSON: {"value": …, "evidence": source}, or {"unknown": why}; one that does not apply is
// absent. The field walker (text/fields.h) finds these functions through the namespace.
#pragma once

#include <string>
#include <utility>

#include "host/profile.h"
#include "text/fields.h"

namespace flense::host {

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
  else if (out.value)
    out.evidence = "the profile";  // written by hand
}

}  // namespace flense::host
