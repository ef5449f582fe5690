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

const placement = (room: number, nodes: LiveNode[], draining = false, sharedFolders = false) =>
  createPlacement({
    membership: { id: 'me', incarnation: () => 'me-1', isDraining: () => draining },
    live: () => nodes,
    room: () => room,
    sharedFolders,
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

describe('a session with a folder', () => {
  const folder = (node: string, isWorkspace: boolean) => ({ path: '/f', node, isWorkspace });
  const nodes = [node('me', 5), node('b', 1), node('c', 9), node('d', 9, { draining: true })];
  const of = (where: ReturnType<typeof folder>, more: { shared?: boolean; room?: number } = {}) => {
    const { node: found, missing } = placement(more.room ?? 5, nodes, false, more.shared ?? false).of(where);
    return missing ? 'missing' : (found?.id ?? 'here');
  };

  test('goes to the node that has it', () => {
    expect([of(folder('b', false)), of(folder('me', false)), of(folder('b', true))]).toEqual([
      'b',
      'here',
      'b',
    ]);
    expect([of(folder('me', false), { room: 0 }), of(folder('b', true), { shared: true })]).toEqual([
      'here',
      'b',
    ]);
  });

  test('goes elsewhere only as a workspace, without room or node', () => {
    expect([of(folder('me', true), { room: 0 }), of(folder('gone', true)), of(folder('d', true))]).toEqual([
      'c',
      'here',
      'here',
    ]);
    expect([of(folder('gone', false)), of(folder('d', false))]).toEqual(['missing', 'missing']);
  });

  test('goes anywhere when all nodes see it', () => {
    expect(of(folder('b', false), { shared: true })).toBe('here');
    expect(of(folder('gone', false), { shared: true, room: 0 })).toBe('c');
  });

  test('waits for its node however busy that is, while its workspace would not', () => {
    const { of: place } = placement(5, [node('me', 5), node('b', 1)]);
    const [first, second] = [place(folder('b', true)), place(folder('b', true))];
    expect([first.node?.id, second.node?.id]).toEqual(['b', undefined]);
    expect(place(folder('b', false)).node?.id).toBe('b');
  });
});
