import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PACKAGES as RULES } from './import-rules.ts';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '..');
const MEGABYTE = 1024 * 1024;

const PACKAGES = ['protocol', 'client', 'cli', 'demo-model', 'gateway', 'server'] as const;
type Package = (typeof PACKAGES)[number];

interface Manifest {
  name: string;
  version: string;
  dependencies?: Record<string, string>;
  scripts?: Record<string, string>;
}

let folder: string;
const packed = {} as Record<Package, { archive: string; files: string[] }>;
/** What the library and the program need of others. */
let packedOthers: Map<string, { archive: string }>;

const manifestOf = (path: string): Manifest =>
  JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')) as Manifest;

/** Packs as npm would publish; one npm for several packages, because each costs half a second of processor time. */
async function pack(...args: string[]): Promise<Map<string, { archive: string; files: string[] }>> {
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder, ...args], {
    cwd: ROOT,
    maxBuffer: 16 * MEGABYTE,
  });
  const made = JSON.parse(stdout.slice(stdout.indexOf('['))) as {
    name: string;
    filename: string;
    files: { path: string }[];
  }[];
  return new Map(
    made.map(({ name, filename, files }) => [
      name,
      { archive: join(folder, filename), files: files.map(({ path }) => path) },
    ]),
  );
}

/** Installs archives of ours, and of what they need, into an empty project, without the registry. */
async function install(name: string, wanted: readonly Package[]): Promise<string> {
  const project = join(folder, name);
  mkdirSync(project);
  const dependencies: Record<string, string> = {};
  for (const each of wanted) dependencies[`claude-agent-${each}`] = `file:${packed[each].archive}`;
  for (const each of thirdParty(wanted).keys())
    dependencies[each] = `file:${packedOthers.get(each)?.archive}`;
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({ private: true, type: 'module', dependencies }),
  );
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund'], { cwd: project });
  return project;
}

