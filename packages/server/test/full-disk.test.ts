import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Turn, TurnResult } from 'claude-agent-protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type SseFrame, script } from './support/api.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => cleanUp(server));

const text = (result: TurnResult): string =>
  result.messages.flatMap((item) => (item.type === 'text' ? [item.content] : [])).join('\n');

/** A small file system of its own; undefined where this user may not mount one. */
function mountSmall(folder: string): (() => void) | undefined {
  mkdirSync(folder, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  return () => execFileSync('umount', ['-l', folder]);
}

test('a disk that fills up in mid-turn: nothing runs twice, nothing is lost, and with free space it continues by itself', async (context) => {
  const disk = join(server.home, '..', 'small-disk');
  const unmount = mountSmall(disk);
  if (!unmount) return context.skip('this user may not mount a file system');
  const filler = join(disk, 'filler');
  const fill = (): void => {
    for (let size = 65_536; size >= 64; size /= 2) {
      try {
        for (;;) appendFileSync(filler, Buffer.alloc(size));
      } catch {
        // full, for this size
      }
    }
  };
  const free = (): void => rmSync(filler);
  const start = (on: TestServer): Promise<TestServer> => startTestServer({ on, args: ['--home', disk] });
  let full = await start(server);
  const { gates } = server.demo.model;
  const log = join(server.root, 'ran.txt');
  const append = (line: string) => ({
    name: 'Bash',
    input: { command: `echo ${line} >> ${log}`, description: line },
  });
  const lines = (): string[] => readFileSync(log, 'utf8').trim().split('\n');
  const turnsOf = async (id: string): Promise<string[]> => {
    const { body } = await full.call<{ turns: Turn[] }>('GET', `/sessions/${id}/turns`);
    return body.turns.map((turn) => turn.state);
  };
  try {
    const { session_id: id } = await full.createSession({ allowed_tools: ['Bash'] });
    const all = full.stream(`/sessions/${id}/events`);
    const first = full.send(id, script({ tools: [append('first')] }, { hold: 'full', say: 'one' }));
    await gates.reached('full');
    const rest: Promise<TurnResult>[] = [];
    for (const name of ['two', 'three', 'four']) {
      rest.push(full.send(id, script({ tools: [append(name)] }, { say: name })));
      await expect.poll(async () => (await full.status(id)).queued_turns).toBe(rest.length);
    }
    fill();
    gates.release('full');
    // The agent is done, but that cannot be written: so it is not said either.
    await expect.poll(async () => (await full.call('GET', '/ready')).status, { timeout: 20_000 }).toBe(503);
    const refused = await full.call('POST', `/sessions/${id}/messages`, { message: 'say no' });
    expect(refused).toMatchObject({ status: 503, body: { code: 'storage_failed' } });
    expect(await full.status(id)).toMatchObject({ state: 'running', queued_turns: 3 });
    expect(await turnsOf(id)).toEqual(['running', 'queued', 'queued', 'queued']);
    expect(lines()).toEqual(['first']);

    free();
    expect((await Promise.all([first, ...rest])).map(text)).toEqual(['one', 'two', 'three', 'four']);
    expect(lines()).toEqual(['first', 'two', 'three', 'four']);
    expect(await turnsOf(id)).toEqual(['completed', 'completed', 'completed', 'completed']);
    expect((await full.call('GET', '/ready')).status).toBe(200);
    // A reader that was there all the time has every event once.
    const seqs: number[] = [];
    for await (const { data } of all as AsyncGenerator<SseFrame>) {
      if (data.seq !== undefined) seqs.push(data.seq);
      if (data.seq === (await full.status(id)).last_seq) break;
    }
    expect(seqs).toEqual(seqs.map((_, index) => index + 1));

    // A server that ends on a full disk says what is missing; the next start settles it.
    const cut = full.send(id, script({ hold: 'for ever', say: 'never' })).catch(() => undefined);
    await gates.reached('for ever');
    fill();
    expect(await full.stop()).toBe(1);
    expect(full.stderr()).toContain('The store could not be written');
    await cut;
    free();
    full = await start(full);
    expect(await turnsOf(id)).toEqual(['completed', 'completed', 'completed', 'completed', 'interrupted']);
    expect(text(await full.send(id, script({ say: 'on it goes' })))).toBe('on it goes');
  } finally {
    await full.stop();
    unmount();
  }
}, 180_000);
