// Names in SBOMs: paths, digests, package URLs, identifiers of documents.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sbom/sbom.h"

namespace flense::sbom {

/// "/bin/x" of "./bin/x", "bin/x", "/bin//x"; nullopt for what names nothing below the root.
std::optional<std::string> absolute(std::string_view name);
Fate fate_of(const Fates& fates, std::string_view name);

/// The 64 digits behind "sha256:"; empty for another text.
std::string_view hex_of(std::string_view digest);

/// pkg:oci and pkg:docker, with a digest as version.
bool is_image_purl(std::string_view purl);
/// The package URL of the result. Its qualifiers do not say where the original lies.
std::string result_purl(std::string_view purl, std::string_view result_digest);

/// The same for the same document, result and version of flense: a UUID of version 5.
std::string document_uuid(const Origin& origin);

/// Text of a document for a message, shortened.
std::string shown(std::string_view text);

/// "NAME@sha256:…"
std::string origin_text(const Origin& origin);

/// What becomes of a statement about an image's own parts, as trivy writes them for the image.
/// nullopt: it is true of the original alone.
std::optional<std::string> image_fact(std::string_view key, std::string_view value,
                                      const Origin& origin);
/// The digest of a layer in which a file or package was found; nullopt: the result has none.
std::optional<std::string> layer_digest(std::string_view digest, const Origin& origin);

/// Of a digest that the document gives: sets it if we know this algorithm ("SHA1", "SHA-256"), else
/// false.
bool renew(text::Json& checksum, std::string_view algorithm_key, std::string_view value_key,
           const Digests& now);

/// A member that has to be a list of objects where it is there.
Result<void> check_objects(const text::Json& document, std::string_view key);

/// Takes out what `drop` says, which is asked once of each, in order, and may change what stays.
/// Whether anything went.
template <class List, class Drop>
bool take_out(List& list, Drop drop) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (drop(list[i])) continue;
    if (kept != i) list[kept] = std::move(list[i]);
    ++kept;
  }
  const bool some = kept != list.size();
  list.resize(kept);
  return some;
}

/// The same of a list in an object, which goes where nothing is left in it: a schema may not allow
/// an empty one.
template <class Drop>
void filter(text::Json& object, std::string_view key, Drop drop) {
  text::Json* list = object.find_mutable(key);
  auto* items = list == nullptr ? nullptr : list->items_mutable();
  if (items != nullptr && take_out(*items, drop) && items->empty()) object.erase(key);
}

/// `change(item)` of each object in a list.
template <class Change>
void each_object(text::Json& object, std::string_view key, Change change) {
  text::Json* list = object.find_mutable(key);
  auto* items = list == nullptr ? nullptr : list->items_mutable();
  if (items == nullptr) return;
  for (text::Json& one : *items)
    if (one.is_object()) change(one);
}

}  // namespace flense::sbom
