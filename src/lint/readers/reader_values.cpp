#include "lint/readers/reader_values.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/source/blanks.h"
#include "lint/source/templates.h"

namespace flense::lint {

namespace {

using text::YamlNode;

bool separates_words(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool is_name(char c, bool first) {
  return is_letter(c) || c == '_' || (!first && c >= '0' && c <= '9');
}

/// A decimal number in front; what follows it stays in `text`.
std::optional<double> take_number(std::string_view& text) {
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc{} || value < 0 || !std::isfinite(value)) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

std::optional<std::uint64_t> whole(double value) {
  if (!(value >= 0) || value >= 18e18) return std::nullopt;
  return static_cast<std::uint64_t>(std::ceil(value));
}

/// The end of "${…}" that begins at `at`, braces inside counted; npos: none.
std::size_t end_of_braces(std::string_view text, std::size_t at) {
  std::size_t depth = 0;
  for (std::size_t i = at; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0) return i + 1;
  }
  return text.npos;
}

std::optional<std::string> interpolate(std::string_view text, unsigned depth);

/// ${NAME…}, without the braces.
std::optional<std::string> substitute(std::string_view body, unsigned depth) {
  std::size_t name = 0;
  while (name < body.size() && is_name(body[name], name == 0)) ++name;
  const std::string_view rest = body.substr(name);
  if (rest.starts_with(":-")) return interpolate(rest.substr(2), depth + 1);
  if (rest.starts_with('-')) return interpolate(rest.substr(1), depth + 1);
  // The caller's environment is unknown: ${X:+word} and ${X:?word} depend on it.
  return std::nullopt;
}

std::optional<std::string> interpolate(std::string_view text, unsigned depth) {
  constexpr unsigned kMaxDepth = 8;
  if (depth > kMaxDepth) return std::nullopt;
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] != '$') {
      out += text[at++];
    } else if (text.substr(at, 2) == "$$") {
      out += '$';
      at += 2;
    } else if (text.substr(at, 2) == "${") {
      const std::size_t end = end_of_braces(text, at + 1);
      if (end == text.npos) return std::nullopt;
      const auto value = substitute(text.substr(at + 2, end - at - 3), depth);
      if (!value) return std::nullopt;
      out += *value;
      at = end;
    } else if (at + 1 < text.size() && is_name(text[at + 1], true)) {
      return std::nullopt;
    } else {
      out += text[at++];
    }
  }
  return out;
}

/// At colons outside ${…}.
std::vector<std::string_view> split_colons(std::string_view text) {
  std::vector<std::string_view> out;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text.substr(at, 2) == "${") {
      const std::size_t end = end_of_braces(text, at + 1);
      if (end == text.npos) break;
      at = end - 1;
    } else if (text[at] == ':') {
      out.push_back(text.substr(begin, at - begin));
      begin = at + 1;
    }
  }
  out.push_back(text.substr(begin));
  // C:\data:/data, C:/data:/data; but x:/data is the volume x.
  const bool drive = out.size() > 1 && out[0].size() == 1 && is_name(out[0][0], true) &&
                     (out[1].starts_with('\\') ||
                      (out[1].starts_with('/') && out.size() > 2 && out[2].starts_with('/')));
  if (drive) {
    out[1] = text.substr(0, out[1].size() + 2);
    out.erase(out.begin());
  }
  return out;
}

/// Values whose bytes a template decides are unknown.
void forget_holes(text::YamlTree& tree, const std::vector<Span>& holes) {
  if (holes.empty()) return;
  for (YamlNode& node : tree.nodes) {
    if (!node.is_scalar()) continue;
    const auto next = std::ranges::upper_bound(holes, node.at.begin, {}, &Span::end);
    if (next == holes.end() || next->begin >= node.at.end) continue;
    node.kind = YamlNode::Kind::kNull;
    node.tag = "!template";
    node.text.clear();
  }
}

}  // namespace

