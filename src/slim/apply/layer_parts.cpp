#include "slim/apply/layer_parts.h"

#include <algorithm>
#include <numeric>

#include "base/checked.h"
#include "base/parallel.h"
#include "base/path.h"
#include "base/utf8.h"
#include "codec/estargz.h"
#include "codec/tar/tar.h"
#include "slim/apply/lazy_layer.h"
#include "slim/apply/split_plan.h"

namespace flense::slim {

namespace {

constexpr unsigned kPartsAtOnce = 2;  ///< each compresses on threads of its own

const char* why_unlisted(const codec::TarMember& member) {
  if (member.sparse) return "is sparse";
  if (member.type == codec::MemberType::kOther) return "is of a type of its own";
  for (const std::string* text : {&member.name, &member.link, &member.user, &member.group})
    if (!is_utf8(*text)) return "has a name, an owner or a target that is no UTF-8";
  return nullptr;
}

Result<std::vector<SplitMember>> list_members(Bytes tar, const std::string& name, bool& globals) {
  MemorySource source(tar);
  codec::TarReader reader(source, name, {});
  std::vector<SplitMember> out;
  while (true) {
    TRY(const auto member, reader.next());
    if (!member) break;
    SplitMember one;
    TRY(one.path, with_context(normalise_member_path(member->name), "reading {}", name));
    one.type = member->type;
    if (one.type == codec::MemberType::kHardLink) {
      TRY(one.link, with_context(normalise_member_path(member->link), "reading {}", name));
    }
    const std::uint64_t headers = reader.raw_header().size();
    NullSink nowhere;
    CountingSink count(nowhere);
    codec::TarWriter probe(count);
    TRY_DO(probe.copy_globals(reader));
    globals = globals || count.count() > 0;
    const auto padded = align_up(member->stored_size, 512);
    if (!padded) return bad_input("{}: {} has an impossible size", name, one.path);
    one.bytes = headers + *padded;
    one.unlisted = why_unlisted(*member);
    out.push_back(std::move(one));
  }
  return out;
}

Result<image::ImageWriter::LayerResult> write_part(Bytes tar, const std::string& name,
                                                   const std::vector<std::uint32_t>& members,
                                                   const LayerPacking& packing,
                                                   image::ImageWriter& writer) {
  TRY(const auto sink, writer.begin_layer(packing.compression, packing.encode));
  MemorySource source(tar);
  codec::TarReader reader(source, name, {});
  codec::TarWriter out(*sink);
  std::uint32_t position = 0;
  for (const std::uint32_t wanted : members) {
    for (;; ++position) {
      TRY(const auto member, reader.next());
      if (!member) return fail(Code::kInternal, "{} has no member {}", name, wanted);
      if (position == wanted) break;
    }
    ++position;
    TRY_DO(out.copy_raw(reader));
  }
  TRY_DO(out.finish());
  TRY_DO(sink->finish());
  return sink->result();
}

}  // namespace

Result<std::unique_ptr<LayerSpool>> LayerSpool::create(const std::filesystem::path& scratch) {
  TRY(UniqueFd fd, open_scratch(scratch));
  return std::unique_ptr<LayerSpool>(new LayerSpool(std::move(fd)));
}

Result<void> LayerSpool::write(Bytes bytes) {
  return with_hint(hash_.write(bytes), "choose a roomier scratch directory with --tmpdir");
}

Result<Bytes> LayerSpool::tar() {
  TRY(map_, file());
  return map_.bytes();
}

Result<LayerParts> write_parts(Bytes tar, const std::string& name, std::uint64_t limit,
                               const LayerPacking& packing, image::ImageWriter& writer) {
  bool globals = false;
  TRY(const std::vector<SplitMember> members, list_members(tar, name, globals));
  SplitPlan plan;
  if (globals)
    plan.whole = "it has global PAX headers";
  else
    plan = plan_split(members, limit);
  LayerParts out;
  out.whole = plan.whole;
  if (plan.parts.size() <= 1) return out;
  TRY_DO(check_layer_count(plan.parts.size(), limit));
  // What an earlier writer said of the layer as a whole holds for none of its parts.
  for (std::vector<std::uint32_t>& part : plan.parts)
    std::erase_if(part, [&](std::uint32_t i) { return codec::is_estargz_file(members[i].path); });
  std::erase_if(plan.parts, [](const auto& part) { return part.empty(); });
  std::vector<codec::EstargzOrder> orders(plan.parts.size());
  bool lazy = packing.lazy;
  for (std::size_t part = 0; lazy && part < plan.parts.size(); ++part) {
    LazyPlan one = plan_lazy(members, plan.parts[part], packing.prefetch, globals);
    out.ordinary = std::move(one.ordinary);
    if (!one.unsorted.empty()) out.unsorted = std::move(one.unsorted);
    orders[part] = std::move(one.order);
    lazy = out.ordinary.empty();
  }
  out.stored.resize(plan.parts.size());
  TRY_DO(parallel_for(plan.parts.size(), std::min(processor_count(), kPartsAtOnce),
                      [&](std::size_t part) -> Result<void> {
                        TRY(out.stored[part],
                            lazy ? writer.write_estargz(tar, name, orders[part], packing.encode)
                                 : write_part(tar, name, plan.parts[part], packing, writer));
                        return {};
                      }));
  return out;
}

Result<void> write_lazy(Bytes tar, const std::string& name, const LayerPacking& packing,
                        image::ImageWriter& writer, LayerParts& parts) {
  bool globals = false;
  TRY(const std::vector<SplitMember> members, list_members(tar, name, globals));
  std::vector<std::uint32_t> positions(members.size());
  std::iota(positions.begin(), positions.end(), 0U);
  LazyPlan plan = plan_lazy(members, positions, packing.prefetch, globals);
  parts.ordinary = std::move(plan.ordinary);
  parts.unsorted = std::move(plan.unsorted);
  if (!parts.ordinary.empty()) return {};
  TRY(auto stored, writer.write_estargz(tar, name, plan.order, packing.encode));
  parts.stored.push_back(std::move(stored));
  return {};
}

Result<image::ImageWriter::LayerResult> write_whole(Bytes tar, const LayerPacking& packing,
                                                    image::ImageWriter& writer) {
  TRY(const auto sink, writer.begin_layer(packing.compression, packing.encode));
  TRY_DO(sink->write(tar));
  TRY_DO(sink->finish());
  return sink->result();
}

std::vector<std::string> LayerParts::notices(const std::string& layer) const {
  std::vector<std::string> out;
  if (!whole.empty()) out.push_back(fmt::format("{} was not split: {}", layer, whole));
  if (!unsorted.empty())
    out.push_back(fmt::format(
        "{} keeps its order, so nothing of it is fetched before it is read: {}", layer, unsorted));
  if (!ordinary.empty()) out.push_back(ordinary_notice(layer, ordinary));
  return out;
}

Result<void> check_layer_count(std::size_t layers, std::uint64_t limit) {
  if (layers <= kMaxLayers) return {};
  return fail(Code::kUsage, "--split {} would make {} layers or more, and engines take at most {}",
              human_bytes(limit), layers, kMaxLayers)
      .hint("name a larger size");
}

text::Json split_history(const text::Json& config, const std::vector<std::size_t>& parts,
                         std::string_view option) {
  const text::Json::Array& before = config["history"].items();
  const auto is_layer = [](const text::Json& entry) {
    return !entry["empty_layer"].bool_or(false);
  };
  if (static_cast<std::size_t>(std::ranges::count_if(before, is_layer)) != parts.size())
    return config;
  text::Json history = text::Json::array();
  std::size_t layer = 0;
  for (const text::Json& entry : before) {
    history.push(entry);
    if (!is_layer(entry)) continue;
    const std::size_t count = parts[layer++];
    for (std::size_t part = 2; part <= count; ++part) {
      text::Json further = entry;
      further.set("comment", fmt::format("part {} of {}, by flense slim {}", part, count, option));
      history.push(std::move(further));
    }
  }
  text::Json out = config;
  out.set("history", std::move(history));
  return out;
}

}  // namespace flense::slim
