import { expect, test } from 'vitest';
import { condense } from './condense.ts';
import type { Item } from './items.ts';

const item = (seq: number, rest: object): Item =>
  ({ seq, part: 0, key: `${seq}`, turnId: 't', ...rest }) as unknown as Item;
const said = (seq: number, text: string): Item => item(seq, { kind: 'text', text });
const ended = (seq: number, message?: string): Item =>
  item(seq, { kind: 'end', error: message === undefined ? undefined : { message } });
const retry = (seq: number): Item => item(seq, { kind: 'notice', notice: { type: 'api_retry' } });
const seqs = (...items: Item[]): number[] => condense(items).map(({ seq }) => seq);

test('an answer that the error of its turn says again is left out, and no other', () => {
  expect(seqs(said(1, 'Hello'), said(2, 'API Error: 400'), ended(3, 'API Error: 400'))).toEqual([1, 3]);
  expect(seqs(said(1, 'API Error: 400'), ended(2, 'Another error'))).toEqual([1, 2]);
  expect(seqs(said(1, 'API Error: 400'), ended(2))).toEqual([1, 2]);
  expect(seqs(said(1, 'API Error: 400'))).toEqual([1]);
});

test('of the notices of one call that is tried again, the last one stays', () => {
  expect(seqs(retry(1), retry(2), said(3, 'x'), retry(4))).toEqual([2, 3, 4]);
});
