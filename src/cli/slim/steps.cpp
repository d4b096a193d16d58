#include "cli/slim/steps.h"

#include <algorithm>
#include <numeric>
#include <system_error>

#include "base/private_directory.h"
#include "cli/shared/common.h"
#include "cli/shared/html_file.h"
#include "cli/slim/packing.h"
#include "cli/slim/python.h"
#include "cli/slim/run.h"
#include "codec/tar/tar.h"
#include "elf/file.h"
#include "host/gpu_models.h"
#include "image/output/push.h"
#include "image/output/sif_output.h"
#include "inventory/describe/start.h"
#include "inventory/describe/targets.h"
#include "report/images/slim_report.h"
#include "slim/apply/in_place.h"
#include "slim/apply/provenance.h"
#include "slim/apply/squash.h"
#include "slim/job/read_closure.h"
#include "slim/plan/labels.h"
#include "slim/plan/make_plan.h"

namespace flense::cli {

namespace {

constexpr const char* kHowToName =
    "name the GPUs to serve: --gpu h100, --gpu sm_80,sm_90, or --gpu host on the machine itself";

/// "host" becomes the architectures of this machine's GPUs.
Result<std::vector<std::string>> expand_host(std::vector<std::string> words,
                                             const std::filesystem::path& proc) {
  std::vector<std::string> out;
  if (words.empty()) words.emplace_back("host");
  const bool asked = words.front() != "host" || words.size() > 1;
  for (std::string& word : words) {
    if (word != "host") {
      out.push_back(std::move(word));
      continue;
    }
    const std::vector<std::string> models = host::nvidia_models(proc);
    if (models.empty())
      return usage_error(asked ? "--gpu host: this machine has no NVIDIA GPU with a loaded driver"
                               : "no GPU is named, and this machine has none to go by",
                         kHowToName);
    for (const std::string& model : models) {
      TRY(std::string architecture, host::architecture_of_model(model));
      out.push_back(std::move(architecture));
    }
  }
  return out;
}

bool is_elf_file(const std::string& target) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(target, ignored)) return false;
  const Result<MappedFile> file = MappedFile::open(target);
  return file && elf::looks_like_elf(file->bytes());
}

/// Where one of the three ways to say the destination is needed.
Result<void> check_destination(const SlimRequest& request) {
  const int destinations = (request.output.empty() ? 0 : 1) + (request.in_place ? 1 : 0) +
                           (request.push_to.empty() ? 0 : 1);
  if (destinations == 0 && !request.dry_run)
    return usage_error(
        "slim needs to know where the result goes",
        "add -o oci:DIR, -o docker-archive:FILE, -t docker-daemon:NAME, or --in-place for "
        "a directory; --dry-run only shows the plan");
  if (destinations > 1)
    return usage_error("-o, -t with a transport and --in-place exclude each other",
                       "give one of them");
  return {};
}

std::string without_prefix(const std::string& output) {
  for (const char* prefix :
       {"oci:", "oci-archive:", "docker-archive:", "dir:", "squashfs:", "sif:"})
    if (output.starts_with(prefix)) return output.substr(std::string_view(prefix).size());
  return output;
}

device::CodeCompression code_compression_of(const ParsedArgs& args) {
  const std::string mode = args.value("--recompress-code");
  for (const auto known : {device::CodeCompression::kBalance, device::CodeCompression::kSize})
    if (mode == device::to_string(known)) return known;
  return device::CodeCompression::kKeep;
}

bool is_tree(const image::Image& image) {
  return image.form == image::Form::kDirectory || image.form == image::Form::kSquashfs ||
         image.form == image::Form::kSif;
}

bool is_file_system(std::string_view output) {
  return output.starts_with("squashfs:") || output.starts_with("sif:");
}

