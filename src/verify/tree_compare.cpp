#include "verify/tree_compare.h"

#include <algorithm>
#include <span>

#include "base/path.h"
#include "verify/file_lists.h"
#include "verify/members.h"
#include "verify/reasons.h"

namespace flense::verify {

namespace {

using codec::MemberType;
using image::EntryRef;

class TreeComparison {
 public:
  TreeComparison(const Reading& before, const Reading& after, const Record* record,
                 const CodeRule& rule, Findings& findings)
      : before_(before), after_(after), record_(record), rule_(rule), findings_(findings) {
    options_.nanoseconds = before.is_tree() == after.is_tree() &&
                           after.image->form != image::Form::kSquashfs &&
                           before.image->form != image::Form::kSquashfs;
    options_.directory_times = !after.is_tree();
    options_.times = after.image->form != image::Form::kElfFile;
    options_.names = false;
  }

  Result<TreeResult> run() {
    if (before_.image->form == image::Form::kElfFile && after_.image->form == image::Form::kElfFile)
      return single_files();
    const std::size_t count = before_.layers.size();
    const bool added = record_ != nullptr && record_->compiled;
    out_.merged = (record_ != nullptr && record_->other_layers) ||
                  after_.layers.size() != count + (added ? 1 : 0) ||
                  before_.is_tree() != after_.is_tree();
    options_.names = !out_.merged && !after_.is_tree();
    out_.fates.resize(out_.merged ? 1 : count);
    if (out_.merged) {
      TRY_DO(merged());
    } else {
      for (std::uint32_t i = 0; i < count; ++i) layer(i);
      if (added) compiled_layer(static_cast<std::uint32_t>(count));
      for (std::uint32_t i = 0; i < count; ++i) gone_above(i);
    }
    markers();
    if (without_reason_ > 0)
      findings_.unknown("",
                        fmt::format("no record says why {} paths are gone or became links, such "
                                    "as {}",
                                    without_reason_, example_));
    if (compiled_ > 0)
      findings_.unknown("", fmt::format("{} Python files were compiled by the image's own Python; "
                                        "what they hold is not proved",
                                        compiled_));
    return std::move(out_);
  }

 private:
  struct Named {
    std::string_view path;
    std::uint32_t index;
    auto operator<=>(const Named&) const = default;
  };
  static std::vector<Named> sorted_members(const LayerReading& layer) {
    std::vector<Named> out;
    for (std::uint32_t i = 0; i < layer.listing->size(); ++i) {
      const std::string_view path = layer.listing->at(i).path;
      if (!is_bookkeeping(path)) out.push_back({path, i});
    }
    std::ranges::sort(out);
    return out;
  }
  const PlannedEdit* edit(EntryRef ref) const {
    return record_ == nullptr ? nullptr : record_->edit(ref);
  }
  static bool is_compiled(std::string_view path, MemberType type) {
    return type == MemberType::kFile && path.ends_with(".pyc") &&
           base_name(parent_path(path)) == "__pycache__";
  }
  static bool takes_away(const PlannedEdit* edit) {
    return edit != nullptr && (edit->action == "drop" || edit->action == "rename");
  }

