#include "report/images/diff_sections.h"

#include <algorithm>

#include "base/format.h"

namespace flense::report {

namespace {

using compat::Direction;
using inventory::InventoryChanges;

constexpr std::size_t kShown = 10;

const Column kLeft{"", Align::kLeft, Column::Flex::kNone};

Column column(std::string title, Align align = Align::kLeft,
              Column::Flex flex = Column::Flex::kNone) {
  return {std::move(title), align, flex};
}

/// "+1.2 GB", "-300 MB", "0".
std::string signed_bytes(std::uint64_t before, std::uint64_t after) {
  if (before == after) return "0";
  return after > before ? "+" + human_bytes(after - before) : "-" + human_bytes(before - after);
}

/// With the share: "-300 MB (-25.0 %)".
std::string growth(std::uint64_t before, std::uint64_t after) {
  std::string out = signed_bytes(before, after);
  if (before == 0 || before == after) return out;
  const double share =
      (static_cast<double>(after) - static_cast<double>(before)) / static_cast<double>(before);
  return out + fmt::format(" ({:+.1f} %)", 100 * share);
}

std::string with_commas(const std::vector<std::string>& items) {
  return fmt::format("{}", fmt::join(items, " "));
}

class Sections {
 public:
  Sections(const ImageDiff& diff, bool all) : diff_(diff), changes_(diff.changes), all_(all) {}

  std::vector<DiffSection> run() {
    sizes();
    hosts();
    verdicts();
    gates();
    reasons();
    versions("Runtimes and frameworks", changes_.runtimes, false);
    versions("Packages", changes_.packages, true);
    code();
    code_files();
    files();
    layers();
    configuration();
    std::erase_if(out_, [](const DiffSection& one) { return one.rows.empty(); });
    return std::move(out_);
  }

 private:
  DiffSection& begin(std::string title, std::vector<Column> columns) {
    out_.push_back({std::move(title), std::move(columns), {}, 0});
    return out_.back();
  }
  void cut(DiffSection& section) const {
    if (all_ || section.rows.size() <= kShown) return;
    section.more = section.rows.size() - kShown;
    section.rows.resize(kShown);
  }

  void sizes() {
    DiffSection& section =
        begin("Size", {kLeft, column("BEFORE", Align::kRight), column("AFTER", Align::kRight),
                       column("CHANGE", Align::kRight)});
    const auto add = [&](const char* name, std::uint64_t a, std::uint64_t b) {
      section.rows.push_back({{name, human_bytes(a), human_bytes(b), growth(a, b)}});
    };
    const auto &a = changes_.before, &b = changes_.after;
    add("as stored", a.size_bytes, b.size_bytes);
    add("unpacked", a.unpacked_bytes, b.unpacked_bytes);
    add("files in a container", a.file_bytes, b.file_bytes);
    const std::int64_t more =
        static_cast<std::int64_t>(b.files) - static_cast<std::int64_t>(a.files);
    section.rows.push_back({{"number of files", grouped(a.files), grouped(b.files),
                             more == 0 ? "0" : fmt::format("{:+}", more)}});
  }

  void hosts() {
    DiffSection& section =
        begin("For hosts", {kLeft, column("", Align::kLeft, Column::Flex::kWrap)});
    for (const compat::HostChange& one : diff_.hosts.changes) {
      const bool narrower = one.direction == Direction::kNarrower;
      section.rows.push_back({{narrower                               ? "-"
                               : one.direction == Direction::kWider   ? "+"
                               : one.direction == Direction::kUnknown ? "?"
                                                                      : "~",
                               one.text},
                              narrower ? Ink::kRed : Ink::kPlain});
    }
  }

  void verdicts() {
    DiffSection& section =
        begin("Verdicts", {column("HOST"), column("BEFORE"), column("AFTER"), column("CHECK"),
                           column("WHAT", Align::kLeft, Column::Flex::kWrap)});
    for (const compat::VerdictChange& host : diff_.verdicts) {
      const Ink ink = host.after > host.before ? Ink::kRed : Ink::kPlain;
      section.rows.push_back(
          {{host.host, std::string(to_string(host.before)), std::string(to_string(host.after)), "",
            host.checks.empty() ? "every check as before" : ""},
           ink});
      for (const compat::CheckChange& check : host.checks)
        section.rows.push_back(
            {{"", check.before.empty() ? "-" : check.before,
              check.after.empty() ? "-" : check.after, check.id, check.message}});
    }
  }

  void gates() {
    DiffSection& section = begin("Gates", {column("GATE"), column("STATUS"),
                                           column("REASON", Align::kLeft, Column::Flex::kWrap)});
    for (const compat::GateResult& one : diff_.gates)
      if (one.status != "passed")
        section.rows.push_back({{one.gate, one.status, one.reason},
                                one.status == "failed" ? Ink::kRed : Ink::kYellow});
  }

  void reasons() {
    DiffSection& section = begin("Unpacked size by reason",
                                 {column("REASON"), column("BEFORE", Align::kRight),
                                  column("AFTER", Align::kRight), column("CHANGE", Align::kRight)});
    for (const inventory::SizeChange& one : changes_.reasons)
      if (one.before != one.after)
        section.rows.push_back({{one.name, human_bytes(one.before), human_bytes(one.after),
                                 growth(one.before, one.after)}});
    cut(section);
  }