FileContent read_yaml(const SourceText& source) {
  // The parts of several formats that a machine's user data is made of are no YAML.
  const bool parts = starts_with_any(source.text(), {"MIME-Version:", "Content-Type: multipart/"});
  auto tree = std::make_shared<text::YamlTree>(
      text::parse_yaml_nodes(parts ? std::string_view() : source.text(), true));
  const TemplateText bare = strip_templates(source.text(), !tree->problem);
  FileContent out;
  out.template_language = bare.language;
  if (!bare.language.empty()) {
    *tree = text::parse_yaml_nodes(bare.text, true);
    forget_holes(*tree, bare.holes);
  }
  if (tree->problem)
    out.problems.push_back(problem_at(
        source, tree->problem->at,
        bare.language.empty()
            ? fmt::format("this is not valid {}: {}",
                          source.path().ends_with(".json") ? "JSON" : "YAML",
                          tree->problem->message)
            : fmt::format("this {} template cannot be read further without its values: {}",
                          bare.language, tree->problem->message)));
  // Both branches of a template may hold a key.
  if (bare.language.empty())
    for (text::YamlProblem& again : tree->duplicates)
      out.problems.push_back(problem_at(source, again.at, std::move(again.message)));
  out.yaml = std::move(tree);
  return out;
}

ParseProblem problem_at(const SourceText& source, std::size_t at, std::string message) {
  const std::size_t size = source.text().size();
  at = std::min(at, size == 0 ? 0 : size - 1);
  return {{at, std::min(at + 1, size)}, std::move(message)};
}

Word word_of(const YamlNode& node) {
  if (!node.is_scalar()) return {{}, span_of(node.at)};
  Span span = span_of(node.at);
  if (!node.plain && !node.block && span.end - span.begin >= 2) {
    ++span.begin;
    --span.end;
  }
  return {node.text, span};
}

std::vector<Word> split_words(std::string_view text, std::size_t at) {
  std::vector<Word> out;
  std::size_t i = 0;
  while (i < text.size()) {
    while (i < text.size() && separates_words(text[i])) ++i;
    if (i == text.size()) break;
    Word word;
    word.span.begin = at + i;
    char quote = '\0';
    for (; i < text.size(); ++i) {
      const char c = text[i];
      if (quote == '\0' && separates_words(c)) break;
      if (quote == '\0' && (c == '"' || c == '\'')) {
        quote = c;
      } else if (c == quote && quote != '\0') {
        quote = '\0';
      } else if (c == '\\' && quote != '\'' && i + 1 < text.size()) {
        ++i;
        if (text[i] != '\n') word.text += text[i];
      } else {
        word.text += c;
      }
    }
    word.span.end = at + i;
    out.push_back(std::move(word));
  }
  return out;
}

std::vector<Word> split_words(const SourceText& source, const YamlNode& node) {
  if (!node.is_scalar()) return {};
  const Word whole_scalar = word_of(node);
  // A literal block of several lines keeps its bytes except for indentation: find them again.
  std::vector<Word> out = split_words(node.text, 0);
  const std::string_view written = source.slice(whole_scalar.span);
  std::size_t from = 0;
  for (Word& word : out) {
    const std::string_view raw =
        std::string_view(node.text).substr(word.span.begin, word.span.end - word.span.begin);
    // Indentation is short: a word that is not close by was escaped.
    constexpr std::size_t kNear = 512;
    const std::size_t found = written.substr(from, raw.size() + kNear).find(raw);
    if (found == written.npos) {
      word.span = span_of(node.at);
      continue;
    }
    const std::size_t begin = whole_scalar.span.begin + from + found;
    word.span = {begin, begin + raw.size()};
    from += found + raw.size();
  }
  return out;
}

std::optional<std::uint64_t> docker_bytes(std::string_view text) {
  std::string_view rest = text;
  const std::optional<double> number = take_number(rest);
  if (!number) return std::nullopt;
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  std::string unit = to_lower(rest);
  if (unit.ends_with("ib"))
    unit.resize(unit.size() - 2);
  else if (unit.size() > 1 && unit.ends_with('b'))
    unit.pop_back();
  const std::string_view units = "bkmgtp";
  if (unit.empty() || unit == "b") return whole(*number);
  if (unit.size() != 1 || units.find(unit[0]) == units.npos) return std::nullopt;
  return whole(std::ldexp(*number, static_cast<int>(10 * units.find(unit[0]))));
}

