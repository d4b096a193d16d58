// Reissues an SBOM as a slim image would have it, for tests/oracle/sbom.py:
//   sbom_reissue FILE GONE CHANGED RESULT
// GONE and CHANGED are files with one absolute path a line (an empty name: none). The document goes
// to RESULT, the figures and notices to standard output.
#include <cstdio>
#include <fstream>
#include <set>

#include "base/ascii.h"
#include "base/file.h"
#include "codec/legacy_digest.h"
#include "codec/sha256.h"
#include "sbom/sbom.h"
#include "sbom/statement.h"

namespace {

using namespace flense;

Result<std::set<std::string, std::less<>>> lines_of(const std::string& path) {
  std::set<std::string, std::less<>> out;
  if (path.empty()) return out;
  TRY(const std::string text, read_file(path, sbom::kMaxBytes));
  std::string_view rest = text;
  while (!rest.empty()) out.emplace(take_line(rest));
  return out;
}

Result<void> run(const std::vector<std::string>& arguments) {
  TRY(const std::string bytes, read_file(arguments.at(0), sbom::kMaxBytes));
  TRY(const auto gone, lines_of(arguments.at(1)));
  TRY(const auto changed, lines_of(arguments.at(2)));
  TRY(text::Json json, sbom::read(bytes, arguments.at(0)));
  TRY(sbom::Carried carried, sbom::unwrap(std::move(json)));
  const sbom::Fates fates = [&](std::string_view path) {
    if (gone.contains(path)) return sbom::Fate::kGone;
    return changed.contains(path) ? sbom::Fate::kChanged : sbom::Fate::kSame;
  };
  sbom::ContentDigests digests;
  for (const std::string& path : sbom::changed_files(carried.document, fates))
    digests[path] = {codec::sha1_hex(as_bytes(path)),
                     codec::sha256_digest(as_bytes(path)).substr(7)};
  sbom::Origin origin;
  origin.image_name = "docker.io/library/app:1";
  origin.image_digest = codec::sha256_digest(as_bytes("original"));
  origin.document_digest = codec::sha256_digest(as_bytes(bytes));
  origin.tool_version = "0.1.0";
  origin.result_digest = codec::sha256_digest(as_bytes(bytes + "slim"));
  TRY(sbom::Reissued reissued, sbom::reissue(std::move(carried.document), fates, digests, origin));
  std::printf("%zu %zu %zu %zu\n", reissued.packages_before, reissued.packages_after,
              reissued.files_gone, reissued.files_changed);
  for (const std::string& notice : reissued.notices) std::printf("%s\n", notice.c_str());
  carried.document = std::move(reissued.document);
  std::ofstream(arguments.at(3)) << text::dump_json(
      sbom::wrap(std::move(carried), origin.result_digest));
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const auto done = run({argv + 1, argv + argc});
  if (done) return 0;
  std::fputs(render(done.error()).c_str(), stderr);
  return exit_status(done.error().code);
}
