#include "knowledge/images.h"

#include <algorithm>
#include <charconv>

#include "base/format.h"
#include "base/version_numbers.h"
#include "knowledge/table_rows.h"

namespace flense::knowledge {

using text::Json;

namespace {

std::vector<MissingPackageRow> missing_rows(const TableSet& tables, std::string_view section) {
  std::vector<MissingPackageRow> out;
  const TableRows rows(tables, "images", section);
  rows.each([&](const Json& row) {
    MissingPackageRow made{texts_at(row, "packages"), texts_at(row, "distributions"),
                           text_at(row, "instead"),   texts_at(row, "supplied_by"),
                           text_at(row, "document"),  {}};
    made.source = rows.source(row, made.packages.empty() ? "" : made.packages.front());
    out.push_back(std::move(made));
  });
  return out;
}

}  // namespace

bool CudaDistributionRow::is_early(std::string_view cuda) const {
  return !first.empty() && compare_versions(cuda, first) < 0;
}

bool CudaDistributionRow::is_late(std::string_view cuda) const {
  const bool whole_minor = std::ranges::count(last, '.') < 2;
  return !last.empty() &&
         compare_versions(whole_minor ? major_minor(cuda) : std::string(cuda), last) > 0;
}

bool CudaDistributionRow::has_cudnn(std::string_view cuda) const {
  return cudnn.empty() || (cudnn != "none" && compare_versions(cuda, cudnn) >= 0);
}

bool CudaDistributionRow::has(std::string_view cuda, bool with_cudnn) const {
  return !is_early(cuda) && !is_late(cuda) && (!with_cudnn || has_cudnn(cuda));
}

Images Images::read(const TableSet& tables) {
  Images out;
  out.date = tables.table("images")["date"].text();
  const auto section = [&](std::string_view name) { return TableRows(tables, "images", name); };
  const TableRows cuda = section("cuda_versions");
  cuda.each([&](const Json& row) {
    const std::string version = text_at(row, "cuda");
    out.cuda.push_back({version, text_at(row, "state"), text_at(row, "cudnn"),
                        text_at(row, "document"), cuda.source(row, "CUDA " + version)});
  });
  const TableRows builds = section("cuda_distributions");
  builds.each([&](const Json& row) {
    const std::string name = text_at(row, "distribution");
    out.cuda_distributions.push_back({name, text_at(row, "first"), text_at(row, "last"),
                                      text_at(row, "cudnn"), builds.source(row, name)});
  });
  const TableRows old = section("old_repositories");
  old.each([&](const Json& row) {
    const std::string name = text_at(row, "repository");
    out.old_repositories.push_back(
        {name, text_at(row, "instead"), text_at(row, "because"), old.source(row, name)});
  });
  const TableRows lives = section("distributions");
  lives.each([&](const Json& row) {
    const std::string name = text_at(row, "distribution");
    out.distributions.push_back({name, text_at(row, "name"), text_at(row, "codename"),
                                 text_at(row, "end"), text_at(row, "python"), texts_at(row, "ros"),
                                 lives.source(row, name)});
  });
  const TableRows bases = section("ngc_distributions");
  const TableRows ngc = section("ngc_releases");
  ngc.each([&](const Json& row) {
    NgcRow made{text_at(row, "release"),
                text_at(row, "cuda"),
                text_at(row, "driver"),
                {},
                {},
                ngc.confidence(row) == "high",
                {}};
    made.source = ngc.source(row, made.release);
    bases.each([&](const Json& base) {
      if (!made.distribution.empty() ||
          !within(made.release, text_at(base, "from"), text_at(base, "to")))
        return;
      made.distribution = text_at(base, "distribution");
      made.python = text_at(base, "python");
    });
    out.ngc.push_back(std::move(made));
  });
  const TableRows repositories = section("repositories");
  repositories.each([&](const Json& row) {
    RepositoryRow made{text_at(row, "repository"), text_at(row, "vendor"),
                       text_at(row, "framework"),  text_at(row, "flavour"),
                       text_at(row, "scheme"),     text_at(row, "platform"),
                       text_at(row, "user"),       row["moves_caches"].bool_or(false),
                       text_at(row, "builder"),    text_at(row, "instead"),
                       text_at(row, "document"),   {}};
    made.source = repositories.source(row, made.repository);
    out.repositories.push_back(std::move(made));
  });
  const TableRows distroless = section("distroless");
  distroless.each([&](const Json& row) {
    const std::string name = text_at(row, "repository");
    out.distroless.push_back({name, text_at(row, "libc") == "glibc",
                              row["libstdcxx"].bool_or(false), text_at(row, "instead"),
                              distroless.source(row, name)});
  });
  const TableRows floating = section("floating_installers");
  floating.each([&](const Json& row) {
    const std::string pattern = text_at(row, "pattern");
    out.floating_installers.push_back(
        {pattern, text_at(row, "what"), text_at(row, "instead"), floating.source(row, pattern)});
  });
  const TableRows keys = section("old_keys");
  keys.each([&](const Json& row) {
    const std::string name = text_at(row, "repository");
    out.old_keys.push_back({name, texts_at(row, "tags"), text_at(row, "first"),
                            text_at(row, "last"), texts_at(row, "rebuilt"),
                            text_at(row, "directory"), text_at(row, "instead"),
                            text_at(row, "document"), keys.source(row, name)});
  });
  out.missing_packages = missing_rows(tables, "missing_packages");
  out.nvidia_packages = missing_rows(tables, "nvidia_packages");
  return out;
}

const CudaImageRow* Images::cuda_version(std::string_view version) const {
  for (const CudaImageRow& row : cuda)
    if (row.cuda == version) return &row;
  const std::string minor = major_minor(version);
  for (const CudaImageRow& row : cuda)
    if (row.cuda == minor) return &row;
  return nullptr;
}

const CudaImageRow* Images::cuda_near(std::string_view version) const {
  const CudaImageRow* same_major = nullptr;
  const auto newer = [](const CudaImageRow& row, const CudaImageRow* best) {
    return best == nullptr || compare_versions(row.cuda, best->cuda) > 0;
  };
  const CudaImageRow* same_minor = nullptr;
  for (const CudaImageRow& row : cuda) {
    if (!row.state.empty() || first_number(row.cuda) != first_number(version)) continue;
    if (newer(row, same_major)) same_major = &row;
    if (major_minor(row.cuda) == major_minor(version) && newer(row, same_minor)) same_minor = &row;
  }
  return same_minor != nullptr ? same_minor : same_major;
}

const CudaImageRow* Images::newest_cuda() const {
  const CudaImageRow* out = nullptr;
  for (const CudaImageRow& row : cuda)
    if (out == nullptr || compare_versions(row.cuda, out->cuda) > 0) out = &row;
  return out;
}

const CudaDistributionRow* Images::cuda_distribution(std::string_view name) const {
  const auto at = std::ranges::find(cuda_distributions, name, &CudaDistributionRow::distribution);
  return at == cuda_distributions.end() ? nullptr : &*at;
}

const OldRepositoryRow* Images::old_repository(std::string_view name) const {
  const auto at = std::ranges::find(old_repositories, name, &OldRepositoryRow::repository);
  return at == old_repositories.end() ? nullptr : &*at;
}

const DistributionLifeRow* Images::distribution(std::string_view name) const {
  const auto at = std::ranges::find(distributions, name, &DistributionLifeRow::distribution);
  return at == distributions.end() ? nullptr : &*at;
}

const DistributionLifeRow* Images::codename(std::string_view name) const {
  if (name.empty()) return nullptr;
  const auto at = std::ranges::find(distributions, name, &DistributionLifeRow::codename);
  return at == distributions.end() ? nullptr : &*at;
}

const DistributionLifeRow* Images::ros_release(std::string_view release) const {
  const auto at = std::ranges::find_if(distributions, [&](const DistributionLifeRow& row) {
    return std::ranges::find(row.ros, release) != row.ros.end();
  });
  return at == distributions.end() ? nullptr : &*at;
}

const NgcRow* Images::ngc_release(std::string_view release) const {
  const auto at = std::ranges::find(ngc, release, &NgcRow::release);
  return at == ngc.end() ? nullptr : &*at;
}

const RepositoryRow* Images::repository(std::string_view name) const {
  for (const RepositoryRow& row : repositories)
    if (matches_pattern(row.repository, name)) return &row;
  return nullptr;
}

const DistrolessRow* Images::distroless_image(std::string_view name) const {
  for (const DistrolessRow& row : distroless)
    if (matches_pattern(row.repository, name)) return &row;
  return nullptr;
}

const OldKeyRow* Images::old_key(std::string_view name, std::string_view tag) const {
  const std::string_view version = tag.substr(0, tag.find('-'));
  for (const OldKeyRow& row : old_keys)
    if (row.repository == name && within(version, row.first, row.last) &&
        std::ranges::find(row.rebuilt, version) == row.rebuilt.end() &&
        std::ranges::any_of(row.tags,
                            [&](const std::string& one) { return matches_pattern(one, tag); }))
      return &row;
  return nullptr;
}

unsigned months_between(std::string_view from, std::string_view to) {
  const auto months = [](std::string_view date) {
    unsigned year = 0, month = 0;
    const std::size_t dash = date.find('-');
    if (dash == std::string_view::npos) return 0U;
    std::from_chars(date.data(), date.data() + dash, year);
    std::from_chars(date.data() + dash + 1, date.data() + date.size(), month);
    return year > 9999 || month > 12 ? 0U : year * 12 + month;
  };
  const unsigned first = months(from), last = months(to);
  return first == 0 || last <= first ? 0 : last - first;
}

}  // namespace flense::knowledge
