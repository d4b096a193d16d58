// The first thing to read: three figures, and one bar that is the whole image by reason.

import { CAUTION, CLASSES, OTHER_GPUS } from "./classes.js";
import { element } from "./dom.js";
import { percent, plural, size } from "./format.js";

function figure(name, bytes, note, kind) {
  return element("div", { class: `fact${kind ? ` is-${kind}` : ""}` }, element("dt", {}, name),
    element("dd", {}, element("span", { class: "big" }, size(bytes)), element("span", { class: "quiet" }, note)));
}

export function figures(model) {
  const { data } = model;
  const whole = model.before[0], after = model.after[0], done = data.did === "slim";
  const never = model.sum(0, OTHER_GPUS);
  const stored = data.stored !== whole ? `${size(data.stored)} stored, ` : "";
  const first = figure("Unpacked", whole,
    `${stored}${data.layers.length > 1 ? `${plural(data.layers.length, "layer", "layers")}, ` : ""}${plural(data.files, "file", "files")}`);
  const second = data.gpus !== ""
    ? figure(`${data.gpus} can never load`, never, `${percent(never, whole)} of the image: device code and files for other GPUs`, "other")
    : figure("Device code", data.matrix.device,
      data.matrix.files.length > 0 ? `${percent(data.matrix.device, whole)} of the image; --gpu tells what a GPU can never load` : "no device code found", "code");
  const more = whole - after - never;
  const also = more > 0 ? `${size(more)} ${never > 0 ? "more " : ""}${done ? "went" : "can go"}${never > 0 ? " for other reasons" : ""}` : "";
  const third = figure(done ? "Remains" : "Would remain", after,
    [percent(after, whole), data.stored_after !== undefined ? `${size(data.stored_after)} stored` : "",
      model.sum(0, CAUTION) > 0 ? `${size(model.sum(0, CAUTION))} of it by caution` : "", also].filter((one) => one !== "").join("; "));
  return element("dl", { class: "facts" }, first, second, third);
}

/// A bar that is its own legend; its keys show one class alone in the map.
export function composition(model, actions) {
  const whole = Math.max(model.before[0], 1);
  const present = CLASSES.map((one, kind) => ({
    ...one, kind, bytes: model.sum(0, kind), label: one.name === "code" && model.data.gpus === "" ? "device code" : one.label,
  })).filter((one) => one.bytes > 0);
  const bar = element("div", { class: "composition", "aria-hidden": "true" }, ...present.map((one) =>
    element("i", { class: `is-${one.name}`, css: { "flex-grow": String(one.bytes / whole) } })));
  const keys = present.map((one) => element("button", {
    class: "legend", "aria-pressed": "false", title: "Show these alone", onclick: () => {
      const pressed = keys[present.indexOf(one)].getAttribute("aria-pressed") !== "true";
      keys.forEach((key, i) => key.setAttribute("aria-pressed", String(pressed && present[i] === one)));
      actions.only(pressed ? one.kind : null);
    },
  }, element("i", { class: `swatch is-${one.name}`, "aria-hidden": "true" }), element("span", {}, one.label),
  element("span", { class: "number" }, size(one.bytes)), element("span", { class: "number quiet" }, percent(one.bytes, whole))));
  return element("div", { class: "whole" }, bar, element("div", { class: "legends", role: "group", "aria-label": "Show one kind of bytes alone" }, ...keys));
}
