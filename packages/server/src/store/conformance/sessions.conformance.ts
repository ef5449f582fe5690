import { randomUUID } from 'node:crypto';
import type { UserInput } from 'claude-agent-protocol';
import { describe, expect, test } from 'vitest';
import { sampleEvent, sampleSession } from '../../../test/support/samples.ts';
import type { Change, SessionRecord, Store } from '../store.ts';
import type { Subject } from './subject.conformance.ts';

export function describeSessions(subject: Subject): void {
  describe('sessions', () => {
    test('a session is read exactly as it was written', async () => {
      const full = await subject.newSession({
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
        workspace: {
          source: { git: 'https://example.com/a.git', ref: 'main' },
          saved: {
            version: 2,
            at: '2026-01-02T03:04:05.678Z',
            object: { key: 'sessions/a/2-b', bytes: 3, sha256: 'c' },
            base: null,
          },
          problem: { code: 'workspace_not_saved', message: 'm', at: '2026-01-02T03:04:05.678Z' },
        },
        secrets: { A: { placeholder: 'p', hosts: ['a.example'], sealed: 's' } },
      });
      const empty = await subject.newSession();
      expect(await subject.store.getSession(full.id)).toEqual(full);
      expect(await subject.store.getSession(empty.id)).toEqual(empty);
      expect(await subject.store.getSession(randomUUID())).toBeUndefined();
      expect(await subject.store.getSessions([empty.id, randomUUID(), full.id])).toEqual(
        new Map([full, empty].map((session) => [session.id, session])),
      );
      expect(await subject.store.getSessions([])).toEqual(new Map());
    });

    test('a session has its conversations in order, each behind the events of the one before', async () => {
      const session = await subject.newSession();
      const [second, third] = [randomUUID(), randomUUID()];
      const begin = (id: string): Change => ({ kind: 'insert-conversation', id, sessionId: session.id });
      await subject.store.write([sampleEvent(session.id), sampleEvent(session.id), begin(second)]);
      await subject.store.write([
        begin(third),
        { kind: 'update-session', id: session.id, set: { conversationId: third } },
      ]);
      const all = [
        { id: session.id, sessionId: session.id, afterSeq: 0, fromDisk: false },
        { id: second, sessionId: session.id, afterSeq: 2, fromDisk: false },
        { id: third, sessionId: session.id, afterSeq: 2, fromDisk: false },
      ];
      expect(await subject.store.conversations(session.id)).toEqual(all);
      expect(await subject.store.conversation(second)).toEqual(all[1]);
      expect(await subject.store.conversation(randomUUID())).toBeUndefined();
      expect((await subject.store.pastConversations()).sort()).toEqual([session.id, second].sort());
      const owners = await subject.store.conversationOwners([third, randomUUID(), session.id, 'not "an" id']);
      expect(owners).toEqual(
        new Map([
          [third, session.id],
          [session.id, session.id],
        ]),
      );
      expect(await subject.store.conversationOwners([])).toEqual(new Map());
    });

    test('a conversation has one owner', async () => {
      const [owner, other] = [await subject.newSession(), await subject.newSession()];
      const taken: Change = { kind: 'insert-conversation', id: owner.id, sessionId: other.id };
      expect(await subject.store.write([taken])).toEqual({ ok: false, refused: 0 });
      const session = sampleSession({ conversationId: owner.id });
      expect(await subject.store.write([{ kind: 'insert-session', session }])).toEqual({
        ok: false,
        refused: 0,
      });
    });

    test('a session with a taken id is refused', async () => {
      const first = await subject.newSession({ title: 'first' });
      const again = sampleSession({ id: first.id, title: 'second' });
      expect(await subject.store.write([{ kind: 'insert-session', session: again }])).toEqual({
        ok: false,
        refused: 0,
      });
      expect(await subject.store.getSession(first.id)).toEqual(first);
    });

    test('an update changes the fields that it names, and no others', async () => {
      const session = await subject.newSession({ title: 'old', metadata: { a: 1 }, model: 'm' });
      const workspace: SessionRecord['workspace'] = {
        source: { snapshot: randomUUID() },
        saved: {
          version: 1,
          at: '2026-01-02T03:04:05.678Z',
          object: { key: 'sessions/a/1-b', bytes: 3, sha256: 'c' },
          base: { key: 'sessions/a/0-b', bytes: 4, sha256: 'd' },
        },
        problem: null,
      };
      const secrets = { A: { placeholder: 'p', hosts: ['a.example', '*.b.example:1'], from: 'a' } };
      const other = await subject.newSession({ title: 'other' });
      await subject.store.write([
        { kind: 'update-session', id: session.id, set: { title: null, metadata: {}, workspace, secrets } },
      ]);
      await subject.store.write([{ kind: 'update-session', id: session.id, set: { hasTranscript: true } }]);
      await subject.store.write([{ kind: 'update-session', id: session.id, set: {} }]);
      expect(await subject.store.getSession(session.id)).toEqual({
        ...session,
        title: null,
        metadata: {},
        workspace,
        secrets,
        hasTranscript: true,
      });
      expect(await subject.store.getSession(other.id)).toEqual(other);
    });

    test('an update or a count of an unknown session is refused', async () => {
      const id = randomUUID();
      const changes: Change[] = [
        { kind: 'update-session', id, set: { title: 'x' } },
        { kind: 'update-session', id, set: {} },
        { kind: 'count-message', id },
      ];
      for (const change of changes)
        expect(await subject.store.write([change])).toEqual({ ok: false, refused: 0 });
    });

    test('messages are counted one by one, even if many are written at once', async () => {
      const { id } = await subject.newSession();
      await Promise.all(
        Array.from({ length: 25 }, () => subject.store.write([{ kind: 'count-message', id }])),
      );
      expect((await subject.store.getSession(id))?.messageCount).toBe(25);
    });

    test('sessions are listed newest activity first, page by page, without holes or repeats', async () => {
      // Three of each second: a page must be able to end between two that are equally old.
      const sessions = await Promise.all(
        Array.from({ length: 9 }, (_, n) =>
          subject.newSession({ lastActivity: `2026-01-02T03:04:0${Math.floor(n / 3)}.000Z` }),
        ),
      );
      const expected = sessions
        .toSorted((a, b) => (a.lastActivity + a.id < b.lastActivity + b.id ? 1 : -1))
        .map((session) => session.id);
      for (const limit of [1, 2, 4, 9, 20]) {
        const seen: string[] = [];
        let cursor: string | undefined;
        do {
          const page = await subject.store.listSessions({ status: 'all', limit, cursor });
          expect(page.sessions.length).toBeLessThanOrEqual(limit);
          seen.push(...page.sessions.map((session) => session.id));
          cursor = page.next ?? undefined;
        } while (cursor !== undefined);
        expect(seen).toEqual(expected);
      }
    });

    test('sessions are listed and counted by status', async () => {
      const open = await subject.newSession();
      const closed = await subject.newSession({ status: 'closed' });
      const list = async (status: 'connected' | 'closed') =>
        (await subject.store.listSessions({ status, limit: 10 })).sessions.map((session) => session.id);
      expect(await list('connected')).toEqual([open.id]);
      expect(await list('closed')).toEqual([closed.id]);
      await subject.store.write([{ kind: 'update-session', id: open.id, set: { status: 'closed' } }]);
      expect(await subject.store.countSessions('connected')).toBe(0);
      expect(await subject.store.countSessions('closed')).toBe(2);
    });

    test('a cursor that no page returned is refused', async () => {
      await subject.newSession();
      for (const cursor of ['nonsense', '', Buffer.from('a b c').toString('base64url')]) {
        await expect(subject.store.listSessions({ status: 'all', limit: 5, cursor })).rejects.toMatchObject({
          code: 'cursor_invalid',
          status: 422,
        });
      }
    });

    test('sessions are found by folder, text and metadata, together and page by page', async () => {
      const a = await subject.newSession({
        cwd: '/a',
        title: '100% Done_',
        metadata: { p: 'x', n: 1, b: true },
      });
      const b = await subject.newSession({
        cwd: '/a',
        title: null,
        metadata: { p: 'x', n: '1', deep: { p: 1 } },
      });
      const c = await subject.newSession({ cwd: '/a/b', title: '1000 done', metadata: { p: null } });
      await subject.newTurn(c.id, { input: 'say "hello"\nto Bob' });
      const find = async (query: Partial<Parameters<Store['listSessions']>[0]>) => {
        const { sessions } = await subject.store.listSessions({ status: 'all', limit: 10, ...query });
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
      const first = await subject.store.listSessions({ status: 'all', limit: 1, cwd: '/a' });
      const cursor = first.next ?? undefined;
      const second = await subject.store.listSessions({ status: 'all', limit: 1, cwd: '/a', cursor });
      expect(ids(...first.sessions, ...second.sessions)).toEqual(ids(a, b));
      expect(second.next).toBeNull();
    });

    test('a list can be limited to some sessions, or leave some out', async () => {
      const made = await Promise.all([
        subject.newSession({ cwd: '/live', title: 'one' }),
        subject.newSession({ cwd: '/live', title: 'two' }),
        subject.newSession({ cwd: '/live', title: 'three', status: 'closed' }),
      ]);
      const [one, two, three] = made.map(({ id }) => id) as [string, string, string];
      const list = async (query: Partial<Parameters<Store['listSessions']>[0]>) => {
        const { sessions } = await subject.store.listSessions({
          status: 'connected',
          limit: 10,
          cwd: '/live',
          ...query,
        });
        return sessions.map(({ title }) => title).sort();
      };
      expect(await list({ only: [one, three, 'unknown'] })).toEqual(['one']);
      expect(await list({ only: [one, two, three], status: 'all', q: 'T' })).toEqual(['three', 'two']);
      expect(await list({ only: [] })).toEqual([]);
      expect(await list({ without: [one, 'unknown'] })).toEqual(['two']);
      expect(await list({ without: [] })).toEqual(['one', 'two']);
      const first = await subject.store.listSessions({ status: 'all', limit: 2, only: [one, two, three] });
      const rest = await subject.store.listSessions({
        status: 'all',
        limit: 2,
        only: [one, two, three],
        cursor: first.next ?? undefined,
      });
      expect([...first.sessions, ...rest.sessions].map(({ id }) => id).sort()).toEqual(
        [one, two, three].sort(),
      );
      expect(rest.next).toBeNull();
    });

    test('sessions are found by text anywhere in what was said to them, not by how it is stored', async () => {
      const one = await subject.newSession();
      const long = `${'lorem '.repeat(11_000)}far away`;
      const said: UserInput[] = [
        'Grüße, "Björn" 100%_',
        [
          { type: 'text', text: 'first\nline' },
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'c2VjcmV0' } },
        ],
        `near ${long}`,
      ];
      for (const input of said) await subject.newTurn(one.id, { input });
      const isFound = async (q: string): Promise<boolean> => {
        const { sessions } = await subject.store.listSessions({ status: 'all', limit: 10, q });
        return sessions.some(({ id }) => id === one.id);
      };
      const wanted = ['Grüße', 'üße, "BJ', '100%_', 'rst\nli', 'li', 'near lorem', 'lorem '.repeat(80)];
      for (const q of wanted) expect([q, await isFound(q)]).toEqual([q, true]);
      const others = [
        '100_%',
        'image',
        'c2Vj',
        'base64',
        'first\\nline',
        'far away',
        'Björn Grüße',
        'xy',
        '"""',
      ];
      for (const q of others) expect([q, await isFound(q)]).toEqual([q, false]);
    });
  });
}
