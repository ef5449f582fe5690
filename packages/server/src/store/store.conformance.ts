import { randomUUID } from 'node:crypto';
import type { TurnResult, TurnState } from 'claude-agent-protocol';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AT, sampleEvent, samplePermission, sampleSession, sampleTurn } from '../../test/support/samples.ts';
import { commands, createModel, runCommand } from '../../test/support/store-model.ts';
import type { Change, SessionRecord, Store, TurnRecord } from './store.ts';

/** The behaviour that every store has; `open` gives a new, empty one. */
export function describeStore(name: string, open: () => Promise<Store> | Store): void {
  describe(name, () => {
    let store: Store;
    beforeEach(async () => {
      store = await open();
    });
    afterEach(() => store.close());

    const newSession = async (set: Partial<SessionRecord> = {}): Promise<SessionRecord> => {
      const session = sampleSession(set);
      expect(await store.write([{ kind: 'insert-session', session }])).toEqual({ ok: true, events: [] });
      return session;
    };
    const newTurn = async (sessionId: string, set: Partial<TurnRecord> = {}): Promise<TurnRecord> => {
      const turn = sampleTurn(sessionId, set);
      expect(await store.write([{ kind: 'insert-turn', turn }])).toMatchObject({ ok: true });
      return turn;
    };

    describe('sessions', () => {
      test('a session comes back exactly as it was written', async () => {
        const full = await newSession({
          title: 'T "quoted" \u{1F600} \n',
          metadata: { deep: [{ a: null, b: 1.5, c: 'ü' }], 'snake_case-Key': true },
          model: 'demo',
          permissionMode: 'acceptEdits',
          options: {
            enable_proxy: true,
            allowed_tools: ['Read'],
            mcp_servers: { x: { command: 'y' } },
            max_turns: 3,
          },
          hasTranscript: true,
          forkedFrom: randomUUID(),
          createdBy: 'a-key',
        });
        const empty = await newSession();
        expect(await store.getSession(full.id)).toEqual(full);
        expect(await store.getSession(empty.id)).toEqual(empty);
        expect(await store.getSession(randomUUID())).toBeUndefined();
      });

      test('a session has its conversations in order, each behind the events of the one before', async () => {
        const session = await newSession();
        const [second, third] = [randomUUID(), randomUUID()];
        const begin = (id: string): Change => ({ kind: 'insert-conversation', id, sessionId: session.id });
        await store.write([sampleEvent(session.id), sampleEvent(session.id), begin(second)]);
        await store.write([
          begin(third),
          { kind: 'update-session', id: session.id, set: { conversationId: third } },
        ]);
        const all = [
          { id: session.id, sessionId: session.id, afterSeq: 0, fromDisk: false },
          { id: second, sessionId: session.id, afterSeq: 2, fromDisk: false },
          { id: third, sessionId: session.id, afterSeq: 2, fromDisk: false },
        ];
        expect(await store.conversations(session.id)).toEqual(all);
        expect(await store.conversation(second)).toEqual(all[1]);
        expect(await store.conversation(randomUUID())).toBeUndefined();
        expect((await store.pastConversations()).sort()).toEqual([session.id, second].sort());
      });

      test('a conversation has one owner', async () => {
        const [owner, other] = [await newSession(), await newSession()];
        const taken: Change = { kind: 'insert-conversation', id: owner.id, sessionId: other.id };
        expect(await store.write([taken])).toEqual({ ok: false, refused: 0 });
        const session = sampleSession({ conversationId: owner.id });
        expect(await store.write([{ kind: 'insert-session', session }])).toEqual({ ok: false, refused: 0 });
      });

      test('a session whose id is taken is refused', async () => {
        const first = await newSession({ title: 'first' });
        const again = sampleSession({ id: first.id, title: 'second' });
        expect(await store.write([{ kind: 'insert-session', session: again }])).toEqual({
          ok: false,
          refused: 0,
        });
        expect(await store.getSession(first.id)).toEqual(first);
      });

      test('an update changes what it names, and nothing else', async () => {
        const session = await newSession({ title: 'old', metadata: { a: 1 }, model: 'm' });
        const other = await newSession({ title: 'other' });
        await store.write([{ kind: 'update-session', id: session.id, set: { title: null, metadata: {} } }]);
        await store.write([{ kind: 'update-session', id: session.id, set: { hasTranscript: true } }]);
        await store.write([{ kind: 'update-session', id: session.id, set: {} }]);
        expect(await store.getSession(session.id)).toEqual({
          ...session,
          title: null,
          metadata: {},
          hasTranscript: true,
        });
        expect(await store.getSession(other.id)).toEqual(other);
      });

      test('an update or a count of an unknown session is refused', async () => {
        const id = randomUUID();
        const changes: Change[] = [
          { kind: 'update-session', id, set: { title: 'x' } },
          { kind: 'update-session', id, set: {} },
          { kind: 'count-message', id },
        ];
        for (const change of changes) expect(await store.write([change])).toEqual({ ok: false, refused: 0 });
      });

      test('messages are counted one by one, also when many are written at once', async () => {
        const { id } = await newSession();
        await Promise.all(Array.from({ length: 25 }, () => store.write([{ kind: 'count-message', id }])));
        expect((await store.getSession(id))?.messageCount).toBe(25);
      });

      test('sessions are listed newest activity first, page by page, without holes or repeats', async () => {
        // Three of each second: a page must be able to end between two that are equally old.
        const sessions = await Promise.all(
          Array.from({ length: 9 }, (_, n) =>
            newSession({ lastActivity: `2026-01-02T03:04:0${Math.floor(n / 3)}.000Z` }),
          ),
        );
        const expected = sessions
          .toSorted((a, b) => (a.lastActivity + a.id < b.lastActivity + b.id ? 1 : -1))
          .map((session) => session.id);
        for (const limit of [1, 2, 4, 9, 20]) {
          const seen: string[] = [];
          let cursor: string | undefined;
          do {
            const page = await store.listSessions({ status: 'all', limit, cursor });
            expect(page.sessions.length).toBeLessThanOrEqual(limit);
            seen.push(...page.sessions.map((session) => session.id));
            cursor = page.next ?? undefined;
          } while (cursor !== undefined);
          expect(seen).toEqual(expected);
        }
      });

      test('sessions are listed and counted by status', async () => {
        const open = await newSession();
        const closed = await newSession({ status: 'closed' });
        const list = async (status: 'connected' | 'closed') =>
          (await store.listSessions({ status, limit: 10 })).sessions.map((session) => session.id);
        expect(await list('connected')).toEqual([open.id]);
        expect(await list('closed')).toEqual([closed.id]);
        await store.write([{ kind: 'update-session', id: open.id, set: { status: 'closed' } }]);
        expect(await store.countSessions('connected')).toBe(0);
        expect(await store.countSessions('closed')).toBe(2);
      });

      test('a cursor that nobody gave out is refused, not taken for the first page', async () => {
        await newSession();
        for (const cursor of ['nonsense', '', Buffer.from('a b c').toString('base64url')]) {
          await expect(store.listSessions({ status: 'all', limit: 5, cursor })).rejects.toMatchObject({
            code: 'cursor_invalid',
            status: 422,
          });
        }
      });

      test('sessions are found by folder, text and metadata, together and page by page', async () => {
        const a = await newSession({ cwd: '/a', title: '100% Done_', metadata: { p: 'x', n: 1, b: true } });
        const b = await newSession({ cwd: '/a', title: null, metadata: { p: 'x', n: '1', deep: { p: 1 } } });
        const c = await newSession({ cwd: '/a/b', title: '1000 done', metadata: { p: null } });
        await newTurn(c.id, { input: 'say "hello"\nto Bob' });
        const find = async (query: Partial<Parameters<Store['listSessions']>[0]>) => {
          const { sessions } = await store.listSessions({ status: 'all', limit: 10, ...query });
          return sessions.map(({ id }) => id).sort();
        };
        const ids = (...sessions: { id: string }[]) => sessions.map(({ id }) => id).sort();
        expect(await find({ cwd: '/a' })).toEqual(ids(a, b));
        expect(await find({ q: '100% done_' })).toEqual(ids(a));
        expect(await find({ q: 'done' })).toEqual(ids(a, c));
        expect(await find({ q: 'SAY "hello"\nto' })).toEqual(ids(c));
        expect(await find({ q: '\\' })).toEqual([]);
        expect(await find({ metadata: { p: 'x' } })).toEqual(ids(a, b));
        expect(await find({ metadata: { n: 1 } })).toEqual(ids(a));
        expect(await find({ metadata: { n: '1' } })).toEqual(ids(b));
        expect(await find({ metadata: { b: true } })).toEqual(ids(a));
        expect(await find({ metadata: { b: 1 } })).toEqual([]);
        expect(await find({ metadata: { p: null } })).toEqual(ids(c));
        expect(await find({ metadata: {}, cwd: '/a', q: 'done' })).toEqual(ids(a));
        expect(await find({ metadata: { "'; drop": 1 } })).toEqual([]);
        const first = await store.listSessions({ status: 'all', limit: 1, cwd: '/a' });
        const cursor = first.next ?? undefined;
        const second = await store.listSessions({ status: 'all', limit: 1, cwd: '/a', cursor });
        expect(ids(...first.sessions, ...second.sessions)).toEqual(ids(a, b));
        expect(second.next).toBeNull();
      });
    });

    describe('turns', () => {
      const result = (turn: TurnRecord): TurnResult => ({
        session_id: turn.sessionId,
        turn_id: turn.id,
        messages: [{ type: 'text', content: 'hi' }],
        is_error: false,
        error: null,
        stop_reason: 'end_turn',
        cost_usd: 0.25,
        num_turns: 1,
        usage: { input_tokens: 1 },
        duration_ms: 12.5,
      });

      test('a turn comes back exactly as it was written, and only under its own session', async () => {
        const session = await newSession();
        const other = await newSession();
        const turn = await newTurn(session.id, {
          input: [{ type: 'text', text: 'look' }],
          idempotencyKey: 'k',
          startedAt: AT,
        });
        expect(await store.getTurn(session.id, turn.id)).toEqual(turn);
        expect(await store.getTurn(other.id, turn.id)).toBeUndefined();
        expect(await store.getTurnByKey(session.id, 'k')).toEqual(turn);
        expect(await store.getTurnByKey(other.id, 'k')).toBeUndefined();
        expect(await store.getTurnByKey(session.id, 'K')).toBeUndefined();
      });

      test('a second turn under the same key is refused; other sessions and turns without keys are not', async () => {
        const [a, b] = [await newSession(), await newSession()];
        const first = await newTurn(a.id, { idempotencyKey: 'k' });
        const again = sampleTurn(a.id, { idempotencyKey: 'k' });
        const changes: Change[] = [sampleEvent(a.id), { kind: 'insert-turn', turn: again }];
        expect(await store.write(changes)).toEqual({ ok: false, refused: 1 });
        await newTurn(b.id, { idempotencyKey: 'k' });
        await newTurn(a.id);
        await newTurn(a.id);
        expect(await store.getTurnByKey(a.id, 'k')).toEqual(first);
        // Given back by a turn that came to nothing.
        await store.write([
          {
            kind: 'update-turn',
            id: first.id,
            from: ['queued'],
            set: { state: 'failed', idempotencyKey: null },
          },
        ]);
        expect(await store.getTurnByKey(a.id, 'k')).toBeUndefined();
        await newTurn(a.id, { idempotencyKey: 'k' });
      });

      test('of many turns under one key at the same time exactly the first is kept', async () => {
        const { id } = await newSession();
        const turns = Array.from({ length: 10 }, () => sampleTurn(id, { idempotencyKey: 'k' }));
        const results = await Promise.all(
          turns.map((turn) => store.write([{ kind: 'insert-turn', turn }, sampleEvent(id)])),
        );
        expect(results.map((each) => each.ok)).toEqual([true, ...Array(9).fill(false)]);
        expect((await store.listTurns({ limit: 99 })).map((turn) => turn.id)).toEqual([turns[0]?.id]);
        expect((await store.getSession(id))?.lastSeq).toBe(1);
      });

      test('a turn changes only from a state that the change allows', async () => {
        const { id: sessionId } = await newSession();
        const turn = await newTurn(sessionId, { state: 'running', startedAt: AT });
        const end = (from: TurnState[], state: TurnState): Change => ({
          kind: 'update-turn',
          id: turn.id,
          from,
          set: { state, endedAt: AT, result: result(turn) },
        });
        expect(await store.write([end(['queued'], 'interrupted')])).toEqual({ ok: false, refused: 0 });
        expect(await store.write([end(['queued', 'running'], 'completed')])).toMatchObject({ ok: true });
        expect(await store.write([end(['queued', 'running'], 'failed')])).toEqual({ ok: false, refused: 0 });
        expect(await store.getTurn(sessionId, turn.id)).toEqual({
          ...turn,
          state: 'completed',
          endedAt: AT,
          result: result(turn),
        });
      });

      test('of two ends of one turn at the same time the first wins', async () => {
        const { id: sessionId } = await newSession();
        const turn = await newTurn(sessionId, { state: 'running' });
        const ends = await Promise.all(
          (['interrupted', 'completed'] as const).map((state) =>
            store.write([
              { kind: 'update-turn', id: turn.id, from: ['running'], set: { state } },
              sampleEvent(sessionId, { type: `turn.${state}` }),
            ]),
          ),
        );
        expect(ends.map((each) => each.ok)).toEqual([true, false]);
        expect((await store.readEvents(sessionId, 0, 9)).map((each) => each.type)).toEqual([
          'turn.interrupted',
        ]);
      });

      test('turns are listed in the order in which they were sent, by session, state and page', async () => {
        const [a, b] = [await newSession(), await newSession()];
        const sent: TurnRecord[] = [];
        // All of one millisecond, and ids that sort in another order.
        for (let n = 0; n < 6; n++) sent.push(await newTurn(n % 2 ? b.id : a.id));
        const ids = async (query: Parameters<Store['listTurns']>[0]) =>
          (await store.listTurns(query)).map((turn) => turn.id);
        const of = (sessionId: string) =>
          sent.filter((turn) => turn.sessionId === sessionId).map((t) => t.id);

        expect(await ids({ limit: 99 })).toEqual(sent.map((turn) => turn.id));
        expect(await ids({ sessionId: a.id, limit: 99 })).toEqual(of(a.id));
        expect(await ids({ sessionId: a.id, limit: 2 })).toEqual(of(a.id).slice(0, 2));
        expect(await ids({ sessionId: a.id, after: of(a.id)[0], limit: 99 })).toEqual(of(a.id).slice(1));
        expect(await ids({ sessionId: a.id, after: randomUUID(), limit: 99 })).toEqual([]);
        expect(await ids({ sessionId: randomUUID(), limit: 99 })).toEqual([]);

        const second = of(a.id)[1] ?? '';
        await store.write([{ kind: 'update-turn', id: second, from: ['queued'], set: { state: 'running' } }]);
        expect(await ids({ states: ['running'], limit: 99 })).toEqual([second]);
        expect(await ids({ sessionId: a.id, states: ['running', 'queued'], limit: 99 })).toEqual(of(a.id));
      });

      test('the start of a turn is the number of its queued event', async () => {
        const { id } = await newSession();
        const turnId = randomUUID();
        await store.write([sampleEvent(id), sampleEvent(id, { type: 'turn.queued', turnId })]);
        await store.write([sampleEvent(id, { type: 'turn.started', turnId })]);
        expect(await store.turnStart(turnId)).toBe(2);
        expect(await store.turnStart(randomUUID())).toBeUndefined();
      });

      test('the newest event of a type is found, one for each session', async () => {
        const [one, two, three] = [await newSession(), await newSession(), await newSession()];
        const tell = (id: string, n: number) =>
          store.write([sampleEvent(id, { type: 'session.tasks', json: JSON.stringify({ n }) })]);
        for (const [id, n] of [
          [one.id, 1],
          [two.id, 2],
          [one.id, 3],
        ] as const)
          await tell(id, n);
        await store.write([sampleEvent(three.id)]);
        const mine = new Set([one.id, two.id, three.id]);
        const found = (await store.latestEvents('session.tasks')).filter(({ sessionId }) =>
          mine.has(sessionId),
        );
        expect(found.map(({ sessionId, json }) => [sessionId, json])).toEqual([
          [two.id, '{"n":2}'],
          [one.id, '{"n":3}'],
        ]);
      });

      test("the beginning of an agent's own turn, which was never queued, is found", async () => {
        const { id } = await newSession();
        const turnId = randomUUID();
        await store.write([sampleEvent(id), sampleEvent(id, { type: 'turn.started', turnId })]);
        expect(await store.turnStart(turnId)).toBe(2);
      });
    });

    describe('permissions', () => {
      test('a request comes back exactly as it was written', async () => {
        const { id } = await newSession();
        const full = samplePermission(id, {
          turnId: randomUUID(),
          kind: 'question',
          toolInput: { nested: [{ x: '"' }] },
          suggestions: [{ type: 'addRules', rules: [{ toolName: 'Bash' }], behavior: 'allow' }, 'odd', null],
          agentId: 'a',
          title: 't',
          description: 'd',
          decisionReason: 'r',
          blockedPath: '/x',
          toolUseId: 'u',
          defaultToNo: true,
          expiresAt: AT,
        });
        await store.write([{ kind: 'insert-permission', permission: full }]);
        expect(await store.getPermission(id, full.id)).toEqual(full);
        expect(await store.getPermission(randomUUID(), full.id)).toBeUndefined();
      });

      test('what waits is listed oldest first, of one session or of all', async () => {
        const [a, b] = [await newSession(), await newSession()];
        const asked = [a, b, a].map((session) => samplePermission(session.id));
        for (const permission of asked) await store.write([{ kind: 'insert-permission', permission }]);
        expect(await store.pendingPermissions()).toEqual(asked);
        expect(await store.pendingPermissions(a.id)).toEqual([asked[0], asked[2]]);
        expect(await store.pendingPermissions(randomUUID())).toEqual([]);
      });

      test('of ten answers at the same time the first wins, and the event tells of that one only', async () => {
        const { id } = await newSession();
        const permission = samplePermission(id);
        await store.write([{ kind: 'insert-permission', permission }]);
        const results = await Promise.all(
          Array.from({ length: 10 }, (_, n) =>
            store.write([
              sampleEvent(id, { type: 'permission.resolved', json: `{"n":${n}}` }),
              {
                kind: 'settle-permission',
                id: permission.id,
                state: n % 2 ? 'denied' : 'allowed',
                reason: 'answered',
                resolvedAt: AT,
                resolvedBy: { kind: 'key', id: `key-${n}` },
              },
            ]),
          ),
        );
        expect(results.map((each) => each.ok)).toEqual([true, ...Array(9).fill(false)]);
        expect(results[1]).toEqual({ ok: false, refused: 1 });
        expect(await store.getPermission(id, permission.id)).toEqual({
          ...permission,
          state: 'allowed',
          reason: 'answered',
          resolvedAt: AT,
          resolvedBy: { kind: 'key', id: 'key-0' },
        });
        expect(await store.pendingPermissions(id)).toEqual([]);
        expect((await store.readEvents(id, 0, 99)).map((each) => each.json)).toEqual(['{"n":0}']);
      });
    });

    describe('events', () => {
      test('are numbered from 1 in each session, and come back exactly as they were written', async () => {
        const [a, b] = [await newSession(), await newSession()];
        const turnId = randomUUID();
        const text = '{"text":"\\u0000 \\n \u{1F600} \\ud800 </script>"}';
        const written = await store.write([
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
        expect(await store.readEvents(a.id, 0, 99)).toEqual([first, third]);
        expect(first).toMatchObject({ turnId, json: text, type: 'agent.message', at: AT });
        expect((await store.getSession(a.id))?.lastSeq).toBe(2);
      });

      test('what a writer believes about the newest number does not count', async () => {
        const { id } = sampleSession();
        await store.write([{ kind: 'insert-session', session: sampleSession({ id, lastSeq: 40 }) }]);
        await store.write([sampleEvent(id), sampleEvent(id)]);
        await store.write([{ kind: 'update-session', id, set: { title: 'x' } }, sampleEvent(id)]);
        expect((await store.readEvents(id, 0, 9)).map((each) => each.seq)).toEqual([1, 2, 3]);
      });

      test('are read in pages, from any number on', async () => {
        const { id } = await newSession();
        await store.write(Array.from({ length: 7 }, () => sampleEvent(id)));
        const seqs = async (after: number, limit: number) =>
          (await store.readEvents(id, after, limit)).map((each) => each.seq);
        expect(await seqs(0, 3)).toEqual([1, 2, 3]);
        expect(await seqs(3, 3)).toEqual([4, 5, 6]);
        expect(await seqs(6, 3)).toEqual([7]);
        expect(await seqs(7, 3)).toEqual([]);
        expect(await seqs(99, 3)).toEqual([]);
        expect(await store.readEvents(randomUUID(), 0, 3)).toEqual([]);
      });

      test('history is what users and the main thread said, within a range, page by page', async () => {
        const { id } = await newSession();
        const asked = await newTurn(id, { input: 'a question' });
        const own = await newTurn(id, { initiator: 'agent', input: 'a report' });
        const said = (data: unknown): Change => sampleEvent(id, { json: JSON.stringify(data) });
        await store.write([
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
          (await store.history(id, { after, until, limit, offset })).map(({ turnId, entry }) =>
            'input' in entry ? [turnId, entry.input] : (JSON.parse(entry.json) as { n: number }).n,
          );
        expect(await read(0, 99)).toEqual([[asked.id, 'a question'], 1, 3, 4]);
        expect(await read(0, 99, 2, 1)).toEqual([1, 3]);
        expect(await read(2, 8)).toEqual([1, 3]);
        expect(await store.history(randomUUID(), { after: 0, until: 99, limit: 9, offset: 0 })).toEqual([]);
      });

      test('have no holes and no repeats under many concurrent writes, some of them refused or broken', async () => {
        const sessions = await Promise.all([newSession(), newSession(), newSession()]);
        const writes = Array.from({ length: 300 }, (_, n) => {
          const id = sessions[n % 3]?.id ?? '';
          const events = Array.from({ length: 1 + (n % 4) }, () => sampleEvent(id, { json: `{"n":${n}}` }));
          if (n % 7 === 0) events.push({ kind: 'count-message', id: randomUUID() });
          if (n % 11 === 0) events.push(sampleEvent(randomUUID()));
          return events;
        });
        const results = await Promise.allSettled(writes.map((changes) => store.write(changes)));
        for (const [s, { id }] of sessions.entries()) {
          const mine = results.flatMap((each, n) =>
            n % 3 === s && each.status === 'fulfilled' && each.value.ok ? each.value.events : [],
          );
          expect(mine.map((each) => each.seq)).toEqual(mine.map((_, index) => index + 1));
          expect(await store.readEvents(id, 0, 9_999)).toEqual(mine);
        }
      });

      test('of all sessions are read by cursor: everything but agent messages, in order', async () => {
        const [a, b] = [await newSession(), await newSession()];
        expect(await store.lastCursor()).toBe(0);
        await store.write([sampleEvent(a.id, { type: 'turn.queued', turnId: randomUUID() })]);
        await store.write([sampleEvent(b.id), sampleEvent(b.id, { type: 'session.state' })]);
        await store.write([sampleEvent(a.id), sampleEvent(a.id, { type: 'turn.started' })]);
        const all = await store.readControlEvents(0, 99);
        expect(all.map(({ sessionId, type }) => [sessionId, type])).toEqual([
          [a.id, 'turn.queued'],
          [b.id, 'session.state'],
          [a.id, 'turn.started'],
        ]);
        const cursors = all.map((each) => each.cursor);
        expect(cursors).toEqual(cursors.toSorted((x, y) => x - y));
        expect(await store.readControlEvents(cursors[0] ?? 0, 1)).toEqual([all[1]]);
        expect(await store.lastCursor()).toBe(cursors[2]);
        expect(await store.readControlEvents(await store.lastCursor(), 99)).toEqual([]);
      });

      test('who follows the cursor while others write misses nothing', async () => {
        const sessions = await Promise.all(Array.from({ length: 5 }, () => newSession()));
        let writing = true;
        const writers = Promise.all(
          sessions.map(async ({ id }) => {
            for (let n = 0; n < 30; n++) await store.write([sampleEvent(id, { type: 'session.state' })]);
          }),
        ).finally(() => {
          writing = false;
        });
        let cursor = 0;
        const seen = new Map<string, number[]>();
        for (let last = false; !last; ) {
          last = !writing;
          const page = await store.readControlEvents(cursor, 3);
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
    });

    describe('writes', () => {
      test('settle in the order of the calls, whatever becomes of them', async () => {
        const { id } = await newSession();
        const order: number[] = [];
        await Promise.allSettled(
          Array.from({ length: 30 }, (_, n) => {
            const changes: Change[] =
              n % 3 === 0
                ? [sampleEvent(id)]
                : n % 3 === 1
                  ? [{ kind: 'count-message', id: randomUUID() }]
                  : [sampleEvent(randomUUID())];
            return store.write(changes).then(
              () => order.push(n),
              () => order.push(n),
            );
          }),
        );
        expect(order).toEqual(order.toSorted((a, b) => a - b));
        expect(order).toHaveLength(30);
      });

      test('can be read as soon as their promise settles', async () => {
        const { id } = await newSession();
        await Promise.all(
          Array.from({ length: 20 }, async () => {
            const written = await store.write([sampleEvent(id)]);
            const seq = written.ok ? (written.events[0]?.seq ?? 0) : 0;
            expect(await store.readEvents(id, seq - 1, 1)).toEqual(written.ok && written.events);
          }),
        );
      });

      test('a refused change takes nothing of its write with it, and leaves the writes around it alone', async () => {
        const session = await newSession();
        const { id } = session;
        const turn = sampleTurn(id, { idempotencyKey: 'k' });
        const permission = samplePermission(id);
        const usage = {
          model: 'demo',
          inputTokens: 1,
          outputTokens: 1,
          cacheReadInputTokens: 1,
          cacheCreationInputTokens: 1,
          costUsd: 1,
        };
        const [before, refused, broken, after] = await Promise.allSettled([
          store.write([sampleEvent(id, { json: '"before"' })]),
          store.write([
            { kind: 'insert-turn', turn },
            { kind: 'insert-permission', permission },
            { kind: 'count-message', id },
            { kind: 'update-session', id, set: { title: 'never' } },
            { kind: 'add-usage', sessionId: id, usage },
            sampleEvent(id, { json: '"refused"' }),
            {
              kind: 'settle-permission',
              id: randomUUID(),
              state: 'denied',
              reason: 'answered',
              resolvedAt: AT,
              resolvedBy: null,
            },
          ]),
          store.write([
            sampleEvent(id, { json: '"broken"' }),
            { kind: 'insert-turn', turn: sampleTurn('?') },
          ]),
          store.write([sampleEvent(id, { json: '"after"' })]),
        ]);
        expect(before).toMatchObject({ value: { ok: true, events: [{ seq: 1 }] } });
        expect(refused).toEqual({ status: 'fulfilled', value: { ok: false, refused: 6 } });
        expect(broken.status).toBe('rejected');
        expect(after).toMatchObject({ value: { ok: true, events: [{ seq: 2 }] } });
        expect((await store.readEvents(id, 0, 9)).map((each) => each.json)).toEqual(['"before"', '"after"']);
        expect(await store.getTurn(id, turn.id)).toBeUndefined();
        expect(await store.getPermission(id, permission.id)).toBeUndefined();
        expect(await store.getSession(id)).toEqual({ ...session, lastSeq: 2 });
        expect(await store.usage()).toEqual({ turns: 0, rows: [] });
      });

      test('that are impossible reject: events of unknown sessions, ids that are taken', async () => {
        const { id } = await newSession();
        const turn = await newTurn(id);
        const permission = samplePermission(id);
        await store.write([{ kind: 'insert-permission', permission }]);
        await expect(store.write([sampleEvent(randomUUID())])).rejects.toThrow();
        await expect(store.write([{ kind: 'insert-turn', turn }])).rejects.toThrow();
        await expect(
          store.write([{ kind: 'insert-turn', turn: sampleTurn(randomUUID()) }]),
        ).rejects.toThrow();
        await expect(store.write([{ kind: 'insert-permission', permission }])).rejects.toThrow();
      });

      test('of nothing succeed', async () => {
        expect(await store.write([])).toEqual({ ok: true, events: [] });
      });

      test('under way when the store is closed are kept or rejected, never left open', async () => {
        const { id } = await newSession();
        const results = Promise.allSettled([store.write([sampleEvent(id)]), store.write([sampleEvent(id)])]);
        await store.close();
        expect(await results).toHaveLength(2);
        await expect(store.write([sampleEvent(id)])).rejects.toThrow();
        await expect(store.getSession(id)).rejects.toThrow();
        store = await open();
      });
    });

    describe('usage', () => {
      const usage = (model: string, n: number) => ({
        model,
        inputTokens: n,
        outputTokens: 2 * n,
        cacheReadInputTokens: 3 * n,
        cacheCreationInputTokens: 4 * n,
        costUsd: n / 4,
      });

      test('is summed by model, of one session or of all', async () => {
        const [a, b] = [await newSession(), await newSession()];
        await store.write([{ kind: 'add-usage', sessionId: a.id, usage: usage('y', 1) }]);
        await store.write([{ kind: 'add-usage', sessionId: a.id, usage: usage('x', 10) }]);
        await store.write([
          { kind: 'add-usage', sessionId: a.id, usage: usage('y', 2) },
          { kind: 'add-usage', sessionId: b.id, usage: usage('y', 100) },
        ]);
        expect(await store.usage(a.id)).toEqual({ turns: 0, rows: [usage('x', 10), usage('y', 3)] });
        expect(await store.usage()).toEqual({ turns: 0, rows: [usage('x', 10), usage('y', 103)] });
        expect(await store.usage(randomUUID())).toEqual({ turns: 0, rows: [] });
      });

      test('of an API key is summed, whoever spends', async () => {
        expect(await store.keyUsage()).toEqual(new Map());
        await store.write([{ kind: 'add-key-usage', keyId: 'team', costUsd: 0.5 }]);
        await store.write([
          { kind: 'add-key-usage', keyId: 'team', costUsd: 0.25 },
          { kind: 'add-key-usage', keyId: 'other', costUsd: 1 },
        ]);
        expect(await store.keyUsage()).toEqual(
          new Map([
            ['team', 0.75],
            ['other', 1],
          ]),
        );
      });

      test('counts the turns that ended', async () => {
        const [a, b] = [await newSession(), await newSession()];
        await newTurn(a.id);
        await newTurn(a.id, { state: 'completed', endedAt: AT });
        await newTurn(b.id, { state: 'failed', endedAt: AT });
        expect((await store.usage(a.id)).turns).toBe(1);
        expect((await store.usage()).turns).toBe(2);
      });
    });

    test('behaves as a simple model in memory, whatever is written in whatever order', async () => {
      await fc.assert(
        fc.asyncProperty(commands(), async (list) => {
          const real = await open();
          const model = createModel();
          try {
            for (const command of list) await runCommand(real, model, command);
          } finally {
            await real.close();
          }
        }),
        { numRuns: 60 },
      );
    }, 60_000);
  });
}
