import fc from 'fast-check';
import { expect } from 'vitest';
import type {
  Change,
  ConversationRecord,
  PermissionRecord,
  SessionRecord,
  Store,
  StoredEvent,
  TurnRecord,
  WriteResult,
} from '../../src/store/store.ts';
import { sampleEvent, samplePermission, sampleSession, sampleTurn } from './samples.ts';

/** What a store holds, as plainly as it can be said; the property test compares the two. */
export interface Model {
  sessions: SessionRecord[];
  turns: TurnRecord[];
  permissions: PermissionRecord[];
  conversations: ConversationRecord[];
  /** Turns of erased sessions that had ended. */
  erasedTurns: number;
  /** Without cursors: a store is free to choose those. */
  events: Omit<StoredEvent, 'cursor'>[];
}

type Outcome = WriteResult | 'broken';

/** Writes that are made at the same time. */
export type Command = readonly (readonly Change[])[];

export const createModel = (): Model => ({
  sessions: [],
  turns: [],
  permissions: [],
  conversations: [],
  erasedTurns: 0,
  events: [],
});

// A few ids for each kind, so that writes meet: taken ids, unknown ids, second ends and second answers.
const uuid = (kind: number, n: number, session = 0): string =>
  `00000000-0000-4000-80${session}${kind}-00000000000${n}`;
const id = (kind: number, max: number) => fc.integer({ min: 0, max }).map((n) => uuid(kind, n));
const sessionId = id(1, 3);
const turnId = id(2, 9);
/** A turn or a permission request: no two sessions have one of the same id, because a store need not know. */
const part = (kind: number) =>
  fc
    .record({ session: fc.integer({ min: 0, max: 3 }), n: fc.integer({ min: 0, max: 3 }) })
    .map(({ session, n }) => ({ sessionId: uuid(1, session), id: uuid(kind, n, session) }));
const at = fc.integer({ min: 0, max: 9 }).map((n) => `2026-01-02T03:04:0${n}.000Z`);
const turnState = fc.constantFrom<TurnRecord['state']>(
  'queued',
  'running',
  'completed',
  'failed',
  'interrupted',
);
const text = fc.string({ unit: 'grapheme', maxLength: 6 }).filter((value) => !value.includes('\0'));
const json = fc.jsonValue({ depthSize: 'small' }).map((value) => JSON.parse(JSON.stringify({ value })));
const sessionSet = fc.record(
  {
    title: fc.option(text),
    metadata: json,
    lastActivity: at,
    status: fc.constantFrom<SessionRecord['status']>('connected', 'closed'),
    hasTranscript: fc.boolean(),
  },
  { requiredKeys: [] },
);

const removal: fc.Arbitrary<Change> = fc.oneof(
  sessionId.map((key): Change => ({ kind: 'erase-session', id: key })),
  fc
    .tuple(sessionId, fc.integer({ min: 0, max: 9 }))
    .map(([key, below]): Change => ({ kind: 'trim-events', sessionId: key, below })),
);

const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 1, arbitrary: removal },
  { weight: 6, arbitrary: eventChange() },
  {
    weight: 3,
    arbitrary: fc
      .tuple(sessionId, sessionSet)
      .map(([key, set]): Change => ({ kind: 'insert-session', session: sampleSession({ id: key, ...set }) })),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(sessionId, sessionSet)
      .map(([key, set]): Change => ({ kind: 'update-session', id: key, set })),
  },
  { weight: 1, arbitrary: sessionId.map((key): Change => ({ kind: 'count-message', id: key })) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(id(4, 5), sessionId)
      .map(([key, session]): Change => ({ kind: 'insert-conversation', id: key, sessionId: session })),
  },
  {
    weight: 4,
    arbitrary: fc
      .record({
        of: part(2),
        state: turnState,
        input: text.map((value) => `say ${value}`),
        idempotencyKey: fc.option(fc.constantFrom('k1', 'k2')),
        endedAt: fc.option(at),
      })
      .map(
        ({ of, ...set }): Change => ({
          kind: 'insert-turn',
          turn: sampleTurn(of.sessionId, { id: of.id, ...set }),
        }),
      ),
  },
  {
    weight: 4,
    arbitrary: fc
      .record({
        of: part(2),
        from: fc.uniqueArray(turnState, { minLength: 1, maxLength: 3 }),
        set: fc.record({ state: turnState, endedAt: fc.option(at) }, { requiredKeys: ['state'] }),
      })
      .map(({ of, ...set }): Change => ({ kind: 'update-turn', ...of, ...set })),
  },
  {
    weight: 3,
    arbitrary: fc.record({ of: part(3), toolInput: json, defaultToNo: fc.boolean() }).map(
      ({ of, ...set }): Change => ({
        kind: 'insert-permission',
        permission: samplePermission(of.sessionId, { id: of.id, ...set }),
      }),
    ),
  },
  {
    weight: 3,
    arbitrary: fc
      .record({
        of: part(3),
        state: fc.constantFrom('allowed', 'denied'),
        resolvedAt: at,
        decision: fc.constantFrom(null, { allowed: true as const, applySuggestions: false }),
        resolvedBy: fc.constantFrom(null, { kind: 'local' as const }, { kind: 'key' as const, id: 'one' }),
      })
      .map(({ of, ...set }): Change => ({ kind: 'settle-permission', reason: 'answered', ...of, ...set })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(sessionId, fc.constantFrom(0, 0, 1))
      .map(([key, fence]): Change => ({ kind: 'owned', sessionId: key, fence })),
  },
);

