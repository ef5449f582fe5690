import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { createProcesses } from './processes.ts';
import { findTimedShell, type Lease } from './watchdog.ts';

const shell = process.platform === 'win32' ? undefined : await findTimedShell();

describe.skipIf(!shell)('the agents of a server with a lease', () => {
  let until = 0;
  const lease: Lease = { shell: shell ?? '', leftMs: () => until - performance.now() };
  const forMs = (ms: number): void => {
    until = performance.now() + ms;
  };
  let processes = createProcesses(randomUUID(), lease);
  afterEach(async () => {
    await processes.killAll();
    processes = createProcesses(randomUUID(), lease);
  });

  const start = (): { child: ChildProcess; exited: Promise<{ signal: string | null }> } =>
    processes.spawn(randomUUID(), {
      command: '/bin/sleep',
      args: ['60'],
      env: { PATH: process.env.PATH },
      signal: new AbortController().signal,
    });

  test('are killed when it ends without a renewal', async () => {
    forMs(300);
    const begun = performance.now();
    const { exited } = start();
    expect(await exited).toMatchObject({ signal: 'SIGKILL' });
    expect(performance.now() - begun).toBeGreaterThan(250);
  });

  test('live as long as it is renewed', async () => {
    forMs(400);
    const begun = performance.now();
    const { exited } = start();
    const timer = setInterval(() => {
      forMs(400);
      processes.renew();
      if (performance.now() - begun > 1_000) clearInterval(timer);
    }, 100);
    await exited;
    expect(performance.now() - begun).toBeGreaterThan(1_300);
  });

  test('are not started once it is over', () => {
    forMs(-1);
    expect(start).toThrow('lost its lease');
  });

  test('can be started again after all were killed, and the watchdog is done with the others', async () => {
    forMs(200);
    const first = start();
    await first.exited;
    await processes.killAll();
    forMs(60_000);
    const second = start();
    // The reaper sweeps twice, 0.3 s apart.
    const timer = setTimeout(() => second.child.kill('SIGTERM'), 800);
    expect(await second.exited).toMatchObject({ signal: 'SIGTERM' });
    clearTimeout(timer);
  });
});

describe('a shell that reads with a time limit', () => {
  test('is found among others', async () => {
    expect(await findTimedShell(['/does/not/exist', '/bin/false'])).toBeUndefined();
  });

  test.skipIf(process.platform === 'win32')('is told from one that cannot', async () => {
    const child = spawn('/bin/sh', ['-c', 'read -t 0.5 line < /dev/null; echo $?'], { stdio: 'pipe' });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
    });
    await once(child, 'close');
    expect(await findTimedShell(['/bin/sh'])).toBe(out === '1\n' ? '/bin/sh' : undefined);
  });
});
