// The collectors, one file a group, for needs/collect.cpp alone. Each fills its members of `needs`.
#pragma once

#include "inventory/describe/inventory.h"
#include "inventory/describe/survey.h"
#include "needs/needs.h"

namespace flense::needs {

void collect_code(const inventory::Survey& survey, const inventory::Inventory& inventory,
                  Needs& needs);  ///< code, compat, driver files, stubs
void collect_links(const inventory::Survey& survey, Needs& needs);  ///< missing libraries, RDMA
void collect_capabilities(const inventory::Survey& survey, const inventory::Inventory& inventory,
                          Needs& needs);
void collect_compilers(const inventory::Survey& survey, const inventory::Inventory& inventory,
                       Needs& needs);
void collect_system(const inventory::Survey& survey, const inventory::Inventory& inventory,
                    Needs& needs);  ///< libc, processor level

}  // namespace flense::needs
