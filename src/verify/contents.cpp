#include "verify/contents.h"

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <set>
#include <unordered_map>

#include "base/parallel.h"
#include "base/path.h"
#include "device/amd_bundle.h"
#include "device/amd_target.h"
#include "device/fatbin.h"
#include "text/json.h"
#include "verify/elf_compare.h"
#include "verify/file_lists.h"
#include "verify/members.h"
#include "verify/reasons.h"

namespace flense::verify {

namespace {

using image::EntryRef;
using Kind = ContentPair::Kind;

std::uint64_t key_of(EntryRef ref) {
  return std::uint64_t{ref.layer} << 32 | ref.index;
}

using Pairs = std::vector<const ContentPair*>;

/// Pairs whose contents are looked at together: those of layers that have to do with one another.
/// Mostly each layer is a group of its own, so that the contents of one after another are set
/// aside.
std::vector<Pairs> groups_of(const Reading& before, const TreeResult& tree) {
  const std::size_t layers = before.layers.size();
  // Layers after have numbers behind those before; each leads to the first of its group.
  std::vector<std::size_t> parents(layers);
  std::iota(parents.begin(), parents.end(), std::size_t{0});
  const auto root = [&](std::size_t at) {
    while (parents[at] != at) at = parents[at];
    return at;
  };
  const auto number = [&](EntryRef after) {
    const std::size_t at = layers + after.layer;
    while (parents.size() <= at) parents.push_back(parents.size());
    return at;
  };
  const auto join = [&](std::size_t one, std::size_t other) { parents[root(one)] = root(other); };
  for (const ContentPair& one : tree.contents)
    if (one.before && one.after) join(number(*one.after), one.before->layer);
  // Lists of files are compared with what the files now hold.
  for (std::size_t i = 0; i < tree.fates.size(); ++i)
    for (const auto& [path, after] : tree.fates[i])
      if (after) join(number(*after), i);
  std::map<std::size_t, Pairs> groups;
  for (const ContentPair& one : tree.contents)
    groups[tree.merged ? 0 : root(one.before ? one.before->layer : number(*one.after))].push_back(
        &one);
  std::vector<Pairs> out;
  for (auto& [first, pairs] : groups) out.push_back(std::move(pairs));
  return out;
}

std::uint64_t bytes_after(const Reading& after, const Pairs& pairs) {
  std::set<std::uint64_t> counted;
  std::uint64_t out = 0;
  for (const ContentPair* one : pairs)
    if (one->after && counted.insert(key_of(*one->after)).second)
      out += after.member(*one->after).entry.size;
  return out;
}

class ContentComparison {
 public:
  ContentComparison(const Reading& before, const Reading& after, const TreeResult& tree,
                    const Pairs& pairs, const CodeRule& rule, const std::filesystem::path& scratch,
                    Progress* progress, Findings& findings)
      : before_(before),
        after_(after),
        tree_(tree),
        pairs_(pairs),
        rule_(rule),
        scratch_(scratch),
        progress_(progress),
        findings_(findings) {}

  Result<void> run() {
    TRY(aside_, SetAside::create(scratch_));
    TRY_DO(set_aside());
    for (const ContentPair* one : pairs_)
      if (!one->before) marker(as_text(content_after(*one->after)));
    return compare();
  }

 private:
  /// The listed members of each layer, walked one after another.
  static Result<void> walk(
      const Reading& reading, std::uint32_t layer, const image::WalkOptions& options,
      const std::function<Result<void>(std::uint32_t, image::EntryContent&)>& use) {
    std::uint32_t index = 0;
    TRY_DO(image::walk_layer(*reading.image, layer, options,
                             [&](const image::LayerEntry&, image::EntryContent* content,
                                 codec::TarReader*) -> Result<void> {
                               const std::uint32_t here = index++;
                               return content == nullptr ? Result<void>() : use(here, *content);
                             }));
    return {};
  }

  image::WalkOptions options() const {
    // They were verified by the first reading.
    return {.scratch_directory = scratch_, .verify_digests = false, .progress = progress_};
  }

  Result<void> set_aside() {
    std::map<std::uint32_t, std::map<std::uint32_t, bool>> wanted;
    for (const ContentPair* one : pairs_)
      if (one->after) wanted[one->after->layer][one->after->index] = true;
    std::size_t number = 0;
    for (const auto& [layer, members] : wanted)
      TRY_DO(walk(after_, layer, options(),
                  [&](std::uint32_t index, image::EntryContent& content) -> Result<void> {
                    if (!members.contains(index)) return {};
                    TRY_DO(aside_->add(content.stream()));
                    numbers_[key_of({layer, index})] = number++;
                    return {};
                  }));
    return aside_->map();
  }

