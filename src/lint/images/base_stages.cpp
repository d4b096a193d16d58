// How stages and their bases fit together: what is built in one and copied to another, and
// platforms.
#include <algorithm>
#include <array>
#include <map>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "knowledge/table_rows.h"
#include "lint/rules/rules.h"
#include "lint/shell/reached.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// COPY --from a stage of the file, with what it takes.
struct StageCopy {
  const Instruction* instruction;
  const StageView* from;
  const StageView* to;
};

std::vector<StageCopy> copies_of(const FileView& view) {
  std::vector<StageCopy> out;
  for (const StageView& to : view.stages) {
    if (!to.reachable) continue;
    for (const Instruction& copy : to.stage->instructions) {
      if (copy.keyword != Keyword::kCopy || copy.words.size() < 2) continue;
      if (const auto from = view.dockerfile->copied_from(copy); from && *from < to.index)
        out.push_back({&copy, &view.stages[*from], &to});
    }
  }
  return out;
}

/// Sources that can be program code: not single files of text, not wheels.
std::vector<const Word*> code_sources(const Instruction& copy) {
  constexpr auto kText = std::to_array<std::string_view>(
      {".txt", ".json", ".yaml", ".yml", ".toml", ".py",          ".sh",
       ".md",  ".lock", ".cfg",  ".ini", ".onnx", ".safetensors", ".pt",
       ".deb", ".html", ".js",   ".css", ".conf", ".crt",         ".pem"});
  std::vector<const Word*> out;
  for (std::size_t at = 0; at + 1 < copy.words.size(); ++at) {
    const std::string& path = copy.words[at].text;
    if (std::ranges::none_of(kText, [&](std::string_view end) { return path.ends_with(end); }))
      out.push_back(&copy.words[at]);
  }
  return out;
}

bool compiles(const FileView& view, std::size_t stage) {
  constexpr auto kTools = std::to_array<std::string_view>(
      {"nvcc", "cmake", "make", "ninja", "hipcc", "setup.py", "bdist_wheel", "meson", "cargo"});
  for (const std::size_t one : view.dockerfile->lineage(stage))
    for (const Instruction& run : view.dockerfile->stages[one].instructions)
      for (const ShellCommand& command : run.commands) {
        // apt-get install make, pip install ninja
        const bool installs =
            std::ranges::find(command.words, "install", &ShellWord::text) != command.words.end();
        if (installs && !is_one_of(program_of(command).name, kTools)) continue;
        for (const ShellWord& word : command.words)
          if (is_one_of(word.text, kTools)) return true;
      }
  return false;
}

/// Whether the stage links programs that need no shared libraries.
bool links_statically(const FileView& view, std::size_t stage) {
  for (const std::string_view word :
       {"-linux-musl", "musl-gcc", "CGO_ENABLED=0", "-static", "crt-static"})
    if (commands_mention(view, stage, word)) return true;
  constexpr auto kNames = std::to_array<std::string_view>(
      {"CGO_ENABLED", "CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS", "CGO_LDFLAGS", "RUSTFLAGS"});
  return std::ranges::any_of(settings_of(view, stage, kNames), [](const Setting& one) {
    if (one.name == "CGO_ENABLED") return one.value == "0";
    // Not -static-libgcc and -static-libstdc++, whose programs need the C library.
    return has_part(one.value, " \t\"'", {"-static", "--static", "-static-pie", "musl-gcc"}) ||
           one.value.contains("-linux-musl") || one.value.contains("crt-static");
  });
}

/// "cu118", "cuda12", "cuda_v11": a CUDA with its version; "libcublas.so.12" or a folder of the
/// toolkit: its own libraries.
bool names_cuda(std::string_view path) {
  if (path.starts_with("/usr/local/cuda/")) return true;
  const auto parts = parts_of(path, "/._-");
  for (std::size_t at = 0; at < parts.size(); ++at) {
    std::string_view part = parts[at];
    if (starts_with_any(part, {"libcublas", "libcuda", "libcudnn", "libcufft", "libcupti",
                               "libcurand", "libcusolver", "libcusparse", "libnv"}))
      return true;
    if (!part.starts_with("cu")) continue;
    part.remove_prefix(part.starts_with("cuda") ? 4 : 2);
    // "cuda-12.4"
    if (part.empty() && at + 1 < parts.size() && parts[at].size() == 4) part = parts[at + 1];
    if (part.starts_with('v')) part.remove_prefix(1);
    if (part.ends_with('x')) part.remove_suffix(1);  // "cuda12x"
    if (all_digits(part)) return true;
  }
  return false;
}

