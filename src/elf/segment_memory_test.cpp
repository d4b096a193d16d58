// What a loader makes of a segment that lost pages, address by address: device code in segments of
// every protection, first, last or between other sections, with and without .bss behind it.
#include <gtest/gtest.h>

#include <map>

#include "base/checked.h"
#include "elf/edit.h"
#include "elf/editable.h"
#include "elf/testing_builder.h"

namespace flense::elf {
namespace {

using testing::Builder;
using testing::pack;
using testing::rela;

struct Page {
  std::string bytes;
  std::uint32_t flags = 0;
};
using Memory = std::map<std::uint64_t, Page>;

/// As musl maps it, which clears the end of a page in writable segments only; glibc and the kernel
/// clear no less. What a file has after a segment shows in its last page.
Memory load(const File& file, std::uint64_t page) {
  Memory memory;
  for (const std::size_t i : load_indices(file)) {
    const Segment& segment = file.segments()[i];
    const std::uint64_t file_end = segment.address + segment.file_size;
    const std::uint64_t begin = align_down(segment.address, page);
    if (segment.address != begin) {
      EXPECT_EQ((segment.offset - segment.address) % page, 0U);
      EXPECT_LT(segment.offset, file.bytes().size())
          << "the page is mapped, also for no bytes of it";
    }
    for (std::uint64_t at = begin; at < segment.address + segment.memory_size; at += page) {
      Page& content = memory[at] = {std::string(page, '\0'), segment.flags};
      if (at >= file_end || segment.file_size == 0) continue;
      EXPECT_EQ((segment.offset - segment.address) % page, 0U);
      const std::uint64_t offset = at - segment.address + segment.offset;
      const auto rest = as_text(file.bytes().subspan(offset)).substr(0, page);
      content.bytes.replace(0, rest.size(), rest);
      if ((segment.flags & PF_W) != 0 && segment.memory_size > segment.file_size &&
          file_end - at < page)
        content.bytes.replace(file_end - at, page, page - (file_end - at), '\0');
    }
  }
  return memory;
}

struct Shape {
  std::uint16_t type = ET_DYN;
  std::uint16_t machine = EM_X86_64;
  std::uint32_t flags = PF_R | PF_W;
  std::uint64_t begin = 0;   ///< of the segment in its first page
  std::uint64_t before = 0;  ///< bytes of .data before the device code
  std::uint64_t after = 0;   ///< bytes of .after behind it
  std::uint64_t bss = 0;
  std::uint64_t pinned = 0;  ///< where in the section the last piece stays; 0: all move together
  bool relro = false;        ///< PT_GNU_RELRO over the whole segment
  bool next = false;         ///< another segment begins on the page after it
  bool empty = false;        ///< a segment without file bytes comes last, as lld has it for .bss
};

/// Pages of aarch64 are larger, and so is the device code there.
std::uint64_t scale_of(const Shape& shape) {
  return shape.machine == EM_X86_64 ? 1 : 8;
}

struct Fixture {
  std::string bytes;
  std::uint16_t section = 0;
  std::uint64_t code = 0, size = 0, end = 0, page = 0;
};

std::string pattern(std::uint64_t size, unsigned seed) {
  std::string out(size, '\0');
  for (std::uint64_t i = 0; i < size; ++i)
    out[i] = static_cast<char>(1 + (i * 7 + i / 251 + seed) % 255);
  return out;
}

Fixture make(const Shape& shape) {
  Fixture out;
  out.page = shape.machine == EM_X86_64 ? 0x1000 : 0x10000;
  const std::uint64_t base = shape.type == ET_EXEC ? 0x400000 : 0;
  Builder b(shape.type, shape.machine, base);
  const std::uint64_t begin = base + 2 * out.page + shape.begin;
  out.code = begin + shape.before;
  out.size = 0x25358 * scale_of(shape);
  const std::uint64_t after = out.code + out.size;
  out.end = after + shape.after;
  b.add({.name = ".rodata", .flags = SHF_ALLOC, .address = base + 0x400, .bytes = "constants"});
  if (shape.before != 0)
    b.add({.name = ".data",
           .flags = SHF_ALLOC | SHF_WRITE,
           .address = begin,
           .bytes = pattern(shape.before, 1)});
  out.section = b.add({.name = ".nv_fatbin",
                       .flags = SHF_ALLOC,
                       .address = out.code,
                       .bytes = pattern(out.size, 2),
                       .alignment = 8});
  if (shape.after != 0)
    b.add({.name = ".after",
           .flags = SHF_ALLOC | SHF_WRITE,
           .address = after,
           .bytes = pattern(shape.after, 3)});
  if (shape.bss != 0)
    b.add({.name = ".bss",
           .type = SHT_NOBITS,
           .flags = SHF_ALLOC | SHF_WRITE,
           .address = out.end,
           .size = shape.bss});
  const std::uint64_t alignment = shape.machine == EM_X86_64 ? 0x1000 : 0x10000;
  b.segment(PT_LOAD, PF_R, base, base + 0x500, alignment);
  b.segment(PT_LOAD, shape.flags, begin, out.end, alignment, out.end - begin + shape.bss);
  if (shape.next) {
    const std::uint64_t next = (out.end + shape.bss + out.page - 1) / out.page * out.page + 0x10;
    b.add({.name = ".next",
           .flags = SHF_ALLOC | SHF_WRITE,
           .address = next,
           .bytes = pattern(0x100, 4)});
    b.segment(PT_LOAD, PF_R | PF_W, next, next + 0x100, alignment);
  }
  if (shape.empty) {
    const std::uint64_t last = (out.end + shape.bss + 3 * out.page) / out.page * out.page + 0x7c0;
    const std::uint64_t offset = align_down(out.end - base - 0x7c1, out.page) + 0x7c0;
    b.raw_segment({PT_LOAD, PF_R | PF_W, offset, last, last, 0, 0x5000, alignment});
  }
  if (shape.relro) b.segment(PT_GNU_RELRO, PF_R, begin, out.end, 1, out.end - begin + shape.bss);
  out.bytes = b.build();
  return out;
}

/// Three pieces that move together, the last where `pinned` says.
EditPlan plan_for(const Fixture& fixture, const Shape& shape, const File& file) {
  const Section& section = file.sections()[fixture.section];
  EditPlan plan;
  plan.sections.push_back({fixture.section, {}});
  const std::uint64_t sizes[] = {0x1358, 0x700, 0x58};
  std::uint64_t to = fixture.code;
  for (std::uint64_t i = 0; i < 3; ++i) {
    const bool stays = i == 2 && shape.pinned != 0;
    const std::uint64_t from = fixture.code + (stays ? shape.pinned : 0x9000 * i) * scale_of(shape);
    plan.sections[0].pieces.push_back({from, sizes[i], stays ? from : to, sizes[i], {}});
    plan.sections[0].pieces.back().parts.push_back(
        {.file_offset = section.offset + (from - section.address), .size = sizes[i]});
    to += sizes[i];
  }
  return plan;
}

void check(const Shape& shape) {
  SCOPED_TRACE(
      fmt::format("flags {} begin {:#x} before {:#x} after {:#x} bss {:#x} pinned {:#x} "
                  "relro {} next {} empty {} machine {} type {}",
                  shape.flags, shape.begin, shape.before, shape.after, shape.bss, shape.pinned,
                  shape.relro, shape.next, shape.empty, shape.machine, shape.type));
  const Fixture fixture = make(shape);
  const auto before = File::parse(as_bytes(fixture.bytes), "before");
  ASSERT_TRUE(before) << render(before.error());
  const EditPlan plan = plan_for(fixture, shape, *before);
  StringSink sink;
  const auto result = apply(*before, plan, sink);
  ASSERT_TRUE(result) << render(result.error());
  EXPECT_EQ(result->in_vain, std::vector<std::size_t>());
  const std::string edited = sink.take();
  const std::uint64_t kept = 0x2100 + (shape.pinned != 0 ? 2 : 1) * fixture.page;
  EXPECT_LT(edited.size(), fixture.bytes.size() - fixture.size + kept + 3 * fixture.page);
  const auto after = File::parse(as_bytes(edited), "after");
  ASSERT_TRUE(after) << render(after.error());
  ASSERT_TRUE(check_editable(*after)) << render(check_editable(*after).error());

  const Memory old_memory = load(*before, fixture.page);
  const Memory new_memory = load(*after, fixture.page);
  const Segment& segment = before->segments()[1];
  std::string expected_code(fixture.size, '\0');
  for (const Piece& piece : plan.sections[0].pieces)
    expected_code.replace(piece.new_address - fixture.code, piece.new_size, fixture.bytes,
                          piece.parts[0].file_offset, piece.new_size);
  for (const Segment& one : before->segments()) {
    if (one.type != PT_LOAD) continue;
    const std::uint64_t end = one.address + one.memory_size;
    std::uint64_t at = one.offset == 0 ? one.address + 0x400 : one.address;  // after the headers
    for (std::uint64_t next = 0; at < end; at = next) {
      const std::uint64_t page = align_down(at, fixture.page);
      next = std::min(end, page + fixture.page);
      const auto found = new_memory.find(page);
      ASSERT_NE(found, new_memory.end()) << std::hex << at;
      std::string expected = old_memory.at(page).bytes.substr(at - page, next - at);
      const Range code{std::max(at, fixture.code), std::min(next, fixture.code + fixture.size)};
      if (!code.empty())
        expected.replace(code.begin - at, code.size(), expected_code, code.begin - fixture.code,
                         code.size());
      ASSERT_TRUE(found->second.bytes.substr(at - page, next - at) == expected) << std::hex << at;
      const std::uint32_t flags = found->second.flags;
      ASSERT_EQ(flags & PF_W, one.flags & PF_W) << std::hex << at;
      ASSERT_EQ(flags & PF_R, unsigned{PF_R}) << std::hex << at;
      // Zeros in place of a cut are not executable; what has file bytes is what it was.
      if (code.size() < next - at || expected.find_first_not_of('\0') != std::string::npos)
        ASSERT_EQ(flags & PF_X, one.flags & PF_X) << std::hex << at;
    }
  }
  for (const Segment& one : after->segments())
    if (one.type == PT_LOAD && one.file_size == 0) EXPECT_EQ(one.flags & PF_X, 0U);
  if (shape.relro) {
    const Segment& relro = after->segments().back();
    EXPECT_EQ(relro.type, std::uint32_t{PT_GNU_RELRO});
    EXPECT_EQ(relro.address, segment.address);
    EXPECT_EQ(relro.memory_size, segment.memory_size);
    EXPECT_LE(relro.file_size, relro.memory_size);
    EXPECT_LE(relro.offset + relro.file_size, edited.size());
  }
  // Every section header that has bytes is true, and the freed ones cover the rest.
  std::uint64_t covered = 0;
  for (const Section& section : after->sections()) {
    if ((section.flags & SHF_ALLOC) == 0 || section.size == 0) continue;
    if (section.name == ".nv_fatbin.freed") covered += section.size;
    if (section.type != SHT_NOBITS)
      EXPECT_EQ(after->offset_of(section.address), section.offset) << section.name;
  }
  EXPECT_EQ(covered, result->device_bytes_removed);

  // The same plan over the result, now that its pieces lie where they should: nothing to do.
  StringSink again;
  EditPlan none;
  none.drop_debug = none.drop_symtab = true;
  ASSERT_TRUE(apply(*after, none, again));
  EXPECT_EQ(again.text(), edited);
  StringSink once_more;
  ASSERT_TRUE(apply(*before, plan, once_more));
  EXPECT_EQ(once_more.text(), edited);
}

TEST(SegmentMemory, EveryAddressHoldsWhatItShouldAfterAnEdit) {
  for (const unsigned flags : {4U, 6U, 5U, 7U})  // PF_R, with PF_W, with PF_X, with both
    for (const std::uint64_t begin : {0x0U, 0x620U})
      for (const std::uint64_t before : {0x0U, 0x9a8U, 0x3000U})
        for (const std::uint64_t after : {0x0U, 0x8U, 0x2345U})
          for (const std::uint64_t bss : {0x0U, 0x10U, 0x12345U})
            for (const std::uint64_t pinned : {0x0U, 0x18000U, 0x25300U}) {
              // Only writable segments have .bss.
              if (bss != 0 && (flags & PF_W) == 0) continue;
              Shape shape{.flags = flags,
                          .begin = begin,
                          .before = before,
                          .after = after,
                          .bss = bss,
                          .pinned = pinned};
              check(shape);
              if (HasFatalFailure()) return;
            }
}

TEST(SegmentMemory, ProgramsRelroNeighboursAndLargePages) {
  for (const std::uint64_t bss : {0x0U, 0x12345U})
    for (const std::uint64_t after : {0x0U, 0x2345U})
      for (const std::uint64_t pinned : {0x0U, 0x18000U})
        for (const bool next : {false, true})
          for (const bool last : {false, true})
            for (const bool arm : {false, true})
              for (const bool program : {false, true}) {
                check({.type = static_cast<std::uint16_t>(program ? ET_EXEC : ET_DYN),
                       .machine = static_cast<std::uint16_t>(arm ? EM_AARCH64 : EM_X86_64),
                       .begin = 0x620U,
                       .before = 0x9a8U,
                       .after = after,
                       .bss = bss,
                       .pinned = pinned,
                       .relro = last,
                       .next = next,
                       .empty = last});
                if (HasFatalFailure()) return;
              }
}

/// What is less than a page cannot leave: the caller is told, and need not zero it.
TEST(SegmentMemory, AnEditThatFreesNoPageIsInVain) {
  const Shape shape{.before = 0x100U, .after = 0x100U};
  const Fixture fixture = make(shape);
  const auto file = File::parse(as_bytes(fixture.bytes), "test");
  EditPlan plan;
  plan.sections.push_back({fixture.section, {}});
  const std::uint64_t kept = fixture.size - 0x900;
  plan.sections[0].pieces.push_back({fixture.code, fixture.size, fixture.code, kept, {}});
  plan.sections[0].pieces[0].parts.push_back(
      {.file_offset = file->sections()[fixture.section].offset, .size = kept});
  const auto result = measure(*file, plan);
  ASSERT_TRUE(result) << render(result.error());
  EXPECT_EQ(result->in_vain, std::vector<std::size_t>{fixture.section});
  EXPECT_EQ(result->device_bytes_removed, 0U);
}

}  // namespace
}  // namespace flense::elf
