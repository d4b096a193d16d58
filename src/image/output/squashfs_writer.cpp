#include "image/output/squashfs_writer.h"

#include <pthread.h>
#include <csignal>

#include <system_error>

#include "base/file.h"
#include "base/process.h"
#include "codec/sha256.h"
#include "image/output/blob_stage.h"

namespace flense::image {

namespace {

/// While it lives, a child that gives up early shows as EPIPE, not as a signal that ends us.
class NoPipeSignal {
 public:
  NoPipeSignal() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  NoPipeSignal(const NoPipeSignal&) = delete;
  NoPipeSignal& operator=(const NoPipeSignal&) = delete;
  ~NoPipeSignal() {
    // One that came meanwhile is taken, so that unblocking does not deliver it.
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    const timespec at_once{};
    sigtimedwait(&set, nullptr, &at_once);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t before_{};
};

class SquashfsWriter final : public ImageWriter {
 public:
  SquashfsWriter(OutputSpec spec, std::string program, AtomicDirectory stage)
      : spec_(std::move(spec)), program_(std::move(program)), stage_(std::move(stage)) {}

  Result<std::unique_ptr<LayerSink>> begin_layer(codec::Compression compression,
                                                 const codec::EncodeOptions& options) override {
    if (begun_) return fail(Code::kInternal, "a squashfs file is made of one layer");
    begun_ = true;
    TRY(UniqueFd fd, open_scratch(stage_.staging()));
    return std::make_unique<Spool>(*this, std::move(fd), compression, options.level);
  }

  Result<LayerResult> copy_layer(const Image& from, std::size_t index) override {
    if (from.entries() == nullptr) return fail(Code::kInternal, "layer {} is no tree", index);
    TRY(const auto sink, begin_layer(codec::Compression::kNone, {}));
    TRY_DO(pack_entries(from, *sink));
    TRY_DO(sink->finish());
    return sink->result();
  }

  Result<std::string> commit(const text::Json& /*config*/, const text::Json& /*annotations*/,
                             const std::vector<LayerResult>& /*layers*/) override {
    TRY(AtomicFile out, AtomicFile::create(spec_.path));
    TRY(const MappedFile made, MappedFile::open(made_path()));
    TRY_DO(write_fully(out.fd(), made.bytes(), spec_.path.string()));
    TRY_DO(out.commit());
    notices_.emplace_back(
        "a squashfs file has no configuration: environment, user and entry point are not in it");
    return std::string();
  }

 private:
  class Spool final : public LayerSink {
   public:
    Spool(SquashfsWriter& writer, UniqueFd fd, codec::Compression compression, int level)
        : writer_(writer),
          fd_(std::move(fd)),
          file_(fd_.get(), "a scratch file"),
          hash_(file_),
          compression_(compression),
          level_(level) {}
    Result<void> write(Bytes bytes) override { return hash_.write(bytes); }
    Result<void> finish() override {
      result_.unpacked_bytes = hash_.size();
      result_.diff_id = hash_.digest();
      TRY(const MappedFile tar, MappedFile::map(fd_.get(), "a scratch file"));
      TRY_DO(writer_.make(tar.bytes(), compression_, level_));
      TRY(const MappedFile made, MappedFile::open(writer_.made_path()));
      result_.blob.size = made.bytes().size();
      result_.blob.digest = codec::sha256_digest(made.bytes());
      return {};
    }
    const LayerResult& result() const override { return result_; }

   private:
    SquashfsWriter& writer_;
    UniqueFd fd_;
    FdSink file_;
    codec::HashingSink hash_;
    codec::Compression compression_;
    int level_;
    LayerResult result_;
  };

  std::filesystem::path made_path() const { return stage_.staging() / "image.squashfs"; }

  Result<void> make(Bytes tar, codec::Compression compression, int level) {
    const bool gzip = compression == codec::Compression::kGzip;
    std::vector<std::string> command = {program_,
                                        "--quiet",
                                        "--no-skip",
                                        "--compressor",
                                        gzip ? "gzip" : "zstd",
                                        "--defaults",
                                        "uid=0,gid=0,mode=0755,mtime=0"};
    if (level > 0) {
      command.emplace_back("--comp-extra");
      command.push_back(fmt::format("level={}", level));
    }
    command.push_back(made_path());
    ChildProcess::Options options;
    options.pipe_stdin = true;
    TRY(const auto child, ChildProcess::start(command, options));
    const NoPipeSignal guard;
    FdSink to(child->stdin_fd(), "the pipe to tar2sqfs");
    const Result<void> fed = to.write(tar);
    child->close_stdin();
    TRY(const int status, child->wait());
    if (status != 0)
      return fail(Code::kEnvironment, "tar2sqfs ended with status {}: {}", status, child->said());
    return fed;
  }

  OutputSpec spec_;
  std::string program_;
  AtomicDirectory stage_;  ///< never committed: it holds what is made before it is whole
  bool begun_ = false;
};

}  // namespace

Result<std::unique_ptr<ImageWriter>> create_squashfs_writer(const OutputSpec& spec) {
  using Out = Result<std::unique_ptr<ImageWriter>>;
  std::error_code ignored;
  if (std::filesystem::exists(spec.path, ignored))
    return fail(Code::kEnvironment, "{} already exists", spec.path.string());
  const auto program = find_program("tar2sqfs");
  if (!program)
    return with_hint(
        Out(fail(Code::kEnvironment, "tar2sqfs is not on PATH, which writes squashfs files")),
        "install squashfs-tools-ng");
  std::filesystem::path stage = spec.path;
  stage += ".stage";
  TRY(AtomicDirectory directory, AtomicDirectory::create(stage));
  return std::make_unique<SquashfsWriter>(spec, *program, std::move(directory));
}

}  // namespace flense::image
