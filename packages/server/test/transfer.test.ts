import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { conversationsOn } from './support/conversations.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

/** Two machines: each has a home and an agent's folder of its own. */
let here: TestServer;
let there: TestServer;

beforeAll(async () => {
  [here, there] = await Promise.all([startTestServer(), startTestServer()]);
});
afterAll(() => Promise.all([cleanUp(here), cleanUp(there)]));

const from = conversationsOn(() => here);
const to = conversationsOn(() => there);

const exported = async (id: string): Promise<string> => {
  const response = await fetch(`${here.url}/sessions/${id}/export`);
  expect(response.status).toBe(200);
  return response.text();
};
const imported = (text: string, query = '') => there.call('POST', `/sessions/import${query}`, text);
const cwdHere = (): string => `?cwd=${encodeURIComponent(there.root)}`;

test('an exported session continues on another server, with its history, events and both conversations', async () => {
  const { id, conversation } = await from.cleared();
  await here.call('PATCH', `/sessions/${id}`, { title: 'fruit', metadata: { a: 1 } });
  await here.call('DELETE', `/sessions/${id}`);
  const text = await exported(id);
  expect(text.split('\n')[0]).toContain(`"session_id":"${id}"`);

  const done = await imported(text, cwdHere());
  expect(done).toMatchObject({ status: 200, body: { session_id: id, status: 'closed', cwd: there.root } });
  expect(await to.eventsOf(id)).toEqual(await from.eventsOf(id));
  expect(await to.historyOf(id)).toEqual(await from.historyOf(id));
  const before = await here.call('GET', `/sessions/${id}/turns`);
  expect((await there.call('GET', `/sessions/${id}/turns`)).body).toEqual(before.body);
  expect(await there.status(id)).toMatchObject({
    conversation_id: conversation,
    title: 'fruit',
    metadata: { a: 1 },
    state: 'closed',
  });

  await there.createSession({ resume_session_id: id });
  const said = await to.recall(id);
  expect(said).toMatch(/banana/);
  expect(said).not.toMatch(/apple/);
  expect((await to.historyOf(id, `?conversation_id=${id}`)).messages[0]).toMatchObject({ type: 'user' });

  expect(await imported(text, cwdHere())).toMatchObject({ status: 409, body: { code: 'import_taken' } });
  await there.call('DELETE', `/sessions/${id}?erase=true`);
  expect((await imported(text, cwdHere())).status).toBe(200);
});

test('a session that works is not exported', async () => {
  const { session_id: id } = await here.createSession();
  const sent = here.send(id, 'run touch asked.txt');
  await expect.poll(async () => (await here.status(id)).state).toBe('waiting');
  const refused = await here.call('GET', `/sessions/${id}/export`);
  expect(refused).toMatchObject({ status: 409, body: { code: 'export_busy' } });
  await here.call('POST', `/sessions/${id}/interrupt`);
  await sent;
});

test('what is no export, or may not run here, is refused and keeps nothing', async () => {
  const { session_id: id } = await here.createSession();
  await here.send(id, 'say apple');
  const [head = '', ...rest] = (await exported(id)).trimEnd().split('\n');
  const changed = (set: Record<string, unknown>): string =>
    [JSON.stringify({ ...JSON.parse(head), ...set }), ...rest].join('\n');
  const [inRoot] = changed({ cwd: there.root }).split('\n');
  const outside = mkdtempSync(join(tmpdir(), 'outside-'));
  const path = `${id}/../../evil`;
  const cases: [string, number, string][] = [
    ['', 422, 'body_missing'],
    ['{"kind":', 400, 'malformed_json'],
    [rest.join('\n'), 422, 'validation_failed'],
    [[inRoot, ...rest.slice(0, -3)].join('\n'), 422, 'validation_failed'],
    [
      [inRoot, JSON.stringify({ kind: 'file', conversation_id: id, path, text: '' })].join('\n'),
      422,
      'validation_failed',
    ],
    [changed({ cwd: outside }), 403, 'cwd_not_allowed'],
    [changed({ cwd: there.root, permission_mode: 'bypassPermissions' }), 403, 'permission_mode_forbidden'],
  ];
  for (const [text, status, code] of cases) {
    expect(await imported(text), code).toMatchObject({ status, body: { code } });
  }
  rmSync(outside, { recursive: true });
  expect((await there.call('GET', `/sessions/${id}`)).status).toBe(404);
});

test('a session whose export is larger than any other body is moved whole, and compressed too', async () => {
  const [from, to] = [
    await startTestServer({ config: { body_limit_bytes: 16_384 } }),
    await startTestServer({ config: { body_limit_bytes: 16_384 } }),
  ];
  try {
    const { session_id: id } = await from.createSession();
    for (let n = 0; n < 4; n++) await from.send(id, `say ${`word-${n} `.repeat(600)}`);
    // Longer than one part of a file.
    const beside = join(transcriptFolder(from, id), id);
    mkdirSync(beside);
    const long = 'é'.repeat(300_000);
    writeFileSync(join(beside, 'result.txt'), long);
    const text = await (await fetch(`${from.url}/sessions/${id}/export`)).text();
    expect(text.length).toBeGreaterThan(100_000);
    const query = `?cwd=${encodeURIComponent(to.root)}`;
    const post = (body: BodyInit, headers = {}) =>
      fetch(`${to.url}/sessions/import${query}`, { method: 'POST', body, headers });
    expect((await post(text)).status).toBe(200);
    expect(await conversationsOn(() => to).eventsOf(id)).toEqual(
      await conversationsOn(() => from).eventsOf(id),
    );
    const moved = transcriptFolder(to, id);
    expect(readFileSync(join(moved, id, 'result.txt'), 'utf8')).toBe(long);
    expect(readFileSync(join(moved, `${id}.jsonl`), 'utf8')).toBe(
      readFileSync(join(transcriptFolder(from, id), `${id}.jsonl`), 'utf8'),
    );
    await to.call('DELETE', `/sessions/${id}?erase=true`);
    for (const [encoding, pack] of [['gzip', gzipSync] as const, ['zstd', zstdCompressSync] as const]) {
      expect((await post(pack(text), { 'content-encoding': encoding })).status).toBe(200);
      await to.call('DELETE', `/sessions/${id}?erase=true`);
    }
    for (const damaged of ['x', gzipSync(text).subarray(0, 2_000)]) {
      const refused = await post(damaged, { 'content-encoding': 'gzip' });
      expect(await refused.json()).toMatchObject({ code: 'malformed_body' });
    }
    // Refused for its first line, with most of it unread.
    const large = text.replace('"format":1', '"format":2').padEnd(3_000_000, ' ');
    expect(await (await post(large)).json()).toMatchObject({ code: 'validation_failed' });
    expect(await (await post(text, { 'content-encoding': 'rot13' })).json()).toMatchObject({
      code: 'encoding_unknown',
    });
  } finally {
    await Promise.all([cleanUp(from), cleanUp(to)]);
  }
});

/** The folder in which a session's agent keeps its transcript. */
const transcriptFolder = (server: TestServer, id: string): string => {
  const projects = join(server.userHome, '.claude', 'projects');
  const found = readdirSync(projects).find((name) => existsSync(join(projects, name, `${id}.jsonl`)));
  return join(projects, found ?? '');
};
