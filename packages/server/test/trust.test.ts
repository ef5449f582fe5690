import { randomUUID } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CAN_SEE_PROCESSES } from './support/agents.ts';
import { firstFrame, script } from './support/api.ts';
import { ERRANDS, type HostileProject, makeHostileProject, WAYS } from './support/hostile-project.ts';
import { recordModelCalls } from './support/model-calls.ts';
import { IN_SANDBOX } from './support/sandbox.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

// What a folder brings: read, perhaps, but not run, unless the session trusts it and the configuration lets it.

let server: TestServer;
let elsewhere: Server;
let strayed = 0;
const model = recordModelCalls();

beforeAll(async () => {
  elsewhere = createServer((_, response) => {
    strayed++;
    response.writeHead(400).end('{}');
  });
  await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
  server = await startTestServer({ model: model.options, config: { allow_trust_project: true } });
});
afterAll(async () => {
  await cleanUp(server);
  elsewhere.close();
});

const elsewhereUrl = (): string => `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;

/** Does the errands in a project; gives what the model was sent meanwhile. */
async function visit(project: HostileProject, options: Record<string, unknown> = {}): Promise<string> {
  const before = model.all.length;
  const { session_id } = await server.createSession({ cwd: project.folder, ...options });
  for (const errand of ERRANDS) await server.send(session_id, errand);
  await server.call('DELETE', `/sessions/${session_id}`);
  return JSON.stringify(model.all.slice(before));
}

describe('an untrusted folder', () => {
  let project: HostileProject;
  let sent: string;
  beforeAll(async () => {
    project = makeHostileProject(join(server.root, 'cloned'), elsewhereUrl());
    sent = await visit(project);
  });

  test.each(WAYS)('runs nothing: %s', (way) => {
    expect(project.taken()).not.toContain(way);
  });

  test('redirects nothing', () => {
    expect(strayed).toBe(0);
    expect(sent).toContain('hello');
  });

  test('allows nothing', async () => {
    const { session_id, permission_mode } = await server.createSession({ cwd: project.folder });
    expect(permission_mode).toBe('default');
    const turn = server.send(session_id, '$ touch by-rule');
    const seen = server.stream(`/sessions/${session_id}/events?after=0`);
    for await (const { event } of seen) if (event === 'permission.requested') break;
    expect((await server.status(session_id)).state).toBe('waiting');
    await server.call('POST', `/sessions/${session_id}/interrupt`);
    await turn;
  });

  test('brings its instructions, with imports from the folder but not from outside it', () => {
    expect(sent).toMatch(/ORCHID/);
    expect(sent).toMatch(/TULIP/);
    expect(sent).not.toMatch(/NETTLE/);
  });

  test('brings no skills, which could run programs, and no instructions where none are wanted', async () => {
    expect(sent).not.toMatch(/LARKSPUR/);
    expect(await visit(project, { setting_sources: ['user'] })).not.toMatch(/ORCHID/);
    expect(project.taken()).toEqual([]);
  });
});

test.each(['CLAUDE.md', '.claude/CLAUDE.md', '.claude/rules/rule.md'])(
  'a folder whose instructions are links to other files brings none: %s',
  async (name) => {
    const folder = join(server.root, `linked-${name.replaceAll(/\W/g, '-')}`);
    const outside = join(server.root, `${folder.split('/').at(-1)}-outside`);
    mkdirSync(join(folder, '.claude', 'rules'), { recursive: true });
    mkdirSync(outside);
    writeFileSync(join(outside, 'secret.md'), 'NETTLE');
    symlinkSync(join(outside, 'secret.md'), join(folder, name));
    const before = model.all.length;
    const { session_id } = await server.createSession({ cwd: folder });
    await server.send(session_id, 'say hello');
    expect(JSON.stringify(model.all.slice(before)).includes('NETTLE')).toBe(false);
  },
);

test('a trusted folder may do all of it', async () => {
  const project = makeHostileProject(join(server.root, 'own'));
  const sent = await visit(project, { trust_project: true });
  expect(project.taken()).toEqual([...WAYS]);
  expect(sent).toMatch(/LARKSPUR/);
});

test('not even a trusted folder redirects a proxied session', async () => {
  const project = makeHostileProject(join(server.root, 'own-elsewhere'), elsewhereUrl());
  const { session_id } = await server.createSession({
    cwd: project.folder,
    trust_project: true,
    enable_proxy: true,
    model: 'demo',
  });
  expect(await server.send(session_id, 'say hello')).toMatchObject({ is_error: false });
  expect(strayed).toBe(0);
});

test('an agent cannot send work to another session', async () => {
  const title = `other-${randomUUID()}`;
  const other = await server.createSession({ title });
  await server.send(other.session_id, 'say hello');
  const { session_id } = await server.createSession();
  const input = { to: title, summary: 'work', message: 'say PEONY' };
  await server.send(session_id, script({ tools: [{ name: 'SendMessage', input }] }, { say: '{{result}}' }));
  // The agent is told what came of its message, in a turn of its own; in a sandbox at once, because it sees no other agent.
  const refusal = IN_SANDBOX ? /No agent named .* is reachable/ : /was refused/;
  await firstFrame(
    server.stream(`/sessions/${session_id}/events?after=0`),
    ({ data }) => data.type === 'agent.message' && refusal.test(JSON.stringify(data)),
  );
  const path = `/sessions/${other.session_id}/events?after=0&limit=1000`;
  const { body } = await server.call('GET', path, undefined, { headers: { accept: 'application/json' } });
  expect(JSON.stringify(body).includes('PEONY')).toBe(false);
});

describe('the folder of a session', () => {
  /** A session with its own folder, whose agent has ended. */
  const asleep = async (name: string, options: Record<string, unknown> = {}) => {
    const cwd = join(server.root, name);
    mkdirSync(cwd);
    const { session_id } = await server.createSession({ cwd, ...options });
    await server.call('DELETE', `/sessions/${session_id}`);
    return { cwd, resume: () => server.call('POST', '/sessions', { resume_session_id: session_id }) };
  };

  test('that is gone is reported, and the session continues when it is back', async () => {
    const { cwd, resume } = await asleep('gone');
    renameSync(cwd, `${cwd}-away`);
    expect(await resume()).toMatchObject({
      status: 409,
      body: { code: 'cwd_gone', detail: expect.stringContaining(cwd) },
    });
    renameSync(`${cwd}-away`, cwd);
    expect(await resume()).toMatchObject({ status: 200 });
  });

  test('that was replaced by a link is not followed', async () => {
    const { cwd, resume } = await asleep('swapped');
    rmSync(cwd, { recursive: true });
    symlinkSync(server.home, cwd);
    expect(await resume()).toMatchObject({ status: 403, body: { code: 'cwd_not_allowed' } });
    rmSync(cwd);
    mkdirSync(`${cwd}-real`);
    symlinkSync(`${cwd}-real`, cwd);
    expect(await resume()).toMatchObject({ status: 409, body: { code: 'cwd_gone' } });
  });

  test('outside the current roots, or with options that are no longer allowed, refuses messages', async () => {
    const cwd = join(server.root, 'trusted');
    mkdirSync(cwd);
    // None of them gets as far as an agent.
    const start = 'lazy';
    const trusted = await server.createSession({ cwd: server.root, trust_project: true, start });
    const plain = await server.createSession({ cwd: server.root, start });
    const unasked = await server.createSession({ cwd, allowed_tools: ['Bash'], start });
    await server.stop();
    // The same home, with the folder below as its only root, and another configuration.
    const narrowed = await startTestServer({
      on: { ...server, root: cwd },
      config: { allow_unasked_tools: ['Write'], allow_commands: false },
    });
    const send = (id: string) => narrowed.call('POST', `/sessions/${id}/messages`, { message: 'say hello' });
    expect(await send(plain.session_id)).toMatchObject({ status: 403, body: { code: 'cwd_not_allowed' } });
    expect(await send(trusted.session_id)).toMatchObject({
      status: 403,
      body: { code: 'trust_forbidden' },
    });
    expect((await narrowed.status(plain.session_id)).message_count).toBe(0);
    expect(await send(unasked.session_id)).toMatchObject({
      status: 403,
      body: { code: 'unasked_not_allowed' },
    });
    const refused = async (options: Record<string, unknown>, code: string): Promise<void> =>
      expect(await narrowed.call('POST', '/sessions', options)).toMatchObject({
        status: 403,
        body: { code },
      });
    await refused({ trust_project: true }, 'trust_forbidden');
    await refused({ allowed_tools: ['Bash'] }, 'unasked_not_allowed');
    await refused({ mcp_servers: { box: { command: 'sh' } } }, 'unasked_not_allowed');
    await refused({ permission_mode: 'auto' }, 'unasked_not_allowed');
    expect((await narrowed.createSession({ allowed_tools: ['Read', 'Write'] })).status).toBe('connected');
    await narrowed.stop();
    server = await startTestServer({ on: server, config: { allow_trust_project: true } });
  });
});

describe.skipIf(!CAN_SEE_PROCESSES)('without a key, an agent cannot answer for its user', () => {
  /** Runs a command that a human allows; gives what it printed. */
  async function run(command: string): Promise<string> {
    const { session_id } = await server.createSession();
    const turn = server.send(
      session_id,
      script({ tools: [{ name: 'Bash', input: { command, description: 'call' } }] }, { say: '{{result}}' }),
    );
    const events = server.stream(`/sessions/${session_id}/events?after=0`);
    const { data } = await firstFrame(events, ({ event }) => event === 'permission.requested');
    const answer = { request_id: data.data.request_id, allowed: true };
    await server.call('POST', `/sessions/${session_id}/permissions/respond`, answer);
    return JSON.stringify((await turn).messages);
  }
  const node = (code: string): string => `${process.execPath} -e '${code}'`;
  const post = (path: string): string => {
    const request = `{ method: "POST", body: "{}" }`;
    return node(`fetch("${server.url}${path}", ${request}).then((r) => r.text()).then(console.log)`);
  };

  test('its commands are refused, whatever they try', async () => {
    expect(await run(post('/sessions'))).toContain('agent_not_allowed');
    expect(await run(post('/invocations'))).toContain('agent_not_allowed');
    expect(await run(post('/v1/messages'))).toContain('comes from an agent of this server');
  });

  test('a command that hides its environment, or its parents too, is still recognised', async () => {
    expect(await run(`env -i ${post('/sessions')}; true`)).toContain('agent_not_allowed');
    const parentless = `(env -i setsid ${post('/sessions')} > answer.txt &); until [ -s answer.txt ]; do :; done`;
    expect(await run(`${parentless}; cat answer.txt`)).toContain('agent_not_allowed');
  });

  test('a request that does not wait for its answer has no effect', async () => {
    const { session_id } = await server.createSession();
    const { hostname, port } = new URL(server.url);
    const request = `DELETE /sessions/${session_id} HTTP/1.1\\r\\nHost: ${hostname}\\r\\n\\r\\n`;
    await run(`exec 3<>/dev/tcp/${hostname}/${port}; printf '${request}' >&3`);
    // Answered after the request above was refused: a call on a new connection is looked at later.
    await fetch(`${server.url}/sessions`, { method: 'POST', headers: { connection: 'close' } });
    expect((await server.status(session_id)).status).toBe('connected');
  });
});
