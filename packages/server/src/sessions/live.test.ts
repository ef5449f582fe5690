import { describe, expect, test } from 'vitest';
import type { LiveSession } from '../cluster/nodes.ts';
import { countStates, inStates, liveSessions } from './live.ts';

const session = (id: string, state: LiveSession['state'], more: Partial<LiveSession> = {}): LiveSession => ({
  id,
  state,
  tenant: 'us',
  createdBy: 'ada',
  ...more,
});

describe('sessions of a state', () => {
  const live = liveSessions(
    [session('a', 'running'), session('b', 'asleep'), session('c', 'waiting', { createdBy: 'bob' })],
    // This node has b in memory and knows better.
    [session('b', 'running'), session('d', 'idle', { tenant: 'them' })],
  );

  test('are those that are live and in it', () => {
    expect(inStates(['running'], live)).toEqual({ only: ['a'] });
    expect(inStates(['waiting', 'idle'], live)).toEqual({ only: ['d', 'c'] });
    expect(inStates(['background'], live)).toEqual({ only: [] });
  });

  test('are, for those that sleep, all but the live ones in another', () => {
    expect(inStates(['asleep'], live)).toEqual({ without: ['d', 'a', 'c'] });
    expect(inStates(['asleep', 'idle'], live)).toEqual({ without: ['a', 'c'] });
  });

  test('are counted for those who may see them', () => {
    expect(countStates(live, {})).toEqual({ running: 1, waiting: 1, background: 0, idle: 1 });
    expect(countStates(live, { tenant: 'us', createdBy: 'ada' })).toEqual({
      running: 1,
      waiting: 0,
      background: 0,
      idle: 0,
    });
  });
});
