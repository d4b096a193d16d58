#include "closure/reach.h"

#include <algorithm>
#include <array>

#include "base/glob.h"
#include "base/path.h"
#include "closure/named_in_text.h"
#include "closure/places.h"
#include "closure/traced.h"
#include "inventory/describe/flavour.h"
#include "inventory/describe/start.h"
#include "inventory/names/waste.h"

namespace flense::closure {

namespace {

constexpr const char* kHowToName =
    "name what is started with --also PROGRAM, or what a run opened with --trace CMD";

/// Nobody runs what lies here for the container: settings, and the databases of packages.
bool is_configuration_place(std::string_view path) {
  return path.starts_with("etc/") || path.starts_with("var/lib/dpkg/") ||
         path.starts_with("var/lib/apt/") || path.starts_with("var/lib/rpm/");
}

std::vector<std::string> blank_separated(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t begin = std::min(text.find_first_not_of(" \t\n;"), text.size());
    text.remove_prefix(begin);
    const std::string_view word = text.substr(0, text.find_first_of(" \t\n;"));
    text.remove_prefix(word.size());
    if (!word.empty()) out.emplace_back(word);
  }
  return out;
}

class Closure {
 public:
  explicit Closure(const ReachContext& context)
      : context_(context),
        options_(context.options),
        marks_(context),
        libraries_(context, marks_),
        python_(context, marks_),
        words_(context, marks_, libraries_, python_) {}

  Result<Reach> draw() {
    TRY_DO(start());
    seed_environment();
    seed_options();
    options_.minimal ? seed_minimal() : seed_places();
    run();
    if (!options_.minimal && (libraries_.starts_shell() || words_.runs_shell())) {
      for (const std::string& tool : context_.opened.shell_tools)
        marks_.keep_program(tool, Follow::kUse, "scripts take it for granted");
      run();
    }
    TRY_DO(check_unclear());
    keep_compiled_sources();
    keep_conda_records();
    keep_licences();
    return describe();
  }

 private:
  bool user_names_more() const { return !options_.also.empty() || !options_.traced.empty(); }

  Failure refuse(std::string message, std::string hint = kHowToName) const {
    return fail(Code::kUsage, "--closure: {}", message).hint(std::move(hint));
  }
  /// A refusal that the user lifts by naming what is started.
  Result<void> doubt(const std::string& message) {
    if (!user_names_more()) return refuse(message);
    out_.notices.push_back(fmt::format("closure: {}; only what you named is followed", message));
    return {};
  }

  Result<void> start() {
    const std::vector<StartCommand> commands = start_commands(context_.image);
    bool any = false;
    for (const StartCommand& command : commands) {
      out_.starts.push_back(fmt::format("{}: {}", command.name, fmt::join(command.words, " ")));
      if (command.name != "the health check") {
        any = true;
        TRY_DO(judge(command.words));
      }
      words_.follow_command(command);
    }
    for (const std::string& path : inventory::start_paths(context_.image))
      marks_.keep_path(path, Follow::kRun, "named by the configuration");
    // An entry point that ends in exec "$@" runs the command.
    const text::Json& container = context_.image.config["config"];
    if (!container["Entrypoint"].items().empty()) {
      std::vector<std::string> words;
      for (const text::Json& word : container["Cmd"].items()) words.emplace_back(word.text());
      if (!words.empty() && !start_program(context_, words.front()).empty()) TRY_DO(judge(words));
    }
    if (!any && !user_names_more())
      return refuse("the image has no start command", "name the programs with --also PROGRAM");
    return seed_also();
  }

  Result<void> judge(const std::vector<std::string>& words) {
    const std::vector<std::string> command = effective_command(context_, words);
    if (command.empty())
      return doubt(fmt::format("'{}' names no program of the image", fmt::join(words, " ")));
    std::string why = unpredictable(command);
    const bool shell =
        script_language(base_name(command.front())) == ScriptLanguage::kShell && command.size() > 2;
    if (why.empty() && shell && command[1].starts_with('-') && command[1].ends_with('c'))
      why = unpredictable(effective_command(context_, blank_separated(command[2])));
    if (!why.empty()) return doubt(why);
    const std::string path = start_program(context_, command.front());
    const auto id = context_.tree.find(context_.survey.resolve(path).value_or(path));
    const bool program = id && context_.elf(*id) != nullptr;
    if (!program && (!id || context_.script_line(*id) == nullptr))
      return doubt(fmt::format("/{} is neither an ELF file nor a script that can be read", path));
    if (options_.minimal && !program)
      return refuse(fmt::format("/{} is a script, and --minimal keeps one compiled program", path),
                    "leave --minimal out");
    return {};
  }

