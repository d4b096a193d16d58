// Files, packages and checksums of an SPDX document; spdx_origin.cpp says whose document it is
// then.
#include <algorithm>
#include <set>
#include <unordered_map>

#include "base/ascii.h"
#include "codec/legacy_digest.h"
#include "sbom/formats.h"
#include "sbom/names.h"
#include "sbom/spdx_graph.h"
#include "sbom/spdx_origin.h"

namespace flense::sbom {

namespace {

/// syft's word for a file that it has not hashed.
bool is_placeholder(std::string_view checksum) {
  return checksum.find_first_not_of('0') == checksum.npos;
}

std::string_view sha1_of(const text::Json& file) {
  for (const text::Json& one : file["checksums"].items())
    if (one["algorithm"].text() == "SHA1" && !is_placeholder(one["checksumValue"].text()))
      return one["checksumValue"].text();
  return {};
}

class SpdxEdit {
 public:
  SpdxEdit(const Task& task, const SpdxGraph& graph)
      : task_(task), graph_(graph), document_(task.out.document) {}

  Result<void> apply() {
    TRY_DO(renew_files());
    renew_packages();
    leave_out();
    return {};
  }

 private:
  Result<void> renew_files() {
    text::Json* files = document_.find_mutable("files");
    for (std::size_t i = 0; i < graph_.files.size(); ++i) {
      if (graph_.files[i] == Fate::kGone) ++task_.out.files_gone;
      if (graph_.files[i] != Fate::kChanged) continue;
      ++task_.out.files_changed;
      text::Json& file = (*files->items_mutable())[i];
      if (file["checksums"].items().empty()) continue;
      TRY(const Digests* now, task_.digests_of(*absolute(file["fileName"].text())));
      renew_checksums(file, *now);
    }
    return {};
  }

  void renew_checksums(text::Json& file, const Digests& now) {
    bool has_sha1 = false;
    filter(file, "checksums", [&](text::Json& one) {
      const std::string_view value = one["checksumValue"].text();
      if (!is_placeholder(value)) renewed_.try_emplace(to_lower(value), &now);
      has_sha1 = has_sha1 || one["algorithm"].text() == "SHA1";
      return !(one.is_object() && renew(one, "algorithm", "checksumValue", now)) && drop_checksum();
    });
    if (has_sha1) return;
    // The format wants one of this kind.
    text::Json list = text::Json::array();
    list.push(text::Json::object().set("algorithm", "SHA1").set("checksumValue", now.sha1));
    for (const text::Json& one : file["checksums"].items()) list.push(one);
    file.set("checksums", std::move(list));
  }

  bool drop_checksum() {
    if (!std::exchange(dropped_checksums_, true))
      task_.note(
          "checksums of changed files by other algorithms than SHA-1 and SHA-256 are left "
          "out");
    return true;
  }

  void renew_packages() {
    text::Json* packages = document_.find_mutable("packages");
    for (std::size_t i = 0; i < graph_.gone_packages.size(); ++i) {
      if (graph_.gone_packages[i]) continue;
      text::Json& package = (*packages->items_mutable())[i];
      // A package that is one file (a Java archive) has the checksums of that file.
      filter(package, "checksums", [&](text::Json& one) {
        const auto now = renewed_.find(to_lower(one["checksumValue"].text()));
        return now != renewed_.end() && one.is_object() &&
               !renew(one, "algorithm", "checksumValue", *now->second) && drop_checksum();
      });
      const bool other_files = std::ranges::any_of(
          graph_.contained[i], [&](std::size_t file) { return graph_.files[file] != Fate::kSame; });
      if (other_files && package["packageVerificationCode"].is_object())
        renew_verification_code(package, graph_.contained[i]);
    }
  }

  /// SPDX 2.3, 7.9: SHA-1 of the sorted SHA-1 of all files but those that are excluded.
  void renew_verification_code(text::Json& package, std::vector<std::size_t> contained) {
    std::ranges::sort(contained);
    contained.erase(std::ranges::unique(contained).begin(), contained.end());
    text::Json& code = *package.find_mutable("packageVerificationCode");
    std::set<std::optional<std::string>> excluded;
    for (const text::Json& one : code["packageVerificationCodeExcludedFiles"].items())
      excluded.insert(absolute(one.text()));
    std::vector<std::string> hashes;
    bool known = true;
    for (const std::size_t index : contained) {
      const text::Json& file = document_["files"].items()[index];
      if (graph_.files[index] == Fate::kGone ||
          excluded.contains(absolute(file["fileName"].text())))
        continue;
      hashes.push_back(to_lower(sha1_of(file)));
      known = known && !hashes.back().empty();
    }
    if (known && !hashes.empty()) {
      std::ranges::sort(hashes);
      std::string all;
      for (const std::string& one : hashes) all += one;
      code.set("packageVerificationCodeValue", codec::sha1_hex(as_bytes(all)));
      return;
    }
    package.erase("packageVerificationCode");
    // Analysed files without a code are allowed by 2.3; a package without files has none analysed.
    if (hashes.empty() || document_["spdxVersion"].text() == "SPDX-2.2") {
      package.set("filesAnalyzed", false);
      package.erase("licenseInfoFromFiles");
    }
    ++codes_left_out_;
  }

  void leave_out() {
    const auto by_index = [&](std::string_view key, auto is_gone) {
      std::size_t next = 0;
      filter(document_, key, [&](const text::Json&) { return is_gone(next++); });
    };
    task_.out.packages_before = graph_.gone_packages.size();
    by_index("packages", [&](std::size_t i) { return graph_.gone_packages[i]; });
    by_index("files", [&](std::size_t i) { return graph_.files[i] == Fate::kGone; });
    by_index("snippets", [&](std::size_t i) { return graph_.gone_snippets[i]; });
    task_.out.packages_after = document_["packages"].items().size();
    if (std::ranges::any_of(graph_.gone_snippets, std::identity()))
      task_.note("snippets of files that are changed or gone are left out");
    if (codes_left_out_ != 0)
      task_.note(
          fmt::format("verification codes of {} packages are left out: not all their files "
                      "are there with a SHA-1",
                      codes_left_out_));
    if (!graph_.gone.empty()) filter_spdx_references(document_, graph_.gone);
  }

  const Task& task_;
  const SpdxGraph& graph_;
  text::Json& document_;
  std::unordered_map<std::string, const Digests*> renewed_;  ///< by an old checksum
  bool dropped_checksums_ = false;
  std::size_t codes_left_out_ = 0;
};

}  // namespace

std::vector<std::string> spdx_changed(const text::Json& document, const Fates& fates) {
  std::vector<std::string> out;
  for (const text::Json& file : document["files"].items()) {
    if (file["checksums"].items().empty()) continue;
    auto path = absolute(file["fileName"].text());
    if (path && fates(*path) == Fate::kChanged) out.push_back(*std::move(path));
  }
  return out;
}

Result<void> reissue_spdx(const Task& task) {
  TRY(const SpdxGraph graph, spdx_graph(task.out.document, task.fates));
  TRY_DO(check_spdx_origin(task.out.document));
  TRY_DO(SpdxEdit(task, graph).apply());
  state_spdx_origin(task);
  return {};
}

}  // namespace flense::sbom