function eventChange(): fc.Arbitrary<Change> {
  const type = fc.constantFrom('agent.message', 'session.state', 'permission.requested');
  return fc
    .tuple(sessionId, fc.option(turnId), type, json)
    .map(([key, turn, kind, data]) =>
      sampleEvent(key, { turnId: turn, type: kind, json: JSON.stringify(data) }),
    );
}

/** Sessions first, so that most of what follows has something to work on. */
export const commands = (): fc.Arbitrary<Command[]> =>
  fc
    .array(fc.array(fc.array(change, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 }), {
      minLength: 1,
      maxLength: 25,
    })
    .map((list) => [
      [0, 1, 2].map((n): Change[] => [
        { kind: 'insert-session', session: sampleSession({ id: uuid(1, n) }) },
      ]),
      ...list,
    ]);

/** Writes to both, and compares what each said and all that each then holds. */
export async function runCommand(store: Store, model: Model, command: Command): Promise<void> {
  const outcomes = await Promise.all(
    command.map((changes) => store.write(changes).catch((): Outcome => 'broken')),
  );
  for (const [n, changes] of command.entries()) {
    const outcome = outcomes[n];
    const expected = writeToModel(model, changes);
    expect(
      typeof outcome === 'object' && outcome.ok
        ? { ok: true, events: outcome.events.map(withoutCursor) }
        : outcome,
    ).toEqual(expected);
  }
  await compare(store, model);
}

const withoutCursor = ({ cursor: _, ...event }: StoredEvent): Omit<StoredEvent, 'cursor'> => event;

async function compare(store: Store, model: Model): Promise<void> {
  for (const session of model.sessions) {
    expect(await store.getSession(session.id)).toEqual(session);
    expect(await store.conversations(session.id)).toEqual(
      model.conversations.filter((conversation) => conversation.sessionId === session.id),
    );
    const events = model.events.filter((event) => event.sessionId === session.id);
    expect((await store.readEvents(session.id, 0, 999)).map(withoutCursor)).toEqual(events);
    expect(await store.listTurns({ sessionId: session.id, limit: 999 })).toEqual(
      model.turns.filter((turn) => turn.sessionId === session.id),
    );
    for (const key of ['k1', 'k2']) {
      expect(await store.getTurnByKey(session.id, key)).toEqual(
        model.turns.find((turn) => turn.sessionId === session.id && turn.idempotencyKey === key),
      );
    }
  }
  for (const permission of model.permissions) {
    expect(await store.getPermission(permission.sessionId, permission.id)).toEqual(permission);
  }
  expect((await store.pendingPermissions()).permissions).toEqual(
    model.permissions.filter((p) => p.state === 'pending'),
  );
  expect((await store.readControlEvents(0, 999)).map(withoutCursor)).toEqual(
    model.events.filter((event) => event.type !== 'agent.message'),
  );
  const newest = model.sessions.toSorted((a, b) => (a.lastActivity + a.id < b.lastActivity + b.id ? 1 : -1));
  expect((await store.listSessions({ status: 'all', limit: 999 })).sessions).toEqual(newest);
  expect(await store.countSessions('connected')).toBe(
    newest.filter((each) => each.status === 'connected').length,
  );
  const ended = model.turns.filter((turn) => turn.endedAt !== null).length;
  expect((await store.totalUsage()).turns).toBe(ended + model.erasedTurns);
  await compareSizes(store, model);
}

async function compareSizes(store: Store, model: Model): Promise<void> {
  const sizes = await store.logSizes('', 99);
  expect(sizes.map((each) => each.sessionId)).toEqual(model.sessions.map(({ id }) => id).sort());
  for (const size of sizes) {
    const events = model.events.filter((event) => event.sessionId === size.sessionId);
    const bytes = events.map(({ json }) => Buffer.byteLength(json));
    const { lastSeq } = model.sessions.find(({ id }) => id === size.sessionId) ?? { lastSeq: 0 };
    expect(size).toMatchObject({
      firstSeq: events[0]?.seq ?? lastSeq + 1,
      lastSeq,
      bytes: bytes.reduce((sum, each) => sum + each, 0),
      oldestAt: events[0]?.at ?? null,
    });
    expect(await store.firstSeq(size.sessionId)).toBe(size.firstSeq);
    expect(await store.oldestEvents(size.sessionId, 2)).toEqual(
      events.slice(0, 2).map(({ seq, at }, n) => ({ seq, at, bytes: bytes[n] })),
    );
  }
}

