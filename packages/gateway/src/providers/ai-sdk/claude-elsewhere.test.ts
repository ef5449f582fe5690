import { afterEach, describe, expect, test } from 'vitest';
import { encodeProvenance } from '../../messages/provenance.ts';
import { toClientId } from '../../messages/tool-ids.ts';
import type { ContentBlock, Message, MessagesRequest } from '../../messages/types.ts';
import { dialectFixtures } from '../../testing/dialects.ts';
import { post, startGateway } from '../../testing/gateway.ts';
import { type FakeAnswer, sendJson, startUpstream } from '../../testing/upstream.ts';
import { convertRequest } from './convert-request.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const found = dialectFixtures.find((fixture) => fixture.name === 'amazon-bedrock');
if (!found) throw new Error('no Bedrock fixture');
const fixture = found;
const answer = fixture.stream({ text: 'ok', usage: { input: 10, cached: 0, output: 1 } });
const claude = 'anthropic.claude-sonnet-4-5';

async function bedrock(refuse: (body: BedrockBody) => string | undefined = () => undefined) {
  const onRequest: FakeAnswer = (seen, response) => {
    const why = refuse(seen.json() as unknown as BedrockBody);
    if (why) return sendJson(response, 400, { message: why });
    response.writeHead(200, { 'content-type': fixture.contentType });
    response.end(answer);
  };
  const upstream = await startUpstream(onRequest);
  const facts = { context: 200_000, output: 8_000, images: true, reasoning: true };
  const running = await startGateway({
    providers: { p: { ...fixture.provider(upstream.url), models: { [claude]: facts, other: facts } } },
    retries: 0,
  });
  closers.push(upstream.close, running.close);
  const ask = async (body: object, model = claude) => {
    const response = await post(running.url, { model: `p/${model}`, max_tokens: 100, ...body });
    return { status: response.status, text: await response.text() };
  };
  const last = () => upstream.seen.at(-1)?.json() as unknown as BedrockBody;
  return { upstream, ask, last };
}

interface BedrockBody {
  messages: { role: string; content: Record<string, unknown>[] }[];
  toolConfig?: { tools: { toolSpec: { name: string } }[]; toolChoice?: unknown };
  additionalModelRequestFields?: Record<string, unknown>;
}

const id = 'toolu_1234567890ab';
const history = (callId = id, before: ContentBlock[] = []): Message[] => [
  { role: 'user', content: 'Hi' },
  {
    role: 'assistant',
    content: [...before, { type: 'tool_use', id: callId, name: 'Bash', input: { command: 'ls' } }],
  },
  {
    role: 'user',
    content: [
      { type: 'tool_result', tool_use_id: callId, content: 'file-list' },
      { type: 'text', text: 'Summarise' },
    ],
  },
];
const tools = [
  { name: 'Bash', input_schema: { type: 'object', properties: {} } },
  { name: 'Read', input_schema: { type: 'object', properties: {} } },
];
const schema = {
  output_config: { format: { type: 'json_schema', schema: { type: 'object', properties: {} } } },
};

