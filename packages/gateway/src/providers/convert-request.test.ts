import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mergeTurns } from '../messages/merge-turns.ts';
import { parseRequest } from '../messages/parse.ts';
import { encodeProvenance } from '../messages/provenance.ts';
import type { ContentBlock, Message, MessagesRequest } from '../messages/types.ts';
import { convertRequest as toParts } from './ai-sdk/convert-request.ts';
import { convertRequest as toChat } from './openai-chat/convert-request.ts';
import { convertRequest as toResponses } from './openai-responses/convert-request.ts';

const facts = { context: 200_000, output: 8_000, images: true, pdf: true, reasoning: true };
const chat = (request: MessagesRequest, more = {}) =>
  toChat(request, { provider: 'p', model: 'm', facts, openai: false, stream: true, ...more });
const responses = (request: MessagesRequest, more = {}) =>
  toResponses(request, { provider: 'p', model: 'm', facts, refused: new Set(), stream: true, ...more });
const parts = (request: MessagesRequest, more = {}) =>
  toParts(request, { provider: 'p', dialect: 'google', model: 'm', facts, ...more });

const converters = [
  ['Chat Completions', (request: MessagesRequest) => chat(request).messages],
  ['Responses', (request: MessagesRequest) => responses(request).input],
  ['AI SDK', (request: MessagesRequest) => parts(request).prompt],
] as const;

/** A conversation as a client may send it; each part of its content has a unique mark. */
const conversation = fc
  .array(
    fc.record({
      user: fc.array(fc.constantFrom('text', 'image', 'document'), { minLength: 1, maxLength: 3 }),
      assistant: fc.array(fc.constantFrom('text', 'thinking'), { maxLength: 2 }),
      calls: fc.array(
        fc.record({ error: fc.boolean(), image: fc.boolean(), answered: fc.boolean(), text: fc.boolean() }),
        { maxLength: 3 },
      ),
      afterwards: fc.boolean(),
      system: fc.boolean(),
    }),
    { minLength: 1, maxLength: 4 },
  )
  .map((turns) => {
    let count = 0;
    const mark = (kind: string) => `<${kind}${count++}>`;
    const image = (text: string): ContentBlock => ({
      type: 'image',
      source: { type: 'base64', media_type: 'image/png', data: text },
    });
    const messages: Message[] = [];
    for (const turn of turns) {
      messages.push({
        role: 'user',
        content: turn.user.map((kind): ContentBlock => {
          if (kind === 'image') return image(mark('IMAGE'));
          if (kind === 'text') return { type: 'text', text: mark('TEXT') };
          return { type: 'document', source: { type: 'text', media_type: 'text/plain', data: mark('TEXT') } };
        }),
      });
      if (turn.system) messages.push({ role: 'system', content: mark('TEXT') });
      const said: ContentBlock[] = turn.assistant.map((kind) =>
        kind === 'text'
          ? { type: 'text', text: mark('TEXT') }
          : { type: 'thinking', thinking: 'x', signature: 's' },
      );
      const results: ContentBlock[] = [];
      for (const call of turn.calls) {
        const id = `toolu_${String(count++).padStart(16, '0')}`;
        said.push({ type: 'tool_use', id, name: 'Do', input: { value: mark('CALL') } });
        if (!call.answered) continue;
        const content: ContentBlock[] = [{ type: 'text', text: mark('RESULT') }];
        if (call.image) content.push(image(mark('RIMAGE')));
        results.push({
          type: 'tool_result',
          tool_use_id: id,
          content: call.text && !call.image ? (content[0] as { text: string }).text : content,
          ...(call.error ? { is_error: true } : {}),
        });
      }
      if (said.length > 0) messages.push({ role: 'assistant', content: said });
      if (turn.afterwards) results.push({ type: 'text', text: mark('TEXT') });
      if (results.length > 0) messages.push({ role: 'user', content: results });
    }
    return { model: 'p/m', max_tokens: 100, messages } satisfies MessagesRequest;
  });

const marksOf = (value: unknown, kind: string) =>
  [...JSON.stringify(value).matchAll(new RegExp(`<${kind}\\d+>`, 'g'))].map((match) => match[0]);

