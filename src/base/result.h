// The error vocabulary of the code base: every failure that input or environment can cause is a
// value. Exceptions come only from the standard library and third parties and end in main().
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <utility>
#include <vector>

#include "base/format.h"

namespace flense {

/// The kind of failure; decides the exit status (docs/exit-codes.md).
enum class Code {
  kUsage,        ///< exit 2: the command line is wrong
  kBadInput,     ///< exit 3: a file is truncated, corrupt, hostile or of an unknown kind
  kEnvironment,  ///< exit 4: missing tool, permission, disk full, no driver
  kInternal,     ///< exit 70: a bug in flense
  kInterrupted,  ///< exit 130, or by the signal received
};

/// One sentence that names the cause, the chain of what was being done (outermost last), and the
/// user's next step. Rendered once, at the edge.
struct Error {
  Code code = Code::kInternal;
  std::string message;
  std::vector<std::string> context;
  std::string hint;
  /// What could not be reached: whoever reports it can look why, and what is there instead.
  std::string path;
};

template <class T = void>
using Result = std::expected<T, Error>;

/// What a function that fails returns; fail(…).hint(…) names the user's next step. The first hint
/// stands.
struct [[nodiscard]] Failure : std::unexpected<Error> {
  explicit Failure(Error error) : std::unexpected<Error>(std::move(error)) {}
  Failure hint(std::string text) && {
    if (error().hint.empty()) error().hint = std::move(text);
    return std::move(*this);
  }
  Failure at(std::string path) && {
    error().path = std::move(path);
    return std::move(*this);
  }
};

template <class... Args>
Failure fail(Code code, fmt::format_string<Args...> text, Args&&... args) {
  return Failure({code, fmt::format(text, std::forward<Args>(args)...), {}, {}, {}});
}

template <class... Args>
Failure bad_input(fmt::format_string<Args...> text, Args&&... args) {
  return fail(Code::kBadInput, text, std::forward<Args>(args)...);
}

/// By a signal that asked for an end.
inline Failure interrupted() {
  return fail(Code::kInterrupted, "interrupted");
}

/// Input that ends before its own end.
template <class... Args>
Failure cut_off(fmt::format_string<Args...> text, Args&&... args) {
  return bad_input(text, std::forward<Args>(args)...)
      .hint("it was cut off, as by a copy that broke off or a full disk: get it again");
}

/// A failed system call: the text ends with strerror(errno_value).
Failure system_error(int errno_value, std::string what);

/// Adds a `while …` line to a failure; free on success.
template <class T, class... Args>
[[nodiscard]] Result<T> with_context(Result<T> result, fmt::format_string<Args...> text,
                                     Args&&... args) {
  if (!result) result.error().context.push_back(fmt::format(text, std::forward<Args>(args)...));
  return result;
}

template <class T>
[[nodiscard]] Result<T> with_hint(Result<T> result, std::string hint) {
  if (!result && result.error().hint.empty()) result.error().hint = std::move(hint);
  return result;
}

/// `error: …`, `  while …` lines, `hint: …`; ends with a newline.
std::string render(const Error& error);
int exit_status(Code code);

}  // namespace flense

#define FLENSE_CONCAT_(a, b) a##b
#define FLENSE_CONCAT(a, b) FLENSE_CONCAT_(a, b)
#define FLENSE_TRY_(name, decl, expr)                         \
  auto name = (expr);                                         \
  if (!name) return std::unexpected(std::move(name).error()); \
  decl = std::move(name).value()

/// TRY(auto x, f()): bind the value or return the error from the enclosing function.
#define TRY(decl, expr) FLENSE_TRY_(FLENSE_CONCAT(try_result_, __COUNTER__), decl, expr)
#define FLENSE_TRY_DO_(name, expr)                                                  \
  do {                                                                              \
    if (auto name = (expr); !name) return std::unexpected(std::move(name).error()); \
  } while (false)
/// TRY_DO(f()): the same for Result<void>; may stand inside the expression of another.
#define TRY_DO(expr) FLENSE_TRY_DO_(FLENSE_CONCAT(try_status_, __COUNTER__), expr)
