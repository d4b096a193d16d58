#include "sbom/cyclonedx_refs.h"

#include "base/ascii.h"
#include "sbom/names.h"

namespace flense::sbom {

namespace {

// By schema 1.7. The same names have other values elsewhere (dependencies and vulnerabilities of
// the document are objects, those of a composition texts), which are no texts.
constexpr std::string_view kReferences[] = {"algorithmRef",
                                            "assessor",
                                            "attributedTo",
                                            "parent",
                                            "process",
                                            "relatedCryptographicAssets",
                                            "requirement",
                                            "signatureAlgorithmRef",
                                            "subjectPublicKeyRef",
                                            "target"};
constexpr std::string_view kReferenceLists[] = {
    "algorithms",   "assemblies", "claims",   "counterClaims",        "counterEvidence",
    "dependencies", "dependsOn",  "evidence", "mitigationStrategies", "provides",
    "requirements", "subjects",   "tools",    "vulnerabilities"};
/// What an object of these lists is about: one that has lost all of it goes.
constexpr std::string_view kAbout[] = {"annotations", "compositions", "vulnerabilities"};
constexpr std::string_view kSubjects[] = {"affects", "subjects", "assemblies", "dependencies",
                                          "vulnerabilities"};
/// Objects that may be a reference and nothing else (of a formulation's tasks).
constexpr std::string_view kReferenceObjects[] = {"resource", "source", "target"};
/// Free text, in which a name like that of a component is none.
constexpr std::string_view kNoReferences[] = {"properties", "licenses", "externalReferences"};

class Follower {
 public:
  Follower(const RefChanges& changes, std::unordered_set<std::string>& gone_now)
      : changes_(changes), gone_now_(gone_now) {}

  /// Whether an object goes that is in a list of this name, or the value of it.
  bool follow_object(std::string_view name, text::Json& object) {
    bool lost = false;
    take_out(*object.members_mutable(), [&](auto& member) {
      auto& [key, value] = member;
      if (is_one_of(key, kNoReferences)) return false;
      if (value.is_string() && (key == "ref" || is_one_of(key, kReferences))) {
        if (is_gone(value)) return key != "ref";
        rename(value);
        return false;
      }
      if (value.is_object()) return follow_object(key, value) && is_one_of(key, kReferenceObjects);
      if (value.items().empty()) return false;
      follow_list(key, value);
      const bool emptied = value.items().empty();
      lost = lost || (emptied && is_one_of(key, kSubjects));
      return emptied;
    });
    // Components were judged before, by their places.
    if (name == "components") return false;
    if (is_gone(object["ref"])) return true;
    const bool goes = lost && is_one_of(name, kAbout) &&
                      std::ranges::none_of(kSubjects, [&](std::string_view key) {
                        return object.find(key) != nullptr;
                      });
    if (goes) collect_refs(object, gone_now_);
    return goes;
  }

 private:
  bool is_gone(const text::Json& reference) const {
    return reference.is_string() && changes_.gone.contains(std::string(reference.text()));
  }

  void rename(text::Json& reference) const {
    const auto found = changes_.renamed.find(reference.text());
    if (found != changes_.renamed.end()) reference = found->second;
  }

  void follow_list(std::string_view key, text::Json& list) {
    const bool references = is_one_of(key, kReferenceLists);
    take_out(*list.items_mutable(), [&](text::Json& one) {
      if (references && is_gone(one)) return true;
      if (references && one.is_string()) rename(one);
      if (one.is_array()) follow_list(key, one);
      return one.is_object() && follow_object(key, one);
    });
  }

  const RefChanges& changes_;
  std::unordered_set<std::string>& gone_now_;
};

}  // namespace

void collect_refs(const text::Json& node, std::unordered_set<std::string>& out) {
  for (const text::Json& one : node.items()) collect_refs(one, out);
  for (const auto& [key, value] : node.members()) {
    if (key == "bom-ref" && value.is_string()) out.emplace(value.text());
    if (!value.is_string()) collect_refs(value, out);
  }
}

Result<void> follow_refs(text::Json& document, RefChanges changes) {
  // Annotations of annotations; more than a person writes.
  constexpr int kMostRounds = 16;
  for (int round = 0; !changes.gone.empty() || !changes.renamed.empty(); ++round) {
    if (round == kMostRounds)
      return bad_input("annotations about annotations, {} deep", kMostRounds);
    std::unordered_set<std::string> present;
    collect_refs(document, present);
    std::erase_if(changes.gone, [&](const std::string& one) { return present.contains(one); });
    std::unordered_set<std::string> gone_now;
    Follower(changes, gone_now).follow_object({}, document);
    changes = {std::move(gone_now), {}};
  }
  return {};
}

}  // namespace flense::sbom
