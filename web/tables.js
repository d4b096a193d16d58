// The lists below the map.

import { CLASSES } from "./classes.js";
import { element } from "./dom.js";
import { count, percent, plural, size } from "./format.js";

const FEW = 12;
const LESS = ["Cut", "Level", "#Files", "#Hidden"]; // columns that narrow screens do without

function section(id, title, note, ...children) {
  return element("section", { id }, element("h2", {}, title), note && element("p", { class: "quiet" }, note), ...children);
}

function scroll(label, table) {
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, table);
}

function head(...columns) {
  return element("thead", {}, element("tr", {}, ...columns.map((column) =>
    element("th", { scope: "col", class: `${column.startsWith("#") ? "number" : ""}${LESS.includes(column) ? " less" : ""}` }, column.replace("#", "")))));
}

const number = (text, more = "") => element("td", { class: `number ${more}` }, text);
const text = (value) => element("td", {}, element("bdi", {}, value));
const bar = (part, kind) => element("td", { class: "bar", "aria-hidden": "true" },
  element("i", { class: `is-${kind}`, css: { width: `${Math.max(0.5, 100 * part)}%` } }));

/// Rows beyond the first few appear when asked for.
function long(rows, table) {
  const body = table.querySelector("tbody");
  body.append(...rows.slice(0, FEW));
  if (rows.length <= FEW) return table;
  const more = element("button", { class: "more", onclick: () => {
    body.append(...rows.slice(FEW));
    more.remove();
  } }, `Show ${count(rows.length - FEW)} more`);
  return element("div", {}, table, more);
}

function cutRow(model, cut, most, actions) {
  const whole = model.before[0];
  const { reason } = cut;
  return element("tr", {},
    element("td", {},
      element("details", {}, element("summary", {},
        element("i", { class: `swatch is-${CLASSES[cut.kind].name}`, "aria-hidden": "true" }), reason.text ?? reason.id,
        reason.why && element("span", { class: "quiet" }, ` stays: ${reason.why}`)),
      element("ul", { class: "examples" }, ...cut.examples.map(([file, bytes]) => element("li", {},
        element("span", { class: "number" }, size(bytes)),
        element("button", { class: "link", onclick: () => actions.reveal(file) }, element("bdi", {}, `/${model.path(file)}`))))))),
    element("td", { class: "id less" }, reason.id),
    element("td", { class: "id less" }, reason.level ?? ""),
    number(cut.files > 0 ? count(cut.files) : "", "less"),
    number(size(cut.bytes)), number(percent(cut.bytes, whole)),
    bar(cut.bytes / most, CLASSES[cut.kind].name));
}

export function cuts(model, actions) {
  const { data } = model;
  const all = model.cuts();
  if (all.length === 0) return null;
  const most = Math.max(...all.map((cut) => cut.bytes));
  const gone = model.before[0] - model.after[0];
  const forGpus = data.gpus === "" ? "" : ` for ${data.gpus}`;
  const note = data.did === "slim" ? `${size(gone)} went${forGpus} at level ${data.level}.`
    : `${size(gone)} can go${forGpus} at level ${data.level}.${data.gpus === "" ? " With --gpu also device code." : ""}`;
  const sorted = [...all.filter((cut) => cut.reason.verdict === "goes"), ...all.filter((cut) => cut.reason.verdict !== "goes")];
  return section("cuts", data.did === "slim" ? "What went, and why" : "What can go, and why", note,
    scroll("Cuts", element("table", {}, head("Reason", "Cut", "Level", "#Files", "#Bytes", "#Share", ""),
      element("tbody", {}, ...sorted.map((cut) => cutRow(model, cut, most, actions))))));
}

export function leftAlone(model, actions) {
  const { left_alone: files = [], bolder = [] } = model.data;
  if (files.length === 0 && bolder.length === 0) return null;
  const table = element("table", {}, head("File", "Why", "#Could give"), element("tbody"));
  return section("left-alone", "Left as it is", "What cannot be changed with certainty stays as it was.",
    files.length > 0 && scroll("Files left as they are", long(files.map(([path, bytes, why]) => element("tr", {},
      element("td", {}, element("button", { class: "link", onclick: () => actions.revealPath(path) }, element("bdi", {}, `/${path}`))),
      text(why), number(size(bytes)))), table)),
    bolder.length > 0 && scroll("Bolder rules", element("table", {}, head("Device code that bolder rules would drop", "#Would give"),
      element("tbody", {}, ...bolder.sort((a, b) => b[1] - a[1]).map(([rule, bytes]) => element("tr", {}, text(rule), number(size(bytes))))))));
}

export function layers(model, actions) {
  const { layers: list } = model.data;
  if (list.length < 2) return null;
  const after = list.some((layer) => layer.stored_after !== undefined);
  const most = Math.max(...list.map((layer) => layer.unpacked), 1);
  const nodes = [...model.layerOf.keys()];
  return section("layers", "Layers", plural(list.length, "layer", "layers") + ", the base first.",
    scroll("Layers", element("table", {},
      head("##", "Instruction", "#Stored", ...(after ? ["#now"] : []), "#Unpacked", ...(after ? ["#now"] : []), "#Hidden", "#Files", ""),
      element("tbody", {}, ...list.map((layer, i) => element("tr", {}, number(i + 1),
        element("td", { class: "instruction" }, element("button", { class: "link", title: layer.instruction, onclick: () => actions.reveal(nodes[i]) },
          element("bdi", {}, layer.instruction || "no instruction recorded")),
        layer.same && element("span", { class: "quiet" }, " same digest")),
        number(size(layer.stored)), after && number(size(layer.stored_after)),
        number(size(layer.unpacked)), after && number(size(layer.unpacked_after)),
        number(layer.waste > 0 ? size(layer.waste) : "", "less"), number(count(layer.files), "less"), bar(layer.unpacked / most, "stays")))))));
}

export function runtimes(model) {
  const { runtimes: list } = model.data;
  if (list.length === 0) return null;
  return section("runtimes", "Runtimes and frameworks", null, scroll("Runtimes", element("table", {}, head("Name", "Version", "Seen in"),
    element("tbody", {}, ...list.map(([name, version, evidence]) => element("tr", {},
      text(name), element("td", { class: "version" }, element("bdi", {}, version || "?")), element("td", { class: "evidence" }, element("bdi", {}, evidence))))))));
}

export function budgets(model) {
  const { budgets: list } = model.data;
  if (list.length === 0) return null;
  return section("budgets", "Budgets", null, scroll("Budgets", element("table", {}, head("Budget", "#Limit", "#Is", "Verdict"),
    element("tbody", {}, ...list.map((one) => element("tr", { class: one.exceeded ? "bad" : undefined }, element("td", { class: "id" }, one.name),
      number(size(one.limit)), number(size(one.actual)),
      text(one.exceeded ? `exceeded. ${one.fix}` : "kept")))))));
}

export function notices(model) {
  const { notices: list } = model.data;
  if (list.length === 0) return null;
  return section("notices", "Notices", null, element("ul", { class: "notices" }, ...list.map((one) => element("li", {}, element("bdi", {}, one)))));
}
