#include "host/hostlist.h"

#include <charconv>
#include <cstdint>

#include "base/format.h"
#include "base/numbers.h"
#include "host/text_formats.h"

namespace flense::host {

namespace {

/// "001-003" or "7" -> the numbers as written.
Result<void> expand_range(std::string_view range, std::size_t most, std::vector<std::string>& out) {
  constexpr std::size_t kMostDigits = 9;
  const std::size_t dash = range.find('-');
  const std::string_view low = range.substr(0, dash);
  const std::string_view high = dash == std::string_view::npos ? low : range.substr(dash + 1);
  const auto first = parse_number(low), last = parse_number(high);
  if (!first || !last || *first > *last || high.size() > kMostDigits)
    return bad_input("the host list has the range '{}'", clean(range));
  if (*last - *first >= most) return bad_input("the host list names more than {} hosts", most);
  for (std::uint64_t number = *first; number <= *last; ++number)
    out.push_back(fmt::format("{:0{}}", number, low.size()));
  return {};
}

/// One name, which may hold brackets.
Result<void> expand_name(std::string_view name, std::size_t most, std::vector<std::string>& out) {
  std::vector<std::string> names = {""};
  while (!name.empty()) {
    const std::size_t open = name.find('[');
    const std::string_view plain = name.substr(0, open);
    if (plain.find(']') != std::string_view::npos)
      return bad_input("the host list has a closing bracket without an opening one");
    for (std::string& one : names) one += plain;
    if (open == std::string_view::npos) break;
    const std::size_t close = name.find(']', open);
    if (close == std::string_view::npos)
      return bad_input("the host list has a bracket that is not closed");
    std::vector<std::string> numbers;
    std::string_view ranges = name.substr(open + 1, close - open - 1);
    while (true) {
      const std::size_t comma = ranges.find(',');
      TRY_DO(expand_range(ranges.substr(0, comma), most, numbers));
      if (comma == std::string_view::npos) break;
      ranges.remove_prefix(comma + 1);
      if (numbers.size() > most) break;
    }
    if (numbers.size() > most / names.size())
      return bad_input("the host list names more than {} hosts", most);
    std::vector<std::string> product;
    product.reserve(names.size() * numbers.size());
    for (const std::string& one : names)
      for (const std::string& number : numbers) product.push_back(one + number);
    names = std::move(product);
    name.remove_prefix(close + 1);
  }
  if (names.size() > most - out.size())
    return bad_input("the host list names more than {} hosts", most);
  for (std::string& one : names) out.push_back(std::move(one));
  return {};
}

}  // namespace

Result<std::vector<std::string>> expand_hostlist(std::string_view list, std::size_t most) {
  std::vector<std::string> out;
  std::size_t start = 0;
  bool inside = false;
  for (std::size_t i = 0; i <= list.size(); ++i) {
    if (i < list.size() && list[i] == '[') inside = true;
    if (i < list.size() && list[i] == ']') inside = false;
    if (i < list.size() && (list[i] != ',' || inside)) continue;
    if (i > start) TRY_DO(expand_name(list.substr(start, i - start), most, out));
    start = i + 1;
  }
  return out;
}

}  // namespace flense::host
