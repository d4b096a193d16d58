#include "compat/compare_requirements.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "base/format.h"
#include "base/version_numbers.h"

namespace flense::compat {

namespace {

using host::Text;

/// Everything that is compared, for sheets that are not there.
constexpr auto kIds =
    std::to_array<const char*>({"driver-floor", "driver-native", "ptx-driver", "cuda", "rocm",
                                "arch", "cold-start", "future-gpus", "glibc", "cpu", "platform"});

bool unknown(const Text& fact) {
  return !fact.value && !fact.evidence.empty();
}

/// How a fact is described.
struct Wording {
  const char* id;
  const char* subject;   ///< "the least driver"
  const char* appeared;  ///< "an NVIDIA driver is needed now: {}"
  const char* vanished;  ///< "an NVIDIA driver is no longer needed"
  bool more_is_narrower = true;
  int (*compare)(std::string_view, std::string_view) = compare_versions;
};

/// "x86-64" is below "x86-64-v2".
int compare_levels(std::string_view a, std::string_view b) {
  return a.compare(b);
}

class Comparison {
 public:
  Comparison(const Requirements& before, const Requirements& after)
      : before_(before), after_(after) {}

  /// Versions of which a higher one asks more of the host.
  void version(const Wording& words, const Text& a, const Text& b) {
    if (told_alike(words.id, words.subject, a, b)) return;
    if (!a.value || !b.value) {
      const bool more = b.value.has_value();
      add(words.id, more == words.more_is_narrower ? Direction::kNarrower : Direction::kWider,
          more ? fmt::format("{}: {}", words.appeared, *b.value) : std::string(words.vanished), a,
          b);
      return;
    }
    const int order = words.compare(*b.value, *a.value);
    Direction direction = Direction::kNeutral;
    if (order != 0)
      direction = (order > 0) == words.more_is_narrower ? Direction::kNarrower : Direction::kWider;
    add(words.id, direction,
        fmt::format("{} {} from {} to {}", words.subject, order > 0 ? "rose" : "fell", *a.value,
                    *b.value),
        a, b);
  }

  /// Like version(), of drivers that follow from a CUDA which may be a lower bound: what is at
  /// least A cannot be said to have fallen, nor to have risen from there.
  void driver(const Wording& words, const Text& a, const Text& b) {
    const bool bound_a = is_bound(before_), bound_b = is_bound(after_);
    if (!a.value || !b.value || *a.value == *b.value || (!bound_a && !bound_b))
      return version(words, a, b);
    const bool rose = compare_versions(*b.value, *a.value) > 0;
    if (rose ? !bound_a : !bound_b) return version(words, a, b);
    add(words.id, Direction::kUnknown,
        fmt::format("{} was {}{} and is now {}{}, as far as device code tells", words.subject,
                    at_least(bound_a), *a.value, at_least(bound_b), *b.value),
        a, b);
  }

  void cuda() {
    Text a = before_.cuda, b = after_.cuda;
    if (a.value) *a.value = at_least(is_bound(before_)) + *a.value;
    if (b.value) *b.value = at_least(is_bound(after_)) + *b.value;
    value("cuda", "CUDA", Direction::kNeutral, a, b);
  }

  /// Unordered values.
  void value(const char* id, const char* subject, Direction when_changed, const Text& a,
             const Text& b) {
    if (told_alike(id, subject, a, b)) return;
    add(id, a.value && b.value ? when_changed : Direction::kNeutral,
        !a.value   ? fmt::format("{} is {} now", subject, *b.value)
        : !b.value ? fmt::format("{} was {} and is gone", subject, *a.value)
                   : fmt::format("{} was {} and is {} now", subject, *a.value, *b.value),
        a, b);
  }

  void gpus() {
    if (!before_.disk_bytes.value || !after_.disk_bytes.value) {
      for (const char* id : {"arch", "cold-start", "future-gpus"})
        out_.untold.push_back({id, "the layers of one side were not read"});
      return;
    }
    for (const char* vendor : {"nvidia", "amd"}) served(vendor);
    const Text &a = before_.ptx_onwards, &b = after_.ptx_onwards;
    if (a.value == b.value) return;
    if (b.value && (!a.value || compare_versions(*b.value, *a.value) < 0))
      add("future-gpus", Direction::kWider,
          fmt::format("GPUs newer than the known ones are served by PTX of {}", *b.value), a, b);
    else if (!b.value)
      add("future-gpus", Direction::kNarrower,
          "GPUs newer than the known ones are no longer served by PTX", a, b);
    else
      add("future-gpus", Direction::kNeutral,
          fmt::format("GPUs newer than the known ones are served by PTX of {} now, not of {}",
                      *b.value, *a.value),
          a, b);
  }

