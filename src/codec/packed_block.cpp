// Adapter over libzstd, zlib and liblz4.
#include "codec/packed_block.h"

#include <fcntl.h>
#include <lz4.h>
#include <sys/mman.h>
#include <zlib.h>
// The decoder that works block by block in the caller's buffer is in the static library only.
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/file.h"

namespace flense::codec {

namespace {

constexpr std::size_t kOutBlock = 256u << 10;
/// zlib's counters have 32 bits.
constexpr std::size_t kMostAtOnce = 1u << 30;
/// Larger contents go to a scratch file.
constexpr std::uint64_t kMostInMemory = 32u << 20;

struct FreeDecoder {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};
struct FreeEncoder {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

Result<void> check_zstd_start(Bytes packed) {
  // Legacy formats, which libzstd may support, are checked less strictly than frames of RFC 8878.
  if (packed.size() < 4 || load_le<std::uint32_t>(packed, 0) != ZSTD_MAGICNUMBER)
    return bad_input("no Zstandard frame where one was expected");
  return {};
}

Failure corrupt_zstd(std::size_t at, std::size_t error) {
  return bad_input("the zstd frame is corrupt or truncated at offset {:#x}: {}", at,
                   ZSTD_getErrorName(error));
}

/// libzstd's streaming decoder would set aside the frame's whole window, which for one of
/// LLVM's is all that it holds.
Result<std::string> zstd_start(Bytes packed, std::size_t most) {
  TRY_DO(check_zstd_start(packed));
  const std::unique_ptr<ZSTD_DCtx, FreeDecoder> context(ZSTD_createDCtx());
  if (!context) return fail(Code::kEnvironment, "zstd is out of memory");
  std::string out(most + ZSTD_BLOCKSIZE_MAX, '\0');
  std::size_t filled = 0, at = 0;
  ZSTD_decompressBegin(context.get());
  while (filled < most) {
    const std::size_t wanted = ZSTD_nextSrcSizeToDecompress(context.get());
    if (wanted == 0) break;
    if (wanted > packed.size() - at)
      return bad_input("the zstd frame is truncated: it ends at offset {:#x}", packed.size());
    const std::size_t got = ZSTD_decompressContinue(
        context.get(), out.data() + filled, out.size() - filled, packed.data() + at, wanted);
    if (ZSTD_isError(got) != 0) return corrupt_zstd(at, got);
    at += wanted;
    filled += got;
  }
  out.resize(std::min(filled, most));
  return out;
}

/// The size of the frame.
Result<std::size_t> unpack_zstd(Bytes packed, MutableBytes to) {
  TRY_DO(check_zstd_start(packed));
  const std::size_t size = ZSTD_findFrameCompressedSize(packed.data(), packed.size());
  if (ZSTD_isError(size) != 0) return corrupt_zstd(0, size);
  const std::size_t got = ZSTD_decompress(to.data(), to.size(), packed.data(), size);
  if (ZSTD_isError(got) != 0) return corrupt_zstd(0, got);
  if (got != to.size())
    return bad_input("the zstd frame holds {} bytes, {} were expected", got, to.size());
  return size;
}

class Inflater {
 public:
  explicit Inflater(Bytes packed) : packed_(packed) { ready_ = inflateInit(&stream_) == Z_OK; }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() {
    if (ready_) inflateEnd(&stream_);
  }

  /// Fills `target`, unless the stream ends before.
  Result<std::size_t> read(MutableBytes target) {
    if (!ready_) return fail(Code::kEnvironment, "zlib is out of memory");
    std::size_t filled = 0;
    while (!ended_ && filled < target.size()) {
      const MutableBytes room =
          target.subspan(filled, std::min(target.size() - filled, kMostAtOnce));
      const Bytes rest = packed_.subspan(at_, std::min(packed_.size() - at_, kMostAtOnce));
      stream_.next_out = reinterpret_cast<Bytef*>(room.data());
      stream_.avail_out = static_cast<uInt>(room.size());
      stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(rest.data()));
      stream_.avail_in = static_cast<uInt>(rest.size());
      const int status = inflate(&stream_, Z_NO_FLUSH);
      at_ += rest.size() - stream_.avail_in;
      filled += room.size() - stream_.avail_out;
      ended_ = status == Z_STREAM_END;
      if (status == Z_BUF_ERROR)
        return bad_input("the zlib stream is truncated: it ends at offset {:#x}", at_);
      if (status != Z_OK && !ended_)
        return bad_input("the zlib stream is corrupt at offset {:#x}: {}", at_,
                         stream_.msg != nullptr ? stream_.msg : zError(status));
    }
    return filled;
  }
  std::size_t consumed() const { return at_; }

