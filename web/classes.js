// The few colours of the report and what they mean. A reason belongs to one class; the names of the
// classes are also those of the colours in report.css.

export const CLASSES = [
  { name: "stays", label: "files that stay" },
  { name: "code", label: "device code that stays" },
  { name: "caution", label: "device code that stays by caution" },
  { name: "other", label: "for other GPUs only", goes: true },
  { name: "shadowed", label: "hidden by later layers", goes: true },
  { name: "debug", label: "debug sections and symbols", goes: true },
  { name: "unneeded", label: "not needed in production", goes: true },
  { name: "held", label: "could go, but stays" },
];

const GONE = {
  "device-code": "other", "device-ptx": "other", "recompressed-code": "other", "gpu-files": "other", "amd-code": "other",
  "drop-vendor": "other", "shadowed-files": "shadowed", "debug-sections": "debug",
};

const index = (name) => CLASSES.findIndex((one) => one.name === name);
export const OTHER_GPUS = index("other");
export const CAUTION = index("caution");
const CODE = index("code"), FILES = index("stays"), HELD = index("held"), UNNEEDED = index("unneeded");

/// Code that no named GPU is known to need, and that stays since leaving it out might break something.
const CAUTIOUS = new Set(["last entry of its region", "region that no wrapper registers", "region must not move or change", "entry of an unknown kind"]);

/// `kind` is the letter of the node's kind: what stays is told apart by what it is.
export function classOf(reason, kind) {
  if (reason.verdict === "held") return HELD;
  if (reason.verdict === "goes") return reason.id in GONE ? index(GONE[reason.id]) : UNNEEDED;
  return CAUTIOUS.has(reason.id) ? CAUTION : kind === "c" ? CODE : FILES;
}

const STAYS = {
  "serves a target": "a named GPU can load it",
  "device code": "device code; which of it could go depends on the GPUs",
  "archive": "headers and padding of the layer's archive",
};

/// One line on why these bytes stay or go.
export function reasonText(reason, kind) {
  if (reason.verdict === "held") return `${reason.text ?? reason.id}: stays, ${reason.why}`;
  if (reason.verdict === "goes") return reason.text ?? reason.id;
  if (reason.id in STAYS) return STAYS[reason.id];
  if (reason.id) return reason.id;
  return kind === "p" ? "host code and data" : "files";
}