  Result<void> compare() {
    std::map<std::uint32_t, std::multimap<std::uint32_t, const ContentPair*>> wanted;
    for (const ContentPair* one : pairs_)
      if (one->before) wanted[one->before->layer].emplace(one->before->index, one);
    std::vector<std::uint32_t> layers;
    for (const auto& [layer, members] : wanted) layers.push_back(layer);
    return parallel_for(
        layers.size(), std::min(processor_count(), 2U), [&](std::size_t turn) -> Result<void> {
          const std::uint32_t layer = layers[turn];
          const auto& members = wanted.at(layer);
          return walk(before_, layer, options(),
                      [&](std::uint32_t index, image::EntryContent& content) -> Result<void> {
                        const auto [first, last] = members.equal_range(index);
                        if (first == last) return {};
                        TRY(const Bytes bytes, content.materialise());
                        for (auto at = first; at != last; ++at) TRY_DO(one(*at->second, bytes));
                        return {};
                      });
        });
  }

  Result<void> one(const ContentPair& pair, Bytes before) {
    switch (pair.kind) {
      case Kind::kEdited:
        return edited(pair, before);
      case Kind::kList:
        list(pair, as_text(before), as_text(content_after(*pair.after)));
        return {};
      case Kind::kGoneCode:
        gone_code(pair.path, before);
        return {};
      case Kind::kNeeds:
        needs(pair.path, before);
        return {};
      case Kind::kMarker:
        break;
    }
    return {};
  }

  Result<void> edited(const ContentPair& pair, Bytes before) {
    if (is_self_checked(pair.path)) {
      findings_.differ({pair.path, "content", "", "as it was: it checks its own bytes", "another"});
      return {};
    }
    if (elf::looks_like_elf(before))
      return compare_elf(before, content_after(*pair.after), pair.path, rule_, scratch_, findings_);
    findings_.differ({pair.path, "content", "",
                      fmt::format("sha256:{}", before_.member(*pair.before).sha256()),
                      fmt::format("sha256:{}", after_.member(*pair.after).sha256())});
    return {};
  }

  /// OpenSSL's module has its digest in a file of settings, others in one beside them.
  bool is_self_checked(const std::string& path) const {
    const std::string folder(parent_path(path));
    const auto leads_here = [&](std::string_view name) {
      return before_.tree->resolve(fmt::format("{}/{}", folder, name)) == path;
    };
    return base_name(path) == "fips.so" ||
           std::ranges::any_of(before_.tree->list(folder), [&](std::string_view one) {
             if (one.starts_with('.') && one.ends_with(".hmac"))
               return leads_here(one.substr(1, one.size() - 6));
             return one.ends_with(".chk") &&
                    leads_here(fmt::format("{}.so", one.substr(0, one.size() - 4)));
           });
  }

  void list(const ContentPair& pair, std::string_view before, std::string_view after) {
    const LayerFates& fates = tree_.fates[tree_.merged ? 0 : pair.before->layer];
    const Fate fate = [&](const std::string& path) -> std::optional<ListedFile> {
      // No list says what it is itself.
      if (path == pair.path) return std::nullopt;
      const auto found = fates.find(path);
      if (found == fates.end()) return std::nullopt;
      if (!found->second) return ListedFile{true, {}};
      return ListedFile{false, content_after(*found->second)};
    };
    const auto wrong =
        compare_list(*list_kind(pair.path, before_.is_wheel()), pair.path, before, after, fate);
    if (wrong)
      findings_.differ({pair.path, "list of files", wrong->where, wrong->expected, wrong->found});
    else
      findings_.count("lists of packages that name what is there");
  }