 private:
  Bytes packed_;
  std::size_t at_ = 0;
  z_stream stream_{};
  bool ready_ = false, ended_ = false;
};

Result<std::size_t> unpack_zlib(Bytes packed, MutableBytes to) {
  Inflater inflater(packed);
  TRY(const std::size_t got, inflater.read(to));
  if (got != to.size())
    return bad_input("the zlib stream holds {} bytes, {} were expected", got, to.size());
  // The checksum after the last byte is read, and nothing may follow even where there is room.
  std::byte one{};
  TRY(const std::size_t more, inflater.read(MutableBytes(&one, 1)));
  if (more != 0) return bad_input("the zlib stream holds more than the {} bytes expected", got);
  return inflater.consumed();
}

class ZstdBlockWriter final : public Sink {
 public:
  ZstdBlockWriter(Sink& to, int level, std::uint64_t size)
      : to_(to), out_(kOutBlock), context_(ZSTD_createCCtx()) {
    if (!context_) return;
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setPledgedSrcSize(context_.get(), size);
  }
  Result<void> write(Bytes bytes) override { return pack(bytes, ZSTD_e_continue); }
  Result<void> finish() override { return pack({}, ZSTD_e_end); }

 private:
  Result<void> pack(Bytes bytes, ZSTD_EndDirective what) {
    if (!context_) return fail(Code::kEnvironment, "zstd is out of memory");
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    while (true) {
      ZSTD_outBuffer out{out_.data(), out_.size(), 0};
      const std::size_t left = ZSTD_compressStream2(context_.get(), &out, &in, what);
      if (ZSTD_isError(left) != 0)
        return fail(Code::kEnvironment, "zstd cannot compress: {}", ZSTD_getErrorName(left));
      if (out.pos > 0) TRY_DO(to_.write(Bytes(out_).first(out.pos)));
      if (what == ZSTD_e_end ? left == 0 : in.pos == in.size) return {};
    }
  }

  Sink& to_;
  std::vector<std::byte> out_;
  std::unique_ptr<ZSTD_CCtx, FreeEncoder> context_;
};

class ZlibBlockWriter final : public Sink {
 public:
  ZlibBlockWriter(Sink& to, int level) : to_(to), out_(kOutBlock) {
    ready_ = deflateInit(&stream_, level) == Z_OK;
  }
  ZlibBlockWriter(const ZlibBlockWriter&) = delete;
  ZlibBlockWriter& operator=(const ZlibBlockWriter&) = delete;
  ~ZlibBlockWriter() override {
    if (ready_) deflateEnd(&stream_);
  }

  Result<void> write(Bytes bytes) override {
    while (!bytes.empty()) {
      const Bytes part = bytes.first(std::min(bytes.size(), kMostAtOnce));
      TRY_DO(pack(part, Z_NO_FLUSH));
      bytes = bytes.subspan(part.size());
    }
    return {};
  }
  Result<void> finish() override { return pack({}, Z_FINISH); }

 private:
  Result<void> pack(Bytes bytes, int flush) {
    if (!ready_) return fail(Code::kEnvironment, "zlib cannot compress");
    stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    int status = Z_OK;
    do {
      stream_.next_out = reinterpret_cast<Bytef*>(out_.data());
      stream_.avail_out = static_cast<uInt>(out_.size());
      status = deflate(&stream_, flush);
      if (status == Z_STREAM_ERROR)
        return fail(Code::kInternal, "zlib cannot continue compressing");
      TRY_DO(to_.write(Bytes(out_).first(out_.size() - stream_.avail_out)));
    } while (stream_.avail_out == 0 || (flush == Z_FINISH && status != Z_STREAM_END));
    return {};
  }

