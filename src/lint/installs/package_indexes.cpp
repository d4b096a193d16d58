// Where pip looks for wheels: versions that PyPI cannot have, wheels and packages that PyTorch's
// index has not.
#include <algorithm>
#include <array>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/placed_lists.h"
#include "lint/facts/sure_installs.h"
#include "lint/facts/table_facts.h"
#include "lint/readers/readers.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr std::string_view kPytorch = "download.pytorch.org/whl";

bool is_of_python(PackageManager manager) {
  return manager == PackageManager::kPip || manager == PackageManager::kUv;
}

/// A base that nothing is known of may hold packages and a configuration of pip.
bool is_known_base(const GpuImage& base) {
  return base.vendor.known() || base.distribution.known() || base.python.known() ||
         !base.repository.contains('/');
}

/// Installed by an earlier command, which this one then leaves alone.
bool is_there_before(const PlacedList& place, std::string_view name) {
  const auto installs = place.view->installs_in(place.install->stage);
  return std::ranges::any_of(installs, [&](const Install* before) {
    return before->command.span.begin < place.install->command.span.begin &&
           std::ranges::any_of(
               lists_of(*before),
               [&](const PackageList* list) { return list->find(name) != nullptr; });
  });
}

/// Whether the package may come from elsewhere than the index: it is in the base or of an earlier
/// step, or there may be another index.
bool may_come_otherwise(const PlacedList& place, std::string_view name) {
  const GpuImage& base = place.view->stages[place.install->stage].image;
  return base.framework.known() || !is_known_base(base) || is_there_before(place, name) ||
         may_have_other_index(*place.view, *place.install);
}

bool looks_elsewhere(const PackageList& list) {
  return std::ranges::any_of(list.options, [](const std::string& option) {
    return starts_with_any(
        option, {"--extra-index-url", "--find-links", "-f", "--index=", "--torch-backend",
                 "--no-index", "-c", "--constraint", "--override"});
  });
}

/// torch==2.6.0+cu124 where no index is named: PyPI takes no such versions.
void variant_without_index(const PlacedList& place, FindingSink& sink) {
  if (place.view == nullptr || !is_of_python(place.install->command.manager)) return;
  if (!is_one_of(place.install->command.verb, {"install", "add", "sync"})) return;
  const PackageList& list = *place.list;
  if (place.file->kind == FileKind::kPyproject || place.file->kind == FileKind::kUvLock) return;
  if (!list.indexes.empty() || !place.install->command.indexes.empty() ||
      looks_elsewhere(place.install->command) || place.install->command.has_option("--no-index"))
    return;
  for (const PackageRequest& request : list.packages) {
    const std::string variant = knowledge::local_version(request.version);
    if (!starts_with_any(variant, {"cu1", "cpu", "rocm", "xpu"}) || !request.url.empty() ||
        !request.index.empty() || !is_of_python(request.manager))
      continue;
    if (may_come_otherwise(place, request.name)) return;
    Finding& found = sink.add(
        "variant-without-index", *place.file, request.span,
        fmt::format("PyPI has no {}=={}: its versions are without a variant, and no other index is "
                    "named",
                    request.name, request.version));
    found.evidence = {"Python packaging: local versions are not for public indexes"};
    found.fix =
        !is_one_of(request.name, {"torch", "torchvision", "torchaudio"})
            ? fmt::format("name the index that has {}: --extra-index-url …", variant)
        // Releases of that time are on one page.
        : request.name == "torch" && compare_versions(request.version, "1.11") < 0
            ? std::string("name the page: -f https://download.pytorch.org/whl/torch_stable.html")
            : fmt::format("name the index: --extra-index-url https://download.pytorch.org/whl/{}",
                          variant);
    found.pedantic = !is_sure(place, request);
    return;  // the others of the list follow from it
  }
}

/// -i, --index-url and --default-index stand in place of PyPI.
bool replaces_pypi(const ProjectFile& file, const Word& index) {
  const Span before{index.span.begin < 20 ? 0 : index.span.begin - 20, index.span.end};
  const std::string_view text = file.source.slice(before);
  const std::string_view head = text.substr(0, text.rfind("http"));
  return !holds(head, "extra-index-url") && !holds(head, "find-links") &&
         (holds(head, "--index-url") || holds(head, "--default-index") || holds(head, "-i "));
}