/// The options of the closure, which is the boldest of all passes.
Result<void> read_closure_options(const ParsedArgs& args, SlimRequest& request) {
  slim::SlimOptions& options = request.options;
  options.closure.minimal = args.has("--minimal");
  options.closure.wanted = args.has("--closure") || options.closure.minimal;
  options.closure.also = args.values("--also");
  options.closure.time_zones = args.has("--with-tzdata");
  if (!options.closure.wanted && !options.closure.also.empty())
    return usage_error("--also names what --closure follows", "add --closure");
  if (options.closure.time_zones && !options.closure.minimal)
    return usage_error("--with-tzdata is for --minimal: otherwise time zones stay", "leave it out");
  if (!options.closure.wanted) return {};
  if (options.cuts.level != device::Level::kAggressive)
    return usage_error("--closure takes what nothing is seen to need", "add --level aggressive");
  if (is_elf_file(request.target))
    return usage_error("--closure is for images and directories", "leave it out");
  if (options.closure.minimal && request.in_place)
    return usage_error("--minimal makes one new layer: --in-place changes a tree",
                       "use -o dir:DIR");
  options.packing.squash |= options.closure.minimal;
  return {};
}

slim::Pyc pyc_of(std::string_view word) {
  if (word == "keep") return slim::Pyc::kKeep;
  if (word == "drop") return slim::Pyc::kDrop;
  return word == "compile" ? slim::Pyc::kCompile : slim::Pyc::kByLevel;
}

/// Only images have layers to split, to keep, or to add to.
Result<void> check_layer_options(const SlimRequest& request) {
  const bool tree = request.in_place || request.output.starts_with("dir:") ||
                    is_file_system(request.output) || is_elf_file(request.target);
  if (request.options.packing.split_bytes > 0 && tree)
    return usage_error("--split is for images: a file or directory has no layers", "leave it out");
  if (request.options.cuts.pyc == slim::Pyc::kCompile &&
      (request.in_place || is_elf_file(request.target)))
    return usage_error("--pyc compile adds a layer, and only images have layers",
                       "in a directory, python3 -m compileall does the same");
  if (!request.keep_base.empty() && (tree || request.options.packing.squash))
    return usage_error("--keep-base keeps layers, and the result would have none of its own",
                       "leave it out");
  if (tree) TRY_DO(check_lazy(request.options, image::OutputForm::kDirectory));
  if (request.output.starts_with("squashfs:") &&
      request.options.packing.compression == codec::Compression::kNone)
    return usage_error("a squashfs file is compressed", "use --compression zstd or gzip");
  return {};
}

}  // namespace

Result<SlimRequest> read_slim_request(const ParsedArgs& args, const Io& io) {
  TRY_DO(check_html(args));
  SlimRequest out;
  out.target = args.positionals().front();
  const std::filesystem::path proc = args.value("--proc", "/proc");
  TRY(const std::vector<std::string> words, expand_host(args.values("--gpu"), proc));
  TRY(out.options.cuts.targets, inventory::parse_targets(words));
  out.options.cuts.level = level_of(args);
  out.options.cuts.keep_ptx = args.has("--keep-ptx");
  out.options.cuts.drop_vendor = args.has("--drop-vendor");
  out.options.cuts.modify_vendor = !args.has("--no-modify-vendor");
  out.options.cuts.keep = args.values("--keep");
  out.options.cuts.pyc = pyc_of(args.value("--pyc"));
  out.workplace.scratch_directory = scratch_directory(args, io);
  out.options.cuts.recompress = code_compression_of(args);
  if (out.options.cuts.recompress != device::CodeCompression::kKeep) {
    TRY(out.workplace.frames, device::FrameStore::create(out.workplace.scratch_directory, io.stop));
  }
  TRY_DO(read_packing(args, out.options));
  out.in_place = args.has("--in-place");
  out.dry_run = args.has("--dry-run");
  out.output = args.value("--output");
  out.plan_file = args.value("--plan");
  out.verify_command = args.value("--verify");
  const std::string name = args.value("--to");
  (image::is_push_target(name) ? out.push_to : out.tag) = name;
  TRY_DO(check_destination(out));
  out.options.packing.squash = args.has("--squash");
  TRY_DO(read_closure_options(args, out));
  TRY_DO(read_tracing(args, out));
  if (out.options.packing.squash && out.in_place)
    return usage_error("--squash is for images: --in-place changes a tree, which has no layers",
                       "leave one of them out");
  out.keep_base = args.value("--keep-base");
  TRY_DO(check_layer_options(out));
  if (!out.output.empty() && !is_file_system(out.output) &&
      (out.options.packing.compression == codec::Compression::kZstd || out.options.packing.lazy)) {
    TRY(const image::OutputSpec spec, image::parse_output(out.output, out.tag));
    TRY_DO(check_lazy(out.options, spec.form));
    if (!out.options.packing.lazy && spec.form == image::OutputForm::kDockerArchive)
      return usage_error("a docker archive cannot hold zstd layers: docker load refuses them",
                         "write -o oci-archive:FILE, or use --compression gzip");
  }
  if (!out.push_to.empty()) TRY_DO(check_lazy_push(out.options, out.push_to));
  out.provenance_file = args.value(
      "--provenance", out.output.empty() || out.dry_run
                          ? std::string_view("none")
                          : std::string_view(without_prefix(out.output) + ".provenance.json"));
  out.elf_file = is_elf_file(out.target);
  return out;
}

