// flense explain: what a check asks, what an error means.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "base/file.h"
#include "cli/shared/command.h"
#include "cli/shared/common.h"
#include "compat/explain.h"
#include "report/verdicts/explain_text.h"

namespace flense::cli {

namespace {

constexpr std::uint64_t kMaxText = 16u << 20;

constexpr std::string_view kExplainHelp = R"(WORD is one of
  the id of a check     driver-cuda, gfx-code, slim-target
  a rule of lint        cuda-tag-missing, DL3042 (what hadolint calls the same), "rule 12"
  an error's number     804, 209 (CUDA, HIP and NVML)
  an error's name       cudaErrorNoDevice, CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, its id
  a message             lines of a log, or a few words of them: "no kernel image"
  an exit status        "exit 5"
  -                     any of these from standard input
Several words are one text, with or without quotes. Without WORD: all checks and rules. All comes from
tables inside the program; --data DIR lays your own rows over them.

Exit status: 0 explained, 2 nobody knows the word, 3 bad rows in DIR.

Examples:
  flense explain 804
  flense explain could not select device driver
  flense explain cudaErrorNoKernelImageForDevice --json)";

struct ExplainRequest : TableRequest {
  bool json = false;
};

void declare(Options& options, ExplainRequest& request) {
  options.flag("--json", "print JSON (schema flense/explain/v1)", request.json);
  add_data(options, request);
}

Failure unknown_words(const std::string& words, const std::vector<std::string>& near) {
  return fail(Code::kUsage, "nothing is known about '{}'", words)
      .hint(near.empty() ? std::string("flense explain lists the checks; of a message give a part "
                                       "that does not vary")
                         : fmt::format("did you mean {}?", fmt::join(near, ", ")));
}

Result<int> run_explain(const ExplainRequest& request, Io& io) {
  TRY(const knowledge::Knowledge tables, tables_of(request, io, knowledge::kExplainTables));
  TRY(const knowledge::LintRules rules, knowledge::LintRules::load());
  std::vector<compat::Explanation> found;
  if (request.words.empty()) {
    if (!request.json) {
      TRY_DO(write_report(io, "Checks of flense check\n" + report::check_list(tables) +
                                  "\nRules of flense lint\n" + report::rule_list(rules)));
      return 0;
    }
    for (const std::string& id : compat::explained_checks(tables))
      for (compat::Explanation& one : compat::explain(id, tables).found)
        found.push_back(std::move(one));
    for (const knowledge::LintRuleRow& row : rules.rows)
      std::ranges::move(compat::explain_rule(row.id, rules), std::back_inserter(found));
  } else {
    std::string words = fmt::format("{}", fmt::join(request.words, " "));
    const bool piped = words == "-";
    if (piped) {
      FdSource source(STDIN_FILENO, "standard input");
      TRY(words, with_hint(read_all(source, kMaxText, "standard input"),
                           "of a long log take the end: tail -c 16M LOG | flense explain -"));
      words.erase(words.find_last_not_of(" \t\r\n") + 1);
    }
    compat::Lookup lookup = compat::explain(words, tables);
    found = compat::explain_rule(words, rules);
    std::ranges::move(lookup.found, std::back_inserter(found));
    if (found.empty())
      return piped ? unknown_words("standard input", {}) : unknown_words(words, lookup.near);
  }
  if (request.json) {
    TRY_DO(write_text(io, text::dump_json(compat::to_json(found), 2) + "\n"));
    return 0;
  }
  const report::Style style = output_style(request, io);
  for (std::size_t i = 0; i < found.size(); ++i)
    TRY_DO(write_text(io, (i == 0 ? "" : "\n") + report::explanation_text(found[i], style)));
  return 0;
}

}  // namespace

const Command& explain_command() {
  static const Command kCommand{.name = "explain",
                                .group = "Hosts",
                                .summary = "say what a check or an error means, and what to do",
                                .positionals = "[WORD]…",
                                .max_positionals = 64,
                                .help = kExplainHelp,
                                .call = [] { return call_of(run_explain); }};
  return kCommand;
}

}  // namespace flense::cli
