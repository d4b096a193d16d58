// Whatever is reissued names nothing that is gone, keeps what is not, and stays as it is in a
// second reissue of which nothing is gone.
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <unordered_set>

#include "codec/sha256.h"
#include "sbom/sbom.h"
#include "sbom/statement.h"
#include "text/json.h"

namespace {

using namespace flense;

void expect(bool holds) {
  if (!holds) std::abort();
}

sbom::Fate by_path(std::string_view path) {
  expect(path.starts_with('/') && path.size() > 1);
  switch (path.back() % 3) {
    case 0:
      return sbom::Fate::kGone;
    case 1:
      return sbom::Fate::kChanged;
    default:
      return sbom::Fate::kSame;
  }
}

sbom::Fate same(std::string_view) {
  return sbom::Fate::kSame;
}

Result<sbom::Reissued> reissued(const text::Json& document, const sbom::Fates& fates) {
  sbom::ContentDigests digests;
  for (const std::string& path : sbom::changed_files(document, fates))
    digests[path] = {std::string(40, '1'), std::string(64, '2')};
  const std::string digest = "sha256:" + std::string(64, '3');
  return sbom::reissue(document, fates, digests, {"app", digest, digest, "1", digest, {}});
}

using Names = std::unordered_set<std::string_view>;

Names names(const text::Json& document) {
  Names out;
  for (const char* key : {"packages", "files", "snippets"})
    for (const text::Json& one : document[key].items()) out.insert(one["SPDXID"].text());
  return out;
}

void no_new_dangling(const text::Json& before, const text::Json& after) {
  const Names had = names(before), has = names(after);
  const auto look = [&](std::string_view name) {
    expect(!had.contains(name) || has.contains(name));
  };
  for (const text::Json& one : after["relationships"].items()) {
    look(one["spdxElementId"].text());
    look(one["relatedSpdxElement"].text());
  }
  for (const text::Json& one : after["documentDescribes"].items()) look(one.text());
  for (const text::Json& package : after["packages"].items())
    for (const text::Json& one : package["hasFiles"].items()) look(one.text());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto json = sbom::read({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!json) return 0;
  auto carried = sbom::unwrap(*std::move(json));
  if (!carried) return 0;
  static_cast<void>(sbom::kind_of(carried->document));
  const auto once = reissued(carried->document, by_path);
  if (!once) {
    expect(once.error().code == Code::kBadInput);
    return 0;
  }
  expect(once->packages_after <= once->packages_before);
  if (sbom::format_of(carried->document) == sbom::Format::kSpdxJson)
    no_new_dangling(carried->document, once->document);
  const auto twice = reissued(once->document, same);
  expect(twice.has_value());
  expect(twice->packages_after == once->packages_after && twice->files_gone == 0);
  for (const char* key : {"files", "snippets", "components", "dependencies", "compositions"})
    expect(twice->document[key] == once->document[key]);
  carried->document = twice->document;
  const std::string text =
      text::dump_json(sbom::wrap(*std::move(carried), "sha256:" + std::string(64, '3')));
  expect(text::parse_json(text, "again").has_value());
  return 0;
}