namespace {

/// How many layers at the bottom of `image` are those of the base, which must all be there.
Result<std::size_t> base_layers(const image::Image& image, const std::string& reference,
                                const ParsedArgs& args, const Io& io) {
  TRY(const auto base, with_context(open_config(reference, args, io), "reading the base"));
  const std::size_t count = base->layers.size();
  for (std::size_t i = 0; i < count; ++i) {
    const std::string& wanted = base->layers[i].diff_id;
    if (!wanted.empty() && i < image.layers.size() && image.layers[i].diff_id == wanted) continue;
    return usage_error(fmt::format("{} is not built on {}: layer {} of {} differs", image.name,
                                   base->name, i + 1, count),
                       "name the very image that was its FROM, by digest");
  }
  return count;
}

}  // namespace

Result<SlimSubject> read_slim_subject(const SlimRequest& request, const ParsedArgs& args,
                                      const Io& io, inventory::InventoryCache* cache) {
  SlimSubject out;
  TRY(out.image, open_target(request.target, args, io));
  if (request.in_place && out.image->form != image::Form::kDirectory)
    return usage_error("--in-place is for directories and ELF files",
                       "an image needs an output: -o oci:DIR");
  out.options = request.options;
  out.options.cuts = slim::rules_for(*out.image, out.options.cuts);
  if (!request.keep_base.empty()) {
    TRY(out.options.packing.kept_layers, base_layers(*out.image, request.keep_base, args, io));
  }
  out.progress = make_progress(args, io);
  out.workplace = request.workplace;
  out.workplace.progress = out.progress.get();
  TRY(out.max_unpacked, max_unpacked(io));

  inventory::InventoryOptions options;
  options.scan.cache = cache;
  // It holds what this run has hashed.
  if (cache != nullptr) options.scan.trust = inventory::CacheTrust::kDigest;
  options.scan.scratch_directory = out.workplace.scratch_directory;
  options.scan.progress = out.progress.get();
  options.scan.prune = slim::rewrite_rules(out.options.cuts, out.workplace);
  const std::uint64_t total = std::accumulate(
      out.image->layers.begin(), out.image->layers.end(), std::uint64_t{0},
      [](std::uint64_t sum, const image::Layer& layer) { return sum + layer.blob.size; });
  out.progress->begin("reading layers", total);
  TRY(out.contents, with_context(inventory::Contents::read(*out.image, options.scan), "reading {}",
                                 out.image->name));
  TRY(out.inventory, inventory::describe(*out.image, *out.contents, options));
  for (const auto& scan : out.contents->scans()) out.unpacked.push_back(scan->unpacked_bytes);
  TRY_DO(add_traces(request, out, io));
  if (!out.failed_trace.empty()) return out;
  std::optional<inventory::Reach> reach;
  if (out.options.closure.wanted) {
    out.progress->begin("reading names", total);
    TRY(reach,
        slim::read_closure(*out.image, *out.contents, out.inventory, out.options, out.workplace));
  }
  TRY(out.plan, slim::make_plan(*out.image, *out.contents, out.inventory, out.options,
                                reach ? &*reach : nullptr));
  if (reach && request.verify_command.empty())
    out.plan.notices.emplace_back(
        out.options.traced.sources.empty()
            ? "the closure is drawn from files alone, nothing was run: --verify CMD proves that "
              "CMD still works (docs/closure.md)"
            : "the slim image itself was not run: --verify CMD proves that CMD still works in it "
              "(docs/trace.md)");
  for (const std::string& notice : out.image->notices) out.plan.notices.push_back(notice);
  for (const std::string& notice : out.trace_notices) out.plan.notices.push_back(notice);
  if (out.options.packing.kept_layers > 0)
    out.plan.notices.push_back(fmt::format("the lowest {} layers stay as they are: {}",
                                           out.options.packing.kept_layers, request.keep_base));
  out.broken = slim::verify_plan(*out.image, *out.contents, out.plan);
  if (out.options.cuts.pyc == slim::Pyc::kCompile && out.broken.empty())
    TRY_DO(with_context(add_compiled_python(out, io), "compiling Python files"));

  std::vector<std::string> cuda;
  for (const inventory::Runtime& runtime : out.inventory.runtimes)
    if (runtime.name == "CUDA runtime" && !runtime.version.empty()) cuda.push_back(runtime.version);
  out.driver_floor = slim::driver_floor(cuda, out.plan.raises_driver_floor);
  out.progress->clear();
  return out;
}

