import { expect, test } from 'vitest';
import { createCalibration, estimateBody, estimateRequest, estimateText } from './estimate.ts';
import { createBodyReader } from './request-body.ts';
import type { MessagesRequest } from './types.ts';

const readBody = createBodyReader();
const usage = (input: number) => ({
  input_tokens: input,
  output_tokens: 1,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 0,
});

test('the estimate is on the high side for prose, code and Chinese', () => {
  // The counts of o200k_base for the same texts.
  expect(estimateText('The quick brown fox jumps over the lazy dog.')).toBeGreaterThanOrEqual(10);
  expect(estimateText('for (let i = 0; i < n; i += 1) { a[i] = b[i]; }')).toBeGreaterThanOrEqual(14);
  expect(estimateText('今天天气很好，我们去公园散步吧。')).toBeGreaterThanOrEqual(12);
});

test('a request never counts zero tokens, and an image counts what it costs, not the length of its base64', () => {
  const image: MessagesRequest = {
    model: 'm',
    messages: [
      {
        role: 'user',
        content: [
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'A'.repeat(1_000_000) } },
        ],
      },
    ],
  };
  const body = (value: unknown) => readBody(Buffer.from(JSON.stringify(value)));
  expect(estimateBody(body(image))).toBe(estimateRequest(image));
  // A request that only its upstream understands is estimated from its size.
  expect(estimateBody(body({ ...image, tools: [{ type: 'of_the_future' }] }))).toBeGreaterThan(300_000);
  expect(estimateRequest(image)).toBeGreaterThan(1_000);
  expect(estimateRequest(image)).toBeLessThan(3_000);
  expect(estimateBody(readBody(Buffer.from('{"model":"m"}')))).toBeGreaterThan(0);
});

test('reported counts bring the next estimate close to the real count, and never below it', () => {
  const calibration = createCalibration();
  const estimate = 13_000;
  expect(calibration.apply('m', estimate)).toBe(estimate);
  for (let turn = 0; turn < 5; turn += 1) {
    calibration.learn('m', calibration.apply('m', estimate), usage(10_000));
    const next = calibration.apply('m', estimate);
    expect(next).toBeGreaterThanOrEqual(10_000);
    expect(next).toBeLessThanOrEqual(11_000);
  }
  expect(calibration.apply('other', estimate)).toBe(estimate);
});
