#include "text/yaml_events.h"

#include <yaml.h>

#include "base/format.h"

namespace flense::text {

namespace {

std::string_view view(const yaml_char_t* text) {
  return text == nullptr ? std::string_view() : reinterpret_cast<const char*>(text);
}

YamlPlace place(const yaml_mark_t& mark) {
  return {mark.index, mark.line + 1, mark.column + 1};
}

YamlEventKind kind_of(yaml_event_type_t type) {
  switch (type) {
    case YAML_STREAM_END_EVENT:
      return YamlEventKind::kStreamEnd;
    case YAML_DOCUMENT_START_EVENT:
      return YamlEventKind::kDocumentStart;
    case YAML_DOCUMENT_END_EVENT:
      return YamlEventKind::kDocumentEnd;
    case YAML_MAPPING_START_EVENT:
      return YamlEventKind::kMappingStart;
    case YAML_MAPPING_END_EVENT:
      return YamlEventKind::kMappingEnd;
    case YAML_SEQUENCE_START_EVENT:
      return YamlEventKind::kSequenceStart;
    case YAML_SEQUENCE_END_EVENT:
      return YamlEventKind::kSequenceEnd;
    case YAML_SCALAR_EVENT:
      return YamlEventKind::kScalar;
    case YAML_ALIAS_EVENT:
      return YamlEventKind::kAlias;
    default:
      return YamlEventKind::kOther;
  }
}

void fill(YamlEvent& out, const yaml_event_t& event) {
  out.kind = kind_of(event.type);
  out.begin = place(event.start_mark);
  out.end = place(event.end_mark);
  out.text.clear();
  out.tag.clear();
  out.anchor.clear();
  out.plain = out.block = false;
  switch (event.type) {
    case YAML_MAPPING_START_EVENT:
      out.tag = view(event.data.mapping_start.tag);
      out.anchor = view(event.data.mapping_start.anchor);
      return;
    case YAML_SEQUENCE_START_EVENT:
      out.tag = view(event.data.sequence_start.tag);
      out.anchor = view(event.data.sequence_start.anchor);
      return;
    case YAML_SCALAR_EVENT: {
      const auto& scalar = event.data.scalar;
      out.text.assign(reinterpret_cast<const char*>(scalar.value), scalar.length);
      out.tag = view(scalar.tag);
      out.anchor = view(scalar.anchor);
      out.plain = scalar.style == YAML_PLAIN_SCALAR_STYLE;
      out.block =
          scalar.style == YAML_LITERAL_SCALAR_STYLE || scalar.style == YAML_FOLDED_SCALAR_STYLE;
      return;
    }
    case YAML_ALIAS_EVENT:
      out.anchor = view(event.data.alias.anchor);
      return;
    default:
      return;
  }
}

}  // namespace

struct YamlEvents::State {
  yaml_parser_t parser{};
  bool fine = false;
};

YamlEvents::YamlEvents(std::string_view text) : state_(std::make_unique<State>()) {
  state_->fine = yaml_parser_initialize(&state_->parser) == 1;
  if (!state_->fine) return;
  yaml_parser_set_encoding(&state_->parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string(&state_->parser, reinterpret_cast<const unsigned char*>(text.data()),
                               text.size());
}

YamlEvents::~YamlEvents() {
  if (state_->fine) yaml_parser_delete(&state_->parser);
}

bool YamlEvents::next(YamlEvent& event) {
  if (!state_->fine) return false;
  yaml_event_t raw{};
  if (yaml_parser_parse(&state_->parser, &raw) != 1) return false;
  fill(event, raw);
  yaml_event_delete(&raw);
  return true;
}

std::string YamlEvents::problem_text() const {
  if (!state_->fine) return "out of memory";
  if (state_->parser.problem != nullptr) return state_->parser.problem;
  return state_->parser.error == YAML_READER_ERROR ? "unreadable" : "out of memory";
}

YamlPlace YamlEvents::problem_place(bool& byte) const {
  byte = state_->fine && state_->parser.error == YAML_READER_ERROR;
  if (byte) return {state_->parser.problem_offset, 1, 1};
  return place(state_->parser.problem_mark);
}

}  // namespace flense::text