describe.each(converters)('%s', (name, convert) => {
  test('nothing in a conversation is lost, duplicated or out of order', () => {
    fc.assert(
      fc.property(conversation, (request) => {
        const out = convert(request);
        for (const kind of ['TEXT', 'IMAGE', 'CALL', 'RESULT', 'RIMAGE']) {
          expect(marksOf(out, kind), kind).toEqual(marksOf(request.messages, kind));
        }
      }),
      { numRuns: 300 },
    );
  });

  test('every call has exactly one result, which directly follows', () => {
    fc.assert(
      fc.property(conversation, (request) => {
        const text = JSON.stringify(convert(request));
        const ids = [...text.matchAll(/toolu_\d{16}/g)].map((match) => match[0]);
        for (const id of new Set(ids)) expect(ids.filter((other) => other === id)).toHaveLength(2);
      }),
      { numRuns: 300 },
    );
  });

  test('thinking that another provider signed is left out', () => {
    const out = convert({
      model: 'p/m',
      messages: [
        { role: 'user', content: 'Hi' },
        {
          role: 'assistant',
          content: [
            {
              type: 'thinking',
              thinking: 'secret thought',
              signature: encodeProvenance({ from: 'other', data: {} }),
            },
            { type: 'thinking', thinking: 'claude thought', signature: 'EqQBCg' },
            { type: 'redacted_thinking', data: 'abc' },
            { type: 'text', text: 'Yes' },
          ],
        },
        { role: 'user', content: 'Go on' },
      ],
    });
    expect(JSON.stringify(out), name).not.toMatch(/thought|abc/);
  });
});

const hello: Message[] = [{ role: 'user', content: 'Hi' }];

