import { expect, test } from 'vitest';
import { createIdUnwrapper, toClientId } from './tool-ids.ts';

const accepted = /^[a-zA-Z0-9_-]{1,64}$/;

test('an upstream gets its own ids back, except those that it does not accept', () => {
  const odd = toClientId('functions.Bash:0', new Set());
  const short = toClientId('call_0', new Set());
  const ids = [odd, short, 'toolu_1234567890ab'];
  expect(ids.map(createIdUnwrapper(ids))).toEqual(['functions.Bash:0', 'call_0', 'toolu_1234567890ab']);
  expect(ids.map(createIdUnwrapper(ids, accepted))).toEqual([odd, 'call_0', 'toolu_1234567890ab']);
});

test('an id that is too long is shortened the same way in every request, and stays unique', () => {
  const long = [0, 1].map((at) => toClientId(`functions.mcp__drive__search_files_by_name:${at}`, new Set()));
  for (const id of long) expect(id).not.toMatch(accepted);
  const once = long.map(createIdUnwrapper(long, accepted));
  const again = long.map(createIdUnwrapper(['toolu_1234567890ab', ...long], accepted));
  for (const id of once) expect(id).toMatch(accepted);
  expect(again).toEqual(once);
  expect(new Set(once).size).toBe(2);
});
