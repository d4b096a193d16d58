#include <algorithm>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <limits>

#include "cdi/spec/spec.h"
#include "text/yaml.h"

namespace flense::cdi {

namespace {

using text::Json;

/// Twice the channels that IMEX has by default, more than any driver's files. Applying edits
/// compares each with all.
constexpr std::size_t kMaxItems = 4096;

/// Reads the fields that there are, and complains about everything else.
class Examiner {
 public:
  ExaminedSpec examine(const Json& document) {
    object(document, "$",
           {{"cdiVersion", text_into(spec_.version), true},
            {"kind", text_into(spec_.kind), true},
            {"annotations", annotations_into(spec_.annotations)},
            {"devices", list_into(spec_.devices, [this](auto&... a) { device(a...); }), true},
            {"containerEdits", edits_into(spec_.edits)}});
    if (!document.is_object()) return {std::move(spec_), std::move(found_)};
    if (!reported("$.cdiVersion")) version();
    // An unreadable value is not also reported as empty.
    std::vector<Violation> more = violations_of(spec_);
    std::erase_if(more, [this](const Violation& one) { return reported(one.place); });
    std::ranges::move(more, std::back_inserter(found_));
    found_.resize(std::min(found_.size(), kMaxViolations));
    return {std::move(spec_), std::move(found_)};
  }

 private:
  using Read = std::function<void(const Json&, const std::string&)>;
  struct Field {
    std::string_view name;
    Read read;
    bool required = false;
  };

  void complain(std::string rule, std::string place, std::string message) {
    if (found_.size() < kMaxViolations)
      found_.push_back({std::move(rule), std::move(place), std::move(message)});
  }

  /// The place, or something in it.
  bool reported(std::string_view place) const {
    return std::ranges::any_of(found_, [&](const Violation& one) {
      return one.place.starts_with(place) &&
             (one.place.size() == place.size() || one.place[place.size()] == '.' ||
              one.place[place.size()] == '[');
    });
  }

  /// As in the reference library, null does not count as a value.
  void object(const Json& json, const std::string& place, std::initializer_list<Field> fields) {
    if (!json.is_object()) return complain("wrong-type", place, "an object is expected");
    for (const auto& [name, value] : json.members()) {
      const auto* field = std::ranges::find(fields, name, &Field::name);
      if (field == fields.end())
        complain("unknown-field", fmt::format("{}.{}", place, name),
                 fmt::format("there is no field '{}'", name));
      else if (!value.is_null())
        field->read(value, fmt::format("{}.{}", place, name));
    }
    for (const Field& field : fields)
      if (field.required && json[field.name].is_null())
        complain("missing-field", fmt::format("{}.{}", place, field.name),
                 fmt::format("the field '{}' is required", field.name));
  }

  Read text_into(std::string& out) {
    return [this, &out](const Json& json, const std::string& place) {
      if (!json.is_string()) return complain("wrong-type", place, "a text is expected");
      // A NUL would end the path where it is used.
      if (json.text().find('\0') != std::string_view::npos)
        return complain("wrong-type", place, "a text without NUL is expected");
      out = json.text();
    };
  }

  Read flag_into(bool& out) {
    return [this, &out](const Json& json, const std::string& place) {
      if (!json.is_bool()) return complain("wrong-type", place, "true or false is expected");
      out = json.bool_or(false);
    };
  }

  template <class Number>
  Read number_into(std::optional<Number>& out) {
    return [this, &out](const Json& json, const std::string& place) {
      constexpr auto kMost = std::numeric_limits<Number>::max();
      const std::int64_t value = json.integer_or(-1);
      if (!json.is_number() || Json(value) != json || !std::in_range<Number>(value) || value < 0)
        return complain("wrong-type", place,
                        fmt::format("a whole number from 0 to {} is expected", kMost));
      out = static_cast<Number>(value);
    };
  }

  template <class T, class F>
  Read list_into(std::vector<T>& out, F item) {
    return [this, &out, item](const Json& json, const std::string& place) {
      if (!json.is_array()) return complain("wrong-type", place, "a list is expected");
      if (json.items().size() > kMaxItems)
        return complain("wrong-type", place,
                        fmt::format("a list of at most {} items is expected", kMaxItems));
      for (std::size_t i = 0; i < json.items().size(); ++i) {
        const std::string where = fmt::format("{}[{}]", place, i);
        item(json.items()[i], where, out.emplace_back());
      }
    };
  }

  Read texts_into(std::vector<std::string>& out) {
    return list_into(out, [this](const Json& json, const std::string& place, std::string& text) {
      text_into(text)(json, place);
    });
  }

  Read annotations_into(std::map<std::string, std::string>& out) {
    return [this, &out](const Json& json, const std::string& place) {
      if (!json.is_object()) return complain("wrong-type", place, "an object is expected");
      for (const auto& [name, value] : json.members())
        text_into(out[name])(value, fmt::format("{}.{}", place, name));
    };
  }

  void device(const Json& json, const std::string& place, Device& device) {
    object(json, place,
           {{"name", text_into(device.name), true},
            {"annotations", annotations_into(device.annotations)},
            {"containerEdits", edits_into(device.edits), true}});
  }

