// flense explain: what a check asks, what an error means.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
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
  a log                 a file by a name with a dot or a slash: build.log, ./out
  -                     any of these from standard input
Several words are one text, with or without quotes. Without WORD: all checks and rules. All comes from
tables inside the program; --data DIR lays your own rows over them.

Exit status: 0 explained, 2 nobody knows the word, 3 bad rows in DIR.

Examples:
  flense explain 804
  flense explain could not select device driver
  flense explain build.log
  flense explain cudaErrorNoKernelImageForDevice --json)";

struct ExplainRequest : TableRequest {
  bool json = false;
};

void declare(Options& options, ExplainRequest& request) {
  options.flag("--json", "print JSON (schema flense/explain/v1)", request.json);
  add_data(options, request);
}

Failure unknown_words(const std::string& name, const std::vector<std::string>& near) {
  return fail(Code::kUsage, "nothing is known about {}", name)
      .hint(near.empty() ? std::string("flense explain lists the checks; of a message give a part "
                                       "that does not vary")
                         : fmt::format("did you mean {}?", fmt::join(near, ", ")));
}

/// What is to be explained, and what messages call it.
struct Asked {
  std::string text, name;
  bool read = false;  ///< from a file or standard input
};

/// Ids and numbers have no dot or slash, so no file takes the place of one; /dev/nvidia0 is a word.
bool names_file(const std::string& word) {
  std::error_code error;
  const auto type = std::filesystem::status(word, error).type();
  return word.find_first_of("./") != std::string::npos &&
         (type == std::filesystem::file_type::regular || type == std::filesystem::file_type::fifo);
}

Result<Asked> what_is_asked(const std::vector<std::string>& words) {
  Asked out{fmt::format("{}", fmt::join(words, " ")), {}};
  out.name = fmt::format("'{}'", out.text);
  Result<std::string> text = out.text;
  if (out.text == "-") {
    out.name = "standard input";
    FdSource source(STDIN_FILENO, out.name);
    text = read_all(source, kMaxText, out.name);
  } else if (words.size() == 1 && names_file(out.text)) {
    text = read_file(out.text, kMaxText);
  } else {
    return out;
  }
  TRY(out.text,
      with_hint(std::move(text), "of a long log take the end: tail -c 16M LOG | flense explain -"));
  out.text.erase(out.text.find_last_not_of(" \t\r\n") + 1);
  out.read = true;
  return out;
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
    TRY(const Asked asked, what_is_asked(request.words));
    compat::Lookup lookup = compat::explain(asked.text, tables);
    found = compat::explain_rule(asked.text, rules);
    std::ranges::move(lookup.found, std::back_inserter(found));
    if (found.empty())
      return unknown_words(asked.name, asked.read ? std::vector<std::string>() : lookup.near);
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
