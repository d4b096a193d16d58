#include "slim/python/compile_python.h"

#include <sys/personality.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <set>
#include <span>

#include "base/file.h"
#include "base/format.h"
#include "base/parallel.h"
#include "base/path.h"
#include "base/process.h"
#include "codec/tar/tar.h"
#include "slim/python/compile_script.h"
#include "slim/python/compiled_python.h"

namespace flense::slim {

namespace {

using closure::PythonSource;
using closure::PythonSources;

constexpr unsigned kInterpreters = 4;  ///< at once
/// Of one interpreter. PyTorch's packages compile to 0.15 GB.
constexpr std::uint64_t kMostAnswerBytes = 8ull << 30;

constexpr std::string_view kAskKind =
    "import importlib.util, sys; "
    "print(int.from_bytes(importlib.util.MAGIC_NUMBER, 'little'), sys.implementation.cache_tag)";

/// Of the image's environment what an interpreter needs to start. Hashes decide the order of
/// constants in sets, so they are the same each time.
SandboxEnvironment compiler_environment(const SandboxEnvironment& image) {
  SandboxEnvironment out;
  for (const std::string& variable : image.environment)
    if (variable.starts_with("PATH=") || variable.starts_with("LD_LIBRARY_PATH="))
      out.environment.push_back(variable);
  out.environment.emplace_back("PYTHONHASHSEED=0");
  out.environment.emplace_back("PYTHONDONTWRITEBYTECODE=1");
  return out;
}

std::string_view value_of(const SandboxEnvironment& image, std::string_view name) {
  for (const std::string& variable : image.environment)
    if (variable.starts_with(name) && variable.substr(name.size(), 1) == "=")
      return std::string_view(variable).substr(name.size() + 1);
  return {};
}

/// As Python reads PYTHONOPTIMIZE: a number, and 1 for any other text.
unsigned optimisation_of(const SandboxEnvironment& image) {
  const std::string_view text = value_of(image, "PYTHONOPTIMIZE");
  if (text.empty() || text == "0") return 0;
  return text == "2" ? 2 : 1;
}

/// What this thread starts has no randomised addresses, by which Python before 3.11 orders some
/// constants.
class FixedAddresses {
 public:
  FixedAddresses() : before_(::personality(kAsk)) {
    if (before_ >= 0) ::personality(static_cast<unsigned>(before_) | ADDR_NO_RANDOMIZE);
  }
  FixedAddresses(const FixedAddresses&) = delete;
  FixedAddresses& operator=(const FixedAddresses&) = delete;
  ~FixedAddresses() {
    if (before_ >= 0) ::personality(static_cast<unsigned>(before_));
  }

 private:
  static constexpr unsigned long kAsk = 0xffffffff;
  int before_;
};

/// One version's Python in the root.
class Interpreter {
 public:
  static Result<Interpreter> start(const std::filesystem::path& root, const std::string& path,
                                   const SandboxEnvironment& environment) {
    Interpreter out(root, path, environment);
    TRY(const std::vector<std::string> argv, out.command({std::string(kAskKind)}));
    TRY(ProcessOutput said, run_process(argv));
    const SandboxRun run{said.status, std::move(said.out), std::move(said.err)};
    if (auto failure = sandbox_failure(run)) return std::unexpected(*std::move(failure));
    if (run.status != 0)
      return fail(Code::kEnvironment, "{} does not run here: {}", path,
                  run.err.substr(0, run.err.find('\n')))
          .hint(
              "--pyc compile needs a processor that runs the image; leave it out, or compile in "
              "the "
              "image's build with python3 -m compileall");
    TRY(out.kind_, with_context(parse_python_kind(run.out), "asking {}", path));
    return out;
  }

  const PythonKind& kind() const { return kind_; }

