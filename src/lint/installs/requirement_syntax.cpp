// Requirements that pip does not read: a version behind one '=', or none.
#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/build_steps.h"
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

/// "file:///Users/…", "file:///C:/…": a folder of somebody's own machine.
bool is_of_own_machine(std::string_view url) {
  return starts_with_any(url, {"file:///Users/", "file:///C:/", "file:///D:/", "file:///c:/",
                               "file:///private/", "file:///home/task_"});
}

/// The version of a build that nobody published: "+unknown" of a copy without git's history,
/// "+3.gdeadbee.dirty" of one with changes.
bool is_of_own_build(std::string_view version) {
  const std::string local = knowledge::local_version(version);
  // "+ubuntu2", "+ds": packages of Ubuntu's and Debian's own.
  if (is_one_of(local, {"unknown", "computecanada", "ds"}) || local.contains("dirty") ||
      starts_with_any(local, {"untagged", "ubuntu", "dfsg"}))
    return true;
  return std::ranges::any_of(parts_of(local, "."), [](std::string_view part) {
    return part.size() >= 8 && part.starts_with('g') &&
           part.find_first_not_of("0123456789abcdef", 1) == part.npos;
  });
}

/// A base of others may hold such builds: those of NGC hold RAPIDS' and their own.
bool may_hold_own_builds(const GpuImage& base) {
  return base.repository.contains('/') &&
         !is_one_of(base.repository, {"nvidia/cuda", "pytorch/pytorch"});
}
bool is_of_vendor(const GpuImage& base) {
  return starts_with_any(base.repository, {"nvcr.io/", "rapidsai/", "rocm/", "dustynv/"});
}

/// What pip freeze says of packages that were built on the machine where it ran.
void own_build(const PlacedList& place, const std::vector<PlacedList>& all, FindingSink& sink) {
  if (place.view == nullptr || !is_gpu_file(*place.view) ||
      place.file->kind != FileKind::kRequirements)
    return;
  const auto is_own = [](const PackageRequest& one) {
    return one.url.empty() ? one.index.empty() && is_of_own_build(one.version)
                           : is_of_own_machine(one.url);
  };
  const auto first = std::ranges::find_if(place.list->packages, is_own);
  if (first == place.list->packages.end() || is_read_by_others(place, all)) return;
  const bool path = !first->url.empty();
  const GpuImage& base = place.view->stages[place.install->stage].image;
  if (!path && is_of_vendor(base)) return;
  // Its own index may have what was built there.
  if (!path && (!place.list->indexes.empty() || !place.install->command.indexes.empty())) return;
  Finding& found = sink.add(
      "requirement-invalid", *place.file, first->span,
      path ? fmt::format("{} is asked for by a path of the machine where the list was written: pip "
                         "finds no such file",
                         first->name)
           : fmt::format("{} {} was built on the machine where pip freeze wrote the list: no index "
                         "has such a version",
                         first->name, first->version));
  found.evidence = {
      fmt::format("{} of {} packages", std::ranges::count_if(place.list->packages, is_own),
                  place.list->packages.size()),
      "PEP 440: public indexes take no local versions"};
  found.fix = path ? "write a version, or the address of its repository (NAME @ git+https://…)"
                   : "write a version that was published, or its repository with the commit (NAME "
                     "@ git+https://…@COMMIT)";
  const bool commit = !knowledge::local_version(first->version).starts_with("unknown");
  found.pedantic = !is_sure(place, *first) ||
                   (!path && may_have_other_index(*place.view, *place.install)) ||
                   (!path && commit && may_hold_own_builds(base));
}

/// Options that stand alone: what follows one of them is no value of it.
bool is_flag(std::string_view word) {
  return is_one_of(
      word, {"-U", "--upgrade", "-q", "--quiet", "-v", "--verbose", "--user", "--pre",
             "--no-cache-dir", "--no-cache", "--no-deps", "--no-build-isolation", "--system",
             "--force-reinstall", "--break-system-packages", "--ignore-installed", "--no-compile"});
}

/// pip install requirements.txt: pip takes a package of that name.
void list_without_option(const PlacedList& place, FindingSink& sink) {
  if (place.view == nullptr || !is_gpu_file(*place.view) || place.list != &place.install->command ||
      !is_one_of(place.install->command.verb, {"install", "add", "wheel", "download"}))
    return;
  const ShellCommand* command =
      command_at(*place.install->instruction, place.install->command.span);
  if (command == nullptr) return;
  for (const Word& word : place.list->unread) {
    if (!word.text.ends_with(".txt")) continue;
    const auto at = std::ranges::find(command->words, word.span, &ShellWord::span);
    if (at == command->words.end() || at == command->words.begin()) continue;
    const std::string& before = (at - 1)->text;
    if (before.starts_with('-') && !is_flag(before)) continue;
    Finding& found = sink.add(
        "requirement-invalid", *place.file, word.span,
        fmt::format("{} stands without -r: pip takes it for the name of a package, and ends with "
                    "\"{}\"",
                    word.text,
                    word.text.contains('/') ? "Invalid requirement" : "No matching distribution"));
    found.evidence = {"pip documentation, pip install: -r, --requirement"};
    found.fix = fmt::format("write -r {}", word.text);
    found.edits.push_back({{word.span.begin, word.span.begin}, "-r "});
    found.pedantic = may_fail(*place.install->instruction, place.install->command.span);
    return;
  }
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
    own_build(place, all, sink);
    list_without_option(place, sink);
    variant_in_name(place, sink);
  }
}

}  // namespace flense::lint
