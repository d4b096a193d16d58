// Where each cell of the map is, as a value: { node, depth, left, top, width, height } in pixels.

import { hierarchy, partition, treemap, treemapSquarify } from "d3-hierarchy";

const LEAST = 2.5; // pixels: what is lower is not drawn

/// `shown` says the bytes of a node, `scale` the bytes that fill the map: of the root before the
/// cut, so that what went is seen as room.
function tree(model, root, shown, deepest, least) {
  const top = hierarchy({ node: root, depth: 0 }, ({ node, depth }) => {
    if (depth >= deepest) return null;
    const out = [];
    for (const child of model.children(node)) if (shown(child) >= least) out.push({ node: child, depth: depth + 1 });
    return out;
  });
  top.each((one) => { one.value = shown(one.data.node); });
  return top;
}

/// Columns from the root on the left to the deepest on the right. Leaves reach to the right edge,
/// so that the edge is the whole by reason.
export function icicle(model, { root, shown, scale, width, height, columns }) {
  if (scale <= 0) return [];
  const top = tree(model, root, shown, columns - 1, (LEAST * scale) / height);
  partition().size([(height * shown(root)) / scale, 1])(top);
  const deepest = Math.max(1, top.height);
  const first = Math.min(width / (deepest + 1), Math.max(92, width * 0.13));
  const column = (width - first) / deepest;
  const left = (depth) => (depth === 0 ? 0 : first + (depth - 1) * column);
  return top.descendants().map((one) => ({
    node: one.data.node,
    depth: one.depth,
    left: left(one.depth),
    top: one.x0,
    width: (model.isLeaf(one.data.node) ? width : left(one.depth + 1)) - left(one.depth),
    height: one.x1 - one.x0,
    above: one.parent?.data.node,
  }));
}

/// Boxes in boxes, each with a line for its name.
export function boxes(model, { root, shown, scale, width, height, depth }) {
  if (scale <= 0) return [];
  const top = tree(model, root, shown, depth, (30 * scale) / (width * height));
  const part = Math.sqrt(shown(root) / scale);
  treemap().tile(treemapSquarify.ratio(1.4)).round(true).size([width * part, height * part])
    .paddingTop((one) => (one.y1 - one.y0 > 34 && one.x1 - one.x0 > 40 ? 18 : 2)).paddingInner(1)
    .paddingRight(2).paddingBottom(2).paddingLeft(2)(top);
  return top.descendants().filter((one) => one.x1 - one.x0 >= LEAST && one.y1 - one.y0 >= LEAST).map((one) => ({
    node: one.data.node, depth: one.depth, left: one.x0, top: one.y0, width: one.x1 - one.x0,
    height: one.y1 - one.y0, above: one.parent?.data.node, box: true,
  }));
}
