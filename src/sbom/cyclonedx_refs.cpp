#include "sbom/cyclonedx_refs.h"

#include "base/ascii.h"

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
/// What an object is about: one that has lost all of it goes.
constexpr std::string_view kSubjects[] = {"affects", "subjects", "assemblies", "dependencies",
                                          "vulnerabilities"};
/// Free text, in which a name like that of a component is none.
constexpr std::string_view kNoReferences[] = {"properties", "licenses", "externalReferences"};

class Follower {
 public:
  Follower(const RefChanges& changes, std::unordered_set<std::string>& gone_now)
      : changes_(changes), gone_now_(gone_now) {}

  /// Whether the object goes.
  bool follow_object(text::Json& object) {
    if (is_gone(object["ref"])) return true;
    bool lost = false;
    std::vector<std::string> erased;
    for (auto& [key, value] : *object.members_mutable()) {
      if (is_one_of(key, kNoReferences)) continue;
      if (value.is_string() && (key == "ref" || is_one_of(key, kReferences))) {
        if (is_gone(value))
          erased.push_back(key);
        else
          rename(value);
      } else if (value.is_array()) {
        const bool had = !value.items().empty();
        follow_list(key, value);
        if (!had || !value.items().empty()) continue;
        lost = lost || is_one_of(key, kSubjects);
        erased.push_back(key);
      } else if (value.is_object() && follow_object(value)) {
        erased.push_back(key);
      }
    }
    for (const std::string& key : erased) object.erase(key);
    const bool goes = lost && object["bomFormat"].is_null() &&
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
    std::erase_if(*list.items_mutable(),
                  [&](const text::Json& one) { return references && is_gone(one); });
    std::vector<text::Json> kept;
    for (text::Json& one : *list.items_mutable()) {
      if (references && one.is_string()) rename(one);
      if (one.is_object() && follow_object(one)) continue;
      if (one.is_array()) follow_list({}, one);
      kept.push_back(std::move(one));
    }
    *list.items_mutable() = std::move(kept);
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
    Follower(changes, gone_now).follow_object(document);
    changes = {std::move(gone_now), {}};
  }
  return {};
}

}  // namespace flense::sbom
