#include "lint/images/cuda_tags.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/cuda_base.h"
#include "lint/facts/purpose.h"
#include "lint/facts/tied_base.h"
#include "lint/readers/reader_values.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// The oldest that is still there on a living Ubuntu: it starts on most drivers.
std::string oldest_tag(const knowledge::Images& images) {
  std::string out = "VERSION";
  for (const knowledge::CudaImageRow& row : images.cuda)
    if (row.state.empty() && compare_versions(row.cuda, "11.7") >= 0 &&
        (out == "VERSION" || compare_versions(row.cuda, out) < 0))
      out = row.cuda;
  return fmt::format("nvidia/cuda:{}-base-ubuntu22.04", out);
}

/// The newest CUDA with a tag that compiles for the GPUs of 2017; null: none.
const knowledge::CudaImageRow* last_for_volta(const knowledge::Knowledge& known) {
  const auto* architecture = known.architectures.find("7.0");
  if (architecture == nullptr || architecture->last_cuda.empty()) return nullptr;
  const knowledge::CudaImageRow* out = nullptr;
  for (const knowledge::CudaImageRow& row : known.images.cuda)
    if (row.state.empty() &&
        compare_versions(major_minor(row.cuda), architecture->last_cuda) <= 0 &&
        (out == nullptr || compare_versions(row.cuda, out->cuda) > 0))
      out = &row;
  return out;
}

void missing_tag(const ImageUse& use, FindingSink& sink) {
  const std::string& tag = use.name->tag;
  if (!tag.empty() && tag != "latest") return;
  Finding& found =
      sink.add("cuda-tag-missing", *use.file, use.span,
               fmt::format("nvidia/cuda has no tag 'latest'{}: pulling it ends with \"manifest "
                           "unknown\"",
                           tag.empty() ? ", which is what a name without a tag means" : ""));
  found.evidence = {"nvidia-docker#1454: the tag was removed in 2021"};
  found.pedantic = use.replaced;
  const auto* recent = use.looks ? nullptr : last_for_volta(*use.knowledge);
  found.fix =
      "write version, flavour and distribution, as " +
      (recent == nullptr ? oldest_tag(use.knowledge->images)
                         : cuda_tag(use.knowledge->images, *recent, "base", "ubuntu24.04", false));
}

/// The tag with its version replaced; only where the words are in the file and the flavour is
/// spelled alike.
void replace_version(const ImageUse& use, const knowledge::CudaImageRow& now,
                     const knowledge::CudaImageRow& better, Finding& found) {
  if (use.name->tag.contains("cudnn") && now.cudnn != better.cudnn) return;
  const std::size_t at = use.file->source.slice(use.span).find(":" + now.cuda + "-");
  if (at == std::string_view::npos) return;
  const std::size_t begin = use.span.begin + at + 1;
  found.edits.push_back({{begin, begin + now.cuda.size()}, better.cuda});
}

/// The tag of another version with the same cuDNN, flavour and distribution, where it has them.
std::string tag_of(const ImageUse& use, const knowledge::CudaImageRow& row) {
  return cuda_tag(use.knowledge->images, row, use.image->flavour.value,
                  use.image->distribution.value, use.name->tag.contains("cudnn"));
}

/// The last of its major whose tags hold cuDNN 8; null: there is none.
const knowledge::CudaImageRow* last_with_cudnn8(const ImageUse& use) {
  const knowledge::CudaImageRow* out = nullptr;
  for (const knowledge::CudaImageRow& row : use.knowledge->images.cuda)
    if (row.state.empty() && row.cudnn == "cudnn8" &&
        first_number(row.cuda) == first_number(use.image->cuda.value) &&
        (out == nullptr || compare_versions(row.cuda, out->cuda) > 0))
      out = &row;
  return out;
}

/// The last update of its minor that is still there, though without support, with the same cuDNN on
/// the same distribution; null: there is none.
const knowledge::CudaImageRow* unsupported_update(const ImageUse& use) {
  const knowledge::Images& images = use.knowledge->images;
  const auto* base = images.cuda_distribution(use.image->distribution.value);
  const std::string& tag = use.name->tag;
  const bool cudnn = tag.contains("cudnn");
  const knowledge::CudaImageRow* out = nullptr;
  for (const knowledge::CudaImageRow& row : images.cuda)
    if (row.state == "unsupported" && major_minor(row.cuda) == major_minor(use.image->cuda.value) &&
        (!cudnn || tag.contains(row.cudnn + "-")) &&
        (base == nullptr ? use.image->distribution.value.empty() : base->has(row.cuda, cudnn)) &&
        (out == nullptr || compare_versions(row.cuda, out->cuda) > 0))
      out = &row;
  return out;
}
constexpr std::string_view kUnsupported =
    ", of the same CUDA and still there, though without support: keep a copy of it";

