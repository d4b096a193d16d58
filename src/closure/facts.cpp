#include "closure/facts.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "base/parallel.h"
#include "base/path.h"
#include "closure/places.h"
#include "elf/file.h"
#include "image/layers/layer_walk.h"
#include "inventory/describe/start.h"
#include "inventory/scan/begin_of.h"
#include "inventory/scan/packages.h"

namespace flense::closure {

namespace {

constexpr std::uint64_t kMaxPythonSource = 8U << 20, kMaxShellScript = 1U << 20;
/// Beyond this a source is data; what it holds is not looked at.
constexpr std::size_t kMostMentions = 20'000;

enum class ReadAs : std::uint8_t { kNothing, kElf, kPython, kPathFile, kShell, kList };

struct ReachMember {
  ReadAs as = ReadAs::kNothing;
  std::string path;
};

/// Of a script with no "#!" line that the scan keeps: by its name.
ReadAs read_by_name(std::string_view path) {
  if (file_list_kind(path) != FileListKind::kNone) return ReadAs::kList;
  if (path.ends_with(".py")) return ReadAs::kPython;
  if (path.ends_with(".pth") && !python_site(path).empty()) return ReadAs::kPathFile;
  if (path.ends_with(".sh") || path.ends_with(".bash")) return ReadAs::kShell;
  return ReadAs::kNothing;
}

/// The standard library stays whole; its sources ask for nothing that is not in it.
ReadAs read_as(const inventory::VisibleFile& file, const inventory::Contents& contents) {
  if (contents.elf(file.content) != nullptr) return ReadAs::kElf;
  const auto& scripts = contents.scan(file.content).scripts;
  const auto script = scripts.find(file.content.index);
  ReadAs out = read_by_name(file.path);
  if (script != scripts.end() && out == ReadAs::kNothing) {
    const inventory::Interpreter interpreter = inventory::parse_interpreter(script->second);
    const ScriptLanguage language = script_language(script_program(interpreter));
    if (language == ScriptLanguage::kPython) out = ReadAs::kPython;
    if (language == ScriptLanguage::kShell) out = ReadAs::kShell;
  }
  if (out == ReadAs::kPython && is_python_standard(file.path)) return ReadAs::kNothing;
  return out;
}

class ReachReader {
 public:
  ReachReader(const image::Image& image, const inventory::Contents& contents,
              const ReachFactsOptions& options)
      : image_(image),
        contents_(contents),
        options_(options),
        vocabulary_(ReachVocabulary::of(image, contents.tree())),
        members_(contents.scans().size()) {
    for (const auto& [name, value] : inventory::environment(image)) variables_.insert(name);
    working_directory_ = resolve_link_text("", image.config["config"]["WorkingDir"].text());
    contents.for_each_file([&](const inventory::VisibleFile& file) {
      const ReadAs as = read_as(file, contents);
      if (as == ReadAs::kNothing || file.size == 0) return;
      members_[file.content.layer].try_emplace(file.content.index,
                                               ReachMember{as, std::string(file.path)});
    });
  }

  Result<ReachFacts> read() {
    constexpr unsigned kLayersAtOnce = 2;  // as in scanning: each walk has threads of its own
    std::vector<std::uint32_t> layers;
    for (std::uint32_t layer = 0; layer < members_.size(); ++layer)
      if (!members_[layer].empty()) layers.push_back(layer);
    TRY_DO(parallel_for(layers.size(), std::min(processor_count(), kLayersAtOnce),
                        [&](std::size_t turn) { return read_layer(layers[turn]); }));
    for (ListedPackage& package : out_.packages) settle(package);
    return std::move(out_);
  }

 private:
  /// Each name counts once a file.
  struct Collected {
    ReachText text;
    std::set<std::string, std::less<>> seen;
  };

  Result<void> read_layer(std::uint32_t layer) {
    image::WalkOptions walk;
    walk.scratch_directory = options_.scratch_directory;
    walk.verify_digests = false;  // the first reading did
    walk.progress = options_.progress;
    std::uint32_t index = 0;
    TRY_DO(image::walk_layer(image_, layer, walk,
                             [&](const image::LayerEntry&, image::EntryContent* content,
                                 codec::TarReader*) -> Result<void> {
                               const inventory::ContentKey key{layer, index++};
                               const auto member = members_[layer].find(key.second);
                               if (content == nullptr || member == members_[layer].end()) return {};
                               return read_member(key, member->second, *content);
                             }));
    return {};
  }

