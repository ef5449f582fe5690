import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cleanUp, startTestServer, type TestServer } from '../packages/client/test/support/server.ts';

const run = promisify(execFile);

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => cleanUp(server));

/** Runs an example as its reader would, against a server of the test; its lines of output. */
async function example(name: string): Promise<string[]> {
  const file = join(import.meta.dirname, `${name}.ts`);
  const { stdout } = await run(process.execPath, ['--conditions=source', file], {
    env: { ...process.env, CLAUDE_AGENT_SERVER: server.url },
  });
  return stdout.trimEnd().split('\n');
}

const TESTS: Record<string, (lines: string[]) => void> = {
  query(lines) {
    expect(lines).toContain('May it use Write?');
    expect(lines).toContain('Tool: Write');
    expect(lines.at(-1)).toMatch(/^Done: success, \d+ turns$/);
    expect(readFileSync(join(server.root, 'greeting.txt'), 'utf8')).toBe('Hello from afar');
  },
  send(lines) {
    expect(lines[0]).toBe('Hello, world');
    expect(lines[1]).toMatch(/^Turn [\da-f-]{36} took \d+ ms$/);
  },
  stream(lines) {
    expect(lines).toEqual(['1 2 3 4 5', '1 model answer']);
  },
  permissions(lines) {
    expect(lines).toEqual(['Write asks', 'Bash asks']);
    expect(existsSync(join(server.root, 'allowed.txt'))).toBe(true);
    expect(existsSync(join(server.root, 'denied.txt'))).toBe(false);
  },
  events(lines) {
    expect(lines[0]).toBe('1 session.created');
    expect(lines.at(-1)).toMatch(/^\d+ turn\.completed$/);
  },
  errors(lines) {
    expect(lines[0]).toMatch(/^4\d\d \w+: .*\/there\/is\/no\/such\/folder/);
    expect(lines[1]).toMatch(/^The turn failed: \w+$/);
  },
};

test.each(Object.entries(TESTS))('%s does what it says', async (name, check) => {
  check(await example(name));
});

test('every example is tested', () => {
  const names = readdirSync(import.meta.dirname)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => name.replace(/\.ts$/, ''));
  expect(names.sort()).toEqual(Object.keys(TESTS).sort());
});