  void versions(const char* title, const std::vector<inventory::VersionChange>& list, bool types) {
    DiffSection& section = begin(title, {column("NAME"), column("BEFORE"), column("AFTER")});
    if (types) section.columns.insert(section.columns.begin(), column("TYPE"));
    const auto version = [](const std::string& text, bool there) {
      return !there ? std::string("-") : text.empty() ? "present" : text;
    };
    for (const inventory::VersionChange& one : list) {
      std::vector<std::string> cells = {one.name, version(one.before, one.how != "added"),
                                        version(one.after, one.how != "removed")};
      if (types) cells.insert(cells.begin(), one.type);
      section.rows.push_back({std::move(cells)});
    }
    cut(section);
  }

  void code() {
    DiffSection& section = begin("Device code by architecture",
                                 {column("CODE"), column("KIND"), column("BEFORE", Align::kRight),
                                  column("AFTER", Align::kRight), column("CHANGE", Align::kRight)});
    for (const inventory::CodeChange& one : changes_.code)
      section.rows.push_back(
          {{one.arch, one.kind, human_bytes(one.bytes_before), human_bytes(one.bytes_after),
            growth(one.bytes_before, one.bytes_after)}});
    cut(section);
  }

  void code_files() {
    DiffSection& section = begin(
        "Device code by file",
        {column("CHANGE", Align::kRight), column("AFTER", Align::kRight),
         column("FILE", Align::kLeft, Column::Flex::kPath), column("LOST"), column("GAINED")});
    // For files added or removed as a whole the list would only repeat the totals.
    const auto names = [](const inventory::CodeFileChange& one,
                          const std::vector<std::string>& list) {
      return one.bytes_before == 0 || one.bytes_after == 0 ? std::string() : with_commas(list);
    };
    for (const inventory::CodeFileChange& one : changes_.code_files)
      section.rows.push_back(
          {{signed_bytes(one.bytes_before, one.bytes_after), human_bytes(one.bytes_after), one.path,
            names(one, one.lost), names(one, one.gained)}});
    cut(section);
  }

  void files() {
    std::string title = "Files";
    for (const inventory::FileTotals& one : changes_.file_totals)
      title += fmt::format("{} {} {} ({})", title == "Files" ? ":" : ",", grouped(one.files),
                           one.how, signed_bytes(one.bytes_before, one.bytes_after));
    DiffSection& section =
        begin(std::move(title), {column("CHANGE", Align::kRight), column("HOW"),
                                 column("FILE", Align::kLeft, Column::Flex::kPath)});
    for (const inventory::FileChange& one : changes_.files)
      section.rows.push_back(
          {{signed_bytes(one.bytes_before, one.bytes_after),
            one.what.empty() ? one.how : fmt::format("{}", fmt::join(one.what, ", ")), one.path}});
    cut(section);
  }

  void layers() {
    std::size_t shared = 0;
    std::uint64_t bytes = 0;
    DiffSection& section =
        begin("", {column("LAYER"), column("BEFORE", Align::kRight), column("AFTER", Align::kRight),
                   column("CHANGE", Align::kRight),
                   column("INSTRUCTION", Align::kLeft, Column::Flex::kEnd)});
    for (const inventory::LayerChange& one : changes_.layers) {
      if (one.how == "shared") {
        ++shared;
        bytes += one.unpacked_after;
        continue;
      }
      section.rows.push_back(
          {{one.how, human_bytes(one.unpacked_before), human_bytes(one.unpacked_after),
            growth(one.unpacked_before, one.unpacked_after), one.instruction}});
    }
    section.title = fmt::format("Layers: {} of {} shared ({} unpacked)", shared,
                                changes_.after.layers, human_bytes(bytes));
    cut(section);
  }

  void configuration() {
    DiffSection& section =
        begin("Configuration", {column("NAME"), column("BEFORE", Align::kLeft, Column::Flex::kEnd),
                                column("AFTER", Align::kLeft, Column::Flex::kEnd)});
    for (const inventory::ConfigurationChange& one : changes_.configuration)
      section.rows.push_back({{one.name, one.before.value_or("-"), one.after.value_or("-")}});
  }

  const ImageDiff& diff_;
  const InventoryChanges& changes_;
  bool all_;
  std::vector<DiffSection> out_;
};

}  // namespace

std::string no_difference(const ImageDiff& diff) {
  const InventoryChanges& changes = diff.changes;
  const bool calm = std::ranges::all_of(
      diff.gates, [](const compat::GateResult& one) { return one.status == "passed"; });
  if (!changes.same_content() || !diff.hosts.changes.empty() || !calm || !diff.verdicts.empty())
    return {};
  const bool layers = std::ranges::any_of(
      changes.layers, [](const inventory::LayerChange& one) { return one.how != "shared"; });
  if (!changes.whole())
    return "no difference in what a saved inventory records; files and configuration were not "
           "compared";
  if (changes.files_unread > 0)
    return fmt::format("no difference seen; the contents of {} files of equal size were not read",
                       grouped(changes.files_unread));
  if (layers)
    return fmt::format("no difference in content; {} layers are split differently, unpacked {}",
                       grouped(changes.after.layers),
                       growth(changes.before.unpacked_bytes, changes.after.unpacked_bytes));
  if (changes.before.size_bytes != changes.after.size_bytes)
    return fmt::format("no difference but the packing: stored {}",
                       growth(changes.before.size_bytes, changes.after.size_bytes));
  return "no difference";
}

std::vector<DiffSection> diff_sections(const ImageDiff& diff, bool all) {
  return Sections(diff, all).run();
}

}  // namespace flense::report