  Result<void> seed_also() {
    for (const std::string& word : options_.also) {
      const std::string path = start_program(context_, word);
      if (path.empty())
        return refuse(fmt::format("--also {}: the image has no such program or file", word),
                      "a path inside the image, or the name of a program in its PATH");
      marks_.keep_path(path, Follow::kRun, fmt::format("named by --also {}", word));
      // A source that is not executable is somebody's argument.
      if (path.ends_with(".py"))
        marks_.keep_program("python3", Follow::kRun, fmt::format("runs --also {}", word));
      out_.starts.push_back("--also " + word);
    }
    return {};
  }

  void seed_options() {
    for (const std::string& glob : options_.keep)
      for (PathId id = 0; id < context_.tree.size(); ++id)
        if (!context_.tree.is_directory(id) && glob_covers(glob, context_.tree.path(id)))
          marks_.keep(id, Follow::kUse, fmt::format("named by --keep {}", glob));
    // What a run met of a distribution without using it: it listed what is installed.
    for (const std::string& path : options_.traced)
      if (const auto id = context_.tree.find(path); !id || !context_.is_of_idle(*id))
        marks_.keep_path(path, Follow::kUse, "opened by the traced run");
    if (options_.compiles.empty()) return;
    static constexpr auto kCompilers =
        std::to_array<std::string_view>({"cc", "c++", "gcc", "g++", "clang", "clang++", "cpp", "ld",
                                         "as", "ar", "nvcc", "ninja", "make", "objdump", "strip"});
    static constexpr auto kFiles = std::to_array<std::string_view>(
        {"usr/lib/gcc/**", "usr/libexec/gcc/**", "usr/lib/llvm*/**", "usr/include/**",
         "usr/local/include/**", "usr/lib/*/*.o", "usr/lib/*/*.a", "usr/lib/*/*.so",
         "usr/lib64/*.o", "usr/lib64/*.a", "usr/lib64/*.so", "usr/lib/*/bfd-plugins/**",
         "usr/lib/*/ldscripts/**", "usr/local/cuda*/**"});
    const std::string why = "compiles at run time: " + options_.compiles;
    for (const std::string_view name : kCompilers) marks_.keep_program(name, Follow::kUse, why);
    for (const std::string_view glob : kFiles) marks_.keep_matching(glob, Follow::kData, why);
  }

  /// Files and directories that variables name; not search paths, of which each entry is common.
  void seed_environment() {
    for (const auto& [name, value] : inventory::environment(context_.image)) {
      const std::string why = fmt::format("named by the variable {}", name);
      for (const std::string& path : inventory::split_path_list(value)) {
        if (name == "PYTHONPATH") python_.add_site(path, why);
        if (name == "LD_PRELOAD" || value.starts_with('/'))
          marks_.keep_named(path, Follow::kUse, why);
      }
    }
    const text::Json& container = context_.image.config["config"];
    const std::string& folder = context_.working_directory;
    if (!folder.empty() && !options_.minimal)
      marks_.keep_named(folder, Follow::kData, "the working directory");
    for (const auto& [path, nothing] : container["Volumes"].members())
      marks_.keep_named(path, Follow::kData, "a volume");
  }

  void seed_rows(const std::vector<knowledge::KeptFilesRow>& rows) {
    for (const knowledge::KeptFilesRow& row : rows)
      for (const std::string& pattern : row.files)
        marks_.keep_matching(pattern, Follow::kData, row.why);
  }

  void seed_minimal() {
    seed_rows(context_.opened.minimal);
    if (options_.time_zones) seed_rows(context_.opened.time_zones);
  }

