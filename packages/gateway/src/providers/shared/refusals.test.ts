import { describe, expect, test } from 'vitest';
import { lessonOf } from './refusals.ts';

const optional = [
  'reasoning',
  'reasoning.effort',
  'reasoning.summary',
  'reasoning_effort',
  'stream_options',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_k',
  'tool_choice',
];
const chat = {
  messages: [],
  max_tokens: 5,
  temperature: 1,
  top_k: 3,
  stream_options: {},
  reasoning_effort: 'minimal',
  tool_choice: 'auto',
  tools: [],
};
const responses = { input: [], reasoning: { effort: 'minimal', summary: 'auto' } };

const lesson = (body: Record<string, unknown>, message: string, more = {}, refused: string[] = []) =>
  lessonOf({ status: 400, message, headers: {}, ...more }, body, optional, new Set(refused));

describe('the lesson of a refusal', () => {
  test.each([
    ['Unrecognized request argument supplied: stream_options', 'stream_options'],
    ["Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", 'max_tokens'],
    ['Use max_completion_tokens: `max_tokens` is not supported', 'max_tokens'],
    ["Unknown parameter: 'stream_options.include_usage'.", 'stream_options'],
    ['[{"type":"extra_forbidden","loc":["body","top_k"],"msg":"Extra inputs are not permitted"}]', 'top_k'],
    ['Invalid JSON payload received. Unknown name "top_k": Cannot find field.', 'top_k'],
    ["Completions.create() got an unexpected keyword argument 'top_k'", 'top_k'],
    ['Malformed input request: #: extraneous key [top_k] is not permitted', 'top_k'],
    ["This model doesn't support temperature", 'temperature'],
    ['Argument not supported on this model: reasoningEffort', 'reasoning_effort'],
    ['tool_choice is not supported', 'tool_choice'],
  ])('%s', (message, field) => {
    expect(lesson(chat, message)).toBe(field);
  });

  test.each([
    ["Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 5 instead."],
    ['max_tokens is too large: 5. This model supports at most 4 completion tokens'],
    ['temperature: Input should be less than or equal to 2'],
    ['temperature is above 2. The user is unknown.'],
    [
      '[{"type":"less_than_equal","loc":["body","temperature"]},{"type":"extra_forbidden","loc":["body","x"]}]',
    ],
    ['no'],
  ])('nothing: %s', (message) => {
    expect(lesson(chat, message)).toBeUndefined();
  });

  test('comes from code and param alone, which also show when the refusal is about something else', () => {
    const of = (param: string, code = 'unsupported_value') => lesson(chat, 'top_k: no', { param, code });
    expect(of('temperature')).toBe('temperature');
    expect(of('temperature', 'decimal_above_max_value')).toBeUndefined();
    expect(of('messages[1].content')).toBeUndefined();
    expect(of('None')).toBe('top_k');
    expect(of('body.temperature')).toBe('temperature');
  });

  test("never is to leave out the client's choice of tools", () => {
    for (const choice of ['required', 'none', { type: 'function', function: { name: 'a' } }]) {
      const body = { ...chat, tool_choice: choice };
      expect(lesson(body, 'tool_choice is not supported')).toBeUndefined();
      expect(lesson(body, 'no', { param: 'tool_choice', code: 'unsupported_value' })).toBeUndefined();
    }
  });

  test('exists only for a status about the request', () => {
    expect(lesson(chat, 'top_k is not supported', { status: 500 })).toBeUndefined();
    expect(lesson(chat, 'top_k is not supported', { status: 422 })).toBe('top_k');
  });
});

describe('a refused effort', () => {
  const values = "Unsupported value: 'minimal' is not supported. Supported values are: ";
  const about = { param: 'reasoning.effort', code: 'unsupported_value' };

  test.each([
    ["'none', 'low', 'medium', and 'high'.", 'none'],
    ["'low', 'medium', and 'high'.", 'low'],
    ['high', 'high'],
    ['the usual', ''],
  ])('gives way to the nearest of %s', (list, instead) => {
    expect(lesson(responses, values + list, about)).toBe(`reasoning.effort=minimal>${instead}`);
  });

  test('is left out when no list of values is given', () => {
    expect(lesson(responses, 'no', about)).toBe('reasoning.effort=minimal>');
  });

  test('is left out with its field when the parameter is unknown', () => {
    const code = 'unsupported_parameter';
    expect(lesson(responses, "Unsupported parameter: 'reasoning.effort'.", { ...about, code })).toBe(
      'reasoning.effort',
    );
  });

  test('is not replaced by one that was refused before', () => {
    expect(lesson(responses, `${values}'none' and 'low'`, about, ['reasoning.effort=none>low'])).toBe(
      'reasoning.effort=minimal>low',
    );
  });

  test('is recognized by name in the messages of imitations', () => {
    expect(lesson(chat, "('body', 'reasoning_effort'): Input should be 'low', 'medium' or 'high'")).toBe(
      'reasoning_effort=minimal>low',
    );
    const high = { ...chat, reasoning_effort: 'high' };
    expect(lesson(high, '`reasoning_effort` must be one of `none` or `default`')).toBe(
      'reasoning_effort=high>',
    );
  });
});
