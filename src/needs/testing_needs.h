// An image of one layer on disk, read to its needs. For tests of the collectors.
#pragma once

#include "inventory/scan/testing_files.h"
#include "needs/collect.h"

namespace flense::inventory::testing {

class NeedsTest : public OpenedTest {
 protected:
  Needs needs_of(Tar& tar, const Container& container = text::Json::object()) {
    const auto image = open(tar.bytes(), container);
    InventoryOptions options;
    options.scan.scratch_directory = dir_.path();
    const Contents contents = must(Contents::read(*image, options.scan));
    return collect_needs(*image, contents, must(describe(*image, contents, options)));
  }
};

}  // namespace flense::inventory::testing
