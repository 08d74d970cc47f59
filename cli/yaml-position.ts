import { isAlias, isMap, isNode, isScalar, isSeq, type Document, type Node } from "yaml";

/** Where in the text the thing at `path` begins, or the innermost thing around it that exists. */
export function offsetInYaml(document: Document, path: readonly (string | number)[]): number {
  let node: unknown = document.contents;
  let offset = isNode(node) ? startOf(node) : 0;
  for (const step of path) {
    const at = isAlias(node) ? node.resolve(document) : node;
    if (isMap(at)) {
      const pair = at.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
      if (!pair) break;
      // The key, not the value: that is the line a reader looks for, even where the value begins below it.
      if (isNode(pair.key)) offset = startOf(pair.key);
      node = pair.value;
    } else if (isSeq(at) && isNode(at.items[Number(step)])) {
      node = at.items[Number(step)];
      if (isNode(node)) offset = startOf(node);
    } else break;
  }
  return offset;
}

function startOf(node: Node): number {
  return node.range?.[0] ?? 0;
}
