#include "cli/slim/request.h"

#include <array>
#include <charconv>
#include <system_error>

#include "base/ascii.h"
#include "base/file.h"
#include "base/numbers.h"
#include "cli/shared/html_file.h"
#include "cli/slim/request_checks.h"
#include "cli/slim/variant_request.h"
#include "cli/slim/wheel_request.h"
#include "cli/slim/written_files.h"
#include "elf/file.h"
#include "host/gpu_models.h"
#include "image/output/push.h"
#include "inventory/describe/targets.h"

namespace flense::cli {

namespace {

using codec::Compression;
using device::CodeCompression;
using slim::Pyc;

constexpr std::uint64_t kLeastSplit = 1u << 20;  ///< below, directories would be most of a part

constexpr const char* kKinds =
    "zstd[:LEVEL] with 1 to 19, gzip[:LEVEL] or estargz[:LEVEL] with 1 to 9, or none";
/// Gzip layers that can be pulled lazily.
constexpr std::string_view kLazy = "estargz";
constexpr const char* kHowToName =
    "name the GPUs to serve: --gpu h100, --gpu sm_80,sm_90, or --gpu host on the machine itself";

Result<int> parse_level(std::string_view text, Compression kind) {
  const int most = kind == Compression::kGzip ? 9 : 19;
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1 || value > most)
    return usage_error(
        fmt::format("a compression level is a number from 1 to {}, not '{}'", most, text), kKinds);
  return value;
}

Result<Compression> parse_kind(std::string_view text) {
  if (text == kLazy) return Compression::kGzip;
  for (const Compression kind : {Compression::kZstd, Compression::kGzip, Compression::kNone})
    if (text == codec::to_string(kind)) return kind;
  return usage_error(fmt::format("--compression knows no '{}'", text), kKinds);
}

Result<CompressionWish> parse_compression(const std::string& text) {
  const std::size_t colon = text.find(':');
  const std::string_view word = std::string_view(text).substr(0, colon);
  CompressionWish out;
  TRY(out.kind, parse_kind(word));
  out.lazy = word == kLazy;
  if (colon == std::string::npos) return out;
  if (out.kind == Compression::kNone)
    return usage_error("--compression none has no level", "leave it out");
  TRY(out.level, parse_level(std::string_view(text).substr(colon + 1), out.kind));
  return out;
}

Result<std::uint64_t> parse_split(const std::string& text, std::string_view option) {
  TRY(const std::uint64_t out, parse_size_of(text, option));
  if (out < kLeastSplit)
    return usage_error("--split takes a size of at least 1MiB", "--split 512MiB");
  return out;
}

Result<Pyc> pyc_named(const std::string& word) {
  return word == "keep" ? Pyc::kKeep : word == "drop" ? Pyc::kDrop : Pyc::kCompile;
}

Result<CodeCompression> code_compression_named(const std::string& word) {
  return word == "size" ? CodeCompression::kSize : CodeCompression::kBalance;
}

void declare_cuts(Options& options, SlimRequest& request) {
  static constexpr std::array<std::string_view, 2> kRecompress = {"balance", "size"};
  static constexpr std::array<std::string_view, 3> kPyc = {"keep", "drop", "compile"};
  slim::CutRules& cuts = request.options.cuts;
  options
      .add("--keep", "GLOB", "leave these image paths as they are, with what lies below", cuts.keep)
      .setting();
  options.flag("--keep-ptx", "keep all PTX (for GPUs of the future)", cuts.keep_ptx).setting();
  options.flag("--drop-vendor", "targets of one vendor: drop all device code of the other",
               cuts.drop_vendor);
  options
      .add("--recompress-code", "MODE",
           "compress kept device code anew; needs a driver of CUDA 12.4", cuts.recompress,
           code_compression_named)
      .one_of(kRecompress);
  options.flag("--no-modify-vendor", "drop whole files only, change no ELF file",
               request.no_modify_vendor);
  options.flag("--rewrite-signed",
               "also change files under IMA, EVM or fs-verity, and in Nix, Guix and Spack stores",
               cuts.rewrite_signed);
  options
      .add("--pyc", "WHAT",
           "compiled Python files (default: drop at aggressive); compile adds a layer", cuts.pyc,
           pyc_named)
      .one_of(kPyc);
  slim::ClosureRules& closure = request.options.closure;
  options.flag("--closure", "drop what the start of the image does not reach", closure.wanted);
  options.add("--also", "PROGRAM", "for --closure: this is started, too", closure.also);
  options.flag("--minimal", "nothing but the closure of one program, in one layer",
               closure.minimal);
  options.flag("--with-tzdata", "for --minimal: with time zones", closure.time_zones);
}

void declare_traces(Options& options, SlimRequest& request) {
  options.add("--verify", "CMD", "run CMD in the original and the slim root and compare",
              request.verify);
  options.add("--trace", "CMD", "run CMD in the original and keep every file that it meets",
              request.trace_commands);
  options
      .add("--trace-file", "FILE", "keep the image paths in FILE (docs/trace.md)",
           request.trace_files)
      .file();
  options.flag("--trace-decides", "drop Python packages that others want and no traced run used",
               request.options.traced.decide);
  options
      .add("--save-trace", "FILE", "write what the traced commands met, for --trace-file",
           request.save_trace, file_to_write)
      .file();
}

void declare_packing(Options& options, SlimRequest& request) {
  slim::Packing& packing = request.options.packing;
  options.add("--compression", "KIND[:LEVEL]",
              "zstd, gzip, estargz (lazy gzip) or none for written layers (default: as they are)",
              request.compression, parse_compression);
  options.add("--compression-level", "N", "of zstd or gzip", request.compression_level);
  options.add("--keep-base", "REF", "leave the layers of this base image as they are",
              packing.kept_base);
  options.add("--split", "SIZE", "cut larger layers into several, for parallel pulls",
              packing.split_bytes, parse_split);
}

/// "host" becomes the architectures of this machine's GPUs.
Result<std::vector<std::string>> expand_host(std::vector<std::string> words,
                                             const std::filesystem::path& proc,
                                             const knowledge::Gpus& gpus) {
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
      TRY(std::string architecture, host::architecture_of_model(gpus, model));
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

Result<void> set_compression(const SlimRequest& request, slim::Packing& packing) {
  if (request.compression) {
    packing.compression = request.compression->kind;
    packing.lazy = request.compression->lazy;
    packing.level = request.compression->level;
  }
  if (request.compression_level.empty()) return {};
  if (packing.level > 0)
    return usage_error("the compression level is given twice", "leave --compression-level out");
  TRY(packing.level,
      parse_level(request.compression_level, packing.compression.value_or(Compression::kZstd)));
  return {};
}

Result<std::string> record_to_write(const std::string& file, std::string_view option) {
  return file == "none" ? Result<std::string>(file) : file_to_write(file, option);
}

std::string record_beside(const SlimRequest& request, const std::string& output) {
  const std::string file = request.provenance.value_or(
      output.empty() || request.dry_run ? "none" : slim::record_beside(output));
  return file == "none" ? "" : file;
}

/// The first target's job, for the GPUs asked for.
Result<SlimJob> understand_one(const SlimRequest& request, const std::vector<std::string>& asked,
                               const knowledge::Gpus& gpus) {
  SlimJob out{request.words.front(), request.options, {}, {}, is_elf_file(request.words.front())};
  slim::SlimOptions& options = out.options;
  TRY(const std::vector<std::string> words, expand_host(asked, request.proc, gpus));
  TRY(options.cuts.targets, inventory::parse_targets(words, gpus));
  out.notices = inventory::unknown_targets(options.cuts.targets, gpus);
  options.cuts.modify_vendor = !request.no_modify_vendor;
  options.closure.wanted |= options.closure.minimal;
  options.packing.squash |= options.closure.minimal;
  TRY_DO(set_compression(request, options.packing));
  if (request.in_place) out.to.in_place = out.target;
  TRY_DO(check_transport(request.output, {"dir", "squashfs", "sif"}));
  out.to.output = request.output;
  (image::is_push_target(request.name) ? out.to.push_to : out.to.tag) = request.name;
  out.provenance = record_beside(request, request.output);
  TRY_DO(check_job(request, out));
  return out;
}

Result<std::vector<SlimJob>> understand_all(const SlimRequest& request,
                                            const knowledge::Gpus& gpus) {
  TRY_DO(check_html(request.html, request.json));
  TRY_DO(spare_inputs(request.words, {request.html, request.plan_file, request.prove,
                                      request.provenance.value_or(std::string())}));
  const bool wheels = names_wheels(request);
  TRY_DO(wheels ? check_wheels(request) : check_no_wheels(request));
  if (!request.variants.empty()) {
    TRY_DO(check_variants(request));
    std::vector<SlimJob> out;
    for (const std::string& words : request.variants)
      for (const std::string_view word : split(words, ',')) {
        // "h100+a100" is one image; features of AMD's processors end with '+', too.
        const auto together = split(word, word.contains(':') ? ',' : '+');
        TRY(SlimJob one, understand_one(request, {together.begin(), together.end()}, gpus));
        TRY_DO(add_variant(std::move(one), out));
      }
    return out;
  }
  if (request.mirror)
    return usage_error("--mirror has an image for each of several GPUs",
                       "name them: --variants h100,a100");
  TRY(SlimJob first, understand_one(request, request.gpus, gpus));
  first.wheel = wheels;
  if (request.words.size() == 1) {
    if (first.elf_file) TRY_DO(check_one_file(request, first));
    return std::vector{first};
  }
  TRY_DO(check_several(request, first));
  std::vector<std::string> outputs(request.words.size(), request.output);
  if (!wheels) {
    TRY(outputs, slim::outputs_of(request.words, request.dry_run ? "" : request.output));
  }
  std::vector<SlimJob> out;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    out.push_back(first);
    out.back().target = request.words[i];
    out.back().to.output = outputs[i];
    out.back().provenance = record_beside(request, outputs[i]);
    out.back().elf_file = false;
  }
  return out;
}

}  // namespace

