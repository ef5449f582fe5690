import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { hasPostgres, newDatabase } from '../../../../test/support/postgres.ts';
import { sampleSession } from '../../../../test/support/samples.ts';
import { openPostgresStore } from '../../../store/postgres.ts';
import { watchErased } from './erased.ts';

describe.skipIf(!hasPostgres())('copies of erased conversations', () => {
  test('go on every node, and those of others stay', async () => {
    const store = await openPostgresStore({ url: await newDatabase(), connections: 2 });
    const folder = mkdtempSync(join(tmpdir(), 'erased-'));
    const errors: unknown[] = [];
    const [before, during, again] = [sampleSession(), sampleSession(), sampleSession()];
    const stranger = randomUUID();
    const place = (id: string): string => join(folder, 'projects', 'p', `${id}.jsonl`);
    const erase = async (id: string): Promise<void> => {
      await store.write([{ kind: 'hide-session', id }]);
      await store.write([{ kind: 'erase-session', id }]);
    };
    try {
      mkdirSync(join(folder, 'projects', 'p'), { recursive: true });
      for (const id of [before.id, during.id, again.id, stranger]) writeFileSync(place(id), 'x');
      await store.write([before, during, again].map((session) => ({ kind: 'insert-session', session })));
      await erase(before.id);
      await erase(again.id);
      // It came back: an import, say.
      await store.write([{ kind: 'insert-session', session: again }]);
      const transcripts = store.transcripts;
      const watch = watchErased({ transcripts, folder, onError: (error) => errors.push(error) }, 20);
      await vi.waitFor(() => expect(existsSync(place(before.id))).toBe(false));
      expect(existsSync(place(during.id))).toBe(true);
      await erase(during.id);
      await vi.waitFor(() => expect(existsSync(place(during.id))).toBe(false));
      await watch.stop();
      expect([again.id, stranger].map((id) => existsSync(place(id)))).toEqual([true, true]);
      expect(errors).toEqual([]);
    } finally {
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
