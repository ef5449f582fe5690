import { expect, test } from 'vitest';
import { asAppError } from './problems.ts';

const thrown = (isGone: boolean): { code: string; unexpected: unknown[] } => {
  const unexpected: unknown[] = [];
  const error = new DOMException('This operation was aborted', 'AbortError');
  const { code } = asAppError(error, (each) => unexpected.push(each), isGone);
  return { code, unexpected };
};

test('work that stops because its client has gone is no failure of the server', () => {
  expect(thrown(true)).toEqual({ code: 'body_incomplete', unexpected: [] });
  expect(thrown(false)).toMatchObject({ code: 'internal_error', unexpected: [expect.any(Error)] });
});
