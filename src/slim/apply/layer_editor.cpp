#include "slim/apply/layer_editor.h"

#include <algorithm>
#include <array>
#include <utility>

#include "codec/estargz.h"

namespace flense::slim {

namespace {

/// Bytes of the layer that are content of this member: less than its size when stored sparse.
std::uint64_t stored_size(const image::LayerEntry& entry, const codec::TarReader* raw) {
  return raw != nullptr ? entry.member.stored_size : entry.member.size;
}

}  // namespace

LayerEditor::LayerEditor(const CutRules& cuts, const Workplace& workplace,
                         std::vector<AddedFile> added, RecordKinds lists, bool globals, Sink& to)
    : lists_(lists),
      rewrite_(rewrite_options(cuts, workplace)),
      added_(std::move(added)),
      globals_(globals),
      tar_(to),
      held_(workplace.scratch_directory) {
  for (const AddedFile& file : added_) added_paths_.insert(file.path);
}

void LayerEditor::divide(const VariantParts& parts, Sink& own) {
  parts_ = &parts;
  own_.emplace(own);
}

void LayerEditor::begin_layer(const LayerPlan& plan) {
  plan_ = &plan;
  position_ = 0;
}

Result<void> LayerEditor::visit(const image::LayerEntry& entry, image::EntryContent* content,
                                codec::TarReader* raw) {
  const std::uint64_t position = position_++;
  if (parts_ != nullptr) {
    if (position >= parts_->parts.size())
      return bad_input(
          "member {} is {}, but none was seen there: the input changed while it was read", position,
          entry.path);
    part_ = parts_->parts[position];
  }
  outcome_.content_before += stored_size(entry, raw);
  if (entry.member.type == codec::MemberType::kDirectory) last_time_ = entry.member.mtime;
  const auto found = plan_->edits.find(position);
  const bool edited = found != plan_->edits.end();
  if (edited && found->second.path != entry.path)
    return bad_input("member {} is {}, but {} was planned: the input changed while it was read",
                     position, entry.path, found->second.path);
  // A marker of an earlier run gives way to the one this run writes; what speaks of the form of the
  // layer before would lie.
  const bool replaced = added_paths_.contains(entry.path) || codec::is_estargz_file(entry.path);
  const bool list = content != nullptr && record_kind(entry.path) && content->size() <= kMaxRecord;
  // Members that follow may need them, whatever becomes of this one and in whichever part.
  if (globals_ && raw != nullptr) {
    TRY_DO(tar_.copy_globals(*raw));
    if (own_) TRY_DO(own_->copy_globals(*raw));
  }
  if (!edited && !replaced && !list && !must_wait(entry)) return keep(entry, content, raw);
  if (replaced) return {};
  if (edited && !found->second.place.empty()) return edit_placed(found->second, entry, content);
  if (edited) return edit(found->second, entry, content, raw);
  if (list) return defer_list(*record_kind(entry.path), entry, content->stream());
  defer_member(entry);
  return {};
}

Result<void> LayerEditor::finish() {
  if (!held_.empty()) return fail(Code::kInternal, "a content found no name");
  if (plan_ != nullptr)
    for (const std::string& path : plan_->gone_above) fates_[path].dropped = true;
  find_own_lists();
  const std::vector<Deferred*> lists = lists_to_update();
  const auto others = std::ranges::find_if(
      lists, [](const Deferred* one) { return one->kind != RecordKind::kWheelRecord; });
  std::for_each(lists.begin(), others, [&](Deferred* one) {
    update_list(*one);
    if (one->changed) fates_.insert_or_assign(one->entry.path, fate_of(as_bytes(one->text)));
  });
  for (const Deferred& one : deferred_)
    if (!one.kind && one.entry.member.type == codec::MemberType::kHardLink)
      note_link(one.entry, one.entry.link);
  std::for_each(others, lists.end(), [&](Deferred* one) { update_list(*one); });
  for (const Deferred& one : deferred_) {
    part_ = one.part;
    if (one.kind) {
      TRY_DO(write_list(one));
    } else {
      TRY_DO(write_stream(one.entry.member, nullptr));
    }
  }
  part_ = own_ ? Part::kOwn : Part::kShared;
  for (const AddedFile& file : added_) {
    codec::TarMember member;
    member.name = file.path;
    member.mode = 0644;
    member.mtime = last_time_;
    TRY_DO(write_bytes(std::move(member), as_bytes(file.text)));
  }
  if (own_) TRY_DO(own_->finish());
  return tar_.finish();
}

/// Lists that name what is not shared are not shared: whatever it becomes for this target.
void LayerEditor::find_own_lists() {
  if (parts_ == nullptr || parts_->own_paths.empty()) return;
  Fates own;
  for (const std::string& path : parts_->own_paths) own[path].dropped = true;
  for (Deferred* one : lists_to_update()) {
    const auto without = update_record(*one->kind, one->entry.path, one->text, own);
    if (!without || !*without) continue;
    one->part = Part::kOwn;
    own[one->entry.path].dropped = true;
  }
}

std::vector<LayerEditor::Deferred*> LayerEditor::lists_to_update() {
  std::vector<Deferred*> out;
  for (Deferred& one : deferred_)
    if (one.kind) out.push_back(&one);
  std::ranges::stable_sort(
      out, {}, [](const Deferred* one) { return update_rank(*one->kind, one->entry.path); });
  return out;
}

void LayerEditor::update_list(Deferred& list) {
  Result<std::optional<std::string>> updated =
      update_record(*list.kind, list.entry.path, list.text, fates_);
  // An unreadable list is the package manager's own business; it stays as it was.
  if (!updated)
    outcome_.notices.push_back(
        fmt::format("{} stays as it is: {}", list.entry.path, updated.error().message));
  list.changed = updated && updated->has_value();
  if (list.changed) list.text = std::move(**updated);
}

Result<void> LayerEditor::write_list(const Deferred& list) {
  codec::TarMember member = list.entry.member;
  if (list.changed) forget_signatures(member, list.entry.path);
  return write_bytes(std::move(member), as_bytes(list.text));
}

Result<void> LayerEditor::keep(const image::LayerEntry& entry, image::EntryContent* content,
                               codec::TarReader* raw) {
  if (entry.member.type == codec::MemberType::kHardLink) {
    note_link(entry, entry.link);
  } else if (!fates_.empty()) {
    // A path may stand twice in a layer; the last one is what the lists speak of.
    fates_.erase(entry.path);
  }
  if (raw != nullptr) {
    outcome_.content_after += entry.member.stored_size;
    return copy_stored(*raw);
  }
  // Sockets have no form in a tar.
  if (entry.member.type == codec::MemberType::kOther) return {};
  codec::TarMember member = entry.member;
  if (member.type == codec::MemberType::kDirectory && !member.name.ends_with('/'))
    member.name += '/';
  return write_stream(std::move(member), content == nullptr ? nullptr : &content->stream());
}

/// The member under the path where it really lies: written anew, for its stored header names
/// another.
Result<void> LayerEditor::edit_placed(const Edit& edit, image::LayerEntry entry,
                                      image::EntryContent* content) {
  entry.path = entry.member.name = edit.place;
  if (entry.member.type == codec::MemberType::kHardLink) entry.member.link = entry.link;
  if (edit.action != Action::kPlace) return this->edit(edit, entry, content, nullptr);
  if (must_wait(entry)) {
    defer_member(std::move(entry));
    return {};
  }
  if (content != nullptr && content->size() <= kMaxRecord)
    if (const auto kind = record_kind(entry.path))
      return defer_list(*kind, std::move(entry), content->stream());
  return keep(entry, content, nullptr);
}

Result<void> LayerEditor::edit(const Edit& edit, const image::LayerEntry& entry,
                               image::EntryContent* content, codec::TarReader* raw) {
  switch (edit.action) {
    case Action::kDrop:
      note_drop(edit, entry.path);
      count(edit.pass, stored_size(entry, raw));
      return edit.whiteout ? write_whiteout(entry) : Result<void>();
    case Action::kRename:
      note_drop(edit, entry.path);
      TRY_DO(hold(edit, entry, content));
      return edit.whiteout ? write_whiteout(entry) : Result<void>();
    case Action::kMoved:
      return release(entry);
    case Action::kRetarget:
      return retarget(edit, entry);
    case Action::kRewrite:
      return rewrite(edit, entry, content, raw);
    case Action::kLink:
    case Action::kSymlink:
      return become_link(edit, entry, raw);
    case Action::kPlace:
      return keep(entry, content, raw);
  }
  return {};
}

/// OCI image-spec v1.1 layer.md "Whiteouts".
Result<void> LayerEditor::write_whiteout(const image::LayerEntry& entry) {
  codec::TarMember member;
  member.name = image::whiteout_of(entry.path);
  member.mtime = entry.member.mtime;
  return write_stream(std::move(member), nullptr);
}

/// The file gives way to a link under its own name.
Result<void> LayerEditor::become_link(const Edit& edit, const image::LayerEntry& entry,
                                      const codec::TarReader* raw) {
  count(edit.pass, stored_size(entry, raw));
  codec::TarMember member = entry.member;
  member.size = member.stored_size = 0;
  std::erase_if(member.pax, [](const auto& item) { return item.first.starts_with("GNU.sparse"); });
  member.link = edit.new_path;
  if (edit.action == Action::kLink) {
    member.type = codec::MemberType::kHardLink;
    fates_.erase(entry.path);
    note_link(entry, edit.new_path);
  } else {
    member.type = codec::MemberType::kSymlink;
    member.mode = 0777;
    note_drop(edit, entry.path);
  }
  return write_stream(std::move(member), nullptr);
}

Result<void> LayerEditor::rewrite(const Edit& edit, const image::LayerEntry& entry,
                                  image::EntryContent* content, codec::TarReader* raw) {
  if (content == nullptr)
    return fail(Code::kInternal, "the plan rewrites {}, which is no file", entry.path);
  TRY(const Bytes original, content->materialise());
  TRY(const RewrittenElf result, rewrite_elf(original, entry.path, rewrite_));
  if (!result.changed) {
    if (!result.left_alone.empty())
      outcome_.left_alone.push_back(
          {entry.path, edit.bytes_before - edit.bytes_after, result.left_alone});
    if (raw != nullptr && raw->rewind()) return copy_stored(*raw);
    return write_bytes(entry.member, original);
  }
  const Bytes bytes = result.content.bytes();
  // While it is written and the next file is read; one at a time, since each holds its scratch
  // file.
  if (digests_.valid()) digests_.wait();
  FileFate fate = fate_behind(result.content, lists_);
  digests_ = fate.digests;
  fates_.insert_or_assign(entry.path, std::move(fate));
  codec::TarMember member = entry.member;
  forget_signatures(member, entry.path);
  count_rewrite(result, original.size() - bytes.size());
  return write_bytes(std::move(member), bytes);
}

/// The content of a dropped file waits for the link that keeps it.
Result<void> LayerEditor::hold(const Edit& edit, const image::LayerEntry& entry,
                               image::EntryContent* content) {
  codec::TarMember member = entry.member;
  if (!edit.rewrite || content == nullptr)
    return held_.put(edit.new_path, std::move(member), content ? &content->stream() : nullptr);
  TRY(const Bytes original, content->materialise());
  TRY(const RewrittenElf result, rewrite_elf(original, entry.path, rewrite_));
  const Bytes bytes = result.changed ? result.content.bytes() : original;
  if (result.changed) {
    forget_signatures(member, edit.new_path);
    count_rewrite(result, original.size() - bytes.size());
    held_fates_.insert_or_assign(edit.new_path, fate_of(bytes, lists_));
  } else if (!result.left_alone.empty()) {
    outcome_.left_alone.push_back(
        {edit.new_path, edit.bytes_before - edit.bytes_after, result.left_alone});
  }
  member.size = bytes.size();
  MemorySource source(bytes);
  return held_.put(edit.new_path, std::move(member), &source);
}

/// … and takes the link's place, so that the order of all other members stays.
Result<void> LayerEditor::release(const image::LayerEntry& link) {
  TRY(HeldContents::Held held, held_.take(link.path));
  held.member.name = link.member.name;
  const std::unique_ptr<Source> content = held_.open(held);
  fates_.erase(link.path);
  if (auto fate = held_fates_.extract(link.path); fate) fates_.insert(std::move(fate));
  if (const auto kind = record_kind(link.path); kind && held.member.size <= kMaxRecord) {
    image::LayerEntry entry;
    entry.path = link.path;
    entry.member = std::move(held.member);
    return defer_list(*kind, std::move(entry), *content);
  }
  return write_stream(std::move(held.member), content.get());
}

Result<void> LayerEditor::retarget(const Edit& edit, const image::LayerEntry& entry) {
  image::LayerEntry link = entry;
  link.link = link.member.link = edit.new_path;
  if (must_wait(link)) {
    defer_member(std::move(link));
    return {};
  }
  note_link(link, link.link);
  return write_stream(std::move(link.member), nullptr);
}

/// Links to a list that is held back, and what replaces one, come after it.
bool LayerEditor::must_wait(const image::LayerEntry& entry) const {
  if (deferred_paths_.empty()) return false;
  if (deferred_paths_.contains(entry.path)) return entry.member.type != codec::MemberType::kFile;
  return entry.member.type == codec::MemberType::kHardLink && deferred_paths_.contains(entry.link);
}

Result<void> LayerEditor::defer_list(RecordKind kind, image::LayerEntry entry, Source& content) {
  if (!lists_.test(std::to_underlying(kind)))
    return fail(Code::kInternal, "{} is a list of a kind that was not expected", entry.path);
  TRY(std::string text, read_all(content, kMaxRecord, entry.path));
  deferred_paths_.insert(entry.path);
  deferred_.push_back({kind, std::move(entry), std::move(text), part_, false});
  return {};
}

void LayerEditor::defer_member(image::LayerEntry entry) {
  deferred_paths_.insert(entry.path);
  deferred_.push_back({std::nullopt, std::move(entry), {}, part_, false});
}

/// A further name of a changed file is a changed file to the lists that name it.
void LayerEditor::note_link(const image::LayerEntry& entry, std::string_view target) {
  if (fates_.empty()) return;
  const auto found = fates_.find(target);
  if (found != fates_.end() && !found->second.dropped) {
    fates_.insert_or_assign(entry.path, FileFate(found->second));
  } else if (entry.path != target) {
    fates_.erase(entry.path);
  }
}

void LayerEditor::note_drop(const Edit& edit, const std::string& path) {
  // What later layers hide is not what the lists speak of: to a container nothing changes.
  if (edit.pass == kShadowedFiles) return;
  FileFate dropped;
  dropped.dropped = true;
  fates_.insert_or_assign(path, std::move(dropped));
}

/// IMA signs the content, EVM the IMA value: neither holds for new content.
void LayerEditor::forget_signatures(codec::TarMember& member, const std::string& path) {
  for (const char* name : {"security.ima", "security.evm"})
    if (member.xattrs.erase(name) > 0)
      outcome_.notices.push_back(
          fmt::format("{}: {} no longer holds for the new content and was dropped", path, name));
}

/// The member at hand as its layer stores it.
Result<void> LayerEditor::copy_stored(codec::TarReader& raw) {
  if (part_ != Part::kShared) TRY_DO(own_->copy_raw(raw, false));
  if (part_ == Part::kOwn) return {};
  return tar_.copy_raw(raw, false);
}

Result<void> LayerEditor::write_stream(codec::TarMember member, Source* content) {
  member.sparse = false;
  if (member.type == codec::MemberType::kFile) outcome_.content_after += member.size;
  // Directories alone lie in both.
  if (part_ == Part::kBoth) TRY_DO(write_to(*own_, member, nullptr));
  return write_to(part_ == Part::kOwn ? *own_ : tar_, member, content);
}

Result<void> LayerEditor::write_to(codec::TarWriter& tar, const codec::TarMember& member,
                                   Source* content) {
  TRY_DO(tar.begin(member));
  while (content != nullptr) {
    TRY(const Bytes chunk, content->next(1u << 20));
    if (chunk.empty()) break;
    TRY_DO(tar.write_content(chunk));
  }
  return tar.end();
}

Result<void> LayerEditor::write_bytes(codec::TarMember member, Bytes bytes) {
  member.size = member.stored_size = bytes.size();
  MemorySource source(bytes);
  return write_stream(std::move(member), &source);
}

void LayerEditor::count(Pass pass, std::uint64_t bytes) {
  outcome_.bytes_by_pass[pass] += bytes;
}

void LayerEditor::count_rewrite(const RewrittenElf& result, std::uint64_t saved) {
  shares_of(result.measure, saved).for_each([&](Pass pass, std::uint64_t bytes) {
    count(pass, bytes);
  });
}

}  // namespace flense::slim
