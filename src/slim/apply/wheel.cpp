#include "slim/apply/wheel.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

#include "base/ascii.h"
#include "base/file.h"
#include "base/parallel.h"
#include "base/path.h"
#include "codec/sha256.h"
#include "image/layers/layer_walk.h"
#include "image/sources/wheel.h"
#include "inventory/scan/packages.h"
#include "slim/apply/records.h"
#include "slim/apply/rewrite_elf.h"

namespace flense::slim {

namespace {

constexpr std::uint64_t kMostMetadata = 16U << 20;
constexpr RecordKinds kWheelLists = 1U << std::to_underlying(RecordKind::kWheelRecord);

/// Signatures of RECORD, which changes.
bool is_signature(std::string_view name, std::string_view record) {
  return name.size() > record.size() && name.starts_with(record) &&
         is_one_of(name.substr(record.size()), {".jws", ".p7s"});
}

/// WHEEL with the build tag, in the place of the one it had or after the last field.
std::string with_build(std::string_view text, const std::string& build) {
  std::string out;
  bool placed = false;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    const bool is_build = to_lower(line.substr(0, line.find(':'))) == "build";
    if (is_build && placed) continue;
    if (!placed && (is_build || line.empty())) {
      out += "Build: " + build + "\n";
      placed = true;
      if (is_build) continue;
    }
    out += line;
    out += '\n';
  }
  return placed ? out : out + "Build: " + build + "\n";
}

/// The first field of that name in a header as of mails.
std::string field_of(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.empty()) break;
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos && same_text(line.substr(0, colon), name))
      return std::string(trim(line.substr(colon + 1)));
  }
  return {};
}

class WheelEditor {
 public:
  WheelEditor(const image::Wheel& wheel, const LayerPlan& plan, const CutRules& cuts,
              std::string build, const Workplace& workplace)
      : wheel_(wheel),
        plan_(plan),
        rewrite_(rewrite_options(cuts, workplace)),
        build_(std::move(build)),
        scratch_(workplace.scratch_directory) {}

  Result<void> write(codec::ZipWriter& to) {
    const auto& members = wheel_.archive.members;
    std::vector<std::size_t> records;
    for (std::size_t i = 0; i < members.size(); ++i) {
      outcome_.content_before += members[i].size;
      // They speak of all others.
      if (i == wheel_.record || is_inner_record(i))
        records.push_back(i);
      else
        TRY_DO(with_context(write_member(i, to), "writing {}", members[i].name));
    }
    std::ranges::stable_sort(records, {}, [&](std::size_t i) {
      return update_rank(RecordKind::kWheelRecord, path_of(members[i]));
    });
    for (const std::size_t i : records)
      TRY_DO(with_context(write_record(members[i], to), "writing {}", members[i].name));
    return to.finish(wheel_.archive.comment);
  }

  LayerOutcome take() { return std::move(outcome_); }

 private:
  static std::string path_of(const codec::ZipMember& member) {
    return std::string(image::kWheelRoot) + member.name;
  }

  /// Of a package within the package, and there to stay.
  bool is_inner_record(std::size_t position) const {
    const codec::ZipMember& member = wheel_.archive.members[position];
    return record_kind(path_of(member)) == RecordKind::kWheelRecord && member.size <= kMaxRecord &&
           !plan_.edits.contains(position);
  }

  static Result<std::string> text_of(const codec::ZipMember& member, std::uint64_t limit) {
    TRY(const auto source, codec::open_zip_member(member));
    return read_all(*source, limit, member.name);
  }

  Result<void> write_member(std::size_t position, codec::ZipWriter& to) {
    const codec::ZipMember& member = wheel_.archive.members[position];
    if (is_signature(member.name, wheel_.archive.members[wheel_.record].name)) {
      fates_[path_of(member)].dropped = true;
      outcome_.notices.push_back(
          fmt::format("{} signs what is no longer so and was dropped", member.name));
      return {};
    }
    if (position == wheel_.wheel) {
      TRY(const std::string text, text_of(member, kMostMetadata));
      return replace(member, as_bytes(with_build(text, build_)), to);
    }
    const auto found = plan_.edits.find(position);
    if (found == plan_.edits.end() || position == wheel_.metadata) return keep(member, to);
    return edit(found->second, member, to);
  }

  Result<void> write_record(const codec::ZipMember& member, codec::ZipWriter& to) {
    TRY(const std::string text, text_of(member, kMaxRecord));
    TRY(const auto updated, update_record(RecordKind::kWheelRecord, path_of(member), text, fates_));
    return updated ? replace(member, as_bytes(*updated), to) : keep(member, to);
  }

