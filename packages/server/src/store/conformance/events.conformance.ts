import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { AT, sampleEvent, sampleSession } from '../../../test/support/samples.ts';
import type { Change } from '../store.ts';
import type { Subject } from './subject.conformance.ts';

export function describeEvents(subject: Subject): void {
  describe('events', () => {
    test('are numbered from 1 in each session, and are read exactly as they were written', async () => {
      const [a, b] = [await subject.newSession(), await subject.newSession()];
      const turnId = randomUUID();
      const text = '{"text":"\\u0000 \\n \u{1F600} \\ud800 </script>"}';
      const written = await subject.store.write([
        sampleEvent(a.id, { turnId, json: text }),
        sampleEvent(b.id),
        sampleEvent(a.id, { type: 'session.state', json: '{}' }),
      ]);
      if (!written.ok) throw new Error('refused');
      expect(written.events.map(({ sessionId, seq }) => [sessionId, seq])).toEqual([
        [a.id, 1],
        [b.id, 1],
        [a.id, 2],
      ]);
      const [first, , third] = written.events;
      expect(await subject.store.readEvents(a.id, 0, 99)).toEqual([first, third]);
      expect(first).toMatchObject({ turnId, json: text, type: 'agent.message', at: AT });
      expect((await subject.store.getSession(a.id))?.lastSeq).toBe(2);
    });

    test('the newest number that a writer passes in is ignored', async () => {
      const { id } = sampleSession();
      await subject.store.write([{ kind: 'insert-session', session: sampleSession({ id, lastSeq: 40 }) }]);
      await subject.store.write([sampleEvent(id), sampleEvent(id)]);
      await subject.store.write([{ kind: 'update-session', id, set: { title: 'x' } }, sampleEvent(id)]);
      expect((await subject.store.readEvents(id, 0, 9)).map((each) => each.seq)).toEqual([1, 2, 3]);
    });

    test('are read in pages, after any number', async () => {
      const { id } = await subject.newSession();
      await subject.store.write(Array.from({ length: 7 }, () => sampleEvent(id)));
      const seqs = async (after: number, limit: number) =>
        (await subject.store.readEvents(id, after, limit)).map((each) => each.seq);
      expect(await seqs(0, 3)).toEqual([1, 2, 3]);
      expect(await seqs(3, 3)).toEqual([4, 5, 6]);
      expect(await seqs(6, 3)).toEqual([7]);
      expect(await seqs(7, 3)).toEqual([]);
      expect(await seqs(99, 3)).toEqual([]);
      expect(await subject.store.readEvents(randomUUID(), 0, 3)).toEqual([]);
    });

    test('history has what users and the main thread said, within a range, page by page', async () => {
      const { id } = await subject.newSession();
      const asked = await subject.newTurn(id, { input: 'a question' });
      const own = await subject.newTurn(id, { initiator: 'agent', input: 'a report' });
      const said = (data: unknown): Change => sampleEvent(id, { json: JSON.stringify(data) });
      await subject.store.write([
        sampleEvent(id, { type: 'turn.queued', turnId: asked.id }),
        sampleEvent(id, { type: 'turn.started', turnId: asked.id }),
        said({ type: 'system', subtype: 'init' }),
        said({ type: 'assistant', parent_tool_use_id: null, n: 1 }),
        said({ type: 'assistant', parent_tool_use_id: 'of a subagent', n: 2 }),
        said({ type: 'user', n: 3 }),
        said({ type: 'result' }),
        sampleEvent(id, { type: 'turn.started', turnId: own.id }),
        said({ type: 'assistant', parent_tool_use_id: null, n: 4 }),
      ]);
      const read = async (after: number, until: number, limit = 9, offset = 0): Promise<unknown[]> =>
        (await subject.store.history(id, { after, until, limit, offset })).map(({ turnId, entry }) =>
          'input' in entry ? [turnId, entry.input] : (JSON.parse(entry.json) as { n: number }).n,
        );
      expect(await read(0, 99)).toEqual([[asked.id, 'a question'], 1, 3, 4]);
      expect(await read(0, 99, 2, 1)).toEqual([1, 3]);
      expect(await read(2, 8)).toEqual([1, 3]);
      expect(await subject.store.history(randomUUID(), { after: 0, until: 99, limit: 9, offset: 0 })).toEqual(
        [],
      );
    });

    test('have no holes and no repeats under many concurrent writes, some of them refused or broken', async () => {
      const sessions = await Promise.all([subject.newSession(), subject.newSession(), subject.newSession()]);
      const writes = Array.from({ length: 300 }, (_, n) => {
        const id = sessions[n % 3]?.id ?? '';
        const events = Array.from({ length: 1 + (n % 4) }, () => sampleEvent(id, { json: `{"n":${n}}` }));
        if (n % 7 === 0) events.push({ kind: 'count-message', id: randomUUID() });
        if (n % 11 === 0) events.push(sampleEvent(randomUUID()));
        return events;
      });
      const results = await Promise.allSettled(writes.map((changes) => subject.store.write(changes)));
      for (const [s, { id }] of sessions.entries()) {
        const mine = results.flatMap((each, n) =>
          n % 3 === s && each.status === 'fulfilled' && each.value.ok ? each.value.events : [],
        );
        expect(mine.map((each) => each.seq)).toEqual(mine.map((_, index) => index + 1));
        expect(await subject.store.readEvents(id, 0, 9_999)).toEqual(mine);
      }
    });

    test('of all sessions are read by cursor, in order, without agent messages', async () => {
      const [a, b] = [await subject.newSession(), await subject.newSession()];
      expect(await subject.store.lastCursor()).toBe(0);
      await subject.store.write([sampleEvent(a.id, { type: 'turn.queued', turnId: randomUUID() })]);
      await subject.store.write([sampleEvent(b.id), sampleEvent(b.id, { type: 'session.state' })]);
      await subject.store.write([sampleEvent(a.id), sampleEvent(a.id, { type: 'turn.started' })]);
      const all = await subject.store.readControlEvents(0, 99);
      expect(all.map(({ sessionId, type }) => [sessionId, type])).toEqual([
        [a.id, 'turn.queued'],
        [b.id, 'session.state'],
        [a.id, 'turn.started'],
      ]);
      const cursors = all.map((each) => each.cursor);
      expect(cursors).toEqual(cursors.toSorted((x, y) => x - y));
      expect(await subject.store.readControlEvents(cursors[0] ?? 0, 1)).toEqual([all[1]]);
      expect(await subject.store.lastCursor()).toBe(cursors[2]);
      expect(await subject.store.readControlEvents(await subject.store.lastCursor(), 99)).toEqual([]);
    });

    test('a reader that follows the cursor during writes misses nothing', async () => {
      const sessions = await Promise.all(Array.from({ length: 5 }, () => subject.newSession()));
      let writing = true;
      const writers = Promise.all(
        sessions.map(async ({ id }) => {
          for (let n = 0; n < 30; n++)
            await subject.store.write([sampleEvent(id, { type: 'session.state' })]);
        }),
      ).finally(() => {
        writing = false;
      });
      let cursor = 0;
      const seen = new Map<string, number[]>();
      for (let last = false; !last; ) {
        last = !writing;
        const page = await subject.store.readControlEvents(cursor, 3);
        for (const each of page) {
          seen.set(each.sessionId, [...(seen.get(each.sessionId) ?? []), each.seq]);
          cursor = each.cursor;
        }
        if (page.length > 0) last = false;
        else await new Promise((resolve) => setImmediate(resolve));
      }
      await writers;
      for (const { id } of sessions)
        expect(seen.get(id)).toEqual(Array.from({ length: 30 }, (_, n) => n + 1));
    });

    test('the start of a turn is the number of its queued event', async () => {
      const { id } = await subject.newSession();
      const turnId = randomUUID();
      await subject.store.write([sampleEvent(id), sampleEvent(id, { type: 'turn.queued', turnId })]);
      await subject.store.write([sampleEvent(id, { type: 'turn.started', turnId })]);
      expect(await subject.store.turnStart(id, turnId)).toBe(2);
      expect(await subject.store.turnStart(id, randomUUID())).toBeUndefined();
    });

    test('sessions whose newest task list names a task are found', async () => {
      const [one, two, three] = [
        await subject.newSession(),
        await subject.newSession(),
        await subject.newSession(),
      ];
      const tell = (id: string, tasks: string[]) =>
        subject.store.write([sampleEvent(id, { type: 'session.tasks', json: JSON.stringify({ tasks }) })]);
      await tell(one.id, ['a']);
      await tell(two.id, ['b']);
      await tell(one.id, ['a', 'c']);
      await tell(two.id, []);
      await subject.store.write([sampleEvent(three.id)]);
      expect(await subject.store.sessionsWithTasks()).toEqual([one.id]);
      await tell(two.id, ['d']);
      expect(await subject.store.sessionsWithTasks()).toEqual([one.id, two.id]);
    });

    test("the beginning of an agent's own turn, which was never queued, is found", async () => {
      const { id } = await subject.newSession();
      const turnId = randomUUID();
      await subject.store.write([sampleEvent(id), sampleEvent(id, { type: 'turn.started', turnId })]);
      expect(await subject.store.turnStart(id, turnId)).toBe(2);
    });
  });
}