  void glibc(const inventory::GlibcNeed* asked_before, const inventory::GlibcNeed* asked_after) {
    const Text &a = before_.libc, &b = after_.libc;
    if (a.value && b.value) {
      own_libc(a, b);
    } else if (!a.value && !b.value && !unknown(a) && !unknown(b)) {
      const auto fact = [](const inventory::GlibcNeed* need) {
        return need == nullptr ? Text{} : Text::known(need->version, need->path);
      };
      version({"glibc", "the glibc that the files need from the host", "glibc is needed now",
               "glibc is no longer needed"},
              fact(asked_before), fact(asked_after));
    } else {
      value("glibc", "the C library", Direction::kNeutral, a, b);
    }
  }

  HostChanges take() {
    const auto rank = [](const HostChange& one) {
      switch (one.direction) {
        case Direction::kNarrower:
          return 0;
        case Direction::kUnknown:
          return 1;
        case Direction::kNeutral:
        case Direction::kWider:
          break;
      }
      return 2;
    };
    std::ranges::stable_sort(out_.changes, {}, rank);
    return std::move(out_);
  }

 private:
  static bool is_bound(const Requirements& sheet) {
    return sheet.cuda.value && sheet.cuda.evidence.starts_with(kAtLeast);
  }
  static std::string at_least(bool bound) { return bound ? "at least " : ""; }

  void add(const char* id, Direction direction, std::string text, const Text& a, const Text& b) {
    out_.changes.push_back({id, direction, std::move(text), a.value.value_or(""),
                            b.value.value_or(""), a.evidence, b.evidence});
  }

  /// True when there is nothing more to say: equal, not applicable, or unknown somewhere.
  bool told_alike(const char* id, const char* subject, const Text& a, const Text& b) {
    if (unknown(a) && unknown(b)) {
      out_.untold.push_back({id, b.evidence});
      return true;
    }
    if (unknown(a) || unknown(b)) {
      const Text& missing = unknown(a) ? a : b;
      add(id, Direction::kUnknown,
          fmt::format("{} {} unknown: {}", subject, unknown(a) ? "was" : "is", missing.evidence), a,
          b);
      return true;
    }
    return a.value == b.value;
  }

  /// A lower glibc in the image refuses driver libraries of more hosts, which are injected.
  void own_libc(const Text& a, const Text& b) {
    if (*a.value == *b.value) return;
    constexpr std::string_view kGlibc = "glibc ";
    if (a.value->starts_with(kGlibc) && b.value->starts_with(kGlibc)) {
      const int order =
          compare_versions(b.value->substr(kGlibc.size()), a.value->substr(kGlibc.size()));
      add("glibc", order < 0 ? Direction::kNarrower : Direction::kWider,
          fmt::format("{} {} {}: driver libraries of the host that need a newer one {}", *a.value,
                      order < 0 ? "fell to" : "rose to", *b.value,
                      order < 0 ? "no longer load" : "load now"),
          a, b);
      return;
    }
    const bool lost = a.value->starts_with("glibc") && !b.value->starts_with("glibc");
    const bool won = !a.value->starts_with("glibc") && b.value->starts_with("glibc");
    add("glibc",
        lost  ? Direction::kNarrower
        : won ? Direction::kWider
              : Direction::kNeutral,
        fmt::format("the C library was {} and is {} now", *a.value, *b.value), a, b);
  }

  /// "9.0" -> "sm_90"; AMD's names stay.
  static std::string code_name(const ServedGpu& gpu) {
    if (gpu.vendor != "nvidia") return gpu.architecture;
    std::string digits = gpu.architecture;
    std::erase(digits, '.');
    return "sm_" + digits;
  }

