import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, test } from 'vitest';
import { lastWords, startStrict, strictProviders } from '../../gateway/src/testing/strict-upstreams.ts';
import { processesOf } from './support/agents.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

// Models that think between their calls, and whose providers refuse a conversation that comes back without the
// thoughts: the real agent keeps them over its calls, over turns and over its own death.

const files = ['one.txt', 'two.txt', 'three.txt'];
const upstreams = new Map<string, Awaited<ReturnType<typeof startStrict>>>();
let server: TestServer;

beforeAll(async () => {
  const script = files.map((path) => ({ name: 'Read', input: { file_path: path } }));
  const providers: Record<string, unknown> = {};
  for (const provider of strictProviders) {
    const upstream = await startStrict(provider, script, (text) => text.includes('MAIN-PROMPT'));
    upstreams.set(provider.id, upstream);
    const entry = { api: provider.api, base_url: upstream.url, api_key: 'k', models: provider.models };
    providers[provider.id] = entry;
  }
  server = await startTestServer({ config: { gateway: { providers, retries: 0, cool_down_seconds: 0 } } });
  for (const name of files) writeFileSync(join(server.root, name), `content of ${name}\n`);
});
afterAll(async () => {
  await cleanUp(server);
  for (const upstream of upstreams.values()) await upstream.close();
});

test.concurrent.for(strictProviders.map((provider) => [provider.name, provider] as const))(
  'the agent works on with %s: three calls, a second turn, and a third after its process died',
  async ([, { id, model }], { expect }) => {
    const { session_id } = await server.createSession({ model: `${id}/${model}`, enable_proxy: true });
    const first = await server.send(session_id, 'MAIN-PROMPT: read all three');
    expect(first.error).toBeNull();
    const kinds = first.messages.map((item) => (item.type === 'text' ? item.content : item.tool_name));
    expect(kinds).toEqual(['Read', 'Read', 'Read', lastWords]);
    const second = await server.send(session_id, 'MAIN-PROMPT: again');
    expect(second.messages).toEqual([{ type: 'text', content: lastWords }]);
    for (const { pid } of processesOf(session_id)) process.kill(pid, 'SIGKILL');
    const state = async () => (await server.call('GET', `/sessions/${session_id}/status`)).body.state;
    await expect.poll(state).toBe('asleep');
    const third = await server.send(session_id, 'MAIN-PROMPT: and after a resume');
    expect(third.messages).toEqual([{ type: 'text', content: lastWords }]);
    expect(upstreams.get(id)?.refusals).toEqual([]);
  },
);
