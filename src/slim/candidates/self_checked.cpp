#include "slim/candidates/self_checked.h"

#include "base/format.h"
#include "base/path.h"

namespace flense::slim {

// libgcrypt and GnuTLS: `.libgcrypt.so.20.hmac` beside the library, under the name it is loaded by.
// NSS: `libsoftokn3.chk` beside `libsoftokn3.so`. OpenSSL: fipsmodule.cnf, wherever it lies, has
// the MAC of the whole file.
SelfChecked find_self_checked(const inventory::Contents& contents) {
  constexpr std::string_view kMac = ".hmac";
  constexpr std::string_view kChecksum = ".chk";
  SelfChecked out;
  const image::MergedTree& tree = contents.tree();
  const auto add = [&](const std::string& name, std::string_view evidence) {
    if (auto path = tree.resolve(name))
      out.try_emplace(std::move(*path), fmt::format("/{} has a checksum of it", evidence));
  };
  contents.for_each_file([&](const inventory::VisibleFile& file) {
    const std::string_view name = base_name(file.path);
    const std::string directory = std::string(file.path.substr(0, file.path.size() - name.size()));
    if (name.starts_with('.') && name.ends_with(kMac) && name.size() > kMac.size() + 1)
      add(directory + std::string(name.substr(1, name.size() - kMac.size() - 1)), file.path);
    else if (name.starts_with("lib") && name.ends_with(kChecksum))
      add(directory + std::string(name.substr(0, name.size() - kChecksum.size())) + ".so",
          file.path);
    else if (name == "fips.so" && base_name(parent_path(file.path)) == "ossl-modules")
      out.try_emplace(std::string(file.path), "OpenSSL checks the MAC of its FIPS module");
  });
  return out;
}

}  // namespace flense::slim
