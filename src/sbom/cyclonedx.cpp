// Components and hashes of a CycloneDX document; cyclonedx_origin.cpp says whose document it is
// then.
#include <algorithm>

#include "base/ascii.h"
#include "sbom/cyclonedx_origin.h"
#include "sbom/cyclonedx_refs.h"
#include "sbom/formats.h"
#include "sbom/names.h"

namespace flense::sbom {

namespace {

constexpr std::string_view kTrivyPath = "aquasecurity:trivy:FilePath";

bool is_file(const text::Json& component) {
  return component["type"].text() == "file";
}

/// A name with a directory in it; a bare name says nothing of where the file is.
std::string_view file_path(const text::Json& component) {
  const std::string_view name = component["name"].text();
  return is_file(component) && name.find('/') != name.npos ? name : std::string_view();
}

bool is_syft_path(std::string_view property) {
  constexpr std::string_view kBefore = "syft:location:", kBehind = ":path";
  return property.starts_with(kBefore) && property.ends_with(kBehind) &&
         property.size() > kBefore.size() + kBehind.size() &&
         all_digits(
             property.substr(kBefore.size(), property.size() - kBefore.size() - kBehind.size()));
}

/// Where the document says that a component was found. Relative paths are the image's only in
/// properties of tools that are known to leave the slash out: elsewhere they may be a project's.
std::vector<std::string_view> places_of(const text::Json& component) {
  std::vector<std::string_view> out;
  if (const std::string_view path = file_path(component); !path.empty()) out.push_back(path);
  for (const text::Json& one : component["properties"].items()) {
    const std::string_view name = one["name"].text();
    const std::string_view value = one["value"].text();
    if (name == kTrivyPath || is_syft_path(name) || (name == "SrcFile" && value.starts_with('/')))
      out.push_back(value);
  }
  for (const text::Json& one : component["evidence"]["occurrences"].items()) {
    const std::string_view location = one["location"].text();
    if (location.starts_with('/')) out.push_back(location.substr(0, location.find('#')));
  }
  return out;
}

/// The file whose content the component's hashes are of; empty: not known.
std::string_view hashed_path(const text::Json& component) {
  if (is_file(component)) return file_path(component);
  std::string_view path;
  for (const text::Json& one : component["properties"].items())
    if (one["name"].text() == kTrivyPath) {
      if (!path.empty()) return {};
      path = one["value"].text();
    }
  return path;
}

/// Of a component and what is in it.
enum class Standing : std::uint8_t {
  kGone,      ///< taken out
  kUnplaced,  ///< stays for want of a place
  kPlaced,    ///< stays where it is
};

class CycloneDxEdit {
 public:
  explicit CycloneDxEdit(const Task& task) : task_(task), document_(task.out.document) {}

  Result<void> apply() {
    text::Json* metadata = document_.find_mutable("metadata");
    text::Json* root = metadata == nullptr ? nullptr : metadata->find_mutable("component");
    if (root != nullptr && root->is_object()) TRY_DO(edit_list(*root));
    TRY_DO(edit_list(document_));
    if (gone_but_listed_ != 0)
      task_.note(
          fmt::format("{} files that are gone stay listed: the document has in them what is "
                      "elsewhere, too",
                      gone_but_listed_));
    if (!refs_.gone.empty() && document_.find("citations") != nullptr) {
      document_.erase("citations");
      task_.note("citations are left out: they name parts of the document by position");
    }
    TRY_DO(state_cyclonedx_origin(task_, refs_));
    return follow_refs(document_, std::move(refs_));
  }

 private:
  /// The components in `holder`.
  Result<Standing> edit_list(text::Json& holder) {
    TRY_DO(check_objects(holder, "components"));
    Standing all = Standing::kGone;
    Result<void> status;
    filter(holder, "components", [&](text::Json& component) {
      if (!status) return false;
      const auto standing = edit(component);
      if (!standing) {
        status = std::unexpected(standing.error());
        return false;
      }
      all = std::max(all, *standing);
      return *standing == Standing::kGone;
    });
    TRY_DO(status);
    return all;
  }

