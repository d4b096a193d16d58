// An image of one layer on disk, read to its needs. For tests of the collectors.
#pragma once

#include "inventory/scan/testing_files.h"
#include "needs/collect.h"

namespace flense::needs::testing {

using image::fixture::must;
using image::fixture::Tar;
using inventory::testing::Container;

class NeedsTest : public inventory::testing::OpenedTest {
 protected:
  Needs needs_of(Tar& tar, const Container& container = text::Json::object()) {
    const auto image = open(tar.bytes(), container);
    inventory::InventoryOptions options;
    options.scan.scratch_directory = dir_.path();
    const inventory::Contents contents = must(inventory::Contents::read(*image, options.scan));
    return collect_needs(*image, contents, must(inventory::describe(*image, contents, options)));
  }
};

}  // namespace flense::needs::testing
