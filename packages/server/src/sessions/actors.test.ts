import { expect, test } from 'vitest';
import { collectGarbage } from '../../test/support/gc.ts';
import { createActors } from './actors.ts';
import type { Session } from './session.ts';

/** As much of a session as is asked here. */
function fakeSession(id: string, more: Partial<Session> = {}): Session {
  return {
    id,
    broker: {},
    isAtRest: () => true,
    rest: () => {},
    record: () => ({ id }),
    ...more,
  } as unknown as Session;
}

test('those at rest are let go beyond a number, the longest unused first', async () => {
  const actors = createActors({ kept: 2 });
  for (const id of ['a', 'b', 'c']) actors.add(fakeSession(id));
  expect(actors.all().map(({ id }) => id)).toEqual(['b', 'c']);
  actors.get('b');
  actors.add(fakeSession('d'));
  expect(actors.all().map(({ id }) => id)).toEqual(['b', 'd']);
  await collectGarbage();
  expect(actors.get('a')).toBeUndefined();
  expect(actors.get('c')).toBeUndefined();
  actors.end();
});

test('those that do something stay, and are let go once they rest', () => {
  const actors = createActors({ kept: 0 });
  let [isBusy, ended] = [true, 0];
  actors.add(fakeSession('a', { isAtRest: () => !isBusy, rest: () => void ended++ }));
  actors.sweep();
  expect([actors.all().length, ended]).toEqual([1, 0]);
  isBusy = false;
  actors.sweep();
  expect([actors.all().length, ended]).toEqual([0, 1]);
  actors.end();
});

test('one that is let go is found as long as anybody holds it or a part of it, and a call brings it back', async () => {
  const actors = createActors({ kept: 0 });
  const calls: string[] = [];
  const respond = async (): Promise<void> => void calls.push('respond');
  const held = actors.add(fakeSession('a', { broker: { respond } as unknown as Session['broker'] }));
  const { broker } = actors.add(fakeSession('b', { broker: { respond } as unknown as Session['broker'] }));
  actors.sweep();
  await collectGarbage();
  expect(actors.all()).toEqual([]);
  expect(actors.peek('a')).toBeUndefined();
  await broker.respond({ request_id: '1', allowed: true }, { kind: 'local' });
  expect(calls).toEqual(['respond']);
  expect(actors.all().map(({ id }) => id)).toEqual(['b']);
  expect(actors.get('a')).toBe(held);
  actors.end();
});

test('one whose call is under way is not let go, and a call that began after that brings it back', async () => {
  const actors = createActors({ kept: 0 });
  const gate = Promise.withResolvers<void>();
  const session = actors.add(fakeSession('a', { close: () => gate.promise }));
  const closing = session.close();
  actors.sweep();
  expect(actors.peek('a')).toBe(session);
  gate.resolve();
  await closing;
  actors.sweep();
  expect(actors.peek('a')).toBeUndefined();
  session.record();
  expect(actors.peek('a')).toBe(session);
  actors.end();
});

test('one that was removed does not come back', async () => {
  const actors = createActors({ kept: 0 });
  const session = actors.add(fakeSession('a'));
  actors.remove('a');
  session.record();
  expect(actors.get('a')).toBeUndefined();
  actors.end();
});
