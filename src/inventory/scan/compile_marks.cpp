#include "inventory/scan/compile_marks.h"

#include <elf.h>

#include <algorithm>
#include <array>

#include "inventory/scan/mentions.h"

namespace flense::inventory {

namespace {

/// The name of the function is in the string table of who imports it, and in the data of who asks
/// dlsym for it; NVRTC as a part of the file has functions without names, and its messages.
std::uint8_t rtc_marks(std::string_view text) {
  constexpr std::string_view kPart = "rtc";
  std::uint8_t out = 0;
  for (std::size_t at = find_rare(text, kPart, 0); at != std::string_view::npos;
       at = find_rare(text, kPart, at + kPart.size())) {
    const std::string_view before = text.substr(0, at), after = text.substr(at + kPart.size());
    const bool compiles = after.starts_with("CompileProgram");
    if (before.ends_with("nv") && (compiles || after.starts_with(": decode function")))
      out |= kCallsNvrtc;
    if (before.ends_with("hip") && compiles) out |= kCallsHiprtc;
  }
  return out;
}

bool names_nvcc(std::string_view text) {
  constexpr std::string_view kName = "/nvcc";
  for (std::size_t at = find_rare(text, kName, 0); at != std::string_view::npos;
       at = find_rare(text, kName, at + kName.size()))
    if (text.substr(0, at).ends_with("bin")) return true;
  return false;
}

/// What GCC, Clang and tcc say of an #include that names nothing.
bool holds_front_end(std::string_view text) {
  return find_rare(text, "\"FILENAME\" or <FILENAME>", 0) != std::string_view::npos;
}

/// 'gcc', "nvcc -ptx", f"{home}/bin/nvcc": a program or the variable that names it.
bool names_program(std::string_view text, std::string_view name) {
  for (std::size_t at = text.find(name); at != std::string_view::npos;
       at = text.find(name, at + name.size())) {
    const std::size_t end = at + name.size();
    if (at > 0 && end < text.size() &&
        std::string_view("'\"/").find(text[at - 1]) != std::string_view::npos &&
        std::string_view("'\" ").find(text[end]) != std::string_view::npos)
      return true;
  }
  return false;
}

bool names_any(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::any_of(words, [&](std::string_view word) {
    return find_rare(text, word, 0) != std::string_view::npos;
  });
}

struct Options {
  bool of_compilers = false;
  bool of_cmake = false;
};

/// In one walk from '-' to '-'. A short option counts where it begins a word or a string: licences
/// say NON-INFRINGEMENT.
Options find_options(std::string_view text) {
  Options out;
  for (std::size_t at = text.find('-'); at != std::string_view::npos; at = text.find('-', at + 1)) {
    const std::string_view option = text.substr(at + 1);
    const bool begins =
        at > 0 && std::string_view("'\" ").find(text[at - 1]) != std::string_view::npos;
    if (option.starts_with("isystem") || option.starts_with("fPIC") ||
        option.starts_with("-include-path") ||
        (begins && (option.starts_with('I') || option.starts_with("shared"))))
      out.of_compilers = true;
    if (option.starts_with("-build")) out.of_cmake = true;
  }
  return out;
}

}  // namespace

std::uint8_t compile_marks(const elf::File& file, const device::FileCode& code) {
  std::uint8_t out = 0;
  for_each_data(file, code, [&](std::string_view text) {
    out |= rtc_marks(text);
    if (holds_front_end(text)) out |= kHoldsFrontEnd;
    if (names_nvcc(text)) out |= kStartsNvcc;
  });
  for (const elf::Section& section : file.sections())
    if (section.type == SHT_STRTAB && (section.flags & SHF_ALLOC) != 0)
      out |= rtc_marks(as_text(file.section_bytes(section)));
  return out;
}

std::uint8_t compile_marks_of_python(std::string_view text) {
  std::uint8_t out = rtc_marks(text);
  // PyTorch's own, which includes what its caller names.
  if (names_any(text, {"cuda._compile_kernel"})) out |= kCallsNvrtc;
  if (names_any(text, {"new_compiler(", "build_ext"})) out |= kStartsCompiler;
  const Options options = find_options(text);
  if (options.of_cmake && (names_any(text, {"cmake --build"}) || names_program(text, "cmake")))
    out |= kStartsCompiler;
  if (!options.of_compilers) return out;
  // Not cc: it stands for a compute capability.
  constexpr auto kCompilers =
      std::to_array<std::string_view>({"c++", "gcc", "g++", "clang", "clang++", "CC", "CXX"});
  if (std::ranges::any_of(kCompilers, [&](auto name) { return names_program(text, name); }))
    out |= kStartsCompiler;
  if (names_program(text, "nvcc")) out |= kStartsNvcc;
  return out;
}

}  // namespace flense::inventory
