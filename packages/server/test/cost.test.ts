import type { TurnResult, Usage } from 'claude-agent-protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { processesOf } from './support/agents.ts';
import { firstFrame, script } from './support/api.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

/** A model whose price the agent itself knows: the calls go straight to the model, and the agent counts. */
const MODEL = 'claude-sonnet-4-5';
const usage = { input_tokens: 1_000, output_tokens: 100 };
/** At $3 and $15 for a million. */
const CALL = 0.0045;
const say = (text: string): string => script({ say: text, usage });
/** A tool call, and then an answer that waits. */
const heldAt = (gate: string): string =>
  script(
    { tools: [{ name: 'Read', input: { file_path: 'missing.txt' } }], usage },
    { hold: gate, say: 'x', usage },
  );

let server: TestServer;
let modelCalls = 0;

beforeAll(async () => {
  server = await startTestServer({
    env: { ANTHROPIC_MODEL: MODEL },
    model: {
      onRequest({ path }) {
        if (path === '/v1/messages') modelCalls++;
      },
    },
  });
});
afterAll(() => cleanUp(server));

const restart = async (stop: (old: TestServer) => Promise<unknown>): Promise<void> => {
  await stop(server);
  server = await startTestServer({ on: server, env: { ANTHROPIC_MODEL: MODEL } });
};
const accountOf = async (id: string): Promise<Usage> =>
  (await server.call<Usage>('GET', `/sessions/${id}/usage`)).body;
const kill = (id: string): boolean => process.kill(processesOf(id)[0]?.pid ?? 0, 'SIGKILL');

/** Many processes start and end here, which takes a busy machine its time. */
const PATIENT = 120_000;

test(
  'each turn costs what it costs, however often the agent ended in between, and in whatever way',
  async () => {
    const { session_id: id } = await server.createSession();
    const costs: number[] = [];
    const turn = async (text: string): Promise<void> => {
      costs.push((await server.send(id, text)).cost_usd);
    };
    await turn(say('one'));
    await turn(say('two'));
    await restart((old) => old.stop());
    await turn(say('three'));
    await turn(say('four'));
    // No totals are saved at this end: the next process goes on from those of the end before.
    kill(id);
    await expect.poll(async () => (await server.status(id)).state).toBe('asleep');
    await turn(say('five'));
    await restart((old) => old.kill());
    await turn(say('six'));
    await restart((old) => old.stop());
    await turn(say('seven'));
    await turn('/clear');
    await turn(say('eight'));
    expect(costs).toEqual(
      [CALL, CALL, CALL, CALL, CALL, CALL, CALL, 0, CALL].map((cost) => expect.closeTo(cost, 9)),
    );
    const account = await accountOf(id);
    expect(account).toMatchObject({ input_tokens: 8_000, output_tokens: 800 });
    expect(account.cost_usd).toBeCloseTo(8 * CALL, 9);
  },
  PATIENT,
);

test(
  'a copy of a session pays for its own turns only',
  async () => {
    const { session_id: id } = await server.createSession();
    await server.send(id, say('one'));
    const { body: fork } = await server.call<{ session_id: string }>('POST', `/sessions/${id}/fork`, {});
    const { cost_usd } = await server.send(fork.session_id, say('two'));
    expect(cost_usd).toBeCloseTo(CALL, 9);
    expect((await accountOf(fork.session_id)).cost_usd).toBeCloseTo(CALL, 9);
  },
  PATIENT,
);

