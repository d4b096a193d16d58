// The map of the image: cells that are a tree to assistive technology and to the keyboard. Enter
// and click go in, Escape and Backspace out; arrows move along parents, children and siblings.

import { select } from "d3-selection";
import { CLASSES } from "./classes.js";
import { element } from "./dom.js";
import { percent, size } from "./format.js";
import { boxes, icicle, NAMED, unwrapped } from "./layout.js";

const LEAST_NAME = 44; // pixels: what a name is cut down to, about five characters and the dots

// Measures names as report.css has them drawn.
const pen = document.createElement("canvas").getContext("2d");
const FONT = `12px ${getComputedStyle(document.body).fontFamily}`;
const drawn = (text) => pen.measureText(text).width;

/// Directories show in a strip what they hold, by class.
function strip(model, node, after) {
  const all = after ? model.after[node] : model.before[node];
  const stops = [];
  let at = 0;
  CLASSES.forEach((one, kind) => {
    const bytes = model.sum(node, kind);
    if (bytes === 0 || (after && one.goes)) return;
    const end = at + (100 * bytes) / all;
    stops.push(`var(--${one.name}) ${at.toFixed(2)}% ${end.toFixed(2)}%`);
    at = end;
  });
  return `linear-gradient(to bottom, ${stops.join(", ")})`;
}

/// The end of a long path says more than its beginning, and two letters of a name say nothing.
function fitted(text, width) {
  if (drawn(text) <= width) return text;
  if (width < LEAST_NAME) return "";
  if (!text.includes("/")) return text;
  const parts = text.split("/");
  let out = parts.pop();
  while (parts.length > 0 && drawn(`…/${parts.at(-1)}/${out}`) <= width) out = `${parts.pop()}/${out}`;
  return drawn(`…/${out}`) <= width ? `…/${out}` : out;
}

export class TreeMap {
  constructor(model, state, actions) {
    this.model = model;
    this.state = state;
    this.actions = actions;
    this.node = element("div", {
      class: "map", role: "tree", "aria-label": "Where the bytes are: layers, directories, files, device code",
      onclick: (event) => this.#click(event), onkeydown: (event) => this.#key(event),
      onmouseover: (event) => this.#point(event), onfocusin: (event) => this.#point(event),
      onmouseleave: () => this.actions.show(this.state.selected),
    });
    this.gone = element("div", { class: "gone", "aria-hidden": "true" });
    this.frame = element("div", { class: "frame" }, this.gone, this.node);
    this.cells = new Map();
    new ResizeObserver(() => this.draw()).observe(this.frame);
  }

