#include "slim/candidates/pickled_weights.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/format.h"
#include "base/path.h"
#include "inventory/names/weight_names.h"
#include "text/json.h"

namespace flense::slim {

namespace {

using inventory::ModelFile;
using inventory::TensorShape;
using inventory::WeightNames;
using inventory::WeightPart;

/// A file of a model as its directory shows it.
struct Part {
  std::string path;  ///< in the directory
  std::string real;  ///< where the bytes are: of a link to a blob another path
  image::EntryRef entry, content;
  WeightPart part;
  const ModelFile* model = nullptr;  ///< null: no weights
};

/// All files of one kind in a directory.
struct Weights {
  std::vector<Part> parts;

  bool complete() const {
    std::set<std::uint64_t> numbers;
    for (const Part& part : parts) numbers.insert(part.part.number);
    return !parts.empty() && numbers.size() == parts.front().part.of &&
           std::ranges::all_of(parts, [&](const Part& part) {
             return part.part.of == parts.front().part.of && part.model != nullptr &&
                    !part.model->tensors.empty();
           });
  }
};

class Search {
 public:
  Search(const image::Image& image, const inventory::Contents& contents, const Stays& stays)
      : contents_(contents), tree_(contents.tree()), stays_(stays) {
    for (const char* member : {"Env", "Cmd", "Entrypoint", "Labels", "Healthcheck"})
      configuration_ += text::dump_json(image.config["config"][member]) + "\n";
  }

  std::vector<PickledWeights> run() {
    look();
    Models models;
    for (const std::string& directory : directories_)
      for (const WeightNames& names : inventory::weight_names()) judge(directory, names, models);
    while (keep_shared_blobs(models)) {
    }
    std::vector<PickledWeights> out;
    for (Members& members : models) std::ranges::move(members, std::back_inserter(out));
    return out;
  }

 private:
  using Members = std::vector<PickledWeights>;  ///< of one model
  using Models = std::vector<Members>;

  /// Directories with a pickle of a known name, links to blobs, and who names pickles.
  void look() {
    // Nothing here fails.
    static_cast<void>(tree_.for_each(
        [&](const std::string& path, const image::MergedTree::Found& found) -> Result<void> {
          if (!found.entry) return {};
          if (found.type == codec::MemberType::kSymlink) {
            if (auto real = tree_.resolve(path)) links_[std::move(*real)].push_back(path);
          } else if (found.type != codec::MemberType::kFile &&
                     found.type != codec::MemberType::kHardLink) {
            return {};
          }
          if (std::ranges::any_of(inventory::weight_names(), [&](const WeightNames& names) {
                return inventory::part_of(base_name(path), names.pickled).has_value();
              }))
            directories_.emplace(parent_path(path));
          return {};
        }));
    contents_.for_each_file([&](const inventory::VisibleFile& file) {
      const auto& mentions = contents_.scan(file.content).mentions;
      const auto found = mentions.find(file.content.index);
      if (found == mentions.end()) return;
      for (const std::string& name : found->second) named_by_.try_emplace(name, file.path);
    });
  }

  Weights find(const std::string& directory, std::string_view whole) const {
    Weights out;
    for (const std::string& name : tree_.list(directory)) {
      const auto part = inventory::part_of(name, whole);
      if (!part) continue;
      Part one;
      one.path = directory.empty() ? name : directory + "/" + name;
      one.part = *part;
      const auto shown = tree_.find(one.path);
      const auto real = tree_.resolve(one.path);
      const auto bytes = real ? tree_.find(*real) : std::nullopt;
      if (!shown || !shown->entry || !bytes || !bytes->content) continue;
      one.real = *real;
      one.entry = *shown->entry;
      one.content = *bytes->content;
      const auto& models = contents_.scan(one.content).models;
      if (const auto model = models.find(one.content.index); model != models.end())
        one.model = &model->second;
      out.parts.push_back(std::move(one));
    }
    return out;
  }