/// "/lib/cuda_v11": the libraries of that CUDA lie there too; or a folder without programs.
bool is_of_own_cuda(std::string_view path) {
  return names_cuda(path) ||
         has_part(path, "/", {"web", "www", "html", "doc", "docs", "assets", "public", "frontend"});
}

void cuda_between(const FileView& view, const StageCopy& copy, FindingSink& sink) {
  auto sources = code_sources(*copy.instruction);
  std::erase_if(sources, [](const Word* one) { return is_of_own_cuda(one->text); });
  if (sources.empty()) return;
  const GpuImage& from = copy.from->image;
  const GpuImage& to = copy.to->image;
  std::string message, evidence;
  bool minor = false;
  const auto judge = [&](std::string_view what, const Brought& built, const Brought& here,
                         bool newer_only) {
    if (!message.empty() || !built.known() || !here.known()) return;
    const std::string a = major_minor(built.value);
    const std::string b = major_minor(here.value);
    const bool major = first_number(a) != first_number(b);
    if (!major && (!newer_only || compare_versions(a, b) <= 0)) return;
    minor = !major;
    message = fmt::format("'{}' was built with {} {}, and this stage has {} {}",
                          sources.front()->text, what, a, what, b);
    evidence = fmt::format("{}; {}", built.evidence, here.evidence);
  };
  // A virtual environment brings its own CUDA; what a compiler produced uses the stage's.
  if (to.flavour.value != "base" || from.flavour.value == "devel") {
    const bool compiled =
        compiles(view, copy.from->index) && !links_statically(view, copy.from->index);
    if (compiled) judge("CUDA", from.cuda, to.cuda, true);
    if (compiled) judge("ROCm", from.rocm, to.rocm, true);
    if (compiled) judge("cuDNN", from.cudnn, to.cudnn, false);
  }
  if (message.empty()) return;
  Finding& found =
      sink.add("stage-cuda-mismatch", *view.file, sources.front()->span, std::move(message));
  found.evidence = {std::move(evidence)};
  // Libraries of one major have one name, and nvcc links its own run time statically: only what
  // calls a new function does not start.
  found.pedantic = minor;
}

/// Between these releases nearly every program names a new version: 2.34 took the threads in, and
/// 2.38 numbers of C23. Between others only what calls a new function does.
bool surely_breaks(std::string_view built, std::string_view here) {
  return std::ranges::any_of(
      std::to_array<std::string_view>({"2.34", "2.38"}), [&](std::string_view one) {
        return compare_versions(here, one) < 0 && compare_versions(built, one) >= 0;
      });
}

/// A virtual environment holds wheels, which are built for old C libraries, unless pip compiles.
bool holds_wheels(const FileView& view, std::size_t stage, std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  const std::string_view name = file_name(path);
  if (!is_one_of(name, {"venv", ".venv", "env", "virtualenv", "site-packages", "dist-packages"}))
    return false;
  for (const std::string_view word : {"--no-binary", "--no-build-isolation", "git+", "setup.py",
                                      "bdist_wheel", "maturin", "FORCE_BUILD", "FORCE_CUDA"})
    if (commands_mention(view, stage, word)) return false;
  return true;
}

void libc_between(const FileView& view, const StageCopy& copy, FindingSink& sink) {
  const auto glibc_of = [&](const GpuImage& image) -> const knowledge::DistributionRow* {
    const std::string& name = image.distribution.value;
    const std::size_t digit = name.find_first_of("0123456789");
    if (digit == std::string::npos) return nullptr;
    std::string id = name.substr(0, digit);
    if (id == "ubi") id = "rhel";
    if (id == "rockylinux") id = "rocky";
    return view.project->knowledge->glibc.by_id(id, name.substr(digit));
  };
  const auto* built = glibc_of(copy.from->image);
  const auto* here = glibc_of(copy.to->image);
  if (built == nullptr || here == nullptr || compare_versions(built->glibc, here->glibc) <= 0)
    return;
  // Wheels of an index are built for old C libraries; what is compiled here is not.
  if (!compiles(view, copy.from->index) || links_statically(view, copy.from->index)) return;
  auto sources = code_sources(*copy.instruction);
  std::erase_if(sources,
                [&](const Word* one) { return holds_wheels(view, copy.from->index, one->text); });
  if (sources.empty()) return;
  Finding& found =
      sink.add("stage-libc-mismatch", *view.file, sources.front()->span,
               fmt::format("'{}' was compiled with glibc {} ({}), and this stage has {} ({}): {}",
                           sources.front()->text, built->glibc, copy.from->image.distribution.value,
                           here->glibc, copy.to->image.distribution.value,
                           surely_breaks(built->glibc, here->glibc)
                               ? "it ends with \"version `GLIBC_…' not found\""
                               : "what calls a function that is new in between does not start"));
  found.evidence = {built->source, here->source};
}