  Result<Standing> edit(text::Json& component) {
    const bool file = is_file(component);
    if (!file) ++task_.out.packages_before;
    TRY(const Standing inner, edit_list(component));
    const std::vector<std::string_view> places = places_of(component);
    const bool left = std::ranges::any_of(
        places, [&](std::string_view place) { return fate_of(task_.fates, place) != Fate::kGone; });
    // What lies in a file and has no place of its own goes with it; what is in a package may be
    // anywhere.
    const bool keeps = file ? inner == Standing::kPlaced : inner != Standing::kGone;
    if (!places.empty() && !left && !keeps) {
      count_gone(component);
      collect_refs(component, refs_.gone);
      return Standing::kGone;
    }
    const Fate fate = fate_of(task_.fates, file_path(component));
    if (!file) ++task_.out.packages_after;
    if (fate == Fate::kChanged) ++task_.out.files_changed;
    if (fate == Fate::kGone) ++gone_but_listed_;
    TRY_DO(renew_hashes(component));
    move_layers(component);
    return left || inner == Standing::kPlaced ? Standing::kPlaced : Standing::kUnplaced;
  }

  /// What is in the component was counted as staying.
  void count_gone(const text::Json& component) {
    if (is_file(component)) ++task_.out.files_gone;
    for (const text::Json& one : component["components"].items()) {
      if (!is_file(one)) --task_.out.packages_after;
      count_gone(one);
    }
  }

  Result<void> renew_hashes(text::Json& component) {
    if (component["hashes"].items().empty()) return {};
    const auto path = absolute(hashed_path(component));
    if (!path || task_.fates(*path) != Fate::kChanged) return {};
    TRY(const Digests* now, task_.digests_of(*path));
    filter(component, "hashes", [&](text::Json& one) {
      if (one.is_object() && renew(one, "alg", "content", *now)) return false;
      if (!std::exchange(dropped_hashes_, true))
        task_.note(
            "hashes of changed files by other algorithms than SHA-1 and SHA-256 are left "
            "out");
      return true;
    });
    if (component["hashes"].is_null()) {
      text::Json hash = text::Json::object();
      hash.set("alg", "SHA-256").set("content", now->sha256);
      component.set("hashes", text::Json::array().push(std::move(hash)));
    }
    component.erase("signature");
    return {};
  }

  void move_layers(text::Json& component) const {
    filter(component, "properties", [&](text::Json& one) {
      const std::string_view name = one["name"].text();
      if (!one["value"].is_string() ||
          !(is_one_of(name, {"aquasecurity:trivy:LayerDiffID", "aquasecurity:trivy:LayerDigest"}) ||
            (name.starts_with("syft:location:") && name.ends_with(":layerID"))))
        return false;
      const auto layer = layer_digest(one["value"].text(), task_.origin);
      if (layer) one.set("value", *layer);
      return !layer;
    });
  }

  const Task& task_;
  text::Json& document_;
  RefChanges refs_;
  bool dropped_hashes_ = false;
  std::size_t gone_but_listed_ = 0;
};

void collect_changed(const text::Json& holder, const Fates& fates, std::vector<std::string>& out) {
  for (const text::Json& component : holder["components"].items()) {
    if (!component["hashes"].items().empty()) {
      auto path = absolute(hashed_path(component));
      if (path && fates(*path) == Fate::kChanged) out.push_back(*std::move(path));
    }
    collect_changed(component, fates, out);
  }
}

}  // namespace

std::vector<std::string> cyclonedx_changed(const text::Json& document, const Fates& fates) {
  std::vector<std::string> out;
  collect_changed(document["metadata"]["component"], fates, out);
  collect_changed(document, fates, out);
  return out;
}

Result<void> reissue_cyclonedx(const Task& task) {
  return CycloneDxEdit(task).apply();
}

}  // namespace flense::sbom