  void seed_places() {
    seed_rows(context_.opened.always);
    for (PathId id = 0; id < context_.tree.size(); ++id) {
      const std::string_view path = context_.tree.path(id);
      if (context_.tree.is_directory(id) || !stays_by_place(id)) continue;
      if (!is_configuration_place(path)) {
        marks_.keep(id, Follow::kData, "no software of a package: it lies outside /usr and /opt");
        continue;
      }
      marks_.keep(id, Follow::kKeep, "settings and databases");
      if (context_.tree.at(id).found.type == codec::MemberType::kSymlink)
        marks_.keep_path(path, Follow::kData, fmt::format("{} leads there", marks_.name(id)));
    }
  }

  /// Distributions of Python are software wherever they lie; alternatives go with their programs.
  bool stays_by_place(PathId id) const {
    const std::string_view path = context_.tree.path(id);
    // Links of a merged /usr: bin, lib.
    if (path.find('/') == std::string_view::npos) return true;
    if (is_software_place(path) || path.starts_with("etc/alternatives/")) return false;
    return std::ranges::none_of(context_.units.owners(id),
                                [&](UnitId unit) { return context_.units.at(unit).is_python(); });
  }

  void run() {
    while (true) {
      for (const UnitId unit : marks_.take_new_units()) python_.follow_unit(unit);
      const auto task = marks_.next();
      if (!task) break;
      look_at(*task);
    }
  }

  void look_at(const ReachMarks::Task& task) {
    const PathId id = task.id;
    const ReachTree::Node& node = context_.tree.at(id);
    python_.see(id);
    if (node.found.type == codec::MemberType::kSymlink) {
      marks_.keep_path(node.path, task.follow, fmt::format("{} leads there", marks_.name(id)));
      return;
    }
    if (!node.found.content) return;
    const inventory::ElfFacts* elf = context_.elf(id);
    if (elf != nullptr) {
      libraries_.follow(id, *elf);
      follow_language(id);
    }
    words_.follow_script(id, task.follow);
    if (goes_anyway(node.path)) return;
    const auto source = context_.facts.python.find(inventory::key_of(*node.found.content));
    if (source != context_.facts.python.end()) words_.follow_source(id, source->second);
    complete_units(id, task.follow, elf != nullptr || context_.script_line(id) != nullptr);
  }

  /// Tests of packages and their like, which other passes of this level take: what they name counts
  /// for nothing.
  bool goes_anyway(std::string_view path) const {
    const inventory::WasteRule* rule = waste_.classify(path);
    return rule != nullptr && rule->reported.empty() && rule->guard == inventory::Guard::kNone &&
           !rule->by_place && std::ranges::none_of(options_.keep, [&](const std::string& glob) {
             return glob_match(glob, path);
           });
  }

  /// A reached program or library brings the rest of its package, a distribution any file.
  void complete_units(PathId id, Follow follow, bool runs) {
    if (options_.minimal) return;
    // The packages of the everyday tools are collections of programs that need nothing beside them.
    const auto& tools = context_.opened.shell_tools;
    if (std::ranges::find(tools, base_name(context_.tree.path(id))) != tools.end()) return;
    for (const UnitId unit : context_.units.owners(id)) {
      const bool pip = context_.units.at(unit).type == "pip";
      if (pip || (runs && follow >= Follow::kUse)) marks_.keep_unit(unit, marks_.why(id));
    }
  }

  void follow_language(PathId id) {
    const std::string_view path = context_.tree.path(id);
    if (base_name(parent_path(path)) != "bin") return;
    const knowledge::LanguageRow* row = context_.opened.language(base_name(path));
    if (row == nullptr) return;
    for (const std::string& pattern : row->keeps)
      marks_.keep_matching(pattern, Follow::kData,
                           fmt::format("libraries of {} ({})", marks_.name(id), row->source));
  }

  Result<void> check_unclear() {
    for (const std::string& one : words_.unclear())
      TRY_DO(doubt(fmt::format("what runs cannot be told: {}", one)));
    for (const std::string& one : words_.notices())
      out_.notices.push_back(fmt::format("closure: not all that a script runs is known: {}", one));
    return {};
  }

