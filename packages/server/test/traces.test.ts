import { afterEach, describe, expect, test } from 'vitest';
import { dialectFixtures, type Turn } from '../../gateway/src/testing/dialects.ts';
import { type FakeUpstream, sendJson, startUpstream } from '../../gateway/src/testing/upstream.ts';
import { firstFrame, script } from './support/api.ts';
import { type OtlpReceiver, type ReceivedSpan, startOtlp } from './support/otlp.ts';
import { cleanUp, startTestServer, type TestServer } from './support/server.ts';

const dialect = dialectFixtures.find(({ name }) => name === 'openai-chat');
if (!dialect) throw new Error('the dialect is gone');

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const CALLER = 'b7ad6b7169203331';
const usage = { input: 100, cached: 0, output: 10 };

let server: TestServer | undefined;
let receiver: OtlpReceiver;
let upstream: FakeUpstream | undefined;
afterEach(async () => {
  await cleanUp(server);
  await upstream?.close();
  await receiver.close();
  server = undefined;
  upstream = undefined;
});

describe('with an OTLP endpoint', () => {
  test('one trace leads from the request through turn, tool, permission and subagent to the provider', async () => {
    receiver = await startOtlp();
    const main: Turn[] = [
      { tools: [{ id: 't1', name: 'Bash', input: { command: 'touch made', description: 'x' } }], usage },
      {
        tools: [
          {
            id: 't2',
            name: 'Agent',
            input: {
              description: 'sub',
              prompt: 'SUB-PROMPT',
              subagent_type: 'general-purpose',
              run_in_background: false,
            },
          },
        ],
        usage,
      },
      { text: 'SECRET-ANSWER', usage },
    ];
    const sub: Turn[] = [{ text: 'the subagent is done', usage }];
    upstream = await startUpstream((request, response) => {
      const turn = (request.text.includes('MAIN-PROMPT') ? main : sub).shift();
      if (!turn) return sendJson(response, 400, dialect.error('the script is over', 400));
      response.writeHead(200, { 'content-type': dialect.contentType });
      response.end(dialect.stream(turn));
      return undefined;
    });
    server = await startTestServer({
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
        OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
      },
      config: { gateway: { providers: { fake: dialect.provider(upstream.url) } } },
    });
    const { session_id: id } = await server.createSession({ model: 'fake/m', enable_proxy: true });
    const stream = await server.openStream(`/sessions/${id}/events`);
    const answer = server.call(
      'POST',
      `/sessions/${id}/messages`,
      { message: 'MAIN-PROMPT' },
      { headers: { traceparent: `00-${TRACE}-${CALLER}-01`, 'x-request-id': 'mine-1' } },
    );
    const { data } = await firstFrame(stream, ({ event }) => event === 'permission.requested');
    await server.call('POST', `/sessions/${id}/permissions/respond`, {
      request_id: data.data.request_id,
      allowed: true,
    });
    expect(await answer).toMatchObject({ status: 200, body: { is_error: false } });
    await server.stop();

    expect(receiver.resource).toMatchObject({
      'service.name': 'claude-agent-server',
      'deployment.environment.name': 'test',
    });
    const spans = receiver.spans.filter(({ traceId }) => traceId === TRACE);
    const named = (name: string): ReceivedSpan => {
      const [span, ...others] = spans.filter((each) => each.name === name);
      expect(others, name).toEqual([]);
      if (!span) throw new Error(`no span ${name} among ${spans.map((each) => each.name).join(', ')}`);
      return span;
    };
    const request = named('POST /sessions/{session_id}/messages');
    expect(request).toMatchObject({
      parentSpanId: CALLER,
      kind: 2,
      attributes: {
        'http.route': '/sessions/{session_id}/messages',
        'http.response.status_code': 200,
        'claude_agent.request_id': 'mine-1',
      },
    });
    const turn = named('invoke_agent claude-code');
    expect(turn).toMatchObject({
      parentSpanId: request.spanId,
      attributes: {
        'gen_ai.operation.name': 'invoke_agent',
        'gen_ai.conversation.id': id,
        'claude_agent.request_id': 'mine-1',
        'claude_agent.result': 'completed',
      },
    });
    const tool = named('execute_tool Bash');
    expect(tool).toMatchObject({
      parentSpanId: turn.spanId,
      attributes: { 'gen_ai.tool.call.id': expect.stringMatching(/^toolu_/) },
    });
    expect(named('permission Bash')).toMatchObject({
      parentSpanId: tool.spanId,
      attributes: { 'claude_agent.permission.state': 'allowed' },
    });
    const subagent = named('invoke_agent general-purpose');
    expect(subagent.parentSpanId).toBe(turn.spanId);

    // Each model call: the agent's request to the gateway, and in it the call to the provider.
    const calls = spans.filter(({ name }) => name === 'chat fake/m');
    const inbound = spans.filter(({ name }) => name === 'POST /v1/messages');
    expect(calls).toHaveLength(4);
    expect(calls.map(({ parentSpanId }) => parentSpanId).sort()).toEqual(
      inbound.map(({ spanId }) => spanId).sort(),
    );
    expect(inbound.map(({ parentSpanId }) => parentSpanId).sort()).toEqual(
      [turn.spanId, turn.spanId, turn.spanId, subagent.spanId].sort(),
    );
    expect(calls[0]).toMatchObject({
      kind: 3,
      attributes: {
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': 'fake',
        'gen_ai.response.model': 'm',
        'gen_ai.usage.input_tokens': expect.anything(),
      },
    });
    // The provider can continue the trace.
    expect(upstream.seen.map(({ headers }) => headers.traceparent).sort()).toEqual(
      calls.map(({ spanId }) => `00-${TRACE}-${spanId}-01`).sort(),
    );
    for (const { startTimeUnixNano, endTimeUnixNano, name } of spans) {
      expect(BigInt(endTimeUnixNano), name).toBeGreaterThanOrEqual(BigInt(startTimeUnixNano));
    }
    // What is said stays out of the traces.
    expect(receiver.text()).not.toMatch(/SECRET-ANSWER|MAIN-PROMPT|SUB-PROMPT|touch made/);
  });

  test('spans go out as protobuf unless the environment says JSON, and an absent receiver holds nothing up', async () => {
    receiver = await startOtlp();
    server = await startTestServer({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url } });
    const { session_id: id } = await server.createSession();
    await server.send(id, 'hello');
    await server.stop();
    expect(receiver.binary[0]?.type).toBe('application/x-protobuf');
    expect(receiver.binary[0]?.bytes.includes('invoke_agent claude-code')).toBe(true);

    server = await startTestServer({
      on: server,
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' },
    });
    await server.send(id, script({ say: 'again' }));
    const start = performance.now();
    expect(await server.stop()).toBe(0);
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});
