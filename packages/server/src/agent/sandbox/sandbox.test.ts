import { mkdirSync, mkdtempSync, readdirSync, realpathSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SessionOptions } from 'claude-agent-protocol';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createTrust } from '../secrets/trust.ts';
import { createBubblewrapEngine } from './bubblewrap-engine.ts';
import { createSandbox, type Sandbox } from './sandbox.ts';

const START = { infoDescriptor: 3, env: {}, marks: { soft: 1n, hard: 2n } };

let base: string;
let sandbox: Sandbox;
const folder = (name: string): string => join(base, name);

beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'sandbox-')));
  for (const name of ['home', 'config', 'server', 'work', 'other']) mkdirSync(folder(name));
  sandbox = createSandbox({
    engine: createBubblewrapEngine({
      bubblewrap: { program: 'bwrap', version: '', bindsDescriptors: true, disablesUserNamespaces: true },
      system: [],
      groups: {
        limits: { memory: false, processes: false },
        open: () => ({ joins: [], remove: async () => {} }),
      },
    }),
    folder: folder('server/sandboxes'),
    env: { PATH: process.env.PATH },
    home: folder('home'),
    config: folder('config'),
    read: [],
    write: [],
    hidden: { folders: [folder('server'), '/nowhere'], files: [folder('work/config.json')] },
    network: { mode: 'open' },
    trust: createTrust({}, folder('server/certificates.pem')),
    limits: {},
    projectOf: (cwd) => cwd.replaceAll('/', '-'),
    usesLogin: () => false,
    onError(error) {
      throw error;
    },
  });
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

const enter = (cwd: string) =>
  sandbox.enter({
    sessionId: 'one',
    tenant: 'default',
    conversationId: 'one',
    cwd,
    model: undefined,
    options: SessionOptions.parse({}),
  });

test.skipIf(process.platform !== 'linux')('a folder that was replaced by a link is not shown', async () => {
  const confinement = await enter(folder('work'));
  renameSync(folder('work'), folder('was'));
  symlinkSync(folder('other'), folder('work'));
  const open = readdirSync('/proc/self/fd').length;
  expect(() => confinement.wrap('/bin/true', [], START)).toThrow();
  expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(open);
});

test.skipIf(process.platform !== 'linux')(
  'what the server keeps to itself is hidden where a folder would show it, and only there',
  async () => {
    const confinement = await enter(base);
    const { args } = confinement.wrap('/bin/true', [], START);
    confinement.started(undefined);
    const at = (...words: string[]): number => args.join(' ').indexOf(words.join(' '));
    expect(at('--tmpfs', folder('server'))).toBeGreaterThan(at('--bind-fd', '4', base));
    expect(at('--ro-bind', '/dev/null', folder('work/config.json'))).toBeGreaterThan(0);
    expect(args).not.toContain('/nowhere');
  },
);
