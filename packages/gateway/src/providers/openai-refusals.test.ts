import { afterEach, describe, expect, test } from 'vitest';
import { post, startGateway } from '../testing/gateway.ts';
import { type FakeAnswer, type SeenRequest, sendJson, startUpstream } from '../testing/upstream.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Refusal {
  message: string;
  param?: string;
  code?: string;
}
type Body = ReturnType<SeenRequest['json']>;

/** A provider that refuses what `refuse` says and answers the rest in its dialect. */
async function setUp(
  provider: string,
  api: 'openai-chat' | 'openai-responses',
  refuse: (body: Body) => Refusal | undefined,
) {
  const answer: FakeAnswer = (request, response) => {
    const error = refuse(request.json());
    if (error) return sendJson(response, 400, { error: { type: 'invalid_request_error', ...error } });
    if (api === 'openai-chat') {
      return sendJson(response, 200, { choices: [{ message: { content: 'ok' }, finish_reason: 'stop' }] });
    }
    const output = [{ type: 'message', content: [{ type: 'output_text', text: 'ok' }] }];
    return sendJson(response, 200, { status: 'completed', output });
  };
  const upstream = await startUpstream(answer);
  const running = await startGateway({
    providers: { [provider]: { base_url: upstream.url, api_key: 'k', api } },
    retries: 0,
  });
  closers.push(upstream.close, running.close);
  const messages = [{ role: 'user', content: 'Hi' }];
  return {
    seen: upstream.seen,
    last: () => upstream.seen.at(-1)?.json() ?? {},
    ask: async (model: string, more = {}) =>
      (await post(running.url, { model: `${provider}/${model}`, max_tokens: 100, messages, ...more })).status,
  };
}

const effortOf = (body: Body) => (body.reasoning as { effort?: string } | undefined)?.effort;

describe('Responses', () => {
  test('thinking off becomes the lowest effort that the model accepts', async () => {
    const { ask, last, seen } = await setUp('openai', 'openai-responses', (body) =>
      effortOf(body) === 'none'
        ? {
            message:
              "Unsupported value: 'none' is not supported with the 'gpt-5' model. Supported values are: 'minimal', 'low', 'medium', and 'high'.",
            param: 'reasoning.effort',
            code: 'unsupported_value',
          }
        : undefined,
    );
    expect(await ask('gpt-5', { thinking: { type: 'disabled' } })).toBe(200);
    expect(last().reasoning).toEqual({ effort: 'minimal' });
    expect(await ask('gpt-5', { output_config: { effort: 'high' } })).toBe(200);
    expect(effortOf(last())).toBe('high');
    expect(await ask('gpt-5', { thinking: { type: 'disabled' } })).toBe(200);
    expect(seen).toHaveLength(4);
  });

  test('an organisation that is not verified gets answers without summaries', async () => {
    const { ask, last } = await setUp('openai', 'openai-responses', (body) =>
      (body.reasoning as { summary?: string } | undefined)?.summary
        ? {
            message: 'Your organization must be verified to generate reasoning summaries.',
            param: 'reasoning.summary',
            code: 'unsupported_value',
          }
        : undefined,
    );
    const thinking = { type: 'adaptive' };
    expect(await ask('gpt-5', { thinking, output_config: { effort: 'low' } })).toBe(200);
    expect(last().reasoning).toEqual({ effort: 'low' });
    expect(await ask('gpt-5', { thinking })).toBe(200);
    expect(last()).not.toHaveProperty('reasoning');
  });
});

describe('Chat Completions', () => {
  test('a refused effort is replaced, in several steps if necessary', async () => {
    const { ask, last, seen } = await setUp('openai', 'openai-chat', (body) =>
      body.reasoning_effort === 'medium'
        ? undefined
        : {
            message: `Unsupported value. Supported values are: ${body.reasoning_effort === 'none' ? "'low'" : "'medium'"}.`,
            param: 'reasoning_effort',
            code: 'unsupported_value',
          },
    );
    expect(await ask('gpt-5', { thinking: { type: 'disabled' } })).toBe(200);
    expect(last().reasoning_effort).toBe('medium');
    expect(seen).toHaveLength(3);
  });

  test('a mistake of one client is reported to it, and does not affect others', async () => {
    const { ask, last, seen } = await setUp('x', 'openai-chat', (body) =>
      Number(body.temperature) > 2
        ? {
            message: "Invalid 'temperature': decimal above maximum value. Expected a value <= 2.",
            param: 'temperature',
            code: 'decimal_above_max_value',
          }
        : undefined,
    );
    expect(await ask('m', { temperature: 5 })).toBe(400);
    expect(await ask('m', { temperature: 0 })).toBe(200);
    expect(last().temperature).toBe(0);
    expect(seen).toHaveLength(2);
  });

  test('a refused choice of tools is reported to the client, not left out', async () => {
    const { ask, last } = await setUp('x', 'openai-chat', (body) =>
      body.tool_choice === undefined ? undefined : { message: 'tool_choice is not supported' },
    );
    const tools = [{ name: 'A', input_schema: { type: 'object', properties: {} } }];
    expect(await ask('m', { tools, tool_choice: { type: 'auto' } })).toBe(200);
    for (const choice of [{ type: 'any' }, { type: 'none' }, { type: 'tool', name: 'A' }]) {
      expect(await ask('m', { tools, tool_choice: choice })).toBe(400);
      expect(last()).toHaveProperty('tool_choice');
    }
    expect(await ask('m', { tools, tool_choice: { type: 'auto' } })).toBe(200);
  });

  test('a probe reaches a reasoning model behind a deployment name', async () => {
    const { ask, last } = await setUp('azure', 'openai-chat', (body) => {
      if ('max_tokens' in body) {
        return {
          message:
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
          param: 'max_tokens',
          code: 'unsupported_parameter',
        };
      }
      return Number(body.max_completion_tokens) < 16
        ? { message: 'Could not finish the message because max_tokens or model output limit was reached.' }
        : undefined;
    });
    expect(await ask('our-deployment', { max_tokens: 1 })).toBe(200);
    expect(last()).toMatchObject({ max_completion_tokens: 16 });
    expect(await ask('our-deployment', { max_tokens: 500 })).toBe(200);
    expect(last()).toMatchObject({ max_completion_tokens: 500 });
  });
});
