#include "sbom/statement.h"

#include "base/ascii.h"
#include "sbom/names.h"

namespace flense::sbom {

Result<Carried> unwrap(text::Json json) {
  if (!json["payload"].is_null() && !json["payloadType"].is_null())
    return bad_input("the SBOM lies in a signed envelope (DSSE)")
        .hint(
            "an image that was changed needs a new signature: reissue the statement in the "
            "envelope's payload, then sign it");
  const std::string_view type = json["_type"].text();
  if (type.empty()) return Carried{{}, std::move(json)};
  if (!type.starts_with("https://in-toto.io/Statement/"))
    return bad_input("_type is {}, expected https://in-toto.io/Statement/…", shown(type));
  const std::string_view about = json["predicateType"].text();
  if (!about.starts_with("https://spdx.dev/Document") &&
      !about.starts_with("https://cyclonedx.org/bom"))
    return bad_input(
        "the statement is about {}, expected https://spdx.dev/Document or "
        "https://cyclonedx.org/bom",
        shown(about));
  text::Json* predicate = json.find_mutable("predicate");
  if (predicate == nullptr || !predicate->is_object())
    return bad_input("the statement's predicate is not an object");
  if (const text::Json* subjects = json.find("subject");
      subjects != nullptr && !subjects->is_array())
    return bad_input("the statement's subject is not a list");
  Carried out;
  out.document = std::exchange(*predicate, text::Json());
  out.statement = std::move(json);
  return out;
}

text::Json wrap(Carried carried, std::string_view result_digest) {
  if (carried.statement.is_null()) return std::move(carried.document);
  const text::Json digest = text::Json::object().set("sha256", std::string(hex_of(result_digest)));
  text::Json* subjects = carried.statement.find_mutable("subject");
  if (subjects == nullptr)
    subjects = carried.statement.set("subject", text::Json::array()).find_mutable("subject");
  // A scanner writes no subject, which its caller adds. "_" is the statement's word for no name.
  if (subjects->items().empty()) subjects->push(text::Json::object().set("name", "_"));
  for (text::Json& subject : *subjects->items_mutable()) subject.set("digest", digest);
  carried.statement.set("predicate", std::move(carried.document));
  return std::move(carried.statement);
}

}  // namespace flense::sbom
