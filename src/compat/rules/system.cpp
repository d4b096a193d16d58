// Processor, C library and kernel: what holds for any program, GPU or not.
#include <algorithm>
#include <utility>

#include "base/path.h"
#include "base/version_numbers.h"
#include "compat/facts/facts.h"
#include "compat/facts/software.h"
#include "compat/rules/rules.h"

namespace flense::compat {

namespace {

using needs::Needs;

/// Names of kernels ("x86_64") as images spell them ("amd64").
std::string image_name(const std::string& architecture) {
  if (architecture == "x86_64") return "amd64";
  if (architecture == "aarch64") return "arm64";
  if (architecture == "i386" || architecture == "i686") return "386";
  return architecture;
}

bool runs_architecture(std::string_view image, std::string_view host) {
  return image == host || (image == "386" && host == "amd64");
}

/// Most hosts of GPU cards are x86-64; for another image it must be told.
bool is_rare(std::string_view architecture) {
  return architecture != "amd64" && architecture != "386";
}

/// The configuration names a processor that not one ELF file is for.
bool is_mislabelled(std::string_view named, const std::vector<std::string>& machines) {
  const auto known = {"amd64", "arm64", "ppc64le"};
  return !machines.empty() && std::ranges::find(known, named) != known.end() &&
         std::ranges::find(machines, named, image_name) == machines.end();
}

Check libc_check(const Libc& libc) {
  Check out;
  out.id = "libc";
  out.decisive = false;
  out.evidence = {
      {"image", libc.evidence.empty() ? std::string("no C library was seen") : libc.evidence}};
  out.source = libc.source;
  return out;
}

void judge_injected(const Question& question, const Libc& libc, std::vector<Check>& checks) {
  Check check = libc_check(libc);
  const auto driver = host_driver(question.host);
  const auto* row = driver ? question.tables.glibc.driver(driver->branch) : nullptr;
  if (libc.version.empty() || row == nullptr) {
    check.verdict = Verdict::kUnknown;
    check.message = libc.version.empty()
                        ? "the C library of the image is unknown, and the driver's needs glibc"
                        : "which glibc the driver's libraries need is unknown";
    check.evidence.push_back({"host", driver
                                          ? fmt::format("driver branch {}", driver->branch)
                                          : unknown_because(question.host.nvidia.module_version)});
    check.fix = !libc.version.empty()     ? "readelf --version-info libcuda.so.1 on the host"
                : question.image.contents ? "check the whole image that the files go into"
                                          : "check the image with its layers read";
    if (check.source.empty()) check.source = "the image's files";
    checks.push_back(std::move(check));
    return;
  }
  check.evidence.push_back(
      {"host", fmt::format("driver branch {}, whose libraries would be injected", driver->branch)});
  check.evidence.push_back(
      {"table", fmt::format("libraries of driver {} need glibc {}", row->driver, row->glibc)});
  check.source = row->source;
  // For newer drivers nothing was measured; but NVIDIA's own images of the newest CUDA, into which
  // their libraries are injected, have no newer glibc than CUDA itself needs.
  const auto* promise = question.tables.glibc.newest_cuda();
  const bool measured = question.tables.glibc.measured(driver->branch);
  if (!version_at_least(libc.version, row->glibc)) {
    check.verdict = Verdict::kFail;
    check.message = fmt::format("the driver's libraries need glibc {}, and the image has {}",
                                row->glibc, libc.version);
    check.fix = "use an image of a newer distribution";
  } else if (measured || (promise != nullptr && version_at_least(libc.version, promise->glibc))) {
    check.message = fmt::format("glibc {} is new enough for the driver's libraries", libc.version);
    if (!measured) check.source = promise->source;
  } else {
    check.verdict = Verdict::kUnknown;
    check.message = fmt::format("whether glibc {} is enough for driver branch {} is unknown",
                                libc.version, driver->branch);
    check.fix = "readelf --version-info libcuda.so.1 on the host";
  }
  checks.push_back(std::move(check));
}

void judge_cuda_libraries(const Question& question, const Libc& libc, std::vector<Check>& checks) {
  if (libc.version.empty()) return;
  for (const Seen& seen : versions_of(question.image, "CUDA runtime")) {
    const auto major = first_number(seen.version);
    const auto* row = major ? question.tables.glibc.of_cuda(*major) : nullptr;
    if (row == nullptr || version_at_least(libc.version, row->glibc)) continue;
    Check check = libc_check(libc);
    check.verdict = Verdict::kUnsupported;
    check.message = fmt::format("CUDA {} is built for glibc {}, and the image has {}", *major,
                                row->glibc, libc.version);
    check.evidence.push_back(
        {"image", fmt::format("CUDA runtime {}: {}", seen.version, seen.evidence)});
    check.fix = "use an image of a newer distribution";
    check.source = row->source;
    checks.push_back(std::move(check));
    return;
  }
}

void judge_level(const std::string& level, const std::string& evidence, const std::string& source,
                 const Question& question, std::vector<Check>& checks) {
  const host::Text& host = question.host.system.cpu_level;
  Check check;
  check.id = "cpu-level";
  check.decisive = false;
  check.evidence = {{"image", evidence}};
  check.source = source;
  const unsigned needed = knowledge::cpu_level_number(level);
  // Every processor of the image's platform has the first level.
  if (needed == 1 && !host.value) return;
  const unsigned there = host.value ? knowledge::cpu_level_number(*host.value) : 0;
  if (needed == 0 || there == 0) {
    check.verdict = Verdict::kUnknown;
    check.message = fmt::format("whether the host's processor has {} is unknown", level);
    check.evidence.push_back({"host", host.value ? *host.value : unknown_because(host)});
    check.fix = "check against a profile of the machine (flense host --json)";
  } else {
    check.evidence.push_back({"host", fmt::format("{} ({})", *host.value, host.evidence)});
    if (needed > there) {
      check.verdict = Verdict::kFail;
      check.message = fmt::format("the image needs a processor of {}, and the host's is {}", level,
                                  *host.value);
      const std::string since = question.tables.cpu_isa.first_processors(level);
      check.fix = fmt::format("use a machine of {}{}{}{}, or an image built for an older level",
                              level, since.empty() ? "" : " (", since, since.empty() ? "" : ")");
    } else {
      check.message = fmt::format("the host's processor has {}", level);
    }
  }
  checks.push_back(std::move(check));
}

void judge_flags(const Question& question, std::vector<Check>& checks) {
  const host::List& flags = question.host.system.cpu_flags;
  for (const knowledge::CpuFlagRow& row : question.tables.cpu_isa.flags) {
    const auto* installed = find_package(question.facts->packages, row.package);
    if (installed == nullptr || !version_at_least(installed->package.version, row.since)) continue;
    if (flags.value && std::ranges::find(*flags.value, row.flag) != flags.value->end()) continue;
    // Level 3 includes AVX and AVX2.
    const std::string level = question.host.system.cpu_level.value.value_or("");
    if (!flags.value && row.flag.starts_with("avx") && !row.flag.starts_with("avx512") &&
        knowledge::cpu_level_number(level) >= 3)
      continue;
    Check check;
    check.id = "cpu-level";
    check.verdict = flags.value ? Verdict::kFail : Verdict::kUnknown;
    check.decisive = false;
    check.message = flags.value ? fmt::format(
                                      "{} needs the instructions {}, which the host's "
                                      "processor lacks",
                                      row.package, row.flag)
                                : fmt::format(
                                      "whether the host's processor has {}, which {} needs, "
                                      "is unknown",
                                      row.flag, row.package);
    check.evidence = {{"image", describe(*installed)},
                      {"host", flags.value ? fmt::format("no {} in {}", row.flag, flags.evidence)
                                           : unknown_because(flags)}};
    check.fix = "use another machine, or a build without these instructions";
    check.source = row.source;
    checks.push_back(std::move(check));
  }
}

/// What the ELF headers of the files say, where nothing else tells, or it is wrong.
void judge_machines(const Question& question, std::string_view platform,
                    std::vector<Check>& checks) {
  const std::vector<std::string>& machines = question.image.machines;
  const host::Text& host = question.host.system.architecture;
  const auto runs = [&](const std::string& one) {
    return runs_architecture(image_name(one), image_name(*host.value));
  };
  Check check;
  check.id = "platform";
  check.decisive = false;
  check.evidence = {{"image", fmt::format("ELF headers of {}", fmt::join(machines, ", "))},
                    {"host", host.value ? fmt::format("{} ({})", *host.value, host.evidence)
                                        : unknown_because(host)}};
  check.source = "the ELF headers of the files, and the host's kernel";
  if (!platform.empty())
    check.evidence.push_back({"image", fmt::format("its configuration names {}", platform)});
  if (!host.value) {
    check.verdict = Verdict::kUnknown;
    check.decisive = is_rare(image_name(machines.front()));
    check.message = fmt::format("whether the host's processor is {} is unknown", machines.front());
    check.fix = "check against a profile of the machine (flense host --json)";
  } else if (runs(machines.front()) && !platform.empty()) {
    check.verdict = Verdict::kWarn;
    check.message =
        fmt::format("the files are for the host's processor, {}, and the configuration names {}",
                    machines.front(), platform);
    check.fix = "build the image for the platform that its files are for";
  } else if (runs(machines.front())) {
    check.message = fmt::format("the files are for the host's processor, {}", machines.front());
  } else if (std::ranges::any_of(machines, runs)) {
    check.verdict = Verdict::kUnknown;
    check.message = fmt::format("most files are for {}, some for the host's processor, {}",
                                machines.front(), *host.value);
    check.fix = "check the directory of one processor alone";
  } else {
    check.verdict = Verdict::kFail;
    check.message =
        fmt::format("the files are for {}, and the host is {}", machines.front(), *host.value);
    check.fix = platform.empty() ? fmt::format("take the packages for {}", *host.value)
                                 : fmt::format("build the image with files for {}", *host.value);
  }
  checks.push_back(std::move(check));
}

/// Kernels of 64 KiB pages say so in their name: "6.8.0-1010-nvidia-64k", "5.14.0-…aarch64+64k".
void judge_pages(const Question& question, std::vector<Check>& checks) {
  const std::vector<needs::Sighting>& files = question.image.small_pages;
  const host::System& system = question.host.system;
  if (files.empty() || !system.kernel.value || !system.kernel.value->contains("64k") ||
      system.architecture.value != "aarch64")
    return;
  const needs::Sighting& first = files.front();
  Check check;
  check.id = "kernel-distance";
  check.verdict = first.what.empty() ? Verdict::kWarn : Verdict::kFail;
  check.message = fmt::format(
      "{}{} cannot be loaded: its segments lie on boundaries of {} bytes, and the host's kernel "
      "has "
      "pages of 64 KiB",
      base_name(first.path), files.size() == 1 ? "" : fmt::format(" and {} more", files.size() - 1),
      first.bytes);
  check.evidence = {{"image", fmt::format("/{}{}", first.path,
                                          first.what.empty() ? "" : ", which the start loads")},
                    {"host", system.kernel.evidence}};
  check.fix = "link with -z max-page-size=65536, or boot the kernel with pages of 4 KiB";
  check.source = "ld.so: ELF load command alignment not page-aligned";
  checks.push_back(std::move(check));
}

}  // namespace

void rule_platform(const Question& question, std::vector<Check>& checks) {
  const std::string& platform = question.image.platform;
  const host::Text& host = question.host.system.architecture;
  std::string image(architecture_of(platform));
  if (image == "unknown") image.clear();
  const bool for_linux = platform.empty() || platform.starts_with("linux/");
  if (const host::Text& system = question.host.system.distribution;
      for_linux && system.value && system.value->starts_with("Windows")) {
    checks.push_back({"platform",
                      Verdict::kFail,
                      fmt::format("the image is for Linux, and the host runs {}", *system.value),
                      {{"image", platform.empty() ? std::string("names no platform") : platform},
                       {"host", fmt::format("{} ({})", *system.value, system.evidence)}},
                      "schedule it on Linux nodes: nodeSelector kubernetes.io/os: linux",
                      "Kubernetes documentation: a node runs images of its own operating system"});
    return;
  }
  if (image.empty() && for_linux && !question.image.machines.empty())
    return judge_machines(question, {}, checks);
  if (for_linux && is_mislabelled(image, question.image.machines))
    return judge_machines(question, platform, checks);
  Check check;
  check.id = "platform";
  check.decisive = false;
  check.evidence = {{"image", platform.empty() ? std::string("names no platform") : platform},
                    {"host", host.value ? fmt::format("{} ({})", *host.value, host.evidence)
                                        : unknown_because(host)}};
  check.source = "the image's configuration and the host's kernel";
  if (!for_linux) {
    check.verdict = Verdict::kFail;
    check.message = fmt::format("the image is for {}, and GPU containers are for Linux", platform);
    check.fix = "take the image's variant for Linux";
  } else if (image.empty() || !host.value) {
    check.verdict = Verdict::kUnknown;
    check.decisive = !image.empty() && is_rare(image);
    check.message = "whether the image is for the host's processor architecture is unknown";
    check.fix = host.value ? "name the image's platform (--platform)"
                           : "check against a profile of the machine (flense host --json)";
  } else if (!runs_architecture(image, image_name(*host.value))) {
    check.verdict = Verdict::kFail;
    check.message =
        fmt::format("the image is for {}, and the host is {}", image, image_name(*host.value));
    check.fix = fmt::format(
        "take the image for linux/{0} (of an image for several, check --platform linux/{0}); "
        "emulation "
        "does not reach a GPU",
        image_name(*host.value));
  } else {
    check.message = fmt::format("the image is for the host's architecture, {}", image);
  }
  checks.push_back(std::move(check));
}

void rule_libc(const Question& question, std::vector<Check>& checks) {
  // Nothing is injected for AMD, nor without a container.
  if (question.launcher == Launcher::kNone || !concerns_nvidia(question)) return;
  const Libc& libc = question.facts->libc;
  if (libc.kind == "musl") {
    Check check = libc_check(libc);
    check.verdict = Verdict::kFail;
    check.message = "the image has musl, and NVIDIA's driver libraries need glibc";
    check.evidence.push_back({"host", "its libcuda would be injected into the container"});
    check.fix = "use an image with glibc: Debian, Ubuntu, or a distroless one of theirs";
    checks.push_back(std::move(check));
    return;
  }
  judge_injected(question, libc, checks);
  judge_cuda_libraries(question, libc, checks);
}

void rule_cpu_level(const Question& question, std::vector<Check>& checks) {
  const std::string_view image = architecture_of(question.image.platform);
  if (!image.empty() && image != "amd64") return;
  if (const auto stated = stated_cpu(question.image)) {
    judge_level(stated->level, fmt::format("{} states {}", stated->path, stated->level),
                stated == question.image.cpu ? "property note of the image's file"
                                             : "what the image's builder wrote",
                question, checks);
  } else if (const std::size_t variant = question.image.platform.find("amd64/v");
             variant != std::string::npos) {
    judge_level("x86-64-" + question.image.platform.substr(variant + 6),
                "platform " + question.image.platform,
                "OCI image index specification, platform variants", question, checks);
  } else {
    for (const Seen& seen : versions_of(question.image, "distribution"))
      if (const auto* row = question.tables.cpu_isa.baseline(seen.version)) {
        judge_level(row->level, fmt::format("distribution {} ({})", seen.version, seen.evidence),
                    row->source, question, checks);
        break;
      }
  }
  judge_flags(question, checks);
}

void rule_kernel_distance(const Question& question, std::vector<Check>& checks) {
  judge_pages(question, checks);
  const Libc& libc = question.facts->libc;
  if (libc.kind != "glibc" || libc.version.empty()) return;
  for (const knowledge::LibcFloorRow& row : question.tables.glibc.floors) {
    if (!version_at_least(libc.version, row.glibc)) continue;
    const bool kernel = row.engine.empty();
    if (!kernel && question.launcher != Launcher::kDocker &&
        question.launcher != Launcher::kDockerCdi)
      continue;
    const host::Text* fact = kernel ? &question.host.system.kernel : nullptr;
    for (const host::Engine& engine : question.host.engines)
      if (!kernel && engine.name == row.engine) fact = &engine.version;
    // Only a hint: what is unknown is skipped.
    if (fact == nullptr || !fact->value || version_at_least(*fact->value, row.least)) continue;
    if (kernel && !row.refuses && !checks.empty() && checks.back().id == "kernel-distance")
      continue;
    Check check;
    check.id = "kernel-distance";
    check.verdict = row.refuses ? Verdict::kFail : kernel ? Verdict::kUnsupported : Verdict::kWarn;
    const std::string there = fmt::format(", and the host has {}", *fact->value);
    check.message =
        row.refuses ? fmt::format("the image's glibc {} does not start on kernels before {}{}",
                                  libc.version, row.least, there)
        : kernel ? fmt::format("distributions with glibc {} are supported on kernel {} or newer{}",
                               libc.version, row.least, there)
                 : fmt::format("the image's glibc {} expects {} {} or newer{}", libc.version,
                               row.engine, row.least, there);
    check.evidence = {{"image", libc.evidence}, {"host", fact->evidence}};
    check.fix = kernel ? "take an image of an older distribution, or a newer host"
                       : "upgrade the engine: its seccomp profile denies clone3";
    check.source = row.source;
    checks.push_back(std::move(check));
  }
}

}  // namespace flense::compat