describe('a conversation with tool calls at Bedrock', () => {
  test.each([
    ['without tools', {}, ['Bash']],
    ['with tools that must not be used', { tools, tool_choice: { type: 'none' } }, ['Bash', 'Read']],
    ['without tools, for a structured answer', schema, ['Bash']],
  ])('arrives whole %s', async (_, extra, names) => {
    const { ask, last } = await bedrock();
    expect((await ask({ messages: history(), ...extra })).status).toBe(200);
    const { messages, toolConfig } = last();
    expect(messages[1]?.content).toMatchObject([{ toolUse: { toolUseId: id, input: { command: 'ls' } } }]);
    expect(messages[2]?.content).toMatchObject([
      { toolResult: { toolUseId: id, content: [{ text: 'file-list' }] } },
      { text: 'Summarise' },
      { text: expect.stringContaining('must not be used') },
    ]);
    expect(toolConfig?.tools.map(({ toolSpec }) => toolSpec.name)).toEqual(names);
    expect(toolConfig?.toolChoice).toEqual({ auto: {} });
  });

  test('leaves the structured answer to the package where that has a tool for it', async () => {
    const { ask, last } = await bedrock();
    await ask({ messages: history(), tools, tool_choice: { type: 'none' }, ...schema }, 'other');
    expect(last().messages[1]?.content).toMatchObject([{ toolUse: { toolUseId: id } }]);
    expect(last().toolConfig?.tools.map(({ toolSpec }) => toolSpec.name)).toEqual(['json']);
    expect(JSON.stringify(last())).not.toContain('must not be used');
  });

  test('is offered no tools when none were called', async () => {
    const { ask, last } = await bedrock();
    await ask({ messages: [{ role: 'user', content: 'Hi' }], tools, tool_choice: { type: 'none' } });
    expect(last()).not.toHaveProperty('toolConfig');
    expect(last().messages).toEqual([{ role: 'user', content: [{ text: 'Hi' }] }]);
  });
});

const convert = (
  request: Partial<MessagesRequest>,
  more: Partial<Parameters<typeof convertRequest>[1]> = {},
) =>
  convertRequest(
    { model: 'm', max_tokens: 100, messages: history(), tools, ...request },
    {
      provider: 'p',
      dialect: 'google-vertex-anthropic',
      model: 'claude-x',
      facts: { reasoning: true },
      ...more,
    },
  );

test.each(['amazon-bedrock', 'google-vertex-anthropic'] as const)(
  'a tool id that Claude does not allow stays wrapped for %s',
  (dialect) => {
    const odd = toClientId('functions.Bash:0', new Set());
    const model = dialect === 'amazon-bedrock' ? claude : 'claude-x';
    const ids = [
      ...JSON.stringify(convert({ messages: history(odd) }, { dialect, model })).matchAll(
        /"toolCallId":"([^"]*)"/g,
      ),
    ];
    expect(ids.map(([, value]) => value)).toEqual([odd, odd]);
    const elsewhere = JSON.stringify(convert({ messages: history(odd) }, { dialect: 'google' }));
    expect(elsewhere).toContain('"functions.Bash:0"');
  },
);

describe('one tool at a time', () => {
  test.each([
    ['auto', { type: 'auto', disable_parallel_tool_use: true }],
    ['any', { type: 'any', disable_parallel_tool_use: true }],
    ['tool', { type: 'tool', name: 'Bash', disable_parallel_tool_use: true }],
  ] as const)('is asked of Claude at Bedrock with %s', async (_, choice) => {
    const { ask, last } = await bedrock();
    await ask({ messages: history(), tools, tool_choice: choice });
    expect(last().additionalModelRequestFields?.tool_choice).toEqual(choice);
  });

  test('is requested from Claude at Vertex, but not from Gemini', () => {
    const choice: MessagesRequest['tool_choice'] = { type: 'auto', disable_parallel_tool_use: true };
    expect(convert({ tool_choice: choice }).providerOptions).toEqual({
      anthropic: { disableParallelToolUse: true },
    });
    expect(convert({ tool_choice: choice }, { dialect: 'google' }).providerOptions).not.toHaveProperty(
      'anthropic',
    );
  });
});

