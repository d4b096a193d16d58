#include "knowledge/releases.h"

#include "base/format.h"
#include "knowledge/table_rows.h"

namespace flense::knowledge {

using text::Json;

namespace {

/// The row with another confidence, for the words that name it.
Json with_confidence(const Json& row, std::string_view key) {
  Json out = row;
  if (const Json* other = row.find(key)) out.set("confidence", *other);
  return out;
}

}  // namespace

Releases Releases::read(const TableSet& tables) {
  Releases out;
  const auto section = [&](std::string_view name) { return TableRows(tables, "releases", name); };
  const TableRows torch = section("torch");
  torch.each([&](const Json& row) {
    const std::string version = text_at(row, "version");
    out.torch.push_back({version, texts_at(row, "variants"), texts_at(row, "rocm"),
                         torch.source(row, version),
                         torch.source(with_confidence(row, "rocm_confidence"), version)});
  });
  const TableRows jax = section("jax");
  jax.each([&](const Json& row) {
    out.jax.push_back({text_at(row, "version"), text_at(row, "variant"), text_at(row, "cuda"),
                       jax.source(row, text_at(row, "version") + " " + text_at(row, "variant"))});
  });
  const TableRows conda = section("conda");
  conda.each([&](const Json& row) {
    out.conda.push_back({text_at(row, "version"), texts_at(row, "cuda"),
                         conda.source(row, text_at(row, "version"))});
  });
  const TableRows toolkits = section("toolkits");
  toolkits.each([&](const Json& row) {
    out.toolkits.push_back({text_at(row, "cuda"), texts_at(row, "distributions"),
                            toolkits.source(row, text_at(row, "cuda"))});
  });
  const TableRows images = section("images");
  images.each([&](const Json& row) {
    out.images.push_back(
        {text_at(row, "use"), text_at(row, "image"), images.source(row, text_at(row, "use"))});
  });
  const TableRows flense = section("flense");
  const std::string downloads = text_at(tables.table("releases")["flense"], "downloads");
  flense.each([&](const Json& row) {
    const std::string version = text_at(row, "version");
    out.flense.push_back(
        {version, text_at(row, "sha256"),
         fmt::format("{}/v{}/flense-{}-linux-x86_64.tar.gz", downloads, version, version),
         flense.source(row, version)});
  });
  return out;
}

const PlainImage* Releases::image(std::string_view use) const {
  for (const PlainImage& row : images)
    if (row.use == use) return &row;
  return nullptr;
}

}  // namespace flense::knowledge
