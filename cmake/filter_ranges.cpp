#include "filter_ranges.h"

#include <linux/seccomp.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <span>
#include <utility>

namespace flense::launch {

namespace {

using Program = std::vector<sock_filter>;

constexpr std::uint16_t kLoad = BPF_LD | BPF_W | BPF_ABS, kReturn = BPF_RET | BPF_K,
                        kJump = BPF_JMP | BPF_JA, kEqual = BPF_JMP | BPF_JEQ | BPF_K,
                        kGreater = BPF_JMP | BPF_JGT | BPF_K, kNotLess = BPF_JMP | BPF_JGE | BPF_K,
                        kBits = BPF_JMP | BPF_JSET | BPF_K;
constexpr std::uint32_t kNumber = offsetof(seccomp_data, nr), kArch = offsetof(seccomp_data, arch),
                        kArguments = offsetof(seccomp_data, instruction_pointer);
/// So that no branch of a block goes farther than 255 instructions.
constexpr std::size_t kMostInBlock = 120;
constexpr std::uint32_t kUnknown = 0xfffffffe;  ///< no architecture's

bool is_branch(std::uint16_t code) {
  return code == kEqual || code == kGreater || code == kNotLess || code == kBits;
}

bool holds(const sock_filter& branch, std::uint32_t value) {
  switch (branch.code) {
    case kEqual:
      return value == branch.k;
    case kGreater:
      return value > branch.k;
    case kNotLess:
      return value >= branch.k;
    default:
      return (value & branch.k) != 0;
  }
}

/// What becomes of a call: an action, or the instruction that looks at its arguments.
struct Answer {
  bool decided = true;
  std::uint32_t action = 0;
  std::size_t at = 0;
  bool operator==(const Answer&) const = default;
};

Result<Answer> run(const Program& program, std::uint32_t arch, std::uint32_t number) {
  std::uint32_t value = 0;
  for (std::size_t at = 0; at < program.size(); ++at) {
    const sock_filter& one = program[at];
    if (one.code == kReturn) return Answer{true, one.k, 0};
    if (one.code == kLoad && one.k >= kArguments) return Answer{false, 0, at};
    if (one.code == kLoad && (one.k == kNumber || one.k == kArch))
      value = one.k == kNumber ? number : arch;
    else if (one.code == kJump)
      at += one.k;
    else if (is_branch(one.code))
      at += holds(one, value) ? one.jt : one.jf;
    else
      return bad_input("an instruction {:#x} in a filter of system calls", one.code);
  }
  return bad_input("a filter of system calls without an end");
}

/// Where an answer can change, in order: a comparison tells numbers apart at its constant and right
/// behind it.
std::set<std::uint32_t> turning_points(const Program& program) {
  std::set<std::uint32_t> out{0};
  for (const sock_filter& one : program)
    if (is_branch(one.code)) out.insert({one.k, one.k + 1});
  return out;
}

struct Range {
  std::uint32_t begin = 0;
  Answer answer;
  bool operator==(const Range&) const = default;
};

Result<std::vector<Range>> ranges_of(const Program& program, std::uint32_t arch) {
  std::vector<Range> out;
  for (const std::uint32_t number : turning_points(program)) {
    TRY(const Answer answer, run(program, arch, number));
    if (out.empty() || out.back().answer != answer) out.push_back({number, answer});
  }
  return out;
}

/// Architectures that are answered otherwise than one that the filter does not know.
Result<std::map<std::uint32_t, std::vector<Range>>> by_architecture(const Program& program) {
  std::map<std::uint32_t, std::vector<Range>> out;
  TRY(out[kUnknown], ranges_of(program, kUnknown));
  if (out[kUnknown].size() != 1 || !out[kUnknown].front().answer.decided)
    return bad_input("a filter that does not refuse unknown architectures as a whole");
  for (const sock_filter& one : program) {
    if (one.code != kEqual || out.contains(one.k)) continue;
    TRY(std::vector<Range> ranges, ranges_of(program, one.k));
    if (ranges != out[kUnknown]) out.emplace(one.k, std::move(ranges));
  }
  return out;
}

class Writer {
 public:
  explicit Writer(const Program& from) : from_(from) {}

  Result<Program> write() {
    TRY(architectures_, by_architecture(from_));
    const std::uint32_t refusal = architectures_.extract(kUnknown).mapped().front().answer.action;
    out_.push_back({kLoad, 0, 0, kArch});
    for (const auto& [arch, ranges] : architectures_) {
      const std::size_t skip = out_.size() + 1;
      out_.push_back({kEqual, 1, 0, arch});
      out_.push_back({kJump, 0, 0, 0});
      out_.push_back({kLoad, 0, 0, kNumber});
      search(ranges);
      out_[skip].k = distance(skip, out_.size());
    }
    out_.push_back({kReturn, 0, 0, refusal});
    copy_arguments();
    TRY_DO(compare());
    return std::move(out_);
  }