function writeToModel(model: Model, changes: readonly Change[]): unknown {
  const copy = structuredClone(model);
  const events: Model['events'] = [];
  for (const [index, each] of changes.entries()) {
    const outcome = applyToModel(copy, each, events);
    if (outcome === 'refused') return { ok: false, refused: index };
    if (outcome === 'broken') return 'broken';
  }
  Object.assign(model, copy);
  return { ok: true, events };
}

function applyToModel(model: Model, each: Change, events: Model['events']): 'refused' | 'broken' | undefined {
  const sessionOf = (key: string) => model.sessions.find((session) => session.id === key);
  switch (each.kind) {
    case 'insert-session':
      if (sessionOf(each.session.id)) return 'refused';
      model.sessions.push({ ...each.session, lastSeq: 0 });
      model.conversations.push({
        id: each.session.conversationId,
        sessionId: each.session.id,
        afterSeq: 0,
        fromDisk: each.session.hasTranscript,
      });
      return undefined;
    case 'insert-conversation': {
      const session = sessionOf(each.sessionId);
      if (!session || model.conversations.some((other) => other.id === each.id)) return 'refused';
      model.conversations.push({
        id: each.id,
        sessionId: each.sessionId,
        afterSeq: session.lastSeq,
        fromDisk: false,
      });
      return undefined;
    }
    case 'update-session': {
      const session = sessionOf(each.id);
      if (!session) return 'refused';
      Object.assign(session, each.set);
      return undefined;
    }
    case 'count-message': {
      const session = sessionOf(each.id);
      if (!session) return 'refused';
      session.messageCount++;
      return undefined;
    }
    case 'insert-turn': {
      const { turn } = each;
      const key = turn.idempotencyKey;
      const mine = model.turns.filter((other) => other.sessionId === turn.sessionId);
      if (key !== null && mine.some((other) => other.idempotencyKey === key)) return 'refused';
      if (!sessionOf(turn.sessionId) || model.turns.some((other) => other.id === turn.id)) return 'broken';
      model.turns.push(turn);
      return undefined;
    }
    case 'update-turn': {
      const turn = model.turns.find(({ id, sessionId }) => id === each.id && sessionId === each.sessionId);
      if (!turn || !each.from.includes(turn.state)) return 'refused';
      Object.assign(turn, each.set);
      return undefined;
    }
    case 'insert-permission': {
      const { permission } = each;
      const taken = model.permissions.some((other) => other.id === permission.id);
      if (!sessionOf(permission.sessionId) || taken) return 'broken';
      model.permissions.push(permission);
      return undefined;
    }
    case 'settle-permission': {
      const permission = model.permissions.find(
        ({ id, sessionId }) => id === each.id && sessionId === each.sessionId,
      );
      if (permission?.state !== 'pending') return 'refused';
      const { state, reason, resolvedAt, resolvedBy, decision } = each;
      Object.assign(permission, { state, reason, resolvedAt, resolvedBy, decision });
      return undefined;
    }
    case 'owned':
      return sessionOf(each.sessionId) && each.fence === 0 ? undefined : 'refused';
    case 'add-usage':
    case 'add-day-usage':
    case 'limit':
    case 'add-key-usage':
    case 'insert-call':
    case 'delete-call':
    case 'hide-session':
    case 'erase-rows':
    // Not among the random ones.
    case 'begin-import':
    case 'import-rows':
    case 'end-import':
      return undefined;
    case 'erase-session': {
      if (!sessionOf(each.id)) return 'refused';
      const belongs = ({ sessionId }: { sessionId: string }): boolean => sessionId === each.id;
      model.erasedTurns += model.turns.filter((turn) => belongs(turn) && turn.endedAt !== null).length;
      model.sessions = model.sessions.filter(({ id }) => id !== each.id);
      model.turns = model.turns.filter((turn) => !belongs(turn));
      model.permissions = model.permissions.filter((permission) => !belongs(permission));
      model.conversations = model.conversations.filter((conversation) => !belongs(conversation));
      model.events = model.events.filter((event) => !belongs(event));
      return undefined;
    }
    case 'trim-events':
      model.events = model.events.filter(
        ({ sessionId: key, seq }) => key !== each.sessionId || seq >= each.below,
      );
      return undefined;
    case 'event': {
      const session = sessionOf(each.event.sessionId);
      if (!session) return 'broken';
      const stored = { ...each.event, seq: ++session.lastSeq };
      model.events.push(stored);
      events.push(stored);
      return undefined;
    }
  }
}
