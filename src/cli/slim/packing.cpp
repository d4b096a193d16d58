#include "cli/slim/packing.h"

#include <charconv>

#include "base/numbers.h"
#include "image/model/reference.h"

namespace flense::cli {

namespace {

using codec::Compression;

constexpr std::uint64_t kLeastSplit = 1u << 20;  ///< below, directories would be most of a part

constexpr const char* kKinds =
    "zstd[:LEVEL] with 1 to 19, gzip[:LEVEL] or estargz[:LEVEL] with 1 to 9, or none";
/// Gzip layers that can be pulled lazily.
constexpr std::string_view kLazy = "estargz";
constexpr const char* kLazyOutputs = "use -o oci:DIR, -o oci-archive:FILE or -t docker://REF";

Result<int> parse_level(std::string_view text, int most) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1 || value > most)
    return usage_error(
        fmt::format("a compression level is a number from 1 to {}, not '{}'", most, text), kKinds);
  return value;
}

Result<Compression> parse_kind(std::string_view text) {
  if (text == kLazy) return Compression::kGzip;
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
    const std::string_view word = std::string_view(text).substr(0, colon);
    TRY(const Compression kind, parse_kind(word));
    options.packing.compression = kind;
    options.packing.lazy = word == kLazy;
    if (colon != std::string::npos) {
      if (kind == Compression::kNone)
        return usage_error("--compression none has no level", "leave it out");
      if (args.has("--compression-level"))
        return usage_error("the compression level is given twice", "leave --compression-level out");
      TRY(options.packing.level,
          parse_level(std::string_view(text).substr(colon + 1), most_of(kind)));
    }
  }
  if (args.has("--compression-level")) {
    TRY(options.packing.level,
        parse_level(args.value("--compression-level"),
                    most_of(options.packing.compression.value_or(Compression::kZstd))));
  }
  if (args.has("--split")) {
    TRY(options.packing.split_bytes,
        with_context(parse_size(args.value("--split")), "reading --split"));
    if (options.packing.split_bytes < kLeastSplit)
      return usage_error("--split takes a size of at least 1MiB", "--split 512MiB");
  }
  return {};
}

Result<void> check_lazy_push(const slim::SlimOptions& options, const std::string& target) {
  if (!options.packing.lazy || image::parse_target(target).transport == image::Transport::kRegistry)
    return {};
  return usage_error("--compression estargz is for registries: engines keep layers unpacked",
                     kLazyOutputs);
}

Result<void> check_lazy(const slim::SlimOptions& options, image::OutputForm form) {
  if (!options.packing.lazy || form == image::OutputForm::kOciLayout ||
      form == image::OutputForm::kOciArchive)
    return {};
  if (form == image::OutputForm::kDockerArchive)
    return usage_error(
        "--compression estargz is for registries, where engines pull by its annotations: a docker "
        "archive has none",
        kLazyOutputs);
  return usage_error("--compression estargz is for images: a tree has no layers", kLazyOutputs);
}

}  // namespace flense::cli
