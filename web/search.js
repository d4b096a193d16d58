// Search over names: a field with a list of what was found, heaviest first (the ARIA pattern of an
// editable combobox with a list).

import { element, empty } from "./dom.js";
import { plural, size } from "./format.js";

const MOST = 60;

export class Search {
  constructor(model, actions) {
    this.model = model;
    this.actions = actions;
    this.at = -1;
    this.list = element("ul", { class: "found", role: "listbox", id: "found", "aria-label": "Found", hidden: true });
    this.told = element("span", { class: "told", role: "status" });
    this.field = element("input", {
      type: "search", placeholder: "Search files", "aria-label": "Search files, directories and architectures",
      role: "combobox", "aria-controls": "found", "aria-expanded": "false", "aria-autocomplete": "list",
      autocomplete: "off", spellcheck: "false", oninput: () => this.#later(), onkeydown: (event) => this.#key(event),
      onfocus: () => this.#open(this.list.childElementCount > 0),
    });
    this.node = element("div", { class: "search", onfocusout: (event) => {
      if (!this.node.contains(event.relatedTarget)) this.#open(false);
    } }, this.field, this.told, this.list);
  }

  #later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#find(), 60);
  }

  #find() {
    const text = this.field.value.trim();
    this.at = -1;
    empty(this.list);
    this.field.removeAttribute("aria-activedescendant");
    if (text.length < 2) {
      this.told.textContent = "";
      this.#open(false);
      this.actions.light(null);
      return;
    }
    const { found, lit, bytes } = this.model.search(text);
    this.results = found.slice(0, MOST);
    this.told.textContent = found.length === 0 ? "nothing found" : `${plural(found.length, "match", "matches")}, ${size(bytes)}`;
    this.list.append(...this.results.map((node, i) => element("li", {
      role: "option", id: `found-${i}`, "aria-selected": "false", tabindex: "-1",
      onclick: () => this.#go(i),
    }, element("bdi", { class: "name" }, this.model.label(node)), element("span", { class: "number" }, size(this.model.before[node])),
      element("bdi", { class: "path" }, this.#where(node)))));
    this.#open(found.length > 0);
    this.actions.light(lit);
  }

  #where(node) {
    const layer = this.model.layer(node);
    const path = this.model.path(this.model.parents[node]);
    return `${this.model.data.layers.length > 1 && layer !== undefined ? `layer ${layer + 1} · ` : ""}/${path}`;
  }

  #open(open) {
    this.list.hidden = !open;
    this.field.setAttribute("aria-expanded", String(open));
  }

  #mark(at) {
    this.list.children[this.at]?.setAttribute("aria-selected", "false");
    this.at = at;
    const item = this.list.children[at];
    item?.setAttribute("aria-selected", "true");
    item?.scrollIntoView({ block: "nearest" });
    if (item) this.field.setAttribute("aria-activedescendant", item.id);
    else this.field.removeAttribute("aria-activedescendant");
  }

  #go(i) {
    this.#open(false);
    this.actions.reveal(this.results[i]);
  }

  #key(event) {
    const count = this.list.childElementCount;
    if (event.key === "ArrowDown" && count > 0) {
      this.#open(true);
      this.#mark(Math.min(this.at + 1, count - 1));
    } else if (event.key === "ArrowUp" && count > 0) {
      this.#mark(Math.max(this.at - 1, -1));
    } else if (event.key === "Enter" && count > 0) {
      this.#go(Math.max(this.at, 0));
    } else if (event.key === "Escape") {
      this.field.value = "";
      this.#find();
    } else {
      return;
    }
    event.preventDefault();
  }
}
