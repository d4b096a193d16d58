#include "inventory/scan/model_file.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>

#include "base/ascii.h"
#include "base/checked.h"
#include "base/path.h"
#include "text/json.h"

namespace flense::inventory {

namespace {

using Types = std::map<std::string, TensorType>;

Result<std::uint64_t> multiply(std::uint64_t a, std::uint64_t b, std::string_view what) {
  if (const auto product = checked_mul(a, b)) return *product;
  return bad_input("{} is beyond 64 bits", what);
}

Result<std::uint64_t> add(std::uint64_t a, std::uint64_t b, std::string_view what) {
  if (const auto sum = checked_add(a, b)) return *sum;
  return bad_input("{} is beyond 64 bits", what);
}

std::vector<TensorType> largest_first(Types&& types) {
  std::vector<TensorType> out;
  for (auto& [name, type] : types) out.push_back(std::move(type));
  std::ranges::stable_sort(
      out, [](const TensorType& a, const TensorType& b) { return a.bytes > b.bytes; });
  return out;
}

Result<void> count(Types& types, std::string_view name, std::uint64_t parameters,
                   std::uint64_t bytes) {
  constexpr std::size_t kMostTypes = 64;
  TensorType& type = types[std::string(name)];
  if (types.size() > kMostTypes) return bad_input("more than {} types of tensors", kMostTypes);
  type.type = name;
  ++type.tensors;
  TRY(type.parameters, add(type.parameters, parameters, "the number of parameters"));
  TRY(type.bytes, add(type.bytes, bytes, "the size of all tensors"));
  return {};
}

/// Bits of one element.
struct ScalarType {
  std::string_view name;
  std::uint64_t bits;
};
constexpr auto kScalars = std::to_array<ScalarType>(
    {{"F64", 64}, {"I64", 64},    {"U64", 64},    {"C64", 64},    {"F32", 32},
     {"I32", 32}, {"U32", 32},    {"F16", 16},    {"BF16", 16},   {"I16", 16},
     {"U16", 16}, {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"I8", 8},
     {"U8", 8},   {"BOOL", 8},    {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4}});

Result<void> add_tensor(const std::string& name, const text::Json& tensor, std::uint64_t data,
                        Types& types, std::vector<TensorShape>& tensors) {
  const std::string_view type = tensor["dtype"].text();
  const auto& offsets = tensor["data_offsets"].items();
  if (type.empty() || type.size() > 16 || offsets.size() != 2)
    return bad_input("tensor {} has no dtype or no data_offsets", name);
  const std::uint64_t begin = offsets[0].unsigned_or(UINT64_MAX),
                      end = offsets[1].unsigned_or(UINT64_MAX);
  if (begin > end || end > data)
    return bad_input("tensor {} lies outside of the {} bytes of data", name, data);
  std::uint64_t parameters = 1;
  TensorShape out{name, std::string(type), {}, {}};
  for (const text::Json& dimension : tensor["shape"].items()) {
    out.shape.push_back(dimension.unsigned_or(UINT64_MAX));
    TRY(parameters,
        multiply(parameters, dimension.unsigned_or(UINT64_MAX), "the shape of " + name));
  }
  const auto* known = std::ranges::find(kScalars, type, &ScalarType::name);
  if (known != kScalars.end()) {
    TRY(const std::uint64_t bits, multiply(parameters, known->bits, "the size of " + name));
    if (bits / 8 != end - begin)
      return bad_input("tensor {} of {} elements {} takes {} bytes", name, parameters, type,
                       end - begin);
  }
  tensors.push_back(std::move(out));
  return count(types, type, parameters, end - begin);
}

Result<std::vector<TensorType>> read_safetensors(Bytes head, std::uint64_t file_size,
                                                 std::vector<TensorShape>& tensors) {
  ByteReader reader(head, "safetensors header");
  TRY(const std::uint64_t length, reader.read<std::uint64_t>("length"));
  if (file_size < 8 || length > file_size - 8)
    return bad_input("the header of {} bytes is longer than the file", length);
  if (length > kMaxModelHeader - 8)
    return bad_input("the header has {} bytes, more than flense reads", length);
  TRY(const Bytes json, reader.read_bytes(length, "JSON"));
  TRY(const text::Json document, text::parse_json(as_text(json), "safetensors header"));
  if (!document.is_object()) return bad_input("the header is no JSON object");
  Types types;
  for (const auto& [name, tensor] : document.members())
    if (name != "__metadata__")
      TRY_DO(add_tensor(name, tensor, file_size - 8 - length, types, tensors));
  if (tensors.size() > kMostTensors) tensors.clear();
  return largest_first(std::move(types));
}

/// ggml.h, enum ggml_type: elements and bytes of one block.
struct GgmlType {
  std::uint32_t id;
  std::string_view name;
  std::uint64_t elements, bytes;
};
constexpr auto kGgmlTypes = std::to_array<GgmlType>(
    {{0, "F32", 1, 4},         {1, "F16", 1, 2},         {2, "Q4_0", 32, 18},
     {3, "Q4_1", 32, 20},      {6, "Q5_0", 32, 22},      {7, "Q5_1", 32, 24},
     {8, "Q8_0", 32, 34},      {10, "Q2_K", 256, 84},    {11, "Q3_K", 256, 110},
     {12, "Q4_K", 256, 144},   {13, "Q5_K", 256, 176},   {14, "Q6_K", 256, 210},
     {15, "Q8_K", 256, 292},   {16, "IQ2_XXS", 256, 66}, {17, "IQ2_XS", 256, 74},
     {18, "IQ3_XXS", 256, 98}, {19, "IQ1_S", 256, 50},   {20, "IQ4_NL", 32, 18},
     {21, "IQ3_S", 256, 110},  {22, "IQ2_S", 256, 82},   {23, "IQ4_XS", 256, 136},
     {24, "I8", 1, 1},         {25, "I16", 1, 2},        {26, "I32", 1, 4},
     {27, "I64", 1, 8},        {28, "F64", 1, 8},        {29, "IQ1_M", 256, 56},
     {30, "BF16", 1, 2},       {34, "TQ1_0", 256, 54},   {35, "TQ2_0", 256, 66},
     {39, "MXFP4", 32, 17},    {40, "NVFP4", 64, 36},    {41, "Q1_0", 128, 18}});

enum GgufValue : std::uint32_t { kString = 8, kArray = 9 };
/// Bytes of a value of fixed size by type, 0 for strings, arrays and what nobody knows.
constexpr std::array<std::uint64_t, 13> kValueSizes = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

Result<std::string_view> read_string(ByteReader& reader, std::string_view field) {
  TRY(const std::uint64_t length, reader.read<std::uint64_t>(field));
  TRY(const Bytes bytes, reader.read_bytes(length, field));
  return as_text(bytes);
}

Result<void> skip_value(ByteReader& reader, std::uint32_t type, unsigned depth) {
  if (type == kString) {
    TRY_DO(read_string(reader, "value"));
    return {};
  }
  if (type != kArray) {
    if (type >= kValueSizes.size()) return bad_input("a value has the unknown type {}", type);
    return reader.skip(kValueSizes[type], "value");
  }
  constexpr unsigned kDeepest = 4;
  if (depth >= kDeepest) return bad_input("arrays are nested deeper than {}", kDeepest);
  TRY(const auto element, reader.read<std::uint32_t>("type of an array"));
  TRY(const auto length, reader.read<std::uint64_t>("length of an array"));
  if (element < kValueSizes.size() && kValueSizes[element] > 0) {
    TRY(const std::uint64_t bytes, multiply(length, kValueSizes[element], "an array"));
    return reader.skip(bytes, "array");
  }
  // Each element takes eight bytes at least, so that the end of the header ends the loop.
  for (std::uint64_t i = 0; i < length; ++i) TRY_DO(skip_value(reader, element, depth + 1));
  return {};
}

Result<void> read_gguf_tensor(ByteReader& reader, Types& types) {
  TRY_DO(read_string(reader, "name of a tensor"));
  TRY(const auto dimensions, reader.read<std::uint32_t>("dimensions"));
  constexpr std::uint32_t kMostDimensions = 8;  // ggml knows four
  if (dimensions > kMostDimensions) return bad_input("a tensor has {} dimensions", dimensions);
  std::uint64_t parameters = 1;
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    TRY(const auto size, reader.read<std::uint64_t>("dimension"));
    TRY(parameters, multiply(parameters, size, "a shape"));
  }
  TRY(const auto id, reader.read<std::uint32_t>("type of a tensor"));
  TRY_DO(reader.skip(8, "offset of a tensor"));
  const auto* type = std::ranges::find(kGgmlTypes, id, &GgmlType::id);
  if (type == kGgmlTypes.end()) return count(types, fmt::format("type {}", id), parameters, 0);
  TRY(const std::uint64_t bytes,
      multiply(parameters / type->elements, type->bytes, "the size of a tensor"));
  return count(types, type->name, parameters, bytes);
}

Result<std::vector<TensorType>> read_gguf(Bytes head, std::uint64_t file_size,
                                          std::string& architecture) {
  ByteReader reader(head, "GGUF header");
  TRY_DO(reader.skip(4, "magic"));
  TRY(const auto version, reader.read<std::uint32_t>("version"));
  if (version < 2 || version > 3) return bad_input("GGUF version {} is not known", version);
  TRY(const auto tensors, reader.read<std::uint64_t>("number of tensors"));
  TRY(const auto values, reader.read<std::uint64_t>("number of values"));
  for (std::uint64_t i = 0; i < values; ++i) {
    TRY(const std::string_view key, read_string(reader, "key"));
    TRY(const auto type, reader.read<std::uint32_t>("type of a value"));
    if (key == "general.architecture" && type == kString) {
      TRY(const std::string_view value, read_string(reader, "architecture"));
      architecture = value.substr(0, 64);
    } else {
      TRY_DO(skip_value(reader, type, 0));
    }
  }
  Types types;
  for (std::uint64_t i = 0; i < tensors; ++i) TRY_DO(read_gguf_tensor(reader, types));
  std::uint64_t bytes = 0;
  for (const auto& [name, type] : types) {
    TRY(bytes, add(bytes, type.bytes, "the size of all tensors"));
  }
  if (bytes > file_size)
    return bad_input("the tensors take {} bytes, the file has {}", bytes, file_size);
  return largest_first(std::move(types));
}

/// Bits of an element of this type; 0 for an unknown one.
std::uint64_t bits_of(std::string_view type) {
  const auto* known = std::ranges::find(kScalars, type, &ScalarType::name);
  return known == kScalars.end() ? 0 : known->bits;
}

/// Elements of a tensor; nullopt beyond 64 bits.
std::optional<std::uint64_t> elements_of(const TensorShape& tensor) {
  std::uint64_t out = 1;
  for (const std::uint64_t dimension : tensor.shape) {
    const auto product = checked_mul(out, dimension);
    if (!product) return std::nullopt;
    out = *product;
  }
  return out;
}

/// Bytes of a tensor; nullopt for unknown types and beyond 64 bits.
std::optional<std::uint64_t> bytes_of(const TensorShape& tensor) {
  const auto elements = elements_of(tensor);
  const std::uint64_t bits = bits_of(tensor.type);
  if (!elements || bits == 0) return std::nullopt;
  const auto all = checked_mul(*elements, bits);
  return all ? std::optional(*all / 8) : std::nullopt;
}

/// What several names share counts once.
Result<std::vector<TensorType>> types_of(const std::vector<TensorShape>& tensors,
                                         std::uint64_t file_size) {
  Types types;
  std::set<std::string_view> seen;
  std::uint64_t all = 0;
  for (const TensorShape& tensor : tensors) {
    if (!seen.insert(tensor.storage).second) continue;
    const auto bytes = bytes_of(tensor);
    if (!bytes) return bad_input("the size of {} is beyond 64 bits", tensor.name);
    TRY(all, add(all, *bytes, "the size of all tensors"));
    TRY_DO(count(types, tensor.type, *elements_of(tensor), *bytes));
  }
  if (all > file_size)
    return bad_input("the tensors take {} bytes, the file has {}", all, file_size);
  return largest_first(std::move(types));
}

void read_pickle(Bytes head, std::uint64_t file_size, ModelFile& out) {
  Result<std::vector<TensorShape>> tensors = torch_tensors(head);
  if (!tensors) {
    out.untold = tensors.error().message;
    return;
  }
  Result<std::vector<TensorType>> types = types_of(*tensors, file_size);
  if (!types) {
    out.untold = types.error().message;
    return;
  }
  out.types = std::move(*types);
  out.tensors = std::move(*tensors);
}

/// The beginning of a plan as TensorRT's own trtexec reads it for --getPlanVersionOnly: tag,
/// version of the form, and from byte 24 on the version of TensorRT. More of it is not public.
void read_plan(Bytes head, ModelFile& out) {
  constexpr std::size_t kHead = 28, kVersion = 24;
  if (head.size() < kHead) {
    out.unreadable = "it ends within the header of a plan";
    return;
  }
  if (const auto form = load_le<std::uint32_t>(head, 4); form != 0) {
    out.untold = fmt::format("plans of form {} are not known", form);
    return;
  }
  const auto part = [&](std::size_t at) { return static_cast<unsigned>(head[kVersion + at]); };
  out.version = fmt::format("{}.{}.{}.{}", part(0), part(1), part(2), part(3));
  out.untold = "the header of a plan tells no GPU in a form that NVIDIA has published";
}

/// Numbers become "*", and what follows the fourth part is one group.
std::string group_of(std::string_view name) {
  constexpr std::size_t kParts = 4;
  std::string out;
  for (std::size_t part = 0; part < kParts && !name.empty(); ++part) {
    const std::size_t dot = std::min(name.find('.'), name.size());
    const std::string_view word = name.substr(0, dot);
    const bool last = dot == name.size();
    // "weight" and "bias" tell nothing of the place.
    if (last && part > 0) break;
    const bool number = word.find_first_not_of("0123456789") == std::string_view::npos;
    out += fmt::format("{}{}", part == 0 ? "" : ".", number ? std::string_view("*") : word);
    name.remove_prefix(std::min(dot + 1, name.size()));
  }
  return out;
}

/// Python's pickle from protocol 2 on, or the archive that torch.save() makes of one.
bool looks_like_pickle(Bytes head) {
  const std::string_view text = as_text(head);
  if (text.starts_with("PK\x03\x04")) return text.find("data.pkl") != std::string_view::npos;
  return text.size() > 2 && text[0] == '\x80' && text[1] >= 2 && text[1] <= 5;
}

}  // namespace