test(
  'a new process gets what is left of the budget, and none when nothing is',
  async () => {
    const { session_id: id } = await server.createSession({ max_budget_usd: 3.5 * CALL });
    expect(await server.send(id, say('one'))).toMatchObject({ is_error: false });
    expect(await server.send(id, say('two'))).toMatchObject({ is_error: false });
    await restart((old) => old.stop());
    // Two calls: the first is paid for, the second goes over what is left.
    const over = await server.send(
      id,
      script({ tools: [{ name: 'Read', input: { file_path: 'x' } }], usage }, { say: 'y', usage }),
    );
    expect(over).toMatchObject({ is_error: true, error: { code: 'error_max_budget_usd' } });
    expect(over.cost_usd).toBeCloseTo(2 * CALL, 9);
    await restart((old) => old.stop());
    modelCalls = 0;
    const refused = await server.send(id, say('never'));
    expect(refused.error).toEqual({
      code: 'error_max_budget_usd',
      message: 'The budget of this session is spent: $0.0180 of $0.02.',
    });
    expect(modelCalls).toBe(0);
  },
  PATIENT,
);

test(
  'what was reported before a turn is cut is in its result and in the account, once',
  async () => {
    const begun = async (gate: string) => {
      const { session_id: id } = await server.createSession();
      await server.send(id, say('first'));
      const events = await server.openStream(`/sessions/${id}/events`);
      const answer = server.send(id, heldAt(gate)).catch((error: unknown) => error as TurnResult);
      let calls = 0;
      // The replay has no deltas: the second call of this turn has begun, and told of its input.
      await firstFrame(events, ({ event, data }) => {
        if (event === 'agent.delta' && data.data.event?.type === 'message_start') calls++;
        return calls === 2;
      });
      return { id, answer };
    };
    const deleted = await begun('deleted');
    await server.call('DELETE', `/sessions/${deleted.id}`);
    const killed = await begun('killed');
    kill(killed.id);
    const stopped = await begun('stopped');
    await server.call('POST', `/sessions/${stopped.id}/interrupt`, {});
    const orphaned = await begun('orphaned');

    // One whole call, and the input of the one that was under way.
    for (const { id, answer } of [deleted, killed, stopped]) {
      const { cost_usd } = await answer;
      expect(cost_usd).toBeGreaterThanOrEqual(CALL + 0.003);
      expect(cost_usd).toBeLessThan(2 * CALL);
      const { input_tokens, cost_usd: all } = await accountOf(id);
      expect(input_tokens).toBe(3_000);
      expect(all).toBeCloseTo(CALL + cost_usd, 9);
    }
    for (const { id } of [killed, stopped]) {
      expect((await server.send(id, say('next'))).cost_usd).toBeCloseTo(CALL, 9);
    }
    await restart((old) => old.kill());
    const { body } = await server.call<{ turns: { result: TurnResult }[] }>(
      'GET',
      `/sessions/${orphaned.id}/turns`,
    );
    // The log has whole messages only: not yet the call that was under way.
    expect(body.turns[1]?.result.usage).toMatchObject({ input_tokens: 1_000 });
    expect(body.turns[1]?.result.cost_usd).toBeGreaterThanOrEqual(0.003);
    expect((await accountOf(orphaned.id)).input_tokens).toBe(2_000);
    expect((await server.send(orphaned.id, say('next'))).cost_usd).toBeCloseTo(CALL, 9);
  },
  PATIENT,
);

test('the token of a session opens the gateway while its process lives', async () => {
  const { session_id: id } = await server.createSession({ model: 'demo', enable_proxy: true });
  const tokenOf = (): string => processesOf(id)[0]?.env.ANTHROPIC_API_KEY ?? '';
  const ask = async (token: string): Promise<number> => {
    const body = { model: 'demo', max_tokens: 9, messages: [{ role: 'user', content: 'say hi' }] };
    return (await server.call('POST', '/v1/messages', body, { headers: { 'x-api-key': token } })).status;
  };
  const old = tokenOf();
  expect(await ask(old)).toBe(200);
  kill(id);
  await expect.poll(async () => (await server.status(id)).state).toBe('asleep');
  expect(await ask(old)).toBe(401);
  await server.send(id, 'say next');
  const next = tokenOf();
  expect([await ask(old), await ask(next)]).toEqual([401, 200]);
  await server.call('DELETE', `/sessions/${id}`);
  expect(await ask(next)).toBe(401);
});
