#include "lint/facts/system_python.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr auto kOtherwise = std::to_array<std::string_view>({"venv",
                                                             "virtualenv",
                                                             "conda",
                                                             "mamba",
                                                             "miniforge",
                                                             "pyenv",
                                                             "deadsnakes",
                                                             "get-pip",
                                                             "EXTERN",
                                                             "xternally",
                                                             "break-system-packages",
                                                             "BREAK_SYSTEM_PACKAGES",
                                                             "pip.conf",
                                                             "uv python",
                                                             "activate",
                                                             "altinstall",
                                                             "Python-3",
                                                             "update-alternatives",
                                                             "python.org",
                                                             "python-build-standalone",
                                                             "PIP_TARGET",
                                                             "PIP_PREFIX",
                                                             "PIP_PYTHON",
                                                             "pixi",
                                                             ".sh"});

}  // namespace

bool is_plain_system(const GpuImage& base) {
  return is_one_of(base.repository, {"nvidia/cuda", "ubuntu", "debian"}) ||
         base.repository.starts_with("rocm/dev-ubuntu-");
}

bool may_be_other_python(std::string_view word) {
  return std::ranges::any_of(kOtherwise, [&](std::string_view one) { return holds(word, one); });
}

bool may_bring_pip(const Instruction& step) {
  const auto is = [](std::string_view word) {
    return !holds(word, "break-system-packages") && !holds(word, "EXTERN") &&
           !holds(word, "xternally") && !holds(word, "BREAK_SYSTEM_PACKAGES") &&
           (may_be_other_python(word) || holds(word, "ensurepip") || holds(word, "zipapp") ||
            holds(word, "easy_install") || holds(word, ".whl") || holds(word, "/pip-") ||
            holds(word, "sources.list"));
  };
  if (step.copies() && step.flag("from") != nullptr) return true;
  if (step.keyword == Keyword::kShell || step.keyword == Keyword::kEnv)
    return std::ranges::any_of(step.pairs, [&](const KeyValue& pair) {
      return pair.key.text == "PATH" || pair.key.text == "VIRTUAL_ENV" ||
             (pair.value && is(pair.value->text));
    });
  return std::ranges::any_of(step.commands, [&](const ShellCommand& command) {
    return std::ranges::any_of(command.words,
                               [&](const ShellWord& word) { return is(word.text); }) ||
           std::ranges::any_of(command.redirections,
                               [&](const auto& one) { return is(one.target.text); }) ||
           std::ranges::any_of(command.assignments,
                               [](const ShellAssignment& one) { return one.name == "PATH"; });
  });
}

}  // namespace flense::lint
