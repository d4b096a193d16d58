#include "inventory/compare/compare.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "base/format.h"
#include "inventory/compare/size_reasons.h"

namespace flense::inventory {

namespace {

using codec::MemberType;

std::uint64_t distance(std::uint64_t a, std::uint64_t b) {
  return a > b ? a - b : b - a;
}

ComparedSide side_of(const Snapshot& image) {
  const Inventory& from = image.inventory;
  return {from.target,        from.digest,         from.platform,   !image.whole,
          from.size_bytes,    from.unpacked_bytes, from.file_bytes, from.files,
          from.layers.size(), image.packages_known};
}

/// What two maps hold under each key, in the order of keys.
template <class Map, class Fn>
void for_each_pair(const Map& before, const Map& after, Fn fn) {
  const typename Map::mapped_type nothing{};
  auto a = before.begin();
  auto b = after.begin();
  while (a != before.end() || b != after.end()) {
    const bool first = b == after.end() || (a != before.end() && a->first < b->first);
    const bool second = a == before.end() || (b != after.end() && b->first < a->first);
    fn(first || !second ? a->first : b->first, second ? nothing : a->second,
       first ? nothing : b->second);
    if (!second) ++a;
    if (!first) ++b;
  }
}

std::vector<SizeChange> compare_reasons(const Snapshot& before, const Snapshot& after) {
  std::vector<SizeChange> out;
  // A saved inventory tells fewer reasons apart; then neither side shall tell more.
  const bool whole = before.whole && after.whole;
  for_each_pair(whole ? before.reasons : reasons_of(before.inventory),
                whole ? after.reasons : reasons_of(after.inventory),
                [&](const std::string& name, std::uint64_t a, std::uint64_t b) {
                  out.push_back({name, a, b});
                });
  std::ranges::stable_sort(out, [](const SizeChange& a, const SizeChange& b) {
    return std::pair(distance(a.before, a.after), a.before + a.after) >
           std::pair(distance(b.before, b.after), b.before + b.after);
  });
  return out;
}

using Versions = std::map<std::pair<std::string, std::string>, std::multiset<std::string>>;

Versions packages_of(const Inventory& image) {
  Versions out;
  for (const InstalledPackage& one : image.packages)
    out[{one.package.type, one.package.name}].insert(one.package.version);
  return out;
}

Versions runtimes_of(const Inventory& image) {
  Versions out;
  for (const Runtime& one : image.runtimes) out[{"runtime", one.name}].insert(one.version);
  return out;
}

std::vector<VersionChange> compare_versions_of(const Versions& before, const Versions& after) {
  std::vector<VersionChange> out;
  for_each_pair(before, after, [&](const auto& key, const auto& a, const auto& b) {
    if (a == b) return;
    out.push_back({key.first, key.second,
                   a.empty()   ? "added"
                   : b.empty() ? "removed"
                               : "changed",
                   fmt::format("{}", fmt::join(a, ", ")), fmt::format("{}", fmt::join(b, ", "))});
  });
  return out;
}

std::vector<CodeChange> compare_code(const DeviceCode& before, const DeviceCode& after) {
  using Key = std::tuple<std::string, std::string, std::string>;
  const auto by_key = [](const DeviceCode& code) {
    std::map<Key, std::pair<std::uint64_t, std::uint64_t>> out;
    for (const ArchCount& one : code.totals) {
      auto& [count, bytes] = out[{one.vendor, one.kind, one.arch}];
      count += one.count;
      bytes += one.bytes;
    }
    return out;
  };
  std::vector<CodeChange> out;
  for_each_pair(by_key(before), by_key(after), [&](const Key& key, const auto& a, const auto& b) {
    if (a == b) return;
    out.push_back({std::get<0>(key), std::get<1>(key), std::get<2>(key), a.first, b.first, a.second,
                   b.second});
  });
  std::ranges::stable_sort(out, std::ranges::greater(), [](const CodeChange& one) {
    return distance(one.bytes_before, one.bytes_after);
  });
  return out;
}

std::vector<CodeFileChange> compare_code_files(const DeviceCode& before, const DeviceCode& after) {
  struct File {
    std::uint64_t bytes = 0;
    std::set<std::string> code;
    std::vector<ArchCount> entries;
    bool operator==(const File&) const = default;
  };
  const auto by_path = [](const DeviceCode& code) {
    std::map<std::string, File> out;
    for (const DeviceFile& one : code.files) {
      File& file = out[one.path];
      file.bytes = one.device_bytes;
      file.entries = one.entries;
      for (const ArchCount& entry : one.entries) file.code.insert(entry.arch);
    }
    return out;
  };
  std::vector<CodeFileChange> out;
  for_each_pair(by_path(before), by_path(after),
                [&](const std::string& path, const File& a, const File& b) {
                  if (a == b) return;
                  CodeFileChange change{path, a.bytes, b.bytes, {}, {}};
                  std::ranges::set_difference(a.code, b.code, std::back_inserter(change.lost));
                  std::ranges::set_difference(b.code, a.code, std::back_inserter(change.gained));
                  out.push_back(std::move(change));
                });
  std::ranges::stable_sort(out, std::ranges::greater(), [](const CodeFileChange& one) {
    return distance(one.bytes_before, one.bytes_after);
  });
  return out;
}

class FileComparison {
 public:
  FileComparison(const Snapshot& before, const Snapshot& after, InventoryChanges& out)
      : before_(before), after_(after), out_(out) {}

