// Test helper: images of a few small layers, plans for them, and what applying one gives.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "elf/testing_builder.h"
#include "image/layers/testing_image.h"
#include "slim/apply/apply_layer.h"
#include "slim/plan/draft.h"
#include "slim/plan/make_plan.h"

namespace flense::slim::testing {

using image::fixture::must;
using image::fixture::Tar;

inline SlimOptions options_for_tests() {
  SlimOptions out;
  out.cuts.targets.cuda = {{90, device::CudaArch::Variant::kPlain}};
  return out;
}

inline Workplace workplace_for_tests() {
  static const auto kOpened = knowledge::OpenedFiles::read(knowledge::TableSet::load().value());
  return {.scratch_directory = std::filesystem::temp_directory_path(), .opened = kOpened};
}

/// An image in memory. Not movable: views lead into `bytes`.
class TestImage {
 public:
  explicit TestImage(const std::vector<std::string>& layers,
                     codec::Compression compression = codec::Compression::kNone,
                     const text::Json& container = text::Json::object()) {
    std::vector<image::fixture::TestLayer> list;
    for (const std::string& tar : layers) list.push_back({tar, compression, "RUN something"});
    image::fixture::Oci oci;
    if (!container.members().empty()) oci.container = container;
    oci.add_image(list);
    bytes_ = image::fixture::tar_of(oci.all());
    image = must(image::open_archive_bytes(as_bytes(bytes_), "test.tar", "", {}));
    inventory::ScanOptions scan;
    scan.scratch_directory = std::filesystem::temp_directory_path();
    scan.workers = 1;
    contents = must(inventory::Contents::read(*image, scan));
  }
  TestImage(const TestImage&) = delete;
  TestImage& operator=(const TestImage&) = delete;

  Plan plan(const SlimOptions& options = options_for_tests()) const {
    return must(make_plan(*image, *contents, {}, options));
  }
  /// The layer as tar bytes after `plan`; nothing is added.
  std::string apply(std::size_t layer, const LayerPlan& plan, LayerOutcome* outcome = nullptr,
                    const std::vector<AddedFile>& added = {}) const {
    StringSink out;
    LayerOutcome result = must(apply_layer(*image, layer, plan, options_for_tests().cuts, added,
                                           workplace_for_tests(), out));
    if (outcome != nullptr) *outcome = std::move(result);
    return out.take();
  }

  std::unique_ptr<const image::Image> image;
  std::optional<inventory::Contents> contents;

 private:
  std::string bytes_;
};

/// "layer:path action[ new_path]" of every edit, in order.
inline std::vector<std::string> edits_of(const Plan& plan) {
  std::vector<std::string> out;
  for (std::size_t layer = 0; layer < plan.layers.size(); ++layer)
    for (const auto& [position, edit] : plan.layers[layer].edits)
      out.push_back(fmt::format("{}:{} {}{}{}", layer, edit.path, to_string(edit.action),
                                edit.new_path.empty() ? "" : " ", edit.new_path));
  return out;
}

struct Member {
  codec::TarMember header;
  std::string content;
};

inline std::vector<Member> members_of(const std::string& tar) {
  MemorySource source(as_bytes(tar));
  codec::TarReader reader(source, "result", {});
  std::vector<Member> out;
  while (auto member = must(reader.next())) {
    Member one{std::move(*member), {}};
    if (one.header.type == codec::MemberType::kFile)
      one.content = must(read_all(reader.content(), 1u << 30, "member"));
    out.push_back(std::move(one));
  }
  return out;
}

/// "f name=content", "h name -> link", "l name -> text", "d name": one a member.
inline std::vector<std::string> lines_of(const std::string& tar) {
  std::vector<std::string> out;
  for (const Member& member : members_of(tar)) {
    const codec::TarMember& header = member.header;
    switch (header.type) {
      case codec::MemberType::kFile:
        out.push_back(fmt::format("f {}={}", header.name, member.content));
        break;
      case codec::MemberType::kHardLink:
        out.push_back(fmt::format("h {} -> {}", header.name, header.link));
        break;
      case codec::MemberType::kSymlink:
        out.push_back(fmt::format("l {} -> {}", header.name, header.link));
        break;
      case codec::MemberType::kDirectory:
        out.push_back("d " + header.name);
        break;
      default:
        out.push_back("x " + header.name);
    }
  }
  return out;
}

/// The pass with this id.
inline Pass pass_of(std::string_view id) {
  for (const Pass pass : all_passes())
    if (pass.id() == id) return pass;
  throw std::invalid_argument(std::string(id));
}

inline Edit drop(const std::string& path, std::uint64_t bytes = 0,
                 Pass pass = pass_of("apt-lists")) {
  return {Action::kDrop, pass, path, {}, bytes, 0};
}

/// A shared library of which slimming takes the debug section.
inline std::string library_with_debug() {
  elf::testing::Builder builder(ET_DYN, EM_X86_64, 0);
  builder.add({.name = ".text",
               .flags = SHF_ALLOC | SHF_EXECINSTR,
               .address = 0x400,
               .bytes = std::string(64, '\x90'),
               .alignment = 16});
  builder.add({.name = ".debug_info", .bytes = std::string(5000, 'd')});
  builder.segment(PT_LOAD, PF_R | PF_X, 0, 0x440, 0x1000);
  return builder.build();
}

}  // namespace flense::slim::testing