  Read edits_into(Edits& edits) {
    return [this, &edits](const Json& json, const std::string& place) {
      object(
          json, place,
          {{"env", texts_into(edits.env)},
           {"deviceNodes", list_into(edits.device_nodes, [this](auto&... a) { node(a...); })},
           {"netDevices", list_into(edits.net_devices, [this](auto&... a) { net(a...); })},
           {"mounts", list_into(edits.mounts, [this](auto&... a) { mount(a...); })},
           {"hooks", list_into(edits.hooks, [this](auto&... a) { hook(a...); })},
           {"intelRdt", [this, &edits](auto&... a) { intel_rdt(a..., edits.intel_rdt.emplace()); }},
           {"additionalGids",
            list_into(edits.additional_gids, [this](auto&... a) { gid(a...); })}});
    };
  }

  void node(const Json& json, const std::string& place, DeviceNode& node) {
    object(json, place,
           {{"path", text_into(node.path), true},
            {"hostPath", text_into(node.host_path)},
            {"type", text_into(node.type)},
            {"major", number_into(node.major)},
            {"minor", number_into(node.minor)},
            {"fileMode", number_into(node.file_mode)},
            {"permissions", text_into(node.permissions)},
            {"uid", number_into(node.uid)},
            {"gid", number_into(node.gid)}});
  }

  void net(const Json& json, const std::string& place, NetDevice& device) {
    object(json, place,
           {{"hostInterfaceName", text_into(device.host_interface), true},
            {"name", text_into(device.name), true}});
  }

  void mount(const Json& json, const std::string& place, Mount& mount) {
    object(json, place,
           {{"hostPath", text_into(mount.host_path), true},
            {"containerPath", text_into(mount.container_path), true},
            {"type", text_into(mount.type)},
            {"options", texts_into(mount.options)}});
  }

  void hook(const Json& json, const std::string& place, Hook& hook) {
    object(json, place,
           {{"hookName", text_into(hook.name), true},
            {"path", text_into(hook.path), true},
            {"args", texts_into(hook.args)},
            {"env", texts_into(hook.env)},
            {"timeout", number_into(hook.timeout)}});
  }

  void gid(const Json& json, const std::string& place, std::uint32_t& gid) {
    std::optional<std::uint32_t> value;
    number_into(value)(json, place);
    gid = value.value_or(0);
  }

  void intel_rdt(const Json& json, const std::string& place, IntelRdt& rdt) {
    object(json, place,
           {{"closID", text_into(rdt.clos_id)},
            {"l3CacheSchema", text_into(rdt.l3_cache_schema)},
            {"memBwSchema", text_into(rdt.mem_bw_schema)},
            {"schemata", texts_into(rdt.schemata)},
            {"enableCMT", flag_into(rdt.enable_cmt)},
            {"enableMBM", flag_into(rdt.enable_mbm)},
            {"enableMonitoring", flag_into(rdt.enable_monitoring)}});
    // 1.1.0 removed them again.
    if (spec_.version == "1.1.0")
      for (const char* gone : {"enableCMT", "enableMBM"})
        if (json.find(gone) != nullptr)
          complain("unknown-field", fmt::format("{}.{}", place, gone),
                   fmt::format("version 1.1.0 no longer has the field '{}'", gone));
  }

  void version() {
    const std::string& version = spec_.version;
    if (!is_known_version(version))
      return complain("version-unknown", "$.cdiVersion",
                      fmt::format("there is no version '{}' of the specification", version));
    // One digit in each part, so that comparing texts compares versions.
    if (const std::string least = least_version(spec_); version < least)
      complain("version-too-low", "$.cdiVersion",
               fmt::format("the fields need version {}, the document says {}", least, version));
  }

  Spec spec_;
  std::vector<Violation> found_;
};

}  // namespace

Result<Json> read_document(std::string_view text, std::string_view what) {
  if (text.size() > kMaxSpecBytes)
    return bad_input("{} is larger than {}", what, human_bytes(kMaxSpecBytes));
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || text[first] != '{') return text::parse_yaml(text, what);
  Result<Json> json = text::parse_json(text, what);
  if (json) return json;
  // YAML may begin like that too; what is neither was most likely meant as JSON.
  Result<Json> yaml = text::parse_yaml(text, what);
  return yaml ? std::move(yaml) : std::move(json);
}

ExaminedSpec examine_spec(const Json& document) {
  return Examiner().examine(document);
}

Result<Spec> read_spec(std::string_view text, std::string_view what) {
  TRY(const Json document, read_document(text, what));
  ExaminedSpec examined = examine_spec(document);
  const bool valid = examined.violations.empty();
  if (valid) examined.violations = hazards_of(examined.spec);
  if (examined.violations.empty()) return std::move(examined.spec);
  const Violation& first = examined.violations.front();
  return bad_input("{} is not a {} CDI specification: {}: {}", what, valid ? "harmless" : "valid",
                   first.place, first.message)
      .hint("flense cdi validate lists all problems");
}

}  // namespace flense::cdi
