import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { cleanUp, startTestServer } from './support/server.ts';

const folder = mkdtempSync(join(tmpdir(), 'agent-server-open-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A program in the place of a browser, which writes down what it is asked to show. */
function browser(): { program: string; opened(): string } {
  const [program, note] = [join(folder, 'browser'), join(folder, 'opened')];
  writeFileSync(program, `#!/bin/sh\necho "$1" >> '${note}'\n`, { mode: 0o755 });
  writeFileSync(note, '');
  return { program, opened: () => readFileSync(note, 'utf8').trim() };
}

test.skipIf(process.platform !== 'linux')(
  '--open shows the console in the browser of the machine',
  async () => {
    const { program, opened } = browser();
    const server = await startTestServer({
      args: ['--demo', '--open'],
      env: { BROWSER: program, DISPLAY: '' },
    });
    await vi.waitFor(() => expect(opened()).toBe(`${server.url}/console/`), 20_000);
    expect((await fetch(opened())).status).toBe(200);
    await cleanUp(server);
  },
);