  /// What it answers for the sources, in a scratch file.
  Result<MappedFile> compile(std::span<const PythonSource> sources, unsigned optimisation,
                             const std::filesystem::path& scratch,
                             const std::stop_token& stop) const {
    TRY(const UniqueFd names, open_scratch(scratch));
    std::string list;
    for (const PythonSource& source : sources) list += fmt::format("/{}\n", source.path);
    TRY_DO(write_fully(names.get(), as_bytes(list), "a scratch file"));
    if (::lseek(names.get(), 0, SEEK_SET) != 0) return system_error(errno, "cannot rewind a file");
    TRY(const std::vector<std::string> argv,
        command({std::string(compile_script()), std::to_string(optimisation)}));
    ChildProcess::Options options;
    options.stdin_fd = names.get();
    options.pipe_stdout = true;
    options.discard_stderr = true;
    TRY(const UniqueFd answer, open_scratch(scratch));
    const FixedAddresses fixed;
    TRY(const auto child, ChildProcess::start(argv, options));
    FdSource from(child->stdout_fd(), path_);
    FdSink to(answer.get(), "a scratch file");
    for (std::uint64_t total = 0;;) {
      TRY(const Bytes chunk, from.next(1u << 20));
      if (chunk.empty()) break;
      if (stop.stop_requested()) return interrupted();
      total += chunk.size();
      if (total > kMostAnswerBytes) return bad_input("{} answers without end", path_);
      TRY_DO(with_hint(to.write(chunk), "choose a roomier scratch directory with --tmpdir"));
    }
    TRY(const int status, child->wait());
    if (status != 0)
      return fail(Code::kEnvironment, "{} ended with {} while it compiled", path_, status);
    return MappedFile::map(answer.get(), path_);
  }

 private:
  Interpreter(const std::filesystem::path& root, const std::string& path,
              const SandboxEnvironment& environment)
      : root_(root), path_("/" + path), environment_(compiler_environment(environment)) {}

  /// Without the site module: what packages start with is not wanted.
  Result<std::vector<std::string>> command(std::vector<std::string> script) const {
    std::vector<std::string> argv = {path_, "-S", "-s", "-B", "-c"};
    std::ranges::move(script, std::back_inserter(argv));
    TRY(SandboxStart start, prepare_sandbox(root_, argv, environment_, "--pyc compile"));
    return std::move(start.argv);
  }

  std::filesystem::path root_;
  std::string path_;
  SandboxEnvironment environment_;
  PythonKind kind_;
};

/// The tar of the compiled files.
class LayerTar {
 public:
  LayerTar(const image::MergedTree& tree, Sink& to) : tree_(tree), tar_(to) {}

  Result<void> add(const PythonSource& source, const std::string& path, Bytes bytes) {
    TRY_DO(add_directories(std::string(parent_path(path)), source));
    // The mode is of what a link leads to, as imports take it.
    const std::string real = tree_.resolve(source.path).value_or(source.path);
    codec::TarMember member = like(tree_.find(real), source);
    member.name = path;
    member.mode &= 0666;
    member.size = bytes.size();
    TRY_DO(tar_.begin(member));
    TRY_DO(tar_.write_content(bytes));
    return tar_.end();
  }
  Result<void> finish() { return tar_.finish(); }

 private:
  /// Engines give directories that a layer only implies an owner and mode of their own.
  Result<void> add_directories(const std::string& path, const PythonSource& source) {
    if (path.empty() || !written_.insert(path).second) return {};
    const std::string above(parent_path(path));
    TRY_DO(add_directories(above, source));
    const auto found = tree_.find(path);
    // A new one is as the directory of its source.
    codec::TarMember member = like(found && found->entry ? found : tree_.find(above), source);
    member.name = path + "/";
    member.type = codec::MemberType::kDirectory;
    TRY_DO(tar_.begin(member));
    return tar_.end();
  }

  codec::TarMember like(const std::optional<image::MergedTree::Found>& found,
                        const PythonSource& source) const {
    codec::TarMember out;
    out.mode = 0755;
    out.mtime = source.mtime;
    if (!found || !found->entry) return out;
    const image::LayerListing::Entry entry =
        tree_.entry(found->content ? *found->content : *found->entry);
    out.mode = entry.mode;
    out.uid = entry.uid;
    out.gid = entry.gid;
    out.mtime = entry.mtime;
    return out;
  }

