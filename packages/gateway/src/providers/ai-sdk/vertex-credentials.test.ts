import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkStream } from '../../testing/check-stream.ts';
import { dialectFixtures } from '../../testing/dialects.ts';
import { post, type RunningGateway, readEvents, startGateway } from '../../testing/gateway.ts';
import { type FakeUpstream, sendJson, startUpstream } from '../../testing/upstream.ts';

// Vertex with Google's own credentials: google-auth-library exchanges a workload's token for an access token at an
// address that the credentials file names, here on loopback.

const usage = { input: 1_000, cached: 600, output: 50 };
const turn = {
  thinking: 'Hm',
  text: 'Hello',
  tools: [{ id: 'toolu_aaaaaaaaaaaa', name: 'Read', input: { path: '/a' } }],
  usage,
};
const fixture = (name: string) => {
  const found = dialectFixtures.find((candidate) => candidate.name === name);
  if (!found) throw new Error(`no fixture for ${name}`);
  return found;
};

let folder: string;
let upstream: FakeUpstream;
let running: RunningGateway;
let exchange: { status: number; body: object };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vertex-credentials-'));
  upstream = await startUpstream((request, response) => {
    if (request.path === '/token') return sendJson(response, exchange.status, exchange.body);
    const spoken = fixture(request.path.includes('anthropic') ? 'anthropic' : 'google-vertex');
    response.writeHead(200, { 'content-type': spoken.contentType });
    response.end(spoken.stream(turn));
    return undefined;
  });
  writeFileSync(join(folder, 'workload-token'), 'who-i-am');
  const credentials = {
    type: 'external_account',
    audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    token_url: `${upstream.url}/token`,
    credential_source: { file: join(folder, 'workload-token') },
  };
  writeFileSync(join(folder, 'credentials.json'), JSON.stringify(credentials));
  const claude = {
    api: 'google-vertex-anthropic',
    base_url: `${upstream.url}/publishers/anthropic/models`,
  } as const;
  running = await startGateway(
    {
      providers: {
        stranger: claude,
        claude,
        gemini: { api: 'google-vertex', base_url: `${upstream.url}/publishers/google` },
      },
      retries: 0,
    },
    {
      env: {
        GOOGLE_APPLICATION_CREDENTIALS: join(folder, 'credentials.json'),
        GOOGLE_VERTEX_PROJECT: 'my-project',
        GOOGLE_VERTEX_LOCATION: 'europe-west1',
      },
    },
  );
});
afterAll(async () => {
  await running.close();
  await upstream.close();
  rmSync(folder, { recursive: true });
});

const ask = (model: string) =>
  post(running.url, {
    model,
    max_tokens: 500,
    stream: true,
    messages: [{ role: 'user', content: 'Go' }],
    tools: [{ name: 'Read', input_schema: { type: 'object', properties: {} } }],
  });

test('credentials that Google refuses are reported before anything is sent', async () => {
  exchange = { status: 400, body: { error: 'invalid_grant', error_description: 'this workload is unknown' } };
  upstream.seen.length = 0;
  const response = await ask('stranger/claude-x');
  // No client tries it again: the credentials stay what they are.
  expect(response.status).toBe(401);
  expect(response.headers.get('x-should-retry')).toBe('false');
  expect(await response.text()).toContain('this workload is unknown');
  expect(upstream.seen.map(({ path }) => path)).toEqual(['/token']);
});

test.each([
  ['claude/claude-x', '/publishers/anthropic/models/claude-x:streamRawPredict'],
  ['gemini/gemini-x', '/publishers/google/models/gemini-x:streamGenerateContent'],
])('%s answers with an access token of its own', async (model, path) => {
  exchange = {
    status: 200,
    body: {
      access_token: 'the-access-token',
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: 'Bearer',
      expires_in: 3_600,
    },
  };
  upstream.seen.length = 0;
  for (let at = 0; at < 2; at += 1) {
    const response = await ask(model);
    const events = readEvents(await response.text());
    expect(checkStream(events)).toEqual([]);
    expect(events).toContainEqual(
      expect.objectContaining({ content_block: expect.objectContaining({ name: 'Read' }) }),
    );
    expect(events.find((event) => event.type === 'message_delta')).toMatchObject({
      usage: { input_tokens: 400, cache_read_input_tokens: 600, output_tokens: 50 },
    });
  }
  const [first, ...rest] = upstream.seen;
  expect(first?.text).toContain('subject_token=who-i-am');
  // One token serves the requests that follow.
  const asked = rest.filter((request) => request.path !== '/token');
  expect(rest).toHaveLength(asked.length);
  for (const request of asked) {
    expect(request.path.split('?')[0]).toBe(path);
    expect(request.headers.authorization).toBe('Bearer the-access-token');
  }
});