function allFiles(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** The packages that built files import, by their names. */
function importsOf(files: readonly string[]): string[] {
  const specifiers = files
    .filter((file) => file.endsWith('.js'))
    .flatMap((file) => [
      ...readFileSync(file, 'utf8').matchAll(
        /(?:\bfrom\s+|\bimport\s+|\bimport\(|\blazily\()['"]([^'"\n]+)['"]/g,
      ),
    ])
    .map(([, name = '']) => name)
    .filter((name) => !name.startsWith('.') && !name.startsWith('node:'));
  return [...new Set(specifiers.map((name) => /^(?:@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name))].sort();
}

const LIBRARY: readonly Package[] = ['protocol', 'client'];
const PROGRAM: readonly Package[] = ['protocol', 'client', 'cli'];
let library: string;
let program: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'claude-agent-pack-'));
  // In the order of the workspaces: each needs the types of those before it.
  const ours = await pack('--workspaces');
  for (const name of PACKAGES)
    packed[name] = ours.get(`claude-agent-${name}`) ?? expect.unreachable(`${name} was not packed`);
  packedOthers = await pack('--ignore-scripts', ...thirdParty([...LIBRARY, ...PROGRAM]).values());
  [library, program] = await Promise.all([install('library', LIBRARY), install('program', PROGRAM)]);
}, 180_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Everything of others that some packages need, over all levels, with the folder where it is installed. */
function thirdParty(names: readonly Package[]): Map<string, string> {
  const found = new Map<string, string>();
  const walk = (folder: string): void => {
    for (const each of Object.keys(manifestOf(folder).dependencies ?? {})) {
      if (each.startsWith('claude-agent-') || found.has(each)) continue;
      const from = installed(each, folder);
      found.set(each, from);
      walk(from);
    }
  };
  for (const name of names) walk(join(ROOT, 'packages', name));
  return found;
}

/** Where Node finds a package when a file in `folder` imports it. */
function installed(name: string, folder: string): string {
  const candidate = join(folder, 'node_modules', name);
  if (existsSync(candidate)) return candidate;
  if (folder === ROOT) throw new Error(`${name} is not installed`);
  return installed(name, resolve(folder, '..'));
}

describe.each(PACKAGES)('claude-agent-%s', (name) => {
  test('holds what was built, its README and its licence, and nothing else', () => {
    const { files } = packed[name];
    const others = files.filter((path) => !path.startsWith('dist/')).sort();
    const more = name === 'server' ? ['config.schema.json'] : [];
    expect(others).toEqual(['LICENSE', 'README.md', ...more, 'package.json']);
    expect(files.filter((path) => /\.test\.|\/testing\/|conformance/.test(path))).toEqual([]);
    expect(files.some((path) => /^dist\/(index|main)\.js$/.test(path))).toBe(true);
  });

  test('imports only what it names as its dependencies, and of ours only what it may', () => {
    const { dependencies = {} } = manifestOf(join(ROOT, 'packages', name));
    const built = packed[name].files
      .filter((path) => path.endsWith('.js'))
      .map((path) => join(ROOT, 'packages', name, path));
    const imported = importsOf(built);
    expect(imported.filter((each) => !(each in dependencies))).toEqual([]);
    const allowed = RULES[`packages/${name}`]?.mayImport.map((each) => each.split('/')[0]);
    const ours = imported.filter((each) => each.startsWith('claude-agent-'));
    expect(ours.filter((each) => !allowed?.includes(each))).toEqual([]);
  });
});

describe('the library, installed', () => {
  test('brings the protocol, zod and the SSE parser, less than 10 MB, and no script that runs at installation', () => {
    const modules = join(library, 'node_modules');
    const files = allFiles(modules);
    expect(files.reduce((sum, file) => sum + statSync(file).size, 0)).toBeLessThan(10 * MEGABYTE);
    const manifests = files
      .filter((file) => /node_modules\/(?:@[^/]+\/)?[^/]+\/package\.json$/.test(file))
      .map((file) => manifestOf(resolve(file, '..')));
    expect(manifests.map((each) => each.name).sort()).toEqual([
      'claude-agent-client',
      'claude-agent-protocol',
      'eventsource-parser',
      'zod',
    ]);
    for (const { scripts = {} } of manifests) {
      expect(Object.keys(scripts).filter((name) => /^(pre|post)?install$/.test(name))).toEqual([]);
    }
    expect(existsSync(join(modules, '.bin/claude-agent'))).toBe(false);
  });

  test('needs nothing of Node: it runs in a browser as well', () => {
    const files = allFiles(join(library, 'node_modules/claude-agent-client/dist')).filter((file) =>
      file.endsWith('.js'),
    );
    expect(files.length).toBeGreaterThan(10);
    for (const file of files) {
      const source = readFileSync(file, 'utf8');
      expect(source, file).not.toMatch(/['"]node:|\bBuffer\b|\brequire\(/);
      if (!file.endsWith('defaults.js')) expect(source, file).not.toMatch(/\bprocess[.[]/);
    }
  });

  test('can be imported without loading zod, and the contract beside it', async () => {
    const script = `import { registerHooks } from 'node:module';
      const loaded = [];
      registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context); } });
      const { AgentClient, endpoints } = await import('claude-agent-client');
      if (loaded.some((url) => url.includes('/zod/'))) throw new Error('zod was loaded');
      console.log(new AgentClient({ baseUrl: 'http://127.0.0.1:8000' }).baseUrl, endpoints.health.path);
      const { routes } = await import('claude-agent-protocol');
      console.log(routes.health.method);`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd: library });
    expect(stdout.trim()).toBe('http://127.0.0.1:8000 /health\nGET');
  });
});

test('the terminal client, installed, runs', async () => {
  const command = join(program, 'node_modules/.bin/claude-agent');
  const { version } = manifestOf(join(ROOT, 'packages/cli'));
  expect((await run(command, ['--version'])).stdout.trim()).toBe(version);
  await expect(run(command, ['-p', 'hello', '--server', 'http://127.0.0.1:9'])).rejects.toMatchObject({
    code: 3,
    stdout: '',
    stderr: expect.stringContaining('No server answers at http://127.0.0.1:9'),
  });
});