/// The index had its last torch more than a minor before 2.9, so that no later one came for that
/// CUDA.
bool is_over(const knowledge::Knowledge& known, const std::string& variant) {
  const std::string last = last_torch_of(known, variant, {});
  return !last.empty() && compare_versions(last, "2.8") < 0;
}

/// An index that may hold anybody's builds: neither PyPI, nor PyTorch's, nor a mirror of them.
bool is_of_others(std::string_view url) {
  // A name is a channel of conda.
  return url.contains("://") &&
         std::ranges::none_of(std::to_array<std::string_view>(
                                  {"pytorch", "pypi.nvidia.com", "pypi.ngc.nvidia.com", "pypi.org",
                                   "mirror", "/pypi/simple", "pypi.tuna.", "pypi.mirrors."}),
                              [&](std::string_view part) { return holds(url, part); });
}

/// torch==2.0.1 of an index for cu121, which came later; torch==2.9.0 of it, which had ended.
void wheel_of_no_index(const Project& project, const PlacedList& place, FindingSink& sink) {
  const PackageList& list = *place.list;
  const ProjectFile& file = *place.file;
  const bool by_uv =
      place.install != nullptr && place.install->command.manager == PackageManager::kUv;
  for (const PackageList* one : {&list, place.install == nullptr ? &list : &place.install->command})
    for (const Word& index : one->indexes)
      if (is_of_others(index.text)) return;
  for (const PackageRequest& request : list.packages) {
    if (request.name != "torch" || request.version.empty() || !request.url.empty() ||
        request.manager == PackageManager::kConda ||
        (!request.index.empty() && is_of_others(request.index)))
      continue;
    std::string wanted = knowledge::local_version(request.version);
    if (wanted.empty()) wanted = variant_of_index(request.index);
    bool beside = false;  // pip takes PyPI's then
    if (wanted.empty() && list.indexes.size() == 1) {
      const Word& index = list.indexes.front();
      wanted = variant_of_index(index.text);
      beside = request.manager == PackageManager::kPip && !by_uv &&
               file.kind != FileKind::kPyproject && !replaces_pypi(file, index);
    }
    if (knowledge::cuda_of_variant(wanted).empty() || wanted.size() < 5) continue;
    const std::string plain = request.version.substr(0, request.version.find('+'));
    if (plain.contains(".dev")) continue;  // of a nightly no table knows the builds
    auto variants = cuda_variants_of(*project.knowledge, plain);
    if (version_at_least(plain, "2.9") && is_over(*project.knowledge, wanted))
      variants = known_cuda_variants_of(*project.knowledge, plain);
    if (variants.empty() || std::ranges::find(variants, wanted) != variants.end()) continue;
    const auto* of_pypi = beside ? tables_of(project).default_variant(plain) : nullptr;
    Finding& found =
        sink.add("wheel-cuda-mismatch", file, request.span,
                 of_pypi == nullptr
                     ? fmt::format("torch {} has no wheels for {}", plain, wanted)
                     : fmt::format("torch {} has no wheels for {}: pip takes PyPI's, for CUDA {}, "
                                   "and this index is without effect",
                                   plain, wanted, knowledge::cuda_of_variant(of_pypi->variant)));
    if (!beside) found.severity = Severity::kError;
    found.evidence = {fmt::format("framework_builds.json, builds: torch {} for {}", plain,
                                  fmt::join(variants, ", "))};
    found.fix = fmt::format("take an index that has it ({}), or a torch that has {}",
                            fmt::join(variants, ", "), wanted);
  }
}

