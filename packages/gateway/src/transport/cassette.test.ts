import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { dialectFixtures, type Turn } from '../testing/dialects.ts';
import { post, startGateway } from '../testing/gateway.ts';
import { startUpstream } from '../testing/upstream.ts';
import { readCassette, recordTransport, replayTransport } from './cassette.ts';
import { createTransport } from './undici.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const turn: Turn = {
  text: 'Hello there',
  tools: [{ id: 'toolcall_aaaaaaaaaaaa', name: 'Read', input: { path: '/a' } }],
  usage: { input: 50, cached: 0, output: 5 },
};

test.each(dialectFixtures.map((fixture) => [fixture.name, fixture] as const))(
  'a recording of %s is replayed without key or upstream, and contains no key',
  async (_, fixture) => {
    const folder = mkdtempSync(join(tmpdir(), 'cassette-'));
    closers.push(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'tape.jsonl');
    const upstream = await startUpstream((request, response) => {
      // The key is not recorded even when the upstream echoes it.
      response.writeHead(200, {
        'content-type': fixture.contentType,
        'x-echo': request.headers.authorization ?? '',
      });
      response.end(fixture.stream(turn));
    });
    const transport = createTransport();
    const providers = { up: { ...fixture.provider(upstream.url), api_key: 'sk-very-secret-key' } };
    const recording = await startGateway({ providers }, { transport: recordTransport(transport.send, file) });
    closers.push(upstream.close, transport.close, recording.close);
    const body = {
      model: 'up/m',
      max_tokens: 100,
      stream: true,
      system: 'Today is 2026-01-02 in /home/a.',
      messages: [{ role: 'user', content: 'Hi' }],
      metadata: { user_id: '{"session_id":"one"}' },
    };
    const first = await (await post(recording.url, body)).text();
    expect(readFileSync(file, 'utf8')).not.toContain('sk-very-secret-key');

    const { api_key: _key, base_url, ...rest } = fixture.provider('http://nowhere.invalid');
    const replaying = await startGateway(
      { providers: { up: { ...rest, ...(base_url ? { base_url } : {}) } } },
      { transport: replayTransport(readCassette(file)), keyless: true },
    );
    closers.push(replaying.close);
    const again = {
      ...body,
      system: 'Today is 2026-03-04 in /home/b.',
      metadata: { user_id: '{"session_id":"two"}' },
    };
    const second = await (await post(replaying.url, again)).text();
    const plain = (text: string) => text.replaceAll(/"id":"msg_[^"]+"/g, '');
    expect(plain(second)).toBe(plain(first));

    const other = await post(replaying.url, { ...body, messages: [{ role: 'user', content: 'Bye' }] });
    expect(other.status).toBe(400);
    expect(await other.text()).toMatch(/cassette has no answer to this request.*Bye.*Hi/s);
  },
);
