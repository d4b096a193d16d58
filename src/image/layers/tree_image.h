// An image whose only layer is a tree of files.
#pragma once

#include <memory>
#include <utility>

#include "image/layers/entry_source.h"
#include "image/model/image.h"

namespace flense::image {

class TreeImage final : public Image {
 public:
  explicit TreeImage(std::unique_ptr<EntrySource> source) : source_(std::move(source)) {
    layers.emplace_back();
  }
  Result<std::unique_ptr<Source>> open_layer(std::size_t) const override {
    return fail(Code::kInternal, "{} has no layer blob", name);
  }
  const EntrySource* entries() const override { return source_.get(); }

 private:
  std::unique_ptr<EntrySource> source_;
};

}  // namespace flense::image
