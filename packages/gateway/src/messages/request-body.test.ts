import { describe, expect, test } from 'vitest';
import { GatewayError } from './errors.ts';
import { createBodyReader } from './request-body.ts';

const bytes = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const messages = [{ role: 'user', content: 'Hi "model": "x"' }];

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof GatewayError) return `${error.failure.status} ${error.failure.message}`;
  }
  throw new Error('not refused');
}

describe('a request body', () => {
  test('gives model, stream and user, and is parsed as a whole only on demand', () => {
    const read = createBodyReader();
    const body = read(bytes({ model: 'm', stream: true, metadata: { user_id: 'u' }, messages }));
    expect(body).toMatchObject({ model: 'm', stream: true, userId: 'u' });
    expect(body.json()).toEqual({ model: 'm', stream: true, metadata: { user_id: 'u' }, messages });
    // A part is not JSON; in a pass-through the upstream reports that.
    const odd = read(bytes('{"model": "m", "messages": [tru]}'));
    expect(odd).toMatchObject({ model: 'm', stream: false, userId: undefined });
    expect(refusal(() => odd.json())).toBe('400 The request body is not valid JSON.');
  });

  test.each([
    ['{', '400 The request body is not valid JSON.'],
    ['[]', '400 The request body must be a JSON object.'],
    ['null', '400 The request body must be a JSON object.'],
    ['{}', '400 model: Field required'],
    ['{"model":""}', '400 model: Field required'],
    ['{"model":7}', '400 model: Field required'],
    ['{"model":m}', '400 The request body is not valid JSON.'],
  ])('%s is refused: %s', (text, told) => {
    expect(refusal(() => createBodyReader()(bytes(text)))).toBe(told);
  });

  test('keeps the text around a replaced model name, wherever the name stands', () => {
    const read = createBodyReader();
    expect(read(bytes(`{ "messages" : [], "model":"a" ,"x":1}`)).withModel('b')).toBe(
      `{ "messages" : [], "model":"b" ,"x":1}`,
    );
    // Of a duplicate field JSON.parse takes the last value, and an upstream may take another: one field is left.
    expect(read(bytes('{"model":"a","model":"b"}')).model).toBe('b');
    expect(read(bytes('{"model":"a","model":"b"}')).withModel('c')).toBe('{"model":"c"}');
    expect(read(bytes('{"m\\u006fdel":"a"}')).withModel('c')).toBe('{"model":"c"}');
  });

  test('shares the frozen tools of an earlier request', () => {
    const read = createBodyReader();
    const tool = { name: 'Read', description: 'x'.repeat(2_000), input_schema: { properties: { a: {} } } };
    const toolsOf = (value: unknown) =>
      read(bytes(value)).request().tools as unknown as { input_schema: { properties: object } }[];
    const first = toolsOf({ model: 'm', tools: [tool], messages });
    expect(first).toEqual([tool]);
    const again = toolsOf({ model: 'other', messages: [...messages, ...messages], tools: [tool] });
    expect(again).toBe(first);
    expect(toolsOf({ model: 'm', messages, tools: [{ ...tool, name: 'Write' }] })).not.toBe(first);
    expect(() => Object.assign(first[0]?.input_schema.properties ?? {}, { b: {} })).toThrow(TypeError);
    // After many other lists they are parsed again, and are still right.
    for (let at = 0; at < 40; at += 1) {
      toolsOf({ model: 'm', messages, tools: [{ ...tool, name: `Tool${at}` }] });
    }
    const later = toolsOf({ model: 'm', messages, tools: [tool] });
    expect(later).not.toBe(first);
    expect(later).toEqual(first);
  });

  test('names what is wrong with invalid tools', () => {
    const read = createBodyReader();
    const broken = `{"model":"m","messages":[],"tools":[${'x'.repeat(2_000)}]}`;
    expect(refusal(() => read(bytes(broken)).request())).toBe('400 The request body is not valid JSON.');
    const nameless = { model: 'm', messages, tools: [{ description: 'y'.repeat(2_000) }] };
    expect(refusal(() => read(bytes(nameless)).request())).toContain('400 tools.0.name');
  });
});
