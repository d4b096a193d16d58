// Where each cell of the map is, as a value: { node, depth, left, top, width, height } in pixels.

import { hierarchy, partition, treemap, treemapSquarify } from "d3-hierarchy";

const LEAST = 2.5;      // pixels: what is lower is not drawn
const LEAST_AREA = 36;  // the same for boxes, in square pixels
const DEEPEST = 24;     // levels of boxes
export const NAMED = 35; // pixels of height from which on a box has a line for its name
const ROOT = 18;        // pixels of the root's column: its name stands above the map
const WRAPS = 0.98;     // the share of a directory that makes another one stand for it

/// A directory that nearly all of another one is in stands for both.
export function unwrapped(model, node, shown) {
  while (model.kinds[node] === "d") {
    let inner;
    for (const child of model.children(node))
      if (model.kinds[child] === "d" && shown(child) >= shown(node) * WRAPS) inner = child;
    if (inner === undefined) break;
    node = inner;
  }
  return node;
}

/// `shown` says the bytes of a node, `scale` the bytes that fill the map: of the root before the
/// cut, so that what went is seen as room.
function tree(model, root, shown, deepest, least) {
  const top = hierarchy({ node: root, depth: 0 }, ({ node, depth }) => {
    if (depth >= deepest) return null;
    const out = [];
    for (const child of model.children(node)) {
      if (shown(child) < least) continue;
      const inner = unwrapped(model, child, shown);
      out.push({ node: inner, outer: child, depth: depth + 1 });
    }
    return out;
  });
  top.each((one) => { one.value = shown(one.data.outer ?? one.data.node); });
  return top;
}

/// Columns from the root, a strip on the left, to the deepest on the right. Leaves reach to the
/// right edge, so that the edge is the whole by reason.
export function icicle(model, { root, shown, scale, width, height, columns }) {
  if (scale <= 0) return [];
  const top = tree(model, root, shown, columns - 1, (LEAST * scale) / height);
  partition().size([(height * shown(root)) / scale, 1])(top);
  const deepest = Math.max(1, top.height);
  const column = (width - ROOT) / deepest;
  const left = (depth) => (depth === 0 ? 0 : ROOT + (depth - 1) * column);
  return top.descendants().map((one) => ({
    node: one.data.node,
    depth: one.depth,
    left: left(one.depth),
    top: one.x0,
    width: (model.isLeaf(one.data.node) ? width : left(one.depth + 1)) - left(one.depth),
    height: one.x1 - one.x0,
    above: one.parent?.data.node,
    outer: one.data.outer ?? one.data.node,
    inner: one.children !== undefined || one.depth === 0,
  }));
}

/// Boxes in boxes, each with a line for its name.
export function boxes(model, { root, shown, scale, width, height }) {
  if (scale <= 0) return [];
  const top = tree(model, root, shown, DEEPEST, (LEAST_AREA * scale) / (width * height));
  const part = Math.sqrt(shown(root) / scale);
  treemap().tile(treemapSquarify.ratio(1.4)).round(true).size([width * part, height * part])
    .paddingTop((one) => (one.y1 - one.y0 >= NAMED && one.x1 - one.x0 > 40 ? 18 : 2)).paddingInner(1)
    .paddingRight(2).paddingBottom(2).paddingLeft(2)(top);
  return top.descendants().filter((one) => one.x1 - one.x0 >= LEAST && one.y1 - one.y0 >= LEAST).map((one) => ({
    node: one.data.node, depth: one.depth, left: one.x0, top: one.y0, width: one.x1 - one.x0,
    height: one.y1 - one.y0, above: one.parent?.data.node, outer: one.data.outer ?? one.data.node,
    box: true, inner: one.children !== undefined,
  }));
}
