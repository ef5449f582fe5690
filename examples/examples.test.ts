import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
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
  const { stdout } = await run(process.execPath, ['--conditions=claude-agent-source', file], {
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
    expect(lines[2]).toBe('failed fail');
    expect(lines[3]).toMatch(/^Resume it: .*POST \/sessions/);
  },
};

test.each(Object.entries(TESTS))('%s does what it says', async (name, check) => {
  check(await example(name));
});

/** Runs the query example with another prompt: against the server, or on the agent SDK in-process. */
async function queryExample(prompt: string, where: 'server' | 'in-process'): Promise<string[]> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'claude-agent-sdk-')));
  try {
    const library = where === 'server' ? 'claude-agent-client' : '@anthropic-ai/claude-agent-sdk';
    const source = readFileSync(join(import.meta.dirname, 'query.ts'), 'utf8')
      .replace(`from 'claude-agent-client'`, `from '${import.meta.resolve(library)}'`)
      .replace('write greeting.txt with Hello from afar', prompt);
    writeFileSync(join(folder, 'query.ts'), source);
    const env =
      where === 'server'
        ? { ...process.env, CLAUDE_AGENT_SERVER: server.url }
        : {
            PATH: process.env.PATH,
            HOME: folder,
            ANTHROPIC_BASE_URL: server.demo.url,
            ANTHROPIC_API_KEY: 'test-key',
            ANTHROPIC_MODEL: 'demo',
            CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
          };
    const command = ['--conditions=claude-agent-source', join(folder, 'query.ts')];
    const { stdout } = await run(process.execPath, command, { cwd: folder, env });
    return stdout.trimEnd().split('\n');
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

test.each([
  ['a permission', 'write same.txt with Hello from afar', /^Tool: Write\n[\s\S]*^Done: success/m],
  // The SDK's query continues to the subagent's report, which brings a second result.
  [
    'background work',
    'start a subagent in the background to wait 1 seconds',
    /^Done: success[\s\S]*^A background task has news[\s\S]*^Done: success/m,
  ],
])('%s: the query example does the same on the agent SDK in-process', async (_, prompt, seen) => {
  const remote = await queryExample(prompt, 'server');
  expect(remote).toEqual(await queryExample(prompt, 'in-process'));
  expect(remote.join('\n')).toMatch(seen);
});

test("the README's examples are parts of these", () => {
  const readme = readFileSync(join(import.meta.dirname, '../packages/client/README.md'), 'utf8');
  const snippets = [...readme.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code ?? '');
  const sources = Object.keys(TESTS).map((name) =>
    readFileSync(join(import.meta.dirname, `${name}.ts`), 'utf8'),
  );
  expect(snippets.length).toBeGreaterThan(3);
  for (const snippet of snippets) {
    expect(
      sources.some((source) => source.includes(snippet)),
      snippet,
    ).toBe(true);
  }
});

test('every example is tested', () => {
  const names = readdirSync(import.meta.dirname)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => name.replace(/\.ts$/, ''));
  expect(names.sort()).toEqual(Object.keys(TESTS).sort());
});
