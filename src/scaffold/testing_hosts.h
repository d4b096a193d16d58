// Hosts by name, and the tables, for the tests of this room.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <vector>

#include "host/host_argument.h"
#include "knowledge/testing_tables.h"
#include "scaffold/choose.h"

namespace flense::scaffold::testing {

inline const knowledge::Knowledge& tables() {
  return knowledge::test_tables();
}

inline std::vector<host::Profile> hosts(const std::vector<std::string>& words) {
  std::vector<host::Profile> out;
  for (const std::string& word : words) {
    Result<host::Profile> one = host::described_profile(word, tables());
    EXPECT_TRUE(one) << word;
    if (one) out.push_back(std::move(*one));
  }
  return out;
}

inline Template named(std::string_view name) {
  Result<Template> out = find_template(name);
  EXPECT_TRUE(out) << name;
  return out ? *out : Template();
}

}  // namespace flense::scaffold::testing