  Result<void> read_member(inventory::ContentKey key, const ReachMember& member,
                           image::EntryContent& content) {
    switch (member.as) {
      case ReadAs::kElf: {
        TRY(const Bytes bytes, content.materialise());
        ReachElf elf = read_reach_elf(bytes, contents_.tree(), vocabulary_, options_.calls);
        const std::lock_guard lock(mutex_);
        out_.elf.emplace(key, std::move(elf));
        return {};
      }
      case ReadAs::kPython:
      case ReadAs::kPathFile: {
        TRY(const std::string text, inventory::begin_of(content, kMaxPythonSource));
        ReachText names = read_python(member, text);
        const std::lock_guard lock(mutex_);
        (member.as == ReadAs::kPython ? out_.python : out_.path_files)
            .emplace(key, std::move(names));
        return {};
      }
      case ReadAs::kShell: {
        TRY(const std::string text, inventory::begin_of(content, kMaxShellScript));
        Collected words;
        words.text.unclear =
            scan_shell(text, variables_, [&](std::string_view word, std::uint32_t line) {
              take_word(member.path, word, line, PythonMention::kText, words);
            });
        const std::lock_guard lock(mutex_);
        out_.shell.emplace(key, std::move(words.text));
        return {};
      }
      case ReadAs::kList:
        return read_list(member.path, content);
      case ReadAs::kNothing:
        break;
    }
    return {};
  }

  Result<void> read_list(const std::string& path, image::EntryContent& content) {
    TRY(const std::string text, inventory::begin_of(content, kMaxFileList));
    const FileListKind kind = file_list_kind(path);
    if (kind == FileListKind::kPythonMetadata) {
      auto requirements = parse_requirements(text);
      const std::lock_guard lock(mutex_);
      out_.requirements.emplace(parent_path(path), std::move(requirements));
      return {};
    }
    if (kind == FileListKind::kEntryPoints) {
      auto groups = parse_plugin_groups(text);
      const std::lock_guard lock(mutex_);
      if (!groups.empty()) out_.plugin_groups.emplace(parent_path(path), std::move(groups));
      return {};
    }
    std::vector<ListedPackage> packages = parse_file_list(kind, path, text);
    const std::lock_guard lock(mutex_);
    std::ranges::move(packages, std::back_inserter(out_.packages));
    return {};
  }

  /// From the working directory or beside the text: a file, or the directory before a wildcard.
  void take_relative(std::string_view path, std::string_view word, std::uint32_t line,
                     PythonMention how, Collected& out) const {
    const std::size_t wildcard = word.find_first_of("*?[");
    const bool folder = word.starts_with("./") && wildcard != std::string_view::npos;
    if (folder) word = word.substr(0, word.rfind('/', wildcard));
    if (word.find_first_not_of("./") == std::string_view::npos) return;
    for (const std::string_view from : {std::string_view(working_directory_), parent_path(path)})
      if (const auto real = contents_.tree().resolve(resolve_link_text(from, word));
          real && (folder || is_file(*real)))
        add("/" + *real, line, how, out);
  }

  bool is_file(std::string_view path) const {
    const auto found = contents_.tree().find(path);
    return found && found->type != codec::MemberType::kDirectory;
  }

  ReachText read_python(const ReachMember& member, std::string_view text) const {
    Collected out;
    // Who looks plug-ins up says in a literal beside it which ones.
    const bool plugins = text.find("entry_point") != std::string_view::npos ||
                         text.find("entrypoint") != std::string_view::npos ||
                         text.find("EntryPoint") != std::string_view::npos;
    const TakePythonName take = [&](std::string_view name, PythonMention how, std::uint32_t line) {
      if (how == PythonMention::kImport || how == PythonMention::kCall) {
        if (vocabulary_.names_module(name)) add(name, line, how, out);
      } else if (how == PythonMention::kCommand) {
        static_cast<void>(scan_shell(name, variables_, [&](std::string_view word, std::uint32_t) {
          take_word(member.path, word, line, PythonMention::kCommand, out);
        }));
      } else if (plugins || member.as == ReadAs::kPathFile) {
        add(name, line, how, out);
      } else {
        take_word(member.path, name, line, how, out);
      }
    };
    member.as == ReadAs::kPathFile ? scan_python_path_file(text, take) : scan_python(text, take);
    return std::move(out.text);
  }