  /// A stand-alone cubin, fat binary, code object or bundle of them: it may be gone if no target
  /// can load it.
  void gone_code(const std::string& path, Bytes bytes) {
    const auto wrong = [&](const std::string& why) {
      findings_.differ({path, "device code", "", "there: " + why, "gone"});
    };
    if (const auto code = device::find_standalone_fatbin(bytes)) {
      for (const device::SectionCode& section : code->sections)
        for (const device::Region& region : section.regions)
          for (const device::Entry& entry : region.entries)
            for (const device::CudaArch gpu : rule_.targets.cuda)
              if (entry.kind == device::EntryKind::kCubin && can_load_cubin(entry.arch, gpu))
                return wrong(device::to_string(gpu) + " can load it");
      return;
    }
    if (is_named_for_others(path, rule_.targets)) return;
    if (device::looks_like_amd_bundle(bytes)) {
      const auto bundles = device::read_amd_bundles(bytes);
      if (!bundles) return wrong("its code objects cannot be read");
      for (const device::AmdBundle& bundle : *bundles) {
        if (!bundle.unread.empty()) return wrong(bundle.unread);
        for (const device::AmdEntry& entry : bundle.entries)
          for (const std::string& gpu : rule_.targets.amd)
            if (entry.target == "unknown" ||
                can_load_amd(entry.target.substr(0, entry.target.find(':')), gpu))
              return wrong(gpu + " can load it");
      }
      return;
    }
    const auto file = elf::looks_like_elf(bytes) ? elf::File::parse(bytes, path)
                                                 : Result<elf::File>(bad_input("no ELF file"));
    if (!file) return wrong("it is no device code, and its name is of no GPU");
    if (const auto arch = device::cubin_arch(*file)) {
      for (const device::CudaArch gpu : rule_.targets.cuda)
        if (can_load_cubin(*arch, gpu)) return wrong(device::to_string(gpu) + " can load it");
    } else if (const auto target = device::amd_target_of_code_object(*file)) {
      for (const std::string& gpu : rule_.targets.amd)
        if (can_load_amd(target->substr(0, target->find(':')), gpu))
          return wrong(gpu + " can load it");
    } else {
      wrong("it is no device code, and its name is of no GPU");
    }
  }

  /// What a file that stays needs was not taken because nothing reaches it.
  void needs(const std::string& path, Bytes bytes) {
    const auto file = elf::File::parse(bytes, path);
    if (!file) return;
    const std::string loader = file->interpreter();
    if (!loader.empty() && before_.tree->resolve(loader.substr(1)) &&
        !after_.tree->resolve(loader.substr(1)))
      findings_.differ({path, "needed file", "", loader, "gone"});
    for (const std::string& library : file->needed())
      if (tree_.unreached.contains(library))
        findings_.differ({path, "needed file", "", library, "gone"});
  }

  void marker(std::string_view text) {
    const auto json = text::parse_json(text, kMarker);
    const auto wrong = [&](const char* what, const std::string& expected, std::string_view found) {
      findings_.differ({std::string(kMarker), what, "", expected, std::string(found)});
    };
    if (!json || (*json)["schema"].text() != "flense/marker/v1")
      return wrong("content", "flense/marker/v1", json ? (*json)["schema"].text() : "no JSON");
    for (const device::CudaArch gpu : rule_.targets.cuda)
      if (!names((*json)["targets"]["cuda"], device::to_string(gpu)))
        wrong("targets", device::to_string(gpu), "not named");
  }
  static bool names(const text::Json& list, std::string_view word) {
    return std::ranges::any_of(list.items(),
                               [&](const text::Json& one) { return one.text() == word; });
  }

  Bytes content_after(EntryRef ref) const {
    const auto found = numbers_.find(key_of(ref));
    return found == numbers_.end() ? Bytes{} : aside_->content(found->second);
  }

  const Reading& before_;
  const Reading& after_;
  const TreeResult& tree_;
  const Pairs& pairs_;
  const CodeRule& rule_;
  const std::filesystem::path& scratch_;
  Progress* progress_;
  Findings& findings_;
  std::optional<SetAside> aside_;
  std::unordered_map<std::uint64_t, std::size_t> numbers_;
};

}  // namespace

Result<void> compare_contents(const Reading& before, const Reading& after, const TreeResult& tree,
                              const CodeRule& rule, const std::filesystem::path& scratch,
                              Progress* progress, Findings& findings) {
  if (tree.contents.empty()) return {};
  constexpr unsigned kAtOnce = 2;
  const std::vector<Pairs> groups = groups_of(before, tree);
  std::vector<std::uint64_t> sizes;
  for (const Pairs& pairs : groups) sizes.push_back(bytes_after(after, pairs));
  std::ranges::sort(sizes, std::greater());
  sizes.resize(std::min<std::size_t>(sizes.size(), kAtOnce));
  TRY_DO(
      SetAside::check_room(scratch, std::accumulate(sizes.begin(), sizes.end(), std::uint64_t{0})));
  return parallel_for(groups.size(), std::min(processor_count(), kAtOnce), [&](std::size_t turn) {
    return ContentComparison(before, after, tree, groups[turn], rule, scratch, progress, findings)
        .run();
  });
}

}  // namespace flense::verify
