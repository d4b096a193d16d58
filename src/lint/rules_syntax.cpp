// What could not be read, as findings: one for each cause, so that the rest is still judged.
#include <array>

#include "base/format.h"
#include "lint/rules_families.h"

namespace flense::lint {

namespace {

// The last is found where comments are read, in lint.cpp.
constexpr std::array<std::string_view, 3> kRules = {"syntax", "template-language", "unknown-rule"};

void run(const Project& project, FindingSink& sink) {
  for (const auto& file : project.files) {
    if (!file->template_language.empty()) {
      Finding& found = sink.add("template-language", *file, {},
                                fmt::format("the file is a {} template: it is judged as far as it "
                                            "can be read without its values",
                                            file->template_language));
      found.fix = file->template_language == "Helm"
                      ? "lint what it renders to: helm template . | flense lint -"
                      : "lint the rendered file";
    }
    for (const ParseProblem& problem : file->problems)
      sink.add("syntax", *file, problem.span, problem.message);
    if (file->dockerfile)
      for (const ParseProblem& problem : file->dockerfile->problems)
        sink.add("syntax", *file, problem.span, problem.message);
  }
}

}  // namespace

const RuleFamily& syntax_rules() {
  static const RuleFamily kFamily{"syntax", kRules, run};
  return kFamily;
}

}  // namespace flense::lint
