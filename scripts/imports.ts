/**
 * The import graph of the packages and the rules that it keeps (ARCHITECTURE.md, "Which way the arrows point").
 * `npm run check:imports` prints every import that breaks one.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

export interface Import {
  /** Path of the importing file, from the repository's root. */
  from: string;
  /** Path of the imported file, or the name of the imported package. */
  to: string;
  /** Only types, or loaded when first used: circles of these do no harm. */
  harmless: boolean;
}

/** Folders of the server, lowest first: a file may import from its own layer and from those below. */
const SERVER_LAYERS = [
  ['errors.ts', 'in-order.ts', 'logging.ts', 'version.ts'],
  ['store/'],
  ['events/'],
  ['agent/', 'permissions/', 'gateway/'],
  ['config.ts', 'lock.ts', 'banner.ts'],
  ['sessions/'],
  ['http/'],
  ['server.ts'],
  ['main.ts', 'index.ts'],
];

/** Folders of the gateway in the same way. Providers and models are neighbours; a circle would be found. */
const GATEWAY_LAYERS = [
  ['messages/'],
  ['api-keys.ts', 'config-error.ts', 'environment.ts'],
  ['transport/'],
  ['upstream/'],
  ['config.ts', 'aws-profile.ts'],
  ['providers/', 'models/'],
  ['routing/'],
  ['pipeline/'],
  ['http/'],
  ['gateway.ts'],
  ['main.ts', 'index.ts', 'testing/'],
];

const LAYERS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  'packages/gateway': GATEWAY_LAYERS,
  'packages/server': SERVER_LAYERS,
};

/** The one folder that may import the agent SDK. */
const SDK = '@anthropic-ai/claude-agent-sdk';
const KNOWS_THE_SDK = 'packages/server/src/agent/claude/';

/** Which packages of ours a package may import. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  'packages/protocol': [],
  'packages/client': ['claude-agent-protocol'],
  'packages/cli': ['claude-agent-client', 'claude-agent-protocol'],
  'packages/demo-model': ['claude-agent-protocol'],
  'packages/gateway': ['claude-agent-demo-model', 'claude-agent-protocol'],
  'packages/server': ['claude-agent-demo-model', 'claude-agent-gateway', 'claude-agent-protocol'],
};

/** What is wrong with an import; undefined when nothing is. */
export function problemOf({ from, to }: Pick<Import, 'from' | 'to'>): string | undefined {
  const home = Object.keys(MAY_IMPORT).find((folder) => from.startsWith(`${folder}/`));
  if (home === undefined) return undefined;
  if (to === SDK && !from.startsWith(KNOWS_THE_SDK)) return `only ${KNOWS_THE_SDK} may import the agent SDK`;
  if (to.startsWith('claude-agent-') && !MAY_IMPORT[home]?.includes(to.split('/')[0] ?? to))
    return `${home} may not import ${to}`;
  if (to.startsWith('packages/') && !to.startsWith(`${home}/`))
    return 'packages import each other by name only';
  const [lower, upper] = [layerOf(home, to), layerOf(home, from)];
  return lower !== undefined && upper !== undefined && lower > upper ? 'the arrow points up' : undefined;
}

function layerOf(home: string, path: string): number | undefined {
  const layers = LAYERS[home];
  if (!layers || !path.startsWith(`${home}/src/`)) return undefined;
  const inside = path.slice(`${home}/src/`.length);
  const layer = layers.findIndex((names) =>
    names.some((name) => (name.endsWith('/') ? inside.startsWith(name) : inside === name)),
  );
  if (layer < 0) throw new Error(`scripts/imports.ts does not know the layer of ${path}; add it.`);
  return layer;
}

/** Every import of the packages' sources; tests are free. */
export function readImports(root = ROOT): Import[] {
  return Object.keys(MAY_IMPORT).flatMap((folder) =>
    readdirSync(join(root, folder, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !/\.(test|conformance)\.ts$/.test(name))
      .flatMap((name) => importsOf(join(root, folder, 'src', name), root)),
  );
}

function importsOf(file: string, root: string): Import[] {
  const text = readFileSync(file, 'utf8');
  const from = relative(root, file);
  const statement =
    /(?:^|\s)(import\s+type\s[^'"]*|export\s+type\s[^'"]*|[^'"]?)(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g;
  return [...text.matchAll(statement)].map(([statementText, head = '', name = '']) => ({
    from,
    to: name.startsWith('.') ? relative(root, resolve(dirname(file), name)) : name,
    harmless: /^(import|export)\s+type\s/.test(head) || statementText.includes('import('),
  }));
}

/** In these packages types and what is loaded later may form no circle either. */
const STRICT = ['packages/gateway/', 'packages/client/', 'packages/cli/'];
const asStrict = (each: Import): Import =>
  STRICT.some((folder) => each.from.startsWith(folder)) ? { ...each, harmless: false } : each;

/** Every circle that the rules forbid. */
export const forbiddenCircles = (imports: readonly Import[]): string[][] => circles(imports.map(asStrict));

/** Groups of files that import each other in a circle. */
export function circles(imports: readonly Import[]): string[][] {
  const next = Map.groupBy(
    imports.filter(({ harmless }) => !harmless),
    ({ from }) => from,
  );
  const done = new Set<string>();
  const found: string[][] = [];
  const walk = (file: string, path: string[]): void => {
    const seen = path.indexOf(file);
    if (seen >= 0) {
      found.push([...path.slice(seen), file]);
      return;
    }
    if (done.has(file)) return;
    for (const { to } of next.get(file) ?? []) walk(to, [...path, file]);
    done.add(file);
  };
  for (const file of next.keys()) walk(file, []);
  return found;
}

if (import.meta.main) {
  const imports = readImports();
  const problems = imports.flatMap((each) => {
    const problem = problemOf(each);
    return problem ? [`${each.from} imports ${each.to}: ${problem}`] : [];
  });
  problems.push(...forbiddenCircles(imports).map((files) => `a circle: ${files.join(' -> ')}`));
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
}