/// -f https://download.pytorch.org/whl/cu118, which leaves torch to PyPI.
void links_of_nothing(const Project& project, const PlacedList& place, FindingSink& sink) {
  const PackageList& list = *place.list;
  const PackageList& command = place.install == nullptr ? list : place.install->command;
  const bool own = !list.linkless.empty();
  const std::vector<Word>& links = own ? list.linkless : command.linkless;
  if (links.empty() || !list.indexes.empty() || !command.indexes.empty() ||
      command.has_option("--no-index"))
    return;
  const auto request = std::ranges::find_if(list.packages, [](const PackageRequest& one) {
    return is_one_of(one.name, {"torch", "torchvision", "torchaudio"}) && one.url.empty() &&
           one.index.empty() && one.manager != PackageManager::kConda;
  });
  if (request == list.packages.end()) return;
  if (place.view != nullptr && may_come_otherwise(place, request->name)) return;
  const Word& link = links.front();
  const auto* of_pypi =
      request->name == "torch" ? tables_of(project).default_variant(request->version) : nullptr;
  const bool has_variant = !knowledge::local_version(request->version).empty();
  Finding& found = sink.add(
      "wheel-cuda-mismatch", own ? *place.file : *place.view->file, link.span,
      fmt::format(
          "--find-links takes a page that links to files, and {} links to folders: {}", link.text,
          has_variant ? fmt::format("pip finds no {}=={}", request->name, request->version)
                      : fmt::format("{} comes from PyPI{}", request->name,
                                    of_pypi == nullptr ? std::string() : ", " + of_pypi->variant)));
  if (has_variant) found.severity = Severity::kError;
  found.evidence = {"pip documentation, --find-links: a page with links to archives"};
  const std::string variant = variant_of_index(link.text);
  const auto built = cuda_variants_of(*project.knowledge, request->version);
  // Of equal versions pip takes the one with a variant; an open one may be newer at PyPI.
  if (request->name == "torch" && !built.empty() && variant.starts_with("cu") &&
      std::ranges::find(built, variant) == built.end())
    found.fix = fmt::format("delete it, or take an index that has torch {} ({})", request->version,
                            fmt::join(built, ", "));
  else if (!request->version.empty())
    found.fix = "write --extra-index-url in place of --find-links";
  else
    found.fix =
        "write --index-url in place of --find-links, in a command for torch, torchvision and "
        "torchaudio alone";
  found.pedantic = of_pypi != nullptr && of_pypi->variant == variant;
}

/// Packages that people install beside torch, and PyTorch's index has not.
bool is_not_on_pytorch(std::string_view name) {
  constexpr auto kNames = std::to_array<std::string_view>({"accelerate",
                                                           "albumentations",
                                                           "auto-gptq",
                                                           "bitsandbytes",
                                                           "boto3",
                                                           "celery",
                                                           "ctranslate2",
                                                           "deepspeed",
                                                           "diffusers",
                                                           "evaluate",
                                                           "faiss-cpu",
                                                           "faiss-gpu",
                                                           "faster-whisper",
                                                           "flask",
                                                           "ftfy",
                                                           "gradio",
                                                           "gunicorn",
                                                           "gym",
                                                           "gymnasium",
                                                           "hydra-core",
                                                           "imageio",
                                                           "ipykernel",
                                                           "ipywidgets",
                                                           "jupyter",
                                                           "jupyterlab",
                                                           "kornia",
                                                           "langchain",
                                                           "librosa",
                                                           "lightgbm",
                                                           "lightning",
                                                           "loguru",
                                                           "mlflow",
                                                           "moviepy",
                                                           "nltk",
                                                           "notebook",
                                                           "onnx",
                                                           "onnxruntime",
                                                           "onnxruntime-gpu",
                                                           "openai-whisper",
                                                           "opencv-python",
                                                           "optimum",
                                                           "optuna",
                                                           "peft",
                                                           "plotly",
                                                           "pydub",
                                                           "pytest",
                                                           "pytorch-lightning",
                                                           "redis",
                                                           "runpod",
                                                           "scikit-image",
                                                           "scikit-learn",
                                                           "seaborn",
                                                           "sentence-transformers",
                                                           "spacy",
                                                           "sqlalchemy",
                                                           "streamlit",
                                                           "tensorflow",
                                                           "timm",
                                                           "trl",
                                                           "ultralytics",
                                                           "xgboost"});
  static_assert(std::ranges::is_sorted(kNames));
  return std::ranges::binary_search(kNames, name);
}

/// The one index of a list, where it is PyTorch's; null: there are others, or none.
const Word* only_pytorch(const std::vector<Word>& indexes) {
  if (indexes.size() != 1 || !holds(indexes.front().text, kPytorch)) return nullptr;
  return &indexes.front();
}

