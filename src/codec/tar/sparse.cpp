#include "codec/tar/sparse.h"

#include "codec/tar/format.h"

namespace flense::codec::tar {

namespace {

Result<void> read_pairs(Bytes block, std::size_t begin, std::size_t count,
                        std::vector<SparseSpan>& spans) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = begin + i * 24;
    // An empty pair ends the list.
    if (block[at] == std::byte{0}) return {};
    const auto offset = number_field(block, {at, 12});
    const auto size = number_field(block, {at + 12, 12});
    if (!offset || !size || *offset < 0 || *size < 0)
      return bad_input("a sparse map contains something other than a number");
    spans.push_back({static_cast<std::uint64_t>(*offset), static_cast<std::uint64_t>(*size)});
  }
  return {};
}

}  // namespace

Result<OldSparse> parse_old_sparse(Bytes header_block) {
  OldSparse out;
  TRY_DO(read_pairs(header_block, kSparse.offset, 4, out.spans));
  out.more = header_block[kSparseMore.offset] != std::byte{0};
  const auto real_size = number_field(header_block, kRealSize);
  if (!real_size || *real_size < 0) return bad_input("a sparse member has no valid real size");
  out.real_size = static_cast<std::uint64_t>(*real_size);
  return out;
}

Result<OldSparse> parse_old_sparse_extension(Bytes block) {
  OldSparse out;
  TRY_DO(read_pairs(block, 0, 21, out.spans));
  out.more = block[504] != std::byte{0};
  return out;
}

Result<std::vector<SparseSpan>> parse_sparse_list(std::string_view text) {
  std::vector<SparseSpan> out;
  std::vector<std::uint64_t> numbers;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const auto number = parse_decimal(text.substr(0, comma));
    if (!number) return bad_input("a sparse map holds '{}'", text.substr(0, comma));
    numbers.push_back(*number);
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
  }
  if (numbers.size() % 2 != 0) return bad_input("a sparse map has an odd count of numbers");
  for (std::size_t i = 0; i < numbers.size(); i += 2) out.push_back({numbers[i], numbers[i + 1]});
  return out;
}

Result<void> SparseMapLines::feed(Bytes block) {
  for (const char c : as_text(block)) {
    if (complete()) return {};
    if (c != '\n') {
      line_ += c;
      if (line_.size() > 20) return bad_input("a sparse map contains a line that is not a number");
      continue;
    }
    const auto number = parse_decimal(line_);
    if (!number) return bad_input("a sparse map holds '{}'", line_);
    line_.clear();
    if (have_count_) {
      numbers_.push_back(*number);
    } else {
      // A billion runs would be a map of gigabytes; real ones have thousands.
      if (*number > 50'000'000) return bad_input("a sparse map claims {} runs", *number);
      count_ = *number;
      have_count_ = true;
    }
  }
  return {};
}

std::vector<SparseSpan> SparseMapLines::take() const {
  std::vector<SparseSpan> out;
  for (std::size_t i = 0; i + 1 < numbers_.size(); i += 2)
    out.push_back({numbers_[i], numbers_[i + 1]});
  return out;
}

const char* check_sparse(const std::vector<SparseSpan>& spans, std::uint64_t real_size,
                         std::uint64_t stored_size) {
  std::uint64_t end = 0, stored = 0;
  for (const SparseSpan& span : spans) {
    if (span.offset < end) return "the sparse map is not sorted";
    if (!range_fits(span.offset, span.size, real_size))
      return "the sparse map reaches beyond the file";
    end = span.offset + span.size;
    stored += span.size;
  }
  if (stored != stored_size) return "the sparse map does not match the stored bytes";
  return nullptr;
}

}  // namespace flense::codec::tar
