import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Change, WriteResult } from '../store/store.ts';
import { createLedger, type Draft } from './ledger.ts';

/** A ledger over a list of words; its store takes what `answer` lets it. */
function setup(
  answer: (changes: readonly Change[]) => WriteResult | Error = () => ({ ok: true, events: [] }),
) {
  const writes: string[][] = [];
  const stuck: unknown[] = [];
  const store = { answer };
  const ledger = createLedger<readonly string[]>({
    initial: [],
    async commit(changes) {
      const given = store.answer(changes);
      await sleep(1);
      if (given instanceof Error) throw given;
      if (given.ok) writes.push(changes.map((change) => (change.kind === 'count-message' ? change.id : '')));
      return given;
    },
    complete: () => {},
    onStuck: (error) => void stuck.push(error),
    onError: (error) => {
      throw error;
    },
  });
  const say =
    (word: string) =>
    (draft: Draft<readonly string[]>): string => {
      draft.state = [...draft.state, word];
      draft.write({ kind: 'count-message', id: word });
      return word;
    };
  return { ledger, store, writes, stuck, say };
}

const full = (): Error => new Error('disk full');

describe('a ledger', () => {
  test('adopts a decision when it is committed, not before; then come its effects, then its caller', async () => {
    const { ledger, say } = setup();
    const order: string[] = [];
    const called = ledger.call((draft) => {
      say('a')(draft);
      draft.after(() => order.push(`effect ${ledger.state().join('')}`));
    });
    expect(ledger.state()).toEqual([]);
    await called.then(() => order.push('caller'));
    expect(ledger.state()).toEqual(['a']);
    expect(order).toEqual(['effect a', 'caller']);
  });

  test('shows between two decisions what came between them: neither before the first is committed, nor after the second', async () => {
    const { ledger, writes, say } = setup();
    const order: string[] = [];
    const show = (word: string) => ledger.inOrder((state) => order.push(`${word} on ${state.join('')}`));
    const facts = [ledger.fact(say('a')), ledger.fact(say('b'))];
    show('one');
    facts.push(ledger.fact(say('c')));
    show('two');
    await Promise.all(facts);
    await ledger.settled();
    expect(order).toEqual(['one on ab', 'two on abc']);
    expect(writes).toEqual([['a'], ['b'], ['c']]);
  });

  test('takes what comes during a commit together in the next one, each on what the one before decided', async () => {
    const { ledger, writes, say } = setup();
    await Promise.all(['a', 'b', 'c'].map((word) => ledger.call(say(word))));
    expect(writes).toEqual([['a'], ['b', 'c']]);
    expect(ledger.state()).toEqual(['a', 'b', 'c']);
  });

  test('a decision that throws takes nothing else with it', async () => {
    const { ledger, writes, say } = setup();
    const refuse = (draft: Draft<readonly string[]>): never => {
      say('half')(draft);
      throw new Error('no');
    };
    const all = await Promise.allSettled([ledger.call(say('a')), ledger.call(refuse), ledger.call(say('b'))]);
    expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(writes).toEqual([['a'], ['b']]);
  });

  test('one that the store refuses is refused alone', async () => {
    const { ledger, writes, say } = setup((changes) =>
      changes.some((change) => change.kind === 'count-message' && change.id === 'twice')
        ? { ok: false, refused: 0 }
        : { ok: true, events: [] },
    );
    const words = ['a', 'b', 'twice', 'c'];
    const answers = await Promise.all(words.map((word) => ledger.call(say(word))));
    expect(answers.map(({ ok }) => ok)).toEqual([true, true, false, true]);
    expect(writes).toEqual([['a'], ['b'], ['c']]);
    expect(ledger.state()).toEqual(['a', 'b', 'c']);
  });

  test('a store that fails: callers are told at once, facts wait in order and are written when it works again', async () => {
    const { ledger, store, writes, stuck, say } = setup(full);
    const facts = [ledger.fact(say('fact 1')), ledger.fact(say('fact 2'))];
    await expect(ledger.call(say('call 1'))).rejects.toThrow('disk full');
    expect(ledger.isStuck()).toBe(true);
    await expect(ledger.call(say('call 2'))).rejects.toThrow('disk full');
    facts.push(ledger.fact(say('fact 3')));
    expect(ledger.state()).toEqual([]);
    expect(stuck).toHaveLength(1);
    store.answer = () => ({ ok: true, events: [] });
    await Promise.all(facts);
    expect(ledger.state()).toEqual(['fact 1', 'fact 2', 'fact 3']);
    expect(writes.flat()).toEqual(['fact 1', 'fact 2', 'fact 3']);
    expect(ledger.isStuck()).toBe(false);
    await expect(ledger.call(say('call 3'))).resolves.toMatchObject({ ok: true });
  });

  test('gives up at the end what cannot be written, and says that it did', async () => {
    const { ledger, say } = setup(full);
    const fact = ledger.fact(say('never'));
    expect(await ledger.writtenWithin(150)).toBe(false);
    await fact;
    expect(ledger.state()).toEqual([]);
    const fine = setup();
    void fine.ledger.fact(fine.say('a'));
    expect(await fine.ledger.writtenWithin(5_000)).toBe(true);
  });
});
