// Stages, and the values of ARG and ENV that are known at each instruction.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lint/dockerfile/dockerfile.h"
#include "lint/dockerfile/instructions.h"
#include "lint/dockerfile/lex.h"

namespace flense::lint {

class StageBuilder {
 public:
  /// `text` is that of the file; both must outlive this.
  StageBuilder(std::string_view text, Dockerfile& out);

  void add(RawInstruction raw);
  /// What can only be said when all stages are known.
  void finish();

 private:
  struct State {
    std::shared_ptr<const Environment> values;  ///< ENV and ARG at its end
    bool closed = false;                        ///< built on nothing: no other variables exist
    std::string shell = "/bin/sh";
    std::vector<ParseProblem> triggers;  ///< what a stage on top of it would be refused for
  };

  void from(RawInstruction raw);
  void base(Stage& stage, State& state, const RawInstruction& raw);
  void global(RawInstruction raw);
  void read_steps(Instruction& instruction);
  void apply(const RawInstruction& raw, Stage& stage, State& state);
  void assign(const RawInstruction& raw, Stage& stage, State& state);
  void declare(const RawInstruction& raw, State& state);
  void check_words(const RawInstruction& raw, const Scope& scope);
  void check_copy(const RawInstruction& raw, const Scope& scope);
  void check_reference(std::size_t stage, const Instruction& instruction, const Flag& flag,
                       std::string_view from, bool numbers);
  Lexed lex(std::string_view word, const Scope& scope, Span span);
  void replace(State& state, Environment changes);
  bool may_copy(const Environment& values);
  void refuse(Span span, std::string why);
  Scope scope_of(const State& state) { return {state.values.get(), state.closed, &work_}; }

  std::string_view text_;
  Dockerfile& out_;
  State globals_;  ///< ARG in front of the first FROM, and what every build knows
  std::vector<State> states_;
  std::size_t copied_ = 0, work_ = 50'000'000;
  std::size_t expanded_ = 64U << 20;  ///< bytes that variables may still make of commands' words
};

/// Why this cannot be a base or source image; empty: it may be one.
std::string image_problem(std::string_view name);

}  // namespace flense::lint