/// "python3.10-venv" of Ubuntu 22.04, whose python3 is that one.
bool is_own_python(const GpuImage& image, const PackageRequest& request) {
  const std::string own = "python" + major_minor(image.python.value);
  return image.distribution.known() && (request.name == own || request.name.starts_with(own + "-"));
}

/// Whether commands of a stage bring a Python that the distribution's table does not tell.
bool other_python(const FileView& view, std::size_t stage) {
  for (const Install* install : view.installs_in(stage)) {
    if (install->command.manager == PackageManager::kConda) return true;
    for (const PackageRequest& request : install->command.packages)
      if (request.name.starts_with("python3.") && !is_own_python(view.stages[stage].image, request))
        return true;
  }
  for (const std::string_view word : {"uv", "pyenv", "deadsnakes", "conda"})
    if (commands_mention(view, stage, word)) return true;
  return false;
}

/// Whether the stage takes over the interpreter of a version too: its program, or all that lies
/// beside it.
bool takes_python(const FileView& view, const StageCopy& copy, std::string_view version) {
  const std::string program = "/bin/python" + std::string(version);
  // Where the official images of Python have theirs.
  const bool official = file_name(copy.from->image.repository) == "python";
  for (const std::size_t one : view.dockerfile->lineage(copy.to->index))
    for (const Instruction& other : view.dockerfile->stages[one].instructions) {
      if (other.keyword != Keyword::kCopy || other.flag("from") == nullptr) continue;
      for (const Word& word : other.words) {
        std::string_view path = word.text;
        while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
        if (path.ends_with(program) || is_one_of(path, {"/usr/local", "/usr", "/"}) ||
            (official && (path == "/usr/local/bin" || path.starts_with("/usr/local/bin/python"))))
          return true;
      }
    }
  return false;
}

void python_between(const FileView& view, const StageCopy& copy, FindingSink& sink) {
  const GpuImage& from = copy.from->image;
  const GpuImage& to = copy.to->image;
  for (const Word* source : code_sources(*copy.instruction)) {
    const std::string& path = source->text;
    std::string built = from.python.value, evidence = from.python.evidence;
    const std::size_t named = path.find("/python3.");
    const bool packages = path.find("site-packages") != std::string::npos ||
                          path.find("dist-packages") != std::string::npos;
    if (named != std::string::npos) {
      const std::size_t end = path.find_first_not_of("0123456789", named + 9);
      if (end == named + 9) continue;  // a pattern
      built = path.substr(named + 7, end == std::string::npos ? end : end - named - 7);
      evidence = "the path " + path;
    } else if (!packages && path.find("venv") == std::string::npos) {
      continue;
    } else if (other_python(view, copy.from->index)) {
      continue;
    }
    if (built.empty() || !to.python.known() || other_python(view, copy.to->index)) continue;
    if (major_minor(built) == major_minor(to.python.value) ||
        takes_python(view, copy, major_minor(built)))
      continue;
    Finding& found = sink.add(
        "stage-python-mismatch", *view.file, source->span,
        fmt::format("'{}' belongs to Python {}, and this stage has Python {}: compiled modules do "
                    "not load, and the interpreter's path is another",
                    path, major_minor(built), major_minor(to.python.value)));
    found.evidence = {evidence, to.python.evidence};
  }
}

/// Stages that get a libstdc++ by COPY.
std::vector<bool> with_libstdcxx(const FileView& view, const std::vector<StageCopy>& copies) {
  std::vector<bool> out(view.stages.size());
  for (const StageCopy& copy : copies)
    for (const Word& word : copy.instruction->words)
      if (word.text.find("libstdc++") != std::string::npos || word.text == "/usr/lib" ||
          word.text == "/usr/lib/" || word.text == "/lib" || word.text == "/" ||
          word.text.ends_with("-linux-gnu") || word.text.ends_with("-linux-gnu/"))
        out[copy.to->index] = true;
  return out;
}

