#include "lint/readers/launch_words.h"

#include <algorithm>
#include <charconv>

#include "lint/dockerfile/flags.h"
#include "lint/readers/reader_values.h"
#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

constexpr std::size_t kMostWords = 20'000;  // of one command line

/// The part of a word after `skip` bytes, with its own place where the word is unquoted.
Word tail(const Word& word, std::size_t skip) {
  Word out{word.text.substr(skip), word.span};
  if (word.span.end - word.span.begin == word.text.size()) out.span.begin += skip;
  return out;
}

bool lists(std::string_view names, std::string_view name) {
  const std::string key = std::string(" ").append(name) + " ";
  return names.contains(key);
}

bool is_true(std::string_view value) {
  return value.empty() || value == "true" || value == "1";
}

}  // namespace

std::vector<LaunchWord> launch_words(const ShellCommand& command, const Environment& environment) {
  std::vector<LaunchWord> out;
  for (const ShellWord& word : command.words) {
    if (out.size() > kMostWords) break;
    if (!word.dynamic) {
      out.push_back({{word.text, word.span}, false});
      continue;
    }
    const auto value = expand(word.text, environment);
    // ${GPU:+--gpus all}: the caller may have set it.
    if (!value || (value->empty() && word.text.contains("+-"))) {
      out.push_back({{word.text, word.span}, true});
      continue;
    }
    if (word.quoted) {
      out.push_back({{*value, word.span}, false});
      continue;
    }
    std::string_view rest = trim_space(*value);
    while (!rest.empty() && out.size() <= kMostWords) {
      const std::size_t end = std::min(rest.find_first_of(" \t\n"), rest.size());
      out.push_back({{std::string(rest.substr(0, end)), word.span}, false});
      rest = trim_space(rest.substr(end));
    }
  }
  return out;
}

std::optional<LaunchOption> LaunchOptions::next() {
  while (at_ < words_.size()) {
    const Word& word = words_[at_].word;
    if (letter_ > 0) return letters(word);
    if (word.text == "--") {
      ++at_;
      return std::nullopt;
    }
    if (word.text.starts_with("--")) return long_option(word);
    if (word.text.size() > 1 && word.text.starts_with('-')) {
      letter_ = 1;
      return letters(word);
    }
    // $OPTIONS of unknown content in the middle is options; at the end it is what is started.
    const bool whole =
        word.text.starts_with('$') && (word.text.find_first_of("/:") == word.text.npos ||
                                       word.text.contains("+-") || word.text.contains(":--"));
    const std::string name = to_lower(word.text);
    const bool image = name.contains("image") || name.contains("img") || name.contains("sif") ||
                       name.contains("container");
    if (!words_[at_].unknown || !whole || image || at_ + 1 == words_.size()) return std::nullopt;
    unknown_ = true;
    ++at_;
  }
  return std::nullopt;
}

const Word& LaunchOptions::value() {
  const Word& word = words_[at_++].word;
  // All of an array is never a value alone.
  unknown_ = unknown_ || word.text.contains("[@]") || word.text.contains("[*]");
  return word;
}

std::optional<LaunchOption> LaunchOptions::long_option(const Word& word) {
  LaunchOption out;
  const std::size_t equals = word.text.find('=');
  out.name = word.text.substr(0, equals);
  out.value.span = word.span;
  ++at_;
  if (equals != word.text.npos) {
    out.value = tail(word, equals + 1);
    out.has_value = true;
  } else if (!lists(names_.long_flags, out.name) && at_ < words_.size()) {
    out.value = value();
    out.has_value = true;
  }
  return out;
}

std::optional<LaunchOption> LaunchOptions::letters(const Word& word) {
  LaunchOption out;
  const char letter = word.text[letter_];
  out.name = {'-', letter};
  out.value.span = word.span;
  ++letter_;
  const bool last = letter_ >= word.text.size();
  if (names_.flags.contains(letter)) {
    if (last) {
      letter_ = 0;
      ++at_;
    }
    return out;
  }
  out.has_value = true;
  if (!last) {
    const std::size_t skip = letter_ + (word.text[letter_] == '=' ? 1 : 0);
    out.value = tail(word, skip);
    ++at_;
  } else if (++at_ < words_.size()) {
    out.value = value();
  } else {
    out.has_value = false;
  }
  letter_ = 0;
  return out;
}

std::vector<Word> split_commas(const Word& word) {
  std::vector<Word> out;
  const bool plain = word.span.end - word.span.begin == word.text.size();
  for (std::size_t at = 0; at <= word.text.size();) {
    const std::size_t end = std::min(word.text.find(',', at), word.text.size());
    Word part{word.text.substr(at, end - at), word.span};
    if (plain) part.span = {word.span.begin + at, word.span.begin + end};
    if (!part.text.empty()) out.push_back(std::move(part));
    at = end + 1;
  }
  return out;
}

Variable variable_of(const Word& word) {
  const std::size_t equals = word.text.find('=');
  Variable out{word.text.substr(0, equals), std::nullopt, word.span};
  if (equals != word.text.npos) out.value = word.text.substr(equals + 1);
  return out;
}

void add_gpus(Workload& workload, const Word& value) {
  GpuAsk ask;
  ask.vendor = "nvidia";
  ask.span = value.span;
  for (const std::string& field : csv_fields(value.text).value_or(std::vector{value.text})) {
    const std::size_t equals = field.find('=');
    const std::string key = field.substr(0, equals);
    const std::string rest = equals == field.npos ? field : field.substr(equals + 1);
    if (equals != field.npos && key == "capabilities") continue;
    if (equals != field.npos && key == "driver") {
      ask.vendor = rest;
      continue;
    }
    if (key == "device") {
      for (const Word& device : split_commas({rest, {}})) ask.devices.push_back(device.text);
      continue;
    }
    if (equals != field.npos && key != "count") continue;
    std::uint64_t count = 0;
    const char* end = rest.data() + rest.size();
    if (rest == "all" || rest == "-1")
      ask.all = true;
    else if (const auto read = std::from_chars(rest.data(), end, count);
             read.ec == std::errc() && read.ptr == end)
      ask.count = count;
  }
  workload.gpus.push_back(std::move(ask));
}

WorkloadMount mount_of(const Word& word) {
  WorkloadMount out;
  out.span = word.span;
  out.kind = MountKind::kVolume;
  for (const std::string& field : csv_fields(word.text).value_or(std::vector{word.text})) {
    const std::size_t equals = field.find('=');
    const std::string key = field.substr(0, equals);
    const std::string value = equals == field.npos ? "" : field.substr(equals + 1);
    if (key == "type")
      out.kind = value == "bind"     ? MountKind::kBind
                 : value == "tmpfs"  ? MountKind::kTmpfs
                 : value == "volume" ? MountKind::kVolume
                                     : MountKind::kOther;
    if (key == "source" || key == "src") out.source = value;
    if (key == "target" || key == "destination" || key == "dst") out.target = value;
    if (key == "readonly" || key == "ro") out.read_only = is_true(value);
    if (key == "tmpfs-size") out.bytes = docker_bytes(value);
  }
  return out;
}

std::vector<Word> words_from(const std::vector<LaunchWord>& words, std::size_t first) {
  std::vector<Word> out;
  for (std::size_t at = first; at < words.size(); ++at) out.push_back(words[at].word);
  return out;
}

}  // namespace flense::lint