  void keep_compiled_sources() {
    for (PathId id = 0; id < context_.tree.size(); ++id) {
      if (marks_.follow(id) != Follow::kNot) continue;
      const auto source = context_.tree.find(source_of_compiled(context_.tree.path(id)));
      if (source && marks_.follow(*source) != Follow::kNot)
        marks_.keep(id, Follow::kKeep, "compiled from " + marks_.name(*source));
    }
  }

  /// As a dist-info does, the record of a package of conda stays while any of the package does; and
  /// the history, by which conda knows an environment.
  void keep_conda_records() {
    for (UnitId unit = 0; unit < context_.units.size(); ++unit) {
      const ReachUnit& one = context_.units.at(unit);
      if (!one.record || std::ranges::none_of(one.files, [&](PathId id) {
            return marks_.follow(id) != Follow::kNot;
          }))
        continue;
      marks_.keep(*one.record, Follow::kKeep, "record of " + one.text());
      const std::string_view folder = parent_path(context_.tree.path(*one.record));
      if (const auto history = context_.tree.find(fmt::format("{}/history", folder)))
        marks_.keep(*history, Follow::kKeep, "record of an environment");
    }
  }

  void keep_licences() {
    std::vector<bool> kept(context_.units.size());
    for (PathId id = 0; id < context_.tree.size(); ++id)
      if (marks_.follow(id) != Follow::kNot)
        for (const UnitId unit : context_.units.owners(id)) kept[unit] = true;
    for (PathId id = 0; id < context_.tree.size(); ++id) {
      if (context_.tree.is_directory(id) || marks_.follow(id) != Follow::kNot ||
          !inventory::is_licence_text(context_.tree.path(id)))
        continue;
      const auto& owners = context_.units.owners(id);
      const bool wanted =
          !options_.minimal || std::ranges::any_of(owners, [&](UnitId unit) { return kept[unit]; });
      const bool gone_distribution = std::ranges::any_of(owners, [&](UnitId unit) {
        return context_.units.at(unit).type == "pip" && !kept[unit];
      });
      if (wanted && !gone_distribution) marks_.keep(id, Follow::kKeep, "licence text");
    }
  }

  Reach describe() {
    for (PathId id = 0; id < context_.tree.size(); ++id) {
      if (context_.tree.is_directory(id)) continue;
      const std::string path(context_.tree.path(id));
      if (marks_.follow(id) != Follow::kNot)
        out_.kept.emplace(path, marks_.why(id));
      else
        out_.unreached.push_back(path);
    }
    for (const auto& [path, why] : out_.kept)
      if (const auto id = context_.tree.find(path); is_without_interpreter(*id))
        out_.idle_scripts.insert(path);
    if (!out_.idle_scripts.empty())
      out_.notices.push_back(fmt::format(
          "closure: {} scripts stay as data, since nothing is seen to run them; their interpreters "
          "go: /{}",
          out_.idle_scripts.size(), *out_.idle_scripts.begin()));
    tell_of_idle_distributions();
    warn_of_gpu_libraries();
    describe_packages();
    if (options_.minimal) find_empty_directories();
    return std::move(out_);
  }

  void tell_of_idle_distributions() {
    std::vector<std::string> names;
    for (const UnitId unit : python_.passed_over())
      if (!marks_.reached(unit)) names.push_back(context_.units.at(unit).text());
    if (!names.empty())
      out_.notices.push_back(
          fmt::format("closure: these go, which packages want and no traced run used: {}",
                      fmt::join(names, ", ")));
  }

  /// A run without a GPU answers the same without them.
  void warn_of_gpu_libraries() {
    std::set<std::string> names;
    for (const std::string& path : out_.unreached)
      if (const auto id = context_.tree.find(path))
        if (const inventory::ElfFacts* elf = context_.elf(*id);
            elf != nullptr && inventory::flavour_of_library(elf->soname).has_value())
          names.insert(elf->soname);
    if (names.empty() || options_.minimal) return;
    out_.notices.push_back(
        fmt::format("closure: nothing is seen to load these CUDA libraries, so they go, and only a "
                    "run on a GPU would miss them (--keep GLOB leaves them): {}",
                    fmt::join(names, ", ")));
  }

