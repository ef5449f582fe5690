import { expect, test } from 'vitest';
import type { StoredEvent } from '../store/store.ts';
import { openStream } from './follow.ts';

const stored = (seq: number): StoredEvent => ({
  sessionId: 's',
  seq,
  cursor: seq,
  at: '',
  turnId: null,
  type: 'agent.message',
  json: '{}',
});

/** The ids of a stream that reads from these numbers, up to its end. */
async function read(after: number, seqs: number[]): Promise<string> {
  const stream = openStream({
    after,
    lost: async (from, [oldest]) => (oldest && oldest.seq > from + 1 ? 'removed' : undefined),
    head: () => undefined,
    subscribe(subscriber) {
      subscriber.onEnd('stopping');
      return { head: undefined, turnId: null, blocks: [], unsubscribe() {} };
    },
    read: async (from) => seqs.filter((seq) => seq > from).map(stored),
    position: ({ seq }) => seq,
    encode: (frame) => (frame.durable ? `${frame.event.seq} ` : ''),
  });
  let text = '';
  for await (const chunk of stream) text += Buffer.from(chunk).toString();
  return text.replace(': connected\n\n', '');
}

test('a stream whose next events were removed breaks off, so that its reader learns where to go on', async () => {
  expect(await read(2, [3, 4])).toBe('3 4 ');
  await expect(read(2, [5, 6])).rejects.toThrow(/were removed/);
});
