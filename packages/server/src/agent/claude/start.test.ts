import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { AgentEvents, StartOptions } from '../agent.ts';
import { createProcesses, type Processes } from '../processes.ts';
import { createClaude } from './index.ts';
import { createLibrary } from './library/library.ts';

const folder = mkdtempSync(join(tmpdir(), 'agent-server-agent-'));
const library = createLibrary({ projects: folder, file: join(folder, 'transcripts.db') });
const processes = createProcesses(crypto.randomUUID());
afterAll(async () => {
  await processes.release();
  await library.close();
  rmSync(folder, { recursive: true });
});

const START: StartOptions = {
  sessionId: crypto.randomUUID(),
  tenant: 'default',
  conversationId: crypto.randomUUID(),
  cwd: import.meta.dirname,
  model: undefined,
  permissionMode: 'default',
  title: null,
  options: { include_partial_messages: false, enable_proxy: false } as unknown as StartOptions['options'],
  resume: false,
  spentUsd: 0,
};
const EVENTS = { onOpen: () => {} } as unknown as AgentEvents;

test('an agent that never answers is given up with a sentence that says so, and is gone', async () => {
  let pid: number | undefined;
  const frozen: Processes = {
    ...processes,
    spawn(sessionId, request) {
      const owned = processes.spawn(sessionId, { ...request, command: 'sleep', args: ['600'] });
      pid = owned.child.pid;
      return owned;
    },
  };
  const agent = createClaude({
    library,
    processes: frozen,
    link: () => ({
      env: { PATH: '/usr/bin:/bin' },
      meter: undefined,
      end: () => undefined,
      explain: () => undefined,
    }),
    price: async () => undefined,
    allowBypassPermissions: false,
    spares: { count: 0, folder, onError: () => undefined },
    startTimeoutMs: 200,
  });
  await expect(agent.start(START, EVENTS, new AbortController().signal)).rejects.toThrow(
    'The agent did not answer within 0.2 seconds.',
  );
  expect(pid).toBeGreaterThan(1);
  expect(() => process.kill(pid ?? 0, 0)).toThrow('ESRCH');
});