  /// Files of any name.
  TreeResult single_files() {
    out_.fates.resize(1);
    if (before_.layers[0]->listing->size() == 1 && after_.layers[0]->listing->size() == 1)
      pair({0, 0}, {0, 0});
    return std::move(out_);
  }
  void layer(std::uint32_t index);
  void compare_path(std::uint32_t layer, std::string_view path, std::span<const Named> was,
                    std::span<const Named> is);
  /// A directory that a directory needs for flense's file.
  bool holds_marker(std::string_view path, MemberType type) const {
    return type == MemberType::kDirectory && (after_.is_tree() || out_.merged) &&
           kMarker.starts_with(fmt::format("{}/", path)) && after_.tree->find(kMarker);
  }
  bool is_own_whiteout(std::uint32_t layer, std::string_view path) const;
  void stays_hidden(EntryRef b, EntryRef a);
  void pair(EntryRef b, EntryRef a);
  void planned_link(const PlannedEdit& edit, EntryRef b, EntryRef a);
  void moved_content(EntryRef b, EntryRef a);
  void content(const std::string& path, EntryRef b, EntryRef a);
  void gone(EntryRef b, const PlannedEdit* edit);
  void check_reason(const PlannedEdit& planned, const Member& was);
  std::optional<EntryRef> file_before(std::uint32_t layer, std::string_view path) const;
  void no_reason(std::string_view path);
  void follow_links(std::uint32_t layer);
  void gone_above(std::uint32_t layer);
  void compiled_layer(std::uint32_t layer);
  void markers();
  Result<void> merged();
  void merged_path(const std::string& path, const image::MergedTree::Found& was);
  void differ(std::string_view path, std::string what, std::string expected, std::string found) {
    findings_.differ(
        {std::string(path), std::move(what), "", std::move(expected), std::move(found)});
  }
  LayerFates& fates(std::uint32_t layer) { return out_.fates[out_.merged ? 0 : layer]; }