 private:
  static std::uint32_t distance(std::size_t from, std::size_t to) {
    return static_cast<std::uint32_t>(to - from - 1);
  }

  /// A tree of comparisons over blocks in which every branch reaches its answer.
  void search(std::span<const Range> ranges) {
    if (ranges.size() <= kMostInBlock) return block(ranges);
    const std::size_t half = ranges.size() / 2;
    out_.push_back({kNotLess, 0, 1, ranges[half].begin});
    const std::size_t over = out_.size();
    out_.push_back({kJump, 0, 0, 0});
    search(ranges.first(half));
    out_[over].k = distance(over, out_.size());
    search(ranges.subspan(half));
  }

  /// Comparisons, and behind them each answer once.
  void block(std::span<const Range> ranges) {
    std::vector<Branch> to_answers;
    if (ranges.size() > 1) compare_in(ranges, to_answers);
    std::vector<Answer> answers{ranges.front().answer};
    for (const Branch& one : to_answers)
      if (std::ranges::find(answers, one.answer) == answers.end()) answers.push_back(one.answer);
    for (const Branch& one : to_answers) {
      const auto number = std::ranges::find(answers, one.answer) - answers.begin();
      lead(one.at, one.yes, out_.size() + static_cast<std::size_t>(number));
    }
    for (const Answer& answer : answers) {
      if (!answer.decided) open_.emplace_back(out_.size(), answer.at);
      out_.push_back({answer.decided ? kReturn : kJump, 0, 0, answer.action});
    }
  }

  struct Branch {
    std::size_t at = 0;
    bool yes = false;
    Answer answer;
  };

  void compare_in(std::span<const Range> ranges, std::vector<Branch>& to_answers) {
    const std::size_t half = ranges.size() / 2, at = out_.size();
    out_.push_back({kNotLess, 0, 0, ranges[half].begin});
    for (const bool yes : {false, true}) {
      const auto part = yes ? ranges.subspan(half) : ranges.first(half);
      if (part.size() == 1) {
        to_answers.push_back({at, yes, part.front().answer});
      } else {
        lead(at, yes, out_.size());
        compare_in(part, to_answers);
      }
    }
  }

  void lead(std::size_t at, bool yes, std::size_t to) {
    (yes ? out_[at].jt : out_[at].jf) = static_cast<std::uint8_t>(distance(at, to));
  }

  /// What is reached from where arguments are looked at, in the old order, so that all jumps go on.
  void copy_arguments() {
    std::set<std::size_t> reached;
    std::vector<std::size_t> next;
    for (const auto& [jump, at] : open_) next.push_back(at);
    while (!next.empty()) {
      const std::size_t at = next.back();
      next.pop_back();
      if (at >= from_.size() || !reached.insert(at).second) continue;
      const sock_filter& one = from_[at];
      if (one.code == kReturn) continue;
      if (one.code == kJump) {
        next.push_back(at + one.k + 1);
      } else if (is_branch(one.code)) {
        next.insert(next.end(), {at + one.jt + 1, at + one.jf + 1});
      } else {
        next.push_back(at + 1);
      }
    }
    for (const std::size_t at : reached) copies_.emplace(at, out_.size() + copies_.size());
    for (const std::size_t at : reached) {
      sock_filter one = from_[at];
      const auto moved = [&](std::size_t far) {
        return distance(copies_[at], copies_[at + far + 1]);
      };
      if (one.code == kJump) one.k = moved(one.k);
      if (is_branch(one.code)) {
        one.jt = static_cast<std::uint8_t>(moved(one.jt));
        one.jf = static_cast<std::uint8_t>(moved(one.jf));
      }
      out_.push_back(one);
    }
    for (const auto& [jump, at] : open_) out_[jump].k = distance(jump, copies_[at]);
  }

  /// That nothing has been lost.
  Result<void> compare() {
    std::set<std::uint32_t> points = turning_points(from_);
    points.merge(turning_points(out_));
    std::set<std::uint32_t> machines{kUnknown};
    for (const auto& [arch, ranges] : architectures_) machines.insert({arch, arch + 1});
    for (const std::uint32_t arch : machines) {
      for (const std::uint32_t number : points) {
        TRY(Answer wanted, run(from_, arch, number));
        TRY(const Answer got, run(out_, arch, number));
        if (!wanted.decided) wanted.at = copies_[wanted.at];
        if (got != wanted)
          return fail(Code::kInternal, "call {} of {:#x} is answered otherwise", number, arch);
      }
    }
    return {};
  }

  const Program& from_;
  std::map<std::uint32_t, std::vector<Range>> architectures_;
  Program out_;
  std::vector<std::pair<std::size_t, std::size_t>>
      open_;  ///< jumps, and where they lead in `from_`
  std::map<std::size_t, std::size_t> copies_;
};

}  // namespace

Result<std::vector<sock_filter>> in_ranges(const std::vector<sock_filter>& program) {
  return Writer(program).write();
}

}  // namespace flense::launch
