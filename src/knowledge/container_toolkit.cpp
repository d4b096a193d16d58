#include "knowledge/container_toolkit.h"

#include "knowledge/table_rows.h"

namespace flense::knowledge {

ContainerToolkit ContainerToolkit::read(const TableSet& tables) {
  ContainerToolkit out;
  for (const text::Json& row : tables.table("container_toolkit")["vulnerabilities"]["rows"].items())
    out.vulnerabilities.push_back(
        {text_at(row, "cve"), text_at(row, "fixed"), text_at(row, "what")});
  return out;
}

}  // namespace flense::knowledge
