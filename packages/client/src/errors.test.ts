import { describe, expect, expectTypeOf, test } from 'vitest';
import { ApiError, isProblem, ServerUnreachable } from './errors.ts';

const failure = (status: number, code: string): unknown =>
  new ApiError({ status, code, detail: 'A sentence.', errors: undefined });

describe('isProblem', () => {
  test('tells an error of the server by its code', () => {
    expect(isProblem(failure(409, 'session_closed'), 'session_closed')).toBe(true);
    expect(isProblem(failure(409, 'session_closed'), 'session_busy', 'session_closed')).toBe(true);
    expect(isProblem(failure(404, 'turn_not_found'), 'session_closed')).toBe(false);
    expect(isProblem(new ServerUnreachable('http://agent.test', new Error('x')), 'session_closed')).toBe(
      false,
    );
    expect(isProblem(undefined, 'session_closed')).toBe(false);
  });

  test('narrows the code and its status, so that a switch is exhaustive', () => {
    const advice = (error: unknown): string | undefined => {
      if (!isProblem(error, 'session_closed', 'session_not_found')) return undefined;
      switch (error.code) {
        case 'session_closed':
          expectTypeOf(error.status).toEqualTypeOf<409>();
          return 'reopen it';
        case 'session_not_found':
          expectTypeOf(error.status).toEqualTypeOf<404>();
          return 'create one';
      }
    };
    expect(advice(failure(409, 'session_closed'))).toBe('reopen it');
    expect(advice(failure(404, 'session_not_found'))).toBe('create one');
    expect(advice(failure(404, 'turn_not_found'))).toBeUndefined();
  });
});

test('a code of a newer server, or of something in between, is a code all the same', () => {
  const error = new ApiError({ status: 418, code: 'teapot', detail: 'Short and stout.', errors: undefined });
  expect(error.code).toBe('teapot');
  // @ts-expect-error: not a code of the catalogue
  isProblem(error, 'teapot');
});
