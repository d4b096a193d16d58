// All members with their content; what is written again is what was read.
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "base/stream.h"
#include "codec/zip.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace flense::codec;
  const flense::Bytes bytes = std::as_bytes(std::span(data, size));
  const auto archive = read_zip(bytes, "input.whl");
  if (!archive) return 0;
  const flense::UniqueFd file =
      flense::open_scratch(std::filesystem::temp_directory_path()).value();
  ZipWriter writer(file.get(), "output.whl");
  for (const ZipMember& member : archive->members) {
    const auto source = open_zip_member(member);
    if (!source) std::abort();
    const auto content = flense::read_all(**source, 1U << 22, member.name);
    if (content && content->size() != member.size) std::abort();
    if (!(content ? writer.write(member, flense::as_bytes(*content), 1) : writer.copy(member)))
      std::abort();
  }
  if (!writer.finish(archive->comment)) std::abort();
  const auto written = flense::MappedFile::map(file.get(), "output.whl").value();
  const auto again = read_zip(written.bytes(), "output.whl");
  if (!again || again->members.size() != archive->members.size()) std::abort();
  for (std::size_t i = 0; i < again->members.size(); ++i)
    if (again->members[i].name != archive->members[i].name ||
        again->members[i].size != archive->members[i].size ||
        again->members[i].crc != archive->members[i].crc)
      std::abort();
  return 0;
}
