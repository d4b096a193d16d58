// Commands that read what strangers made confine themselves (guard/confine.h): once all that the
// user named is known, before the first byte of it is read, and before there are threads.
#pragma once

#include <string>
#include <vector>

#include "cli/shared/args.h"
#include "cli/shared/common.h"
#include "cli/shared/io.h"
#include "guard/confine.h"

namespace flense::cli {

/// What a command still does once it is confined.
struct Wanted {
  guard::Reach reach;
  guard::Services services = {};  ///< of a broker, if any are asked for
  bool helpers = false;           ///< some are
};

/// Declares --no-sandbox, and with it that the command calls confine().
void add_no_sandbox(Options& options, Request& request);
bool confines_itself(const Options& options);

/// What open_target() needs of files, and what reading layers does.
void add_targets(const std::vector<std::string>& targets, const ImageOptions& options, const Io& io,
                 Wanted& out);
/// Of --host, the words that are files.
void add_hosts(const std::vector<std::string>& words, Wanted& out);
/// The cache of inventories, which is made if need be.
void add_cache(const ImageOptions& options, const Io& io, Wanted& out);

/// A file that the command writes beside what it prints, in full.
void add_output(const std::vector<std::string>& paths, Wanted& out);
/// Writes such a file; those that are there keep their mode.
Result<void> save_output(const std::string& path, std::string_view text, const Io& io);

/// From here on signals are watched, too.
Result<void> confine(const Request& request, const Wanted& wanted, Io& io);

}  // namespace flense::cli
