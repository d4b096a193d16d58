// The reader must see the same members whether the archive lies in memory or comes in pieces, must
// give back every byte it read, and what the writer makes of a member must read as that member.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "base/stream.h"
#include "codec/tar/tar.h"

namespace {

using flense::Bytes;
using flense::Result;
using flense::codec::MemberType;
using flense::codec::TarMember;
using flense::codec::TarReader;
using flense::codec::TarWriter;

constexpr TarReader::Limits kLimits{1000, 1u << 16, 1u << 22};

class PiecewiseSource final : public flense::Source {
 public:
  explicit PiecewiseSource(Bytes bytes) : rest_(bytes) {}
  Result<Bytes> next(std::size_t max) override {
    const Bytes out = rest_.first(std::min({max, std::size_t{97}, rest_.size()}));
    rest_ = rest_.subspan(out.size());
    return out;
  }

 private:
  Bytes rest_;
};

struct Seen {
  TarMember member;
  std::string content;
};

Result<std::vector<Seen>> read(flense::Source& source) {
  TarReader reader(source, "input.tar", kLimits);
  std::vector<Seen> out;
  while (true) {
    TRY(auto member, reader.next());
    if (!member) return out;
    TRY(std::string content, flense::read_all(reader.content(), 1u << 22, "content"));
    if (member->type == MemberType::kFile && content.size() != member->size) std::abort();
    out.push_back({std::move(*member), std::move(content)});
  }
}

Result<std::string> copy(flense::Source& source) {
  TarReader reader(source, "input.tar", kLimits);
  flense::StringSink sink;
  TarWriter writer(sink);
  while (true) {
    TRY(auto member, reader.next());
    if (!member) return sink.take();
    TRY_DO(writer.copy_raw(reader));
  }
}

bool same(const TarMember& a, const TarMember& b) {
  return a.name == b.name && a.link == b.link && a.type == b.type && a.mode == b.mode &&
         a.uid == b.uid && a.gid == b.gid && a.user == b.user && a.group == b.group &&
         a.mtime == b.mtime && a.mtime_nanos == b.mtime_nanos && a.size == b.size &&
         a.device_major == b.device_major && a.device_minor == b.device_minor &&
         a.xattrs == b.xattrs && a.pax == b.pax;
}

void write_and_read_again(const std::vector<Seen>& all) {
  flense::StringSink sink;
  TarWriter writer(sink);
  std::vector<const Seen*> written;
  for (const Seen& seen : all) {
    if (seen.member.type == MemberType::kOther || !writer.begin(seen.member)) continue;
    if (!writer.write_content(flense::as_bytes(seen.content)) || !writer.end()) std::abort();
    written.push_back(&seen);
  }
  if (!writer.finish()) std::abort();
  flense::MemorySource source(flense::as_bytes(sink.text()));
  const auto again = read(source);
  if (!again || again->size() != written.size()) std::abort();
  for (std::size_t i = 0; i < written.size(); ++i)
    if (!same((*again)[i].member, written[i]->member) || (*again)[i].content != written[i]->content)
      std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes = std::as_bytes(std::span(data, size));
  flense::MemorySource memory(bytes);
  const auto mapped = read(memory);
  PiecewiseSource pieces(bytes);
  const auto streamed = read(pieces);
  if (mapped.has_value() != streamed.has_value()) std::abort();
  if (!mapped) return 0;
  if (mapped->size() != streamed->size()) std::abort();
  for (std::size_t i = 0; i < mapped->size(); ++i)
    if (!same((*mapped)[i].member, (*streamed)[i].member) ||
        (*mapped)[i].content != (*streamed)[i].content)
      std::abort();
  flense::MemorySource again(bytes);
  const auto copied = copy(again);
  if (!copied || flense::as_text(bytes.first(std::min(size, copied->size()))) != *copied)
    std::abort();
  write_and_read_again(*mapped);
  return 0;
}