describe('a converted request', () => {
  test('the billing note is not sent to other providers', () => {
    const request: MessagesRequest = {
      model: 'm',
      system: [
        { type: 'text', text: 'x-anthropic-billing-header: a=b' },
        { type: 'text', text: 'Be brief.' },
      ],
      messages: hello,
    };
    for (const out of [chat(request), responses(request), parts(request)]) {
      expect(JSON.stringify(out)).not.toContain('billing');
      expect(JSON.stringify(out)).toContain('Be brief.');
    }
  });

  test('max_tokens is limited to the model’s maximum in each dialect', () => {
    const request: MessagesRequest = { model: 'm', max_tokens: 32_000, messages: hello };
    expect(chat(request).max_tokens).toBe(8_000);
    expect(chat(request, { openai: true })).toMatchObject({ max_completion_tokens: 8_000 });
    expect(chat(request, { openai: true })).not.toHaveProperty('max_tokens');
    expect(responses({ ...request, max_tokens: 1 }).max_output_tokens).toBe(16);
    expect(parts(request).maxOutputTokens).toBe(8_000);
  });

  test('a deferred tool is offered once a tool search has found it', () => {
    const tools = [
      { name: 'ToolSearch', input_schema: {} },
      { name: 'Hidden', input_schema: {}, defer_loading: true },
    ];
    const found: Message[] = [
      ...hello,
      {
        role: 'assistant',
        content: [{ type: 'tool_use', id: 'toolu_1234567890ab', name: 'ToolSearch', input: {} }],
      },
      {
        role: 'user',
        content: [
          {
            type: 'tool_result',
            tool_use_id: 'toolu_1234567890ab',
            content: [{ type: 'tool_reference', tool_name: 'Hidden' }],
          },
        ],
      },
    ];
    const names = (messages: Message[]) => JSON.stringify(chat({ model: 'm', messages, tools }).tools);
    expect(names(hello)).not.toContain('Hidden');
    expect(names(found)).toContain('Hidden');
    const alone = chat({ model: 'm', messages: hello, tools: tools.slice(1) }).tools;
    expect(JSON.stringify(alone)).toContain('Hidden');
  });

  test('a tool of Anthropic’s servers is left out beside others, and refused by name when alone', () => {
    const search = { type: 'web_search_20250305', name: 'web_search' };
    const own = { name: 'Read', input_schema: {} };
    expect(JSON.stringify(chat({ model: 'm', messages: hello, tools: [own, search] }).tools)).not.toContain(
      'web_search',
    );
    expect(() => chat({ model: 'm', messages: hello, tools: [search] })).toThrow(/web_search_20250305/);
  });

  test('names over 64 characters are shortened the same way everywhere', () => {
    const name = `mcp__${'server_with_a_long_name_'.repeat(4)}__tool`;
    const request: MessagesRequest = {
      model: 'm',
      tools: [{ name, input_schema: {} }],
      tool_choice: { type: 'tool', name },
      messages: [
        ...hello,
        { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1234567890ab', name, input: {} }] },
      ],
    };
    for (const out of [chat(request), responses(request), parts(request)]) {
      const text = JSON.stringify(out);
      expect(text).not.toContain(name);
      const short = new Set([...text.matchAll(/mcp__[\w-]+/g)].map((match) => match[0]));
      expect([...short].map((value) => value.length)).toEqual([64]);
    }
  });

  test('an odd schema becomes an object with properties', () => {
    const tools = [
      { name: 'none' },
      {
        name: 'union',
        input_schema: {
          anyOf: [
            { properties: { a: {} }, required: ['a'] },
            { properties: { b: {} }, required: ['a'] },
          ],
        },
      },
    ];
    const out = chat({ model: 'm', messages: hello, tools }).tools as { function: { parameters: unknown } }[];
    expect(out.map((tool) => tool.function.parameters)).toEqual([
      { type: 'object', properties: {} },
      { type: 'object', properties: { a: {}, b: {} }, required: ['a'] },
    ]);
  });

  test('media that a model does not support are refused from the user, and noted in tool results', () => {
    const image: ContentBlock = {
      type: 'image',
      source: { type: 'base64', media_type: 'image/png', data: 'AAAA' },
    };
    const blind = { facts: { ...facts, images: false } };
    const fromUser: MessagesRequest = { model: 'm', messages: [{ role: 'user', content: [image] }] };
    const fromTool: MessagesRequest = {
      model: 'm',
      messages: [
        ...hello,
        {
          role: 'assistant',
          content: [{ type: 'tool_use', id: 'toolu_1234567890ab', name: 'Read', input: {} }],
        },
        {
          role: 'user',
          content: [{ type: 'tool_result', tool_use_id: 'toolu_1234567890ab', content: [image] }],
        },
      ],
    };
    for (const convert of [chat, responses, parts]) {
      expect(() => convert(fromUser, blind)).toThrow(/m cannot read images/);
      expect(JSON.stringify(convert(fromTool, blind))).toContain('Image left out');
    }
  });

  test('a provider gets its own reasoning back: DeepSeek’s text, OpenAI’s encrypted item, Gemini’s signatures', () => {
    const assistant = (blocks: ContentBlock[]): MessagesRequest => ({
      model: 'm',
      messages: [
        ...hello,
        {
          role: 'assistant',
          content: [...blocks, { type: 'tool_use', id: 'toolu_1234567890ab', name: 'Read', input: {} }],
        },
      ],
    });
    const own = (data?: unknown, tool?: string) =>
      encodeProvenance({ from: 'p', ...(data ? { data } : {}), ...(tool ? { tool } : {}) });
    const deepseek = chat(assistant([{ type: 'thinking', thinking: 'hm', signature: own() }]), {
      facts: { ...facts, echoReasoning: true },
    });
    expect(deepseek.messages[1]).toMatchObject({ reasoning_content: 'hm' });
    const openai = responses(
      assistant([{ type: 'thinking', thinking: 'hm', signature: own({ id: 'rs', encrypted: 'E' }) }]),
    );
    expect(openai.input[1]).toEqual({
      type: 'reasoning',
      summary: [{ type: 'summary_text', text: 'hm' }],
      encrypted_content: 'E',
    });
    const gemini = parts(
      assistant([
        { type: 'redacted_thinking', data: own({ google: { thoughtSignature: 'S' } }, 'toolu_1234567890ab') },
      ]),
    );
    expect(gemini.prompt[1]).toMatchObject({
      content: [{ type: 'tool-call', providerOptions: { google: { thoughtSignature: 'S' } } }],
    });
  });

  test('parallel calls and results in separate messages are merged into calls with their results', () => {
    const [first, second] = ['toolu_aaaaaaaaaaaa', 'toolu_bbbbbbbbbbbb'];
    const call = (id: string): ContentBlock => ({ type: 'tool_use', id, name: 'Read', input: { id } });
    const result = (id: string): ContentBlock => ({
      type: 'tool_result',
      tool_use_id: id,
      content: `of ${id}`,
    });
    const merged = mergeTurns({
      model: 'm',
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'user', content: [{ type: 'text', text: 'there' }] },
        { role: 'assistant', content: [call(first)] },
        { role: 'assistant', content: [call(second)] },
        { role: 'user', content: [result(first)] },
        { role: 'user', content: [result(second)] },
        { role: 'system', content: 'one' },
        { role: 'system', content: 'two' },
      ],
    });
    expect(chat(merged, { openai: true }).messages).toMatchObject([
      { role: 'user', content: 'Hi\n\nthere' },
      { role: 'assistant', tool_calls: [{ id: first }, { id: second }] },
      { role: 'tool', tool_call_id: first, content: `of ${first}` },
      { role: 'tool', tool_call_id: second, content: `of ${second}` },
      { role: 'system', content: 'one' },
      { role: 'system', content: 'two' },
    ]);
  });

  test('unknown fields and block types do no harm', () => {
    const request = parseRequest({
      model: 'm',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'holo_gram', value: 'see me' },
            { type: 'text', text: 'Hi' },
          ],
        },
      ],
      new_feature: { on: true },
    });
    for (const convert of [chat, responses, parts])
      expect(JSON.stringify(convert(request))).toContain('see me');
  });

  test('structured output and tool choice', () => {
    const schema = { type: 'object', properties: { a: { type: 'string' } } };
    const request: MessagesRequest = {
      model: 'm',
      messages: hello,
      tools: [{ name: 'Read', input_schema: {} }],
      tool_choice: { type: 'any', disable_parallel_tool_use: true },
      output_config: { format: { type: 'json_schema', schema } },
    };
    expect(chat(request)).toMatchObject({
      tool_choice: 'required',
      parallel_tool_calls: false,
      response_format: { json_schema: { schema } },
    });
    expect(responses(request)).toMatchObject({ tool_choice: 'required', text: { format: { schema } } });
    expect(parts(request)).toMatchObject({ toolChoice: { type: 'required' }, responseFormat: { schema } });
  });
});
