import { Usage } from 'claude-agent-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { script } from './support/api.ts';
import { at, type Calls, callsOver } from './support/calls.ts';
import { recordModelCalls } from './support/model-calls.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';
import { direct, TRANSPORTS, type Transport } from './support/transports.ts';

let server: TestServer;
let api: Transport;
let calls: Calls;
/** For tests that leave it idle. */
let shared: string;
const model = recordModelCalls();
beforeAll(async () => {
  server = await startTestServer({ model: model.options });
  api = direct(server);
  calls = callsOver(api);
  shared = (await calls.create()).session_id;
});
afterAll(() => cleanUp(server));
describe.each(TRANSPORTS)('$way', ({ over }) => {
  const call: Transport['call'] = (...args) => over(server).call(...args);

  describe('GET /health', () => {
    test('says that it is healthy, and how many sessions are open', async () => {
      const { status: code, body } = await call('GET', '/health');
      expect(code).toBe(200);
      expect(body).toEqual({
        status: 'healthy',
        active_sessions: expect.any(Number),
        timestamp: expect.stringMatching(/Z$/),
      });
      expect(body.active_sessions).toBeGreaterThan(0);
      expect(Math.abs(Date.parse(String(body.timestamp)) - Date.now())).toBeLessThan(60_000);
    });
  });
});

test('GET /sessions/{id}/usage sums up one session, GET /usage all of them', async () => {
  const usageOf = async (id: string): Promise<Usage> =>
    Usage.parse((await api.call('GET', '/sessions/{session_id}/usage', at(id))).body);
  const total = async (): Promise<Usage> => Usage.parse((await api.call('GET', '/usage')).body);
  const before = await total();
  const [a, b] = await Promise.all([calls.create({ model: 'model-a' }), calls.create({ model: 'model-b' })]);
  expect(await usageOf(a.session_id)).toMatchObject({ turns: 0, input_tokens: 0, cost_usd: 0, by_model: {} });

  const usage = { input_tokens: 100, output_tokens: 7 };
  await calls.send(a.session_id, script({ say: 'one', usage }));
  await calls.send(a.session_id, script({ say: 'two', usage }));
  await calls.send(b.session_id, script({ say: 'three', usage }));
  const [ofA, ofB, after] = [await usageOf(a.session_id), await usageOf(b.session_id), await total()];
  expect(ofA).toMatchObject({ turns: 2, input_tokens: 200, output_tokens: 14 });
  expect(Object.keys(ofA.by_model)).toEqual(['model-a']);
  expect(ofB).toMatchObject({ turns: 1, input_tokens: 100, output_tokens: 7 });
  expect(after.turns - before.turns).toBe(3);
  expect(after.input_tokens - before.input_tokens).toBe(300);

  // What was spent stays known when the session is closed.
  await Promise.all([a, b].map(({ session_id }) => calls.close(session_id)));
  expect(await usageOf(a.session_id)).toEqual(ofA);
  expect(await total()).toEqual(after);
});

test('GET /ping is Healthy, or HealthyBusy while a turn runs', async () => {
  const ping = async () => (await api.call('GET', '/ping')).body;
  expect(await ping()).toEqual({ status: 'Healthy', time_of_last_update: expect.any(Number) });
  const running = calls.send(shared, script({ hold: 'busy', say: 'done' }));
  await server.demo.model.gates.reached('busy');
  expect(await ping()).toMatchObject({ status: 'HealthyBusy' });
  server.demo.model.gates.release('busy');
  await running;
  expect(await ping()).toMatchObject({ status: 'Healthy' });
});

test('GET /ready says that the server accepts work', async () => {
  expect(await api.call('GET', '/ready')).toMatchObject({ status: 200, body: { status: 'ready' } });
});
