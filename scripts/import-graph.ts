/** Reads which file imports which: with a real parser, because types, re-exports and `typeof import()` count too. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { parseSync, Visitor } from 'oxc-parser';

export interface Import {
  /** Path of the importing file, from the repository's root. */
  from: string;
  /** Path of the imported file, or the name of the imported package, with its subpath. */
  to: string;
  /** `type` is gone at run time, `later` is loaded when it is first used. */
  kind: 'value' | 'type' | 'later';
}

/** Every import of the sources of some packages. Tests are free to import what they like. */
export function readImports(root: string, folders: readonly string[]): Import[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.tsx?$/.test(name) && !/\.(test|conformance)\.tsx?$/.test(name))
      .sort()
      .flatMap((name) => {
        const file = join(root, folder, 'src', name);
        return importsOf(file, readFileSync(file, 'utf8')).map(({ to, kind }) => ({
          from: relative(root, file),
          to: to.startsWith('.') ? relative(root, resolve(dirname(file), to)) : to,
          kind,
        }));
      }),
  );
}

/** What a module imports, as it names it. @throws when the text is not TypeScript */
export function importsOf(file: string, text: string): Pick<Import, 'to' | 'kind'>[] {
  const { program, errors } = parseSync(file, text);
  if (errors[0]) throw new Error(`${file}: ${errors[0].message}`);
  const found: Pick<Import, 'to' | 'kind'>[] = [];
  const add = (kind: Import['kind'], source: { value: unknown } | null | undefined): void => {
    if (typeof source?.value === 'string') found.push({ to: source.value, kind });
  };
  new Visitor({
    ImportDeclaration: (node) => add(node.importKind === 'type' ? 'type' : 'value', node.source),
    ExportNamedDeclaration: (node) => add(node.exportKind === 'type' ? 'type' : 'value', node.source),
    ExportAllDeclaration: (node) => add(node.exportKind === 'type' ? 'type' : 'value', node.source),
    ImportExpression: (node) => add('later', node.source.type === 'Literal' ? node.source : undefined),
    TSImportType: (node) => add('type', node.source),
  }).visit(program);
  return found;
}

/** Circles of nodes that point at each other, each as the way around it: at least one of every knot. */
export function circles(arrows: readonly { from: string; to: string }[]): string[][] {
  const next = Map.groupBy(arrows, ({ from }) => from);
  const done = new Set<string>();
  const found: string[][] = [];
  const walk = (node: string, path: string[]): void => {
    const seen = path.indexOf(node);
    if (seen >= 0) {
      found.push([...path.slice(seen), node]);
      return;
    }
    if (done.has(node)) return;
    for (const { to } of next.get(node) ?? []) walk(to, [...path, node]);
    done.add(node);
  };
  for (const node of next.keys()) walk(node, []);
  return found;
}
