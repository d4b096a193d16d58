#include "launch/gpus/gpus_option.h"

#include "base/numbers.h"

namespace flense::launch {
namespace {

constexpr std::size_t kMaxValue = 4096;
constexpr const char* kForms =
    "--gpus takes all, none, 0,1, device=0,1, a UUID, or a number of "
    "GPUs";

Failure not_understood(std::string_view value, std::string_view why) {
  return fail(Code::kUsage, "--gpus '{}' is not understood: {}", value, why).hint(kForms);
}

Result<std::uint64_t> count_of(std::string_view value, std::string_view word) {
  const auto number = parse_number(word);
  if (!number) return not_understood(value, fmt::format("'{}' is not a number", word));
  // Docker's 0 starts without a GPU; those who type it often mean the first one.
  if (*number == 0)
    return not_understood(value, "0 GPUs could mean none or the first one: say none, or device=0");
  return *number;
}

/// Takes the words of one value in turn: a word without a key belongs to the key before it.
class Parser {
 public:
  explicit Parser(std::string_view value) : value_(value) {}
  Result<void> take(std::string_view word);
  Result<GpuWords> end();

 private:
  Result<void> take_bare(std::string_view word);
  std::string_view value_;
  std::string key_;
  std::vector<std::string> bare_;
  GpuWords out_;
};

Result<void> Parser::take_bare(std::string_view word) {
  if (key_ == "device") {
    out_.devices.emplace_back(word);
  } else if (key_ == "capabilities") {
    out_.capabilities.emplace_back(word);
  } else if (key_ == "count") {
    if (out_.count || out_.all) return not_understood(value_, "there are two counts");
    if (word == "all" || word == "-1") {
      out_.all = true;
    } else {
      TRY(out_.count, count_of(value_, word));
    }
  } else if (key_ == "driver") {
    if (word != "nvidia" && word != "amd")
      return not_understood(value_, fmt::format("'{}' is not a driver: nvidia or amd", word));
    out_.driver = word;
  } else if (key_ == "options") {
    // Docker passes them to the driver's plugin; there is none here.
    return {};
  } else {
    bare_.emplace_back(word);
  }
  return {};
}

Result<void> Parser::take(std::string_view word) {
  while (word.starts_with(' ')) word.remove_prefix(1);
  while (word.ends_with(' ')) word.remove_suffix(1);
  if (word.empty()) return not_understood(value_, "an item is empty");
  const std::size_t equals = word.find('=');
  // A CDI name has a slash before the equals sign.
  if (equals == std::string_view::npos || word.substr(0, equals).find('/') != word.npos)
    return take_bare(word);
  key_ = word.substr(0, equals);
  if (key_ == "devices" || key_ == "device_ids") key_ = "device";
  if (key_ != "device" && key_ != "count" && key_ != "capabilities" && key_ != "driver" &&
      key_ != "options")
    return not_understood(value_, fmt::format("there is no '{}'", key_));
  if (word.substr(equals + 1).empty())
    return not_understood(value_, fmt::format("nothing follows {}=", key_));
  return take_bare(word.substr(equals + 1));
}

Result<GpuWords> Parser::end() {
  if (bare_.size() == 1 && bare_.front() == "none") {
    out_.none = true;
  } else if (bare_.size() == 1 && bare_.front() == "all") {
    out_.all = true;
  } else if (bare_.size() == 1 && parse_number(bare_.front())) {
    if (out_.count) return not_understood(value_, "there are two counts");
    TRY(out_.count, count_of(value_, bare_.front()));
  } else {
    out_.devices.insert(out_.devices.end(), bare_.begin(), bare_.end());
  }
  for (const std::string& device : out_.devices)
    if (device == "all" || device == "none") {
      if (out_.devices.size() > 1)
        return not_understood(value_, fmt::format("'{}' stands alone", device));
      (device == "all" ? out_.all : out_.none) = true;
    }
  if (out_.all || out_.none) out_.devices.clear();
  const int forms = static_cast<int>(out_.all) + static_cast<int>(out_.none) +
                    static_cast<int>(out_.count.has_value()) +
                    static_cast<int>(!out_.devices.empty());
  if (forms > 1) return not_understood(value_, "it names GPUs in two ways");
  // "capabilities=utility" alone means all GPUs, like Docker's "count=all".
  if (forms == 0) out_.all = true;
  return std::move(out_);
}

}  // namespace

Result<GpuWords> parse_gpu_words(std::string_view value) {
  if (value.empty()) return not_understood(value, "it is empty");
  if (value.size() > kMaxValue) return not_understood("…", "it is too long");
  Parser parser(value);
  // Quotes hold a list together (RFC 4180); the key before the list does the same here.
  std::string word;
  bool quoted = false;
  for (const char c : value) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == ',') {
      TRY_DO(parser.take(word));
      word.clear();
    } else {
      word += c;
    }
  }
  if (quoted) return not_understood(value, "a quote is not closed");
  TRY_DO(parser.take(word));
  return parser.end();
}

}  // namespace flense::launch
