#include "verify/reasons.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/glob.h"
#include "base/path.h"

namespace flense::verify {

namespace {

using codec::MemberType;

enum class Fact {
  kNone,
  kArchive,    ///< of ar, the text of a linker script, or an object (Debian's libmcheck.a)
  kZip,        ///< what Python installs from
  kNotLoaded,  ///< no ELF file, no module
  kCuda,       ///< an ELF file, whose link leads to a file of the same name in a Python package
  kReach,      ///< a place from which the closure takes
};

struct Row {
  std::string_view pass;
  Level level;
  std::string_view actions, places;  ///< with blanks between; places are globs
  Fact fact = Fact::kNone;
};

constexpr std::string_view kGoes = "drop rename";
constexpr Level kSafe = Level::kSafe, kStandard = Level::kStandard,
                kAggressive = Level::kAggressive;

constexpr Row kRows[] = {
    {"shadowed-files", kSafe, kGoes, "**"},
    {"apt-lists", kSafe, kGoes, "var/lib/apt/lists/**"},
    {"package-caches", kSafe, kGoes, "var/cache/** etc/apk/cache/** var/lib/dpkg/*-old"},
    {"pip-cache", kSafe, kGoes, "**/.cache/**"},
    {"conda-pkgs", kSafe, kGoes, "**/pkgs/**"},
    {"node-cache", kSafe, kGoes, "**/.cache/** **/.npm/_cacache/**"},
    {"hub-leftovers", kSafe, kGoes,
     "**/*.incomplete **/.locks/** **/.cache/huggingface/download/**/*.lock "
     "**/.cache/huggingface/xet/** **/torch/hub/checkpoints/*.partial "
     "**/.ollama/models/blobs/*-partial*"},
    {"install-logs", kSafe, kGoes, "var/log/**"},
    {"device-code", kSafe, "rewrite", "**"},
    {"recompressed-code", kSafe, "rewrite", "**"},
    {"device-ptx", kStandard, "rewrite", "**"},
    {"debug-sections", kStandard, "rewrite", "**"},
    {"gpu-files", kStandard, kGoes, "**"},
    {"hub-cache", kStandard, "symlink", "**/snapshots/*/**"},
    {"equal-files", kStandard, "link", "**"},
    {"temporary", kStandard, kGoes, "tmp/** var/tmp/**"},
    {"installers", kStandard, kGoes, "**/*.deb **/*.rpm **/*.run"},
    {"logs", kStandard, kGoes, "var/log/**"},
    {"cuda-static-libs", kStandard, kGoes, "**/*.a", Fact::kArchive},
    {"static-libs", kStandard, kGoes, "**/*.a", Fact::kArchive},
    {"cuda-headers", kStandard, kGoes, "**/include/**", Fact::kNotLoaded},
    {"headers", kStandard, kGoes, "**/include/**", Fact::kNotLoaded},
    {"cuda-tools", kStandard, kGoes, "usr/local/cuda*/bin/* usr/local/cuda*/nvvm/bin/**"},
    {"profilers", kStandard, kGoes,
     "opt/nvidia/nsight-*/** usr/local/cuda*/nsight*/** usr/local/cuda*/libnvvp/** "
     "usr/local/cuda*/compute-sanitizer/** usr/local/cuda*/extras/Debugger/** "
     "usr/local/cuda*/extras/CUPTI/samples/** usr/local/cuda*/extras/CUPTI/doc/** "
     "usr/local/cuda*/bin/*"},
    {"samples", kStandard, kGoes,
     "usr/local/cuda*/samples/** usr/local/cuda*/extras/demo_suite/** usr/local/cuda*/doc/** "
     "usr/local/cuda*/tools/** usr/src/**"},
    {"stubs", kStandard, kGoes, "**/lib*/stubs/**"},
    {"documentation", kStandard, kGoes,
     "**/share/doc/** **/share/man/** **/share/info/** **/share/gtk-doc/** **/share/doc-base/** "
     "**/share/lintian/** usr/local/man/** opt/conda/man/**"},
    {"locales", kStandard, kGoes, "**/share/locale/** usr/share/i18n/locales/**", Fact::kNotLoaded},
    {"build-files", kStandard, kGoes, "**/cmake/** **/pkgconfig/*.pc **/*.la", Fact::kNotLoaded},
    {"debug-files", kStandard, kGoes, "usr/lib/debug/** **/*.debug **/*.dwp"},
    {"jit-caches", kStandard, kGoes,
     "**/.nv/** **/.triton/cache/** **/.cache/** **/.cupy/** **/.config/miopen/**"},
    {"pycache", kAggressive, kGoes, "**/__pycache__/**"},
    {"wheels", kAggressive, kGoes, "**/*.whl", Fact::kZip},
    {"left-archives", kAggressive, kGoes, "*.t* root/*.t* opt/*.t* usr/src/*.tar.*"},
    {"nvrtc-alternative", kAggressive, kGoes, "**/libnvrtc*.alt.*"},
    {"git", kAggressive, kGoes, "**/.git/**"},
    {"type-stubs", kAggressive, kGoes, "**/*.pyi **/*.pxd", Fact::kNotLoaded},
    {"python-tests", kAggressive, kGoes, "**/tests/** **/lib/python3*/test/**"},
    {"compilers", kAggressive, kGoes, "**/gcc/**/cc1* **/gcc/**/lto*"},
    {"driver-libs", kAggressive, kGoes, "**/libcuda.so.* **/libnvidia-*.so.* **/libnvcuvid.so.*"},
    {"cuda-copies", kAggressive, "symlink", "usr/**", Fact::kCuda},
    {"unreachable", kAggressive, kGoes, "**", Fact::kReach},
};

/// Whether `visit` says so of one of the words.
template <class Visit>
bool any_word(std::string_view words, const Visit& visit) {
  while (!words.empty()) {
    const std::size_t end = std::min(words.find(' '), words.size());
    if (visit(words.substr(0, end))) return true;
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return false;
}

bool lies_in(std::string_view places, std::string_view path) {
  return any_word(places, [&](std::string_view glob) { return glob_match(glob, path); });
}

bool is_module(std::string_view path) {
  const std::string_view name = base_name(path);
  return name.ends_with(".py") || name.ends_with(".so") || name.find(".so.") != name.npos;
}

bool is_text(std::string_view head) {
  return std::ranges::all_of(
      head, [](char c) { return (c >= ' ' && c <= '~') || c == '\n' || c == '\t'; });
}

/// Below a virtual environment or conda's, whose packages go whole.
bool in_environment(std::string_view path, const image::MergedTree& tree) {
  for (std::string_view at = parent_path(path); !at.empty(); at = parent_path(at))
    if (tree.find(fmt::format("{}/pyvenv.cfg", at)) || tree.find(fmt::format("{}/conda-meta", at)))
      return true;
  return lies_in("**/site-packages/** **/dist-packages/**", path);
}

/// The closure takes programs, libraries and Python distributions, never data; `--minimal` what it
/// likes but for what every start reads.
bool may_be_unreached(std::string_view path, const image::MergedTree& tree, const Record& record) {
  if (lies_in("**/ld-linux*.so* **/ld-musl-*.so* etc/ld.so.* etc/ssl/** etc/passwd etc/group "
              "etc/nsswitch.conf usr/share/ca-certificates/**",
              path))
    return false;
  if (record.minimal) return true;
  if (lies_in("usr/share/zoneinfo/** usr/share/terminfo/** usr/lib/locale/** "
              "usr/share/common-licenses/** usr/share/doc/*/copyright bin/sh usr/bin/sh",
              path))
    return false;
  return lies_in("usr/** opt/** bin/** sbin/** lib*/** etc/alternatives/**", path) ||
         in_environment(path, tree);
}

/// "libcublas" of ".../libcublas.so.12".
std::string_view library_stem(std::string_view path) {
  const std::string_view name = base_name(path);
  const std::size_t end = name.find(".so");
  return end == name.npos ? std::string_view() : name.substr(0, end);
}

bool holds(const Row& row, const PlannedEdit& edit, const Member& was,
           const image::MergedTree& tree, const Record& record) {
  const std::string_view path = was.entry.path;
  // Only `--minimal` takes directories, and no pass a device; of links there is no content.
  const bool file = was.entry.type == MemberType::kFile;
  if (was.entry.type == MemberType::kDirectory && (row.fact != Fact::kReach || !record.minimal))
    return false;
  const std::string_view head = was.head();
  switch (row.fact) {
    case Fact::kNone:
      return true;
    case Fact::kArchive:
      return !file || head.starts_with("!<arch>\n") || head.starts_with("!<thin>\n") ||
             is_text(head) || was.is_relocatable();
    case Fact::kZip:
      return !file || head.starts_with("PK");
    case Fact::kNotLoaded:
      return !was.is_elf() && !is_module(path);
    case Fact::kCuda:
      return was.is_elf() && !library_stem(path).empty() &&
             library_stem(path) == library_stem(edit.new_path) &&
             lies_in("**/site-packages/** **/dist-packages/**",
                     resolve_link_text(parent_path(path), edit.new_path));
    case Fact::kReach:
      return may_be_unreached(path, tree, record);
  }
  return false;
}

/// With options of their own.
bool is_asked_for(std::string_view pass, const Record& record, Level needed, Level level) {
  if (pass == "pycache" && record.whole && record.pyc != "by level") return record.pyc == "drop";
  if (pass == "unreachable" && record.whole && !record.closure) return false;
  if (pass == "recompressed-code" && record.whole && !record.recompressed) return false;
  return needed <= level;
}

}  // namespace

bool is_licence(std::string_view path) {
  constexpr std::array<std::string_view, 8> kWords = {
      "copyright", "license", "licence", "copying", "notice", "eula", "licenses", "notices"};
  const std::string_view name = base_name(path);
  return std::ranges::any_of(kWords, [&](std::string_view word) {
    return same_text(name.substr(0, word.size()), word) &&
           (name.size() == word.size() ||
            std::string_view("._- ").find(name[word.size()]) != std::string_view::npos);
  });
}

std::string unfit_reason(const PlannedEdit& edit, const Member& was, const image::MergedTree& tree,
                         const Record& record, Level level) {
  const auto row = std::ranges::find(kRows, edit.pass, &Row::pass);
  if (row == std::end(kRows)) return fmt::format("there is no pass '{}'", edit.pass);
  if (!any_word(row->actions, [&](std::string_view one) { return one == edit.action; }))
    return fmt::format("'{}' never does '{}'", edit.pass, edit.action);
  if (!is_asked_for(edit.pass, record, row->level, level))
    return fmt::format("'{}' was not asked for", edit.pass);
  const bool whatever = row->places == "**";
  if (!lies_in(row->places, was.entry.path) || !holds(*row, edit, was, tree, record) ||
      (!whatever && edit.action == "drop" && is_licence(was.entry.path)))
    return fmt::format("'{}' takes no such file", edit.pass);
  return {};
}

bool is_named_for_others(std::string_view path, const device::Targets& targets) {
  const auto any_cuda = [&](auto&& serves) { return std::ranges::any_of(targets.cuda, serves); };
  if (path.find("triton/backends/amd/lib/") != path.npos) return targets.amd.empty();
  if (path.find("triton/backends/nvidia/lib/cupti") != path.npos) {
    const bool newer = path.find("lib/cupti-blackwell/") != path.npos;
    return !any_cuda([&](device::CudaArch gpu) { return (gpu.number >= 100) == newer; });
  }
  const auto number_at = [](std::string_view text, std::size_t at) {
    const std::size_t end = std::min(text.find_first_not_of("0123456789abcdef", at), text.size());
    return text.substr(at, end - at);
  };
  const std::string_view name = base_name(path);
  for (const std::string_view prefix : {"libnvshmem_device_sm_", "libnvinfer_builder_resource_sm"})
    if (name.starts_with(prefix))
      if (const auto arch = device::parse_cuda_arch(number_at(name, prefix.size())))
        return !any_cuda([&](device::CudaArch gpu) { return gpu.number == arch->number; });
  // Of AMD: "TensileLibrary_gfx90a.co", and whole wheels "…_gfx94X_dcgpu".
  bool named = false;
  for (std::size_t at = path.find("gfx"); at != path.npos; at = path.find("gfx", at + 3)) {
    const std::string_view rest = path.substr(at);
    const std::size_t end = rest.find("-generic");
    const bool generic = end != rest.npos && rest.find_first_not_of("0123456789-", 3) >= end;
    const std::string_view name_end = "-generic";
    const std::string_view processor =
        rest.substr(0, generic ? end + name_end.size() : 3 + number_at(rest, 3).size());
    named = true;
    for (const std::string& gpu : targets.amd)
      if (generic ? can_load_amd(processor, gpu) : gpu.starts_with(processor)) return false;
  }
  return named;
}

}  // namespace flense::verify
