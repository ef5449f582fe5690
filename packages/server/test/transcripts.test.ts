import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TurnResult } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { conversationsOn, RECALL, textOf, wordsOf } from './support/conversations.ts';
import { IN_SANDBOX } from './support/sandbox.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';
import { transcriptOf } from './support/transcripts.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => cleanUp(server));

const { recall, eventsOf, historyOf, cleared } = conversationsOn(() => server);

const CLAUDE = createRequire(import.meta.resolve('@anthropic-ai/claude-agent-sdk')).resolve(
  `@anthropic-ai/claude-agent-sdk-${process.platform}-${process.arch}/claude`,
);
/** The agent without this server, as the terminal program is. */
const claude = (args: string[], stdio: StdioOptions): ChildProcess =>
  spawn(CLAUDE, args, {
    cwd: server.root,
    stdio,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: server.userHome,
      IS_SANDBOX: '1',
      CLAUDE_TEST_RUN: process.env.CLAUDE_TEST_RUN ?? '',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      ANTHROPIC_API_KEY: 'test-key',
      ANTHROPIC_BASE_URL: server.demo.url,
    },
  });
const elsewhere = async (id: string, prompt: string): Promise<void> => {
  const child = claude(['-p', '--model', 'demo', '--resume', id, prompt], 'ignore');
  expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(0);
};

// An agent in a sandbox sees no other transcript, so it deletes none.
test.skipIf(IN_SANDBOX)('a transcript outlives the 30 days after which the agent deletes it', async () => {
  const { session_id: id } = await server.createSession();
  await server.send(id, 'say apple');
  await server.call('DELETE', `/sessions/${id}`);
  const path = transcriptOf(server.userHome, id) ?? '';
  const longAgo = Date.now() / 1000 - 40 * 24 * 3600;
  utimesSync(path, longAgo, longAgo);
  // The agent sweeps once a day, and notes when.
  const swept = join(server.userHome, '.claude', '.last-cleanup');
  rmSync(swept, { force: true });
  const { session_id: other } = await server.createSession();
  await server.send(other, 'say banana');
  await vi.waitFor(() => expect(existsSync(swept)).toBe(true), { timeout: 20_000 });
  await server.call('DELETE', `/sessions/${other}`);
  expect(existsSync(path)).toBe(true);
});

test("a transcript without a message, which a process that was killed early leaves, is in nobody's way", async () => {
  const { session_id: id } = await server.createSession({ start: 'lazy' });
  const folder = join(server.userHome, '.claude', 'projects', server.root.replace(/[^a-zA-Z0-9]/g, '-'));
  mkdirSync(folder, { recursive: true });
  const entries = [
    { type: 'custom-title', customTitle: 'early', sessionId: id },
    { type: 'queue-operation', operation: 'enqueue', sessionId: id, content: 'say never' },
  ];
  writeFileSync(join(folder, `${id}.jsonl`), entries.map((each) => `${JSON.stringify(each)}\n`).join(''));
  expect(textOf(await server.send(id, 'say hello'))).toBe('hello');
  expect(textOf(await server.send(id, RECALL))).not.toContain('never');
});

describe('a lost transcript', () => {
  test('is rebuilt from the log: the session continues, and an event says so', async () => {
    const { id, conversation } = await cleared();
    await server.send(id, 'run echo out of the log');
    await server.call('DELETE', `/sessions/${id}`);
    rmSync(transcriptOf(server.userHome, conversation) ?? '');
    await server.createSession({ resume_session_id: id });
    const said = await recall(id);
    expect(said).toMatch(/banana/);
    expect(said).not.toMatch(/apple/);
    expect((await eventsOf(id)).findLast((event) => event.type === 'session.conversation')?.data).toEqual({
      conversation_id: conversation,
      previous_id: conversation,
      trigger: 'transcript_lost',
      restored_messages: expect.any(Number),
    });
    expect(wordsOf(await historyOf(id))).toContain('user: run echo out of the log');
  });

  test('can still be forked', async () => {
    const { session_id: id } = await server.createSession();
    await server.send(id, 'say apple');
    await server.call('DELETE', `/sessions/${id}`);
    rmSync(transcriptOf(server.userHome, id) ?? '');
    const fork = await server.call<{ session_id: string }>('POST', `/sessions/${id}/fork`, {});
    expect(await recall(fork.body.session_id)).toMatch(/apple/);
  });

  test('without anything in the log starts empty', async () => {
    const { session_id: trunk } = await server.createSession();
    await server.send(trunk, 'say apple');
    const fork = await server.call<{ session_id: string }>('POST', `/sessions/${trunk}/fork`, {});
    const id = fork.body.session_id;
    await server.call('DELETE', `/sessions/${id}`);
    rmSync(transcriptOf(server.userHome, id) ?? '');
    expect(await recall(id).catch(() => 'closed')).toBe('closed');
    await server.createSession({ resume_session_id: id });
    expect(await recall(id)).toMatch(/first thing/);
    const event = (await eventsOf(id)).find(({ type }) => type === 'session.conversation');
    expect(event?.data).toMatchObject({ trigger: 'transcript_lost', restored_messages: 0 });
  });
});

describe('a conversation that another program continues', () => {
  const sendTo = (id: string, more = {}) =>
    server.call<TurnResult>('POST', `/sessions/${id}/messages`, { message: RECALL, ...more });

  test('is refused with its own code until the caller forces it: then the agent knows both', async () => {
    const { session_id: id } = await server.createSession();
    await server.send(id, 'say apple');
    expect(await sendTo(id)).toMatchObject({ status: 200 });
    await elsewhere(id, 'say cherry');
    expect(await sendTo(id)).toMatchObject({ status: 409, body: { code: 'conversation_diverged' } });
    const forced = await sendTo(id, { force: true });
    expect(textOf(forced.body)).toMatch(/cherry/);
    // What was accepted once is no news.
    expect(await sendTo(id)).toMatchObject({ status: 200 });

    await server.call('DELETE', `/sessions/${id}`);
    await elsewhere(id, 'say damson');
    const resume = { resume_session_id: id };
    const refused = await server.call('POST', '/sessions', resume);
    expect(refused).toMatchObject({ status: 409, body: { code: 'conversation_diverged' } });
    await server.createSession({ ...resume, force: true });
    expect(await recall(id)).toMatch(/damson/);
  });

  test('is refused while another server has it open', { timeout: 120_000 }, async () => {
    const { session_id: id } = await server.createSession();
    await server.send(id, 'say apple');
    // The same user, another home: it knows the conversation from its transcript only.
    const other = await startTestServer({ on: { ...server, home: mkdtempSync(join(tmpdir(), 'home-')) } });
    try {
      const resume = { resume_session_id: id };
      const refused = await other.call('POST', '/sessions', resume);
      expect(refused).toMatchObject({ status: 409, body: { code: 'conversation_in_use' } });
      await other.createSession({ ...resume, force: true });
      await other.send(id, 'say cherry');
    } finally {
      await other.stop();
      rmSync(other.home, { recursive: true });
    }
    expect(await sendTo(id)).toMatchObject({ status: 409, body: { code: 'conversation_diverged' } });
  });
});