  #shown(node) {
    return this.state.after ? this.model.after[node] : this.model.before[node];
  }

  #cells() {
    const width = this.frame.clientWidth, height = this.frame.clientHeight;
    const options = {
      root: this.state.root, shown: (node) => this.#shown(node), scale: this.model.before[this.state.root],
      width, height, columns: width > 1100 ? 7 : width > 760 ? 6 : width > 480 ? 4 : 3,
    };
    return this.state.boxes ? boxes(this.model, options) : icicle(this.model, options);
  }

  /// `moves`: the reader asked for another view and sees where things go; drawing at load and at another size stands still.
  draw(moves = false) {
    if (this.frame.clientWidth === 0) return;
    this.node.classList.toggle("moves", moves);
    const { model, state } = this;
    const cells = this.#cells();
    this.cells = new Map(cells.map((one) => [one.node, one]));
    if (!this.cells.has(state.focus)) state.focus = state.root;
    const places = (this.rows = new Map());
    for (const one of cells) {
      const row = places.get(one.above) ?? [];
      row.push(one);
      places.set(one.above, row);
      one.place = row.length;
    }
    const joined = select(this.node).selectAll(".cell").data(cells, (one) => one.node);
    joined.exit().remove();
    const entered = joined.enter().append(() => element("div", { role: "treeitem" }, element("span", { class: "name" }), element("span", { class: "bytes" })));
    entered.merge(joined).order().each((one, i, nodes) => this.#paint(nodes[i], one, places));
    const left = model.before[state.root] - this.#shown(state.root);
    this.gone.hidden = !state.after || left <= 0;
    this.gone.textContent = left > 0 ? `${size(left)} ${model.data.did === "slim" ? "gone" : "would go"}` : "";
    this.gone.classList.toggle("boxed", state.boxes);
    if (!this.gone.hidden) {
      const part = this.#shown(state.root) / model.before[state.root];
      this.gone.style.top = state.boxes ? "0" : `${part * 100}%`;
    }
  }

  #paint(cell, one, places) {
    const { model, state } = this;
    const node = one.node, leaf = model.isLeaf(node);
    const style = cell.style;
    // In shares of the frame, so that a printed page holds all of it.
    const { clientWidth, clientHeight } = this.frame;
    const across = (pixels) => `${(100 * pixels / clientWidth).toFixed(4)}%`, down = (pixels) => `${(100 * pixels / clientHeight).toFixed(4)}%`;
    style.left = across(one.left);
    style.top = down(one.top);
    style.width = across(Math.max(1, one.width - (one.box ? 0 : 1)));
    style.height = down(Math.max(1, one.height - (one.height > 6 ? 1 : 0.5)));
    // Boxes around others have a line for their name where layout.js leaves one.
    const tall = one.height >= (one.box && one.inner ? NAMED : 13) && one.width >= 48;
    style.lineHeight = `${Math.min(17, one.height - 1)}px`;
    const kind = leaf ? CLASSES[model.classes[node]].name : one.inner || !one.box ? "above" : "closed";
    cell.className = `cell is-${kind}${one.box ? " box" : one.depth === 0 ? " root" : ""}${this.#dimmed(node) ? " dim" : ""}${tall ? "" : " bare"}${Math.min(one.width, one.height) < 5 ? " small" : ""}`;
    if (!leaf) style.setProperty("--strip", strip(model, node, state.after));
    const [name, bytes] = cell.children;
    pen.font = `${leaf ? 400 : 550} ${FONT}`;
    const label = model.label(node, one.outer), figure = size(this.#shown(node));
    const room = one.width - (one.box ? 10 : 17), rest = room - 8 - drawn(figure);
    const both = rest >= Math.min(drawn(label), 90);
    name.textContent = tall ? fitted(label, both ? rest : room) : "";
    bytes.textContent = tall && both ? figure : "";
    cell.dataset.node = node;
    cell.tabIndex = node === state.focus ? 0 : -1;
    cell.setAttribute("aria-level", one.depth + 1);
    cell.setAttribute("aria-posinset", one.place);
    cell.setAttribute("aria-setsize", places.get(one.above).length);
    cell.setAttribute("aria-selected", node === state.selected && node !== state.root);
    if (leaf) cell.removeAttribute("aria-expanded");
    else cell.setAttribute("aria-expanded", this.#firstChild(node) !== undefined);
    cell.setAttribute("aria-label", this.#spoken(node));
  }

  #spoken(node) {
    const { model } = this;
    const goes = model.before[node] - model.after[node];
    return `${model.label(node)}, ${size(this.#shown(node))}, ${percent(this.#shown(node), model.before[0])} of the image` +
      (goes > 0 && !this.state.after ? `, ${goes === model.before[node] ? "all of it" : size(goes)} goes` : "");
  }

  #dimmed(node) {
    if (this.state.lit !== null && !this.state.lit[node]) return true;
    return this.state.only !== null && this.model.sum(node, this.state.only) === 0;
  }

  #of(event) {
    const cell = event.target.closest?.(".cell");
    return cell ? Number(cell.dataset.node) : undefined;
  }

  #point(event) {
    const node = this.#of(event);
    if (node !== undefined) this.actions.show(node);
  }

  #click(event) {
    const node = this.#of(event);
    if (node === undefined) return;
    this.#enter(node, false);
  }

  #enter(node, keyboard) {
    const { model, state } = this;
    if (node === state.root && node !== 0) return this.actions.zoom(this.#around(), keyboard ? node : undefined);
    if (model.isLeaf(node) || node === state.root) return this.actions.choose(node);
    this.actions.zoom(node, keyboard ? node : undefined);
  }

  /// What the root lies in, but for directories that only wrap it.
  #around() {
    let out = this.model.parents[this.state.root];
    while (unwrapped(this.model, out, (node) => this.#shown(node)) !== out) out = this.model.parents[out];
    return out;
  }

  #firstChild(node) {
    return this.rows.get(node)?.[0].node;
  }

  #sibling(node, step) {
    const { depth } = this.cells.get(node);
    const row = [...this.cells.values()].filter((one) => one.depth === depth).sort((a, b) => a.top - b.top || a.left - b.left);
    return row[row.findIndex((one) => one.node === node) + step]?.node;
  }

  #key(event) {
    const node = this.#of(event);
    if (node === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    const { model, state } = this;
    const keys = {
      ArrowRight: () => this.#firstChild(node),
      ArrowLeft: () => this.cells.get(node)?.above,
      ArrowDown: () => this.#sibling(node, 1),
      ArrowUp: () => this.#sibling(node, -1),
      Home: () => state.root,
      End: () => [...this.cells.keys()].at(-1),
    };
    if (event.key in keys) {
      const next = keys[event.key]();
      if (next !== undefined) this.focus(next);
      else if (event.key === "ArrowLeft" && state.root !== 0) this.actions.zoom(this.#around(), node);
      else if (event.key === "ArrowRight" && !model.isLeaf(node) && node !== state.root) this.actions.zoom(node, node);
    } else if (event.key === "Enter" || event.key === " ") {
      this.#enter(node, true);
    } else if ((event.key === "Escape" || event.key === "Backspace") && state.root !== 0) {
      this.actions.zoom(this.#around(), state.root);
    } else {
      return;
    }
    event.preventDefault();
  }

  focus(node) {
    if (!this.cells.has(node)) return;
    this.state.focus = node;
    for (const cell of this.node.children) {
      const here = Number(cell.dataset.node) === node;
      cell.tabIndex = here ? 0 : -1;
      if (here) cell.focus({ preventScroll: false });
    }
  }
}