  Result<void> edit(const Edit& edit, const codec::ZipMember& member, codec::ZipWriter& to) {
    if (edit.path != path_of(member))
      return bad_input("{} was planned here: the input changed while it was read", edit.path);
    if (edit.action == Action::kDrop) {
      fates_[edit.path].dropped = true;
      outcome_.bytes_by_pass[edit.pass] += member.size;
      return {};
    }
    if (edit.action != Action::kRewrite)
      return fail(Code::kInternal, "a wheel cannot hold what the plan makes of {}: {}", edit.path,
                  to_string(edit.action));
    TRY(const auto source, codec::open_zip_member(member));
    TRY(const Bytes original, scratch_.hold(*source, member.size));
    TRY(const RewrittenElf result, rewrite_elf(original, edit.path, rewrite_));
    if (!result.changed) {
      if (!result.left_alone.empty())
        outcome_.left_alone.push_back(
            {edit.path, edit.bytes_before - edit.bytes_after, result.left_alone});
      return keep(member, to);
    }
    const Bytes bytes = result.content.bytes();
    shares_of(result.measure, member.size - bytes.size()).for_each([&](Pass pass, auto saved) {
      outcome_.bytes_by_pass[pass] += saved;
    });
    return replace(member, bytes, to);
  }

  Result<void> keep(const codec::ZipMember& member, codec::ZipWriter& to) {
    outcome_.content_after += member.size;
    return to.copy(member);
  }

  Result<void> replace(const codec::ZipMember& member, Bytes content, codec::ZipWriter& to) {
    fates_.insert_or_assign(path_of(member), fate_of(content, kWheelLists));
    return write_content(member, content, to);
  }

  Result<void> write_content(const codec::ZipMember& member, Bytes content, codec::ZipWriter& to) {
    outcome_.content_after += content.size();
    return to.write(member, content, processor_count());
  }

  const image::Wheel& wheel_;
  const LayerPlan& plan_;
  RewriteOptions rewrite_;
  std::string build_;
  image::ContentScratch scratch_;
  Fates fates_;
  LayerOutcome outcome_;
};

Result<void> copy_wheel(const std::string& from, const std::filesystem::path& to) {
  std::error_code error;
  std::filesystem::copy_file(from, to, error);
  if (error)
    return system_error(error.value(), fmt::format("cannot copy {} to {}", from, to.string()));
  return {};
}

}  // namespace

std::string build_tag(const std::string& present, const CutRules& cuts) {
  std::vector<std::string> words = cuts.targets.amd;
  for (const device::CudaArch arch : cuts.targets.cuda)
    words.push_back(fmt::format("sm{}", arch.number));
  std::ranges::sort(words);
  if (cuts.level != device::Level::kStandard) words.emplace_back(device::to_string(cuts.level));
  return fmt::format("{}{}", present.empty() ? "1" : present + "_", fmt::join(words, "_"));
}

Result<WheelOutcome> apply_wheel(const std::string& path, const LayerPlan& plan,
                                 const CutRules& cuts, const std::filesystem::path& directory,
                                 const Workplace& workplace) {
  TRY(const MappedFile file, MappedFile::open(path));
  TRY(image::Wheel wheel, image::read_wheel(file.bytes(), path));
  WheelOutcome out;
  const codec::ZipMember& metadata = wheel.archive.members[wheel.metadata];
  TRY(const auto source, codec::open_zip_member(metadata));
  TRY(const std::string text, read_all(*source, kMostMetadata, metadata.name));
  out.project = inventory::normalised_python_name(wheel.name.distribution);
  out.version = wheel.name.version;
  out.requires_python = field_of(text, "Requires-Python");
  out.name = wheel.name.text();
  out.stored_before = file.bytes().size();
  out.digest_before = codec::sha256_digest(file.bytes());

  if (!plan.edits.empty()) {
    image::WheelName name = wheel.name;
    name.build = build_tag(name.build, cuts);
    const std::filesystem::path target = directory / name.text();
    const UniqueFd fd(::open(target.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (!fd) return system_error(errno, "cannot create " + target.string());
    codec::ZipWriter writer(fd.get(), target.string());
    WheelEditor editor(wheel, plan, cuts, name.build, workplace);
    TRY_DO(with_context(editor.write(writer), "slimming {}", path));
    out.layer = editor.take();
    // What was planned may have turned out to be impossible.
    if (out.layer.bytes_by_pass.empty()) {
      std::filesystem::remove(target);
    } else {
      TRY(const MappedFile written, MappedFile::map(fd.get(), target.string()));
      out.name = name.text();
      out.stored_after = written.bytes().size();
      out.digest_after = codec::sha256_digest(written.bytes());
      return out;
    }
  }
  out.layer.content_before = 0;
  for (const codec::ZipMember& member : wheel.archive.members)
    out.layer.content_before += member.size;
  out.layer.content_after = out.layer.content_before;
  out.layer.notices.clear();
  out.stored_after = out.stored_before;
  out.digest_after = out.digest_before;
  TRY_DO(copy_wheel(path, directory / out.name));
  return out;
}

}  // namespace flense::slim
