#include "report/hosts/doctor_text.h"

#include <algorithm>

#include "base/format.h"
#include "base/printable.h"

namespace flense::report {

namespace {

using doctor::Step;

Ink step_ink(doctor::Verdict verdict) {
  switch (verdict) {
    case doctor::Verdict::kOk:
      return Ink::kGreen;
    case doctor::Verdict::kWarn:
      return Ink::kYellow;
    case doctor::Verdict::kBroken:
      return Ink::kRed;
    case doctor::Verdict::kUnknown:
      return Ink::kCyan;
    case doctor::Verdict::kSkipped:
      return Ink::kDim;
  }
  return Ink::kPlain;
}

std::string line_of(const Step& step, std::size_t width, const Style& style) {
  const std::string verdict = fmt::format("{:<8}", doctor::to_string(step.verdict));
  return fmt::format("{}{:<{}}  {}: {}\n", style.paint(step_ink(step.verdict), verdict), step.id,
                     width, step.title, printable(step.message));
}

void add_list(std::string& out, std::string_view name, const std::vector<std::string>& lines) {
  for (std::size_t i = 0; i < lines.size(); ++i)
    out += fmt::format("  {:<11}{}\n", i == 0 ? name : "", printable(lines[i]));
}

void add_line(std::string& out, std::string_view name, const std::string& text) {
  if (!text.empty()) out += fmt::format("  {:<11}{}\n", name, printable(text));
}

std::string answer(const doctor::Diagnosis& diagnosis, const Style& style) {
  if (const Step* step = diagnosis.first_broken()) {
    std::string out = style.paint(Ink::kRed, "FIRST BROKEN STEP: " + step->id) + "\n";
    add_line(out, "problem", step->message);
    add_list(out, "looked at", step->looked_at);
    add_line(out, "fix", step->fix);
    add_line(out, "source", step->source);
    if (step->smi_unaffected)
      out +=
          "  This is why nvidia-smi works while torch.cuda.is_available() is False: nvidia-smi\n"
          "  needs neither libcuda nor /dev/nvidia-uvm nor the framework's build.\n";
    return out;
  }
  const auto count = [&](doctor::Verdict verdict) {
    return std::count_if(diagnosis.steps.begin(), diagnosis.steps.end(),
                         [&](const Step& step) { return step.verdict == verdict; });
  };
  switch (diagnosis.verdict()) {
    case doctor::Verdict::kUnknown:
      return fmt::format("Nothing appears broken; {} unknown.\n", count(doctor::Verdict::kUnknown));
    case doctor::Verdict::kWarn:
      return fmt::format("Nothing is broken; {} worth knowing.\n", count(doctor::Verdict::kWarn));
    default:
      return "Nothing is broken.\n";
  }
}

}  // namespace

std::string doctor_text(const doctor::Diagnosis& diagnosis, const DoctorTextOptions& options) {
  std::string out;
  std::size_t width = 0;
  for (const Step& step : diagnosis.steps) width = std::max(width, step.id.size());
  const Step* first = diagnosis.first_broken();
  if (!options.quiet) {
    for (const Step& step : diagnosis.steps) {
      if (step.verdict == doctor::Verdict::kSkipped && !options.verbose) continue;
      out += line_of(step, width, options.style);
      if (options.verbose) add_list(out, "looked at", step.looked_at);
      // That of the first broken step is part of the answer.
      if (&step != first) add_line(out, "fix", step.fix);
    }
    out += "\n";
  }
  return out + answer(diagnosis, options.style);
}

std::string messages_text(const std::vector<doctor::Recognised>& messages,
                          const DoctorTextOptions& options) {
  std::string out;
  for (const doctor::Recognised& one : messages) {
    out +=
        fmt::format("{}: {}\n", options.style.paint(Ink::kBold, fmt::format("line {}", one.number)),
                    printable(one.line));
    add_line(out, "says", one.says);
    if (one.advice) add_line(out, "note", std::string(knowledge::kAdviceNote));
    add_line(out, "cause", one.cause);
    add_line(out, "fix", one.fix);
    if (!one.step.empty())
      out += fmt::format("  {:<11}flense doctor, step {}, run where the message came from\n",
                         "check", one.step);
    if (!options.quiet) add_line(out, "source", one.source);
  }
  return out;
}

}  // namespace flense::report
