#include "doctor/messages.h"

#include <algorithm>

#include "base/format.h"
#include "host/text_formats.h"
#include "knowledge/error_messages.h"

namespace flense::doctor {

std::vector<Recognised> recognise(std::string_view log, const knowledge::Explained& known) {
  std::vector<Recognised> out;
  for (const knowledge::ToldError& told : knowledge::ErrorReader(known).in(log)) {
    const knowledge::ErrorRow& row = *told.row;
    Recognised one;
    one.id = row.id;
    one.says = row.layer;
    if (row.code) one.says += fmt::format(" {}", *row.code);
    one.line = host::clean(told.line);
    one.number = told.number;
    one.advice = row.advice;
    one.cause = row.cause;
    one.fix = row.fix;
    one.step = row.step;
    one.source = row.source;
    out.push_back(std::move(one));
  }
  return out;
}

bool tells_failure(const std::vector<Recognised>& messages) {
  return !std::ranges::all_of(messages, &Recognised::advice);
}

}  // namespace flense::doctor
