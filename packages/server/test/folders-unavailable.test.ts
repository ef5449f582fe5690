/** Folders that cannot be had: a clear 409, nothing is lost, and the same request works when that is over. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Session } from 'claude-agent-protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';
import { git, noise } from './support/workspaces.ts';

let server: TestServer;
let origin: string;
let objects: string;
beforeAll(async () => {
  server = await startTestServer({ config: { workspaces: { max_bytes: 200_000 } } });
  objects = join(server.home, 'objects');
  origin = join(server.root, 'origin');
  mkdirSync(origin);
  git(origin, 'init', '-q', '-b', 'main');
  writeFileSync(join(origin, 'a.txt'), 'one\n');
  git(origin, 'add', '-A');
  git(origin, 'commit', '-q', '-m', 'first');
}, 60_000);
afterAll(() => cleanUp(server));

const workspace = () => ({ git: `file://${origin}` });
const create = (body: object = { workspace: workspace() }) =>
  server.createSession({ start: 'lazy', ...body });
const lose = (cwd: string): void => rmSync(dirname(cwd), { recursive: true });

/** Status and code of a request that fails. */
const refusal = async (path: string, body: object): Promise<string> => {
  const answer = await server.call('POST', path, body);
  return `${answer.status} ${answer.body.code}: ${answer.body.detail}`;
};
const messageTo = (id: string): Promise<string> => refusal(`/sessions/${id}/messages`, { message: 'say no' });

/** The session is as it was: open, without a turn of the refused message, and it goes on. */
const goesOn = async (id: string): Promise<void> => {
  const { body } = await server.call<Session>('GET', `/sessions/${id}`);
  expect([body.status, body.message_count]).toEqual(['connected', 0]);
  expect((await server.send(id, 'say yes')).is_error).toBe(false);
};

/** Does something while there is no object store. */
const withoutObjects = async <T>(work: () => Promise<T>): Promise<T> => {
  renameSync(objects, `${objects}-away`);
  writeFileSync(objects, '');
  try {
    return await work();
  } finally {
    rmSync(objects);
    renameSync(`${objects}-away`, objects);
  }
};

test('the folder of a session is not on this machine', async () => {
  const folder = join(server.root, 'mounted');
  mkdirSync(folder);
  const { session_id: id } = await create({ cwd: folder });
  renameSync(folder, `${folder}-away`);
  expect(await messageTo(id)).toMatch(/^409 cwd_gone: The session's folder .*mounted is gone/);
  // Something else at its place is not the folder either.
  symlinkSync(`${folder}-away`, folder);
  expect(await messageTo(id)).toMatch(/^409 cwd_gone: .*is now a link/);
  rmSync(folder);
  renameSync(`${folder}-away`, folder);
  await goesOn(id);
});

test('the repository is gone: no session; one that was made needs it no longer', async () => {
  const { session_id: id, cwd } = await create();
  renameSync(origin, `${origin}-away`);
  const before = readdirSync(join(objects, 'sessions'));
  expect(await refusal('/sessions', { workspace: workspace() })).toMatch(
    /^4(09 workspace_unavailable|22 cwd_not_found): /,
  );
  expect(readdirSync(join(objects, 'sessions'))).toEqual(before);
  lose(cwd);
  await goesOn(id);
  expect(readFileSync(join(cwd, 'a.txt'), 'utf8')).toBe('one\n');
  renameSync(`${origin}-away`, origin);
});

test('the object store is away', async () => {
  const { session_id: id, cwd } = await create();
  lose(cwd);
  await withoutObjects(async () => {
    expect(await messageTo(id)).toMatch(
      /^409 workspace_unavailable: .*cannot be restored: .*Nothing was lost/,
    );
    expect(await refusal('/sessions', { workspace: workspace() })).toMatch(
      /^409 workspace_unavailable: .*cannot be prepared: .*No session was created/,
    );
  });
  await goesOn(id);
  expect(existsSync(cwd)).toBe(true);
});

test('what was saved is missing: it goes on where the folder is, or when the object is back', async () => {
  const { session_id: id, cwd } = await create();
  const saved = join(objects, 'sessions', id);
  renameSync(saved, `${saved}-away`);
  const kept = `${dirname(cwd)}-away`;
  renameSync(dirname(cwd), kept);
  expect(await messageTo(id)).toMatch(/^409 workspace_unavailable: .*There is no object sessions\//);
  renameSync(kept, dirname(cwd));
  await goesOn(id);
  rmSync(`${saved}-away`, { recursive: true });
});

test('a snapshot is missing: 404, and no session', async () => {
  const unknown = '00000000-0000-4000-8000-000000000000';
  expect(await refusal('/sessions', { workspace: { snapshot: unknown } })).toMatch(/^404 snapshot_not_found/);
  const { session_id: id } = await create();
  const { body } = await server.call<{ snapshot_id: string }>('POST', `/sessions/${id}/snapshot`);
  const { session_id: copy, cwd } = await create({ workspace: { snapshot: body.snapshot_id } });
  expect((await server.call('DELETE', `/snapshots/${body.snapshot_id}`)).status).toBe(200);
  // The session has its own state of it.
  lose(cwd);
  await goesOn(copy);
});

test('the repository is too large: no session; a folder that grew too large stays, and is said not to be saved', async () => {
  const large = join(origin, 'large');
  const { session_id: id, cwd } = await create();
  writeFileSync(large, noise(300_000));
  git(origin, 'add', '-A');
  git(origin, 'commit', '-q', '-m', 'large');
  expect(await refusal('/sessions', { workspace: workspace() })).toMatch(
    /^409 workspace_too_large: The workspace is larger than 200000 bytes\. No session was created/,
  );
  writeFileSync(join(cwd, 'grown'), noise(300_000));
  expect(await refusal(`/sessions/${id}/snapshot`, {})).toMatch(/^409 workspace_too_large/);
  await goesOn(id);
  await server.call('DELETE', `/sessions/${id}`);
  const { body } = await server.call<Session>('GET', `/sessions/${id}`);
  expect(body.workspace?.problem).toMatchObject({ code: 'workspace_too_large' });
  expect(existsSync(join(cwd, 'grown'))).toBe(true);
});
