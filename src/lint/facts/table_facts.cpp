#include "lint/facts/table_facts.h"

#include <algorithm>

#include "base/format.h"
#include "base/version_numbers.h"
#include "knowledge/table_rows.h"
#include "lint/packages/requirement_text.h"

namespace flense::lint {

using knowledge::TableRows;
using knowledge::text_at;
using text::Json;

std::string servers_gone_since(const knowledge::Knowledge& known, std::string_view distribution) {
  std::string out;
  TableRows(known.tables, "images", "distributions").each([&](const Json& row) {
    if (out.empty() && text_at(row, "distribution") == distribution) out = text_at(row, "archived");
  });
  return out;
}

std::string python_ended(const knowledge::Knowledge& known, std::string_view python) {
  std::string out;
  TableRows(known.tables, "images", "python_releases").each([&](const Json& row) {
    if (out.empty() && text_at(row, "python") == python) out = text_at(row, "end");
  });
  return knowledge::months_between(out, known.images.date) == 0 ? std::string() : out;
}

bool compiles_for_cmake_architectures(const knowledge::Knowledge& known, std::string_view option) {
  bool out = false;
  TableRows(known.tables, "build_files", "cuda_switches").each([&](const Json& row) {
    out = out || text_at(row, "option") == option;
  });
  return out;
}

bool holds_extension(const knowledge::Knowledge& known, std::string_view repository,
                     std::string_view package) {
  bool out = false;
  TableRows(known.tables, "images", "held_extensions").each([&](const Json& row) {
    const auto packages = knowledge::texts_at(row, "packages");
    out = out || (text_at(row, "repository") == repository &&
                  std::ranges::find(packages, package) != packages.end());
  });
  return out;
}

TorchOf torch_of(const knowledge::Knowledge& known, std::string_view package,
                 std::string_view version) {
  TorchOf out;
  const TableRows rows(known.tables, "framework_builds", "torch_companions");
  const std::string_view plain = version.substr(0, version.find('+'));
  // A row names the last companion of its torch: 0.11.0 was torch 1.10.0's before 0.11.1 came.
  const bool first = plain.ends_with(".0");
  TorchOf of_first;
  rows.each([&](const Json& row) {
    const std::string known = text_at(row, package), torch = text_at(row, "torch");
    if (out.torch.empty() && known == plain) {
      out.torch = torch;
      out.source = rows.source(row, "torch " + torch);
    } else if (first && torch.ends_with(".0") && !known.empty() &&
               major_minor(known) == major_minor(plain)) {
      of_first = {torch, rows.source(row, "torch " + torch)};
    }
  });
  return out.torch.empty() ? of_first : out;
}

std::string companion_of(const knowledge::Knowledge& known, std::string_view package,
                         std::string_view torch) {
  std::string out;
  const std::string_view plain = torch.substr(0, torch.find('+'));
  TableRows(known.tables, "framework_builds", "torch_companions").each([&](const Json& row) {
    if (out.empty() && text_at(row, "torch") == plain) out = text_at(row, package);
  });
  return out;
}

TorchOf torch_of_codec(const knowledge::Knowledge& known, std::string_view version) {
  TorchOf out;
  const std::string minor = major_minor(version.substr(0, version.find('+')));
  const TableRows rows(known.tables, "framework_builds", "torchcodec");
  rows.each([&](const Json& row) {
    if (text_at(row, "torchcodec") != minor) return;
    out.torch = text_at(row, "torch");
    out.source = rows.source(row, "torchcodec " + minor);
  });
  return out;
}

std::string codec_of(const knowledge::Knowledge& known, std::string_view torch) {
  std::string out;
  const std::string minor = major_minor(torch.substr(0, torch.find('+')));
  TableRows(known.tables, "framework_builds", "torchcodec").each([&](const Json& row) {
    if (out.empty() && text_at(row, "torch") == minor) out = text_at(row, "torchcodec");
  });
  return out;
}

std::vector<std::string> known_cuda_variants_of(const knowledge::Knowledge& known,
                                                std::string_view torch) {
  std::vector<std::string> out;
  for (const knowledge::FrameworkBuild& row : known.frameworks.builds)
    if (row.package == "torch" && row.variant.starts_with("cu") &&
        knowledge::within(torch, row.from, row.to) &&
        std::ranges::find(out, row.variant) == out.end())
      out.push_back(row.variant);
  std::ranges::sort(out);
  return out;
}

std::vector<std::string> cuda_variants_of(const knowledge::Knowledge& known,
                                          std::string_view torch) {
  // Of newer ones variants came later than the first release.
  if (torch.find('.') == std::string_view::npos || !version_at_least(torch, "1.10") ||
      version_at_least(torch, "2.9"))
    return {};
  return known_cuda_variants_of(known, torch);
}

const knowledge::DefaultVariantRow* newest_torch_for(const knowledge::Knowledge& known,
                                                     std::string_view python,
                                                     std::string_view specifier) {
  if (specifier.find_first_not_of("0123456789.,<>=~! ") != specifier.npos) return nullptr;
  const auto holds_one = [&](const knowledge::DefaultVariantRow& row) {
    bool out = meets(row.to, specifier);
    TableRows(known.tables, "framework_builds", "torch_companions").each([&](const Json& one) {
      const std::string torch(text_at(one, "torch"));
      out = out || (knowledge::within(torch, row.from, row.to) && meets(torch, specifier));
    });
    return out;
  };
  const knowledge::DefaultVariantRow *newest = nullptr, *any = nullptr;
  for (const knowledge::DefaultVariantRow& row : known.frameworks.defaults) {
    if (!python.empty() && compare_versions(python, row.python) < 0) continue;
    const auto is_newer = [&](const knowledge::DefaultVariantRow* than) {
      return than == nullptr || compare_versions(row.from, than->from) > 0;
    };
    if (is_newer(any)) any = &row;
    if (is_newer(newest) && (specifier.empty() || holds_one(row))) newest = &row;
  }
  // An older one may have no wheels for this Python.
  if (newest == nullptr || newest == any || newest->last_python.empty()) return newest;
  return !python.empty() && compare_versions(python, newest->last_python) <= 0 ? newest : nullptr;
}

std::string newest_for_cuda(const knowledge::Knowledge& known, std::string_view package,
                            std::uint64_t cuda, std::string_view python) {
  std::string out;
  if (python.empty()) return out;
  TableRows(known.tables, "framework_builds", "cuda").each([&](const Json& row) {
    const std::string first = text_at(row, "python"), last = text_at(row, "last_python");
    const std::string newest = text_at(row, "to");
    if (text_at(row, "package") == package && first_number(text_at(row, "cuda")) == cuda &&
        !first.empty() && compare_versions(python, first) >= 0 &&
        compare_versions(python, last) <= 0 && (out.empty() || compare_versions(newest, out) > 0))
      out = newest;
  });
  return out;
}

std::string last_torch_of(const knowledge::Knowledge& known, std::string_view variant,
                          std::string_view python) {
  std::string last;
  for (const knowledge::FrameworkBuild& build : known.frameworks.builds)
    if (build.package == "torch" && build.variant == variant &&
        (last.empty() || compare_versions(build.to, last) > 0))
      last = build.to;
  const knowledge::DefaultVariantRow* newest = newest_torch_for(known, python);
  return newest == nullptr || compare_versions(last, newest->to) >= 0 ? std::string() : last;
}

}  // namespace flense::lint
