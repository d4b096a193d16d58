#include "sbom/spdx_origin.h"

#include <algorithm>
#include <unordered_set>

#include "base/ascii.h"
#include "sbom/names.h"

namespace flense::sbom {

namespace {

/// The format's time, which has whole seconds; some scanners write parts of them.
std::string whole_seconds(std::string_view time) {
  constexpr std::size_t kSeconds = std::string_view("2026-01-02T03:04:05").size();
  const bool fraction = time.size() > kSeconds + 2 && time[kSeconds] == '.' && time.back() == 'Z' &&
                        all_digits(time.substr(kSeconds + 1, time.size() - kSeconds - 2));
  return fraction ? fmt::format("{}Z", time.substr(0, kSeconds)) : std::string(time);
}

class SpdxOrigin {
 public:
  explicit SpdxOrigin(const Task& task) : task_(task), document_(task.out.document) {}

  void state() {
    const std::unordered_set<std::string> described = described_ids();
    refer_to_original();
    document_.set("documentNamespace", "urn:uuid:" + document_uuid(task_.origin));
    text::Json& creation = *document_.find_mutable("creationInfo");
    // `created` stays: a time of our own would make each run another document.
    const text::Json creator = fmt::format("Tool: flense-{}", task_.origin.tool_version);
    const auto& creators = creation["creators"].items();
    if (std::ranges::find(creators, creator) == creators.end())
      (creation.find_mutable("creators") != nullptr
           ? *creation.find_mutable("creators")
           : *creation.set("creators", text::Json::array()).find_mutable("creators"))
          .push(creator);
    each_object(document_, "files", [&](text::Json& file) { move_comment(file); });
    bool has_image = false;
    each_object(document_, "packages", [&](text::Json& package) {
      move_facts(package, [&](std::string_view key, std::string_view value) {
        return is_one_of(key, {"LayerDiffID", "LayerDigest"}) ? layer_digest(value, task_.origin)
                                                              : std::optional(std::string(value));
      });
      if (!described.contains(std::string(package["SPDXID"].text())) || !is_image(package)) return;
      has_image = true;
      move_image(package);
    });
    if (!has_image) annotate(document_);
    if (described.empty()) task_.note("the document describes nothing that the result has");
  }

 private:
  std::unordered_set<std::string> described_ids() const {
    std::unordered_set<std::string> out;
    const std::string_view self = document_["SPDXID"].text();
    for (const text::Json& one : document_["documentDescribes"].items()) out.emplace(one.text());
    for (const text::Json& one : document_["relationships"].items()) {
      const std::string_view type = one["relationshipType"].text();
      const std::string_view from = one["spdxElementId"].text();
      const std::string_view to = one["relatedSpdxElement"].text();
      if (type == "DESCRIBES" && from == self) out.emplace(to);
      if (type == "DESCRIBED_BY" && to == self) out.emplace(from);
    }
    return out;
  }

  void refer_to_original() {
    std::unordered_set<std::string_view> taken;
    for (const text::Json& one : document_["externalDocumentRefs"].items())
      taken.insert(one["externalDocumentId"].text());
    const std::string name =
        fmt::format("DocumentRef-original-{}", hex_of(task_.origin.document_digest).substr(0, 12));
    reference_ = name;
    for (std::size_t i = 2; taken.contains(reference_); ++i)
      reference_ = fmt::format("{}-{}", name, i);
    text::Json checksum = text::Json::object();
    checksum.set("algorithm", "SHA256")
        .set("checksumValue", std::string(hex_of(task_.origin.document_digest)));
    text::Json reference = text::Json::object();
    reference.set("externalDocumentId", reference_)
        .set("checksum", std::move(checksum))
        .set("spdxDocument", document_["documentNamespace"]);
    push("externalDocumentRefs", std::move(reference));
    // The relation between a document and what it was before (SPDX 2.3, 11.1).
    relate(document_["SPDXID"].text(), "AMENDS", document_["SPDXID"].text());
  }

  void relate(std::string_view from, const char* type, std::string_view original) {
    text::Json out = text::Json::object();
    out.set("spdxElementId", from)
        .set("relationshipType", type)
        .set("relatedSpdxElement", fmt::format("{}:{}", reference_, original));
    push("relationships", std::move(out));
  }

