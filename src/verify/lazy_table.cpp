// The table of contents of eStargz layers, by which a lazy pull reads files that nobody unpacks:
// https://github.com/containerd/stargz-snapshotter/blob/main/docs/estargz.md
#include <charconv>

#include "base/path.h"
#include "codec/estargz.h"
#include "codec/sha256.h"
#include "verify/members.h"

namespace flense::verify {

namespace {

using codec::MemberType;
using text::Json;

constexpr std::size_t kFooter = 51, kFooterOffset = 16, kFooterMark = 32;
constexpr std::size_t kMostTable = std::size_t{1} << 30;
constexpr std::string_view kTable = "stargz.index.json";

/// The digest of the next `size` bytes of the gzip members from `offset` on, which go to `whole` as
/// well.
Result<std::string> chunk_digest(Bytes blob, std::uint64_t offset, std::uint64_t size,
                                 codec::Sha256& whole) {
  if (offset >= blob.size()) return bad_input("offset {} is outside of the layer", offset);
  TRY(const auto decoder, codec::open_decoder(std::make_unique<MemorySource>(blob.subspan(offset)),
                                              codec::Compression::kGzip));
  std::vector<std::byte> buffer(std::min<std::uint64_t>(size, 1U << 20));
  codec::Sha256 hash;
  while (size > 0) {
    const auto to = std::span(buffer).first(std::min<std::uint64_t>(size, buffer.size()));
    TRY(const std::size_t got, decoder->read(to));
    if (got == 0) return bad_input("offset {}: {} bytes are missing", offset, size);
    hash.update(to.first(got));
    whole.update(to.first(got));
    size -= got;
  }
  return hash.digest();
}

/// Where the footer says that the table begins.
Result<std::uint64_t> table_offset(Bytes blob) {
  std::uint64_t out = 0;
  if (blob.size() > kFooter) {
    const std::string_view footer = as_text(blob.last(kFooter));
    const char* begin = footer.data() + kFooterOffset;
    if (footer.substr(kFooterMark).starts_with("STARGZ") &&
        std::from_chars(begin, begin + 16, out, 16).ptr == begin + 16)
      return out;
  }
  return bad_input("no footer of eStargz");
}

std::string_view type_word(MemberType type) {
  switch (type) {
    case MemberType::kFile:
      return "reg";
    case MemberType::kHardLink:
      return "hardlink";
    case MemberType::kSymlink:
      return "symlink";
    case MemberType::kCharDevice:
      return "char";
    case MemberType::kBlockDevice:
      return "block";
    case MemberType::kDirectory:
      return "dir";
    case MemberType::kFifo:
      return "fifo";
    case MemberType::kOther:
      break;
  }
  return "";
}

class TableComparison {
 public:
  TableComparison(const LayerReading& layer, Bytes blob) : layer_(layer), blob_(blob) {}

  Result<void> run(const std::string& digest) {
    TRY(const std::uint64_t offset, table_offset(blob_));
    if (offset >= blob_.size()) return bad_input("offset {} is outside of the layer", offset);
    TRY(const auto plain, codec::decompress(std::make_unique<MemorySource>(blob_.subspan(offset)),
                                            codec::Compression::kGzip));
    codec::TarReader tar(*plain, "table of contents", {});
    TRY(const auto member, tar.next());
    if (!member || member->name != kTable || member->size > kMostTable)
      return bad_input("{} is not where the footer says", kTable);
    StringSink text;
    TRY_DO(copy_all(tar.content(), text));
    const std::string table = text.take();
    if (const std::string found = codec::sha256_digest(as_bytes(table)); found != digest)
      return bad_input("its digest is {}, the annotation says {}", found, digest);
    TRY(const Json json, text::parse_json(table, kTable));
    return entries(json["entries"].items());
  }

 private:
  template <class Items>
  Result<void> entries(const Items& items) {
    std::size_t at = 0;
    const auto skip = [&](std::uint32_t i) { return layer_.listing->at(i).path == kTable; };
    for (std::uint32_t i = 0; i < layer_.listing->size(); ++i) {
      if (skip(i)) continue;
      if (at == items.size()) return bad_input("it ends before {}", layer_.listing->at(i).path);
      const Member member{layer_.listing->at(i), layer_.facts[i],
                          layer_.attributes[layer_.facts[i].attributes],
                          layer_.names[layer_.facts[i].names]};
      const std::size_t first = at++;
      while (at < items.size() && items[at]["type"].text() == "chunk") ++at;
      TRY_DO(with_context(entry(member, std::span(items).subspan(first, at - first)), "of {}",
                          member.entry.path));
    }
    if (at < items.size()) return bad_input("it goes on after the last member");
    return {};
  }

  Result<void> entry(const Member& member, std::span<const Json> rows) {
    const Json& row = rows.front();
    TRY(const std::string name, normalise_member_path(row["name"].text()));
    const auto number = [&](const char* field) { return row[field].unsigned_or(0); };
    const bool file = member.entry.type == MemberType::kFile;
    const bool link = member.entry.type == MemberType::kSymlink;
    if (name != member.entry.path || row["type"].text() != type_word(member.entry.type) ||
        number("mode") != member.entry.mode || number("uid") != member.entry.uid ||
        number("gid") != member.entry.gid || (file && number("size") != member.entry.size) ||
        (link && row["linkName"].text() != member.entry.link) ||
        row["xattrs"].members().size() != member.attributes.size())
      return bad_input("the row says something else: {}", text::dump_json(row));
    if (!file) return {};
    codec::Sha256 whole;
    std::uint64_t done = 0;
    for (const Json& chunk : rows) {
      const std::uint64_t rest = member.entry.size - done;
      if (rest == 0) break;
      // Without a size it extends to the end of the file.
      const std::uint64_t said = chunk["chunkSize"].unsigned_or(0);
      const std::uint64_t size = said == 0 ? rest : std::min(rest, said);
      if (chunk["chunkOffset"].unsigned_or(0) != done) return bad_input("a chunk is missing");
      TRY(const std::string digest,
          chunk_digest(blob_, chunk["offset"].unsigned_or(0), size, whole));
      if (chunk["chunkDigest"].text() != digest)
        return bad_input("the digest of the chunk at {} is {}", done, digest);
      done += size;
    }
    const std::string digest = whole.digest();
    if (done != member.entry.size || digest.substr(7) != member.sha256() ||
        row["digest"].text() != digest)
      return bad_input("its chunks are not the file");
    return {};
  }

  const LayerReading& layer_;
  Bytes blob_;
};

}  // namespace

Result<void> compare_lazy_tables(const Reading& after, Findings& findings) {
  for (std::size_t i = 0; i < after.layers.size(); ++i) {
    const auto& annotations = after.image->layers[i].blob.annotations;
    const auto digest = annotations.find(codec::kTocDigestAnnotation);
    if (digest == annotations.end()) continue;
    TRY(const auto source, after.image->open_layer(i));
    const Result<void> done =
        TableComparison(*after.layers[i], source->direct()).run(digest->second);
    if (done)
      findings.count("tables of contents for lazy pulls that fit their layers");
    else if (done.error().code == Code::kBadInput)
      findings.differ({"", "table of contents", fmt::format("layer {}", i + 1),
                       "what is in the layer", done.error().message});
    else
      return done;
  }
  return {};
}

}  // namespace flense::verify
