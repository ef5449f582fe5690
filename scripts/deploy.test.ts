import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { readConfig } from '../packages/server/src/config.ts';

const ROOT = resolve(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const work = mkdtempSync(join(tmpdir(), 'deploy-test-'));
afterAll(() => rmSync(work, { recursive: true }));

interface Service {
  build?: { context: string; dockerfile: string };
  command?: string[];
  environment?: Record<string, string>;
  volumes?: string[];
  depends_on?: string[] | Record<string, unknown>;
}

/** What the server makes of arguments, with a folder of this machine for `/work`. */
const configOf = (args: readonly string[], env: Record<string, string>) =>
  readConfig(
    args.map((each) => each.replace(/\/work$/, work)),
    { HOME: work, ...env },
  );

const dockerfile = read('deploy/Dockerfile');
const manifest = JSON.parse(read('package.json')) as { devDependencies: Record<string, string> };

describe('the image', () => {
  test('runs the Node version of the repository, and the program that is published', () => {
    expect(dockerfile).toContain(`ARG NODE=${manifest.devDependencies.node}-`);
    const { bin } = JSON.parse(read('packages/server/package.json')) as { bin: Record<string, string> };
    expect(dockerfile).toContain(`/app/packages/server/${bin['claude-agent-server']}`);
  });

  test("copies what is there, and its arguments are the server's", () => {
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(
      ([, files]) => files?.split(' ') ?? [],
    );
    expect(copied.length).toBeGreaterThan(3);
    for (const file of copied) {
      expect(existsSync(join(ROOT, file)), file).toBe(true);
      expect(read('deploy/Dockerfile.dockerignore').split('\n')).toContain(`!${file}`);
    }
    const args = JSON.parse(/^CMD (\[.*\])$/m.exec(dockerfile)?.[1] ?? '') as string[];
    const config = configOf(args, { AGENT_SERVER_API_KEY: 'k'.repeat(32) });
    expect(dockerfile).toContain(`EXPOSE ${config === 'help' ? '' : config.port}`);
  });
});

describe('the compose file', () => {
  const { services, volumes } = parse(read('deploy/compose/compose.yaml'), { merge: true }) as {
    services: Record<string, Service>;
    volumes: Record<string, unknown>;
  };
  const proxy = services.proxy?.environment ?? {};
  const nodes = Object.entries(services).filter(([, { build }]) => build !== undefined);

  test('starts nodes that other nodes and the proxy find under their names', () => {
    expect(nodes.map(([name]) => name)).toEqual(['node-a', 'node-b']);
    const behind = Object.entries(proxy).flatMap(([name, value]) =>
      name.startsWith('NODE_') ? [value] : [],
    );
    for (const [name, { command = [], environment = {}, build }] of nodes) {
      const config = configOf(command, { ...environment, AGENT_SERVER_API_KEY: 'k'.repeat(32) });
      if (config === 'help') throw new Error('no configuration');
      expect(config.nodeAddress).toBe(`http://${name}:${config.port}`);
      expect(behind).toContain(`${name}:${config.port}`);
      expect(config.database?.url).toMatch(/@postgres\/agents$/);
      expect(existsSync(resolve(ROOT, 'deploy/compose', build?.context ?? '', build?.dockerfile ?? ''))).toBe(
        true,
      );
    }
  });

  test('has every volume, service and variable that is named', () => {
    for (const { volumes: mounts = [], depends_on = [] } of Object.values(services)) {
      for (const [source = ''] of mounts.map((mount) => mount.split(':'))) {
        if (source.startsWith('.'))
          expect(existsSync(join(ROOT, 'deploy/compose', source)), source).toBe(true);
        else expect(volumes).toHaveProperty(source);
      }
      const needed = Array.isArray(depends_on) ? depends_on : Object.keys(depends_on);
      for (const name of needed) expect(services).toHaveProperty(name);
    }
    const used = (text: string, form: RegExp): string[] => [
      ...new Set([...text.matchAll(form)].map(([, name]) => name ?? '')),
    ];
    const example = used(read('deploy/compose/.env.example'), /^(\w+)=/gm);
    expect(used(read('deploy/compose/compose.yaml'), /\$\{(\w+)/g).sort()).toEqual(example.sort());
    expect(used(read('deploy/compose/haproxy.cfg'), /\$\{(\w+)\}/g).sort()).toEqual(
      Object.keys(proxy).sort(),
    );
  });
});

test('the chart and the service start the server with options that it has', () => {
  const chart = read('deploy/helm/claude-agent-server/templates/statefulset.yaml');
  const args = chart
    .replaceAll(/\$\(\w+\)|\{\{.*?\}\}/g, 'x')
    .split('\n')
    .flatMap((line) => /^ +- (--[\w-]+=\S+)$/.exec(line)?.[1] ?? [])
    .filter((arg) => !arg.startsWith('--config='));
  expect(args.map((arg) => arg.split('=')[0])).toEqual(['--host', '--root', '--node-address']);
  const unit = read('deploy/systemd/claude-agent-server.service');
  const command = /^ExecStart=\/usr\/bin\/env claude-agent-server (.*)$/m.exec(unit)?.[1]?.split(' ') ?? [];
  for (const each of [args, command.map((arg) => arg.replace('/srv/work', '/work'))]) {
    expect(configOf(each, { AGENT_SERVER_API_KEY: 'k'.repeat(32) })).toMatchObject({ roots: [work] });
  }
});