  void push(const char* key, text::Json item) {
    if (!document_[key].is_array()) document_.set(key, text::Json::array());
    document_.find_mutable(key)->push(std::move(item));
  }

  static bool is_image(const text::Json& package) {
    return package["primaryPackagePurpose"].text() == "CONTAINER" ||
           !hex_of(package["versionInfo"].text()).empty() ||
           std::ranges::any_of(package["externalRefs"].items(), [](const text::Json& one) {
             return is_image_purl(one["referenceLocator"].text());
           });
  }

  void move_image(text::Json& package) {
    const std::string& result = task_.origin.result_digest;
    for (const char* key : {"versionInfo", "name"})
      if (!hex_of(package[key].text()).empty()) package.set(key, result);
    if (!package["checksums"].items().empty()) {
      text::Json checksum = text::Json::object();
      checksum.set("algorithm", "SHA256").set("checksumValue", std::string(hex_of(result)));
      package.set("checksums", text::Json::array().push(std::move(checksum)));
    }
    each_object(package, "externalRefs", [&](text::Json& one) {
      const std::string purl(one["referenceLocator"].text());
      if (is_image_purl(purl)) one.set("referenceLocator", result_purl(purl, result));
    });
    move_facts(package, [&](std::string_view key, std::string_view value) {
      return image_fact(key, value, task_.origin);
    });
    annotate(package);
    relate(package["SPDXID"].text(), "DESCENDANT_OF", package["SPDXID"].text());
  }

  /// trivy writes "ImageID: sha256:…" into annotations, earlier into attributionTexts.
  template <class Move>
  void move_facts(text::Json& package, Move move) {
    const auto moved = [&](std::string_view text) -> std::optional<std::string> {
      const std::size_t colon = text.find(": ");
      if (colon == text.npos) return std::string(text);
      const auto value = move(text.substr(0, colon), text.substr(colon + 2));
      if (!value) return std::nullopt;
      return fmt::format("{}: {}", text.substr(0, colon), *value);
    };
    filter(package, "annotations", [&](text::Json& one) {
      if (!one["comment"].is_string()) return false;
      const auto text = moved(one["comment"].text());
      if (text) one.set("comment", *text);
      return !text;
    });
    filter(package, "attributionTexts", [&](text::Json& one) {
      if (!one.is_string()) return false;
      const auto text = moved(one.text());
      if (text) one = *text;
      return !text;
    });
  }

  /// syft's "layerID: sha256:…".
  void move_comment(text::Json& file) {
    constexpr std::string_view kLayer = "layerID: ";
    const std::string_view comment = file["comment"].text();
    if (!comment.starts_with(kLayer)) return;
    const auto layer = layer_digest(comment.substr(kLayer.size()), task_.origin);
    if (layer)
      file.set("comment", std::string(kLayer) + *layer);
    else
      file.erase("comment");
  }

  void annotate(text::Json& element) {
    text::Json out = text::Json::object();
    out.set("annotationDate", whole_seconds(document_["creationInfo"]["created"].text()))
        .set("annotationType", "OTHER")
        .set("annotator", fmt::format("Tool: flense-{}", task_.origin.tool_version))
        .set("comment",
             fmt::format("slim image of {}: {} of the listed files are gone, {} are "
                         "changed",
                         origin_text(task_.origin), task_.out.files_gone, task_.out.files_changed));
    if (!element["annotations"].is_array()) element.set("annotations", text::Json::array());
    element.find_mutable("annotations")->push(std::move(out));
  }

  const Task& task_;
  text::Json& document_;
  std::string reference_;
};

}  // namespace

Result<void> check_spdx_origin(const text::Json& document) {
  if (!document["SPDXID"].is_string()) return bad_input("SPDXID is not a text");
  if (!document["documentNamespace"].is_string())
    return bad_input("documentNamespace is not a text");
  const text::Json& creation = document["creationInfo"];
  if (!creation.is_object()) return bad_input("creationInfo is not an object");
  if (!creation["created"].is_string()) return bad_input("creationInfo.created is not a text");
  if (!creation["creators"].is_null() && !creation["creators"].is_array())
    return bad_input("creationInfo.creators is not a list");
  return check_objects(document, "externalDocumentRefs");
}

void state_spdx_origin(const Task& task) {
  SpdxOrigin(task).state();
}

}  // namespace flense::sbom
