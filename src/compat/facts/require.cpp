#include "compat/facts/require.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"

namespace flense::compat {

namespace {

enum class Operator : std::uint8_t {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual
};

/// The evaluator's buffer for the text of a failed term: a longer one is an error there.
constexpr std::size_t kMaxTerm = 128;
constexpr std::string_view kOperatorSigns = "<>=!";

std::string_view sign_of(Operator op) {
  constexpr std::array<std::string_view, 6> kSigns = {"=", "!=", "<", "<=", ">", ">="};
  return kSigns[static_cast<std::size_t>(op)];
}

/// The first operator that starts with what is written: a lone '!' means "!=".
std::optional<Operator> operator_of(std::string_view written) {
  for (const Operator op : {Operator::kEqual, Operator::kNotEqual, Operator::kLess,
                            Operator::kLessEqual, Operator::kGreater, Operator::kGreaterEqual})
    if (sign_of(op).starts_with(written)) return op;
  return std::nullopt;
}

bool is_plain_version(std::string_view text) {
  return text.find_first_not_of("0123456789.") == std::string_view::npos;
}

/// Takes the leading number and the dots after it; nullopt without one, or beyond 2^64.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value == UINT64_MAX) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  text.remove_prefix(std::min(text.size(), text.find_first_not_of('.')));
  return value;
}

bool holds(Operator op, int order) {
  switch (op) {
    case Operator::kEqual:
      return order == 0;
    case Operator::kNotEqual:
      return order != 0;
    case Operator::kLess:
      return order < 0;
    case Operator::kLessEqual:
      return order <= 0;
    case Operator::kGreater:
      return order > 0;
    case Operator::kGreaterEqual:
      return order >= 0;
  }
  return false;
}

Requirement compare_versions(std::string_view left, Operator op, std::string_view right) {
  if (!is_plain_version(left) || !is_plain_version(right)) return Requirement::kInvalid;
  while (!left.empty() && !right.empty()) {
    const auto a = take_number(left);
    const auto b = take_number(right);
    if (!a || !b) return Requirement::kInvalid;
    if (*a != *b) return holds(op, *a < *b ? -1 : 1) ? Requirement::kMet : Requirement::kUnmet;
  }
  // In the rest of the longer one zeros do not count, and anything else makes it newer.
  const auto rest = [](std::string_view text) {
    return text.find_first_not_of(".0") != std::string_view::npos;
  };
  return holds(op, static_cast<int>(rest(left)) - static_cast<int>(rest(right)))
             ? Requirement::kMet
             : Requirement::kUnmet;
}

Requirement compare_brands(std::string_view left, Operator op, std::string_view right) {
  if (op != Operator::kEqual && op != Operator::kNotEqual) return Requirement::kInvalid;
  return same_text(left, right) == (op == Operator::kEqual) ? Requirement::kMet
                                                            : Requirement::kUnmet;
}

RequireResult evaluate_term(std::string_view term, const RequireFacts& facts) {
  const RequireResult invalid = {Requirement::kInvalid, std::string(term.substr(0, kMaxTerm))};
  const std::size_t name_end = term.find_first_of(kOperatorSigns);
  if (name_end == 0 || name_end == std::string_view::npos) return invalid;
  const std::size_t value_at =
      std::min(term.size(), term.find_first_not_of(kOperatorSigns, name_end));
  const auto op = operator_of(term.substr(name_end, value_at - name_end));
  const std::string_view name = term.substr(0, name_end), value = term.substr(value_at);
  if (!op || value.empty()) return invalid;

  const std::optional<std::string>* fact = nullptr;
  if (same_text(name, "cuda")) fact = &facts.cuda;
  if (same_text(name, "driver")) fact = &facts.driver;
  if (same_text(name, "arch")) fact = &facts.arch;
  const bool brand = same_text(name, "brand");
  if (brand) fact = &facts.brand;
  if (fact == nullptr) return invalid;

  const std::string text = fmt::format("{} {} {}", name, sign_of(*op), value.substr(0, kMaxTerm));
  if (!*fact) return {Requirement::kUnknown, text};
  const Requirement answer =
      brand ? compare_brands(**fact, *op, value) : compare_versions(**fact, *op, value);
  if (answer == Requirement::kUnmet && text.size() >= kMaxTerm) return invalid;
  return {answer, text};
}

/// Cuts at the next `separator`; false when nothing is left.
bool next_part(std::string_view& rest, char separator, std::string_view& part, bool& done) {
  if (done) return false;
  const std::size_t at = rest.find(separator);
  part = rest.substr(0, at);
  done = at == std::string_view::npos;
  if (!done) rest.remove_prefix(at + 1);
  return true;
}

/// All terms of one alternative. `previous` is the answer of the alternative before: one without a
/// single term ("," alone) ends the evaluation with it.
RequireResult evaluate_alternative(std::string_view text, const RequireFacts& facts,
                                   const RequireResult& previous) {
  RequireResult out = previous;
  bool unknown = false, done = false, any = false;
  std::string_view term;
  while (next_part(text, ',', term, done)) {
    if (term.empty()) continue;
    const RequireResult one = evaluate_term(term, facts);
    // After an unknown term it is unknown whether the next is reached; but one that is not met
    // settles the alternative.
    if (unknown && one.answer != Requirement::kUnmet) continue;
    out = one;
    any = true;
    if (one.answer == Requirement::kUnmet || one.answer == Requirement::kInvalid) return out;
    unknown = unknown || one.answer == Requirement::kUnknown;
  }
  return any ? out : previous;
}

bool has_terms(std::string_view alternative) {
  return alternative.find_first_not_of(',') != std::string_view::npos;
}

}  // namespace