/// Its own distribution where that has not ended and the version is built on it, or else one of the
/// same family; empty: none.
std::string living_distribution(const ImageUse& use, const knowledge::CudaImageRow& row) {
  const std::string& own = use.image->distribution.value;
  std::vector<std::string> names{own};
  const auto family = [&](std::string old, std::string recent) {
    if (first_number(row.cuda) != first_number(use.image->cuda.value)) std::swap(old, recent);
    names.insert(names.end(), {old, recent});
  };
  if (own.empty() || own.starts_with("ubuntu")) family("ubuntu22.04", "ubuntu24.04");
  if (own.starts_with("centos") || own.starts_with("rocky")) family("rockylinux8", "rockylinux9");
  if (own.starts_with("ubi")) family("ubi8", "ubi9");
  for (const std::string& name : names) {
    const auto* base = use.knowledge->images.cuda_distribution(name);
    const auto* life = use.knowledge->images.distribution(name);
    if (base != nullptr && base->has(row.cuda, use.name->tag.contains("cudnn")) &&
        (life == nullptr || life->end.empty() || life->end >= use.knowledge->images.date))
      return name;
  }
  return {};
}

/// The tag to move to, and what it changes beside the version.
struct Successor {
  const knowledge::CudaImageRow* row = nullptr;
  std::string tag, changes;
  std::string distribution;
};

Successor successor(const ImageUse& use) {
  const knowledge::Images& images = use.knowledge->images;
  const std::string& cuda = use.image->cuda.value;
  const bool cudnn = use.name->tag.contains("cudnn");
  const auto major = first_number(cuda);
  // The update of its minor, the newest of its major, the newest of the next one.
  std::vector<const knowledge::CudaImageRow*> rows;
  for (const knowledge::CudaImageRow& row : images.cuda)
    if (row.state.empty() && first_number(row.cuda) >= major) rows.push_back(&row);
  std::ranges::sort(rows, [](const auto* a, const auto* b) {
    const auto one = first_number(a->cuda), other = first_number(b->cuda);
    return one != other ? one < other : compare_versions(a->cuda, b->cuda) > 0;
  });
  rows.insert(rows.begin(), images.cuda_near(cuda));
  for (const knowledge::CudaImageRow* row : rows) {
    if (row == nullptr || (cudnn && (row->cudnn.empty() || row->cudnn == "none"))) continue;
    const std::string base = living_distribution(use, *row);
    if (base.empty()) continue;
    // A tag without a flavour was devel's, before they all had one.
    const std::string_view flavour =
        use.image->flavour.value.empty() ? "devel" : std::string_view(use.image->flavour.value);
    Successor out{row, cuda_tag(images, *row, flavour, base, cudnn), {}, base};
    const auto change = [&](std::string_view from, std::string_view to) {
      if (!from.empty() && from != to)
        out.changes += fmt::format("{}{} to {}", out.changes.empty() ? "" : ", ", from, to);
    };
    const std::string& tag = use.name->tag;
    const std::size_t at = tag.find("cudnn");
    if (cudnn) change(std::string_view(tag).substr(at, tag.find('-', at) - at), row->cudnn);
    change(use.image->distribution.value, base);
    return out;
  }
  return {};
}

/// The last update of the minor, or else of the major, that is built on the distribution; null:
/// there is none.
const knowledge::CudaImageRow* update_on_same(const ImageUse& use,
                                              const knowledge::CudaImageRow& row) {
  const knowledge::Images& images = use.knowledge->images;
  const auto* near = images.cuda_near(row.cuda);
  const auto* base = images.cuda_distribution(use.image->distribution.value);
  const bool cudnn = use.name->tag.contains("cudnn");
  const bool good = near != nullptr && base != nullptr && base->has(near->cuda, cudnn) &&
                    (!cudnn || near->cudnn == row.cudnn);
  return good ? near : nullptr;
}

