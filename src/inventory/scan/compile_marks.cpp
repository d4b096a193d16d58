#include "inventory/scan/compile_marks.h"

#include <elf.h>

#include <algorithm>
#include <array>

#include "inventory/scan/mentions.h"

namespace flense::inventory {

namespace {

/// The name is in the string table of who imports it, and in the data of who asks dlsym for it.
std::uint8_t rtc_marks(std::string_view text) {
  constexpr std::string_view kCall = "rtcCompileProgram";
  std::uint8_t out = 0;
  for (std::size_t at = find_rare(text, kCall, 0); at != std::string_view::npos;
       at = find_rare(text, kCall, at + kCall.size())) {
    const std::string_view before = text.substr(0, at);
    if (before.ends_with("nv")) out |= kCallsNvrtc;
    if (before.ends_with("hip")) out |= kCallsHiprtc;
  }
  return out;
}

/// NVRTC as a part of the file, whose functions then have no names: one of its messages.
bool holds_nvrtc(std::string_view text) {
  return find_rare(text, "nvrtc: decode function", 0) != std::string_view::npos;
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
  return std::ranges::any_of(
      words, [&](std::string_view word) { return text.find(word) != std::string_view::npos; });
}

}  // namespace

std::uint8_t compile_marks(const elf::File& file, const device::FileCode& code) {
  std::uint8_t out = 0;
  for_each_data(file, code, [&](std::string_view text) {
    out |= rtc_marks(text);
    if (holds_nvrtc(text)) out |= kCallsNvrtc;
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
  if (names_any(text, {"cmake --build"}) ||
      (names_program(text, "cmake") && names_any(text, {"--build"})))
    out |= kStartsCompiler;
  // Licences say NON-INFRINGEMENT.
  if (!names_any(text, {"'-I", "\"-I", " -I", "-isystem", "'-shared", "\"-shared", " -shared",
                        "-fPIC", "--include-path"}))
    return out;
  // Not cc: it stands for a compute capability.
  constexpr auto kCompilers =
      std::to_array<std::string_view>({"c++", "gcc", "g++", "clang", "clang++", "CC", "CXX"});
  if (std::ranges::any_of(kCompilers, [&](auto name) { return names_program(text, name); }))
    out |= kStartsCompiler;
  if (names_program(text, "nvcc")) out |= kStartsNvcc;
  return out;
}

}  // namespace flense::inventory