  void run() {
    std::size_t i = 0, k = 0;
    while (i < before_.files.size() || k < after_.files.size()) {
      const int order = i == before_.files.size() ? 1
                        : k == after_.files.size()
                            ? -1
                            : before_.files[i].path.compare(after_.files[k].path);
      if (order < 0)
        add({before_.files[i].path, "removed", {}, before_.files[i].size, 0});
      else if (order > 0)
        add({after_.files[k].path, "added", {}, 0, after_.files[k].size});
      else
        both(before_.files[i], after_.files[k]);
      if (order <= 0) ++i;
      if (order >= 0) ++k;
    }
    for (const char* how : {"removed", "added", "changed"})
      if (const FileTotals& total = totals_[how]; total.files > 0) {
        out_.file_totals.push_back(total);
        out_.file_totals.back().how = how;
      }
    std::ranges::stable_sort(out_.files, std::ranges::greater(), [](const FileChange& one) {
      return std::pair(distance(one.bytes_before, one.bytes_after),
                       one.bytes_before + one.bytes_after);
    });
  }

 private:
  void both(const SnapshotFile& a, const SnapshotFile& b) {
    FileChange change{a.path, "changed", {}, a.size, b.size};
    if (a.type != b.type) {
      change.what.emplace_back("type");
    } else {
      if (differs(a, b)) change.what.emplace_back("content");
      if (a.link != b.link) change.what.emplace_back("link");
      // Nobody heeds the mode of a symbolic link.
      if (a.mode != b.mode && a.type != MemberType::kSymlink) change.what.emplace_back("mode");
    }
    if (a.uid != b.uid || a.gid != b.gid) change.what.emplace_back("owner");
    if (!change.what.empty()) add(std::move(change));
  }

  bool differs(const SnapshotFile& a, const SnapshotFile& b) {
    if (a.type != MemberType::kFile) return false;
    if (a.size != b.size) return true;
    if (a.size == 0 || same_member(before_, a, after_, b)) return false;
    if (!a.digest.empty() && !b.digest.empty()) return a.digest != b.digest;
    ++out_.files_unread;
    return false;
  }

  void add(FileChange change) {
    FileTotals& total = totals_[change.how];
    ++total.files;
    total.bytes_before += change.bytes_before;
    total.bytes_after += change.bytes_after;
    out_.files.push_back(std::move(change));
  }