  Sink& to_;
  std::vector<std::byte> out_;
  z_stream stream_{};
  bool ready_ = false;
};

/// Room for `size` bytes that is written through the mapping; the disk space is taken beforehand,
/// because a page that cannot be stored would be a signal.
Result<MutableBytes> map_scratch(std::uint64_t size, const std::filesystem::path& directory) {
  TRY(const UniqueFd scratch, open_scratch(directory));
  if (const int error = ::posix_fallocate(scratch.get(), 0, static_cast<off_t>(size)); error != 0)
    return system_error(error, "cannot store an unpacked block in " + directory.string());
  void* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, scratch.get(), 0);
  if (at == MAP_FAILED) return system_error(errno, "cannot map a scratch file");
  return MutableBytes(static_cast<std::byte*>(at), static_cast<std::size_t>(size));
}

}  // namespace

Result<std::string> unpack_block_start(Bytes packed, BlockMethod method, std::size_t most) {
  if (method == BlockMethod::kZstd) return zstd_start(packed, most);
  std::string out(most, '\0');
  Inflater inflater(packed);
  TRY(const std::size_t got, inflater.read(std::as_writable_bytes(std::span(out))));
  out.resize(got);
  return out;
}

Result<UnpackedBlock> UnpackedBlock::make(Bytes packed, BlockMethod method, std::uint64_t size,
                                          const std::filesystem::path& scratch) {
  UnpackedBlock out;
  TRY(const MutableBytes to, out.reserve(size, scratch));
  TRY(out.consumed_,
      method == BlockMethod::kZstd ? unpack_zstd(packed, to) : unpack_zlib(packed, to));
  return out;
}

Result<std::string> unpack_lz4_start(Bytes packed, std::size_t most) {
  if (packed.size() > LZ4_MAX_INPUT_SIZE || most > LZ4_MAX_INPUT_SIZE)
    return bad_input("an LZ4 block of {} bytes is too large", packed.size());
  std::string out(most, '\0');
  const int got = LZ4_decompress_safe_partial(reinterpret_cast<const char*>(packed.data()),
                                              out.data(), static_cast<int>(packed.size()),
                                              static_cast<int>(most), static_cast<int>(most));
  if (got < 0) return bad_input("the LZ4 block is corrupt or truncated");
  out.resize(static_cast<std::size_t>(got));
  return out;
}

Result<UnpackedBlock> UnpackedBlock::of_lz4(Bytes packed, std::uint64_t size,
                                            const std::filesystem::path& scratch) {
  if (packed.size() > LZ4_MAX_INPUT_SIZE || size > LZ4_MAX_INPUT_SIZE)
    return bad_input("an LZ4 block of {} bytes for {} is too large", packed.size(), size);
  UnpackedBlock out;
  TRY(const MutableBytes to, out.reserve(size, scratch));
  const int got = LZ4_decompress_safe(reinterpret_cast<const char*>(packed.data()),
                                      reinterpret_cast<char*>(to.data()),
                                      static_cast<int>(packed.size()), static_cast<int>(size));
  if (got < 0) return bad_input("the LZ4 block is corrupt or truncated");
  if (std::cmp_not_equal(got, size))
    return bad_input("the LZ4 block holds {} bytes, {} were expected", got, size);
  out.consumed_ = packed.size();
  return out;
}

Result<MutableBytes> UnpackedBlock::reserve(std::uint64_t size,
                                            const std::filesystem::path& scratch) {
  if (size > kMostInMemory) {
    TRY(mapped_, map_scratch(size, scratch));
    bytes_ = mapped_;
    return mapped_;
  }
  const auto room = static_cast<std::size_t>(size);
  memory_ = std::make_unique_for_overwrite<std::byte[]>(room);
  bytes_ = Bytes(memory_.get(), room);
  return MutableBytes(memory_.get(), room);
}

UnpackedBlock::~UnpackedBlock() {
  if (!mapped_.empty()) ::munmap(mapped_.data(), mapped_.size());
}

std::unique_ptr<Sink> write_block(Sink& to, BlockMethod method, int level, std::uint64_t size) {
  if (method == BlockMethod::kZlib) return std::make_unique<ZlibBlockWriter>(to, level);
  return std::make_unique<ZstdBlockWriter>(to, level, size);
}

std::uint64_t zstd_memory(int level, std::uint64_t size) {
  return kOutBlock + ZSTD_estimateCStreamSize_usingCParams(ZSTD_getCParams(level, size, 0));
}

std::uint64_t unpacked_memory(std::uint64_t size) {
  return size > kMostInMemory ? 0 : size;
}

}  // namespace flense::codec
