// Requests for packages: readers of requirements.txt, pyproject.toml, uv.lock, environment.yml, and
// command lines. Every place that they name is inside the text and holds what was read.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lint/facts/gpu_architectures.h"
#include "lint/facts/gpu_image.h"
#include "lint/packages/marker.h"
#include "lint/packages/packages.h"
#include "lint/packages/requirement_text.h"

namespace {

using namespace flense::lint;

void expect(bool condition) {
  if (!condition) std::abort();
}

void check(const PackageList& list, const SourceText& source) {
  const std::size_t size = source.text().size();
  const auto inside = [&](Span span) { expect(span.begin <= span.end && span.end <= size); };
  for (const PackageRequest& request : list.packages) {
    inside(request.span);
    expect(!request.name.empty() || !request.url.empty());
    static_cast<void>(cuda_of_package(request));
  }
  for (const Word& word : list.indexes) {
    inside(word.span);
    static_cast<void>(variant_of_index(word.text));
  }
  for (const Word& word : list.requirement_files) inside(word.span);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const SourceText source("file", text);
  std::vector<ParseProblem> problems;
  for (const auto reader :
       {read_requirements, read_pyproject, read_uv_lock, read_conda_environment})
    check(reader(source, problems), source);
  for (const ParseProblem& problem : problems)
    expect(problem.span.end <= size && !problem.message.empty());
  const auto commands = split_shell(text, {0, text.size()}).commands;
  for (const PackageList& list : package_commands(source, commands, {{"V", "1.0 x"}}))
    check(list, source);
  if (const auto request = parse_requirement(text.substr(0, 300))) {
    expect(normalised_name(request->name) == request->name);
    // A version is what the specifier fixes.
    expect(request->version.empty() ||
           request->specifier.find(request->version) != std::string::npos);
  }
  static_cast<void>(parse_conda_spec(text.substr(0, 300)));
  static_cast<void>(is_for_linux(text.substr(0, 300)));
  for (const auto syntax : {ArchitectureSyntax::kTorch, ArchitectureSyntax::kCmake,
                            ArchitectureSyntax::kNvcc, ArchitectureSyntax::kRocm}) {
    const ArchitectureList list = read_architectures(text.substr(0, 300), syntax);
    // A corrected list is well spelt.
    if (!list.corrected.empty() && syntax != ArchitectureSyntax::kNvcc)
      expect(read_architectures(list.corrected, syntax).well_spelt);
  }
  return 0;
}