void declare(Options& options, SlimRequest& request) {
  options.add("--gpu", "GPU", kGpuHelp, request.gpus).setting();
  options.add("--variants", "GPU",
              "an image for each of these GPUs, in one index behind the original",
              request.variants);
  options.add("--mirror", "docker://REG/{gpu}",
              "push each of them there under the name that nodes pull", request.mirror,
              image::parse_mirror);
  options.add("--output", "OUT", "where the result goes", request.output).letter("-o").file();
  options.add("--to", "REF", "name of the result, or a transport to push it to", request.name)
      .letter("-t");
  add_level(options, request.options.cuts.level).setting();
  options.flag("--in-place", "change a directory or an ELF file where it lies", request.in_place);
  options.flag("--dry-run", "print the plan, write nothing", request.dry_run);
  options
      .add("--plan", "FILE", "save the plan as JSON (schema flense/plan/v1)", request.plan_file,
           file_to_write)
      .file();
  declare_cuts(options, request);
  options.flag("--squash", "one layer out of all; shares nothing with other images",
               request.options.packing.squash);
  declare_traces(options, request);
  declare_packing(options, request);
  options.flag("--json", "print JSON: flense/slim/v1, of a dry run flense/plan/v1", request.json);
  add_html(options, request.html);
  options.flag("--index", "of wheels: write a simple index (PEP 503) beside them", request.index);
  options
      .add("--requirements", "FILE", "of wheels: write this list with their new digests",
           request.requirements)
      .file();
  options
      .add("--provenance", "FILE", "where the record goes; \"none\" writes none",
           request.provenance, record_to_write)
      .file();
  options
      .add("--prove", "FILE", "verify the result and write the proof, for flense verify --proof",
           request.prove, file_to_write)
      .file();
  add_data(options, request).setting();
  declare(options, request.image);
  options.add("--proc", "DIR", "read --gpu host from here instead of /proc", request.proc)
      .directory();
}

Result<std::vector<SlimJob>> understand(const SlimRequest& request, const knowledge::Gpus& gpus) {
  TRY(std::vector<SlimJob> out, understand_all(request, gpus));
  TRY_DO(check_written_files(request, out));
  return out;
}

}  // namespace flense::cli
