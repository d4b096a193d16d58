// One request for a package as Python (PEP 440, 503, 508) and conda (MatchSpec) write it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "lint/packages/packages.h"

namespace flense::lint {

/// Lower case, runs of '-', '_' and '.' as one '-' (PEP 503).
std::string normalised_name(std::string_view name);

/// "torch[opt]>=2.0 ; python_version < '3.12'", "name @ https://…". Nullopt for what begins with no
/// name.
std::optional<PackageRequest> parse_requirement(std::string_view text);

/// "pytorch::pytorch=2.5.1=py3.11_cuda12.4*", "cuda-version>=12,<13", "cuda-toolkit[version=12]".
std::optional<PackageRequest> parse_conda_spec(std::string_view text);

/// The version that a specifier of Python fixes: "2.6.0+cu124" of "==2.6.0+cu124", "2.6" of
/// "==2.6.*"; empty where it leaves a choice ("==2.*"), or holds what is not known ("==${TORCH}").
std::string fixed_version(std::string_view specifier);

/// Whether a version meets a specifier of Python; true where that cannot be told.
bool meets(std::string_view version, std::string_view specifier);

/// True where no machine meets both markers (PEP 508); false where that is too involved.
bool exclude_each_other(std::string_view a, std::string_view b);

}  // namespace flense::lint
