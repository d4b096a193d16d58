// Names of CUDA libraries that a file holds as text: what it may open by name, beside what it lists
// as DT_NEEDED.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "device/fatbin.h"
#include "elf/file.h"

namespace flense::inventory {

/// "libcublas.so.12", "libnvrtc.so": names that flavour_of_library() knows, sorted, each once, at
/// most 64. A pattern ("libcublas.so.*[0-9]") counts as the name before its first wildcard.
std::vector<std::string> mentioned_libraries(std::string_view text);

/// Names of pickled weights in a program or its settings: "pytorch_model.bin". Empty for the
/// libraries that look for safetensors before them, and for the index of pickles itself.
std::vector<std::string> mentioned_pickles(std::string_view path, std::string_view text);

/// The same of the data of an ELF file, without the device code in it.
std::vector<std::string> mentioned_libraries(const elf::File& file, const device::FileCode& code);

/// Calls fn with each part of that data.
void for_each_data(const elf::File& file, const device::FileCode& code,
                   const std::function<void(std::string_view)>& fn);

/// text.find(word, from) for words of at least three characters that begin rarely.
std::size_t find_rare(std::string_view text, std::string_view word, std::size_t from);

/// Texts in which programs and their settings name libraries to open; not licences, records of
/// package managers and documentation, which name them for people.
bool may_mention_libraries(std::string_view path, bool script);
inline constexpr std::uint64_t kMaxMentioning = 256U << 10;

}  // namespace flense::inventory
