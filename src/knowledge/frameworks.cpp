#include "knowledge/frameworks.h"

#include <algorithm>

#include "base/format.h"
#include "knowledge/table_rows.h"

namespace flense::knowledge {

using text::Json;

namespace {

/// "torch 2.8 to 2.10 cu128 amd64".
std::string row_name(const Json& row) {
  std::string out;
  const std::string to = text_at(row, "to");
  const auto add = [&](const std::string& word) {
    if (!word.empty()) out += (out.empty() ? "" : " ") + word;
  };
  add(text_at(row, "package"));
  add(text_at(row, "from"));
  if (!to.empty() && to != text_at(row, "from")) add("to " + to);
  add(text_at(row, "variant"));
  add(text_at(row, "platform"));
  return out;
}

bool fits(std::string_view wanted, std::string_view asked) {
  return wanted.empty() || wanted == asked;
}

/// "rocm6.2.4" is of the rows of "rocm".
bool fits_variant(std::string_view wanted, std::string_view asked) {
  return fits(wanted, asked) || (wanted == "rocm" && asked.starts_with("rocm"));
}

/// Whether the path ends with a row; ".so" stands for each version.
bool ends_with_one_of(const std::vector<std::string>& rows, std::string_view path) {
  return std::ranges::any_of(rows, [&](const std::string& row) {
    const std::size_t at = path.rfind(row);
    if (row.empty() || at == std::string_view::npos) return false;
    const std::string_view version = path.substr(at + row.size());
    return (at == 0 || path[at - 1] == '/') &&
           version.find_first_not_of(".0123456789") == std::string_view::npos;
  });
}

}  // namespace

Frameworks Frameworks::read(const TableSet& tables) {
  Frameworks out;
  const auto section = [&](std::string_view name) {
    return TableRows(tables, "framework_builds", name);
  };
  const TableRows builds = section("builds");
  builds.each([&](const Json& row) {
    out.builds.push_back({text_at(row, "package"), text_at(row, "from"), text_at(row, "to"),
                          text_at(row, "variant"), text_at(row, "platform"), texts_at(row, "cubin"),
                          texts_at(row, "ptx"), texts_at(row, "gfx"), builds.confidence(row),
                          builds.source(row, row_name(row))});
  });
  const TableRows defaults = section("pypi");
  defaults.each([&](const Json& row) {
    out.defaults.push_back({text_at(row, "from"), text_at(row, "to"), text_at(row, "variant"),
                            defaults.confidence(row),
                            defaults.source(row, "torch " + row_name(row)), text_at(row, "python"),
                            text_at(row, "last_python")});
  });
  const TableRows cudnn = section("cudnn");
  cudnn.each([&](const Json& row) {
    out.cudnn.push_back({text_at(row, "package"), text_at(row, "from"), text_at(row, "to"),
                         row["major"].unsigned_or(0), cudnn.source(row, row_name(row))});
  });
  const TableRows cuda = section("cuda");
  cuda.each([&](const Json& row) {
    out.cuda.push_back({text_at(row, "package"), text_at(row, "from"), text_at(row, "to"),
                        text_at(row, "cuda"), cuda.source(row, row_name(row))});
  });
  const TableRows variants = section("variants");
  variants.each([&](const Json& row) {
    VariantSetRow made{texts_at(row, "packages"),
                       text_at(row, "effect"),
                       text_at(row, "document"),
                       {},
                       row["by_cuda"].bool_or(false),
                       {},
                       {}};
    for (const auto& [package, variant] : row["required"].members())
      made.required.emplace(package, std::string(variant.text()));
    for (const auto& [package, others] : row["holds"].members())
      for (const Json& other : others.items())
        made.holds[package].insert(std::string(other.text()));
    made.source = variants.source(row, made.packages.empty() ? "" : made.packages.front());
    out.variants.push_back(std::move(made));
  });
  const TableRows libc = section("glibc");
  libc.each([&](const Json& row) {
    out.libc.push_back({text_at(row, "package"), text_at(row, "from"), text_at(row, "to"),
                        text_at(row, "variant"), text_at(row, "glibc"),
                        libc.source(row, row_name(row))});
  });
  const TableRows cpu_only = section("cpu_only");
  cpu_only.each([&](const Json& row) {
    out.cpu_only.push_back({text_at(row, "package"), text_at(row, "suffix"),
                            row["aside"].bool_or(false), text_at(row, "fix"),
                            cpu_only.source(row, row_name(row))});
  });
  section("core_libraries").each([&](const Json& row) {
    out.core_libraries.push_back(text_at(row, "path"));
  });
  section("imported_libraries").each([&](const Json& row) {
    out.imported_libraries.push_back(text_at(row, "path"));
  });
  section("feature_libraries").each([&](const Json& row) {
    out.feature_libraries.push_back(text_at(row, "stem"));
  });
  return out;
}

const FrameworkBuild* Frameworks::build(std::string_view package, std::string_view version,
                                        std::string_view variant, std::string_view platform) const {
  for (const FrameworkBuild& row : builds)
    if (row.package == package && within(version, row.from, row.to) &&
        fits_variant(row.variant, variant) && fits(row.platform, platform))
      return &row;
  return nullptr;
}

const DefaultVariantRow* Frameworks::default_variant(std::string_view torch) const {
  for (const DefaultVariantRow& row : defaults)
    if (within(torch, row.from, row.to)) return &row;
  return nullptr;
}

const CudnnRow* Frameworks::cudnn_of(std::string_view package, std::string_view version) const {
  for (const CudnnRow& row : cudnn)
    if (row.package == package && within(version, row.from, row.to)) return &row;
  return nullptr;
}

const NeededCudaRow* Frameworks::cuda_of(std::string_view package, std::string_view version) const {
  for (const NeededCudaRow& row : cuda)
    if (row.package == package && within(version, row.from, row.to)) return &row;
  return nullptr;
}

const FrameworkLibcRow* Frameworks::libc_of(std::string_view package, std::string_view version,
                                            std::string_view variant) const {
  for (const FrameworkLibcRow& row : libc)
    if (row.package == package && within(version, row.from, row.to) &&
        fits_variant(row.variant, variant))
      return &row;
  return nullptr;
}

bool Frameworks::is_core_library(std::string_view path) const {
  return ends_with_one_of(core_libraries, path);
}

bool Frameworks::is_imported_library(std::string_view path) const {
  return ends_with_one_of(imported_libraries, path);
}

bool Frameworks::is_feature_library(std::string_view path) const {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  return std::ranges::any_of(feature_libraries,
                             [&](const std::string& stem) { return name.starts_with(stem); });
}

std::string local_version(std::string_view version) {
  const std::size_t plus = version.find('+');
  return plus == std::string_view::npos ? std::string() : std::string(version.substr(plus + 1));
}

std::string cuda_of_variant(std::string_view variant) {
  if (!variant.starts_with("cu")) return {};
  variant.remove_prefix(2);
  const std::string_view digits = variant.substr(0, variant.find_first_not_of("0123456789"));
  if (digits.size() < 2 || digits.size() > 4) return {};
  // cu12 of flash-attn is the major alone; of cu92, cu118 and cu130 the last digit is the minor.
  if (digits.size() == 2 && digits.front() < '7') return std::string(digits);
  return fmt::format("{}.{}", digits.substr(0, digits.size() - 1),
                     digits.substr(digits.size() - 1));
}

}  // namespace flense::knowledge
