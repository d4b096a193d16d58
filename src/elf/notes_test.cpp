#include "elf/notes.h"

#include <gtest/gtest.h>

#include "elf/testing_builder.h"

namespace flense::elf {
namespace {

using testing::pack;

std::string note(std::uint32_t type, std::string owner, std::string descriptor, std::size_t step) {
  owner += '\0';
  const std::string header = pack(static_cast<std::uint32_t>(owner.size()),
                                  static_cast<std::uint32_t>(descriptor.size()), type);
  std::string out = header + owner;
  out.resize((out.size() + step - 1) / step * step, '\0');
  out += descriptor;
  out.resize((out.size() + step - 1) / step * step, '\0');
  return out;
}

std::string property(std::uint32_t type, std::uint32_t value) {
  return pack(type, std::uint32_t{4}, value, std::uint32_t{0});
}

TEST(Notes, FindsByOwnerAndType) {
  const std::string notes = note(3, "GNU", "id", 4) + note(1, "NVIDIA Corporation", "{}", 4);
  const auto find = [&](std::string_view owner, std::optional<std::uint32_t> type) {
    return as_text(find_note(as_bytes(notes), 4, owner, type));
  };
  EXPECT_EQ(find("GNU", 3), "id");
  EXPECT_EQ(find("GNU", 4), "");
  EXPECT_EQ(find("NVIDIA Corporation", std::nullopt), "{}");
  EXPECT_EQ(find("NVIDIA", std::nullopt), "") << "a beginning of the name is another name";
}

TEST(Notes, CutShortAnywhereGivesNothingOrTheSame) {
  const std::string notes = note(1, "NVIDIA Corporation", "{\"a\":1}", 4);
  for (std::size_t size = 0; size < notes.size() - 1; ++size) {
    // A separate copy, so that a sanitizer sees a read past its end.
    const std::string cut = notes.substr(0, size);
    EXPECT_EQ(as_text(find_note(as_bytes(cut), 4, "NVIDIA Corporation", std::nullopt)), "");
  }
}

TEST(Notes, SizesThatWrapAreNoNotes) {
  const std::string notes = pack(0xffffffffU, 0xffffffffU, 1U) + std::string(64, '\0');
  EXPECT_TRUE(find_note(as_bytes(notes), 8, "GNU", std::nullopt).empty());
}

TEST(Notes, ReadsTheProcessorLevel) {
  const auto level = [](std::uint16_t machine, const std::string& properties) {
    testing::Builder builder(ET_DYN, machine);
    builder.add({.name = ".note.gnu.property",
                 .type = SHT_NOTE,
                 .flags = SHF_ALLOC,
                 .address = 0x400,
                 .bytes = note(5, "GNU", properties, 8),
                 .alignment = 8});
    const std::string bytes = builder.build();
    const auto file = File::parse(as_bytes(bytes), "x");
    EXPECT_TRUE(file.has_value());
    return x86_isa_needed(*file);
  };
  const std::string others = property(0xc0000002, 3) + property(0xc0010002, 0xff);
  EXPECT_EQ(level(EM_X86_64, others + property(0xc0008002, 3)), 3U);
  EXPECT_EQ(level(EM_X86_64, others), 0U) << "what is used is not what is needed";
  EXPECT_EQ(level(EM_AARCH64, property(0xc0008002, 3)), 0U);
  EXPECT_EQ(level(EM_X86_64, pack(0xc0008002U, 0xffffffffU)), 0U);
}

}  // namespace
}  // namespace flense::elf
