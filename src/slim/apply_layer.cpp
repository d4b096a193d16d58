#include "slim/apply_layer.h"

#include <set>
#include <utility>

#include "base/path.h"
#include "codec/tar.h"
#include "image/layer_walk.h"
#include "slim/records.h"
#include "slim/rewrite_elf.h"

namespace flense::slim {

namespace {

constexpr std::uint64_t kRecordLimit = 64u << 20;

/// A package list held back until every file of the layer has met its fate.
struct Deferred {
  RecordKind kind;
  image::LayerEntry entry;
  std::string text;
};

RewriteOptions rewrite_options(const SlimOptions& options) {
  RewriteOptions out;
  out.prune = rewrite_rules(options);
  out.scratch_directory = options.scratch_directory;
  return out;
}

class LayerEditor {
 public:
  LayerEditor(const LayerPlan& plan, const SlimOptions& options,
              const std::vector<AddedFile>& added, Sink& to)
      : plan_(plan), rewrite_(rewrite_options(options)), tar_(to) {
    for (const AddedFile& file : added) added_paths_.insert(file.path);
  }

  Result<void> visit(const image::LayerEntry& entry, image::EntryContent* content,
                     codec::TarReader* raw) {
    const std::uint64_t position = position_++;
    outcome_.content_before += entry.member.size;
    if (entry.member.type == codec::MemberType::kDirectory) last_time_ = entry.member.mtime;
    // A marker of an earlier run gives way to the one this run writes.
    if (added_paths_.contains(entry.path)) return {};
    if (const auto found = plan_.edits.find(position); found != plan_.edits.end())
      return edit(found->second, entry, content);
    if (content != nullptr) {
      if (const auto kind = record_kind(entry.path); kind && content->size() <= kRecordLimit) {
        TRY(std::string text, read_all(content->stream(), kRecordLimit, entry.path));
        deferred_.push_back({*kind, entry, std::move(text)});
        return {};
      }
    }
    return keep(entry, content, raw);
  }

  Result<void> finish(const std::vector<AddedFile>& added) {
    for (const Deferred& list : deferred_) {
      Result<std::optional<std::string>> updated =
          update_record(list.kind, list.entry.path, list.text, fates_);
      // An unreadable list is the package manager's own business; it stays as it was.
      if (!updated)
        outcome_.notices.push_back(
            fmt::format("{} stays as it is: {}", list.entry.path, updated.error().message));
      const bool changed = updated && updated->has_value();
      TRY_DO(write_file(list.entry.member, changed ? **updated : list.text));
      if (changed) ++outcome_.files_by_pass["package-lists"];
    }
    TRY_DO(write_added(added));
    return tar_.finish();
  }

  LayerOutcome take() { return std::move(outcome_); }

 private:
  Result<void> keep(const image::LayerEntry& entry, image::EntryContent* content,
                    codec::TarReader* raw) {
    outcome_.content_after += entry.member.size;
    if (raw != nullptr) return tar_.copy_raw(*raw);
    TRY_DO(tar_.begin(entry.member));
    if (content != nullptr) {
      while (true) {
        TRY(const Bytes chunk, content->stream().next(1u << 20));
        if (chunk.empty()) break;
        TRY_DO(tar_.write_content(chunk));
      }
    }
    return tar_.end();
  }

  Result<void> edit(const Edit& edit, const image::LayerEntry& entry,
                    image::EntryContent* content) {
    switch (edit.action) {
      case Action::kDrop: {
        fates_[entry.path].dropped = true;
        count(edit.pass, entry.member.size);
        return {};
      }
      case Action::kRename: {
        fates_[entry.path].dropped = true;
        codec::TarMember member = entry.member;
        member.name = edit.new_path;
        ++outcome_.files_by_pass[edit.pass];
        return copy_content(std::move(member), content);
      }
      case Action::kMoved:
        return {};
      case Action::kRetarget: {
        codec::TarMember member = entry.member;
        member.link = edit.new_path;
        TRY_DO(tar_.begin(member));
        return tar_.end();
      }
      case Action::kRewrite:
        return rewrite(edit, entry, content);
    }
    return {};
  }