  void served(std::string_view vendor) {
    struct Pair {
      const ServedGpu *before = nullptr, *after = nullptr;
    };
    std::map<std::string, Pair> pairs;
    std::vector<std::string> order;
    const auto see = [&](const Requirements& sheet, const ServedGpu* Pair::* side) {
      for (const ServedGpu& gpu : sheet.gpus) {
        if (gpu.vendor != vendor) continue;
        const auto [found, fresh] = pairs.try_emplace(gpu.architecture);
        if (fresh) order.push_back(gpu.architecture);
        found->second.*side = &gpu;
      }
    };
    see(before_, &Pair::before);
    see(after_, &Pair::after);
    // Each way of being served worse or better gets one sentence with all its architectures.
    struct Group {
      const char* id;
      Direction direction;
      const char* what;
      std::vector<std::string> names = {};
    };
    std::array<Group, 7> groups = {
        Group{"arch", Direction::kNarrower, "no longer served"},
        Group{"arch", Direction::kNarrower, "served in part only now: libraries lack code for it"},
        Group{"cold-start", Direction::kNarrower, "compiled from PTX at first use now"},
        Group{"arch", Direction::kWider, "served now"},
        Group{"arch", Direction::kWider, "served by every library now"},
        Group{"cold-start", Direction::kWider, "served by machine code now, without compiling"},
        Group{"arch", Direction::kWider, "served in part now"}};
    for (const std::string& architecture : order) {
      const Pair& pair = pairs[architecture];
      const std::string was = pair.before == nullptr ? "" : pair.before->service;
      const std::string is = pair.after == nullptr ? "" : pair.after->service;
      if (was == is) continue;
      const auto group = is.empty()                       ? 0
                         : was.empty()                    ? is == "partly" ? 6 : 3
                         : is == "partly"                 ? 1
                         : was == "partly"                ? 4
                         : is == to_string(Service::kPtx) ? 2
                                                          : 5;
      groups[static_cast<std::size_t>(group)].names.push_back(
          code_name(pair.after != nullptr ? *pair.after : *pair.before));
    }
    const auto list = [&](const Requirements& sheet) {
      std::vector<std::string> names;
      for (const ServedGpu& gpu : sheet.gpus)
        if (gpu.vendor == vendor)
          names.push_back(fmt::format("{} {}", code_name(gpu), gpu.service));
      return fmt::format("{}", fmt::join(names, ", "));
    };
    for (const Group& group : groups)
      if (!group.names.empty())
        out_.changes.push_back({group.id, group.direction,
                                fmt::format("{} {}", fmt::join(group.names, ", "), group.what),
                                list(before_), list(after_), "device code of the libraries",
                                "device code of the libraries"});
  }

  const Requirements& before_;
  const Requirements& after_;
  HostChanges out_;
};

}  // namespace

std::string_view to_string(Direction direction) {
  switch (direction) {
    case Direction::kNarrower:
      return "narrower";
    case Direction::kWider:
      return "wider";
    case Direction::kNeutral:
      return "neutral";
    case Direction::kUnknown:
      return "unknown";
  }
  return "unknown";
}

HostChanges compare_requirements(const ComparedNeeds& before, const ComparedNeeds& after) {
  if (before.sheet == nullptr || after.sheet == nullptr) {
    HostChanges out;
    for (const char* id : kIds)
      out.untold.push_back({id, "a saved inventory does not tell what the image asks of hosts"});
    return out;
  }
  const Requirements &a = *before.sheet, &b = *after.sheet;
  Comparison out(a, b);
  out.driver({"driver-floor", "the minimum driver (minor-version mode)",
              "an NVIDIA driver is now needed, at least", "an NVIDIA driver is no longer needed"},
             a.driver_minor, b.driver_minor);
  out.driver({"driver-native", "the driver that supports its CUDA itself",
              "the driver that supports its CUDA itself", "CUDA is no longer included"},
             a.driver_native, b.driver_native);
  out.version({"ptx-driver", "the driver that compiles all its PTX",
               "PTX came in, compiled by drivers from", "no PTX is left to compile"},
              a.driver_ptx, b.driver_ptx);
  out.cuda();
  out.value("rocm", "ROCm", Direction::kNeutral, a.rocm, b.rocm);
  out.gpus();
  out.glibc(before.glibc, after.glibc);
  out.version({"cpu", "the processor level", "a processor level is now required",
               "a processor level is no longer required", true, compare_levels},
              a.cpu_level, b.cpu_level);
  out.value("platform", "the platform", Direction::kNarrower, a.platform, b.platform);
  return out.take();
}

}  // namespace flense::compat
