import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Change, WriteResult } from '../store/store.ts';
import { createActor } from './actor.ts';

/** Adds a word to a list; one in capitals is refused, one in brackets is not written. */
type Word = string;

/** An actor over a list of words; its store takes what `answer` lets it. */
function setup(
  answer: (changes: readonly Change[]) => WriteResult | Error = () => ({ ok: true, events: [] }),
) {
  const writes: string[][] = [];
  const stuck: unknown[] = [];
  const performed: string[] = [];
  const store = { answer };
  const actor = createActor<readonly Word[], Word, Word>({
    initial: [],
    decide(state, word) {
      if (word === word.toUpperCase()) throw new Error('no');
      const changes: Change[] = word.startsWith('(') ? [] : [{ kind: 'count-message', id: word }];
      return { state: [...state, word], changes, effects: [word] };
    },
    async commit(changes) {
      const given = store.answer(changes);
      await sleep(1);
      if (given instanceof Error) throw given;
      if (given.ok) writes.push(changes.map((change) => (change.kind === 'count-message' ? change.id : '')));
      return given;
    },
    perform: (word) => void performed.push(`${word} on ${actor.state().join('')}`),
    onStuck: (error) => void stuck.push(error),
    onError: (error) => {
      throw error;
    },
  });
  return { actor, store, writes, stuck, performed };
}

const full = (): Error => new Error('disk full');

describe('an actor', () => {
  test('adopts a state when it is committed, not before; then come its effects, then its caller', async () => {
    const { actor, performed } = setup();
    const called = actor.call('a');
    expect(actor.state()).toEqual([]);
    expect(performed).toEqual([]);
    await called.then(({ ok }) => performed.push(`caller ${ok}`));
    expect(actor.state()).toEqual(['a']);
    expect(performed).toEqual(['a on a', 'caller true']);
  });

  test('shows between two commands what came between them: neither before the first is committed, nor after the second', async () => {
    const { actor, writes } = setup();
    const order: string[] = [];
    const show = (word: string) => actor.inOrder((state) => order.push(`${word} on ${state.join('')}`));
    const facts = [actor.fact('a'), actor.fact('b')];
    show('one');
    facts.push(actor.fact('c'));
    show('two');
    await Promise.all(facts);
    await actor.settled();
    expect(order).toEqual(['one on ab', 'two on abc']);
    expect(writes).toEqual([['a'], ['b'], ['c']]);
  });

  test('takes what comes during a commit together in the next one, each on what the one before decided', async () => {
    const { actor, writes } = setup();
    await Promise.all(['a', 'b', 'c'].map((word) => actor.call(word)));
    expect(writes).toEqual([['a'], ['b', 'c']]);
    expect(actor.state()).toEqual(['a', 'b', 'c']);
  });

  test('a command that is refused takes nothing else with it', async () => {
    const { actor, writes } = setup();
    const all = await Promise.allSettled(['a', 'NO', 'b'].map((word) => actor.call(word)));
    expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(writes).toEqual([['a'], ['b']]);
  });

  test('one that the store refuses is refused alone', async () => {
    const { actor, writes } = setup((changes) =>
      changes.some((change) => change.kind === 'count-message' && change.id === 'twice')
        ? { ok: false, refused: 0 }
        : { ok: true, events: [] },
    );
    const answers = await Promise.all(['a', 'b', 'twice', 'c'].map((word) => actor.call(word)));
    expect(answers.map(({ ok }) => ok)).toEqual([true, true, false, true]);
    expect(writes).toEqual([['a'], ['b'], ['c']]);
    expect(actor.state()).toEqual(['a', 'b', 'c']);
  });

  test('a store that fails: callers are told at once, facts wait in order and are written when it works again', async () => {
    const { actor, store, writes, stuck, performed } = setup(full);
    const facts = [actor.fact('f1'), actor.fact('f2')];
    await expect(actor.call('c1')).rejects.toThrow('disk full');
    expect(actor.isStuck()).toBe(true);
    await expect(actor.call('c2')).rejects.toThrow('disk full');
    facts.push(actor.fact('f3'));
    expect(actor.state()).toEqual([]);
    expect(performed).toEqual([]);
    expect(stuck).toHaveLength(1);
    store.answer = () => ({ ok: true, events: [] });
    await Promise.all(facts);
    expect(actor.state()).toEqual(['f1', 'f2', 'f3']);
    expect(writes.flat()).toEqual(['f1', 'f2', 'f3']);
    expect(actor.isStuck()).toBe(false);
    await expect(actor.call('c3')).resolves.toMatchObject({ ok: true });
  });

  test('a store that fails: live data is dropped, and what waits to be written in order waits for the store', async () => {
    const { actor, store } = setup(full);
    const order: string[] = [];
    const show = (word: string, keeps: boolean): void =>
      actor.inOrder((state) => order.push(`${word} on ${state.join('')}`), { keeps });
    const fact = actor.fact('a');
    show('dropped', false);
    show('kept', true);
    await actor.settled();
    expect(actor.isStuck()).toBe(true);
    show('dropped', false);
    show('kept', true);
    store.answer = () => ({ ok: true, events: [] });
    const next = actor.fact('b');
    await Promise.all([fact, next]);
    expect(order).toEqual(['kept on a', 'kept on a']);
  });

  test('an intention goes ahead of what waits, also while the store fails; it must not need to be written', async () => {
    const { actor, store } = setup(full);
    const fact = actor.fact('fact');
    actor.intend('(early)');
    await expect(actor.call('call')).rejects.toThrow('disk full');
    expect(actor.state()).toEqual(['(early)']);
    actor.intend('(stuck)');
    expect(actor.state()).toEqual(['(early)', '(stuck)']);
    expect(() => actor.intend('written')).toThrow('must not need to be written');
    store.answer = () => ({ ok: true, events: [] });
    await fact;
    expect(actor.state()).toEqual(['(early)', '(stuck)', 'fact']);
  });

  test('gives up at the end what cannot be written, and says that it did', async () => {
    const { actor, performed } = setup(full);
    const fact = actor.fact('never');
    expect(await actor.writtenWithin(150)).toBe(false);
    await fact;
    // What comes after that is given up as soon as it fails.
    await actor.fact('late');
    expect(actor.state()).toEqual([]);
    expect(performed).toEqual([]);
    const fine = setup();
    void fine.actor.fact('a');
    expect(await fine.actor.writtenWithin(5_000)).toBe(true);
  });
});
