#include "inventory/scan/torch_pickle.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "base/format.h"

namespace flense::inventory {

namespace {

enum class Kind : std::uint8_t {
  kMark,
  kOther,  ///< what has no part in a tensor: None, floats, states
  kNumber,
  kText,
  kTuple,
  kTable,
  kGlobal,
  kStorage,
  kTensor
};

/// Values refer to each other by their places in one list, so that what refers to itself is no
/// cycle that somebody has to break.
struct Value {
  Kind kind = Kind::kOther;
  std::uint64_t number = 0;
  std::string text;                ///< text; "module name" of globals; type of storages and tensors
  std::vector<std::size_t> items;  ///< of tuples; of tables key, value, key, value
  std::string storage;             ///< of tensors
  std::vector<std::uint64_t> shape;
};

/// torch/storage.py: what a storage's class holds, as safetensors spells it.
constexpr auto kStorages =
    std::to_array<std::pair<std::string_view, std::string_view>>({{"torch FloatStorage", "F32"},
                                                                  {"torch DoubleStorage", "F64"},
                                                                  {"torch HalfStorage", "F16"},
                                                                  {"torch BFloat16Storage", "BF16"},
                                                                  {"torch LongStorage", "I64"},
                                                                  {"torch IntStorage", "I32"},
                                                                  {"torch ShortStorage", "I16"},
                                                                  {"torch CharStorage", "I8"},
                                                                  {"torch ByteStorage", "U8"},
                                                                  {"torch BoolStorage", "BOOL"}});

constexpr std::size_t kMostValues = 2'000'000;
constexpr std::size_t kMostBytes = 64U << 20;  ///< of all values, and again of what comes of them
constexpr std::size_t kMostDimensions = 64;    ///< as c10::TensorImpl has them

class Reader {
 public:
  explicit Reader(Bytes pickle) : in_(pickle, "pickle") {}

  Result<std::vector<TensorShape>> run() {
    for (bool more = true; more;) {
      TRY(const auto code, in_.read<std::uint8_t>("instruction"));
      TRY(more, step(code));
      if (values_.size() > kMostValues || bytes_ > kMostBytes)
        return bad_input("the pickle has too many values");
    }
    TRY(const std::size_t top, pop());
    return tensors_of(values_[top]);
  }

 private:
  Result<bool> step(std::uint8_t code) {
    switch (code) {
      case 0x80:  // PROTO
        TRY_DO(in_.skip(1, "protocol"));
        return true;
      case 0x95:  // FRAME
        TRY_DO(in_.skip(8, "frame"));
        return true;
      case '.':
        return false;
      case '(':
        push({Kind::kMark, 0, {}, {}, {}, {}});
        return true;
      case 'N':
      case 0x88:  // NEWTRUE
      case 0x89:  // NEWFALSE
        push({});
        return true;
      case 'G':
        TRY_DO(in_.skip(8, "float"));
        push({});
        return true;
      case 'K':
        return number<std::uint8_t>();
      case 'M':
        return number<std::uint16_t>();
      case 'J':
        return number<std::uint32_t>();
      case 0x8a:  // LONG1
        return long_number();
      case 'X':
        return text<std::uint32_t>();
      case 0x8c:  // SHORT_BINUNICODE
        return text<std::uint8_t>();
      case 'c':
        return global();
      case 0x93:  // STACK_GLOBAL
        return stack_global();
      case ')':
        push({Kind::kTuple, 0, {}, {}, {}, {}});
        return true;
      case 't':
        return tuple_to_mark();
      case 0x85:  // TUPLE1 to TUPLE3
      case 0x86:
      case 0x87:
        return tuple_of(code - 0x84U);
      case '}':
        push({Kind::kTable, 0, {}, {}, {}, {}});
        return true;
      case ']':
        push({});
        return true;
      default:
        return refer_or_call(code);
    }
  }

  Result<bool> refer_or_call(std::uint8_t code) {
    switch (code) {
      case 'q': {
        TRY(const auto at, in_.read<std::uint8_t>("place"));
        return remember(at);
      }
      case 'r': {
        TRY(const auto at, in_.read<std::uint32_t>("place"));
        return remember(at);
      }
      case 0x94:  // MEMOIZE
        return remember(memo_.size());
      case 'h': {
        TRY(const auto at, in_.read<std::uint8_t>("place"));
        return recall(at);
      }
      case 'j': {
        TRY(const auto at, in_.read<std::uint32_t>("place"));
        return recall(at);
      }
      case '0':
        TRY_DO(pop());
        return true;
      case 's':
        return set_items(false);
      case 'u':
        return set_items(true);
      case 'a': {  // APPEND: lists hold nothing that matters
        TRY_DO(pop());
        return true;
      }
      case 'e': {
        TRY_DO(pop_to_mark());
        return true;
      }
      case 'b':  // BUILD: _metadata of a state_dict
        TRY_DO(pop());
        return true;
      case 'Q':
        return storage();
      case 'R':
        return call();
      default:
        return bad_input("the pickle has the instruction {:#x}, which no table of tensors needs",
                         code);
    }
  }