void distroless(const FileView& view, const StageCopy& copy, FindingSink& sink) {
  const auto* row = view.project->knowledge->images.distroless_image(copy.to->image.repository);
  if (row == nullptr || row->libstdcxx) return;
  // FROM scratch without a program only carries files out of the build.
  const auto starts = [](const Instruction& one) {
    return one.keyword == Keyword::kCmd || one.keyword == Keyword::kEntrypoint;
  };
  if (copy.to->image.repository == "scratch" &&
      std::ranges::none_of(copy.to->stage->instructions, starts))
    return;
  bool gpu = copy.from->image.vendor.known();
  for (const Install* install : view.installs_in(copy.from->index))
    for (const PackageList* list : lists_of(*install))
      gpu = gpu || std::ranges::any_of(list->packages, [](const PackageRequest& request) {
              return is_gpu_package(request.name);
            });
  if (!gpu || links_statically(view, copy.from->index)) return;
  const auto sources = code_sources(*copy.instruction);
  if (sources.empty()) return;
  Finding& found = sink.add(
      "distroless-no-libstdcxx", *view.file, sources.front()->span,
      fmt::format("{} has no {}, which '{}' from a GPU stage needs", copy.to->image.repository,
                  row->glibc ? "libstdc++ and libgcc_s" : "C library", sources.front()->text));
  found.evidence = {row->source};
  if (!row->instead.empty()) found.fix = "begin the stage with " + row->instead;
}

/// "amd64" or "arm64" where the word names a file of that processor; empty: neither.
std::string_view processor_of(std::string_view word) {
  // A key is for all, whatever directory it lies in.
  if (ends_with_any(word, {".pub", ".asc", ".gpg"})) return {};
  const bool file = word.find("://") != word.npos || word.ends_with(".whl") ||
                    word.ends_with(".deb") || word.ends_with(".sh") || word.ends_with(".run");
  if (!file) return {};
  const auto has = [&](std::initializer_list<std::string_view> names) {
    return std::ranges::any_of(names, [&](std::string_view name) { return word.contains(name); });
  };
  const bool arm = has({"aarch64", "arm64", "sbsa"});
  const bool intel = has({"x86_64", "amd64", "linux-64", "x64"});
  // A compiler of one for the other has both in its name.
  return arm == intel ? std::string_view() : arm ? "arm64" : "amd64";
}

/// The words that name files in every build: in a branch, one for another processor may be meant.
template <class Take>
void each_sure_word(const Stage& stage, const Take& take) {
  for (const Instruction& instruction : stage.instructions) {
    const std::vector<bool> reached = surely_reached(instruction.commands);
    for (std::size_t at = 0; at < reached.size(); ++at)
      if (reached[at])
        for (const ShellWord& word : instruction.commands[at].words)
          take(std::string_view(word.text), word.span);
    if (instruction.keyword == Keyword::kAdd)
      for (const Word& word : instruction.words) take(std::string_view(word.text), word.span);
  }
}

/// "aarch64-linux-gnu" of GNU's compilers, of Arm's and of Rust's.
bool names_triplet(const FileView& view, std::size_t stage, std::string_view processor) {
  return std::ranges::any_of(
      std::to_array<std::string_view>({"", "-none", "-unknown"}), [&](std::string_view vendor) {
        return commands_mention(view, stage, fmt::format("{}{}-linux-gnu", processor, vendor));
      });
}

void platforms(const FileView& view, FindingSink& sink) {
  for (const StageView& stage : view.stages) {
    const std::string written = stage.stage->platform.value_or("");
    const std::string_view platform = written.ends_with("arm64")   ? "arm64"
                                      : written.ends_with("amd64") ? "amd64"
                                                                   : std::string_view();
    const bool jetson = stage.image.platform == "jetson";
    // Since JetPack 7 (r38) Jetson is a server as well.
    const bool sbsa = stage.stage->image && stage.stage->image->tag.starts_with('r') &&
                      first_number(std::string_view(stage.stage->image->tag).substr(1)) >= 38;
    // A compiler for the other processor takes that one's files.
    if (names_triplet(view, stage.index, jetson || platform == "arm64" ? "x86_64" : "aarch64") ||
        commands_mention(view, stage.index, "qemu"))
      continue;
    each_sure_word(*stage.stage, [&](std::string_view word, Span span) {
      const std::string_view processor = processor_of(word);
      if (processor.empty()) return;
      std::string message;
      if (jetson && !sbsa && word.find("sbsa") != word.npos)
        message = "packages for Arm servers (sbsa) do not fit Jetson's CUDA, whose base this is";
      else if (jetson && processor == "amd64")
        message = "this file is for x86-64, and the base is Jetson's";
      else if (!platform.empty() && processor != platform)
        message = fmt::format("this file is for {}, and the stage is for {}", processor, written);
      if (message.empty()) return;
      Finding& found = sink.add("platform-mismatch", *view.file, span, std::move(message));
      found.evidence = {jetson ? "base " + stage.image.repository : "--platform=" + written};
    });
    if (jetson && platform == "amd64") {
      Finding& found = sink.add("platform-mismatch", *view.file, stage.stage->base.span,
                                fmt::format("{} exists for Arm only, and --platform says {}",
                                            stage.image.repository, written));
      found.evidence = {"base " + stage.image.repository};
    }
  }
}

