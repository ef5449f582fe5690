import { expect, test } from 'vitest';
import { type SseFrame, sseFrames } from '../../test/support/api.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import { createFeed } from './feed.ts';
import { streamAll } from './stream.ts';

test('readers of all sessions are told which was erased, if they could see it', async () => {
  const store = openSqliteStore(':memory:');
  const feed = createFeed();
  const scopes = [{}, { tenant: 'them', createdBy: 'ada' }, { tenant: 'them', createdBy: 'bob' }];
  const readers = await Promise.all(
    scopes.map(async (scope) => {
      const stream = await streamAll({ store, feed }, { after: undefined, scope });
      const frames: SseFrame[] = [];
      const over = (async () => {
        for await (const frame of sseFrames(stream as ReadableStream<Uint8Array<ArrayBuffer>>))
          frames.push(frame);
      })();
      return { frames, over };
    }),
  );
  await new Promise(setImmediate);
  feed.erased('a session', { tenant: 'them', createdBy: 'ada' });
  feed.end();
  await Promise.all(readers.map(({ over }) => over));
  const told = [{ id: undefined, event: 'session.erased', data: { session_id: 'a session' } }];
  expect(readers.map(({ frames }) => frames)).toMatchObject([told, told, []]);
  await store.close();
});
