import { randomUUID } from 'node:crypto';
import { afterAll, expect, test } from 'vitest';
import { createProcesses, type OwnedProcess, type Processes } from './processes.ts';

/** Servers of different homes on one machine. */
const servers = [createProcesses(randomUUID()), createProcesses(randomUUID())] as const;
afterAll(async () => {
  for (const server of servers) {
    await server.sweep();
    await server.release();
  }
});

const start = (server: Processes, sessionId: string): OwnedProcess =>
  server.spawn(sessionId, {
    command: '/bin/sleep',
    args: ['60'],
    env: { PATH: process.env.PATH },
    signal: new AbortController().signal,
  });

// A node that lost a session ends its agent while the session's next owner, on the same machine, starts its own: before, that
// one was killed with it, and the turn that it ran failed.
test.skipIf(process.platform === 'win32')(
  'the end of an agent leaves that of the same session alone which another server runs',
  async () => {
    const sessionId = randomUUID();
    const [before, after] = servers.map((server) => start(server, sessionId)) as [OwnedProcess, OwnedProcess];
    before.child.kill();
    await before.end();
    expect(after.child.signalCode).toBeNull();
    after.child.kill('SIGINT');
    expect(await after.exited).toEqual({ code: null, signal: 'SIGINT' });
    await after.end();
  },
);
