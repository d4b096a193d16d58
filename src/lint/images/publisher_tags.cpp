#include "lint/images/publisher_tags.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/table_facts.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// Why a publisher has no such tag, and what it has.
struct NoSuchTag {
  std::string scheme;
  std::string fix;
};

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

/// pytorch/pytorch:2.2.0-cuda12.1-cudnn8-runtime, since 1.5.
std::optional<NoSuchTag> pytorch(const knowledge::Knowledge& known, std::string_view tag) {
  const std::vector<std::string_view> parts = split(tag, '-');
  const std::string version(parts.front());
  if (!is_version(version) || std::ranges::count(version, '.') != 2 ||
      compare_versions(version, "1.5.0") < 0 || parts.size() < 2)
    return std::nullopt;
  constexpr std::string_view kScheme = "VERSION-cudaA.B-cudnnN-runtime or -devel";
  const bool keeps = parts.size() == 4 && parts[1].starts_with("cuda") &&
                     is_version(parts[1].substr(4)) && parts[2].starts_with("cudnn") &&
                     is_number(parts[2].substr(5)) && is_one_of(parts[3], {"runtime", "devel"});
  const std::vector<std::string> variants = known_cuda_variants_of(known, version);
  if (variants.empty()) return std::nullopt;
  const auto is_built = [&](std::string_view cuda) {
    return std::ranges::any_of(
        variants, [&](const std::string& one) { return knowledge::cuda_of_variant(one) == cuda; });
  };
  const bool nine = compare_versions(version, "2.4.0") >= 0;
  const bool eight = !nine && compare_versions(version, "1.13.0") >= 0;
  const std::string cudnn = nine ? "cudnn9" : "cudnn8";
  // Of the CUDAs that wheels were built for, images were made of some.
  constexpr std::string_view kLook =
      "a tag that this release has: hub.docker.com/r/pytorch/pytorch/tags lists them";
  const std::string_view cuda =
      parts[1].starts_with("cuda") ? parts[1].substr(4) : std::string_view();
  const bool built = cuda.contains('.') && is_built(cuda);
  const std::string better = built && (nine || eight)
                                 ? fmt::format("pytorch/pytorch:{}-cuda{}-{}-{}", version, cuda,
                                               cudnn, tag.contains("devel") ? "devel" : "runtime")
                                 : std::string(kLook);
  if (!keeps) {
    // A name for one GPU's or one system's build is none of this scheme's.
    if (!tag.contains("cuda") && !tag.contains("cudnn") && !tag.contains("ubuntu"))
      return std::nullopt;
    return NoSuchTag{std::string(kScheme), better};
  }
  if (cuda.contains('.') && !built)
    return NoSuchTag{fmt::format("PyTorch {} was not built for CUDA {}", version, cuda), better};
  if ((nine && parts[2] != "cudnn9") || (eight && parts[2] != "cudnn8"))
    return NoSuchTag{fmt::format("those of PyTorch {} have {}", version, cudnn), better};
  return std::nullopt;
}

/// tensorflow/tensorflow: since 2.2 no tag names the Python.
std::optional<NoSuchTag> tensorflow(std::string_view tag) {
  std::vector<std::string_view> parts = split(tag, '-');
  if (!is_version(parts.front()) || !version_at_least(parts.front(), "2.2") ||
      std::erase(parts, "py3") == 0)
    return std::nullopt;
  return NoSuchTag{"since 2.2 none names the Python",
                   fmt::format("tensorflow/tensorflow:{}", fmt::join(parts, "-"))};
}

/// nvcr.io/nvidia/pytorch:24.01: the month alone is no tag.
std::optional<NoSuchTag> monthly(std::string_view name, std::string_view tag) {
  if (tag.size() != 5 || !is_number(tag.substr(0, 2)) || tag[2] != '.' || !is_number(tag.substr(3)))
    return std::nullopt;
  const std::string_view program = file_name(name);
  if (!is_one_of(program, {"pytorch", "tensorflow", "tritonserver", "tensorrt", "mxnet"}))
    return std::nullopt;
  // In 2017 there was one Python, and of TensorFlow its version came in later.
  if (tag < "18.01" || (program == "tensorflow" && tag < "20.02")) return std::nullopt;
  return NoSuchTag{
      "its tags go on behind the month",
      fmt::format("{}:{}{}", name, tag, program == "tensorflow" ? "-tf2-py3" : "-py3")};
}

}  // namespace

bool judge_publisher_tag(const ImageUse& use, FindingSink& sink) {
  const ImageName& name = *use.name;
  if (!name.digest.empty() || name.tag.empty() || name.tag.contains('$')) return false;
  const std::string repository = name.familiar();
  const std::optional<NoSuchTag> none =
      repository == "pytorch/pytorch"             ? pytorch(*use.knowledge, name.tag)
      : repository == "tensorflow/tensorflow"     ? tensorflow(name.tag)
      : repository.starts_with("nvcr.io/nvidia/") ? monthly(repository, name.tag)
                                                  : std::nullopt;
  if (!none) return false;
  Finding& found =
      sink.add("cuda-tag-unknown", *use.file, use.span,
               fmt::format("{} has no tag {}: {}", repository, name.tag, none->scheme));
  found.evidence = {"the scheme of " + repository + "'s tags"};
  found.fix = "write " + none->fix;
  found.pedantic = use.replaced;
  return true;
}

}  // namespace flense::lint
