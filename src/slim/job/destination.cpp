#include "slim/job/destination.h"

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
  if (const auto* form = image::transport_form_of(target)) target.erase(0, form->prefix.size());
  while (target.ends_with('/')) target.pop_back();
  target.erase(0, target.rfind('/') + 1);
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
  const image::TransportForm* form = image::transport_form_of(output);
  Destination named;
  named.output = output;
  if (named.is_tree())
    return usage_error(fmt::format("-o {} is for one image at a time", form->prefix),
                       "several images go into a directory of OCI layouts or archives: -o DIR, "
                       "-o docker-archive:DIR");
  Folder out{"oci:", path_of_output(output), ""};
  if (form != nullptr && !form->is_engine && form->transport != image::Transport::kOci)
    out = {std::string(form->prefix), std::move(out.directory), ".tar"};
  if (out.directory.empty()) return usage_error("-o names no directory", "-o DIR");
  return out;
}

}  // namespace

const std::string& Destination::name() const {
  if (!in_place.empty()) return in_place;
  if (!push_to.empty()) return push_to;
  return output.empty() && !mirrored.empty() ? mirrored.front() : output;
}

bool Destination::is_file_system() const {
  const image::TransportForm* form = image::transport_form_of(output);
  return form != nullptr && (form->transport == image::Transport::kSquashfs ||
                             form->transport == image::Transport::kSif);
}

bool Destination::is_tree() const {
  const image::TransportForm* form = image::transport_form_of(output);
  return !in_place.empty() || is_file_system() ||
         (form != nullptr && form->transport == image::Transport::kDirectory);
}

std::string path_of_output(const std::string& output) {
  const image::TransportForm* form = image::transport_form_of(output);
  return form == nullptr || form->is_engine ? output : output.substr(form->prefix.size());
}

std::string record_beside(const std::string& output) {
  std::string path = path_of_output(output);
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path + ".provenance.json";
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