  const Snapshot& before_;
  const Snapshot& after_;
  InventoryChanges& out_;
  std::map<std::string, FileTotals> totals_;
};

/// Whether two layers are one: by what they unpack to, else by how they are stored.
bool same_layer(const LayerFacts& a, const LayerFacts& b) {
  if (!a.diff_id.empty() && !b.diff_id.empty()) return a.diff_id == b.diff_id;
  return !a.digest.empty() && a.digest == b.digest;
}

LayerChange layer_change(const LayerFacts* a, const LayerFacts* b) {
  LayerChange out;
  out.how = a == nullptr ? "added" : b == nullptr ? "removed" : "changed";
  if (a != nullptr) {
    out.digest_before = a->digest;
    out.size_before = a->size_bytes;
    out.unpacked_before = a->unpacked_bytes;
    out.instruction = a->instruction;
  }
  if (b != nullptr) {
    out.digest_after = b->digest;
    out.size_after = b->size_bytes;
    out.unpacked_after = b->unpacked_bytes;
    out.instruction = b->instruction;
  }
  if (a != nullptr && b != nullptr && same_layer(*a, *b)) out.how = "shared";
  return out;
}

/// Pairs in order: each layer of `after` with the next one of `before` that is the same, else that
/// the same instruction made.
std::vector<LayerChange> compare_layers(const std::vector<LayerFacts>& before,
                                        const std::vector<LayerFacts>& after) {
  std::vector<LayerChange> out;
  std::size_t next = 0;
  const auto find = [&](const LayerFacts& wanted, auto equal) {
    for (std::size_t i = next; i < before.size(); ++i)
      if (equal(before[i], wanted)) return i;
    return before.size();
  };
  const auto same_instruction = [](const LayerFacts& a, const LayerFacts& b) {
    return !a.instruction.empty() && a.instruction == b.instruction;
  };
  // Of two single layers without history one is the other, changed.
  const bool lone = before.size() == 1 && after.size() == 1;
  for (const LayerFacts& layer : after) {
    std::size_t at = find(layer, same_layer);
    if (at == before.size()) at = lone ? 0 : find(layer, same_instruction);
    if (at == before.size()) {
      out.push_back(layer_change(nullptr, &layer));
      continue;
    }
    for (; next < at; ++next) out.push_back(layer_change(&before[next], nullptr));
    out.push_back(layer_change(&before[next++], &layer));
  }
  for (; next < before.size(); ++next) out.push_back(layer_change(&before[next], nullptr));
  return out;
}

std::vector<ConfigurationChange> compare_configuration(const Snapshot& before,
                                                       const Snapshot& after) {
  std::map<std::string, std::optional<std::string>> a(before.configuration.begin(),
                                                      before.configuration.end());
  std::map<std::string, std::optional<std::string>> b(after.configuration.begin(),
                                                      after.configuration.end());
  std::vector<ConfigurationChange> out;
  for_each_pair(a, b, [&](const std::string& name, const auto& x, const auto& y) {
    if (x != y) out.push_back({name, x, y});
  });
  return out;
}

}  // namespace

bool InventoryChanges::same_content() const {
  const bool sizes = std::ranges::all_of(reasons, [](const SizeChange& one) {
    return one.before == one.after || one.name == kReasonArchive || one.name == kReasonShadowed;
  });
  return sizes && packages.empty() && runtimes.empty() && code.empty() && code_files.empty() &&
         files.empty() && configuration.empty() && before.platform == after.platform;
}

InventoryChanges compare(const Snapshot& before, const Snapshot& after) {
  InventoryChanges out;
  out.before = side_of(before);
  out.after = side_of(after);
  out.reasons = compare_reasons(before, after);
  out.packages = compare_versions_of(packages_of(before.inventory), packages_of(after.inventory));
  out.runtimes = compare_versions_of(runtimes_of(before.inventory), runtimes_of(after.inventory));
  out.code = compare_code(before.inventory.device_code, after.inventory.device_code);
  out.code_files = compare_code_files(before.inventory.device_code, after.inventory.device_code);
  out.layers = compare_layers(before.inventory.layers, after.inventory.layers);
  if (before.whole && after.whole) {
    FileComparison(before, after, out).run();
    out.configuration = compare_configuration(before, after);
  }
  return out;
}

}  // namespace flense::inventory