  /// Why the pickles are needed; empty when they are not.
  std::string reason(const std::string& directory, const WeightNames& names, const Weights& safe,
                     const Weights& pickled) const {
    if (!tree_.find(fmt::format("{}/{}", directory, names.settings)))
      return fmt::format("there is no {} beside it, so no loader that takes safetensors first",
                         names.settings);
    if (!safe.complete()) return "the safetensors beside it are not complete, or cannot be read";
    const std::string index = fmt::format("{}/{}.index.json", directory, names.safe);
    if (safe.parts.front().part.of > 1 && !tree_.find(index))
      return "there is no index of the safetensors beside it";
    for (const Part& part : pickled.parts)
      if (part.model == nullptr || part.model->tensors.empty())
        return fmt::format("its tensors are not known: {}",
                           part.model == nullptr || part.model->untold.empty()
                               ? "it is no pickle of tensors"
                               : part.model->untold);
    if (std::string missing = first_missing(safe, pickled); !missing.empty()) return missing;
    if (const auto by = named_by_.find(std::string(names.pickled)); by != named_by_.end())
      return fmt::format("/{} names it", by->second);
    const std::string_view stem = names.pickled.substr(0, names.pickled.rfind('.'));
    if (configuration_.find(stem) != std::string::npos) return "the image's configuration names it";
    return {};
  }

  static std::string first_missing(const Weights& safe, const Weights& pickled) {
    std::map<std::string_view, const TensorShape*> there;
    for (const Part& part : safe.parts)
      for (const TensorShape& tensor : part.model->tensors) there.emplace(tensor.name, &tensor);
    const auto same = [&](const TensorShape& tensor) {
      const auto found = there.find(tensor.name);
      return found != there.end() && found->second->type == tensor.type &&
             found->second->shape == tensor.shape;
    };
    for (const Part& part : pickled.parts) {
      // Tied weights: safetensors holds one of the names.
      std::set<std::pair<std::string_view, std::vector<std::uint64_t>>> held;
      for (const TensorShape& tensor : part.model->tensors)
        if (same(tensor)) held.emplace(tensor.storage, tensor.shape);
      for (const TensorShape& tensor : part.model->tensors)
        if (!same(tensor) &&
            (there.contains(tensor.name) || !held.contains({tensor.storage, tensor.shape})))
          return fmt::format("{} {} in the safetensors beside it", tensor.name,
                             there.contains(tensor.name) ? "has another type or shape" : "is not");
    }
    return {};
  }

  void judge(const std::string& directory, const WeightNames& names, Models& out) {
    const Weights pickled = find(directory, names.pickled);
    const Weights safe = find(directory, names.safe);
    if (pickled.parts.empty() || safe.parts.empty()) return;
    const std::string why = reason(directory, names, safe, pickled);
    Members members;
    bool free = true;
    const auto add = [&](image::EntryRef entry, const std::string& path, std::uint64_t bytes) {
      free = free && stays_(entry, path);
      members.push_back({entry, path, bytes, why});
    };
    for (const Part& part : pickled.parts) {
      const std::uint64_t bytes = contents_.scan(part.content).stored_bytes(part.content.index);
      if (part.real != part.path) add(part.entry, part.path, 0);
      add(part.content, part.real, bytes);
    }
    const std::string index = fmt::format("{}/{}.index.json", directory, names.pickled);
    if (const auto found = tree_.find(index);
        found && found->entry && found->type == codec::MemberType::kFile)
      add(*found->entry, index, contents_.scan(*found->entry).stored_bytes(found->entry->index));
    if (free) out.push_back(std::move(members));
  }

  /// A blob that another link shows stays, and with it all of its model. True when one more does.
  bool keep_shared_blobs(Models& models) const {
    std::set<std::string> going;
    for (const Members& members : models)
      for (const PickledWeights& one : members)
        if (one.stays.empty()) going.insert(one.path);
    for (Members& members : models)
      for (const PickledWeights& one : members) {
        const auto links = links_.find(one.path);
        if (!one.stays.empty() || links == links_.end()) continue;
        for (const std::string& link : links->second) {
          if (going.contains(link)) continue;
          for (PickledWeights& member : members)
            member.stays = fmt::format("/{} leads to it", link);
          return true;
        }
      }
    return false;
  }

  const inventory::Contents& contents_;
  const image::MergedTree& tree_;
  const Stays& stays_;
  std::string configuration_;
  std::set<std::string> directories_;
  std::map<std::string, std::vector<std::string>> links_;  ///< by where they lead
  std::map<std::string, std::string> named_by_;
};

}  // namespace

std::vector<PickledWeights> find_pickled_weights(const image::Image& image,
                                                 const inventory::Contents& contents,
                                                 const Stays& stays) {
  return Search(image, contents, stays).run();
}

}  // namespace flense::slim
