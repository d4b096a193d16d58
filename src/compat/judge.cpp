#include "compat/judge.h"

#include "compat/rules.h"

namespace flense::compat {

std::span<const Rule> rules() {
  return {};
}

HostVerdict judge(const Question& question) {
  HostVerdict out;
  out.name = question.host.source;
  out.launcher = to_string(question.launcher);
  for (const Rule rule : rules()) rule(question, out.checks);
  out.verdict = worst(out.checks);
  return out;
}

}  // namespace flense::compat
