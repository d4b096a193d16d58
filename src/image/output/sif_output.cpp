#include "image/output/sif_output.h"

#include <system_error>

#include "base/file.h"
#include "base/process.h"

namespace flense::image {

Result<std::string> find_sif_builder() {
  for (const char* name : {"apptainer", "singularity"})
    if (const auto found = find_program(name)) return *found;
  return fail(Code::kEnvironment,
              "neither apptainer nor singularity is on PATH, which "
              "build SIF files")
      .hint("install one of them, or write -o squashfs:FILE, which they run too");
}

Result<void> build_sif(const std::string& program, const std::filesystem::path& archive,
                       const std::filesystem::path& scratch, const std::filesystem::path& output) {
  const std::filesystem::path made = scratch / "image.sif";
  TRY(const ProcessOutput done,
      run_process({program, "build", made, "oci-archive:" + archive.string()}));
  if (done.status != 0)
    return fail(Code::kEnvironment, "{} build ended with status {}: {}", program, done.status,
                done.err.substr(done.err.size() - std::min<std::size_t>(done.err.size(), 1000)));
  TRY(AtomicFile file, AtomicFile::create(output));
  TRY(const MappedFile bytes, MappedFile::open(made));
  TRY_DO(write_fully(file.fd(), bytes.bytes(), output.string()));
  return file.commit();
}

}  // namespace flense::image