  bool is_without_interpreter(PathId id) const {
    const std::string* line = context_.script_line(id);
    if (line == nullptr || is_configuration_place(context_.tree.path(id))) return false;
    const inventory::Interpreter interpreter = inventory::parse_interpreter(*line);
    const std::string program = interpreter.program.empty()
                                    ? context_.survey.resolve(interpreter.path).value_or("")
                                    : start_program(context_, interpreter.program);
    const auto real = context_.survey.resolve(program);
    return real && !out_.kept.contains(*real);
  }

  std::uint64_t bytes_of(PathId id) const {
    const auto& entry = context_.tree.at(id).found.entry;
    return entry ? context_.contents.scan(*entry).stored_bytes(entry->index) : 0;
  }

  void describe_packages() {
    std::map<std::pair<std::string, std::string>, std::string> versions;
    for (const auto& scan : context_.contents.scans())
      for (const auto& [index, packages] : scan->packages)
        for (const inventory::Package& package : packages)
          versions[{package.type, package.name}] = package.version;
    for (UnitId unit = 0; unit < context_.units.size(); ++unit) {
      const ReachUnit& one = context_.units.at(unit);
      UnreachedPackage gone{one.type, one.name, one.version, 0, 0, true};
      for (const PathId id : one.files) {
        if (marks_.follow(id) == Follow::kNot) {
          ++gone.files;
          gone.bytes += bytes_of(id);
        } else if (!inventory::is_licence_text(context_.tree.path(id)) &&
                   !is_configuration_place(context_.tree.path(id))) {
          gone.whole = false;
        }
      }
      if (gone.files == 0) continue;
      if (const auto known = versions.find({one.type, one.name});
          gone.version.empty() && known != versions.end())
        gone.version = known->second;
      out_.packages.push_back(std::move(gone));
    }
    std::ranges::stable_sort(out_.packages, [](const auto& a, const auto& b) {
      return std::pair(b.bytes, a.name) < std::pair(a.bytes, b.name);
    });
  }

  void find_empty_directories() {
    static constexpr auto kPlaces =
        std::to_array<std::string_view>({"", "tmp", "var", "var/tmp", "var/lib", "run", "var/run",
                                         "proc", "sys", "dev", "etc", "home", "root"});
    std::set<std::string, std::less<>> wanted(kPlaces.begin(), kPlaces.end());
    const auto want = [&](std::string_view path) {
      for (; !path.empty(); path = parent_path(path)) wanted.emplace(path);
    };
    for (const auto& [path, why] : out_.kept) want(parent_path(path));
    want(context_.working_directory);
    for (const auto& [path, nothing] : context_.image.config["config"]["Volumes"].members())
      want(resolve_link_text("", path));
    for (PathId id = 0; id < context_.tree.size(); ++id) {
      const std::string_view path = context_.tree.path(id);
      if (context_.tree.is_directory(id) && context_.tree.at(id).found.entry &&
          !wanted.contains(path) && !path.starts_with("home/"))
        out_.empty_directories.emplace_back(path);
    }
  }

  const ReachContext& context_;
  const ReachOptions& options_;
  ReachMarks marks_;
  ReachLibraries libraries_;
  ReachPython python_;
  ReachWords words_;
  inventory::WasteClassifier waste_;
  Reach out_;
};

}  // namespace

std::set<std::string, std::less<>> reach_calls(const knowledge::OpenedFiles& opened) {
  std::set<std::string, std::less<>> out(opened.shell_calls.begin(), opened.shell_calls.end());
  for (const knowledge::OpenedRow& row : opened.calls)
    out.insert(row.calls.begin(), row.calls.end());
  return out;
}

Result<Reach> find_reach(const image::Image& image, const inventory::Contents& contents,
                         const ReachFacts& facts, const knowledge::OpenedFiles& opened,
                         const ReachOptions& options) {
  ReachTree tree(contents.tree());
  ReachUnits units(tree, facts);
  std::vector<bool> idle;
  if (options.trace_decides) idle = idle_distributions(tree, units, options.traced);
  const ReachContext context{image,
                             contents,
                             facts,
                             opened,
                             options,
                             std::move(tree),
                             std::move(units),
                             inventory::survey(image, contents),
                             std::move(idle),
                             inventory::program_path(image),
                             resolve_link_text("", image.config["config"]["WorkingDir"].text())};
  return Closure(context).draw();
}

}  // namespace flense::closure
