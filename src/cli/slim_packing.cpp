#include "cli/slim_packing.h"

#include <charconv>

#include "inventory/budget.h"

namespace flense::cli {

namespace {

using codec::Compression;

constexpr std::uint64_t kLeastSplit = 1u << 20;  ///< below, directories would be most of a part

constexpr const char* kKinds = "zstd[:LEVEL] with 1 to 19, gzip[:LEVEL] with 1 to 9, or none";

Result<int> parse_level(std::string_view text, int most) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1 || value > most)
    return usage_error(
        fmt::format("a compression level is a number from 1 to {}, not '{}'", most, text), kKinds);
  return value;
}

Result<Compression> parse_kind(std::string_view text) {
  for (const Compression kind : {Compression::kZstd, Compression::kGzip, Compression::kNone})
    if (text == codec::to_string(kind)) return kind;
  return usage_error(fmt::format("--compression knows no '{}'", text), kKinds);
}

int most_of(Compression kind) {
  return kind == Compression::kGzip ? 9 : 19;
}

}  // namespace

Result<void> read_packing(const ParsedArgs& args, slim::SlimOptions& options) {
  if (args.has("--compression")) {
    const std::string text = args.value("--compression");
    const std::size_t colon = text.find(':');
    TRY(const Compression kind, parse_kind(std::string_view(text).substr(0, colon)));
    options.compression = kind;
    if (colon != std::string::npos) {
      if (kind == Compression::kNone)
        return usage_error("--compression none has no level", "leave it out");
      if (args.has("--compression-level"))
        return usage_error("the compression level is given twice", "leave --compression-level out");
      TRY(options.compression_level,
          parse_level(std::string_view(text).substr(colon + 1), most_of(kind)));
    }
  }
  if (args.has("--compression-level")) {
    TRY(options.compression_level,
        parse_level(args.value("--compression-level"),
                    most_of(options.compression.value_or(Compression::kZstd))));
  }
  if (args.has("--split")) {
    TRY(options.split_bytes,
        with_context(inventory::parse_size(args.value("--split")), "reading --split"));
    if (options.split_bytes < kLeastSplit)
      return usage_error("--split takes a size of at least 1MiB", "--split 512MiB");
  }
  return {};
}

}  // namespace flense::cli