/// Where the successor is of another distribution: the update on the same one, or what the file
/// takes from its distribution and the successor's has not. True: the fix stays within the minor.
bool keep_distribution(const ImageUse& use, const knowledge::CudaImageRow& row,
                       const Successor& better, Finding& found) {
  const std::string& own = use.image->distribution.value;
  const bool deleted = row.state == "deleted";
  const std::vector<std::string> ties =
      use.built == nullptr
          ? std::vector<std::string>()
          : ties_to_distribution(*use.built, use.knowledge->images, own, better.distribution);
  const std::string held = fmt::format("{}", fmt::join(ties, ", "));
  if (!ties.empty())
    found.evidence.push_back(fmt::format("{} names {}", file_name(use.built->source.path()), held));
  const auto* near = update_on_same(use, row);
  // Of CentOS, which ended first, nothing may be left.
  if (near != nullptr && !own.starts_with("centos")) {
    const std::string rest =
        ties.empty() ? fmt::format(", or, ported to {}, to {}", better.distribution, better.tag)
                     : fmt::format(": a newer distribution has not {}", held);
    found.fix = fmt::format("move to {}{}", tag_of(use, *near), rest);
    const bool same_minor = major_minor(near->cuda) == major_minor(row.cuda);
    if (!deleted && same_minor) replace_version(use, row, *near, found);
    // The last update of a minor is held on purpose.
    found.pedantic = found.pedantic || (!deleted && !same_minor && !ties.empty());
    return same_minor;
  }
  if (ties.empty()) {
    // Its Python and packages change as well, and old ones may not be had there.
    if (!deleted) found.fix = "keep a copy of it in a registry of your own, or " + found.fix;
  } else if (deleted) {
    found.fix += fmt::format("; the port has to renew {}", held);
  } else {
    // Who holds on to the last update of a minor can do no more than keep a copy.
    found.pedantic = true;
    found.fix =
        fmt::format("keep a copy of it in a registry of your own: {}, still there, has not {}",
                    better.tag, held);
  }
  return major_minor(better.row->cuda) == major_minor(row.cuda);
}

/// What else of the file changes with the base: lists and versions that it names, packages that are
/// pinned to this CUDA.
void change_with_base(const ImageUse& use, const std::string& cuda, bool same_minor,
                      Finding& found) {
  const ProjectFile& file = *use.built;
  const auto also = [&](std::string text) {
    found.edits.clear();
    found.fix += text;
  };
  if (!file.dockerfile) return;
  if (const auto sources = use.built == use.file ? copied_sources(*file.dockerfile, use.span)
                                                 : std::vector<std::string>();
      !sources.empty())
    also(
        fmt::format("; the newer image has not {}, which another stage copies from here: set up "
                    "NVIDIA's repositories there",
                    fmt::join(sources, ", ")));
  if (const std::size_t line = compare_versions(cuda, "11.7") < 0 ? line_of_old_list(file) : 0;
      line != 0)
    also(fmt::format("; the newer image has not the list that line {} removes: rm -f", line));
  // A case of versions, CUDA_HOME=/usr/local/cuda-12.8.
  if (const auto lines = lines_of_version(file, cuda, !same_minor); !lines.empty())
    also(fmt::format(
        "; {} names the old one in line{} {} too: change it with the base, where it "
        "means the base's",
        file_name(file.source.path()), lines.size() == 1 ? "" : "s", fmt::join(lines, ", ")));
  // apt takes no older packages than the newer image holds.
  const std::string_view base =
      use.pattern.empty() ? use.file->source.slice(use.span) : use.pattern;
  std::vector<std::string> pins = pinned_to_cuda(file, base, cuda, !same_minor);
  std::erase_if(pins, [&](const std::string& pin) { return found.fix.contains(pin); });
  if (!pins.empty())
    also(fmt::format("; with it renew what is pinned to CUDA {}: {}", cuda, fmt::join(pins, ", ")));
}