  const Reading& before_;
  const Reading& after_;
  const Record* record_;
  const CodeRule& rule_;
  Findings& findings_;
  MemberOptions options_;
  TreeResult out_;
  std::vector<Named> members_;  ///< of the layer before that is compared
  std::uint64_t without_reason_ = 0, compiled_ = 0;
  std::string example_;
};

void TreeComparison::layer(std::uint32_t index) {
  if (before_.layers[index] == after_.layers[index]) {
    findings_.count("layers that are the same");
    for (std::uint32_t i = 0; i < before_.layers[index]->listing->size(); ++i)
      stays_hidden({index, i}, {index, i});
    return;
  }
  members_ = sorted_members(*before_.layers[index]);
  const std::vector<Named>& was = members_;
  const std::vector<Named> is = sorted_members(*after_.layers[index]);
  std::size_t b = 0, a = 0;
  while (b < was.size() || a < is.size()) {
    const std::string_view path = b == was.size()  ? is[a].path
                                  : a == is.size() ? was[b].path
                                                   : std::min(was[b].path, is[a].path);
    const std::size_t b0 = b, a0 = a;
    while (b < was.size() && was[b].path == path) ++b;
    while (a < is.size() && is[a].path == path) ++a;
    compare_path(index, path, std::span(was).subspan(b0, b - b0),
                 std::span(is).subspan(a0, a - a0));
  }
  follow_links(index);
}

void TreeComparison::compare_path(std::uint32_t layer, std::string_view path,
                                  std::span<const Named> was, std::span<const Named> is) {
  std::size_t next = 0;
  const PlannedEdit* last = nullptr;
  // Without a record: of several members of one path the last is seen, so it is one before that is
  // gone.
  std::size_t fewer = record_ != nullptr || is.size() > was.size() ? 0 : was.size() - is.size();
  for (const Named& one : was) {
    const EntryRef b{layer, one.index};
    last = edit(b);
    if (takes_away(last)) {
      gone(b, last);
    } else if (fewer == 0 && next < is.size()) {
      pair(b, {layer, is[next++].index});
    } else {
      if (fewer > 0) --fewer;
      gone(b, nullptr);
    }
  }
  for (; next < is.size(); ++next)
    if (is_own_whiteout(layer, path))
      findings_.count("whiteouts in place of what is gone");
    else if (!holds_marker(path, after_.member({layer, is[next].index}).entry.type))
      differ(path, "member", takes_away(last) ? "gone by the record: " + last->pass : "not there",
             "there");
}

/// A file of the layer hid what lower layers hold under its path, and is gone.
bool TreeComparison::is_own_whiteout(std::uint32_t layer, std::string_view path) const {
  if (image::whiteout_kind(path) != image::Whiteout::kFile) return false;
  const std::string target = image::whiteout_target(path);
  const auto were = std::ranges::equal_range(members_, std::string_view(target), {}, &Named::path);
  if (were.empty()) return false;
  const EntryRef last{layer, std::prev(were.end())->index};
  return before_.member(last).entry.type != MemberType::kDirectory &&
         (record_ == nullptr || takes_away(edit(last)));
}

/// What a later layer hid is not seen once that is gone.
void TreeComparison::stays_hidden(EntryRef b, EntryRef a) {
  const auto hidden = [](const Reading& reading, EntryRef ref) {
    const image::EntryState state = reading.tree->shadow(ref).state;
    return state == image::EntryState::kOverwritten || state == image::EntryState::kDeleted;
  };
  if (out_.merged || !hidden(before_, b) || hidden(after_, a)) return;
  const auto entry = before_.member(b).entry;
  const auto seen = before_.tree->find(entry.path);
  if (entry.type == MemberType::kDirectory && seen && seen->type == MemberType::kDirectory) return;
  differ(entry.path, "member", "hidden by what a later layer holds", "seen");
}

void TreeComparison::content(const std::string& path, EntryRef b, EntryRef a) {
  const bool same = before_.member(b).sha256() == after_.member(a).sha256();
  const bool list = list_kind(path, before_.is_wheel()).has_value();
  if (list) out_.contents.push_back({ContentPair::Kind::kList, path, b, a});
  if (same) {
    findings_.count("files with the same content");
    return;
  }
  if (out_.merged && record_ != nullptr && record_->compiled &&
      is_compiled(path, MemberType::kFile)) {
    ++compiled_;
    return;
  }
  if (!list) out_.contents.push_back({ContentPair::Kind::kEdited, path, b, a});
  fates(b.layer).insert_or_assign(path, a);
}

void TreeComparison::pair(EntryRef b, EntryRef a) {
  const Member was = before_.member(b), is = after_.member(a);
  const std::string path(was.entry.path);
  fates(b.layer).erase(path);
  stays_hidden(b, a);
  const PlannedEdit* planned = edit(b);
  if (planned != nullptr && planned->path != path)
    differ(path, "record", "an edit of this member", "an edit of " + planned->path);
  if (planned != nullptr && planned->action == "moved" && is.entry.type == MemberType::kFile)
    return moved_content(b, a);
  if (planned != nullptr && planned->action != "rewrite" && planned->action != "moved" &&
      (is.entry.type != was.entry.type || is.entry.link != was.entry.link))
    return planned_link(*planned, b, a);
  if (was.entry.type != is.entry.type) {
    const bool linked =
        (was.entry.type == MemberType::kFile && is.entry.type == MemberType::kHardLink) ||
        (was.entry.type == MemberType::kHardLink && is.entry.type == MemberType::kFile);
    if (record_ == nullptr && linked) return no_reason(path);
    return differ(path, "type", std::string(type_name(was.entry.type)),
                  std::string(type_name(is.entry.type)));
  }
  MemberOptions options = options_;
  const bool file = was.entry.type == MemberType::kFile;
  options.content_changed = file && was.sha256() != is.sha256();
  compare_metadata(path, was, is, options, findings_);
  if (was.entry.link != is.entry.link)
    differ(path, "link", std::string(was.entry.link), std::string(is.entry.link));
  if (file) content(path, b, a);
}

/// A dropped file's content stays under the name of a hard link to it.
void TreeComparison::moved_content(EntryRef b, EntryRef a) {
  const std::string path(before_.member(b).entry.path);
  for (const auto& [position, edit] : record_->layers[b.layer]) {
    if (edit.action != "rename" || edit.new_path != path) continue;
    const EntryRef source{b.layer, position};
    if (position >= before_.layers[b.layer]->listing->size()) break;
    const auto seen = before_.tree->find(path);
    if (seen && seen->entry == b && seen->content != source) break;
    MemberOptions options = options_;
    options.content_changed = before_.member(source).sha256() != after_.member(a).sha256();
    compare_metadata(path, before_.member(source), after_.member(a), options, findings_);
    findings_.count("contents that stay under another name");
    return content(path, source, a);
  }
  differ(path, "type", "a hard link", "a file that no edit of the record gives a content");
}

/// An equal file became a link, or a link got another target: the content is what it was.
void TreeComparison::planned_link(const PlannedEdit& edit, EntryRef b, EntryRef a) {
  const Member was = before_.member(b), is = after_.member(a);
  const std::string path(was.entry.path);
  const bool symlink = edit.action == "symlink";
  if ((edit.action != "link" && edit.action != "retarget" && !symlink) ||
      is.entry.type != (symlink ? MemberType::kSymlink : MemberType::kHardLink) ||
      is.entry.link != edit.new_path ||
      (edit.action == "retarget" && was.entry.type != MemberType::kHardLink))
    return differ(path, "link", edit.action + " to " + edit.new_path,
                  fmt::format("{} to {}", type_name(is.entry.type), is.entry.link));
  if (edit.action != "retarget") check_reason(edit, was);
  findings_.count("files that became links to the same content");
  if (symlink) {
    fates(b.layer).insert_or_assign(path, std::nullopt);
    const auto leads_to = after_.tree->resolve(path);
    const auto found = leads_to ? after_.tree->find(*leads_to) : std::nullopt;
    const auto same_before = leads_to ? before_.tree->find(*leads_to) : std::nullopt;
    if (!found || !found->content) return differ(path, "link", "a file behind it", "nothing");
    // Two builds of one library need not be equal; other passes replace equal files alone.
    if (edit.pass != "cuda-copies" && same_before && same_before->content &&
        before_.member(*same_before->content).sha256() != was.sha256())
      differ(path, "content", std::string(was.sha256()), "that of " + *leads_to);
    return;
  }
  if (edit.action == "retarget") {
    // Another name of the same content.
    const auto led_to = before_.tree->find(path), leads_to = after_.tree->find(path);
    if (!led_to || led_to->entry != b || !led_to->content) return;
    if (!leads_to || !leads_to->content) return differ(path, "link", "a file behind it", "nothing");
    return content(path, *led_to->content, *leads_to->content);
  }
  // The file that it is a name of now was equal to it.
  const auto target = file_before(b.layer, edit.new_path);
  if (!target) return differ(path, "link", "a file behind it", "nothing");
  const Member other = before_.member(*target);
  if (other.sha256() != was.sha256())
    differ(path, "content", std::string(was.sha256()), std::string(other.sha256()));
  MemberOptions options = options_;
  options.times = false;
  compare_metadata(path, was, other, options, findings_);
}

std::optional<EntryRef> TreeComparison::file_before(std::uint32_t layer,
                                                    std::string_view path) const {
  if (out_.merged) {
    const auto found = before_.tree->find(path);
    return found ? found->content : std::nullopt;
  }
  const auto [first, last] = std::ranges::equal_range(members_, path, {}, &Named::path);
  for (auto at = last; at != first;) {
    const EntryRef ref{layer, (--at)->index};
    if (before_.member(ref).entry.type == MemberType::kFile) return ref;
  }
  return std::nullopt;
}

void TreeComparison::no_reason(std::string_view path) {
  if (without_reason_++ == 0 || path < example_) example_ = path;
}

void TreeComparison::gone(EntryRef b, const PlannedEdit* planned) {
  const Member was = before_.member(b);
  const std::string path(was.entry.path);
  const bool hidden = before_.tree->shadow(b).state != image::EntryState::kLive &&
                      !before_.tree->content_is_live(b);
  const bool marker = before_.tree->shadow(b).state == image::EntryState::kMarker;
  if (planned == nullptr || marker) {
    if (record_ == nullptr && hidden && !marker)
      findings_.count("members that later layers hide, gone");
    else if (record_ == nullptr && !marker)
      no_reason(path);
    else
      differ(path, "member", "there: no reason is recorded", "gone");
    fates(b.layer).insert_or_assign(path, std::nullopt);
    return;
  }
  if (planned->path != path)
    differ(path, "record", "an edit of this member", "an edit of " + planned->path);
  if (planned->pass == "shadowed-files") {
    if (!hidden) differ(path, "member", "there: no later layer hides it", "gone");
    findings_.count("members that later layers hide, gone");
    return;
  }
  check_reason(*planned, was);
  findings_.count("members gone by the record");
  fates(b.layer).insert_or_assign(path, std::nullopt);
  if (planned->pass == "gpu-files" && was.entry.type == MemberType::kFile)
    out_.contents.push_back({ContentPair::Kind::kGoneCode, path, b, std::nullopt});
}

/// A pass of that name does such things to such files.
void TreeComparison::check_reason(const PlannedEdit& planned, const Member& was) {
  std::string why = unfit_reason(planned, was, *before_.tree, *record_, rule_.level);
  if (!why.empty()) differ(was.entry.path, "reason", "one that fits the file", std::move(why));
}

/// A further name of a changed file is a changed file to the lists that name it.
void TreeComparison::follow_links(std::uint32_t layer) {
  const LayerReading& is = *after_.layers[layer];
  LayerFates& all = fates(layer);
  if (all.empty()) return;
  for (std::uint32_t i = 0; i < is.listing->size(); ++i) {
    const auto entry = is.listing->at(i);
    if (entry.type != MemberType::kHardLink) continue;
    const auto target = all.find(entry.link);
    if (target != all.end() && target->second)
      all.insert_or_assign(std::string(entry.path), target->second);
  }
}

/// A list in a lower layer follows what goes from a higher one, if it is written anyway.
void TreeComparison::gone_above(std::uint32_t layer) {
  if (record_ == nullptr || layer >= record_->layers.size() || record_->layers[layer].empty())
    return;
  const image::LayerListing& listing = *before_.layers[layer]->listing;
  for (std::uint32_t i = 0; i < listing.size(); ++i) {
    if (before_.tree->shadow({layer, i}).state != image::EntryState::kOverwritten) continue;
    const std::string path(listing.at(i).path);
    const auto seen = before_.tree->find(path);
    if (seen && seen->entry && takes_away(edit(*seen->entry)))
      fates(layer).insert_or_assign(path, std::nullopt);
  }
}

/// As slim writes it: anybody may read it, and nobody else may have made it.
void TreeComparison::markers() {
  for (std::uint32_t layer = 0; layer < after_.layers.size(); ++layer) {
    const image::LayerListing& listing = *after_.layers[layer]->listing;
    const bool same =
        layer < before_.layers.size() && before_.layers[layer] == after_.layers[layer];
    for (std::uint32_t i = 0; i < listing.size() && !same; ++i) {
      const auto entry = listing.at(i);
      if (entry.path != kMarker) continue;
      if (entry.type != MemberType::kFile || entry.mode != 0644 || entry.uid != 0 || entry.gid != 0)
        differ(kMarker, "mode", "a file of root, 0644",
               fmt::format("{} of {}:{}, {:04o}", type_name(entry.type), entry.uid, entry.gid,
                           entry.mode));
      out_.contents.push_back(
          {ContentPair::Kind::kMarker, std::string(kMarker), std::nullopt, EntryRef{layer, i}});
    }
  }
}

/// Nothing but compiled files beside their sources.
void TreeComparison::compiled_layer(std::uint32_t layer) {
  const image::LayerListing& listing = *after_.layers[layer]->listing;
  for (std::uint32_t i = 0; i < listing.size(); ++i) {
    const auto entry = listing.at(i);
    const std::string path(entry.path);
    if (is_bookkeeping(path)) continue;
    if (is_compiled(path, entry.type)) ++compiled_;
    const bool folder = entry.type == MemberType::kDirectory;
    if (folder && base_name(path) != "__pycache__") {
      // To hold such files: it is what it was.
      const auto was = before_.tree->find(path);
      const bool same = was && was->type == entry.type &&
                        (!was->entry || before_.member(*was->entry).entry.mode == entry.mode);
      if (!same) differ(path, "mode", "the directory as it was", "another");
    }
    if ((entry.mode & 06022) != 0 && entry.type != MemberType::kSymlink)
      differ(path, "mode", "written by the owner alone", fmt::format("{:04o}", entry.mode));
    if (!is_compiled(path, entry.type) && !folder)
      differ(path, "member", "nothing but compiled Python files in the added layer",
             std::string(type_name(entry.type)));
  }
}

Result<void> TreeComparison::merged() {
  TRY_DO(before_.tree->for_each(
      [&](const std::string& path, const image::MergedTree::Found& was) -> Result<void> {
        merged_path(path, was);
        return {};
      }));
  return after_.tree->for_each(
      [&](const std::string& path, const image::MergedTree::Found& is) -> Result<void> {
        if (!is.entry || is_bookkeeping(path)) return {};
        const auto was = before_.tree->find(path);
        const bool compiled = record_ != nullptr && record_->compiled &&
                              (is_compiled(path, is.type) || base_name(path) == "__pycache__");
        if (!was && compiled)
          ++compiled_;
        else if (!was && !holds_marker(path, is.type))
          differ(path, "member", "not there", "there");
        return {};
      });
}

void TreeComparison::merged_path(const std::string& path, const image::MergedTree::Found& was) {
  if (!was.entry || is_bookkeeping(path)) return;
  const auto is = after_.tree->find(path);
  const PlannedEdit* planned = edit(*was.entry);
  if (!is) {
    // A directory that holds nothing any longer need not be made.
    const bool empty = was.type == MemberType::kDirectory && record_ != nullptr &&
                       record_->other_layers && !planned && !before_.tree->list(path).empty();
    if (empty) return findings_.count("directories that hold nothing any longer, gone");
    return gone(*was.entry, takes_away(planned) ? planned : nullptr);
  }
  // What stays below it, or flense's file, implies a directory that is gone itself.
  if (takes_away(planned) && is->type == MemberType::kDirectory &&
      (!is->entry || holds_marker(path, is->type))) {
    check_reason(*planned, before_.member(*was.entry));
    return findings_.count("members gone by the record");
  }
  if (takes_away(planned))
    return differ(path, "member", "gone by the record: " + planned->pass, "there");
  // A hard link to a symbolic link is one, too.
  if (was.content && is->entry && is->type == was.type) {
    const Member a = before_.member(*was.content),
                 b = after_.member(is->content.value_or(*is->entry));
    MemberOptions options = options_;
    options.content_changed = a.sha256() != b.sha256();
    options.times = planned == nullptr || planned->action != "link";
    compare_metadata(path, a, b, options, findings_);
    if (a.entry.type == MemberType::kFile && b.entry.type == MemberType::kFile)
      return content(path, *was.content, is->content.value_or(*is->entry));
    if (a.entry.type != b.entry.type || a.entry.link != b.entry.link)
      differ(path, "link", std::string(a.entry.link), std::string(b.entry.link));
    return;
  }
  if (!is->entry) {
    // Engines make such a directory so.
    const auto& entry = before_.member(*was.entry).entry;
    if (entry.mode != 0755 || entry.uid != 0 || entry.gid != 0)
      differ(path, "member", "there, with its mode and owner", "implied by others alone");
    return findings_.count("directories that only paths of others imply");
  }
  pair(*was.entry, *is->entry);
}

}  // namespace

Result<TreeResult> compare_trees(const Reading& before, const Reading& after, const Record* record,
                                 const CodeRule& rule, Findings& findings) {
  return TreeComparison(before, after, record, rule, findings).run();
}

}  // namespace flense::verify
