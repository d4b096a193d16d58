// The collectors, one file a group, for needs/collect.cpp alone. Each fills its members of `needs`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inventory/describe/inventory.h"
#include "inventory/describe/survey.h"
#include "needs/needs.h"
#include "needs/users.h"

namespace flense::needs {

/// EM_* as kernels name it; empty for GPUs, BPF and processors without NVIDIA's or AMD's drivers.
std::string_view processor_name(std::uint16_t machine);
/// The processor that a library of this name is there for, where it is there for others than the
/// image's alone; empty: it is nowhere.
std::string other_processor(const inventory::Survey& survey, std::string_view library);

/// The program that the kernel maps when the image starts: what the entry point or the command
/// means, and for a script its interpreter.
std::optional<std::string> start_program(const inventory::Survey& survey);

void collect_code(const inventory::Survey& survey, const inventory::Inventory& inventory,
                  const LibraryUsers& users, Needs& needs);  ///< code, compat, driver files, stubs
/// Files that can be loaded here and are not one of several variants.
using LinkingFiles = std::vector<const inventory::SurveyFile*>;
LinkingFiles linking_files(const inventory::Survey& survey);
void collect_links(const inventory::Survey& survey, const LinkingFiles& linking,
                   Needs& needs);  ///< missing libraries, RDMA
void collect_too_new(const inventory::Survey& survey, const LinkingFiles& linking,
                     const LibraryUsers& users, Needs& needs);
void collect_foreign(const inventory::Survey& survey,
                     Needs& needs);  ///< packages of another Python or processor
void collect_capabilities(const inventory::Survey& survey, const inventory::Inventory& inventory,
                          Needs& needs);
/// Returns what the image's command has loaded when it runs, the program first.
std::vector<std::string> collect_start(const inventory::Survey& survey, Needs& needs);
/// What ONNX Runtime's provider for CUDA, CuPy and CTranslate2 ask for and the loader does not find
/// in NVIDIA's wheels.
void collect_providers(const inventory::Survey& survey, Needs& needs);
/// What extension modules of Python ask for, and lies where the loader does not look for it.
void collect_extensions(const inventory::Survey& survey, const LinkingFiles& linking, Needs& needs);
void collect_compilers(const inventory::Survey& survey, const inventory::Inventory& inventory,
                       Needs& needs);
void collect_system(const inventory::Survey& survey, const inventory::Inventory& inventory,
                    const std::vector<std::string>& loaded,
                    Needs& needs);  ///< libc, processor level, pages

}  // namespace flense::needs
