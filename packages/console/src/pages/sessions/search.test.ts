import { describe, expect, test } from 'vitest';
import { filtersOf, formatTag, parseSearch, parseTag } from './search.ts';

describe('the address of the list', () => {
  test('is read, and what it does not know is left out', () => {
    expect(
      parseSearch({ q: 12, status: 'all', cwd: '/work', tag: 'a=b', dialog: 'create', more: 1 }),
    ).toEqual({ q: '12', status: 'all', cwd: '/work', tag: 'a=b', dialog: 'create' });
    expect(
      parseSearch({ q: '', status: 'odd', state: 'odd', cwd: {}, tag: 'none', dialog: 'erase' }),
    ).toEqual({});
    // Only open sessions do something.
    expect(parseSearch({ status: 'closed', state: 'waiting' })).toEqual({ state: 'waiting' });
  });

  test('becomes the filters of the server', () => {
    expect(filtersOf({})).toEqual({ status: 'connected' });
    expect(filtersOf({ state: 'running' })).toEqual({
      status: 'connected',
      state: ['running', 'background'],
    });
    expect(filtersOf({ q: 'x', status: 'all', tag: 'n=3', dialog: 'create' })).toEqual({
      status: 'all',
      q: 'x',
      metadata: { n: 3 },
    });
  });
});

describe('a tag', () => {
  test.each([
    ['team=red', ['team', 'red']],
    ['n=3', ['n', 3]],
    ['n="3"', ['n', '3']],
    ['on=true', ['on', true]],
    ['url=http://x/?a=b', ['url', 'http://x/?a=b']],
    ['empty=', ['empty', '']],
    ['list=[1]', ['list', '[1]']],
  ] as const)('%s is read and written', (text, [name, value]) => {
    expect(parseTag(text)).toEqual([name, value]);
    expect(parseTag(formatTag(name, value))).toEqual([name, value]);
  });

  test.each(['', 'name', '=x', ' =x'])('"%s" is none', (text) => {
    expect(parseTag(text)).toBeUndefined();
  });
});
