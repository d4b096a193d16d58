#include "sbom/sbom.h"

#include <algorithm>

#include "base/ascii.h"
#include "sbom/formats.h"
#include "sbom/names.h"

namespace flense::sbom {

Result<const Digests*> Task::digests_of(const std::string& path) const {
  const auto found = digests.find(path);
  if (found == digests.end() || found->second.sha1.size() != 40 ||
      found->second.sha256.size() != 64)
    return fail(Code::kInternal, "no digests of the changed file {}", shown(path));
  return &found->second;
}

namespace {

/// At least as many as there are values in the JSON, by its punctuation.
std::size_t count_values(std::string_view bytes) {
  std::size_t out = 1;
  bool quoted = false;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const char c = bytes[i];
    if (c == '"')
      quoted = !quoted;
    else if (quoted && c == '\\')
      ++i;
    else if (!quoted && (c == ',' || c == '[' || c == '{'))
      ++out;
  }
  return out;
}

}  // namespace

Result<text::Json> read(std::string_view bytes, std::string_view what) {
  if (bytes.size() > kMaxBytes)
    return bad_input("{} has {} bytes, expected an SBOM of at most {}", what, bytes.size(),
                     kMaxBytes);
  if (count_values(bytes) > kMaxValues)
    return bad_input("{} has more than {} values, too many for an SBOM", what, kMaxValues);
  return text::parse_json(bytes, what);
}

std::optional<Format> format_of(const text::Json& document) {
  if (is_one_of(document["spdxVersion"].text(), {"SPDX-2.2", "SPDX-2.3"})) return Format::kSpdxJson;
  if (document["bomFormat"].text() == "CycloneDX" &&
      is_one_of(document["specVersion"].text(), {"1.4", "1.5", "1.6", "1.7"}))
    return Format::kCycloneDxJson;
  return std::nullopt;
}

std::string kind_of(const text::Json& document) {
  if (const std::string_view version = document["spdxVersion"].text(); !version.empty())
    return fmt::format(
        "SPDX {}", version.starts_with("SPDX-") ? version.substr(5, 16) : version.substr(0, 16));
  if (const std::string_view version = document["specVersion"].text();
      document["bomFormat"].text() == "CycloneDX")
    return fmt::format("CycloneDX {}", version.substr(0, 16));
  const text::Json& context = document["@context"];
  const auto of_spdx = [](const text::Json& one) {
    return one.text().starts_with("https://spdx.org/rdf/3.");
  };
  if (of_spdx(context) || std::ranges::any_of(context.items(), of_spdx)) return "SPDX 3 (JSON-LD)";
  if (document["schema"]["url"].text().find("anchore/syft") != std::string_view::npos)
    return "syft's own JSON";
  return "no SBOM";
}

std::optional<std::string> build_stage(const text::Json& document) {
  // Where BuildKit mounts what is not the result, and what syft makes of it: a directory's name,
  // which later versions of the scanner write without its path.
  constexpr std::string_view kExtras = "/run/src/extras/";
  std::string_view name = document["name"].text();
  const bool by_path = name.starts_with(kExtras);
  if (by_path) name.remove_prefix(kExtras.size());
  constexpr std::string_view kStage = "sbom-";
  if (!name.starts_with(kStage)) return std::nullopt;
  const std::string_view space = document["documentNamespace"].text();
  if (!by_path && space.find("/syft/dir/") == space.npos) return std::nullopt;
  return std::string(name.substr(kStage.size()));
}

std::vector<std::string> changed_files(const text::Json& document, const Fates& fates) {
  const auto format = format_of(document);
  if (!format) return {};
  std::vector<std::string> out = format == Format::kSpdxJson ? spdx_changed(document, fates)
                                                             : cyclonedx_changed(document, fates);
  std::ranges::sort(out);
  out.erase(std::ranges::unique(out).begin(), out.end());
  return out;
}

Result<Reissued> reissue(text::Json document, const Fates& fates, const ContentDigests& digests,
                         const Origin& origin) {
  for (const std::string* digest :
       {&origin.image_digest, &origin.document_digest, &origin.result_digest})
    if (hex_of(*digest).empty())
      return fail(Code::kInternal, "{} is no digest of an SBOM's origin or result", shown(*digest));
  const auto format = format_of(document);
  if (!format)
    return bad_input(
        "the document is {}, expected SPDX 2.2 or 2.3, or CycloneDX 1.4 to 1.7, as "
        "JSON",
        kind_of(document));
  if (const auto stage = build_stage(document))
    return bad_input("the document describes the build stage {}, expected the image",
                     shown(*stage));
  Reissued out;
  out.document = std::move(document);
  const Task task{fates, digests, origin, out};
  TRY_DO(format == Format::kSpdxJson ? reissue_spdx(task) : reissue_cyclonedx(task));
  return out;
}

}  // namespace flense::sbom