Result<void> save_plan(const SlimRequest& request, const slim::Plan& plan) {
  if (request.plan_file.empty()) return {};
  TRY(AtomicFile file, AtomicFile::create(request.plan_file));
  const std::string text = text::dump_json(slim::to_json(plan), 2) + "\n";
  TRY_DO(write_fully(file.fd(), as_bytes(text), request.plan_file));
  return file.commit();
}

Result<slim::SlimOutcome> write_image(const image::OutputSpec& spec, SlimSubject& subject,
                                      const slim::Plan& plan, const slim::SlimOptions& options,
                                      slim::LayerPool* pool) {
  image::OutputSpec bounded = spec;
  bounded.limit = image::UnpackLimit(*subject.image, subject.max_unpacked);
  bounded.progress = subject.progress.get();
  TRY(const std::unique_ptr<image::ImageWriter> writer, image::ImageWriter::create(bounded));
  slim::SlimOutcome outcome;
  const bool several = options.packing.squash && subject.image->layers.size() > 1;
  if (several || (spec.form == image::OutputForm::kSquashfs && !is_tree(*subject.image))) {
    const inventory::Contents& whole = subject.extended ? *subject.extended : *subject.contents;
    TRY(outcome, slim::apply_squashed(*subject.image, whole.tree(), plan, options, subject.unpacked,
                                      subject.driver_floor, *writer, subject.workplace));
  } else {
    TRY(outcome, slim::apply_image(*subject.image, plan, options, subject.unpacked,
                                   subject.driver_floor, *writer, subject.workplace, pool));
  }
  const std::vector<std::string>& notices = writer->notices();
  outcome.notices.insert(outcome.notices.end(), notices.begin(), notices.end());
  return outcome;
}

namespace {

Result<slim::SlimOutcome> write_sif(const std::filesystem::path& output, SlimSubject& subject) {
  std::error_code ignored;
  if (std::filesystem::exists(output, ignored))
    return fail(Code::kEnvironment, "{} already exists", output.string());
  TRY(const std::string builder, image::find_sif_builder());
  TRY(const TemporaryDirectory work,
      TemporaryDirectory::create(subject.workplace.scratch_directory, "flense-work"));
  const image::OutputSpec spec{image::OutputForm::kOciArchive, work.path() / "image.tar", {}};
  TRY(slim::SlimOutcome outcome, write_image(spec, subject, subject.plan, subject.options));
  TRY_DO(image::build_sif(builder, spec.path, work.path(), output));
  return outcome;
}

}  // namespace

