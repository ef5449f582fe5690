import { describe, expect, test } from 'vitest';
import type { LiveNode } from './membership.ts';
import { createPlacement } from './placement.ts';

const node = (id: string, room: number, more: Partial<LiveNode> = {}): LiveNode => ({
  id,
  incarnation: `${id}-1`,
  address: `http://${id}`,
  draining: false,
  room,
  ...more,
});

const placement = (room: number, nodes: LiveNode[], draining = false) =>
  createPlacement({
    membership: { incarnation: () => 'me-1', isDraining: () => draining },
    live: () => nodes,
    room: () => room,
  });

describe('a session that nobody owns', () => {
  test('stays where it is asked for as long as there is room', () => {
    expect(placement(1, [node('me', 1), node('b', 100)]).elsewhere()).toBeUndefined();
  });

  test('goes to the node with the most room, counting those that were just sent there', () => {
    const { elsewhere } = placement(0, [node('me', 9), node('b', 2), node('c', 3)]);
    expect(Array.from({ length: 6 }, () => elsewhere()?.id)).toEqual(['c', 'b', 'c', 'b', 'c', undefined]);
  });

  test('never goes to a node that is draining, and always away from one', () => {
    const others = [node('b', 5, { draining: true }), node('c', 0)];
    expect(placement(0, others).elsewhere()).toBeUndefined();
    expect(placement(5, others, true).elsewhere()).toEqual({ id: 'c', address: 'http://c' });
    expect(placement(5, [], true).elsewhere()).toBeUndefined();
  });
});
