// How far the reading of a compressed layer is: in bytes as stored, since nobody knows beforehand
// how many it unpacks to.
#pragma once

#include <memory>
#include <utility>

#include "base/progress.h"
#include "base/stream.h"

namespace flense::image {

class CountedSource final : public Source {
 public:
  CountedSource(std::unique_ptr<Source> from, Progress& progress)
      : from_(std::move(from)), progress_(progress) {}
  Result<Bytes> next(std::size_t max) override {
    TRY(const Bytes out, from_->next(max));
    TRY_DO(progress_.add(out.size()));
    return out;
  }

 private:
  std::unique_ptr<Source> from_;
  Progress& progress_;
};

}  // namespace flense::image