Result<slim::SlimOutcome> write_output(const SlimRequest& request, SlimSubject& subject,
                                       slim::LayerPool* pool) {
  subject.progress->begin(
      "writing layers",
      std::accumulate(subject.unpacked.begin(), subject.unpacked.end(), std::uint64_t{0}));
  if (request.in_place) {
    TRY(slim::LayerOutcome layer, slim::apply_in_place(request.target, subject.plan.layers.front(),
                                                       subject.options.cuts, subject.workplace));
    slim::SlimOutcome outcome;
    outcome.changed = !subject.plan.empty();
    outcome.bytes_by_pass = std::move(layer.bytes_by_pass);
    outcome.left_alone = std::move(layer.left_alone);
    outcome.notices = std::move(layer.notices);
    return outcome;
  }
  if (!request.push_to.empty()) {
    TRY(const image::PushPlan push, image::plan_push(request.push_to));
    if (!push.allows_zstd && subject.options.packing.compression == codec::Compression::kZstd)
      return usage_error(fmt::format("{} does not take zstd layers", request.push_to),
                         "use --compression gzip");
    TRY(const TemporaryDirectory work,
        TemporaryDirectory::create(subject.workplace.scratch_directory, "flense-work"));
    const image::OutputSpec spec{push.form, work.path() / "image", push.tag};
    TRY(slim::SlimOutcome outcome, write_image(spec, subject, subject.plan, subject.options));
    TRY_DO(image::push_image(spec.path, request.push_to));
    return outcome;
  }
  if (request.output.starts_with("sif:")) return write_sif(without_prefix(request.output), subject);
  TRY(image::OutputSpec spec, image::parse_output(request.output, request.tag));
  // A tree has no configuration of its own: a bare path means a directory again.
  if (is_tree(*subject.image) && without_prefix(request.output) == request.output)
    spec.form = image::OutputForm::kDirectory;
  TRY_DO(check_lazy(subject.options, spec.form));
  if (spec.tag.empty() && !subject.image->tags.empty()) spec.tag = subject.image->tags.front();
  return write_image(spec, subject, subject.plan, subject.options, pool);
}

namespace {

/// Where the result goes, as the user named it.
const std::string& where(const SlimRequest& request) {
  if (request.in_place) return request.target;
  return request.push_to.empty() ? request.output : request.push_to;
}

}  // namespace

Result<void> write_provenance(const SlimRequest& request, const SlimSubject& subject,
                              const slim::SlimOutcome& outcome) {
  if (request.provenance_file.empty() || request.provenance_file == "none") return {};
  const text::Json record = slim::provenance(subject.plan, subject.options, outcome, where(request),
                                             subject.driver_floor);
  TRY(AtomicFile file, AtomicFile::create(request.provenance_file));
  const std::string text = text::dump_json(record, 2) + "\n";
  TRY_DO(write_fully(file.fd(), as_bytes(text), request.provenance_file));
  return file.commit();
}

namespace {

std::uint64_t unpacked_before(const SlimSubject& subject) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < subject.unpacked.size(); ++i)
    if (!subject.image->layers[i].added) out += subject.unpacked[i];
  return out;
}

/// What the layers hold that are not the input's.
std::uint64_t unpacked_added(const SlimSubject& subject) {
  return std::accumulate(subject.unpacked.begin(), subject.unpacked.end(), std::uint64_t{0}) -
         unpacked_before(subject);
}

bool changes_vendor_objects(const slim::Plan& plan) {
  return std::ranges::any_of(plan.layers, [](const slim::LayerPlan& layer) {
    return std::ranges::any_of(
        layer.edits, [](const auto& one) { return one.second.action == slim::Action::kRewrite; });
  });
}

text::Json json_of(const report::SlimReport& report) {
  return report.outcome == nullptr ? slim::to_json(report.plan)
                                   : report::slim_json(report, *report.outcome);
}

Result<void> print_report(const report::SlimReport& report, const ParsedArgs& args, Io& io) {
  if (html_on_output(args)) return {};
  if (args.has("--json")) return write_text(io, text::dump_json(json_of(report), 2) + "\n");
  return write_text(io, report::slim_text(report, output_style(args, io), args.has("--verbose")));
}

}  // namespace

report::HtmlReport html_of(const SlimRequest& request, const SlimSubject& subject,
                           const slim::SlimOutcome* outcome) {
  return {subject.inventory, *subject.contents, subject.plan, outcome,
          outcome == nullptr ? std::string() : where(request)};
}

