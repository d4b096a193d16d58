// The report: reads the data that stands in the page and puts the views together.

import "./notice.js";
import { element } from "./dom.js";
import { composition, figures } from "./figures.js";
import { TreeMap } from "./map.js";
import { matrix } from "./matrix.js";
import { Model } from "./model.js";
import { Panel } from "./panel.js";
import { Search } from "./search.js";
import { budgets, cuts, layers, leftAlone, notices, runtimes } from "./tables.js";

const NAV = { cuts: "Cuts", "device-code": "Device code", "left-alone": "Left alone", layers: "Layers", runtimes: "Runtimes", budgets: "Budgets", notices: "Notices" };
const DID = { inspect: "inspection", plan: "plan, nothing written", slim: "slim image" };

function themeSwitch() {
  const modes = ["auto", "light", "dark"];
  const button = element("button", { class: "theme", onclick: () => {
    const next = modes[(modes.indexOf(document.documentElement.dataset.theme ?? "auto") + 1) % modes.length];
    if (next === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    told(next);
  } });
  const told = (mode) => {
    button.textContent = mode === "auto" ? "Colours: system" : `Colours: ${mode}`;
  };
  told("auto");
  return button;
}

/// Two buttons of which one is on.
function choice(label, options, now, chosen) {
  const buttons = options.map(([text, value], i) => element("button", {
    "aria-pressed": String(value === now), onclick: () => {
      buttons.forEach((one, k) => one.setAttribute("aria-pressed", String(k === i)));
      chosen(value);
    },
  }, text));
  return element("div", { class: "choice", role: "group", "aria-label": label }, ...buttons);
}

function main() {
  const model = new Model(JSON.parse(document.getElementById("data").textContent));
  const { data } = model;
  const state = { root: 0, focus: 0, selected: 0, after: false, boxes: true, only: null, lit: null };
  const panel = new Panel(model);
  const crumbs = element("nav", { class: "crumbs", "aria-label": "Where the map is" });
  const said = element("p", { class: "spoken", role: "status" });

  const actions = {
    show: (node) => panel.show(node),
    choose(node) {
      state.selected = node;
      state.focus = node;
      panel.show(node);
      map.draw();
    },
    /// `focus`: the cell that has the keyboard, if one has.
    zoom(root, focus) {
      state.root = root;
      state.selected = root;
      state.focus = focus ?? root;
      draw(true);
      panel.show(root);
      said.textContent = `${model.label(root)} fills the map`;
      if (focus !== undefined) map.focus(map.cells.has(focus) ? focus : root);
    },
    reveal(node) {
      const parts = "cpga".includes(model.kinds[node]);
      const file = parts ? model.parents[node] : node;
      state.after = false;
      mode.firstChild?.click();
      actions.zoom(model.isLeaf(file) ? model.parents[file] : file);
      actions.choose(node);
      frame.scrollIntoView({ block: "nearest", behavior: "auto" });
      map.focus(map.cells.has(node) ? node : state.root);
      panel.show(node);
    },
    revealPath(path, layer) {
      for (let i = 0; i < model.length; ++i)
        if (model.kinds[i] === "f" && path.endsWith(model.names[i]) && model.path(i) === path && (layer === undefined || model.layer(i) === layer))
          return actions.reveal(i);
    },
    only(kind) {
      state.only = kind;
      map.draw();
    },
    light(lit) {
      state.lit = lit;
      map.draw();
    },
  };

  const map = new TreeMap(model, state, actions);
  const search = new Search(model, actions);
  const cut = model.before[0] > model.after[0];
  const mode = cut ? choice("Before or after the cut", [["Before", false], ["After", true]], state.after, (after) => {
    state.after = after;
    map.draw(true);
  }) : element("span");
  const shape = choice("Shape of the map", [["Boxes", true], ["Columns", false]], state.boxes, (asBoxes) => {
    state.boxes = asBoxes;
    map.draw(true);
  });

  function draw(moves) {
    crumbs.replaceChildren(...model.ancestors(state.root).flatMap((node, i, all) => [
      i > 0 ? element("span", { "aria-hidden": "true" }, "›") : null,
      element("button", { class: "link", "aria-current": i === all.length - 1 ? "true" : undefined, onclick: () => actions.zoom(node) },
        element("bdi", {}, model.label(node))),
    ]).filter((one) => one !== null));
    map.draw(moves);
  }

  const sections = [cuts(model, actions), matrix(model, actions), leftAlone(model, actions), layers(model, actions),
    runtimes(model), budgets(model), notices(model)].filter((one) => one !== null);
  const frame = element("section", { id: "map", class: "stage", "aria-label": "Map" },
    element("div", { class: "tools" }, crumbs, search.node, mode, shape),
    element("div", { class: "split" }, map.frame, panel.node), said);
  const place = [data.platform, data.gpus && `for ${data.gpus}`, `level ${data.level}`, data.digest.slice(0, 19)].filter(Boolean).join(" · ");
  document.getElementById("app").append(
    element("a", { class: "skip", href: "#map", onclick: (event) => {
      event.preventDefault();
      map.focus(state.focus);
    } }, "To the map"),
    element("header", {},
      element("div", { class: "title" }, element("h1", {}, element("bdi", {}, data.tags[0] ?? data.target)),
        element("p", { class: "quiet" }, `${DID[data.did]} · ${place}`)),
      element("nav", { class: "sections", "aria-label": "Sections" }, ...[["map", "Map"], ...sections.map((one) => [one.id, NAV[one.id]])]
        .map(([id, text]) => element("a", { href: `#${id}` }, text))), themeSwitch()),
    element("main", {}, figures(model), composition(model, actions), frame, ...sections),
    element("footer", {}, element("p", { class: "quiet" }, `flense ${data.flense} · `, element("bdi", {}, data.target),
      data.output ? element("span", {}, " → ", element("bdi", {}, data.output)) : null,
      ". This file holds all it shows and asks nothing of any network.")));
  draw();
  panel.show(0);

  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
    event.preventDefault();
    search.field.focus();
  });
  document.documentElement.dataset.ready = "";
}

main();
