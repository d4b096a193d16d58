#include "cli/shared/root_places.h"

#include <sys/statvfs.h>

#include <vector>

#include "base/cache_places.h"
#include "cli/shared/common.h"
#include "image/model/reference.h"
#include "launch/rootfs/mounted_root.h"

namespace flense::cli {

namespace {

bool forbids_programs(const std::filesystem::path& directory) {
  struct statvfs found{};
  return ::statvfs(directory.c_str(), &found) == 0 && (found.f_flag & ST_NOEXEC) != 0;
}

}  // namespace

Result<OpenedRoots> open_root_store(const Io& io) {
  TRY(const auto most, max_unpacked(io));
  std::vector<std::string> complaints;
  for (const std::filesystem::path& place : places_of(io).inventories) {
    auto store = launch::RootStore::open(place / "roots", most);
    if (!store) {
      complaints.push_back(store.error().message);
      continue;
    }
    if (forbids_programs(store->directory())) {
      complaints.push_back(fmt::format("{} is mounted noexec", store->directory().string()));
      continue;
    }
    std::string note = fmt::format("{}", fmt::join(complaints, "; "));
    if (on_network_file_system(store->directory()))
      note = fmt::format("{} is on a network file system, where roots start slowly",
                         store->directory().string());
    return OpenedRoots{std::move(*store), place / "injected", std::move(note)};
  }
  return fail(Code::kEnvironment, "there is no place for unpacked images: {}",
              complaints.empty() ? std::string("neither FLENSE_CACHE, HOME nor TMPDIR is set")
                                 : fmt::format("{}", fmt::join(complaints, "; ")))
      .hint("set FLENSE_CACHE to a directory of yours on a disk of this machine");
}

Result<OpenedRoot> open_root(const std::string& target, const Request& request,
                             const ImageOptions& options, bool mounted, Io& io) {
  OpenedRoot out;
  TRY(out.image, open_target(target, options, request, io));
  if (out.image->form == image::Form::kElfFile)
    return bad_input("{} is a program, no image", target);
  const std::string path = image::parse_target(target).path;
  if (mounted) {
    TRY(out.root, launch::mount_image(*out.image, path));
    out.place = "mounted by the kernel, nothing is unpacked";
    return out;
  }
  if (out.image->form == image::Form::kDirectory) {
    TRY(out.root, launch::RootStore::in_place(path));
    out.place = "used where it lies, nothing is unpacked";
    return out;
  }
  TRY(OpenedRoots roots, open_root_store(io));
  out.prepared = roots.prepared;
  const std::unique_ptr<Progress> progress = make_progress(request, io);
  TRY(out.root, roots.store.obtain(*out.image, *progress));
  progress->clear();
  out.place = fmt::format("{}{}", out.root.unpacked_now ? "unpacked now" : "unpacked before",
                          roots.note.empty() ? "" : "; " + roots.note);
  return out;
}

}  // namespace flense::cli
