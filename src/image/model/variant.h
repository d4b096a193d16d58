// Images of one index that were made for some GPUs, beside the one for all GPUs (flense slim
// --variants). The entry for all comes first, so that whoever knows nothing of GPUs takes it.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "image/model/image.h"
#include "text/json.h"

namespace flense::image {

/// Annotations of the entry; the configuration has labels of the same names.
inline constexpr const char* kTargetsName = "dev.flense.targets";
inline constexpr const char* kDriverFloorName = "dev.flense.driver-floor";
inline constexpr const char* kInputDigestName = "dev.flense.input-digest";
/// Annotations alone: where the original is, and what it showed then; bytes saved.
inline constexpr const char* kInputReferenceName = "dev.flense.input-reference";
inline constexpr const char* kSavedBytesName = "dev.flense.saved-bytes";
/// In os.features, followed by a target.
inline constexpr std::string_view kGpuFeature = "dev.flense.gpu.";

/// An entry of an index as JSON.
text::Json variant_entry(const Variant& variant);
/// nullopt for every other entry, and for one that contradicts itself about its GPUs.
std::optional<Variant> parse_variant(const text::Json& entry);

/// The annotations of the entry, which its manifest has, too: it may stand without an index.
text::Json variant_annotations(const Variant& variant);
/// What a manifest says of itself; nullopt where it says nothing of GPUs or of an original.
std::optional<Variant> variant_of_manifest(const text::Json& manifest, std::string digest);

/// The one that was made for every GPU of `targets`, and for the fewest others; nullopt where there
/// are none, or none such: what was made for other GPUs may lack their code.
std::optional<std::size_t> variant_for(const std::vector<Variant>& offered,
                                       const std::set<std::string>& targets);

/// Which of `offered` for the platform OpenOptions::choose takes; nullopt: none.
std::optional<Variant> choose_variant(const OpenOptions& options, const Platform& platform,
                                      const std::vector<Variant>& offered);
/// Notes in the image that it was chosen; bad input where its configuration speaks of other GPUs.
Result<void> set_variant(Variant variant, Image& image);

}  // namespace flense::image
