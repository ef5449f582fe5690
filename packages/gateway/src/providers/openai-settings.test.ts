import { describe, expect, test } from 'vitest';
import type { JsonObject, Message, MessagesRequest, ToolChoice } from '../messages/types.ts';
import { convertRequest as toChat } from './openai-chat/convert-request.ts';
import { convertRequest as toResponses } from './openai-responses/convert-request.ts';

const messages: Message[] = [{ role: 'user', content: 'Hi' }];
const refused = new Set<string>();
const chat = (request: MessagesRequest, openai = true) =>
  toChat(request, { provider: 'p', model: 'm', facts: {}, openai, stream: false });
const responses = (request: MessagesRequest) =>
  toResponses(request, { provider: 'p', model: 'm', facts: {}, refused, stream: false });

const text = { type: 'string' };
const closed = (properties: JsonObject, required = Object.keys(properties)) => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
});

describe('an answer’s schema', () => {
  test.each([
    ['all is required', true, closed({ a: text, b: { type: 'array', items: closed({ c: text }) } })],
    ['a property may be null', true, closed({ a: { anyOf: [text, { type: 'null' }] } })],
    [
      'it refers to its own parts',
      true,
      { ...closed({ a: { $ref: '#/$defs/A' } }), $defs: { A: closed({}) } },
    ],
    ['a property is optional', false, closed({ a: text, b: text }, ['a'])],
    ['more properties are allowed', false, { ...closed({ a: text }), additionalProperties: true }],
    [
      'nothing is said of more properties',
      false,
      { type: 'object', properties: { a: text }, required: ['a'] },
    ],
    ['an object inside is open', false, closed({ a: { type: 'array', items: { type: 'object' } } })],
    ['an object that may be null is open', false, closed({ a: { type: ['object', 'null'] } })],
    ['a branch is open', false, closed({ a: { anyOf: [text, { type: 'object', properties: {} }] } })],
    ['a definition is open', false, { ...closed({ a: text }), $defs: { A: { type: 'object' } } }],
    ['a property can be anything', false, closed({ a: {} })],
    ['a keyword is not OpenAI’s', false, closed({ a: { allOf: [text] } })],
    ['it is no object', false, { type: 'array', items: text }],
  ])('is strict as far as OpenAI takes it: %s', (_, strict, schema) => {
    const request = { model: 'm', messages, output_config: { format: { type: 'json_schema', schema } } };
    expect(chat(request).response_format).toMatchObject({ json_schema: { schema, strict } });
    expect(responses(request).text).toMatchObject({ format: { schema, strict } });
    expect(JSON.stringify(chat(request, false).response_format)).not.toContain('strict');
  });
});

describe('a choice of tools', () => {
  const tools = ['Read', 'Bash'].map((name) => ({ name, input_schema: {} }));
  test.each<[ToolChoice, unknown, unknown, boolean | undefined]>([
    [{ type: 'auto' }, 'auto', 'auto', undefined],
    [{ type: 'auto', disable_parallel_tool_use: true }, 'auto', 'auto', false],
    [{ type: 'any', disable_parallel_tool_use: false }, 'required', 'required', undefined],
    [{ type: 'none' }, 'none', 'none', undefined],
    [
      { type: 'tool', name: 'Bash', disable_parallel_tool_use: true },
      { type: 'function', function: { name: 'Bash' } },
      { type: 'function', name: 'Bash' },
      false,
    ],
  ])('%j', (choice, inChat, inResponses, parallel) => {
    const request = { model: 'm', messages, tools, tool_choice: choice };
    for (const [body, expected] of [
      [chat(request), inChat],
      [responses(request), inResponses],
    ] as const) {
      expect(body.tool_choice).toEqual(expected);
      expect(body.parallel_tool_calls).toBe(parallel);
    }
    expect(chat({ ...request, tools: [] })).not.toHaveProperty('tool_choice');
  });

  test('of an unknown kind is ignored', () => {
    const choice = { type: 'whatever' } as unknown as ToolChoice;
    const request = { model: 'm', messages, tools, tool_choice: choice };
    for (const body of [chat(request), responses(request)]) expect(body).not.toHaveProperty('tool_choice');
  });

  test('a deferred tool that is forced is offered without a search', () => {
    const deferred = ['Hidden', 'Other'].map((name) => ({ name, input_schema: {}, defer_loading: true }));
    const request: MessagesRequest = {
      model: 'm',
      messages,
      tools: [{ name: 'ToolSearch', input_schema: {} }, ...deferred],
      tool_choice: { type: 'tool', name: 'Hidden' },
    };
    for (const body of [chat(request), responses(request)]) {
      expect(JSON.stringify(body.tools)).toContain('Hidden');
      expect(JSON.stringify(body.tools)).not.toContain('Other');
    }
  });
});
