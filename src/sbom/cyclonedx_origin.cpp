#include "sbom/cyclonedx_origin.h"

#include <algorithm>

#include "base/ascii.h"
#include "sbom/names.h"

namespace flense::sbom {

namespace {

text::Json hash_list(std::string_view digest) {
  text::Json hash = text::Json::object();
  hash.set("alg", "SHA-256").set("content", std::string(hex_of(digest)));
  return text::Json::array().push(std::move(hash));
}

void push(text::Json& object, const char* key, text::Json item) {
  if (!object[key].is_array()) object.set(key, text::Json::array());
  object.find_mutable(key)->push(std::move(item));
}

class CycloneDxOrigin {
 public:
  CycloneDxOrigin(const Task& task, RefChanges& refs)
      : task_(task), document_(task.out.document), refs_(refs) {}

  Result<void> state() {
    if (document_["metadata"].is_null()) document_.set("metadata", text::Json::object());
    if (!document_["metadata"].is_object()) return bad_input("metadata is not an object");
    refer_to_original();
    document_.set("serialNumber", "urn:uuid:" + document_uuid(task_.origin));
    document_.set("version", 1);
    if (document_.find("signature") != nullptr) {
      document_.erase("signature");
      task_.note("the document's signature is left out: it is of the original");
    }
    text::Json& metadata = *document_.find_mutable("metadata");
    // `timestamp` stays: a time of our own would make each run another document.
    add_tool(metadata);
    text::Json* root = metadata.find_mutable("component");
    if (root == nullptr || !root->is_object() || !is_image(*root)) {
      task_.note("the document does not say which image it is of");
      text::Json property = text::Json::object();
      property.set("name", "flense:origin").set("value", origin_text(task_.origin));
      push(metadata, "properties", std::move(property));
    } else {
      move_image(*root);
    }
    return {};
  }

 private:
  void refer_to_original() {
    const std::string_view serial = document_["serialNumber"].text();
    constexpr std::string_view kUuid = "urn:uuid:";
    // A BOM-Link, where the original can be named by one.
    const std::string url =
        serial.starts_with(kUuid)
            ? fmt::format("urn:cdx:{}/{}", serial.substr(kUuid.size()),
                          std::max<std::uint64_t>(document_["version"].unsigned_or(1), 1))
            : task_.origin.document_digest;
    text::Json reference = text::Json::object();
    reference.set("type", "bom")
        .set("url", url)
        .set("comment",
             fmt::format("of {}, from which this image was made", origin_text(task_.origin)))
        .set("hashes", hash_list(task_.origin.document_digest));
    push(document_, "externalReferences", std::move(reference));
  }

  void add_tool(text::Json& metadata) const {
    const bool old_form = metadata["tools"].is_null() ? document_["specVersion"].text() == "1.4"
                                                      : metadata["tools"].is_array();
    text::Json tool = text::Json::object();
    if (!old_form) tool.set("type", "application");
    tool.set("name", "flense").set("version", task_.origin.tool_version);
    if (metadata["tools"].is_null())
      metadata.set("tools", old_form ? text::Json::array() : text::Json::object());
    text::Json& holder = old_form ? metadata : *metadata.find_mutable("tools");
    const char* key = old_form ? "tools" : "components";
    const auto& present = holder[key].items();
    if (std::ranges::find(present, tool) == present.end()) push(holder, key, std::move(tool));
  }

  static bool is_image(const text::Json& root) {
    return root["type"].text() == "container" || is_image_purl(root["purl"].text()) ||
           !hex_of(root["version"].text()).empty();
  }

  void move_image(text::Json& root) {
    const std::string& result = task_.origin.result_digest;
    text::Json ancestor = text::Json::object();
    ancestor.set("type", "container")
        .set("name", task_.origin.image_name)
        .set("version", task_.origin.image_digest);
    if (is_image_purl(root["purl"].text())) ancestor.set("purl", root["purl"]);
    ancestor.set("hashes", hash_list(task_.origin.image_digest));

    for (const char* key : {"version", "name"})
      if (!hex_of(root[key].text()).empty()) root.set(key, result);
    if (root.find("hashes") != nullptr) root.set("hashes", hash_list(result));
    if (is_image_purl(root["purl"].text()))
      root.set("purl", result_purl(root["purl"].text(), result));
    move_ref(root);
    filter(root, "properties", [&](text::Json& one) {
      constexpr std::string_view kTrivy = "aquasecurity:trivy:";
      const std::string_view name = one["name"].text();
      if (!name.starts_with(kTrivy) || !one["value"].is_string()) return false;
      const auto value = image_fact(name.substr(kTrivy.size()), one["value"].text(), task_.origin);
      if (value) one.set("value", *value);
      return !value;
    });
    root.erase("signature");
    if (!root["pedigree"].is_object()) root.set("pedigree", text::Json::object());
    push(*root.find_mutable("pedigree"), "ancestors", std::move(ancestor));
  }

  void move_ref(text::Json& root) {
    const std::string old(root["bom-ref"].text());
    std::string now;
    if (is_image_purl(old))
      now = result_purl(old, task_.origin.result_digest);
    else if (!hex_of(old).empty())
      now = task_.origin.result_digest;
    if (now.empty() || now == old) return;
    std::unordered_set<std::string> present;
    collect_refs(document_, present);
    if (present.contains(now)) return;
    root.set("bom-ref", now);
    refs_.renamed.emplace(old, now);
  }

  const Task& task_;
  text::Json& document_;
  RefChanges& refs_;
};

}  // namespace

Result<void> state_cyclonedx_origin(const Task& task, RefChanges& refs) {
  return CycloneDxOrigin(task, refs).state();
}

}  // namespace flense::sbom
