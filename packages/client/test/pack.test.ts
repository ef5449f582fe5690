import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const run = promisify(execFile);
const PACKAGE = resolve(import.meta.dirname, '..');
const MODULES = resolve(PACKAGE, '../../node_modules');
const MEGABYTE = 1024 * 1024;

let folder: string;
let installed: string;
let files: string[];

/** Packs a folder as npm would publish it. */
async function pack(from: string, ...flags: string[]): Promise<{ archive: string; files: string[] }> {
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder, ...flags], {
    cwd: from,
  });
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [
    { filename: string; files: { path: string }[] },
  ];
  return { archive: packed.filename, files: packed.files.map(({ path }) => path) };
}

/** Packs the client and installs the archive into an empty project, without the registry: zod is here already. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'claude-agent-pack-'));
  const client = await pack(PACKAGE);
  const zod = await pack(join(MODULES, 'zod'), '--ignore-scripts');
  files = client.files;

  const project = join(folder, 'project');
  installed = join(project, 'node_modules/claude-agent-client');
  mkdirSync(project);
  const dependencies = { 'claude-agent-client': `file:../${client.archive}`, zod: `file:../${zod.archive}` };
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({ private: true, type: 'module', dependencies }),
  );
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund'], { cwd: project });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function allFiles(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

test('the package holds what was built, its README and its licence, and nothing else', () => {
  const others = files.filter((path) => !path.startsWith('dist/')).sort();
  expect(others).toEqual(['LICENSE', 'README.md', 'package.json']);
  expect(files.filter((path) => path.startsWith('dist/') && !/\.(js|d\.ts)$/.test(path))).toEqual([]);
  expect(files.filter((path) => path.includes('.test.'))).toEqual([]);
  expect(files).toContain('dist/index.js');
  expect(files).toContain('dist/cli/main.js');
});

test('no file imports the agent SDK, the server or the gateway', () => {
  const imported = allFiles(join(installed, 'dist'))
    .filter((file) => file.endsWith('.js'))
    .flatMap((file) => [
      ...readFileSync(file, 'utf8').matchAll(/(?:\bfrom\s+|\bimport\s+|\bimport\()['"]([^'"]+)['"]/g),
    ])
    .map(([, name]) => name ?? '')
    .filter((name) => !name.startsWith('.') && !name.startsWith('node:'));
  expect([...new Set(imported)].sort()).toEqual(['zod']);
});

test('the library needs nothing of Node: it runs in a browser as well', () => {
  const library = allFiles(join(installed, 'dist')).filter(
    (file) => file.endsWith('.js') && !file.includes('/cli/'),
  );
  expect(library.length).toBeGreaterThan(10);
  for (const file of library) {
    const source = readFileSync(file, 'utf8');
    expect(source, file).not.toMatch(/['"]node:|\bBuffer\b|\brequire\(/);
    if (!file.endsWith('defaults.js')) expect(source, file).not.toMatch(/\bprocess[.[]/);
  }
});

test('with its dependencies it takes less than 10 MB, and no package runs a script when it is installed', () => {
  const modules = join(folder, 'project/node_modules');
  const bytes = allFiles(modules).reduce((sum, file) => sum + statSync(file).size, 0);
  expect(bytes).toBeLessThan(10 * MEGABYTE);
  const packages = allFiles(modules).filter((file) =>
    /node_modules\/(?:@[^/]+\/)?[^/]+\/package\.json$/.test(file),
  );
  const names = packages.map((file) => (JSON.parse(readFileSync(file, 'utf8')) as { name: string }).name);
  expect(names.sort()).toEqual(['claude-agent-client', 'zod']);
  for (const file of packages) {
    const { scripts = {} } = JSON.parse(readFileSync(file, 'utf8')) as { scripts?: Record<string, string> };
    expect(Object.keys(scripts).filter((name) => /^(pre|post)?install$/.test(name))).toEqual([]);
  }
});

test('the installed program runs', async () => {
  const program = join(folder, 'project/node_modules/.bin/claude-agent');
  const { version } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8')) as { version: string };
  expect((await run(program, ['--version'])).stdout.trim()).toBe(version);
  await expect(run(program, ['-p', 'hello', '--server', 'http://127.0.0.1:9'])).rejects.toMatchObject({
    code: 3,
    stdout: '',
    stderr: expect.stringContaining('No server answers at http://127.0.0.1:9'),
  });
});

test('the installed library can be imported', async () => {
  const script = `import { AgentClient, routes } from 'claude-agent-client';
    console.log(new AgentClient({ baseUrl: 'http://127.0.0.1:8000' }).baseUrl, routes.health.path);`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], {
    cwd: join(folder, 'project'),
  });
  expect(stdout.trim()).toBe('http://127.0.0.1:8000 /health');
});
