// What is known about the cell under the pointer or the focus.

import { CLASSES, classOf, reasonText } from "./classes.js";
import { element, empty } from "./dom.js";
import { percent, size } from "./format.js";

const WHAT = { i: "image", l: "layer", d: "directory", f: "file", c: "device code", p: "part of a file", g: "small files", a: "archive" };

export class Panel {
  constructor(model) {
    this.model = model;
    this.node = element("aside", { class: "panel", "aria-label": "Details" });
  }

  show(node) {
    const { model } = this;
    const before = model.before[node], goes = before - model.after[node];
    const path = model.path(node), layer = model.layer(node), kind = model.kinds[node];
    const rows = model.reasonsBelow(node);
    const shown = rows.slice(0, 9), rest = rows.slice(9).reduce((sum, one) => sum + one.bytes, 0);
    const facts = [
      element("p", { class: "what" }, WHAT[kind]),
      element("h2", { class: "name" }, element("bdi", {}, model.label(node))),
      element("p", { class: "figure" }, size(before)),
      element("p", { class: "quiet" }, `${percent(before, model.before[0])} of the image`,
        node !== 0 ? ` · ${percent(before, model.before[model.parents[node]])} of what is around it` : ""),
      goes > 0 && element("p", { class: "balance" }, goes === before ? `all of it ${this.#verb()}` : `${size(goes)} ${this.#verb()}, ${size(before - goes)} stays`),
      element("table", { class: "reasons" }, element("tbody", {}, ...shown.map((row) => element("tr", {},
        element("td", {}, element("i", { class: `swatch is-${CLASSES[classOf(row.reason, row.kind)].name}`, "aria-hidden": "true" })),
        element("td", {}, reasonText(row.reason, row.kind)),
        element("td", { class: "number" }, size(row.bytes)))),
      rest > 0 && element("tr", {}, element("td"), element("td", {}, "other reasons"), element("td", { class: "number" }, size(rest))))),
      kind === "g" && model.data.tree.grouped_below > 0 &&
        element("p", { class: "quiet" }, `Files of less than ${size(model.data.tree.grouped_below)} are shown together.`),
      path !== "" && element("dl", {}, element("dt", {}, "Path"), element("dd", {}, element("bdi", { class: "path" }, `/${path}`))),
      layer !== undefined && this.#layer(layer),
    ];
    empty(this.node).append(...facts.filter(Boolean));
  }

  #verb() {
    return this.model.data.did === "slim" ? "gone" : "can go";
  }

  #layer(index) {
    const layer = this.model.data.layers[index];
    if (layer === undefined || (layer.instruction === "" && this.model.data.layers.length === 1)) return null;
    return element("dl", {}, element("dt", {}, `Layer ${index + 1} of ${this.model.data.layers.length}`),
      element("dd", {}, element("bdi", { class: "code" }, layer.instruction || "no instruction recorded")));
  }
}