Result<int> report_broken(const SlimSubject& subject, Io& io) {
  std::string text = "error: the plan would break the image; nothing was written\n";
  for (const std::string& line : subject.broken) text += "  " + line + "\n";
  text += "hint: keep the files with --keep GLOB, and please report this as a bug\n";
  TRY_DO(io.err.text(text));
  return 1;
}

Result<int> report_failed_trace(const SlimSubject& subject, Io& io) {
  TRY_DO(io.err.text("error: " + subject.failed_trace));
  return 1;
}

Result<int> report_dry_run(const SlimSubject& subject, const ParsedArgs& args, Io& io) {
  const std::uint64_t before = unpacked_before(subject);
  const std::uint64_t gain = subject.plan.bytes_given_back();
  const report::SlimReport report{subject.plan,
                                  nullptr,
                                  {},
                                  before,
                                  before - std::min(before, gain) + unpacked_added(subject),
                                  changes_vendor_objects(subject.plan)};
  TRY_DO(print_report(report, args, io));
  return 0;
}

report::SlimReport outcome_report(const SlimRequest& request, const SlimSubject& subject,
                                  const slim::SlimOutcome& outcome) {
  const std::uint64_t before = unpacked_before(subject);
  std::uint64_t after = 0;
  for (const slim::LayerSizes& layer : outcome.layers) after += layer.unpacked_after;
  if (outcome.layers.empty()) {
    std::uint64_t gain = 0;
    for (const auto& [pass, bytes] : outcome.bytes_by_pass) gain += bytes;
    after = before - std::min(before, gain);
  }
  return {subject.plan, &outcome, where(request),
          before,       after,    changes_vendor_objects(subject.plan)};
}

Result<int> report_outcome(const SlimRequest& request, const SlimSubject& subject,
                           const slim::SlimOutcome& outcome, const ParsedArgs& args, Io& io) {
  subject.progress->clear();
  TRY_DO(print_report(outcome_report(request, subject, outcome), args, io));
  return 0;
}

Result<int> slim_one_file(const SlimRequest& request, const ParsedArgs& args, Io& io) {
  if (!request.push_to.empty()) return usage_error("an ELF file cannot be pushed", "use -o FILE");
  if (request.options.packing.squash)
    return usage_error("--squash is for images: a file has no layers", "leave --squash out");
  if (!request.trace_commands.empty() || !request.trace_files.empty())
    return usage_error("--trace is for images and directories: nothing runs in a file",
                       "leave it out");
  if (request.dry_run || args.has("--html"))
    return usage_error(fmt::format("{} is for images and directories",
                                   request.dry_run ? "--dry-run" : "slim --html"),
                       "flense inspect --gpu GPU FILE shows what could go, with --html too");
  const std::filesystem::path output = request.in_place ? request.target : request.output;
  std::error_code ignored;
  if (!request.in_place && std::filesystem::exists(output, ignored))
    return fail(Code::kEnvironment, "{} already exists", output.string())
        .hint("name another output, or use --in-place");
  TRY(const slim::LayerOutcome layer,
      slim::slim_file(request.target, output, request.options.cuts, request.workplace));
  slim::Plan plan;
  plan.input = request.target;
  plan.targets = request.options.cuts.targets;
  plan.level = request.options.cuts.level;
  for (const auto& [pass, bytes] : layer.bytes_by_pass)
    plan.passes.push_back({pass, 1, bytes, false});
  if (!plan.targets.amd.empty() && layer.bytes_by_pass.contains(slim::kDeviceCode))
    plan.notices.emplace_back(slim::kRocmNotice);
  slim::SlimOutcome outcome;
  outcome.changed = layer.content_after != layer.content_before;
  outcome.bytes_by_pass = layer.bytes_by_pass;
  outcome.left_alone = layer.left_alone;
  outcome.notices = layer.notices;
  const report::SlimReport report{
      plan, &outcome, output.string(), layer.content_before, layer.content_after, outcome.changed};
  TRY_DO(print_report(report, args, io));
  return 0;
}

}  // namespace flense::cli
