import { isAlias, isMap, isNode, isScalar, isSeq, visit, type Document } from "yaml";

/** Where in the text the thing at `path` begins, or the innermost thing around it that exists. */
export function offsetInYaml(document: Document, path: readonly (string | number)[]): number {
  let at: Place = { node: document.contents, marker: document.contents };
  for (const step of path) {
    const next = childOf(isAlias(at.node) ? at.node.resolve(document) : at.node, step);
    if (next === null) break;
    at = { node: next.node, marker: isNode(next.marker) ? next.marker : at.marker };
  }
  return isNode(at.marker) ? (at.marker.range?.[0] ?? 0) : 0;
}

/** Where the first alias is that names no anchor before it. */
export function unknownAliasOffset(document: Document): number | undefined {
  const anchors = new Set<string>();
  let offset: number | undefined;
  visit(document, {
    Value(_, { anchor }) {
      if (anchor !== undefined) anchors.add(anchor);
    },
    Alias(_, { source, range }) {
      if (anchors.has(source)) return undefined;
      offset = range?.[0];
      return visit.BREAK;
    },
  });
  return offset;
}

/** A thing in a document, and what a reader looks for to find it: the key, even where the value begins below it. */
interface Place {
  readonly node: unknown;
  readonly marker: unknown;
}

function childOf(node: unknown, step: string | number): Place | null {
  if (isMap(node)) {
    const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
    return pair === undefined ? null : { node: pair.value, marker: pair.key };
  }
  const item = isSeq(node) ? node.items[Number(step)] : undefined;
  return isNode(item) ? { node: item, marker: item } : null;
}
