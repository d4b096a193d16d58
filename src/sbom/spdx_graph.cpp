#include "sbom/spdx_graph.h"

#include <algorithm>
#include <unordered_map>

#include "base/ascii.h"
#include "sbom/names.h"

namespace flense::sbom {

namespace {

struct Node {
  enum class Kind : std::uint8_t { kPackage, kFile } kind;
  std::size_t index;
};

class GraphReader {
 public:
  GraphReader(const text::Json& document, const Fates& fates)
      : document_(document), fates_(fates) {}

  Result<SpdxGraph> read() {
    for (const char* key : {"packages", "files", "relationships", "snippets"})
      TRY_DO(check_objects(document_, key));
    TRY_DO(index("packages", Node::Kind::kPackage));
    TRY_DO(index("files", Node::Kind::kFile));
    const std::size_t packages = document_["packages"].items().size();
    graph_.contained.resize(packages);
    graph_.described.resize(packages);
    placed_.resize(packages);
    left_.resize(packages);
    containers_.resize(packages);
    for (const text::Json& file : document_["files"].items())
      graph_.files.push_back(fate_of(fates_, file["fileName"].text()));
    read_packages();
    read_relationships();
    for (const text::Json& one : document_["documentDescribes"].items()) describe(one.text());
    decide();
    read_snippets();
    collect();
    return std::move(graph_);
  }

 private:
  Result<void> index(std::string_view key, Node::Kind kind) {
    const auto& list = document_[key].items();
    for (std::size_t i = 0; i < list.size(); ++i) {
      const text::Json& id = list[i]["SPDXID"];
      if (!id.is_string()) return bad_input("{}[{}].SPDXID is not a text", key, i);
      // Of two elements with one name, which the format forbids, the first is meant.
      nodes_.try_emplace(id.text(), Node{kind, i});
    }
    return {};
  }

  const Node* find(std::string_view id) const {
    const auto found = nodes_.find(id);
    return found == nodes_.end() ? nullptr : &found->second;
  }

  void place(std::size_t package, Fate fate) {
    placed_[package] = true;
    if (fate != Fate::kGone) left_[package] = true;
  }

  void contain(const Node* container, const Node* part) {
    if (container == nullptr || part == nullptr || container->kind != Node::Kind::kPackage) return;
    if (part->kind == Node::Kind::kFile) {
      graph_.contained[container->index].push_back(part->index);
      place(container->index, graph_.files[part->index]);
    } else {
      containers_[part->index].push_back(container->index);
    }
  }

  void describe(std::string_view id) {
    const Node* node = find(id);
    if (node != nullptr && node->kind == Node::Kind::kPackage) graph_.described[node->index] = true;
  }

  /// "acquired package info from DPKG DB: /var/lib/dpkg/status, …" (syft), "package found in:
  /// app/package-lock.json" (trivy). A path with a comma in it becomes two that nobody knows.
  void read_source_info(std::size_t package, std::string_view info) {
    const bool many = info.starts_with("acquired package info from ");
    if (!many && !info.starts_with("package found in: ")) return;
    std::size_t at = info.find(": ");
    while (at != info.npos) {
      info.remove_prefix(at + 2);
      at = many ? info.find(", ") : info.npos;
      const std::string_view path = info.substr(0, at);
      if (!path.empty()) place(package, fate_of(fates_, path));
    }
  }

  void read_packages() {
    const auto& packages = document_["packages"].items();
    for (std::size_t i = 0; i < packages.size(); ++i) {
      read_source_info(i, packages[i]["sourceInfo"].text());
      const Node self{Node::Kind::kPackage, i};
      for (const text::Json& file : packages[i]["hasFiles"].items())
        contain(&self, find(file.text()));
    }
  }

  void read_relationships() {
    const std::string_view document = document_["SPDXID"].text();
    for (const text::Json& one : document_["relationships"].items()) {
      const std::string_view type = one["relationshipType"].text();
      const std::string_view from = one["spdxElementId"].text();
      const std::string_view to = one["relatedSpdxElement"].text();
      if (type == "CONTAINS") contain(find(from), find(to));
      if (type == "CONTAINED_BY") contain(find(to), find(from));
      if (type == "DESCRIBES" && from == document) describe(to);
      if (type == "DESCRIBED_BY" && to == document) describe(from);
      if (type == "OTHER" && one["comment"].text().starts_with("evident-by")) {
        const Node *package = find(from), *file = find(to);
        if (package != nullptr && file != nullptr && package->kind == Node::Kind::kPackage &&
            file->kind == Node::Kind::kFile)
          place(package->index, graph_.files[file->index]);
      }
    }
  }

  /// A package goes if all places that the document names are gone, unless it holds one that stays.
  void decide() {
    const std::size_t count = placed_.size();
    graph_.gone_packages.resize(count);
    std::vector<std::size_t> stay;
    for (std::size_t i = 0; i < count; ++i) {
      graph_.gone_packages[i] = placed_[i] && !left_[i] && !graph_.described[i];
      if (!graph_.gone_packages[i]) stay.push_back(i);
    }
    while (!stay.empty()) {
      const std::size_t one = stay.back();
      stay.pop_back();
      for (const std::size_t container : containers_[one])
        if (graph_.gone_packages[container]) {
          graph_.gone_packages[container] = false;
          stay.push_back(container);
        }
    }
  }

  /// The byte ranges of a snippet mean nothing in a file that was changed.
  void read_snippets() {
    for (const text::Json& snippet : document_["snippets"].items()) {
      const Node* file = find(snippet["snippetFromFile"].text());
      graph_.gone_snippets.push_back(file != nullptr && file->kind == Node::Kind::kFile &&
                                     graph_.files[file->index] != Fate::kSame);
    }
  }

  void collect() {
    std::unordered_set<std::string_view> stays;
    const auto each = [&](std::string_view key, auto is_gone) {
      const auto& list = document_[key].items();
      for (std::size_t i = 0; i < list.size(); ++i) {
        const std::string_view id = list[i]["SPDXID"].text();
        if (is_gone(i))
          graph_.gone.emplace(id);
        else
          stays.insert(id);
      }
    };
    each("packages", [&](std::size_t i) { return graph_.gone_packages[i]; });
    each("files", [&](std::size_t i) { return graph_.files[i] == Fate::kGone; });
    each("snippets", [&](std::size_t i) { return graph_.gone_snippets[i]; });
    std::erase_if(graph_.gone, [&](const std::string& id) {
      return stays.contains(id) || id == document_["SPDXID"].text();
    });
  }

  const text::Json& document_;
  const Fates& fates_;
  SpdxGraph graph_;
  std::unordered_map<std::string_view, Node> nodes_;
  std::vector<bool> placed_, left_;
  std::vector<std::vector<std::size_t>> containers_;  ///< of each package: packages that hold it
};

}  // namespace

Result<SpdxGraph> spdx_graph(const text::Json& document, const Fates& fates) {
  return GraphReader(document, fates).read();
}

void filter_spdx_references(text::Json& document, const std::unordered_set<std::string>& gone) {
  const auto names_gone = [&](const text::Json& one) {
    return gone.contains(std::string(one.text()));
  };
  filter(document, "relationships", [&](const text::Json& one) {
    return names_gone(one["spdxElementId"]) || names_gone(one["relatedSpdxElement"]);
  });
  filter(document, "documentDescribes", names_gone);
  each_object(document, "packages", [&](text::Json& one) { filter(one, "hasFiles", names_gone); });
  each_object(document, "files",
              [&](text::Json& one) { filter(one, "fileDependencies", names_gone); });
}

}  // namespace flense::sbom
