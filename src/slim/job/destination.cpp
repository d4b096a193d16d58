#include "slim/job/destination.h"

#include <array>
#include <filesystem>
#include <set>

#include "base/ascii.h"
#include "image/model/reference.h"

namespace flense::slim {

namespace {

constexpr const char* kLazyOutputs = "use -o oci:DIR, -o oci-archive:FILE or -t docker://REF";

Failure usage_error(std::string_view message, std::string hint) {
  return fail(Code::kUsage, "{}", message).hint(std::move(hint));
}

/// What the result is called in the output directory: "app" of dir/app.tar, "app-1" of
/// docker://host/team/app:1.
std::string name_of(std::string target) {
  while (target.ends_with('/')) target.pop_back();
  target.erase(0, target.rfind('/') + 1);
  for (const char* transport : {"oci:", "oci-archive:", "docker-archive:", "docker-daemon:",
                                "containers-storage:", "dir:", "docker:"})
    if (target.starts_with(transport)) target.erase(0, std::string_view(transport).size());
  if (target.ends_with(".tar")) target.resize(target.size() - 4);
  for (char& c : target) {
    const bool plain = is_alphanumeric(c) || c == '.' || c == '_' || c == '-';
    if (!plain) c = '-';
  }
  return target;
}

/// The form and the directory of -o.
struct Folder {
  std::string prefix, directory, suffix;
};

Result<Folder> folder_of(const std::string& output) {
  Folder out{"oci:", output, ""};
  if (output.starts_with("oci:")) out.directory = output.substr(4);
  for (const char* archive : {"docker-archive:", "oci-archive:"})
    if (output.starts_with(archive))
      out = {archive, output.substr(std::string_view(archive).size()), ".tar"};
  for (const char* other : {"dir:", "squashfs:", "sif:"})
    if (output.starts_with(other))
      return usage_error(fmt::format("-o {} is for one image at a time", other),
                         "several images go into a directory of OCI layouts or archives: -o DIR, "
                         "-o docker-archive:DIR");
  if (out.directory.empty()) return usage_error("-o names no directory", "-o DIR");
  return out;
}

}  // namespace

const std::string& Destination::name() const {
  if (!in_place.empty()) return in_place;
  return push_to.empty() ? output : push_to;
}

bool Destination::is_file_system() const {
  return output.starts_with("squashfs:") || output.starts_with("sif:");
}

bool Destination::is_tree() const {
  return !in_place.empty() || output.starts_with("dir:") || is_file_system();
}

std::string path_of_output(const std::string& output) {
  for (const char* prefix :
       {"oci:", "oci-archive:", "docker-archive:", "dir:", "squashfs:", "sif:"})
    if (output.starts_with(prefix)) return output.substr(std::string_view(prefix).size());
  return output;
}

Result<std::vector<std::string>> outputs_of(const std::vector<std::string>& targets,
                                            const std::string& output) {
  Folder to;
  if (!output.empty()) {
    TRY(to, folder_of(output));
  }
  std::vector<std::string> out;
  std::set<std::string> names;
  for (const std::string& target : targets) {
    const std::string name = name_of(target);
    if (name.empty() || name == "." || name == "..")
      return usage_error(fmt::format("no name for the result follows from '{}'", target),
                         "slim it alone, with an output of its own");
    if (!names.insert(name).second)
      return usage_error(fmt::format("two images would be written as '{}'", name),
                         "rename one of them, or slim it alone");
    const std::filesystem::path directory = to.directory;
    out.push_back(output.empty() ? "" : to.prefix + (directory / (name + to.suffix)).string());
  }
  return out;
}

Result<void> check_lazy_push(const Packing& packing, const std::string& target) {
  if (!packing.lazy || image::parse_target(target).transport == image::Transport::kRegistry)
    return {};
  return usage_error("--compression estargz is for registries: engines keep layers unpacked",
                     kLazyOutputs);
}

Result<void> check_lazy(const Packing& packing, image::OutputForm form) {
  if (!packing.lazy || form == image::OutputForm::kOciLayout ||
      form == image::OutputForm::kOciArchive)
    return {};
  if (form == image::OutputForm::kDockerArchive)
    return usage_error(
        "--compression estargz is for registries, where engines pull by its annotations: a docker "
        "archive has none",
        kLazyOutputs);
  return usage_error("--compression estargz is for images: a tree has no layers", kLazyOutputs);
}

}  // namespace flense::slim
