// The tree as columns of numbers: node i has a parent before it, sums over all below, and children
// in the order of their size.

import { CLASSES, classOf } from "./classes.js";

export class Model {
  constructor(data) {
    const tree = data.tree;
    this.data = data;
    this.names = tree.names;
    this.kinds = tree.kinds;
    this.reasonOf = tree.reasons;
    this.counts = new Map();
    for (let i = 0; i < tree.counts.length; i += 2) this.counts.set(tree.counts[i], tree.counts[i + 1]);
    this.length = tree.names.length;
    this.parents = Uint32Array.from(tree.parents, (distance, i) => i - distance);
    this.before = Float64Array.from(tree.bytes);
    this.after = new Float64Array(this.length);
    this.sums = new Float64Array(this.length * CLASSES.length);
    this.classes = new Uint8Array(this.length); // of leaves
    this.#addUp();
    this.#orderChildren();
    this.layerOf = new Map();
    for (let i = 0, layer = 0; i < this.length; ++i) if (this.kinds[i] === "l") this.layerOf.set(i, layer++);
  }

  #addUp() {
    const { length, before, after, sums, parents, kinds, reasonOf } = this;
    const width = CLASSES.length;
    const files = this.data.reasons.map((reason) => classOf(reason, "f"));
    const code = this.data.reasons.map((reason) => classOf(reason, "c"));
    const goes = this.data.reasons.map((reason) => reason.verdict === "goes");
    for (let i = 0; i < length; ++i) {
      if (before[i] === 0) continue;
      const reason = reasonOf[i];
      this.classes[i] = kinds[i] === "c" ? code[reason] : files[reason];
      if (!goes[reason]) after[i] = before[i];
      sums[i * width + this.classes[i]] = before[i];
    }
    for (let i = length - 1; i > 0; --i) {
      const to = parents[i] * width, from = i * width;
      before[parents[i]] += before[i];
      after[parents[i]] += after[i];
      for (let k = 0; k < width; ++k) sums[to + k] += sums[from + k];
    }
  }

  #orderChildren() {
    const { length, parents, before, kinds } = this;
    const starts = new Uint32Array(length + 1);
    for (let i = 1; i < length; ++i) ++starts[parents[i] + 1];
    for (let i = 0; i < length; ++i) starts[i + 1] += starts[i];
    const next = starts.slice();
    const list = new Uint32Array(Math.max(0, length - 1));
    for (let i = 1; i < length; ++i) list[next[parents[i]]++] = i;
    const larger = (a, b) => before[b] - before[a] || a - b;
    for (let i = 0; i < length; ++i) {
      // Layers keep their order: it is the one they were made in.
      if (starts[i + 1] - starts[i] < 2 || kinds[list[starts[i]]] === "l") continue;
      list.subarray(starts[i], starts[i + 1]).sort(larger);
    }
    this.starts = starts;
    this.list = list;
  }

  children(node) {
    return this.list.subarray(this.starts[node], this.starts[node + 1]);
  }
  isLeaf(node) {
    return this.starts[node] === this.starts[node + 1];
  }
  sum(node, kind) {
    return this.sums[node * CLASSES.length + kind];
  }
  reason(leaf) {
    return this.data.reasons[this.reasonOf[leaf]];
  }

  /// From the image down to the node.
  ancestors(node) {
    const out = [node];
    while (node !== 0) out.push((node = this.parents[node]));
    return out.reverse();
  }

  /// With `outer`, a directory above it, the names of all from there on.
  label(node, outer = node) {
    if (outer !== node) return `${this.label(this.parents[node], outer)}/${this.names[node]}`;
    switch (this.kinds[node]) {
      case "i": return this.data.tags[0] ?? this.data.target;
      case "l": return `layer ${this.layerOf.get(node) + 1}`;
      case "a": return "tar headers and padding";
      case "g": {
        const files = this.counts.get(node) ?? 0;
        return files > 0 ? `${files.toLocaleString("en-US")} small files` : "parts of small files";
      }
      default: return this.names[node];
    }
  }

  layer(node) {
    for (const one of this.ancestors(node)) if (this.kinds[one] === "l") return this.layerOf.get(one);
    return this.data.layers.length === 1 ? 0 : undefined;
  }

  /// As inside of the image, without the layer; empty for the image and its layers.
  path(node) {
    return this.ancestors(node).filter((one) => "df".includes(this.kinds[one])).map((one) => this.names[one]).join("/");
  }

  /// Bytes below the node by reason, largest first: [reason, kind of a leaf, bytes, files].
  reasonsBelow(node) {
    const found = new Map();
    const stack = [node];
    while (stack.length > 0) {
      const one = stack.pop();
      if (!this.isLeaf(one)) {
        for (const child of this.children(one)) stack.push(child);
        continue;
      }
      if (this.before[one] === 0) continue;
      const key = this.reasonOf[one] * CLASSES.length + this.classes[one];
      let row = found.get(key);
      if (row === undefined) found.set(key, (row = { reason: this.reason(one), kind: this.kinds[one], bytes: 0 }));
      row.bytes += this.before[one];
    }
    return [...found.values()].sort((a, b) => b.bytes - a.bytes);
  }

  /// The cuts of the image: files and bytes by reason, with the largest examples.
  cuts() {
    const found = new Map();
    for (let i = 0; i < this.length; ++i) {
      if (!this.isLeaf(i) || this.before[i] === 0) continue;
      const reason = this.reason(i);
      if (reason.verdict === "stays") continue;
      let cut = found.get(this.reasonOf[i]);
      if (cut === undefined)
        found.set(this.reasonOf[i], (cut = { reason, kind: this.classes[i], bytes: 0, files: 0, last: -1, examples: new Map() }));
      cut.bytes += this.before[i];
      if (this.kinds[i] === "a") continue;
      if (this.kinds[i] === "g") {
        cut.files += this.counts.get(i) ?? 0;
        continue;
      }
      const file = "cp".includes(this.kinds[i]) ? this.parents[i] : i;
      if (file !== cut.last) ++cut.files;
      cut.last = file;
      cut.examples.set(file, (cut.examples.get(file) ?? 0) + this.before[i]);
    }
    return [...found.values()].sort((a, b) => b.bytes - a.bytes).map((cut) => ({
      ...cut, examples: [...cut.examples].sort((a, b) => b[1] - a[1]).slice(0, 8),
    }));
  }

  /// Nodes whose name holds the text, heaviest first; where the text has a '/', those whose path does
  /// and that of the directory around them does not. `bytes` counts what lies in two of them once.
  search(text) {
    const wanted = text.toLowerCase();
    const whole = wanted.includes("/");
    const inside = new Uint8Array(this.length);
    const found = [];
    const paths = whole ? new Array(this.length) : null;
    let bytes = 0;
    for (let i = 1; i < this.length; ++i) {
      const parent = this.parents[i];
      if (whole) paths[i] = "df".includes(this.kinds[i]) ? `${paths[parent] ?? ""}/${this.names[i].toLowerCase()}` : "";
      inside[i] = inside[parent];
      if (!"dfc".includes(this.kinds[i]) || (whole && inside[i])) continue;
      if (!(whole ? paths[i] : this.names[i].toLowerCase()).includes(wanted)) continue;
      found.push(i);
      if (!inside[i]) bytes += this.before[i];
      inside[i] = 1;
    }
    found.sort((a, b) => this.before[b] - this.before[a]);
    // What leads to a match, or lies in one.
    const lit = inside.slice();
    for (let i = this.length - 1; i > 0; --i) if (lit[i]) lit[this.parents[i]] = 1;
    return { found, lit, bytes };
  }
}