void retired_tag(const ImageUse& use, FindingSink& sink) {
  const auto* row = use.knowledge->images.cuda_version(use.image->cuda.value);
  if (row == nullptr || row->state.empty()) return;
  const Successor better = successor(use);
  const bool deleted = row->state == "deleted";
  Finding& found = sink.add(
      deleted ? "cuda-tag-deleted" : "cuda-tag-unsupported", *use.file, use.span,
      deleted ? fmt::format("the tags of nvidia/cuda:{} have been deleted: pulling one ends with "
                            "\"manifest unknown\"",
                            row->cuda)
              : fmt::format("nvidia/cuda:{} is no longer supported: its tags get no fixes, and "
                            "NVIDIA deletes them in time",
                            row->cuda));
  found.evidence = {row->source};
  // "pinned to the cluster's driver, do not upgrade"
  const std::string said = to_lower(comments_above(use.file->source, use.span));
  const bool held = std::ranges::any_of(
      std::to_array<std::string_view>({"bump", "upgrade", "update", "change"}),
      [&](std::string_view verb) {
        return std::ranges::any_of(
            std::to_array<std::string_view>({"not", "cannot", "don't", "can't", "won't", "mustn't",
                                             "shouldn't", "doesn't", "dont"}),
            [&](std::string_view no) { return has_words(said, fmt::format("{} {}", no, verb)); });
      });
  found.pedantic = use.replaced || ((use.looks || held) && !deleted);
  if (!row->document.empty()) found.evidence.push_back(row->document);
  if (!use.pattern.empty()) found.evidence.push_back(fmt::format("FROM {}", use.pattern));
  if (const auto* life = use.knowledge->images.distribution(use.image->distribution.value);
      life != nullptr && !life->end.empty() && life->end < use.knowledge->images.date)
    found.evidence.push_back(
        fmt::format("its {} has had no updates since {}", life->name, life->end));
  if (better.row == nullptr) return;
  const auto major = first_number(row->cuda).value_or(0);
  const bool other_major = first_number(better.row->cuda) != major;
  bool same_minor = major_minor(better.row->cuda) == major_minor(row->cuda);
  // "Dockerfile.cuda10", "cu92/Dockerfile" are for whoever has that CUDA.
  std::string digits = major_minor(row->cuda);
  std::erase(digits, '.');
  const std::string_view path = use.file->source.project_path();
  if (deleted && other_major &&
      (path.contains(fmt::format("cuda{}", major)) || path.contains("cu" + digits))) {
    found.fix = fmt::format(
        "delete this variant, or build it on an image of your own: none of CUDA {} is left", major);
    return;
  }
  if (use.looks && other_major) {
    found.fix =
        fmt::format("write {}, the oldest that is still there", oldest_tag(use.knowledge->images));
    return;
  }
  // Nothing tells whether the program can be ported; NVIDIA's archive keeps the installers.
  if (other_major) {
    found.fix = deleted
                    ? fmt::format(
                          "none of CUDA {} is left: build on an image of your own with CUDA {} of "
                          "NVIDIA's archive (developer.nvidia.com/cuda-toolkit-archive), or port "
                          "the program to {}, with the packages, Python and wheels of that",
                          major, row->cuda, better.tag)
                    : fmt::format(
                          "keep a copy of it in a registry of your own until the program is ported "
                          "to {}",
                          better.tag);
    return;
  }
  found.fix = fmt::format("move to {}, the last of CUDA {} and still there{}{}", better.tag,
                          same_minor ? major_minor(row->cuda) : std::to_string(major),
                          better.changes.empty() ? "" : "; it changes ", better.changes);
  const bool other_distribution = better.distribution != use.image->distribution.value &&
                                  (deleted || !use.image->distribution.value.empty());
  if (other_distribution) same_minor = keep_distribution(use, *row, better, found);
  if (!other_distribution && !deleted && better.changes.empty() && same_minor)
    replace_version(use, *row, *better.row, found);
  // What is made for one minor, or for one cuDNN, may not fit the next.
  const auto* eight = use.name->tag.contains("cudnn8") && found.fix.contains("cudnn8 to")
                          ? last_with_cudnn8(use)
                          : nullptr;
  if (eight != nullptr)
    found.fix += fmt::format("; the last with cuDNN 8 is {}",
                             cuda_tag(use.knowledge->images, *eight, use.image->flavour.value,
                                      better.distribution, true));
  if ((!same_minor || eight != nullptr) && !deleted && found.fix.starts_with("move"))
    found.fix = "keep a copy of it in a registry of your own, or " + found.fix;
  if (const auto* same = deleted && !same_minor ? unsupported_update(use) : nullptr;
      same != nullptr)
    found.fix = fmt::format("move to {}{}; or {}", tag_of(use, *same), kUnsupported, found.fix);
  const std::size_t size = found.fix.size();
  if (use.built != nullptr) change_with_base(use, row->cuda, same_minor, found);
  if (!same_minor && found.fix.size() == size && found.fix.contains("move to"))
    found.fix += fmt::format("; packages, wheels and paths of CUDA {} change with it",
                             major_minor(row->cuda));
}