describe('thinking for Claude at Vertex', () => {
  const asked = (thinking: MessagesRequest['thinking'], model: string, effort?: string) => {
    const output_config = effort === undefined ? {} : { effort };
    const { providerOptions, maxOutputTokens, reasoning } = convert(
      { max_tokens: 32_000, output_config, ...(thinking && { thinking }) },
      { model },
    );
    return { options: providerOptions?.anthropic, maxOutputTokens, reasoning };
  };

  test('is a budget within the limit, which the package adds to its own', () => {
    const { options, maxOutputTokens } = asked({ type: 'adaptive' }, 'claude-sonnet-4-5@20250929', 'high');
    expect(options).toEqual({ thinking: { type: 'enabled', budgetTokens: 24_000 } });
    expect(maxOutputTokens).toBe(8_000);
  });

  test('is adaptive since 4.6, off when it is off, and unset when it is unset', () => {
    const { options } = asked({ type: 'adaptive', display: 'omitted' }, 'claude-opus-4-6', 'low');
    expect(options).toEqual({ thinking: { type: 'adaptive', display: 'omitted' }, effort: 'low' });
    expect(asked({ type: 'disabled' }, 'claude-opus-4-6')).toMatchObject({ reasoning: 'none' });
    expect(asked(undefined, 'claude-opus-4-6')).toEqual({ maxOutputTokens: 32_000 });
  });
});

describe('thinking blocks signed by Anthropic', () => {
  const thought: ContentBlock = { type: 'thinking', thinking: 'hm', signature: 'SIG' };
  const hidden: ContentBlock = { type: 'redacted_thinking', data: 'SECRET' };
  const foreign: ContentBlock = {
    type: 'thinking',
    thinking: 'not mine',
    signature: encodeProvenance({ from: 'other', data: { bedrock: { signature: 'X' } } }),
  };

  test('are sent to Claude at Bedrock', async () => {
    const { ask, last } = await bedrock();
    await ask({ messages: history(id, [thought, foreign]), tools });
    expect(last().messages[1]?.content).toMatchObject([
      { reasoningContent: { reasoningText: { text: 'hm', signature: 'SIG' } } },
      { toolUse: {} },
    ]);
  });

  test('are sent to Claude at Vertex', () => {
    const { prompt } = convert({ messages: history(id, [thought, hidden, foreign]) });
    expect(prompt[1]).toMatchObject({
      content: [
        { type: 'reasoning', text: 'hm', providerOptions: { anthropic: { signature: 'SIG' } } },
        { type: 'reasoning', providerOptions: { anthropic: { redactedData: 'SECRET' } } },
        { type: 'tool-call' },
      ],
    });
  });

  test('are not sent to other models at Bedrock', async () => {
    const { ask, last } = await bedrock();
    await ask({ messages: history(id, [thought]), tools }, 'other');
    expect(JSON.stringify(last())).not.toContain('SIG');
  });

  test.each([
    ['Invalid `signature` in `thinking` block', thought],
    ['Expected `thinking` or `redacted_thinking`, but found `tool_use`.', foreign],
    ['`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified.', thought],
  ])('are left out, and thinking with them, where Bedrock says «%s»', async (why, block) => {
    const { ask, last, upstream } = await bedrock((body) =>
      JSON.stringify(body).includes('budget_tokens') ? `messages.1.content.0: ${why}` : undefined,
    );
    const thinking = { type: 'enabled', budget_tokens: 2_000 };
    const { status } = await ask({ messages: history(id, [block]), tools, max_tokens: 5_000, thinking });
    expect(status).toBe(200);
    expect(upstream.seen).toHaveLength(2);
    expect(last().messages[1]?.content).toMatchObject([{ toolUse: {} }]);
    expect(last().additionalModelRequestFields ?? {}).not.toHaveProperty('thinking');
  });

  test('are not left out for a refusal about something else', async () => {
    const { ask, upstream } = await bedrock(() => 'temperature: too high');
    expect((await ask({ messages: history(id, [thought]), tools })).status).toBe(400);
    expect(upstream.seen).toHaveLength(1);
  });
});

test.each(['image', 'document'] as const)('%s: an invalid URL is a 400 that names the block', (type) => {
  const block: ContentBlock = { type, source: { type: 'url', url: 'not a url' } };
  expect(() => convert({ messages: [{ role: 'user', content: [block] }] }, { dialect: 'google' })).toThrow(
    new RegExp(`${type} block's .source.url. is not a valid URL: not a url`),
  );
});
