// Device code, file by architecture, as a heat map: the hue says whether it stays, the depth how
// much it is.

import { element } from "./dom.js";
import { count, plural, shortSize, size } from "./format.js";

const FEW = 25;
const LIGHT = 0.001;

function summed(files, columns) {
  const out = columns.map((_, i) => [i, 0, 0, 0]);
  for (const file of files)
    for (const [column, bytes, goes, entries] of file.cells) {
      out[column][1] += bytes;
      out[column][2] += goes;
      out[column][3] += entries;
    }
  return out;
}

/// Columns that hold next to nothing become one.
function gathered({ columns, files }) {
  const totals = summed(files, columns);
  const whole = totals.reduce((sum, one) => sum + one[1], 0);
  const kept = columns.map((_, i) => i).filter((i) => totals[i][1] >= whole * LIGHT);
  if (columns.length - kept.length < 2) return { columns, files, light: [] };
  const place = new Map(kept.map((column, i) => [column, i]));
  return {
    columns: [...kept.map((i) => columns[i]), "others"],
    light: columns.filter((_, i) => !place.has(i)),
    files: files.map((file) => {
      const cells = kept.map((_, i) => [i, 0, 0, 0]).concat([[kept.length, 0, 0, 0]]);
      for (const [column, ...numbers] of file.cells)
        numbers.forEach((number, i) => { cells[place.get(column) ?? kept.length][i + 1] += number; });
      return { ...file, cells: cells.filter((one) => one[1] > 0) };
    }),
  };
}

function cellOf(found, most, column) {
  if (found === undefined || found[1] === 0) return element("td", { class: "none" });
  const [, bytes, goes, entries] = found;
  const depth = 16 + 84 * Math.sqrt(Math.min(1, bytes / most));
  const part = (100 * goes) / bytes;
  const fate = goes === 0 ? "stays" : goes === bytes ? "goes" : `${size(goes)} of it goes`;
  return element("td", {
    class: `number heat${depth > 62 ? " deep" : ""}`, title: `${column}: ${size(bytes)} in ${plural(entries, "entry", "entries")}, ${fate}`,
    css: { "--depth": `${depth.toFixed(0)}%`, "--part": `${part.toFixed(1)}%` },
  }, shortSize(bytes));
}

/// Where little of the table is seen at once, the architectures that were asked for come first.
function ordered({ columns, files, light }, named) {
  const order = columns.map((_, i) => i).sort((a, b) => named.has(columns[b]) - named.has(columns[a]) || a - b);
  const place = new Map(order.map((column, i) => [column, i]));
  return {
    light, columns: order.map((i) => columns[i]),
    files: files.map((file) => ({ ...file, cells: file.cells.map(([column, ...numbers]) => [place.get(column), ...numbers]) })),
  };
}

export function matrix(model, actions) {
  const { device, count: number } = model.data.matrix;
  const named = new Set(model.data.gpus.split(/[ ,]+/));
  const all = gathered(model.data.matrix);
  const { columns, files, light } = matchMedia("(max-width: 860px)").matches ? ordered(all, named) : all;
  if (files.length === 0) return null;
  const judged = model.data.gpus !== "";
  const totals = summed(files, columns);
  const largest = (cells) => cells.reduce((most, cell) => Math.max(most, cell[1]), 1);
  // The last row may be the sum of many small files.
  const most = files.reduce((found, file) => (file.more ? found : Math.max(found, largest(file.cells))), 1);
  const mostTotal = largest(totals);
  const body = element("tbody");
  const row = (file) => element("tr", {},
    file.more ? element("th", { scope: "row" }, plural(file.more, "smaller file", "smaller files"))
    : element("th", { scope: "row" }, element("button", {
      class: "link", title: `/${file.path}${file.left ? `\nleft as it is: ${file.left}` : ""}`, onclick: () => actions.revealPath(file.path, file.layer),
    }, element("bdi", {}, file.path.split("/").pop())), file.left && element("span", { class: "quiet" }, " left as it is")),
    element("td", { class: "number" }, shortSize(file.device)),
    ...columns.map((column, i) => cellOf(file.cells.find((cell) => cell[0] === i), most, column)));
  body.append(...files.slice(0, FEW).map(row));
  const more = files.length > FEW && element("button", { class: "more", onclick: () => {
    body.append(...files.slice(FEW).map(row));
    more.remove();
  } }, `Show ${count(number - FEW)} more files`);
  return element("section", { id: "device-code" },
    element("h2", {}, "Device code"),
    element("p", { class: "quiet" }, `${size(device)} in ${plural(number, "file", "files")}, by GPU architecture. `,
      judged && element("span", { class: "key" }, element("i", { class: "swatch is-code", "aria-hidden": "true" }), " stays ",
        element("i", { class: "swatch is-other", "aria-hidden": "true" }), " goes; the deeper, the more bytes."),
      light.length > 0 && ` Others: ${light.join(", ")}.`),
    columns.length > 3 && element("p", { class: "quiet cue" }, "Scroll it sideways \u2192 for all architectures."),
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Device code by file and architecture" },
      element("table", { class: "matrix" },
        element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "File"), element("th", { scope: "col", class: "number" }, "All"),
          ...columns.map((column) => element("th", { scope: "col", class: `number${named.has(column) ? " named" : ""}` }, column)))),
        element("tbody", { class: "sum" }, element("tr", {}, element("th", { scope: "row" }, "all files"),
          element("td", { class: "number" }, shortSize(device)),
          ...columns.map((column, i) => cellOf(totals[i], mostTotal, column)))),
        body)), more);
}