  /// A word that may name anything: kept when the image has something of that name.
  void take_word(std::string_view path, std::string_view word, std::uint32_t line,
                 PythonMention how, Collected& out) const {
    if (word.starts_with('/')) {
      const std::string found = existing_beginning(contents_.tree(), word);
      if (found.find('/') != std::string::npos || found == word.substr(1))
        add("/" + found, line, how, out);
      return;
    }
    if (word.find('/') != std::string_view::npos) {
      take_relative(path, word, line, how, out);
      return;
    }
    if (vocabulary_.programs.contains(word) || vocabulary_.names_module(word) ||
        vocabulary_.libraries.contains(word) ||
        vocabulary_.distributions.contains(inventory::normalised_python_name(word)))
      add(word, line, how, out);
  }

  static void add(std::string_view name, std::uint32_t line, PythonMention how, Collected& out) {
    if (out.text.mentions.size() >= kMostMentions || name.empty()) return;
    // An import says more than the same name in a literal.
    const bool import = how == PythonMention::kImport || how == PythonMention::kCall;
    if (out.seen.insert((import ? "import " : "") + std::string(name)).second)
      out.text.mentions.push_back({std::string(name), line, how});
  }

  /// Lists speak of /lib where the image has it in /usr/lib; what is not there is left out.
  void settle(ListedPackage& package) const {
    std::vector<std::string> there;
    for (const std::string& path : package.files)
      if (auto real = contents_.tree().resolve(path, false); real && !real->empty())
        there.push_back(std::move(*real));
    package.files = std::move(there);
  }

  const image::Image& image_;
  const inventory::Contents& contents_;
  const ReachFactsOptions& options_;
  ReachVocabulary vocabulary_;
  std::set<std::string, std::less<>> variables_;
  std::string working_directory_;
  std::vector<std::map<std::uint32_t, ReachMember>> members_;
  std::mutex mutex_;
  ReachFacts out_;
};

}  // namespace

ReachVocabulary ReachVocabulary::of(const image::Image& image, const image::MergedTree& tree) {
  ReachVocabulary out;
  // Optional parts of the standard library, which stay only where something imports them.
  out.modules = {"tkinter", "turtle", "turtledemo", "idlelib", "test", "ensurepip", "lib2to3"};
  for (const std::string& name : tree.list("")) out.roots.insert(name);
  for (const std::string& folder : inventory::program_path(image))
    for (const std::string& name : tree.list(tree.resolve(folder).value_or(folder)))
      out.programs.insert(name);
  // The visitor never fails.
  static_cast<void>(tree.for_each([&](const std::string& path,
                                      const image::MergedTree::Found&) -> Result<void> {
    const std::string_view name = base_name(path);
    if (name.find(".so") != std::string_view::npos) out.libraries.emplace(name);
    const std::string_view site = python_site(path);
    if (site.empty()) return {};
    const std::string_view inner = std::string_view(path).substr(site.size() + 1);
    if (inner.find('/') != std::string_view::npos) return {};
    for (const std::string_view ending : {".dist-info", ".egg-info"})
      if (inner.ends_with(ending)) {
        const std::string_view stem = inner.substr(0, inner.size() - ending.size());
        out.distributions.insert(inventory::normalised_python_name(stem.substr(0, stem.find('-'))));
        return {};
      }
    if (const std::string_view module = module_of_file(inner); !module.empty())
      out.modules.emplace(module);
    return {};
  }));
  return out;
}

bool ReachVocabulary::names_module(std::string_view text) const {
  return modules.contains(text.substr(0, text.find_first_of(".:")));
}

Result<ReachFacts> read_reach_facts(const image::Image& image, const inventory::Contents& contents,
                                    const ReachFactsOptions& options) {
  return ReachReader(image, contents, options).read();
}

}  // namespace flense::closure