  static std::size_t size_of(const Value& value) {
    return sizeof(Value) + value.text.size() + value.storage.size() +
           8 * (value.items.size() + value.shape.size());
  }
  void push(Value value) {
    bytes_ += size_of(value);
    stack_.push_back(values_.size());
    values_.push_back(std::move(value));
  }
  Result<std::size_t> pop() {
    if (stack_.empty()) return bad_input("the pickle takes more than it has put there");
    const std::size_t out = stack_.back();
    stack_.pop_back();
    return out;
  }
  Result<std::vector<std::size_t>> pop_to_mark() {
    std::vector<std::size_t> out;
    while (true) {
      TRY(const std::size_t one, pop());
      if (values_[one].kind == Kind::kMark) break;
      out.push_back(one);
    }
    std::ranges::reverse(out);
    return out;
  }
  const Value& item(const Value& tuple, std::size_t at) const { return values_[tuple.items[at]]; }

  template <class T>
  Result<bool> number() {
    TRY(const auto value, in_.read<T>("number"));
    push({Kind::kNumber, value, {}, {}, {}, {}});
    return true;
  }
  Result<bool> long_number() {
    TRY(const auto size, in_.read<std::uint8_t>("size of a number"));
    TRY(const Bytes bytes, in_.read_bytes(size, "number"));
    // Negative ones, and those beyond 64 bits, are no dimension.
    if (size > 8 || (size > 0 && (static_cast<unsigned>(bytes.back()) & 0x80U) != 0)) {
      push({});
      return true;
    }
    std::uint64_t value = 0;
    for (std::size_t i = size; i > 0; --i)
      value = value << 8 | static_cast<std::uint64_t>(bytes[i - 1]);
    push({Kind::kNumber, value, {}, {}, {}, {}});
    return true;
  }
  template <class T>
  Result<bool> text() {
    TRY(const auto size, in_.read<T>("length of a text"));
    TRY(const Bytes bytes, in_.read_bytes(size, "text"));
    push({Kind::kText, 0, std::string(as_text(bytes)), {}, {}, {}});
    return true;
  }

  Result<std::string> line() {
    constexpr std::size_t kLongest = 256;
    std::string out;
    while (out.size() < kLongest) {
      TRY(const auto byte, in_.read<std::uint8_t>("name"));
      if (byte == '\n') return out;
      out += static_cast<char>(byte);
    }
    return bad_input("the pickle has a name of more than {} bytes", kLongest);
  }
  Result<bool> global() {
    TRY(const std::string module, line());
    TRY(const std::string name, line());
    push({Kind::kGlobal, 0, module + " " + name, {}, {}, {}});
    return true;
  }
  Result<bool> stack_global() {
    TRY(const std::size_t name, pop());
    TRY(const std::size_t module, pop());
    if (values_[name].kind != Kind::kText || values_[module].kind != Kind::kText)
      return bad_input("the pickle names a global by what is no text");
    push({Kind::kGlobal, 0, values_[module].text + " " + values_[name].text, {}, {}, {}});
    return true;
  }

  Result<bool> tuple_to_mark() {
    TRY(std::vector<std::size_t> items, pop_to_mark());
    push({Kind::kTuple, 0, {}, std::move(items), {}, {}});
    return true;
  }
  Result<bool> tuple_of(unsigned count) {
    std::vector<std::size_t> items(count);
    for (unsigned i = count; i > 0; --i) {
      TRY(items[i - 1], pop());
    }
    push({Kind::kTuple, 0, {}, std::move(items), {}, {}});
    return true;
  }

  Result<bool> remember(std::size_t at) {
    if (stack_.empty()) return bad_input("the pickle remembers what is not there");
    memo_[at] = stack_.back();
    return true;
  }
  Result<bool> recall(std::size_t at) {
    const auto found = memo_.find(at);
    if (found == memo_.end()) return bad_input("the pickle recalls what it did not remember");
    stack_.push_back(found->second);
    // Each costs two bytes of the file and no value; what they make is counted.
    if (stack_.size() > kMostValues) return bad_input("the pickle has too many values");
    return true;
  }

  Result<bool> set_items(bool several) {
    std::vector<std::size_t> items;
    if (several) {
      TRY(items, pop_to_mark());
    } else {
      TRY(const std::size_t value, pop());
      TRY(const std::size_t key, pop());
      items = {key, value};
    }
    if (stack_.empty() || values_[stack_.back()].kind != Kind::kTable || items.size() % 2 != 0)
      return bad_input("the pickle fills what is no table");
    std::vector<std::size_t>& table = values_[stack_.back()].items;
    table.insert(table.end(), items.begin(), items.end());
    bytes_ += 8 * items.size();
    if (table.size() > kMostValues) return bad_input("the pickle has too many values");
    return true;
  }

