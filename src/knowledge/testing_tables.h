// The tables that are compiled in, read once for a program of tests.
#pragma once

#include "knowledge/knowledge.h"

namespace flense::knowledge {

inline const Knowledge& test_tables() {
  static const Knowledge kTables = Knowledge::load().value();
  return kTables;
}

}  // namespace flense::knowledge
