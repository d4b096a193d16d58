#include "host/profile_json.h"

#include "base/version.h"
#include "host/fact_json.h"
#include "host/profile_fields.h"

namespace flense::host {

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
    return bad_input("{} is not a host profile: its schema is '{}', not {}", what,
                     json["schema"].text().substr(0, 60), kHostSchema);
  Profile out;
  text::FieldReader reader(what);
  reader.read(json, "$", out);
  if (!reader.complaint().empty()) return bad_input("{}", reader.complaint());
  return out;
}

}  // namespace flense::host
