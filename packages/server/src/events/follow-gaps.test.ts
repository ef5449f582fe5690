import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sampleSession } from '../../test/support/samples.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import { createFeed } from './feed.ts';
import { durableFrame, type Frame } from './frames.ts';
import { event } from './log.ts';
import { streamSession } from './stream.ts';

const S = '00000000-0000-4000-8000-00000000000a';
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Reads until the event with this number. */
async function numbersUntil(body: ReadableStream<Uint8Array>, last: number): Promise<number[]> {
  let text = '';
  for await (const chunk of body) {
    text += Buffer.from(chunk).toString();
    if (text.includes(`id: ${last}\n`)) break;
  }
  return [...text.matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]));
}

test('a subscriber gets every event once and in order, whichever of them a relay has skipped or repeated', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ published: fc.array(fc.nat(30), { maxLength: 4 }), committed: fc.nat(4) }), {
        minLength: 1,
        maxLength: 12,
      }),
      fc.nat(5),
      async (steps, after) => {
        const store = openSqliteStore(':memory:');
        await store.write([{ kind: 'insert-session', session: sampleSession({ id: S }) }]);
        const feed = createFeed();
        const frames: Frame[] = [];
        const commit = async () => {
          const written = await store.write([event(S, 'agent.message', { type: 'user' })]);
          if (written.ok) frames.push(...written.events.map(durableFrame));
        };
        for (let i = 0; i < after; i++) await commit();
        const body = streamSession({ store, feed }, { sessionId: S, after });
        const total = after + steps.reduce((sum, { committed }) => sum + committed, 0) + 1;
        const read = numbersUntil(body, total);
        for (const { published, committed } of steps) {
          for (let i = 0; i < committed; i++) await commit();
          // In order, as a relay publishes, but with gaps and repetitions.
          for (const at of published.toSorted((a, b) => a - b)) {
            const frame = frames[at];
            if (frame) feed.relay(S, frame);
          }
          await turn();
        }
        await commit();
        const last = frames.at(-1);
        // The subscription may not be there yet: the replay has it then.
        if (last) feed.relay(S, last);
        expect(await read).toEqual(Array.from({ length: total - after }, (_, i) => after + i + 1));
        await store.close();
      },
    ),
    { numRuns: 200 },
  );
});