bool builds_for_several(const FileView& view) {
  // BUILDPLATFORM for all stages builds for one processor: that of the machine.
  bool native = false, target = false;
  for (const StageView& stage : view.stages) {
    const std::string platform = stage.stage->platform.value_or("");
    if (platform.contains("TARGETPLATFORM")) return true;
    (platform.contains("BUILDPLATFORM") ? native : target) = true;
  }
  if (native && target) return true;
  // A bare ARG decides nothing.
  const std::string_view text = view.file->source.text();
  return std::ranges::any_of(
      std::to_array<std::string_view>(
          {"$TARGETARCH", "${TARGETARCH", "$TARGETPLATFORM", "${TARGETPLATFORM"}),
      [&](std::string_view use) { return text.contains(use); });
}

void several_architectures(const FileView& view, FindingSink& sink) {
  if (!builds_for_several(view)) return;
  for (const StageView& stage : view.stages) {
    if (!stage.reachable || stage.image.platform == "jetson" ||
        stage.stage->platform.value_or("").ends_with("64"))
      continue;
    // Commands that query the processor choose the right files themselves.
    const auto chooses = [](std::string_view word) {
      return std::ranges::any_of(
          std::to_array<std::string_view>({"TARGETARCH", "TARGETPLATFORM", "uname", "dpkg"}),
          [&](std::string_view name) { return word.contains(name); });
    };
    if (std::ranges::any_of(stage.stage->instructions, [&](const Instruction& one) {
          return (one.keyword == Keyword::kRun || one.keyword == Keyword::kAdd) &&
                 mentions(one, chooses);
        }))
      continue;
    each_sure_word(*stage.stage, [&](std::string_view word, Span span) {
      if (processor_of(word).empty()) return;
      Finding& found =
          sink.add("multi-architecture", *view.file, span,
                   fmt::format("the file is built for several processors, and this is for {} alone",
                               processor_of(word)));
      found.evidence = {"TARGETARCH, TARGETPLATFORM or BUILDPLATFORM is used in the file"};
    });
  }
  for (const StageCopy& copy : copies_of(view)) {
    const std::string from = copy.from->stage->platform.value_or("");
    if (from.find("BUILDPLATFORM") == from.npos ||
        copy.to->stage->platform.value_or("").find("BUILDPLATFORM") != from.npos)
      continue;
    if (!copy.from->image.vendor.known() || !compiles(view, copy.from->index)) continue;
    const auto sources = code_sources(*copy.instruction);
    if (sources.empty()) continue;
    Finding& found = sink.add(
        "multi-architecture", *view.file, sources.front()->span,
        fmt::format("'{}' is compiled for the machine that builds (--platform={}) and copied into "
                    "an image for another",
                    sources.front()->text, from));
    found.evidence = {"--platform of the stage, and a compiler in its commands"};
    found.fix = "leave --platform out of the compiling stage, or cross-compile for $TARGETARCH";
  }
}

}  // namespace

void judge_base_stages(const Project& /*project*/, const std::vector<FileView>& views,
                       FindingSink& sink) {
  for (const FileView& view : views) {
    const std::vector<StageCopy> copies = copies_of(view);
    const std::vector<bool> libraries = with_libstdcxx(view, copies);
    for (const StageCopy& copy : copies) {
      cuda_between(view, copy, sink);
      libc_between(view, copy, sink);
      python_between(view, copy, sink);
      if (!libraries[copy.to->index]) distroless(view, copy, sink);
    }
    platforms(view, sink);
    several_architectures(view, sink);
  }
}

}  // namespace flense::lint