void lacking_package(const PlacedList& place, FindingSink& sink) {
  const PackageList& list = *place.list;
  const bool placed = place.view != nullptr;
  if (placed ? !is_of_python(place.install->command.manager)
             : place.file->kind != FileKind::kRequirements)
    return;
  // What a command names counts for its lists too, and a list's own index for the whole command.
  const bool own = !list.indexes.empty();
  if (placed && own && &list != &place.install->command && !place.install->command.indexes.empty())
    return;
  const Word* index = only_pytorch(own || !placed ? list.indexes : place.install->command.indexes);
  const ProjectFile& holder = own || !placed ? *place.file : *place.view->file;
  if (index == nullptr || !replaces_pypi(holder, *index)) return;
  if (placed &&
      (looks_elsewhere(place.install->command) || place.install->command.has_option("--no-deps")))
    return;
  for (const PackageRequest& request : list.packages) {
    if (!is_not_on_pytorch(request.name) || !request.url.empty() || !request.index.empty() ||
        !request.marker.empty())
      continue;
    if (placed && may_come_otherwise(place, request.name)) return;
    Finding& found = sink.add(
        "index-lacks-package", *place.file, request.span,
        fmt::format(
            "{} is looked for at {} alone, which has torch and what it needs: \"No matching "
            "distribution found\"",
            request.name, index->text));
    found.evidence = {fmt::format("{} stands in place of PyPI", index->text),
                      "pytorch/test-infra, the packages of the index; DeepSpeed-MII#421"};
    found.fix = fmt::format(
        "install torch, torchvision and torchaudio from there in a command of their own, and {} "
        "from PyPI in the next",
        request.name);
    // Beside PyPI an open torch would be PyPI's newest.
    if (const PackageRequest* torch = list.find("torch");
        torch != nullptr && !torch->version.empty())
      found.fix += fmt::format("; or name it beside PyPI: --extra-index-url {}", index->text);
    // A list of a part may be read together with another, which names PyPI.
    found.pedantic = placed ? !is_sure(place, request)
                            : file_name(place.file->source.path()) != "requirements.txt";
    return;
  }
}

/// --extra-index-url …/torch_stable.html: pip asks …/torch_stable.html/torch/ and gets nothing.
void page_as_index(const ProjectFile& file, const std::vector<ShellCommand>& commands,
                   FindingSink& sink) {
  for (const ShellCommand& command : commands) {
    const auto& words = command.words;
    const std::string program = program_of(command).name;
    const auto says = [&](std::string_view word) {
      return std::ranges::any_of(words, [&](const ShellWord& one) { return one.text == word; });
    };
    if ((!program.starts_with("pip") && program != "uv" &&
         !(program.starts_with("python") && says("pip"))) ||
        says("-f") || std::ranges::any_of(words, [](const ShellWord& one) {
          return one.text.starts_with("--find-links");
        }))
      continue;
    for (std::size_t at = 0; at < words.size(); ++at) {
      const std::string_view text = words[at].text;
      const std::size_t equals = text.find('=');
      const std::string_view option = text.substr(0, equals);
      if (!is_one_of(option, {"--extra-index-url", "--index-url", "-i"})) continue;
      const bool apart = equals == text.npos;
      if (apart && at + 1 == words.size()) break;
      const ShellWord& page = apart ? words[at + 1] : words[at];
      const std::string_view url = apart ? std::string_view(page.text) : text.substr(equals + 1);
      if (!url.contains("://") || !url.ends_with(".html")) continue;
      Finding& found = sink.add(
          "wheel-cuda-mismatch", file, page.span,
          fmt::format("{} takes an index, and {} is a page of links: pip finds nothing "
                      "there{}",
                      option, url, option == "--extra-index-url" ? ", and takes PyPI's" : ""));
      found.evidence = {"pip documentation, --find-links: a page with links to archives"};
      found.fix = fmt::format("write --find-links in place of {}", option);
      return;
    }
  }
}

}  // namespace

void judge_package_indexes(const Project& project, const std::vector<FileView>& views,
                           FindingSink& sink) {
  std::set<const PackageList*> seen;
  for (const PlacedList& place : placed_lists(project, views)) {
    if (seen.insert(place.list).second) {
      wheel_of_no_index(project, place, sink);
      links_of_nothing(project, place, sink);
    }
    variant_without_index(place, sink);
    lacking_package(place, sink);
  }
  for (const FileView& view : views)
    for (const Stage& stage : view.dockerfile->stages)
      for (const Instruction& run : stage.instructions)
        if (run.keyword == Keyword::kRun) page_as_index(*view.file, run.commands, sink);
  for (const auto& file : project.files)
    for (const auto& commands : scripts_of(*file)) page_as_index(*file, commands, sink);
}

}  // namespace flense::lint
