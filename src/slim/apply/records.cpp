#include "slim/apply/records.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "base/path.h"
#include "codec/legacy_digest.h"
#include "codec/sha256.h"
#include "text/json.h"

namespace flense::slim {

namespace {

/// Calls fn for each line without its newline; the text's last line may lack one.
void for_each_line(std::string_view text, const std::function<void(std::string_view)>& fn) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    fn(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  }
}

/// First field of a CSV line; RECORD quotes names that hold commas or quotes.
std::string csv_first_field(std::string_view line) {
  if (line.empty() || line.front() != '"') return std::string(line.substr(0, line.find(',')));
  std::string out;
  for (std::size_t i = 1; i < line.size(); ++i) {
    if (line[i] != '"') {
      out += line[i];
    } else if (i + 1 < line.size() && line[i + 1] == '"') {
      out += '"';
      ++i;
    } else {
      break;
    }
  }
  return out;
}

std::string csv_quote(std::string_view field) {
  if (field.find_first_of(",\"\n") == std::string_view::npos) return std::string(field);
  std::string out = "\"";
  for (const char c : field) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

const FileFate* find_fate(const Fates& fates, std::string_view path) {
  const auto found = fates.find(path);
  return found == fates.end() ? nullptr : &found->second;
}

std::optional<std::string> update_wheel_record(std::string_view path, std::string_view text,
                                               const Fates& fates) {
  // Names are relative to the directory that holds the dist-info directory.
  const std::string_view root = parent_path(parent_path(path));
  std::string out;
  bool changed = false;
  for_each_line(text, [&](std::string_view raw) {
    std::string_view line = raw;
    const bool carriage = !line.empty() && line.back() == '\r';
    if (carriage) line.remove_suffix(1);
    const std::string name = csv_first_field(line);
    const FileFate* fate = name.empty() ? nullptr : find_fate(fates, resolve_link_text(root, name));
    if (fate == nullptr) {
      out += raw;
      out += '\n';
      return;
    }
    changed = true;
    if (fate->dropped) return;
    out += fmt::format("{},sha256={},{}{}\n", csv_quote(name), fate->digests.get().sha256_record,
                       fate->size, carriage ? "\r" : "");
  });
  if (!changed) return std::nullopt;
  return out;
}

std::optional<std::string> update_dpkg_md5sums(std::string_view text, const Fates& fates) {
  std::string out;
  bool changed = false;
  for_each_line(text, [&](std::string_view line) {
    // "<32 hex>  <path without leading slash>"
    const FileFate* fate = line.size() > 34 ? find_fate(fates, line.substr(34)) : nullptr;
    if (fate == nullptr) {
      out += line;
      out += '\n';
      return;
    }
    changed = true;
    if (!fate->dropped)
      out += fmt::format("{}  {}\n", fate->digests.get().md5_hex, line.substr(34));
  });
  if (!changed) return std::nullopt;
  return out;
}

std::optional<std::string> update_apk_installed(std::string_view text, const Fates& fates) {
  // F: names a directory, R: a file in it, a: and Z: belong to the R: before them.
  std::string out;
  bool changed = false;
  std::string directory;
  const FileFate* current = nullptr;
  for_each_line(text, [&](std::string_view line) {
    if (line.starts_with("F:")) {
      directory = line.substr(2);
      current = nullptr;
    } else if (line.starts_with("R:")) {
      const std::string path = directory.empty() ? std::string(line.substr(2))
                                                 : fmt::format("{}/{}", directory, line.substr(2));
      current = find_fate(fates, path);
      changed |= current != nullptr;
    } else if (line.empty() || line.starts_with("P:")) {
      current = nullptr;
    }
    if (current != nullptr && current->dropped &&
        (line.starts_with("R:") || line.starts_with("a:") || line.starts_with("Z:")))
      return;
    if (current != nullptr && line.starts_with("Z:Q1")) {
      out += fmt::format("Z:Q1{}\n", current->digests.get().sha1_base64);
      return;
    }
    out += line;
    out += '\n';
  });
  if (!changed) return std::nullopt;
  return out;
}

Result<std::optional<std::string>> update_conda_meta(std::string_view path, std::string_view text,
                                                     const Fates& fates) {
  TRY(text::Json meta, text::parse_json(text, path));
  const std::string_view prefix = parent_path(parent_path(path));
  const auto image_path = [&](std::string_view name) { return resolve_link_text(prefix, name); };
  bool changed = false;
  if (text::Json* files = meta.find_mutable("files"); files != nullptr && files->is_array()) {
    text::Json kept = text::Json::array();
    for (const text::Json& name : files->items()) {
      const FileFate* fate = find_fate(fates, image_path(name.text()));
      if (fate != nullptr && fate->dropped) {
        changed = true;
        continue;
      }
      kept.push(name);
    }
    *files = std::move(kept);
  }
  text::Json* data = meta.find_mutable("paths_data");
  text::Json* paths = data == nullptr ? nullptr : data->find_mutable("paths");
  if (paths != nullptr && paths->is_array()) {
    text::Json kept = text::Json::array();
    for (text::Json entry : paths->items()) {
      const FileFate* fate = find_fate(fates, image_path(entry["_path"].text()));
      if (fate != nullptr) {
        changed = true;
        if (fate->dropped) continue;
        // sha256 is the package's digest, sha256_in_prefix that of the file as installed.
        entry.set("sha256_in_prefix", fate->digests.get().sha256_hex);
        entry.set("size_in_bytes", fate->size);
      }
      kept.push(std::move(entry));
    }
    *paths = std::move(kept);
  }
  if (!changed) return std::optional<std::string>();
  return std::optional<std::string>(text::dump_json(meta, 2) + "\n");
}

}  // namespace

std::optional<RecordKind> record_kind(std::string_view path) {
  const std::string_view name = base_name(path);
  const std::string_view dir = parent_path(path);
  if (name == "RECORD" && dir.ends_with(".dist-info")) return RecordKind::kWheelRecord;
  if (name.ends_with(".md5sums") && dir.ends_with("var/lib/dpkg/info"))
    return RecordKind::kDpkgMd5sums;
  // Distroless keeps dpkg's lists beside the status fragments.
  if (name.ends_with(".md5sums") && dir.ends_with("var/lib/dpkg/status.d"))
    return RecordKind::kDpkgMd5sums;
  if (name == "installed" && dir.ends_with("lib/apk/db")) return RecordKind::kApkInstalled;
  if (name.ends_with(".json") && base_name(dir) == "conda-meta") return RecordKind::kCondaMeta;
  return std::nullopt;
}

std::size_t update_rank(RecordKind kind, std::string_view path) {
  constexpr std::size_t kLast = std::numeric_limits<std::size_t>::max();
  if (kind != RecordKind::kWheelRecord) return kLast;
  return kLast - 1 - static_cast<std::size_t>(std::ranges::count(path, '/'));
}

Result<std::optional<std::string>> update_record(RecordKind kind, std::string_view path,
                                                 std::string_view text, const Fates& fates) {
  switch (kind) {
    case RecordKind::kWheelRecord:
      return update_wheel_record(path, text, fates);
    case RecordKind::kDpkgMd5sums:
      return update_dpkg_md5sums(text, fates);
    case RecordKind::kApkInstalled:
      return update_apk_installed(text, fates);
    case RecordKind::kCondaMeta:
      return update_conda_meta(path, text, fates);
  }
  return std::optional<std::string>();
}

RecordKinds record_kinds(const image::LayerListing& layer) {
  RecordKinds out;
  for (std::size_t i = 0; i < layer.size(); ++i)
    if (const auto kind = record_kind(layer.at(i).path)) out.set(std::to_underlying(*kind));
  return out;
}

namespace {

FileDigests digests_of(Bytes content, RecordKinds lists) {
  const auto wanted = [&](RecordKind kind) { return lists.test(std::to_underlying(kind)); };
  FileDigests out;
  if (wanted(RecordKind::kWheelRecord) || wanted(RecordKind::kCondaMeta)) {
    codec::Sha256 hash;
    hash.update(content);
    const codec::Sha256Bytes digest = hash.take();
    out.sha256_hex = codec::hex_text(digest);
    out.sha256_record = codec::record_text(digest);
  }
  if (wanted(RecordKind::kDpkgMd5sums)) out.md5_hex = codec::md5_hex(content);
  if (wanted(RecordKind::kApkInstalled)) out.sha1_base64 = codec::sha1_base64(content);
  return out;
}

}  // namespace

FileFate fate_of(Bytes content, RecordKinds lists) {
  std::promise<FileDigests> made;
  made.set_value(digests_of(content, lists));
  return {false, content.size(), made.get_future().share()};
}

FileFate fate_behind(MappedFile content, RecordKinds lists) {
  const std::uint64_t size = content.bytes().size();
  return {false, size, std::async(std::launch::async, [content = std::move(content), lists] {
                         return digests_of(content.bytes(), lists);
                       }).share()};
}

}  // namespace flense::slim