  Result<void> rewrite(const Edit& edit, const image::LayerEntry& entry,
                       image::EntryContent* content) {
    if (content == nullptr)
      return fail(Code::kInternal, "the plan rewrites {}, which is no file", entry.path);
    TRY(const image::ContentView original, content->materialise());
    TRY(const RewrittenElf result, rewrite_elf(original.bytes(), entry.path, rewrite_));
    if (!result.changed) {
      if (!result.left_alone.empty())
        outcome_.left_alone.push_back(
            {entry.path, edit.bytes_before - edit.bytes_after, result.left_alone});
      return write_bytes(entry.member, original.bytes());
    }
    const Bytes bytes = result.content.bytes();
    fates_[entry.path] = fate_of(bytes);
    codec::TarMember member = entry.member;
    if (member.xattrs.erase("security.ima") > 0)
      outcome_.notices.push_back(fmt::format(
          "{}: security.ima no longer holds for the new content and was dropped", entry.path));
    const std::uint64_t saved = original.bytes().size() - bytes.size();
    // A file can give both; the smaller part is named by its own pass.
    const std::uint64_t debug = std::min(saved, result.debug_bytes_removed);
    if (debug > 0) count("debug-sections", debug);
    if (saved > debug) count("device-code", saved - debug);
    return write_bytes(std::move(member), bytes);
  }

  Result<void> copy_content(codec::TarMember member, image::EntryContent* content) {
    member.sparse = false;
    member.pax.erase("path");
    outcome_.content_after += member.size;
    TRY_DO(tar_.begin(member));
    while (content != nullptr) {
      TRY(const Bytes chunk, content->stream().next(1u << 20));
      if (chunk.empty()) break;
      TRY_DO(tar_.write_content(chunk));
    }
    return tar_.end();
  }

  Result<void> write_bytes(codec::TarMember member, Bytes bytes) {
    member.size = bytes.size();
    member.stored_size = bytes.size();
    member.sparse = false;
    std::erase_if(member.pax, [](const auto& record) {
      return record.first == "size" || record.first.starts_with("GNU.sparse.");
    });
    outcome_.content_after += bytes.size();
    TRY_DO(tar_.begin(member));
    TRY_DO(tar_.write_content(bytes));
    return tar_.end();
  }

  Result<void> write_file(codec::TarMember member, std::string_view text) {
    return write_bytes(std::move(member), as_bytes(text));
  }

  Result<void> write_added(const std::vector<AddedFile>& added) {
    for (const AddedFile& file : added) {
      codec::TarMember member;
      member.name = file.path;
      member.mode = 0644;
      member.mtime = last_time_;
      TRY_DO(write_file(std::move(member), file.text));
    }
    return {};
  }

  void count(const std::string& pass, std::uint64_t bytes) {
    outcome_.bytes_by_pass[pass] += bytes;
    ++outcome_.files_by_pass[pass];
  }

  const LayerPlan& plan_;
  RewriteOptions rewrite_;
  codec::TarWriter tar_;
  std::set<std::string, std::less<>> added_paths_;
  std::uint64_t position_ = 0;
  std::int64_t last_time_ = 0;
  Fates fates_;
  std::vector<Deferred> deferred_;
  LayerOutcome outcome_;
};

}  // namespace

Result<LayerOutcome> apply_layer(const image::Image& image, std::size_t index,
                                 const LayerPlan& plan, const SlimOptions& options,
                                 const std::vector<AddedFile>& added, Progress* progress,
                                 Sink& to) {
  LayerEditor editor(plan, options, added, to);
  image::WalkOptions walk;
  walk.scratch_directory = options.scratch_directory;
  walk.progress = progress;
  TRY_DO(
      image::walk_layer(image, index, walk,
                        [&](const image::LayerEntry& entry, image::EntryContent* content,
                            codec::TarReader* raw) { return editor.visit(entry, content, raw); }));
  TRY_DO(editor.finish(added));
  return editor.take();
}

}  // namespace flense::slim
