import { findNodeAtLocation, type JSONPath, type Node } from 'jsonc-parser';

/** Where the parts of a JSON file stand. */
export interface Positions {
  /** `file:line:column` of a member or item; undefined when the file does not have it. */
  of(path: JSONPath): string | undefined;
  at(offset: number): string;
  /** Names that an object has twice, at their second place. */
  repeated: readonly { name: string; offset: number }[];
}

export function createPositions(file: string, text: string, tree: Node | undefined): Positions {
  const at = (offset: number): string => {
    const before = text.slice(0, offset);
    return `${file}:${before.split('\n').length}:${offset - before.lastIndexOf('\n')}`;
  };
  return {
    at,
    of(path) {
      // An item that is missing is said to be wrong where its parent stands.
      const node = tree && path.length > 0 ? findNodeAtLocation(tree, path) : undefined;
      if (!node) return path.length > 1 ? this.of(path.slice(0, -1)) : undefined;
      return at(node.parent?.type === 'property' ? node.parent.offset : node.offset);
    },
    repeated: tree ? repeatedIn(tree) : [],
  };
}

function repeatedIn(node: Node): { name: string; offset: number }[] {
  const children = node.children ?? [];
  const seen = new Set<unknown>();
  const mine = children.flatMap((member) => {
    if (node.type !== 'object') return [];
    const name: unknown = member.children?.[0]?.value;
    const isRepeated = seen.has(name);
    seen.add(name);
    return isRepeated ? [{ name: String(name), offset: member.offset }] : [];
  });
  return [...mine, ...children.flatMap(repeatedIn)];
}
