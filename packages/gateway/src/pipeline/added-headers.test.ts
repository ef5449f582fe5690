import { expect, test } from 'vitest';
import { createConfig } from '../config.ts';
import { createGateway } from '../gateway.ts';
import { dialectFixtures } from '../testing/dialects.ts';
import type { UpstreamRequest } from '../transport/transport.ts';
import type { UsageRecord } from './hooks.ts';

test.each(dialectFixtures.map((fixture) => [fixture.name, fixture] as const))(
  'what the host adds to a call reaches the provider with this call only: %s',
  async (name, fixture) => {
    const sent: UpstreamRequest[] = [];
    const records: UsageRecord[] = [];
    const asked: string[] = [];
    const gateway = createGateway({
      config: createConfig({ providers: { fake: fixture.provider('http://up.test') } }),
      async transport(request) {
        sent.push(request);
        const body = (async function* () {
          yield fixture.stream({ text: 'hello', usage: { input: 1, cached: 0, output: 1 } });
        })();
        return { status: 200, headers: { 'content-type': fixture.contentType }, body };
      },
      onCall({ request_id, model, headers }) {
        asked.push(request_id);
        expect(model).toBe('fake/m');
        return headers['x-first'] ? { traceparent: `of-${name}-1` } : undefined;
      },
      onUsage: (record) => void records.push(record),
    });
    const ask = async (headers: Record<string, string>): Promise<void> => {
      const body = {
        model: 'fake/m',
        max_tokens: 9,
        stream: true,
        messages: [{ role: 'user', content: 'x' }],
      };
      const request = { method: 'POST', headers, body: JSON.stringify(body) };
      const response = await gateway.fetch(new Request('http://gateway.test/v1/messages', request));
      expect({ status: response.status, text: await response.text() }).toMatchObject({ status: 200 });
    };
    await ask({ 'x-first': 'yes' });
    await ask({});
    // The packages of providers are kept for the next call, and its headers are others.
    expect(sent.map(({ headers }) => headers.traceparent)).toEqual([`of-${name}-1`, undefined]);
    await expect.poll(() => records.map(({ request_id }) => request_id)).toEqual(asked);
    gateway.close();
  },
);
