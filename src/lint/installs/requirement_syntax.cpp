// Requirements that pip does not read: a version behind one '=', or none.
#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/placed_lists.h"
#include "lint/facts/purpose.h"
#include "lint/facts/sure_installs.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// Whether another program than pip takes the list: conda, or sed, which may mend it.
bool is_read_by_others(const PlacedList& place, const std::vector<PlacedList>& all) {
  if (place.list == &place.install->command) return false;
  if (std::ranges::any_of(all, [&](const PlacedList& other) {
        return other.file == place.file && other.install != nullptr &&
               other.list != &other.install->command &&
               other.install->command.manager == PackageManager::kConda;
      }))
    return true;
  return is_rewritten(place);
}

/// torch=2.6.0, which conda reads and pip does not.
void one_equals(const PlacedList& place, const std::vector<PlacedList>& all, FindingSink& sink) {
  if (place.view == nullptr || !is_gpu_file(*place.view)) return;
  const PackageManager manager = place.install->command.manager;
  if ((manager != PackageManager::kPip && manager != PackageManager::kUv) ||
      !is_one_of(place.install->command.verb, {"install", "add", "wheel", "download"}))
    return;
  for (const PackageRequest& request : place.list->packages) {
    const std::string& text = request.specifier;
    if (text.size() < 2 || text[0] != '=' || text[1] == '=' ||
        request.manager == PackageManager::kConda)
      continue;
    if (is_read_by_others(place, all)) return;
    Finding& found = sink.add(
        "requirement-invalid", *place.file, request.span,
        fmt::format("pip does not read {}{}: \"Invalid requirement\"", request.name, text));
    found.evidence = {"PEP 440: the operator is ==; deepjavalibrary/djl-serving#758"};
    found.fix = fmt::format("write {}={}", request.name, text);
    const std::string_view raw = place.file->source.slice(request.span);
    if (const std::size_t at = raw.find(text); at != raw.npos)
      found.edits.push_back({{request.span.begin + at, request.span.begin + at}, "="});
    return;
  }
}

/// "==0.25.2.", and in a list of its own "torch==": PEP 440 has no such versions.
bool has_broken_version(const PlacedList& place, const PackageRequest& request) {
  // Of a command the caller may hand over what stands behind the operator.
  const bool command = place.list == &place.install->command;
  if (request.specifier.empty() || request.specifier.find_first_of("${*(") != std::string::npos)
    return false;
  return std::ranges::any_of(split(request.specifier, ','), [&](std::string_view part) {
    const std::size_t end = part.find_first_not_of("=<>!~");
    if (end == part.npos) return !part.empty() && !command;
    return end >= 2 && part.ends_with('.') && is_digit(part[end]);
  });
}

void broken_version(const PlacedList& place, FindingSink& sink) {
  if (place.view == nullptr || !is_gpu_file(*place.view) ||
      !is_one_of(place.install->command.verb, {"install", "add", "wheel", "download"}))
    return;
  for (const PackageRequest& request : place.list->packages) {
    if ((request.manager != PackageManager::kPip && request.manager != PackageManager::kUv) ||
        !has_broken_version(place, request))
      continue;
    Finding& found = sink.add("requirement-invalid", *place.file, request.span,
                              fmt::format("pip does not read {}{}: \"Invalid requirement\"",
                                          request.name, request.specifier));
    found.evidence = {"PEP 440, version specifiers"};
    found.fix = request.specifier.ends_with('.')
                    ? "take the dot off its end"
                    : fmt::format("write a version behind {}", request.specifier);
    return;
  }
}

/// "numpy @ file:///home/conda/feedstock_root/…": what pip freeze says of conda's packages.
void path_of_conda(const PlacedList& place, const std::vector<PlacedList>& all, FindingSink& sink) {
  if (place.view == nullptr || !is_gpu_file(*place.view) ||
      place.file->kind != FileKind::kRequirements)
    return;
  const auto of_conda = [](const PackageRequest& one) {
    return one.url.starts_with("file:///") &&
           std::ranges::any_of(std::to_array<std::string_view>(
                                   {"/feedstock_root/", "/conda-bld/", "/croot/", "/croots/",
                                    "/tmp/build/", "/b/abs_", "perseverance-python-buildout"}),
                               [&](std::string_view part) { return one.url.contains(part); });
  };
  const auto first = std::ranges::find_if(place.list->packages, of_conda);
  if (first == place.list->packages.end() || is_read_by_others(place, all)) return;
  Finding& found = sink.add(
      "requirement-invalid", *place.file, first->span,
      fmt::format("{} is asked for by a path of the machine that conda's package was built on: pip "
                  "finds no such file",
                  first->name));
  found.evidence = {
      fmt::format("{} of {} packages", std::ranges::count_if(place.list->packages, of_conda),
                  place.list->packages.size()),
      "conda/conda#10072: pip freeze in an environment of conda"};
  found.fix = "write the list anew by pip list --format=freeze, or take conda's environment.yml";
  found.pedantic = !is_sure(place, *first);
}

/// pip install sageattention-2.2.0+torch2.5, the beginning of a wheel's file name.
void variant_in_name(const PlacedList& place, FindingSink& sink) {
  if (place.view == nullptr || !is_gpu_file(*place.view) || place.list != &place.install->command ||
      !is_one_of(place.install->command.verb, {"install", "add", "wheel", "download"}))
    return;
  for (const Word& word : place.list->unread) {
    const std::string& text = word.text;
    if (!text.contains('+') || !is_alphanumeric(text.front()) ||
        !std::ranges::all_of(text, [](char c) {
          return is_alphanumeric(c) || c == '-' || c == '_' || c == '.' || c == '+';
        }))
      continue;
    Finding& found = sink.add("requirement-invalid", *place.file, word.span,
                              fmt::format("pip does not read {}: \"Invalid requirement\"", text));
    found.evidence = {"PEP 508: a name has no +, and a version stands behind =="};
    found.fix = "write NAME==VERSION with the index that has it, or the address of the wheel";
    found.pedantic = may_fail(*place.install->instruction, place.install->command.span);
    return;
  }
}

}  // namespace

void judge_requirement_syntax(const Project& project, const std::vector<FileView>& views,
                              FindingSink& sink) {
  const std::vector<PlacedList> all = placed_lists(project, views);
  for (const PlacedList& place : all) {
    one_equals(place, all, sink);
    broken_version(place, sink);
    path_of_conda(place, all, sink);
    variant_in_name(place, sink);
  }
}

}  // namespace flense::lint