RequireResult evaluate_requirement(std::string_view expression, const RequireFacts& facts) {
  RequireResult last;
  std::optional<RequireResult> unknown, first;
  bool done = false;
  std::string_view alternative;
  while (next_part(expression, ' ', alternative, done)) {
    if (alternative.empty()) continue;
    last = evaluate_alternative(alternative, facts, last);
    if (!has_terms(alternative)) break;
    if (last.answer == Requirement::kMet) return last;
    if (last.answer == Requirement::kUnknown) unknown = last;
    if (last.answer == Requirement::kInvalid) break;
    if (!first) first = last;
  }
  // An unknown alternative may have ended the evaluation before what failed after it.
  if (unknown) return *unknown;
  return last.answer == Requirement::kUnmet && first ? *first : last;
}

bool is_true_word(std::string_view text) {
  constexpr std::array<std::string_view, 6> kWords = {"1", "t", "T", "TRUE", "true", "True"};
  return std::ranges::find(kWords, text) != kWords.end();
}

std::vector<std::pair<std::string, std::string>> requirements_of(const needs::Needs& image) {
  std::vector<std::pair<std::string, std::string>> out;
  const auto& environment = image.environment;
  if (const auto off = environment.find("NVIDIA_DISABLE_REQUIRE");
      off != environment.end() && is_true_word(off->second))
    return out;
  for (const auto& [name, value] : environment)
    if (name.starts_with("NVIDIA_REQUIRE_") && !name.starts_with("NVIDIA_REQUIRE_JETPACK"))
      out.emplace_back(name, value);
  const auto version = environment.find("CUDA_VERSION");
  if (version == environment.end() || environment.contains("NVIDIA_REQUIRE_CUDA")) return out;
  const std::string& text = version->second;
  const std::size_t dot = text.find('.');
  const std::size_t end = dot == std::string::npos ? text.size() : text.find('.', dot + 1);
  if (const std::string minor = text.substr(0, end); !minor.empty() && is_plain_version(minor))
    out.emplace_back("CUDA_VERSION", "cuda>=" + minor);
  return out;
}

}  // namespace flense::compat
