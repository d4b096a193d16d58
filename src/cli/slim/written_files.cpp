#include "cli/slim/written_files.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <system_error>

#include "base/format.h"
#include "cli/shared/html_file.h"
#include "image/model/reference.h"
#include "slim/job/variants.h"

namespace flense::cli {

namespace {

namespace fs = std::filesystem;

struct Written {
  std::string option, file;
};

fs::path real(const std::string& file) {
  std::error_code error;
  const fs::path out = fs::weakly_canonical(file, error);
  return error ? fs::path(file).lexically_normal() : out;
}

/// A pipe, a terminal, /dev/null: several may go there, and nothing is replaced.
bool is_stream(const std::string& file) {
  std::error_code error;
  const fs::file_status status = fs::status(file, error);
  return fs::exists(status) && !fs::is_regular_file(status) && !fs::is_directory(status);
}

std::vector<Written> written_files(const SlimRequest& request, const std::vector<SlimJob>& jobs) {
  std::vector<Written> out = {{"--plan", request.plan_file}, {"--save-trace", request.save_trace}};
  if (!html_on_output(request.html)) out.push_back({"--html", request.html});
  for (const SlimJob& job : jobs) {
    // Wheels have records of their own, in the directory that this run makes.
    if (!job.wheel) out.push_back({"the record", job.provenance});
    if (!request.prove.empty())
      out.push_back({"--prove", request.variants.empty()
                                    ? request.prove
                                    : proof_of_variant(request.prove, job.options.cuts.targets)});
  }
  std::erase_if(out, [](const Written& one) { return one.file.empty(); });
  return out;
}

bool is_below(const fs::path& file, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), file.begin(), file.end()).first ==
         folder.end();
}

/// A new file in a directory that is read harms nothing; in a layout nothing of others belongs.
bool replaces(const Written& one, const fs::path& file, const fs::path& input) {
  std::error_code error;
  if (fs::equivalent(one.file, input, error)) return true;
  return fs::is_directory(input, error) && is_below(file, input) &&
         (fs::exists(file, error) || fs::exists(input / "oci-layout", error));
}

}  // namespace

std::string proof_of_variant(const std::string& file, const device::Targets& targets) {
  fs::path path = file;
  const std::string ending = path.extension().string();
  path.replace_extension();
  return fmt::format("{}.{}{}", path.string(), slim::variant_name(targets), ending);
}

Result<void> check_written_files(const SlimRequest& request, const std::vector<SlimJob>& jobs) {
  if (!request.variants.empty() && is_stream(request.prove))
    return usage_error("--prove writes a file for each of --variants", "name a file");
  std::vector<fs::path> inputs;
  const auto add_input = [&](const std::string& target) {
    if (const std::string path = image::parse_target(target).path; !path.empty())
      inputs.push_back(real(path));
  };
  for (const std::string& target : request.words) add_input(target);
  if (!request.options.packing.kept_base.empty()) add_input(request.options.packing.kept_base);
  for (const std::string& file : request.trace_files) inputs.push_back(real(file));
  std::map<fs::path, std::string> taken;
  for (const SlimJob& job : jobs)
    if (!job.to.output.empty()) taken[real(slim::path_of_output(job.to.output))] = "the result";
  for (const Written& one : written_files(request, jobs)) {
    if (is_stream(one.file)) continue;
    const fs::path file = real(one.file);
    if (std::ranges::any_of(inputs,
                            [&](const fs::path& input) { return replaces(one, file, input); }))
      return usage_error(
          fmt::format("{} {} would replace what is read, or a part of it", one.option, one.file),
          "name another file");
    const auto [at, fresh] = taken.try_emplace(file, one.option);
    if (!fresh)
      return usage_error(
          fmt::format("{} and {} are one file: {}", at->second, one.option, one.file),
          "name another one");
  }
  return {};
}

}  // namespace flense::cli