std::optional<std::uint64_t> quantity(std::string_view text) {
  std::string_view rest = text;
  const std::optional<double> number = take_number(rest);
  if (!number) return std::nullopt;
  if (rest.empty()) return whole(*number);
  if (rest.size() == 2 && rest[1] == 'i') {
    const std::size_t power = std::string_view("KMGTPE").find(rest[0]);
    if (power == rest.npos) return std::nullopt;
    return whole(std::ldexp(*number, static_cast<int>(10 * (power + 1))));
  }
  if (rest == "m") return whole(*number / 1000);
  if (rest == "u") return whole(*number / 1e6);
  if (rest == "n") return whole(*number / 1e9);
  if (rest[0] == 'e' || rest[0] == 'E') {
    int power = 0;
    const char* const from = rest.data() + (rest.substr(1).starts_with('+') ? 2 : 1);
    const auto [end, error] = std::from_chars(from, rest.data() + rest.size(), power);
    if (rest.size() > 1 && error == std::errc{} && end == rest.data() + rest.size() &&
        power >= -18 && power <= 18)
      return whole(*number * std::pow(10.0, power));
  }
  const std::size_t power = std::string_view("kMGTPE").find(rest);
  if (rest.size() != 1 || power == rest.npos) return std::nullopt;
  return whole(*number * std::pow(1000.0, static_cast<double>(power + 1)));
}

std::string human_bytes(std::uint64_t bytes) {
  const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  auto value = static_cast<double>(bytes);
  for (; value >= 1024 && unit < 4; ++unit) value /= 1024;
  return value == std::floor(value) ? fmt::format("{:.0f} {}", value, units[unit])
                                    : fmt::format("{:.1f} {}", value, units[unit]);
}

std::optional<std::string> interpolate(std::string_view text) {
  return interpolate(text, 0);
}

WorkloadMount short_mount(std::string_view text, Span span) {
  WorkloadMount out;
  out.span = span;
  std::vector<std::string> parts;
  for (const std::string_view part : split_colons(text))
    parts.push_back(interpolate(part).value_or(std::string(part)));
  if (parts.size() == 1) {
    out.kind = MountKind::kVolume;
    out.target = parts[0];
    return out;
  }
  out.source = parts[0];
  out.target = parts[1];
  const bool path = out.source.starts_with('/') || out.source.starts_with('.') ||
                    out.source.starts_with('~') || out.source.find('\\') != out.source.npos;
  const bool unknown = out.source.find('$') != out.source.npos && !path;
  out.kind = path ? MountKind::kBind : unknown ? MountKind::kOther : MountKind::kVolume;
  if (parts.size() < 3) return out;
  std::string_view options = parts[2];
  while (!options.empty()) {
    const std::string_view option = options.substr(0, options.find(','));
    if (option == "ro" || option == "readonly") out.read_only = true;
    options.remove_prefix(std::min(option.size() + 1, options.size()));
  }
  return out;
}

void add_device(Workload& workload, Word device) {
  const std::string name = device.text;
  const std::size_t equals = name.find('=');
  // CDI: vendor.domain/class=device
  if (!name.starts_with('/') && equals != name.npos && name.find('/') < equals) {
    GpuAsk ask;
    ask.vendor = name.starts_with("nvidia.com/")                                        ? "nvidia"
                 : name.starts_with("amd.com/")                                         ? "amd"
                 : name.starts_with("intel.com/") || name.starts_with("gpu.intel.com/") ? "intel"
                                                                                        : "";
    if (!ask.vendor.empty()) {
      ask.all = name.substr(equals + 1) == "all";
      if (!ask.all) ask.count = 1;
      ask.devices.push_back(name);
      ask.span = device.span;
      workload.gpus.push_back(std::move(ask));
    }
    return;
  }
  const std::string path = name.substr(0, name.find(':'));
  device.text = path;
  if (path == "/dev/kfd") {
    GpuAsk ask;
    ask.vendor = "amd";
    ask.all = true;
    ask.span = device.span;
    workload.gpus.push_back(std::move(ask));
  }
  workload.devices.push_back(std::move(device));
}

void set_image(Workload& workload, Word image) {
  if (image.text.find('$') == image.text.npos) workload.image_name = parse_image_name(image.text);
  workload.image = std::move(image);
}

}  // namespace flense::lint