  const image::MergedTree& tree_;
  codec::TarWriter tar_;
  std::set<std::string> written_;
};

/// Consecutive shares of about the same size in bytes.
std::vector<std::span<const PythonSource>> shares_of(const std::vector<PythonSource>& files,
                                                     std::size_t count) {
  std::uint64_t total = 0;
  for (const PythonSource& file : files) total += file.size + 1;
  std::vector<std::span<const PythonSource>> out;
  std::uint64_t seen = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    seen += files[i].size + 1;
    if (seen < total / count * (out.size() + 1) && i + 1 < files.size()) continue;
    if (out.size() + 1 == count && i + 1 < files.size()) continue;
    out.emplace_back(files.begin() + static_cast<std::ptrdiff_t>(begin),
                     files.begin() + static_cast<std::ptrdiff_t>(i + 1));
    begin = i + 1;
  }
  return out;
}

Result<void> compile_version(const PythonSources& sources, const Interpreter& interpreter,
                             unsigned optimisation, const std::filesystem::path& scratch,
                             const std::stop_token& stop, LayerTar& tar, CompiledSources& out) {
  const auto shares =
      shares_of(sources.files, std::min<std::size_t>(processor_count(), kInterpreters));
  std::vector<MappedFile> answers(shares.size());
  TRY_DO(parallel_for(
      shares.size(), static_cast<unsigned>(shares.size()), [&](std::size_t i) -> Result<void> {
        TRY(answers[i], interpreter.compile(shares[i], optimisation, scratch, stop));
        return {};
      }));
  for (std::size_t i = 0; i < shares.size(); ++i) {
    ByteReader answer(answers[i].bytes(), sources.interpreter);
    for (const PythonSource& source : shares[i]) {
      TRY(const CompiledSource compiled,
          with_context(read_compiled(answer, interpreter.kind(), source),
                       "reading what became of {}", source.path));
      out.current += compiled.state == CompileState::kCurrent ? 1 : 0;
      out.failed += compiled.state == CompileState::kFailed ? 1 : 0;
      if (compiled.state != CompileState::kCompiled) continue;
      ++out.files;
      out.bytes += compiled.bytes.size();
      TRY_DO(tar.add(source,
                     closure::compiled_path(source.path, interpreter.kind().tag, optimisation),
                     compiled.bytes));
    }
    if (answer.remaining() > 0)
      return bad_input("{} answers more than it was asked", sources.interpreter);
  }
  return {};
}

}  // namespace

std::vector<PythonSources> staying_sources(const image::MergedTree& tree, const Plan& plan) {
  const auto goes = [&](const PythonSource& source) {
    const auto found = tree.find(source.path);
    if (!found || !found->entry) return true;
    const auto& edits = plan.layers[found->entry->layer].edits;
    const auto edit = edits.find(found->entry->index);
    return edit != edits.end() &&
           (edit->second.action == Action::kDrop || edit->second.action == Action::kRename);
  };
  std::vector<PythonSources> out = closure::find_python_sources(tree);
  for (PythonSources& version : out) std::erase_if(version.files, goes);
  std::erase_if(out, [](const PythonSources& version) { return version.files.empty(); });
  return out;
}

Result<CompiledLayer> compile_python(const std::filesystem::path& root,
                                     const image::MergedTree& tree,
                                     const std::vector<PythonSources>& versions,
                                     const SandboxEnvironment& environment,
                                     const std::filesystem::path& scratch,
                                     const std::stop_token& stop, Progress* progress, Sink& to) {
  CompiledLayer out;
  LayerTar tar(tree, to);
  const unsigned optimisation = optimisation_of(environment);
  for (const PythonSources& sources : versions) {
    if (stop.stop_requested()) return interrupted();
    if (sources.interpreter.empty()) {
      out.notices.push_back(fmt::format("{} sources of {} are not compiled: the image has no {}",
                                        grouped(sources.files.size()), sources.version,
                                        sources.version));
      continue;
    }
    if (progress != nullptr)
      progress->begin(fmt::format("compiling {} Python files", grouped(sources.files.size())), 0);
    TRY(const Interpreter interpreter, Interpreter::start(root, sources.interpreter, environment));
    TRY_DO(with_context(
        compile_version(sources, interpreter, optimisation, scratch, stop, tar, out.sums),
        "compiling with {}", sources.interpreter));
  }
  if (const std::string_view prefix = value_of(environment, "PYTHONPYCACHEPREFIX");
      !prefix.empty() && out.sums.files > 0)
    out.notices.push_back(fmt::format(
        "the image sets PYTHONPYCACHEPREFIX={}: imports look there, not for what was compiled",
        prefix));
  TRY_DO(tar.finish());
  return out;
}

}  // namespace flense::slim
