// An OCI layout that holds one index over several images, whose blobs lie in one place. It appears
// whole or not at all.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "image/output/artefact.h"
#include "image/output/writer.h"
#include "text/json.h"

namespace flense::image {

class IndexWriter {
 public:
  /// `spec` is that of a layout, with a tag.
  static Result<std::unique_ptr<IndexWriter>> create(const OutputSpec& spec);
  IndexWriter() = default;
  IndexWriter(const IndexWriter&) = delete;
  IndexWriter& operator=(const IndexWriter&) = delete;
  virtual ~IndexWriter() = default;

  /// Takes images one after the other: commit() stores the documents of one and gives its digest.
  virtual ImageWriter& images() = 0;
  /// Of the manifest that images() has committed last.
  virtual std::uint64_t manifest_size() const = 0;
  /// Takes over an entry of the index of `from` with all that hangs on it; false where not all of
  /// it is there, and then nothing of it is in the index.
  virtual Result<bool> take_over(const Image& from, const text::Json& entry) = 0;
  /// Further entries, in order. With `ending` the image has a tag of its own: that of the index and
  /// "-" and `ending`.
  virtual void add(text::Json entry, const std::string& ending = {}) = 0;
  /// An artefact that hangs on such an entry. It is beside the index, not in it.
  virtual Result<void> hang(const Artefact& artefact, const Subject& on) = 0;
  /// Writes the index, fsyncs, renames. Returns its digest.
  virtual Result<std::string> commit(const text::Json& annotations) = 0;
};

}  // namespace flense::image
