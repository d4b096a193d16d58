#include "slim/apply/layer_pool.h"

#include <span>

#include "base/format.h"
#include "codec/sha256.h"

namespace flense::slim {

std::string LayerPool::key(const image::Layer& layer, const LayerPlan& plan,
                           const SlimOptions& options, bool kept) {
  if (layer.blob.digest.empty() || layer.diff_id.empty()) return {};
  // Paths may hold any byte but NUL. The other options are one for all images of a run.
  std::string out = fmt::format("{} {} {}{}{}", layer.blob.digest, layer.diff_id,
                                codec::to_string(layer.compression),
                                options.cuts.keep_ptx ? " ptx" : "", kept ? " kept" : "");
  if (options.packing.lazy && !kept && !options.packing.prefetch.empty()) {
    codec::Sha256 wanted;
    for (const std::string& path : options.packing.prefetch)
      wanted.update(Bytes(std::as_bytes(std::span(path.c_str(), path.size() + 1))));
    out += " first " + wanted.hex();
  }
  for (const auto& [position, edit] : plan.edits)
    out += fmt::format("\n{} {} {} {} {} {}{}{}{}{}{}{}{}", position, to_string(edit.action),
                       edit.bytes_before, edit.bytes_after, edit.rewrite, edit.pass.id(), '\0',
                       edit.path, '\0', edit.new_path, '\0', edit.place, '\0');
  for (const std::string& path : plan.gone_above) out += fmt::format("\ngone {}{}", path, '\0');
  return out;
}

const LayerPool::Entry* LayerPool::find(const std::string& key) const {
  if (key.empty()) return nullptr;
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &found->second;
}

void LayerPool::add(std::unique_ptr<const image::Image> output,
                    const std::vector<std::string>& keys, std::vector<Entry> entries) {
  std::size_t first = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    Entry& entry = entries[i];
    entry.from = output.get();
    entry.first = first;
    first += entry.stored.size();
    if (!keys[i].empty()) entries_.try_emplace(keys[i], std::move(entry));
  }
  outputs_.push_back(std::move(output));
}

}  // namespace flense::slim