  /// ("storage", class, key, device, number of elements): torch/serialization.py, persistent_id.
  Result<bool> storage() {
    TRY(const std::size_t top, pop());
    const Value& id = values_[top];
    if (id.kind != Kind::kTuple || id.items.size() != 5 || item(id, 0).text != "storage" ||
        item(id, 1).kind != Kind::kGlobal || item(id, 2).kind != Kind::kText)
      return bad_input("the pickle refers to something that is no storage");
    const auto* known = std::ranges::find(kStorages, std::string_view(item(id, 1).text),
                                          &std::pair<std::string_view, std::string_view>::first);
    if (known == kStorages.end())
      return bad_input("the pickle has a storage of {}", item(id, 1).text.substr(0, 64));
    Value out{Kind::kStorage, 0, std::string(known->second), {}, item(id, 2).text, {}};
    push(std::move(out));
    return true;
  }

  Result<bool> call() {
    TRY(const std::size_t arguments, pop());
    TRY(const std::size_t function, pop());
    const Value& with = values_[arguments];
    const std::string& name = values_[function].text;
    if (values_[function].kind != Kind::kGlobal || with.kind != Kind::kTuple)
      return bad_input("the pickle calls what is no function");
    if (name == "collections OrderedDict" && with.items.empty()) {
      push({Kind::kTable, 0, {}, {}, {}, {}});
      return true;
    }
    if (name == "torch._utils _rebuild_parameter" && !with.items.empty() &&
        item(with, 0).kind == Kind::kTensor) {
      stack_.push_back(with.items.front());
      return true;
    }
    if (name == "torch._utils _rebuild_tensor_v2") return tensor(with);
    return bad_input("the pickle calls {}, which no table of tensors needs", name.substr(0, 64));
  }

  /// (storage, offset, sizes, strides, …)
  Result<bool> tensor(const Value& with) {
    if (with.items.size() < 4 || item(with, 0).kind != Kind::kStorage ||
        item(with, 1).kind != Kind::kNumber || item(with, 2).kind != Kind::kTuple)
      return bad_input("the pickle makes a tensor of what is no storage");
    Value out{Kind::kTensor, 0, item(with, 0).text, {}, {}, {}};
    out.storage = fmt::format("{}:{}", item(with, 0).storage, item(with, 1).number);
    if (item(with, 2).items.size() > kMostDimensions)
      return bad_input("the pickle has a tensor of more than {} dimensions", kMostDimensions);
    for (const std::size_t size : item(with, 2).items) {
      if (values_[size].kind != Kind::kNumber)
        return bad_input("the pickle has a tensor whose shape is no number");
      out.shape.push_back(values_[size].number);
    }
    push(std::move(out));
    return true;
  }

  Result<std::vector<TensorShape>> tensors_of(const Value& table) const {
    if (table.kind != Kind::kTable) return bad_input("the pickle is no table of tensors");
    if (table.items.size() / 2 > kMostTensors)
      return bad_input("the pickle has more than {} tensors", kMostTensors);
    std::vector<TensorShape> out;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i + 1 < table.items.size(); i += 2) {
      const Value &key = item(table, i), &value = item(table, i + 1);
      // One name of a megabyte can stand for many.
      bytes += size_of(key) + size_of(value);
      if (bytes > kMostBytes) return bad_input("the names of the pickle are too long");
      if (key.kind != Kind::kText || value.kind != Kind::kTensor)
        return bad_input("the pickle holds more than tensors: '{}'", key.text.substr(0, 64));
      out.push_back({key.text, value.text, value.shape, value.storage});
    }
    return out;
  }

  ByteReader in_;
  std::vector<Value> values_;
  std::vector<std::size_t> stack_;
  std::size_t bytes_ = 0;
  std::map<std::size_t, std::size_t> memo_;
};

}  // namespace

Result<std::vector<TensorShape>> pickled_tensors(Bytes pickle) {
  return Reader(pickle).run();
}

Result<std::vector<TensorShape>> torch_tensors(Bytes head) {
  // APPNOTE.TXT 4.3.7, local file header. torch.save() stores data.pkl first, and as it is.
  ByteReader reader(head, "archive of torch.save");
  TRY(const auto signature, reader.read<std::uint32_t>("signature"));
  constexpr std::uint32_t kLocalHeader = 0x04034b50;
  if (signature != kLocalHeader)
    return bad_input("it is no archive, but pickles as torch.save wrote them before 1.6");
  TRY_DO(reader.skip(4, "version and flags"));
  TRY(const auto method, reader.read<std::uint16_t>("method"));
  TRY_DO(reader.skip(16, "time, checksum and sizes"));
  TRY(const auto name_size, reader.read<std::uint16_t>("length of the name"));
  TRY(const auto extra, reader.read<std::uint16_t>("length of the extra field"));
  TRY(const Bytes name, reader.read_bytes(name_size, "name"));
  TRY_DO(reader.skip(extra, "extra field"));
  if (method != 0 || !as_text(name).ends_with("data.pkl"))
    return bad_input("its first member is not data.pkl, stored");
  return pickled_tensors(head.subspan(reader.position()));
}

}  // namespace flense::inventory
