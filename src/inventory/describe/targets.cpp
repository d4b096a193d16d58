#include "inventory/describe/targets.h"

#include <algorithm>
#include <string_view>

namespace flense::inventory {

namespace {

template <class T>
void sort_unique(std::vector<T>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

Result<void> add_word(std::string_view word, const knowledge::Gpus& gpus,
                      device::Targets& targets) {
  TRY(const std::vector<std::string> names, gpus.resolve(word));
  for (const std::string& name : names) {
    if (name.starts_with("gfx")) {
      targets.amd.push_back(name);
    } else if (auto arch = device::parse_cuda_arch(name)) {
      arch->variant = device::CudaArch::Variant::kPlain;
      targets.cuda.push_back(*arch);
    } else {
      return fail(Code::kUsage, "'{}' is no GPU architecture (from --gpu {})", name, word);
    }
  }
  return {};
}

}  // namespace

Result<device::Targets> parse_targets(const std::vector<std::string>& words,
                                      const knowledge::Gpus& gpus) {
  device::Targets targets;
  for (const std::string& list : words) {
    std::string_view rest = list;
    bool more = true;
    while (more) {
      const std::size_t comma = rest.find(',');
      const std::string_view word = rest.substr(0, comma);
      if (word.empty()) return fail(Code::kUsage, "an empty word stands for a GPU in '{}'", list);
      TRY_DO(add_word(word, gpus, targets));
      more = comma != std::string_view::npos;
      if (more) rest.remove_prefix(comma + 1);
    }
  }
  sort_unique(targets.cuda);
  sort_unique(targets.amd);
  return targets;
}

std::vector<std::string> unknown_targets(const device::Targets& targets,
                                         const knowledge::Gpus& gpus) {
  std::vector<std::string> out;
  for (const device::CudaArch& arch : targets.cuda)
    if (!gpus.knows(fmt::format("{}.{}", arch.major(), arch.minor())))
      out.push_back(fmt::format(
          "{} is in no table: it is taken by the rules of its major, {}.x, whose lower minors it "
          "runs",
          device::to_string(arch), arch.major()));
  return out;
}

}  // namespace flense::inventory
