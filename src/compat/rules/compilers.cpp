// Does what compiles at run time find what it needs?
#include "base/format.h"
#include "base/version_numbers.h"
#include "compat/facts/code_service.h"
#include "compat/rules/rules.h"

namespace flense::compat {

using needs::RunTimeCompiler;

namespace {

/// A ptxas refuses GPUs that came after it: "Value 'sm_100' is not defined".
void judge_ptxas(const Question& question, const RunTimeCompiler& compiler,
                 std::vector<Check>& checks) {
  for (const GpuKind& kind : gpu_kinds(question.host)) {
    const auto& number = kind.gpu->architecture.value;
    const auto* row = number ? question.tables.architectures.find(*number) : nullptr;
    if (row == nullptr || row->first_cuda.empty() ||
        version_at_least(compiler.cuda, row->first_cuda))
      continue;
    checks.push_back(
        {"run-time-compiler",
         Verdict::kWarn,
         fmt::format("{} compiles with a ptxas of CUDA {}, which does not know {}: CUDA "
                     "{} was the first that does",
                     compiler.name, compiler.cuda, gpu_text(*kind.gpu), row->first_cuda),
         {{"image", compiler.evidence}, {"host", kind.gpu->architecture.evidence}},
         "install a newer one, or set TRITON_PTXAS_PATH to one of that CUDA",
         row->source});
  }
}

}  // namespace

void rule_run_time_compiler(const Question& question, std::vector<Check>& checks) {
  std::vector<std::string> complete;
  for (const RunTimeCompiler& compiler : question.image.compilers) {
    if (!compiler.cuda.empty()) judge_ptxas(question, compiler, checks);
    if (compiler.missing.empty()) {
      complete.push_back(compiler.name);
      continue;
    }
    Check check;
    check.id = "run-time-compiler";
    check.verdict = Verdict::kWarn;
    check.message = fmt::format("{} compiles at run time and lacks: {}", compiler.name,
                                fmt::join(compiler.missing, ", "));
    check.evidence = {{"image", compiler.evidence}};
    check.fix = "install what is missing, or mount a cache that was filled elsewhere";
    check.source = "what the package starts or reads when it compiles";
    checks.push_back(std::move(check));
  }
  if (complete.empty()) return;
  Check check;
  check.id = "run-time-compiler";
  check.message =
      fmt::format("what compiles at run time finds what it needs: {}", fmt::join(complete, ", "));
  for (const RunTimeCompiler& compiler : question.image.compilers)
    if (compiler.missing.empty()) check.evidence.push_back({"image", compiler.evidence});
  check.source = "what the package starts or reads when it compiles";
  checks.push_back(std::move(check));
}

}  // namespace flense::compat