/// "nvidia/cuda:${CUDA}.1-devel-ubuntu22.04", where a variable gives two numbers of which the file
/// makes more below; empty: it is not written so.
std::string with_update(const ImageUse& use, std::string_view better) {
  const std::string_view text = use.file->source.text();
  const std::string_view written = use.file->source.slice(use.span);
  const std::string& cuda = use.image->cuda.value;
  const std::size_t at = written.find(":$");
  const std::size_t end = written.find('-', std::min(at, written.size()));
  if (end == written.npos || !better.starts_with(cuda + ".")) return {};
  std::string_view name = written.substr(at + 2, end - at - 2);
  if (name.starts_with('{') && name.ends_with('}')) name = name.substr(1, name.size() - 2);
  if (!uses_variable(text.substr(use.span.end), name)) return {};
  return fmt::format("{}{}{}", written.substr(0, end), better.substr(cuda.size()),
                     written.substr(end));
}

/// False: nothing is known to be wrong with the tag.
bool unknown_tag(const ImageUse& use, FindingSink& sink) {
  if (!use.image->cuda.known()) return false;
  const knowledge::Images& images = use.knowledge->images;
  const std::string& cuda = use.image->cuda.value;
  const std::string& tag = use.name->tag;
  const auto* newest = images.newest_cuda();
  if (newest != nullptr && compare_versions(cuda, newest->cuda) > 0) return false;
  std::string message, fix, evidence;
  bool undivided = false;  // the tag names no distribution
  const auto* row = images.cuda_version(cuda);
  const auto* better = images.cuda_near(cuda);
  if (row != nullptr && row->state == "deleted") return false;
  const bool cudnn = tag.contains("cudnn");
  const std::size_t at = std::min(tag.find("cudnn"), tag.size());
  const std::string spelt = tag.substr(at, tag.find('-', at) - at);
  // The last update may have no cuDNN.
  if (better != nullptr && cudnn && !better->cudnn.starts_with("cudnn"))
    for (const knowledge::CudaImageRow& one : images.cuda)
      if (one.cudnn.starts_with("cudnn") && major_minor(one.cuda) == major_minor(better->cuda) &&
          (!better->cudnn.starts_with("cudnn") || compare_versions(one.cuda, better->cuda) > 0))
        better = &one;
  const auto is_same_minor = [&] {
    return better != nullptr && major_minor(better->cuda) == major_minor(cuda);
  };
  const auto* unsupported = is_same_minor() ? nullptr : unsupported_update(use);
  if (unsupported != nullptr) better = unsupported;
  // Pins that ask for the Python of an older distribution.
  std::string distribution = use.image->distribution.value;
  if (distribution.empty() && use.built != nullptr &&
      !ties_to_distribution(*use.built, images, {}, "ubuntu22.04").empty())
    distribution = "ubuntu20.04";
  const auto* base = images.cuda_distribution(use.image->distribution.value);
  // The whole tag, where the other version spells its cuDNN otherwise or has not the distribution.
  const bool whole = better != nullptr && ((cudnn && spelt != better->cudnn) ||
                                           (base != nullptr && !base->has(better->cuda, cudnn)));
  const std::string instead =
      better == nullptr ? std::string() : "write " + (whole ? tag_of(use, *better) : better->cuda);
  if (compare_versions(cuda, "11.0.3") >= 0 && std::ranges::count(cuda, '.') == 1) {
    message = fmt::format("tags of nvidia/cuda begin with three numbers, '{}' has two", cuda);
    // None is without a distribution.
    fix = better != nullptr && use.image->distribution.value.empty()
              ? "write " + cuda_tag(images, *better, use.image->flavour.value, distribution, cudnn)
              : instead;
    if (const std::string own = better == nullptr ? "" : with_update(use, better->cuda);
        !own.empty())
      fix = "write " + own;
    evidence = "images.json, cuda_versions: every tag since 11.0.3 names the update";
  } else if (row == nullptr && compare_versions(cuda, "11.0.3") >= 0) {
    // Recent minors may have updates that the table does not know yet.
    const bool minor_known =
        std::ranges::any_of(images.cuda, [&](const knowledge::CudaImageRow& other) {
          return major_minor(other.cuda) == major_minor(cuda);
        });
    if (minor_known && compare_versions(cuda, "12.6") >= 0) return false;
    message = fmt::format("there is no nvidia/cuda:{} that the table knows", cuda);
    fix = instead;
    evidence = fmt::format("images.json, cuda_versions ({})", images.date);
  } else if (base != nullptr && (base->is_early(cuda) || base->is_late(cuda))) {
    const bool early = base->is_early(cuda);
    // Packages and wheels are pinned to the CUDA more often than to the distribution.
    std::string other;
    for (const knowledge::CudaDistributionRow& one : images.cuda_distributions)
      if (one.distribution.substr(0, 6) == base->distribution.substr(0, 6) &&
          one.has(cuda, cudnn) && (other.empty() || !early))
        other = one.distribution;
    // The first and the last that NVIDIA still supports on it.
    std::string nearest;
    for (const knowledge::CudaImageRow& one : images.cuda)
      if (one.state.empty() && base->has(one.cuda, cudnn) &&
          (nearest.empty() || (compare_versions(one.cuda, nearest) < 0) == early))
        nearest = one.cuda;
    message = fmt::format("nvidia/cuda has no images of CUDA {} on {}", cuda, base->distribution);
    fix = fmt::format("take {}", other.empty() ? "another distribution" : other + ", which has it");
    if (!nearest.empty())
      fix += fmt::format(", or CUDA {}, the {} with support on {}", nearest,
                         early ? "first" : "last", base->distribution);
    evidence = base->source;
  } else if (row != nullptr && cudnn && row->cudnn == "none") {
    message = fmt::format("nvidia/cuda has no tags of CUDA {} with cuDNN", cuda);
    fix = better == nullptr ? std::string() : "write " + tag_of(use, *better);
    evidence = row->source;
  } else if (row != nullptr && cudnn && base != nullptr && !base->has_cudnn(cuda)) {
    message = fmt::format("nvidia/cuda has no tags of CUDA {} with cuDNN on {}", cuda,
                          base->distribution);
    fix = base->cudnn == "none"
              ? "take another distribution, or install cuDNN in the image"
              : fmt::format("{} has them since CUDA {}: take that CUDA, or another distribution",
                            base->distribution, base->cudnn);
    evidence = base->source;
  } else if (row != nullptr && cudnn && !row->cudnn.empty() && spelt != row->cudnn) {
    message = fmt::format("tags of CUDA {} say '{}', not '{}'", cuda, row->cudnn, spelt);
    fix = "write " + tag_of(use, *row);
    // What the image is for may load cuDNN 8 alone.
    if (const auto* eight = spelt == "cudnn8" ? last_with_cudnn8(use) : nullptr; eight != nullptr)
      fix += fmt::format(", which holds cuDNN 9; the last with cuDNN 8 is {}", tag_of(use, *eight));
    evidence = row->source;
  } else if (row != nullptr && base == nullptr && !use.image->flavour.value.empty() &&
             use.name->tag == fmt::format("{}-{}", cuda, use.image->flavour.value) &&
             first_number(cuda).value_or(0) >= 12) {
    message = fmt::format("tags of CUDA {} name their distribution, and this one names none", cuda);
    fix = fmt::format("write {}-ubuntu22.04", use.name->tag);
    evidence = row->source;
    undivided = true;
  } else {
    return false;
  }
  Finding& found = sink.add("cuda-tag-unknown", *use.file, use.span, std::move(message));
  found.evidence = {std::move(evidence)};
  found.pedantic = use.replaced || undivided;
  if (!fix.empty()) found.fix = std::move(fix);
  if (row == nullptr && better != nullptr) {
    if (unsupported != nullptr) found.fix += kUnsupported;
    if (use.built != nullptr) change_with_base(use, cuda, is_same_minor(), found);
  }
  if (use.smaller.empty() || cuda_tag_known(images, *use.image)) return true;
  found.evidence.emplace_back("the wheels of torch bring their own CUDA libraries");
  found.fix += fmt::format("{}{} suffices here", found.fix.empty() ? "" : "; ", use.smaller);
  return true;
}

}  // namespace

bool is_cuda_tag(const ImageUse& use) {
  return use.image->official && use.image->repository == "nvidia/cuda" &&
         use.name->digest.empty() && !use.name->tag.contains("windows");
}

void judge_cuda_tag(const ImageUse& use, FindingSink& sink) {
  missing_tag(use, sink);
  // Of a tag that is not there it does not matter how old it would be.
  if (!unknown_tag(use, sink)) retired_tag(use, sink);
}

}  // namespace flense::lint
