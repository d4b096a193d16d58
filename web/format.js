// Numbers as people read them: decimal units, as Docker and the rest of flense write sizes.

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

function scaled(bytes) {
  let value = bytes, unit = 0;
  while (value >= 999.5 && unit + 1 < UNITS.length) {
    value /= 1000;
    ++unit;
  }
  return { value, unit };
}

/// Three significant digits: "5.83 GB".
export function size(bytes) {
  const { value, unit } = scaled(bytes);
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)}\u00a0${UNITS[unit]}`;
}

/// For cells of a matrix: "12M", "980k".
export function shortSize(bytes) {
  const { value, unit } = scaled(bytes);
  return `${value < 9.95 && unit > 1 ? value.toFixed(1) : Math.round(value)}${["", "k", "M", "G", "T", "P"][unit]}`;
}

export function percent(part, whole) {
  if (whole <= 0) return "–";
  const value = (100 * part) / whole;
  if (value > 0 && value < 0.05) return "<\u20090.1\u00a0%";
  return `${value.toFixed(value >= 10 ? 0 : 1)}\u00a0%`;
}

export const count = new Intl.NumberFormat("en-US").format;

export function plural(number, one, many) {
  return `${count(number)} ${number === 1 ? one : many}`;
}