std::optional<ModelFormat> model_format(std::string_view path, Bytes head) {
  const std::string_view text = as_text(head);
  if (text.starts_with("GGUF")) return ModelFormat::kGguf;
  // The cache of the Hugging Face hub names its files by their digests.
  const bool blob = base_name(parent_path(path)) == "blobs";
  if ((path.ends_with(".safetensors") || blob) && text.size() > 8 && text[8] == '{')
    return ModelFormat::kSafetensors;
  if ((blob || ends_with_any(path, {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"})) &&
      looks_like_pickle(head))
    return ModelFormat::kPickle;
  if (text.starts_with("ftrt")) return ModelFormat::kTensorRt;
  if (!other_form(path, head).empty()) return ModelFormat::kOther;
  return std::nullopt;
}

std::string_view other_form(std::string_view path, Bytes head) {
  const std::string_view text = as_text(head), name = base_name(path);
  if (text.starts_with("\x89HDF\r\n\x1a\n") && ends_with_any(path, {".h5", ".hdf5"})) return "hdf5";
  // The first field of a ModelProto is its version of the form.
  if (path.ends_with(".onnx") && text.starts_with('\x08')) return "onnx";
  if (name.starts_with("flax_model") && name.ends_with(".msgpack")) return "msgpack";
  if (name == "saved_model.pb" ||
      (base_name(parent_path(path)) == "variables" && name.starts_with("variables.data-")))
    return "tensorflow";
  if (ends_with_any(path, {".jit", ".torchscript"}) && text.starts_with("PK\x03\x04"))
    return "torchscript";
  if (path.ends_with(".tflite") && text.size() >= 8 && text.substr(4, 4) == "TFL3") return "tflite";
  return {};
}

ModelFile read_model_file(ModelFormat format, Bytes head, std::uint64_t file_size,
                          std::string_view path) {
  ModelFile out;
  Result<std::vector<TensorType>> types;
  switch (format) {
    case ModelFormat::kSafetensors:
      out.format = "safetensors";
      types = read_safetensors(head, file_size, out.tensors);
      break;
    case ModelFormat::kGguf:
      out.format = "gguf";
      types = read_gguf(head, file_size, out.architecture);
      break;
    case ModelFormat::kPickle:
      out.format = "pickle";
      read_pickle(head, file_size, out);
      return out;
    case ModelFormat::kTensorRt:
      out.format = "tensorrt";
      read_plan(head, out);
      return out;
    case ModelFormat::kOther:
      out.format = other_form(path, head);
      return out;
  }
  if (types) {
    out.types = std::move(*types);
  } else {
    out.unreadable = types.error().message;
    out.tensors.clear();
  }
  return out;
}

std::vector<TensorGroup> tensor_groups(const ModelFile& model) {
  std::map<std::pair<std::string, std::string>, TensorGroup> groups;
  std::set<std::string_view> seen;
  for (const TensorShape& tensor : model.tensors) {
    if (!tensor.storage.empty() && !seen.insert(tensor.storage).second) continue;
    const auto bytes = bytes_of(tensor);
    if (!bytes) continue;
    std::string name = group_of(tensor.name);
    TensorGroup& group = groups[{name, tensor.type}];
    group.name = std::move(name);
    group.type = tensor.type;
    ++group.tensors;
    // The header was checked: all of them lie in the file.
    group.bytes += *bytes;
    const bool is_float = is_one_of(tensor.type, {"F64", "F32", "F16", "BF16"});
    const std::uint64_t bits = bits_of(tensor.type);
    if (is_float && bits > 16) group.half_saves += *bytes - *bytes / (bits / 16);
    if (is_float && tensor.shape.size() >= 2) group.eighth_saves += *bytes - *bytes / (bits / 8);
  }
  std::vector<TensorGroup> out;
  for (auto& [key, group] : groups) out.push_back(std::move(group));
  std::ranges::stable_sort(out, std::ranges::greater(), &TensorGroup::bytes);
  return out;
}

std::uint64_t half_precision_saves(const ModelFile& model) {
  std::uint64_t out = 0;
  for (const TensorType& type : model.types) {
    if (type.type == "F32") out += type.bytes / 2;
    if (type.type == "F64") out += type.bytes / 4 * 3;
  }
  return out;
}

}  // namespace flense::inventory
