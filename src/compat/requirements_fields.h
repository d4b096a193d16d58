// The one list of the members of Requirements and their names in JSON.
#pragma once

#include "compat/requirements.h"
#include "host/fact_json.h"

namespace flense::compat {

void each_field(text::FieldsOf<ServedGpu> auto& gpu, auto&& see) {
  see("vendor", gpu.vendor);
  see("architecture", gpu.architecture);
  see("service", gpu.service);
  see("ptx_bytes", gpu.ptx_bytes);
  see("from_ptx", gpu.from_ptx);
  see("without", gpu.without);
}

void each_field(text::FieldsOf<NarrowLibrary> auto& library, auto&& see) {
  see("path", library.path);
  see("device_bytes", library.device_bytes);
  see("code", library.code);
}

void each_field(text::FieldsOf<Requirements> auto& needs, auto&& see) {
  see("name", needs.name);
  see("platform", needs.platform);
  see("cuda", needs.cuda);
  see("driver_native", needs.driver_native);
  see("driver_minor", needs.driver_minor);
  see("driver_ptx", needs.driver_ptx);
  see("compat", needs.compat);
  see("compat_branches", needs.compat_branches);
  see("rocm", needs.rocm);
  see("gpus", needs.gpus);
  see("ptx_onwards", needs.ptx_onwards);
  see("narrowest", needs.narrowest);
  see("libc", needs.libc);
  see("cpu_level", needs.cpu_level);
  see("disk_bytes", needs.disk_bytes);
  see("notices", needs.notices);
}

}  // namespace flense::compat
