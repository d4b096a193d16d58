// Adapter over libsquashfs. Only its block decompressors are used: its readers of tables and inodes
// allocate what the image claims before they check that it is there.
#include "codec/squashfs/blocks.h"

#include <sqfs/compressor.h>
#include <sqfs/error.h>

#include <limits>
#include <utility>

namespace flense::codec::squash {

namespace {

struct Destroy {
  void operator()(sqfs_compressor_t* compressor) const { sqfs_destroy(compressor); }
};

}  // namespace

struct BlockDecoder::State {
  std::unique_ptr<sqfs_compressor_t, Destroy> compressor;
};

BlockDecoder::BlockDecoder(std::unique_ptr<State> state) : state_(std::move(state)) {}
BlockDecoder::BlockDecoder(BlockDecoder&&) noexcept = default;
BlockDecoder& BlockDecoder::operator=(BlockDecoder&&) noexcept = default;
BlockDecoder::~BlockDecoder() = default;

Result<BlockDecoder> BlockDecoder::create(std::uint16_t compressor, std::uint32_t block_size) {
  if (compressor < SQFS_COMP_MIN || compressor > SQFS_COMP_MAX)
    return bad_input("squashfs compressor {} is unknown", compressor);
  const auto id = static_cast<SQFS_COMPRESSOR>(compressor);
  const char* name = sqfs_compressor_name_from_id(id);
  sqfs_compressor_config_t config{};
  auto state = std::make_unique<State>();
  sqfs_compressor_t* created = nullptr;
  if (sqfs_compressor_config_init(&config, id, block_size, SQFS_COMP_FLAG_UNCOMPRESS) != 0 ||
      sqfs_compressor_create(&config, &created) != 0)
    return bad_input("squashfs compressed with {} cannot be read by this build",
                     name == nullptr ? "an unknown method" : name);
  state->compressor.reset(created);
  return BlockDecoder(std::move(state));
}

Result<std::size_t> BlockDecoder::decode(Bytes in, MutableBytes out) {
  constexpr std::size_t kMost = std::numeric_limits<sqfs_s32>::max();
  if (in.empty() || in.size() > kMost || out.size() > kMost)
    return bad_input("a squashfs block of {} bytes cannot be", in.size());
  sqfs_compressor_t* compressor = state_->compressor.get();
  const sqfs_s32 got = compressor->do_block(
      compressor, reinterpret_cast<const sqfs_u8*>(in.data()), static_cast<sqfs_u32>(in.size()),
      reinterpret_cast<sqfs_u8*>(out.data()), static_cast<sqfs_u32>(out.size()));
  if (got == SQFS_ERROR_ALLOC) return fail(Code::kEnvironment, "out of memory in a decompressor");
  if (got <= 0 || static_cast<std::size_t>(got) > out.size())
    return bad_input("a squashfs block is corrupt");
  return static_cast<std::size_t>(got);
}

}  // namespace flense::codec::squash
