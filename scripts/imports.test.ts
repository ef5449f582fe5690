import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { drawPackage } from './graph.ts';
import { circles, importsOf, readImports } from './import-graph.ts';
import { PACKAGES, type PackageRules, problemOf, WITHOUT_ZOD, waysToZod } from './import-rules.ts';
import { importProblems } from './imports.ts';

const ROOT = dirname(fileURLToPath(new URL('.', import.meta.url)));

const roots: string[] = [];
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});

/** The problems of a made-up repository: texts by path. */
function problemsOf(files: Record<string, string>, packages: Record<string, PackageRules>): string[] {
  const root = mkdtempSync(join(tmpdir(), 'imports-test-'));
  roots.push(root);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return importProblems(readImports(root, Object.keys(packages)), packages);
}

const one = (floors: string[][]): Record<string, PackageRules> => ({
  'packages/a': { mayImport: [], floors },
});

describe('this repository', () => {
  const imports = readImports(ROOT, Object.keys(PACKAGES));

  test('breaks no rule of the import graph', () => {
    // a check that reads nothing would pass as well
    expect(imports.length).toBeGreaterThan(1_000);
    expect(importProblems(imports)).toEqual([]);
  });

  test('has no circle of packages', () => {
    const arrows = Object.entries(PACKAGES).flatMap(([from, { mayImport }]) =>
      mayImport.map((name) => ({ from, to: `packages/${name.split('/')[0]?.replace('claude-agent-', '')}` })),
    );
    expect(arrows.length).toBeGreaterThan(5);
    expect(circles(arrows)).toEqual([]);
  });

  test('has every folder and file that the floors name', () => {
    const named = Object.entries(PACKAGES).flatMap(([folder, { floors }]) =>
      floors.flat().map((entry) => join(folder, 'src', entry)),
    );
    expect(named.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  test('keeps zod out of every subpath of the protocol', () => {
    const manifest = readFileSync(join(ROOT, 'packages/protocol/package.json'), 'utf8');
    const { exports } = JSON.parse(manifest) as { exports: Record<string, object> };
    const subpaths = Object.keys(exports).filter((name) => name !== '.');
    expect(subpaths.length).toBeGreaterThan(4);
    expect(WITHOUT_ZOD).toEqual(
      expect.arrayContaining(subpaths.map((name) => `packages/protocol/src/${name.slice(2)}.ts`)),
    );
    expect(WITHOUT_ZOD.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
  });

  test('lets neither server nor gateway know the client or the terminal program', () => {
    for (const name of ['claude-agent-client', 'claude-agent-cli']) {
      for (const folder of [
        'packages/server',
        'packages/gateway',
        'packages/demo-model',
        'packages/protocol',
      ]) {
        expect(problemOf({ from: `${folder}/src/index.ts`, to: name })).toContain('may not import');
      }
    }
  });
});

describe('the parser', () => {
  test('finds every form of an import, and says what it loads', () => {
    const text = `
      import a from './a.ts';
      import { type B } from './b.ts';
      import type { C } from './c.ts';
      import './d.ts';
      export { e } from './e.ts';
      export type { F } from './f.ts';
      export * from './g.ts';
      const h = await import('./h.ts');
      let i: typeof import('./i.ts') | import('./j.ts').J;
      // import k from './k.ts';
      const l = "import l from './l.ts'";
      const m = \`from './m.ts'\`;
      await import(h);`;
    expect(importsOf('x.ts', text)).toEqual([
      { to: './a.ts', kind: 'value' },
      { to: './b.ts', kind: 'value' },
      { to: './c.ts', kind: 'type' },
      { to: './d.ts', kind: 'value' },
      { to: './e.ts', kind: 'value' },
      { to: './f.ts', kind: 'type' },
      { to: './g.ts', kind: 'value' },
      { to: './h.ts', kind: 'later' },
      { to: './i.ts', kind: 'type' },
      { to: './j.ts', kind: 'type' },
    ]);
  });

  test('stops at a file that it cannot read', () => {
    expect(() => importsOf('x.ts', 'import {')).toThrow('x.ts');
  });
});

describe('the rules', () => {
  test.each([
    ['types', "import type { B } from './b.ts';"],
    ['what is loaded later', "export const b = () => import('./b.ts');"],
    ['a type in place', "export type B = import('./b.ts').B;"],
    ['a re-export', "export { b } from './b.ts';"],
  ])('find a circle through %s', (_, text) => {
    const files = { 'packages/a/src/a.ts': text, 'packages/a/src/b.ts': "export * from './a.ts';" };
    expect(problemsOf(files, one([['a.ts', 'b.ts']]))).toContain(
      'a circle: packages/a/src/a.ts -> packages/a/src/b.ts -> packages/a/src/a.ts',
    );
  });

  test('find a circle of folders whose files form none', () => {
    const files = {
      'packages/a/src/x/one.ts': "import '../y/two.ts';",
      'packages/a/src/x/four.ts': '',
      'packages/a/src/y/two.ts': '',
      'packages/a/src/y/three.ts': "import '../x/four.ts';",
    };
    expect(problemsOf(files, one([['x/', 'y/']]))).toEqual([
      'a circle: packages/a/src/x/ -> packages/a/src/y/ -> packages/a/src/x/',
    ]);
    expect(problemsOf(files, one([['x/'], ['y/']]))).toContain(
      'packages/a/src/x/one.ts imports packages/a/src/y/two.ts: the arrow points up',
    );
  });

  test('find an arrow that points up, one of types too', () => {
    const files = {
      'packages/a/src/low.ts': "import type { H } from './high.ts';",
      'packages/a/src/high.ts': '',
    };
    expect(problemsOf(files, one([['low.ts'], ['high.ts']]))).toEqual([
      'packages/a/src/low.ts imports packages/a/src/high.ts: the arrow points up',
    ]);
    expect(problemsOf(files, one([['high.ts'], ['low.ts']]))).toEqual([]);
  });

  test('find a file that no floor names', () => {
    const files = { 'packages/a/src/known.ts': "import './new.ts';", 'packages/a/src/new.ts': '' };
    expect(problemsOf(files, one([['known.ts']]))[0]).toContain('has no floor for packages/a/src/new.ts');
  });

  test('find a package that may not be imported, by name, by subpath and by path', () => {
    const packages = {
      'packages/a': { mayImport: ['claude-agent-b/open'], floors: [['a.ts']] },
      'packages/b': { mayImport: [], floors: [['index.ts']] },
    };
    const imports = (name: string) =>
      problemsOf({ 'packages/a/src/a.ts': `import '${name}';`, 'packages/b/src/index.ts': '' }, packages);
    expect(imports('claude-agent-b/open')).toEqual([]);
    expect(imports('claude-agent-b')).toHaveLength(1);
    expect(imports('claude-agent-b/closed')).toHaveLength(1);
    expect(imports('claude-agent-b/opening')).toHaveLength(1);
    expect(imports('../../b/src/index.ts')).toEqual([expect.stringContaining('by name only')]);
  });

  test('leave tests alone', () => {
    const files = { 'packages/a/src/a.test.ts': "import '../../b/src/index.ts';", 'packages/a/src/a.ts': '' };
    expect(problemsOf(files, one([['a.ts']]))).toEqual([]);
  });

  test.each([
    ['the agent SDK anywhere else', 'packages/server/src/http/app.ts', '@anthropic-ai/claude-agent-sdk'],
    ['the server in the client', 'packages/client/src/client.ts', 'claude-agent-server'],
    ['the client in the gateway', 'packages/gateway/src/index.ts', 'claude-agent-client'],
    ['the routes of the contract in the gateway', 'packages/gateway/src/index.ts', 'claude-agent-protocol'],
    ['another package by its path', 'packages/server/src/main.ts', 'packages/client/src/index.ts'],
    ['http in sessions', 'packages/server/src/sessions/views.ts', 'packages/server/src/http/app.ts'],
    [
      'the actor in the machine',
      'packages/server/src/sessions/machine.ts',
      'packages/server/src/sessions/actor.ts',
    ],
    ['events in the store', 'packages/server/src/store/sqlite.ts', 'packages/server/src/events/log.ts'],
    [
      'the pipeline in the routing',
      'packages/gateway/src/routing/route.ts',
      'packages/gateway/src/pipeline/hooks.ts',
    ],
    [
      'the transport in the message format',
      'packages/gateway/src/messages/sse.ts',
      'packages/gateway/src/transport/transport.ts',
    ],
    ['the chat in the terminal', 'packages/cli/src/term/keys.ts', 'packages/cli/src/chat/chat.ts'],
  ])('forbid %s', (_, from, to) => {
    expect(problemOf({ from, to })).toBeDefined();
  });

  test('find the way by which a program loads zod at its start', () => {
    const value = (from: string, to: string) => ({ from, to, kind: 'value' as const });
    const imports = [
      value('packages/cli/src/main.ts', 'packages/cli/src/a.ts'),
      value('packages/cli/src/a.ts', 'claude-agent-protocol/endpoints'),
      value('packages/protocol/src/endpoints.ts', 'packages/protocol/src/schemas/x.ts'),
      value('packages/protocol/src/schemas/x.ts', 'zod'),
    ];
    expect(waysToZod(imports, ['packages/cli/src/main.ts'])).toEqual([
      [
        'packages/cli/src/main.ts',
        'packages/cli/src/a.ts',
        'packages/protocol/src/endpoints.ts',
        'packages/protocol/src/schemas/x.ts',
        'zod',
      ],
    ]);
    const [first, ...others] = imports;
    for (const kind of ['type', 'later'] as const) {
      const changed = first ? [{ ...first, kind }, ...others] : [];
      expect(waysToZod(changed, ['packages/cli/src/main.ts'])).toEqual([]);
    }
  });
});

test('the drawing has a line for each entry, the highest first, with its arrows down', () => {
  const imports = [
    { from: 'packages/a/src/high/x.ts', to: 'packages/a/src/low.ts', kind: 'value' as const },
    { from: 'packages/a/src/high/x.ts', to: 'claude-agent-b', kind: 'type' as const },
  ];
  expect(
    drawPackage('packages/a', { mayImport: [], floors: [['low.ts'], ['high/', 'side.ts']] }, imports),
  ).toBe(
    ['packages/a  -> claude-agent-b', '   2  side.ts', '      high/    -> low.ts', '   1  low.ts'].join('\n'),
  );
});
